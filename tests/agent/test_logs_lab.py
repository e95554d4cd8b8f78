"""Declared logs and logs that lose records, over real hosts, real logrotate and real runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from checks.log_history import SAFEGUARD
from checks.model import Finding
from tests.agent.labsite import LabSite
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab

# nginx-rotated WEEKS: as many rotations by logrotate itself, each a week older than the next.
NGINX = """
cat > /usr/local/sbin/nginx-rotated <<'END'
#!/bin/sh
set -eu
mkdir -p /var/log/nginx
cd /var/log/nginx
{
    printf '/var/log/nginx/access.log {\n weekly\n rotate 60\n compress\n delaycompress\n'
    printf ' create 0640 www-data adm\n}\n'
} > /etc/logrotate.d/nginx
now=$(date +%s)
week=$1
while [ "$week" -ge 0 ]; do
    if [ -e access.log ]; then logrotate -s /root/nginx.state -f /etc/logrotate.d/nginx; fi
    at=$((now - week * 604800 - 60))
    stamp=$(date -u -d "@$at" '+%d/%b/%Y:%H:%M:%S +0000')
    echo "192.0.2.7 - - [$stamp] \"GET /members/SECRET-NAME HTTP/1.1\" 200 612" > access.log
    touch -d "@$at" access.log
    week=$((week - 1))
done
chmod 640 access.log*
chown www-data:adm access.log*
END
chmod 755 /usr/local/sbin/nginx-rotated
"""
LOGS = """
[[log]]
path = "/var/log/nginx/access.log"
keep = "100d"

[[log]]
path = "/etc/shadow"

