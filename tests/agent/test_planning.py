"""What was declared becomes a plan before anything is contacted: scope, numbers and clock are fixed."""

from datetime import UTC, date, datetime

import pytest

from agent.planning import LEFT_OUT, host_probes, make_plan, rules_of, settings, targets_of, used
from agent.slots import Due
from checks.catalogue import catalogue
from collectors.evidence import TargetKind
from collectors.script import digest
from config.duration import Duration
from config.model import (
    AccessLog,
    Config,
    Host,
    MailJournal,
    MailKind,
    Post,
    Privilege,
    Promise,
    PromiseSource,
    Roster,
    ServiceAccount,
    Site,
    TransportKind,
)
from reports.documents import Catalogue, Plan, decode, encode

NOW = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
LOGS = Promise(
    id="logs",
    text="long-term storage of access logs",
    source=PromiseSource(document="policy.txt", section="6(2)"),
    proves=("access-log-retention",),
    decided_by="the officer",
    decided_on=date(2026, 11, 1),
    set={"keep": "400d"},
)
BOTH = Promise(
    id="both",
    text="disabling accounts; long-term storage",
    source=PromiseSource(document="policy.txt"),
    proves=("retired-accounts", "access-log-retention"),
    set={},
)
WEB = Host(name="web-01", privilege=Privilege.SUDO)
HERE = Host(name="here", transport=TransportKind.LOCAL, user="somebody")
GONE = Host(name="gone", excluded="sold in May")
CONFIG = Config(
    site=Site(id="acme", name="Acme K.K.", timezone="Asia/Tokyo", languages=("ja", "en")),
    promise=(LOGS, BOTH),
    host=(WEB, HERE, GONE),
    account=(
        ServiceAccount(name="backup", owner="IT", reason="backups", hosts=("web-*",)),
        ServiceAccount(name="all", owner="IT", reason="everywhere"),
    ),
    post=(Post(name="営業部", groups=("sales", "print*")),),
    log=(
        AccessLog(path="/var/log/nginx/access.log*", hosts=("web-*",), keep=Duration("180d")),
        AccessLog(path="/srv/app/audit.log"),
    ),
    mail=(MailJournal(name="sent", kind=MailKind.MBOX, path="sent.mbox", own_domains=("example.com",)),),
    roster=Roster(path="roster.csv"),
)
ENTRIES = catalogue()
DUE = Due(slot=NOW, missed=(), next_slot=NOW)


def plan(
    config: Config = CONFIG, *, selected: tuple[Host, ...] = (WEB, HERE), limit: str = ""
) -> tuple[Plan, Catalogue]:
    return make_plan(config, ENTRIES, selected=selected, limit=limit, run=7, log_size=6, as_of=NOW, due=DUE)


def test_every_promise_claims_each_safeguard_that_proves_it():
    assert [(rule.promise, rule.safeguard) for rule in rules_of(CONFIG, ENTRIES)] == [
        ("logs", "access-log-retention"),
        ("both", "retired-accounts"),
        ("both", "access-log-retention"),
    ]


def test_the_numbers_in_force_are_sealed_with_their_defaults():
    """A default that changes later must not change what an old run is replayed with."""
    entry = ENTRIES["access-log-retention"]
    sealed = settings(LOGS, entry)
    assert sealed["keep"] == "400d"
    assert set(sealed) == set(entry.options.__struct_fields__)
    default = settings(BOTH, entry)["keep"]
    assert Duration(default).days >= 365


def test_a_setting_of_another_safeguard_of_the_promise_stays_out():
    mixed = Promise(
        id="m",
        text="m",
        source=PromiseSource(document="d"),
        proves=("access-log-retention", "password-rotation"),
        set={"keep": "400d"},
    )
    assert "keep" not in settings(mixed, ENTRIES["password-rotation"])


