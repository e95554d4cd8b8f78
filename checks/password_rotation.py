"""Passwords are changed within the promised time and kept as strong hashes.

## What it looks at

For each account with a usable password: when it was changed last and how long it may stay, as shadow(5) says
for that very account, and whether the log of that day knows of it once the day has moved from one run to a
later one; the kind of its hash; and whether another account has the identical one. Accounts of services with
a password are judged like those of people. Apart from that, what login.defs(5) gives to new accounts, and
what PAM's stacks come to when they are followed line by line: whether an old or a short password is refused
on every way, and whether wrong ones lock the account. A rule that has no effect is a finding also where
nothing of it is promised.

## Why it matters

A limit in login.defs holds for accounts made later, not for those that exist. An old or shared password, or
one kept as an MD5 hash, is known to more people than its owner. `remember=5` in a PAM file refuses nothing
when a later module asks for another password, and pam_faillock locks nobody whose failures it never sees.

## What to do

Set the limit for each account (`chage --maxdays 90 NAME`), have the password changed, and give every account
a password of its own. Put pam_pwhistory before pam_unix, and `use_authtok` on every module after it; call
pam_faillock with `preauth` before pam_unix, with `authfail` after it, and once in `account`. Better than a
fixed period: promise length, no re-use and change after exposure.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

from checks.account_view import grouped
from checks.model import (
    Advice,
    Clock,
    History,
    Outcome,
    Result,
    Severity,
    Subject,
    check,
    not_known,
)
from checks.password_changes import CHANGES, judge_changes, watch_changes
from checks.password_stacks import StackLimits, judge_stacks
from checks.support import DEBIANS, Platform, support
from checks.text import Text, say
from collectors.evidence import Reason, TargetKind
from collectors.facts import Fact, Unknown
from collectors.probes.accounts import Account, AccountsFacts, PasswordField
from collectors.probes.names import NamesFacts
from collectors.probes.pam import PamFacts
from collectors.probes.pwchanges import PasswordChangesFacts
from collectors.probes.shadow import PasswordState, ShadowEntry, ShadowFacts
from collectors.probes.sshd import SshdFacts
from config.duration import Duration

_WEAK = frozenset({"des", "bsdi", "1", "3", "md5", "sha1"})
_STRONG = frozenset({"5", "6", "7", "y", "gy", "2a", "2b", "2y"})
_FEWEST_ROUNDS = 5_000
"""what crypt(5) takes for `$5$` and `$6$` when the hash names none"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_OBSOLETE = say("a forced periodic change of passwords is no longer recommended")
ADVICE = (
    Advice(
        text=_OBSOLETE, source="NIST SP 800-63B-4 (2025), 3.1.1.2: SHALL NOT; in 2017, 5.1.1.2: SHOULD NOT"
    ),
    Advice(text=_OBSOLETE, source="PPC Q&A 10-19: lists re-use, length and lock-out, not periodic change"),
    Advice(text=_OBSOLETE, source="PrivacyMark examination, April 2018: expiry taken out of the examples"),
)


class Limits(StackLimits, frozen=True, kw_only=True):
    """Settings of `password-rotation`."""

    max_age: Annotated[
        Duration, Meta(description="a password is changed at least this often; counted in whole days")
    ] = Duration("90d")


def _watch(shadow: ShadowFacts) -> Iterator[str]:
    """Name the passwords that wait to be changed: shadow(5) does not keep since when."""
    for entry in shadow.entries:
        if entry.state is PasswordState.SET and entry.changed_day == 0:
            yield _awaited(entry)


def _awaited(entry: ShadowEntry) -> str:
    return f"must-change:{entry.name}"


