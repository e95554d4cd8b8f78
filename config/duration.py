"""Durations as an operator writes them: `24h`, `90d`, `15m`."""

import re
from datetime import timedelta

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SPELLING = re.compile(r"([1-9][0-9]{0,8})([smhdw])")
_MOST_S = 36_525 * 86_400
"""a century: what is longer is a slip, and would leave the calendar"""
PATTERN = r"^[1-9][0-9]{0,8}[smhdw]$"
"""The JSON Schema pattern of a duration."""


class Duration:
    """A positive span of whole seconds that remembers how it was written.

    A month or a year has no fixed length, so neither is a unit here.
    """

    __slots__ = ("seconds", "text")

    def __init__(self, text: str) -> None:
        found = _SPELLING.fullmatch(text)
        if found is None:
            message = f"expected a duration like 24h, 90d or 15m, got {text!r}"
            raise ValueError(message)
        self.text = text
        self.seconds = int(found[1]) * _UNITS[found[2]]
        if self.seconds > _MOST_S:
            message = f"expected a duration of at most a century, got {text!r}"
            raise ValueError(message)

    @property
    def timedelta(self) -> timedelta:
        """The same span for date arithmetic."""
        return timedelta(seconds=self.seconds)

    @property
    def days(self) -> int:
        """Whole days in it, rounded down."""
        return self.seconds // 86_400

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Duration) and self.seconds == other.seconds

    def __hash__(self) -> int:
        return hash(self.seconds)

    def __repr__(self) -> str:
        return f"Duration({self.text!r})"

    def __str__(self) -> str:
        return self.text
