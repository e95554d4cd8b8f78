"""The account safeguards over real hosts: each persona's findings are exactly the expected ones."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from checks.catalogue import catalogue
from checks.engine import Case, Rule, judge_target
from checks.model import Clock, Finding, History, Result, Target
from collectors.evidence import Part, Reason, Section, SectionState, Status, TargetEvidence, TargetKind
from collectors.sources.roster import Person, RosterFacts
from config.model import ServiceAccount
from tests.checks.account_facts import evidence_of
from tests.collectors.probes.asked import Answer, ask_host
from tests.lab.host import Host
from tests.lab.personas import AUDIT_LOGIN, CANARIES, PEOPLE
from tests.lab.plugin import HostFactory, OwnHostFactory

_RULES = (
    # The lab's account files are all made today: how long closing took cannot be seen on them.
    Rule(promise="leavers", safeguard="retired-accounts", options={"time_judged_from": "2099-01-01"}),
    Rule(promise="passwords", safeguard="password-rotation", options={}),
)


def _roster(today: date) -> TargetEvidence:
    people = tuple(
        Person(person=name, accounts=(name,), left_on=None if left is None else today - timedelta(days=left))
        for name, left in PEOPLE.items()
    )
    facts = RosterFacts(
        file="roster.csv", sha256="0" * 64, written=datetime.now(UTC), max_age_s=86_400, persons=people
    )
    section = Section(
        name="roster",
        state=SectionState.ENDED,
        exit=0,
        parts=(Part.of("roster", "read", msgspec.json.encode(facts)),),
    )
    return TargetEvidence(
        run=1,
        plan="",
        target="roster",
        kind=TargetKind.ROSTER,
        salt="",
        status=Status.COLLECTED,
        sections=(section,),
    )


def _findings(host: Host, answer: Answer | None = None) -> list[Finding]:
    now = datetime.now(UTC)
    whole = answer or ask_host(host, tuple(PEOPLE))
    case = Case(
        target=Target(
            target="host",
            kind=TargetKind.HOST,
            audit_user=host.login,
            accounts=(ServiceAccount(name=AUDIT_LOGIN, owner="IT office", reason="inspection"),),
        ),
        evidence=evidence_of(whole),
        sources={"roster": _roster(now.date())},
        history=History(),
        clock=Clock(as_of=now, zone="UTC"),
    )
    return list(judge_target(case, _RULES, catalogue()))


_BAD = {
    "clean": set(),
    "debian-13": set(),
    "leaver": {("leavers", "account", "tanaka", Result.FAIL)},
    "old-password": {
        ("passwords", "account", "yamada", Result.FAIL),
        ("passwords", "password-hash", "mori", Result.FAIL),
    },
    "unprivileged": {
        ("leavers", "account", "sato", Result.UNKNOWN),
        ("leavers", "account", "tanaka", Result.FAIL),
        ("leavers", "sudo-rules", "", Result.UNKNOWN),
        ("passwords", "target", "", Result.UNKNOWN),
    },
}


@pytest.mark.lab
@pytest.mark.parametrize("persona", _BAD)
def test_a_persona_has_exactly_its_findings(host: HostFactory, persona: str) -> None:
    """Unprivileged, the live process of tanaka proves what the hidden shadow file cannot."""
    findings = _findings(host(persona))
    bad = {
        (it.promise, it.subject.kind, it.subject.name, it.result)
        for it in findings
        if it.result in (Result.FAIL, Result.UNKNOWN, Result.WARN)
    }
    assert bad == _BAD[persona]
    assert any(it.result is Result.PASS for it in findings)
    texts = msgspec.json.encode(findings)
    assert all(canary.encode() not in texts for canary in CANARIES)


@pytest.mark.lab
def test_the_leaver_is_told_with_every_way_in(host: HostFactory) -> None:
    findings = {it.subject.name: it for it in _findings(host("leaver")) if it.promise == "leavers"}
    said = findings["tanaka"].actual.english()
    assert said == "open: public key, cron jobs, running processes (sh, sleep)"


_RULE = "echo 'tanaka ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/tanaka; chmod 440 /etc/sudoers.d/tanaka\n"


@pytest.mark.lab
def test_the_next_one_of_a_leavers_name_is_root_by_the_rule_left_behind(own_host: OwnHostFactory) -> None:
    """A3: userdel leaves the file, and sudo asks for the name only."""
    machine = own_host(
        "clean", setup=f"useradd -u 12003 tanaka; {_RULE}userdel -r tanaka 2>/dev/null || true"
    )
    found = {(it.subject.kind, it.subject.name): it for it in _findings(machine)}
    said = found["residue", "tanaka"]
    assert said.result is Result.WARN
    assert said.actual.english() == ("sudo rule /etc/sudoers.d/tanaka:1: whoever gets this name next is root")
    assert found["account", "tanaka"].result is Result.PASS
    attempt = "useradd -u 12009 tanaka; setpriv --reuid 12009 --clear-groups --regid 12009 sudo -n id -u"
    assert machine.sh(attempt).stdout.strip() == "0"


@pytest.mark.lab
def test_what_a_leaver_may_do_by_sudo_is_told_with_the_ways_in(own_host: OwnHostFactory) -> None:
    machine = own_host("leaver", setup=_RULE)
    said = {it.subject.name: it for it in _findings(machine) if it.promise == "leavers"}["tanaka"]
    assert said.actual.english().endswith(
        ", then ALL commands as root without a password by /etc/sudoers.d/tanaka:1"
    )


@pytest.mark.lab
def test_the_journal_alone_proves_that_nobody_logged_in(host: HostFactory) -> None:
    """Debian 13 has no other log; our own log-ins are in it and are nobody's who left."""
    (use,) = (it for it in _findings(host("systemd-13")) if it.subject.kind == "use")
    assert (use.subject.name, use.result) == ("sato", Result.PASS)


@pytest.mark.lab
@pytest.mark.parametrize(
    "setup",
    [
        'echo "$KEY_sato" | lab-key sato; echo "$KEY_sato" | lab-key root',
        "setpriv --reuid=12001 sleep 3600 >/dev/null 2>&1 &",
        "userdel sato; usermod -L suzuki; chage -M 99999 suzuki",
        "echo 'sato ALL=ALL' > /etc/sudoers.d/sato; userdel -r sato 2>/dev/null || true",
    ],
    ids=["key under root", "process of an expired leaver", "deleted and never changed", "rule of sudo"],
)
def test_a_cut_answer_is_never_better_than_the_whole(own_host: OwnHostFactory, setup: str) -> None:
    """Criteria 8 and 9: a subject passes only where it passed on the whole answer, and nothing raises."""
    machine = own_host("clean", setup=setup)
    whole = ask_host(machine, tuple(PEOPLE))
    passed = {(it.safeguard, it.subject) for it in _findings(machine, whole) if it.result is Result.PASS}
    step = max(len(whole.stream) // 60, 1)
    for length in range(0, len(whole.stream), step):
        for finding in _findings(machine, whole.cut(length)):
            assert finding.reason is not Reason.INTERNAL
            if finding.result is Result.PASS:
                assert (finding.safeguard, finding.subject) in passed, length
