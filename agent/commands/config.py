"""`tenken config`: check the configuration, print its schema."""

import click

from agent.cli import App
from agent.output import print_json, print_table


@click.group(help="Check the configuration; print its schema.")
def command() -> None:
    """Hold the subcommands."""


@command.command()
@click.option("-q", "--quiet", is_flag=True, help="Print nothing when all is well.")
@click.pass_obj
def check(app: App, quiet: bool) -> None:  # noqa: FBT001 (click's flags are positional)
    """Read the configuration, the keys, the roster and the journals' places; contact nobody.

    Every error comes at once, with its file and line; exit status 2.
    """
    from agent.readiness import check_site  # noqa: PLC0415 (start-up time)
    from agent.sites import open_site  # noqa: PLC0415

    site = open_site(app.config)
    roster = check_site(site)
    if quiet:
        return
    config = site.config
    print_table(
        ("declared", "count"),
        [
            ("files read", ", ".join(path.name for path in site.loaded.files)),
            ("promises", str(len(config.promise))),
            ("hosts", str(len(config.host))),
            ("mail journals", str(len(config.mail))),
            ("service accounts", str(len(config.account))),
            ("posts", str(len(config.post))),
            ("application logs", str(len(config.log))),
            ("roster", f"{len(roster.persons)} persons" if roster else "none"),
        ],
    )


@command.command()
def schema() -> None:
    """Print the JSON Schema of tenken.toml."""
    from checks.catalogue import catalogue  # noqa: PLC0415 (start-up time)
    from config.schema import schema as schema_of  # noqa: PLC0415

    print_json(schema_of({name: entry.options for name, entry in catalogue().items()}))
