"""Fetch declared inventories and put their hosts beside the declared ones."""

import subprocess
from pathlib import Path

from msgspec import structs

from config.ansible import InventoryProblems, read_inventory
from config.errors import ConfigError
from config.model import Config, Host, InventorySource, Privilege

_COMMAND_S = 120
MOST_BYTES = 64 << 20
_SHOWN = 20


def with_inventories(config: Config, folder: Path) -> Config:
    """Return the configuration with the hosts of all inventories; declared hosts win.

    Raises ConfigError when an inventory cannot be fetched or taken, naming every host that stands against it.
    """
    if not config.inventory:
        return config
    hosts = {host.name: host for host in config.host}
    taken = {journal.name for journal in config.mail} | {"roster"}
    for source in config.inventory:
        for host in _hosts(source, folder):
            if host.name in taken:
                message = f"{_name(source)}: {host.name} is the name of another target"
                raise ConfigError(message, hint="Rename the [[mail]] journal.")
            hosts.setdefault(host.name, host)
    return structs.replace(config, host=tuple(hosts.values()))


def _hosts(source: InventorySource, folder: Path) -> tuple[Host, ...]:
    if bool(source.command) == bool(source.file):
        message = "[[inventory]] needs either command or file"
        raise ConfigError(message, hint='Such as command = ["ansible-inventory", "-i", "hosts", "--list"].')
    if source.privilege is Privilege.FORCED and source.user != "root":
        message = "[[inventory]]: a forced command is reached by a log-in as root"
        raise ConfigError(message, hint='Set user = "root", or privilege = "installed".')
    raw = _run(source.command, folder) if source.command else _read(folder / Path(source.file).expanduser())
    try:
        return read_inventory(raw, source)
    except InventoryProblems as err:
        more = len(err.lines) - _SHOWN
        lines = [*err.lines[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        message = "\n".join(f"{_name(source)}: {line}" for line in lines)
        raise ConfigError(message, hint="nothing was contacted") from err


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as err:
        message = f"{path}: the inventory cannot be read: {err.strerror}"
        raise ConfigError(message, hint="Correct file under [[inventory]].") from err
    return _bounded(raw, str(path))


def _run(command: tuple[str, ...], folder: Path) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 (the site's own configuration)
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMMAND_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        why = err.strerror if isinstance(err, OSError) else f"no answer within {_COMMAND_S} s"
        message = f"{command[0]}: {why}"
        raise ConfigError(message, hint="Run the command of [[inventory]] by hand.") from err
    if done.returncode:
        said = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
        message = f"{command[0]} ended with status {done.returncode}: {said[-1][:300] if said else ''}"
        raise ConfigError(message, hint="Run the command of [[inventory]] by hand.")
    return _bounded(done.stdout, command[0])


def _bounded(raw: bytes, name: str) -> bytes:
    if len(raw) > MOST_BYTES:
        message = f"{name}: an inventory of more than {MOST_BYTES >> 20} MiB"
        raise ConfigError(message, hint="Take some of its groups only.")
    return raw


def _name(source: InventorySource) -> str:
    return source.file or source.command[0]
