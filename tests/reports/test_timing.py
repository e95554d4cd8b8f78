"""Time stamps in a bundle, from a real authority: what they prove to somebody who trusts it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reports import canonical, layout
from reports.outcome import Outcome, Verdict, Verification
from reports.sealkey import SealKey
from reports.store import PACKED, RunStatementInput, SealedRun, Store
from reports.verify import verify_bundle
from tests.reports.sealing import late, repack, stage, unpack
from tests.tsa import Authority

Stamp = Callable[[bytes], Mapping[str, bytes]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("tsa") / "good")


def _seal(
    state: Path, key: SealKey, authorities: Mapping[str, Authority], *, shift: timedelta = timedelta()
) -> SealedRun:
    """Seal a run whose own clock is wrong by `shift`."""
    stamp: Stamp = lambda data: {name: it.stamp(data) for name, it in authorities.items()}  # noqa: E731
    now = datetime.now(UTC).replace(microsecond=0) + shift
    with Store.open(state, stamp=stamp) as store:
        draft = stage(store)
        for name, token in stamp(draft[layout.PLAN]).items():
            draft.write(layout.plan_token_name(name), token)
        said = RunStatementInput(started=now, finished=now, counts={"hosts": 1})
        return draft.seal(key, statement=said, late=late)


@pytest.fixture
def sealed(tmp_path: Path, key: SealKey, lab: Authority) -> SealedRun:
    return _seal(tmp_path / "state", key, {"tsa1": lab})


def _trust(trusted: Path, *tsas: Any, **changes: Any) -> Path:
    held = json.loads(trusted.read_bytes())
    held["log"]["keys"][0].update(changes.pop("key", {}))
    path = trusted.with_name("with-tsas.json")
    path.write_bytes(canonical.encode({**held, "tsas": [msgspec.to_builtins(it) for it in tsas], **changes}))
    return path


def _step(found: Verification, number: int) -> str:
    step = found.steps[number - 1]
    assert step.outcome is not Outcome.OK
    return step.detail


def test_who_trusts_the_authority_reads_when_plan_and_log_existed(
    sealed: SealedRun, trusted: Path, lab: Authority
) -> None:
    found = verify_bundle(sealed.bundle, trust_path=_trust(trusted, lab.trusted(), tsa_threshold=1))
    assert found.verdict is Verdict.VERIFIED
    assert found.steps[3].outcome is Outcome.OK
    assert found.steps[3].detail.endswith("Z by tsa1")
    assert "Z by tsa1" in found.steps[11].detail


def test_who_does_not_name_the_authority_learns_that_nobody_says_when(
    sealed: SealedRun, trusted: Path
) -> None:
    found = verify_bundle(sealed.bundle, trust_path=trusted)
    assert (found.verdict, found.steps[3].outcome) == (Verdict.VERIFIED, Outcome.NOT_CHECKED)
    assert "not named: tsa1" in _step(found, 4)


def test_nothing_but_a_token_over_this_log_may_bear_a_strangers_name(
    tmp_path: Path, sealed: SealedRun, trusted: Path, lab: Authority
) -> None:
    """Found by `make tamper`: tokens are sealed by nobody but their own makers."""
    files = unpack(sealed.bundle)
    for number, wrong in enumerate((b"{}", files["plan.tsa1.tsr"], files["checkpoint.tsa1.tsr"] + b"x")):
        bundle = repack(tmp_path, {**files, "checkpoint.tsa9.tsr": wrong}, f"{number}.zip")
        found = verify_bundle(bundle, trust_path=_trust(trusted, lab.trusted()))
        assert (found.verdict, _step(found, 4)[:5]) == (Verdict.ALTERED, "tsa9:")
    bundle = repack(tmp_path, {**files, "checkpoint.tsa9.tsr": files["checkpoint.tsa1.tsr"]}, "good.zip")
    assert verify_bundle(bundle, trust_path=_trust(trusted, lab.trusted())).verdict is Verdict.VERIFIED


def test_an_authority_of_ones_own_makes_a_bundle_untrusted(
    tmp_path: Path, sealed: SealedRun, trusted: Path, lab: Authority
) -> None:
    forger = Authority.make(tmp_path / "forger", embeds_root=True)
    files = unpack(sealed.bundle)
    files["checkpoint.tsa1.tsr"] = forger.stamp(files[layout.CHECKPOINT])
    found = verify_bundle(repack(tmp_path, files), trust_path=_trust(trusted, lab.trusted()))
    assert found.verdict is Verdict.UNTRUSTED
    assert "not signed by the certificate" in _step(found, 4)


def test_too_few_tokens_are_untrusted_and_a_removed_one_is_missed(
    tmp_path: Path, sealed: SealedRun, trusted: Path, lab: Authority
) -> None:
    other = Authority.make(tmp_path / "other")
    both = _trust(trusted, lab.trusted(), other.trusted("tsa2"), tsa_threshold=2)
    found = verify_bundle(sealed.bundle, trust_path=both)
    assert (found.verdict, _step(found, 4)) == (Verdict.UNTRUSTED, "UNTIMED: 2 token(s) required, 1 there")
    files = unpack(sealed.bundle)
    del files["checkpoint.tsa1.tsr"]
    one = _trust(trusted, lab.trusted(), tsa_threshold=1)
    found = verify_bundle(repack(tmp_path, files), trust_path=one)
    assert (found.verdict, _step(found, 4)) == (Verdict.UNTRUSTED, "UNTIMED: 1 token(s) required, 0 there")


@pytest.mark.parametrize("wrong", ["plan", "cut", "empty"])
def test_a_token_of_something_else_or_a_broken_one_is_altered(
    tmp_path: Path, sealed: SealedRun, trusted: Path, lab: Authority, wrong: str
) -> None:
    files = unpack(sealed.bundle)
    token = files["checkpoint.tsa1.tsr"]
    files["checkpoint.tsa1.tsr"] = {"plan": files["plan.tsa1.tsr"], "cut": token[:-1], "empty": b""}[wrong]
    found = verify_bundle(repack(tmp_path, files), trust_path=_trust(trusted, lab.trusted()))
    assert found.verdict is Verdict.ALTERED
    assert _step(found, 4).startswith("tsa1: ")


def test_a_key_that_was_stolen_later_still_counts_for_what_was_stamped_before(
    sealed: SealedRun, trusted: Path, lab: Authority
) -> None:
    today = datetime.now(UTC).date()
    for stolen, verdict in ((today + timedelta(days=2), Verdict.VERIFIED), (today, Verdict.UNTRUSTED)):
        held = _trust(trusted, lab.trusted(), key={"compromised_from": stolen.isoformat()})
        assert verify_bundle(sealed.bundle, trust_path=held).verdict is verdict
    without = _trust(trusted, key={"compromised_from": (today + timedelta(days=2)).isoformat()})
    found = verify_bundle(sealed.bundle, trust_path=without)
    assert "no token proves an earlier time" in _step(found, 4)


@pytest.mark.parametrize(
    ("shift", "step", "words"),
    [
        (timedelta(minutes=-4), None, ""),
        (timedelta(hours=-1), 7, "more than 600 s after"),
        (timedelta(minutes=4), None, ""),
        (timedelta(hours=3), 7, "before the run says it finished"),
        (timedelta(days=366), 7, "before the run says it finished"),
    ],
)
def test_a_clock_that_was_wrong_is_seen(  # noqa: PLR0917
    tmp_path: Path,
    key: SealKey,
    trusted: Path,
    lab: Authority,
    shift: timedelta,
    step: int | None,
    words: str,
) -> None:
    bundle = _seal(tmp_path / "state", key, {"tsa1": lab}, shift=shift).bundle
    found = verify_bundle(bundle, trust_path=_trust(trusted, lab.trusted(), max_seal_delay_s=600))
    assert found.verdict is (Verdict.UNTRUSTED if step else Verdict.VERIFIED)
    assert step is None or words in _step(found, step)


def test_a_plan_that_was_made_afterwards_is_seen(
    tmp_path: Path, key: SealKey, trusted: Path, lab: Authority
) -> None:
    """The plan's token would have to be of before the run ended."""
    bundle = _seal(tmp_path / "state", key, {"tsa1": lab}, shift=timedelta(hours=-1)).bundle
    found = verify_bundle(bundle, trust_path=_trust(trusted, lab.trusted()))
    assert found.verdict is Verdict.UNTRUSTED
    assert "the plan was stamped" in _step(found, 12)


