"""What apt's package lists say of the installed packages: the join that the probe makes on the host."""

import re

from msgspec import Struct

from collectors.debian_version import is_newer, version_key
from collectors.evidence import Part, Reason, printable
from collectors.facts import WithheldError
from config.errors import ParseError

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{0,200}")
_ARCH = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_VERSION = re.compile(r"[!-~]{1,256}")


class Offer(Struct, frozen=True, kw_only=True):
    """An installed package that a source has a version of, lower, equal or higher."""

    name: str
    arch: str
    installed: str
    """version that is installed"""
    held: bool
    """on hold in dpkg's selections: apt will not upgrade it"""
    source: str
    """source package"""
    offered: str
    """highest version there; empty when no version can be read"""
    newer: bool | None
    """the offered version is higher; None when that cannot be told"""
    pocket: str
    """prefix of the security pocket or other source that has it"""


class Unfinished(Struct, frozen=True, kw_only=True):
    """A package that dpkg did not finish to install."""

    name: str
    arch: str
    installed: str
    status: str
    """letters of dpkg's status: `U` unpacked, `F` half configured, `H` half installed, `R` to reinstall"""


class ListFile(Struct, frozen=True, kw_only=True):
    """A list of packages that was read."""

    file: str
    whole: bool
    size: int
    stanzas: int


class Join(Struct, frozen=True, kw_only=True):
    """The installed packages, and those of them that the lists know, by the number of the list."""

    installed: int
    backported: int
    """installed packages whose version says that they come from backports"""
    offers: tuple[tuple[int, Offer], ...]
    unfinished: tuple[Unfinished, ...]
    lists: dict[int, ListFile]
    large: frozenset[str]
    """files of other vendors' lists that are too large to be read on every visit"""


def read_join(part: Part) -> Join:  # noqa: C901 (one case a verb)
    """Read the probe's join; raises ParseError with the line that is not as the probe writes it."""
    installed: int | None = None
    backported = 0
    offers: list[tuple[int, Offer]] = []
    unfinished: list[Unfinished] = []
    lists: dict[int, ListFile] = {}
    large: set[str] = set()
    for number, line in enumerate(part.lines, 1):
        try:
            match line.split(" "):
                case ["D", "0", count, backports]:
                    installed, backported = int(count), int(backports)
                case ["D", status, *_]:
                    raise WithheldError(
                        Reason.FAILED, f"dpkg-query ended with {printable(status.encode(), limit=4)}"
                    )
                case ["B", file]:
                    large.add(file)
                case ["U", *words]:
                    unfinished.append(_unfinished(words))
                case ["C", at, *words]:
                    offers.append((int(at), _offer(words)))
                case ["L", at, status, size, stanzas, file]:
                    lists[int(at)] = ListFile(
                        file=file, whole=status == "0", size=int(size), stanzas=int(stanzas)
                    )
                case _:
                    message = f"join line {number}: not understood"
                    raise ParseError(message)
        except ValueError as odd:
            message = f"join line {number}: not as the probe writes it"
            raise ParseError(message) from odd
    if installed is None:
        message = "join: no count of installed packages"
        raise ParseError(message)
    if any(at not in lists for at, _ in offers):
        message = "join: a list has no end"
        raise ParseError(message)
    return Join(
        installed=installed,
        backported=backported,
        offers=tuple(offers),
        unfinished=tuple(unfinished),
        lists=lists,
        large=frozenset(large),
    )


def _package(words: list[str]) -> tuple[str, str, str, str, str]:
    """Check name, architecture, installed version, status and source; ValueError when one is none."""
    name, arch, version, abbrev, source = words
    right = _NAME.fullmatch(name) and _ARCH.fullmatch(arch) and _VERSION.fullmatch(version)
    if not right or not re.fullmatch(r"[a-zA-Z-]{2,3}", abbrev) or not _VERSION.fullmatch(source or "-"):
        message = "no package"
        raise ValueError(message)
    return name, arch, version, abbrev, source


def _unfinished(words: list[str]) -> Unfinished:
    name, arch, version, abbrev, _ = _package(words)
    return Unfinished(name=name, arch=arch, installed=version, status=abbrev[1:].strip("-"))


def _offer(words: list[str]) -> Offer:
    name, arch, version, abbrev, source = _package(words[:5])
    (offered,) = words[5:]
    try:
        newer: bool | None = is_newer(offered, version)
    except ValueError:
        newer = None
    return Offer(
        name=name,
        arch=arch,
        installed=version,
        held=abbrev.startswith("h"),
        source=source,
        offered=offered if newer is not None else "",
        newer=newer,
        pocket="",
    )


def best(join: Join, prefixes: tuple[str, ...]) -> tuple[Offer, ...]:
    """Keep the highest version of each package over the sources with these prefixes."""
    found: dict[tuple[str, str], Offer] = {}
    for at, offer in join.offers:
        file = join.lists[at].file
        pocket = max((prefix for prefix in prefixes if file.startswith(prefix)), key=len, default=None)
        if pocket is None:
            continue
        here = Offer(
            name=offer.name,
            arch=offer.arch,
            installed=offer.installed,
            held=offer.held,
            source=offer.source,
            offered=offer.offered,
            newer=offer.newer,
            pocket=pocket,
        )
        before = found.get((offer.name, offer.arch))
        found[offer.name, offer.arch] = here if before is None else _higher(before, here)
    return tuple(found[key] for key in sorted(found))


def _higher(one: Offer, other: Offer) -> Offer:
    """A fix that is surely there beats a version that cannot be read, and that beats "nothing newer"."""
    if None in (one.newer, other.newer):
        unclear, clear = (one, other) if one.newer is None else (other, one)
        return clear if clear.newer else unclear
    return other if version_key(other.offered) > version_key(one.offered) else one
