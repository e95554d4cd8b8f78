"""The auditing machine is asked with the same script, as bounded as a host over SSH."""

import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from collectors.evidence import Reason
from collectors.local import LocalTransport
from collectors.script import command
from collectors.transport import STDERR_KEPT, Answer, HostError

CAP = 1 << 20


def now() -> datetime:
    return datetime.now(UTC)


def ask(script: bytes, *, cap_bytes: int = CAP, within_s: float = 20, line: str = "") -> Answer:
    return LocalTransport().ask(
        script, command=line or command(), cap_bytes=cap_bytes, deadline=time.monotonic() + within_s, now=now
    )


def test_output_errors_and_exit_status_come_back_apart() -> None:
    answer = ask(b"printf 'a\\000b'; echo oops >&2; exit 7\n")
    assert (answer.stdout, answer.stderr, answer.exit, answer.ended) == (b"a\0b", b"oops\n", 7, None)
    assert answer.host_key is None


def test_nothing_of_our_environment_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENKEN_TEST_SECRET", "x")
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    said = ask(b"env; pwd\n").stdout
    assert b"SECRET" not in said
    assert b"LC_ALL=C\n" in said
    assert said.endswith(b"\n/\n")


def test_the_shell_that_reads_the_command_line_gets_a_bare_environment_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It runs before `env -i` does: an exported function or a preloaded library would get in there."""
    monkeypatch.setenv("TENKEN_TEST_SECRET", "x")
    assert b"SECRET" not in ask(b"", line="exec /usr/bin/env").stdout


def test_a_script_larger_than_any_pipe_arrives_while_the_shell_prints() -> None:
    script = b"head -c 3000000 /dev/zero\n" + b"# xxxxxxxxxxxxxxxxxxxxxxxxx\n" * 40_000 + b"echo end\n"
    answer = ask(script, cap_bytes=4_000_000)
    assert (len(answer.stdout), answer.stdout[-4:], answer.exit) == (3_000_004, b"end\n", 0)


def test_megabytes_of_errors_before_the_answer_do_not_block_it() -> None:
    answer = ask(b"head -c 5242880 /dev/zero >&2; echo hello\n")
    assert (answer.stdout, len(answer.stderr), answer.exit) == (b"hello\n", STDERR_KEPT, 0)


def test_one_byte_above_the_cap_is_too_much() -> None:
    whole = ask(b"head -c 1000 /dev/zero\n", cap_bytes=1_000)
    more = ask(b"head -c 1001 /dev/zero\n", cap_bytes=1_000)
    assert (len(whole.stdout), whole.ended) == (1_000, None)
    assert (len(more.stdout), more.ended, more.exit) == (1_000, Reason.TOO_MUCH_OUTPUT, None)


@pytest.mark.parametrize("stream", ["", " >&2"])
def test_endless_output_ends(stream: str) -> None:
    assert ask(f"yes{stream}\n".encode()).ended is Reason.TOO_MUCH_OUTPUT


def test_at_the_deadline_everything_the_script_started_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"echo first; sleep 600 & echo $! >{pids}; echo $$ >>{pids}; sleep 600\n"
    answer = ask(script.encode(), within_s=1.0)
    assert (answer.stdout, answer.ended, answer.exit) == (b"first\n", Reason.DEADLINE, None)
    for pid in pids.read_text().split():
        gone(int(pid))


def test_a_trickle_does_not_move_the_deadline() -> None:
    assert ask(b"while :; do echo x; sleep 0.05; done\n", within_s=1.0).ended is Reason.DEADLINE


def test_a_child_that_keeps_the_streams_open_is_ended_too() -> None:
    """It left the process group, so closing our ends is what remains."""
    answer = ask(b"setsid sh -c 'sleep 3; echo late' & echo first\n", within_s=1.0)
    assert (answer.stdout, answer.ended) == (b"first\n", Reason.DEADLINE)


def test_a_shell_that_goes_on_after_closing_its_streams_is_ended() -> None:
    assert ask(b"exec sleep 600 <&- >&- 2>&-\n", within_s=1.0).ended is Reason.DEADLINE


def test_a_command_that_reads_nothing_is_no_trouble() -> None:
    answer = ask(b"x" * 3_000_000, line="echo garbage; exit 4")
    assert (answer.stdout, answer.exit) == (b"garbage\n", 4)


def test_closing_from_another_thread_ends_the_question() -> None:
    transport = LocalTransport()
    threading.Timer(0.5, transport.close).start()
    with pytest.raises(HostError) as caught:
        transport.ask(
            b"sleep 600\n", command=command(), cap_bytes=CAP, deadline=time.monotonic() + 60, now=now
        )
    assert caught.value.reason is Reason.INTERRUPTED


def test_no_descriptor_and_no_process_stays() -> None:
    ask(b"exit 0\n")
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (paths of open files are no files)
    for _ in range(3):
        ask(b"exit 0\n")
        ask(b"yes\n")
        ask(b"sleep 600\n", within_s=0.3)
    assert len(os.listdir("/proc/self/fd")) <= descriptors  # noqa: PTH208 (see above)
    assert not [child for child in psutil.Process().children() if child.name() in ("sh", "sleep", "yes")]


def gone(pid: int) -> None:
    """Wait until a process is no more, or no more than a zombie that nobody has reaped yet."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return
        except psutil.NoSuchProcess:
            return
        time.sleep(0.02)
    raise AssertionError(pid)
