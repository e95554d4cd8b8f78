"""The join of installed packages and security pockets, asked of real shells on made-up Debian systems."""

import os
import random
import re
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.apt_sources import read_sources
from collectors.debian_version import is_newer
from collectors.evidence import Part, Reason, Section, SectionState
from collectors.facts import WithheldError
from collectors.probes.apt import PROBE, AptFacts
from collectors.probes.apt_join import Offer
from config.errors import ParseError
from tests.collectors.probes.debian_root import POWERLESS, SHELLS, DebianRoot, stanza

KEY_BLOB = "mDMEZCANARYKEYBLOB"


@pytest.fixture
def root(tmp_path: Path) -> DebianRoot:
    return DebianRoot(tmp_path)


def facts_of(root: DebianRoot) -> AptFacts:
    section = root.ask(PROBE)
    assert (section.state, section.exit) == (SectionState.ENDED, 0), section
    return PROBE.parse(section)


def offers_of(root: DebianRoot) -> dict[str, Offer]:
    return {offer.name: offer for offer in facts_of(root).offers}


def usual(root: DebianRoot, packed: str = "") -> Path:
    root.install("openssl", "3.0.14-1~deb12u2")
    root.install("cron", "3.0pl1-162")
    root.install("ca-certificates", "20230311", "all")
    root.install("sudo", "1.9.13p3-1", status="hold ok installed")
    root.install("removed", "1.0-1", status="deinstall ok config-files")
    root.install("untouched", "1.0-1")
    return root.archive(
        "bookworm-security",
        {
            "main": [
                stanza("openssl", "3.0.15-1~deb12u1"),
                stanza("cron", "3.0pl1-160"),
                stanza("ca-certificates", "20230311+deb12u1", "all"),
                stanza("sudo", "1.9.13p3-1+deb12u1"),
                stanza("removed", "2.0-1"),
                stanza("not-installed", "9.0-1"),
            ]
        },
        packed=packed,
    )


@pytest.mark.parametrize("packed", ["", ".gz", ".xz"])
def test_only_installed_packages_that_the_pocket_knows_are_offers(root: DebianRoot, packed: str) -> None:
    usual(root, packed)
    facts = facts_of(root)
    assert [(offer.name, offer.newer, offer.held) for offer in facts.offers] == [
        ("ca-certificates", True, False),
        ("cron", False, False),
        ("openssl", True, False),
        ("sudo", True, True),
    ]
    assert facts.installed == 5
    (pocket,) = facts.pockets
    assert (pocket.missing, pocket.torn, pocket.stanzas) == ((), (), 6)
    assert pocket.date == datetime(2026, 11, 20, tzinfo=UTC)
    assert pocket.valid_until == datetime(2026, 11, 27, tzinfo=UTC)


def test_all_shells_give_the_same_bytes(root: DebianRoot) -> None:
    usual(root)
    root.archive(
        "other", {"main": []}, head="Origin: Third\nLabel: Third\nSuite: other\n", address="third.test"
    )
    (root.etc / "preferences").write_text(
        "Package: openssl\nExplanation: by Taro\nPin: version 3.0.14*\nPin-Priority: 1001\n"
    )
    (root.etc / "sources.list.d/third.sources").write_text(
        "# comment\nTypes: deb\nURIs: https://third.test\nSuites: other\nComponents:\n main\n"
    )
    payloads = [root.ask(PROBE, shell).parts for shell in SHELLS]
    assert payloads[0] == payloads[1] == payloads[2] == payloads[3]
    (pin,) = PROBE.parse(root.ask(PROBE)).pins
    assert (pin.packages, pin.pin, pin.priority) == (("openssl",), "version 3.0.14*", 1001)
    assert "Taro" not in repr(payloads)


def test_without_any_privilege_the_facts_are_the_same(root: DebianRoot) -> None:
    usual(root)
    assert root.ask(PROBE, before=POWERLESS).parts == root.ask(PROBE).parts


def test_nothing_on_the_host_is_changed(root: DebianRoot) -> None:
    usual(root, ".gz")

    def state() -> list[tuple[str, int, int, int]]:
        return sorted(
            (str(path), path.lstat().st_mtime_ns, path.lstat().st_ctime_ns, path.lstat().st_size)
            for path in root.folder.rglob("*")
        )

    before = state()
    root.ask(PROBE)
    assert state() == before


