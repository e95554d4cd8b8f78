"""Which fixes the cached advisories offer for what is installed: the join that the rpm probe makes."""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec import Struct

from collectors.evidence import Part, Reason, printable
from collectors.facts import WithheldError
from collectors.probes.rows import broken, rows
from collectors.rpm_version import EvrKey, evr_key, spell
from config.errors import ParseError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,200}")
_ARCH = re.compile(r"[A-Za-z0-9_]{1,40}")
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?.{0,10})?")
_SECONDS = re.compile(r"[0-9]{9,11}")
_LAST = datetime.max.replace(tzinfo=UTC)


class InstalledPackage(Struct, frozen=True, kw_only=True):
    """A package in rpm's data base."""

    name: str
    arch: str
    epoch: str
    version: str
    release: str
    installed_at: datetime | None

    @property
    def evr(self) -> str:
        """As rpm and dnf write it."""
        return spell(self.epoch, self.version, self.release)

    @property
    def order(self) -> EvrKey:
        """What to sort by; raises ValueError where rpm's own order knows no answer."""
        return evr_key(self.epoch, self.version, self.release)


class Fix(Struct, frozen=True, kw_only=True):
    """An installed package that a security advisory knows a higher version of."""

    name: str
    arch: str
    installed: str
    """highest version that is installed, as rpm writes it"""
    offered: str
    """highest version in the advisories; empty when no version there can be read"""
    newer: bool | None
    """the offered version is higher; None when that cannot be told"""
    advisories: tuple[str, ...]
    """the missing advisories, the oldest first"""
    issued: datetime | None
    """when the oldest of them was issued; None when none has a date that can be read"""
    severity: str
    """of the oldest, in the vendor's own word"""
    repositories: tuple[str, ...]
    """those that offer it"""


class UpdateList(Struct, frozen=True, kw_only=True):
    """A file of advisories that was read."""

    path: str
    status: int
    """of the tool that unpacked it; 127: none here can"""
    size: int
    whole: bool
    """it has its last tag"""
    security: int
    """security advisories in it"""


class _Advisory(NamedTuple):
    id: str
    issued: datetime | None
    severity: str


class _Offer(NamedTuple):
    advisory: _Advisory
    epoch: str
    version: str
    release: str
    modules: tuple[str, ...]
    list_path: str


class Join(Struct, frozen=True, kw_only=True):
    """What is installed, and what the advisories offer for it."""

    installed: int
    lists: tuple[UpdateList, ...]
    kernels: tuple[InstalledPackage, ...]
    packages: tuple[InstalledPackage, ...]
    offers: dict[tuple[str, str], tuple[_Offer, ...]]


class _Reader:
    """Takes the join's lines in their order: packages and advisories of a list stand before its end."""

    def __init__(self) -> None:
        self.installed: int | None = None
        self.lists: list[UpdateList] = []
        self.kernels: list[InstalledPackage] = []
        self.packages: list[InstalledPackage] = []
        self.offers: dict[tuple[str, str], list[_Offer]] = {}
        self.waiting: list[tuple[tuple[str, str], _Offer]] = []
        self.advisory: _Advisory | None = None
        self.kept = 0

    def take(self, words: list[str]) -> None:
        """Raises ValueError for a line that is not as the probe writes it."""
        match words:
            case ["D", "0", count]:
                self.installed = int(count)
            case ["D", status, _]:
                raise WithheldError(Reason.FAILED, f"rpm ended with {printable(status.encode(), limit=4)}")
            case ["K", *rest]:
                self.kernels.append(_installed(rest))
            case ["I", *rest]:
                self.packages.append(_installed(rest))
            case ["A" | "P" | "L", *_]:
                self._advisories(words)
            case _:
                message = "not understood"
                raise ValueError(message)

    def _advisories(self, words: list[str]) -> None:
        self.kept += 1
        match words:
            case ["A", name, issued, severity, status]:
                # A retracted advisory (SUSE) offers what was taken back.
                self.advisory = None if status == "retracted" else _Advisory(name, date(issued), severity)
            case ["P", name, arch, epoch, version, release, modules]:
                if self.advisory:
                    streams = tuple(modules.split()) if modules != "-" else ()
                    offer = _Offer(self.advisory, epoch, version, release, streams, "")
                    self.waiting.append(((_name(name), _arch(arch)), offer))
            case ["L", status, size, whole, kept, security, path]:
                if int(kept) != self.kept - 1:
                    message = "lines of this list are missing"
                    raise ValueError(message)
                for key, offer in self.waiting:
                    self.offers.setdefault(key, []).append(offer._replace(list_path=path))
                self.waiting, self.advisory, self.kept = [], None, 0
                self.lists.append(
                    UpdateList(
                        path=path, status=int(status), size=int(size), whole=whole == "1",
                        security=int(security),
                    )
                )  # fmt: skip
            case _:
                message = "not understood"
                raise ValueError(message)


