"""Pinned host keys: who a host must prove to be before anything is said to it.

The file format is that of sshd(8), section SSH_KNOWN_HOSTS FILE FORMAT, and the decisions are
those of the OpenSSH client with StrictHostKeyChecking=yes, but stricter in four places:
a host that is asked for a pinned key which is revoked is not asked for another one;
a key revoked for the bare name is revoked on every port of that host;
a tab after `@revoked` does not make the line void;
a certificate that nobody vouches for does not make a key count that is pinned for the bare name alone.
A certificate that no authority of the host vouches for counts as the plain key in it, as for ssh.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from collectors.host_certificate import SUFFIX, HostCertificate, read_certificate
from collectors.wildcard import matches
from config.errors import ConfigError

DEFAULT_PORT = 22
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
"""key types that can be pinned, preferred ones first"""
LEAST_RSA_BITS = 1_024
"""RequiredRSASize of ssh_config(5) when nobody sets it"""
MAX_FILE_BYTES = 64 << 20
_SHA1 = r"[A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]="
"""20 bytes as base64, without stray bits in the padding"""
_HASHED = re.compile(rf"\|1\|({_SHA1})\|({_SHA1})")
_LONGEST_PATTERN = 1_022
"""letters; a longer one ends ssh's reading of the list without a match"""


class PinState(StrEnum):
    """What the pins say of a host's key."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    """no pin of this host"""
    CHANGED = "changed"
    """the host is pinned, but not with this key"""
    REVOKED = "revoked"


class Marker(StrEnum):
    """What a line's key is good for."""

    KEY = ""
    """a host's own"""
    AUTHORITY = "@cert-authority"
    """signs host certificates"""
    REVOKED = "@revoked"


class Pin(Struct, frozen=True, kw_only=True):
    """One usable line."""

    file: str
    """the file's name without its folder, for evidence"""
    line: int
    """counted from 1"""
    hosts: str
    """the first word as it stands: patterns, or a hashed name"""
    marker: Marker
    key_type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """`SHA256:…`, as ssh-keygen -l prints it."""
        return fingerprint(self.blob)

    @property
    def where(self) -> str:
        """`file:line`, and of an authority its fingerprint."""
        place = f"{self.file}:{self.line}"
        if self.marker is Marker.AUTHORITY:
            return f"{place} ({self.marker.value} {self.fingerprint})"
        return place


class Judgement(Struct, frozen=True, kw_only=True):
    """What the pins say of one key of one host."""

    state: PinState
    pin: Pin | None = None
    """the line that decided: the match, the revocation, or the pin that differs"""
    why: str = ""
    """why a certificate that the host showed does not hold"""


class OfferedKey(Struct, frozen=True, kw_only=True):
    """A key that a server proved to hold."""

    key_type: str
    base64: str
    fingerprint: str
    certificate: bytes = b""
    """the whole certificate, when it showed the key in one"""


class Accepts(Struct, frozen=True, kw_only=True):
    """What a host may prove itself with, as ssh_config(5) limits it."""

    host_keys: frozenset[str] = frozenset()
    """HostKeyAlgorithms; empty for all that we know"""
    authorities: frozenset[str] = frozenset()
    """CASignatureAlgorithms, likewise"""
    rsa_bits: int = LEAST_RSA_BITS
    """RequiredRSASize"""


