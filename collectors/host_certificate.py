"""An OpenSSH host certificate (PROTOCOL.certkeys): which key it vouches for, and for which host and time."""

import base64
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)
from msgspec import Struct

from collectors.evidence import printable

SUFFIX = "-cert-v01@openssh.com"
_KEY_FIELDS = {"ssh-ed25519": 1, "ssh-rsa": 2}
"""strings of a key inside a certificate; ECDSA has 2"""
_NEVER = (1 << 64) - 1
"""`forever`, the end of a certificate without an end"""


class HostCertificate(Struct, frozen=True, kw_only=True):
    """A certificate whose signature is that of its authority; nothing else of it was judged."""

    key_type: str
    """of the key it vouches for"""
    blob: bytes
    """that key, as a plain key blob"""
    authority: bytes
    """the key blob of the authority that signed it"""
    signed_with: str
    """signature algorithm"""
    for_hosts: bool
    principals: tuple[str, ...]
    """host names, compared whole as OpenSSH 9.2 does; none stands for every host"""
    valid_after: int
    """seconds since 1970"""
    valid_before: int
    """seconds since 1970; the first one at which it is no longer valid"""
    critical: tuple[str, ...]
    """names of critical options"""

    def refusal(self, host: str, now: datetime) -> str:
        """Say why it does not hold for `host` at `now`, as ssh judges it; nothing when it does."""
        seconds = int(now.timestamp())
        if not self.for_hosts:
            return "the certificate is one for users"
        if seconds < self.valid_after:
            return f"the certificate is valid only from {_day(self.valid_after)}"
        if seconds >= self.valid_before:
            return f"the certificate ended on {_day(self.valid_before)}"
        if self.principals and host not in self.principals:
            listed = printable(", ".join(self.principals).encode(), limit=120)
            return f"the certificate is for {listed}"
        if self.critical:
            return "the certificate has critical options, and none is known for hosts"
        if self.signed_with == "ssh-rsa":
            return "the certificate is signed with SHA-1"
        return ""


def read_certificate(blob: bytes) -> HostCertificate:
    """Read a certificate as a server sent it, and check its signature.

    Raises ValueError when it is damaged, of an unknown kind, or not signed by the authority it names.
    """
    try:
        kind = _strings(blob, 1)[0][0].decode("ascii")
        line = kind.encode() + b" " + base64.b64encode(blob)
        read = load_ssh_public_identity(line)
        if not isinstance(read, SSHCertificate):
            raise ValueError("no certificate")  # noqa: EM101, TRY003, TRY004, TRY301 (one path for every defect)
        read.verify_cert_signature()
        return HostCertificate(
            key_type=kind.removesuffix(SUFFIX),
            blob=_plain(read.public_key()),
            authority=_plain(read.signature_key()),
            signed_with=_signature_type(kind.removesuffix(SUFFIX), blob),
            for_hosts=read.type is SSHCertificateType.HOST,
            principals=tuple(each.decode("utf-8") for each in read.valid_principals),
            valid_after=read.valid_after,
            valid_before=read.valid_before,
            critical=tuple(printable(name, limit=64) for name in read.critical_options),
        )
    except (ValueError, InvalidSignature, UnsupportedAlgorithm) as err:
        message = "the host certificate is damaged or not signed by the authority it names"
        raise ValueError(message) from err


def _plain(key: object) -> bytes:
    line: bytes = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)  # type: ignore[attr-defined]
    return base64.b64decode(line.split(b" ")[1])


def _signature_type(key_type: str, blob: bytes) -> str:
    """Name the algorithm of the last field, which the library checks but does not tell."""
    _, at = _strings(blob, 2 + _KEY_FIELDS.get(key_type, 2))  # type, nonce, the key
    _, at = _strings(blob, 2, at + 8 + 4)  # serial and kind; key id, principals
    fields, _ = _strings(
        blob, 5, at + 8 + 8
    )  # both times; options, extensions, reserved, authority, signature
    return _strings(fields[4], 1)[0][0].decode("ascii")


def _strings(blob: bytes, count: int, at: int = 0) -> tuple[list[bytes], int]:
    """Read `count` strings of RFC 4251 section 5; raises ValueError when they do not fit."""
    found: list[bytes] = []
    for _ in range(count):
        size = int.from_bytes(blob[at : at + 4], "big")
        if at + 4 + size > len(blob) or at + 4 > len(blob):
            raise ValueError("cut short")  # noqa: EM101, TRY003 (one path for every defect)
        found.append(blob[at + 4 : at + 4 + size])
        at += 4 + size
    return found, at


def _day(seconds: int) -> str:
    if seconds >= _NEVER or seconds > 253_402_300_799:  # noqa: PLR2004 (the year 9999)
        return "never"
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
