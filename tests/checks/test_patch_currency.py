"""What is said of fixes that wait, of stale or missing sources, of releases and of kernels."""

from datetime import UTC, datetime, timedelta

import pytest

from checks.model import Clock, History, Outcome, Result, Sighting
from checks.patch_currency import _watch, patch_currency
from checks.patches import Limits
from checks.releases import SUPPORT
from collectors.evidence import Reason
from collectors.facts import Fact, Known, Unknown
from collectors.probes.apt import AptFacts, OtherSource, Pin, Pocket
from collectors.probes.apt_join import Offer, Unfinished
from collectors.probes.kernel import KernelFacts, KernelPackage
from collectors.probes.mapped import MappedFacts
from collectors.probes.platform import PlatformFacts
from config.duration import Duration

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
CLOCK = Clock(as_of=NOW, zone="Asia/Tokyo")
PREFIX = "mirror.test_debian-security_dists_bookworm-security_"
WHOLE = ("packages", "security fixes")
SOURCE = ("source", "Debian bookworm-security")


def days(number: float) -> timedelta:
    return timedelta(days=number)


def system(**more: object) -> PlatformFacts:
    usual = {
        "id": "debian",
        "like": (),
        "version_id": "12",
        "codename": "bookworm",
        "name": "Debian GNU/Linux 12",
        "kernel": "6.1.0-13-amd64",
        "machine": "x86_64",
        "kernel_build": "",
        "born": None,
        "booted_s": None,
    }
    return PlatformFacts(**{**usual, **more})  # type: ignore[arg-type]


def pocket(**more: object) -> Pocket:
    usual = {
        "prefix": PREFIX,
        "suite": "bookworm-security",
        "origin": "Debian",
        "label": "Debian-Security",
        "codename": "bookworm-security",
        "archive": "oldstable-security",
        "date": NOW - days(1),
        "valid_until": NOW + days(6),
        "components": ("main",),
        "unasked": (),
        "missing": (),
        "torn": (),
        "stanzas": 3_000,
    }
    return Pocket(**{**usual, **more})  # type: ignore[arg-type]


def offer(**more: object) -> Offer:
    usual = {
        "name": "openssl",
        "arch": "amd64",
        "installed": "3.0.14-1",
        "held": False,
        "source": "openssl",
        "offered": "3.0.15-1",
        "newer": True,
        "pocket": PREFIX,
    }
    return Offer(**{**usual, **more})  # type: ignore[arg-type]


def packages(**more: object) -> AptFacts:
    usual = {
        "native": "amd64",
        "installed": 400,
        "backported": 0,
        "offers": (),
        "foreign": (),
        "unfinished": (),
        "pockets": (pocket(),),
        "others": (),
        "unread": (),
        "pins": (),
        "default_release": "",
        "automatic": None,
    }
    return AptFacts(**{**usual, **more})  # type: ignore[arg-type]


def other(**more: object) -> OtherSource:
    usual = {
        "prefix": "mirror.test_debian_dists_bookworm_",
        "suite": "bookworm",
        "origin": "Debian",
        "label": "Debian",
        "components": ("main",),
        "foreign": False,
        "automatic": True,
        "missing": (),
        "torn": (),
        "large": (),
    }
    return OtherSource(**{**usual, **more})  # type: ignore[arg-type]


def kernel(**more: object) -> KernelFacts:
    usual = {
        "release": "6.1.0-13-amd64",
        "running_version": "6.1.55-1",
        "guest": (),
        "images": ("/boot/x",),
        "packages": (image("6.1.0-13-amd64", "6.1.55-1", 90), META),
        "has_modules": True,
        "restart_asked": None,
        "restart_packages": (),
        "live_patches": (),
    }
    return KernelFacts(**{**usual, **more})  # type: ignore[arg-type]


def image(release: str, version: str, ago: float | None) -> KernelPackage:
    when = None if ago is None else NOW - days(ago)
    return KernelPackage(name=f"linux-image-{release}", release=release, version=version, installed_at=when)


