"""The five package names are Tenken's alone in the environment it is installed into."""

from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("agent", "checks", "collectors", "config", "reports")


@pytest.mark.parametrize("name", NAMES)
def test_a_package_name_belongs_to_tenken_alone(name: str):
    """Flat names could be taken by another distribution, and then ours would be shadowed or shadow it.

    An editable install lists no files, so nobody may claim the name; tests/wheel.py looks at the wheel.
    """
    assert set(packages_distributions().get(name, ())) <= {"tenken"}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_imported_is_this_checkout(name: str):
    found = find_spec(name)
    assert found is not None
    assert found.origin is not None
    assert Path(found.origin).is_relative_to(ROOT)


def test_the_names_that_are_looked_at_are_real():
    """Else the claim above could not fail."""
    assert packages_distributions()["paramiko"] == ["paramiko"]
