"""Fixtures for tests on real hosts. `python -m tests.lab run -- pytest ...` loads this plugin inside the lab.

Outside of the lab tests/conftest.py deselects lab tests and says so.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.lab.host import Host, Lab

HostFactory = Callable[[str], Host]
OwnHostFactory = Callable[..., Host]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Return the lab of this session, with the keys made for it."""
    session = Lab()
    yield session
    session.close()


@pytest.fixture(scope="session")
def host(lab: Lab) -> HostFactory:
    """Return `host(persona_name) -> Host`: one per persona and session, shared: change nothing on it."""
    running: dict[str, Host] = {}

    def get(persona_name: str) -> Host:
        if persona_name not in running:
            running[persona_name] = lab.start(persona_name)
        return running[persona_name]

    return get


@pytest.fixture
def own_host(lab: Lab) -> Iterator[OwnHostFactory]:
    """Return `own_host(persona_name, setup="shell text") -> Host`: this test's alone, gone after it."""
    mine: list[Host] = []

    def get(persona_name: str, setup: str = "") -> Host:
        mine.append(lab.start(persona_name, setup))
        return mine[-1]

    yield get
    for one in mine:
        one.stop()
