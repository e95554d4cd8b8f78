"""`tenken init`: write a site folder."""

from pathlib import Path

import click

from config.profiles import names


@click.command(help="Write a site folder: configuration, signing key, trust file.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--profile",
    type=click.Choice(names()),
    default="named-measures",
    help="Promise register to start from.",
    show_default=True,
)
@click.option("--site", "site_id", default="example", help="Short name of the site.", show_default=True)
@click.option(
    "--name", default="Example K.K.", help="The company's name as reports print it.", show_default=True
)
@click.option("--timezone", default="", help="IANA zone in which days are meant, such as Asia/Tokyo.")
@click.option(
    "--example", is_flag=True, help="Add an invented roster and mail journal, and inspect this machine."
)
def command(folder: Path, profile: str, site_id: str, name: str, timezone: str, *, example: bool) -> None:
    """Refuse a folder that holds a configuration already."""
    from agent.sitefolder import write_site  # noqa: PLC0415 (start-up time)

    for line in write_site(
        folder, profile=profile, site_id=site_id, name=name, timezone=timezone, example=example
    ):
        print(line)
