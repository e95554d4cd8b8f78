"""The reader of the section `rpm`, on hand-made answers: dates, streams, copies, cuts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.evidence import Part, Reason, Section, SectionState
from collectors.facts import WithheldError
from collectors.probes.rpm import PROBE, Advisories, RpmFacts
from collectors.probes.rpm_updates import date
from config.errors import ParseError

CACHE = "/var/cache/dnf/baseos-93ef0015ed0ae167/repodata"
UPDATES = f"{CACHE}/aa-updateinfo.xml.gz"
DAY = 1_790_000_000
METADATA = f"R\t{CACHE}/repomd.xml\nV\t9.6\nU\t4000\taa-updateinfo.xml.gz\nV\t{DAY}\nE\n"
TIMES = f"{DAY + 60} {CACHE}/repomd.xml\n{DAY + 90} {CACHE}/bb-primary.xml.gz\n"
JOIN = (
    "D\t0\t12\n"
    "A\tALSA-2\t2026-11-22 08:58:24\tImportant\tfinal\n"
    "P\tcurl\tnoarch\t0\t7.76.1\t29.el9_4.1\t-\n"
    "A\tALSA-1\t2026-08-27\tLow\tfinal\n"
    "P\tcurl\tnoarch\t0\t7.76.1\t29.el9_4.0.1\t-\n"
    "A\tALSA-0\t?\tLow\tfinal\n"
    "P\tcurl\tnoarch\t0\t7.76.1\t29.el9_4\t-\n"
    f"L\t0\t4000\t1\t6\t4\t{UPDATES}\n"
    "I\tcurl\tnoarch\t0\t7.76.1\t29.el9_4\t1735117105\n"
    "K\tkernel-core\tx86_64\t0\t5.14.0\t427.el9\t1735117105\n"
)


def section(**parts: str | tuple[str, str]) -> Section:
    usual: dict[str, str | tuple[str, str]] = {
        "repo:/etc/dnf/dnf.conf": "[main]\n",
        "repo:/etc/yum.repos.d/alma.repo": "[baseos]\nenabled=1\n[source]\nenabled=0\n",
        "modules": "",
        "cache:/var/cache/dnf": "",
        "cache:/var/cache/zypp/raw": ("absent", ""),
        "metadata": METADATA,
        "times": TIMES,
        "join": JOIN,
    }
    usual |= {name.replace("__", "/"): value for name, value in parts.items()}
    return Section(
        name="rpm",
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


def facts(**parts: str | tuple[str, str]) -> RpmFacts:
    return PROBE.parse(section(**parts))


def test_the_oldest_missing_advisory_dates_the_fix_and_the_highest_version_is_offered() -> None:
    (fix,) = facts().fixes
    assert fix.advisories == ("ALSA-1", "ALSA-2")
    assert fix.issued == datetime(2026, 8, 27, tzinfo=UTC)
    assert (fix.installed, fix.offered, fix.newer) == ("7.76.1-29.el9_4", "7.76.1-29.el9_4.1", True)


def test_an_advisory_without_a_date_does_not_hide_the_age_of_another() -> None:
    (fix,) = facts(join=JOIN.replace("2026-11-22 08:58:24", "?")).fixes
    assert fix.issued == datetime(2026, 8, 27, tzinfo=UTC)
    (fix,) = facts(join=JOIN.replace("2026-11-22 08:58:24", "?").replace("2026-08-27", "-")).fixes
    assert fix.issued is None


def test_of_several_installed_versions_the_newest_counts() -> None:
    """Kernels lie beside each other; the old ones lack no fix."""
    newer = "I\tcurl\tnoarch\t0\t7.76.1\t29.el9_4.1\t1735117105\n"
    assert facts(join=JOIN + newer).fixes == ()


def test_a_retracted_advisory_offers_nothing() -> None:
    assert facts(join=JOIN.replace("final", "retracted")).fixes == ()


def test_a_version_that_cannot_be_read_leaves_the_package_open() -> None:
    (fix,) = facts(join=JOIN.replace("29.el9_4.1", "?").replace("29.el9_4.0.1", "? x")).fixes
    assert fix.newer is None


@pytest.mark.parametrize(
    ("release", "modules", "streams", "newer"),
    [
        ("1.el9", "nodejs:18", "18", True),
        ("1.el9", "nodejs:18", "16", None),
        ("1.el9", "nodejs:18", "", None),
        # Built for a module that is not enabled: it may come from a default stream.
        ("1.module+el8", "nodejs:18", "", False),
        ("1.module+el8", "nodejs:18", "16", None),
        ("1.module+el8", "nodejs:18", "denied", False),
        ("1.el9", "nodejs:18", "denied", None),
        ("1.el9", "nodejs:16 nodejs:18", "18", True),
    ],
)
def test_an_advisory_of_a_module_counts_where_its_stream_is_enabled(
    release: str, modules: str, streams: str, *, newer: bool | None
) -> None:
    """`True`: the fix is missing; `False`: that cannot be told; `None`: it is not for this host."""
    join = JOIN.replace("29.el9_4\t1735117105", f"{release}\t1735117105").replace("\t-\n", f"\t{modules}\n")
    module = f"[nodejs]\nstream={streams}\nstate=enabled\n"
    found = facts(
        join=join.replace("29.el9_4", "29.module"),
        **{
            "modules": ("denied" if streams == "denied" else "read", ""),
            **({"__etc__dnf__modules.d__nodejs.module": module} if streams.isdigit() else {}),
        },
    ).fixes  # fmt: skip
    assert [bool(fix.newer) for fix in found] == ([] if newer is None else [newer])


def test_the_content_dates_a_repository_and_its_files_say_when_they_were_fetched() -> None:
    (repository,) = facts().repositories
    assert repository.advisories is Advisories.READ
    assert repository.made == datetime.fromtimestamp(DAY, tz=UTC)
    assert repository.fetched == datetime.fromtimestamp(DAY + 90, tz=UTC)
    assert repository.security == 4


def test_of_two_copies_the_younger_counts() -> None:
    """A host that went from dnf 4 to dnf 5 keeps the old cache."""
    other = METADATA.replace("/dnf/", "/libdnf5/").replace(str(DAY), str(DAY + 9_999)).replace("aa-", "cc-")
    (repository,) = facts(metadata=other + METADATA).repositories
    assert repository.advisories is Advisories.MISSING
    assert facts(metadata=other + METADATA).fixes == ()


def test_advisories_that_no_enabled_repository_names_are_no_fixes() -> None:
    assert facts(**{"repo:__etc__yum.repos.d__alma.repo": "[baseos]\nenabled=0\n"}).fixes == ()
    assert facts(metadata=METADATA.replace("aa-", "new-")).fixes == ()


def test_an_override_of_dnf_5_switches_a_repository_off() -> None:
    assert facts(**{"repo:__etc__dnf__repos.override.d__x.repo": "[baseos]\nenabled=0\n"}).repositories == ()


@pytest.mark.parametrize(
    ("more", "advisories"),
    [
        ({"join": JOIN.replace("L\t0\t4000\t1", "L\t0\t4000\t0")}, Advisories.TORN),
        ({"join": JOIN.replace("L\t0\t4000", "L\t0\t3999")}, Advisories.TORN),
        ({"join": JOIN.replace("L\t0\t", "L\t1\t")}, Advisories.TORN),
        ({"join": JOIN.replace("L\t0\t", "L\t124\t")}, Advisories.TORN),
        ({"join": JOIN.replace("L\t0\t", "L\t127\t")}, Advisories.PACKED),
        ({"metadata": METADATA.replace("E\n", "")}, Advisories.TORN),
        ({"metadata": METADATA.replace("U\t4000\taa-updateinfo.xml.gz\n", "")}, Advisories.NONE),
        ({"metadata": METADATA.replace("U\t4000\t", "U\t\t")}, Advisories.READ),
        ({"metadata": ""}, Advisories.UNCACHED),
        ({"metadata": "", "cache:__var__cache__dnf": ("denied", "")}, Advisories.DENIED),
        ({"metadata": "", "cache:__var__cache__zypp__raw": ("denied", "")}, Advisories.UNCACHED),
    ],
)
def test_what_a_repository_publishes_is_told_from_what_is_here(
    more: dict[str, str | tuple[str, str]], advisories: Advisories
) -> None:
    (repository,) = facts(**more).repositories
    assert repository.advisories is advisories
    assert bool(facts(**more).fixes) == (advisories is Advisories.READ)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("1700000000", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02 03:04", datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02 03:04:05 UTC", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-13-02", None),
        ("9.6", None),
        ("", None),
    ],
)
def test_dates_of_all_vendors_are_read(text: str, when: datetime | None) -> None:
    assert date(text) == when


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"rpm": ("absent", "")}, Reason.UNSUPPORTED),
        ({"database": ("absent", "")}, Reason.UNSUPPORTED),
        ({"database": ("denied", "")}, Reason.DENIED),
        ({"join": "D\t1\t0\n"}, Reason.FAILED),
        ({"repo:__etc__dnf__dnf.conf": "[main]\nreposdir=/srv\n"}, Reason.UNSUPPORTED),
    ],
)
def test_what_cannot_be_seen_has_a_reason(parts: dict[str, str | tuple[str, str]], reason: Reason) -> None:
    with pytest.raises(WithheldError) as withheld:
        facts(**parts)
    assert withheld.value.reason is reason


@pytest.mark.parametrize("name", ["modules", "metadata", "times", "join"])
def test_an_answer_without_a_part_is_refused(name: str) -> None:
    whole = section()
    parts = tuple(part for part in whole.parts if part.name != name)
    with pytest.raises(ParseError):
        PROBE.parse(Section(name="rpm", state=SectionState.ENDED, exit=0, parts=parts))


@pytest.mark.parametrize(
    "join",
    [
        "",
        "D\t0\tx\n",
        "D\t0\t1\nX\t1\n",
        "D\t0\t1\nP\tcurl\tnoarch\n",
        JOIN.replace(f"L\t0\t4000\t1\t6\t4\t{UPDATES}\n", ""),
        JOIN.replace("I\tcurl", "I\twget"),
        JOIN.replace("\tcurl\t", "\tc url\t"),
    ],
)
def test_a_join_that_is_not_as_the_probe_writes_it_is_refused(join: str) -> None:
    with pytest.raises(ParseError):
        facts(join=join)


LINES = JOIN.splitlines(keepends=True)


@given(
    st.one_of(
        st.integers(0, len(JOIN)).map(lambda end: JOIN[:end]),
        st.tuples(st.integers(0, len(LINES)), st.integers(0, len(LINES))).map(
            lambda cut: "".join(LINES[: min(cut)] + LINES[max(cut) :])
        ),
    )
)
@settings(max_examples=150)
def test_a_join_without_its_end_or_some_lines_hides_no_fix_behind_whole_advisories(join: str) -> None:
    """Bytes that vanish within a line are told by the section's own length."""
    try:
        found = facts(join=join)
    except ParseError:
        return
    (repository,) = found.repositories
    assert found.fixes == facts().fixes or repository.advisories is not Advisories.READ


@given(
    st.sampled_from(["metadata", "times", "join", "modules", "repo:/etc/yum.repos.d/alma.repo"]),
    st.one_of(st.text(max_size=80), st.text(alphabet="RVUEDAPLIK\t0129.-\n[]=", max_size=80)),
)
@settings(max_examples=200)
def test_any_text_gives_facts_or_a_parse_error(name: str, text: str) -> None:
    try:
        facts(**{name: text})
    except ParseError:
        return
