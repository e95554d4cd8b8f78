"""A whole run: one order of findings, the worst wins, and nothing observed is never kept."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from checks.engine import Rule
from checks.model import Advice, Finding, Result, Subject
from checks.text import say
from checks.verdicts import PromiseResult, by_promise, exit_status, settle
from collectors.evidence import Reason, Status, TargetEvidence, TargetKind
from collectors.framing import parse_stream
from collectors.registry import all_probes
from collectors.script import ENVIRONMENT, Parameters, compose
from reports.documents import encode

ROOT = Path(__file__).resolve().parent.parent.parent
F, U, W, P, N = Result.FAIL, Result.UNKNOWN, Result.WARN, Result.PASS, Result.NOT_APPLICABLE
COLLECTED, PARTIAL, EXCLUDED = Status.COLLECTED, Status.PARTIAL, Status.EXCLUDED


def finding(
    result: Result,
    *,
    promise: str = "p",
    safeguard: str = "s",
    target: str = "h",
    actual: str = "",
    advice: tuple[Advice, ...] = (),
) -> Finding:
    return Finding(
        promise=promise,
        safeguard=safeguard,
        target=target,
        subject=Subject(kind="account", name="x"),
        result=result,
        reason=Reason.DENIED if result is U else None,
        summary=say("same words"),
        expected=say("same"),
        actual=say("{actual}", actual=actual),
        advice=advice,
        evidence=(),
    )


def rolled(*results: Result) -> PromiseResult:
    (one,) = by_promise(["p"], [finding(result) for result in results])
    return one


@pytest.mark.parametrize(
    ("results", "worst"),
    [
        ([P], P),
        ([P, N], P),
        ([P, W, N], W),
        ([P, W, U], U),
        ([P, W, U, F], F),
        ([N], U),
        ([N, N], U),
        ([], U),
    ],
)
def test_a_promise_is_as_good_as_its_worst_finding(results: list[Result], worst: Result):
    assert rolled(*results).result is worst
    assert rolled(*reversed(results)).result is worst


def test_findings_are_counted_by_result():
    assert rolled(F, F, P, N).counts == {F: 2, U: 0, W: 0, P: 1, N: 1}


def test_a_kept_promise_may_be_obsolete():
    advice = Advice(text=say("out of date"), source="NIST SP 800-63B")
    (one,) = by_promise(["p"], [finding(P), finding(P, target="i", advice=(advice,))])
    assert (one.result, one.obsolete) == (P, True)
    assert not rolled(P).obsolete


def test_a_promise_nothing_spoke_about_is_unknown_and_the_others_stand():
    one, two = by_promise(["p", "silent"], [finding(P)])
    assert (one.result, two.result) == (P, U)


def test_a_rule_no_target_answered_is_unknown():
    """A promise that rests on two safeguards is not kept when one of them looked at nothing."""
    rules = tuple(Rule(promise="p", safeguard=name, options={}) for name in ("s", "mail"))
    findings = settle([finding(P)], rules)
    assert {(each.safeguard, each.result, each.reason) for each in findings} == {
        ("s", P, None),
        ("mail", U, Reason.NO_OBSERVATION),
    }
    assert by_promise(["p"], findings)[0].result is U
    assert settle([finding(P)], rules[:1]) == (finding(P),)


def test_the_same_safeguard_under_another_promise_is_no_answer():
    rules = tuple(Rule(promise=name, safeguard="s", options={}) for name in ("p", "q"))
    assert [each.promise for each in settle([finding(P)], rules)] == ["p", "q"]


def test_findings_have_one_order_even_when_only_the_last_words_differ():
    findings = [
        finding(P, promise=promise, safeguard=safeguard, target=target, actual=actual)
        for promise in "ab"
        for safeguard in "cd"
        for target in ("e", "E", "é")
        for actual in "xyz"
    ]
    expected = settle(findings, ())
    for seed in range(5):
        mixed = random.Random(seed).sample(findings, len(findings))  # noqa: S311 (an order, no secret)
        assert settle(mixed, ()) == expected


def promise(*results: Result) -> tuple[PromiseResult, ...]:
    return (rolled(*results),)


@pytest.mark.parametrize(
    ("promises", "statuses", "status"),
    [
        (promise(P), [COLLECTED], 0),
        (promise(P, W, N), [COLLECTED], 0),
        (promise(P, F), [COLLECTED], 1),
        (promise(P), [COLLECTED, EXCLUDED], 0),
        # could not be measured beats not kept
        (promise(F, U), [COLLECTED], 3),
        (promise(F) + promise(N), [COLLECTED], 3),
        (promise(F), [COLLECTED, PARTIAL], 3),
        (promise(P), [COLLECTED, Status.UNREACHABLE], 3),
        (promise(P), [COLLECTED, Status.REFUSED], 3),
        # an empty audit is not a clean one
        ((), [COLLECTED], 3),
        (promise(), [COLLECTED], 3),
        (promise(P), [], 3),
        (promise(P), [EXCLUDED, EXCLUDED], 3),
    ],
)
def test_the_exit_status_is_that_of_the_design(
    promises: tuple[PromiseResult, ...], statuses: list[Status], status: int
):
    assert exit_status(promises, statuses, checks=1) == status


def test_no_check_and_a_part_of_the_inventory_are_incomplete():
    assert exit_status(promise(P), [COLLECTED], checks=0) == 3
    assert exit_status(promise(P), [COLLECTED], checks=1, limited=True) == 3
    assert exit_status(promise(F), [COLLECTED], checks=1, limited=True) == 3


JUDGE = """
import sys
from datetime import UTC, datetime

