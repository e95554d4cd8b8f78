"""S/MIME as OpenSSL and the cryptography library make it."""

import os
from pathlib import Path

import pytest

from collectors.sources.mail import Kind, Protection, Why
from tests.collectors.mail.makers import PERSONS, leaves, mail, tool

PART = b"Content-Type: text/csv; name=list.csv\r\n\r\n" + PERSONS.encode()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key, a certificate and a part to protect."""
    folder = tmp_path_factory.mktemp("people")
    tool(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=invented",
        "-keyout", "key.pem", "-out", "cert.pem", "-days", "30", cwd=folder,
    )  # fmt: skip
    (folder / "part").write_bytes(PART)
    return folder


def enveloped(people: Path, cipher: str, *more: str) -> bytes:
    return tool(
        "openssl", "cms", "-encrypt", "-binary", "-in", "part", "-outform", "DER", cipher, *more, "cert.pem",
        cwd=people,
    )  # fmt: skip


def signed(people: Path, part: str, *more: str) -> bytes:
    return tool(
        "openssl", "cms", "-sign", "-binary", "-in", part, "-outform", "DER", "-signer", "cert.pem",
        "-inkey", "key.pem", *more, cwd=people,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cipher", "more", "expected", "algorithm"),
    [
        ("-aes128", (), Protection.STRONG, "aes-128"),
        ("-aes256", (), Protection.STRONG, "aes-256"),
        ("-aes256", ("-stream",), Protection.STRONG, "aes-256"),
        ("-aes-256-gcm", (), Protection.STRONG, "aes-256"),
        ("-aes-128-gcm", ("-stream",), Protection.STRONG, "aes-128"),
        ("-des3", (), Protection.WEAK, "3des"),
        ("-camellia256", (), Protection.UNKNOWN, ""),
    ],
)
def test_c1_enveloped_data_by_its_cipher(
    people: Path, cipher: str, more: tuple[str, ...], expected: Protection, algorithm: str
) -> None:
    raw = enveloped(people, cipher, *more)
    if more:
        assert raw[1] == 0x80  # BER with indefinite length
    (found,) = leaves(raw)
    assert (found.kind, found.protection, found.algorithm) == (Kind.SMIME, expected, algorithm)


@pytest.mark.parametrize("more", [(), ("-stream",)])
def test_c2_signed_content_is_judged_whatever_the_label_says(people: Path, more: tuple[str, ...]) -> None:
    raw = signed(people, "part", "-nodetach", *more)
    outer, inner = leaves(raw, ext="p7m")
    assert outer.protection is Protection.SIGNED_ONLY
    assert inner.personal is not None
    assert inner.personal.persons == 12


def test_c2_a_signed_file_that_is_no_mail_part_is_judged_as_it_is(people: Path) -> None:
    lines = [f"person{number}: mihon{number}@example.com 03-0000-{number:04d}" for number in range(12)]
    (people / "list.csv").write_text("\n".join(lines))  # every line looks like a header field
    raw = signed(people, "list.csv", "-nodetach")
    inner = leaves(raw)[1]
    assert inner.personal is not None
    assert inner.personal.persons == 12


def test_c3_an_envelope_inside_a_signature_is_strong(people: Path) -> None:
    sealed = enveloped(people, "-aes256")
    (people / "sealed").write_bytes(
        b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n" + sealed
    )
    raw = signed(people, "sealed", "-nodetach")
    assert [leaf.protection for leaf in leaves(raw)] == [Protection.SIGNED_ONLY, Protection.STRONG]


def test_c4_a_detached_signature_is_no_file(people: Path) -> None:
    raw = signed(people, "part")
    (found,) = leaves(raw)
    assert found.kind is Kind.SIGNATURE


def test_c5_an_envelope_is_known_by_content_under_any_name(people: Path) -> None:
    (found,) = leaves(enveloped(people, "-aes256"), ext="txt")
    assert found.protection is Protection.STRONG


@pytest.mark.parametrize("keep", [30, 100, 400])
def test_a_cut_envelope_is_never_strong(people: Path, keep: int) -> None:
    (found,) = leaves(enveloped(people, "-aes256")[:keep])
    assert found.protection in (Protection.CORRUPT, Protection.UNKNOWN)


def test_hostile_nesting_ends() -> None:
    raw = bytes.fromhex("308006092a864886f70d010703") + b"\xa0\x80\x30\x80" * 50_000
    (found,) = leaves(raw)
    assert (found.kind, found.protection) == (Kind.SMIME, Protection.CORRUPT)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"7z\xbc\xaf\x27\x1c" + os.urandom(64), Kind.SEVEN_ZIP),
        (b"Rar!\x1a\x07\x01\x00" + os.urandom(64), Kind.RAR),
        (b"age-encryption.org/v1\n-> X25519 x\n", Kind.AGE),
        (b"Salted__" + os.urandom(64), Kind.OPENSSL_ENC),
        (b"-----BEGIN PGP MESSAGE-----\n\nhQ==\n-----END PGP MESSAGE-----\n", Kind.OPENPGP),
        (b"\x78\x9f\x3e\x22" + bytes(64), Kind.TNEF),
        (b"\x1f\x8b\x08" + bytes(64), Kind.GZIP),
        (os.urandom(4_096) + bytes(1), Kind.BINARY),
    ],
)
def test_what_has_no_reader_yet_is_unknown_with_its_kind(raw: bytes, kind: Kind) -> None:
    (found,) = leaves(raw)
    assert (found.kind, found.protection, found.why) == (kind, Protection.UNKNOWN, Why.NO_READER)


def test_an_attached_message_is_a_wrapper() -> None:
    raw = mail(("text/csv", "list.csv", PERSONS.encode()))
    outer, *inner = leaves(raw)
    assert (outer.kind, outer.protection) == (Kind.MESSAGE, Protection.SIGNED_ONLY)
    assert [leaf.personal.persons for leaf in inner if leaf.personal] == [0, 12]
