"""The installed copy believes no word, argument or variable of its caller."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors import installed
from collectors.evidence import Reason, Status
from collectors.registry import all_probes
from collectors.script import Parameters
from config.errors import ConfigError
from config.model import LOG_PATH, MOST_LOG_LETTERS, MOST_STORE_LETTERS, STORE_PATH, Privilege
from tests.collectors.test_visit import Played, answer, asked

BOUNDARY = "0123456789abcdef" * 2
_TOLD = "names root\nlogs /etc/shadow\nstores /srv/hr\nsections platform logs\nend\n"
GOOD = f"boundary {BOUNDARY}\n{_TOLD}".encode()
SHELLS = (["dash"], ["bash"], ["bash", "--posix"], ["busybox", "ash"], ["zsh", "--emulate", "sh"])


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("copy") / "probe"
    path.write_bytes(installed.text())
    path.chmod(0o755)
    return path


def run(
    copy: Path, said: bytes, *arguments: str, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [str(copy), *arguments], input=said, capture_output=True, env=env, timeout=60, check=False
    )


def test_what_the_auditor_says_is_taken_and_a_secret_file_yields_only_question_marks(copy: Path) -> None:
    done = run(copy, GOOD)
    assert done.returncode == 0
    assert f" copy={installed.mark()}\n".encode() in done.stdout
    rows = [line for line in done.stdout.splitlines() if line.endswith(b"\t/etc/shadow")]
    assert rows
    # Of what is in it only whether it is a stamp; `-` where nothing was opened.
    assert {stamp for row in rows for stamp in row.split(b"\t")[:3]} <= {b"?", b"-"}
    assert any(row.startswith(b"?\t") for row in rows)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_shell_runs_it_and_refuses(copy: Path, shell: list[str]) -> None:
    """As the shell that reads the text: the second half of the copy's own start."""
    command = [*shell, "-c", '. "$1"', "tenken-probe", str(copy)]
    done = subprocess.run(command, input=GOOD, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.count(b" end s=")) == (0, 2)
    done = subprocess.run(
        command, input=GOOD.replace(b"root", b"a;id"), capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"root", b"-s"),
        (b"root", b"a;id"),
        (b"root", b".."),
        (b"root", b"host=x"),
        (b"root", b"$(id)"),
        (b"root", b"a/b"),
        (b"root", b"*"),
        (b"root", b"a" * 65),
        (b"root", b"a\0b"),
        (b"root", b"a\tb"),
        (b"root", b"\xe3\x81\x82"),
        (b"/etc/shadow", b"etc/shadow"),
        (b"/etc/shadow", b"/etc/../etc/shadow"),
        (b"/etc/shadow", b"/proc/kmsg"),
        (b"/etc/shadow", b"//proc/kmsg"),
        (b"/etc/shadow", b"/./proc/kmsg"),
        (b"/etc/shadow", b"/*/kmsg"),
        (b"/etc/shadow", b"/[e]tc/x"),
        (b"/etc/shadow", b"/" + b"a" * 256),
        (b"platform", b"nobody_wrote_it"),
        (b"platform", b"*"),
        (b"boundary 0", b"boundary g"),
        (b"boundary 0", b"boundary "),
        (b"boundary", b"names x\nboundary " + b"a" * 32 + b"\nboundary"),
        (b"/srv/hr", b"/srv/$(id)"),
        (b"/srv/hr", b"/srv/*"),
        (b"/srv/hr", b"/srv/../etc"),
        (b"/srv/hr", b"/srv/./etc"),
        (b"/srv/hr", b"/srv//etc"),
        (b"/srv/hr", b"/srv/"),
        (b"/srv/hr", b"/srv/."),
        (b"/srv/hr", b"srv"),
        (b"/srv/hr", b"/proc/1"),
        (b"/srv/hr", b"/dev"),
        (b"/srv/hr", b"/" + b"a" * 256),
        (b"/srv/hr", b"/a " * 65),
        (b"end\n", b""),
        (b"end\n", b"end"),
        (b"end\n", b"end\nnames x\n"),
        (b"end\n", b"-s\nend\n"),
        (b"sections platform logs\n", b""),
        (b"names root", b"names " + b"a " * 5_001),
        (b"names root", b"names " + b"a" * 600_000),
        (GOOD, b""),
        (GOOD, b"id\n"),
    ],
)
def test_a_bad_word_ends_it_before_anything_is_read(copy: Path, old: bytes, new: bytes) -> None:
    done = run(copy, GOOD.replace(old, new))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(f"tenken-probe copy={installed.mark()}: ".encode())
    assert done.stderr.count(b"\n") == 1


@settings(max_examples=60, deadline=None)
@given(st.from_regex(LOG_PATH, fullmatch=True))
def test_every_log_path_that_may_be_declared_is_taken(copy: Path, glob: str) -> None:
    if len(glob) <= MOST_LOG_LETTERS:
        told = GOOD.replace(b"/etc/shadow", glob.encode()).replace(b"platform logs", b"platform")
        assert run(copy, told).returncode == 0


