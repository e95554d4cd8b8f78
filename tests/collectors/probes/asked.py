"""Ask probe sections of this machine or of a lab host, as the auditor does."""

import os
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from collectors.evidence import Section
from collectors.framing import parse_stream
from collectors.registry import all_probes
from collectors.script import ENVIRONMENT, Parameters, command, compose
from tests.lab.host import Host

ACCOUNT_PROBES = (
    *("accounts", "names", "shadow", "sshd", "keys", "residue", "logins", "events", "sudo", "pam"),
    *("pwchanges", "pgroles", "stores"),
)
SHELLS = (("dash",), ("bash",), ("bash", "--posix"), ("busybox", "ash"))


class Answer:
    """The raw stream and the sections in it."""

    def __init__(self, stream: bytes, boundary: str) -> None:
        self.stream = stream
        self.boundary = boundary
        caps = {probe.name: probe.cap_bytes for probe in all_probes().values()}
        parsed = parse_stream(stream, boundary, caps)
        self.done = parsed.done
        self.sections: Mapping[str, Section] = {section.name: section for section in parsed.sections}

    def cut(self, length: int) -> "Answer":
        """The same answer with the channel lost after so many bytes."""
        return Answer(self.stream[:length], self.boundary)

    def facts(self, name: str) -> object:
        """Parse one section, which must have ended whole."""
        assert self.sections[name].exit == 0
        return all_probes()[name].parse(self.sections[name])


def ask_here(
    probes: Sequence[str],
    names: tuple[str, ...] = (),
    *,
    in_shell: Sequence[str] = ("dash",),
    first_in_path: Path | None = None,
    wrapped_by: Sequence[str] = (),
) -> Answer:
    """Run sections on this machine in a shell of the caller's choice."""
    boundary = secrets.token_hex(16)
    script = compose([all_probes()[name] for name in probes], Parameters(names=names), boundary)
    path = ENVIRONMENT["PATH"]
    environ = {**ENVIRONMENT, "PATH": f"{first_in_path}:{path}" if first_in_path else path}
    done = subprocess.run(
        [*wrapped_by, *in_shell, "-s"], input=script, env=environ, capture_output=True, check=True, timeout=60
    )
    return Answer(done.stdout, boundary)


def ask_host(
    host: Host,
    names: tuple[str, ...] = (),
    probes: Sequence[str] = ACCOUNT_PROBES,
    *,
    stores: tuple[str, ...] = (),
) -> Answer:
    """Run sections on a lab host over SSH."""
    boundary = secrets.token_hex(16)
    told = Parameters(names=names, stores=stores)
    script = compose([all_probes()[name] for name in probes], told, boundary)
    done = subprocess.run(
        [*ssh(host, host.login, host.key_path), command()],
        input=script,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return Answer(done.stdout, boundary)


def ssh(host: Host, login: str, key: Path) -> list[str]:
    """Return the command line of a log-in that asks for nothing."""
    options = (
        "BatchMode=yes",
        "StrictHostKeyChecking=no",
        f"UserKnownHostsFile={os.devnull}",
        "LogLevel=ERROR",
    )
    return [
        "ssh", "-F", "none", "-i", str(key), "-p", str(host.port),
        *(f"-o{option}" for option in (*options, "IdentitiesOnly=yes")),
        f"{login}@{host.address}",
    ]  # fmt: skip
