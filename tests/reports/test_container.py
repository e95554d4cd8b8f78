import io
import os
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.errors import FormatError, SealError
from reports.container import Archive, check_name
from reports.store import SealedRun
from tests.reports.sealing import repack, unpack

FILES = {
    "README.txt": b"read me\n" * 40,
    "evidence/web-01.json": b'{"a":1}' * 90,
    "plan.json": os.urandom(70_000),
    "zero": b"",
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return repack(tmp_path_factory.mktemp("packed"), FILES).read_bytes()


def contents(path: Path) -> dict[str, bytes]:
    with Archive.open(path) as archive:
        return {name: b"".join(archive.stream(name)) for name in archive.names}


def test_what_was_packed_comes_out_and_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    one = repack(tmp_path, FILES, "one.zip")
    other = repack(tmp_path, dict(reversed(FILES.items())), "other.zip")
    assert contents(one) == FILES
    assert one.read_bytes() == other.read_bytes()


def test_everybodys_tools_read_it(tmp_path: Path, packed: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(packed)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
    subprocess.run(["unzip", "-tqq", path], check=True)


def test_a_member_that_would_swell_more_than_a_hundredfold_is_stored(tmp_path: Path) -> None:
    """So the reader may refuse every such member: a zip bomb has no honest twin."""
    path = repack(tmp_path, {"a": b"\0" * 1_000_000, "b": b"\0" * 500})
    assert path.stat().st_size > 1_000_000
    assert contents(path) == {"a": b"\0" * 1_000_000, "b": b"\0" * 500}


def whole_stream(data: bytes, end: int = zlib.Z_FINISH) -> bytes:
    press = zlib.compressobj(6, zlib.DEFLATED, -15)
    return press.compress(data) + press.flush(end)


def packed_as(body: bytes, data: bytes) -> tuple[bytes, bytes]:
    """A member whose packed bytes are given."""
    local, central = member(b"a.json", data, packed=len(body))
    return local[: 30 + len(b"a.json")] + body, central


def member(name: bytes, data: bytes, /, **changes: int) -> tuple[bytes, bytes]:
    """Local header with content, and central header, of a deflated member."""
    body = whole_stream(data)
    field = {
        "flags": 0, "method": 8, "time": 0, "date": 33, "crc": zlib.crc32(data), "packed": len(body),
        "size": len(data), "name": len(name), "extra": 0, "mode": 0o100644 << 16, "at": 0, "made": 788,
        **changes,
    }  # fmt: skip
    common = [
        field[key] for key in ("flags", "method", "time", "date", "crc", "packed", "size", "name", "extra")
    ]
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, *common) + name + body
    central = struct.pack(
        "<4s6H3I5H2I", b"PK\1\2", field["made"], 20, *common, 0, 0, 0, field["mode"], field["at"]
    )
    return local, central + name


def assembled(*members: tuple[bytes, bytes], count: int | None = None, comment: bytes = b"") -> bytes:
    body = b"".join(local for local, _ in members)
    index = b"".join(central for _, central in members)
    number = len(members) if count is None else count
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, number, number, len(index), len(body), len(comment))
    return body + index + end + comment


GOOD = b"good content " * 9


def hostile() -> Iterator[tuple[str, bytes]]:
    one = member(b"a.json", GOOD)
    second = {"at": len(one[0])}
    yield "nothing", b""
    yield "no zip", b"PK" * 400
    yield "no member", assembled()
    yield "prefix", b"#!/bin/sh\n" + assembled(one)
    yield "suffix", assembled(one) + b"\n"
    yield "comment", assembled(one, comment=b"hello")
    yield "count too small", assembled(one, member(b"b.json", GOOD, **second), count=1)
    yield "count too large", assembled(one, count=2)
    yield "same name twice", assembled(one, member(b"a.json", GOOD + b"!", **second))
    yield "names that differ by case", assembled(member(b"A.json", GOOD), member(b"a.json", GOOD, **second))
    yield "not sorted", assembled(member(b"b.json", GOOD), member(b"a.json", GOOD, **second))
    yield "overlapping members", assembled(one, member(b"b.json", GOOD))
    yield "symbolic link", assembled(member(b"a.json", GOOD, mode=0o120777 << 16))
    yield "executable", assembled(member(b"a.json", GOOD, mode=0o100755 << 16))
    yield "made on another system", assembled(member(b"a.json", GOOD, made=20))
    yield "encrypted", assembled(member(b"a.json", GOOD, flags=1))
    yield "data descriptor", assembled(member(b"a.json", GOOD, flags=8))
    yield "UTF-8 names", assembled(member(b"a.json", GOOD, flags=0x800))
    yield "another method", assembled(member(b"a.json", GOOD, method=12))
    yield "a date", assembled(member(b"a.json", GOOD, date=34))
    yield "wrong checksum", assembled(member(b"a.json", GOOD, crc=1))
    yield "more content than said", assembled(member(b"a.json", GOOD, size=len(GOOD) - 1))
    yield "less content than said", assembled(member(b"a.json", GOOD, size=len(GOOD) + 1))
    yield "bomb", assembled(member(b"a.json", b"\0" * 10_000_000))
    yield "bomb that says it is small", assembled(member(b"a.json", b"\0" * 10_000_000, size=90_000))
    yield "bytes after the deflate stream", assembled(packed_as(whole_stream(GOOD) + b"more", GOOD))
    yield "a deflate stream without end", assembled(packed_as(whole_stream(GOOD, zlib.Z_SYNC_FLUSH), GOOD))
    yield "local and central header disagree", assembled((one[0], member(b"b.json", GOOD)[1]))
    yield "zip64", assembled(member(b"a.json", GOOD, size=2**32 - 1))
    for name in (
        "../a",
        "/a",
        "a\\b",
        "C:a",
        "a/../b",
        "a.",
        "a\0b",
        "a\u202eb",
        "a/b/c/d/e",
        "Upper/a",
        "a//b",
        "",
    ):
        yield f"name {name!r}", assembled(member(name.encode(), GOOD))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as other:
        other.writestr("a.json", GOOD)
    yield "another writer", stream.getvalue()


