"""How far back the systemd journal reaches, and what journald.conf(5) keeps of it."""

import re
from datetime import datetime

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts
from collectors.probes.log_stamps import read_moment
from collectors.probes.rows import required
from config.errors import ParseError


class Journal(Facts, frozen=True, kw_only=True):
    """The systemd journal; its times are those of the persistent one."""

    storage: str
    """Storage of journald.conf(5) in force"""
    max_retention_s: int | None
    """MaxRetentionSec in force; None when time does not limit it"""
    persistent: bool
    """there are system journals under /var/log/journal"""
    volatile: bool
    """there are system journals under /run/log/journal, which a reboot deletes"""
    hidden: Reason | None
    """why the persistent journal's times are not known"""
    first_auth: datetime | None
    """time of the first entry of sshd, sudo, su, login or logind"""
    last_login: datetime | None
    """time of the last entry, of the last 200 of sshd, that says that a log-in succeeded"""
    last: datetime | None


_SPANS = {
    "us": 0, "ms": 0, "": 1, "s": 1, "sec": 1, "second": 1, "seconds": 1,
    "m": 60, "min": 60, "minute": 60, "minutes": 60, "h": 3_600, "hr": 3_600, "hour": 3_600, "hours": 3_600,
    "d": 86_400, "day": 86_400, "days": 86_400, "w": 604_800, "week": 604_800, "weeks": 604_800,
    "M": 2_629_800, "month": 2_629_800, "months": 2_629_800, "y": 31_557_600, "year": 31_557_600,
    "years": 31_557_600,
}  # fmt: skip
"""units of systemd.time(7) in seconds"""


def read_journal(section: Section) -> Journal:
    """Read the parts about the journal; raises ParseError naming the line."""
    settings = _journald_conf(section)
    part = required(section, "journal")
    said: dict[str, list[str]] = {}
    for number, line in enumerate(part.lines, 1):
        word, *rest = line.split(" ")
        if not rest:
            message = f"journal line {number}: no value"
            raise ParseError(message)
        said[word] = rest
    kept, lost = (_journal_files(said, name) for name in ("persistent", "volatile"))
    return Journal(
        storage=settings.get("Storage", "auto").lower(),
        max_retention_s=_span(settings.get("MaxRetentionSec", "")),
        persistent=kept[1] > 0,
        volatile=lost[1] > 0,
        hidden=_journal_hidden(said, kept),
        first_auth=read_moment(said.get("auth", [""])[0]),
        last_login=read_moment(said.get("login", [""])[0]),
        last=read_moment(said.get("last", [""])[0]),
    )


def _journal_files(said: dict[str, list[str]], name: str) -> tuple[str, int, int]:
    words = said.get(name, [])
    if len(words) != 3 or not all(re.fullmatch(r"[0-9]{1,6}", word) for word in words[1:]):  # noqa: PLR2004
        message = f"journal: no count of the {name} journal"
        raise ParseError(message)
    return words[0], int(words[1]), int(words[2])


def _journal_hidden(said: dict[str, list[str]], kept: tuple[str, int, int]) -> Reason | None:
    state, there, readable = kept
    if state == "denied" or readable < there:
        return Reason.DENIED
    if there and said.get("tool") == ["no"]:
        return Reason.NO_TOOL
    statuses = [said.get(f"{name}-status", [""])[0] for name in ("auth", "login", "last")]
    if there and "124" in statuses:
        return Reason.TIMEOUT
    # journalctl ends with 1 when no entry matches, which is an answer.
    return Reason.FAILED if there and not set(statuses) <= {"0", "1"} else None


def _journald_conf(section: Section) -> dict[str, str]:
    """Read the settings in force as journald.conf(5) says: drop-ins by name, those in /etc win."""
    folders = ("/etc/systemd/", "/run/systemd/", "/usr/lib/systemd/")
    whole = [section.part(f"{folder}journald.conf") for folder in folders]
    read = [part for part in whole if part is not None][:1]
    drop_ins: dict[str, Part] = {}
    for folder in reversed(folders):
        for part in section.named(f"{folder}journald.conf.d/"):
            drop_ins[part.name.rpartition("/")[2]] = part
    settings: dict[str, str] = {}
    for part in [*read, *(drop_ins[name] for name in sorted(drop_ins))]:
        for line in part.lines:
            key, equals, value = line.strip().partition("=")
            if equals and not key.startswith(("#", ";")):
                settings[key.strip()] = value.strip()
    return settings


def _span(text: str) -> int | None:
    """Seconds of a systemd.time(7) span; None for nothing, zero, or what is none."""
    pieces = re.findall(r"([0-9]{1,9})(?:\.[0-9]+)? *([A-Za-z]*)", text[:100])
    total = 0
    for number, unit in pieces:
        if unit not in _SPANS:
            return None
        total += int(number) * _SPANS[unit]
    return total or None
