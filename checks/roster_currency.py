"""The roster that accounts are joined with is current and names everybody's account.

## What it looks at

When the roster's file was last written, against the age up to which the company calls it current, and
whether each person on it has a log-in name.

## Why it matters

A list of leavers from last quarter misses everyone who left since. A person without a log-in name cannot be
looked for on any host.

## What to do

Export the roster anew on a schedule, and fill the column of log-in names for everybody who has one.
"""

from collections.abc import Iterator
from datetime import timedelta

from checks.model import Clock, Outcome, Result, Severity, Subject, check
from checks.text import say
from collectors.evidence import Reason, TargetKind
from collectors.sources.roster import RosterFacts

_CLOCKS_DIFFER = timedelta(minutes=5)
"""how far in the future a file of another machine may be written"""


@check(
    "roster-currency",
    kind=TargetKind.ROSTER,
    severity=Severity.MEDIUM,
    controls=("ISO27001:A.5.18", "NIST800-53:PS-4"),
)
def roster_currency(roster: RosterFacts, clock: Clock) -> Iterator[Outcome]:
    """Fail above the promised age; every person without a log-in name is unknown."""
    age = clock.as_of - roster.written
    limit = timedelta(seconds=roster.max_age_s)
    if age < -_CLOCKS_DIFFER:
        result, actual = (
            Result.FAIL,
            say("written in the future, {when}", when=roster.written.strftime("%Y-%m-%d")),
        )
    else:
        result = Result.PASS if age <= limit else Result.FAIL
        actual = say("{days} days old", days=max(age.days, 0))
    yield Outcome(
        subject=Subject(kind="roster", name=roster.file),
        result=result,
        summary=say("the roster was written on {when}", when=roster.written.strftime("%Y-%m-%d")),
        expected=say("at most {days} days old", days=limit.days),
        actual=actual,
    )
    unmatched = [person for person in roster.persons if not person.accounts]
    yield Outcome(
        subject=Subject(kind="roster", name="log-in names"),
        result=Result.UNKNOWN if unmatched else Result.PASS,
        reason=Reason.UNMATCHED if unmatched else None,
        summary=say(
            "{count} of {all} persons have no log-in name", count=len(unmatched), all=len(roster.persons)
        ),
        expected=say("every person has a log-in name"),
        actual=say("{count} without", count=len(unmatched)),
    )
    for person in unmatched:
        yield Outcome(
            subject=Subject(kind="person", name=person.person),
            result=Result.UNKNOWN,
            reason=Reason.UNMATCHED,
            summary=say("{person} has no log-in name and cannot be looked for", person=person.person),
            expected=say("every person has a log-in name"),
            actual=say("no log-in name"),
        )
