"""How far back a host's access logs reach, what is configured to keep them, and who may touch them."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts, Probe
from collectors.probes.log_stamps import EARLIEST, SLACK, Yearless, latest, read_stamp, read_zone
from collectors.probes.logrotate_config import Config, Rotation
from config.errors import ParseError

FAMILIES = ("auth", "wtmp", "btmp", "audit")
"""the logs every host is asked for; a declared glob is a family of its own name"""
WELL_KNOWN = (
    "/var/log/auth.log",
    "/var/log/secure",
    "/var/log/wtmp",
    "/var/log/btmp",
    "/var/log/audit/audit.log",
)
_SUFFIX = re.compile(r"(?:\.([0-9]{1,6})|[-.]([0-9]{8})(?:[-0-9T]{0,11}))?(?:\.(?:gz|Z|xz|zst|bz2))?")
_SMALLEST_RECORD = 16
"""bytes; a file shorter than a time stamp holds no record"""


class LogFile(Facts, frozen=True, kw_only=True):
    """One file of a log, also one that may not be read."""

    path: str
    family: str
    """auth, wtmp, btmp, audit, or the declared glob"""
    series: str
    """path of the log that is written; its rotated files share it"""
    rotated: bool
    size: int
    """bytes on disk, compressed or not"""
    modified: datetime | None
    owner: str
    group: str
    mode: int
    """permission bits; 0 when they could not be read"""
    first: datetime | None
    """time of its first record"""
    first_auth: datetime | None
    """time of the first line about a log-in in its first 16 KB"""
    undated: Reason | None
    """why there is no `first`; None as well when it holds no record"""


class Journal(Facts, frozen=True, kw_only=True):
    """The systemd journal; its times are those of the persistent one."""

    storage: str
    """Storage of journald.conf(5) in force"""
    max_retention_s: int | None
    """MaxRetentionSec in force; None when time does not limit it"""
    persistent: bool
    """there are system journals under /var/log/journal"""
    volatile: bool
    """there are system journals under /run/log/journal, which a reboot deletes"""
    hidden: Reason | None
    """why the persistent journal's times are not known"""
    first: datetime | None
    first_auth: datetime | None
    """time of the first entry of sshd, sudo, su, login or logind"""
    last: datetime | None


class RotationRun(Facts, frozen=True, kw_only=True):
    """Whether logrotate(8) itself is run."""

    installed: bool
    last_run: datetime | None
    """change of its state file, which every run writes"""
    hidden: bool
    """the state file's folder may not be looked into"""
    timer: str
    """enabled, masked, disabled or absent"""
    systemd: bool
    cron: bool
    """there is an executable /etc/cron.daily/logrotate"""


class Forward(Facts, frozen=True, kw_only=True):
    """A line that sends log records to another host."""

    daemon: str
    kind: str
    selector: str
    """syslog selector such as `auth,authpriv.*`; `?` when it is not told"""

    @property
    def may_carry_auth(self) -> bool:
        """Whether records of log-ins can be among what is sent."""
        if self.selector == "?":
            return True
        carried = False
        for part in self.selector.split(";"):
            names, _, level = part.partition(".")
            if {"*", "auth", "authpriv"} & set(names.split(",")):
                carried = level != "none"
        return carried


class Audit(Facts, frozen=True, kw_only=True):
    """The audit daemon."""

    installed: bool
    action: str
    """max_log_file_action of auditd.conf(5) in lower case; empty when it could not be read"""


class LogsFacts(Facts, frozen=True, kw_only=True):
    """All log families of a host."""

    files: tuple[LogFile, ...]
    """by family and series, the newest file first"""
    declared: tuple[str, ...]
    """globs that the company named, also those that match nothing"""
    journal: Journal
    rotations: tuple[Rotation, ...]
    """for each log that some block of logrotate's configuration names"""
    rotation_hidden: Reason | None
    """why the configuration of logrotate is not known as a whole"""
    run: RotationRun
    forwards: tuple[Forward, ...]
    forwards_hidden: bool
    """some configuration of a syslog daemon could not be read"""
    audit: Audit
    wtmpdb: bool
    """there is a /var/lib/wtmpdb/wtmp.db, which this probe does not read"""