NOTHING_REPLACED = MappedFacts(replaced=(), seen=90, unread=0, contained=0)
META = KernelPackage(name="linux-image-amd64", release="", version="6.1.66-1", installed_at=None)


def judge(
    apt: AptFacts | Unknown | None = None,
    running: KernelFacts | Unknown | None = None,
    *,
    platform: PlatformFacts | None = None,
    history: History | None = None,
    options: Limits | None = None,
    clock: Clock = CLOCK,
) -> dict[tuple[str, str], Outcome]:
    def fact(value: AptFacts | KernelFacts | Unknown) -> Fact:  # type: ignore[type-arg]
        return value if isinstance(value, Unknown) else Known(value=value, evidence="h#x")

    found = patch_currency(
        platform=platform or system(),
        apt=fact(apt or packages()),
        rpm=Unknown(reason=Reason.UNSUPPORTED, evidence="h#rpm", detail="no rpm of rpm"),
        apk=Unknown(reason=Reason.UNSUPPORTED, evidence="h#apk", detail="no apk"),
        kernel=fact(running or kernel()),
        mapped=Known(value=NOTHING_REPLACED, evidence="h#mapped"),
        options=options or Limits(),
        clock=clock,
        history=history or History(),
    )
    outcomes = list(found)
    by_subject = {(outcome.subject.kind, outcome.subject.name): outcome for outcome in outcomes}
    assert len(by_subject) == len(outcomes)
    return by_subject


def remembered(**seen: datetime) -> History:
    """Yesterday's run, and since when the daily runs had seen what."""
    names = {"compared": "compared", "openssl": "pending:openssl:amd64=3.0.14-1"}
    last = NOW - days(1)
    return History(
        target="h",
        run=7,
        as_of=last,
        seen={
            f"patch-currency:{names[name]}": Sighting(
                first=first,
                last=last,
                unseen=first - days(1) if first > min(seen.values()) else None,
            )
            for name, first in seen.items()
        },
    )


def test_a_host_without_waiting_fixes_passes_with_the_number_compared() -> None:
    found = judge()
    assert {outcome.result for outcome in found.values()} == {Result.PASS}
    assert "400 packages were compared with 3000" in found[WHOLE].actual.english()


# --- fixes that wait ---


def test_at_the_first_audit_the_age_of_a_fix_is_not_known() -> None:
    outcome = judge(packages(offers=(offer(),)))["package", "openssl"]
    assert outcome.result is Result.WARN


@pytest.mark.parametrize(
    ("first", "compared", "result"),
    [
        (15, 100, Result.FAIL),
        (14.01, 100, Result.FAIL),
        # The run before did not see it yet: it waits for 14 to 15 days.
        (14, 100, Result.WARN),
        (13, 100, Result.PASS),
        (3, 100, Result.PASS),
        (3, 3, Result.WARN),
        (15, 15, Result.FAIL),
        (3, None, Result.WARN),
        (None, 100, Result.PASS),
        (None, None, Result.WARN),
    ],
)
def test_a_fix_waits_from_when_our_own_runs_first_saw_it(
    first: float | None, compared: float | None, result: Result
) -> None:
    """A fix that was there at the first comparison is only known to be that old or older."""
    seen = {"openssl": first, "compared": compared}
    history = remembered(**{name: NOW - days(ago) for name, ago in seen.items() if ago is not None})
    assert judge(packages(offers=(offer(),)), history=history)["package", "openssl"].result is result


def test_a_fix_that_may_have_come_long_before_this_run_has_no_known_age() -> None:
    last = NOW - days(30)
    seen = {"patch-currency:compared": Sighting(first=NOW - days(300), last=last)}
    history = History(target="h", run=7, as_of=last, seen=seen)
    assert judge(packages(offers=(offer(),)), history=history)["package", "openssl"].result is Result.WARN


