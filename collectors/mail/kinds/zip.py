"""ZIP archives by an own directory reader (APPNOTE 6.3.10): the local headers must say the same."""

import bz2
import itertools
import lzma
import struct
import zlib
from collections.abc import Iterator

from msgspec import Struct

from collectors.mail.leaves import (
    MAX_MEMBER_BYTES,
    MAX_RATIO,
    RATIO_FROM_BYTES,
    Budget,
    DamagedError,
    Inner,
    LimitError,
    Verdict,
)
from collectors.sources.mail import Kind, Members, Protection, Why

LOCAL, CENTRAL, END, END64, LOCATOR64 = b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7"
SPANNED = b"PK\7\x08"
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_ENCRYPTED, _DESCRIPTOR, _STRONG, _MASKED = 1, 1 << 3, 1 << 6, 1 << 13
_AES_METHOD, _AES_EXTRA, _ZIP64_EXTRA = 99, 0x9901, 0x0001
_FULL32 = 0xFFFFFFFF
_DESCRIPTOR_BYTES = 24
_AES_BITS = {1: 128, 2: 192, 3: 256}
_PKWARE = {
    0x6601: ("des", Protection.WEAK),
    0x6602: ("rc2", Protection.WEAK),
    0x6603: ("3des", Protection.WEAK),
    0x6609: ("3des", Protection.WEAK),
    0x660E: ("aes-128", Protection.STRONG),
    0x660F: ("aes-192", Protection.STRONG),
    0x6610: ("aes-256", Protection.STRONG),
    0x6702: ("rc2", Protection.WEAK),
    0x6801: ("rc4", Protection.WEAK),
}
"""APPNOTE 7.2.3.3; Blowfish and Twofish are left out: whether they hold depends on more than their name"""
_PADDING_BYTES = 1_024
"""alignment between members that may hold nothing worth a name"""


class Entry(Struct, frozen=True, kw_only=True):
    """One member as a header describes it."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    start: int
    """of its local header, from the start of the bytes"""
    extra: bytes

    @property
    def is_encrypted(self) -> bool:
        """Whether it is marked as needing a secret."""
        return bool(self.flags & _ENCRYPTED)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to protect: a folder or an empty file."""
        return self.size == 0 and self.packed <= 32  # noqa: PLR2004 (a cipher's own bytes)


class Directory(Struct, frozen=True, kw_only=True):
    """What an end record leads to."""

    entries: tuple[Entry, ...]
    prefix: int
    """bytes before the archive"""
    start: int
    """of the central directory"""
    end: int
    """of the end record with its comment"""
    comment: bytes


class Archive(Struct, frozen=True, kw_only=True):
    """A ZIP whose members can be asked for."""

    data: bytes
    entries: tuple[Entry, ...]
    has_directory: bool


_SPLIT = Verdict(kind=Kind.ZIP, protection=Protection.UNKNOWN, why=Why.SPLIT)


def is_zip(data: bytes) -> bool:
    """Whether the bytes are a ZIP, whatever stands before it (a self-extractor, junk)."""
    if data[:4] in (LOCAL, SPANNED, END) or data[:8] == b"PK00PK\3\4":
        return True
    at = data.rfind(END, max(0, len(data) - _END.size - 65_535))
    if at < 0 or len(data) - at < _END.size:
        return False
    _, _, _, _, count, size, _, comment = _END.unpack_from(data, at)
    if count == 0 or at + _END.size + comment != len(data):
        # Another file that merely has an archive inside.
        return False
    return size == _FULL32 or data[max(at - size, 0) :][:4] == CENTRAL


def read_zip(data: bytes, budget: Budget) -> Verdict:
    """Judge an archive; raises LimitError and DamagedError for the whole of it."""
    if data[:4] == SPANNED:
        return _SPLIT
    directory = _directory(data, budget)
    if directory is None:
        return _judge(data, tuple(_walk_local(data, budget)), None, budget)
    if isinstance(directory, Verdict):
        return directory
    return _judge(data, directory.entries, directory, budget)


