"""How far back a host's access logs reach, what is configured to keep them, and who may touch them."""

import re
from collections.abc import Iterable
from datetime import datetime

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts, Probe
from collectors.probes.log_files import WELL_KNOWN, LogFile, PowerCut, read_files, read_power
from collectors.probes.log_journal import Journal, read_journal
from collectors.probes.log_stamps import read_moment, read_zone
from collectors.probes.logrotate_config import Config, Rotation
from collectors.probes.rows import broken, required, rows
from config.errors import ParseError


class RotationRun(Facts, frozen=True, kw_only=True):
    """Whether logrotate(8) itself is run."""

    installed: bool
    last_run: datetime | None
    """change of its state file, which every run writes"""
    hidden: bool
    """the state file's folder may not be looked into"""
    timer: str
    """enabled, masked, disabled or absent"""
    systemd: bool
    cron: bool
    """there is an executable /etc/cron.daily/logrotate"""


class Forward(Facts, frozen=True, kw_only=True):
    """A line that sends log records to another host."""

    daemon: str
    kind: str
    """tcp, udp, relp, fwd (not told), network, upload, remote; unused in a file that nothing includes;
    suspended when rsyslogd said last that the other side does not answer"""
    selector: str
    """syslog selector such as `auth,authpriv.*`; `?` when it is not told"""

    @property
    def may_carry_auth(self) -> bool:
        """Whether records of log-ins can be among what is sent."""
        if self.selector == "?":
            return True
        carried = False
        for part in self.selector.split(";"):
            names, _, level = part.partition(".")
            if {"*", "auth", "authpriv"} & set(names.split(",")):
                carried = level != "none"
        return carried


class Audit(Facts, frozen=True, kw_only=True):
    """The audit daemon."""

    installed: bool
    action: str
    """max_log_file_action of auditd.conf(5) in lower case; empty when it could not be read"""
    keeps: int | None
    """rotated files beside the one that is written (num_logs less one); None when not told"""


class LogFolder(Facts, frozen=True, kw_only=True):
    """A folder that holds logs."""

    path: str
    owner: str
    group: str
    mode: int
    """permission bits, the sticky one among them"""


class LogsFacts(Facts, frozen=True, kw_only=True):
    """All log families of a host."""

    looked: datetime
    """the host's own clock when it was asked"""
    zone_s: int
    """seconds by which the host's clock is ahead of UTC: stamps without a zone are in it"""
    files: tuple[LogFile, ...]
    """by family and series, the newest file first"""
    declared: tuple[str, ...]
    """globs that the company named, also those that match nothing"""
    folders: tuple[LogFolder, ...]
    power_cuts: tuple[PowerCut, ...]
    """when the host was off, by time"""
    journal: Journal
    rotations: tuple[Rotation, ...]
    """for each log that some block of logrotate's configuration names"""
    rotation_hidden: Reason | None
    """why the configuration of logrotate is not known as a whole"""
    run: RotationRun
    forwards: tuple[Forward, ...]
    forwards_hidden: bool
    """some configuration of a syslog daemon could not be read"""
    audit: Audit
    wtmpdb: bool
    """there is a /var/lib/wtmpdb/wtmp.db, which this probe does not read"""


def parse(section: Section) -> LogsFacts:
    """Read the answer of `logs.sh`; raises ParseError naming the part and line."""
    clock = required(section, "clock").text.split()
    zone, looked = (read_zone(clock[0]), read_moment(clock[1])) if len(clock) == 2 else (None, None)  # noqa: PLR2004
    if zone is None or looked is None:
        message = "clock: no offset from UTC and time"
        raise ParseError(message)
    said = required(section, "files")
    files, declared = read_files(said, zone)
    run = _run(required(section, "rotation"))
    rotations, hidden = _rotations(section, {file.series for file in files}, run)
    forwards = tuple(_words("forwards", required(section, "forwards"), 3))
    return LogsFacts(
        looked=looked,
        zone_s=int(zone.total_seconds()),
        files=files,
        declared=declared,
        folders=tuple(_folders(required(section, "folders"))),
        power_cuts=read_power(said),
        journal=read_journal(section),
        rotations=rotations,
        rotation_hidden=hidden,
        run=run,
        forwards=tuple(
            Forward(daemon=daemon, kind=kind, selector=selector)
            for daemon, kind, selector in forwards
            if kind != "denied"
        ),
        forwards_hidden=any(kind == "denied" for _, kind, _ in forwards),
        audit=_audit(required(section, "audit")),
        wtmpdb=required(section, "wtmpdb").text.strip() in {"read", "denied"},
    )


# --- rotation --------------------------------------------------------------------------------------------


def _rotations(
    section: Section, series: set[str], run: RotationRun
) -> tuple[tuple[Rotation, ...], Reason | None]:
    """Read logrotate's configuration for the logs that are there; without logrotate it is a dead letter."""
    if not run.installed:
        return (), None
    parts = [
        part for part in section.parts if part.name.startswith(("/etc/logrotate.d", "/etc/logrotate.conf"))
    ]
    config = Config({part.name: part.lines for part in parts if part.state == "read"})
    hidden = Reason.DENIED if any(part.state == "denied" for part in parts) else None
    if config.foreign_include or ("vendor", "yes") in _words("rotation", required(section, "rotation"), 2):
        hidden = hidden or Reason.NOT_COLLECTED
    found = (config.rotation(log) for log in sorted(series | set(WELL_KNOWN)))
    return tuple(rotation for rotation in found if rotation), hidden


def _run(part: Part) -> RotationRun:
    said = {words[0]: words[1] for words in _words("rotation", part, 2)}
    state = said.get("state", "")
    return RotationRun(
        installed=said.get("tool") == "yes",
        last_run=read_moment(state) if re.fullmatch(r"[0-9]{1,12}", state) else None,
        hidden=state == "denied",
        timer=said.get("timer", "absent"),
        systemd=said.get("systemd") == "yes",
        cron=said.get("cron") == "yes",
    )


# --- the rest --------------------------------------------------------------------------------------------


def _folders(part: Part) -> Iterable[LogFolder]:
    for number, line in rows(part):
        words = line.split(" ", 3)
        if len(words) != 4 or not re.fullmatch(r"[0-7]{1,5}", words[0]):  # noqa: PLR2004
            raise broken(part, number, "not a folder's line")
        yield LogFolder(path=words[3], owner=words[1], group=words[2], mode=int(words[0], 8))


def _audit(part: Part) -> Audit:
    said = {words[0]: words[1] for words in _words("audit", part, 2)}
    number = said.get("num_logs", "")
    return Audit(
        installed=said.get("tool") == "yes",
        action=said.get("max_log_file_action", "").lower(),
        keeps=max(int(number) - 1, 0) if re.fullmatch(r"[0-9]{1,3}", number) else None,
    )


def _words(name: str, part: Part, count: int) -> Iterable[tuple[str, ...]]:
    for number, line in enumerate(part.lines, 1):
        words = tuple(line.split(" "))
        if len(words) != count:
            message = f"{name} line {number}: not {count} words"
            raise ParseError(message)
        yield words


PROBE = Probe(name="logs", facts=LogsFacts, parse=parse, order=40)
