"""Which kernel runs, which are installed, and whether the system asks for a restart."""

import re
from datetime import UTC, datetime

from msgspec import Struct

from collectors.evidence import Part, Reason, Section, printable
from collectors.facts import Facts, Probe, WithheldError
from config.errors import ParseError

_TIMED = re.compile(r"([0-9]{1,11}) (/\S{1,500})")
_PACKAGE = re.compile(r"([a-zA-Z]{2})[a-zA-Z ]?\t([a-z0-9][a-z0-9+.-]{0,200})\t([!-~]{0,256})")
_IMAGE = re.compile(r"linux-image-(?:unsigned-)?([0-9].*?)(?:-unsigned)?")
_DEBIAN_BUILD = re.compile(r"#[0-9].* Debian ([0-9][A-Za-z0-9.+~:-]*)")
_UBUNTU_BUILD = re.compile(r"#([0-9][0-9~.]*)-Ubuntu ")
_UBUNTU_ABI = re.compile(r"([0-9]+\.[0-9]+\.[0-9]+-[0-9]+)-")


class KernelPackage(Struct, frozen=True, kw_only=True):
    """An installed package with a kernel in it, or one that pulls in the newest kernel."""

    name: str
    release: str
    """what uname -r prints when it runs; empty for a package that only pulls in the newest"""
    version: str
    installed_at: datetime | None
    """when dpkg last unpacked it; None when that cannot be seen"""


class KernelFacts(Facts, frozen=True, kw_only=True):
    """The running kernel, the installed ones and the wish for a restart."""

    release: str
    """as uname -r prints it"""
    running_version: str
    """package version of the running kernel, from /proc/version; empty when it does not say"""
    guest: tuple[str, ...]
    """signs that this is a container, whose kernel is another system's"""
    packages: tuple[KernelPackage, ...] | None
    """kernels that dpkg knows; None where there is no dpkg"""
    images: tuple[str, ...] | None
    """kernel images in /boot; None when the folder cannot be read"""
    has_modules: bool
    """the system has modules of the running kernel"""
    restart_asked: datetime | None
    """when /run/reboot-required was last written; None when there is no such file"""
    restart_packages: tuple[str, ...]
    """packages that ask for it"""
    live_patches: tuple[str, ...]
    """patches of the running kernel that are in force, from /sys/kernel/livepatch"""


def parse(section: Section) -> KernelFacts:
    """Read the kernel's answer.

    Raises ParseError for an answer that is not as the probe writes it.
    """
    release = _part(section, "running").text.strip()
    if not re.fullmatch(r"[!-~]{1,128}", release):
        message = "no answer from uname"
        raise ParseError(message)
    listed = _part(section, "packages")
    boot = _part(section, "boot")
    version = _part(section, "/proc/version")
    restart = _part(section, "restart")
    if restart.state not in ("read", "absent"):
        raise WithheldError(Reason.DENIED, "/run/reboot-required")
    asked = section.part("/run/reboot-required.pkgs")
    return KernelFacts(
        release=release,
        running_version=_running_version(release, version.text if version.state == "read" else ""),
        guest=tuple(printable(line.encode(), limit=100) for line in _part(section, "guest").lines),
        packages=_packages(listed, dict(_timed(_part(section, "installed"))))
        if listed.state == "read"
        else None,
        images=None if boot.state == "denied" else tuple(path for path, _ in _timed(boot)),
        has_modules=f"/lib/modules/{release}/" in _part(section, "modules").lines,
        restart_asked=_time(restart.text.strip()) if restart.state == "read" else None,
        restart_packages=tuple(
            sorted({line for line in asked.lines if re.fullmatch(r"[a-z0-9][a-z0-9+.-]{0,200}", line)})
        )
        if asked
        else (),
        live_patches=tuple(
            printable(line.encode(), limit=60) for line in _part(section, "livepatch").lines if line
        ),
    )


def _part(section: Section, name: str) -> Part:
    part = section.part(name)
    if part is None:
        message = f"no part {name}"
        raise ParseError(message)
    return part


def _running_version(release: str, build: str) -> str:
    """Find the package version in /proc/version.

    Debian writes it whole. Ubuntu writes the upload's number (`#93~20.04.1-Ubuntu`), which in the package
    version follows the release's ABI number (`5.15.0-84.93~20.04.1`).
    """
    debian = _DEBIAN_BUILD.search(build)
    if debian:
        return debian[1]
    ubuntu, abi = _UBUNTU_BUILD.search(build), _UBUNTU_ABI.match(release)
    return f"{abi[1]}.{ubuntu[1]}" if ubuntu and abi else ""


def _packages(part: Part, times: dict[str, datetime]) -> tuple[KernelPackage, ...]:
    found: list[KernelPackage] = []
    for number, line in enumerate(part.lines, 1):
        words = _PACKAGE.fullmatch(line)
        if words is None:
            message = f"packages line {number}: not as the probe writes it"
            raise ParseError(message)
        status, name, version = words.groups()
        if status[1] in "nc" or not version or name.endswith(("-dbg", "-dbgsym")):
            continue
        image = _IMAGE.fullmatch(name)
        found.append(
            KernelPackage(
                name=name,
                release=image[1] if image else "",
                version=version,
                installed_at=times.get(f"/var/lib/dpkg/info/{name}.list"),
            )
        )
    return tuple(found)


def _timed(part: Part) -> list[tuple[str, datetime]]:
    found: list[tuple[str, datetime]] = []
    for number, line in enumerate(part.lines if part.state == "read" else (), 1):
        words = _TIMED.fullmatch(line)
        if words is None:
            message = f"{part.name} line {number}: no time and path"
            raise ParseError(message)
        found.append((words[2], _time(words[1])))
    return found


def _time(seconds: str) -> datetime:
    if not re.fullmatch(r"[0-9]{1,11}", seconds):
        message = "no time"
        raise ParseError(message)
    return datetime.fromtimestamp(int(seconds), tz=UTC)


PROBE = Probe(name="kernel", facts=KernelFacts, parse=parse, cap_bytes=65_536, order=20)
