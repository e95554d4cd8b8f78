"""One host, the register and the numbers, while its accounts are judged."""

from datetime import date, datetime, timedelta

from msgspec import Struct

from checks.account_view import View
from checks.closure import Standing, closure
from checks.leavers import Leaver, Register
from checks.model import Clock, History, Result, Target
from checks.text import say
from collectors.facts import Fact
from collectors.probes.accounts import Account
from collectors.probes.events import EventsFacts
from collectors.probes.logins import LoginsFacts
from collectors.probes.pgroles import PgRolesFacts
from collectors.probes.stores import StoresFacts
from collectors.probes.sudo import SudoFacts

CLOSED = say("closed: expired, or no account")
OWNED = say("on the roster, or declared with an owner")
NOTHING_LEFT = say("nothing is left behind")


class Numbers(Struct, frozen=True, kw_only=True):
    """What the promise was turned into; the deadlines of leavers stand in the register."""

    disable_within: timedelta
    unowned: Result
    locked_only: Result
    use_judged_within: timedelta
    time_judged_from: date | None


class ForeignKey(Struct, frozen=True, kw_only=True):
    """A key that an account lets in and that is a leaver's."""

    holder: str
    """the account, which is not closed"""
    fingerprint: str
    owners: dict[str, str]
    """each log-in name whose own files hold it, with a host on which they do; none for an earlier run"""


class Scene(Struct, frozen=True, kw_only=True):
    """All that the judging of one host looks at."""

    safeguard: str
    view: View
    register: Register
    twins: dict[str, tuple[Leaver, tuple[str, ...]]]
    """accounts that share a user id with an open one, when one of them is a leaver's"""
    foreign: tuple[ForeignKey, ...]
    """keys of leavers that let somebody in"""
    people: frozenset[str]
    """log-in names of which a key is known, be it from another host"""
    uids: dict[str, int]
    """the user id under which an earlier run saw each name"""
    events: Fact[EventsFacts]
    logins: Fact[LoginsFacts]
    sudo: Fact[SudoFacts]
    pgroles: Fact[PgRolesFacts]
    stores: Fact[StoresFacts]
    numbers: Numbers
    clock: Clock
    target: Target
    history: History

    def was_here(self, name: str) -> bool:
        """Whether an earlier run saw an account of that name."""
        return was_here(self.history, self.safeguard, name)


def was_here(history: History, safeguard: str, name: str) -> bool:
    """Whether an earlier run saw an account of that name, open or closed."""
    return any(history.last_seen(safeguard, f"{state}:{name}") for state in ("open", "closed"))


def uids_of(history: History, safeguard: str) -> dict[str, int]:
    """The user id that each name had when an earlier run last saw an account of it."""
    found = history.readings(safeguard)
    return {
        what.removeprefix("uid/"): int(uid)
        for what, uid in found.items()
        if what.startswith("uid/") and uid.isdecimal()
    }


def twins_of(view: View, register: Register) -> dict[str, tuple[Leaver, tuple[str, ...]]]:
    """Names that share their user id with an account of a leaver, unless all of them are closed."""
    found: dict[str, tuple[Leaver, tuple[str, ...]]] = {}
    by_uid: dict[int, list[Account]] = {}
    for account in view.all_accounts():
        by_uid.setdefault(account.uid, []).append(account)
    for group in by_uid.values():
        gone = [register.leavers[it.name] for it in group if it.name in register.leavers]
        late = [it for it in gone if it.deadline <= view.now]
        if len(group) == 1 or not late:
            continue
        states = {closure(view, it).standing for it in group}
        if Standing.OPEN in states:
            for account in group:
                others = tuple(it.name for it in group if it.name != account.name)
                found[account.name] = (late[0], others)
    return found


def stamp(time: datetime) -> str:
    """A time as findings show it."""
    return time.strftime("%Y-%m-%d %H:%M UTC")
