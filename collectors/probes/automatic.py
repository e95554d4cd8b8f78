"""What installs updates by itself, whether it is switched on, and when it last did."""

import re
from datetime import UTC, datetime

from msgspec import Struct

from collectors.evidence import Part, Reason, Section, printable
from collectors.facts import Facts, Probe, WithheldError
from collectors.probes.rows import broken, count, required, rows

_MOMENT = re.compile(r"[A-Z][a-z]{2} ([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) UTC")
_UNIT = re.compile(r"[A-Za-z0-9:_.@-]{1,100}\.(?:timer|service)")
_SETTING = re.compile(r"\s*([A-Za-z_]{1,40})\s*[=:]\s*(.*?)\s*")
_TRUE = frozenset({"1", "yes", "true", "on"})
"""what dnf takes for true, dnf.conf(5)"""


class Unit(Struct, frozen=True, kw_only=True):
    """A unit of systemd as `systemctl show` has it; the words are systemd's."""

    name: str
    load: str
    """LoadState: `loaded`, `masked`, `not-found`"""
    enabled: str
    """UnitFileState: `enabled`, `disabled`, `masked`, `static`; empty for a unit without a file"""
    active: str
    """ActiveState: `active`, `inactive`, `failed`"""
    result: str
    """Result of the last run: `success`, `exit-code`"""
    triggered: datetime | None
    """LastTriggerUSec of a timer: when it last ran; None when never"""


class Configured(Struct, frozen=True, kw_only=True):
    """A configuration file of dnf-automatic, yum-cron or rpm-ostree."""

    file: str
    read: bool
    """false when the audit account may not read it"""
    applies: bool | None
    """apply_updates; None when it is not set"""
    kind: str
    """upgrade_type or update_cmd, such as `default` and `security`; empty when it is not set"""
    policy: str
    """AutomaticUpdatePolicy of rpm-ostree"""


class AutomaticFacts(Facts, frozen=True, kw_only=True):
    """Mechanisms of automatic updates."""

    units: tuple[Unit, ...] | None
    """those that exist here; None where systemd does not run"""
    tools: frozenset[str]
    """paths of programs and cron scripts that exist and may be run"""
    fetched: datetime | None
    """when apt last fetched its lists by itself with success"""
    installed: datetime | None
    """when unattended-upgrade last ended with success"""
    stamps_read: bool
    """false when the folder of both may not be read"""
    errors: int | None
    """error lines of unattended-upgrade's last run; None when there is no log to be read"""
    configured: tuple[Configured, ...]
    jobs: tuple[str, ...]
    """crontabs and cron scripts of the host's own that install updates"""
    jobs_hidden: bool
    """some crontabs may not be read"""

    def unit(self, name: str) -> Unit | None:
        """The unit of that name, or None where it does not exist."""
        return next((unit for unit in self.units or () if unit.name == name), None)


def parse(section: Section) -> AutomaticFacts:
    """Read all parts; raises WithheldError when systemd runs and did not answer."""
    stamps_part = required(section, "stamps")
    stamps = _stamps(stamps_part)
    log = required(section, "log")
    jobs = required(section, "jobs")
    return AutomaticFacts(
        units=_units(required(section, "units")),
        tools=frozenset(line for _, line in rows(required(section, "tools"))),
        fetched=stamps.get("/var/lib/apt/periodic/update-stamp"),
        installed=stamps.get("/var/lib/apt/periodic/upgrade-stamp"),
        stamps_read=stamps_part.state != "denied",
        errors=_errors(log),
        configured=tuple(_configured(part) for part in section.named("config:")),
        jobs=tuple(sorted(printable(line.encode(), limit=200) for _, line in rows(jobs))),
        jobs_hidden=jobs.state != "read",
    )


def _units(part: Part) -> tuple[Unit, ...] | None:
    if part.state == "absent":
        return None
    if part.state != "read":
        raise WithheldError(Reason.NO_TOOL if part.state == "no_tool" else Reason.FAILED, "systemctl")
    found: list[Unit] = []
    fields: dict[str, str] = {}
    for number, line in enumerate((*part.lines, ""), 1):
        if line:
            name, equals, value = line.partition("=")
            if not equals:
                raise broken(part, number, "no property")
            fields[name] = value
        elif fields:
            if _UNIT.fullmatch(fields.get("Id", "")) is None:
                raise broken(part, number, "a unit without a name")
            moment = fields.get("LastTriggerUSec", "")
            if moment not in ("", "n/a") and _MOMENT.fullmatch(moment) is None:
                raise broken(part, number, "no time")
            found.append(
                Unit(
                    name=fields["Id"],
                    load=fields.get("LoadState", ""),
                    enabled=fields.get("UnitFileState", ""),
                    active=fields.get("ActiveState", ""),
                    result=fields.get("Result", ""),
                    triggered=_moment(moment),
                )
            )
            fields = {}
    return tuple(sorted(found, key=lambda unit: unit.name))


def _moment(text: str) -> datetime | None:
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    try:
        return datetime(*(int(word) for word in found.groups()), tzinfo=UTC)  # type: ignore[arg-type,misc]
    except ValueError:
        return None


def _stamps(part: Part) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for number, line in rows(part):
        seconds, _, path = line.partition(" ")
        try:
            found[path] = datetime.fromtimestamp(count(part, number, seconds), tz=UTC)
        except (OverflowError, ValueError) as odd:
            raise broken(part, number, "no time") from odd
    return found


def _errors(part: Part) -> int | None:
    if part.state != "read":
        return None
    for number, line in rows(part):
        return count(part, number, line)
    raise broken(part, 1, "no count of errors")


def _configured(part: Part) -> Configured:
    settings: dict[str, str] = {}
    for _, line in rows(part):
        found = _SETTING.fullmatch(line)
        if found:
            settings[found[1].lower()] = printable(found[2].encode(), limit=60)
    applies = settings.get("apply_updates")
    return Configured(
        file=part.name.removeprefix("config:"),
        read=part.state == "read",
        applies=None if applies is None else applies.lower() in _TRUE,
        kind=settings.get("upgrade_type") or settings.get("update_cmd", ""),
        policy=settings.get("automaticupdatepolicy", ""),
    )


PROBE = Probe(name="automatic", facts=AutomaticFacts, parse=parse, cap_bytes=65_536, order=31)
