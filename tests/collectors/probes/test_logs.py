"""The reader of the section `logs`: captures of real answers, and whatever bytes may come."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.evidence import Part, Reason, Section, SectionState
from collectors.framing import parse_stream
from collectors.probes import logs
from collectors.probes.logs import Forward, Journal, LogFile, LogsFacts
from config.errors import ParseError

CAPTURES = Path(__file__).parent / "logs"
BOUNDARY = "0123456789abcdef" * 2
NAMES = (
    "clock",
    "/etc/logrotate.conf",
    "/etc/logrotate.d/a",
    "rotation",
    "files",
    "folders",
    "/etc/systemd/journald.conf",
    "journal",
    "forwards",
    "audit",
    "wtmpdb",
)
EMPTY = {"clock": b"+0900 1767900000\n", "journal": b"persistent absent 0 0\nvolatile absent 0 0\n"}


def section(**parts: bytes) -> Section:
    whole = {name: EMPTY.get(name, b"") for name in NAMES} | {
        name.replace("__", "/").replace("_conf", ".conf"): raw for name, raw in parts.items()
    }
    return Section(
        name="logs",
        state=SectionState.ENDED,
        exit=0,
        parts=tuple(Part.of(name, "read", raw) for name, raw in whole.items()),
    )


def row(path: str, stamp: str, modified: datetime, *, status: str = "0", size: int = 500) -> str:
    fields = (
        stamp, "?", "?", status, "auth", "read", str(int(modified.timestamp())), str(size), "root", "adm",
        "640", path,
    )  # fmt: skip
    return "\t".join(fields)


def files(*rows: str, zone: bytes = b"+0000 1767900000\n") -> dict[str, LogFile]:
    known = logs.parse(section(files="\n".join(rows).encode(), clock=zone))
    return {file.path.rpartition("/")[2]: file for file in known.files}


def journal(conf: bytes = b"", journal: bytes = b"", **parts: bytes) -> Journal:
    said = journal or EMPTY["journal"]
    return logs.parse(section(__etc__systemd__journald_conf=conf, journal=said, **parts)).journal


@pytest.mark.parametrize("name", ["year-turn", "permission-denied"])
def test_a_captured_answer_gives_these_facts(name: str) -> None:
    stream = (CAPTURES / f"{name}.txt").read_bytes()
    parsed = parse_stream(stream, BOUNDARY, {"logs": logs.PROBE.cap_bytes})
    facts = logs.parse(parsed.sections[0])
    expected = msgspec.json.decode((CAPTURES / f"{name}.json").read_bytes(), type=LogsFacts)
    assert facts == expected


JAN = datetime(2026, 1, 8, 6, 25, tzinfo=UTC)


def test_the_year_goes_back_from_the_files_last_change() -> None:
    found = files(
        row("/var/log/auth.log", "Jan  5 06:25:00", JAN),
        row("/var/log/auth.log.1", "Dec 29 06:25:00", datetime(2026, 1, 4, tzinfo=UTC)),
    )
    assert found["auth.log.1"].first == datetime(2025, 12, 29, 6, 25, tzinfo=UTC)


def test_stamps_without_a_zone_are_in_the_hosts_own() -> None:
    found = files(row("/var/log/auth.log", "Jan  5 06:25:00", JAN), zone=b"+0900 1767900000\n")
    assert found["auth.log"].first == datetime(2026, 1, 4, 21, 25, tzinfo=UTC)


def test_a_restored_file_is_dated_only_when_the_order_agrees() -> None:
    """`cp` without -p gave it today's time: the year cannot be told, so none is invented."""
    found = files(
        row("/var/log/auth.log", "Jan  5 06:25:00", JAN),
        row("/var/log/auth.log.1", "Dec 29 06:25:00", JAN),
        row("/var/log/auth.log.2.gz", "Jan  7 06:25:00", JAN),
    )
    assert found["auth.log.1"].first == datetime(2025, 12, 29, 6, 25, tzinfo=UTC)
    assert found["auth.log.2.gz"].first is None
    assert found["auth.log.2.gz"].undated is Reason.UNDETERMINED


