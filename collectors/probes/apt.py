"""Which security fixes apt's own lists offer for what is installed, and how fresh those lists are."""

import re
from datetime import UTC, datetime
from pathlib import PurePosixPath

from msgspec import Struct

from collectors.apt_sources import AptSource, read_sources
from collectors.evidence import Part, Reason, Section, printable
from collectors.facts import Facts, Probe, WithheldError
from collectors.probes.apt_join import Join, Offer, Unfinished, best, read_join
from config.errors import ParseError

_PLACES = {
    "Dir::State::lists": (("Dir", "Dir::State", "Dir::State::lists"), "/var/lib/apt/lists"),
    "Dir::State::status": (("Dir", "Dir::State", "Dir::State::status"), "/var/lib/dpkg/status"),
    "Dir::Etc::sourcelist": (("Dir", "Dir::Etc", "Dir::Etc::sourcelist"), "/etc/apt/sources.list"),
    "Dir::Etc::sourceparts": (("Dir", "Dir::Etc", "Dir::Etc::sourceparts"), "/etc/apt/sources.list.d"),
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{1,2}) ([A-Z][a-z]{2}) ([0-9]{4})"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) (?:UTC|GMT|[+-]0000)"
)
_SETTING = re.compile(r'([A-Za-z:-]+) "(.*)";')


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


class Pin(Struct, frozen=True, kw_only=True):
    """A stanza of apt_preferences(5)."""

    packages: tuple[str, ...]
    pin: str
    priority: int


class Automatic(Struct, frozen=True, kw_only=True):
    """What apt is told to do by itself: APT::Periodic and Unattended-Upgrade."""

    enabled: bool
    """APT::Periodic::Enable is not 0"""
    fetches: str
    """APT::Periodic::Update-Package-Lists as it is written, such as `1`; empty when unset"""
    installs: str
    """APT::Periodic::Unattended-Upgrade as it is written; empty when unset"""
    allowed_origins: tuple[str, ...]
    """`ORIGIN:SUITE` from which packages are installed"""
    origins_pattern: tuple[str, ...]
    """the same as `origin=…,codename=…,label=…`"""
    blacklist: tuple[str, ...]
    """regular expressions of packages that are never installed by itself"""
    whitelist: tuple[str, ...]
    """when there are any, only these are"""


class AptFacts(Facts, frozen=True, kw_only=True):
    """Installed packages against the security pockets, and what stands in the way of a fix."""

    native: str
    """the system's own architecture"""
    installed: int
    """installed packages"""
    offers: tuple[Offer, ...]
    """those of them that a security pocket knows"""
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


def parse(section: Section) -> AptFacts:
    """Join sources, Release files and lists.

    Raises WithheldError where dpkg is absent, apt works elsewhere or its folder cannot be read;
    ParseError for an answer that is not as the probe writes it.
    """
    if section.part("dpkg") is not None:
        raise WithheldError(Reason.UNSUPPORTED, "no dpkg")
    settings = _settings(section)
    architectures = _architectures(section)
    folder = _part(section, "lists")
    if folder.state == "denied":
        raise WithheldError(Reason.DENIED, "apt's list folder")
    releases: dict[str, _Release] = {}
    join = Join(installed=0, offers=(), unfinished=(), lists={})
    if folder.state == "read":
        releases = _releases(_part(section, "releases"))
        join = read_join(_part(section, "join"))
    sources = _sources(section)
    pockets: list[Pocket] = []
    others: list[OtherSource] = []
    for source in sources:
        release = releases.get(source.prefix)
        if release.is_security if release else source.suite.endswith(("-security", "/updates")):
            pockets.append(_pocket(source, release, join, architectures))
        else:
            others.append(
                OtherSource(
                    prefix=source.prefix,
                    suite=source.suite,
                    origin=release.get("Origin") if release else "",
                    label=release.get("Label") if release else "",
                    components=source.components,
                )
            )
    return AptFacts(
        native=architectures[0],
        installed=join.installed,
        offers=best(join, tuple(pocket.prefix for pocket in pockets)),
        unfinished=join.unfinished,
        pockets=tuple(pockets),
        others=tuple(others),
        unread=tuple(
            part.name.partition(":")[2] or part.name
            for part in section.parts
            if part.state == "denied" and part.name.startswith(("source:", "pin:", "release:", "settings"))
        ),
        pins=_pins(section),
        default_release=_last(settings, "APT::Default-Release"),
        automatic=_automatic(section, settings),
    )


