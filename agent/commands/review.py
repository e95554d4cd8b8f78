"""`tenken review`: the officer's signed decision about a sealed run."""

from pathlib import Path

import click

from agent.cli import App

_RUN = click.argument("run", type=click.IntRange(min=1), required=False)
_AS = click.option(
    "--as", "principal", required=True, metavar="NAME", help="Who decides, as the trust file names you."
)
_DECISION = click.option(
    "--decision",
    type=click.Choice(["accepted", "returned"]),
    required=True,
    help="Whether the record stands, or has to be worked on.",
)
_COMMENT = click.option("--comment", default="", help="Is signed too.")


@click.group(help="The officer's signed decision about a run.")
def command() -> None:
    """Hold the subcommands."""


@command.command("list")
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def list_(app: App, shape: str) -> None:
    """List the runs with what was decided about each."""
    import msgspec  # noqa: PLC0415 (start-up time)

    from agent.output import print_json, print_table  # noqa: PLC0415
    from agent.reviewing import reviewable  # noqa: PLC0415
    from agent.sites import open_site  # noqa: PLC0415

    runs = reviewable(open_site(app.config))
    if shape == "json":
        print_json([msgspec.to_builtins(each) for each in runs])
        return
    print_table(
        ("run", "finished", "decision", "by", "recorded"),
        [(str(it.run), it.finished, it.decision or "not reviewed", it.principal, it.recorded) for it in runs],
    )


@command.command()
@_RUN
@_AS
@_DECISION
@_COMMENT
@click.option("--out", type=click.Path(path_type=Path), default=Path("review.json"), show_default=True)
@click.pass_obj
def write(app: App, *, run: int | None, principal: str, decision: str, comment: str, out: Path) -> None:
    """Write the file that the officer signs, of the newest run unless RUN is given."""
    from agent.clock import now  # noqa: PLC0415 (start-up time)
    from agent.reviewing import NAMESPACE, draft  # noqa: PLC0415
    from agent.sites import open_site  # noqa: PLC0415
    from reports.durable import put  # noqa: PLC0415

    site = open_site(app.config)
    put(out, draft(site, run, principal=principal, decision=decision, comment=comment, now=now()))  # type: ignore[arg-type]
    print(f"read the report, then sign:  ssh-keygen -Y sign -n {NAMESPACE} -f KEY {out}")
    print(f"and give both files back:    tenken review add {out} {out}.sig")


@command.command()
@click.argument("document", type=click.Path(path_type=Path))
@click.argument("signature", type=click.Path(path_type=Path), required=False)
@click.pass_obj
def add(app: App, document: Path, signature: Path | None) -> None:
    """Check a signed review and write it into the run log."""
    from agent.clock import now  # noqa: PLC0415 (start-up time)
    from agent.reviewing import take  # noqa: PLC0415
    from agent.sites import open_site  # noqa: PLC0415

    review = take(
        open_site(app.config), document, signature or document.with_name(f"{document.name}.sig"), now()
    )
    print(f"run {review.run} is {review.decision} by {review.principal}")


@command.command()
@_RUN
@_AS
@_DECISION
@_COMMENT
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    required=True,
    help="Your private key, or the public half of one in your agent or on your device.",
)
@click.pass_obj
def sign(app: App, *, run: int | None, principal: str, decision: str, comment: str, key: Path) -> None:
    """Write, sign and add in one step, where the officer sits at this machine."""
    import tempfile  # noqa: PLC0415 (start-up time)

    from agent.clock import now  # noqa: PLC0415
    from agent.reviewing import draft, take  # noqa: PLC0415
    from agent.reviewing import sign as signed  # noqa: PLC0415
    from agent.sites import open_site  # noqa: PLC0415

    site = open_site(app.config)
    raw = draft(site, run, principal=principal, decision=decision, comment=comment, now=now())  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder) / "review.json"
        document.write_bytes(raw)
        review = take(site, document, signed(document, key), now())
    print(f"run {review.run} is {review.decision} by {review.principal}")
