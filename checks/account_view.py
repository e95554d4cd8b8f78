"""All that one host's facts say about its accounts at one time."""

from collections.abc import Hashable, Iterable
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from msgspec import Struct

from collectors.facts import Fact, Known, Unknown
from collectors.probes.accounts import Account, AccountsFacts, PasswordField
from collectors.probes.keys import KeyFile, KeysFacts
from collectors.probes.names import NamesFacts
from collectors.probes.pam import PamFacts
from collectors.probes.residue import ResidueFacts
from collectors.probes.shadow import ShadowEntry, ShadowFacts
from collectors.probes.sshd import SshdFacts

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class View(Struct, frozen=True, kw_only=True, dict=True):
    """All that one host's facts say about its accounts at one time; each list is gone through once."""

    accounts: AccountsFacts
    names: Fact[NamesFacts]
    shadow: Fact[ShadowFacts]
    sshd: Fact[SshdFacts]
    keys: Fact[KeysFacts]
    residue: Fact[ResidueFacts]
    pam: Fact[PamFacts]
    now: datetime

    def account(self, name: str) -> Account | None:
        """The account of that name; of two lines with one name the first counts, as for getpwnam(3)."""
        local = self._local.get(name, (None,))[0]
        if local or isinstance(self.names, Unknown):
            return local
        entry = next((it for it in self.names.value.found if it.name == name), None)
        if entry is None:
            return None
        return Account(
            name=entry.name,
            field=PasswordField.SHADOWED,
            uid=entry.uid,
            gid=entry.gid,
            home=entry.home,
            shell=entry.shell,
        )

    def all_accounts(self) -> tuple[Account, ...]:
        """Local accounts once each, then those that only a name service knows."""
        found = {it.name: it for it in reversed(self.accounts.accounts)}
        if isinstance(self.names, Known):
            for entry in self.names.value.found:
                account = self.account(entry.name)
                if account:
                    found.setdefault(entry.name, account)
        return tuple(sorted(found.values(), key=lambda it: it.name))

    def is_local(self, name: str) -> bool:
        """Whether passwd itself holds it."""
        return name in self._local

    def lines_of(self, name: str) -> int:
        """How many lines of passwd have that name."""
        return len(self._local.get(name, ()))

    def entries_of(self, name: str) -> tuple[ShadowEntry, ...]:
        """The lines of shadow of that name; none when shadow cannot be seen."""
        return self._entries.get(name, ())

    def remote_sources(self) -> tuple[str, ...]:
        """Name services outside of this host that may know further accounts."""
        if isinstance(self.names, Unknown):
            return ()
        return tuple(
            source for source in self.names.value.remote if source != "compat" or self.accounts.nis_lines
        )

    def commands_of(self, uid: int) -> tuple[str, ...]:
        """Names of the processes that run under a uid; none when they cannot be seen."""
        return self._commands.get(uid, ())

    @cached_property
    def uids(self) -> frozenset[int]:
        """The user ids that some account has."""
        return frozenset({0, *(it.uid for it in self.all_accounts())})

    def key_files(self, name: str, *, left_behind: bool = False) -> tuple[KeyFile, ...]:
        """The authorized_keys files of one account."""
        return self._key_files.get((name, left_behind), ())

    @cached_property
    def _local(self) -> dict[str, tuple[Account, ...]]:
        return grouped((it.name, it) for it in self.accounts.accounts)

    @cached_property
    def _entries(self) -> dict[str, tuple[ShadowEntry, ...]]:
        if isinstance(self.shadow, Unknown):
            return {}
        return grouped((it.name, it) for it in self.shadow.value.entries)

    @cached_property
    def _commands(self) -> dict[int, tuple[str, ...]]:
        if isinstance(self.residue, Unknown):
            return {}
        return grouped((it.uid, it.command) for it in self.residue.value.processes or ())

    @cached_property
    def _key_files(self) -> dict[tuple[str, bool], tuple[KeyFile, ...]]:
        if isinstance(self.keys, Unknown):
            return {}
        return grouped(((it.account, it.left_behind), it) for it in self.keys.value.files)


def entry_of(view: View, name: str) -> ShadowEntry | None:
    """The shadow line that counts for a name."""
    return next(iter(view.entries_of(name)), None)


def grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, tuple[V, ...]]:
    """Collect the values of each key, in their order: one pass, however long a host made the list."""
    found: dict[K, list[V]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}
