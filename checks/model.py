"""The words of judging: results, findings, settings, and the mark that makes a function a check."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from checks.support import Platform, Support
from checks.text import Text, say
from collectors.evidence import Reason, TargetKind
from config.model import AccessLog, DataStore, Post, ServiceAccount


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a safeguard's settings: the numbers a promise was turned into."""


class Result(StrEnum):
    """Outcome of judging one subject (XCCDF 1.2 calls the same pass, fail, unknown, notapplicable)."""

    FAIL = "fail"
    UNKNOWN = "unknown"
    WARN = "warn"
    PASS = "pass"
    NOT_APPLICABLE = "not_applicable"

    @property
    def rank(self) -> int:
        """0 is the worst; the worst wins."""
        return list(Result).index(self)


class Severity(StrEnum):
    """How much it matters when the safeguard does not hold."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Sealed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what goes into the bundle."""


class Advice(Sealed, frozen=True, kw_only=True):
    """Why a kept promise is obsolete, and who says so."""

    text: Text
    source: str


class Subject(Sealed, frozen=True, kw_only=True):
    """What a finding is about: an account, a log family, a package, a message."""

    kind: str
    name: str


class Outcome(Sealed, frozen=True, kw_only=True):
    """What a check says of one subject; the engine adds promise, safeguard and target."""

    subject: Subject
    result: Result
    summary: Text
    expected: Text
    actual: Text
    reason: Reason | None = None
    """only with `unknown`: why"""
    advice: tuple[Advice, ...] = ()
    evidence: tuple[str, ...] = ()
    """`TARGET#SECTION` references; the engine fills in the facts the check was given"""
    also: tuple[str, ...] = ()
    """references to other targets, beside those facts"""

    def __post_init__(self) -> None:
        if (self.result is Result.UNKNOWN) != (self.reason is not None):
            message = "an unknown has a reason, and nothing else has one"
            raise ValueError(message)


class Finding(Sealed, frozen=True, kw_only=True):
    """One judged statement: a line of verdicts.jsonl."""

    promise: str
    safeguard: str
    target: str
    subject: Subject
    result: Result
    reason: Reason | None
    summary: Text
    expected: Text
    actual: Text
    advice: tuple[Advice, ...]
    evidence: tuple[str, ...]


class Clock(Struct, frozen=True, kw_only=True):
    """The run's one clock value and the zone in which the company counts days."""

    as_of: datetime
    zone: str

    @property
    def tz(self) -> ZoneInfo:
        """The organisation's time zone."""
        return ZoneInfo(self.zone)

    @property
    def today(self) -> date:
        """The organisation's calendar day."""
        return self.as_of.astimezone(self.tz).date()

    def end_of(self, day: date) -> datetime:
        """Return the first instant after `day` in the organisation's zone, in UTC."""
        following = day + timedelta(days=1)
        midnight = datetime(following.year, following.month, following.day, tzinfo=self.tz)
        return midnight.astimezone(ZoneInfo("UTC"))


class Target(Sealed, frozen=True, kw_only=True):
    """What was declared about a target; stands in plan.json."""

    target: str
    kind: TargetKind
    privilege: str = ""
    audit_user: str = ""
    """the account we log in with ourselves"""
    accounts: tuple[ServiceAccount, ...] = ()
    """service accounts declared for this target"""
    posts: tuple[Post, ...] = ()
    """what posts of the company need, for people who moved"""
    stores: tuple[DataStore, ...] = ()
    """stores of personal data declared for this target"""
    logs: tuple[AccessLog, ...] = ()
    """application logs declared for this target"""
    own_domains: tuple[str, ...] = ()
    """mail: recipients elsewhere are outside"""
    excluded: str = ""


class Sighting(Sealed, frozen=True, kw_only=True):
    """When the auditor saw a state for the first and for the last time."""

    first: datetime
    last: datetime
    unseen: datetime | None = None
    """the last look before `first`, which did not see it; None when there was none"""


