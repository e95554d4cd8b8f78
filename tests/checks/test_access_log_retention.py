"""The judgement on access logs: facts by hand, the oldest record against the promise."""

from datetime import datetime
from typing import Any

import msgspec
import pytest

from checks.access_log_retention import Retention, access_log_retention
from checks.catalogue import catalogue
from checks.model import Clock, History, Outcome, Result, Target
from collectors.evidence import Reason, TargetKind
from collectors.facts import Unknown
from collectors.probes.log_files import LogFile, PowerCut
from collectors.probes.logrotate_config import Rotation
from collectors.probes.logs import Audit, Forward
from config.duration import Duration
from config.model import AccessLog
from tests.checks.log_facts import (
    FAIL,
    KEPT_JOURNAL,
    NA,
    NO_JOURNAL,
    NOW,
    PASS,
    UNKNOWN,
    WARN,
    WTMP,
    ago,
    facts,
    file,
    host,
    judge,
    of,
    results,
    rotation,
    weekly,
)

# --- the acceptance criteria -----------------------------------------------------------------------------


def test_criterion_33_a_year_configured_but_three_weeks_there_on_an_old_host_fails() -> None:
    logs = facts(*weekly(3), rotations=(rotation("auth.log", 52),))
    auth = of(judge(logs, host_days=730), "auth")
    assert auth.result is FAIL
    assert "2026-11-01 (21 d)" in auth.actual.english()
    assert "52 files of 7 d" in auth.actual.english()


def test_criterion_34_the_same_on_a_host_three_weeks_old_passes_since_installation() -> None:
    logs = facts(*weekly(3), rotations=(rotation("auth.log", 52),))
    auth = of(judge(logs, host_days=21), "auth")
    assert auth.result is PASS
    assert "since installation" in auth.summary.english()


def test_criterion_35_the_default_of_wtmp_fails_once_it_was_rotated() -> None:
    logs = facts(file("wtmp", 10, 1), file("wtmp.1", 40, 10), rotations=(rotation("wtmp", 1, 30),))
    for host_days in (730, 40):
        assert of(judge(logs, host_days=host_days), "wtmp").result is FAIL


def test_criterion_36_a_volatile_journal_without_a_syslog_daemon_fails() -> None:
    journal = msgspec.structs.replace(NO_JOURNAL, volatile=True)
    auth = of(judge(facts(journal=journal)), "auth")
    assert auth.result is FAIL
    assert "reboot" in auth.summary.english()


def test_criterion_37_a_persistent_journal_with_a_log_in_of_400_days_ago_passes() -> None:
    journal = msgspec.structs.replace(KEPT_JOURNAL, first_auth=ago(400))
    auth = of(judge(facts(journal=journal)), "auth")
    assert auth.result is PASS
    assert "by size" in auth.actual.english()


def test_criterion_38_four_weeks_here_and_the_rest_in_an_archive_is_unknown() -> None:
    forward = Forward(daemon="rsyslog", kind="tcp", selector="auth,authpriv.*")
    logs = facts(*weekly(4), rotations=(rotation("auth.log", 4),), forwards=(forward,))
    auth = of(judge(logs), "auth")
    assert (auth.result, auth.reason) == (UNKNOWN, Reason.OUTSIDE_HOST)


def test_criterion_40_an_audit_log_turned_over_within_two_days_fails() -> None:
    logs = facts(
        file("audit/audit.log", 0.4, 0),
        file("audit/audit.log.4", 2, 1.5),
        audit=Audit(installed=True, action="rotate", keeps=4),
    )
    audit = of(judge(logs), "audit")
    assert audit.result is FAIL
    assert "configured: /var/log/audit/audit.log rotate" in audit.actual.english()


