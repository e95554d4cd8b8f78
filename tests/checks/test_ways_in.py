"""The truth table of closed accounts, against real log-ins: a key of one's own, each state of the account."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.account_view import View, entry_of
from checks.closure import Standing, closure
from checks.ways_in import ways_in
from collectors.facts import Known, read_fact
from collectors.registry import all_probes
from tests.checks.account_facts import evidence_of
from tests.collectors.probes.asked import ACCOUNT_PROBES, ask_host, ssh
from tests.lab.host import Host, Lab
from tests.lab.plugin import OwnHostFactory

_SETUP = r"""
today=$(($(date +%s) / 86400))
hash='$y$j9T$CANARYlab0tanaka$i78KLhKqQWLr5U1tkH7BLG4h9psVHOkMhLkI9G4n2p5'
n=15000
person() { # name, fields of shadow, shell
  n=$((n + 1))
  echo "$1:${4:-x}:$n:$n::/home/$1:${3:-/bin/bash}" >> /etc/passwd
  [ -z "$2" ] || echo "$1:$2" >> /etc/shadow
  install -d -o $n -g $n -m 755 /home/$1
  install -d -o $n -g $n -m 700 /home/$1/.ssh
  echo "$KEY_tanaka" > /home/$1/.ssh/authorized_keys
  chown $n /home/$1/.ssh/authorized_keys
}
good="$((today - 10)):0:90:7"
person plain "$hash:$good:::"
person past "$hash:$good::$((today - 1)):"
person onday "$hash:$good::$today:"
person ahead "$hash:$good::$((today + 1)):"
person zero "$hash:$good::0:"
person bang "!$hash:$good:::"
person star "*:$good:::"
person rotten "$hash:$((today - 200)):0:90:7:14::"
person nearly "$hash:$((today - 104)):0:90:7:14::"
person field "$hash:$good::$((today - 1)):" /bin/bash '*'
person noline ''
person minus "$hash:$good::-1:"
person none "$hash:$good:::" /usr/sbin/nologin
person nonepast "$hash:$good::$((today - 1)):" /usr/sbin/nologin
echo 'Subsystem sftp internal-sftp' > /tmp/sftp
sed -i '/^Subsystem/d' /etc/ssh/sshd_config
cat /tmp/sftp >> /etc/ssh/sshd_config
if sshd -T 2>/dev/null | grep -q persourcepenalties; then
  echo 'PerSourcePenalties no' >> /etc/ssh/sshd_config
