"""The command line as operators and programs meet it: what it prints, where, and its exit statuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TENKEN = Path(sys.executable).with_name("tenken")


def tenken(
    *arguments: object, cwd: Path | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(TENKEN), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site that inspects this machine; nothing may change it."""
    folder = tmp_path_factory.mktemp("example") / "site"
    done = tenken("init", "--example", folder)
    assert done.returncode == 0, done.stderr
    ran = tenken("--config", folder / "tenken.toml", "run", "-q")
    assert ran.returncode in (0, 1, 3), ran.stderr
    return folder


@pytest.fixture
def copy(example: Path, tmp_path: Path) -> Path:
    """The same site, to break."""
    folder = tmp_path / "site"
    subprocess.run(["cp", "-a", str(example), str(folder)], check=True)
    return folder


def call(site: Path, *arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    return tenken("--config", site / "tenken.toml", *arguments, **environment)


def test_init_refuses_a_folder_that_is_a_site_already(example: Path):
    done = tenken("init", example)
    assert done.returncode == 2
    assert "is there already" in done.stderr


def test_the_site_folder_keeps_its_secrets_to_its_owner(example: Path):
    assert (example.stat().st_mode & 0o777) == 0o700
    assert ((example / "keys" / "seal").stat().st_mode & 0o777) == 0o600


def test_a_second_run_is_a_second_entry_of_the_log(copy: Path):
    assert call(copy, "run", "-q").returncode in (0, 1, 3)
    assert len((copy / "state/log/log.jsonl").read_bytes().splitlines()) == 2
    log = copy / "state/log/log.jsonl"
    bundles = sorted((copy / "state/bundles").glob("*.zip"))
    done = tenken("verify", "--trust", copy / "trust/trust-1.json", "--log", log, *bundles)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("VERIFIED") == 2


def test_a_run_ends_with_the_bundles_path_on_standard_output(copy: Path):
    done = call(copy, "run")
    assert done.stdout.splitlines()[-1].endswith("-000002.zip")
    assert Path(done.stdout.splitlines()[-1]).exists()


def test_json_is_one_document_and_nothing_else(copy: Path):
    done = call(copy, "run", "--format", "json")
    answer = json.loads(done.stdout)
    assert answer["run"] == 2
    assert answer["exit_status"] == done.returncode
    assert sum(each["counts"]["pass"] for each in answer["promises"]) > 0


def test_no_escape_sequence_without_a_terminal(example: Path):
    for arguments in (("report",), ("status",), ("hosts", "list"), ("config", "check")):
        done = call(example, *arguments)
        assert "\x1b" not in done.stdout + done.stderr


def test_every_configuration_error_comes_at_once_with_its_line(copy: Path):
    text = (copy / "tenken.toml").read_text("utf-8")
    text = text.replace('timezone = "', 'timezon = "').replace("disable_within", "disable_withn")
    (copy / "tenken.toml").write_text(text.replace('transport = "local"', 'transport = "loca"'), "utf-8")
    done = call(copy, "run")
    assert done.returncode == 2
    assert done.stdout == ""
    for hint in ('did you mean "timezone"', 'did you mean "disable_within"', 'did you mean "local"'):
        assert hint in done.stderr
    lines = [line for line in done.stderr.splitlines() if "tenken.toml:" in line]
    assert len(lines) == 3


@pytest.mark.parametrize("missing", ["keys/seal", "trust/trust-1.json", "roster.csv", "journal"])
def test_config_check_names_what_is_missing(copy: Path, missing: str):
    path = copy / missing
    path.rename(path.with_name("elsewhere"))
    done = call(copy, "config", "check")
    assert done.returncode == 2
    assert path.name in done.stderr


def test_a_roster_that_names_nobody_is_an_error_of_config_check_and_unknown_in_a_run(copy: Path):
    (copy / "roster.csv").write_text("社員番号,アカウント,退職日\n", "utf-8")
    assert call(copy, "config", "check").returncode == 2
    done = call(copy, "run", "--format", "json")
    assert done.returncode == 3
    (leavers,) = (each for each in json.loads(done.stdout)["promises"] if each["id"] == "leavers-accounts")
    assert leavers["result"] == "unknown"


def test_a_journal_that_is_gone_is_unknown_in_a_run_and_hides_nothing(copy: Path):
    (copy / "journal").rename(copy / "elsewhere")
    done = call(copy, "run", "--format", "json")
    assert done.returncode == 3
    results = {each["id"]: each["result"] for each in json.loads(done.stdout)["promises"]}
    assert results["mailed-files"] == "unknown"
    assert results["password-changes"] != "unknown"


def test_a_missing_signing_key_stops_the_run_before_anything_is_contacted(copy: Path):
    (copy / "keys/seal").unlink()
    done = call(copy, "run")
    assert done.returncode == 2
    assert len((copy / "state/log/log.jsonl").read_bytes().splitlines()) == 1


def test_a_key_is_never_overwritten(copy: Path):
    before = (copy / "keys/seal").read_bytes()
    assert call(copy, "key", "new").returncode == 2
    assert (copy / "keys/seal").read_bytes() == before


def test_key_show_prints_no_private_half(example: Path):
    done = call(example, "key", "show", "--format", "json")
    answer = json.loads(done.stdout)
    assert answer["fingerprint"].startswith("SHA256:")
    secret = (example / "keys/seal").read_text().splitlines()[1]
    assert secret not in done.stdout
    assert answer["vkey"] in (example / "trust/trust-1.json").read_text()


def test_a_dry_run_shows_hosts_and_safeguards_and_seals_nothing(copy: Path):
    done = call(copy, "run", "--dry-run", "--format", "json")
    rows = json.loads(done.stdout)
    assert done.returncode == 0
    assert {row["target"] for row in rows} == {"this-machine", "journal", "roster"}
    assert len(list((copy / "state/bundles").glob("*.zip"))) == 1


def test_if_due_does_nothing_when_no_slot_is_open(copy: Path):
    """The example's slot of the day was answered or is not open; a second look finds nothing owed."""
    call(copy, "run", "-q")
    count = len(list((copy / "state/bundles").glob("*.zip")))
    done = call(copy, "run", "--if-due")
    assert (done.returncode, done.stdout) == (0, "")
    assert len(list((copy / "state/bundles").glob("*.zip"))) == count


def test_a_limit_that_matches_nothing_is_an_error(example: Path):
    done = call(example, "run", "--limit", "this-machin")
    assert done.returncode == 2
    assert "this-machine" in done.stderr


def test_report_shows_a_bundle_from_any_place(example: Path, tmp_path: Path):
    (bundle,) = (example / "state/bundles").glob("*.zip")
    shown = tenken("report", bundle, "--format", "html", "-o", tmp_path / "again.html", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    sealed = example / "state/runs/000001/report/report.html"
    assert (tmp_path / "again.html").read_bytes() == sealed.read_bytes()


def test_verify_of_no_bundle_at_all_is_not_verified(example: Path, tmp_path: Path):
    trust = example / "trust/trust-1.json"
    (tmp_path / "text.zip").write_text("no bundle")
    assert tenken("verify", "--trust", trust, tmp_path / "text.zip").returncode == 5
    assert tenken("verify", "--trust", trust, tmp_path / "missing.zip").returncode == 2
    assert tenken("verify", "--trust", tmp_path / "text.zip", tmp_path / "text.zip").returncode == 2


def test_verify_against_another_hash_of_the_trust_file_is_untrusted(example: Path):
    (bundle,) = (example / "state/bundles").glob("*.zip")
    done = tenken("verify", "--trust", example / "trust/trust-1.json", "--trust-sha256", "0" * 64, bundle)
    assert done.returncode == 6


def test_status_says_overdue_before_the_first_run(tmp_path: Path):
    assert tenken("init", "--example", tmp_path / "site").returncode == 0
    done = call(tmp_path / "site", "status", "--format", "json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["last_run"] is None


def test_checks_are_listed_and_shown(example: Path):
    listed = json.loads(tenken("checks", "list", "--format", "json").stdout)
    assert {each["id"] for each in listed} >= {
        "retired-accounts", "access-log-retention", "password-rotation", "patch-currency",
        "mail-attachment-encryption",
    }  # fmt: skip
    for each in listed:
        shown = tenken("checks", "show", each["id"])
        assert shown.returncode == 0
        assert each["title"] in shown.stdout
    assert tenken("checks", "show", "nothing").returncode == 2


def test_the_configuration_is_found_by_the_environment(example: Path, tmp_path: Path):
    done = tenken("status", cwd=tmp_path, TENKEN_CONFIG=str(example / "tenken.toml"))
    assert done.returncode == 0, done.stderr


def test_a_broken_pipe_is_no_fault(example: Path):
    pipe = f"'{TENKEN}' --config '{example / 'tenken.toml'}' report --format html | head -c 10"
    done = subprocess.run(["sh", "-c", pipe], capture_output=True, text=True, check=False)
    assert "fault" not in done.stderr
    assert "Traceback" not in done.stderr


def test_log_lines_are_json_on_standard_error_when_asked(copy: Path):
    done = tenken("--config", copy / "tenken.toml", "-v", "--log-format", "json", "run", "-q")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["target"] for line in lines if line["event"] == "target judged"} == {
        "this-machine", "journal", "roster",
    }  # fmt: skip
