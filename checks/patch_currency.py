"""Security fixes are installed within the promised time.

## What it looks at

The installed packages against apt's own lists of the security pockets, as they lie on the host: nothing is
fetched. How fresh those lists are is read from the archive's signed date, because the files' times only
repeat what the server said. How long a fix waits is known from the auditor's own earlier runs. Also whether
the release still gets fixes at all, and whether the newest installed kernel is the one that runs.

## Why it matters

Known holes are attacked within days of their publication. "Nothing to update" on a host whose lists are
stale, or that has no source of security fixes, is the most common way to look current without being it.

## What to do

Install the named packages (`apt-get update && apt-get upgrade`), release holds and pins that keep fixes
away, restart into the newest kernel, and move off releases that no longer get fixes. A source that fails
needs `apt-get update` to succeed; a missing security pocket belongs into the sources of apt.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Annotated

from msgspec import Meta

from checks.model import Clock, History, Options, Outcome, Result, Severity, Subject, check, not_known
from checks.releases import SUPPORT
from checks.text import Text, Value, say
from collectors.debian_version import is_newer, version_key
from collectors.evidence import Reason, TargetKind
from collectors.facts import Fact, Known, Unknown
from collectors.probes.apt import AptFacts, Offer, Pocket
from collectors.probes.kernel import KernelFacts
from collectors.probes.platform import PlatformFacts
from config.duration import Duration

ID = "patch-currency"
_WHOLE = Subject(kind="packages", name="security fixes")
_RUNNING = Subject(kind="kernel", name="running")
_RESTART = Subject(kind="restart", name="asked by packages")
_AHEAD = timedelta(days=1)
"""an archive's date further than this in the future means that a clock is wrong"""
_USUAL = 500
"""priority of a version that no preference speaks about, apt_preferences(5)"""


class Limits(Options, frozen=True, kw_only=True):
    """Settings under `[promise.set]` of a promise that patch-currency proves."""

    fix_within: Annotated[Duration, Meta(description="a security fix may wait this long")] = Duration("14d")
    lists_within: Annotated[Duration, Meta(description="the security pocket's date may be this old")] = (
        Duration("7d")
    )
    restart_within: Annotated[
        Duration, Meta(description="a newer kernel may be installed this long without running")
    ] = Duration("14d")


def _watch(apt: AptFacts, clock: Clock) -> Iterable[str]:
    """Remember which installed versions lack a fix, and whether this run could tell.

    The key names the installed version: a second fix for the same package does not start the wait anew.
    """
    for offer in apt.offers:
        if offer.newer:
            yield _waiting(offer)
    if apt.pockets and all(_defect(pocket, Limits(), clock) is None for pocket in apt.pockets):
        yield "compared"


@check(ID, kind=TargetKind.HOST, severity=Severity.HIGH, controls=("iso27001:2022/A.8.8",), watch=_watch)
def patch_currency(
    *,
    platform: PlatformFacts,
    apt: Fact[AptFacts],
    kernel: Fact[KernelFacts],
    options: Limits,
    clock: Clock,
    history: History,
) -> Iterator[Outcome]:
    """Judge release, sources, each missing fix and the kernel."""
    if not {"debian", "ubuntu"} & {platform.id, *platform.like}:
        yield not_known(
            _WHOLE, Reason.UNSUPPORTED, _no_fix_waits(options), detail=f"not a Debian system: {platform.id}"
        )
        return
    yield _release(platform, apt, clock)
    match apt:
        case Unknown():
            yield not_known(
                _WHOLE, apt.reason, _no_fix_waits(options), detail=apt.detail, evidence=(apt.evidence,)
            )
        case Known(value=facts):
            yield from _packages(platform, facts, options, clock, history)
    match kernel:
        case Unknown():
            yield not_known(
                _RUNNING,
                kernel.reason,
                say("the newest installed kernel runs"),
                detail=kernel.detail,
                evidence=(kernel.evidence,),
            )
        case Known(value=running):
            yield from _kernel(running, options, clock)


