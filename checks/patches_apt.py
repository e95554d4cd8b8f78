"""Judge what apt's own lists say of the installed packages of Debian and its derivatives."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from checks.model import Clock, History, Outcome, Result, Subject, not_known
from checks.patches import COMPARED, WHOLE, Limits, day, no_fix_waits, some, waits
from checks.releases import SUPPORT
from checks.text import Text, say
from collectors.evidence import Reason
from collectors.probes.apt import AptFacts, OtherSource, Pocket
from collectors.probes.apt_join import Offer
from collectors.probes.platform import PlatformFacts

_AHEAD = timedelta(days=1)
"""an archive's date further than this in the future means that a clock is wrong"""
_USUAL = 500
"""priority of a version that no preference speaks about, apt_preferences(5)"""


def watch_apt(apt: AptFacts, clock: Clock) -> Iterator[str]:
    """Remember which installed versions lack a fix, and whether this run could tell.

    The key names the installed version: a second fix for the same package does not start the wait anew.
    """
    for offer in apt.offers:
        if offer.newer:
            yield _waiting(offer)
    if apt.pockets and all(_defect(pocket, Limits(), clock) is None for pocket in apt.pockets):
        yield COMPARED


def judge_apt(
    platform: PlatformFacts, apt: AptFacts, options: Limits, clock: Clock, history: History
) -> Iterator[Outcome]:
    """Judge each source, each missing fix and all packages together."""
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
                no_fix_waits(options),
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
    yield _rest(
        apt,
        usable,
        [defect for defect in defects.values() if defect],
        options,
        ended=_ended(platform, apt, clock),
    )


def _ended(platform: PlatformFacts, apt: AptFacts, clock: Clock) -> bool:
    """Say whether the release gets no more fixes from the pockets that are configured."""
    support = SUPPORT.get((platform.id, platform.version_id))
    subscribed = any(pocket.origin.startswith("UbuntuESM") for pocket in apt.pockets)
    return support is not None and clock.today > support.until(subscribed=subscribed)


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
            say("missing: {lists}", lists=some(pocket.missing)),
        )
    if pocket.torn:
        return _Defect(
            Result.UNKNOWN,
            Reason.CORRUPT,
            say("its lists could not be read whole"),
            say("not whole: {lists}", lists=some(pocket.torn)),
        )
    if pocket.date is None or pocket.date - clock.as_of > _AHEAD:
        return _Defect(
            Result.UNKNOWN,
            Reason.UNDETERMINED,
            say("its Release file has no date that can be right"),
            say("Date: {date}", date=day(pocket.date) if pocket.date else "none"),
        )
    age = clock.as_of - pocket.date
    if pocket.valid_until is not None and clock.as_of > pocket.valid_until:
        return _Defect(
            Result.FAIL,
            Reason.STALE_SOURCE,
            say("its lists are past the day the archive vouches for them"),
            say("made {days} days ago, valid until {until}", days=age.days, until=day(pocket.valid_until)),
        )
    if age > options.lists_within.timedelta:
        return _Defect(
            Result.FAIL,
            Reason.STALE_SOURCE,
            say("its lists are {days} days old", days=age.days),
            say("made on {date}", date=day(pocket.date)),
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
            date=day(pocket.date) if pocket.date else "",
            count=pocket.stanzas,
        ),
    )


def _no_source(platform: PlatformFacts, apt: AptFacts) -> Outcome:
    subject = Subject(kind="source", name="security pocket")
    expected = say(
        "a security pocket for {codename} is configured", codename=platform.codename or platform.id
    )
    if apt.unread:
        return not_known(subject, Reason.DENIED, expected, detail=some(apt.unread))
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
    if _prefers_another(apt):
        yield Outcome(
            subject=Subject(kind="source", name="APT::Default-Release"),
            result=Result.WARN,
            summary=say("apt prefers a release that the security pocket is not part of"),
            expected=say("a preference that covers the security pocket, or none"),
            actual=say("APT::Default-Release is {preferred}", preferred=apt.default_release),
        )
    unasked = {component for pocket in apt.pockets for component in pocket.unasked}
    for other in apt.others:
        if other.foreign:
            yield _foreign(other, apt)
        elif unasked & set(other.components):
            yield Outcome(
                subject=_named(other),
                result=Result.WARN,
                summary=say("packages come from components whose security fixes are not asked for"),
                expected=say("the security pocket is asked for the same components"),
                actual=say(
                    "not asked for: {components}", components=some(sorted(unasked & set(other.components)))
                ),
            )


def _named(other: OtherSource) -> Subject:
    return Subject(
        kind="source", name=f"{other.origin or other.prefix.partition('_')[0]} {other.suite}".strip()
    )


