"""The passwords of real hosts: what is judged agrees with chage(1), passwd(1) and PAM itself."""

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import pytest

from checks.catalogue import catalogue
from checks.engine import Case, Rule, judge_target, remember
from checks.model import Clock, Finding, History, Result, Target
from collectors.evidence import TargetKind
from collectors.probes.pwchanges import PasswordChangesFacts
from collectors.probes.shadow import ShadowFacts
from tests.checks.account_facts import evidence_of
from tests.collectors.probes.asked import ask_host
from tests.lab.host import Host
from tests.lab.personas import CANARIES, HASHES
from tests.lab.plugin import HostFactory, OwnHostFactory

pytestmark = pytest.mark.lab

PROBES = ("accounts", "names", "shadow", "sshd", "pam", "pwchanges")


class _Run(NamedTuple):
    findings: list[Finding]
    history: History
    shadow: ShadowFacts
    stream: bytes

    def of(self, kind: str) -> dict[str, Result]:
        return {it.subject.name: it.result for it in self.findings if it.subject.kind == kind}

    def bad(self) -> set[tuple[str, str, Result]]:
        good = (Result.PASS, Result.NOT_APPLICABLE)
        return {
            (it.subject.kind, it.subject.name, it.result) for it in self.findings if it.result not in good
        }


def _run(host: Host, history: History | None = None, **promised: Any) -> _Run:
    answer = ask_host(host, probes=PROBES)
    case = Case(
        target=Target(target="host", kind=TargetKind.HOST, audit_user=host.login),
        evidence=evidence_of(answer),
        sources={},
        history=history or History(),
        clock=Clock(as_of=datetime.now(UTC), zone="UTC"),
    )
    rule = Rule(promise="passwords", safeguard="password-rotation", options=promised)
    entry = catalogue()["password-rotation"]
    shadow = answer.facts("shadow")
    assert isinstance(shadow, ShadowFacts)
    return _Run(
        list(judge_target(case, [rule], catalogue())), remember(case, 1, [entry]), shadow, answer.stream
    )


def _person(name: str, uid: int, like: str, days: int) -> str:
    return f"lab-person {name} {uid} '' '{HASHES[like]}' {days}\n"


def test_a_limit_in_login_defs_is_not_the_limit_of_an_account_as_chage_says(host: HostFactory) -> None:
    """Criteria 41 and 43 on a real host: 90 in login.defs, 99999 for yamada, changed 200 days ago."""
    machine = host("old-password")
    said = machine.sh("chage -i -l yamada; grep ^PASS_MAX_DAYS /etc/login.defs").stdout
    assert "99999" in said
    assert said.split()[-1] == "90"
    changed = date.fromisoformat(said.partition("Last password change")[2].split()[1])
    assert (datetime.now(UTC).date() - changed).days == 200
    run = _run(machine)
    assert {name for name, result in run.of("account").items() if result is Result.FAIL} == {"yamada"}
    assert run.of("login.defs") == {"PASS_MAX_DAYS": Result.PASS}
    assert run.of("password-hash")["mori"] is Result.FAIL


@pytest.mark.parametrize("persona", ["clean", "debian-13"])
def test_every_state_of_an_account_is_judged_by_its_own_line(own_host: OwnHostFactory, persona: str) -> None:
    """Criteria 42 to 46, with `passwd -S` and `chage -l` of the same host beside the verdicts."""
    accounts = (
        ("keyonly", "!", 10), ("star", "*", 10), ("old", HASHES["tanaka"], 200),
        ("ahead", HASHES["yamada"], -3), ("md5", "$1$CANARYlb$/mfUIXf9mjR.4Um5cqPmF.", 10),
        ("few", "$6$rounds=1000$CANARY$CANARYCANARY", 10),
        ("twin", HASHES["suzuki"], 10), ("locked", f"!{HASHES['mori']}", 300), ("disused", HASHES["sato"], 1),
    )  # fmt: skip
    setup = "".join(
        f"lab-person {name} {13001 + at} '' '{field}' {days}\n"
        for at, (name, field, days) in enumerate(accounts)
    )
    machine = own_host(persona, setup=setup)
    letters = {name: machine.sh(f"passwd -S {name}").stdout.split()[1] for name, _, _ in accounts}
    run = _run(machine)
    ages = run.of("account")
    # `L` is what passwd says of an account without a usable password: there age does not apply.
    for name, letter in letters.items():
        assert (ages[name] is Result.NOT_APPLICABLE) == (letter == "L"), name
    assert {name for name, result in ages.items() if result is Result.FAIL} == {"old", "ahead"}
    assert run.of("password-hash") | {"sato": Result.PASS} == {
        "md5": Result.FAIL, "few": Result.WARN, "old": Result.PASS, "ahead": Result.PASS, "twin": Result.PASS,
        "suzuki": Result.PASS, "disused": Result.PASS, "sato": Result.PASS,
    }  # fmt: skip
    # An expired account and a locked one have the same password as well.
    assert run.of("shared-password") == dict.fromkeys(
        ("disused, sato", "locked, md5", "suzuki, twin"), Result.FAIL
    )
    for text in (run.stream, msgspec.json.encode(run.findings), msgspec.json.encode(run.history)):
        assert all(canary.encode() not in text for canary in (*CANARIES, "CANARY"))
    for entry in run.shadow.entries:
        said = machine.sh(f"chage -i -l {entry.name}").stdout
        most = int(said.partition("Maximum number of days between password change")[2].split()[1])
        assert most == (-1 if entry.max_days is None else entry.max_days), entry.name


