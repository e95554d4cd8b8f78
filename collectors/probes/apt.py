"""Which security fixes apt's own lists offer for what is installed, and how fresh those lists are."""

import re
from datetime import UTC, datetime

from msgspec import Struct

from collectors.apt_sources import AptSource, read_sources
from collectors.evidence import Part, Reason, Section, printable
from collectors.facts import Facts, Probe, WithheldError
from collectors.probes.apt_join import Join, Offer, Unfinished, best, read_join
from collectors.probes.apt_settings import Automatic, automatic_of, last, read_settings
from config.errors import ParseError

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{1,2}) ([A-Z][a-z]{2}) ([0-9]{4})"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) (?:UTC|GMT|[+-]0000)"
)


class Pocket(Struct, frozen=True, kw_only=True):
    """A configured source of security fixes."""

    prefix: str
    """what the names of its files in apt's list folder begin with"""
    suite: str
    """as it is configured, such as `bookworm-security`"""
    origin: str
    """Origin of its Release file; empty without one"""
    label: str
    """Label of its Release file"""
    codename: str
    """Codename of its Release file: `bookworm-security`, `jammy`; empty without a Release file"""
    archive: str
    """Suite of its Release file"""
    date: datetime | None
    """Date of its Release file: when the archive was made, not when it was fetched"""
    valid_until: datetime | None
    """Valid-Until of its Release file"""
    components: tuple[str, ...]
    """asked for"""
    unasked: tuple[str, ...]
    """components that hold packages for this system and are not asked for"""
    missing: tuple[str, ...]
    """lists that should be there and are not"""
    torn: tuple[str, ...]
    """lists that could not be read whole"""
    stanzas: int
    """packages in the lists that were read"""


class OtherSource(Struct, frozen=True, kw_only=True):
    """A configured source that is no security pocket."""

    prefix: str
    suite: str
    origin: str
    """Origin of its Release file; empty without one"""
    label: str
    components: tuple[str, ...]
    foreign: bool
    """of another vendor than the security pockets: nobody marks its fixes as security fixes"""
    automatic: bool
    """false where NotAutomatic says that apt takes nothing from it that was not asked for"""
    missing: tuple[str, ...]
    """of a foreign source: lists that should be there and are not"""
    torn: tuple[str, ...]
    """of a foreign source: lists that could not be read whole"""
    large: tuple[str, ...]
    """of a foreign source: lists that are too large to be read on every visit"""


class Pin(Struct, frozen=True, kw_only=True):
    """A stanza of apt_preferences(5)."""

    packages: tuple[str, ...]
    pin: str
    priority: int


class AptFacts(Facts, frozen=True, kw_only=True):
    """Installed packages against the security pockets, and what stands in the way of a fix."""

    native: str
    """the system's own architecture"""
    installed: int
    """installed packages"""
    backported: int
    """those of them whose version says that they come from backports"""
    offers: tuple[Offer, ...]
    """those of them that a security pocket knows"""
    foreign: tuple[Offer, ...]
    """those of them that another vendor's source knows"""
    unfinished: tuple[Unfinished, ...]
    pockets: tuple[Pocket, ...]
    others: tuple[OtherSource, ...]
    unread: tuple[str, ...]
    """files and folders of apt's configuration that the audit account may not read"""
    pins: tuple[Pin, ...]
    default_release: str
    """APT::Default-Release; empty when unset or not readable"""
    automatic: Automatic | None
    """None when apt's settings could not be asked"""


class _Release(Struct, frozen=True, kw_only=True):
    prefix: str
    fields: dict[str, str]
    indexes: dict[str, int | None]

    def get(self, field: str) -> str:
        return self.fields.get(field, "")

    @property
    def is_security(self) -> bool:
        return self.get("Label") == "Debian-Security" or any(
            self.get(field).endswith("-security") for field in ("Suite", "Codename")
        )


class _Lists(Struct, frozen=True, kw_only=True):
    missing: tuple[str, ...] = ()
    torn: tuple[str, ...] = ()
    large: tuple[str, ...] = ()
    stanzas: int = 0


def _plain(file: str) -> str:
    """Name a list without the ending of what it is packed with."""
    return re.sub(r"\.[a-z0-9]+$", "", file)


