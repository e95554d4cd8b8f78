"""Maildir and mbox are read completely and left as they were."""

import mailbox
import os
from pathlib import Path

import pytest

from collectors.evidence import Reason
from collectors.mail.entries import MAX_MESSAGE_BYTES, JournalError
from collectors.mail.maildir import read_maildir
from collectors.mail.mbox import MAX_LINE_BYTES, read_mbox
from tests.collectors.mail.makers import mail


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    """Three messages as the standard library stores them: new, seen, and in a subfolder."""
    box = mailbox.Maildir(tmp_path / "journal", create=True)
    box.add(mail(text="one\n"))
    seen = mailbox.MaildirMessage(mail(text="two\n"))
    seen.set_subdir("cur")
    seen.add_flag("S")
    box.add(seen)
    box.add_folder("2025").add(mail(text="three\n"))
    return tmp_path / "journal"


def snapshot(folder: Path) -> list[tuple[str, int, int, int]]:
    return sorted(
        (
            str(path.relative_to(folder)),
            about.st_ino,
            about.st_mtime_ns,
            about.st_atime_ns if path.is_file() else 0,
        )
        for path in folder.rglob("*")
        for about in [path.lstat()]
    )


def test_every_message_is_read_and_nothing_is_touched(maildir: Path) -> None:
    """Not even the access time: a later reader sees the journal as the mail server left it."""
    for path in maildir.rglob("*"):
        if path.is_file():
            os.utime(path, (1, 2))
    before = snapshot(maildir)
    entries = list(read_maildir(maildir))
    assert sorted(entry.raw.rstrip()[-5:].strip() for entry in entries) == [b"one", b"three", b"two"]
    assert snapshot(maildir) == before


def test_what_is_no_regular_file_is_told_and_never_opened(maildir: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"outside the journal")
    (maildir / "cur" / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(maildir / "new" / "pipe")
    (maildir / "cur" / "folder").mkdir()
    (maildir / ".linked").symlink_to(tmp_path)
    entries = list(read_maildir(maildir))
    assert sum(entry.reason is None for entry in entries) == 3
    assert sorted(str(entry.reason) for entry in entries if entry.reason) == ["unsupported"] * 4
    assert not any(b"outside" in entry.raw for entry in entries)


def test_a_message_beyond_the_limit_is_told_as_such(maildir: Path) -> None:
    with (maildir / "new" / "large").open("wb") as file:
        file.truncate(MAX_MESSAGE_BYTES + 1)
    assert [entry.reason for entry in read_maildir(maildir) if entry.reason] == [Reason.LIMIT]


def test_a_message_that_a_reader_marks_meanwhile_is_read_once(maildir: Path) -> None:
    entries = read_maildir(maildir)
    (new,) = (maildir / "new").iterdir()
    first = next(entries)
    new.rename(maildir / "cur" / f"{new.name}:2,S")
    rest = list(entries)
    assert first.raw.rstrip().endswith(b"one")
    assert (
        sum(entry.raw.rstrip().endswith(b"one") for entry in rest) == 1
    )  # met again: more is safer than less


def test_a_folder_that_is_no_maildir_is_no_empty_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalError) as raised:
        list(read_maildir(tmp_path))
    assert raised.value.reason is Reason.NO_SOURCE
    with pytest.raises(JournalError) as raised:
        list(read_maildir(tmp_path / "absent"))
    assert raised.value.reason is Reason.NO_SOURCE


def test_an_mbox_is_split_as_the_standard_library_splits_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.mbox"
    box = mailbox.mbox(path, create=True)
    texts = [
        "one\n",
        "From here on nobody\n\nFrom what I know: 10:20 is not 2026\n",
        "x" * (MAX_LINE_BYTES + 9) + "\n",
    ]
    for text in texts:
        box.add(mail(text=text))
    box.close()
    before = path.read_bytes()
    entries = list(read_mbox(path))
    assert [entry.raw.replace(b"\r\n", b"\n").rstrip() for entry in entries] == [
        mail(text=text).replace(b"\r\n", b"\n").rstrip() for text in texts
    ]
    assert path.read_bytes() == before


def test_an_unquoted_from_in_a_text_does_not_split_a_message(tmp_path: Path) -> None:
    """Else the files behind it would belong to a message without recipients."""
    path = tmp_path / "journal.mbox"
    path.write_bytes(
        b"From a@example.jp Mon Jan  5 10:00:00 2026\nTo: b@example.com\n\ntext\n\nFrom here on\nmore\n"
    )
    (entry,) = read_mbox(path)
    assert entry.raw.endswith(b"\n\nFrom here on\nmore\n")


def test_a_message_beyond_the_limit_in_an_mbox_does_not_hide_the_next(tmp_path: Path) -> None:
    path = tmp_path / "journal.mbox"
    mark = b"From a@example.jp Mon Jan  5 10:00:00 2026\n"
    with path.open("wb") as file:
        file.write(mark + b"To: b@example.com\n\n")
        for _ in range(101):
            file.write(b"x" * 1024 * 1024)
        file.write(b"\n\n" + mark + b"To: c@example.com\n\nsmall\n")
    first, second = read_mbox(path)
    assert first.reason is Reason.LIMIT
    assert second.raw.endswith(b"small\n")


@pytest.mark.parametrize("content", [b"To: b@example.com\n\ntext\n", b"From nobody\n\n", b"\0" * 100])
def test_what_does_not_begin_like_an_mbox_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "journal.mbox"
    path.write_bytes(content)
    with pytest.raises(JournalError) as raised:
        list(read_mbox(path))
    assert raised.value.reason is Reason.UNPARSABLE


def test_a_folder_is_no_mbox_and_an_empty_file_is_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(JournalError):
        list(read_mbox(tmp_path))
    (tmp_path / "empty").touch()
    assert list(read_mbox(tmp_path / "empty")) == []


def test_a_message_that_is_marked_between_listing_and_reading_is_found_under_its_new_name(
    maildir: Path,
) -> None:
    for number in range(2):
        (maildir / "cur" / f"9{number}.x:2,").write_bytes(mail(text=f"marked {number}\n"))
    entries = read_maildir(maildir)
    read = [next(entries) for _ in range(3)]
    assert read[2].raw.rstrip().endswith(b"marked 0")
    (maildir / "cur" / "91.x:2,").rename(maildir / "cur" / "91.x:2,S")
    read.extend(entries)
    assert [entry.reason for entry in read] == [None] * 5
    assert sum(entry.raw.rstrip().endswith(b"marked 1") for entry in read) == 1


def test_a_message_that_vanishes_between_listing_and_reading_is_told(maildir: Path) -> None:
    for number in range(2):
        (maildir / "cur" / f"9{number}.x:2,").write_bytes(mail(text=f"marked {number}\n"))
    entries = read_maildir(maildir)
    read = [next(entries) for _ in range(3)]
    (maildir / "cur" / "91.x:2,").unlink()
    read.extend(entries)
    assert [entry.reason for entry in read].count(Reason.NO_SOURCE) == 1
