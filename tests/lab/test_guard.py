"""Lab tests never pass by not running: see tests/conftest.py."""

import os
import subprocess
import sys

from tests.lab.namespace import ROOT


def run_outside(*, owed: bool) -> subprocess.CompletedProcess[str]:
    """Run a lab test file and a plain one as somebody outside of the lab would."""
    ours = {"TENKEN_LAB", "TENKEN_LAB_OWED", "PYTEST_PLUGINS"}
    environ = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q",
         "tests/lab/test_lab_itself.py", "tests/lab/test_mirror.py"],
        env=environ | ({"TENKEN_LAB_OWED": "1"} if owed else {}),
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_lab_tests_left_out_are_named_aloud_and_the_rest_still_runs() -> None:
    answer = run_outside(owed=False)
    assert "lab tests NOT RUN" in answer.stdout
    assert "3 passed" in answer.stdout
    assert answer.returncode == 0


def test_a_run_that_owes_lab_tests_fails_when_they_were_left_out() -> None:
    answer = run_outside(owed=True)
    assert "3 passed" in answer.stdout
    assert answer.returncode == 1
