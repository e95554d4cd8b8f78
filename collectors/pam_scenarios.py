"""What a PAM stack comes to: whether an old password can be stored, and whether guessing has an end.

A module that is not known here may say yes or no, so a promise is kept only where no way leads past it.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum, StrEnum

from msgspec import Struct, structs

from collectors.evidence import Reason
from collectors.pam_stack import FAILURES, LostError, Rule, walk

_STORES = frozenset({"pam_unix", "pam_unix2", "pam_tcb"})
"""modules that keep the passwords of local accounts"""
_SILENT = frozenset(
    {"pam_localuser", "pam_succeed_if", "pam_usertype", "pam_echo", "pam_warn", "pam_rootok", "pam_permit"}
    | {"pam_deny", "pam_nologin", "pam_env", "pam_selinux", "pam_gnome_keyring", "pam_mount", "pam_ecryptfs"}
)
"""modules that never ask for a new password"""
_DIRECTORIES = frozenset(
    {"pam_sss", "pam_ldap", "pam_krb5", "pam_winbind", "pam_lsass", "pam_systemd_home", "pam_nis"}
)
"""modules that do not know the log-in name of a local account"""
_CHECKS = frozenset({"pam_pwhistory", "pam_pwquality"})
_PARTS = ("preauth", "authfail", "authsucc")
_MOST_REMEMBERED = 400  # pam_pwhistory(8)
_MOST_NUMBERS = 10
_SHORTEST = 6
"""pwquality.conf(5): a lower minlen counts as this"""

_FIRST_PERSON = 1000
"""lowest uid of a person, login.defs(5)"""
_COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    ">=": operator.ge, "ge": operator.ge, "<": operator.lt, "lt": operator.lt, ">": operator.gt,
    "gt": operator.gt, "<=": operator.le, "le": operator.le, "eq": operator.eq, "ne": operator.ne,
}  # fmt: skip
"""pam_succeed_if(8)"""

Settings = Mapping[str, "Mapping[str, int | None] | Reason"]
"""by name of the file: its settings, None for one that is no number, or why the file cannot be seen"""


class Flaw(StrEnum):
    """Why a rule has no effect."""

    MISSING = "missing"
    """its module is not installed"""
    SKIPPED = "skipped"
    """a way through the stack leads past it"""
    ASKS_AGAIN = "asks-again"
    """a later module asks for another password, which the rule never sees (no `use_authtok`)"""
    NOT_COUNTED = "not-counted"
    """a wrong password leaves no trace"""
    NOT_REFUSED = "not-refused"
    """the right password still gets in after too many wrong ones"""


class Demand(Struct, frozen=True, kw_only=True):
    """A number that rules of a stack ask for, and what of it cannot be got round."""

    asked: int
    """the highest that a rule asks for; 0 when none does"""
    holds: int
    """the highest that holds on every way; 0 when none does"""
    flaw: Flaw | None
    """why `holds` is less than `asked`"""


class Host(Struct, frozen=True, kw_only=True):
    """What is known beside the stacks."""

    settings: Settings
    installed: frozenset[str] | None
    """of the modules we know; None when the folder of modules was not found"""

    def has(self, rule: Rule) -> bool:
        """Whether the rule's module can be loaded."""
        known = rule.module in ("pam_pwhistory", "pam_faillock", "pam_pwquality")
        return self.installed is None or not known or rule.module in self.installed

    def setting(self, rule: Rule, file: str, name: str, default: int) -> int:
        """Return the number in force for this rule; raises LostError when it cannot be told."""
        if any(arg.startswith("conf=") for arg in rule.args):
            raise LostError(Reason.UNSUPPORTED, f"{rule.module} has a file of settings of its own")
        if (given := rule.number(name)) is not None:
            return given
        held = self.settings.get(file, {})
        if isinstance(held, Reason):
            raise LostError(held, f"{file}.conf")
        value = held.get(name, default)
        if value is None:
            raise LostError(Reason.UNPARSABLE, f"{file}.conf: {name} is no number")
        return value

    def says(self, rule: Rule, file: str, name: str) -> bool:
        """Whether a flag is set for this rule."""
        held = self.settings.get(file, {})
        return name in rule.args or (not isinstance(held, Reason) and name in held)

    def remembers(self, rule: Rule) -> int:
        """How many earlier passwords the rule refuses."""
        if rule.module == "pam_pwhistory":
            default = self.setting(rule, "pwhistory", "remember", 10)
            return min(max(default, 0), _MOST_REMEMBERED)
        return max(rule.number("remember") or 0, 0) if rule.module in _STORES else 0

    def is_off(self, rule: Rule) -> bool:
        """Whether pam_pwhistory was told to remember nothing, and then does not even ask."""
        return rule.module == "pam_pwhistory" and not self.remembers(rule)

    def min_length(self, rule: Rule) -> int:
        """Return the shortest password that the rule takes; pwquality's credits make up for characters."""
        if rule.module != "pam_pwquality":
            return max(rule.number("minlen") or 0, 0) if rule.module in _STORES else 0
        if self.setting(rule, "pwquality", "enforcing", 1) == 0:
            return 0
        credit = sum(max(self.setting(rule, "pwquality", f"{kind}credit", 0), 0) for kind in "dulo")
        return max(max(self.setting(rule, "pwquality", "minlen", 8), _SHORTEST) - credit, 0)

    def deny(self, rule: Rule) -> int:
        """After how many wrong passwords the rule refuses; 0 is never."""
        return self.setting(rule, "faillock", "deny", 3)


