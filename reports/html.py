"""The report as one HTML file: no script, no network, prints on A4."""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from checks.model import Finding, Result
from checks.text import Text
from reports.display import visible
from reports.view import ReportView

WORDS = {
    "fail": "Not kept",
    "unknown": "Could not be measured",
    "warn": "Kept, with a remark",
    "pass": "Kept",
    "not_applicable": "Not applicable",
}
"""a result as an officer reads it: never by colour alone"""
COUNTED = {
    "fail": "failing",
    "unknown": "not measured",
    "warn": "with a remark",
    "pass": "passing",
    "not_applicable": "not applicable",
}
_STATUS_CLASS = {
    "collected": "pass",
    "partial": "unknown",
    "unreachable": "unknown",
    "refused": "unknown",
    "excluded": "not_applicable",
}


def render(view: ReportView) -> bytes:
    """Render the report; the same view gives the same bytes."""
    env = Environment(
        loader=PackageLoader("reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(visible=_visible, words=_words, local=_local, groupby_result=_groupby_result)
    safeguards = {
        group.safeguard.id: group.safeguard for promise in view.promises for group in promise.groups
    }
    page = env.get_template("report.html.j2").render(
        view=view,
        verdict=verdict(view),
        overall_class=_overall_class(view),
        words=WORDS,
        counted=COUNTED,
        results=tuple(Result),
        status_class=_STATUS_CLASS,
        safeguards=tuple(safeguards.values()),
    )
    return page.encode("utf-8", errors="backslashreplace")


def verdict(view: ReportView) -> str:
    """Say in one sentence what became of the promises."""
    total = len(view.promises)
    kept, broken, unmeasured = len(view.kept), len(view.broken), len(view.unmeasured)
    if not total:
        return "Nothing was promised, so nothing was inspected."
    pieces = [f"{kept} of {total} {_plural(total, 'promise', 'promises')} kept"]
    if broken:
        pieces.append(f"{broken} not kept")
    if unmeasured:
        pieces.append(f"{unmeasured} could not be measured")
    sentence = ", ".join(pieces) + "."
    away = view.population.unreached + view.population.partly
    if away:
        sentence += f" {away} of {view.population.inventory} hosts could not be fully inspected."
    elif not view.complete and not unmeasured:
        sentence += " Some subjects could not be measured."
    return sentence


def _overall_class(view: ReportView) -> str:
    if view.broken:
        return "fail"
    return "pass" if view.complete else "unknown"


def _plural(number: int, one: str, more: str) -> str:
    return one if number == 1 else more


def _visible(text: object, most: int = 600) -> str:
    return visible(str(text), most=most)


def _words(text: Text) -> str:
    return visible(text.english())


def _local(moment: datetime, zone: str) -> str:
    return moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %Z")


def _groupby_result(findings: Iterable[Finding]) -> list[tuple[Result, list[Finding]]]:
    return [(result, list(group)) for result, group in groupby(findings, key=lambda each: each.result)]
