"""What closes an account: each state tried at every door of a real host, and no open one is called closed.

The rows and columns are those of the truth table in host-safeguards.md, section 2.1. A door of `key` is a
public key of one's own: exec, sftp and forwarding; `password` is a command by password.
"""

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from checks.account_view import View
from checks.closure import Standing, closure
from checks.ways_in import ways_in
from tests.checks.test_ways_in import _view as view_of
from tests.collectors.probes.asked import ssh
from tests.lab.host import Host, Lab
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab

PASSWORD = "correct horse 7"
"""of accounts that live for seconds"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One state of an account; None where the table has no answer."""

    shadow: str | None
    """the fields after the name; None for no line"""
    pam: str
    """doors that let in with UsePAM yes: e(xec), s(ftp), f(orwarding), p(assword)"""
    bare: str
    """the same with UsePAM no"""
    cron: bool | None
    service: bool | None
    """whether user@UID.service starts"""
    runs: str = "/bin/bash"
    closed: tuple[bool, bool] = (False, False)
    """whether it is called closed, with UsePAM yes and no"""


_GOOD = "$((today - 10)):0:90:7"
ROWS = {
    "plain": Row(shadow=f"$hash:{_GOOD}:::", pam="esfp", bare="esfp", cron=True, service=True),
    "past": Row(
        shadow=f"$hash:{_GOOD}::$((today - 1)):", pam="", bare="", cron=False, service=False,
        closed=(True, True),
    ),
    "zero": Row(shadow=f"$hash:{_GOOD}::0:", pam="", bare="", cron=False, service=False, closed=(True, True)),
    "locked": Row(shadow=f"!$hash:{_GOOD}:::", pam="esf", bare="", cron=True, service=True),
    "bang": Row(shadow=f"!:{_GOOD}:::", pam="esf", bare="", cron=True, service=True),
    "bangs": Row(shadow=f"!!:{_GOOD}:::", pam="esf", bare="", cron=True, service=True),
    "star": Row(shadow=f"*:{_GOOD}:::", pam="esf", bare="esf", cron=True, service=True),
    "lk": Row(shadow=f"*LK*:{_GOOD}:::", pam="esf", bare="esf", cron=True, service=True),
    "letter": Row(shadow=f"x:{_GOOD}:::", pam="esf", bare="esf", cron=True, service=True),
    "empty": Row(shadow=f":{_GOOD}:::", pam="esf", bare="esf", cron=None, service=None),
    "nologin": Row(
        shadow=f"$hash:{_GOOD}:::", pam="sf", bare="sf", cron=True, service=True, runs="/usr/sbin/nologin"
    ),
    "false": Row(
        shadow=f"$hash:{_GOOD}:::", pam="sf", bare="sf", cron=True, service=True, runs="/bin/false"
    ),
    "noshell": Row(shadow=f"$hash:{_GOOD}:::", pam="", bare="", cron=True, service=True, runs="/bin/none"),
    "aged": Row(shadow="$hash:$((today - 200)):0:90:7:::", pam="", bare="esf", cron=False, service=False),
    "rotten": Row(
        shadow="$hash:$((today - 200)):0:90:7:14::", pam="", bare="esf", cron=False, service=False,
        closed=(True, False),
    ),
    "must": Row(shadow="$hash:0:0:90:7:::", pam="", bare="esf", cron=False, service=False),
    "future": Row(shadow="$hash:$((today + 9)):0:90:7:::", pam="esfp", bare="esfp", cron=None, service=None),
    "noline": Row(shadow=None, pam="", bare="esf", cron=False, service=None),
}  # fmt: skip

_SETUP = rf"""
today=$(($(date +%s) / 86400))
hash=$(perl -e 'print crypt("{PASSWORD}", q($6$labsalt$))')
n=15000
person() {{ # name, shell
  n=$((n + 1))
  echo "$1:x:$n:$n::/home/$1:$2" >> /etc/passwd
  install -d -o $n -g $n -m 755 /home/$1
  install -d -o $n -g $n -m 700 /home/$1/.ssh
  echo "$KEY_tanaka" > /home/$1/.ssh/authorized_keys
  chown $n /home/$1/.ssh/authorized_keys
  echo '* * * * * touch /tmp/cron-ran-'$1 > /var/spool/cron/crontabs/$1
  chown $n:crontab /var/spool/cron/crontabs/$1
  chmod 600 /var/spool/cron/crontabs/$1
}}
sed -i '/^Subsystem/d' /etc/ssh/sshd_config
{{
  echo 'PasswordAuthentication yes'
  echo 'Subsystem sftp internal-sftp'
  if sshd -T 2>/dev/null | grep -q persourcepenalties; then echo 'PerSourcePenalties no'; fi
}} > /etc/ssh/sshd_config.d/00-table.conf
""" + "".join(
    f"person {name} {row.runs}\n" + (f'echo "{name}:{row.shadow}" >> /etc/shadow\n' if row.shadow else "")
    for name, row in ROWS.items()
)


