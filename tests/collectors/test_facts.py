"""One fact is known only from a whole answer that its reader understood; else its reason travels."""

import pytest

from collectors.evidence import Part, Reason, Section, SectionState, Status, TargetEvidence, TargetKind
from collectors.facts import Facts, Known, Probe, Unknown, WithheldError, read_fact
from config.errors import ParseError


class Words(Facts, frozen=True, kw_only=True):
    words: tuple[str, ...]


def parse(section: Section) -> Words:
    words = tuple(section.parts[0].text.split())
    if words == ("odd",):
        message = "line 1: odd"
        raise ParseError(message)
    if words == ("hidden",):
        raise WithheldError(Reason.NOPRIV)
    if words == ("detail",):
        raise WithheldError(Reason.NO_TOOL, "getent")
    if words == ("bug",):
        message = "a word of the host"
        raise IndexError(message)
    return Words(words=words)


PROBE = Probe(name="words", facts=Words, parse=parse, answers=frozenset({0, 1}))


def section(
    text: str = "a",
    *,
    exit_: int | None = 0,
    state: SectionState = SectionState.ENDED,
    truncated: bool = False,
) -> Section:
    return Section(
        name="words",
        state=state,
        exit=exit_,
        truncated=truncated,
        parts=(Part.of("", "read", text.encode()),),
    )


def read(
    *sections: Section, status: Status = Status.COLLECTED, reason: Reason | None = None, detail: str = ""
) -> Known[Words] | Unknown:
    return read_fact(
        PROBE,
        TargetEvidence(
            run=1,
            plan="",
            target="web-01",
            kind=TargetKind.HOST,
            salt="",
            status=status,
            reason=reason,
            detail=detail,
            sections=sections,
        ),
    )


@pytest.mark.parametrize("exit_", [0, 1])
def test_a_whole_answer_is_known(exit_: int):
    assert read(section(exit_=exit_)) == Known(value=Words(words=("a",)), evidence="web-01#words")


def test_a_whole_section_of_an_answer_that_was_cut_later_is_known():
    assert isinstance(read(section(), status=Status.PARTIAL, reason=Reason.DEADLINE), Known)


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (section(truncated=True), Reason.TRUNCATED, ""),
        (section(state=SectionState.CUT, exit_=None), Reason.PROBE_CUT, ""),
        (section(state=SectionState.CUT, exit_=0), Reason.PROBE_CUT, ""),
        (section(exit_=124), Reason.TIMEOUT, ""),
        (section(exit_=2), Reason.FAILED, "exit status 2"),
        (section(exit_=None), Reason.FAILED, "exit status None"),
        (section("odd"), Reason.UNPARSABLE, "line 1: odd"),
        (section("hidden"), Reason.NOPRIV, ""),
        (section("detail"), Reason.NO_TOOL, "getent"),
        # What our own fault says may quote the host, so only its kind is told.
        (section("bug"), Reason.INTERNAL, "the reader of words failed: IndexError"),
    ],
)
def test_anything_less_is_unknown_with_its_reason(answer: Section, reason: Reason, detail: str):
    assert read(answer) == Unknown(reason=reason, evidence="web-01#words", detail=detail)


@pytest.mark.parametrize(
    ("status", "given", "reason"),
    [
        (Status.COLLECTED, None, Reason.NOT_COLLECTED),
        (Status.PARTIAL, Reason.DEADLINE, Reason.DEADLINE),
        (Status.PARTIAL, None, Reason.PROBE_CUT),
        (Status.UNREACHABLE, Reason.ROUTE, Reason.ROUTE),
        (Status.UNREACHABLE, None, Reason.NOT_COLLECTED),
        (Status.REFUSED, Reason.AUTH, Reason.AUTH),
        (Status.EXCLUDED, Reason.EXCLUDED, Reason.EXCLUDED),
    ],
)
def test_a_section_that_did_not_come_is_unknown_for_the_visits_reason(
    status: Status, given: Reason | None, reason: Reason
):
    assert read(status=status, reason=given) == Unknown(reason=reason, evidence="web-01#words")


def test_the_visits_words_travel_with_its_reason():
    unknown = read(status=Status.UNREACHABLE, reason=Reason.NAME, detail="no such name")
    assert isinstance(unknown, Unknown)
    assert unknown.detail == "no such name"
