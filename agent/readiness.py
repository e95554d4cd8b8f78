"""Whether everything a run needs beside the configuration is there: keys, roster, journals."""

from collections.abc import Callable

from agent.reach import Reach
from agent.sites import Site, origin_of
from agent.sources import check_roster
from collectors.sources.roster import RosterFacts
from config.errors import ConfigError, RosterError, TenkenError
from reports.sealkey import SealKey
from reports.trust import load as load_trust


def check_site(site: Site) -> RosterFacts | None:
    """Read what a run would read of this machine's own files, and contact nobody.

    Returns the roster; raises ConfigError that names everything that is wrong.
    """
    found: list[RosterFacts | None] = []
    steps: tuple[Callable[[], object], ...] = (
        lambda: SealKey.load(site.key, origin=origin_of(site.config.site.id)),
        lambda: load_trust(site.trust),
        lambda: Reach(site, tuple(host for host in site.config.host if not host.excluded)),
        lambda: found.append(_roster(site)),
        lambda: _authorities(site),
        *(lambda name=journal.path: _journal(site, name) for journal in site.config.mail),
    )
    wrong: list[str] = []
    for step in steps:
        try:
            step()
        except TenkenError as err:
            wrong.append(f"{err}\n  {err.hint}" if err.hint else str(err))
    if wrong:
        raise ConfigError("\n".join(wrong), hint="nothing was contacted")
    return found[0]


def _roster(site: Site) -> RosterFacts | None:
    roster = check_roster(site)
    if roster is not None and not roster.persons:
        message = f"{site.path(roster.file).name}: the HR list names nobody"
        raise RosterError(message, hint="Without a single person no leaver can be looked for.")
    return roster


def _authorities(site: Site) -> None:
    known = {it.name for it in load_trust(site.trust).trust.tsas} if site.config.tsa else set()
    strangers = [it.name for it in site.config.tsa if it.name not in known]
    if strangers:
        message = (
            f"[[tsa]] {', '.join(strangers)}: the trust file does not name it, so its tokens prove nothing"
        )
        raise ConfigError(message, hint="See docs/operating.md, Time stamps.")


def _journal(site: Site, path: str) -> None:
    if not site.path(path).exists():
        message = f"{site.path(path)}: there is no such mail journal"
        raise ConfigError(
            message, hint="Correct path under [[mail]], or take out [[mail]] and what rests on it."
        )
