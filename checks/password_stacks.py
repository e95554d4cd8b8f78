"""Whether PAM refuses old and short passwords and ends guessing: judged by what its stacks come to."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from msgspec import Meta, structs

from checks.model import Options, Outcome, Result, Subject, not_known
from checks.text import Text, say
from collectors.evidence import Reason
from collectors.facts import Fact, Unknown
from collectors.pam_scenarios import Flaw
from collectors.probes.pam import AuthStack, PamFacts, PamService, PasswordStack
from collectors.probes.shadow import PasswordState, ShadowFacts
from collectors.probes.sshd import SshdFacts

_WHY = {
    Flaw.MISSING: "its module is not installed",
    Flaw.SKIPPED: "a way through the stack leads past it",
    Flaw.ASKS_AGAIN: "a later module asks for another password (no use_authtok)",
    Flaw.NOT_COUNTED: "wrong passwords are not counted on every way (authfail)",
    Flaw.NOT_REFUSED: "the right password still gets in when locked (preauth)",
}
_WEAK_HASHES = frozenset({"md5", "bigcrypt"})


class StackLimits(Options, frozen=True, kw_only=True):
    """What a promise may ask of PAM; 0 is not asked."""

    remember: Annotated[
        int, Meta(ge=0, le=400, description="earlier passwords that are refused; 0: not promised")
    ] = 0
    min_length: Annotated[
        int, Meta(ge=0, le=128, description="characters that a new password has at least; 0: not promised")
    ] = 0
    lockout_after: Annotated[
        int,
        Meta(ge=0, le=100, description="wrong passwords after which an account is locked; 0: not promised"),
    ] = 0


def judge_stacks(
    pam: Fact[PamFacts], sshd: Fact[SshdFacts], shadow: ShadowFacts, options: StackLimits
) -> Iterator[Outcome]:
    """Yield one outcome for services that do the same; nothing where nothing is set and nothing promised."""
    if isinstance(pam, Unknown):
        yield not_known(Subject(kind="pam", name=""), pam.reason, say("stacks of PAM"), detail=pam.detail)
        return
    promised = options.remember or options.min_length or options.lockout_after
    if not pam.value.installed:
        if promised:
            yield Outcome(
                subject=Subject(kind="pam", name=""),
                result=Result.FAIL,
                summary=say("no PAM: nothing remembers passwords or counts wrong ones"),
                expected=_expected(options),
                actual=say("not installed"),
            )
        return
    yield from _merged(_services(pam.value, sshd, shadow, options))


def _services(
    pam: PamFacts, sshd: Fact[SshdFacts], shadow: ShadowFacts, options: StackLimits
) -> Iterator[tuple[str, Outcome]]:
    for service in pam.services:
        if service.hidden:
            lost = not_known(
                Subject(kind="pam", name=service.name),
                service.hidden,
                _expected(options),
                detail=service.detail,
            )
            yield service.name, lost
        if service.password:
            yield from ((service.name, it) for it in _password(service.password, service, shadow, options))
        if service.auth and service.auth.asks_password and not _keys_only(service, sshd):
            yield from ((service.name, it) for it in _lock_out(service.auth, shadow, options))


def _merged(found: Iterable[tuple[str, Outcome]]) -> Iterator[Outcome]:
    """One outcome for all services of which the same is to be said."""
    groups: list[tuple[list[str], Outcome]] = []
    for name, outcome in found:
        for names, known in groups:
            if _as_for(known, "") == _as_for(outcome, ""):
                names.append(name)
                break
        else:
            groups.append(([name], outcome))
    for names, outcome in groups:
        yield _as_for(outcome, ", ".join(names))


def _as_for(outcome: Outcome, names: str) -> Outcome:
    return structs.replace(outcome, subject=Subject(kind=outcome.subject.kind, name=names))


def _keys_only(service: PamService, sshd: Fact[SshdFacts]) -> bool:
    """Whether sshd takes no password at all, so that nobody can guess one through it."""
    if service.name != "sshd" or isinstance(sshd, Unknown):
        return False
    it = sshd.value
    plain = it.match_blocks is False and not it.own_file and not it.other_daemon
    return plain and not (it.password_authentication or (it.kbd_interactive and it.use_pam))


def _password(
    stack: PasswordStack, service: PamService, shadow: ShadowFacts, options: StackLimits
) -> Iterator[Outcome]:
    if not stack.changes:
        # Only passwd(1) owes its user a change; elsewhere nothing stored is nothing to judge.
        if service.name == "passwd" and any(it.state is PasswordState.SET for it in shadow.entries):
            yield Outcome(
                subject=Subject(kind="password-stack", name=service.name),
                result=Result.WARN,
                summary=say("nobody can store a new password of their own"),
                expected=say("a new password can be stored"),
                actual=say("no way through the stack stores one"),
            )
        return
    if options.remember or stack.remember_asked:
        yield _kept(
            Subject(kind="password-history", name=service.name),
            holds=stack.remembered,
            asked=stack.remember_asked,
            promised=options.remember,
            flaw=stack.remember_flaw,
            summary=say("{count} earlier passwords are refused", count=stack.remembered),
            expected=say(
                "{count} earlier passwords are refused", count=options.remember or stack.remember_asked
            ),
        )
    if options.min_length or stack.length_asked:
        subject = Subject(kind="password-length", name=service.name)
        expected = say("at least {count} characters", count=options.min_length or stack.length_asked)
        if stack.min_length is None:
            if options.min_length:
                yield not_known(subject, Reason.UNSUPPORTED, expected, detail="a module that is not read")
        else:
            yield _kept(
                subject,
                holds=stack.min_length,
                asked=stack.length_asked,
                promised=options.min_length,
                flaw=stack.length_flaw,
                summary=say("new passwords have at least {count} characters", count=stack.min_length),
                expected=expected,
            )
    if stack.algorithm in _WEAK_HASHES:
        yield Outcome(
            subject=Subject(kind="password-hash-to-come", name=service.name),
            result=Result.WARN,
            summary=say("new passwords are kept as {kind}", kind=stack.algorithm),
            expected=say("yescrypt, bcrypt or SHA-2"),
            actual=say("pam_unix {kind}", kind=stack.algorithm),
        )


def _kept(
    subject: Subject,
    *,
    holds: int,
    asked: int,
    promised: int,
    flaw: Flaw | None,
    summary: Text,
    expected: Text,
) -> Outcome:
    """Fail below the promise; warn where a rule is set that has no effect."""
    result = Result.FAIL if holds < promised else Result.WARN if holds < asked else Result.PASS
    if flaw:
        actual = say("set to {asked}, holds {holds}: {why}", asked=asked, holds=holds, why=_WHY[flaw])
    else:
        actual = say("set to {asked}", asked=asked) if asked else say("not set")
    return Outcome(subject=subject, result=result, summary=summary, expected=expected, actual=actual)


def _lock_out(stack: AuthStack, shadow: ShadowFacts, options: StackLimits) -> Iterator[Outcome]:
    subject = Subject(kind="lock-out", name="")
    promised = options.lockout_after
    expected = (
        say("locked after at most {count} wrong passwords", count=promised)
        if promised
        else say("a rule that locks has effect")
    )
    after = stack.locks_after
    if after is None:
        if promised:
            yield not_known(subject, Reason.UNSUPPORTED, expected, detail="a module that is not read")
        return
    summary = (
        say("an account is locked after {count} wrong passwords", count=after)
        if after
        else say("no number of wrong passwords locks an account")
    )
    root = any(it.name == "root" and it.state is PasswordState.SET for it in shadow.entries)
    result, actual = Result.PASS, say("after {count}", count=after)
    if promised and not 0 < after <= promised:
        result, actual = Result.FAIL, say("after {count}", count=after) if after else say("never")
    elif not after and not stack.flaw:
        return
    elif after and not stack.forgets:
        result = Result.WARN
        actual = say("after {count}, counted across log-ins (no rule in account)", count=after)
    elif after and root and not stack.root_locks_after:
        result, actual = Result.WARN, say("after {count}, root never (even_deny_root)", count=after)
    if stack.flaw:
        result = result if result is Result.FAIL else Result.WARN
        actual = say("never: {why}", why=_WHY[stack.flaw])
    yield Outcome(subject=subject, result=result, summary=summary, expected=expected, actual=actual)


def _expected(options: StackLimits) -> Text:
    return say(
        "{remember} earlier passwords refused, {length} characters, locked after {count}; 0 is not promised",
        remember=options.remember,
        length=options.min_length,
        count=options.lockout_after,
    )
