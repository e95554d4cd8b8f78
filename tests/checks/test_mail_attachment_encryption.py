"""What a journal's facts are worth: a table of leaves and results."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from checks.catalogue import catalogue
from checks.mail_attachment_encryption import BROKEN, PPAP, Limits, mail_attachment_encryption
from checks.model import Outcome, Result
from collectors.evidence import Reason
from collectors.sources.mail import (
    Basis,
    Defect,
    Inspected,
    Kind,
    Leaf,
    MailFacts,
    Message,
    Personal,
    Protection,
    Role,
    Unread,
    Why,
)

NOW = datetime(2026, 1, 20, tzinfo=UTC)


def leaf(
    protection: Protection = Protection.NONE,
    kind: Kind = Kind.TEXT,
    *,
    persons: int | None = None,
    contacts: int = 0,
    special: int = 0,
    **more: Any,
) -> Leaf:
    known = None if persons is None else Personal(persons=persons, contacts=contacts, special=special)
    values: dict[str, Any] = {
        "path": "2", "digest": "d" * 64, "bytes": 10, "declared": "other", "ext": "", "role": Role.ATTACHMENT,
        "inspected": Inspected.NOT if known is None else Inspected.FULL,
    }  # fmt: skip
    return Leaf(kind=kind, protection=protection, personal=known, **values | more)


BODY = leaf(role=Role.BODY, path="1")


def message(*leaves: Leaf, number: int = 1, **more: Any) -> Message:
    values: dict[str, Any] = {"external": 1, "internal": 0, "examined": True}
    return Message(
        digest=f"{number:064x}", bytes=100, received=NOW, date_basis=Basis.RECEIVED, sender_key="s",
        leaves=(BODY, *leaves), **values | more,
    )  # fmt: skip


def facts(*messages: Message, unread: tuple[Unread, ...] = (), older: int = 0) -> MailFacts:
    total = len(messages) + older + sum(one.count for one in unread)
    return MailFacts(as_of=NOW, since=NOW, total=total, older=older, unread=unread, messages=messages)


def judge(*messages: Message, limits: Limits | None = None, **more: Any) -> list[Outcome]:
    return list(mail_attachment_encryption(facts(*messages, **more), limits or Limits()))


@dataclass(frozen=True)
class Row:
    """Files of one message and what they come to."""

    name: str
    leaves: tuple[Leaf, ...]
    result: Result
    reason: Reason | None = None


P, K = Protection, Kind
ROWS = (
    Row("strong", (leaf(P.STRONG, K.ZIP, algorithm="aes-256"),), Result.PASS),
    Row("weak", (leaf(P.WEAK, K.ZIP, algorithm="zipcrypto"),), Result.WARN),
    Row("ten persons", (leaf(persons=10),), Result.FAIL),
    Row("nine persons", (leaf(persons=9),), Result.WARN),
    Row("two persons", (leaf(persons=2),), Result.WARN),
    Row("one person", (leaf(persons=1, contacts=1),), Result.PASS),
    Row("nobody", (leaf(persons=0),), Result.PASS),
    Row("ten contacts without another identifier", (leaf(persons=0, contacts=10),), Result.WARN),
    Row("nine contacts without another identifier", (leaf(persons=0, contacts=9),), Result.PASS),
    Row("one My Number", (leaf(persons=0, special=1),), Result.FAIL),
    Row(
        "partly read, nobody found",
        (leaf(persons=0, inspected=Inspected.PART),),
        Result.UNKNOWN,
        Reason.UNDETERMINED,
    ),
    Row(
        "partly read, nine found",
        (leaf(persons=9, inspected=Inspected.PART),),
        Result.UNKNOWN,
        Reason.UNDETERMINED,
    ),
    Row("partly read, ten found", (leaf(persons=10, inspected=Inspected.PART),), Result.FAIL),
    Row("picture", (leaf(P.NONE, K.IMAGE),), Result.UNKNOWN, Reason.UNDETERMINED),
    Row("clear PDF", (leaf(P.NONE, K.PDF),), Result.UNKNOWN, Reason.UNDETERMINED),
    Row("PDF with an empty password", (leaf(P.TRIVIAL, K.PDF),), Result.UNKNOWN, Reason.UNDETERMINED),
    Row(
        "default password, ten persons inside",
        (leaf(P.TRIVIAL, K.OOXML_ENCRYPTED), leaf(P.NONE, K.OOXML, persons=10, path="2/0")),
        Result.FAIL,
    ),
    Row(
        "default password, nobody inside", (leaf(P.TRIVIAL, K.OOXML_ENCRYPTED), leaf(persons=0)), Result.PASS
    ),
    Row(
        "unknown kind",
        (leaf(P.UNKNOWN, K.SEVEN_ZIP, why=Why.NO_READER),),
        Result.UNKNOWN,
        Reason.UNDETERMINED,
    ),
    Row("damaged", (leaf(P.CORRUPT, K.PDF),), Result.UNKNOWN, Reason.CORRUPT),
    Row("over a limit", (leaf(P.LIMIT, K.BINARY),), Result.UNKNOWN, Reason.LIMIT),
    Row("partial, clear member of ten", (leaf(P.PARTIAL, K.ZIP), leaf(persons=10, path="2/0")), Result.FAIL),
    Row(
        "partial, clear member of nobody", (leaf(P.PARTIAL, K.ZIP), leaf(persons=0, path="2/0")), Result.PASS
    ),
    Row(
        "clear archive around a strong one",
        (leaf(P.NONE, K.ZIP), leaf(P.STRONG, K.ZIP, path="2/0")),
        Result.PASS,
    ),
    Row(
        "a failing file beside an unknown one",
        (leaf(P.UNKNOWN, K.RAR), leaf(persons=99, path="3")),
        Result.FAIL,
    ),
    Row(
        "an unknown file beside a weak one",
        (leaf(P.WEAK, K.ZIP), leaf(P.UNKNOWN, K.RAR)),
        Result.UNKNOWN,
        Reason.UNDETERMINED,
    ),
    Row("empty file", (leaf(P.NONE, K.EMPTY),), Result.PASS),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_worst_file_of_a_message_decides(row: Row) -> None:
    (outcome,) = judge(message(*row.leaves))
    assert (outcome.result, outcome.reason) == (row.result, row.reason)
    assert (outcome.subject.kind, outcome.subject.name) == ("message", "000000000000")


@pytest.mark.parametrize(
    ("limits", "persons", "expected"),
    [
        (Limits(persons=3), 3, Result.FAIL),
        (Limits(persons=3), 2, Result.WARN),
        (Limits(persons=50, review_persons=20), 19, Result.PASS),
        (Limits(persons=50, review_persons=20), 20, Result.WARN),
    ],
)
def test_the_numbers_are_the_promises(limits: Limits, persons: int, expected: Result) -> None:
    (outcome,) = judge(message(leaf(persons=persons)), limits=limits)
    assert outcome.result is expected


def test_each_message_has_its_own_finding_and_a_copy_none() -> None:
    outcomes = judge(
        message(leaf(persons=10), number=1 << 250),
        message(leaf(persons=0), number=2 << 250),
        message(leaf(persons=10), number=1 << 250),
        message(number=3 << 250),
    )
    assert [outcome.result for outcome in outcomes] == [Result.FAIL, Result.PASS]
    assert len({outcome.subject.name for outcome in outcomes}) == 2


def test_no_file_to_the_outside_is_kept_when_messages_were_seen() -> None:
    inside = message(number=2, external=0, internal=3, examined=False)
    (outcome,) = judge(message(), inside)
    assert (outcome.result, outcome.subject.kind) == (Result.PASS, "target")
    assert outcome.summary.args == {"messages": 2}
    assert outcome.actual.args["inside"] == 1


def test_an_empty_period_is_no_clean_one() -> None:
    (outcome,) = judge(older=5)
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.NO_OBSERVATION)


def test_entries_that_could_not_be_read_are_told_beside_the_rest() -> None:
    unread = (Unread(reason=Reason.DENIED, count=3), Unread(reason=Reason.LIMIT, count=1))
    told, passed = judge(message(leaf(persons=0)), unread=unread)
    assert (told.result, told.reason, passed.result) == (Result.UNKNOWN, Reason.DENIED, Result.PASS)


@pytest.mark.parametrize(
    ("files", "expected", "reason"),
    [
        ((leaf(persons=50),), Result.UNKNOWN, Reason.UNDETERMINED),
        ((leaf(P.WEAK, K.ZIP),), Result.UNKNOWN, Reason.UNDETERMINED),
        ((leaf(P.STRONG, K.PDF),), Result.PASS, None),
        ((leaf(P.LIMIT, K.PDF),), Result.UNKNOWN, Reason.LIMIT),
    ],
)
def test_without_a_readable_recipient_nobody_knows_whether_it_left(
    files: tuple[Leaf, ...], expected: Result, reason: Reason | None
) -> None:
    (outcome,) = judge(message(*files, external=0))
    assert (outcome.result, outcome.reason) == (expected, reason)


@pytest.mark.parametrize(
    ("defect", "expected", "reason"),
    [
        (Defect.NO_BOUNDARY, Result.UNKNOWN, Reason.CORRUPT),
        (Defect.PARTS_LIMIT, Result.UNKNOWN, Reason.LIMIT),
        (Defect.CLOSE_DELIMITER_MISSING, Result.PASS, None),
    ],
)
def test_a_structure_that_may_hide_files_is_unknown(
    defect: Defect, expected: Result, reason: Reason | None
) -> None:
    (outcome,) = judge(message(leaf(P.STRONG, K.PDF), defects=(defect,)))
    assert (outcome.result, outcome.reason) == (expected, reason)


def test_a_signature_is_no_file() -> None:
    (outcome,) = judge(message(leaf(P.NONE, K.SIGNATURE)))
    assert outcome.subject.kind == "target"


@pytest.mark.parametrize(
    ("file", "advice"),
    [
        (leaf(P.STRONG, K.ZIP), (PPAP,)),
        (leaf(P.STRONG, K.PDF), (PPAP,)),
        (leaf(P.WEAK, K.ZIP), (PPAP, BROKEN)),
        (leaf(P.STRONG, K.SMIME), ()),
        (leaf(P.WEAK, K.SMIME), (BROKEN,)),
        (leaf(persons=0), ()),
    ],
)
def test_a_password_on_a_file_is_kept_but_obsolete(file: Leaf, advice: tuple[object, ...]) -> None:
    (outcome,) = judge(message(file))
    assert outcome.advice == advice


def test_the_check_is_in_the_catalogue_with_its_page() -> None:
    entry = catalogue()["mail-attachment-encryption"]
    assert entry.options is Limits
    assert [probe.name for probe in entry.probes] == ["mail"]
