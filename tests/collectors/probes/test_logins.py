"""Records of log-ins: files of every width, in several shells, against last(1) and lastlog(8)."""

import sqlite3
import struct
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.evidence import Reason
from collectors.facts import read_fact
from collectors.framing import parse_stream
from collectors.probes.logins import PROBE, LastLogIn, LoginsFacts, OpenSession
from collectors.script import ENVIRONMENT, Parameters, compose
from config.errors import ParseError
from tests.checks.account_facts import evidence_of
from tests.collectors.probes.asked import Answer
from tests.collectors.probes.fixed_paths import _COVER

BOUNDARY = "0123456789abcdef" * 2
SHELLS = ("dash", "bash", "bash --posix", "busybox ash")
NAMES = ("tanaka", "sato", "a-name-that-is-longer-than-utmp-knows")
NOON = int(datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp())
_LINKS = "for tool in awk cat fold head od sort stat tail tr uname wc; do ln -s /usr/bin/busybox $tool; done"


def record(name: str, seconds: int, *, kind: int = 7, width: int = 384, **more: int | str) -> bytes:
    """One struct utmp of x86-64, or of an architecture with 64 bits of time."""
    order = str(more.get("order", "<"))
    head = struct.pack(
        order + "hxxi32s4s32s256shh",
        kind, int(more.get("pid", 1)), str(more.get("line", "pts/0")).encode(), b"ts/0",
        name.encode(), str(more.get("host", "CANARY-HOST")).encode(), 0, 0,
    )  # fmt: skip
    times = struct.pack(order + ("iii" if width == 384 else "qqq"), 0, seconds, 5)
    return (head + times + b"\x0a\x4d\x00\x09" + bytes(12)).ljust(width, b"\0")


def last_record(seconds: int, line: str = "pts/3", width: int = 292) -> bytes:
    """One struct lastlog."""
    times = struct.pack("<i" if width == 292 else "<q", seconds)
    return times + line.encode().ljust(32, b"\0") + b"CANARY-HOST".ljust(256, b"\0")


def _run(
    folder: Path, setup: str = "", shell: str = "dash", user: str = "", names: tuple[str, ...] = NAMES
) -> Answer:
    """Ask on this machine, with the files of `folder` in their places."""
    script = compose([PROBE], Parameters(names=names), BOUNDARY)
    path = f"PATH={folder}/bin:{ENVIRONMENT['PATH']}"
    env = " ".join((*(f"{key}={value}" for key, value in ENVIRONMENT.items()), path))
    drop = f"setpriv --reuid={user} --regid={user} --clear-groups " if user else ""
    (folder / "bin").mkdir(exist_ok=True)
    # First the accounts: useradd(8) empties their record of lastlog.
    place = (
        "useradd -u 12003 tanaka; useradd -u 12001 sato\n"
        f"cp -a {folder}/log/. /var/log/; cp -a {folder}/run/. /run/; cp -a {folder}/lib/. /var/lib/\n"
    )
    for kind in ("log", "run", "lib"):
        (folder / kind).mkdir(exist_ok=True)
    outer = f"{_COVER}\n{place}{setup}\ncd /\nexec {drop}env -i {env} {shell} -s"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", outer], input=script, capture_output=True, check=True, timeout=60
    )
    return Answer(done.stdout, BOUNDARY)


def _facts(answer: Answer) -> LoginsFacts:
    facts = answer.facts("logins")
    assert isinstance(facts, LoginsFacts)
    return facts


