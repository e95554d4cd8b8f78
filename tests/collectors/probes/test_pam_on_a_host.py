"""What the pam probe makes of a stack is what the real library does with it, on Debian 12 and 13."""

# ruff: noqa: E501 (stacks stay whole)

import pytest

from collectors.probes.pam import PamFacts, PamService
from tests.collectors.probes.asked import ask_host
from tests.lab.host import Host
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab

_UNIX = "password [success=1 default=ignore] pam_unix.so nodelay sha512 rounds=1000"
_END = "\npassword requisite pam_deny.so\npassword required pam_permit.so\n"
_HISTORY = "pam_pwhistory.so remember=5"
_PASSWORD = {
    "nothing": f"{_UNIX}{_END}",
    "requisite": f"password requisite {_HISTORY}\n{_UNIX} use_authtok{_END}",
    "required": f"password required {_HISTORY}\n{_UNIX} use_authtok{_END}",
    "optional, and what it takes away is not asked for again": f"password optional {_HISTORY}\n{_UNIX} use_authtok{_END}",
    "required, asked again": f"password required {_HISTORY}\n{_UNIX}{_END}",
    "requisite, asked again after a password that pam_unix refuses": f"password requisite {_HISTORY}\n{_UNIX}{_END}",
    "optional, asked again": f"password optional {_HISTORY}\n{_UNIX}{_END}",
    "use_first_pass": f"password required {_HISTORY}\n{_UNIX} use_first_pass{_END}",
    "sufficient: nothing is ever stored": f"password sufficient {_HISTORY}\n{_UNIX} use_authtok{_END}",
    "after pam_unix": f"password sufficient pam_unix.so nodelay sha512 rounds=1000\npassword required {_HISTORY} use_authtok\n",
    "jumped over": f"password [success=1 default=ignore] pam_permit.so\npassword required {_HISTORY}\n{_UNIX}{_END}",
    "jumped over for system accounts only": f"password [success=1 default=ignore] pam_succeed_if.so uid < 1000 quiet\npassword required {_HISTORY}\n{_UNIX} use_authtok{_END}",
    "in a substack that is jumped over": f"password [success=1 default=ignore] pam_permit.so\npassword substack two\n{_UNIX} use_authtok{_END}",
    "after a jump out of a substack": f"password substack jump\npassword required {_HISTORY}\n{_UNIX} use_authtok{_END}",
    "in a substack": f"password substack inner\n{_UNIX} use_authtok{_END}",
    "in a substack whose end is not the stack's": f"password substack done\npassword requisite {_HISTORY}\n{_UNIX} use_authtok{_END}",
    "in an included file whose end is the stack's": f"password include done\npassword requisite {_HISTORY}\n{_UNIX} use_authtok{_END}",
    "commented": f"#password required {_HISTORY}\n{_UNIX} # {_HISTORY}{_END}",
    "on two lines": f"password required \\\n   {_HISTORY}\n{_UNIX} \\\n   use_authtok{_END}",
    "remembered by pam_unix": f"{_UNIX} remember=5{_END}",
    "a length": f"password requisite pam_pwquality.so retry=3 dictcheck=0 minlen=12\n{_UNIX} use_authtok{_END}",
    "a length, asked again after a password that pam_unix refuses": f"password requisite pam_pwquality.so dictcheck=0 minlen=12\n{_UNIX} remember=5{_END}",
    "a length and a history": f"password requisite pam_pwquality.so dictcheck=0 minlen=12\npassword required {_HISTORY} use_authtok\n{_UNIX} use_authtok{_END}",
    "a history before a length that asks again": f"password required {_HISTORY}\npassword required pam_pwquality.so retry=3 dictcheck=0 minlen=12\n{_UNIX} use_authtok{_END}",
    "a length that is not enforced": f"password requisite pam_pwquality.so dictcheck=0 minlen=12 enforcing=0\n{_UNIX} use_authtok{_END}",
    "a length of the file, which wins over its drop-ins": f"password requisite pam_pwquality.so dictcheck=0\n{_UNIX} use_authtok{_END}",
    "a number of the file, which Debian 12's module does not read": f"password required pam_pwhistory.so\n{_UNIX}{_END}".replace("nodelay", "use_authtok nodelay"),
    "a length by pam_unix": f"{_UNIX} minlen=12{_END}",
    "pam_unix refuses what it reads as nonsense": f"password [success=foo] {_HISTORY}\n{_UNIX} use_authtok{_END}",
    "a file that is not there": f"password include nowhere\n{_UNIX}{_END}",
    "a jump too far": f"password required {_HISTORY}\npassword [success=7 default=ignore] pam_unix.so nodelay sha512 rounds=1000 use_authtok{_END}",
    "reset forgets a failure": f"password required pam_deny.so\npassword [default=reset] pam_permit.so\n{_UNIX}{_END}",
}  # fmt: skip

