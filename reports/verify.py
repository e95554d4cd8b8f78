"""Verify a bundle offline, step by step as docs/bundle-format.md numbers them.

Nothing in the bundle is believed: keys and rules of trust come from the verifier's own trust file, and
no content is parsed before it hashes up to a signature, except what is needed to find that signature.
"""

# ruff: noqa: EM101, EM102, TRY003
# What is raised here is a step's answer; its words are data, not the message of an error.

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from config.errors import FormatError, VerifyError
from reports import layout, runlog, statement, timing, trust
from reports.container import Archive
from reports.display import visible
from reports.merkle import is_included, leaf_hash, root
from reports.note import Checkpoint, Note, Proof, Signature
from reports.outcome import (
    STEPS,
    Bad,
    Outcome,
    StepResult,
    Verdict,
    Verification,
    altered,
    cannot,
    incomplete,
    not_asked,
    untrusted,
)
from reports.reviews import judge_reviews, read_reviews
from reports.statement import Entry, Run
from reports.timing import Stamps
from reports.trust import HeldTrust, LogKey

Replay = Callable[[Mapping[str, bytes]], bytes]
"""computes verdicts.jsonl from the other files; raises VerifyError when it cannot judge them"""
MOST_NOTE = 1 << 16
CANNOT_READ = "cannot read {what} {path}: {why}"


def verify_bundle(
    bundle: Path,
    *,
    trust_path: Path,
    trust_sha256: str | None = None,
    log: Path | None = None,
    known: Sequence[Path] = (),
    replay: Replay | None = None,
) -> Verification:
    """Check one bundle and say what every step found.

    `trust_sha256` pins the trust file; `log` is a log.jsonl that should hold the run; `known` are
    checkpoints kept from earlier visits; `replay` computes the verdicts again. Raises VerifyError only for
    files of the verifier's own that cannot be read. Whatever the bundle holds ends as a verdict.
    """
    held = trust.load(trust_path)
    log_raw = None if log is None else _own_file(log, "the log", runlog.MOST_BYTES)
    kept = tuple(_own_file(path, "the checkpoint", MOST_NOTE) for path in known)
    try:
        archive = Archive.open(bundle)
    except FormatError as err:
        return _Check(held, trust_sha256).closed(str(err))
    except OSError as err:
        raise VerifyError(CANNOT_READ.format(what="the bundle", path=bundle, why=err.strerror)) from err
    with archive:
        attachments = log.parent / runlog.ATTACHMENTS if log else None
        return _Check(held, trust_sha256).run(archive, log_raw, kept, replay, attachments)


