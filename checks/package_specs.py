"""Which packages a specification of dnf(8) means, and whether a setting so keeps a fix away."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from collectors.probes.rpm_updates import Fix
from collectors.rpm_settings import Exclusion
from collectors.rpm_version import evr_key, split_evr

_LONGEST = 300
"""characters of a pattern that is matched"""
_LEADING_EPOCH = re.compile(r"([0-9]{1,10}):(.+)")
_NEVR = re.compile(r"(.+)-(?:([0-9]{1,10}):)?([^-:]+)-([^-:]+)")
_NEV = re.compile(r"(.+)-(?:([0-9]{1,10}):)?([^-:]+)")


class _Reading(NamedTuple):
    """One way to read a specification; what it does not name is empty."""

    name: str
    arch: str = ""
    epoch: str = ""
    version: str = ""
    release: str = ""

    def means(self, fix: Fix, evr: str) -> bool:
        """Say whether it means the package in this version."""
        epoch, version, release = split_evr(evr)
        return (
            matches(self.name, fix.name)
            and self.epoch in ("", epoch)
            and all(
                not pattern or matches(pattern, text)
                for pattern, text in (
                    (self.arch, fix.arch),
                    (self.version, version),
                    (self.release, release),
                )
            )
        )


def keeps_away(lock: Exclusion, fix: Fix) -> bool:
    """Say whether the setting surely keeps the offered version of the package away.

    As dnf does it: of the ways to read a specification the first that means a package counts. A version lock
    leaves out all other versions of the name, also when it means none.
    """
    if lock.comparator:
        return matches(lock.pattern, fix.name) and not _holds(lock, fix)
    for reading in _readings(lock):
        offered = reading.means(fix, fix.offered)
        if offered or reading.means(fix, fix.installed):
            return offered is not lock.keeps
    return lock.keeps and any(
        reading.version[:1].isdigit() and matches(reading.name, fix.name) for reading in _readings(lock)
    )


def _readings(lock: Exclusion) -> Iterator[_Reading]:
    """Yield the forms in dnf's order. A version lock without a version lets every version in."""
    leading = _LEADING_EPOCH.fullmatch(lock.pattern)
    epoch, text = leading.groups() if leading else ("", lock.pattern)
    whole, dot, arch = text.rpartition(".")
    full = _NEVR.fullmatch(whole) if dot else None
    if full:
        yield _Reading(full[1], arch, full[2] or epoch, full[3], full[4])
    if not lock.keeps:
        if dot:
            yield _Reading(whole, arch, epoch)
        yield _Reading(text, "", epoch)
    if found := _NEVR.fullmatch(text):
        yield _Reading(found[1], "", found[2] or epoch, found[3], found[4])
    if found := _NEV.fullmatch(text):
        yield _Reading(found[1], "", found[2] or epoch, found[3])


def _holds(lock: Exclusion, fix: Fix) -> bool:
    """Say whether the offered version meets a condition of versionlock.toml; yes where nobody can tell."""
    epoch, version, release = split_evr(lock.value)
    try:
        wanted = evr_key(epoch, version, release or "0")
        offered = split_evr(fix.offered)
        here = evr_key(offered[0], offered[1], offered[2] if release else "0")
    except ValueError:
        return True
    return {
        "=": here == wanted,
        "!=": here != wanted,
        "<": here < wanted,
        "<=": here <= wanted,
        ">": here > wanted,
        ">=": here >= wanted,
    }.get(lock.comparator, True)


def matches(pattern: str, text: str) -> bool:
    """Match `*` and `?` in a time that the lengths bound; a pattern with sets of characters never matches."""
    if "[" in pattern or len(pattern) > _LONGEST:
        return False
    at = came = mark = 0
    star = -1
    while came < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, mark = at, came
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[came]):
            at, came = at + 1, came + 1
        elif star >= 0:
            mark += 1
            at, came = star + 1, mark
        else:
            return False
    return not pattern[at:].strip("*")
