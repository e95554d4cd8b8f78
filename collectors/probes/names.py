"""Accounts that a host knows from other name services than its own passwd file."""

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts, Probe, WithheldError
from collectors.probes.rows import broken, fields, login, required, rows, user_id

LOCAL_SOURCES = frozenset({"files", "systemd", "altfiles", "extrausers", "db", "mymachines"})
"""sources of nsswitch.conf(5) that are files of this host: a name they do not find is not there"""


class ServiceEntry(Facts, frozen=True, kw_only=True):
    """An account that getent(1) finds and /etc/passwd does not hold."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


class Membership(Facts, frozen=True, kw_only=True):
    """A group that only another name service than /etc/group knows, and one of the asked names in it."""

    account: str
    gid: int
    group: str
    """empty when no service names it"""


class NamesFacts(Facts, frozen=True, kw_only=True):
    """What the host's name services answered about the names we asked for."""

    sources: tuple[str, ...]
    """of `passwd` in nsswitch.conf(5), in order; `files` where nothing is configured"""
    asked: frozenset[str]
    """names that were looked up; a name of digits only would be looked up as a uid and is not among them"""
    found: tuple[ServiceEntry, ...]
    malformed: tuple[str, ...]
    """names of answers that are not seven plain fields"""
    overridden: frozenset[str]
    """names that stand in passwd too, and that another source answers first with something else"""
    remote_groups: tuple[str, ...]
    """sources of `group` and `initgroups` outside of this host"""
    memberships: tuple[Membership, ...] | None
    """beside those of /etc/group; None when it could not be asked"""

    @property
    def remote(self) -> tuple[str, ...]:
        """Sources outside of this host, such as `sss` or `ldap`."""
        return tuple(source for source in self.sources if source not in LOCAL_SOURCES)

    @property
    def answered(self) -> bool:
        """Whether a source outside of this host is known to work: it named somebody."""
        return bool(self.found)


def parse(section: Section) -> NamesFacts:
    """Read nsswitch.conf and the look-up; raises WithheldError when the look-up could not be made."""
    config = required(section, "nsswitch")
    if config.state == "denied":
        raise WithheldError(Reason.DENIED, "nsswitch.conf")
    lines = tuple(line for _, line in rows(config))
    sources = _sources(lines, "passwd")
    group_sources = (*_sources(lines, "group"), *_sources(lines, "initgroups"))
    asked = frozenset(name for _, name in rows(required(section, "asked")) if not name.isdigit())
    found = required(section, "found")
    # Without getent nothing but the files is asked by anybody: musl has no name services.
    if found.state == "no_tool" and sources != ("files",):
        raise WithheldError(Reason.NO_TOOL, "getent")
    if found.state == "timeout":
        raise WithheldError(Reason.TIMEOUT, "getent passwd")
    if found.state == "failed":
        raise WithheldError(Reason.FAILED, "getent passwd")
    entries: list[ServiceEntry] = []
    malformed: list[str] = []
    overridden: set[str] = set()
    for number, line in rows(found):
        match line[:2]:
            case "A:":
                _, name, uid, gid, home, shell = fields(found, number, line, 6)
                entries.append(
                    ServiceEntry(
                        name=login(found, number, name),
                        uid=user_id(found, number, uid),
                        gid=user_id(found, number, gid),
                        home=home,
                        shell=shell,
                    )
                )
            case "B:":
                malformed.append(line[2:])
            case "D:":
                overridden.add(line[2:])
            case _:
                raise broken(found, number, "unknown row")
    return NamesFacts(
        sources=sources,
        asked=asked,
        found=tuple(entries),
        malformed=tuple(malformed),
        overridden=frozenset(overridden),
        remote_groups=tuple(dict.fromkeys(it for it in group_sources if it not in LOCAL_SOURCES)),
        memberships=_memberships(required(section, "initgroups")),
    )


def _memberships(part: Part) -> tuple[Membership, ...] | None:
    if part.state != "read":
        return None
    found: list[Membership] = []
    for number, line in rows(part):
        name, gid, group = fields(part, number, line, 3)
        found.append(
            Membership(account=login(part, number, name), gid=user_id(part, number, gid), group=group)
        )
    return tuple(found)


def _sources(lines: tuple[str, ...], database: str) -> tuple[str, ...]:
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == database:
            words = value.partition("#")[0].replace("[", " [").replace("]", "] ").split()
            # `[NOTFOUND=return]` is an action, not a source.
            sources = tuple(
                word
                for word in words
                if not word.startswith("[") and not word.endswith("]") and "=" not in word
            )
            return sources or ("files",)
    return ("files",)


PROBE = Probe(name="names", facts=NamesFacts, parse=parse, cap_bytes=524_288, order=80)
