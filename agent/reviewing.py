"""Write, sign and take the officer's review of a sealed run."""

import hashlib
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Literal

from msgspec import Struct

from agent.lastrun import folder_of
from agent.sites import Site, origin_of
from agent.timestamps import Stamper
from config.errors import ConfigError, FormatError, SealError, StoreError
from reports import people, runlog, statement
from reports.layout import CHECKPOINT, RUN
from reports.note import Checkpoint, Note, encode_root
from reports.people import Review, Seen
from reports.sealkey import SealKey
from reports.statement import Reviewed
from reports.store import Store
from reports.trust import load as load_trust

Decision = Literal["accepted", "returned"]
NAMESPACE = "tenken-review"
_REPORT = "report/report.html"


def draft(
    site: Site, run: int | None, *, principal: str, decision: Decision, comment: str, now: datetime
) -> bytes:
    """Return the bytes that the officer signs; raises StoreError when the run is not there."""
    folder = folder_of(site, run)
    try:
        raw, report = (folder / RUN).read_bytes(), (folder / _REPORT).read_bytes()
        checkpoint = Checkpoint.parse(Note.parse((folder / CHECKPOINT).read_bytes()).text)
        said = statement.decode(raw).said
    except (OSError, FormatError) as err:
        message = f"{folder} cannot be read as a sealed run: {err}"
        raise StoreError(message, hint="Restore it from its bundle.") from err
    if not isinstance(said, statement.Run):
        message = f"{folder} holds no run"
        raise StoreError(message)
    review = Review(
        run=said.run,
        run_sha256=hashlib.sha256(raw).hexdigest(),
        checkpoint=Seen(size=checkpoint.size, root=encode_root(checkpoint.root)),
        principal=principal,
        decision=decision,
        report_sha256=hashlib.sha256(report).hexdigest(),
        comment=comment,
        at=statement.instant(now),
    )
    people.decode(people.encode(review))  # what no reader accepts is never signed
    return people.encode(review)


def sign(path: Path, key: Path) -> Path:
    """Have `ssh-keygen -Y sign` sign a file: key file, agent or device alike; raises SealError."""
    signature = path.with_name(f"{path.name}.sig")
    signature.unlink(missing_ok=True)
    command = ("ssh-keygen", "-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(path))
    try:
        # It asks for passphrase, PIN or touch itself, on the terminal.
        done = subprocess.run(command, check=False)  # noqa: S603
    except FileNotFoundError as err:
        message = "ssh-keygen is not there"
        raise SealError(message, hint="It comes with OpenSSH's client.") from err
    if done.returncode or not signature.exists():
        message = f"ssh-keygen did not sign {path.name}"
        raise SealError(message, hint=f"Try it by hand: {' '.join(command)}")
    return signature


def take(site: Site, document: Path, signature: Path, now: datetime) -> Review:
    """Put a signed review into the run log; raises SealError, StoreError, ConfigError."""
    try:
        raw, armoured = (path.read_bytes()[: people.MOST_BYTES + 1] for path in (document, signature))
    except OSError as err:
        message = f"cannot read {err.filename}: {err.strerror}"
        raise ConfigError(message, hint=f"Sign with: ssh-keygen -Y sign -n {NAMESPACE} -f KEY FILE") from err
    trust = load_trust(site.trust).trust
    key = SealKey.load(site.key, origin=origin_of(site.config.site.id))
    with Store.open(site.state, stamp=Stamper(site.config.tsa, trust)) as store:
        store.record_review(key, raw, armoured, trust=trust, now=now)
    return people.decode(raw)


class Reviewable(Struct, frozen=True, kw_only=True):
    """A run and what was decided about it."""

    run: int
    finished: str
    decision: str
    """empty until somebody decided"""
    principal: str
    recorded: str


def reviewable(site: Site) -> tuple[Reviewable, ...]:
    """List every run with the newest decision about it; raises StoreError."""
    entries = runlog.read_entries(site.state)
    decided: dict[int, tuple[Review, str]] = {}
    for entry in entries:
        if isinstance(entry.said, Reviewed):
            path = site.state / "log" / runlog.ATTACHMENTS / entry.subjects[0].digest.sha256
            try:
                decided[entry.said.run] = people.decode(path.read_bytes()), entry.said.recorded
            except (OSError, FormatError) as err:
                message = f"the review of run {entry.said.run} cannot be read: {err}"
                raise StoreError(message, hint="Restore log/attachments from a backup.") from err
    found = []
    for entry in entries:
        if isinstance(entry.said, statement.Run):
            review, recorded = decided.get(entry.said.run, (None, ""))
            found.append(
                Reviewable(
                    run=entry.said.run,
                    finished=entry.said.finished,
                    decision=review.decision if review else "",
                    principal=review.principal if review else "",
                    recorded=recorded,
                )
            )
    return tuple(found)
