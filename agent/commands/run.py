"""`tenken run`: inspect, judge, seal."""

from contextlib import nullcontext

import click

from agent.cli import App


@click.command(help="Inspect, judge, seal.")
@click.option(
    "--limit", default="", help="Only these hosts: patterns, @group, @failed, !pattern, comma-separated."
)
@click.option("--jobs", type=click.IntRange(1, 256), help="Hosts under way at once.")
@click.option("--host-timeout", metavar="DURATION", help="The whole time one host may take, such as 90s.")
@click.option("--dry-run", is_flag=True, help="Show hosts and safeguards; contact nobody.")
@click.option("--if-due", is_flag=True, help="Do nothing unless a promised slot is open.")
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing when every promise is kept.")
@click.pass_obj
def command(
    app: App,
    *,
    limit: str,
    jobs: int | None,
    host_timeout: str | None,
    dry_run: bool,
    if_due: bool,
    shape: str,
    quiet: bool,
) -> None:
    """Exit with 0, 1 or 3, see `tenken --help`."""
    from agent import clock, logs, results  # noqa: PLC0415 (start-up time)
    from agent.inspection import Request, inspect  # noqa: PLC0415
    from agent.interrupts import gently  # noqa: PLC0415
    from agent.lastrun import owed  # noqa: PLC0415
    from agent.progress import Bar, Silent, wanted  # noqa: PLC0415
    from agent.sites import open_site  # noqa: PLC0415
    from config.duration import Duration  # noqa: PLC0415

    logs.configure(app.verbosity, app.log_format)
    site = open_site(app.config)
    try:
        timeout = Duration(host_timeout).seconds if host_timeout else None
    except ValueError as err:
        raise click.BadParameter(str(err), param_hint="--host-timeout") from err
    if dry_run:
        results.print_plan(site, limit, shape)
        return
    if if_due and owed(site, clock.now()).slot is None:
        return
    request = Request(limit=limit, jobs=jobs, host_timeout_s=timeout)
    with gently() as interruption, Bar() if wanted(quiet=quiet) else nullcontext(Silent()) as progress:
        done = inspect(site, request, now=clock.now, progress=progress, interrupted=interruption.flag)
    if not quiet or done.view.exit_status:
        results.print_run(done, shape)
    raise click.exceptions.Exit(interruption.status if interruption.number else done.view.exit_status)