class History(Sealed, frozen=True, kw_only=True):
    """What earlier runs saw of one target: `evidence/TARGET.history.json`."""

    v: int = 1
    target: str = ""
    run: int | None = None
    """the run that is remembered; None on the first visit"""
    as_of: datetime | None = None
    """that run's clock value"""
    seen: dict[str, Sighting] = {}
    """`SAFEGUARD:KEY` of each watched state"""
    looked: dict[str, datetime] = {}
    """when each safeguard's states were last looked at; earlier than `as_of` when later runs could not"""

    def looked_at(self, safeguard: str) -> datetime | None:
        """When an earlier run could last tell which of the safeguard's states are there."""
        return self.looked.get(safeguard, self.as_of)

    @staticmethod
    def key(safeguard: str, name: str) -> str:
        """The key of a watched state: plain ASCII, since names may come from hosts and keys are sealed."""
        return f"{safeguard}:{name}".encode("ascii", "backslashreplace").decode("ascii")

    def since(self, safeguard: str, key: str) -> datetime | None:
        """When the state was first seen, if every look since then has seen it."""
        sighting = self.seen.get(self.key(safeguard, key))
        if sighting is None or sighting.last != self.looked_at(safeguard):
            return None
        return sighting.first

    def unseen_at(self, safeguard: str, key: str) -> datetime | None:
        """When an earlier run last looked and the state, there now without a break, was not yet there."""
        sighting = self.seen.get(self.key(safeguard, key))
        return sighting.unseen if sighting and self.since(safeguard, key) else None

    @staticmethod
    def reading(what: str, value: str) -> str:
        """Name a value that replaces the earlier one of the same thing; `value` holds no `=`."""
        return f"@{what}={value}"

    def readings(self, safeguard: str) -> dict[str, str]:
        """What a safeguard read last, by thing."""
        mark = self.key(safeguard, "@")
        found = (key.removeprefix(mark).rpartition("=") for key in self.seen if key.startswith(mark))
        return {what: value for what, equals, value in found if equals}

    def last_seen(self, safeguard: str, key: str) -> datetime | None:
        """When the state was last seen, also when it is gone since."""
        sighting = self.seen.get(self.key(safeguard, key))
        return sighting.last if sighting else None


Judge = Callable[..., Iterable[Outcome]]
Watch = Callable[..., Iterable[str]]


class Check(Struct, frozen=True, kw_only=True):
    """A safeguard that can be judged."""

    id: str
    kind: TargetKind
    severity: Severity
    controls: tuple[str, ...]
    judge: Judge
    watch: Watch | None
    """names the states whose age only history can tell"""
    version: int
    apart: Mapping[str, Watch] = {}
    """watchers with facts of their own: what one cannot tell leaves the others' states as they were"""
    platforms: Mapping[Platform, Support] = {}
    """what the results on each kind of host rest on; becomes docs/platforms.md"""

    @property
    def watches(self) -> dict[str, Watch]:
        """Every watcher by the name that history is asked with: `ID`, or `ID/NAME` for one apart."""
        named = {f"{self.id}/{name}": watch for name, watch in self.apart.items()}
        return named if self.watch is None else {self.id: self.watch, **named}


J = TypeVar("J", bound=Judge)


def check(
    id: str,  # noqa: A002 (the word of the field)
    *,
    kind: TargetKind,
    severity: Severity,
    controls: tuple[str, ...],
    watch: Watch | None = None,
    apart: Mapping[str, Watch] | None = None,
    platforms: Mapping[Platform, Support] | None = None,
    version: int = 1,
) -> Callable[[J], J]:
    """Mark a function as the judge of a safeguard.

    Its parameters are filled by their annotation: a `Facts` type is what it needs (without it the
    engine answers unknown and does not call), `Fact[X]` may be Known or Unknown, an `Options` type
    gets the promise's numbers; `Clock`, `Target`, `History` and `Fleet` are given as they are.
    `watch` gets Facts by the same rule and yields the keys of states that are there now; watchers `apart`
    each look by themselves. `platforms` says of each kind of host what the results there rest on; what is
    not said is unknown.
    """

    def mark(judge: J) -> J:
        judge.__tenken_check__ = Check(  # type: ignore[attr-defined]
            id=id,
            kind=kind,
            severity=severity,
            controls=controls,
            judge=judge,
            watch=watch,
            version=version,
            apart=apart or {},
            platforms=platforms or {},
        )
        return judge

    return mark


def not_known(subject: Subject, reason: Reason, expected: Text, *, detail: str = "", **more: Any) -> Outcome:
    """Return the unknown outcome of one subject."""
    return Outcome(
        subject=subject,
        result=Result.UNKNOWN,
        reason=reason,
        summary=say("could not be measured: {reason}", reason=reason.value),
        expected=expected,
        actual=say("not known: {detail}", detail=detail or reason.value),
        **more,
    )
