"""Whether the files of a journal follow each other without a hole, by what `journalctl --header` says.

journald numbers all entries of a machine in one row, over its own and users' files (systemd.directives,
`__SEQNUM`); a row ends where it could not go on with its file, as after a crash.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from msgspec import Struct

from collectors.evidence import Part
from collectors.probes.log_stamps import read_stamp
from collectors.probes.rows import broken

_PAUSE = timedelta(hours=1)
"""entries of users' files can stand between two of journald's own for so long"""
_OUTAGE = timedelta(days=2)
"""a host that crashed is up again by then; longer, and a file may have gone"""
_NUMBER = re.compile(r"[0-9]{1,20}")


class JournalFile(Struct, frozen=True, kw_only=True):
    """One file of the system's journal: its entries' numbers and times."""

    row: str
    first: int
    last: int
    since: datetime
    until: datetime

    def continues(self, earlier: "JournalFile") -> bool:
        """Whether no file of more than moments can have stood between the two."""
        pause = self.since - earlier.until
        if self.row != earlier.row:
            return pause <= _OUTAGE
        return self.first == earlier.last + 1 or pause <= _PAUSE


def journal_file(part: Part, number: int, words: Sequence[str]) -> JournalFile | None:
    """Read row, numbers and times; None where the clock of that time is no clock."""
    if len(words) != 5 or not all(_NUMBER.fullmatch(it) for it in words[1:3]):  # noqa: PLR2004
        raise broken(part, number, "no file of a journal")
    since, until = (read_stamp(it, timedelta()) for it in words[3:])
    if not isinstance(since, datetime) or not isinstance(until, datetime):
        return None
    return JournalFile(row=words[0], first=int(words[1]), last=int(words[2]), since=since, until=until)


def unbroken_since(files: Sequence[JournalFile]) -> tuple[datetime | None, bool]:
    """Say from when to now nothing is missing, and whether there are files before that."""
    ordered = sorted(files, key=lambda it: (it.since, it.until), reverse=True)
    for later, earlier in pairwise(ordered):
        if not later.continues(earlier):
            return later.since, True
    return (ordered[-1].since if ordered else None), False
