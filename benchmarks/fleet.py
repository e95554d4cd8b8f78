"""What asking many hosts costs this machine: `python benchmarks/fleet.py [--hosts N] [--rounds N]`.

Real OpenSSH servers on loopback addresses, key log-in, one POSIX script on standard input, an answer of
about 4 KB. Tenken's own fan-out and the `ssh` client (a process a host, 32 at once) ask the same hosts in
alternating rounds; what counts is the CPU of the client and its children, not that of the servers.
`--crowd` puts 300 dead and 100 silent hosts among 600 good ones, `--memory` compares the peak at 1,000 and
at 5,000 hosts.
"""

import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

WORKERS = 32
SERVERS = 4
TIMEOUT_S = 5
SCRIPT = b"i=0; while [ $i -lt 50 ]; do printf '%080d\\n' $i; i=$((i + 1)); done\n"
DEAD, SILENT, GOOD = 300, 100, 600


def main() -> int:
    """Start the servers, measure, print."""
    options = argparse.ArgumentParser()
    options.add_argument("--hosts", type=int, default=200)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--crowd", action="store_true")
    options.add_argument("--memory", action="store_true")
    options.add_argument("--as-client", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.as_client:
        return as_client(json.loads(chosen.as_client))
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        site = Servers(Path(name), stack)
        if chosen.crowd:
            crowd(site, stack, chosen.rounds)
        elif chosen.memory:
            memory(site)
        else:
            compare(site, chosen.hosts, chosen.rounds)
    return 0


class Servers:
    """A few real servers that answer on all loopback addresses."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        from tests.collectors.sshd import Sshd, public  # noqa: PLC0415 (the client needs none of it)

        self.servers = [
            Sshd(folder / f"s{number}", settings=("MaxStartups 2000",), listen="0.0.0.0")  # noqa: S104 (loopback addresses of this machine)
            for number in range(SERVERS)
        ]
        for server in self.servers:
            stack.callback(server.stop)
        key = self.servers[0].user_key
        for server in self.servers[1:]:
            (server.folder / "authorized_keys").write_text(public(key) + "\n")
        self.key = key
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(
            "".join(f"[127.*]:{s.port} {public(next(iter(s.host_keys.values())))}\n" for s in self.servers)
        )

    def addresses(self, count: int) -> list[tuple[str, int]]:
        """As many hosts as wanted."""
        return [
            (f"127.1.{number // 250}.{number % 250 + 1}", self.servers[number % SERVERS].port)
            for number in range(count)
        ]

    def run(self, client: str, hosts: list[tuple[str, int]]) -> dict[str, Any]:
        """Let a client in a process of its own ask; returns seconds, MiB and what became of the hosts."""
        order = {"client": client, "key": str(self.key), "known_hosts": str(self.known_hosts), "hosts": hosts}
        done = subprocess.run(
            [sys.executable, __file__, "--as-client", json.dumps(order)], capture_output=True, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def compare(site: Servers, count: int, rounds: int) -> None:
    """Tenken and ssh in alternating rounds."""
    hosts = site.addresses(count)
    cpu: dict[str, list[float]] = {"tenken": [], "ssh": []}
    for _ in range(rounds):
        for client, spent in cpu.items():
            found = site.run(client, hosts)
            _expect(found, count)
            spent.append(found["cpu_s"] * 1_000 / count)
    ours, theirs = statistics.median(cpu["tenken"]), statistics.median(cpu["ssh"])
    print(f"{count} hosts, median of {rounds} rounds, client CPU a host:")
    print(f"tenken {ours:.1f} ms, ssh {theirs:.1f} ms: {ours / theirs:.2f} of it")


def crowd(site: Servers, stack: ExitStack, rounds: int) -> None:
    """Dead and silent hosts among good ones, against the good ones alone."""
    good = site.addresses(GOOD)
    silent = _silent(stack)
    full = _full(stack)
    refused = _closed()
    mixed = [*good, *([("127.0.0.1", refused)] * (DEAD // 2)), *([("127.0.0.1", full)] * (DEAD // 2))]
    mixed += [("127.0.0.1", silent)] * SILENT
    # Spread, as an inventory has them.
    mixed.sort(key=lambda each: hash((each, mixed.index(each))) % 1_000)
    alone, together = [], []
    for _ in range(rounds):
        alone.append(site.run("tenken", good)["wall_s"])
        found = site.run("tenken", mixed)
        together.append(found["wall_s"])
        _expect(found, GOOD)
    one, both = statistics.median(alone), statistics.median(together)
    print(f"{GOOD} good hosts alone: {one:.1f} s; with {DEAD} dead and {SILENT} silent ones: {both:.1f} s")
    print(
        f"{(both - TIMEOUT_S) / one:.2f} of it beside one time-out of {TIMEOUT_S} s; ended as {found['ends']}"
    )


def memory(site: Servers) -> None:
    """The peak at two sizes."""
    for count in (1_000, 5_000):
        found = site.run("tenken", site.addresses(count))
        _expect(found, count)
        print(
            f"{count} hosts: peak {found['peak_mib']:.0f} MiB,"
            f" {found['cpu_s'] * 1_000 / count:.1f} ms CPU a host, "
            f"{found['descriptors']} descriptors and {found['threads']} threads more afterwards"
        )


def as_client(order: dict[str, Any]) -> int:
    """Ask every host, and print what it cost."""
    began = time.monotonic()
    hosts = [(address, port) for address, port in order["hosts"]]
    found = _tenken(order, hosts) if order["client"] == "tenken" else _ssh(order, hosts)
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = children.ru_utime + children.ru_stime
    if order["client"] == "tenken":
        spent += own.ru_utime + own.ru_stime
    found |= {"cpu_s": spent, "wall_s": time.monotonic() - began, "peak_mib": own.ru_maxrss / 1_024}
    print(json.dumps(found))
    return 0


def _tenken(order: dict[str, Any], hosts: list[tuple[str, int]]) -> dict[str, Any]:
    from agent.fanout import Job, fan_out  # noqa: PLC0415 (the servers' side needs none of it)
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
    user = os.environ.get("USER") or "root"
    ends: Counter[str] = Counter()
    before = (_descriptors(), threading.active_count())

    def job(number: int, address: str, port: int, dialer: Dialer) -> Job:
        host = Host(name=f"h{number}", address=address, port=port)
        login = Login(address=address, port=port, user=user, identities=(key,), known_hosts=known_hosts)
        transport = SshTransport(login, Direct(address, port, connect_timeout_s=TIMEOUT_S, dialer=dialer))

        def ask() -> TargetEvidence:
            try:
                answer = transport.ask(
                    SCRIPT, command="exec /bin/sh -s", cap_bytes=1 << 20,
                    deadline=time.monotonic() + 60, now=lambda: datetime.now(UTC),
                )  # fmt: skip
                ends["good" if len(answer.stdout) == 50 * 81 and answer.exit == 0 else "short"] += 1
            except HostError as failure:
                ends[failure.reason.value] += 1
            return not_visited(host, run=1, plan="", salt="", reason=Reason.NOT_COLLECTED)

        return Job(
            host=host, run=1, plan="", salt="", ask=ask, prepare=transport.prepare, stop=transport.close
        )

    with closing(Dialer()) as dialer:
        fan_out(
            [job(number, *where, dialer) for number, where in enumerate(hosts)],
            workers=WORKERS,
            on_done=lambda _: None,
        )
    time.sleep(0.2)
    after = (_descriptors(), threading.active_count())
    return {
        "good": ends["good"], "ends": dict(ends),
        "descriptors": after[0] - before[0], "threads": after[1] - before[1],
    }  # fmt: skip


def _ssh(order: dict[str, Any], hosts: list[tuple[str, int]]) -> dict[str, Any]:
    options = {
        "BatchMode": "yes", "StrictHostKeyChecking": "yes", "UserKnownHostsFile": order["known_hosts"],
        "GlobalKnownHostsFile": "none", "IdentitiesOnly": "yes", "KexAlgorithms": "curve25519-sha256",
    }  # fmt: skip
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]

    def ask(where: tuple[str, int]) -> bool:
        argv = ["ssh", "-F", "none", *words, "-T", "-i", order["key"], "-p", str(where[1]), where[0]]
        done = subprocess.run([*argv, "exec /bin/sh -s"], input=SCRIPT, capture_output=True, check=False)
        return done.returncode == 0 and len(done.stdout) == 50 * 81

    with ThreadPoolExecutor(WORKERS) as pool:
        return {"good": sum(pool.map(ask, hosts))}


def _expect(found: dict[str, Any], good: int) -> None:
    """A good host that was lost makes the figures worthless."""
    if found["good"] != good:
        message = f"{good - found['good']} good hosts were lost: {found}"
        raise RuntimeError(message)


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _silent(stack: ExitStack) -> int:
    """A port that accepts and never says a word."""
    server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1_000))
    port: int = server.getsockname()[1]
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                held.append(server.accept()[0])
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    return port


def _full(stack: ExitStack) -> int:
    """A port whose backlog is full: the kernel drops what comes, as a firewall does."""
    server = stack.enter_context(socket.socket())
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    port: int = server.getsockname()[1]
    for _ in range(4):
        filler = stack.enter_context(socket.socket())
        filler.setblocking(False)  # noqa: FBT003 (the socket module's signature)
        filler.connect_ex(("127.0.0.1", port))
    return port


def _closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main())
