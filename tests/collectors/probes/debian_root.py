"""A made-up Debian system for one test, mounted over the machine's own folders in a namespace.

Usage::

    root = DebianRoot(tmp_path)
    root.install("openssl", "3.0.14-1")
    root.archive("bookworm-security", {"main": [stanza("openssl", "3.0.15-1")]})
    section = root.ask(PROBE)
"""

import gzip
import lzma
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from collectors.evidence import Section
from collectors.facts import Probe
from collectors.framing import parse_stream
from collectors.script import ENVIRONMENT, Parameters, compose

BOUNDARY = "0123456789abcdef" * 2
ADDRESS = "http://mirror.test/debian-security"
SHELLS = (("dash",), ("bash",), ("bash", "--posix"), ("busybox", "ash"))
# Root without any capability: modes of files count for it as for everybody.
POWERLESS = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")


def stanza(name: str, version: str | None, arch: str = "amd64", extra: str = "") -> str:
    lines = [f"Package: {name}", f"Architecture: {arch}", "Maintainer: Nobody <nobody@example.test>"]
    if version is not None:
        lines.insert(1, f"Version: {version}")
    return "\n".join(lines) + f"\nFilename: pool/{name}.deb\nSize: 1000\nSHA256: {'0' * 64}\n{extra}\n"


class DebianRoot:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lists = folder / "lists"
        self.dpkg = folder / "dpkg"
        self.etc = folder / "apt"
        self.run = folder / "run"
        self.boot = folder / "boot"
        for made in (
            self.lists / "partial", self.dpkg / "info", self.dpkg / "updates", self.etc / "sources.list.d",
            self.etc / "preferences.d", self.etc / "apt.conf.d", self.run, self.boot,
        ):  # fmt: skip
            made.mkdir(parents=True)
        (self.dpkg / "status").write_text("")
        (self.dpkg / "arch").write_text("amd64\ni386\n")
        (self.etc / "sources.list").write_text(f"deb {ADDRESS} bookworm-security main\n")
        self.proc_version = folder / "version"

    def install(
        self, name: str, version: str, arch: str = "amd64", status: str = "install ok installed"
    ) -> None:
        text = f"Package: {name}\nStatus: {status}\nMaintainer: Nobody\nArchitecture: {arch}\n"
        if arch != "all":
            text += "Multi-Arch: same\n"
        with (self.dpkg / "status").open("a") as file:
            file.write(f"{text}Version: {version}\nDescription: made up\n\n")
        (self.dpkg / "info" / (f"{name}.list" if arch == "all" else f"{name}:{arch}.list")).write_text("/.\n")

    def archive(
        self,
        suite: str,
        components: Mapping[str, Sequence[str]],
        *,
        date: str = "Fri, 20 Nov 2026 00:00:00 UTC",
        head: str = "",
        packed: str = "",
        address: str = "mirror.test_debian-security",
        arch: str = "amd64",
    ) -> Path:
        """Put a Release file and one list per component into apt's folder, as apt-get update leaves them."""
        prefix = f"{address}_dists_{suite}_"
        head = head or (
            f"Origin: Debian\nLabel: Debian-Security\nSuite: oldstable-security\nCodename: {suite}\n"
            f"Valid-Until: Fri, 27 Nov 2026 00:00:00 UTC\n"
        )
        sums = ""
        for component, stanzas in components.items():
            body = "".join(stanzas).encode()
            pack = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[packed]
            (self.lists / f"{prefix}{component}_binary-{arch}_Packages{packed}").write_bytes(pack(body))
            sums += f" {'0' * 64} {len(body)} {component}/binary-{arch}/Packages\n"
        release = self.lists / f"{prefix}InRelease"
        release.write_text(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
            f"{head}Date: {date}\nArchitectures: {arch}\nComponents: main\n"
            f"MD5Sum:\n{sums}SHA256:\n{sums}"
            "-----BEGIN PGP SIGNATURE-----\n\nX: 1\n-----END PGP SIGNATURE-----\n"
        )
        return self.lists / f"{prefix}main_binary-{arch}_Packages{packed}"

    def enter(self, command: Sequence[str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command in a mount namespace of its own in which this system stands."""
        mounts = [
            f"mount --bind {self.lists} /var/lib/apt/lists",
            f"mount --bind {self.dpkg} /var/lib/dpkg",
            f"mount --bind {self.etc} /etc/apt",
            f"mount --bind {self.boot} /boot",
            f"mount --bind {self.run} /run",
        ]
        if self.proc_version.exists():
            mounts.append(f"mount --bind {self.proc_version} /proc/version")
        own = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--mount")
        return subprocess.run(
            [*own, "sh", "-c", " && ".join(mounts) + ' && exec "$@"', "sh", *command],
            input=given, capture_output=True, check=False, timeout=60,
        )  # fmt: skip

    def ask(
        self, probe: Probe[Any], shell: Sequence[str] = ("sh",), *, before: Sequence[str] = ()
    ) -> Section:
        env = [f"{key}={value}" for key, value in ENVIRONMENT.items()]
        script = compose((probe,), Parameters(), BOUNDARY)
        ran = self.enter([*before, "env", "-i", *env, *shell, "-s"], script)
        assert ran.returncode == 0, ran.stderr
        (section,) = parse_stream(ran.stdout, BOUNDARY, {probe.name: probe.cap_bytes}).sections
        return section
