"""Which security fixes the caches of dnf, yum and zypp offer for what is installed, and their age."""

import re
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import NamedTuple

from msgspec import Struct

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts, Probe, WithheldError
from collectors.probes.rows import required
from collectors.probes.rpm_updates import (
    Fix,
    InstalledPackage,
    Join,
    UpdateList,
    date,
    missing_fixes,
    read_join,
)
from collectors.rpm_settings import (
    Exclusion,
    is_on,
    read_ini,
    toml_locks,
    version_locks,
    words,
    zypp_locks,
)
from config.errors import ParseError

_DNF_CONF = ("/etc/dnf/dnf.conf", "/etc/yum.conf")
_OVERRIDES = "/repos.override.d/"
_LOCKS = {
    "/etc/dnf/plugins/versionlock.list": "/etc/dnf/plugins/versionlock.conf",
    "/etc/yum/pluginconf.d/versionlock.list": "/etc/yum/pluginconf.d/versionlock.conf",
}
"""a list, and the file that switches it on"""
_CACHES = ("/var/cache/dnf", "/var/cache/libdnf5", "/var/cache/yum", "/var/cache/zypp/raw")
_NO_TOOL = 127


class Advisories(StrEnum):
    """What can be said of one repository's advisories."""

    READ = "read"
    NONE = "none"
    """it publishes none"""
    UNCACHED = "uncached"
    """the package manager has not fetched the repository, or removed what it fetched"""
    MISSING = "missing"
    """it publishes some, and they are not here"""
    PACKED = "packed"
    """no tool of the host can unpack them"""
    TORN = "torn"
    """not whole"""
    DENIED = "denied"


class Repository(Struct, frozen=True, kw_only=True):
    """An enabled repository."""

    id: str
    manager: str
    """`dnf` (and yum) or `zypp`"""
    advisories: Advisories
    made: datetime | None
    """the youngest date in its repomd.xml: when its content last changed"""
    fetched: datetime | None
    """when its files here were last written, which dnf and zypp also do when they find it unchanged"""
    security: int
    """security advisories in it"""
    exclusions: tuple[Exclusion, ...]
    """of its own"""


class RpmFacts(Facts, frozen=True, kw_only=True):
    """Installed packages against security advisories, and what stands in the way of a fix."""

    installed: int
    """installed packages"""
    fixes: tuple[Fix, ...]
    """packages that lack a fix, or of which that cannot be told"""
    repositories: tuple[Repository, ...]
    """enabled ones"""
    exclusions: tuple[Exclusion, ...]
    """for all repositories"""
    unread: tuple[str, ...]
    """files and folders of the configuration that the audit account may not read"""
    kernels: tuple[InstalledPackage, ...]
    """installed packages whose names begin with `kernel`, without headers, tools and the like"""


class _Copy(NamedTuple):
    """A repository in one of the caches."""

    advisories: Advisories
    path: str
    made: datetime | None
    fetched: datetime | None
    security: int


class _Metadata(Struct, kw_only=True):
    dates: list[datetime]
    updates: dict[str, str]
    whole: bool = False


def parse(section: Section) -> RpmFacts:
    """Join settings, repositories and advisories.

    Raises WithheldError where there is no rpm with a data base, or the package manager works elsewhere;
    ParseError for an answer that is not as the probe writes it.
    """
    for name in ("rpm", "database"):
        part = section.part(name)
        if part is not None:
            raise WithheldError(
                Reason.DENIED if part.state == "denied" else Reason.UNSUPPORTED, f"no {name} of rpm"
            )
    files = {
        part.name.removeprefix("repo:"): read_ini(part.lines)
        for part in section.named("repo:")
        if part.state == "read"
    }
    join = read_join(required(section, "join"))
    copies = _copies(section, join)
    denied = {part.name.removeprefix("cache:") for part in section.named("cache:") if part.state == "denied"}
    repositories = tuple(
        _repository(name, manager, settings, copies, denied)
        for (manager, name), settings in sorted(_configured(files).items())
        if is_on(settings.get("enabled", "1"))
    )
    used = {
        copies[repository.manager, repository.id].path: repository.id
        for repository in repositories
        if repository.advisories is Advisories.READ
    }
    return RpmFacts(
        installed=join.installed,
        fixes=missing_fixes(join, used, _streams(section)),
        repositories=repositories,
        exclusions=tuple(_exclusions(section, files)),
        unread=tuple(
            part.name.partition(":")[2] or part.name
            for part in section.parts
            if part.state == "denied" and part.name.startswith(("repo:", "/etc/"))
        ),
        kernels=join.kernels,
    )


# --- settings ---


