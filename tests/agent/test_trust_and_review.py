"""Trust file and review on the command line, from `init` to an auditor who verifies."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.agent.test_cli import TENKEN, call, tenken
from tests.reports.people import officer, sign
from tests.tsa import Authority, serving


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    assert tenken("init", "--example", folder).returncode == 0
    assert call(folder, "run", "-q").returncode in (0, 1, 3)
    return folder


def _use(site: Path, version: int) -> Path:
    toml = site / "tenken.toml"
    text = toml.read_text("utf-8")
    line = f'trust = "trust/trust-{version}.json"'
    if "[paths]" not in text:
        text += f"\n[paths]\n{line}\n"
    else:
        text = text.replace(f"trust/trust-{version - 1}.json", f"trust/trust-{version}.json")
    toml.write_text(text, "utf-8")
    return site / "trust" / f"trust-{version}.json"


def test_an_officer_reviews_a_run_and_the_auditor_reads_it(site: Path, tmp_path: Path) -> None:
    officer(tmp_path)
    key = tmp_path / "officer"
    done = call(site, "trust", "officer", "officer", "--key", key.with_suffix(".pub"))
    assert done.returncode == 0, done.stderr
    trust = _use(site, 2)
    assert "officer officer (review)" in call(site, "trust", "show").stdout
    assert call(site, "review", "list").stdout.count("not reviewed") == 1
    document = tmp_path / "review.json"
    decision = ("--as", "officer", "--decision", "accepted", "--comment", "点検しました")
    done = call(site, "review", "write", *decision, "--out", document)
    assert done.returncode == 0, done.stderr
    (tmp_path / "review.json.sig").write_bytes(sign(key, document.read_bytes()))
    done = call(site, "review", "add", document)
    assert (done.returncode, done.stdout) == (0, "run 1 is accepted by officer\n")
    (run,) = json.loads(call(site, "review", "list", "--format", "json").stdout)
    assert (run["decision"], run["principal"]) == ("accepted", "officer")
    (bundle,) = (site / "state/bundles").glob("*.zip")
    found = tenken("verify", "--trust", trust, "--log", site / "state/log/log.jsonl", bundle)
    assert found.returncode == 0, found.stdout
    assert "reviews: accepted by officer" in found.stdout
    # The next run comes after it, and the chain holds.
    assert call(site, "run", "-q").returncode in (0, 1, 3)
    bundles = sorted((site / "state/bundles").glob("*.zip"))
    found = tenken("verify", "--trust", trust, "--log", site / "state/log/log.jsonl", *bundles)
    assert found.returncode == 0, found.stdout


def test_an_officer_at_this_machine_signs_in_one_step_with_file_or_agent(site: Path, tmp_path: Path) -> None:
    officer(tmp_path)
    key = tmp_path / "officer"
    assert call(site, "trust", "officer", "officer", "--key", key.with_suffix(".pub")).returncode == 0
    _use(site, 2)
    decision = ("--as", "officer", "--decision")
    done = call(site, "review", "sign", *decision, "returned", "--key", key)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "run 1 is returned by officer"), done.stderr
    # A new key, held by an agent alone; what the former one signed stays good.
    officer(tmp_path, "second")
    script = f'ssh-add -q {tmp_path}/second && rm {tmp_path}/second && exec "$@"'
    assert call(site, "trust", "officer", "officer", "--key", tmp_path / "second.pub").returncode == 0
    _use(site, 3)
    command = [TENKEN, "--config", site / "tenken.toml", "review", "sign", *decision, "accepted"]
    done = subprocess.run(
        ["ssh-agent", "sh", "-c", script, "sh", *command, "--key", tmp_path / "second.pub"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "run 1 is accepted by officer"
    (bundle,) = (site / "state/bundles").glob("*.zip")
    log = site / "state/log/log.jsonl"
    found = tenken("verify", "--trust", site / "trust/trust-3.json", "--log", log, bundle)
    assert (found.returncode, "reviews: accepted by officer" in found.stdout) == (0, True), found.stdout


def test_a_stranger_cannot_review_and_the_log_stays_as_it_is(site: Path, tmp_path: Path) -> None:
    officer(tmp_path)
    done = call(
        site, "review", "sign", "--as", "officer", "--decision", "accepted", "--key", tmp_path / "officer"
    )
    assert done.returncode == 2
    assert "knows no officer officer" in done.stderr
    assert len((site / "state/log/log.jsonl").read_bytes().splitlines()) == 1


def test_an_authority_is_taken_into_the_trust_file_under_the_root_that_was_given(
    site: Path, tmp_path: Path
) -> None:
    lab, other = Authority.make(tmp_path / "lab"), Authority.make(tmp_path / "other")
    toml = site / "tenken.toml"
    with serving(lab.answer) as url:
        toml.write_text(toml.read_text("utf-8") + f'\n[[tsa]]\nname = "tsa1"\nurl = "{url}"\n', "utf-8")
        done = call(site, "config", "check")
        assert (done.returncode, "trust file does not name it" in done.stderr) == (2, True)
        wrong = call(site, "trust", "tsa", "tsa1", "--root", other.folder / "root.pem")
        assert (wrong.returncode, "root certificate of that authority" in wrong.stderr) == (2, True)
        done = call(site, "trust", "tsa", "tsa1", "--root", lab.folder / "root.pem")
        assert done.returncode == 0, done.stderr
        trust = _use(site, 2)
        assert call(site, "config", "check").returncode == 0
        assert call(site, "run", "-q").returncode in (0, 1, 3)
    newest = sorted((site / "state/bundles").glob("*.zip"))[1]
    found = tenken("verify", "--trust", trust, newest)
    assert (found.returncode, "Z by tsa1" in found.stdout) == (0, True), found.stdout
