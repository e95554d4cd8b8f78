"""Asking a host with the ssh(1) of this machine: the check beside our own SSH code."""

import subprocess
from pathlib import Path

from tests.lab.host import Host


def ssh_command(host: Host, command: str, *, login: str = "", key: Path | None = None) -> list[str]:
    known = host.key_path.with_name(f"known-{host.name}")
    known.write_text(host.known_hosts_line() + "\n")
    options = (
        "BatchMode=yes",
        f"UserKnownHostsFile={known}",
        "StrictHostKeyChecking=yes",
        "ConnectTimeout=1",
    )
    return [
        *(
            "ssh",
            "-F",
            "none",
            "-o",
            "IdentitiesOnly=yes",
            "-i",
            str(key or host.key_path),
            "-p",
            str(host.port),
        ),
        *(word for option in options for word in ("-o", option)),
        *(f"{login or host.login}@{host.address}", command),
    ]


def ssh(
    host: Host, command: str, *, login: str = "", key: Path | None = None, text_in: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ssh_command(host, command, login=login, key=key),
        capture_output=True,
        text=True,
        errors="replace",
        input=text_in,
        timeout=30,
        check=False,
    )
