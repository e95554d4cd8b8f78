"""What is said of programs that run code whose files were replaced, and of what asks for a restart."""

from datetime import UTC, datetime, timedelta

import pytest

from checks.model import Clock, History, Outcome, Result, Sighting
from checks.patches import Limits
from checks.restart import judge_mapped, watch_mapped
from collectors.evidence import Reason
from collectors.facts import Known, Unknown
from collectors.probes.mapped import MappedFacts, Replaced

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
CLOCK = Clock(as_of=NOW, zone="Asia/Tokyo")


def days(number: float) -> timedelta:
    return timedelta(days=number)


def program(name: str = "sshd", *files: str, up: float = 100, processes: int = 1) -> Replaced:
    return Replaced(
        name=name, processes=processes, started=NOW - days(up), files=files or ("libcrypto.so.3",)
    )


def facts(*replaced: Replaced, seen: int = 90, unread: int = 0) -> MappedFacts:
    return MappedFacts(replaced=replaced, seen=seen, unread=unread, contained=0)


def history(last: float = 1, **first: float) -> History:
    """Yesterday's run, and how many days ago each key was first seen; `__` stands for a colon."""
    return History(
        target="h",
        run=7,
        as_of=NOW - days(1),
        seen={
            "patch-currency/mapped:" + key.replace("__", ":"): Sighting(
                first=NOW - days(ago), last=NOW - days(last)
            )
            for key, ago in first.items()
        },
    )


def judge(mapped: MappedFacts | Unknown, before: History | None = None) -> Outcome:
    fact = mapped if isinstance(mapped, Unknown) else Known(value=mapped, evidence="h#mapped")
    (outcome,) = judge_mapped(fact, Limits(), CLOCK, before or History())
    return outcome


def test_no_replaced_code_passes_with_the_number_of_processes() -> None:
    outcome = judge(facts())
    assert outcome.result is Result.PASS
    assert "90 processes" in outcome.actual.english()


def test_u8_replaced_code_in_processes_is_a_warning_that_names_them() -> None:
    outcome = judge(facts(program("cron"), program("sshd", "a.so.1", "b.so.2", processes=3)))
    assert outcome.result is Result.WARN
    assert "cron (libcrypto.so.3), sshd (3 processes: a.so.1, b.so.2)" in outcome.actual.english()


@pytest.mark.parametrize(
    ("first", "up", "result"),
    [
        (14, 100, Result.WARN),
        (14.01, 100, Result.FAIL),
        # It was restarted since, and runs what another upgrade replaced.
        (30, 14, Result.WARN),
        (30, 14.01, Result.FAIL),
    ],
)
def test_u8_replaced_code_fails_once_history_shows_it_for_longer_than_promised(
    first: float, up: float, result: Result
) -> None:
    outcome = judge(facts(program(up=up), program("cron")), history(sshd__libcrypto=first))
    assert outcome.result is result
    if result is Result.FAIL:
        assert "sshd" in outcome.actual.english()
        assert "cron" not in outcome.actual.english()


def test_a_break_in_what_was_seen_starts_the_wait_anew() -> None:
    assert judge(facts(program()), history(last=5, sshd__libcrypto=30)).result is Result.WARN


def test_another_file_or_another_program_has_a_wait_of_its_own() -> None:
    before = history(sshd__libz=30, cron__libcrypto=30)
    assert judge(facts(program()), before).result is Result.WARN


def test_the_next_upgrade_of_a_library_does_not_start_the_wait_anew() -> None:
    one = watch_mapped(facts(program("sshd", "libgnutls.so.30.34.3")))
    assert set(one) == set(watch_mapped(facts(program("sshd", "libgnutls.so.30.34.4")))) == {"sshd:libgnutls"}


@pytest.mark.parametrize("replaced", [(), (program(),)])
def test_maps_that_may_not_be_read_are_unknown_and_never_none(replaced: tuple[Replaced, ...]) -> None:
    outcome = judge(facts(*replaced, unread=40))
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.DENIED)
    assert ("sshd" in outcome.actual.english()) == bool(replaced)


def test_what_is_surely_late_fails_also_where_others_may_not_be_looked_at() -> None:
    assert judge(facts(program(), unread=40), history(sshd__libcrypto=30)).result is Result.FAIL


def test_no_process_at_all_is_no_observation() -> None:
    assert judge(facts(seen=0)).reason is Reason.NO_OBSERVATION


def test_unknown_maps_are_unknown() -> None:
    assert judge(Unknown(reason=Reason.TIMEOUT, evidence="h#mapped")).reason is Reason.TIMEOUT