_SETUP = """
useradd --uid 12090 --create-home oracle
install -m 4755 "$(command -v pamtester)" /usr/local/bin/as-owner
mkdir -p /run/faillock
printf 'password required pam_pwhistory.so remember=7\n' > /etc/pam.d/inner
printf 'password sufficient pam_permit.so\n' > /etc/pam.d/done
printf 'minlen = 12\n' > /etc/security/pwquality.conf
mkdir -p /etc/security/pwquality.conf.d
printf 'minlen = 6\n' > /etc/security/pwquality.conf.d/50-less.conf
printf 'remember = 0\n' > /etc/security/pwhistory.conf
printf 'password required pam_permit.so\npassword required pam_pwhistory.so remember=7\n' > /etc/pam.d/two
printf 'password [success=3 default=ignore] pam_permit.so\n' > /etc/pam.d/jump
"""
# The owner changes A to B, then tries to get A back, or a short one, and types whatever may help.
_CHANGE = r"""
A=Qz7-vmRt9pLw-A B=Kd4-hsYf6bNx-B C=Wp2-jgTc8rVu-C SHORT=Zt5-kbMq
own() { printf '%s\n' "$@" | setpriv --reuid=oracle --regid=oracle --clear-groups as-owner passwd oracle chauthtok >/dev/null 2>&1; }
is() { getent shadow oracle | cut -d: -f2 | W=$1 perl -ne 'chomp; exit(crypt($ENV{W}, $_) eq $_ ? 0 : 1)'; }
usermod -p "$(perl -e 'print crypt($ARGV[0], "\$6\$rounds=1000\$saltsalt")' $A)" oracle
chage -m 0 -d 2026-01-01 oracle
: > /etc/security/opasswd
own $A $B $B $B $B $B $B $B $B
is $B && echo changes
cp -p /etc/shadow /tmp/shadow
cp -p /etc/security/opasswd /tmp/opasswd
for want in $A $SHORT; do
  for first in $want ab $C $A; do
    cp -p /tmp/shadow /etc/shadow
    cp -p /tmp/opasswd /etc/security/opasswd
    is $B && now=$B || now=$A
    own $now $first $first $want $want $want $want $want $want
    if is $want; then echo $want; break; fi
  done
done
"""


def _service(host: Host, name: str) -> PamService:
    facts = ask_host(host, probes=("pam",)).facts("pam")
    assert isinstance(facts, PamFacts)
    return next(it for it in facts.services if it.name == name)


@pytest.mark.parametrize("persona", ["pam-12", "pam-13"])
def test_an_old_or_short_password_is_taken_exactly_where_the_stack_was_read_so(
    own_host: OwnHostFactory, persona: str
) -> None:
    """P12, with the library itself as the judge: changes that the owner makes through each stack."""
    host = own_host(persona, setup=_SETUP)
    real: dict[str, tuple[bool, bool, bool]] = {}
    ours: dict[str, tuple[bool, bool, bool]] = {}
    for name, stack in _PASSWORD.items():
        host.sh(f"cat > /etc/pam.d/passwd <<'X'\n{stack}X")
        said = host.sh(_CHANGE).stdout.split()
        changes = "changes" in said
        # Where nothing can be stored, A is still there and was not taken.
        real[name] = (changes, changes and any(it.endswith("-A") for it in said), "Zt5-kbMq" in said)
        read = _service(host, "passwd").password
        assert read is not None
        ours[name] = (
            read.changes,
            read.changes and not read.remembered,
            read.changes and (read.min_length or 0) < 12,
        )
    assert ours == real


