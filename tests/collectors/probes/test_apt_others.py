"""Sources beside the security pockets, on made-up Debian systems and in the words of apt itself."""

import re
from pathlib import Path

import pytest

from checks.model import Clock, History, Outcome, Result
from checks.patches import Limits
from checks.patches_apt import judge_apt
from collectors.probes.apt import PROBE, AptFacts
from tests.checks.test_patch_currency import NOW, system
from tests.collectors.probes.debian_root import SHELLS, DebianRoot, stanza

MAIN = "Origin: Debian\nLabel: Debian\nSuite: oldstable\nCodename: bookworm\n"
UPDATES = "Origin: Debian\nLabel: Debian\nSuite: oldstable-updates\nCodename: bookworm-updates\n"
BACKPORTS = (
    "Origin: Debian Backports\nLabel: Debian Backports\nSuite: oldstable-backports\n"
    "Codename: bookworm-backports\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n"
)
VENDOR = "Origin: Vendor\nLabel: Vendor\nSuite: stable\nCodename: stable\n"
PACKAGES = "vendor.test_apt_dists_stable_main_binary-amd64_Packages"


@pytest.fixture
def root(tmp_path: Path) -> DebianRoot:
    """A host with openssl of Debian, a tool of another vendor, and git from backports."""
    root = DebianRoot(tmp_path)
    root.install("openssl", "3.0.14-1")
    root.install("vendor-tool", "1.0-1")
    root.install("git", "1:2.45-1~bpo12+1")
    root.archive("bookworm-security", {"main": [stanza("openssl", "3.0.15-1")]})
    debian = "mirror.test_debian"
    root.archive("bookworm", {"main": [stanza("openssl", "3.0.14-1")]}, head=MAIN, address=debian)
    root.archive("bookworm-updates", {"main": [stanza("openssl", "3.0.99-1")]}, head=UPDATES, address=debian)
    root.archive(
        "bookworm-backports", {"main": [stanza("openssl", "3.2-1~bpo12+1")]}, head=BACKPORTS, address=debian
    )
    root.archive("stable", {"main": [stanza("vendor-tool", "1.1-1")]}, head=VENDOR, address="vendor.test_apt")
    (root.etc / "sources.list").write_text(
        "deb [trusted=yes] http://mirror.test/debian-security bookworm-security main\n"
        "deb [trusted=yes] http://mirror.test/debian bookworm main\n"
        "deb [trusted=yes] http://mirror.test/debian bookworm-updates main\n"
        "deb [trusted=yes] http://mirror.test/debian bookworm-backports main\n"
        "deb [trusted=yes] http://vendor.test/apt stable main\n"
    )
    return root


def facts_of(root: DebianRoot) -> AptFacts:
    return PROBE.parse(root.ask(PROBE))


def judged(root: DebianRoot) -> dict[str, Outcome]:
    found = judge_apt(system(), facts_of(root), Limits(), Clock(as_of=NOW, zone="Asia/Tokyo"), History())
    return {outcome.subject.name: outcome for outcome in found}


def installed_by_apt(root: DebianRoot) -> dict[str, str]:
    """Names and new versions in apt's own simulation of an upgrade."""
    said = root.enter(["apt-get", "-s", "dist-upgrade"])
    assert said.returncode == 0, said.stderr
    # It also offers to replace a package by the same version with other fields; that is no fix.
    lines = re.findall(r"^Inst (\S+) \[(\S+)\] \((\S+)", said.stdout.decode(), re.MULTILINE)
    return {name: after for name, before, after in lines if before != after}


def test_u5_what_only_the_updates_suite_offers_is_no_finding(root: DebianRoot) -> None:
    """Trap U5: phased updates come from there, security fixes do not."""
    facts = facts_of(root)
    assert [(offer.name, offer.offered) for offer in facts.offers] == [("openssl", "3.0.15-1")]
    assert not [other for other in facts.others if other.foreign and "updates" in other.suite]
    root.archive("bookworm-security", {"main": []})
    assert facts_of(root).offers == ()


def test_u9_the_pending_updates_of_another_vendor_are_those_that_apt_would_install(root: DebianRoot) -> None:
    (waiting,) = facts_of(root).foreign
    assert {waiting.name: waiting.offered} == {
        name: version for name, version in installed_by_apt(root).items() if name.startswith("vendor")
    }
    assert judged(root)["Vendor stable"].result is Result.WARN