def test_a_fix_that_came_while_nobody_looked_has_no_known_age() -> None:
    """The host was away for two months; the fix was there when it came back yesterday."""
    last = NOW - days(1)
    seen = {
        "patch-currency:compared": Sighting(first=NOW - days(300), last=last),
        "patch-currency:pending:openssl:amd64=3.0.14-1": Sighting(
            first=last, last=last, unseen=NOW - days(60)
        ),
    }
    history = History(target="h", run=7, as_of=last, seen=seen, looked={"patch-currency": last})
    outcome = judge(packages(offers=(offer(),)), history=history)["package", "openssl"]
    assert outcome.result is Result.WARN
    assert "nobody looked when it came" in outcome.summary.english()


def test_a_fix_found_after_runs_that_could_not_look_has_no_known_age() -> None:
    """Yesterday's run happened, but the host did not answer it."""
    looked = NOW - days(60)
    seen = {"patch-currency:compared": Sighting(first=NOW - days(300), last=looked)}
    history = History(target="h", run=7, as_of=NOW - days(1), seen=seen, looked={"patch-currency": looked})
    assert judge(packages(offers=(offer(),)), history=history)["package", "openssl"].result is Result.WARN


def test_the_promise_sets_how_long_a_fix_may_wait() -> None:
    history = remembered(openssl=NOW - days(3), compared=NOW - days(90))
    options = Limits(fix_within=Duration("2d"))
    assert (
        judge(packages(offers=(offer(),)), history=history, options=options)["package", "openssl"].result
        is Result.FAIL
    )


def test_a_second_fix_for_the_same_installed_version_does_not_start_the_wait_anew() -> None:
    before = set(_watch(packages(offers=(offer(offered="3.0.15-1"),)), CLOCK))
    after = set(_watch(packages(offers=(offer(offered="3.0.16-1"),)), CLOCK))
    assert before == after == {"pending:openssl:amd64=3.0.14-1", "compared"}


def test_only_what_is_newer_is_remembered_and_only_whole_fresh_lists_compare() -> None:
    lower = offer(newer=False)
    assert set(_watch(packages(offers=(lower,)), CLOCK)) == {"compared"}
    for bad in (pocket(date=NOW - days(8)), pocket(missing=("x",)), pocket(torn=("x",)), pocket(date=None)):
        assert set(_watch(packages(pockets=(bad,)), CLOCK)) == set()
    assert set(_watch(packages(pockets=()), CLOCK)) == set()


def test_a_lower_candidate_is_no_finding() -> None:
    found = judge(packages(offers=(offer(offered="3.0.13-1", newer=False),)))
    assert not [subject for subject in found if subject[0] == "package"]
    assert found[WHOLE].result is Result.PASS


def test_a_held_package_with_a_fix_fails_at_once_and_names_the_hold() -> None:
    outcome = judge(packages(offers=(offer(held=True),)))["package", "openssl"]
    assert outcome.result is Result.FAIL
    assert "on hold" in outcome.summary.english()


def test_a_held_package_without_a_fix_is_no_finding() -> None:
    assert ("package", "openssl") not in judge(packages(offers=(offer(held=True, newer=False),)))


@pytest.mark.parametrize(
    ("names", "pin", "priority", "pinned"),
    [
        (("openssl",), "version 3.0.14*", 1001, True),
        (("libssl3", "openssl"), "version 3.0.14-1", 990, True),
        (("open*",), "version 3.0.14*", 600, True),
        (("openssl",), "release *", -1, True),
        (("openssl",), "version 3.0.15*", 1001, False),
        (("openssl",), "version 3.0.14*", 100, False),
        (("openssl",), "version 3.?.15*", 1001, False),
        (("openssl",), "version /x/", 1001, False),
        (("*",), "release a=stable", 990, False),
        (("*",), "release *", -1, False),
        (("curl",), "version 3.0.14*", 1001, False),
        ((), "", -1, False),
    ],
)
def test_a_pin_is_named_only_where_it_surely_keeps_the_fix_away(
    names: tuple[str, ...], pin: str, priority: int, *, pinned: bool
) -> None:
    pins = (Pin(packages=names, pin=pin, priority=priority),)
    outcome = judge(packages(offers=(offer(),), pins=pins))["package", "openssl"]
    assert (outcome.result is Result.FAIL) == pinned
    assert ("preference" in outcome.summary.english()) == pinned


