"""What apt's lists do not say: fixes of other vendors, of backports, of releases that have ended."""

import pytest

from checks.model import Result
from collectors.evidence import Reason
from collectors.probes.apt_join import Offer
from tests.checks.test_patch_currency import NOW, WHOLE, days, judge, offer, other, packages, pocket, system

DOCKER = "docker.test_linux_"
SUBJECT = ("source", "Docker stable")


def docker(**more: object) -> Offer:
    return offer(
        **{"name": "docker-ce", "installed": "5:24.0-1", "offered": "5:25.0-1", "pocket": DOCKER, **more}
    )


def vendor(**more: object) -> object:
    usual = {
        "prefix": DOCKER,
        "suite": "stable",
        "origin": "Docker",
        "components": ("stable",),
        "foreign": True,
    }
    return other(**{**usual, **more})


def test_u9_updates_of_another_vendor_are_a_warning_and_no_package_of_his_counts_as_current() -> None:
    """Trap U9: nobody says which of them are security fixes."""
    current = docker(name="containerd.io", newer=False)
    found = judge(packages(others=(other(), vendor()), foreign=(docker(), current)))
    assert found[SUBJECT].result is Result.WARN
    assert "docker-ce" in found[SUBJECT].actual.english()
    assert "containerd.io" not in found[SUBJECT].actual.english()
    assert ("source", "Debian bookworm") not in found
    assert found[WHOLE].result is Result.PASS
    assert "398 of 400" in found[WHOLE].summary.english()


def test_u9_another_vendor_without_a_waiting_update_is_no_pass() -> None:
    found = judge(packages(others=(vendor(),), foreign=(docker(newer=False),)))
    assert found[SUBJECT].result is Result.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"large": ("stable/binary-amd64/Packages",)}, Reason.LIMIT),
        ({"missing": ("stable/binary-amd64/Packages",)}, Reason.NO_SOURCE),
        ({"torn": ("stable/binary-amd64/Packages",)}, Reason.CORRUPT),
    ],
)
def test_u9_another_vendors_list_that_was_not_compared_is_unknown(
    more: dict[str, object], reason: Reason
) -> None:
    assert judge(packages(others=(vendor(**more),)))[SUBJECT].reason is reason
    # What waits surely is said all the same.
    assert judge(packages(others=(vendor(**more),), foreign=(docker(),)))[SUBJECT].result is Result.WARN


def test_u9_a_version_of_another_vendor_that_cannot_be_read_is_unknown() -> None:
    found = judge(packages(others=(vendor(),), foreign=(docker(newer=None, offered=""),)))
    assert found[SUBJECT].reason is Reason.UNPARSABLE


def test_a_source_that_does_not_say_who_it_is_is_named_by_its_host() -> None:
    found = judge(packages(others=(vendor(origin=""),)))
    assert ("source", "docker.test stable") in found


def test_backports_are_no_pending_updates_and_their_packages_do_not_count_as_current() -> None:
    backports = other(origin="Debian Backports", suite="bookworm-backports", foreign=True, automatic=False)
    found = judge(packages(others=(backports,), backported=3))
    assert found["source", "Debian Backports bookworm-backports"].result is Result.NOT_APPLICABLE
    assert "397 of 400" in found[WHOLE].summary.english()


@pytest.mark.parametrize(
    ("preferred", "others", "result"),
    [
        ("bookworm", (other(),), Result.FAIL),
        # Nothing of it is configured: then apt refuses the setting and everything else.
        ("trixie", (other(),), Result.WARN),
        ("", (other(),), Result.WARN),
        ("/^bookworm(|-security)$/", (other(),), Result.WARN),
    ],
)
def test_u4_a_fix_that_a_preferred_release_keeps_away_fails_and_names_it(
    preferred: str, others: tuple[object, ...], result: Result
) -> None:
    """Trap U4."""
    found = judge(packages(offers=(offer(),), others=others, default_release=preferred))
    outcome = found["package", "openssl"]
    assert outcome.result is result
    assert ("prefers the release" in outcome.summary.english()) == (result is Result.FAIL)


@pytest.mark.parametrize(
    ("version", "pockets", "result"),
    [
        ("22.04", (pocket(origin="Ubuntu", suite="jammy-security", codename="jammy"),), Result.PASS),
        ("20.04", (pocket(origin="Ubuntu", suite="focal-security", codename="focal"),), Result.UNKNOWN),
        ("20.04", (pocket(origin="UbuntuESM", suite="focal-infra-security", codename="focal"),), Result.PASS),
    ],
)
def test_u10_no_pending_fix_of_a_release_that_ended_is_no_pass(
    version: str, pockets: tuple[object, ...], result: Result
) -> None:
    """Trap U10: what a subscription would offer is not in the lists of those who have none."""
    ubuntu = system(id="ubuntu", version_id=version, codename="")
    found = judge(packages(pockets=pockets), platform=ubuntu)
    assert found[WHOLE].result is result
    assert found["release", f"ubuntu {version}"].result is (
        Result.PASS if result is Result.PASS else Result.FAIL
    )


def test_u10_a_release_that_ended_fails_whatever_is_pending() -> None:
    found = judge(packages(offers=(offer(),)), platform=system(version_id="10", codename=""))
    assert found["release", "debian 10"].result is Result.FAIL


def test_49_a_security_pocket_made_30_days_ago_passes_nothing() -> None:
    """Criterion 49, traps U1 and U2: nothing waits, according to lists that cannot know."""
    found = judge(packages(pockets=(pocket(date=NOW - days(30), valid_until=None),)))
    assert found[WHOLE].reason is Reason.STALE_SOURCE
    assert found["source", "Debian bookworm-security"].result is Result.FAIL
