import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import FormatError
from reports import canonical

KEYS = st.text(st.characters(max_codepoint=127), max_size=6)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_every_allowed_value_comes_back_from_its_one_spelling(value: Any) -> None:
    raw = canonical.encode(value)
    assert canonical.decode(raw) == value
    assert raw == json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


@given(VALUES)
def test_sorted_msgspec_writes_the_same_bytes(value: Any) -> None:
    """The documents are written by msgspec and checked here: the two must never part."""
    assert msgspec.json.encode(value, order="sorted") == canonical.encode(value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_what_is_read_is_written_the_same(raw: bytes) -> None:
    try:
        value = canonical.decode(raw)
    except FormatError:
        return
    assert canonical.encode(value) == raw


@given(VALUES, st.integers(0, 10_000), st.sampled_from([b" ", b"\n", b"\t", b"\xef\xbb\xbf"]))
def test_white_space_outside_of_strings_is_refused(value: Any, place: int, space: bytes) -> None:
    raw = canonical.encode(value)
    place %= len(raw) + 1
    changed = raw[:place] + space + raw[place:]
    try:
        again = canonical.decode(changed)
    except FormatError:
        return
    assert again != value, "only inside a string can a space mean something"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b"1.0",
        b"1e3",
        b"-0",
        b"01",
        b"NaN",
        b"Infinity",
        b"9007199254740992",
        b"-9007199254740992",
        b"9" * 5_000,
        b'"\\u0041"',
        b'"\\/"',
        b'"\\ud800"',
        b'"\xff"',
        b'"\\u000A"',
        '{"é":1}'.encode(),
        b"[" * 33 + b"]" * 33,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"",
        b"[1,]",
        b"[1]x",
    ],
)
def test_no_other_spelling_is_read(raw: bytes) -> None:
    with pytest.raises(FormatError):
        canonical.decode(raw)


@pytest.mark.parametrize(
    "value", [1.0, {1: 2}, {"é": 1}, "\ud800", {1, 2}, b"x", 2**53, -(2**53), float("nan"), {"a": {"b": 0.5}}]
)
def test_what_has_no_one_spelling_is_not_written(value: Any) -> None:
    with pytest.raises(FormatError):
        canonical.encode(value)


def test_the_limits_themselves_are_allowed() -> None:
    deepest: Any = 2**53 - 1
    for _ in range(canonical.MOST_DEPTH):
        deepest = [deepest]
    assert canonical.decode(canonical.encode(deepest)) == deepest
    with pytest.raises(FormatError):
        canonical.encode([deepest])


def test_a_file_people_write_may_be_laid_out_but_not_ambiguous() -> None:
    assert canonical.decode_readable(b'{ "b": 1,\n "a": [true] }\n') == {"b": 1, "a": [True]}
    with pytest.raises(FormatError, match="ValueError"):
        canonical.decode_readable(b'{ "a": 1, "a": 2 }')
