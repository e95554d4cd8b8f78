"""Visit many hosts at once: none waits for another, and none is lost."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import takewhile
from queue import Empty, SimpleQueue

from msgspec import Struct

from collectors.auditor import auditor_facts, most_connecting, most_workers, open_descriptors
from collectors.evidence import Reason, TargetEvidence
from collectors.visit import not_visited
from config.model import Host

_LOOK_S = 0.5
"""how often the interruption flag is looked at"""
_READY_PER_WORKER = 2
_PATIENCE_S = 0.5
"""a host that has not greeted by then is taken for a dead one: others are connected to meanwhile"""
_INTERRUPTED = (Reason.INTERRUPTED, "the run was interrupted")


Prepare = Callable[[Callable[[], None]], None]
"""begins what needs no worker, and calls back once `ask` finds it done; never blocks"""


class Job(Struct, frozen=True, kw_only=True, eq=False):
    """One host to visit, and how to write it down when that does not happen."""

    host: Host
    run: int
    plan: str
    """SHA-256 of plan.json"""
    salt: str
    ask: Callable[[], TargetEvidence]
    """the whole visit, within the host's own deadline"""
    prepare: Prepare | None = None
    stop: Callable[[], None] = lambda: None
    """ends the visit from another thread; allowed at any time"""

    def without(self, reason: Reason, detail: str) -> TargetEvidence:
        """The evidence of a visit that did not take place."""
        return not_visited(
            self.host, run=self.run, plan=self.plan, salt=self.salt, reason=reason, detail=detail
        )


def fan_out(
    jobs: Sequence[Job],
    *,
    workers: int,
    on_done: Callable[[TargetEvidence], None],
    interrupted: threading.Event | None = None,
) -> bool:
    """Visit every host, at most `workers` at once; each job's evidence goes to `on_done` exactly once.

    Hosts that are being prepared (connected to) hold no worker, so a dead one holds up nobody.
    `on_done` is called in this thread, in the order in which visits end, and nothing is kept.
    A fault in a visit becomes the evidence INTERNAL of that host. After Ctrl-C, or once `interrupted`
    is set, visits under way are ended and every host left is delivered as INTERRUPTED.
    Returns False when it was interrupted. What `on_done` raises ends everything and is raised;
    a caller whose `on_done` must not be torn by Ctrl-C sets `interrupted` from a signal handler.
    """
    machine, in_use = auditor_facts(), open_descriptors()
    most = most_workers(workers, machine, in_use=in_use)
    flag = interrupted or threading.Event()
    round_ = _Round(
        jobs, most=most, most_prepared=most_connecting(machine, in_use=in_use, workers=most), on_done=on_done
    )
    try:
        try:
            while round_.goes_on and not flag.is_set():
                round_.step()
        except KeyboardInterrupt:
            flag.set()
        if round_.goes_on:
            round_.interrupt()
            return False
        return True
    finally:
        round_.end()


class _Round:
    """Each job waits, is prepared, is ready, is under way, and is delivered."""

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        most: int,
        most_prepared: int,
        on_done: Callable[[TargetEvidence], None],
    ) -> None:
        self._most = most
        self._most_prepared = most_prepared
        self._on_done = on_done
        self._left = dict.fromkeys(jobs)
        """everyone who is not delivered yet, wherever Ctrl-C finds them"""
        self._waiting = list(reversed(jobs))
        self._preparing: dict[Job, float] = {}
        """since when, by time.monotonic(); the youngest last"""
        self._ready: deque[Job] = deque()
        self._under_way: dict[Future[TargetEvidence], Job] = {}
        self._news: SimpleQueue[Job | Future[TargetEvidence]] = SimpleQueue()
        self._pool = ThreadPoolExecutor(max_workers=most, thread_name_prefix="visit")

    @property
    def goes_on(self) -> bool:
        """Whether somebody is left."""
        return bool(self._left)

    def step(self) -> None:
        """Start what there is room for, and take one piece of news, if any comes soon."""
        while self._waiting and self._has_room():
            job = self._waiting[-1]
            if job.prepare is None:
                self._ready.append(job)
            else:
                self._preparing[job] = time.monotonic()
                job.prepare(partial(self._news.put, job))
            self._waiting.pop()
        # No more than the workers can take, so that no answer waits in memory.
        while self._ready and len(self._under_way) < self._most:
            job = self._ready.popleft()
            future = self._pool.submit(job.ask)
            self._under_way[future] = job
            future.add_done_callback(self._news.put)
        try:
            news = self._news.get(timeout=_LOOK_S)
        except Empty:
            return
        if isinstance(news, Job):
            del self._preparing[news]
            self._ready.append(news)
        else:
            self._deliver(self._under_way.pop(news), news)

    def _has_room(self) -> bool:
        """Whether one more host may be connected to.

        A host that has greeted hangs up when nobody logs in, so few may wait for a worker; and those
        that are being connected to may all greet at once, but for those that have been silent for long.
        """
        since = time.monotonic() - _PATIENCE_S
        young = sum(1 for _ in takewhile(lambda began: began > since, reversed(self._preparing.values())))
        return (
            len(self._preparing) < self._most_prepared
            and young + len(self._ready) < _READY_PER_WORKER * self._most
        )

    def interrupt(self) -> None:
        """End visits, and deliver everyone left."""
        self._stop()
        done = {job: future for future, job in self._under_way.items() if future.done()}
        for job in tuple(self._left):
            self._deliver(job, done.get(job))

    def _deliver(self, job: Job, visit: Future[TargetEvidence] | None) -> None:
        evidence = _evidence(visit, job) if visit else job.without(*_INTERRUPTED)
        del self._left[job]
        self._on_done(evidence)

    def end(self) -> None:
        """Leave no thread and no connection behind."""
        self._stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _stop(self) -> None:
        for job in (*self._preparing, *self._ready, *self._under_way.values()):
            job.stop()


def _evidence(future: Future[TargetEvidence], job: Job) -> TargetEvidence:
    fault = future.exception()
    if fault is None:
        return future.result()
    # The words of an unexpected exception may hold anything; its kind and place are enough to find it.
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}" if trace else "?"
    return job.without(Reason.INTERNAL, f"{type(fault).__name__} at {where}")