def parse(section: Section) -> AptFacts:
    """Join sources, Release files and lists.

    Raises WithheldError where dpkg is absent, apt works elsewhere or its folder cannot be read;
    ParseError for an answer that is not as the probe writes it.
    """
    if section.part("dpkg") is not None:
        raise WithheldError(Reason.UNSUPPORTED, "no dpkg")
    asked = _part(section, "settings")
    settings = read_settings(asked)
    architectures = _architectures(section)
    folder = _part(section, "lists")
    if folder.state == "denied":
        raise WithheldError(Reason.DENIED, "apt's list folder")
    releases: dict[str, _Release] = {}
    join = Join(installed=0, backported=0, offers=(), unfinished=(), lists={}, large=frozenset())
    if folder.state == "read":
        releases = _releases(_part(section, "releases"))
        join = read_join(_part(section, "join"))
    sources = _sources(section)
    named = {
        source: release.is_security if release else source.suite.endswith(("-security", "/updates"))
        for source in sources
        for release in (releases.get(source.prefix),)
    }
    pockets = tuple(
        _pocket(source, releases.get(source.prefix), join, architectures)
        for source in sources
        if named[source]
    )
    origins = {pocket.origin for pocket in pockets if pocket.origin}
    others = tuple(
        _other(source, releases.get(source.prefix), join, architectures, origins)
        for source in sources
        if not named[source]
    )
    return AptFacts(
        native=architectures[0],
        installed=join.installed,
        backported=join.backported,
        offers=best(join, tuple(pocket.prefix for pocket in pockets)),
        foreign=best(join, tuple(other.prefix for other in others if other.foreign and other.automatic)),
        unfinished=join.unfinished,
        pockets=pockets,
        others=others,
        unread=tuple(
            part.name.partition(":")[2] or part.name
            for part in section.parts
            if part.state == "denied" and part.name.startswith(("source:", "pin:", "release:", "settings"))
        ),
        pins=_pins(section),
        default_release=last(settings, "APT::Default-Release"),
        automatic=automatic_of(settings) if asked.state == "read" else None,
    )


def _part(section: Section, name: str) -> Part:
    part = section.part(name)
    if part is None:
        message = f"no part {name}"
        raise ParseError(message)
    return part


def _architectures(section: Section) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(_part(section, "architectures").text.split()))
    if not found:
        message = "architectures: none"
        raise ParseError(message)
    return found


def _sources(section: Section) -> tuple[AptSource, ...]:
    """Join entries of one suite: main and contrib may stand on two lines."""
    found: dict[str, AptSource] = {}
    for part in section.named("source:"):
        for source in read_sources(part.name, part.lines) if part.state == "read" else ():
            before = found.get(source.prefix)
            if before is not None:
                both = bool(before.architectures and source.architectures)
                source = AptSource(  # noqa: PLW2901 (the joined entry takes its place)
                    prefix=source.prefix,
                    suite=before.suite,
                    components=tuple(dict.fromkeys((*before.components, *source.components))),
                    architectures=tuple(dict.fromkeys((*before.architectures, *source.architectures)))
                    if both
                    else (),
                )
            found[source.prefix] = source
    return tuple(found.values())


def _releases(part: Part) -> dict[str, _Release]:
    found: dict[str, _Release] = {}
    fields: dict[str, str] = {}
    indexes: dict[str, int | None] = {}
    for number, line in enumerate(part.lines, 1):
        verb, _, rest = line.partition(" ")
        match verb:
            case "R":
                fields, indexes = {}, {}
                prefix = re.sub(r"(In)?Release$", "", rest)
                found[prefix] = _Release(prefix=prefix, fields=fields, indexes=indexes)
            case "F" if found:
                name, _, value = rest.partition(": ")
                fields[name] = printable(value.strip().encode(), limit=200)
            case "P" if found:
                size, _, path = rest.partition(" ")
                indexes[printable(path.encode(), limit=300)] = (
                    int(size) if re.fullmatch(r"[0-9]{1,15}", size) else None
                )
            case "S" | "T" | "":
                continue
            case _:
                message = f"releases line {number}: {verb[:20]!r} is no verb"
                raise ParseError(message)
    return found


