"""What a company declares: site, promises, inventory, roster, mail journals, schedule.

The shapes of `tenken.toml`. `config.load` reads them; nothing here opens a file.
"""

import unicodedata
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from config.duration import Duration

TARGET_ID = r"^[a-z0-9](?!.*\.\.)(?:[a-z0-9._-]{0,61}[a-z0-9_-])?$"
LOGIN_NAME = r"^[A-Za-z0-9_][A-Za-z0-9._@$-]{0,255}(?![\s\S])"
ADDRESS = r"^(?:[A-Za-z0-9_:][A-Za-z0-9._:-]{0,254}(?:%[A-Za-z0-9._-]{1,64})?)?(?![\s\S])"
"""it becomes a word of ssh's command line, and of the shell's in a ProxyCommand"""
SLUG = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
TSA_NAME = r"^[a-z0-9][a-z0-9_-]{0,31}$"
TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
SHA256 = r"^[0-9a-f]{64}$"
LOG_PATH = (
    r"^(?!/(?:proc|sys|dev)(?:/|$))(?!.*(?:\.\.|/\./))"
    r"/[A-Za-z0-9._@-]+(?:/[A-Za-z0-9._@*?-]+)*(?![\s\S])"
)
"""what is put to a host's shell as a glob, perhaps as root: its own probe refuses the same"""
MOST_LOG_LETTERS = 256
MOST_LOGS = 64
"""log paths that one host is asked about"""
STORE_PATH = (
    r"^(?!/(?:proc|sys|dev)(?:/|$))(?!.*(?:\.\.|/\./|/\.(?![\s\S])))"
    r"/[A-Za-z0-9._@-]+(?:/[A-Za-z0-9._@-]+)*(?![\s\S])"
)
"""what is put to a host's shell as a path: its own probe refuses the same"""
MOST_STORE_LETTERS = 256
MOST_STORES = 64
"""stores that one host is asked about"""
GROUP_PATTERN = r"^[A-Za-z0-9_*?][A-Za-z0-9._@$*?-]{0,255}$"
SPELLINGS = {
    TARGET_ID: "a name such as web-01: lower-case letters, digits, dot, dash, underscore",
    LOGIN_NAME: "a log-in name",
    ADDRESS: "a DNS name or an IP address, without user, port or brackets",
    SLUG: "a short name such as access-logs: lower-case letters, digits and single dashes",
    TSA_NAME: "a name such as tsa1: lower-case letters, digits, dash, underscore",
    TIME_OF_DAY: "a time of day such as 02:00",
    LOG_PATH: "an absolute path such as /srv/app/access.log* of letters, digits, . _ @ - and below it * ?",
    STORE_PATH: "an absolute path such as /srv/hr of letters, digits, . _ @ -",
    GROUP_PATTERN: "the name of a Unix group, or a pattern of such names with * and ?",
    SHA256: "64 hexadecimal digits",
}
"""what an operator reads instead of a regular expression"""

TargetId = Annotated[
    str,
    Meta(
        pattern=TARGET_ID,
        description="name of a target: a file name in the bundle",
        examples=["web-01"],
    ),
]
LogPath = Annotated[
    str,
    Meta(
        pattern=LOG_PATH,
        max_length=MOST_LOG_LETTERS,
        description="glob of a log and its rotated files",
        examples=["/var/log/nginx/access.log*"],
    ),
]
StorePath = Annotated[
    str,
    Meta(
        pattern=STORE_PATH,
        max_length=MOST_STORE_LETTERS,
        description="a folder or file of personal data",
        examples=["/srv/hr"],
    ),
]
LoginName = Annotated[str, Meta(pattern=LOGIN_NAME)]
Slug = Annotated[str, Meta(pattern=SLUG, max_length=64)]


def folded(name: str) -> str:
    """Return the name of a post as it is compared: half width, without case and without blanks."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


class Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every declared thing: frozen, and an unknown key is an error."""


class Site(Strict, frozen=True, kw_only=True):
    """`[site]`: whose inspection this is."""

    id: Slug
    """short name, part of every bundle's file name"""
    name: str
    """the company's name as the report prints it"""
    timezone: str = "UTC"
    """IANA zone in which days and deadlines are meant, such as Asia/Tokyo"""
    languages: tuple[str, ...] = ("en",)
    """languages of the report, first one first"""


class PromiseSource(Strict, frozen=True, kw_only=True):
    """Where the company published a promise."""

    document: str
    section: str = ""
    sha256: Annotated[str, Meta(pattern=SHA256)] | None = None


