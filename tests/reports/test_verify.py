"""Every tampering with the step that must refuse it."""

import hashlib
import json
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.errors import FormatError, VerifyError
from reports import canonical, layout
from reports.note import Checkpoint, Proof, sign_note
from reports.outcome import STEPS, Outcome, Verdict, Verification
from reports.sealkey import SealKey
from reports.statement import Digest, EvidenceTree, Prev, TrustPin
from reports.store import SealedRun, Store
from reports.verify import verify_bundle
from tests.reports.sealing import (
    ORIGIN,
    SAID,
    VERDICTS,
    evidence,
    forge,
    members,
    plan,
    repack,
    seal,
    stage,
    unpack,
)

Files = dict[str, bytes]


def same(files: Mapping[str, bytes]) -> bytes:
    """A replay that agrees with the tests' verdicts, from the evidence alone."""
    return VERDICTS if b'"target":"web-01"' in files["evidence/web-01.json"] else b""


def refused_at(found: Verification, verdict: Verdict) -> int:
    """The first step with that verdict, which must be the worst."""
    assert found.verdict is verdict, [(step.number, step.detail) for step in found.steps]
    assert [step.number for step in found.steps] == list(range(1, len(STEPS) + 1))
    return next(step.number for step in found.steps if step.verdict is verdict)


def check(folder: Path, files: Mapping[str, bytes], trusted: Path, **more: Any) -> Verification:
    return verify_bundle(repack(folder, files), trust_path=trusted, replay=same, **more)


# --- what is whole


def test_an_untouched_bundle_is_verified_and_every_step_says_what_it_did(
    sealed: SealedRun, trusted: Path
) -> None:
    log = sealed.bundle.parents[1] / "log" / "log.jsonl"
    pin = hashlib.sha256(trusted.read_bytes()).hexdigest()
    found = verify_bundle(sealed.bundle, trust_path=trusted, trust_sha256=pin, log=log, replay=same)
    assert (found.verdict, found.exit_code) == (Verdict.VERIFIED, 0)
    assert (found.run, found.evidence_root, found.checkpoint) == (2, sealed.evidence_root, sealed.checkpoint)
    assert {step.name for step in found.steps if step.outcome is not Outcome.OK} == {
        "time stamp",
        "witnesses",
    }
    assert "UNTIMED" in found.steps[3].detail


def test_what_was_not_asked_for_is_said_and_is_no_fault(sealed: SealedRun, trusted: Path) -> None:
    found = verify_bundle(sealed.bundle, trust_path=trusted)
    assert found.exit_code == 0
    assert [step.outcome for step in found.steps[13:]] == [Outcome.NOT_CHECKED] * 3
    assert "NOT PINNED" in found.steps[0].detail


def test_a_repacked_bundle_is_the_same_bundle(tmp_path: Path, sealed: SealedRun, trusted: Path) -> None:
    assert check(tmp_path, unpack(sealed.bundle), trusted).verdict is Verdict.VERIFIED


# --- what somebody without the key can do

STEP_OF = {layout.CHECKPOINT: 3, layout.PROOF: (5, 6), layout.RUN: 6, layout.SUMS: 8}


def test_any_flipped_byte_of_any_member_is_altered(tmp_path: Path, sealed: SealedRun, trusted: Path) -> None:
    files = unpack(sealed.bundle)
    chosen = random.Random(42)  # noqa: S311 (which places are tried)
    for number, (name, data) in enumerate(files.items()):
        places = range(len(data)) if name in STEP_OF else chosen.sample(range(len(data)), min(3, len(data)))
        for place in places:
            changed = bytearray(data)
            changed[place] ^= 1 << chosen.randrange(8)
            folder = tmp_path / f"{number}-{place}"
            folder.mkdir()
            found = check(folder, {**files, name: bytes(changed)}, trusted)
            assert found.exit_code == 5
            step, expected = refused_at(found, Verdict.ALTERED), STEP_OF.get(name, 9)
            assert step in (expected if isinstance(expected, tuple) else (expected,))


