"""The lab keeps its own promises: hosts are real, shut in, true to their persona, and leave nothing."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import images, mirror, namespace, personas
from tests.lab.host import HostFailedError, Lab
from tests.lab.plugin import HostFactory, OwnHostFactory
from tests.lab.sshclient import ssh, ssh_command

pytestmark = pytest.mark.lab

OUTSIDE = "192.0.2.1"  # RFC 5737: a documentation address


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


# --- hosts are real ---------------------------------------------------------------------------------------


def test_a_host_answers_ssh_as_root_and_as_the_audit_login(host: HostFactory) -> None:
    clean = host("clean")
    assert ssh(clean, "id -un; cat /etc/debian_version").stdout.startswith("root\n12.")
    assert ssh(clean, "id -un", login="tenken").stdout == "tenken\n"


def test_debian_13_is_another_host_from_the_same_recipe(host: HostFactory) -> None:
    assert ssh(host("debian-13"), "cat /etc/debian_version").stdout.startswith("13.")


def test_a_log_in_is_written_to_the_hosts_own_auth_log(own_host: OwnHostFactory) -> None:
    clean = own_host("clean")
    ssh(clean, "true", login="tenken")
    assert wait_for(lambda: "Accepted publickey for tenken" in clean.sh("cat /var/log/auth.log").stdout)


def test_setup_runs_as_root_before_the_host_answers(own_host: OwnHostFactory) -> None:
    assert own_host("clean", setup="id -un > /srv/who").sh("cat /srv/who").stdout == "root\n"


def test_a_failing_setup_is_an_error_that_shows_what_it_printed(lab: Lab) -> None:
    with pytest.raises(HostFailedError, match="no such luck"):
        lab.start("clean", setup="echo no such luck; false")


# --- hosts are shut in ------------------------------------------------------------------------------------


def test_neither_the_runner_nor_a_host_has_a_way_out(host: HostFactory) -> None:
    with pytest.raises(OSError, match="unreachable"):
        socket.create_connection((OUTSIDE, 80), timeout=2)
    answer = host("clean").sh(f"ip route get {OUTSIDE}; ip -o link show | cut -d: -f2; cat /etc/resolv.conf")
    assert "unreachable" in answer.stderr
    assert [name.strip().split("@")[0] for name in answer.stdout.splitlines()] == ["lo", "eth0"]


def test_no_file_of_an_image_names_this_machines_mirror(host: HostFactory) -> None:
    sources = mirror.read_sources()
    assert sources
    words = " ".join(f"-e {source.uri}" for source in sources)
    answer = host("clean").sh(f"grep -rIlF {words} /etc /var /root /home")
    assert (answer.returncode, answer.stdout) == (1, "")


def test_two_hosts_do_not_see_each_others_files_or_processes(own_host: OwnHostFactory) -> None:
    first, second = own_host("clean", setup="touch /srv/mark; sleep 4321 &"), own_host("clean")
    seen = "ls /srv; ps ax"
    assert "mark" in first.sh(seen).stdout
    assert "sleep 4321" in first.sh(seen).stdout
    assert "mark" not in second.sh(seen).stdout
    assert "sleep 4321" not in second.sh(seen).stdout


# --- personas are what they say ---------------------------------------------------------------------------


def test_leavers_key_still_opens_the_locked_account(own_host: OwnHostFactory, lab: Lab) -> None:
    leaver = own_host("leaver")  # not the shared one: a log-in after leaving is a finding of its own
    assert leaver.sh("passwd -S tanaka").stdout.split()[1] == "L"
    assert ssh(leaver, "id -un", login="tanaka", key=lab.person_keys["tanaka"]).stdout == "tanaka\n"
    assert leaver.sh("pgrep -u tanaka").stdout
    assert personas.CANARY_CRONTAB in leaver.sh("crontab -l -u tanaka").stdout


def test_closed_leaver_is_refused_even_with_a_key_and_active_person_is_not(
    own_host: OwnHostFactory, lab: Lab
) -> None:
    clean = own_host("clean", setup='echo "$KEY_sato" | lab-key sato')
    assert ssh(clean, "true", login="sato", key=lab.person_keys["sato"]).returncode == 255
    assert ssh(clean, "true", login="suzuki", key=lab.person_keys["suzuki"]).returncode == 0


def test_unprivileged_host_takes_the_audit_login_only(host: HostFactory) -> None:
    unprivileged = host("unprivileged")
    assert ssh(unprivileged, "id -un").stdout == "tenken\n"
    assert "Permission denied" in ssh(unprivileged, "id", login="root").stderr


@pytest.mark.parametrize(
    ("persona", "waiting"), [("clean", set()), ("debian-13", set()), ("pending", {"sudo", "logrotate"})]
)
def test_apt_itself_names_the_pending_security_updates(
    host: HostFactory, persona: str, waiting: set[str]
) -> None:
    listed = host(persona).sh("apt list --upgradable 2>/dev/null").stdout.splitlines()[1:]
    assert {line.split("/")[0] for line in listed} == waiting
    assert all("oldstable-security" in line for line in listed)


def test_logs_reach_back_420_days_on_a_clean_host_and_21_on_the_short_one(host: HostFactory) -> None:
    oldest = "cd /var/log; zcat $(ls -t auth.log.*.gz | tail -1) | head -1 | cut -c1-6"
    for persona, days in (("clean", 420), ("short-logs", 21)):
        one = host(persona)
        # The host may have been made before midnight and asked after it.
        possible = one.sh(f"for n in 0 1; do date -u -d \"$(({days} + n)) days ago\" +'%b %e'; done").stdout
        assert one.sh(oldest).stdout.strip() in possible.splitlines()
        assert one.sh("logrotate --debug /etc/logrotate.conf").returncode == 0
    assert len(host("clean").sh("last -f /var/log/wtmp suzuki").stdout.splitlines()) > 12


@pytest.mark.parametrize(
    ("persona", "message"),
    [
        ("unreachable", "No route to host"),
        ("black-hole", "timed out"),
        ("refused", "Connection refused"),
        ("silent", "timed out during banner exchange"),
        ("changed-key", "REMOTE HOST IDENTIFICATION HAS CHANGED"),
    ],
)
def test_a_host_that_cannot_be_reached_fails_in_its_own_way(
    host: HostFactory, persona: str, message: str
) -> None:
    answer = ssh(host(persona), "true")
    assert answer.returncode == 255
    assert message in answer.stderr


def test_hanging_host_accepts_the_log_in_and_then_says_nothing(host: HostFactory) -> None:
    hanging = host("hangs")
    with subprocess.Popen(ssh_command(hanging, "echo hello"), stdout=subprocess.PIPE) as client:
        assert wait_for(lambda: "Accepted publickey" in hanging.sh("tail -5 /var/log/auth.log").stdout)
        with pytest.raises(subprocess.TimeoutExpired):
            client.communicate(timeout=1)
        client.kill()


def test_flooding_hosts_flood(host: HostFactory) -> None:
    with subprocess.Popen(ssh_command(host("floods"), "true"), stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert len(client.stdout.read(4_000_000)) == 4_000_000
        client.kill()
    answer = ssh(host("floods-stderr"), "cat", text_in="the true answer")
    assert answer.stdout == "the true answer"
    assert len(answer.stderr) >= 8_000_000


def test_lying_hosts_answer_what_was_not_asked(host: HostFactory) -> None:
    assert "@done" in ssh(host("lying"), "/bin/sh -s", text_in="echo truth").stdout
    cut = ssh(host("lying-truncated"), "/bin/sh -s", text_in="yes truth | head -n 9000").stdout
    assert len(cut) == 3000


def test_canaries_are_really_planted(host: HostFactory) -> None:
    read = "cat /etc/passwd /etc/shadow /var/log/auth.log /home/*/.ssh/*; crontab -l -u tanaka; ps axww"
    planted = "".join(host(persona).sh(read).stdout for persona in ("leaver", "old-password"))
    assert [canary for canary in personas.CANARIES if canary not in planted] == []


# --- nothing is left --------------------------------------------------------------------------------------


def test_a_stopped_host_is_gone_and_a_killed_one_falls_silent(lab: Lab) -> None:
    stopped, killed = lab.start("clean"), lab.start("clean")
    with subprocess.Popen(ssh_command(killed, "sleep 60"), stdin=subprocess.PIPE) as client:
        assert wait_for(lambda: "Accepted" in killed.sh("tail -5 /var/log/auth.log").stdout)
        killed.kill()
        with pytest.raises(subprocess.TimeoutExpired):
            client.wait(timeout=1)  # no FIN and no RST came: only the client's own deadline helps
        client.kill()
    stopped.stop()
    for host in (stopped, killed):
        assert ssh(host, "true").returncode == 255
        assert not host.folder.exists()
        with pytest.raises(HostFailedError, match="stopped"):
            host.sh("true")


NESTED = """
import time
from tests.lab.host import Lab
Lab().start("leaver")
print("up", flush=True)
time.sleep(600)
"""


def descendants(pid: int) -> set[int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def loops_over(folder: Path) -> list[str]:
    found = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            found.append(backing.read_text())
        except OSError:
            continue  # released in this moment
    return [path for path in found if folder.name in path]


def direct_children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def network_devices() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


@pytest.fixture(scope="module")
def copies() -> Iterator[Path]:
    """Return a folder of copied images, on the disk: the inner lab covers this lab's tmpfs with its own."""
    with tempfile.TemporaryDirectory(prefix="kill-test-", dir=images.cache_folder()) as folder:
        for name in images.RECIPES:
            shutil.copy(images.image_path(name), folder)
        yield Path(folder)


@pytest.mark.parametrize("victim", ["runner", "reaper", "test session"])
def test_kill_minus_nine_leaves_no_process_mount_loop_device_or_network_device(
    copies: Path, victim: str
) -> None:
    """A lab within the lab: its images are copies, so that its loop devices can be told from all others."""
    mounts, links = Path("/proc/self/mountinfo").read_text(), network_devices()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.lab", "run", "--", sys.executable, "-c", NESTED],
        env={**os.environ, "TENKEN_LAB_CACHE": str(copies)}, stdout=subprocess.PIPE, cwd=namespace.ROOT,
    ) as runner:  # fmt: skip
        assert runner.stdout is not None
        assert runner.stdout.readline() == b"up\n"
        inside = descendants(runner.pid)
        reaper = next(p for p in inside if p in direct_children(runner.pid))
        session = direct_children(reaper)[0]
        assert len(inside) > 8
        assert loops_over(copies)
        os.kill({"runner": runner.pid, "reaper": reaper, "test session": session}[victim], 9)
        assert wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in inside - {runner.pid}))
    assert wait_for(lambda: not loops_over(copies))
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert network_devices() == links
