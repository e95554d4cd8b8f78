"""Runs over real hosts as their operator meets them: exit statuses, damage, kill -9, the daemon."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.lastrun import last_whole_run
from agent.sites import open_site
from tests.agent.labsite import TENKEN, LabSite
from tests.lab.plugin import HostFactory, OwnHostFactory

pytestmark = pytest.mark.lab


def test_a_clean_host_with_clean_promises_ends_with_0_and_quiet_says_nothing(
    host: HostFactory, tmp_path: Path
):
    site = LabSite(tmp_path / "site", [host("clean")])
    done = site.tenken("run")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == str(site.bundles[-1])
    quiet = site.tenken("run", "-q")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    assert len(site.bundles) == 2
    assert site.verify(None, "--log", str(site.folder / "state/log/log.jsonl")).returncode == 0


def test_findings_without_anything_unmeasured_end_with_1(host: HostFactory, tmp_path: Path):
    site = LabSite(tmp_path / "site", [host(name) for name in ("clean", "leaver", "short-logs", "pending")])
    assert site.tenken("run").returncode == 1


def test_a_limited_run_is_incomplete_and_names_who_was_left_out(host: HostFactory, tmp_path: Path):
    site = LabSite(tmp_path / "site", [host("clean"), host("leaver")])
    done = site.tenken("run", "--limit", "clean", "--format", "json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["population"]["excluded"] == 1
    assert site.evidence("leaver")["status"] == "excluded"
    assert "limited" in (site.run_folder / "report/report.html").read_text()
    assert json.loads((site.run_folder / "plan.json").read_bytes())["slot"] is None
    assert site.tenken("status").returncode == 0
    # The record is there, but the promised inspection is still owed.
    assert json.loads(site.tenken("status", "--format", "json").stdout)["last_run"] == 1
    assert last_whole_run(open_site(site.folder / "tenken.toml")) is None


def test_a_dry_run_contacts_nobody(own_host: OwnHostFactory, tmp_path: Path):
    alone = own_host("clean")
    before = alone.sh("cat /var/log/auth.log").stdout
    site = LabSite(tmp_path / "site", [alone])
    done = site.tenken("run", "--dry-run")
    assert done.returncode == 0
    assert "retired-accounts" in done.stdout
    assert alone.sh("cat /var/log/auth.log").stdout == before
    assert site.bundles == []


def test_a_run_is_one_connection_with_one_command(own_host: OwnHostFactory, tmp_path: Path):
    alone = own_host("clean")
    LabSite(tmp_path / "site", [alone]).tenken("run", "-q")
    log = alone.sh("cat /var/log/auth.log").stdout
    assert log.count("Accepted publickey for root") == 1
    assert log.count("Starting session") in (0, 1)


def test_each_flipped_byte_and_each_edit_is_found(host: HostFactory, tmp_path: Path):
    site = LabSite(tmp_path / "site", [host("clean")])
    site.tenken("run", "-q")
    bundle = site.bundles[-1]
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, content in members.items():
        for at in {0, len(content) // 2, len(content) - 1}:
            flipped = bytearray(content)
            flipped[at] ^= 1
            damaged = _zip(tmp_path / "damaged.zip", {**members, name: bytes(flipped)})
            assert site.verify(damaged).returncode == 5, (name, at)
    for at in range(0, bundle.stat().st_size, 997):
        raw = bytearray(bundle.read_bytes())
        raw[at] ^= 1
        (tmp_path / "damaged.zip").write_bytes(raw)
        assert site.verify(tmp_path / "damaged.zip").returncode == 5, at


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    """Pack members in the one layout, so that nothing but the content differs."""
    from reports.container import write_archive  # noqa: PLC0415

    folder = path.with_suffix(".d")
    paths = {}
    for name, content in members.items():
        paths[name] = folder / name
        paths[name].parent.mkdir(parents=True, exist_ok=True)
        paths[name].write_bytes(content)
    with path.open("wb") as file:
        write_archive(file.fileno(), paths)
    return path


def test_the_packer_of_this_test_makes_what_verifies(host: HostFactory, tmp_path: Path):
    """Else the test above could not fail."""
    site = LabSite(tmp_path / "site", [host("clean")])
    site.tenken("run", "-q")
    with zipfile.ZipFile(site.bundles[-1]) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert site.verify(_zip(tmp_path / "again.zip", members)).returncode == 0


def test_another_key_a_missing_host_and_an_edited_verdict_are_refused(host: HostFactory, tmp_path: Path):
    site = LabSite(tmp_path / "site", [host("leaver")])
    site.tenken("run", "-q")
    other = LabSite(tmp_path / "other", [host("leaver")])
    bundle = site.bundles[-1]
    assert other.verify(bundle).returncode == 6
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    less = {name: raw for name, raw in members.items() if name != "evidence/leaver.json"}
    assert site.verify(_zip(tmp_path / "less.zip", less)).returncode != 0
    edited = members["verdicts.jsonl"].replace(b'"result":"fail"', b'"result":"pass"')
    assert edited != members["verdicts.jsonl"]
    assert site.verify(_zip(tmp_path / "edited.zip", {**members, "verdicts.jsonl": edited})).returncode != 0


def test_a_second_run_at_the_same_time_ends_with_75(own_host: OwnHostFactory, tmp_path: Path):
    site = LabSite(tmp_path / "site", [own_host("hangs")])
    with _started(site, "run", "-q") as first:
        _wait_for((site.folder / "state" / "runs").exists)
        time.sleep(0.5)
        second = site.tenken("run")
        assert second.returncode == 75
        assert "holds the state folder" in second.stderr
        first.kill()


@pytest.mark.parametrize("delay_s", [0.3, 0.7, 1.1, 1.5])
def test_after_kill_9_the_next_run_works_and_nothing_torn_is_left(
    own_host: OwnHostFactory, tmp_path: Path, delay_s: float
):
    site = LabSite(tmp_path / "site", [own_host("clean")])
    site.tenken("run", "-q")
    with _started(site, "run", "-q") as run:
        time.sleep(delay_s)
        run.kill()
    done = site.tenken("run")
    assert done.returncode in (0, 1), done.stderr
    log = (site.folder / "state/log/log.jsonl").read_bytes()
    assert log.endswith(b"\n")
    assert len(log.splitlines()) == len(site.bundles)
    for bundle in site.bundles:
        assert site.verify(bundle, "--log", str(site.folder / "state/log/log.jsonl")).returncode == 0


def test_ctrl_c_seals_what_was_read_as_incomplete(own_host: OwnHostFactory, tmp_path: Path):
    site = LabSite(tmp_path / "site", [own_host("clean"), own_host("hangs")])
    with _started(site, "run") as run:
        _wait_for(lambda: any((site.folder / "state/runs").glob(".tmp-*/evidence/clean.json")))
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=30) == 130
    assert site.evidence("clean")["status"] == "collected"
    assert site.evidence("hangs")["reason"] == "interrupted"
    assert site.verify().returncode == 0


def test_the_daemon_seals_a_run_a_slot_and_the_next_report_names_a_missed_one(
    own_host: OwnHostFactory, tmp_path: Path
):
    site = LabSite(tmp_path / "site", [own_host("clean")])
    (site.folder / "tenken.toml").write_text(
        (site.folder / "tenken.toml").read_text("utf-8")
        + '\n[schedule]\nevery = "1m"\nat = "00:00"\ngrace = "20s"\n',
        "utf-8",
    )
    with _started(site, "daemon") as daemon:
        _wait_for(lambda: len(site.bundles) >= 2, timeout_s=150)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=20) == 143
    plan = json.loads((site.run_folder / "plan.json").read_bytes())
    assert plan["missed"] == []
    assert plan["slot"] is not None
    # Sleep over a whole slot and its grace, then run by hand.
    last = datetime.fromisoformat(plan["slot"])
    _wait_for(lambda: (datetime.now(UTC) - last).total_seconds() > 85, timeout_s=120)
    status = site.tenken("status")
    assert status.returncode == 4, status.stdout
    site.tenken("run", "-q")
    plan = json.loads((site.run_folder / "plan.json").read_bytes())
    assert len(plan["missed"]) >= 1
    assert "Missed inspections" in (site.run_folder / "report/report.html").read_text("utf-8")
    assert site.tenken("status").returncode == 0


def test_hosts_are_pinned_by_trust_and_then_tested(own_host: OwnHostFactory, tmp_path: Path):
    alone = own_host("clean")
    site = LabSite(tmp_path / "site", [alone])
    pins = site.folder / "known_hosts"
    right = pins.read_text()
    pins.write_text("")
    unknown = site.tenken("hosts", "test")
    assert unknown.returncode == 3
    assert "host_key_unknown" in unknown.stdout
    assert site.tenken("hosts", "trust", "clean", "--yes").returncode == 0
    assert right.split()[2] in pins.read_text()
    assert site.tenken("hosts", "test").returncode == 0


def test_an_empty_roster_and_no_host_are_never_a_clean_run(host: HostFactory, tmp_path: Path):
    site = LabSite(tmp_path / "site", [host("clean")])
    (site.folder / "roster.csv").write_text("社員番号,アカウント,退職日\n", "utf-8")
    assert site.tenken("run", "-q").returncode == 3
    nobody = LabSite(tmp_path / "nobody", [])
    done = nobody.tenken("run")
    assert done.returncode in (2, 3), done.stdout
    nothing = LabSite(tmp_path / "nothing", [host("clean")], promises="")
    assert nothing.tenken("run").returncode == 2


def test_a_roster_with_an_impossible_date_names_file_row_and_column_and_hides_nothing(
    host: HostFactory, tmp_path: Path
):
    site = LabSite(tmp_path / "site", [host("clean")])
    with (site.folder / "roster.csv").open("a", encoding="utf-8") as file:
        file.write("E9999,nobody,2026年2月30日\n")
    checked = site.tenken("config", "check")
    assert checked.returncode == 2
    assert re.search(r"roster\.csv.*7.*退職日", checked.stderr), checked.stderr
    done = site.tenken("run", "--format", "json")
    assert done.returncode == 3
    results = {each["id"]: each["result"] for each in json.loads(done.stdout)["promises"]}
    assert results["leavers"] == "unknown"
    assert results["logs"] == "pass"


class _started(contextlib.AbstractContextManager):  # noqa: N801 (reads as a verb)
    """A command of the console script in the background; killed at the end whatever happens."""

    def __init__(self, site: LabSite, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [str(TENKEN), "--config", str(site.folder / "tenken.toml"), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "NO_COLOR": "1"},
        )

    def __enter__(self) -> "subprocess.Popen[bytes]":
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def _wait_for(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)
