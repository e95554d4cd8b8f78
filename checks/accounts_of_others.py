"""Accounts of nobody who left: of people who work here, declared, or nobody's."""

from collections.abc import Iterator

from checks.account_view import View
from checks.closure import Standing, closure
from checks.leavers import Register
from checks.model import Outcome, Result, Subject, not_known
from checks.scene import OWNED, Scene
from checks.text import say
from checks.transfers import judge_transfer
from checks.ways_in import ways_in
from collectors.evidence import Reason
from collectors.probes.accounts import Account, AccountsFacts

_NOBODY = frozenset({65_534, 65_535})
"""uids that no account is given"""


def judge_other(scene: Scene, account: Account) -> Iterator[Outcome]:
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
        yield _active(scene, account)
        return
    service = next((it for it in target.accounts if it.name == account.name), None)
    if service:
        overdue = service.review_by is not None and service.review_by < clock.today
        yield Outcome(
            subject=subject,
            result=Result.WARN if overdue else Result.PASS,
            summary=say("{name} is a declared account of {owner}", name=account.name, owner=service.owner),
            expected=OWNED,
            actual=say("review was due on {day}", day=service.review_by.isoformat())
            if overdue and service.review_by
            else say("declared"),
        )
    elif account.name == target.audit_user and account.uid != 0:
        yield Outcome(
            subject=subject,
            result=Result.PASS,
            summary=say("{name} is the account of this inspection", name=account.name),
            expected=OWNED,
            actual=say("declared"),
        )
    elif _is_human(view.accounts, account):
        yield _unowned(view, account, register, scene.numbers.unowned)


def _active(scene: Scene, account: Account) -> Outcome:
    register = scene.register
    subject = Subject(kind="account", name=account.name)
    person = register.active[account.name]
    expected = OWNED
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
    return judge_transfer(scene, account, person) or Outcome(
        subject=subject,
        result=Result.PASS,
        summary=say("{name} belongs to a person who works here", name=account.name),
        expected=expected,
        actual=say("on the roster"),
    )


def _unowned(view: View, account: Account, register: Register, result: Result) -> Outcome:
    subject = Subject(kind="account", name=account.name)
    state = closure(view, account)
    if state.standing is Standing.UNKNOWN:
        return not_known(subject, state.reason, OWNED, detail=state.detail)
    ways = ways_in(view, account)
    if state.standing is Standing.OPEN and ways.open:
        similar = register.similar(account.name)
        return Outcome(
            subject=subject,
            result=result,
            summary=say(
                "nobody answers for {name}, which is open: {ways}",
                name=account.name,
                ways=", ".join(ways.open),
            ),
            expected=OWNED,
            actual=say("unowned; written otherwise on the roster: {names}", names=", ".join(similar))
            if similar
            else say("unowned"),
        )
    if state.standing is Standing.OPEN and ways.unseen:
        reason, detail = ways.unseen[0]
        return not_known(subject, reason, OWNED, detail=detail)
    return Outcome(
        subject=subject,
        result=Result.PASS,
        summary=say("nobody answers for {name}, but no way into it is open", name=account.name),
        expected=OWNED,
        actual=say("closed"),
    )


def judge_unreadable(view: View) -> Iterator[Outcome]:
    """Name lines of passwd that may be accounts."""
    for name in sorted(set(view.accounts.malformed)):
        yield not_known(
            Subject(kind="passwd-line", name=name),
            Reason.CORRUPT,
            OWNED,
            detail="a line of passwd cannot be read",
        )


def _is_human(accounts: AccountsFacts, account: Account) -> bool:
    """Whether the uid is one that people get, or a second root's; below 65536 login.defs says the range."""
    if account.uid == 0:
        return account.name != "root"
    in_range = accounts.uid_min <= account.uid <= accounts.uid_max
    return account.uid not in _NOBODY and (in_range or account.uid > max(_NOBODY))
