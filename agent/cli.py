"""The command line: the one place where errors become words and exit statuses."""

import importlib
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType

import click

from config.errors import TenkenError

COMMANDS = {
    "init": "Write a site folder: configuration, signing key, trust file.",
    "config": "Check the configuration; print its schema.",
    "hosts": "List, test and pin the hosts of the inventory.",
    "checks": "List and show the safeguards.",
    "run": "Inspect, judge, seal.",
    "report": "Show a sealed run again.",
    "review": "The officer's signed decision about a run.",
    "verify": "Check a bundle offline.",
    "key": "Make or show the signing key.",
    "trust": "The file that says whose seals, stamps and reviews count.",
    "schedule": "Print the crontab line or the systemd units.",
    "daemon": "Run at every slot, in the foreground.",
    "status": "Last run, next due, missed slots.",
}
"""Every subcommand with its line in `tenken --help`; each lives in agent/commands/NAME.py."""

BUG = 70
INTERRUPTED = 130
TERMINATED = 143


class App:
    """What the options before the subcommand say."""

    def __init__(self, config: Path | None, verbosity: int, log_format: str) -> None:
        self.config = config
        self.verbosity = verbosity
        self.log_format = log_format


class Lazy(click.Group):
    """Import a subcommand only when it is called: `--help` and `verify` stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Keep the order of the table above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the subcommand that was named."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"agent.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Configuration file; without it $TENKEN_CONFIG, the user's folder, /etc/tenken, ./tenken.toml.",
)
@click.option("-v", "--verbose", count=True, help="Say more on standard error; twice for everything.")
@click.option(
    "--log-format",
    type=click.Choice(["console", "json", "journald"]),
    default="console",
    help="Shape of the log lines on standard error.",
)
@click.version_option(package_name="tenken", prog_name="tenken")
@click.pass_context
def tenken(ctx: click.Context, config: Path | None, verbose: int, log_format: str) -> None:
    """Inspect whether the safeguards a privacy policy promises are kept, and seal the result.

    Exit statuses: 0 all kept, 1 findings, 2 usage or configuration, 3 incomplete, 4 overdue,
    5 altered, 6 not trusted, 7 not reproduced, 70 bug, 75 another run holds the lock,
    130/143 interrupted.
    """
    ctx.obj = App(config, verbose, log_format)


def main() -> None:
    """Entry point of the console script `tenken`."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        status = tenken.main(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        status = stop.exit_code
    except click.ClickException as err:
        err.show()
        status = 2
    except TenkenError as err:
        _complain(str(err), err.hint)
        status = err.exit_code
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted", "")
        status = INTERRUPTED
    except Terminated:
        _complain("terminated", "")
        status = TERMINATED
    except BrokenPipeError:
        # The reader (head, less) went away: nothing more to say, and nothing to print at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    except Exception as fault:  # noqa: BLE001 (the last place)
        _complain(f"a fault of Tenken itself: {type(fault).__name__}", _where(fault))
        status = BUG
    sys.exit(status if isinstance(status, int) else 0)


class Terminated(BaseException):
    """SIGTERM came; like KeyboardInterrupt it is no error of anything that runs."""


def _terminated(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (signal's signature)
    raise Terminated


def _complain(message: str, hint: str) -> None:
    print(f"tenken: error: {message}", file=sys.stderr)
    for line in hint.splitlines():
        print(f"  {line}", file=sys.stderr)


def _where(fault: BaseException) -> str:
    """Name files and lines only: the message or a value could hold evidence."""
    frames = traceback.extract_tb(fault.__traceback__)[-4:]
    return "\n".join(f"at {Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
