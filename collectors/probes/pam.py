"""What PAM makes of new passwords and of wrong ones: its stacks are followed as libpam does, not searched."""

import re
from collections.abc import Iterator
from contextlib import suppress

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts, Probe, WithheldError
from collectors.pam_scenarios import (
    Flaw,
    Host,
    asks_password,
    can_change,
    demand,
    forgets,
    lock,
    refuses_expired,
)
from collectors.pam_stack import LostError, Rule, read_stack
from collectors.probes.rows import broken, required, rows

SERVICES = ("passwd", "sshd", "login", "su")
_SETTINGS = {"pwquality", "faillock", "pwhistory"}
_STATES = {"denied": Reason.DENIED, "limit": Reason.LIMIT, "special": Reason.UNSUPPORTED}
_HASHES = frozenset({"yescrypt", "gost_yescrypt", "blowfish", "sha512", "sha256", "md5", "bigcrypt"})
"""pam_unix(8)"""
_OTHER_LENGTHS = frozenset({"pam_cracklib", "pam_passwdqc"})
_OTHER_LOCKS = frozenset({"pam_tally", "pam_tally2", "pam_abl"})
"""modules whose rules are not read here"""


class PasswordStack(Facts, frozen=True, kw_only=True):
    """What a service demands of a new password that the owner of an account chooses."""

    changes: bool
    """a good password can be stored at all"""
    remembered: int
    """earlier passwords that are refused whatever the owner types; 0 when none"""
    remember_asked: int
    """the highest `remember` of a rule; 0 when no rule has one"""
    remember_flaw: Flaw | None
    """why `remembered` is less"""
    remember_root: bool
    """root is held to it too (`enforce_for_root`)"""
    min_length: int | None
    """no shorter password is taken; 0 when no rule asks for a length, None when that cannot be told"""
    length_asked: int
    """the longest minimum of a rule"""
    length_flaw: Flaw | None
    """why `min_length` is less"""
    algorithm: str
    """the hash that pam_unix is told to make; empty when it is not, and login.defs(5) decides"""


class AuthStack(Facts, frozen=True, kw_only=True):
    """What a service does about wrong passwords."""

    asks_password: bool
    """compares a password with the one this host keeps"""
    locks_after: int | None
    """wrong passwords after which an account is locked; 0 when it never is, None when that cannot be told"""
    flaw: Flaw | None
    """why a rule for it has no effect"""
    root_locks_after: int | None
    """the same for root"""
    forgets: bool
    """a log-in ends the count; without that, all wrong passwords within the interval add up"""


class PamService(Facts, frozen=True, kw_only=True):
    """The stacks of one service; None where they cannot be followed."""

    name: str
    password: PasswordStack | None
    auth: AuthStack | None
    hidden: Reason | None
    """why one of them cannot be followed"""
    detail: str = ""


class PamFacts(Facts, frozen=True, kw_only=True):
    """The services of a host through which a password is given or changed."""

    installed: bool
    """there is a PAM; without one there are no services here"""
    services: tuple[PamService, ...]
    """`passwd`, and those of sshd, login and su that have a file of their own"""
    refuses_expired: dict[str, bool]
    """of sshd and login: whether an expired account gets in by no way through the stack; none of one that
    cannot be followed"""


def parse(section: Section) -> PamFacts:
    """Follow the stacks; raises ParseError for a row of another shape, WithheldError for one old file."""
    if (old := section.part("/etc/pam.conf")) is not None:
        if old.state != "absent" or required(section, "/etc/pam.d").state == "denied":
            raise WithheldError(Reason.UNSUPPORTED, "PAM is configured in one file, /etc/pam.conf")
        return PamFacts(installed=False, services=(), refuses_expired={})
    modules = frozenset(line for _, line in rows(required(section, "modules")))
    files: dict[str, tuple[str, ...] | Reason | None] = {}
    settings: dict[str, dict[str, int | None] | Reason] = {}
    for part in section.parts:
        folder, _, name = part.name.rpartition("/")
        if folder.startswith(("/etc/security", "/usr/etc/security")):
            which = "pwquality" if folder.endswith(".d") else name.removesuffix(".conf")
            settings.setdefault(which, {})
            if part.state != "absent" and (which != "pwhistory" or "pwhistory.conf" in modules):
                _settings(part, which, settings)
        elif part.name not in ("/etc/pam.d", "modules"):
            for known in (name, part.name):
                files.setdefault(known, None if part.state == "absent" else _lines(part))
    # What is absent is said to be: what is not spoken of was lost on the way.
    if not {*SERVICES, "other"} <= files.keys() or not settings.keys() >= _SETTINGS:
        raise broken(required(section, "/etc/pam.d"), 1, "not all files are spoken of")
    host = Host(settings=settings, installed=modules if "pam_unix" in modules else None)
    named = [name for name in SERVICES if name == "passwd" or files.get(name) is not None]
    return PamFacts(
        installed=True,
        services=tuple(_service(name, files, host) for name in named),
        refuses_expired=dict(_expiry(files, host)),
    )


