"""What dnf.conf(5), *.repo files, version locks and zypp's locks(5) say, as far as it bears on fixes."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

_SECTION = re.compile(r"\[([^\]]{1,200})\]\s*")
_ON = frozenset({"1", "yes", "true", "on"})


class Exclusion(Struct, frozen=True, kw_only=True):
    """A setting that keeps versions of packages away."""

    source: str
    """the file it stands in"""
    pattern: str
    """a package specification of dnf(8), with wildcards"""
    keeps: bool
    """the pattern names what may stay (a version lock); else it names what is left out"""
    comparator: str = ""
    """of a condition in versionlock.toml: the pattern is a name, and only versions that hold it are let in"""
    value: str = ""
    """the version it is compared with"""


def read_ini(lines: Iterable[str]) -> dict[str, dict[str, str]]:
    """Read sections and their settings; a line that begins with a blank goes on with the value before it."""
    found: dict[str, dict[str, str]] = {}
    values: dict[str, str] = {}
    name = ""
    for line in lines:
        section = _SECTION.fullmatch(line)
        if section:
            values = found.setdefault(section[1], {})
            name = ""
        elif line[:1] in (" ", "\t"):
            if name:
                values[name] += " " + line.strip()
        elif line.strip() and line[0] not in "#;":
            name, _, value = (
                line.replace(":", "=", 1).partition("=") if "=" not in line else line.partition("=")
            )
            name = name.strip().lower()
            values[name] = value.strip()
    return found


def is_on(text: str) -> bool:
    """Read a switch as dnf does."""
    return text.strip().lower() in _ON


def words(settings: dict[str, str], *names: str) -> tuple[str, ...]:
    """Split lists that are separated by commas or blanks."""
    return tuple(word for name in names for word in re.split(r"[,\s]+", settings.get(name, "")) if word)


def version_locks(source: str, lines: Iterable[str]) -> Iterator[Exclusion]:
    """Read versionlock.list of dnf 4 and yum: a specification a line, `!` before what is left out."""
    for line in lines:
        text = line.partition("#")[0].strip()
        if text:
            yield Exclusion(source=source, pattern=text.lstrip("!"), keeps=not text.startswith("!"))


def toml_locks(source: str, text: str) -> Iterator[Exclusion]:
    """Read versionlock.toml of dnf 5; raises ValueError for what is no TOML of that shape."""
    for package in tomllib.loads(text).get("packages", ()):
        for condition in _tables(package, "conditions"):
            if condition.get("key") == "evr":
                yield Exclusion(
                    source=source,
                    pattern=str(package.get("name", "")),
                    keeps=True,
                    comparator=str(condition.get("comparator", "")),
                    value=str(condition.get("value", "")),
                )


def _tables(table: Any, name: str) -> Iterator[dict[str, Any]]:
    for item in table.get(name, ()) if isinstance(table, dict) else ():
        if isinstance(item, dict):
            yield item


def zypp_locks(source: str, lines: Iterable[str]) -> Iterator[Exclusion]:
    """Read stanzas of `attribute: value`; a lock that names a repository or a version stays unread."""
    stanza: dict[str, str] = {}
    for line in (*lines, ""):
        if line.strip():
            name, _, value = line.partition(":")
            stanza[name.strip().lower()] = value.strip()
            continue
        plain = not set(stanza) & {"repo", "version"} and stanza.get("type", "package") == "package"
        if plain and stanza.get("solvable_name") and stanza.get("match_type", "glob") in ("glob", "exact"):
            yield Exclusion(source=source, pattern=stanza["solvable_name"], keeps=False)
        stanza = {}
