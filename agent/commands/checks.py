"""`tenken checks`: list and show the safeguards."""

import click

from agent.output import print_json, print_table
from checks.catalogue import Entry, catalogue
from config.errors import ConfigError


@click.group(help="List and show the safeguards.")
def command() -> None:
    """Hold the subcommands."""


@command.command("list")
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
def list_(shape: str) -> None:
    """List every safeguard that is installed."""
    entries = catalogue()
    if shape == "json":
        print_json([_plain(entry) for entry in entries.values()])
        return
    print_table(
        ("safeguard", "looks at", "severity", "the safe state"),
        [
            (name, each.check.kind.value, each.check.severity.value, each.page.title)
            for name, each in entries.items()
        ],
    )


@command.command()
@click.argument("safeguard")
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text")
def show(safeguard: str, shape: str) -> None:
    """Show one safeguard: what it looks at, why, what to do, its settings."""
    from agent.docs import settings_of  # noqa: PLC0415 (only this command needs it)

    entry = catalogue().get(safeguard)
    if entry is None:
        message = f"no safeguard is called {safeguard!r}"
        raise ConfigError(message, hint="`tenken checks list` names them.")
    if shape == "json":
        print_json(_plain(entry))
        return
    print(f"{entry.check.id}: {entry.page.title}\n")
    for title, body in (
        ("What it looks at", entry.page.looks_at),
        ("Why it matters", entry.page.matters),
        ("What to do", entry.page.to_do),
    ):
        print(f"{title}\n\n{body}\n")
    print("Settings (under [promise.set])\n")
    print_table(("name", "default", "meaning"), settings_of(entry))
    print(f"\nControls: {', '.join(entry.check.controls)}")


def _plain(entry: Entry) -> dict[str, object]:
    from agent.docs import settings_of  # noqa: PLC0415 (only these commands need it)

    return {
        "id": entry.check.id,
        "title": entry.page.title,
        "kind": entry.check.kind.value,
        "severity": entry.check.severity.value,
        "controls": list(entry.check.controls),
        "looks_at": entry.page.looks_at,
        "matters": entry.page.matters,
        "to_do": entry.page.to_do,
        "sha256": entry.sha256,
        "settings": [
            {"name": name, "default": default, "meaning": meaning}
            for name, default, meaning in settings_of(entry)
        ],
    }
