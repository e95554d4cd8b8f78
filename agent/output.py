"""How results look on standard output: tables for people, JSON for programs."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from reports.display import visible


def print_json(value: Any) -> None:
    """Print one JSON document; what a terminal would not show as it is stands as an escape of JSON."""
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    print("".join(char if char == "\n" or char.isprintable() else json.dumps(char)[1:-1] for char in text))


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows as columns; plain text, so that it can be piped and needs no colour to be read."""
    table = [tuple(header), *(tuple(visible(cell, most=200) for cell in row) for row in rows)]
    widths = [max(_width(row[column]) for row in table) for column in range(len(header))]
    for number, row in enumerate(table):
        cells = [
            cell if column == len(row) - 1 else cell + " " * (widths[column] - _width(cell))
            for column, cell in enumerate(row)
        ]
        line = "  ".join(cells).rstrip()
        print(_bold(line) if number == 0 else line)


def _width(text: str) -> int:
    """Columns a terminal needs: East Asian wide characters take two (UAX 11)."""
    if text.isascii():
        return len(text)
    from unicodedata import east_asian_width  # noqa: PLC0415 (rarely needed)

    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if coloured() else text


def coloured() -> bool:
    """Whether standard output may carry colour: a terminal, and nobody said no (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
