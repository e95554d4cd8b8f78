"""What asking many hosts costs this machine: `python benchmarks/fleet.py [--hosts N] [--rounds N] [--peers]`.

Real OpenSSH servers on loopback addresses, key log-in, an answer of about 4 KB. Tenken's own fan-out and
the `ssh` client (a process a host, 32 at once) ask the same hosts in alternating rounds, and with `--peers`
also pyinfra, pytest-testinfra and Ansible, installed under the user's cache folder; what counts is the CPU
of the client and its children, not that of the servers. `--crowd` puts 300 dead and 100 silent hosts among
600 good ones, `--many` compares 1,000 hosts with 5,000 and looks for what is left behind. `--write` puts
the figures into docs/performance.md: measure for it on a machine that does nothing else.
"""

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.clients import TIMEOUT_S
from benchmarks.lab import Lab, closed, full, silent
from benchmarks.page import table, write
from benchmarks.peers import PEERS

GOALS = {
    "ssh": ("the OpenSSH client's", 0.40),
    "pyinfra-10": ("pyinfra's with ten facts", 1 / 10),
    "ansible-raw": ("Ansible's with one script and pipelining", 1 / 25),
}
"""shares of another client's CPU a host that Tenken's should not exceed"""
DEAD, SILENT, GOOD = 300, 100, 600
CROWD_GOAL = 1.2
"""times the good hosts alone, beside one time-out"""
SIZES, MOST_MIB = (1_000, 5_000), 150


def main() -> int:
    """Start the servers, measure, print."""
    options = argparse.ArgumentParser()
    options.add_argument("--hosts", type=int, default=200)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--peers", action="store_true")
    options.add_argument("--crowd", action="store_true")
    options.add_argument("--many", action="store_true")
    options.add_argument("--write", action="store_true")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        lab = Lab(Path(name), stack)
        if chosen.crowd:
            block, text = "crowd", crowd(lab, stack, chosen.rounds)
        elif chosen.many:
            block, text = "many", many(lab)
        else:
            block, text = f"clients-{chosen.hosts}", compare(lab, chosen.hosts, chosen.rounds, chosen.peers)
    print(text)
    if chosen.write:
        write(block, text)
    return 0


def compare(lab: Lab, count: int, rounds: int, peers: bool) -> str:  # noqa: FBT001 (the flag as it was given)
    """All clients in alternating rounds."""
    told = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr
    labels = {
        "tenken": "Tenken",
        "ssh": "`ssh`, a process a host",
        "ssh-own-kex": "`ssh`, its own key exchange",
    }
    sizes = {"tenken": count, "ssh": count, "ssh-own-kex": min(50, count)}
    versions = [told.split(",")[0].split()[0].replace("_", " ")]
    if peers:
        installed = {peer.package: peer.install() for peer in PEERS.values()}
        versions += [f"{package} {version}" for package, version in installed.items()]
        labels |= {name: peer.label for name, peer in PEERS.items()}
        sizes |= {name: min(peer.most, count) for name, peer in PEERS.items()}
    for client in sizes:
        lab.run(client, lab.addresses(1), 1)  # so that compiled code and files are where they will be
    runs: dict[str, list[dict[str, Any]]] = {client: [] for client in sizes}
    for number in range(rounds):
        for client, size in sizes.items():
            found = lab.run(client, lab.addresses(size), size)
            runs[client].append(found)
            print(f"{number + 1}: {client} {found['cpu_s'] * 1_000 / size:.1f} ms", file=sys.stderr)
    cpu = {client: _median(runs[client], "cpu_s") * 1_000 / size for client, size in sizes.items()}
    rows = [
        [
            labels[client], f"{size:,}", f"{cpu[client]:.1f}", f"{cpu[client] / cpu['ssh']:.2f}",
            f"{_median(runs[client], 'wall_s'):.1f}", f"{_median(runs[client], 'peak_mib'):.0f}",
        ]
        for client, size in sizes.items()
    ]  # fmt: skip
    head = ["client", "hosts", "ms CPU a host", "against `ssh`", "seconds in all", "peak MiB"]
    goals = [
        f"- {cpu['tenken'] / cpu[client]:.3f} of {whose} (goal: {most:.2f} at most)."
        for client, (whose, most) in GOALS.items()
        if client in cpu
    ]
    with_ = f"Medians of {rounds} rounds, with {', '.join(versions)}. A host costs Tenken"
    return f"{table(head, rows)}\n{with_}\n\n" + "\n".join(goals) + "\n"


def crowd(lab: Lab, stack: ExitStack, rounds: int) -> str:
    """Dead and silent hosts among good ones, against the good ones alone."""
    good = lab.addresses(GOOD)
    dead = [("127.0.0.1", closed()), ("127.0.0.1", full(stack))] * (DEAD // 2)
    mixed = [*good, *dead, *[("127.0.0.1", silent(stack))] * SILENT]
    # Spread, as an inventory has them.
    random.Random(0).shuffle(mixed)  # noqa: S311 (an order, no secret)
    alone, together = [], []
    for _ in range(rounds):
        alone.append(lab.run("tenken", good, GOOD))
        together.append(lab.run("tenken", mixed, GOOD))
    one, both = _median(alone, "wall_s"), _median(together, "wall_s")
    ends = ", ".join(f"{count} {end}" for end, count in sorted(together[-1]["ends"].items()))
    return (
        f"{GOOD} good hosts alone took {one:.1f} s; with {DEAD} dead and {SILENT} silent ones among them "
        f"{both:.1f} s, which is {(both - TIMEOUT_S) / one:.2f} times as long beside one time-out of "
        f"{TIMEOUT_S} s (goal: {CROWD_GOAL} at most). Ends: {ends}.\n"
    )


def many(lab: Lab) -> str:
    """The peak at two sizes, and what is left; raises RuntimeError when something is."""
    rows = []
    for count in SIZES:
        found = lab.run("tenken", lab.addresses(count), count)
        if any(found["left"].values()):
            message = f"left behind after {count} hosts: {found['left']}"
            raise RuntimeError(message)
        left = ", ".join(f"{number} {what}" for what, number in found["left"].items())
        rows.append([f"{count:,}", f"{found['peak_mib']:.0f}", f"{found['cpu_s'] * 1_000 / count:.1f}", left])
    head = ["hosts", f"peak MiB (goal: {MOST_MIB})", "ms CPU a host", "left behind"]
    return f"{table(head, rows)}\nNo host was lost.\n"


def _median(runs: list[dict[str, Any]], what: str) -> float:
    return statistics.median(float(run[what]) for run in runs)


if __name__ == "__main__":
    sys.exit(main())
