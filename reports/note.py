"""C2SP texts: signed note, verifier key, tlog-checkpoint, tlog-proof.

Sources: c2sp.org/signed-note, /tlog-checkpoint, /tlog-proof. Readers accept the one spelling that the
writers produce; every other ends in FormatError.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from config.errors import FormatError
from reports.merkle import WIDTH

ED25519 = 0x01
"""signature type byte of a plain note (signed-note, "Signatures")"""
ID_WIDTH = 4
KEY_WIDTH = 32
SIGNATURE_WIDTH = 64
PROOF_HEADER = "c2sp.org/tlog-proof@v1"
MOST_LINES = 128
"""lines of one note or proof: a path through 2^64 leaves has 64"""
_NAME = re.compile(r"[!-*,-~]{1,128}")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}")
_SIGNATURE = re.compile(r"— ([!-*,-~]{1,128}) ([A-Za-z0-9+/]+={0,2})")


class Signature(Struct, frozen=True, kw_only=True):
    """One signature line of a note."""

    name: str
    key_id: bytes
    """first 4 bytes of the key's hash: a hint, no proof"""
    signature: bytes


class VerifierKey(Struct, frozen=True, kw_only=True):
    """A vkey: name, key id and Ed25519 public key of a log."""

    name: str
    key_id: bytes
    public: bytes

    @classmethod
    def of(cls, name: str, public: bytes) -> Self:
        """Name a 32-byte Ed25519 public key."""
        if not is_name(name) or len(public) != KEY_WIDTH:
            message = f"no name or no key for a vkey: {name!r}, {len(public)} bytes"
            raise FormatError(message)
        full = hashlib.sha256(name.encode() + b"\n" + bytes([ED25519]) + public).digest()
        return cls(name=name, key_id=full[:ID_WIDTH], public=public)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `NAME+ID+KEY`; the key's base64 may itself hold a plus sign."""
        parts = text.split("+", 2)
        if len(parts) != 3:  # noqa: PLR2004 (name, id, key)
            message = "a vkey has three parts"
            raise FormatError(message)
        raw = unbase64(parts[2])
        if len(raw) != KEY_WIDTH + 1 or raw[0] != ED25519:
            message = "a vkey of an algorithm other than Ed25519"
            raise FormatError(message)
        key = cls.of(parts[0], raw[1:])
        if key.key_id.hex() != parts[1]:
            message = "a vkey whose id is not that of its key"
            raise FormatError(message)
        return key

    @property
    def text(self) -> str:
        """The vkey as it stands in a trust file."""
        encoded = base64.b64encode(bytes([ED25519]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether `signature` is this key's over the note text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


class Note(Struct, frozen=True, kw_only=True):
    """A text with signatures under it."""

    text: str
    """ends with a newline; exactly this is signed"""
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a signed note."""
        try:
            whole = raw.decode("utf-8")
        except UnicodeDecodeError as err:
            message = "a note that is not UTF-8"
            raise FormatError(message) from err
        if any(ord(char) < ord(" ") and char != "\n" for char in whole) or whole.count("\n") > MOST_LINES:
            message = "a note with control characters or too many lines"
            raise FormatError(message)
        text, gap, block = whole.rpartition("\n\n")
        if not text or not gap or not block.endswith("\n"):
            message = "a note without its signature lines"
            raise FormatError(message)
        signatures = tuple(_signature(line) for line in block[:-1].split("\n"))
        return cls(text=text + "\n", signatures=signatures)


def encode_root(value: bytes) -> str:
    """Write a root as a checkpoint has it."""
    return base64.b64encode(value).decode()


class Checkpoint(Struct, frozen=True, kw_only=True):
    """The state of a log: how many entries, and the root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{encode_root(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a note; extension lines are not accepted."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not is_name(lines[0]) or not _DECIMAL.fullmatch(lines[1]):  # noqa: PLR2004
            message = "a checkpoint is origin, size and root"
            raise FormatError(message)
        root = unbase64(lines[2])
        if len(root) != WIDTH:
            message = "a checkpoint whose root is no SHA-256"
            raise FormatError(message)
        return cls(origin=lines[0], size=int(lines[1]), root=root)


class Proof(Struct, frozen=True, kw_only=True):
    """A tlog-proof: where an entry stands, the path to the root, and the checkpoint."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    """a signed note, byte for byte"""

    def encode(self) -> bytes:
        """Write the text form, without extra data."""
        lines = [PROOF_HEADER, f"index {self.index}"]
        lines.extend(base64.b64encode(node).decode() for node in self.path)
        return ("\n".join(lines) + "\n\n").encode() + self.checkpoint

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the text form; the checkpoint in it is not read any further."""
        head, gap, checkpoint = raw.partition(b"\n\n")
        lines = head.decode("ascii", errors="replace").split("\n")
        start, _, index = lines[1].partition(" ") if len(lines) > 1 else ("", "", "")
        if (
            not gap
            or not 1 < len(lines) <= MOST_LINES
            or lines[0] != PROOF_HEADER
            or start != "index"
            or not _DECIMAL.fullmatch(index)
        ):
            message = "not a tlog-proof"
            raise FormatError(message)
        path = tuple(unbase64(line) for line in lines[2:])
        if any(len(node) != WIDTH for node in path):
            message = "a tlog-proof with a node that is no SHA-256"
            raise FormatError(message)
        return cls(index=int(index), path=path, checkpoint=checkpoint)


def sign_note(text: str, key: VerifierKey, sign: Callable[[bytes], bytes]) -> bytes:
    """Put one Ed25519 signature under `text`, which ends with a newline."""
    signature = sign(text.encode())
    line = base64.b64encode(key.key_id + signature).decode()
    return f"{text}\n— {key.name} {line}\n".encode()


def is_name(text: str) -> bool:
    """Whether `text` can name a key or a log: printable ASCII without space and plus."""
    return _NAME.fullmatch(text) is not None


def unbase64(text: str) -> bytes:
    """Read base64 in its one canonical spelling; raises FormatError for the others."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        message = "not base64"
        raise FormatError(message) from err
    if base64.b64encode(raw).decode() != text:
        message = "base64 in a spelling that is not canonical"
        raise FormatError(message)
    return raw


def _signature(line: str) -> Signature:
    found = _SIGNATURE.fullmatch(line)
    raw = unbase64(found[2]) if found else b""
    if found is None or len(raw) <= ID_WIDTH:
        message = "a signature line that is none"
        raise FormatError(message)
    return Signature(name=found[1], key_id=raw[:ID_WIDTH], signature=raw[ID_WIDTH:])
