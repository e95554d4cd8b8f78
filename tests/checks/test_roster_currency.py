"""The roster's age and its people without a log-in name."""

from datetime import timedelta

import msgspec
import pytest

from checks.model import Result
from checks.roster_currency import roster_currency
from collectors.evidence import Reason
from tests.checks.account_facts import CLOCK, NOW, by_subject, person, roster

FILE = ("roster", "roster.csv")
NAMES = ("roster", "log-in names")


@pytest.mark.parametrize(
    ("age", "result"),
    [
        (timedelta(), Result.PASS),
        (timedelta(days=35), Result.PASS),
        (timedelta(days=35, seconds=1), Result.FAIL),
        (-timedelta(minutes=4), Result.PASS),
        (-timedelta(days=1), Result.FAIL),
    ],
)
def test_a_roster_older_than_promised_or_of_the_future_fails(age: timedelta, result: Result) -> None:
    facts = msgspec.structs.replace(roster(person()), written=NOW - age)
    assert by_subject(roster_currency(facts, CLOCK))[FILE].result is result


def test_people_without_a_log_in_name_are_counted_and_each_is_unknown() -> None:
    """Criterion 32."""
    facts = roster(person(), person("", None, person="1007"), person("", None, person="1009"))
    found = by_subject(roster_currency(facts, CLOCK))
    assert found[NAMES].summary.english() == "2 of 3 persons have no log-in name"
    assert [found[key].reason for key in (NAMES, ("person", "1007"), ("person", "1009"))] == [
        Reason.UNMATCHED
    ] * 3
    assert len(found) == 4


def test_a_roster_that_names_every_account_passes() -> None:
    found = by_subject(roster_currency(roster(person()), CLOCK))
    assert {it.result for it in found.values()} == {Result.PASS}
