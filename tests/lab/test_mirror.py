"""The mirror is read from whatever style of apt sources a machine has."""

from pathlib import Path

import pytest

from tests.lab.mirror import NoMirrorError, Source, read_sources, sources_for

DEB822 = """\
# a comment above
Types: deb deb-src
# a comment inside
URIs: http://mirror.test/debian
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://disabled.test/debian
Suites: trixie
Components: main
"""


def etc_apt(folder: Path, name: str, text: str) -> Path:
    (folder / "sources.list.d").mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def test_deb822_sources_are_read_with_folded_suites_and_without_disabled_ones(tmp_path: Path) -> None:
    found = read_sources(etc_apt(tmp_path, "sources.list.d/debian.sources", DEB822))
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert found == [
        Source(uri="http://mirror.test/debian", suite="bookworm", signed_by=keyring),
        Source(uri="http://mirror.test/debian", suite="bookworm-updates", signed_by=keyring),
        Source(uri="http://mirror.test/security", suite="bookworm-security"),
    ]


def test_one_line_sources_give_main_and_security_of_another_release_than_the_machines(tmp_path: Path) -> None:
    text = (
        "# deb http://commented.test/debian bookworm main\n"
        "deb-src http://mirror.test/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://mirror.test/debian bookworm main contrib\n"
        "deb http://mirror.test/security bookworm-security main\n"
        "deb http://vendor.test/apt tool main\n"
    )
    found = read_sources(etc_apt(tmp_path, "sources.list", text))
    assert sources_for("trixie", found) == [
        "deb [signed-by=/k.gpg] http://mirror.test/debian trixie main",
        "deb http://mirror.test/security trixie-security main",
    ]


def test_a_machine_without_a_debian_archive_is_told_so(tmp_path: Path) -> None:
    found = read_sources(etc_apt(tmp_path, "sources.list", "deb http://vendor.test/apt tool main\n"))
    with pytest.raises(NoMirrorError, match="no Debian main archive"):
        sources_for("bookworm", found)
