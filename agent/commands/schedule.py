"""`tenken schedule`: the lines that run the inspection at its slots."""

import getpass
import shutil
import sys
from pathlib import Path
from shlex import quote

import click

from agent.cli import App


@click.group(help="Print the crontab line or the systemd units.")
def command() -> None:
    """Hold the subcommands."""


@command.command()
@click.option("--cron", "shape", flag_value="cron", help="A crontab(5) line.")
@click.option("--systemd", "shape", flag_value="systemd", help="A service and a timer unit.")
@click.pass_obj
def show(app: App, shape: str | None) -> None:
    """Print what to install so that the promised interval is kept."""
    from agent import clock, timers  # noqa: PLC0415 (start-up time)
    from agent.sites import open_site  # noqa: PLC0415

    site = open_site(app.config)
    schedule, zone = site.config.schedule, site.config.site.timezone
    program = shutil.which("tenken") or str(Path(sys.argv[0]).resolve())
    run = f"{quote(program)} --config {quote(str(site.loaded.files[0].resolve()))}"
    if shape == "systemd":
        print(timers.systemd(schedule, zone, run, getpass.getuser()), end="")
        return
    print(timers.cron(schedule, zone, run, clock.now()))
