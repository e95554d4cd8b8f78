"""PAM's stacks are followed as libpam does, never searched; the library itself is asked in the lab."""

# ruff: noqa: E501 (rules of PAM stay on one line)

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.evidence import Part, Reason, Section, SectionState
from collectors.facts import WithheldError
from collectors.pam_scenarios import Flaw
from collectors.probes.pam import PROBE, SERVICES, PamFacts, PamService, PasswordStack, parse
from config.errors import ParseError
from tests.collectors.probes.fixed_paths import SHELLS, ask

_MODULES = "pam_unix\npam_pwhistory\npam_faillock\npam_pwquality\npwhistory.conf\n"
_HISTORY = "password required pam_pwhistory remember=5\n"
_UNIX = "password required pam_unix use_authtok\n"


def _section(passwd: str | None = None, modules: str = _MODULES, **files: str) -> Section:
    """A probe's answer: files by name, those of /etc/security with `_conf`; the others are absent."""
    given = files | ({} if passwd is None else {"passwd": passwd})
    parts = [Part.of("/etc/pam.d", "read", b""), Part.of("modules", "read", modules.encode())]
    for name in {*SERVICES, "other", "pwquality_conf", "faillock_conf", "pwhistory_conf"} | given.keys():
        path = f"/etc/security/{name[:-5]}.conf" if name.endswith("_conf") else f"/etc/pam.d/{name}"
        text = given.get(name)
        parts.append(Part.of(path, "absent" if text is None else "read", (text or "").encode()))
    return Section(name="pam", state=SectionState.ENDED, exit=0, parts=tuple(parts))


def _service(*given: str, name: str = "passwd", **files: str) -> PamService:
    return next(it for it in parse(_section(*given, **files)).services if it.name == name)


def _password(*given: str, **files: str) -> PasswordStack:
    found = _service(*given, **files).password
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("stack", "remembered", "flaw"),
    [
        (_HISTORY + _UNIX, 5, None),
        (_HISTORY + "password required pam_unix\n", 0, Flaw.ASKS_AGAIN),
        ("password requisite pam_pwhistory remember=5\npassword required pam_unix\n", 0, Flaw.ASKS_AGAIN),
        ("password sufficient pam_unix\n" + _HISTORY, 0, Flaw.SKIPPED),
        ("password [success=1 default=ignore] pam_x\n" + _HISTORY + "password required pam_unix\n", 0, Flaw.SKIPPED),
        ("password [success=1 default=ignore] pam_localuser\n" + _HISTORY + _UNIX.replace(" use_authtok", ""), 0, Flaw.SKIPPED),
        ("password requisite pam_pwquality\npassword [success=1 default=ignore] pam_localuser\n" + _HISTORY + _UNIX, 0, Flaw.SKIPPED),
        ("password [success=ignore default=1] pam_localuser\n" + _HISTORY + _UNIX, 5, None),
        (_HISTORY + "password optional pam_x\n" + _UNIX, 0, Flaw.ASKS_AGAIN),
        (_HISTORY + "password optional pam_x use_authtok\n" + _UNIX, 5, None),
        (_HISTORY + _HISTORY.replace("5", "9 use_authtok") + _UNIX, 9, None),
        (_HISTORY.replace("5", "999") + _UNIX, 400, None),
        (_HISTORY.replace("5", "0") + _UNIX.replace(" use_authtok", ""), 0, None),
        (_UNIX, 0, None),
    ],
)  # fmt: skip
def test_a_password_is_remembered_only_where_no_way_leads_past_it(
    stack: str, remembered: int, flaw: Flaw | None
) -> None:
    found = _password(stack)
    assert (found.remembered, found.remember_flaw) == (remembered, flaw)


def test_what_a_stack_does_not_say_is_said_by_the_files_of_settings() -> None:
    bare = "password required pam_pwhistory\n" + _UNIX
    assert _password(bare).remembered == 10
    assert _password(bare, pwhistory_conf="remember=4\nenforce_for_root\n").remembered == 4
    assert _password(bare, pwhistory_conf="enforce_for_root\n").remember_root
    # An older module has no such file, and takes no notice of one.
    old = _MODULES.replace("pwhistory.conf\n", "")
    assert _password(bare, old, pwhistory_conf="remember=4\n").remembered == 10
    long = "password requisite pam_pwquality\n" + _UNIX
    assert _password(long, pwquality_conf="minlen=14\n").min_length == 14
    assert (
        _password(long.replace("quality\n", "quality minlen=9\n"), pwquality_conf="minlen=14\n").min_length
        == 9
    )
    assert _password(long, pwquality_conf="minlen=14\ndcredit=2\nocredit=-1\n").min_length == 12
    assert _password(long, pwquality_conf="minlen=14\nenforcing=0\n").min_length == 0


def test_a_module_that_is_not_installed_checks_nothing() -> None:
    assert _password("password optional pam_pwhistory remember=5\npassword required pam_unix\n", "pam_unix\n").remember_flaw is Flaw.MISSING  # fmt: skip
    # Where the modules lie somewhere else, nothing can be said against them.
    assert _password(_HISTORY + _UNIX, "").remembered == 5


