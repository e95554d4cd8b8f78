"""Roles in PostgreSQL: what a real server and its real log-ins say, and what the reader makes of answers."""

import pytest

from collectors.evidence import Part, Reason, Section, SectionState
from collectors.probes.pgroles import PROBE, PgRolesFacts, PgServer, RolePassword
from collectors.script import Parameters, compose
from config.errors import ParseError
from tests.collectors.probes.asked import Answer, ask_host
from tests.lab.host import Host
from tests.lab.plugin import OwnHostFactory

_SOCKET = "/var/run/postgresql/.s.PGSQL.5432"


def _read(state: str = "read", rows: str = "N:13\n", servers: str = f"{_SOCKET}\n") -> PgServer:
    section = Section(
        name="pgroles",
        state=SectionState.ENDED,
        exit=0,
        parts=(
            Part.of("asked", "read", b"sato\n"),
            Part.of("servers", "read", servers.encode()),
            Part.of(_SOCKET, state, rows.encode()),
        ),
    )
    (server,) = PROBE.parse(section).servers
    return server


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("nopriv", Reason.NOPRIV),
        ("no_tool", Reason.NO_TOOL),
        ("timeout", Reason.TIMEOUT),
        ("failed", Reason.FAILED),
        ("unreachable", Reason.UNDETERMINED),
    ],
)
def test_a_server_that_was_not_asked_is_there_with_a_reason(state: str, reason: Reason) -> None:
    assert _read(state, "").unknown is reason


@pytest.mark.parametrize(
    ("state", "rows", "servers"),
    [
        ("read", "", f"{_SOCKET}\n"),
        ("read", "R:sato:1:0:none::\n", f"{_SOCKET}\n"),
        ("read", "N:0\n", f"{_SOCKET}\n"),
        ("read", "X\nN:1\n", f"{_SOCKET}\n"),
        ("read", "R:sato:t:0:none::\nN:1\n", f"{_SOCKET}\n"),
        ("read", "R:sato:1:0:plain::\nN:1\n", f"{_SOCKET}\n"),
        ("odd", "", f"{_SOCKET}\n"),
        ("read", "N:1\n", f"{_SOCKET}\n/run/other\n"),
    ],
)
def test_an_answer_that_is_cut_or_odd_is_an_error_and_not_no_roles(
    state: str, rows: str, servers: str
) -> None:
    with pytest.raises(ParseError):
        _read(state, rows, servers)


def test_an_end_beyond_the_century_is_none() -> None:
    (role,) = _read(rows="R:sato:1:0:md5:9999999999:!boss,g\nN:2\n").roles
    assert (role.valid_until, role.reaches, role.password) == (None, ("!boss", "g"), RolePassword.MD5)


_ROLES = """
for who in tanaka mori; do useradd -M $who; done
cat > /tmp/roles.sql <<'SQL'
CREATE ROLE tanaka LOGIN PASSWORD 'CANARY-secret' VALID UNTIL '2020-01-01';
CREATE ROLE boss SUPERUSER;
CREATE ROLE readers;
GRANT readers TO tanaka;
GRANT boss TO readers;
CREATE ROLE mori NOLOGIN PASSWORD 'CANARY-secret' VALID UNTIL 'infinity';
SET password_encryption = 'md5';
CREATE ROLE suzuki LOGIN SUPERUSER PASSWORD 'CANARY-secret' VALID UNTIL '9999-12-31';
SQL
cd / && runuser -u postgres -- psql -qX -v ON_ERROR_STOP=1 -f /tmp/roles.sql
"""
_NAMES = ("tanaka", "mori", "suzuki", "sato", "no.role-1")


def _facts(answer: Answer) -> PgRolesFacts:
    facts = answer.facts("pgroles")
    assert isinstance(facts, PgRolesFacts)
    return facts


def _gets_in(host: Host, who: str, *, password: bool) -> bool:
    asked = "PGPASSWORD=CANARY-secret psql -h 127.0.0.1" if password else f"setpriv --reuid {who} psql"
    query = "-X -A -t -w -d postgres -c 'SELECT current_user'"
    return host.sh(f"cd /; {asked} -U {who} {query}").stdout.strip() == who


