"""What lets a leaver act on a host although the account is closed, gone or unseen: each is named here."""

from collections.abc import Iterator

from checks.leavers import Leaver
from checks.left_behind import homes_of
from checks.scene import Scene, stamp
from collectors.evidence import Reason
from collectors.facts import Known, Unknown
from collectors.probes.accounts import Account


def footholds(scene: Scene, leaver: Leaver, account: Account | None) -> tuple[str, ...]:
    """What lets a leaver act on the host even where the account itself is closed, gone or unseen."""
    view = scene.view
    found: list[str] = []
    uids = {account.uid} if account else {uid for uid, owner in homes_of(view, leaver.name) if owner is None}
    # A deleted account's processes stay, and only an earlier run knows whose number that was.
    uids |= {scene.uids.get(leaver.name, 0)} - view.uids
    # Root's processes are not listed, and a shared uid is the twin's matter.
    commands = sorted({command for uid in uids for command in view.commands_of(uid)})
    if commands:
        found.append(f"running processes ({', '.join(commands[:5])})")
    found.extend(_sessions(scene, leaver.name))
    found.extend(f"the same user id as {other}" for other in scene.twins.get(leaver.name, (leaver, ()))[1])
    return tuple(found)


def _sessions(scene: Scene, name: str) -> Iterator[str]:
    """Sessions that were opened before the account was closed stay, whatever runs in them and as whom."""
    if isinstance(scene.logins, Unknown):
        return
    own = [it for it in scene.logins.value.sessions if it.name == name]
    # utmp knows a session by its terminal, logind by what opened it: they are mostly the same ones.
    for session in [it for it in own if it.source == "logind"] or own:
        yield f"open session ({session.line} since {stamp(session.since) if session.since else '?'})"


def blind_spots(scene: Scene, names: frozenset[str]) -> tuple[tuple[Reason, str], ...]:
    """What hides a closed person's other footholds: processes, sessions, keys under other accounts."""
    view = scene.view
    found = [
        (fact.reason, fact.detail or label)
        for fact, label in (
            (view.names, "name services"),
            (view.keys, "public keys"),
            (view.residue, "processes"),
            (scene.logins, "open sessions"),
        )
        if isinstance(fact, Unknown)
    ]
    if isinstance(scene.logins, Known):
        unread = scene.logins.value.unread
        found.extend(
            (unread[source], f"sessions in {source}") for source in ("logind", "utmp") if source in unread
        )
    if isinstance(view.residue, Known):
        if view.residue.value.processes is None:
            found.append((Reason.DENIED, "processes of others"))
        if view.residue.value.homes is None:
            found.append((Reason.DENIED, "homes"))
    if isinstance(view.keys, Known):
        own = [file for file in view.keys.value.files if file.account in names]
        others = [file for file in view.keys.value.files if file.account not in names]
        hidden = [file for file in own if file.state in ("denied", "cut")]
        # Without a key of theirs there is nothing to look for elsewhere.
        known = bool(names & scene.people)
        if known or any(file.keys for file in own):
            hidden += [file for file in others if file.state in ("denied", "cut")]
        fingerprints = [bool(key.fingerprint) for file in others for key in file.keys]
        if hidden:
            reason = Reason.DENIED if any(file.state == "denied" for file in hidden) else Reason.TRUNCATED
            found.append((reason, "public keys"))
        elif any(not key.fingerprint for file in own for key in file.keys) or (
            # One that alone has none is no key; where none has one, nothing could be compared.
            known and fingerprints and not any(fingerprints)
        ):
            found.append((Reason.NO_TOOL, "fingerprints of public keys"))
    return tuple(found)
