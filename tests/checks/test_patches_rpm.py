"""What is said of RPM systems: fixes that wait, advisories that are stale or not there, locks, kernels."""

from datetime import UTC, date, datetime, timedelta

import pytest

from checks.kernels import of_rpm
from checks.model import Clock, History, Outcome, Result, Sighting
from checks.package_specs import matches
from checks.patch_currency import patch_currency
from checks.patches import Limits
from checks.patches_rpm import watch_rpm
from collectors.evidence import Reason
from collectors.facts import Known, Unknown
from collectors.probes.kernel import KernelFacts
from collectors.probes.mapped import MappedFacts
from collectors.probes.platform import PlatformFacts
from collectors.probes.rpm import Advisories, Repository, RpmFacts
from collectors.probes.rpm_updates import Fix, InstalledPackage
from collectors.rpm_settings import Exclusion
from config.duration import Duration

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
CLOCK = Clock(as_of=NOW, zone="Asia/Tokyo")
WHOLE = ("packages", "security fixes")
SOURCE = ("source", "dnf baseos")
CURL = ("package", "curl")


def days(number: float) -> timedelta:
    return timedelta(days=number)


def system(**more: object) -> PlatformFacts:
    usual = {
        "id": "almalinux",
        "like": ("rhel", "centos", "fedora"),
        "version_id": "9.6",
        "codename": "",
        "support_end": date(2032, 6, 1),
        "name": "AlmaLinux 9.6",
        "kernel": RUNNING,
        "machine": "x86_64",
        "kernel_build": "",
        "born": None,
        "booted_s": 86_400 * 50,
    }
    return PlatformFacts(**{**usual, **more})  # type: ignore[arg-type]


def repository(**more: object) -> Repository:
    usual = {
        "id": "baseos",
        "manager": "dnf",
        "advisories": Advisories.READ,
        "made": NOW - days(1),
        "fetched": NOW - days(0.5),
        "security": 300,
        "exclusions": (),
    }
    return Repository(**{**usual, **more})  # type: ignore[arg-type]


def fix(**more: object) -> Fix:
    usual = {
        "name": "curl",
        "arch": "x86_64",
        "installed": "7.76.1-29.el9_4",
        "offered": "7.76.1-29.el9_4.1",
        "newer": True,
        "advisories": ("ALSA-2026:1001",),
        "issued": NOW - days(3),
        "severity": "Important",
        "repositories": ("baseos",),
    }
    return Fix(**{**usual, **more})  # type: ignore[arg-type]


def packages(**more: object) -> RpmFacts:
    usual = {
        "installed": 400,
        "fixes": (),
        "repositories": (repository(),),
        "exclusions": (),
        "unread": (),
        "kernels": (core("427.el9"),),
    }
    return RpmFacts(**{**usual, **more})  # type: ignore[arg-type]


def core(
    release: str, ago: float = 90, name: str = "kernel-core", version: str = "5.14.0"
) -> InstalledPackage:
    return InstalledPackage(
        name=name,
        arch="x86_64",
        epoch="0",
        version=version,
        release=release,
        installed_at=NOW - days(ago),
    )


RUNNING = "5.14.0-427.el9.x86_64"


def kernel(**more: object) -> KernelFacts:
    usual = {
        "release": RUNNING,
        "running_version": "",
        "guest": (),
        "images": (f"/boot/vmlinuz-{RUNNING}",),
        "packages": None,
        "has_modules": True,
        "restart_asked": None,
        "restart_packages": (),
        "live_patches": (),
    }
    return KernelFacts(**{**usual, **more})  # type: ignore[arg-type]


def judge(
    rpm: RpmFacts | Unknown | None = None,
    running: KernelFacts | None = None,
    *,
    platform: PlatformFacts | None = None,
    history: History | None = None,
    options: Limits | None = None,
) -> dict[tuple[str, str], Outcome]:
    value = rpm or packages()
    outcomes = list(
        patch_currency(
            platform=platform or system(),
            apt=Unknown(reason=Reason.UNSUPPORTED, evidence="h#apt", detail="no dpkg"),
            apk=Unknown(reason=Reason.UNSUPPORTED, evidence="h#apk", detail="no apk"),
            rpm=value if isinstance(value, Unknown) else Known(value=value, evidence="h#rpm"),
            kernel=Known(value=running or kernel(), evidence="h#kernel"),
            mapped=Known(value=MappedFacts(replaced=(), seen=90, unread=0, contained=0), evidence="h#mapped"),
            options=options or Limits(),
            clock=CLOCK,
            history=history or History(),
        )
    )
    by_subject = {(outcome.subject.kind, outcome.subject.name): outcome for outcome in outcomes}
    assert len(by_subject) == len(outcomes)
    return by_subject


