"""Where this machine gets its Debian packages from, so that the lab's images come from the same place.

The answer is used while images are built and is written into no image and no file of the project.
Formats: sources.list(5), one-line style and deb822 style.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+\S")
_KEPT_OPTIONS = re.compile(r"^Acquire::(?:Check-Valid-Until|Check-Date|https?::Proxy(?:::\S+)?)\s")

_RELEASES = {"bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"}


class NoMirrorError(Exception):
    """This machine's apt sources name no Debian archive."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One archive of one suite; `signed_by` is a keyring path or empty for apt's default keys."""

    uri: str
    suite: str
    signed_by: str = ""

    def line(self, suite: str) -> str:
        """Return the one-line source of this archive for `suite`."""
        options = f"[signed-by={self.signed_by}] " if self.signed_by else ""
        return f"deb {options}{self.uri} {suite} main"


def read_sources(etc_apt: Path = Path("/etc/apt")) -> list[Source]:
    """Return every enabled binary source, in apt's reading order."""
    found: list[Source] = []
    for path in [etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        text = path.read_text()
        if path.suffix == ".list":
            found += _one_line_style(text)
        elif path.suffix == ".sources":
            found += _deb822_style(text)
    return found


def sources_for(suite: str, sources: list[Source] | None = None) -> list[str]:
    """Return the source lines that make up Debian `suite`: main archive and security pocket.

    The machine may run another release than the image; the archives are the same.
    Raises NoMirrorError where no main archive is configured.
    """
    known = read_sources() if sources is None else sources
    security = next((s for s in known if s.suite.endswith("-security")), None)
    main = next((s for s in known if s.suite in _RELEASES), None)
    if main is None:
        message = "no Debian main archive in /etc/apt/sources.list or sources.list.d"
        raise NoMirrorError(message)
    return [main.line(suite)] + ([security.line(f"{suite}-security")] if security else [])


def apt_options() -> list[str]:
    """Return the apt settings of this machine that a build needs too: proxies, patience with old mirrors."""
    dump = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout
    return [line.rstrip(";") for line in dump.splitlines() if _KEPT_OPTIONS.match(line)]


def _one_line_style(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        if match := _ONE_LINE.match(line):
            options = dict(o.split("=", 1) for o in (match["options"] or "").split() if "=" in o)
            yield Source(uri=match["uri"], suite=match["suite"], signed_by=options.get("signed-by", ""))


def _deb822_style(text: str) -> Iterator[Source]:
    uncommented = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", uncommented):
        fields = {
            name.lower(): " ".join(value.split())
            for name, value in re.findall(r"^([A-Za-z-]+):(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes") == "no":
            continue
        # An embedded key block is no path; apt's default keys know the Debian archive.
        signed_by = fields.get("signed-by", "")
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(uri=uri, suite=suite, signed_by=signed_by if signed_by.startswith("/") else "")
