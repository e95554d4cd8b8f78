"""Rules of sudo and doas: what is sent of them, and what the reader makes of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.evidence import Reason
from collectors.facts import WithheldError
from collectors.probes.sudo import PROBE, SudoFacts
from collectors.probes.sudo_rules import Named
from config.errors import ParseError
from tests.collectors.probes.fixed_paths import SHELLS, ask
from tests.collectors.probes.sudo_answers import rules_of

_HOSTILE = r"""
rm -rf /etc/sudoers* /etc/doas*
mkdir /etc/sudoers.d /etc/doas.d
printf '%s\n' '# CANARY-COMMENT Tanaka Taro' 'root ALL=(ALL:ALL) ALL # CANARY-ROOM 5' \
  'Defaults mailto="CANARY-MAIL@example.test"' 'Defaults insults, \' '  !authenticate' \
  '#1000 ALL=ALL' '%#27 ALL=/bin/ls \#x #CANARY' '@includedir sudoers.d' \
  '#include /etc/rules/%h/%h' > /etc/sudoers
printf 'tanaka ALL=ALL\000\033[2J\377 no newline' > /etc/sudoers.d/binary
printf 'sato ALL=ALL\r\n' > '/etc/sudoers.d/two words'
printf 'x ALL=ALL\n' > /etc/sudoers.d/dotted.conf
printf 'x ALL=ALL\n' > '/etc/sudoers.d/old~'
mkdir /etc/sudoers.d/folder
mkfifo /etc/sudoers.d/fifo
ln -s /dev/zero /etc/sudoers.d/zero
printf '@include /etc/sudoers\n' > /etc/sudoers.d/loop
printf 'permit nopass sato # CANARY\ndeny :wheel\n' > /etc/doas.conf
printf 'permit mori as root cmd /bin/ls args -l\n' > /etc/doas.d/more.conf
chmod 440 /etc/sudoers
"""


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_sends_the_same_of_hostile_files(shell: str) -> None:
    answer = ask(PROBE, _HOSTILE, shell=shell)
    assert answer.payload == ask(PROBE, _HOSTILE).payload
    assert b"CANARY" not in answer.stream
    facts = PROBE.parse(answer.section)
    places = {it.place for it in facts.rules}
    assert {"/etc/sudoers:2", "/etc/sudoers:6", "/etc/sudoers:7", "/etc/sudoers.d/two words:1"} <= places
    assert {"/etc/doas.conf:1", "/etc/doas.conf:2", "/etc/doas.d/more.conf:1"} <= places
    assert not any("dotted" in it or "old" in it for it in places)
    assert "/etc/sudoers.d/binary:1" in facts.damaged
    assert [it.on for it in facts.switches[:1]] == [False]


def test_a_long_file_is_cut_and_known_to_be() -> None:
    setup = "rm -rf /etc/sudoers*; head -c 5000000 /dev/zero | tr '\\000' a > /etc/sudoers"
    answer = ask(PROBE, setup)
    assert len(answer.stream) < 200_000
    with pytest.raises(WithheldError) as withheld:
        PROBE.parse(answer.section)
    assert withheld.value.reason is Reason.TRUNCATED


def test_more_files_than_we_read_are_a_limit_and_not_a_shorter_list() -> None:
    setup = (
        "rm -rf /etc/sudoers*; mkdir /etc/sudoers.d; echo '@includedir /etc/sudoers.d' > /etc/sudoers\n"
        "for i in $(seq 300); do echo 'x ALL=ALL' > /etc/sudoers.d/$i; done"
    )
    with pytest.raises(WithheldError) as withheld:
        PROBE.parse(ask(PROBE, setup).section)
    assert withheld.value.reason is Reason.LIMIT


@pytest.mark.parametrize("file", ["sudoers", "sudoers.d", "sudoers.d/a", "doas.conf"])
def test_without_privilege_rules_are_denied_and_never_none(file: str) -> None:
    """Criterion 10: Debian's own mode of sudoers is 0440."""
    setup = (
        "rm -rf /etc/sudoers* /etc/doas*; mkdir /etc/sudoers.d\n"
        "echo '@includedir /etc/sudoers.d' > /etc/sudoers; echo 'a ALL=ALL' > /etc/sudoers.d/a\n"
        f"echo 'permit a' > /etc/doas.conf; chmod 700 /etc/{file}"
    )
    with pytest.raises(WithheldError) as withheld:
        PROBE.parse(ask(PROBE, setup, user="daemon").section)
    assert withheld.value.reason is Reason.NOPRIV


