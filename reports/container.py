"""The bundle's container: a zip of one fixed layout, written and read here only.

No extra fields, comments, data descriptors or zip64; date 1980-01-01, mode 0644, members sorted by
name. The reader rebuilds every header byte from what it read and accepts nothing else, since `unzip` and
`zipfile` each tolerate other oddities. A member is deflated when that saves something and inflates to
at most 100 times its size, else stored: a small file can therefore not become a large one.
Source: PKWARE APPNOTE 6.3 sections 4.3.7, 4.3.12, 4.3.16.
"""

import os
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from config.errors import FormatError, SealError
from reports.durable import write_all

MOST_MEMBERS = 65_535
MOST_BYTES = 2**32 - 1
MOST_RATIO = 100
MOST_NAME = 250
MOST_LEVELS = 4
CHUNK = 1 << 16
_FOLDER = re.compile(r"[a-z0-9_][a-z0-9._-]*")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_DEFLATED, _STORED = 8, 0
_VERSION = 20
_MADE_BY = 3 << 8 | _VERSION  # Unix, so that the mode counts
_MODE = 0o100644 << 16
_DATE = 1 << 5 | 1  # 1980-01-01
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")


class _Member(Struct, frozen=True, kw_only=True):
    """What a member's headers say."""

    name: str
    method: int
    crc: int
    packed: int
    """bytes in the file"""
    size: int
    """bytes of content"""
    offset: int

    def local(self) -> bytes:
        return (
            _LOCAL.pack(
                b"PK\3\4", _VERSION, 0, self.method, 0, _DATE,
                self.crc, self.packed, self.size, len(self.name), 0,
            )
            + self.name.encode()
        )  # fmt: skip

    def central(self) -> bytes:
        return (
            _CENTRAL.pack(
                b"PK\1\2", _MADE_BY, _VERSION, 0, self.method, 0, _DATE,
                self.crc, self.packed, self.size, len(self.name), 0, 0, 0, 0, _MODE, self.offset,
            )
            + self.name.encode()
        )  # fmt: skip

    @property
    def start(self) -> int:
        return self.offset + _LOCAL.size + len(self.name)

    @property
    def end(self) -> int:
        return self.start + self.packed


def check_name(name: str) -> None:
    """Raise FormatError unless `name` is a path that every desk unpacks to the same harmless place."""
    *folders, file = name.split("/")
    if (
        len(name) > MOST_NAME
        or len(folders) >= MOST_LEVELS
        or ".." in name
        or any(part.endswith(".") for part in (*folders, file))
        or not all(_FOLDER.fullmatch(part) for part in folders)
        or not _FILE.fullmatch(file)
    ):
        message = f"a member with a name outside the layout ({len(name)} characters)"
        raise FormatError(message)


def write_archive(target: int, members: Mapping[str, Path]) -> None:
    """Write `members` (path in the bundle to file) to the open, empty file `target`.

    The same members give the same bytes as long as zlib is the same. Raises SealError when they do not fit.
    """
    names = sorted(members)
    if len(names) > MOST_MEMBERS or len({name.lower() for name in names}) != len(names):
        message = "too many members, or two whose names differ by case only"
        raise SealError(message)
    written: list[_Member] = []
    offset = 0
    for name in names:
        check_name(name)
        member = _pack(target, members[name], name, offset)
        written.append(member)
        offset = member.end
        if offset > MOST_BYTES:
            message = "the bundle is larger than 4 GiB"
            raise SealError(message, hint="Inspect groups of hosts in runs of their own.")
    os.lseek(target, offset, os.SEEK_SET)
    index = b"".join(member.central() for member in written)
    write_all(target, index + _end(len(written), len(index), offset))
    os.ftruncate(target, os.lseek(target, 0, os.SEEK_CUR))


def _pack(target: int, source: Path, name: str, offset: int) -> _Member:
    """Write one member: its content first, then the header before it, which names the content's sizes."""
    start = offset + _LOCAL.size + len(name)
    for method in (_DEFLATED, _STORED):
        os.lseek(target, start, os.SEEK_SET)
        crc = size = packed = 0
        press = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        with source.open("rb") as content:
            while chunk := content.read(CHUNK):
                crc = zlib.crc32(chunk, crc)
                size += len(chunk)
                out = chunk if method == _STORED else press.compress(chunk)
                write_all(target, out)
                packed += len(out)
        if method == _DEFLATED:
            out = press.flush()
            write_all(target, out)
            packed += len(out)
        if size > MOST_BYTES:
            message = "a member is larger than 4 GiB"
            raise SealError(message)
        if method == _STORED or packed < size <= packed * MOST_RATIO:
            break
    member = _Member(name=name, method=method, crc=crc, packed=packed, size=size, offset=offset)
    os.lseek(target, offset, os.SEEK_SET)
    write_all(target, member.local())
    return member


