"""Ask a host through the system's own ssh(1): for Kerberos, hardware keys and what else only it can do.

The contract is that of `collectors.ssh`; a process a host makes it several times as dear. What ssh did is
read from its own log (`-E`), whose words are those of OpenSSH 8.4 to 10.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

from msgspec import Struct

from collectors.evidence import HostKey, Reason, printable
from collectors.host_certificate import SUFFIX
from collectors.process import Process
from collectors.transport import Answer, HostError

_ALWAYS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "NoHostAuthenticationForLocalhost": "no",
    "VerifyHostKeyDNS": "no",
    "CheckHostIP": "no",  # it would write addresses into the pins
    "UpdateHostKeys": "no",
    "ClearAllForwardings": "yes",
    "Tunnel": "no",
    "ForwardAgent": "no",
    "AddKeysToAgent": "no",
    "ForwardX11": "no",
    "ControlMaster": "no",
    "ControlPath": "none",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "VisualHostKey": "no",
}
"""wins over whatever the user's configuration says: for each option ssh takes the first value it meets"""
_WHERE_KNOWN = {
    "KnownHostsCommand": "none",  # since OpenSSH 8.5
    "GSSAPIKeyExchange": "no",  # of some distributions: Kerberos would vouch for the host instead of its pin
    "GSSAPIDelegateCredentials": "no",
    "ForkAfterAuthentication": "no",  # 8.7
    "StdinNull": "no",
    "SessionType": "default",
    "LogVerbose": "none",
}
"""likewise, but an older ssh refuses options that it does not know"""
_ANSWER_S = 20
_HOP = "TENKEN_HOP_"
"""environment variables with the commands to the jump hosts: no command needs to be quoted within another"""
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
    ("open failed", Reason.ROUTE),
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
_OFFENDING = re.compile(r"Offending .*key in (.*):([0-9]+)")


class Hop(Struct, frozen=True, kw_only=True):
    """A jump host, as it is called on ssh's command line."""

    address: str
    user: str
    port: int | None = None


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
    hops: tuple[Hop, ...] = ()
    """jump hosts, nearest first"""

    def argv(self, command: str, log: str) -> tuple[str, ...]:
        """Return the command line; names and paths of the site are words of it, never options."""
        last = len(self.hops)
        way = ("-o", f"ProxyCommand={self._passage(last, log)}") if last else ()
        target = Hop(address=self.address, user=self.user, port=self.port)
        return ("ssh", *self._options(log, "DEBUG1", spare_options()), *way, "-T", *_to(target), command)

    def environment(self, log: str) -> dict[str, str]:
        """Return what must stand in ssh's environment."""
        return {f"{_HOP}{number}": self._passage(number, log) for number in range(1, len(self.hops))}

    def _passage(self, number: int, log: str) -> str:
        """The ProxyCommand through the first `number` jump hosts.

        What `-J` starts would follow the user's configuration alone, and believe other keys than the pinned.
        """
        spare = {key: value for key, value in spare_options().items() if key != "SessionType"}
        options = shlex.join(("ssh", *self._options(log, "INFO", spare))).replace("%", "%%")
        way = f' -o ProxyCommand="${_HOP}{number - 1}"' if number > 1 else ""
        return f"{options}{way} -W '[%h]:%p' {shlex.join(_to(self.hops[number - 1])).replace('%', '%%')}"

    def _options(self, log: str, level: str, spare: dict[str, str]) -> tuple[str, ...]:
        options = {
            **_ALWAYS,
            **spare,
            "LogLevel": level,
            # ssh fills in tokens in names of files.
            "UserKnownHostsFile": " ".join(f'"{path}"' for path in self.known_hosts).replace("%", "%%"),
            "GlobalKnownHostsFile": "none",
            "ConnectTimeout": str(self.connect_timeout_s),
            **({"IdentitiesOnly": "yes"} if self.identity else {}),
        }
        return (
            *("-F", self.config) * (self.config is not None),
            *(word for key, value in options.items() for word in ("-o", f"{key}={value}")),
            *("-E", log),
            *(("-i", str(self.identity).replace("%", "%%")) if self.identity else ()),
        )


def _to(hop: Hop) -> tuple[str, ...]:
    return ("-l", hop.user, *(("-p", str(hop.port)) if hop.port else ()), "--", hop.address)


@cache
def spare_options() -> dict[str, str]:
    """Return those of the newer options that this machine's ssh knows."""
    if _takes(_WHERE_KNOWN):
        return _WHERE_KNOWN
    return {key: value for key, value in _WHERE_KNOWN.items() if _takes({key: value})}


def _takes(options: dict[str, str]) -> bool:
    binary = shutil.which("ssh")
    if binary is None:
        return False
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    asked = [binary, "-F", "none", *words, "-G", "--", "localhost"]
    done = subprocess.run(  # noqa: S603 (found on the user's own path)
        asked, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ANSWER_S, check=False
    )
    return done.returncode == 0


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
        log = self._process.log_to()
        ended = self._process.run(
            self._call.argv(command, log),
            script,
            cap_bytes=cap_bytes,
            deadline=deadline,
            env={**os.environ, **self._call.environment(log)},
        )
        lines = ended.log.decode("utf-8", errors="replace").splitlines()
        host_key = _host_key(lines)
        if _REFUSED in lines or not any(line.startswith("Authenticated to ") for line in lines):
            via = ", ".join(hop.address for hop in self._call.hops)
            raise _failure(lines, ended.why, host_key, via)
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


def _key_trouble(lines: Sequence[str]) -> str:
    """Say which key the host showed, and which line speaks against it: ssh draws a box instead."""
    shown = [found for line in lines if (found := _SHOWN.fullmatch(line))]
    against = [found for line in lines if (found := _OFFENDING.fullmatch(line))]
    if not shown:
        return ""
    pin = f", and {Path(against[-1][1]).name}:{against[-1][2]} speaks against it" if against else ""
    return f"the host shows {shown[-1][1].removesuffix(SUFFIX)} {shown[-1][2]}{pin}"


def _failure(lines: Sequence[str], why: Reason | None, host_key: HostKey | None, via: str) -> HostError:
    said = [line for line in lines if not line.startswith(("debug", "OpenSSH_"))]
    if why is not None:
        return HostError(why, "ssh was ended before it had logged in", host_key=host_key)
    greeted = any("Remote protocol version" in line for line in lines)
    # Only the last ssh logs its protocol: before it had met the host, a jump host is what failed.
    who = f"jump host {printable(via.encode(), limit=120)}: ssh" if via and not greeted else "ssh"
    for words, reason in _WORDS:
        if _REFUSED in lines and reason not in _HOST_KEY:
            continue
        found = next((line for line in said if words in line), None)
        if found is not None:
            known = host_key if reason is Reason.AUTH else None
            text = found.removeprefix("ssh: ") if reason not in _HOST_KEY else _key_trouble(lines) or found
            return HostError(reason, f"{who}: {printable(text.encode(), limit=300)}", host_key=known)
    last = printable(said[-1].encode(), limit=200) if said else "it said nothing"
    # A reset may come before ssh has seen that it is connected.
    connected = any("Connection established" in line or "Connection reset" in line for line in lines)
    reason = Reason.NO_BANNER if connected and not greeted else Reason.PROTOCOL
    return HostError(reason, f"{who}: {last}", host_key=host_key)