def test_a_kind_that_a_service_does_not_speak_of_is_that_of_other() -> None:
    assert _password("auth required pam_unix\n", other=_HISTORY + _UNIX).remembered == 5


def test_rules_of_a_length_that_are_not_read_leave_it_unknown() -> None:
    assert _password("password required pam_passwdqc\n" + _UNIX).min_length is None


@pytest.mark.parametrize(
    ("files", "hidden"),
    [
        ({"passwd": "@include passwd\n"}, Reason.LIMIT),
        ({"passwd": "password substack passwd\n"}, Reason.LIMIT),
        ({"passwd": _UNIX * 300}, Reason.LIMIT),
        ({"passwd": "".join(f"password required pam_pwhistory remember={n}\n" for n in range(1, 20))}, Reason.LIMIT),
        ({"passwd": "password required pam_pwhistory conf=?\n" + _UNIX}, Reason.UNSUPPORTED),
        ({"passwd": "password required pam_pwhistory remember=?\n" + _UNIX}, Reason.UNPARSABLE),
        ({"passwd": "password required pam_pwquality\n" + _UNIX, "pwquality_conf": "minlen=?\n"}, Reason.UNPARSABLE),
    ],
)  # fmt: skip
def test_a_stack_that_cannot_be_followed_says_why(files: dict[str, str], hidden: Reason) -> None:
    service = parse(_section(**files)).services[0]
    assert service.hidden is hidden


def test_root_in_one_file_and_no_pam_at_all_are_told_apart() -> None:
    absent = Part.of("/etc/pam.d", "absent", b"")
    for state in ("read", "denied"):
        section = Section(
            name="pam", state=SectionState.ENDED, exit=0, parts=(absent, Part.of("/etc/pam.conf", state, b""))
        )
        with pytest.raises(WithheldError):
            parse(section)
    none = Section(
        name="pam", state=SectionState.ENDED, exit=0, parts=(absent, Part.of("/etc/pam.conf", "absent", b""))
    )
    assert not parse(none).installed


_SETUP = r"""
rm -rf /etc/pam.d /etc/security; mkdir -p /etc/pam.d /etc/security/pwquality.conf.d
printf '%s\n' '# password required pam_pwhistory.so remember=9' \
  '	password	required \' '  pam_pwhistory.so remember=5 file=/CANARY # CANARY' \
  'password required pam_mysql.so \' '  passwd=CANARY-SECRET \' ' # not the end' '  use_authtok' \
  '-Password [success=1 default=ignore] /lib/security/pam_unix.so use_authtok sha512' \
  'password substack common-inner' \
  'CANARY words that are no rule' > /etc/pam.d/passwd
printf 'password include ../CANARY\npassword required pam_permit.so\n@include /etc/pam.d/last' > /etc/pam.d/common-inner
printf 'account required pam_unix.so\nsession required CANARY.so\nauth required pam_succeed_if.so user = CANARY\n' > /etc/pam.d/last
printf 'CANARY:$y$CANARY:1:1:::\n' > /etc/pam.d/sshd
mkfifo /etc/pam.d/login
head -c 5000000 /dev/zero | tr '\000' a > /etc/pam.d/su
printf 'minlen = 12 # long\nbadwords = CANARY\ndictpath=/CANARY\nlocal_users_only\n' > /etc/security/pwquality.conf
printf 'minlen=11\n' > /etc/security/pwquality.conf.d/10-a.conf
printf 'x\000y\n\033[2J\377 deny=3\n' > /etc/security/faillock.conf
"""


_DEBIAN = "account [success=1 new_authtok_reqd=done default=ignore] pam_unix\naccount requisite pam_deny\naccount required pam_permit\n"
_LATE = "account sufficient pam_localuser\naccount sufficient pam_usertype issystem\naccount [default=bad success=ok user_unknown=ignore] pam_sss\naccount required pam_permit\n"


@pytest.mark.parametrize(
    ("stack", "refuses"),
    [
        (_DEBIAN, True),
        (_DEBIAN + _LATE, True),
        ("account required pam_nologin\n" + _DEBIAN, True),
        ("account required pam_unix\n" + _LATE, True),
        ("account requisite pam_unix\naccount sufficient pam_localuser\naccount required pam_sss\n", True),
        ("account required pam_access\naccount required pam_unix broken_shadow\n", True),
        (
            _DEBIAN.replace("success=1", "success=2").replace(
                "\n", "\naccount [success=1 default=ignore] pam_winbind\n", 1
            ),
            True,
        ),
        (
            "account [success=ok default=ignore] pam_oslogin_admin\naccount [success=ok ignore=ignore default=die] pam_oslogin_login\n"
            + _DEBIAN,
            True,
        ),
        # a file that speaks of no account at all has the stack of `other`
        ("auth required pam_unix\n", True),
        ("account required pam_permit\n", False),
        ("account sufficient pam_localuser\n" + _DEBIAN, False),
        ("account sufficient pam_access\naccount required pam_unix\n", False),
        ("account optional pam_unix\naccount required pam_permit\n", False),
        ("account [success=1 default=ignore] pam_unix\naccount required pam_permit\n", False),
        ("account required pam_sss\n", True),
        ("account [default=ignore] pam_sss\naccount required pam_permit\n", False),
    ],
)
def test_who_is_expired_is_refused_by_stacks_in_which_pam_unix_has_the_word(
    stack: str, *, refuses: bool
) -> None:
    files = {"sshd": stack, "other": _DEBIAN}
    assert parse(_section(_UNIX, **files)).refuses_expired == {"sshd": refuses, "login": True}


