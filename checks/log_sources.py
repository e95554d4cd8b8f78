"""Where records of a log are kept, how far back each place reaches, and what is configured to go."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from msgspec import Struct

from checks.model import Clock
from checks.text import Text, say
from collectors.evidence import Reason
from collectors.probes.log_files import COMPRESSED, MIXED, LogFile, PowerCut
from collectors.probes.logrotate_config import Rotation
from collectors.probes.logs import LogsFacts

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
_LOOKED_INTO = 16_384
"""bytes of each file in which lines about log-ins were looked for"""


class Outlook(StrEnum):
    """What the configuration predicts."""

    ENOUGH = "enough"
    SHORT = "short"
    BY_SIZE = "by size"
    STOPS = "stops"
    """nothing is deleted, but nothing is written either once it is full"""
    UNKNOWN = "not known"


class Silence(Struct, frozen=True, kw_only=True):
    """A time without records while the host was on."""

    start: datetime
    end: datetime
    broken: bool
    """a rotated file inside is empty: nothing at all was written from one rotation to the next"""


class Source(Struct, frozen=True, kw_only=True):
    """One place in which records of a log are kept."""

    name: str
    oldest: datetime | None
    newest: datetime | None
    """last write; None where silence is no defect"""
    hidden: Reason | None
    """why there may be older records that were not read"""
    outlook: Outlook
    configured: str
    step: timedelta
    """what one rotation takes away at once"""
    rotated: bool
    silence: Silence | None = None
    """the longest silence inside, if it is questioned"""
    irrelevant: bool = False
    """it was read as a whole, and no line is about a log-in"""
    takes_log_ins: bool = False
    """log-ins over SSH are to be found in it"""
    last_login: datetime | None = None
    """the last of them"""
    current_hidden: Reason | None = None
    """why the end of what is written now was not read"""


class LogCase(Struct, frozen=True, kw_only=True):
    """What all logs of a host are judged by."""

    keep: timedelta
    gap: timedelta
    clock: Clock
    born: datetime | None
    booted_s: int | None
    looked: datetime
    """the host's own clock during the visit"""
    visited: bool
    """this inspection itself logged in over SSH, so its own log-in must have been recorded"""
    power_cuts: tuple[PowerCut, ...]

    @property
    def expected(self) -> Text:
        """What every log is measured by."""
        return say("records of {days} days, or since installation", days=self.keep // DAY)

    def age(self, moment: datetime) -> timedelta:
        """How long before this run it was."""
        return self.clock.as_of - moment

    def day(self, moment: datetime) -> str:
        """The calendar day of the organisation."""
        return moment.astimezone(self.clock.tz).date().isoformat()


def series_of(logs: LogsFacts, family: str) -> Iterable[tuple[LogFile, ...]]:
    """Group a family's files by the log that is written, the newest file first."""
    names = dict.fromkeys(file.series for file in logs.files if file.family == family)
    for name in names:
        yield tuple(file for file in logs.files if (file.family, file.series) == (family, name))


def file_source(files: tuple[LogFile, ...], logs: LogsFacts, case: LogCase, *, alive: bool = False) -> Source:
    """Sum up one series, newest file first; `alive` where silence is a defect."""
    name = files[0].series
    # A clock that was ahead when the line was written says nothing of its age.
    firsts = [(file.first_auth if name == MIXED else file.first, file) for file in files]
    dated = [(place, first) for place, (first, _) in enumerate(firsts) if first and case.age(first) > -DAY]
    place = max((place for place, _ in dated), default=-1)
    later = [file.undated or (Reason.UNDETERMINED if file.first else None) for file in files[place + 1 :]]
    written = [file.modified for file in files if file.size and file.modified]
    rotated = any(file.rotated for file in files)
    outlook, configured, step = _predict(name, logs, case, rotated=rotated)
    whole = all(file.size <= _LOOKED_INTO and not file.path.endswith(COMPRESSED) for file in files)
    logins = [file.last_login for file in files if file.last_login and case.age(file.last_login) > -DAY]
    takes = files[0].family == "auth"
    return Source(
        name=name,
        oldest=min((first for _, first in dated), default=None),
        newest=max(written, default=None) if alive else None,
        hidden=next((reason for reason in later if reason), None),
        outlook=outlook,
        configured=configured,
        step=step,
        rotated=rotated,
        silence=_silence(files, case) if alive else None,
        irrelevant=takes and whole and not any(file.first_auth for file in files),
        takes_log_ins=takes,
        last_login=max(logins, default=None),
        current_hidden=files[0].undated,
    )


def _silence(files: tuple[LogFile, ...], case: LogCase) -> Silence | None:
    """Find the longest time between one file's last change and the next one's first record."""
    held = [(place, file) for place, file in enumerate(files) if not file.empty]
    found = [
        Silence(start=older.modified, end=newer.first, broken=below - above > 1)
        for (above, newer), (below, older) in pairwise(held)
        if newer.first
        and older.modified
        and _unexplained(older.modified, newer.first, case) > case.gap
        and case.age(newer.first) < case.keep
    ]
    return max(found, key=lambda one: (one.broken, one.end - one.start), default=None)


def _unexplained(start: datetime, end: datetime, case: LogCase) -> timedelta:
    """The part of a span in which the host was on, as far as wtmp tells."""
    off = [min(cut.on, end) - max(cut.off, start) for cut in case.power_cuts]
    return end - start - sum((span for span in off if span > timedelta()), timedelta())


def _predict(name: str, logs: LogsFacts, case: LogCase, *, rotated: bool) -> tuple[Outlook, str, timedelta]:
    """Return what the configuration will keep, in words, and the time one rotation takes away."""
    if name.endswith("/audit/audit.log") and logs.audit.action:
        known = {"keep_logs": Outlook.ENOUGH, "rotate": Outlook.BY_SIZE}
        return known.get(logs.audit.action, Outlook.STOPS), logs.audit.action, timedelta()
    rotation = next((rotation for rotation in logs.rotations if rotation.log == name), None)
    if rotation is None:
        # busybox's syslogd turns the mixed log over by itself, at 200 KB unless it is told otherwise.
        if logs.rotation_hidden or rotated or name == MIXED or name.endswith("/audit/audit.log"):
            return Outlook.UNKNOWN, "not known", timedelta()
        return Outlook.ENOUGH, "not rotated", timedelta()
    step = max(rotation.every_days, 1) * DAY
    most = rotation.most_days
    if most is not None and most * DAY < case.keep:
        return Outlook.SHORT, _words(rotation), step
    if rotation.by_size:
        return Outlook.BY_SIZE, _words(rotation), step
    if not rotation.every_days and rotation.rotate is not None and rotation.rotate * HOUR < case.keep:
        # Hourly is as often as logrotate is run, which most systems do daily.
        return Outlook.UNKNOWN, _words(rotation), step
    return (Outlook.UNKNOWN if logs.rotation_hidden else Outlook.ENOUGH), _words(rotation), step


def _words(rotation: Rotation) -> str:
    count = "all" if rotation.rotate is None else str(rotation.rotate)
    period = "by size" if rotation.by_size else f"of {rotation.every_days or '<1'} d"
    age = "" if rotation.max_age_days is None else f", {rotation.max_age_days} d at most"
    return f"{count} files {period}{age}"


def journal_source(logs: LogsFacts, case: LogCase) -> Iterable[Source]:
    """Sum up the persistent journal; a volatile one keeps nothing."""
    journal = logs.journal
    if not journal.persistent:
        return
    limit = journal.max_retention_s
    lost = journal.storage in ("volatile", "none")
    short = lost or (limit is not None and timedelta(seconds=limit) < case.keep)
    plausible = journal.first_auth is not None and case.age(journal.first_auth) > -DAY
    yield Source(
        name="journal",
        oldest=journal.first_auth if plausible else None,
        newest=journal.last,
        hidden=journal.hidden,
        outlook=Outlook.SHORT if short else Outlook.BY_SIZE,
        configured=f"Storage={journal.storage}"
        if lost
        else "by size"
        if limit is None
        else f"{limit // 86_400} d at most",
        step=timedelta(),
        rotated=True,
        takes_log_ins=True,
        last_login=journal.last_login,
    )


def sent_away(logs: LogsFacts, daemons: set[str]) -> Reason | None:
    """Return why records may exist that this host does not hold."""
    sent = [forward for forward in logs.forwards if forward.daemon in daemons and forward.kind != "unused"]
    if any(forward.may_carry_auth for forward in sent):
        return Reason.OUTSIDE_HOST
    return Reason.DENIED if logs.forwards_hidden and "rsyslog" in daemons else None
