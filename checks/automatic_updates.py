"""Updates are installed without anybody having to think of them.

## What it looks at

Whether something is there that installs updates by itself, is switched on, may take security fixes, is run
by a timer or by cron, and ended with success not long ago: unattended-upgrades on Debian and Ubuntu;
dnf-automatic, yum-cron, os-update, transactional-update or rpm-ostree elsewhere. All of it must be so: a
package that is switched off, a timer that is masked and a tool that only downloads install nothing.

## Why it matters

A fix that waits for somebody's time waits longest when people are busiest, and on hosts that nobody
remembers.

## What to do

Debian, Ubuntu: install unattended-upgrades, run `dpkg-reconfigure unattended-upgrades`, and enable
apt-daily.timer and apt-daily-upgrade.timer. Elsewhere: set `apply_updates = yes` and enable
dnf-automatic.timer, or enable the system's own timer. Where the last run failed, read its log.
"""

from collections.abc import Iterator

from checks.model import Clock, Outcome, Result, Severity, Subject, check, not_known
from checks.patches import some
from checks.support import Platform, support
from checks.text import Text, say
from checks.unattended_upgrades import unattended_upgrades
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
from collectors.evidence import Reason, TargetKind
from collectors.facts import Fact
from collectors.probes.apt import AptFacts
from collectors.probes.automatic import AutomaticFacts
from collectors.probes.platform import PlatformFacts

_SUBJECT = Subject(kind="updates", name="automatic")
_APT = frozenset({"debian", "ubuntu"})
_OTHERS = frozenset({"rhel", "fedora", "centos", "amzn", "suse", "sles", "opensuse", "alpine"})
_BY_CONFIG = ("dnf-automatic.timer", "dnf5-automatic.timer", "yum-cron.service")
_BY_NAME = {
    "dnf-automatic-notifyonly.timer": "it only tells of updates",
    "dnf-automatic-download.timer": "it only downloads updates",
}
_POLICIES = frozenset({"stage", "apply"})
"""AutomaticUpdatePolicy that makes a new deployment, rpm-ostreed.conf(5)"""


@check(
    "automatic-updates",
    kind=TargetKind.HOST,
    severity=Severity.MEDIUM,
    controls=("iso27001:2022/A.8.8",),
    platforms=support(
        verified=(Platform.DEBIAN_12, Platform.DEBIAN_13),
        documented=(
            Platform.DEBIAN_11,
            Platform.UBUNTU,
            Platform.RHEL,
            Platform.FEDORA,
            Platform.AMAZON,
            Platform.SUSE,
            Platform.ALPINE,
        ),
    ),
)
def automatic_updates(
    *,
    platform: PlatformFacts,
    apt: Fact[AptFacts],
    automatic: AutomaticFacts,
    options: Limits,
    clock: Clock,
) -> Iterator[Outcome]:
    """Judge the mechanism that comes closest to installing fixes by itself."""
    system = {platform.id, *platform.like}
    if _APT & system:
        found = [unattended_upgrades(platform, apt, automatic, options, clock)]
    elif _OTHERS & system:
        found = [
            _of_timer(unit.name, platform, automatic, options, clock)
            for unit in automatic.units or ()
            if unit.name.endswith(".timer") or unit.name == "yum-cron.service"
        ]
    else:
        detail = f"how {platform.id} updates itself is not known here"
        yield not_known(_SUBJECT, Reason.UNSUPPORTED, _expected(options), detail=detail)
        return
    yield _best(found, automatic, options)


def _best(found: list[Mechanism], automatic: AutomaticFacts, options: Limits) -> Outcome:
    nothing = Mechanism(
        name="nothing", present=False, problems=(fails("nothing here installs updates by itself"),)
    )
    best = max(found, key=lambda each: each.worst.result.rank if each.worst else len(Result), default=nothing)
    worst = best.worst
    if worst is None:
        return Outcome(
            subject=_SUBJECT,
            result=Result.PASS,
            summary=say("{name} installs security fixes by itself", name=best.name),
            expected=_expected(options),
            actual=say("{name} is switched on and ended with success in time", name=best.name),
        )
    said = "; ".join(problem.text.english() for problem in best.problems)
    if worst.result is Result.FAIL and automatic.jobs:
        # Somebody's own script does it in another way; whether it does is not for us to guess.
        detail = f"a job of this host's own names an upgrade: {some(automatic.jobs)}; {best.name}: {said}"
        return not_known(_SUBJECT, Reason.UNDETERMINED, _expected(options), detail=detail)
    if not best.present and automatic.jobs_hidden:
        detail = "the crontabs, one of which might do it, cannot be read"
        return not_known(_SUBJECT, Reason.DENIED, _expected(options), detail=detail)
    if worst.reason is not None:
        return not_known(_SUBJECT, worst.reason, _expected(options), detail=f"{best.name}: {said}")
    return Outcome(
        subject=_SUBJECT,
        result=worst.result,
        summary=worst.text,
        expected=_expected(options),
        actual=say("{name}: {problems}", name=best.name, problems=said),
    )


def _of_timer(
    name: str, platform: PlatformFacts, facts: AutomaticFacts, options: Limits, clock: Clock
) -> Mechanism:
    problems: list[Problem] = list(unit_problems(facts, (name,)))
    if name in _BY_NAME:
        problems.append(fails(_BY_NAME[name]))
    elif name in _BY_CONFIG:
        problems += _configured(name, facts)
    elif name == "rpm-ostreed-automatic.timer":
        policy = next((each.policy for each in facts.configured if each.policy), "none")
        if policy not in _POLICIES:
            problems.append(fails("AutomaticUpdatePolicy is {policy}", policy=policy))
    unit, service = facts.unit(name), facts.unit(name.replace(".timer", ".service"))
    if name.endswith(".service"):
        problems.append(unclear(Reason.UNDETERMINED, "yum-cron leaves no trace of when it last ran"))
    else:
        last = unit.triggered if unit else None
        problems += run_problems(last, "a run", platform.born, options, clock)
        if service is not None and service.result not in ("", "success"):
            problems.append(fails("its last run failed: {result}", result=service.result))
    return Mechanism(name=name, present=True, problems=tuple(problems))


def _configured(name: str, facts: AutomaticFacts) -> Iterator[Problem]:
    """Follow dnf-automatic(8) and yum-cron(8): without apply_updates nothing is installed, as shipped."""
    files = [each for each in facts.configured if ("yum-cron" in each.file) == ("yum-cron" in name)]
    if not all(each.read for each in files):
        yield unclear(Reason.DENIED, "its configuration cannot be read")
        return
    # The distribution's file comes first, the host's own overrides it.
    applies = [each.applies for each in files if each.applies is not None]
    if not applies or not applies[-1]:
        yield fails("it installs nothing: apply_updates is {value}", value="no" if applies else "not set")
    kinds = [each.kind for each in files if each.kind]
    if kinds and kinds[-1] not in ("default", "security"):
        yield warns("it installs a part of the updates: {kind}", kind=kinds[-1])


def _expected(options: Limits) -> Text:
    return say(
        "updates are installed by themselves, with success at most {limit} ago", limit=str(options.run_within)
    )
