"""What the run log says of the last run, without taking its lock."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from agent.sites import Site
from agent.slots import Due, due
from collectors.evidence import Status, TargetKind
from config.errors import StoreError
from config.inventory import select
from config.model import Host
from reports.runlog import read_runs
from reports.statement import Run

LEFT_OUT = "hosts_left_out"
"""count in run.json: hosts that --limit or an interruption kept from being visited"""


class LastRun(Struct, frozen=True, kw_only=True):
    """A sealed run."""

    run: int
    as_of: datetime
    """its clock value"""


def last_run(site: Site) -> LastRun | None:
    """Return the newest sealed run, or None before the first."""
    return _newest(read_runs(site.state))


def last_whole_run(site: Site) -> LastRun | None:
    """Return the newest run over the whole inventory: every slot up to its clock value is accounted for.

    A run that was limited or interrupted is a record, but it does not keep the promised slot.
    """
    return _newest([run for run in read_runs(site.state) if not run.counts.get(LEFT_OUT)])


def chosen(site: Site, limit: str) -> tuple[Host, ...]:
    """Return the hosts that a limit names, all of them for an empty one; see `config.inventory.select`."""
    return select(site.config.host, limit or None, failed=lambda: failed_hosts(site))


def failed_hosts(site: Site) -> frozenset[str]:
    """Name the hosts that the newest run, limited or not, could not inspect as a whole."""
    last = last_run(site)
    if last is None:
        return frozenset()
    found: set[str] = set()
    for path in (site.state / "runs" / f"{last.run:06d}" / "evidence").glob("*.json"):
        if path.name.endswith(".history.json"):
            continue
        seen = msgspec.json.decode(path.read_bytes(), type=_Seen)
        if seen.kind is TargetKind.HOST and seen.status not in (Status.COLLECTED, Status.EXCLUDED):
            found.add(seen.target)
    return frozenset(found)


class _Seen(Struct, frozen=True, kw_only=True):
    """The little of an evidence file that is looked at here."""

    target: str
    kind: TargetKind
    status: Status


def _newest(runs: Sequence[Run]) -> LastRun | None:
    if not runs:
        return None
    return LastRun(run=runs[-1].run, as_of=datetime.fromisoformat(runs[-1].started))


def owed(site: Site, at: datetime) -> Due:
    """Say what is owed at `at`."""
    last = last_whole_run(site)
    return due(site.config.schedule, site.config.site.timezone, last.as_of if last else None, at)


def bundle_of(site: Site, run: int | None) -> Path:
    """Return the bundle of a run, the newest when `run` is None; raises StoreError when there is none."""
    last = last_run(site)
    if last is None:
        message = "no run is sealed yet"
        raise StoreError(message, hint="Make one with `tenken run`.")
    number = run or last.run
    path = site.state / "bundles" / f"tenken-{site.config.site.id}-{number:06d}.zip"
    if not path.exists():
        message = f"there is no bundle of run {number}"
        raise StoreError(
            message, hint=f"The newest run is {last.run}. A moved bundle can be named by its path."
        )
    return path


def folder_of(site: Site, run: int | None) -> Path:
    """Return the folder of a sealed run's files; raises StoreError when there is none."""
    number = int(bundle_of(site, run).stem.rsplit("-", 1)[1])
    return site.state / "runs" / f"{number:06d}"
