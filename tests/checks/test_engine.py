"""Judging one target: what is missing is unknown, faults stay with their target, time is remembered."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from checks.catalogue import Entry, Page
from checks.engine import FORGET_AFTER, WHOLE, Case, Rule, judge_target, remember, worst
from checks.model import (
    Check,
    Clock,
    Finding,
    History,
    Options,
    Outcome,
    Result,
    Severity,
    Sighting,
    Subject,
    Target,
)
from checks.text import say
from collectors.evidence import Part, Reason, Section, SectionState, Status, TargetEvidence, TargetKind
from collectors.facts import Fact, Facts, Known, Probe, Unknown, WithheldError
from config.duration import Duration
from config.errors import ParseError

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)


class ListFacts(Facts, frozen=True, kw_only=True):
    words: tuple[str, ...]


class OtherFacts(Facts, frozen=True, kw_only=True):
    words: tuple[str, ...]


def read_list(section: Section) -> ListFacts:
    words = tuple(section.parts[0].text.split())
    match words:
        case ("broken",):
            message = "line 1: broken"
            raise ParseError(message)
        case ("hidden",):
            raise WithheldError(Reason.NOPRIV, "only root")
        case ("bug",):
            return ListFacts(words=({}["missing"],))
    return ListFacts(words=words)


def read_other(section: Section) -> OtherFacts:
    return OtherFacts(words=read_list(section).words)


LIST = Probe(name="list", facts=ListFacts, parse=read_list)
OTHER = Probe(name="other", facts=OtherFacts, parse=read_other)
ROSTER = Probe(name="book", facts=OtherFacts, parse=read_other, kind=TargetKind.ROSTER)


class Limits(Options, frozen=True, kw_only=True):
    most: Annotated[int, Meta(ge=1)] = 4
    within: Duration = Duration("24h")


def passing(name: str, words: str = "fine") -> Outcome:
    return Outcome(
        subject=Subject(kind="word", name=name),
        result=Result.PASS,
        summary=say("{words}", words=words),
        expected=say("anything"),
        actual=say("{words}", words=words),
    )


def entry(
    judge: Callable[..., Iterable[Outcome]],
    *probes: Probe[Any],
    watch: Callable[..., Iterable[str]] | None = None,
    kind: TargetKind = TargetKind.HOST,
    id_: str = "safe",
) -> Entry:
    return Entry(
        check=Check(
            id=id_, kind=kind, severity=Severity.LOW, controls=(), judge=judge, watch=watch, version=1
        ),
        page=Page(title="Words are safe", looks_at="", matters="", to_do=""),
        options=Limits,
        probes=probes,
        sha256="0" * 64,
    )


def section(name: str, text: str) -> Section:
    return Section(name=name, state=SectionState.ENDED, exit=0, parts=(Part.of("", "read", text.encode()),))


def evidence(
    *sections: Section,
    target: str = "web-01",
    kind: TargetKind = TargetKind.HOST,
    status: Status = Status.COLLECTED,
    reason: Reason | None = None,
) -> TargetEvidence:
    return TargetEvidence(
        run=1,
        plan="0" * 64,
        target=target,
        kind=kind,
        salt="AAAA",
        status=status,
        reason=reason,
        sections=sections,
    )


def case(
    *sections: Section,
    status: Status = Status.COLLECTED,
    reason: Reason | None = None,
    sources: dict[str, TargetEvidence] | None = None,
    history: History | None = None,
    as_of: datetime = NOW,
) -> Case:
    return Case(
        target=Target(target="web-01", kind=TargetKind.HOST),
        evidence=evidence(*sections, status=status, reason=reason),
        sources=sources or {},
        history=history or History(target="web-01"),
        clock=Clock(as_of=as_of, zone="Asia/Tokyo"),
    )


def rule(safeguard: str = "safe", **options: Any) -> Rule:
    return Rule(promise="p", safeguard=safeguard, options=options)


def judged(scene: Case, *entries: Entry, **options: Any) -> list[Finding]:
    return list(
        judge_target(
            scene,
            [rule(each.check.id, **options) for each in entries],
            {each.check.id: each for each in entries},
        )
    )


def words_pass(facts: ListFacts) -> Iterator[Outcome]:
    for word in facts.words:
        yield passing(word)


def never(facts: ListFacts) -> Iterator[Outcome]:
    message = f"the check was called with {facts}"
    raise AssertionError(message)


# --- what is missing ------------------------------------------------------------


@pytest.mark.parametrize(
    ("scene", "reason"),
    [
        (case(), Reason.NOT_COLLECTED),
        (case(status=Status.PARTIAL, reason=Reason.DEADLINE), Reason.DEADLINE),
        (case(status=Status.UNREACHABLE, reason=Reason.ROUTE), Reason.ROUTE),
        (case(status=Status.REFUSED, reason=Reason.HOST_KEY_CHANGED), Reason.HOST_KEY_CHANGED),
        (case(section("list", "broken")), Reason.UNPARSABLE),
        (case(section("list", "hidden")), Reason.NOPRIV),
        (case(section("list", "bug")), Reason.INTERNAL),
        (case(msgspec.structs.replace(section("list", "a"), truncated=True)), Reason.TRUNCATED),
        (case(msgspec.structs.replace(section("list", "a"), state=SectionState.CUT)), Reason.PROBE_CUT),
        (case(msgspec.structs.replace(section("list", "a"), exit=124)), Reason.TIMEOUT),
        (case(msgspec.structs.replace(section("list", "a"), exit=1)), Reason.FAILED),
    ],
)
def test_a_fact_that_is_not_known_is_unknown_with_its_reason(scene: Case, reason: Reason):
    """`never` raises AssertionError, which would show as internal with its name in the detail."""
    (finding,) = judged(scene, entry(never, LIST))
    assert (finding.result, finding.reason, finding.subject) == (Result.UNKNOWN, reason, WHOLE)
    assert finding.evidence == ("web-01#list",)
    assert "AssertionError" not in finding.actual.english()


def test_one_reason_is_one_finding_however_many_facts_it_took_away():
    def both(facts: ListFacts, other: OtherFacts) -> Iterator[Outcome]:
        raise AssertionError(facts, other)
        yield

    down = case(status=Status.UNREACHABLE, reason=Reason.ROUTE)
    (finding,) = judged(down, entry(both, LIST, OTHER))
    assert finding.evidence == ("web-01#list", "web-01#other")
    mixed = judged(case(section("list", "hidden")), entry(both, LIST, OTHER))
    assert {each.reason for each in mixed} == {Reason.NOPRIV, Reason.NOT_COLLECTED}


def test_a_fact_a_check_can_do_without_is_given_known_or_unknown():
    given: list[object] = []

    def either(facts: Fact[ListFacts]) -> Iterator[Outcome]:
        given.append(facts)
        yield passing("x")

    assert judged(case(section("list", "a")), entry(either, LIST))[0].result is Result.PASS
    assert judged(case(), entry(either, LIST))[0].result is Result.PASS
    assert given == [
        Known(value=ListFacts(words=("a",)), evidence="web-01#list"),
        Unknown(reason=Reason.NOT_COLLECTED, evidence="web-01#list"),
    ]


def test_a_source_that_was_not_declared_is_unknown_and_one_that_was_is_cited():
    def join(facts: ListFacts, book: OtherFacts) -> Iterator[Outcome]:
        yield passing(" ".join((*facts.words, *book.words)))

    (finding,) = judged(case(section("list", "a")), entry(join, LIST, ROSTER))
    assert (finding.result, finding.reason, finding.evidence) == (
        Result.UNKNOWN,
        Reason.NO_SOURCE,
        ("book",),
    )
    book = evidence(section("book", "b"), target="roster", kind=TargetKind.ROSTER)
    (finding,) = judged(case(section("list", "a"), sources={"book": book}), entry(join, LIST, ROSTER))
    assert (finding.subject.name, finding.evidence) == ("a b", ("roster#book", "web-01#list"))


# --- what a check is given --------------------------------------------------------


def test_settings_are_converted_and_have_their_defaults():
    given: list[Limits] = []

    def limited(facts: ListFacts, options: Limits) -> Iterator[Outcome]:
        given.append(options)
        yield passing(facts.words[0])

    scene = case(section("list", "a"))
    judged(scene, entry(limited, LIST), within="90d")
    judged(scene, entry(limited, LIST), most=7)
    assert given == [Limits(most=4, within=Duration("90d")), Limits(most=7, within=Duration("24h"))]


def test_clock_target_and_history_are_given_as_they_are():
    def all_of(facts: ListFacts, clock: Clock, target: Target, history: History) -> Iterator[Outcome]:
        yield passing(f"{facts.words[0]} {clock.today} {target.target} {history.run}")

    (finding,) = judged(case(section("list", "a"), history=History(run=6)), entry(all_of, LIST))
    assert finding.subject.name == "a 2026-11-22 web-01 6"


def test_days_are_counted_in_the_companys_zone():
    clock = Clock(as_of=datetime(2026, 3, 31, 15, 30, tzinfo=UTC), zone="Asia/Tokyo")
    assert str(clock.today) == "2026-04-01"
    assert clock.end_of(clock.today) == datetime(2026, 4, 1, 15, 0, tzinfo=UTC)


# --- what goes wrong --------------------------------------------------------------


def test_a_check_that_raises_is_unknown_and_the_other_rules_are_judged():
    """Also when it had said something before: half an answer is none."""

    def half(facts: ListFacts) -> Iterator[Outcome]:
        yield passing(facts.words[0])
        message = "secret words of a host"
        raise KeyError(message)

    findings = judged(case(section("list", "a")), entry(half, LIST, id_="half"), entry(words_pass, LIST))
    assert [(each.safeguard, each.result, each.reason) for each in findings] == [
        ("half", Result.UNKNOWN, Reason.INTERNAL),
        ("safe", Result.PASS, None),
    ]
    assert "secret" not in str(findings)


def test_a_check_that_says_nothing_is_unknown():
    (finding,) = judged(case(section("list", "")), entry(words_pass, LIST))
    assert (finding.result, finding.reason) == (Result.UNKNOWN, Reason.NO_OBSERVATION)


def test_a_safeguard_of_another_kind_of_target_is_not_judged_here():
    assert judged(case(section("list", "a")), entry(words_pass, LIST, kind=TargetKind.MAIL)) == []


def test_a_target_that_was_left_out_on_purpose_is_not_judged():
    """It stands in the population with its reason; else one excluded host would spoil every run."""
    assert judged(case(status=Status.EXCLUDED, reason=Reason.EXCLUDED), entry(never, LIST)) == []


def test_an_unknown_without_a_reason_cannot_be_built():
    subject, text = Subject(kind="word", name="x"), say("x")
    with pytest.raises(ValueError, match="reason"):
        Outcome(subject=subject, result=Result.UNKNOWN, summary=text, expected=text, actual=text)
    with pytest.raises(ValueError, match="reason"):
        Outcome(
            subject=subject,
            result=Result.PASS,
            reason=Reason.DENIED,
            summary=text,
            expected=text,
            actual=text,
        )


def test_the_worst_result_wins():
    order = [Result.FAIL, Result.UNKNOWN, Result.WARN, Result.PASS, Result.NOT_APPLICABLE]
    for place, result in enumerate(order):
        assert worst(reversed(order[place:])) is result
    assert worst([]) is None


# --- what is remembered -----------------------------------------------------------


def words_there(facts: ListFacts) -> Iterator[str]:
    yield from facts.words


WATCHED = entry(words_pass, LIST, watch=words_there)


def runs(*answers: str | None, entries: tuple[Entry, ...] = (WATCHED,)) -> History:
    """One run a day; None is a day on which the host was not reached."""
    history = History(target="web-01")
    for day, answer in enumerate(answers):
        scene = (
            case(section("list", answer), history=history, as_of=NOW + day * DAY)
            if answer is not None
            else case(status=Status.UNREACHABLE, reason=Reason.ROUTE, history=history, as_of=NOW + day * DAY)
        )
        history = remember(scene, day + 1, entries)
    return history


def test_a_state_is_remembered_from_its_first_to_its_last_sighting():
    history = runs("a", "a b", "a b")
    assert history.run == 3
    assert history.as_of == NOW + 2 * DAY
    assert history.since("safe", "a") == NOW
    assert history.since("safe", "b") == NOW + DAY
    assert history.last_seen("safe", "a") == NOW + 2 * DAY
    assert history.since("safe", "c") is None
    assert history.last_seen("safe", "c") is None


def test_a_break_starts_the_age_anew():
    history = runs("a", "", "a")
    assert history.since("safe", "a") == NOW + 2 * DAY


def test_a_state_that_is_gone_has_no_age_and_keeps_its_last_sighting():
    history = runs("a", "")
    assert history.since("safe", "a") is None
    assert history.last_seen("safe", "a") == NOW


@pytest.mark.parametrize("blind", [None, "hidden", "bug"])
def test_not_being_able_to_look_is_neither_seeing_nor_vanishing(blind: str | None):
    """The last sighting stays what it was: else an account would count as open while nobody looked."""
    history = runs("a", blind, blind)
    assert history.since("safe", "a") == NOW
    assert history.last_seen("safe", "a") == NOW
    assert history.looked_at("safe") == NOW
    again = runs("a", blind, "a")
    assert again.since("safe", "a") == NOW


def test_a_safeguard_that_was_not_asked_for_a_while_keeps_its_ages():
    """Taking a promise out for one run does not reset how long a fix has been waiting."""
    first = runs("a")
    idle = remember(case(section("list", "a"), history=first, as_of=NOW + DAY), 2, [])
    again = remember(case(section("list", "a"), history=idle, as_of=NOW + 2 * DAY), 3, [WATCHED])
    assert again.since("safe", "a") == NOW


def test_when_a_state_was_not_yet_there_is_known_only_from_a_look():
    assert runs("a").unseen_at("safe", "a") is None
    assert runs("", "a").unseen_at("safe", "a") == NOW
    # Nobody looked on the second day: it may have begun then.
    assert runs("", None, "a").unseen_at("safe", "a") == NOW
    assert runs("", "a", "a", "a").unseen_at("safe", "a") == NOW
    assert runs("", "a", "").unseen_at("safe", "a") is None


def test_a_watcher_that_raises_keeps_what_was_known():
    def torn(facts: ListFacts) -> Iterator[str]:
        yield facts.words[0]
        raise KeyError

    history = remember(
        case(section("list", "b"), history=runs("a"), as_of=NOW + DAY),
        2,
        [entry(words_pass, LIST, watch=torn)],
    )
    assert history.since("safe", "a") == NOW
    assert history.last_seen("safe", "b") is None


def test_what_one_watcher_cannot_tell_leaves_the_states_of_the_others_as_they_were():
    """Each is asked by a name of its own, and the safeguard's other watchers go on."""

    def others(facts: OtherFacts) -> Iterator[str]:
        yield from facts.words

    plain = entry(words_pass, LIST, OTHER, watch=words_there)
    both = msgspec.structs.replace(plain, check=msgspec.structs.replace(plain.check, apart={"other": others}))
    history = History(target="web-01")
    for day, sections in enumerate(
        (
            (section("list", "a"), section("other", "x")),
            (section("list", "a"), section("other", "hidden")),
            (section("list", ""), section("other", "x")),
        )
    ):
        history = remember(case(*sections, history=history, as_of=NOW + day * DAY), day + 1, [both])
    assert history.since("safe/other", "x") == NOW
    assert history.since("safe", "a") is None
    assert history.last_seen("safe", "x") is None


def test_what_was_not_seen_for_years_is_forgotten():
    old = History(target="web-01", as_of=NOW, seen={"safe:a": Sighting(first=NOW, last=NOW)})
    at_limit = remember(case(history=old, as_of=NOW + FORGET_AFTER), 2, [])
    before = remember(case(history=old, as_of=NOW + FORGET_AFTER - DAY), 2, [])
    assert at_limit.seen == {}
    assert list(before.seen) == ["safe:a"]


def test_sightings_of_one_safeguard_are_none_of_another():
    other = entry(words_pass, LIST, watch=words_there, id_="safe-too")
    history = runs("a", entries=(other,))
    assert history.since("safe-too", "a") == NOW
    assert history.since("safe", "a") is None


def test_history_is_in_one_order_whatever_the_order_of_the_states():
    one, two = runs("a b c"), runs("c a b")
    assert msgspec.json.encode(one) == msgspec.json.encode(two)
