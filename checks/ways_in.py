"""Whether an account is closed, and if not, by which ways one still gets in.

The truth behind it was tried with real log-ins on Debian 12 and 13: the one switch that closes every way
is the expiry date, field 8 of shadow(5); a locked password closes the password only.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from collectors.evidence import Reason
from collectors.facts import Fact, Known, Unknown
from collectors.probes.accounts import Account, AccountsFacts, PasswordField
from collectors.probes.keys import KeyFile, KeysFacts
from collectors.probes.names import NamesFacts
from collectors.probes.residue import Jobs, ResidueFacts
from collectors.probes.shadow import PasswordState, ShadowEntry, ShadowFacts
from collectors.probes.sshd import SshdFacts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FURTHEST_DAY = 1_000_000
"""a day count beyond this (the year 4707) is as good as never"""
_NO_SHELLS = frozenset({"nologin", "false"})


class Standing(StrEnum):
    """Whether an account is closed."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


Way = str | tuple[Reason, str]
"""a way in that is open, or why it could not be looked at"""


class Closure(Struct, frozen=True, kw_only=True):
    """Whether an account is closed, and since when the files say so."""

    standing: Standing
    since: datetime | None = None
    """the instant from which the present files close it"""
    reason: Reason = Reason.UNDETERMINED
    """only with `unknown`"""
    detail: str = ""


class Ways(Struct, frozen=True, kw_only=True):
    """Ways in that are open, and those that could not be looked at."""

    open: tuple[str, ...]
    unseen: tuple[tuple[Reason, str], ...]


class View(Struct, frozen=True, kw_only=True):
    """All that one host's facts say about its accounts at one time."""

    accounts: AccountsFacts
    names: Fact[NamesFacts]
    shadow: Fact[ShadowFacts]
    sshd: Fact[SshdFacts]
    keys: Fact[KeysFacts]
    residue: Fact[ResidueFacts]
    now: datetime

    def account(self, name: str) -> Account | None:
        """The account of that name; of two lines with one name the first counts, as for getpwnam(3)."""
        local = next((it for it in self.accounts.accounts if it.name == name), None)
        if local or isinstance(self.names, Unknown):
            return local
        entry = next((it for it in self.names.value.found if it.name == name), None)
        if entry is None:
            return None
        return Account(
            name=entry.name,
            field=PasswordField.SHADOWED,
            uid=entry.uid,
            gid=entry.gid,
            home=entry.home,
            shell=entry.shell,
        )

    def all_accounts(self) -> tuple[Account, ...]:
        """Local accounts once each, then those that only a name service knows."""
        found = {it.name: it for it in reversed(self.accounts.accounts)}
        if isinstance(self.names, Known):
            for entry in self.names.value.found:
                account = self.account(entry.name)
                if account:
                    found.setdefault(entry.name, account)
        return tuple(sorted(found.values(), key=lambda it: it.name))

    def is_local(self, name: str) -> bool:
        """Whether passwd itself holds it."""
        return any(it.name == name for it in self.accounts.accounts)

    def remote_sources(self) -> tuple[str, ...]:
        """Name services outside of this host that may know further accounts."""
        if isinstance(self.names, Unknown):
            return ()
        return tuple(
            source for source in self.names.value.remote if source != "compat" or self.accounts.nis_lines
        )

    def commands_of(self, uid: int) -> tuple[str, ...]:
        """Names of the processes that run under a uid; none when they cannot be seen."""
        if isinstance(self.residue, Unknown) or self.residue.value.processes is None:
            return ()
        return tuple(it.command for it in self.residue.value.processes if it.uid == uid)

    def key_files(self, name: str, *, left_behind: bool = False) -> tuple[KeyFile, ...]:
        """The authorized_keys files of one account."""
        if isinstance(self.keys, Unknown):
            return ()
        return tuple(
            it for it in self.keys.value.files if it.account == name and it.left_behind is left_behind
        )


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
    if not view.accounts.pam and _works_without_pam(view, account, entry):
        return Closure(standing=Standing.OPEN)
    return Closure(standing=Standing.CLOSED, since=since)