def test_a_host_without_waiting_fixes_passes_with_the_number_compared() -> None:
    found = judge()
    assert {outcome.result for outcome in found.values()} == {Result.PASS}
    assert "400 packages were compared with 300 security advisories" in found[WHOLE].actual.english()


def test_u18_an_image_that_is_replaced_as_a_whole_is_not_compared_and_no_pass() -> None:
    """Trap U18: fixes come as a new image, and the metadata cache is none of the system's."""
    found = judge(platform=system(image="ostree"))
    assert found[WHOLE].reason is Reason.UNSUPPORTED
    assert "ostree" in found[WHOLE].actual.english()


# --- fixes that wait ---


@pytest.mark.parametrize(
    ("ago", "result"),
    [(3, Result.PASS), (14, Result.PASS), (14.01, Result.FAIL), (90, Result.FAIL), (-0.5, Result.PASS)],
)
def test_an_advisory_of_3_days_passes_with_a_note_and_one_of_90_fails(ago: float, result: Result) -> None:
    """The first audit knows the age: the advisory has a date."""
    found = judge(packages(fixes=(fix(issued=NOW - days(ago)),)))
    assert found[CURL].result is result
    assert "ALSA-2026:1001 (Important) was issued" in found[CURL].actual.english()
    assert "399 of 400" in found[WHOLE].summary.english()


def test_the_promise_sets_how_long_a_fix_may_wait() -> None:
    found = judge(packages(fixes=(fix(),)), options=Limits(fix_within=Duration("2d")))
    assert found[CURL].result is Result.FAIL


@pytest.mark.parametrize(("first", "result"), [(15, Result.FAIL), (13, Result.PASS), (None, Result.WARN)])
@pytest.mark.parametrize("issued", [None, NOW + days(2)])
def test_an_advisory_without_a_date_that_can_be_right_is_as_old_as_own_history_says(
    first: float | None, result: Result, issued: datetime | None
) -> None:
    last = NOW - days(1)
    seen = {"patch-currency/rpm:compared": Sighting(first=NOW - days(100), last=last)}
    if first:
        key = "patch-currency/rpm:pending:curl:x86_64=7.76.1-29.el9_4"
        seen[key] = Sighting(first=NOW - days(first), last=last, unseen=NOW - days(first + 1))
    history = History(target="h", run=7, as_of=last, seen=seen if first else {})
    assert judge(packages(fixes=(fix(issued=issued),)), history=history)[CURL].result is result


def test_what_lacks_a_fix_is_remembered_and_only_whole_fresh_advisories_compare() -> None:
    key = "pending:curl:x86_64=7.76.1-29.el9_4"
    assert set(watch_rpm(packages(fixes=(fix(),)), CLOCK)) == {key, "compared"}
    assert set(watch_rpm(packages(fixes=(fix(newer=None),)), CLOCK)) == {"compared"}
    for bad in ({"advisories": Advisories.MISSING}, {"made": NOW - days(8), "fetched": NOW - days(8)}):
        assert set(watch_rpm(packages(repositories=(repository(**bad),)), CLOCK)) == set()
    assert set(watch_rpm(packages(repositories=()), CLOCK)) == set()


def test_a_fix_that_may_be_for_another_module_stream_is_unknown_and_not_counted_as_current() -> None:
    found = judge(packages(fixes=(fix(newer=None, offered=""),)))
    assert found[CURL].reason is Reason.UNDETERMINED
    assert "399 of 400" in found[WHOLE].summary.english()


def test_a_package_of_a_foreign_architecture_is_named_with_it() -> None:
    found = judge(packages(fixes=(fix(), fix(arch="i686"), fix(name="tzdata", arch="noarch"))))
    assert {name for kind, name in found if kind == "package"} == {"curl", "curl.i686", "tzdata"}


# --- what keeps a fix away ---


