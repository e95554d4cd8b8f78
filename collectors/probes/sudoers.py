"""The grammar of one sudoers(5) file: from its text to entries, each with the line it begins on.

What sudo does with a damaged line was tried with 1.9.13 and 1.9.16: it leaves out the part from the last `:`
before the damage to the end of the line, and reads on. Releases before 1.9.3 refuse to run at all.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

from msgspec import Struct

_BLANKS = re.compile(r"[ \t]*")
_BEFORE_COMMENT = re.compile(r'(?:[^"#\\]|\\.|"(?:[^"\\]|\\.)*"?|#(?=-?[0-9]))*')
_CONTINUED = re.compile(r"\\[ \t]*\r?$")
_END = re.compile(r"\r?$")
_NOT = re.compile(r"!+")
_STRING = re.compile(r'"((?:[^"\\]|\\.)+)"')
_ADDRESS = re.compile(r"(?:[0-9A-Fa-f]{0,4}:){2,8}[0-9A-Fa-f.]*(?:/[0-9A-Fa-f.:]+)?")
_WORD = re.compile(r"[+%]?:?(?:#-?[0-9]+|(?:[^#>!=:,() \t\r\n\\\"]|\\[^\t\n])+)")
_ALIAS = re.compile(r"[A-Z][A-Z0-9_]*")
_COMMAND = re.compile(
    r"(?:/(?:\\[,:= \t#]|[^,:=\\ \t\r\n#])+|\^(?:[^#\r\n$\\]|\\.)*\$|(?:sudoedit|list)(?![^ \t\r\n,:=#]))"
    r"(?:[^#\\:,\r\n]|\\.)*"
)
_OPTION = re.compile(
    r"(ROLE|TYPE|APPARMOR_PROFILE|PRIVS|LIMITPRIVS|TIMEOUT|CWD|CHROOT|NOTBEFORE|NOTAFTER)[ \t]*="
)
_OPTION_VALUE = re.compile(r'"(?:[^"\\]|\\.)*"|(?:[^,=\\ \t\r\n#"]|\\.)+')
_TAG = re.compile(
    r"(NOPASSWD|PASSWD|(?:NO)?(?:EXEC|INTERCEPT|SETENV|LOG_OUTPUT|LOG_INPUT|MAIL|FOLLOW))[ \t]*:"
)
_DIGEST = re.compile(r"sha(?:224|256|384|512)[ \t]*:[ \t]*[A-Za-z0-9+/=]+")
_TIME = re.compile(r"([0-9]{10})([0-9]{2})?([0-9]{2})?(?:[.,][0-9]+)?(Z|[+-][0-9]{4}|[+-][0-9]{2})?")
_INCLUDE = re.compile(r"(?:[ \t]*@|#)include(dir)?[ \t]+(.*)")
_DEFAULTS = re.compile(r"[ \t]*Defaults(?:([:@>!])|(?=[ \t]|$))")
_KIND = re.compile(r"[ \t]*(Host|Cmnd|Cmd|User|Runas)_Alias(?![^ \t])")
_SETTING = re.compile(r'(!*)[ \t]*([a-z_]+)[ \t]*(?:[-+]?=[ \t]*("(?:[^"\\]|\\.)*"|[^", \t]*))?[ \t]*')
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|(.))")
_FURTHEST_ZONE = timedelta(hours=14)


class Word(Struct, frozen=True):
    """One entry of a list, as written."""

    text: str
    negated: bool
    quoted: bool = False


class Command(Struct, frozen=True, kw_only=True):
    """One entry of a command list, with what precedes it carried on from the entry before, as sudo does."""

    word: Word
    """`ALL`, an alias, or empty for a command of its own"""
    runas: tuple[Word, ...] | None = None
    """None when nothing is said: root; empty means the user's own account"""
    runas_groups: tuple[Word, ...] = ()
    nopasswd: bool = False
    not_before: datetime | None = None
    not_after: datetime | None = None


class Include(Struct, frozen=True, kw_only=True):
    """Another file or folder to read here."""

    path: str
    is_dir: bool


class Alias(Struct, frozen=True, kw_only=True):
    """A named list."""

    kind: str
    """User, Host, Runas or Cmnd"""
    name: str
    words: tuple[Word, ...]


class Setting(Struct, frozen=True, kw_only=True):
    """One option of a Defaults line."""

    scope: str
    """`:` users, `@` hosts, `>` target users, `!` commands; empty for all"""
    words: tuple[Word, ...]
    name: str
    on: bool


