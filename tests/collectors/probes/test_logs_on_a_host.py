"""The section `logs` on real files, with real tools, in every shell that may be a host's /bin/sh."""

import base64
import lzma
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collectors.evidence import Reason
from collectors.probes import logs
from collectors.probes.logrotate_config import Config
from tests.collectors.probes.fixed_paths import SHELLS, ask
from tests.collectors.probes.made_logs import NOW, ago, facts, files, line, log, write, wtmp

pytestmark = pytest.mark.lab

NOBODY = "65534"

SCENARIO = (
    log("auth.log", ago(2), ago(0.01))
    + log("auth.log.1", ago(9), ago(2))
    + log("auth.log.2", ago(16), ago(9))
    + "gzip auth.log.2\n"
    + log("auth.log.3", ago(23), ago(16))
    + "xz auth.log.3\n"
    + "mkfifo auth.log.4\n"
    + log("auth.log.5 of the old host", ago(40), ago(30))
    + "ln -s /dev/zero auth.log.6\nln -s /nowhere auth.log.7\nmkdir auth.log.8\n"
    + write("auth.log.9", b"x")
    + write("auth.log.10", b"\0\x1b]0;title\x07\xff\xfe" + line(ago(50)).encode(), modified=ago(49))
    + write("auth.log.11", b"not gzip at all, " * 5, modified=ago(60))
    + "mv auth.log.11 auth.log.11.gz\n"
    + write("wtmp", wtmp(ago(400), ago(1)), mode="664")
    + write("wtmp.1", wtmp(datetime(1970, 1, 2, tzinfo=UTC), ago(500)))
    + write("btmp", b"")
    + "printf 'auth,authpriv.* @@archive:514\\n#*.* @old\\n' > /etc/rsyslog.conf\n"
    + "printf '/var/log/auth.log {\\n rotate 60\\n postrotate\\n  SECRET\\n endscript\\n}\\n'"
    + " > /etc/logrotate.d/auth\n"
)


def test_every_shell_gives_the_same_payload() -> None:
    """A host's /bin/sh may be any of them (criterion 3)."""
    answers = [ask(logs.PROBE, SCENARIO, shell=shell, logs=("/var/log/auth.log*",)) for shell in SHELLS]
    for answer in answers[1:]:
        assert answer.payload[1:] == answers[0].payload[1:]
        assert answer.payload[0][:2] == ("clock", "read")
    assert len(facts(answers[0]).files) > 10


@pytest.mark.parametrize("shell", SHELLS)
def test_a_nul_in_a_file_of_logrotate_is_the_same_in_every_shell(shell: str) -> None:
    """Some awks end a line, and some all they read, at a NUL; sh has other awks on other hosts."""
    body = b"/var/log/auth.log {\n\0 weekly\n rotate 5\n olddir /var/log/old\n}\n"
    setup = "mkdir old\n" + log("old/auth.log.1", ago(9), ago(8)) + write("/etc/logrotate.d/a b", body)
    setup += log("auth.log", ago(2), ago(1))
    answer = ask(logs.PROBE, setup, shell=shell)
    part = next(it for it in answer.payload if it[0] == "/etc/logrotate.d/a b")
    assert part[1:] == ("read", body.replace(b"\0", b"?"))
    known = facts(answer)
    assert [(it.rotate, it.every_days) for it in known.rotations if it.log == "/var/log/auth.log"] == [(5, 7)]
    assert "/var/log/old/auth.log.1" in files(answer)


def test_first_stamps_are_found_in_plain_and_compressed_files() -> None:
    found = files(ask(logs.PROBE, SCENARIO))
    assert found["/var/log/auth.log"].first == ago(2)
    assert found["/var/log/auth.log.2.gz"].first == ago(16)
    assert found["/var/log/auth.log.3.xz"].first == ago(23)
    assert found["/var/log/auth.log.3.xz"].first_auth == ago(23)
    assert found["/var/log/auth.log.11.gz"].undated is Reason.CORRUPT


@pytest.mark.parametrize("shell", SHELLS)
def test_a_fifo_named_like_a_rotated_log_does_not_delay_the_run(shell: str) -> None:
    """Criterion 14: opening it would wait for a writer for ever; ask() would time out."""
    answer = ask(
        logs.PROBE, "mkfifo auth.log auth.log.1 wtmp audit.log\n" + log("secure", ago(3), ago(1)), shell=shell
    )
    assert list(files(answer)) == ["/var/log/secure"]


def test_blanks_and_newlines_in_names_are_harmless() -> None:
    setup = log("auth.log.1 copy  of mine", ago(9), ago(2)) + "echo x > 'auth.log.a\nb'\n"
    found = files(ask(logs.PROBE, setup))
    assert found["/var/log/auth.log.1 copy  of mine"].first == ago(9)
    assert found["?"].undated is Reason.UNPARSABLE