def read_join(part: Part) -> Join:
    """Read the probe's join; raises ParseError with the line that is not as the probe writes it."""
    reader = _Reader()
    for number, line in rows(part):
        try:
            reader.take(line.split("\t"))
        except ValueError as odd:
            raise broken(part, number, "not as the probe writes it") from odd
    if reader.installed is None:
        message = "join: no count of installed packages"
        raise ParseError(message)
    known = {(package.name, package.arch) for package in reader.packages}
    if reader.waiting or not set(reader.offers) <= known:
        message = "join: it has no end"
        raise ParseError(message)
    return Join(
        installed=reader.installed,
        lists=tuple(reader.lists),
        kernels=tuple(reader.kernels),
        packages=tuple(reader.packages),
        offers={key: tuple(found) for key, found in reader.offers.items()},
    )


def missing_fixes(
    join: Join, repositories: dict[str, str], streams: frozenset[str] | None
) -> tuple[Fix, ...]:
    """Compare in rpm's order what the lists of these repositories (by path) offer with what is installed.

    `streams` are the enabled module streams, `NAME:STREAM`; None when they cannot be seen.
    """
    fixes: list[Fix] = []
    for key, all_offers in sorted(join.offers.items()):
        offers = [offer for offer in all_offers if offer.list_path in repositories]
        installed = [package for package in join.packages if (package.name, package.arch) == key]
        fix = _fix(key, installed, offers, repositories, streams)
        if fix:
            fixes.append(fix)
    return tuple(fixes)


def _fix(
    key: tuple[str, str],
    installed: list[InstalledPackage],
    offers: list[_Offer],
    repositories: dict[str, str],
    streams: frozenset[str] | None,
) -> Fix | None:
    try:
        newest = max(installed, key=lambda package: package.order)
        order = newest.order
    except ValueError:
        newest, order = installed[0], None
    newer: list[_Offer] = []
    unclear: list[_Offer] = []
    for offer in offers:
        try:
            higher = order is None or evr_key(offer.epoch, offer.version, offer.release) > order
        except ValueError:
            unclear.append(offer)
            continue
        if higher:
            applies = _applies(offer.modules, newest.release, streams)
            if order is None or applies is None:
                unclear.append(offer)
            elif applies:
                newer.append(offer)
    if not newer and not unclear:
        return None
    # One without a date says nothing against the age of the others.
    missing = sorted(newer or unclear, key=lambda offer: (offer.advisory.issued or _LAST, offer.advisory.id))
    oldest = missing[0].advisory
    best = max(newer, key=lambda offer: evr_key(offer.epoch, offer.version, offer.release)) if newer else None
    return Fix(
        name=key[0],
        arch=key[1],
        installed=newest.evr,
        offered=spell(best.epoch, best.version, best.release) if best else "",
        newer=True if best else None,
        advisories=tuple(dict.fromkeys(offer.advisory.id for offer in missing)),
        issued=oldest.issued,
        severity=oldest.severity,
        repositories=tuple(sorted({repositories[offer.list_path] for offer in missing})),
    )


def _applies(modules: tuple[str, ...], release: str, streams: frozenset[str] | None) -> bool | None:
    """Say whether packages of these module streams are for this host.

    dnf takes them from enabled and default streams; the latter are not seen here, so that a package that
    was built for a module (its release says so) and whose module is not enabled stays open.
    """
    if not modules:
        return True
    if streams is not None:
        if streams & set(modules):
            return True
        names = {stream.partition(":")[0] for stream in streams}
        if all(module.partition(":")[0] in names for module in modules):
            return False
    return None if ".module" in release else False


def _installed(words: list[str]) -> InstalledPackage:
    name, arch, epoch, version, release, seconds = words
    return InstalledPackage(
        name=_name(name),
        arch=_arch(arch),
        epoch=epoch,
        version=printable(version.encode(), limit=128),
        release=printable(release.encode(), limit=128),
        installed_at=datetime.fromtimestamp(int(seconds), tz=UTC) if _SECONDS.fullmatch(seconds) else None,
    )


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        message = "no package name"
        raise ValueError(message)
    return text


def _arch(text: str) -> str:
    if not _ARCH.fullmatch(text):
        message = "no architecture"
        raise ValueError(message)
    return text


def date(text: str) -> datetime | None:
    """Read a date of the metadata: seconds since 1970, or a day with or without a time; None for others."""
    if _SECONDS.fullmatch(text):
        return datetime.fromtimestamp(int(text), tz=UTC)
    found = _DAY.fullmatch(text)
    if found is None:
        return None
    try:
        return datetime(*(int(number or 0) for number in found.groups()), tzinfo=UTC)  # type: ignore[arg-type,misc]
    except ValueError:
        return None
