"""All that one host's facts say about its accounts at one time."""

from datetime import datetime

from msgspec import Struct

from collectors.facts import Fact, Known, Unknown
from collectors.probes.accounts import Account, AccountsFacts, PasswordField
from collectors.probes.keys import KeyFile, KeysFacts
from collectors.probes.names import NamesFacts
from collectors.probes.residue import ResidueFacts
from collectors.probes.shadow import ShadowEntry, ShadowFacts
from collectors.probes.sshd import SshdFacts


class View(Struct, frozen=True, kw_only=True):
    """All that one host's facts say about its accounts at one time."""

    accounts: AccountsFacts
    names: Fact[NamesFacts]
    shadow: Fact[ShadowFacts]
    sshd: Fact[SshdFacts]
    keys: Fact[KeysFacts]
    residue: Fact[ResidueFacts]
    now: datetime

    def account(self, name: str) -> Account | None:
        """The account of that name; of two lines with one name the first counts, as for getpwnam(3)."""
        local = next((it for it in self.accounts.accounts if it.name == name), None)
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
        return any(it.name == name for it in self.accounts.accounts)

    def remote_sources(self) -> tuple[str, ...]:
        """Name services outside of this host that may know further accounts."""
        if isinstance(self.names, Unknown):
            return ()
        return tuple(
            source for source in self.names.value.remote if source != "compat" or self.accounts.nis_lines
        )

    def commands_of(self, uid: int) -> tuple[str, ...]:
        """Names of the processes that run under a uid; none when they cannot be seen."""
        if isinstance(self.residue, Unknown) or self.residue.value.processes is None:
            return ()
        return tuple(it.command for it in self.residue.value.processes if it.uid == uid)

    def key_files(self, name: str, *, left_behind: bool = False) -> tuple[KeyFile, ...]:
        """The authorized_keys files of one account."""
        if isinstance(self.keys, Unknown):
            return ()
        return tuple(
            it for it in self.keys.value.files if it.account == name and it.left_behind is left_behind
        )


def entry_of(view: View, name: str) -> ShadowEntry | None:
    """The shadow line that counts for a name."""
    if isinstance(view.shadow, Unknown):
        return None
    return next((it for it in view.shadow.value.entries if it.name == name), None)
