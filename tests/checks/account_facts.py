"""Facts of a host's accounts, built by hand: what is not said is a harmless default."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec import structs

from checks.fleet import Fleet, Fold
from checks.model import Clock, History, Outcome, Target
from checks.retired_accounts import Limits, retired_accounts
from collectors.evidence import Reason, Status, TargetEvidence, TargetKind
from collectors.facts import Fact, Known, Unknown
from collectors.probes.accounts import Account, AccountsFacts, Group, PasswordField
from collectors.probes.events import Event, EventsFacts
from collectors.probes.keys import KeyFile, KeysFacts, PublicKey
from collectors.probes.logins import LoginsFacts
from collectors.probes.names import NamesFacts, ServiceEntry
from collectors.probes.pam import AuthStack, PamFacts, PamService, PasswordStack
from collectors.probes.pgroles import PgRolesFacts
from collectors.probes.pwchanges import PasswordChangesFacts
from collectors.probes.residue import ResidueFacts
from collectors.probes.shadow import PasswordState, ShadowEntry, ShadowFacts
from collectors.probes.sshd import SshdFacts
from collectors.probes.stores import StoreRights, StoresFacts
from collectors.probes.sudo import SudoFacts
from collectors.sources.roster import Person, RosterFacts
from tests.collectors.probes.asked import Answer

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
TODAY = (NOW - datetime(1970, 1, 1, tzinfo=UTC)).days
CLOCK = Clock(as_of=NOW, zone="Asia/Tokyo")
LONG_AGO = date(2026, 1, 31)


def evidence_of(answer: Answer) -> TargetEvidence:
    """Evidence of a host that answered."""
    return TargetEvidence(
        run=1,
        plan="",
        target="host",
        kind=TargetKind.HOST,
        salt="",
        status=Status.COLLECTED,
        sections=tuple(answer.sections.values()),
    )


def account(name: str, uid: int = 1001, *, runs: str = "/bin/bash", **more: Any) -> Account:
    """One line of passwd."""
    values: dict[str, Any] = {
        "field": PasswordField.SHADOWED,
        "gid": uid,
        "home": f"/home/{name}",
        "shell": runs,
    }
    return Account(name=name, uid=uid, **{**values, **more})


def service_entry(name: str, uid: int, runs: str = "/bin/bash") -> ServiceEntry:
    """An account of a second name service."""
    return ServiceEntry(name=name, uid=uid, gid=uid, home=f"/home/{name}", shell=runs)


def shadow(name: str, state: str = "set", **more: Any) -> ShadowEntry:
    """One line of shadow: a good password unless said otherwise."""
    values: dict[str, Any] = {
        "algorithm": "y" if state in ("set", "locked") else "",
        "rounds": None,
        "changed_day": TODAY - 10,
        "min_days": 0,
        "max_days": 90,
        "warn_days": 7,
        "inactive_days": None,
        "expire_day": None,
        "damaged": False,
        "shared": 0,
        "from_service": False,
    }
    return ShadowEntry(name=name, state=PasswordState(state), **{**values, **more})


def accounts(*found: Account, **more: Any) -> AccountsFacts:
    """The account files with root and these."""
    values: dict[str, Any] = {
        "malformed": (),
        "nis_lines": 0,
        "groups": (Group(name="sudo", gid=27, members=()),),
        "uid_min": 1000,
        "uid_max": 60000,
        "pass_max_days": 90,
        "login_defs": True,
        "passwd_changed": NOW,
        "shadow_changed": NOW,
        "pam": True,
    }
    return AccountsFacts(accounts=(account("root", 0, home="/root"), *found), **{**values, **more})


def shadows(*found: ShadowEntry, **more: Any) -> ShadowFacts:
    """The shadow file with root and these."""
    values: dict[str, Any] = {
        "malformed": (),
        "overridden": frozenset(),
        "orphans": 0,
        "service_answered": True,
    }
    return ShadowFacts(entries=(shadow("root", "star"), *found), **{**values, **more})


def names(**more: Any) -> NamesFacts:
    """Name services: files only."""
    values: dict[str, Any] = {
        "sources": ("files",),
        "asked": frozenset({"sato"}),
        "found": (),
        "malformed": (),
        "overridden": frozenset(),
        "remote_groups": (),
        "memberships": (),
    }
    return NamesFacts(**{**values, **more})


def sshd(**more: Any) -> SshdFacts:
    """Debian's settings."""
    values: dict[str, Any] = {
        "installed": True,
        "use_pam": True,
        "password_authentication": True,
        "kbd_interactive": False,
        "pubkey_authentication": True,
        "permit_empty_passwords": False,
        "permit_root_login": "without-password",
        "forwarding": True,
        "internal_sftp": False,
        "keys_command": False,
        "user_ca": False,
        "vouched": False,
        "match_blocks": False,
        "own_file": False,
        "other_daemon": False,
    }
    return SshdFacts(**{**values, **more})


def pam(*, refuses_expired: dict[str, bool] | None = None, **more: Any) -> PamFacts:
    """Debian's stacks: any password is taken, and nobody counts wrong ones. Both stacks take `more`."""
    password: dict[str, Any] = {
        "changes": True,
        "remembered": 0,
        "remember_asked": 0,
        "remember_flaw": None,
        "remember_root": False,
        "min_length": 0,
        "length_asked": 0,
        "length_flaw": None,
        "algorithm": "yescrypt",
    }
    auth: dict[str, Any] = {
        "asks_password": True,
        "locks_after": 0,
        "flaw": None,
        "root_locks_after": 0,
        "forgets": False,
    }
    assert more.keys() <= password.keys() | auth.keys()
    asked = AuthStack(**{name: more.get(name, value) for name, value in auth.items()})
    service = PamService(
        name="passwd",
        password=PasswordStack(**{name: more.get(name, value) for name, value in password.items()}),
        auth=None,
        hidden=None,
    )
    return PamFacts(
        installed=True,
        services=(service, structs.replace(service, name="login", auth=asked)),
        refuses_expired=refuses_expired or dict.fromkeys(("sshd", "login"), True),
    )


