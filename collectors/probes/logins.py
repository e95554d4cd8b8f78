"""The last log-in and the open sessions of watched names: records kept beside the log.

Sources: wtmp(5) and utmp(5) (`struct utmp`, 384 bytes, or 400 where time is kept in 64 bits), lastlog(8)
(`struct lastlog`, 292 or 296 bytes), wtmpdb(8), lastlog2(8), and the session files of systemd-logind. A
record proves that somebody came in. That there is none proves nothing: only log-ins at a terminal leave one.
"""

import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts, Probe
from collectors.probes.log_stamps import EARLIEST, read_stamp
from collectors.probes.rows import broken, is_login, required, rows

_USER_PROCESS = 7
"""ut_type of a log-in, utmp(5)"""
_NAME_SIZE = 32
_LINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9/._:-]{0,31}")
_RECORD = re.compile(r"R (384|400) ([0-9a-f]{176}|[0-9a-f]{200}) (yes|no|\?)")
_LAST = re.compile(r"L (292|296) ([^\x00-\x20\x7f:]{1,256})")
_HEX = re.compile(r"(?: [0-9a-f]{2}){1,16}")
_ENDS = {"0": None, "no_tool": Reason.NO_TOOL, "odd": Reason.UNDETERMINED, "124": Reason.TIMEOUT}
_STATES = {
    "denied": Reason.DENIED,
    "limit": Reason.LIMIT,
    "odd": Reason.UNPARSABLE,
    "special": Reason.UNPARSABLE,
}


class LastLogIn(Facts, frozen=True, kw_only=True):
    """The last record of a watched name's log-in in one source."""

    name: str
    at: datetime | None
    """None when the record's time is none that a clock showed"""
    source: str
    """`wtmp`, `lastlog`, `wtmp.db` or `lastlog2.db`"""
    line: str
    """the terminal, as `pts/0`; `?` when it is not a word"""


class OpenSession(Facts, frozen=True, kw_only=True):
    """A session of a watched name that has not ended."""

    name: str
    since: datetime | None
    source: str
    """`utmp` or `logind`"""
    line: str
    """utmp: the terminal; logind: the service that opened it, as `sshd`"""


class LoginsFacts(Facts, frozen=True, kw_only=True):
    """Records of log-ins and sessions of the asked names; nothing here proves that nobody came."""

    asked: frozenset[str]
    log_ins: tuple[LastLogIn, ...]
    """by time; of each source and name the last, and of wtmp one for each file"""
    sessions: tuple[OpenSession, ...]
    unread: dict[str, Reason]
    """sources that are there and could not be read"""


class _Read(Struct, kw_only=True):
    log_ins: list[LastLogIn]
    sessions: list[OpenSession]
    unread: dict[str, Reason]


class _Record(Struct, frozen=True, kw_only=True):
    name: str
    line: str
    at: datetime | None
    is_alive: bool


def parse(section: Section) -> LoginsFacts:
    """Read the answer of `logins.sh`; raises ParseError naming the part and line."""
    asked = frozenset(name for _, name in rows(required(section, "asked")))
    found = _Read(log_ins=[], sessions=[], unread={})
    for part in section.parts:
        source = part.name.partition(" ")[0]
        if source in ("asked", "") or part.state == "absent":
            continue
        if part.state != "read":
            found.unread[source] = _STATES.get(part.state, Reason.UNDETERMINED)
            continue
        match source:
            case "logind":
                found.sessions.extend(_logind(part))
            case "utmp" | "wtmp":
                _records(part, source, asked, found)
            case "lastlog":
                _lastlog(part, found)
            case "wtmp.db" | "lastlog2.db":
                _base(part, source, found)
            case _:
                raise broken(part, 0, "no source of log-ins")
    return LoginsFacts(
        asked=asked,
        log_ins=tuple(
            sorted(
                (it for it in found.log_ins if it.name in asked),
                key=lambda it: (it.at or EARLIEST, it.name, it.source, it.line),
            )
        ),
        sessions=tuple(
            sorted(
                (it for it in found.sessions if it.name in asked),
                key=lambda it: (it.name, it.since or EARLIEST, it.source, it.line),
            )
        ),
        unread=dict(sorted(found.unread.items())),
    )