def test_the_pending_set_is_that_of_apt_itself(root: DebianRoot) -> None:
    """apt-get -s dist-upgrade marks with the pocket's label what it would install from there."""
    chance = random.Random(7)  # noqa: S311 (a repeatable sample, no secret)
    versions = (
        "1.0-1",
        "1.0-1+deb12u1",
        "1.0-1~rc1",
        "1:0.5-1",
        "1.0-1+deb12u10",
        "1.0-1+b1",
        "2.0~beta-1",
        "1.0-2",
    )
    offered: list[str] = []
    for number in range(60):
        name, arch = f"lab-package-{number}", chance.choice(("amd64", "all"))
        root.install(name, chance.choice(versions), arch)
        offered += [stanza(name, chance.choice(versions), arch) for _ in range(chance.choice((1, 1, 2)))]
    root.archive("bookworm-security", {"main": offered})
    said = root.enter(["apt-get", "-s", "-o", "APT::Install-Recommends=false", "dist-upgrade"])
    assert said.returncode == 0, said.stderr
    # apt also offers to replace a package by the same version with other fields; that is no fix.
    lines = re.findall(r"^Inst (\S+) \[(\S+)\] \((\S+) .*Debian-Security", said.stdout.decode(), re.MULTILINE)
    simulated = {name for name, before, after in lines if before != after}
    ours = {offer.name for offer in facts_of(root).offers if offer.newer}
    assert ours == simulated
    assert 10 < len(ours) < 60


def test_of_several_versions_the_highest_counts(root: DebianRoot) -> None:
    root.install("curl", "7.88.1-10")
    root.archive(
        "bookworm-security",
        {"main": [stanza("curl", v) for v in ("7.88.1-10+deb12u5", "7.88.1-10+deb12u12", "7.88.1-9")]},
    )
    assert offers_of(root)["curl"].offered == "7.88.1-10+deb12u12"


def test_a_foreign_architecture_is_compared_with_its_own_list(root: DebianRoot) -> None:
    (root.etc / "apt.conf.d/arch").write_text('APT::Architectures { "amd64"; "i386"; };\n')
    root.install("libc6", "2.36-9+deb12u7")
    root.install("libc6", "2.36-9+deb12u4", "i386")
    root.archive("bookworm-security", {"main": [stanza("libc6", "2.36-9+deb12u7")]})
    # Both lists stand in one Release file, as in a real archive.
    release = root.lists / "mirror.test_debian-security_dists_bookworm-security_InRelease"
    body = stanza("libc6", "2.36-9+deb12u7", "i386")
    (root.lists / release.name.replace("InRelease", "main_binary-i386_Packages")).write_text(body)
    row = f" {'0' * 64} {len(body)} main/binary-i386/Packages\n"
    release.write_text(
        release.read_text().replace("SHA256:\n", f"SHA256:\n{row}").replace("MD5Sum:\n", f"MD5Sum:\n{row}")
    )
    facts = facts_of(root)
    assert {(offer.arch, offer.newer) for offer in facts.offers} == {("amd64", False), ("i386", True)}
    assert facts.pockets[0].missing == ()
    (root.lists / release.name.replace("InRelease", "main_binary-i386_Packages")).unlink()
    assert facts_of(root).pockets[0].missing == ("main/binary-i386/Packages",)


def test_a_version_that_is_missing_or_none_is_not_taken_for_nothing_newer(root: DebianRoot) -> None:
    for name in ("absent", "odd", "long", "odd-but-fixed", "odd-and-old"):
        root.install(name, "1.0-1")
    root.archive(
        "bookworm-security",
        {
            "main": [
                stanza("absent", None),
                stanza("odd", "1.0 $(reboot)"),
                stanza("long", "1." + "0" * 500),
                stanza("odd-but-fixed", "?"),
                stanza("odd-but-fixed", "1.0-2"),
                stanza("odd-and-old", "0.9-1"),
                stanza("odd-and-old", "?"),
            ]
        },
    )
    assert {name: offer.newer for name, offer in offers_of(root).items()} == {
        "absent": None, "odd": None, "long": None, "odd-but-fixed": True, "odd-and-old": None,
    }  # fmt: skip


def test_a_line_of_five_megabytes_does_no_harm(root: DebianRoot) -> None:
    root.install("openssl", "1.0-1")
    huge = stanza("huge", "1.0-1", extra="Description: " + "x" * 5_000_000 + "\n")
    root.archive("bookworm-security", {"main": [huge, stanza("openssl", "1.0-2")]})
    facts = facts_of(root)
    assert facts.offers[0].newer
    assert facts.pockets[0].torn == ()


