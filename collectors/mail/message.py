"""The leaves of a MIME message (RFC 2045, 2046): of two readings, the one that finds more leaves."""

import binascii
import re
from collections.abc import Iterator

from msgspec import Struct

from collectors.mail.headers import (
    ContentType,
    Headers,
    content_type,
    declared,
    disposition,
    extension,
    split_headers,
)
from collectors.sources.mail import Defect, Role

MAX_PARTS = 1_000
MAX_DEPTH = 16
"""nested multiparts and attached messages; a mail forwarded three times reaches ten"""
_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_PADDED = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_SPACE = re.compile(rb"[\s]+")


class RawLeaf(Struct, frozen=True, kw_only=True):
    """The bytes of one leaf after transfer decoding."""

    path: str
    declared: str
    ext: str
    role: Role
    content: bytes
    damaged: bool
    """transfer decoding lost something"""


class Scan(Struct, frozen=True, kw_only=True):
    """What one message holds."""

    headers: Headers
    leaves: tuple[RawLeaf, ...]
    defects: tuple[Defect, ...]


def scan(raw: bytes, path: str = "", *, is_file: bool = False) -> Scan:
    """Take a message apart; never raises for what a sender wrote.

    `is_file` says that the message is itself an attached file: then even its text is a file's content.
    """
    # Some exports end lines with CR alone.
    if b"\n" not in raw[:65_536] and b"\r" in raw[:65_536]:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    walk = _Walk(is_file=is_file)
    leaves: list[RawLeaf] = []
    headers, start, is_cut = split_headers(raw)
    if is_cut:
        walk.defects.add(Defect.HEADER_LIMIT)
    leaves.extend(walk.part(headers, raw[start:], path, 0, "text/plain"))
    return Scan(headers=headers, leaves=tuple(leaves), defects=tuple(sorted(walk.defects)))


class _Part(Struct, frozen=True, kw_only=True):
    """One part after transfer decoding."""

    kind: ContentType
    headers: Headers
    content: bytes
    path: str
    is_damaged: bool


