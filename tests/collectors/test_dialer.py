"""Many hosts are dialled at once, each ends once, and nobody waits for another."""

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from queue import Empty, SimpleQueue

import pytest

from collectors.dialer import Dialer, connect
from collectors.evidence import Reason
from collectors.transport import HostError
from collectors.wire import Wire
from tests.collectors.sshd import HOST, playing, reset

GREETING = b"SSH-2.0-test\r\n"


def greet(connection: socket.socket) -> None:
    connection.sendall(b"a line before\r\n" + GREETING)
    connection.recv(100)


def hush(connection: socket.socket) -> None:
    connection.recv(100)
    time.sleep(30)


def http(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def flood(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x" * 65_536)


@pytest.fixture
def dialer() -> Iterator[Dialer]:
    with closing(Dialer()) as one:
        yield one


def ended(
    dialer: Dialer, port: int, *, timeout_s: float = 5, within_s: float = math.inf, address: str = HOST
):
    answers: SimpleQueue[Wire | HostError] = SimpleQueue()
    dialer.dial(
        address, port, connect_timeout_s=timeout_s, deadline=time.monotonic() + within_s, done=answers.put
    )
    answer = answers.get(timeout=30)
    with pytest.raises(Empty):
        answers.get(timeout=0.05)
    return answer


def test_the_greeting_is_read_from_the_wire_as_if_nobody_had_looked(dialer: Dialer) -> None:
    with playing(greet) as port:
        wire = ended(dialer, port)
        assert isinstance(wire, Wire)
        wire.deadline = time.monotonic() + 20
        assert wire.greeted
        assert wire.recv(15) + wire.recv(99) == b"a line before\r\n" + GREETING
        wire.close()


@pytest.mark.parametrize(
    ("role", "reason"),
    [
        (hush, Reason.NO_BANNER),
        (http, Reason.NO_BANNER),
        (flood, Reason.NO_BANNER),
        (reset, Reason.NO_BANNER),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_does_not_greet_is_named(
    dialer: Dialer, role: Callable[[socket.socket], None], reason: Reason
) -> None:
    with playing(role) as port:
        answer = ended(dialer, port, timeout_s=0.5)
    assert isinstance(answer, HostError)
    assert answer.reason is reason


def test_two_hundred_silent_hosts_do_not_hold_up_a_good_one(dialer: Dialer) -> None:
    silent: SimpleQueue[Wire | HostError] = SimpleQueue()
    with playing(hush) as quiet, playing(greet) as good:
        for _ in range(200):
            dialer.dial(HOST, quiet, connect_timeout_s=20, deadline=math.inf, done=silent.put)
        wire = ended(dialer, good)
        assert isinstance(wire, Wire)
        wire.close()
        assert silent.empty()
        dialer.close()
        assert {silent.get(timeout=5).reason for _ in range(200)} == {Reason.INTERRUPTED}  # type: ignore[union-attr]


def test_names_that_nobody_answers_for_end_by_themselves(
    dialer: Dialer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's resolver may take minutes; that is not to be seen without a dead name server."""
    asked = socket.getaddrinfo
    forever = threading.Event()

    def slow(host: str, *args: object, **more: int) -> object:
        if host == "slow.invalid" and not more.get("flags"):
            forever.wait(60)
        return asked(host, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    answer = ended(dialer, 22, address="slow.invalid", timeout_s=0.3)
    forever.set()
    assert isinstance(answer, HostError)
    assert answer.reason is Reason.NAME
    assert "did not answer" in answer.detail


def test_the_deadline_ends_a_dial_before_its_time_out(dialer: Dialer) -> None:
    with playing(hush) as port:
        answer = ended(dialer, port, timeout_s=30, within_s=0.3)
    assert isinstance(answer, HostError)
    assert answer.reason is Reason.DEADLINE


def test_the_second_address_of_a_name_is_tried(dialer: Dialer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with a dead IPv6 address and a living IPv4 one."""
    with playing(greet) as port:
        living = socket.getaddrinfo(HOST, port, type=socket.SOCK_STREAM)
        dead = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (HOST, 1))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: dead + living)
        wire = ended(dialer, port)
    assert isinstance(wire, Wire)
    wire.close()


def test_after_closing_nothing_stays() -> None:
    before, threads = len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208 (no files)
    dialer = Dialer()
    dialer.close()
    dialer.close()
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208 (no files)
    assert threading.active_count() <= threads


def test_a_dial_after_the_end_gets_its_answer() -> None:
    """Whoever waits for it would wait for ever."""
    dialer = Dialer()
    dialer.close()
    with pytest.raises(HostError) as caught:
        connect(HOST, 1, connect_timeout_s=5, deadline=math.inf, dialer=dialer)
    assert caught.value.reason is Reason.INTERRUPTED
