"""Alter a sealed and stamped bundle in every way there is, and count what verifies with other content.

    python -m tests.tamper            all of it, on all processors (half an hour)
    python -m tests.tamper --part 40  every 40th case of each kind

A survivor is a bundle that says VERIFIED and does not hold the sealed content. There must be none, no crash,
and no case of over two seconds. Cases that verify with exactly the sealed content are counted apart: spare
bits at the end of a deflate stream, say.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from config.errors import FormatError
from reports import layout, trust
from reports.container import Archive, write_archive
from reports.outcome import Verdict
from reports.sealkey import SealKey
from reports.store import RunStatementInput, Store
from reports.verify import verify_bundle
from tests.reports.sealing import ORIGIN, late, seal, stage, unpack
from tests.tsa import Authority

Case = tuple[str, bytes | dict[str, bytes]]
"""a kind, and a zip's bytes or the members to pack"""
SLOW_S = 2.0
_FOREIGN = (
    "evidence/web-02.json",
    "export/x.csv",
    "plan.tsa9.tsr",
    "checkpoint.tsa9.tsr",
    "other",
    "report/r.html",
)


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The honest bundle, and what verifies it."""

    zip: bytes
    files: dict[str, bytes]
    trust: Path
    other: dict[str, bytes]
    """another run of the same log"""


def subject(folder: Path) -> Subject:
    """Seal two small runs, stamped by a real authority."""
    key = SealKey.create(folder / "seal", origin=ORIGIN)
    lab = Authority.make(folder / "tsa")
    state = folder / "state"
    seal(state, key)
    with Store.open(state, stamp=lambda data: {"tsa1": lab.stamp(data)}) as store:
        draft = stage(store)
        draft.write("plan.tsa1.tsr", lab.stamp(draft[layout.PLAN]))
        now = datetime.now(UTC)
        sealed = draft.seal(key, statement=RunStatementInput(started=now, finished=now, counts={}), late=late)
    held = trust.first(site="kk", key=key.verifier, issued=now.date())
    path = folder / "trust-1.json"
    path.write_bytes(msgspec.structs.replace(held, tsas=(lab.trusted(),), tsa_threshold=1).encode())
    other = unpack(state / "bundles" / "tenken-kk-000001.zip")
    return Subject(zip=sealed.bundle.read_bytes(), files=unpack(sealed.bundle), trust=path, other=other)


def flips(it: Subject) -> Iterator[Case]:
    """Every bit of the zip."""
    for bit in range(len(it.zip) * 8):
        changed = bytearray(it.zip)
        changed[bit // 8] ^= 1 << bit % 8
        yield "a bit of the zip", bytes(changed)


def cuts(it: Subject) -> Iterator[Case]:
    """Every truncation; a byte put in, taken out, before and after."""
    for at in range(len(it.zip)):
        yield "cut short", it.zip[:at]
        yield "a byte put in", it.zip[:at] + b"\x00" + it.zip[at:]
        yield "a byte taken out", it.zip[:at] + it.zip[at + 1 :]
    yield "something before or after", b"\x00" + it.zip
    yield "something before or after", it.zip + b"\x00"


def member_flips(it: Subject) -> Iterator[Case]:
    """Every bit of every member, packed again with right checksums."""
    for name, raw in it.files.items():
        for bit in range(len(raw) * 8):
            changed = bytearray(raw)
            changed[bit // 8] ^= 1 << bit % 8
            yield "a bit of a member", {**it.files, name: bytes(changed)}


def moves(it: Subject) -> Iterator[Case]:
    """Members removed, with and without their line; swapped; of another run; cut; added; lines reordered."""
    names = sorted(it.files)
    for name in names:
        rest = {key: raw for key, raw in it.files.items() if key != name}
        yield "a member removed", rest
        lines = rest.get(layout.SUMS, b"").splitlines(keepends=True)
        without = b"".join(line for line in lines if not line.endswith(f"  {name}\n".encode()))
        yield "a member removed with its line", {**rest, layout.SUMS: without}
        yield "a member emptied", {**it.files, name: b""}
        yield "a member cut short", {**it.files, name: it.files[name][:-1]}
        yield "a member lengthened", {**it.files, name: it.files[name] + b"\n"}
        if name in it.other and it.other[name] != it.files[name]:
            yield "a member of another run", {**it.files, name: it.other[name]}
        for other in names:
            if other > name and it.files[name] != it.files[other]:
                yield "two members swapped", {**it.files, name: it.files[other], other: it.files[name]}
    for name in _FOREIGN:
        yield "a member added", {**it.files, name: b"{}"}
        yield "a member added with a line", {
            **it.files, name: b"{}", layout.SUMS: it.files[layout.SUMS] + f"{'0' * 64}  {name}\n".encode()
        }  # fmt: skip
    lines = it.files[layout.SUMS].splitlines(keepends=True)
    for at in range(len(lines) - 1):
        swapped = [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]
        yield "lines of SHA256SUMS reordered", {**it.files, layout.SUMS: b"".join(swapped)}


KINDS: tuple[Callable[[Subject], Iterator[Case]], ...] = (flips, cuts, member_flips, moves)
Answer = tuple[str, str]
"""kind of case, and what became of it"""
Judge = Callable[[Path, Path], Verdict]


def honestly(bundle: Path, trusted: Path) -> Verdict:
    """The verifier that is tried."""
    return verify_bundle(bundle, trust_path=trusted).verdict


def campaign(
    it: Subject, folder: Path, *, part: int = 1, worker: int = 0, workers: int = 1, judge: Judge = honestly
) -> Counter[Answer]:
    """Try every `part`th case of each kind, or of those one worker's share."""
    found: Counter[Answer] = Counter()
    path = folder / f"case-{worker}.zip"
    for kind in KINDS:
        for number, (name, what) in enumerate(kind(it)):
            if number % part or number // part % workers != worker:
                continue
            raw = what if isinstance(what, bytes) else _packed(what, folder, worker)
            found[name, "refused" if raw is None else _tried(raw, path, it, judge)] += 1
    return found