def test_a_password_that_ssh_does_not_take_is_judged_all_the_same(own_host: OwnHostFactory) -> None:
    """P17: the console, su and sudo take it."""
    off = "PasswordAuthentication no\\nKbdInteractiveAuthentication no\\n"
    machine = own_host("old-password", setup=f"printf '{off}' > /etc/ssh/sshd_config.d/keys.conf\n")
    assert "passwordauthentication no" in machine.sh("sshd -T").stdout
    assert _run(machine).of("account")["yamada"] is Result.FAIL


def test_a_day_that_chage_moved_warns_and_one_that_a_change_moved_does_not(own_host: OwnHostFactory) -> None:
    """P8: `chage -d` and a change through PAM, each seen by two runs and told by the host's own log."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    setup = _person("yamada", 12004, "yamada", 40) + _person("mori", 12005, "tanaka", 40)
    machine = own_host("clean", setup=setup)
    before = _run(machine)
    assert before.bad() == set()
    machine.sh(f"chage -d {yesterday} yamada; echo mori:A-new-Password-7 | chpasswd")
    while "password changed for mori" not in machine.sh("cat /var/log/auth.log").stdout:
        time.sleep(0.1)
    after = _run(machine, before.history)
    assert after.bad() == {("password-change", "yamada", Result.WARN)}
    # A later run, for which that log is gone, remembers what it said.
    machine.sh("rm /var/log/auth.log*")
    assert _run(machine, after.history).bad() == {("password-change", "yamada", Result.WARN)}
    # A day that is after the last write of the file needs no log and no history.
    machine.sh(f"chage -d {yesterday + timedelta(days=2)} mori")
    assert _run(machine).of("account")["mori"] is Result.FAIL


@pytest.mark.parametrize(
    ("stack", "results"),
    [
        ("required pam_pwhistory.so remember=5\\npassword required pam_unix.so use_authtok", Result.PASS),
        ("required pam_pwhistory.so remember=5\\npassword required pam_unix.so", Result.FAIL),
        ("required pam_unix.so", Result.FAIL),
    ],
)
def test_re_use_is_promised_and_kept_only_where_the_stack_refuses_it(
    own_host: OwnHostFactory, stack: str, results: Result
) -> None:
    machine = own_host("clean", setup=f"printf 'password {stack}\\n' > /etc/pam.d/common-password\n")
    assert set(_run(machine, remember=5).of("password-history").values()) == {results}


def test_a_journal_tells_of_a_change_where_there_is_no_other_log(own_host: OwnHostFactory) -> None:
    machine = own_host("systemd-13", setup=_person("yamada", 12004, "yamada", 1))
    machine.sh("echo suzuki:A-new-Password-7 | chpasswd; journalctl --sync")
    assert "password changed for suzuki" in machine.sh("journalctl -t chpasswd").stdout
    facts = ask_host(machine, probes=("pwchanges",)).facts("pwchanges")
    assert isinstance(facts, PasswordChangesFacts)
    today = (datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    assert {(it.name, today - it.day) for it in facts.changes} == {("suzuki", 0)}
    assert facts.recent == {"suzuki", "yamada"}
    first = machine.sh("journalctl -q --no-pager -D /var/log/journal -o short-unix | head -1").stdout
    assert facts.covered_from is not None
    assert abs(facts.covered_from.timestamp() - float(first.split()[0])) < 1
    assert facts.covered_to is not None
    assert datetime.now(UTC) - facts.covered_to < timedelta(minutes=5)