class Privilege(Struct, frozen=True, kw_only=True):
    """Who may run what on which hosts."""

    users: tuple[Word, ...]
    hosts: tuple[Word, ...]
    commands: tuple[Command, ...]


class Damage(Struct, frozen=True):
    """A line that cannot be read to its end."""


Entry = Include | Alias | Setting | Privilege | Damage
T = TypeVar("T")


class _DamagedError(Exception):
    """The text is no sudoers from here on."""


class _Line:
    """A logical line and how far it was read."""

    def __init__(self, text: str, at: int = 0) -> None:
        self.text = text
        self.at = at

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        start = self._after_blanks()
        found = pattern.match(self.text, start)
        if found:
            self.at = found.end()
        return found

    def sign(self, sign: str) -> bool:
        start = self._after_blanks()
        found = self.text.startswith(sign, start)
        if found:
            self.at = start + len(sign)
        return found

    def need(self, sign: str) -> None:
        if not self.sign(sign):
            raise _DamagedError

    def many(self, item: Callable[[], T]) -> tuple[T, ...]:
        found = [item()]
        while self.sign(","):
            found.append(item())
        return tuple(found)

    def ended(self) -> bool:
        return _END.match(self.text, self._after_blanks()) is not None

    def _after_blanks(self) -> int:
        found = _BLANKS.match(self.text, self.at)
        return found.end() if found else self.at


def entries(lines: tuple[str, ...]) -> Iterator[tuple[int, Entry]]:
    """Read a file's lines; each entry comes with the number of its first line."""
    for number, text in _logical(lines):
        include = _INCLUDE.match(text)
        if include:
            yield number, _include(include)
            continue
        line = _Line(text)
        if line.ended():
            continue
        try:
            for entry in _entries(line):
                yield number, entry
        except _DamagedError:
            yield number, Damage()