def test_a_version_that_cannot_be_read_is_unknown_and_not_counted_as_current() -> None:
    found = judge(packages(offers=(offer(newer=None, offered=""),)))
    assert found["package", "openssl"].reason is Reason.UNPARSABLE
    assert "399 of 400" in found[WHOLE].summary.english()


def test_a_package_of_a_foreign_architecture_is_named_as_dpkg_does() -> None:
    found = judge(packages(offers=(offer(arch="i386"), offer(arch="all", name="ca-certificates"), offer())))
    assert {name for kind, name in found if kind == "package"} == {
        "openssl:i386",
        "ca-certificates",
        "openssl",
    }


def test_an_unfinished_package_is_a_warning() -> None:
    unfinished = (Unfinished(name="mysql", arch="amd64", installed="8.0-1", status="F"),)
    assert judge(packages(unfinished=unfinished))["package", "mysql"].result is Result.WARN


# --- sources ---


@pytest.mark.parametrize(
    ("more", "result", "reason"),
    [
        ({"date": NOW - days(7)}, Result.PASS, None),
        ({"date": NOW - days(7.01)}, Result.FAIL, Reason.STALE_SOURCE),
        ({"date": NOW - days(30), "valid_until": None}, Result.FAIL, Reason.STALE_SOURCE),
        ({"valid_until": NOW - timedelta(seconds=1)}, Result.FAIL, Reason.STALE_SOURCE),
        ({"valid_until": NOW}, Result.PASS, None),
        ({"missing": ("main/binary-amd64/Packages",)}, Result.FAIL, Reason.NO_SOURCE),
        ({"torn": ("main/binary-amd64/Packages",)}, Result.UNKNOWN, Reason.CORRUPT),
        ({"date": None}, Result.UNKNOWN, Reason.UNDETERMINED),
        ({"date": NOW + days(2)}, Result.UNKNOWN, Reason.UNDETERMINED),
        ({"date": NOW + timedelta(hours=1)}, Result.PASS, None),
    ],
)
def test_no_pending_fix_is_a_pass_only_when_the_lists_are_whole_and_fresh(
    more: dict[str, object], result: Result, reason: Reason | None
) -> None:
    found = judge(packages(pockets=(pocket(**more),)))
    assert found[SOURCE].result is result
    assert found[WHOLE].result is (Result.PASS if reason is None else Result.UNKNOWN)
    assert found[WHOLE].reason is reason


def test_a_fix_in_a_list_older_than_the_promise_fails_even_at_the_first_audit() -> None:
    """The fix is at least as old as the list that offers it."""
    found = judge(packages(pockets=(pocket(date=NOW - days(15), valid_until=None),), offers=(offer(),)))
    assert found["package", "openssl"].result is Result.FAIL


def test_one_stale_pocket_of_two_leaves_the_rest_unknown() -> None:
    stale = pocket(prefix="esm_", suite="jammy-security", date=NOW - days(30), origin="UbuntuESM")
    assert judge(packages(pockets=(pocket(), stale)))[WHOLE].result is Result.UNKNOWN


def test_without_a_security_pocket_the_source_fails_and_nothing_is_current() -> None:
    found = judge(packages(pockets=()))
    assert found["source", "security pocket"].result is Result.FAIL
    assert found[WHOLE].reason is Reason.NO_SOURCE


def test_a_pocket_of_another_release_is_no_source() -> None:
    """It offers lower versions only, which would look like "no fix waits"."""
    old = pocket(codename="bullseye-security", suite="bullseye-security")
    found = judge(packages(pockets=(old,)))
    assert found["source", "security pocket"].result is Result.FAIL
    assert found[WHOLE].reason is Reason.NO_SOURCE


