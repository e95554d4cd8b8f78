"""How long closing an account took: an interval from what is proven, judged against a deadline."""

from collections.abc import Iterator
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
    """ctime of the file that closes it: the lines are no younger than this; None where no file does"""
    logged: Logged | None = None
    let_in: datetime | None = None
    """the last log-in of the log: it was open then"""


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
    ends = [(clock.as_of, "this run")]
    starts: list[tuple[datetime, str]] = []
    if seen_open := history.last_seen(safeguard, f"open:{closing.name}"):
        starts.append((seen_open, "an earlier run"))
    if seen_closed := history.since(safeguard, f"closed:{closing.name}"):
        ends.append((seen_closed, "an earlier run"))
    if closing.changed:
        changed = max(closing.changed, closing.since or closing.changed)
        if seen_open is None or changed >= seen_open:
            ends.append((changed, "the file's last change"))
        if closing.since and closing.changed < closing.since:
            # Set in advance: it was open up to that very instant.
            starts.append((closing.since, "the expiry date"))
    # What closed it before it was last open is not the closing that holds now. Of the file that is left to
    # earlier runs: a log that was not read must not prove more than one that was.
    starts.extend(_opened_in_log(closing))
    if closing.logged and all(it <= closing.logged.not_after for it, _ in starts):
        ends.append((closing.logged.not_after, "the log"))
    not_after, after_by = min(ends)
    # Nothing is open after it was closed: such a record has a wrong clock.
    not_before, before_by = max((it for it in starts if it[0] <= not_after), default=(None, ""))
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


def _opened_in_log(closing: Closing) -> Iterator[tuple[datetime, str]]:
    if closing.logged and closing.logged.not_before:
        yield closing.logged.not_before, "the log"
    if closing.let_in:
        yield closing.let_in, "a log-in"


def _stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC")
