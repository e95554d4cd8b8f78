"""Lab tests run inside the lab only; what was left out is said aloud, and fails a run that owes it.

`TENKEN_LAB_OWED=1` marks a run that owes lab tests: it fails when one was left out or skipped, or none ran.
"""

import os

import pytest

_INSIDE = os.environ.get("TENKEN_LAB") == "1"
_HOW = "python -m tests.lab run -- .venv/bin/pytest -m lab"
_ran: set[str] = set()
_left_out: set[str] = set()


@pytest.hookimpl(trylast=True)  # what -m or -k took out was not asked for
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    lab_items = [item for item in items if item.get_closest_marker("lab")]
    if lab_items and not _INSIDE:
        _left_out.update(item.nodeid for item in lab_items)
        config.hook.pytest_deselected(items=lab_items)
        items[:] = [item for item in items if item not in lab_items]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if "lab" in report.keywords:
        if report.skipped:
            _left_out.add(report.nodeid)
        elif report.when == "call":
            _ran.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("TENKEN_LAB_OWED") == "1" and (_left_out or not _ran) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _left_out:
        terminalreporter.write_line(f"{len(_left_out)} lab tests NOT RUN; they need root: {_HOW}", red=True)
    if os.environ.get("TENKEN_LAB_OWED") == "1":
        terminalreporter.write_line(f"lab tests owed: {len(_ran)} ran, {len(_left_out)} left out", bold=True)