def test_a_host_without_sudo_and_doas_has_no_rules() -> None:
    facts = PROBE.parse(ask(PROBE, "rm -rf /etc/sudoers* /etc/doas*").section)
    assert (facts.rules, facts.damaged, facts.outside) == ((), (), ())


@pytest.mark.parametrize(
    ("mode", "idle"),
    [
        ("0 0 440", False),
        ("0 0 644", False),
        ("0 0 460", False),
        ("0 27 440", False),
        ("0 27 460", True),
        ("0 0 442", True),
        ("1000 0 440", True),
    ],
)
def test_a_file_that_others_may_write_is_refused_by_sudo(mode: str, idle: bool) -> None:  # noqa: FBT001
    (rule,) = rules_of(**{"f /etc/sudoers": ("read", f"{mode} 9\nx ALL=ALL\n")}).rules
    assert rule.idle is idle


def test_rules_without_the_program_are_idle() -> None:
    (rule,) = rules_of("x ALL=ALL\n", tools=("read", "doas\n")).rules
    assert rule.idle


@pytest.mark.parametrize(
    ("line", "outside"),
    [
        ("nsswitch sudoers: files", ()),
        ("nsswitch sudoers:files [NOTFOUND=continue] sss ldap # nis", ("sss", "ldap")),
        ("plugin Plugin sudoers_policy sudoers.so", ()),
        ("plugin Plugin sudoers_io sudoers.so", ()),
        ("plugin Plugin sudoers_policy sudoers.so sudoers_file=/srv/x", ("another policy in sudo.conf",)),
        ("plugin Plugin vendor_policy vendor.so", ("another policy in sudo.conf",)),
    ],
)
def test_rules_that_another_source_keeps_are_told(line: str, outside: tuple[str, ...]) -> None:
    """S8."""
    assert rules_of(sources=("read", line + "\n")).outside == outside
    assert rules_of(sources=("read", line + "\n"), tools=("read", "")).outside == ()


def test_names_of_all_kinds_are_told_apart() -> None:
    (rule,) = rules_of('a, #1000, %g, %#27, +n, ALL, "ALL", !"%h i" ALL=ALL\n').rules
    assert [(it.by, it.value, it.negated) for it in rule.users] == [
        (Named.USER, "a", False),
        (Named.UID, "1000", False),
        (Named.GROUP, "g", False),
        (Named.GID, "27", False),
        (Named.NETGROUP, "n", False),
        (Named.EVERYBODY, "", False),
        (Named.USER, "ALL", False),
        (Named.GROUP, "h i", True),
    ]


def test_a_group_of_a_plugin_counts_only_where_one_is_set() -> None:
    assert rules_of("%:ad ALL=ALL\n").rules[0].users == ()
    (rule,) = rules_of('Defaults group_plugin="x.so"\n%:ad ALL=ALL\n').rules
    assert [it.by for it in rule.users] == [Named.PLUGIN]


@pytest.mark.parametrize(
    ("hosts", "certain"),
    [
        ("web1", True),
        ("WEB1", True),
        ("w?b*", True),
        ("web2", None),
        ("ALL, !web1", None),
        ("!web2", None),
        ("web[12]", False),
        ("+hosts", False),
        ("10.0.0.0/8", False),
        ("web1.example.test", None),
    ],
)
def test_rules_for_other_hosts_are_left_out(hosts: str, certain: bool | None) -> None:  # noqa: FBT001
    rules = rules_of(f"x {hosts}=ALL\n").rules
    assert [it.certain for it in rules] == ([] if certain is None else [certain])


