"""Judge what apk's own indexes say of the installed packages of Alpine.

Alpine marks no upgrade as a security fix, and gives it no date: every one counts, aged by own history.
"""

from collections.abc import Iterator

from checks.model import Clock, History, Outcome, Result, Subject, not_known
from checks.patches import COMPARED, ID, WHOLE, Limits, day, no_fix_waits, some, waits
from checks.text import say
from collectors.evidence import Reason
from collectors.probes.apk import ApkFacts, Upgrade
from collectors.probes.platform import PlatformFacts

APK = "apk"
"""the watcher's name"""
_SOURCE = Subject(kind="source", name="apk indexes")


def watch_apk(apk: ApkFacts) -> Iterator[str]:
    """Remember which installed versions an upgrade waits for, and whether this run could tell."""
    for upgrade in apk.upgrades:
        yield _waiting(upgrade)
    if apk.indexes and not apk.missing:
        yield COMPARED


def judge_apk(
    platform: PlatformFacts, apk: ApkFacts, options: Limits, clock: Clock, history: History
) -> Iterator[Outcome]:
    """Judge the indexes, each upgrade that waits, and all packages together."""
    source = _source(platform, apk, options, clock)
    yield source
    for upgrade in apk.upgrades:
        subject = Subject(kind="package", name=upgrade.name)
        if upgrade.name in apk.tied:
            yield Outcome(
                subject=subject,
                result=Result.FAIL,
                summary=say("an upgrade is missing because the package is tied to a version"),
                expected=no_fix_waits(options),
                actual=say(
                    "{installed} is installed, {offered} is offered",
                    installed=upgrade.installed,
                    offered=upgrade.offered,
                ),
            )
        else:
            yield waits(
                subject=subject,
                installed=upgrade.installed,
                offered=upgrade.offered,
                watched=_waiting(upgrade),
                listed=None,
                options=options,
                clock=clock,
                history=history,
                memory=f"{ID}/{APK}",
            )
    expected = no_fix_waits(options)
    if source.result is not Result.PASS:
        yield not_known(
            WHOLE, source.reason or Reason.STALE_SOURCE, expected, detail=source.summary.english()
        )
    elif not apk.installed:
        yield not_known(WHOLE, Reason.NO_OBSERVATION, expected, detail="no installed package was seen")
    else:
        yield Outcome(
            subject=WHOLE,
            result=Result.PASS,
            summary=say(
                "no fix waits for {count} of {installed} packages",
                count=max(apk.installed - len(apk.upgrades), 0),
                installed=apk.installed,
            ),
            expected=expected,
            actual=say("compared with {repositories}", repositories=some(apk.repositories)),
        )


def _source(platform: PlatformFacts, apk: ApkFacts, options: Limits, clock: Clock) -> Outcome:
    expected = say("indexes of this release, fetched at most {limit} ago", limit=str(options.lists_within))
    branch = "v" + ".".join(platform.version_id.split(".")[:2])
    fits = [name for name in apk.repositories if name.startswith((f"{branch}/", "latest-stable/"))]
    if not apk.repositories or not apk.indexes:
        return Outcome(
            subject=_SOURCE,
            result=Result.FAIL,
            summary=say("there is no index to compare with"),
            expected=expected,
            actual=say("{count} repositories are configured", count=len(apk.repositories)),
        )
    if apk.missing:
        return not_known(
            _SOURCE, Reason.NO_SOURCE, expected, detail=f"apk had {apk.missing} complaints about its indexes"
        )
    if not fits:
        return Outcome(
            subject=_SOURCE,
            result=Result.WARN,
            summary=say("the repositories belong to another release"),
            expected=expected,
            actual=say("{repositories}", repositories=some(apk.repositories)),
        )
    age = clock.as_of - apk.indexes[0]
    if age.days < -1:
        return not_known(_SOURCE, Reason.UNDETERMINED, expected, detail="an index is dated in the future")
    late = age > options.lists_within.timedelta
    return Outcome(
        subject=_SOURCE,
        result=Result.FAIL if late else Result.PASS,
        summary=say("its indexes were fetched {days} days ago", days=max(age.days, 0)),
        expected=expected,
        actual=say("the oldest was fetched on {date}", date=day(apk.indexes[0])),
    )


def _waiting(upgrade: Upgrade) -> str:
    return f"pending:{upgrade.name}={upgrade.installed}"
