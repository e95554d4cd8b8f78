"""What the OpenSSH tools themselves say of a known_hosts file."""

import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from collectors.evidence import Reason
from collectors.identities import load_identity
from collectors.known_hosts import PinState, read
from collectors.road import Direct
from collectors.ssh import SshTransport
from collectors.ssh_session import Login
from collectors.transport import HostError
from tests.collectors.sshd import HOST, USER, Sshd


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of one connection."""

    state: PinState
    shown: str = ""
    """`type fingerprint` of the key that the server showed, when it was believed"""
    line: str = ""
    """`file:line` that it was believed by"""


def hashed(line: str, folder: Path) -> str:
    """Let ssh-keygen hash the names of a line."""
    path = folder / "to_hash"
    path.write_text(line + "\n")
    subprocess.run(["ssh-keygen", "-H", "-f", str(path)], check=True, capture_output=True)
    return path.read_text().splitlines()[0]


def asked_of_ssh(server: Sshd, text: str, folder: Path, alias: str) -> PinState:
    """Say what the ssh binary decides on the same file."""
    known = folder / "known_hosts"
    known.write_text(text)
    return said_by_ssh(server, (known,), HOST, alias).state


def said_by_ssh(
    server: Sshd,
    files: Sequence[Path],
    host: str,
    alias: str = "",
    *,
    config: str = "none",
    more: Mapping[str, str] | None = None,
) -> Verdict:
    """Let ssh log in: the first of `files` is the user's known_hosts, the second the system's."""
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(files[0]),
        "GlobalKnownHostsFile": str(files[1]) if len(files) > 1 else "/dev/null",
        "IdentitiesOnly": "yes",
        "UpdateHostKeys": "no",
        "KexAlgorithms": "curve25519-sha256",
        **({"HostKeyAlias": alias} if alias else {}),
        **(more or {}),
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    login = ["-v", "-i", str(server.user_key), "-p", str(server.port), "-l", USER, "--", host, "true"]
    done = subprocess.run(
        ["ssh", "-F", config, *words, *login],
        capture_output=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    said = done.stderr.decode("utf-8", errors="replace")
    if done.returncode == 0:
        shown = re.findall(r"Server host (?:key|certificate): (\S+?)(?:-cert-\S+)? (SHA256:[^\s,]+)", said)[
            -1
        ]
        by = re.findall(r"Found (?:CA )?key in (.*):([0-9]+)\r?$", said, re.MULTILINE)[-1]
        return Verdict(state=PinState.KNOWN, shown=" ".join(shown), line=f"{Path(by[0]).name}:{by[1]}")
    assert "Host key verification failed" in said, said
    if "REVOKED" in said:
        return Verdict(state=PinState.REVOKED)
    if "IDENTIFICATION HAS CHANGED" in said:
        return Verdict(state=PinState.CHANGED)
    return Verdict(state=PinState.UNKNOWN)


_STATES = {
    Reason.HOST_KEY_UNKNOWN: PinState.UNKNOWN,
    Reason.HOST_KEY_CHANGED: PinState.CHANGED,
    Reason.HOST_KEY_REVOKED: PinState.REVOKED,
}


def asked_of_us(server: Sshd, files: Sequence[Path], host: str, alias: str = "") -> Verdict:
    """Log in to the same server with our own transport."""
    login = Login(
        address=host,
        port=server.port,
        user=USER,
        identities=(load_identity(server.user_key),),
        known_hosts=read(*files),
        alias=alias,
    )
    transport = SshTransport(login, Direct(host, server.port, connect_timeout_s=5))
    try:
        answer = transport.ask(
            b"", command="true", cap_bytes=1_000, deadline=time.monotonic() + 30,
            now=lambda: datetime.now(UTC),
        )  # fmt: skip
    except HostError as failure:
        if failure.reason not in _STATES:
            raise
        return Verdict(state=_STATES[failure.reason])
    assert answer.host_key is not None
    return Verdict(
        state=PinState.KNOWN,
        shown=f"{answer.host_key.type} {answer.host_key.fingerprint}",
        line=answer.host_key.trusted_by.partition(" ")[0],
    )
