"""What is said of mechanisms that install updates: switched on, run, allowed to, and successful, or not."""

from datetime import UTC, datetime, timedelta

import pytest

from checks.automatic_updates import automatic_updates
from checks.model import Clock, Outcome, Result
from checks.update_mechanism import Limits
from collectors.evidence import Reason
from collectors.facts import Known, Unknown
from collectors.probes.apt import AptFacts
from collectors.probes.apt_settings import Automatic
from collectors.probes.automatic import AutomaticFacts, Configured, Unit
from tests.checks.test_patch_currency import packages, pocket, system

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
CLOCK = Clock(as_of=NOW, zone="Asia/Tokyo")
UU = "/usr/bin/unattended-upgrade"
CRON = "/etc/cron.daily/apt-compat"
EL9 = system(id="rocky", like=("rhel", "centos", "fedora"), version_id="9.4", codename="")


def days(number: float) -> timedelta:
    return timedelta(days=number)


def unit(name: str, **more: object) -> Unit:
    usual = {
        "load": "loaded", "enabled": "enabled", "active": "active", "result": "success",
        "triggered": NOW - days(1),
    }  # fmt: skip
    return Unit(name=name, **{**usual, **more})  # type: ignore[arg-type]


TIMERS = (unit("apt-daily.timer"), unit("apt-daily-upgrade.timer"))


def state(**more: object) -> AutomaticFacts:
    usual = {
        "units": TIMERS,
        "tools": frozenset({UU, CRON}),
        "fetched": NOW - days(1),
        "installed": NOW - days(1),
        "stamps_read": True,
        "errors": 0,
        "configured": (),
        "jobs": (),
        "jobs_hidden": False,
    }
    return AutomaticFacts(**{**usual, **more})  # type: ignore[arg-type]


def settings(**more: object) -> Automatic:
    usual = {
        "enabled": True,
        "fetches": "1",
        "installs": "1",
        "allowed_origins": (),
        "origins_pattern": ("origin=Debian,codename=${distro_codename}-security,label=Debian-Security",),
        "blacklist": (),
        "whitelist": (),
    }
    return Automatic(**{**usual, **more})  # type: ignore[arg-type]


def apt(automatic: Automatic | None = None, **more: object) -> AptFacts:
    return packages(automatic=automatic or settings(), **more)


def judge(
    facts: AutomaticFacts | None = None, known: AptFacts | Unknown | None = None, **more: object
) -> Outcome:
    (outcome,) = automatic_updates(
        platform=more.get("platform", system(born=NOW - days(400))),  # type: ignore[arg-type]
        apt=known if isinstance(known, Unknown) else Known(value=known or apt(), evidence="h#apt"),
        automatic=facts or state(),
        options=Limits(),
        clock=CLOCK,
    )
    return outcome


def test_what_is_installed_switched_on_run_and_successful_passes() -> None:
    assert judge().result is Result.PASS


@pytest.mark.parametrize(
    ("automatic", "words"),
    [
        ({"fetches": ""}, "Update-Package-Lists is not set"),
        ({"fetches": "0"}, "Update-Package-Lists is 0"),
        ({"installs": ""}, "Unattended-Upgrade is not set"),
        ({"installs": "0"}, "Unattended-Upgrade is 0"),
        ({"enabled": False}, "Enable is 0"),
    ],
)
def test_u12_an_installed_package_that_is_switched_off_fails(
    automatic: dict[str, object], words: str
) -> None:
    outcome = judge(known=apt(settings(**automatic)))
    assert outcome.result is Result.FAIL
    assert words in outcome.summary.english()


@pytest.mark.parametrize("period", ["1", "7", "always", "12h"])
def test_a_period_may_have_a_unit(period: str) -> None:
    assert judge(known=apt(settings(installs=period))).result is Result.PASS


def test_a_period_that_apt_does_not_know_is_unknown() -> None:
    assert judge(known=apt(settings(installs="yes"))).reason is Reason.UNDETERMINED


def test_u12_without_the_package_it_fails_whatever_is_configured() -> None:
    outcome = judge(state(tools=frozenset({CRON})))
    assert outcome.result is Result.FAIL
    assert "not installed" in outcome.summary.english()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"load": "masked", "enabled": "masked", "active": "inactive"}, "is masked"),
        # It was masked while it ran.
        ({"enabled": "masked"}, "is masked"),
        ({"enabled": "masked-runtime"}, "is masked"),
        ({"enabled": "disabled"}, "not enabled"),
        ({"enabled": "enabled-runtime"}, "not enabled"),
        ({"active": "inactive"}, "not active"),
        ({"active": "failed"}, "not active"),
        ({"load": "not-found", "enabled": ""}, "not there"),
    ],
)
@pytest.mark.parametrize("which", [0, 1])
def test_52_a_timer_that_is_masked_or_off_fails_although_package_and_periods_are_fine(
    more: dict[str, object], words: str, which: int
) -> None:
    """Criterion 52, trap U12."""
    units = list(TIMERS)
    units[which] = unit(units[which].name, **more)
    outcome = judge(state(units=tuple(units)))
    assert outcome.result is Result.FAIL
    assert words in outcome.summary.english()