def test_a_full_name_is_not_ours_to_tell_when_sudo_asks_a_name_server() -> None:
    (rule,) = rules_of("Defaults fqdn\nx web1.example.test=ALL\n").rules
    assert not rule.certain


@pytest.mark.parametrize(
    ("host", "there"),
    [
        ("10.1.2.3", True),
        ("10.1.2.0", True),
        ("10.1.0.0/16", True),
        ("10.1.3.0/24", False),
        ("fe80::1", True),
    ],
)
def test_addresses_are_compared_with_the_hosts_own(host: str, there: bool) -> None:  # noqa: FBT001
    rules = rules_of(f"x {host}=ALL\n", addresses=("read", "10.1.2.3/24\nfe80::1/64\n")).rules
    assert len(rules) == int(there)
    assert all(it.certain for it in rules)


def test_aliases_that_multiply_are_a_limit() -> None:
    text = "".join(f"User_Alias A{i} = A{i + 1}, A{i + 1}\n" for i in range(40)) + "A0 ALL=ALL\n"
    with pytest.raises(WithheldError) as withheld:
        rules_of(text)
    assert withheld.value.reason is Reason.LIMIT


def test_a_file_that_includes_itself_ends() -> None:
    assert rules_of("@include /etc/sudoers\nx ALL=ALL\n").damaged
    with pytest.raises(WithheldError) as withheld:
        rules_of("@include /etc/sudoers\n@include /etc/sudoers\n")
    assert withheld.value.reason is Reason.LIMIT


def test_an_included_file_that_did_not_arrive_is_an_error() -> None:
    with pytest.raises(ParseError, match="no part f /etc/more"):
        rules_of("@include more\n")
    with pytest.raises(ParseError, match="no part f /d/a"):
        rules_of("@includedir /d\n", **{"d /d": ("read", "0 0 755 1\na\n")})


def test_a_folder_that_others_may_write_is_not_read_by_sudo() -> None:
    assert rules_of("@includedir /d\n", **{"d /d": ("read", "0 0 777 1\na\n")}).rules == ()


def test_doas_rules_are_read_as_doas_reads_them() -> None:
    text = (
        'permit persist setenv { A B=c } "sato" as root cmd /bin/ls args -l \\\n -a\ndeny :1000\npermit as\n'
    )
    facts = rules_of(
        tools=("read", "doas\n"),
        roots=("read", "f /etc/doas.conf\n"),
        **{"f /etc/doas.conf": ("read", f"0 0 644 1\n{text}")},
    )
    first, second = facts.rules
    assert (first.users[0].value, first.grants[0].number, first.grants[0].as_root) == ("sato", 1, True)
    assert (second.users[0].by, second.grants[0].denied) == (Named.GID, True)
    assert facts.damaged == ("/etc/doas.conf:4",)


_PIECES = st.sampled_from(
    ["ALL", "=", ",", ":", "!", "(", ")", " ", "\n", "\\", "\\\n", "#", "#1", "%", "+", '"', "x", "A",
     "/bin/ls",
     "User_Alias ", "Cmnd_Alias ", "Defaults", "@include /etc/sudoers", "@includedir /d", "NOPASSWD:",
     "NOTAFTER=2020", "10.0.0.0/8", "::", "fe80::1", "\x01", "é", "permit ", "0 0 440 5\n"]
)  # fmt: skip
_TEXT = st.one_of(st.lists(_PIECES, max_size=40).map("".join), st.text(max_size=60))


@given(
    text=_TEXT,
    folder=st.tuples(st.sampled_from(["read", "denied", "absent", "special"]), _TEXT),
    doas=_TEXT,
    addresses=_TEXT,
)
@settings(max_examples=60, deadline=None)
def test_any_text_gives_facts_or_a_parse_error(
    text: str, folder: tuple[str, str], doas: str, addresses: str
) -> None:
    try:
        facts = rules_of(
            text,
            roots=("read", "f /etc/sudoers\nf /etc/doas.conf\n"),
            addresses=("read", addresses),
            **{"d /d": folder, "f /etc/doas.conf": ("read", f"0 0 644 1\n{doas}")},
        )
    except ParseError:
        return
    assert isinstance(facts, SudoFacts)
