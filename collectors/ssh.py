"""Ask a host over SSH: one connection, its key checked before the log-in, one command."""

import threading
import time
from collections.abc import Callable
from datetime import datetime

from collectors.known_hosts import KEY_TYPES, OfferedKey
from collectors.road import Road
from collectors.ssh_library import paramiko
from collectors.ssh_session import Login, end, handshake, offered, open_session
from collectors.ssh_talk import Talk
from collectors.transport import STDERR_DRAINED, Answer, HostError
from collectors.wire import Wire, WireEnd

_OVERHEAD = 1 << 20
"""bytes of packets around the answer that are expected at most, beside an eighth of the answer"""


class SshTransport:
    """One host behind sshd; see `collectors.transport.Transport`."""

    kind = "ssh"

    def __init__(self, login: Login, road: Road) -> None:
        self._login = login
        self._road = road
        self._stopped = threading.Event()
        self._wire: Wire | None = None
        self._prepared: Wire | HostError | None = None
        self._prepared_s = 0.0

    def prepare(self, done: Callable[[], None]) -> None:
        """See `Transport.prepare`: connect and await the greeting."""
        began = time.monotonic()

        def settle(result: Wire | HostError) -> None:
            self._prepared = result
            self._prepared_s = time.monotonic() - began
            if isinstance(result, Wire):
                self._take(result)
            done()

        self._road.begin(settle)

    def ask(
        self, script: bytes, *, command: str, cap_bytes: int, deadline: float, now: Callable[[], datetime]
    ) -> Answer:
        """See `Transport.ask`. Our keys are shown after the host has proved its own."""
        wire = self._connected(deadline)
        session, host_key = open_session(wire, self._login, now())
        try:
            wire.allow((cap_bytes + STDERR_DRAINED) * 9 // 8 + len(script) + _OVERHEAD)
            return Talk(session, wire, cap_bytes, host_key).run(script, command, now)
        finally:
            end(session)

    def close(self) -> None:
        """See `Transport.close`."""
        self._stopped.set()
        if self._wire is not None:
            self._wire.end(WireEnd.STOPPED)

    def _take(self, wire: Wire) -> None:
        self._wire = wire
        if self._stopped.is_set():
            wire.end(WireEnd.STOPPED)

    def _connected(self, deadline: float) -> Wire:
        if self._prepared is None:
            wire = self._road.open(deadline)
            self._take(wire)
            return wire
        if isinstance(self._prepared, HostError):
            raise self._prepared
        # What connecting took is part of the host's time; waiting for one of our workers is not.
        self._prepared.deadline = deadline - self._prepared_s
        return self._prepared


def scan_host_key(road: Road, timeout_s: float) -> tuple[OfferedKey, ...]:
    """Return each key the host proves to hold (Ed25519, ECDSA, RSA), without logging in.

    A connection a kind, as ssh-keyscan does. Raises HostError when the host cannot be asked.
    """
    found: list[OfferedKey] = []
    deadline = time.monotonic() + timeout_s
    last: HostError | None = None
    for kind in (KEY_TYPES[:1], KEY_TYPES[1:4], KEY_TYPES[4:]):
        wire = road.open(deadline)
        try:
            session = handshake(wire, kind, others=False)
        except HostError as err:
            if not isinstance(err.__cause__, paramiko.IncompatiblePeer):
                raise
            last = err  # no key of that kind
            continue
        try:
            found.append(offered(session))
        finally:
            end(session)
    if not found and last is not None:
        raise last
    return tuple(found)
