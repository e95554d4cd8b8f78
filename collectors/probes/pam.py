"""What PAM does with a new password and with failed log-ins, found by following its stacks (pam.conf(5))."""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct

from collectors.evidence import Section
from collectors.facts import Facts, Probe
from collectors.probes.rows import broken, rows

_FOLDERS = ("/etc/pam.d/", "/usr/lib/pam.d/", "/usr/etc/pam.d/")
_SETTINGS = ("pwquality", "faillock", "pwhistory")
_TYPES = frozenset({"auth", "account", "password", "session"})
_HASHES = frozenset(
    {"yescrypt", "gost_yescrypt", "blowfish", "sha512", "sha256", "md5", "bigcrypt"}
)  # pam_unix(8)
_KEYWORDS: Mapping[str, Mapping[str, str]] = {
    "required": {"success": "ok", "new_authtok_reqd": "ok", "ignore": "ignore", "default": "bad"},
    "requisite": {"success": "ok", "new_authtok_reqd": "ok", "ignore": "ignore", "default": "die"},
    "sufficient": {"success": "done", "new_authtok_reqd": "done", "default": "ignore"},
    "optional": {"success": "ok", "new_authtok_reqd": "ok", "default": "ignore"},
}
"""pam.conf(5): what each keyword stands for"""
_NO_FAILURE = frozenset({"success", "new_authtok_reqd", "ignore"})
_RULE = re.compile(r"(-?[A-Za-z]+) +(\[[^\]]*\]|[^ \[]+) +([^ ]+) *(.*)")
_ACTION = re.compile(r"ok|done|bad|die|ignore|reset|[0-9]{1,3}")
_DEEPEST = 8
_MOST_STEPS = 20_000
"""ends of a stack that are followed; real ones have a few dozen"""


class PamFacts(Facts, frozen=True, kw_only=True):
    """What holds on every way on which PAM says yes; None where a stack could not be followed."""

    algorithm: str | None
    """how pam_unix keeps a password that passwd(1) sets; `login.defs` when its ENCRYPT_METHOD decides"""
    remembered: int | None
    """earlier passwords that passwd(1) refuses; 0 when none"""
    min_length: int | None
    """shortest password that passwd(1) takes from a user; 0 when nothing asks for a length"""
    lockout_auth: bool | None
    """sshd and login count failures with pam_faillock and refuse whom it locked"""
    lockout_account: bool | None
    """their account stacks have pam_faillock too, which forgets failures after a success"""
    even_deny_root: bool
    """pam_faillock locks root as well"""


class _Rule(Struct, frozen=True, kw_only=True):
    kind: str
    actions: Mapping[str, str]
    module: str
    args: tuple[str, ...]
    inner: tuple["_Rule", ...] | None = None
    """the rules of a substack"""


class _LostError(Exception):
    """A stack that cannot be followed."""


_Call = tuple[_Rule, bool]


class _End(Struct, frozen=True, kw_only=True):
    """One way through a stack: whether it says yes, and what each module called on it said."""

    yes: bool
    calls: tuple[_Call, ...]


class _Way(Struct, frozen=True, kw_only=True):
    """What libpam keeps while it walks (_pam_dispatch_aux)."""

    state: Literal["undecided", "yes", "no", "failed"] = "undecided"
    """`no` is a failure that counted as an answer (`default=ok`), `failed` one that is final"""
    calls: tuple[_Call, ...] = ()


class _Walk:
    """Follow every way through one stack."""

    def __init__(self) -> None:
        self.steps = 0

    def ends(self, stack: tuple[_Rule, ...], at: int, way: _Way) -> Iterator[_End]:
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise _LostError
        if at >= len(stack):
            # A jump over the end fails, and so does a stack that nobody decided.
            yield _End(yes=way.state == "yes" and at == len(stack), calls=way.calls)
            return
        rule = stack[at]
        for answer, action, calls in self._answers(rule):
            after = _Way(state=_next(way.state, action, answer=answer), calls=way.calls + calls)
            if (action == "die") or (action == "done" and after.state in ("yes", "no")):
                yield _End(yes=after.state == "yes", calls=after.calls)
            else:
                skip = int(action) if action.isdigit() else 0
                yield from self.ends(stack, at + 1 + skip, after)

    def _answers(self, rule: _Rule) -> Iterator[tuple[bool, str, tuple[_Call, ...]]]:
        if rule.inner is not None:
            # What ends a substack ends only it, and its answer counts as a required module's.
            for end in self.ends(rule.inner, 0, _Way()):
                yield end.yes, "ok" if end.yes else "bad", end.calls
            return
        default = rule.actions.get("default", "bad")
        if rule.module != "pam_deny":
            yield True, rule.actions.get("success", default), ((rule, True),)
        if rule.module != "pam_permit":
            failures = {action for name, action in rule.actions.items() if name not in _NO_FAILURE} | {
                default
            }
            for action in sorted(failures):
                yield False, action, ((rule, False),)