def _condition(rule: Rule, *, root: bool) -> bool | None:
    """Whether a module that only asks who it is says yes; None when that depends on more than we know."""
    uids = (0, 0) if root else (_FIRST_PERSON, 2**32 - 2)
    match rule.module, [word for word in rule.args if not word.startswith(("quiet", "use_uid", "debug"))]:
        case "pam_localuser" | "pam_permit", _:
            return True
        case "pam_deny" | "pam_rootok", _:
            return False
        case "pam_usertype", ["isregular"]:
            return not root
        case "pam_usertype", ["issystem"]:
            return root
        case "pam_succeed_if", ["uid", word, limit] if limit.isdigit() and word in _COMPARISONS:
            said = {_COMPARISONS[word](uid, int(limit)) for uid in uids}
            return said.pop() if len(said) == 1 else None
        case _:
            return None


def _either(rule: Rule, *, root: bool = False) -> Iterator[str]:
    """Return the codes of a module that is not played here: yes, and one for each way to take a no."""
    truth = _condition(rule, root=root)
    if truth is not None:
        yield "success" if truth else "auth_err"
    else:
        yield "success"
        yield from {rule.action(code): code for code in FAILURES}.values()


class Typed(IntEnum):
    """The new password that stands ready for the next module."""

    NONE = 0
    BAD = 1
    """one that the rules should refuse"""
    REFUSED = 2
    """one that the rules take and the module that stores it does not"""
    GOOD = 3


_New = tuple[Typed, bool, bool]
"""the password, whether a bad one was stored, whether a good one was"""


def demand(stack: tuple[Rule, ...], host: Host, limit: Callable[[Rule], int]) -> Demand:
    """Find what a stack of kind `password` demands of a new password that its owner chooses."""
    limits = [(limit(rule), host.has(rule)) for rule in stack if not rule.is_substack]
    asked = max((number for number, _ in limits), default=0)
    numbers = sorted({number for number, _ in limits if number}, reverse=True)
    if len(numbers) > _MOST_NUMBERS:
        raise LostError(Reason.LIMIT, "more rules than can be followed")

    def holding(rules: tuple[Rule, ...]) -> int:
        for number in numbers:
            ends = _change(rules, host, lambda rule, least=number: limit(rule) >= least)  # type: ignore[misc]
            if not any(bad for _, (_, bad, _) in ends):
                return number
        return 0

    holds = holding(stack)
    if holds == asked:
        return Demand(asked=asked, holds=holds, flaw=None)
    if not any(there for number, there in limits if number == asked):
        return Demand(asked=asked, holds=holds, flaw=Flaw.MISSING)
    # If every module after the first check took what that one was given, would it hold?
    first = next(i for i, rule in enumerate(stack) if rule.module in _CHECKS or rule.module in _STORES)
    mended = tuple(
        structs.replace(rule, args=(*rule.args, "use_authtok")) if i > first else rule
        for i, rule in enumerate(stack)
    )
    heals = holding(mended) == asked and can_change(mended, host)
    return Demand(asked=asked, holds=holds, flaw=Flaw.ASKS_AGAIN if heals else Flaw.SKIPPED)


