"""Which file of a bundle is what, and the list that hashes them: SHA256SUMS."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from config.errors import FormatError
from reports import canonical
from reports.container import check_name
from reports.merkle import leaf_hash, root
from reports.statement import Engine

PLAN = "plan.json"
CATALOGUE = "rules/catalogue.json"
EXCEPTIONS = "exceptions.json"
VERDICTS = "verdicts.jsonl"
README = "README.txt"
SUMS = "SHA256SUMS"
RUN = "run.json"
PROOF = "run.tlog-proof"
CHECKPOINT = "checkpoint"
MOST_JSON = 256 << 20
"""bytes of one evidence file that are read at once"""
MOST_SUMS = 32 << 20
_PLAN_TOKEN = re.compile(r"plan\.([a-z0-9][a-z0-9_-]{0,31})\.tsr")
_TOKEN = re.compile(r"checkpoint\.([a-z0-9][a-z0-9_-]{0,31})\.tsr")
_LINE = re.compile(r"([0-9a-f]{64})  ([!-~]{1,250})")
_HISTORY = ".history"


class PlannedTarget(Struct, frozen=True, kw_only=True):
    """What the seal needs to know of a target; the rest of its declaration is the engine's."""

    target: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
    kind: str


class PlanHead(Struct, frozen=True, kw_only=True):
    """The part of plan.json that the seal checks."""

    v: Annotated[int, Meta(ge=1, le=1)]
    run: Annotated[int, Meta(ge=1)]
    site: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
    slot: str | None
    next_slot: str | None
    targets: tuple[PlannedTarget, ...]
    engine: Engine
    log_size: Annotated[int, Meta(ge=0)]


class EvidenceHead(Struct, frozen=True, kw_only=True):
    """The part of an evidence file that binds it to its run."""

    v: Annotated[int, Meta(ge=1, le=1)]
    run: int
    plan: str
    target: str
    kind: str


class VerdictHead(Struct, frozen=True, kw_only=True):
    """What a line of verdicts.jsonl is about."""

    safeguard: str
    target: str


class ExceptionsHead(Struct, frozen=True, kw_only=True):
    """exceptions.json, of which only the number counts here."""

    v: Annotated[int, Meta(ge=1, le=1)]
    exceptions: tuple[dict[str, object], ...]


def is_judged(name: str) -> bool:
    """Whether a file belongs to the evidence tree: all that the verdicts follow from, and they."""
    return (
        name in (PLAN, EXCEPTIONS, VERDICTS)
        or name.startswith(("rules/", "evidence/"))
        or plan_token_of(name) is not None
    )


def is_shown(name: str) -> bool:
    """Whether a file is made after the evidence tree: reports and exports."""
    return name.startswith(("report/", "export/"))


def is_seal(name: str) -> bool:
    """Whether a file is sealed otherwise than by SHA256SUMS."""
    return name in (SUMS, RUN, PROOF, CHECKPOINT) or token_of(name) is not None


def is_listed(name: str) -> bool:
    """Whether SHA256SUMS may name it."""
    return name == README or is_judged(name) or is_shown(name)


def is_json(name: str) -> bool:
    """Whether a file must be canonical JSON."""
    return is_judged(name) and name.endswith(".json")


def token_name(authority: str) -> str:
    """The file of an authority's token over the checkpoint."""
    return f"checkpoint.{authority}.tsr"


def plan_token_name(authority: str) -> str:
    """The file of an authority's token over plan.json."""
    return f"plan.{authority}.tsr"


def token_of(name: str) -> str | None:
    """The authority's name when the file is a time-stamp token over the checkpoint."""
    found = _TOKEN.fullmatch(name)
    return found[1] if found else None


def plan_token_of(name: str) -> str | None:
    """The authority's name when the file is a time-stamp token over plan.json."""
    found = _PLAN_TOKEN.fullmatch(name)
    return found[1] if found else None


