"""What apt-config says: where apt looks, which release it prefers, and what it does by itself."""

import re
from pathlib import PurePosixPath

from msgspec import Struct

from collectors.evidence import Part, Reason
from collectors.facts import WithheldError

_PLACES = {
    "Dir::State::lists": (("Dir", "Dir::State", "Dir::State::lists"), "/var/lib/apt/lists"),
    "Dir::State::status": (("Dir", "Dir::State", "Dir::State::status"), "/var/lib/dpkg/status"),
    "Dir::Etc::sourcelist": (("Dir", "Dir::Etc", "Dir::Etc::sourcelist"), "/etc/apt/sources.list"),
    "Dir::Etc::sourceparts": (("Dir", "Dir::Etc", "Dir::Etc::sourceparts"), "/etc/apt/sources.list.d"),
}
_SETTING = re.compile(r'([A-Za-z:-]+) "(.*)";')

Settings = dict[str, list[str]]
"""values by key, in lower case"""


class Automatic(Struct, frozen=True, kw_only=True):
    """What apt is told to do by itself: APT::Periodic and Unattended-Upgrade."""

    enabled: bool
    """APT::Periodic::Enable is not 0"""
    fetches: str
    """APT::Periodic::Update-Package-Lists as it is written, such as `1`; empty when unset"""
    installs: str
    """APT::Periodic::Unattended-Upgrade as it is written; empty when unset"""
    allowed_origins: tuple[str, ...]
    """`ORIGIN:SUITE` from which packages are installed"""
    origins_pattern: tuple[str, ...]
    """the same as `origin=…,codename=…,label=…`"""
    blacklist: tuple[str, ...]
    """regular expressions of packages that are never installed by itself"""
    whitelist: tuple[str, ...]
    """when there are any, only these are"""


def read_settings(part: Part) -> Settings:
    """Read what apt-config printed; raises WithheldError when apt keeps its files elsewhere.

    Keys have no case of their own, apt.conf(5); those of lists end in "::" and come more than once.
    """
    settings: Settings = {}
    for line in part.lines if part.state == "read" else ():
        found = _SETTING.fullmatch(line)
        if found:
            settings.setdefault(found[1].lower(), []).append(found[2])
    for name, (steps, usual) in _PLACES.items():
        if name.lower() in settings:
            # A step that begins with / starts anew, as apt's FindFile has it.
            path = PurePosixPath("/", *(last(settings, step) for step in steps))
            if str(path) != usual:
                raise WithheldError(Reason.UNSUPPORTED, f"{name} is not {usual}")
    return settings


def last(settings: Settings, key: str) -> str:
    """Return what a key was last set to; empty when it is not set."""
    return settings.get(key.lower(), [""])[-1]


def automatic_of(settings: Settings) -> Automatic:
    """Say what apt is told to do by itself."""

    def listed(name: str) -> tuple[str, ...]:
        return tuple(value for value in settings.get(f"unattended-upgrade::{name}::", ()) if value)

    return Automatic(
        enabled=last(settings, "apt::periodic::enable") != "0",
        fetches=last(settings, "apt::periodic::update-package-lists"),
        installs=last(settings, "apt::periodic::unattended-upgrade"),
        allowed_origins=listed("allowed-origins"),
        origins_pattern=listed("origins-pattern"),
        blacklist=listed("package-blacklist"),
        whitelist=listed("package-whitelist"),
    )