def _logical(lines: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Join continued lines and leave out comments; a backslash in a comment continues nothing."""
    begun: list[str] = []
    first = 0
    for number, line in enumerate(lines, 1):
        if not begun:
            first = number
            if _INCLUDE.match(line):
                yield number, line
                continue
        found = _BEFORE_COMMENT.match(line)
        end = found.end() if found else 0
        text = line[:end] if line[end : end + 1] == "#" else line
        continued = _CONTINUED.search(text)
        if continued:
            begun.append(text[: continued.start()])
            continue
        yield first, " ".join((*begun, text))
        begun = []
    if begun:
        # Nothing follows: sudo gives up here.
        yield first, " ".join((*begun, "\\"))


def _entries(line: _Line) -> Iterator[Entry]:
    kind = line.take(_KIND)
    if kind:
        yield from _aliases(line, kind[1].replace("Cmd", "Cmnd"))
        return
    defaults = line.take(_DEFAULTS)
    if defaults:
        yield from _settings(line, defaults[1] or "")
        return
    users = line.many(lambda: _word(line))
    yield from _separated(line, lambda: _privilege(line, users))


def _separated(line: _Line, item: Callable[[], Entry]) -> Iterator[Entry]:
    """Yield each item once the `:` behind it, or the end, is there: nothing that is damaged before."""
    while True:
        entry = item()
        if line.sign(":"):
            yield entry
            continue
        if not line.ended():
            raise _DamagedError
        yield entry
        return


def _aliases(line: _Line, kind: str) -> Iterator[Entry]:
    def one() -> Alias:
        name = line.take(_ALIAS)
        if name is None:
            raise _DamagedError
        line.need("=")
        words = (
            tuple(it.word for it in line.many(lambda: _digest_command(line)))
            if kind == "Cmnd"
            else line.many(lambda: _word(line))
        )
        return Alias(kind=kind, name=name[0], words=words)

    yield from _separated(line, one)


def _privilege(line: _Line, users: tuple[Word, ...]) -> Privilege:
    hosts = line.many(lambda: _word(line))
    line.need("=")
    commands: list[Command] = []
    while not commands or line.sign(","):
        commands.append(_command(line, commands[-1] if commands else None))
    return Privilege(users=users, hosts=hosts, commands=tuple(commands))


def _command(line: _Line, before: Command | None) -> Command:
    runas, groups = _runas(line) if line.sign("(") else (None, ())
    if runas is None and before:
        runas, groups = before.runas, before.runas_groups
    times = {
        "NOTBEFORE": before.not_before if before else None,
        "NOTAFTER": before.not_after if before else None,
    }
    while option := line.take(_OPTION):
        value = line.take(_OPTION_VALUE)
        if value is None:
            raise _DamagedError
        if option[1] in times:
            times[option[1]] = _time(value[0], late=option[1] == "NOTAFTER")
    nopasswd = before.nopasswd if before else False
    while tag := line.take(_TAG):
        if tag[1] in ("NOPASSWD", "PASSWD"):
            nopasswd = tag[1] == "NOPASSWD"
    return Command(
        word=_digest_command(line).word,
        runas=runas,
        runas_groups=groups,
        nopasswd=nopasswd,
        not_before=times["NOTBEFORE"],
        not_after=times["NOTAFTER"],
    )


def _digest_command(line: _Line) -> Command:
    while line.take(_DIGEST):
        line.sign(",")
    negated = _negated(line)
    command = line.take(_COMMAND)
    if command:
        return Command(word=Word("", negated))
    name = line.take(_ALIAS)
    if name is None:
        raise _DamagedError
    return Command(word=Word(name[0], negated))


def _runas(line: _Line) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
    users: tuple[Word, ...] = ()
    groups: tuple[Word, ...] = ()
    if not line.sign(")"):
        if not line.sign(":"):
            users = line.many(lambda: _word(line))
            if line.sign(")"):
                return users, groups
            line.need(":")
        if not line.sign(")"):
            groups = line.many(lambda: _word(line))
            line.need(")")
    return users, groups


def _word(line: _Line) -> Word:
    negated = _negated(line)
    quoted = line.take(_STRING)
    if quoted:
        return Word(quoted[1].replace('\\"', '"'), negated, quoted=True)
    found = line.take(_ADDRESS) or line.take(_WORD)
    if found is None or found[0] in ("+", "%", "%:"):
        raise _DamagedError
    return Word(_ESCAPE.sub(_unescaped, found[0]), negated)


def _negated(line: _Line) -> bool:
    found = line.take(_NOT)
    return found is not None and len(found[0]) % 2 == 1


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else found[2]


def _settings(line: _Line, scope: str) -> Iterator[Entry]:
    """Read the options of a Defaults line; their values are of no interest."""
    words: tuple[Word, ...] = ()
    if scope == "!":
        words = tuple(it.word for it in line.many(lambda: _default_command(line)))
    elif scope:
        words = line.many(lambda: _word(line))

    def one() -> Setting:
        found = line.take(_SETTING)
        if found is None:
            raise _DamagedError
        off = len(found[1]) % 2 == 1
        return Setting(scope=scope, words=words, name=found[2], on=not off)

    if line.ended():
        return
    yield from line.many(one)
    if not line.ended():
        raise _DamagedError


def _default_command(line: _Line) -> Command:
    """Read a command that has no arguments: a blank ends it."""
    negated = _negated(line)
    if line.take(re.compile(r"/(?:\\[,:= \t#]|[^,:=\\ \t\r\n#])+|sudoedit(?![^ \t,])")):
        return Command(word=Word("", negated))
    name = line.take(_ALIAS)
    if name is None:
        raise _DamagedError
    return Command(word=Word(name[0], negated))


def _time(text: str, *, late: bool) -> datetime:
    """Read a generalized time (RFC 4517); without a zone it is the host's, so the wider reading is taken."""
    found = _TIME.fullmatch(text.strip('"'))
    if found is None:
        raise _DamagedError
    zone = found[4]
    try:
        moment = datetime.strptime(found[1] + (found[2] or "00") + (found[3] or "00"), "%Y%m%d%H%M%S")  # noqa: DTZ007
        if zone is None:
            return moment.replace(tzinfo=UTC) + (_FURTHEST_ZONE if late else -_FURTHEST_ZONE)
        offset = timedelta()
        if zone != "Z":
            offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5] or 0))
        return moment.replace(tzinfo=timezone(-offset if zone[0] == "-" else offset)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _DamagedError from None


def _include(found: re.Match[str]) -> Include:
    text = found[2]
    if text.startswith('"'):
        path = text[1:].partition('"')[0]
    else:
        path = re.sub(r"[ \t\r].*", "", text.replace("\\ ", "\x01")).replace("\x01", " ")
    return Include(path=path, is_dir=bool(found[1]))
