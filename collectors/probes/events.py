"""What a host's log of log-ins says of watched names, and the span for which its silence means anything."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import msgspec
from msgspec import Struct

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts, Probe
from collectors.probes.journal_files import JournalFile, journal_file, unbroken_since
from collectors.probes.log_stamps import EARLIEST, SLACK, Yearless, latest, read_stamp, read_zone
from collectors.probes.rows import broken, is_login, required, rows
from config.errors import ParseError

_MOST_TURNS = 100
_ENDS = {
    "0": None,
    "torn": Reason.CORRUPT,
    "tail": Reason.TRUNCATED,
    "no_tool": Reason.NO_TOOL,
    "124": Reason.TIMEOUT,
    "141": Reason.TRUNCATED,
}
_STATES = {
    "denied": Reason.DENIED,
    "no_tool": Reason.NO_TOOL,
    "limit": Reason.LIMIT,
    "odd": Reason.UNPARSABLE,
}
_LOGS = ("/var/log/auth.log", "/var/log/secure", "/var/log/messages")
_NUMBER = re.compile(r"\.([0-9]{1,6})(?:\.[a-zA-Z0-9]+)?")
_DAY = re.compile(r"[-.]([0-9]{8})(?:[-0-9T]{0,11})(?:\.[a-zA-Z0-9]+)?")


class EventKind(StrEnum):
    """What a line told: the closed list."""

    ACCEPTED = "accepted"
    """sshd let the person in, whatever became of the command"""
    OPENED = "opened"
    """a session was opened by sshd or login"""
    EXPIRED_REFUSED = "expired-refused"
    """turned away since the account has expired"""
    LOCK = "lock"
    """the password was locked, which closes nothing else"""
    EXPIRE_CHANGE = "expire-change"
    DELETE_USER = "delete-user"
    SHELL_CHANGE = "shell-change"


class Event(Facts, frozen=True, kw_only=True):
    """One line about a watched name; of log-ins only the last of each file."""

    at: datetime
    kind: EventKind
    name: str
    method: str
    """how sshd was satisfied, or which program wrote the line"""
    before: date | None = None
    """only with `expire-change`: the expiry date until then; None means never"""
    after: date | None = None
    plain: bool = True
    """only with `expire-change`: both dates could be read"""


class EventsFacts(Facts, frozen=True, kw_only=True):
    """Events of the asked names in auth.log, secure (else messages), the journal and auditd's log."""

    asked: frozenset[str]
    events: tuple[Event, ...]
    """by time"""
    covered_from: datetime | None
    """from here to `covered_to` every record that is kept was searched; None when there is no such span"""
    log_ins: bool
    """some log-in by SSH, of anybody, stands in what was searched: so this is where they are written"""
    covered_to: datetime | None
    """time of the youngest record"""
    hidden: Reason | None
    """why the search reaches no further back; None when there are no older records"""


class _File(Struct, kw_only=True):
    """One file as it was read."""

    rank: int
    """place in its series, the newest first"""
    gap: bool = False
    """a file that should stand before it is missing"""
    modified: datetime | None = None
    first: tuple[int, str] | None = None
    last: tuple[int, str] | None = None
    lines: list[tuple[int, str, list[str]]]
    log_ins: bool = False
    why: Reason | None = None
    """why it was not searched as a whole"""
    parts: list[JournalFile] = []
    """only of the journal: the files it consists of"""


class _Span(Struct, frozen=True, kw_only=True):
    log_ins: bool = False
    since: datetime | None = None
    until: datetime | None = None
    hidden: Reason | None = None


