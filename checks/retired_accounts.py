"""Accounts of people who left are closed in time.

## What it looks at

Each person of the roster who has left, on each host: the expiry date of the account, and where that does
not close it, every way in that is still open (public keys, password, sftp and forwarding, cron, at,
lingering services, running processes), also under a second name with the same user id and under other
accounts that hold the person's key. What a closed account leaves behind is named. How long closing took is
judged from the log of log-ins, the expiry date, the change time of the account files and earlier runs.
A log-in after the last day is named; that there was none is said only where the log covers all the time
since. Accounts that are neither on the roster nor declared are named too.

## Why it matters

Somebody who has left still knows the way in. Locking the password is not closing: public keys, cron jobs
and services go on working.

## What to do

Set the account's expiry date (`usermod --expiredate 1 NAME`) on the last day, end its processes, and
remove its keys from other accounts. Declare accounts that belong to no single person under `[[account]]`.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct

from checks.disabling import Closing, Logged, closing_in_log, judge_time
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
from checks.text import say
from checks.use_after import Gone, judge_use
from checks.ways_in import (
    Closure,
    Standing,
    View,
    Ways,
    absence,
    blind_spots,
    closure,
    entry_of,
    residue_of,
    ways_in,
)
from collectors.evidence import Reason, TargetKind
from collectors.facts import Fact, Known, Unknown
from collectors.probes.accounts import Account, AccountsFacts
from collectors.probes.events import EventsFacts
from collectors.probes.keys import KeysFacts
from collectors.probes.names import NamesFacts
from collectors.probes.residue import ResidueFacts
from collectors.probes.shadow import ShadowFacts
from collectors.probes.sshd import SshdFacts
from collectors.sources.roster import Person, RosterFacts
from config.duration import Duration

ID = "retired-accounts"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FURTHEST = 1_000_000
_NOBODY = frozenset({65_534, 65_535})
"""uids that no account is given"""


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


class _Leaver(Struct, frozen=True, kw_only=True):
    """A person who left, under one log-in name."""

    name: str
    left_on: date
    deadline: datetime
    own_names: frozenset[str]
    """all log-in names of the person"""


class _Register(Struct, frozen=True, kw_only=True):
    """Whose each log-in name is at the run's time."""

    leavers: dict[str, _Leaver]
    active: dict[str, Person]
    """also people whose last day is still to come"""
    twice: dict[str, _Leaver]
    """names of one who left and of another one who works here"""


class _Scene(Struct, frozen=True, kw_only=True):
    """One host, the register and the numbers, while they are judged."""

    view: View
    register: _Register
    twins: dict[str, tuple[_Leaver, tuple[str, ...]]]
    """accounts that share a user id with an open one, when one of them is a leaver's"""
    events: Fact[EventsFacts]
    options: Limits
    clock: Clock
    target: Target
    history: History


