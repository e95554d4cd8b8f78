"""`tenken daemon`: run at every slot, in the foreground."""

import click

from agent.cli import App


@click.command(help="Run at every slot, in the foreground.")
@click.pass_obj
def command(app: App) -> None:
    """Stop with SIGTERM or Ctrl-C; a run under way is ended and not sealed."""
    from threading import Event  # noqa: PLC0415 (start-up time)

    import structlog  # noqa: PLC0415

    from agent import clock, logs  # noqa: PLC0415
    from agent.daemon import serve  # noqa: PLC0415
    from agent.inspection import Request, inspect  # noqa: PLC0415
    from agent.lastrun import owed  # noqa: PLC0415
    from agent.progress import Silent  # noqa: PLC0415
    from agent.sites import open_site  # noqa: PLC0415

    # A service that says nothing for a day looks dead: one line a run.
    logs.configure(max(app.verbosity, 1), app.log_format)
    log = structlog.get_logger()
    open_site(app.config)

    def once() -> None:
        # Read anew at every slot: a changed inventory or roster counts from the next run on.
        done = inspect(open_site(app.config), Request(), now=clock.now, progress=Silent())
        log.info("run sealed", run=done.run, exit_status=done.view.exit_status, bundle=str(done.bundle))

    serve(lambda at: owed(open_site(app.config), at), once, now=clock.now, stop=Event())