def _directory(data: bytes, budget: Budget) -> Directory | Verdict | None:
    """Find the end record and what it lists; None when the directory is gone."""
    floor = max(0, len(data) - _END.size - 65_535 - 1_024)
    at = len(data)
    while (at := data.rfind(END, floor, at)) >= 0:
        if len(data) - at >= _END.size:
            found = _from_end(data, at, budget)
            if found is not None:
                return found
    return None


def _from_end(data: bytes, at: int, budget: Budget) -> Directory | Verdict | None:
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack_from(data, at)
    end = at + _END.size + comment
    if end > len(data):
        return None
    close = at
    wide = _wide_end(data, at)
    if wide is not None:
        made = _END64.unpack_from(data, wide)
        if made[2] >= 62 and wide + _END64.size + 28 <= at:  # noqa: PLR2004 (version 6.2: encrypted directory)
            return _encrypted_directory(data, wide)
        disk, first_disk, here, count, size, offset = made[4:10]
        close = wide
    if disk != first_disk or disk not in (0, 0xFFFF) or here != count:
        return _SPLIT
    start = close - size
    prefix = start - offset
    if prefix < 0 or (count and data[start : start + 4] != CENTRAL):
        return None
    budget.list(count)
    listed = _listed(data, range(start, close), count, prefix)
    if listed is None:
        return None
    return Directory(entries=listed, prefix=prefix, start=start, end=end, comment=data[at + _END.size : end])


def _wide_end(data: bytes, at: int) -> int | None:
    """Where the Zip64 end record stands, when a locator before the end record points at one."""
    if at < 20 or data[at - 20 : at - 16] != LOCATOR64:  # noqa: PLR2004 (size of the locator)
        return None
    wide = data.rfind(END64, max(0, at - 20 - 65_536), at - 20)
    return wide if wide >= 0 and len(data) - wide >= _END64.size else None


def _listed(data: bytes, where: range, count: int, prefix: int) -> tuple[Entry, ...] | None:
    entries: list[Entry] = []
    cursor = where.start
    for _ in range(count):
        if cursor + _CENTRAL.size > where.stop or data[cursor : cursor + 4] != CENTRAL:
            return None
        entry, cursor = _central(data, cursor, prefix)
        entries.append(entry)
    if cursor != where.stop:
        # More entries than counted: some readers go by the size, some by the count.
        raise DamagedError(Why.HIDDEN)
    return tuple(entries)


def _encrypted_directory(data: bytes, wide: int) -> Verdict:
    """Read the cipher of an encrypted central directory (APPNOTE 7.3.4): the members share it."""
    _, _, _, cipher, _, _, _ = struct.unpack_from("<HQQHHHH", data, wide + _END64.size)
    algorithm, protection = _PKWARE.get(cipher, ("", Protection.UNKNOWN))
    return Verdict(
        kind=Kind.ZIP, protection=protection, algorithm=algorithm, why=None if algorithm else Why.METHOD
    )


def _central(data: bytes, at: int, prefix: int) -> tuple[Entry, int]:
    fields = _CENTRAL.unpack_from(data, at)
    flags, method, crc, packed, size = fields[3], fields[4], fields[7], fields[8], fields[9]
    name_size, extra_size, comment_size, offset = fields[10], fields[11], fields[12], fields[16]
    names = at + _CENTRAL.size
    extra = data[names + name_size : names + name_size + extra_size]
    size, packed, offset = _wide(extra, size, packed, offset)
    return (
        Entry(
            name=data[names : names + name_size], flags=flags, method=method, crc=crc, packed=packed,
            size=size, start=prefix + offset, extra=extra,
        ),
        names + name_size + extra_size + comment_size,
    )  # fmt: skip


def _wide(extra: bytes, *values: int) -> tuple[int, ...]:
    """Replace each value that is full by its 64-bit one (APPNOTE 4.5.3)."""
    body = _extra(extra, _ZIP64_EXTRA) or b""
    out: list[int] = []
    cursor = 0
    for value in values:
        if value == _FULL32 and cursor + 8 <= len(body):
            value = int.from_bytes(body[cursor : cursor + 8], "little")  # noqa: PLW2901 (the wide one replaces it)
            cursor += 8
        out.append(value)
    return tuple(out)