def test_any_flipped_bit_of_the_zip_is_altered_or_changes_nothing(
    tmp_path: Path, sealed: SealedRun, trusted: Path
) -> None:
    """A sample through verify; test_container.py flips them all through the reader."""
    raw, files = sealed.bundle.read_bytes(), unpack(sealed.bundle)
    path = tmp_path / "flipped.zip"
    for place in random.Random(7).sample(range(len(raw) * 8), 600):  # noqa: S311 (which places are tried)
        changed = bytearray(raw)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        found = verify_bundle(path, trust_path=trusted)
        if found.exit_code == 0:
            assert unpack(path) == files
        else:
            assert found.verdict is Verdict.ALTERED


def test_a_missing_file_is_never_verified(tmp_path: Path, sealed: SealedRun, trusted: Path) -> None:
    files = unpack(sealed.bundle)
    for name in files:
        folder = tmp_path / name.replace("/", "-")
        folder.mkdir()
        found = check(folder, {key: data for key, data in files.items() if key != name}, trusted)
        assert refused_at(found, Verdict.INCOMPLETE) == (2 if layout.is_seal(name) else 9)
        assert found.exit_code == 3


def test_a_missing_file_and_its_line_are_altered(tmp_path: Path, sealed: SealedRun, trusted: Path) -> None:
    files = unpack(sealed.bundle)
    del files["evidence/web-01.json"]
    files[layout.SUMS] = b"".join(
        line for line in files[layout.SUMS].splitlines(keepends=True) if b"web-01.json" not in line
    )
    assert refused_at(check(tmp_path, files, trusted), Verdict.ALTERED) == 8


@pytest.mark.parametrize(
    "name",
    ["evidence/web-02.json", "report/other.html", "other", "plan.json.bak", "export/x", "evidence/a/b/c"],
)
def test_an_added_file_is_altered(tmp_path: Path, sealed: SealedRun, trusted: Path, name: str) -> None:
    files = {**unpack(sealed.bundle), name: b"{}"}
    assert refused_at(check(tmp_path, files, trusted), Verdict.ALTERED) == 10


def test_swapped_files_are_altered(tmp_path: Path, sealed: SealedRun, trusted: Path) -> None:
    files = unpack(sealed.bundle)
    one, other = "evidence/web-01.json", "evidence/roster.json"
    files[one], files[other] = files[other], files[one]
    assert refused_at(check(tmp_path, files, trusted), Verdict.ALTERED) == 9


def test_an_edited_verdict_is_altered_however_far_the_edit_is_carried(
    tmp_path: Path, sealed: SealedRun, trusted: Path
) -> None:
    """First the file alone, then SHA256SUMS too, then run.json too, then the tree too: each link holds."""
    files = unpack(sealed.bundle)
    former = hashlib.sha256(files[layout.VERDICTS]).hexdigest()
    files[layout.VERDICTS] = files[layout.VERDICTS].replace(b"pass", b"fail")
    edited = hashlib.sha256(files[layout.VERDICTS]).hexdigest()
    carried = [(9, dict(files))]
    old_sums = files[layout.SUMS]
    files[layout.SUMS] = old_sums.replace(former.encode(), edited.encode())
    carried.append((8, dict(files)))
    run = json.loads(files[layout.RUN])
    run["subject"][0]["digest"]["sha256"] = hashlib.sha256(files[layout.SUMS]).hexdigest()
    files[layout.RUN] = canonical.encode(run)
    carried.append((6, dict(files)))
    leaf = hashlib.sha256(b"\0" + files[layout.RUN]).digest()
    proof = Proof.parse(files[layout.PROOF])
    tree = hashlib.sha256(b"\1" + proof.path[0] + leaf).digest()
    old = Checkpoint.parse(files[layout.CHECKPOINT].decode().split("\n\n")[0] + "\n")
    text = Checkpoint(origin=old.origin, size=old.size, root=tree).text
    files[layout.CHECKPOINT] = files[layout.CHECKPOINT].replace(old.text.encode(), text.encode())
    files[layout.PROOF] = Proof(index=1, path=proof.path, checkpoint=files[layout.CHECKPOINT]).encode()
    carried.append((3, dict(files)))
    for step, state in carried:
        folder = tmp_path / str(step)
        folder.mkdir()
        assert refused_at(check(folder, state, trusted), Verdict.ALTERED) == step


def test_another_keys_bundle_is_untrusted_even_under_our_logs_name(
    tmp_path: Path, key: SealKey, trusted: Path
) -> None:
    other = SealKey.create(tmp_path / "other", origin=ORIGIN)
    found = verify_bundle(seal(tmp_path / "state", other).bundle, trust_path=trusted, replay=same)
    assert refused_at(found, Verdict.UNTRUSTED) == 3
    assert found.exit_code == 6
    assert found.checkpoint is None
    assert found.steps[13].outcome is Outcome.NOT_CHECKED, "a stranger's evidence is not judged"


