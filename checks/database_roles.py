"""Roles of people who left or moved, in the PostgreSQL servers of a host."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from checks.leavers import Leaver
from checks.model import Outcome, Result, Subject, not_known
from checks.moves import EXPECTED, Move, move_of
from checks.scene import Scene
from checks.text import say
from collectors.evidence import Reason
from collectors.facts import Known, Unknown
from collectors.probes.pgroles import MOST_REACHED, PgRole

_EXPECTED = say("no role, or one without LOGIN")
_MOST = 5


def judge_database_roles(scene: Scene) -> Iterator[Outcome]:
    """Judge the roles of people who left or moved, and say once a host that servers could not be asked."""
    due = [it for it in scene.register.leavers.values() if it.deadline <= scene.view.now]
    moved = {
        name: move
        for name, person in scene.register.active.items()
        if name not in scene.register.twice and (move := move_of(scene, person))
    }
    if not due and not moved:
        return
    for reason, detail in _unseen(scene, frozenset((*(it.name for it in due), *moved))):
        yield not_known(Subject(kind="postgresql", name=""), reason, _EXPECTED, detail=detail)
        break
    found: dict[str, list[tuple[PgRole, str]]] = {}
    for server in scene.pgroles.value.servers if isinstance(scene.pgroles, Known) else ():
        for role in server.roles:
            found.setdefault(role.name, []).append((role, server.where))
    yield from (_judged(scene, leaver, found[leaver.name]) for leaver in due if leaver.name in found)
    yield from (_moved(name, move, found[name]) for name, move in moved.items() if name in found)


def _moved(name: str, move: Move, found: list[tuple[PgRole, str]]) -> Outcome:
    """Compare what the role may become with the new post; what it was granted itself is not seen."""
    subject = Subject(kind="database-role", name=name)
    kept = [
        f"{where}: {words}" for role, where in found if role.can_log_in and (words := _beyond(role, move))
    ]
    if kept:
        what = "; ".join(kept[:_MOST])
        return Outcome(
            subject=subject,
            result=move.result,
            summary=move.kept(name, what),
            expected=EXPECTED,
            actual=say("{what}", what=what),
        )
    if any(role.can_log_in and len(role.reaches) >= MOST_REACHED for role, _ in found):
        return not_known(subject, Reason.UNDETERMINED, EXPECTED, detail="more roles than are named")
    return Outcome(
        subject=subject,
        result=Result.PASS,
        summary=say(
            "{name} moved on {day}, the role in PostgreSQL keeps nothing of the former post",
            name=name,
            day=move.day.isoformat(),
        ),
        expected=EXPECTED,
        actual=say("in {count} servers", count=len(found)),
    )


def _beyond(role: PgRole, move: Move) -> str:
    """Say what the role may do that no declared post needs; to be a superuser is never needed."""
    if role.superuser:
        return "SUPERUSER"
    needed = [pattern for post in move.posts for pattern in post.database_roles]
    others = [
        it.lstrip("!")
        for it in role.reaches
        if it.startswith("!") or not any(fnmatchcase(it, pattern) for pattern in needed)
    ]
    return f"may become {', '.join(others[:_MOST])}" if others else ""


def _judged(scene: Scene, leaver: Leaver, found: list[tuple[PgRole, str]]) -> Outcome:
    """Fail while any of a leaver's roles may log in.

    VALID UNTIL ends the password: peer, certificate, GSS and trust go on letting the role in (A24).
    """
    able = [(role, where) for role, where in found if role.can_log_in]
    subject = Subject(kind="database-role", name=leaver.name)
    day = leaver.left_on.isoformat()
    if not able:
        return Outcome(
            subject=subject,
            result=Result.PASS,
            summary=say(
                "{name} left on {day}, the role in PostgreSQL cannot log in", name=leaver.name, day=day
            ),
            expected=_EXPECTED,
            actual=say("NOLOGIN"),
        )
    listed = "; ".join(f"{where}: {_said(scene, role)}" for role, where in able[:_MOST])
    return Outcome(
        subject=subject,
        result=Result.FAIL,
        summary=say(
            "{name} left on {day} and has a role in PostgreSQL that may log in", name=leaver.name, day=day
        ),
        expected=_EXPECTED,
        actual=say("{roles}", roles=listed),
    )


def _said(scene: Scene, role: PgRole) -> str:
    words = ["LOGIN"]
    if role.superuser:
        words.append("SUPERUSER")
    if role.password.value == "none":
        words.append("no password, so by peer, certificate, GSS or trust")
    elif role.valid_until and role.valid_until <= scene.view.now:
        words.append("its password has ended, which stops no other way to log in")
    if role.reaches:
        words.append(f"may become {', '.join(it.lstrip('!') for it in role.reaches[:_MOST])}")
    if any(it.startswith("!") for it in role.reaches):
        words.append("a superuser among them")
    return ", ".join(words)


def _unseen(scene: Scene, names: frozenset[str]) -> Iterator[tuple[Reason, str]]:
    if isinstance(scene.pgroles, Unknown):
        yield scene.pgroles.reason, scene.pgroles.detail or "roles in PostgreSQL"
        return
    for server in scene.pgroles.value.servers:
        if server.unknown:
            yield server.unknown, f"roles in the server at {server.where}"
    if scene.pgroles.value.servers and not names <= scene.pgroles.value.asked:
        yield Reason.NOT_COLLECTED, "a role that was not asked for"
