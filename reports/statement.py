"""The entries of the run log: in-toto Statements about runs, missed slots and reviews, each pinning its past.

Source: in-toto/attestation spec/v1/statement.md. An entry's bytes are canonical JSON; they are a leaf of
the log's tree and, for a run, the file run.json of its bundle.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from config.errors import FormatError
from reports import canonical

RUN = "https://tenken.dev/attest/run/v1"
MISSED = "https://tenken.dev/attest/missed/v1"
REVIEW = "https://tenken.dev/attest/review/v1"
LATER = frozenset(
    f"https://tenken.dev/attest/{name}/v1" for name in ("exception", "exception-end", "trust", "erasure")
)
"""entry types whose place is kept; this version cannot read them"""
MOST_BYTES = 1 << 20
"""bytes of one entry"""

Hex = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Instant = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]


class Stated(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything in an entry."""


class Digest(Stated, frozen=True, kw_only=True):
    """A SHA-256 in hexadecimal."""

    sha256: Hex


class Subject(Stated, frozen=True, kw_only=True):
    """A file the statement is about."""

    name: str
    digest: Digest


class EvidenceTree(Stated, frozen=True, kw_only=True):
    """The Merkle tree over the SHA256SUMS lines of what was judged."""

    lines: Count
    root: Hex


class Engine(Stated, frozen=True, kw_only=True):
    """What judged; as in plan.json."""

    name: str
    version: str
    rules_api: Count


class TrustPin(Stated, frozen=True, kw_only=True):
    """The trust file in force when the run was sealed."""

    version: Count
    sha256: Hex


class Prev(Stated, frozen=True, kw_only=True):
    """The log before this entry."""

    size: Count
    entry: Hex | None
    """SHA-256 of the last line; None only for the first entry"""
    checkpoint: Hex | None
    """SHA-256 of the signed checkpoint of that size"""
    tokens: dict[str, Hex]
    """SHA-256 of each time-stamp token over that checkpoint, by authority"""


class Run(Stated, frozen=True, kw_only=True):
    """What a run entry says."""

    run: Annotated[int, Meta(ge=1)]
    slot: str | None
    started: Instant
    finished: Instant
    plan: Digest
    evidence: EvidenceTree
    engine: Engine
    counts: dict[str, Count]
    next_slot: str | None
    trust: TrustPin | None
    prev: Prev


class Missed(Stated, frozen=True, kw_only=True):
    """What an entry about a missed slot says."""

    slot: str
    why: str
    recorded: Instant
    prev: Prev


class Reviewed(Stated, frozen=True, kw_only=True):
    """What an entry about a review says; its subjects are `review.json` and `review.json.sig`."""

    run: Annotated[int, Meta(ge=1)]
    recorded: Instant
    prev: Prev


class _Frame(Stated, frozen=True, kw_only=True):
    type_: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(
        name="_type", default="https://in-toto.io/Statement/v1"
    )
    predicate_type: str = msgspec.field(name="predicateType")
    subject: tuple[Subject, ...]
    predicate: dict[str, object]


class Entry(Struct, frozen=True, kw_only=True):
    """One line of the log, read."""

    type: str
    """predicateType"""
    subjects: tuple[Subject, ...]
    said: Run | Missed | Reviewed | None
    """None: a type this version cannot read"""
    prev: Prev


def instant(when: datetime) -> str:
    """Write an aware time as RFC 3339 in UTC with whole seconds."""
    if when.tzinfo is None:
        message = "a time without its zone"
        raise ValueError(message)
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_TYPES = {RUN: Run, MISSED: Missed, REVIEW: Reviewed}
_SUBJECTS = {RUN: ("SHA256SUMS",), MISSED: (), REVIEW: ("review.json", "review.json.sig")}


def encode(said: Run | Missed | Reviewed, files: Mapping[str, bytes] | None = None) -> bytes:
    """Write an entry; `files` are what it is about, by name: of a run SHA256SUMS."""
    subjects = [
        Subject(name=name, digest=Digest(sha256=hashlib.sha256(raw).hexdigest()))
        for name, raw in (files or {}).items()
    ]
    return canonical.encode(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": next(name for name, kind in _TYPES.items() if isinstance(said, kind)),
            "subject": msgspec.to_builtins(subjects),
            "predicate": msgspec.to_builtins(said),
        }
    )


def decode(raw: bytes) -> Entry:
    """Read an entry; raises FormatError for bytes that no writer of this format made."""
    if len(raw) > MOST_BYTES:
        message = "an entry larger than 1 MiB"
        raise FormatError(message)
    try:
        frame = msgspec.convert(canonical.decode(raw), _Frame)
        if frame.predicate_type in _TYPES:
            said: Run | Missed | Reviewed = msgspec.convert(frame.predicate, _TYPES[frame.predicate_type])
            _check_entry(frame.predicate_type, said, frame.subject)
            return Entry(type=frame.predicate_type, subjects=frame.subject, said=said, prev=said.prev)
        if frame.predicate_type in LATER:
            prev = msgspec.convert(frame.predicate.get("prev"), Prev)
            return Entry(type=frame.predicate_type, subjects=frame.subject, said=None, prev=prev)
    except msgspec.ValidationError as err:
        message = f"an entry of another shape: {err}"
        raise FormatError(message) from err
    message = "an entry of an unknown type"
    raise FormatError(message)


def _check_entry(kind: str, said: Run | Missed | Reviewed, subjects: tuple[Subject, ...]) -> None:
    names = _SUBJECTS[kind]
    if tuple(subject.name for subject in subjects) != names:
        message = f"an entry of this type is about {' and '.join(names) or 'no file'}, and nothing else"
        raise FormatError(message)
    if isinstance(said, Run) and said.finished < said.started:
        message = "a run that finished before it started"
        raise FormatError(message)
