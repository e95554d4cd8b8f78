"""What OpenSSH's own configuration says of a host: asked from `ssh -G`, never read by ourselves.

`Match` blocks, `Include`, tokens and canonical names have a meaning that only ssh(1) knows.
"""

import re
import shutil
import subprocess
from pathlib import Path

from msgspec import Struct

from collectors.evidence import printable
from collectors.known_hosts import LEAST_RSA_BITS, Accepts
from config.errors import ConfigError

_ANSWER_S = 20
_MOST_BYTES = 1 << 20
_NOT_HONOURED = {
    "revokedhostkeys": "Mark the keys @revoked in known_hosts.",
    "knownhostscommand": "Pin the keys with tenken hosts trust.",
    "pkcs11provider": 'Declare transport = "openssh" for this host.',
    "proxyusefdpass": "Use a ProxyCommand that passes the streams, or ProxyJump.",
    "bindaddress": 'Declare transport = "openssh" for this host, or route by the system.',
    "bindinterface": 'Declare transport = "openssh" for this host, or route by the system.',
}
"""settings that change whom we trust or how we log in, and which we would have to guess"""
_OFF = frozenset({"", "none", "no", "false"})


class SshSettings(Struct, frozen=True, kw_only=True):
    """The settings of one host that are honoured."""

    address: str
    port: int
    user: str
    identities: tuple[str, ...]
    """private key files in ssh's order, whether they exist or not"""
    jump: tuple[str, ...]
    """ProxyJump, nearest first, each as `[user@]address[:port]`"""
    proxy_command: str
    """with its tokens filled in; empty for none"""
    alias: str
    """HostKeyAlias: the name under which the host's key is pinned"""
    identities_only: bool
    """keys of the agent that no identity file names are not shown"""
    accepts: Accepts


def ssh_settings(
    config: Path | None, host: str, *, user: str | None = None, port: int | None = None
) -> SshSettings:
    """Ask ssh(1) what holds for `host`; with `config` that file instead of the user's own.

    What is passed as `user` and `port` wins over the configuration, as on ssh's command line.
    Raises ConfigError when ssh is missing or refuses the configuration, and for a setting that is not
    honoured here.
    """
    return _read(_ask(config, host, user, port), host)


def jump_hosts(
    config: Path | str | None, host: str, *, user: str | None = None, port: int | None = None
) -> tuple[tuple[str, ...], str]:
    """Ask only for the jump hosts of `host`, nearest first, and the user's name there; raises ConfigError."""
    said = _ask(config, host, user, port)
    return _jumps(said, host), _one(said, "user")


def _ask(config: Path | str | None, host: str, user: str | None, port: int | None) -> dict[str, list[str]]:
    binary = shutil.which("ssh")
    if binary is None:
        message = "OpenSSH's configuration is there, but ssh itself is not"
        hint = 'Install openssh-client, or set config = "" under [ssh] and declare everything here.'
        raise ConfigError(message, hint=hint)
    argv = [binary, *(["-F", str(config)] if config else []), "-G"]
    argv += [*(["-l", user] if user else []), *(["-p", str(port)] if port else []), "--", host]
    try:
        done = subprocess.run(  # noqa: S603 (found on the user's own path)
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ANSWER_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        message = f"ssh -G {host} gave no answer"
        raise ConfigError(
            message, hint="Run it by hand; a Match exec of the configuration may hang."
        ) from err
    if done.returncode:
        why = printable(done.stderr.strip().partition(b"\n")[0].strip(), limit=300)
        message = f"ssh refuses its configuration for {host}: {why}"
        raise ConfigError(message, hint=f"Run ssh -G {host} by hand.")
    said: dict[str, list[str]] = {}
    for line in done.stdout[:_MOST_BYTES].decode("utf-8", errors="replace").splitlines():
        key, _, value = line.partition(" ")
        said.setdefault(key.lower(), []).append(value.strip())
    return said


def _one(said: dict[str, list[str]], key: str) -> str:
    value = said.get(key, [""])[0]
    return "" if value.lower() == "none" else value


def _port(said: dict[str, list[str]]) -> int:
    port = _one(said, "port")
    return int(port) if re.fullmatch(r"[0-9]{1,5}", port) else 22


def _jumps(said: dict[str, list[str]], host: str) -> tuple[str, ...]:
    jumps = _filled(_one(said, "proxyjump"), _tokens(said, host), f"ProxyJump of {host}")
    return tuple(hop.strip() for hop in jumps.split(",") if hop.strip())


def _tokens(said: dict[str, list[str]], host: str) -> dict[str, str]:
    return {
        "%": "%",
        "h": _one(said, "hostname") or host,
        "n": host,
        "p": str(_port(said)),
        "r": _one(said, "user"),
        "k": _one(said, "hostkeyalias") or host,
    }


def _read(said: dict[str, list[str]], host: str) -> SshSettings:
    for key, hint in _NOT_HONOURED.items():
        if _one(said, key).lower() not in _OFF:
            message = f"OpenSSH's configuration of {host} sets {key}, which is not honoured here"
            raise ConfigError(message, hint=hint)
    return SshSettings(
        address=_one(said, "hostname") or host,
        port=_port(said),
        user=_one(said, "user"),
        identities=tuple(said.get("identityfile", ())),
        jump=_jumps(said, host),
        proxy_command=_filled(_one(said, "proxycommand"), _tokens(said, host), f"ProxyCommand of {host}"),
        alias=_one(said, "hostkeyalias"),
        identities_only=_one(said, "identitiesonly").lower() == "yes",
        accepts=Accepts(
            host_keys=frozenset(filter(None, _one(said, "hostkeyalgorithms").split(","))),
            authorities=frozenset(filter(None, _one(said, "casignaturealgorithms").split(","))),
            rsa_bits=int(_one(said, "requiredrsasize") or LEAST_RSA_BITS),
        ),
    )


def _filled(command: str, tokens: dict[str, str], whose: str) -> str:
    """Fill in the tokens of ssh_config(5), section TOKENS."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in tokens:
            message = f"the {whose} has the token {found[0]}, which is not filled in here"
            raise ConfigError(message, hint="Use %h, %n, %p, %r or %k.")
        return tokens[found[1]]

    return re.sub(r"%(.?)", value, command)
