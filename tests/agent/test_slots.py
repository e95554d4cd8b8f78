"""Slots: which promised time a run answers, and which nobody can answer any more."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from agent.slots import check_schedule, due, slots_after
from config.duration import Duration
from config.errors import ConfigError
from config.model import Schedule

TOKYO = "Asia/Tokyo"
DAILY = Schedule(every=Duration("24h"), at="02:00", grace=Duration("6h"))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_daily_slot_is_meant_in_the_sites_zone():
    first, second = islice(slots_after(DAILY, TOKYO, utc("2026-11-22T12:00")), 2)
    assert first == utc("2026-11-22T17:00")
    assert second - first == timedelta(days=1)


def test_a_daily_slot_keeps_its_wall_time_when_the_clocks_change():
    slots = list(islice(slots_after(DAILY, "Europe/Berlin", utc("2026-03-27T12:00")), 3))
    assert [slot.hour for slot in slots] == [1, 1, 0]


def test_no_slot_is_yielded_twice_when_an_hour_comes_twice():
    hourly = Schedule(every=Duration("1h"), at="00:00")
    slots = list(islice(slots_after(hourly, "Europe/Berlin", utc("2026-10-24T20:00")), 30))
    assert slots == sorted(set(slots))


def test_a_weekly_slot_comes_once_a_week():
    weekly = Schedule(every=Duration("7d"), at="02:00")
    first, second = islice(slots_after(weekly, TOKYO, utc("2026-11-22T12:00")), 2)
    assert second - first == timedelta(days=7)


@pytest.mark.parametrize(
    ("now", "slot", "missed"),
    [
        ("2026-11-21T18:00", None, 0),  # the slot of the 21st was answered by the last run
        ("2026-11-22T17:00", "2026-11-22T17:00", 0),  # exactly on time
        ("2026-11-22T23:00", "2026-11-22T17:00", 0),  # the last moment of the grace
        ("2026-11-22T23:01", None, 1),  # too late: the run is made, the slot stays missed
        ("2026-11-24T17:30", "2026-11-24T17:00", 2),
    ],
)
def test_what_is_owed(now: str, slot: str | None, missed: int):
    owed = due(DAILY, TOKYO, utc("2026-11-21T17:05"), utc(now))
    assert owed.slot == (utc(slot) if slot else None)
    assert len(owed.missed) == missed
    assert owed.overdue is bool(missed)


def test_the_grace_ends_when_the_next_slot_comes():
    minutely = Schedule(every=Duration("1m"), at="00:00", grace=Duration("6h"))
    owed = due(minutely, TOKYO, utc("2026-11-22T10:00"), utc("2026-11-22T10:03"))
    assert owed.slot == utc("2026-11-22T10:03")
    assert owed.missed == (utc("2026-11-22T10:01"), utc("2026-11-22T10:02"))


def test_before_the_first_run_nothing_is_missed():
    owed = due(DAILY, TOKYO, None, utc("2026-11-22T18:00"))
    assert owed.slot == utc("2026-11-22T17:00")
    assert owed.missed == ()


@pytest.mark.parametrize("every", ["7h", "30s", "36h", "5000s"])
def test_an_interval_without_fixed_times_is_refused(every: str):
    with pytest.raises(ConfigError):
        check_schedule(Schedule(every=Duration(every)))


@pytest.mark.parametrize("every", ["1m", "90m", "6h", "24h", "7d", "2w"])
def test_an_interval_with_fixed_times_is_taken(every: str):
    check_schedule(Schedule(every=Duration(every)))