[[log]]
path = "/srv/nobody/*.log"
"""


def judged(site: LabSite, name: str) -> Finding:
    (one,) = [
        each
        for each in site.findings
        if each.safeguard == "access-log-retention"
        and each.subject.name == name
        and each.subject.kind == "log"
    ]
    return one


@pytest.mark.parametrize(("weeks", "result", "days"), [(15, "pass", 105), (13, "fail", 91)])
def test_a_declared_log_is_judged_by_what_logrotate_left_of_it(
    own_host: OwnHostFactory, tmp_path: Path, weeks: int, result: str, days: int
) -> None:
    host = own_host("clean", setup=f"{NGINX}\nnginx-rotated {weeks}\n")
    assert host.sh("ls /var/log/nginx | wc -l").stdout.strip() == str(weeks + 1)
    site = LabSite(tmp_path / "site", [host])
    site.write_hosts([host], more=LOGS)
    done = site.tenken("run", "-q")
    assert done.returncode == 3, done.stderr
    access = judged(site, "/var/log/nginx/access.log")
    assert access.result == result, access
    assert f"({days} d)" in access.actual.english()
    assert judged(site, "/srv/nobody/*.log").result == "fail"
    # A path to another file yields no content, and so no span (criterion 12).
    secret = judged(site, "/etc/shadow")
    assert (secret.result, secret.reason) == ("unknown", "unparsable")
    stored = (site.run_folder / "evidence/clean.json").read_bytes()
    assert b"SECRET-NAME" not in stored
    assert b"suzuki:$" not in stored
    assert site.verify().returncode == 0


def lost(site: LabSite) -> dict[str, str]:
    """What the newest run says was lost, by log."""
    assert site.tenken("run", "-q").returncode in (0, 1, 3)
    return {
        each.subject.name: each.actual.english()
        for each in site.findings
        if each.subject.kind == "log-history"
    }


def test_rotation_between_two_inspections_loses_nothing_and_a_cut_is_found(
    own_host: OwnHostFactory, tmp_path: Path
) -> None:
    """Trap L13: logrotate itself renames, compresses, deletes the oldest, and copies and truncates."""
    host = own_host("clean", setup=f"{NGINX}\nnginx-rotated 60\n")
    site = LabSite(tmp_path / "site", [host])
    site.write_hosts([host], more='[[log]]\npath = "/var/log/nginx/access.log"\n')
    assert lost(site) == {}
    oldest = host.sh("zcat /var/log/auth.log.60.gz | head -n 1").stdout
    turned = host.sh(
        """
        set -e
        cd /var/log
        for round in 1 2; do
            logrotate -s /root/state -f /etc/logrotate.d/rsyslog
            kill -HUP "$(cat /run/rsyslogd.pid)"
            until grep -q "rotation $round" auth.log; do
                logger -p auth.info -t sshd "rotation $round"
                sleep 0.1
            done
        done
        logrotate -s /root/state -f /etc/logrotate.d/wtmp
        sed -i 's/create.*/copytruncate/' /etc/logrotate.d/nginx
        before=$(stat -c %i /var/log/nginx/access.log)
        logrotate -s /root/state -f /etc/logrotate.d/nginx
        test "$before" = "$(stat -c %i /var/log/nginx/access.log)"
        test ! -s /var/log/nginx/access.log
        """
    )
    assert turned.returncode == 0, turned.stderr
    assert "rotation 2" in host.sh("cat /var/log/auth.log").stdout
    assert host.sh("zcat /var/log/auth.log.60.gz | head -n 1").stdout != oldest
    assert lost(site) == {}
    assert lost(site) == {}
    host.sh(
        """
        cd /var/log
        : > auth.log
        rm nginx/access.log.6*
        """
    )
    found = lost(site)
    assert set(found) == {"auth:/var/log/auth.log", "/var/log/nginx/access.log:/var/log/nginx/access.log"}
    # It is said once, by the run that saw it.
    assert lost(site) == {}
    host.sh("cd /var/log; head -c 200 auth.log > cut; cat cut > auth.log; rm cut")
    found = lost(site)
    assert set(found) >= {"auth:/var/log/auth.log"}
    assert " bytes, it had " in found["auth:/var/log/auth.log"]
    # One reading a log, however many runs.
    history = (site.folder / "state/history/clean.json").read_text()
    assert history.count(f"{SAFEGUARD}:@auth:/var/log/auth.log=") == 1
    assert site.verify().returncode == 0


def test_a_journal_whose_past_was_vacuumed_away_is_found(own_host: OwnHostFactory, tmp_path: Path) -> None:
    host = own_host("systemd-13")
    site = LabSite(tmp_path / "site", [host])
    assert lost(site) == {}
    assert lost(site) == {}
    done = host.sh(
        "journalctl --rotate; journalctl --vacuum-time=60d; journalctl -q -o short-iso | head -n 1"
    )
    assert done.returncode == 0
    found = lost(site)
    assert set(found) == {"journal"}
    assert done.stdout.splitlines()[-1][:10] >= found["journal"][-11:-1]


_MISSING = "the log-in of this very inspection is not in it"


@pytest.mark.parametrize(
    ("setup", "said"),
    [
        ("echo 'LogLevel QUIET' > /etc/ssh/sshd_config.d/quiet.conf", _MISSING),
        ("echo 'SyslogFacility LOCAL3' > /etc/ssh/sshd_config.d/elsewhere.conf", _MISSING),
        ("sed -i '/^auth,authpriv/d' /etc/rsyslog.conf", _MISSING),
        # L11: what was rotated away last is a week old
        (
            "sed -i '/^auth,authpriv/d' /etc/rsyslog.conf; : > /var/log/auth.log",
            "nothing was recorded for 7 days",
        ),
    ],
    ids=["quiet", "facility", "no-rule", "empty"],
)
def test_l18_a_log_that_log_ins_are_not_written_to_is_no_pass_however_old_it_is(
    own_host: OwnHostFactory, tmp_path: Path, setup: str, said: str
) -> None:
    """Its span is the promised one, and yet the log-in of this inspection will never be found in it."""
    host = own_host("clean", setup=setup)
    site = LabSite(tmp_path / "site", [host])
    assert site.tenken("run", "-q").returncode in (1, 3)
    auth = judged(site, "auth")
    assert auth.result == "fail"
    assert said in auth.summary.english()


def test_l18_a_daemon_with_a_log_file_of_its_own_is_no_pass(own_host: OwnHostFactory, tmp_path: Path) -> None:
    host = own_host("clean")
    assert host.sh("/usr/sbin/sshd -E /root/own.log -p 2022").returncode == 0
    site = LabSite(tmp_path / "site", [replace(host, port=2022)])
    site.tenken("run", "-q")
    assert "Accepted publickey" in host.sh("cat /root/own.log").stdout
    assert judged(site, "auth").result == "fail"