def _logind(part: Part) -> Iterator[OpenSession]:
    for number, line in rows(part):
        words = line.split("\t")
        if len(words) != 5 or not is_login(words[4]):  # noqa: PLR2004
            raise broken(part, number, "no session")
        kind, _, service, since, name = words
        # What runs without anybody (manager, background) is told by processes and jobs.
        if kind.startswith("user"):
            micro = int(since) if re.fullmatch(r"[0-9]{1,17}", since) else 0
            yield OpenSession(
                name=name, since=_moment(micro // 1_000_000), source="logind", line=_word(service)
            )


def _records(part: Part, source: str, asked: frozenset[str], found: _Read) -> None:
    """Read records of struct utmp; those that another width would make of the same bytes are none."""
    picked = read = 0
    kept: dict[str, list[tuple[str, _Record]]] = {}
    names: dict[str, list[str]] = {}
    for name in asked:
        names.setdefault(name[:_NAME_SIZE], []).append(name)
    end: str | None = None
    for number, line in rows(part):
        if fit := _RECORD.fullmatch(line):
            read += 1
            record = _record(int(fit[1]), bytes.fromhex(fit[2]), is_alive=fit[3] != "no")
            # Two long names may be one to utmp: then it is not known whose it is.
            owners = names.get(record.name, []) if record else []
            if record and len(owners) == 1:
                kept.setdefault(fit[1], []).append((owners[0], record))
        elif line in ("N 384", "N 400"):
            picked += 1
        elif line.startswith("S "):
            end = line[2:]
        else:
            raise broken(part, number, "no record")
    _finish(source, end if picked == read else None, found)
    # Every 9600 bytes both widths meet at one record, but the wrong one finds no time in it.
    dated = [records for records in kept.values() if any(record.at for _, record in records)]
    for name, record in (it for records in dated or kept.values() for it in records):
        if source == "wtmp":
            found.log_ins.append(LastLogIn(name=name, at=record.at, source=source, line=record.line))
        elif record.is_alive:
            found.sessions.append(OpenSession(name=name, since=record.at, source=source, line=record.line))


def _record(width: int, raw: bytes, *, is_alive: bool) -> _Record | None:
    """Take a record apart: bytes 0 to 75 of struct utmp, then ut_session and ut_tv; None when it is none."""
    if len(raw) != (88 if width == 384 else 100):  # noqa: PLR2004
        return None
    order = "<" if raw[0] == _USER_PROCESS else ">"
    kind, pad, _, line, _, user = struct.unpack(order + "hhi32s4s32s", raw[:76])
    seconds = struct.unpack(order + ("4xi4x" if width == 384 else "8xq8x"), raw[76:])[0]  # noqa: PLR2004
    name, rest = _string(user)
    terminal, after = _string(line)
    if kind != _USER_PROCESS or pad or rest or after or not name or not terminal:
        return None
    return _Record(name=name, line=_word(terminal), at=_moment(seconds), is_alive=is_alive)


def _lastlog(part: Part, found: _Read) -> None:
    end: str | None = None
    width, name, text = 0, "", ""
    for number, line in (*rows(part), (0, "L 292 -")):
        if fit := _LAST.fullmatch(line):
            if name and (log_in := _last(width, name, bytes.fromhex(text))):
                found.log_ins.append(log_in)
            width, name, text = int(fit[1]), fit[2], ""
        elif line.startswith("S "):
            end = line[2:]
        elif name and _HEX.fullmatch(line.rstrip()):
            text += line
        else:
            raise broken(part, number, "no record")
    _finish("lastlog", end, found)


def _last(width: int, name: str, raw: bytes) -> LastLogIn | None:
    """Read ll_time and ll_line; None for who never logged in, and for bytes that are no record."""
    size = width - 288
    if len(raw) != size + _NAME_SIZE:
        return None
    # No big-endian lastlog is known here: its time would be none that a clock showed.
    seconds = struct.unpack("<i" if size == 4 else "<q", raw[:size])[0]  # noqa: PLR2004
    line, after = _string(raw[size:])
    if not seconds or after or not line:
        return None
    return LastLogIn(name=name, at=_moment(seconds), source="lastlog", line=_word(line))


def _base(part: Part, source: str, found: _Read) -> None:
    end: str | None = None
    for number, line in rows(part):
        words = line.split("\t")
        if line.startswith("S "):
            end = line[2:]
        elif len(words) == 4 and words[0] == "D" and is_login(words[3]):  # noqa: PLR2004
            at = read_stamp(words[1], timedelta())
            known = at if isinstance(at, datetime) and at >= EARLIEST else None
            found.log_ins.append(LastLogIn(name=words[3], at=known, source=source, line=_word(words[2])))
        else:
            raise broken(part, number, "no log-in")
    _finish(source, end, found)


def _finish(source: str, end: str | None, found: _Read) -> None:
    reason = Reason.CORRUPT if end is None else _ENDS.get(end, Reason.FAILED)
    if reason:
        found.unread.setdefault(source, reason)


def _string(raw: bytes) -> tuple[str, bytes]:
    """Split a field of fixed size into its text and what stands behind the NUL, which must be nothing."""
    text, _, rest = raw.partition(b"\0")
    return text.decode("ascii", errors="backslashreplace"), rest.strip(b"\0")


def _word(text: str) -> str:
    return text if _LINE.fullmatch(text) else "?"


def _moment(seconds: int) -> datetime | None:
    if not 0 < seconds < 2**40:
        return None
    try:
        at = datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, ValueError):
        return None
    return at if at >= EARLIEST else None


PROBE = Probe(name="logins", facts=LoginsFacts, parse=parse, cap_bytes=131_072, order=60)
