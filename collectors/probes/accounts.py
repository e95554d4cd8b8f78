"""Local accounts and groups, the limits new accounts get, and when the account files changed."""

import re
from datetime import UTC, datetime
from enum import StrEnum

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts, Probe, WithheldError
from collectors.probes.rows import broken, count, fields, is_login, login, required, rows, user_id
from config.errors import ParseError


class PasswordField(StrEnum):
    """What stands in the password field of passwd(5); the text itself never leaves the host."""

    SHADOWED = "x"
    EMPTY = "empty"
    """log-in without a password, where that is allowed"""
    LOCKED = "locked"
    """begins with `!` or `*`"""
    SET = "set"
    """anything else: a hash that everybody can read, or nothing usable"""


class Account(Facts, frozen=True, kw_only=True):
    """One line of passwd(5), without its comment."""

    name: str
    field: PasswordField
    uid: int
    gid: int
    home: str
    """empty when none is given; `?` when it is no absolute path"""
    shell: str
    """empty means /bin/sh"""


class Group(Facts, frozen=True, kw_only=True):
    """One line of group(5), without its password."""

    name: str
    gid: int
    members: tuple[str, ...]


class AccountsFacts(Facts, frozen=True, kw_only=True):
    """What passwd, group and login.defs of a host say."""

    accounts: tuple[Account, ...]
    """in the order of the file: of two lines with one name the first counts"""
    malformed: tuple[str, ...]
    """names of lines that are not seven plain fields; `?` where even the name is unclear"""
    nis_lines: int
    """lines that begin with `+` or `-`, which only the `compat` name service reads"""
    groups: tuple[Group, ...] | None
    """None when group cannot be read"""
    uid_min: int
    """first uid of people, login.defs(5)"""
    uid_max: int
    pass_max_days: int | None
    """what a new account gets; None when login.defs does not say"""
    login_defs: bool
    """whether there is a login.defs that could be read"""
    passwd_changed: datetime | None
    """ctime of passwd: its content is no younger than this"""
    shadow_changed: datetime | None
    """ctime of shadow"""
    pam: bool
    """whether su, login and cron ask PAM, which enforces the expiry date"""


UID_MIN_DEFAULT = 1_000
UID_MAX_DEFAULT = 60_000
"""what useradd(8) uses where login.defs is silent"""


def parse(section: Section) -> AccountsFacts:
    """Read the account files.

    Raises WithheldError when passwd cannot be read, ParseError for a row of another shape.
    """
    passwd = required(section, "passwd")
    if passwd.state != "read":
        raise WithheldError(
            Reason.DENIED if passwd.state == "denied" else Reason.UNSUPPORTED, f"/etc/passwd: {passwd.state}"
        )
    accounts: list[Account] = []
    malformed: list[str] = []
    nis_lines = 0
    for number, line in rows(passwd):
        match line[:2]:
            case "N:":
                nis_lines += 1
            case "B:":
                malformed.append(fields(passwd, number, line, 3)[2])
            case "A:" if not is_login(line.split(":")[1]):
                malformed.append("?")
            case "A:":
                accounts.append(_account(passwd, number, line))
            case _:
                raise broken(passwd, number, "unknown row")
    if not accounts:
        message = "passwd: not one account"
        raise ParseError(message)
    limits, said = _limits(section)
    changed = _times(section)
    return AccountsFacts(
        accounts=tuple(accounts),
        malformed=tuple(malformed),
        nis_lines=nis_lines,
        groups=_groups(required(section, "group")),
        uid_min=limits.get("UID_MIN", UID_MIN_DEFAULT),
        uid_max=limits.get("UID_MAX", UID_MAX_DEFAULT),
        pass_max_days=limits.get("PASS_MAX_DAYS"),
        login_defs=said,
        passwd_changed=changed.get("/etc/passwd"),
        shadow_changed=changed.get("/etc/shadow"),
        pam=required(section, "pam").text.strip() == "yes",
    )


def _account(part: Part, number: int, line: str) -> Account:
    _, name, field, uid, gid, home, shell = fields(part, number, line, 7)
    if field not in tuple(PasswordField):
        raise broken(part, number, "unknown class of the password field")
    return Account(
        name=login(part, number, name),
        field=PasswordField(field),
        uid=user_id(part, number, uid),
        gid=user_id(part, number, gid),
        home=home,
        shell=shell,
    )


def _groups(part: Part) -> tuple[Group, ...] | None:
    if part.state != "read":
        return None
    groups: list[Group] = []
    for number, line in rows(part):
        if line.startswith("B:") or not is_login(line.split(":")[1]):
            return None  # a line of unknown meaning may name anybody
        _, name, gid, members = fields(part, number, line, 4)
        groups.append(
            Group(
                name=login(part, number, name),
                gid=user_id(part, number, gid),
                members=tuple(member for member in members.split(",") if member),
            )
        )
    return tuple(groups)


def _limits(section: Section) -> tuple[dict[str, int], bool]:
    limits: dict[str, int] = {}
    said = False
    for part in (section.part("/usr/etc/login.defs"), section.part("/etc/login.defs")):
        if part is None or part.state != "read":
            continue
        said = True
        for _, line in rows(part):
            key, _, value = line.partition(" ")
            # C's own notation, as getdef.c of shadow reads it: 0x and a leading 0 are bases.
            if re.fullmatch(r"-?(0|[1-9][0-9]{0,9})", value):
                limits[key] = int(value)
            else:
                limits.pop(key, None)
    return limits, said


def _times(section: Section) -> dict[str, datetime]:
    part = required(section, "times")
    times: dict[str, datetime] = {}
    for number, line in rows(part):
        words = line.split(" ", 2)
        if len(words) != 3:  # noqa: PLR2004 (ctime, mtime, path)
            raise broken(part, number, "no times")
        seconds = count(part, number, words[0])
        if seconds > 4_102_444_800:  # noqa: PLR2004 (the year 2100)
            raise broken(part, number, "no time of this century")
        times[words[2]] = datetime.fromtimestamp(seconds, tz=UTC)
    return times


PROBE = Probe(name="accounts", facts=AccountsFacts, parse=parse, cap_bytes=1_048_576, order=10)
