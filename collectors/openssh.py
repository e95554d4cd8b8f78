"""Ask a host through the system's own ssh(1): for Kerberos, hardware keys and what else only it can do.

The contract is that of `collectors.ssh`; a process a host makes it several times as dear. What ssh did is
read from its own log (`-E`), whose words are those of OpenSSH 8.4 to 10.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from collectors.evidence import HostKey, Reason, printable
from collectors.host_certificate import SUFFIX
from collectors.process import Process
from collectors.transport import Answer, HostError

_ALWAYS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ControlMaster": "no",
    "ControlPath": "none",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "LogLevel": "DEBUG1",
}
_REFUSED = "Host key verification failed."
"""ssh's last word on a host; whatever else the log says may be that host's, in its certificate's name"""
_WORDS = (
    ("Could not resolve hostname", Reason.NAME),
    ("REVOKED", Reason.HOST_KEY_REVOKED),
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", Reason.HOST_KEY_CHANGED),
    (_REFUSED, Reason.HOST_KEY_UNKNOWN),
    ("No matching host key type", Reason.PROTOCOL),
    ("Permission denied", Reason.AUTH),
    ("Too many authentication failures", Reason.AUTH),
    ("kex_exchange_identification", Reason.NO_BANNER),
    ("banner exchange", Reason.NO_BANNER),
    ("Connection refused", Reason.REFUSED),
    ("No route to host", Reason.ROUTE),
    ("Network is unreachable", Reason.ROUTE),
    ("timed out", Reason.CONNECT_TIMEOUT),
)
"""what its log says, the most telling first"""
_HOST_KEY = {Reason.HOST_KEY_REVOKED, Reason.HOST_KEY_CHANGED, Reason.HOST_KEY_UNKNOWN}
_SHOWN = re.compile(
    r"debug1: Server host (?:key|certificate): ([^ ]+) (SHA256:[^ ,]+)"
    r"(?:, serial .* CA [^ ]+ (SHA256:[^ ]+) valid .*)?"
)
_FOUND = re.compile(r"debug1: .*Found (CA )?key in (.*):([0-9]+)")


class OpenSsh(Struct, frozen=True, kw_only=True):
    """How ssh is called for one host."""

    address: str
    user: str
    port: int | None
    known_hosts: tuple[Path, ...]
    connect_timeout_s: int
    config: str | None = None
    """-F; None for the user's own and the system's"""
    identity: Path | None = None
    jump: tuple[str, ...] = ()

    def argv(self, command: str, log: str) -> tuple[str, ...]:
        """Return the command line; names and paths of the site are words of it, never options."""
        files = " ".join(f'"{path}"' for path in self.known_hosts)
        options = {
            **_ALWAYS,
            "UserKnownHostsFile": files,
            "GlobalKnownHostsFile": "none",
            "ConnectTimeout": str(self.connect_timeout_s),
            **({"IdentitiesOnly": "yes"} if self.identity else {}),
        }
        return (
            "ssh",
            *("-F", self.config) * (self.config is not None),
            *(word for key, value in options.items() for word in ("-o", f"{key}={value}")),
            *("-E", log, "-T", "-l", self.user),
            *(("-p", str(self.port)) if self.port else ()),
            *(("-i", str(self.identity)) if self.identity else ()),
            *(("-J", ",".join(self.jump)) if self.jump else ()),
            *("--", self.address, command),
        )


class OpenSshTransport:
    """One host behind sshd, asked through ssh(1); see `collectors.transport.Transport`."""

    kind = "openssh"

    def __init__(self, call: OpenSsh) -> None:
        self._call = call
        self._process = Process()

    def prepare(self, done: Callable[[], None]) -> None:
        """See `Transport.prepare`: ssh does all by itself."""
        done()

    def ask(
        self, script: bytes, *, command: str, cap_bytes: int, deadline: float, now: Callable[[], datetime]
    ) -> Answer:
        """See `Transport.ask`."""
        sent = now()
        argv = self._call.argv(command, self._process.log_to())
        ended = self._process.run(argv, script, cap_bytes=cap_bytes, deadline=deadline)
        lines = ended.log.decode("utf-8", errors="replace").splitlines()
        host_key = _host_key(lines)
        if _REFUSED in lines or not any(line.startswith("Authenticated to ") for line in lines):
            raise _failure(lines, ended.why, host_key)
        return Answer(
            stdout=ended.stdout,
            stderr=ended.stderr,
            # ssh says 255 itself when the connection broke.
            exit=None if ended.exit == 255 and _broke(lines) else ended.exit,  # noqa: PLR2004
            ended=ended.why,
            host_key=host_key,
            sent=sent,
            received=now(),
        )

    def close(self) -> None:
        """See `Transport.close`."""
        self._process.stop()


def _host_key(lines: Sequence[str]) -> HostKey | None:
    """The key that ssh has believed: its last check in the log."""
    key = [found for line in lines if (found := _SHOWN.fullmatch(line))]
    pin = [found for line in lines if (found := _FOUND.fullmatch(line))]
    if not key or not pin:
        return None
    marker = f" (@cert-authority {key[-1][3]})" if pin[-1][1] else ""
    return HostKey(
        type=printable(key[-1][1].removesuffix(SUFFIX).encode(), limit=64),
        fingerprint=printable(key[-1][2].encode(), limit=64),
        trusted_by=f"{Path(pin[-1][2]).name}:{pin[-1][3]}{marker}",
    )


def _broke(lines: Sequence[str]) -> bool:
    return not any(re.fullmatch(r"debug1: Exit status [0-9]+", line) for line in lines[-5:])


def _failure(lines: Sequence[str], why: Reason | None, host_key: HostKey | None) -> HostError:
    said = [line for line in lines if not line.startswith(("debug", "OpenSSH_"))]
    if why is not None:
        return HostError(why, "ssh was ended before it had logged in", host_key=host_key)
    for words, reason in _WORDS:
        if _REFUSED in lines and reason not in _HOST_KEY:
            continue
        found = next((line for line in said if words in line), None)
        if found is not None:
            known = host_key if reason is Reason.AUTH else None
            return HostError(reason, f"ssh: {printable(found.encode(), limit=200)}", host_key=known)
    last = printable(said[-1].encode(), limit=200) if said else "it said nothing"
    # A reset may come before ssh has seen that it is connected.
    connected = any("Connection established" in line or "Connection reset" in line for line in lines)
    greeted = any("Remote protocol version" in line for line in lines)
    reason = Reason.NO_BANNER if connected and not greeted else Reason.PROTOCOL
    return HostError(reason, f"ssh: {last}", host_key=host_key)
