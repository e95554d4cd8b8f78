"""The main job over real hosts: every host accounted for, and each finding the expected one, by subject."""

import json
import re
from typing import Any

import pytest

from checks.model import Result
from tests.agent.labsite import LabSite
from tests.lab.host import Lab
from tests.lab.personas import CANARIES
from tests.lab.plugin import HostFactory

pytestmark = pytest.mark.lab

ALIVE = ("clean", "debian-13", "iso-logs", "leaver", "pending", "short-logs", "old-password", "floods-stderr")
DEAD = {
    # persona: (status, reason, least seconds of waiting it may cost is its own business)
    "unreachable": ("unreachable", "route"),
    "black-hole": ("unreachable", "connect_timeout"),
    "refused": ("unreachable", "refused"),
    "changed-key": ("refused", "host_key_changed"),
    "silent": ("unreachable", "no_banner"),
    "hangs": ("unreachable", "deadline"),
    "floods": ("unreachable", "too_much_output"),
    "lying": ("unreachable", "no_answer"),
    "lying-truncated": ("partial", "probe_cut"),
}
LOUD = {
    "clean": set(),
    "debian-13": set(),
    "iso-logs": set(),
    # 5 MiB of errors before the answer change nothing about it.
    "floods-stderr": set(),
    "leaver": {("retired-accounts", "account tanaka", "fail")},
    "pending": {
        ("patch-currency", "package logrotate", "fail"),  # on hold
        ("patch-currency", "package sudo", "warn"),  # first audit: nobody knows since when it waits
    },
    "short-logs": {("access-log-retention", "log auth", "fail")},
    "old-password": {
        ("password-rotation", "account yamada", "fail"),
        ("password-rotation", "password-hash mori", "fail"),
    },
}
UNPRIVILEGED = {
    # A live process of a leaver is visible to anybody, so this much is proven without root.
    ("retired-accounts", "account tanaka", "fail"),
    ("retired-accounts", "sudo-rules", "unknown"),
    ("access-log-retention", "log auth", "unknown"),
    ("access-log-retention", "log btmp", "unknown"),
    ("patch-currency", "restart replaced files", "unknown"),
    ("password-rotation", "target", "unknown"),
}


@pytest.fixture(scope="module")
def everything(lab: Lab, host: HostFactory, tmp_path_factory: pytest.TempPathFactory) -> LabSite:
    """One run over all personas, dead ones included."""
    hosts = [host(name) for name in (*ALIVE, "unprivileged", *DEAD)]
    site = LabSite(tmp_path_factory.mktemp("all") / "site", hosts)
    done = site.tenken("run", "--format", "json")
    assert done.returncode == 3, done.stderr
    site.answer = json.loads(done.stdout)
    site.said = done.stdout + done.stderr
    return site


def test_every_host_of_the_inventory_is_accounted_for(everything: LabSite):
    """The sum is printed and signed: reached + in part + not reached + excluded = inventory."""
    people: dict[str, Any] = everything.answer["population"]
    assert people == {
        "inventory": len(ALIVE) + 1 + len(DEAD),
        "reached": len(ALIVE) + 1,
        "partly": 1,
        "unreached": len(DEAD) - 1,
        "excluded": 0,
    }
    for name in (*ALIVE, "unprivileged", *DEAD):
        assert everything.evidence(name)["target"] == name


@pytest.mark.parametrize("persona", DEAD)
def test_a_host_that_cannot_be_inspected_is_unknown_with_its_own_reason(everything: LabSite, persona: str):
    evidence = everything.evidence(persona)
    assert (evidence["status"], evidence["reason"]) == DEAD[persona]
    results = {each.result for each in everything.findings if each.target == persona}
    # What a cut answer had said whole stays valid; the promise is not measured all the same.
    assert results - {Result.PASS} == {Result.UNKNOWN}
    assert Result.PASS not in results or evidence["status"] == "partial"


@pytest.mark.verifies(
    "debian-12", "retired-accounts", "access-log-retention", "password-rotation", "patch-currency"
)
@pytest.mark.verifies(
    "debian-13", "retired-accounts", "access-log-retention", "password-rotation", "patch-currency"
)
@pytest.mark.parametrize("persona", LOUD)
def test_the_findings_of_a_persona_are_exactly_the_expected_ones(everything: LabSite, persona: str):
    assert everything.loud(persona) == LOUD[persona]


def test_what_root_alone_can_see_is_unknown_and_not_none_found(everything: LabSite):
    assert everything.loud("unprivileged") == UNPRIVILEGED


def test_the_leaver_is_named_with_every_way_in(everything: LabSite):
    (finding,) = (
        each
        for each in everything.findings
        if each.target == "leaver" and each.subject.name == "tanaka" and each.result is Result.FAIL
    )
    said = finding.summary.english()
    assert "public key" in said
    assert "cron" in said
    assert "process" in said


def test_a_downgrade_candidate_is_no_finding(everything: LabSite):
    """Cron is offered lower than installed: trap U17."""
    assert not [
        each for each in everything.findings if each.target == "pending" and each.subject.name == "cron"
    ]


def test_the_pending_fixes_are_those_that_apt_would_install(everything: LabSite, host: HostFactory):
    simulated = host("pending").sh("apt-get -s dist-upgrade --ignore-hold 2>/dev/null; true").stdout
    apt = set(re.findall(r"^Inst (\S+) .*Debian-Security", simulated, flags=re.MULTILINE))
    ours = {
        each.subject.name
        for each in everything.findings
        if each.target == "pending" and each.subject.kind == "package"
    }
    assert apt == ours != set()


def test_the_bundle_verifies_with_its_log(everything: LabSite):
    log = everything.folder / "state" / "log" / "log.jsonl"
    done = everything.verify(None, "--log", str(log))
    assert done.returncode == 0, done.stdout
    assert "VERIFIED" in done.stdout


def test_nothing_planted_leaves_a_host(everything: LabSite, lab: Lab):
    """Hashes, key blobs, GECOS, command lines, crontabs, log text, mail text: in no file and no output."""
    blobs = [path.with_suffix(".pub").read_text().split()[1] for path in lab.person_keys.values()]
    planted = [text.encode() for text in (*CANARIES, *blobs, "CANARY-MAIL")]
    searched = 0
    for path in (everything.folder / "state").rglob("*"):
        if path.is_file() and path.suffix != ".zip":
            raw = path.read_bytes()
            searched += 1
            assert not [text for text in planted if text in raw], path.name
    assert searched > len(ALIVE)
    assert not [text for text in planted if text.decode() in everything.said]


def test_no_host_key_means_no_log_in(everything: LabSite, host: HostFactory):
    """The changed host never saw an attempt to authenticate."""
    log = host("changed-key").sh("cat /var/log/auth.log").stdout
    assert "publickey for root" not in log
    assert "[preauth]" in log


def test_sudo_is_never_tried_on_speculation(everything: LabSite, host: HostFactory):
    log = host("unprivileged").sh("cat /var/log/auth.log").stdout
    assert "Accepted publickey for tenken" in log
    assert "sudo" not in log


def test_failed_names_exactly_the_hosts_that_were_not_inspected_as_a_whole(everything: LabSite):
    listed = everything.tenken("hosts", "list", "--limit", "@failed", "--format", "json")
    assert {each["name"] for each in json.loads(listed.stdout)} == set(DEAD)
