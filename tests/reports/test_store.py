import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.errors import SealError, StoreError, StoreLockedError
from reports import canonical, layout
from reports.outcome import Verdict
from reports.runlog import read_lines, read_runs
from reports.sealkey import SealKey
from reports.store import Store
from reports.verify import verify_bundle
from tests.reports.sealing import NOW, ORIGIN, SAID, late, members, plan, seal, stage, unpack


def holds(state: Path, trusted: Path, runs: int) -> None:
    """The state folder has exactly these runs, each with a bundle that verifies against the one log."""
    assert [run.run for run in read_runs(state)] == list(range(1, runs + 1))
    bundles = sorted((state / "bundles").iterdir())
    assert [path.name for path in bundles] == [f"tenken-kk-{number:06d}.zip" for number in range(1, runs + 1)]
    for bundle in bundles:
        found = verify_bundle(bundle, trust_path=trusted, log=state / "log" / "log.jsonl")
        assert found.verdict is Verdict.VERIFIED, [step for step in found.steps if step.verdict != "VERIFIED"]


def test_runs_are_numbered_without_a_gap_and_each_verifies(
    tmp_path: Path, key: SealKey, trusted: Path
) -> None:
    for number in (1, 2, 3):
        assert seal(tmp_path, key).run == number
    holds(tmp_path, trusted, 3)


def test_the_bundle_holds_the_folder_and_the_report_shows_the_evidence_root(
    tmp_path: Path, key: SealKey
) -> None:
    sealed = seal(tmp_path, key)
    files = unpack(sealed.bundle)
    assert files["report/report.html"] == f"<p>{sealed.evidence_root}</p>".encode()
    assert all((sealed.folder / name).read_bytes() == data for name, data in files.items())
    assert files[layout.CHECKPOINT].decode() == sealed.checkpoint
    assert files[layout.RUN] == read_lines(tmp_path)[0]


def test_only_one_holds_the_state_folder(tmp_path: Path, key: SealKey) -> None:
    with Store.open(tmp_path), pytest.raises(StoreLockedError) as refused:
        Store.open(tmp_path)
    assert refused.value.exit_code == 75
    assert seal(tmp_path, key).run == 1, "the lock ends with its holder"


def test_the_log_can_be_read_while_it_is_held(tmp_path: Path, key: SealKey) -> None:
    seal(tmp_path, key)
    with Store.open(tmp_path):
        assert [run.run for run in read_runs(tmp_path)] == [1]
    assert read_runs(tmp_path / "elsewhere") == ()


def test_a_torn_last_line_is_dropped(tmp_path: Path, key: SealKey, trusted: Path) -> None:
    seal(tmp_path, key)
    with (tmp_path / "log" / "log.jsonl").open("ab") as log:
        log.write(b'{"_type":"https://in-to')
    assert [run.run for run in read_runs(tmp_path)] == [1]
    seal(tmp_path, key)
    holds(tmp_path, trusted, 2)


def test_what_was_staged_by_a_dead_run_is_dropped(tmp_path: Path, key: SealKey, trusted: Path) -> None:
    with Store.open(tmp_path) as store:
        stage(store)
    seal(tmp_path, key)
    assert not list((tmp_path / "runs").glob(".tmp-*"))
    holds(tmp_path, trusted, 1)


def _rewrite(log: Path, checkpoints: Path) -> None:
    log.write_bytes(log.read_bytes().replace(b'"pass":1', b'"pass":2', 1))


def _shorten(log: Path, checkpoints: Path) -> None:
    log.write_bytes(log.read_bytes().split(b"\n")[0] + b"\n")


def _tear_a_signed_line(log: Path, checkpoints: Path) -> None:
    log.write_bytes(log.read_bytes()[:-1])


def _lose_log(log: Path, checkpoints: Path) -> None:
    log.unlink()


def _lose_checkpoints(log: Path, checkpoints: Path) -> None:
    for path in checkpoints.iterdir():
        path.unlink()


def _damage_checkpoint(log: Path, checkpoints: Path) -> None:
    (checkpoints / "00000002").write_bytes(b"")


