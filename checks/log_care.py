"""Who may touch the logs, and whether they are turned over."""

from collections.abc import Iterator
from datetime import timedelta

from checks.log_sources import DAY, LogCase
from checks.model import Outcome, Result, Subject, not_known
from checks.text import say
from collectors.evidence import Reason
from collectors.probes.log_files import FAMILIES, LogFile
from collectors.probes.logs import LogsFacts

SINCE_BIRTH = timedelta(days=3)
"""an installation may take this long until something is logged"""
_ROTATION_DUE = timedelta(days=8)
"""logrotate is run daily; a week of holidays is no defect"""
_BOOTED_S = 172_800
"""a host that was off catches up within two days"""
_OWNERS = frozenset({"root", "syslog"})
_WRITERS = frozenset({"root", "syslog", "adm", "utmp", "systemd-journal"})
"""groups that distributions let write logs"""


def integrity(family: str, logs: LogsFacts) -> Iterator[Outcome]:
    """Fail for a log that people may read or change who have no part in keeping it."""
    files = [file for file in logs.files if file.family == family and file.owner]
    open_ones = [(file, fault) for file in files if (fault := _fault(file, declared=family not in FAMILIES))]
    if not open_ones:
        return
    file, fault = open_ones[0]
    yield Outcome(
        subject=Subject(kind="log", name=family),
        result=Result.FAIL,
        summary=say("{count} of {total} files: {fault}", count=len(open_ones), total=len(files), fault=fault),
        expected=say("readable and writable by root, syslog and their groups only"),
        actual=say(
            "{path} is {owner}:{group} {mode}",
            path=file.path,
            owner=file.owner,
            group=file.group,
            mode=f"{file.mode:04o}",
        ),
    )


def folders(logs: LogsFacts) -> Iterator[Outcome]:
    """Fail for a folder in which others may put, rename or delete files."""
    for folder in logs.folders:
        system = folder.path == "/var/log" or folder.path.startswith("/var/log/audit")
        if folder.mode & 0o002:
            fault = "writable by all"
        elif system and folder.owner not in _OWNERS:
            fault = "owned by another user"
        elif system and folder.mode & 0o020 and folder.group not in _WRITERS:
            fault = "writable by another group"
        else:
            continue
        yield Outcome(
            subject=Subject(kind="log-folder", name=folder.path),
            result=Result.FAIL,
            summary=say(
                "{folder} is {fault}: whoever may write there replaces logs", folder=folder.path, fault=fault
            ),
            expected=say("writable by root, syslog and their groups only"),
            actual=say(
                "{path} is {owner}:{group} {mode}",
                path=folder.path,
                owner=folder.owner,
                group=folder.group,
                mode=f"{folder.mode:04o}",
            ),
        )


_WEAK = {
    "udp": "records are sent by UDP: what is lost on the way leaves no trace",
    "unused": "a rule that sends records away stands in a file that nothing includes",
    "suspended": "the other side does not answer: nothing is sent away now",
}


def forwarding(logs: LogsFacts) -> Iterator[Outcome]:
    """Remark on forwarding that loses records; what arrives elsewhere is no host's to prove."""
    kinds = {forward.kind for forward in logs.forwards if forward.may_carry_auth}
    for kind, template in _WEAK.items():
        if kind in kinds:
            yield Outcome(
                subject=Subject(kind="log-forwarding", name=kind),
                result=Result.WARN,
                summary=say(template),
                expected=say("records are sent with acknowledgement (TCP or RELP)"),
                actual=say("configured: {kinds}", kinds=", ".join(sorted(kinds))),
            )


def _fault(file: LogFile, *, declared: bool) -> str:
    if file.mode & 0o002:
        return "writable by all"
    # wtmp names who was logged in, and who(1) and last(1) of every user read it by design.
    if file.mode & 0o004 and file.family != "wtmp":
        return "readable by all"
    # A declared log belongs to its application.
    if not declared and file.owner not in _OWNERS:
        return "owned by another user"
    if not declared and file.mode & 0o020 and file.group not in _WRITERS:
        return "writable by another group"
    return ""


def rotation_runs(logs: LogsFacts, case: LogCase) -> Iterator[Outcome]:
    """Judge whether logrotate runs where something depends on it."""
    run = logs.run
    configured = {rotation.log for rotation in logs.rotations}
    if not run.installed or not any(file.series in configured for file in logs.files):
        return
    subject = Subject(kind="log", name="rotation")
    expected = say("logrotate runs every day")
    if run.last_run is None:
        if run.hidden or case.born is None:
            yield not_known(subject, Reason.DENIED if run.hidden else Reason.UNDETERMINED, expected)
            return
        young = case.age(case.born) < SINCE_BIRTH
        yield Outcome(
            subject=subject,
            result=Result.NOT_APPLICABLE if young else Result.FAIL,
            summary=say("logrotate has not run yet") if young else say("logrotate has never run"),
            expected=expected,
            actual=say("no state file"),
        )
        return
    age = case.age(run.last_run)
    # Debian's cron script leaves the work to the timer where systemd runs.
    planned = run.timer == "enabled" or (run.cron and (not run.systemd or run.timer == "absent"))
    due = SINCE_BIRTH if not planned else _ROTATION_DUE
    just_up = case.booted_s is not None and case.booted_s < _BOOTED_S
    if age > due and not (planned and just_up):
        result, summary = Result.FAIL, say("logrotate has not run for {days} days", days=age // DAY)
    elif not planned:
        result, summary = Result.WARN, say("nothing is planned to run logrotate")
    else:
        result, summary = Result.PASS, say("logrotate ran {days} days ago", days=max(age // DAY, 0))
    yield Outcome(
        subject=subject,
        result=result,
        summary=summary,
        expected=expected,
        actual=say(
            "last run {day}; timer {timer}, cron {cron}",
            day=case.day(run.last_run),
            timer=run.timer,
            cron="yes" if run.cron else "no",
        ),
    )