def test_an_untrusted_bundle_that_was_altered_too_is_altered(tmp_path: Path, trusted: Path) -> None:
    other = SealKey.create(tmp_path / "other", origin=ORIGIN)
    files = unpack(seal(tmp_path / "state", other).bundle)
    files["evidence/web-01.json"] = b"{}"
    assert check(tmp_path, files, trusted).exit_code == 5


def test_another_runs_seal_does_not_fit(tmp_path: Path, key: SealKey, trusted: Path) -> None:
    one, other = (unpack(seal(tmp_path / "state", key).bundle) for _ in range(2))
    mixed = {**other, layout.RUN: one[layout.RUN], layout.SUMS: one[layout.SUMS]}
    assert refused_at(check(tmp_path, mixed, trusted), Verdict.ALTERED) == 6


# --- what the operator can do, who holds the key


def _of_another_run(files: Files) -> None:
    files["evidence/web-01.json"] = evidence(2, files[layout.PLAN], "web-01", "host")


def _of_another_plan(files: Files) -> None:
    files["evidence/web-01.json"] = evidence(1, b"{}", "web-01", "host")


def _of_another_target(files: Files) -> None:
    files["evidence/web-01.json"] = evidence(1, files[layout.PLAN], "web-02", "host")


def _of_another_kind(files: Files) -> None:
    files["evidence/web-01.json"] = evidence(1, files[layout.PLAN], "web-01", "mail")


def _unplanned(files: Files) -> None:
    files["evidence/web-02.json"] = evidence(1, files[layout.PLAN], "web-02", "host")


def _unplanned_history(files: Files) -> None:
    files["evidence/web-02.history.json"] = b"{}"


def _not_canonical(files: Files) -> None:
    files["evidence/web-01.json"] += b"\n"


def _two_meanings(files: Files) -> None:
    raw = files["evidence/web-01.json"]
    files["evidence/web-01.json"] = raw[:-1] + b',"run":1}'


def _verdicts_without_form(files: Files) -> None:
    files[layout.VERDICTS] = b'{"b":1, "a":1}\n'


def _catalogue_without_form(files: Files) -> None:
    files[layout.CATALOGUE] = b'{"v":1.0}'


def _replan(files: Files, other: dict[str, Any]) -> None:
    """Change the plan, and with it all evidence, so that nothing but the plan itself is wrong."""
    raw = files[layout.PLAN] = canonical.encode(other)
    for name in [name for name in files if name.startswith("evidence/")]:
        del files[name]
    for target in other["targets"]:
        files[f"evidence/{target['target']}.json"] = evidence(
            other["run"], raw, target["target"], target["kind"]
        )


def _plan_of_another_run(files: Files) -> None:
    _replan(files, plan(2, 0))


def _plan_of_another_log(files: Files) -> None:
    _replan(files, plan(1, 7))


def _plan_without_targets(files: Files) -> None:
    _replan(files, plan(1, 0, targets=[]))


def _target_twice(files: Files) -> None:
    _replan(files, plan(1, 0, targets=[{"target": "web-01", "kind": "host"}] * 2))


def _target_that_is_a_history(files: Files) -> None:
    targets = [{"target": "web-01", "kind": "host"}, {"target": "web-01.history", "kind": "host"}]
    _replan(files, plan(1, 0, targets=targets))


def forged(**changes: Any) -> Files:
    """The files of a first run, as the pipeline writes them."""
    return {**members(1, 0), layout.README: b"read me\n"}


@pytest.mark.parametrize(
    "change",
    [
        _of_another_run, _of_another_plan, _of_another_target, _of_another_kind, _unplanned,
        _unplanned_history, _not_canonical, _two_meanings, _verdicts_without_form, _catalogue_without_form,
        _plan_of_another_run, _plan_of_another_log, _plan_without_targets, _target_twice,
        _target_that_is_a_history,
    ],
)  # fmt: skip
def test_files_that_do_not_belong_together_are_altered_although_the_seal_is_good(
    tmp_path: Path, key: SealKey, trusted: Path, change: Callable[[Files], None]
) -> None:
    files = forged()
    assert check(tmp_path, forge(files, key), trusted).exit_code == 0, "the forger's bundle is good as such"
    change(files)
    folder = tmp_path / "changed"
    folder.mkdir()
    assert refused_at(check(folder, forge(files, key), trusted), Verdict.ALTERED) == 12


