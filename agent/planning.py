"""Turn what was declared into a run's plan and catalogue, before anything is contacted."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any

import msgspec

from agent.slots import Due
from checks.catalogue import Entry
from checks.engine import Rule
from checks.model import Target
from collectors.evidence import TargetKind
from collectors.facts import Probe
from collectors.script import digest
from config.check_settings import settings_of
from config.codec import dec_hook, enc_hook
from config.inventory import accounts_of, logs_of, stores_of
from config.model import Config, Host, Promise, TransportKind
from reports.documents import (
    RULES_API,
    Catalogue,
    CataloguedPromise,
    CataloguedSafeguard,
    Engine,
    Plan,
    PlannedSafeguard,
)

ROSTER_TARGET = "roster"
LEFT_OUT = "left out by --limit"


def rules_of(config: Config, entries: Mapping[str, Entry]) -> tuple[Rule, ...]:
    """List promise by promise the safeguards that prove it, with every setting that is in force."""
    return tuple(
        Rule(promise=promise.id, safeguard=name, options=settings(promise, entries[name]))
        for promise in config.promise
        for name in promise.proves
    )


def settings(promise: Promise, entry: Entry) -> dict[str, Any]:
    """Return a safeguard's settings under one promise, defaults included, as they are sealed."""
    options = msgspec.convert(settings_of(promise, entry.options), entry.options, dec_hook=dec_hook)
    sealed: dict[str, Any] = msgspec.to_builtins(options, enc_hook=enc_hook)
    return sealed


def used(rules: Iterable[Rule], entries: Mapping[str, Entry]) -> tuple[Entry, ...]:
    """The safeguards that some promise names, in the catalogue's order."""
    named = {rule.safeguard for rule in rules}
    return tuple(entry for name, entry in entries.items() if name in named)


def host_probes(entries: Iterable[Entry]) -> tuple[Probe[Any], ...]:
    """The sections that the script needs: those of the safeguards in use."""
    found = {
        probe.name: probe for entry in entries for probe in entry.probes if probe.kind is TargetKind.HOST
    }
    return tuple(found.values())


def targets_of(config: Config, selected: Iterable[Host]) -> tuple[Target, ...]:
    """List every declared target: hosts (also those left out), mail journals, the roster."""
    chosen = {host.name for host in selected}
    hosts = [
        Target(
            target=host.name,
            kind=TargetKind.HOST,
            privilege=host.privilege.value,
            audit_user=host.user if host.transport is not TransportKind.LOCAL else "",
            accounts=accounts_of(host.name, config.account),
            posts=config.post,
            stores=stores_of(host.name, config.store),
            logs=logs_of(host.name, config.log),
            excluded=host.excluded or ("" if host.name in chosen else LEFT_OUT),
        )
        for host in config.host
    ]
    mail = [
        Target(target=journal.name, kind=TargetKind.MAIL, own_domains=journal.own_domains)
        for journal in config.mail
    ]
    roster = [Target(target=ROSTER_TARGET, kind=TargetKind.ROSTER)] if config.roster else []
    return (*hosts, *mail, *roster)


def make_plan(
    config: Config,
    entries: Mapping[str, Entry],
    *,
    selected: Iterable[Host],
    limit: str,
    run: int,
    log_size: int,
    as_of: datetime,
    due: Due,
) -> tuple[Plan, Catalogue]:
    """Freeze scope, rules and clock of one run."""
    rules = rules_of(config, entries)
    judged = used(rules, entries)
    plan = Plan(
        run=run,
        site=config.site.id,
        site_name=config.site.name,
        slot=due.slot,
        missed=due.missed,
        next_slot=due.next_slot,
        as_of=as_of,
        timezone=config.site.timezone,
        languages=config.site.languages,
        limit=limit,
        targets=targets_of(config, selected),
        safeguards=tuple(PlannedSafeguard(id=entry.check.id, sha256=entry.sha256) for entry in judged),
        probe_sha256=digest(host_probes(judged)),
        engine=Engine(name="tenken", version=version("tenken"), rules_api=RULES_API),
        log_size=log_size,
    )
    return plan, Catalogue(
        promises=tuple(
            CataloguedPromise(
                id=promise.id,
                text=promise.text,
                source=promise.source,
                decided_by=promise.decided_by,
                decided_on=promise.decided_on,
            )
            for promise in config.promise
        ),
        rules=rules,
        safeguards=tuple(_catalogued(entry) for entry in judged),
    )


def _catalogued(entry: Entry) -> CataloguedSafeguard:
    return CataloguedSafeguard(
        id=entry.check.id,
        version=entry.check.version,
        sha256=entry.sha256,
        kind=entry.check.kind.value,
        severity=entry.check.severity.value,
        controls=entry.check.controls,
        title=entry.page.title,
        looks_at=entry.page.looks_at,
        matters=entry.page.matters,
        to_do=entry.page.to_do,
    )
