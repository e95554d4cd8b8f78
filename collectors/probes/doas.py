"""The grammar of doas.conf(5), held against opendoas 6.8."""

import re
from collections.abc import Iterator

from msgspec import Struct

_TOKEN = re.compile(r'([ \t\n]*)(?:([{}])|((?:"(?:[^"\\]|\\.)*"|\\.|[^ \t\n{}#"\\])+))')
_REST = re.compile(r"[ \t\n]*(?:#.*)?$", re.DOTALL)
_QUOTED = re.compile(r'["\\]')
_OPTIONS = frozenset({"nopass", "nolog", "persist", "keepenv", "setenv"})
_KEYWORDS = frozenset({*_OPTIONS, "permit", "deny", "as", "cmd", "args", ""})


class DoasRule(Struct, frozen=True, kw_only=True):
    """One line."""

    permit: bool
    nopass: bool
    identity: str
    """`NAME`, a uid, or `:GROUP`"""
    target: str
    """empty for any target user"""
    command: str
    """empty for all commands"""


class _Word(Struct, frozen=True):
    text: str
    """as it is meant, without quotes"""
    key: str
    """the keyword or sign it may be; empty for a quoted word and the first one of a continued line"""


def rules(lines: tuple[str, ...]) -> Iterator[tuple[int, DoasRule | None]]:
    """Read a file's lines; None stands for a line that cannot be read."""
    begun = ""
    first = 0
    for number, line in enumerate(lines, 1):
        first = first if begun else number
        if line.endswith("\\"):
            begun += line[:-1] + "\n"
            continue
        text, begun = begun + line, ""
        if not _REST.match(text):
            words = _words(text)
            yield first, None if words is None else _rule(words)
    if begun:
        yield first, None


def _words(text: str) -> list[_Word] | None:
    words: list[_Word] = []
    at = 0
    while not _REST.match(text, at):
        found = _TOKEN.match(text, at)
        if found is None:
            return None
        gap, sign, word = found.groups()
        meant = sign or re.sub(r'"|\\(.)', r"\1", word)
        quoted = not sign and ("\n" in gap or _QUOTED.search(word) is not None)
        words.append(_Word(meant, "" if quoted else meant))
        at = found.end()
    return words


def _rule(words: list[_Word]) -> DoasRule | None:
    action = words.pop(0).key
    options: set[str] = set()
    while words and words[0].key in _OPTIONS:
        options.add(words[0].key)
        if words.pop(0).key == "setenv":
            ends = [place for place, word in enumerate(words) if word.key == "}"]
            if not ends or words[0].key != "{":
                return None
            words = words[ends[0] + 1 :]
    identity = words.pop(0) if words else _Word("", "")
    target = _value(words, "as")
    command = _value(words, "cmd")
    if command and words and words[0].key == "args":
        words = []
    if (
        not identity.text
        or (identity.key and identity.key in _KEYWORDS)
        or words
        or None in (target, command)
    ):
        return None
    if action not in ("permit", "deny") or {"nopass", "persist"} <= options:
        return None
    return DoasRule(
        permit=action == "permit",
        nopass="nopass" in options,
        identity=identity.text,
        target=target or "",
        command=command or "",
    )


def _value(words: list[_Word], key: str) -> str | None:
    """Take `key VALUE` from the front: empty when it is not there, None without a value."""
    if not words or words[0].key != key:
        return ""
    del words[0]
    return words.pop(0).text if words else None
