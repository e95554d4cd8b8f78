"""What a run, a plan or a verification looks like on standard output."""

from typing import Any

from agent.inspection import Inspected
from agent.lastrun import chosen
from agent.output import print_json, print_table
from agent.planning import LEFT_OUT, rules_of, targets_of
from agent.sites import Site
from checks.model import Result
from reports.html import WORDS, verdict
from reports.view import ReportView

MOST_LINES = 20
"""findings that a terminal is shown; the report has all of them"""


def print_run(done: Inspected, shape: str) -> None:
    """Print the table of promises, the worst findings, the population and, last, the bundle's path."""
    if shape == "json":
        print_json({**summary(done.view), "bundle": str(done.bundle), "report": str(done.report)})
        return
    print_promises(done.view)
    print(f"report: {done.report}")
    print(done.bundle)


def print_promises(view: ReportView) -> None:
    """Print promise by promise what became of it, then what to look at first."""
    print_table(
        ("promise", "result", "fail", "unknown", "warn", "pass"),
        [
            (
                each.promise.id,
                WORDS[each.outcome.result.value]
                + (" (measure out of date)" if each.outcome.obsolete else ""),
                *(
                    str(each.outcome.counts[result])
                    for result in (Result.FAIL, Result.UNKNOWN, Result.WARN, Result.PASS)
                ),
            )
            for each in view.promises
        ],
    )
    loud = [
        finding
        for each in view.promises
        for group in each.groups
        for finding in group.findings
        if finding.result in (Result.FAIL, Result.UNKNOWN)
    ]
    if loud:
        print()
        loud.sort(key=lambda finding: finding.result.rank)
        # A host that is down fails every safeguard with the same words: one line says it.
        lines = list(
            dict.fromkeys(
                (
                    finding.result.value,
                    finding.target,
                    f"{finding.subject.kind} {finding.subject.name}".strip(),
                    finding.summary.english(),
                )
                for finding in loud
            )
        )
        print_table(("result", "target", "subject", "finding"), lines[:MOST_LINES])
        if len(lines) > MOST_LINES:
            print(f"… and {len(lines) - MOST_LINES} more in the report")
    print()
    people = view.population
    print(
        f"hosts: {people.reached} reached + {people.partly} in part + {people.unreached} not reached "
        f"+ {people.excluded} excluded = {people.inventory} in the inventory"
    )
    if view.plan.missed:
        print(f"missed slots since the last run: {len(view.plan.missed)}")
    if view.plan.limit:
        print(f"limited to {view.plan.limit!r}: this run says nothing of the other hosts and answers no slot")
    print(verdict(view))


def summary(view: ReportView) -> dict[str, Any]:
    """The run in numbers, for programs."""
    people = view.population
    return {
        "run": view.plan.run,
        "site": view.plan.site,
        "as_of": view.plan.as_of.isoformat().replace("+00:00", "Z"),
        "exit_status": view.exit_status,
        "complete": view.complete,
        "verdict": verdict(view),
        "evidence_root": view.evidence_root,
        "limit": view.plan.limit,
        "missed_slots": [slot.isoformat().replace("+00:00", "Z") for slot in view.plan.missed],
        "population": {
            "inventory": people.inventory,
            "reached": people.reached,
            "partly": people.partly,
            "unreached": people.unreached,
            "excluded": people.excluded,
        },
        "promises": [
            {
                "id": each.promise.id,
                "result": each.outcome.result.value,
                "obsolete": each.outcome.obsolete,
                "counts": {result.value: count for result, count in each.outcome.counts.items()},
            }
            for each in view.promises
        ],
    }


def print_plan(site: Site, limit: str, shape: str) -> None:
    """Show which safeguards would be judged on which targets; nobody is contacted."""
    selected = [host for host in chosen(site, limit) if not host.excluded]
    rules = rules_of(site.config, site.entries)
    rows: list[dict[str, str]] = []
    for target in targets_of(site.config, selected):
        judged = sorted(
            {rule.safeguard for rule in rules if site.entries[rule.safeguard].check.kind is target.kind}
        )
        note = target.excluded and (
            target.excluded if target.excluded == LEFT_OUT else f"excluded: {target.excluded}"
        )
        rows.append(
            {
                "target": target.target,
                "kind": target.kind.value,
                "privilege": target.privilege,
                "safeguards": note or ", ".join(judged) or "source of the others",
            }
        )
    if shape == "json":
        print_json(rows)
        return
    print_table(
        ("target", "kind", "privilege", "safeguards"),
        [tuple(row.values()) for row in rows],
    )