def test_without_systemd_cron_runs_it_or_nothing_does() -> None:
    assert judge(state(units=None)).result is Result.PASS
    assert judge(state(units=None, tools=frozenset({UU}))).result is Result.FAIL
    # With systemd the cron script ends at once.
    assert judge(state(units=())).result is Result.FAIL


@pytest.mark.parametrize(
    ("pattern", "allowed", "result"),
    [
        (("origin=Debian,codename=${distro_codename}-security",), (), Result.PASS),
        (("o=Debian,n=$distro_codename-security,l=Debian-Security",), (), Result.PASS),
        (("origin=*",), (), Result.PASS),
        (("origin=Debian,archive=oldstable-security",), (), Result.PASS),
        (("label=Debian*, component=main",), (), Result.PASS),
        ((), ("${distro_id}:oldstable-security",), Result.PASS),
        ((), ("Debian oldstable-security",), Result.PASS),
        (("origin=Debian,codename=${distro_codename},label=Debian",), (), Result.FAIL),
        (("origin=Debian,codename=bullseye-security",), (), Result.FAIL),
        ((), ("Debian:bookworm",), Result.FAIL),
        ((), (), Result.FAIL),
        (("site=security.debian.org",), (), Result.UNKNOWN),
        (("origin=D?bian",), (), Result.UNKNOWN),
        (("origin=D?bian", "origin=Debian"), (), Result.PASS),
        (("origin=D?bian,codename=sid",), (), Result.FAIL),
    ],
)
def test_u12_origins_must_include_the_security_pocket(
    pattern: tuple[str, ...], allowed: tuple[str, ...], result: Result
) -> None:
    """Follows match_whitelist_string of unattended-upgrades."""
    assert judge(known=apt(settings(origins_pattern=pattern, allowed_origins=allowed))).result is result


def test_every_pocket_must_be_allowed() -> None:
    esm = pocket(prefix="esm_", origin="UbuntuESM", suite="jammy-infra-security")
    outcome = judge(known=apt(pockets=(pocket(), esm)))
    assert outcome.result is Result.FAIL
    assert "jammy-infra-security" in outcome.summary.english()


def test_without_a_security_pocket_there_is_nothing_to_install_from() -> None:
    assert judge(known=apt(pockets=())).result is Result.FAIL


@pytest.mark.parametrize("more", [{"blacklist": ("linux-",)}, {"whitelist": ("openssl",)}])
def test_u12_packages_left_out_are_a_warning_that_names_them(more: dict[str, object]) -> None:
    outcome = judge(known=apt(settings(**more)))
    assert outcome.result is Result.WARN
    assert next(iter(more.values()))[0] in outcome.actual.english()  # type: ignore[index]


@pytest.mark.parametrize("which", ["fetched", "installed"])
@pytest.mark.parametrize(
    ("ago", "result"),
    [
        (7, Result.PASS),
        (7.01, Result.FAIL),
        (40, Result.FAIL),
        (None, Result.FAIL),
        (-0.5, Result.PASS),
        (-3, Result.UNKNOWN),
    ],
)
def test_u12_the_last_success_must_be_recent(which: str, ago: float | None, result: Result) -> None:
    when = None if ago is None else NOW - days(ago)
    assert judge(state(**{which: when})).result is result


def test_a_host_younger_than_the_limit_need_not_have_run_yet() -> None:
    assert judge(state(installed=None), platform=system(born=NOW - days(6))).result is Result.WARN
    assert judge(state(installed=None), platform=system(born=NOW - days(8))).result is Result.FAIL


def test_errors_of_the_last_run_are_a_warning() -> None:
    assert judge(state(errors=2)).result is Result.WARN


def test_what_cannot_be_seen_is_unknown() -> None:
    assert judge(state(stamps_read=False, fetched=None, installed=None)).reason is Reason.DENIED
    assert judge(known=Unknown(reason=Reason.TIMEOUT, evidence="h#apt")).reason is Reason.TIMEOUT
    assert judge(known=packages(automatic=None)).reason is Reason.FAILED
    assert judge(platform=system(id="void", like=())).reason is Reason.UNSUPPORTED


def test_what_surely_fails_is_not_hidden_by_what_cannot_be_seen() -> None:
    outcome = judge(state(tools=frozenset()), Unknown(reason=Reason.TIMEOUT, evidence="h#apt"))
    assert outcome.result is Result.FAIL


def test_a_job_of_the_hosts_own_is_named_and_neither_pass_nor_fail() -> None:
    outcome = judge(state(tools=frozenset(), jobs=("/etc/cron.d/upgrade",)))
    assert outcome.reason is Reason.UNDETERMINED
    assert "/etc/cron.d/upgrade" in outcome.actual.english()


