"""What earlier runs saw of each target, kept between runs in the state folder."""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec
import structlog

from checks.model import History
from reports.documents import decode, encode

MOST_BYTES = 16 * 1024 * 1024
"""a history larger than this is not read"""


def read_history(folder: Path, target: str) -> History:
    """Return what the last run remembered of a target; an empty one on the first visit.

    A damaged file is set aside and said: an age that cannot be told is unknown or a remark, never a pass.
    """
    path = folder / f"{target}.json"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return History(target=target)
    try:
        if len(raw) > MOST_BYTES:
            raise msgspec.ValidationError("too large")  # noqa: EM101, TRY003 (one path for both)
        history = decode(raw, History)
    except msgspec.MsgspecError as err:
        structlog.get_logger().warning("history damaged", target=target, reason=str(err))
        path.replace(path.with_suffix(".damaged"))
        return History(target=target)
    return history if history.target == target else History(target=target)


def write_histories(folder: Path, histories: Iterable[History]) -> None:
    """Keep what this run saw, after it was sealed; each file whole or not at all."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for history in histories:
        path = folder / f"{history.target}.json"
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(encode(history))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