def can_change(stack: tuple[Rule, ...], host: Host) -> bool:
    """Whether the owner of an account can have a good new password stored."""

    def first_pass(rule: Rule, asked: int) -> Iterator[tuple[str, int]]:
        """PAM_PRELIM_CHECK: the owner gives the right current password."""
        if not host.has(rule):
            yield "module_unknown", asked
        elif host.is_off(rule):
            yield "ignore", asked
        elif rule.module in _STORES and "use_first_pass" in rule.args and not asked:
            yield "auth_err", asked  # nobody has asked for the current password
        elif rule.module in _STORES | _CHECKS:
            yield "success", asked or rule.module in _STORES
        else:
            yield from ((code, asked or rule.module not in _SILENT) for code in _either(rule))

    ends = _change(stack, host, lambda _: False)
    return any(yes for yes, _ in walk(stack, first_pass, 0)) and any(good for _, (_, _, good) in ends)


def _change(
    stack: tuple[Rule, ...], host: Host, refuses: Callable[[Rule], bool]
) -> frozenset[tuple[bool, _New]]:
    """PAM_UPDATE_AUTHTOK, in which the owner may type anything wherever a module asks.

    pam_get_authtok(3): a module takes the password that stands ready; without one it asks, unless it was
    told `use_authtok`. One that it refuses it takes away.
    """

    def answers(rule: Rule, carry: _New) -> Iterator[tuple[str, _New]]:
        ready, bad, good = carry
        if not host.has(rule):
            yield "module_unknown", carry
        elif host.is_off(rule):
            yield "ignore", carry
        elif rule.module in _STORES:
            yield "authtok_err", (Typed.NONE, bad, good)
            takes = (Typed.GOOD,) if refuses(rule) else (Typed.BAD, Typed.GOOD)
            for one in _typed(rule, ready):
                # One that it refuses it asks for anew, three times in all.
                for kept in (one,) if one in takes else takes if _asks(rule) else ():
                    yield "success", (kept, bad or kept is Typed.BAD, good or kept is Typed.GOOD)
        elif rule.module in _CHECKS:
            for code, left in _checked(rule, ready, refuses):
                yield code, (left, bad, good)
        else:
            quiet = rule.module in _SILENT or not _asks(rule)
            for left in (ready,) if quiet else tuple(Typed):
                yield from ((code, (left, bad, good)) for code in _either(rule))

    return walk(stack, answers, (Typed.NONE, False, False))


def _asks(rule: Rule) -> bool:
    return not {"use_authtok", "use_first_pass"} & set(rule.args)


def _typed(rule: Rule, ready: Typed) -> tuple[Typed, ...]:
    if ready:
        return (ready,)
    return (Typed.BAD, Typed.REFUSED, Typed.GOOD) if _asks(rule) else ()


def _checked(rule: Rule, ready: Typed, refuses: Callable[[Rule], bool]) -> Iterator[tuple[str, Typed]]:
    yield "authtok_err", Typed.NONE
    for one in _typed(rule, ready):
        if not (one is Typed.BAD and refuses(rule)):
            yield "success", one
        elif _asks(rule) and (rule.number("retry") or 1) > 1:
            yield from (("success", other) for other in (Typed.REFUSED, Typed.GOOD))


class Lock(Struct, frozen=True, kw_only=True):
    """Whether a stack of kind `auth` ends the guessing of one account's password."""

    after: int
    """wrong passwords after which the right one is refused; 0 when it never is"""
    flaw: Flaw | None
    """why a rule for it has no effect"""


