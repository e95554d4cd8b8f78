"""The steps by hand, run with the real unzip, sha256sum and openssl on whole and on tampered bundles."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reports import layout
from reports.readme import by_hand
from reports.sealkey import SealKey
from reports.store import SealedRun, Store
from tests.reports.sealing import ORIGIN, SAID, evidence, forge, members, repack, seal, stage, unpack
from tests.tsa import Authority

Files = dict[str, bytes]


def script_of(files: Files) -> str:
    """The script as a reader cuts it out of README.txt."""
    text = files[layout.README].decode()
    return text.split("-------- by_hand.sh --------\n")[1].split("-------- end of")[0]


def by_the_steps(
    bundle: Path, key: SealKey, script: str, shell: str = "sh", roots: tuple[str, ...] = ()
) -> tuple[int, str]:
    path = bundle.with_suffix(".sh")
    path.write_text(script)
    done = subprocess.run(
        [shell, path, bundle, key.verifier.text, *roots],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_steps_in_the_bundle_pass_on_every_run_of_a_log(tmp_path: Path, key: SealKey, shell: str) -> None:
    """Seven runs give paths of every shape: left and right, even and odd."""
    for _ in range(7):
        bundle = seal(tmp_path, key).bundle
        status, said = by_the_steps(bundle, key, script_of(unpack(bundle)), shell)
        assert status == 0, said
        assert [line[:5] for line in said.splitlines() if line.startswith("OK")] == [
            f"OK  {n}" for n in range(1, 7)
        ]
        assert "UNTIMED" in said


def test_time_stamps_are_checked_by_openssl_against_the_roots_one_trusts(
    tmp_path: Path, key: SealKey
) -> None:
    lab, forger = (Authority.make(tmp_path / name) for name in ("lab", "forger"))
    with Store.open(tmp_path / "state", stamp=lambda data: {"tsa1": lab.stamp(data)}) as store:
        draft = stage(store)
        draft.write("plan.tsa1.tsr", lab.stamp(draft[layout.PLAN]))
        bundle = draft.seal(key, statement=SAID).bundle
    files = unpack(bundle)
    good = (f"tsa1={lab.folder / 'root.pem'}",)
    status, said = by_the_steps(bundle, key, by_hand(), roots=good)
    assert (status, said.count("OK  7 ")) == (0, 2)
    assert "were not checked" in by_the_steps(bundle, key, by_hand())[1]
    for roots in ((f"tsa1={forger.folder / 'root.pem'}",), (f"tsa2={lab.folder / 'root.pem'}",)):
        status, said = by_the_steps(bundle, key, by_hand(), roots=roots)
        assert (status, said.splitlines()[-1][:5]) == (1, "NG  7")
    files["checkpoint.tsa1.tsr"] = lab.stamp(b"something else")
    status, said = by_the_steps(repack(tmp_path, files), key, by_hand(), roots=good)
    assert (status, said.splitlines()[-1][:5]) == (1, "NG  7")


def test_the_readme_names_the_bundle_and_holds_the_script_as_shipped(sealed: SealedRun) -> None:
    files = unpack(sealed.bundle)
    assert script_of(files) == by_hand()
    text = files[layout.README].decode()
    assert sealed.bundle.name in text
    assert "@" not in text.split("-------- by_hand.sh")[0]


def _edited(files: Files) -> None:
    files["verdicts.jsonl"] = files["verdicts.jsonl"].replace(b"pass", b"fail")


def _removed(files: Files) -> None:
    del files["evidence/web-01.json"]


def _added(files: Files) -> None:
    files["evidence/web-02.json"] = b"{}"


def _other_sums(files: Files) -> None:
    _removed(files)
    files[layout.SUMS] = b"".join(
        line for line in files[layout.SUMS].splitlines(keepends=True) if b"evidence/web-01.json" not in line
    )


def _other_run(files: Files) -> None:
    files[layout.RUN] = files[layout.RUN].replace(b'"pass":1', b'"pass":2')


def _other_path(files: Files) -> None:
    lines = files[layout.PROOF].split(b"\n")
    lines[2] = lines[2].swapcase()
    files[layout.PROOF] = b"\n".join(lines)


def _short_path(files: Files) -> None:
    lines = files[layout.PROOF].split(b"\n")
    files[layout.PROOF] = b"\n".join([*lines[:2], *lines[3:]])


def _long_path(files: Files) -> None:
    lines = files[layout.PROOF].split(b"\n")
    files[layout.PROOF] = b"\n".join([*lines[:3], lines[2], *lines[3:]])


def _other_index(files: Files) -> None:
    files[layout.PROOF] = files[layout.PROOF].replace(b"index 1", b"index 0")


def _other_checkpoint(files: Files) -> None:
    files[layout.CHECKPOINT] = files[layout.CHECKPOINT].replace(b"\n2\n", b"\n3\n")


def _other_signature(files: Files) -> None:
    for name in (layout.CHECKPOINT, layout.PROOF):
        head, gap, signature = files[name].rpartition(b"kk ")
        files[name] = head + gap + signature[:20] + signature[20:40].swapcase() + signature[40:]


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (_edited, 1),
        (_removed, 1),
        (_added, 2),
        (_other_sums, 3),
        (_other_run, 5),
        (_other_path, 5),
        (_short_path, 5),
        (_long_path, 5),
        (_other_index, 5),
        (_other_checkpoint, 5),
        (_other_signature, 6),
    ],
)
def test_a_tampered_bundle_fails_at_its_step(
    tmp_path: Path, sealed: SealedRun, key: SealKey, change: Callable[[Files], None], step: int
) -> None:
    files = unpack(sealed.bundle)
    whole = dict(files)
    change(files)
    assert files != whole
    status, said = by_the_steps(repack(tmp_path, files), key, by_hand())
    assert status == 1
    assert said.splitlines()[-1].startswith(f"NG  {step} ")


def test_evidence_of_another_run_fails_although_the_seal_is_good(tmp_path: Path, key: SealKey) -> None:
    files = {**members(1, 0), layout.README: b"read me\n"}
    status, said = by_the_steps(repack(tmp_path, forge(files, key), "good.zip"), key, by_hand())
    assert status == 0, said
    files["evidence/web-01.json"] = evidence(1, b"another plan", "web-01", "host")
    status, said = by_the_steps(repack(tmp_path, forge(files, key), "bad.zip"), key, by_hand())
    assert (status, said.splitlines()[-1]) == (1, "NG  4 no evidence of web-01 from this run")


def test_another_key_or_log_fails(tmp_path: Path, sealed: SealedRun) -> None:
    (tmp_path / "a.zip").write_bytes(sealed.bundle.read_bytes())
    for name, origin in (("one", ORIGIN), ("two", "tenken.example/other")):
        other = SealKey.create(tmp_path / name, origin=origin)
        status, said = by_the_steps(tmp_path / "a.zip", other, by_hand())
        assert status == 1
        assert said.splitlines()[-1].startswith("NG  6 ")


def test_what_is_no_zip_fails(tmp_path: Path, key: SealKey) -> None:
    (tmp_path / "a.zip").write_bytes(b"no zip")
    assert by_the_steps(tmp_path / "a.zip", key, by_hand())[0] == 1
