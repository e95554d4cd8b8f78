"""By which ways one still gets into an account that is not closed: a new kind of way is named here."""

from collections.abc import Iterator

from msgspec import Struct

from checks.account_view import View, entry_of
from collectors.evidence import Reason
from collectors.facts import Known, Unknown
from collectors.probes.accounts import Account, PasswordField
from collectors.probes.residue import Jobs
from collectors.probes.shadow import PasswordState
from collectors.probes.sshd import SshdFacts

_NO_SHELLS = frozenset({"nologin", "false"})

Way = str | tuple[Reason, str]
"""a way in that is open, or why it could not be looked at"""


class Ways(Struct, frozen=True, kw_only=True):
    """Ways in that are open, and those that could not be looked at."""

    open: tuple[str, ...]
    unseen: tuple[tuple[Reason, str], ...]


def ways_in(view: View, account: Account) -> Ways:
    """Name each way into an account that is not closed."""
    found = [*_by_key(view, account), *_by_password(view, account), *by_jobs(view, account)]
    if account.uid == 0 and account.name != "root":
        found.append("uid 0")
    return Ways(
        open=tuple(it for it in found if isinstance(it, str)),
        unseen=tuple(it for it in found if not isinstance(it, str)),
    )


def _has_shell(account: Account) -> bool:
    return account.shell.rsplit("/", 1)[-1] not in _NO_SHELLS


def _by_key(view: View, account: Account) -> Iterator[Way]:
    sshd = view.sshd.value if isinstance(view.sshd, Known) else None
    door = "" if _has_shell(account) else _without_shell(sshd)
    if door is None:
        return
    if sshd and sshd.installed and sshd.vouched:
        yield Reason.OUTSIDE_HOST, "log-ins that another host or Kerberos vouches for"
    if sshd and _settled(sshd) and not (sshd.installed and sshd.pubkey_authentication):
        return  # no SSH server reads key files
    keys = [key for file in view.key_files(account.name) for key in file.keys if key.opens(view.now)]
    if any(not key.vouches for key in keys):
        yield f"{door} by public key" if door else "public key"
    yield from _unseen_keys(view, account, sshd)


def _unseen_keys(view: View, account: Account, sshd: SshdFacts | None) -> Iterator[Way]:
    files = view.key_files(account.name)
    if isinstance(view.sshd, Unknown):
        yield view.sshd.reason, "where sshd looks for keys"
    elif (sshd and (sshd.keys_command or sshd.user_ca)) or any(
        key.vouches and key.opens(view.now) for file in files for key in file.keys
    ):
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


def by_jobs(view: View, account: Account) -> Iterator[Way]:
    """What runs for the account without anybody logging in."""
    if isinstance(view.residue, Unknown):
        yield view.residue.reason, "cron jobs and processes"
        return
    facts = view.residue.value
    running = view.commands_of(account.uid)[:5]
    kinds: tuple[tuple[str, bool | None], ...] = (
        ("cron jobs", _has_jobs(facts.crontabs, account)),
        ("system cron jobs", _has_jobs(facts.system_jobs, account)),
        ("system services", _has_jobs(facts.services, account)),
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
    names = (account.name, str(account.uid))
    return None if jobs is None else any(it.account in names and it.number != 0 for it in jobs)
