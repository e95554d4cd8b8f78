"""Take something away from a recorded answer, judge it again, and compare: nothing may look better.

Usage::

    recorded = Recorded(stream, boundary, names=("sato",), roster=roster(person("sato")), at=NOW)
    better(recorded.scenes[0].judged, recorded.judged(stream[:9]))   # [] when nothing did
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import strategies as st

from checks.catalogue import catalogue
from checks.engine import Case, Rule, judge_target, remember, worst
from checks.model import Clock, Finding, History, Result, Subject, Target
from collectors.evidence import Part, Reason, Section, SectionState, Status, TargetEvidence, TargetKind
from collectors.registry import all_probes
from collectors.script import Parameters
from collectors.sources.roster import RosterFacts
from collectors.transport import Answer
from collectors.visit import visit
from config.model import Host, ServiceAccount

Judged = Mapping[tuple[str, Subject], Result]
PROBES = tuple(probe for probe in all_probes().values() if probe.kind is TargetKind.HOST)
SAFEGUARDS = tuple(name for name, entry in catalogue().items() if entry.check.kind is TargetKind.HOST)
DAY = timedelta(days=1)


class _Replay:
    """A transport that gives one answer."""

    kind = "ssh"

    def __init__(self, stdout: bytes, at: datetime) -> None:
        self._answer = Answer(
            stdout=stdout, stderr=b"", exit=0, ended=None, host_key=None, sent=at, received=at
        )

    def ask(self, script: bytes, **how: Any) -> Answer:  # noqa: ARG002 (the shape of a transport)
        return self._answer

    def close(self) -> None:
        """There is nothing to close."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What was known before, and what is said of the whole answer then and a day later."""

    history: History
    judged: Judged
    after: Judged


class Recorded:
    """One host's whole answer, with all that is needed to judge it or what is left of it."""

    def __init__(
        self, stream: bytes, boundary: str, *, names: tuple[str, ...], roster: RosterFacts, at: datetime
    ) -> None:
        self.stream, self.boundary, self._names, self._at = stream, boundary, names, at
        self._roster = _source("roster", roster)
        self.scenes = tuple(
            Scene(history=each, judged=self.judged(stream, each), after=self.after(stream, each))
            for each in self._make_histories()
        )

    def case(self, stream: bytes, history: History, at: datetime | None = None) -> Case:
        """What the engine is given of such an answer."""
        evidence = visit(
            Host(name="host"),
            _Replay(stream, self._at),
            PROBES,
            Parameters(names=self._names),
            run=1,
            plan="0" * 64,
            salt="AAAA",
            boundary=self.boundary,
            now=lambda: self._at,
            deadline_s=60,
        )
        owned = ServiceAccount(name="tenken", owner="IT office", reason="inspection")
        return Case(
            target=Target(target="host", kind=TargetKind.HOST, audit_user="root", accounts=(owned,)),
            evidence=evidence,
            sources={"roster": self._roster},
            history=history,
            clock=Clock(as_of=at or self._at, zone="Asia/Tokyo"),
        )

    def judged(self, stream: bytes, history: History | None = None, at: datetime | None = None) -> Judged:
        """The worst result of each subject of each safeguard."""
        rules = [Rule(promise="p", safeguard=name, options={}) for name in SAFEGUARDS]
        findings = judge_target(self.case(stream, history or History(target="host"), at), rules, catalogue())
        return _worst_of(findings)

    def after(self, stream: bytes, history: History) -> Judged:
        """Judge the whole answer a day after a run that got only `stream`."""
        remembered = remember(self.case(stream, history), 9, catalogue().values())
        return self.judged(self.stream, remembered, self._at + DAY)

    def _make_histories(self) -> tuple[History, ...]:
        """No history; one of a run yesterday; one of runs since a hundred days ago."""
        made = [History(target="host")]
        for days in ((1,), (100, 50, 1)):
            history = History(target="host")
            for run, ago in enumerate(days, 1):
                case = self.case(self.stream, history, self._at - ago * DAY)
                history = remember(case, run, catalogue().values())
            made.append(history)
        return tuple(made)


