"""The way to each host of a site: as declared, and where that is silent, as OpenSSH's configuration says."""

import getpass
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import structlog
from msgspec import Struct

from agent.clock import Now
from agent.clock import now as clock
from agent.secrets import fetch
from agent.sites import Site
from collectors.dialer import Dialer
from collectors.identities import MOST, Identity, Keyring
from collectors.jump import JumpHost, Through
from collectors.known_hosts import Accepts, KnownHosts
from collectors.known_hosts import read as read_known_hosts
from collectors.local import LocalTransport
from collectors.openssh import Hop, OpenSsh, OpenSshTransport
from collectors.road import Command, Direct, Road
from collectors.ssh import SshTransport
from collectors.ssh_config import SshSettings, jump_hosts, ssh_settings
from collectors.ssh_session import Login
from collectors.transport import Transport
from config.errors import ConfigError
from config.model import Host, Ssh, TransportKind
from config.problems import quote

_HOP = re.compile(
    r"(?:ssh://)?(?:([A-Za-z0-9_][A-Za-z0-9._@$-]*)@)?"
    r"(\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\]|[A-Za-z0-9._][A-Za-z0-9._-]*)(?::([0-9]{1,5}))?/?"
)
"""what neither an option nor a shell could take for something else"""
_MOST_HOPS = 8
_AT_ONCE = 8
"""`ssh -G` processes"""


class Way(Struct, frozen=True, kw_only=True):
    """How one host is reached and logged in to."""

    login: Login
    hops: tuple[Login, ...] = ()
    """jump hosts, nearest first"""
    proxy_command: str = ""


class Reach:
    """Make a transport for each host; keys, pins and OpenSSH's settings are read before anybody is contacted.

    Raises ConfigError at once for what is our own trouble, not a host's: a private key that cannot be used,
    a configuration that ssh refuses. Without `keys` hosts can be connected to, but not logged in to.
    """

    def __init__(self, site: Site, hosts: Iterable[Host], *, keys: bool = True, now: Now = clock) -> None:
        self._site = site
        self._now = now
        self._dialer: Dialer | None = None
        self._jumps: dict[tuple[Login, ...], JumpHost] = {}
        # ssh(1) connects by itself; only for looking at host keys we go there ourselves.
        kinds = (TransportKind.SSH,) if keys else (TransportKind.SSH, TransportKind.OPENSSH)
        every = tuple(hosts)
        remote = [host for host in every if host.transport in kinds]
        called = [host for host in every if host.transport is TransportKind.OPENSSH and keys]
        ssh = site.config.ssh
        self._timeout_s = ssh.connect_timeout.seconds
        self._ways: dict[str, Way] = {}
        self._hops: dict[str, tuple[Hop, ...]] = {}
        if not remote and not called:
            return
        known_hosts = read_known_hosts(site.known_hosts, *site.global_known_hosts)
        for warning in known_hosts.warnings:
            structlog.get_logger().warning("pinned keys", problem=warning)
        declared = ssh.passphrase if remote else None
        passphrase = fetch(declared, "passphrase of [ssh]", site.folder) if declared else None
        guide = _Guide(site, known_hosts, Keyring(passphrase=passphrase, agent=ssh.agent) if keys else None)
        with ThreadPoolExecutor(max_workers=_AT_ONCE if guide.asks_ssh else 1) as pool:
            self._ways = dict(zip((host.name for host in remote), pool.map(guide.way, remote), strict=True))
            self._hops = dict(zip((host.name for host in called), pool.map(guide.hops, called), strict=True))

    def __enter__(self) -> Self:
        """Let all transports made from now on share one dialer; without it each connects by itself."""
        self._dialer = Dialer()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no connection behind."""
        if self._dialer is not None:
            self._dialer.close()
        for jump in self._jumps.values():
            jump.close()

    def transport(self, host: Host) -> Transport:
        """Return a fresh transport, good for one question."""
        if host.transport is TransportKind.LOCAL:
            return LocalTransport()
        if host.transport is TransportKind.OPENSSH:
            return OpenSshTransport(self._call(host))
        return SshTransport(self.login(host), self.road(host))

    def login(self, host: Host) -> Login:
        """Whom to be there, and by which name its key is pinned."""
        return self._ways[host.name].login

    def road(self, host: Host) -> Road:
        """Return a fresh road to the host's SSH port."""
        way = self._ways[host.name]
        if way.proxy_command:
            return Command(way.proxy_command, connect_timeout_s=self._timeout_s)
        return self._road(way.login, way.hops)

    def _call(self, host: Host) -> OpenSsh:
        site, ssh = self._site, self._site.config.ssh
        declared = host.identity or ssh.identity
        usual = ssh.config == Ssh().config
        return OpenSsh(
            address=host.where,
            user=host.user,
            port=host.port,
            known_hosts=(site.known_hosts.absolute(), *(each.absolute() for each in site.global_known_hosts)),
            connect_timeout_s=self._timeout_s,
            config=None if usual else str(site.path(ssh.config).absolute()) if ssh.config else "none",
            identity=site.path(declared).absolute() if declared else None,
            hops=self._hops[host.name],
        )

    def _road(self, login: Login, hops: tuple[Login, ...]) -> Road:
        if hops:
            return Through(self._jump(hops), login.address, login.port)
        return Direct(login.address, login.port, connect_timeout_s=self._timeout_s, dialer=self._dialer)

    def _jump(self, hops: tuple[Login, ...]) -> JumpHost:
        """The last of some jump hosts, one connection for all that lies behind it."""
        if hops not in self._jumps:
            self._jumps[hops] = JumpHost(
                hops[-1],
                self._road(hops[-1], hops[:-1]),
                most_at_once=self._site.config.ssh.jump_channels,
                connect_timeout_s=self._timeout_s,
                now=self._now,
            )
        return self._jumps[hops]


