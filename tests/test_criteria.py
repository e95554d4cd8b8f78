"""The register of acceptance criteria names tests and lines that exist."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.breaking import ROOT, Criterion, criteria, place_of


def names_in(path: Path) -> Iterator[str]:
    """The tests of a file: `name` and `Class::name`."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (
                f"{node.name}::{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)
            )


def test_every_criterion_stands_once_and_in_order():
    assert [each.number for each in criteria()] == list(range(1, 54))


@pytest.mark.parametrize("criterion", criteria(), ids=lambda each: str(each.number))
def test_a_criterion_has_tests_and_a_break_that_exist(criterion: Criterion):
    """A test that was renamed, or a line that moved on, would leave a criterion proven by nothing."""
    assert criterion.tests
    assert criterion.breaks
    for test in criterion.tests:
        path, name = place_of(test)
        assert name in names_in(ROOT / path), test
    for one in criterion.breaks:
        assert one.test.partition("[")[0] in criterion.tests
        assert (ROOT / one.file).read_text("utf-8").count(one.find) == 1, one.find
        assert one.find != one.replace
        assert not one.file.startswith("tests/"), "a break is of the program"
