"""The header block of a message or part, read tolerantly and within bounds (RFC 5322, 2045, 2047, 2231)."""

import binascii
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes

from msgspec import Struct

MAX_HEADER_BYTES = 1024 * 1024
"""ten thousand recipients fit; a longer block is no header"""
MAX_VALUE = 16_384
"""characters of a Content-Type or Content-Disposition that are read; keeps their patterns cheap"""
MAX_PARAMETERS = 200
_LINE = re.compile(rb"([^\r\n]*)(?:\r\n|\n|\r|\Z)")
_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:(.*)", re.DOTALL)
_BLANK = re.compile(rb"\r?\n\r?\n|\r\r")
_PARAMETER = re.compile(r""";[\s;]*([^\s=;"]{1,80})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))""", re.DOTALL)
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_CONTINUED = re.compile(r"(.+?)\*([0-9]{1,3})?(\*)?")

COMMON_TYPES = frozenset(
    {
        "text/plain", "text/html", "text/csv", "text/calendar", "text/xml", "text/rtf",
        "text/tab-separated-values", "image/png", "image/jpeg", "image/gif", "image/tiff", "image/bmp",
        "image/svg+xml", "application/octet-stream", "application/pdf", "application/zip",
        "application/x-zip-compressed", "application/x-7z-compressed", "application/vnd.rar",
        "application/x-rar-compressed", "application/json", "application/xml", "application/msword",
        "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/ms-tnef",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.spreadsheet",
        "application/pgp-encrypted", "application/pgp-signature", "application/pkcs7-mime",
        "application/x-pkcs7-mime", "application/pkcs7-signature", "application/x-pkcs7-signature",
        "application/gzip", "application/rtf", "message/rfc822", "message/delivery-status",
        "message/partial", "message/external-body", "text/rfc822-headers",
    }
)  # fmt: skip
"""declared types that are kept; anything else could be somebody's words and reads `other`"""
COMMON_EXTENSIONS = frozenset(
    [
        "txt",
        "csv",
        "tsv",
        "htm",
        "html",
        "xml",
        "json",
        "yaml",
        "md",
        "log",
        "rtf",
        "pdf",
        "doc",
        "docx",
        "docm",
        "dot",
        "dotx",
        "xls",
        "xlsx",
        "xlsm",
        "xlsb",
        "xlt",
        "xltx",
        "ppt",
        "pptx",
        "pptm",
        "pps",
        "ppsx",
        "odt",
        "ods",
        "odp",
        "odg",
        "zip",
        "zipx",
        "7z",
        "rar",
        "lzh",
        "cab",
        "gz",
        "tgz",
        "bz2",
        "xz",
        "zst",
        "tar",
        "exe",
        "msi",
        "dll",
        "jar",
        "apk",
        "iso",
        "dmg",
        "png",
        "jpg",
        "jpeg",
        "gif",
        "bmp",
        "tif",
        "tiff",
        "webp",
        "heic",
        "svg",
        "mp3",
        "mp4",
        "mov",
        "avi",
        "wav",
        "eml",
        "msg",
        "ics",
        "vcf",
        "p7m",
        "p7s",
        "p7c",
        "gpg",
        "pgp",
        "asc",
        "age",
        "enc",
        "key",
        "pem",
        "crt",
        "cer",
        "dat",
        "bin",
        "mdb",
        "accdb",
        "xdw",
        "xbd",
        "jtd",
        "pages",
        "numbers",
        "vsd",
        "vsdx",
        "mpp",
        "dwg",
        "dxf",
        "ai",
        "psd",
        "z01",
        "z02",
        "001",
        "002",
        "sql",
        "db",
        "sqlite",
        "bak",
    ]
)
"""extensions that are kept, for the same reason"""


class Headers(Struct, frozen=True, kw_only=True):
    """Fields in their order, names in lower case, values unfolded as Latin-1 (no byte is lost)."""

    fields: tuple[tuple[str, str], ...]

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field, first one first."""
        return tuple(value for field, value in self.fields if field == name)

    def first(self, name: str) -> str:
        """Return the first value of a field, or nothing."""
        return next((value for field, value in self.fields if field == name), "")


class ContentType(Struct, frozen=True, kw_only=True):
    """A media type and its parameters, names in lower case."""

    type: str
    parameters: dict[str, str]


def split_headers(raw: bytes) -> tuple[Headers, int, bool]:
    """Return the fields, where the body starts, and whether the block was longer than is read.

    A line that is no field is skipped when fields of MIME follow: the scanner that stops there sees
    fewer parts.
    """
    if raw[:2] == b"\r\n" or raw[:1] == b"\n":
        return Headers(fields=()), 2 if raw[:1] == b"\r" else 1, False
    end = _BLANK.search(raw, 0, MAX_HEADER_BYTES)
    is_cut = end is None and len(raw) > MAX_HEADER_BYTES
    block = raw[: end.start() if end else min(len(raw), MAX_HEADER_BYTES)]
    fields: list[tuple[str, str]] = []
    junk_at: int | None = None
    at = 0
    for line, pieces in _unfolded(block):
        found = _FIELD.fullmatch(line)
        if found:
            name = found[1].decode("latin-1").lower()
            fields.append((name, found[2].decode("latin-1").strip()))
            if name.startswith(("content-", "mime-")):
                junk_at = None
        elif junk_at is None:
            junk_at = at
        at += pieces
    start = end.end() if end else len(block)
    # Without an empty line the text begins where the fields end; the reader that sees no text sees less.
    return Headers(fields=tuple(fields)), start if junk_at is None else junk_at, is_cut


def _unfolded(block: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield each field with its continuation lines, and how many bytes it took."""
    pending: list[bytes] = []
    taken = 0
    for found in _LINE.finditer(block):
        if not found[0]:
            break
        if found[0][:1] not in (b" ", b"\t") and pending:
            yield b"".join(pending), taken
            pending, taken = [], 0
        pending.append(found[1])
        taken += len(found[0])
    if pending:
        yield b"".join(pending), taken