@pytest.mark.lab
@pytest.mark.parametrize("persona", ["postgres-15", "postgres-17"])
def test_roles_are_those_that_really_log_in(own_host: OwnHostFactory, persona: str) -> None:
    """A24: an end of the password stops the password alone; NOLOGIN stops all."""
    host = own_host(persona, setup=_ROLES)
    answer = ask_host(host, _NAMES, ("pgroles",))
    (server,) = _facts(answer).servers
    assert (server.where, server.unknown) == (_SOCKET, None)
    assert b"CANARY" not in answer.stream
    assert b"SCRAM" not in answer.stream
    roles = {it.name: it for it in server.roles}
    assert sorted(roles) == ["mori", "suzuki", "tanaka"]
    tanaka, mori, suzuki = roles["tanaka"], roles["mori"], roles["suzuki"]
    assert tanaka.valid_until is not None
    assert (tanaka.valid_until.isoformat(), mori.valid_until) == ("2020-01-01T00:00:00+00:00", None)
    assert (tanaka.password, suzuki.password) == (RolePassword.SCRAM, RolePassword.MD5)
    assert (tanaka.superuser, suzuki.superuser, suzuki.valid_until) == (False, True, None)
    assert tanaka.reaches == ("!boss", "readers")
    assert _becomes(host, "tanaka", "boss")
    assert [_gets_in(host, "tanaka", password=it) for it in (True, False)] == [False, True]
    assert [_gets_in(host, "mori", password=it) for it in (True, False)] == [False, False]
    assert _gets_in(host, "suzuki", password=False)
    assert [roles[it].can_log_in for it in ("tanaka", "mori", "suzuki")] == [True, False, True]


def _becomes(host: Host, who: str, other: str) -> bool:
    asked = f"cd /; setpriv --reuid {who} psql -XAqtd postgres -c 'SET ROLE {other}; SELECT current_user'"
    return host.sh(asked).stdout.strip() == other


@pytest.mark.lab
def test_a_membership_without_set_reaches_nothing_since_16(own_host: OwnHostFactory) -> None:
    more = "echo 'GRANT boss TO readers WITH SET FALSE' | runuser -u postgres -- psql -qX\n"
    host = own_host("postgres-17", setup=_ROLES + more)
    (server,) = _facts(ask_host(host, _NAMES, ("pgroles",))).servers
    assert next(it.reaches for it in server.roles if it.name == "tanaka") == ("readers",)
    assert [_becomes(host, "tanaka", it) for it in ("boss", "readers")] == [False, True]


@pytest.mark.lab
def test_every_shell_asks_the_server_the_same(own_host: OwnHostFactory) -> None:
    host = own_host("postgres-15", setup=_ROLES)
    script = compose([PROBE], Parameters(names=_NAMES), "0123456789abcdef" * 2).decode()
    said = [
        Answer(
            host.sh(f"cat > /tmp/probe <<'PROBE'\n{script}\nPROBE\n{shell} -s < /tmp/probe").stdout.encode(),
            "0123456789abcdef" * 2,
        )
        for shell in ("dash", "bash", "bash --posix")
    ]
    assert _facts(said[0]).servers[0].roles
    assert [it.sections["pgroles"].parts for it in said[1:]] == [said[0].sections["pgroles"].parts] * 2


@pytest.mark.lab
def test_servers_that_do_not_answer_are_told_with_the_reason(own_host: OwnHostFactory) -> None:
    host = own_host("postgres-15")
    (server,) = _facts(ask_host(host.as_login("tenken"), ("sato",), ("pgroles",))).servers
    assert server.unknown is Reason.NOPRIV
    host.sh("echo 'local all all reject' > /etc/postgresql/15/main/pg_hba.conf; pg_ctlcluster 15 main reload")
    (server,) = _facts(ask_host(host, ("sato",), ("pgroles",))).servers
    assert server.unknown is Reason.FAILED
    # Debian's own pg_ctlcluster always gives it a socket.
    host.sh(
        "pg_ctlcluster 15 main stop -m fast; cd /\n"
        "runuser -u postgres -- /usr/lib/postgresql/15/bin/pg_ctl -D /var/lib/postgresql/15/main"
        ' -l /dev/null -w start -o "-c config_file=/etc/postgresql/15/main/postgresql.conf'
        " -c unix_socket_directories=''\""
    )
    (server,) = _facts(ask_host(host, ("sato",), ("pgroles",))).servers
    assert (server.where, server.unknown) == ("/var/lib/postgresql/15/main", Reason.UNDETERMINED)
    host.sh("pg_ctlcluster 15 main stop -m fast")
    assert _facts(ask_host(host, ("sato",), ("pgroles",))).servers == ()


@pytest.mark.lab
def test_asking_leaves_nothing_behind_in_the_server(own_host: OwnHostFactory) -> None:
    host = own_host("postgres-15", setup=_ROLES)
    log = "cat /var/log/postgresql/*.log | wc -l; cd /;"
    log += " runuser -u postgres -- psql -Atc 'SELECT txid_current()'"
    before, first = host.sh(log).stdout.split()
    ask_host(host, _NAMES, ("pgroles",))
    after, second = host.sh(log).stdout.split()
    assert (after, int(second)) == (before, int(first) + 1)