def watch(
    *,
    accounts: AccountsFacts,
    shadow: ShadowFacts,
    roster: RosterFacts,
    names: Fact[NamesFacts],
    sshd: Fact[SshdFacts],
    residue: Fact[ResidueFacts],
    keys: Fact[KeysFacts],
    clock: Clock,
    history: History,
) -> Iterator[str]:
    """Name each roster account that is open or closed now, so that a later run knows since when."""
    view = View(
        accounts=accounts,
        names=names,
        shadow=Known(value=shadow, evidence=""),
        sshd=sshd,
        keys=keys,
        residue=residue,
        now=clock.as_of,
    )
    for name in sorted({name for person in roster.persons for name in person.accounts}):
        account = view.account(name)
        if account:
            state = closure(view, account).standing
        elif _was_here(history, name):
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
    events: Fact[EventsFacts],
    options: Limits,
    clock: Clock,
    target: Target,
    history: History,
) -> Iterator[Outcome]:
    """Judge every leaver, then every account that nobody answers for."""
    view = View(
        accounts=accounts,
        names=names,
        shadow=shadow,
        sshd=sshd,
        keys=keys,
        residue=residue,
        now=clock.as_of,
    )
    register = _register(roster, options, clock)
    scene = _Scene(
        view=view,
        register=register,
        twins=_twins(view, register),
        events=events,
        options=options,
        clock=clock,
        target=target,
        history=history,
    )
    outcomes = [it for leaver in register.leavers.values() for it in _leaver(scene, leaver)]
    for account in view.all_accounts():
        if account.name not in register.leavers:
            outcomes.extend(_other(scene, account))
    outcomes.extend(_lost_homes(view, register))
    outcomes.extend(_unreadable(view))
    if not outcomes and isinstance(names, Unknown):
        outcomes.append(not_known(Subject(kind="host", name=""), names.reason, _CLOSED, detail=names.detail))
    yield from outcomes or [
        Outcome(
            subject=Subject(kind="host", name=""),
            result=Result.PASS,
            summary=say("none of {count} accounts is a person's", count=len(accounts.accounts)),
            expected=_CLOSED,
            actual=say("no account of a person"),
        )
    ]


_CLOSED = say("closed: expired, or no account")
_OWNED = say("on the roster, or declared with an owner")


def _register(roster: RosterFacts, options: Limits, clock: Clock) -> _Register:
    leavers: dict[str, _Leaver] = {}
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
                leavers[name] = _Leaver(
                    name=name,
                    left_on=person.left_on,
                    deadline=clock.end_of(person.left_on) + options.disable_within.timedelta,
                    own_names=frozenset(person.accounts),
                )
    # Rehired under the same number: works here. Under another number it may be somebody else.
    twice = {name: leavers[name] for name, person in active.items() if ids.get(name, set()) - {person.person}}
    return _Register(
        leavers=dict(sorted((name, it) for name, it in leavers.items() if name not in active)),
        active=active,
        twice=twice,
    )


def _twins(view: View, register: _Register) -> dict[str, tuple[_Leaver, tuple[str, ...]]]:
    """Names that share their user id with an account of a leaver, unless all of them are closed."""
    found: dict[str, tuple[_Leaver, tuple[str, ...]]] = {}
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


def _leaver(scene: _Scene, leaver: _Leaver) -> Iterator[Outcome]:
    view = scene.view
    account = view.account(leaver.name)
    state = closure(view, account) if account else absence(view, leaver.name)
    yield _standing(scene, leaver, account, state)
    if state.standing is not Standing.CLOSED:
        yield from _use(scene, leaver, quiet=False)
        return
    homes = () if account else _homes(view, leaver.name)
    left = (*residue_of(view, account, leaver.name), *(_home(leaver.name, *home) for home in homes))
    if left:
        # Given to root is put away; given to anybody else is within another person's reach.
        reused = any(owner not in (None, "root") for _, owner in homes)
        what = ", ".join(left)
        yield Outcome(
            subject=Subject(kind="residue", name=leaver.name),
            result=Result.FAIL if reused else Result.WARN,
            summary=say("left behind by {name}: {what}", name=leaver.name, what=what),
            expected=say("nothing is left behind"),
            actual=say("{what}", what=what),
        )
    logged = isinstance(scene.events, Known) and any(
        it.name == leaver.name for it in scene.events.value.events
    )
    was_here = bool(account or left or logged or _was_here(scene.history, leaver.name))
    yield from _use(scene, leaver, quiet=was_here)
    judged_from = scene.options.time_judged_from
    if (
        was_here
        and scene.clock.as_of >= leaver.deadline
        and (judged_from is None or leaver.left_on >= judged_from)
    ):
        changed = view.accounts.shadow_changed if account else view.accounts.passwd_changed
        closing = Closing(
            name=leaver.name,
            deadline=leaver.deadline,
            since=state.since,
            changed=changed,
            logged=_logged(scene, leaver, account, state),
        )
        yield judge_time(ID, closing, scene.history, scene.clock)


