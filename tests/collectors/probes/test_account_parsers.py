"""What the account parsers make of answers that no good host gives."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.evidence import Part, Reason, Section, SectionState
from collectors.facts import Facts, WithheldError
from collectors.probes.accounts import AccountsFacts
from collectors.probes.keys import KeysFacts
from collectors.probes.names import NamesFacts
from collectors.probes.shadow import ShadowFacts
from collectors.probes.sshd import SshdFacts
from collectors.registry import all_probes
from config.errors import ParseError

_PARTS = {
    "accounts": ("passwd", "group", "/etc/login.defs", "times", "pam"),
    "pgroles": ("asked", "servers", "1"),
    "names": ("nsswitch", "asked", "found", "initgroups"),
    "shadow": ("shadow",),
    "sshd": ("effective", "daemons", "/etc/ssh/sshd_config"),
    "keys": ("patterns", "files"),
    "residue": (
        "processes",
        "crontabs /a",
        "cron.d",
        "services",
        "at /b",
        "linger",
        "units",
        "mail",
        "stores",
        "homes",
    ),
}
_PIECES = st.sampled_from(
    [
        b"A:",
        b"B:",
        b"F:",
        b"K:",
        b"O:",
        b"N:",
        b"S:",
        b"1",
        b":",
        b"\n",
        b" ",
        b"x",
        b"set y",
        b"-1",
        b"?",
        b"read",
    ]
)
_BYTES = st.one_of(st.binary(max_size=80), st.lists(_PIECES, max_size=40).map(b"".join))
_WORDS = st.sampled_from(["read", "denied", "absent", "sshd", "failed", "timeout", "odd"])


def _section(name: str, **parts: tuple[str, bytes]) -> Section:
    return Section(
        name=name,
        state=SectionState.ENDED,
        exit=0,
        parts=tuple(Part.of(part, state, raw) for part, (state, raw) in parts.items()),
    )


@pytest.mark.parametrize("name", _PARTS)
@given(data=st.data())
@settings(deadline=None)  # the first call imports every probe
def test_any_bytes_give_facts_or_a_parse_error(name: str, data: st.DataObject) -> None:
    parts = {
        part: (data.draw(_WORDS), data.draw(_BYTES)) for part in _PARTS[name] if data.draw(st.booleans())
    }
    try:
        facts = all_probes()[name].parse(_section(name, **parts))
    except ParseError:
        return
    assert isinstance(facts, Facts)


def _accounts(passwd: bytes = b"A:root:x:0:0:/root:/bin/sh\n", **parts: tuple[str, bytes]) -> AccountsFacts:
    whole = {
        "passwd": ("read", passwd),
        "group": ("read", b"G:sudo:27:sato,mori\n"),
        "/etc/login.defs": ("read", b"UID_MIN 500\nPASS_MAX_DAYS 90\n"),
        "times": ("read", b"1700000000 1690000000 /etc/passwd\n"),
        "pam": ("read", b"yes\n"),
        **parts,
    }
    facts = all_probes()["accounts"].parse(_section("accounts", **whole))
    assert isinstance(facts, AccountsFacts)
    return facts


def test_the_change_time_is_the_inodes_and_not_the_contents() -> None:
    """Mtime can be set by anybody who may write the file."""
    assert _accounts().passwd_changed == datetime.fromtimestamp(1_700_000_000, tz=UTC)
    assert _accounts().shadow_changed is None


def test_limits_come_from_login_defs_or_are_useradds_own() -> None:
    assert (_accounts().uid_min, _accounts().uid_max, _accounts().pass_max_days) == (500, 60_000, 90)
    odd = _accounts(**{"/etc/login.defs": ("read", b"UID_MIN 0x1F4\nPASS_MAX_DAYS 090\n")})
    assert (odd.uid_min, odd.pass_max_days) == (1_000, None)


@pytest.mark.parametrize(
    "row",
    [
        b"A:root:x:0:0:/root\n",
        b"A:root:y:0:0:/root:/bin/sh\n",
        b"A:root:x:4294967296:0:/root:/bin/sh\n",
        b"Z:root\n",
        b"",
    ],
)
def test_a_row_of_another_shape_is_an_error_and_not_a_shorter_list(row: bytes) -> None:
    with pytest.raises(ParseError, match="passwd"):
        _accounts(row)


def test_an_error_never_repeats_what_it_read() -> None:
    with pytest.raises(ParseError) as raised:
        _accounts(b"A:root:CANARY:0:0:/root:/bin/sh\n")
    assert "CANARY" not in str(raised.value)


def test_an_unreadable_or_damaged_group_file_is_not_an_empty_one() -> None:
    assert _accounts(group=("denied", b"")).groups is None
    assert _accounts(group=("read", b"G:sudo:27:sato\nB:7\n")).groups is None
    found = _accounts().groups
    assert found is not None
    assert found[0].members == ("sato", "mori")


def test_shadow_without_its_last_line_is_not_read_to_its_end() -> None:
    row = b"F:root:star::20000:0:90:7:::0\n"
    with pytest.raises(ParseError, match="end"):
        all_probes()["shadow"].parse(_section("shadow", shadow=("read", row)))
    facts = all_probes()["shadow"].parse(_section("shadow", shadow=("read", row + b"R:124\nO:0\n")))
    assert isinstance(facts, ShadowFacts)
    assert not facts.service_answered


@pytest.mark.parametrize(("state", "reason"), [("denied", Reason.NOPRIV), ("absent", Reason.UNSUPPORTED)])
def test_a_shadow_file_that_is_not_there_to_read_has_a_reason(state: str, reason: Reason) -> None:
    with pytest.raises(WithheldError) as withheld:
        all_probes()["shadow"].parse(_section("shadow", shadow=(state, b"")))
    assert withheld.value.reason is reason


@pytest.mark.parametrize(
    ("config", "sources"),
    [
        (b"passwd: files sss\n", ("files", "sss")),
        (b"passwd:files[NOTFOUND=return]ldap # nis\n", ("files", "ldap")),
        (b"passwd: files [!UNAVAIL=return success=merge] winbind\n", ("files", "winbind")),
        (b"shadow: files sss\n", ("files",)),
        (b"", ("files",)),
    ],
)
def test_name_service_sources_are_read_without_their_actions(config: bytes, sources: tuple[str, ...]) -> None:
    section = _section(
        "names",
        nsswitch=("read", config),
        asked=("read", b"sato\n1234\n"),
        found=("read", b""),
        initgroups=("read", b""),
    )
    facts = all_probes()["names"].parse(section)
    assert isinstance(facts, NamesFacts)
    assert facts.sources == sources
    # getent takes digits for a uid
    assert facts.asked == {"sato"}


@pytest.mark.parametrize(
    ("state", "config", "reason"),
    [
        ("timeout", b"", Reason.TIMEOUT),
        ("failed", b"", Reason.FAILED),
        ("no_tool", b"passwd: files sss\n", Reason.NO_TOOL),
    ],
)
def test_a_look_up_that_was_not_made_is_not_an_empty_answer(
    state: str, config: bytes, reason: Reason
) -> None:
    section = _section("names", nsswitch=("read", config), asked=("read", b"sato\n"), found=(state, b""))
    with pytest.raises(WithheldError) as withheld:
        all_probes()["names"].parse(section)
    assert withheld.value.reason is reason


def test_without_getent_and_other_services_the_file_is_all_there_is() -> None:
    section = _section(
        "names",
        nsswitch=("absent", b""),
        asked=("read", b"sato\n"),
        found=("no_tool", b""),
        initgroups=("no_tool", b""),
    )
    facts = all_probes()["names"].parse(section)
    assert isinstance(facts, NamesFacts)
    assert facts.remote == ()
    assert (facts.remote_groups, facts.memberships) == ((), None)


@pytest.mark.parametrize(
    ("state", "rows", "memberships"),
    [
        ("read", b"sato:70000:domain admins\nsato:70001:\n", [("domain admins", 70_000), ("", 70_001)]),
        ("read", b"", []),
        ("timeout", b"", None),
        ("failed", b"", None),
    ],
)
def test_groups_of_other_services_are_told_or_not_known(
    state: str, rows: bytes, memberships: list[tuple[str, int]] | None
) -> None:
    section = _section(
        "names",
        nsswitch=("read", b"group: files sss\ninitgroups: files [SUCCESS=continue] ldap systemd\n"),
        asked=("read", b"sato\n"),
        found=("read", b""),
        initgroups=(state, rows),
    )
    facts = all_probes()["names"].parse(section)
    assert isinstance(facts, NamesFacts)
    assert facts.remote_groups == ("sss", "ldap")
    found = None if facts.memberships is None else [(it.group, it.gid) for it in facts.memberships]
    assert found == memberships


def _sshd(
    config: bytes = b"", daemons: bytes = b"plain\n", state: str = "read", says: bytes = b"", **parts: Any
) -> SshdFacts:
    effective = b"permitrootlogin no\nauthorizedkeysfile .ssh/authorized_keys\nusepam yes\n" + says
    section = _section(
        "sshd",
        effective=("read" if state == "read" else state, effective if state == "read" else b""),
        daemons=("read", daemons),
        **{"/etc/ssh/sshd_config": ("read", config)},
        **parts,
    )
    facts = all_probes()["sshd"].parse(section)
    assert isinstance(facts, SshdFacts)
    return facts


def test_match_blocks_and_strange_includes_are_told() -> None:
    assert _sshd().match_blocks is False
    assert _sshd(b"match User sato\n").match_blocks is True
    assert _sshd(b"include /srv/*.conf\n").match_blocks is None
    assert _sshd(b"include /etc/ssh/sshd_config.d/*.conf\n").match_blocks is False
    assert _sshd(b"trustedusercakeys none\n").user_ca is False
    assert _sshd(b"trustedusercakeys /etc/ssh/ca\n").user_ca is True


@pytest.mark.parametrize(
    ("says", "keytab", "vouched"),
    [
        (b"hostbasedauthentication yes\n", "absent", True),
        (b"gssapiauthentication yes\n", "read", True),
        (b"gssapiauthentication yes\n", "denied", True),
        (b"gssapiauthentication yes\n", "", True),
        # RHEL's default, which lets nobody in before the host has joined a realm
        (b"gssapiauthentication yes\n", "absent", False),
        (b"gssapiauthentication no\nhostbasedauthentication no\n", "read", False),
    ],
)
def test_who_else_may_vouch_for_a_log_in_is_told(says: bytes, keytab: str, *, vouched: bool) -> None:
    parts = {"keytab": (keytab, b"")} if keytab else {}
    assert _sshd(says=says, **parts).vouched is vouched


def test_a_match_block_may_let_others_vouch() -> None:
    assert _sshd(b"match User sato\nhostbasedauthentication Yes\n").vouched
    assert not _sshd(b"match User sato\nhostbasedauthentication no\n").vouched


def test_daemons_that_the_usual_file_does_not_describe_are_told() -> None:
    assert _sshd(daemons=b"plain\nown\n").own_file
    assert _sshd(daemons=b"other\n").other_daemon
    assert not _sshd(daemons=b"", state="absent").installed
    with pytest.raises(WithheldError) as withheld:
        _sshd(daemons=b"plain\n", state="absent")
    assert withheld.value.reason is Reason.UNSUPPORTED


def test_a_key_without_a_fingerprint_is_still_a_key() -> None:
    rows = b"F:read:A:sato:/home/sato/.ssh/authorized_keys\nK:1:1:ssh-rsa:from\nK:1:2:ssh-rsa:\nN:2\n"
    rows += b"3072 SHA256:aem75jvbNdOBaCfarVwbq61XdI7YCdY687ekxc+tNK0 2 (RSA)\n"
    facts = all_probes()["keys"].parse(_section("keys", patterns=("sshd", b""), files=("read", rows)))
    assert isinstance(facts, KeysFacts)
    first, second = facts.files[0].keys
    assert (first.fingerprint, first.options) == ("", ("from",))
    assert second.fingerprint.startswith("SHA256:aem75")


def test_a_key_list_without_its_count_was_not_made() -> None:
    with pytest.raises(WithheldError):
        all_probes()["keys"].parse(_section("keys", patterns=("sshd", b""), files=("read", b"")))


def test_the_digest_of_a_key_is_spelled_as_ssh_keygen_spells_it() -> None:
    """Of a host without ssh-keygen; anything but a whole digest is no answer."""

    def read(digest: bytes) -> str:
        rows = b"F:read:A:sato:/x\nK:1:1:ssh-rsa:\nN:1\nH:1:" + digest + b"\n"
        facts = all_probes()["keys"].parse(_section("keys", patterns=("no_sshd", b""), files=("read", rows)))
        assert isinstance(facts, KeysFacts)
        return facts.files[0].keys[0].fingerprint

    # sha256("key"), and the same in base64 without its padding
    digest = b"2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"
    assert read(digest) == "SHA256:LHDhK3oGRvkiefQnx7OOczTY5Tic/xZ6HcMOc/gmtoM"
    for damaged in (b"", digest[:-1], digest.upper(), b"x" * 64):
        with pytest.raises(ParseError):
            read(damaged)
