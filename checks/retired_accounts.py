"""Accounts of people who left are closed in time.

## What it looks at

Each person of the roster who has left, on each host: the expiry date of the account, which PAM's stacks have
to heed, and where that does not close it, every way in that is still open (public keys, password, sftp and
forwarding, cron, at, lingering services, running processes, open sessions), also under a second name with the
same user id and under other accounts that hold the person's key. A key is the person's when it stands, or
stood in an earlier run, in the person's own files on any host of the run. What sudo and doas let an open
account do then is named, and what a closed account leaves behind, rules of sudo and doas among it. How long
closing took is judged from the log of log-ins, the expiry date, the change time of the account files and
earlier runs. A log-in after the last day is named, also from wtmp, lastlog and their successors; that there
was none is said only where the log covers all the time since. Accounts that are neither on the roster nor
declared are named too. Of people who moved, every group, rule of sudo and role of PostgreSQL is compared with
what their new post is declared to need, and what they may still do in declared stores of other posts is asked
of the kernel. Roles of leavers in the PostgreSQL servers of the host count as ways in while they may log in.

## Why it matters

Somebody who has left still knows the way in. Locking the password is not closing: public keys, cron jobs
and services go on working.

## What to do

Set the account's expiry date (`usermod --expiredate 1 NAME`) on the last day, end its processes, and
remove its keys from other accounts and its name from the rules of sudo. Declare accounts that belong to no
single person under `[[account]]`. Take LOGIN from roles of PostgreSQL (`ALTER ROLE NAME NOLOGIN`), since
VALID UNTIL ends a password and nothing else. Take people who move out of the groups of the former post on
the same day, and declare what posts need under `[[post]]` and where personal data lies under `[[store]]`.
"""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

from msgspec import Meta

from checks.account_view import View
from checks.accounts_of_leavers import judge_leaver
from checks.accounts_of_others import judge_other, judge_unreadable
from checks.closure import Standing, absence, closure
from checks.database_roles import judge_database_roles
from checks.fleet import Fleet, watch_keys
from checks.foreign_keys import foreign_keys
from checks.leavers import register_of
from checks.left_behind import judge_lost_homes, judge_other_stores
from checks.model import (
    Clock,
    History,
    Options,
    Outcome,
    Result,
    Severity,
    Subject,
    Target,
    check,
    not_known,
)
from checks.scene import CLOSED, Numbers, Scene, twins_of, uids_of, was_here
from checks.sudo_rights import judge_unseen_rules
from checks.support import DEBIANS, Platform, support
from checks.text import say
from collectors.evidence import TargetKind
from collectors.facts import Fact, Known, Unknown
from collectors.probes.accounts import AccountsFacts
from collectors.probes.events import EventsFacts
from collectors.probes.keys import KeysFacts
from collectors.probes.logins import LoginsFacts
from collectors.probes.names import NamesFacts
from collectors.probes.pam import PamFacts
from collectors.probes.pgroles import PgRolesFacts
from collectors.probes.residue import ResidueFacts
from collectors.probes.shadow import ShadowFacts
from collectors.probes.sshd import SshdFacts
from collectors.probes.stores import StoresFacts
from collectors.probes.sudo import SudoFacts
from collectors.sources.roster import RosterFacts
from config.duration import Duration

ID = "retired-accounts"


class Limits(Options, frozen=True, kw_only=True):
    """Settings of `retired-accounts`."""

    disable_within: Annotated[
        Duration, Meta(description="time from the end of the last day until the account is closed")
    ] = Duration("24h")
    unowned: Annotated[
        Literal["fail", "warn"],
        Meta(description="result for an account that is neither on the roster nor declared"),
    ] = "fail"
    locked_only: Annotated[
        Literal["fail", "warn"],
        Meta(description="result for a leaver whose password is locked and who has no other way in"),
    ] = "fail"
    use_judged_within: Annotated[
        Duration,
        Meta(
            description="for people who left longer ago, the lack of log-ins since is not asked for;"
            " a log-in that is found fails at any age"
        ),
    ] = Duration("90d")
    time_judged_from: Annotated[
        date | None,
        Meta(description="for people who left before this day the time it took is not judged"),
    ] = None


