"""P8: a day of change that moved although nobody changed the password, told by history and log together."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from checks.model import History, Outcome, Result, Sighting
from checks.password_changes import judge_changes, watch_changes
from collectors.evidence import Reason
from collectors.facts import Known, Unknown
from collectors.probes.pwchanges import PasswordChange, PasswordChangesFacts
from tests.checks.account_facts import NOW, TODAY, pwchanges, shadow, shadows, unknown

ID = "password-rotation/changes"
LAST_RUN = NOW - timedelta(days=7)
BEFORE_LAST = NOW - timedelta(days=14)
MOVED_TO = TODAY - 3


def _seen(key: str, first: datetime, last: datetime, unseen: datetime | None = None) -> dict[str, Sighting]:
    return {History.key(ID, key): Sighting(first=first, last=last, unseen=unseen)}


def _history(*sightings: dict[str, Sighting], looked: datetime = LAST_RUN) -> History:
    seen = {key: value for each in sightings for key, value in each.items()}
    return History(run=2, as_of=looked, seen=seen, looked={ID: looked})


OLDER = _seen(f"day:sato:{TODAY - 100}", BEFORE_LAST, LAST_RUN)


def _judge(
    history: History, changes: PasswordChangesFacts | Unknown | None = None, **given: Any
) -> list[Outcome]:
    facts = pwchanges() if changes is None else changes
    return list(
        judge_changes(
            shadows(shadow("sato", changed_day=given.get("day", MOVED_TO))),
            given.get("written", NOW),
            facts if isinstance(facts, Unknown) else Known(value=facts, evidence=""),
            history,
        )
    )


def _line(day: int, name: str = "sato") -> PasswordChangesFacts:
    return pwchanges(changes=frozenset({PasswordChange(name=name, day=day)}))


@pytest.mark.parametrize(
    ("history", "changes", "results"),
    [
        (_history(OLDER), pwchanges(), [Result.WARN]),
        (_history(OLDER), _line(MOVED_TO), []),
        (_history(OLDER), _line(MOVED_TO + 1), []),
        (_history(OLDER), _line(MOVED_TO + 2), [Result.WARN]),
        (_history(OLDER), _line(MOVED_TO, "mori"), [Result.WARN]),
        (_history(OLDER), pwchanges(covered_from=NOW - timedelta(days=2)), []),
        (_history(OLDER), pwchanges(covered_to=NOW - timedelta(days=3)), []),
        (_history(OLDER), pwchanges(covered_from=None), []),
        (_history(OLDER), pwchanges(recent=frozenset()), []),
        (_history(OLDER), unknown(Reason.TIMEOUT), [Result.UNKNOWN]),
        # Nobody looked before, the account is new, the day was moved back or is the same.
        (History(), pwchanges(), []),
        (_history(), pwchanges(), []),
        (_history(_seen(f"day:sato:{MOVED_TO + 1}", BEFORE_LAST, LAST_RUN)), pwchanges(), []),
        (_history(_seen(f"day:sato:{MOVED_TO}", BEFORE_LAST, LAST_RUN)), pwchanges(), []),
        (_history(_seen(f"day:sato:{TODAY - 100}", BEFORE_LAST, BEFORE_LAST)), pwchanges(), []),
        (_history(_seen(f"day:sat:{TODAY - 100}", BEFORE_LAST, LAST_RUN)), pwchanges(), []),
    ],
)
def test_a_day_that_moved_while_the_whole_log_of_it_knows_no_change_warns(
    history: History, changes: PasswordChangesFacts | Unknown, results: list[Result]
) -> None:
    assert [it.result for it in _judge(history, changes)] == results


_LATER = _seen(f"day:sato:{MOVED_TO}", LAST_RUN, LAST_RUN, BEFORE_LAST)
_OLD = _seen(f"day:sato:{TODAY - 100}", BEFORE_LAST, BEFORE_LAST)


@pytest.mark.parametrize(("told", "results"), [("logged", []), ("unlogged", [Result.WARN]), ("", [])])
def test_what_the_log_said_of_the_day_counts_after_it_was_rotated_away(
    told: str, results: list[Result]
) -> None:
    said = _seen(f"{told}:sato:{MOVED_TO}", LAST_RUN, LAST_RUN) if told else {}
    history = _history(_LATER, _OLD, said)
    assert [it.result for it in _judge(history, pwchanges(covered_from=None))] == results
    unseen = [it.result for it in _judge(history, unknown(Reason.TIMEOUT))]
    assert unseen == (results if told else [Result.UNKNOWN])


def test_a_day_after_the_last_write_of_shadow_is_no_day_of_a_change() -> None:
    """`chage -d` may name any day; whoever changes a password writes the file on that day."""
    (found,) = _judge(History(), written=NOW - timedelta(days=4))
    assert found.result is Result.WARN
    assert _judge(History(), written=NOW - timedelta(days=3)) == []
    assert _judge(History(), written=None) == []


def test_the_day_and_the_word_of_the_log_are_watched_and_no_hash() -> None:
    entries = shadows(
        shadow("sato", changed_day=MOVED_TO),
        shadow("mori", changed_day=MOVED_TO),
        shadow("kato", "star", changed_day=MOVED_TO),
        shadow("ito", changed_day=0),
    )
    assert set(watch_changes(entries, _line(MOVED_TO))) == {
        f"day:sato:{MOVED_TO}",
        f"logged:sato:{MOVED_TO}",
        f"day:mori:{MOVED_TO}",
    }
    assert f"unlogged:sato:{MOVED_TO}" in set(watch_changes(entries, pwchanges()))
