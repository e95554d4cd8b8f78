"""Access logs are kept for the promised time.

## What it looks at

The oldest record that can still be read, per log: authentications (auth.log or secure with their rotated
files, or the persistent journal, whichever reaches further back), wtmp, btmp, the audit log, and every log
the company declared. Beside it stands what is configured (logrotate, journald, auditd), which only predicts.
Also whether the log is still written (the log-in of the inspection itself must be in it), has silent days
inside, lost records since the inspection before without a rotation that explains it, is rotated at all, who
may read or change it, and whether what is sent elsewhere can get lost.

## Why it matters

A misuse is often found months after it happened. What was rotated away by then cannot be looked up again,
and a setting of a year proves nothing about a log that begins three weeks ago.

## What to do

Raise `rotate` of the log in /etc/logrotate.d (60 weeks hold a year), or `MaxRetentionSec` and `SystemMaxUse`
of journald.conf; make the journal persistent with `Storage=persistent`; keep logs 0640 and owned by root or
syslog. Records that were sent to an archive count once the archive itself is inspected.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct, structs

from checks.log_care import SINCE_BIRTH, folders, forwarding, integrity, rotation_runs
from checks.log_history import losses, watch
from checks.log_sources import (
    DAY,
    LogCase,
    Outlook,
    Source,
    file_source,
    journal_source,
    sent_away,
    series_of,
)
from checks.model import Clock, History, Options, Outcome, Result, Severity, Subject, Target, check, not_known
from checks.support import DEBIANS, Platform, support
from checks.text import Text, say
from collectors.evidence import Reason, TargetKind
from collectors.facts import Fact, Known
from collectors.probes.log_files import WELL_KNOWN
from collectors.probes.logs import LogsFacts
from collectors.probes.platform import PlatformFacts
from config.duration import Duration
from config.model import AccessLog

_OWN_LOG_IN = timedelta(hours=1)
"""a visit takes minutes, and both times are the host's own"""


class Retention(Options, frozen=True, kw_only=True):
    """Settings under `[promise.set]` of access-log-retention."""

    keep: Annotated[Duration, Meta(description="how far back the access logs reach")] = Duration("365d")
    gap: Annotated[
        Duration,
        Meta(description="longest silence of the authentication log that is not questioned"),
    ] = Duration("6d")


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
    watch=watch,
    platforms=support(
        verified=DEBIANS,
        look_alike=(Platform.RHEL, Platform.ALPINE),
        documented=(Platform.UBUNTU, Platform.FEDORA, Platform.AMAZON, Platform.SUSE),
    ),
)  # fmt: skip
def access_log_retention(
    logs: LogsFacts,
    platform: Fact[PlatformFacts],
    *,
    target: Target,
    options: Retention,
    clock: Clock,
    history: History,
) -> Iterator[Outcome]:
    """Judge the oldest record of each log; configuration decides only what observation cannot yet tell."""
    known = platform.value if isinstance(platform, Known) else None
    case = LogCase(
        keep=options.keep.timedelta,
        gap=options.gap.timedelta,
        clock=clock,
        born=known.born if known else None,
        booted_s=known.booted_s if known else None,
        looked=logs.looked,
        visited=bool(target.audit_user),
        power_cuts=logs.power_cuts,
    )
    yield _authentications(logs, case)
    yield from (_records(name, logs, case) for name in ("wtmp", "btmp"))
    yield _audit(logs, case)
    yield from (_declared(log, logs, case) for log in target.logs)
    for family in dict.fromkeys(file.family for file in logs.files):
        yield from integrity(family, logs)
    yield from losses(logs, history, case)
    yield from folders(logs)
    yield from rotation_runs(logs, case)
    yield from forwarding(logs)


# --- one log after the other -----------------------------------------------------------------------------