def _use(scene: _Scene, leaver: _Leaver, *, quiet: bool) -> Iterator[Outcome]:
    """Judge log-ins after the last day; their absence only where somebody was here and not long ago."""
    since = scene.clock.end_of(leaver.left_on)
    recent = scene.clock.as_of - since <= scene.options.use_judged_within.timedelta
    gone = Gone(name=leaver.name, left_on=leaver.left_on.isoformat(), since=since, quiet=quiet and recent)
    outcome = judge_use(gone, scene.events, scene.clock.as_of)
    if outcome:
        yield outcome


def _logged(scene: _Scene, leaver: _Leaver, account: Account | None, state: Closure) -> Logged | None:
    """What the log says of when the account was closed."""
    if isinstance(scene.events, Unknown):
        return None
    events = scene.events.value.events
    if account is None:
        return closing_in_log(events, leaver.name, None, None)
    entry = entry_of(scene.view, leaver.name)
    if entry is None or entry.expire_day is None or state.since is None:
        return None
    expires = (_EPOCH + timedelta(days=min(entry.expire_day, _FURTHEST))).date()
    return closing_in_log(events, leaver.name, expires, state.since)


def _standing(scene: _Scene, leaver: _Leaver, account: Account | None, state: Closure) -> Outcome:
    view = scene.view
    subject = Subject(kind="account", name=leaver.name)
    left_on = leaver.left_on.isoformat()
    due = scene.clock.as_of >= leaver.deadline
    if not due and state.standing is not Standing.CLOSED:
        summary = say(
            "{name} left on {day}: to be closed by {deadline}",
            name=leaver.name,
            day=left_on,
            deadline=_stamp(leaver.deadline),
        )
        actual = say("the deadline is not reached")
        return Outcome(subject=subject, result=Result.PASS, summary=summary, expected=_CLOSED, actual=actual)
    ways = ways_in(view, account) if account and state.standing is Standing.OPEN else None
    opened = list(ways.open) if ways else []
    opened += [it for it in (_certain_ways(scene, leaver, account) if due else ()) if it not in opened]
    if opened:
        listed = ", ".join(opened)
        summary = say(
            "{name} left on {day} and still gets in: {ways}", name=leaver.name, day=left_on, ways=listed
        )
        actual = say("open: {ways}", ways=listed)
        return Outcome(subject=subject, result=Result.FAIL, summary=summary, expected=_CLOSED, actual=actual)
    if ways:
        return _locked_only(scene, leaver, ways)
    unseen = ((state.reason, state.detail),) if state.standing is Standing.UNKNOWN else ()
    for reason, detail in unseen or (blind_spots(view, leaver.own_names) if due else ()):
        return not_known(subject, reason, _CLOSED, detail=detail)
    if account:
        summary = say("{name} left on {day}, the account is expired", name=leaver.name, day=left_on)
        actual = say("expired since {since}", since=_stamp(state.since) if state.since else "-")
    else:
        summary = say("{name} left on {day}, no account of that name", name=leaver.name, day=left_on)
        actual = say("no account")
    return Outcome(subject=subject, result=Result.PASS, summary=summary, expected=_CLOSED, actual=actual)


def _locked_only(scene: _Scene, leaver: _Leaver, ways: Ways) -> Outcome:
    """Judge an account that is not expired and has no way in that was seen."""
    subject = Subject(kind="account", name=leaver.name)
    if ways.unseen and scene.options.locked_only == "warn":
        reason, detail = ways.unseen[0]
        return not_known(subject, reason, _CLOSED, detail=detail)
    return Outcome(
        subject=subject,
        result=Result(scene.options.locked_only),
        summary=say(
            "{name} left on {day}: the password is locked, but the account is not expired",
            name=leaver.name,
            day=leaver.left_on.isoformat(),
        ),
        expected=_CLOSED,
        actual=say("password locked, account not expired"),
    )


