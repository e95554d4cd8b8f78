"""The promised times of the self-inspection, and which of them a run answers or missed.

Pure: the clock value comes in. Slots are wall-clock times in the site's zone, so a daily slot at
02:00 stays at 02:00 when the clocks change; on the day on which 02:00 does not exist it is the
instant that zone's rules give (PEP 495, fold=0).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from config.errors import ConfigError
from config.model import Schedule

DAY_S = 86_400
MOST_MISSED = 1_000
"""missed slots named one by one in a plan; a gap longer than that is no list any more"""


class Due(Struct, frozen=True, kw_only=True):
    """What is owed at one moment."""

    slot: datetime | None
    """the slot a run now would answer"""
    missed: tuple[datetime, ...]
    """slots since the last run that nothing can answer any more"""
    next_slot: datetime

    @property
    def overdue(self) -> bool:
        """Whether the promise is broken already: a slot passed without a run."""
        return bool(self.missed)


def check_schedule(schedule: Schedule) -> None:
    """Raise ConfigError for an interval that has no fixed times of day."""
    seconds = schedule.every.seconds
    if seconds % DAY_S and DAY_S % seconds:
        message = f"schedule.every = {schedule.every.text!r} neither divides a day nor is whole days"
        raise ConfigError(message, hint="Use for instance 15m, 1h, 6h, 24h, 7d.")
    if seconds < 60:  # noqa: PLR2004 (cron's own grain)
        message = f"schedule.every = {schedule.every.text!r} is shorter than a minute"
        raise ConfigError(message, hint="Use 1m or more.")


def slots_after(schedule: Schedule, zone: str, after: datetime) -> Iterator[datetime]:
    """Yield the slots later than `after`, in UTC, without end."""
    tz = ZoneInfo(zone)
    hour, minute = (int(part) for part in schedule.at.split(":"))
    every_days = max(schedule.every.seconds // DAY_S, 1)
    step_s = min(schedule.every.seconds, DAY_S)
    day = after.astimezone(tz).date() - timedelta(days=every_days)
    last = after
    while True:
        if day.toordinal() % every_days == 0:
            for slot in _of_day(day, tz, hour * 3_600 + minute * 60, step_s):
                # The clocks may be put back: never twice the same instant, never backwards.
                if slot > last:
                    last = slot
                    yield slot
        day += timedelta(days=1)


def _of_day(day: date, tz: ZoneInfo, first_s: int, step_s: int) -> list[datetime]:
    start = first_s % step_s if step_s < DAY_S else first_s
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 (wall clock; the zone follows)
    walls = (midnight + timedelta(seconds=offset) for offset in range(start, DAY_S, step_s))
    return sorted({wall.replace(tzinfo=tz).astimezone(UTC) for wall in walls})


def due(schedule: Schedule, zone: str, last_run: datetime | None, now: datetime) -> Due:
    """Say what is owed at `now`, given the clock value of the last sealed run.

    Each run accounts for every slot up to its own clock value, so only later ones are looked at.
    A slot can be answered until its grace is over or the next slot comes. Before the first run
    nothing is missed: there is no record that anything had been promised yet.
    """
    grace = timedelta(seconds=min(schedule.grace.seconds, schedule.every.seconds))
    since = last_run if last_run is not None else now - grace
    passed: list[datetime] = []
    following = None
    for slot in slots_after(schedule, zone, since):
        if slot > now:
            following = slot
            break
        passed.append(slot)
        if len(passed) > MOST_MISSED:
            del passed[0]
    if following is None:  # slots never end
        raise AssertionError
    current = passed[-1] if passed and now - passed[-1] <= grace else None
    missed = passed[:-1] if current else passed
    return Due(slot=current, missed=tuple(missed) if last_run is not None else (), next_slot=following)
