"""The traps of access logs (host-safeguards.md 2.4) that only real files and real tools can set."""

import gzip
import struct
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collectors.evidence import Reason
from collectors.probes import logs
from collectors.probes.logrotate_config import Config
from tests.collectors.probes.fixed_paths import SHELLS, ask
from tests.collectors.probes.made_logs import ago, facts, files, line, log, write

pytestmark = pytest.mark.lab

CRON = "web CRON[813]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)\n"
LOGIND = "web systemd-logind[700]: New session 4 of user suzuki.\n"


def stamped(days: float, text: str, style: str = "%b %e %H:%M:%S") -> str:
    return f"{ago(days).strftime(style)} {text}"


def many(text: str, days: float, size: int) -> str:
    one = stamped(days, text)
    return one * (size // len(one) + 1)


@pytest.mark.parametrize("shell", SHELLS)
def test_l18_the_last_log_in_is_found_at_the_end_of_a_large_log(shell: str) -> None:
    body = many(CRON, 5, 100_000) + line(ago(0.01)) + "\n" + many(CRON, 0, 30_000)
    rotated = many(CRON, 12, 100_000) + line(ago(6)) + "\n"
    packed = {"auth.log": (body, ago(0)), "auth.log.1": (rotated, ago(6))}
    setup = "".join(
        write(f"{name}.gz", gzip.compress(text.encode()), modified=when)
        for name, (text, when) in packed.items()
    )
    found = files(ask(logs.PROBE, f"{setup}gunzip *.gz\n", shell=shell))
    assert found["/var/log/auth.log"].last_login == ago(0.01)
    assert found["/var/log/auth.log"].first == ago(5)
    assert found["/var/log/auth.log"].first_auth is None
    assert found["/var/log/auth.log.1"].last_login == ago(6)


@pytest.mark.parametrize(
    ("text", "is_login"),
    [
        ("web sshd[1]: Accepted publickey for suzuki from 10.77.0.9 port 5 ssh2", True),
        ("web sshd-session[1]: Accepted password for suzuki", True),
        ("web authpriv.notice dropbear[1]: Pubkey auth succeeded for 'suzuki' with key", True),
        ("web authpriv.notice dropbear[1]: Password auth succeeded for 'suzuki'", True),
        ("web sshd[1]: Failed password for suzuki", False),
        ("web sshd[1]: pam_unix(sshd:session): session opened for user suzuki", False),
        ("web sudo[1]: Accepted publickey for suzuki", False),
        ("web sshd[1]: Failed password for invalid user x: Accepted", False),
    ],
)
def test_l18_only_a_line_about_a_log_in_that_succeeded_is_one(text: str, *, is_login: bool) -> None:
    setup = write("auth.log", stamped(1, f"{text}\n").encode())
    assert (files(ask(logs.PROBE, setup))["/var/log/auth.log"].last_login == ago(1)) is is_login


def test_l17_a_stamp_of_an_unset_clock_is_passed_over() -> None:
    style = "%Y-%m-%dT%H:%M:%S+00:00"
    unset = datetime(1970, 1, 1, 0, 0, 9, tzinfo=UTC)
    body = f"{line(unset, style=style)}\n{line(ago(30), style=style)}\n"
    audit = (
        f"type=DAEMON_START msg=audit(12.5:1): x\ntype=LOGIN msg=audit({int(ago(9).timestamp())}.1:2): x\n"
    )
    setup = write("auth.log", body.encode()) + "mkdir audit\n" + write("audit/audit.log", audit.encode())
    found = files(ask(logs.PROBE, setup))
    assert found["/var/log/auth.log"].first == ago(30)
    assert found["/var/log/audit/audit.log"].first == ago(9)


def test_l11_an_empty_compressed_file_is_empty_and_a_broken_one_is_not() -> None:
    setup = (
        log("auth.log", ago(2), ago(0))
        + ": > auth.log.2; gzip auth.log.2; : > auth.log.3; xz auth.log.3; : > auth.log.4\n"
        + write("auth.log.5.gz", b"\x1f\x8b broken " * 20)
    )
    found = files(ask(logs.PROBE, setup))
    for name in ("2.gz", "3.xz", "4"):
        file = found[f"/var/log/auth.log.{name}"]
        assert (file.empty, file.undated) == (True, None), name
    broken = found["/var/log/auth.log.5.gz"]
    assert (broken.empty, broken.undated) == (False, Reason.CORRUPT)


@pytest.mark.parametrize("shell", SHELLS)
def test_messages_is_the_authentication_log_where_log_ins_stand_in_it(shell: str) -> None:
    """SUSE's rsyslog and busybox's syslogd write them there; what is first in it may be anything."""
    suse = many(CRON, 40, 2_000) + line(ago(39)) + "\n"
    setup = (
        write("messages", f"{line(ago(3))}\n".encode())
        + write("messages.0", suse.encode(), modified=ago(3))
        + write("messages-20260101.xz", b"x" * 100)
    )
    known = facts(ask(logs.PROBE, setup, shell=shell))
    assert {file.path for file in known.files if file.family == "auth"} == {
        "/var/log/messages",
        "/var/log/messages.0",
        "/var/log/messages-20260101.xz",
    }
    assert {file.first_auth for file in known.files} == {ago(3), ago(39), None}


def test_messages_beside_secure_is_no_authentication_log() -> None:
    """On an RPM family only logind's lines are left in it: its facility is auth, not authpriv."""
    setup = log("secure", ago(9), ago(0)) + write("messages", stamped(99, LOGIND).encode())
    assert list(files(ask(logs.PROBE, setup))) == ["/var/log/secure"]


def test_messages_that_may_not_be_read_hides_log_ins_only_where_nothing_else_has_them() -> None:
    closed = write("messages", f"{line(ago(3))}\n".encode(), mode="600")
    alone = files(ask(logs.PROBE, closed, user="65534"))
    assert alone["/var/log/messages"].undated is Reason.DENIED
    assert list(files(ask(logs.PROBE, closed + log("secure", ago(9), ago(0)), user="65534"))) == [
        "/var/log/secure"
    ]


def record(kind: int, days: float, user: bytes) -> bytes:
    """One record of struct utmp; 2 is a start, 1 with the user `shutdown` an end (utmp(5))."""
    return struct.pack(
        "<hxxi32s4s32s256shhiii16s20x",
        kind, 0, b"~", b"~~", user, b"6.1.0", 0, 0, 0, int(ago(days).timestamp()), 0, b"",
    )  # fmt: skip


@pytest.mark.parametrize("shell", SHELLS)
def test_l12_the_times_a_host_was_off_are_those_that_last_prints(shell: str, tmp_path: Path) -> None:
    raw = b"".join(
        record(kind, days, user)
        for kind, days, user in (
            (2, 90, b"reboot"), (1, 89.9, b"runlevel"), (7, 80, b"suzuki"), (1, 60, b"shutdown"),
            (2, 50, b"reboot"), (1, 49.9, b"runlevel"), (2, 30, b"reboot"), (1, 20, b"shutdown"),
            (1, 19, b"shutdown"), (2, 10, b"reboot"),
        )
    )  # fmt: skip
    known = facts(ask(logs.PROBE, write("wtmp", raw, mode="664"), shell=shell))
    assert [(cut.off, cut.on) for cut in known.power_cuts] == [(ago(60), ago(50)), (ago(19), ago(10))]
    kept = tmp_path / "wtmp"
    kept.write_bytes(raw)
    said = subprocess.run(
        ["last", "-x", "--time-format", "iso", "-f", str(kept)],
        capture_output=True, text=True, check=True, env={"TZ": "UTC0", "PATH": "/usr/bin:/bin"},
    ).stdout  # fmt: skip
    for cut in known.power_cuts:
        assert [row for row in said.splitlines() if row.startswith("shutdown") and cut.off.isoformat() in row]
        assert [row for row in said.splitlines() if row.startswith("reboot") and cut.on.isoformat() in row]


SUSPENDED = (
    "web rsyslogd: action 'action-5-builtin:omfwd' suspended (module 'builtin:omfwd'), retry 0. There\n"
)
RESUMED = "web rsyslogd: action 'action-5-builtin:omfwd' resumed (module 'builtin:omfwd') [v8.2302.0]\n"


@pytest.mark.parametrize(
    ("conf", "dropped_in", "syslog", "kinds"),
    [
        ("*.* @archive", "", "", ["udp"]),
        ("*.* @@archive", "", "", ["tcp"]),
        ('*.* action(type="omfwd" target="archive")', "", "", ["udp"]),
        ('*.* action(type="omfwd" protocol="tcp" target="archive")', "", "", ["tcp"]),
        ('action(type="omfwd"\\n  protocol="tcp")', "", "", ["fwd"]),
        ('action(type="omrelp" target="archive")', "", "", ["relp"]),
        ("#*.* @@archive", "", "", []),
        ("$IncludeConfig /etc/rsyslog.d/*.conf", "*.* @@archive", "", ["tcp"]),
        ('include(file="/etc/rsyslog.d/*.conf" mode="optional")', "*.* @@archive", "", ["tcp"]),
        ("*.* /var/log/all", "*.* @@archive", "", ["unused"]),
        ("*.* @@archive", "", SUSPENDED, ["tcp", "suspended"]),
        ("*.* @@archive", "", SUSPENDED + RESUMED, ["tcp"]),
        ("*.* /var/log/all", "", SUSPENDED, []),
    ],
)
def test_l15_what_becomes_of_a_forwarding_rule_is_told(
    conf: str, dropped_in: str, syslog: str, kinds: list[str]
) -> None:
    setup = (
        f"mkdir /etc/rsyslog.d; printf '{conf.replace(chr(37), '%%')}\\n' > /etc/rsyslog.conf\n"
        f"echo '{dropped_in}' > /etc/rsyslog.d/a.conf\n"
        + write("syslog", "".join(stamped(1, text) for text in syslog.splitlines(keepends=True)).encode())
    )
    for shell in ("dash", "busybox ash"):
        assert [each.kind for each in facts(ask(logs.PROBE, setup, shell=shell)).forwards] == kinds


def test_l20_the_folders_of_the_system_and_of_declared_logs_are_looked_at() -> None:
    setup = "chmod 777 .; mkdir -m 1757 'app'; chown 33:33 app; mkdir /etc/a\n" + log(
        "app/x.log", ago(2), ago(1)
    )
    for shell in SHELLS:
        known = facts(
            ask(logs.PROBE, setup, shell=shell, logs=("/var/log/app/x.log", "/etc/*/b", "/nowhere/c"))
        )
        assert {each.path: each.mode for each in known.folders} == {"/var/log": 0o777, "/var/log/app": 0o1757}


def test_who_declares_a_log_means_its_rotated_files_too() -> None:
    setup = "mkdir app\n" + "".join(
        log(f"app/{name}", ago(n + 1), ago(n), style="[%d/%b/%Y:%H:%M:%S +0000]")
        for n, name in enumerate(("x.log", "x.log.1", "x.log-20260101", "x.logger"))
    )
    for shell in SHELLS:
        found = files(ask(logs.PROBE, setup, shell=shell, logs=("/var/log/app/x.log",)))
        assert {path.rpartition("/")[2] for path in found} == {"x.log", "x.log.1", "x.log-20260101"}
        assert {file.series for file in found.values()} == {"/var/log/app/x.log"}


def test_l6_of_two_blocks_for_one_log_the_first_counts_as_logrotate_itself_says(tmp_path: Path) -> None:
    """Oracle: `logrotate -d`, which calls the second a duplicate and keeps to the first."""
    conf, folder = tmp_path / "logrotate.conf", tmp_path / "logrotate.d"
    folder.mkdir()
    conf.write_text(f"weekly\nrotate 4\ninclude {folder}\n{tmp_path}/d.log {{\n rotate 2\n}}\n")
    (folder / "a").write_text(f"{tmp_path}/a.log {{\n daily\n rotate 3\n}}\n")
    (folder / "b").write_text(
        f"{tmp_path}/b.log {{\n daily\n rotate 5\n}}\n{tmp_path}/a.log {{\n rotate 99\n}}\n"
        f"{tmp_path}/c.log {{\n monthly\n maxage 90\n rotate 7\n}}\n"
    )
    for path in (conf, *folder.iterdir(), *(tmp_path / f"{name}.log" for name in "abcd")):
        path.touch()
        path.chmod(0o644)
    said = subprocess.run(["logrotate", "-d", str(conf)], capture_output=True, text=True, check=False).stderr
    assert f"duplicate log entry for {tmp_path}/a.log" in said
    parsed = Config(
        {
            "/etc/logrotate.conf": conf.read_text().replace(str(folder), "/etc/logrotate.d").splitlines(),
            **{f"/etc/logrotate.d/{path.name}": path.read_text().splitlines() for path in folder.iterdir()},
        }
    )
    found = {name: parsed.rotation(f"{tmp_path}/{name}.log") for name in "abcd"}
    period = {1: "after 1 days", 7: "weekly", 30: "monthly"}
    for name, one in found.items():
        assert one is not None
        assert (
            f"rotating pattern: {tmp_path}/{name}.log  {period[one.every_days]} ({one.rotate} rotations)"
            in said
        )
    assert [one.max_age_days for one in found.values() if one] == [None, None, 90, None]


def test_l6_what_the_real_logrotate_moved_elsewhere_and_named_by_date_is_found() -> None:
    """Dateext, olddir, and two blocks of which the second is a dead letter."""
    setup = (
        "mkdir -p /var/log/old; chmod 755 /var/log /var/log/old\n"
        "printf '/var/log/auth.log {\\n rotate 9\\n weekly\\n dateext\\n dateformat -%%Y%%m%%d-%%s\\n"
        " olddir old\\n compress\\n}\\n/var/log/auth.log {\\n rotate 1\\n}\\n' > /etc/logrotate.d/auth\n"
        "chmod 644 /etc/logrotate.d/auth\n"
    )
    for week in range(4, -1, -1):
        setup += log("auth.log", ago(week * 7 + 6.9), ago(week * 7 + 0.1))
        if week:
            setup += "logrotate -s /var/lib/logrotate/status -f /etc/logrotate.conf || :; sleep 1.1\n"
    known = facts(ask(logs.PROBE, setup))
    found = [file for file in known.files if file.family == "auth"]
    assert {file.series for file in found} == {"/var/log/auth.log"}
    assert sum(file.path.startswith("/var/log/old/") for file in found) == 4
    assert min(file.first for file in found if file.first) == ago(4 * 7 + 6.9).replace(microsecond=0)
    assert [rotation.rotate for rotation in known.rotations if rotation.log == "/var/log/auth.log"] == [9]