class KnownHosts:
    """The pins of some files; threads may share it."""

    def __init__(self, name: str, pins: Sequence[Pin], warnings: Sequence[str]) -> None:
        self.name = name
        """of the files, without their folders"""
        self.warnings = tuple(warnings)
        """lines that were skipped, as `file:line: why`"""
        self._pins = tuple(pins)
        """in the order of the files and their lines"""
        self._exact: dict[str, list[int]] = {}
        self._patterns: list[int] = []
        self._hashed: list[tuple[bytes, bytes, int]] = []
        for place, pinned in enumerate(self._pins):
            hashed = _HASHED.fullmatch(pinned.hosts)
            if hashed:
                self._hashed.append((base64.b64decode(hashed[1]), base64.b64decode(hashed[2]), place))
            elif any(sign in pinned.hosts for sign in "*?!"):
                self._patterns.append(place)
            else:
                for host in pinned.hosts.lower().split(","):
                    self._exact.setdefault(host, []).append(place)
        self._found: dict[str, tuple[Pin, ...]] = {}

    def pinned_types(self, host: str, port: int) -> tuple[str, ...]:
        """Key types to ask this host for, preferred ones first.

        As for ssh, those that it is pinned with under its name with the port.
        """
        types = {pin.key_type for pin in self._of(host_name(host, port)) if pin.marker is Marker.KEY}
        return tuple(kind for kind in KEY_TYPES if kind in types)

    def has_authority(self, host: str, port: int) -> bool:
        """Whether a certificate of this host could be believed."""
        pins = (*self._of(host_name(host, port)), *self._of(host_name(host, DEFAULT_PORT)))
        return any(pin.marker is Marker.AUTHORITY for pin in pins)

    def judge(self, host: str, port: int, key_type: str, blob: bytes) -> Judgement:
        """Say whether this key of this host is pinned; a revocation wins over every pin."""
        named, bare = self._lines(host, port)
        for pin in (*named, *bare):
            if pin.marker is Marker.REVOKED and pin.blob == blob:
                return Judgement(state=PinState.REVOKED, pin=pin)
        found = _match(named, key_type, blob)
        if found.state is PinState.KNOWN or named is bare:
            return found
        if any(pin.marker is Marker.KEY and pin.key_type == key_type for pin in named):
            return found
        # As ssh does: a host on another port may stand there without its port, but only a match counts.
        without_port = _match(bare, key_type, blob)
        return without_port if without_port.state is PinState.KNOWN else found

    def judge_certificate(
        self, host: str, port: int, certificate: HostCertificate, now: datetime
    ) -> Judgement:
        """Say whether an authority of this host vouches for it, as check_host_key() of OpenSSH does.

        Otherwise its plain key is judged, and `why` says what is wrong with the certificate.
        """
        named, bare = self._lines(host, port)
        for pin in (*named, *bare):
            if pin.marker is Marker.REVOKED and pin.blob in (certificate.blob, certificate.authority):
                return Judgement(state=PinState.REVOKED, pin=pin)
        signer = next(
            (
                pin
                for pin in (*named, *bare)
                if pin.marker is Marker.AUTHORITY and pin.blob == certificate.authority
            ),
            None,
        )
        if signer is None:
            why = f"the certificate's authority {fingerprint(certificate.authority)} is not pinned"
        else:
            why = certificate.refusal(host.lower(), now)
            if not why:
                return Judgement(state=PinState.KNOWN, pin=signer)
        plain = self.judge(host, port, certificate.key_type, certificate.blob)
        return Judgement(state=plain.state, pin=plain.pin, why=why)

    def _lines(self, host: str, port: int) -> tuple[tuple[Pin, ...], tuple[Pin, ...]]:
        """Lines that name the host with its port, and without one; the same ones on port 22."""
        named = self._of(host_name(host, port))
        return named, named if port == DEFAULT_PORT else self._of(host_name(host, DEFAULT_PORT))

    def _of(self, name: str) -> tuple[Pin, ...]:
        """All lines that name this host, in their order; remembered, since each host asks several times."""
        if name not in self._found:
            salted = name.encode("utf-8")
            found = [
                *self._exact.get(name, ()),
                *(place for place in self._patterns if _covers(self._pins[place].hosts, name)),
                *(
                    place
                    for salt, digest, place in self._hashed
                    if hmac.compare_digest(hmac.digest(salt, salted, "sha1"), digest)
                ),
            ]
            self._found[name] = tuple(self._pins[place] for place in sorted(set(found)))
        return self._found[name]


def read(*paths: Path) -> KnownHosts:
    """Read known_hosts files; one that does not exist pins nobody.

    Raises ConfigError when one cannot be read or others may write to it.
    """
    files = [_parse(_bytes_of(path), path.name) for path in paths]
    return KnownHosts(
        ", ".join(path.name for path in paths),
        [pin for pins, _ in files for pin in pins],
        [warning for _, warnings in files for warning in warnings],
    )


def parse(raw: bytes, name: str) -> KnownHosts:
    """Read the lines of a known_hosts file; damaged ones become warnings that name them."""
    return KnownHosts(name, *_parse(raw, name))


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            raw = stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return b""
    except OSError as err:
        message = f"{path.name}: the pinned host keys cannot be read: {err.strerror}"
        raise ConfigError(message, hint="Make the file readable to the user who inspects.") from err
    if mode & 0o022:
        message = f"{path.name}: others may write to the pinned host keys (mode {mode & 0o777:04o})"
        raise ConfigError(message, hint=f"chmod go-w {path.name}")
    if len(raw) > MAX_FILE_BYTES:
        message = f"{path.name}: more than {MAX_FILE_BYTES >> 20} MiB of pinned host keys"
        raise ConfigError(message, hint="Remove the lines of hosts that are not inspected.")
    return raw


def _parse(raw: bytes, name: str) -> tuple[list[Pin], list[str]]:
    pins: list[Pin] = []
    warnings: list[str] = []
    for number, line in enumerate(raw.split(b"\n"), 1):
        # To ssh, written in C, a line ends at its first NUL.
        text = line.partition(b"\0")[0].decode("utf-8", errors="replace").strip(" \t")
        if not text.rstrip("\r") or text.startswith("#"):
            continue
        try:
            pins.append(_pin(text, name, number))
        except ValueError as defect:
            warnings.append(f"{name}:{number}: {defect}")
    return pins, warnings


