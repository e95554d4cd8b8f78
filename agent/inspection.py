"""One run: plan, visit, judge, seal."""

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import structlog
from msgspec import Struct

from agent.clock import Now
from agent.fanout import Job, fan_out
from agent.fresh import fresh_boundary, fresh_salt
from agent.history import read_history, write_histories
from agent.planning import host_probes, make_plan, used
from agent.progress import Progress
from agent.sites import Site
from agent.slots import due
from agent.sources import mail_evidence, roster_evidence
from checks.engine import Case, judge_target, remember, worst
from checks.model import Clock, Finding, History, Target
from checks.verdicts import sort_key
from collectors.evidence import Reason, Status, TargetEvidence, TargetKind
from collectors.local import LocalTransport
from collectors.script import Parameters
from collectors.ssh import SshTransport
from collectors.sources.roster import PROBE as ROSTER
from collectors.facts import Known, read_fact
from collectors.transport import Transport
from collectors.visit import visit
from config.inventory import select
from config.model import Host, TransportKind
from reports.documents import Catalogue, Exceptions, Plan, encode, encode_verdicts
from reports.html import render
from reports.view import ReportView, TargetView, build_view, summarise

log = structlog.get_logger()


class Request(Struct, frozen=True, kw_only=True):
    """What the caller wants of a run."""

    limit: str = ""
    jobs: int | None = None
    host_timeout_s: int | None = None


class Inspected(Struct, frozen=True, kw_only=True):
    """A sealed run."""

    run: int
    bundle: Path
    report: Path
    view: ReportView


class _Tally:
    """Judge each target as it comes; only findings and a line a target stay in memory."""

    def __init__(
        self,
        plan: Plan,
        rules: Catalogue,
        site: Site,
        write: Callable[[str, bytes], None],
        progress: Progress,
    ) -> None:
        self.plan = plan
        self.rules = rules.rules
        self.site = site
        self.write = write
        self.progress = progress
        self.clock = Clock(as_of=plan.as_of, zone=plan.timezone)
        self.targets = {target.target: target for target in plan.targets}
        self.sources: dict[str, TargetEvidence] = {}
        self.findings: list[Finding] = []
        self.views: list[TargetView] = []
        self.histories: list[History] = []
        self.judged = used(self.rules, site.entries)

    def take(self, evidence: TargetEvidence) -> None:
        """Write, judge and remember one target."""
        target = self.targets[evidence.target]
        earlier = read_history(self.site.state / "history", target.target)
        self.write(f"evidence/{target.target}.json", encode(evidence))
        if earlier.run is not None:
            self.write(f"evidence/{target.target}.history.json", encode(earlier))
        if target.kind is TargetKind.ROSTER:
            self.sources[target.kind.value] = evidence
        case = Case(
            target=target, evidence=evidence, sources=self.sources, history=earlier, clock=self.clock
        )
        findings = list(judge_target(case, self.rules, self.site.entries))
        self.findings += findings
        self.histories.append(remember(case, self.plan.run, self.judged))
        self.views.append(summarise(evidence))
        self.progress.advance(
            target.target, evidence.status, worst(finding.result for finding in findings)
        )
        log.info(
            "target judged",
            target=target.target,
            status=evidence.status.value,
            reason=evidence.reason.value if evidence.reason else None,
            findings=len(findings),
        )


def leavers_names(roster: TargetEvidence | None) -> tuple[str, ...]:
    """Account names to ask name services for, one by one: those of everybody on the roster."""
    if roster is None:
        return ()
    fact = read_fact(ROSTER, roster)
    if not isinstance(fact, Known):
        return ()
    return tuple(sorted({name for person in fact.value.persons for name in person.accounts if _plain(name)}))


def _plain(name: str) -> bool:
    """Whether a log-in name can be put to a host; others cannot exist in passwd(5) either."""
    return len(name) <= 64 and name[0].isalnum() and all(c.isalnum() or c in "._@-" for c in name) and name.isascii()  # noqa: PLR2004, E501


def inspect(site: Site, request: Request, *, now: Now, progress: Progress) -> Inspected:
    """Make one run, from the plan to the sealed bundle.

    Raises StoreLockedError when another run holds the state folder, SealError for the signing key,
    ConfigError for `--limit`. What a target does wrong never ends the run.
    """
    config = site.config
    selected = tuple(host for host in select(config.host, request.limit or None) if not host.excluded)
    key = load_key(site.key)
    with Store.open(site.state, origin=origin_of(config.site.id), key=key) as store:
        as_of = now()
        last = last_run(store)
        draft = store.begin_run()
        owed = due(config.schedule, config.site.timezone, last.as_of if last else None, as_of)
        plan, rules = make_plan(
            config,
            site.entries,
            selected=selected,
            limit=request.limit,
            run=draft.run,
            log_size=store.size,
            as_of=as_of,
            due=owed,
        )
        raw_plan = encode(plan)
        draft.write("plan.json", raw_plan)
        draft.write("rules/catalogue.json", encode(rules))
        draft.write("exceptions.json", encode(Exceptions()))
        tally = _Tally(plan, rules, site, draft.write, progress)
        _collect(site, request, tally, hashlib.sha256(raw_plan).hexdigest(), selected, now)
        tally.findings.sort(key=sort_key)
        draft.write("verdicts.jsonl", encode_verdicts(tuple(tally.findings)))
        sealed = draft.seal(key, tally=tally, now=now)
        write_histories(site.state / "history", tally.histories)
    return sealed


def _collect(
    site: Site, request: Request, tally: _Tally, plan: str, selected: tuple[Host, ...], now: Now
) -> None:
    """Ask every target of the plan; each one is taken exactly once."""
    config, run = site.config, tally.plan.run
    tally.progress.start(len(tally.targets))
    roster = roster_evidence(site, run, plan) if config.roster else None
    if roster:
        tally.take(roster)
    for target in tally.plan.targets:
        if target.excluded:
            tally.take(_left_out(target, run, plan))
    _visit_hosts(site, request, tally, plan, selected, leavers_names(roster), now)
    for journal in config.mail:
        tally.take(mail_evidence(site, journal, run, plan, tally.plan.as_of))


def _left_out(target: Target, run: int, plan: str) -> TargetEvidence:
    return TargetEvidence(
        run=run,
        plan=plan,
        target=target.target,
        kind=target.kind,
        salt=fresh_salt(),
        status=Status.EXCLUDED,
        reason=Reason.EXCLUDED,
        detail=target.excluded,
    )
