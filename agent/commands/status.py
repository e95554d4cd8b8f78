"""`tenken status`: last run, next due, missed slots."""

from datetime import datetime

import click

from agent.cli import App

OVERDUE = 4


@click.command(help="Last run, next due, missed slots.")
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing when nothing is overdue.")
@click.pass_obj
def command(app: App, *, shape: str, quiet: bool) -> None:
    """Exit status 4 when a promised inspection was missed or none was ever made."""
    from agent import clock  # noqa: PLC0415 (start-up time)
    from agent.lastrun import last_run, owed  # noqa: PLC0415
    from agent.output import print_json, print_table  # noqa: PLC0415
    from agent.sites import open_site  # noqa: PLC0415

    site = open_site(app.config)
    at = clock.now()
    last, due = last_run(site), owed(site, at)
    overdue = last is None or due.overdue
    answer = {
        "last_run": last.run if last else None,
        "last_run_at": _stamp(last.as_of) if last else None,
        "slot_open": _stamp(due.slot) if due.slot else None,
        "next_slot": _stamp(due.next_slot),
        "missed": [_stamp(slot) for slot in due.missed],
        "overdue": overdue,
    }
    if shape == "json":
        print_json(answer)
    elif not quiet or overdue:
        print_table(
            ("self-inspection", ""),
            [
                ("last run", f"{last.run}, {_stamp(last.as_of)}" if last else "none yet"),
                ("slot open now", _stamp(due.slot) if due.slot else "none"),
                ("next slot", _stamp(due.next_slot)),
                ("missed since", str(len(due.missed))),
                *(("", _stamp(slot)) for slot in due.missed[-5:]),
            ],
        )
    if overdue:
        raise click.exceptions.Exit(OVERDUE)


def _stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
