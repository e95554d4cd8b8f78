"""`tenken hosts`: list, test and pin the hosts of the inventory."""

import click

from agent.cli import App


@click.group(help="List, test and pin the hosts of the inventory.")
def command() -> None:
    """Hold the subcommands."""


@command.command("list")
@click.option("--limit", default="", help="Only these hosts: patterns, @group, !pattern, comma-separated.")
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def list_(app: App, *, limit: str, shape: str) -> None:
    """List the hosts as they are declared; contact nobody."""
    from agent.output import print_json, print_table  # noqa: PLC0415 (start-up time)
    from agent.sites import open_site  # noqa: PLC0415
    from config.inventory import select  # noqa: PLC0415

    hosts = select(open_site(app.config).config.host, limit or None)
    rows = [
        {
            "name": host.name,
            "address": f"{host.where}:{host.port}" if host.transport.value == "ssh" else "this machine",
            "user": host.user if host.transport.value == "ssh" else "",
            "privilege": host.privilege.value,
            "groups": ",".join(host.groups),
            "excluded": host.excluded,
        }
        for host in hosts
    ]
    if shape == "json":
        print_json(rows)
    else:
        print_table(
            ("name", "address", "user", "privilege", "groups", "excluded"),
            [tuple(row.values()) for row in rows],
        )


@command.command()
@click.argument("names", nargs=-1)
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def test(app: App, names: tuple[str, ...], shape: str) -> None:
    """Log in to hosts and ask who we are there; say what to fix.

    Exit status 3 when a host cannot be inspected as declared.
    """
    from agent import logs  # noqa: PLC0415 (start-up time)
    from agent.hosttest import try_hosts  # noqa: PLC0415
    from agent.output import print_json, print_table  # noqa: PLC0415
    from agent.sites import open_site  # noqa: PLC0415
    from collectors.transport import HINTS  # noqa: PLC0415

    logs.configure(app.verbosity, app.log_format)
    tried = try_hosts(open_site(app.config), names)
    rows = [
        {
            "host": evidence.target,
            "status": evidence.status.value,
            "reason": evidence.reason.value if evidence.reason else "",
            "uid": str(evidence.visit.uid) if evidence.visit and evidence.visit.uid is not None else "",
            "what to do": HINTS.get(evidence.reason, "") if evidence.reason else "",
        }
        for evidence in tried
    ]
    if shape == "json":
        print_json(rows)
    else:
        print_table(("host", "status", "reason", "uid", "what to do"), [tuple(row.values()) for row in rows])
    if any(evidence.reason for evidence in tried):
        raise click.exceptions.Exit(3)


@command.command()
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--yes", is_flag=True, help="Pin without asking: only when the fingerprints were compared elsewhere."
)
@click.pass_obj
def trust(app: App, names: tuple[str, ...], *, yes: bool) -> None:
    """Show the host keys that hosts offer and pin them.

    Compare the fingerprints with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host itself.
    """
    from agent.hosttest import pin_hosts  # noqa: PLC0415 (start-up time)
    from agent.sites import open_site  # noqa: PLC0415

    failed = False
    for line, ok in pin_hosts(open_site(app.config), names, confirm=None if yes else click.confirm):
        click.echo(line, err=not ok)
        failed = failed or not ok
    if failed:
        raise click.exceptions.Exit(3)
