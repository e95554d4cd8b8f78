"""`tenken hosts`: list, test and pin the hosts of the inventory."""

import click

from agent.cli import App


@click.group(help="List, test and pin the hosts of the inventory.")
def command() -> None:
    """Hold the subcommands."""


@command.command("list")
@click.option(
    "--limit", default="", help="Only these hosts: patterns, @group, @failed, !pattern, comma-separated."
)
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def list_(app: App, *, limit: str, shape: str) -> None:
    """List the hosts as they are declared; contact nobody."""
    from agent.lastrun import chosen  # noqa: PLC0415
    from agent.output import print_json, print_table  # noqa: PLC0415 (start-up time)
    from agent.sites import open_site  # noqa: PLC0415

    site = open_site(app.config)
    hosts = chosen(site, limit)
    rows = [
        {
            "name": host.name,
            "address": f"{host.where}:{host.port or 22}"
            if host.transport.value != "local"
            else "this machine",
            "user": host.user if host.transport.value != "local" else "",
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
    from contextlib import nullcontext  # noqa: PLC0415 (start-up time)

    from agent import logs  # noqa: PLC0415
    from agent.hosttest import advice, try_hosts  # noqa: PLC0415
    from agent.interrupts import gently  # noqa: PLC0415
    from agent.output import print_json, print_table  # noqa: PLC0415
    from agent.progress import Bar, Silent, wanted  # noqa: PLC0415
    from agent.sites import open_site  # noqa: PLC0415
    from collectors.evidence import Reason  # noqa: PLC0415
    from reports.display import visible  # noqa: PLC0415

    logs.configure(app.verbosity, app.log_format)
    site = open_site(app.config)
    ending = "ending; hosts that were not tried yet are listed as interrupted"
    with gently(ending) as interruption, Bar() if wanted(quiet=False) else nullcontext(Silent()) as progress:
        tried = try_hosts(site, names, progress=progress, interrupted=interruption.flag)
    rows = [
        {
            "host": evidence.target,
            "status": evidence.status.value,
            "reason": evidence.reason.value if evidence.reason else "",
            "uid": str(evidence.visit.uid) if evidence.visit and evidence.visit.uid is not None else "",
            "detail": evidence.detail,
            "what to do": advice(evidence),
        }
        for evidence in tried
    ]
    if shape == "json":
        print_json(rows)
    else:
        columns = ("host", "status", "reason", "uid")
        print_table(columns, [tuple(row[column] for column in columns) for row in rows])
        for row in rows:
            if row["reason"]:
                click.echo(f"\n{row['host']}: {visible(row['detail'] or row['reason'])}")
                click.echo(f"  {row['what to do']}")
    if interruption.number:
        raise click.exceptions.Exit(interruption.status)
    if any(evidence.reason not in (None, Reason.EXCLUDED) for evidence in tried):
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


@command.command()
@click.argument("names", nargs=-1)
@click.option("--probe", "part", flag_value="probe", help="Print the copy alone, byte for byte.")
@click.option("--rule", "part", flag_value="rule", help="Print the sudo rule alone.")
@click.option("--key", "part", flag_value="key", help="Print the authorized_keys line alone.")
@click.option("--from", "source", default="AUDITOR", help="Address this machine logs in from.")
@click.pass_obj
def sudoers(app: App, names: tuple[str, ...], *, part: str | None, source: str) -> None:
    """Print the probe's root-owned copy, its sudo rule with a digest and its forced command.

    Contacts nobody.
    """
    import sys  # noqa: PLC0415 (start-up time)

    from agent import sudoers as texts  # noqa: PLC0415
    from agent.lastrun import chosen  # noqa: PLC0415
    from agent.sites import open_site  # noqa: PLC0415
    from collectors.installed import text  # noqa: PLC0415

    if part == "probe":
        # The digest is that of these bytes: nothing may be added to them.
        sys.stdout.buffer.write(text())
        return
    site = open_site(app.config)
    hosts = chosen(site, ",".join(names))
    users = texts.audit_users(hosts)
    key = texts.public_key(site, hosts)
    match part:
        case "rule":
            click.echo(texts.rule(users), nl=False)
        case "key":
            click.echo(texts.forced_line(key, source))
        case _:
            click.echo(texts.instructions(hosts, users, key, source), nl=False)