# --- the span --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "host_days", "rotate", "expected"),
    [
        (365, 730, 60, PASS),
        (364.9, 730, 60, WARN),  # one rotation short, and the configuration suffices
        (358, 730, 60, WARN),
        (357, 730, 60, FAIL),
        (364.9, 730, 30, FAIL),
        (420, 730, 60, PASS),
        (420, 730, 4, WARN),  # there now, but configured to go
        (21, 21, 4, FAIL),  # L4: young, and four weeks will never make a year
        (21, 21, 52, PASS),
        (18, 21, 52, PASS),
        (17, 21, 52, FAIL),  # the days since installation are not all there
        (21, None, 52, UNKNOWN),  # an unknown age is no young host
        (21, None, 4, FAIL),
        (400, None, 52, PASS),
    ],
)
def test_the_oldest_record_decides(
    first: float, host_days: float | None, rotate: int, expected: Result
) -> None:
    logs = facts(file("auth.log", first, 0), rotations=(rotation("auth.log", rotate),))
    assert of(judge(logs, host_days=host_days), "auth").result is expected


def test_the_promise_sets_the_span() -> None:
    logs = facts(*weekly(5), rotations=(rotation("auth.log", 4),))
    assert of(judge(logs, keep="35d"), "auth").result is PASS
    assert of(judge(logs, keep="36d"), "auth").result is FAIL


@pytest.mark.parametrize(
    ("settings", "young", "old"),
    [
        ((rotation("auth.log", 9, by_size=True),), WARN, FAIL),
        ((rotation("auth.log", 99, max_age_days=30),), FAIL, FAIL),
        ((rotation("auth.log", None),), PASS, FAIL),
        ((), PASS, FAIL),  # nothing rotates it
    ],
)
def test_what_configuration_predicts_counts_only_for_a_young_host(
    settings: tuple[Rotation, ...], young: Result, old: Result
) -> None:
    logs = facts(file("auth.log", 21, 0), rotations=settings)
    assert of(judge(logs, host_days=21), "auth").result is young
    assert of(judge(logs, host_days=730), "auth").result is old


def test_rotation_by_an_unknown_hand_promises_nothing() -> None:
    logs = facts(*weekly(3))
    assert of(judge(logs, host_days=21), "auth").reason is Reason.UNDETERMINED


def test_a_record_from_the_future_is_no_record() -> None:
    assert of(judge(facts(file("auth.log", -3, 0))), "auth").result is UNKNOWN


def test_an_empty_log_is_never_a_pass() -> None:
    assert of(judge(facts(file("auth.log", None, 0, size=0)), host_days=1), "auth").result is FAIL
    assert of(judge(facts(), host_days=1), "auth").result is FAIL


# --- are log-ins written there? --------------------------------------------------------------------------

VISITED = Target(target="web-01", kind=TargetKind.HOST, audit_user="tenken")


def test_l18_a_log_without_any_line_about_a_log_in_is_no_pass() -> None:
    quiet = file("auth.log", 400, 0, size=900, first_auth=None)
    auth = of(judge(facts(quiet)), "auth")
    assert (auth.result, auth.reason) == (UNKNOWN, Reason.NO_OBSERVATION)


@pytest.mark.parametrize(
    ("login", "expected"),
    [(ago(0), PASS), (ago(0.04), PASS), (ago(0.05), FAIL), (ago(300), FAIL), (None, UNKNOWN)],
)
def test_l18_the_log_in_of_the_inspection_itself_must_be_in_the_log(
    login: datetime | None, expected: Result
) -> None:
    """SyslogFacility, LogLevel QUIET, `sshd -E`, a syslog daemon that writes it elsewhere or not at all."""
    log = file("auth.log", 400, 0, last_login=login)
    assert of(judge(facts(log), target=VISITED), "auth").result is expected
    journal = msgspec.structs.replace(KEPT_JOURNAL, first_auth=ago(400), last_login=login)
    assert of(judge(facts(journal=journal), target=VISITED), "auth").result is expected


def test_l18_a_host_that_was_not_logged_in_to_owes_no_log_in() -> None:
    """Transport = "local"."""
    assert of(judge(facts(file("auth.log", 400, 0, last_login=ago(300)))), "auth").result is PASS


