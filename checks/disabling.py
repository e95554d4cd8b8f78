"""How long closing an account took: an interval from what is proven, judged against a deadline."""

from datetime import datetime

from msgspec import Struct

from checks.model import Clock, History, Outcome, Result, Subject, not_known
from checks.text import say
from collectors.evidence import Reason


class Closing(Struct, frozen=True, kw_only=True):
    """What the files say about when an account was closed."""

    name: str
    deadline: datetime
    since: datetime | None
    """the instant from which the present lines close it; None for an account that is gone"""
    changed: datetime | None
    """ctime of the file that closes it: the lines are no younger than this"""


def judge_time(safeguard: str, closing: Closing, history: History, clock: Clock) -> Outcome:
    """Pass when it was closed by the deadline at the latest, fail when it cannot have been, else unknown.

    Only what is proven counts: an end date that was set before it came, the last change of the file,
    and what earlier runs saw. The time of a password change or of the file's content is no proof.
    """
    not_before = history.last_seen(safeguard, f"open:{closing.name}")
    not_after = clock.as_of
    seen_closed = history.since(safeguard, f"closed:{closing.name}")
    if seen_closed:
        not_after = min(not_after, seen_closed)
    if closing.changed:
        not_after = min(not_after, max(closing.changed, closing.since or closing.changed))
        if closing.since and closing.changed < closing.since:
            # Set in advance: it was open up to that very instant.
            not_before = max(not_before or closing.since, closing.since)
    subject = Subject(kind="disable-time", name=closing.name)
    expected = say("closed by {deadline}", deadline=_stamp(closing.deadline))
    earliest = _stamp(not_before) if not_before else "?"
    if not_after <= closing.deadline:
        return Outcome(
            subject=subject,
            result=Result.PASS,
            summary=say("{name} was closed in time", name=closing.name),
            expected=expected,
            actual=say("closed by {time}", time=_stamp(not_after)),
        )
    if not_before and not_before > closing.deadline:
        return Outcome(
            subject=subject,
            result=Result.FAIL,
            summary=say("{name} was closed too late", name=closing.name),
            expected=expected,
            actual=say("closed between {earliest} and {latest}", earliest=earliest, latest=_stamp(not_after)),
        )
    return not_known(
        subject,
        Reason.UNDETERMINED,
        expected,
        detail=f"closed between {earliest} and {_stamp(not_after)}",
    )


def _stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC")