class _Guide:
    """Finds the way to each host; threads share it."""

    def __init__(self, site: Site, known_hosts: KnownHosts, keyring: Keyring | None) -> None:
        self._site = site
        self._ssh: Ssh = site.config.ssh
        self._known_hosts = known_hosts
        self._keyring = keyring
        self._hop_logins: dict[tuple[object, ...], Login] = {}
        """one object a jump host, so that all that lies behind it shares its connection"""
        self._said: dict[tuple[str, str | None, int | None], SshSettings] = {}
        declared = self._ssh.config
        config = site.path(declared) if declared else None
        usual = declared == Ssh().config
        if config and not config.is_file():
            if not usual:
                message = f"{declared}: there is no such file"
                raise ConfigError(message, hint='Correct config under [ssh], or set config = "".')
            config = None
        self.asks_ssh = config is not None
        # Without a file of its own ssh reads the system's configuration as well.
        self._config = None if usual else config

    def way(self, host: Host) -> Way:
        """Find one host. Raises ConfigError."""
        said = self._ask(host.where, host.user, host.port)
        login = self._login(
            said, host.where, host.user, host.port, self._identities(host.identity, said, host.name)
        )
        hops = host.jump or (said.jump if said else ())
        return Way(
            login=login,
            hops=self._hops(hops, host, depth=0),
            proxy_command=said.proxy_command if said and not hops else "",
        )

    def hops(self, host: Host) -> tuple[Hop, ...]:
        """Find the jump hosts on ssh's own way to a host, so that each is called with our rules."""

        def jumps(address: str, user: str | None, port: int | None) -> tuple[tuple[str, ...], str]:
            # Unlike for ourselves, the system's configuration counts without a file of the user's own.
            return jump_hosts(self._config, address, user=user, port=port) if self._ssh.config else ((), "")

        def before(hops: tuple[str, ...], depth: int) -> tuple[Hop, ...]:
            found: list[Hop] = []
            for number, hop in enumerate(hops):
                user, address, port = _parts(hop, host, depth + len(hops))
                further, named = jumps(address, user, port)
                found += before(further, depth + len(hops)) if number == 0 else ()
                found.append(Hop(address=address, user=user or _user(named, host), port=port))
            return tuple(found)

        return before(host.jump or jumps(host.where, host.user, host.port)[0], 0)

    def _ask(
        self, address: str, user: str | None, port: int | None, *, often: bool = False
    ) -> SshSettings | None:
        if not self.asks_ssh:
            return None
        if not often:
            return ssh_settings(self._config, address, user=user, port=port)
        if (address, user, port) not in self._said:
            self._said[address, user, port] = ssh_settings(self._config, address, user=user, port=port)
        return self._said[address, user, port]

    def _login(
        self,
        said: SshSettings | None,
        address: str,
        user: str,
        port: int | None,
        identities: tuple[Identity, ...],
    ) -> Login:
        return Login(
            address=said.address if said else address,
            port=port or (said.port if said else 22),
            user=user,
            identities=identities,
            known_hosts=self._known_hosts,
            alias=said.alias if said else "",
            accepts=said.accepts if said else Accepts(),
        )

    def _hops(self, hops: tuple[str, ...], host: Host, *, depth: int) -> tuple[Login, ...]:
        """Log-ins of the jump hosts; before the first one come those that its own settings name."""
        found: list[Login] = []
        for number, hop in enumerate(hops):
            user, address, port = _parts(hop, host, depth + len(hops))
            said = self._ask(address, user, port, often=True)
            if number == 0 and said:
                found += self._hops(said.jump, host, depth=depth + len(hops))
            user = user or _user(said.user if said else "", host)
            identities = self._identities(host.identity, said, hop)
            login = self._login(said, address, user, port, identities)
            same = (*login.pinned_as, login.address, login.port, user, *map(id, identities))
            found.append(self._hop_logins.setdefault(same, login))
        return tuple(found)

    def _identities(self, declared: str, said: SshSettings | None, whose: str) -> tuple[Identity, ...]:
        """The declared key alone; without one those that ssh would show."""
        if self._keyring is None:
            return ()
        own = declared or self._ssh.identity
        if own:
            return (self._keyring.of_file(self._site.path(own)),)
        files = [Path(each).expanduser() for each in said.identities] if said else []
        # IdentitiesOnly: of the agent's keys only those that an identity file names.
        found = [] if said and said.identities_only else [*self._keyring.held()]
        found += [self._keyring.of_file(file) for file in files if file.is_file()]
        unique = {key.asbytes(): key for key in reversed(found)}
        if not unique:
            message = f"no private key is declared for host {whose!r}"
            raise ConfigError(message, hint="Set identity under [ssh] or in the [[host]] block.")
        return tuple(reversed(unique.values()))[:MOST]


def _parts(hop: str, host: Host, count: int) -> tuple[str | None, str, int | None]:
    """Take a jump host apart: user, address, port. Raises ConfigError."""
    parts = _HOP.fullmatch(hop)
    if parts is None or count > _MOST_HOPS:
        message = f"jump host {quote(hop)} of {host.name} is not [user@]address[:port], or one too many"
        raise ConfigError(message, hint='Such as jump = ["tenken@bastion.example.jp"].')
    return parts[1], parts[2].strip("[]"), int(parts[3]) if parts[3] else None


def _user(named: str, host: Host) -> str:
    """The user on a jump host that names none: ssh names the local user where its configuration is silent."""
    return named if named and named != getpass.getuser() else host.user