def test_only_stamps_leave_the_host() -> None:
    """Criterion 12: a caller who may name log files learns no content of any other file."""
    answer = ask(
        logs.PROBE, SCENARIO + "cp /etc/shadow /etc/shadow.log\n", logs=("/etc/shadow*", "/etc/passwd")
    )
    assert b"SECRET" not in answer.stream
    assert b"root:" not in answer.stream.replace(b"root:root", b"")
    found = files(answer)
    assert found["/etc/shadow"].first is None
    assert found["/etc/shadow"].undated is Reason.UNPARSABLE


def test_a_line_of_five_megabytes_costs_only_its_first_bytes() -> None:
    setup = "head -c 5000000 /dev/zero | tr '\\0' x > auth.log.1\n" + log("auth.log", ago(2), ago(0))
    answer = ask(logs.PROBE, setup)
    assert not answer.section.truncated
    assert files(answer)["/var/log/auth.log.1"].undated is Reason.UNPARSABLE
    assert files(answer)["/var/log/auth.log"].first == ago(2)


def test_only_the_first_sixteen_kilobytes_of_a_compressed_file_are_looked_at() -> None:
    """A small file may unpack to terabytes."""
    stamped = (line(ago(9)) + "\n").encode()
    setup = write("auth.log.1", b"x" * 15_000 + b"\n" + stamped)
    setup += write("auth.log.2", b"x" * 17_000 + b"\n" + stamped)
    found = files(ask(logs.PROBE, setup + "gzip auth.log.*\n"))
    assert found["/var/log/auth.log.1.gz"].first == ago(9)
    assert found["/var/log/auth.log.2.gz"].undated is Reason.UNPARSABLE


def test_the_oldest_record_is_what_the_real_logrotate_left() -> None:
    """Ground truth: thirty weeks of log-ins, rotated by logrotate itself every week, keeping four."""
    setup = (
        "printf '/var/log/auth.log {\\n rotate 4\\n weekly\\n compress\\n delaycompress\\n}\\n'"
        " > /etc/logrotate.d/auth\n"
        "chmod 755 /var/log; chmod 644 /etc/logrotate.d/auth\n"
    )
    for week in range(30, -1, -1):
        setup += log("auth.log", ago(week * 7 + 6.9), ago(week * 7 + 0.1))
        if week:
            setup += "logrotate -s /var/lib/logrotate/status -f /etc/logrotate.conf\n"
    known = facts(ask(logs.PROBE, setup))
    firsts = [file.first for file in known.files if file.family == "auth"]
    assert firsts == [ago(week * 7 + 6.9).replace(microsecond=0) for week in range(5)]
    assert known.run.last_run is not None
    assert [rotation.most_days for rotation in known.rotations if rotation.log == "/var/log/auth.log"] == [35]


def test_the_oldest_record_is_found_across_a_years_turn_without_years_in_the_lines() -> None:
    """Criterion 39: names with dates, gzip, lines of RFC 3164; half of the files are of last year."""
    setup = ""
    for week in range(60):
        last = ago(week * 7 + 0.1)
        name = f"auth.log-{(last + timedelta(days=1)):%Y%m%d}" if week else "auth.log"
        setup += log(name, ago(week * 7 + 6.9), last) + (f"gzip {name}\n" if week > 1 else "")
    found = [file for file in facts(ask(logs.PROBE, setup)).files if file.family == "auth"]
    assert len(found) == 60
    assert found[-1].first == ago(59 * 7 + 6.9).replace(microsecond=0)
    assert found[-1].first < NOW - timedelta(days=365)
    assert sorted(found, key=lambda file: file.modified or NOW, reverse=True) == found
    assert sorted(found, key=lambda file: file.first or NOW, reverse=True) == found


def test_more_than_eighty_files_keep_the_oldest_in_sight() -> None:
    setup = log("auth.log", ago(1), ago(0))
    for day in range(1, 200):
        setup += log(f"auth.log.{day}", ago(day + 1), ago(day))
    found = files(ask(logs.PROBE, setup))
    assert len(found) == 200
    assert found["/var/log/auth.log.199"].first == ago(200)
    assert found["/var/log/auth.log"].last_login == ago(0)
    assert found["/var/log/auth.log.50"].first is None


def test_l12_a_pause_among_more_than_eighty_files_stays_in_sight() -> None:
    setup = log("auth.log", ago(1), ago(0))
    for place, day in enumerate((*range(1, 30), *range(40, 200)), 1):
        setup += log(f"auth.log.{place}", ago(day + 1), ago(day))
    found = files(ask(logs.PROBE, setup))
    assert found["/var/log/auth.log.29"].first == ago(30)
    assert found["/var/log/auth.log.30"].modified == ago(40)


def test_wtmp_gives_its_first_plausible_time_and_nothing_else() -> None:
    answer = ask(logs.PROBE, SCENARIO)
    found = files(answer)
    assert found["/var/log/wtmp"].first == ago(400)
    assert found["/var/log/wtmp.1"].first == ago(500)
    assert b"suzuki" not in answer.stream