def test_backports_are_not_joined_and_their_packages_are_counted(root: DebianRoot) -> None:
    """Apt takes openssl from the other suites."""
    facts = facts_of(root)
    assert facts.backported == 1
    (backports,) = (other for other in facts.others if other.origin == "Debian Backports")
    assert (backports.foreign, backports.automatic) == (True, False)
    assert "bpo" not in installed_by_apt(root)["openssl"]
    assert judged(root)["Debian Backports bookworm-backports"].result is Result.NOT_APPLICABLE


def test_of_other_sources_only_foreign_ones_that_apt_takes_from_by_itself_are_read(root: DebianRoot) -> None:
    """Reading Debian's own lists of every package would take longer than all the rest."""
    section = root.ask(PROBE)
    releases, join = section.part("releases"), section.part("join")
    assert releases is not None
    assert join is not None
    assert [line for line in releases.lines if line.startswith("T ")] == ["T vendor.test_apt_dists_stable_"]
    assert [line.split()[-1] for line in join.lines if line.startswith("L ")] == [
        "mirror.test_debian-security_dists_bookworm-security_main_binary-amd64_Packages",
        PACKAGES,
    ]


@pytest.mark.parametrize(("size", "large"), [(3_145_000, False), (3_146_000, True)])
def test_a_large_list_of_another_vendor_is_told_and_not_read(
    root: DebianRoot, size: int, *, large: bool
) -> None:
    one = stanza("vendor-tool", "1.1-1")
    body = one + stanza("x", "1", extra="X-Filler: " + "x" * (size - 2 * len(one)) + "\n")
    root.archive("stable", {"main": [body]}, head=VENDOR, address="vendor.test_apt")
    facts = facts_of(root)
    (vendor,) = (other for other in facts.others if other.origin == "Vendor")
    assert (bool(vendor.large), vendor.missing, vendor.torn) == (large, (), ())
    assert (facts.foreign == ()) == large
    assert (judged(root)["Vendor stable"].result is Result.UNKNOWN) == large


def test_a_list_of_another_vendor_that_is_gone_or_torn_is_told(root: DebianRoot) -> None:
    file = root.lists / PACKAGES
    file.write_bytes(file.read_bytes()[:-20])
    assert judged(root)["Vendor stable"].result is Result.WARN
    root.archive("stable", {"main": [stanza("vendor-tool", "1.0-1")]}, head=VENDOR, address="vendor.test_apt")
    file.write_bytes(file.read_bytes()[:-20])
    assert judged(root)["Vendor stable"].result is Result.UNKNOWN
    file.unlink()
    assert judged(root)["Vendor stable"].result is Result.UNKNOWN


def test_all_shells_give_the_same_bytes(root: DebianRoot) -> None:
    payloads = [root.ask(PROBE, shell).parts for shell in SHELLS]
    assert payloads[0] == payloads[1] == payloads[2] == payloads[3]


def test_u4_a_preferred_release_keeps_the_fix_away_as_apt_says(root: DebianRoot) -> None:
    """Trap U4: apt itself would not install it."""
    assert "openssl" in installed_by_apt(root)
    assert "prefers" not in judged(root)["openssl"].summary.english()
    (root.etc / "apt.conf.d/prefer").write_text('APT::Default-Release "bookworm";\n')
    assert "openssl" not in installed_by_apt(root)
    outcome = judged(root)["openssl"]
    assert outcome.result is Result.FAIL
    assert "prefers the release bookworm" in outcome.summary.english()


def test_48_a_hold_keeps_the_fix_away_as_apt_says(root: DebianRoot) -> None:
    """Criterion 48: the cause is named."""
    status = (root.dpkg / "status").read_text()
    held = status.replace("Package: openssl\nStatus: install", "Package: openssl\nStatus: hold")
    (root.dpkg / "status").write_text(held)
    assert "openssl" not in installed_by_apt(root)
    outcome = judged(root)["openssl"]
    assert outcome.result is Result.FAIL
    assert "on hold" in outcome.summary.english()


def test_u4_a_pin_keeps_the_fix_away_as_apt_says(root: DebianRoot) -> None:
    (root.etc / "preferences").write_text("Package: openssl\nPin: version 3.0.14*\nPin-Priority: 1001\n")
    assert "openssl" not in installed_by_apt(root)
    outcome = judged(root)["openssl"]
    assert outcome.result is Result.FAIL
    assert "preference" in outcome.summary.english()
