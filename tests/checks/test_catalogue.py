"""Each safeguard is one file that keeps the house rules; one that does not is refused with clear words."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from checks.catalogue import HEADINGS, catalogue, fact_of, parameters
from checks.model import Options
from collectors.facts import Fact, Known, Unknown
from collectors.probes.platform import PlatformFacts
from collectors.registry import all_probes, probe_of
from config.schema import table_of

ROOT = Path(__file__).resolve().parent.parent.parent
SOUND = '''"""Words are safe.

## What it looks at

Words.

## Why it matters

Because.

## What to do

Nothing.
"""

from collections.abc import Iterator

from checks.model import Outcome, Severity, check
from collectors.evidence import TargetKind
from collectors.probes.platform import PlatformFacts


@check("one-more", kind=TargetKind.HOST, severity=Severity.LOW, controls=("T:1",))
def one_more(platform: PlatformFacts) -> Iterator[Outcome]:
    """Say nothing."""
    yield from ()
'''
LOOK = """
import sys
import checks
checks.__path__.append(sys.argv[1])
from checks.catalogue import catalogue
try:
    print(catalogue()["one-more"].page.title)
except LookupError as err:
    print("LookupError:", err)
"""


def with_file(folder: Path, source: str, name: str = "one_more.py") -> str:
    (folder / name).write_text(source, "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(folder)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_sound_file_is_found(tmp_path: Path):
    assert with_file(tmp_path, SOUND) == "Words are safe\n"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('@check("one-more"', '@check("one-less"', "one_more.py holds one-less: file and id must agree"),
        ("## Why it matters\n", "", "needs a title sentence and the sections"),
        ("## What to do", "## What to Do", "needs a title sentence and the sections"),
        ("Words are safe.", "Words are safe", "needs a title sentence"),
        ('"""Words are safe.', 'NAME = """Words are safe.', "needs a title sentence"),
        ("platform: PlatformFacts", "platform: PlatformFacts, when: float", "fills a parameter of"),
    ],
)
def test_a_file_that_breaks_a_house_rule_is_refused(tmp_path: Path, before: str, after: str, words: str):
    assert before in SOUND
    answer = with_file(tmp_path, SOUND.replace(before, after, 1))
    assert answer.startswith("LookupError: ")
    assert words in answer


def test_sections_in_another_order_are_refused(tmp_path: Path):
    swapped = SOUND.replace("What it looks at", "X").replace("Why it matters", "What it looks at")
    assert "LookupError" in with_file(tmp_path, swapped.replace("## X", "## Why it matters"))


def test_a_fact_no_probe_yields_is_refused(tmp_path: Path):
    mine = 'from collectors.facts import Facts\n\n\nclass Mine(Facts, frozen=True):\n    """Mine."""\n'
    own = SOUND.replace("\n\n@check", f"\n{mine}\n\n@check").replace("platform: PlatformFacts", "mine: Mine")
    assert "no probe yields Mine" in with_file(tmp_path, own)


def test_a_file_without_a_check_is_no_safeguard():
    assert "model" not in catalogue()
    assert "engine" not in catalogue()


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_every_installed_safeguard_keeps_the_house_rules(name: str):
    entry = catalogue()[name]
    assert not entry.page.title.startswith("Ensure")
    assert all((entry.page.looks_at, entry.page.matters, entry.page.to_do))
    assert entry.check.controls
    assert entry.probes
    assert (ROOT / "checks" / f"{name.replace('-', '_')}.py").is_file()
    assert (ROOT / "tests" / "checks" / f"test_{name.replace('-', '_')}.py").is_file()
    for setting, about in table_of(entry.options)["properties"].items():
        assert about.get("description"), f"{name}: {setting} has no description"


def test_a_setting_means_the_same_in_every_safeguard():
    """One promise may name several safeguards, and its settings are shared between them by name."""
    kinds: dict[str, set[object]] = {}
    for entry in catalogue().values():
        for field in msgspec.structs.fields(entry.options):
            kinds.setdefault(field.name, set()).add(str(field.type))
    assert {name: kind for name, kind in kinds.items() if len(kind) > 1} == {}


def test_the_headings_are_those_of_the_pages():
    assert HEADINGS == ("What it looks at", "Why it matters", "What to do")


def test_the_annotation_says_whether_a_fact_must_be_known():
    assert fact_of(PlatformFacts) == (PlatformFacts, True)
    assert fact_of(Fact[PlatformFacts]) == (PlatformFacts, False)
    assert fact_of(Known[PlatformFacts] | Unknown) == (PlatformFacts, False)
    assert fact_of(Options) is None
    assert fact_of(int | None) is None


def test_parameters_are_resolved_from_their_words():
    def judge(platform: "PlatformFacts", options: "Options") -> None: ...

    assert parameters(judge) == {"platform": PlatformFacts, "options": Options}


def test_every_probe_of_a_host_has_its_section_and_every_section_its_probe():
    scripts = {path.stem for path in (ROOT / "collectors" / "probes").glob("*.sh")}
    hosts = {name for name, probe in all_probes().items() if probe.kind.value == "host"}
    assert scripts == hosts
    for name, probe in all_probes().items():
        assert probe_of(probe.facts) is all_probes()[name]
