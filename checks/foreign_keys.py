"""Keys of leavers under other accounts, by fingerprint across all hosts of a run."""

from msgspec import Struct

from checks.account_view import View
from checks.closure import Standing, closure
from checks.fleet import Fleet
from checks.leavers import Leaver, Register
from checks.scene import ForeignKey, Scene
from collectors.facts import Known
from collectors.probes.keys import PROBE as KEYS


class Held(Struct, frozen=True, kw_only=True):
    """A leaver's key under another account."""

    words: str
    reference: str
    """the evidence on another host that it is the leaver's"""


def foreign_keys(view: View, register: Register, fleet: Fleet) -> tuple[ForeignKey, ...]:
    """Find the usable keys of leavers in the files of accounts that are not closed."""
    accounts = {it.name: it for it in view.all_accounts()}
    found: dict[tuple[str, str], ForeignKey] = {}
    for file in view.keys.value.files if isinstance(view.keys, Known) else ():
        if file.left_behind or file.account not in accounts:
            continue
        for key in file.keys:
            owners = fleet.keys.get(key.fingerprint, {})
            # Also as an authority's: whoever holds the key signs certificates for himself with it.
            if owners.keys() & register.leavers.keys() and key.opens(view.now):
                found[file.account, key.fingerprint] = ForeignKey(
                    holder=file.account, fingerprint=key.fingerprint, owners=owners
                )
    holders = {holder for holder, _ in found}
    closed = {it for it in holders if closure(view, accounts[it]).standing is Standing.CLOSED}
    return tuple(it for (holder, _), it in sorted(found.items()) if holder not in closed)


def keys_held_by_others(scene: Scene, leaver: Leaver) -> tuple[Held, ...]:
    """Name each other account that lets in a key of the leaver, and how we know that it is the leaver's."""
    found: dict[str, Held] = {}
    for key in scene.foreign:
        if key.holder in leaver.own_names or not key.owners.keys() & leaver.own_names:
            continue
        held = _held(scene, leaver, key)
        known = found.get(key.holder, held)
        # Of several keys the plainest case speaks: the fewest words.
        found[key.holder] = min(held, known, key=lambda it: (len(it.words), it.words))
    return tuple(found.values())


def _held(scene: Scene, leaver: Leaver, key: ForeignKey) -> Held:
    here = any(
        it.fingerprint == key.fingerprint
        for name in leaver.own_names
        for left in (False, True)
        for file in scene.view.key_files(name, left_behind=left)
        for it in file.keys
    )
    hosts = sorted(host for name, host in key.owners.items() if name in leaver.own_names and host)
    notes: list[str] = []
    if not here:
        notes.append(f"the key of {leaver.name} on {hosts[0]}" if hosts else "known from an earlier run")
    # It may be theirs, put into the leaver's files: whose it is, the company has to say.
    shared = [name for name in key.owners if name in scene.register.active and name != key.holder]
    if shared:
        notes.append(f"also of {', '.join(shared)}")
    return Held(
        words=f"public key under {key.holder}" + (f" ({'; '.join(notes)})" if notes else ""),
        reference="" if here or not hosts else f"{hosts[0]}#{KEYS.name}",
    )
