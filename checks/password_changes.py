"""Whether the day of a password's last change was moved without a change: shadow(5) and the log side by side.

The hash would tell at once, but neither it nor anything made from it leaves a host. So own history says that
the day has moved, and the log of that day says whether anybody changed the password.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from checks.model import History, Outcome, Result, Subject, not_known
from checks.text import Text, say
from collectors.facts import Fact, Unknown
from collectors.probes.pwchanges import PasswordChangesFacts
from collectors.probes.shadow import PasswordState, ShadowEntry, ShadowFacts

CHANGES = "changes"
_ID = f"password-rotation/{CHANGES}"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def watch_changes(shadow: ShadowFacts, changes: PasswordChangesFacts) -> Iterator[str]:
    """Remember each password's day, and what the log said of it while it reached back to that day."""
    for entry in _dated(shadow):
        yield f"day:{entry.name}:{entry.changed_day}"
        told = _told(entry, changes)
        if told is not None:
            yield f"{'logged' if told else 'unlogged'}:{entry.name}:{entry.changed_day}"


def judge_changes(
    shadow: ShadowFacts, written: datetime | None, changes: Fact[PasswordChangesFacts], history: History
) -> Iterator[Outcome]:
    """Warn of a day after shadow's last write, and of one that moved and that the whole log does not know.

    `written` is the ctime of shadow: whoever changes a password writes it.
    """
    for entry in _dated(shadow):
        if written and _day(written) < (entry.changed_day or 0):
            yield _warning(entry, say("shadow was last written on {day}", day=f"{written:%Y-%m-%d}"))
            continue
        if not _has_moved(entry, history):
            continue
        told = None if isinstance(changes, Unknown) else _told(entry, changes.value)
        if told or _remembered(entry, history, "logged"):
            continue
        if told is False or _remembered(entry, history, "unlogged"):
            yield _warning(entry, say("no line of that day says that the password was changed"))
        elif isinstance(changes, Unknown):
            it = _warning(entry, say(""))
            yield not_known(it.subject, changes.reason, it.expected, detail=changes.detail)


def _warning(entry: ShadowEntry, actual: Text) -> Outcome:
    day = _EPOCH + timedelta(days=entry.changed_day or 0)
    return Outcome(
        subject=Subject(kind="password-change", name=entry.name),
        result=Result.WARN,
        summary=say("the day of {name}'s last change moved without a change", name=entry.name),
        expected=say("a change of the password on {day}", day=f"{day:%Y-%m-%d}"),
        actual=actual,
    )


def _remembered(entry: ShadowEntry, history: History, kind: str) -> bool:
    return history.last_seen(_ID, f"{kind}:{entry.name}:{entry.changed_day}") is not None


def _day(moment: datetime) -> int:
    return (moment - _EPOCH).days


def _dated(shadow: ShadowFacts) -> Iterator[ShadowEntry]:
    for entry in shadow.entries:
        if entry.state is PasswordState.SET and entry.changed_day and not entry.damaged:
            yield entry


def _has_moved(entry: ShadowEntry, history: History) -> bool:
    """Whether the look before this day was first seen saw an earlier one."""
    key = f"day:{entry.name}:{entry.changed_day}"
    before = history.unseen_at(_ID, key) if history.since(_ID, key) is not None else history.looked_at(_ID)
    prefix = History.key(_ID, f"day:{entry.name}:")
    return before is not None and any(
        sighting.last == before and int(known.removeprefix(prefix)) < (entry.changed_day or 0)
        for known, sighting in history.seen.items()
        if known.startswith(prefix)
    )


def _told(entry: ShadowEntry, changes: PasswordChangesFacts) -> bool | None:
    """Whether the log knows of a change then; None when it was not searched or does not hold that day."""
    day = entry.changed_day or 0
    # The days beside it too: the line may be written a moment after midnight.
    if any(it.name == entry.name and abs(it.day - day) <= 1 for it in changes.changes):
        return True
    if changes.covered_from is None or changes.covered_to is None or entry.name not in changes.recent:
        return None
    start = _EPOCH + timedelta(days=day)
    whole = changes.covered_from <= start and changes.covered_to >= start + timedelta(days=1)
    return False if whole else None