@pytest.mark.parametrize(
    ("lock", "held"),
    [
        ({"pattern": "curl"}, True),
        ({"pattern": "cur*"}, True),
        ({"pattern": "c?rl.x86_64"}, True),
        ({"pattern": "curl-7.76.1-29.el9_4.1"}, True),
        ({"pattern": "curl-0:7.76.1*"}, True),
        ({"pattern": "curl-8*"}, False),
        ({"pattern": "curl-devel"}, False),
        ({"pattern": "[c]url"}, False),
        # The last star stands for the architecture, as dnf itself writes it.
        ({"pattern": "curl-0:7.76.1-29.el9_4.*", "keeps": True}, True),
        ({"pattern": "curl-0:7.76.1-29.el9_4.1.*", "keeps": True}, False),
        ({"pattern": "curl-0:7.76*", "keeps": True}, False),
        ({"pattern": "0:curl-7.76.1-29.el9_4.*", "keeps": True}, True),
        ({"pattern": "1:curl-7.76.1-29.el9_4.1", "keeps": True}, True),
        ({"pattern": "curl-devel-7.61*", "keeps": True}, False),
        ({"pattern": "curl-0:7.76.1-29.el9_4", "keeps": True}, True),
        ({"pattern": "0:curl-7.76.1-29.el9_4", "keeps": True}, True),
        ({"pattern": "curl-0:7.61*", "keeps": True}, True),
        ({"pattern": "curl", "keeps": True}, False),
        ({"pattern": "curl-devel-0:7.61*", "keeps": True}, False),
        ({"pattern": "curl", "keeps": True, "comparator": "=", "value": "0:7.76.1-29.el9_4"}, True),
        ({"pattern": "curl", "keeps": True, "comparator": "<", "value": "7.77"}, False),
        ({"pattern": "curl", "keeps": True, "comparator": "<", "value": "7.76.1"}, True),
        ({"pattern": "curl", "keeps": True, "comparator": ">=", "value": "3:570"}, True),
        ({"pattern": "curl", "keeps": True, "comparator": "~", "value": "3"}, False),
        ({"pattern": "cu*", "keeps": True, "comparator": "!=", "value": "7.76.1-29.el9_4.1"}, True),
        ({"pattern": "wget", "keeps": True, "comparator": "=", "value": "1-1"}, False),
    ],
)
def test_a_fix_that_is_kept_away_fails_at_once_and_names_what_keeps_it(
    lock: dict[str, object], *, held: bool
) -> None:
    exclusion = Exclusion(**{"source": "/etc/dnf/dnf.conf", "keeps": False, **lock})  # type: ignore[arg-type]
    outcome = judge(packages(fixes=(fix(),), exclusions=(exclusion,)))[CURL]
    assert (outcome.result is Result.FAIL) == held
    assert ("/etc/dnf/dnf.conf keeps it away" in outcome.summary.english()) == held


def test_an_exclusion_of_one_repository_keeps_only_its_own_fixes_away() -> None:
    lock = Exclusion(source="baseos", pattern="curl", keeps=False)
    excluding = repository(exclusions=(lock,))
    other = repository(id="other")
    alone = judge(packages(fixes=(fix(),), repositories=(excluding, other)))
    assert alone[CURL].result is Result.FAIL
    both = fix(repositories=("baseos", "other"))
    assert judge(packages(fixes=(both,), repositories=(excluding, other)))[CURL].result is Result.PASS
    elsewhere = fix(repositories=("other",))
    assert judge(packages(fixes=(elsewhere,), repositories=(excluding, other)))[CURL].result is Result.PASS


@pytest.mark.parametrize(
    ("pattern", "text", "same"),
    [
        ("*", "", True),
        ("", "", True),
        ("a*b*c", "aXXbYYc", True),
        ("a*b*c", "aXXcYYb", False),
        ("?", "", False),
        ("**a", "a", True),
        ("a", "ab", False),
        ("a*", "ba", False),
        # Longer than any package's name, so that matching stays short.
        ("*" * 301, "a", False),
    ],
)
def test_wildcards_match_whole_words(pattern: str, text: str, *, same: bool) -> None:
    assert matches(pattern, text) is same


# --- repositories ---