def test_a_list_that_is_not_there_is_missing(root: DebianRoot) -> None:
    usual(root).unlink()
    facts = facts_of(root)
    assert facts.pockets[0].missing == ("main/binary-amd64/Packages",)
    assert facts.offers == ()


def test_deleted_lists_leave_a_pocket_without_anything(root: DebianRoot) -> None:
    """As in container images."""
    root.install("openssl", "1.0-1")
    (pocket,) = facts_of(root).pockets
    assert pocket.missing == ("main/binary-amd64/Packages",)
    assert pocket.date is None


@pytest.mark.parametrize("packed", ["", ".gz", ".xz"])
def test_a_list_cut_short_is_torn(root: DebianRoot, packed: str) -> None:
    """An upgrade of the Release file says how long the list is; a packed one also fails to unpack."""
    path = usual(root, packed)
    path.write_bytes(path.read_bytes()[:-40])
    assert facts_of(root).pockets[0].torn == ("main/binary-amd64/Packages",)


def test_a_packed_list_cut_short_is_torn_also_where_no_size_is_announced(root: DebianRoot) -> None:
    path = usual(root, ".gz")
    path.write_bytes(path.read_bytes()[:-40])
    release = root.lists / "mirror.test_debian-security_dists_bookworm-security_InRelease"
    release.write_text("".join(line for line in release.open() if "Packages" not in line))
    assert facts_of(root).pockets[0].torn == ("main/binary-amd64/Packages",)


def test_a_fifo_in_the_place_of_a_list_is_a_missing_list(root: DebianRoot) -> None:
    path = usual(root)
    path.unlink()
    os.mkfifo(path)
    assert facts_of(root).pockets[0].missing == ("main/binary-amd64/Packages",)


def test_a_list_that_may_not_be_read_is_torn(root: DebianRoot) -> None:
    usual(root).chmod(0)
    facts = PROBE.parse(root.ask(PROBE, before=POWERLESS))
    assert facts.pockets[0].torn == ("main/binary-amd64/Packages",)
    assert facts.offers == ()


def test_an_empty_list_that_the_archive_announces_as_empty_is_whole(root: DebianRoot) -> None:
    root.install("openssl", "1.0-1")
    root.archive("bookworm-security", {"main": []}).unlink()
    (pocket,) = facts_of(root).pockets
    assert (pocket.missing, pocket.torn, pocket.stanzas) == ((), (), 0)


def test_a_pocket_that_dropped_the_systems_architecture_is_missing(root: DebianRoot) -> None:
    root.install("openssl", "1.0-1")
    root.archive("bookworm-security", {"main": []}, arch="arm64")
    assert facts_of(root).pockets[0].missing == ("main/binary-amd64/Packages",)


def test_a_folder_of_lists_that_may_not_be_read_is_withheld(root: DebianRoot) -> None:
    usual(root)
    root.lists.chmod(0)
    with pytest.raises(WithheldError) as withheld:
        PROBE.parse(root.ask(PROBE, before=POWERLESS))
    root.lists.chmod(0o755)
    assert withheld.value.reason is Reason.DENIED


def test_sources_that_may_not_be_read_are_named(root: DebianRoot) -> None:
    usual(root)
    (root.etc / "sources.list").chmod(0)
    facts = PROBE.parse(root.ask(PROBE, before=POWERLESS))
    assert facts.unread == ("/etc/apt/sources.list",)
    assert facts.pockets == ()


def test_lists_of_a_source_that_is_no_longer_configured_do_not_count(root: DebianRoot) -> None:
    usual(root)
    (root.etc / "sources.list").write_text(
        "# deb http://mirror.test/debian-security bookworm-security main\n"
    )
    facts = facts_of(root)
    assert (facts.pockets, facts.offers) == ((), ())


CONFIGURED = {
    "plain.list": "deb http://mirror.test/debian-security bookworm-security main\n",
    "options.list": """\
deb [arch=amd64 signed-by=/x] http://taro:secret@mirror.test/debian-security/ bookworm-security main # Taro
""",
    "key.sources": f"""\
Types: deb deb-src
URIs: http://taro:se@cret@mirror.test/debian-security
Suites: bookworm-security
Components:
 main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 {KEY_BLOB}
""",
    "disabled.sources": """\
Types: deb
URIs: http://mirror.test/debian-security
Suites: gone-security
Components: main
Enabled: no

# Taro wrote this
Types: deb
# and this
Suites: bookworm-security
URIs:
 http://mirror.test/debian-security
Components: main
""",
}


