"""How well a safeguard knows each kind of system: a closed list, so that the docs have no gaps."""

from collections.abc import Mapping
from enum import StrEnum


class Platform(StrEnum):
    """A kind of host."""

    DEBIAN_11 = "debian-11"
    DEBIAN_12 = "debian-12"
    DEBIAN_13 = "debian-13"
    UBUNTU = "ubuntu"
    RHEL = "rhel"
    FEDORA = "fedora"
    AMAZON = "amazon"
    SUSE = "suse"
    ALPINE = "alpine"

    @property
    def label(self) -> str:
        """The name people use."""
        return _TITLES[self]


_TITLES = {
    Platform.DEBIAN_11: "Debian 11",
    Platform.DEBIAN_12: "Debian 12",
    Platform.DEBIAN_13: "Debian 13",
    Platform.UBUNTU: "Ubuntu",
    Platform.RHEL: "RHEL and its rebuilds",
    Platform.FEDORA: "Fedora",
    Platform.AMAZON: "Amazon Linux",
    Platform.SUSE: "SUSE",
    Platform.ALPINE: "Alpine, busybox",
}


class Support(StrEnum):
    """What the results on such a host rest on."""

    VERIFIED = "verified"
    """tests judge a real host of this system"""
    LOOK_ALIKE = "look-alike"
    """tests judge a host with this system's own tools and files on another one's ground"""
    DOCUMENTED = "documented"
    """written from manuals; no test has met such a host"""
    UNKNOWN = "unknown"
    """the answer is unknown there, never a pass"""


DEBIANS = (Platform.DEBIAN_11, Platform.DEBIAN_12, Platform.DEBIAN_13)


def support(
    *,
    verified: tuple[Platform, ...],
    look_alike: tuple[Platform, ...] = (),
    documented: tuple[Platform, ...] = (),
) -> Mapping[Platform, Support]:
    """Say it of every platform; those not named are unknown. Raises ValueError for one named twice."""
    named = (*verified, *look_alike, *documented)
    if len(set(named)) != len(named):
        message = "a platform is named twice"
        raise ValueError(message)
    return {
        platform: Support.VERIFIED
        if platform in verified
        else Support.LOOK_ALIKE
        if platform in look_alike
        else Support.DOCUMENTED
        if platform in documented
        else Support.UNKNOWN
        for platform in Platform
    }
