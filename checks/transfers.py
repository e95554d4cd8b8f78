"""People who moved to another post: what they keep of the former one is named here."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from msgspec.structs import replace

from checks.closure import Standing, closure
from checks.model import Outcome, Result, Subject, not_known
from checks.moves import EXPECTED, Move, move_of
from checks.scene import OWNED, Scene
from checks.stores_kept import stores_kept, stores_unseen
from checks.sudo_reach import Reach, perhaps, reach
from checks.sudo_rights import holder_of
from checks.text import say
from collectors.evidence import Reason
from collectors.facts import Known, Unknown
from collectors.probes.accounts import Account
from collectors.sources.roster import Person
from config.model import Post

ROOT_GROUPS = frozenset(
    {"root", "sudo", "wheel", "admin", "docker", "lxd", "incus-admin", "libvirt", "disk", "shadow", "adm"}
)
"""groups whose members can become root, or read what only root should (`adm`: all logs)"""


def judge_transfer(scene: Scene, account: Account, person: Person) -> Outcome | None:
    """Compare groups, rules and stores with the new post; None when nobody moved, or not long enough ago.

    What the post does not allow fails. Where no post is declared, what is kept is a warning.
    """
    move = move_of(scene, person)
    if move is None or closure(scene.view, account).standing is Standing.CLOSED:
        return None
    subject = Subject(kind="account", name=account.name)
    groups = _groups(scene, account)
    kept = {name: gid for name, gid in groups.items() if not _allowed(name, move.posts)}
    rights = _rights(scene, account, kept, by_name=not any(it.sudo for it in move.posts))
    what = _said(kept, rights, stores_kept(scene, account, move))
    if what and move.comparable:
        return _kept(subject, move, what)
    for reason, detail in (*_unseen(scene, account), *stores_unseen(scene, account, move)):
        return not_known(subject, reason, EXPECTED if move.posts else OWNED, detail=detail)
    if what:
        return _kept(subject, move, what)
    if not move.posts:
        return None
    return Outcome(
        subject=subject,
        result=Result.PASS,
        summary=say(
            "{name} moved on {day} and keeps nothing of the former post",
            name=account.name,
            day=move.day.isoformat(),
        ),
        expected=EXPECTED,
        actual=say("in {count} groups, all of the new post", count=len(groups)),
    )


def _kept(subject: Subject, move: Move, what: str) -> Outcome:
    return Outcome(
        subject=subject,
        result=move.result,
        summary=move.kept(subject.name, what),
        expected=EXPECTED,
        actual=say("{what}", what=what),
    )


def _groups(scene: Scene, account: Account) -> dict[str, int]:
    """Name all groups of an account but the one that is its own."""
    view = scene.view
    found = {
        it.name: it.gid
        for it in view.accounts.groups or ()
        if it.gid == account.gid or account.name in it.members
    }
    if isinstance(view.names, Known):
        found |= {
            it.group: it.gid
            for it in view.names.value.memberships or ()
            if it.account == account.name and it.group
        }
    # useradd(8), USERGROUPS_ENAB: a group of the same name that is the primary one.
    return {name: gid for name, gid in sorted(found.items()) if (name, gid) != (account.name, account.gid)}


def _allowed(name: str, posts: tuple[Post, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for post in posts for pattern in post.groups)


def _rights(scene: Scene, account: Account, kept: Mapping[str, int], *, by_name: bool) -> Reach | None:
    """Sum up what sudo gives by name or by a group that is not the post's."""
    if isinstance(scene.sudo, Unknown):
        return None
    whole = holder_of(scene.view, account)
    holder = replace(whole, groups=frozenset(kept) & whole.groups, gids=frozenset(kept.values()))
    if not by_name:
        holder = replace(holder, name="", uid=None)
    return reach(scene.sudo.value, holder, scene.view.now, own=True)


def _said(kept: Mapping[str, int], rights: Reach | None, stores: str) -> str:
    listed = ", ".join(f"{it} (root)" if it in ROOT_GROUPS else it for it in kept)
    parts = [f"groups {listed}"] if listed else []
    if rights:
        parts.append(f"{rights.text()} by {', '.join(rights.places[:5])}")
    if stores:
        parts.append(stores)
    return "; ".join(parts)


def _unseen(scene: Scene, account: Account) -> tuple[tuple[Reason, str], ...]:
    """Say what hides groups or rules of an account; that no rule could be read is said once a host."""
    view = scene.view
    if view.accounts.groups is None:
        return ((Reason.CORRUPT, "groups cannot be read"),)
    if isinstance(view.names, Unknown):
        return ((view.names.reason, view.names.detail or "groups of name services"),)
    names = view.names.value
    remote = [it for it in names.remote_groups if it != "compat" or view.accounts.nis_lines]
    if remote and names.memberships is None:
        return ((Reason.TIMEOUT, f"groups in {', '.join(remote)}"),)
    if remote and account.name not in names.asked:
        return ((Reason.NOT_COLLECTED, f"not looked up in {', '.join(remote)}"),)
    # A directory that is down answers like one that does not know the name.
    if remote and not names.memberships and not names.answered:
        return ((Reason.OUTSIDE_HOST, f"{', '.join(remote)} named nobody, so it may be down"),)
    nameless = holder_of(view, account).gids - {it.gid for it in view.accounts.groups}
    nameless -= {it.gid for it in names.memberships or () if it.group}
    if nameless:
        return ((Reason.UNDETERMINED, f"the name of the group with gid {min(nameless)}"),)
    if isinstance(scene.sudo, Known):
        hidden = perhaps(scene.sudo.value, holder_of(view, account))
        if hidden:
            return ((Reason.OUTSIDE_HOST, f"whom the rule {hidden[0]} is for"),)
    return ()