def parse(section: Section) -> EventsFacts:
    """Read the answer of `events.sh`; raises ParseError naming the part and line."""
    zone_lines = required(section, "zone").lines
    zone = read_zone(zone_lines[0]) if zone_lines else None
    if zone is None:
        message = "zone: no offset from UTC"
        raise ParseError(message)
    asked = frozenset(name for _, name in rows(required(section, "asked")))
    series: dict[str, list[_File]] = {}
    for read in section.named("log "):
        log, rank = _series(read.name.removeprefix("log "))
        series.setdefault(log, []).append(_file(read, rank))
    events: set[tuple[datetime, Event]] = set()
    spans: list[_Span] = []
    for files in series.values():
        # Under a folder or name that tells nothing any file may be missing.
        found, span = _search(sorted(files, key=lambda it: it.rank), zone)
        events |= {(event.at, event) for event in found}
        spans.append(span)
    for name in ("journal", "volatile", "audit"):
        part = section.part(name)
        if part is not None and part.state != "absent":
            file = _file(part, 0)
            # It is read backwards.
            file.first, file.last = file.last, file.first
            found, span = _search([file], zone)
            events |= {(event.at, event) for event in found}
            # Of the others one is gone with the next boot, and one keeps what its rules say.
            spans.append(_unbroken(span, file) if name == "journal" else _Span(hidden=Reason.NO_SOURCE))
    ordered = sorted(events, key=lambda it: (it[0], it[1].name, it[1].kind.value, it[1].method))
    best = _best(spans)
    return EventsFacts(
        asked=asked,
        events=tuple(event for _, event in ordered if event.name in asked),
        log_ins=best.log_ins,
        covered_from=best.since,
        covered_to=best.until,
        hidden=best.hidden,
    )


def _unbroken(span: _Span, file: _File) -> _Span:
    """Let the journal cover the time since its first entry of any kind, or since the last hole in it."""
    start, older = unbroken_since(file.parts)
    if span.since is None or start is None:
        return _Span(hidden=span.hidden or Reason.UNDETERMINED)
    if span.hidden:
        return msgspec.structs.replace(span, since=max(span.since, start))
    return msgspec.structs.replace(span, since=start, hidden=Reason.NO_SOURCE if older else None)


def _best(spans: list[_Span]) -> _Span:
    """Choose of the logs that reach to the youngest record one that has log-ins, and of those the longest."""
    dated = [span for span in spans if span.since is not None and span.until is not None]
    if not dated:
        return _Span(hidden=next((span.hidden for span in spans if span.hidden), None))
    youngest = max(span.until for span in dated if span.until)
    return min(
        (span for span in dated if span.until and span.until >= youngest - SLACK),
        key=lambda span: (not span.log_ins, span.since or youngest),
    )


def _series(path: str) -> tuple[str, int]:
    """Split a file's name into its log and its place: -1 is written, 0 or 1 the first that was put away."""
    log = next((it for it in _LOGS if path.startswith(it)), path)
    rest = path.removeprefix(log)
    if found := _NUMBER.fullmatch(rest):
        return log, int(found[1])
    if found := _DAY.fullmatch(rest):
        return log, 100_000_000 - int(found[1])
    return log, 1_000_000_000 if rest else -1


def _file(part: Part, rank: int) -> _File:
    if part.state != "read":
        return _File(rank=rank, lines=[], why=_STATES.get(part.state, Reason.UNDETERMINED))
    file = _File(rank=rank, lines=[], why=Reason.PROBE_CUT)
    for number, line in rows(part):
        if line.startswith("M ") and re.fullmatch(r"M [0-9]{1,10}", line):
            file.modified = datetime.fromtimestamp(int(line[2:]), tz=UTC)
        elif line.startswith("S "):
            why = _ENDS.get(line[2:], Reason.CORRUPT)
            file.why = why if file.why in (None, Reason.PROBE_CUT) else file.why
        elif line.startswith("J\t"):
            known = journal_file(part, number, line.split("\t")[1:])
            file.parts += [known] if known else []
        else:
            _row(file, part, number, line)
    return file


