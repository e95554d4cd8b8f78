"""The worker is limited from inside and outside, and a lost one costs one leaf only."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from collectors.mail.frames import MAX_CONTENT_BYTES
from collectors.mail.leaves import Order
from collectors.mail.warden import Warden
from collectors.mail.worker import LEAF_CPU_S, MEMORY_BYTES
from collectors.sources.mail import Leaf, Protection, Role, Why
from tests.collectors.mail.makers import PERSONS, pdf

ORDER = Order(
    path="1", declared="other", ext="csv", role=Role.ATTACHMENT, damaged=False, own_domains=(), key=b"k"
)


def worker_of(warden: Warden) -> psutil.Process:
    assert warden._process is not None
    return psutil.Process(warden._process.pid)


def persons(found: tuple[Leaf, ...]) -> int:
    assert found[0].personal is not None
    return found[0].personal.persons


def test_one_worker_answers_many_leaves_and_is_gone_afterwards() -> None:
    with Warden() as warden:
        assert persons(warden.judge(ORDER, PERSONS.encode())) == 12
        first = worker_of(warden)
        assert warden.judge(ORDER, pdf(user="invented", owner="o"))[0].protection is Protection.STRONG
        assert worker_of(warden) == first
    assert not first.is_running()


def test_the_worker_has_its_limits() -> None:
    with Warden() as warden:
        warden.judge(ORDER, b"x")
        worker = worker_of(warden)
        assert worker.rlimit(resource.RLIMIT_AS) == (MEMORY_BYTES, MEMORY_BYTES)
        assert worker.rlimit(resource.RLIMIT_FSIZE) == (0, 0)
        assert worker.rlimit(resource.RLIMIT_CORE) == (0, 0)
        soft, _ = worker.rlimit(resource.RLIMIT_CPU)
        assert 0 < soft <= LEAF_CPU_S + 60
        assert set(worker.environ()) <= {"PYTHONPATH", "LC_ALL"}


def test_a_worker_that_does_not_answer_is_replaced_and_the_leaf_reads_limit() -> None:
    with Warden() as warden:
        warden.judge(ORDER, b"x")
        hung = worker_of(warden)
        hung.send_signal(signal.SIGSTOP)
        (found,) = warden.judge(ORDER, PERSONS.encode(), within_s=0.3)
        assert (found.protection, found.why, found.personal) == (Protection.LIMIT, Why.TIME, None)
        assert not hung.is_running()
        assert persons(warden.judge(ORDER, PERSONS.encode())) == 12


def test_a_worker_that_was_killed_costs_one_leaf() -> None:
    with Warden() as warden:
        warden.judge(ORDER, b"x")
        os.kill(worker_of(warden).pid, signal.SIGKILL)
        assert warden.judge(ORDER, b"x")[0].protection is Protection.LIMIT
        assert persons(warden.judge(ORDER, PERSONS.encode())) == 12


def test_a_file_larger_than_is_parsed_reads_limit_without_a_worker() -> None:
    with Warden() as warden:
        (found,) = warden.judge(ORDER, bytes(MAX_CONTENT_BYTES + 1))
        assert (found.protection, found.why) == (Protection.LIMIT, Why.SIZE)
        assert warden._process is None


@pytest.mark.parametrize("module", ["pikepdf", "olefile", "msoffcrypto"])
def test_the_inspection_itself_loads_no_parser_of_strangers_files(module: str) -> None:
    """Start-up stays quick, and a hostile file meets them in the limited process only."""
    code = (
        "import sys, collectors.mail.journal, collectors.registry as registry; registry.all_probes(); "
        f"print({module!r} in sys.modules)"
    )
    root = Path(__file__).parents[3]
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, check=True, timeout=60
    )
    assert shown.stdout.strip() == b"False"