@check(
    "password-rotation",
    kind=TargetKind.HOST,
    severity=Severity.MEDIUM,
    controls=("ISO27001:A.5.17", "NIST800-53:IA-5(1)"),
    watch=_watch,
    apart={CHANGES: watch_changes},
    platforms=support(
        verified=DEBIANS,
        look_alike=(Platform.ALPINE,),
        documented=(Platform.UBUNTU, Platform.RHEL, Platform.FEDORA, Platform.AMAZON, Platform.SUSE),
    ),
)
def password_rotation(
    accounts: AccountsFacts,
    shadow: ShadowFacts,
    names: Fact[NamesFacts],
    *,
    pam: Fact[PamFacts],
    sshd: Fact[SshdFacts],
    changes: Fact[PasswordChangesFacts],
    options: Limits,
    clock: Clock,
    history: History,
) -> Iterator[Outcome]:
    """Judge every account by its own line; key-only and locked ones are not applicable."""
    today = (clock.as_of - _EPOCH).days
    waits = {
        entry.name: (clock.as_of - since).days
        for entry in shadow.entries
        if (since := history.since("password-rotation", _awaited(entry)))
    }
    in_use = 0
    lines = grouped((it.name, it) for it in accounts.accounts)
    entries = grouped((it.name, it) for it in shadow.entries)
    damaged = frozenset(shadow.malformed)
    for name, (account, *more) in sorted(lines.items()):
        own = entries.get(name, ())
        unclear = bool(more) or len(own) > 1 or bool({name, "?"} & damaged)
        outcomes = tuple(_account(account, own, options, today, unclear=unclear, waited=waits.get(name, 0)))
        in_use += any(it.result is not Result.NOT_APPLICABLE for it in outcomes)
        yield from outcomes
    yield from _shared(accounts, shadow)
    yield from _unreadable(accounts, shadow)
    yield _defaults(accounts, options)
    yield from _directory(accounts, names)
    yield from judge_changes(shadow, accounts.shadow_changed, changes, history)
    yield from judge_stacks(pam, sshd, shadow, options)
    if not in_use:
        yield Outcome(
            subject=Subject(kind="host", name=""),
            result=Result.PASS,
            summary=say("no account has a password that ages"),
            expected=_expected(options),
            actual=say("{count} accounts, none with a usable password", count=len(shadow.entries)),
            advice=ADVICE,
        )


def _account(
    account: Account,
    entries: Sequence[ShadowEntry],
    options: Limits,
    today: int,
    *,
    unclear: bool,
    waited: int,
) -> Iterator[Outcome]:
    subject = Subject(kind="account", name=account.name)

    def fail(summary: Text, actual: Text) -> Outcome:
        return Outcome(
            subject=subject, result=Result.FAIL, summary=summary, expected=_expected(options), actual=actual
        )

    match account.field:
        case PasswordField.SET:
            yield fail(
                say("the password field of {name} in passwd is not the mark x", name=account.name),
                say("readable by everybody, and it cannot age"),
            )
            return
        case PasswordField.EMPTY:
            yield fail(say("{name} needs no password", name=account.name), say("empty field in passwd"))
            return
        case PasswordField.LOCKED:
            yield _idle(subject, options, say("{name} has no password", name=account.name))
            return
        case PasswordField.SHADOWED:
            pass
    if unclear:
        yield not_known(
            subject, Reason.CORRUPT, _expected(options), detail="its line is damaged or stands twice"
        )
    elif not entries:
        yield fail(say("{name} has no line in shadow", name=account.name), say("no line in shadow"))
    else:
        yield from _entry(subject, entries[0], options, today, waited=waited)


def _entry(
    subject: Subject, entry: ShadowEntry, options: Limits, today: int, *, waited: int
) -> Iterator[Outcome]:
    match entry.state:
        case PasswordState.EMPTY:
            yield Outcome(
                subject=subject,
                result=Result.FAIL,
                summary=say("{name} needs no password", name=entry.name),
                expected=_expected(options),
                actual=say("empty password"),
            )
        case PasswordState.INVALID:
            yield Outcome(
                subject=subject,
                result=Result.WARN,
                summary=say("the password field of {name} is neither a hash nor a lock", name=entry.name),
                expected=_expected(options),
                actual=say("no usable password is known"),
            )
        case PasswordState.SET if entry.damaged:
            yield not_known(
                subject, Reason.CORRUPT, _expected(options), detail="a day in shadow is no number"
            )
        # A day later than the date: the last of the ways that still took the password is closed by then.
        case PasswordState.SET if entry.expire_day is not None and today > entry.expire_day:
            yield _idle(subject, options, say("the account {name} is expired", name=entry.name))
        case PasswordState.SET:
            yield _age(subject, entry, options, today, waited=waited)
            yield _hash(entry)
        case _:
            yield _idle(subject, options, say("{name} has no usable password", name=entry.name))


def _age(subject: Subject, entry: ShadowEntry, options: Limits, today: int, *, waited: int) -> Outcome:
    limit = options.max_age.days
    most = "-" if entry.max_days is None else str(entry.max_days)

    def outcome(result: Result, summary: Text, actual: Text) -> Outcome:
        return Outcome(
            subject=subject,
            result=result,
            summary=summary,
            expected=_expected(options),
            actual=actual,
            advice=ADVICE,
        )

    if entry.changed_day is None:
        return outcome(
            Result.FAIL, say("the password of {name} does not age", name=entry.name), say("no day of change")
        )
    if entry.changed_day > today:
        return outcome(
            Result.FAIL,
            say("the password of {name} was changed in the future", name=entry.name),
            say("{days} days from now", days=entry.changed_day - today),
        )
    age = today - entry.changed_day
    if entry.max_days is None or entry.max_days > limit:
        return outcome(
            Result.FAIL,
            say("the password of {name} may stay too long", name=entry.name),
            say("at most {most} days", most=most),
        )
    if entry.changed_day == 0:
        # An order to change is no change: after a whole period of it the password is as old as that.
        return outcome(
            Result.FAIL if waited > limit else Result.WARN,
            say("{name} must change the password at the next log-in", name=entry.name),
            say("not changed since it was first seen, {days} days ago", days=waited)
            if waited
            else say("not changed yet"),
        )
    if age > limit:
        return outcome(
            Result.FAIL,
            say("the password of {name} was not changed in time", name=entry.name),
            say("changed {age} days ago, expired after {most}", age=age, most=most),
        )
    return outcome(
        Result.PASS,
        say("the password of {name} was changed in time", name=entry.name),
        say("changed {age} days ago, at most {most} days", age=age, most=most),
    )


