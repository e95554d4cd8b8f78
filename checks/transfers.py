"""People who moved to another post: what they keep of the former one is named here."""

from checks.account_view import View
from checks.model import Clock, Outcome, Result, Subject, not_known
from checks.scene import OWNED
from checks.text import say
from collectors.evidence import Reason
from collectors.probes.accounts import Account
from collectors.sources.roster import Person


def judge_transfer(view: View, account: Account, person: Person, clock: Clock) -> Outcome | None:
    """Warn of groups that nobody compared with the new post; None when nothing is kept, or nobody moved."""
    moved = person.transferred_on
    if moved is None or clock.as_of < clock.end_of(moved):
        return None
    subject = Subject(kind="account", name=account.name)
    if view.accounts.groups is None:
        return not_known(subject, Reason.CORRUPT, OWNED, detail="groups cannot be read")
    groups = sorted(it.name for it in view.accounts.groups if account.name in it.members)
    if not groups:
        return None
    return Outcome(
        subject=subject,
        result=Result.WARN,
        summary=say(
            "{name} moved on {day}: groups are not compared with the new post",
            name=account.name,
            day=moved.isoformat(),
        ),
        expected=say("only the groups of the new post"),
        actual=say("in {groups}", groups=", ".join(groups)),
    )