def _expiry(files: dict[str, tuple[str, ...] | Reason | None], host: Host) -> Iterator[tuple[str, bool]]:
    # Not su: on RHEL its stack lets root become anybody, whom root need not ask for.
    for name in ("sshd", "login"):
        with suppress(LostError):
            yield name, refuses_expired(read_stack(files, name, "account"), host)


def _lines(part: Part) -> tuple[str, ...] | Reason:
    if part.state == "read":
        return tuple(line for _, line in rows(part))
    return _STATES.get(part.state, Reason.UNDETERMINED)


def _settings(part: Part, which: str, settings: dict[str, dict[str, int | None] | Reason]) -> None:
    """Add what a file sets; what comes later wins, and what cannot be seen hides all."""
    lines, held = _lines(part), settings[which]
    if isinstance(lines, Reason):
        settings[which] = lines
    elif not isinstance(held, Reason):
        for number, line in enumerate(lines, 1):
            found = re.fullmatch(r"([a-z_]{1,60})(?:=(-?[0-9]{1,9}|\?))?", line)
            if found is None:
                raise broken(part, number, "no setting")
            held[found[1]] = None if found[2] == "?" else int(found[2] or "1")


def _service(name: str, files: dict[str, tuple[str, ...] | Reason | None], host: Host) -> PamService:
    password: PasswordStack | None = None
    auth: AuthStack | None = None
    lost: LostError | None = None
    try:
        password = _password(read_stack(files, name, "password"), host)
    except LostError as error:
        lost = error
    try:
        if name != "passwd":
            auth = _auth(read_stack(files, name, "auth"), read_stack(files, name, "account"), host)
    except LostError as error:
        lost = error
    return PamService(
        name=name,
        password=password,
        auth=auth,
        hidden=lost.reason if lost else None,
        detail=str(lost) if lost else "",
    )


def _password(stack: tuple[Rule, ...], host: Host) -> PasswordStack:
    remember = demand(stack, host, host.remembers)
    length = demand(stack, host, host.min_length)
    unreadable = any(rule.module in _OTHER_LENGTHS for rule in stack)
    algorithms = [arg for rule in stack if rule.module == "pam_unix" for arg in rule.args if arg in _HASHES]
    return PasswordStack(
        changes=can_change(stack, host),
        remembered=remember.holds,
        remember_asked=remember.asked,
        remember_flaw=remember.flaw,
        remember_root=any(
            host.says(rule, "pwhistory", "enforce_for_root")
            for rule in stack
            if rule.module == "pam_pwhistory"
        ),
        min_length=None if unreadable else length.holds,
        length_asked=length.asked,
        length_flaw=None if unreadable else length.flaw,
        algorithm=algorithms[-1] if algorithms else "",
    )


def _auth(stack: tuple[Rule, ...], account: tuple[Rule, ...], host: Host) -> AuthStack:
    found = lock(stack, host)
    other = any(rule.module in _OTHER_LOCKS for rule in stack)
    return AuthStack(
        asks_password=asks_password(stack, host),
        locks_after=None if other else found.after,
        flaw=None if other else found.flaw,
        root_locks_after=None if other else lock(stack, host, root=True).after,
        forgets=forgets(stack, account, host),
    )


PROBE = Probe(name="pam", facts=PamFacts, parse=parse, cap_bytes=262_144, order=20)
