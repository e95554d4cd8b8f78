"""The hosts that are no plain Debian under sshd are what their names say, in the words of their own tools."""

import datetime as dt

import pytest

from tests.lab import cgroups
from tests.lab.host import Lab
from tests.lab.personas import NOISE, SHELL_LOGINS
from tests.lab.plugin import HostFactory, OwnHostFactory
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
    own_host: OwnHostFactory, lab: Lab
) -> None:
    left = own_host("systemd-leaver")
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


# --- rpm and dnf ------------------------------------------------------------------------------------------


def test_the_rpm_host_is_no_debian_and_lists_its_packages_to_anybody(host: HostFactory) -> None:
    asked = (
        ". /etc/os-release; echo $ID $VERSION_ID; rpm -qa; command -v dpkg apt-get; ls /var/lib/dpkg /etc/apt"
    )
    release, *packages = ssh(host("rpm-clean"), asked, login="tenken").stdout.splitlines()
    assert release == "almalinux 9.6"
    assert len(packages) == 12
    assert all(".el9" in package for package in packages)
    assert {"bash-5.1.8-10.el9.noarch", "openssl-libs-3.0.7-28.el9_4.noarch"} <= set(packages)


@pytest.mark.parametrize(
    ("persona", "waiting", "upgrades"),
    [
        ("rpm-clean", {}, 0),
        (
            "rpm-pending",
            {"curl-7.76.1-29.el9_4.1.noarch": 3, "openssl-libs-1:3.0.7-28.el9_4.noarch": 90},
            100,
        ),
    ],
)
def test_dnf_itself_names_the_waiting_security_updates_and_their_age(
    host: HostFactory, persona: str, waiting: dict[str, int], upgrades: int
) -> None:
    asked = host(persona)
    listed = ssh(asked, "dnf -q updateinfo list --security", login="tenken").stdout.splitlines()
    assert {line.split()[-1] for line in listed} == set(waiting)
    dates = asked.sh('dnf -q updateinfo info --security | awk \'$1 == "Updated:" || $1 == "Updated"\'').stdout
    now = dt.datetime.now(dt.UTC)
    found = [
        dt.datetime.fromisoformat(line.split(": ", 1)[1].strip() + "+00:00") for line in dates.splitlines()
    ]
    assert sorted((now - date).days for date in found) == sorted(waiting.values())
    assert asked.sh("dnf -q check-update").returncode == upgrades


def test_the_rpm_host_keeps_its_access_log_as_secure_with_dates_in_the_names(host: HostFactory) -> None:
    kept = host("rpm-clean").sh("ls /var/log | grep -c '^secure-[0-9]*.gz$'; ls /var/log/auth.log*")
    assert kept.stdout == "59\n"
    assert ssh(host("rpm-clean"), "true", login="tenken").returncode == 0
    assert "for tenken" in host("rpm-clean").sh("cat /var/log/secure").stdout


# --- busybox ----------------------------------------------------------------------------------------------


def test_the_busybox_host_is_alpine_like_and_runs_dropbear_without_pam(host: HostFactory) -> None:
    small = host("busybox")
    absent = "for tool in apt-get dpkg-query perl sudo bash systemctl sshd; do command -v $tool; done"
    asked = f". /etc/os-release; echo $ID; readlink -f /bin/sh; {absent}"
    assert ssh(small, asked).stdout == "alpine\n/bin/busybox\n"
    assert ssh(small, "id -un; echo $SHELL", login="tenken").stdout == "tenken\n/bin/ash\n"
    assert small.sh("cat /proc/1/comm").stdout == "dropbear\n"
    assert {"syslogd", "crond"} <= set(small.sh("ps -o comm").stdout.split())
    assert small.sh("ls -d /usr/lib/*/libpam.so* /lib/*/libpam.so* /etc/pam.d").stdout == ""


def test_dropbear_lets_the_active_person_in_and_logs_it_behind_420_days(host: HostFactory, lab: Lab) -> None:
    small = host("busybox")
    assert ssh(small, "id -un", login="suzuki", key=lab.person_keys["suzuki"]).stdout == "suzuki\n"
    assert "Pubkey auth succeeded for 'suzuki'" in small.sh("tail -n 3 /var/log/messages").stdout
    oldest = small.sh("head -n 1 /var/log/messages.4").stdout[:6]
    # The host may have been made before midnight and asked after it.
    days = [dt.datetime.now(dt.UTC) - dt.timedelta(days=420 + n) for n in (0, 1)]
    assert oldest in {f"{day:%b} {day.day:2}" for day in days}


# --- name services ----------------------------------------------------------------------------------------


def test_the_leaver_of_the_extrausers_host_stands_in_its_second_name_service_only(
    host: HostFactory, lab: Lab
) -> None:
    second = host("extrausers")
    assert second.sh("getent -s files passwd tanaka").returncode == 2
    assert second.sh("getent -s extrausers passwd tanaka").stdout.startswith("tanaka:x:12003:")
    assert second.sh("getent -s files shadow tanaka").returncode == 2
    assert second.sh("getent -s extrausers shadow tanaka").stdout.startswith("tanaka:")
    assert ssh(second, "id -un", login="tanaka", key=lab.person_keys["tanaka"]).stdout == "tanaka\n"


# --- log-in shells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("login", "shell"), SHELL_LOGINS.items())
def test_the_audit_key_opens_an_account_of_each_shell(host: HostFactory, login: str, shell: str) -> None:
    chosen = host("shells").as_login(login)
    # The child asks for its parent's name; without the second command some shells would become the child.
    answer = ssh(chosen, "/bin/sh -c 'ps -o comm= -p $PPID'; /bin/true")
    assert answer.stdout.splitlines()[-1] == shell.rpartition("/")[2]
    assert (NOISE in answer.stdout) == (login == "audit-bash")


def test_the_noisy_bash_replaces_ls_and_awk_in_every_bash_below_it(host: HostFactory) -> None:
    noisy = ssh(host("shells").as_login("audit-bash"), "ls /; bash --norc -c 'awk 1 /etc/hostname'")
    assert noisy.stdout.splitlines() == [NOISE, "fake ls", "fake awk"]
    assert noisy.stderr.splitlines() == [NOISE]


# --- databases --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["15", "17"])
def test_the_postgres_host_runs_the_cluster_of_debians_package(host: HostFactory, version: str) -> None:
    listed = host(f"postgres-{version}").sh("pg_lsclusters -h").stdout.split()
    assert listed[:5] == [version, "main", "5432", "online", "postgres"]
