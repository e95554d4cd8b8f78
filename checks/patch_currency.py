"""Security fixes are installed within the promised time.

## What it looks at

The installed packages against apt's own lists of the security pockets, or against the security advisories in
the cache of dnf, yum or zypp, as they lie on the host: nothing is fetched. On Alpine, what apk would upgrade:
it marks no upgrade as a security fix, so every one counts. How fresh all that is, is read from the dates
inside, because the files' times may only repeat what the server said (apk's are those of its last fetch). How
long a fix waits is known from the day its advisory was issued, and without one from the auditor's own earlier
runs. Also whether the release still gets fixes at all, whether the newest installed kernel is the one that
runs, and whether programs still run code whose files an upgrade has replaced.

## Why it matters

Known holes are attacked within days of their publication. "Nothing to update" on a host whose lists are
stale, or that has no source of security fixes, is the most common way to look current without being it.

## What to do

Install the named packages (`apt-get update && apt-get upgrade`, `dnf upgrade --security`, `zypper patch`,
`apk upgrade`), release holds, pins, version locks and exclusions that keep fixes away, restart the named
programs, restart into the newest kernel, and move off releases that no longer get fixes. A source that fails
needs `apt-get update`, `dnf makecache`, `zypper refresh` or `apk update` to succeed; a missing security
pocket belongs into the sources of apt, and an RPM system needs a repository that publishes advisories.
"""

from collections.abc import Iterable, Iterator

from checks.model import Clock, History, Outcome, Result, Severity, Subject, check, not_known
from checks.patches import ID, WHOLE, Limits, no_fix_waits, some
from checks.patches_apk import APK, judge_apk, watch_apk
from checks.patches_apt import judge_apt, watch_apt
from checks.patches_rpm import RPM, judge_rpm, watch_rpm
from checks.releases import support_of
from checks.restart import MAPPED, judge_mapped, judge_restart, watch_mapped
from checks.support import DEBIANS, Platform, support
from checks.text import say
from collectors.evidence import Reason, TargetKind
from collectors.facts import Fact, Known, Unknown
from collectors.probes.apk import ApkFacts
from collectors.probes.apt import AptFacts
from collectors.probes.kernel import KernelFacts
from collectors.probes.mapped import MappedFacts
from collectors.probes.platform import PlatformFacts
from collectors.probes.rpm import RpmFacts

_DEBIAN = frozenset({"debian", "ubuntu"})
_RPM = frozenset({"rhel", "fedora", "centos", "amzn", "suse", "sles", "opensuse"})
"""ID and ID_LIKE of os-release(5)"""
_EXTENSIONS = ("-ltss-", "-els-", "-eus-", "-e4s-", "-aus-", "-tus-")
"""in ids of repositories: extended support of SUSE and Red Hat"""


def _watch(apt: AptFacts, clock: Clock) -> Iterable[str]:
    """Remember what only earlier runs can tell."""
    return watch_apt(apt, clock)


@check(
    ID,
    kind=TargetKind.HOST,
    severity=Severity.HIGH,
    controls=("iso27001:2022/A.8.8",),
    watch=_watch,
    apart={MAPPED: watch_mapped, RPM: watch_rpm, APK: watch_apk},
    platforms=support(
        verified=DEBIANS,
        look_alike=(Platform.RHEL,),
        documented=(Platform.UBUNTU, Platform.FEDORA, Platform.AMAZON, Platform.SUSE, Platform.ALPINE),
    ),
)
def patch_currency(
    *,
    platform: PlatformFacts,
    apt: Fact[AptFacts],
    rpm: Fact[RpmFacts],
    apk: Fact[ApkFacts],
    kernel: Fact[KernelFacts],
    mapped: Fact[MappedFacts],
    options: Limits,
    clock: Clock,
    history: History,
) -> Iterator[Outcome]:
    """Judge release, sources, each missing fix and the kernel."""
    family = {platform.id, *platform.like}
    if _DEBIAN & family:
        yield _release(platform, apt, clock)
        match apt:
            case Unknown():
                yield _without(apt, options)
            case Known(value=packages):
                yield from judge_apt(platform, packages, options, clock, history)
        yield from judge_restart(kernel, options, clock, platform=platform)
    elif platform.id == "alpine":
        yield _release(platform, apt, clock)
        match apk:
            case Unknown():
                yield _without(apk, options)
            case Known(value=upgrades):
                yield from judge_apk(platform, upgrades, options, clock, history)
        yield from judge_restart(kernel, options, clock, platform=platform, apk=True)
    elif _RPM & family:
        yield _release(platform, apt, clock, extended=_is_extended(rpm))
        yield from _advisories(platform, rpm, options, clock, history)
        yield from judge_restart(kernel, options, clock, platform=platform, rpm=rpm)
    else:
        yield not_known(
            WHOLE,
            Reason.UNSUPPORTED,
            no_fix_waits(options),
            detail=f"neither a Debian, an RPM nor an Alpine system: {platform.id}",
        )
        return
    yield from judge_mapped(mapped, options, clock, history)
    yield from _bundles(platform)


def _advisories(
    platform: PlatformFacts, rpm: Fact[RpmFacts], options: Limits, clock: Clock, history: History
) -> Iterator[Outcome]:
    if platform.image:
        detail = f"the system is an image of {platform.image}, and which fixes that holds is not compared"
        yield not_known(WHOLE, Reason.UNSUPPORTED, no_fix_waits(options), detail=detail)
        return
    match rpm:
        case Unknown():
            yield _without(rpm, options)
        case Known(value=advisories):
            yield from judge_rpm(platform, advisories, options, clock, history)


def _bundles(platform: PlatformFacts) -> Iterator[Outcome]:
    """Say what no package manager of the system speaks for."""
    if platform.bundles:
        yield not_known(
            Subject(kind="packages", name="snap and flatpak"),
            Reason.UNSUPPORTED,
            say("applications that bring their own libraries along get their fixes"),
            detail=f"not compared: {some(platform.bundles)}",
        )


def _without(packages: Unknown, options: Limits) -> Outcome:
    return not_known(
        WHOLE,
        packages.reason,
        no_fix_waits(options),
        detail=packages.detail,
        evidence=(packages.evidence,),
    )


def _is_extended(rpm: Fact[RpmFacts]) -> bool:
    """Say whether a repository of a paid extension is enabled, whose end is not known here."""
    return isinstance(rpm, Known) and any(
        mark in f"-{repository.id}-".lower() for repository in rpm.value.repositories for mark in _EXTENSIONS
    )


def _release(
    platform: PlatformFacts, apt: Fact[AptFacts], clock: Clock, *, extended: bool = False
) -> Outcome:
    subject = Subject(kind="release", name=f"{platform.id} {platform.version_id}".strip())
    expected = say("the release gets security fixes")
    support = support_of(platform.id, platform.version_id, platform.support_end)
    if support is None:
        return not_known(
            subject, Reason.UNSUPPORTED, expected, detail="no end of support is known for this release"
        )
    subscribed = isinstance(apt, Known) and any(
        pocket.origin.startswith("UbuntuESM") for pocket in apt.value.pockets
    )
    until = support.until(subscribed=subscribed)
    ended = clock.today > until
    if ended and extended:
        return not_known(
            subject, Reason.UNDETERMINED, expected, detail="until when its paid extension lasts is not known"
        )
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
