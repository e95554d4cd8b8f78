"""The officers' reviews in a run log, verified against the trust file."""

# ruff: noqa: EM101, EM102, TRY003
# What is raised here is a step's answer; its words are data, not the message of an error.

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from config.errors import FormatError
from reports import people
from reports.merkle import leaf_hash, root
from reports.note import encode_root
from reports.outcome import altered, cannot, untrusted
from reports.people import NotEntitledError, Review
from reports.statement import Entry, Reviewed, Run
from reports.trust import Trust


class Found(Struct, frozen=True, kw_only=True):
    """A review that counts, and when it came into the log."""

    review: Review
    recorded: str


def read_reviews(
    lines: Sequence[bytes], entries: Sequence[Entry], attachments: Path | None, trust: Trust
) -> tuple[Found, ...]:
    """Verify every review of a log, oldest first; raises Bad.

    `attachments` is the folder beside the log, where each file bears its SHA-256.
    """
    found: list[Found] = []
    runs = {entry.said.run: index for index, entry in enumerate(entries) if isinstance(entry.said, Run)}
    for index, entry in enumerate(entries):
        if not isinstance(entry.said, Reviewed):
            continue
        where = f"entry {index + 1}"
        raw, signature = (_attachment(attachments, it.digest.sha256, where) for it in entry.subjects)
        try:
            review = people.check(raw, signature, trust, recorded=entry.said.recorded)
        except FormatError as err:
            raise altered(f"{where}: {err}") from err
        except NotEntitledError as err:
            raise untrusted(f"{where}: {err}") from err
        if review.run != entry.said.run or review.run not in runs:
            raise altered(f"{where}: a review of another run than the entry says")
        if people.sha256(lines[runs[review.run]]) != review.run_sha256:
            raise altered(f"{where}: a review of another run {review.run} than this log's")
        size = review.checkpoint.size
        if not runs[review.run] < size <= index:
            raise altered(f"{where}: the reviewer's checkpoint does not cover the run, or covers the review")
        if encode_root(root(leaf_hash(line) for line in lines[:size])) != review.checkpoint.root:
            raise altered(f"FORK: {where}: the reviewer saw another log of {size} entries")
        found.append(Found(review=review, recorded=entry.said.recorded))
    return tuple(found)


def judge_reviews(found: Sequence[Found], run: int, digests: Mapping[str, str]) -> str:
    """Say what was decided about one run; raises Bad when another report was read."""
    mine = [it for it in found if it.review.run == run]
    if not mine:
        return f"{len(found)} in the log, none of this run"
    for each in mine:
        if each.review.report_sha256 not in (
            digests.get("report/report.html"),
            digests.get("report/report.pdf"),
        ):
            raise altered("the review is about another report than this bundle's")
    last = mine[-1]
    return f"{last.review.decision} by {last.review.principal}, recorded {last.recorded}"


def _attachment(folder: Path | None, sha256: str, where: str) -> bytes:
    if folder is None or not folder.is_dir():
        raise cannot("reviews are in the log, but their documents (log/attachments) are not beside it")
    try:
        with (folder / sha256).open("rb") as file:
            raw = file.read(people.MOST_BYTES + 1)
    except OSError as err:
        raise cannot(f"{where}: its document {sha256[:12]}… cannot be read: {err.strerror}") from err
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise altered(f"{where}: its document {sha256[:12]}… was altered")
    return raw
