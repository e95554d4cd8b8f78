"""Fetch declared inventories and put their hosts beside the declared ones."""

import time
from pathlib import Path

from msgspec import structs

from collectors.evidence import Reason
from collectors.process import Process
from collectors.transport import HostError
from config.ansible import InventoryProblems, read_inventory
from config.errors import ConfigError
from config.model import Config, Host, InventorySource, Privilege
from reports.display import visible

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
        # Names of hosts and variables come from wherever the inventory comes from.
        message = "\n".join(f"{_name(source)}: {visible(line)}" for line in lines)
        raise ConfigError(message, hint="nothing was contacted") from err


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as err:
        message = f"{path}: the inventory cannot be read: {err.strerror}"
        raise ConfigError(message, hint="Correct file under [[inventory]].") from err
    if len(raw) > MOST_BYTES:
        raise _too_much(str(path))
    return raw


def _run(command: tuple[str, ...], folder: Path) -> bytes:
    by_hand = "Run the command of [[inventory]] by hand."
    try:
        # Bounded while it is read, and ended with all that it has started.
        done = Process().run(
            command, b"", cap_bytes=MOST_BYTES, deadline=time.monotonic() + _COMMAND_S, cwd=folder
        )
    except HostError as err:
        raise ConfigError(err.detail, hint=by_hand) from err
    match done.why:
        case Reason.DEADLINE:
            message = f"{command[0]}: no answer within {_COMMAND_S} s"
            raise ConfigError(message, hint=by_hand)
        case Reason.TOO_MUCH_OUTPUT:
            raise _too_much(command[0])
    if done.exit != 0:
        said = done.stderr.decode("utf-8", errors="replace").strip().rpartition("\n")[2]
        how = "was killed" if done.exit is None else f"ended with status {done.exit}"
        message = f"{command[0]} {how}: {visible(said, most=300)}"
        raise ConfigError(message, hint=by_hand)
    return done.stdout


def _too_much(name: str) -> ConfigError:
    message = f"{name}: an inventory of more than {MOST_BYTES >> 20} MiB"
    return ConfigError(message, hint="Take some of its groups only.")


def _name(source: InventorySource) -> str:
    return source.file or source.command[0]
