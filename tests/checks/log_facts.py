"""Facts about a host's logs by hand, and the judgement on them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from checks.access_log_retention import Retention, access_log_retention
from checks.model import Clock, History, Outcome, Result, Target
from collectors.evidence import TargetKind
from collectors.facts import Known
from collectors.probes.log_files import LogFile
from collectors.probes.log_journal import Journal
from collectors.probes.logrotate_config import Rotation
from collectors.probes.logs import Audit, LogFolder, LogsFacts, RotationRun
from collectors.probes.platform import PlatformFacts
from config.duration import Duration
from config.model import AccessLog

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FAIL, UNKNOWN, WARN, PASS, NA = Result


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def file(path: str, first: float | None, last: float, **more: Any) -> LogFile:
    """One file whose first record is `first` days old and whose last is `last` days old."""
    base = path.removesuffix(".gz")
    stem, _, number = base.rpartition(".")
    rotated = number.isdigit()
    series = f"/var/log/{stem if rotated else base}"
    name = series.rpartition("/")[2]
    family = {"auth.log": "auth", "secure": "auth", "audit.log": "audit"}.get(name, name)
    usual: dict[str, Any] = {
        "path": f"/var/log/{path}",
        "family": family,
        "series": series,
        "rotated": rotated,
        "size": 20_000,
        "modified": ago(last),
        "owner": "root",
        "group": "utmp" if family in {"wtmp", "btmp"} else "adm",
        "mode": {"wtmp": 0o664, "btmp": 0o660}.get(family, 0o640),
        "first": None if first is None else ago(first),
        "first_auth": None if first is None else ago(first),
        "last_login": None if first is None else ago(last),
        "empty": more.get("size") == 0,
        "undated": None,
    }
    return LogFile(**(usual | more))


def weekly(count: int, log: str = "auth.log") -> tuple[LogFile, ...]:
    """`count` files of a week each, the newest first."""
    names = [log, f"{log}.1", *(f"{log}.{number}.gz" for number in range(2, count))]
    return tuple(file(name, week * 7 + 7, week * 7) for week, name in enumerate(names[:count]))


def rotation(log: str, rotate: int | None, days: int = 7, **more: Any) -> Rotation:
    settings: dict[str, Any] = {"by_size": False, "max_age_days": None} | more
    return Rotation(log=f"/var/log/{log}", rotate=rotate, every_days=days, **settings)


NO_JOURNAL = Journal(
    storage="auto",
    max_retention_s=None,
    persistent=False,
    volatile=False,
    hidden=None,
    first_auth=None,
    last_login=None,
    last=None,
)
KEPT_JOURNAL = msgspec.structs.replace(NO_JOURNAL, persistent=True, last=NOW)
RUNS = RotationRun(installed=True, last_run=ago(0.5), hidden=False, timer="enabled", systemd=True, cron=True)
WTMP = file("wtmp", 400, 1)


def facts(*files: LogFile, **more: Any) -> LogsFacts:
    usual: dict[str, Any] = {
        "looked": NOW,
        "zone_s": 0,
        "declared": (),
        "folders": (LogFolder(path="/var/log", owner="root", group="root", mode=0o755),),
        "power_cuts": (),
        "journal": NO_JOURNAL,
        "rotations": (),
        "rotation_hidden": None,
        "run": RUNS,
        "forwards": (),
        "forwards_hidden": False,
        "audit": Audit(installed=False, action="", keeps=4),
        "wtmpdb": False,
    }
    return LogsFacts(files=files, **(usual | more))


def judge(
    logs: LogsFacts,
    *,
    host_days: float | None = 730,
    keep: str = "365d",
    booted_s: int = 900_000,
    declared: tuple[AccessLog, ...] = (),
    history: History | None = None,
    target: Target | None = None,
) -> tuple[Outcome, ...]:
    platform = PlatformFacts(
        id="debian",
        like=(),
        version_id="12",
        codename="bookworm",
        name="Debian",
        kernel="6.1",
        machine="x86_64",
        kernel_build="",
        born=None if host_days is None else ago(host_days),
        booted_s=booted_s,
    )
    clock = Clock(as_of=NOW, zone="Asia/Tokyo")
    options = Retention(keep=Duration(keep))
    known = Known(value=platform, evidence="x#platform")
    return tuple(
        access_log_retention(
            logs,
            known,
            target=target or host(*declared),
            options=options,
            clock=clock,
            history=history or History(),
        )
    )


def host(*declared: AccessLog) -> Target:
    return Target(target="web-01", kind=TargetKind.HOST, logs=declared)


def of(outcomes: Iterable[Outcome], name: str) -> Outcome:
    (one,) = [outcome for outcome in outcomes if outcome.subject.name == name]
    return one


def results(outcomes: Iterable[Outcome]) -> Mapping[str, Result]:
    return {outcome.subject.name: outcome.result for outcome in outcomes}
