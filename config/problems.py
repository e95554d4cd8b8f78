"""What is wrong with a declaration, said all at once."""

import difflib
import json
import re
from collections.abc import Iterable

from msgspec import Struct

from config.errors import ConfigError

Path = tuple[str | int, ...]
"""Where a value stands: table and key names, and 0-based places in arrays."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
MOST_WORDS = 300
"""characters of one message: a value that is quoted back may be megabytes long"""


class Problem(Struct, frozen=True, kw_only=True):
    """One thing to mend."""

    file: str
    line: int
    path: str
    """such as `promise[2].set.disable_within`; empty for the file as a whole"""
    message: str
    hint: str = ""
    """what the operator does next, such as `did you mean "transport"?`"""

    def __str__(self) -> str:
        words = (f"{self.file}:{self.line}", self.path, self.message)
        line = ": ".join(word for word in words if word)
        return f"{line}; {self.hint}" if self.hint else line


class ConfigErrors(ConfigError):  # noqa: N818 (it is many errors)
    """Everything that is wrong with a configuration, one line a problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "\n".join(str(problem) for problem in self.problems),
            hint="mend the lines named and try again; nothing was contacted",
        )


def spell(path: Path) -> str:
    """Return a path as an operator reads it; odd keys are quoted and control characters escaped."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (step if _BARE.fullmatch(step) else quote(step))
    return text if len(text) <= MOST_WORDS else text[:MOST_WORDS] + "…"


def quote(word: str) -> str:
    """Return `word` in double quotes, safe for a terminal."""
    return json.dumps(word, ensure_ascii=not word.isprintable())


def shorten(message: str) -> str:
    """Cut a message that quotes a huge value."""
    return message if len(message) <= MOST_WORDS else message[:MOST_WORDS] + "…"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `did you mean "x"?`, or nothing when no known word is near."""
    near = nearest(word, known)
    return f"did you mean {quote(near)}?" if near else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like `word`, or None when none is near."""
    by_folded = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word[:MOST_WORDS].casefold(), by_folded, n=1)
    return by_folded[found[0]] if found else None