@pytest.mark.parametrize(
    ("more", "result", "reason"),
    [
        ({"made": NOW - days(7), "fetched": NOW - days(7)}, Result.PASS, None),
        ({"made": NOW - days(7.01), "fetched": NOW - days(7.01)}, Result.FAIL, Reason.STALE_SOURCE),
        ({"made": NOW - days(1), "fetched": NOW - days(300)}, Result.PASS, None),
        ({"made": NOW - days(20), "fetched": NOW - days(1)}, Result.PASS, None),
        ({"made": NOW - days(31), "fetched": NOW - days(1)}, Result.WARN, Reason.STALE_SOURCE),
        ({"made": None, "fetched": NOW - days(1)}, Result.WARN, Reason.STALE_SOURCE),
        ({"made": None, "fetched": None}, Result.UNKNOWN, Reason.UNDETERMINED),
        ({"made": NOW + days(2)}, Result.UNKNOWN, Reason.UNDETERMINED),
        ({"fetched": NOW + days(2)}, Result.UNKNOWN, Reason.UNDETERMINED),
        ({"advisories": Advisories.UNCACHED}, Result.UNKNOWN, Reason.NO_SOURCE),
        ({"advisories": Advisories.MISSING}, Result.UNKNOWN, Reason.NO_SOURCE),
        ({"advisories": Advisories.PACKED}, Result.UNKNOWN, Reason.NO_TOOL),
        ({"advisories": Advisories.TORN}, Result.UNKNOWN, Reason.CORRUPT),
        ({"advisories": Advisories.DENIED}, Result.UNKNOWN, Reason.DENIED),
    ],
)
def test_no_pending_fix_is_a_pass_only_when_the_advisories_are_whole_and_fresh(
    more: dict[str, object], result: Result, reason: Reason | None
) -> None:
    found = judge(packages(repositories=(repository(**more),)))
    assert found[SOURCE].result is result
    assert found[WHOLE].result is (Result.PASS if reason is None else Result.UNKNOWN)
    assert found[WHOLE].reason is reason


def test_a_quiet_repository_beside_one_that_publishes_is_a_warning_only() -> None:
    quiet = repository(id="extras", made=NOW - days(90))
    found = judge(packages(repositories=(repository(), quiet)))
    assert found["source", "dnf extras"].result is Result.WARN
    assert found[WHOLE].result is Result.PASS


def test_one_uncached_repository_of_two_leaves_the_rest_unknown() -> None:
    gone = repository(id="appstream", advisories=Advisories.UNCACHED, made=None, fetched=None)
    assert judge(packages(repositories=(repository(), gone)))[WHOLE].reason is Reason.NO_SOURCE


def test_a_repository_without_advisories_is_not_judged_and_alone_it_is_no_source() -> None:
    third = repository(id="vendor", advisories=Advisories.NONE)
    found = judge(packages(repositories=(repository(), third)))
    assert found["source", "dnf vendor"].result is Result.NOT_APPLICABLE
    assert found[WHOLE].result is Result.PASS
    alone = judge(packages(repositories=(third,)))
    assert alone["source", "security advisories"].reason is Reason.NO_SOURCE
    assert alone[WHOLE].reason is Reason.NO_SOURCE


def test_no_enabled_repository_fails_and_nothing_is_current() -> None:
    found = judge(packages(repositories=()))
    assert found["source", "security advisories"].result is Result.FAIL
    assert found[WHOLE].reason is Reason.NO_SOURCE


def test_a_repository_that_may_stand_in_an_unreadable_file_is_unknown() -> None:
    hidden = ("/etc/yum.repos.d/vendor.repo",)
    assert (
        judge(packages(repositories=(), unread=hidden))["source", "security advisories"].reason
        is Reason.DENIED
    )
    assert judge(packages(unread=hidden))[WHOLE].reason is Reason.DENIED


def test_no_installed_package_is_no_observation() -> None:
    assert judge(packages(installed=0))[WHOLE].reason is Reason.NO_OBSERVATION


def test_without_package_facts_nothing_is_current_and_the_kernel_is_unknown() -> None:
    found = judge(Unknown(reason=Reason.TRUNCATED, evidence="h#rpm"))
    assert found[WHOLE].reason is Reason.TRUNCATED
    assert found["kernel", "running"].reason is Reason.TRUNCATED


# --- the release ---


