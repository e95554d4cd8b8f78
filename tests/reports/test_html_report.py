"""The HTML report is inert whatever a host says, needs no network, and shows every promise."""

from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from checks.engine import Rule
from checks.model import Finding, Result, Subject, Target
from checks.text import say
from collectors.evidence import Reason, Status, TargetKind
from config.model import PromiseSource
from reports.documents import Catalogue, CataloguedPromise, CataloguedSafeguard, Engine, Plan
from reports.html import render, verdict
from reports.reasons import WORDS
from reports.view import ReportView, TargetView, build_view

NOW = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202edrowssap",
    "\x1b[31mred",
    "nul\0byte",
    "{{ 7 * 7 }}",
    "]]>",
    "javascript:alert(1)",
    "x" * 10_000,
    "\ud800",
    "&lt;b&gt;",
)


def view(
    findings: list[Finding],
    *,
    status: Status = Status.COLLECTED,
    detail: str = "",
    limit: str = "",
    missed: tuple[datetime, ...] = (),
    promises: tuple[str, ...] = ("logs",),
) -> ReportView:
    plan = Plan(
        run=7,
        site="acme",
        site_name="Acme K.K.",
        slot=None,
        missed=missed,
        next_slot=NOW,
        as_of=NOW,
        timezone="Asia/Tokyo",
        languages=("en",),
        limit=limit,
        targets=(Target(target="web-01", kind=TargetKind.HOST),),
        safeguards=(),
        probe_sha256="a" * 64,
        engine=Engine(name="tenken", version="0", rules_api=1),
        log_size=6,
    )
    rules = Catalogue(
        promises=tuple(
            CataloguedPromise(
                id=name,
                text=f"text of {name}",
                source=PromiseSource(document="policy"),
                decided_by="the officer",
                decided_on=None,
            )
            for name in promises
        ),
        rules=tuple(
            Rule(promise=name, safeguard="keep", options={"keep": "365d", "none": None}) for name in promises
        ),
        safeguards=(
            CataloguedSafeguard(
                id="keep",
                version=1,
                sha256="b" * 64,
                kind="host",
                severity="high",
                controls=("C:1",),
                title="Logs are kept",
                looks_at="logs\nand `more`",
                matters="it does",
                to_do="set `rotate`\nhigher",
            ),
        ),
    )
    targets = (
        TargetView(
            target="web-01",
            kind=TargetKind.HOST,
            status=status,
            detail=detail,
            privilege="none",
            uid=0,
            reason=None if status is Status.COLLECTED else Reason.ROUTE,
            host_key="",
            clock_offset_s=0,
            sections=1,
        ),
    )
    return build_view(plan, rules, findings, targets, "c" * 64)


def finding(result: Result, words: str = "said", *, promise: str = "logs") -> Finding:
    return Finding(
        promise=promise,
        safeguard="keep",
        target="web-01",
        subject=Subject(kind="log", name=words),
        result=result,
        reason=Reason.DENIED if result is Result.UNKNOWN else None,
        summary=say("{words} happened", words=words),
        expected=say("{words}", words=words),
        actual=say("{words}", words=words),
        advice=(),
        evidence=("web-01#logs",),
    )


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.update({tag, *(f"{tag}@{name}" for name, _ in attrs)})


def tags(page: bytes) -> set[str]:
    parser = Tags()
    parser.feed(page.decode("utf-8"))
    return parser.seen


@pytest.mark.parametrize("text", HOSTILE)
def test_what_hosts_say_adds_no_element_and_no_attribute(text: str):
    harmless = tags(render(view([finding(Result.FAIL, "harmless")], detail="harmless")))
    page = render(view([finding(Result.FAIL, text)], detail=text))
    assert tags(page) == harmless


@pytest.mark.parametrize(
    ("text", "shown"), [("\u202e", "⟨U+202E⟩"), ("\x1b", "⟨U+001B⟩"), ("\0", "⟨U+0000⟩")]
)
def test_what_could_hide_is_spelt_out(text: str, shown: str):
    page = render(view([finding(Result.FAIL, f"a{text}b")])).decode()
    assert f"a{shown}b" in page
    assert text not in page


def test_the_page_asks_for_nothing():
    page = render(view([finding(Result.FAIL)])).decode()
    assert "default-src 'none'" in page
    for word in ("<script", "http://", "https://", "<link", "<img", "url(", "@import"):
        assert word not in page


def test_the_same_view_gives_the_same_bytes():
    assert render(view([finding(Result.FAIL)])) == render(view([finding(Result.FAIL)]))


def test_a_promise_nothing_spoke_about_is_not_kept():
    one = view([finding(Result.PASS)], promises=("logs", "silent"))
    assert [each.outcome.result for each in one.promises] == [Result.PASS, Result.UNKNOWN]
    assert verdict(one).startswith("1 of 2 promises kept, 1 could not be measured")
    assert one.exit_status == 3


@pytest.mark.parametrize(
    ("results", "status", "exit_status"),
    [
        ([Result.PASS], Status.COLLECTED, 0),
        ([Result.PASS, Result.WARN], Status.COLLECTED, 0),
        ([Result.PASS, Result.FAIL], Status.COLLECTED, 1),
        ([Result.PASS, Result.FAIL, Result.UNKNOWN], Status.COLLECTED, 3),
        ([Result.NOT_APPLICABLE], Status.COLLECTED, 3),
        ([Result.PASS], Status.UNREACHABLE, 3),
        ([Result.PASS], Status.PARTIAL, 3),
        ([Result.PASS], Status.EXCLUDED, 3),
        ([], Status.COLLECTED, 3),
    ],
)
def test_the_exit_status_follows_the_design(results: list[Result], status: Status, exit_status: int):
    assert view([finding(each) for each in results], status=status).exit_status == exit_status


def test_a_limited_run_is_incomplete_and_says_so():
    one = view([finding(Result.PASS)], limit="web-*")
    assert one.exit_status == 3
    assert "limited to" in render(one).decode()


def test_missed_slots_are_named():
    page = render(view([finding(Result.PASS)], missed=(NOW,))).decode()
    assert "Missed inspections" in page
    assert "2026-11-23 02:00 JST" in page


def test_a_settings_without_a_value_is_not_shown_and_code_is_marked():
    page = render(view([finding(Result.FAIL)])).decode()
    assert "keep = 365d" in page
    assert "none = " not in page
    assert "set <code>rotate</code> higher" in page


def test_every_reason_has_words_for_people():
    assert set(WORDS) == set(Reason)


def test_an_unreached_host_is_in_the_population_with_its_reason():
    page = render(view([finding(Result.UNKNOWN)], status=Status.UNREACHABLE)).decode()
    assert "0 reached + 0 reached in part + 1 not reached + 0 excluded = 1 host in the inventory" in page
    assert WORDS[Reason.ROUTE] in page
