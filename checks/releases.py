"""Until when each Debian and Ubuntu release gets security fixes.

Days are those on which support ends, as the distributions announce them; each line names its source.
All of them also stand in the tables debian.csv and ubuntu.csv of the Debian package distro-info-data, against
version 0.58+deb12u6 of which they were compared. A day that a distribution moves is changed here.
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
}
"""by ID and VERSION_ID of os-release(5)"""
