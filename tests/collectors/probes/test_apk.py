"""Alpine's packages: answers as apk-version(8) documents them, and a busybox host that has no apk.

Debian has no apk, so its own output is documented here and not run.
"""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.evidence import Part, Reason, Section, SectionState
from collectors.facts import WithheldError
from collectors.probes.apk import PROBE, ApkFacts
from config.errors import ParseError
from tests.collectors.probes.asked import ask_host
from tests.lab.plugin import HostFactory, OwnHostFactory

DAY = 1_790_000_000
HEAD = "Installed:                                Available:\n"
UPGRADES = (
    HEAD
    + "busybox-1.37.0-r18                      < 1.37.0-r19 \n"
    + "py3-foo-bar-2.0_rc1-r0                  < 2.0-r1 @edge\n"
)
WHOLE = {
    "installed": ("read", "5\n"),
    "repositories": ("read", "v3.22/main\nv3.22/community\nedge/testing @edge\n"),
    "indexes": ("read", f"{DAY + 60}\n{DAY}\n"),
    "world": ("read", "busybox=1.37.0-r18\nnginx@edge~1.2\n"),
    "upgrades": ("read", UPGRADES),
}


def section(**parts: tuple[str, str] | None) -> Section:
    whole = {**WHOLE, **parts}
    return Section(
        name="apk",
        state=SectionState.ENDED,
        exit=0,
        parts=tuple(Part.of(name, it[0], it[1].encode()) for name, it in whole.items() if it),
    )


def test_what_apk_prints_is_read_as_names_versions_and_complaints() -> None:
    facts = PROBE.parse(section())
    assert [(it.name, it.installed, it.offered) for it in facts.upgrades] == [
        ("busybox", "1.37.0-r18", "1.37.0-r19"),
        ("py3-foo-bar", "2.0_rc1-r0", "2.0-r1"),
    ]
    assert (facts.installed, facts.missing) == (5, 0)
    assert facts.repositories[0] == "v3.22/main"
    assert facts.indexes[0] == datetime.fromtimestamp(DAY, tz=UTC)
    assert facts.tied == {"busybox", "nginx"}
    lost = "WARNING: opening from cache https://apk.test/main: No such file or directory\n" + UPGRADES
    assert PROBE.parse(section(upgrades=("read", lost))).missing == 1


@pytest.mark.parametrize("name", WHOLE)
def test_without_any_one_part_there_are_no_facts(name: str) -> None:
    with pytest.raises(ParseError):
        PROBE.parse(section(**{name: None}))


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"apk": ("absent", "")}, Reason.UNSUPPORTED),
        ({"upgrades": ("no_tool", "")}, Reason.NO_TOOL),
        ({"upgrades": ("failed", "")}, Reason.FAILED),
        ({"indexes": ("denied", "")}, Reason.DENIED),
        ({"world": ("denied", "")}, Reason.DENIED),
    ],
)
def test_what_cannot_be_asked_has_a_reason(parts: dict[str, tuple[str, str]], reason: Reason) -> None:
    with pytest.raises(WithheldError) as withheld:
        PROBE.parse(section(**parts))
    assert withheld.value.reason is reason


@pytest.mark.parametrize("text", ["", "ERROR: unable to open database\n", HEAD + "busybox\n"])
def test_an_answer_that_apk_does_not_give_is_no_empty_list(text: str) -> None:
    with pytest.raises(ParseError):
        PROBE.parse(section(upgrades=("read", text)))


@given(
    name=st.sampled_from(tuple(WHOLE)),
    text=st.one_of(st.text(max_size=80), st.from_regex(r"(Installed: x\n|[a-z-]{1,9}1-r1 < 2-r1\n){0,4}")),
)
def test_arbitrary_answers_give_facts_or_a_parse_error(name: str, text: str) -> None:
    try:
        facts = PROBE.parse(section(**{name: ("read", text)}))
    except ParseError:
        return
    assert facts.installed >= 0


@pytest.mark.lab
def test_a_host_with_apks_packages_and_without_apk_lacks_the_tool(host: HostFactory) -> None:
    with pytest.raises(WithheldError) as withheld:
        ask_host(host("busybox"), probes=("apk",)).facts("apk")
    assert withheld.value.reason is Reason.NO_TOOL


# A stand-in that prints what apk-version(8) documents, and complains when it is asked in another way.
_APK = f"""
mkdir -p /var/cache/apk
touch -d @{DAY} /var/cache/apk/APKINDEX.0123abcd.tar.gz
printf 'busybox=1.37.0-r18 dropbear\\n' > /etc/apk/world
cat > /sbin/apk <<'END'
#!/bin/sh
[ "$*" = "--no-network version -l <" ] || exit 1
echo 'Installed:                                Available:'
echo 'busybox-1.37.0-r18                      < 1.37.0-r19 '
END
chmod 755 /sbin/apk
"""


@pytest.mark.lab
def test_alpines_own_files_are_read_by_busybox_alone(own_host: OwnHostFactory) -> None:
    facts = ask_host(own_host("busybox", setup=_APK), probes=("apk",)).facts("apk")
    assert isinstance(facts, ApkFacts)
    assert (facts.installed, facts.repositories, facts.tied) == (5, ("v3.22/main",), {"busybox"})
    assert facts.indexes == (datetime.fromtimestamp(DAY, tz=UTC),)
    assert [it.offered for it in facts.upgrades] == ["1.37.0-r19"]
