"""Judge one file of a message with everything inside it: kind, protection, personal information.

Runs in the worker only: this is where bytes of strangers meet parsers.
"""

import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator

from collectors.mail.headers import extension
from collectors.mail.kinds import zip as zip_kind
from collectors.mail.kinds.smime import content_oid, read_smime
from collectors.mail.leaves import MAX_DEPTH, Budget, DamagedError, Inner, LimitError, Order, Verdict
from collectors.mail.message import RawLeaf, scan
from collectors.mail.personal import count_personal
from collectors.mail.text import (
    MAX_TEXT_BYTES,
    carries_encoded,
    decode_text,
    markup_rows,
    markup_text,
    plain_tables,
    shared_strings,
    sheet_rows,
)
from collectors.sources.mail import (
    UNRESOLVED,
    Inspected,
    Kind,
    Leaf,
    Personal,
    Protection,
    Role,
    Why,
)

OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_IMAGE_BRANDS = (b"WEBP", b"heic", b"mif1", b"avif")
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (OLE_MAGIC, Kind.OLE),
    (b"7z\xbc\xaf\x27\x1c", Kind.SEVEN_ZIP),
    (b"Rar!\x1a\x07", Kind.RAR),
    (b"\x1f\x8b", Kind.GZIP),
    (b"BZh", Kind.BZIP2),
    (b"\xfd7zXZ\0", Kind.XZ),
    (b"\x28\xb5\x2f\xfd", Kind.ZSTD),
    (b"MSCF", Kind.CAB),
    (b"\x78\x9f\x3e\x22", Kind.TNEF),
    (b"Salted__", Kind.OPENSSL_ENC),
    (b"age-encryption.org/v1", Kind.AGE),
    (b"-----BEGIN AGE ENCRYPTED FILE-----", Kind.AGE),
    (b"\x89PNG\r\n\x1a\n", Kind.IMAGE),
    (b"\xff\xd8\xff", Kind.IMAGE),
    (b"GIF87a", Kind.IMAGE),
    (b"GIF89a", Kind.IMAGE),
    (b"II*\0", Kind.IMAGE),
    (b"MM\0*", Kind.IMAGE),
)
_PGP = re.compile(
    rb"^-----BEGIN PGP (MESSAGE|SIGNED MESSAGE|SIGNATURE|PUBLIC KEY BLOCK|ARMORED FILE)", re.MULTILINE
)
_MAIL_FIELD = re.compile(
    rb"(?:Return-Path|Received|From|To|Subject|Date|MIME-Version|Message-ID|Delivered-To|X-[A-Za-z-]{1,40})"
    rb"[ \t]*:",
    re.IGNORECASE,
)
_MAIL_CONTENT = re.compile(rb"^Content-(?:Type|Transfer-Encoding)[ \t]*:", re.IGNORECASE | re.MULTILINE)
_HTML = re.compile(
    r"\s*(?:<!--.{0,2000}?-->\s*)?<(?:!doctype\s+html|html|head|body|table|div|p|meta|span)\b",
    re.IGNORECASE | re.DOTALL,
)
_UU_BLOCK = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,200})\r?\n(.*?)^end\r?$", re.MULTILINE | re.DOTALL)
_DATA_LINK = re.compile(
    rb"data:[a-zA-Z0-9.+/-]{0,100}[^,\s\"'<>]{0,100};base64,([A-Za-z0-9+/=\s]+)", re.IGNORECASE
)
MAX_QUIET_BYTES = 1024 * 1024
_OOXML_QUIET = re.compile(
    r"(?:^\[Content_Types\]\.xml|(?:^|/)_rels/[^/]*\.rels|^docProps/(?:core|app)\.xml|/theme/[^/]*\.xml|"
    r"^docProps/thumbnail\.(?:jpeg|png|emf|wmf)|"
    r"/(?:styles|settings|webSettings|fontTable|numbering|presProps|viewProps|tableStyles|calcChain|volatileDependencies)"
    r"\.xml|^xl/printerSettings/[^/]*\.bin)$"
)
"""parts of an Office file that hold its looks, not its content"""


def judge(order: Order, content: bytes) -> tuple[Leaf, ...]:
    """Judge one leaf and all in it, depth first; the first one is the leaf itself.

    A fault of ours or a library's on one file makes that file `corrupt`, never another one's verdict.
    """
    raw = RawLeaf(
        path=order.path, declared=order.declared, ext=order.ext, role=order.role, content=content,
        damaged=order.damaged,
    )  # fmt: skip
    return tuple(_Judge(order).leaf(raw, 0))


