"""Messages of a Maildir, read without touching it: nothing is moved, marked or followed."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from collectors.evidence import Reason
from collectors.mail.entries import (
    MAX_MESSAGE_BYTES,
    Entry,
    JournalError,
    open_regular,
    reason_of,
    unreadable,
)

MAX_FOLDERS = 1_000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def read_maildir(path: Path) -> Iterator[Entry]:
    """Yield the messages in `new` and `cur` of a Maildir and of its `.name` subfolders.

    Raises JournalError when it is no Maildir or cannot be listed; `tmp` holds no messages yet.
    """
    try:
        root = os.open(path, _FOLDER)
    except OSError as err:
        raise unreadable(err, path) from err
    try:
        names = sorted(_names(root))
        if not {"cur", "new"} <= set(names):
            message = f"mail journal {path}: no Maildir, it has no cur and new"
            raise JournalError(Reason.NO_SOURCE, message, hint="Name the folder that holds cur, new and tmp.")
        yield from _folder(root, is_root=True)
        subfolders = [name for name in names if name.startswith(".") and name not in (".", "..")]
        for name in subfolders[:MAX_FOLDERS]:
            yield from _subfolder(root, name)
        for _ in subfolders[MAX_FOLDERS:]:
            yield Entry(reason=Reason.LIMIT)
    except OSError as err:
        raise unreadable(err, path) from err
    finally:
        os.close(root)


def _subfolder(root: int, name: str) -> Iterator[Entry]:
    """A `.name` that is a folder with cur or new; one that may be one but cannot be opened is an entry."""
    try:
        mode = os.stat(name, dir_fd=root, follow_symlinks=False).st_mode
        if stat.S_ISREG(mode):
            return  # an index or subscription file of the mail server
        if not stat.S_ISDIR(mode):
            yield Entry(reason=Reason.UNSUPPORTED)
            return
        folder = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=root)
    except OSError as err:
        yield Entry(reason=reason_of(err))
        return
    try:
        yield from _folder(folder, is_root=False)
    finally:
        os.close(folder)


def _folder(folder: int, *, is_root: bool) -> Iterator[Entry]:
    for part in ("new", "cur"):
        try:
            inside = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        except FileNotFoundError:
            continue
        except OSError as err:
            if is_root:
                raise
            yield Entry(reason=reason_of(err))
            continue
        try:
            for name in sorted(_names(inside)):
                if not name.startswith("."):
                    entry = _entry(folder, inside, part, name)
                    if entry is not None:
                        yield entry
        finally:
            os.close(inside)


def _entry(folder: int, inside: int, part: str, name: str) -> Entry | None:
    try:
        return _read(inside, name)
    except FileNotFoundError:
        return _moved(folder, part, name)
    except OSError as err:
        return Entry(reason=reason_of(err))


def _moved(folder: int, part: str, name: str) -> Entry | None:
    """A mail program moved the message from new to cur, or marked it, since we listed.

    From `new` it is met again in `cur`; in `cur` it is looked for under its unique name.
    """
    base = name.partition(":")[0]
    try:
        inside = os.open("cur", _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as err:
        return Entry(reason=reason_of(err))
    try:
        now = next((other for other in _names(inside) if other.partition(":")[0] == base), None)
        if now is None:
            return Entry(reason=Reason.NO_SOURCE)
        return None if part == "new" else _read(inside, now)
    except OSError as err:
        return Entry(reason=reason_of(err))
    finally:
        os.close(inside)


def _read(inside: int, name: str) -> Entry:
    try:
        # Even the access time stays as it was, where the system lets us (open(2): owner or CAP_FOWNER).
        opened = open_regular(name, os.O_NOFOLLOW | getattr(os, "O_NOATIME", 0), inside)
    except PermissionError:
        opened = open_regular(name, os.O_NOFOLLOW, inside)
    if opened is None:
        return Entry(reason=Reason.UNSUPPORTED)
    with opened as file:
        if os.fstat(file.fileno()).st_size > MAX_MESSAGE_BYTES:
            return Entry(reason=Reason.LIMIT)
        raw = file.read(MAX_MESSAGE_BYTES + 1)
    return Entry(raw=raw) if len(raw) <= MAX_MESSAGE_BYTES else Entry(reason=Reason.LIMIT)


def _names(folder: int) -> list[str]:
    return os.listdir(folder)
