"""Messages of an mbox file (RFC 4155, mboxrd quoting), read without locking or changing it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from collectors.evidence import Reason
from collectors.mail.entries import MAX_MESSAGE_BYTES, Entry, JournalError, open_regular, unreadable

MAX_LINE_BYTES = 65_536
"""read at a time; a longer line comes in pieces"""
_POSTMARK = re.compile(rb"From \S{1,320}[ \t][^\n]{0,80}[0-9]{2}:[0-9]{2}[^\n]{0,60}")
"""`From sender Thu Jan  1 00:00:00 2026`: a text line `From here on` is none, whatever stands before it"""
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)


def read_mbox(path: Path) -> Iterator[Entry]:
    """Yield the messages; raises JournalError when it is no regular file or does not begin like an mbox.

    A new message begins at a From line that follows an empty line (RFC 4155) and bears a time.
    """
    try:
        opened = open_regular(path, 0)
    except OSError as err:
        raise unreadable(err, path) from err
    if opened is None:
        message = f"mail journal {path}: no regular file"
        raise JournalError(Reason.UNSUPPORTED, message, hint="Name the mbox file itself.")
    with opened as file:
        if os.fstat(file.fileno()).st_size == 0:
            return
        first = file.readline(MAX_LINE_BYTES)
        if not _POSTMARK.match(first):
            message = f"mail journal {path}: no mbox, its first line is no From line with a time"
            raise JournalError(Reason.UNPARSABLE, message, hint='Use kind = "maildir" for a folder.')
        try:
            yield from _messages(file, first)
        except OSError as err:
            raise unreadable(err, path) from err


def _messages(file: BinaryIO, first: bytes) -> Iterator[Entry]:
    """Line by line: a mapped file that a mail server cuts while we read would kill this process."""
    in_from_line = not first.endswith(b"\n")
    kept: list[bytes] = []
    size = 0
    after_empty = False
    at_start = not in_from_line
    while line := file.readline(MAX_LINE_BYTES):
        if in_from_line:
            at_start = line.endswith(b"\n")
            in_from_line = not at_start
            continue
        if at_start and after_empty and _POSTMARK.match(line):
            yield _entry(kept, size)
            kept, size, after_empty = [], 0, False
            in_from_line = not line.endswith(b"\n")
            at_start = not in_from_line
            continue
        after_empty = at_start and line in (b"\n", b"\r\n")
        at_start = line.endswith(b"\n")
        size += len(line)
        if size <= MAX_MESSAGE_BYTES:
            kept.append(line)
        else:
            kept.clear()
    yield _entry(kept, size)


def _entry(kept: list[bytes], size: int) -> Entry:
    if size > MAX_MESSAGE_BYTES:
        return Entry(reason=Reason.LIMIT)
    return Entry(raw=_QUOTED.sub(rb"\1", b"".join(kept)))
