"""The JSON documents of a bundle as types: plan, catalogue, exceptions, evidence, history, verdicts."""

from datetime import date, datetime
from typing import Any, TypeVar

import msgspec

from checks.engine import Rule
from checks.model import Finding, History, Sealed, Target
from collectors.evidence import TargetEvidence
from config.codec import dec_hook, enc_hook
from config.model import PromiseSource

RULES_API = 1
"""raised when the same rule file could judge the same evidence differently"""


class Engine(Sealed, frozen=True, kw_only=True):
    """What judged."""

    name: str
    version: str
    rules_api: int


class PlannedSafeguard(Sealed, frozen=True, kw_only=True):
    """A safeguard as it was when the plan was made."""

    id: str
    sha256: str
    """of its source file"""


class Plan(Sealed, frozen=True, kw_only=True):
    """`plan.json`: scope, rules and clock, fixed before the first host is touched."""

    v: int = 1
    run: int
    site: str
    site_name: str
    slot: datetime | None
    """the promised time this run answers for; None when run by hand between slots"""
    missed: tuple[datetime, ...] = ()
    """promised times before it at which nothing ran"""
    next_slot: datetime | None
    as_of: datetime
    timezone: str
    languages: tuple[str, ...]
    limit: str = ""
    """pattern that left hosts out of this run"""
    targets: tuple[Target, ...]
    safeguards: tuple[PlannedSafeguard, ...]
    probe_sha256: str
    """of the script that hosts are sent, without boundary and parameters"""
    engine: Engine
    log_size: int
    """entries in the run log when the plan was made"""


class CataloguedPromise(Sealed, frozen=True, kw_only=True):
    """A promise with its numbers and who decided them."""

    id: str
    text: str
    source: PromiseSource
    decided_by: str
    decided_on: date | None


class CataloguedSafeguard(Sealed, frozen=True, kw_only=True):
    """A safeguard with its wording, so that a report needs no installed check."""

    id: str
    version: int
    sha256: str
    kind: str
    severity: str
    controls: tuple[str, ...]
    title: str
    looks_at: str
    matters: str
    to_do: str


class Catalogue(Sealed, frozen=True, kw_only=True):
    """`rules/catalogue.json`: every promise and safeguard that was judged."""

    v: int = 1
    promises: tuple[CataloguedPromise, ...]
    rules: tuple[Rule, ...]
    """promise by promise, the safeguards that prove it with the settings in force"""
    safeguards: tuple[CataloguedSafeguard, ...]


class Exceptions(Sealed, frozen=True, kw_only=True):
    """`exceptions.json`: accepted deviations in force."""

    v: int = 1
    exceptions: tuple[dict[str, Any], ...] = ()


T = TypeVar("T", Plan, Catalogue, Exceptions, TargetEvidence, History, Finding)


def encode(document: Sealed | TargetEvidence) -> bytes:
    """Write a document as canonical JSON (`docs/bundle-format.md`)."""
    return msgspec.json.encode(document, order="sorted", enc_hook=enc_hook)


def decode(raw: bytes, kind: type[T]) -> T:
    """Read a document back; raises msgspec.ValidationError for anything but that shape."""
    return msgspec.json.decode(raw, type=kind, dec_hook=dec_hook)


def encode_verdicts(findings: tuple[Finding, ...]) -> bytes:
    """Write findings one a line, in their order."""
    return b"".join(encode(finding) + b"\n" for finding in findings)


def decode_verdicts(raw: bytes) -> tuple[Finding, ...]:
    """Read verdicts.jsonl back."""
    return tuple(decode(line, Finding) for line in raw.splitlines() if line)
