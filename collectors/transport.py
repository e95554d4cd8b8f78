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
    Reason.NAME: "Check the host's address, or the name service of this machine.",
    Reason.ROUTE: "Check the network, the routes and the firewall between this machine and the host.",
    Reason.REFUSED: "Check that sshd runs there and listens on the declared port.",
    Reason.CONNECT_TIMEOUT: "Check that the host is up and that no firewall drops the connection.",
    Reason.NO_BANNER: "Check that the port is that of sshd, and that sshd does not drop this machine.",
    Reason.PROTOCOL: "Try ssh -v from this machine; the detail says where the handshake ended.",
    Reason.HOST_KEY_UNKNOWN: "Compare the fingerprint on the host itself, then pin it: tenken hosts trust.",
    Reason.HOST_KEY_CHANGED: "Find out why the key changed before removing the old pin: "
    "a host set up anew and an impostor look alike.",
    Reason.HOST_KEY_REVOKED: "The key was declared stolen: give the host a new one, then pin that.",
    Reason.AUTH: "Check the audit account on the host, and that its authorized_keys holds our public key.",
    Reason.NO_PRIVILEGE: "Install the sudo rule of the audit account, or declare privilege none.",
    Reason.PROBE_OUTDATED: "Install this release's copy and its digest rule: tenken hosts sudoers.",
    Reason.DEADLINE: "Raise the host's time-out, or find out why the host is slow.",
    Reason.TOO_MUCH_OUTPUT: "Something there prints without end: a log-in script or a forced command.",
    Reason.NO_ANSWER: "Log in as the audit account: its shell or a forced command ends before the probe.",
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
