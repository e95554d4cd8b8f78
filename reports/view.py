"""What a report shows, worked out once from the sealed documents, for every format."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeVar

import msgspec
from msgspec import Struct

from checks.model import Finding, Result
from checks.verdicts import PromiseResult, by_promise, exit_status
from collectors.evidence import Reason, Status, TargetEvidence, TargetKind
from reports.documents import (
    Catalogue,
    CataloguedPromise,
    CataloguedSafeguard,
    Plan,
    decode,
    decode_verdicts,
)


class Number(Struct, frozen=True, kw_only=True):
    """One setting a promise was turned into."""

    safeguard: str
    name: str
    value: str


class PromiseView(Struct, frozen=True, kw_only=True):
    """One promise: the sentence, its numbers, and what became of it."""

    promise: CataloguedPromise
    numbers: tuple[Number, ...]
    outcome: PromiseResult
    groups: "tuple[SafeguardView, ...]"


class SafeguardView(Struct, frozen=True, kw_only=True):
    """The findings of one safeguard under one promise, worst first."""

    safeguard: CataloguedSafeguard
    findings: tuple[Finding, ...]
    passed: int
    """passing and not applicable findings, which the page only counts"""


class TargetView(Struct, frozen=True, kw_only=True):
    """One target and how the visit ended."""

    target: str
    kind: TargetKind
    status: Status
    reason: Reason | None
    detail: str
    privilege: str
    uid: int | None
    host_key: str
    clock_offset_s: int | None
    """host's clock minus ours, in whole seconds, when it is outside the round trip; 0 inside it"""
    sections: int


class Population(Struct, frozen=True, kw_only=True):
    """reached + partly + unreached + excluded = inventory."""

    inventory: int
    reached: int
    partly: int
    unreached: int
    excluded: int


class ReportView(Struct, frozen=True, kw_only=True):
    """The whole report."""

    plan: Plan
    promises: tuple[PromiseView, ...]
    targets: tuple[TargetView, ...]
    population: Population
    evidence_root: str
    exit_status: int
    timed: bool = False
    """whether an outside authority stamped the plan"""

    @property
    def complete(self) -> bool:
        """Whether everything that was planned could be measured."""
        return self.exit_status != 3  # noqa: PLR2004 (design: 3 is incomplete)

    @property
    def kept(self) -> tuple[PromiseView, ...]:
        """Promises whose worst result is a pass or a remark."""
        return tuple(view for view in self.promises if view.outcome.result in (Result.PASS, Result.WARN))

    @property
    def broken(self) -> tuple[PromiseView, ...]:
        """Promises that some finding fails."""
        return tuple(view for view in self.promises if view.outcome.result is Result.FAIL)

    @property
    def unmeasured(self) -> tuple[PromiseView, ...]:
        """Promises that could not be measured."""
        return tuple(view for view in self.promises if view.outcome.result is Result.UNKNOWN)


def summarise(evidence: TargetEvidence) -> TargetView:
    """Reduce one target's evidence to what the report says of it."""
    visit = evidence.visit
    return TargetView(
        target=evidence.target,
        kind=evidence.kind,
        status=evidence.status,
        reason=evidence.reason,
        detail=evidence.detail,
        privilege=visit.privilege if visit else "",
        uid=visit.uid if visit else None,
        host_key=f"{visit.host_key.type} {visit.host_key.fingerprint}" if visit and visit.host_key else "",
        clock_offset_s=_offset(evidence),
        sections=len(evidence.sections),
    )


def build_view(
    plan: Plan,
    rules: Catalogue,
    findings: Iterable[Finding],
    targets: Iterable[TargetView],
    evidence_root: str,
    *,
    timed: bool = False,
) -> ReportView:
    """Join plan, rules, findings and targets into a report."""
    everything = tuple(findings)
    outcomes = {
        outcome.promise: outcome for outcome in by_promise((each.id for each in rules.promises), everything)
    }
    grouped: dict[tuple[str, str], list[Finding]] = {}
    for finding in everything:
        grouped.setdefault((finding.promise, finding.safeguard), []).append(finding)
    safeguards = {each.id: each for each in rules.safeguards}
    visited = tuple(sorted(targets, key=lambda view: (view.kind is not TargetKind.HOST, view.target)))
    statuses = [view.status for view in visited]
    return ReportView(
        plan=plan,
        promises=tuple(
            PromiseView(
                promise=promise,
                numbers=tuple(
                    Number(safeguard=rule.safeguard, name=name, value=_spell(value))
                    for rule in rules.rules
                    if rule.promise == promise.id
                    for name, value in sorted(rule.options.items())
                    if value is not None
                ),
                outcome=outcomes[promise.id],
                groups=tuple(
                    _group(safeguards[rule.safeguard], grouped.get((promise.id, rule.safeguard), []))
                    for rule in rules.rules
                    if rule.promise == promise.id
                ),
            )
            for promise in rules.promises
        ),
        targets=visited,
        population=_population([view for view in visited if view.kind is TargetKind.HOST]),
        evidence_root=evidence_root,
        exit_status=exit_status(
            tuple(outcomes.values()), statuses, checks=len(rules.rules), limited=bool(plan.limit)
        ),
        timed=timed,
    )


D = TypeVar("D", Plan, Catalogue)


def view_of(members: Mapping[str, bytes], evidence_root: str) -> ReportView:
    """Build the report of a sealed bundle from its members."""
    plan = decode(members["plan.json"], Plan)
    return build_view(
        plan,
        decode(members["rules/catalogue.json"], Catalogue),
        decode_verdicts(members["verdicts.jsonl"]),
        (
            summarise(decode(members[f"evidence/{target.target}.json"], TargetEvidence))
            for target in plan.targets
        ),
        evidence_root,
    )


def _group(safeguard: CataloguedSafeguard, findings: list[Finding]) -> SafeguardView:
    quiet = (Result.PASS, Result.NOT_APPLICABLE)
    loud = [finding for finding in findings if finding.result not in quiet]
    return SafeguardView(
        safeguard=safeguard,
        findings=tuple(sorted(loud, key=lambda finding: finding.result.rank)),
        passed=len(findings) - len(loud),
    )


def _population(hosts: list[TargetView]) -> Population:
    reached = sum(view.status is Status.COLLECTED for view in hosts)
    partly = sum(view.status is Status.PARTIAL for view in hosts)
    excluded = sum(view.status is Status.EXCLUDED for view in hosts)
    return Population(
        inventory=len(hosts),
        reached=reached,
        partly=partly,
        unreached=len(hosts) - reached - partly - excluded,
        excluded=excluded,
    )


def _offset(evidence: TargetEvidence) -> int | None:
    clocks = evidence.visit.clocks if evidence.visit else None
    if clocks is None or clocks.host is None:
        return None
    return _outside(clocks.host, clocks.sent, clocks.received)


def _outside(host: datetime, sent: datetime, received: datetime) -> int:
    """Seconds by which the host's clock lies outside the visit; its own grain is a second."""
    before = int((host - sent).total_seconds())
    after = int((host - received).total_seconds())
    if before < -1:
        return before
    return after if after > 1 else 0


def _spell(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
