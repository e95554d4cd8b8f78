"""Dates for the time stamps of log lines, with the year where the line has none.

Lines of RFC 3164 section 4.1.2 carry neither year nor zone. The year comes from what must be later than
the line: the file's last change, and the first line of the file that followed it.
"""

import re
from datetime import UTC, datetime, timedelta

from msgspec import Struct

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""a clock that showed less was not set when the line was written"""
SLACK = timedelta(days=1)
"""zones and summer time move a stamp by less than this"""
_LEAP_CYCLE = 9
"""years to look back for a 29 February: over 1900 or 2100 eight lie between two"""

_RFC3164 = re.compile(r"([A-Z][a-z]{2}) ([ 0-3][0-9]) ([0-2][0-9]):([0-5][0-9]):([0-6][0-9])")
_ISO = re.compile(
    r"([12][0-9]{3})[-/]([01][0-9])[-/]([0-3][0-9])[T ]([0-2][0-9]):([0-5][0-9]):([0-6][0-9])"
    r"(?: ?(Z|[-+][0-2][0-9]:?[0-5][0-9]))?"
)
_CLF = re.compile(
    r"([0-3][0-9])/([A-Z][a-z]{2})/([12][0-9]{3}):([0-2][0-9]):([0-5][0-9]):([0-6][0-9]) ([-+][0-9]{4})"
)
_EPOCH = re.compile(r"[0-9]{9,10}")
_ZONE = re.compile(r"([-+])([0-2][0-9]):?([0-5][0-9])")


class Yearless(Struct, frozen=True, kw_only=True):
    """A stamp that does not say its year."""

    month: int
    day: int
    second: int
    """of the day"""


def read_zone(text: str) -> timedelta | None:
    """Read `Z`, `+0900` or `+09:00`; None for anything else."""
    if text == "Z":
        return timedelta()
    found = _ZONE.fullmatch(text)
    if found is None:
        return None
    span = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -span if found[1] == "-" else span


def read_stamp(text: str, zone: timedelta) -> datetime | Yearless | None:
    """Read one stamp as the probe reduced it; `zone` is for those that name none. None: not a time."""
    if _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(int(text), tz=UTC)
    if found := _RFC3164.fullmatch(text):
        month, second = _month(found[1]), _second(found[3], found[4], found[5])
        # 2000 was a leap year: every day that exists exists in it.
        if month is None or second is None or _date(2000, month, int(found[2])) is None:
            return None
        return Yearless(month=month, day=int(found[2]), second=second)
    if found := _ISO.fullmatch(text):
        offset = read_zone(found[7]) if found[7] else zone
        return _moment(int(found[1]), int(found[2]), int(found[3]), _second(*found.group(4, 5, 6)), offset)
    if found := _CLF.fullmatch(text):
        offset = read_zone(found[7])
        return _moment(int(found[3]), _month(found[2]), int(found[1]), _second(*found.group(4, 5, 6)), offset)
    return None


def read_moment(text: str) -> datetime | None:
    """Read seconds since 1970; None for what no calendar of ours holds or no clock of a log shows."""
    if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) > 4_102_444_800:  # noqa: PLR2004 (the year 2100)
        return None
    return datetime.fromtimestamp(int(text), tz=UTC)


def latest(stamp: Yearless, bound: datetime, zone: timedelta) -> datetime | None:
    """Return the last time up to a day after `bound` at which a clock in `zone` showed `stamp`.

    The youngest reading: a log is never called older than it must be.
    """
    local = bound + zone
    for year in range(local.year + 1, local.year - _LEAP_CYCLE, -1):
        moment = _moment(year, stamp.month, stamp.day, stamp.second, zone)
        if moment is not None and moment <= bound + SLACK:
            return moment
    return None


def _moment(
    year: int, month: int | None, day: int, second: int | None, zone: timedelta | None
) -> datetime | None:
    if month is None or second is None or zone is None:
        return None
    midnight = _date(year, month, day)
    # Near the ends of the calendar an offset would overflow; no log is from there.
    if midnight is None or not 1_000 <= year < 9_000:  # noqa: PLR2004
        return None
    return midnight + timedelta(seconds=second) - zone


def _date(year: int, month: int, day: int) -> datetime | None:
    try:
        return datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None


def _month(name: str) -> int | None:
    return MONTHS.index(name) + 1 if name in MONTHS else None


def _second(hour: str, minute: str, second: str) -> int | None:
    return int(hour) * 3_600 + int(minute) * 60 + int(second) if int(hour) < 24 else None  # noqa: PLR2004
