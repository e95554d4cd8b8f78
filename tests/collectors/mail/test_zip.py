"""ZIP archives of real tools and edited ones; the numbers are those of the mail design's table."""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from collectors.sources.mail import Inspected, Kind, Members, Protection, Why
from tests.collectors.mail.makers import (
    PERSONS,
    aes_zip,
    leaves,
    plain_zip,
    tool,
    workbook,
    zipcrypto,
)

NOTE = ("note.txt", b"nothing of anybody\n" * 20)
LIST = ("list.csv", PERSONS.encode("cp932"))


def label(raw: bytes) -> tuple[Protection, str, Why | None]:
    outer = leaves(raw)[0]
    assert outer.kind is Kind.ZIP
    return outer.protection, outer.algorithm, outer.why


def seen_by_7zip(raw: bytes, folder: Path) -> set[tuple[str, str]]:
    """(Encrypted, Method) of every file, as 7-Zip says."""
    (folder / "oracle.zip").write_bytes(raw)
    shown = tool("7zz", "l", "-slt", "oracle.zip", cwd=folder).decode()
    found = set()
    for block in shown.split("----------")[1].split("\n\n"):
        fields = dict(line.split(" = ", 1) for line in block.splitlines() if " = " in line)
        if fields.get("Folder") == "-":
            found.add((fields["Encrypted"], fields["Method"]))
    return found


def test_z1_zipcrypto_is_weak(tmp_path: Path) -> None:
    raw = zipcrypto(tmp_path, NOTE, LIST)
    assert label(raw) == (Protection.WEAK, "zipcrypto", None)
    assert len(leaves(raw)) == 1  # nothing inside can be read
    assert {encrypted for encrypted, _ in seen_by_7zip(raw, tmp_path)} == {"+"}


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_z2_winzip_aes_is_strong(bits: int, tmp_path: Path) -> None:
    raw = aes_zip(NOTE, LIST, bits=bits)
    assert label(raw) == (Protection.STRONG, f"aes-{bits}", None)
    assert all(f"AES-{bits}" in method for _, method in seen_by_7zip(raw, tmp_path))


