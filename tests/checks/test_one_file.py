"""A safeguard is one file: it appears everywhere without another file being touched."""

import subprocess
import sys
from pathlib import Path

CHECK = '''"""The host keeps a name of its own.

## What it looks at

The running kernel, for the sake of this test.

## Why it matters

A test that cannot fail proves nothing.

## What to do

Nothing.
"""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from checks.model import Options, Outcome, Result, Severity, Subject, check
from checks.text import say
from collectors.evidence import TargetKind
from collectors.probes.platform import PlatformFacts


class Limits(Options, frozen=True, kw_only=True):
    """Settings."""

    most: Annotated[int, Meta(ge=1, description="a number of this test")] = 4


@check("one-file", kind=TargetKind.HOST, severity=Severity.LOW, controls=("TEST:1",))
def one_file(platform: PlatformFacts, options: Limits) -> Iterator[Outcome]:
    """Pass."""
    yield Outcome(
        subject=Subject(kind="kernel", name=platform.kernel),
        result=Result.FAIL,
        summary=say("one file said {most}", most=options.most),
        expected=say("nothing"),
        actual=say("something"),
    )
'''
PROMISE = """
[[promise]]
id = "one-file-promise"
text = "proved by one file"
source = { document = "test" }
proves = ["one-file"]
[promise.set]
most = 7
"""
DRIVER = """
import sys
from pathlib import Path

import checks

checks.__path__.append(sys.argv[1])
sys.argv[1:] = sys.argv[2:]
if sys.argv[1] == "docs":
    from agent.docs import pages
    print(pages()["checks.md"], pages()["tenken.schema.json"])
else:
    from agent.cli import main
    main()
"""


def test_a_check_added_as_one_file_is_listed_documented_run_and_reported(tmp_path: Path):
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "one_file.py").write_text(CHECK)
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER)

    def call(*arguments: object) -> str:
        done = subprocess.run(
            [sys.executable, str(driver), str(extra), *map(str, arguments)],
            capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent.parent,
        )  # fmt: skip
        assert done.returncode in (0, 1, 3), done.stderr
        return done.stdout

    assert "one-file" in call("checks", "list")
    assert "The host keeps a name of its own" in call("checks", "show", "one-file")
    pages = call("docs")
    assert "## one-file" in pages
    assert "a number of this test" in pages
    site = tmp_path / "site"
    call("init", "--example", site)
    with (site / "tenken.toml").open("a", encoding="utf-8") as file:
        file.write(PROMISE)
    call("--config", site / "tenken.toml", "run")
    report = next((site / "state/runs").glob("*/report/report.html")).read_text("utf-8")
    assert "One file said 7" in report
    assert "one-file-promise" in report
    (bundle,) = (site / "state/bundles").glob("*.zip")
    assert "VERIFIED" in call("verify", "--trust", site / "trust/trust-1.json", bundle)
    # Without the file the same bundle cannot be judged again, and that is said.
    done = subprocess.run(
        [str(Path(sys.executable).with_name("tenken")), "verify", "--trust",
         str(site / "trust/trust-1.json"), str(bundle)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "not installed here" in done.stdout