def test_the_day_in_a_name_bounds_the_year_of_a_restored_file() -> None:
    found = files(row("/var/log/auth.log-20250301.gz", "Feb 22 06:25:00", JAN))
    assert found["auth.log-20250301.gz"].first == datetime(2025, 2, 22, 6, 25, tzinfo=UTC)
    found = files(row("/var/log/auth.log-20250301.gz", "Nov 22 06:25:00", JAN))
    assert found["auth.log-20250301.gz"].first == datetime(2024, 11, 22, 6, 25, tzinfo=UTC)


def test_rotated_files_are_in_order_whatever_their_names() -> None:
    made = {"auth.log.10": 1, "auth.log.9.gz": 2, "auth.log": 9, "auth.log.2": 8}
    rows = [row(f"/var/log/{name}", "?", datetime(2026, 1, day, tzinfo=UTC)) for name, day in made.items()]
    known = logs.parse(section(files="\n".join(rows).encode()))
    names = [file.path.removeprefix("/var/log/") for file in known.files]
    assert names == ["auth.log", "auth.log.2", "auth.log.9.gz", "auth.log.10"]
    assert {file.series for file in known.files} == {"/var/log/auth.log"}
    assert [file.rotated for file in known.files] == [False, True, True, True]


def test_a_file_in_another_folder_belongs_to_its_log() -> None:
    """`olddir` of logrotate moves rotated files."""
    assert files(row("/srv/old/auth.log.1", "?", JAN))["auth.log.1"].series == "/var/log/auth.log"


def test_a_log_that_is_begun_anew_each_day_is_one_log() -> None:
    """Else each day would be a log that was never rotated, and none of them short."""
    names = (
        "access-2026-01-07.log",
        "access-2026-01-06.log.gz",
        "access-2025-12-31.log.gz",
        "access-2026-13-01.log",
    )
    rows = [row(f"/srv/app/{name}", "?", JAN).replace("auth", "/srv/app/*") for name in names]
    known = logs.parse(section(files="\n".join(rows).encode()))
    found = {file.path.rpartition("/")[2]: file for file in known.files}
    assert [found[name].series for name in names[:3]] == ["/srv/app/access-*.log"] * 3
    assert [file.path for file in known.files if file.rotated] == [f"/srv/app/{name}" for name in names[:3]]
    assert found[names[3]].series == f"/srv/app/{names[3]}"


@pytest.mark.parametrize(
    ("stamp", "status", "size", "undated"),
    [
        ("?", "0", 500, Reason.UNPARSABLE),
        ("?", "0", 0, None),
        ("?", "0", 15, None),
        ("?", "0", 16, Reason.UNPARSABLE),
        ("-", "0", 500, Reason.UNPARSABLE),
        ("?", "no_tool", 500, Reason.NO_TOOL),
        ("1970-01-01T00:00:05Z", "0", 500, Reason.UNPARSABLE),
        ("Feb 31 01:02:03", "0", 500, Reason.UNPARSABLE),
        ("Jan  5 06:25:00", "0", 500, None),
    ],
)
def test_a_file_without_a_date_says_why(stamp: str, status: str, size: int, undated: Reason | None) -> None:
    found = files(row("/var/log/auth.log", stamp, JAN, status=status, size=size))
    assert found["auth.log"].undated is undated


def test_a_rotation_of_a_missing_logrotate_is_a_dead_letter() -> None:
    conf = b"weekly\nrotate 4\n/var/log/wtmp {\n}\n"
    with_tool = logs.parse(section(__etc__logrotate_conf=conf, rotation=b"tool yes\n"))
    without = logs.parse(section(__etc__logrotate_conf=conf, rotation=b"tool no\n"))
    assert [rotation.log for rotation in with_tool.rotations] == ["/var/log/wtmp"]
    assert without.rotations == ()
    vendor = logs.parse(section(__etc__logrotate_conf=conf, rotation=b"tool yes\nvendor yes\n"))
    assert (with_tool.rotation_hidden, vendor.rotation_hidden) == (None, Reason.NOT_COLLECTED)


