"""Judge a whole run and put the findings into their one order."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from checks.catalogue import Entry
from checks.engine import Case, Rule, judge_target, worst
from checks.model import Finding, Result, Subject, not_known
from checks.text import say
from collectors.evidence import Reason, Status


class PromiseResult(Struct, frozen=True, kw_only=True):
    """What became of one promise."""

    promise: str
    result: Result
    counts: dict[Result, int]
    obsolete: bool
    """some finding carries advice: kept or not, the measure itself is out of date"""


def sort_key(finding: Finding) -> tuple[str, ...]:
    """The order of verdicts.jsonl: promise, safeguard, target, subject, then all words, so that none ties."""
    return (
        finding.promise,
        finding.safeguard,
        finding.target,
        finding.subject.kind,
        finding.subject.name,
        finding.result.value,
        finding.summary.english(),
        finding.expected.english(),
        finding.actual.english(),
        *finding.evidence,
    )


def judge_all(
    cases: Iterable[Case], rules: tuple[Rule, ...], entries: Mapping[str, Entry]
) -> tuple[Finding, ...]:
    """Judge every case; the order of the cases does not matter."""
    return settle((finding for case in cases for finding in judge_target(case, rules, entries)), rules)


def settle(findings: Iterable[Finding], rules: Iterable[Rule]) -> tuple[Finding, ...]:
    """Sort the findings of all targets, and say of each rule that no target answered that it is unknown.

    Else a promise that rests on two safeguards would be kept although one of them looked at nothing.
    """
    found = list(findings)
    spoken = {(finding.promise, finding.safeguard) for finding in found}
    silent = [rule for rule in rules if (rule.promise, rule.safeguard) not in spoken]
    return tuple(sorted([*found, *map(_nobody, silent)], key=sort_key))


def _nobody(rule: Rule) -> Finding:
    wanted = say("at least one target is inspected")
    nothing = not_known(Subject(kind="inventory", name=""), Reason.NO_OBSERVATION, wanted, detail="no target")
    return Finding(
        promise=rule.promise,
        safeguard=rule.safeguard,
        target="inventory",
        subject=nothing.subject,
        result=nothing.result,
        reason=nothing.reason,
        summary=nothing.summary,
        expected=nothing.expected,
        actual=nothing.actual,
        advice=(),
        evidence=(),
    )


def by_promise(promises: Iterable[str], findings: Iterable[Finding]) -> tuple[PromiseResult, ...]:
    """Roll findings up; a promise nothing spoke about could not be measured."""
    grouped: dict[str, list[Finding]] = {promise: [] for promise in promises}
    for finding in findings:
        grouped[finding.promise].append(finding)
    return tuple(
        PromiseResult(
            promise=promise,
            result=_roll_up([finding.result for finding in group]),
            counts={result: sum(finding.result is result for finding in group) for result in Result},
            obsolete=any(finding.advice for finding in group),
        )
        for promise, group in grouped.items()
    )


def _roll_up(results: list[Result]) -> Result:
    """Take the worst; a promise about which every answer was "not applicable" was not observed."""
    result = worst(results)
    return Result.UNKNOWN if result in (None, Result.NOT_APPLICABLE) else result


def exit_status(
    promises: Sequence[PromiseResult], statuses: Iterable[Status], *, checks: int, limited: bool = False
) -> int:
    """Return 3 when anything could not be measured, 1 when anything failed, else 0 (design: exit codes).

    No target, no promise and no check is an incomplete run, never a clean one; so is one that was
    limited to a part of the inventory.
    """
    results = {result for promise in promises for result, count in promise.counts.items() if count}
    results |= {promise.result for promise in promises}
    reached = list(statuses)
    incomplete = (
        limited
        or not results
        or not reached
        or checks == 0
        or Result.UNKNOWN in results
        or any(status not in (Status.COLLECTED, Status.EXCLUDED) for status in reached)
        or all(status is Status.EXCLUDED for status in reached)
    )
    if incomplete:
        return 3
    return 1 if Result.FAIL in results else 0