def _next(
    state: Literal["undecided", "yes", "no", "failed"], action: str, *, answer: bool
) -> Literal["undecided", "yes", "no", "failed"]:
    if action == "reset":
        return "undecided"
    if action in ("bad", "die"):
        return "failed"
    if action in ("ok", "done") and state in ("undecided", "yes"):
        return "yes" if answer else "no"
    return state


def parse(section: Section) -> PamFacts:
    """Follow the stacks of passwd, sshd and login; raises ParseError for what is no rule's line."""
    files: dict[str, tuple[str, ...] | None] = {}
    settings: dict[str, dict[str, int] | None] = {name: {} for name in _SETTINGS}
    for part in section.parts:
        folder, _, name = part.name.rpartition("/")
        lines = tuple(line for _, line in rows(part))
        if f"{folder}/" in _FOLDERS:
            if part.state != "absent":
                files[name] = lines if part.state == "read" else None
            continue
        which = "pwquality" if folder.endswith("/pwquality.conf.d") else name.removesuffix(".conf")
        if which not in settings:
            raise broken(part, 1, "no part of this probe")
        if part.state == "absent":
            continue
        held = settings[which]
        if part.state != "read" or held is None:
            settings[which] = None
            continue
        for number, line in rows(part):
            found = re.fullmatch(r"([a-z_]{1,40})(?:=(-?[0-9]{1,9}))?", line)
            if found is None:
                raise broken(part, number, "no setting")
            held[found[1]] = int(found[2] or "1")
    return _facts(files, settings)


def _facts(
    files: Mapping[str, tuple[str, ...] | None], settings: Mapping[str, dict[str, int] | None]
) -> PamFacts:
    password = _ways(files, "passwd", "password")
    logins = [name for name in ("sshd", "login") if name in files] or ["other"]
    auths = [_ways(files, name, "auth") for name in logins]
    accounts = [_ways(files, name, "account") for name in logins]
    faillock = settings["faillock"] or {}
    used = [
        call for ends in auths for end in ends or () for call, _ in end.calls if call.module == "pam_faillock"
    ]
    return PamFacts(
        algorithm=None if password is None else _algorithm(password),
        remembered=None if password is None else _remembered(password, settings["pwhistory"]),
        min_length=None if password is None else _min_length(password, settings["pwquality"]),
        lockout_auth=_every([None if ends is None else _locks(ends) for ends in auths]),
        lockout_account=_every(
            [None if ends is None else bool(_certain(ends, "pam_faillock")) for ends in accounts]
        ),
        even_deny_root="even_deny_root" in faillock or any("even_deny_root" in rule.args for rule in used),
    )


def _every(each: list[bool | None]) -> bool | None:
    if False in each:
        return False
    return None if None in each else True


def _ways(files: Mapping[str, tuple[str, ...] | None], service: str, kind: str) -> tuple[_End, ...] | None:
    """Return every way through a service's stack; None when it cannot be followed."""
    try:
        stack = tuple(_stack(files, service if service in files else "other", kind, 0))
        return tuple(_Walk().ends(stack, 0, _Way()))
    except _LostError:
        return None


def _stack(files: Mapping[str, tuple[str, ...] | None], name: str, kind: str, depth: int) -> Iterator[_Rule]:
    lines = files.get(name)
    if lines is None or depth > _DEEPEST:
        raise _LostError
    for line in lines:
        words = line.split()
        if not words:
            continue
        if words[0] == "@include":
            if len(words) != 2:  # noqa: PLR2004 (the word and a name)
                raise _LostError
            yield from _stack(files, words[1], kind, depth + 1)
            continue
        found = _RULE.fullmatch(line.strip())
        if found is None or found[1].lstrip("-").lower() not in _TYPES:
            # libpam refuses the whole service over such a line.
            raise _LostError
        if found[1].lstrip("-").lower() != kind:
            continue
        control = found[2].lower()
        if control == "include":
            yield from _stack(files, found[3], kind, depth + 1)
            continue
        module = found[3].rpartition("/")[2].removesuffix(".so")
        inner = tuple(_stack(files, found[3], kind, depth + 1)) if control == "substack" else None
        actions = {} if inner is not None else _actions(control)
        yield _Rule(kind=kind, actions=actions, module=module, args=tuple(found[4].split()), inner=inner)