def _configured(files: dict[str, dict[str, dict[str, str]]]) -> dict[tuple[str, str], dict[str, str]]:
    """Return every repository's settings by package manager and id."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for path, sections in files.items():
        manager = "zypp" if path.startswith("/etc/zypp/") else "dnf"
        for name, settings in sections.items():
            if path in _DNF_CONF and name == "main":
                _usual_places(path, settings)
            elif _OVERRIDES in path:
                for (owner, known), before in found.items():
                    if owner == "dnf" and name in (known, "*"):
                        before.update(settings)
            elif path.endswith(".repo") or path in _DNF_CONF:
                found.setdefault((manager, name), {}).update(settings)
    return found


def _usual_places(path: str, settings: dict[str, str]) -> None:
    elsewhere = [
        value
        for name in ("cachedir", "system_cachedir", "reposdir")
        for value in words(settings, name)
        if not value.startswith((*_CACHES, "/etc/yum.repos.d", "/etc/yum/repos.d", "/etc/distro.repos.d"))
    ]
    if elsewhere:
        raise WithheldError(Reason.UNSUPPORTED, f"{path} names other folders")


def _exclusions(section: Section, files: dict[str, dict[str, dict[str, str]]]) -> list[Exclusion]:
    found: list[Exclusion] = []
    for path in _DNF_CONF:
        found += _excludes(path, files.get(path, {}).get("main", {}))
    for part in section.named("/etc/"):
        if part.state != "read":
            continue
        switch = _LOCKS.get(part.name)
        if part.name == "/etc/zypp/locks":
            found += zypp_locks(part.name, part.lines)
        elif part.name.endswith(".toml"):
            try:
                found += toml_locks(part.name, part.text)
            except (ValueError, AttributeError) as odd:
                message = f"{part.name}: no version locks of dnf 5"
                raise ParseError(message) from odd
        elif switch and is_on(files.get(switch, {}).get("main", {}).get("enabled", "0")):
            found += version_locks(part.name, part.lines)
    # /etc/yum.conf is a link to dnf's own on many systems.
    return list({(lock.pattern, lock.comparator, lock.value): lock for lock in found}.values())


def _excludes(path: str, settings: dict[str, str]) -> list[Exclusion]:
    return [
        Exclusion(source=path, pattern=pattern, keeps=False)
        for pattern in words(settings, "exclude", "excludepkgs")
    ]


def _streams(section: Section) -> frozenset[str] | None:
    folder = required(section, "modules").state
    found: set[str] = set()
    for part in section.named("/etc/dnf/modules.d/"):
        if part.state != "read":
            return None
        for name, settings in read_ini(part.lines).items():
            if settings.get("state") == "enabled":
                found.add(f"{name}:{settings.get('stream', '')}")
    return frozenset(found) if folder in ("read", "absent") else None


# --- repositories ---


def _repository(
    name: str,
    manager: str,
    settings: dict[str, str],
    copies: dict[tuple[str, str], _Copy],
    denied: set[str],
) -> Repository:
    copy = copies.get((manager, name))
    hidden = any(("zypp" in path) == (manager == "zypp") for path in denied)
    return Repository(
        id=name,
        manager=manager,
        advisories=copy.advisories if copy else Advisories.DENIED if hidden else Advisories.UNCACHED,
        made=copy.made if copy else None,
        fetched=copy.fetched if copy else None,
        security=copy.security if copy else 0,
        exclusions=tuple(_excludes(name, settings)),
    )


def _copies(section: Section, join: Join) -> dict[tuple[str, str], _Copy]:
    """Return the youngest copy of each repository: dnf 4 and dnf 5 each keep their own."""
    times: dict[str, datetime] = {}
    for number, line in enumerate(required(section, "times").lines, 1):
        seconds, _, path = line.partition(" ")
        when = date(seconds)
        if line and when is None and seconds != "0":
            message = f"times line {number}: no time"
            raise ParseError(message)
        if when:
            times[path] = when
    lists = {item.path: item for item in join.lists}
    found: dict[tuple[str, str], _Copy] = {}
    for path, metadata in _metadata(required(section, "metadata")).items():
        folder = str(PurePosixPath(path).parent)
        copy = _copy(folder, metadata, times, lists)
        key = _key(folder)
        before = found.get(key)
        if before is None or _age(copy) > _age(before):
            found[key] = copy
    return found


def _age(copy: _Copy) -> float:
    return max((when.timestamp() for when in (copy.made, copy.fetched) if when), default=0.0)


def _key(folder: str) -> tuple[str, str]:
    """Find package manager and repository: dnf puts a digest of its addresses behind its id."""
    steps = PurePosixPath(folder).parts
    name = steps[-2] if steps[-1] == "repodata" else steps[-1]
    if folder.startswith("/var/cache/zypp/"):
        return "zypp", name
    return "dnf", re.sub(r"-[0-9a-f]{16}$", "", name)


def _copy(
    folder: str, metadata: _Metadata, times: dict[str, datetime], lists: dict[str, UpdateList]
) -> _Copy:
    here = {name: f"{folder}/{name}" for name in metadata.updates}
    read = [lists[path] for path in here.values() if path in lists]
    best = next((item for item in read if _whole(item, metadata)), None)
    if not metadata.whole:
        advisories = Advisories.TORN
    elif not metadata.updates:
        advisories = Advisories.NONE
    elif best:
        advisories = Advisories.READ
    elif not read:
        advisories = Advisories.MISSING
    elif all(item.status == _NO_TOOL for item in read):
        advisories = Advisories.PACKED
    else:
        advisories = Advisories.TORN
    return _Copy(
        advisories=advisories,
        path=best.path if best else "",
        made=max(metadata.dates, default=None),
        fetched=max((when for path, when in times.items() if path.startswith(f"{folder}/")), default=None),
        security=best.security if best else 0,
    )


def _whole(item: UpdateList, metadata: _Metadata) -> bool:
    size = metadata.updates[PurePosixPath(item.path).name]
    return item.status == 0 and item.whole and size in ("", str(item.size))


def _metadata(part: Part) -> dict[str, _Metadata]:
    found: dict[str, _Metadata] = {}
    here = _Metadata(dates=[], updates={})
    for number, line in enumerate(part.lines, 1):
        match line.split("\t"):
            case [""]:
                continue
            case ["R", path]:
                here = found.setdefault(path, _Metadata(dates=[], updates={}))
            case ["V", text]:
                # Some vendors write a release's name as the revision.
                when = date(text)
                if when:
                    here.dates.append(when)
            case ["U", size, name]:
                here.updates[name] = size
            case ["E"]:
                here.whole = True
            case _:
                message = f"metadata line {number}: not understood"
                raise ParseError(message)
    return found


PROBE = Probe(name="rpm", facts=RpmFacts, parse=parse, cap_bytes=1_048_576, order=31)
