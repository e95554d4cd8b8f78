"""The lines that make cron or systemd run the inspection at its slots."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from agent.slots import DAY_S
from config.model import Schedule

_HOUR_S = 3_600


def cron(schedule: Schedule, zone: str, command: str, now: datetime) -> str:
    """Return a crontab(5) line.

    Debian's cron knows no zone but the machine's. Where that differs from the site's, or the interval
    has no cron spelling, the line asks every few minutes and `--if-due` decides: right in every zone.
    """
    escaped = command.replace("%", r"\%")  # crontab(5): a bare % is a newline
    spelling = _cron_fields(schedule) if _machine_keeps(zone, now) else None
    if spelling is None:
        minutes = _asking_minutes(schedule)
        fields = f"*/{minutes} * * * *" if minutes > 1 else "* * * * *"
        return f"{fields} {escaped} run -q --if-due"
    return f"{spelling} {escaped} run -q"


def systemd(schedule: Schedule, zone: str, command: str, user: str) -> str:
    """Return a service and a timer unit (systemd.timer(5)); OnCalendar takes the zone itself.

    `user` owns the state folder: a run by another user would leave files that it cannot read.
    """
    calendar = _calendar(schedule)
    if calendar is None:
        trigger, arguments = f"*:0/{_asking_minutes(schedule)}", "run -q --if-due"
    else:
        trigger, arguments = f"{calendar} {zone}", "run -q"
    # systemd.unit(5), systemd.service(5): both have a meaning of their own in a command line.
    escaped = command.replace("%", "%%").replace("$", "$$")
    return f"""# /etc/systemd/system/tenken.service
[Unit]
Description=Tenken self-inspection
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={user}
ExecStart={escaped} {arguments}
# 1 is "inspected, with findings": the unit did its work.
SuccessExitStatus=1
Nice=10
NoNewPrivileges=yes
PrivateTmp=yes

# /etc/systemd/system/tenken.timer
[Unit]
Description=Tenken self-inspection, every {schedule.every}

[Timer]
OnCalendar={trigger}
Persistent=true

[Install]
WantedBy=timers.target
"""


def _asking_minutes(schedule: Schedule) -> int:
    """How often to ask whether a slot is due: no slot and no grace may pass in between."""
    return max(min(15, schedule.every.seconds // 60, schedule.grace.seconds // 60), 1)


def _machine_keeps(zone: str, now: datetime) -> bool:
    """Whether this machine's clock shows the site's wall time, now and half a year away."""
    site = ZoneInfo(zone)
    moments = (now, now + timedelta(days=182))
    return all(
        moment.astimezone().utcoffset() == moment.astimezone(UTC).astimezone(site).utcoffset()
        for moment in moments
    )


def _cron_fields(schedule: Schedule) -> str | None:
    hour, minute = (int(part) for part in schedule.at.split(":"))
    seconds = schedule.every.seconds
    if seconds == DAY_S:
        return f"{minute} {hour} * * *"
    if seconds < DAY_S and seconds % _HOUR_S == 0:
        step = seconds // _HOUR_S
        hours = ",".join(str(each) for each in range(hour % step, 24, step))
        return f"{minute} {hours if step > 1 else '*'} * * *"
    if seconds < _HOUR_S and _HOUR_S % seconds == 0 and seconds % 60 == 0:
        step = seconds // 60
        minutes = ",".join(str(each) for each in range(minute % step, 60, step))
        return f"{minutes if step > 1 else '*'} * * * *"
    return None


def _calendar(schedule: Schedule) -> str | None:
    fields = _cron_fields(schedule)
    if fields is None:
        return None
    minute, hour, *_ = fields.split(" ")
    return f"*-*-* {hour}:{minute}:00"
