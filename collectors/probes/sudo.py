"""Who may act as root by sudo(8) or doas(1), as their files say on this host."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_interface, ip_network

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts, Probe, WithheldError
from collectors.probes import doas
from collectors.probes.rows import broken, count, required, rows
from collectors.probes.sudoers import Alias, Command, Damage, Include, Privilege, Setting, Word, entries

FILE_BYTES = 131_072
"""what the probe sends of one file at most"""
_DEPTH = 128
"""sudo's own limit of includes within includes (MAX_SUDOERS_DEPTH)"""
_MOST_WORDS = 20_000
"""of all lists with their aliases resolved: aliases within aliases multiply"""
_FOREIGN_PASSWORD = frozenset({"rootpw", "targetpw", "runaspw"})
_LOCAL_SOURCES = frozenset({"files"})
ANYBODY = "ALL:ALL"
"""the text of a grant for all target users and groups"""


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


class SudoFacts(Facts, frozen=True, kw_only=True):
    """The rules of sudo and doas, in the order in which the last one that fits decides."""

    rules: tuple[Rule, ...]
    switches: tuple[Switch, ...]
    damaged: tuple[str, ...]
    """`FILE:LINE` of what cannot be read; sudo leaves such lines out, releases before 1.9.3 refuse to run"""
    outside: tuple[str, ...]
    """sources of further rules outside of this host, such as `sss`; only where sudo is installed"""


def parse(section: Section) -> SudoFacts:
    """Read the files in the order in which they include each other.

    Raises WithheldError for a file that cannot be read whole, ParseError when the answer lacks one.
    """
    tools = frozenset(line for _, line in rows(required(section, "tools")))
    if section.part("files") is not None:
        raise WithheldError(Reason.LIMIT, "more than 256 files of rules")
    reader = _Reader(section, tools)
    for number, line in rows(required(section, "roots")):
        kind, _, path = line.partition(" ")
        if kind not in ("f", "c") or not path.startswith("/"):
            raise broken(required(section, "roots"), number, "no file")
        if "doas" in path:
            reader.doas(kind, path)
        else:
            reader.sudoers(path)
    return SudoFacts(
        rules=reader.rules(),
        switches=reader.switches(),
        damaged=tuple(dict.fromkeys(reader.damaged)),
        outside=_outside(required(section, "sources")) if tools & {"sudo", "sudo-rs"} else (),
    )


def _outside(part: Part) -> tuple[str, ...]:
    """Sources of `sudoers:` in nsswitch.conf, and a policy that is not read from the usual files."""
    found: list[str] = []
    for _, line in rows(part):
        words = line.split()
        if words[0] == "nsswitch":
            listed = line.partition(":")[2].partition("#")[0].split()
            found += [it for it in listed if it not in _LOCAL_SOURCES and not it.startswith("[")]
        elif words[2:] and words[2].endswith("policy"):
            usual = words[2] == "sudoers_policy" and not any("sudoers_file=" in it for it in words)
            found += [] if usual else ["another policy in sudo.conf"]
    return tuple(dict.fromkeys(found))


