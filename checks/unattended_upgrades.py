"""Judge unattended-upgrades of Debian and Ubuntu: package, periods, timers or cron, origins, last success."""

import re
from collections.abc import Iterator

from checks.model import Clock
from checks.patches import some
from checks.update_mechanism import (
    Limits,
    Mechanism,
    Problem,
    fails,
    run_problems,
    unclear,
    unit_problems,
    warns,
)
from collectors.evidence import Reason
from collectors.facts import Fact, Unknown
from collectors.probes.apt import AptFacts, Pocket
from collectors.probes.apt_settings import Automatic
from collectors.probes.automatic import AutomaticFacts
from collectors.probes.platform import PlatformFacts

NAME = "unattended-upgrades"
_PROGRAM = "/usr/bin/unattended-upgrade"
_CRON = frozenset({"/etc/cron.daily/apt-compat", "/etc/cron.daily/apt"})
_TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")
_PERIOD = re.compile(r"always|[0-9]{1,9}[smhd]?")
_DISTRO = {"debian": "Debian", "ubuntu": "Ubuntu"}
"""ID of os-release to what lsb_release -is prints"""


def unattended_upgrades(
    platform: PlatformFacts, apt: Fact[AptFacts], facts: AutomaticFacts, options: Limits, clock: Clock
) -> Mechanism:
    """Name everything that keeps it from installing security fixes."""
    problems: list[Problem] = []
    if _PROGRAM not in facts.tools:
        problems.append(fails("the package unattended-upgrades is not installed"))
    if facts.units is None and not facts.tools & _CRON:
        problems.append(fails("neither a timer nor cron runs it"))
    elif facts.units is not None:
        problems += unit_problems(facts, _TIMERS)
    if isinstance(apt, Unknown):
        problems.append(
            unclear(
                apt.reason, "apt's settings are not known: {detail}", detail=apt.detail or apt.reason.value
            )
        )
    elif apt.value.automatic is None:
        problems.append(unclear(Reason.FAILED, "apt-config did not answer"))
    else:
        problems += _periods(apt.value.automatic)
        problems += _origins(platform, apt.value, apt.value.automatic)
    if facts.stamps_read:
        problems += run_problems(
            facts.fetched, "fetching package lists by itself", platform.born, options, clock
        )
        problems += run_problems(facts.installed, "a successful run", platform.born, options, clock)
    else:
        problems.append(unclear(Reason.DENIED, "when it last ran cannot be seen"))
    if facts.errors:
        problems.append(warns("its last run wrote {count} errors", count=facts.errors))
    return Mechanism(name=NAME, present=_PROGRAM in facts.tools, problems=tuple(problems))


def _periods(automatic: Automatic) -> Iterator[Problem]:
    if not automatic.enabled:
        yield fails("APT::Periodic::Enable is 0")
    for name, value in (
        ("Update-Package-Lists", automatic.fetches),
        ("Unattended-Upgrade", automatic.installs),
    ):
        if value in ("", "0"):
            yield fails("APT::Periodic::{name} is {value}", name=name, value=value or "not set")
        elif _PERIOD.fullmatch(value) is None:
            yield unclear(Reason.UNDETERMINED, "APT::Periodic::{name} is {value}", name=name, value=value)


def _origins(platform: PlatformFacts, apt: AptFacts, automatic: Automatic) -> Iterator[Problem]:
    if not apt.pockets:
        yield fails("there is no source of security fixes to install from")
    for pocket in apt.pockets:
        allowed = _allowed(pocket, automatic, platform)
        if allowed is None:
            yield unclear(
                Reason.UNDETERMINED,
                "whether its origins include {pocket} cannot be told",
                pocket=pocket.suite,
            )
        elif not allowed:
            yield fails("its origins do not include {pocket}", pocket=pocket.suite)
    if automatic.blacklist:
        yield warns("it leaves out packages: {names}", names=some(automatic.blacklist))
    if automatic.whitelist:
        yield warns("it installs no packages but: {names}", names=some(automatic.whitelist))


def _allowed(pocket: Pocket, automatic: Automatic, platform: PlatformFacts) -> bool | None:
    """Whether a pattern takes this pocket's packages; None when that cannot be told."""
    answers = {_matches(_fields(pattern), pocket, platform) for pattern in automatic.origins_pattern}
    for entry in automatic.allowed_origins:
        origin, _, suite = entry.partition(":") if ":" in entry else entry.partition(" ")
        answers.add(_matches({"origin": origin, "archive": suite.strip()}, pocket, platform))
    return True if True in answers else None if None in answers else False


def _fields(pattern: str) -> dict[str, str]:
    pieces = (piece.partition("=") for piece in pattern.replace("\\,", "%2C").split(","))
    return {name.strip(): value.strip().replace("%2C", ",") for name, _, value in pieces}


def _matches(fields: dict[str, str], pocket: Pocket, platform: PlatformFacts) -> bool | None:
    """Follow match_whitelist_string of unattended-upgrades: every field must match."""
    if not pocket.origin:
        return None
    sure = True
    for name, pattern in fields.items():
        wanted = _substituted(pattern, platform)
        match name:
            case "o" | "origin":
                texts: tuple[str, ...] = (pocket.origin,)
            case "l" | "label":
                texts = (pocket.label,)
            case "a" | "suite" | "archive":
                texts = (pocket.archive,)
            case "n" | "codename":
                texts = (pocket.codename,)
            case "c" | "component":
                texts = pocket.components
            case _:
                return None
        answers = {None if wanted is None else _like(wanted, text) for text in texts}
        if True not in answers:
            if None not in answers:
                return False
            sure = False
    return True if sure else None


def _substituted(pattern: str, platform: PlatformFacts) -> str | None:
    for name, value in (("distro_id", _DISTRO.get(platform.id)), ("distro_codename", platform.codename)):
        for spelt in (f"${{{name}}}", f"${name}"):
            if spelt in pattern:
                if not value:
                    return None
                pattern = pattern.replace(spelt, value)
    return pattern


def _like(pattern: str, text: str) -> bool | None:
    """Match a word with asterisks at its ends only; another pattern of a host is never run."""
    core = pattern.strip("*")
    if set(core) & set("*?["):
        return None
    if pattern.startswith("*") and pattern.endswith("*"):
        return core in text
    if pattern.startswith("*"):
        return text.endswith(core)
    return text.startswith(core) if pattern.endswith("*") else text == core
