"""How the account probes' colon-separated rows are read; every defect names its part and line."""

import re
from collections.abc import Iterator

from collectors.evidence import Part, Section
from config.errors import ParseError

_NAME = re.compile(r"[^\x00-\x20\x7f:]{1,256}")
_UID = re.compile(r"[0-9]{1,10}")
MAX_UID = 4_294_967_295
"""uid_t of Linux, credentials(7)"""


def required(section: Section, name: str) -> Part:
    """Return the part of that name; ParseError when the probe did not send it."""
    part = section.part(name)
    if part is None:
        message = f"{section.name}: no part {name}"
        raise ParseError(message)
    return part


def rows(part: Part) -> Iterator[tuple[int, str]]:
    """Number the lines that hold anything; a frame's own line breaks leave empty ones."""
    for number, line in enumerate(part.lines, 1):
        if line:
            yield number, line


def broken(part: Part, number: int, what: str) -> ParseError:
    """Return the error that names where the defect stands, never its text."""
    return ParseError(f"{part.name} line {number}: {what}")


def fields(part: Part, number: int, line: str, count: int) -> list[str]:
    """Split into exactly `count` fields; the last may hold colons."""
    found = line.split(":", count - 1)
    if len(found) != count:
        raise broken(part, number, f"{len(found)} fields instead of {count}")
    return found


def is_login(text: str) -> bool:
    """Whether it is a log-in name without blanks and control characters."""
    return _NAME.fullmatch(text) is not None


def login(part: Part, number: int, text: str) -> str:
    """Check a log-in name."""
    if not is_login(text):
        raise broken(part, number, "no log-in name")
    return text


def user_id(part: Part, number: int, text: str) -> int:
    """Check a uid or gid."""
    if _UID.fullmatch(text) is None or int(text) > MAX_UID:
        raise broken(part, number, "no user id")
    return int(text)


def count(part: Part, number: int, text: str) -> int:
    """Check a plain number."""
    if re.fullmatch(r"[0-9]{1,12}", text) is None:
        raise broken(part, number, "no number")
    return int(text)
