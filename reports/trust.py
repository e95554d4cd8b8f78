"""The trust file: which seal keys, authorities and people count; held by the verifier, never in a bundle."""

import hashlib
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509 import load_pem_x509_certificate
from msgspec import Meta, Struct

from config.errors import FormatError, VerifyError
from reports import canonical
from reports.note import VerifierKey, is_name
from reports.sshsig import PersonKey

Hex = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
MOST_BYTES = 1 << 20


class Trusted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything in a trust file."""


class RootKey(Trusted, frozen=True, kw_only=True):
    """A person who may sign the next trust file."""

    principal: Name
    ssh: str


class Root(Trusted, frozen=True, kw_only=True):
    """Who decides on the next trust file."""

    threshold: Annotated[int, Meta(ge=1)]
    keys: tuple[RootKey, ...]


class LogKey(Trusted, frozen=True, kw_only=True):
    """A seal key and the log sizes for which it counts."""

    vkey: str
    alg: Literal["ed25519"] = "ed25519"
    from_size: Count = 0
    to_size: Count | None = None
    compromised_from: Day | None = None

    @property
    def verifier(self) -> VerifierKey:
        """The key itself."""
        return VerifierKey.parse(self.vkey)

    def covers(self, size: int) -> bool:
        """Whether a checkpoint of `size` entries may be signed by it: by size, so no clock can lie."""
        return self.from_size <= size and (self.to_size is None or size <= self.to_size)


class Log(Trusted, frozen=True, kw_only=True):
    """The run log this file speaks of."""

    origin: str
    keys: Annotated[tuple[LogKey, ...], Meta(min_length=1)]
    require: tuple[Literal["ed25519"], ...] = ("ed25519",)
    """algorithms that must all have signed"""


class Tsa(Trusted, frozen=True, kw_only=True):
    """A time-stamp authority that counts."""

    name: Name
    root: str
    certs: Annotated[tuple[str, ...], Meta(min_length=1)]
    policies: tuple[str, ...] = ()
    from_: Day = msgspec.field(name="from")
    to: Day | None = None
    distrusted_from: Day | None = None


class Officer(Trusted, frozen=True, kw_only=True):
    """A person whose reviews or exceptions count, with one key; several rows for one who changed keys."""

    principal: Name
    ssh: str
    roles: tuple[Literal["review", "exception"], ...]
    from_: Day = msgspec.field(name="from")
    to: Day | None = None
    revoked_from: Day | None = None


class Witness(Trusted, frozen=True, kw_only=True):
    """Somebody outside who cosigns checkpoints."""

    name: Name
    vkey: str


class Promised(Trusted, frozen=True, kw_only=True):
    """The interval at which runs were promised."""

    period_s: Annotated[int, Meta(ge=60)]
    grace_s: Count
    from_slot: str


class Trust(Trusted, frozen=True, kw_only=True):
    """`trust-N.json`."""

    type: Literal["tenken-trust/v1"] = "tenken-trust/v1"
    version: Annotated[int, Meta(ge=1)]
    site: str
    prev: Hex | None = None
    """SHA-256 of the file before; None for the first"""
    issued: Day
    expires: Day | None = None
    """after it, no further version is due to be trusted from here; old bundles stay good"""
    root: Root | None = None
    """None: no successor can be accepted, a new file has to be handed over"""
    log: Log
    tsas: tuple[Tsa, ...] = ()
    tsa_threshold: Count = 0
    """0: a bundle without a time stamp is accepted, and named UNTIMED"""
    max_seal_delay_s: Count | None = None
    officers: tuple[Officer, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    witness_quorum: Count = 0
    schedule: Promised | None = None

    def encode(self) -> bytes:
        """Write it as canonical JSON."""
        return canonical.encode(msgspec.to_builtins(self))


class HeldTrust(Struct, frozen=True, kw_only=True):
    """A trust file as it was read."""

    trust: Trust
    sha256: str
    """of the file's bytes: what is handed over on paper"""


