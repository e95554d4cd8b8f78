"""Facts about the auditing machine itself, and what a run costs it."""

import platform
import resource
from datetime import UTC, datetime

import psutil
from msgspec import Struct

BYTES_PER_VISIT = 24 << 20
"""what a host under way may hold at most: its answer, its error stream and their copies"""
DESCRIPTORS_PER_VISIT = 4
"""a socket, or the three pipes of a local shell and its wake-up call"""
MOST_CONNECTING = 1_000
"""connections that may come about at once; more would only crowd the tables of routers and firewalls"""
DESCRIPTORS_KEPT = 64
"""for files, logs and libraries"""


class AuditorFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The machine that inspects."""

    system: str
    """such as `Linux 6.1.0-13-amd64 x86_64`"""
    python: str
    processors: int
    memory_bytes: int
    available_bytes: int
    """memory that can be given out without swapping"""
    descriptor_limit: int
    """files and sockets this process may hold open"""
    booted: datetime


class Footprint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What this process has cost since it started."""

    cpu_ms: int
    """user and system time, with that of ended children"""
    peak_bytes: int
    """most resident memory at once"""
    descriptors: int
    """open now"""
    threads: int


def auditor_facts() -> AuditorFacts:
    """Look at this machine."""
    memory = psutil.virtual_memory()
    return AuditorFacts(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        processors=psutil.cpu_count() or 1,
        memory_bytes=memory.total,
        available_bytes=memory.available,
        descriptor_limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        booted=datetime.fromtimestamp(int(psutil.boot_time()), tz=UTC),
    )


def footprint() -> Footprint:
    """Look at this process."""
    process = psutil.Process()
    times = process.cpu_times()
    spent_s = times.user + times.system + times.children_user + times.children_system
    # getrusage(2): kilobytes on Linux, bytes on macOS.
    unit = 1 if platform.system() == "Darwin" else 1_024
    return Footprint(
        cpu_ms=round(spent_s * 1_000),
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        descriptors=process.num_fds(),
        threads=process.num_threads(),
    )


def most_workers(wanted: int, machine: AuditorFacts, *, in_use: int = 0) -> int:
    """Return how many hosts may be under way at once, at most `wanted` and at least one.

    `in_use` descriptors are open already. Too many workers would make good hosts fail, not only dear.
    """
    free = machine.descriptor_limit - DESCRIPTORS_KEPT - in_use
    by_descriptors = free // DESCRIPTORS_PER_VISIT if machine.descriptor_limit > 0 else wanted
    # Half of what is free: the rest of the machine has its own plans.
    by_memory = machine.available_bytes // 2 // BYTES_PER_VISIT
    return max(1, min(wanted, by_descriptors, by_memory))


def most_connecting(machine: AuditorFacts, *, in_use: int, workers: int) -> int:
    """Return how many hosts may be connected to at once beside those under way; a socket each."""
    if machine.descriptor_limit <= 0:
        return MOST_CONNECTING
    free = machine.descriptor_limit - DESCRIPTORS_KEPT - in_use - workers * DESCRIPTORS_PER_VISIT
    return max(1, min(free, MOST_CONNECTING))


def open_descriptors() -> int:
    """Return how many files and sockets this process holds open."""
    return int(psutil.Process().num_fds())
