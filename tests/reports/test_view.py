"""What the report shows follows from the sealed documents alone, and its sums are whole."""

from datetime import UTC, datetime, timedelta

import pytest

from checks.engine import Rule
from checks.model import Finding, Result, Subject, Target
from checks.text import say
from collectors.evidence import (
    Clocks,
    HostKey,
    Reason,
    Section,
    SectionState,
    Status,
    TargetEvidence,
    TargetKind,
    Visit,
)
from config.model import PromiseSource
from reports.documents import (
    Catalogue,
    CataloguedPromise,
    CataloguedSafeguard,
    Engine,
    Plan,
    encode,
    encode_verdicts,
)
from reports.view import Population, ReportView, TargetView, build_view, summarise, view_of

NOW = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
PLAN = Plan(
    run=1,
    site="acme",
    site_name="Acme",
    slot=None,
    next_slot=NOW,
    as_of=NOW,
    timezone="Asia/Tokyo",
    languages=("en",),
    targets=(
        Target(target="web-01", kind=TargetKind.HOST),
        Target(target="roster", kind=TargetKind.ROSTER),
    ),
    safeguards=(),
    probe_sha256="",
    engine=Engine(name="tenken", version="0", rules_api=1),
    log_size=0,
)


def safeguard(name: str) -> CataloguedSafeguard:
    return CataloguedSafeguard(
        id=name,
        version=1,
        sha256="",
        kind="host",
        severity="high",
        controls=(),
        title=name,
        looks_at="",
        matters="",
        to_do="",
    )


RULES = Catalogue(
    promises=tuple(
        CataloguedPromise(
            id=name, text=name, source=PromiseSource(document="d"), decided_by="", decided_on=None
        )
        for name in ("zeta", "alpha")
    ),
    rules=(
        Rule(
            promise="zeta", safeguard="s", options={"keep": "365d", "most": 4, "names": ["a"], "none": None}
        ),
        Rule(promise="alpha", safeguard="t", options={}),
        Rule(promise="alpha", safeguard="s", options={}),
    ),
    safeguards=(safeguard("s"), safeguard("t")),
)


def finding(promise: str, name: str, result: Result, subject: str = "x") -> Finding:
    return Finding(
        promise=promise,
        safeguard=name,
        target="web-01",
        subject=Subject(kind="k", name=subject),
        result=result,
        reason=Reason.DENIED if result is Result.UNKNOWN else None,
        summary=say("s"),
        expected=say("e"),
        actual=say("a"),
        advice=(),
        evidence=(),
    )


FINDINGS = (
    finding("zeta", "s", Result.PASS),
    finding("zeta", "s", Result.WARN, "w"),
    finding("zeta", "s", Result.FAIL, "f"),
    finding("zeta", "s", Result.NOT_APPLICABLE, "n"),
    finding("alpha", "t", Result.PASS),
    finding("alpha", "s", Result.UNKNOWN, "u"),
)


def target(name: str, status: Status, kind: TargetKind = TargetKind.HOST) -> TargetView:
    return TargetView(
        target=name,
        kind=kind,
        status=status,
        reason=None,
        detail="",
        privilege="",
        uid=None,
        host_key="",
        clock_offset_s=None,
        sections=0,
    )


def view(*targets: TargetView) -> ReportView:
    return build_view(PLAN, RULES, FINDINGS, targets or (target("web-01", Status.COLLECTED),), "root")


def test_promises_stand_in_the_companys_order_with_their_safeguards():
    shown = view()
    assert [each.promise.id for each in shown.promises] == ["zeta", "alpha"]
    assert [[group.safeguard.id for group in each.groups] for each in shown.promises] == [["s"], ["t", "s"]]
    assert [each.promise.id for each in shown.broken] == ["zeta"]
    assert [each.promise.id for each in shown.unmeasured] == ["alpha"]
    assert shown.kept == ()


