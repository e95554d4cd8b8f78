"""Whatever is lost of an answer, no safeguard's result becomes better, in this run or the next."""

import secrets
import subprocess
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.model import Result, Subject
from collectors.script import Parameters, command, compose
from collectors.sources.roster import RosterFacts
from tests.checks.account_facts import person, roster
from tests.checks.monotone import NOW, PROBES, SAFEGUARDS, Recorded, better, damages, sections_of
from tests.collectors.probes.asked import ssh
from tests.collectors.test_whole_script import NAMES, B, streams_of
from tests.lab.host import Host
from tests.lab.personas import PEOPLE
from tests.lab.plugin import HostFactory

PERSONAS = (
    "clean",
    "leaver",
    "pending",
    "short-logs",
    "old-password",
    "unprivileged",
    "systemd-leaver",
    "systemd-13",
    "rpm-pending",
    "busybox",
)
_SLOW = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def _register(left: dict[str, int | None]) -> RosterFacts:
    today = NOW.date()
    people = (
        person(name, None if days is None else today - timedelta(days=days)) for name, days in left.items()
    )
    return roster(*people)


def _never_better(recorded: Recorded, data: st.DataObject) -> None:
    left = data.draw(damages(recorded.stream, recorded.boundary))
    scene = data.draw(st.sampled_from(recorded.scenes))
    assert better(scene.judged, recorded.judged(left, scene.history)) == []
    assert better(scene.after, recorded.after(left, scene.history)) == []


def _each_section(recorded: Recorded) -> None:
    for left in sections_of(recorded.stream, recorded.boundary):
        for scene in recorded.scenes:
            assert better(scene.judged, recorded.judged(left, scene.history)) == []
            assert better(scene.after, recorded.after(left, scene.history)) == []


@pytest.fixture(scope="module")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The answer of this machine under the scenario of the whole script."""
    stream = streams_of(tmp_path_factory.mktemp("stream"), ("dash",))["dash"]
    people = _register({"sato": 60, "mori": None, "gone": 30, "ito": 30})
    return Recorded(stream, B, names=NAMES, roster=people, at=NOW)


def test_the_recording_has_something_to_lose(awkward: Recorded) -> None:
    """Else nothing could become better."""
    judged = awkward.scenes[0].judged
    assert {name for name, _ in judged} == set(SAFEGUARDS)
    for name in ("sato", "ito"):  # one is open, of the other a process lives on
        assert judged["retired-accounts", Subject(kind="account", name=name)] is Result.FAIL
    assert {Result.FAIL, Result.PASS} <= set(judged.values())


def test_no_section_taken_away_makes_any_result_better(awkward: Recorded) -> None:
    _each_section(awkward)


@settings(max_examples=100, **_SLOW)
@given(st.data())
def test_no_loss_makes_any_result_better(awkward: Recorded, data: st.DataObject) -> None:
    _never_better(awkward, data)


def test_a_result_that_becomes_better_is_seen() -> None:
    """Else the claims above could not fail."""
    base = {(name, Subject(kind="x", name="a")): Result.PASS for name in SAFEGUARDS}
    first = next(iter(base))
    for was, now, said in (
        (Result.FAIL, Result.WARN, 2),
        (Result.FAIL, Result.UNKNOWN, 0),
        (Result.UNKNOWN, Result.PASS, 2),
        (Result.PASS, Result.NOT_APPLICABLE, 2),
        (Result.PASS, Result.FAIL, 0),
    ):
        assert len(better({**base, first: was}, {**base, first: now})) == said
    gone = {key: result for key, result in base.items() if key != first}
    assert len(better(base, gone)) == 1
    new = (first[0], Subject(kind="x", name="b"))
    assert len(better(base, {**base, new: Result.PASS})) == 1


# --- on lab hosts


def record(host: Host) -> Recorded:
    """Ask a lab host everything, as the auditor does."""
    boundary = secrets.token_hex(16)
    names = tuple(PEOPLE)
    done = subprocess.run(
        [*ssh(host, host.login, host.key_path), command()],
        input=compose(PROBES, Parameters(names=names), boundary),
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return Recorded(done.stdout, boundary, names=names, roster=_register(PEOPLE), at=NOW)


@pytest.mark.lab
@pytest.mark.parametrize("persona", PERSONAS)
def test_no_loss_makes_a_result_of_a_host_better(host: HostFactory, persona: str) -> None:
    """Criteria 8 and 9 on every kind of host; each section is taken away once, all else as it comes."""
    recorded = record(host(persona))
    _each_section(recorded)

    @settings(max_examples=40, **_SLOW)
    @given(st.data())
    def lose(data: st.DataObject) -> None:
        _never_better(recorded, data)

    lose()
