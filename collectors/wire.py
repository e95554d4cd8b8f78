"""A TCP connection that ends by itself: at its deadline, at its byte budget, or when it is told to."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

PIECE = 64 << 10
"""bytes asked of the kernel at once; the SSH library asks for a few at a time"""
GREETING_BUDGET = 16 << 10
"""bytes a server may send before its version line (RFC 4253 section 4.2 allows lines before it)"""
LOGIN_BUDGET = 1 << 20
"""bytes a server may send until it has let us in: key exchange, log-in banner"""
_LEAST_S = 0.001
"""a time-out of 0 would make the socket non-blocking"""


def is_greeting(head: bytes) -> bool:
    """Whether a server's first bytes hold its whole version line (RFC 4253 section 4.2)."""
    at = 0 if head.startswith(b"SSH-") else head.find(b"\nSSH-") + 1
    return (at > 0 or head.startswith(b"SSH-")) and head.find(b"\n", at) > 0


class WireEnd(StrEnum):
    """What ended a connection."""

    DEADLINE = "deadline"
    SILENT = "silent"
    """no SSH greeting in the time a connection may take"""
    FLOOD = "flood"
    """more bytes than were expected"""
    STOPPED = "stopped"
    """we were interrupted"""
    CLOSED = "closed"
    """by the other side"""
    BROKEN = "broken"
    """what carried it ended: the connection to a jump host"""


class BrokenError(EOFError):
    """A connection ended because what carries it did."""


class Connection(Protocol):
    """What a Wire bounds: a socket, or a channel to a host behind another."""

    def settimeout(self, timeout_s: float, /) -> None:
        """Let `recv` and `send` raise TimeoutError after that long."""

    def recv(self, size: int, /) -> bytes:
        """Return up to `size` bytes; empty at the end. Raises BrokenError."""
        ...

    def send(self, data: bytes, /) -> int:
        """Send some of `data`. Raises BrokenError."""
        ...

    def shutdown(self, how: int, /) -> None:
        """End it, and wake up whoever waits in `recv` or `send`."""

    def close(self) -> None:
        """Give it up; called once nobody is in `recv` or `send`."""


class Wire:
    """A socket as paramiko's Transport takes one (send, recv, close, settimeout), bounded.

    All waiting happens here and ends at `deadline`, so nothing above needs a timer, a poll or a thread
    of its own. Times are time.monotonic() values.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        greet_by: float,
        deadline: float,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._socket = connection
        self._on_close = on_close
        self._greet_by = greet_by
        self.deadline = deadline
        """may be moved while somebody waits"""
        self._budget = GREETING_BUDGET
        self._received = 0
        self._held = b""
        self._at = 0
        self._lock = threading.Lock()
        self._closed = False
        """read by paramiko when it stops"""
        self._users = 0
        """threads that are in a call of the socket; the last one of a closed wire gives it up"""
        self.ended: WireEnd | None = None
        """the first thing that ended it"""
        self.greeted = False
        """an SSH version line came"""
        self.head = b""
        """what came before and with the version line"""

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes; empty at the end. Raises EOFError when we end it ourselves."""
        if self._at >= len(self._held):
            self._held, self._at = self._receive(), 0
        piece = self._held[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def send(self, data: bytes) -> int:
        """Send some of `data`. Raises EOFError at the deadline."""
        left = self.deadline - time.monotonic()
        try:
            if left > 0:
                self._enter()
                try:
                    self._socket.settimeout(left)
                    return self._socket.send(data)
                finally:
                    self._leave()
        except TimeoutError:
            pass
        except BrokenError:
            self.end(WireEnd.BROKEN)
            raise
        except OSError:
            # Not closed: what came before may still be read.
            with self._lock:
                self.ended = self.ended or WireEnd.CLOSED
            raise
        self.end(WireEnd.DEADLINE)
        raise EOFError

    def left_s(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(self.deadline - time.monotonic(), 0.0)

    def settimeout(self, timeout_s: float | None) -> None:
        """Ignore the library's polling interval: the deadline wakes it up."""

    def allow(self, more: int) -> None:
        """Let that many further bytes come."""
        self._budget = self._received + more

    def end(self, why: WireEnd) -> None:
        """Close it, from any thread; the first reason stays."""
        with self._lock:
            self.ended = self.ended or why
        self.close()

    def close(self) -> None:
        """Close it; a thread that waits in `recv` wakes up, and gives the socket up itself."""
        with self._lock:
            self._closed = True
            self._users += 1
        with contextlib.suppress(OSError, EOFError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._leave()

    def _enter(self) -> None:
        """Hold the socket: closed meanwhile, its number could be another host's before we wait on it."""
        with self._lock:
            if self._closed:
                raise EOFError
            self._users += 1

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            last = not self._users
        if last and self._closed:
            self._release()

    def _release(self) -> None:
        self._socket.close()
        with self._lock:
            on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()

    def _receive(self) -> bytes:
        while True:
            until = self.deadline if self.greeted else min(self.deadline, self._greet_by)
            self._enter()
            try:
                self._socket.settimeout(max(until - time.monotonic(), _LEAST_S))
                data = self._socket.recv(PIECE)
            except TimeoutError:
                if time.monotonic() < self.deadline and self.greeted:
                    continue  # the deadline was moved while we waited
                silent = not self.greeted and self._greet_by < self.deadline
                self.end(WireEnd.SILENT if silent else WireEnd.DEADLINE)
                raise EOFError from None
            except BrokenError:
                self.end(WireEnd.BROKEN)
                raise
            except OSError:
                self.end(WireEnd.CLOSED)
                raise
            finally:
                self._leave()
            break
        if time.monotonic() >= self.deadline:
            # A host that always has a byte more never lets recv() time out.
            self.end(WireEnd.DEADLINE)
            raise EOFError
        if not data:
            with self._lock:
                self.ended = self.ended or WireEnd.CLOSED
            return b""
        self._count(data)
        if self._received > self._budget:
            self.end(WireEnd.FLOOD)
            raise EOFError
        return data

    def hold(self, data: bytes) -> None:
        """Take bytes that were read from the socket before, to be given out first."""
        self._held, self._at = data, 0
        self._count(data)

    def _count(self, data: bytes) -> None:
        self._received += len(data)
        if not self.greeted:
            self.head = (self.head + data)[:GREETING_BUDGET]
            if is_greeting(self.head):
                self.greeted = True
                self.allow(LOGIN_BUDGET)
