"""What the rules of sudo and doas let a person do on one host."""

from datetime import datetime

from msgspec import Struct

from collectors.probes.sudo import SudoFacts
from collectors.probes.sudo_rules import ANYBODY, Grant, Named, Rule, Who

_BOUND = (Named.USER, Named.UID)
"""entries that name one account, whoever has it"""


class Holder(Struct, frozen=True, kw_only=True):
    """An account as sudo sees it; any of it may be gone."""

    name: str
    uid: int | None = None
    groups: frozenset[str] = frozenset()
    gids: frozenset[int] = frozenset()


class Reach(Struct, frozen=True, kw_only=True):
    """What is left for a person after all rules that fit."""

    commands: int
    """0 means ALL"""
    as_root: bool
    nopasswd: bool
    places: tuple[str, ...]
    """`FILE:LINE` of the rules"""

    def text(self) -> str:
        """Say it in few words."""
        what = "ALL commands" if not self.commands else f"{self.commands} command{'s' * (self.commands > 1)}"
        target = " as root" if self.as_root else " as another account"
        return what + target + (" without a password" if self.nopasswd else "")


def names_it(rule: Rule, holder: Holder) -> bool:
    """Whether a rule names this very account, by name or uid."""
    return any(not who.negated and who.by in _BOUND and _fits(who, holder, rule.tool) for who in rule.users)


def fits(rule: Rule, holder: Holder) -> bool | None:
    """Whether a rule is for this account; None when only a name service could tell."""
    for who in reversed(rule.users):
        found = _fits(who, holder, rule.tool)
        if found is None:
            return None
        if found:
            return not who.negated
    return False


def reach(facts: SudoFacts, holder: Holder, now: datetime, *, own: bool = False) -> Reach | None:
    """Sum up the rules for an account that work now; None when it may run nothing.

    `own` leaves out what everybody may do. A rule that asks for the target account's password gives nothing
    that su(1) does not give, so it counts for nothing.
    """
    held: list[tuple[Rule, Grant]] = []
    foreign = _switch(facts, "foreign", holder, default=False)
    for rule in facts.rules:
        if (
            rule.idle
            or not rule.certain
            or fits(rule, holder) is not True
            or (own and _by(rule, holder) is Named.EVERYBODY)
        ):
            continue
        for grant in rule.grants:
            if (grant.not_before and now < grant.not_before) or (grant.not_after and now > grant.not_after):
                continue
            if foreign and not grant.nopasswd and not grant.denied:
                continue
            if not grant.number:
                # All commands, allowed or not: what was said of the same target users before is over.
                held = [it for it in held if it[0].tool != rule.tool or not _covers(grant, it[1])]
            if not grant.denied:
                held.append((rule, grant))
    if not held:
        return None
    asks = _switch(facts, "authenticate", holder, default=True)
    grants = [grant for _, grant in held]
    everything = not all(it.number for it in grants)
    return Reach(
        commands=0 if everything else sum(it.number for it in grants),
        as_root=any(it.as_root for it in grants),
        nopasswd=not asks or any(it.nopasswd for it in grants),
        places=tuple(dict.fromkeys(rule.place for rule, _ in held)),
    )


def perhaps(facts: SudoFacts, holder: Holder) -> tuple[str, ...]:
    """Places of rules of which this host cannot tell whether they are for the account."""
    return tuple(
        rule.place
        for rule in facts.rules
        if not rule.idle and (fits(rule, holder) is None or (fits(rule, holder) and not rule.certain))
    )


def _by(rule: Rule, holder: Holder) -> Named | None:
    """By which entry a rule fits."""
    return next((who.by for who in reversed(rule.users) if _fits(who, holder, rule.tool)), None)


def _fits(who: Who, holder: Holder, tool: str = "sudo") -> bool | None:
    # case_insensitive_user and case_insensitive_group are on in sudo by default; doas has no such thing.
    same = str.lower if tool == "sudo" else str
    match who.by:
        case Named.EVERYBODY:
            return True
        case Named.USER:
            return same(who.value) == same(holder.name)
        case Named.UID:
            return holder.uid is not None and who.value.lstrip("0") == str(holder.uid).lstrip("0")
        case Named.GROUP:
            return same(who.value) in {same(it) for it in holder.groups}
        case Named.GID:
            return who.value.lstrip("0") in {str(it).lstrip("0") for it in holder.gids}
        case _:
            return None


def _switch(facts: SudoFacts, name: str, holder: Holder, *, default: bool) -> bool:
    """Read the Defaults in their order; the last one that is for the account decides."""
    state = default
    for it in facts.switches:
        if it.name == name and (not it.users or _listed(it.users, holder)):
            state = it.on
    return state


def _listed(users: tuple[Who, ...], holder: Holder) -> bool:
    return next((not who.negated for who in reversed(users) if _fits(who, holder)), False)


def _covers(grant: Grant, other: Grant) -> bool:
    """Whether it is for all target users and groups the other one is for."""
    by_group = not other.runas.endswith(":")
    return grant.runas in (ANYBODY, other.runas) or (grant.runas == "ALL:" and not by_group)
