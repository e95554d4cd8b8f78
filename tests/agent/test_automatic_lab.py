"""unattended-upgrades on hosts that systemd runs: real runs, real timers, its own word on origins."""

from pathlib import Path

import pytest

from checks.model import Finding, Result
from tests.agent.labsite import LabSite
from tests.lab.host import Host
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab

PROMISE = """
[[promise]]
id = "updates"
text = "operating systems are kept up-to-date"
source = { document = "privacy-policy.txt", section = "6(2)" }
proves = ["automatic-updates"]
"""
RUN = "systemctl start apt-daily.service apt-daily-upgrade.service"


def _found(site: LabSite) -> Finding:
    assert site.tenken("run").returncode in (0, 1, 3)
    (found,) = (each for each in site.findings if each.subject.kind == "updates")
    return found


def _would_install(host: Host) -> bool:
    """The program's own word: whether it takes the fix for sudo that the security pocket offers."""
    said = host.sh("unattended-upgrade --dry-run --debug 2>&1").stdout
    assert "should be upgraded:" in said
    return "\nsudo\n" in said.partition("should be upgraded:")[2]


@pytest.mark.verifies("debian-12", "automatic-updates")
@pytest.mark.verifies("debian-13", "automatic-updates")
@pytest.mark.parametrize("persona", ["automatic-12", "automatic-13"])
def test_52_automatic_updates_pass_after_a_real_run_and_fail_when_their_timer_is_masked(
    own_host: OwnHostFactory, tmp_path: Path, persona: str
) -> None:
    """Criterion 52: package, periods and the last run stay fine."""
    host = own_host(persona)
    site = LabSite(tmp_path / "site", [host], promises=PROMISE)
    assert _found(site).result is Result.FAIL
    assert host.sh(RUN).returncode == 0
    found = _found(site)
    assert found.result is Result.PASS, found.actual.english()
    host.sh("systemctl mask apt-daily-upgrade.timer")
    assert host.sh("systemctl is-enabled apt-daily-upgrade.timer").stdout == "masked\n"
    found = _found(site)
    assert found.result is Result.FAIL
    assert "apt-daily-upgrade.timer is masked" in found.summary.english()
    host.sh("systemctl unmask apt-daily-upgrade.timer; systemctl disable --now apt-daily.timer")
    assert "apt-daily.timer is not enabled" in _found(site).summary.english()
    host.sh("systemctl enable --now apt-daily.timer; systemctl start apt-daily-upgrade.timer")
    assert _found(site).result is Result.PASS
    host.sh("echo 'APT::Periodic::Unattended-Upgrade \"0\";' > /etc/apt/apt.conf.d/99off")
    assert "Unattended-Upgrade is 0" in _found(site).summary.english()


def test_u12_origins_without_the_security_pocket_fail_and_install_no_fix(
    own_host: OwnHostFactory, tmp_path: Path
) -> None:
    """Trap U12, held against what unattended-upgrade itself would install."""
    host = own_host("automatic-12")
    site = LabSite(tmp_path / "site", [host], promises=PROMISE)
    host.sh(f"/srv/archive/publish pending; {RUN}")
    assert _would_install(host)
    assert "origins" not in _found(site).actual.english()
    host.sh(
        "printf '%s\\n' '#clear Unattended-Upgrade::Origins-Pattern;'"
        " 'Unattended-Upgrade::Origins-Pattern { \"origin=Debian,label=Debian\"; };'"
        " > /etc/apt/apt.conf.d/99origins"
    )
    assert not _would_install(host)
    found = _found(site)
    assert found.result is Result.FAIL
    assert "origins do not include bookworm-security" in found.actual.english()
