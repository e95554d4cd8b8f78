"""How long closing an account took: an interval from what is proven, judged against a deadline."""

from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from checks.model import Clock, History, Outcome, Result, Subject, not_known
from checks.text import say
from collectors.evidence import Reason
from collectors.probes.events import Event, EventKind


class Logged(Struct, frozen=True, kw_only=True):
    """What the log says of the closing that holds now."""

    not_before: datetime | None
    """it was open until here; None when the log does not say"""
    not_after: datetime


class Closing(Struct, frozen=True, kw_only=True):
    """What the files say about when an account was closed."""

    name: str
    deadline: datetime
    since: datetime | None
    """the instant from which the present lines close it; None for an account that is gone"""
    changed: datetime | None
    """ctime of the file that closes it: the lines are no younger than this"""
    logged: Logged | None = None


def closing_in_log(
    events: tuple[Event, ...], name: str, expires: date | None, since: datetime | None
) -> Logged | None:
    """Find the line that closed an account; `expires` and `since` are None for one that is gone.

    A locked password is no closing. chage(1) writes no dates, so a line counts only while the date it set
    is the one that stands, and what it says of the date before is what it was.
    """
    own = [event for event in events if event.name == name]
    changes = [event for event in own if event.kind is EventKind.EXPIRE_CHANGE]
    found: Logged | None = None
    if expires and since:
        # Without PAM the day itself is still open.
        offset = since - _midnight(expires)
        if changes and changes[-1].after == expires and timedelta() <= offset <= timedelta(days=1):
            found = _first_closing(changes, offset)
    elif expires is None and since is None:
        gone = [event.at for event in own if event.kind is EventKind.DELETE_USER]
        if gone:
            earlier = _first_closing([it for it in changes if it.at <= gone[-1]], timedelta(days=1))
            late = earlier is None or earlier.not_after > gone[-1]
            found = Logged(not_before=None, not_after=gone[-1]) if late else earlier
    if found is None:
        return None
    seen = [it.at for it in own if it.kind in (EventKind.ACCEPTED, EventKind.OPENED)]
    if seen and max(seen) > found.not_after:
        return None  # somebody got in afterwards, so it was opened again without a line
    if seen and (found.not_before is None or max(seen) > found.not_before):
        return Logged(not_before=max(seen), not_after=found.not_after)
    return found


def _first_closing(changes: list[Event], offset: timedelta) -> Logged | None:
    """Walk back from the last change of the date to the one that found the account open."""
    after: Logged | None = None
    for number in range(len(changes) - 1, -1, -1):
        change = changes[number]
        if not change.plain or change.after is None:
            return after
        if after and change.after != changes[number + 1].before:
            return after  # changed in between by what writes no dates
        ends = max(change.at, _midnight(change.after) + offset)
        was_closed = change.before is not None and _midnight(change.before) + offset <= change.at
        if not was_closed:
            return Logged(not_before=ends, not_after=ends)
        after = Logged(not_before=None, not_after=change.at)
    return after


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def judge_time(safeguard: str, closing: Closing, history: History, clock: Clock) -> Outcome:
    """Pass when it was closed by the deadline at the latest, fail when it cannot have been, else unknown.

    Only what is proven counts: an end date that was set before it came, the last change of the file,
    lines of the log, and what earlier runs saw. The time of a password change or of the file's content
    is no proof.
    """
    seen_open = history.last_seen(safeguard, f"open:{closing.name}")
    seen_closed = history.since(safeguard, f"closed:{closing.name}")
    logged = closing.logged
    if logged and seen_open and logged.not_after < seen_open:
        logged = None  # opened again since, without a line
    ends = [(clock.as_of, "this run")]
    starts = [(seen_open, "an earlier run")] if seen_open else []
    if seen_closed:
        ends.append((seen_closed, "an earlier run"))
    if closing.changed:
        ends.append((max(closing.changed, closing.since or closing.changed), "the file's last change"))
        if closing.since and closing.changed < closing.since:
            # Set in advance: it was open up to that very instant.
            starts.append((closing.since, "the expiry date"))
    if logged:
        ends.append((logged.not_after, "the log"))
        if logged.not_before:
            starts.append((logged.not_before, "the log"))
    not_after, after_by = min(ends)
    not_before, before_by = max(starts) if starts else (None, "")
    subject = Subject(kind="disable-time", name=closing.name)
    expected = say("closed by {deadline}", deadline=_stamp(closing.deadline))
    earliest = _stamp(not_before) if not_before else "?"
    if not_after <= closing.deadline:
        return Outcome(
            subject=subject,
            result=Result.PASS,
            summary=say("{name} was closed in time", name=closing.name),
            expected=expected,
            actual=say("closed by {time}, says {source}", time=_stamp(not_after), source=after_by),
        )
    if not_before and not_before > closing.deadline:
        return Outcome(
            subject=subject,
            result=Result.FAIL,
            summary=say("{name} was closed too late", name=closing.name),
            expected=expected,
            actual=say(
                "closed between {earliest} and {latest}, says {source}",
                earliest=earliest,
                latest=_stamp(not_after),
                source=before_by,
            ),
        )
    return not_known(
        subject,
        Reason.UNDETERMINED,
        expected,
        detail=f"closed between {earliest} and {_stamp(not_after)}",
    )


def _stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC")
