"""What real log-ins leave behind, against last, lastlog, utmpdump, who, wtmpdb, lastlog2 and loginctl."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collectors.probes.logins import LoginsFacts
from tests.collectors.probes.asked import ask_host, ssh
from tests.lab.host import Host, Lab
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab
_KEY = 'echo "$KEY_suzuki" | lab-key suzuki'


@contextmanager
def _at_a_terminal(host: Host, key: Path) -> Iterator[None]:
    """Be logged in with a terminal."""
    program, *rest = ssh(host, "suzuki", key)
    with subprocess.Popen(
        [program, "-tt", *rest, "echo in; exec sleep 60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as session:
        assert session.stdout is not None
        assert session.stdout.readline()
        yield
        session.kill()


def _facts(host: Host) -> LoginsFacts:
    facts = ask_host(host, ("suzuki", "sato"), ("logins",)).facts("logins")
    assert isinstance(facts, LoginsFacts)
    return facts


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%b %d %H:%M:%S %z %Y").replace(tzinfo=UTC)


def test_a_log_in_at_a_terminal_is_told_as_debian_12s_tools_tell_it(
    own_host: OwnHostFactory, lab: Lab
) -> None:
    """Oracles: last, lastlog, utmpdump, who, loginctl."""
    host = own_host("systemd-12", setup=_KEY)
    with _at_a_terminal(host, lab.person_keys["suzuki"]):
        facts = _facts(host)
        last = host.sh("last -F -f /var/log/wtmp suzuki | head -1").stdout.split()
        lastlog = host.sh("lastlog -u suzuki | tail -1").stdout.split()
        dumped = host.sh("utmpdump /run/utmp 2>/dev/null").stdout
        assert host.sh("who").stdout.split()[0] == "suzuki"
        assert " suzuki " in host.sh("loginctl --no-pager").stdout
    at = _time(" ".join((*last[4:7], "+0000", last[7])))
    assert {(it.source, it.at, it.line) for it in facts.log_ins} == {
        ("wtmp", at, "pts/0"),
        ("lastlog", _time(" ".join(lastlog[-5:])), "pts/0"),
    }
    assert "[suzuki  ] [pts/0       ] [" in dumped
    assert {(it.source, it.line) for it in facts.sessions} == {("logind", "sshd"), ("utmp", "pts/0")}
    assert facts.unread == {}


def test_a_log_in_at_a_terminal_is_told_as_debian_13s_tools_tell_it(
    own_host: OwnHostFactory, lab: Lab
) -> None:
    """A16: no utmp, no lastlog, and wtmp.db and lastlog2.db beside wtmp. Oracles: wtmpdb, lastlog2, who."""
    host = own_host("systemd-13", setup=_KEY)
    with _at_a_terminal(host, lab.person_keys["suzuki"]):
        facts = _facts(host)
        wtmpdb = host.sh("TZ=UTC0 wtmpdb last -F suzuki | head -1").stdout.split()
        lastlog2 = host.sh("TZ=UTC0 lastlog2 -u suzuki | tail -1").stdout.split()
        assert host.sh("who").stdout.split()[0] == "suzuki"
    by_source = {it.source: it for it in facts.log_ins}
    assert set(by_source) == {"wtmp", "wtmp.db", "lastlog2.db"}
    assert by_source["wtmp.db"].at == _time(" ".join((*wtmpdb[4:7], "+0000", wtmpdb[7])))
    assert by_source["lastlog2.db"].at == _time(" ".join(lastlog2[-5:]))
    assert by_source["wtmp"].line == by_source["wtmp.db"].line == wtmpdb[1]
    assert [(it.source, it.line) for it in facts.sessions] == [("logind", "sshd")]
    assert facts.unread == {}


@pytest.mark.parametrize("persona", ["systemd-12", "systemd-13"])
def test_a_command_over_ssh_leaves_no_record(own_host: OwnHostFactory, lab: Lab, persona: str) -> None:
    """A14: so no record never means no log-in."""
    host = own_host(persona, setup=_KEY + "; : > /var/log/wtmp")
    done = subprocess.run([*ssh(host, "suzuki", lab.person_keys["suzuki"]), "true"], check=False, timeout=30)
    assert done.returncode == 0
    assert "suzuki" not in host.sh("last -f /var/log/wtmp 2>/dev/null; wtmpdb last 2>/dev/null").stdout
    assert {it.source for it in _facts(host).log_ins} <= {"lastlog2.db"}


def test_the_session_of_an_expired_account_stays_open(own_host: OwnHostFactory, lab: Lab) -> None:
    """Criterion 26: expiry closes the door, not the session."""
    host = own_host("systemd-12", setup=_KEY)
    with _at_a_terminal(host, lab.person_keys["suzuki"]):
        host.sh("usermod -e 1 suzuki")
        refused = subprocess.run(
            [*ssh(host, "suzuki", lab.person_keys["suzuki"]), "true"],
            check=False, timeout=30, capture_output=True,
        )  # fmt: skip
        assert refused.returncode != 0
        assert [it.name for it in _facts(host).sessions] == ["suzuki", "suzuki"]
