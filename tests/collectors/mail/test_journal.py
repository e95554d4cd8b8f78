"""A whole journal becomes one section: complete, deterministic, and without a word of anybody's mail."""

import hashlib
import mailbox
import os
import random
import zipfile
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.evidence import Part, Reason, Section, SectionState, Status, TargetEvidence, TargetKind
from collectors.facts import Known, read_fact
from collectors.mail.journal import JournalError, read_journal
from collectors.sources.mail import PROBE, Basis, Defect, Kind, MailFacts, Protection, Role, parse
from config.errors import ParseError, TransportError
from config.model import MailJournal, MailKind
from tests.collectors.mail.makers import PERSONS, aes_zip, mail, pdf, plain_zip, workbook

NOW = datetime(2026, 1, 20, tzinfo=UTC)
KEY = b"an invented key of one run"
LIST = ("text/csv", "list.csv", PERSONS.encode())


def declared(path: Path | str, kind: MailKind = MailKind.MAILDIR) -> MailJournal:
    return MailJournal(name="journal", kind=kind, path=str(path), own_domains=("example.jp",))


def store(folder: Path, *messages: bytes) -> Path:
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number, raw in enumerate(messages):
        (folder / "new" / f"{number:05d}.invented").write_bytes(raw)
    return folder


def read(folder: Path, *messages: bytes) -> MailFacts:
    (section,) = read_journal(declared(store(folder, *messages)), Path("/"), NOW, KEY)
    return parse(section)


def test_the_section_is_what_the_probe_parses(tmp_path: Path) -> None:
    raw = mail(LIST)
    store(tmp_path / "box", raw)
    (section,) = read_journal(declared("box"), tmp_path, NOW, KEY)
    evidence = TargetEvidence(
        run=1, plan="0" * 64, target="journal", kind=TargetKind.MAIL, salt="",
        status=Status.COLLECTED, sections=(section,),
    )  # fmt: skip
    fact = read_fact(PROBE, evidence)
    assert isinstance(fact, Known)
    (message,) = fact.value.messages
    assert message.digest == hashlib.sha256(raw).hexdigest()
    assert (message.external, message.internal, message.examined, message.defects) == (1, 0, True, ())
    assert message.received == datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
    assert [(leaf.path, leaf.role, leaf.kind, leaf.ext) for leaf in message.leaves] == [
        ("1", Role.BODY, Kind.TEXT, ""),
        ("2", Role.ATTACHMENT, Kind.TEXT, "csv"),
    ]


def test_two_reads_of_one_journal_are_the_same_bytes(tmp_path: Path) -> None:
    folder = store(
        tmp_path, mail(LIST), mail(("application/zip", "a.zip", aes_zip(("a", b"x"))), text="two\n")
    )
    first, second = (read_journal(declared(folder), Path("/"), NOW, KEY)[0].parts for _ in range(2))
    assert first == second


def test_a_mbox_gives_the_same_facts_as_a_maildir(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "journal.mbox", create=True)
    box.add(mail(LIST))
    box.close()
    (section,) = read_journal(declared("journal.mbox", MailKind.MBOX), tmp_path, NOW, KEY)
    from_mbox = parse(section).messages[0].leaves[1]
    from_maildir = read(tmp_path / "box", mail(LIST)).messages[0].leaves[1]
    assert from_mbox.personal == from_maildir.personal is not None


@pytest.mark.parametrize(
    ("stamp", "is_older"),
    [
        ("Sat, 20 Dec 2025 00:00:00 +0000", False),  # exactly 31 days before the run
        ("Fri, 19 Dec 2025 23:59:59 +0000", True),
        ("Sat, 20 Dec 2025 08:59:59 +0900", True),
        ("Mon, 05 Jan 2099 00:00:00 +0000", False),
        ("no date at all", False),
    ],
)
def test_only_messages_older_than_the_period_are_left_out(stamp: str, is_older: bool, tmp_path: Path) -> None:  # noqa: FBT001 (a table)
    raw = mail(LIST).replace(b"Mon, 05 Jan 2026 10:00:00 +0900", stamp.encode())
    facts = read(tmp_path, raw)
    assert (facts.total, facts.older, len(facts.messages)) == (1, int(is_older), int(not is_older))


def test_an_old_date_of_the_sender_does_not_hide_a_message(tmp_path: Path) -> None:
    """Date is written by the sender; the topmost Received by our own server."""
    raw = mail(LIST).replace(b"Date: Mon, 05 Jan 2026", b"Date: Mon, 05 Jan 1998")
    (message,) = read(tmp_path, raw).messages
    assert message.date_basis is Basis.RECEIVED


def test_mail_inside_the_company_is_counted_and_not_examined(tmp_path: Path) -> None:
    (message,) = read(tmp_path, mail(LIST, to="a@example.jp, b@example.jp")).messages
    assert (message.external, message.internal, message.examined, message.leaves) == (0, 2, False, ())


@pytest.mark.parametrize("to", ["undisclosed-recipients:;", "somebody"])
def test_a_message_without_readable_recipients_is_examined(to: str, tmp_path: Path) -> None:
    raw = mail(LIST, to="x@example.com").replace(b"To: x@example.com", f"To: {to}".encode())
    (message,) = read(tmp_path, raw).messages
    assert (message.external, message.examined) == (0, True)
    assert len(message.leaves) == 2


def test_what_cannot_be_read_is_counted_with_its_reason(tmp_path: Path) -> None:
    folder = store(tmp_path, mail(LIST))
    (folder / "cur" / "link").symlink_to("/etc/hostname")
    facts = read(folder)
    assert facts.total == 2
    assert [(unread.reason, unread.count) for unread in facts.unread] == [(Reason.UNSUPPORTED, 1)]


