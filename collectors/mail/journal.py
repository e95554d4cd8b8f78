"""Read a journal of sent mail into facts: what left the company, and how its files were protected."""

import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from collectors.evidence import Part, Reason, Section, SectionState
from collectors.mail.entries import MAX_MESSAGES, Entry, JournalError
from collectors.mail.headers import Headers, date_of, split_headers
from collectors.mail.leaves import Order
from collectors.mail.maildir import read_maildir
from collectors.mail.mbox import read_mbox
from collectors.mail.message import scan
from collectors.mail.recipients import domain_of, read_recipients
from collectors.mail.warden import Warden
from collectors.sources.mail import CAP_BYTES, PART, PROBE, Basis, Defect, Leaf, MailFacts, Message, Unread
from config.model import MailJournal, MailKind

__all__ = ["JournalError", "read_journal"]

MESSAGE_S = 30.0
"""wall time for the files of one message"""
MAX_MESSAGE_LEAVES = 5_000
"""leaves that are listed of one message"""


def read_journal(journal: MailJournal, root: Path, as_of: datetime, key: bytes) -> tuple[Section, ...]:
    """Read one declared journal; the only section holds the facts as canonical JSON.

    `root` is the folder that a relative path is meant from, `as_of` the run's clock value (aware),
    `key` the run's secret with which addresses are keyed. Nothing in the journal is changed.
    One bad message never raises; JournalError says that the journal as a whole cannot be read.
    """
    started = time.monotonic()
    facts = _facts(journal, root, as_of.astimezone(UTC), key)
    raw = msgspec.json.encode(facts, order="deterministic")
    too_long = len(raw) > CAP_BYTES
    parts = () if too_long else (Part.of(PART, "read", raw),)
    ms = int((time.monotonic() - started) * 1_000)
    section = Section(
        name=PROBE.name, state=SectionState.ENDED, exit=0, ms=ms, truncated=too_long, parts=parts
    )
    return (section,)


def _facts(journal: MailJournal, root: Path, as_of: datetime, key: bytes) -> MailFacts:
    since = as_of - journal.since.timedelta
    own = frozenset(domain_of(domain) for domain in journal.own_domains)
    total = older = 0
    unread: Counter[Reason] = Counter()
    messages: list[Message] = []
    with Warden() as warden, contextlib.closing(_entries(journal, root / journal.path)) as entries:
        reader = _Reader(warden, own, since, key)
        for entry in entries:
            total += 1
            if total > MAX_MESSAGES:
                unread[Reason.LIMIT] += 1
                break
            if entry.reason is not None:
                unread[entry.reason] += 1
                continue
            message = reader.message(entry.raw)
            if message is None:
                older += 1
            elif isinstance(message, Reason):
                unread[message] += 1
            else:
                messages.append(message)
    return MailFacts(
        as_of=as_of,
        since=since,
        total=total,
        older=older,
        unread=tuple(Unread(reason=reason, count=count) for reason, count in sorted(unread.items())),
        messages=tuple(sorted(messages, key=lambda message: message.digest)),
    )


def _entries(journal: MailJournal, path: Path) -> Generator[Entry]:
    match journal.kind:
        case MailKind.MAILDIR:
            yield from read_maildir(path)
        case MailKind.MBOX:
            yield from read_mbox(path)


class _Reader:
    def __init__(self, warden: Warden, own: frozenset[str], since: datetime, key: bytes) -> None:
        self._warden = warden
        self._own = own
        self._since = since
        self._key = key

    def message(self, raw: bytes) -> Message | Reason | None:
        """Read one message; None when it is older than the period, a reason when it beats our reader."""
        try:
            headers, _, _ = split_headers(raw)
            received, basis = _received(headers)
            if received is not None and received < self._since:
                return None
            return self._current(raw, headers, received, basis)
        except JournalError:
            raise
        except Exception:  # noqa: BLE001 (one message's oddity must not hide the others)
            return Reason.UNPARSABLE

    def _current(self, raw: bytes, headers: Headers, received: datetime | None, basis: Basis) -> Message:
        recipients = read_recipients(headers, self._own, self._key)
        # Without a single visible recipient nobody can say that it stayed inside.
        is_inside = recipients.internal > 0 and not recipients.external and not recipients.unreadable
        defects: tuple[Defect, ...] = ()
        leaves: tuple[Leaf, ...] = ()
        if not is_inside:
            leaves, defects = self._examined(raw)
        return Message(
            digest=hashlib.sha256(raw).hexdigest(),
            bytes=len(raw),
            received=received,
            date_basis=basis,
            sender_key=recipients.sender_key,
            recipient_keys=recipients.keys,
            external=recipients.external,
            internal=recipients.internal,
            unreadable=recipients.unreadable,
            defects=defects,
            examined=not is_inside,
            leaves=leaves,
        )

    def _examined(self, raw: bytes) -> tuple[tuple[Leaf, ...], tuple[Defect, ...]]:
        found = scan(raw)
        defects = set(found.defects)
        leaves: list[Leaf] = []
        deadline = time.monotonic() + MESSAGE_S
        for leaf in found.leaves:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or len(leaves) > MAX_MESSAGE_LEAVES:
                defects.add(Defect.TIME_LIMIT if left_s <= 0 else Defect.PARTS_LIMIT)
                break
            order = Order(
                path=leaf.path,
                declared=leaf.declared,
                ext=leaf.ext,
                role=leaf.role,
                damaged=leaf.damaged,
                own_domains=tuple(sorted(self._own)),
                key=self._key,
            )
            leaves.extend(self._warden.judge(order, leaf.content, within_s=left_s))
        return tuple(leaves), tuple(sorted(defects))


def _received(headers: Headers) -> tuple[datetime | None, Basis]:
    """Return when the journal got it: the topmost Received is our own server's, Date the sender's."""
    stamps = headers.all("received")
    if stamps:
        # Without a readable date the message is judged, however old its sender says it is.
        found = date_of(stamps[0].rpartition(";")[2])
        return found, Basis.RECEIVED if found else Basis.NONE
    found = date_of(headers.first("date"))
    return found, Basis.DATE if found else Basis.NONE
