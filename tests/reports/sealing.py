"""Small sealed runs for the tests, honest and forged."""

import hashlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reports import canonical, layout, statement
from reports.container import Archive, write_archive
from reports.merkle import leaf_hash, root
from reports.note import Checkpoint, Proof, sign_note
from reports.sealkey import SealKey, Signer
from reports.statement import Digest, Engine, EvidenceTree, Prev, Run
from reports.store import RunDraft, RunStatementInput, SealedRun, Store

ORIGIN = "tenken.example/kk"
NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
SAID = RunStatementInput(started=NOW, finished=NOW, counts={"hosts": 1, "pass": 1})
VERDICTS = b'{"result":"pass","safeguard":"ssh-x","target":"web-01"}\n'


def plan(run: int, log_size: int, **changes: Any) -> dict[str, Any]:
    """A plan with one host and the roster."""
    return {
        "v": 1,
        "run": run,
        "site": "kk",
        "slot": None,
        "next_slot": "2026-11-25T02:00:00Z",
        "targets": [{"target": "web-01", "kind": "host"}, {"target": "roster", "kind": "roster"}],
        "engine": {"name": "tenken", "version": "0.1.0", "rules_api": 1},
        "log_size": log_size,
        **changes,
    }


def evidence(run: int, raw_plan: bytes, target: str, kind: str, **changes: Any) -> bytes:
    """An evidence file of one target."""
    head = {"v": 1, "run": run, "plan": hashlib.sha256(raw_plan).hexdigest(), "target": target, "kind": kind}
    return canonical.encode({**head, "salt": "AAAAAAAAAAAAAAAAAAAAAA==", "lines": ["記録 " * 20], **changes})


def members(run: int, log_size: int) -> dict[str, bytes]:
    """The files a pipeline writes."""
    raw = canonical.encode(plan(run, log_size))
    return {
        layout.PLAN: raw,
        layout.CATALOGUE: canonical.encode({"v": 1, "rules": []}),
        layout.EXCEPTIONS: canonical.encode({"v": 1, "exceptions": []}),
        "evidence/web-01.json": evidence(run, raw, "web-01", "host"),
        "evidence/web-01.history.json": canonical.encode({"v": 1, "run": run}),
        "evidence/roster.json": evidence(run, raw, "roster", "roster"),
        layout.VERDICTS: VERDICTS,
    }


def stage(store: Store) -> RunDraft:
    """Begin a run and write its files."""
    draft = store.begin_run()
    for path, data in members(draft.run, store.size).items():
        draft.write(path, data)
    return draft


def late(evidence_root: str) -> Mapping[str, bytes]:
    """A report that shows the evidence root."""
    return {"report/report.html": f"<p>{evidence_root}</p>".encode()}


def seal(state: Path, key: Signer) -> SealedRun:
    """Make one whole run."""
    with Store.open(state) as store:
        return stage(store).seal(key, statement=SAID, late=late)


def unpack(bundle: Path) -> dict[str, bytes]:
    """Every member of a bundle."""
    with Archive.open(bundle) as archive:
        return {name: archive.read(name, most=1 << 24) for name in archive.names}


def repack(folder: Path, files: Mapping[str, bytes], name: str = "again.zip") -> Path:
    """Pack files into a bundle of the right layout, whatever they hold."""
    source = folder / f"{name}.d"
    source.mkdir()
    paths = {}
    for number, (member, data) in enumerate(files.items()):
        paths[member] = source / str(number)
        paths[member].write_bytes(data)
    target = folder / name
    file = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        write_archive(file, paths)
    finally:
        os.close(file)
    return target


def forge(files: Mapping[str, bytes], key: SealKey, **changes: Any) -> dict[str, bytes]:
    """Seal any files with the real key, as an operator could who does not use the tool.

    `changes` replace fields of the run statement.
    """
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    lines, evidence_root = layout.evidence_tree(digests)
    sums = layout.write_sums(digests)
    said: dict[str, Any] = {
        "run": 1,
        "slot": None,
        "started": statement.instant(NOW),
        "finished": statement.instant(NOW),
        "plan": Digest(sha256=digests.get(layout.PLAN, "0" * 64)),
        "evidence": EvidenceTree(lines=lines, root=evidence_root),
        "engine": Engine(name="tenken", version="0.1.0", rules_api=1),
        "counts": {},
        "next_slot": "2026-11-25T02:00:00Z",
        "trust": None,
        "prev": Prev(size=0, entry=None, checkpoint=None, tokens={}),
    }
    entry = statement.encode(Run(**{**said, **changes}), {layout.SUMS: sums})
    tree = root([leaf_hash(entry)])
    note = sign_note(Checkpoint(origin=ORIGIN, size=1, root=tree).text, key.verifier, key.sign)
    seals = {
        layout.SUMS: sums,
        layout.RUN: entry,
        layout.CHECKPOINT: note,
        layout.PROOF: Proof(index=0, path=(), checkpoint=note).encode(),
    }
    return {**files, **seals}