def _doubt(view: View, account: Account, shadow: ShadowFacts) -> Closure | None:
    """Say why the account's lines cannot be believed, if so."""
    is_local = view.is_local(account.name)
    entries = sum(it.name == account.name for it in shadow.entries)
    remote = ", ".join(view.remote_sources())
    doubts = (
        (
            sum(it.name == account.name for it in view.accounts.accounts) > 1,
            "the name stands twice in passwd",
        ),
        (bool({account.name, "?"} & set(shadow.malformed)), "a line of shadow cannot be read"),
        (entries > 1, "the name stands twice in shadow"),
    )
    for there, detail in doubts:
        if there:
            return _unknown(Reason.CORRUPT, detail)
    if not is_local and (remote or not entries):
        return _unknown(Reason.OUTSIDE_HOST, f"kept by {remote or 'a name service'}")
    return None


def entry_of(view: View, name: str) -> ShadowEntry | None:
    """The shadow line that counts for a name."""
    if isinstance(view.shadow, Unknown):
        return None
    return next((it for it in view.shadow.value.entries if it.name == name), None)


def ways_in(view: View, account: Account) -> Ways:
    """Name each way into an account that is not closed."""
    found = [*_by_key(view, account), *_by_password(view, account), *_by_jobs(view, account)]
    if account.uid == 0 and account.name != "root":
        found.append("uid 0")
    return Ways(
        open=tuple(it for it in found if isinstance(it, str)),
        unseen=tuple(it for it in found if not isinstance(it, str)),
    )


def blind_spots(view: View, names: frozenset[str]) -> tuple[tuple[Reason, str], ...]:
    """What hides a closed person's other footholds: their processes, or their keys under other accounts."""
    found = [
        (fact.reason, fact.detail or label)
        for fact, label in (
            (view.names, "name services"),
            (view.keys, "public keys"),
            (view.residue, "processes"),
        )
        if isinstance(fact, Unknown)
    ]
    if isinstance(view.residue, Known):
        if view.residue.value.processes is None:
            found.append((Reason.DENIED, "processes of others"))
        if view.residue.value.homes is None:
            found.append((Reason.DENIED, "homes"))
    if isinstance(view.keys, Known):
        own = [file for file in view.keys.value.files if file.account in names]
        others = [file for file in view.keys.value.files if file.account not in names]
        hidden = [file for file in own if file.state in ("denied", "cut")]
        # Without a key of theirs there is nothing to look for elsewhere.
        if any(file.keys for file in own):
            hidden += [file for file in others if file.state in ("denied", "cut")]
        if hidden:
            reason = Reason.DENIED if any(file.state == "denied" for file in hidden) else Reason.TRUNCATED
            found.append((reason, "public keys"))
        elif any(not key.fingerprint for file in own for key in file.keys):
            found.append((Reason.NO_TOOL, "fingerprints of public keys"))
    return tuple(found)


def residue_of(view: View, account: Account | None, name: str) -> tuple[str, ...]:
    """Name what is left of an account that is closed or gone."""
    found: list[str] = []
    keys = sum(len(file.keys) for left in (False, True) for file in view.key_files(name, left_behind=left))
    if keys:
        found.append(f"{keys} public key{'s' if keys > 1 else ''}")
    if isinstance(view.residue, Known):
        facts = view.residue.value
        found.extend(
            label
            for label, jobs in (("crontab", facts.crontabs), ("system cron jobs", facts.system_jobs))
            if any(it.account == name for it in jobs or ())
        )
        if account and account.uid in (facts.at_jobs or ()):
            found.append("at jobs")
        if name in (facts.linger or ()):
            found.append("linger flag")
    return tuple(found)


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
    return any(True for _ in _by_jobs(view, account))


def _has_shell(account: Account) -> bool:
    return account.shell.rsplit("/", 1)[-1] not in _NO_SHELLS


def _by_key(view: View, account: Account) -> Iterator[Way]:
    sshd = view.sshd.value if isinstance(view.sshd, Known) else None
    if sshd and _settled(sshd) and not (sshd.installed and sshd.pubkey_authentication):
        return  # no SSH server reads key files
    door = "" if _has_shell(account) else _without_shell(sshd)
    if door is None:
        return
    if any(not key.ended(view.now) for file in view.key_files(account.name) for key in file.keys):
        yield f"{door} by public key" if door else "public key"
    yield from _unseen_keys(view, account, sshd)


