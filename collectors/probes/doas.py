"""The grammar of doas.conf(5)."""

import re
from collections.abc import Iterator

from msgspec import Struct

_TOKEN = re.compile(r'[ \t]*(?:(?P<sign>[{}])|(?P<word>(?:"(?:[^"\\]|\\.)*"|\\.|[^ \t{}#"\\])+))')
_OPTIONS = frozenset({"nopass", "nolog", "persist", "keepenv", "setenv"})
_NO_NAMES = frozenset({"", "as", "cmd", "args"})
_REST = re.compile(r"[ \t]*(?:#.*)?$")


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


def rules(lines: tuple[str, ...]) -> Iterator[tuple[int, DoasRule | None]]:
    """Read a file's lines; None stands for a line that cannot be read."""
    begun = ""
    first = 0
    for number, line in enumerate(lines, 1):
        first = first if begun else number
        if line.endswith("\\"):
            begun += line[:-1] + " "
            continue
        text, begun = begun + line, ""
        if not _REST.match(text):
            words = _words(text)
            yield first, None if words is None else _rule(words)


def _words(text: str) -> list[str] | None:
    words: list[str] = []
    at = 0
    while not _REST.match(text, at):
        found = _TOKEN.match(text, at)
        if found is None:
            return None
        words.append(found["sign"] or re.sub(r'"|\\(.)', r"\1", found["word"]))
        at = found.end()
    return words


def _rule(words: list[str]) -> DoasRule | None:
    permit = words.pop(0)
    nopass = False
    while words and words[0] in _OPTIONS:
        option = words.pop(0)
        nopass = nopass or option == "nopass"
        if option == "setenv":
            if words[:1] != ["{"] or "}" not in words:
                return None
            words = words[words.index("}") + 1 :]
    identity = words.pop(0) if words else ""
    target = _value(words, "as")
    command = _value(words, "cmd")
    if command and words[:1] == ["args"]:
        words = []
    if permit not in ("permit", "deny") or identity in _NO_NAMES or words or None in (target, command):
        return None
    return DoasRule(
        permit=permit == "permit",
        nopass=nopass,
        identity=identity,
        target=target or "",
        command=command or "",
    )


def _value(words: list[str], key: str) -> str | None:
    """Take `key VALUE` from the front: empty when it is not there, None without a value."""
    if words[:1] != [key]:
        return ""
    del words[0]
    return words.pop(0) if words else None
