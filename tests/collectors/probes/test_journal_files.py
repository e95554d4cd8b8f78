"""Holes in a journal: by numbers where the row goes on, by time where it had to begin anew."""

from datetime import UTC, datetime, timedelta

import pytest

from collectors.evidence import Part
from collectors.probes.journal_files import JournalFile, journal_file, unbroken_since
from config.errors import ParseError

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
_PART = Part.of("journal", "read", b"")


def _file(row: str, first: int, last: int, since_h: float, until_h: float) -> JournalFile:
    hours = [NOON + timedelta(hours=it) for it in (since_h, until_h)]
    return JournalFile(row=row, first=first, last=last, since=hours[0], until=hours[1])


OLD = _file("a", 1, 100, 0, 10)


@pytest.mark.parametrize(
    ("later", "is_whole"),
    [
        (_file("a", 101, 200, 10, 20), True),
        # The host was off for a month: no number is missing.
        (_file("a", 101, 200, 730, 740), True),
        # Entries of users' files have the numbers in between.
        (_file("a", 104, 200, 11, 20), True),
        (_file("a", 104, 200, 11.1, 20), False),
        (_file("b", 1, 200, 58, 60), True),
        (_file("b", 1, 200, 58.1, 60), False),
    ],
)
def test_a_hole_begins_where_numbers_and_time_are_missing(later: JournalFile, *, is_whole: bool) -> None:
    expected = (NOON, False) if is_whole else (later.since, True)
    assert unbroken_since([OLD, later]) == unbroken_since([later, OLD]) == expected


def test_only_what_follows_the_last_hole_is_unbroken() -> None:
    files = [OLD, _file("a", 500, 600, 20, 30), _file("a", 601, 700, 30, 40)]
    assert unbroken_since(files) == (NOON + timedelta(hours=20), True)
    assert unbroken_since([]) == (None, False)


def test_a_row_of_another_shape_is_a_parse_error_and_a_time_that_is_none_no_file() -> None:
    words = ["a" * 32, "1", "2", "2026-11-01T12:00:00", "2026-11-01T13:00:00"]
    assert journal_file(_PART, 1, words) == JournalFile(
        row="a" * 32, first=1, last=2, since=NOON, until=NOON + timedelta(hours=1)
    )
    assert journal_file(_PART, 1, [*words[:3], "n/a", "x"]) is None
    for bad in (words[:4], [words[0], "x", *words[2:]]):
        with pytest.raises(ParseError):
            journal_file(_PART, 1, bad)
