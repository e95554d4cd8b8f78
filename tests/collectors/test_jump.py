"""Hosts behind a jump host are reached over one connection to it."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

import pytest
from paramiko import Message

from collectors.dialer import Dialer
from collectors.evidence import Reason
from collectors.identities import load_identity
from collectors.jump import JumpHost, Through
from collectors.known_hosts import KnownHosts, parse
from collectors.road import Direct, Road
from collectors.ssh import SshTransport
from collectors.ssh_session import Login
from collectors.transport import Answer, HostError
from collectors.wire import Wire, WireEnd
from tests.collectors.sshd import HOST, USER, Sshd, playing

LOGGING = ("LogLevel INFO",)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def bastion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    running = Sshd(tmp_path_factory.mktemp("bastion") / "s", settings=LOGGING)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    running = Sshd(tmp_path_factory.mktemp("target") / "s")
    yield running
    running.stop()


def login(server: Sshd, known_hosts: KnownHosts) -> Login:
    return Login(
        address=HOST,
        port=server.port,
        user=USER,
        identities=(load_identity(server.user_key),),
        known_hosts=known_hosts,
    )


def jump_through(
    server: Sshd, *, pins: str | None = None, road: Road | None = None, at_once: int = 4
) -> JumpHost:
    known_hosts = parse((server.pins() if pins is None else pins).encode(), "known_hosts")
    return JumpHost(
        login(server, known_hosts),
        road or Direct(HOST, server.port, connect_timeout_s=5),
        most_at_once=at_once,
        connect_timeout_s=2,
        now=now,
    )


def ask(jump: JumpHost, server: Sshd, script: bytes = b"echo hello\n") -> Answer:
    transport = SshTransport(
        login(server, parse(server.pins().encode(), "known_hosts")), Through(jump, HOST, server.port)
    )
    settled = threading.Event()
    transport.prepare(settled.set)
    assert settled.wait(20)
    return transport.ask(script, command="sh -s", cap_bytes=1 << 20, deadline=time.monotonic() + 30, now=now)


def accepted(server: Sshd) -> int:
    return len(re.findall(r"Accepted publickey", (server.folder / "log").read_text()))


def test_many_targets_share_one_log_in_at_the_jump_host(bastion: Sshd, target: Sshd) -> None:
    before = accepted(bastion)
    with closing(jump_through(bastion)) as jump:
        for number in range(25):
            assert ask(jump, target, b"echo %d\n" % number).stdout == b"%d\n" % number
    assert accepted(bastion) - before == 1


def test_targets_are_asked_through_it_at_the_same_time(bastion: Sshd, target: Sshd) -> None:
    answers: SimpleQueue[bytes] = SimpleQueue()
    with closing(jump_through(bastion)) as jump:
        threads = [
            threading.Thread(target=lambda: answers.put(ask(jump, target, b"sleep 1; echo x\n").stdout))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [answers.get() for _ in range(8)] == [b"x\n"] * 8


def test_two_jump_hosts_in_a_row(bastion: Sshd, target: Sshd, tmp_path: Path) -> None:
    inner = Sshd(tmp_path / "inner", settings=LOGGING)
    try:
        with (
            closing(jump_through(bastion)) as outer,
            closing(jump_through(inner, road=Through(outer, HOST, inner.port))) as jump,
        ):
            assert ask(jump, target).stdout == b"hello\n"
        assert accepted(inner) == 1
    finally:
        inner.stop()


def test_a_jump_host_that_is_not_pinned_is_named_and_asked_once(bastion: Sshd, target: Sshd) -> None:
    before = (bastion.folder / "log").read_text().count("Connection closed")
    with closing(jump_through(bastion, pins="")) as jump:
        for _ in range(3):
            with pytest.raises(HostError) as caught:
                ask(jump, target)
            assert caught.value.reason is Reason.HOST_KEY_UNKNOWN
            assert f"jump host {HOST}" in caught.value.detail
    assert (bastion.folder / "log").read_text().count("Connection closed") - before <= 1


def test_a_jump_host_that_lets_nothing_pass_is_named(target: Sshd, tmp_path: Path) -> None:
    closed = Sshd(tmp_path / "closed", settings=("AllowTcpForwarding no",))
    try:
        with closing(jump_through(closed)) as jump, pytest.raises(HostError) as caught:
            ask(jump, target)
    finally:
        closed.stop()
    assert caught.value.reason is Reason.ROUTE
    assert "does not let connections pass" in caught.value.detail


def test_a_dead_target_behind_it_is_told_apart_from_a_dead_jump_host(bastion: Sshd, target: Sshd) -> None:
    with closing(jump_through(bastion)) as jump:
        with pytest.raises(HostError) as caught:
            jump.reach(HOST, 1, time.monotonic() + 5)
        assert (caught.value.reason, "cannot connect" in caught.value.detail) == (Reason.ROUTE, True)
        assert ask(jump, target).stdout == b"hello\n"
    dead = jump_through(target, road=Direct(HOST, 1, connect_timeout_s=1))
    with closing(dead), pytest.raises(HostError) as refused:
        ask(dead, target)
    assert refused.value.reason is Reason.REFUSED
    assert "jump host" in refused.value.detail


def hush(connection: object) -> None:
    time.sleep(30)


def test_a_silent_target_behind_it_ends_by_itself(bastion: Sshd) -> None:
    with closing(jump_through(bastion)) as jump, playing(hush) as port:
        road = Through(jump, HOST, port)
        wire = road.open(time.monotonic() + 20)
        began = time.monotonic()
        with pytest.raises(EOFError):
            wire.recv(10)
        assert time.monotonic() - began < 10
        assert not wire.greeted


def test_a_connection_that_broke_is_made_anew_but_not_for_ever(bastion: Sshd, target: Sshd) -> None:
    before = accepted(bastion)
    with closing(jump_through(bastion)) as jump:
        for _ in range(3):
            assert ask(jump, target).stdout == b"hello\n"
            jump._session.close()
        with pytest.raises(HostError) as caught:
            ask(jump, target)
    assert "breaks again and again" in caught.value.detail
    assert accepted(bastion) - before == 3


def test_a_packet_that_comes_too_late_for_its_channel_ends_nobody_elses(bastion: Sshd, target: Sshd) -> None:
    """The library checks, waits for its turn, and sends; meanwhile another thread has closed the channel."""
    before = accepted(bastion)
    with closing(jump_through(bastion)) as jump:
        for _ in range(2):
            wire = jump.reach(HOST, target.port, time.monotonic() + 20)
            late = Message()
            late.add_byte(b"\x5e")  # SSH_MSG_CHANNEL_DATA
            late.add_int(wire._socket._channel.remote_chanid)  # type: ignore[attr-defined]
            late.add_string(b"x")
            wire.close()
            time.sleep(0.2)
            jump._session.packetizer.send_message(late)
        # The second one had the number of the first, and so has this one.
        assert ask(jump, target).stdout == b"hello\n"
    assert accepted(bastion) - before == 1


@pytest.mark.parametrize("how", ["reads", "writes", "writes before it is known"])
def test_the_end_of_the_jump_host_is_not_taken_for_that_of_the_host_behind(
    bastion: Sshd, target: Sshd, how: str
) -> None:
    with closing(jump_through(bastion)) as jump:
        wire = jump.reach(HOST, target.port, time.monotonic() + 20)
        assert wire.recv(4) == b"SSH-"
        if how == "writes before it is known":
            jump._session.sock._socket.shutdown(socket.SHUT_WR)
        else:
            jump._session.sock._socket.shutdown(socket.SHUT_RDWR)
            settle_until(lambda: not jump._session.is_active())
        with pytest.raises(EOFError):
            read_to_the_end(wire) if how == "reads" else wire.send(b"SSH-2.0-x")
        assert wire.ended is WireEnd.BROKEN


def read_to_the_end(wire: Wire) -> None:
    while wire.recv(100):
        pass


def test_closing_ends_whoever_waits_behind_it_and_leaves_no_thread(bastion: Sshd, target: Sshd) -> None:
    ended: SimpleQueue[Wire | HostError | Answer] = SimpleQueue()
    jump = jump_through(bastion)
    threads = threading.active_count()

    def wait() -> None:
        try:
            ended.put(ask(jump, target, b"sleep 60\n"))
        except HostError as failure:
            ended.put(failure)

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(1.5)
    jump.close()
    waiter.join(20)
    assert not waiter.is_alive()
    settle_until(lambda: threading.active_count() <= threads)


def settle_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize("stage", ["silent", "handshake"])
def test_closing_does_not_wait_for_a_jump_host_that_is_being_logged_in_to(
    bastion: Sshd, target: Sshd, stage: str
) -> None:
    """Ctrl-C must end a run at once, also when the bastion says nothing more."""

    def role(connection: socket.socket) -> None:
        if stage == "handshake":
            connection.sendall(b"SSH-2.0-x\r\n")
        time.sleep(60)

    ended: SimpleQueue[HostError] = SimpleQueue()
    with playing(role) as port, closing(Dialer()) as dialer:
        road = Direct(HOST, port, connect_timeout_s=50, dialer=dialer)
        jump = JumpHost(login(bastion, parse(b"", "k")), road, most_at_once=4, connect_timeout_s=50, now=now)

        def wait() -> None:
            try:
                jump.reach(HOST, target.port, time.monotonic() + 60)
            except HostError as failure:
                ended.put(failure)

        waiters = [threading.Thread(target=wait) for _ in range(3)]
        for waiter in waiters:
            waiter.start()
        time.sleep(1)
        began = time.monotonic()
        dialer.close()
        jump.close()
        for waiter in waiters:
            waiter.join(20)
        assert time.monotonic() - began < 10
    assert [ended.get(timeout=1).reason for _ in waiters] == [Reason.INTERRUPTED] * 3


def test_a_jump_host_that_was_closed_opens_nothing(bastion: Sshd, target: Sshd) -> None:
    before = accepted(bastion)
    jump = jump_through(bastion)
    jump.close()
    with pytest.raises(HostError) as caught:
        jump.reach(HOST, target.port, time.monotonic() + 5)
    assert caught.value.reason is Reason.INTERRUPTED
    assert accepted(bastion) == before