class _Reader:
    """What the files say, piece by piece."""

    def __init__(self, section: Section, tools: frozenset[str]) -> None:
        self.section = section
        self.tools = tools
        self.host = next((line for _, line in rows(required(section, "host"))), "")
        self.damaged: list[str] = []
        self.aliases: dict[tuple[str, str], tuple[Word, ...]] = {}
        self.privileges: list[tuple[str, bool, Privilege]] = []
        self.settings: list[Setting] = []
        self.doas_rules: list[Rule] = []
        self.words = 0
        self.steps = 0

    def sudoers(self, path: str) -> None:
        self._file(path, 0, idle=not self.tools & {"sudo", "sudo-rs"})

    def doas(self, kind: str, path: str) -> None:
        """Read doas.conf(5); one damaged line and doas refuses all."""
        idle = "doas" not in self.tools
        for file in self._names(kind, path, ".conf") if kind == "c" else [path]:
            part = required(self.section, f"f {file}")
            lines, refused = self._content(part)
            for number, rule in doas.rules(lines):
                place = f"{file}:{number}"
                if rule is None:
                    self.damaged.append(place)
                    continue
                by, value = _doas_user(rule.identity)
                self.doas_rules.append(
                    Rule(
                        tool="doas",
                        place=place,
                        certain=True,
                        idle=idle or refused,
                        users=(Who(by=by, value=value, negated=False),),
                        grants=(
                            Grant(
                                number=1 if rule.command else 0,
                                denied=not rule.permit,
                                nopasswd=rule.nopass,
                                as_root=rule.target in ("", "root", "0"),
                                runas=rule.target or ANYBODY,
                                not_before=None,
                                not_after=None,
                            ),
                        ),
                    )
                )

    def _names(self, kind: str, path: str, ending: str = "") -> list[str]:
        """List the files of an included folder in sudo's order."""
        part = required(self.section, f"{kind} {path}")
        if part.state in ("absent", "special"):
            return []
        lines = self._lines(part)
        mode = _Mode(part, lines)
        if "?" in lines:
            raise WithheldError(Reason.LIMIT, f"{path}: names or number of its files")
        return [] if mode.refused else sorted(f"{path}/{it}" for it in lines[1:] if it.endswith(ending))

    def _content(self, part: Part) -> tuple[tuple[str, ...], bool]:
        """Return the text of a file, and whether sudo refuses it for its owner or mode."""
        if part.state in ("absent", "special"):
            return (), True
        lines = self._lines(part)
        mode = _Mode(part, lines)
        if mode.size > FILE_BYTES:
            raise WithheldError(Reason.TRUNCATED, part.name[2:])
        return lines[1:], mode.refused

    def _lines(self, part: Part) -> tuple[str, ...]:
        if part.state == "denied":
            raise WithheldError(Reason.NOPRIV, part.name[2:])
        if part.state != "read":
            raise WithheldError(Reason.UNDETERMINED, f"{part.name[2:]}: {part.state}")
        return part.lines

    def _file(self, path: str, depth: int, *, idle: bool) -> None:
        self.steps += 1
        if depth > _DEPTH or self.steps > _MOST_WORDS:
            self.damaged.append(f"{path}:1")
            return
        lines, refused = self._content(required(self.section, f"f {path}"))
        for number, entry in entries(lines):
            place = f"{path}:{number}"
            match entry:
                case Include():
                    target = self._absolute(entry.path, path)
                    for file in self._names("d", target) if entry.is_dir else [target]:
                        self._file(file, depth + 1, idle=idle or refused)
                case Alias():
                    key = (entry.kind, entry.name)
                    if key in self.aliases:
                        self.damaged.append(place)
                    self.aliases.setdefault(key, entry.words)
                case Setting():
                    self.settings.append(entry)
                case Privilege():
                    self.privileges.append((place, idle or refused, entry))
                case Damage():
                    self.damaged.append(place)

    def _absolute(self, path: str, where: str) -> str:
        full = path.replace("%h", self.host.partition(".")[0])
        return (full if full.startswith("/") else f"{where.rpartition('/')[0]}/{full}")[:1024]

    def _flat(self, kind: str, words: tuple[Word, ...]) -> Iterator[Word]:
        """Resolve aliases; `!` before one turns each of its entries round. Sudo breaks a circle as we do."""
        open_now: set[str] = set()

        def walk(listed: tuple[Word, ...], *, turned: bool) -> Iterator[Word]:
            for word in listed:
                members = None if word.quoted else self.aliases.get((kind, word.text))
                if members is None or word.text in open_now:
                    self.words += 1
                    if self.words > _MOST_WORDS:
                        raise WithheldError(Reason.LIMIT, "aliases within aliases")
                    yield Word(word.text, word.negated != turned, word.quoted)
                else:
                    open_now.add(word.text)
                    yield from walk(members, turned=word.negated != turned)
                    open_now.discard(word.text)

        return walk(words, turned=False)

    def rules(self) -> tuple[Rule, ...]:
        """Resolve the privileges that are for this host."""
        found: list[Rule] = []
        for place, idle, it in self.privileges:
            here = self._here(it.hosts)
            if here is not False:
                found.append(
                    Rule(
                        tool="sudo",
                        place=place,
                        certain=here is True,
                        idle=idle,
                        users=self._users(it.users),
                        grants=tuple(self._grants(it.commands)),
                    )
                )
        return (*found, *self.doas_rules)

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
                if last and grant == _with(last, 1) and grant.number:
                    last = _with(last, last.number + 1)
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
            return _glob(text, self.host.lower())
        return _glob(text, self.host.partition(".")[0].lower())

    def _has_address(self, text: str) -> bool | None:
        """Compare with the host's own addresses, as addr_matches() does; ValueError when it is no address."""
        wanted = ip_network(text, strict=False)
        part = self.section.part("addresses")
        if part is None or part.state != "read":
            return None
        for number, line in rows(part):
            try:
                own = ip_interface(line)
            except ValueError:
                raise broken(part, number, "no address") from None
            if own.version != wanted.version:
                continue
            # Without a mask it is an address, or the network of an interface.
            if (
                own.ip in wanted
                if "/" in text
                else wanted.network_address in (own.ip, own.network.network_address)
            ):
                return True
        return False


