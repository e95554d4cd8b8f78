"""What people who moved may still do in stores of personal data that are no business of the new post."""

from collections.abc import Iterator

from checks.moves import Move
from checks.scene import Scene
from collectors.evidence import Reason
from collectors.facts import Unknown
from collectors.probes.accounts import Account
from collectors.probes.stores import StoreRights
from config.model import DataStore


def stores_kept(scene: Scene, account: Account, move: Move) -> str:
    """List each store with what the account may do there; empty when there is none."""
    if isinstance(scene.stores, Unknown):
        return ""
    needed = [it.path for it in scene.target.stores if move.needs(it)]
    closed = {it.path for it in _others(scene, move)}
    found = [
        f"{it.path} ({words})"
        for it in scene.stores.value.rights
        if it.account == account.name and it.path in closed and (words := _words(it, needed))
    ]
    return f"stores {', '.join(found)}" if found else ""


def _others(scene: Scene, move: Move) -> tuple[DataStore, ...]:
    return tuple(it for it in scene.target.stores if not move.needs(it))


def _words(rights: StoreRights, needed: list[str]) -> str:
    # One reaches a needed store through the folders above it, so that they can be entered is no finding.
    through = any(it.startswith(f"{rights.path}/") for it in needed)
    may = {"read": rights.read, "write": rights.write, "enter": rights.enter and not through}
    return ", ".join(word for word, given in may.items() if given)


def stores_unseen(scene: Scene, account: Account, move: Move) -> Iterator[tuple[Reason, str]]:
    """Say what hides an account's rights in stores."""
    others = _others(scene, move)
    if not others:
        return
    if isinstance(scene.stores, Unknown):
        yield scene.stores.reason, scene.stores.detail or "rights in stores"
        return
    facts = scene.stores.value
    yield from ((it.reason, "rights in stores") for it in facts.unasked if it.account == account.name)
    asked = {it.path for it in facts.rights if it.account == account.name}
    for store in others:
        if store.path in facts.absent:
            # S5: not mounted at the time of the audit looks the same.
            yield Reason.UNDETERMINED, f"the store {store.path} is not there"
        elif store.path not in facts.declared or store.path not in asked:
            yield Reason.NOT_COLLECTED, f"rights in {store.path}"