def pwchanges(**more: Any) -> PasswordChangesFacts:
    """A log of a month that knows of no change."""
    values: dict[str, Any] = {
        "recent": frozenset({"sato"}),
        "changes": frozenset(),
        "covered_from": NOW - timedelta(days=30),
        "covered_to": NOW,
    }
    return PasswordChangesFacts(**{**values, **more})


def key_file(name: str, fingerprint: str = "SHA256:of-sato", **more: Any) -> KeyFile:
    """A file with one key."""
    options = more.pop("options", ())
    values: dict[str, Any] = {"left_behind": False, "state": "read", "other_lines": 0}
    key = PublicKey(type="ssh-ed25519", fingerprint=fingerprint, options=options)
    return KeyFile(account=name, keys=more.pop("keys", (key,)), **{**values, **more})


def keys(*files: KeyFile) -> KeysFacts:
    """All key files."""
    return KeysFacts(source="sshd", looked_at=40, files=files)


def residue(**more: Any) -> ResidueFacts:
    """Nothing left behind."""
    values: dict[str, Any] = dict.fromkeys(
        (
            "processes",
            "crontabs",
            "system_jobs",
            "services",
            "at_jobs",
            "linger",
            "units",
            "mail",
            "stores",
            "homes",
        ),
        (),
    )
    return ResidueFacts(**{**values, **more})


def events(*found: Event, **more: Any) -> EventsFacts:
    """A log of two years in which others log in."""
    values: dict[str, Any] = {
        "asked": frozenset({"sato"}),
        "log_ins": True,
        "covered_from": NOW - timedelta(days=730),
        "covered_to": NOW,
        "hidden": None,
    }
    return EventsFacts(events=found, **{**values, **more})


def logins(**more: Any) -> LoginsFacts:
    """Records of log-ins that name nobody."""
    values: dict[str, Any] = {"asked": frozenset({"sato"}), "log_ins": (), "sessions": (), "unread": {}}
    return LoginsFacts(**{**values, **more})


def sudo(**more: Any) -> SudoFacts:
    """No rules."""
    values: dict[str, Any] = dict.fromkeys(("rules", "switches", "damaged", "outside"), ())
    return SudoFacts(**{**values, **more})


def person(name: str = "sato", left_on: date | None = LONG_AGO, **more: Any) -> Person:
    """A person with one log-in name."""
    return Person(
        person=more.pop("person", f"no-{name}"), accounts=(name,) if name else (), left_on=left_on, **more
    )


def roster(*persons: Person) -> RosterFacts:
    """The HR list, written today."""
    return RosterFacts(
        file="roster.csv", sha256="0" * 64, written=NOW, max_age_s=35 * 86_400, persons=persons
    )


def fleet(book: RosterFacts, *, history: History | None = None, **hosts: Any) -> Fleet:
    """What hosts say of each other, each by its key files; the history is the first one's."""
    fold = Fold(frozenset(name for person in book.persons for name in person.accounts))
    for host, facts in hosts.items():
        fold.add_host(host, _fact(facts), history or History())
        history = None
    return fold.fleet()


def unknown(reason: Reason) -> Unknown:
    """A fact that is not there."""
    return Unknown(reason=reason, evidence="host#probe")


def _fact(value: Any) -> Fact[Any]:
    return value if isinstance(value, Unknown) else Known(value=value, evidence="host#probe")


def stores(**rights: str) -> StoresFacts:
    """Ask about /srv/hr: nobody's rights but these, such as `sato="r-x"`."""
    return StoresFacts(
        declared=frozenset({"/srv/hr"}),
        absent=frozenset(),
        rights=tuple(
            StoreRights(account=name, path="/srv/hr", read="r" in may, write="w" in may, enter="x" in may)
            for name, may in rights.items()
        ),
        unasked=(),
    )


def judge(**given: Any) -> list[Outcome]:
    """Judge a host; by default nobody but root lives on it and sato left long ago."""
    plain: dict[str, Any] = {
        "accounts": accounts(),
        "roster": roster(person()),
        "options": Limits(),
        "clock": CLOCK,
        "target": Target(target="host", kind=TargetKind.HOST, audit_user="tenken"),
        "history": History(),
    }
    facts: dict[str, Any] = {
        "names": names(),
        "shadow": shadows(),
        "sshd": sshd(),
        "keys": keys(),
        "residue": residue(),
        "events": events(),
        "logins": logins(),
        "sudo": sudo(),
        "pam": pam(),
        "pgroles": PgRolesFacts(servers=(), asked=frozenset()),
        "stores": stores(),
    }
    for name in given.keys() & facts.keys():
        facts[name] = given[name]
    for name in given.keys() & plain.keys():
        plain[name] = given[name]
    assert given.keys() <= facts.keys() | plain.keys() | {"fleet"}
    plain["fleet"] = given.get("fleet") or fleet(
        plain["roster"], host=facts["keys"], history=plain["history"]
    )
    return list(retired_accounts(**plain, **{name: _fact(value) for name, value in facts.items()}))


def by_subject(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], Outcome]:
    """Index outcomes; two of one subject would be a defect."""
    found: dict[tuple[str, str], Outcome] = {}
    for outcome in outcomes:
        key = (outcome.subject.kind, outcome.subject.name)
        assert key not in found
        found[key] = outcome
    return found


def days(count: int) -> timedelta:
    """A span of days."""
    return timedelta(days=count)
