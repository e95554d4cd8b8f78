"""A real upgrade by dpkg under a running program, seen by real runs until the program is restarted."""

import time
from pathlib import Path

import pytest

from checks.model import Finding, Result
from tests.agent.labsite import PROMISES, LabSite
from tests.lab.host import Host
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab

# A package of a program and a library, the programs and libraries of the host itself under other names.
_PACKAGE = """
rm -rf /root/p; mkdir -p /root/p/DEBIAN /root/p/usr/sbin /root/p/usr/lib/lab
cp /usr/bin/sleep /root/p/usr/sbin/lab-daemon
cp /lib/*/libz.so.1 /root/p/usr/lib/lab/liblab.so.1
printf 'Package: lab-daemon\\nVersion: %s\\nArchitecture: all\\nMaintainer: Lab <lab@lab.test>\\n\
Description: x\\n' "$1" > /root/p/DEBIAN/control
dpkg-deb -b /root/p /root/lab-daemon.deb >/dev/null && dpkg -i /root/lab-daemon.deb
"""
_START = (
    "(LD_PRELOAD=/usr/lib/lab/liblab.so.1 exec setsid /usr/sbin/lab-daemon infinity)"
    " </dev/null >/dev/null 2>&1 &"
)


def _install(host: Host, version: str) -> None:
    done = host.sh(f"set -- {version}\n{_PACKAGE}")
    assert done.returncode == 0, done.stderr


def _running(host: Host) -> str:
    """The kernel's own word on the program that runs."""
    return host.sh("readlink /proc/$(pgrep -x lab-daemon)/exe").stdout.strip()


def _found(site: LabSite) -> Finding:
    assert site.tenken("run").returncode in (0, 1)
    (found,) = (each for each in site.findings if each.subject.name == "replaced files")
    return found


@pytest.mark.parametrize("persona", ["clean", "debian-13"])
def test_u8_a_program_that_dpkg_replaced_is_named_until_it_is_restarted(
    own_host: OwnHostFactory, tmp_path: Path, persona: str
) -> None:
    """Warned of at first; failed by the next run after the second that the promise gives it here."""
    host = own_host(persona)
    impatient = PROMISES.replace(
        'proves = ["patch-currency"]\n', 'proves = ["patch-currency"]\n[promise.set]\nrestart_within = "1s"\n'
    )
    site = LabSite(tmp_path / "site", [host], promises=impatient)
    _install(host, "1.0")
    host.sh(_START)
    assert _running(host) == "/usr/sbin/lab-daemon"
    assert _found(site).result is Result.PASS
    _install(host, "1.1")
    assert _running(host) == "/usr/sbin/lab-daemon (deleted)"
    found = _found(site)
    assert found.result is Result.WARN
    assert "lab-daemon (lab-daemon, liblab.so.1)" in found.actual.english()
    time.sleep(2)  # two runs may follow each other within the second that is given
    assert _found(site).result is Result.FAIL
    host.sh(f"pkill -x lab-daemon; {_START}")
    assert _running(host) == "/usr/sbin/lab-daemon"
    assert _found(site).result is Result.PASS
