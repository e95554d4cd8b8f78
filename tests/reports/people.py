"""Officers of the tests: keys made and used by ssh-keygen."""

import subprocess
from pathlib import Path
from typing import Any


def officer(folder: Path, name: str = "officer", **more: Any) -> dict[str, Any]:
    """Make a key and return what a trust file says of its owner."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
    return {
        "principal": name,
        "ssh": path.with_suffix(".pub").read_text().strip(),
        "roles": ["review"],
        "from": "2026-01-01",
        **more,
    }


def sign(key: Path, document: bytes, namespace: str = "tenken-review") -> bytes:
    """Sign as a person does."""
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", namespace]
    return subprocess.run(command, input=document, capture_output=True, check=True).stdout
