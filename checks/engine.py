"""Judge one target against the promises, and remember what only time can tell.

A pure function of its arguments: judging a stored bundle again gives the same findings.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Struct

from checks.catalogue import Entry, fact_of, parameters
from checks.fleet import GAP, Fleet, Fold
from checks.model import (
    Clock,
    Finding,
    History,
    Options,
    Outcome,
    Result,
    Sealed,
    Sighting,
    Subject,
    Target,
    Watch,
    not_known,
)
from checks.text import say
from collectors.evidence import Reason, Status, TargetEvidence, TargetKind
from collectors.facts import Known, Probe, Unknown, read_fact
from collectors.probes.keys import PROBE as KEYS
from config.codec import dec_hook

FORGET_AFTER = timedelta(days=800)
"""a state not seen for this long is dropped from the history"""
WHOLE = Subject(kind="target", name="")
"""the subject of a statement about the target as a whole"""


class Rule(Sealed, frozen=True, kw_only=True):
    """A promise's claim on one safeguard, with the numbers in force."""

    promise: str
    safeguard: str
    options: dict[str, Any]


class Case(Struct, frozen=True, kw_only=True):
    """Everything that is known about one target when it is judged."""

    target: Target
    evidence: TargetEvidence
    sources: Mapping[str, TargetEvidence]
    """evidence of the sources, by the name of the probe that reads them"""
    history: History
    clock: Clock
    fleet: Fleet | None = None
    """what all targets of the run say of each other; a target without one is judged as a fleet of its own"""


def judge_target(case: Case, rules: Iterable[Rule], entries: Mapping[str, Entry]) -> Iterator[Finding]:
    """Judge every rule whose safeguard looks at this kind of target.

    Facts that a check needs and that are not known make one unknown finding per reason; a check that
    says nothing makes one too. A fault inside a check is unknown(internal) for this target alone.
    A target that was declared as left out is not judged: it stays in the population, with its reason.
    """
    if case.evidence.status is Status.EXCLUDED:
        return
    facts = _Facts(case)
    for rule in rules:
        entry = entries[rule.safeguard]
        if entry.check.kind is not case.target.kind:
            continue
        outcomes = _outcomes(rule, entry, case, facts)
        cited = tuple(sorted({facts.reference(probe) for probe in entry.probes}))
        for outcome in outcomes:
            yield Finding(
                promise=rule.promise,
                safeguard=rule.safeguard,
                target=case.target.target,
                subject=outcome.subject,
                result=outcome.result,
                reason=outcome.reason,
                summary=outcome.summary,
                expected=outcome.expected,
                actual=outcome.actual,
                advice=outcome.advice,
                evidence=outcome.evidence or tuple(sorted({*cited, *outcome.also})),
            )


def remember(case: Case, run: int, entries: Iterable[Entry]) -> History:
    """Fold what this run saw into the history that the next run is given.

    A safeguard whose facts are not known, or that no promise names in this run, keeps its sightings as
    they were: not looking is neither seeing nor vanishing.
    """
    facts = _Facts(case)
    now = case.clock.as_of
    earlier = case.history
    seen = {key: sighting for key, sighting in earlier.seen.items() if now - sighting.last < FORGET_AFTER}
    # A history written by hand or before `looked` existed counts as looked at throughout.
    looked = {key.partition(":")[0]: earlier.as_of for key in seen if earlier.as_of} | earlier.looked
    looked = {safeguard: when for safeguard, when in looked.items() if now - when < FORGET_AFTER}
    for entry, safeguard, watch in (
        (one, name, watch) for one in entries for name, watch in one.check.watches.items()
    ):
        names = _watched(watch, entry, case, facts)
        if names is None:
            continue
        # A reading is a present value, not a state with an age: only the latest is kept.
        mark = earlier.key(safeguard, "@")
        seen = {key: sighting for key, sighting in seen.items() if not key.startswith(mark)}
        for name in names:
            key = earlier.key(safeguard, name)
            first = earlier.since(safeguard, name) if key in seen else None
            seen[key] = Sighting(
                first=first or now,
                last=now,
                unseen=earlier.unseen_at(safeguard, name) if first else looked.get(safeguard),
            )
        looked[safeguard] = now
    return History(
        target=case.target.target,
        run=run,
        as_of=now,
        seen=dict(sorted(seen.items())),
        looked=dict(sorted(looked.items())),
    )