@pytest.mark.parametrize(
    "name",
    [
        "evidence/web-01.json", "evidence/roster.json", layout.PLAN, layout.CATALOGUE, layout.EXCEPTIONS,
        layout.VERDICTS, layout.README,
    ],
)  # fmt: skip
def test_a_file_that_was_never_sealed_is_incomplete(
    tmp_path: Path, key: SealKey, trusted: Path, name: str
) -> None:
    files = forged()
    del files[name]
    found = check(tmp_path, forge(files, key), trusted)
    assert refused_at(found, Verdict.INCOMPLETE) == 12
    assert found.exit_code == 3


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"evidence": EvidenceTree(lines=6, root="0" * 64)}, 11),
        ({"evidence": EvidenceTree(lines=1, root="0" * 64)}, 11),
        ({"run": 2}, 12),
        ({"slot": "2026-11-24T02:00:00Z"}, 12),
        ({"next_slot": None}, 12),
        ({"prev": Prev(size=1, entry="0" * 64, checkpoint="0" * 64, tokens={})}, 7),
        ({"finished": "2026-11-23T00:00:00Z"}, 7),
        ({"counts": {"hosts": -1}}, 7),
        ({"counts": {"hosts": 2**53 - 1}}, None),
    ],
)
def test_a_statement_that_does_not_fit_its_files_is_altered(
    tmp_path: Path, key: SealKey, trusted: Path, changes: dict[str, Any], step: int | None
) -> None:
    found = check(tmp_path, forge(forged(), key, **changes), trusted)
    assert (refused_at(found, Verdict.ALTERED) if step else found.exit_code) == (step or 0)


def test_a_plan_that_only_the_evidence_knows_is_altered(tmp_path: Path, key: SealKey, trusted: Path) -> None:
    files = forged()
    secret = canonical.encode(plan(1, 0, site="other"))
    for name, kind in (("web-01", "host"), ("roster", "roster")):
        files[f"evidence/{name}.json"] = evidence(1, secret, name, kind)
    said = Digest(sha256=hashlib.sha256(secret).hexdigest())
    assert refused_at(check(tmp_path, forge(files, key, plan=said), trusted), Verdict.ALTERED) == 12


def test_sums_have_one_spelling() -> None:
    lines = layout.write_sums({"plan.json": "1" * 64, "README.txt": "2" * 64}).splitlines(keepends=True)
    assert set(layout.read_sums(b"".join(lines))) == {"plan.json", "README.txt"}
    for wrong in (lines[::-1], [lines[0], lines[0]], [lines[0], lines[1][:-1]], [lines[0] + b"\n"]):
        with pytest.raises(FormatError):
            layout.read_sums(b"".join(wrong))


def test_a_second_signature_in_the_checkpoint_is_altered(
    tmp_path: Path, sealed: SealedRun, trusted: Path
) -> None:
    """Nothing would vouch for it; cosignatures have their place in run.tlog-proof."""
    files = unpack(sealed.bundle)
    other = SealKey.create(tmp_path / "other", origin="audit.example/w1")
    line = sign_note("x\n", other.verifier, other.sign).split(b"\n\n")[1]
    files[layout.CHECKPOINT] += line
    files[layout.PROOF] += line
    assert refused_at(check(tmp_path, files, trusted), Verdict.ALTERED) == 3


def test_another_logs_checkpoint_by_our_key_is_untrusted(tmp_path: Path, key: SealKey, trusted: Path) -> None:
    files = forge(forged(), key)
    tree = hashlib.sha256(b"\0" + files[layout.RUN]).digest()
    text = Checkpoint(origin="tenken.example/other", size=1, root=tree).text
    files[layout.CHECKPOINT] = sign_note(text, key.verifier, key.sign)
    files[layout.PROOF] = Proof(index=0, path=(), checkpoint=files[layout.CHECKPOINT]).encode()
    assert refused_at(check(tmp_path, files, trusted), Verdict.UNTRUSTED) == 3


