import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import FormatError
from reports.note import Checkpoint, Note, Proof, VerifierKey, sign_note
from reports.sealkey import SealKey

NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
"""the worked example of the signed-note format"""
ROOT = b"\7" * 32


def test_the_published_example_verifies() -> None:
    key, note = VerifierKey.parse(NEUMANN), Note.parse(NEUMANN_NOTE)
    assert (note.signatures[0].name, note.signatures[0].key_id) == (key.name, key.key_id)
    assert key.verifies(note.text, note.signatures[0].signature)
    assert not key.verifies(note.text.replace("answer", "question"), note.signatures[0].signature)
    assert key.text == NEUMANN


def test_what_we_sign_we_read(key: SealKey) -> None:
    checkpoint = Checkpoint(origin=key.verifier.name, size=7, root=ROOT)
    raw = sign_note(checkpoint.text, key.verifier, key.sign)
    note = Note.parse(raw)
    assert Checkpoint.parse(note.text) == checkpoint
    assert key.verifier.verifies(note.text, note.signatures[0].signature)
    assert VerifierKey.parse(key.verifier.text) == key.verifier
    proof = Proof(index=6, path=(ROOT, b"\1" * 32), checkpoint=raw)
    assert Proof.parse(proof.encode()) == proof


@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+BBpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
        " PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "",
        "++",
    ],
)
def test_a_vkey_that_is_not_exactly_one_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        VerifierKey.parse(text)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"\n\n",
        NEUMANN_NOTE[:-1],
        NEUMANN_NOTE + b"\n",
        NEUMANN_NOTE.replace("—".encode(), b"-"),
        NEUMANN_NOTE.replace(b"Neumann x", b"Neumann  x"),
        NEUMANN_NOTE.replace(b"nAM=", b"nAN="),
        NEUMANN_NOTE.replace(b"nAM=", b"nAM"),
        NEUMANN_NOTE.replace(b"If", b"I\0"),
        NEUMANN_NOTE.replace(b"If", b"I\xff"),
        NEUMANN_NOTE.replace(b"problem,\n", b"problem,\r\n"),
        b"x\n" * 200 + NEUMANN_NOTE,
        "text\n\n— name eA==\n".encode(),
    ],
)
def test_a_note_in_another_spelling_is_refused(raw: bytes) -> None:
    """`nAN=` is the same signature as `nAM=` to a lenient base64 reader."""
    with pytest.raises(FormatError):
        Note.parse(raw)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"o\n1\n{base64.b64encode(ROOT).decode()}",
        f"o\n01\n{base64.b64encode(ROOT).decode()}\n",
        f"o\n-1\n{base64.b64encode(ROOT).decode()}\n",
        f"o\n\uff11\n{base64.b64encode(ROOT).decode()}\n",
        f"o o\n1\n{base64.b64encode(ROOT).decode()}\n",
        f"o\n1\n{base64.b64encode(ROOT[1:]).decode()}\n",
        f"o\n1\n{base64.b64encode(ROOT).decode()}\nextension\n",
        f"\n1\n{base64.b64encode(ROOT).decode()}\n",
    ],
)
def test_a_checkpoint_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        Checkpoint.parse(text)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_text_of_ours_or_refused(raw: bytes) -> None:
    for parse in (Note.parse, Proof.parse):
        for data in (raw, NEUMANN_NOTE[:40] + raw, b"c2sp.org/tlog-proof@v1\nindex 3\n" + raw):
            try:
                read = parse(data)
            except FormatError:
                continue
            if isinstance(read, Proof):
                assert read.encode() == data
    try:
        Checkpoint.parse(raw.decode("latin-1"))
    except FormatError:
        return