def test_l18_log_ins_in_another_source_do_not_prove_this_one() -> None:
    journal = msgspec.structs.replace(KEPT_JOURNAL, first_auth=ago(30), last_login=ago(0))
    logs = facts(file("auth.log", 400, 0, last_login=ago(20)), journal=journal)
    assert of(judge(logs, target=VISITED), "auth").result is FAIL


def test_l11_an_empty_log_while_sshd_runs_fails() -> None:
    """The log-in of the inspection would be in it."""
    logs = facts(file("auth.log", None, 0, size=0), file("auth.log.1", 400, 3))
    assert of(judge(logs, target=VISITED), "auth").result is FAIL


# --- which source ----------------------------------------------------------------------------------------


def test_the_best_source_of_log_ins_decides_and_both_are_named() -> None:
    journal = msgspec.structs.replace(KEPT_JOURNAL, first_auth=ago(400))
    outcomes = judge(facts(*weekly(4), journal=journal, rotations=(rotation("auth.log", 4),)))
    auth = of(outcomes, "auth")
    assert auth.result is PASS
    assert "/var/log/auth.log 2026-10-25 (28 d)" in auth.actual.english()
    assert "journal 2025-10-18 (400 d)" in auth.actual.english()


def test_two_short_sources_fail_once() -> None:
    journal = msgspec.structs.replace(KEPT_JOURNAL, first_auth=ago(30))
    auth = of(judge(facts(*weekly(4), journal=journal)), "auth")
    assert auth.result is FAIL
    assert "30 days" in auth.summary.english()


def test_the_journals_other_entries_are_no_log_ins() -> None:
    journal = KEPT_JOURNAL
    assert of(judge(facts(journal=journal)), "auth").result is FAIL


def test_a_journal_that_deletes_by_time_is_questioned() -> None:
    journal = msgspec.structs.replace(KEPT_JOURNAL, first_auth=ago(400), max_retention_s=30 * 86_400)
    assert of(judge(facts(journal=journal)), "auth").result is WARN


def test_a_journal_that_is_no_longer_kept_is_questioned() -> None:
    """What an earlier Storage=persistent left is not added to."""
    journal = msgspec.structs.replace(KEPT_JOURNAL, first_auth=ago(400))
    found = [
        of(judge(facts(journal=msgspec.structs.replace(journal, storage=storage))), "auth")
        for storage in ("auto", "persistent", "volatile", "none")
    ]
    assert [it.result for it in found] == [PASS, PASS, WARN, WARN]
    assert "Storage=volatile" in found[2].summary.english()


def test_a_mixed_log_that_nobody_is_known_to_turn_over_may_be_turned_over_by_its_daemon() -> None:
    """Busybox's syslogd keeps one file of 200 KB beside the one it writes; a young host has not got there."""
    mixed = file("messages", 10, 0, family="auth", first_auth=ago(10))
    assert of(judge(facts(mixed), host_days=10), "auth").result is UNKNOWN
    kept = facts(mixed, rotations=(rotation("messages", 60),))
    assert of(judge(kept, host_days=10), "auth").result is PASS
    assert of(judge(facts(file("auth.log", 10, 0)), host_days=10), "auth").result is PASS


def test_a_leftover_log_does_not_stand_in_for_the_one_that_is_written() -> None:
    logs = facts(*weekly(3), file("secure", 500, 100))
    assert of(judge(logs), "auth").result is FAIL