class Archive:
    """An open bundle whose layout was checked; use as a context manager.

    Its contents are still anybody's: only their hashes, checked elsewhere, make them ours.
    """

    def __init__(self, file: int, members: Mapping[str, _Member]) -> None:
        self._file = file
        self._members = members

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open and check; raises FormatError for another layout, OSError for a file that cannot be read."""
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            return cls(file, _members(file))
        except BaseException:
            os.close(file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    @property
    def names(self) -> tuple[str, ...]:
        """All members, sorted."""
        return tuple(self._members)

    def read(self, name: str, *, most: int) -> bytes:
        """Return a member of at most `most` bytes; raises FormatError when it is absent, larger or broken."""
        member = self._members.get(name)
        if member is None or member.size > most:
            message = f"{name} is missing" if member is None else f"{name} is larger than {most} bytes"
            raise FormatError(message)
        return b"".join(self.stream(name))

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield a member's content; raises FormatError at the end when it is not what its header says."""
        member = self._members[name]
        crc = size = 0
        for chunk in self._inflated(member) if member.method == _DEFLATED else self._packed(member):
            crc = zlib.crc32(chunk, crc)
            size += len(chunk)
            yield chunk
        if crc != member.crc or size != member.size:
            message = f"{name}: content is damaged"
            raise FormatError(message)

    def _packed(self, member: _Member) -> Iterator[bytes]:
        for at in range(member.start, member.end, CHUNK):
            chunk = os.pread(self._file, min(CHUNK, member.end - at), at)
            if len(chunk) != min(CHUNK, member.end - at):
                message = "the file became shorter while it was read"
                raise FormatError(message)
            yield chunk

    def _inflated(self, member: _Member) -> Iterator[bytes]:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        left = member.size
        broken = FormatError(f"{member.name}: content is damaged")
        for packed in self._packed(member):
            if inflate.eof:
                raise broken
            pending = packed
            while not inflate.eof:
                try:
                    # One byte more than is owed, so that too much content shows.
                    out = inflate.decompress(pending, min(CHUNK, left + 1))
                except zlib.error as err:
                    raise broken from err
                pending = inflate.unconsumed_tail
                left -= len(out)
                if left < 0:
                    raise broken
                if out:
                    yield out
                elif not pending:
                    break
        if left or not inflate.eof or inflate.unused_data:
            raise broken


def _members(file: int) -> dict[str, _Member]:
    whole = os.fstat(file).st_size
    if not _END.size < whole <= MOST_BYTES + _END.size:
        message = "not a bundle: too short or too long for one"
        raise FormatError(message)
    tail = os.pread(file, _END.size, whole - _END.size)
    if len(tail) != _END.size:
        message = "the file became shorter while it was read"
        raise FormatError(message)
    count, index_size, index_at = _END.unpack(tail)[4:7]
    if (
        not count
        or index_at + index_size + _END.size != whole
        or index_size > count * (_CENTRAL.size + MOST_NAME)
        or tail != _end(count, index_size, index_at)
    ):
        message = "not a bundle: the end record differs from the layout"
        raise FormatError(message)
    index = os.pread(file, index_size, index_at)
    members: dict[str, _Member] = {}
    seen: set[str] = set()
    position, offset = 0, 0
    for _ in range(count):
        member = _member(index, position, offset)
        if (members and member.name <= next(reversed(members))) or member.name.lower() in seen:
            message = "members are not sorted, or one stands twice"
            raise FormatError(message)
        if os.pread(file, member.start - member.offset, member.offset) != member.local():
            message = "a local header differs from the layout"
            raise FormatError(message)
        members[member.name] = member
        seen.add(member.name.lower())
        position += _CENTRAL.size + len(member.name)
        offset = member.end
    if position != index_size or offset != index_at:
        message = "bytes that belong to no member"
        raise FormatError(message)
    return members


def _member(index: bytes, position: int, offset: int) -> _Member:
    head = index[position : position + _CENTRAL.size]
    if len(head) != _CENTRAL.size:
        message = "the list of members is cut short"
        raise FormatError(message)
    fields = _CENTRAL.unpack(head)
    method, crc, packed, size, length = fields[4], fields[7], fields[8], fields[9], fields[10]
    raw = index[position + _CENTRAL.size : position + _CENTRAL.size + length]
    if len(raw) != length or not raw.isascii():
        message = "a member with a name outside the layout"
        raise FormatError(message)
    name = raw.decode("ascii")
    check_name(name)
    member = _Member(name=name, method=method, crc=crc, packed=packed, size=size, offset=offset)
    fits = packed < size <= packed * MOST_RATIO if method == _DEFLATED else packed == size
    if method not in (_DEFLATED, _STORED) or not fits or head + raw != member.central():
        message = "a member's header differs from the layout"
        raise FormatError(message)
    return member


def _end(count: int, index_size: int, index_at: int) -> bytes:
    return _END.pack(b"PK\5\6", 0, 0, count, count, index_size, index_at, 0)
