"""Judge what the cached advisories say of the installed packages of RPM systems."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from checks.model import Clock, History, Outcome, Result, Subject, not_known
from checks.package_specs import keeps_away
from checks.patches import COMPARED, ID, WHOLE, Limits, day, no_fix_waits, some, waits
from checks.text import Text, say
from collectors.evidence import Reason
from collectors.probes.platform import PlatformFacts
from collectors.probes.rpm import Advisories, Repository, RpmFacts
from collectors.probes.rpm_updates import Fix

RPM = "rpm"
"""the watcher's name"""
_AHEAD = timedelta(days=1)
"""a date further than this in the future means that a clock is wrong"""
_QUIET = timedelta(days=30)
"""a distribution that gets fixes publishes some within this time; a mirror that stopped does not"""
_TROUBLE: dict[Advisories, tuple[Reason, str]] = {
    Advisories.UNCACHED: (Reason.NO_SOURCE, "its metadata is not on the host"),
    Advisories.MISSING: (Reason.NO_SOURCE, "it publishes advisories, but they are not on the host"),
    Advisories.PACKED: (Reason.NO_TOOL, "nothing on the host can unpack its advisories"),
    Advisories.TORN: (Reason.CORRUPT, "its metadata could not be read whole"),
    Advisories.DENIED: (Reason.DENIED, "its metadata may not be read"),
}


def watch_rpm(rpm: RpmFacts, clock: Clock) -> Iterator[str]:
    """Remember which installed versions lack a fix, and whether this run could tell."""
    for fix in rpm.fixes:
        if fix.newer:
            yield _waiting(fix)
    bearing = _bearing(rpm)
    if bearing and all(_defect(repository, Limits(), clock) is None for repository in bearing):
        yield COMPARED


def judge_rpm(
    platform: PlatformFacts, rpm: RpmFacts, options: Limits, clock: Clock, history: History
) -> Iterator[Outcome]:
    """Judge each repository, each missing fix and all packages together."""
    for repository in rpm.repositories:
        yield _source(repository, options, clock)
    if not _bearing(rpm):
        yield _no_source(rpm)
    for fix in rpm.fixes:
        own = fix.arch in (platform.machine, "noarch")
        subject = Subject(kind="package", name=fix.name if own else f"{fix.name}.{fix.arch}")
        yield _missing(subject, fix, rpm, options=options, clock=clock, history=history)
    yield _rest(rpm, options, clock)


# --- repositories ---


class _Defect:
    """Why a repository's advisories do not tell what is missing."""

    def __init__(self, result: Result, reason: Reason, summary: Text, actual: Text) -> None:
        self.result, self.reason, self.summary, self.actual = result, reason, summary, actual


def _bearing(rpm: RpmFacts) -> list[Repository]:
    """Those that publish advisories, as far as is known."""
    return [each for each in rpm.repositories if each.advisories is not Advisories.NONE]


def _defect(repository: Repository, options: Limits, clock: Clock) -> _Defect | None:
    trouble = _TROUBLE.get(repository.advisories)
    if trouble:
        reason, words = trouble
        return _Defect(
            Result.UNKNOWN, reason, say(words), say("advisories: {state}", state=repository.advisories)
        )
    known = [when for when in (repository.made, repository.fetched) if when is not None]
    if not known or max(known) - clock.as_of > _AHEAD:
        return _Defect(
            Result.UNKNOWN,
            Reason.UNDETERMINED,
            say("its metadata has no date that can be right"),
            say("date: {date}", date=day(max(known)) if known else "none"),
        )
    # Its content proves how old it is at most; files written lately prove that it was asked for again.
    # Files written long ago prove nothing: they may carry the server's times.
    age = clock.as_of - max(known)
    if age > options.lists_within.timedelta:
        return _Defect(
            Result.FAIL,
            Reason.STALE_SOURCE,
            say("its metadata is {days} days old", days=age.days),
            say("made or fetched last on {date}", date=day(max(known))),
        )
    return None


def _source(repository: Repository, options: Limits, clock: Clock) -> Outcome:
    subject = Subject(kind="source", name=f"{repository.manager} {repository.id}")
    expected = say("whole metadata that is at most {limit} old", limit=str(options.lists_within))
    if repository.advisories is Advisories.NONE:
        return Outcome(
            subject=subject,
            result=Result.NOT_APPLICABLE,
            summary=say("its packages are not judged: it publishes no advisories"),
            expected=say("a source that marks security fixes"),
            actual=say("no updateinfo in its repomd.xml"),
        )
    defect = _defect(repository, options, clock)
    if defect is not None:
        return Outcome(
            subject=subject,
            result=defect.result,
            reason=defect.reason if defect.result is Result.UNKNOWN else None,
            summary=defect.summary,
            expected=expected,
            actual=defect.actual,
        )
    quiet = _is_quiet(repository, clock)
    return Outcome(
        subject=subject,
        result=Result.WARN if quiet else Result.PASS,
        summary=say("it was asked lately, but its content is old: it is quiet, or its mirror has stopped")
        if quiet
        else say("its metadata is whole and fresh"),
        expected=expected,
        actual=say(
            "content of {made}, fetched {fetched}, {count} security advisories",
            made=day(repository.made) if repository.made else "unknown date",
            fetched=day(repository.fetched) if repository.fetched else "on an unknown date",
            count=repository.security,
        ),
    )