def test_the_hand_made_zip_is_good_but_for_its_defects(tmp_path: Path) -> None:
    """Otherwise the table below could pass because everything is refused."""
    path = tmp_path / "a.zip"
    one = member(b"a.json", GOOD)
    path.write_bytes(assembled(one, member(b"b.json", GOOD, at=len(one[0]))))
    assert contents(path) == {"a.json": GOOD, "b.json": GOOD}


@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw in hostile()])
def test_every_other_layout_is_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(raw)
    with pytest.raises(FormatError):
        contents(path)


def test_a_truncated_bundle_is_refused_wherever_it_ends(tmp_path: Path, packed: bytes) -> None:
    path = tmp_path / "a.zip"
    for length in [*range(0, len(packed), 997), *range(len(packed) - 300, len(packed))]:
        path.write_bytes(packed[:length])
        with pytest.raises(FormatError):
            contents(path)


SMALL = assembled(member(b"a.json", GOOD), member(b"b.json", GOOD * 2, at=len(member(b"a.json", GOOD)[0])))
EDITS = st.lists(
    st.tuples(st.integers(0, len(SMALL)), st.integers(0, 4), st.binary(max_size=4)), min_size=1, max_size=4
)


def edited(edits: list[tuple[int, int, bytes]]) -> bytes:
    raw = SMALL
    for place, cut, put in edits:
        raw = raw[:place] + put + raw[place + cut :]
    return raw


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=400) | EDITS.map(edited))
def test_any_bytes_are_a_bundle_or_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(raw)
    try:
        found = contents(path)
    except FormatError:
        return
    with zipfile.ZipFile(path) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == found


def test_every_single_bit_counts_or_changes_no_content(tmp_path: Path, sealed: SealedRun) -> None:
    """The reader's part of it; that verify says ALTERED for what the reader refuses is tested there."""
    files = unpack(sealed.bundle)
    small = {name: data for name, data in files.items() if name != "README.txt"}
    raw = bytearray(repack(tmp_path, small).read_bytes())
    path = tmp_path / "flipped.zip"
    path.write_bytes(raw)
    survivors = 0
    with path.open("r+b", buffering=0) as file:
        for place in range(len(raw)):
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([raw[place] ^ 1 << bit]), place)
                try:
                    assert contents(path) == small
                    survivors += 1
                except FormatError:
                    pass
            os.pwrite(file.fileno(), raw[place : place + 1], place)
    assert survivors < len(raw) * 8 // 200, "only the spare bits at the end of a deflate stream carry nothing"


@pytest.mark.parametrize("name", ["a", "evidence/web-01.json", "report/en/a/b", "SHA256SUMS", "a-b_c.d"])
def test_names_of_the_layout_are_accepted(name: str) -> None:
    check_name(name)


def test_two_files_that_one_desk_would_merge_are_not_packed(tmp_path: Path) -> None:
    with pytest.raises(SealError, match="case"):
        repack(tmp_path, {"evidence/a.json": b"1", "evidence/A.json": b"2"})


def test_a_missing_or_larger_member_is_refused_by_name(tmp_path: Path) -> None:
    with Archive.open(repack(tmp_path, {"a": b"12345"})) as archive:
        assert archive.read("a", most=5) == b"12345"
        with pytest.raises(FormatError, match="larger than 4"):
            archive.read("a", most=4)
        with pytest.raises(FormatError, match="missing"):
            archive.read("b", most=4)
