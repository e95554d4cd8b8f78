"""A leaver's key over several real hosts: run, remembered, verified, and tried with a real log-in."""

import subprocess
from pathlib import Path

import pytest

from checks.model import Finding
from tests.agent.labsite import LabSite
from tests.collectors.probes.asked import ssh
from tests.lab.host import Lab
from tests.lab.plugin import HostFactory, OwnHostFactory

pytestmark = pytest.mark.lab


def _tanaka(site: LabSite, host: str) -> Finding:
    found = [it for it in site.findings if it.target == host and it.subject.kind == "account"]
    return next(it for it in found if it.subject.name == "tanaka")


def test_a_leavers_key_under_root_of_another_host_fails_there_and_in_later_runs(
    lab: Lab, host: HostFactory, own_host: OwnHostFactory, tmp_path: Path
):
    """Criterion 25 across hosts: tanaka never had an account where root lets the key in."""
    other = own_host("clean", setup='echo "$KEY_tanaka" | lab-key root')
    innocent = host("debian-13")
    command = [*ssh(other, "root", lab.person_keys["tanaka"]), "id -un"]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == "root\n"
    site = LabSite(tmp_path / "site", [other, innocent, host("leaver")])
    assert site.tenken("run").returncode == 1
    found = _tanaka(site, "clean")
    assert found.actual.english() == "open: public key under root (the key of tanaka on leaver)"
    assert "leaver#keys" in found.evidence
    assert _tanaka(site, "debian-13").result.value == "pass"
    assert "byte for byte" in site.verify().stdout
    # A run over a part knows of the rest what earlier runs saw, and is incomplete.
    assert site.tenken("run", "--limit", "clean").returncode == 3
    assert (
        _tanaka(site, "clean").actual.english() == "open: public key under root (known from an earlier run)"
    )
    assert "byte for byte" in site.verify().stdout
    # The leaver's own host is gone for good; the other remembers whose the key is.
    site.write_hosts([other, innocent])
    assert site.tenken("run").returncode == 1
    assert (
        _tanaka(site, "clean").actual.english() == "open: public key under root (known from an earlier run)"
    )
    assert site.verify().returncode == 0


def test_a_leavers_key_as_an_authority_of_root_lets_in_what_it_signed(
    lab: Lab, host: HostFactory, own_host: OwnHostFactory, tmp_path: Path
):
    """Whoever holds the key makes certificates for root with it; the key itself logs in nowhere there."""
    other = own_host("clean", setup='echo "cert-authority $KEY_tanaka" | lab-key root')
    authority = lab.person_keys["tanaka"]
    fresh = tmp_path / "fresh"
    for words in (
        ("-q", "-t", "ed25519", "-N", "", "-f", str(fresh)),
        ("-q", "-s", str(authority), "-I", "any", "-n", "root", f"{fresh}.pub"),
    ):
        subprocess.run(["ssh-keygen", *words], check=True)
    said = [
        subprocess.run(
            [*ssh(other, "root", key), "id -un"], capture_output=True, text=True, check=False
        ).stdout
        for key in (authority, fresh)
    ]
    assert said == ["", "root\n"]
    site = LabSite(tmp_path / "site", [other, host("leaver")])
    assert site.tenken("run").returncode == 1
    assert (
        _tanaka(site, "clean").actual.english() == "open: public key under root (the key of tanaka on leaver)"
    )
