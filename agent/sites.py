"""A site as the commands use it: the configuration, its safeguards, and where its files are."""

import os
from pathlib import Path

from msgspec import Struct, structs

from agent.inventories import with_inventories
from agent.slots import check_schedule
from checks.catalogue import Entry, catalogue
from config.load import Loaded, load
from config.locate import locate
from config.model import Config


class Site(Struct, frozen=True, kw_only=True):
    """One loaded site folder."""

    loaded: Loaded
    entries: dict[str, Entry]

    @property
    def config(self) -> Config:
        """What was declared."""
        return self.loaded.config

    @property
    def folder(self) -> Path:
        """The folder that relative paths are meant from."""
        return self.loaded.folder

    def path(self, declared: str) -> Path:
        """A declared path, relative ones from the site's folder."""
        return self.folder / Path(declared).expanduser()

    @property
    def state(self) -> Path:
        """The state folder: run log, bundles, history."""
        return self.path(self.config.paths.state)

    @property
    def key(self) -> Path:
        """The signing key's file."""
        return self.path(self.config.paths.key)

    @property
    def trust(self) -> Path:
        """The trust file that this site hands out."""
        return self.path(self.config.paths.trust)

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys that `hosts trust` writes."""
        return self.path(self.config.ssh.known_hosts)

    @property
    def global_known_hosts(self) -> tuple[Path, ...]:
        """Further pinned host keys."""
        return tuple(self.path(each) for each in self.config.ssh.global_known_hosts)


def origin_of(site_id: str) -> str:
    """The name of a site's run log, in its keys and checkpoints (C2SP tlog-checkpoint)."""
    return f"tenken/{site_id}"


def open_site(explicit: Path | None) -> Site:
    """Find, load and check the configuration; raises ConfigError with everything that is wrong."""
    entries = catalogue()
    path = locate(explicit, os.environ, Path.cwd(), os.geteuid())
    loaded = load(
        path,
        options={name: entry.options for name, entry in entries.items()},
        needs={name: _looks_at(entry) for name, entry in entries.items()},
    )
    check_schedule(loaded.config.schedule)
    config = with_inventories(loaded.config, loaded.folder)
    return Site(loaded=structs.replace(loaded, config=config), entries=entries)


def _looks_at(entry: Entry) -> frozenset[str]:
    """The kinds of target a safeguard cannot do without; they are named as their tables."""
    return frozenset({entry.check.kind.value, *(probe.kind.value for probe in entry.probes)})