def test_a_security_pocket_that_may_stand_in_an_unreadable_file_is_unknown() -> None:
    found = judge(packages(pockets=(), unread=("/etc/apt/sources.list",)))
    assert found["source", "security pocket"].reason is Reason.DENIED


def test_no_installed_package_is_no_observation() -> None:
    assert judge(packages(installed=0))[WHOLE].reason is Reason.NO_OBSERVATION


def test_a_component_whose_fixes_are_not_asked_for_is_a_warning() -> None:
    main = other(components=("main", "contrib"))
    found = judge(packages(pockets=(pocket(unasked=("contrib", "non-free")),), others=(main,)))
    assert found["source", "Debian bookworm"].result is Result.WARN
    assert "contrib" in found["source", "Debian bookworm"].actual.english()


@pytest.mark.parametrize(
    ("preferred", "warned"),
    [("bookworm", True), ("stable", True), ("", False), ("/^bookworm(|-security)$/", False), ("12", False)],
)
def test_a_preferred_release_without_the_pocket_is_a_warning(preferred: str, *, warned: bool) -> None:
    found = judge(packages(default_release=preferred))
    assert (("source", "APT::Default-Release") in found) == warned


# --- the release ---


@pytest.mark.parametrize(
    ("release", "day", "result"),
    [
        (("debian", "11"), datetime(2026, 8, 31, 14, 59, tzinfo=UTC), Result.PASS),
        (("debian", "11"), datetime(2026, 8, 31, 15, 0, tzinfo=UTC), Result.FAIL),
        (("debian", "12"), NOW, Result.PASS),
        (("debian", "10"), NOW, Result.FAIL),
        (("ubuntu", "20.04"), NOW, Result.FAIL),
        (("ubuntu", "22.04"), NOW, Result.PASS),
        (("debian", "99"), NOW, Result.UNKNOWN),
    ],
)
def test_a_release_fails_after_its_last_day_in_the_organisations_zone(
    release: tuple[str, str], day: datetime, result: Result
) -> None:
    found = judge(
        platform=system(id=release[0], version_id=release[1]), clock=Clock(as_of=day, zone="Asia/Tokyo")
    )
    assert found["release", " ".join(release)].result is result


def test_a_subscription_counts_only_when_its_pocket_is_configured() -> None:
    focal = system(id="ubuntu", version_id="20.04", codename="focal")
    esm = pocket(prefix="esm_", origin="UbuntuESM", suite="focal-infra-security", codename="focal")
    assert judge(packages(pockets=(esm,)), platform=focal)["release", "ubuntu 20.04"].result is Result.PASS


def test_every_release_ends_regular_support_before_the_longer_ones() -> None:
    assert all(line.regular <= line.free and line.source.startswith("https://") for line in SUPPORT.values())
    assert all(line.paid is None or line.free < line.paid for line in SUPPORT.values())


def test_another_family_of_systems_is_unknown() -> None:
    found = judge(platform=system(id="arch", version_id="3.20.3"))
    assert {(subject, outcome.reason) for subject, outcome in found.items()} == {(WHOLE, Reason.UNSUPPORTED)}


def test_a_derivative_without_a_pocket_of_that_name_is_unknown() -> None:
    found = judge(packages(pockets=()), platform=system(id="raspbian", like=("debian",)))
    assert found["source", "security pocket"].reason is Reason.UNSUPPORTED


def test_without_package_facts_the_kernel_is_still_judged() -> None:
    found = judge(Unknown(reason=Reason.DENIED, evidence="h#apt"))
    assert found[WHOLE].reason is Reason.DENIED
    assert found["kernel", "running"].result is Result.PASS


# --- the kernel ---


NEWER = image("6.1.0-15-amd64", "6.1.66-1", 20)
OWN = image("6.1.0-13-amd64", "6.1.55-1", 90)


