"""The way to each host of a site, as declared."""

from pathlib import Path
from typing import Any, Self

import structlog

from agent.sites import Site
from collectors.dialer import Dialer
from collectors.known_hosts import KnownHosts
from collectors.known_hosts import read as read_known_hosts
from collectors.local import LocalTransport
from collectors.ssh import SshTransport, load_identity
from collectors.transport import Transport
from config.errors import ConfigError
from config.model import Host, TransportKind


class Reach:
    """Make a transport for each host; keys and pins are read once, before anything is contacted.

    Raises ConfigError at once for a private key that cannot be used: that is our own trouble, not a host's.
    """

    def __init__(self, site: Site, hosts: tuple[Host, ...]) -> None:
        self._site = site
        self._timeout_s = site.config.ssh.connect_timeout.seconds
        self._identities: dict[Path, Any] = {}
        self._known_hosts: KnownHosts | None = None
        self._dialer: Dialer | None = None
        remote = [host for host in hosts if host.transport is TransportKind.SSH]
        for host in remote:
            path = self._identity(host)
            if path not in self._identities:
                self._identities[path] = load_identity(path)
        if remote:
            self._known_hosts = read_known_hosts(site.known_hosts, *site.global_known_hosts)
            for warning in self._known_hosts.warnings:
                structlog.get_logger().warning("pinned keys", problem=warning)

    def __enter__(self) -> Self:
        """Let all transports made from now on share one dialer; without it each connects by itself."""
        self._dialer = Dialer()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no connection behind that is only coming about."""
        if self._dialer is not None:
            self._dialer.close()

    def transport(self, host: Host) -> Transport:
        """Return a fresh transport, good for one question."""
        if host.transport is TransportKind.LOCAL:
            return LocalTransport()
        if self._known_hosts is None:
            message = f"{host.name} was not announced"
            raise ValueError(message)
        return SshTransport(
            address=host.where,
            port=host.port,
            user=host.user,
            identity=self._identities[self._identity(host)],
            known_hosts=self._known_hosts,
            connect_timeout_s=self._timeout_s,
            dialer=self._dialer,
        )

    def _identity(self, host: Host) -> Path:
        declared = host.identity or self._site.config.ssh.identity
        if not declared:
            message = f"no private key is declared for host {host.name!r}"
            raise ConfigError(message, hint="Set identity under [ssh] or in the [[host]] block.")
        return self._site.path(declared)
