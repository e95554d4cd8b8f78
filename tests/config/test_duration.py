"""Durations as operators write them: exact, positive, and without units that have no fixed length."""

import re
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.codec import dec_hook, enc_hook
from config.duration import PATTERN, Duration


@pytest.mark.parametrize(
    ("text", "seconds", "days"),
    [
        ("1s", 1, 0),
        ("15m", 900, 0),
        ("24h", 86_400, 1),
        ("23h", 82_800, 0),
        ("90d", 7_776_000, 90),
        ("2w", 1_209_600, 14),
    ],
)
def test_a_duration_is_a_number_of_seconds(text: str, seconds: int, days: int):
    duration = Duration(text)
    assert (duration.seconds, duration.days, str(duration)) == (seconds, days, text)
    assert duration.timedelta == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0d",
        "-1d",
        "01d",
        "1",
        "d",
        "1 d",
        "1d ",
        "1D",
        "1.5d",
        "1y",
        "1mo",
        "1d12h",
        "\uff11d",
        "1d\n",
        "٣d",
    ],
)
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(ValueError, match="expected a duration"):
        Duration(text)


@pytest.mark.parametrize("text", ["36526d", "999999999w", "999999999d"])
def test_what_would_leave_the_calendar_is_refused(text: str):
    """A timedelta of it raises OverflowError, in the middle of a run."""
    with pytest.raises(ValueError, match="at most a century"):
        Duration(text)
    assert Duration("36525d").timedelta.days == 36_525


def test_equal_spans_are_equal_however_they_were_written():
    assert Duration("1d") == Duration("24h")
    assert len({Duration("1d"), Duration("24h"), Duration("1h")}) == 2
    assert Duration("1d") != 86_400


@given(st.integers(1, 999), st.sampled_from("smhdw"))
def test_a_duration_survives_its_way_through_json(number: int, unit: str):
    raw = msgspec.json.encode(Duration(f"{number}{unit}"), enc_hook=enc_hook)
    assert msgspec.json.decode(raw, type=Duration, dec_hook=dec_hook).text == f"{number}{unit}"


@pytest.mark.parametrize("raw", [b"24", b"null", b"true", b'"24"', b"{}"])
def test_a_number_without_its_unit_is_no_duration(raw: bytes):
    with pytest.raises(msgspec.ValidationError, match="expected a duration"):
        msgspec.json.decode(raw, type=Duration, dec_hook=dec_hook)


@given(st.text(alphabet="0159smhdwy -\n", max_size=5))
def test_the_published_pattern_says_what_the_reader_takes(text: str):
    """Up to a century, which no pattern can say: four digits of weeks may be more."""
    matches = bool(re.search(PATTERN.replace("$", r"\Z"), text))
    too_long = text.endswith("w") and matches and int(text[:-1]) > 36_525 // 7
    assert (matches and not too_long) == _is_duration(text)


def _is_duration(text: str) -> bool:
    try:
        Duration(text)
    except ValueError:
        return False
    return True