def _part(section: Section, name: str) -> Part:
    part = section.part(name)
    if part is None:
        message = f"no part {name}"
        raise ParseError(message)
    return part


def _settings(section: Section) -> dict[str, list[str]]:
    part = _part(section, "settings")
    settings: dict[str, list[str]] = {}
    for line in part.lines if part.state == "read" else ():
        found = _SETTING.fullmatch(line)
        if found:
            # Keys have no case of their own, apt.conf(5); those of lists end in "::" and come more than once.
            settings.setdefault(found[1].lower(), []).append(found[2])
    for name, (steps, usual) in _PLACES.items():
        if name.lower() in settings:
            # A step that begins with / starts anew, as apt's FindFile has it.
            path = PurePosixPath("/", *(_last(settings, step) for step in steps))
            if str(path) != usual:
                raise WithheldError(Reason.UNSUPPORTED, f"{name} is not {usual}")
    return settings


def _last(settings: dict[str, list[str]], key: str) -> str:
    return settings.get(key.lower(), [""])[-1]


def _automatic(section: Section, settings: dict[str, list[str]]) -> Automatic | None:
    if _part(section, "settings").state != "read":
        return None

    def listed(name: str) -> tuple[str, ...]:
        return tuple(value for value in settings.get(f"unattended-upgrade::{name}::", ()) if value)

    return Automatic(
        enabled=_last(settings, "apt::periodic::enable") != "0",
        fetches=_last(settings, "apt::periodic::update-package-lists"),
        installs=_last(settings, "apt::periodic::unattended-upgrade"),
        allowed_origins=listed("allowed-origins"),
        origins_pattern=listed("origins-pattern"),
        blacklist=listed("package-blacklist"),
        whitelist=listed("package-whitelist"),
    )


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
            case "S" | "":
                continue
            case _:
                message = f"releases line {number}: {verb[:20]!r} is no verb"
                raise ParseError(message)
    return found


def _pocket(
    source: AptSource, release: _Release | None, join: Join, architectures: tuple[str, ...]
) -> Pocket:
    indexes = release.indexes if release else {}
    asked = source.architectures or architectures
    by_file = {re.sub(r"\.[a-z0-9]+$", "", item.file): item for item in join.lists.values()}
    wanted: list[str] = []
    if source.suite.endswith("/"):
        wanted = ["Packages"]
    else:
        for arch in asked:
            paths = [f"{component}/binary-{arch}/Packages" for component in source.components]
            announced = [path for path in paths if path in indexes]
            # A foreign architecture may be absent from the pocket; the system's own may not.
            wanted += announced or (paths if arch == architectures[0] else [])
    ending = f"/binary-{architectures[0]}/Packages"
    held = {
        path.removesuffix(ending) for path, size in indexes.items() if path.endswith(ending) and size != 0
    }
    missing: list[str] = []
    torn: list[str] = []
    stanzas = 0
    for path in dict.fromkeys(wanted):
        item = by_file.get(source.prefix + path.replace("_", "%5f").replace("/", "_"))
        size = indexes.get(path)
        if item is None:
            # apt keeps no file of a list that its Release file announces as empty.
            if size != 0:
                missing.append(path)
        elif not item.whole or (size is not None and item.size != size):
            torn.append(path)
        else:
            stanzas += item.stanzas
    if not wanted:
        missing.append("any list of packages")
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
        missing=tuple(missing),
        torn=tuple(torn),
        stanzas=stanzas,
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
