"""Who on the roster has left, and who works here."""

from datetime import date, datetime, timedelta
from functools import cached_property

from msgspec import Struct

from checks.model import Clock
from collectors.sources.roster import Person, RosterFacts


class Leaver(Struct, frozen=True, kw_only=True):
    """A person who left, under one log-in name."""

    name: str
    left_on: date
    deadline: datetime
    own_names: frozenset[str]
    """all log-in names of the person"""


class Register(Struct, frozen=True, kw_only=True, dict=True):
    """Whose each log-in name is at the run's time."""

    leavers: dict[str, Leaver]
    active: dict[str, Person]
    """also people whose last day is still to come"""
    twice: dict[str, Leaver]
    """names of one who left and of another one who works here"""

    def similar(self, name: str) -> list[str]:
        """Names that differ only by case, domain or realm: a hint for a person, never a verdict."""
        return self._spellings.get(_bare(name), [])

    @cached_property
    def _spellings(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in sorted({*self.leavers, *self.active}):
            found.setdefault(_bare(name), []).append(name)
        return found


def _bare(name: str) -> str:
    return name.rpartition("\\")[2].partition("@")[0].casefold()


def register_of(roster: RosterFacts, disable_within: timedelta, clock: Clock) -> Register:
    """Sort the log-in names of the roster into those of leavers and those of people who work here."""
    leavers: dict[str, Leaver] = {}
    active: dict[str, Person] = {}
    ids: dict[str, set[str]] = {}
    for person in roster.persons:
        for name in person.accounts:
            if person.left_on is None or clock.as_of < clock.end_of(person.left_on):
                active[name] = person
                continue
            ids.setdefault(name, set()).add(person.person)
            earlier = leavers.get(name)
            if earlier is None or earlier.left_on < person.left_on:
                leavers[name] = Leaver(
                    name=name,
                    left_on=person.left_on,
                    deadline=clock.end_of(person.left_on) + disable_within,
                    own_names=frozenset(person.accounts),
                )
    # Rehired under the same number: works here. Under another number it may be somebody else.
    twice = {name: leavers[name] for name, person in active.items() if ids.get(name, set()) - {person.person}}
    return Register(
        leavers=dict(sorted((name, it) for name, it in leavers.items() if name not in active)),
        active=active,
        twice=twice,
    )
