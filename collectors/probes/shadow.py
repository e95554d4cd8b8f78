"""Password states and ages of shadow(5): the property, never the hash."""

import re
from enum import StrEnum

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts, Probe, WithheldError
from collectors.probes.rows import broken, count, fields, is_login, login, required, rows
from config.errors import ParseError

_DAYS = re.compile(r"[0-9]{1,9}")
_STATES = frozenset({"empty", "x", "star", "bang", "bangother", "starlike", "locked", "set", "invalid"})


class PasswordState(StrEnum):
    """What the password field holds."""

    EMPTY = "empty"
    X = "x"
    """the letter x: no hash, and no lock mark either"""
    STAR = "star"
    """`*`"""
    BANG = "bang"
    """`!` or `!!`"""
    BANG_OTHER = "bangother"
    """`!` before something that is no hash"""
    STAR_LIKE = "starlike"
    """`*` before other text, such as `*LK*`"""
    LOCKED = "locked"
    """`!` before a hash: usermod -L, passwd -l"""
    SET = "set"
    """a hash"""
    INVALID = "invalid"
    """neither a hash nor a lock mark"""


class ShadowEntry(Facts, frozen=True, kw_only=True):
    """One line of shadow(5); days count from 1970-01-01 UTC, None means the field is empty."""

    name: str
    state: PasswordState
    algorithm: str
    """identifier of crypt(5), such as `y` or `6`; also `des`, `bsdi`, `other`; empty without a hash"""
    rounds: int | None
    """of `$5$` and `$6$` where the hash says so"""
    changed_day: int | None
    """field 3; 0 forces a change at the next log-in"""
    min_days: int | None
    max_days: int | None
    """field 5"""
    warn_days: int | None
    inactive_days: int | None
    """field 7: how long after its end the password still lets in to change it"""
    expire_day: int | None
    """field 8: the account's own end"""
    damaged: bool
    """a field is no plain number, not even -1: the C library then skips the whole line"""
    shared: int
    """class of accounts with the identical salt and hash; 0 when there is no other"""
    from_service: bool
    """found by the name service, not in /etc/shadow"""


class ShadowFacts(Facts, frozen=True, kw_only=True):
    """What shadow(5) says of each account."""

    entries: tuple[ShadowEntry, ...]
    """in the order of the file: of two lines with one name the first counts"""
    malformed: tuple[str, ...]
    """names of lines without nine fields; `?` where the name is no account's"""
    overridden: frozenset[str]
    """names with a line in the file for which another source answers first with something else"""
    orphans: int
    """lines whose name is no account"""
    service_answered: bool
    """whether getent shadow came to an end"""


def parse(section: Section) -> ShadowFacts:
    """Read the reduced shadow file.

    Raises WithheldError(nopriv) when it cannot be read, ParseError for a row of another shape.
    """
    part = required(section, "shadow")
    if part.state == "denied":
        raise WithheldError(Reason.NOPRIV, "/etc/shadow is readable by root only")
    if part.state != "read":
        raise WithheldError(Reason.UNSUPPORTED, f"/etc/shadow: {part.state}")
    entries: list[ShadowEntry] = []
    malformed: list[str] = []
    overridden: list[str] = []
    orphans: int | None = None
    service_answered = True
    for number, line in rows(part):
        match line[:2]:
            case "F:" | "S:" if not is_login(line.split(":")[1]):
                malformed.append("?")
            case "F:" | "S:":
                entries.append(_entry(part, number, line))
            case "B:" | "D:" as kind:
                (malformed if kind == "B:" else overridden).append(line[2:])
            case "O:":
                orphans = count(part, number, line[2:])
            case "R:":
                service_answered = line[2:] in ("0", "2")
            case _:
                raise broken(part, number, "unknown row")
    if orphans is None or not entries:
        message = "shadow: not read to its end" if orphans is None else "shadow: not one account"
        raise ParseError(message)
    return ShadowFacts(
        entries=tuple(entries),
        malformed=tuple(malformed),
        overridden=frozenset(overridden),
        orphans=orphans,
        service_answered=service_answered,
    )


def _entry(part: Part, number: int, line: str) -> ShadowEntry:
    source, name, how, rounds, *days, shared = fields(part, number, line, 11)
    state, _, algorithm = how.partition(" ")
    if state not in _STATES or (state in ("set", "locked")) != bool(algorithm):
        raise broken(part, number, "unknown state")
    changed, least, most, warn, inactive, expire = (_day(part, number, text) for text in days)
    return ShadowEntry(
        name=login(part, number, name),
        state=PasswordState(state),
        algorithm=algorithm,
        rounds=count(part, number, rounds) if rounds else None,
        changed_day=changed,
        min_days=least,
        max_days=most,
        warn_days=warn,
        inactive_days=inactive,
        expire_day=expire,
        damaged="?" in days,
        shared=count(part, number, shared),
        from_service=source == "S",
    )


def _day(part: Part, number: int, text: str) -> int | None:
    if text in ("", "?"):
        return None
    if _DAYS.fullmatch(text) is None:
        raise broken(part, number, "no number of days")
    return int(text)


PROBE = Probe(name="shadow", facts=ShadowFacts, parse=parse, cap_bytes=1_048_576, order=11)
