"""`tenken report`: show a sealed run again."""

import sys
from pathlib import Path

import click

from agent.cli import App


@click.command(help="Show a sealed run again.")
@click.argument("bundle", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@click.option("--run", "number", type=click.IntRange(1), help="A run of this site; the newest without it.")
@click.option("--format", "shape", type=click.Choice(["text", "json", "html"]), default="text")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write instead of printing.")
@click.option("--path", type=click.Choice(["bundle", "html"]), help="Print only where that file is.")
@click.pass_obj
def command(
    app: App,
    *,
    bundle: Path | None,
    number: int | None,
    shape: str,
    output: Path | None,
    path: str | None,
) -> None:
    """Render from the sealed documents; what it shows is verified by `tenken verify`, not here."""
    from agent.lastrun import bundle_of, folder_of  # noqa: PLC0415 (start-up time)
    from agent.output import print_json  # noqa: PLC0415
    from agent.results import print_promises, summary  # noqa: PLC0415
    from agent.sites import open_site  # noqa: PLC0415
    from reports.html import render  # noqa: PLC0415
    from reports.members import open_members  # noqa: PLC0415
    from reports.view import view_of  # noqa: PLC0415

    if path:
        site = open_site(app.config)
        where = (
            folder_of(site, number) / "report" / "report.html" if path == "html" else bundle_of(site, number)
        )
        print(where)
        return
    source = bundle or bundle_of(open_site(app.config), number)
    with open_members(source) as (members, evidence_root):
        view = view_of(members, evidence_root)
    if shape == "html":
        page = render(view)
        if output:
            output.write_bytes(page)
        else:
            sys.stdout.buffer.write(page)
    elif shape == "json":
        print_json(summary(view))
    else:
        print_promises(view)