_RHEL = "account required pam_unix\n" + _LATE
_RHEL_SU = "auth sufficient pam_rootok\naccount sufficient pam_succeed_if uid ? 0 use_uid quiet\naccount include system-auth\n"


def test_the_stacks_of_rhel_refuse_who_is_expired_whatever_that_of_su_lets_root_do() -> None:
    files = {
        "sshd": "account required pam_sepermit\naccount required pam_nologin\naccount include password-auth\n",
        "login": "account required pam_nologin\naccount include system-auth\n",
        "su": _RHEL_SU,
        "other": "account required pam_deny\n",
        "password-auth": _RHEL,
        "system-auth": _RHEL,
    }
    assert parse(_section(_UNIX, **files)).refuses_expired == {"sshd": True, "login": True}


def test_a_stack_that_cannot_be_followed_refuses_nobody_for_certain() -> None:
    found = parse(_section(_UNIX, sshd="@include gone\n", other=_DEBIAN))
    assert found.refuses_expired == {"login": True}


def test_every_shell_gives_the_same_rules_without_comments_and_secrets() -> None:
    answers = [ask(PROBE, _SETUP, shell=shell) for shell in SHELLS]
    for answer in answers[1:]:
        assert answer.payload == answers[0].payload
    assert b"CANARY" not in answers[0].stream
    assert len(answers[0].stream) < 6_000
    parts = {part.name: part for part in answers[0].section.parts}
    assert parts["/etc/pam.d/login"].state == "special"
    assert [line for line in parts["/etc/pam.d/passwd"].lines if line] == [
        "password required pam_pwhistory remember=5 file=?",
        "password required pam_mysql use_authtok",
        "password [success=1 default=ignore] pam_unix use_authtok sha512",
        "password substack common-inner",
        "?",
    ]
    assert [line for line in parts["/etc/pam.d/common-inner"].lines if line] == [
        "password include ?",
        "password required pam_permit",
        "@include /etc/pam.d/last",
    ]
    assert [line for line in parts["/etc/pam.d/last"].lines if line] == [
        "account required pam_unix",
        "auth required pam_succeed_if ? ? ?",
    ]
    assert "minlen=12" in parts["/etc/security/pwquality.conf"].lines


def test_an_unreadable_stack_is_denied_and_not_empty() -> None:
    answer = ask(PROBE, _SETUP + "chmod 600 /etc/pam.d/passwd\n", user="65534")
    passwd = parse(answer.section).services[0]
    assert (passwd.password, passwd.hidden) == (None, Reason.DENIED)


_WORDS = st.sampled_from(
    "password auth [success=1|default=ignore] required substack include passwd ? pam_unix pam_pwhistory pam_faillock"
    " remember=3 use_authtok authfail \n \n".replace(" ", "\0")
    .replace("|", " ")
    .split("\0")
)


@given(
    st.one_of(st.binary(max_size=200), st.lists(_WORDS, max_size=40).map(lambda it: " ".join(it).encode()))
)
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_facts_or_a_parse_error(raw: bytes) -> None:
    for name in ("/etc/pam.d/passwd", "/etc/security/pwquality.conf", "modules"):
        section = _section("@include passwd-2\n", sshd="auth include passwd\n")
        with suppress(ParseError):
            assert isinstance(parse(_with(section, name, raw)), PamFacts)


def _with(section: Section, name: str, raw: bytes) -> Section:
    others = tuple(part for part in section.parts if part.name != name)
    return Section(name="pam", state=SectionState.ENDED, exit=0, parts=(*others, Part.of(name, "read", raw)))


def test_a_part_that_is_missing_leaves_no_stack_that_rests_on_it() -> None:
    """What is absent is said to be absent; what is not spoken of at all was lost."""
    whole = _section(_HISTORY + "@include inner\n", inner=_UNIX, other=_UNIX, sshd="@include inner\n")
    assert parse(whole).services[0].password is not None
    for gone in whole.parts:
        left = Section(
            name="pam", state=SectionState.ENDED, exit=0, parts=tuple(it for it in whole.parts if it != gone)
        )
        if gone.name == "/etc/pam.d/inner":
            assert parse(left).services[0].hidden is Reason.PROBE_CUT
        elif gone.name != "/etc/pam.d":
            with pytest.raises(ParseError):
                parse(left)
