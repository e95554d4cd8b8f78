"""One command on one channel of an SSH session: its input written, both of its streams read at once."""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from collectors.evidence import HostKey, Reason
from collectors.ssh_session import EXIT_WAIT_S, FAILURES, failure
from collectors.transport import STDERR_DRAINED, STDERR_KEPT, Answer, HostError
from collectors.wire import Wire, WireEnd

_CHUNK = 1 << 20
_HIGHEST_EXIT = 255
_ENDS = {
    WireEnd.DEADLINE: Reason.DEADLINE,
    WireEnd.FLOOD: Reason.TOO_MUCH_OUTPUT,
    WireEnd.BROKEN: Reason.ROUTE,
}


class Talk:
    """One command on one channel: its input written, both of its streams read at once."""

    def __init__(self, session: Any, wire: Wire, cap_bytes: int, host_key: HostKey) -> None:
        self._session = session
        self._wire = wire
        self._host_key = host_key
        self._output = _Stream(wire, keep=cap_bytes, most=cap_bytes)
        self._errors = _Stream(wire, keep=STDERR_KEPT, most=STDERR_DRAINED)
        self._started = threading.Event()
        self._failed: BaseException | None = None

    def run(self, script: bytes, command: str, now: Callable[[], datetime]) -> Answer:
        """Start the command, feed it and read its answer. Raises HostError when it did not start."""
        wire = self._wire
        try:
            channel = self._session.open_session(timeout=wire.left_s())
        except FAILURES as err:
            if not wire.left_s():
                wire.end(WireEnd.DEADLINE)
            raise failure(wire, err, "opening of a session", self._host_key) from err
        channel.settimeout(wire.left_s())
        sent = now()
        # Reading one stream to its end first would stop for good once the other has filled the window.
        # The command is started there too: exec_command() waits without limit
        # for a server that closes the channel at the wrong moment.
        second = threading.Thread(
            target=self._start_and_drain_errors, args=(channel, command), daemon=True, name="stderr"
        )
        second.start()
        if not self._started.wait(wire.left_s()):
            wire.end(WireEnd.DEADLINE)
        if self._failed is not None or not self._started.is_set():
            raise failure(wire, self._failed, "start of the command", self._host_key) from self._failed
        _send(channel, script)
        self._output.drain(channel.recv)
        second.join(wire.left_s() + EXIT_WAIT_S)
        channel.status_event.wait(EXIT_WAIT_S)
        if wire.ended is WireEnd.STOPPED:
            raise HostError(Reason.INTERRUPTED, "the run was interrupted", host_key=self._host_key)
        ended = _ENDS.get(wire.ended) if wire.ended else None
        known = ended is None and 0 <= channel.exit_status <= _HIGHEST_EXIT
        return Answer(
            stdout=self._output.kept,
            stderr=self._errors.kept,
            exit=channel.exit_status if known else None,
            ended=ended,
            host_key=self._host_key,
            sent=sent,
            received=now(),
        )

    def _start_and_drain_errors(self, channel: Any, command: str) -> None:
        try:
            channel.exec_command(command)
        except FAILURES as err:
            self._failed = err
            return
        finally:
            self._started.set()
        self._errors.drain(channel.recv_stderr)


class _Stream:
    """One of the two streams: its first bytes are kept, and too many end the connection."""

    def __init__(self, wire: Wire, *, keep: int, most: int) -> None:
        self._wire = wire
        self._keep = keep
        self._most = most
        self._pieces: list[bytes] = []

    def drain(self, read: Callable[[int], bytes]) -> None:
        """Read to the end; ends with the connection."""
        count = 0
        try:
            while piece := read(_CHUNK):
                if count < self._keep:
                    self._pieces.append(piece[: self._keep - count])
                count += len(piece)
                if count > self._most:
                    self._wire.end(WireEnd.FLOOD)
                    return
        except FAILURES:
            return

    @property
    def kept(self) -> bytes:
        """The first bytes of the stream."""
        return b"".join(self._pieces)


def _send(channel: Any, script: bytes) -> None:
    """Write the script and end the input; what does not fit the window now is written by a thread."""
    rest = script
    try:
        while rest and channel.send_ready():
            count = channel.send(rest)
            if not count:
                return  # the command ended without reading all of it
            rest = rest[count:]
        if not rest:
            channel.shutdown_write()
            return
    except FAILURES:
        return
    # Small servers open their window only as they read, and may print meanwhile.
    threading.Thread(target=_send_rest, args=(channel, rest), daemon=True, name="stdin").start()


def _send_rest(channel: Any, rest: bytes) -> None:
    try:
        while rest:
            count = channel.send(rest)
            if not count:
                return
            rest = rest[count:]
        channel.shutdown_write()
    except FAILURES:
        return