def _actions(control: str) -> Mapping[str, str]:
    if not control.startswith("["):
        if control not in _KEYWORDS:
            raise _LostError
        return _KEYWORDS[control]
    actions: dict[str, str] = {}
    for pair in control[1:-1].split():
        name, _, action = pair.partition("=")
        if not re.fullmatch(r"[a-z_]+", name) or not _ACTION.fullmatch(action) or action == "0":
            raise _LostError
        actions[name] = action
    return actions


def _certain(ends: tuple[_End, ...], module: str) -> tuple[_Rule, ...]:
    """Return the module's rules that said yes on every way that says yes."""
    good = [end for end in ends if end.yes]
    if not good:
        return ()
    rules = [rule for rule, said in good[0].calls if said and rule.module == module]
    return tuple(rule for rule in rules if all((rule, True) in end.calls for end in good))


def _algorithm(ends: tuple[_End, ...]) -> str | None:
    named = {
        next((arg for arg in reversed(rule.args) if arg in _HASHES), "login.defs")
        for end in ends
        for rule, said in end.calls
        if end.yes and said and rule.module == "pam_unix"
    }
    return named.pop() if len(named) == 1 else None


def _passed_on(ends: tuple[_End, ...], rule: _Rule) -> bool:
    """Whether what this module judged is what pam_unix stores: it may not ask for another (use_authtok)."""
    for end in ends:
        if not end.yes:
            continue
        called = [call for call, _ in end.calls]
        later = called[called.index(rule) + 1 :]
        stored = [it for it in later if it.module == "pam_unix"]
        if not stored or any("use_authtok" not in it.args for it in stored):
            return False
    return True


def _remembered(ends: tuple[_End, ...], settings: dict[str, int] | None) -> int | None:
    counts = [0]
    for rule in _certain(ends, "pam_pwhistory"):
        if not _passed_on(ends, rule):
            continue
        count = _number(rule, "remember")
        if count is None and settings is None:
            return None
        # 10 is what pam_pwhistory(8) takes unasked.
        counts.append(count if count is not None else (settings or {}).get("remember", 10))
    counts += [_number(rule, "remember") or 0 for rule in _certain(ends, "pam_unix")]
    return max(counts)


def _min_length(ends: tuple[_End, ...], settings: dict[str, int] | None) -> int | None:
    lengths = [0]
    for rule in _certain(ends, "pam_pwquality"):
        if not _passed_on(ends, rule):
            continue
        if settings is None:
            return None
        held = settings | {
            name: int(value)
            for name, _, value in (arg.partition("=") for arg in rule.args)
            if re.fullmatch(r"-?[0-9]{1,6}", value)
        }
        if held.get("enforcing", 1) == 0:
            continue
        credit = sum(max(held.get(name, 0), 0) for name in ("dcredit", "ucredit", "lcredit", "ocredit"))
        # pwquality.conf(5): 8 unasked, never below 6; each credit makes up for a character.
        lengths.append(max(held.get("minlen", 8), 6) - credit)
    for module in ("pam_passwdqc", "pam_cracklib"):
        # Their lengths depend on kinds of characters in ways of their own.
        if _certain(ends, module):
            return None
    lengths += [_number(rule, "minlen") or 0 for rule in _certain(ends, "pam_unix")]
    return max(lengths)


def _locks(ends: tuple[_End, ...]) -> bool:
    """Whether failures are counted, and a locked user is refused whatever else succeeds."""
    refuses = any("preauth" in rule.args for rule in _certain(ends, "pam_faillock"))
    wrong = [
        end
        for end in ends
        if any(rule.module == "pam_unix" and not said for rule, said in end.calls)
        and all(said for rule, said in end.calls if "preauth" in rule.args)
    ]
    counts = all(
        end.yes or any(rule.module == "pam_faillock" and "authfail" in rule.args for rule, _ in end.calls)
        for end in wrong
    )
    return refuses and bool(wrong) and counts


def _number(rule: _Rule, name: str) -> int | None:
    for arg in reversed(rule.args):
        found = re.fullmatch(rf"{name}=([0-9]{{1,6}})", arg)
        if found:
            return int(found[1])
    return None


PROBE = Probe(name="pam", facts=PamFacts, parse=parse, cap_bytes=131_072, order=20)
