"""Pinned host keys: who a host must prove to be before anything is said to it.

The file format is that of sshd(8), section SSH_KNOWN_HOSTS FILE FORMAT, and the decisions are
those of the OpenSSH client with StrictHostKeyChecking=yes, but stricter in two places:
a host that is pinned but shows a key of another type counts as changed, not as unknown;
a key revoked for the bare name is revoked on every port of that host.
`@cert-authority` lines are not supported: each is skipped with a warning.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from config.errors import ConfigError

DEFAULT_PORT = 22
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
"""key types that can be pinned, preferred ones first"""
MAX_FILE_BYTES = 64 << 20
_HASHED = re.compile(r"\|1\|([A-Za-z0-9+/]{27}=)\|([A-Za-z0-9+/]{27}=)")
_PLAIN_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,255}")


class PinState(StrEnum):
    """What the pins say of a host's key."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    """no pin of this host"""
    CHANGED = "changed"
    """the host is pinned, but not with this key"""
    REVOKED = "revoked"


class Pin(Struct, frozen=True, kw_only=True):
    """One usable line."""

    line: int
    """counted from 1"""
    hosts: str
    """the first word as it stands: patterns, or a hashed name"""
    revoked: bool
    key_type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """`SHA256:…`, as ssh-keygen -l prints it."""
        return fingerprint(self.blob)


class Judgement(Struct, frozen=True, kw_only=True):
    """What the pins say of one key of one host."""

    state: PinState
    pin: Pin | None = None
    """the line that decided: the match, the revocation, or the pin that differs"""


class OfferedKey(Struct, frozen=True, kw_only=True):
    """A key that a server proved to hold."""

    key_type: str
    base64: str
    fingerprint: str


class Conflict(Struct, frozen=True, kw_only=True):
    """A pin that stands against what the host offers now."""

    line: int
    key_type: str
    pinned: str
    """fingerprint of the pin"""
    offered: str
    """fingerprint of the offered key of that type; empty when the host offers none"""


class KnownHosts:
    """The pins of one file; threads may share it."""

    def __init__(self, name: str, pins: Sequence[Pin], warnings: Sequence[str]) -> None:
        self.name = name
        """the file's name without its folder, for evidence"""
        self.warnings = tuple(warnings)
        """lines that were skipped, as `file:line: why`"""
        exact: dict[str, list[Pin]] = {}
        self._patterns: list[Pin] = []
        self._hashed: list[tuple[bytes, bytes, Pin]] = []
        for pinned in pins:
            hashed = _HASHED.fullmatch(pinned.hosts)
            if hashed:
                self._hashed.append((base64.b64decode(hashed[1]), base64.b64decode(hashed[2]), pinned))
            elif any(sign in pinned.hosts for sign in "*?!"):
                self._patterns.append(pinned)
            else:
                for host in pinned.hosts.lower().split(","):
                    exact.setdefault(host, []).append(pinned)
        self._exact = exact
        self._found: dict[str, tuple[Pin, ...]] = {}

    def pinned_types(self, host: str, port: int) -> tuple[str, ...]:
        """Key types that this host is pinned with, preferred ones first."""
        pins = (*self._of(host_name(host, port)), *self._of(host_name(host, DEFAULT_PORT)))
        types = {pin.key_type for pin in pins if not pin.revoked}
        return tuple(kind for kind in KEY_TYPES if kind in types)

    def judge(self, host: str, port: int, key_type: str, blob: bytes) -> Judgement:
        """Say whether this key of this host is pinned; a revocation wins over every pin."""
        named = self._of(host_name(host, port))
        bare = named if port == DEFAULT_PORT else self._of(host_name(host, DEFAULT_PORT))
        for pin in (*named, *bare):
            if pin.revoked and pin.blob == blob:
                return Judgement(state=PinState.REVOKED, pin=pin)
        found = _match(named, key_type, blob)
        if found.state is PinState.KNOWN or named is bare:
            return found
        if any(not pin.revoked and pin.key_type == key_type for pin in named):
            return found
        # As ssh does: a host on another port may stand there without its port, but only a match counts.
        without_port = _match(bare, key_type, blob)
        return without_port if without_port.state is PinState.KNOWN else found

    def _of(self, name: str) -> tuple[Pin, ...]:
        """All lines that name this host, in their order; remembered, since each host asks several times."""
        if name not in self._found:
            salted = name.encode("utf-8")
            found = [
                *self._exact.get(name, ()),
                *(pinned for pinned in self._patterns if _covers(pinned.hosts, name)),
                *(
                    pinned
                    for salt, digest, pinned in self._hashed
                    if hmac.compare_digest(hmac.digest(salt, salted, "sha1"), digest)
                ),
            ]
            self._found[name] = tuple(sorted(found, key=lambda pinned: pinned.line))
        return self._found[name]


def read(path: Path) -> KnownHosts:
    """Read a known_hosts file; a file that does not exist pins nobody.

    Raises ConfigError when it cannot be read or others may write to it.
    """
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            raw = stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return KnownHosts(path.name, (), ())
    except OSError as err:
        message = f"{path.name}: the pinned host keys cannot be read: {err.strerror}"
        raise ConfigError(message, hint="Make the file readable to the user who inspects.") from err
    if mode & 0o022:
        message = f"{path.name}: others may write to the pinned host keys (mode {mode & 0o777:04o})"
        raise ConfigError(message, hint=f"chmod go-w {path.name}")
    if len(raw) > MAX_FILE_BYTES:
        message = f"{path.name}: more than {MAX_FILE_BYTES >> 20} MiB of pinned host keys"
        raise ConfigError(message, hint="Remove the lines of hosts that are not inspected.")
    return parse(raw, path.name)


