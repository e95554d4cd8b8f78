"""What is logged goes to standard error, in the form that was asked for, and cannot forge a line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
HOSTILE = "x\n<0>forged\x1b[31m\u202e"


def logged(shape: str, verbosity: int, statement: str) -> list[str]:
    """Lines on standard error of a process that logs; nothing may be on standard output."""
    program = (
        "import sys\nfrom agent.logs import configure\nimport structlog\n"
        f"configure({verbosity}, {shape!r})\n"
        f"log, hostile = structlog.get_logger(), sys.argv[1]\n{statement}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, HOSTILE], capture_output=True, check=True, cwd=ROOT, text=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("shape", ["console", "json", "journald"])
@pytest.mark.parametrize(
    "statement",
    [
        "log.warning('host answered', said=hostile)",
        "log.warning(hostile)",
        "log.warning('host failed', error=ValueError(hostile))",
        "log.warning('hosts failed', hosts=(hostile,))",
        "log.warning('host failed', raw=hostile.encode())",
    ],
)
def test_what_a_host_says_is_one_harmless_line(shape: str, statement: str):
    (line,) = logged(shape, 0, statement)
    assert "\x1b" not in line
    assert "\u202e" not in line
    assert "forged" in line


def test_json_lines_are_json_with_their_time():
    (line,) = logged("json", 0, "log.warning('probe answered', host='web-01', took_s=3, whole=True)")
    event = json.loads(line)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "probe answered",
        "host": "web-01",
        "level": "warning",
        "took_s": 3,
        "whole": True,
    }


@pytest.mark.parametrize(
    ("level", "prefix"), [("debug", "<7>"), ("info", "<6>"), ("warning", "<4>"), ("error", "<3>")]
)
def test_the_journal_gets_its_priority(level: str, prefix: str):
    assert logged("journald", 2, f"log.{level}('probe answered', b=2, a=1)") == [
        f"{prefix}probe answered a=1 b=2"
    ]


@pytest.mark.parametrize(("verbosity", "events"), [(0, 2), (1, 3), (2, 4), (9, 4)])
def test_verbosity_says_more(verbosity: int, events: int):
    statement = "[getattr(log, level)('x') for level in ('debug', 'info', 'warning', 'error')]"
    assert len(logged("json", verbosity, statement)) == events


def test_console_has_no_colour_where_no_terminal_is():
    (line,) = logged("console", 0, "log.warning('x', a=1)")
    assert "\x1b" not in line