def _authentications(logs: LogsFacts, case: LogCase) -> Outcome:
    """Judge by the best source: what one holds need not stand in the other too."""
    sources = [
        *(file_source(series, logs, case, alive=True) for series in series_of(logs, "auth")),
        *journal_source(logs, case),
    ]
    elsewhere = sent_away(logs, {"rsyslog", "syslog-ng", "journald"})
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


def _records(name: str, logs: LogsFacts, case: LogCase) -> Outcome:
    """Judge wtmp or btmp: they can prove a log-in, never that there was none."""
    subject = Subject(kind="log", name=name)
    sources = [file_source(series, logs, case) for series in series_of(logs, name)]
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


def _audit(logs: LogsFacts, case: LogCase) -> Outcome:
    subject = Subject(kind="log", name="audit")
    if not logs.audit.installed:
        return Outcome(
            subject=subject,
            result=Result.NOT_APPLICABLE,
            summary=say("there is no audit daemon"),
            expected=case.expected,
            actual=say("absent"),
        )
    sources = [file_source(series, logs, case, alive=True) for series in series_of(logs, "audit")]
    if not any(source.oldest or source.hidden for source in sources):
        return Outcome(
            subject=subject,
            result=Result.WARN,
            summary=say("the audit daemon is installed, but has written nothing"),
            expected=case.expected,
            actual=say("empty"),
        )
    elsewhere = sent_away(logs, {"audisp"})
    judged = [_judge(source, case, elsewhere=elsewhere) for source in sources]
    return _outcome("audit", max(judged, key=lambda one: one.result.rank), sources, case)


def _declared(log: AccessLog, logs: LogsFacts, case: LogCase) -> Outcome:
    """Judge a declared glob by the worst of the logs it matches."""
    subject = Subject(kind="log", name=log.path)
    if log.keep is not None:
        case = structs.replace(case, keep=log.keep.timedelta)
    if log.path not in logs.declared:
        return not_known(subject, Reason.NOT_COLLECTED, case.expected)
    sources = [file_source(series, logs, case) for series in series_of(logs, log.path)]
    if not sources:
        return Outcome(
            subject=subject,
            result=Result.FAIL,
            summary=say("no such log"),
            expected=case.expected,
            actual=say("nothing matches"),
        )
    elsewhere = sent_away(logs, {"rsyslog", "syslog-ng"})
    judged = [_judge(source, case, elsewhere=elsewhere, sparse=True) for source in sources]
    return _outcome(log.path, min(judged, key=lambda one: one.result.rank), sources, case)


# --- the judgement ---------------------------------------------------------------------------------------


def _judge(source: Source, case: LogCase, *, elsewhere: Reason | None, sparse: bool = False) -> _Judged:
    """Judge one source; in a `sparse` log nothing may have happened for long."""
    judged = _span(source, case, elsewhere=elsewhere, sparse=sparse)
    if not source.takes_log_ins or judged.result.rank < Result.WARN.rank:
        return judged
    # A long past proves nothing of a log that log-ins are no longer, or were never, written to.
    if case.visited and source.last_login and case.looked - source.last_login > _OWN_LOG_IN:
        return _Judged(
            result=Result.FAIL,
            summary=say(
                "the log-in of this very inspection is not in it; the last one is of {moment}",
                moment=source.last_login.astimezone(case.clock.tz).isoformat(timespec="minutes"),
            ),
            oldest=source.oldest,
        )
    if source.irrelevant or (case.visited and source.last_login is None):
        return _open(source.current_hidden or Reason.NO_OBSERVATION, source.oldest)
    return judged


