"""The report as one HTML file: no script, no network, prints on A4."""

import re
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from checks.model import Finding, Result
from checks.text import Text, fill
from collectors.evidence import Reason
from reports.display import visible
from reports.reasons import HINTS, in_words
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
_CODES = ("reason", "detail")
"""values of a text that may be the code of a reason"""
_CODE = re.compile(r"`([^`]+)`")
STATUS_WORDS = {
    "collected": "inspected",
    "partial": "in part",
    "unreachable": "not reached",
    "refused": "refused",
    "excluded": "left out",
}
"""how a visit ended, for people"""
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
    env.filters.update(
        visible=_visible,
        words=_words,
        prose=_prose,
        reason=in_words,
        lines=_lines,
        local=_local,
        groupby_result=_groupby_result,
        reasons=_reasons,
    )
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
        status_words=STATUS_WORDS,
        hints=HINTS,
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
    unclear = any(each.outcome.counts[Result.UNKNOWN] for each in view.promises)
    away = view.population.unreached + view.population.partly
    if away:
        total = view.population.inventory
        sentence += f" {away} of {total} {_plural(total, 'host', 'hosts')} could not be fully inspected."
    elif not unmeasured and (unclear or not (view.complete or view.plan.limit)):
        sentence += " Some subjects could not be measured."
    if view.plan.limit:
        sentence += " Only a part of the inventory was inspected."
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
    return visible(sentence(text))


def sentence(text: Text) -> str:
    """A finding's words with reasons spelt out and the first letter large."""
    args = {name: in_words(str(value)) if name in _CODES else value for name, value in text.args.items()}
    words = fill(text.id, args)
    return words[:1].upper() + words[1:] if text.id[:1] != "{" else words


def _prose(text: str) -> Markup:
    """A page's own paragraph: lines joined, `code` marked; never used for what hosts say."""
    escaped = str(escape(visible(" ".join(text.split()), most=4_000)))
    return Markup(_CODE.sub(r"<code>\1</code>", escaped))  # noqa: S704 (escaped just above)


def _lines(text: str) -> list[str]:
    return text.splitlines()


def _local(moment: datetime, zone: str) -> str:
    return moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %Z")


def _groupby_result(findings: Iterable[Finding]) -> list[tuple[Result, list[Finding]]]:
    return [(result, list(group)) for result, group in groupby(findings, key=lambda each: each.result)]


def _reasons(findings: Iterable[Finding]) -> list[Reason]:
    """Each reason once, in the order of the closed list."""
    named = {finding.reason for finding in findings}
    return [reason for reason in Reason if reason in named]