def load(path: Path) -> HeldTrust:
    """Read the verifier's trust file; raises VerifyError when it cannot be used."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as err:
        message = f"cannot read the trust file {path}: {err.strerror}"
        raise VerifyError(
            message, hint="Get it from the inspected company, and its hash on another way."
        ) from err
    try:
        trust = parse(raw)
    except FormatError as err:
        message = f"{path} is no trust file: {err}"
        raise VerifyError(message, hint="docs/bundle-format.md describes it.") from err
    return HeldTrust(trust=trust, sha256=hashlib.sha256(raw).hexdigest())


def parse(raw: bytes) -> Trust:
    """Read a trust file's bytes; raises FormatError."""
    if len(raw) > MOST_BYTES:
        message = "too large for a trust file"
        raise FormatError(message)
    try:
        trust = msgspec.convert(canonical.decode_readable(raw), Trust)
    except msgspec.ValidationError as err:
        raise FormatError(str(err)) from err
    _check(trust)
    return trust


def first(*, site: str, key: VerifierKey, issued: date) -> Trust:
    """Write down that one seal key counts from the log's beginning, without people or authorities yet."""
    return Trust(
        version=1,
        site=site,
        issued=issued.isoformat(),
        log=Log(origin=key.name, keys=(LogKey(vkey=key.text),)),
    )


def _check(trust: Trust) -> None:
    """Raise FormatError for what the types cannot say: a rule that nobody, or one key twice, could meet."""
    log, root = trust.log, trust.root
    rules = {
        "log.keys: every vkey must carry the log's origin as its name": is_name(log.origin)
        and all(key.verifier.name == log.origin for key in log.keys),
        "log.keys: a key stands twice": len({key.vkey for key in log.keys}) == len(log.keys),
        "log.require: at least one algorithm, each once": 0 < len(log.require) == len(set(log.require)),
        "root.threshold: more signatures than there are keys": root is None
        or root.threshold <= len({_blob(key.ssh) for key in root.keys}),
        "tsa_threshold: more tokens than there are authorities": trust.tsa_threshold
        <= len({tsa.name for tsa in trust.tsas}),
        "tsas: root and certs are certificates in PEM": all(
            _is_certificate(text) for tsa in trust.tsas for text in (tsa.root, *tsa.certs)
        ),
        "tsas: one certificate under two names would count twice": len(
            certs := [text for tsa in trust.tsas for text in set(tsa.certs)]
        )
        == len(set(certs)),
        "root, officers: a key that is none, or a seal key: who runs the inspection cannot approve it": all(
            _is_persons(text, log)
            for text in (
                *(key.ssh for key in (root.keys if root else ())),
                *(it.ssh for it in trust.officers),
            )
        ),
        "officers: one key twice": len({_blob(it.ssh) for it in trust.officers}) == len(trust.officers),
        "witness_quorum: more cosignatures than there are witnesses": trust.witness_quorum
        <= len({witness.vkey for witness in trust.witnesses}),
        "prev: the first version has none, every later one names the file before": (trust.version == 1)
        == (trust.prev is None),
        "a date that does not exist": all(
            _is_day(day)
            for day in (
                trust.issued,
                trust.expires,
                *(key.compromised_from for key in log.keys),
                *(day for tsa in trust.tsas for day in (tsa.from_, tsa.to, tsa.distrusted_from)),
                *(day for it in trust.officers for day in (it.from_, it.to, it.revoked_from)),
            )
        ),
    }
    for message, holds in rules.items():
        if not holds:
            raise FormatError(message)


def _blob(line: str) -> str:
    """A public key without its comment: one key is one person, however it is labelled."""
    return " ".join(line.split()[:2])


def _is_persons(text: str, log: Log) -> bool:
    """Whether it is a person's key and not one that seals: four eyes."""
    try:
        key, _ = PersonKey.parse(text).plain()
    except FormatError:
        return False
    seals = {each.verifier.public for each in log.keys}
    return not isinstance(key, Ed25519PublicKey) or key.public_bytes_raw() not in seals


def _is_certificate(text: str) -> bool:
    try:
        load_pem_x509_certificate(text.encode("ascii"))
    except ValueError:
        return False
    return True


def _is_day(day: str | None) -> bool:
    try:
        date.fromisoformat(day or "2000-01-01")
    except ValueError:
        return False
    return True
