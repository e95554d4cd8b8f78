"""A part of the campaign of `make tamper`, and that the campaign finds what it looks for."""

from collections import Counter
from pathlib import Path

import pytest

from reports.outcome import Verdict
from tests.tamper import Subject, campaign, honestly, subject


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return subject(tmp_path_factory.mktemp("tamper"))


def _outcomes(found: Counter[tuple[str, str]]) -> set[str]:
    return {outcome for _, outcome in found}


def test_the_honest_bundle_verifies(sealed: Subject, tmp_path: Path) -> None:
    path = tmp_path / "honest.zip"
    path.write_bytes(sealed.zip)
    assert honestly(path, sealed.trust) is Verdict.VERIFIED


def test_nothing_that_was_altered_verifies(sealed: Subject, tmp_path: Path) -> None:
    """Every 97th case of each kind here; all of them with `make tamper`."""
    found = campaign(sealed, tmp_path, part=97)
    assert sum(found.values()) > 2_000
    assert _outcomes(found) <= {"refused", "verified with the sealed content"}


def test_a_verifier_that_believes_everything_leaves_survivors(sealed: Subject, tmp_path: Path) -> None:
    found = campaign(sealed, tmp_path, part=5_003, judge=lambda *_: Verdict.VERIFIED)
    assert "SURVIVED" in _outcomes(found)


def test_a_verifier_that_falls_over_is_counted(sealed: Subject, tmp_path: Path) -> None:
    def broken(*_: Path) -> Verdict:
        raise ZeroDivisionError

    found = campaign(sealed, tmp_path, part=5_003, judge=broken)
    assert _outcomes(found) == {"CRASHED ZeroDivisionError"}