def _foreign(other: OtherSource, apt: AptFacts) -> Outcome:
    """Warn of updates of a vendor who does not say which of them are security fixes; never a pass."""
    subject, expected = _named(other), say("no update waits in a source that marks no security fixes")
    known = [offer for offer in apt.foreign if offer.pocket == other.prefix]
    waiting = [offer for offer in known if offer.newer]
    if waiting:
        return Outcome(
            subject=subject,
            result=Result.WARN,
            summary=say("updates wait that may be security fixes: the source does not mark them"),
            expected=expected,
            actual=say(
                "{count} updates: {names}", count=len(waiting), names=some(offer.name for offer in waiting)
            ),
        )
    for trouble, reason, words in (
        (other.large, Reason.LIMIT, "too large to be compared on every visit"),
        (other.missing, Reason.NO_SOURCE, "not there"),
        (other.torn, Reason.CORRUPT, "not whole"),
        ([offer.name for offer in known if offer.newer is None], Reason.UNPARSABLE, "without a version"),
    ):
        if trouble:
            return not_known(subject, reason, expected, detail=f"{words}: {some(trouble)}")
    return Outcome(
        subject=subject,
        result=Result.NOT_APPLICABLE,
        summary=say("no update waits there, and it marks no fix as a security fix")
        if other.automatic
        else say("apt takes nothing from there that was not asked for"),
        expected=expected,
        actual=say("{count} installed packages are known there", count=len(known)),
    )


def _waits(
    *, offer: Offer, apt: AptFacts, listed: datetime | None, options: Limits, clock: Clock, history: History
) -> Outcome:
    subject = _package(offer.name, offer.arch, apt)
    hindrance = _hindrance(offer, apt)
    if hindrance is not None:
        return Outcome(
            subject=subject,
            result=Result.FAIL,
            summary=hindrance,
            expected=no_fix_waits(options),
            actual=say(
                "{installed} is installed, {offered} is offered",
                installed=offer.installed,
                offered=offer.offered,
            ),
        )
    return waits(
        subject=subject,
        installed=offer.installed,
        offered=offer.offered,
        watched=_waiting(offer),
        listed=listed,
        options=options,
        clock=clock,
        history=history,
    )


def _prefers_another(apt: AptFacts) -> bool:
    """Say whether APT::Default-Release names a release that is no security pocket's."""
    named = {name for pocket in apt.pockets for name in (pocket.codename, pocket.archive, pocket.suite)}
    # Numbers, patterns and origins can be preferred as well: what they match is not for us to say.
    return apt.default_release.isalpha() and bool(apt.pockets) and apt.default_release not in named


def _hindrance(offer: Offer, apt: AptFacts) -> Text | None:
    """Name what keeps apt from installing a fix, as far as that is certain."""
    if offer.held:
        return say("a security fix is missing because the package is on hold")
    # The preferred release's own version comes first, with 990 against 500: apt_preferences(5).
    if _prefers_another(apt) and any(apt.default_release == other.suite for other in apt.others):
        return say(
            "a security fix is missing because apt prefers the release {release}", release=apt.default_release
        )
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


def _rest(
    apt: AptFacts, usable: list[Pocket], defects: list[_Defect], options: Limits, *, ended: bool
) -> Outcome:
    """Speak of all packages that no fix waits for; stale or missing lists can say nothing of them."""
    expected = no_fix_waits(options)
    if defects:
        worst = next((defect for defect in defects if defect.reason is Reason.STALE_SOURCE), defects[0])
        return not_known(WHOLE, worst.reason, expected, detail=worst.summary.english())
    if not usable:
        return not_known(WHOLE, Reason.NO_SOURCE, expected, detail="no security pocket was compared")
    if apt.installed == 0:
        return not_known(WHOLE, Reason.NO_OBSERVATION, expected, detail="no installed package was seen")
    if ended:
        # What a subscription would offer is not in these lists.
        return not_known(WHOLE, Reason.NO_SOURCE, expected, detail="no more fixes are made for this release")
    waiting = {(offer.name, offer.arch) for offer in apt.offers if offer.newer is not False}
    elsewhere = {(offer.name, offer.arch) for offer in apt.foreign} - waiting
    unjudged = len(elsewhere) + apt.backported
    return Outcome(
        subject=WHOLE,
        result=Result.PASS,
        summary=say(
            "no fix waits for {count} of {installed} packages",
            count=max(apt.installed - len(waiting) - unjudged, 0),
            installed=apt.installed,
        ),
        expected=expected,
        actual=say(
            "{installed} packages were compared with {stanzas} in the security pockets; {waiting} fixes wait;"
            " {unjudged} packages of other sources are not judged",
            installed=apt.installed,
            stanzas=sum(pocket.stanzas for pocket in usable),
            waiting=len(waiting),
            unjudged=unjudged,
        ),
    )


def _waiting(offer: Offer) -> str:
    return f"pending:{offer.name}:{offer.arch}={offer.installed}"


def _package(name: str, arch: str, apt: AptFacts) -> Subject:
    """Name a package as dpkg does: with the architecture only where it is not the system's own."""
    return Subject(kind="package", name=name if arch in (apt.native, "all") else f"{name}:{arch}")