def test_the_worst_findings_come_first_and_the_quiet_ones_are_counted():
    zeta, alpha = view().promises
    assert [each.result for each in zeta.groups[0].findings] == [Result.FAIL, Result.WARN]
    assert zeta.groups[0].passed == 2
    assert [len(group.findings) for group in alpha.groups] == [0, 1]
    assert zeta.outcome.counts[Result.FAIL] == 1


def test_every_number_in_force_is_shown_as_it_was_written():
    zeta, alpha = view().promises
    assert [(number.name, number.value) for number in zeta.numbers] == [
        ("keep", "365d"),
        ("most", "4"),
        ("names", '["a"]'),
    ]
    assert alpha.numbers == ()


def test_the_population_is_the_sum_of_its_parts():
    shown = view(
        target("a", Status.COLLECTED),
        target("b", Status.PARTIAL),
        target("c", Status.UNREACHABLE),
        target("d", Status.REFUSED),
        target("e", Status.EXCLUDED),
        target("roster", Status.COLLECTED, TargetKind.ROSTER),
        target("a-mail", Status.UNREACHABLE, TargetKind.MAIL),
    )
    assert shown.population == Population(inventory=5, reached=1, partly=1, unreached=2, excluded=1)
    assert [each.target for each in shown.targets] == ["a", "b", "c", "d", "e", "a-mail", "roster"]


@pytest.mark.parametrize(
    ("shift_s", "offset"),
    [
        (None, None),
        (0, 0),
        (2, 0),  # within the visit
        (-1, 0),  # the host's clock counts whole seconds
        (-2, -2),
        (5, 0),
        (6, 0),
        (7, 2),
        (-3_600, -3_600),
        (86_400, 86_395),
    ],
)
def test_a_clock_agrees_when_it_lies_within_the_visit(shift_s: int | None, offset: int | None):
    clocks = Clocks(
        sent=NOW,
        received=NOW + timedelta(seconds=5),
        host=None if shift_s is None else NOW + timedelta(seconds=shift_s),
    )
    assert summarise(evidence(clocks)).clock_offset_s == offset


def evidence(clocks: Clocks | None = None) -> TargetEvidence:
    return TargetEvidence(
        run=1,
        plan="",
        target="web-01",
        kind=TargetKind.HOST,
        salt="",
        status=Status.COLLECTED,
        visit=Visit(
            transport="ssh",
            privilege="sudo",
            uid=0,
            host_key=HostKey(type="ssh-ed25519", fingerprint="SHA256:abc", trusted_by="known_hosts"),
            clocks=clocks,
        ),
        sections=(Section(name="platform", state=SectionState.ENDED, exit=0),),
    )


def test_a_visit_is_summed_up():
    seen = summarise(evidence())
    assert (seen.uid, seen.privilege, seen.host_key, seen.sections, seen.clock_offset_s) == (
        0,
        "sudo",
        "ssh-ed25519 SHA256:abc",
        1,
        None,
    )


def test_a_sealed_bundle_gives_the_same_view_as_its_run():
    roster = TargetEvidence(
        run=1, plan="", target="roster", kind=TargetKind.ROSTER, salt="", status=Status.COLLECTED
    )
    members = {
        "plan.json": encode(PLAN),
        "rules/catalogue.json": encode(RULES),
        "verdicts.jsonl": encode_verdicts(FINDINGS),
        "evidence/web-01.json": encode(evidence()),
        "evidence/roster.json": encode(roster),
    }
    visits = (summarise(roster), summarise(evidence()))
    assert view_of(members, "root") == build_view(PLAN, RULES, FINDINGS, visits, "root")


@pytest.mark.parametrize("name", ["plan.json", "evidence/roster.json", "verdicts.jsonl"])
def test_a_missing_member_is_no_shorter_report(name: str):
    members = {
        "plan.json": encode(PLAN),
        "rules/catalogue.json": encode(RULES),
        "verdicts.jsonl": encode_verdicts(FINDINGS),
        "evidence/web-01.json": encode(evidence()),
        "evidence/roster.json": encode(evidence()),
    }
    del members[name]
    with pytest.raises(KeyError):
        view_of(members, "root")
