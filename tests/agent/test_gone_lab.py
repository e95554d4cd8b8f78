"""After our time-out and after Ctrl-C nothing of ours goes on, neither on a host that hangs nor here."""

import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.agent.labsite import TENKEN
from tests.agent.sshsite import SshSite, block, wait_for
from tests.lab.host import Host
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab

_SETUP = """
echo 'tenken ALL=(root) NOPASSWD: ALL' > /etc/sudoers.d/tenken
chmod 440 /etc/sudoers.d/tenken
printf '#!/bin/sh\\nexec sleep 1000\\n' > /usr/bin/dpkg-query
"""
"""the question for packages never ends; the probe itself gives it 8 seconds"""
WAYS = {
    "direct": ("root", 'transport = "ssh"'),
    "openssh": ("root", 'transport = "openssh"'),
    "sudo": ("tenken", 'privilege = "sudo"'),
}
ENDS = {"time-out": (6, 3, "deadline"), "ctrl-c": (60, 130, "interrupted")}
"""the host's time in seconds, our exit status, and the reason"""


def processes(host: Host) -> list[str]:
    """What runs on a host, but for this question."""
    said = host.sh("ps -eo args= --sort pid").stdout.splitlines()
    return [each for each in said if "ps -eo" not in each]


def clients() -> set[int]:
    return {each.pid for each in psutil.process_iter() if each.name() == "ssh"}


@pytest.mark.parametrize("how", ENDS)
def test_nothing_of_ours_is_left_after_a_host_hung(
    own_host: OwnHostFactory, tmp_path: Path, how: str
) -> None:
    seconds, status, reason = ENDS[how]
    host, before = own_host("clean", setup=_SETUP), clients()
    ssh = f'config = ""\nconnect_timeout = "3s"\nhost_timeout = "{seconds}s"\n'
    hosts = {name: block(host, user=user, more=more) for name, (user, more) in WAYS.items()}
    site = SshSite(tmp_path / "site", hosts, pins=[host.known_hosts_line()], ssh=ssh)
    idle = processes(host)
    run = subprocess.Popen([TENKEN, "--config", site.folder / "tenken.toml", "run", "-q"])
    try:
        wait_for(lambda: processes(host).count("sleep 1000") == len(WAYS))
        if how == "ctrl-c":
            run.send_signal(signal.SIGINT)
        assert run.wait(20) == status
    finally:
        run.kill()
    assert clients() <= before
    assert {site.evidence(name)["reason"] for name in WAYS} == {reason}
    wait_for(lambda: processes(host) == idle, timeout_s=9)
    assert site.verify().returncode == 0