class _Judge:
    def __init__(self, order: Order) -> None:
        self._own = frozenset(order.own_domains)
        self._key = order.key
        self._budget = Budget()
        self._is_full = False

    def leaf(self, raw: RawLeaf, depth: int) -> Iterator[Leaf]:
        try:
            try:
                self._budget.open_leaf()
            except LimitError:
                self._is_full = True
                raise
            verdict = self._verdict(raw)
        except LimitError as limit:
            verdict = Verdict(kind=Kind.BINARY, protection=Protection.LIMIT, why=limit.why)
        except DamagedError as damage:
            verdict = Verdict(kind=_sniff(raw.content), protection=Protection.CORRUPT, why=damage.why)
        except MemoryError:
            verdict = Verdict(kind=Kind.BINARY, protection=Protection.LIMIT, why=Why.SIZE)
        except Exception:  # noqa: BLE001 (one hostile file must not take the others' verdicts with it)
            verdict = Verdict(kind=Kind.BINARY, protection=Protection.CORRUPT, why=Why.DAMAGED)
        if raw.damaged and verdict.protection is Protection.NONE:
            verdict = _partly(verdict, Why.DAMAGED)
        is_body = raw.role is Role.BODY and verdict.kind in (Kind.TEXT, Kind.HTML, Kind.EMPTY)
        yield self._fact(raw, verdict, Role.BODY if is_body else Role.ATTACHMENT)
        for number, inner in enumerate(verdict.inner):
            if self._is_full:
                # The leaf that broke the limit says so; a list of all that follow would say no more.
                return
            yield from self._inner(f"{raw.path}/{number}", inner, depth)

    def _inner(self, path: str, inner: Inner, depth: int) -> Iterator[Leaf]:
        raw = RawLeaf(
            path=path, declared="", ext=extension(inner.name), role=Role.ATTACHMENT, content=inner.content,
            damaged=False,
        )  # fmt: skip
        if inner.protection is not None:
            verdict = Verdict(kind=Kind.BINARY, protection=inner.protection, why=inner.why)
            yield self._fact(raw, verdict, Role.ATTACHMENT, size=inner.bytes)
        elif depth + 1 > MAX_DEPTH:
            verdict = Verdict(kind=_sniff(inner.content), protection=Protection.LIMIT, why=Why.DEPTH)
            yield self._fact(raw, verdict, Role.ATTACHMENT)
        else:
            yield from self.leaf(raw, depth + 1)

    def _fact(self, raw: RawLeaf, verdict: Verdict, role: Role, size: int | None = None) -> Leaf:
        return Leaf(
            path=raw.path,
            digest=hmac.new(self._key, raw.content, hashlib.sha256).hexdigest() if size is None else "",
            bytes=len(raw.content) if size is None else size,
            declared=raw.declared,
            ext=raw.ext,
            role=role,
            kind=verdict.kind,
            protection=verdict.protection,
            algorithm=verdict.algorithm,
            why=verdict.why,
            inspected=verdict.inspected,
            members=verdict.members,
            personal=verdict.personal,
        )

    def _verdict(self, raw: RawLeaf) -> Verdict:
        content = raw.content
        kind = _sniff(content)
        if raw.role is Role.BODY and kind in (Kind.OPENPGP, Kind.MESSAGE):
            # Written or quoted in a text, armor and header lines are words of the text.
            kind = Kind.TEXT
        reader = _READERS.get(kind)
        if reader is not None:
            verdict = reader(content, self._budget)
            return self._office(verdict) if kind is Kind.ZIP else verdict
        match kind:
            case Kind.EMPTY | Kind.SIGNATURE:
                return Verdict(kind=kind, protection=Protection.NONE, inspected=Inspected.FULL)
            case Kind.SMIME:
                return self._smime(content)
            case Kind.MESSAGE:
                return self._message(content)
            case Kind.IMAGE:
                return Verdict(kind=kind, protection=Protection.NONE, why=Why.NO_READER)
            case Kind.TEXT:
                return self._text(content, raw.role)
            case _:
                return Verdict(kind=kind, protection=Protection.UNKNOWN, why=Why.NO_READER)

    def _smime(self, content: bytes) -> Verdict:
        verdict = read_smime(content)
        if verdict.protection is not Protection.SIGNED_ONLY:
            return verdict
        signed = verdict.inner[0].content
        if not _MAIL_CONTENT.match(signed.lstrip()) and not _is_message(signed):
            return verdict
        # What is signed in a mail is a part with headers of its own (RFC 8551, 3.5.2).
        inside = self._message(signed)
        return Verdict(kind=Kind.SMIME, protection=inside.protection, why=inside.why, inner=inside.inner)

    def _message(self, content: bytes) -> Verdict:
        """An attached message: a wrapper whose parts are files."""
        found = scan(content, is_file=True)
        self._budget.list(len(found.leaves))
        inner = tuple(
            Inner(content=leaf.content, name=f"x.{leaf.ext}", bytes=len(leaf.content))
            if not leaf.damaged
            else Inner(protection=Protection.CORRUPT, why=Why.DAMAGED, bytes=len(leaf.content))
            for leaf in found.leaves
        )
        doubts = UNRESOLVED & set(found.defects)
        return Verdict(
            kind=Kind.MESSAGE,
            protection=Protection.UNKNOWN if doubts else Protection.SIGNED_ONLY,
            why=Why.DAMAGED if doubts else None,
            inner=inner,
        )

    def _text(self, content: bytes, role: Role) -> Verdict:
        head = content[:MAX_TEXT_BYTES]
        text = decode_text(head)
        if text is None:
            return Verdict(kind=Kind.BINARY, protection=Protection.UNKNOWN, why=Why.NO_READER)
        is_markup = bool(_HTML.match(text[:4_096]))
        kind = Kind.HTML if is_markup else Kind.TEXT
        extra = tuple(_embedded(content))
        self._budget.list(len(extra))
        if role is Role.BODY:
            # The promise is on files: a body is not searched, only what is hidden in it.
            return Verdict(kind=kind, protection=Protection.NONE, inner=extra)
        if is_markup or text.lstrip()[:5] == "<?xml":
            words, tables = f"{markup_text(text)}\n{text}", [markup_rows(text)]
        else:
            words, tables = text, plain_tables(text)
        personal = count_personal(words, tables, self._own)
        verdict = Verdict(
            kind=kind,
            protection=Protection.NONE,
            inspected=Inspected.FULL,
            personal=personal,
            inner=extra,
        )
        if len(content) > MAX_TEXT_BYTES:
            return _partly(verdict, Why.SIZE)
        return _partly(verdict, Why.ENCODED) if carries_encoded(content) else verdict

    def _office(self, verdict: Verdict) -> Verdict:
        """Read a clear ZIP that is an Office file as one document instead of as loose members."""
        names = [inner.name for inner in verdict.inner]
        if "mimetype" in names:
            marker = verdict.inner[names.index("mimetype")].content
            if marker.startswith(b"application/vnd.oasis.opendocument"):
                return Verdict(
                    kind=Kind.ODF, protection=Protection.UNKNOWN, why=Why.NO_READER, members=verdict.members
                )
        if "[Content_Types].xml" not in names or verdict.protection is not Protection.NONE:
            return verdict
        parts: list[tuple[str, str]] = []
        others: list[Inner] = []
        for inner in verdict.inner:
            if _OOXML_QUIET.search(inner.name) and inner.bytes <= MAX_QUIET_BYTES:
                continue
            source = (
                _xml(inner.content)
                if inner.name.endswith((".xml", ".vml")) and not inner.protection
                else None
            )
            if source is None:
                others.append(inner)
            else:
                parts.append((inner.name, source))
        return Verdict(
            kind=Kind.OOXML,
            protection=Protection.NONE,
            why=verdict.why,
            inspected=Inspected.FULL,
            members=verdict.members,
            personal=self._document(parts),
            inner=tuple(others),
        )

    def _document(self, parts: list[tuple[str, str]]) -> Personal:
        strings: tuple[str, ...] = ()
        tables: list[list[tuple[str, ...]]] = []
        words: list[str] = []
        for name, source in parts:
            if name.endswith("sharedStrings.xml"):
                strings += shared_strings(source)
        for _, source in parts:
            if "sheetData" in source[:65_536]:
                tables.append(list(sheet_rows(source, strings)))
                words.extend(" \t".join(row) for row in tables[-1])
            else:
                tables.append(markup_rows(source))
                words.append(markup_text(source))
        return count_personal("\n".join(words), tables, self._own)