def content_type(value: str, default: str = "text/plain") -> ContentType:
    """Read a Content-Type value; a value without any type has the default."""
    value = value[:MAX_VALUE]
    head, _, _ = value.partition(";")
    named = re.match(r"\s*([A-Za-z0-9!#$&^_.+-]{1,80}/[A-Za-z0-9!#$&^_.+-]{1,120})", head)
    kind = named[1].lower() if named else default
    parameters = _parameters(value[len(head) :])
    if kind.startswith("multipart/") and "boundary" not in parameters:
        # `multipart/mixed boundary=x` without a semicolon is seen in the field, and mail programs read it.
        loose = re.search(r"""boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))""", value, re.IGNORECASE)
        if loose:
            parameters["boundary"] = loose[1] or loose[2]
    return ContentType(type=kind, parameters=parameters)


def disposition(value: str) -> ContentType:
    """Read a Content-Disposition value; its word is in `type`."""
    value = value[:MAX_VALUE]
    head, _, _ = value.partition(";")
    return ContentType(type=head.strip().lower(), parameters=_parameters(value[len(head) :]))


def _parameters(text: str) -> dict[str, str]:
    """Join RFC 2231 pieces; the first of two equal names counts, as in most mail programs."""
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    for index, found in enumerate(_PARAMETER.finditer(text)):
        if index >= MAX_PARAMETERS:
            break
        name = found[1].lower()
        value = re.sub(r"\\(.)", r"\1", found[2]) if found[2] is not None else found[3].strip()
        continued = _CONTINUED.fullmatch(name)
        if continued:
            number = int(continued[2] or 0)
            pieces.setdefault(continued[1], {}).setdefault(
                number, (bool(continued[3]) or not continued[2], value)
            )
        else:
            plain.setdefault(name, value)
    for name, numbered in pieces.items():
        plain[name] = _joined(numbered)
    return plain


def _joined(numbered: dict[int, tuple[bool, str]]) -> str:
    raw = b""
    charset = ""
    for number in sorted(numbered):
        is_encoded, value = numbered[number]
        if is_encoded:
            if number == 0 and value.count("'") >= 2:  # noqa: PLR2004 (charset'language'value)
                charset, _, value = value.split("'", 2)
            raw += unquote_to_bytes(value.encode("latin-1", "replace"))
        else:
            raw += value.encode("latin-1", "replace")
    return _decoded(raw, charset)


def _decoded(raw: bytes, charset: str) -> str:
    try:
        return raw.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError, UnicodeError):
        return raw.decode("latin-1")


def words(value: str) -> str:
    """Decode RFC 2047 words; neighbours of one charset are joined first, for words cut inside a character."""
    out: list[str] = []
    pending, charset, last = b"", "", 0
    for found in _WORD.finditer(value):
        between = value[last : found.start()]
        last = found.end()
        this = found[1].partition("*")[0].lower()
        if pending and (between.strip() or this != charset):
            out.append(_decoded(pending, charset))
            pending = b""
        if between.strip() or not (out or pending):
            out.append(between)
        charset = this
        pending += _word_bytes(found[2], found[3])
    if pending:
        out.append(_decoded(pending, charset))
    out.append(value[last:])
    return "".join(out)


def _word_bytes(encoding: str, body: str) -> bytes:
    raw = body.encode("latin-1", "replace")
    try:
        if encoding in "bB":
            return binascii.a2b_base64(raw + b"=" * (-len(raw) % 4))
        return binascii.a2b_qp(raw.replace(b"_", b" "))
    except binascii.Error:
        return raw


def extension(name: str) -> str:
    """Return the extension of a file name if it is a common one, `other`, or nothing."""
    plain = unicodedata.normalize("NFKC", words(name[-4_000:])[-500:]).strip().rstrip('."')
    stem, dot, last = plain.rpartition(".")
    if not dot or not stem:
        return ""
    return last.lower() if last.lower() in COMMON_EXTENSIONS else "other"


def declared(media_type: str) -> str:
    """Return the media type if it is a common one, else `other`."""
    return media_type if media_type in COMMON_TYPES else "other"


def date_of(value: str) -> datetime | None:
    """Read a date of a header in UTC; None when it is none."""
    try:
        found = parsedate_to_datetime(value[-200:] if len(value) > 200 else value)  # noqa: PLR2004 (a date is short)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
