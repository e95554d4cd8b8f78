"""What OpenSSH's own configuration says of a host: asked from `ssh -G`, never read by ourselves.

`Match` blocks, `Include`, tokens and canonical names have a meaning that only ssh(1) knows.
"""

import re
import shutil
import subprocess
from pathlib import Path

from msgspec import Struct, structs

from collectors.evidence import printable
from config.errors import ConfigError

_ANSWER_S = 20
_MOST_BYTES = 1 << 20
_NOT_HONOURED = {
    "revokedhostkeys": "Mark the keys @revoked in known_hosts.",
    "knownhostscommand": "Pin the keys with tenken hosts trust.",
    "pkcs11provider": 'Declare transport = "openssh" for this host.',
    "proxyusefdpass": "Use a ProxyCommand that passes the streams, or ProxyJump.",
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


def ssh_settings(
    config: Path | None, host: str, *, user: str | None = None, port: int | None = None
) -> SshSettings:
    """Ask ssh(1) what holds for `host`; with `config` that file instead of the user's own.

    What is passed as `user` and `port` wins over the configuration, as on ssh's command line.
    Raises ConfigError when ssh is missing or refuses the configuration, and for a setting that is not
    honoured here.
    """
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
        said = printable(done.stderr.strip().partition(b"\n")[0].strip(), limit=300)
        message = f"ssh refuses its configuration for {host}: {said}"
        raise ConfigError(message, hint=f"Run ssh -G {host} by hand.")
    return _read(done.stdout[:_MOST_BYTES].decode("utf-8", errors="replace"), host)


def _read(text: str, host: str) -> SshSettings:
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        said.setdefault(key.lower(), []).append(value.strip())

    def one(key: str) -> str:
        value = said.get(key, [""])[0]
        return "" if value.lower() == "none" else value

    for key, hint in _NOT_HONOURED.items():
        if one(key).lower() not in _OFF:
            message = f"OpenSSH's configuration of {host} sets {key}, which is not honoured here"
            raise ConfigError(message, hint=hint)
    port = one("port")
    settings = SshSettings(
        address=one("hostname") or host,
        port=int(port) if re.fullmatch(r"[0-9]{1,5}", port) else 22,
        user=one("user"),
        identities=tuple(said.get("identityfile", ())),
        jump=tuple(hop.strip() for hop in one("proxyjump").split(",") if hop.strip()),
        proxy_command="",
        alias=one("hostkeyalias"),
    )
    tokens = {
        "%": "%",
        "h": settings.address,
        "n": host,
        "p": str(settings.port),
        "r": settings.user,
        "k": settings.alias or host,
    }
    return structs.replace(settings, proxy_command=_filled(one("proxycommand"), tokens, host))


def _filled(command: str, tokens: dict[str, str], host: str) -> str:
    """Fill in the tokens of ssh_config(5), section TOKENS."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in tokens:
            message = f"the ProxyCommand of {host} has the token {found[0]}, which is not filled in here"
            raise ConfigError(message, hint="Use %h, %n, %p, %r or %k.")
        return tokens[found[1]]

    return re.sub(r"%(.?)", value, command)
