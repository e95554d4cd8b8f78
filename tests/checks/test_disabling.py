"""When an account was closed: what proves it, in falling order, and what does not."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from checks.model import Clock, History, Outcome, Result, Sighting
from checks.retired_accounts import ID
from collectors.evidence import Reason
from collectors.probes.events import Event, EventKind
from collectors.probes.logins import LastLogIn
from tests.checks.account_facts import (
    NOW,
    account,
    accounts,
    by_subject,
    days,
    events,
    judge,
    logins,
    names,
    shadow,
    shadows,
    unknown,
)

# Left on 31 January; the day ends in Tokyo at 15:00 UTC, and 24 hours are given.
DEADLINE = datetime(2026, 2, 1, 15, 0, tzinfo=UTC)
IN_TIME = DEADLINE - timedelta(hours=1)
LATE = DEADLINE + days(2)
PAST = date(1970, 1, 2)
"""what `usermod -e 1` sets"""


def _event(kind: str, at: datetime, **more: Any) -> Event:
    return Event(at=at, kind=EventKind(kind), name="sato", **{"method": "publickey", **more})


def _closed(*found: Event, changed: datetime = NOW, expire_day: int = 1, **given: Any) -> dict[str, Any]:
    """An account that is closed; by default its files were edited today and say nothing of when."""
    entry = given.pop("entry", {})
    return {
        "accounts": accounts(account("sato"), shadow_changed=changed),
        "shadow": shadows(shadow("sato", expire_day=expire_day, **entry)),
        "events": events(*found),
        **given,
    }


def _time(**given: Any) -> Outcome:
    return by_subject(judge(**given))["disable-time", "sato"]


def _seen(**at: datetime) -> History:
    sightings = {f"{ID}:{state}:sato": Sighting(first=it, last=it) for state, it in at.items()}
    return History(target="host", run=7, as_of=max(at.values()), seen=sightings)


# --- evidence


def test_runs_before_and_after_the_closing_are_the_interval() -> None:
    history = _seen(open=LATE, closed=LATE + days(1))
    outcome = _time(**_closed(), history=history)
    assert outcome.result is Result.FAIL
    assert outcome.actual.english() == (
        "closed between 2026-02-03 15:00 UTC and 2026-02-04 15:00 UTC, says an earlier run"
    )


def test_of_a_lock_and_a_later_expiry_date_the_second_is_the_closing() -> None:
    """Criterion 28: `usermod -L` closes the password, not the account."""
    lock = _event("lock", IN_TIME)
    expired = _event("expire-change", LATE, before=None, after=PAST)
    outcome = _time(**_closed(lock, expired))
    assert outcome.result is Result.FAIL
    assert outcome.actual.english() == (
        "closed between 2026-02-03 15:00 UTC and 2026-02-03 15:00 UTC, says the log"
    )


def test_the_line_of_a_deletion_ends_the_interval() -> None:
    gone = {"accounts": accounts(), "shadow": shadows()}
    assert _time(**{**_closed(_event("delete-user", IN_TIME)), **gone}).result is Result.PASS
    assert _time(**{**_closed(_event("delete-user", LATE)), **gone}).result is Result.UNKNOWN


def test_a_date_set_in_advance_is_the_closing_itself() -> None:
    """Shadow was last changed before that day, so it was open until then and closed from then on."""
    day = (DEADLINE - datetime(1970, 1, 1, tzinfo=UTC)).days
    in_time = _time(**_closed(changed=DEADLINE - days(9), expire_day=day))
    late = _time(**_closed(changed=DEADLINE - days(9), expire_day=day + 1))
    assert (in_time.result, late.result) == (Result.PASS, Result.FAIL)
    assert "2026-02-02 00:00 UTC and 2026-02-02 00:00 UTC, says the expiry date" in late.actual.english()


@pytest.mark.parametrize(
    ("changed", "result"),
    [(DEADLINE, Result.PASS), (DEADLINE + timedelta(seconds=1), Result.UNKNOWN), (NOW, Result.UNKNOWN)],
)
def test_the_files_last_change_proves_in_time_and_later_nothing(changed: datetime, result: Result) -> None:
    """Any later edit moves it."""
    assert _time(**_closed(changed=changed)).result is result


def test_without_evidence_the_time_is_undetermined_while_the_account_is_judged() -> None:
    found = by_subject(judge(**_closed(events=unknown(Reason.DENIED))))
    assert found["account", "sato"].result is Result.PASS
    time = found["disable-time", "sato"]
    assert (time.result, time.reason) == (Result.UNKNOWN, Reason.UNDETERMINED)
    assert "closed between ? and 2026-03-31 12:00 UTC" in time.actual.english()


# --- what is no evidence


@pytest.mark.parametrize(
    "more",
    [
        # A23: `usermod -e 1` may have been run at any time.
        {"expire_day": 1},
        {"expire_day": 20_000},
        # The password's date stays when the account is locked, and moves when it is not.
        {"entry": {"changed_day": 20_000}},
        {"entry": {"state": "locked"}},
        # chage(1), passwd -l and passwd -u write lines without a date, which are not even told.
        {"found": (_event("lock", IN_TIME),)},
        {"found": (_event("shell-change", IN_TIME),)},
        {"found": (_event("expired-refused", IN_TIME),)},
        {"found": (_event("delete-user", IN_TIME),)},
        {"found": (_event("expire-change", IN_TIME, before=None, after=PAST, plain=False),)},
        {"found": (_event("expire-change", IN_TIME, before=None, after=date(2026, 1, 1)),)},
    ],
    ids=str,
)
def test_what_does_not_say_when_says_nothing(more: dict[str, Any]) -> None:
    more = dict(more)
    found = more.pop("found", ())
    state = more.get("entry", {}).pop("state", None)
    given = _closed(*found, **more)
    if state:
        given["shadow"] = shadows(shadow("sato", state, expire_day=1))
    outcome = _time(**given)
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.UNDETERMINED)


def test_files_of_this_host_say_nothing_of_an_account_that_another_source_had() -> None:
    """Gone from a directory: passwd(5), last changed long ago, did not close it."""
    gone = {**_closed(), "accounts": accounts(passwd_changed=IN_TIME), "shadow": shadows()}
    given = {**gone, "logins": logins(log_ins=(_record(IN_TIME - days(30)),))}
    assert _time(**given).result is Result.PASS
    elsewhere = names(sources=("files", "extrausers"))
    assert _time(**given, names=elsewhere).result is Result.UNKNOWN


def _record(at: datetime) -> LastLogIn:
    return LastLogIn(name="sato", at=at, source="wtmp", line="pts/0")


# --- the interval


def test_a_log_in_was_let_in_so_it_was_open_then() -> None:
    """The lower end needs no line of a closing."""
    outcome = _time(**_closed(_event("accepted", LATE)))
    assert outcome.result is Result.FAIL
    assert outcome.actual.english() == (
        "closed between 2026-02-03 15:00 UTC and 2026-03-31 12:00 UTC, says a log-in"
    )
    assert _time(**_closed(_event("accepted", DEADLINE))).result is Result.UNKNOWN
    assert _time(**_closed(_event("accepted", NOW + days(1)))).result is Result.UNKNOWN


def test_a_terminal_opened_in_an_old_session_is_no_log_in_that_found_it_open() -> None:
    assert _time(**_closed(), logins=logins(log_ins=(_record(LATE),))).result is Result.UNKNOWN


def test_a_closing_before_it_was_open_again_does_not_hold() -> None:
    """Its own line, and the file's change, when a run or a log-in found it open afterwards."""
    expired = _event("expire-change", IN_TIME, before=None, after=PAST)
    assert _time(**_closed(expired)).result is Result.PASS
    again = _event("accepted", IN_TIME + timedelta(minutes=1))
    assert _time(**_closed(expired, again)).result is Result.UNKNOWN
    assert _time(**_closed(expired), history=_seen(open=LATE)).result is Result.FAIL
    assert _time(**_closed(changed=IN_TIME), history=_seen(open=LATE)).result is Result.FAIL