@pytest.mark.parametrize(
    ("release", "result"),
    [
        ({}, Result.PASS),
        ({"support_end": date(2026, 11, 23)}, Result.FAIL),
        ({"support_end": date(2026, 11, 24)}, Result.PASS),
        ({"support_end": None}, Result.UNKNOWN),
        ({"id": "rhel", "like": ("fedora",), "version_id": "9.4", "support_end": None}, Result.PASS),
        ({"id": "rhel", "like": ("fedora",), "version_id": "7.9", "support_end": None}, Result.FAIL),
        ({"id": "centos", "like": ("rhel", "fedora"), "version_id": "8", "support_end": None}, Result.FAIL),
        # The table is younger than an old image's own word.
        (
            {"id": "amzn", "like": ("fedora",), "version_id": "2023", "support_end": date(2025, 3, 15)},
            Result.PASS,
        ),
        ({"id": "sles", "like": ("suse",), "version_id": "15.6", "support_end": None}, Result.FAIL),
        ({"id": "opensuse-leap", "like": ("suse", "opensuse"), "version_id": "16.0"}, Result.PASS),
        ({"id": "opensuse-leap", "like": ("suse",), "version_id": "99", "support_end": None}, Result.UNKNOWN),
    ],
)
def test_a_release_fails_after_its_last_day_and_an_unlisted_one_counts_by_its_own_word(
    release: dict[str, object], result: Result
) -> None:
    platform = system(**release)
    assert judge(platform=platform)["release", f"{platform.id} {platform.version_id}"].result is result


def test_a_paid_extension_is_neither_an_end_nor_a_pass() -> None:
    old = system(id="sles", like=("suse",), version_id="15.5", support_end=None)
    paid = repository(id="SLE-Product-SLES15-SP5-LTSS-Updates", manager="zypp")
    found = judge(packages(repositories=(paid,)), platform=old)
    assert found["release", "sles 15.5"].reason is Reason.UNDETERMINED


# --- the kernel ---


def default(build: str, ago: float) -> InstalledPackage:
    return core(f"150600.{build}", ago, "kernel-default", "6.4.0")


OWN = core("427.el9")
SUSE = "6.4.0-150600.23.7-default"


@pytest.mark.parametrize(
    ("kernels", "more", "result"),
    [
        ((OWN, core("503.el9", 20)), {}, Result.FAIL),
        ((OWN, core("503.el9", 14)), {}, Result.PASS),
        ((OWN, core("503.el9", 20), core("570.el9", 1)), {}, Result.FAIL),
        ((OWN, core("362.el9", 300)), {}, Result.PASS),
        ((core("427.13.1.el9_4", 90), core("427.9.1.el9_4", 90)), {}, Result.FAIL),
        ((OWN, core("1.el9uek", 20, "kernel-uek-core", "5.15.0")), {}, Result.PASS),
        ((core("362.el9", 300),), {}, Result.WARN),
        ((OWN, core("?? ", 20)), {}, Result.UNKNOWN),
        ((), {}, Result.UNKNOWN),
        ((), {"images": (), "has_modules": False}, Result.NOT_APPLICABLE),
        ((core("503.el9"),), {"guest": ("/.dockerenv",)}, Result.NOT_APPLICABLE),
        ((OWN, core("503.el9", 20)), {"guest": ("/.dockerenv",)}, Result.FAIL),
        ((OWN,), {"release": "6.6.1-custom"}, Result.UNKNOWN),
        ((core("427.el9", 90, "kernel-rt-core"),), {"release": f"{RUNNING}+rt"}, Result.PASS),
        ((default("23.7.3", 90), default("23.14.2", 20)), {"release": SUSE}, Result.FAIL),
        ((default("23.7.3", 90),), {"release": SUSE}, Result.PASS),
        # A rebuild under the same name came after the last boot, 50 days ago.
        ((default("23.7.4", 20),), {"release": SUSE}, Result.FAIL),
    ],
)  # fmt: skip
def test_the_newest_installed_kernel_must_run(
    kernels: tuple[InstalledPackage, ...], more: dict[str, object], result: Result
) -> None:
    found = judge(packages(kernels=kernels), kernel(**more))
    assert found["kernel", "running"].result is result


def test_reinstalling_the_running_kernel_asks_for_no_restart() -> None:
    """Red Hat's releases name every build, so the same one installed anew is the same."""
    found = of_rpm(
        kernel(), Known(value=packages(kernels=(core("427.el9", 1),)), evidence="h#rpm"), NOW - days(50)
    )
    assert found.own
    assert found.newer == ()
