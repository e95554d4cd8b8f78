"""One run: plan, visit, judge, seal."""

import hashlib
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import structlog
from msgspec import Struct, structs

from agent.clock import Now
from agent.fanout import Job, fan_out
from agent.fresh import fresh_boundary, fresh_salt
from agent.history import read_history, write_histories
from agent.lastrun import LEFT_OUT as UNVISITED
from agent.lastrun import chosen
from agent.lastrun import owed as promised
from agent.planning import LEFT_OUT, host_probes, make_plan, used
from agent.progress import Progress
from agent.reach import Reach
from agent.sites import Site, origin_of
from agent.sources import mail_evidence, roster_evidence
from agent.timestamps import Stamper
from checks.engine import Case, judge_target, needs_fleet, remember, worst
from checks.fleet import Fleet, Fold
from checks.model import Clock, Finding, History, Result, Target
from checks.verdicts import settle
from collectors.auditor import footprint
from collectors.evidence import Reason, Status, TargetEvidence, TargetKind
from collectors.facts import Known, Probe, read_fact
from collectors.script import Parameters, is_plain_name
from collectors.sources.roster import PROBE as ROSTER
from collectors.visit import visit
from config.model import Host
from reports.documents import Catalogue, Exceptions, Plan, decode, encode, encode_verdicts
from reports.html import render
from reports.layout import plan_token_name
from reports.sealkey import SealKey
from reports.statement import TrustPin
from reports.store import RunDraft, RunStatementInput, SealedRun, Store
from reports.trust import HeldTrust
from reports.trust import load as load_trust
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
    """Write and judge each target; only findings and a line a target stay in memory.

    A target is judged as it comes, unless a rule looks at what the others say: then all are judged at the
    end, each read back from the draft.
    """

    def __init__(
        self,
        plan: Plan,
        rules: Catalogue,
        site: Site,
        draft: RunDraft,
        progress: Progress,
    ) -> None:
        self.plan = plan
        self.rules = rules
        self.site = site
        self.draft = draft
        self.progress = progress
        self.clock = Clock(as_of=plan.as_of, zone=plan.timezone)
        self.targets = {target.target: target for target in plan.targets}
        self.sources: dict[str, TargetEvidence] = {}
        self.findings: list[Finding] = []
        self.views: list[TargetView] = []
        self.histories: list[History] = []
        self.judged = used(rules.rules, site.entries)
        self.together = needs_fleet(rules.rules, site.entries)
        self.fold = Fold.over(None)

    def take(self, evidence: TargetEvidence) -> None:
        """Write one target, and judge it unless the others have to be read first."""
        history = read_history(self.site.state / "history", evidence.target)
        self.draft.write(f"evidence/{evidence.target}.json", encode(evidence))
        if history.run is not None:
            self.draft.write(f"evidence/{evidence.target}.history.json", encode(history))
        if evidence.kind is TargetKind.ROSTER:
            self.sources[evidence.kind.value] = evidence
            self.fold = Fold.over(evidence)
        self.views.append(summarise(evidence))
        if self.together:
            self.fold.add(evidence, history)
            self.progress.advance(evidence.target, evidence.status, None)
            log.info("target read", target=evidence.target, status=evidence.status.value)
        else:
            self._judge(evidence, history, None)

    def judge_together(self) -> None:
        """Judge every target with what all of them say, if a rule needs that; one is in memory at a time."""
        if not self.together:
            return
        fleet = self.fold.fleet()
        self.progress.start(len(self.views), "judging")
        for view in self.views:
            raw = self.draft[f"evidence/{view.target}.json"]
            history = read_history(self.site.state / "history", view.target)
            self._judge(decode(raw, TargetEvidence), history, fleet)

    def _judge(self, evidence: TargetEvidence, history: History, fleet: Fleet | None) -> None:
        target = self.targets[evidence.target]
        case = Case(
            target=target,
            evidence=evidence,
            sources=self.sources,
            history=history,
            clock=self.clock,
            fleet=fleet,
        )
        findings = list(judge_target(case, self.rules.rules, self.site.entries))
        self.findings += findings
        self.histories.append(remember(case, self.plan.run, self.judged))
        self.progress.advance(target.target, evidence.status, worst(finding.result for finding in findings))
        log.info(
            "target judged",
            target=target.target,
            status=evidence.status.value,
            reason=evidence.reason.value if evidence.reason else None,
            findings=len(findings),
        )


def names_to_watch(roster: TargetEvidence | None) -> tuple[str, ...]:
    """Account names that hosts are asked about one by one: of people who left, leave or moved.

    Nobody else's: what hosts answer about a name, such as its last log-in, is personal data.
    """
    if roster is None:
        return ()
    fact = read_fact(ROSTER, roster)
    if not isinstance(fact, Known):
        return ()
    gone = [person for person in fact.value.persons if person.left_on or person.transferred_on]
    return tuple(sorted({name for person in gone for name in person.accounts if is_plain_name(name)}))


