"""Who a message went to, as its headers show it: counts and keys, never an address."""

import hashlib
import hmac
import re

from msgspec import Struct

from collectors.mail.headers import Headers

MAX_KEYS = 200
"""keys kept of one message; the counts go on"""
MAX_FIELD = 262_144
"""characters of one field that are read: some six thousand addresses; the rest counts as unreadable"""
_ADDRESS = re.compile(
    r"""("(?:[^"\\\r\n]|\\.){1,200}"|[^\s<>,;:"()\[\]@]{1,200})@(\[[0-9A-Fa-f.:]{1,60}\]|[^\s<>,;:"()\[\]@\\]{1,255})"""
)
_TO_FIELDS = ("to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc", "apparently-to")
_FOR = re.compile(r"\sfor\s+<([^<>\s]{3,400})>")
_COMMENT = re.compile(r"\((?:[^()\\]|\\.){0,200}\)")
_QUOTED_NAME = re.compile(r'"(?:[^"\\]|\\.){0,200}"(?!@)')
_EMPTY_GROUP = re.compile(r"[^:;<>@]{0,80}:\s*;")


class Recipients(Struct, frozen=True, kw_only=True):
    """Counted once per address."""

    sender_key: str
    keys: tuple[str, ...]
    external: int
    internal: int
    unreadable: int


def domain_of(text: str) -> str:
    """Return a domain in the one form that is compared: lower case, A-labels, no trailing dot."""
    plain = text.strip().rstrip(".").lower()
    try:
        return plain.encode("idna").decode("ascii") if not plain.isascii() else plain
    except UnicodeError:
        return plain


def address_key(key: bytes, local: str, domain: str) -> str:
    """Key an address so that two messages can be joined within a run and nobody can read it."""
    return hmac.new(key, f"{local.strip(chr(34)).lower()}@{domain}".encode(), hashlib.sha256).hexdigest()[:32]


def read_recipients(headers: Headers, own_domains: frozenset[str], key: bytes) -> Recipients:
    """Find every address in the recipient fields.

    Everything that looks like an address counts, also one in an unquoted display name: of two
    readings, the one that finds more recipients outside is taken.
    Display names in quotation marks and comments are no addresses.
    """
    found: dict[tuple[str, str], bool] = {}
    unreadable = 0
    for field in _TO_FIELDS:
        for value in headers.all(field):
            here, bad = _addresses(value[:MAX_FIELD])
            bad += len(value) > MAX_FIELD
            unreadable += bad
            for local, domain in here:
                found[local.lower(), domain] = domain in own_domains
    for received in headers.all("received"):
        for clause in _FOR.findall(received[:MAX_FIELD]):
            for local, domain in _addresses(clause)[0]:
                if domain not in own_domains:
                    # The journal's own mailbox stands here too, and is no recipient of the mail.
                    found[local.lower(), domain] = False
    senders, _ = _addresses(headers.first("from")[:MAX_FIELD])
    keys = sorted({address_key(key, local, domain) for local, domain in found})
    return Recipients(
        sender_key=address_key(key, *senders[0]) if senders else "",
        keys=tuple(keys[:MAX_KEYS]),
        external=sum(not is_own for is_own in found.values()),
        internal=sum(found.values()),
        unreadable=unreadable,
    )


def _addresses(value: str) -> tuple[list[tuple[str, str]], int]:
    """Return the addresses of a field, and how many of its entries hold none."""
    # utf-8 addresses (RFC 6532) arrive as Latin-1 text.
    try:
        text = value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        text = value
    text = _EMPTY_GROUP.sub(" ", _QUOTED_NAME.sub(" x ", _COMMENT.sub(" ", text)))
    found = [(match[1], domain_of(match[2])) for match in _ADDRESS.finditer(text)]
    entries = [entry for entry in re.split(r"[,;]", text) if entry.strip(" \tx<>:")]
    bad = sum("@" not in entry for entry in entries)
    if text.strip() and not found:
        bad = max(bad, 1) if entries else bad
    return found, bad
