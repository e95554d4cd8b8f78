"""Our own keys: from a file, with the certificate beside it, or held by an ssh-agent."""

import base64
import stat
import threading
from pathlib import Path
from typing import Any, TypeAlias

from collectors.ssh_library import paramiko
from config.errors import ConfigError

Identity: TypeAlias = Any
"""a private key; paramiko has no types"""

MOST = 5
"""keys that are shown to one host at most: sshd hangs up after six (MaxAuthTries)"""


class Keyring:
    """The keys of one run; threads may share what it gives out.

    `passphrase` opens encrypted key files; with `agent` keys of the ssh-agent at SSH_AUTH_SOCK count too.
    """

    def __init__(self, *, passphrase: str | None = None, agent: bool = False) -> None:
        self._passphrase = passphrase
        self._agent = agent
        self._held: tuple[Identity, ...] | None = None
        self._loaded: dict[Path, Identity] = {}

    def of_file(self, path: Path) -> Identity:
        """Return the key of a private key file, or of a `.pub` file whose key the agent holds.

        Raises ConfigError when it is missing, readable to others (as ssh refuses it), encrypted
        without a passphrase that opens it, or no Ed25519, ECDSA or RSA key.
        """
        if path not in self._loaded:
            held = self._held_for(path) if self._agent else None
            self._loaded[path] = held or load_identity(path, self._passphrase)
        return self._loaded[path]

    def held(self) -> tuple[Identity, ...]:
        """Return the keys that the agent holds, in its order. Raises ConfigError when there is no agent."""
        if not self._agent:
            return ()
        if self._held is None:
            self._held = _ask_agent()
        return self._held

    def _held_for(self, path: Path) -> Identity | None:
        public = path if path.suffix == ".pub" else path.with_name(f"{path.name}.pub")
        try:
            blob = base64.b64decode(public.read_text("utf-8").split()[1], validate=True)
        except (OSError, ValueError, IndexError):
            return None
        found = next((key for key in self.held() if key.blob == blob), None)
        certificate = public.with_name(f"{public.name.removesuffix('.pub')}-cert.pub")
        if found is not None and certificate.is_file():
            try:
                found.load_certificate(str(certificate))
            except (ValueError, paramiko.SSHException) as err:
                message = f"{certificate}: no certificate of the key beside it"
                raise ConfigError(message, hint="Let it be signed again, or remove the file.") from err
        return found


class _HeldKey(paramiko.AgentKey):  # type: ignore[misc]  # paramiko has no types
    """A key of the agent, of whose one connection threads take turns."""

    turn = threading.Lock()

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> bytes:
        """Let the agent sign."""
        with self.turn:
            signature: bytes = super().sign_ssh_data(data, algorithm)
        return signature


def _ask_agent() -> tuple[Identity, ...]:
    try:
        agent = paramiko.Agent()
        keys = agent.get_keys()
    except (paramiko.SSHException, OSError) as err:
        message = "the ssh-agent does not answer as one"
        raise ConfigError(message, hint="Check SSH_AUTH_SOCK with ssh-add -l.") from err
    if not keys:
        message = "no ssh-agent is reached, or it holds no key"
        raise ConfigError(message, hint="Check SSH_AUTH_SOCK with ssh-add -l, or set agent = false.")
    # A certificate in the agent stands beside its key; the one beside the key file is used instead.
    return tuple(_HeldKey(agent, key.blob, key.comment) for key in keys if "-cert-" not in key.get_name())


def load_identity(path: Path, passphrase: str | None = None) -> Identity:
    """Read a private key file; see `Keyring.of_file`."""
    try:
        mode = path.stat().st_mode
        if stat.S_IMODE(mode) & 0o077:
            message = f"{path}: the private key is accessible to others ({stat.S_IMODE(mode):04o})"
            raise ConfigError(message, hint=f"chmod 600 {path}")
        return paramiko.PKey.from_path(path)
    except OSError as err:
        message = f"{path}: the private key cannot be read: {err.strerror}"
        hint = f"Make it with ssh-keygen -t ed25519 -f {path}, or declare another as identity."
        raise ConfigError(message, hint=hint) from err
    except (paramiko.PasswordRequiredException, TypeError) as err:
        # Only so does the library say that it is encrypted.
        if passphrase is None:
            message = f"{path}: the private key is encrypted"
            hint = "Declare its passphrase under [ssh], or let an ssh-agent hold it and set agent = true."
            raise ConfigError(message, hint=hint) from err
    except (paramiko.SSHException, paramiko.UnknownKeyType, ValueError) as err:
        message = f"{path.name}: no Ed25519, ECDSA or RSA private key"
        raise ConfigError(message, hint="Make one with ssh-keygen -t ed25519.") from err
    try:
        return paramiko.PKey.from_path(path, password=passphrase.encode())
    except (OSError, TypeError, ValueError, paramiko.SSHException, paramiko.UnknownKeyType) as err:
        message = f"{path}: the declared passphrase does not open the private key"
        raise ConfigError(message, hint=f"Try it with ssh-keygen -y -f {path}.") from err
