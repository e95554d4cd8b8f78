"""The files of one configuration as one document that remembers where everything stands."""

import hashlib
import re
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any

from config.problems import Path as KeyPath
from config.problems import Problem, shorten, spell
from config.toml_lines import DEEPEST, TomlLines

LARGEST_FILE = 8 * 1024 * 1024
"""bytes; ten thousand hosts take about two megabytes"""

_WHERE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class Source:
    """One TOML file that was read."""

    def __init__(self, name: str, text: str, tables: dict[str, Any]) -> None:
        self.name = name
        self.text = text
        self.tables = tables

    @cached_property
    def lines(self) -> TomlLines:
        """Where its keys stand; only asked when there is a problem to report."""
        return TomlLines(self.text)


class Document:
    """All files merged: arrays of tables add up, everything else is defined once."""

    def __init__(self, main: str) -> None:
        self.tables: dict[str, Any] = {}
        self.problems: list[Problem] = []
        self.is_whole = True
        """whether every file could be read; else nothing can be said to be missing"""
        self._main = main
        self._digest = hashlib.sha256()
        self._origins: dict[KeyPath, tuple[Source, KeyPath]] = {}
        self._order: list[str] = []

    @property
    def sha256(self) -> str:
        """SHA-256 of what `sha256sum tenken.toml conf.d/*.toml` prints in the configuration's folder."""
        return self._digest.hexdigest()

    def add(self, path: Path, folder: Path) -> None:
        """Read one more file; what is wrong with it becomes problems."""
        name = str(path)
        self._order.append(name)
        try:
            raw = _bytes_of(path)
        except OSError as err:
            self._unread(name, 1, f"cannot be read: {err.strerror or err}")
            return
        except ValueError as err:
            self._unread(name, 1, str(err))
            return
        digest = hashlib.sha256(raw).hexdigest()
        self._digest.update(f"{digest}  {path.relative_to(folder).as_posix()}\n".encode())
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as err:
            line = raw.count(b"\n", 0, err.start) + 1
            self._unread(name, line, "is not UTF-8", "save the file as UTF-8")
            return
        try:
            tables = tomllib.loads(text)
        except RecursionError:
            self._unread(name, 1, "is nested too deeply")
            return
        except ValueError as err:  # TOMLDecodeError, and int() on thousands of digits
            message = str(err)
            found = _WHERE.search(message)
            line = int(found[1]) if found and found[1] else text.count("\n") + (not text.endswith("\n"))
            self._unread(name, max(line, 1), shorten(_WHERE.sub("", message)), "this is not valid TOML")
            return
        if _is_deeper(tables, DEEPEST):
            self._unread(name, 1, f"is nested deeper than {DEEPEST} levels")
            return
        self._merge(Source(name, text, tables))

    def problem(self, path: KeyPath, message: str, hint: str = "") -> None:
        """Note what is wrong at `path` of the merged document."""
        file, line = self.place(path)
        self.problems.append(
            Problem(file=file, line=line, path=spell(path), message=shorten(message), hint=hint)
        )

    def place(self, path: KeyPath) -> tuple[str, int]:
        """Return file and line of a path of the merged document, or of what is nearest around it."""
        for length in (2, 1):
            origin = self._origins.get(path[:length])
            if origin:
                source, local = origin
                return source.name, source.lines.of((*local, *path[length:]))
        return self._main, 1

    def sorted_problems(self) -> tuple[Problem, ...]:
        """Every problem once, in the order of files and lines."""
        unique = dict.fromkeys(self.problems)
        return tuple(sorted(unique, key=lambda found: (self._order.index(found.file), found.line)))

    def _unread(self, file: str, line: int, message: str, hint: str = "") -> None:
        self.is_whole = False
        self.problems.append(Problem(file=file, line=line, path="", message=message, hint=hint))

    def _merge(self, source: Source) -> None:
        for key, value in source.tables.items():
            if key not in self.tables:
                self.tables[key] = list(value) if isinstance(value, list) else value
                self._origins[(key,)] = (source, (key,))
                first = 0
            elif isinstance(value, list) and isinstance(self.tables[key], list):
                first = len(self.tables[key])
                self.tables[key].extend(value)
            else:
                file, line = self.place((key,))
                self.problems.append(
                    Problem(
                        file=source.name,
                        line=source.lines.of((key,)),
                        path=spell((key,)),
                        message=f"defined a second time; the first is at {file}:{line}",
                        hint="keep it in one file",
                    )
                )
                continue
            if isinstance(value, list):
                for place in range(len(value)):
                    self._origins[(key, first + place)] = (source, (key, place))


def _bytes_of(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        message = "is not a regular file"
        raise ValueError(message)
    with path.open("rb") as stream:
        raw = stream.read(LARGEST_FILE + 1)
    if len(raw) > LARGEST_FILE:
        message = f"is larger than {LARGEST_FILE} bytes"
        raise ValueError(message)
    return raw


def _is_deeper(tables: dict[str, Any], most: int) -> bool:
    level: list[Any] = [tables]
    for _ in range(most + 1):
        inner: list[Any] = []
        for value in level:
            children = value.values() if isinstance(value, dict) else value
            inner.extend(child for child in children if isinstance(child, dict | list))
        level = inner
        if not level:
            return False
    return True