_Guess = tuple[bool, bool]
"""whether a module compared the password, and whether pam_faillock counted or, for a right one, forgot"""


def asks_password(stack: tuple[Rule, ...], host: Host) -> bool:
    """Whether the stack compares a password with the one that this host keeps."""
    return any(asked for _, (asked, _) in _log_in(stack, host, right=False))


def lock(stack: tuple[Rule, ...], host: Host, *, root: bool = False) -> Lock:
    """Find after how many wrong passwords an account is locked, a person's or root's."""
    rules = [rule for rule in stack if rule.module == "pam_faillock"]
    numbers = sorted({host.deny(it) for it in rules if not root or _takes_root(it, host)} - {0})
    if not numbers:
        return Lock(after=0, flaw=None)
    if not any(map(host.has, rules)):
        return Lock(after=0, flaw=Flaw.MISSING)
    wrong = _log_in(stack, host, right=False, root=root)
    if any(asked and not counted for _, (asked, counted) in wrong):
        return Lock(after=0, flaw=Flaw.NOT_COUNTED)
    for number in numbers:
        ends = _log_in(stack, host, right=True, root=root, failures=number)
        if not any(yes and asked for yes, (asked, _) in ends):
            return Lock(after=number, flaw=None)
    return Lock(after=0, flaw=Flaw.NOT_REFUSED)


def forgets(auth: tuple[Rule, ...], account: tuple[Rule, ...], host: Host) -> bool:
    """Whether a log-in ends the count of wrong passwords, so that only those in a row lock."""
    let_in = [done for yes, (_, done) in _log_in(auth, host, right=True) if yes]
    allowed = [done for yes, (_, done) in _log_in(account, host, right=True, account=True) if yes]
    return (bool(let_in) and all(let_in)) or (bool(allowed) and all(allowed))


def refuses_expired(account: tuple[Rule, ...], host: Host) -> bool:
    """Whether a stack of kind `account` lets in nobody whose account has expired, whatever others say.

    pam_unix(8) is who reads the date; a stack without it, or with a way past it, heeds no date.
    """

    def answers(rule: Rule, carry: None) -> Iterator[tuple[str, None]]:
        if not host.has(rule):
            yield "module_unknown", carry
        elif rule.module in _STORES:
            yield "acct_expired", carry
        elif rule.module in _DIRECTORIES:
            yield "user_unknown", carry
        elif rule.module == "pam_faillock":
            yield "success", carry
        else:
            yield from ((code, carry) for code in _either(rule))

    return not any(yes for yes, _ in walk(account, answers, None))


def _takes_root(rule: Rule, host: Host) -> bool:
    return host.says(rule, "faillock", "even_deny_root")


def _log_in(
    stack: tuple[Rule, ...],
    host: Host,
    *,
    right: bool,
    root: bool = False,
    failures: int = 0,
    account: bool = False,
) -> frozenset[tuple[bool, _Guess]]:
    """Give the right or a wrong password after so many wrong ones; or walk the `account` stack after that."""

    def answers(rule: Rule, carry: _Guess) -> Iterator[tuple[str, _Guess]]:
        asked, done = carry
        if not host.has(rule):
            yield "module_unknown", carry
        elif rule.module in _STORES:
            yield "success" if right else "auth_err", (asked or not account, done)
        elif rule.module == "pam_faillock":
            # pam_faillock(8): the account rule only ends the count, it refuses nobody.
            part = next((it for it in reversed(rule.args) if it in _PARTS), "preauth")
            locked = (not root or _takes_root(rule, host)) and 0 < host.deny(rule) <= failures
            if account:
                yield "success", (asked, True)
            elif locked:
                yield "auth_err", carry
            elif part == "authfail":
                yield "ignore", (asked, done or not right)
            else:
                yield "success", (asked, right if part == "authsucc" else done)
        elif rule.module in _DIRECTORIES:
            yield "user_unknown", carry
        else:
            yield from ((code, carry) for code in _either(rule, root=root))

    return walk(stack, answers, (False, False))
