"""S/MIME by its object identifiers (RFC 5652, 8551), with a minimal reader for DER and indefinite BER."""

from msgspec import Struct

from collectors.mail.leaves import DamagedError, Inner, Verdict
from collectors.sources.mail import Kind, Protection, Why

MAX_ELEMENTS = 100_000
MAX_NESTING = 32
_SEQUENCE, _SET, _OID, _OCTETS, _INTEGER = 0x30, 0x31, 0x06, 0x04, 0x02
_CONSTRUCTED = 0x20
SIGNED, ENVELOPED, DIGESTED, ENCRYPTED = (f"1.2.840.113549.1.7.{last}" for last in (2, 3, 5, 6))
COMPRESSED = "1.2.840.113549.1.9.16.1.9"
AUTH_ENVELOPED = "1.2.840.113549.1.9.16.1.23"
_AES = "2.16.840.1.101.3.4.1"
_CIPHERS = {
    **{f"{_AES}.{mode}": ("aes-128", Protection.STRONG) for mode in (2, 6, 7)},
    **{f"{_AES}.{mode}": ("aes-192", Protection.STRONG) for mode in (22, 26, 27)},
    **{f"{_AES}.{mode}": ("aes-256", Protection.STRONG) for mode in (42, 46, 47)},
    "1.2.840.113549.1.9.16.3.18": ("chacha20-poly1305", Protection.STRONG),
    "1.2.840.113549.3.7": ("3des", Protection.WEAK),
    "1.2.840.113549.3.2": ("rc2", Protection.WEAK),
    "1.2.840.113549.3.4": ("rc4", Protection.WEAK),
    "1.3.14.3.2.7": ("des", Protection.WEAK),
}
"""CBC, GCM and CCM of each key size (RFC 3565, 5084), and what came before"""


class Element(Struct, frozen=True, kw_only=True):
    """One tag with its content; an indefinite length is already resolved."""

    tag: int
    content: bytes


class _Reader:
    """Counts what it reads, so that a hostile structure ends."""

    def __init__(self) -> None:
        self._left = MAX_ELEMENTS

    def children(self, content: bytes, most: int = 64) -> list[Element]:
        found: list[Element] = []
        at = 0
        while at < len(content) and len(found) < most:
            if content[at : at + 2] == b"\0\0":
                break
            tag, start, end, at = self._span(content, at, 0)
            found.append(Element(tag=tag, content=content[start:end]))
        return found

    def _span(self, raw: bytes, at: int, depth: int) -> tuple[int, int, int, int]:
        """Return tag, content start, content end and where the next element begins (X.690, 8.1)."""
        self._left -= 1
        if self._left < 0 or depth > MAX_NESTING or at + 2 > len(raw):
            raise DamagedError
        tag, size, start = raw[at], raw[at + 1], at + 2
        if tag & 0x1F == 0x1F:  # noqa: PLR2004 (tags of several bytes do not occur in CMS)
            raise DamagedError
        if size == 0x80:  # noqa: PLR2004 (indefinite)
            if not tag & _CONSTRUCTED:
                raise DamagedError
            cursor = start
            while raw[cursor : cursor + 2] != b"\0\0":
                cursor = self._span(raw, cursor, depth + 1)[3]
            return tag, start, cursor, cursor + 2
        if size > 0x80:  # noqa: PLR2004 (long form)
            count = size & 0x7F
            if count > 6 or start + count > len(raw):  # noqa: PLR2004 (2^48 bytes are enough)
                raise DamagedError
            size = int.from_bytes(raw[start : start + count], "big")
            start += count
        if start + size > len(raw):
            raise DamagedError
        return tag, start, start + size, start + size


def content_oid(data: bytes) -> str | None:
    """Return the content type of a CMS ContentInfo, or None when it is none."""
    if data[:1] != b"\x30":
        return None
    head = data[:64].find(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07")
    longer = data[:64].find(b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01")
    if not (0 < head <= 12 or 0 < longer <= 12):  # noqa: PLR2004 (tag and longest length)
        return None
    return _oid(data[head + 2 : head + 11] if head > 0 else data[longer + 2 : longer + 13])


def read_smime(data: bytes) -> Verdict:
    """Judge a CMS message; raises DamagedError when it is cut or not of its shape."""
    reader = _Reader()
    outer = reader.children(data, 2)
    if not outer or outer[0].tag != _SEQUENCE:
        raise DamagedError
    info = reader.children(outer[0].content)
    if len(info) < 2 or info[0].tag != _OID:  # noqa: PLR2004 (type and content)
        raise DamagedError
    kind = _oid(info[0].content)
    body = reader.children(info[1].content, 1)
    if not body or body[0].tag != _SEQUENCE:
        raise DamagedError
    fields = reader.children(body[0].content)
    if kind in (ENVELOPED, AUTH_ENVELOPED):
        return _enveloped(reader, fields)
    if kind == SIGNED:
        return _signed(reader, fields)
    return Verdict(kind=Kind.SMIME, protection=Protection.UNKNOWN, why=Why.NO_READER)


def _enveloped(reader: _Reader, fields: list[Element]) -> Verdict:
    """EnvelopedData (RFC 5652, 6.1) and AuthEnvelopedData (RFC 5083)."""
    recipients = next((field for field in fields if field.tag == _SET), None)
    content = next((field for field in fields if field.tag == _SEQUENCE), None)
    if recipients is None or content is None or not recipients.content:
        raise DamagedError
    inner = reader.children(content.content, 3)
    if len(inner) < 2 or inner[1].tag != _SEQUENCE:  # noqa: PLR2004 (type and cipher)
        raise DamagedError
    cipher = reader.children(inner[1].content, 2)
    if not cipher or cipher[0].tag != _OID:
        raise DamagedError
    algorithm, protection = _CIPHERS.get(_oid(cipher[0].content), ("", Protection.UNKNOWN))
    why = Why.CERTIFICATE if algorithm else Why.METHOD
    return Verdict(kind=Kind.SMIME, protection=protection, algorithm=algorithm, why=why)


def _signed(reader: _Reader, fields: list[Element]) -> Verdict:
    """SignedData (RFC 5652, 5.1): what is signed is there to read; without content it is a signature."""
    content = next((field for field in fields if field.tag == _SEQUENCE), None)
    if content is None:
        raise DamagedError
    inner = reader.children(content.content, 2)
    if len(inner) < 2:  # noqa: PLR2004 (no eContent: detached)
        return Verdict(kind=Kind.SIGNATURE, protection=Protection.NONE)
    octets = reader.children(inner[1].content, 1)
    if not octets:
        raise DamagedError
    raw = _octets(reader, octets[0], 0)
    return Verdict(
        kind=Kind.SMIME, protection=Protection.SIGNED_ONLY, inner=(Inner(content=raw, bytes=len(raw)),)
    )


def _octets(reader: _Reader, element: Element, depth: int) -> bytes:
    if depth > MAX_NESTING:
        raise DamagedError
    if element.tag == _OCTETS:
        return element.content
    if element.tag == _OCTETS | _CONSTRUCTED:
        pieces = reader.children(element.content, MAX_ELEMENTS)
        return b"".join(_octets(reader, piece, depth + 1) for piece in pieces)
    raise DamagedError


def _oid(content: bytes) -> str:
    if not content or len(content) > 32:  # noqa: PLR2004 (none of ours is longer)
        raise DamagedError
    arcs: list[int] = []
    value = 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    if not arcs:
        raise DamagedError
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - first * 40, *arcs[1:]))
