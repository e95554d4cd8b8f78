"""What root installs on a host for the narrow ways to root: the copy, its sudo rule, its forced command."""

import re
from collections.abc import Iterable

from agent.sites import Site
from collectors.installed import PATH, digest
from config.errors import ConfigError
from config.model import Host

_LONGEST_KEY = 16_384
_PLACEHOLDER = "PUBLIC-KEY"


def audit_users(hosts: Iterable[Host]) -> tuple[str, ...]:
    """Log-in names that need the rule; root needs none."""
    found = sorted({host.user for host in hosts} - {"root"}) or ["tenken"]
    for name in found:
        # sudoers(5) has its own meaning for most other characters, and for names in capitals.
        if re.fullmatch(r"[a-z_][a-z0-9._-]*", name) is None:
            message = f"audit account {name!r} has no plain spelling in sudoers"
            raise ConfigError(message, hint="Use lower-case letters, digits, dot, underscore and dash.")
    return tuple(found)


def public_key(site: Site, hosts: Iterable[Host]) -> str:
    """Return the line of the `.pub` file beside the hosts' private key, or a placeholder."""
    declared = {host.identity or site.config.ssh.identity for host in hosts} - {""}
    if len(declared) != 1:
        return _PLACEHOLDER
    path = site.path(declared.pop())
    try:
        with path.with_name(f"{path.name}.pub").open(encoding="ascii") as file:
            line = file.read(_LONGEST_KEY).strip()
    except (OSError, UnicodeDecodeError):
        return _PLACEHOLDER
    return line if re.fullmatch(r"[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [ -~]*)?", line) else _PLACEHOLDER


def rule(users: Iterable[str]) -> str:
    """Return sudoers(5) lines: this file with this digest, without arguments."""
    grants = "".join(f"{user} ALL=(root) NOPASSWD: TENKEN_PROBE\n" for user in users)
    return (
        f'Cmnd_Alias TENKEN_PROBE = sha256:{digest()} {PATH} ""\n'
        "Defaults!TENKEN_PROBE !requiretty, !log_input\n" + grants
    )


def forced_line(key: str, source: str) -> str:
    """Return the authorized_keys(5) line. Raises ConfigError for an address that is none."""
    if re.fullmatch(r"[A-Za-z0-9.:*?/,-]+", source) is None:
        message = f"{source!r} cannot stand in from="
        raise ConfigError(message, hint="Give an address, a network such as 192.0.2.0/24, or a host name.")
    return f'restrict,command="{PATH}",from="{source}" {key}'


def instructions(hosts: Iterable[Host], users: Iterable[str], key: str, source: str) -> str:
    """Everything in order, as commands to be copied."""
    folder = PATH.rpartition("/")[0]
    return f"""\
# For: {", ".join(host.name for host in hosts)}
# Here: write the files, then copy them to the host.
tenken hosts sudoers --probe > tenken-probe
tenken hosts sudoers --rule > tenken-sudoers

# There, as root: {PATH}, root:root, mode 0755
echo '{digest()}  tenken-probe' | sha256sum -c
install -d -o root -g root -m 0755 {folder}
install -o root -g root -m 0755 tenken-probe {PATH}

# privilege = "installed": /etc/sudoers.d/tenken, root:root, mode 0440
visudo -cf tenken-sudoers && install -o root -g root -m 0440 tenken-sudoers /etc/sudoers.d/tenken
# it says:
{"".join(f"#   {line}" for line in rule(users).splitlines(keepends=True))}
# privilege = "forced" with user = "root": one line of /root/.ssh/authorized_keys, and in sshd_config
# PermitRootLogin forced-commands-only
{forced_line(key, source)}
"""