def test_crontabs_that_cannot_be_read_may_hold_such_a_job() -> None:
    assert judge(state(tools=frozenset(), jobs_hidden=True)).reason is Reason.DENIED
    # What is there and switched off is wrong whatever they hold.
    assert judge(state(jobs_hidden=True), apt(settings(installs="0"))).result is Result.FAIL


# --- rpm, SUSE, ostree, Alpine ---


def conf(apply_updates: str, kind: str = "default", file: str = "/etc/dnf/automatic.conf") -> Configured:
    applies = apply_updates == "yes" if apply_updates else None
    return Configured(file=file, read=True, applies=applies, kind=kind, policy="")


def el9(*units: Unit, **more: object) -> Outcome:
    facts = state(**{"units": units, "tools": frozenset(), "fetched": None, "installed": None, **more})
    return judge(facts, Unknown(reason=Reason.UNSUPPORTED, evidence="h#apt"), platform=EL9)


@pytest.mark.parametrize(
    ("name", "configured", "result"),
    [
        ("dnf-automatic.timer", (conf("yes"),), Result.PASS),
        ("dnf-automatic.timer", (conf("yes", "security"),), Result.PASS),
        ("dnf-automatic.timer", (conf("no"),), Result.FAIL),
        ("dnf-automatic.timer", (conf(""),), Result.FAIL),
        ("dnf-automatic.timer", (), Result.FAIL),
        ("dnf-automatic-notifyonly.timer", (conf("yes"),), Result.FAIL),
        ("dnf-automatic-download.timer", (conf("yes"),), Result.FAIL),
        ("dnf-automatic-install.timer", (conf("no"),), Result.PASS),
        ("dnf5-automatic.timer", (conf("yes", file="/usr/share/x"), conf("no")), Result.FAIL),
        ("dnf5-automatic.timer", (conf("no", file="/usr/share/x"), conf("yes")), Result.PASS),
        ("dnf5-automatic.timer", (conf("yes", file="/usr/share/x"), conf("")), Result.PASS),
        ("os-update.timer", (), Result.PASS),
        ("transactional-update.timer", (), Result.PASS),
        ("rpm-ostreed-automatic.timer", (), Result.FAIL),
    ],
)
def test_51_apply_updates_no_fails_and_so_do_timers_that_only_tell_or_download(
    name: str, configured: tuple[Configured, ...], result: Result
) -> None:
    """Criterion 51, trap U13: a timer's own name overrides the file, dnf-automatic(8)."""
    assert el9(unit(name), configured=configured).result is result


@pytest.mark.parametrize(
    ("policy", "result"), [("stage", Result.PASS), ("apply", Result.PASS), ("check", Result.FAIL)]
)
def test_an_image_based_system_must_stage_its_updates(policy: str, result: Result) -> None:
    file = Configured(file="/etc/rpm-ostreed.conf", read=True, applies=None, kind="", policy=policy)
    assert el9(unit("rpm-ostreed-automatic.timer"), configured=(file,)).result is result


def test_one_timer_that_installs_is_enough() -> None:
    off = unit("dnf-automatic-notifyonly.timer")
    assert el9(off, unit("dnf-automatic-install.timer")).result is Result.PASS
    assert el9(off, unit("dnf-automatic-install.timer", enabled="disabled")).result is Result.FAIL


def test_a_failed_or_old_run_of_a_timer_fails() -> None:
    name = "dnf-automatic-install"
    assert el9(unit(f"{name}.timer"), unit(f"{name}.service", result="exit-code")).result is Result.FAIL
    assert el9(unit(f"{name}.timer", triggered=NOW - days(40))).result is Result.FAIL
    assert el9(unit(f"{name}.timer", triggered=None)).result is Result.FAIL


def test_a_configuration_that_cannot_be_read_is_unknown() -> None:
    hidden = Configured(file="/etc/dnf/automatic.conf", read=False, applies=None, kind="", policy="")
    assert el9(unit("dnf-automatic.timer"), configured=(hidden,)).reason is Reason.DENIED


def test_yum_cron_is_never_a_pass_since_it_leaves_no_trace() -> None:
    file = "/etc/yum/yum-cron.conf"
    assert el9(unit("yum-cron.service"), configured=(conf("yes", file=file),)).reason is Reason.UNDETERMINED
    assert el9(unit("yum-cron.service"), configured=(conf("no", file=file),)).result is Result.FAIL


def test_a_part_of_the_updates_is_a_warning() -> None:
    assert el9(
        unit("dnf-automatic.timer"), configured=(conf("yes", "security-severity:Critical"),)
    ).result is (Result.WARN)


def test_nothing_that_installs_updates_fails() -> None:
    assert el9().result is Result.FAIL
    assert el9(jobs=("/etc/periodic/daily/upgrade",)).reason is Reason.UNDETERMINED
