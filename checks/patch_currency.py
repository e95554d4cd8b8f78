"""Security fixes are installed within the promised time.

## What it looks at

The installed packages against apt's own lists of the security pockets, as they lie on the host: nothing is
fetched. How fresh those lists are is read from the archive's signed date, because the files' times only
repeat what the server said. How long a fix waits is known from the auditor's own earlier runs. Also whether
the release still gets fixes at all, whether the newest installed kernel is the one that runs, and whether
programs still run code whose files an upgrade has replaced.

## Why it matters

Known holes are attacked within days of their publication. "Nothing to update" on a host whose lists are
stale, or that has no source of security fixes, is the most common way to look current without being it.

## What to do

Install the named packages (`apt-get update && apt-get upgrade`), release holds and pins that keep fixes
away, restart the named programs, restart into the newest kernel, and move off releases that no longer get
fixes. A source that fails needs `apt-get update` to succeed; a missing security pocket belongs into the
sources of apt.
"""

from collections.abc import Iterable, Iterator

from checks.model import Clock, History, Outcome, Result, Severity, Subject, check, not_known
from checks.patches import ID, WHOLE, Limits, no_fix_waits
from checks.patches_apt import judge_apt, watch_apt
from checks.releases import SUPPORT
from checks.restart import MAPPED, judge_mapped, judge_restart, watch_mapped
from checks.text import say
from collectors.evidence import Reason, TargetKind
from collectors.facts import Fact, Known, Unknown
from collectors.probes.apt import AptFacts
from collectors.probes.kernel import KernelFacts
from collectors.probes.mapped import MappedFacts
from collectors.probes.platform import PlatformFacts


def _watch(apt: AptFacts, clock: Clock) -> Iterable[str]:
    """Remember what only earlier runs can tell."""
    return watch_apt(apt, clock)


@check(
    ID,
    kind=TargetKind.HOST,
    severity=Severity.HIGH,
    controls=("iso27001:2022/A.8.8",),
    watch=_watch,
    apart={MAPPED: watch_mapped},
)
def patch_currency(
    *,
    platform: PlatformFacts,
    apt: Fact[AptFacts],
    kernel: Fact[KernelFacts],
    mapped: Fact[MappedFacts],
    options: Limits,
    clock: Clock,
    history: History,
) -> Iterator[Outcome]:
    """Judge release, sources, each missing fix and the kernel."""
    if not {"debian", "ubuntu"} & {platform.id, *platform.like}:
        yield not_known(
            WHOLE, Reason.UNSUPPORTED, no_fix_waits(options), detail=f"not a Debian system: {platform.id}"
        )
        return
    yield _release(platform, apt, clock)
    match apt:
        case Unknown():
            yield not_known(
                WHOLE, apt.reason, no_fix_waits(options), detail=apt.detail, evidence=(apt.evidence,)
            )
        case Known(value=facts):
            yield from judge_apt(platform, facts, options, clock, history)
    yield from judge_restart(kernel, options, clock)
    yield from judge_mapped(mapped, options, clock, history)


def _release(platform: PlatformFacts, apt: Fact[AptFacts], clock: Clock) -> Outcome:
    subject = Subject(kind="release", name=f"{platform.id} {platform.version_id}".strip())
    expected = say("the release gets security fixes")
    support = SUPPORT.get((platform.id, platform.version_id))
    if support is None:
        return not_known(
            subject, Reason.UNSUPPORTED, expected, detail="no end of support is known for this release"
        )
    subscribed = isinstance(apt, Known) and any(
        pocket.origin.startswith("UbuntuESM") for pocket in apt.value.pockets
    )
    until = support.until(subscribed=subscribed)
    ended = clock.today > until
    return Outcome(
        subject=subject,
        result=Result.FAIL if ended else Result.PASS,
        summary=say("security support ended on {until}", until=until.isoformat())
        if ended
        else say("security support lasts until {until}", until=until.isoformat()),
        expected=expected,
        actual=say(
            "{codename}, supported until {until} ({source})",
            codename=support.codename,
            until=until.isoformat(),
            source=support.source,
        ),
    )
