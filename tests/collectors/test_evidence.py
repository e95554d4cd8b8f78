"""Evidence keeps bytes as they came, and shows none that could do harm."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.evidence import Part, Section, SectionState, printable


@given(st.binary(max_size=300))
def test_bytes_come_back_as_they_arrived(raw: bytes):
    part = Part.of("f", "read", raw)
    assert part.raw == raw
    assert part.size == len(raw)
    assert part.sha256 == hashlib.sha256(raw).hexdigest()
    assert msgspec.json.decode(msgspec.json.encode(part), type=Part).raw == raw


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (b"", "utf-8"),
        ("漢字\n\x1b".encode(), "utf-8"),
        (b"\xff", "base64"),
        (b"a\0b", "base64"),
        (b"\xed\xa0\x80", "base64"),  # a surrogate is no UTF-8
    ],
)
def test_only_text_stands_as_text(raw: bytes, encoding: str):
    assert Part.of("f", "read", raw).encoding == encoding


@given(st.binary(max_size=200))
def test_no_byte_vanishes_from_a_parsers_text(raw: bytes):
    """Undecodable bytes are spelt; repairing or dropping them could join two names."""
    text = Part.of("f", "read", raw).text
    assert text.encode("utf-8").count(b"\n") == raw.count(b"\n")
    if b"\\" not in raw:
        assert text == raw.decode("utf-8", errors="backslashreplace")
        assert "\ufffd" not in text or "\ufffd".encode() in raw


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        (b"", ()),
        (b"\n", ("",)),
        (b"a", ("a",)),
        (b"a\n", ("a",)),
        (b"a\n\n", ("a", "")),
        (b"a\rb\x0bc\x1cd\xe2\x80\xa8e\n", ("a\rb\x0bc\x1cd\u2028e",)),
    ],
)
def test_only_a_newline_ends_a_line(raw: bytes, lines: tuple[str, ...]):
    """str.splitlines knows eight more ends: a name that holds one would become two lines."""
    assert Part.of("f", "read", raw).lines == lines


@given(st.binary(max_size=200))
def test_printable_is_printable_ascii_and_one_to_one(raw: bytes):
    shown = printable(raw)
    assert shown.isascii()
    assert not shown or shown.isprintable()
    back = shown.encode("ascii").decode("unicode_escape").encode("latin-1")
    assert back == raw


def test_printable_is_bounded():
    assert printable(b"x" * 5_000) == "x" * 4_096
    assert printable(b"\0" * 5, limit=2) == "\\x00\\x00"


def test_a_part_is_found_by_its_name_and_a_missing_one_is_none():
    one, two = Part.of("/etc/a", "read", b"1"), Part.of("/etc/b", "denied", b"")
    section = Section(name="s", state=SectionState.ENDED, exit=0, parts=(one, two))
    assert section.part("/etc/b") is two
    assert section.part("/etc") is None
    assert section.named("/etc/") == (one, two)
