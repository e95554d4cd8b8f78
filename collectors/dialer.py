"""Connect to many hosts at once and await their greetings in one thread: no worker waits for the dead."""

import contextlib
import errno
import heapq
import itertools
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from msgspec import Struct

from collectors.evidence import Reason, printable
from collectors.transport import HostError
from collectors.wire import GREETING_BUDGET, PIECE, Wire, is_greeting

_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EACCES, errno.EPERM}
_LOOK_UPS = 64
"""names that are looked up at once, each by a thread: the system's resolver knows no deadline"""

Done = Callable[[Wire | HostError], None]


class _Dial(Struct, kw_only=True, eq=False):
    """One connection while it comes about."""

    address: str
    port: int
    connect_timeout_s: float
    deadline: float
    done: Done
    stage: int = 0
    """counts stages, so that a timer of an earlier one is recognised"""
    until: float = 0.0
    """when the present stage ends by itself"""
    connect_by: float = 0.0
    found: list[Any] = []
    """addresses that are still to be tried"""
    connection: socket.socket | None = None
    greeting: bool = False
    """connected: what comes is the greeting"""
    head: bytes = b""
    failure: OSError | None = None
    ended: bool = False


class Dialer:
    """Dial hosts without waiting for any; `done` of each is called exactly once, from the dialer's thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wakes, self._wake = socket.socketpair()
        self._wakes.setblocking(False)  # noqa: FBT003 (the socket module's signature)
        self._selector.register(self._wakes, selectors.EVENT_READ, None)
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._names: SimpleQueue[_Dial] = SimpleQueue()
        self._look_ups = 0
        self._timers: list[tuple[float, int, int, _Dial]] = []
        self._numbers = itertools.count()
        self._dials: set[_Dial] = set()
        self._closed = False
        self._gone = False
        self._thread = threading.Thread(target=self._loop, daemon=True, name="dialer")
        self._thread.start()

    def dial(self, address: str, port: int, *, connect_timeout_s: float, deadline: float, done: Done) -> None:
        """Connect to the first address that answers, and wait for its SSH greeting.

        `connect_timeout_s` bounds the look-up of the name, the connection, and the wait for the greeting,
        each; `deadline` (time.monotonic()) bounds all of it. `done` gets a Wire, or a HostError with NAME,
        ROUTE, REFUSED, CONNECT_TIMEOUT, NO_BANNER, DEADLINE, or INTERRUPTED after `close`.
        """
        dial = _Dial(
            address=address, port=port, connect_timeout_s=connect_timeout_s, deadline=deadline, done=done
        )
        self._post(lambda: self._begin(dial))

    def close(self) -> None:
        """End every dial; allowed at any time and more than once."""
        self._post(self._stop)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _post(self, action: Callable[[], None]) -> None:
        self._inbox.put(action)
        with contextlib.suppress(OSError):  # closed, or so many wake-ups wait that one more is no use
            self._wake.send(b".")
        if self._gone:
            self._serve()

    def _serve(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._inbox.get_nowait()()

    # --- the thread ---------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._closed:
            wait_s = max(self._timers[0][0] - time.monotonic(), 0.0) if self._timers else None
            for key, _ in self._selector.select(wait_s):
                dial: _Dial | None = key.data
                if dial is None:
                    with contextlib.suppress(BlockingIOError):
                        self._wakes.recv(4_096)
                elif dial.greeting:
                    self._read(dial)
                else:
                    self._connected(dial)
            self._serve()
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                _, _, stage, late = heapq.heappop(self._timers)
                if not late.ended and late.stage == stage:
                    self._late(late, now)
        self._selector.close()
        self._wakes.close()
        self._wake.close()
        # Whatever is posted from here on is served by who posts it, so no dial is left without its answer.
        self._gone = True
        self._serve()

    def _stop(self) -> None:
        self._closed = True
        for dial in tuple(self._dials):
            self._end(dial, HostError(Reason.INTERRUPTED, "the run was interrupted"))

    def _enter(self, dial: _Dial, until: float) -> None:
        """Begin a stage that ends at `until` at the latest."""
        dial.stage += 1
        dial.until = min(until, dial.deadline)
        heapq.heappush(self._timers, (dial.until, next(self._numbers), dial.stage, dial))

    def _begin(self, dial: _Dial) -> None:
        if self._closed:
            dial.done(HostError(Reason.INTERRUPTED, "the run was interrupted"))
            return
        self._dials.add(dial)
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        try:
            found = socket.getaddrinfo(dial.address, dial.port, type=socket.SOCK_STREAM, flags=flags)
        except (socket.gaierror, UnicodeError):
            self._names.put(dial)
            self._look_up()
        else:
            self._addresses(dial, found)

    # --- the name -----------------------------------------------------------------------------------------

    def _look_up(self) -> None:
        """Start the next look-up, unless enough are under way."""
        while self._look_ups < _LOOK_UPS:
            try:
                dial = self._names.get_nowait()
            except Empty:
                return
            if dial.ended:
                continue
            self._look_ups += 1
            self._enter(dial, time.monotonic() + dial.connect_timeout_s)
            # A daemon: a resolver that never answers must not keep the program from ending.
            threading.Thread(target=self._resolve, args=(dial,), daemon=True, name="resolver").start()

    def _resolve(self, dial: _Dial) -> None:
        answer: list[Any] | Exception
        try:
            answer = socket.getaddrinfo(dial.address, dial.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as err:
            answer = err
        self._post(lambda: self._resolved(dial, answer))

    def _resolved(self, dial: _Dial, answer: list[Any] | Exception) -> None:
        self._look_ups -= 1
        if not dial.ended:
            match answer:
                case [_, *_]:
                    self._addresses(dial, answer)
                case OSError() as err:
                    self._end(dial, HostError(Reason.NAME, err.strerror or str(err)))
                case _:
                    self._end(dial, HostError(Reason.NAME, f"{printable(dial.address.encode())} is no name"))
        self._look_up()

    # --- the connection -----------------------------------------------------------------------------------

    def _addresses(self, dial: _Dial, found: list[Any]) -> None:
        dial.found = list(found)
        dial.connect_by = min(time.monotonic() + dial.connect_timeout_s, dial.deadline)
        self._next_address(dial)

    def _next_address(self, dial: _Dial) -> None:
        while dial.found:
            now = time.monotonic()
            # One dead address leaves time for those after it.
            until = now + (dial.connect_by - now) / len(dial.found)
            family, kind, proto, _, where = dial.found.pop(0)
            try:
                dial.connection = socket.socket(family, kind | socket.SOCK_NONBLOCK, proto)
                refused = dial.connection.connect_ex(where)
            except OSError as err:
                dial.failure = err
                self._drop(dial)
                continue
            if refused not in (0, errno.EINPROGRESS):
                dial.failure = OSError(refused, os.strerror(refused))
                self._drop(dial)
                continue
            self._enter(dial, until)
            self._selector.register(dial.connection, selectors.EVENT_WRITE, dial)
            return
        self._end(dial, _connect_error(dial))

    def _connected(self, dial: _Dial) -> None:
        if dial.connection is None:
            return
        self._selector.unregister(dial.connection)
        failed = dial.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            dial.failure = OSError(failed, os.strerror(failed))
            self._drop(dial)
            self._next_address(dial)
            return
        # A handshake is many small messages: none of them waits for the acknowledgement of the last.
        dial.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        dial.greeting = True
        self._enter(dial, time.monotonic() + dial.connect_timeout_s)
        self._selector.register(dial.connection, selectors.EVENT_READ, dial)

    # --- the greeting -------------------------------------------------------------------------------------

    def _read(self, dial: _Dial) -> None:
        if dial.connection is None:
            return
        try:
            data = dial.connection.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        dial.head += data
        if not data or (len(dial.head) > GREETING_BUDGET and not is_greeting(dial.head[:GREETING_BUDGET])):
            self._end(dial, no_banner(dial.head))
        elif is_greeting(dial.head):
            self._selector.unregister(dial.connection)
            wire = Wire(dial.connection, greet_by=dial.until, deadline=dial.deadline)
            wire.hold(dial.head)
            dial.connection = None
            self._end(dial, wire)

    # --- the end ------------------------------------------------------------------------------------------

    def _late(self, dial: _Dial, now: float) -> None:
        if now >= dial.deadline:
            self._end(dial, HostError(Reason.DEADLINE, "time was up before the host greeted"))
        elif dial.greeting:
            self._end(dial, no_banner(dial.head))
        elif dial.connection is not None:
            self._drop(dial, registered=True)
            dial.failure = TimeoutError()
            self._next_address(dial)
        else:
            waited = f"{dial.connect_timeout_s:g} s"
            self._end(dial, HostError(Reason.NAME, f"the name service did not answer within {waited}"))

    def _drop(self, dial: _Dial, *, registered: bool = False) -> None:
        if dial.connection is not None:
            if registered:
                self._selector.unregister(dial.connection)
            dial.connection.close()
            dial.connection = None

    def _end(self, dial: _Dial, result: Wire | HostError) -> None:
        dial.ended = True
        self._dials.discard(dial)
        if dial.connection is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(dial.connection)
            dial.connection.close()
            dial.connection = None
        dial.done(result)


def spelt(address: str) -> str:
    """Spell an IP address as ssh looks it up in known_hosts; a name stays as it is."""
    try:
        found = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):
        return address
    return str(found[0][4][0])


def connect(
    address: str, port: int, *, connect_timeout_s: float, deadline: float, dialer: Dialer | None = None
) -> Wire:
    """Dial one host and wait for it, by a shared dialer if given. Raises HostError as `dial` gives it."""
    answers: SimpleQueue[Wire | HostError] = SimpleQueue()
    by = dialer or Dialer()
    try:
        by.dial(address, port, connect_timeout_s=connect_timeout_s, deadline=deadline, done=answers.put)
        answer = answers.get()
    finally:
        if dialer is None:
            by.close()
    if isinstance(answer, HostError):
        raise answer
    return answer


def no_banner(head: bytes) -> HostError:
    """Return the failure of a server that did not greet, with what it sent instead."""
    came = f"it sent {printable(head, limit=80)!r}" if head else "it sent nothing"
    return HostError(Reason.NO_BANNER, f"no SSH server answered: {came}")


def _connect_error(dial: _Dial) -> HostError:
    failure = dial.failure or TimeoutError()
    said = failure.strerror or str(failure)
    if isinstance(failure, TimeoutError):
        return HostError(Reason.CONNECT_TIMEOUT, f"no connection within {dial.connect_timeout_s:g} s")
    if failure.errno == errno.ECONNREFUSED:
        return HostError(Reason.REFUSED, said)
    if failure.errno == errno.ECONNRESET:
        # It was accepted first, which we were too late to see: tcp(7) refuses otherwise.
        return no_banner(b"")
    if failure.errno in _ROUTE:
        return HostError(Reason.ROUTE, said)
    if failure.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
        return HostError(Reason.INTERNAL, f"this machine is out of resources: {said}")
    return HostError(Reason.ROUTE, said)
