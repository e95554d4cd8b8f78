"""What logrotate(8) is configured to keep of one log.

Read as logrotate.conf(5) says: later settings override earlier ones, a block's own settings override the
global ones that stood before it, and an included folder is read in the order of its file names.
"""

import re
from collections.abc import Iterable, Mapping

from collectors.facts import Facts

PERIOD_DAYS = {"hourly": 0, "daily": 1, "weekly": 7, "monthly": 30, "yearly": 365}
_TABOO = (
    "~", ",v", ".bak", ".cfsaved", ".disabled", ".dpkg-bak", ".dpkg-del", ".dpkg-dist", ".dpkg-new",
    ".dpkg-old", ".dpkg-tmp", ".rpmnew", ".rpmorig", ".rpmsave", ".swp", ".ucf-dist", ".ucf-new", ".ucf-old",
)  # fmt: skip
"""names that an included folder's reading leaves out by default (tabooext)"""
_MOST_PATTERNS = 256
"""patterns with wildcards that are tried: each is held against each log"""
_WORD = re.compile(r"\"([^\"]*)\"|'([^']*)'|(\S+)")
_DIRECTIVE = re.compile(r"\s*([a-z]+)(?:\s*=\s*|\s+|$)(\S*)")


class Rotation(Facts, frozen=True, kw_only=True):
    """The settings in force for one log."""

    log: str
    """path of the log that is written"""
    rotate: int | None
    """rotated files kept; None when none is ever deleted (rotate -1)"""
    every_days: int
    """days between two rotations; 0 for hours"""
    by_size: bool
    """a size alone or beside the period triggers rotation (size, maxsize): no span can be told"""
    max_age_days: int | None
    """rotated files older than this are deleted (maxage)"""

    @property
    def most_days(self) -> int | None:
        """The age a record reaches before it is deleted, by count and age; None when neither limits it."""
        limits = [] if self.max_age_days is None else [self.max_age_days]
        if self.rotate is not None and not self.by_size:
            limits.append((self.rotate + 1) * (self.every_days or 1))
        return min(limits, default=None)


class Config:
    """All blocks of a host's configuration."""

    def __init__(self, files: Mapping[str, Iterable[str]]) -> None:
        """Read `/etc/logrotate.conf` and the files of `/etc/logrotate.d`, by path."""
        self._blocks: list[dict[str, str]] = []
        self._plain: dict[str, int] = {}
        """the first block of each name without wildcards"""
        self._patterns: dict[str, int] = {}
        """the same of each pattern, in their order"""
        self.foreign_include = False
        """something is included that was not read, or a pattern is none that is followed"""
        self._included = False
        self._files = files
        self._read("/etc/logrotate.conf", {}, included=False)

    def rotation(self, log: str) -> Rotation | None:
        """Return what holds for `log`, or None when no block names it."""
        found = [block for pattern, block in self._patterns.items() if matches(pattern, log)][:1]
        if log in self._plain:
            found.append(self._plain[log])
        return _rotation(log, self._blocks[min(found)]) if found else None

    def _read(self, path: str, settings: dict[str, str], *, included: bool) -> None:
        names: list[str] = []
        block: dict[str, str] | None = None
        for line in self._files.get(path, ()):
            text = line.strip()
            if block is None and text.startswith("include"):
                self.foreign_include |= included
                self._include(text.removeprefix("include").strip(" \t=\"'"), settings)
                continue
            before, brace, after = text.partition("{")
            if block is None and (names or brace or text.startswith(("/", '"', "'"))):
                names += [found[1] or found[2] or found[3] for found in _WORD.finditer(before)]
                if brace:
                    block = dict(settings)
                    text = after
                else:
                    continue
            inside, closing, _ = text.partition("}")
            _set(inside, settings if block is None else block)
            if closing and block is not None:
                self._add(names, block)
                names, block = [], None

    def _add(self, names: list[str], block: dict[str, str]) -> None:
        self._blocks.append(block)
        for name in names:
            signs = set("*?[\\") & set(name)
            if not signs:
                self._plain.setdefault(name, len(self._blocks) - 1)
            elif len(self._patterns) < _MOST_PATTERNS and signs <= set("*?"):
                self._patterns.setdefault(name, len(self._blocks) - 1)
            else:
                self.foreign_include = True

    def _include(self, path: str, settings: dict[str, str]) -> None:
        folder = path.rstrip("/")
        if folder != "/etc/logrotate.d":
            self.foreign_include = True
            return
        # Read again, all of it would be duplicates, which logrotate skips.
        if self._included:
            return
        self._included = True
        for name in sorted(self._files):
            if name.startswith(f"{folder}/") and not name.endswith(_TABOO):
                self._read(name, settings, included=True)


def _set(text: str, settings: dict[str, str]) -> None:
    found = _DIRECTIVE.match(text)
    if found is None:
        return
    word, value = found[1], found[2]
    if word in PERIOD_DAYS:
        settings["every"] = word
        settings.pop("size", None)
    elif word in {"rotate", "size", "maxsize", "maxage"}:
        settings[word] = value


def _rotation(log: str, settings: Mapping[str, str]) -> Rotation:
    count = settings.get("rotate", "0")
    age = settings.get("maxage", "")
    return Rotation(
        log=log,
        rotate=int(count) if re.fullmatch(r"[0-9]{1,6}", count) else None,
        every_days=PERIOD_DAYS[settings.get("every", "monthly")],
        by_size="size" in settings or "maxsize" in settings or "every" not in settings,
        max_age_days=int(age) if re.fullmatch(r"[0-9]{1,6}", age) else None,
    )


def matches(pattern: str, path: str) -> bool:
    """Match a host's glob of `*` and `?` by hand: what a host wrote never becomes an expression of ours."""
    at = here = mark = 0
    star = -1
    while here < len(path):
        if at < len(pattern) and pattern[at] == "*":
            star, mark = at, here
            at += 1
        elif at < len(pattern) and (pattern[at] == path[here] or (pattern[at] == "?" and path[here] != "/")):
            at += 1
            here += 1
        elif star >= 0 and path[mark] != "/":
            mark += 1
            at, here = star + 1, mark
        else:
            return False
    return not pattern[at:].strip("*")
