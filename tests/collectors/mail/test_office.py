"""Office files: encrypted packages by msoffcrypto-tool, legacy ones by hand after the published formats."""

import io
import struct
import zipfile
from typing import Any

import msoffcrypto.format.ooxml
import olefile
import pytest

from collectors.sources.mail import Inspected, Kind, Protection, Why
from tests.collectors.mail.makers import compound, leaves, persons_rows, plain_zip, workbook


def package(password: str) -> bytes:
    """As large as a real one: the library's own writer loses packages below 4,096 bytes."""
    book = io.BytesIO(workbook(persons_rows()))
    with zipfile.ZipFile(book, "a") as archive:
        archive.writestr("xl/theme/theme1.xml", b"<a/>" * 2_000)
    book.seek(0)
    out = io.BytesIO()
    msoffcrypto.format.ooxml.OOXMLFile(book).encrypt(password, out)
    return out.getvalue()


def test_o1_agile_encryption_is_strong() -> None:
    raw = package("invented")
    assert olefile.isOleFile(io.BytesIO(raw))
    (found,) = leaves(raw)
    assert (found.kind, found.protection, found.algorithm) == (
        Kind.OOXML_ENCRYPTED,
        Protection.STRONG,
        "aes-256",
    )


@pytest.mark.parametrize(
    ("cipher", "version", "expected"),
    [
        (0x660E, (3, 2), Protection.STRONG),
        (0x6610, (4, 2), Protection.STRONG),
        (0x6801, (3, 2), Protection.WEAK),
        (0x9999, (4, 2), Protection.UNKNOWN),
        (0x660E, (4, 3), Protection.UNKNOWN),
    ],
)
def test_o1_standard_encryption_by_its_cipher(
    cipher: int, version: tuple[int, int], expected: Protection
) -> None:
    info = struct.pack("<HHII", *version, 0x24, 0xA4) + struct.pack(
        "<IIIIIIII", 0x24, 0, cipher, 0x8004, 128, 24, 0, 0
    )
    raw = compound(EncryptionInfo=info.ljust(300, b"\1"), EncryptedPackage=b"\2" * 4_096)
    (found,) = leaves(raw)
    assert found.protection is expected


def test_o2_the_published_default_password_protects_nothing() -> None:
    outer, inner = leaves(package("VelvetSweatshop"))
    assert (outer.protection, outer.why) == (Protection.TRIVIAL, Why.DEFAULT_PASSWORD)
    assert inner.kind is Kind.OOXML
    assert inner.personal is not None
    assert inner.personal.persons == 12


def test_o5_a_hostile_spin_count_is_not_tried() -> None:
    raw = package("VelvetSweatshop")
    assert raw.count(b'spinCount="100000"') == 1
    (found,) = leaves(raw.replace(b'spinCount="100000"', b'spinCount="999999"'))
    assert (found.protection, found.why) == (Protection.STRONG, Why.SPIN_COUNT)


def test_a_package_that_is_clear_inside_is_not_strong() -> None:
    info = struct.pack("<HHII", 4, 4, 0x40, 0) + b'<e cipherAlgorithm="AES" keyBits="256" spinCount="1"/>'
    raw = compound(EncryptionInfo=info, EncryptedPackage=bytes(8) + workbook(persons_rows()))
    (found,) = leaves(raw)
    assert (found.protection, found.why) == (Protection.UNKNOWN, Why.FALSE_FLAG)


def bof(*records: tuple[int, bytes]) -> bytes:
    parts = [(0x0809, struct.pack("<HHHHII", 0x0600, 5, 0, 0, 0, 0)), *records, (0x000A, b"")]
    return b"".join(struct.pack("<HH", kind, len(body)) + body for kind, body in parts)


FILEPASS = {
    "xor": struct.pack("<HHH", 0, 0x1234, 0x5678),
    "rc4-40": struct.pack("<HHH", 1, 1, 1) + bytes(48),
    "rc4": struct.pack("<HHH", 1, 2, 2) + bytes(200),
}