def _watched(watch: Watch, entry: Entry, case: Case, facts: "_Facts") -> frozenset[str] | None:
    """Name the states that are there now; None when that cannot be told."""
    if entry.check.kind is not case.target.kind:
        return None
    arguments, missing = _arguments(watch, entry, case, facts, {})
    if missing:
        return None
    try:
        return frozenset(watch(**arguments))
    except Exception:  # noqa: BLE001 (its judge fails as well and says so; this run's look is void)
        return None


class _Facts:
    """Parse each section once, however many checks ask."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._read: dict[str, Known[Any] | Unknown] = {}

    def get(self, probe: Probe[Any]) -> Known[Any] | Unknown:
        if probe.name not in self._read:
            evidence = self._evidence(probe)
            self._read[probe.name] = (
                read_fact(probe, evidence)
                if evidence is not None
                else Unknown(reason=Reason.NO_SOURCE, evidence=probe.name, detail="not declared")
            )
        return self._read[probe.name]

    def reference(self, probe: Probe[Any]) -> str:
        evidence = self._evidence(probe)
        return f"{evidence.target if evidence else probe.name}#{probe.name}"

    def _evidence(self, probe: Probe[Any]) -> TargetEvidence | None:
        if probe.kind is self._case.target.kind:
            return self._case.evidence
        return self._case.sources.get(probe.name)


def _outcomes(rule: Rule, entry: Entry, case: Case, facts: _Facts) -> tuple[Outcome, ...]:
    wanted = say("{title}", title=entry.page.title)
    arguments, missing = _arguments(entry.check.judge, entry, case, facts, rule.options)
    if missing:
        # One reason, such as a host that is down, is one finding however many facts it took away.
        causes: dict[tuple[Reason, str], list[str]] = {}
        for fact in missing:
            detail = (
                f"{fact.detail or fact.reason.value}; {GAP}"
                if _leaves_gap(entry, case, facts)
                else fact.detail
            )
            causes.setdefault((fact.reason, detail), []).append(fact.evidence)
        return tuple(
            not_known(WHOLE, reason, wanted, detail=detail, evidence=tuple(sorted(cited)))
            for (reason, detail), cited in causes.items()
        )
    try:
        outcomes = tuple(entry.check.judge(**arguments))
    except Exception as fault:  # noqa: BLE001 (one target's oddity must not hide the others)
        return (not_known(WHOLE, Reason.INTERNAL, wanted, detail=type(fault).__name__),)
    return outcomes or (not_known(WHOLE, Reason.NO_OBSERVATION, wanted),)


def _arguments(
    judge: Any, entry: Entry, case: Case, facts: _Facts, settings: dict[str, Any]
) -> tuple[dict[str, Any], list[Unknown]]:
    arguments: dict[str, Any] = {}
    missing: list[Unknown] = []
    for name, annotation in parameters(judge).items():
        wanted = fact_of(annotation)
        if wanted:
            kind, needed = wanted
            probe = next(probe for probe in entry.probes if probe.facts is kind)
            fact = facts.get(probe)
            if not needed:
                arguments[name] = fact
            elif isinstance(fact, Unknown):
                missing.append(fact)
            else:
                arguments[name] = fact.value
        elif annotation is Clock:
            arguments[name] = case.clock
        elif annotation is Target:
            arguments[name] = case.target
        elif annotation is History:
            arguments[name] = case.history
        elif annotation is Fleet:
            arguments[name] = case.fleet or _alone(case)
        elif isinstance(annotation, type) and issubclass(annotation, Options):
            arguments[name] = msgspec.convert(settings, annotation, dec_hook=dec_hook)
        else:
            message = f"{entry.check.id}: nothing is known that fills {name}: {annotation!r}"
            raise TypeError(message)
    return arguments, missing


def needs_fleet(rules: Iterable[Rule], entries: Mapping[str, Entry]) -> bool:
    """Whether a rule looks at what other targets say."""
    return any(entries[rule.safeguard].needs_fleet for rule in rules)


def _leaves_gap(entry: Entry, case: Case, facts: _Facts) -> bool:
    """Whether the verdicts of other hosts lack what this one would have told."""
    several = case.fleet is not None and case.fleet.hosts > 1
    return entry.needs_fleet and several and isinstance(facts.get(KEYS), Unknown)


def _alone(case: Case) -> Fleet:
    fold = Fold.over(case.sources.get(TargetKind.ROSTER.value))
    fold.add(case.evidence, case.history)
    return fold.fleet()


def worst(results: Iterable[Result]) -> Result | None:
    """The result that wins, or None when there is none."""
    return min(results, key=lambda result: result.rank, default=None)
