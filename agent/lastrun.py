"""What the run log says of the last run, without taking its lock."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from agent.sites import Site
from agent.slots import Due, due
from config.errors import StoreError
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
