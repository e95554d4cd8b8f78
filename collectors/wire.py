"""A TCP connection that ends by itself: at its deadline, at its byte budget, or when it is told to."""

import contextlib
import errno
import socket
import threading
import time
from enum import StrEnum
from typing import Any

from collectors.evidence import Reason, printable
from collectors.transport import HostError

PIECE = 64 << 10
"""bytes asked of the kernel at once; the SSH library asks for a few at a time"""
GREETING_BUDGET = 16 << 10
"""bytes a server may send before its version line (RFC 4253 section 4.2 allows lines before it)"""
LOGIN_BUDGET = 1 << 20
"""bytes a server may send until it has let us in: key exchange, log-in banner"""
_LEAST_S = 0.001
"""a time-out of 0 would make the socket non-blocking"""
_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EACCES, errno.EPERM}


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


class Wire:
    """A socket as paramiko's Transport takes one (send, recv, close, settimeout), bounded.

    All waiting happens here and ends at `deadline`, so nothing above needs a timer, a poll or a thread
    of its own. Times are time.monotonic() values.
    """

    def __init__(self, connection: socket.socket, *, greet_by: float, deadline: float) -> None:
        self._socket = connection
        self._greet_by = greet_by
        self._deadline = deadline
        self._budget = GREETING_BUDGET
        self._received = 0
        self._held = b""
        self._at = 0
        self._lock = threading.Lock()
        self._closed = False
        """read by paramiko when it stops"""
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
        left = self._deadline - time.monotonic()
        try:
            if left > 0:
                self._socket.settimeout(left)
                return self._socket.send(data)
        except TimeoutError:
            pass
        self.end(WireEnd.DEADLINE)
        raise EOFError

    def left_s(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(self._deadline - time.monotonic(), 0.0)

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
        """Close it; a thread that waits in `recv` wakes up."""
        self._closed = True
        # close() alone does not wake a thread that waits in recv().
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _receive(self) -> bytes:
        until = self._deadline if self.greeted else min(self._deadline, self._greet_by)
        try:
            self._socket.settimeout(max(until - time.monotonic(), _LEAST_S))
            data = self._socket.recv(PIECE)
        except TimeoutError:
            silent = not self.greeted and self._greet_by < self._deadline
            self.end(WireEnd.SILENT if silent else WireEnd.DEADLINE)
            raise EOFError from None
        if time.monotonic() >= self._deadline:
            # A host that always has a byte more never lets recv() time out.
            self.end(WireEnd.DEADLINE)
            raise EOFError
        if not data:
            with self._lock:
                self.ended = self.ended or WireEnd.CLOSED
            return b""
        self._received += len(data)
        if not self.greeted:
            self.head = (self.head + data)[:GREETING_BUDGET]
            if self.head.startswith(b"SSH-") or b"\nSSH-" in self.head:
                self.greeted = True
                self.allow(LOGIN_BUDGET)
        if self._received > self._budget:
            self.end(WireEnd.FLOOD)
            raise EOFError
        return data


def connect(address: str, port: int, *, connect_timeout_s: float, deadline: float) -> Wire:
    """Open a TCP connection to the first address that answers.

    `connect_timeout_s` bounds the look-up of the name, the connection, and the wait for the greeting, each.
    Raises HostError with NAME, ROUTE, REFUSED, CONNECT_TIMEOUT or DEADLINE.
    """
    found = _resolve(address, port, min(connect_timeout_s, deadline - time.monotonic()))
    connect_by = min(time.monotonic() + connect_timeout_s, deadline)
    failure: OSError = TimeoutError()
    for number, (family, kind, proto, _, where) in enumerate(found):
        left = connect_by - time.monotonic()
        if left <= 0:
            break
        try:
            connection = socket.socket(family, kind, proto)
        except OSError as err:
            failure = err
            continue
        try:
            # One dead address leaves time for those after it.
            connection.settimeout(left / (len(found) - number))
            connection.connect(where)
            # A handshake is many small messages: none of them waits for the acknowledgement of the last.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as err:
            connection.close()
            failure = err
        else:
            greet_by = time.monotonic() + connect_timeout_s
            return Wire(connection, greet_by=greet_by, deadline=deadline)
    raise _connect_error(failure, connect_timeout_s)


def _connect_error(failure: OSError, connect_timeout_s: float) -> HostError:
    said = failure.strerror or str(failure)
    if isinstance(failure, TimeoutError):
        return HostError(Reason.CONNECT_TIMEOUT, f"no connection within {connect_timeout_s:g} s")
    if failure.errno in (errno.ECONNREFUSED, errno.ECONNRESET):
        return HostError(Reason.REFUSED, said)
    if failure.errno in _ROUTE:
        return HostError(Reason.ROUTE, said)
    if failure.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
        return HostError(Reason.INTERNAL, f"this machine is out of resources: {said}")
    return HostError(Reason.ROUTE, said)


def _resolve(address: str, port: int, timeout_s: float) -> list[Any]:
    """Look a name up, without waiting longer than that: the system's resolver knows no deadline."""
    try:
        return socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )
    except (socket.gaierror, UnicodeError):
        pass  # a name, not an address
    answer: list[list[Any] | Exception] = []

    def look_up() -> None:
        try:
            answer.append(socket.getaddrinfo(address, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as err:
            answer.append(err)

    # A daemon: a resolver that never answers must not keep the program from ending.
    resolver = threading.Thread(target=look_up, daemon=True, name="resolver")
    resolver.start()
    resolver.join(max(timeout_s, 0))
    match answer:
        case [list(found)] if found:
            return found
        case [OSError() as err]:
            raise HostError(Reason.NAME, err.strerror or str(err)) from err
        case []:
            raise HostError(Reason.NAME, f"the name service did not answer within {timeout_s:g} s")
        case _:
            raise HostError(Reason.NAME, f"{printable(address.encode())} is no name")