def _extra(extra: bytes, wanted: int) -> bytes | None:
    cursor = 0
    while cursor + 4 <= len(extra):
        tag, size = struct.unpack_from("<HH", extra, cursor)
        if tag == wanted:
            return extra[cursor + 4 : cursor + 4 + size]
        cursor += 4 + size
    return None


def _walk_local(data: bytes, budget: Budget) -> Iterator[Entry]:
    """Members by their local headers alone, where the directory was cut off."""
    at = data.find(LOCAL)
    while 0 <= at <= len(data) - _LOCAL.size:
        _, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack_from(data, at)
        names = at + _LOCAL.size
        body = names + name_size + extra_size
        extra = data[names + name_size : body]
        size, packed = _wide(extra, size, packed)
        if flags & _DESCRIPTOR and packed == 0:
            # Sizes follow the data; the next signature is the nearest end that there is.
            following = [where for mark in (SPANNED, LOCAL, CENTRAL) if (where := data.find(mark, body)) >= 0]
            packed = min(following, default=len(data)) - body
            size = size or packed
        budget.list(1)
        yield Entry(
            name=data[names : names + name_size], flags=flags, method=method, crc=crc, packed=packed,
            size=size, start=at, extra=extra,
        )  # fmt: skip
        at = data.find(LOCAL, max(body + packed, at + 4))


class _Tally:
    def __init__(self) -> None:
        self.clear = self.weak = self.strong = self.unknown = 0
        self.algorithms: set[str] = set()
        self.why: Why | None = None
        self.inner: list[Inner] = []

    def doubt(self, why: Why) -> None:
        self.unknown += 1
        self.why = self.why or why

    def verdict(self, *, is_cut: bool, is_hidden: bool) -> Verdict:
        why: Why | None
        if is_hidden:
            protection, why = Protection.UNKNOWN, Why.HIDDEN
        elif self.unknown:
            protection, why = Protection.UNKNOWN, self.why
        else:
            why = Why.NO_DIRECTORY if is_cut else self.why
            if self.clear and (self.weak or self.strong):
                protection = Protection.PARTIAL
            elif self.weak:
                protection = Protection.WEAK
            elif self.strong:
                protection = Protection.STRONG
            else:
                protection = Protection.NONE
        return Verdict(
            kind=Kind.ZIP,
            protection=protection,
            algorithm="+".join(sorted(self.algorithms)),
            why=why,
            members=Members(clear=self.clear, weak=self.weak, strong=self.strong, unknown=self.unknown),
            inner=tuple(self.inner),
        )


def _judge(data: bytes, entries: tuple[Entry, ...], directory: Directory | None, budget: Budget) -> Verdict:
    if not entries and directory is None:
        raise DamagedError
    tally = _Tally()
    bodies = [(entry, _body_of(data, entry, is_listed=directory is not None)) for entry in entries]
    covered = sorted((entry.start, body + entry.packed) for entry, body in bodies if body is not None)
    for (_, end), (start, _) in itertools.pairwise(covered):
        if start < end:
            raise LimitError(Why.OVERLAP)
    for entry, body in bodies:
        if body is None:
            tally.doubt(Why.DAMAGED)
        elif not entry.is_empty:
            _member(data, entry, body, tally, budget)
    is_hidden = False
    if directory is not None:
        is_hidden = _has_hidden(data, covered, directory)
        first = min((start for start, _ in covered), default=directory.start)
        _beside(data[: min(first, directory.start)], tally, is_stub=True)
        _beside(directory.comment, tally)
        _beside(data[directory.end :], tally)
    return tally.verdict(is_cut=directory is None, is_hidden=is_hidden)