def _own_file(path: Path, what: str, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except OSError as err:
        raise VerifyError(CANNOT_READ.format(what=what, path=path, why=err.strerror)) from err
    if len(raw) > most:
        raise VerifyError(CANNOT_READ.format(what=what, path=path, why="too large"))
    return raw


class _Check:
    """The state that one step hands to the next: each attribute is set by the step that proves it."""

    def __init__(self, held: HeldTrust, pin: str | None) -> None:
        self.held = held
        self.pin = pin
        self.results: list[StepResult] = []
        self.archive: Archive
        self.checkpoint: Checkpoint
        self.note: Note
        self.raw_note = b""
        self.signed_by: LogKey | None = None
        self.stamps: Stamps
        self.proof: Proof
        self.run_raw: bytes
        self.entry: Entry
        self.said: Run | None = None
        self.attachments: Path | None
        self.lines: tuple[bytes, ...] | None = None
        self.entries: tuple[Entry, ...] = ()
        self.digests: dict[str, str] = {}
        self.intact: set[str] = set()
        self.evidence_root: str | None = None

    def closed(self, why: str) -> Verification:
        """Answer for a file that is no bundle."""
        self._step(1, self._trust)
        self._step(2, lambda: _raise(altered(why)))
        return self._finish()

    def run(
        self,
        archive: Archive,
        log: bytes | None,
        known: tuple[bytes, ...],
        replay: Replay | None,
        attachments: Path | None,
    ) -> Verification:
        """Make every step that the ones before allow."""
        self.archive = archive
        self.attachments = attachments
        self._step(1, self._trust)
        self._step(2, self._container)
        if self.results[-1].outcome is Outcome.NG:
            return self._finish()
        # What hangs on a broken link in this chain is nobody's content, and is not read.
        chain = (
            (3, self._signature),
            (4, self._time),
            (5, self._witnesses),
            (6, self._inclusion),
            (7, self._statement),
            (8, self._sums),
        )
        for number, step in chain:
            self._step(number, step)
            if self.results[-1].verdict is Verdict.ALTERED:
                return self._finish()
        self._step(9, self._files)
        self._step(10, self._no_other)
        self._step(11, self._evidence_root)
        self._step(12, self._plan)
        self._step(13, self._exceptions)
        self._step(14, lambda: self._replay(replay))
        self._step(15, lambda: self._log(log, known))
        self._step(16, self._reviews)
        return self._finish()

    def _step(self, number: int, step: Callable[[], str]) -> None:
        try:
            detail, outcome, verdict = step(), Outcome.OK, Verdict.VERIFIED
        except Bad as bad:
            detail, outcome, verdict = bad.detail, bad.outcome, bad.verdict
        except (FormatError, OSError) as err:
            detail, outcome, verdict = str(err), Outcome.NG, Verdict.ALTERED
        except Exception as err:  # noqa: BLE001 (hostile input that found a fault of ours is not accepted)
            where = f"not in any form this program reads ({type(err).__name__})"
            detail, outcome, verdict = where, Outcome.NG, Verdict.ALTERED
        self.results.append(
            StepResult(
                number=number,
                name=STEPS[number - 1],
                outcome=outcome,
                detail=visible(detail),
                verdict=verdict,
            )
        )

    def _finish(self) -> Verification:
        done = {result.number for result in self.results}
        broken = self.results[-1].number
        for number, name in enumerate(STEPS, 1):
            if number not in done:
                self.results.append(
                    StepResult(
                        number=number,
                        name=name,
                        outcome=Outcome.NOT_CHECKED,
                        detail=f"not reached: step {broken} failed",
                        verdict=Verdict.NOT_CHECKED,
                    )
                )
        order = list(Verdict)
        return Verification(
            verdict=min((result.verdict for result in self.results), key=order.index),
            steps=tuple(self.results),
            run=self.said.run if self.said else None,
            evidence_root=self.evidence_root,
            checkpoint=self.raw_note.decode() if self.signed_by else None,
        )

    # 1. The trust file is the one that was handed over.
    def _trust(self) -> str:
        about = f"version {self.held.trust.version} of {self.held.trust.site}, sha256 {self.held.sha256}"
        if self.pin is None:
            return f"{about}; NOT PINNED, compare the hash with the one you were given"
        if self.pin.lower() != self.held.sha256:
            raise untrusted(f"{about}; that is not the hash you gave")
        return f"{about}, as pinned"

    # 2. The container has the one allowed layout, and every seal file is in it.
    def _container(self) -> str:
        absent = [
            name
            for name in (layout.SUMS, layout.RUN, layout.PROOF, layout.CHECKPOINT)
            if name not in self.archive.names
        ]
        if absent:
            raise incomplete(f"missing: {', '.join(absent)}")
        return f"{len(self.archive.names)} members in the one layout"

    # 3. The checkpoint is signed by a key that the trust file names for a log of this size.
    def _signature(self) -> str:
        raw = self.archive.read(layout.CHECKPOINT, most=MOST_NOTE)
        note = Note.parse(raw)
        checkpoint = Checkpoint.parse(note.text)
        if len(note.signatures) != 1:
            raise altered("a checkpoint file has one signature")
        # For the steps that follow: they say whether the bundle is whole, even when the key is a stranger's.
        self.raw_note, self.note, self.checkpoint = raw, note, checkpoint
        self.signed_by = self._signer(note, note.signatures[0], checkpoint)
        return (
            f"{checkpoint.size} entries under {checkpoint.origin}, signed by {self._key_name(self.signed_by)}"
        )

    def _signer(self, note: Note, signature: Signature, checkpoint: Checkpoint) -> LogKey:
        origin = self.held.trust.log.origin
        for key in self.held.trust.log.keys:
            known = key.verifier
            named = (signature.name, signature.key_id) == (known.name, known.key_id)
            good = known.verifies(note.text, signature.signature)
            if named != good:
                # Right hint and wrong signature, or the other way round: a line was changed afterwards.
                raise altered("the signature does not fit the checkpoint")
            if not good:
                continue
            if checkpoint.origin != origin:
                raise untrusted("the checkpoint is of another log than the trust file's")
            if not key.covers(checkpoint.size):
                raise untrusted(f"the key does not count for a log of {checkpoint.size} entries")
            return key
        raise untrusted("signed by a key that the trust file does not name")

    @staticmethod
    def _key_name(key: LogKey) -> str:
        return f"{key.verifier.name}+{key.verifier.key_id.hex()}"

    # 4. Enough trusted authorities say when the checkpoint existed.
    def _time(self) -> str:
        tokens = {
            name: self.archive.read(member, most=timing.MOST_BYTES)
            for member in self.archive.names
            if (name := layout.token_of(member))
        }
        self.stamps = timing.stamps(tokens, self.raw_note, self.held.trust)
        return timing.judge_seal(self.stamps, self.held.trust, self.signed_by)

    # 5. Enough witnesses saw the same log.
    def _witnesses(self) -> str:
        self.proof = Proof.parse(self.archive.read(layout.PROOF, most=MOST_NOTE))
        if not self.proof.checkpoint.startswith(self.raw_note):
            raise altered("run.tlog-proof is about another checkpoint")
        cosigned = Note.parse(self.proof.checkpoint)
        if len(cosigned.signatures) > 1:
            raise cannot("this version reads no cosignatures, and some are there")
        if self.held.trust.witness_quorum:
            raise untrusted(f"{self.held.trust.witness_quorum} cosignature(s) required, none there")
        raise not_asked("no cosignature; the trust file asks for none")

    # 6. run.json is an entry of the log that was signed.
    def _inclusion(self) -> str:
        self.run_raw = self.archive.read(layout.RUN, most=statement.MOST_BYTES)
        index, size = self.proof.index, self.checkpoint.size
        leaf = leaf_hash(self.run_raw)
        if not is_included(leaf, index=index, size=size, path=self.proof.path, tree=self.checkpoint.root):
            raise altered("run.json is not in the log at the place the proof names")
        return f"entry {index + 1} of {size}"

    # 7. run.json is the statement about a run, made for exactly its place in the log.
    def _statement(self) -> str:
        self.entry = statement.decode(self.run_raw)
        if not isinstance(self.entry.said, Run):
            raise altered("run.json is no statement about a run")
        if self.entry.prev.size != self.proof.index:
            raise altered("run.json was made for another place in the log")
        said = self.said = self.entry.said
        self._trust_pin(said)
        timing.judge_delay(self.stamps, self.held.trust, said)
        return f"run {said.run}, {said.started} to {said.finished}"

    def _trust_pin(self, said: Run) -> None:
        pinned = said.trust
        ours = self.held
        if pinned and pinned.version == ours.trust.version and pinned.sha256 != ours.sha256:
            raise untrusted(f"sealed under another trust file of version {pinned.version} than yours")

    # 8. SHA256SUMS is the one that run.json names, and is in its one form.
    def _sums(self) -> str:
        raw = self.archive.read(layout.SUMS, most=layout.MOST_SUMS)
        if hashlib.sha256(raw).hexdigest() != self.entry.subjects[0].digest.sha256:
            raise altered("SHA256SUMS is not the one that run.json names")
        self.digests = layout.read_sums(raw)
        return f"{len(self.digests)} files"

    # 9. Every file that SHA256SUMS names is there and has its hash.
    def _files(self) -> str:
        present = set(self.archive.names)
        wrong = []
        for name, digest in self.digests.items():
            if name not in present:
                continue
            hashed = hashlib.sha256()
            try:
                for chunk in self.archive.stream(name):
                    hashed.update(chunk)
            except FormatError:
                wrong.append(name)
                continue
            if hashed.hexdigest() == digest:
                self.intact.add(name)
            else:
                wrong.append(name)
        if wrong:
            raise altered(f"altered: {_some(wrong)}")
        absent = [name for name in self.digests if name not in present]
        if absent:
            raise incomplete(f"missing: {_some(absent)}")
        return f"{len(self.intact)} files have their hashes"

    # 10. Nothing else is in the bundle.
    def _no_other(self) -> str:
        other = [name for name in self.archive.names if name not in self.digests and not layout.is_seal(name)]
        if other:
            raise altered(f"not sealed: {_some(other)}")
        return "none"

    # 11. The evidence root is that of the lines of SHA256SUMS.
    def _evidence_root(self) -> str:
        said = self._run()
        lines, evidence_root = layout.evidence_tree(self.digests)
        if (lines, evidence_root) != (said.evidence.lines, said.evidence.root):
            raise altered("the evidence root in run.json is not that of SHA256SUMS")
        self.evidence_root = evidence_root
        return f"{evidence_root} over {lines} lines"

    # 12. The plan is the one that run.json names, and each of its targets has exactly one evidence file.
    def _plan(self) -> str:
        said = self._run()
        absent = layout.missing(self.digests)
        if absent:
            raise incomplete(f"missing: {', '.join(absent)}")
        if self.digests[layout.PLAN] != said.plan.sha256:
            raise altered("plan.json is not the one that run.json names")
        plan = layout.read_plan(self._content(layout.PLAN))
        if (plan.run, plan.slot, plan.next_slot, plan.engine) != (
            said.run,
            said.slot,
            said.next_slot,
            said.engine,
        ):
            raise altered("plan.json and run.json tell of different runs")
        if plan.log_size != said.prev.size:
            raise altered("the plan was made for another state of the log")
        must, may = layout.evidence_names(plan)
        found = {name for name in self.digests if name.startswith("evidence/")}
        if found - must - may:
            raise altered(f"evidence that was not planned: {_some(found - must - may)}")
        self._documents(plan, said)
        if must - self.intact:
            raise incomplete(f"no evidence: {_some(must - self.intact)}")
        when = self._plan_time(said)
        return f"{len(plan.targets)} targets planned{when}, each with its evidence"

    def _plan_time(self, said: Run) -> str:
        """The plan was fixed before the first host was asked, as far as authorities can tell."""
        tokens = {
            name: self._content(member)
            for member in sorted(self.digests)
            if (name := layout.plan_token_of(member))
        }
        made = timing.stamps(tokens, self._content(layout.PLAN), self.held.trust)
        return timing.judge_plan(made, self.stamps, self.held.trust, said)

    def _documents(self, plan: layout.PlanHead, said: Run) -> None:
        """Every document is canonical, and evidence is of its target and of this plan."""
        planned = {f"evidence/{target.target}.json": target for target in plan.targets}
        for name in sorted(filter(layout.is_json, self.intact)):
            try:
                raw = self._content(name)
                if name in planned:
                    layout.check_evidence(raw, target=planned[name], plan=plan, plan_sha256=said.plan.sha256)
                else:
                    layout.check_json(raw)
            except FormatError as err:
                raise altered(f"{name}: {err}") from err
        if layout.VERDICTS in self.intact:
            layout.check_verdicts(self._content(layout.VERDICTS))

    # 13. Every exception in force stands in the log.
    def _exceptions(self) -> str:
        if layout.has_exceptions(self._content(layout.EXCEPTIONS)):
            raise cannot("this version reads no exception entries, and exceptions.json names some")
        return "none in force"

    # 14. The verdicts follow from the evidence: judged again, they are the same bytes.
    def _replay(self, replay: Replay | None) -> str:
        if replay is None:
            raise not_asked("not asked for")
        broken = [result for result in self.results if result.outcome is Outcome.NG]
        if broken:
            raise cannot(f"not judged again, since step {broken[0].number} failed")
        try:
            again = replay(_Sealed(self))
        except VerifyError as err:
            raise cannot(str(err)) from err
        except FormatError:
            raise
        except Exception as err:
            raise cannot(f"judging again failed ({type(err).__name__})") from err
        sealed = self._content(layout.VERDICTS)
        if again != sealed:
            raise Bad(Verdict.DIFFERS, _difference(sealed, again))
        return f"{sealed.count(10)} verdicts, byte for byte"

    # 15. The log holds the run where the checkpoint says, without a gap, and extends what was known before.
    def _log(self, log: bytes | None, known: tuple[bytes, ...]) -> str:
        checkpoints = [self._known(raw) for raw in known]
        if log is None:
            if not checkpoints:
                raise not_asked("no log given")
            raise cannot("checkpoints can only be compared over a log; give it too")
        lines, torn = runlog.split(log)
        size, index = self.checkpoint.size, self.proof.index
        if len(lines) < size:
            raise incomplete(f"STALE: the log has {len(lines)} entries, the checkpoint {size}")
        leaves = [leaf_hash(line) for line in lines]
        if lines[index] != self.run_raw or root(leaves[:size]) != self.checkpoint.root:
            raise altered("FORK: the log given is not the one this run was sealed in")
        for checkpoint in checkpoints:
            if checkpoint.size > len(lines):
                raise altered(
                    f"ROLLBACK: a checkpoint of {checkpoint.size} entries is known, the log is shorter"
                )
            if root(leaves[: checkpoint.size]) != checkpoint.root:
                raise altered(
                    f"FORK: the log does not extend the known checkpoint of {checkpoint.size} entries"
                )
        self.entries = tuple(statement.decode(line) for line in lines)
        self.lines = lines
        return self._entries(lines, torn=bool(torn))

    def _known(self, raw: bytes) -> Checkpoint:
        note = Note.parse(raw)
        checkpoint = Checkpoint.parse(note.text)
        if checkpoint.origin != self.held.trust.log.origin or not any(
            key.covers(checkpoint.size) and key.verifier.verifies(note.text, signature.signature)
            for key in self.held.trust.log.keys
            for signature in note.signatures
        ):
            raise untrusted("a known checkpoint is not signed by a key of the trust file")
        return checkpoint

    def _entries(self, lines: tuple[bytes, ...], *, torn: bool) -> str:
        """Walk the chain; what is broken for good comes before what is only missing."""
        entries = self.entries
        former: str | None = None
        for position, entry in enumerate(entries):
            if (entry.prev.size, entry.prev.entry) != (position, former):
                raise altered(f"entry {position + 1} does not pin the one before it")
            former = hashlib.sha256(lines[position]).hexdigest()
        mine = hashlib.sha256(self.raw_note).hexdigest()
        if len(entries) > self.checkpoint.size and entries[self.checkpoint.size].prev.checkpoint != mine:
            raise altered("FORK: the next entry pins another checkpoint than this bundle's")
        runs = [entry.said.run for entry in entries if isinstance(entry.said, Run)]
        gaps = [
            f"run {after} follows run {before}"
            for before, after in pairwise([0, *runs])
            if after != before + 1
        ]
        missed = sum(entry.type == statement.MISSED for entry in entries)
        unread = sum(entry.said is None for entry in entries)
        if gaps:
            raise incomplete(f"GAP: {_some(gaps)}")
        if missed:
            raise incomplete(f"missed slots on record: {missed}; {len(runs)} runs without a gap")
        if torn:
            raise incomplete("the log ends in the middle of a line")
        if unread:
            raise cannot(f"{unread} entries of a type that this version does not read")
        return f"{len(lines)} entries, {len(runs)} runs without a gap"

    # 16. What officers decided about runs of the log, and about this one.
    def _reviews(self) -> str:
        if self.lines is None:
            raise not_asked("they stand in the log, which was not given or is not this run's")
        found = read_reviews(self.lines, self.entries, self.attachments, self.held.trust)
        return judge_reviews(found, self._run().run, self.digests)

    def _run(self) -> Run:
        if self.said is None:
            raise altered("run.json was not read")
        return self.said

    def _content(self, name: str) -> bytes:
        """Return a file whose hash is right; anything else counts as altered or missing."""
        if name not in self.intact:
            verdict = Verdict.INCOMPLETE if name not in self.archive.names else Verdict.ALTERED
            raise Bad(verdict, f"{name} is missing or altered")
        raw = self.archive.read(name, most=layout.MOST_JSON)
        # The file on disk could have been exchanged since step 9.
        if hashlib.sha256(raw).hexdigest() != self.digests[name]:
            raise altered(f"{name} changed while it was read")
        return raw

    def content(self, name: str) -> bytes:
        """Return a sealed file; raises KeyError for one that is not."""
        if name not in self.intact:
            raise KeyError(name)
        return self._content(name)


class _Sealed(Mapping[str, bytes]):
    """The sealed files, read and hashed again whenever asked for; none is kept in memory."""

    def __init__(self, check: _Check) -> None:
        self._check = check

    def __getitem__(self, name: str) -> bytes:
        return self._check.content(name)

    def __contains__(self, name: object) -> bool:
        return name in self._check.intact

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._check.intact))

    def __len__(self) -> int:
        return len(self._check.intact)


def _raise(bad: Bad) -> str:
    raise bad


def _some(names: Iterable[str], most: int = 5) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _difference(sealed: bytes, again: bytes) -> str:
    """Name host and safeguard of the first verdict that differs."""
    before, after = sealed.splitlines(), again.splitlines()
    count = sum(1 for one, other in zip(before, after, strict=False) if one != other) + abs(
        len(before) - len(after)
    )
    first = next(
        (number for number, (one, other) in enumerate(zip(before, after, strict=False)) if one != other),
        min(len(before), len(after)),
    )
    line = (before[first:] or after[first:] or [b"{}"])[0]
    return f"{count} verdicts differ, the first is line {first + 1}: {layout.about_verdict(line)}"