@pytest.mark.parametrize("algorithm", FILEPASS)
@pytest.mark.parametrize("stream", ["Workbook", "Book"])
def test_o3_a_legacy_workbook_with_a_password_is_weak(algorithm: str, stream: str) -> None:
    (found,) = leaves(compound(**{stream: bof((0x2F, FILEPASS[algorithm]))}))
    assert (found.kind, found.protection, found.algorithm) == (Kind.OFFICE97, Protection.WEAK, algorithm)


def word(flags: int) -> dict[str, bytes]:
    return {"WordDocument": struct.pack("<HH6xH", 0xA5EC, 0x00C1, flags)}


def slides(token: int) -> dict[str, bytes]:
    return {
        "PowerPoint_Document": b"\1" * 600,
        "Current_User": struct.pack("<HHII", 0, 0x0FF6, 20, 20) + struct.pack("<I", token),
    }


@pytest.mark.parametrize(
    ("streams", "expected", "algorithm"),
    [
        (word(0x0100), Protection.WEAK, "rc4"),
        (word(0x8100), Protection.WEAK, "xor"),
        (slides(0xF3D1C4DF), Protection.WEAK, "rc4"),
        (word(0x0200), Protection.NONE, ""),
        (slides(0xE391C05F), Protection.NONE, ""),
        ({"Workbook": bof((0x00E1, b"\xb0\x04"))}, Protection.NONE, ""),
    ],
    ids=["doc", "doc-xor", "ppt", "doc-clear", "ppt-clear", "xls-clear"],
)
def test_o3_legacy_documents_by_their_own_flags(
    streams: dict[str, Any], expected: Protection, algorithm: str
) -> None:
    (found,) = leaves(compound(**streams))
    assert (found.kind, found.protection, found.algorithm) == (Kind.OFFICE97, expected, algorithm)
    assert found.inspected is Inspected.NOT


@pytest.mark.parametrize(
    ("streams", "expected"),
    [
        ({"Workbook": b"\xff" * 100}, Protection.CORRUPT),
        (slides(0x11111111), Protection.CORRUPT),
        ({"Unheard_of": b"1"}, Protection.UNKNOWN),
        ({"EncryptedPackage": b"1"}, Protection.CORRUPT),
    ],
)
def test_a_compound_file_that_is_not_understood_is_never_clear(
    streams: dict[str, bytes], expected: Protection
) -> None:
    (found,) = leaves(compound(**streams))
    assert found.protection is expected


def test_the_rows_of_a_workbook_are_counted() -> None:
    (found,) = leaves(workbook(persons_rows()))
    assert (found.kind, found.protection, found.inspected) == (Kind.OOXML, Protection.NONE, Inspected.FULL)
    assert found.personal is not None
    assert found.personal.persons == 12


def test_the_tables_of_a_document_are_counted() -> None:
    rows = "".join(
        "<w:tr>"
        + "".join(f"<w:tc><w:p><w:r><w:t>{cell}</w:t></w:r></w:p></w:tc>" for cell in row)
        + "</w:tr>"
        for row in persons_rows()
    )
    raw = plain_zip(
        ("[Content_Types].xml", b"<Types/>"),
        ("word/document.xml", f"<w:document><w:tbl>{rows}</w:tbl></w:document>".encode()),
    )
    (found,) = leaves(raw)
    assert found.personal is not None
    assert found.personal.persons == 12


def test_a_picture_in_a_document_is_a_file_that_was_not_inspected() -> None:
    raw = plain_zip(
        ("[Content_Types].xml", b"<Types/>"),
        ("word/document.xml", b"<w:document/>"),
        ("word/media/image1.png", b"\x89PNG\r\n\x1a\n" + bytes(100)),
    )
    outer, picture = leaves(raw)
    assert outer.inspected is Inspected.FULL
    assert (picture.kind, picture.inspected) == (Kind.IMAGE, Inspected.NOT)


def test_an_open_document_reads_unknown_until_it_has_a_reader() -> None:
    raw = plain_zip(("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", b"<x/>"))
    (found,) = leaves(raw)
    assert (found.kind, found.protection) == (Kind.ODF, Protection.UNKNOWN)