@pytest.mark.parametrize("kind", list(MailKind))
def test_a_journal_that_cannot_be_read_is_an_error_with_a_reason(kind: MailKind, tmp_path: Path) -> None:
    with pytest.raises(JournalError) as raised:
        read_journal(declared("absent", kind), tmp_path, NOW, KEY)
    assert isinstance(raised.value, TransportError)
    assert raised.value.reason is Reason.NO_SOURCE
    assert raised.value.hint


CANARIES = ("Kanarienvogel", "canary-name", "canary.taro", "canary-token-4711", "カナリア")


def test_no_word_of_a_mail_leaves_the_reader(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Subject, text, file names, addresses and a password token, in every place that a message has."""
    words = " ".join(CANARIES)
    listed = ("text/csv", "canary-name.canary-token-4711", f"氏名,電話\n{words},03-0000-0001\n".encode())
    zipped = (
        "application/zip",
        "カナリア.zip",
        plain_zip(("canary-name.csv", words.encode()), ("Kanarienvogel.canary-name", b"\0" + words.encode())),
    )
    damaged = ("application/pdf", "canary-name.pdf", pdf()[:100] + words.encode())
    book = ("application/x-canary-name", "カナリア.xlsx", workbook([["氏名", "電話"], list(CANARIES)]))
    message = mail(listed, zipped, damaged, book, to="canary.taro@canary-name.example.com", text=words)
    message = message.replace(b"Subject: invented", f"Subject: {words}".encode())
    broken = (
        b"To: canary.taro@example.com\r\nContent-Type: multipart/mixed; boundary=canary-name\r\n\r\n"
        + words.encode()
    )
    folder = store(tmp_path, message, broken, words.encode())
    (section,) = read_journal(declared(folder), Path("/"), NOW, KEY)
    told = (
        msgspec.json.encode(section).decode()
        + "".join(part.text for part in section.parts)
        + "".join(capfd.readouterr())
    )
    assert len(parse(section).messages) == 3
    for canary in CANARIES:
        assert canary.lower() not in told.lower()
    assert not any(hashlib.sha256(canary.encode()).hexdigest() in told for canary in CANARIES)


def test_mutated_messages_are_all_accounted_for(tmp_path: Path) -> None:
    """Bytes flipped, cut and doubled in messages with every kind of file: in = out, and no exception."""
    draw = random.Random(20_260_120)  # noqa: S311 (the same mutations in every run)
    seeds = [
        mail(
            LIST,
            (
                "application/zip",
                "a.zip",
                plain_zip(("a.csv", PERSONS.encode()), ("b.zip", aes_zip(("b", b"x")))),
            ),
        ),
        mail(("application/pdf", "a.pdf", pdf(user="u", owner="o")), ("application/pdf", "b.pdf", pdf())),
        mail(("application/octet-stream", "a.xlsx", workbook([["氏名", "電話"], ["見本", "03-0000-0001"]]))),
        mail(("application/octet-stream", "a.eml", mail(LIST)), text="begin 644 a\n#0V%T\n`\nend\n"),
    ]
    mutated = [_mutate(draw, draw.choice(seeds)) for _ in range(300)]
    facts = read(tmp_path, *mutated)
    assert facts.total == 300
    assert facts.older + sum(one.count for one in facts.unread) + len(facts.messages) == 300
    assert len(facts.messages) > 250


def _mutate(draw: random.Random, raw: bytes) -> bytes:
    out = bytearray(raw)
    for _ in range(draw.randrange(1, 30)):
        at = draw.randrange(len(out))
        match draw.randrange(4):
            case 0:
                out[at] = draw.randrange(256)
            case 1:
                del out[at : at + draw.randrange(60)]
            case 2:
                out[at:at] = out[at : at + draw.randrange(200)]
            case _:
                out[at:at] = draw.choice([b"\r\n", b"--", b"\0", b"PK\3\4", b"=?", b'"', b";"])
    return bytes(out)


def test_a_leaf_that_needs_too_much_reads_limit_and_the_rest_is_judged(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as member:
        for _ in range(80):
            member.write(bytes(1024 * 1024))
    (message,) = read(tmp_path / "box", mail(("application/zip", "a.zip", bomb.read_bytes()), LIST)).messages
    labels = {leaf.path: leaf.protection for leaf in message.leaves}
    assert labels == {
        "1": Protection.NONE, "2": Protection.NONE, "2/0": Protection.LIMIT, "3": Protection.NONE
    }  # fmt: skip


def test_a_structure_with_defects_says_so(tmp_path: Path) -> None:
    fields = f"To: a@example.com\r\nDate: {format_datetime(NOW)}\r\nContent-Type: multipart/mixed\r\n"
    (message,) = read(tmp_path, f"{fields}\r\n--b\r\n\r\nx".encode()).messages
    assert message.defects == (Defect.NO_BOUNDARY,)


def section_of(raw: bytes) -> Section:
    return Section(name="mail", state=SectionState.ENDED, exit=0, parts=(Part.of("mail", "read", raw),))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_facts_or_a_parse_error(raw: bytes) -> None:
    with pytest.raises(ParseError):
        parse(section_of(raw))


def test_facts_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    """Dropping a message from the evidence must not make a cleaner journal."""
    store(tmp_path, mail(LIST), os.urandom(10))
    (section,) = read_journal(declared(tmp_path), Path("/"), NOW, KEY)
    facts = msgspec.json.decode(section.parts[0].raw)
    facts["messages"].pop()
    with pytest.raises(ParseError, match="accounted"):
        parse(section_of(msgspec.json.encode(facts)))