def _unseen_keys(view: View, account: Account, sshd: SshdFacts | None) -> Iterator[Way]:
    files = view.key_files(account.name)
    if isinstance(view.sshd, Unknown):
        yield view.sshd.reason, "where sshd looks for keys"
    elif sshd and (sshd.keys_command or sshd.user_ca):
        yield Reason.OUTSIDE_HOST, "keys that a command or a certificate authority vouches for"
    elif sshd and not _settled(sshd) and (sshd.own_file or sshd.other_daemon or sshd.match_blocks is None):
        yield Reason.UNDETERMINED, "an SSH server with settings that were not read"
    if isinstance(view.keys, Unknown):
        yield view.keys.reason, "public keys"
    elif any(file.state == "denied" for file in files):
        yield Reason.DENIED, "public keys"
    elif any(file.state == "cut" for file in files):
        yield Reason.TRUNCATED, "public keys"
    elif not account.home.startswith("/"):
        yield Reason.CORRUPT, "home folder"


def _settled(sshd: SshdFacts | None) -> bool:
    """Whether what sshd printed holds for everybody."""
    return sshd is not None and sshd.match_blocks is False and not sshd.own_file and not sshd.other_daemon


def _without_shell(sshd: SshdFacts | None) -> str | None:
    """What still works with nologin as shell; None when nothing does."""
    if sshd is None or not _settled(sshd):
        return "sftp or forwarding"
    doors = (["sftp"] if sshd.internal_sftp else []) + (["forwarding"] if sshd.forwarding else [])
    return " and ".join(doors) or None


def _by_password(view: View, account: Account) -> Iterator[Way]:
    state = _password(view, account)
    if isinstance(state, Unknown):
        yield state.reason, state.detail or "password"
    elif state and _has_shell(account):
        yield state
    elif state:
        sshd = view.sshd.value if isinstance(view.sshd, Known) else None
        by_ssh = sshd is None or not _settled(sshd)
        if sshd and not by_ssh:
            by_ssh = sshd.installed and (sshd.password_authentication or sshd.kbd_interactive)
        door = _without_shell(sshd) if by_ssh else None
        if door:
            yield f"{door} by {state}"


def _password(view: View, account: Account) -> str | Unknown:
    """Name the password that opens it; empty when none does."""
    match account.field:
        case PasswordField.EMPTY:
            return "empty password"
        case PasswordField.SET:
            return "password in passwd"
        case PasswordField.LOCKED:
            return ""
        case PasswordField.SHADOWED:
            pass
    if isinstance(view.shadow, Unknown):
        return view.shadow
    entry = entry_of(view, account.name)
    match entry.state if entry else None:
        case None:
            return "" if view.is_local(account.name) else Unknown(reason=Reason.OUTSIDE_HOST, evidence="")
        case PasswordState.EMPTY:
            return "empty password"
        case PasswordState.SET:
            return "password"
        case _:
            return ""


def _by_jobs(view: View, account: Account) -> Iterator[Way]:
    if isinstance(view.residue, Unknown):
        yield view.residue.reason, "cron jobs and processes"
        return
    facts = view.residue.value
    running = view.commands_of(account.uid)[:5]
    kinds: tuple[tuple[str, bool | None], ...] = (
        ("cron jobs", _has_jobs(facts.crontabs, account)),
        ("system cron jobs", _has_jobs(facts.system_jobs, account)),
        ("at jobs", None if facts.at_jobs is None else account.uid in facts.at_jobs),
        ("lingering services", None if facts.linger is None else account.name in facts.linger),
        (
            f"running processes ({', '.join(running)})",
            None if facts.processes is None else bool(running),
        ),
    )
    for label, there in kinds:
        if there is None:
            yield Reason.DENIED, label.partition(" (")[0]
        elif there:
            yield label


def _has_jobs(jobs: tuple[Jobs, ...] | None, account: Account) -> bool | None:
    return None if jobs is None else any(it.account == account.name and it.number != 0 for it in jobs)
