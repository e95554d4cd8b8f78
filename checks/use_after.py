"""Whether somebody who left has logged in since: one record proves it, only a whole log disproves it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from checks.model import Outcome, Result, Subject, not_known
from checks.text import Text, say
from collectors.evidence import Reason
from collectors.facts import Fact, Known, Unknown
from collectors.probes.events import EventKind, EventsFacts
from collectors.probes.logins import LoginsFacts

_FRESH = timedelta(days=1)
"""a log whose youngest record is older than this may have stopped; one this far ahead has a wrong clock"""
_USES = (EventKind.ACCEPTED, EventKind.OPENED)


class Gone(Struct, frozen=True, kw_only=True):
    """One name of a person who left."""

    name: str
    left_on: str
    since: datetime
    """the end of the last day"""
    quiet: bool
    """whether the absence of log-ins is to be shown too"""


class _Use(Struct, frozen=True, kw_only=True):
    """One record of a log-in."""

    at: datetime | None
    """None when the record does not say"""
    rank: int
    """which says more of two that say the same time"""
    said: Text


def judge_use(
    gone: Gone, events: Fact[EventsFacts], logins: Fact[LoginsFacts], now: datetime
) -> Outcome | None:
    """Fail on a log-in after the last day; pass when the log covers the time since; None when not asked."""
    subject = Subject(kind="use", name=gone.name)
    expected = say("no log-in after {day}", day=gone.left_on)
    uses = list(_uses(gone.name, events, logins))
    proven = [(it.at, it) for it in uses if it.at and gone.since <= it.at <= now + _FRESH]
    if proven:
        at, last = max(proven, key=lambda it: (it[0], it[1].rank))
        return Outcome(
            subject=subject,
            result=Result.FAIL,
            summary=say(
                "{name} left on {day} and was let in on {time}",
                name=gone.name,
                day=gone.left_on,
                time=_stamp(at),
            ),
            expected=expected,
            actual=last.said,
        )
    if not gone.quiet:
        return None
    if any(it.at is None or it.at > now for it in uses):
        return not_known(subject, Reason.CORRUPT, expected, detail="a log-in at a time that was none")
    if isinstance(logins, Unknown):
        return not_known(subject, logins.reason, expected, detail=logins.detail or "records of log-ins")
    return _absence(gone, events, now)


def _absence(gone: Gone, events: Fact[EventsFacts], now: datetime) -> Outcome:
    """Pass when the log covers all the time since the last day; wtmp and lastlog prove no absence."""
    subject = Subject(kind="use", name=gone.name)
    expected = say("no log-in after {day}", day=gone.left_on)
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


def _uses(name: str, events: Fact[EventsFacts], logins: Fact[LoginsFacts]) -> Iterator[_Use]:
    """What is recorded of a person's log-ins; a record of wtmp or lastlog proves one, its lack nothing."""
    if isinstance(events, Known):
        for event in events.value.events:
            if event.name == name and event.kind in _USES:
                # sshd writes both lines; `accepted` says how.
                rank = 2 if event.kind is EventKind.ACCEPTED else 1
                yield _Use(at=event.at, rank=rank, said=say("let in by {method}", method=event.method))
    if isinstance(logins, Known):
        for log_in in logins.value.log_ins:
            if log_in.name == name:
                said = say("log-in on {line}, says {source}", line=log_in.line, source=log_in.source)
                yield _Use(at=log_in.at, rank=0, said=said)


def last_let_in(name: str, events: Fact[EventsFacts]) -> datetime | None:
    """Say when a log-in last found the account open.

    A record of wtmp proves that not: a terminal opened in a session that was left running makes one too.
    """
    found = events.value.events if isinstance(events, Known) else ()
    return max((it.at for it in found if it.name == name and it.kind in _USES), default=None)


def _stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC")
