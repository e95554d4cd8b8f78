"""Who may touch the logs, whether they are turned over, and what is sent away."""

from typing import Any

import msgspec
import pytest

from checks.model import Result
from collectors.probes.logs import Forward, LogFolder
from tests.checks.log_facts import (
    FAIL,
    NA,
    PASS,
    RUNS,
    UNKNOWN,
    WARN,
    WTMP,
    ago,
    facts,
    file,
    judge,
    of,
    results,
    rotation,
)

# --- integrity -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, ""),
        ({"owner": "syslog"}, ""),
        ({"group": "root", "mode": 0o600}, ""),
        ({"mode": 0o660}, ""),
        ({"mode": 0o644}, "readable by all"),
        ({"mode": 0o642}, "writable by all"),
        ({"owner": "tanaka"}, "owned by another user"),
        ({"group": "staff", "mode": 0o660}, "writable by another group"),
    ],
)
def test_a_log_others_may_touch_fails_beside_its_span(change: dict[str, Any], fault: str) -> None:
    outcomes = [one for one in judge(facts(file("auth.log", 400, 0, **change))) if one.subject.name == "auth"]
    assert outcomes[0].result is PASS
    assert [one.result for one in outcomes[1:]] == ([FAIL] if fault else [])
    assert all(one.summary.english() == f"1 of 1 files: {fault}" for one in outcomes[1:])


def test_the_modes_of_a_stock_debian_12_alarm_nobody() -> None:
    """auth.log root:adm 0640, wtmp root:utmp 0664, btmp root:utmp 0660."""
    stock = (file("auth.log", 400, 0), WTMP, file("btmp", 400, 1))
    assert set(results(judge(facts(*stock))).values()) == {PASS, NA}
    assert len(judge(facts(*stock))) == 4


def test_a_btmp_readable_by_all_fails() -> None:
    """Passwords typed into the name's place stand in it."""
    outcomes = [one for one in judge(facts(file("btmp", 400, 1, mode=0o664))) if one.subject.name == "btmp"]
    assert [one.result for one in outcomes] == [PASS, FAIL]


# --- rotation itself -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "more", "expected"),
    [
        ({}, {}, PASS),
        ({"last_run": ago(7.9)}, {}, PASS),
        ({"last_run": ago(8.1)}, {}, FAIL),
        ({"last_run": ago(60)}, {"booted_s": 3_600}, PASS),  # it was off
        ({"last_run": ago(60), "timer": "masked"}, {"booted_s": 3_600}, FAIL),
        ({"timer": "masked"}, {}, WARN),
        ({"timer": "masked", "last_run": ago(4)}, {}, FAIL),
        ({"timer": "disabled", "systemd": False}, {}, PASS),  # cron does it
        ({"timer": "absent"}, {}, PASS),
        ({"timer": "absent", "cron": False}, {}, WARN),
        ({"last_run": None}, {}, FAIL),
        ({"last_run": None}, {"host_days": 1}, NA),
        ({"last_run": None}, {"host_days": None}, UNKNOWN),
        ({"last_run": None, "hidden": True}, {}, UNKNOWN),
    ],
)
def test_a_rotation_that_does_not_run_is_found(
    change: dict[str, Any], more: dict[str, Any], expected: Result
) -> None:
    run = msgspec.structs.replace(RUNS, **change)
    logs = facts(file("auth.log", 400, 0), rotations=(rotation("auth.log", 60),), run=run)
    assert of(judge(logs, **more), "rotation").result is expected


def test_rotation_is_not_judged_where_nothing_depends_on_it() -> None:
    run = msgspec.structs.replace(RUNS, last_run=None)
    assert "rotation" not in results(judge(facts(file("auth.log", 400, 0), run=run)))


# --- folders ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "owner", "group", "mode", "fault"),
    [
        ("/var/log", "root", "root", 0o755, ""),
        ("/var/log", "root", "syslog", 0o775, ""),  # Ubuntu
        ("/var/log", "root", "root", 0o777, "writable by all"),
        ("/var/log", "root", "root", 0o1777, "writable by all"),
        ("/var/log", "root", "staff", 0o775, "writable by another group"),
        ("/var/log", "tanaka", "root", 0o755, "owned by another user"),
        ("/var/log/audit", "root", "adm", 0o750, ""),
        ("/srv/app", "www-data", "www-data", 0o775, ""),  # an application's own
        ("/srv/app", "www-data", "www-data", 0o757, "writable by all"),
    ],
)
def test_l20_a_folder_in_which_others_may_replace_logs_fails(
    path: str, owner: str, group: str, mode: int, fault: str
) -> None:
    folder = LogFolder(path=path, owner=owner, group=group, mode=mode)
    found = [one for one in judge(facts(WTMP, folders=(folder,))) if one.subject.kind == "log-folder"]
    assert [one.result for one in found] == ([FAIL] if fault else [])
    assert all(fault in one.summary.english() for one in found)


# --- what is sent away -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "selector", "warned"),
    [
        ("udp", "*.*", True),
        ("unused", "*.*", True),
        ("suspended", "?", True),
        ("tcp", "*.*", False),
        ("relp", "auth.*", False),
        ("udp", "mail.*", False),
    ],
)
def test_l15_forwarding_that_loses_records_is_remarked(kind: str, selector: str, *, warned: bool) -> None:
    forward = Forward(daemon="rsyslog", kind=kind, selector=selector)
    found = [one for one in judge(facts(WTMP, forwards=(forward,))) if one.subject.kind == "log-forwarding"]
    assert [one.result for one in found] == [WARN] * warned


def test_l15_a_rule_that_nothing_includes_sends_nothing_away() -> None:
    """So a short log is short, and no archive may hold the rest."""
    unused = Forward(daemon="rsyslog", kind="unused", selector="*.*")
    assert of(judge(facts(file("auth.log", 30, 0), forwards=(unused,))), "auth").result is FAIL
