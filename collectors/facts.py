"""Facts: typed values parsed from evidence, or the reason why there are none."""

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

from msgspec import Struct

from collectors.evidence import Reason, Section, SectionState, Status, TargetEvidence, TargetKind
from config.errors import ParseError


class Facts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every fact type; a check's parameter annotated with one is what the check needs."""


F_co = TypeVar("F_co", bound=Facts, covariant=True)


class Known(Struct, Generic[F_co], frozen=True, kw_only=True):
    """A value, and the section of the evidence it rests on."""

    value: F_co
    evidence: str


class Unknown(Struct, frozen=True, kw_only=True):
    """Why there is no value; travels to the report as it is."""

    reason: Reason
    evidence: str
    detail: str = ""


F = TypeVar("F", bound=Facts)
Fact: TypeAlias = Known[F] | Unknown
"""A check's parameter annotated `Fact[X]` takes both and decides itself."""


class WithheldError(ParseError):
    """The answer is whole, but says that the fact cannot be seen: a reason, not a defect."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(detail or reason.value)
        self.reason = reason
        self.detail = detail


class Probe(Struct, Generic[F], frozen=True, kw_only=True):
    """One question and its reader.

    `parse` takes a section that ended whole and returns the facts, or raises ParseError
    (naming the line) or WithheldError (with the reason). It never guesses.
    """

    name: str
    """also the name of the `.sh` file and of the section"""
    facts: type[F]
    parse: Callable[[Section], F]
    kind: TargetKind = TargetKind.HOST
    cap_bytes: int = 262_144
    """most bytes of one section; more makes it `truncated`"""
    answers: frozenset[int] = frozenset({0})
    """exit statuses of the section that are answers"""
    order: int = 50
    """cheap and safe questions first, those that may hang last"""


TIMEOUT_STATUS = 124
"""what timeout(1) exits with, and what a section returns when a tool of it ran out of time"""


def read_fact(probe: Probe[F], evidence: TargetEvidence) -> Known[F] | Unknown:
    """Parse one probe's section of a target's evidence.

    Never raises for what a target sent: the reason travels instead.
    """
    where = f"{evidence.target}#{probe.name}"

    def unknown(reason: Reason, detail: str = "") -> Unknown:
        return Unknown(reason=reason, evidence=where, detail=detail)

    section = evidence.section(probe.name)
    if section is None:
        if evidence.status in (Status.COLLECTED, Status.PARTIAL):
            cut = evidence.status is Status.PARTIAL
            return unknown(
                evidence.reason or Reason.PROBE_CUT if cut else Reason.NOT_COLLECTED, evidence.detail
            )
        return unknown(evidence.reason or Reason.NOT_COLLECTED, evidence.detail)
    if section.truncated:
        return unknown(Reason.TRUNCATED)
    if section.state is SectionState.CUT:
        return unknown(Reason.PROBE_CUT)
    if section.exit == TIMEOUT_STATUS:
        return unknown(Reason.TIMEOUT)
    if section.exit not in probe.answers:
        return unknown(Reason.FAILED, f"exit status {section.exit}")
    answer = _parse(probe, section)
    return unknown(*answer) if isinstance(answer, tuple) else Known(value=answer, evidence=where)


def _parse(probe: Probe[F], section: Section) -> F | tuple[Reason, str]:
    try:
        return probe.parse(section)
    except WithheldError as withheld:
        return withheld.reason, withheld.detail
    except ParseError as defect:
        return Reason.UNPARSABLE, str(defect)
    except Exception as fault:  # noqa: BLE001 (a reader's fault over one answer must not end the run)
        return Reason.INTERNAL, f"the reader of {probe.name} failed: {type(fault).__name__}"
