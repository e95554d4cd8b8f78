"""Run at every slot in the foreground, with the `schedule` package as the ticker."""

from collections.abc import Callable
from datetime import datetime
from threading import Event

import schedule as ticker
import structlog

from agent.clock import Now
from agent.slots import Due
from config.errors import TenkenError

TICK_S = 5
"""how often the daemon looks at the clock: a suspended or stepped machine is noticed within this"""

log = structlog.get_logger()


def serve(owed: Callable[[datetime], Due], inspect: Callable[[], None], *, now: Now, stop: Event) -> None:
    """Look every few seconds whether a slot is open, and inspect if so, until `stop` is set.

    A slot is tried once: if the run ends in an exception, the next slot brings the next try, and the
    missed one is named in the next sealed run. An exception never stops later ticks.
    """
    tried: set[datetime] = set()

    def tick() -> None:
        slot = owed(now()).slot
        if slot is None or slot in tried:
            return
        tried.clear()
        tried.add(slot)
        log.info("slot opened", slot=slot.isoformat())
        inspect()

    def guarded() -> None:
        try:
            tick()
        except Exception as fault:  # noqa: BLE001 (an exception must not stop later ticks)
            log.error("inspection failed", fault=type(fault).__name__, said=_own_words(fault))  # noqa: TRY400

    jobs = ticker.Scheduler()
    jobs.every(TICK_S).seconds.do(guarded)
    guarded()
    while not stop.is_set():
        stop.wait(max(jobs.idle_seconds or 0, 0.1))
        jobs.run_pending()


def _own_words(fault: Exception) -> str:
    """The message of an error of ours; any other could hold what a host said."""
    return str(fault) if isinstance(fault, TenkenError) else ""