def _says(command: list[str], first: bytes = b"", **more: str) -> bytes:
    """Send the first bytes and return what comes back before anything is closed, or nothing."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **more},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.write(first)
            process.stdin.flush()
        answer = process.stdout.read1(100)  # type: ignore[attr-defined]
        process.kill()
    return answer


def doors(host: Host, name: str, key: Path, askpass: Path) -> str:
    """Try every door and name those that let in."""
    command = ssh(host, name, key)
    *options, where = command
    by_password = ["-oBatchMode=no", "-oPreferredAuthentications=password", "-oNumberOfPasswordPrompts=1"]
    asking = {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
    # The first packet of sftp's protocol, version 3; its answer is of type 2 (draft-ietf-secsh-filexfer-02).
    init = b"\x00\x00\x00\x05\x01\x00\x00\x00\x03"
    opened = {
        "e": _says([*command, "echo in"]) == b"in\n",
        "s": _says([*options, "-s", where, "sftp"], init)[4:5] == b"\x02",
        "f": _says([*options, "-W", "127.0.0.1:22", where]).startswith(b"SSH-2.0"),
        "p": _says([options[0], *by_password, *options[1:], where, "echo in"], **asking) == b"in\n",
    }
    return "".join(door for door, is_open in opened.items() if is_open)


@pytest.mark.parametrize("persona", ["clean", "debian-13"])
@pytest.mark.parametrize("use_pam", ["yes", "no"])
def test_each_state_lets_in_by_exactly_the_doors_of_the_table(
    own_host: OwnHostFactory, lab: Lab, tmp_path: Path, persona: str, use_pam: str
) -> None:
    host = own_host(persona, setup=f"{_SETUP}\nsed -i 's/^UsePAM.*/UsePAM {use_pam}/' /etc/ssh/sshd_config")
    askpass = tmp_path / "askpass"
    askpass.write_text(f"#!/bin/sh\necho '{PASSWORD}'\n")
    askpass.chmod(0o700)
    key = lab.person_keys["tanaka"]
    with ThreadPoolExecutor(4) as pool:
        found = dict(zip(ROWS, pool.map(lambda name: doors(host, name, key, askpass), ROWS), strict=True))
    assert found == {name: row.pam if use_pam == "yes" else row.bare for name, row in ROWS.items()}
    view = view_of(host, *ROWS)
    for name, row in ROWS.items():
        _judged(view, name, row, found[name], with_pam=use_pam == "yes")


def _judged(view: View, name: str, row: Row, opened: str, *, with_pam: bool) -> None:
    """What any door opens is not called closed, and the door is named."""
    account = view.account(name)
    assert account is not None
    standing = closure(view, account).standing
    assert (standing is Standing.CLOSED) == row.closed[0 if with_pam else 1], name
    if standing is Standing.CLOSED:
        assert not opened, name
        assert not row.cron, name
        return
    said = ways_in(view, account).open
    assert not opened.strip("p") or any("public key" in it for it in said), name
    assert "p" not in opened or any("password" in it for it in said), name
    assert "cron jobs" in said, name


def test_cron_runs_the_jobs_of_the_states_of_the_table(own_host: OwnHostFactory) -> None:
    """Debian 12 and 13 side by side, since cron begins a minute at a time."""
    hosts = {persona: own_host(persona, setup=_SETUP) for persona in ("clean", "debian-13")}
    expected = {name: row.cron for name, row in ROWS.items() if row.cron is not None}
    found: dict[str, dict[str, bool]] = {}
    until = time.monotonic() + 150
    while time.monotonic() < until and any(found.get(each) != expected for each in hosts):
        time.sleep(5)
        for persona, host in hosts.items():
            names = host.sh("ls /tmp").stdout.split()
            found[persona] = {name: f"cron-ran-{name}" in names for name in expected}
    assert found == dict.fromkeys(hosts, expected)
    # Another whole minute proves the ones that did not run.
    time.sleep(65)
    for persona, host in hosts.items():
        names = host.sh("ls /tmp").stdout.split()
        assert {name: f"cron-ran-{name}" in names for name in expected} == expected, persona


@pytest.mark.parametrize("persona", ["systemd-12", "systemd-13"])
def test_a_user_manager_starts_for_the_states_of_the_table(own_host: OwnHostFactory, persona: str) -> None:
    """What lingering services depend on."""
    host = own_host(persona, setup=_SETUP)
    found = {
        name: host.sh(f"systemctl start user@$(id -u {name}).service").returncode == 0
        for name, row in ROWS.items()
        if row.service is not None
    }
    assert found == {name: row.service for name, row in ROWS.items() if row.service is not None}


@pytest.mark.parametrize("use_pam", ["yes", "no"])
@pytest.mark.parametrize("persona", ["clean", "debian-13"])
def test_a_second_name_with_uid_0_is_root(
    own_host: OwnHostFactory, lab: Lab, tmp_path: Path, persona: str, use_pam: str
) -> None:
    """The table's last row: sshd refuses keys in a home of somebody else, the password logs in as root."""
    names = {"toor": "esfp", "guest": "p"}
    setup = f"""
{_SETUP}
sed -i 's/^UsePAM.*/UsePAM {use_pam}/' /etc/ssh/sshd_config
echo 'PermitRootLogin yes' > /etc/ssh/sshd_config.d/00-root.conf
for name in {" ".join(names)}; do
  echo "$name:x:0:0::/home/$name:/bin/bash" >> /etc/passwd
  echo "$name:$hash:$today:0:90:7:::" >> /etc/shadow
  mkdir -p /home/$name/.ssh
  echo "$KEY_tanaka" > /home/$name/.ssh/authorized_keys
done
chown 15001 /home/guest
"""
    host = own_host(persona, setup=setup)
    askpass = tmp_path / "askpass"
    askpass.write_text(f"#!/bin/sh\necho '{PASSWORD}'\n")
    askpass.chmod(0o700)
    key = lab.person_keys["tanaka"]
    assert {name: doors(host, name, key, askpass) for name in names} == names
    assert _says([*ssh(host, "toor", key), "id -u"]) == b"0\n"
    view = view_of(host, *names)
    for name in names:
        account = view.account(name)
        assert account is not None
        assert closure(view, account).standing is Standing.OPEN
        assert "uid 0" in ways_in(view, account).open