_PRE = "auth required pam_faillock.so preauth nodelay silent deny=3"
_ASK = "auth [success=1 default=bad] pam_unix.so nodelay"
_FAIL = "auth [default=die] pam_faillock.so authfail nodelay deny=3"
_OK = "\nauth required pam_permit.so\n"
_ACCOUNT = "account required pam_unix.so\n"
_FORGET = "account required pam_faillock.so\n"
_AUTH = {
    "nothing": f"auth required pam_unix.so nodelay\n{_ACCOUNT}",
    "all of it": f"{_PRE}\n{_ASK}\n{_FAIL}{_OK}{_FORGET}{_ACCOUNT}",
    "not in account": f"{_PRE}\n{_ASK}\n{_FAIL}{_OK}{_ACCOUNT}",
    "root too": f"{_PRE} even_deny_root\n{_ASK}\n{_FAIL} even_deny_root{_OK}{_FORGET}{_ACCOUNT}",
    "root by root_unlock_time alone": f"{_PRE} root_unlock_time=60\n{_ASK}\n{_FAIL} root_unlock_time=60{_OK}{_FORGET}{_ACCOUNT}",
    "no preauth": f"{_ASK}\n{_FAIL}{_OK}{_FORGET}{_ACCOUNT}",
    "preauth that is optional": f"{_PRE.replace('required', 'optional')}\n{_ASK}\n{_FAIL}{_OK}{_FORGET}{_ACCOUNT}",
    "no authfail": f"{_PRE}\nauth required pam_unix.so nodelay\n{_FORGET}{_ACCOUNT}",
    "authfail is never reached": f"{_PRE}\nauth requisite pam_unix.so nodelay\n{_FAIL.replace('default=die', 'default=ignore')}{_OK}{_FORGET}{_ACCOUNT}",
    "authsucc alone": f"{_ASK}\n{_FAIL}\nauth required pam_faillock.so authsucc nodelay deny=3\n{_ACCOUNT}",
    "authsucc that is sufficient, then deny": f"{_ASK}\n{_FAIL}\nauth sufficient pam_faillock.so authsucc nodelay deny=3\nauth required pam_deny.so\n{_ACCOUNT}",
    "authsucc that is sufficient, then permit": f"{_ASK}\n{_FAIL}\nauth sufficient pam_faillock.so authsucc nodelay deny=3{_OK}{_ACCOUNT}",
    "numbers of the file": f"{_PRE} CONF\n{_ASK}\n{_FAIL} CONF{_OK}{_FORGET}{_ACCOUNT}".replace("deny=3 CONF", ""),
    "never": f"{_PRE}\n{_ASK}\n{_FAIL}{_OK}{_FORGET}{_ACCOUNT}".replace("deny=3", "deny=0"),
    "for people only": f"auth [success=1 default=ignore] pam_succeed_if.so uid < 1000 quiet\n{_PRE}\n{_ASK}\n{_FAIL}{_OK}{_FORGET}{_ACCOUNT}",
    "as authselect writes it": "auth required pam_env.so\n" + _PRE + "\nauth sufficient pam_unix.so nodelay nullok\n"
        "auth required pam_faillock.so authfail nodelay deny=3\nauth required pam_deny.so\n" + _FORGET + _ACCOUNT,
}  # fmt: skip
# How many wrong passwords it takes until the right one is refused, and whether a log-in between forgets them.
_GUESS = r"""
mkdir -p /run/faillock
clean() { rm -f /run/faillock/*; }
try() { printf '%s\n' "$2" | pamtester login $1 authenticate acct_mgmt >/dev/null 2>&1; }
for who in root oracle; do
  clean
  n=0
  locks=0
  while [ $n -lt 4 ] && [ $locks = 0 ]; do
    n=$((n + 1))
    try $who wrong
    rm -rf /tmp/tally
    cp -a /run/faillock /tmp/tally
    try $who Right-77-pass || locks=$n
    rm -rf /run/faillock
    cp -a /tmp/tally /run/faillock
  done
  echo $who $locks
done
clean
while [ $locks -gt 1 ]; do
  locks=$((locks - 1))
  try oracle wrong
done
try oracle Right-77-pass
try oracle wrong
try oracle Right-77-pass && echo forgets
"""


@pytest.mark.parametrize("persona", ["pam-12", "pam-13"])
def test_guessing_is_ended_exactly_where_the_stack_was_read_so(
    own_host: OwnHostFactory, persona: str
) -> None:
    """P13, with the library itself as the judge: wrong passwords until the right one is refused, root's too."""
    host = own_host(persona, setup=_SETUP)
    host.sh("printf 'oracle:Right-77-pass\\nroot:Right-77-pass\\n' | chpasswd -c SHA512 -s 1000")
    host.sh("printf 'deny = 2 # few\\neven_deny_root\\n' > /etc/security/faillock.conf")
    real: dict[str, tuple[int, int, bool]] = {}
    ours: dict[str, tuple[int | None, int | None, bool]] = {}
    for name, stack in _AUTH.items():
        if name != "numbers of the file":
            host.sh("sed -i /even_deny_root/d /etc/security/faillock.conf")
        else:
            host.sh("echo even_deny_root >> /etc/security/faillock.conf")
        host.sh(f"cat > /etc/pam.d/login <<'X'\n{stack}X")
        said = host.sh(_GUESS).stdout.split()
        locks = int(said[3])
        # Where nothing locks, nothing shows whether it forgets.
        real[name] = (locks, int(said[1]), locks == 0 or "forgets" in said)
        read = _service(host, "login").auth
        assert read is not None
        ours[name] = (read.locks_after, read.root_locks_after, not read.locks_after or read.forgets)
    assert ours == real
