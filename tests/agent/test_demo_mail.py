"""The demo journal is real mail, and its findings are the ones it was made for."""

from datetime import UTC, datetime
from pathlib import Path

from agent.demo_mail import write_example_maildir
from checks.mail_attachment_encryption import Limits, mail_attachment_encryption
from checks.model import Result
from collectors.mail.journal import read_journal
from collectors.sources.mail import Kind, Protection, parse
from config.model import MailJournal, MailKind

NOW = datetime(2026, 1, 20, 3, 0, tzinfo=UTC)


def test_the_example_journal_has_one_unprotected_list(tmp_path: Path) -> None:
    write_example_maildir(tmp_path / "mail", NOW)
    journal = MailJournal(name="mail", kind=MailKind.MAILDIR, path="mail", own_domains=("example.jp",))
    (section,) = read_journal(journal, tmp_path, NOW, b"key")
    facts = parse(section)
    assert (facts.total, len(facts.messages)) == (5, 5)
    strong = {
        (leaf.kind, leaf.algorithm)
        for message in facts.messages
        for leaf in message.leaves
        if leaf.protection is Protection.STRONG
    }
    assert strong == {(Kind.PDF, "aes-256"), (Kind.SMIME, "aes-256")}
    outcomes = list(mail_attachment_encryption(facts, Limits()))
    assert sorted(outcome.result.value for outcome in outcomes) == ["fail", "pass", "pass"]
    (failed,) = (outcome for outcome in outcomes if outcome.result is Result.FAIL)
    assert failed.summary.args["persons"] == 12


def test_a_folder_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "own").write_text("mine")
    write_example_maildir(tmp_path / "mail", NOW)
    assert [path.name for path in (tmp_path / "mail").rglob("*")] == ["own"]
