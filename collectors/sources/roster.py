"""The HR roster as join facts: who left or moved when, and under which account names."""

from datetime import date, datetime

import msgspec

from collectors.evidence import Reason, Section, TargetKind
from collectors.facts import Facts, Probe, WithheldError
from config.errors import ParseError


class Person(Facts, frozen=True, kw_only=True):
    """One row of the roster; no name of a person is kept."""

    person: str
    """the company's own key, such as an employee number"""
    accounts: tuple[str, ...] = ()
    """log-in names; empty when the roster maps none"""
    left_on: date | None = None
    """last day of employment; a future day is a plan, not a departure"""
    transferred_on: date | None = None
    posts: tuple[str, ...] = ()
    """the posts after the move, as the roster calls them; only of people who moved"""


class RosterFacts(Facts, frozen=True, kw_only=True):
    """The whole list."""

    file: str
    """base name of the file it was read from"""
    sha256: str
    written: datetime
    """when the file was last changed"""
    max_age_s: int
    """the age up to which the company calls its roster current"""
    persons: tuple[Person, ...]


def parse(section: Section) -> RosterFacts:
    """Read the sealed join facts; raises WithheldError for a list without a single person."""
    part = section.part("roster")
    if part is None:
        message = "no roster in the roster's evidence"
        raise ParseError(message)
    try:
        facts = msgspec.json.decode(part.raw, type=RosterFacts)
    except msgspec.MsgspecError as err:
        message = f"roster: {err}"
        raise ParseError(message) from err
    if not facts.persons:
        raise WithheldError(Reason.NO_SOURCE, "the roster names nobody")
    return facts


PROBE = Probe(
    name="roster", facts=RosterFacts, parse=parse, kind=TargetKind.ROSTER, cap_bytes=64 * 1024 * 1024
)
