"""The state folder: staging of a run, the commit to the log, and recovery after any interruption.

log/log.jsonl, log/checkpoints/SIZE     the log; its line is the point of commit
log/checkpoints/SIZE.NAME.tsr           time-stamp tokens over that checkpoint
log/attachments/SHA256                  what entries about people's documents name
runs/NNNNNN/                            a bundle's content as a folder
runs/.tmp-NNNNNN/                       a run that is being made
bundles/tenken-SITE-NNNNNN.zip          the bundle
lock                                    held while somebody writes
"""

import fcntl
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from config.errors import FormatError, SealError, StoreError, StoreLockedError
from reports import canonical, layout, people, statement
from reports.container import check_name, write_archive
from reports.durable import create, make_folder, put, sync
from reports.layout import PlanHead
from reports.note import Checkpoint, Note, encode_root
from reports.people import NotEntitledError, Review
from reports.readme import readme
from reports.runlog import RunLog
from reports.sealkey import Signer
from reports.statement import Missed, Reviewed, Run, TrustPin
from reports.trust import Trust

Late = Callable[[str], Mapping[str, bytes]]
Stamp = Callable[[bytes], Mapping[str, bytes]]
"""asks time-stamp authorities about bytes; returns the tokens got, by the authority's name"""


class RunStatementInput(Struct, frozen=True, kw_only=True):
    """What the pipeline adds to run.json; the rest follows from plan.json and the files."""

    started: datetime
    finished: datetime
    counts: dict[str, int]
    trust: TrustPin | None = None
    """the trust file handed out when the run was sealed"""


class SealedRun(Struct, frozen=True, kw_only=True):
    """A run that is in the log, with its bundle."""

    run: int
    bundle: Path
    folder: Path
    """the bundle's content, as files"""
    evidence_root: str
    checkpoint: str
    """the signed checkpoint's text: what to hand to somebody outside"""