def test_exceptions_that_cannot_be_checked_against_the_log_are_not_green(
    tmp_path: Path, key: SealKey, trusted: Path
) -> None:
    files = {**forged(), layout.EXCEPTIONS: canonical.encode({"v": 1, "exceptions": [{"rule": "x"}]})}
    found = check(tmp_path, forge(files, key), trusted)
    assert refused_at(found, Verdict.NOT_CHECKED) == 13
    assert found.exit_code == 3


def test_cosignatures_that_this_version_cannot_read_are_not_green(
    tmp_path: Path, key: SealKey, trusted: Path
) -> None:
    files = forge(forged(), key)
    witness = SealKey.create(tmp_path / "witness", origin="audit.example/w1")
    line = sign_note("x\n", witness.verifier, witness.sign).split(b"\n\n")[1]
    found = check(tmp_path, {**files, layout.PROOF: files[layout.PROOF] + line}, trusted)
    assert refused_at(found, Verdict.NOT_CHECKED) == 5


# --- the verifier's own rules


def rules(trusted: Path, folder: Path, **changes: Any) -> Path:
    """The trust file with some rules changed."""
    held = json.loads(trusted.read_bytes())
    held["log"]["keys"][0].update(changes.pop("key", {}))
    held["log"].update(changes.pop("log", {}))
    path = folder / "trust.json"
    path.write_bytes(canonical.encode({**held, **changes}))
    return path


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"key": {"from_size": 3}}, 3),
        ({"key": {"to_size": 1}}, 3),
        ({"key": {"compromised_from": "2026-11-25"}}, 4),
        ({"witnesses": [{"name": "w1", "vkey": "w"}], "witness_quorum": 1}, 5),
        ({"key": {"from_size": 2, "to_size": 2}}, None),
    ],
)
def test_what_the_trust_file_demands_is_untrusted_without(
    tmp_path: Path, sealed: SealedRun, trusted: Path, changes: dict[str, Any], step: int | None
) -> None:
    found = verify_bundle(sealed.bundle, trust_path=rules(trusted, tmp_path, **changes), replay=same)
    assert (refused_at(found, Verdict.UNTRUSTED) if step else found.exit_code) == (step or 0)
    assert found.exit_code == (6 if step else 0)


def test_a_trust_file_other_than_the_pinned_one_is_untrusted(sealed: SealedRun, trusted: Path) -> None:
    found = verify_bundle(sealed.bundle, trust_path=trusted, trust_sha256="0" * 64)
    assert refused_at(found, Verdict.UNTRUSTED) == 1
    right = hashlib.sha256(trusted.read_bytes()).hexdigest()
    assert verify_bundle(sealed.bundle, trust_path=trusted, trust_sha256=right.upper()).exit_code == 0


def test_a_run_sealed_under_another_trust_file_of_the_same_version_is_untrusted(
    tmp_path: Path, key: SealKey, trusted: Path
) -> None:
    ours = hashlib.sha256(trusted.read_bytes()).hexdigest()
    for sha256, version, code in ((ours, 1, 0), ("0" * 64, 1, 6), ("0" * 64, 2, 0)):
        folder = tmp_path / f"{sha256[:8]}-{version}-{code}"
        folder.mkdir()
        pinned = forge(forged(), key, trust=TrustPin(version=version, sha256=sha256))
        assert check(folder, pinned, trusted).exit_code == code


def test_the_verifiers_own_files_missing_is_an_error_not_a_verdict(
    tmp_path: Path, sealed: SealedRun, trusted: Path
) -> None:
    absent = tmp_path / "absent"
    for call in (
        lambda: verify_bundle(absent, trust_path=trusted),
        lambda: verify_bundle(sealed.bundle, trust_path=absent),
        lambda: verify_bundle(sealed.bundle, trust_path=trusted, log=absent),
        lambda: verify_bundle(sealed.bundle, trust_path=trusted, known=[absent]),
    ):
        with pytest.raises(VerifyError) as refused:
            call()
        assert refused.value.exit_code == 2


# --- judging again


def test_verdicts_that_do_not_follow_differ_and_name_safeguard_and_host(
    sealed: SealedRun, trusted: Path
) -> None:
    found = verify_bundle(
        sealed.bundle, trust_path=trusted, replay=lambda _: VERDICTS.replace(b"pass", b"fail")
    )
    assert refused_at(found, Verdict.DIFFERS) == 14
    assert found.exit_code == 7
    assert "ssh-x on web-01" in found.steps[13].detail


