"""Signatures of people: OpenSSH's SSHSIG, made by `ssh-keygen -Y sign` with a file, an agent or a FIDO key.

Source: OpenSSH PROTOCOL.sshsig, PROTOCOL.u2f; RFC 4253 section 6.6, RFC 5656, RFC 8332, RFC 8709.
"""

import base64
import hashlib
import struct

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from msgspec import Struct

from config.errors import FormatError

MOST_BYTES = 16_384
"""bytes of an armoured signature; an RSA key of 16,384 bits makes 6 KB"""
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_MAGIC = b"SSHSIG"
_LEAST_RSA_BITS = 2_048
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
_RSA = {"rsa-sha2-256": hashes.SHA256, "rsa-sha2-512": hashes.SHA512}
_ECDSA: dict[str, type[hashes.HashAlgorithm]] = {
    "ecdsa-sha2-nistp256": hashes.SHA256,
    "ecdsa-sha2-nistp384": hashes.SHA384,
    "ecdsa-sha2-nistp521": hashes.SHA512,
}
_SK = {
    "sk-ssh-ed25519@openssh.com": "ssh-ed25519",
    "sk-ecdsa-sha2-nistp256@openssh.com": "ecdsa-sha2-nistp256",
}
"""keys on a FIDO device, and the plain kind each holds"""
_TOUCHED = 0x01
"""flag: somebody touched the device"""