@pytest.mark.parametrize(
    ("rotate", "oldest", "result", "words"),
    [
        (4, (1_100, 1_095), FAIL, "records reach back 35 days, and beyond that none is younger than"),
        (4, (400, 200), FAIL, "records reach back 35 days, and beyond that none is younger than"),
        # no silence that is questioned: the records are there
        (4, (400, 36), WARN, "the configuration keeps less"),
        # the setting keeps them, so the host may have been quiet
        (60, (400, 200), WARN, "no record between"),
    ],
)
def test_l6_a_file_that_rotation_left_over_is_no_record_of_the_time_since(
    rotate: int, oldest: tuple[float, float], result: Result, words: str
) -> None:
    """With dateext logrotate forgets the files that it had numbered, and they stay for ever."""
    logs = facts(*weekly(5), file("auth.log.9.gz", *oldest), rotations=(rotation("auth.log", rotate),))
    found = of(judge(logs), "auth")
    assert (found.result, words in found.summary.english()) == (result, True)


@pytest.mark.parametrize(
    ("rotate", "days", "result"),
    [(400, 0, UNKNOWN), (8_760, 0, PASS), (None, 0, PASS), (300, 0, FAIL), (400, 1, PASS)],
)
def test_l6_hours_may_be_hours_or_days(rotate: int | None, days: int, result: Result) -> None:
    """Logrotate rotates hourly only where it is run hourly; a young host has nothing but the setting."""
    logs = facts(file("auth.log", 10, 0), rotations=(rotation("auth.log", rotate, days),))
    assert of(judge(logs, host_days=10), "auth").result is result


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("*.*", UNKNOWN),
        ("?", UNKNOWN),
        ("auth,authpriv.*", UNKNOWN),
        ("mail.*", FAIL),
        ("*.*;auth,authpriv.none", FAIL),
    ],
)
def test_only_a_forward_that_may_carry_log_ins_leaves_it_open(selector: str, expected: Result) -> None:
    forward = Forward(daemon="rsyslog", kind="udp", selector=selector)
    assert of(judge(facts(*weekly(4), forwards=(forward,))), "auth").result is expected
    assert of(judge(facts(forwards=(forward,))), "auth").result is expected


# --- what was not seen -----------------------------------------------------------------------------------


def test_an_unreadable_log_is_unknown() -> None:
    logs = facts(
        file("auth.log", None, 0, undated=Reason.DENIED),
        file("auth.log.1", None, 7, undated=Reason.DENIED),
        file("btmp", None, 0, undated=Reason.DENIED),
        WTMP,
        rotations=(rotation("auth.log", 4),),
    )
    outcomes = judge(logs)
    assert (of(outcomes, "auth").result, of(outcomes, "auth").reason) == (UNKNOWN, Reason.DENIED)
    assert of(outcomes, "btmp").reason is Reason.DENIED
    assert of(outcomes, "wtmp").result is PASS


@pytest.mark.parametrize(
    "reason",
    [Reason.DENIED, Reason.CORRUPT, Reason.TIMEOUT, Reason.NO_TOOL, Reason.UNDETERMINED, Reason.LIMIT],
)
def test_older_files_that_were_not_read_may_hold_the_rest(reason: Reason) -> None:
    older = file("auth.log.3.gz", None, 21, undated=reason)
    assert of(judge(facts(*weekly(3), older)), "auth").reason is reason


def test_a_newer_file_that_was_not_read_changes_nothing() -> None:
    newer = file("auth.log", None, 0, undated=Reason.CORRUPT)
    assert of(judge(facts(newer, *weekly(3)[1:])), "auth").result is FAIL


def test_a_hidden_journal_alone_is_unknown() -> None:
    journal = msgspec.structs.replace(NO_JOURNAL, hidden=Reason.DENIED)
    assert of(judge(facts(journal=journal)), "auth").reason is Reason.DENIED


def test_without_the_platform_no_host_is_young() -> None:
    missing = Unknown(reason=Reason.PROBE_CUT, evidence="x#platform")
    logs = facts(*weekly(3), rotations=(rotation("auth.log", 52),))
    clock = Clock(as_of=NOW, zone="UTC")
    outcomes = access_log_retention(
        logs, missing, target=host(), options=Retention(), clock=clock, history=History()
    )
    auth = of(outcomes, "auth")
    assert auth.reason is Reason.UNDETERMINED


# --- silence ---------------------------------------------------------------------------------------------


