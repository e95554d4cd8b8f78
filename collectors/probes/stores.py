"""What people who moved may do in the stores that are declared for a host."""

import re

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts, Probe, WithheldError
from collectors.probes.rows import broken, fields, login, required, rows

_REASONS = {
    "nopriv": Reason.NOPRIV,
    "no_tool": Reason.NO_TOOL,
    "timeout": Reason.TIMEOUT,
    "failed": Reason.FAILED,
}
_STATES = frozenset({"read", "denied", "absent", "special"})
_RIGHTS = re.compile(r"[r-][w-][x-]")


class StoreRights(Facts, frozen=True, kw_only=True):
    """What one account may do with one store itself, access(2); what lies in it may differ."""

    account: str
    path: str
    read: bool
    """list a folder, or read a file"""
    write: bool
    """add to a folder and take from it, or write a file"""
    enter: bool
    """reach what a folder holds"""


class Unasked(Facts, frozen=True, kw_only=True):
    """An account under whose user id nothing could be asked."""

    account: str
    reason: Reason


class StoresFacts(Facts, frozen=True, kw_only=True):
    """The declared stores of a host, and what the asked accounts that it has may do there."""

    declared: frozenset[str]
    """paths that were asked about"""
    absent: frozenset[str]
    """those among them that do not exist"""
    rights: tuple[StoreRights, ...]
    unasked: tuple[Unasked, ...]


def parse(section: Section) -> StoresFacts:
    """Read states and rights; raises WithheldError when nobody's rights could be asked."""
    stores = required(section, "stores")
    if stores.state == "absent":
        return StoresFacts(declared=frozenset(), absent=frozenset(), rights=(), unasked=())
    states: dict[str, str] = {}
    for number, line in rows(stores):
        state, path = fields(stores, number, line, 2)
        if state not in _STATES:
            raise broken(stores, number, "unknown state")
        states[path] = state
    part = required(section, "rights")
    if part.state in _REASONS:
        raise WithheldError(_REASONS[part.state], "rights in stores")
    rights: list[StoreRights] = []
    unasked: list[Unasked] = []
    for number, line in rows(part):
        name, what, path = fields(part, number, line, 3)
        if what in _REASONS:
            unasked.append(Unasked(account=login(part, number, name), reason=_REASONS[what]))
        else:
            rights.append(_rights(part, number, name, what, path))
    return StoresFacts(
        declared=frozenset(states),
        absent=frozenset(path for path, state in states.items() if state == "absent"),
        rights=tuple(rights),
        unasked=tuple(unasked),
    )


def _rights(part: Part, number: int, name: str, what: str, path: str) -> StoreRights:
    if _RIGHTS.fullmatch(what) is None:
        raise broken(part, number, "no rights")
    return StoreRights(
        account=login(part, number, name),
        path=path,
        read=what[0] == "r",
        write=what[1] == "w",
        enter=what[2] == "x",
    )


PROBE = Probe(name="stores", facts=StoresFacts, parse=parse, cap_bytes=524_288, order=88)