class Store:
    """A state folder whose lock is held; use as a context manager."""

    def __init__(self, state: Path, lock: int, stamp: Stamp) -> None:
        self._lock = lock
        self._stamp = stamp
        self._healed = False
        self._runs = state / "runs"
        self._bundles = state / "bundles"
        make_folder(self._runs)
        make_folder(self._bundles)
        self._log = RunLog(state / "log")
        self._clean()
        self._commit_what_is_complete()

    @classmethod
    def open(cls, state: Path, *, stamp: Stamp = lambda _: {}) -> Self:
        """Take the lock and recover what needs no key; raises StoreLockedError, StoreError."""
        try:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as err:
            message = f"cannot use the state folder {state}: {err.strerror}"
            raise StoreError(message) from err
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as err:
                message = f"another run holds the state folder {state}"
                raise StoreLockedError(
                    message, hint="Wait until it is done; a dead run holds no lock."
                ) from err
            return cls(state, lock, stamp)
        except OSError as err:
            os.close(lock)
            message = f"cannot use the state folder {state}: {err.strerror}"
            raise StoreError(message, hint="Is the disk full or read-only?") from err
        except BaseException:
            os.close(lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock)  # ends the flock

    @property
    def size(self) -> int:
        """Entries in the log."""
        return self._log.size

    @property
    def runs(self) -> tuple[Run, ...]:
        """What every run in the log said, oldest first."""
        return tuple(entry.said for entry in self._log.entries if isinstance(entry.said, Run))

    @property
    def next_run(self) -> int:
        """The number that the next run gets: without a gap."""
        return len(self.runs) + 1

    def begin_run(self) -> "RunDraft":
        """Start to stage the next run; only one at a time. Raises StoreError."""
        folder = self._runs / f".tmp-{self.next_run:06d}"
        try:
            folder.mkdir(0o700)
        except OSError as err:
            message = f"cannot stage run {self.next_run}: {err.strerror}"
            raise StoreError(message) from err
        return RunDraft(store=self, run=self.next_run, folder=folder)

    def recover(self, key: Signer) -> tuple[SealedRun, ...]:
        """Sign and pack what was committed before an interruption; raises StoreError, SealError.

        `seal` and `record_missed` call it themselves; a caller may do it early to learn of an old bundle.
        A newest checkpoint without a time stamp gets one now, which the next entry pins, and a new bundle.
        """
        try:
            self._log.check_signer(key.verifier)
            if not self._log.is_signed():
                self._log.sign(key)
            self._heal()
            return tuple(self._pack(index) for index in self._unpacked())
        except OSError as err:
            raise _cannot_write(err) from err

    def record_missed(self, key: Signer, *, slot: str, why: str, recorded: datetime) -> str:
        """Write into the log that nothing ran at a promised time; returns the signed checkpoint."""
        self.recover(key)
        try:
            missed = Missed(slot=slot, why=why, recorded=statement.instant(recorded), prev=self._log.prev())
            self._log.append(statement.encode(missed))
            checkpoint = self._log.sign(key).decode()
            self._heal()
        except OSError as err:
            raise _cannot_write(err) from err
        return checkpoint

    def record_review(self, key: Signer, raw: bytes, signature: bytes, *, trust: Trust, now: datetime) -> str:
        """Write an officer's review into the log; returns the signed checkpoint.

        Raises SealError for one that no verifier would accept, StoreError when the log refuses.
        """
        self.recover(key)
        recorded = statement.instant(now)
        try:
            review = people.check(raw, signature, trust, recorded=recorded)
            self._is_about_this_log(review)
        except (FormatError, NotEntitledError) as err:
            message = f"the review is not taken: {err}"
            raise SealError(message, hint="`tenken review write` makes one; sign exactly that file.") from err
        said = Reviewed(run=review.run, recorded=recorded, prev=self._log.prev())
        entry = statement.encode(said, {"review.json": raw, "review.json.sig": signature})
        try:
            for attachment in (raw, signature):
                self._log.attach(attachment)
            self._log.append(entry)
            checkpoint = self._log.sign(key).decode()
            self._heal()
        except OSError as err:
            raise _cannot_write(err) from err
        return checkpoint

    def _is_about_this_log(self, review: Review) -> None:
        """Raise FormatError unless the review is of a run of this log, as this log has it."""
        lines = self._log.lines
        found = [
            index
            for index, entry in enumerate(self._log.entries)
            if isinstance(entry.said, Run) and entry.said.run == review.run
        ]
        if not found or people.sha256(lines[found[0]]) != review.run_sha256:
            message = f"it is about another run than run {review.run} of this log"
            raise FormatError(message)
        size = review.checkpoint.size
        if not found[0] < size <= len(lines):
            message = "its checkpoint does not cover the run"
            raise FormatError(message)
        if (
            encode_root(Checkpoint.parse(Note.parse(self._log.checkpoint(size)).text).root)
            != review.checkpoint.root
        ):
            message = "its checkpoint is of another log"
            raise FormatError(message)

    def commit(self, draft: "RunDraft", key: Signer, head: PlanHead, said: RunStatementInput) -> SealedRun:
        """Seal a staged run whose files are all there; `RunDraft.seal` calls it."""
        sums = layout.write_sums(draft.digests)
        lines, evidence_root = layout.evidence_tree(draft.digests)
        run = Run(
            run=draft.run,
            slot=head.slot,
            started=statement.instant(said.started),
            finished=statement.instant(said.finished),
            plan=statement.Digest(sha256=draft.digests[layout.PLAN]),
            evidence=statement.EvidenceTree(lines=lines, root=evidence_root),
            engine=head.engine,
            counts=said.counts,
            next_slot=head.next_slot,
            trust=said.trust,
            prev=self._log.prev(),
        )
        entry = statement.encode(run, {layout.SUMS: sums})
        statement.decode(entry)  # what no reader accepts is never sealed
        create(draft.folder / layout.SUMS, sums)
        create(draft.folder / layout.RUN, entry)
        _sync_tree(draft.folder)
        sealed = self._runs / f"{draft.run:06d}"
        draft.folder.rename(sealed)
        sync(self._runs)
        self._log.append(entry)  # the point of commit
        self._log.sign(key)
        self._take_tokens()
        return self._pack(self._log.size - 1)

    def _heal(self) -> None:
        """Stamp a newest checkpoint that no authority answered for; asked once, since it may take long."""
        size = self._log.size
        if self._healed or not size or self._log.tokens(size):
            return
        self._healed = True
        said = self._log.entries[size - 1].said
        if self._take_tokens() and isinstance(said, Run):
            (self._runs / f"{said.run:06d}" / PACKED).unlink(missing_ok=True)

    def _take_tokens(self) -> bool:
        tokens = self._stamp(self._log.checkpoint(self._log.size))
        for name, token in tokens.items():
            self._log.put_token(self._log.size, name, token)
        return bool(tokens)

    def _clean(self) -> None:
        for left in (*self._runs.glob(".tmp-*"), *self._bundles.glob(".tmp-*")):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink()

    def _commit_what_is_complete(self) -> None:
        """Append the entry of a run that was complete before its line could be written."""
        folder = self._runs / f"{self.next_run:06d}"
        if not folder.exists():
            return
        try:
            entry = (folder / layout.RUN).read_bytes()
            if not self._log.follows(statement.decode(entry)):
                message = f"{folder.name} was made for another state of the run log"
                raise StoreError(
                    message, hint="Restore log/log.jsonl from a backup, or move that folder away."
                )
            self._log.append(entry)
        except (FileNotFoundError, FormatError) as err:
            message = f"{folder.name} is no complete run"
            raise StoreError(message, hint="Move that folder away; nothing in the log refers to it.") from err

    def _unpacked(self) -> list[int]:
        return [
            index
            for index, entry in enumerate(self._log.entries)
            if isinstance(entry.said, Run) and not self._is_packed(entry.said.run)
        ]

    def _is_packed(self, run: int) -> bool:
        # A bundle may be moved to an archive; a run whose proof is in its folder was packed once.
        return (self._runs / f"{run:06d}" / PACKED).exists() or not (self._runs / f"{run:06d}").exists()

    def _pack(self, index: int) -> SealedRun:
        """Add proof and checkpoint to a committed run and write its bundle."""
        said = self._log.entries[index].said
        if not isinstance(said, Run):
            message = f"entry {index} of the run log is no run"
            raise StoreError(message)
        folder = self._runs / f"{said.run:06d}"
        checkpoint = self._log.checkpoint(index + 1)
        put(folder / layout.CHECKPOINT, checkpoint)
        put(folder / layout.PROOF, self._log.proof(index, index + 1))
        for name, token in self._log.tokens(index + 1).items():
            put(folder / layout.token_name(name), token)
        head = layout.read_plan((folder / layout.PLAN).read_bytes())
        bundle = self._bundles / f"tenken-{head.site}-{said.run:06d}.zip"
        aside = bundle.with_name(f".tmp-{bundle.name}")
        aside.unlink(missing_ok=True)
        file = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            write_archive(file, dict(_files(folder)))
            os.fsync(file)
        finally:
            os.close(file)
        aside.rename(bundle)
        sync(self._bundles)
        put(folder / PACKED, b"")
        return SealedRun(
            run=said.run,
            bundle=bundle,
            folder=folder,
            evidence_root=said.evidence.root,
            checkpoint=checkpoint.decode(),
        )