def _span(source: Source, case: LogCase, *, elsewhere: Reason | None, sparse: bool) -> _Judged:
    """Judge how far a source reaches back."""
    oldest = source.oldest
    if oldest is None:
        if source.hidden or elsewhere:
            return _open(source.hidden or elsewhere, None)
        return _Judged(result=Result.FAIL, summary=say("{log} holds no record", log=source.name))
    if source.newest is not None and case.age(source.newest) > case.gap:
        return _Judged(
            result=Result.FAIL,
            summary=say("nothing was recorded for {days} days", days=case.age(source.newest) // DAY),
            oldest=oldest,
        )
    if source.silence is not None and source.silence.broken:
        return _Judged(
            result=Result.FAIL,
            summary=say(
                "nothing was recorded between {start} and {end}, from one rotation to the next",
                start=case.day(source.silence.start),
                end=case.day(source.silence.end),
            ),
            oldest=oldest,
        )
    gap = source.silence
    if gap is not None and source.outlook is Outlook.SHORT and not source.hidden and not elsewhere:
        # As when names by date took the place of numbers: what is older was left over by rotation.
        return _Judged(
            result=Result.FAIL,
            summary=say(
                "records reach back {days} days, and beyond that none is younger than {start}",
                days=case.age(gap.end) // DAY,
                start=case.day(gap.start),
            ),
            oldest=oldest,
        )
    days = case.age(oldest) // DAY
    since_birth = (
        case.born is not None and case.age(case.born) < case.keep and oldest <= case.born + SINCE_BIRTH
    )
    if case.age(oldest) >= case.keep:
        return _doubts(source, case) or _Judged(
            result=Result.PASS, summary=say("records reach back {days} days", days=days), oldest=oldest
        )
    if since_birth and source.outlook is Outlook.ENOUGH:
        return _doubts(source, case) or _Judged(
            result=Result.PASS,
            summary=say("records reach back {days} days, since installation", days=days),
            oldest=oldest,
        )
    if source.hidden or elsewhere:
        return _open(source.hidden or elsewhere, oldest)
    return _short(source, oldest, case, since_birth=since_birth, sparse=sparse)


def _short(source: Source, oldest: datetime, case: LogCase, *, since_birth: bool, sparse: bool) -> _Judged:
    """Judge a source that is known to reach back less than promised."""
    age = case.age(oldest)

    def say_of(result: Result, template: str) -> _Judged:
        return _Judged(result=result, summary=say(template, days=age // DAY), oldest=oldest)

    if since_birth and source.outlook is Outlook.BY_SIZE:
        return say_of(
            Result.WARN,
            "records reach back {days} days, since installation, but are kept by size, not by time",
        )
    if since_birth and source.outlook is Outlook.UNKNOWN:
        return _open(Reason.UNDETERMINED, oldest)
    # Of wtmp the distributions' own settings keep too little; a declared log was thought of.
    if sparse and not source.rotated and (source.outlook is not Outlook.SHORT or source.name in WELL_KNOWN):
        return say_of(Result.WARN, "records reach back {days} days; none was rotated away yet")
    if source.outlook is Outlook.ENOUGH and age + source.step >= case.keep:
        return say_of(Result.WARN, "records reach back {days} days: one rotation short of the promise")
    if case.born is None and source.outlook is not Outlook.SHORT:
        return _open(Reason.UNDETERMINED, oldest)
    return say_of(Result.FAIL, "records reach back only {days} days")


def _doubts(source: Source, case: LogCase) -> _Judged | None:
    """Return why a log that reaches back far enough still needs attention."""
    if source.outlook is Outlook.SHORT:
        summary = say(
            "the records are there now, but the configuration keeps less: {configured}",
            configured=source.configured,
        )
    elif source.outlook is Outlook.STOPS:
        summary = say("the log stops when it is full: {configured}", configured=source.configured)
    elif source.silence is not None:
        summary = say(
            "no record between {start} and {end}",
            start=case.day(source.silence.start),
            end=case.day(source.silence.end),
        )
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


def _outcome(name: str, judged: _Judged, sources: Sequence[Source], case: LogCase) -> Outcome:
    observed = ", ".join(
        f"{source.name} {case.day(source.oldest)} ({case.age(source.oldest) // DAY} d)"
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
