"""The lab's outer walls: namespaces that hold every process, mount and network device a test makes.

`enter` replaces this process by `unshare`, whose only child is the reaper below, PID 1 of the lab. When
either is killed, the kernel kills everything inside and drops mounts, loop and network devices with it.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("/dev/shm")  # noqa: S108 - the lab mounts a tmpfs of its own there; every Linux has the folder
GATEWAY = "10.77.0.1"
BRIDGE = "lab0"


def require_root() -> None:
    """End the program with a clear message where namespaces and mounts are not allowed."""
    if os.geteuid() != 0:
        sys.exit("lab: needs root (namespaces, overlay and loop mounts); no lab test was run")


def enter(command: Sequence[str]) -> None:
    """Replace this process by the lab with `command` in it; never returns."""
    require_root()
    flags = ["--mount", "--pid", "--net", "--uts", "--ipc", "--mount-proc"]
    _become([*flags, *_python("reap"), *command])


def build(names: Sequence[str]) -> int:
    """Build images in own mount and pid namespaces, with the machine's network; return the status."""
    require_root()
    flags = ["--mount", "--pid", "--mount-proc"]
    return subprocess.run(
        _unshare([*flags, *_python("build-inside"), *names]), check=False, env=_environ()
    ).returncode


def reap(command: Sequence[str]) -> int:
    """Be PID 1 of the lab: furnish it, run `command`, collect every orphan, return the command's status."""
    furnish_files()
    _furnish_network()
    for number in (signal.SIGINT, signal.SIGTERM):
        # A handler, not SIG_IGN: the command must inherit the default.
        signal.signal(number, lambda *_: None)
    if shutil.which(command[0]) is None:
        sys.exit(f"lab: no such command: {command[0]}")
    child = subprocess.Popen(
        command, env={**_environ(), "TENKEN_LAB": "1", "PYTEST_PLUGINS": "tests.lab.plugin"}
    )
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def furnish_files() -> None:
    """Give this mount namespace a tmpfs of its own for all that is made in it."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "lab", str(FOLDER)], check=True)
    (FOLDER / "tmp").mkdir(mode=0o1777)
    (FOLDER / "tmp").chmod(0o1777)


def _furnish_network() -> None:
    """Make the one bridge hosts are attached to. There is no other device, hence no route out."""
    commands = (
        "link set lo up",
        # With an address of its own: else it takes the lowest of its ports', and at each such change
        # the kernel forgets every neighbour, the black hole's made-up one included.
        f"link add {BRIDGE} address 02:4c:41:42:00:01 type bridge forward_delay 0",
        f"address add {GATEWAY}/16 dev {BRIDGE}",
        f"link set {BRIDGE} up",
    )
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)
    # A SYN sent before its host is up would wait a whole second for the next ARP request.
    Path(f"/proc/sys/net/ipv4/neigh/{BRIDGE}/retrans_time_ms").write_text("50")


def _environ() -> dict[str, str]:
    """Return the environment inside: the checkout is importable, temporary files are on the lab's tmpfs."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TMPDIR": str(FOLDER / "tmp")}


def _python(step: str) -> list[str]:
    return [sys.executable, "-m", "tests.lab", step]


def _unshare(arguments: Sequence[str]) -> list[str]:
    return ["unshare", "--propagation", "private", "--fork", "--kill-child=SIGKILL", *arguments]


def _become(arguments: Sequence[str]) -> None:
    command = _unshare(arguments)
    environ = {**os.environ, "PYTHONPATH": _environ()["PYTHONPATH"]}
    os.execvpe(command[0], command, environ)  # noqa: S606 - no shell is wanted
