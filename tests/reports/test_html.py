"""The report page is readable by everybody: contrast, words beside colours, on a phone and on paper."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from msgspec.structs import replace

from checks.model import Result
from checks.text import say
from collectors.evidence import Reason, Status
from reports.html import COUNTED, STATUS_WORDS, WORDS, render, verdict
from reports.reasons import HINTS
from tests.reports.test_html_report import NOW, finding, view

PAGE = render(
    view(
        [finding(result, f"x{number}") for number, result in enumerate(Result)],
        missed=tuple(NOW - timedelta(days=day) for day in range(25)),
    )
).decode()
STYLE = PAGE.partition("<style>")[2].partition("</style>")[0]


class Elements(HTMLParser):
    """Every element with its attributes and the text right in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[int] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))
        if tag not in {"meta", "br"}:
            self._open.append(len(self.found) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.found[self._open.pop()][0] == tag, "elements are closed in order"

    def handle_data(self, data: str) -> None:
        if self._open:
            self.found[self._open[-1]][2].append(data)


ELEMENTS = Elements(PAGE).found


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", block))


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    linear = []
    for place in (0, 2, 4):
        share = int(digits[place : place + 2], 16) / 255
        linear.append(share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", range(3), ids=["light", "dark", "print"])
def test_every_ink_has_the_contrast_of_wcag_aa_on_every_paper(theme: int):
    inks = colours(re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[theme])
    assert set(inks) == {"ink", "soft", "paper", "panel", "line", "fail", "unknown", "warn", "pass", "na"}
    for name in set(inks) - {"paper", "panel", "line"}:
        for paper in ("paper", "panel"):
            assert contrast(inks[name], inks[paper]) >= 4.5, f"{name} on {paper}"


def test_colour_never_carries_meaning_alone():
    marks = [text for _, attrs, text in ELEMENTS if "mark" in (attrs.get("class") or "").split()]
    assert len(marks) >= 10
    assert all("".join(text).strip() for text in marks)
    for names in (WORDS, COUNTED):
        assert set(names) == {result.value for result in Result}
        assert len(set(names.values())) == len(names)
    assert set(STATUS_WORDS) == {status.value for status in Status}


def test_a_folded_table_names_its_cells():
    """On a phone the head of the table is gone: each cell says its own."""
    cells = [attrs for tag, attrs, _ in ELEMENTS if tag == "td"]
    assert len(cells) > 10
    assert all(attrs.get("data-label") for attrs in cells)
    heads = [attrs for tag, attrs, _ in ELEMENTS if tag == "th"]
    assert all(attrs == {"scope": "col"} for attrs in heads)


def test_every_link_leads_to_a_place_on_the_page():
    ids = [attrs["id"] for _, attrs, _ in ELEMENTS if "id" in attrs]
    targets = {attrs["href"] for tag, attrs, _ in ELEMENTS if tag == "a"}
    assert len(ids) == len(set(ids))
    assert targets
    assert targets <= {f"#{name}" for name in ids}
    labels = {attrs["aria-labelledby"] for _, attrs, _ in ELEMENTS if "aria-labelledby" in attrs}
    assert labels <= set(ids)


def test_headings_skip_no_level():
    levels = [int(tag[1]) for tag, _, _ in ELEMENTS if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_page_says_its_language_and_width():
    assert ELEMENTS[0][:2] == ("html", {"lang": "en"})
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in PAGE


def test_the_policy_allows_styles_and_nothing_else():
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', PAGE)
    assert policy.split("; ") == [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    # It stands before anything it could forbid.
    assert PAGE.index("Content-Security-Policy") < PAGE.index("<style>")
    assert not [
        name for _, attrs, _ in ELEMENTS for name in attrs if name.startswith("on") or name == "style"
    ]


def test_what_is_folded_is_printed():
    printed = STYLE.partition("@media print {")[2]
    assert "details::details-content { content-visibility: visible; display: block; }" in printed


def test_many_missed_slots_are_counted_and_the_first_are_named():
    assert "25 promised times passed without an inspection" in PAGE
    assert "… and 5 more" in PAGE
    assert PAGE.count("<li>") == 20


def test_the_officer_reads_sentence_number_and_who_decided_on_the_first_page():
    card = PAGE.partition('<article class="card">')[2].partition("</article>")[0]
    for words in ("Not kept", "text of logs", "policy", "Numbers decided by the officer", "keep = 365d"):
        assert words in card


def test_numbers_nobody_decided_are_said_to_be_unconfirmed():
    one = view([finding(Result.PASS)])
    promise = one.promises[0]
    bare = replace(one, promises=(replace(promise, promise=replace(promise.promise, decided_by="")),))
    assert "Nobody has confirmed the numbers yet." in render(bare).decode()
    assert "Nobody has confirmed" not in render(one).decode()


@pytest.mark.parametrize(
    ("results", "status", "sentence", "looks"),
    [
        ([Result.PASS], Status.COLLECTED, "1 of 1 promise kept.", "pass"),
        ([Result.WARN], Status.COLLECTED, "1 of 1 promise kept.", "pass"),
        ([Result.FAIL], Status.COLLECTED, "0 of 1 promise kept, 1 not kept.", "fail"),
        ([], Status.COLLECTED, "0 of 1 promise kept, 1 could not be measured.", "unknown"),
        (
            [Result.FAIL, Result.UNKNOWN],
            Status.COLLECTED,
            "0 of 1 promise kept, 1 not kept. Some subjects could not be measured.",
            "fail",
        ),
        (
            [Result.PASS],
            Status.UNREACHABLE,
            "1 of 1 promise kept. 1 of 1 host could not be fully inspected.",
            "unknown",
        ),
    ],
)
def test_the_verdict_is_one_sentence_and_never_green_when_something_is_open(
    results: list[Result], status: Status, sentence: str, looks: str
):
    one = view([finding(result) for result in results], status=status)
    assert verdict(one) == sentence
    assert f'<p class="verdict {looks}">' in render(one).decode()


def test_a_limited_run_does_not_sound_like_a_whole_one():
    one = view([finding(Result.PASS)], limit="web-*")
    assert verdict(one).endswith("Only a part of the inventory was inspected.")
    assert '<p class="verdict unknown">' in render(one).decode()
    both = view([finding(Result.FAIL), finding(Result.UNKNOWN)], limit="web-*")
    assert "Some subjects could not be measured. Only a part" in verdict(both)


def test_a_clock_that_differs_is_said_in_words():
    one = view([finding(Result.PASS)])
    for offset, words in ((-37, "37 s behind"), (37, "37 s ahead"), (0, "agrees")):
        shifted = replace(one, targets=(replace(one.targets[0], clock_offset_s=offset),))
        assert words in render(shifted).decode()


def test_a_reason_is_a_sentence_with_its_detail_below():
    one = view([finding(Result.PASS)], status=Status.UNREACHABLE, detail="first\nsecond")
    page = render(one).decode()
    assert "there was no way through the network to the host" in page
    assert Reason.ROUTE.value + "<" not in page
    assert '<br><span class="soft">first</span><br><span class="soft">second</span>' in page


def test_every_reason_says_what_to_do():
    assert set(HINTS) == set(Reason)
    assert all(hint[0].isupper() and hint.endswith(".") for hint in HINTS.values())


def test_what_could_not_be_measured_comes_with_what_to_do_once_a_reason():
    page = render(view([finding(Result.UNKNOWN, name) for name in ("a", "b", "c")])).decode()
    assert page.count(HINTS[Reason.DENIED]) == 1
    assert HINTS[Reason.NOPRIV] not in page
    away = render(view([finding(Result.PASS)], status=Status.UNREACHABLE)).decode()
    assert away.count(HINTS[Reason.ROUTE]) == 1


def test_an_unknown_says_its_reason_once():
    bare = replace(finding(Result.UNKNOWN), actual=say("not known: {detail}", detail="denied"))
    page = render(view([bare])).decode()
    assert '<td data-label="Found">Not known<br>' in page
    detailed = replace(bare, actual=say("not known: {detail}", detail="nsswitch.conf"))
    assert "Not known: nsswitch.conf" in render(view([detailed])).decode()