# --- the release ---


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
    until = support.paid if support.paid and subscribed else support.free
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


# --- sources and packages ---


def _packages(
    platform: PlatformFacts, apt: AptFacts, options: Limits, clock: Clock, history: History
) -> Iterator[Outcome]:
    usable = [pocket for pocket in apt.pockets if _fits(pocket, platform)]
    defects = {pocket.prefix: _defect(pocket, options, clock) for pocket in apt.pockets}
    for pocket in apt.pockets:
        yield _source(pocket, defects[pocket.prefix], platform, options)
    if not usable:
        yield _no_source(platform, apt)
    yield from _uncovered(apt)
    dates = {pocket.prefix: pocket.date for pocket in apt.pockets}
    for offer in apt.offers:
        if offer.newer is None:
            yield not_known(
                _package(offer.name, offer.arch, apt),
                Reason.UNPARSABLE,
                _no_fix_waits(options),
                detail="the pocket's version cannot be read",
            )
        elif offer.newer:
            yield _waits(
                offer=offer,
                apt=apt,
                listed=dates.get(offer.pocket),
                options=options,
                clock=clock,
                history=history,
            )
    for package in apt.unfinished:
        yield Outcome(
            subject=_package(package.name, package.arch, apt),
            result=Result.WARN,
            summary=say("its installation was not finished"),
            expected=say("dpkg's status is installed"),
            actual=say("{version}, dpkg's status {status}", version=package.installed, status=package.status),
        )
    yield _rest(apt, usable, [defect for defect in defects.values() if defect], options)


def _fits(pocket: Pocket, platform: PlatformFacts) -> bool:
    """A pocket of another release offers lower versions only, which would look like "no fix waits"."""
    if platform.id not in ("debian", "ubuntu") or not platform.codename:
        return True
    named = pocket.codename or pocket.suite
    return named.split("-")[0].split("/")[0] == platform.codename


class _Defect:
    """Why a pocket's lists do not tell what is missing."""

    def __init__(self, result: Result, reason: Reason, summary: Text, actual: Text) -> None:
        self.result, self.reason, self.summary, self.actual = result, reason, summary, actual


def _defect(pocket: Pocket, options: Limits, clock: Clock) -> _Defect | None:
    if pocket.missing:
        return _Defect(
            Result.FAIL,
            Reason.NO_SOURCE,
            say("it is configured, but its lists are not there"),
            say("missing: {lists}", lists=_some(pocket.missing)),
        )
    if pocket.torn:
        return _Defect(
            Result.UNKNOWN,
            Reason.CORRUPT,
            say("its lists could not be read whole"),
            say("not whole: {lists}", lists=_some(pocket.torn)),
        )
    if pocket.date is None or pocket.date - clock.as_of > _AHEAD:
        return _Defect(
            Result.UNKNOWN,
            Reason.UNDETERMINED,
            say("its Release file has no date that can be right"),
            say("Date: {date}", date=_day(pocket.date) if pocket.date else "none"),
        )
    age = clock.as_of - pocket.date
    if pocket.valid_until is not None and clock.as_of > pocket.valid_until:
        return _Defect(
            Result.FAIL,
            Reason.STALE_SOURCE,
            say("its lists are past the day the archive vouches for them"),
            say("made {days} days ago, valid until {until}", days=age.days, until=_day(pocket.valid_until)),
        )
    if age > options.lists_within.timedelta:
        return _Defect(
            Result.FAIL,
            Reason.STALE_SOURCE,
            say("its lists are {days} days old", days=age.days),
            say("made on {date}", date=_day(pocket.date)),
        )
    return None


