"""What is said of Alpine: indexes, upgrades without dates and marks, its release and its kernel."""

from datetime import datetime

import pytest

from checks.model import Clock, History, Outcome, Result, Sighting
from checks.patch_currency import patch_currency
from checks.patches import Limits
from checks.patches_apk import watch_apk
from collectors.evidence import Reason
from collectors.facts import Known, Unknown
from collectors.probes.apk import ApkFacts, Upgrade
from collectors.probes.kernel import KernelFacts
from tests.checks.test_patch_currency import CLOCK, NOTHING_REPLACED, NOW, WHOLE, days, kernel, system

SOURCE = ("source", "apk indexes")
PACKAGE = ("package", "busybox")
BUSYBOX = Upgrade(name="busybox", installed="1.37.0-r18", offered="1.37.0-r19")
ABSENT = Unknown(reason=Reason.UNSUPPORTED, evidence="h#x")


def state(**more: object) -> ApkFacts:
    usual = {
        "installed": 80,
        "repositories": ("v3.22/main", "v3.22/community"),
        "indexes": (NOW - days(1), NOW),
        "missing": 0,
        "upgrades": (),
        "tied": frozenset(),
    }
    return ApkFacts(**{**usual, **more})  # type: ignore[arg-type]


def judge(
    apk: ApkFacts | Unknown | None = None,
    *,
    release: str = "3.22.1",
    running: KernelFacts | None = None,
    history: History | None = None,
    clock: Clock = CLOCK,
    bundles: tuple[str, ...] = (),
) -> dict[tuple[str, str], Outcome]:
    default = kernel(packages=None, images=("/boot/vmlinuz-lts",))
    found = patch_currency(
        platform=system(id="alpine", like=(), version_id=release, codename="", bundles=bundles),
        apt=ABSENT,
        rpm=ABSENT,
        apk=apk if isinstance(apk, Unknown) else Known(value=apk or state(), evidence="h#apk"),
        kernel=Known(value=running or default, evidence="h#kernel"),
        mapped=Known(value=NOTHING_REPLACED, evidence="h#mapped"),
        options=Limits(),
        clock=clock,
        history=history or History(),
    )
    return {(outcome.subject.kind, outcome.subject.name): outcome for outcome in found}


def remembered(first: float) -> History:
    seen = {
        "patch-currency/apk:compared": Sighting(first=NOW - days(90), last=NOW - days(1)),
        "patch-currency/apk:pending:busybox=1.37.0-r18": Sighting(
            first=NOW - days(first), last=NOW - days(1), unseen=NOW - days(first + 0.5)
        ),
    }
    return History(target="h", run=7, as_of=NOW - days(1), seen=seen)


def test_an_alpine_host_without_upgrades_passes_with_the_number_compared() -> None:
    found = judge()
    assert {outcome.result for outcome in found.values()} == {Result.PASS}
    assert "80 of 80" in found[WHOLE].summary.english()


@pytest.mark.parametrize(("first", "result"), [(3, Result.PASS), (13.5, Result.PASS), (15, Result.FAIL)])
def test_the_age_of_an_upgrade_is_from_own_history(first: float, result: Result) -> None:
    assert judge(state(upgrades=(BUSYBOX,)), history=remembered(first))[PACKAGE].result is result


def test_an_upgrade_seen_at_the_first_look_has_no_known_age() -> None:
    found = judge(state(upgrades=(BUSYBOX,)))
    assert found[PACKAGE].result is Result.WARN
    assert "79 of 80" in found[WHOLE].summary.english()


def test_u4_a_package_tied_to_a_version_fails_at_once_and_names_it() -> None:
    found = judge(state(upgrades=(BUSYBOX,), tied=frozenset({"busybox"})))
    assert found[PACKAGE].result is Result.FAIL
    assert "tied to a version" in found[PACKAGE].summary.english()


@pytest.mark.parametrize(
    ("more", "result", "reason"),
    [
        ({"indexes": (NOW - days(7),)}, Result.PASS, None),
        ({"indexes": (NOW - days(7.01), NOW)}, Result.FAIL, Reason.STALE_SOURCE),
        ({"indexes": ()}, Result.FAIL, Reason.STALE_SOURCE),
        ({"repositories": ()}, Result.FAIL, Reason.STALE_SOURCE),
        ({"missing": 1}, Result.UNKNOWN, Reason.NO_SOURCE),
        ({"repositories": ("v3.18/main",)}, Result.WARN, Reason.STALE_SOURCE),
        ({"repositories": ("latest-stable/main",)}, Result.PASS, None),
        ({"indexes": (NOW + days(3),)}, Result.UNKNOWN, Reason.UNDETERMINED),
    ],
)
def test_u1_no_upgrade_is_a_pass_only_with_whole_and_fresh_indexes_of_this_release(
    more: dict[str, object], result: Result, reason: Reason | None
) -> None:
    found = judge(state(**more))
    assert found[SOURCE].result is result
    assert found[WHOLE].reason is reason
    assert (found[WHOLE].result is Result.PASS) == (reason is None)


def test_no_installed_package_is_no_observation() -> None:
    assert judge(state(installed=0))[WHOLE].reason is Reason.NO_OBSERVATION


def test_without_the_tool_the_packages_are_unknown() -> None:
    found = judge(Unknown(reason=Reason.NO_TOOL, evidence="h#apk"))
    assert found[WHOLE].reason is Reason.NO_TOOL
    assert found["release", "alpine 3.22.1"].result is Result.PASS


@pytest.mark.parametrize(
    ("release", "as_of", "result"),
    [
        ("3.22.1", NOW, Result.PASS),
        ("3.21.5", NOW, Result.FAIL),
        ("3.99.0", NOW, Result.UNKNOWN),
        ("3.23_alpha20250612", NOW, Result.UNKNOWN),
    ],
)
def test_u10_a_release_counts_by_its_branch(release: str, as_of: datetime, result: Result) -> None:
    found = judge(release=release, clock=Clock(as_of=as_of, zone="Asia/Tokyo"))
    assert found["release", f"alpine {release}"].result is result


@pytest.mark.parametrize(
    ("more", "result"),
    [
        ({}, Result.PASS),
        ({"has_modules": False}, Result.WARN),
        ({"images": None}, Result.UNKNOWN),
        ({"images": (), "has_modules": False}, Result.NOT_APPLICABLE),
        ({"images": (), "has_modules": False, "guest": ("/.dockerenv",)}, Result.NOT_APPLICABLE),
    ],
)
def test_a_kernel_whose_modules_an_upgrade_took_away_needs_a_restart(
    more: dict[str, object], result: Result
) -> None:
    running = kernel(**{"packages": None, "images": ("/boot/vmlinuz-lts",), **more})
    assert judge(running=running)["kernel", "running"].result is result


def test_what_is_remembered_survives_the_next_upgrade_of_the_same_version() -> None:
    later = Upgrade(name="busybox", installed="1.37.0-r18", offered="1.37.0-r20")
    assert set(watch_apk(state(upgrades=(BUSYBOX,)))) == set(watch_apk(state(upgrades=(later,))))
    assert "compared" not in set(watch_apk(state(missing=1)))


def test_u19_applications_with_libraries_of_their_own_are_unknown_and_named() -> None:
    """Trap U19."""
    found = judge(bundles=("org.example.Editor",))
    outcome = found["packages", "snap and flatpak"]
    assert outcome.reason is Reason.UNSUPPORTED
    assert "org.example.Editor" in outcome.actual.english()
    assert found[WHOLE].result is Result.PASS
    assert ("packages", "snap and flatpak") not in judge()
