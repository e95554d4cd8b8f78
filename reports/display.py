"""Make text from hosts harmless to look at, before it is escaped for its format."""

import unicodedata

MOST = 600
"""characters of one value that are shown; the whole stands in the evidence"""
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""letters, marks and symbols that show nothing at all, so that two names would look the same"""


def visible(text: str, *, most: int = MOST) -> str:
    """Spell every character that could hide, move or colour text as `⟨U+202E⟩`.

    Control, format (bidi), surrogate, private and unassigned characters, line separators, fillers and
    every space but the plain and the ideographic one.
    """
    shown = "".join(_spell(char) for char in text[:most])
    return shown if len(text) <= most else f"{shown}… ({len(text)} characters)"


def _spell(char: str) -> str:
    if char in (" ", "\u3000"):
        return char
    category = unicodedata.category(char)
    if category in _HIDDEN or category == "Zs" or char in _BLANK:
        return f"⟨U+{ord(char):04X}⟩"
    return char