class _Walk:
    def __init__(self, *, is_file: bool) -> None:
        self.defects: set[Defect] = set()
        self._parts = 0
        self._files = int(is_file)

    def part(self, headers: Headers, body: bytes, path: str, depth: int, default: str) -> Iterator[RawLeaf]:
        self._parts += 1
        if self._parts > MAX_PARTS:
            self.defects.add(Defect.PARTS_LIMIT)
            return
        for name in ("content-type", "content-transfer-encoding", "content-disposition"):
            if len(set(headers.all(name))) > 1:
                # Readers differ in which one counts.
                self.defects.add(Defect.DUPLICATE_HEADER)
        kind = content_type(headers.first("content-type"), default)
        is_container = kind.type.startswith("multipart/") or kind.type in ("message/rfc822", "message/global")
        if is_container and depth >= MAX_DEPTH:
            self.defects.add(Defect.DEPTH_LIMIT)
            return
        content, is_damaged = self._decoded(headers.first("content-transfer-encoding"), body)
        part = _Part(kind=kind, headers=headers, content=content, path=path, is_damaged=is_damaged)
        if kind.type.startswith("multipart/"):
            yield from self._multipart(part, depth)
        elif kind.type in ("message/rfc822", "message/global"):
            inner, start, is_cut = split_headers(content)
            if is_cut:
                self.defects.add(Defect.HEADER_LIMIT)
            self._files += 1
            yield from self.part(inner, content[start:], _under(path, 0), depth + 1, "text/plain")
            self._files -= 1
        else:
            if kind.type == "message/partial":
                self.defects.add(Defect.PARTIAL)
            if kind.type == "message/external-body":
                self.defects.add(Defect.EXTERNAL_BODY)
            yield self._leaf(part)

    def _multipart(self, part: _Part, depth: int) -> Iterator[RawLeaf]:
        boundary = part.kind.parameters.get("boundary", "").rstrip()
        if not boundary:
            self.defects.add(Defect.NO_BOUNDARY)
            yield self._leaf(part)
            return
        pieces = self._pieces(part.content, boundary)
        if not pieces:
            self.defects.add(Defect.BOUNDARY_NOT_FOUND)
            yield self._leaf(part)
            return
        default = "message/rfc822" if part.kind.type == "multipart/digest" else "text/plain"
        for number, piece in enumerate(pieces, 1):
            inner, start, is_cut = split_headers(piece)
            if is_cut:
                self.defects.add(Defect.HEADER_LIMIT)
            yield from self.part(inner, piece[start:], _under(part.path, number), depth + 1, default)

    def _pieces(self, body: bytes, boundary: str) -> list[bytes]:
        mark = b"--" + re.escape(boundary.encode("latin-1", "replace"))
        pieces: list[bytes] = []
        start: int | None = None
        is_closed = False
        for found in re.finditer(rb"(?:\A|(?<=\n))" + mark + rb"(--)?[ \t]*(?:\r?\n|\Z)", body):
            if start is not None:
                pieces.append(_without_last_newline(body[start : found.start()]))
                if len(pieces) > MAX_PARTS:
                    self.defects.add(Defect.PARTS_LIMIT)
                    return pieces
            if is_closed and not found[1]:
                # Some readers stop at the closing delimiter, some go on.
                self.defects.add(Defect.AFTER_CLOSE)
            is_closed = is_closed or bool(found[1])
            start = None if found[1] else found.end()
        if start is not None:
            self.defects.add(Defect.CLOSE_DELIMITER_MISSING)
            pieces.append(body[start:])
        elif pieces and not is_closed:
            self.defects.add(Defect.CLOSE_DELIMITER_MISSING)
        return pieces

    def _leaf(self, part: _Part) -> RawLeaf:
        placed = disposition(part.headers.first("content-disposition"))
        name = placed.parameters.get("filename") or part.kind.parameters.get("name") or ""
        is_body = (
            part.kind.type in ("text/plain", "text/html")
            and not name
            and placed.type in ("", "inline")
            and not self._files
        )
        return RawLeaf(
            path=part.path or "0",
            declared=declared(part.kind.type),
            ext=extension(name),
            role=Role.BODY if is_body else Role.ATTACHMENT,
            content=part.content,
            damaged=part.is_damaged,
        )

    def _decoded(self, encoding: str, body: bytes) -> tuple[bytes, bool]:
        match encoding.strip().rstrip(";").lower():
            case "" | "7bit" | "8bit" | "binary":
                return body, False
            case "base64":
                content, is_damaged = decode_base64(body)
                if is_damaged:
                    self.defects.add(Defect.BASE64_DAMAGED)
                return content, is_damaged
            case "quoted-printable":
                return binascii.a2b_qp(body), False
            case _:
                self.defects.add(Defect.CTE_UNKNOWN)
                return body, True


def decode_base64(body: bytes) -> tuple[bytes, bool]:
    """Decode what decodes, and say whether anything else stood there.

    Text after padding is decoded too: some readers stop there, some go on.
    """
    packed = _SPACE.sub(b"", body)
    try:
        return binascii.a2b_base64(packed, strict_mode=True), False
    except binascii.Error:
        pass
    out: list[bytes] = []
    for run in _PADDED.findall(_BASE64.sub(b"", packed)):
        bare = run.rstrip(b"=")
        bare = bare[: len(bare) - (len(bare) % 4 == 1)]
        out.append(binascii.a2b_base64(bare + b"=" * (-len(bare) % 4)))
    return b"".join(out), True


def _under(path: str, number: int) -> str:
    return f"{path}/{number}" if path else str(number)


def _without_last_newline(piece: bytes) -> bytes:
    # The line end before a delimiter belongs to the delimiter (RFC 2046, 5.1.1).
    if piece.endswith(b"\r\n"):
        return piece[:-2]
    return piece.removesuffix(b"\n")