def _worst_of(findings: Iterable[Finding]) -> Judged:
    found: dict[tuple[str, Subject], Result] = {}
    for each in findings:
        assert each.reason is not Reason.INTERNAL, each
        key = (each.safeguard, each.subject)
        found[key] = min(each.result, found.get(key, each.result), key=lambda result: result.rank)
    return found


def _source(name: str, facts: RosterFacts) -> TargetEvidence:
    part = Part.of(name, "read", msgspec.json.encode(facts))
    return TargetEvidence(
        run=1,
        plan="0" * 64,
        target=name,
        kind=TargetKind.ROSTER,
        salt="AAAA",
        status=Status.COLLECTED,
        sections=(Section(name=name, state=SectionState.ENDED, exit=0, parts=(part,)),),
    )


def better(whole: Judged, left: Judged) -> list[str]:
    """Name what looks better although less was seen; not to know is never better.

    A subject may be new on a damaged answer, but only as an alarm.
    """
    found = [
        f"{safeguard} {subject.kind} {subject.name}: {whole.get((safeguard, subject))} -> {result}"
        for (safeguard, subject), result in left.items()
        if _is_better(whole.get((safeguard, subject), Result.WARN), result)
    ]
    for safeguard in SAFEGUARDS:
        was, now = (
            worst(result for (name, _), result in each.items() if name == safeguard) for each in (whole, left)
        )
        assert was is not None
        if now is None or _is_better(was, now):
            found.append(f"{safeguard} as a whole: {was} -> {now}")
    return found


def _is_better(was: Result, now: Result) -> bool:
    return now is not Result.UNKNOWN and now.rank > was.rank


# --- what may happen to a stream


def damages(stream: bytes, boundary: str) -> st.SearchStrategy[bytes]:
    """Cut anywhere; lose any bytes, any line, any part, any section, also with the count put right."""
    place = st.integers(0, len(stream) - 1)
    frames = tuple(_frames(stream, boundary))
    lines = [at for at in range(len(stream)) if stream[at - 1 : at] == b"\n"]
    sections = list(_sections(frames))
    parts = [(at, until) for (verb, at), (_, until) in pairwise(frames) if verb == "part"]
    return st.one_of(
        place.map(lambda at: stream[:at]),
        st.tuples(place, st.integers(1, 40)).map(lambda it: stream[: it[0]] + stream[it[0] + it[1] :]),
        st.tuples(place, place).map(lambda it: stream[: min(it)] + stream[max(it) :]),
        st.sampled_from(lines).map(lambda at: stream[:at] + stream[at:].partition(b"\n")[2]),
        st.sampled_from(parts).map(lambda it: stream[: it[0]] + stream[it[1] :]),
        st.sets(st.sampled_from(sections), min_size=1).map(lambda gone: _without(stream, gone)),
        st.sets(st.sampled_from(sections), min_size=1).map(lambda gone: _recounted(_without(stream, gone))),
    )


def sections_of(stream: bytes, boundary: str) -> list[bytes]:
    """The stream without one section, for each of them, with the count put right."""
    places = _sections(tuple(_frames(stream, boundary)))
    return [_recounted(_without(stream, {place})) for place in places]


def _frames(stream: bytes, boundary: str) -> Iterator[tuple[str, int]]:
    mark = f"\n@{boundary} ".encode()
    at = stream.find(mark)
    while at >= 0:
        yield stream[at + len(mark) :].split(maxsplit=1)[0].decode(), at
        at = stream.find(mark, at + 1)


def _sections(frames: tuple[tuple[str, int], ...]) -> Iterator[tuple[int, int]]:
    """Begin and end of each section."""
    begin = 0
    for number, (verb, at) in enumerate(frames):
        if verb == "begin":
            begin = at
        elif verb == "end":
            yield begin, frames[number + 1][1]


def _without(stream: bytes, gone: Iterable[tuple[int, int]]) -> bytes:
    for begin, end in sorted(gone, reverse=True):
        stream = stream[:begin] + stream[end:]
    return stream


def _recounted(stream: bytes) -> bytes:
    head, done, tail = stream.rpartition(b" done n=")
    return head + done + str(head.count(b" begin s=")).encode() + b" " + tail.partition(b" ")[2]


NOW = datetime.now(UTC).replace(microsecond=0)
