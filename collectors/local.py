"""Ask the auditing machine itself: the same script through a subprocess instead of a connection."""

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import datetime

from collectors.evidence import Reason
from collectors.transport import STDERR_DRAINED, STDERR_KEPT, Answer, HostError

_SHELL = "/bin/sh"
_PIECE = 64 << 10
_REAP_S = 2.0
"""how long a killed shell may take to go"""


class LocalTransport:
    """This machine; see `collectors.transport.Transport`."""

    kind = "local"

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._wake_read, self._wake_write = os.pipe()

    def __del__(self) -> None:
        for end in (self._wake_read, self._wake_write):
            os.close(end)

    def prepare(self, done: Callable[[], None]) -> None:
        """See `Transport.prepare`: there is nothing to wait for."""
        done()

    def ask(
        self, script: bytes, *, command: str, cap_bytes: int, deadline: float, now: Callable[[], datetime]
    ) -> Answer:
        """See `Transport.ask`. Everything the script started is killed when time is up."""
        sent = now()
        try:
            # The same command line as over SSH; `env -i` in it gives the same bare environment.
            shell = subprocess.Popen(  # noqa: S603 (a fixed shell and our own command line)
                [_SHELL, "-c", command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={},
                cwd="/",
                start_new_session=True,
            )
        except OSError as err:
            raise HostError(Reason.INTERNAL, f"{_SHELL} cannot be started: {err.strerror}") from err
        talk = _Talk(shell, script, cap_bytes, self._wake_read)
        try:
            ended = talk.run(deadline)
        finally:
            _kill(shell)
        if self._stopped.is_set():
            raise HostError(Reason.INTERRUPTED, "the run was interrupted")
        status = shell.returncode if ended is None else None
        return Answer(
            stdout=b"".join(talk.output),
            stderr=b"".join(talk.errors),
            exit=status if status is not None and status >= 0 else None,
            ended=ended,
            host_key=None,
            sent=sent,
            received=now(),
        )

    def close(self) -> None:
        """See `Transport.close`."""
        self._stopped.set()
        os.write(self._wake_write, b"x")


class _Talk:
    """Writes the script and reads both streams at once, whichever is ready."""

    def __init__(self, shell: "subprocess.Popen[bytes]", script: bytes, cap_bytes: int, wake: int) -> None:
        self._shell = shell
        self._rest = memoryview(script)
        self._cap_bytes = cap_bytes
        self._wake = wake
        self.output: list[bytes] = []
        self.errors: list[bytes] = []
        self._counts = {"output": 0, "errors": 0}

    def run(self, deadline: float) -> Reason | None:
        """Talk until both streams end; says what ended it before, if anything did."""
        shell = self._shell
        with selectors.DefaultSelector() as ready:
            for stream, event, name in (
                (shell.stdin, selectors.EVENT_WRITE, "script"),
                (shell.stdout, selectors.EVENT_READ, "output"),
                (shell.stderr, selectors.EVENT_READ, "errors"),
            ):
                if stream is not None:
                    os.set_blocking(stream.fileno(), False)
                    ready.register(stream, event, name)
            ready.register(self._wake, selectors.EVENT_READ, "wake")
            # Besides the wake-up call: the script, and the streams that are still open.
            while len(ready.get_map()) > 1:
                events = ready.select(max(deadline - time.monotonic(), 0))
                if not events or time.monotonic() >= deadline:
                    return Reason.DEADLINE
                for key, _ in events:
                    ended = self._serve(ready, key)
                    if ended is not None:
                        return ended
        try:
            # Both streams may end before the shell does.
            shell.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            return Reason.DEADLINE
        return None

    def _serve(self, ready: selectors.BaseSelector, key: selectors.SelectorKey) -> Reason | None:
        if key.data == "wake":
            return Reason.INTERRUPTED
        if key.data == "script":
            more: bool | None = self._write(key.fd)
        else:
            more = self._read(key.fd, key.data)
        if more is None:
            return Reason.TOO_MUCH_OUTPUT
        if not more:
            ready.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]  # one of the shell's pipes
        return None

    def _write(self, descriptor: int) -> bool:
        """Write some of the script; False when nothing is left to write, or nobody reads it."""
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
        kept, most, into = (
            (self._cap_bytes, self._cap_bytes, self.output)
            if name == "output"
            else (STDERR_KEPT, STDERR_DRAINED, self.errors)
        )
        count = self._counts[name]
        if piece and count < kept:
            into.append(piece[: kept - count])
        self._counts[name] = count + len(piece)
        if self._counts[name] > most:
            return None
        return bool(piece)


def _kill(shell: "subprocess.Popen[bytes]") -> None:
    """End the shell and everything in its group, and give our descriptors back."""
    if shell.returncode is None:
        # Not reaped yet, so the number is still that of its group, and a background process in it goes too.
        # What runs as root behind sudo cannot be killed: it ends when its pipes are closed.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(shell.pid, signal.SIGKILL)
    for stream in (shell.stdin, shell.stdout, shell.stderr):
        if stream is not None:
            stream.close()
    try:
        shell.wait(_REAP_S)
    except subprocess.TimeoutExpired:
        return