def test_a_log_that_is_no_longer_written_fails_however_old_it_is() -> None:
    assert of(judge(facts(file("auth.log", 500, 6.5))), "auth").result is FAIL
    assert of(judge(facts(file("auth.log", 500, 5.5))), "auth").result is PASS
    stopped = msgspec.structs.replace(KEPT_JOURNAL, first_auth=ago(500), last=ago(30))
    assert of(judge(facts(journal=stopped)), "auth").result is FAIL


def test_an_empty_log_does_not_hide_that_writing_stopped() -> None:
    logs = facts(file("auth.log", None, 0, size=0), file("auth.log.1", 500, 10))
    assert of(judge(logs), "auth").result is FAIL


def test_a_missing_week_inside_is_named() -> None:
    whole = weekly(60)
    gone = (*whole[:20], *whole[21:])
    assert of(judge(facts(*whole)), "auth").result is PASS
    auth = of(judge(facts(*gone)), "auth")
    assert auth.result is WARN
    assert auth.summary.english() == "no record between 2026-06-28 and 2026-07-05"


def test_l11_an_empty_rotated_file_fails() -> None:
    """Nothing at all was written from one rotation to the next: logging was broken."""
    whole = list(weekly(60))
    whole[20] = file("auth.log.20.gz", None, 140, size=20, empty=True)
    auth = of(judge(facts(*whole)), "auth")
    assert auth.result is FAIL
    assert "between 2026-06-28 and 2026-07-05" in auth.summary.english()


def test_l11_empty_files_of_quiet_days_are_no_gap() -> None:
    """Rotated daily without `notifempty`, on a host that nobody logged in to over a weekend."""
    days = [file(f"auth.log.{day}", day + 1, day) for day in range(1, 400)]
    days[10] = file("auth.log.11", None, 11, size=0)
    assert of(judge(facts(file("auth.log", 1, 0), *days)), "auth").result is PASS


@pytest.mark.parametrize(
    ("off", "on", "expected"),
    [
        (146.9, 140.1, PASS),
        (146.9, 143, PASS),  # off for four of the seven days
        (146.9, 146.3, WARN),
        (148, 139, PASS),
        (139, 130, WARN),
    ],
)
def test_l12_days_without_records_are_explained_by_a_host_that_was_off(
    off: float, on: float, expected: Result
) -> None:
    whole = weekly(60)
    cut = PowerCut(off=ago(off), on=ago(on))
    auth = of(judge(facts(*whole[:20], *whole[21:], power_cuts=(cut,))), "auth")
    assert auth.result is expected


# --- wtmp, btmp, audit, declared -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "rotations", "expected"),
    [
        ((WTMP,), (), PASS),
        ((WTMP,), (rotation("wtmp", 1, 30),), WARN),
        ((WTMP,), (rotation("wtmp", 12, 30),), PASS),
        ((file("wtmp", 40, 1),), (rotation("wtmp", 1, 30),), WARN),
        ((file("wtmp", 40, 1), file("wtmp.1", 400, 40)), (rotation("wtmp", 12, 30),), PASS),
        ((file("wtmp", 40, 1), file("wtmp.1", 70, 40)), (rotation("wtmp", 12, 30),), FAIL),
        ((file("wtmp", None, 1, size=0),), (), WARN),
        ((), (), NA),
    ],
)
def test_wtmp_is_judged_by_its_oldest_record(
    files: tuple[LogFile, ...], rotations: tuple[Rotation, ...], expected: Result
) -> None:
    assert of(judge(facts(*files, rotations=rotations)), "wtmp").result is expected


def test_an_empty_btmp_proves_nothing() -> None:
    """Debian 13's stays empty whatever happens (trap A16)."""
    assert of(judge(facts(file("btmp", None, 1, size=0))), "btmp").result is NA
    assert of(judge(facts()), "btmp").result is NA