def _certain_ways(scene: _Scene, leaver: _Leaver, account: Account | None) -> tuple[str, ...]:
    """What lets a leaver act on the host even where the account itself is closed, gone or unseen."""
    view = scene.view
    found: list[str] = []
    uids = {account.uid} if account else {uid for uid, owner in _homes(view, leaver.name) if owner is None}
    # Root's processes are not listed, and a shared uid is the twin's matter.
    commands = sorted({command for uid in uids for command in view.commands_of(uid)})
    if commands:
        found.append(f"running processes ({', '.join(commands[:5])})")
    found.extend(f"the same user id as {other}" for other in scene.twins.get(leaver.name, (leaver, ()))[1])
    found.extend(f"public key under {holder}" for holder in _holders(view, leaver))
    return tuple(found)


def _holders(view: View, leaver: _Leaver) -> tuple[str, ...]:
    """Other accounts, not closed, that let in a key of the leaver's own files."""
    own = {
        key.fingerprint
        for left in (False, True)
        for name in leaver.own_names
        for file in view.key_files(name, left_behind=left)
        for key in file.keys
        if key.fingerprint
    }
    found: list[str] = []
    for account in view.all_accounts():
        if account.name in leaver.own_names:
            continue
        held = {
            key.fingerprint
            for file in view.key_files(account.name)
            for key in file.keys
            if not key.ended(view.now)
        }
        if own & held and closure(view, account).standing is not Standing.CLOSED:
            found.append(account.name)
    return tuple(found)


def _homes(view: View, name: str) -> tuple[tuple[int, str | None], ...]:
    """Owner uid and owner of the folder /home/NAME."""
    if not isinstance(view.residue, Known):
        return ()
    return tuple((it.uid, it.owner) for it in view.residue.value.homes or () if it.name == name)


def _home(name: str, uid: int, owner: str | None) -> str:
    """Say whose the home of a deleted account is now."""
    return f"home /home/{name} of uid {uid}" + (f", now of {owner}" if owner else "")


def _other(scene: _Scene, account: Account) -> Iterator[Outcome]:
    """Judge an account of nobody who left."""
    view, register, clock, target = scene.view, scene.register, scene.clock, scene.target
    subject = Subject(kind="account", name=account.name)
    if account.name in scene.twins:
        leaver = scene.twins[account.name][0]
        yield Outcome(
            subject=subject,
            result=Result.FAIL,
            summary=say(
                "{name} has the same user id as {leaver}, who left on {day}",
                name=account.name,
                leaver=leaver.name,
                day=leaver.left_on.isoformat(),
            ),
            expected=say("a user id of its own"),
            actual=say("uid {uid} of both", uid=account.uid),
        )
        return
    if account.name in register.active:
        yield _active(view, account, register, clock)
        return
    service = next((it for it in target.accounts if it.name == account.name), None)
    if service:
        overdue = service.review_by is not None and service.review_by < clock.today
        yield Outcome(
            subject=subject,
            result=Result.WARN if overdue else Result.PASS,
            summary=say("{name} is a declared account of {owner}", name=account.name, owner=service.owner),
            expected=_OWNED,
            actual=say("review was due on {day}", day=service.review_by.isoformat())
            if overdue and service.review_by
            else say("declared"),
        )
    elif account.name == target.audit_user and account.uid != 0:
        yield Outcome(
            subject=subject,
            result=Result.PASS,
            summary=say("{name} is the account of this inspection", name=account.name),
            expected=_OWNED,
            actual=say("declared"),
        )
    elif _is_human(view.accounts, account):
        yield _unowned(view, account, scene.options)


