"""The bundle's documents have one spelling and take nothing they do not know."""

from datetime import UTC, datetime

import msgspec
import pytest

from checks.model import History, Result, Sighting
from collectors.evidence import Status, TargetEvidence, TargetKind
from reports.documents import Catalogue, Exceptions, Plan, decode, decode_verdicts, encode, encode_verdicts
from tests.reports.test_view import FINDINGS, PLAN, RULES, evidence

NOW = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
HISTORY = History(
    target="web-01",
    run=3,
    as_of=NOW,
    seen={"s:b": Sighting(first=NOW, last=NOW), "s:a": Sighting(first=NOW, last=NOW, unseen=NOW)},
    looked={"s": NOW},
)
DOCUMENTS = (PLAN, RULES, Exceptions(), evidence(), HISTORY)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: type(each).__name__)
def test_a_document_survives_being_written_and_read(
    document: Plan | Catalogue | Exceptions | TargetEvidence | History,
):
    raw = encode(document)
    assert decode(raw, type(document)) == document
    assert encode(decode(raw, type(document))) == raw


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: type(each).__name__)
def test_an_unknown_field_is_refused(document: Plan | Catalogue | Exceptions | TargetEvidence | History):
    raw = encode(document)
    with pytest.raises(msgspec.ValidationError):
        decode(b'{"added":1,' + raw[1:], type(document))


def test_keys_are_sorted_whatever_their_order():
    swapped = msgspec.structs.replace(HISTORY, seen=dict(reversed(HISTORY.seen.items())))
    assert encode(swapped) == encode(HISTORY)
    assert encode(HISTORY).index(b'"s:a"') < encode(HISTORY).index(b'"s:b"')


def test_a_utc_time_is_written_with_z():
    assert encode(HISTORY).count(b'"2026-11-22T17:00:00Z"') == 7


def test_verdicts_are_one_a_line_in_their_order():
    raw = encode_verdicts(FINDINGS)
    assert raw.count(b"\n") == len(FINDINGS)
    assert raw.endswith(b"\n")
    assert decode_verdicts(raw) == FINDINGS
    assert [each.result for each in decode_verdicts(raw)][:2] == [Result.PASS, Result.WARN]
    assert (encode_verdicts(()), decode_verdicts(b"")) == (b"", ())


@pytest.mark.parametrize(
    ("before", "after"),
    [(b'"result":"pass"', b'"result":"fine"'), (b'"reason":"denied"', b'"reason":"odd"'), (b"{", b"[")],
)
def test_a_word_outside_of_the_closed_lists_is_refused(before: bytes, after: bytes):
    raw = encode_verdicts(FINDINGS)
    assert before in raw
    with pytest.raises(msgspec.DecodeError):
        decode_verdicts(raw.replace(before, after, 1))


def test_an_unreachable_host_is_a_document_too():
    one = TargetEvidence(run=1, plan="", target="h", kind=TargetKind.HOST, salt="", status=Status.UNREACHABLE)
    assert decode(encode(one), TargetEvidence) == one