def _source(pocket: Pocket, defect: _Defect | None, platform: PlatformFacts, options: Limits) -> Outcome:
    subject = Subject(kind="source", name=f"{pocket.origin} {pocket.suite}".strip())
    expected = say("whole lists that are at most {limit} old", limit=str(options.lists_within))
    if defect is not None:
        return Outcome(
            subject=subject,
            result=defect.result,
            reason=defect.reason if defect.result is Result.UNKNOWN else None,
            summary=defect.summary,
            expected=expected,
            actual=defect.actual,
        )
    if not _fits(pocket, platform):
        return Outcome(
            subject=subject,
            result=Result.WARN,
            summary=say("it belongs to another release"),
            expected=say("security fixes for {codename}", codename=platform.codename),
            actual=say("security fixes for {codename}", codename=pocket.codename or pocket.suite),
        )
    return Outcome(
        subject=subject,
        result=Result.PASS,
        summary=say("its lists are whole and fresh"),
        expected=expected,
        actual=say(
            "made on {date}, {count} packages",
            date=_day(pocket.date) if pocket.date else "",
            count=pocket.stanzas,
        ),
    )


def _no_source(platform: PlatformFacts, apt: AptFacts) -> Outcome:
    subject = Subject(kind="source", name="security pocket")
    expected = say(
        "a security pocket for {codename} is configured", codename=platform.codename or platform.id
    )
    if apt.unread:
        return not_known(subject, Reason.DENIED, expected, detail=_some(apt.unread))
    # Testing, unstable and derivatives may get their fixes in another way than by a pocket of this name.
    if platform.id not in ("debian", "ubuntu") or not platform.version_id:
        return not_known(subject, Reason.UNSUPPORTED, expected, detail="no security pocket is configured")
    return Outcome(
        subject=subject,
        result=Result.FAIL,
        summary=say("no source of security fixes for this release is configured"),
        expected=expected,
        actual=say("{count} other sources", count=len(apt.others) + len(apt.pockets)),
    )


def _uncovered(apt: AptFacts) -> Iterator[Outcome]:
    """Say what the security pockets do not speak about, or apt does not take from them."""
    preferred = apt.default_release
    named = {name for pocket in apt.pockets for name in (pocket.codename, pocket.archive, pocket.suite)}
    if preferred.isalpha() and apt.pockets and preferred not in named:
        yield Outcome(
            subject=Subject(kind="source", name="APT::Default-Release"),
            result=Result.WARN,
            summary=say("apt prefers a release that the security pocket is not part of"),
            expected=say("a preference that covers the security pocket, or none"),
            actual=say("APT::Default-Release is {preferred}", preferred=preferred),
        )
    origins = {pocket.origin for pocket in apt.pockets if pocket.origin}
    unasked = {component for pocket in apt.pockets for component in pocket.unasked}
    for other in apt.others:
        name = f"{other.origin} {other.suite}".strip()
        if origins and other.origin not in origins:
            yield Outcome(
                subject=Subject(kind="source", name=name),
                result=Result.NOT_APPLICABLE,
                summary=say("its packages are not judged: it marks no fix as a security fix"),
                expected=say("a source that marks security fixes"),
                actual=say("{label}", label=other.label or "no label"),
            )
        elif origins and unasked & set(other.components):
            yield Outcome(
                subject=Subject(kind="source", name=name),
                result=Result.WARN,
                summary=say("packages come from components whose security fixes are not asked for"),
                expected=say("the security pocket is asked for the same components"),
                actual=say(
                    "not asked for: {components}", components=_some(sorted(unasked & set(other.components)))
                ),
            )