def _active(view: View, account: Account, register: _Register, clock: Clock) -> Outcome:
    subject = Subject(kind="account", name=account.name)
    person = register.active[account.name]
    expected = _OWNED
    if account.name in register.twice:
        return Outcome(
            subject=subject,
            result=Result.WARN,
            summary=say(
                "{name} is on the roster twice: one person left on {day}, another works here",
                name=account.name,
                day=register.twice[account.name].left_on.isoformat(),
            ),
            expected=expected,
            actual=say("two persons"),
        )
    if person.left_on is not None:
        return Outcome(
            subject=subject,
            result=Result.NOT_APPLICABLE,
            summary=say("{name} leaves on {day}", name=account.name, day=person.left_on.isoformat()),
            expected=expected,
            actual=say("still works here"),
        )
    moved = person.transferred_on
    if moved is not None and clock.as_of >= clock.end_of(moved):
        if view.accounts.groups is None:
            return not_known(subject, Reason.CORRUPT, expected, detail="groups cannot be read")
        groups = sorted(it.name for it in view.accounts.groups if account.name in it.members)
        if groups:
            return Outcome(
                subject=subject,
                result=Result.WARN,
                summary=say(
                    "{name} moved on {day}: groups are not compared with the new post",
                    name=account.name,
                    day=moved.isoformat(),
                ),
                expected=say("only the groups of the new post"),
                actual=say("in {groups}", groups=", ".join(groups)),
            )
    return Outcome(
        subject=subject,
        result=Result.PASS,
        summary=say("{name} belongs to a person who works here", name=account.name),
        expected=expected,
        actual=say("on the roster"),
    )


def _unowned(view: View, account: Account, options: Limits) -> Outcome:
    subject = Subject(kind="account", name=account.name)
    state = closure(view, account)
    if state.standing is Standing.UNKNOWN:
        return not_known(subject, state.reason, _OWNED, detail=state.detail)
    ways = ways_in(view, account)
    if state.standing is Standing.OPEN and ways.open:
        return Outcome(
            subject=subject,
            result=Result(options.unowned),
            summary=say(
                "nobody answers for {name}, which is open: {ways}",
                name=account.name,
                ways=", ".join(ways.open),
            ),
            expected=_OWNED,
            actual=say("unowned"),
        )
    if state.standing is Standing.OPEN and ways.unseen:
        reason, detail = ways.unseen[0]
        return not_known(subject, reason, _OWNED, detail=detail)
    return Outcome(
        subject=subject,
        result=Result.PASS,
        summary=say("nobody answers for {name}, but no way into it is open", name=account.name),
        expected=_OWNED,
        actual=say("closed"),
    )


def _lost_homes(view: View, register: _Register) -> Iterator[Outcome]:
    """Name homes whose owner is a bare uid and whose name is nobody's."""
    if not isinstance(view.residue, Known):
        return
    for home in view.residue.value.homes or ():
        known = home.name in register.leavers or view.account(home.name) is not None
        if home.owner is None and not known:
            yield Outcome(
                subject=Subject(kind="home", name=home.name),
                result=Result.WARN,
                summary=say(
                    "home {name} belongs to uid {uid}, which no account has", name=home.name, uid=home.uid
                ),
                expected=say("nothing is left behind"),
                actual=say("uid {uid}", uid=home.uid),
            )


def _unreadable(view: View) -> Iterator[Outcome]:
    """Name lines of passwd that may be accounts."""
    for name in sorted(set(view.accounts.malformed)):
        yield not_known(
            Subject(kind="passwd-line", name=name),
            Reason.CORRUPT,
            _OWNED,
            detail="a line of passwd cannot be read",
        )


def _is_human(accounts: AccountsFacts, account: Account) -> bool:
    """Whether the uid is one that people get; below 65536 the range ends where login.defs says."""
    in_range = accounts.uid_min <= account.uid <= accounts.uid_max
    return account.uid not in _NOBODY and (in_range or account.uid > max(_NOBODY))


def _was_here(history: History, name: str) -> bool:
    return any(history.last_seen(ID, f"{state}:{name}") for state in ("open", "closed"))


def _stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC")