def test_a_wtmp_that_became_a_data_base_is_unknown() -> None:
    assert of(judge(facts(file("wtmp", None, 1, size=0), wtmpdb=True)), "wtmp").reason is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    ("installed", "files", "action", "expected"),
    [
        (False, (), "", NA),
        (True, (), "rotate", WARN),
        (True, (file("audit/audit.log", 400, 0),), "keep_logs", PASS),
        (True, (file("audit/audit.log", 400, 0),), "suspend", WARN),
        (True, (file("audit/audit.log", 400, 30),), "keep_logs", FAIL),
        (True, (file("audit/audit.log", None, 0, undated=Reason.DENIED),), "", UNKNOWN),
    ],
)
def test_the_audit_log_is_judged_where_there_is_an_audit_daemon(
    installed: bool,  # noqa: FBT001 (a column of the table)
    files: tuple[LogFile, ...],
    action: str,
    expected: Result,
) -> None:
    logs = facts(*files, audit=Audit(installed=installed, action=action, keeps=4))
    assert of(judge(logs), "audit").result is expected


def test_an_audit_log_kept_by_size_is_no_promise_on_a_young_host() -> None:
    logs = facts(file("audit/audit.log", 2, 0), audit=Audit(installed=True, action="rotate", keeps=4))
    assert of(judge(logs, host_days=2), "audit").result is WARN
    kept = msgspec.structs.replace(logs, audit=Audit(installed=True, action="keep_logs", keeps=4))
    assert of(judge(kept, host_days=2), "audit").result is PASS


GLOB = "/srv/app/*.log*"


def declared_log(name: str, first: float, last: float, **more: Any) -> LogFile:
    series = f"/srv/app/{name.removesuffix('.1')}"
    made = file(name, first, last, family=GLOB, series=series, **more)
    return msgspec.structs.replace(made, path=f"/srv/app/{name}")


def judge_declared(*files: LogFile, log: AccessLog | None = None, **more: Any) -> Outcome:
    outcomes = judge(facts(*files, **({"declared": (GLOB,)} | more)), declared=(log or AccessLog(path=GLOB),))
    return next(one for one in outcomes if one.subject.name == GLOB)


def test_a_declared_log_that_is_not_there_fails() -> None:
    assert judge_declared().result is FAIL


def test_a_declared_log_of_which_the_answer_says_nothing_is_unknown() -> None:
    """The answer is the host's: what it leaves out must not vanish from the report."""
    outcome = judge_declared(declared=())
    assert (outcome.result, outcome.reason) == (UNKNOWN, Reason.NOT_COLLECTED)


def test_a_log_that_is_declared_for_other_hosts_is_not_judged() -> None:
    assert GLOB not in results(judge(facts(declared=(GLOB,))))


def test_a_declared_glob_is_as_good_as_its_worst_log() -> None:
    good = declared_log("a.log", 400, 1)
    bad = (declared_log("b.log", 5, 1), declared_log("b.log.1", 20, 5))
    assert judge_declared(good).result is PASS
    assert judge_declared(good, *bad).result is FAIL


@pytest.mark.parametrize(("keep", "expected"), [(None, FAIL), ("90d", PASS), ("95d", FAIL), ("400d", FAIL)])
def test_a_declared_log_may_have_a_span_of_its_own(keep: str | None, expected: Result) -> None:
    log = AccessLog(path=GLOB, keep=Duration(keep) if keep else None)
    outcome = judge_declared(declared_log("a.log", 30, 0), declared_log("a.log.1", 90, 30), log=log)
    assert outcome.result is expected
    assert outcome.expected.english().startswith(f"records of {keep or '365d'}"[:-1])


# --- the house -------------------------------------------------------------------------------------------


def test_a_year_is_the_default() -> None:
    assert Retention().keep.days == 365


def test_the_catalogue_finds_it() -> None:
    entry = catalogue()["access-log-retention"]
    assert entry.page.title == "Access logs are kept for the promised time"
    assert {probe.name for probe in entry.probes} == {"logs", "platform"}
    assert entry.options is Retention