@pytest.mark.parametrize("again", [b"", VERDICTS * 2])
def test_verdicts_too_few_or_too_many_differ(sealed: SealedRun, trusted: Path, again: bytes) -> None:
    assert verify_bundle(sealed.bundle, trust_path=trusted, replay=lambda _: again).exit_code == 7


@pytest.mark.parametrize("err", [VerifyError("safeguard not installed"), KeyError("x"), RecursionError()])
def test_a_replay_that_fails_is_never_green(sealed: SealedRun, trusted: Path, err: Exception) -> None:
    def fail(_: Mapping[str, bytes]) -> bytes:
        raise err

    found = verify_bundle(sealed.bundle, trust_path=trusted, replay=fail)
    assert refused_at(found, Verdict.NOT_CHECKED) == 14
    assert found.exit_code == 3


def test_replay_sees_the_sealed_files_and_no_others(sealed: SealedRun, trusted: Path) -> None:
    seen: dict[str, bytes] = {}

    def look(files: Mapping[str, bytes]) -> bytes:
        seen.update(files)
        assert layout.RUN not in files
        return files[layout.VERDICTS]

    assert verify_bundle(sealed.bundle, trust_path=trusted, replay=look).exit_code == 0
    whole = unpack(sealed.bundle)
    assert seen == {name: data for name, data in whole.items() if not layout.is_seal(name)}


# --- the log as a whole


@pytest.fixture
def history(tmp_path: Path, key: SealKey) -> tuple[list[SealedRun], Path]:
    state = tmp_path / "state"
    return [seal(state, key) for _ in range(4)], state / "log"


def test_every_run_of_a_log_verifies_against_it(history: tuple[list[SealedRun], Path], trusted: Path) -> None:
    runs, log = history
    known = [log / "checkpoints" / f"{size:08d}" for size in (1, 2, 3, 4)]
    for run in runs:
        found = verify_bundle(run.bundle, trust_path=trusted, log=log / "log.jsonl", known=known)
        assert found.exit_code == 0, found.steps[14]


def _lines(log: Path) -> list[bytes]:
    return (log / "log.jsonl").read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("change", "verdict", "word"),
    [
        (lambda lines: lines[:1], Verdict.INCOMPLETE, "STALE"),
        (lambda lines: lines[:0], Verdict.INCOMPLETE, "STALE"),
        (lambda lines: [*lines[:-1], lines[-1][:-9]], Verdict.INCOMPLETE, "middle of a line"),
        (lambda lines: lines[1:], Verdict.ALTERED, "FORK"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], Verdict.ALTERED, "FORK"),
        (lambda lines: [lines[0].replace(b'"pass":1', b'"pass":2'), *lines[1:]], Verdict.ALTERED, "FORK"),
        (lambda lines: [*lines[:2], lines[3]], Verdict.ALTERED, "entry 3 does not pin"),
        (lambda lines: [*lines[:3], lines[3].replace(b'"run":4', b'"run":5')], Verdict.INCOMPLETE, "GAP"),
        (lambda lines: [*lines, b"{}\n"], Verdict.ALTERED, "shape"),
    ],
)
def test_a_log_that_was_cut_or_changed_is_named(
    tmp_path: Path,
    history: tuple[list[SealedRun], Path],
    trusted: Path,
    *,
    change: Callable[[list[bytes]], list[bytes]],
    verdict: Verdict,
    word: str,
) -> None:
    runs, log = history
    other = tmp_path / "log.jsonl"
    other.write_bytes(b"".join(change(_lines(log))))
    found = verify_bundle(runs[1].bundle, trust_path=trusted, log=other)
    assert refused_at(found, verdict) == 15
    assert word in found.steps[14].detail


def test_a_known_checkpoint_shows_rollback_and_fork(
    tmp_path: Path, history: tuple[list[SealedRun], Path], key: SealKey, trusted: Path
) -> None:
    """The operator rewrites history with the real key; whoever kept five lines notices."""
    runs, log = history
    kept = log / "checkpoints" / "00000004"
    short = tmp_path / "short.jsonl"
    short.write_bytes(b"".join(_lines(log)[:3]))
    found = verify_bundle(runs[1].bundle, trust_path=trusted, log=short, known=[kept])
    assert refused_at(found, Verdict.ALTERED) == 15
    assert "ROLLBACK" in found.steps[14].detail
    for _ in range(4):
        with Store.open(tmp_path / "second") as store:
            rewritten = stage(store).seal(key, statement=SAID)
    second = tmp_path / "second" / "log" / "log.jsonl"
    assert verify_bundle(rewritten.bundle, trust_path=trusted, log=second).exit_code == 0
    found = verify_bundle(rewritten.bundle, trust_path=trusted, log=second, known=[kept])
    assert refused_at(found, Verdict.ALTERED) == 15
    assert "FORK" in found.steps[14].detail


