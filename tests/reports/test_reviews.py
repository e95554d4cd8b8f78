"""Reviews in the log: whose word counts, for which run, and what a forged one shows as."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from config.errors import SealError
from reports import canonical, layout, people, statement, trust
from reports.note import Checkpoint, Note, encode_root
from reports.outcome import Bad, Verdict, Verification
from reports.people import Review, Seen
from reports.reviews import read_reviews
from reports.sealkey import SealKey
from reports.store import SealedRun, Store
from reports.verify import verify_bundle
from tests.reports.people import officer, sign
from tests.reports.sealing import seal, unpack

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


class Site:
    """A state folder with two sealed runs, and a trust file with an officer."""

    def __init__(self, folder: Path, key: SealKey, trusted: Path, **more: Any) -> None:
        self.folder, self.key, self.state = folder, key, folder / "state"
        self.runs = [seal(self.state, key) for _ in range(2)]
        held = json.loads(trusted.read_bytes())
        self.trust = folder / "with-officers.json"
        self.trust.write_bytes(canonical.encode({**held, "officers": [officer(folder, **more)]}))

    def review(self, sealed: SealedRun, **changes: Any) -> bytes:
        files = unpack(sealed.bundle)
        checkpoint = Checkpoint.parse(Note.parse(files[layout.CHECKPOINT]).text)
        review = Review(
            run=sealed.run,
            run_sha256=hashlib.sha256(files[layout.RUN]).hexdigest(),
            checkpoint=Seen(size=checkpoint.size, root=encode_root(checkpoint.root)),
            principal="officer",
            decision="accepted",
            report_sha256=hashlib.sha256(files["report/report.html"]).hexdigest(),
            at="2026-11-25T02:30:00Z",
        )
        value = json.loads(people.encode(review))
        return canonical.encode({**value, **changes})

    def take(self, raw: bytes, signature: bytes | None = None) -> None:
        signature = sign(self.folder / "officer", raw) if signature is None else signature
        with Store.open(self.state) as store:
            store.record_review(self.key, raw, signature, trust=trust.load(self.trust).trust, now=NOW)

    def verify(self, sealed: SealedRun, path: Path | None = None) -> Verification:
        log = self.state / "log" / "log.jsonl"
        return verify_bundle(sealed.bundle, trust_path=path or self.trust, log=log)


@pytest.fixture
def site(tmp_path: Path, key: SealKey, trusted: Path) -> Site:
    return Site(tmp_path, key, trusted)


def test_a_review_is_an_entry_of_the_log_that_a_verifier_reads(site: Site) -> None:
    site.take(site.review(site.runs[1]))
    found = site.verify(site.runs[1])
    assert found.verdict is Verdict.VERIFIED
    assert found.steps[15].detail == "accepted by officer, recorded 2026-11-25T03:00:00Z"
    other = site.verify(site.runs[0])
    assert (other.verdict, other.steps[15].detail) == (Verdict.VERIFIED, "1 in the log, none of this run")
    # The next run pins it like any other entry.
    third = seal(site.state, site.key)
    assert site.verify(third).verdict is Verdict.VERIFIED
    site.take(site.review(site.runs[1], decision="returned"))
    assert "returned by officer" in site.verify(site.runs[1]).steps[15].detail


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"run": 1}, "another run than run 1"),
        ({"run": 9}, "another run than run 9"),
        ({"run_sha256": "0" * 64}, "another run than run 2"),
        ({"checkpoint": {"size": 1, "root": "x"}}, "does not cover the run"),
        ({"checkpoint": {"size": 3, "root": "x"}}, "does not cover the run"),
        ({"checkpoint": {"size": 2, "root": "x"}}, "of another log"),
        ({"principal": "stranger"}, "knows no officer stranger"),
        ({"decision": "perhaps"}, "not a review"),
        ({"more": 1}, "not a review"),
    ],
)
def test_a_review_of_anything_else_is_not_taken(site: Site, changes: dict[str, Any], words: str) -> None:
    raw = site.review(site.runs[1], **changes)
    with pytest.raises(SealError, match=words):
        site.take(raw)
    assert len((site.state / "log/log.jsonl").read_bytes().splitlines()) == 2


def test_only_the_officers_own_signature_for_this_purpose_is_taken(site: Site, tmp_path: Path) -> None:
    raw = site.review(site.runs[1])
    (tmp_path / "other").mkdir()
    officer(tmp_path / "other")
    good = sign(tmp_path / "officer", raw)
    for signature in (
        sign(tmp_path / "other/officer", raw),
        sign(tmp_path / "officer", raw, "tenken-exception"),
        sign(tmp_path / "officer", raw + b" "),
        good[:-30],
        b"",
    ):
        with pytest.raises(SealError, match="not taken"):
            site.take(raw, signature)
    site.take(raw, good)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"roles": ["exception"]}, "not entitled"),
        ({"from": "2026-11-26"}, "not in office"),
        ({"to": "2026-11-24"}, "not in office"),
        ({"revoked_from": "2026-11-25"}, "revoked"),
    ],
)
def test_who_is_not_entitled_that_day_is_refused_by_store_and_verifier(
    tmp_path: Path, key: SealKey, trusted: Path, more: dict[str, Any], words: str
) -> None:
    site = Site(tmp_path, key, trusted)
    raw = site.review(site.runs[1])
    site.take(raw)
    held = json.loads(site.trust.read_bytes())
    held["officers"][0].update(more)
    stricter = tmp_path / "stricter.json"
    stricter.write_bytes(canonical.encode(held))
    found = site.verify(site.runs[1], stricter)
    assert found.verdict is Verdict.UNTRUSTED
    assert words in found.steps[15].detail
    site.trust.write_bytes(stricter.read_bytes())
    with pytest.raises(SealError, match=words):
        site.take(site.review(site.runs[0], checkpoint=json.loads(raw)["checkpoint"]))


def test_an_officer_who_changed_keys_keeps_what_the_former_key_signed(site: Site, tmp_path: Path) -> None:
    raw = site.review(site.runs[1])
    site.take(raw)
    (tmp_path / "new").mkdir()
    held = json.loads(site.trust.read_bytes())
    held["officers"][0]["to"] = "2026-11-25"
    held["officers"].append(officer(tmp_path / "new"))
    site.trust.write_bytes(canonical.encode(held))
    site.take(raw, sign(tmp_path / "new" / "officer", raw))
    assert site.verify(site.runs[1]).verdict is Verdict.VERIFIED
    del held["officers"][0]
    site.trust.write_bytes(canonical.encode(held))
    found = site.verify(site.runs[1])
    assert (found.verdict, "no such key of officer" in found.steps[15].detail) == (Verdict.UNTRUSTED, True)


def test_who_seals_cannot_review(tmp_path: Path, key: SealKey, trusted: Path) -> None:
    """Four eyes: the trust file itself is refused."""
    held = json.loads(trusted.read_bytes())
    (tmp_path / "officer").mkdir()
    entry = officer(tmp_path / "officer")
    public = Ed25519PublicKey.from_public_bytes(key.verifier.public)
    entry["ssh"] = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + " officer"
    with pytest.raises(Exception, match="cannot approve"):
        trust.parse(canonical.encode({**held, "officers": [entry]}))


def _attachments(site: Site) -> list[Path]:
    return sorted((site.state / "log/attachments").iterdir())


def test_an_altered_review_is_altered_and_a_withheld_one_is_not_checked(site: Site) -> None:
    site.take(site.review(site.runs[1], comment="good"))
    paths = _attachments(site)
    assert len(paths) == 2
    for path in paths:
        raw = path.read_bytes()
        path.write_bytes(raw.replace(b"good", b"bad!") if b"good" in raw else raw[:-40] + raw[-39:])
        assert site.verify(site.runs[1]).verdict is Verdict.ALTERED
        path.unlink()
        assert site.verify(site.runs[1]).verdict is Verdict.NOT_CHECKED
        path.write_bytes(raw)
    assert site.verify(site.runs[1]).verdict is Verdict.VERIFIED


def test_another_decision_that_was_really_signed_cannot_take_the_place_of_the_recorded_one(
    site: Site, tmp_path: Path
) -> None:
    raw = site.review(site.runs[1])
    site.take(raw)
    other = site.review(site.runs[1], decision="returned")
    for path in _attachments(site):
        is_document = path.read_bytes() == raw
        path.write_bytes(other if is_document else sign(tmp_path / "officer", other))
    found = site.verify(site.runs[1])
    assert (found.verdict, "was altered" in found.steps[15].detail) == (Verdict.ALTERED, True)


def test_a_rewritten_history_is_a_fork_to_whoever_reviewed(site: Site, tmp_path: Path) -> None:
    """Every review is a human witness: it holds the checkpoint that was seen."""
    site.take(site.review(site.runs[0]))
    path = site.state / "log/log.jsonl"
    entries = [statement.decode(line) for line in path.read_bytes().splitlines()]
    seen = people.decode(next(raw for raw in map(Path.read_bytes, _attachments(site)) if raw[:1] == b"{"))
    assert seen.checkpoint.size == 1
    # Of a log whose first entry was exchanged by who holds the seal key, the reviewer's root is another.
    lines = path.read_bytes().splitlines()
    held = trust.load(site.trust).trust
    folder = site.state / "log/attachments"
    assert len(read_reviews(lines, entries, folder, held)) == 1
    other = [lines[0].replace(b'"pass":1', b'"pass":2'), *lines[1:]]
    with pytest.raises(Bad, match="another run 1"):
        read_reviews(other, entries, folder, held)
    second = [lines[0], lines[1].replace(b'"pass":1', b'"pass":2'), lines[2]]
    late = site.review(site.runs[0], checkpoint=json.loads(site.review(site.runs[1]))["checkpoint"])
    site.take(late)
    lines = path.read_bytes().splitlines()
    entries = [statement.decode(line) for line in lines]
    assert len(read_reviews(lines, entries, folder, held)) == 2
    with pytest.raises(Bad, match="FORK"):
        read_reviews([*second, *lines[3:]], entries, folder, held)


def test_a_review_of_another_report_is_altered(site: Site) -> None:
    site.take(site.review(site.runs[1], report_sha256="0" * 64))
    found = site.verify(site.runs[1])
    assert (found.verdict, "another report" in found.steps[15].detail) == (Verdict.ALTERED, True)
