"""A mail journal as facts: digests, closed words and counts; no text, subject, name or address."""

from datetime import datetime
from enum import StrEnum

import msgspec

from collectors.evidence import Reason, Section, TargetKind
from collectors.facts import Facts, Probe
from config.errors import ParseError


class Protection(StrEnum):
    """Whether a secret is needed to read a file."""

    NONE = "none"
    TRIVIAL = "trivial"
    """encrypted, but opens without a secret: an empty or the vendor's well-known password"""
    WEAK = "weak"
    """a secret is needed, but the cipher is broken"""
    STRONG = "strong"
    PARTIAL = "partial"
    """an archive with protected and clear members; the clear ones follow as leaves"""
    SIGNED_ONLY = "signed-only"
    """wrapped, not encrypted; the content follows as leaves"""
    UNKNOWN = "unknown"
    CORRUPT = "corrupt"
    LIMIT = "limit"


class Kind(StrEnum):
    """What a file is by its content, never by its name."""

    TEXT = "text"
    HTML = "html"
    IMAGE = "image"
    ZIP = "zip"
    OOXML = "ooxml"
    """an Office file that is a ZIP: docx, xlsx, pptx"""
    OOXML_ENCRYPTED = "ooxml-encrypted"
    OFFICE97 = "office97"
    """xls, doc, ppt"""
    OLE = "ole"
    """another compound file: msg, installer"""
    ODF = "odf"
    PDF = "pdf"
    SMIME = "smime"
    SIGNATURE = "signature"
    """a detached signature: no content of its own"""
    MESSAGE = "message"
    """an attached mail; its parts follow as leaves"""
    OPENPGP = "openpgp"
    AGE = "age"
    OPENSSL_ENC = "openssl-enc"
    SEVEN_ZIP = "7z"
    RAR = "rar"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZSTD = "zstd"
    TAR = "tar"
    CAB = "cab"
    LHA = "lha"
    TNEF = "tnef"
    PROGRAM = "program"
    BINARY = "binary"
    """none of the known kinds"""
    EMPTY = "empty"


class Why(StrEnum):
    """What a protection or an inspection rests on when it is not the plain case."""

    CONFLICT = "conflict"
    """directory and local header disagree about encryption"""
    FALSE_FLAG = "false-flag"
    """marked as encrypted, yet readable without a key"""
    HIDDEN = "hidden-content"
    """content that the directory or the envelope does not list"""
    NO_DIRECTORY = "no-directory"
    SPLIT = "split"
    METHOD = "method"
    """a compression method or cipher we do not know"""
    OVERLAP = "overlap"
    SIZE = "size"
    RATIO = "ratio"
    DEPTH = "depth"
    MEMBERS = "members"
    TIME = "time"
    """the worker was out of time or memory and was replaced"""
    CHECKSUM = "checksum"
    DAMAGED = "damaged"
    DEFAULT_PASSWORD = "default-password"
    EMPTY_PASSWORD = "empty-password"
    SPIN_COUNT = "spin-count"
    """too costly to try the default password on"""
    CERTIFICATE = "certificate"
    ATTACHMENTS_ONLY = "attachments-only"
    ENCODED = "encoded-content"
    """text that carries encoded data we do not unpack"""
    NO_READER = "no-reader"


class Defect(StrEnum):
    """What was wrong with a message's structure."""

    NO_BOUNDARY = "no-boundary"
    BOUNDARY_NOT_FOUND = "boundary-not-found"
    CLOSE_DELIMITER_MISSING = "close-delimiter-missing"
    AFTER_CLOSE = "parts-after-close"
    CTE_UNKNOWN = "cte-unknown"
    BASE64_DAMAGED = "base64-damaged"
    PARTIAL = "partial"
    EXTERNAL_BODY = "external-body"
    DUPLICATE_HEADER = "duplicate-header"
    HEADER_LIMIT = "header-limit"
    PARTS_LIMIT = "parts-limit"
    DEPTH_LIMIT = "depth-limit"
    TIME_LIMIT = "time-limit"


LIMITS = frozenset({Defect.HEADER_LIMIT, Defect.PARTS_LIMIT, Defect.DEPTH_LIMIT, Defect.TIME_LIMIT})
"""defects that mean: there is more than was looked at"""
UNRESOLVED = LIMITS | {
    Defect.NO_BOUNDARY,
    Defect.BOUNDARY_NOT_FOUND,
    Defect.CTE_UNKNOWN,
    Defect.PARTIAL,
    Defect.EXTERNAL_BODY,
    Defect.DUPLICATE_HEADER,
}
"""defects after which nobody can say that all files of the message were seen"""


