"""Which installed kernels are newer than the one that runs, in the order of the package manager at hand."""

from datetime import datetime

from msgspec import Struct

from collectors.debian_version import is_newer, version_key
from collectors.evidence import Reason
from collectors.facts import Fact, Known, Unknown
from collectors.probes.kernel import KernelFacts, KernelPackage
from collectors.probes.rpm import RpmFacts
from collectors.probes.rpm_updates import InstalledPackage
from collectors.rpm_version import EvrKey, evr_key

_FEDORA = (".el", ".fc", ".amzn")
"""in a release: a new build has a new release there"""


class Kernels(Struct, frozen=True, kw_only=True):
    """The installed kernels beside the running one."""

    count: int
    own: bool
    """the running one is among them"""
    running: str
    """its version as the package manager writes it"""
    newer: tuple[KernelPackage, ...]
    """those that are newer than it, the newest last"""
    trouble: tuple[Reason, str] | None = None
    """why it cannot be told which are newer"""


def of_dpkg(kernel: KernelFacts) -> Kernels:
    """Compare by the package version that /proc/version names: a newer build may have the same release."""
    images = tuple(package for package in kernel.packages or () if package.release)
    newer: list[KernelPackage] = []
    trouble: tuple[Reason, str] | None = None
    if kernel.packages is None:
        trouble = (Reason.UNSUPPORTED, "no dpkg")
    elif not kernel.running_version:
        trouble = (Reason.UNDETERMINED, "/proc/version names no package version")
    else:
        try:
            newer = [package for package in images if is_newer(package.version, kernel.running_version)]
        except ValueError:
            trouble = (Reason.UNPARSABLE, "a kernel's version cannot be read")
    return Kernels(
        count=len(images),
        own=any(package.release == kernel.release for package in images),
        running=kernel.running_version,
        newer=tuple(sorted(newer, key=lambda package: version_key(package.version))),
        trouble=trouble,
    )


def of_modules(kernel: KernelFacts) -> Kernels:
    """Tell by the modules: Alpine replaces a kernel in its place, and takes the old one's modules away."""
    return Kernels(
        count=len(kernel.images or ()),
        own=kernel.has_modules,
        running=kernel.release,
        newer=(),
        trouble=(Reason.DENIED, "/boot") if kernel.images is None else None,
    )


def of_rpm(kernel: KernelFacts, rpm: Fact[RpmFacts], booted: datetime | None) -> Kernels:
    """Compare packages of the running kernel's own name: another flavour is no successor of it."""
    match rpm:
        case Unknown():
            return Kernels(
                count=0, own=False, running=kernel.release, newer=(), trouble=(rpm.reason, rpm.detail)
            )
        case Known(value=facts):
            pass
    try:
        orders = {package: package.order for package in facts.kernels}
    except ValueError:
        trouble = (Reason.UNPARSABLE, "a kernel's version cannot be read")
        return Kernels(count=len(facts.kernels), own=False, running=kernel.release, newer=(), trouble=trouble)
    running = [package for package in facts.kernels if kernel.release in _releases(package)]
    newer: list[InstalledPackage] = []
    lowest = min((orders[package] for package in running), default=_order_of(kernel.release))
    if lowest is not None:
        names = {package.name for package in running} or {package.name for package in facts.kernels}
        newer = [
            package
            for package in facts.kernels
            if package.name in names and (orders[package] > lowest or _came_later(package, running, booted))
        ]
    return Kernels(
        count=len(facts.kernels),
        own=bool(running),
        running=running[0].evr if running else kernel.release,
        newer=tuple(
            KernelPackage(
                name=package.name,
                release=next(iter(_releases(package))),
                version=package.evr,
                installed_at=package.installed_at,
            )
            for package in sorted(newer, key=lambda package: orders[package])
        ),
        trouble=None
        if lowest is not None
        else (Reason.UNDETERMINED, "the running kernel is from no package"),
    )


def _releases(package: InstalledPackage) -> tuple[str, ...]:
    """Return what uname -r may print: with the architecture and a variant on Fedora's kind of systems.

    SUSE leaves out the last number of the release, which counts rebuilds, and appends the flavour.
    """
    whole = f"{package.version}-{package.release}.{package.arch}"
    flavour = package.name.removeprefix("kernel-")
    variants = tuple(f"{whole}+{variant}" for variant in ("debug", "rt", "rt-debug", "64k", "64k-debug"))
    return (whole, *variants, f"{package.version}-{package.release.rpartition('.')[0]}-{flavour}")


def _came_later(package: InstalledPackage, running: list[InstalledPackage], booted: datetime | None) -> bool:
    """Say whether it is a rebuild under the running kernel's name, which only SUSE makes."""
    return (
        package in running
        and not any(mark in package.release for mark in _FEDORA)
        and booted is not None
        and package.installed_at is not None
        and package.installed_at > booted
    )


def _order_of(release: str) -> EvrKey | None:
    """Read a release as Fedora's kind of systems spells it, for a kernel that is not installed any more."""
    version, _, rest = release.partition("-")
    build, dot, _arch = rest.partition("+")[0].rpartition(".")
    try:
        return evr_key("0", version, build) if dot else None
    except ValueError:
        return None