def parse(section: Section) -> LogsFacts:
    """Read the answer of `logs.sh`; raises ParseError naming the part and line."""
    zone_lines = _part(section, "zone").lines
    zone = read_zone(zone_lines[0]) if zone_lines else None
    if zone is None:
        message = "zone: no offset from UTC"
        raise ParseError(message)
    rows = [_row(number, line) for number, line in enumerate(_part(section, "files").lines, 1)]
    files = tuple(_files(rows, zone))
    run = _run(_part(section, "rotation"))
    rotations, hidden = _rotations(section, {file.series for file in files}, run)
    forwards = tuple(_words("forwards", _part(section, "forwards"), 3))
    return LogsFacts(
        files=files,
        declared=tuple(dict.fromkeys(row.family for row in rows if row.family not in FAMILIES)),
        journal=_journal(section),
        rotations=rotations,
        rotation_hidden=hidden,
        run=run,
        forwards=tuple(
            Forward(daemon=daemon, kind=kind, selector=selector)
            for daemon, kind, selector in forwards
            if kind != "denied"
        ),
        forwards_hidden=any(kind == "denied" for _, kind, _ in forwards),
        audit=_audit(_part(section, "audit")),
        wtmpdb=_part(section, "wtmpdb").text.strip() in {"read", "denied"},
    )


def _part(section: Section, name: str) -> Part:
    part = section.part(name)
    if part is None:
        message = f"{name}: no such part"
        raise ParseError(message)
    return part


# --- files -----------------------------------------------------------------------------------------------


class _State(StrEnum):
    READ = "read"
    DENIED = "denied"
    ABSENT = "absent"
    SPECIAL = "special"
    """a FIFO or a device holds no records"""
    LISTED = "listed"
    """newer than the eighty that were looked into"""
    LIMIT = "limit"
    ODD = "odd"
    """its name cannot be written on a line"""


class _Row(Struct, frozen=True, kw_only=True):
    first: str
    auth: str
    status: str
    family: str
    state: _State
    modified: datetime | None
    size: int
    owner: str
    group: str
    mode: int
    path: str
    series: str
    age: tuple[int, int]
    """rank in its series: smaller is newer"""
    named: datetime | None
    """the end of the day in its name"""


def _files(rows: Sequence[_Row], zone: timedelta) -> Iterable[LogFile]:
    """Date what is there; a FIFO or a device holds no record and is no file of the log."""
    grouped: dict[tuple[str, str], list[_Row]] = {}
    for row in rows:
        if row.state not in {_State.ABSENT, _State.SPECIAL}:
            grouped.setdefault((row.family, row.series), []).append(row)
    for _, group in sorted(grouped.items()):
        yield from _dated(group, zone)


def _row(number: int, line: str) -> _Row:
    fields = line.split("\t")
    shape = re.compile(r"[0-9]{0,12}")
    if len(fields) != 11 or not (shape.fullmatch(fields[5]) and shape.fullmatch(fields[6])):  # noqa: PLR2004
        message = f"files line {number}: not a file's line"
        raise ParseError(message)
    first, auth, status, family, state, modified, size, owner, group, mode, path = fields
    if state not in set(_State) or not re.fullmatch(r"[0-7]{0,6}", mode):
        message = f"files line {number}: no such state or mode"
        raise ParseError(message)
    series, age, named = _series(path)
    if family in FAMILIES:
        # A rotated file may stand in another folder (olddir).
        name = series.rpartition("/")[2]
        series = next((log for log in WELL_KNOWN if log.endswith(f"/{name}")), series)
    return _Row(
        first=first,
        auth=auth,
        status=status,
        family=family,
        state=_State(state),
        modified=_moment(modified),
        size=int(size or "0"),
        owner=owner,
        group=group,
        mode=int(mode or "0", 8),
        path=path,
        series=series,
        age=age,
        named=named,
    )


def _series(path: str) -> tuple[str, tuple[int, int], datetime | None]:
    """Split a rotated file's name: what it was rotated from, its rank, and the day in its name."""
    folder, slash, name = path.rpartition("/")
    for start in range(1, len(name) + 1):
        found = _SUFFIX.fullmatch(name, start)
        if not found:
            continue
        base = f"{folder}{slash}{name[:start]}"
        if found[1]:
            return base, (1, int(found[1])), None
        if found[2]:
            try:
                day = datetime.strptime(found[2], "%Y%m%d").replace(tzinfo=UTC)
            except ValueError:
                continue
            return base, (1, -day.toordinal()), day + SLACK
        return base, (0, 0), None
    return path, (0, 0), None


