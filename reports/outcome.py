"""What `tenken verify` answers, step by step: outcomes, verdicts and their exit statuses."""

from enum import StrEnum

from msgspec import Struct


class Outcome(StrEnum):
    """What became of one step, and of the whole."""

    OK = "OK"
    NG = "NG"
    NOT_CHECKED = "NOT CHECKED"


class Verdict(StrEnum):
    """What a step means for the bundle; the first in this order wins."""

    ALTERED = "ALTERED"
    UNTRUSTED = "UNTRUSTED"
    INCOMPLETE = "INCOMPLETE"
    DIFFERS = "DIFFERS"
    NOT_CHECKED = "NOT CHECKED"
    VERIFIED = "VERIFIED"

    @property
    def exit_code(self) -> int:
        """The exit status of `tenken verify`."""
        return {"ALTERED": 5, "UNTRUSTED": 6, "INCOMPLETE": 3, "DIFFERS": 7, "NOT CHECKED": 3}.get(
            self.value, 0
        )


class StepResult(Struct, frozen=True, kw_only=True):
    """One numbered step."""

    number: int
    name: str
    outcome: Outcome
    detail: str
    """safe to print: bundle text in it went through `visible`"""
    verdict: Verdict
    """what it does to the whole; VERIFIED for a step nobody asked for"""


class Verification(Struct, frozen=True, kw_only=True):
    """All steps, and the worst of them."""

    verdict: Verdict
    steps: tuple[StepResult, ...]
    run: int | None
    evidence_root: str | None
    checkpoint: str | None
    """the signed checkpoint to keep; None unless its signature was good"""

    @property
    def exit_code(self) -> int:
        """The exit status of `tenken verify`."""
        return self.verdict.exit_code


STEPS = (
    "trust file",
    "container",
    "checkpoint signature",
    "time stamp",
    "witnesses",
    "inclusion in the log",
    "run.json",
    "SHA256SUMS",
    "files",
    "no other file",
    "evidence root",
    "plan and evidence",
    "exceptions",
    "replay",
    "the log as a whole",
    "reviews",
)


class Bad(Exception):  # noqa: N818 (a verdict, not an error of ours)
    """A step's answer that is not OK."""

    def __init__(self, verdict: Verdict, detail: str, *, outcome: Outcome = Outcome.NG) -> None:
        super().__init__(detail)
        self.verdict = verdict
        self.detail = detail
        self.outcome = outcome


def altered(detail: str) -> Bad:
    """Build the answer that something is not what was sealed."""
    return Bad(Verdict.ALTERED, detail)


def cannot(detail: str) -> Bad:
    """Build the answer that something asked for could not be checked."""
    return Bad(Verdict.NOT_CHECKED, detail, outcome=Outcome.NOT_CHECKED)


def untrusted(detail: str) -> Bad:
    """Build the answer that something is not as the trust file demands."""
    return Bad(Verdict.UNTRUSTED, detail)


def incomplete(detail: str) -> Bad:
    """Build the answer that something is not there."""
    return Bad(Verdict.INCOMPLETE, detail)


def not_asked(detail: str) -> Bad:
    """Build the answer that nobody asked for a step, which is no fault."""
    return Bad(Verdict.VERIFIED, detail, outcome=Outcome.NOT_CHECKED)