class PersonKey(Struct, frozen=True, kw_only=True):
    """A person's public key, as one line of `*.pub` has it; the comment counts for nothing."""

    kind: str
    blob: bytes

    @classmethod
    def parse(cls, line: str) -> "PersonKey":
        """Read `KIND BASE64 [COMMENT]`; raises FormatError for a key that cannot sign here."""
        words = line.split()
        try:
            kind, blob = words[0], base64.b64decode(words[1], validate=True)
        except (IndexError, ValueError) as err:
            message = "not a public key of OpenSSH"
            raise FormatError(message) from err
        key = cls(kind=kind, blob=blob)
        key.plain()
        return key

    @property
    def fingerprint(self) -> str:
        """`SHA256:…`, as ssh-keygen -l prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def on_device(self) -> bool:
        """Whether the private half is on a FIDO device, so that a touch is needed."""
        return self.kind in _SK

    def plain(self) -> tuple[Ed25519PublicKey | ec.EllipticCurvePublicKey | RSAPublicKey, bytes]:
        """Return the key itself and, for one on a device, the application it is for; raises FormatError."""
        reader = _Reader(self.blob)
        if reader.text() != self.kind:
            message = "a public key whose two names differ"
            raise FormatError(message)
        application = b""
        blob = self.blob
        if self.on_device:
            fields = [reader.string() for _ in range(1 if self.kind.startswith("sk-ssh-ed25519") else 2)]
            application = reader.string()
            reader.end()
            blob = b"".join(_string(each) for each in (_SK[self.kind].encode(), *fields))
        try:
            key = load_ssh_public_key(_SK.get(self.kind, self.kind).encode() + b" " + base64.b64encode(blob))
        except (ValueError, UnsupportedAlgorithm) as err:
            message = f"a public key of a kind that does not count: {self.kind[:40]!r}"
            raise FormatError(message) from err
        if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
            message = f"an RSA key of {key.key_size} bits is too short"
            raise FormatError(message)
        if not isinstance(key, Ed25519PublicKey | ec.EllipticCurvePublicKey | RSAPublicKey):
            message = f"a public key of a kind that does not count: {self.kind[:40]!r}"
            raise FormatError(message)
        return key, application


class Sshsig(Struct, frozen=True, kw_only=True):
    """One signature, read and not yet verified."""

    key: PersonKey
    """which it names; whether that key counts is for the trust file to say"""
    namespace: str
    hash_name: str
    kind: str
    signature: bytes
    rest: bytes
    """flags and counter of a FIDO device"""


def parse(raw: bytes) -> Sshsig:
    """Read an armoured signature in its one spelling; raises FormatError."""
    if len(raw) > MOST_BYTES:
        message = "too large for a signature"
        raise FormatError(message)
    message = "not a signature of ssh-keygen -Y sign"
    try:
        begin, *lines, end, after = raw.decode("ascii").split("\n")
        body = "".join(lines)
        blob = base64.b64decode(body, validate=True)
    except ValueError as err:
        raise FormatError(message) from err
    spelled = base64.b64encode(blob).decode() == body
    if (begin, end, after) != (_BEGIN, _END, "") or not spelled or blob[: len(_MAGIC)] != _MAGIC:
        raise FormatError(message)
    reader = _Reader(blob[len(_MAGIC) :])
    version, public, namespace, reserved, hash_name, signature = (
        reader.number(),
        reader.string(),
        reader.text(),
        reader.string(),
        reader.text(),
        reader.string(),
    )
    reader.end()
    if version != 1 or reserved or hash_name not in _HASHES:
        message = "a signature of an unknown version or hash"
        raise FormatError(message)
    inner = _Reader(signature)
    kind, value = inner.text(), inner.string()
    key = PersonKey(kind=_Reader(public).text(), blob=public)
    rest = inner.rest(5 if key.on_device else 0)
    return Sshsig(key=key, namespace=namespace, hash_name=hash_name, kind=kind, signature=value, rest=rest)


def verify(raw: bytes, data: bytes, *, namespace: str, key: PersonKey) -> None:
    """Raise FormatError unless `raw` is a signature by this key over `data` for this purpose."""
    found = parse(raw)
    if found.namespace != namespace:
        message = f"a signature for another purpose ({found.namespace[:40]!r}, not {namespace!r})"
        raise FormatError(message)
    if found.key != key:
        message = f"signed by another key ({found.key.fingerprint})"
        raise FormatError(message)
    digest = _HASHES[found.hash_name](data).digest()
    fields = (namespace.encode(), b"", found.hash_name.encode(), digest)
    signed = _MAGIC + b"".join(_string(each) for each in fields)
    public, application = key.plain()
    if key.on_device:
        if not found.rest[0] & _TOUCHED:
            message = "signed by a device that nobody touched"
            raise FormatError(message)
        signed = hashlib.sha256(application).digest() + found.rest + hashlib.sha256(signed).digest()
    try:
        _check(public, found, signed)
    except InvalidSignature as err:
        message = "the signature does not fit"
        raise FormatError(message) from err


def _check(
    public: Ed25519PublicKey | ec.EllipticCurvePublicKey | RSAPublicKey, found: Sshsig, signed: bytes
) -> None:
    if isinstance(public, RSAPublicKey):
        if found.kind not in _RSA:
            raise InvalidSignature
        public.verify(found.signature, signed, padding.PKCS1v15(), _RSA[found.kind]())
        return
    if found.kind != found.key.kind:
        raise InvalidSignature
    if isinstance(public, Ed25519PublicKey):
        public.verify(found.signature, signed)
        return
    reader = _Reader(found.signature)
    r, s = (int.from_bytes(reader.string(), "big", signed=True) for _ in range(2))
    reader.end()
    if r <= 0 or s <= 0:
        raise InvalidSignature
    algorithm = _ECDSA[_SK.get(found.kind, found.kind)]()
    public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(algorithm))


class _Reader:
    """The strings and numbers of RFC 4251 section 5."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def _take(self, count: int) -> bytes:
        taken = self._raw[self._at : self._at + count]
        if len(taken) != count:
            message = "cut short"
            raise FormatError(message)
        self._at += count
        return taken

    def number(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def string(self) -> bytes:
        return self._take(self.number())

    def text(self) -> str:
        try:
            return self.string().decode("ascii")
        except UnicodeDecodeError as err:
            message = "a name that is not ASCII"
            raise FormatError(message) from err

    def rest(self, count: int) -> bytes:
        taken = self._take(count)
        self.end()
        return taken

    def end(self) -> None:
        if self._at != len(self._raw):
            message = "something follows the end"
            raise FormatError(message)


def _string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value