def test_drop_ins_of_journald_override_in_the_order_of_their_names() -> None:
    parts = {
        "__etc__systemd__journald.conf.d/20.conf": b"[Journal]\nStorage=volatile\n",
        "__usr__lib__systemd__journald.conf.d/30.conf": b"[Journal]\nMaxRetentionSec=90day\n",
        "__usr__lib__systemd__journald.conf.d/20.conf": b"[Journal]\nStorage=none\n",
    }
    found = journal(b"[Journal]\nStorage=persistent\nMaxRetentionSec=1year\n", **parts)
    assert (found.storage, found.max_retention_s) == ("volatile", 90 * 86_400)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"1year", 31_557_600),
        (b"12month", 12 * 2_629_800),
        (b"2 weeks 3d", 17 * 86_400),
        (b"3600", 3_600),
        (b"0", None),
        (b"", None),
        (b"forever", None),
        (b"5 moons", None),
    ],
)
def test_the_journals_time_limit_is_read_as_systemd_does(text: bytes, seconds: int | None) -> None:
    assert journal(b"[Journal]\nMaxRetentionSec=" + text + b"\n").max_retention_s == seconds


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        (b"persistent read 2 2\nlogin-status 0\nauth-status 1\nlast-status 0", None),
        (b"persistent read 2 1", Reason.DENIED),
        (b"persistent denied 0 0", Reason.DENIED),
        (b"persistent read 2 2\ntool no", Reason.NO_TOOL),
        (b"persistent read 2 2\nlogin-status 0\nauth-status 124\nlast-status 0", Reason.TIMEOUT),
        (b"persistent read 2 2\nlogin-status 0\nauth-status 6\nlast-status 0", Reason.FAILED),
        (b"persistent read 2 2", Reason.FAILED),
    ],
)
def test_a_journal_that_was_not_read_says_why(said: bytes, hidden: Reason | None) -> None:
    assert journal(journal=said + b"\nvolatile read 0 0\n").hidden is hidden


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("*.*", True),
        ("auth,authpriv.*", True),
        ("*.info;mail.none", True),
        ("*.*;auth,authpriv.none", False),
        ("mail.*", False),
        ("?", True),
    ],
)
def test_a_forward_carries_log_ins_unless_its_selector_says_no(selector: str, *, expected: bool) -> None:
    assert Forward(daemon="rsyslog", kind="tcp", selector=selector).may_carry_auth is expected


@pytest.mark.parametrize(
    "name", ["clock", "rotation", "files", "folders", "journal", "forwards", "audit", "wtmpdb"]
)
def test_a_missing_part_is_no_answer(name: str) -> None:
    whole = section()
    less = msgspec.structs.replace(whole, parts=tuple(part for part in whole.parts if part.name != name))
    with pytest.raises(ParseError, match=name):
        logs.parse(less)


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        row("/var/log/auth.log", "?", JAN).replace("640", "9"),
        row("x", "?", JAN).replace("read", "red"),
    ],
)
def test_a_torn_line_names_its_place(line: str) -> None:
    with pytest.raises(ParseError, match="files line 2"):
        files(row("/var/log/auth.log", "?", JAN), line)


_STAMPED = rb"[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}\t.*\t.*\t0\tauth\tread\t[0-9]{1,12}"
_PIECE = st.one_of(
    st.binary(max_size=80),
    st.from_regex(_STAMPED, fullmatch=True),
    st.sampled_from(
        [
            b"\t", b"\n", b"?\t?\t?\t0\tauth\tread\t1\t2\tr\ta\t640\t/var/log/auth.log\n",
            b"first 99999999999\n", b"persistent read 1 1\n", b"volatile read 0 0\n", b"+0900 1767900000\n",
            b"tool yes\n", b"/var/log/x {\n", b"}",
        ]
    ),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    st.dictionaries(st.sampled_from(NAMES), st.lists(_PIECE, max_size=6).map(b"".join), max_size=len(NAMES))
)
def test_any_bytes_give_facts_or_a_parse_error(parts: dict[str, bytes]) -> None:
    whole = {name: parts.get(name, EMPTY.get(name, b"")) for name in NAMES}
    answer = Section(
        name="logs",
        state=SectionState.ENDED,
        exit=0,
        parts=tuple(Part.of(name, "read", raw) for name, raw in whole.items()),
    )
    try:
        assert isinstance(logs.parse(answer), LogsFacts)
    except ParseError:
        return
