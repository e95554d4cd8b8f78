"""A control group for each host that boots systemd, which wants a cgroup2 tree of its own.

Empty control groups are the one thing that a killed lab leaves on the machine. The next lab sweeps them.
"""

import itertools
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.lab import namespace

_TREE = namespace.FOLDER / "cgroup"
_PREFIX = "tenken-lab-"
_SWEPT_AFTER_S = 60.0
_numbers = itertools.count(time.time_ns())


def create() -> Path:
    """Return a new, empty control group; the first call of a session mounts the tree and sweeps it."""
    if not _TREE.is_mount():
        _TREE.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "cgroup2", "lab", str(_TREE)], check=True)
        # Not the young ones: a lab that runs beside this one may have made it for a host it starts now.
        sweep(older_than_s=_SWEPT_AFTER_S)
    group = _TREE / f"{_PREFIX}{next(_numbers)}"
    group.mkdir()
    return group


def sweep(*, older_than_s: float) -> None:
    """Remove the groups of all labs that are that old and hold no process."""
    for left in _TREE.glob(f"{_PREFIX}*"):
        if time.time() - left.stat().st_mtime >= older_than_s:
            remove(left)


def inside(group: Path, command: Sequence[str]) -> list[str]:
    """Return `command` so that it joins `group` first: `unshare --cgroup` makes a root of where it stands."""
    return ["/bin/sh", "-c", 'echo 0 > "$0/cgroup.procs" && exec "$@"', str(group), *command]


def remove(group: Path) -> None:
    """Remove `group` and those below it where no process is left in them; the kernel refuses all others."""
    folders = [path for path in group.rglob("*") if path.is_dir()]
    for folder in [*sorted(folders, key=lambda path: len(path.parts), reverse=True), group]:
        try:
            folder.rmdir()
        except OSError:
            continue
