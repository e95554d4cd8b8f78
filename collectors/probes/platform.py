"""What system a host is, and since when it exists."""

import re
from datetime import UTC, date, datetime

from collectors.evidence import Part, Section, printable
from collectors.facts import Facts, Probe
from collectors.probes.rows import required
from config.errors import ParseError

_RUNTIME = re.compile(r"snapd|bare|core[0-9]*")
"""snaps that are there for others"""
_ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]*)=(?:\"([^\"]*)\"|'([^']*)'|(\S*))")


class PlatformFacts(Facts, frozen=True, kw_only=True):
    """The distribution, its release, the running kernel and the host's age."""

    id: str
    """ID of os-release(5), such as `debian`"""
    like: tuple[str, ...]
    """ID_LIKE of os-release(5)"""
    version_id: str
    """VERSION_ID of os-release(5); empty for a rolling release"""
    codename: str
    """VERSION_CODENAME of os-release(5)"""
    support_end: date | None = None
    """SUPPORT_END of os-release(5), in whose word the release gets fixes until then; None without it"""
    name: str
    """PRETTY_NAME of os-release(5)"""
    kernel: str
    """release of the running kernel, as uname -r prints it"""
    machine: str
    kernel_build: str
    """the whole of /proc/version, where a newer build of the same release shows"""
    born: datetime | None
    """the oldest modification time of files that only an installation makes; None when there is none"""
    booted_s: int | None
    """seconds since the last boot"""
    image: str = ""
    """`ostree` where the system is an image that is replaced as a whole; else empty"""
    bundles: tuple[str, ...] = ()
    """applications of snap and flatpak, which bring their own libraries; `?` when they cannot be listed"""


def parse(section: Section) -> PlatformFacts:
    """Read os-release(5), uname(1) and the birth marks; raises ParseError without an os-release or kernel."""
    release = section.part("/etc/os-release")
    if release is None or release.state != "read":
        message = "no /etc/os-release"
        raise ParseError(message)
    values: dict[str, str] = {}
    for line in release.lines:
        found = _ASSIGNMENT.fullmatch(line.strip())
        if found:
            values[found[1]] = found[2] or found[3] or found[4] or ""
    kernel = section.part("kernel")
    words = kernel.text.split() if kernel else []
    if len(words) < 4:  # noqa: PLR2004 (system, release, version of some words, machine)
        message = "no answer from uname"
        raise ParseError(message)
    build = section.part("/proc/version")
    return PlatformFacts(
        id=values.get("ID", "linux"),
        like=tuple(values.get("ID_LIKE", "").split()),
        version_id=values.get("VERSION_ID", ""),
        codename=values.get("VERSION_CODENAME", ""),
        support_end=_day(values.get("SUPPORT_END", "")),
        name=values.get("PRETTY_NAME", ""),
        kernel=words[1],
        machine=words[-1],
        kernel_build=build.text.strip() if build and build.state == "read" else "",
        born=_born(section),
        booted_s=_uptime(section),
        image="ostree" if "ostree" in required(section, "image").lines else "",
        bundles=_bundles(required(section, "bundles")),
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _born(section: Section) -> datetime | None:
    part = section.part("birth")
    times: list[int] = []
    for number, line in enumerate(part.lines if part else (), 1):
        seconds, _, _path = line.partition(" ")
        if not re.fullmatch(r"[0-9]{1,11}", seconds):
            message = f"birth line {number}: no time"
            raise ParseError(message)
        # Image builders set times to 0 or to SOURCE_DATE_EPOCH: before 2000 nothing was installed.
        if int(seconds) > 946_684_800:  # noqa: PLR2004 (2000-01-01)
            times.append(int(seconds))
    return datetime.fromtimestamp(min(times), tz=UTC) if times else None


def _bundles(part: Part) -> tuple[str, ...]:
    names = {line.rpartition("/")[2].partition("_")[0] for line in part.lines if line}
    return tuple(
        sorted(printable(name.encode(), limit=80) for name in names if _RUNTIME.fullmatch(name) is None)
    )


def _uptime(section: Section) -> int | None:
    part = section.part("uptime")
    found = re.match(r"([0-9]{1,12})\.", part.text) if part else None
    return int(found[1]) if found else None


PROBE = Probe(name="platform", facts=PlatformFacts, parse=parse, cap_bytes=16_384, order=0)
