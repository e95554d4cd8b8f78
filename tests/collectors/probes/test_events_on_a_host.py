"""The lines that real usermod, userdel and sshd write are the ones the probe knows."""

import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest

from collectors.evidence import Reason
from collectors.probes.accounts import AccountsFacts
from collectors.probes.events import EventKind, EventsFacts
from tests.collectors.probes.asked import ask_host, ssh
from tests.lab.host import Host, Lab
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("persona", ["clean", "debian-13"])
def test_real_tools_write_the_lines_that_are_told(own_host: OwnHostFactory, lab: Lab, persona: str) -> None:
    """Criteria 28 and 29 at their source: Debian 13 logs as sshd-session."""
    host = own_host(persona)
    login = [*ssh(host, "suzuki", lab.person_keys["suzuki"]), "true"]
    public = lab.person_keys["suzuki"].with_suffix(".pub").read_text().strip()
    host.sh(
        f"install -d -o suzuki -m 700 /home/suzuki/.ssh\n"
        f"echo '{public}' > /home/suzuki/.ssh/authorized_keys\n"
        "chown suzuki /home/suzuki/.ssh/authorized_keys"
    )
    assert subprocess.run(login, capture_output=True, timeout=30, check=False).returncode == 0
    host.sh("usermod -L suzuki; usermod -e 2020-01-02 suzuki; usermod -s /bin/false suzuki; userdel -f sato")
    assert subprocess.run(login, capture_output=True, timeout=30, check=False).returncode != 0
    wanted = {
        ("accepted", "suzuki", "publickey"),
        ("lock", "suzuki", "usermod"),
        ("expire-change", "suzuki", "usermod"),
        ("shell-change", "suzuki", "usermod"),
        ("expired-refused", "suzuki", "sshd"),
        ("delete-user", "sato", "userdel"),
    }
    for _ in range(20):
        facts = ask_host(host, ("suzuki", "sato"), ("events",)).facts("events")
        assert isinstance(facts, EventsFacts)
        told = {(it.kind.value, it.name, it.method) for it in facts.events}
        if wanted <= told:
            break
        time.sleep(0.2)
    assert wanted <= told
    (change,) = (it for it in facts.events if it.kind.value == "expire-change")
    assert (change.before, change.plain) == (None, True)
    assert change.after is not None
    assert change.after.isoformat() == "2020-01-02"
    assert facts.log_ins


# --- the journal alone, as on Debian 13

_ALLOW = """
install -d -o sato -m 700 /home/sato/.ssh
echo "$KEY_sato" > /home/sato/.ssh/authorized_keys
chown sato /home/sato/.ssh/authorized_keys
usermod -e '' sato
"""
# The older entries in a file of their own, and none of the time in between.
_HOLE = """
cd /var/log/journal/*
sed 's/[$]now - 86400/$now - 300 * 86400/' /usr/local/sbin/lab-journal | sh -s 420
mkdir /var/kept
mv system@*.journal /var/kept/
lab-journal 100
mv /var/kept/* .
"""
_ELSEWHERE = """
cd /var/log/journal
mkdir 0123456789abcdef0123456789abcdef
mv $(cat /etc/machine-id)/system@* 0123456789abcdef0123456789abcdef/
"""


def _facts(host: Host) -> EventsFacts:
    facts = ask_host(host, ("sato",), ("events",)).facts("events")
    assert isinstance(facts, EventsFacts)
    return facts


@pytest.mark.parametrize(
    ("setup", "then", "days", "reason"),
    [
        ("", "true", 420, None),
        (_HOLE, "true", 100, Reason.NO_SOURCE),
        ("", "cd /var/log/journal/*; truncate -s 99999 system@*", 0, Reason.CORRUPT),
        ("", "journalctl -q --rotate; journalctl -q --vacuum-time=30d", 0, None),
        (_ELSEWHERE, "true", 0, None),
    ],
    ids=["whole", "a file is gone", "a file is torn", "vacuumed", "another machine's"],
)  # fmt: skip
def test_the_journal_covers_the_time_in_which_no_file_of_it_is_missing(
    own_host: OwnHostFactory, setup: str, then: str, days: int, reason: Reason | None
) -> None:
    """Its first entry of any kind counts; our own log-in shows that log-ins are written to it today."""
    host = own_host("systemd-13", setup=setup)
    host.sh(then)
    facts = _facts(host)
    now = datetime.now(UTC)
    assert facts.covered_from is not None
    assert facts.covered_to is not None
    assert abs(now - facts.covered_from - timedelta(days=days)) < timedelta(days=1)
    assert now - facts.covered_to < timedelta(minutes=5)
    assert (facts.hidden, facts.log_ins, facts.events) == (reason, True, ())


