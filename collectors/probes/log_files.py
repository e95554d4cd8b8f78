"""The files of a log: which belong together, in which order, and when each one begins."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from msgspec import Struct, structs

from collectors.evidence import Part, Reason
from collectors.facts import Facts
from collectors.probes.log_stamps import EARLIEST, SLACK, Yearless, latest, read_moment, read_stamp
from config.errors import ParseError

FAMILIES = ("auth", "wtmp", "btmp", "audit")
"""the logs every host is asked for; a declared glob is a family of its own name"""
MIXED = "/var/log/messages"
"""the authentication log of SUSE and of busybox's syslogd, among everything else"""
_MESSAGES = "messages"
"""the probe's word for it: whether it is an authentication log shows in its lines"""
WELL_KNOWN = (
    "/var/log/auth.log",
    "/var/log/secure",
    MIXED,
    "/var/log/wtmp",
    "/var/log/btmp",
    "/var/log/audit/audit.log",
)
COMPRESSED = (".gz", ".Z", ".xz", ".zst", ".bz2")
_EVENT = re.compile(r"(boot|down)\t([0-9]{1,10})")
_SUFFIX = re.compile(r"(?:\.([0-9]{1,6})|[-.]([0-9]{8})(?:[-0-9T]{0,11}))?(?:\.(?:gz|Z|xz|zst|bz2))?")
_DATE = re.compile(r"([12][0-9]{3})[-_.]?([01][0-9])[-_.]?([0-3][0-9])")
_SMALLEST_RECORD = 16
"""bytes; a file shorter than a time stamp holds no record"""
_EMPTY_ARCHIVE = 64
"""bytes; what the compressors make of nothing is shorter"""


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
    last_login: datetime | None
    """time of the last line, as far as it was read, that says that a log-in by SSH succeeded"""
    empty: bool
    """it is there and holds nothing, compressed or not"""
    undated: Reason | None
    """why there is no `first`; None as well when it holds no record"""


class _State(StrEnum):
    READ = "read"
    DENIED = "denied"
    ABSENT = "absent"
    SPECIAL = "special"
    """a FIFO or a device holds no records"""
    LISTED = "listed"
    """neither among the oldest nor the newest, nor after a pause: not looked into"""
    LIMIT = "limit"
    ODD = "odd"
    """its name cannot be written on a line"""


class PowerCut(Facts, frozen=True, kw_only=True):
    """A time in which the host was off: from a shutdown to the next start, as wtmp has them."""

    off: datetime
    on: datetime


class _Row(Struct, frozen=True, kw_only=True):
    first: str
    auth: str
    login: str
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


def read_files(part: Part, zone: timedelta) -> tuple[tuple[LogFile, ...], tuple[str, ...]]:
    """Return all files, by family and series, and the declared globs; raises ParseError naming the line."""
    rows = [_row(number, line) for number, line in enumerate(part.lines, 1) if _EVENT.fullmatch(line) is None]
    declared = tuple(dict.fromkeys(row.family for row in rows if row.family not in (*FAMILIES, _MESSAGES)))
    return tuple(_files(rows, zone)), declared


def read_power(part: Part) -> tuple[PowerCut, ...]:
    """Return the times in which the host was off; a crash leaves no shutdown, and so no such time."""
    found = [event for line in part.lines if (event := _EVENT.fullmatch(line))]
    cuts: list[PowerCut] = []
    down: datetime | None = None
    for _, moment, word in sorted((int(event[2]), read_moment(event[2]), event[1]) for event in found):
        if word == "boot" and down and moment:
            cuts.append(PowerCut(off=down, on=moment))
        down = moment if word == "down" else None
    return tuple(cuts)


def _files(rows: Sequence[_Row], zone: timedelta) -> Iterable[LogFile]:
    """Date what is there; a FIFO or a device holds no record and is no file of the log."""
    grouped: dict[tuple[str, str], list[_Row]] = {}
    for row in rows:
        if row.state not in {_State.ABSENT, _State.SPECIAL}:
            grouped.setdefault((row.family, row.series), []).append(row)
    dated = [file for _, group in sorted(grouped.items()) for file in _dated(group, zone)]
    # Of a mixed log that may not be read nothing is known: it counts where no other log can hold log-ins.
    own = any(file.family == "auth" for file in dated)
    mixed = [file for file in dated if file.family == _MESSAGES]
    counts = any(file.first_auth for file in mixed) or (
        not own and any(file.undated is Reason.DENIED for file in mixed)
    )
    for file in dated:
        if file.family != _MESSAGES:
            yield file
        elif counts:
            yield structs.replace(file, family="auth")


def _row(number: int, line: str) -> _Row:
    fields = line.split("\t")
    shape = re.compile(r"[0-9]{0,12}")
    if len(fields) != 12 or not (shape.fullmatch(fields[6]) and shape.fullmatch(fields[7])):  # noqa: PLR2004
        message = f"files line {number}: not a file's line"
        raise ParseError(message)
    first, auth, login, status, family, state, modified, size, owner, group, mode, path = fields
    if state not in set(_State) or not re.fullmatch(r"[0-7]{0,6}", mode):
        message = f"files line {number}: no such state or mode"
        raise ParseError(message)
    series, age, named = _series(path)
    if family not in (*FAMILIES, _MESSAGES):
        if age == (0, 0):
            series, age, named = _by_date(series)
    else:
        # A rotated file may stand in another folder (olddir).
        name = series.rpartition("/")[2]
        series = next((log for log in WELL_KNOWN if log.endswith(f"/{name}")), series)
    return _Row(
        first=first,
        auth=auth,
        login=login,
        status=status,
        family=family,
        state=_State(state),
        modified=read_moment(modified),
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


def _by_date(path: str) -> tuple[str, tuple[int, int], datetime | None]:
    """Split the name of a log that an application begins anew each day, such as access-2026-11-22.log."""
    folder, slash, name = path.rpartition("/")
    found = _DATE.search(name)
    if found:
        try:
            day = datetime(int(found[1]), int(found[2]), int(found[3]), tzinfo=UTC)
        except ValueError:
            return path, (0, 0), None
        series = f"{folder}{slash}{name[: found.start()]}*{name[found.end() :]}"
        return series, (1, -day.toordinal()), day + SLACK
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
        login, _ = _first(row.login, row, follower, zone)
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
            last_login=login,
            empty=_is_empty(row),
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


def _is_empty(row: _Row) -> bool:
    if row.state is not _State.READ:
        return False
    packed = row.path.endswith(COMPRESSED)
    return row.size == 0 or (packed and row.first == "-" and row.size <= _EMPTY_ARCHIVE)


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
            if row.size < _SMALLEST_RECORD or _is_empty(row):
                return None
            if row.first == "-" and row.path.endswith(COMPRESSED):
                return Reason.CORRUPT
            if ambiguous:
                return Reason.UNDETERMINED
            return Reason.NO_TOOL if row.status == "no_tool" else Reason.UNPARSABLE
