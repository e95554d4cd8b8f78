"""What people sign: the officer's review of a run. Each is a small JSON file with an SSHSIG beside it.

A document is canonical JSON, so that one value has one hash. Whether its signature counts is for the trust
file to say: the principal's key, role and days.
"""

import hashlib
from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from config.errors import FormatError
from reports import canonical, sshsig
from reports.sshsig import PersonKey
from reports.statement import Count, Hex, Instant
from reports.trust import Name, Officer, Trust

MOST_BYTES = 65_536
"""bytes of one document"""
REVIEW = "review"


class Signed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every document that a person signs."""


class Seen(Signed, frozen=True, kw_only=True):
    """The checkpoint that the reviewer saw: so every review is a witness of the log."""

    size: Count
    root: str
    """base64, as in the checkpoint"""


class Review(Signed, frozen=True, kw_only=True):
    """`review.json`: an officer's decision about one run."""

    type: Literal["tenken-review/v1"] = "tenken-review/v1"
    run: Annotated[int, Meta(ge=1)]
    run_sha256: Hex
    """of run.json"""
    checkpoint: Seen
    principal: Name
    """who decides; the trust file knows the key"""
    decision: Literal["accepted", "returned"]
    """whether the record stands as it is, or has to be worked on"""
    report_sha256: Hex
    """of the report that was read"""
    comment: Annotated[str, Meta(max_length=4_000)] = ""
    at: Instant


def encode(document: Review) -> bytes:
    """Write it as canonical JSON: what is signed."""
    return canonical.encode(msgspec.to_builtins(document))


def decode(raw: bytes) -> Review:
    """Read a review; raises FormatError."""
    if len(raw) > MOST_BYTES:
        message = "too large for a review"
        raise FormatError(message)
    try:
        return msgspec.convert(canonical.decode(raw), Review)
    except msgspec.ValidationError as err:
        message = f"not a review: {err}"
        raise FormatError(message) from err


def sha256(raw: bytes) -> str:
    """The name under which an attachment is kept."""
    return hashlib.sha256(raw).hexdigest()


class NotEntitledError(Exception):
    """A signature that is good, by somebody whose word does not count here or not then."""


def check(raw: bytes, signature: bytes, trust: Trust, *, recorded: str) -> Review:
    """Return a review that an officer of the trust file signed.

    `recorded` is when it came into the log. Raises FormatError for a document or signature that is none, or
    does not fit; NotEntitledError for a person the trust file does not entitle at that time.
    """
    review = decode(raw)
    named = [it for it in trust.officers if it.principal == review.principal]
    if not named:
        message = f"the trust file knows no officer {review.principal}"
        raise NotEntitledError(message)
    key = sshsig.parse(signature).key
    # A person may have had several keys, each for its days.
    officer = next((it for it in named if PersonKey.parse(it.ssh) == key), None)
    if officer is None:
        message = f"the trust file knows no such key of {review.principal} ({key.fingerprint})"
        raise NotEntitledError(message)
    sshsig.verify(signature, raw, namespace=f"tenken-{REVIEW}", key=key)
    _entitled(officer, REVIEW, datetime.fromisoformat(recorded).date())
    return review


def _entitled(officer: Officer, role: str, day: date) -> None:
    if role not in officer.roles:
        message = f"{officer.principal} is not entitled to a {role}"
        raise NotEntitledError(message)
    begins, ends = date.fromisoformat(officer.from_), officer.to and date.fromisoformat(officer.to)
    if day < begins or (ends and day > ends):
        message = f"{officer.principal} was not in office on {day.isoformat()}"
        raise NotEntitledError(message)
    if officer.revoked_from and day >= date.fromisoformat(officer.revoked_from):
        message = f"the key of {officer.principal} is revoked since {officer.revoked_from}"
        raise NotEntitledError(message)
