"""What two inspections must have in common, and what explains that they have not."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.log_history import SAFEGUARD, Reading, parse, watch
from checks.model import Clock, History, Sighting
from collectors.evidence import Reason
from collectors.probes.log_files import LogFile
from collectors.probes.logs import LogsFacts
from tests.checks.log_facts import (
    FAIL,
    KEPT_JOURNAL,
    NOW,
    ago,
    facts,
    file,
    judge,
    rotation,
    weekly,
)

CLOCK = Clock(as_of=NOW, zone="UTC")
WEEKLY = (rotation("auth.log", 60),)


def remembered(logs: LogsFacts, days: float) -> History:
    """What a run `days` ago left, that saw these facts."""
    then = Clock(as_of=ago(days), zone="UTC")
    names = watch(logs, History(), then)
    seen = {History.key(SAFEGUARD, name): Sighting(first=then.as_of, last=then.as_of) for name in names}
    return History(run=1, as_of=then.as_of, seen=seen, looked={SAFEGUARD: then.as_of})


def lost(before: LogsFacts, after: LogsFacts, days: float = 1) -> list[str]:
    outcomes = judge(after, history=remembered(before, days))
    found = [one for one in outcomes if one.subject.kind == "log-history"]
    assert all(one.result is FAIL for one in found)
    return [one.subject.name for one in found]


def shifted(files: Sequence[LogFile], count: int, at: float) -> tuple[LogFile, ...]:
    """The files after one more rotation `at` days ago, of which `count` are kept."""
    moved = []
    for number, each in enumerate(files[:count], 1):
        path = f"/var/log/auth.log.{number}" + (".gz" if number > 1 else "")
        moved.append(msgspec.structs.replace(each, path=path, rotated=True))
    return (file("auth.log", at, 0, size=500), *moved)


AUTH = "auth:/var/log/auth.log"
FULL = weekly(61)
"""auth.log and sixty rotated files"""
CURRENT, *ROTATED = FULL


def changed(each: LogFile, **change: Any) -> LogFile:
    return msgspec.structs.replace(each, **change)


COPY = changed(CURRENT, path="/var/log/auth.log.1", rotated=True)


@pytest.mark.parametrize(
    ("after", "is_lost"),
    [
        (FULL, False),
        ((changed(CURRENT, size=30_000), *ROTATED), False),
        (shifted(FULL, 60, 0.5), False),
        # copytruncate: the copy is a file of its own, and the written one begins anew in its place
        ((file("auth.log", 0.5, 0, size=500), COPY, *ROTATED[1:]), False),
        ((changed(CURRENT, size=19_999), *ROTATED), True),
        ((file("auth.log", 0.1, 0, size=300), *ROTATED), True),
        ((file("auth.log", None, 0, size=0), *ROTATED), True),
        (FULL[:60], True),  # one too few to have been rotated away
        (FULL[:30], True),
        (shifted(FULL, 59, 0.5), True),
        ((), True),
        # what cannot be read says nothing
        ((CURRENT, changed(ROTATED[0], first=None, undated=Reason.DENIED)), False),
        ((changed(CURRENT, first=None, undated=Reason.DENIED), *ROTATED), False),
    ],
)  # fmt: skip
def test_l13_what_rotation_does_not_explain_is_lost(after: tuple[LogFile, ...], *, is_lost: bool) -> None:
    before = facts(*FULL, rotations=WEEKLY)
    assert lost(before, facts(*after, rotations=WEEKLY)) == [AUTH] * is_lost


def test_l13_nothing_is_lost_on_the_first_visit() -> None:
    assert not [one for one in judge(facts(*FULL)) if one.subject.kind == "log-history"]


@pytest.mark.parametrize(
    ("rotate", "days", "kept", "is_lost"),
    [
        (4, 36, 4, False),  # five weeks later none of the files that were there is kept
        (4, 20, 4, True),
        (4, 36, 3, True),  # nor are as many there as are kept
        (None, 400, 4, True),  # none is ever deleted
    ],
)
def test_l13_a_file_may_be_gone_after_as_many_rotations_as_are_kept(
    rotate: int | None, days: float, kept: int, *, is_lost: bool
) -> None:
    turns = (rotation("auth.log", rotate),)
    before = facts(file("auth.log", days + 5, days), rotations=turns)
    assert bool(lost(before, facts(*weekly(kept + 1), rotations=turns), days)) is is_lost


def test_l13_a_raised_number_of_files_explains_what_the_smaller_one_deleted() -> None:
    """Else whoever mends the finding about a short log would be accused of cutting it."""
    before = facts(*weekly(5), rotations=(rotation("auth.log", 4),))
    after = facts(*shifted(weekly(5), 4, 0.5), rotations=(rotation("auth.log", 60),))
    assert lost(before, after) == []


@pytest.mark.parametrize(
    ("change", "is_lost"), [({"by_size": True}, False), ({"max_age_days": 10}, False), ({}, True)]
)
def test_l13_rotation_by_size_or_age_may_be_faster(change: dict[str, Any], *, is_lost: bool) -> None:
    turns = (rotation("auth.log", 4, **change),)
    before = facts(*weekly(5), rotations=turns)
    fresh = [changed(each, first=ago(place / 10 + 0.1)) for place, each in enumerate(weekly(5))]
    assert bool(lost(before, facts(*fresh, rotations=turns), 15)) is is_lost


@pytest.mark.parametrize("hours", [1, -1, 9])
def test_l13_summer_time_and_a_zone_set_anew_lose_nothing(hours: int) -> None:
    """Stamps without a zone are all read an hour earlier or later."""
    by = timedelta(hours=hours)
    moved = [changed(each, first=each.first + by if each.first else None) for each in FULL]
    before = facts(*FULL, rotations=WEEKLY)
    assert lost(before, facts(*moved, rotations=WEEKLY, zone_s=-hours * 3_600)) == []
    assert lost(before, facts(*moved, rotations=WEEKLY)) == [AUTH]


def test_l13_a_stamp_without_a_year_that_is_read_a_year_younger_loses_nothing() -> None:
    read = file("auth.log", 364, 1)
    assert lost(facts(read), facts(changed(read, first=ago(364 - 365), size=30_000))) == []
    assert lost(facts(read), facts(changed(read, first=ago(364 - 367), size=30_000))) == [AUTH]


def test_l13_an_emptied_btmp_is_lost_although_an_empty_one_proves_nothing() -> None:
    turns = (rotation("btmp", 1, 30),)
    before = facts(file("btmp", 20, 1), rotations=turns)
    assert lost(before, facts(file("btmp", None, 0, size=0), rotations=turns)) == ["btmp:/var/log/btmp"]
    rotated = facts(file("btmp", None, 0, size=0), file("btmp.1", None, 30, size=0), rotations=turns)
    assert lost(before, rotated, 40) == []


@pytest.mark.parametrize(
    ("oldest", "limit", "is_lost"),
    [
        (400, None, False),
        (369, None, False),  # by its size journald deletes a file of a month at most
        (360, None, True),
        (30, None, True),
        (30, 30 * 86_400, False),  # MaxRetentionSec
        (None, None, True),
    ],
)
def test_l13_a_vacuumed_journal_is_lost(oldest: float | None, limit: int | None, *, is_lost: bool) -> None:
    def journal(days: float | None) -> LogsFacts:
        first = None if days is None else ago(days)
        kept = msgspec.structs.replace(KEPT_JOURNAL, first_auth=first, max_retention_s=limit)
        return facts(journal=kept)

    assert lost(journal(400), journal(oldest), 1) == ["journal"] * is_lost


def test_a_reading_replaces_the_one_before_and_what_cannot_be_told_keeps_it() -> None:
    history = remembered(facts(CURRENT), 3)
    (reading,) = watch(facts(changed(CURRENT, size=25_000)), history, CLOCK)
    assert reading.startswith(f"@{AUTH}={int(NOW.timestamp())}/")
    hidden = facts(changed(CURRENT, first=None, undated=Reason.DENIED))
    (kept,) = watch(hidden, history, CLOCK)
    assert kept == f"@{AUTH}={history.readings(SAFEGUARD)[AUTH]}"
    assert list(watch(hidden, History(), CLOCK)) == []


def test_a_host_with_countless_logs_leaves_a_bounded_history() -> None:
    many = [changed(CURRENT, series=f"/srv/{n}.log", family="/srv/*.log") for n in range(500)]
    assert len(list(watch(facts(*many), History(), CLOCK))) == 64


@given(st.text(max_size=40))
def test_a_history_written_by_another_hand_is_no_fault(text: str) -> None:
    reading = parse(text)
    assert reading is None or parse(reading.text()) == reading


def test_a_reading_is_read_as_it_was_written() -> None:
    for reading in (Reading(look=1), Reading(look=9, oldest=2, first=3, size=4, kept=-1, zone=-3_600)):
        assert parse(reading.text()) == reading
