"""A connection ends by itself, whatever the other side sends."""

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
