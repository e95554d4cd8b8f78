"""What rules of sudo and doas say, with aliases resolved and those of other hosts left out."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Interface, IPv6Interface, ip_network

from msgspec.structs import replace

from collectors.evidence import Reason
from collectors.facts import Facts, WithheldError
from collectors.probes.sudoers import Command, Privilege, Setting, Word

MOST_WORDS = 20_000
"""of all lists with their aliases resolved: aliases within aliases multiply"""
ANYBODY = "ALL:ALL"
"""the text of a grant for all target users and groups"""
_FOREIGN_PASSWORD = frozenset({"rootpw", "targetpw", "runaspw"})


class Named(StrEnum):
    """How a rule names people."""

    EVERYBODY = "everybody"
    USER = "user"
    UID = "uid"
    GROUP = "group"
    GID = "gid"
    NETGROUP = "netgroup"
    PLUGIN = "plugin"
    """a group that a plugin of sudo's looks up"""


class Who(Facts, frozen=True, kw_only=True):
    """One entry of the list of users of a rule, aliases resolved; of several that fit the last decides."""

    by: Named
    value: str
    negated: bool


class Grant(Facts, frozen=True, kw_only=True):
    """Commands of a rule that stand beside each other and are alike."""

    number: int
    """0 means ALL commands"""
    denied: bool
    """behind a `!`"""
    nopasswd: bool
    as_root: bool
    runas: str
    """`USERS:GROUPS` as written; two with one text are for the same target users"""
    not_before: datetime | None
    not_after: datetime | None


class Rule(Facts, frozen=True, kw_only=True):
    """One rule that holds on this host, or may."""

    tool: str
    """`sudo` or `doas`"""
    place: str
    """`FILE:LINE`"""
    certain: bool
    """false when only a name service or the network could tell whether it is for this host"""
    idle: bool
    """no such program is there, or it refuses the file for its owner or mode"""
    users: tuple[Who, ...]
    grants: tuple[Grant, ...]


class Switch(Facts, frozen=True, kw_only=True):
    """A Defaults line that changes whose password is asked for, if any."""

    name: str
    """`authenticate`: false asks for none; `foreign`: another account's"""
    on: bool
    users: tuple[Who, ...]
    """empty for everybody"""


