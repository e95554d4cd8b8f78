"""What is left of an account that is closed or gone: a new kind of residue is named here."""

from collections.abc import Iterator

from checks.account_view import View
from checks.leavers import Register
from checks.model import Outcome, Result, Subject, not_known
from checks.scene import NOTHING_LEFT, Scene
from checks.sudo_rights import rules_left
from checks.text import say
from collectors.evidence import Reason
from collectors.facts import Known
from collectors.probes.accounts import Account


def judge_residue(scene: Scene, account: Account | None, name: str) -> Outcome | None:
    """Warn of what a closed account leaves behind; None when nothing is there."""
    view = scene.view
    homes = () if account else homes_of(view, name)
    left = (
        *_residue(view, account, name),
        *rules_left(scene, account, name, dict(homes)),
        *(_home(name, *home) for home in homes),
    )
    if not left:
        return None
    # Given to root is put away; given to anybody else is within another person's reach.
    reused = any(owner not in (None, "root") for _, owner in homes)
    what = ", ".join(left)
    return Outcome(
        subject=Subject(kind="residue", name=name),
        result=Result.FAIL if reused else Result.WARN,
        summary=say("left behind by {name}: {what}", name=name, what=what),
        expected=NOTHING_LEFT,
        actual=say("{what}", what=what),
    )


def judge_lost_homes(view: View, register: Register) -> Iterator[Outcome]:
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
                expected=NOTHING_LEFT,
                actual=say("uid {uid}", uid=home.uid),
            )


def judge_other_stores(scene: Scene) -> Iterator[Outcome]:
    """Say once that programs with passwords of their own may know people who left (A25)."""
    stores = scene.view.residue.value.stores if isinstance(scene.view.residue, Known) else ()
    if stores and any(it.deadline <= scene.view.now for it in scene.register.leavers.values()):
        yield not_known(
            Subject(kind="other-accounts", name="samba"),
            Reason.OUTSIDE_HOST,
            NOTHING_LEFT,
            detail=f"who may log in to Samba, {', '.join(stores)}",
        )


def homes_of(view: View, name: str) -> tuple[tuple[int, str | None], ...]:
    """Owner uid and owner of the folder /home/NAME."""
    if not isinstance(view.residue, Known):
        return ()
    return tuple((it.uid, it.owner) for it in view.residue.value.homes or () if it.name == name)


def _residue(view: View, account: Account | None, name: str) -> tuple[str, ...]:
    """Name what is left of an account that is closed or gone."""
    found: list[str] = []
    keys = sum(len(file.keys) for left in (False, True) for file in view.key_files(name, left_behind=left))
    if keys:
        found.append(f"{keys} public key{'s' if keys > 1 else ''}")
    if isinstance(view.residue, Known):
        facts = view.residue.value
        found.extend(
            label
            for label, jobs in (
                ("crontab", facts.crontabs),
                ("system cron jobs", facts.system_jobs),
                ("system services", facts.services),
            )
            if any(it.account == name or (account and it.account == str(account.uid)) for it in jobs or ())
        )
        if account and account.uid in (facts.at_jobs or ()):
            found.append("at jobs")
        if name in (facts.linger or ()):
            found.append("linger flag")
        found.extend(
            f"{it.number} user service{'s' if it.number > 1 else ''}"
            for it in facts.units
            if it.account == name and it.number
        )
        if not account and name in facts.mail:
            found.append("mail")
    return tuple(found)


def _home(name: str, uid: int, owner: str | None) -> str:
    """Say whose the home of a deleted account is now."""
    return f"home /home/{name} of uid {uid}" + (f", now of {owner}" if owner else "")