def _dated(rows: Sequence[_Row], zone: timedelta) -> Iterable[LogFile]:
    """Date one series, from its newest file back."""
    follower: datetime | None = None
    kinds = {row.named is None for row in rows if row.age[0]}
    # Numbers and days in the names of one log say no common order; the times of their last change do.
    by_change = len(kinds) > 1
    for row in sorted(rows, key=lambda row: (_changed(row) if by_change else row.age, row.path)):
        first, ambiguous = _first(row.first, row, follower, zone)
        auth, _ = _first(row.auth, row, follower, zone)
        follower = first or follower
        yield LogFile(
            path=row.path,
            family=row.family,
            series=row.series,
            rotated=row.age[0] > 0,
            size=row.size,
            modified=row.modified,
            owner=row.owner,
            group=row.group,
            mode=row.mode,
            first=first,
            first_auth=auth,
            undated=None if first else _why_undated(row, ambiguous=ambiguous),
        )


def _changed(row: _Row) -> tuple[int, int]:
    return (row.age[0], -int(row.modified.timestamp()) if row.modified else 0)


def _first(text: str, row: _Row, follower: datetime | None, zone: timedelta) -> tuple[datetime | None, bool]:
    """Return a stamp's time and whether its year is ambiguous; `follower` is the next file's first record."""
    stamp = read_stamp(text, zone)
    if isinstance(stamp, datetime):
        return (stamp if stamp >= EARLIEST else None), False
    if stamp is None or row.modified is None:
        return None, False
    return _with_year(stamp, min(row.modified, row.named or row.modified), follower, zone)


def _with_year(
    stamp: Yearless, bound: datetime, follower: datetime | None, zone: timedelta
) -> tuple[datetime | None, bool]:
    found = latest(stamp, bound, zone)
    # A file that was changed after the next one began was restored or touched: its time says nothing of
    # the year unless the order of the files agrees.
    if follower is not None and bound > follower + SLACK and latest(stamp, follower, zone) != found:
        return None, True
    return found, False


def _why_undated(row: _Row, *, ambiguous: bool) -> Reason | None:
    match row.state:
        case _State.DENIED:
            return Reason.DENIED
        case _State.LIMIT:
            return Reason.LIMIT
        case _State.ODD:
            return Reason.UNPARSABLE
        case _State.ABSENT | _State.SPECIAL | _State.LISTED:
            return None
        case _State.READ:
            if row.size < _SMALLEST_RECORD:
                return None
            if ambiguous:
                return Reason.UNDETERMINED
            named = {"no_tool": Reason.NO_TOOL, "124": Reason.TIMEOUT, "0": Reason.UNPARSABLE}
            return named.get(row.status, Reason.CORRUPT)


# --- rotation --------------------------------------------------------------------------------------------


def _rotations(
    section: Section, series: set[str], run: RotationRun
) -> tuple[tuple[Rotation, ...], Reason | None]:
    """Read logrotate's configuration for the logs that are there; without logrotate it is a dead letter."""
    if not run.installed:
        return (), None
    parts = [
        part for part in section.parts if part.name.startswith(("/etc/logrotate.d", "/etc/logrotate.conf"))
    ]
    config = Config({part.name: part.lines for part in parts if part.state == "read"})
    hidden = Reason.DENIED if any(part.state == "denied" for part in parts) else None
    if config.foreign_include:
        hidden = hidden or Reason.NOT_COLLECTED
    found = (config.rotation(log) for log in sorted(series | set(WELL_KNOWN)))
    return tuple(rotation for rotation in found if rotation), hidden


def _run(part: Part) -> RotationRun:
    said = {words[0]: words[1] for words in _words("rotation", part, 2)}
    state = said.get("state", "")
    return RotationRun(
        installed=said.get("tool") == "yes",
        last_run=_moment(state) if re.fullmatch(r"[0-9]{1,12}", state) else None,
        hidden=state == "denied",
        timer=said.get("timer", "absent"),
        systemd=said.get("systemd") == "yes",
        cron=said.get("cron") == "yes",
    )


# --- journal ---------------------------------------------------------------------------------------------

_SPANS = {
    "us": 0, "ms": 0, "": 1, "s": 1, "sec": 1, "second": 1, "seconds": 1,
    "m": 60, "min": 60, "minute": 60, "minutes": 60, "h": 3_600, "hr": 3_600, "hour": 3_600, "hours": 3_600,
    "d": 86_400, "day": 86_400, "days": 86_400, "w": 604_800, "week": 604_800, "weeks": 604_800,
    "M": 2_629_800, "month": 2_629_800, "months": 2_629_800, "y": 31_557_600, "year": 31_557_600,
    "years": 31_557_600,
}  # fmt: skip
"""units of systemd.time(7) in seconds"""


