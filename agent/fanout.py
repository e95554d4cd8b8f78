"""Visit many hosts at once: none waits for another, and none is lost."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from msgspec import Struct

from collectors.auditor import auditor_facts, most_workers, open_descriptors
from collectors.evidence import Reason, TargetEvidence
from collectors.visit import not_visited
from config.model import Host

_LOOK_S = 0.5
"""how often the interruption flag is looked at"""
_INTERRUPTED = (Reason.INTERRUPTED, "the run was interrupted")


class Job(Struct, frozen=True, kw_only=True):
    """One host to visit, and how to write it down when that does not happen."""

    host: Host
    run: int
    plan: str
    """SHA-256 of plan.json"""
    salt: str
    ask: Callable[[], TargetEvidence]
    """the whole visit, within the host's own deadline"""
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

    `on_done` is called in this thread, in the order in which visits end, and nothing is kept.
    A fault in a visit becomes the evidence INTERNAL of that host. After Ctrl-C, or once `interrupted`
    is set, visits under way are ended and every host left is delivered as INTERRUPTED.
    Returns False when it was interrupted. What `on_done` raises ends everything and is raised;
    a caller whose `on_done` must not be torn by Ctrl-C sets `interrupted` from a signal handler.
    """
    most = most_workers(workers, auditor_facts(), in_use=open_descriptors())
    flag = interrupted or threading.Event()
    waiting = list(reversed(jobs))
    under_way: dict[Future[TargetEvidence], Job] = {}
    pool = ThreadPoolExecutor(max_workers=most, thread_name_prefix="visit")
    try:
        while (waiting or under_way) and not flag.is_set():
            # No more than the workers can take, so that no answer waits in memory.
            try:
                while waiting and len(under_way) < most:
                    under_way[pool.submit(waiting[-1].ask)] = waiting[-1]
                    waiting.pop()
                ended, _ = wait(under_way, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
            except KeyboardInterrupt:
                flag.set()
                break
            for future in ended:
                on_done(_evidence(future, under_way.pop(future)))
        if not flag.is_set():
            return True
        for job in under_way.values():
            job.stop()
        for future, job in under_way.items():
            on_done(_evidence(future, job) if future.done() else job.without(*_INTERRUPTED))
        for job in reversed(waiting):
            on_done(job.without(*_INTERRUPTED))
        return False
    finally:
        for job in under_way.values():
            job.stop()
        pool.shutdown(wait=False, cancel_futures=True)


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
