"""Writing that survives a power cut: whole files appear under their name, or not at all."""

import os
from pathlib import Path

MODE = 0o600
FOLDER_MODE = 0o700


def write_all(file: int, data: bytes) -> None:
    """Write every byte; a kernel may take less than it is given."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def create(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet, without waiting for the disk."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
    try:
        write_all(file, data)
    finally:
        os.close(file)


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def put(path: Path, data: bytes) -> None:
    """Place a whole file under its name: write aside, sync, rename, sync the folder."""
    aside = path.with_name(f".tmp-{path.name}")
    aside.unlink(missing_ok=True)
    create(aside, data)
    sync(aside)
    aside.rename(path)
    sync(path.parent)


def make_folder(path: Path) -> None:
    """Make a private folder if it is not there."""
    if not path.is_dir():
        path.mkdir(FOLDER_MODE)
        sync(path.parent)
