"""What the hosts of one run say of each other: whose public key is whose.

A fold over the targets in any order, so that a run and its replay come to the same.
"""

from collections.abc import Iterator
from typing import Self

from msgspec import Struct

from checks.model import History
from collectors.evidence import TargetEvidence, TargetKind
from collectors.facts import Fact, Known, read_fact
from collectors.probes.keys import PROBE as KEYS
from collectors.probes.keys import KeysFacts
from collectors.sources.roster import PROBE as ROSTER
from collectors.sources.roster import RosterFacts

SEEN = "retired-accounts/keys"
"""what the history of a host is asked with for `FINGERPRINT NAME`, a key that is NAME's and stands there"""
GAP = "keys that stand only here are not looked for on other hosts"


class Fleet(Struct, frozen=True, kw_only=True):
    """What all targets of the run tell together; nothing of targets that were not read, but their history."""

    keys: dict[str, dict[str, str]] = {}
    """fingerprint, log-in name of the roster whose own files hold it, first host by name on which they do;
    no host when only an earlier run saw it"""
    people: frozenset[str] = frozenset()
    """log-in names of which a key is known"""
    hosts: int = 0


class Fold:
    """Collects a Fleet from one target after the other."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._spelled = {History.key("", name)[1:]: name for name in self._names}
        """names as histories spell them"""
        self._keys: dict[str, dict[str, str]] = {}
        self._hosts = 0

    @classmethod
    def over(cls, roster: TargetEvidence | None) -> Self:
        """Begin with the people of the roster; without one nobody's key is known."""
        fact = read_fact(ROSTER, roster) if roster else None
        return cls(_names(fact.value) if isinstance(fact, Known) else frozenset())

    def add(self, evidence: TargetEvidence, history: History) -> None:
        """Take what one target says, and what earlier runs saw of it."""
        if evidence.kind is TargetKind.HOST:
            self.add_host(evidence.target, read_fact(KEYS, evidence), history)

    def add_host(self, host: str, keys: Fact[KeysFacts], history: History) -> None:
        """Take a host's key files."""
        self._hosts += 1
        for file in keys.value.files if isinstance(keys, Known) else ():
            for it in file.keys:
                if it.fingerprint and not it.vouches:
                    self._note(it.fingerprint, file.account, host)
        for key in history.seen:
            safeguard, _, state = key.partition(":")
            if safeguard == SEEN:
                fingerprint, _, name = state.partition(" ")
                self._note(fingerprint, self._spelled.get(name, ""), "")

    def fleet(self) -> Fleet:
        """What is known of all targets so far."""
        return Fleet(
            keys={key: dict(sorted(owners.items())) for key, owners in sorted(self._keys.items())},
            people=frozenset(name for owners in self._keys.values() for name in owners),
            hosts=self._hosts,
        )

    def _note(self, fingerprint: str, name: str, host: str) -> None:
        if name not in self._names:
            return
        owners = self._keys.setdefault(fingerprint, {})
        places = [place for place in (owners.get(name, ""), host) if place]
        owners[name] = min(places, default="")


def watch_keys(*, keys: KeysFacts, roster: RosterFacts, fleet: Fleet) -> Iterator[str]:
    """Name each key that stands on this host, in whoever's file, and is some person's of the roster.

    So a host remembers whose the key under root is, also when the person's own account, its host, or the
    person's line of the roster's last day are long gone.
    """
    names = _names(roster)
    for fingerprint in {key.fingerprint for file in keys.files for key in file.keys}:
        for name in fleet.keys.get(fingerprint, {}):
            if name in names:
                yield f"{fingerprint} {name}"


def _names(roster: RosterFacts) -> frozenset[str]:
    return frozenset(name for person in roster.persons for name in person.accounts)
