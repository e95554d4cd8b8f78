"""Reach hosts through others (ProxyJump): many of them over one connection to each jump host."""

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from collectors.dialer import Done
from collectors.evidence import Reason, printable
from collectors.road import Road
from collectors.ssh_library import paramiko
from collectors.ssh_session import FAILURES, Login, open_session
from collectors.transport import HostError
from collectors.wire import BrokenError, Wire, WireEnd

_LIFE_S = 86_400.0
"""a jump host's connection serves the whole run"""
_REOPENED = 2
"""how often a connection that broke is made anew; a host that fails at once is not asked again"""
_INTERRUPTED = (Reason.INTERRUPTED, "the run was interrupted")
_PROHIBITED, _FAILED = 1, 2
"""reasons of SSH_MSG_CHANNEL_OPEN_FAILURE, RFC 4254 section 5.1"""


class JumpHost:
    """One host that lets connections to others pass; threads share it."""

    def __init__(
        self,
        login: Login,
        road: Road,
        *,
        most_at_once: int,
        connect_timeout_s: float,
        now: Callable[[], datetime],
    ) -> None:
        self.login = login
        self._road = road
        self._timeout_s = connect_timeout_s
        self._now = now
        self._lock = threading.Lock()
        self._session: Any = None
        self._wire: Wire | None = None
        """of the session, also while it comes about"""
        self._closed = threading.Event()
        self._opened = 0
        self._failure: HostError | None = None
        self._pool = ThreadPoolExecutor(max_workers=most_at_once, thread_name_prefix="jump")
        """waits for answers from behind it, so that no worker does"""

    def submit(self, action: Callable[[], None]) -> None:
        """Do something that waits for this host."""
        self._pool.submit(action)

    def reach(self, address: str, port: int, deadline: float) -> Wire:
        """Open a connection from there to `address`. Raises HostError."""
        session = self._open_session()
        until = min(deadline, time.monotonic() + self._timeout_s)
        try:
            channel = session.open_channel(
                "direct-tcpip",
                (address, port),
                ("127.0.0.1", 0),
                timeout=max(until - time.monotonic(), 0.001),
            )
        except paramiko.ChannelException as err:
            raise self._refusal(err) from err
        except FAILURES as err:
            if time.monotonic() >= until:
                detail = f"no connection through {self.login.address} within {self._timeout_s:g} s"
                raise HostError(Reason.CONNECT_TIMEOUT, detail) from err
            if self._closed.is_set():
                raise HostError(*_INTERRUPTED) from err
            raise HostError(Reason.ROUTE, f"the connection to jump host {self.login.address} broke") from err
        passage = _Passage(channel, carrier=session.sock)
        return Wire(passage, greet_by=time.monotonic() + self._timeout_s, deadline=deadline)

    def close(self) -> None:
        """End it with all that passes through it, also while it comes about: nothing is waited for."""
        self._closed.set()
        # Without the lock: who opens the session holds it until the other side has answered.
        wire = self._wire
        if wire is not None:
            wire.end(WireEnd.STOPPED)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _open_session(self) -> Any:
        with self._lock:
            if self._closed.is_set():
                raise HostError(*_INTERRUPTED)
            if self._failure is not None:
                raise self._failure
            if self._session is not None and self._session.is_active():
                return self._session
            try:
                if self._opened > _REOPENED:
                    raise HostError(Reason.ROUTE, "its connection breaks again and again")  # noqa: TRY301 (as for every failure)
                self._opened += 1
                wire = self._wire = self._road.open(time.monotonic() + 3 * self._timeout_s)
                if self._closed.is_set():
                    wire.end(WireEnd.STOPPED)
                self._session, _ = open_session(wire, self.login, self._now())
                wire.deadline = time.monotonic() + _LIFE_S
                wire.allow(1 << 62)
            except HostError as err:
                # Asked once: a thousand hosts behind it must not be a thousand log-ins that fail.
                self._failure = HostError(err.reason, f"jump host {self.login.address}: {err.detail}")
                raise self._failure from err
            return self._session

    def _refusal(self, err: paramiko.ChannelException) -> HostError:
        via = f"jump host {self.login.address}"
        said = printable(str(err.text).encode(), limit=120)
        if err.code == _PROHIBITED:
            return HostError(Reason.ROUTE, f"{via} does not let connections pass: {said}")
        if err.code == _FAILED:
            return HostError(Reason.ROUTE, f"{via} cannot connect: {said}")
        return HostError(Reason.ROUTE, f"{via} opens no channel: {said}")


class _Passage:
    """A channel as a Wire takes a connection.

    The end of its carrier is told apart: the host behind has nothing to do with it.
    """

    def __init__(self, channel: Any, carrier: Wire) -> None:
        self.settimeout = channel.settimeout
        self._channel = channel
        self._carrier = carrier

    def recv(self, size: int) -> bytes:
        """Read, or raise BrokenError."""
        data: bytes = self._channel.recv(size)
        if not data and self._carrier.ended:
            raise BrokenError
        return data

    def send(self, data: bytes) -> int:
        """Write, or raise BrokenError."""
        try:
            count: int = self._channel.send(data)
        except FAILURES as err:
            if self._carrier.ended:
                raise BrokenError from err
            raise
        return count

    def shutdown(self, _how: int) -> None:
        """Tell the jump host, if it still listens; who waits wakes up."""
        with contextlib.suppress(*FAILURES):
            self._channel.close()

    def close(self) -> None:
        """Do nothing more: there is no descriptor."""


class Through:
    """A connection from the last of some jump hosts."""

    def __init__(self, jump: JumpHost, address: str, port: int) -> None:
        self._jump = jump
        self._address = address
        self._port = port

    def begin(self, done: Done) -> None:
        """See `Road.begin`."""

        def go() -> None:
            try:
                done(self.open(time.monotonic() + _LIFE_S))
            except HostError as failure:
                done(failure)

        self._jump.submit(go)

    def open(self, deadline: float) -> Wire:
        """See `Road.open`."""
        return self._jump.reach(self._address, self._port, deadline)
