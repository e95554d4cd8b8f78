"""Text from outside cannot hide, move or colour anything where it is shown."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.display import MOST, visible


@pytest.mark.parametrize(
    "text", ["plain", "漢字かな", "全角　空白", "über 100 % <b>&", "Ação", "한글", "→…⟨⟩"]
)
def test_ordinary_text_of_any_language_is_shown_as_it_is(text: str):
    assert visible(text) == text


@pytest.mark.parametrize(
    "code",
    [
        0x00, 0x07, 0x08, 0x09, 0x0A, 0x0D, 0x1B, 0x7F, 0x80, 0x9B,  # control
        0xAD, 0x200B, 0x200D, 0x202A, 0x202E, 0x2066, 0x2069, 0xFEFF, 0xE0041,  # format and bidi
        0x2028, 0x2029, 0x00A0, 0x2003,  # separators and odd spaces
        0xD800, 0xDFFF, 0xE000, 0x10FFFF, 0xFFFE,  # surrogate, private, no character
        0x034F, 0x115F, 0x2800, 0x3164, 0xFFA0,  # letters and marks that show nothing
    ],
)  # fmt: skip
def test_what_hides_moves_or_colours_is_spelt(code: int):
    assert visible(f"a{chr(code)}b") == f"a⟨U+{code:04X}⟩b"


def test_long_text_is_cut_and_says_how_long_it_was():
    assert visible("x" * MOST) == "x" * MOST
    assert visible("x" * (MOST + 1)) == "x" * MOST + "… (601 characters)"
    assert visible("abc", most=2) == "ab… (3 characters)"


@given(st.text(max_size=50))
def test_nothing_invisible_and_no_second_line_is_left(text: str):
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn"} for char in shown)
    shown.encode("utf-8")


@given(st.text(max_size=50))
def test_what_is_harmless_already_stays(text: str):
    assert visible(visible(text), most=10_000) == visible(text)