class Promise(Strict, frozen=True, kw_only=True):
    """`[[promise]]`: a sentence of the policy, what proves it, and the numbers it was turned into."""

    id: Slug
    text: Annotated[str, Meta(min_length=1, max_length=2_000)]
    source: PromiseSource
    proves: Annotated[tuple[Slug, ...], Meta(min_length=1)]
    """ids of the safeguards that prove it"""
    decided_by: str = ""
    """who turned the words into numbers; written under `[promise.set]`"""
    decided_on: date | None = None
    set: dict[str, Any] = {}
    """settings of the safeguards named in `proves`"""


class TransportKind(StrEnum):
    """How a host is reached."""

    SSH = "ssh"
    OPENSSH = "openssh"
    """through the system's own ssh(1): Kerberos, hardware keys, old appliances"""
    LOCAL = "local"


class Privilege(StrEnum):
    """What the audit account may do on a host; declared, never tried out."""

    NONE = "none"
    """as the login user; when that user is root, everything"""
    SUDO = "sudo"
    """`sudo -n /bin/sh -s`"""
    INSTALLED = "installed"
    """`sudo -n` of the root-owned copy of the probe, behind a rule with its digest"""
    FORCED = "forced"
    """log in as root with a key whose forced command is that copy"""


class Secret(Strict, frozen=True, kw_only=True):
    """Where a secret stands; it is never in the configuration itself. Exactly one of them is given."""

    file: str = ""
    """a file that only its owner can read, relative to the configuration's folder"""
    env: str = ""
    """an environment variable"""
    credential: str = ""
    """a credential of systemd: LoadCredential= of the unit, systemd.exec(5)"""
    command: tuple[str, ...] = ()
    """a program and its arguments; its first line of output is the secret"""


class Host(Strict, frozen=True, kw_only=True):
    """`[[host]]`: a machine to inspect."""

    name: TargetId
    transport: TransportKind = TransportKind.SSH
    address: Annotated[str, Meta(pattern=ADDRESS)] = ""
    """DNS name or IP address; the name when empty"""
    port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    """22, or what OpenSSH's configuration says, when it is not given"""
    user: LoginName = "tenken"
    """the audit account"""
    identity: str = ""
    """private key file, or the `.pub` file of a key that the agent holds; the one of `[ssh]` when empty"""
    jump: tuple[str, ...] = ()
    """jump hosts on the way, nearest first, each as `[user@]address[:port]`; ssh_config(5), ProxyJump"""
    privilege: Privilege = Privilege.NONE
    groups: tuple[Slug, ...] = ()
    excluded: str = ""
    """reason for leaving it out; it stays in the population"""

    @property
    def where(self) -> str:
        """The address to connect to."""
        return self.address or self.name


class InventorySource(Strict, frozen=True, kw_only=True):
    """`[[inventory]]`: further hosts, in the JSON that `ansible-inventory --list` prints.

    A `[[host]]` block of the same name wins as a whole.
    """

    command: tuple[str, ...] = ()
    """a program and its arguments that prints the inventory; run in the configuration's folder"""
    file: str = ""
    """a file that holds it, instead of a command"""
    groups: tuple[str, ...] = ()
    """groups whose hosts are taken, by their names there; all hosts when none is named"""
    user: LoginName | None = None
    """the audit account on all of them; without it `ansible_user`, else `tenken`"""
    privilege: Privilege = Privilege.NONE
    transport: TransportKind = TransportKind.SSH
    identity: str = ""
    """private key file of hosts that name none"""


class Ssh(Strict, frozen=True, kw_only=True):
    """`[ssh]`: what all SSH hosts share."""

    identity: str = ""
    passphrase: Secret | None = None
    """opens encrypted private keys"""
    agent: bool = False
    """keys of the ssh-agent at SSH_AUTH_SOCK may be used"""
    config: str = "~/.ssh/config"
    """OpenSSH's own configuration, asked through `ssh -G`; empty to use none"""
    jump_channels: Annotated[int, Meta(ge=1, le=256)] = 16
    """connections that are opened at once through one jump host"""
    known_hosts: str = "known_hosts"
    """pinned host keys, relative to the configuration's folder"""
    global_known_hosts: tuple[str, ...] = ()
    """further files of pinned keys and authorities, such as /etc/ssh/ssh_known_hosts: read, never written"""
    connect_timeout: Duration = Duration("10s")
    host_timeout: Duration = Duration("2m")
    """the whole of one host: connect, log in, probe, answer"""
    jobs: Annotated[int, Meta(ge=1, le=256)] = 32
    """hosts under way at once"""


