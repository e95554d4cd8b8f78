"""Log-ins after the last day, and when the log says that an account was closed."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from checks.model import History, Outcome, Result, Sighting
from checks.retired_accounts import ID, Limits
from collectors.evidence import Reason
from collectors.probes.events import Event, EventKind
from collectors.probes.logins import LastLogIn, OpenSession
from collectors.probes.residue import Home
from config.duration import Duration
from tests.checks.account_facts import (
    CLOCK,
    LONG_AGO,
    NOW,
    TODAY,
    account,
    accounts,
    by_subject,
    days,
    events,
    judge,
    logins,
    residue,
    shadow,
    shadows,
    unknown,
)

LEFT = CLOCK.end_of(LONG_AGO)
DEADLINE = datetime(2026, 2, 1, 15, 0, tzinfo=UTC)
CLOSED: dict[str, Any] = {
    "accounts": accounts(account("sato")),
    "shadow": shadows(shadow("sato", expire_day=TODAY - 1)),
}
OPEN: dict[str, Any] = {**CLOSED, "shadow": shadows(shadow("sato"))}
USE = ("use", "sato")


def _event(kind: str, at: datetime, name: str = "sato", **more: Any) -> Event:
    return Event(at=at, kind=EventKind(kind), name=name, **{"method": "publickey", **more})


def _use(**given: Any) -> Outcome | None:
    return by_subject(judge(**given)).get(USE)


@pytest.mark.parametrize("scene", [CLOSED, OPEN, {}], ids=("closed", "open", "deleted"))
def test_a_log_in_after_the_last_day_fails_with_its_time(scene: dict[str, Any]) -> None:
    """Criterion 29, A17: whatever became of the account and of the command."""
    outcome = _use(**scene, events=events(_event("accepted", LEFT + days(3))))
    assert outcome is not None
    assert outcome.result is Result.FAIL
    assert "2026-02-03 15:00 UTC" in outcome.summary.english()
    assert "publickey" in outcome.actual.english()


@pytest.mark.parametrize(
    ("event", "result"),
    [
        (_event("accepted", LEFT - timedelta(seconds=1)), Result.PASS),
        (_event("accepted", LEFT), Result.FAIL),
        (_event("opened", LEFT + days(1), method="login"), Result.FAIL),
        (_event("expired-refused", LEFT + days(1)), Result.PASS),
        (_event("lock", LEFT + days(1)), Result.PASS),
        (_event("accepted", LEFT + days(1), name="mori"), Result.PASS),
    ],
)
def test_only_what_let_the_person_in_after_the_last_day_is_use(event: Event, result: Result) -> None:
    """A18: a refusal is no log-in."""
    outcome = _use(**CLOSED, events=events(event))
    assert outcome is not None
    assert outcome.result is result


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"covered_from": NOW - days(21)}, Reason.NO_SOURCE),
        ({"covered_from": LEFT + timedelta(seconds=1)}, Reason.NO_SOURCE),
        ({"covered_from": NOW - days(21), "hidden": Reason.TRUNCATED}, Reason.TRUNCATED),
        ({"covered_to": NOW - days(2)}, Reason.NO_SOURCE),
        ({"covered_from": None, "covered_to": None, "hidden": Reason.DENIED}, Reason.DENIED),
        ({"covered_from": None, "covered_to": None}, Reason.NO_SOURCE),
        ({"asked": frozenset({"mori"})}, Reason.NOT_COLLECTED),
        ({"log_ins": False}, Reason.NO_SOURCE),
        ({"covered_from": LEFT}, None),
        ({"covered_to": NOW - timedelta(hours=23)}, None),
    ],
)
def test_absence_is_proven_only_by_a_log_of_the_whole_time(
    more: dict[str, Any], reason: Reason | None
) -> None:
    """Criterion 30: left two months ago, the log covers three weeks."""
    outcome = _use(**CLOSED, events=events(**more))
    assert outcome is not None
    assert outcome.reason is reason
    assert outcome.result is (Result.UNKNOWN if reason else Result.PASS)


def test_without_the_log_absence_is_unknown_for_its_reason() -> None:
    outcome = _use(**CLOSED, events=unknown(Reason.TIMEOUT))
    assert outcome is not None
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.TIMEOUT)


def test_who_left_long_ago_or_never_was_here_is_not_asked_for() -> None:
    short = Limits(use_judged_within=Duration("58d"))
    assert _use(**CLOSED, options=short) is None
    assert _use(**CLOSED, options=Limits(use_judged_within=Duration("59d"))) is not None
    late = events(_event("accepted", LEFT + days(3)))
    found = _use(**CLOSED, options=short, events=late)
    assert found is not None
    assert found.result is Result.FAIL
    assert _use() is None
    assert _use(residue=residue(homes=(Home(name="sato", uid=1777, owner=None),))) is not None


# --- records beside the log


def _record(at: datetime | None, source: str = "wtmp", name: str = "sato") -> LastLogIn:
    return LastLogIn(name=name, at=at, source=source, line="pts/0")


@pytest.mark.parametrize("scene", [CLOSED, OPEN, {}], ids=("closed", "open", "deleted"))
@pytest.mark.parametrize("source", ["wtmp", "lastlog", "wtmp.db", "lastlog2.db"])
def test_one_record_after_the_last_day_proves_a_log_in(scene: dict[str, Any], source: str) -> None:
    """A14, A16: whatever the log says or does not say."""
    found = logins(log_ins=(_record(LEFT - days(9)), _record(LEFT + days(3), source)))
    for log in (events(), unknown(Reason.DENIED)):
        outcome = _use(**scene, events=log, logins=found)
        assert outcome is not None
        assert outcome.result is Result.FAIL
        assert "2026-02-03 15:00 UTC" in outcome.summary.english()
        assert outcome.actual.english() == f"log-in on pts/0, says {source}"


@pytest.mark.parametrize(
    ("at", "result"),
    [
        (LEFT - timedelta(seconds=1), Result.PASS),
        (LEFT, Result.FAIL),
        (NOW + timedelta(hours=1), Result.FAIL),
        (NOW + days(2), Result.UNKNOWN),
        (None, Result.UNKNOWN),
    ],
)
def test_a_record_counts_by_its_time_and_one_without_is_no_absence(
    at: datetime | None, result: Result
) -> None:
    """L17: a clock that was wrong accuses nobody, and clears nobody."""
    outcome = _use(**CLOSED, logins=logins(log_ins=(_record(at),)))
    assert outcome is not None
    assert outcome.result is result
    other = _use(**CLOSED, logins=logins(log_ins=(_record(at, name="mori"),)))
    assert other is not None
    assert other.result is Result.PASS


def test_no_record_beside_the_log_is_no_absence() -> None:
    """Criterion 30, A14: `ssh HOST COMMAND` leaves none; left two months ago, the log covers three weeks."""
    outcome = _use(**CLOSED, events=events(covered_from=NOW - days(21)), logins=logins())
    assert outcome is not None
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.NO_SOURCE)


def test_records_that_did_not_arrive_may_hold_a_log_in() -> None:
    """Criterion 9: a lost section clears nobody; a data base without its tool is no loss, the log counts."""
    outcome = _use(**CLOSED, logins=unknown(Reason.PROBE_CUT))
    assert outcome is not None
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.PROBE_CUT)
    proven = _use(**CLOSED, logins=unknown(Reason.PROBE_CUT), events=events(_event("accepted", LEFT)))
    assert proven is not None
    assert proven.result is Result.FAIL
    toolless = _use(**CLOSED, logins=logins(unread={"wtmp.db": Reason.NO_TOOL}))
    assert toolless is not None
    assert toolless.result is Result.PASS


def test_a_record_says_that_the_person_was_here() -> None:
    assert _use(logins=logins(log_ins=(_record(LEFT - days(9)),))) is not None


@pytest.mark.parametrize("scene", [CLOSED, OPEN, {}], ids=("closed", "open", "deleted"))
@pytest.mark.parametrize("source", ["utmp", "logind"])
def test_a_session_that_outlives_the_account_fails_until_it_is_gone(
    scene: dict[str, Any], source: str
) -> None:
    """Criterion 26, A19: also when what runs in it is root's, so that no process has the leaver's uid."""
    session = OpenSession(name="sato", since=LEFT - days(9), source=source, line="sshd")
    outcome = by_subject(judge(**scene, logins=logins(sessions=(session,))))["account", "sato"]
    assert outcome.result is Result.FAIL
    assert "open session (sshd since 2026-01-22 15:00 UTC)" in outcome.actual.english()
    other = OpenSession(name="mori", since=None, source=source, line="sshd")
    passed = by_subject(judge(**CLOSED, logins=logins(sessions=(other,))))["account", "sato"]
    assert passed.result is Result.PASS


@pytest.mark.parametrize(
    "hidden",
    [
        unknown(Reason.DENIED),
        logins(unread={"utmp": Reason.DENIED}),
        logins(unread={"logind": Reason.DENIED}),
    ],
)
def test_sessions_that_cannot_be_seen_are_unknown(hidden: Any) -> None:
    outcome = by_subject(judge(**CLOSED, logins=hidden))["account", "sato"]
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.DENIED)


# --- the time it took, by the log


def _change(at: datetime, before: date | None, after: date | None, **more: Any) -> Event:
    return _event("expire-change", at, before=before, after=after, **more)


PAST = date(2026, 1, 1)
_FAR = (PAST - date(1970, 1, 1)).days


def _time(*found: Event, day: int = _FAR, **given: Any) -> Outcome:
    scene = {"accounts": accounts(account("sato")), "shadow": shadows(shadow("sato", expire_day=day))}
    return by_subject(judge(**{**scene, "events": events(*found), **given}))["disable-time", "sato"]


IN_TIME = DEADLINE - timedelta(hours=1)
LATE = DEADLINE + days(2)


@pytest.mark.parametrize(
    ("found", "result"),
    [
        ((_event("lock", IN_TIME), _change(LATE, None, PAST)), Result.FAIL),
        ((_event("lock", IN_TIME),), Result.UNKNOWN),
        ((_change(IN_TIME, None, PAST),), Result.PASS),
        ((_change(DEADLINE, None, PAST),), Result.PASS),
        ((_change(DEADLINE + timedelta(seconds=1), None, PAST),), Result.FAIL),
        # Closed before, to another day that was past as well: the first one counts.
        ((_change(IN_TIME, None, date(2026, 1, 2)), _change(LATE, date(2026, 1, 2), PAST)), Result.PASS),
        # Closed before by what writes no dates: not known when.
        ((_change(LATE, date(2026, 1, 2), PAST),), Result.UNKNOWN),
        # Between these two the date was changed without a line: the earlier one proves nothing.
        ((_change(IN_TIME, None, date(2026, 1, 3)), _change(LATE, date(2026, 1, 2), PAST)), Result.UNKNOWN),
        # It was open again in between.
        (
            (_change(IN_TIME, None, PAST), _change(IN_TIME, PAST, None), _change(LATE, None, PAST)),
            Result.FAIL,
        ),
        # Open until a day to come.
        ((_change(LATE, date(2027, 1, 1), PAST),), Result.FAIL),
        # Not the date that stands now, or not a date.
        ((_change(IN_TIME, None, date(2026, 1, 3)),), Result.UNKNOWN),
        ((_change(IN_TIME, None, PAST, plain=False),), Result.UNKNOWN),
        ((_change(IN_TIME, None, PAST, name="mori"),), Result.UNKNOWN),
        # Somebody got in afterwards.
        ((_change(IN_TIME, None, PAST), _event("accepted", IN_TIME + timedelta(minutes=1))), Result.UNKNOWN),
        ((_event("shell-change", IN_TIME),), Result.UNKNOWN),
    ],
)
def test_the_line_that_set_the_date_is_the_closing(found: tuple[Event, ...], result: Result) -> None:
    """Criterion 28: a locked password is not closed."""
    outcome = _time(*found)
    assert outcome.result is result
    if result is not Result.UNKNOWN:
        assert "says the log" in outcome.actual.english()


def test_a_date_set_in_advance_closes_on_its_day() -> None:
    day = (DEADLINE.date() - date(1970, 1, 1)).days + 1
    set_early = _change(DEADLINE - days(9), None, date(1970, 1, 1) + timedelta(days=day))
    outcome = _time(set_early, day=day)
    assert outcome.result is Result.FAIL
    assert "2026-02-02 00:00 UTC and 2026-02-02 00:00 UTC" in outcome.actual.english()


@pytest.mark.parametrize(
    ("found", "result"),
    [
        ((_event("delete-user", IN_TIME),), Result.PASS),
        ((_event("delete-user", LATE),), Result.UNKNOWN),
        ((_event("accepted", LATE - timedelta(hours=1)), _event("delete-user", LATE)), Result.FAIL),
        ((_change(IN_TIME, None, PAST), _event("delete-user", LATE)), Result.PASS),
        ((_change(LATE - timedelta(hours=1), None, PAST), _event("delete-user", LATE)), Result.FAIL),
    ],
)
def test_a_deleted_account_was_closed_when_deleted_at_the_latest(
    found: tuple[Event, ...], result: Result
) -> None:
    assert _time(*found, accounts=accounts(), shadow=shadows()).result is result


def test_a_line_older_than_a_run_that_saw_it_open_is_not_the_closing() -> None:
    history = History(
        target="host", run=1, as_of=LATE, seen={f"{ID}:open:sato": Sighting(first=LATE, last=LATE)}
    )
    assert _time(_change(IN_TIME, None, PAST), history=history).result is Result.FAIL