class _Mode:
    """The first line of a part: owner, group, mode and size of a file."""

    def __init__(self, part: Part, lines: tuple[str, ...]) -> None:
        words = (lines or ("",))[0].split(" ")
        if len(words) != 4:  # noqa: PLR2004 (uid, gid, mode, size)
            raise broken(part, 1, "no owner and mode")
        uid, gid = count(part, 1, words[0]), count(part, 1, words[1])
        try:
            bits = int(words[2], 8)
        except ValueError:
            raise broken(part, 1, "no mode") from None
        self.size = count(part, 1, words[3])
        # sudo_secure_file() and sudo_secure_dir(): root's own, and written by root only.
        self.refused = uid != 0 or bool(bits & 0o002) or (bool(bits & 0o020) and gid != 0)


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


def _doas_user(identity: str) -> tuple[Named, str]:
    if identity.startswith(":"):
        return (Named.GID if identity[1:].isdecimal() else Named.GROUP), identity[1:]
    return (Named.UID if identity.isdecimal() else Named.USER), identity


def _with(grant: Grant, number: int) -> Grant:
    return Grant(
        number=number,
        denied=grant.denied,
        nopasswd=grant.nopasswd,
        as_root=grant.as_root,
        runas=grant.runas,
        not_before=grant.not_before,
        not_after=grant.not_after,
    )


def _written(words: tuple[Word, ...] | None) -> str:
    if words is None:
        return "root"
    return ",".join(("!" if it.negated else "") + it.text for it in words)


def _glob(pattern: str, text: str) -> bool | None:
    """Match `*` and `?` in linear steps; None for a pattern with brackets, which we do not read."""
    if "[" in pattern or "\\" in pattern:
        return None
    at = star = mark = 0
    starred = False
    for_pattern = 0
    while at < len(text):
        if for_pattern < len(pattern) and pattern[for_pattern] == "*":
            starred, star, mark = True, for_pattern, at
            for_pattern += 1
        elif for_pattern < len(pattern) and pattern[for_pattern] in ("?", text[at]):
            for_pattern += 1
            at += 1
        elif starred:
            mark += 1
            for_pattern, at = star + 1, mark
        else:
            return False
    return not pattern[for_pattern:].strip("*")


PROBE = Probe(name="sudo", facts=SudoFacts, parse=parse, cap_bytes=1_048_576, order=30)
