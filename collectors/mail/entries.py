"""What a journal's storage hands over: raw messages, and entries that could not be read."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from collectors.evidence import Reason
from config.errors import TransportError

MAX_MESSAGE_BYTES = 100 * 1024 * 1024
"""larger than what mail servers take; one such message fits the memory of a small machine"""
MAX_MESSAGES = 500_000
"""a longer journal is told as one that was not read to its end"""


class JournalError(TransportError):
    """The journal as a whole cannot be read; `reason` says why."""

    def __init__(self, reason: Reason, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class Entry(Struct, frozen=True, kw_only=True):
    """One entry: its bytes, or the reason why there are none."""

    raw: bytes = b""
    reason: Reason | None = None


def open_regular(path: str | Path, flags: int, folder: int | None = None) -> BinaryIO | None:
    """Open a regular file without waiting; None for a pipe, a folder or another thing that is none."""
    opened = os.open(path, flags | os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        if stat.S_ISREG(os.fstat(opened).st_mode):
            return os.fdopen(opened, "rb")
    except BaseException:
        os.close(opened)
        raise
    os.close(opened)
    return None


def reason_of(err: OSError) -> Reason:
    """Name the closed reason behind a failed open or read."""
    if isinstance(err, PermissionError):
        return Reason.DENIED
    if isinstance(err, FileNotFoundError | NotADirectoryError):
        return Reason.NO_SOURCE
    # ELOOP: a symbolic link; what it names is no part of the journal.
    return Reason.UNSUPPORTED if err.errno == errno.ELOOP else Reason.FAILED


def unreadable(err: OSError, path: Path) -> JournalError:
    """Say that the journal at a declared path cannot be read."""
    return JournalError(
        reason_of(err),
        f"mail journal {path}: {os.strerror(err.errno or 0)}",
        hint="Check the path under [[mail]] and that the account running Tenken may read it.",
    )