def test_lists_are_looked_for_under_the_names_that_apt_gives_them(tmp_path: Path) -> None:
    """Oracle: `apt-get --print-uris update`, which fetches nothing."""
    addresses = (
        "http://h.test/debian", "http://h.test:8080/a//b/", "http://[2001:db8::1]:3142/debian",
        "https://taro:secret@h.test/x~y", "mirror+file:/etc/apt/mirrors/debian.list", "mirror://h.test/m.txt",
        "tor+http://h.test/debian", "file:///srv/repo", "file:/srv/repo2",
    )  # fmt: skip
    lines = [f"deb {address} bookworm-security main" for address in addresses]
    (tmp_path / "lists/partial").mkdir(parents=True)
    (tmp_path / "sources.list").write_text("\n".join(lines) + "\n")
    places = (f"Dir::Etc::sourcelist={tmp_path}/sources.list", f"Dir::State::lists={tmp_path}/lists")
    settings = [f"-o{it}" for it in (*places, "Dir::Etc::sourceparts=/dev/null")]
    said = subprocess.run(
        ["apt-get", *settings, "--print-uris", "update"], capture_output=True, text=True, check=True
    ).stdout
    named = set(re.findall(r"' (\S+)InRelease ", said))
    assert named == {it.prefix for it in read_sources("source:a.list", lines)}


@pytest.mark.parametrize("name", CONFIGURED)
def test_both_formats_of_sources_lead_to_the_pocket_and_keep_their_secrets(
    root: DebianRoot, name: str
) -> None:
    usual(root)
    (root.etc / "sources.list").unlink()
    (root.etc / "sources.list.d" / name).write_text(CONFIGURED[name])
    (root.etc / "sources.list.d/b.list.disabled").write_text(
        "deb http://evil.test/x bullseye-security main\n"
    )
    section = root.ask(PROBE)
    facts = PROBE.parse(section)
    assert [pocket.suite for pocket in facts.pockets] == ["bookworm-security"]
    assert len(facts.offers) == 4
    sent = repr(section.parts)
    assert not [word for word in ("taro", "Taro", "cret", KEY_BLOB) if word in sent]


def test_a_third_party_and_an_uncovered_component_are_seen(root: DebianRoot) -> None:
    usual(root)
    (root.etc / "sources.list").write_text(
        "deb http://mirror.test/debian-security bookworm-security main\n"
        "deb http://mirror.test/debian bookworm main contrib\n"
        "deb [arch=amd64] https://third.test/linux bookworm stable\n"
    )
    root.archive("bookworm-security", {"main": [stanza("cron", "1")], "contrib": [stanza("x", "1")]})
    root.archive(
        "bookworm",
        {"main": []},
        head="Origin: Third\nLabel: Third\nSuite: stable\n",
        address="third.test_linux",
    )
    facts = facts_of(root)
    assert facts.pockets[0].unasked == ("contrib",)
    assert [(other.origin, other.suite, other.components) for other in facts.others] == [
        ("", "bookworm", ("main", "contrib")),
        ("Third", "bookworm", ("stable",)),
    ]


def test_packages_that_dpkg_did_not_finish_are_named(root: DebianRoot) -> None:
    root.install("half", "1.0-1", status="install ok half-configured")
    root.install("torn", "1.0-1", status="install reinstreq half-installed")
    root.install("fine", "1.0-1")
    root.install("gone", "1.0-1", status="deinstall ok config-files")
    facts = facts_of(root)
    assert {(package.name, package.status) for package in facts.unfinished} == {("half", "F"), ("torn", "HR")}
    assert facts.installed == 3


def test_apt_that_keeps_its_lists_elsewhere_is_not_judged_by_the_usual_place(root: DebianRoot) -> None:
    usual(root)
    (root.etc / "apt.conf.d/elsewhere").write_text('Dir::State::lists "/srv/lists";\n')
    with pytest.raises(WithheldError) as withheld:
        facts_of(root)
    assert withheld.value.reason is Reason.UNSUPPORTED


def test_the_preferred_release_is_told(root: DebianRoot) -> None:
    usual(root)
    (root.etc / "apt.conf.d/prefer").write_text('APT::Default-Release "bookworm";\n')
    assert facts_of(root).default_release == "bookworm"


