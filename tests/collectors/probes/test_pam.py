"""PAM's stacks are followed as libpam does, never searched for words."""

import subprocess
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.evidence import Part, Section, SectionState
from collectors.probes.pam import PROBE, PamFacts, parse
from config.errors import ParseError
from tests.collectors.probes.fixed_paths import SHELLS, ask

_DEBIAN = (
    "password [success=1 default=ignore] pam_unix.so obscure yescrypt\n"
    "password requisite pam_deny.so\npassword required pam_permit.so\n"
)
_LOCKING = (
    "auth required pam_faillock.so preauth\nauth [success=1 default=ignore] pam_unix.so nullok\n"
    "auth [default=die] pam_faillock.so authfail\nauth required pam_permit.so\n"
)


def _facts(passwd: str | None = None, **files: str) -> PamFacts:
    parts = []
    if passwd is not None:
        files["passwd"] = passwd
    for name, text in files.items():
        path = (
            f"/etc/security/{name}.conf"
            if name in {"pwquality", "faillock", "pwhistory"}
            else f"/etc/pam.d/{name}"
        )
        parts.append(Part.of(path.replace("_", "-"), "read", text.encode()))
    return parse(Section(name="pam", state=SectionState.ENDED, exit=0, parts=tuple(parts)))


def test_the_hash_is_that_of_the_module_which_stores_it() -> None:
    """P11: what login.defs says does not matter once pam_unix names a kind."""
    assert _facts("@include common-password\n", common_password=_DEBIAN).algorithm == "yescrypt"
    assert _facts("password required pam_unix.so\n").algorithm == "login.defs"


_UNIX = "password required pam_unix.so use_authtok\n"


@pytest.mark.parametrize(
    ("stack", "remembered"),
    [
        ("password required pam_pwhistory.so remember=5\n" + _UNIX, 5),
        ("password requisite pam_pwhistory.so remember=5\n" + _UNIX, 5),
        ("password required pam_pwhistory.so\n" + _UNIX, 10),
        ("password required pam_pwhistory.so remember=5\npassword required pam_unix.so\n", 0),
        ("password optional pam_pwhistory.so remember=5\n" + _UNIX, 0),
        ("password sufficient pam_unix.so use_authtok\npassword required pam_pwhistory.so remember=5\n", 0),
        ("password sufficient pam_ldap.so\npassword required pam_pwhistory.so remember=5\n" + _UNIX, 0),
        ("password [success=1 default=ignore] pam_x.so\npassword required pam_pwhistory.so\n" + _UNIX, 0),
        ("password substack inner\n" + _UNIX, 7),
        ("password include inner\n" + _UNIX, 7),
        ("password required pam_unix.so remember=3\n", 3),
        ("password required pam_unix.so\n", 0),
        ("password include nowhere\n" + _UNIX, None),
        ("password include passwd\n" + _UNIX, None),
        ("password [success=what] pam_unix.so\n", None),
    ],
)  # fmt: skip
def test_a_password_is_remembered_only_where_no_way_leads_past_it(stack: str, remembered: int | None) -> None:
    """P12."""
    inner = "password required pam_pwhistory.so remember=7\n"
    assert _facts(passwd=stack, inner=inner).remembered == remembered


@pytest.mark.parametrize(
    ("stack", "conf", "length"),
    [
        ("password requisite pam_pwquality.so\n" + _UNIX, "minlen=12\n", 12),
        ("password requisite pam_pwquality.so minlen=14\n" + _UNIX, "minlen=12\n", 14),
        ("password requisite pam_pwquality.so\n" + _UNIX, "", 8),
        ("password requisite pam_pwquality.so\n" + _UNIX, "minlen=12\nenforcing=0\n", 0),
        ("password requisite pam_pwquality.so\n" + _UNIX, "minlen=12\ndcredit=1\n", 11),
        ("password optional pam_pwquality.so\n" + _UNIX, "minlen=12\n", 0),
        ("password requisite pam_passwdqc.so\n" + _UNIX, "", None),
        ("password required pam_unix.so minlen=9\n", "", 9),
    ],
)
def test_a_length_counts_when_every_accepted_password_has_it(
    stack: str, conf: str, length: int | None
) -> None:
    assert _facts(passwd=stack, pwquality=conf).min_length == length