def test_a_known_checkpoint_by_a_stranger_or_without_a_log_is_not_green(
    tmp_path: Path, history: tuple[list[SealedRun], Path], trusted: Path
) -> None:
    runs, log = history
    kept = log / "checkpoints" / "00000004"
    assert (
        refused_at(verify_bundle(runs[3].bundle, trust_path=trusted, known=[kept]), Verdict.NOT_CHECKED) == 15
    )
    other = SealKey.create(tmp_path / "other", origin=ORIGIN)
    strange = tmp_path / "strange"
    strange.write_bytes(
        sign_note(Checkpoint(origin=ORIGIN, size=1, root=b"\0" * 32).text, other.verifier, other.sign)
    )
    found = verify_bundle(runs[3].bundle, trust_path=trusted, log=log / "log.jsonl", known=[strange])
    assert refused_at(found, Verdict.UNTRUSTED) == 15


def test_the_next_entry_pins_this_checkpoint(
    tmp_path: Path, history: tuple[list[SealedRun], Path], trusted: Path
) -> None:
    runs, log = history
    first, second, *_ = _lines(log)
    pinned = hashlib.sha256(runs[0].checkpoint.encode()).hexdigest().encode()
    assert pinned in second
    other = tmp_path / "log.jsonl"
    other.write_bytes(first + second.replace(pinned, b"0" * 64))
    found = verify_bundle(runs[0].bundle, trust_path=trusted, log=other)
    assert refused_at(found, Verdict.ALTERED) == 15
    assert "pins another checkpoint" in found.steps[14].detail


# --- any input at all


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=st.sampled_from([layout.SUMS, layout.RUN, layout.PROOF, layout.CHECKPOINT]),
    place=st.integers(0, 3_000),
    cut=st.integers(0, 40),
    put=st.binary(max_size=40),
)
def test_whatever_the_seal_files_hold_ends_as_a_verdict(
    tmp_path_factory: pytest.TempPathFactory,
    sealed: SealedRun,
    trusted: Path,
    *,
    name: str,
    place: int,
    cut: int,
    put: bytes,
) -> None:
    files = unpack(sealed.bundle)
    data = files[name]
    place %= len(data) + 1
    changed = data[:place] + put + data[place + cut :]
    found = check(tmp_path_factory.mktemp("any"), {**files, name: changed}, trusted)
    assert (found.exit_code == 0) == (changed == data)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=300))
def test_any_file_at_all_ends_as_altered(tmp_path: Path, trusted: Path, raw: bytes) -> None:
    path = tmp_path / "any.zip"
    path.write_bytes(raw)
    assert verify_bundle(path, trust_path=trusted).verdict is Verdict.ALTERED


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(sorted(forged())), st.binary(max_size=60))
def test_whatever_a_holder_of_the_key_seals_ends_as_a_verdict(
    tmp_path_factory: pytest.TempPathFactory, key: SealKey, trusted: Path, name: str, put: bytes
) -> None:
    files = {**forged(), name: put}
    found = check(tmp_path_factory.mktemp("any"), forge(files, key), trusted)
    assert found.exit_code in (0, 3, 5, 7)
    assert found.exit_code or name in (layout.README, "evidence/web-01.history.json", layout.CATALOGUE)


def test_text_from_the_bundle_cannot_move_the_terminal(tmp_path: Path, key: SealKey, trusted: Path) -> None:
    files = {**forged(), layout.EXCEPTIONS: canonical.encode({"v": 1, "exceptions": "\x1b[2J\u202e"})}
    found = check(tmp_path, forge(files, key), trusted)
    assert all(step.detail.isprintable() for step in found.steps)


def test_a_bundle_that_is_no_regular_file_is_refused(tmp_path: Path, trusted: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert verify_bundle(tmp_path / "pipe", trust_path=trusted).verdict is Verdict.ALTERED
