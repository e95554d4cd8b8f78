"""Stacks of PAM: rules read as pam.conf(5) describes them, and walked as libpam does."""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from msgspec import Struct

from collectors.evidence import Reason
from config.errors import ParseError

_RETURN_CODES = frozenset(
    {"success", "open_err", "symbol_err", "service_err", "system_err", "buf_err", "perm_denied", "auth_err"}
    | {
        "cred_insufficient",
        "authinfo_unavail",
        "user_unknown",
        "maxtries",
        "new_authtok_reqd",
        "acct_expired",
    }
    | {"session_err", "cred_unavail", "cred_expired", "cred_err", "no_module_data", "conv_err", "authtok_err"}
    | {"authtok_recover_err", "authtok_lock_busy", "authtok_disable_aging", "try_again", "ignore", "abort"}
    | {"authtok_expired", "module_unknown", "bad_item", "conv_again", "incomplete"}
)
FAILURES = tuple(sorted(_RETURN_CODES - {"success", "new_authtok_reqd", "incomplete"}))
_KEYWORDS: Mapping[str, Mapping[str, str]] = {
    "required": {"success": "ok", "new_authtok_reqd": "ok", "ignore": "ignore", "default": "bad"},
    "requisite": {"success": "ok", "new_authtok_reqd": "ok", "ignore": "ignore", "default": "die"},
    "sufficient": {"success": "done", "new_authtok_reqd": "done", "default": "ignore"},
    "optional": {"success": "ok", "new_authtok_reqd": "ok", "default": "ignore"},
}
_PAIR = re.compile(r" *([a-z_]+) *= *(ok|done|bad|die|ignore|reset|[0-9]{1,4})(?= |$)")
_DEEPEST = 16
"""PAM_SUBSTACK_MAX_LEVEL"""
_MOST_LINES = 200
"""lines of all files of one stack; files that include each other have no end"""
_MOST_STATES = 20_000
"""places in a stack that are looked at; real stacks have some hundred"""