def watch(
    *,
    accounts: AccountsFacts,
    shadow: ShadowFacts,
    roster: RosterFacts,
    names: Fact[NamesFacts],
    sshd: Fact[SshdFacts],
    residue: Fact[ResidueFacts],
    keys: Fact[KeysFacts],
    pam: Fact[PamFacts],
    clock: Clock,
    history: History,
) -> Iterator[str]:
    """Name the uid of each roster account and whether it is open, so that a later run knows since when."""
    view = View(
        accounts=accounts,
        names=names,
        shadow=Known(value=shadow, evidence=""),
        sshd=sshd,
        keys=keys,
        residue=residue,
        pam=pam,
        now=clock.as_of,
    )
    remembered = uids_of(history, ID)
    for name in sorted({name for person in roster.persons for name in person.accounts}):
        account = view.account(name)
        uid = account.uid if account else remembered.get(name)
        if uid is not None:
            yield History.reading(f"uid/{name}", str(uid))
        if account:
            state = closure(view, account).standing
        elif was_here(history, ID, name):
            state = absence(view, name).standing
        else:
            continue
        if state is not Standing.UNKNOWN:
            yield f"{state.value}:{name}"


@check(
    ID,
    kind=TargetKind.HOST,
    severity=Severity.HIGH,
    controls=("ISO27001:A.5.18", "ISO27001:A.8.2", "NIST800-53:PS-4", "NIST800-53:AC-2(3)"),
    watch=watch,
    apart={"keys": watch_keys},
    platforms=support(
        verified=DEBIANS,
        look_alike=(Platform.ALPINE,),
        documented=(Platform.UBUNTU, Platform.RHEL, Platform.FEDORA, Platform.AMAZON, Platform.SUSE),
    ),
)
def retired_accounts(
    *,
    accounts: AccountsFacts,
    roster: RosterFacts,
    names: Fact[NamesFacts],
    shadow: Fact[ShadowFacts],
    sshd: Fact[SshdFacts],
    keys: Fact[KeysFacts],
    residue: Fact[ResidueFacts],
    pam: Fact[PamFacts],
    events: Fact[EventsFacts],
    logins: Fact[LoginsFacts],
    sudo: Fact[SudoFacts],
    pgroles: Fact[PgRolesFacts],
    stores: Fact[StoresFacts],
    options: Limits,
    clock: Clock,
    target: Target,
    history: History,
    fleet: Fleet,
) -> Iterator[Outcome]:
    """Judge every leaver, then every account that nobody answers for."""
    view = View(
        accounts=accounts,
        names=names,
        shadow=shadow,
        sshd=sshd,
        keys=keys,
        residue=residue,
        pam=pam,
        now=clock.as_of,
    )
    register = register_of(roster, options.disable_within.timedelta, clock)
    scene = Scene(
        safeguard=ID,
        view=view,
        register=register,
        twins=twins_of(view, register),
        foreign=foreign_keys(view, register, fleet),
        people=fleet.people,
        uids=uids_of(history, ID),
        events=events,
        logins=logins,
        sudo=sudo,
        pgroles=pgroles,
        stores=stores,
        numbers=Numbers(
            disable_within=options.disable_within.timedelta,
            unowned=Result(options.unowned),
            locked_only=Result(options.locked_only),
            use_judged_within=options.use_judged_within.timedelta,
            time_judged_from=options.time_judged_from,
        ),
        clock=clock,
        target=target,
        history=history,
    )
    outcomes = [it for leaver in register.leavers.values() for it in judge_leaver(scene, leaver)]
    for account in view.all_accounts():
        if account.name not in register.leavers:
            outcomes.extend(judge_other(scene, account))
    outcomes.extend(judge_lost_homes(view, register))
    outcomes.extend(judge_unreadable(view))
    outcomes.extend(judge_unseen_rules(scene))
    outcomes.extend(judge_database_roles(scene))
    outcomes.extend(judge_other_stores(scene))
    if not outcomes and isinstance(names, Unknown):
        outcomes.append(not_known(Subject(kind="host", name=""), names.reason, CLOSED, detail=names.detail))
    yield from outcomes or [
        Outcome(
            subject=Subject(kind="host", name=""),
            result=Result.PASS,
            summary=say("none of {count} accounts is a person's", count=len(accounts.accounts)),
            expected=CLOSED,
            actual=say("no account of a person"),
        )
    ]
