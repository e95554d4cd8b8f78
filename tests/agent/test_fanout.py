"""None of many hosts waits for another, and none is lost."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest
from msgspec import structs

from agent.fanout import Job, fan_out
from collectors.auditor import AuditorFacts, auditor_facts, footprint, most_workers
from collectors.dialer import Dialer
from collectors.evidence import Reason, Status, TargetEvidence
from collectors.identities import load_identity
from collectors.known_hosts import parse
from collectors.probes.platform import PROBE
from collectors.script import Parameters
from collectors.visit import not_visited, visit
from config.model import Host
from tests.collectors.sshd import HOST, USER, Sshd, playing, to_host

AT = datetime(2026, 11, 22, tzinfo=UTC)


def job(name: str, ask: Callable[[], TargetEvidence], stop: Callable[[], None] = lambda: None) -> Job:
    return Job(host=Host(name=name), run=1, plan="p", salt="s", ask=ask, stop=stop)


def seen(name: str) -> TargetEvidence:
    return not_visited(Host(name=name), run=1, plan="p", salt="s", reason=Reason.NAME, detail="seen")


class TestDelivery:
    def test_each_host_is_delivered_once_and_in_this_thread(self) -> None:
        names = [f"h{number}" for number in range(200)]
        got: list[str] = []
        threads: set[int] = set()

        def take(evidence: TargetEvidence) -> None:
            got.append(evidence.target)
            threads.add(threading.get_ident())

        jobs = [job(name, lambda name=name: seen(name)) for name in names]  # type: ignore[misc]
        assert fan_out(jobs, workers=8, on_done=take)
        assert sorted(got) == sorted(names)
        assert threads == {threading.get_ident()}

    def test_nobody_to_visit_is_done_at_once(self) -> None:
        assert fan_out([], workers=4, on_done=lambda _: None)

    def test_a_fault_in_one_visit_is_written_down_and_hides_nobody(self) -> None:
        def broken() -> TargetEvidence:
            message = "the words of a host \x1b[31m"
            raise RuntimeError(message)

        got: dict[str, TargetEvidence] = {}
        jobs = [job("bad", broken), job("good", lambda: seen("good"))]
        assert fan_out(jobs, workers=1, on_done=lambda one: got.update({one.target: one}))
        assert got["good"].detail == "seen"
        assert (got["bad"].status, got["bad"].reason) == (Status.UNREACHABLE, Reason.INTERNAL)
        assert got["bad"].detail.startswith("RuntimeError at ")
        assert "words" not in got["bad"].detail

    def test_no_more_than_the_workers_are_under_way(self) -> None:
        lock = threading.Lock()
        now, most = 0, 0

        def ask() -> TargetEvidence:
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.02)
            with lock:
                now -= 1
            return seen("x")

        fan_out([job(f"h{number}", ask) for number in range(20)], workers=3, on_done=lambda _: None)
        assert most == 3

    def test_answers_are_not_collected_before_they_are_delivered(self) -> None:
        """While one answer is being written, at most as many visits as workers have begun anew."""
        begun: list[str] = []

        def take(_: TargetEvidence) -> None:
            time.sleep(0.01)
            counts.append(len(begun))

        def ask() -> TargetEvidence:
            begun.append("x")
            return seen("x")

        counts: list[int] = []
        fan_out([job(f"h{number}", ask) for number in range(50)], workers=2, on_done=take)
        assert all(ahead <= done + 2 * 2 for done, ahead in enumerate(counts))

    def test_what_the_receiver_raises_ends_the_run(self) -> None:
        def full(_: TargetEvidence) -> None:
            message = "disk full"
            raise OSError(message)

        stopped = threading.Event()
        hanging = job("hangs", lambda: stopped.wait(30) and seen("hangs"), stopped.set)  # type: ignore[arg-type, return-value]
        with pytest.raises(OSError, match="disk full"):
            fan_out([hanging, job("good", lambda: seen("good"))], workers=2, on_done=full)
        assert stopped.is_set()


class TestPreparing:
    def test_hosts_that_are_being_connected_to_hold_no_worker(self) -> None:
        """A hundred dead hosts come first, and one worker is free for the good one at once."""
        asked: list[str] = []
        later: list[Callable[[], None]] = []

        def good() -> TargetEvidence:
            asked.append("good")
            for settle in later:
                settle()
            return seen("good")

        def dead() -> TargetEvidence:
            asked.append("dead")
            return seen("dead")

        jobs = [structs.replace(job(f"d{number}", dead), prepare=later.append) for number in range(100)]
        jobs.append(structs.replace(job("good", good), prepare=lambda settle: settle()))
        assert fan_out(jobs, workers=1, on_done=lambda _: None)
        assert asked == ["good"] + ["dead"] * 100

    def test_few_hosts_that_have_greeted_wait_for_a_worker(self) -> None:
        """A server hangs up on who does not log in."""
        most, prepared, begun = 0, 0, 0

        def ask() -> TargetEvidence:
            nonlocal most, begun
            begun += 1
            most = max(most, prepared - begun)
            return seen("x")

        def prepare(settle: Callable[[], None]) -> None:
            nonlocal prepared
            prepared += 1
            settle()

        jobs = [structs.replace(job(f"h{number}", ask), prepare=prepare) for number in range(100)]
        assert fan_out(jobs, workers=2, on_done=lambda _: None)
        assert begun == 100
        assert most <= 2 * 2 + 2

    def test_who_is_being_connected_to_at_ctrl_c_is_delivered_as_interrupted(self) -> None:
        flag, stopped = threading.Event(), threading.Event()
        got: dict[str, TargetEvidence] = {}
        never = structs.replace(
            job("never", lambda: seen("never"), stopped.set), prepare=lambda _: flag.set()
        )
        assert not fan_out(
            [never], workers=1, on_done=lambda one: got.update({one.target: one}), interrupted=flag
        )
        assert got["never"].reason is Reason.INTERRUPTED
        assert stopped.is_set()


class TestInterruption:
    @pytest.mark.parametrize("how", ["flag", "ctrl-c"])
    def test_everyone_left_is_delivered_as_interrupted(self, how: str) -> None:
        flag, stopped = threading.Event(), threading.Event()
        # A shell starts what runs in its background with the signal ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        def hang() -> TargetEvidence:
            if how == "flag":
                flag.set()
            else:
                os.kill(os.getpid(), signal.SIGINT)
            stopped.wait(30)
            return seen("under-way")

        got: dict[str, TargetEvidence] = {}
        jobs = [
            job("first", lambda: seen("first")),
            job("under-way", hang, stopped.set),
            job("never", lambda: seen("never")),
        ]
        whole = fan_out(jobs, workers=1, on_done=lambda one: got.update({one.target: one}), interrupted=flag)
        assert not whole
        assert stopped.is_set()
        assert got["first"].reason is Reason.NAME
        assert {got[name].reason for name in ("under-way", "never")} == {Reason.INTERRUPTED}


class TestLimits:
    @pytest.mark.parametrize(
        ("descriptors", "available", "in_use", "most"),
        [
            (1_024, 64 << 30, 10, 32),
            (100, 64 << 30, 0, 9),
            (64, 64 << 30, 0, 1),
            (1_024, 24 << 20, 0, 1),
            (1_024, 480 << 20, 0, 10),
            (1_024, 64 << 30, 1_000, 1),
            (-1, 64 << 30, 0, 32),
        ],
    )
    def test_descriptors_and_memory_bound_the_workers(
        self, descriptors: int, available: int, in_use: int, most: int
    ) -> None:
        machine = AuditorFacts(
            system="x", python="3", processors=2, memory_bytes=available, available_bytes=available,
            descriptor_limit=descriptors, booted=AT,
        )  # fmt: skip
        assert most_workers(32, machine, in_use=in_use) == most

    def test_this_machine_and_this_process_are_seen(self) -> None:
        machine, cost = auditor_facts(), footprint()
        assert machine.processors == os.cpu_count()
        assert 0 < machine.available_bytes <= machine.memory_bytes
        assert machine.booted < datetime.now(UTC)
        assert machine.descriptor_limit > 0
        assert cost.peak_bytes > 1 << 20
        assert cost.cpu_ms > 0
        assert cost.descriptors >= 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    running = Sshd(tmp_path_factory.mktemp("sshd") / "s")
    yield running
    running.stop()


def hush(connection: socket.socket) -> None:
    connection.recv(100)
    time.sleep(30)


def test_dead_hanging_lying_and_endless_hosts_hide_no_good_one(server: Sshd) -> None:
    """Real servers; the bad ones come first and are more than the workers."""
    keys = {
        "good": server.user_key,
        "hang": server.key_for("hang", "sleep 600"),
        "endless": server.key_for("endless", "yes"),
        "garbage": server.key_for("garbage", "head -c 200000 /dev/urandom"),
    }
    identities = {name: load_identity(path) for name, path in keys.items()}
    with socket.create_server((HOST, 0)) as closed:
        dead_port: int = closed.getsockname()[1]
    with playing(hush) as silent_port, closing(Dialer()) as dialer:

        def visit_to(kind: str, number: int) -> Job:
            port = {"dead": dead_port, "silent": silent_port}.get(kind, server.port)
            host = Host(name=f"{kind}-{number}", address=HOST, port=port)
            transport = to_host(
                address=HOST,
                port=port,
                user=USER,
                identity=identities.get(kind, identities["good"]),
                known_hosts=parse(server.pins().encode(), "known_hosts"),
                connect_timeout_s=1,
                dialer=dialer,
            )

            def ask() -> TargetEvidence:
                return visit(
                    host, transport, (PROBE,), Parameters(), run=1, plan="p", salt="s",
                    boundary=f"{number:032x}", now=lambda: datetime.now(UTC),
                    # A slow machine must not make deadlines of the others.
                    deadline_s=3 if kind == "hang" else 60,
                )  # fmt: skip

            return Job(
                host=host, run=1, plan="p", salt="s", ask=ask,
                prepare=transport.prepare, stop=transport.close,
            )  # fmt: skip

        bad = [visit_to(kind, number) for kind in ("hang", "silent", "dead", "endless", "garbage")
               for number in range(4)]  # fmt: skip
        jobs = bad + [visit_to("good", number) for number in range(20)]
        got: dict[str, TargetEvidence] = {}
        assert fan_out(jobs, workers=8, on_done=lambda one: got.update({one.target: one}))
    wanted = {
        "good": (Status.COLLECTED, None),
        "hang": (Status.UNREACHABLE, Reason.DEADLINE),
        "silent": (Status.UNREACHABLE, Reason.NO_BANNER),
        "dead": (Status.UNREACHABLE, Reason.REFUSED),
        "endless": (Status.UNREACHABLE, Reason.TOO_MUCH_OUTPUT),
        "garbage": (Status.UNREACHABLE, Reason.NO_ANSWER),
    }
    assert len(got) == 40
    assert {name: (one.status, one.reason) for name, one in got.items()} == {
        name: wanted[name.split("-")[0]] for name in got
    }