def test_a_plan_without_a_token_is_untrusted_where_tokens_are_required(
    tmp_path: Path, key: SealKey, trusted: Path, lab: Authority
) -> None:
    with Store.open(tmp_path / "state", stamp=lambda data: {"tsa1": lab.stamp(data)}) as store:
        now = datetime.now(UTC)
        said = RunStatementInput(started=now, finished=now, counts={})
        sealed = stage(store).seal(key, statement=said, late=late)
    found = verify_bundle(sealed.bundle, trust_path=_trust(trusted, lab.trusted(), tsa_threshold=1))
    assert found.verdict is Verdict.UNTRUSTED
    assert "the plan has no time stamp" in _step(found, 12)
    found = verify_bundle(sealed.bundle, trust_path=_trust(trusted, lab.trusted()))
    assert found.verdict is Verdict.VERIFIED


def test_a_checkpoint_nobody_stamped_is_stamped_by_the_next_run_which_pins_the_token(
    tmp_path: Path, key: SealKey, trusted: Path, lab: Authority
) -> None:
    state = tmp_path / "state"
    first = _seal(state, key, {})
    assert "checkpoint.tsa1.tsr" not in unpack(first.bundle)
    second = _seal(state, key, {"tsa1": lab})
    healed = unpack(first.bundle)
    assert (first.folder / PACKED).exists()
    held = _trust(trusted, lab.trusted())
    assert verify_bundle(first.bundle, trust_path=held).steps[3].outcome is Outcome.OK
    entry = json.loads(unpack(second.bundle)[layout.RUN])
    pinned = entry["predicate"]["prev"]["tokens"]
    assert pinned == {"tsa1": hashlib.sha256(healed["checkpoint.tsa1.tsr"]).hexdigest()}
    assert (
        verify_bundle(first.bundle, trust_path=held, log=state / "log" / "log.jsonl").verdict
        is Verdict.VERIFIED
    )


def test_an_authority_that_stays_silent_is_asked_once_a_run_about_the_past(
    tmp_path: Path, key: SealKey
) -> None:
    asked: list[bytes] = []

    def silent(data: bytes) -> dict[str, bytes]:
        asked.append(data)
        return {}

    _seal(tmp_path / "state", key, {})
    with Store.open(tmp_path / "state", stamp=silent) as store:
        now = datetime.now(UTC)
        said = RunStatementInput(started=now, finished=now, counts={})
        store.recover(key)
        stage(store).seal(key, statement=said, late=late)
    assert len(asked) == 2