def _put(folder: Path, name: str, raw: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(raw)


def _wtmp(width: int = 384, order: str = "<") -> bytes:
    def of(name: str, seconds: int, kind: int = 7, line: str = "pts/0") -> bytes:
        return record(name, seconds, kind=kind, width=width, order=order, line=line)

    return b"".join(
        (
            of("reboot", NOON, 2, "~"),
            of("tanaka", NOON),
            of("mori", NOON + 1, line="CANARY-LINE"),
            of("tanaka", NOON + 60, line="tty1"),
            of("", NOON + 90, 8),
            of("tanaka", NOON + 99, 8),
            of("sato-the-second", NOON + 100),
        )
    )


TANAKA = LastLogIn(name="tanaka", at=datetime(2026, 11, 1, 12, 1, tzinfo=UTC), source="wtmp", line="tty1")


@pytest.mark.parametrize(("width", "order"), [(384, "<"), (400, "<"), (384, ">")])
def test_the_last_log_in_is_read_from_both_widths_of_the_record(
    tmp_path: Path, width: int, order: str
) -> None:
    """Widths: x86-64 and aarch64 (documented, not run there); the file says which it is."""
    _put(tmp_path, "log/wtmp", _wtmp(width, order))
    facts = _facts(_run(tmp_path))
    assert facts.log_ins == (TANAKA,)
    assert facts.unread == {}


@pytest.mark.parametrize("count", [25, 50])
@pytest.mark.parametrize("width", [384, 400])
def test_a_size_that_fits_both_widths_is_told_by_what_is_in_it(
    tmp_path: Path, width: int, count: int
) -> None:
    """9600 bytes are 25 records of 384 and 24 of 400."""
    rows = [
        record("tanaka" if n % 3 else "a", NOON + n, width=width) for n in range(9_600 * count // 25 // width)
    ]
    _put(tmp_path, "log/wtmp", b"".join(rows))
    (found,) = _facts(_run(tmp_path)).log_ins
    assert found.at is not None
    last = max(n for n in range(len(rows)) if n % 3)
    assert int(found.at.timestamp()) == NOON + last


def test_the_last_of_each_rotated_file_is_told_packed_or_not(tmp_path: Path) -> None:
    _put(tmp_path, "log/wtmp", record("sato", NOON))
    _put(tmp_path, "log/wtmp.1", record("sato", NOON - 9) + record("tanaka", NOON - 8))
    _put(tmp_path, "log/wtmp.2", record("sato", NOON - 99) + record("mori", NOON - 90))
    setup = "gzip wtmp.2; mkfifo wtmp.3; : > wtmp.4; cp wtmp wtmp.db"
    answer = _run(tmp_path, setup)
    facts = _facts(answer)
    assert answer.done
    assert [(it.name, it.at and int(it.at.timestamp()) - NOON) for it in facts.log_ins] == [
        ("sato", -99), ("sato", -9), ("tanaka", -8), ("sato", 0),
    ]  # fmt: skip
    assert facts.unread == {"wtmp": Reason.UNPARSABLE}


def test_nobody_elses_record_and_no_address_leaves_the_host(tmp_path: Path) -> None:
    _put(tmp_path, "log/wtmp", _wtmp() + record("mori", NOON + 999) * 5)
    _put(tmp_path, "run/utmp", record("mori", NOON) + record("tanaka", NOON))
    _put(tmp_path, "log/lastlog", bytes(292 * 12_003) + last_record(NOON))
    stream = _run(tmp_path).stream
    assert b"tanaka" in stream
    for planted in (b"CANARY", b"mori", b"0a4d0009", b"CANARY".hex().encode(), b"mori".hex().encode()):
        assert planted not in stream


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gives_the_same_payload(tmp_path: Path, shell: str) -> None:
    """Busybox with its own applets as well."""
    _put(tmp_path, "log/wtmp", _wtmp() + record("sato", NOON))
    _put(tmp_path, "run/utmp", record("sato", NOON) + record("tanaka", NOON, pid=4_000_000))
    _put(tmp_path, "log/lastlog", bytes(292 * 12_003) + last_record(NOON))
    _put(tmp_path, "run/systemd/sessions/1", _session("tanaka"))
    expected = _run(tmp_path)
    assert len(_facts(expected).log_ins) == 3
    if shell == "busybox ash":
        (tmp_path / "bin").mkdir(exist_ok=True)
        subprocess.run(["sh", "-c", _LINKS], cwd=tmp_path / "bin", check=True)
    answer = _run(tmp_path, shell=shell)
    assert [(it.name, it.state, it.raw) for it in answer.sections["logins"].parts] == [
        (it.name, it.state, it.raw) for it in expected.sections["logins"].parts
    ]


def test_last_and_lastlog_say_the_same(tmp_path: Path) -> None:
    """Oracles: last(1) and lastlog(8) over the same files."""
    _put(tmp_path, "log/wtmp", _wtmp())
    _put(
        tmp_path,
        "log/lastlog",
        bytes(292 * 12_001) + last_record(NOON + 7, "tty2") + bytes(292) + last_record(NOON),
    )
    oracles = (
        "export TZ=UTC0 LC_ALL=C\nlast -F -f /var/log/wtmp tanaka | head -1\nlastlog -u sato | tail -1\n"
    )
    said = subprocess.run(
        ["unshare", "--mount", "sh", "-c",
         f"{_COVER}\nuseradd -u 12001 sato 2>/dev/null\ncp {tmp_path}/log/* .\n{oracles}"],
        capture_output=True, check=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    assert said[0].split()[:2] == ["tanaka", "tty1"]
    assert "Sun Nov  1 12:01:00 2026" in said[0]
    assert "Sun Nov  1 12:00:07 +0000 2026" in said[1]
    found = {(it.source, it.name): it for it in _facts(_run(tmp_path)).log_ins}
    assert found["wtmp", "tanaka"] == TANAKA
    assert found["lastlog", "sato"].at == datetime(2026, 11, 1, 12, 0, 7, tzinfo=UTC)
    assert found["lastlog", "sato"].line == "tty2"


def test_a_lastlog_of_64_bit_times_is_read_by_its_size(tmp_path: Path) -> None:
    _put(tmp_path, "log/lastlog", bytes(296 * 12_003) + last_record(NOON, width=296))
    (found,) = _facts(_run(tmp_path)).log_ins
    assert (found.name, found.at, found.source) == (
        "tanaka",
        datetime(2026, 11, 1, 12, tzinfo=UTC),
        "lastlog",
    )


@pytest.mark.parametrize("raw", [b"", bytes(292 * 12_004), b"x" * 100])
def test_who_never_logged_in_has_no_record_and_an_odd_file_is_unread(tmp_path: Path, raw: bytes) -> None:
    _put(tmp_path, "log/lastlog", raw)
    facts = _facts(_run(tmp_path))
    assert facts.log_ins == ()
    assert facts.unread == ({"lastlog": Reason.UNDETERMINED} if len(raw) == 100 else {})


@pytest.mark.parametrize("seconds", [0, 5, -1, 2**31 - 1])
def test_a_time_that_no_clock_showed_is_none(tmp_path: Path, seconds: int) -> None:
    """L17: before the clock was set, or torn."""
    _put(tmp_path, "log/wtmp", record("tanaka", seconds))
    (found,) = _facts(_run(tmp_path)).log_ins
    assert (found.at is None) is (seconds != 2**31 - 1)


def test_two_long_names_that_utmp_cannot_tell_apart_are_nobodys(tmp_path: Path) -> None:
    long = NAMES[2]
    _put(tmp_path, "log/wtmp", record(long[:32], NOON))
    assert [it.name for it in _facts(_run(tmp_path)).log_ins] == [long]
    assert _facts(_run(tmp_path, names=(long, long + "-2"))).log_ins == ()


# --- data bases


def _bases(folder: Path) -> None:
    for name in ("lib/wtmpdb", "lib/lastlog"):
        (folder / name).mkdir(parents=True)
    with sqlite3.connect(folder / "lib/wtmpdb/wtmp.db") as base:
        base.execute(
            "CREATE TABLE wtmp(ID INTEGER PRIMARY KEY, Type INTEGER, User TEXT NOT NULL, Login INTEGER,"
            " Logout INTEGER, TTY TEXT, RemoteHost TEXT, Service TEXT) STRICT"
        )
        rows = [
            (3, "tanaka", NOON * 10**6, "pts/1"), (3, "tanaka", (NOON + 60) * 10**6, "tty1"),
            (3, "mori", NOON * 10**6, "CANARY"), (1, "reboot", NOON * 10**6, "~"),
        ]  # fmt: skip
        base.executemany("INSERT INTO wtmp(Type, User, Login, TTY) VALUES (?, ?, ?, ?)", rows)
    with sqlite3.connect(folder / "lib/lastlog/lastlog2.db") as base:
        base.execute(
            "CREATE TABLE Lastlog2(Name TEXT PRIMARY KEY, Time INTEGER, TTY TEXT, RemoteHost TEXT,"
            " Service TEXT) STRICT"
        )
        base.executemany(
            "INSERT INTO Lastlog2(Name, Time, TTY) VALUES (?, ?, ?)",
            [("sato", NOON, None), ("mori", NOON, "CANARY")],
        )


def test_data_bases_are_read_with_sqlite3(tmp_path: Path) -> None:
    _bases(tmp_path)
    answer = _run(tmp_path)
    facts = _facts(answer)
    assert [(it.name, it.source, it.line) for it in facts.log_ins] == [
        ("sato", "lastlog2.db", "?"), ("tanaka", "wtmp.db", "tty1"),
    ]  # fmt: skip
    assert [it.at and int(it.at.timestamp()) - NOON for it in facts.log_ins] == [0, 60]
    assert facts.unread == {}
    assert b"CANARY" not in answer.stream
    assert b"mori" not in answer.stream


def test_without_a_tool_a_data_base_is_unread_and_never_empty(tmp_path: Path) -> None:
    """A16: a missing tool is no answer; nor is one that fails."""
    _bases(tmp_path)
    (tmp_path / "lib/wtmpdb/wtmp.db").write_bytes(b"SQLite format 3\0" + b"x" * 4_000)
    assert _facts(_run(tmp_path)).unread == {"wtmp.db": Reason.FAILED}
    cover = "mount --bind /dev/null /usr/bin/sqlite3"
    facts = _facts(_run(tmp_path, cover))
    assert facts.log_ins == ()
    assert facts.unread == {"wtmp.db": Reason.NO_TOOL, "lastlog2.db": Reason.NO_TOOL}


# --- sessions


def _session(name: str, kind: str = "user", state: str = "active", service: str = "sshd") -> bytes:
    return (
        f"# This is private data. Do not parse.\nUID=12003\nUSER={name}\nACTIVE=1\nSTATE={state}\nREMOTE=1\n"
        f"TYPE=tty\nCLASS={kind}\nREMOTE_HOST=CANARY\nSERVICE={service}\nLEADER=1\nREALTIME={NOON}000000\n"
    ).encode()


def test_open_sessions_are_those_with_a_process_and_those_that_logind_keeps(tmp_path: Path) -> None:
    """As who(1): what a crash left in utmp is no session. A closing session still holds processes."""
    utmp = record("tanaka", NOON, pid=1) + record("sato", NOON, pid=4_100_000) + record("", NOON, kind=8)
    _put(tmp_path, "run/utmp", utmp)
    for number, text in enumerate(
        (
            _session("sato", state="closing"),
            _session("tanaka", "manager"),
            _session("mori"),
            _session("sato", "background"),
        )
    ):
        _put(tmp_path, f"run/systemd/sessions/c{number}", text)
    answer = _run(tmp_path, "mkfifo /run/systemd/sessions/c1.ref")
    since = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert _facts(answer).sessions == (
        OpenSession(name="sato", since=since, source="logind", line="sshd"),
        OpenSession(name="tanaka", since=since, source="utmp", line="pts/0"),
    )
    assert b"CANARY" not in answer.stream


def test_what_may_not_be_read_is_denied(tmp_path: Path) -> None:
    """Criterion 10."""
    _put(tmp_path, "log/wtmp", _wtmp())
    _put(tmp_path, "run/utmp", _wtmp())
    facts = _facts(_run(tmp_path, "chmod 600 /var/log/wtmp /run/utmp", user="65534"))
    assert facts.unread == {"wtmp": Reason.DENIED, "utmp": Reason.DENIED}
    assert (facts.log_ins, facts.sessions) == ((), ())


def test_nobody_asked_is_nothing_read(tmp_path: Path) -> None:
    _put(tmp_path, "log/wtmp", _wtmp())
    assert [it.name for it in _run(tmp_path, names=()).sections["logins"].parts] == ["asked"]


# --- the reader


@cache
def _whole() -> Answer:
    rows = (
        b"R 384 "
        + (record("sato", NOON)[:76] + record("sato", NOON)[336:348]).hex().encode()
        + b" yes\nN 384\nS 0\n"
    )
    parts = (
        (b"asked", b"sato\n"), (b"logind", b"user\tactive\tsshd\t1\tsato\n"),
        (b"utmp", rows), (b"wtmp x", rows),
        (b"lastlog", b"L 292 sato\n" + b" 01" * 16 + b"\n" + b" 00" * 16 + b"\n 00 00 00 00\nS 0\n"),
        (b"wtmp.db", b"D\t1793534400\tpts/0\tsato\nS 0\n"),
    )  # fmt: skip
    body = b"".join(b"\n@%s part s=read f=%s\n%s" % (BOUNDARY.encode(), name, raw) for name, raw in parts)
    head = b"\n@%s hello v=1 uid=0 epoch=1\n\n@%s begin s=logins t=1\n" % ((BOUNDARY.encode(),) * 2)
    tail = b"\n@%s end s=logins t=2 rc=0 n=%d\n" % (BOUNDARY.encode(), len(body))
    return Answer(head + body + tail, BOUNDARY)


def test_rows_that_are_fewer_than_counted_are_corrupt() -> None:
    facts = _facts(_whole())
    assert len(facts.log_ins) == 3
    assert facts.unread == {}
    cut = _whole().stream.replace(b"N 384", b"N 384\nN 384")
    section = parse_stream(cut, BOUNDARY, {"logins": 99_999}).sections[0]
    assert PROBE.parse(section).unread == {"utmp": Reason.CORRUPT, "wtmp": Reason.CORRUPT}


def test_a_cut_answer_is_unknown() -> None:
    whole = _whole()
    for length in range(60, len(whole.stream) - 40, 7):
        assert not hasattr(read_fact(PROBE, evidence_of(whole.cut(length))), "value")


@given(st.integers(0, 2_000), st.binary(max_size=60))
def test_any_bytes_are_facts_or_a_parse_error(where: int, raw: bytes) -> None:
    stream = _whole().stream[:where] + raw + _whole().stream[where:]
    for section in parse_stream(stream, BOUNDARY, {"logins": 99_999}).sections:
        with suppress(ParseError):
            PROBE.parse(section)