def test_settings_count_in_whatever_case_they_are_written(root: DebianRoot) -> None:
    """apt.conf(5): keys have no case; apt-config prints them as whoever wrote them did."""
    usual(root)
    (root.etc / "apt.conf.d/odd").write_text(
        'apt::default-release "bookworm";\n'
        'apt::periodic { update-package-lists "1"; unattended-upgrade "0"; };\n'
        'unattended-upgrade::ORIGINS-pattern { "origin=Debian"; "origin=*"; };\n'
        'Unattended-Upgrade::Package-Blacklist { "linux-"; };\nUnattended-Upgrade::Mail "CANARY";\n'
    )
    facts = facts_of(root)
    assert facts.default_release == "bookworm"
    assert facts.automatic is not None
    assert (facts.automatic.fetches, facts.automatic.installs) == ("1", "0")
    assert (facts.automatic.enabled, facts.automatic.blacklist) == (True, ("linux-",))
    assert facts.automatic.origins_pattern == ("origin=Debian", "origin=*")
    assert "CANARY" not in repr(root.ask(PROBE))


def test_a_fifo_and_odd_names_among_the_lists_are_passed_over(root: DebianRoot) -> None:
    usual(root)
    os.mkfifo(
        root.lists / "mirror.test_debian-security_dists_bookworm-security_contrib_binary-amd64_Packages"
    )
    os.mkfifo(root.lists / "a_security_InRelease")
    (root.lists / "b\n@x $(reboot)_security_InRelease").write_text("Label: Debian-Security\n")
    os.mkfifo(root.etc / "sources.list.d/pipe.list")
    assert len(facts_of(root).offers) == 4
    assert stat.S_ISFIFO((root.lists / "a_security_InRelease").lstat().st_mode)


@pytest.mark.parametrize("missing", ["settings", "architectures", "lists", "releases", "join"])
def test_without_any_one_part_there_are_no_facts(root: DebianRoot, missing: str) -> None:
    usual(root)
    section = root.ask(PROBE)
    kept = tuple(part for part in section.parts if part.name != missing)
    assert len(kept) == len(section.parts) - 1
    with pytest.raises(ParseError):
        PROBE.parse(Section(name="apt", state=SectionState.ENDED, exit=0, parts=kept))


def test_losing_a_line_of_the_join_never_hides_a_fix_silently(root: DebianRoot) -> None:
    """The section's byte count refuses such an answer already; the parser does not rely on it."""
    usual(root)
    section = root.ask(PROBE)
    join = section.part("join")
    assert join is not None
    for number, line in enumerate(join.lines):
        if line[:1] in "DL":
            rest = "\n".join((*join.lines[:number], *join.lines[number + 1 :]))
            parts = tuple(
                Part.of("join", "read", rest.encode()) if part is join else part for part in section.parts
            )
            changed = Section(name="apt", state=SectionState.ENDED, exit=0, parts=parts)
            with pytest.raises(ParseError):
                PROBE.parse(changed)


LINES = (
    b"D 0 1 0",
    b"B x_Packages",
    b"C 1 a amd64 1 ii- a 2",
    b"C 1 a amd64 1 ii- a",
    b"L 1 0 5 1 x_Packages",
    b"U a",
    b"R x_InRelease",
    b"F Date: x",
    b"P 1 x",
    b"S x",
    b"T x",
    b"Types: deb",
    b" a",
    b"",
    b"Pin: x",
    b"Pin-Priority: 1",
    b"amd64",
)
NAMES = ("settings", "architectures", "lists", "releases", "join", "source:/a.sources", "pin:/p")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES),
            st.sampled_from(("read", "denied", "absent", "special")),
            st.one_of(
                st.binary(max_size=200),
                st.lists(st.sampled_from(LINES)).map(b"\n".join),
            ),
        )
    )
)  # fmt: skip
def test_arbitrary_bytes_give_facts_or_a_parse_error(parts: list[tuple[str, str, bytes]]) -> None:
    section = Section(
        name="apt",
        state=SectionState.ENDED,
        exit=0,
        parts=tuple(Part.of(name, state, raw) for name, state, raw in parts),
    )
    try:
        facts = PROBE.parse(section)
    except ParseError:
        return
    assert all(
        offer.newer is None or offer.newer == is_newer(offer.offered, offer.installed)
        for offer in facts.offers
    )
