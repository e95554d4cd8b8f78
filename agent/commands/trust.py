"""`tenken trust`: the file that says whose seals, stamps and reviews count."""

from pathlib import Path

import click

from agent.cli import App


@click.group(help="The file that says whose seals, stamps and reviews count.")
def command() -> None:
    """Hold the subcommands."""


@command.command()
@click.pass_obj
def show(app: App) -> None:
    """Show the trust file in force and its SHA-256, which is handed over on another way than the file."""
    from agent.sites import open_site  # noqa: PLC0415 (start-up time)
    from reports.trust import load  # noqa: PLC0415

    site = open_site(app.config)
    held = load(site.trust)
    print(f"{site.trust} version {held.trust.version} sha256 {held.sha256}")
    for key in held.trust.log.keys:
        print(f"seal key {key.vkey}")
    for tsa in held.trust.tsas:
        print(f"time-stamp authority {tsa.name}, from {tsa.from_}")
    for it in held.trust.officers:
        print(f"officer {it.principal} ({', '.join(it.roles)}), from {it.from_}")


@command.command()
@click.argument("name")
@click.option(
    "--key", type=click.Path(path_type=Path), required=True, help="Public key of the officer (*.pub)."
)
@click.pass_obj
def officer(app: App, name: str, key: Path) -> None:
    """Write the next trust file, with NAME as an officer whose reviews count."""
    from agent.clock import now  # noqa: PLC0415 (start-up time)
    from agent.sites import open_site  # noqa: PLC0415
    from agent.trusting import with_officer  # noqa: PLC0415

    site = open_site(app.config)
    _handed_over(with_officer(site, name, key, ("review",), now()))


@command.command()
@click.argument("name")
@click.option(
    "--root", type=click.Path(path_type=Path), required=True, help="Root certificate of the authority (PEM)."
)
@click.pass_obj
def tsa(app: App, name: str, root: Path) -> None:
    """Write the next trust file, with the authority NAME of [[tsa]], whose certificate is asked for."""
    from agent.clock import now  # noqa: PLC0415 (start-up time)
    from agent.sites import open_site  # noqa: PLC0415
    from agent.trusting import with_authority  # noqa: PLC0415

    site = open_site(app.config)
    _handed_over(with_authority(site, name, root, now()))


def _handed_over(path: Path) -> None:
    from reports.trust import load  # noqa: PLC0415 (start-up time)

    print(f"{path} sha256 {load(path).sha256}")
    print(f'Set `trust = "{path.parent.name}/{path.name}"` under [paths], and hand file and hash over anew.')