@pytest.mark.parametrize("method", ["Copy", "Deflate", "Deflate64", "BZip2", "LZMA", "PPMd"])
def test_z2_aes_is_strong_whatever_compresses(method: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(LIST[1])
    tool("7zz", "a", "-tzip", f"-mm={method}", "-mem=AES256", "-pinvented", "a.zip", "list.csv", cwd=tmp_path)
    assert label((tmp_path / "a.zip").read_bytes()) == (Protection.STRONG, "aes-256", None)


def test_z3_one_clear_member_makes_it_partial_and_is_judged(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_bytes(NOTE[1])
    (tmp_path / "list.csv").write_bytes(LIST[1])
    tool("zip", "-q", "-P", "invented", "a.zip", "secret.txt", cwd=tmp_path)
    tool("zip", "-q", "a.zip", "list.csv", cwd=tmp_path)
    raw = (tmp_path / "a.zip").read_bytes()
    outer, inner = leaves(raw)
    assert outer.protection is Protection.PARTIAL
    assert outer.members == Members(clear=1, weak=1)
    assert inner.personal is not None
    assert inner.personal.persons == 12
    assert {encrypted for encrypted, _ in seen_by_7zip(raw, tmp_path)} == {"+", "-"}


def test_z4_the_weakest_member_counts(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes(NOTE[1])
    tool("7zz", "a", "-tzip", "-mem=AES256", "-pinvented", "a.zip", "a.txt", cwd=tmp_path)
    tool("7zz", "a", "-tzip", "-mem=ZipCrypto", "-pinvented", "a.zip", "b.txt", cwd=tmp_path)
    assert label((tmp_path / "a.zip").read_bytes()) == (Protection.WEAK, "aes-256+zipcrypto", None)


@pytest.mark.parametrize(
    ("cipher", "expected", "algorithm"),
    [
        (0x6610, Protection.STRONG, "aes-256"),
        (0x6603, Protection.WEAK, "3des"),
        (0x6801, Protection.WEAK, "rc4"),
        (0x6720, Protection.UNKNOWN, ""),
    ],
)
def test_z5_pkware_encryption_is_told_by_its_decryption_header(
    cipher: int, expected: Protection, algorithm: str
) -> None:
    header = struct.pack("<H16sIHHHHH", 16, os.urandom(16), 200, 3, cipher, 256, 1, 0)
    raw = one_member(header + os.urandom(200), flags=0x41, method=8, size=500)
    assert label(raw)[:2] == (expected, algorithm)


def test_z6_names_in_cp932_and_a_long_comment_and_an_empty_archive(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode("名簿表.csv".encode("cp932"))).write_bytes(LIST[1])
    tool("7zz", "a", "-tzip", "-mcp=932", "a.zip", ".", "-x!a.zip", cwd=tmp_path)
    inner = leaves((tmp_path / "a.zip").read_bytes())[1]
    assert (inner.ext, inner.personal.persons if inner.personal else 0) == ("csv", 12)
    empty = leaves(plain_zip())
    assert [(leaf.kind, leaf.protection) for leaf in empty] == [(Kind.ZIP, Protection.NONE)]
    out = io.BytesIO(aes_zip(NOTE))
    with zipfile.ZipFile(out, "a") as archive:
        archive.comment = b"x" * 65_000
    assert leaves(out.getvalue())[0].protection is Protection.STRONG


def test_z6_zip64_is_read(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(LIST[1])
    tool("zip", "-q", "-fz", "a.zip", "list.csv", cwd=tmp_path)
    raw = (tmp_path / "a.zip").read_bytes()
    assert b"PK\6\6" in raw
    assert [leaf.protection for leaf in leaves(raw)] == [Protection.NONE, Protection.NONE]


def test_z7_a_protected_archive_in_a_clear_one_is_found() -> None:
    found = leaves(plain_zip(("inner.zip", aes_zip(LIST))))
    assert [(leaf.path, leaf.protection) for leaf in found] == [
        ("1", Protection.NONE),
        ("1/0", Protection.STRONG),
    ]


def test_z8_a_clear_archive_in_a_weak_one_stays_unseen(tmp_path: Path) -> None:
    found = leaves(zipcrypto(tmp_path, ("inner.zip", plain_zip(LIST))))
    assert [leaf.protection for leaf in found] == [Protection.WEAK]


def test_z9_a_flag_only_in_the_directory_is_a_conflict() -> None:
    raw = bytearray(plain_zip(LIST))
    raw[raw.find(b"PK\1\2") + 8] |= 1
    assert label(bytes(raw)) == (Protection.UNKNOWN, "", Why.CONFLICT)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_z10_a_flag_on_readable_data_is_no_protection(method: int) -> None:
    raw = bytearray(plain_zip(LIST, method=method))
    raw[6] |= 1
    raw[raw.find(b"PK\1\2") + 8] |= 1
    outer, inner = leaves(bytes(raw))
    assert (outer.protection, outer.why) == (Protection.NONE, Why.FALSE_FLAG)
    assert inner.personal is not None
    assert inner.personal.persons == 12


def test_z10_a_false_aes_mark_on_readable_data_is_no_protection() -> None:
    content = LIST[1]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(content) + packer.flush()
    extra = struct.pack("<HHH2sBH", 0x9901, 7, 2, b"AE", 3, 8)
    raw = one_member(body, flags=1, method=99, size=len(content), extra=extra)
    assert leaves(raw)[0].protection is Protection.NONE


def test_z11_a_member_that_the_directory_does_not_list_is_hidden() -> None:
    hidden = plain_zip(LIST)
    member = hidden[: hidden.find(b"PK\1\2")]
    raw = aes_zip(NOTE)
    start = raw.find(b"PK\1\2")
    moved = bytearray(raw[:start] + member + raw[start:])
    end = moved.rfind(b"PK\5\6")
    struct.pack_into("<I", moved, end + 16, start + len(member))
    with zipfile.ZipFile(io.BytesIO(bytes(moved))) as archive:
        assert archive.namelist() == ["note.txt"]  # the oracle sees only the protected one
    assert label(bytes(moved))[::2] == (Protection.UNKNOWN, Why.HIDDEN)


@pytest.mark.parametrize("prefix", [b"\x00\x01junk" * 50, b"MZ" + bytes(500), b"\x7fELF" + bytes(500)])
def test_z12_a_prefix_of_any_kind_does_not_hide_the_archive(prefix: bytes) -> None:
    assert leaves(prefix + aes_zip(LIST))[0].protection is Protection.STRONG
    clear = leaves(prefix + plain_zip(LIST))
    assert clear[0].kind is Kind.ZIP
    assert clear[1].personal is not None
    assert clear[1].personal.persons == 12


def test_z12_a_readable_list_before_a_protected_archive_is_judged_too() -> None:
    """The archive is strong, but whoever opens the file as text reads the list."""
    outer, before = leaves(LIST[1] + aes_zip(NOTE))
    assert outer.protection is Protection.STRONG
    assert before.personal is not None
    assert before.personal.persons == 12


def test_z12_without_its_directory_the_local_headers_decide(tmp_path: Path) -> None:
    raw = zipcrypto(tmp_path, NOTE, LIST)
    assert label(raw[: raw.find(b"PK\1\2")]) == (Protection.WEAK, "zipcrypto", Why.NO_DIRECTORY)
    clear = plain_zip(NOTE, LIST)
    found = leaves(clear[: clear.find(b"PK\1\2")])
    assert (found[0].protection, found[0].why) == (Protection.NONE, Why.NO_DIRECTORY)
    assert [leaf.personal.persons for leaf in found[1:] if leaf.personal] == [0, 12]


def test_z13_a_part_of_a_split_archive_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "big.bin").write_bytes(os.urandom(200_000))
    tool("zip", "-q", "-s", "64k", "-P", "invented", "a.zip", "big.bin", cwd=tmp_path)
    assert label((tmp_path / "a.z01").read_bytes()) == (Protection.UNKNOWN, "", Why.SPLIT)
    assert label((tmp_path / "a.zip").read_bytes()) == (Protection.UNKNOWN, "", Why.SPLIT)


def test_z14_a_bomb_reads_limit() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as member:
        for _ in range(300):
            member.write(bytes(1024 * 1024))
    assert len(out.getvalue()) < 400_000
    assert leaves(out.getvalue())[1].protection is Protection.LIMIT


def test_z14_ten_levels_read_limit() -> None:
    raw = plain_zip(LIST)
    for _ in range(10):
        raw = plain_zip(("x.zip", raw))
    deepest = leaves(raw)[-1]
    assert (deepest.protection, deepest.why) == (Protection.LIMIT, Why.DEPTH)


def test_z14_thirty_thousand_members_read_limit() -> None:
    raw = plain_zip(*((f"{number}", b"") for number in range(30_000)))
    assert [(leaf.protection, leaf.why) for leaf in leaves(raw)] == [(Protection.LIMIT, Why.MEMBERS)]


def test_z14_overlapping_members_read_limit() -> None:
    raw = bytearray(plain_zip(("a", b"x" * 50), ("b", b"y" * 50)))
    second = raw.find(b"PK\1\2", raw.find(b"PK\1\2") + 4)
    struct.pack_into("<I", raw, second + 42, 0)
    assert [(leaf.protection, leaf.why) for leaf in leaves(bytes(raw))] == [(Protection.LIMIT, Why.OVERLAP)]


def test_z15_an_unknown_method_makes_the_member_unknown(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(LIST[1])
    tool("7zz", "a", "-tzip", "-mm=PPMd", "a.zip", "list.csv", cwd=tmp_path)
    outer, inner = leaves((tmp_path / "a.zip").read_bytes())
    assert (outer.protection, inner.protection, inner.why) == (
        Protection.NONE,
        Protection.UNKNOWN,
        Why.METHOD,
    )


@pytest.mark.parametrize("method", ["Copy", "Deflate", "BZip2", "LZMA"])
def test_clear_members_of_the_known_methods_are_read(method: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(LIST[1])
    tool("7zz", "a", "-tzip", f"-mm={method}", "a.zip", "list.csv", cwd=tmp_path)
    inner = leaves((tmp_path / "a.zip").read_bytes())[1]
    assert inner.personal is not None
    assert inner.personal.persons == 12


def test_z16_a_sheet_password_protects_nothing() -> None:
    raw = workbook([["氏名", "電話"], ["見本", "03-0000-0001"]])
    out = io.BytesIO(raw)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(
            "xl/worksheets/sheet2.xml", '<worksheet><sheetProtection password="CC1A"/></worksheet>'
        )
    (outer,) = leaves(out.getvalue())
    assert (outer.kind, outer.protection) == (Kind.OOXML, Protection.NONE)


def test_a_wrong_checksum_is_corrupt_and_not_read_as_clean() -> None:
    raw = bytearray(plain_zip(LIST, method=zipfile.ZIP_STORED))
    raw[60] ^= 1
    inner = leaves(bytes(raw))[1]
    assert (inner.protection, inner.why) == (Protection.CORRUPT, Why.CHECKSUM)


def test_a_comment_is_readable_by_anyone() -> None:
    out = io.BytesIO(aes_zip(NOTE))
    with zipfile.ZipFile(out, "a") as archive:
        archive.comment = PERSONS.encode()
    outer, comment = leaves(out.getvalue())
    assert outer.protection is Protection.STRONG
    assert comment.inspected is Inspected.FULL
    assert comment.personal is not None
    assert comment.personal.persons == 12


def one_member(body: bytes, *, flags: int, method: int, size: int, extra: bytes = b"") -> bytes:
    """An archive of one member with headers as wanted."""
    name = b"list.csv"
    crc = 0x12345678 if method != 99 else 0
    local = struct.pack(
        "<4sHHHHHIIIHH", b"PK\3\4", 51, flags, method, 0, 0, crc, len(body), size, len(name), len(extra)
    )
    central = struct.pack(
        "<4sHHHHHHIIIHHHHHII", b"PK\1\2", 51, 51, flags, method, 0, 0, crc, len(body), size, len(name),
        len(extra), 0, 0, 0, 0, 0,
    )  # fmt: skip
    start = len(local) + len(name) + len(extra) + len(body)
    listing = central + name + extra
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(listing), start, 0)
    return local + name + extra + body + listing + end