def parse(raw: bytes, name: str) -> KnownHosts:
    """Read the lines of a known_hosts file; damaged ones become warnings that name them."""
    pins: list[Pin] = []
    warnings: list[str] = []
    for number, line in enumerate(raw.split(b"\n"), 1):
        text = line.decode("utf-8", errors="replace").removesuffix("\r").strip(" \t")
        if not text or text.startswith("#"):
            continue
        try:
            pins.append(_pin(text, number))
        except ValueError as defect:
            warnings.append(f"{name}:{number}: {defect}")
    return KnownHosts(name, pins, warnings)


def host_name(host: str, port: int) -> str:
    """Return a host as known_hosts spells it: `[host]:port` on any port but 22."""
    return host.lower() if port == DEFAULT_PORT else f"[{host.lower()}]:{port}"


def fingerprint(blob: bytes) -> str:
    """Return `SHA256:…` of a key blob, as ssh-keygen -l prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def pin(path: Path, host: str, port: int, keys: Iterable[OfferedKey]) -> tuple[Conflict, ...]:
    """Append the keys that are not pinned yet, all or nothing, in a file only its owner can read.

    Returns the pins that speak against the offered keys; then nothing was written.
    Raises ConfigError when the file cannot be read or written, or the host has no plain name.
    """
    if _PLAIN_HOST.fullmatch(host) is None:
        message = f"host {host!r} cannot be pinned: no plain name or address"
        raise ConfigError(message, hint="Use a DNS name or an IP address without wildcards.")
    offered = {key.key_type: key for key in keys}
    known = read(path)
    conflicts, missing = _compare(known, host, port, offered)
    if conflicts or not missing:
        return conflicts
    lines = "".join(f"{host_name(host, port)} {key.key_type} {key.base64}\n" for key in missing)
    _append(path, lines.encode("ascii"))
    return ()


def _compare(
    known: KnownHosts, host: str, port: int, offered: dict[str, OfferedKey]
) -> tuple[tuple[Conflict, ...], tuple[OfferedKey, ...]]:
    conflicts: list[Conflict] = []
    missing: list[OfferedKey] = []
    verdicts = {
        key_type: known.judge(host, port, key_type, base64.b64decode(key.base64, validate=True))
        for key_type, key in offered.items()
    }
    # A host that still holds one pinned key may have got a further one;
    # a host that holds none of them is another host.
    same_host = any(verdict.state is PinState.KNOWN for verdict in verdicts.values())
    for key_type, verdict in verdicts.items():
        against = verdict.pin
        if verdict.state is PinState.KNOWN:
            continue
        if against is not None and (
            verdict.state is PinState.REVOKED or against.key_type == key_type or not same_host
        ):
            conflicts.append(
                Conflict(
                    line=against.line,
                    key_type=against.key_type,
                    pinned=against.fingerprint,
                    offered=offered[against.key_type].fingerprint if against.key_type in offered else "",
                )
            )
        else:
            missing.append(offered[key_type])
    return tuple(dict.fromkeys(conflicts)), tuple(missing)


def _append(path: Path, lines: bytes) -> None:
    target = path.resolve()
    try:
        before = target.read_bytes() if target.exists() else b""
        if before and not before.endswith(b"\n"):
            before += b"\n"
        target.parent.mkdir(parents=True, exist_ok=True)
        # mkstemp makes the file with mode 0600.
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(before + lines)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as err:
        message = f"{path.name}: the host key cannot be pinned: {err.strerror}"
        raise ConfigError(message, hint="Make the file's folder writable to the user who pins.") from err


def _pin(text: str, number: int) -> Pin:
    """Read one line; raises ValueError with the defect."""
    words = re.split(r"[ \t]+", text)
    marker = words.pop(0) if words[0].startswith("@") else ""
    if marker == "@cert-authority":
        message = "@cert-authority is not supported yet: hosts it stands for stay unknown"
        raise ValueError(message)
    if marker not in ("", "@revoked"):
        message = "unknown marker"
        raise ValueError(message)
    if len(words) < 3:  # noqa: PLR2004 (hosts, type, key)
        message = "the line ends before the key"
        raise ValueError(message)
    hosts, key_type, key = words[:3]
    if hosts.startswith("|") and _HASHED.fullmatch(hosts) is None:
        message = "damaged hashed host name"
        raise ValueError(message)
    if key_type not in KEY_TYPES:
        message = "key type not supported"
        raise ValueError(message)
    try:
        blob = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError) as err:
        message = "damaged key"
        raise ValueError(message) from err
    if not _is_key(key_type.encode("ascii"), blob):
        message = f"the key is no whole {key_type} key"
        raise ValueError(message)
    return Pin(line=number, hosts=hosts, revoked=marker == "@revoked", key_type=key_type, blob=blob)


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


def _match(pins: Sequence[Pin], key_type: str, blob: bytes) -> Judgement:
    against: Pin | None = None
    for pinned in pins:
        if pinned.revoked:
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
            if wildcard(pattern[1:], name):
                return False
        elif wildcard(pattern, name):
            covered = True
    return covered


def wildcard(pattern: str, text: str) -> bool:
    """Match `*` and `?` of ssh_config(5) in time linear in both lengths' product, whatever the pattern."""
    at = of = 0
    star, resume = -1, 0
    while at < len(text):
        if of < len(pattern) and pattern[of] == "*":
            star, resume = of, at
            of += 1
        elif of < len(pattern) and pattern[of] in ("?", text[at]):
            at += 1
            of += 1
        elif star >= 0:
            resume += 1
            at, of = resume, star + 1
        else:
            return False
    return all(sign == "*" for sign in pattern[of:])
