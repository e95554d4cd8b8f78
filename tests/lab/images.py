"""File systems of lab hosts: recipes, the cache of squashfs files made from them, and their building.

A base is a bootstrapped Debian; a layer is what one shell script and a few packages add to what lies below.
"""

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.lab import mirror

_HERE = Path(__file__).parent
_BASE_PACKAGES = (
    "openssh-server", "sudo", "procps", "iproute2", "netbase", "cron", "logrotate", "rsyslog", "passwd",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one image is made. Either `suite` (a base) or `below` (a layer over that image) is set."""

    name: str
    suite: str = ""
    below: str = ""
    packages: tuple[str, ...] = ()
    script: str = ""


class Bare(Recipe):
    """A base of packages that are unpacked only, with no package manager; busybox runs its script."""


def _script(name: str) -> str:
    return (_HERE / "scripts" / name).read_text()


def _release(suite: str) -> tuple[Recipe, Recipe]:
    """Return a Debian release as a base, and over it the layer all prepared personas stand on."""
    return (
        Recipe(name=suite, suite=suite, packages=_BASE_PACKAGES, script=_script("base.sh")),
        Recipe(
            name=f"{suite}-archive",
            below=suite,
            packages=("gpg", "gpg-agent"),
            script=_script("archive.sh"),
        ),
    )


def _pam(suite: str) -> Recipe:
    """Return the layer with a program that calls PAM alone, and a module that asks for good passwords."""
    return Recipe(name=f"{suite}-pam", below=f"{suite}-archive", packages=("pamtester", "libpam-pwquality"))


def _systemd(suite: str, *packages: str) -> Recipe:
    """Return the layer that boots `suite` with systemd; it has an archive like the others."""
    return Recipe(
        name=f"{suite}-systemd",
        below=suite,
        packages=(
            *("systemd", "systemd-sysv", "libpam-systemd", "dbus", "at", "systemd-journal-remote"),
            *("gpg", "gpg-agent", *packages),
        ),
        script=_script("systemd.sh") + _script("archive.sh"),
    )


RECIPES = {
    recipe.name: recipe
    for recipe in (
        *_release("bullseye"),
        *_release("bookworm"),
        *_release("trixie"),
        Recipe(
            name="rpm",
            below="bookworm",
            packages=(
                "dnf",
                "dnf-plugins-core",
                "rpm",
                "createrepo-c",
                "faketime",
                "bzip2",
                "xz-utils",
                "zstd",
            ),
            script=_script("rpm.sh"),
        ),
        Bare(
            name="busybox",
            suite="bookworm",
            packages=("busybox-static", "dropbear-bin"),
            script=_script("busybox.sh"),
        ),
        Recipe(name="extrausers", below="bookworm-archive", packages=("libnss-extrausers",)),
        *(
            Recipe(
                name=f"{suite}-postgres",
                below=f"{suite}-archive",
                packages=("postgresql",),
                script='pg_ctlcluster "$(ls /etc/postgresql)" main stop || true\n',
            )
            for suite in ("bookworm", "trixie")
        ),
        Recipe(name="doas", below="bookworm-archive", packages=("opendoas",)),
        Recipe(name="shells", below="bookworm-archive", packages=("tcsh", "fish", "zsh")),
        Recipe(name="bookworm-automatic", below="bookworm-systemd", packages=("unattended-upgrades",)),
        Recipe(name="trixie-automatic", below="trixie-systemd", packages=("unattended-upgrades",)),
        _pam("bookworm"),
        _pam("trixie"),
        _systemd("bookworm"),
        _systemd("trixie", "wtmpdb", "libpam-wtmpdb", "lastlog2", "libpam-lastlog2"),
    )
}


def cache_folder() -> Path:
    """Return the folder of built images, outside of any checkout."""
    return Path(os.environ.get("TENKEN_LAB_CACHE") or Path.home() / ".cache/tenken-lab")


def stack(name: str) -> list[Recipe]:
    """Return the recipes that make up image `name`, topmost first, as overlayfs wants them."""
    recipe = RECIPES[name]
    return [recipe, *(stack(recipe.below) if recipe.below else [])]


def image_path(name: str) -> Path:
    """Return where image `name` is cached; the key covers its recipe and all recipes below."""
    key = hashlib.sha256(repr(stack(name)).encode()).hexdigest()[:16]
    return cache_folder() / f"{name}-{key}.sqfs"


def missing(names: Iterable[str]) -> list[str]:
    """Return the images that are not cached, lowest first, including those below the ones named."""
    wanted = dict.fromkeys(recipe.name for name in names for recipe in reversed(stack(name)))
    return [name for name in wanted if not image_path(name).exists()]


def build(names: Iterable[str]) -> None:
    """Build what is missing. Must run in a mount namespace of its own: see namespace.build()."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once: the second finds the images of the first
        for name in missing(names):
            print(f"lab: building image {name} ...", file=sys.stderr, flush=True)  # noqa: T201
            target = image_path(name)
            fresh = target.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            if isinstance(RECIPES[name], Bare):
                _build_bare(RECIPES[name], fresh)
            elif RECIPES[name].suite:
                _build_base(RECIPES[name], fresh)
            else:
                _build_layer(RECIPES[name], fresh)
            fresh.rename(target)


def _squash(source: str, target: Path, *options: str) -> list[str]:
    compression = ("-comp", "zstd", "-Xcompression-level", "3")
    return ["mksquashfs", source, str(target), *options, *compression, "-noappend", "-quiet", "-no-progress"]


def _build_base(recipe: Recipe, target: Path) -> None:
    script = Path("/dev/shm/base.sh")  # noqa: S108 - a tmpfs of this build's own namespace
    script.write_text(recipe.script)
    bootstrap = [
        "mmdebstrap", "--quiet", "--variant=minbase", "--format=tar",
        f"--include={','.join(recipe.packages)}",
        *(f"--aptopt={option}" for option in mirror.apt_options()),
        f'--customize-hook=chroot "$1" /bin/sh -eu < {script}',
        recipe.suite, "-", *mirror.sources_for(recipe.suite),
    ]  # fmt: skip
    # dpkg syncs every file it writes: on a tmpfs that costs nothing.
    with subprocess.Popen(bootstrap, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": "/dev/shm"}) as tar:  # noqa: S108
        subprocess.run(_squash("-", target, "-tar"), stdin=tar.stdout, stdout=subprocess.DEVNULL, check=True)
    if tar.returncode:
        raise subprocess.CalledProcessError(tar.returncode, bootstrap)


def _build_bare(recipe: Recipe, target: Path) -> None:
    root = Path("/dev/shm") / recipe.name  # noqa: S108 - a tmpfs of this build's own namespace
    unpack = [
        "mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(recipe.packages)}",
        *(f"--aptopt={option}" for option in mirror.apt_options()),
        recipe.suite, str(root), *mirror.sources_for(recipe.suite),
    ]  # fmt: skip
    subprocess.run(unpack, check=True, env={**os.environ, "TMPDIR": "/dev/shm"})  # noqa: S108
    for left in ("etc/apt", "var/lib/apt", "var/cache/apt", "var/log/apt"):  # the mirror's name is in them
        shutil.rmtree(root / left, ignore_errors=True)
    subprocess.run(
        ["chroot", str(root), "/bin/busybox", "sh", "-eu"], input=recipe.script, text=True, check=True
    )
    subprocess.run(_squash(str(root), target), stdout=subprocess.DEVNULL, check=True)


def _build_layer(recipe: Recipe, target: Path) -> None:
    work = Path("/dev/shm") / recipe.name  # noqa: S108 - a tmpfs of this build's own namespace
    lower = mount_images(recipe.below, work / "lower")
    for part in ("upper", "work", "root"):
        (work / part).mkdir(parents=True)
    root = work / "root"
    _mount("overlay", root, f"lowerdir={lower},upperdir={work}/upper,workdir={work}/work")
    for kind, folder in (("proc", "proc"), ("tmpfs", "run"), ("tmpfs", "tmp")):
        _mount(kind, root / folder)
    subprocess.run(["mount", "--rbind", "/dev", str(root / "dev")], check=True)
    subprocess.run(
        ["chroot", str(root), "/bin/sh", "-eu"], input=_install(recipe, root), text=True, check=True
    )
    subprocess.run(["umount", "-R", "-l", str(root)], check=True)
    for left in ("dev", "proc", "run", "tmp"):  # mount points, empty in the upper
        if (work / "upper" / left).is_dir():
            (work / "upper" / left).rmdir()
    subprocess.run(_squash(f"{work}/upper", target), stdout=subprocess.DEVNULL, check=True)


def _install(recipe: Recipe, root: Path) -> str:
    """Return the script that adds packages and the recipe's own steps.

    apt is given sources, lists and name server in /run only: none of it becomes part of the image.
    """
    if not recipe.packages:
        return recipe.script
    run = root / "run"
    suite = stack(recipe.name)[-1].suite
    (run / "sources.list").write_text("\n".join(mirror.sources_for(suite)) + "\n")
    (run / "apt.conf").write_text(
        "".join(f"{option};\n" for option in mirror.apt_options())
        + 'Dir::Etc::SourceList "/run/sources.list"; Dir::Etc::SourceParts "-";\n'
        + 'Dir::State::Lists "/run/lists";\n'
        + 'Dir::Cache "/run/cache"; Dir::Log "/run/log"; APT::Install-Recommends "false";\n'
    )
    for folder in ("lists/partial", "cache/archives/partial", "log"):
        (run / folder).mkdir(parents=True)
    (run / "resolv.conf").write_text(Path("/etc/resolv.conf").read_text())
    subprocess.run(["mount", "--bind", str(run / "resolv.conf"), str(root / "etc/resolv.conf")], check=True)
    packages = shlex.join(recipe.packages)
    return (
        "export APT_CONFIG=/run/apt.conf DEBIAN_FRONTEND=noninteractive\n"
        "apt-get -qq update </dev/null\n"
        f"apt-get -qq -y install {packages} </dev/null >/run/log/out 2>&1 ||"
        " { cat /run/log/out >&2; exit 1; }\n"
        f"rm -f /var/log/dpkg.log /var/log/alternatives.log\nunset APT_CONFIG\n{recipe.script}"
    )


def _mount(kind: str, where: Path, options: str = "") -> None:
    subprocess.run(["mount", "-t", kind, *(["-o", options] if options else []), kind, str(where)], check=True)


def mount_images(name: str, folder: Path) -> str:
    """Mount the stack of `name` below `folder` (once each) and return overlayfs's lowerdir."""
    lower = []
    for recipe in stack(name):
        where = folder / recipe.name
        if not where.is_mount():
            where.mkdir(parents=True, exist_ok=True)
            _loop_mount(image_path(recipe.name), where)
        lower.append(str(where))
    return ":".join(lower)


def _loop_mount(image: Path, where: Path) -> None:
    command = ["mount", "-t", "squashfs", "-o", "loop,ro", str(image), str(where)]
    # mount(8) shares the loop device of a lab that runs beside this one; that one may end in the same moment.
    for _ in range(4):
        if subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0:
            return
    subprocess.run(command, check=True)
