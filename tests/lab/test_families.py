"""The hosts that are no plain Debian under sshd are what their names say, in the words of their own tools."""

import datetime as dt

import pytest

from tests.lab import cgroups
from tests.lab.host import Lab
from tests.lab.plugin import HostFactory
from tests.lab.sshclient import ssh

pytestmark = pytest.mark.lab


# --- systemd as PID 1 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("persona", "release"), [("systemd-12", "12."), ("systemd-13", "13.")])
def test_systemd_says_that_the_host_is_running_and_answers_ssh(
    host: HostFactory, persona: str, release: str
) -> None:
    booted = host(persona)
    asked = (
        "cat /etc/debian_version /proc/1/comm; systemctl is-system-running; systemctl --failed --no-legend"
    )
    version, *rest = ssh(booted, asked).stdout.splitlines()
    assert version.startswith(release)
    assert rest == ["systemd", "running"]
    assert ssh(booted, "id -un", login="tenken").stdout == "tenken\n"
    units = "systemctl is-active ssh cron atd systemd-logind systemd-journald logrotate.timer apt-daily.timer"
    assert set(booted.sh(units).stdout.split()) == {"active"}


@pytest.mark.parametrize(("persona", "name"), [("systemd-12", "sshd"), ("systemd-13", "sshd-session")])
def test_the_journal_holds_420_days_of_log_ins_and_the_ones_of_now(
    host: HostFactory, persona: str, name: str
) -> None:
    booted = host(persona)
    read = f"journalctl --no-pager -o short-unix -t {name} -g 'Accepted publickey for "
    first = booted.sh(f"{read}suzuki' | head -1").stdout
    age = dt.datetime.now(dt.UTC).timestamp() - float(first.split()[0])
    assert 419 < age / 86_400 < 421
    assert ssh(booted, "true", login="tenken").returncode == 0
    assert booted.sh("journalctl --sync").returncode == 0
    assert booted.sh(f"{read}tenken'").stdout
    assert "FAIL" not in booted.sh("journalctl --verify 2>&1").stdout


def test_debian_13_has_no_log_but_the_journal_and_its_new_log_in_databases(host: HostFactory) -> None:
    booted = host("systemd-13")
    assert booted.sh("ls /var/log/auth.log /usr/sbin/rsyslogd").stdout == ""
    assert booted.sh("command -v wtmpdb lastlog2").returncode == 0
    assert "auth.log" in host("systemd-12").sh("ls /var/log").stdout


def test_the_leaver_of_a_systemd_host_has_every_foothold_that_systemd_and_at_give(
    host: HostFactory, lab: Lab
) -> None:
    left = host("systemd-leaver")
    assert left.sh("passwd -S tanaka").stdout.split()[1] == "L"
    assert ssh(left, "id -un", login="tanaka", key=lab.person_keys["tanaka"]).stdout == "tanaka\n"
    assert "Linger=yes" in left.sh("loginctl show-user tanaka").stdout.splitlines()
    assert left.sh("systemctl is-active user@12003.service").stdout == "active\n"
    courier = "setpriv --reuid=12003 --regid=12003 --clear-groups env XDG_RUNTIME_DIR=/run/user/12003 "
    assert left.sh(courier + "systemctl --user is-active courier").stdout == "active\n"
    assert left.sh("atq").stdout.split()[-1] == "tanaka"
    assert left.sh("crontab -l -u tanaka").stdout
    assert "tanaka pts/" in left.sh("who | tr -s ' '").stdout
    assert "tanaka" in left.sh("loginctl list-sessions").stdout


def test_a_stopped_systemd_host_leaves_no_control_group(lab: Lab) -> None:
    booted = lab.start("systemd-12")
    group = booted.cgroup
    assert group is not None
    assert (group / "system.slice").is_dir()
    booted.stop()
    assert not group.exists()


def test_the_next_lab_sweeps_a_group_that_a_killed_one_left_but_not_one_in_use(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "_PREFIX", "tenken-lab-swept-")  # not those of a lab beside this one
    booted = lab.start("systemd-12")
    left = cgroups.create()
    assert booted.cgroup is not None
    cgroups.sweep(older_than_s=0)
    assert not left.exists()
    assert (booted.cgroup / "init.scope").is_dir()
    assert booted.sh("systemctl is-system-running").stdout == "running\n"
    booted.stop()


# --- Debian 11 --------------------------------------------------------------------------------------------


def test_the_end_of_life_host_is_debian_11_with_nothing_left_to_install(host: HostFactory) -> None:
    old = host("end-of-life")
    assert ssh(old, ". /etc/os-release; echo $VERSION_CODENAME").stdout == "bullseye\n"
    assert old.sh("apt list --upgradable 2>/dev/null").stdout.splitlines() == ["Listing..."]
    assert "oldoldstable-security" in old.sh("apt-cache policy").stdout