def _tried(raw: bytes, path: Path, it: Subject, judge: Judge) -> str:
    path.write_bytes(raw)
    begun = time.monotonic()
    try:
        verdict = judge(path, it.trust)
    except Exception as err:  # noqa: BLE001 (a crash is what is looked for)
        return f"CRASHED {type(err).__name__}"
    if time.monotonic() - begun > SLOW_S:
        return "SLOW"
    if verdict is not Verdict.VERIFIED:
        return "refused"
    try:
        same = unpack(path) == it.files
    except FormatError:
        same = False
    return "verified with the sealed content" if same else "SURVIVED"


def _packed(files: Mapping[str, bytes], folder: Path, worker: int) -> bytes | None:
    """Pack members with right checksums; None where even the writer refuses a name."""
    source = folder / f"members-{worker}"
    source.mkdir(exist_ok=True)
    paths = {}
    for number, (name, raw) in enumerate(files.items()):
        paths[name] = source / str(number)
        paths[name].write_bytes(raw)
    target = folder / f"packed-{worker}.zip"
    file = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        write_archive(file, paths)
    except FormatError:
        return None
    finally:
        os.close(file)
    return target.read_bytes()


def _share(job: tuple[Subject, Path, int, int, int]) -> Counter[Answer]:
    it, folder, part, worker, workers = job
    return campaign(it, folder, part=part, worker=worker, workers=workers)


def main() -> int:
    """Run the campaign and print its table; 1 when anything survived, crashed or took too long."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--part", type=int, default=1, metavar="N", help="every Nth case only")
    part = parser.parse_args().part
    workers = os.cpu_count() or 1
    found: Counter[Answer] = Counter()
    with tempfile.TemporaryDirectory() as name, multiprocessing.Pool(workers) as pool:
        it = subject(Path(name))
        with Archive.open(Path(name) / "state/bundles/tenken-kk-000002.zip") as archive:
            print(f"{len(it.zip)} bytes, {len(archive.names)} members")
        for share in pool.map(_share, [(it, Path(name), part, n, workers) for n in range(workers)]):
            found.update(share)
    bad = 0
    print(f"{'what was done':34} {'cases':>8} {'refused':>8} {'same content':>13} {'bad':>5}")
    for kind in dict.fromkeys(kind for kind, _ in found):
        of = {answer: count for (name, answer), count in found.items() if name == kind}
        same = of.pop("verified with the sealed content", 0)
        refused = of.pop("refused", 0)
        wrong = sum(of.values())
        bad += wrong
        print(f"{kind:34} {same + refused + wrong:8} {refused:8} {same:13} {wrong:5} {of or ''}")
    print(f"{sum(found.values())} cases, {bad} survivors, crashes or slow ones")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