def _hash(entry: ShadowEntry) -> Outcome:
    if entry.algorithm in _WEAK:
        result = Result.FAIL
    elif entry.algorithm not in _STRONG or (entry.rounds is not None and entry.rounds < _FEWEST_ROUNDS):
        result = Result.WARN
    else:
        result = Result.PASS
    return Outcome(
        subject=Subject(kind="password-hash", name=entry.name),
        result=result,
        summary=say("the password of {name} is kept as {kind}", name=entry.name, kind=entry.algorithm),
        expected=say(
            "yescrypt, bcrypt, scrypt, or SHA-2 with at least {rounds} rounds", rounds=_FEWEST_ROUNDS
        ),
        actual=say("{kind}, {rounds} rounds", kind=entry.algorithm, rounds=entry.rounds)
        if entry.rounds is not None
        else say("{kind}", kind=entry.algorithm),
    )


def _shared(accounts: AccountsFacts, shadow: ShadowFacts) -> Iterator[Outcome]:
    """Name accounts with the identical hash; a locked one counts, since the lock is one character."""
    here = {it.name for it in accounts.accounts}
    classes: dict[int, list[ShadowEntry]] = {}
    for entry in shadow.entries:
        if entry.shared and entry.name in here:
            classes.setdefault(entry.shared, []).append(entry)
    for group in classes.values():
        names = sorted({it.name for it in group})
        if len(names) > 1 and any(it.state is PasswordState.SET for it in group):
            yield Outcome(
                subject=Subject(kind="shared-password", name=", ".join(names)),
                result=Result.FAIL,
                summary=say("{names} have the same password", names=", ".join(names)),
                expected=say("a password of its own for every account"),
                actual=say("identical hash"),
            )


def _unreadable(accounts: AccountsFacts, shadow: ShadowFacts) -> Iterator[Outcome]:
    """Name damaged lines that belong to no account judged above."""
    here = {it.name for it in accounts.accounts}
    for kind, names in (("passwd-line", accounts.malformed), ("shadow-line", shadow.malformed)):
        for name in sorted(set(names) - here):
            yield not_known(
                Subject(kind=kind, name=name),
                Reason.CORRUPT,
                say("a line of plain fields"),
                detail="damaged line",
            )


def _defaults(accounts: AccountsFacts, options: Limits) -> Outcome:
    """Judge login.defs: what accounts made from now on get."""
    days = accounts.pass_max_days
    kept = days is not None and 0 <= days <= options.max_age.days
    return Outcome(
        subject=Subject(kind="login.defs", name="PASS_MAX_DAYS"),
        result=Result.PASS if kept else Result.WARN if accounts.login_defs else Result.NOT_APPLICABLE,
        summary=say(
            "new accounts get a password for at most {days} days", days="-" if days is None else days
        ),
        expected=say("at most {days} days", days=options.max_age.days),
        actual=say("PASS_MAX_DAYS {days}", days="-" if days is None else days),
        advice=ADVICE if not kept and accounts.login_defs else (),
    )


def _directory(accounts: AccountsFacts, names: Fact[NamesFacts]) -> Iterator[Outcome]:
    """Passwords of a directory age there, out of this host's sight."""
    expected = say("judged where the password is kept")
    if isinstance(names, Unknown):
        yield not_known(Subject(kind="name-service", name=""), names.reason, expected, detail=names.detail)
        return
    for source in names.value.remote:
        if source != "compat" or accounts.nis_lines:
            yield not_known(
                Subject(kind="name-service", name=source),
                Reason.OUTSIDE_HOST,
                expected,
                detail=f"passwords kept by {source}",
            )


def _idle(subject: Subject, options: Limits, summary: Text) -> Outcome:
    return Outcome(
        subject=subject,
        result=Result.NOT_APPLICABLE,
        summary=summary,
        expected=_expected(options),
        actual=say("no usable password"),
    )


def _expected(options: Limits) -> Text:
    return say("changed within {days} days, and limited to that", days=options.max_age.days)
