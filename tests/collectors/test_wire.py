"""A connection ends by itself, whatever the other side sends."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from collectors.wire import GREETING_BUDGET, LOGIN_BUDGET, Wire, WireEnd


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def wire_on(connection: socket.socket, *, greet_s: float = 20, deadline_s: float = 20) -> Wire:
    start = time.monotonic()
    return Wire(connection, greet_by=start + greet_s, deadline=start + deadline_s)


def test_a_byte_that_waits_does_not_move_the_deadline(pair: tuple[socket.socket, socket.socket]) -> None:
    """A host that always has one more byte ready never lets a socket time out."""
    wire = wire_on(pair[0], deadline_s=-1)
    pair[1].sendall(b"x")
    with pytest.raises(EOFError):
        wire.recv(1)
    assert wire.ended is WireEnd.DEADLINE


def test_a_deadline_that_is_moved_counts_for_who_waits_already(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """A jump host's session waits for its next bytes when its log-in's deadline becomes that of the run."""
    wire = wire_on(pair[0], deadline_s=0.3)
    pair[1].sendall(b"SSH-2.0-x\r\n")
    assert wire.recv(100) == b"SSH-2.0-x\r\n"
    came: list[bytes] = []
    waiting = threading.Thread(target=lambda: came.append(wire.recv(100)))
    waiting.start()
    wire.deadline = time.monotonic() + 20
    time.sleep(0.6)
    pair[1].sendall(b"later")
    waiting.join(20)
    assert came == [b"later"]


def test_small_reads_give_every_byte_once(pair: tuple[socket.socket, socket.socket]) -> None:
    wire = wire_on(pair[0])
    sent = b"SSH-2.0-x\r\n" + bytes(range(256)) * 8
    pair[1].sendall(sent)
    pair[1].shutdown(socket.SHUT_WR)
    assert b"".join(iter(lambda: wire.recv(7), b"")) == sent
    assert wire.ended is WireEnd.CLOSED


@pytest.mark.parametrize(
    ("greeting", "most"), [(b"", GREETING_BUDGET), (b"a\r\nSSH-2.0-x\r\n", LOGIN_BUDGET)]
)
def test_more_bytes_than_expected_end_it(
    pair: tuple[socket.socket, socket.socket], greeting: bytes, most: int
) -> None:
    wire = wire_on(pair[0])
    if greeting:
        pair[1].sendall(greeting)
        assert wire.recv(100) == greeting
    came = 0

    def flood() -> None:
        nonlocal came
        while came < 2 * most:
            pair[1].sendall(b"x" * 8_192)
            came += len(wire.recv(8_192))

    with pytest.raises(EOFError):
        flood()
    assert wire.ended is WireEnd.FLOOD
    assert came <= most


def test_the_first_end_stays(pair: tuple[socket.socket, socket.socket]) -> None:
    wire = wire_on(pair[0])
    wire.end(WireEnd.STOPPED)
    wire.end(WireEnd.FLOOD)
    assert wire.ended is WireEnd.STOPPED


def test_sending_to_one_who_does_not_read_ends_at_the_deadline(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    wire = wire_on(pair[0], deadline_s=0.3)
    with pytest.raises(EOFError):
        all(iter(lambda: wire.send(b"x" * 65_536), 0))
    assert wire.ended is WireEnd.DEADLINE


class _Numbered:
    """A socket whose descriptor is watched: nobody may be in it when it is given up."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        self.inside = 0
        self.given_up_while_used: list[int] = []
        self.given_up = threading.Event()

    def settimeout(self, timeout_s: float) -> None:
        self._inner.settimeout(timeout_s)

    def recv(self, size: int) -> bytes:
        self.inside += 1
        try:
            return self._inner.recv(size)
        finally:
            time.sleep(0.2)
            self.inside -= 1

    def send(self, data: bytes) -> int:
        return self._inner.send(data)

    def shutdown(self, how: int) -> None:
        self._inner.shutdown(how)

    def close(self) -> None:
        self.given_up_while_used.append(self.inside)
        self.given_up.set()
        self._inner.close()


def test_a_socket_is_given_up_by_the_last_who_uses_it(pair: tuple[socket.socket, socket.socket]) -> None:
    """A number that is free again belongs to the next host: who begins to wait then would wait on that."""
    watched = _Numbered(pair[0])
    start = time.monotonic()
    wire = Wire(watched, greet_by=start + 20, deadline=start + 20)
    ended = threading.Event()

    def wait() -> None:
        with contextlib.suppress(EOFError, OSError):
            wire.recv(1)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    while not watched.inside:
        time.sleep(0.01)
    wire.close()
    assert watched.given_up.wait(10)
    assert ended.wait(10)
    assert watched.given_up_while_used == [0]
    with pytest.raises(EOFError):
        wire.recv(1)
    with pytest.raises(EOFError):
        wire.send(b"x")
    wire.close()


def test_closing_twice_gives_up_once_and_says_so_once(pair: tuple[socket.socket, socket.socket]) -> None:
    said: list[int] = []
    start = time.monotonic()
    wire = Wire(pair[0], greet_by=start + 20, deadline=start + 20, on_close=lambda: said.append(1))
    wire.close()
    wire.end(WireEnd.STOPPED)
    assert said == [1]
