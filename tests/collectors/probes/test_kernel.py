"""The running kernel against installed ones, asked of real shells and read from hand-made answers."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.evidence import Part, Section, SectionState
from collectors.facts import WithheldError
from collectors.probes.kernel import PROBE, KernelFacts
from config.errors import ParseError
from tests.collectors.probes.debian_root import POWERLESS, SHELLS, DebianRoot

DAY = 1_790_000_000
DEBIAN = (
    "Linux version 6.1.0-13-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0, "
    "GNU ld (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1 (2023-09-29)\n"
)
UBUNTU = (
    "Linux version 5.15.0-84-generic (buildd@host) (gcc (Ubuntu 11.4.0-1ubuntu1~20.04) 11.4.0, GNU ld "
    "(GNU Binutils for Ubuntu) 2.34) #93~20.04.1-Ubuntu SMP Tue Sep 5 17:16:10 UTC 2023\n"
)


def section(**parts: str | tuple[str, str]) -> Section:
    """Build an answer; a part is its text, or state and text."""
    usual: dict[str, str | tuple[str, str]] = {
        "running": "6.1.0-13-amd64\n",
        "/proc/version": DEBIAN,
        "guest": "",
        "boot": "",
        "modules": "",
        "packages": "",
        "installed": "",
        "restart": ("absent", ""),
        "/run/reboot-required.pkgs": ("absent", ""),
        "livepatch": "",
    }
    usual |= {name.replace("__", "/").replace("_pkgs", ".pkgs"): value for name, value in parts.items()}
    return Section(
        name="kernel",
        state=SectionState.ENDED,
        exit=0,
        parts=tuple(
            Part.of(
                name,
                *((value[0], value[1].encode()) if isinstance(value, tuple) else ("read", value.encode())),
            )
            for name, value in usual.items()
        ),
    )


@pytest.mark.parametrize(
    ("release", "build", "version"),
    [
        ("6.1.0-13-amd64", DEBIAN, "6.1.55-1"),
        ("5.15.0-84-generic", UBUNTU, "5.15.0-84.93~20.04.1"),
        (
            "6.1.63-rpi",
            "Linux version 6.1.63-rpi (x) #1 SMP Debian 1:6.1.63-1+rpt1 (2023-11-24)",
            "1:6.1.63-1+rpt1",
        ),
        ("6.6.1", "Linux version 6.6.1 (builder@host) (gcc (Debian 12.2.0-14) 12.2.0) #1 SMP Tue Nov 7", ""),
        ("6.6.1", "", ""),
    ],
)
def test_the_running_version_is_the_kernels_and_not_its_compilers(
    release: str, build: str, version: str
) -> None:
    facts = PROBE.parse(section(running=release, __proc__version=build))
    assert facts.running_version == version


def test_kernels_and_metapackages_are_told_apart() -> None:
    facts = PROBE.parse(
        section(
            packages="ii \tlinux-image-6.1.0-13-amd64\t6.1.55-1\n"
            "iU \tlinux-image-unsigned-6.1.0-15-amd64\t6.1.66-1\n"
            "ii \tlinux-image-amd64\t6.1.66-1\n"
            "rc \tlinux-image-6.1.0-9-amd64\t6.1.27-1\n"
            "ii \tlinux-image-6.1.0-13-amd64-dbg\t6.1.55-1\n"
            "un \tlinux-image\t\n",
            installed=f"{DAY} /var/lib/dpkg/info/linux-image-6.1.0-13-amd64.list\n",
        )
    )
    assert facts.packages is not None
    assert [(package.name, package.release, package.version) for package in facts.packages] == [
        ("linux-image-6.1.0-13-amd64", "6.1.0-13-amd64", "6.1.55-1"),
        ("linux-image-unsigned-6.1.0-15-amd64", "6.1.0-15-amd64", "6.1.66-1"),
        ("linux-image-amd64", "", "6.1.66-1"),
    ]
    assert [package.installed_at for package in facts.packages] == [
        datetime.fromtimestamp(DAY, tz=UTC), None, None
    ]  # fmt: skip


def ask(root: DebianRoot) -> KernelFacts:
    return PROBE.parse(root.ask(PROBE))


@pytest.fixture
def root(tmp_path: Path) -> DebianRoot:
    root = DebianRoot(tmp_path)
    root.proc_version.write_text(DEBIAN)
    return root


def test_a_real_answer_has_kernels_with_the_time_dpkg_unpacked_them(root: DebianRoot) -> None:
    root.install("linux-image-6.1.0-15-amd64", "6.1.66-1")
    listed = root.dpkg / "info/linux-image-6.1.0-15-amd64.list"
    (root.dpkg / "info/linux-image-6.1.0-15-amd64:amd64.list").rename(listed)
    os.utime(listed, (DAY, DAY))
    (root.boot / "vmlinuz-6.1.0-15-amd64").write_text("x")
    os.mkfifo(root.boot / "vmlinuz-pipe")
    (root.run / "reboot-required").write_text("*** System restart required ***\n")
    os.utime(root.run / "reboot-required", (DAY, DAY))
    (root.run / "reboot-required.pkgs").write_text("libc6\nlinux-base\nlibc6\n$(reboot)\n")
    facts = ask(root)
    assert facts.release == platform.release()
    assert facts.running_version == "6.1.55-1"
    (package,) = facts.packages
    assert package.installed_at == facts.restart_asked == datetime.fromtimestamp(DAY, tz=UTC)
    assert facts.images == ("/boot/vmlinuz-6.1.0-15-amd64",)
    assert facts.restart_packages == ("libc6", "linux-base")


def test_a_system_without_kernel_has_none_and_wants_no_restart(root: DebianRoot) -> None:
    root.install("openssl", "1.0-1")
    facts = ask(root)
    assert (facts.packages, facts.images, facts.restart_asked) == ((), (), None)


def test_a_container_is_told_by_its_marks(root: DebianRoot) -> None:
    (root.run / "systemd").mkdir()
    assert "/run/systemd/container" not in ask(root).guest
    (root.run / "systemd/container").write_text("lxc\n")
    assert "/run/systemd/container" in ask(root).guest


def test_a_boot_folder_that_may_not_be_read_is_not_an_empty_one(root: DebianRoot) -> None:
    root.boot.chmod(0)
    answer = root.ask(PROBE, before=POWERLESS)
    root.boot.chmod(0o755)
    assert PROBE.parse(answer).images is None


def test_all_shells_give_the_same_bytes(root: DebianRoot) -> None:
    root.install("linux-image-6.1.0-15-amd64", "6.1.66-1")
    answers = [root.ask(PROBE, shell).parts for shell in SHELLS]
    assert answers[0] == answers[1] == answers[2] == answers[3]


def test_without_dpkg_nothing_is_said_of_its_kernels() -> None:
    assert PROBE.parse(section(packages=("absent", ""), installed=("absent", ""))).packages is None


def test_a_restart_mark_that_cannot_be_looked_at_is_not_absent() -> None:
    with pytest.raises(WithheldError):
        PROBE.parse(section(restart=("denied", "")))


@pytest.mark.parametrize(
    "name", ["running", "guest", "boot", "modules", "packages", "installed", "restart", "livepatch"]
)
def test_without_any_one_part_there_are_no_facts(name: str) -> None:
    whole = section()
    kept = tuple(part for part in whole.parts if part.name != name)
    with pytest.raises(ParseError):
        PROBE.parse(Section(name="kernel", state=SectionState.ENDED, exit=0, parts=kept))


LINES = st.from_regex(
    r"(ii \tlinux-image-[0-9a-z]{1,5}\t[0-9]{1,3}\n|[0-9]{1,12} /x\n|[0-9]{1,12}\n){0,4}", fullmatch=True
)
NAMES = ("running", "__proc__version", "guest", "boot", "modules", "packages", "installed", "restart")


@given(
    name=st.sampled_from(NAMES),
    state=st.sampled_from(("read", "denied", "absent")),
    text=st.one_of(st.text(max_size=100), LINES),
)
def test_arbitrary_answers_give_facts_or_a_parse_error(name: str, state: str, text: str) -> None:
    try:
        facts = PROBE.parse(section(**{name: (state, text)}))
    except ParseError:
        return
    assert facts.release
