"""Access logs are kept for the promised time.

## What it looks at

The oldest record that can still be read, per log: authentications (auth.log or secure with their rotated
files, or the persistent journal, whichever reaches further back), wtmp, btmp, the audit log, and every log
the company declared. Beside it stands what is configured (logrotate, journald, auditd), which only predicts.
Also whether the log is still written, has silent days inside, is rotated at all, and who may read or change
it.

## Why it matters

A misuse is often found months after it happened. What was rotated away by then cannot be looked up again,
and a setting of a year proves nothing about a log that begins three weeks ago.

## What to do

Raise `rotate` of the log in /etc/logrotate.d (60 weeks hold a year), or `MaxRetentionSec` and `SystemMaxUse`
of journald.conf; make the journal persistent with `Storage=persistent`; keep logs 0640 and owned by root or
syslog. Records that were sent to an archive count once the archive itself is inspected.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Annotated

from msgspec import Meta, Struct

from checks.model import Clock, Options, Outcome, Result, Severity, Subject, check, not_known
from checks.text import Text, say
from collectors.evidence import Reason, TargetKind
from collectors.facts import Fact, Known
from collectors.probes.logrotate_config import Rotation
from collectors.probes.logs import LogFile, LogsFacts
from collectors.probes.platform import PlatformFacts
from config.duration import Duration

_DAY = timedelta(days=1)
_SINCE_BIRTH = timedelta(days=3)
"""an installation may take this long until something is logged"""
_ROTATION_DUE = timedelta(days=8)
"""logrotate is run daily; a week of holidays is no defect"""
_BOOTED_S = 172_800
"""a host that was off catches up within two days"""
_OWNERS = frozenset({"root", "syslog"})
_WRITERS = frozenset({"root", "syslog", "adm", "utmp", "systemd-journal"})
"""groups that distributions let write logs"""
_COMPRESSED = (".gz", ".Z", ".xz", ".zst", ".bz2")
_LOOKED_INTO = 16_384
"""bytes of each file in which lines about log-ins were looked for"""


class Retention(Options, frozen=True, kw_only=True):
    """Settings under `[promise.set]` of access-log-retention."""

    keep: Annotated[Duration, Meta(description="how far back the access logs reach")] = Duration("365d")
    gap: Annotated[
        Duration,
        Meta(description="longest silence of the authentication log that is not questioned"),
    ] = Duration("6d")


class _Outlook(StrEnum):
    """What the configuration predicts."""

    ENOUGH = "enough"
    SHORT = "short"
    BY_SIZE = "by size"
    STOPS = "stops"
    """nothing is deleted, but nothing is written either once it is full"""
    UNKNOWN = "not known"


class _Source(Struct, frozen=True, kw_only=True):
    """One place in which records of a log are kept."""

    name: str
    oldest: datetime | None
    newest: datetime | None
    """last write; None where silence is no defect"""
    hidden: Reason | None
    """why there may be older records that were not read"""
    outlook: _Outlook
    configured: str
    step: timedelta
    """what one rotation takes away at once"""
    rotated: bool
    silence: tuple[datetime, datetime] | None = None
    """the longest silence inside, if it is questioned"""
    irrelevant: bool = False
    """it was read as a whole, and no line is about a log-in"""


class _Case(Struct, frozen=True, kw_only=True):
    """What all logs of a host are judged by."""

    keep: timedelta
    gap: timedelta
    clock: Clock
    born: datetime | None
    booted_s: int | None

    @property
    def expected(self) -> Text:
        return say("records of {days} days, or since installation", days=self.keep // _DAY)

    def age(self, moment: datetime) -> timedelta:
        return self.clock.as_of - moment

    def day(self, moment: datetime) -> str:
        return moment.astimezone(self.clock.tz).date().isoformat()


class _Judged(Struct, frozen=True, kw_only=True):
    result: Result
    summary: Text
    reason: Reason | None = None
    oldest: datetime | None = None


@check(
    "access-log-retention",
    kind=TargetKind.HOST,
    severity=Severity.HIGH,
    controls=(
        "PPC:10-3(2)", "PPC:10-6(3)", "ISO27001:A.8.15", "ISO27001:A.5.28", "ISO27001:A.5.33",
        "NIST800-53:AU-4", "NIST800-53:AU-9", "NIST800-53:AU-11", "CISv8:8.1", "CISv8:8.3", "CISv8:8.10",
    ),
)  # fmt: skip
def access_log_retention(
    logs: LogsFacts, platform: Fact[PlatformFacts], options: Retention, clock: Clock
) -> Iterator[Outcome]:
    """Judge the oldest record of each log; configuration decides only what observation cannot yet tell."""
    known = platform.value if isinstance(platform, Known) else None
    case = _Case(
        keep=options.keep.timedelta,
        gap=options.gap.timedelta,
        clock=clock,
        born=known.born if known else None,
        booted_s=known.booted_s if known else None,
    )
    yield _authentications(logs, case)
    yield from (_records(name, logs, case) for name in ("wtmp", "btmp"))
    yield _audit(logs, case)
    yield from (_declared(glob, logs, case) for glob in logs.declared)
    for family in dict.fromkeys(file.family for file in logs.files):
        yield from _integrity(family, logs)
    yield from _rotation_runs(logs, case)


# --- one log after the other -----------------------------------------------------------------------------


def _authentications(logs: LogsFacts, case: _Case) -> Outcome:
    """Judge by the best source: what one holds need not stand in the other too."""
    sources = [
        *(_file_source(series, logs, case, alive=True) for series in _series(logs, "auth")),
        *_journal_source(logs, case),
    ]
    elsewhere = _elsewhere(logs, {"rsyslog", "syslog-ng", "journald"})
    if sources:
        judged = [_judge(source, case, elsewhere=elsewhere) for source in sources]
        best = max(judged, key=lambda one: (one.result.rank, case.age(one.oldest or case.clock.as_of)))
        return _outcome("auth", best, sources, case)
    subject = Subject(kind="log", name="auth")
    if logs.journal.hidden:
        return not_known(subject, logs.journal.hidden, case.expected)
    if elsewhere:
        return not_known(subject, elsewhere, case.expected, detail="no local authentication log")
    return Outcome(
        subject=subject,
        result=Result.FAIL,
        summary=say("the only authentication log is a journal that every reboot deletes")
        if logs.journal.volatile
        else say("there is no authentication log"),
        expected=case.expected,
        actual=say(
            "no auth.log, no secure, no persistent journal; Storage={storage}", storage=logs.journal.storage
        ),
    )


def _records(name: str, logs: LogsFacts, case: _Case) -> Outcome:
    """Judge wtmp or btmp: they can prove a log-in, never that there was none."""
    subject = Subject(kind="log", name=name)
    sources = [_file_source(series, logs, case) for series in _series(logs, name)]
    if any(source.oldest or source.hidden for source in sources):
        judged = [_judge(source, case, elsewhere=None, sparse=True) for source in sources]
        return _outcome(name, max(judged, key=lambda one: one.result.rank), sources, case)
    if name == "wtmp" and logs.wtmpdb:
        return not_known(subject, Reason.UNSUPPORTED, case.expected, detail="wtmp.db")
    # An empty btmp may mean that nobody failed or, as on Debian 13, that nobody writes it.
    if name == "btmp" or not sources:
        return Outcome(
            subject=subject,
            result=Result.NOT_APPLICABLE,
            summary=say("{log} holds no record, which proves nothing", log=name),
            expected=case.expected,
            actual=say("empty") if sources else say("absent"),
        )
    return Outcome(
        subject=subject,
        result=Result.WARN,
        summary=say("{log} holds no record, not even of a start", log=name),
        expected=case.expected,
        actual=say("empty"),
    )


def _audit(logs: LogsFacts, case: _Case) -> Outcome:
    subject = Subject(kind="log", name="audit")
    if not logs.audit.installed:
        return Outcome(
            subject=subject,
            result=Result.NOT_APPLICABLE,
            summary=say("there is no audit daemon"),
            expected=case.expected,
            actual=say("absent"),
        )
    sources = [_file_source(series, logs, case, alive=True) for series in _series(logs, "audit")]
    if not any(source.oldest or source.hidden for source in sources):
        return Outcome(
            subject=subject,
            result=Result.WARN,
            summary=say("the audit daemon is installed, but has written nothing"),
            expected=case.expected,
            actual=say("empty"),
        )
    elsewhere = _elsewhere(logs, {"audisp"})
    judged = [_judge(source, case, elsewhere=elsewhere) for source in sources]
    return _outcome("audit", max(judged, key=lambda one: one.result.rank), sources, case)


def _declared(glob: str, logs: LogsFacts, case: _Case) -> Outcome:
    """Judge a declared glob by the worst of the logs it matches."""
    sources = [_file_source(series, logs, case) for series in _series(logs, glob)]
    if not sources:
        return Outcome(
            subject=Subject(kind="log", name=glob),
            result=Result.FAIL,
            summary=say("no such log"),
            expected=case.expected,
            actual=say("nothing matches"),
        )
    elsewhere = _elsewhere(logs, {"rsyslog", "syslog-ng"})
    judged = [_judge(source, case, elsewhere=elsewhere, sparse=True) for source in sources]
    return _outcome(glob, min(judged, key=lambda one: one.result.rank), sources, case)


# --- the judgement ---------------------------------------------------------------------------------------


def _judge(source: _Source, case: _Case, *, elsewhere: Reason | None, sparse: bool = False) -> _Judged:
    """Judge one source; in a `sparse` log nothing may have happened for long."""
    oldest = source.oldest
    if oldest is None:
        if source.hidden or elsewhere:
            return _open(source.hidden or elsewhere, None)
        return _Judged(result=Result.FAIL, summary=say("{log} holds no record", log=source.name))
    if source.newest is not None and case.age(source.newest) > case.gap:
        return _Judged(
            result=Result.FAIL,
            summary=say("nothing was recorded for {days} days", days=case.age(source.newest) // _DAY),
            oldest=oldest,
        )
    days = case.age(oldest) // _DAY
    since_birth = (
        case.born is not None and case.age(case.born) < case.keep and oldest <= case.born + _SINCE_BIRTH
    )
    if case.age(oldest) >= case.keep:
        return _doubts(source, case) or _Judged(
            result=Result.PASS, summary=say("records reach back {days} days", days=days), oldest=oldest
        )
    if since_birth and source.outlook is _Outlook.ENOUGH:
        return _doubts(source, case) or _Judged(
            result=Result.PASS,
            summary=say("records reach back {days} days, since installation", days=days),
            oldest=oldest,
        )
    if source.hidden or elsewhere:
        return _open(source.hidden or elsewhere, oldest)
    return _short(source, oldest, case, since_birth=since_birth, sparse=sparse)


def _short(source: _Source, oldest: datetime, case: _Case, *, since_birth: bool, sparse: bool) -> _Judged:
    """Judge a source that is known to reach back less than promised."""
    age = case.age(oldest)

    def say_of(result: Result, template: str) -> _Judged:
        return _Judged(result=result, summary=say(template, days=age // _DAY), oldest=oldest)

    if since_birth and source.outlook is _Outlook.BY_SIZE:
        return say_of(
            Result.WARN,
            "records reach back {days} days, since installation, but are kept by size, not by time",
        )
    if since_birth and source.outlook is _Outlook.UNKNOWN:
        return _open(Reason.UNDETERMINED, oldest)
    if sparse and not source.rotated:
        return say_of(Result.WARN, "records reach back {days} days; none was rotated away yet")
    if source.outlook is _Outlook.ENOUGH and age + source.step >= case.keep:
        return say_of(Result.WARN, "records reach back {days} days: one rotation short of the promise")
    if case.born is None and source.outlook is not _Outlook.SHORT:
        return _open(Reason.UNDETERMINED, oldest)
    return say_of(Result.FAIL, "records reach back only {days} days")


def _doubts(source: _Source, case: _Case) -> _Judged | None:
    """Return why a log that reaches back far enough still needs attention."""
    if source.outlook is _Outlook.SHORT:
        summary = say(
            "the records are there now, but the configuration keeps less: {configured}",
            configured=source.configured,
        )
    elif source.outlook is _Outlook.STOPS:
        summary = say("the log stops when it is full: {configured}", configured=source.configured)
    elif source.silence is not None:
        start, end = source.silence
        summary = say("no record between {start} and {end}", start=case.day(start), end=case.day(end))
    elif source.irrelevant:
        summary = say("{log} has no line about a log-in", log=source.name)
    else:
        return None
    return _Judged(result=Result.WARN, summary=summary, oldest=source.oldest)


def _open(reason: Reason | None, oldest: datetime | None) -> _Judged:
    reason = reason or Reason.UNDETERMINED
    return _Judged(
        result=Result.UNKNOWN,
        reason=reason,
        summary=say("could not be measured: {reason}", reason=reason.value),
        oldest=oldest,
    )


def _outcome(name: str, judged: _Judged, sources: Sequence[_Source], case: _Case) -> Outcome:
    observed = ", ".join(
        f"{source.name} {case.day(source.oldest)} ({case.age(source.oldest) // _DAY} d)"
        if source.oldest
        else f"{source.name} {source.hidden.value if source.hidden else '-'}"
        for source in sources
    )
    return Outcome(
        subject=Subject(kind="log", name=name),
        result=judged.result,
        reason=judged.reason,
        summary=judged.summary,
        expected=case.expected,
        actual=say(
            "oldest record: {observed}; configured: {configured}",
            observed=observed,
            configured=", ".join(f"{source.name} {source.configured}" for source in sources),
        ),
    )


# --- sources ---------------------------------------------------------------------------------------------


def _series(logs: LogsFacts, family: str) -> Iterable[tuple[LogFile, ...]]:
    names = dict.fromkeys(file.series for file in logs.files if file.family == family)
    for name in names:
        yield tuple(file for file in logs.files if (file.family, file.series) == (family, name))


def _file_source(files: tuple[LogFile, ...], logs: LogsFacts, case: _Case, *, alive: bool = False) -> _Source:
    """Sum up one series, newest file first; `alive` where silence is a defect."""
    name = files[0].series
    # A clock that was ahead when the line was written says nothing of its age.
    dated = [(place, file) for place, file in enumerate(files) if file.first and case.age(file.first) > -_DAY]
    place = max((place for place, _ in dated), default=-1)
    later = [file.undated or (Reason.UNDETERMINED if file.first else None) for file in files[place + 1 :]]
    written = [file.modified for file in files if file.size and file.modified]
    rotated = any(file.rotated for file in files)
    outlook, configured, step = _predict(name, logs, case, rotated=rotated)
    whole = all(file.size <= _LOOKED_INTO and not file.path.endswith(_COMPRESSED) for file in files)
    return _Source(
        name=name,
        oldest=min((file.first for _, file in dated if file.first), default=None),
        newest=max(written, default=None) if alive else None,
        hidden=next((reason for reason in later if reason), None),
        outlook=outlook,
        configured=configured,
        step=step,
        rotated=rotated,
        silence=_silence(files, case) if alive else None,
        irrelevant=files[0].family == "auth" and whole and not any(file.first_auth for file in files),
    )


def _silence(files: tuple[LogFile, ...], case: _Case) -> tuple[datetime, datetime] | None:
    """Find the longest time between one file's last change and the next one's first record."""
    held = [file for file in files if file.first or file.undated or file.size]
    spans = [
        (older.modified, newer.first)
        for newer, older in pairwise(held)
        if newer.first and older.modified and newer.first - older.modified > case.gap
    ]
    recent = [span for span in spans if case.age(span[1]) < case.keep]
    return max(recent, key=lambda span: span[1] - span[0], default=None)


def _predict(name: str, logs: LogsFacts, case: _Case, *, rotated: bool) -> tuple[_Outlook, str, timedelta]:
    """Return what the configuration will keep, in words, and the time one rotation takes away."""
    if name.endswith("/audit/audit.log") and logs.audit.action:
        known = {"keep_logs": _Outlook.ENOUGH, "rotate": _Outlook.BY_SIZE}
        return known.get(logs.audit.action, _Outlook.STOPS), logs.audit.action, timedelta()
    rotation = next((rotation for rotation in logs.rotations if rotation.log == name), None)
    if rotation is None:
        if logs.rotation_hidden or rotated or name.endswith("/audit/audit.log"):
            return _Outlook.UNKNOWN, "not known", timedelta()
        return _Outlook.ENOUGH, "not rotated", timedelta()
    step = max(rotation.every_days, 1) * _DAY
    most = rotation.most_days
    if most is not None and most * _DAY < case.keep:
        return _Outlook.SHORT, _words(rotation), step
    if rotation.by_size:
        return _Outlook.BY_SIZE, _words(rotation), step
    return (_Outlook.UNKNOWN if logs.rotation_hidden else _Outlook.ENOUGH), _words(rotation), step


def _words(rotation: Rotation) -> str:
    count = "all" if rotation.rotate is None else str(rotation.rotate)
    period = "by size" if rotation.by_size else f"of {rotation.every_days or '<1'} d"
    age = "" if rotation.max_age_days is None else f", {rotation.max_age_days} d at most"
    return f"{count} files {period}{age}"


def _journal_source(logs: LogsFacts, case: _Case) -> Iterable[_Source]:
    """Sum up the persistent journal; a volatile one keeps nothing."""
    journal = logs.journal
    if not journal.persistent:
        return
    limit = journal.max_retention_s
    short = limit is not None and timedelta(seconds=limit) < case.keep
    plausible = journal.first_auth is not None and case.age(journal.first_auth) > -_DAY
    yield _Source(
        name="journal",
        oldest=journal.first_auth if plausible else None,
        newest=journal.last,
        hidden=journal.hidden,
        outlook=_Outlook.SHORT if short else _Outlook.BY_SIZE,
        configured="by size" if limit is None else f"{limit // 86_400} d at most",
        step=timedelta(),
        rotated=True,
    )


def _elsewhere(logs: LogsFacts, daemons: set[str]) -> Reason | None:
    """Return why records may exist that this host does not hold."""
    if any(forward.daemon in daemons and forward.may_carry_auth for forward in logs.forwards):
        return Reason.OUTSIDE_HOST
    return Reason.DENIED if logs.forwards_hidden and "rsyslog" in daemons else None


# --- who may touch them, and who turns them over ---------------------------------------------------------


def _integrity(family: str, logs: LogsFacts) -> Iterator[Outcome]:
    """Fail for a log that people may read or change who have no part in keeping it."""
    files = [file for file in logs.files if file.family == family and file.owner]
    open_ones = [(file, fault) for file in files if (fault := _fault(file, declared=family in logs.declared))]
    if not open_ones:
        return
    file, fault = open_ones[0]
    yield Outcome(
        subject=Subject(kind="log", name=family),
        result=Result.FAIL,
        summary=say("{count} of {total} files: {fault}", count=len(open_ones), total=len(files), fault=fault),
        expected=say("readable and writable by root, syslog and their groups only"),
        actual=say(
            "{path} is {owner}:{group} {mode}",
            path=file.path,
            owner=file.owner,
            group=file.group,
            mode=f"{file.mode:04o}",
        ),
    )


def _fault(file: LogFile, *, declared: bool) -> str:
    if file.mode & 0o002:
        return "writable by all"
    # wtmp names who was logged in, and who(1) and last(1) of every user read it by design.
    if file.mode & 0o004 and file.family != "wtmp":
        return "readable by all"
    # A declared log belongs to its application.
    if not declared and file.owner not in _OWNERS:
        return "owned by another user"
    if not declared and file.mode & 0o020 and file.group not in _WRITERS:
        return "writable by another group"
    return ""


def _rotation_runs(logs: LogsFacts, case: _Case) -> Iterator[Outcome]:
    """Judge whether logrotate runs where something depends on it."""
    run = logs.run
    configured = {rotation.log for rotation in logs.rotations}
    if not run.installed or not any(file.series in configured for file in logs.files):
        return
    subject = Subject(kind="log", name="rotation")
    expected = say("logrotate runs every day")
    if run.last_run is None:
        if run.hidden or case.born is None:
            yield not_known(subject, Reason.DENIED if run.hidden else Reason.UNDETERMINED, expected)
            return
        young = case.age(case.born) < _SINCE_BIRTH
        yield Outcome(
            subject=subject,
            result=Result.NOT_APPLICABLE if young else Result.FAIL,
            summary=say("logrotate has not run yet") if young else say("logrotate has never run"),
            expected=expected,
            actual=say("no state file"),
        )
        return
    age = case.age(run.last_run)
    # Debian's cron script leaves the work to the timer where systemd runs.
    planned = run.timer == "enabled" or (run.cron and (not run.systemd or run.timer == "absent"))
    due = _SINCE_BIRTH if not planned else _ROTATION_DUE
    just_up = case.booted_s is not None and case.booted_s < _BOOTED_S
    if age > due and not (planned and just_up):
        result, summary = Result.FAIL, say("logrotate has not run for {days} days", days=age // _DAY)
    elif not planned:
        result, summary = Result.WARN, say("nothing is planned to run logrotate")
    else:
        result, summary = Result.PASS, say("logrotate ran {days} days ago", days=max(age // _DAY, 0))
    yield Outcome(
        subject=subject,
        result=result,
        summary=summary,
        expected=expected,
        actual=say(
            "last run {day}; timer {timer}, cron {cron}",
            day=case.day(run.last_run),
            timer=run.timer,
            cron="yes" if run.cron else "no",
        ),
    )