def _other(
    source: AptSource,
    release: _Release | None,
    join: Join,
    architectures: tuple[str, ...],
    origins: set[str],
) -> OtherSource:
    origin = release.get("Origin") if release else ""
    # Without a security pocket there is nobody to be another vendor than.
    foreign = bool(origins) and origin not in origins
    automatic = release is None or release.get("NotAutomatic").lower() != "yes"
    found = _lists(source, release, join, architectures) if foreign and automatic else _Lists()
    return OtherSource(
        prefix=source.prefix,
        suite=source.suite,
        origin=origin,
        label=release.get("Label") if release else "",
        components=source.components,
        foreign=foreign,
        automatic=automatic,
        missing=found.missing,
        torn=found.torn,
        large=found.large,
    )


def _lists(source: AptSource, release: _Release | None, join: Join, architectures: tuple[str, ...]) -> _Lists:
    """Hold the lists that were read against those that the source and its Release file announce."""
    indexes = release.indexes if release else {}
    asked = source.architectures or architectures
    by_file = {_plain(item.file): item for item in join.lists.values()}
    skipped = {_plain(file) for file in join.large}
    wanted: list[str] = []
    if source.suite.endswith("/"):
        wanted = ["Packages"]
    else:
        for arch in asked:
            paths = [f"{component}/binary-{arch}/Packages" for component in source.components]
            announced = [path for path in paths if path in indexes]
            # A foreign architecture may be absent from the pocket; the system's own may not.
            wanted += announced or (paths if arch == architectures[0] else [])
    missing: list[str] = []
    torn: list[str] = []
    large: list[str] = []
    stanzas = 0
    for path in dict.fromkeys(wanted):
        file = source.prefix + path.replace("_", "%5f").replace("/", "_")
        item, size = by_file.get(file), indexes.get(path)
        if file in skipped:
            large.append(path)
        elif item is None:
            # apt keeps no file of a list that its Release file announces as empty.
            if size != 0:
                missing.append(path)
        elif not item.whole or (size is not None and item.size != size):
            torn.append(path)
        else:
            stanzas += item.stanzas
    if not wanted:
        missing.append("any list of packages")
    return _Lists(missing=tuple(missing), torn=tuple(torn), large=tuple(large), stanzas=stanzas)


def _pocket(
    source: AptSource, release: _Release | None, join: Join, architectures: tuple[str, ...]
) -> Pocket:
    indexes = release.indexes if release else {}
    ending = f"/binary-{architectures[0]}/Packages"
    held = {
        path.removesuffix(ending) for path, size in indexes.items() if path.endswith(ending) and size != 0
    }
    lists = _lists(source, release, join, architectures)
    return Pocket(
        prefix=source.prefix,
        suite=source.suite,
        origin=release.get("Origin") if release else "",
        label=release.get("Label") if release else "",
        codename=release.get("Codename") if release else "",
        archive=release.get("Suite") if release else "",
        date=_date(release.get("Date")) if release else None,
        valid_until=_date(release.get("Valid-Until")) if release else None,
        components=source.components,
        unasked=tuple(sorted(held - set(source.components))),
        missing=lists.missing,
        torn=lists.torn,
        stanzas=lists.stanzas,
    )


def _pins(section: Section) -> tuple[Pin, ...]:
    pins: list[Pin] = []
    for part in section.named("pin:"):
        fields: dict[str, str] = {}
        field = ""
        for line in (*part.lines, "") if part.state == "read" else ():
            if not line.strip():
                if re.fullmatch(r"-?[0-9]{1,6}", fields.get("pin-priority", "")):
                    pins.append(
                        Pin(
                            packages=tuple(fields.get("package", "").split()),
                            pin=fields.get("pin", ""),
                            priority=int(fields["pin-priority"]),
                        )
                    )
                fields, field = {}, ""
            elif line[0] in " \t" and field:
                fields[field] += " " + line.strip()
            else:
                name, _, value = line.partition(":")
                field = name.strip().lower()
                fields[field] = value.strip()
    return tuple(pins)


def _date(text: str) -> datetime | None:
    """Read the date of a Release file (RFC 5322, in UTC); None for another form."""
    found = _DATE.fullmatch(text)
    if found is None or found[2] not in _MONTHS:
        return None
    day, month, year, hour, minute, second = found.groups()
    try:
        return datetime(
            int(year),
            _MONTHS.index(month) + 1,
            int(day),
            int(hour),
            int(minute),
            min(int(second), 59),
            tzinfo=UTC,
        )
    except ValueError:
        return None


PROBE = Probe(name="apt", facts=AptFacts, parse=parse, cap_bytes=1_048_576, order=30)
