"""PostgreSQL roles of the people asked about, as each running server of a host says."""

from datetime import UTC, datetime
from enum import StrEnum

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts, Probe
from collectors.probes.rows import broken, count, fields, login, required, rows
from config.errors import ParseError

_REASONS = {
    "nopriv": Reason.NOPRIV,
    "no_tool": Reason.NO_TOOL,
    "timeout": Reason.TIMEOUT,
    "failed": Reason.FAILED,
    "unreachable": Reason.UNDETERMINED,
}
_LATEST = 4_102_444_800
"""the year 2100: an end beyond it is as good as none"""

MOST_REACHED = 50
"""roles that one may become which are named; superusers come first"""


class RolePassword(StrEnum):
    """What kind of password a role has; the verifier never leaves the server."""

    NONE = "none"
    SCRAM = "scram"
    MD5 = "md5"
    OTHER = "other"


class PgRole(Facts, frozen=True, kw_only=True):
    """One role, pg_authid."""

    name: str
    can_log_in: bool
    """LOGIN"""
    superuser: bool
    password: RolePassword
    valid_until: datetime | None
    """VALID UNTIL: ends the password only, never other ways to log in"""
    reaches: tuple[str, ...]
    """roles it may SET ROLE to, at most 50, superusers first and with a `!` before them"""


class PgServer(Facts, frozen=True, kw_only=True):
    """A server that runs, by its socket, or by its data folder where it has none."""

    where: str
    roles: tuple[PgRole, ...]
    unknown: Reason | None
    """why it could not be asked"""


class PgRolesFacts(Facts, frozen=True, kw_only=True):
    """All PostgreSQL servers that run on the host."""

    servers: tuple[PgServer, ...]
    asked: frozenset[str]
    """names whose roles were asked for"""


def parse(section: Section) -> PgRolesFacts:
    """Read each server's answer; raises ParseError when one that runs has none, or not a whole one."""
    return PgRolesFacts(
        servers=tuple(_server(required(section, where)) for _, where in rows(required(section, "servers"))),
        asked=frozenset(name for _, name in rows(required(section, "asked"))),
    )


def _server(part: Part) -> PgServer:
    if part.state != "read":
        reason = _REASONS.get(part.state)
        if reason is None:
            raise broken(part, 0, "unknown state")
        return PgServer(where=part.name, roles=(), unknown=reason)
    roles: list[PgRole] = []
    whole = False
    for number, line in rows(part):
        if line.startswith("N:"):
            whole = count(part, number, line[2:]) > 0
        elif line.startswith("R:"):
            roles.append(_role(part, number, line))
        else:
            raise broken(part, number, "unknown row")
    # A server without a single role cannot be asked: no number of them means that the answer was cut.
    if not whole:
        message = f"{part.name}: not read to its end"
        raise ParseError(message)
    return PgServer(where=part.name, roles=tuple(roles), unknown=None)


def _role(part: Part, number: int, line: str) -> PgRole:
    _, name, can_log_in, superuser, password, until, reaches = fields(part, number, line, 7)
    if {can_log_in, superuser} - {"0", "1"} or password not in tuple(RolePassword):
        raise broken(part, number, "no role")
    seconds = count(part, number, until) if until else _LATEST
    return PgRole(
        name=login(part, number, name),
        can_log_in=can_log_in == "1",
        superuser=superuser == "1",
        password=RolePassword(password),
        valid_until=datetime.fromtimestamp(seconds, UTC) if seconds < _LATEST else None,
        reaches=tuple(reaches.split(",")) if reaches else (),
    )


PROBE = Probe(name="pgroles", facts=PgRolesFacts, parse=parse, cap_bytes=524_288, order=90)