def _beside(raw: bytes, tally: _Tally, *, is_stub: bool = False) -> None:
    """What stands before, after or in the comment of an archive is readable: a file of its own.

    The program of a self-extracting archive is none: it carries what comes after it.
    """
    is_program = raw[:4] == b"\x7fELF" or (raw[:2] == b"MZ" and b"\0" in raw[:256])
    if not raw.strip(b"\0\r\n\t ") or raw == b"PK00" or (is_stub and is_program):
        return
    tally.inner.append(Inner(content=raw, bytes=len(raw)))


def _has_hidden(data: bytes, covered: list[tuple[int, int]], directory: Directory) -> bool:
    """Whether bytes between the listed members hold another member, or simply too much."""
    cursor = 0
    for start, end in [*covered, (directory.start, directory.end)]:
        gap = data[cursor:start]
        if cursor and len(gap) > _DESCRIPTOR_BYTES + _PADDING_BYTES:
            return True
        if _looks_like_member(gap):
            return True
        cursor = max(cursor, end)
    return _looks_like_member(data[cursor:])


def _looks_like_member(gap: bytes) -> bool:
    """A signature alone is not one: programs of self-extracting archives hold it as a constant."""
    at = gap.find(LOCAL)
    while 0 <= at <= len(gap) - _LOCAL.size:
        _, version, _, method, _, _, _, _, _, name_size, _ = _LOCAL.unpack_from(gap, at)
        if (version & 0xFF) <= 63 and (method <= 20 or 93 <= method <= 99) and 0 < name_size <= 1_024:  # noqa: PLR2004 (APPNOTE 4.4.3, 4.4.5)
            return True
        at = gap.find(LOCAL, at + 4)
    return False


def _body_of(data: bytes, entry: Entry, *, is_listed: bool) -> int | None:
    """Where a member's data starts; None when it is not there."""
    start = entry.start
    if start < 0 or start + _LOCAL.size > len(data) or data[start : start + 4] != LOCAL:
        return None
    local = _LOCAL.unpack_from(data, start)
    body = start + _LOCAL.size + local[9] + local[10]
    is_cut = body + entry.packed > len(data)
    # Of an archive that was cut off, the last member may still tell that it needs a secret.
    return None if is_cut and (is_listed or not entry.is_encrypted) else body


def _member(data: bytes, entry: Entry, body: int, tally: _Tally, budget: Budget) -> None:
    local = _LOCAL.unpack_from(data, entry.start)
    if (local[2] ^ entry.flags) & _ENCRYPTED or (local[3] != entry.method and not local[2] & _MASKED):
        tally.doubt(Why.CONFLICT)
        return
    raw = data[body : body + entry.packed]
    if entry.is_encrypted:
        _encrypted(entry, raw, tally, budget)
    else:
        _clear(entry, raw, tally, budget)


def _clear(entry: Entry, raw: bytes, tally: _Tally, budget: Budget) -> None:
    tally.clear += 1
    name = entry.name.decode("latin-1")
    try:
        content = _checked(entry, _unpacked(entry.method, raw, entry.size, budget))
    except LimitError as limit:
        tally.inner.append(Inner(name=name, protection=Protection.LIMIT, why=limit.why, bytes=entry.size))
    except DamagedError as damage:
        protection = Protection.UNKNOWN if damage.why is Why.METHOD else Protection.CORRUPT
        tally.inner.append(Inner(name=name, protection=protection, why=damage.why, bytes=entry.size))
    else:
        tally.inner.append(Inner(name=name, content=content, bytes=len(content)))


def _checked(entry: Entry, content: bytes) -> bytes:
    # A header written before its data was known has no checksum; only archives without a directory use it.
    if zlib.crc32(content) != entry.crc and not (entry.flags & _DESCRIPTOR and entry.crc == 0):
        raise DamagedError(Why.CHECKSUM)
    return content


