"""Which processes still run code from files that were replaced or removed since they started."""

import re
from datetime import UTC, datetime

from msgspec import Struct

from collectors.evidence import Reason, Section, printable
from collectors.facts import Facts, Probe, WithheldError
from collectors.probes.rows import broken, count, fields, required, rows
from config.errors import ParseError

_FILES = re.compile(r"(?:[A-Za-z0-9._+@?-]{1,64}(?:,[A-Za-z0-9._+@?-]{1,64})*)?")


class Replaced(Struct, frozen=True, kw_only=True):
    """Processes of one name whose map, proc(5), has code of files that are no longer there."""

    name: str
    """as in /proc/PID/status: at most 15 bytes"""
    processes: int
    started: datetime
    """when the oldest of them started"""
    files: tuple[str, ...]
    """last parts of the paths, below /usr, /opt, /lib, /bin and /sbin only"""


class MappedFacts(Facts, frozen=True, kw_only=True):
    """Running code that is not what is installed."""

    replaced: tuple[Replaced, ...]
    seen: int
    """processes whose map could be read, the kernel's own threads among them"""
    unread: int
    """processes whose map the audit account may not read"""
    contained: int
    """processes with replaced code in containers, whose files are another system's; not in `replaced`"""


def parse(section: Section) -> MappedFacts:
    """Read the rows; raises WithheldError where other people's processes are hidden."""
    part = required(section, "processes")
    if part.state != "read":
        raise WithheldError(Reason.DENIED, "other people's processes are hidden")
    found: list[Replaced] = []
    sums: list[int] | None = None
    for number, line in rows(part):
        if sums is not None:
            raise broken(part, number, "a row after the last")
        if line.startswith("N:"):
            sums = [count(part, number, word) for word in fields(part, number, line[2:], 3)]
            continue
        many, started, files, name = fields(part, number, line, 4)
        if _FILES.fullmatch(files) is None:
            raise broken(part, number, "no names of files")
        try:
            since = datetime.fromtimestamp(count(part, number, started), tz=UTC)
        except (OverflowError, ValueError) as odd:
            raise broken(part, number, "no time") from odd
        found.append(
            Replaced(
                name=printable(name.encode(), limit=60),
                processes=count(part, number, many),
                started=since,
                files=tuple(sorted(files.split(","))) if files else (),
            )
        )
    if sums is None:
        message = "processes: no sums"
        raise ParseError(message)
    return MappedFacts(
        replaced=tuple(sorted(found, key=lambda it: it.name)),
        seen=sums[0],
        unread=sums[1],
        contained=sums[2],
    )


PROBE = Probe(name="mapped", facts=MappedFacts, parse=parse, cap_bytes=262_144, order=82)