from checks.catalogue import catalogue
from checks.engine import Case, Rule
from checks.model import Clock, History, Target
from checks.verdicts import judge_all
from collectors.evidence import TargetEvidence
from reports.documents import decode, encode_verdicts
entries = catalogue()
rules = tuple(
    Rule(promise="p", safeguard=name, options={}) for name, entry in entries.items()
    if entry.check.kind.value == "host"
)
evidence = decode(sys.stdin.buffer.read(), TargetEvidence)
case = Case(target=Target(target=evidence.target, kind=evidence.kind), evidence=evidence, sources={},
            history=History(), clock=Clock(as_of=datetime(2026, 11, 22, tzinfo=UTC), zone="Asia/Tokyo"))
sys.stdout.buffer.write(encode_verdicts(judge_all([case], rules, entries)))
"""


def test_judging_gives_the_same_bytes_under_any_hash_seed_locale_and_zone(evidence_here: bytes):
    """The evidence is this machine's own, so that real parsers and checks are at work."""
    environments = [
        {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "UTC0"},
        {"PYTHONHASHSEED": "4242", "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo"},
        {"PYTHONHASHSEED": "99", "LANG": "tr_TR.UTF-8", "TZ": "America/St_Johns"},
    ]
    answers = {
        subprocess.run(
            [sys.executable, "-c", JUDGE],
            input=evidence_here,
            capture_output=True,
            check=True,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environment},
        ).stdout
        for environment in environments
    }
    (verdicts,) = answers
    assert verdicts.count(b"\n") > 5


@pytest.fixture(scope="module")
def evidence_here() -> bytes:
    probes = [probe for probe in all_probes().values() if probe.kind is TargetKind.HOST]
    boundary = "0123456789abcdef" * 2
    done = subprocess.run(
        ["/bin/sh", "-s"],
        input=compose(probes, Parameters(), boundary),
        capture_output=True,
        check=False,
        env=ENVIRONMENT,
    )
    parsed = parse_stream(done.stdout, boundary, {probe.name: probe.cap_bytes for probe in probes})
    assert parsed.done
    return encode(
        TargetEvidence(
            run=1,
            plan="0" * 64,
            target="here",
            kind=TargetKind.HOST,
            salt="AAAA",
            status=COLLECTED,
            sections=parsed.sections,
        )
    )


def test_the_clock_of_the_judging_machine_does_not_matter():
    """Nothing in checks or parsers reads the time: the only clock value is the run's."""
    for folder in ("checks", "collectors/probes"):
        for path in (ROOT / folder).glob("*.py"):
            source = path.read_text("utf-8")
            for word in ("datetime.now(", "date.today(", "time.time(", "utcnow("):
                assert word not in source, path.name
