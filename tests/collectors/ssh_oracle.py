"""What the OpenSSH tools themselves say of a known_hosts file."""

import subprocess
from pathlib import Path

from collectors.known_hosts import PinState
from tests.collectors.sshd import HOST, USER, Sshd


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
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(known),
        "GlobalKnownHostsFile": "/dev/null",
        "IdentitiesOnly": "yes",
        "UpdateHostKeys": "no",
        "KexAlgorithms": "curve25519-sha256",
    }
    if alias:
        options["HostKeyAlias"] = alias
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    login = ["-i", str(server.user_key), "-p", str(server.port), f"{USER}@{HOST}", "true"]
    done = subprocess.run(
        ["ssh", "-F", "none", *words, *login],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return PinState.KNOWN
    assert "Host key verification failed" in done.stderr, done.stderr
    if "REVOKED" in done.stderr:
        return PinState.REVOKED
    if "IDENTIFICATION HAS CHANGED" in done.stderr:
        return PinState.CHANGED
    return PinState.UNKNOWN