def test_a_log_in_that_the_journal_alone_holds_is_told(own_host: OwnHostFactory, lab: Lab) -> None:
    """A15, and that nobody but root speaks as sshd there."""
    host = own_host("systemd-13", setup=_ALLOW)
    forged = "Accepted password for sato from 192.0.2.1 port 1 ssh2"
    host.sh(f"setpriv --reuid=12002 --regid=12002 --clear-groups logger -t sshd '{forged}'")
    assert forged in host.sh("journalctl --no-pager -t sshd").stdout
    assert _facts(host).events == ()
    assert subprocess.run([*ssh(host, "sato", lab.person_keys["sato"]), "true"], check=False).returncode == 0
    assert [(it.kind.value, it.method) for it in _facts(host).events] == [
        ("accepted", "publickey"), ("opened", "sshd"),
    ]  # fmt: skip


def test_a_volatile_journal_tells_of_a_log_in_and_covers_nothing(own_host: OwnHostFactory, lab: Lab) -> None:
    host = own_host(
        "systemd-13",
        setup=_ALLOW + "rm -r /var/log/journal\n"
        "printf '[Journal]\nStorage=volatile\n' > /etc/systemd/journald.conf.d/keep.conf\n",
    )
    assert subprocess.run([*ssh(host, "sato", lab.person_keys["sato"]), "true"], check=False).returncode == 0
    facts = _facts(host)
    assert [it.kind.value for it in facts.events] == ["accepted", "opened"]
    assert (facts.covered_from, facts.hidden) == (None, Reason.NO_SOURCE)


def test_dropbear_and_busyboxs_syslogd_are_read_from_messages(own_host: OwnHostFactory, lab: Lab) -> None:
    """Real lines of both, behind 420 days of log in files called messages and messages.0 to messages.4."""
    host = own_host("busybox")
    login = [*ssh(host, "suzuki", lab.person_keys["suzuki"]), "true"]
    assert subprocess.run(login, check=False, timeout=30).returncode == 0
    assert "authpriv.notice dropbear[" in host.sh("tail -n 3 /var/log/messages").stdout
    facts = ask_host(host, ("suzuki", "sato"), ("events",)).facts("events")
    assert isinstance(facts, EventsFacts)
    assert {(it.name, it.method) for it in facts.events} == {("suzuki", "publickey")}
    now = datetime.now(UTC)
    assert now - facts.events[-1].at < timedelta(minutes=5)
    assert facts.covered_from is not None
    assert abs(now - facts.covered_from - timedelta(days=420)) < timedelta(days=1)
    assert (facts.hidden, facts.log_ins) == (None, True)


@pytest.mark.parametrize("persona", ["clean", "debian-13"])
def test_lines_that_say_nothing_of_when_it_was_closed_are_not_told(
    own_host: OwnHostFactory, persona: str
) -> None:
    """What passwd and chage write names no date, and a set mtime is not the last change."""
    host = own_host(persona)
    host.sh(
        "passwd -q -l sato; passwd -q -u sato; chage -E 2020-01-02 sato; chage -E -1 sato; chage -d 1 sato"
    )
    host.sh("touch -d '2020-01-01' /etc/shadow")
    written = host.sh(
        "sleep 0.5; grep -c -E 'password for .sato. changed|(changed|updated).* for .?sato' /var/log/auth.log"
    )
    assert int(written.stdout) >= 2
    answer = ask_host(host, ("sato",), ("accounts", "events"))
    events, accounts = answer.facts("events"), answer.facts("accounts")
    assert isinstance(events, EventsFacts)
    assert isinstance(accounts, AccountsFacts)
    assert [it for it in events.events if it.kind is not EventKind.ACCEPTED] == []
    assert accounts.shadow_changed is not None
    assert datetime.now(UTC) - accounts.shadow_changed < timedelta(minutes=5)