def _row(file: _File, part: Part, number: int, line: str) -> None:
    words = line.split("\t")
    if len(words) < 3 or not re.fullmatch(r"-?[0-9]{1,6}", words[1]):  # noqa: PLR2004
        raise broken(part, number, "no event")
    turn = int(words[1])
    match words[0]:
        case "F" if len(words) == 3:  # noqa: PLR2004
            file.first = (turn, words[2])
        case "L" if len(words) == 3:  # noqa: PLR2004
            file.last = (turn, words[2])
        case "A" if len(words) == 3:  # noqa: PLR2004
            file.log_ins = True
        case "E" if len(words) == 8 and words[3] in set(EventKind) and is_login(words[4]):  # noqa: PLR2004
            file.lines.append((turn, words[2], words[3:]))
        case _:
            raise broken(part, number, "no event")


def _search(files: list[_File], zone: timedelta) -> tuple[list[Event], _Span]:
    """Date one log from its newest file back; the span ends at the first file that is not whole."""
    events: list[Event] = []
    since: datetime | None = None
    until: datetime | None = None
    hidden: Reason | None = None
    follower: datetime | None = None
    expected = 0
    for file in files:
        numbered = file.rank < 10_000_000  # noqa: PLR2004 (days in names leave no numbers to miss)
        if numbered and file.rank > expected and file.rank != 1:
            hidden = hidden or Reason.NO_SOURCE
        expected = file.rank + 1
        last = _date(file.last, file.last, file.modified, follower, zone)
        first = _date(file.first, file.last, file.modified, follower, zone)
        if last is None or first is None:
            empty = file.last is None and file.why is None
            hidden = hidden or (None if empty else file.why or Reason.UNDETERMINED)
            continue
        events.extend(_events(file, follower, zone))
        follower = first
        if hidden is None:
            until = until or last
            since = min(first, last)
            hidden = file.why
    log_ins = any(file.log_ins for file in files)
    return events, _Span(log_ins=log_ins, since=since, until=until, hidden=hidden)


def _date(
    stamp: tuple[int, str] | None,
    last: tuple[int, str] | None,
    modified: datetime | None,
    follower: datetime | None,
    zone: timedelta,
) -> datetime | None:
    """Return a stamp's time; where it names no year, counted back from the file's last record."""
    if stamp is None or last is None:
        return None
    moment = read_stamp(stamp[1], zone)
    if isinstance(moment, datetime):
        return moment if moment >= EARLIEST else None
    if moment is None or modified is None:
        return None
    end = read_stamp(last[1], zone)
    if not isinstance(end, Yearless):
        return None
    end_at = latest(end, modified, zone)
    # Changed after the next file began: restored or touched, so its change may say the wrong year.
    if follower and modified > follower + SLACK and latest(end, follower, zone) != end_at:
        return None
    if end_at is None:
        return None
    turns = last[0] - stamp[0]
    if not -1 <= turns <= _MOST_TURNS:
        return None
    year = (end_at + zone).year - turns
    try:
        midnight = datetime(year, moment.month, moment.day, tzinfo=UTC)
    except ValueError:
        return None
    found = midnight + timedelta(seconds=moment.second) - zone
    return found if found >= EARLIEST else None


def _events(file: _File, follower: datetime | None, zone: timedelta) -> Iterator[Event]:
    for turn, stamp, (kind, name, method, before, after) in file.lines:
        at = _date((turn, stamp), file.last, file.modified, follower, zone)
        if at is None:
            continue
        old, new = _day(before), _day(after)
        yield Event(
            at=at,
            kind=EventKind(kind),
            name=name,
            method=method if re.fullmatch(r"[a-z/-]{1,40}", method) else "?",
            before=old if isinstance(old, date) else None,
            after=new if isinstance(new, date) else None,
            plain=old is not False and new is not False,
        )


def _day(text: str) -> date | bool | None:
    """Read `never` (None) or a date; False for anything else."""
    if text in ("", "never"):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return False


PROBE = Probe(name="events", facts=EventsFacts, parse=parse, cap_bytes=1_048_576, order=70)
