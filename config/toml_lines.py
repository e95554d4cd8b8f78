"""On which line each key of a TOML file stands: tomllib tells the values only.

Reads text that tomllib has accepted already, so it follows the grammar of TOML 1.0 without
judging it.
"""

import bisect
import re
import tomllib
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]

DEEPEST = 32
"""paths are recorded down to this depth, so that a key of a thousand dots stays cheap"""

_SKIP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"(?:[^"\\]|\\.)*"')
_LITERAL = re.compile(r"'[^']*'")
# A closing delimiter may be preceded by up to two quotation marks of the text itself (TOML 1.0, String).
_BASIC_LONG = re.compile(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}', re.DOTALL)
_LITERAL_LONG = re.compile(r"'''(?:[^']|'{1,2}(?!'))*'{3,5}")
_SCALAR = re.compile(r"[^,\]}#\n]+")


class TomlLines:
    """The lines of one file's keys.

    `lines` maps a path of keys and 0-based array places to a 1-based line. An array of tables has
    its elements' headers as lines of `(key, 0)`, `(key, 1)` and so on.
    """

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._starts = [0] + [found.end() for found in re.finditer("\n", text)]
        self._tables: dict[Path, int] = {}
        self._pos = 0
        self._document()

    def of(self, path: Path) -> int:
        """Return the line of `path`, or of the nearest thing around it; 1 when nothing is."""
        for length in range(min(len(path), DEEPEST), 0, -1):
            line = self.lines.get(path[:length])
            if line is not None:
                return line
        return 1

    def _document(self) -> None:
        text = self._text
        here: Path = ()
        while True:
            self._skip(_SKIP)
            if self._pos >= len(text):
                return
            line = self._line()
            if text.startswith("[[", self._pos):
                self._pos += 2
                here = self._array_table(self._key(), line)
                self._past("]]")
            elif text[self._pos] == "[":
                self._pos += 1
                here = self._table(self._key(), line)
                self._past("]")
            else:
                self._pair(here)

    def _around(self, parts: tuple[str, ...], line: int) -> Path:
        """Return the path of a header's last key; inside an array of tables its last element is meant."""
        path: Path = ()
        for part in parts[:-1]:
            path = (*path, part)[:DEEPEST]
            self.lines.setdefault(path, line)
            if path in self._tables:
                path = (*path, self._tables[path] - 1)[:DEEPEST]
        return (*path, *parts[-1:])[:DEEPEST]

    def _table(self, parts: tuple[str, ...], line: int) -> Path:
        path = self._around(parts, line)
        self.lines[path] = line
        return path

    def _array_table(self, parts: tuple[str, ...], line: int) -> Path:
        path = self._around(parts, line)
        place = self._tables.get(path, 0)
        self._tables[path] = place + 1
        self.lines.setdefault(path, line)
        path = (*path, place)[:DEEPEST]
        self.lines[path] = line
        return path

    def _pair(self, here: Path) -> None:
        line = self._line()
        for part in self._key():
            here = (*here, part)[:DEEPEST]
            self.lines.setdefault(here, line)
        self._past("=")
        self._skip(_BLANK)
        self._value(here)

    def _value(self, here: Path) -> None:
        text, pos = self._text, self._pos
        if text.startswith('"""', pos):
            self._skip(_BASIC_LONG)
        elif text.startswith("'''", pos):
            self._skip(_LITERAL_LONG)
        elif text.startswith('"', pos):
            self._skip(_BASIC)
        elif text.startswith("'", pos):
            self._skip(_LITERAL)
        elif text.startswith("[", pos):
            self._array(here)
        elif text.startswith("{", pos):
            self._inline_table(here)
        else:
            self._skip(_SCALAR)

    def _array(self, here: Path) -> None:
        self._pos += 1
        place = 0
        while True:
            self._skip(_SKIP)
            if self._pos >= len(self._text) or self._took("]"):
                return
            element = (*here, place)[:DEEPEST]
            self.lines.setdefault(element, self._line())
            self._value(element)
            self._skip(_SKIP)
            self._took(",")
            place += 1

    def _inline_table(self, here: Path) -> None:
        self._pos += 1
        while True:
            self._skip(_SKIP)
            if self._pos >= len(self._text) or self._took("}"):
                return
            self._pair(here)
            self._skip(_SKIP)
            self._took(",")

    def _key(self) -> tuple[str, ...]:
        parts: list[str] = []
        while True:
            self._skip(_BLANK)
            for spelling in (_BARE, _BASIC, _LITERAL):
                found = spelling.match(self._text, self._pos)
                if found:
                    self._pos = found.end()
                    parts.append(_unquoted(found[0]))
                    break
            else:
                message = f"no key on line {self._line()}"
                raise ValueError(message)
            self._skip(_BLANK)
            if not self._took("."):
                return tuple(parts)

    def _skip(self, what: re.Pattern[str]) -> None:
        found = what.match(self._text, self._pos)
        if found is None:
            message = f"no TOML on line {self._line()}"
            raise ValueError(message)
        self._pos = found.end()

    def _took(self, mark: str) -> bool:
        if self._text.startswith(mark, self._pos):
            self._pos += len(mark)
            return True
        return False

    def _past(self, mark: str) -> None:
        self._skip(_BLANK)
        if not self._took(mark):
            message = f"no {mark} on line {self._line()}"
            raise ValueError(message)

    def _line(self) -> int:
        return bisect.bisect_right(self._starts, self._pos)


def _unquoted(spelling: str) -> str:
    if spelling[0] not in "\"'":
        return spelling
    if "\\" in spelling and spelling[0] == '"':
        return next(iter(tomllib.loads(f"{spelling} = 0")))
    return spelling[1:-1]
