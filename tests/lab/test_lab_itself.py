"""The lab keeps its own promises: hosts are real, shut in, and leave nothing behind."""

import subprocess

import pytest

from tests.lab.host import Host
from tests.lab.plugin import HostFactory

pytestmark = pytest.mark.lab


def ssh(
    host: Host, command: str, *, login: str = "", timeout_s: float = 20
) -> subprocess.CompletedProcess[str]:
    known = host.key_path.with_name(f"known-{host.name}")
    known.write_text(host.known_hosts_line() + "\n")
    options = (
        "BatchMode=yes",
        f"UserKnownHostsFile={known}",
        "StrictHostKeyChecking=yes",
        "ConnectTimeout=2",
    )
    return subprocess.run(
        ["ssh", "-F", "none", "-i", str(host.key_path), *(word for o in options for word in ("-o", o)),
         "-p", str(host.port), f"{login or host.login}@{host.address}", command],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout_s, check=False,
    )  # fmt: skip


def test_clean_host_answers_ssh_as_root_and_as_audit_login(host: HostFactory) -> None:
    clean = host("clean")
    assert ssh(clean, "id -un").stdout == "root\n"
    assert ssh(clean, "id -un", login="tenken").stdout == "tenken\n"
