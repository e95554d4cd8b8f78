"""`tenken key`: make or show the signing key."""

import click

from agent.cli import App


@click.group(help="Make or show the signing key.")
def command() -> None:
    """Hold the subcommands."""


@command.command()
@click.pass_obj
def new(app: App) -> None:
    """Make the key that the configuration names; a key is never overwritten."""
    from agent.sites import open_site, origin_of  # noqa: PLC0415 (start-up time)
    from reports.sealkey import SealKey  # noqa: PLC0415

    site = open_site(app.config)
    site.key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = SealKey.create(site.key, origin=origin_of(site.config.site.id))
    print(f"{site.key} {key.fingerprint}")
    print("Bundles signed with it are trusted only once a trust file names it:")
    print(key.verifier.text)


@command.command()
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def show(app: App, shape: str) -> None:
    """Show the public half: fingerprint, and the verifier key that a trust file names."""
    from agent.output import print_json, print_table  # noqa: PLC0415 (start-up time)
    from agent.sites import open_site, origin_of  # noqa: PLC0415
    from reports.sealkey import SealKey  # noqa: PLC0415

    site = open_site(app.config)
    key = SealKey.load(site.key, origin=origin_of(site.config.site.id))
    answer = {"fingerprint": key.fingerprint, "vkey": key.verifier.text, "file": str(site.key)}
    if shape == "json":
        print_json(answer)
    else:
        print_table(("signing key", ""), list(answer.items()))