@pytest.mark.parametrize(
    "harm", [_rewrite, _shorten, _tear_a_signed_line, _lose_log, _lose_checkpoints, _damage_checkpoint]
)
def test_a_log_that_does_not_extend_what_was_signed_is_not_signed(
    tmp_path: Path, key: SealKey, harm: Callable[[Path, Path], None]
) -> None:
    seal(tmp_path, key)
    seal(tmp_path, key)
    harm(tmp_path / "log" / "log.jsonl", tmp_path / "log" / "checkpoints")
    with pytest.raises(StoreError):
        seal(tmp_path, key)
    assert not (tmp_path / "log" / "checkpoints" / "00000003").exists()


def test_another_key_cannot_go_on_with_the_log(tmp_path: Path, key: SealKey) -> None:
    seal(tmp_path, key)
    other = SealKey.create(tmp_path / "other", origin=ORIGIN)
    with pytest.raises(StoreError, match="another key"):
        seal(tmp_path, other)
    assert len(read_lines(tmp_path)) == 1, "refused before the commit"


def test_a_missed_slot_stands_in_the_log_and_the_next_run_pins_it(
    tmp_path: Path, key: SealKey, trusted: Path
) -> None:
    seal(tmp_path, key)
    with Store.open(tmp_path) as store:
        store.record_missed(key, slot="2026-11-23T02:00:00Z", why="the machine was off", recorded=NOW)
    sealed = seal(tmp_path, key)
    assert sealed.run == 2
    assert len(read_lines(tmp_path)) == 3
    log = tmp_path / "log" / "log.jsonl"
    assert verify_bundle(sealed.bundle, trust_path=trusted).verdict is Verdict.VERIFIED
    found = verify_bundle(sealed.bundle, trust_path=trusted, log=log)
    assert (found.verdict, found.exit_code) == (Verdict.INCOMPLETE, 3)
    assert "missed slots on record: 1" in found.steps[14].detail


# --- what may be staged


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("../plan.json", b"{}"),
        ("evidence/../x.json", b"{}"),
        ("run.json", b"{}"),
        ("SHA256SUMS", b""),
        ("checkpoint", b""),
        ("README.txt", b""),
        ("other.txt", b""),
        ("evidence/a b.json", b"{}"),
        ("evidence/web-01..json", b"{}"),
        ("evidence/web-01.json", b'{"a":1.5}'),
        ("evidence/web-01.json", b'{"a": 1}'),
        ("verdicts.jsonl", b'{"a":1}'),
        ("verdicts.jsonl", b"\n"),
    ],
)
def test_what_no_reader_would_accept_is_not_staged(tmp_path: Path, path: str, data: bytes) -> None:
    with Store.open(tmp_path) as store:
        draft = store.begin_run()
        with pytest.raises(SealError):
            draft.write(path, data)
        assert path not in draft.members
        draft.abandon()
        assert store.begin_run().run == 1


