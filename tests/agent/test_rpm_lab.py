"""Runs over RPM hosts: what waits, for how long, and what keeps it away; each finding the expected one."""

import re
from pathlib import Path

import pytest

from checks.model import Finding, Result
from tests.agent.labsite import LabSite
from tests.lab.host import Host
from tests.lab.plugin import HostFactory, OwnHostFactory

pytestmark = pytest.mark.lab


def patches(site: Path, host: Host) -> dict[str, Finding]:
    """Run, and return what is said of the host's security fixes by subject."""
    lab = LabSite(site, [host])
    done = lab.tenken("run")
    assert done.returncode in (0, 1, 3), done.stderr
    return {
        f"{each.subject.kind} {each.subject.name}": each
        for each in lab.findings
        if each.safeguard == "patch-currency"
    }


def results(found: dict[str, Finding]) -> dict[str, str]:
    return {subject: finding.result.value for subject, finding in found.items()}


def test_an_rpm_host_with_every_fix_installed_passes(host: HostFactory, tmp_path: Path) -> None:
    found = patches(tmp_path / "site", host("rpm-clean"))
    assert results(found) == {
        "release almalinux 9.6": "pass",
        "source dnf baseos": "pass",
        "packages security fixes": "pass",
        # Its packages are made up, without any kernel.
        "kernel running": "not_applicable",
        "restart replaced files": "pass",
    }
    assert "12 packages were compared with 4" in found["packages security fixes"].actual.english()


@pytest.mark.verifies("rhel", "patch-currency")
def test_an_rpm_advisory_of_3_days_passes_with_a_note_and_one_of_90_fails(
    host: HostFactory, tmp_path: Path
) -> None:
    """The same two fixes wait as dnf lists; bash's waits too and is no security fix."""
    pending = host("rpm-pending")
    found = patches(tmp_path / "site", pending)
    packages = {subject: each for subject, each in found.items() if subject.startswith("package ")}
    assert results(packages) == {"package curl": "pass", "package openssl-libs": "fail"}
    assert "ALSA-2026:1001 (Important) was issued 3 days ago" in packages["package curl"].actual.english()
    listed = pending.sh("dnf -q updateinfo list --security").stdout
    assert set(re.findall(r"(\S+)-[^-]*-[^-]*$", listed, re.MULTILINE)) == {"curl", "openssl-libs"}


# The cache of a host that has not asked for 30 days: what is in it and its files are that old.
_OLD = """
cd /var/cache/dnf/*/repodata
sed -i -E "s#<(revision|timestamp)>[0-9]+#<\\1>$(date -d '30 days ago' +%s)#" repomd.xml
touch -d '30 days ago' *
"""


@pytest.mark.parametrize(
    ("persona", "setup", "expected"),
    [
        (
            "rpm-pending",
            "echo exclude=curl >> /etc/dnf/dnf.conf",
            {"package curl": "fail", "package openssl-libs": "fail", "packages security fixes": "pass"},
        ),
        # Trap U1: nothing seems to wait.
        ("rpm-clean", _OLD, {"source dnf baseos": "fail", "packages security fixes": "unknown"}),
        # Traps U3 and U14: dnf has not fetched anything.
        (
            "rpm-pending",
            "rm -r /var/cache/dnf/*",
            {"source dnf baseos": "unknown", "packages security fixes": "unknown"},
        ),
        (
            "rpm-pending",
            "sed -i s/enabled=1/enabled=0/ /etc/yum.repos.d/*.repo",
            {"source security advisories": "fail", "packages security fixes": "unknown"},
        ),
    ],
)
def test_what_is_stale_missing_or_kept_away_is_said(
    own_host: OwnHostFactory, tmp_path: Path, persona: str, setup: str, expected: dict[str, str]
) -> None:
    found = results(patches(tmp_path / "site", own_host(persona, setup=setup)))
    assert {
        subject: result
        for subject, result in found.items()
        if subject.split()[0] in ("package", "packages") or result not in ("pass", "not_applicable")
    } == expected


def test_without_root_the_fixes_are_the_same(host: HostFactory, tmp_path: Path) -> None:
    site = LabSite(tmp_path / "site", [host("rpm-pending").as_login("tenken")])
    site.tenken("run")
    packages = {
        each.subject.name: each.result
        for each in site.findings
        if each.safeguard == "patch-currency" and each.subject.kind == "package"
    }
    assert packages == {"curl": Result.PASS, "openssl-libs": Result.FAIL}