def _encrypted(entry: Entry, raw: bytes, tally: _Tally, budget: Budget) -> None:
    method = entry.method
    overhead = 12
    if method == _AES_METHOD:
        about = _extra(entry.extra, _AES_EXTRA) or b""
        bits = _AES_BITS.get(about[4]) if len(about) >= 7 and about[2:4] == b"AE" else None  # noqa: PLR2004 (its size)
        if bits is None:
            tally.doubt(Why.METHOD)
            return
        method = int.from_bytes(about[5:7], "little")
        overhead = bits // 16 + 2 + 10
        algorithm, protection = f"aes-{bits}", Protection.STRONG
    elif entry.flags & _STRONG:
        cipher = _pkware_cipher(raw)
        if cipher is None:
            tally.doubt(Why.METHOD)
            return
        algorithm, protection = cipher
        overhead = 0
    else:
        algorithm, protection = "zipcrypto", Protection.WEAK
    if _is_readable(entry, method, raw, budget):
        tally.why = tally.why or Why.FALSE_FLAG
        _clear_despite_flag(entry, method, raw, tally, budget)
        return
    if overhead and (len(raw) < overhead or (method == 0 and entry.packed != entry.size + overhead)):
        # Stored data grows by exactly the cipher's own bytes; any other size is not that cipher.
        tally.doubt(Why.CONFLICT)
        return
    tally.algorithms.add(algorithm)
    if protection is Protection.STRONG:
        tally.strong += 1
    else:
        tally.weak += 1


def _pkware_cipher(raw: bytes) -> tuple[str, Protection] | None:
    """Read the decryption header in front of the data (APPNOTE 7.2.3)."""
    iv_size = int.from_bytes(raw[:2], "little")
    at = 2 + iv_size + 4
    if at + 4 > len(raw):
        return None
    format_, cipher = struct.unpack_from("<HH", raw, at)
    return _PKWARE.get(cipher) if format_ == 3 else None  # noqa: PLR2004 (the only one defined)


def _is_readable(entry: Entry, method: int, raw: bytes, budget: Budget) -> bool:
    """Whether a member marked as encrypted is plain: unpacked as it is, its checksum is right."""
    try:
        content = _unpacked(method, raw, entry.size, budget)
    except (DamagedError, LimitError):
        return False
    return zlib.crc32(content) == entry.crc or (entry.crc == 0 and method != 0)


def _clear_despite_flag(entry: Entry, method: int, raw: bytes, tally: _Tally, budget: Budget) -> None:
    tally.clear += 1
    content = _unpacked(method, raw, entry.size, budget)
    tally.inner.append(Inner(name=entry.name.decode("latin-1"), content=content, bytes=len(content)))


def _unpacked(method: int, raw: bytes, size: int, budget: Budget) -> bytes:
    """Unpack with a maximum length only; raises LimitError, DamagedError."""
    if size > MAX_MEMBER_BYTES:
        raise LimitError(Why.SIZE)
    most = min(MAX_MEMBER_BYTES, max(RATIO_FROM_BYTES, len(raw) * MAX_RATIO)) + 1
    try:
        match method:
            case 0:
                content = raw
            case 8:
                content = zlib.decompressobj(-15).decompress(raw, most)
            case 12:
                content = bz2.BZ2Decompressor().decompress(raw, most)
            case 14:
                content = _lzma(raw, size, most)
            case 95:
                content = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=1 << 27).decompress(raw, most)
            case _:
                raise DamagedError(Why.METHOD)
    except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError, struct.error) as err:
        raise DamagedError from err
    if len(content) >= most:
        raise LimitError(Why.SIZE if most > MAX_MEMBER_BYTES else Why.RATIO)
    budget.unpack(len(content), len(raw))
    if size and len(content) != size:
        raise DamagedError
    return content


def _lzma(raw: bytes, size: int, most: int) -> bytes:
    """LZMA as APPNOTE 5.8.8 wraps it; the dictionary need not be larger than the content."""
    properties, dictionary = struct.unpack_from("<BI", raw, 4)
    rest, lc = divmod(properties, 9)
    pb, lp = divmod(rest, 5)
    bounded = min(dictionary, max(size, 4_096), MAX_MEMBER_BYTES)
    reader = lzma.LZMADecompressor(
        lzma.FORMAT_RAW,
        filters=[{"id": lzma.FILTER_LZMA1, "dict_size": bounded, "lc": lc, "lp": lp, "pb": pb}],
    )
    return reader.decompress(raw[9:], most)
