"""The append-only run log: one entry a line, and a signed checkpoint for every size."""

import hashlib
import os
from pathlib import Path

from config.errors import FormatError, StoreError
from reports import statement
from reports.durable import make_folder, put, sync, write_all
from reports.merkle import inclusion_path, leaf_hash, root
from reports.note import Checkpoint, Note, Proof, VerifierKey, sign_note
from reports.sealkey import Signer
from reports.statement import Entry, Prev

MOST_BYTES = 1 << 30
"""bytes of a whole log that are read at once; an entry is about 1 KB"""


ATTACHMENTS = "attachments"
"""folder beside log.jsonl: files that entries name, under their SHA-256"""


def split(raw: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """Return a log's whole lines without their newlines, and the torn rest after the last newline."""
    *lines, rest = raw.split(b"\n")
    return tuple(lines), rest


def read_lines(state: Path) -> tuple[bytes, ...]:
    """Return the log's lines without taking the lock: a line that is being written is left out.

    Raises StoreError when the log cannot be read; a state folder without a log is an empty log.
    """
    try:
        return split((state / "log" / "log.jsonl").read_bytes())[0]
    except FileNotFoundError:
        return ()
    except OSError as err:
        message = f"cannot read the run log: {err.strerror}"
        raise StoreError(message) from err


def read_runs(state: Path) -> tuple[statement.Run, ...]:
    """Return what every sealed run said, oldest first, without taking the lock; raises StoreError."""
    return tuple(entry.said for entry in read_entries(state) if isinstance(entry.said, statement.Run))


def read_entries(state: Path) -> tuple[Entry, ...]:
    """Return the log's entries, oldest first, without taking the lock; raises StoreError."""
    return _entries(read_lines(state))


def _entries(lines: tuple[bytes, ...]) -> tuple[Entry, ...]:
    try:
        return tuple(statement.decode(line) for line in lines)
    except FormatError as err:
        message = f"the run log holds a line that this version cannot read: {err}"
        raise StoreError(message, hint="Restore log/log.jsonl from a backup.") from err


class RunLog:
    """The log of a state folder whose lock is held."""

    def __init__(self, folder: Path) -> None:
        """Load, drop a torn last line, and check against the last signed checkpoint; raises StoreError."""
        self._file = folder / "log.jsonl"
        self._checkpoints = folder / "checkpoints"
        self._attachments = folder / ATTACHMENTS
        make_folder(folder)
        make_folder(self._checkpoints)
        lines, torn = split(self._file.read_bytes() if self._file.exists() else b"")
        self._lines = list(lines)
        self._extends_what_was_signed()
        if torn:
            # Only an append that was cut short ends without a newline, and nothing was signed over it.
            os.truncate(self._file, sum(len(line) + 1 for line in self._lines))
            sync(self._file)
        for aside in self._checkpoints.glob(".tmp-*"):
            aside.unlink()
        self._entries = list(_entries(tuple(self._lines)))

    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self._lines)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries, oldest first."""
        return tuple(self._entries)

    @property
    def lines(self) -> tuple[bytes, ...]:
        """The entries' bytes."""
        return tuple(self._lines)

    def prev(self) -> Prev:
        """What the next entry pins; raises StoreError when the last one is not sealed yet."""
        if not self._lines:
            return Prev(size=0, entry=None, checkpoint=None, tokens={})
        tokens = {name: hashlib.sha256(raw).hexdigest() for name, raw in self.tokens(self.size).items()}
        return Prev(
            size=self.size,
            entry=hashlib.sha256(self._lines[-1]).hexdigest(),
            checkpoint=hashlib.sha256(self.checkpoint(self.size)).hexdigest(),
            tokens=tokens,
        )

    def follows(self, entry: Entry) -> bool:
        """Whether `entry` was made for the log as it is now."""
        prev = entry.prev
        last = hashlib.sha256(self._lines[-1]).hexdigest() if self._lines else None
        return (prev.size, prev.entry) == (self.size, last)

    def append(self, line: bytes) -> None:
        """Add an entry; when this returns, it is committed. Raises StoreError, FormatError."""
        entry = statement.decode(line)
        if not self.follows(entry):
            message = "an entry that was made for another state of the log"
            raise StoreError(message)
        file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            before = os.fstat(file).st_size
            try:
                write_all(file, line + b"\n")
                os.fsync(file)
            except OSError:
                # A full disk may have taken a piece of the line; if this fails too, the next start cuts it.
                os.ftruncate(file, before)
                raise
        finally:
            os.close(file)
        sync(self._file.parent)
        self._lines.append(line)
        self._entries.append(entry)

    def checkpoint(self, size: int) -> bytes:
        """Return the signed checkpoint of that size; raises StoreError when there is none."""
        try:
            return self._path(size).read_bytes()
        except FileNotFoundError as err:
            message = f"entry {size} of the run log is not sealed yet"
            raise StoreError(message, hint="The next `tenken run` seals it first.") from err

    def tokens(self, size: int) -> dict[str, bytes]:
        """Return the time-stamp tokens over the checkpoint of that size, by the authority's name."""
        prefix, suffix = f"{size:08d}.", ".tsr"
        return {
            path.name.removeprefix(prefix).removesuffix(suffix): path.read_bytes()
            for path in sorted(self._checkpoints.glob(f"{prefix}*{suffix}"))
        }

    def put_token(self, size: int, name: str, token: bytes) -> None:
        """Keep a time-stamp token over the checkpoint of that size."""
        put(self._checkpoints / f"{size:08d}.{name}.tsr", token)

    def attach(self, raw: bytes) -> None:
        """Keep what an entry is going to name, under its SHA-256."""
        make_folder(self._attachments)
        path = self._attachments / hashlib.sha256(raw).hexdigest()
        if not path.exists():
            put(path, raw)

    def is_signed(self) -> bool:
        """Whether the newest entry has its checkpoint."""
        return not self._lines or self._path(self.size).exists()

    def check_signer(self, key: VerifierKey) -> None:
        """Raise StoreError unless the log extends what was signed last, and this key signed that."""
        self._extends_what_was_signed()
        newest = self._newest_signed()
        if not newest:
            return
        note = Note.parse(self.checkpoint(newest))
        by_us = any(key.verifies(note.text, signature.signature) for signature in note.signatures)
        if not by_us or Checkpoint.parse(note.text).origin != key.name:
            message = "the run log was signed by another key, or under another name, than the one given"
            raise StoreError(message, hint="Use the former key; one state folder has one key.")

    def sign(self, key: Signer) -> bytes:
        """Sign the checkpoint of the whole log, once; raises StoreError when the log may not be signed.

        Ed25519 is deterministic: signing again after a crash gives the same bytes.
        """
        self.check_signer(key.verifier)
        if not self.is_signed():
            state = Checkpoint(origin=key.verifier.name, size=self.size, root=self._root(self.size))
            put(self._path(self.size), sign_note(state.text, key.verifier, key.sign))
        return self.checkpoint(self.size)

    def proof(self, index: int, size: int) -> bytes:
        """Return the tlog-proof of one entry in the checkpoint of `size`."""
        leaves = [leaf_hash(line) for line in self._lines[:size]]
        path = inclusion_path(leaves, index)
        return Proof(index=index, path=path, checkpoint=self.checkpoint(size)).encode()

    def _path(self, size: int) -> Path:
        return self._checkpoints / f"{size:08d}"

    def _root(self, size: int) -> bytes:
        return root(leaf_hash(line) for line in self._lines[:size])

    def _newest_signed(self) -> int:
        signed = sorted(
            path.name for path in self._checkpoints.iterdir() if path.name.isdecimal() and path.name.isascii()
        )
        return int(signed[-1]) if signed else 0

    def _extends_what_was_signed(self) -> None:
        newest = self._newest_signed()
        if self.size not in (newest, newest + 1):
            # Each entry is sealed before the next one is made, so any other distance means a lost file.
            message = f"the run log has {self.size} entries, but the newest signed checkpoint is of {newest}"
            raise StoreError(message, hint="Restore the state folder from a backup; nothing was signed.")
        if not newest:
            return
        try:
            note = Note.parse(self.checkpoint(newest))
            state = Checkpoint.parse(note.text)
        except FormatError as err:
            message = f"the signed checkpoint of {newest} entries is damaged: {err}"
            raise StoreError(message, hint="Restore the state folder from a backup.") from err
        if (state.size, state.root) != (newest, self._root(newest)):
            message = "the run log does not extend what was signed last: it was rewritten or damaged"
            raise StoreError(message, hint="Restore log/log.jsonl from a backup; nothing was signed.")
