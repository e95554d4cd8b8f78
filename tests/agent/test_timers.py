"""The printed cron line and systemd units run the inspection at its slots."""

import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from agent.slots import check_schedule
from agent.timers import cron, systemd
from config.duration import Duration
from config.model import Schedule

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
TOKYO = "Asia/Tokyo"


def schedule(every: str = "24h", at: str = "02:00", grace: str = "6h") -> Schedule:
    return Schedule(every=Duration(every), at=at, grace=Duration(grace))


@pytest.fixture
def machine_in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", TOKYO)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("every", "at", "fields"),
    [
        ("24h", "02:00", "0 2 * * *"),
        ("24h", "23:59", "59 23 * * *"),
        ("6h", "02:30", "30 2,8,14,20 * * *"),
        ("12h", "14:05", "5 2,14 * * *"),
        ("1h", "02:15", "15 * * * *"),
        ("15m", "02:05", "5,20,35,50 * * * *"),
        ("1m", "02:00", "* * * * *"),
    ],
)
def test_cron_has_the_slots_where_the_machine_keeps_the_sites_time(
    machine_in_tokyo: None, every: str, at: str, fields: str
):
    assert cron(schedule(every, at), TOKYO, "tenken", NOW) == f"{fields} tenken run -q"


@pytest.mark.parametrize(
    ("every", "grace", "minutes"),
    [("7d", "6h", "15"), ("90m", "6h", "15"), ("8m", "6h", "8"), ("7d", "5m", "5")],
)
def test_what_cron_cannot_spell_is_asked_for_often_enough(
    machine_in_tokyo: None, every: str, grace: str, minutes: str
):
    check_schedule(schedule(every))
    line = cron(schedule(every, grace=grace), TOKYO, "tenken", NOW)
    assert line == f"*/{minutes} * * * * tenken run -q --if-due"


def test_where_the_machine_keeps_another_time_the_line_asks(machine_in_tokyo: None):
    assert cron(schedule(), "Asia/Seoul", "tenken", NOW) == "0 2 * * * tenken run -q"
    assert cron(schedule(), "Europe/Berlin", "tenken", NOW).endswith("--if-due")
    # The same offset in winter only: Lisbon and London agree, Reykjavik has no summer time.
    assert cron(schedule(), "UTC", "tenken", NOW).endswith("--if-due")


def test_an_offset_that_agrees_only_half_of_the_year_does_not_count(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Europe/London")
    time.tzset()
    try:
        assert cron(schedule(), "Atlantic/Reykjavik", "tenken", NOW).endswith("--if-due")
        assert cron(schedule(), "Europe/Lisbon", "tenken", NOW) == "0 2 * * * tenken run -q"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_percent_sign_is_no_newline_for_cron_and_no_specifier_for_systemd():
    """crontab(5) would cut the command there; systemd.unit(5) would expand %h, systemd.service(5) $HOME."""
    assert r"'/srv/100\%/x' run" in cron(schedule(), TOKYO, "'/srv/100%/x'", NOW)
    assert "ExecStart='/srv/100%%/$$x' run -q" in systemd(schedule(), TOKYO, "'/srv/100%/$x'", "audit")


@pytest.mark.parametrize(
    ("every", "at", "trigger"),
    [
        ("24h", "02:00", "*-*-* 2:0:00 Asia/Tokyo"),
        ("6h", "02:30", "*-*-* 2,8,14,20:30:00 Asia/Tokyo"),
        ("15m", "00:00", "*-*-* *:0,15,30,45:00 Asia/Tokyo"),
        ("1m", "00:00", "*-*-* *:*:00 Asia/Tokyo"),
        ("7d", "02:00", "*:0/15"),
        ("8m", "00:00", "*:0/8"),
    ],
)
def test_systemd_has_the_slots_in_the_sites_zone(every: str, at: str, trigger: str):
    units = systemd(schedule(every, at), TOKYO, "tenken", "audit")
    assert f"\nOnCalendar={trigger}\n" in units
    assert ("--if-due" in units) is (" " not in trigger)
    answer = subprocess.run(
        ["systemd-analyze", "calendar", "--base-time=2026-11-22 03:00:00 UTC", trigger],
        capture_output=True,
        text=True,
        check=False,
        env={"TZ": "UTC0", "PATH": "/usr/bin:/bin"},
    )
    assert answer.returncode == 0, answer.stderr
    assert re.search(r"Next elapse: ", answer.stdout)


def test_findings_do_not_make_the_unit_fail_and_a_missed_start_is_caught_up():
    units = systemd(schedule(), TOKYO, "tenken", "audit")
    assert "\nSuccessExitStatus=1\n" in units
    assert "\nPersistent=true\n" in units
    assert "\nUser=audit\n" in units
