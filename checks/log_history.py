"""Records that were there at an earlier inspection and are gone without a rotation that explains it.

Each run leaves one reading of a log in the history: when it was taken, the oldest record, the first record
and the size of the file that is written, and how many rotated files are kept. The next run must find that
file again, no smaller, whatever it is called now; and its oldest record may have gone forward only where as
many rotated files as are kept are there.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct

from checks.log_sources import LogCase, series_of
from checks.model import Clock, History, Outcome, Result, Subject
from checks.text import Text, say
from collectors.probes.log_files import COMPRESSED, FAMILIES, MIXED, LogFile
from collectors.probes.logs import LogsFacts

SAFEGUARD = "access-log-retention"
_MOST = 64
"""logs of one host that are remembered"""
_DAY_S = 86_400
_MONTH_S = 31 * _DAY_S
"""journald begins a new file at the latest after a month (MaxFileSec of journald.conf(5))"""
_YEARS_S = (0, 365 * _DAY_S, 366 * _DAY_S)
"""stamps without a year may be read as a year younger once they are older than one"""
_ALL = -1
_JOURNAL = "journal:"


class Reading(Struct, frozen=True, kw_only=True):
    """What one run saw of a log; times in seconds since 1970."""

    look: int
    oldest: int | None = None
    first: int | None = None
    """of the file that is written"""
    size: int = 0
    kept: int | None = None
    """rotated files; -1 when none is ever deleted, None when that is not known"""
    zone: int = 0
    """seconds ahead of UTC: stamps without a zone were read in it"""

    def text(self) -> str:
        """The reading as the value of a key."""
        values = (self.look, self.oldest, self.first, self.size, self.kept, self.zone)
        return "/".join("" if value is None else str(value) for value in values)


def parse(text: str) -> Reading | None:
    """Read it back; None for what this release did not write."""
    try:
        look, oldest, first, size, kept, zone = (int(word) if word else None for word in text.split("/"))
    except ValueError:
        return None
    if look is None:
        return None
    return Reading(look=look, oldest=oldest, first=first, size=size or 0, kept=kept, zone=zone or 0)


def watch(logs: LogsFacts, history: History, clock: Clock) -> Iterator[str]:
    """Name the readings that the next run is to compare with."""
    earlier = history.readings(SAFEGUARD)
    for name, reading in sorted(_readings(logs, clock).items())[:_MOST]:
        # What cannot be told today is compared with what was told last.
        text = reading.text() if reading else earlier.get(name)
        if text is not None:
            yield History.reading(name, text)


def losses(logs: LogsFacts, history: History, case: LogCase) -> Iterator[Outcome]:
    """Fail for each log that lost records since they were last seen."""
    fresh = _readings(logs, case.clock)
    for name, text in history.readings(SAFEGUARD).items():
        before = parse(text)
        if before is None or before.oldest is None:
            continue
        now = fresh.get(name)
        if now is not None:
            lost = (
                _from_journal(before, now, logs) if name == _JOURNAL else _from_files(name, before, now, logs)
            )
        elif name not in fresh and _is_missed(name, logs):
            lost = say("the log is gone")
        else:
            lost = None
        if lost:
            yield Outcome(
                subject=Subject(kind="log-history", name=name.removesuffix(":")),
                result=Result.FAIL,
                summary=say(
                    "records were lost since the inspection of {day}, and rotation does not explain it",
                    day=case.day(_moment(before.look)),
                ),
                expected=say(
                    "the records that were there then, from {day} on", day=case.day(_moment(before.oldest))
                ),
                actual=lost,
            )


# --- readings --------------------------------------------------------------------------------------------


def _readings(logs: LogsFacts, clock: Clock) -> dict[str, Reading | None]:
    """Every log by family and path; None where what is there could not be told."""
    look = int(clock.as_of.timestamp())
    found: dict[str, Reading | None] = {}
    for family in dict.fromkeys(file.family for file in logs.files):
        for files in series_of(logs, family):
            found[f"{family}:{files[0].series}"] = _of_files(files, logs, look)
    journal = logs.journal
    if journal.hidden:
        found[_JOURNAL] = None
    elif journal.persistent:
        found[_JOURNAL] = Reading(look=look, oldest=_second(journal.first_auth))
    return found


def _of_files(files: tuple[LogFile, ...], logs: LogsFacts, look: int) -> Reading | None:
    dated = [place for place, file in enumerate(files) if file.first]
    older = files[max(dated, default=-1) + 1 :]
    if files[0].undated or any(file.undated for file in older):
        return None
    written = files[0] if not files[0].rotated else None
    return Reading(
        look=look,
        oldest=min((_second(file.first) or 0 for file in files if file.first), default=None),
        first=_second(written.first) if written else None,
        size=written.size if written else 0,
        kept=_kept(files, logs),
        zone=logs.zone_s,
    )


def _kept(files: tuple[LogFile, ...], logs: LogsFacts) -> int | None:
    series = files[0].series
    if series.endswith("/audit/audit.log"):
        return {"keep_logs": _ALL, "rotate": logs.audit.keeps}.get(logs.audit.action)
    rotation = next((each for each in logs.rotations if each.log == series), None)
    if rotation is not None:
        return _ALL if rotation.rotate is None else rotation.rotate
    if logs.rotation_hidden or any(file.rotated for file in files):
        return None
    return _ALL


# --- what explains a loss --------------------------------------------------------------------------------


def _from_files(name: str, before: Reading, now: Reading, logs: LogsFacts) -> Text | None:
    """Say what is missing of a log in files."""
    family, _, series = name.partition(":")
    files = next(files for files in series_of(logs, family) if files[0].series == series)
    firsts = [(second, file) for file in files if (second := _second(file.first)) is not None]
    if before.first is not None:
        same = [file for second, file in firsts if second == before.first]
        plain = [file for file in same if not file.path.endswith(COMPRESSED)]
        if plain and len(plain) == len(same) and all(file.size < before.size for file in plain):
            return say(
                "{path} has {now} bytes, it had {before}",
                path=plain[0].path,
                now=plain[0].size,
                before=before.size,
            )
        # A file that could not be read may be the one.
        found = any(file.undated for file in files) or any(
            _is_same(before.first, one, before, now) for one, _ in firsts
        )
        if not found and not _is_turned_over(before, now, files, logs):
            return say("no file begins any longer like the one that was written then")
    if not _went_forward(before, now):
        return None
    return None if _is_rotated_away(before, now, files, logs) else _oldest_now(now)


def _from_journal(before: Reading, now: Reading, logs: LogsFacts) -> Text | None:
    """Say what is missing of the journal, which deletes a file of a month at most at a time."""
    if before.oldest is None or not _went_forward(before, now):
        return None
    if now.oldest is not None:
        limit = logs.journal.max_retention_s
        by_time = limit is not None and now.look - now.oldest >= limit - _MONTH_S
        if by_time or now.oldest - before.oldest <= now.look - before.look + _MONTH_S:
            return None
    return _oldest_now(now)


def _oldest_now(now: Reading) -> Text:
    if now.oldest is None:
        return say("no record is left")
    return say("the oldest record is of {day}", day=_moment(now.oldest).date().isoformat())


def _is_turned_over(before: Reading, now: Reading, files: tuple[LogFile, ...], logs: LogsFacts) -> bool:
    """Whether the file that was written then may have been rotated and in the end deleted."""
    rotated = sum(file.rotated for file in files)
    elapsed = now.look - before.look + _DAY_S
    rotation = next((each for each in logs.rotations if each.log == files[0].series), None)
    kept = _fewer(before.kept, now.kept)
    if kept == _ALL:
        return False
    if rotation is None:
        if kept is not None:
            return rotated >= kept
        # Not known by whom: a file a day is the fastest that anybody does by time.
        return rotated > 0 and elapsed >= rotated * _DAY_S
    if rotation.max_age_days is not None and elapsed >= rotation.max_age_days * _DAY_S:
        return True
    if rotated < (kept or 0):
        return False
    return rotation.by_size or elapsed >= (kept or 0) * (rotation.every_days * _DAY_S or 3_600)


def _is_rotated_away(before: Reading, now: Reading, files: tuple[LogFile, ...], logs: LogsFacts) -> bool:
    """Whether the oldest record went with a file that rotation deletes: only when as many are there."""
    rotated = sum(file.rotated for file in files)
    rotation = next((each for each in logs.rotations if each.log == files[0].series), None)
    kept = _fewer(before.kept, now.kept)
    if kept == _ALL:
        return False
    age = rotation.max_age_days if rotation else None
    if age is not None and before.oldest is not None and now.look - before.oldest >= age * _DAY_S:
        return True
    if kept is not None:
        return rotated >= kept
    went = (now.oldest or now.look) - (before.oldest or 0)
    return went <= now.look - before.look + _MONTH_S


def _fewer(before: int | None, now: int | None) -> int | None:
    """The smaller number of files kept: a setting may have been raised in between."""
    if before is None or now is None:
        return None
    return min((each for each in (before, now) if each != _ALL), default=_ALL)


def _went_forward(before: Reading, now: Reading) -> bool:
    if before.oldest is None or now.oldest is None:
        return before.oldest is not None
    later = now.oldest - before.oldest > _DAY_S
    return later and not _is_same(before.oldest, now.oldest, before, now)


def _is_same(one: int, other: int, before: Reading, now: Reading) -> bool:
    """Whether two readings may be of one stamp: with summer time, a stamp without a zone is read anew."""
    apart = other - one
    return abs(apart) in _YEARS_S or abs(apart + now.zone - before.zone) in _YEARS_S


def _is_missed(name: str, logs: LogsFacts) -> bool:
    """Whether a log that is not there any more ought to be: not one whose declaration was taken back."""
    family, _, series = name.partition(":")
    if name == _JOURNAL:
        return True
    return (family in FAMILIES and series != MIXED) or family in logs.declared


def _second(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, tz=UTC)
