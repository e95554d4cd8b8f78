"""A key, the trust file that names it, and one sealed bundle."""

from datetime import date
from pathlib import Path

import pytest

from reports import trust
from reports.sealkey import SealKey
from reports.store import SealedRun
from tests.reports.sealing import ORIGIN, seal


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> SealKey:
    return SealKey.create(tmp_path_factory.mktemp("key") / "seal", origin=ORIGIN)


@pytest.fixture(scope="session")
def trusted(key: SealKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trust") / "trust-1.json"
    path.write_bytes(trust.first(site="kk", key=key.verifier, issued=date(2026, 11, 1)).encode())
    return path


@pytest.fixture(scope="session")
def sealed(key: SealKey, tmp_path_factory: pytest.TempPathFactory) -> SealedRun:
    """The second run of a state folder."""
    state = tmp_path_factory.mktemp("sealed")
    seal(state, key)
    return seal(state, key)
