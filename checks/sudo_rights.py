"""What sudo and doas let people do who left or moved, and what of it is left behind."""

from collections.abc import Iterator, Mapping

from checks.account_view import View
from checks.model import Outcome, Subject, not_known
from checks.scene import Scene
from checks.sudo_reach import Holder, names_it, reach
from checks.text import say
from collectors.evidence import Reason
from collectors.facts import Known, Unknown
from collectors.probes.accounts import Account
from collectors.probes.sudo_rules import Rule

_EXPECTED = say("every rule of sudo and doas can be read")


def holder_of(view: View, account: Account) -> Holder:
    """Return an account with all groups it is in: primary, as a member, and by other name services."""
    groups = [
        (it.name, it.gid)
        for it in view.accounts.groups or ()
        if it.gid == account.gid or account.name in it.members
    ]
    if isinstance(view.names, Known):
        groups += [
            (it.group, it.gid) for it in view.names.value.memberships or () if it.account == account.name
        ]
    return Holder(
        name=account.name,
        uid=account.uid,
        groups=frozenset(name for name, _ in groups if name),
        gids=frozenset({account.gid, *(gid for _, gid in groups)}),
    )


def rights_of(scene: Scene, account: Account) -> tuple[str, ...]:
    """Say what an open account may do as somebody else."""
    if isinstance(scene.sudo, Unknown):
        return ()
    found = reach(scene.sudo.value, holder_of(scene.view, account), scene.view.now)
    return (f"then {found.text()} by {', '.join(found.places[:5])}",) if found else ()


def rules_left(
    scene: Scene, account: Account | None, name: str, owners: Mapping[int, str | None]
) -> tuple[str, ...]:
    """Name rules for an account that is closed or gone, and groups that still list it.

    `owners` are the uids it is known to have had, and whose they are now. A name or uid that is free is given
    to the next one who asks, and the rule with it.
    """
    found: list[str] = []
    for rule in scene.sudo.value.rules if isinstance(scene.sudo, Known) else ():
        label = f"{rule.tool} rule {rule.place}"
        if account:
            if names_it(rule, Holder(name=name, uid=account.uid)):
                found.append(label)
            continue
        heirs = ["whoever gets this name next"] if names_it(rule, Holder(name=name)) else []
        heirs += [
            f"{owner}, who has uid {uid} now" if owner else f"whoever gets uid {uid} next"
            for uid, owner in owners.items()
            if names_it(rule, Holder(name="", uid=uid))
        ]
        found.extend(f"{label}: {it} is root" if _gives_root(rule) else f"{label}: for {it}" for it in heirs)
    if not account:
        found.extend(
            f"a place in the group {it.name}: for whoever gets this name next"
            for it in scene.view.accounts.groups or ()
            if name in it.members
        )
    return tuple(found)


def _gives_root(rule: Rule) -> bool:
    return any(it.as_root and not it.denied and not it.number for it in rule.grants)


def judge_unseen_rules(scene: Scene) -> Iterator[Outcome]:
    """Say once a host which rules could not be read, where people left or moved."""
    if not _somebody(scene):
        return
    if isinstance(scene.sudo, Unknown):
        yield not_known(_subject(""), scene.sudo.reason, _EXPECTED, detail=scene.sudo.detail)
        return
    facts = scene.sudo.value
    if facts.damaged:
        listed = ", ".join(facts.damaged[:5])
        yield not_known(
            _subject("damaged"), Reason.CORRUPT, _EXPECTED, detail=f"{listed}: sudo leaves such lines out"
        )
    if facts.outside:
        yield not_known(
            _subject("outside"), Reason.OUTSIDE_HOST, _EXPECTED, detail=f"rules of {', '.join(facts.outside)}"
        )


def _somebody(scene: Scene) -> bool:
    """Whether rules matter to anybody on the roster: a leaver past the deadline, or one who moved."""
    moved = (
        it.transferred_on
        for it in scene.register.active.values()
        if it.left_on is None and any(scene.view.account(name) for name in it.accounts)
    )
    return any(it.deadline <= scene.view.now for it in scene.register.leavers.values()) or any(
        day is not None and scene.clock.end_of(day) <= scene.view.now for day in moved
    )


def _subject(name: str) -> Subject:
    return Subject(kind="sudo-rules", name=name)
