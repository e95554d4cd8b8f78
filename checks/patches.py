"""What all families share in judging fixes: the numbers, the words, and how long a fix has waited."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from msgspec import Meta

from checks.model import Clock, History, Options, Outcome, Result, Subject
from checks.text import Text, Value, say
from config.duration import Duration

ID = "patch-currency"
COMPARED = "compared"
"""watched while the sources are whole and fresh: a fix that was not there then is younger"""
WHOLE = Subject(kind="packages", name="security fixes")


class Limits(Options, frozen=True, kw_only=True):
    """Settings under `[promise.set]` of a promise that patch-currency proves."""

    fix_within: Annotated[Duration, Meta(description="a security fix may wait this long")] = Duration("14d")
    lists_within: Annotated[Duration, Meta(description="the package lists or advisories may be this old")] = (
        Duration("7d")
    )
    restart_within: Annotated[
        Duration, Meta(description="a newer kernel or program may be installed this long without running")
    ] = Duration("14d")


def no_fix_waits(options: Limits) -> Text:
    """Say what is expected of every package."""
    return say("no security fix waits for more than {limit}", limit=str(options.fix_within))


def waits(
    *,
    subject: Subject,
    installed: str,
    offered: str,
    watched: str,
    listed: datetime | None,
    options: Limits,
    clock: Clock,
    history: History,
    memory: str = ID,
) -> Outcome:
    """Judge a fix that has no date of its own: by own history, and by the date of the list that offers it.

    `watched` is the key under which earlier runs remembered that it waits, `memory` the watcher's name.
    """
    words: dict[str, Value] = {
        "installed": installed, "offered": offered, "limit": str(options.fix_within)
    }  # fmt: skip
    limit = options.fix_within.timedelta
    first = history.since(memory, watched)
    compared = history.since(memory, COMPARED)
    # The fix is at least as old as the list that offers it.
    known = min(when for when in (first, listed, clock.as_of) if when is not None)
    waited = clock.as_of - known
    # It came after the last comparison that did not see it, however long nobody looked in between.
    before = history.unseen_at(memory, watched) if first else history.looked_at(memory)
    was_new = compared is not None and before is not None and compared <= before
    if waited > limit:
        result, summary = Result.FAIL, say("a security fix waits for more than {limit}", **words)
    elif was_new and before and clock.as_of - before <= limit:
        result, summary = Result.PASS, say("a security fix waits, for less than {limit}", **words)
    elif was_new:
        result, summary = (
            Result.WARN,
            say("a security fix waits, perhaps for more than {limit}: nobody looked when it came", **words),
        )
    else:
        result, summary = (
            Result.WARN,
            say("a security fix waits; since when is not known, it was there at the first look"),
        )
    return Outcome(
        subject=subject,
        result=result,
        summary=summary,
        expected=no_fix_waits(options),
        actual=say(
            "{installed} is installed, {offered} is offered, known for {days} days", **words, days=waited.days
        ),
    )


def day(when: datetime) -> str:
    """Write a day of UTC."""
    return when.strftime("%Y-%m-%d")


def some(names: Iterable[str], *, most: int = 5) -> str:
    """Name the first few."""
    names = tuple(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
