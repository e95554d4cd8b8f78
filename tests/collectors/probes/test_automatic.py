"""Mechanisms of automatic updates: real shells over made-up files, and hand-made answers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.evidence import Part, Reason, Section, SectionState
from collectors.facts import WithheldError
from collectors.probes.automatic import PROBE, AutomaticFacts
from config.errors import ParseError
from tests.collectors.probes.fixed_paths import SHELLS, ask

DAY = 1_790_000_000
# What dnf-automatic ships, and what somebody made of the other files.
_FILES = f"""
rm -rf /etc/cron.d/* /etc/cron.daily/* /etc/cron.hourly/* /etc/cron.weekly/* /etc/cron.monthly/*
mkdir -p /etc/dnf /etc/yum /var/lib/apt/periodic /var/log/unattended-upgrades /etc/crontabs
printf '%s\\n' '[commands]' '# apply_updates = yes' 'upgrade_type = default' 'apply_updates = no' '[email]' \
  'email_to = CANARY' > /etc/dnf/automatic.conf
printf '%s\\n' '[base]' 'apply_updates = yes' '[Commands]' '  apply_updates: True' 'update_cmd=security' \
  > /etc/yum/yum-cron.conf
printf '#!/bin/sh\\n# apt-get upgrade\\nexec /usr/lib/apt/apt.systemd.daily\\n' > /etc/cron.daily/apt-compat
chmod 755 /etc/cron.daily/apt-compat
printf '%s\\n' MAILTO=CANARY '7 3 * * * root apt-get -qq update && apt-get -y dist-upgrade # CANARY' \
  > /etc/cron.d/own
printf '#!/bin/sh\\nzypper --non-interactive patch\\n' > '/etc/cron.weekly/od d'
printf '7 3 * * * apt-mark showhold; aptitude-doc upgrade; echo yum update-notes\\n' > /etc/crontabs/root
mkfifo /etc/cron.d/pipe
touch -d @{DAY} /var/lib/apt/periodic/upgrade-stamp
{{
  echo '2026-11-24 06:10:11,123 INFO Starting unattended upgrades script'
  echo '2026-11-24 06:10:12,123 ERROR CANARY'
  echo '2026-11-25 06:10:11,123 INFO Starting unattended upgrades script'
  echo '2026-11-25 06:10:12,123 ERROR CANARY failed'
  echo '2026-11-25 06:10:12,123 ERROR CANARY failed'
}} > /var/log/unattended-upgrades/unattended-upgrades.log
"""


def facts(setup: str = _FILES, **more: str) -> AutomaticFacts:
    answer = ask(PROBE, setup, **more)  # type: ignore[arg-type]
    assert answer.section.exit == 0, answer.section
    assert b"CANARY" not in answer.stream
    return PROBE.parse(answer.section)


def test_what_is_configured_is_read_and_nothing_else_leaves_the_host() -> None:
    found = facts()
    assert found.units is None
    assert "/etc/cron.daily/apt-compat" in found.tools
    assert (found.fetched, found.installed) == (None, datetime.fromtimestamp(DAY, tz=UTC))
    assert found.errors == 2
    dnf, yum = found.configured
    assert (dnf.file, dnf.applies, dnf.kind) == ("/etc/dnf/automatic.conf", False, "default")
    assert (yum.file, yum.applies, yum.kind) == ("/etc/yum/yum-cron.conf", True, "security")


def test_jobs_that_install_updates_are_named_by_their_place() -> None:
    found = facts()
    assert found.jobs == ("/etc/cron.d/own", "/etc/cron.weekly/od?d")
    assert not found.jobs_hidden


def test_all_shells_give_the_same_bytes() -> None:
    payloads = [ask(PROBE, _FILES, shell=shell).payload for shell in SHELLS]
    assert payloads[0] == payloads[1] == payloads[2] == payloads[3]


def test_what_may_not_be_read_is_told_from_what_is_not_there() -> None:
    hide = (
        "\nchmod 700 /var/log/unattended-upgrades /var/lib/apt/periodic\n"
        "chmod 600 /etc/dnf/automatic.conf /etc/cron.d/own\n"
    )
    found = facts(_FILES + hide, user="65534")
    assert found.errors is None
    assert not found.stamps_read
    assert [each.read for each in found.configured] == [False, True]
    assert found.jobs_hidden
    bare = facts("rm -rf /etc/cron* /etc/dnf /etc/yum")
    assert (bare.errors, bare.stamps_read, bare.configured, bare.jobs, bare.jobs_hidden) == (
        None,
        True,
        (),
        (),
        False,
    )


UNITS = """Result=success
LastTriggerUSec=Wed 2026-11-25 06:10:11 UTC
Id=apt-daily-upgrade.timer
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=apt-daily-upgrade.service
Result=exit-code
LoadState=loaded

LastTriggerUSec=n/a
Id=apt-daily.timer
LoadState=masked
ActiveState=inactive
UnitFileState=masked
"""
WHOLE = {
    "units": ("read", UNITS), "tools": ("read", "/x\n"), "stamps": ("absent", ""), "log": ("absent", ""),
    "jobs": ("read", ""),
}  # fmt: skip


def section(**parts: tuple[str, str] | None) -> Section:
    given_parts = {**WHOLE, **parts}
    return Section(
        name="automatic",
        state=SectionState.ENDED,
        exit=0,
        parts=tuple(Part.of(name, it[0], it[1].encode()) for name, it in given_parts.items() if it),
    )


def test_units_are_what_systemctl_shows_in_any_order() -> None:
    found = PROBE.parse(section())
    upgrade, daily = found.unit("apt-daily-upgrade.timer"), found.unit("apt-daily.timer")
    assert upgrade is not None
    assert daily is not None
    assert (upgrade.load, upgrade.enabled, upgrade.active) == ("loaded", "enabled", "active")
    assert upgrade.triggered == datetime(2026, 11, 25, 6, 10, 11, tzinfo=UTC)
    assert (daily.load, daily.triggered) == ("masked", None)
    service = found.unit("apt-daily-upgrade.service")
    assert service is not None
    assert service.result == "exit-code"


@pytest.mark.parametrize(("state", "reason"), [("failed", Reason.FAILED), ("no_tool", Reason.NO_TOOL)])
def test_a_systemd_that_does_not_answer_is_not_one_without_units(state: str, reason: Reason) -> None:
    with pytest.raises(WithheldError) as withheld:
        PROBE.parse(section(units=(state, "")))
    assert withheld.value.reason is reason
    assert PROBE.parse(section(units=("absent", ""))).units is None


@pytest.mark.parametrize("name", WHOLE)
def test_without_any_one_part_there_are_no_facts(name: str) -> None:
    with pytest.raises(ParseError):
        PROBE.parse(section(**{name: None}))


@pytest.mark.parametrize(
    "parts",
    [
        {"units": ("read", "Id=x\n")},
        {"units": ("read", "LoadState=loaded\n")},
        {"units": ("read", "Id=a.timer\nLastTriggerUSec=yesterday\n")},
        {"stamps": ("read", "soon /x\n")},
        {"log": ("read", "")},
        {"log": ("read", "many\n")},
    ],
)
def test_an_answer_of_another_shape_is_an_error(parts: dict[str, tuple[str, str]]) -> None:
    with pytest.raises(ParseError):
        PROBE.parse(section(**parts))


@given(
    name=st.sampled_from((*WHOLE, "config:/x")),
    state=st.sampled_from(("read", "denied", "absent")),
    text=st.one_of(
        st.text(max_size=80), st.from_regex(r"(Id=a\.timer\n|[0-9]{1,13} /x\n|a=1\n|\n){0,4}", fullmatch=True)
    ),
)
def test_arbitrary_answers_give_facts_or_a_parse_error(name: str, state: str, text: str) -> None:
    try:
        found = PROBE.parse(section(**{name: (state, text)}))
    except ParseError:
        return
    assert found.tools is not None