def test_no_file_is_staged_twice(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        draft = stage(store)
        with pytest.raises(SealError, match="already"):
            draft.write("evidence/WEB-01.json", b"{}")
        assert dict(draft.members) == members(1, 0)


def _without(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.__delitem__(name)


def _stray(files: dict[str, bytes]) -> None:
    files["evidence/web-02.json"] = files["evidence/web-01.json"]


def _other_run(files: dict[str, bytes]) -> None:
    files["evidence/web-01.json"] = files["evidence/web-01.json"].replace(b'"run":1', b'"run":2')


def _swapped(files: dict[str, bytes]) -> None:
    one, other = "evidence/web-01.json", "evidence/roster.json"
    files[one], files[other] = files[other], files[one]


def _other_log(files: dict[str, bytes]) -> None:
    files[layout.PLAN] = canonical.encode(plan(1, 5))


def _no_targets(files: dict[str, bytes]) -> None:
    files[layout.PLAN] = canonical.encode(plan(1, 0, targets=[]))


@pytest.mark.parametrize(
    "change",
    [
        *(
            pytest.param(_without(name), id=f"without {name}")
            for name in (
                layout.PLAN, layout.CATALOGUE, layout.EXCEPTIONS, layout.VERDICTS,
                "evidence/web-01.json", "evidence/roster.json",
            )
        ),
        _stray,
        _other_run,
        _swapped,
        _other_log,
        _no_targets,
    ],
)  # fmt: skip
def test_a_run_that_would_not_verify_is_not_sealed(
    tmp_path: Path, key: SealKey, change: Callable[[dict[str, bytes]], None]
) -> None:
    files = members(1, 0)
    change(files)
    with Store.open(tmp_path) as store:
        draft = store.begin_run()
        for path, data in files.items():
            draft.write(path, data)
        with pytest.raises(SealError):
            draft.seal(key, statement=SAID, late=late)
    assert read_lines(tmp_path) == ()
    assert seal(tmp_path, key).run == 1


def test_a_report_cannot_change_the_evidence_it_shows(tmp_path: Path, key: SealKey) -> None:
    with Store.open(tmp_path) as store, pytest.raises(SealError, match="evidence root"):
        stage(store).seal(key, statement=SAID, late=lambda _: {"evidence/web-02.json": b"{}"})
    assert read_lines(tmp_path) == ()


# --- kill -9 and a full disk, at every call that changes the disk

CALLS = ("open", "write", "fsync", "rename", "mkdir", "unlink", "ftruncate", "truncate")


def _in_child(state: Path, key: SealKey, arm: Callable[[], None]) -> int:
    """Seal in a forked child after `arm` armed its calls; return the wait status."""
    child = os.fork()
    if child == 0:  # pragma: no cover (another process)
        try:
            arm()
            seal(state, key)
        except StoreError:
            os._exit(2)
        except BaseException:  # noqa: BLE001 (anything else must not look like success)
            os._exit(70)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def _arm(at: int, act: Callable[[], None], *, after: bool) -> Callable[[], None]:
    """Make the `at`-th state-changing call of the process run `act`, before or after the real one."""

    def arm() -> None:
        left = at

        def armed(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                nonlocal left
                left -= 1
                if left == 0 and not after:
                    act()
                try:
                    return real(*args, **kwargs)
                finally:
                    if left == 0 and after:
                        act()

            return call

        for name in CALLS:
            setattr(os, name, armed(getattr(os, name)))

    return arm


@pytest.mark.parametrize("after", [False, True])
def test_kill_9_at_any_call_loses_nothing_that_was_committed_and_tears_nothing(
    tmp_path: Path, key: SealKey, trusted: Path, *, after: bool
) -> None:
    """A second run is killed; a third follows. The log then has two or three runs, all whole."""
    at, killed, committed = 0, 0, 0
    while True:
        at += 1
        state = tmp_path / f"{at}"
        seal(state, key)
        status = _in_child(state, key, _arm(at, lambda: os.kill(os.getpid(), signal.SIGKILL), after=after))
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, "no call was left to be killed at"
            break
        killed += 1
        before = len(read_lines(state))
        third = seal(state, key)
        assert third.run in (2, 3)
        assert third.run >= before + 1
        committed += third.run == 3
        holds(state, trusted, third.run)
    assert killed > 40
    assert 0 < committed < killed


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_from_any_call_on_is_an_error_and_never_a_success(
    tmp_path: Path, key: SealKey, trusted: Path, code: int
) -> None:
    def fail() -> None:
        raise OSError(code, os.strerror(code))

    def from_here(at: int) -> Callable[[], None]:
        def arm() -> None:
            left = at

            def armed(real: Callable[..., Any]) -> Callable[..., Any]:
                def call(*args: Any, **kwargs: Any) -> Any:
                    nonlocal left
                    left -= 1
                    if left <= 0:
                        fail()
                    return real(*args, **kwargs)

                return call

            for name in ("write", "fsync", "rename", "mkdir"):
                setattr(os, name, armed(getattr(os, name)))

        return arm

    at = 0
    while True:
        at += 1
        state = tmp_path / f"{at}"
        seal(state, key)
        status = os.waitstatus_to_exitcode(_in_child(state, key, from_here(at)))
        if status == 0:
            break
        assert status == 2, f"call {at} must end as StoreError"
        holds(state, trusted, seal(state, key).run)
    assert at > 40


def test_what_was_committed_before_a_crash_is_told_by_recover(
    tmp_path: Path, key: SealKey, trusted: Path
) -> None:
    sealed = seal(tmp_path, key)
    sealed.bundle.unlink()
    (sealed.folder / ".packed").unlink()
    (tmp_path / "log" / "checkpoints" / "00000001").unlink()
    with Store.open(tmp_path) as store:
        again = store.recover(key)
        assert store.recover(key) == ()
    assert again == (sealed,)
    holds(tmp_path, trusted, 1)