class Resolver:
    """The aliases, settings and names by which the privileges of a host are read."""

    def __init__(
        self,
        *,
        host: str,
        addresses: Sequence[IPv4Interface | IPv6Interface] | None,
        aliases: Mapping[tuple[str, str], tuple[Word, ...]],
        settings: Sequence[Setting],
    ) -> None:
        """Take `addresses` as None where they are not known."""
        self.host = host.lower()
        self.addresses = addresses
        self.aliases = aliases
        self.settings = settings
        self.words = 0

    def _flat(self, kind: str, words: tuple[Word, ...]) -> Iterator[Word]:
        """Resolve aliases; `!` before one turns each of its entries round. Sudo breaks a circle as we do."""
        open_now: set[str] = set()

        def walk(listed: tuple[Word, ...], *, turned: bool) -> Iterator[Word]:
            for word in listed:
                members = None if word.quoted else self.aliases.get((kind, word.text))
                if members is None or word.text in open_now:
                    self.words += 1
                    if self.words > MOST_WORDS:
                        raise WithheldError(Reason.LIMIT, "aliases within aliases")
                    yield Word(word.text, word.negated != turned, word.quoted)
                else:
                    open_now.add(word.text)
                    yield from walk(members, turned=word.negated != turned)
                    open_now.discard(word.text)

        return walk(words, turned=False)

    def rule(self, place: str, privilege: Privilege, *, idle: bool) -> Rule | None:
        """Resolve one privilege; None when it is for other hosts."""
        here = self._here(privilege.hosts)
        if here is False:
            return None
        return Rule(
            tool="sudo",
            place=place,
            certain=here is True,
            idle=idle,
            users=self._users(privilege.users),
            grants=tuple(self._grants(privilege.commands)),
        )

    def switches(self) -> tuple[Switch, ...]:
        """Keep the Defaults that decide whose password is asked for."""
        found: list[Switch] = []
        for it in self.settings:
            if it.name != "authenticate" and it.name not in _FOREIGN_PASSWORD:
                continue
            if it.scope in (">", "!") or (it.scope == "@" and self._here(it.words) is not True):
                continue
            users = self._users(it.words) if it.scope == ":" else ()
            name = "authenticate" if it.name == "authenticate" else "foreign"
            found.append(Switch(name=name, on=it.on, users=users))
        return tuple(found)

    def _users(self, words: tuple[Word, ...]) -> tuple[Who, ...]:
        plugin = any(it.name == "group_plugin" and it.on for it in self.settings)
        return tuple(
            who for it in self._flat("User", words) if (who := _who(it)).by is not Named.PLUGIN or plugin
        )

    def _grants(self, commands: tuple[Command, ...]) -> Iterator[Grant]:
        last: Grant | None = None
        for command in commands:
            runas = f"{_written(command.runas)}:{_written(command.runas_groups)}"
            as_root = command.runas is None or self._fits_root(command.runas)
            for word in self._flat("Cmnd", (command.word,)):
                grant = Grant(
                    number=0 if word.text == "ALL" else 1,
                    denied=word.negated,
                    nopasswd=command.nopasswd,
                    as_root=as_root,
                    runas=runas,
                    not_before=command.not_before,
                    not_after=command.not_after,
                )
                if last and grant.number and grant == replace(last, number=1):
                    last = replace(last, number=last.number + 1)
                    continue
                if last:
                    yield last
                last = grant
        if last:
            yield last

    def _fits_root(self, words: tuple[Word, ...]) -> bool:
        for word in reversed(tuple(self._flat("Runas", words))):
            if word.text in ("ALL", "root", "#0"):
                return not word.negated
        return False

    def _here(self, words: tuple[Word, ...]) -> bool | None:
        """Whether a list of hosts has this one; None when we cannot tell."""
        for word in reversed(tuple(self._flat("Host", words))):
            fits = self._is_this(word)
            if fits is None:
                return None
            if fits:
                return not word.negated
        return False

    def _is_this(self, word: Word) -> bool | None:
        text = word.text.lower()
        if word.text == "ALL" and not word.quoted:
            return True
        if text.startswith("+"):
            return None
        try:
            return self._has_address(text)
        except ValueError:
            pass
        if "." in text:
            if any(it.name == "fqdn" and it.on for it in self.settings):
                return None  # then the name is the one a name server gives
            return _glob(text, self.host)
        return _glob(text, self.host.partition(".")[0])

    def _has_address(self, text: str) -> bool | None:
        """Compare with the host's own addresses, as addr_matches() does; ValueError when it is no address."""
        wanted = ip_network(text, strict=False)
        if self.addresses is None:
            return None
        if "/" in text:
            return any(it.ip in wanted for it in self.addresses)
        # Without a mask it is an address, or the network of an interface.
        return any(wanted.network_address in (it.ip, it.network.network_address) for it in self.addresses)


def _who(word: Word) -> Who:
    text = word.text
    by, value = Named.USER, text
    if text == "ALL" and not word.quoted:
        by, value = Named.EVERYBODY, ""
    elif text.startswith("+"):
        by, value = Named.NETGROUP, text[1:]
    elif text.startswith("%:"):
        by, value = Named.PLUGIN, text[2:]
    elif text.startswith("%#") and text[2:].isdecimal():
        by, value = Named.GID, text[2:]
    elif text.startswith("%"):
        by, value = Named.GROUP, text[1:]
    elif text.startswith("#") and text[1:].isdecimal():
        by, value = Named.UID, text[1:]
    return Who(by=by, value=value, negated=word.negated)


def _written(words: tuple[Word, ...] | None) -> str:
    if words is None:
        return "root"
    return ",".join(("!" if it.negated else "") + it.text for it in words)


def _glob(pattern: str, text: str) -> bool | None:
    """Match `*` and `?`, going back to the last star only; None for a pattern with brackets."""
    if "[" in pattern or "\\" in pattern:
        return None
    at = here = 0
    star, mark = -1, 0
    while at < len(text):
        if pattern[here : here + 1] == "*":
            star, mark = here, at
            here += 1
        elif pattern[here : here + 1] in ("?", text[at]):
            here += 1
            at += 1
        elif star >= 0:
            mark += 1
            here, at = star + 1, mark
        else:
            return False
    return not pattern[here:].strip("*")