def test_only_the_sections_that_the_promises_need_are_asked():
    some = used(rules_of(Config(site=CONFIG.site, promise=(LOGS,)), ENTRIES), ENTRIES)
    assert [entry.check.id for entry in some] == ["access-log-retention"]
    names = {probe.name for probe in host_probes(some)}
    assert "logs" in names
    assert "shadow" not in names
    every = used(rules_of(CONFIG, ENTRIES), ENTRIES)
    assert all(probe.kind is TargetKind.HOST for probe in host_probes(every))
    assert "roster" not in {probe.name for probe in host_probes(every)}


def test_every_declared_target_is_planned_also_those_left_out():
    planned = {target.target: target for target in targets_of(CONFIG, (WEB,))}
    assert list(planned) == ["web-01", "here", "gone", "sent", "roster"]
    assert [target.excluded for target in planned.values()] == ["", LEFT_OUT, "sold in May", "", ""]
    assert [target.kind for target in planned.values()] == [
        TargetKind.HOST,
        TargetKind.HOST,
        TargetKind.HOST,
        TargetKind.MAIL,
        TargetKind.ROSTER,
    ]
    assert planned["sent"].own_domains == ("example.com",)


def test_a_target_knows_its_audit_account_and_its_service_accounts():
    web, here, *_ = targets_of(CONFIG, (WEB, HERE))
    assert (web.audit_user, web.privilege) == ("tenken", "sudo")
    assert here.audit_user == ""
    assert [account.name for account in web.accounts] == ["backup", "all"]
    assert [account.name for account in here.accounts] == ["all"]


def test_a_target_knows_the_posts():
    targets = {target.target: target for target in targets_of(CONFIG, CONFIG.host)}
    assert [(post.name, post.groups) for post in targets["web-01"].posts] == [("営業部", ("sales", "print*"))]


def test_a_target_knows_its_application_logs():
    """They stand in plan.json, so that a bundle can be judged again by what was declared."""
    targets = {target.target: target for target in targets_of(CONFIG, CONFIG.host)}
    assert [log.path for log in targets["web-01"].logs] == [
        "/var/log/nginx/access.log*",
        "/srv/app/audit.log",
    ]
    assert [log.path for log in targets["here"].logs] == ["/srv/app/audit.log"]
    assert targets["sent"].logs == ()


def test_a_host_that_is_excluded_stays_so_even_when_it_is_selected():
    assert targets_of(CONFIG, (GONE,))[2].excluded == "sold in May"


def test_the_plan_holds_scope_rules_and_clock():
    made, rules = plan(limit="web-*")
    assert (made.run, made.site, made.as_of, made.slot, made.limit) == (7, "acme", NOW, NOW, "web-*")
    assert made.languages == ("ja", "en")
    assert {each.id: each.sha256 for each in made.safeguards} == {
        name: ENTRIES[name].sha256 for name in ("access-log-retention", "retired-accounts")
    }
    assert made.probe_sha256 == digest(host_probes(used(rules.rules, ENTRIES)))
    logs, both = rules.promises
    assert (logs.text, logs.decided_by, logs.decided_on) == (LOGS.text, "the officer", date(2026, 11, 1))
    assert (both.decided_by, both.decided_on) == ("", None)
    assert {each.title for each in rules.safeguards} == {
        ENTRIES[name].page.title for name in ("access-log-retention", "retired-accounts")
    }


def test_plan_and_catalogue_survive_being_written_and_read():
    made, rules = plan()
    assert decode(encode(made), Plan) == made
    assert decode(encode(rules), Catalogue) == rules
    assert encode(made) == encode(plan()[0])


def test_a_promise_of_a_safeguard_that_is_not_installed_is_no_plan():
    """The loader refuses it with words; here it must not be dropped in silence."""
    odd = Promise(id="x", text="x", source=PromiseSource(document="d"), proves=("no-such",), set={})
    with pytest.raises(KeyError):
        rules_of(Config(site=CONFIG.site, promise=(odd,)), ENTRIES)
