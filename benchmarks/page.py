"""Write what was measured into docs/performance.md, between the markers of one block."""

from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write(block: str, text: str) -> None:
    """Replace one block; raises ValueError when the page has lost its markers."""
    opens, ends = f"<!-- {block} -->\n", f"<!-- /{block} -->\n"
    before, opened, rest = PAGE.read_text("utf-8").partition(opens)
    _, ended, after = rest.partition(ends)
    if not opened or not ended:
        message = f"docs/performance.md has lost the markers of {block}"
        raise ValueError(message)
    PAGE.write_text(f"{before}{opens}\n{text}\n{ends}{after}", "utf-8")
