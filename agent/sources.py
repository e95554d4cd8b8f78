"""Read the sources beside the hosts, the roster and mail journals, as evidence like any other."""

import secrets
from datetime import datetime

import structlog

from agent.fresh import fresh_salt
from agent.planning import ROSTER_TARGET
from agent.sites import Site
from collectors.evidence import Reason, Section, Status, TargetEvidence, TargetKind
from collectors.mail.journal import JournalError, read_journal
from collectors.sources.roster import RosterFacts
from collectors.sources.roster_csv import read_roster, roster_section
from config.errors import RosterError
from config.model import MailJournal


def check_roster(site: Site) -> RosterFacts | None:
    """Read the roster for `tenken config check`; raises RosterError with every defect."""
    roster = site.config.roster
    return read_roster(site.path(roster.path), roster) if roster else None


def roster_evidence(site: Site, run: int, plan: str) -> TargetEvidence:
    """Read the roster for a run.

    A roster that cannot be read makes what rests on it unknown; it does not hide the other promises.
    """
    roster = site.config.roster
    if roster is None:
        message = "no roster is declared"
        raise ValueError(message)
    try:
        section = roster_section(read_roster(site.path(roster.path), roster))
    except RosterError as err:
        structlog.get_logger().error("roster not read", reason=str(err), hint=err.hint)
        return _evidence(
            ROSTER_TARGET, TargetKind.ROSTER, run, plan, (), reason=Reason.CORRUPT, detail=str(err)
        )
    return _evidence(ROSTER_TARGET, TargetKind.ROSTER, run, plan, (section,))


def mail_evidence(site: Site, journal: MailJournal, run: int, plan: str, as_of: datetime) -> TargetEvidence:
    """Read one mail journal for a run; a journal that cannot be read is unknown with its reason."""
    try:
        # The key lives as long as this call: addresses can be told apart within a run, never looked up.
        sections = read_journal(journal, site.folder, as_of, secrets.token_bytes(32))
    except JournalError as err:
        structlog.get_logger().error("mail journal not read", journal=journal.name, reason=str(err))
        return _evidence(journal.name, TargetKind.MAIL, run, plan, (), reason=err.reason, detail=str(err))
    return _evidence(journal.name, TargetKind.MAIL, run, plan, sections)


def _evidence(
    target: str,
    kind: TargetKind,
    run: int,
    plan: str,
    sections: tuple[Section, ...],
    *,
    reason: Reason | None = None,
    detail: str = "",
) -> TargetEvidence:
    return TargetEvidence(
        run=run,
        plan=plan,
        target=target,
        kind=kind,
        salt=fresh_salt(),
        status=Status.UNREACHABLE if reason else Status.COLLECTED,
        reason=reason,
        detail=detail[:1_000],
        sections=sections,
    )