def test_a_log_that_was_not_read_never_proves_more() -> None:
    """Criterion 9."""
    for line in (_event("accepted", LATE), _event("expire-change", LATE, before=None, after=PAST)):
        for changed in (IN_TIME, NOW):
            given = _closed(line, changed=changed)
            whole = _time(**given)
            cut = _time(**{**given, "events": unknown(Reason.PROBE_CUT)})
            assert whole.result is cut.result or cut.result is Result.UNKNOWN


@pytest.mark.parametrize(
    ("zone", "deadline"),
    [
        ("Asia/Tokyo", datetime(2026, 2, 1, 15, tzinfo=UTC)),
        ("UTC", datetime(2026, 2, 2, 0, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 2, 2, 5, tzinfo=UTC)),
    ],
)
def test_the_deadline_is_counted_in_the_organisations_zone(zone: str, deadline: datetime) -> None:
    """From the end of the leaving day there; a closing at the very deadline is in time."""
    clock = Clock(as_of=NOW, zone=zone)
    for at, result in ((deadline, Result.PASS), (deadline + timedelta(seconds=1), Result.FAIL)):
        outcome = _time(**_closed(_event("expire-change", at, before=None, after=PAST)), clock=clock)
        assert outcome.result is result
        assert outcome.expected.english() == f"closed by {deadline:%Y-%m-%d %H:%M} UTC"
