"""The table of platforms claims no more than lab tests have seen, and no less."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.docs import pages
from checks.catalogue import catalogue
from checks.support import Platform, Support, support
from collectors.evidence import TargetKind

TESTS = Path(__file__).resolve().parent.parent
BACKED = (Support.VERIFIED, Support.LOOK_ALIKE)
CLAIMED = {
    (platform.value, name): claim
    for name, entry in catalogue().items()
    if entry.check.kind is TargetKind.HOST
    for platform, claim in entry.check.platforms.items()
}


def marks() -> Iterator[tuple[str, str]]:
    """Platform and safeguard of every `verifies` mark of a lab test."""
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text("utf-8")
        if "pytest.mark.lab" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "verifies"
            ):
                platform, *safeguards = (ast.literal_eval(each) for each in node.args)
                yield from ((platform, safeguard) for safeguard in safeguards)


def test_what_is_called_verified_is_what_lab_tests_verify() -> None:
    assert set(marks()) == {cell for cell, claim in CLAIMED.items() if claim in BACKED}


def test_every_host_safeguard_speaks_about_every_platform() -> None:
    hosts = [entry.check for entry in catalogue().values() if entry.check.kind is TargetKind.HOST]
    assert hosts
    for check in hosts:
        assert set(check.platforms) == set(Platform), check.id


def test_the_page_has_a_row_for_each_platform_and_a_word_for_each_claim() -> None:
    page = pages()["platforms.md"]
    rows = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [each.label for each in Platform]
    for each in Support:
        assert f"- **{each.value}**: " in page


def test_a_platform_has_one_claim() -> None:
    with pytest.raises(ValueError, match="twice"):
        support(verified=(Platform.UBUNTU,), documented=(Platform.UBUNTU,))