class Role(StrEnum):
    """What a leaf is to its message."""

    BODY = "body"
    ATTACHMENT = "attachment"


class Inspected(StrEnum):
    """How much of a leaf was searched for personal information."""

    FULL = "full"
    PART = "part"
    NOT = "not"


class Basis(StrEnum):
    """What a date rests on."""

    RECEIVED = "received"
    """the first Received header, written by our own side"""
    DATE = "date"
    """the Date header, written by the sender"""
    NONE = "none"


class Members(Facts, frozen=True, kw_only=True):
    """Files of an archive by protection."""

    clear: int = 0
    weak: int = 0
    strong: int = 0
    unknown: int = 0


class Personal(Facts, frozen=True, kw_only=True):
    """Counts of personal information in one leaf; each stops at a thousand."""

    persons: int
    """table rows, or the second largest count of e-mail, phone and postal addresses"""
    contacts: int
    """the largest of those counts, when nothing else points at a person"""
    special: int
    """distinct My Numbers (個人番号) with a right check digit"""


class Leaf(Facts, frozen=True, kw_only=True):
    """One file of a message, or one inside such a file."""

    path: str
    """`2/1/0`: part numbers, then numbers inside"""
    digest: str
    """HMAC-SHA-256 under the run's key: a plain one of a short file can be guessed; empty without content"""
    bytes: int
    declared: str
    """declared media type when it is a common one, else `other`"""
    ext: str
    """extension of the file name when it is a common one, else `other`; empty without one"""
    role: Role
    kind: Kind
    protection: Protection
    algorithm: str = ""
    """`aes-256`, `rc4-40`, … ; empty without encryption"""
    why: Why | None = None
    inspected: Inspected = Inspected.NOT
    members: Members | None = None
    personal: Personal | None = None
    """None when nothing was searched"""


class Message(Facts, frozen=True, kw_only=True):
    """One journalled message of the period."""

    digest: str
    """SHA-256 of the message's bytes: finds it in the journal"""
    bytes: int
    received: datetime | None
    date_basis: Basis
    sender_key: str
    """HMAC-SHA-256 of the sender's address under the run's key; empty without one"""
    recipient_keys: tuple[str, ...] = ()
    """the same of each recipient, sorted; at most 200"""
    external: int
    """distinct recipients outside the own domains, as the headers show them; Bcc is not in a journal copy"""
    internal: int
    unreadable: int = 0
    """recipient entries in which no address was found"""
    defects: tuple[Defect, ...] = ()
    examined: bool
    """whether its files were looked at; purely internal messages are not"""
    leaves: tuple[Leaf, ...] = ()


class Unread(Facts, frozen=True, kw_only=True):
    """Entries of the journal that could not be read, by reason."""

    reason: Reason
    count: int


class MailFacts(Facts, frozen=True, kw_only=True):
    """What a journal holds: `total` = `older` + the unread ones + the listed messages."""

    v: int = 1
    as_of: datetime
    since: datetime
    """messages received earlier were counted, not looked at"""
    total: int
    older: int
    unread: tuple[Unread, ...] = ()
    messages: tuple[Message, ...] = ()


PART = "mail"
CAP_BYTES = 64 * 1024 * 1024
"""some 100,000 messages of a period; beyond, the fact reads truncated"""


def parse(section: Section) -> MailFacts:
    """Read the sealed facts; raises ParseError when they do not add up."""
    part = section.part(PART)
    if part is None:
        message = "no journal in the journal's evidence"
        raise ParseError(message)
    try:
        facts = msgspec.json.decode(part.raw, type=MailFacts)
    except (msgspec.MsgspecError, ValueError, RecursionError) as err:
        message = "mail: the facts are not of their shape"
        raise ParseError(message) from err
    listed = facts.older + sum(unread.count for unread in facts.unread) + len(facts.messages)
    if listed != facts.total:
        message = f"mail: {facts.total} messages, but {listed} accounted for"
        raise ParseError(message)
    return facts


PROBE = Probe(name="mail", facts=MailFacts, parse=parse, kind=TargetKind.MAIL, cap_bytes=CAP_BYTES)
