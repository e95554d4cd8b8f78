"""What every way to a host promises: one question, one bounded answer, one closed set of failures."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from collectors.evidence import HostKey, Reason
from config.errors import TransportError

STDERR_KEPT = 64 << 10
"""bytes of the error stream that are kept"""
STDERR_DRAINED = 16 << 20
"""bytes of the error stream that are read at all; more ends the visit"""


class HostError(TransportError):
    """A host could not be asked: nothing of an answer came. `reason` is one of the visit's reasons."""

    def __init__(self, reason: Reason, detail: str, *, host_key: HostKey | None = None) -> None:
        super().__init__(f"{reason.value}: {detail}", hint=HINTS.get(reason, ""))
        self.reason = reason
        self.detail = detail
        self.host_key = host_key
        """the key, when the host had proved its pinned one before it failed"""


HINTS = {
    Reason.NAME: "Correct address in its [[host]] block, or the name service of this machine "
    "(getent hosts ADDRESS).",
    Reason.ROUTE: "Open the way from this machine to the host (ip route get ADDRESS, firewalls), "
    "or declare jump.",
    Reason.REFUSED: "Start sshd on the host, or correct port in its [[host]] block (22 unless declared).",
    Reason.CONNECT_TIMEOUT: "See that the host is up and no firewall drops the connection; a slow way needs "
    "a longer connect_timeout under [ssh].",
    Reason.NO_BANNER: "Correct port if it is not sshd's; if it is, see why sshd hangs up on this machine: "
    "MaxStartups, PerSourcePenalties, fail2ban.",
    Reason.PROTOCOL: "Run ssh -v to the host from here; an old server that only ssh understands needs "
    'transport = "openssh".',
    Reason.HOST_KEY_UNKNOWN: "Compare the fingerprint on the host itself, then pin it: "
    "tenken hosts trust NAME.",
    Reason.HOST_KEY_CHANGED: "Find out why the key changed: a host set up anew and an impostor look alike. "
    "Only then remove the named line of known_hosts and run tenken hosts trust NAME.",
    Reason.HOST_KEY_REVOKED: "The key was declared stolen: give the host a new one (ssh-keygen -A there), "
    "then pin that: tenken hosts trust NAME.",
    Reason.AUTH: "See that the account of user exists on the host and that its ~/.ssh/authorized_keys holds "
    "the .pub line of identity; sshd's log there says why it refused.",
    Reason.NO_PRIVILEGE: 'Install what tenken hosts sudoers NAME prints, or declare privilege = "none".',
    Reason.PROBE_OUTDATED: "Install this release's copy and its digest rule: tenken hosts sudoers NAME.",
    Reason.DEADLINE: "Find out what hangs on the host, or raise host_timeout under [ssh].",
    Reason.TOO_MUCH_OUTPUT: "Make the account's log-in scripts and forced command on the host print nothing.",
    Reason.NO_ANSWER: "Log in as the account and run sh -s: its shell, a log-in script or a forced command "
    "ends before the probe.",
    Reason.INTERRUPTED: "Run again.",
}
"""what the operator does next"""


class Answer(Struct, frozen=True, kw_only=True):
    """What came back from one host."""

    stdout: bytes
    stderr: bytes
    """the first `STDERR_KEPT` bytes"""
    exit: int | None
    """exit status of the remote command; None when none came"""
    ended: Reason | None
    """None at the end of the stream, else DEADLINE, TOO_MUCH_OUTPUT or ROUTE (a jump host went away):
    what came is kept"""
    host_key: HostKey | None
    sent: datetime
    """before the command was sent, after the log-in"""
    received: datetime
    """when the answer had ended"""


class Transport(Protocol):
    """A way to one host, good for one question."""

    @property
    def kind(self) -> str:
        """`ssh` or `local`."""
        ...

    def prepare(self, done: Callable[[], None]) -> None:
        """Begin what takes waiting but no thread, such as connecting; `done` is called once it is settled.

        It never blocks, and `done` may be called from any thread. Without it `ask` does all by itself.
        """
        ...

    def ask(
        self, script: bytes, *, command: str, cap_bytes: int, deadline: float, now: Callable[[], datetime]
    ) -> Answer:
        """Run `command` on the host with `script` on its standard input.

        At most `cap_bytes` of its output are kept, more ends the answer with TOO_MUCH_OUTPUT.
        `deadline` is a time.monotonic() value at which everything is closed, whatever state it is in.
        Raises HostError when there is no answer at all.
        """
        ...

    def close(self) -> None:
        """End the question from another thread: `ask` raises HostError(INTERRUPTED) or returns soon."""
        ...