def _journal(section: Section) -> Journal:
    settings = _journald_conf(section)
    part = _part(section, "journal")
    said: dict[str, list[str]] = {}
    for number, line in enumerate(part.lines, 1):
        word, *rest = line.split(" ")
        if not rest:
            message = f"journal line {number}: no value"
            raise ParseError(message)
        said[word] = rest
    kept, lost = (_journal_files(said, name) for name in ("persistent", "volatile"))
    return Journal(
        storage=settings.get("Storage", "auto").lower(),
        max_retention_s=_span(settings.get("MaxRetentionSec", "")),
        persistent=kept[1] > 0,
        volatile=lost[1] > 0,
        hidden=_journal_hidden(said, kept),
        first=_moment(said.get("first", [""])[0]),
        first_auth=_moment(said.get("auth", [""])[0]),
        last=_moment(said.get("last", [""])[0]),
    )


def _journal_files(said: dict[str, list[str]], name: str) -> tuple[str, int, int]:
    words = said.get(name, [])
    if len(words) != 3 or not all(re.fullmatch(r"[0-9]{1,6}", word) for word in words[1:]):  # noqa: PLR2004
        message = f"journal: no count of the {name} journal"
        raise ParseError(message)
    return words[0], int(words[1]), int(words[2])


def _journal_hidden(said: dict[str, list[str]], kept: tuple[str, int, int]) -> Reason | None:
    state, there, readable = kept
    if state == "denied" or readable < there:
        return Reason.DENIED
    if there and said.get("tool") == ["no"]:
        return Reason.NO_TOOL
    statuses = [said.get(f"{name}-status", [""])[0] for name in ("first", "auth", "last")]
    if there and "124" in statuses:
        return Reason.TIMEOUT
    # journalctl ends with 1 when no entry matches, which is an answer.
    return Reason.FAILED if there and not set(statuses) <= {"0", "1"} else None


def _journald_conf(section: Section) -> dict[str, str]:
    """Read the settings in force as journald.conf(5) says: drop-ins by name, those in /etc win."""
    folders = ("/etc/systemd/", "/run/systemd/", "/usr/lib/systemd/")
    whole = [section.part(f"{folder}journald.conf") for folder in folders]
    read = [part for part in whole if part is not None][:1]
    drop_ins: dict[str, Part] = {}
    for folder in reversed(folders):
        for part in section.named(f"{folder}journald.conf.d/"):
            drop_ins[part.name.rpartition("/")[2]] = part
    settings: dict[str, str] = {}
    for part in [*read, *(drop_ins[name] for name in sorted(drop_ins))]:
        for line in part.lines:
            key, equals, value = line.strip().partition("=")
            if equals and not key.startswith(("#", ";")):
                settings[key.strip()] = value.strip()
    return settings


def _span(text: str) -> int | None:
    """Seconds of a systemd.time(7) span; None for nothing, zero, or what is none."""
    pieces = re.findall(r"([0-9]{1,9})(?:\.[0-9]+)? *([A-Za-z]*)", text[:100])
    total = 0
    for number, unit in pieces:
        if unit not in _SPANS:
            return None
        total += int(number) * _SPANS[unit]
    return total or None


# --- the rest --------------------------------------------------------------------------------------------


def _audit(part: Part) -> Audit:
    said = {words[0]: words[1] for words in _words("audit", part, 2)}
    return Audit(installed=said.get("tool") == "yes", action=said.get("max_log_file_action", "").lower())


def _words(name: str, part: Part, count: int) -> Iterable[tuple[str, ...]]:
    for number, line in enumerate(part.lines, 1):
        words = tuple(line.split(" "))
        if len(words) != count:
            message = f"{name} line {number}: not {count} words"
            raise ParseError(message)
        yield words


def _moment(text: str) -> datetime | None:
    """Read seconds since 1970; None for what no calendar of ours holds or no clock of a log shows."""
    if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) > 4_102_444_800:  # noqa: PLR2004 (the year 2100)
        return None
    return datetime.fromtimestamp(int(text), tz=UTC)


PROBE = Probe(name="logs", facts=LogsFacts, parse=parse, order=40)