def host_name(host: str, port: int) -> str:
    """Return a host as known_hosts spells it: `[host]:port` on any port but 22."""
    return host.lower() if port == DEFAULT_PORT else f"[{host.lower()}]:{port}"


def fingerprint(blob: bytes) -> str:
    """Return `SHA256:…` of a key blob, as ssh-keygen -l prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def _pin(text: str, name: str, number: int) -> Pin:
    """Read one line; raises ValueError with the defect."""
    words = re.split(r"[ \t]+", text)
    marker = words.pop(0) if words[0].startswith("@") else ""
    if marker not in tuple(Marker):
        message = "unknown marker"
        raise ValueError(message)
    if len(words) < 3 or not words[2].strip("\r"):  # noqa: PLR2004 (hosts, type, key)
        message = "the line ends before the key"
        raise ValueError(message)
    if marker == Marker.AUTHORITY and text[len(marker)] == "\t" and " " in text:
        message = "a tab after the marker: ssh does not read such a line"
        raise ValueError(message)
    hosts, key_type, key = words[:3]
    if hosts.startswith("|") and _HASHED.fullmatch(hosts) is None:
        message = "damaged hashed host name"
        raise ValueError(message)
    if any(len(pattern.lstrip("!")) > _LONGEST_PATTERN for pattern in hosts.split(",")):
        message = f"a host pattern of more than {_LONGEST_PATTERN} letters"
        raise ValueError(message)
    return Pin(
        file=name,
        line=number,
        hosts=hosts,
        marker=Marker(marker),
        key_type=_SIGNATURES.get(key_type, key_type),
        blob=_blob(_SIGNATURES.get(key_type, key_type), key, revoked=marker == Marker.REVOKED),
    )


_SIGNATURES = dict.fromkeys(("rsa-sha2-256", "rsa-sha2-512"), "ssh-rsa")
"""ssh takes the name of a signature for that of the key"""


def _blob(key_type: str, key: str, *, revoked: bool) -> bytes:
    """Read a key as ssh reads it; raises ValueError with the defect."""
    if key_type.removesuffix(SUFFIX) not in KEY_TYPES:
        message = "key type not supported"
        raise ValueError(message)
    text = key.translate(_BLANKS)
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        message = "damaged key"
        raise ValueError(message) from err
    if base64.b64encode(blob).decode("ascii") != text:
        message = "damaged key: stray bits in its padding"
        raise ValueError(message)
    if key_type.endswith(SUFFIX):
        # A certificate pins nobody, but to revoke one is to revoke its key.
        return read_certificate(blob).blob if revoked else blob
    if not _is_key(key_type.encode("ascii"), blob):
        message = f"the key is no whole {key_type} key"
        raise ValueError(message)
    return blob


_BLANKS = dict.fromkeys(map(ord, "\r\v\f"))
"""blanks that ssh skips inside of a key"""
_FIELDS = {b"ssh-ed25519": 2, b"ssh-rsa": 3}
"""strings in a public key blob (RFC 8709 section 4, RFC 4253 section 6.6); RFC 5656 section 3.1 has 3"""


def _is_key(key_type: bytes, blob: bytes) -> bool:
    fields: list[bytes] = []
    at = 0
    while at + 4 <= len(blob):
        size = int.from_bytes(blob[at : at + 4], "big")
        fields.append(blob[at + 4 : at + 4 + size])
        at += 4 + size
    whole = at == len(blob) and len(fields) == _FIELDS.get(key_type, 3) and all(fields)
    return whole and fields[0] == key_type


def rsa_bits(blob: bytes) -> int:
    """Return the length of an RSA key's modulus, the last string of its blob (RFC 4253 section 6.6)."""
    at = 0
    modulus = b""
    while at + 4 <= len(blob):
        size = int.from_bytes(blob[at : at + 4], "big")
        modulus = blob[at + 4 : at + 4 + size]
        at += 4 + size
    return int.from_bytes(modulus, "big").bit_length()


def _match(pins: Sequence[Pin], key_type: str, blob: bytes) -> Judgement:
    against: Pin | None = None
    for pinned in pins:
        if pinned.marker is not Marker.KEY:
            continue
        if pinned.key_type == key_type and hmac.compare_digest(pinned.blob, blob):
            return Judgement(state=PinState.KNOWN, pin=pinned)
        if against is None or (against.key_type != key_type and pinned.key_type == key_type):
            against = pinned
    return Judgement(state=PinState.CHANGED if against else PinState.UNKNOWN, pin=against)


def _covers(hosts: str, name: str) -> bool:
    """Match a name in lower case as match_hostname() of OpenSSH does: one negated match excludes."""
    covered = False
    for pattern in hosts.lower().split(","):
        if pattern.startswith("!"):
            if matches(pattern[1:], name):
                return False
        elif matches(pattern, name):
            covered = True
    return covered
