"""What every mechanism of automatic updates is asked: is it run, and did it end well not long ago."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct

from checks.model import Clock, Options, Result
from checks.text import Text, Value, say
from collectors.evidence import Reason
from collectors.probes.automatic import AutomaticFacts
from config.duration import Duration

_AHEAD = timedelta(days=1)
"""a time further than this in the future means that a clock is wrong"""


class Limits(Options, frozen=True, kw_only=True):
    """Settings under `[promise.set]` of a promise that automatic-updates proves."""

    run_within: Annotated[
        Duration, Meta(description="the last successful run of automatic updates may be this long ago")
    ] = Duration("7d")


class Problem(Struct, frozen=True, kw_only=True):
    """One reason why updates are not, or may not be, installed by themselves."""

    result: Result
    text: Text
    reason: Reason | None = None


class Mechanism(Struct, frozen=True, kw_only=True):
    """A program that installs updates, and all that stands in its way."""

    name: str
    present: bool
    problems: tuple[Problem, ...]

    @property
    def worst(self) -> Problem | None:
        """The problem that decides; None when it works."""
        return min(self.problems, key=lambda problem: problem.result.rank, default=None)


def fails(template: str, **args: Value) -> Problem:
    """Return a problem that keeps updates away for sure."""
    return Problem(result=Result.FAIL, text=say(template, **args))


def unclear(reason: Reason, template: str, **args: Value) -> Problem:
    """Return a problem of not being able to tell."""
    return Problem(result=Result.UNKNOWN, reason=reason, text=say(template, **args))


def warns(template: str, **args: Value) -> Problem:
    """Return a problem that keeps some updates away, or perhaps."""
    return Problem(result=Result.WARN, text=say(template, **args))


def unit_problems(facts: AutomaticFacts, names: Iterable[str]) -> Iterator[Problem]:
    """Say which of the units is not there, masked, not enabled or not active: one problem each."""
    for name in names:
        unit = facts.unit(name)
        if unit is None or unit.load == "not-found":
            yield fails("{unit} is not there", unit=name)
        # A timer that is masked while it runs stays active until the next restart.
        elif "masked" in unit.load or "masked" in unit.enabled:
            yield fails("{unit} is masked", unit=name)
        elif unit.enabled not in ("enabled", "static", "alias", "generated"):
            yield fails("{unit} is not enabled: {state}", unit=name, state=unit.enabled or "no state")
        elif unit.active != "active":
            yield fails("{unit} is not active: {state}", unit=name, state=unit.active or "no state")


def run_problems(
    last: datetime | None, what: str, born: datetime | None, options: Limits, clock: Clock
) -> Iterator[Problem]:
    """Judge when something last ended with success; on a host younger than the limit it need not have yet."""
    limit = options.run_within.timedelta
    if last is None:
        if born is not None and clock.as_of - born <= limit:
            yield warns("{what} has not happened yet on a host this young", what=what)
        else:
            yield fails("{what} has never happened", what=what)
    elif last - clock.as_of > _AHEAD:
        yield unclear(Reason.UNDETERMINED, "{what} is dated in the future", what=what)
    elif clock.as_of - last > limit:
        yield fails("{what} was {days} days ago", what=what, days=(clock.as_of - last).days)