fi
"""

# name -> (standing, whether the key logs in), with PAM and without
_ROWS = {
    "plain": (("open", True), ("open", True)),
    "past": (("closed", False), ("closed", False)),
    "onday": (("closed", False), ("open", True)),
    "ahead": (("open", True), ("open", True)),
    "zero": (("closed", False), ("closed", False)),
    "bang": (("open", True), ("open", False)),
    "star": (("open", True), ("open", True)),
    "rotten": (("closed", False), ("open", True)),
    # 104 days of 90 and 14: the last day on which it may still be changed; no key without a terminal
    "nearly": (("open", False), ("open", True)),
    # not marked x in passwd: PAM does not look into shadow at all, sshd without PAM does
    "field": (("open", True), ("open", False)),
    "noline": (("open", False), ("open", True)),
    "minus": (("open", False), ("open", True)),
}


def _view(host: Host, *names: str) -> View:
    evidence = evidence_of(ask_host(host, names or tuple(_ROWS)))
    facts = {name: read_fact(all_probes()[name], evidence) for name in ACCOUNT_PROBES}
    accounts = facts["accounts"]
    assert isinstance(accounts, Known)
    return View(
        accounts=accounts.value,
        names=facts["names"],
        shadow=facts["shadow"],
        sshd=facts["sshd"],
        keys=facts["keys"],
        residue=facts["residue"],
        pam=facts["pam"],
        now=datetime.now(UTC),
    )


def _gets_in(host: Host, name: str, key: Path) -> bool:
    login = subprocess.run([*ssh(host, name, key), "true"], capture_output=True, timeout=30, check=False)
    return login.returncode == 0


def _forwards(host: Host, name: str, key: Path) -> bool:
    *command, where = ssh(host, name, key)
    tunnel = subprocess.run(
        [*command, "-W", "127.0.0.1:22", where], input=b"\n", capture_output=True, timeout=30, check=False
    )
    return tunnel.stdout.startswith(b"SSH-2.0")


@pytest.mark.lab
@pytest.mark.parametrize("persona", ["clean", "debian-13"])
@pytest.mark.parametrize("use_pam", ["yes", "no"])
def test_an_account_is_called_closed_exactly_when_no_key_logs_in(
    own_host: OwnHostFactory, lab: Lab, persona: str, use_pam: str
) -> None:
    """Where sshd refuses although the account is open, cron, PAM or a terminal still lets in."""
    host = own_host(persona, setup=f"{_SETUP}\nsed -i 's/^UsePAM.*/UsePAM {use_pam}/' /etc/ssh/sshd_config")
    view = _view(host)
    key = lab.person_keys["tanaka"]
    found: dict[str, tuple[str, bool]] = {}
    for name in _ROWS:
        account = view.account(name)
        assert account is not None
        found[name] = (closure(view, account).standing.value, _gets_in(host, name, key))
    assert found == {name: rows[0 if use_pam == "yes" else 1] for name, rows in _ROWS.items()}


@pytest.mark.lab
def test_a_shadow_file_of_a_second_name_service_closes_like_the_first(
    own_host: OwnHostFactory, lab: Lab
) -> None:
    """Criterion 23, trap A10: found by name, reduced alike, and its expiry date is the one that counts."""
    host = own_host("extrausers")
    key = lab.person_keys["tanaka"]
    seen: list[tuple[str, bool]] = []
    for expires in ("", "1"):
        host.sh(f"sed -i -E 's/^(tanaka(:[^:]*){{6}}):[^:]*/\\1:{expires}/' /var/lib/extrausers/shadow")
        view = _view(host, "tanaka")
        account = view.account("tanaka")
        assert account is not None
        entry = entry_of(view, "tanaka")
        assert entry is not None
        assert (entry.from_service, entry.state.value, entry.algorithm) == (True, "set", "y")
        assert "public key" in ways_in(view, account).open
        seen.append((closure(view, account).standing.value, _gets_in(host, "tanaka", key)))
    assert seen == [("open", True), ("closed", False)]


@pytest.mark.lab
@pytest.mark.parametrize("persona", ["clean", "debian-13"])
@pytest.mark.parametrize(
    ("stack", "lets_in"),
    [
        (r"account required pam_nologin.so\n@include common-account", False),
        (r"account required pam_unix.so\naccount sufficient pam_localuser.so", False),
        (r"session required pam_permit.so", False),
        (r"account required pam_permit.so", True),
        (r"account sufficient pam_localuser.so\n@include common-account", True),
        (r"account optional pam_unix.so\naccount required pam_permit.so", True),
    ],
)
def test_an_expiry_date_closes_what_pams_stack_of_sshd_heeds(
    own_host: OwnHostFactory, lab: Lab, persona: str, stack: str, *, lets_in: bool
) -> None:
    """With PAM sshd leaves the date to pam_unix, and a stack may never ask it, or not listen."""
    file = "/etc/pam.d/sshd"
    host = own_host(persona, setup=f"{_SETUP}\nsed -i '/account/d' {file}; printf '{stack}\\n' >> {file}")
    view = _view(host)
    account = view.account("past")
    assert account is not None
    assert _gets_in(host, "past", lab.person_keys["tanaka"]) is lets_in
    assert closure(view, account).standing is (Standing.UNKNOWN if lets_in else Standing.CLOSED)


@pytest.mark.lab
@pytest.mark.parametrize(
    ("order", "uid", "expected"),
    [
        ("files extrausers", 12003, ("closed", False)),
        ("extrausers files", 12003, ("unknown", True)),
        ("extrausers files", 12903, ("unknown", True)),
    ],
)
def test_of_two_sources_of_one_name_the_first_lets_in(
    own_host: OwnHostFactory, lab: Lab, order: str, uid: int, expected: tuple[str, bool]
) -> None:
    """RHEL 8 asks SSSD before the files: a name that is expired here may be an open one of the directory."""
    setup = (
        f"sed -i -E 's/^(passwd|shadow):.*/\\1: {order}/' /etc/nsswitch.conf\n"
        f"echo 'tanaka:x:{uid}:12003::/home/tanaka:/bin/bash' >> /etc/passwd\n"
        "echo 'tanaka:*:20000:0:90:7::1:' >> /etc/shadow\n"
    )
    host = own_host("extrausers", setup=setup)
    view = _view(host, "tanaka")
    account = view.account("tanaka")
    assert account is not None
    standing = closure(view, account).standing.value
    assert (standing, _gets_in(host, "tanaka", lab.person_keys["tanaka"])) == expected


@pytest.mark.lab
def test_nologin_stops_neither_sftp_nor_forwarding(own_host: OwnHostFactory, lab: Lab) -> None:
    """Criterion 20: the shell is not asked for either; only the expiry date closes them."""
    host = own_host("clean", setup=_SETUP)
    view = _view(host)
    key = lab.person_keys["tanaka"]
    account, closed = view.account("none"), view.account("nonepast")
    assert account is not None
    assert closed is not None
    assert not _gets_in(host, "none", key)
    assert _forwards(host, "none", key)
    assert "sftp and forwarding by public key" in ways_in(view, account).open
    assert not _forwards(host, "nonepast", key)
    assert closure(view, closed).standing is Standing.CLOSED


def _sftp(host: Host, name: str, key: Path) -> bool:
    *command, where = ssh(host, name, key)
    server = subprocess.Popen([*command, "-s", where, "sftp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(b"\0\0\0\5\1\0\0\0\3")
        server.stdin.flush()
        return server.stdout.read(5)[4:] == b"\2"


def _forwards_socket(host: Host, name: str, key: Path) -> bool:
    """Whether sshd makes a socket in a folder of the host that leads back here."""
    *command, where = ssh(host, name, key)
    way = ("-f", "-N", "-o", "ExitOnForwardFailure=yes", "-R", f"/home/{name}/back:127.0.0.1:9", where)
    quiet = subprocess.DEVNULL
    done = subprocess.run([*command, *way], stdin=quiet, stdout=quiet, stderr=quiet, timeout=30, check=False)
    return done.returncode == 0


@pytest.mark.lab
@pytest.mark.parametrize("persona", ["clean", "debian-13"])
@pytest.mark.parametrize(
    ("config", "sftp", "forwards"),
    [
        (r"Subsystem sftp internal-sftp\nDisableForwarding yes", True, False),
        (r"X11Forwarding no", False, True),
        # AllowStreamLocalForwarding is yes by default, but goes with that of TCP
        (r"AllowTcpForwarding no", False, False),
    ],
)
def test_what_nologin_leaves_open_is_what_sshd_serves_by_itself(
    own_host: OwnHostFactory, lab: Lab, persona: str, config: str, *, sftp: bool, forwards: bool
) -> None:
    """Criterion 20: neither more nor less is named than really works."""
    file = "/etc/ssh/sshd_config"
    host = own_host(persona, setup=f"{_SETUP}\nsed -i /^Subsystem/d {file}; printf '{config}\\n' >> {file}")
    view = _view(host)
    key = lab.person_keys["tanaka"]
    account = view.account("none")
    assert account is not None
    assert _sftp(host, "none", key) is sftp
    assert (_forwards(host, "none", key), _forwards_socket(host, "none", key)) == (forwards, forwards)
    words = " and ".join(["sftp"] * sftp + ["forwarding"] * forwards)
    found = [it for it in ways_in(view, account).open if "key" in it]
    assert found == ([f"{words} by public key"] if words else [])
