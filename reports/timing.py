"""When plan and log were as they are, as far as authorities of the trust file say so."""

# ruff: noqa: EM101, EM102, TRY003
# What is raised here is a step's answer; its words are data, not the message of an error.

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from config.errors import FormatError
from reports import timestamp
from reports.outcome import altered, not_asked, untrusted
from reports.statement import Run
from reports.timestamp import UntrustedTokenError
from reports.trust import LogKey, Trust

MOST_BYTES = timestamp.MOST_BYTES
CLOCKS = timedelta(minutes=5)
"""by which the clocks of authorities and of the inspecting machine may differ"""


class Stamps(Struct, frozen=True, kw_only=True):
    """What tokens over one file say."""

    times: dict[str, datetime]
    """of each token that the trust file gives weight, by the authority's name"""
    refused: tuple[str, ...]
    """why tokens of named authorities have none"""
    strangers: tuple[str, ...]
    """authorities that the trust file does not name: their tokens prove nothing here"""

    def text(self) -> str:
        """Say them for a person."""
        return ", ".join(f"{_stamp(when)} by {name}" for name, when in self.times.items())

    @property
    def first(self) -> datetime | None:
        """The earliest of them: the file existed by then."""
        return min(self.times.values(), default=None)


def stamps(tokens: Mapping[str, bytes], data: bytes, trust: Trust) -> Stamps:
    """Judge the tokens over `data`; raises Bad (ALTERED) for one that is none, or over something else."""
    known = {tsa.name: tsa for tsa in trust.tsas}
    times: dict[str, datetime] = {}
    refused: list[str] = []
    for name, token in sorted(tokens.items()):
        try:
            if name in known:
                times[name] = timestamp.check(token, data, known[name])
            else:
                # Nobody vouches for it, but nothing else may travel under its name either.
                timestamp.read(token, data)
        except FormatError as err:
            raise altered(f"{name}: {err}") from err
        except UntrustedTokenError as err:
            refused.append(str(err))
    return Stamps(times=times, refused=tuple(refused), strangers=tuple(sorted(tokens.keys() - known.keys())))


def judge_seal(found: Stamps, trust: Trust, key: LogKey | None) -> str:
    """Say when the checkpoint existed; raises Bad."""
    if found.refused:
        raise untrusted("; ".join(found.refused))
    if len(found.times) < trust.tsa_threshold:
        raise untrusted(f"UNTIMED: {trust.tsa_threshold} token(s) required, {len(found.times)} there")
    compromised = key.compromised_from if key else None
    if compromised is not None:
        end = datetime.combine(date.fromisoformat(compromised), datetime.min.time(), UTC)
        if found.first is None or found.first >= end:
            raise untrusted(
                f"the key is compromised since {compromised}, and no token proves an earlier time"
            )
    if not found.times:
        others = f" (not named: {', '.join(found.strangers)})" if found.strangers else ""
        raise not_asked(
            f"UNTIMED: no time-stamp token{others}; only the signer says when. The trust file asks for none"
        )
    return found.text()


def judge_delay(found: Stamps, trust: Trust, said: Run) -> None:
    """Compare the run's own clock with the authorities'; raises Bad."""
    finished = datetime.fromisoformat(said.finished)
    early = [when for when in found.times.values() if when < finished - CLOCKS]
    if early:
        raise untrusted(f"TIME: stamped {_stamp(min(early))}, before the run says it finished")
    most = trust.max_seal_delay_s
    in_time = [
        when for when in found.times.values() if most is None or when <= finished + timedelta(seconds=most)
    ]
    if found.times and len(in_time) < max(1, trust.tsa_threshold):
        raise untrusted(
            f"TIME: stamped {_stamp(min(found.times.values()))}, more than {most} s after the run"
        )


def judge_plan(made: Stamps, sealed: Stamps, trust: Trust, said: Run) -> str:
    """Say when the plan existed, in words that follow `planned`; raises Bad."""
    if made.refused:
        raise untrusted("; ".join(made.refused))
    if trust.tsa_threshold and not made.times:
        raise untrusted("the plan has no time stamp, so nobody knows whether it was made first")
    late = made.first
    if late is None:
        return ""
    if late < datetime.fromisoformat(said.started) - CLOCKS:
        raise untrusted(f"TIME: the plan was stamped {_stamp(late)}, before the run says it started")
    if late > datetime.fromisoformat(said.finished) + CLOCKS:
        raise untrusted(f"TIME: the plan was stamped {_stamp(late)}, after the run says it finished")
    if sealed.first is not None and late > sealed.first:
        raise untrusted("TIME: the plan was stamped after the log")
    return f" at {made.text()}"


def _stamp(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
