"""Write the pages that derive from the code: `python -m agent.docs [--check]`."""

import inspect
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from agent.cli import tenken
from checks.catalogue import Entry, catalogue
from checks.support import Platform, Support
from collectors.evidence import TargetKind
from collectors.facts import Facts
from collectors.registry import all_probes
from config.codec import enc_hook
from config.schema import schema, table_of

FOLDER = Path(__file__).resolve().parent.parent / "docs"
README = FOLDER.parent / "README.md"
HELP, HELP_END = "<!-- help -->\n", "<!-- /help -->"
HELP_WIDTH = 78
"""what click gives to a terminal of 80 columns"""
WRITTEN = "<!-- Written by `make docs`. Do not edit. -->\n"


def settings_of(entry: Entry) -> list[tuple[str, str, str]]:
    """Name, default and meaning of each setting of a safeguard."""
    properties = table_of(entry.options)["properties"]
    defaults = msgspec.to_builtins(entry.options(), enc_hook=enc_hook)
    return [
        (name, _plain(defaults.get(name)), str(about.get("description", "")))
        for name, about in sorted(properties.items())
    ]


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    options = {name: entry.options for name, entry in catalogue().items()}
    return {
        "checks.md": _checks(),
        "facts.md": _facts(),
        "platforms.md": _platforms(),
        "tenken.schema.json": msgspec.json.format(msgspec.json.encode(schema(options)), indent=2).decode()
        + "\n",
    }


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check say which are not as the code says."""
    stale = 0
    wanted = {FOLDER / name: text for name, text in pages().items()} | {README: readme()}
    for path, text in wanted.items():
        if arguments == ["--check"]:
            if not path.exists() or path.read_text("utf-8") != text:
                shown = path.relative_to(FOLDER.parent)
                print(f"{shown} is not what the code says: run `make docs`", file=sys.stderr)
                stale += 1
        else:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
    return 1 if stale else 0


def readme() -> str:
    """README.md with the real `tenken --help` between its markers; raises ValueError without them."""
    before, opened, rest = README.read_text("utf-8").partition(HELP)
    _, closed, after = rest.partition(HELP_END)
    if not opened or not closed:
        message = "README.md has lost the markers around the help text"
        raise ValueError(message)
    context = tenken.make_context("tenken", [], resilient_parsing=True, terminal_width=HELP_WIDTH)
    return f"{before}{opened}```text\n{tenken.get_help(context)}\n```\n{closed}{after}"


def _checks() -> str:
    lines = [WRITTEN, "# Safeguards\n"]
    for name, entry in catalogue().items():
        lines += [
            f"## {name}\n",
            f"**{entry.page.title}.**\n",
            f"Looks at: {entry.check.kind.value}. Severity: {entry.check.severity.value}.\n",
            f"Controls: {', '.join(entry.check.controls)}.\n",
            f"{entry.page.looks_at}\n",
            f"*Why it matters.* {entry.page.matters}\n",
            f"*What to do.* {entry.page.to_do}\n",
        ]
        rows = settings_of(entry)
        if rows:
            lines += ["| setting | default | meaning |", "|---|---|---|"]
            lines += [f"| `{setting}` | `{default}` | {meaning} |" for setting, default, meaning in rows]
            lines.append("")
        lines.append(f"Facts: {', '.join(f'[{p.name}](facts.md#{p.name})' for p in entry.probes)}\n")
    return "\n".join(lines)


def _platforms() -> str:
    """Write what each safeguard's results rest on, by kind of host."""
    entries = {name: entry for name, entry in catalogue().items() if entry.check.kind is TargetKind.HOST}
    lines = [
        WRITTEN,
        "# Platforms\n",
        "What a safeguard's results on a host of each kind rest on. The other safeguards look at no host.\n",
        *(f"- **{each.value}**: {' '.join(_doc_strings(Support)[each.name].split())}" for each in Support),
        "",
        f"| | {' | '.join(f'[{name}](checks.md#{name})' for name in entries)} |",
        f"|---|{'---|' * len(entries)}",
    ]
    for platform in Platform:
        cells = (entry.check.platforms.get(platform, Support.UNKNOWN).value for entry in entries.values())
        lines.append(f"| {platform.label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _facts() -> str:
    lines = [WRITTEN, "# Facts\n", "What is asked of each target, and what the answer is reduced to.\n"]
    for name, probe in sorted(all_probes().items()):
        lines += [f"## {name}\n", f"{inspect.getdoc(probe.facts)} At most {probe.cap_bytes:,} bytes.\n"]
        lines += _fields(probe.facts)
    return "\n".join(lines)


def _fields(facts: type[Facts]) -> list[str]:
    """Each field with the string that stands under it in the source."""
    meanings = _doc_strings(facts)
    rows = [f"| `{name}` | {meanings.get(name, '')} |" for name in facts.__struct_fields__]
    return ["| field | meaning |", "|---|---|", *rows, ""]


def _doc_strings(kind: type) -> dict[str, str]:
    """Field name to the literal right below its annotation."""
    import ast  # noqa: PLC0415 (docs only)

    tree = ast.parse(inspect.getsource(kind))
    body: list[Any] = tree.body[0].body  # type: ignore[attr-defined]
    found: dict[str, str] = {}
    for field, after in pairwise(body):
        if isinstance(field, ast.AnnAssign | ast.Assign) and isinstance(after, ast.Expr):
            value, name = after.value, field.target if isinstance(field, ast.AnnAssign) else field.targets[0]
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[ast.unparse(name)] = " ".join(value.value.split())
    return found


def _plain(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
