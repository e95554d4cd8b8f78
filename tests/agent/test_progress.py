"""On a terminal a run shows one line that is redrawn and leaves nothing behind; elsewhere nothing at all."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from agent.progress import wanted

RUN = """
import sys, time
from agent.progress import Bar
from checks.model import Result
from collectors.evidence import Status
with Bar() as bar:
    bar.start({total}, "inspecting")
    for number in range({done}):
        result = Result.FAIL if number % 50 == 0 else Result.PASS
        status = Status.UNREACHABLE if number % 100 == 7 else Status.COLLECTED
        bar.advance(f"host-{{number}}", status, result)
    time.sleep(0.3)
    {end}
print("tenken: after", file=sys.stderr)
"""


def on_a_terminal(program: str, columns: int = 80) -> str:
    """Run a program whose standard error is a terminal, and return what it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "LINES"}}
    running = subprocess.Popen(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], env={**env, "TERM": "xterm"},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    pieces = []
    try:
        while piece := os.read(ours, 4_096):
            pieces.append(piece)
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
        running.wait(20)
    return b"".join(pieces).decode()


def frames(text: str) -> list[str]:
    """What stood on the line, one redrawing after the other."""
    return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", each).strip() for each in re.split(r"\r|\n", text)]


@pytest.mark.parametrize("columns", [30, 60, 80, 200])
def test_five_thousand_hosts_are_one_line_whatever_the_width(columns: int) -> None:
    text = on_a_terminal(RUN.format(total=5_000, done=5_000, end=""), columns)
    shown = [frame for frame in frames(text) if frame and "after" not in frame]
    assert shown
    assert max(map(len, shown)) <= columns
    # A line that is redrawn is gone back to, never left: the cursor went down only for the words after it.
    assert text.count("\n") - text.count("\x1b[1A") == 1
    assert text.endswith("tenken: after\r\n")


def test_it_counts_hosts_done_failing_and_not_measured_and_tells_the_time_left() -> None:
    text = on_a_terminal(RUN.format(total=400, done=200, end=""), 100)
    assert "None" not in text
    last = [frame for frame in frames(text) if "done" in frame][-1]
    assert "200/400 done, 4 failing, 2 not measured" in last
    assert re.search(r"(-:--:--|\d+:\d\d:\d\d)$", last)


def test_a_line_of_the_log_stands_above_the_bar_and_leaves_no_piece_of_it_behind() -> None:
    said = 'structlog.get_logger().error("roster not read")'
    program = "import structlog\nfrom agent import logs\nlogs.configure(0, 'console')\n"
    text = on_a_terminal(program + RUN.format(total=400, done=200, end=said), 100)
    before, _, after = text.partition("roster not read")
    assert "\x1b[2K" in before.rpartition("done,")[2], "the bar is erased before the line is written"
    assert "done," in after


def test_an_exception_leaves_a_clean_terminal() -> None:
    text = on_a_terminal(RUN.format(total=400, done=200, end="raise KeyboardInterrupt"), 80)
    cleaned = text[: text.index("Traceback")]
    assert cleaned.rstrip("\r\n").endswith("\x1b[2K")
    assert "\x1b[?25h" in cleaned  # the cursor is shown again


def test_nothing_is_shown_without_a_terminal_or_when_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    try:
        with os.fdopen(theirs, "w") as terminal:
            monkeypatch.setenv("TERM", "xterm")
            monkeypatch.setattr(sys, "stderr", terminal)
            assert wanted(quiet=False)
            assert not wanted(quiet=True)
        with Path(os.devnull).open("w") as nowhere:
            monkeypatch.setattr(sys, "stderr", nowhere)
            assert not wanted(quiet=False)
    finally:
        os.close(ours)


def test_a_dumb_terminal_gets_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would print each redrawing as a line of its own."""
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert not wanted(quiet=False)
