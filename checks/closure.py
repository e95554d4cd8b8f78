"""Whether an account is closed.

The truth behind it was tried with real log-ins on Debian 12 and 13: the one switch that closes every way
is the expiry date, field 8 of shadow(5); a locked password closes the password only.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from checks.account_view import View, entry_of
from checks.ways_in import by_jobs
from collectors.evidence import Reason
from collectors.facts import Known, Unknown
from collectors.probes.accounts import Account, PasswordField
from collectors.probes.shadow import PasswordState, ShadowEntry, ShadowFacts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FURTHEST_DAY = 1_000_000
"""a day count beyond this (the year 4707) is as good as never"""


class Standing(StrEnum):
    """Whether an account is closed."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class Closure(Struct, frozen=True, kw_only=True):
    """Whether an account is closed, and since when the files say so."""

    standing: Standing
    since: datetime | None = None
    """the instant from which the present files close it"""
    reason: Reason = Reason.UNDETERMINED
    """only with `unknown`"""
    detail: str = ""


def absence(view: View, name: str) -> Closure:
    """Say whether it is certain that the host has no account of that name: closed, or unknown why not."""
    if "?" in view.accounts.malformed or name in view.accounts.malformed:
        return _unknown(Reason.CORRUPT, "a line of passwd cannot be read")
    if isinstance(view.names, Unknown):
        return _unknown(view.names.reason, view.names.detail or "name services")
    names = view.names.value
    if name in names.malformed or "?" in names.malformed:
        return _unknown(Reason.CORRUPT, "an answer of a name service cannot be read")
    remote = view.remote_sources()
    if remote and name not in names.asked:
        return _unknown(Reason.NOT_COLLECTED, f"not looked up in {', '.join(remote)}")
    # A directory that is down answers like one that does not know the name.
    if remote and not names.answered:
        return _unknown(Reason.OUTSIDE_HOST, f"{', '.join(remote)} named nobody, so it may be down")
    return Closure(standing=Standing.CLOSED, since=None)


def closure(view: View, account: Account) -> Closure:
    """Say whether every way into an existing account is closed by its expiry."""
    if isinstance(view.shadow, Unknown):
        return _unknown(view.shadow.reason, view.shadow.detail)
    doubt = _doubt(view, account, view.shadow.value)
    if doubt:
        return doubt
    entry = entry_of(view, account.name)
    # PAM looks into shadow only where passwd says `x` (pam_unix, get_account_info).
    if entry is None or entry.damaged or account.field is not PasswordField.SHADOWED:
        return Closure(standing=Standing.OPEN)
    since = _ended(view, entry)
    if since is None or view.now < since:
        return Closure(standing=Standing.OPEN)
    if isinstance(view.sshd, Unknown):
        # The host said that it would not tell: then the later day counts. No word from it is another matter.
        if view.sshd.reason not in (Reason.NOPRIV, Reason.FAILED):
            return _unknown(view.sshd.reason, view.sshd.detail or "which SSH server runs")
    elif view.sshd.value.other_daemon:
        return _unknown(Reason.UNSUPPORTED, "another SSH server than OpenSSH runs")
    if view.accounts.pam and (deaf := _deaf(view)):
        return deaf
    if not view.accounts.pam and _works_without_pam(view, account, entry):
        return Closure(standing=Standing.OPEN)
    return Closure(standing=Standing.CLOSED, since=since)


def _doubt(view: View, account: Account, shadow: ShadowFacts) -> Closure | None:
    """Say why the account's lines cannot be believed, if so."""
    is_local = view.is_local(account.name)
    entries = len(view.entries_of(account.name))
    remote = ", ".join(view.remote_sources())
    malformed = shadow.malformed
    doubts = (
        (
            view.lines_of(account.name) > 1,
            "the name stands twice in passwd",
        ),
        (account.name in malformed or "?" in malformed, "a line of shadow cannot be read"),
        (entries > 1, "the name stands twice in shadow"),
    )
    for there, detail in doubts:
        if there:
            return _unknown(Reason.CORRUPT, detail)
    named = view.names.value.overridden if isinstance(view.names, Known) else frozenset[str]()
    if account.name in named | shadow.overridden:
        return _unknown(Reason.OUTSIDE_HOST, "a name service answers for it before the files of this host")
    if not is_local and (remote or not entries):
        return _unknown(Reason.OUTSIDE_HOST, f"kept by {remote or 'a name service'}")
    return None


def _deaf(view: View) -> Closure | None:
    """Say which ways that ask PAM may let in an expired account: the date is what pam_unix makes of it."""
    if isinstance(view.pam, Unknown):
        return _unknown(view.pam.reason, view.pam.detail or "stacks of PAM")
    sshd = view.sshd.value if isinstance(view.sshd, Known) else None
    # An sshd that is known not to ask PAM reads the date itself.
    asked = ("login",) if sshd and not sshd.own_file and not sshd.use_pam else ("sshd", "login")
    for service in asked:
        refuses = view.pam.value.refuses_expired.get(service)
        if refuses is None:
            return _unknown(Reason.UNDETERMINED, f"the account stack of {service} cannot be followed")
        if not refuses:
            return _unknown(Reason.UNDETERMINED, f"the account stack of {service} may let in who is expired")
    return None


def _unknown(reason: Reason, detail: str) -> Closure:
    return Closure(standing=Standing.UNKNOWN, reason=reason, detail=detail)


def _use_pam(view: View) -> bool:
    """Whether sshd is known to ask PAM."""
    return (
        view.accounts.pam
        and isinstance(view.sshd, Known)
        and view.sshd.value.installed
        and view.sshd.value.use_pam
        and not view.sshd.value.own_file
    )


def _ended(view: View, entry: ShadowEntry) -> datetime | None:
    """From when on the line closes the account, by its expiry date or by a password left to rot."""
    ends: list[int] = []
    if entry.expire_day is not None:
        # Day D closes from 00:00 UTC of D with PAM, but sshd without PAM lets in until its end.
        ends.append(entry.expire_day + (0 if _use_pam(view) else 1))
    if (
        _use_pam(view)
        and entry.changed_day
        and entry.max_days is not None
        and entry.inactive_days is not None
    ):
        # pam_unix, check_shadow_expiry: strictly more days than both together.
        ends.append(entry.changed_day + entry.max_days + entry.inactive_days + 1)
    if not ends or min(ends) > _FURTHEST_DAY:
        return None
    return _EPOCH + timedelta(days=min(ends))


def _works_without_pam(view: View, account: Account, entry: ShadowEntry) -> bool:
    """Without PAM sshd heeds the expiry date; su, login and crond do not."""
    if entry.state in (PasswordState.SET, PasswordState.EMPTY):
        return True
    return any(True for _ in by_jobs(view, account))