@settings(max_examples=60, deadline=None)
@given(st.from_regex(STORE_PATH, fullmatch=True))
def test_every_store_that_may_be_declared_is_taken(copy: Path, path: str) -> None:
    if len(path) <= MOST_STORE_LETTERS:
        told = GOOD.replace(b"/srv/hr", path.encode()).replace(b"platform logs", b"platform")
        assert run(copy, told).returncode == 0


def test_arguments_and_variables_of_the_caller_change_nothing(copy: Path, tmp_path: Path) -> None:
    """Under bash as sh the exported functions would be taken; the bare environment comes first."""
    evil = tmp_path / "evil"
    evil.write_text("echo EVIL\n")
    bad = tmp_path / "bin"
    bad.mkdir()
    for name in ("head", "id", "date", "env", "cat"):
        (bad / name).write_text("#!/bin/sh\necho EVIL\n")
        (bad / name).chmod(0o755)
    env = {
        "PATH": str(bad),
        "ENV": str(evil),
        "BASH_ENV": str(evil),
        "IFS": "t",
        "LC_ALL": "C.UTF-8",
        "SHELLOPTS": "xtrace",
        "PS4": "$(echo EVIL >&2)",
        "TK_COPY": "x",
        "TK_SECTIONS": "shadow",
        "LD_LIBRARY_PATH": str(tmp_path),
        "BASH_FUNC_head%%": "() { echo EVIL; }",
        "BASH_FUNC_printf%%": "() { echo EVIL; }",
        "BASH_FUNC_exec%%": "() { echo EVIL; }",
        "BASH_FUNC_/usr/bin/env%%": "() { echo EVIL; }",
    }
    as_bash = tmp_path / "copy"
    link = tmp_path / "sh"
    link.symlink_to("/bin/bash")
    as_bash.write_bytes(installed.text().replace(b"#!/bin/sh", f"#!{link}".encode(), 1))
    as_bash.chmod(0o755)
    for each in (copy, as_bash):
        done = run(each, GOOD, "-s", "tenken-probe", "a;id", env=env)
        assert done.returncode == 0, done.stderr
        assert b"EVIL" not in done.stdout
        assert done.stdout.count(b" end s=") == 2
        assert b"begin s=shadow" not in done.stdout


def test_a_caller_without_standard_input_gets_a_refusal(copy: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" <&-', str(copy)], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_copy_cut_anywhere_says_nothing(copy: Path, tmp_path: Path) -> None:
    whole = copy.read_bytes()
    half = tmp_path / "half"
    for size in range(200, len(whole) - 60, len(whole) // 12):
        half.write_bytes(whole[:size])
        half.chmod(0o755)
        assert b" end s=" not in run(half, GOOD).stdout


def test_what_the_auditor_sends_is_parameters_and_never_a_script() -> None:
    probe = all_probes()["platform"]
    said = installed.lines([probe], Parameters(names=("a",) * 150, logs=("/x",), stores=("/y",)), BOUNDARY)
    assert said.splitlines()[0] == f"boundary {BOUNDARY}".encode()
    assert {line.split()[0] for line in said.splitlines()} == {
        b"boundary",
        b"names",
        b"logs",
        b"stores",
        b"sections",
        b"end",
    }
    with pytest.raises(ConfigError):
        installed.lines([probe], Parameters(names=("a;id",)), BOUNDARY)


@pytest.mark.parametrize("privilege", [Privilege.INSTALLED, Privilege.FORCED])
@pytest.mark.parametrize(
    ("stdout", "stderr", "status", "reason"),
    [
        (b"", b"sudo: a password is required\n", Status.REFUSED, Reason.NO_PRIVILEGE),
        (b"", b"sh: 1: tenken-probe-is-not-forced: not found\n", Status.REFUSED, Reason.NO_PRIVILEGE),
        (b"", b"tenken-probe copy=0000000000000000: a section\n", Status.REFUSED, Reason.PROBE_OUTDATED),
        (b"", f"tenken-probe copy={installed.mark()}: x\n".encode(), Status.UNREACHABLE, Reason.NO_ANSWER),
        (b"hello v=1 uid=0 copy=0000000000000000", b"", Status.REFUSED, Reason.PROBE_OUTDATED),
        (b"hello v=1 uid=0", b"", Status.REFUSED, Reason.PROBE_OUTDATED),
        (f"hello v=1 uid=7 copy={installed.mark()}".encode(), b"", Status.REFUSED, Reason.NO_PRIVILEGE),
        (f"hello v=1 uid=0 copy={installed.mark()}".encode(), b"", Status.PARTIAL, Reason.PROBE_CUT),
    ],
)  # fmt: skip
def test_a_copy_that_cannot_serve_is_a_reason_of_its_own(
    privilege: Privilege, stdout: bytes, stderr: bytes, status: Status, reason: Reason
) -> None:
    framed = f"\n@{BOUNDARY} ".encode() + stdout + b"\n" if stdout else b""
    evidence = asked(Played(says=answer(framed, stderr, 1)), privilege=privilege)
    assert (evidence.status, evidence.reason) == (status, reason)
    assert evidence.visit is not None
    assert evidence.visit.script_sha256 == installed.digest()
    if stderr.startswith(b"s"):
        assert "privileged probe refused" in evidence.detail