PACKED = ".packed"
"""empty file in a run's folder: its bundle was written once"""


class RunDraft:
    """A run that is being made, as files under a temporary name; not yet part of anything."""

    def __init__(self, *, store: Store, run: int, folder: Path) -> None:
        self.run = run
        self.folder = folder
        self.digests: dict[str, str] = {}
        """SHA-256 of each file written, by its path in the bundle"""
        self._store = store
        self._guard = threading.Lock()
        self._taken: set[str] = set()
        self._done = False

    def write(self, path: str, data: bytes) -> None:
        """Add one file, once; any thread may. Raises SealError for what no reader would accept."""
        if not (layout.is_judged(path) or layout.is_shown(path)):
            message = f"{path!r} has no place in a bundle"
            raise SealError(message)
        self._write(path, data)

    def __getitem__(self, path: str) -> bytes:
        """Return a file that was written."""
        if path not in self.digests:
            raise KeyError(path)
        return (self.folder / path).read_bytes()

    @property
    def members(self) -> Mapping[str, bytes]:
        """The files so far, read from disk one by one when asked for."""
        return _Staged(self)

    def seal(self, key: Signer, *, statement: RunStatementInput, late: Late | None = None) -> SealedRun:
        """Add the files that show the evidence root, commit to the log, sign, pack.

        `late` gets the evidence root in hexadecimal and returns the `report/` and `export/` files. Raises
        SealError when files are missing or wrong (then nothing was committed), StoreError when the disk or
        the log refuses.
        """
        if self._done:
            message = f"run {self.run} was sealed or given up already"
            raise SealError(message)
        try:
            self._store.recover(key)
            head = self._check()
            _, evidence_root = layout.evidence_tree(self.digests)
            for path, data in (late(evidence_root) if late else {}).items():
                if not layout.is_shown(path):
                    message = f"{path!r} would change the evidence root it shows"
                    raise SealError(message)
                self._write(path, data)
            self._write(layout.README, readme(head).encode())
            sealed = self._store.commit(self, key, head, statement)
        except OSError as err:
            raise _cannot_write(err) from err
        except FormatError as err:
            message = f"run {self.run} cannot be sealed: {err}"
            raise SealError(message) from err
        self._done = True
        return sealed

    def abandon(self) -> None:
        """Forget the run; harmless after it was sealed."""
        if not self._done:
            self._done = True
            shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, path: str, data: bytes) -> None:
        try:
            check_name(path)
            if layout.is_json(path):
                canonical.decode(data)
            elif path == layout.VERDICTS:
                layout.check_verdicts(data)
        except FormatError as err:
            message = f"{path}: {err}"
            raise SealError(message) from err
        digest = hashlib.sha256(data).hexdigest()
        with self._guard:
            if path.lower() in self._taken:
                message = f"{path} was written already"
                raise SealError(message)
            self._taken.add(path.lower())
            self.digests[path] = digest
        file = self.folder / path
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            create(file, data)
        except OSError as err:
            raise _cannot_write(err) from err

    def _check(self) -> PlanHead:
        """Refuse what `verify` would call incomplete or altered."""
        names = {*self.digests, layout.README}
        absent = layout.missing(names)
        if absent:
            message = f"run {self.run} cannot be sealed without {', '.join(absent)}"
            raise SealError(message)
        head = layout.read_plan(self[layout.PLAN])
        if (head.run, head.log_size) != (self.run, self._store.size):
            message = f"plan.json is of run {head.run} after {head.log_size} entries, not of this one"
            raise SealError(message)
        must, may = layout.evidence_names(head)
        found = {name for name in names if name.startswith("evidence/")}
        if must - found or found - must - may:
            wrong = sorted((must - found) | (found - must - may))
            message = f"evidence and plan differ: {', '.join(wrong[:5])} ({len(wrong)} in all)"
            raise SealError(message)
        for target in head.targets:
            layout.check_evidence(
                self[f"evidence/{target.target}.json"],
                target=target,
                plan=head,
                plan_sha256=self.digests[layout.PLAN],
            )
        return head


class _Staged(Mapping[str, bytes]):
    """The files of a draft; nothing is kept in memory."""

    def __init__(self, draft: RunDraft) -> None:
        self._draft = draft

    def __getitem__(self, path: str) -> bytes:
        return self._draft[path]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._draft.digests))

    def __len__(self) -> int:
        return len(self._draft.digests)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            yield path.relative_to(folder).as_posix(), path


def _sync_tree(folder: Path) -> None:
    """Bring every file and every list of names to the disk, the folder itself last."""
    for path in folder.rglob("*"):
        sync(path)
    sync(folder)


def _cannot_write(err: OSError) -> StoreError:
    return StoreError(
        f"the state folder cannot be written: {err.strerror}",
        hint="Is the disk full or read-only? Run again.",
    )