class ServiceAccount(Strict, frozen=True, kw_only=True):
    """`[[account]]`: an account that belongs to no single person."""

    name: LoginName
    owner: str
    """who answers for it: an office, not a guess"""
    reason: str
    review_by: date | None = None
    hosts: tuple[str, ...] = ("*",)
    """shell-style patterns of host names"""


class Post(Strict, frozen=True, kw_only=True):
    """`[[post]]`: what a post of the company needs on hosts; people who moved are compared with it."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    """as the roster calls it, width and case aside"""
    groups: tuple[Annotated[str, Meta(pattern=GROUP_PATTERN)], ...] = ()
    """Unix groups it may be in beside the account's own; shell-style patterns"""
    sudo: bool = False
    """rules of sudo and doas may name its people; rules for its groups may in any case"""
    database_roles: tuple[Annotated[str, Meta(min_length=1, max_length=256)], ...] = ()
    """roles of PostgreSQL that its people's own roles may become; shell-style patterns"""


class DataStore(Strict, frozen=True, kw_only=True):
    """`[[store]]`: a folder or file of personal data, closed to people who moved to other posts."""

    path: StorePath
    hosts: tuple[str, ...]
    """shell-style patterns of the names of the hosts where it is"""
    posts: Annotated[tuple[str, ...], Meta(min_length=1)]
    """whose work needs it: names under `[[post]]`"""


class AccessLog(Strict, frozen=True, kw_only=True):
    """`[[log]]`: an application's log that is promised to be kept, beside those that every host has."""

    path: LogPath
    hosts: tuple[str, ...] = ("*",)
    """shell-style patterns of host names"""
    keep: Duration | None = None
    """how far back it reaches; what the promise says for all access logs when not given"""


class RosterColumns(Strict, frozen=True, kw_only=True):
    """Header names of the roster; common Japanese and English ones are known without it."""

    person: str = ""
    account: str = ""
    left_on: str = ""
    transferred_on: str = ""
    post: str = ""
    """the post after the move; only looked at for people who moved"""


class Roster(Strict, frozen=True, kw_only=True):
    """`[roster]`: the HR list that accounts are joined with."""

    path: str
    encoding: str = ""
    """needed only when the file is neither UTF-8 nor CP932"""
    max_age: Duration = Duration("35d")
    columns: RosterColumns = RosterColumns()


class MailKind(StrEnum):
    """Storage format of a mail journal."""

    MAILDIR = "maildir"
    MBOX = "mbox"


class MailJournal(Strict, frozen=True, kw_only=True):
    """`[[mail]]`: a journal of sent mail."""

    name: TargetId
    kind: MailKind
    path: str
    own_domains: Annotated[tuple[str, ...], Meta(min_length=1)]
    """recipients in other domains are outside the company"""
    since: Duration = Duration("31d")
    """messages received earlier than this before the run are counted, not judged"""


class Schedule(Strict, frozen=True, kw_only=True):
    """`[schedule]`: how often the self-inspection is promised."""

    every: Duration = Duration("24h")
    at: Annotated[str, Meta(pattern=TIME_OF_DAY)] = "02:00"
    """local time of the first slot of a day, in the site's zone"""
    grace: Duration = Duration("6h")
    """a slot counts as missed only after this long"""


class Paths(Strict, frozen=True, kw_only=True):
    """`[paths]`: where the state lives, relative to the configuration's folder."""

    state: str = "state"
    """run log, bundles, history"""
    key: str = "keys/seal"
    """the machine's signing key"""
    trust: str = "trust/trust-1.json"


class TimeAuthority(Strict, frozen=True, kw_only=True):
    """`[[tsa]]`: a time-stamp authority (RFC 3161) that says when plan and log were as they are."""

    name: Annotated[str, Meta(pattern=TSA_NAME)]
    """as in the trust file, which says by which certificate it is known"""
    url: Annotated[str, Meta(pattern=r"^https?://[!-~]+$", max_length=2048)]
    """asked by HTTP POST; the token protects itself, so plain HTTP is usual"""


class Config(Strict, frozen=True, kw_only=True):
    """The whole of a site's declaration."""

    site: Site
    promise: tuple[Promise, ...] = ()
    host: tuple[Host, ...] = ()
    inventory: tuple[InventorySource, ...] = ()
    account: tuple[ServiceAccount, ...] = ()
    post: tuple[Post, ...] = ()
    store: tuple[DataStore, ...] = ()
    log: tuple[AccessLog, ...] = ()
    mail: tuple[MailJournal, ...] = ()
    tsa: tuple[TimeAuthority, ...] = ()
    roster: Roster | None = None
    ssh: Ssh = Ssh()
    schedule: Schedule = Schedule()
    paths: Paths = Paths()
