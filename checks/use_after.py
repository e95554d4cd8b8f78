"""Whether somebody who left has logged in since: one record proves it, only a whole log disproves it."""

from datetime import datetime, timedelta

from msgspec import Struct

from checks.model import Outcome, Result, Subject, not_known
from checks.text import say
from collectors.evidence import Reason
from collectors.facts import Fact, Unknown
from collectors.probes.events import Event, EventKind, EventsFacts

_FRESH = timedelta(days=1)
"""a log whose youngest record is older than this may have stopped"""
_USES = (EventKind.ACCEPTED, EventKind.OPENED)


class Gone(Struct, frozen=True, kw_only=True):
    """One name of a person who left."""

    name: str
    left_on: str
    since: datetime
    """the end of the last day"""
    quiet: bool
    """whether the absence of log-ins is to be shown too"""


def judge_use(gone: Gone, events: Fact[EventsFacts], now: datetime) -> Outcome | None:
    """Fail on a log-in after the last day; pass when the log covers the time since; None when not asked."""
    subject = Subject(kind="use", name=gone.name)
    expected = say("no log-in after {day}", day=gone.left_on)
    last = _last_use(gone, events)
    if last:
        return Outcome(
            subject=subject,
            result=Result.FAIL,
            summary=say(
                "{name} left on {day} and was let in on {time}",
                name=gone.name,
                day=gone.left_on,
                time=_stamp(last.at),
            ),
            expected=expected,
            actual=say("let in by {method}", method=last.method),
        )
    if not gone.quiet:
        return None
    if isinstance(events, Unknown):
        return not_known(subject, events.reason, expected, detail=events.detail or "log of log-ins")
    facts = events.value
    if gone.name not in facts.asked:
        return not_known(subject, Reason.NOT_COLLECTED, expected, detail="not searched for")
    start, end = facts.covered_from, facts.covered_to
    if start is None or end is None:
        return not_known(
            subject, facts.hidden or Reason.NO_SOURCE, expected, detail="no log could be searched"
        )
    if start > gone.since or end < now - _FRESH:
        return not_known(
            subject,
            facts.hidden or Reason.NO_SOURCE,
            expected,
            detail=f"the log covers {_stamp(start)} to {_stamp(end)}",
        )
    if not facts.log_ins:
        return not_known(subject, Reason.NO_SOURCE, expected, detail="the log holds no log-in of anybody")
    return Outcome(
        subject=subject,
        result=Result.PASS,
        summary=say("{name} left on {day} and has not logged in since", name=gone.name, day=gone.left_on),
        expected=expected,
        actual=say("no log-in from {start} to {end}", start=_stamp(start), end=_stamp(end)),
    )


def _last_use(gone: Gone, events: Fact[EventsFacts]) -> Event | None:
    if isinstance(events, Unknown):
        return None
    uses = [
        event
        for event in events.value.events
        if event.name == gone.name and event.kind in _USES and event.at >= gone.since
    ]
    # sshd writes both lines; `accepted` says how.
    return max(uses, key=lambda it: (it.at, it.kind is EventKind.ACCEPTED), default=None)


def _stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC")