@pytest.mark.parametrize(
    ("more", "result"),
    [
        ({"packages": (OWN, NEWER, META)}, Result.FAIL),
        ({"packages": (OWN, image("6.1.0-15-amd64", "6.1.66-1", 14), META)}, Result.PASS),
        ({"packages": (OWN, image("6.1.0-15-amd64", "6.1.66-1", 14.01), META)}, Result.FAIL),
        ({"packages": (OWN, NEWER, image("6.1.0-17-amd64", "6.1.69-1", 1), META)}, Result.FAIL),
        ({"packages": (OWN, image("6.1.0-15-amd64", "6.1.66-1", None), META)}, Result.WARN),
        ({"packages": (OWN, image("6.1.0-9-amd64", "6.1.27-1", 300), META)}, Result.PASS),
        ({"packages": (image("6.1.0-13-amd64", "6.1.55-2", 20), META)}, Result.FAIL),
        ({"packages": (image("6.1.0-9-amd64", "6.1.27-1", 300), META)}, Result.WARN),
        ({"running_version": ""}, Result.UNKNOWN),
        ({"packages": (image("6.1.0-13-amd64", "?", 20), META)}, Result.UNKNOWN),
        ({"packages": ()}, Result.UNKNOWN),
        ({"packages": None}, Result.UNKNOWN),
        ({"packages": (), "images": None, "has_modules": False}, Result.UNKNOWN),
        ({"packages": (), "images": (), "has_modules": False}, Result.NOT_APPLICABLE),
        ({"packages": (), "images": (), "guest": ("/run/systemd/container",)}, Result.NOT_APPLICABLE),
        ({"packages": (NEWER, META), "guest": ("/.dockerenv",)}, Result.NOT_APPLICABLE),
        ({"packages": (OWN, NEWER, META), "guest": ("/.dockerenv",)}, Result.FAIL),
    ],
)
def test_the_newest_installed_kernel_must_run(more: dict[str, object], result: Result) -> None:
    assert judge(running=kernel(**more))["kernel", "running"].result is result


def test_u20_live_patches_are_stated_and_change_no_result() -> None:
    """Trap U20: a longer wait may be excepted with this evidence, which passes nothing by itself."""
    waiting = {"packages": (OWN, NEWER, META)}
    outcome = judge(running=kernel(**waiting, live_patches=("kpatch_5",)))["kernel", "running"]
    assert outcome.result is judge(running=kernel(**waiting))["kernel", "running"].result is Result.FAIL
    assert "live patches in force: kpatch_5" in outcome.actual.english()


def test_50_a_new_kernel_installed_for_20_days_while_the_old_one_runs_fails() -> None:
    """Criterion 50, trap U7; also when only the build under the same name is newer."""
    for newer in (NEWER, image("6.1.0-13-amd64", "6.1.66-1", 20)):
        outcome = judge(running=kernel(packages=(newer, META)))["kernel", "running"]
        assert outcome.result is Result.FAIL
        assert "20 days" in outcome.summary.english()


def test_u18_the_kernel_of_a_container_is_another_systems() -> None:
    found = judge(running=kernel(packages=(), images=(), guest=("/run/systemd/container",)))
    assert found["kernel", "running"].result is Result.NOT_APPLICABLE


def test_kernels_without_a_metapackage_are_a_warning() -> None:
    assert judge(running=kernel(packages=(OWN,)))["kernel", "metapackage"].result is Result.WARN
    assert ("kernel", "metapackage") not in judge()


def test_an_unknown_kernel_is_unknown() -> None:
    found = judge(running=Unknown(reason=Reason.PROBE_CUT, evidence="h#kernel"))
    assert found["kernel", "running"].reason is Reason.PROBE_CUT


@pytest.mark.parametrize(("ago", "result"), [(14, Result.PASS), (14.01, Result.FAIL)])
def test_a_restart_asked_for_is_due_after_the_promised_time(ago: float, result: Result) -> None:
    asked = kernel(restart_asked=NOW - days(ago), restart_packages=("libc6",))
    outcome = judge(running=asked)["restart", "asked by packages"]
    assert outcome.result is result
    assert "libc6" in outcome.actual.english()
