"""One client asks every host of an order; run by lab.py in a process of its own, which prints what it cost.

The cost is user and system time of the client and of all its children, also of those that outlive it
(the masters of Ansible's connections); never that of the servers, which are children of somebody else.
"""

import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

WORKERS = 32
TIMEOUT_S = 5
QUESTIONS = tuple(f"printf '%0404d\\n' {number}" for number in range(10))
"""ten facts of 405 bytes: about 4 KB, whoever asks and in however many commands"""
SCRIPT = ("\n".join(QUESTIONS) + "\n").encode()
ANSWER = "".join(f"{number:0404d}\n" for number in range(10)).encode()
_LOOK_S = 0.2
_PR_SET_CHILD_SUBREAPER = 36
"""prctl(2)"""


def main(order: dict[str, Any]) -> int:
    """Ask every host, and print what it cost."""
    began = time.monotonic()
    client = order["client"]
    if client == "tenken":
        found = _tenken(order)
        own = resource.getrusage(resource.RUSAGE_SELF)
        found |= {"peak_mib": own.ru_maxrss / 1_024, "cpu_s": own.ru_utime + own.ru_stime}
    else:
        found = _measured(order)
    found["wall_s"] = time.monotonic() - began
    print(json.dumps(found))
    return 0


def _tenken(order: dict[str, Any]) -> dict[str, Any]:
    # All of it counts as Tenken's own, so that nothing else may be imported here.
    from agent.fanout import Job, fan_out  # noqa: PLC0415
    from collectors.dialer import Dialer  # noqa: PLC0415
    from collectors.evidence import Reason, TargetEvidence  # noqa: PLC0415
    from collectors.identities import load_identity  # noqa: PLC0415
    from collectors.known_hosts import read  # noqa: PLC0415
    from collectors.road import Direct  # noqa: PLC0415
    from collectors.ssh import SshTransport  # noqa: PLC0415
    from collectors.ssh_session import Login  # noqa: PLC0415
    from collectors.transport import HostError  # noqa: PLC0415
    from collectors.visit import not_visited  # noqa: PLC0415
    from config.model import Host  # noqa: PLC0415

    known_hosts, key = read(Path(order["known_hosts"])), load_identity(Path(order["key"]))
    ends: Counter[str] = Counter()
    before = _held()

    def job(number: int, address: str, port: int, dialer: Dialer) -> Job:
        host = Host(name=f"h{number}", address=address, port=port)
        login = Login(
            address=address, port=port, user=order["user"], identities=(key,), known_hosts=known_hosts
        )
        transport = SshTransport(login, Direct(address, port, connect_timeout_s=TIMEOUT_S, dialer=dialer))

        def ask() -> TargetEvidence:
            try:
                answer = transport.ask(
                    SCRIPT, command="exec /bin/sh -s", cap_bytes=1 << 20,
                    deadline=time.monotonic() + 60, now=lambda: datetime.now(UTC),
                )  # fmt: skip
                ends["good" if answer.stdout == ANSWER and answer.exit == 0 else "wrong"] += 1
            except HostError as failure:
                ends[failure.reason.value] += 1
            return not_visited(host, run=1, plan="", salt="", reason=Reason.NOT_COLLECTED)

        return Job(
            host=host, run=1, plan="", salt="", ask=ask, prepare=transport.prepare, stop=transport.close
        )

    with closing(Dialer()) as dialer:
        fan_out(
            [job(number, *where, dialer) for number, where in enumerate(order["hosts"])],
            workers=WORKERS,
            on_done=lambda _: None,
        )
    return {"good": ends["good"], "ends": dict(ends), "left": _left(before)}


def _left(before: dict[str, int]) -> dict[str, int]:
    """What is held more than before, once threads had the time to end."""
    until = time.monotonic() + TIMEOUT_S
    while True:
        left = {what: count - before[what] for what, count in _held().items()}
        if not any(left.values()) or time.monotonic() > until:
            return left
        time.sleep(_LOOK_S)


def _held() -> dict[str, int]:
    import psutil  # noqa: PLC0415 (see `_measured`)

    me = psutil.Process()
    return {
        "descriptors": me.num_fds(),
        "threads": threading.active_count(),
        "tasks of the kernel": me.num_threads(),
        "processes": len(me.children()),
    }


def _measured(order: dict[str, Any]) -> dict[str, Any]:
    """Run somebody else's client; this process only waits and looks at the memory of its children."""
    import psutil  # noqa: PLC0415 (Tenken's own run must not pay for it earlier)

    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    me, over, peaks = psutil.Process(), threading.Event(), [0]

    def look() -> None:
        while not over.wait(_LOOK_S):
            peaks.append(sum(_memory(child) for child in me.children(recursive=True)))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        good = _ssh(order) if order["client"].startswith("ssh") else _peer(order)
    finally:
        over.set()
        watcher.join()
    for child in me.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.terminate()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"good": good, "peak_mib": max(peaks) / 2**20, "cpu_s": spent.ru_utime + spent.ru_stime}


def _memory(process: Any) -> int:
    """Proportional set size: what processes share counts once."""
    import psutil  # noqa: PLC0415 (see above)

    try:
        size: int = process.memory_full_info().pss
    except (psutil.Error, OSError):
        return 0
    return size


def ssh_options(order: dict[str, Any], *, kex: bool = True) -> dict[str, str]:
    """Say what every client that runs `ssh` is told; with curve25519 it costs a sixth of its own choice."""
    options = {
        "BatchMode": "yes", "StrictHostKeyChecking": "yes", "UserKnownHostsFile": order["known_hosts"],
        "GlobalKnownHostsFile": "none", "IdentitiesOnly": "yes", "IdentityFile": order["key"],
        "User": order["user"],
    }  # fmt: skip
    return {**options, **({"KexAlgorithms": "curve25519-sha256"} if kex else {})}


def _ssh(order: dict[str, Any]) -> int:
    options = ssh_options(order, kex=order["client"] == "ssh")
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]

    def ask(where: tuple[str, int]) -> bool:
        argv = ["ssh", "-F", "none", *words, "-T", "-p", str(where[1]), where[0], "exec /bin/sh -s"]
        done = subprocess.run(argv, input=SCRIPT, capture_output=True, check=False)
        return done.returncode == 0 and done.stdout == ANSWER

    with ThreadPoolExecutor(WORKERS) as pool:
        return sum(pool.map(ask, order["hosts"]))


def _peer(order: dict[str, Any]) -> int:
    """Let another tool ask; it ends with 0 only when every answer of every host was right."""
    from benchmarks.peers import PEERS  # noqa: PLC0415 (Tenken's own run has no use for it)

    folder = Path(order["folder"])
    peer = PEERS[order["client"]]
    argv = peer.order(order, folder)
    done = subprocess.run(
        [str(peer.bin / argv[0]), *argv[1:]],
        cwd=folder,
        env={**os.environ, "PATH": f"{peer.bin}:{os.environ['PATH']}", **peer.settings(folder)},
        stdout=sys.stderr,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(done.returncode)
    return len(order["hosts"])


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