def test_who_may_not_read_is_told_so() -> None:
    """Criterion 10 for logs: files of mode 0640, a closed folder, a closed journal."""
    setup = (
        SCENARIO
        + "mkdir -p -m 700 audit; echo x > audit/audit.log\n"
        + "echo feed > /etc/machine-id; mkdir -p journal/feed\n"
        + "echo x > journal/feed/system.journal; chmod 640 journal/feed/system.journal\n"
        + "chmod 600 /etc/logrotate.d/auth; chmod 700 /var/lib/logrotate\n"
    )
    known = facts(ask(logs.PROBE, setup, user=NOBODY))
    by_path = {file.path: file for file in known.files}
    assert by_path["/var/log/auth.log"].undated is Reason.DENIED
    assert by_path["/var/log/auth.log.2.gz"].undated is Reason.DENIED
    assert by_path["/var/log/audit/audit.log"].undated is Reason.DENIED
    assert by_path["/var/log/wtmp"].first == ago(400)
    assert known.journal.hidden is Reason.DENIED
    assert known.rotation_hidden is Reason.DENIED
    assert known.run.hidden


def test_a_folder_that_can_be_entered_but_not_listed_hides_rotated_files() -> None:
    setup = log("auth.log", ago(2), ago(0)) + "chmod 644 auth.log; chmod 711 /var/log\n"
    known = facts(ask(logs.PROBE, setup, user=NOBODY))
    assert {file.undated for file in known.files if file.family == "auth"} == {None, Reason.DENIED}


def test_the_persistent_journals_first_log_in_is_not_its_first_entry() -> None:
    """The journal was written by systemd-journal-remote with known times: start, sshd-session, other."""
    packed = (Path(__file__).parent / "logs/sshd-400-days-ago.journal.xz").read_bytes()
    journal = base64.b64encode(packed).decode()
    machine = "fedcba9876543210fedcba9876543210"
    folder = f"/var/log/journal/{machine}"
    setup = (
        f"echo {machine} > /etc/machine-id; mkdir -p {folder} /etc/systemd/journald.conf.d\n"
        f"echo {journal} | base64 -d | xz -d > {folder}/system.journal\n"
        "printf '[Journal]\\nStorage=persistent\\nMaxRetentionSec=2year\\n'"
        " > /etc/systemd/journald.conf.d/10.conf\n"
    )
    assert len(lzma.decompress(packed)) == 8_388_608
    journal_facts = facts(ask(logs.PROBE, setup)).journal
    written = datetime.fromtimestamp(1_795_392_000, tz=UTC)
    assert journal_facts.persistent
    assert journal_facts.hidden is None
    assert journal_facts.first_auth == written - timedelta(days=400)
    assert journal_facts.last == written - timedelta(hours=1)
    assert (journal_facts.storage, journal_facts.max_retention_s) == ("persistent", 2 * 31_557_600)
    other = facts(
        ask(logs.PROBE, f"{setup}echo 0123456789abcdef0123456789abcdef > /etc/machine-id\n")
    ).journal
    assert (other.persistent, other.first_auth) == (False, None), "the journal of the image's maker"


def test_rotation_settings_are_those_logrotate_itself_reports(tmp_path: Path) -> None:
    """Oracle: `logrotate -d` prints the period and count it would use for each block."""
    conf = tmp_path / "logrotate.conf"
    folder = tmp_path / "logrotate.d"
    folder.mkdir()
    conf.write_text(f"weekly\nrotate 4\ninclude {folder}\n/var/log/late.log {{\n  rotate 3\n}}\n")
    (folder / "a").write_text('"/var/log/a.log"\n/var/log/b*.log\n{\n  daily\n  rotate=30\n  missingok\n}\n')
    (folder / "b").write_text("/var/log/size.log { size 10M\nrotate 9\nmissingok }\nmonthly\nrotate 12\n")
    (folder / "c").write_text("/var/log/plain.log {\n missingok\n}\n")
    for path in (conf, *folder.iterdir()):
        path.chmod(0o644)
    said = subprocess.run(["logrotate", "-d", str(conf)], capture_output=True, text=True, check=False).stderr
    parsed = Config(
        {
            "/etc/logrotate.conf": conf.read_text().replace(str(folder), "/etc/logrotate.d").splitlines(),
            **{f"/etc/logrotate.d/{path.name}": path.read_text().splitlines() for path in folder.iterdir()},
        }
    )
    words = {"a.log": "after 1 days (30 rotations)", "size.log": "10485760 bytes (9 rotations)"}
    words |= {"plain.log": "monthly (12 rotations)", "late.log": "monthly (3 rotations)"}
    for name, report in words.items():
        assert f"/var/log/{name}" in said
        assert report in said
    counts = {name: parsed.rotation(f"/var/log/{name}") for name in (*words, "bcd.log")}
    assert {name: (one.rotate, one.every_days, one.by_size) for name, one in counts.items() if one} == {
        "a.log": (30, 1, False),
        "bcd.log": (30, 1, False),
        "size.log": (9, 7, True),
        "plain.log": (12, 30, False),
        "late.log": (3, 30, False),
    }


def test_an_empty_system_answers_with_absence() -> None:
    known = facts(ask(logs.PROBE, "rm -f /etc/logrotate.conf\n", logs=("/var/log/app/*.log",)))
    assert known.files == ()
    assert known.declared == ("/var/log/app/*.log",)
    assert not known.journal.persistent
    assert known.forwards == ()
