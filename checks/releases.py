"""Until when each release of a distribution gets security fixes.

Days are those on which support ends, as the distributions announce them; each line names its source.
Those of Debian and Ubuntu also stand in the tables debian.csv and ubuntu.csv of the Debian package
distro-info-data, against version 0.58+deb12u6 of which they were compared. A day that a distribution moves is
changed here. A release that is not listed counts until the day that its own os-release(5) names.
"""

from datetime import date

from msgspec import Struct


class Support(Struct, frozen=True, kw_only=True):
    """One release's last days of support."""

    codename: str
    regular: date
    """by the distribution's own security team"""
    free: date
    """without a subscription: Debian LTS counts, since its fixes come from the same pocket"""
    paid: date | None = None
    """with a subscription whose fixes come from a pocket of their own (Ubuntu ESM)"""
    source: str

    def until(self, *, subscribed: bool) -> date:
        """The last day on which fixes can be had."""
        return self.paid if self.paid and subscribed else self.free


_LTS = "https://wiki.debian.org/LTS"
_ESM = "https://ubuntu.com/about/release-cycle, https://ubuntu.com/security/esm"
_SHORT = "https://ubuntu.com/about/release-cycle"


def _debian(codename: str, regular: str, free: str) -> Support:
    return Support(
        codename=codename, regular=date.fromisoformat(regular), free=date.fromisoformat(free), source=_LTS
    )


def _ubuntu(codename: str, free: str, paid: str = "") -> Support:
    return Support(
        codename=codename,
        regular=date.fromisoformat(free),
        free=date.fromisoformat(free),
        paid=date.fromisoformat(paid) if paid else None,
        source=_ESM if paid else _SHORT,
    )


def _other(name: str, free: str, source: str) -> Support:
    return Support(
        codename=name, regular=date.fromisoformat(free), free=date.fromisoformat(free), source=source
    )


_RHEL = "https://access.redhat.com/support/policy/updates/errata"
_CENTOS = "https://www.centos.org/cl-vs-cs/"
_ROCKY = "https://wiki.rockylinux.org/rocky/version/"
_AMAZON = "https://docs.aws.amazon.com/linux/al2023/ug/release-cadence.html"
_SUSE = "https://www.suse.com/lifecycle"
_ALPINE = "https://alpinelinux.org/releases"
_LEAP = "https://en.opensuse.org/Lifetime"

SUPPORT: dict[tuple[str, str], Support] = {
    ("debian", "8"): _debian("jessie", "2018-06-17", "2020-06-30"),
    ("debian", "9"): _debian("stretch", "2020-07-18", "2022-06-30"),
    ("debian", "10"): _debian("buster", "2022-09-10", "2024-06-30"),
    ("debian", "11"): _debian("bullseye", "2024-08-14", "2026-08-31"),
    ("debian", "12"): _debian("bookworm", "2026-07-11", "2028-06-30"),
    ("debian", "13"): _debian("trixie", "2028-08-09", "2030-06-30"),
    ("ubuntu", "14.04"): _ubuntu("trusty", "2019-04-25", "2024-04-25"),
    ("ubuntu", "16.04"): _ubuntu("xenial", "2021-04-30", "2026-04-23"),
    ("ubuntu", "18.04"): _ubuntu("bionic", "2023-05-31", "2028-04-26"),
    ("ubuntu", "20.04"): _ubuntu("focal", "2025-05-29", "2030-04-23"),
    ("ubuntu", "22.04"): _ubuntu("jammy", "2027-06-01", "2032-04-21"),
    ("ubuntu", "23.10"): _ubuntu("mantic", "2024-07-11"),
    ("ubuntu", "24.04"): _ubuntu("noble", "2029-05-31", "2034-04-25"),
    ("ubuntu", "24.10"): _ubuntu("oracular", "2025-07-10"),
    ("ubuntu", "25.04"): _ubuntu("plucky", "2026-01-15"),
    ("ubuntu", "25.10"): _ubuntu("questing", "2026-07-09"),
    ("ubuntu", "26.04"): _ubuntu("resolute", "2031-05-29", "2036-04-23"),
    ("rhel", "7"): _other("RHEL 7", "2024-06-30", _RHEL),
    ("rhel", "8"): _other("RHEL 8", "2029-05-31", _RHEL),
    ("rhel", "9"): _other("RHEL 9", "2032-05-31", _RHEL),
    ("centos", "7"): _other("CentOS 7", "2024-06-30", _CENTOS),
    # CentOS Linux 8 had ended before, on 2021-12-31; both are called 8.
    ("centos", "8"): _other("CentOS Stream 8", "2024-05-31", _CENTOS),
    ("centos", "9"): _other("CentOS Stream 9", "2027-05-31", _CENTOS),
    ("rocky", "8"): _other("Rocky Linux 8", "2029-05-31", _ROCKY),
    ("rocky", "9"): _other("Rocky Linux 9", "2032-05-31", _ROCKY),
    # Older images of it name 2028-03-15 in their os-release.
    ("amzn", "2023"): _other("Amazon Linux 2023", "2029-06-30", _AMAZON),
    ("sles", "15.5"): _other("SLES 15 SP5", "2024-12-31", _SUSE),
    ("sles", "15.6"): _other("SLES 15 SP6", "2025-12-31", _SUSE),
    ("sles", "15.7"): _other("SLES 15 SP7", "2031-07-31", _SUSE),
    ("opensuse-leap", "15.5"): _other("Leap 15.5", "2024-12-31", _LEAP),
    ("opensuse-leap", "15.6"): _other("Leap 15.6", "2026-04-30", _LEAP),
    ("opensuse-leap", "16.0"): _other("Leap 16.0", "2027-10-31", _LEAP),
    # Of the repository main; community ends with the next release.
    ("alpine", "3.18"): _other("Alpine 3.18", "2025-05-09", _ALPINE),
    ("alpine", "3.19"): _other("Alpine 3.19", "2025-11-01", _ALPINE),
    ("alpine", "3.20"): _other("Alpine 3.20", "2026-04-01", _ALPINE),
    ("alpine", "3.21"): _other("Alpine 3.21", "2026-11-01", _ALPINE),
    ("alpine", "3.22"): _other("Alpine 3.22", "2027-05-01", _ALPINE),
    ("alpine", "3.23"): _other("Alpine 3.23", "2027-11-01", _ALPINE),
}
"""by ID and VERSION_ID of os-release(5)"""
_BY_MAJOR = frozenset({"rhel", "centos", "rocky"})
"""a minor release of these ends when the next one comes, and its packages go on there"""


def support_of(release: str, version: str, stated: date | None) -> Support | None:
    """Find a release by ID and VERSION_ID; `stated` is what its own os-release says, the last resort."""
    if release in _BY_MAJOR:
        version = version.partition(".")[0]
    elif release == "alpine":
        version = ".".join(version.split(".")[:2])
    known = SUPPORT.get((release, version))
    if known or stated is None:
        return known
    return Support(
        codename=f"{release} {version}".strip(),
        regular=stated,
        free=stated,
        source="SUPPORT_END of os-release",
    )
