"""What apk would upgrade, and how old the indexes are that it knows this from."""

import re
from datetime import UTC, datetime

from msgspec import Struct

from collectors.evidence import Part, Reason, Section, printable
from collectors.facts import Facts, Probe, WithheldError
from collectors.probes.rows import broken, count, required, rows

# apk-version(8): NAME-VERSION, padded, the comparison, what is available, and the tag of its repository.
_UPGRADE = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9+._-]{0,127})-([0-9][A-Za-z0-9._]{0,100}-r[0-9]{1,6}) +"
    r"< ([0-9][^ ]{0,120})(?: @\S{1,60})? ?"
)
_WORLD = re.compile(r"([A-Za-z0-9][A-Za-z0-9+._-]{0,127})(?:@[A-Za-z0-9._-]+)?[=<>~]{1,2}.*")


class Upgrade(Struct, frozen=True, kw_only=True):
    """An installed package that a repository has a newer version of."""

    name: str
    installed: str
    offered: str


class ApkFacts(Facts, frozen=True, kw_only=True):
    """Alpine's packages against its indexes."""

    installed: int
    """installed packages"""
    repositories: tuple[str, ...]
    """`BRANCH/PART` of each that is configured, such as `v3.22/main`"""
    indexes: tuple[datetime, ...]
    """when each index was last fetched with success, oldest first"""
    missing: int
    """configured repositories whose index apk could not open"""
    upgrades: tuple[Upgrade, ...]
    tied: frozenset[str]
    """packages that /etc/apk/world ties to a version"""


def parse(section: Section) -> ApkFacts:
    """Read the parts; raises WithheldError without apk, or where it may not be asked."""
    if section.part("apk") is not None:
        raise WithheldError(Reason.UNSUPPORTED, "no apk")
    for name in ("repositories", "indexes", "world"):
        if any(part.state == "denied" for part in section.named(name)):
            raise WithheldError(Reason.DENIED, f"apk's {name}")
    upgrades = required(section, "upgrades")
    if upgrades.state != "read":
        raise WithheldError(Reason.NO_TOOL if upgrades.state == "no_tool" else Reason.FAILED, "apk")
    found, missing = _upgrades(upgrades)
    return ApkFacts(
        installed=_installed(required(section, "installed")),
        repositories=tuple(
            printable(line.encode(), limit=150) for _, line in rows(required(section, "repositories"))
        ),
        indexes=_indexes(required(section, "indexes")),
        missing=missing,
        upgrades=found,
        tied=frozenset(
            words[1] for _, line in rows(required(section, "world")) if (words := _WORLD.fullmatch(line))
        ),
    )


def _installed(part: Part) -> int:
    for number, line in rows(part):
        return count(part, number, line)
    raise broken(part, 1, "no count of packages")


def _indexes(part: Part) -> tuple[datetime, ...]:
    found: list[datetime] = []
    for number, line in rows(part):
        try:
            found.append(datetime.fromtimestamp(count(part, number, line), tz=UTC))
        except (OverflowError, ValueError) as odd:
            raise broken(part, number, "no time") from odd
    return tuple(sorted(found))


def _upgrades(part: Part) -> tuple[tuple[Upgrade, ...], int]:
    found: list[Upgrade] = []
    missing, headed = 0, False
    for number, line in rows(part):
        words = _UPGRADE.fullmatch(line)
        if words is not None:
            found.append(Upgrade(name=words[1], installed=words[2], offered=words[3]))
        elif line.startswith("WARNING: "):
            missing += 1
        elif line.startswith("Installed: "):
            headed = True
        else:
            raise broken(part, number, "not as apk-version(8) prints it")
    if not headed:
        raise broken(part, 1, "no head line of apk")
    return tuple(found), missing


PROBE = Probe(name="apk", facts=ApkFacts, parse=parse, cap_bytes=262_144, order=30)