def read_plan(raw: bytes) -> PlanHead:
    """Read what the seal needs of plan.json; raises FormatError."""
    try:
        plan = msgspec.convert(canonical.decode(raw), PlanHead)
    except msgspec.ValidationError as err:
        message = f"plan.json: {err}"
        raise FormatError(message) from err
    names = [target.target for target in plan.targets]
    if len(set(names)) != len(names) or not names:
        message = "plan.json names no target, or one twice"
        raise FormatError(message)
    for name in names:
        # `web.history` would make two files of one name: its evidence, and the history of `web`.
        if name.endswith(_HISTORY):
            message = "plan.json names a target that ends in .history"
            raise FormatError(message)
        check_name(f"evidence/{name}.json")
    return plan


def check_evidence(raw: bytes, *, target: PlannedTarget, plan: PlanHead, plan_sha256: str) -> None:
    """Raise FormatError unless the file is this target's evidence of this very plan."""
    try:
        head = msgspec.convert(canonical.decode(raw), EvidenceHead)
    except msgspec.ValidationError as err:
        message = f"not an evidence file: {err}"
        raise FormatError(message) from err
    if (head.run, head.plan) != (plan.run, plan_sha256):
        message = "evidence of another run"
        raise FormatError(message)
    if (head.target, head.kind) != (target.target, target.kind):
        message = "evidence of another target"
        raise FormatError(message)


def check_verdicts(raw: bytes) -> None:
    """Raise FormatError unless every line is canonical JSON and ends in a newline."""
    *lines, rest = raw.split(b"\n")
    if rest:
        message = "verdicts.jsonl ends in the middle of a line"
        raise FormatError(message)
    for line in lines:
        canonical.decode(line)


def about_verdict(line: bytes) -> str:
    """Say which safeguard and target a line of verdicts.jsonl is about; raises FormatError."""
    try:
        about = msgspec.convert(canonical.decode(line), VerdictHead)
    except msgspec.ValidationError as err:
        message = f"not a verdict: {err}"
        raise FormatError(message) from err
    return f"{about.safeguard} on {about.target}"


def check_json(raw: bytes) -> None:
    """Raise FormatError unless the file is canonical JSON."""
    canonical.decode(raw)


def has_exceptions(raw: bytes) -> bool:
    """Whether exceptions.json names any; raises FormatError."""
    try:
        return bool(msgspec.convert(canonical.decode(raw), ExceptionsHead).exceptions)
    except msgspec.ValidationError as err:
        message = f"exceptions.json: {err}"
        raise FormatError(message) from err


def evidence_names(plan: PlanHead) -> tuple[frozenset[str], frozenset[str]]:
    """Return the evidence files that must be there, and those that may."""
    must = frozenset(f"evidence/{target.target}.json" for target in plan.targets)
    may = frozenset(f"evidence/{target.target}{_HISTORY}.json" for target in plan.targets)
    return must, may


def write_sums(digests: Mapping[str, str]) -> bytes:
    """Write SHA256SUMS: `HEX  PATH`, sorted bytewise by path."""
    return b"".join(line + b"\n" for line in _lines(digests))


def read_sums(raw: bytes) -> dict[str, str]:
    """Read SHA256SUMS (path to hash); raises FormatError for any other layout or order."""
    digests: dict[str, str] = {}
    for line in raw.decode("ascii", errors="replace").split("\n")[:-1]:
        found = _LINE.fullmatch(line)
        if found is None or found[2] in digests:
            message = "SHA256SUMS: a line that is none, or a file named twice"
            raise FormatError(message)
        check_name(found[2])
        if not is_listed(found[2]):
            message = "SHA256SUMS names a file that has no place in a bundle"
            raise FormatError(message)
        digests[found[2]] = found[1]
    if write_sums(digests) != raw:
        message = "SHA256SUMS is not sorted"
        raise FormatError(message)
    return digests


def evidence_tree(digests: Mapping[str, str]) -> tuple[int, str]:
    """Return the number of lines in the evidence tree and its root in hexadecimal."""
    lines = _lines({name: digest for name, digest in digests.items() if is_judged(name)})
    return len(lines), root(leaf_hash(line) for line in lines).hex()


def _lines(digests: Mapping[str, str]) -> list[bytes]:
    return [f"{digests[name]}  {name}".encode("ascii") for name in sorted(digests)]


def missing(names: Iterable[str]) -> tuple[str, ...]:
    """Name the files every bundle has that are not among `names`."""
    held = set(names)
    return tuple(name for name in (PLAN, CATALOGUE, EXCEPTIONS, VERDICTS, README) if name not in held)