def inspect(
    site: Site, request: Request, *, now: Now, progress: Progress, interrupted: Event | None = None
) -> Inspected:
    """Make one run, from the plan to the sealed bundle.

    Once `interrupted` is set, what was not read yet is sealed as interrupted. Raises StoreLockedError
    when another run holds the state folder, SealError for the signing key, ConfigError for `--limit` or
    a private key. What a target does wrong never ends the run.
    """
    config = site.config
    selected = tuple(host for host in chosen(site, request.limit) if not host.excluded)
    reach = Reach(site, selected)
    held = load_trust(site.trust) if site.trust.exists() else None
    key = SealKey.load(site.key, origin=origin_of(config.site.id))
    stamper = Stamper(config.tsa, held.trust if held else None)
    with Store.open(site.state, stamp=stamper) as store, reach:
        as_of = now()
        store.recover(key)
        owed = promised(site, as_of)
        if request.limit:
            # A part of the inventory answers no slot; the next whole run accounts for it.
            owed = structs.replace(owed, slot=None, missed=())
        draft = store.begin_run()
        try:
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
            # Before anything is contacted: so scope and rules were fixed first, whatever the answers.
            stamps = stamper(raw_plan)
            for name, token in stamps.items():
                draft.write(plan_token_name(name), token)
            draft.write("rules/catalogue.json", encode(rules))
            draft.write("exceptions.json", encode(Exceptions()))
            tally = _Tally(plan, rules, site, draft, progress)
            round_ = _Round(
                site=site,
                request=request,
                tally=tally,
                plan_sha256=hashlib.sha256(raw_plan).hexdigest(),
                hosts=selected,
                reach=reach,
                now=now,
                interrupted=interrupted or Event(),
            )
            round_.collect()
            tally.judge_together()
            tally.findings = list(settle(tally.findings, rules.rules))
            draft.write("verdicts.jsonl", encode_verdicts(tuple(tally.findings)))
            sealed, view = _seal(held, draft, key, tally, now, timed=bool(stamps))
        except BaseException:
            draft.abandon()
            raise
        write_histories(site.state / "history", tally.histories)
    return Inspected(
        run=sealed.run, bundle=sealed.bundle, report=sealed.folder / "report" / "report.html", view=view
    )


def _seal(
    held: HeldTrust | None, draft: RunDraft, key: SealKey, tally: _Tally, now: Now, *, timed: bool
) -> tuple[SealedRun, ReportView]:
    shown: list[ReportView] = []

    def late(evidence_root: str) -> dict[str, bytes]:
        view = build_view(tally.plan, tally.rules, tally.findings, tally.views, evidence_root, timed=timed)
        shown.append(view)
        return {"report/report.html": render(view)}

    sealed = draft.seal(
        key,
        late=late,
        statement=RunStatementInput(
            started=tally.plan.as_of,
            finished=max(now(), tally.plan.as_of),
            counts=_counts(tally),
            trust=TrustPin(version=held.trust.version, sha256=held.sha256) if held else None,
        ),
    )
    return sealed, shown[0]


def _counts(tally: _Tally) -> dict[str, int]:
    """Whole numbers for run.json: the population, the findings, and what the run cost this machine."""
    hosts = [view for view in tally.views if view.kind is TargetKind.HOST]
    cost = footprint()
    return {
        "hosts": len(hosts),
        **{status.value: sum(view.status is status for view in hosts) for status in Status},
        **{result.value: sum(each.result is result for each in tally.findings) for result in Result},
        UNVISITED: sum(view.reason is Reason.INTERRUPTED or view.detail == LEFT_OUT for view in tally.views),
        "auditor_cpu_ms": cost.cpu_ms,
        "auditor_peak_bytes": cost.peak_bytes,
    }


class _Round(Struct, kw_only=True):
    """The round over all targets of a plan; each one is taken exactly once."""

    site: Site
    request: Request
    tally: _Tally
    plan_sha256: str
    hosts: tuple[Host, ...]
    reach: Reach
    now: Now
    interrupted: Event

    def collect(self) -> None:
        """Read the roster first, since its names are asked for on every host; mail journals last."""
        config, run = self.site.config, self.tally.plan.run
        self.tally.progress.start(len(self.tally.targets), "inspecting")
        roster = roster_evidence(self.site, run, self.plan_sha256) if config.roster else None
        if roster:
            self.tally.take(roster)
        for target in self.tally.plan.targets:
            if target.excluded:
                self.tally.take(self._not_read(target, Status.EXCLUDED, Reason.EXCLUDED, target.excluded))
        probes = host_probes(self.tally.judged)
        names = names_to_watch(roster)
        fan_out(
            [self._job(host, probes, names) for host in self.hosts],
            workers=self.request.jobs or config.ssh.jobs,
            on_done=self.tally.take,
            interrupted=self.interrupted,
        )
        for journal in config.mail:
            if self.interrupted.is_set():
                target = self.tally.targets[journal.name]
                self.tally.take(self._not_read(target, Status.UNREACHABLE, Reason.INTERRUPTED, ""))
            else:
                self.tally.take(
                    mail_evidence(self.site, journal, run, self.plan_sha256, self.tally.plan.as_of)
                )

    def _job(self, host: Host, probes: tuple[Probe[Any], ...], names: tuple[str, ...]) -> Job:
        transport = self.reach.transport(host)
        target = self.tally.targets[host.name]
        salt = fresh_salt()
        ask = partial(
            visit,
            host,
            transport,
            probes,
            Parameters(
                names=names,
                logs=tuple(log.path for log in target.logs),
                stores=tuple(store.path for store in target.stores),
            ),
            run=self.tally.plan.run,
            plan=self.plan_sha256,
            salt=salt,
            boundary=fresh_boundary(),
            now=self.now,
            deadline_s=float(self.request.host_timeout_s or self.site.config.ssh.host_timeout.seconds),
        )
        return Job(
            host=host,
            run=self.tally.plan.run,
            plan=self.plan_sha256,
            salt=salt,
            ask=ask,
            prepare=transport.prepare,
            stop=transport.close,
        )

    def _not_read(self, target: Target, status: Status, reason: Reason, detail: str) -> TargetEvidence:
        return TargetEvidence(
            run=self.tally.plan.run,
            plan=self.plan_sha256,
            target=target.target,
            kind=target.kind,
            salt=fresh_salt(),
            status=status,
            reason=reason,
            detail=detail,
        )