class LostError(ParseError):
    """A stack that cannot be followed, and why."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Rule(Struct, frozen=True, kw_only=True):
    """One module of a stack, or the place where a substack begins."""

    level: int
    """how many substacks it stands in"""
    module: str
    """without folder and `.so`; empty when libpam could not read the line, which then always fails"""
    args: tuple[str, ...] = ()
    control: Mapping[str, str] = {}
    """action of each return code that is named, and `default`"""
    is_substack: bool = False

    def action(self, code: str) -> str:
        """What libpam does after this return code."""
        return self.control.get(code) or self.control.get("default", "bad")

    def number(self, name: str) -> int | None:
        """The number of the last argument `name=N`; raises LostError when it is no number."""
        for arg in reversed(self.args):
            word, sign, value = arg.lower().partition("=")
            if word == name and sign:
                if value == "?":
                    raise LostError(Reason.UNPARSABLE, f"{self.module}: {name} is no number")
                return int(value)
        return None


Files = Mapping[str, "tuple[str, ...] | Reason | None"]
"""by name: its lines, why they cannot be seen, or None when there is no such file"""


def read_stack(files: Files, service: str, kind: str) -> tuple[Rule, ...]:
    """Return the rules of one kind for a service; a kind it does not speak of is that of `other`.

    Raises LostError when a file cannot be seen, or for more rules than a real stack has.
    """
    own = files.get(service) is not None
    rules = tuple(_Reader(files, kind).rules(service, 0, everything=True)) if own else ()
    return rules or tuple(_Reader(files, kind).rules("other", 0, everything=True))


class _Reader:
    """Reads the rules of one kind, file by file."""

    def __init__(self, files: Files, kind: str) -> None:
        self.files = files
        self.kind = kind
        self.steps = 0

    def rules(self, name: str, level: int, *, everything: bool) -> Iterator[Rule]:
        lines = self.files.get(name, Reason.PROBE_CUT)
        if isinstance(lines, Reason):
            raise LostError(lines, f"rules of {name}")
        if lines is None:
            yield Rule(level=level, module="")
            return
        for line in lines:
            self.steps += 1
            if self.steps > _MOST_LINES or level >= _DEEPEST:
                raise LostError(Reason.LIMIT, "more rules than can be followed")
            words = re.findall(r"\[[^\]]*\]|[^ ]+", line)
            match words:
                case ["@include", *rest]:
                    # Debian's own word: all kinds of the other file, in place.
                    yield from self.rules(rest[0] if rest else "", level, everything=everything)
                case ["auth" | "account" | "password" as kind, *_]:
                    if kind == self.kind:
                        yield from self._rule(words, level)
                # libpam installs what it cannot read as a module that fails, where it may do the most harm.
                case [_, *_] if self.kind == "auth" or not everything:
                    yield Rule(level=level, module="")

    def _rule(self, words: list[str], level: int) -> Iterator[Rule]:
        _, control, module = (*words, "", "")[:3]
        if control == "include":
            yield from self.rules(module, level, everything=False)
        elif control == "substack":
            yield Rule(level=level, module=module, is_substack=True)
            yield from self.rules(module, level + 1, everything=False)
        else:
            known = module.strip("?")
            yield Rule(level=level, module=known, args=tuple(words[3:]), control=_actions(control))


def _actions(control: str) -> Mapping[str, str]:
    if not control.startswith("["):
        return _KEYWORDS.get(control, {})
    actions: dict[str, str] = {}
    text, at = control[1:-1].rstrip(), 0
    while at < len(text):
        found = _PAIR.match(text, at)
        if found is None or found[1] not in _RETURN_CODES | {"default"} or found[2].strip("0") == "":
            return {}  # one error, and libpam takes everything as bad
        # `default` fills what no word before it has named; a word after it still counts.
        if found[1] != "default" or "default" not in actions:
            actions[found[1]] = found[2]
        at = found.end()
    return actions


Carry = TypeVar("Carry", bound=Hashable)
Answers = Callable[[Rule, Carry], Iterable[tuple[str, Carry]]]
"""what a module may return when it is called, and what is true afterwards"""


class _Place(NamedTuple):
    """Where a walk stands and what libpam keeps meanwhile."""

    at: int
    """the next rule"""
    before: int
    """level of the rule before it"""
    impression: int
    """-1, 0, or 1: what the stack has decided so far"""
    good: bool
    """whether the status so far is success"""
    saved: tuple[tuple[int, bool], ...]
    """impression and status as they were where each substack around it began"""


def walk(stack: tuple[Rule, ...], answers: "Answers[Carry]", start: Carry) -> frozenset[tuple[bool, Carry]]:
    """Return every end the stack can come to: whether it says yes, and what is true then.

    The rules of `_pam_dispatch_aux`. Raises LostError for a stack with too many ways.
    """
    ends: set[tuple[bool, Carry]] = set()
    seen: set[tuple[_Place, Carry]] = set()
    todo = [(_Place(0, 0, 0, good=False, saved=((0, False),)), start)]
    while todo:
        place, carry = todo.pop()
        if (place, carry) in seen:
            continue
        seen.add((place, carry))
        if len(seen) > _MOST_STATES:
            raise LostError(Reason.LIMIT, "a stack with too many ways")
        if place.at == len(stack):
            ends.add((place.good and place.impression > 0, carry))
            continue
        rule = stack[place.at]
        if rule.level > place.before:
            held = (*place.saved[: rule.level], (place.impression, place.good))
            place = place._replace(saved=held)
        if rule.is_substack:
            todo.append((place._replace(at=place.at + 1, before=rule.level), carry))
            continue
        for code, after in answers(rule, carry) if rule.module else (("perm_denied", carry),):
            todo.append((_after(stack, place, code), after))
    return frozenset(ends)


def _after(stack: tuple[Rule, ...], place: _Place, code: str) -> _Place:
    """Where libpam goes on when the rule at this place has returned that code."""
    rule = stack[place.at]
    action = rule.action(code)
    left, impression, good = place.at + 1, place.impression, place.good
    match action:
        case "ok" | "done":
            if impression == 0 or (impression > 0 and good):
                impression, good = 1, code == "success"
            if action == "done" and impression > 0:
                left = _end_of_level(stack, place.at)
        case "bad" | "die":
            impression, good = -1, False
            if action == "die":
                left = _end_of_level(stack, place.at)
        case "reset":
            impression, good = place.saved[rule.level]
        case "ignore":
            pass
        case _:
            left, missing = _jump(stack, place.at, int(action))
            if missing:
                impression, good = -1, False
    return _Place(left, rule.level, impression, good, place.saved)


def _end_of_level(stack: tuple[Rule, ...], at: int) -> int:
    return next((i for i in range(at + 1, len(stack)) if stack[i].level < stack[at].level), len(stack))


def _jump(stack: tuple[Rule, ...], at: int, count: int) -> tuple[int, int]:
    """Skip so many rules, a whole substack counting as one; return the next place and what was missing."""
    level, here = stack[at].level, at + 1
    while here < len(stack) and stack[here].level >= level and count > 0:
        here += 1
        while here < len(stack) and stack[here].level > level:
            here += 1
        count -= 1
    return here, count
