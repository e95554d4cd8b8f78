"""What works or stays without a log-in: jobs, lingering services, homes, processes."""

from collectors.evidence import Part, Section
from collectors.facts import Facts, Probe
from collectors.probes.rows import broken, count, fields, is_login, required, rows, user_id


class Running(Facts, frozen=True, kw_only=True):
    """Processes of one user with one name."""

    uid: int
    command: str
    """the kernel's 15 characters; never the command line"""
    number: int


class Jobs(Facts, frozen=True, kw_only=True):
    """Scheduled commands of one user."""

    account: str
    """`?` when the file that names it cannot be read"""
    number: int | None
    """None when they cannot be counted"""


class Home(Facts, frozen=True, kw_only=True):
    """A folder of /home."""

    name: str
    uid: int
    """its owner"""
    owner: str | None
    """the owner's name; None for a bare uid that no name service knows"""


class ResidueFacts(Facts, frozen=True, kw_only=True):
    """Each field is None when it could not be seen; empty means there is nothing."""

    processes: tuple[Running, ...] | None
    """of all users but root"""
    crontabs: tuple[Jobs, ...] | None
    """personal crontabs"""
    system_jobs: tuple[Jobs, ...] | None
    """lines of /etc/crontab and /etc/cron.d by the user they run as"""
    services: tuple[Jobs, ...] | None
    """of /etc/systemd/system, by the name, of those asked about, or the uid that `User=` gives"""
    at_jobs: tuple[int, ...] | None
    """owner uid of each waiting at(1) job"""
    linger: tuple[str, ...] | None
    """accounts whose services run without a session, loginctl(1)"""
    units: tuple[Jobs, ...]
    """enabled user services (systemd.unit(5)) in the homes of those asked about"""
    mail: tuple[str, ...]
    """those asked about who have mail in /var/mail"""
    stores: tuple[str, ...]
    """files in which Samba keeps passwords of its own; also where the folder cannot be looked into"""
    homes: tuple[Home, ...] | None


def parse(section: Section) -> ResidueFacts:
    """Read the lists; raises ParseError for a row of another shape."""
    return ResidueFacts(
        processes=_processes(required(section, "processes")),
        crontabs=_crontabs(section),
        system_jobs=_system_jobs(required(section, "cron.d")),
        services=_system_jobs(required(section, "services")),
        at_jobs=_at_jobs(section),
        linger=_linger(required(section, "linger")),
        units=_counted(required(section, "units")),
        mail=tuple(line for _, line in rows(required(section, "mail"))),
        stores=tuple(
            fields(part, number, line, 2)[1]
            for part in (required(section, "stores"),)
            for number, line in rows(part)
        ),
        homes=_homes(required(section, "homes")),
    )


def _processes(part: Part) -> tuple[Running, ...] | None:
    if part.state != "read":
        return None
    found: list[Running] = []
    total = 0
    for number, line in rows(part):
        if line.startswith("N:"):
            total = count(part, number, line[2:])
            continue
        many, uid, command = fields(part, number, line, 3)
        found.append(
            Running(uid=user_id(part, number, uid), command=command, number=count(part, number, many))
        )
    # Our own shell runs: a list without a single process is none.
    return tuple(sorted(found, key=lambda it: (it.uid, it.command))) if total else None


def _crontabs(section: Section) -> tuple[Jobs, ...] | None:
    found: list[Jobs] = []
    for part in section.named("crontabs "):
        if part.state != "read":
            return None
        found.extend(_counted(part))
    return tuple(found)


def _counted(part: Part) -> tuple[Jobs, ...]:
    found: list[Jobs] = []
    for number, line in rows(part):
        many, name = fields(part, number, line, 2)
        found.append(
            Jobs(
                account=name if is_login(name) else "?",
                number=None if many == "?" else count(part, number, many),
            )
        )
    return tuple(found)


def _system_jobs(part: Part) -> tuple[Jobs, ...] | None:
    found: list[Jobs] = []
    for number, line in rows(part):
        many, name = fields(part, number, line, 2)
        if name == "?":
            return None  # what runs as nobody knows whom
        found.append(Jobs(account=name, number=count(part, number, many)))
    return tuple(sorted(found, key=lambda it: it.account))


def _at_jobs(section: Section) -> tuple[int, ...] | None:
    found: list[int] = []
    for part in section.named("at "):
        if part.state != "read":
            return None
        found.extend(user_id(part, number, line) for number, line in rows(part))
    return tuple(found)


def _linger(part: Part) -> tuple[str, ...] | None:
    if part.state == "absent":
        return ()
    if part.state != "read":
        return None
    return tuple(line for _, line in rows(part))


def _homes(part: Part) -> tuple[Home, ...] | None:
    if part.state == "absent":
        return ()
    if part.state != "read":
        return None
    found: list[Home] = []
    for number, line in rows(part):
        uid, owner, name = fields(part, number, line, 3)
        if not name:
            raise broken(part, number, "a home without a name")
        found.append(
            Home(name=name, uid=user_id(part, number, uid), owner=None if owner == "UNKNOWN" else owner)
        )
    return tuple(sorted(found, key=lambda it: it.name))


PROBE = Probe(name="residue", facts=ResidueFacts, parse=parse, cap_bytes=1_048_576, order=81)
