"""Pin host keys: append them to a known_hosts file, unless a pin there speaks against them."""

import base64
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from collectors.known_hosts import KnownHosts, OfferedKey, PinState, host_name, read
from config.errors import ConfigError

_PLAIN_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,255}")


class Conflict(Struct, frozen=True, kw_only=True):
    """A pin that stands against what the host offers now."""

    line: int
    key_type: str
    pinned: str
    """fingerprint of the pin"""
    offered: str
    """fingerprint of the offered key of that type; empty when the host offers none"""


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
