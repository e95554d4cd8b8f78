"""The progress of a run: a bar on a terminal, silence everywhere else."""

import os
import sys
from types import TracebackType
from typing import Protocol, Self

from checks.model import Result
from collectors.evidence import Status


class Progress(Protocol):
    """What a run tells while it works."""

    def start(self, total: int, doing: str) -> None:
        """Begin a round over so many targets."""

    def advance(self, target: str, status: Status, worst: Result | None) -> None:
        """One target is done; without a result when it is to be judged in a later round."""


class Silent:
    """Tell nothing: cron, pipes, -q."""

    def start(self, total: int, doing: str) -> None:
        """Ignore it."""

    def advance(self, target: str, status: Status, worst: Result | None) -> None:
        """Ignore it."""


class Bar:
    """A rich bar on standard error: hosts done, failing, not measured, time left."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 (30 ms that only a terminal needs)
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
        from rich.progress import Progress as RichProgress  # noqa: PLC0415

        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn(
                "{task.completed}/{task.total} done, {task.fields[failing]} failing, "
                "{task.fields[unknown]} not measured"
            ),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, failing=0, unknown=0)
        self._failing = 0
        self._unknown = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start(self, total: int, doing: str) -> None:
        """Set the number of targets and count anew."""
        self._failing = self._unknown = 0
        self._bar.reset(self._task, total=total, description=doing, failing=0, unknown=0)
        self._bar.start()

    def advance(self, target: str, status: Status, worst: Result | None) -> None:  # noqa: ARG002 (no names on the bar)
        """Count one target."""
        self._failing += worst is Result.FAIL
        self._unknown += worst is Result.UNKNOWN or status not in (Status.COLLECTED, Status.EXCLUDED)
        self._bar.update(self._task, advance=1, failing=self._failing, unknown=self._unknown)


def wanted(*, quiet: bool) -> bool:
    """Whether a bar is any use."""
    return not quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