def _waits(
    *, offer: Offer, apt: AptFacts, listed: datetime | None, options: Limits, clock: Clock, history: History
) -> Outcome:
    subject = _package(offer.name, offer.arch, apt)
    words: dict[str, Value] = {
        "installed": offer.installed, "offered": offer.offered, "limit": str(options.fix_within)
    }  # fmt: skip

    def outcome(result: Result, summary: Text, actual: Text) -> Outcome:
        return Outcome(
            subject=subject, result=result, summary=summary, expected=_no_fix_waits(options), actual=actual
        )

    versions = say("{installed} is installed, {offered} is offered", **words)
    hindrance = _hindrance(offer, apt)
    if hindrance is not None:
        return outcome(Result.FAIL, hindrance, versions)
    limit = options.fix_within.timedelta
    first = history.since(ID, _waiting(offer))
    compared = history.since(ID, "compared")
    # The fix is at least as old as the list that offers it.
    known = min(when for when in (first, listed, clock.as_of) if when is not None)
    waited = clock.as_of - known
    seen = say(
        "{installed} is installed, {offered} is offered, known for {days} days", **words, days=waited.days
    )
    if waited > limit:
        return outcome(Result.FAIL, say("a security fix waits for more than {limit}", **words), seen)
    # It came after the last comparison that did not see it, however long nobody looked in between.
    before = history.unseen_at(ID, _waiting(offer)) if first else history.looked_at(ID)
    was_new = compared is not None and before is not None and compared <= before
    if was_new and before and clock.as_of - before <= limit:
        return outcome(Result.PASS, say("a security fix waits, for less than {limit}", **words), seen)
    return outcome(
        Result.WARN,
        say("a security fix waits, perhaps for more than {limit}: nobody looked when it came", **words)
        if was_new
        else say("a security fix waits; since when is not known, it was there at the first look"),
        seen,
    )


def _hindrance(offer: Offer, apt: AptFacts) -> Text | None:
    """Name what keeps apt from installing a fix, as far as that is certain."""
    if offer.held:
        return say("a security fix is missing because the package is on hold")
    for pin in apt.pins:
        if not any(_matches(pattern, offer.name) for pattern in pin.packages):
            continue
        kind, _, wanted = pin.pin.partition(" ")
        to_another = (
            kind == "version"
            and pin.priority >= _USUAL
            and _is_plain(wanted)
            and not _matches(wanted, offer.offered)
        )
        never = pin.priority < 0 and pin.pin in ("release *", "version *")
        if to_another or never:
            return say("a security fix is missing because a preference pins the package")
    return None


def _is_plain(pattern: str) -> bool:
    return not set(pattern.removesuffix("*")) & set("*?[/ ")


def _matches(pattern: str, text: str) -> bool:
    """Match a whole word or one that ends in an asterisk; other patterns of a host are never run."""
    if pattern.endswith("*") and len(pattern) > 1:
        return text.startswith(pattern.removesuffix("*"))
    return text == pattern


def _rest(apt: AptFacts, usable: list[Pocket], defects: list[_Defect], options: Limits) -> Outcome:
    """Speak of all packages that no fix waits for; stale or missing lists can say nothing of them."""
    expected = _no_fix_waits(options)
    if defects:
        worst = next((defect for defect in defects if defect.reason is Reason.STALE_SOURCE), defects[0])
        return not_known(_WHOLE, worst.reason, expected, detail=worst.summary.english())
    if not usable:
        return not_known(_WHOLE, Reason.NO_SOURCE, expected, detail="no security pocket was compared")
    if apt.installed == 0:
        return not_known(_WHOLE, Reason.NO_OBSERVATION, expected, detail="no installed package was seen")
    waiting = sum(offer.newer is not False for offer in apt.offers)
    return Outcome(
        subject=_WHOLE,
        result=Result.PASS,
        summary=say(
            "no fix waits for {count} of {installed} packages",
            count=apt.installed - waiting,
            installed=apt.installed,
        ),
        expected=expected,
        actual=say(
            "{installed} packages were compared with {stanzas} in the security pockets; {waiting} fixes wait",
            installed=apt.installed,
            stanzas=sum(pocket.stanzas for pocket in usable),
            waiting=waiting,
        ),
    )


# --- the kernel ---


