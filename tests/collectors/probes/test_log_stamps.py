"""Dates of log lines."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.probes.log_stamps import Yearless, latest, read_stamp, read_zone

UTC0 = timedelta()
JST = timedelta(hours=9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1767000000", datetime(2025, 12, 29, 9, 20, tzinfo=UTC)),
        ("2026-01-05T06:25:00Z", datetime(2026, 1, 5, 6, 25, tzinfo=UTC)),
        ("2026-01-05T06:25:00+09:00", datetime(2026, 1, 4, 21, 25, tzinfo=UTC)),
        ("2026-01-05 06:25:00", datetime(2026, 1, 4, 21, 25, tzinfo=UTC)),
        ("2026/01/05 06:25:00 +0000", datetime(2026, 1, 5, 6, 25, tzinfo=UTC)),
        ("05/Jan/2026:06:25:00 -0500", datetime(2026, 1, 5, 11, 25, tzinfo=UTC)),
        ("2026-02-30T06:25:00Z", None),
        ("2026-01-05T29:25:00Z", None),
        ("05/Foo/2026:06:25:00 -0500", None),
        ("Foo  5 06:25:00", None),
        ("Jan  0 06:25:00", None),
        ("?", None),
        ("root:*:19000", None),
    ],
)
def test_a_stamp_is_read_in_its_own_zone_or_the_hosts(text: str, expected: datetime | None) -> None:
    assert read_stamp(text, JST) == expected


@pytest.mark.parametrize(
    ("month", "day", "bound", "year"),
    [
        (12, 29, datetime(2026, 1, 4, tzinfo=UTC), 2025),
        (1, 4, datetime(2026, 1, 4, tzinfo=UTC), 2026),
        (1, 5, datetime(2026, 1, 4, tzinfo=UTC), 2026),  # the slack of a day: zones differ
        (1, 6, datetime(2026, 1, 4, tzinfo=UTC), 2025),
        (1, 1, datetime(2025, 12, 31, 12, tzinfo=UTC), 2026),
        (2, 29, datetime(2026, 1, 4, tzinfo=UTC), 2024),
        (2, 29, datetime(2024, 2, 29, tzinfo=UTC), 2024),
    ],
)
def test_the_year_is_the_youngest_that_is_possible(month: int, day: int, bound: datetime, year: int) -> None:
    found = latest(Yearless(month=month, day=day, second=0), bound, UTC0)
    assert found == datetime(year, month, day, tzinfo=UTC)


@given(st.datetimes(datetime(2001, 1, 1), datetime(2090, 1, 1)), st.integers(0, 363))  # noqa: DTZ001 (naive by contract)
def test_a_line_of_the_year_before_the_last_change_gets_its_own_year(at: datetime, days: int) -> None:
    written = at.replace(microsecond=0, tzinfo=UTC)
    stamp = read_stamp(f"{written:%b} {written.day:>2} {written:%H:%M:%S}", UTC0)
    assert isinstance(stamp, Yearless)
    assert latest(stamp, written + timedelta(days=days), UTC0) == written


@pytest.mark.parametrize(("text", "hours"), [("Z", 0), ("+0900", 9), ("-05:00", -5), ("JST", None)])
def test_zones(text: str, hours: int | None) -> None:
    assert read_zone(text) == (None if hours is None else timedelta(hours=hours))