def _is_quiet(repository: Repository, clock: Clock) -> bool:
    return repository.made is None or clock.as_of - repository.made > _QUIET


def _no_source(rpm: RpmFacts) -> Outcome:
    subject = Subject(kind="source", name="security advisories")
    expected = say("a repository with security advisories is enabled")
    if rpm.unread:
        return not_known(subject, Reason.DENIED, expected, detail=some(rpm.unread))
    if rpm.repositories:
        return not_known(
            subject, Reason.NO_SOURCE, expected, detail="no enabled repository publishes advisories"
        )
    return Outcome(
        subject=subject,
        result=Result.FAIL,
        summary=say("no repository is enabled"),
        expected=expected,
        actual=say("no enabled repository in the configuration"),
    )


# --- packages ---


def _missing(
    subject: Subject, fix: Fix, rpm: RpmFacts, *, options: Limits, clock: Clock, history: History
) -> Outcome:
    if not fix.newer:
        return not_known(
            subject,
            Reason.UNDETERMINED,
            no_fix_waits(options),
            detail=f"whether {some(fix.advisories)} is for this version cannot be told",
        )
    obstacle = hindrance(fix, rpm)
    if obstacle is None and (fix.issued is None or fix.issued - clock.as_of > _AHEAD):
        return waits(
            subject=subject,
            installed=fix.installed,
            offered=fix.offered,
            watched=_waiting(fix),
            listed=_listed(fix, rpm),
            options=options,
            clock=clock,
            history=history,
            memory=f"{ID}/{RPM}",
        )
    waited = clock.as_of - fix.issued if fix.issued else None
    late = waited is not None and waited > options.fix_within.timedelta
    return Outcome(
        subject=subject,
        result=Result.FAIL if late or obstacle else Result.PASS,
        summary=obstacle
        or say(
            "a security fix waits for more than {limit}"
            if late
            else "a security fix waits, for less than {limit}",
            limit=str(options.fix_within),
        ),
        expected=no_fix_waits(options),
        actual=say(
            "{installed} is installed, {offered} is offered; {advisory} ({severity}) was issued {when}",
            installed=fix.installed,
            offered=fix.offered,
            advisory=some(fix.advisories, most=1),
            severity=fix.severity,
            when=f"{max(waited.days, 0)} days ago" if waited is not None else "on an unknown day",
        ),
    )


def _listed(fix: Fix, rpm: RpmFacts) -> datetime | None:
    """When the youngest of the repositories that offer it was made: the fix is at least that old."""
    return max(
        (each.made for each in rpm.repositories if each.id in fix.repositories and each.made), default=None
    )


def hindrance(fix: Fix, rpm: RpmFacts) -> Text | None:
    """Name what keeps the package manager from installing a fix, as far as that is certain."""
    own = [each for each in rpm.repositories if each.id in fix.repositories]
    everywhere = [lock for lock in rpm.exclusions if keeps_away(lock, fix)]
    each_has = [next((lock for lock in each.exclusions if keeps_away(lock, fix)), None) for each in own]
    held = everywhere or [lock for lock in each_has if lock]
    if not everywhere and not (each_has and all(each_has)):
        return None
    return say(
        "a security fix is missing because {source} keeps it away ({pattern})",
        source=held[0].source,
        pattern=held[0].pattern,
    )


# --- all together ---


def _rest(rpm: RpmFacts, options: Limits, clock: Clock) -> Outcome:
    """Speak of all packages that no fix waits for; stale or missing advisories can say nothing of them."""
    expected = no_fix_waits(options)
    bearing = _bearing(rpm)
    defects = [defect for each in bearing if (defect := _defect(each, options, clock))]
    if defects:
        worst = next((defect for defect in defects if defect.reason is Reason.STALE_SOURCE), defects[0])
        return not_known(WHOLE, worst.reason, expected, detail=worst.summary.english())
    if rpm.unread:
        return not_known(WHOLE, Reason.DENIED, expected, detail=some(rpm.unread))
    if not bearing:
        return not_known(WHOLE, Reason.NO_SOURCE, expected, detail="no advisories were compared")
    if all(_is_quiet(repository, clock) for repository in bearing):
        return not_known(
            WHOLE,
            Reason.STALE_SOURCE,
            expected,
            detail=f"no repository has published anything for {_QUIET.days} days",
        )
    if rpm.installed == 0:
        return not_known(WHOLE, Reason.NO_OBSERVATION, expected, detail="no installed package was seen")
    return Outcome(
        subject=WHOLE,
        result=Result.PASS,
        summary=say(
            "no fix waits for {count} of {installed} packages",
            count=rpm.installed - len(rpm.fixes),
            installed=rpm.installed,
        ),
        expected=expected,
        actual=say(
            "{installed} packages were compared with {count} security advisories; {waiting} fixes wait",
            installed=rpm.installed,
            count=sum(repository.security for repository in bearing),
            waiting=len(rpm.fixes),
        ),
    )


def _waiting(fix: Fix) -> str:
    return f"pending:{fix.name}:{fix.arch}={fix.installed}"
