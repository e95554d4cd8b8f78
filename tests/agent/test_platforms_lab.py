"""One run over hosts of the other systems: what is measured there, and what stays unknown."""

import pytest

from tests.agent.labsite import LabSite
from tests.lab.plugin import HostFactory

pytestmark = pytest.mark.lab

LOUD = {
    # Nobody makes fixes for it any more: whatever is installed, it fails.
    "end-of-life": {
        ("patch-currency", "release debian 11", "fail"),
        ("patch-currency", "packages security fixes", "unknown"),
    },
    "rpm-clean": set(),
    # The look-alike has no apk to ask.
    "busybox": {("patch-currency", "packages security fixes", "unknown")},
}


@pytest.fixture(scope="module")
def others(host: HostFactory, tmp_path_factory: pytest.TempPathFactory) -> LabSite:
    site = LabSite(tmp_path_factory.mktemp("others") / "site", [host(name) for name in LOUD])
    done = site.tenken("run")
    assert done.returncode == 3, done.stderr
    return site


@pytest.mark.verifies(
    "debian-11", "retired-accounts", "access-log-retention", "password-rotation", "patch-currency"
)
@pytest.mark.verifies("rhel", "access-log-retention")
@pytest.mark.verifies("alpine", "retired-accounts", "access-log-retention", "password-rotation")
@pytest.mark.parametrize("persona", LOUD)
def test_a_good_host_of_another_system_has_exactly_its_findings(others: LabSite, persona: str) -> None:
    assert others.evidence(persona)["status"] == "collected"
    assert others.loud(persona) == LOUD[persona]
    passed = {each.safeguard for each in others.findings if each.target == persona and each.result == "pass"}
    assert {"retired-accounts", "access-log-retention", "password-rotation"} <= passed
