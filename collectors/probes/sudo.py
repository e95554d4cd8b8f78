"""Who may act as root by sudo(8) or doas(1), as their files say on this host."""

from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts, Probe, WithheldError
from collectors.probes import doas
from collectors.probes.rows import broken, count, required, rows
from collectors.probes.sudo_rules import ANYBODY, Grant, Named, Resolver, Rule, Switch, Who
from collectors.probes.sudoers import Alias, Entry, Include, Privilege, Setting, Word, entries

FILE_BYTES = 131_072
"""what the probe sends of one file at most"""
_DEPTH = 128
"""sudo's own limit of includes within includes (MAX_SUDOERS_DEPTH)"""
_MOST_FILES = 1_024
"""read one after the other; what includes itself twice would multiply"""
_MOST_ENTRIES = 50_000
_LOCAL_SOURCES = frozenset({"files"})


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
    resolver = Resolver(
        host=reader.host, addresses=_addresses(section), aliases=reader.aliases, settings=reader.settings
    )
    found = [resolver.rule(place, it, idle=idle) for place, idle, it in reader.privileges]
    return SudoFacts(
        rules=(*(it for it in found if it), *reader.doas_rules),
        switches=resolver.switches(),
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


def _addresses(section: Section) -> list[IPv4Interface | IPv6Interface] | None:
    """Read the host's own addresses; None when they were not asked for or not told."""
    part = section.part("addresses")
    if part is None or part.state != "read":
        return None
    found: list[IPv4Interface | IPv6Interface] = []
    for number, line in rows(part):
        try:
            found.append(ip_interface(line))
        except ValueError:
            raise broken(part, number, "no address") from None
    return found


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
        self.read: dict[str, tuple[list[tuple[int, Entry]], bool]] = {}
        self.files = self.entries = 0

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
        found, refused = self._entries(path)
        idle = idle or refused
        for number, entry in found:
            place = f"{path}:{number}"
            match entry:
                case Include() if depth < _DEPTH:
                    target = self._absolute(entry.path, path)
                    for file in self._names("d", target) if entry.is_dir else [target]:
                        self._file(file, depth + 1, idle=idle)
                case Alias() if (entry.kind, entry.name) not in self.aliases:
                    self.aliases[entry.kind, entry.name] = entry.words
                case Setting():
                    self.settings.append(entry)
                case Privilege():
                    self.privileges.append((place, idle, entry))
                case _:
                    self.damaged.append(place)

    def _entries(self, path: str) -> tuple[list[tuple[int, Entry]], bool]:
        """Read a file once, and count how often it is read: files may include each other."""
        if path not in self.read:
            lines, refused = self._content(required(self.section, f"f {path}"))
            self.read[path] = list(entries(lines)), refused
        self.files += 1
        self.entries += len(self.read[path][0])
        if self.files > _MOST_FILES or self.entries > _MOST_ENTRIES:
            raise WithheldError(Reason.LIMIT, "files that include each other")
        return self.read[path]

    def _absolute(self, path: str, where: str) -> str:
        full = path.replace("%h", self.host.partition(".")[0])
        return (full if full.startswith("/") else f"{where.rpartition('/')[0]}/{full}")[:1024]


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


def _doas_user(identity: str) -> tuple[Named, str]:
    if identity.startswith(":"):
        return (Named.GID if identity[1:].isdecimal() else Named.GROUP), identity[1:]
    return (Named.UID if identity.isdecimal() else Named.USER), identity


PROBE = Probe(name="sudo", facts=SudoFacts, parse=parse, cap_bytes=1_048_576, order=30)
