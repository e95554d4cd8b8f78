import subprocess
from pathlib import Path

import pytest

from config.errors import SealError
from reports.sealkey import SealKey
from tests.reports.sealing import ORIGIN


def test_ssh_keygen_reads_the_key_and_prints_the_same_fingerprint(tmp_path: Path) -> None:
    key = SealKey.create(tmp_path / "seal", origin=ORIGIN)
    public = subprocess.run(
        ["ssh-keygen", "-y", "-f", tmp_path / "seal"], check=True, capture_output=True, text=True
    ).stdout
    (tmp_path / "seal.pub").write_text(public)
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", tmp_path / "seal.pub"], check=True, capture_output=True, text=True
    ).stdout
    assert key.fingerprint in shown.split()
    assert (tmp_path / "seal").stat().st_mode & 0o777 == 0o600


def test_a_key_that_ssh_keygen_made_signs_too(tmp_path: Path) -> None:
    path = tmp_path / "seal"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    key = SealKey.load(path, origin=ORIGIN)
    signature = key.sign(b"text\n")
    assert key.verifier.verifies("text\n", signature)
    assert len(signature) == 64
    assert key.sign(b"text\n") == signature, "resealing after a crash needs the same bytes"


def test_the_passphrase_is_needed_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "seal"
    made = SealKey.create(path, origin=ORIGIN, passphrase=b"long and secret")
    assert SealKey.load(path, origin=ORIGIN, passphrase=b"long and secret").verifier == made.verifier
    for wrong in (b"other", None):
        with pytest.raises(SealError, match="passphrase"):
            SealKey.load(path, origin=ORIGIN, passphrase=wrong)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_key_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "seal"
    SealKey.create(path, origin=ORIGIN)
    path.chmod(mode)
    with pytest.raises(SealError, match=f"{mode:04o}"):
        SealKey.load(path, origin=ORIGIN)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "seal"
    first = SealKey.create(path, origin=ORIGIN)
    with pytest.raises(SealError, match="cannot write"):
        SealKey.create(path, origin=ORIGIN)
    assert SealKey.load(path, origin=ORIGIN).verifier == first.verifier


def test_another_kind_of_key_or_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ecdsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", path], check=True)
    with pytest.raises(SealError, match="not Ed25519"):
        SealKey.load(path, origin=ORIGIN)
    (tmp_path / "text").write_text("no key")
    (tmp_path / "text").chmod(0o600)
    for other in ("text", "absent", "."):
        with pytest.raises(SealError):
            SealKey.load(tmp_path / other, origin=ORIGIN)


@pytest.mark.parametrize("origin", ["", "two words", "a+b", "記録", "a\nb"])
def test_an_origin_that_cannot_stand_in_a_note_is_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(SealError, match="cannot name"):
        SealKey.create(tmp_path / "seal", origin=origin)
    assert not (tmp_path / "seal").exists()
