"""Fetch a declared secret: from a file, the environment, a systemd credential, or a command."""

import os
import stat
import subprocess
from pathlib import Path

from config.errors import ConfigError
from config.model import Secret

MOST_BYTES = 65_536
_COMMAND_S = 60
"""a password manager may ask its user first"""


def fetch(secret: Secret, what: str, folder: Path) -> str:
    """Return the secret's first line; `what` names it for errors, which never quote it.

    Raises ConfigError when not exactly one place is given, or when that place holds no secret.
    """
    given = [name for name in ("file", "env", "credential", "command") if getattr(secret, name)]
    if len(given) != 1:
        message = f"{what}: exactly one of file, env, credential and command is needed"
        raise ConfigError(message, hint=f'Such as {what} = {{ file = "keys/passphrase" }}.')
    match given[0]:
        case "file":
            found = _of_file(folder / Path(secret.file).expanduser(), what)
        case "env":
            found = os.environ.get(secret.env, "").encode("utf-8", "surrogateescape")
        case "credential":
            found = _of_credential(secret.credential, what)
        case _:
            found = _of_command(secret.command, what)
    try:
        line = found.decode("utf-8").split("\n")[0].removesuffix("\r")
    except UnicodeDecodeError as err:
        message = f"{what}: what {given[0]} gives is no UTF-8 text"
        raise ConfigError(message, hint="Store it as plain text.") from err
    if not line:
        message = f"{what}: {given[0]} gives nothing"
        raise ConfigError(message, hint=f"Check {given[0]} = {getattr(secret, given[0])!r}.")
    return line


def _of_file(path: Path, what: str) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_IMODE(mode) & 0o077:
            message = f"{what}: {path} is accessible to others ({stat.S_IMODE(mode):04o})"
            raise ConfigError(message, hint=f"chmod 600 {path}")
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    except OSError as err:
        message = f"{what}: {path} cannot be read: {err.strerror}"
        raise ConfigError(message, hint="Write the secret there, or name another place.") from err


def _of_credential(name: str, what: str) -> bytes:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder or Path(name).name != name:
        message = f"{what}: no credential {name!r}: this does not run in a unit that loads it"
        raise ConfigError(message, hint=f"Add LoadCredential={name}:PATH to the unit.")
    return _of_file(Path(folder) / name, what)


def _of_command(command: tuple[str, ...], what: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 (the site's own configuration)
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=_COMMAND_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        why = err.strerror if isinstance(err, OSError) else f"no answer within {_COMMAND_S} s"
        message = f"{what}: {command[0]}: {why}"
        raise ConfigError(message, hint="Run the command by hand, as the user who inspects.") from err
    if done.returncode:
        message = f"{what}: {command[0]} ended with status {done.returncode}"
        raise ConfigError(message, hint="Run the command by hand, as the user who inspects.")
    return done.stdout[:MOST_BYTES]
