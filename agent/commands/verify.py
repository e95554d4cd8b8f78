"""`tenken verify`: check a bundle offline."""

from pathlib import Path

import click


@click.command(help="Check a bundle offline.")
@click.argument("bundles", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--trust",
    type=click.Path(path_type=Path),
    required=True,
    help="Your own copy of the trust file; nothing in the bundle says whom to trust.",
)
@click.option("--trust-sha256", metavar="HEX", help="Its SHA-256 as you were given it on another way.")
@click.option("--log", type=click.Path(path_type=Path), help="The run log: is the run in it, without a gap?")
@click.option(
    "--known",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A checkpoint you kept from an earlier visit.",
)
@click.option("--no-replay", is_flag=True, help="Do not judge the evidence again.")
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing when all is well.")
def command(
    bundles: tuple[Path, ...],
    *,
    trust: Path,
    trust_sha256: str | None,
    log: Path | None,
    known: tuple[Path, ...],
    no_replay: bool,
    shape: str,
    quiet: bool,
) -> None:
    """Exit with 0 verified, 3 incomplete or not checked, 5 altered, 6 not trusted, 7 not reproduced.

    The steps are numbered as in docs/bundle-format.md. With several bundles the worst answer counts.
    """
    from reports.outcome import Verdict  # noqa: PLC0415
    from reports.verify import verify_bundle  # noqa: PLC0415 (start-up time)

    judge_again = None
    if not no_replay:
        from reports.replay import replay  # noqa: PLC0415 (imports every safeguard)

        judge_again = replay
    order = list(Verdict)
    worst = Verdict.VERIFIED
    answers = []
    for bundle in bundles:
        found = verify_bundle(
            bundle, trust_path=trust, trust_sha256=trust_sha256, log=log, known=known, replay=judge_again
        )
        worst = min(worst, found.verdict, key=order.index)
        if shape == "json":
            answers.append(
                {
                    "bundle": str(bundle),
                    "verdict": found.verdict.value,
                    "run": found.run,
                    "evidence_root": found.evidence_root,
                    "checkpoint": found.checkpoint,
                    "steps": [
                        {
                            "number": step.number,
                            "name": step.name,
                            "outcome": step.outcome.value,
                            "detail": step.detail,
                        }
                        for step in found.steps
                    ],
                }
            )
        elif not quiet or found.verdict is not Verdict.VERIFIED:
            for step in found.steps:
                print(f"{step.number:2}  {step.outcome.value:11}  {step.name}: {step.detail}")
            print(f"{found.verdict.value}  {bundle}")
    if shape == "json":
        from agent.output import print_json  # noqa: PLC0415

        print_json(answers)
    raise click.exceptions.Exit(worst.exit_code)
