"""Dates as an HR list writes them: ISO, slashes, Japanese, and the years of an era."""

import re
import unicodedata
from datetime import date
from functools import lru_cache

EARLIEST_YEAR, LATEST_YEAR = 1926, 2199
NEVER_YEAR = 9999
"""9999-12-31 is how HR systems write that somebody has not left"""

_ERAS = {
    "昭和": (date(1926, 12, 25), date(1989, 1, 7)),
    "平成": (date(1989, 1, 8), date(2019, 4, 30)),
    "令和": (date(2019, 5, 1), date(LATEST_YEAR, 12, 31)),
}
"""first and last day; sources: cabinet orders on era names No. 1 of 1989 and No. 143 of 2019"""
_LETTERS = {"S": "昭和", "H": "平成", "R": "令和"}

_SIGNS = re.compile(r"[0-9年月日元令和平成昭RHSTrhst/.: -]{1,32}")
"""what an error may repeat: it cannot spell anybody's name"""
_MIDNIGHT = re.compile(r"(?:T| +)0?0:00(?::00(?:\.0+)?)?$")
_SPELLINGS = (
    re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"),
    re.compile(r"([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})"),
    re.compile(r"([0-9]{4})\.([0-9]{1,2})\.([0-9]{1,2})"),
    re.compile(r"([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})日"),
    re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})"),
)
_ERA_SPELLINGS = (
    re.compile(r"(令和|平成|昭和|[RHSrhs])(元|[0-9]{1,2})年([0-9]{1,2})月([0-9]{1,2})日"),
    re.compile(r"(令和|平成|昭和|[RHSrhs])\.?(元|[0-9]{1,2})[./-]([0-9]{1,2})[./-]([0-9]{1,2})"),
)


class DateError(ValueError):
    """The cell holds no date that exists."""


@lru_cache(maxsize=4_096)
def read_date(cell: str) -> date | None:
    """Return the day a cell names; None for an empty one and for the year 9999.

    Raises DateError for what is no date, for a day that no calendar has, and for a day outside of
    the era it is written in. Day-first and month-first spellings are refused: they cannot be told
    apart.
    """
    text = unicodedata.normalize("NFKC", cell).strip()
    shown = f'"{text}"' if _SIGNS.fullmatch(text) else "the cell"
    text = _MIDNIGHT.sub("", text).replace(" ", "")
    if not text:
        return None
    for spelling in _SPELLINGS:
        found = spelling.fullmatch(text)
        if found:
            return _day(int(found[1]), int(found[2]), int(found[3]), shown)
    for spelling in _ERA_SPELLINGS:
        found = spelling.fullmatch(text)
        if found:
            return _day_of_era(found, shown)
    message = f"{shown} is no date; write it as 2026-03-31, 2026/3/31, 2026年3月31日 or 令和8年3月31日"
    raise DateError(message)


def _day_of_era(found: re.Match[str], shown: str) -> date:
    era = _LETTERS.get(found[1].upper(), found[1])
    begin, end = _ERAS[era]
    count = 1 if found[2] == "元" else int(found[2])
    day = _day(begin.year + count - 1, int(found[3]), int(found[4]), shown) if count else None
    if day is None or not begin <= day <= end:
        message = f"{shown} is no day of the era, which lasted from {begin} to {end}"
        if era == "令和":
            message = f"{shown} is no day of the era, which began on {begin}"
        raise DateError(message)
    return day


def _day(year: int, month: int, day: int, shown: str) -> date | None:
    try:
        found = date(year, month, day)
    except ValueError:
        message = f"{shown} is no day of the calendar"
        raise DateError(message) from None
    if year == NEVER_YEAR:
        return None
    if not EARLIEST_YEAR <= year <= LATEST_YEAR:
        message = f"{shown} is not between the years {EARLIEST_YEAR} and {LATEST_YEAR}"
        raise DateError(message)
    return found
