"""Accounts of people who left, one person and name at a time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from checks.account_view import entry_of
from checks.closure import Closure, Standing, absence, closure
from checks.disabling import Closing, Logged, closing_in_log, judge_time
from checks.footholds import blind_spots, footholds
from checks.foreign_keys import keys_held_by_others
from checks.leavers import Leaver
from checks.left_behind import judge_residue
from checks.model import Outcome, Result, Subject, not_known
from checks.scene import CLOSED, Scene, stamp
from checks.sudo_rights import rights_of
from checks.text import say
from checks.use_after import Gone, judge_use, last_let_in
from checks.ways_in import Ways, ways_in
from collectors.facts import Known, Unknown
from collectors.probes.accounts import Account

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FURTHEST = 1_000_000


def judge_leaver(scene: Scene, leaver: Leaver) -> Iterator[Outcome]:
    """Judge one account of a leaver: closed, what it left behind, its use since, the time closing took."""
    view = scene.view
    account = view.account(leaver.name)
    state = closure(view, account) if account else absence(view, leaver.name)
    yield _standing(scene, leaver, account, state)
    if state.standing is not Standing.CLOSED:
        yield from _use(scene, leaver, quiet=False)
        return
    left = judge_residue(scene, account, leaver.name)
    if left:
        yield left
    was_here = bool(account or left or _logged_anything(scene, leaver.name) or scene.was_here(leaver.name))
    yield from _use(scene, leaver, quiet=was_here)
    judged_from = scene.numbers.time_judged_from
    if (
        was_here
        and scene.clock.as_of >= leaver.deadline
        and (judged_from is None or leaver.left_on >= judged_from)
    ):
        closing = Closing(
            name=leaver.name,
            deadline=leaver.deadline,
            since=state.since,
            changed=_changed(scene, leaver.name),
            logged=_logged(scene, leaver, account, state),
            let_in=last_let_in(leaver.name, scene.events),
        )
        yield judge_time(scene.safeguard, closing, scene.history, scene.clock)


def _standing(scene: Scene, leaver: Leaver, account: Account | None, state: Closure) -> Outcome:
    view = scene.view
    subject = Subject(kind="account", name=leaver.name)
    left_on = leaver.left_on.isoformat()
    due = scene.clock.as_of >= leaver.deadline
    if not due and state.standing is not Standing.CLOSED:
        summary = say(
            "{name} left on {day}: to be closed by {deadline}",
            name=leaver.name,
            day=left_on,
            deadline=stamp(leaver.deadline),
        )
        actual = say("the deadline is not reached")
        return Outcome(subject=subject, result=Result.PASS, summary=summary, expected=CLOSED, actual=actual)
    ways = ways_in(view, account) if account and state.standing is Standing.OPEN else None
    opened = list(ways.open) if ways else []
    held = keys_held_by_others(scene, leaver) if due else ()
    opened += [it for it in (footholds(scene, leaver, account) if due else ()) if it not in opened]
    opened += [it.words for it in held]
    if opened:
        listed = ", ".join((*opened, *(rights_of(scene, account) if ways and account else ())))
        summary = say(
            "{name} left on {day} and still gets in: {ways}", name=leaver.name, day=left_on, ways=listed
        )
        actual = say("open: {ways}", ways=listed)
        return Outcome(
            subject=subject,
            result=Result.FAIL,
            summary=summary,
            expected=CLOSED,
            actual=actual,
            also=tuple(sorted({it.reference for it in held if it.reference})),
        )
    if ways:
        return _locked_only(scene, leaver, ways)
    unseen = ((state.reason, state.detail),) if state.standing is Standing.UNKNOWN else ()
    for reason, detail in unseen or (blind_spots(scene, leaver.own_names) if due else ()):
        return not_known(subject, reason, CLOSED, detail=detail)
    if account:
        summary = say("{name} left on {day}, the account is expired", name=leaver.name, day=left_on)
        actual = say("expired since {since}", since=stamp(state.since) if state.since else "-")
    else:
        summary = say("{name} left on {day}, no account of that name", name=leaver.name, day=left_on)
        actual = say("no account")
    return Outcome(subject=subject, result=Result.PASS, summary=summary, expected=CLOSED, actual=actual)


def _locked_only(scene: Scene, leaver: Leaver, ways: Ways) -> Outcome:
    """Judge an account that is not expired and has no way in that was seen."""
    subject = Subject(kind="account", name=leaver.name)
    if ways.unseen and scene.numbers.locked_only is Result.WARN:
        reason, detail = ways.unseen[0]
        return not_known(subject, reason, CLOSED, detail=detail)
    return Outcome(
        subject=subject,
        result=scene.numbers.locked_only,
        summary=say(
            "{name} left on {day}: the password is locked, but the account is not expired",
            name=leaver.name,
            day=leaver.left_on.isoformat(),
        ),
        expected=CLOSED,
        actual=say("password locked, account not expired"),
    )


def _use(scene: Scene, leaver: Leaver, *, quiet: bool) -> Iterator[Outcome]:
    """Judge log-ins after the last day; their absence only where somebody was here and not long ago."""
    since = scene.clock.end_of(leaver.left_on)
    recent = scene.clock.as_of - since <= scene.numbers.use_judged_within
    gone = Gone(name=leaver.name, left_on=leaver.left_on.isoformat(), since=since, quiet=quiet and recent)
    outcome = judge_use(gone, scene.events, scene.logins, scene.clock.as_of)
    if outcome:
        yield outcome


def _changed(scene: Scene, name: str) -> datetime | None:
    """When the file was last changed that closes an account, or that has it no more; None where none does."""
    view = scene.view
    if view.is_local(name):
        return view.accounts.shadow_changed
    # Of another source the files here say nothing, neither of an account nor that it has gone from there.
    only_files = isinstance(view.names, Known) and set(view.names.value.sources) <= {"files", "systemd"}
    return view.accounts.passwd_changed if only_files else None


def _logged_anything(scene: Scene, name: str) -> bool:
    """Whether any record names the account, so that it was here."""
    events = scene.events.value.events if isinstance(scene.events, Known) else ()
    log_ins = scene.logins.value.log_ins if isinstance(scene.logins, Known) else ()
    return any(it.name == name for it in events) or any(it.name == name for it in log_ins)


def _logged(scene: Scene, leaver: Leaver, account: Account | None, state: Closure) -> Logged | None:
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
