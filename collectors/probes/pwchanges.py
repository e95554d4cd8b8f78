"""Which recent changes of passwords the log of log-ins knows, and the span for which its silence counts."""

import re
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts, Probe, WithheldError
from collectors.probes.log_stamps import EARLIEST, SLACK, Yearless, latest, read_moment, read_stamp, read_zone
from collectors.probes.rows import broken, is_login, required, rows
from config.errors import ParseError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PasswordChange(Facts, frozen=True, kw_only=True):
    """A line that says that somebody's password was changed."""

    name: str
    day: int
    """of the line, counted from 1970-01-01 UTC"""


class PasswordChangesFacts(Facts, frozen=True, kw_only=True):
    """Lines of auth.log, secure or the journal about accounts whose lastchg is at most 45 days old."""

    recent: frozenset[str]
    """the accounts that were looked for: a password in use, and a recent lastchg"""
    changes: frozenset[PasswordChange]
    covered_from: datetime | None
    """from here to `covered_to` every record was searched; None when no log could be"""
    covered_to: datetime | None


class _Log(Struct, frozen=True, kw_only=True):
    """What one log says, or one file of it."""

    since: datetime
    until: datetime
    changes: frozenset[PasswordChange]
    speaks: bool
    """pam_unix writes to it"""


def parse(section: Section) -> PasswordChangesFacts:
    """Read the answer of `pwchanges.sh`; raises WithheldError(nopriv) without the shadow file."""
    recent = required(section, "recent")
    if recent.state == "denied":
        raise WithheldError(Reason.NOPRIV, "/etc/shadow is readable by root only")
    names = frozenset(name for _, name in rows(recent))
    if not all(map(is_login, names)):
        raise broken(recent, 1, "no log-in name")
    logs: dict[str, list[Part]] = {}
    for part in section.parts:
        series = re.sub(r"(/var/log/[a-z.]+?)[-.][0-9].*", r"\1", part.name)
        if series == "journal" or series.startswith("log "):
            logs.setdefault(series, []).append(part)
    if not logs:
        return PasswordChangesFacts(recent=names, changes=frozenset(), covered_from=None, covered_to=None)
    zone = read_zone("".join(line for _, line in rows(required(section, "zone"))))
    if zone is None:
        message = "zone: no offset from UTC"
        raise ParseError(message)
    read = [log for parts in logs.values() if (log := _series(parts, zone))]
    speaking = [log for log in read if log.speaks]
    # The log that is written now; what an older one says counts as well.
    now = max(speaking, key=lambda log: log.until, default=None)
    return PasswordChangesFacts(
        recent=names,
        changes=frozenset(change for log in read for change in log.changes if change.name in names),
        covered_from=now.since if now else None,
        covered_to=now.until if now else None,
    )


def _series(parts: list[Part], zone: timedelta) -> _Log | None:
    """Join a log's files from the newest back, up to the first that was not read as a whole."""
    since: datetime | None = None
    until: datetime | None = None
    changes: set[PasswordChange] = set()
    whole = True
    follower: datetime | None = None
    speaks = False
    for part in parts:
        found = _file(part, follower, zone) if part.state == "read" else None
        if found is None:
            whole = False
            continue
        log, modified = found
        changes |= log.changes
        speaks |= log.speaks
        # A file that was cut off by a limit ends before its last change.
        whole = whole and (until is None or modified - log.until <= SLACK)
        if whole:
            since, until = log.since, until or log.until
        follower = log.since
    if since is None or until is None:
        return None
    return _Log(since=since, until=until, changes=frozenset(changes), speaks=speaks)


def _file(part: Part, follower: datetime | None, zone: timedelta) -> tuple[_Log, datetime] | None:
    modified: datetime | None = None
    stamps: dict[str, datetime] = {}
    changes: set[PasswordChange] = set()
    speaks = part.name == "journal"
    for number, line in rows(part):
        words = line.split("\t")
        match words:
            case [text] if text.startswith("M "):
                modified = read_moment(text[2:])
            case ["P"]:
                speaks = True
            case ["F" | "L", stamp] | ["E", stamp, _] if modified:
                at = read_stamp(stamp, zone)
                if isinstance(at, Yearless):
                    at = latest(at, min(modified, follower or modified), zone)
                if at is None or at < EARLIEST:
                    continue
                stamps[words[0]] = at
                if words[0] == "E":
                    changes.add(PasswordChange(name=words[2], day=(at - _EPOCH).days))
            case _:
                raise broken(part, number, "no line of a log")
    if modified is None or not {"F", "L"} <= stamps.keys():
        return None
    log = _Log(since=stamps["F"], until=stamps["L"], changes=frozenset(changes), speaks=speaks)
    return log, modified


PROBE = Probe(name="pwchanges", facts=PasswordChangesFacts, parse=parse, cap_bytes=262_144, order=71)