def _kernel(kernel: KernelFacts, options: Limits, clock: Clock) -> Iterator[Outcome]:
    expected = say(
        "the newest installed kernel runs, at most {limit} after it came", limit=str(options.restart_within)
    )
    images = tuple(package for package in kernel.packages if package.release)
    own = any(package.release == kernel.release for package in images)
    if kernel.restart_asked is not None:
        yield _restart(kernel, kernel.restart_asked, options, clock)
    if not own and (kernel.guest or (not images and kernel.images == () and not kernel.has_modules)):
        yield Outcome(
            subject=_RUNNING,
            result=Result.NOT_APPLICABLE,
            summary=say("the kernel is not this system's own"),
            expected=expected,
            actual=say(
                "{release} runs; {signs}",
                release=kernel.release,
                signs=_some(kernel.guest) or "no kernel is installed here",
            ),
        )
        return
    if not images:
        yield not_known(_RUNNING, Reason.UNDETERMINED, expected, detail="the kernel is from no package")
        return
    if not any(not package.release for package in kernel.packages):
        yield Outcome(
            subject=Subject(kind="kernel", name="metapackage"),
            result=Result.WARN,
            summary=say("no package pulls in new kernels"),
            expected=say("a kernel metapackage such as linux-image-amd64 is installed"),
            actual=say("{count} kernels, none of them replaced by upgrades", count=len(images)),
        )
    if not kernel.running_version:
        yield not_known(
            _RUNNING, Reason.UNDETERMINED, expected, detail="/proc/version names no package version"
        )
        return
    try:
        newer = [package for package in images if is_newer(package.version, kernel.running_version)]
    except ValueError:
        yield not_known(_RUNNING, Reason.UNPARSABLE, expected, detail="a kernel's version cannot be read")
        return
    running: dict[str, Value] = {"release": kernel.release, "version": kernel.running_version}
    if not newer:
        yield Outcome(
            subject=_RUNNING,
            result=Result.PASS if own else Result.WARN,
            summary=say("the newest installed kernel runs")
            if own
            else say("the running kernel is not installed any more"),
            expected=expected,
            actual=say("{release} ({version}) runs", **running),
        )
        return
    times = [package.installed_at for package in newer if package.installed_at is not None]
    latest = max(newer, key=lambda package: version_key(package.version))
    words: dict[str, Value] = {**running, "newest": latest.name, "to": latest.version}
    if not times:
        yield Outcome(
            subject=_RUNNING,
            result=Result.WARN,
            summary=say("a newer kernel is installed and does not run; since when is not known"),
            expected=expected,
            actual=say("{release} ({version}) runs, {newest} {to} is installed", **words),
        )
        return
    waited = clock.as_of - min(times)
    late = waited > options.restart_within.timedelta
    yield Outcome(
        subject=_RUNNING,
        result=Result.FAIL if late else Result.PASS,
        summary=say(
            "a newer kernel has been installed for {days} days and does not run", days=max(waited.days, 0)
        ),
        expected=expected,
        actual=say("{release} ({version}) runs, {newest} {to} is installed", **words),
    )


def _restart(kernel: KernelFacts, asked: datetime, options: Limits, clock: Clock) -> Outcome:
    waited = clock.as_of - asked
    return Outcome(
        subject=_RESTART,
        result=Result.FAIL if waited > options.restart_within.timedelta else Result.PASS,
        summary=say("packages have asked for a restart for {days} days", days=max(waited.days, 0)),
        expected=say(
            "a restart at most {limit} after packages ask for it", limit=str(options.restart_within)
        ),
        actual=say("asked by: {packages}", packages=_some(kernel.restart_packages) or "not said"),
    )


# --- words ---


def _no_fix_waits(options: Limits) -> Text:
    return say("no security fix waits for more than {limit}", limit=str(options.fix_within))


def _waiting(offer: Offer) -> str:
    return f"pending:{offer.name}:{offer.arch}={offer.installed}"


def _package(name: str, arch: str, apt: AptFacts) -> Subject:
    """Name a package as dpkg does: with the architecture only where it is not the system's own."""
    return Subject(kind="package", name=name if arch in (apt.native, "all") else f"{name}:{arch}")


def _day(when: datetime) -> str:
    return when.strftime("%Y-%m-%d")


def _some(names: Iterable[str], *, most: int = 5) -> str:
    names = tuple(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
