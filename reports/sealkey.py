"""The seal key: an Ed25519 key in a file of OpenSSH's format, behind one interface: sign bytes."""

import base64
import hashlib
import os
import stat
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from config.errors import SealError
from reports.durable import create, sync
from reports.note import VerifierKey, is_name

KDF_ROUNDS = 100
"""bcrypt rounds of a new key file: about a second to open, so that guessing a passphrase is slow"""
MOST_BYTES = 16_384


class Signer(Protocol):
    """What seals: a key file now; an agent or a token may come."""

    @property
    def verifier(self) -> VerifierKey:
        """Name, id and public key."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature; the same data gives the same bytes."""
        ...


class SealKey:
    """An opened key file."""

    def __init__(self, private: Ed25519PrivateKey, *, origin: str) -> None:
        self._private = private
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._verifier = VerifierKey.of(origin, public)

    @classmethod
    def create(cls, path: Path, *, origin: str, passphrase: bytes | None = None) -> "SealKey":
        """Make a key and write it with mode 0600 to a file that must not exist yet; raises SealError.

        `origin` names the log, such as tenken.example/kk. The format is OpenSSH's and not PKCS#8, which
        the library writes with 2,048 rounds of PBKDF2 only.
        """
        _check_origin(origin)
        private = Ed25519PrivateKey.generate()
        lock: KeySerializationEncryption = NoEncryption()
        if passphrase is not None:
            builder = PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(KDF_ROUNDS)
            lock = builder.build(passphrase)
        try:
            create(path, private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, lock))
            sync(path)
            sync(path.parent)
        except OSError as err:
            message = f"cannot write the key file {path}: {err.strerror}"
            raise SealError(message, hint="A key is never overwritten; choose another name.") from err
        return cls(private, origin=origin)

    @classmethod
    def load(cls, path: Path, *, origin: str, passphrase: bytes | None = None) -> "SealKey":
        """Open a key file that only its owner can read; raises SealError."""
        _check_origin(origin)
        raw = _read_private(path)
        try:
            private = load_ssh_private_key(raw, password=passphrase)
        except (ValueError, TypeError, UnsupportedAlgorithm) as err:
            message = (
                f"the key file {path} cannot be opened: wrong or missing passphrase, or not an OpenSSH key"
            )
            raise SealError(message, hint="Try `ssh-keygen -y -f FILE`.") from err
        if not isinstance(private, Ed25519PrivateKey):
            message = f"the key in {path} is not Ed25519"
            raise SealError(message, hint="Make one with `tenken key new`.")
        return cls(private, origin=origin)

    @property
    def verifier(self) -> VerifierKey:
        """Name, id and public key."""
        return self._verifier

    @property
    def fingerprint(self) -> str:
        """`SHA256:…` as `ssh-keygen -l` prints it."""
        blob = self._private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1]
        digest = hashlib.sha256(base64.b64decode(blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature of exactly `data`."""
        return self._private.sign(data)


def _check_origin(origin: str) -> None:
    if not is_name(origin):
        message = f"{origin!r} cannot name a log: printable ASCII without spaces and plus signs, please"
        raise SealError(message)


def _read_private(path: Path) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as err:
        message = f"cannot read the key file {path}: {err.strerror}"
        raise SealError(message, hint="Make one with `tenken key new`.") from err
    try:
        # The opened file is judged, not its name: nothing can change in between.
        state = os.fstat(file)
        if not stat.S_ISREG(state.st_mode) or state.st_uid not in (0, os.geteuid()):
            message = f"the key file {path} belongs to somebody else or is no file"
            raise SealError(message, hint="It must be yours.")
        if state.st_mode & 0o077:
            message = f"the key file {path} is open to others (mode {stat.S_IMODE(state.st_mode):04o})"
            raise SealError(message, hint=f"chmod 0600 {path}; if others could read it, make a new key.")
        return os.read(file, MOST_BYTES)
    finally:
        os.close(file)