def _read_pdf(content: bytes, budget: Budget) -> Verdict:
    # Imported late: a run that meets no PDF need not load qpdf.
    from collectors.mail.kinds.pdf import read_pdf  # noqa: PLC0415

    return read_pdf(content, budget)


def _read_ole(content: bytes, budget: Budget) -> Verdict:
    from collectors.mail.kinds.ole import read_ole  # noqa: PLC0415 (as above)

    budget.list(1)
    return read_ole(content)


_READERS: dict[Kind, Callable[[bytes, Budget], Verdict]] = {
    Kind.ZIP: zip_kind.read_zip,
    Kind.PDF: _read_pdf,
    Kind.OLE: _read_ole,
}


def _sniff(content: bytes) -> Kind:
    """Name the kind by content; what could be text is TEXT until decoding says otherwise."""
    if not content.strip(b"\r\n\t \0"):
        return Kind.EMPTY
    for magic, kind in _MAGIC:
        if content.startswith(magic):
            return kind
    if zip_kind.is_zip(content):
        return Kind.ZIP
    if content.find(b"%PDF-", 0, 1_024) >= 0:
        return Kind.PDF
    if content_oid(content) is not None:
        return Kind.SMIME
    return _by_structure(content) or _by_words(content)


def _by_structure(content: bytes) -> Kind | None:
    """Kinds whose mark alone could also begin a text."""
    is_binary = b"\0" in content[:256]
    if content[:4] == b"\x7fELF" or (content[:2] == b"MZ" and is_binary):
        return Kind.PROGRAM
    if content[:2] == b"BM" and is_binary:
        return Kind.IMAGE
    if (content[:4] == b"RIFF" or content[4:8] == b"ftyp") and content[8:12] in _IMAGE_BRANDS:
        return Kind.IMAGE
    if content[257:262] == b"ustar":
        return Kind.TAR
    return Kind.LHA if content[2:5] == b"-lh" and content[6:7] == b"-" else None