@pytest.mark.parametrize(
    ("auth", "locks"),
    [
        (_LOCKING, True),
        (_LOCKING.replace("auth required pam_faillock.so preauth\n", ""), False),
        (_LOCKING.replace("[default=die] pam_faillock.so authfail", "requisite pam_deny.so"), False),
        ("auth sufficient pam_rootok.so\n" + _LOCKING, False),
        ("auth required pam_unix.so\n", False),
        ("auth include nowhere\n", None),
    ],
)  # fmt: skip
def test_a_lock_out_refuses_and_counts_on_every_way(auth: str, *, locks: bool | None) -> None:
    assert _facts(sshd=auth).lockout_auth is locks


def test_the_account_stack_and_root_are_told_apart() -> None:
    """P13."""
    account = "account required pam_faillock.so\n"
    assert _facts(sshd=_LOCKING).lockout_account is False
    assert _facts(sshd=_LOCKING + account).lockout_account is True
    assert not _facts(sshd=_LOCKING).even_deny_root
    assert _facts(sshd=_LOCKING, faillock="even_deny_root\n").even_deny_root


_SETUP = r"""
mkdir -p /etc/pam.d /etc/security
printf '%s\n' '# password required pam_pwhistory.so remember=9' \
  'password  required \' '  pam_pwhistory.so remember=5 # more' \
  'password required pam_mysql.so passwd=CANARY-SECRET' \
  'password required pam_unix.so use_authtok sha512' > /etc/pam.d/passwd
printf 'minlen = 12 # long\n' > /etc/security/pwquality.conf
"""


def test_every_shell_gives_the_same_rules_without_comments_and_secrets() -> None:
    answers = [ask(PROBE, _SETUP, shell=shell) for shell in SHELLS]
    assert all(answer.payload == answers[0].payload for answer in answers)
    assert b"CANARY" not in answers[0].stream
    facts = parse(answers[0].section)
    assert (facts.algorithm, facts.remembered) == ("sha512", 5)


def test_an_unreadable_stack_is_not_known() -> None:
    answer = ask(PROBE, _SETUP + "chmod 600 /etc/pam.d/passwd\n", user="65534")
    assert parse(answer.section).remembered is None


_WORDS = st.sampled_from(
    (
        *("password", "auth", "[success=1 default=ignore]", "required", "substack", "include"),
        *("passwd", "pam_unix.so", "\n", " "),
    )
)


@given(st.one_of(st.binary(max_size=300), st.lists(_WORDS, max_size=60).map(lambda it: "".join(it).encode())))
def test_any_bytes_are_facts_or_a_parse_error(raw: bytes) -> None:
    for name in ("/etc/pam.d/passwd", "/etc/security/pwquality.conf"):
        section = Section(name="pam", state=SectionState.ENDED, exit=0, parts=(Part.of(name, "read", raw),))
        with suppress(ParseError):
            assert isinstance(parse(section), PamFacts)


_ORACLE = r"""
set -eu
held=$(mktemp -d)
mount -t tmpfs tmpfs "$held"
cp -a /etc "$held/etc"
mount --bind "$held/etc" /etc
umount -l "$held"
rmdir "$held"
useradd -M oracle
printf "$STACK" > /etc/pam.d/chpasswd
: > /etc/security/opasswd
answer=taken
for word in Start-Word-77 Other-Word-88 Start-Word-77; do
  echo "oracle:$word" | chpasswd >/dev/null 2>&1 || answer=refused
done
grep ^oracle: /etc/shadow | cut -d: -f2 | cut -c1-3 | xargs echo "$answer"
"""
_KEEPS = "password required pam_pwhistory.so remember=5 enforce_for_root\n"
_YESCRYPT = "password required pam_unix.so yescrypt\n"


@pytest.mark.parametrize(
    ("stack", "answer", "remembered", "algorithm"),
    [
        (_KEEPS + "password required pam_unix.so use_authtok sha512\n", "refused $6$", 5, "sha512"),
        ("password [success=1 default=ignore] pam_permit.so\n" + _KEEPS + _YESCRYPT,
         "taken $y$", 0, "yescrypt"),
        ("password sufficient pam_unix.so yescrypt\n" + _KEEPS, "taken $y$", 0, "yescrypt"),
        ("password required pam_unix.so sha256\n", "taken $5$", 0, "sha256"),
    ],
)  # fmt: skip
def test_libpam_refuses_and_keeps_a_password_as_the_stack_was_read(
    stack: str, answer: str, remembered: int, algorithm: str
) -> None:
    """The real library is asked in a mount namespace of its own: chpasswd(8) goes through the stack."""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", _ORACLE],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "STACK": stack},
        capture_output=True, check=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == answer
    facts = _facts(stack)
    assert (facts.remembered, facts.algorithm) == (remembered, algorithm)
