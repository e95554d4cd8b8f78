"""Ask through a process of this machine: its input written, its streams read at once, all bounded."""

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from collectors.evidence import Reason
from collectors.transport import STDERR_DRAINED, STDERR_KEPT, HostError

_PIECE = 64 << 10
_REAP_S = 2.0
"""how long a killed process may take to go"""


class Ended(Struct, frozen=True, kw_only=True):
    """What a process left."""

    stdout: bytes
    stderr: bytes
    """the first STDERR_KEPT bytes"""
    log: bytes
    """likewise, of what it wrote to the descriptor that `log_to` names"""
    exit: int | None
    """None when it was ended, or died of a signal"""
    why: Reason | None
    """None at the end of the streams, else DEADLINE or TOO_MUCH_OUTPUT"""


class Process:
    """One process, good for one question."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._wake_read, self._wake_write = os.pipe()
        self._log_read, self._log_write = -1, -1

    def __del__(self) -> None:
        for end in (self._wake_read, self._wake_write, self._log_read, self._log_write):
            if end >= 0:
                os.close(end)

    def log_to(self) -> str:
        """Return a path to which the process may write a log of its own, apart from its error stream."""
        self._log_read, self._log_write = os.pipe()
        # By our own number: ssh closes whatever it inherits.
        return f"/proc/{os.getpid()}/fd/{self._log_write}"

    def run(
        self,
        argv: Sequence[str],
        given: bytes,
        *,
        cap_bytes: int,
        deadline: float,
        env: Mapping[str, str] | None = None,
        cwd: Path = Path("/"),
    ) -> Ended:
        """Run it with `given` on its standard input; at most `cap_bytes` of its output are kept.

        Everything it started is killed at `deadline` (time.monotonic()). Raises HostError with INTERNAL
        when it cannot be started, and INTERRUPTED after `stop`.
        """
        try:
            started = subprocess.Popen(  # noqa: S603 (the transports compose it)
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as err:
            raise HostError(Reason.INTERNAL, f"{argv[0]} cannot be started: {err.strerror}") from err
        talk = _Talk(started, given, cap_bytes, self._wake_read, self._log_read)
        try:
            why = talk.run(deadline)
        finally:
            _kill(started)
        talk.finish_log()
        if self._stopped.is_set():
            raise HostError(Reason.INTERRUPTED, "the run was interrupted")
        status = started.returncode if why is None else None
        return Ended(
            stdout=talk.kept("output"),
            stderr=talk.kept("errors"),
            log=talk.kept("log"),
            exit=status if status is not None and status >= 0 else None,
            why=why,
        )

    def stop(self) -> None:
        """End it, from any thread."""
        self._stopped.set()
        os.write(self._wake_write, b"x")


class _Talk:
    """Writes the script and reads all streams at once, whichever is ready."""

    def __init__(
        self, started: "subprocess.Popen[bytes]", given: bytes, cap_bytes: int, wake: int, log: int
    ) -> None:
        self._started = started
        self._rest = memoryview(given)
        self._wake = wake
        self._log = log
        self._limits = {"output": (cap_bytes, cap_bytes)}
        self._open = frozenset({"input", "output", "errors"})
        self._pieces: dict[str, list[bytes]] = {"output": [], "errors": [], "log": []}
        self._counts = {"output": 0, "errors": 0, "log": 0}

    def kept(self, name: str) -> bytes:
        """The first bytes of a stream."""
        return b"".join(self._pieces[name])

    def run(self, deadline: float) -> Reason | None:
        """Talk until both streams end; says what ended it before, if anything did."""
        started = self._started
        with selectors.DefaultSelector() as ready:
            for stream, event, name in (
                (started.stdin, selectors.EVENT_WRITE, "input"),
                (started.stdout, selectors.EVENT_READ, "output"),
                (started.stderr, selectors.EVENT_READ, "errors"),
            ):
                if stream is not None:
                    os.set_blocking(stream.fileno(), False)
                    ready.register(stream, event, name)
            ready.register(self._wake, selectors.EVENT_READ, "wake")
            if self._log >= 0:
                os.set_blocking(self._log, False)
                ready.register(self._log, selectors.EVENT_READ, "log")
            # Besides the wake-up call and the log, which has no end of its own: the input and the streams.
            while any(key.data in self._open for key in ready.get_map().values()):
                events = ready.select(max(deadline - time.monotonic(), 0))
                if not events or time.monotonic() >= deadline:
                    return Reason.DEADLINE
                for key, _ in events:
                    ended = self._serve(ready, key)
                    if ended is not None:
                        return ended
        try:
            # Both streams may end before the process does.
            started.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            return Reason.DEADLINE
        return None

    def finish_log(self) -> None:
        """Read what the ended process left in its log; a pipe holds no more than one piece."""
        if self._log >= 0:
            self._read(self._log, "log")

    def _serve(self, ready: selectors.BaseSelector, key: selectors.SelectorKey) -> Reason | None:
        if key.data == "wake":
            return Reason.INTERRUPTED
        if key.data == "input":
            more: bool | None = self._write(key.fd)
        else:
            more = self._read(key.fd, key.data)
        if more is None:
            return Reason.TOO_MUCH_OUTPUT
        if not more:
            ready.unregister(key.fileobj)
            if not isinstance(key.fileobj, int):
                key.fileobj.close()  # type: ignore[attr-defined]  # one of the process's pipes
        return None

    def _write(self, descriptor: int) -> bool:
        """Write some of the input; False when nothing is left to write, or nobody reads it."""
        try:
            self._rest = self._rest[os.write(descriptor, self._rest[:_PIECE]) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        return bool(self._rest)

    def _read(self, descriptor: int, name: str) -> bool | None:
        """Read a piece; False at the end, None when it is too much."""
        try:
            piece = os.read(descriptor, _PIECE)
        except BlockingIOError:
            return True
        kept, most = self._limits.get(name, (STDERR_KEPT, STDERR_DRAINED))
        count = self._counts[name]
        if piece and count < kept:
            self._pieces[name].append(piece[: kept - count])
        self._counts[name] = count + len(piece)
        if self._counts[name] > most:
            return None
        return bool(piece)


def _kill(started: "subprocess.Popen[bytes]") -> None:
    """End the process and everything in its group, and give our descriptors back."""
    if started.returncode is None:
        # Not reaped yet, so the number is still that of its group, and a background process in it goes too.
        # What runs as root behind sudo cannot be killed: it ends when its pipes are closed.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(started.pid, signal.SIGKILL)
    for stream in (started.stdin, started.stdout, started.stderr):
        if stream is not None:
            stream.close()
    try:
        started.wait(_REAP_S)
    except subprocess.TimeoutExpired:
        return