def _by_words(content: bytes) -> Kind:
    armor = _PGP.search(content[:65_536])
    if armor:
        return Kind.SIGNATURE if _only_signature(content) else Kind.OPENPGP
    return Kind.MESSAGE if _is_message(content) else Kind.TEXT


def _only_signature(content: bytes) -> bool:
    """A detached signature and nothing around it."""
    stripped = content.strip()
    return (
        stripped.startswith(b"-----BEGIN PGP SIGNATURE-----")
        and stripped.endswith(b"-----END PGP SIGNATURE-----")
        and len(stripped) < 16_384  # noqa: PLR2004 (a signature is short)
    )


def _is_message(content: bytes) -> bool:
    head = content[:16_384]
    return bool(_MAIL_FIELD.match(head.lstrip()[:200]) and _MAIL_CONTENT.search(head))


def _embedded(content: bytes) -> Iterator[Inner]:
    """Files in a text: uuencoded blocks and `data:` links."""
    for block in _UU_BLOCK.finditer(content):
        out = bytearray()
        for line in block[2].splitlines():
            try:
                out += binascii.a2b_uu(line)
            except binascii.Error:
                # Some encoders pad a line beyond its count (as the standard library's own uu did know).
                size = ((line[0] - 32) & 63) * 4 + 5 if line else 0
                try:
                    out += binascii.a2b_uu(line[: size // 3])
                except binascii.Error:
                    break
        yield Inner(name=block[1].decode("latin-1"), content=bytes(out), bytes=len(out))
    for link in _DATA_LINK.finditer(content):
        packed = re.sub(rb"[\s=]+", b"", link[1])
        packed = packed[: len(packed) - (len(packed) % 4 == 1)]
        raw = binascii.a2b_base64(packed + b"=" * (-len(packed) % 4))
        yield Inner(content=raw, bytes=len(raw))


def _partly(verdict: Verdict, why: Why) -> Verdict:
    """The same verdict with the word that not all of it was searched."""
    inspected = Inspected.PART if verdict.inspected is Inspected.FULL else verdict.inspected
    return Verdict(
        kind=verdict.kind,
        protection=verdict.protection,
        algorithm=verdict.algorithm,
        why=verdict.why or why,
        inspected=inspected,
        members=verdict.members,
        personal=verdict.personal,
        inner=verdict.inner,
    )


def _xml(content: bytes) -> str | None:
    """Text of an XML part; None when it is none."""
    text = decode_text(content[:MAX_TEXT_BYTES]) if len(content) <= MAX_TEXT_BYTES else None
    return text if text is not None and text.lstrip("\ufeff \t\r\n").startswith("<") else None
