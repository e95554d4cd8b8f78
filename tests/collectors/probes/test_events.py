"""The log's events: run over real files in several shells, then dated and bounded by the reader."""

# ruff: noqa: E501 (log lines are as long as their programs write them)

import subprocess
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.evidence import Reason, Section
from collectors.facts import read_fact
from collectors.framing import parse_stream
from collectors.probes.events import PROBE, Event, EventKind, EventsFacts
from collectors.script import ENVIRONMENT, Parameters, compose
from config.errors import ParseError
from tests.checks.account_facts import evidence_of
from tests.collectors.probes.asked import Answer
from tests.collectors.probes.fixed_paths import _COVER

BOUNDARY = "0123456789abcdef" * 2
SHELLS = ("dash", "bash", "bash --posix", "busybox ash")
NAMES = ("tanaka", "sato")

_LINES = r"""
cat > auth.log <<'X'
2026-11-01T01:00:00.123456+09:00 h sshd-session[7]: Accepted publickey for tanaka from 192.0.2.9 port 1 ssh2: ED25519 SHA256:CANARY
2026-11-02T01:00:00+09:00 h sshd[7]: Accepted keyboard-interactive/pam for tanaka from 192.0.2.9 port 1 ssh2
2026-11-03T01:00:00+09:00 h sshd[8]: message repeated 2 times: [ Accepted password for sato from 192.0.2.9 port 1 ssh2]
2026-11-03T02:00:00+09:00 h sshd[8]: Accepted password for mori from 192.0.2.9 port 1 ssh2
2026-11-03T03:00:00+09:00 h sshd[8]: Invalid user Accepted password for sato from 192.0.2.9 port 1
2026-11-03T03:30:00+09:00 h sshd[8]: Invalid user x sato Accepted password for sato from 192.0.2.9 port 1
2026-11-03T04:00:00+09:00 h su[8]: pam_unix(su-l:session): session opened for user sato(uid=1) by CANARY(uid=0)
2026-11-03T05:00:00+09:00 h login[8]: pam_unix(login:session): session opened for user sato(uid=1) by CANARY(uid=0)
2026-11-03T06:00:00+09:00 h sshd[8]: pam_unix(sshd:account): account tanaka has expired (account expired)
2026-11-04T01:00:00+09:00 h usermod[9]: lock user 'tanaka' password
2026-11-04T02:00:00+09:00 h usermod[9]: change user 'tanaka' expiration from 'never' to '2026-11-04'
2026-11-04T03:00:00+09:00 h usermod[9]: change user 'tanaka' expiration from 'CANARY' to '2026-11-05'
2026-11-04T04:00:00+09:00 h usermod[9]: change user 'tanaka' shell from '/bin/CANARY' to '/bin/false'
2026-11-04T05:00:00+09:00 h userdel[9]: delete user 'sato'
2026-11-05T00:00:00+09:00 h cron[9]: CANARY free text
X
"""


# auditd, which no namespace can run: lines as pam, shadow and sshd have them written (documented, not run).
_AUDIT = r"""
mkdir audit
cat > audit/audit.log.1 <<'X'
type=USER_START msg=audit(1793534400.123:4): pid=9 uid=0 auid=1000 ses=3 subj=x msg='op=PAM:session_open grantors=pam_unix acct="sato" exe="/usr/sbin/sshd" hostname=CANARY addr=192.0.2.9 terminal=ssh res=success'UID="root" AUID="sato"
type=USER_START msg=audit(1793534401.123:5): pid=9 uid=0 auid=1000 ses=3 msg='op=PAM:session_open acct="tanaka" exe="/usr/sbin/crond" hostname=? addr=? terminal=cron res=success'
type=USER_START msg=audit(1793534402.123:6): pid=9 uid=0 auid=1000 ses=3 msg='op=PAM:session_open acct="tanaka" exe="/usr/bin/su" hostname=? addr=? terminal=pts/0 res=success'
type=USER_START msg=audit(1793534403.123:7): pid=9 uid=0 auid=1000 ses=3 msg='op=PAM:session_open acct="tanaka" exe="/usr/sbin/sshd" hostname=? addr=? terminal=ssh res=failed'
type=USER_AUTH msg=audit(1793534404.123:8): pid=9 uid=0 auid=4294967295 msg='op=PAM:authentication acct="tanaka" exe="/usr/sbin/sshd" hostname=? addr=? terminal=ssh res=success'
X
cat > audit/audit.log <<'X'
type=USER_START msg=audit(1793534500.123:9): pid=9 uid=0 auid=1000 ses=3 msg='op=PAM:session_open acct="sato" exe="/usr/lib/openssh/sshd-session" hostname=h addr=192.0.2.9 terminal=ssh res=success'
type=USER_LOGIN msg=audit(1793534501.123:10): pid=9 uid=0 auid=1000 ses=3 msg='op=login id=1000 exe="/usr/bin/login" hostname=? addr=? terminal=tty1 res=success'\035UID="root" AUID="mori" ID="mori"
type=USER_START msg=audit(1793534502.123:11): pid=9 uid=0 auid=1000 ses=3 msg='op=PAM:session_open acct=7361746F exe="/usr/bin/login" hostname=? addr=? terminal=tty1 res=success'
type=ACCT_LOCK msg=audit(1793534503.123:12): pid=9 uid=0 auid=0 ses=3 msg='op=locked-password acct="tanaka" exe="/usr/bin/passwd" hostname=? addr=? terminal=pts/0 res=success'
type=USER_MGMT msg=audit(1793534504.123:13): pid=9 uid=0 auid=0 ses=3 msg='op=changing-expire-date acct="tanaka" exe="/usr/sbin/usermod" hostname=? addr=? terminal=pts/0 res=success'
type=DEL_USER msg=audit(1793534505.123:14): pid=9 uid=0 auid=0 ses=3 msg='op=delete-user acct="tanaka" exe="/usr/sbin/userdel" hostname=? addr=? terminal=pts/0 res=failed'
type=DEL_USER msg=audit(1793534506.123:15): pid=9 uid=0 auid=0 ses=3 msg='op=delete-user acct="tanaka" exe="/usr/sbin/userdel" hostname=? addr=? terminal=pts/0 res=success'
X
sed -i 's/\\035/\x1d/' audit/audit.log
"""
_BUSYBOX = r"""
cat > messages <<'X'
Nov 20 10:00:00 h authpriv.notice dropbear[1]: Password auth succeeded for 'sato' from 192.0.2.9:5
Nov 20 10:00:01 h authpriv.notice dropbear[1]: Pubkey auth succeeded for 'tanaka' with ssh-ed25519 key SHA256:CANARY from 192.0.2.9:5
Nov 20 10:00:02 h authpriv.warn dropbear[1]: Bad password attempt for 'tanaka' from 192.0.2.9:5
Nov 20 10:00:03 h authpriv.warn dropbear[1]: Login attempt for nonexistent user from 192.0.2.9:5
Nov 20 10:00:04 h authpriv.notice dropbear[1]: Auth succeeded with blank password for 'sato' from 192.0.2.9:5
Nov 20 10:00:05 h auth.info sshd[2]: Accepted publickey for sato from 192.0.2.9 port 1 ssh2: ED25519 SHA256:CANARY
Nov 20 10:00:06 h user.notice root: dropbear[1]: Password auth succeeded for 'tanaka' from 192.0.2.9:5
X
echo "Nov 10 10:00:00 h authpriv.notice dropbear[1]: Password auth succeeded for 'mori' from x" > messages.0
echo "Nov  1 10:00:00 h authpriv.notice dropbear[1]: Password auth succeeded for 'mori' from x" > messages.1
touch -d '2026-11-20 10:00:06' messages
touch -d '2026-11-10 10:00:00' messages.0
touch -d '2026-11-01 10:00:00' messages.1
"""


@cache
def _ask(setup: str, shell: str = "dash", user: str = "", names: tuple[str, ...] = NAMES) -> Answer:
    script = compose([PROBE], Parameters(names=names), BOUNDARY)
    env = " ".join(f"{key}={value}" for key, value in ENVIRONMENT.items())
    drop = f"setpriv --reuid={user} --regid={user} --clear-groups " if user else ""
    outer = f"{_COVER}\n{setup}\ncd /\nexec {drop}env -i {env} {shell} -s"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", outer], input=script, capture_output=True, check=True, timeout=60
    )
    return Answer(done.stdout, BOUNDARY)


def _facts(setup: str, user: str = "") -> EventsFacts:
    facts = _ask(setup, user=user).facts("events")
    assert isinstance(facts, EventsFacts)
    return facts


def _told(facts: EventsFacts) -> list[tuple[str, str, str]]:
    return [(event.kind.value, event.name, event.method) for event in facts.events]


def test_only_the_closed_list_of_lines_is_told_and_sshd_session_counts() -> None:
    """Criterion 29's source: both identifiers of sshd; su and a name typed by a stranger are nobody's log-in."""
    assert _told(_facts(_LINES)) == [
        ("accepted", "tanaka", "publickey"),
        ("accepted", "tanaka", "keyboard-interactive/pam"),
        ("accepted", "sato", "password"),
        ("opened", "sato", "login"),
        ("expired-refused", "tanaka", "sshd"),
        ("lock", "tanaka", "usermod"),
        ("expire-change", "tanaka", "usermod"),
        ("expire-change", "tanaka", "usermod"),
        ("shell-change", "tanaka", "usermod"),
        ("delete-user", "sato", "userdel"),
    ]


def test_the_dates_of_an_expiry_change_are_read_and_odd_ones_are_marked() -> None:
    first, second = (event for event in _facts(_LINES).events if event.kind is EventKind.EXPIRE_CHANGE)
    assert (first.before, first.after, first.plain) == (None, date(2026, 11, 4), True)
    assert (second.after, second.plain) == (date(2026, 11, 5), False)


def test_no_text_of_a_line_leaves_the_host() -> None:
    stream = _ask(_LINES).stream
    assert b"2026-11-01T01:00:00+09:00" in stream
    for planted in (b"CANARY", b"192.0.2.9", b"mori", b"ED25519"):
        assert planted not in stream


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("lines", [_LINES + "touch -d '2026-11-05' auth.log\n", _BUSYBOX, _AUDIT])
def test_every_shell_gives_the_same_payload(shell: str, lines: str) -> None:
    kept = _ask(lines, shell).sections["events"].parts
    assert [it.raw for it in kept] == [it.raw for it in _ask(lines).sections["events"].parts]


def test_where_log_ins_have_no_log_of_their_own_messages_is_searched() -> None:
    """Busybox syslogd names facility and level, and counts put away files from 0; dropbear has its own words."""
    facts = _facts(_BUSYBOX)
    assert sorted(_told(facts)) == [
        ("accepted", "sato", "none"),
        ("accepted", "sato", "password"),
        ("accepted", "sato", "publickey"),
        ("accepted", "tanaka", "publickey"),
    ]
    assert facts.covered_from == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert (facts.hidden, facts.log_ins) == (None, True)
    assert _facts(_BUSYBOX + "mv messages.1 messages.2\n").hidden is Reason.NO_SOURCE
    assert not [
        it for it in _ask(_BUSYBOX + ": > secure\n").sections["events"].parts if "messages" in it.name
    ]


def test_a_longer_log_without_log_ins_does_not_hide_the_one_that_has_them() -> None:
    setup = "echo 'Nov 20 10:00:00 h sshd[1]: Accepted password for mori from x' > secure; touch -d '2026-11-20 10:00' secure\n"
    setup += "printf 'Oct  1 10:00:00 h cron[1]: x\\nNov 20 10:00:00 h cron[1]: x\\n' > auth.log; touch -d '2026-11-20 10:00' auth.log\n"
    facts = _facts(setup)
    assert (facts.covered_from, facts.log_ins) == (datetime(2026, 11, 20, 10, tzinfo=UTC), True)


def test_auditd_proves_a_session_and_a_deletion_and_no_absence() -> None:
    """Documented, not run. A lock closes nothing, and a change of the expiry date does not name the date."""
    answer = _ask(_AUDIT)
    facts = answer.facts("events")
    assert isinstance(facts, EventsFacts)
    assert [(*it, event.at.second) for it, event in zip(_told(facts), facts.events, strict=True)] == [
        ("opened", "sato", "sshd", 40),
        ("delete-user", "tanaka", "userdel", 46),
    ]
    assert (facts.covered_from, facts.hidden, facts.log_ins) == (None, Reason.NO_SOURCE, False)
    for planted in (b"CANARY", b"192.0.2.9", b"mori"):
        assert planted not in answer.stream
    assert _told(_facts(_AUDIT + "sed -i s/mori/sato/g audit/audit.log\n"))[1] == ("opened", "sato", "login")
    assert _told(_facts(_AUDIT + "chmod 700 audit\n", user="65534")) == []


_SERIES = r"""
printf 'Nov 20 10:00:00 h cron[1]: x\nNov 23 10:00:00 h cron[1]: x\n' > auth.log
printf 'Dec 30 10:00:00 h sshd[1]: Accepted password for sato from a port 1\nJan  2 10:00:00 h sshd[1]: Accepted password for tanaka from a port 1\nNov 19 10:00:00 h cron[1]: x\n' \
  | gzip > auth.log.1.gz
touch -d '2026-11-23 10:00:00' auth.log
touch -d '2026-11-20 09:00:00' auth.log.1.gz
"""


def test_a_year_that_turns_inside_a_file_dates_what_stands_before_it() -> None:
    facts = _facts(_SERIES)
    assert [(event.name, event.at) for event in facts.events] == [
        ("sato", datetime(2025, 12, 30, 10, tzinfo=UTC)),
        ("tanaka", datetime(2026, 1, 2, 10, tzinfo=UTC)),
    ]
    assert facts.covered_from == datetime(2025, 12, 30, 10, tzinfo=UTC)
    assert facts.covered_to == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert facts.hidden is None


def _spans(more: str) -> tuple[datetime | None, Reason | None]:
    facts = _facts(_SERIES + more)
    return facts.covered_from, facts.hidden


def test_the_span_ends_where_a_file_is_missing_torn_or_touched() -> None:
    """What was not searched proves no absence."""
    newest = datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert _spans("mv auth.log.1.gz auth.log.2.gz\n") == (newest, Reason.NO_SOURCE)
    assert _spans("head -c 40 auth.log.1.gz > t; cat t > auth.log.1.gz; rm t\n")[0] == newest
    restored = _spans(
        "printf 'Nov 22 10:00:00 h cron[1]: x\\n' | gzip > auth.log.1.gz\ntouch -d 2026-11-23 auth.log.1.gz\n"
    )
    assert restored == (newest, Reason.UNDETERMINED)


def test_what_may_not_be_read_is_denied_and_covers_nothing() -> None:
    """Criterion 10: never `no event`."""
    facts = _facts(_SERIES + "chmod 600 auth.log*\n", user="65534")
    assert (facts.covered_from, facts.hidden, facts.events) == (None, Reason.DENIED, ())


def test_a_long_file_is_searched_from_its_end() -> None:
    fill = "awk 'BEGIN { for (i = 0; i < 400000; i++) print \"Nov 22 10:00:00 h cron[1]: xxxxxxxxxxxxxxxxxxxx\" }'"
    end = "echo 'Nov 22 11:00:00 h sshd[1]: Accepted password for sato from x'"
    facts = _facts(
        _SERIES
        + f"{{ cat auth.log; {fill}; {end}; }} > t; cat t > auth.log; rm t; touch -d '2026-11-23' auth.log\n"
    )
    assert (facts.covered_from, facts.hidden) == (datetime(2026, 11, 22, 10, tzinfo=UTC), Reason.TRUNCATED)
    assert datetime(2026, 11, 22, 11, tzinfo=UTC) in {event.at for event in facts.events}


def test_a_line_torn_by_the_size_limit_is_no_record() -> None:
    """What a stranger typed as a name must not become a line of its own."""
    typed = "Nov 22 10:00:00 h sshd[2]: Accepted password for sato from x"
    fill = "yes 'Nov 22 10:00:01 h sshd[3]: Accepted password for tanaka from x'"
    setup = (
        f"{{ printf 'Nov 22 10:00:00 h sshd[1]: Invalid user '; {{ echo '{typed}'; {fill}; }} | head -c 16777215; echo; }}"
        " > auth.log; touch -d '2026-11-23' auth.log\n"
    )
    assert _told(_facts(setup)) == [("accepted", "tanaka", "password")]


def test_a_fifo_delays_nothing_and_an_odd_name_ends_no_frame() -> None:
    """Criterion 14."""
    answer = _ask(_LINES + "mkfifo auth.log.1; touch 'auth.log.\n@x'\n")
    assert answer.done
    assert len(_told(answer.facts("events"))) == 10  # type: ignore[arg-type]


@given(st.binary(max_size=400))
def test_any_bytes_are_facts_or_a_parse_error(raw: bytes) -> None:
    stream = (
        f"\n@{BOUNDARY} hello v=1 uid=0 epoch=1\n\n@{BOUNDARY} begin s=events t=1\n"
        f"\n@{BOUNDARY} part s=read f=zone\n+0000\n\n@{BOUNDARY} part s=read f=asked\nsato\n"
        f"\n@{BOUNDARY} part s=read f=log /var/log/auth.log\nM 1700000000\n"
    ).encode() + raw
    with suppress(ParseError):
        assert PROBE.parse(_section(stream)).asked == {"sato"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from("FLE"),
            st.integers(-2, 200),
            st.sampled_from(("Nov 20 10:00:00", "Feb 29 00:00:00", "999999999", "x")),
        ),
        max_size=6,
    )
)
def test_any_order_of_rows_is_facts_or_a_parse_error(lines: list[tuple[str, int, str]]) -> None:
    text = "".join(
        f"{kind}\t{turn}\t{stamp}" + ("\tlock\tsato\tusermod\t\t" if kind == "E" else "") + "\n"
        for kind, turn, stamp in lines
    )
    stream = (
        f"\n@{BOUNDARY} hello v=1 uid=0 epoch=1\n\n@{BOUNDARY} begin s=events t=1\n"
        f"\n@{BOUNDARY} part s=read f=zone\n+0000\n\n@{BOUNDARY} part s=read f=asked\nsato\n"
        f"\n@{BOUNDARY} part s=read f=log /var/log/auth.log\nM 1700000000\n{text}S 0\n"
    )
    facts = PROBE.parse(_section(stream.encode()))
    assert all(isinstance(event, Event) for event in facts.events)


def _section(stream: bytes) -> Section:
    return parse_stream(stream, BOUNDARY, {"events": PROBE.cap_bytes}).sections[0]


def test_a_cut_answer_is_unknown() -> None:
    whole = _ask(_LINES)
    for length in range(len(whole.stream) // 2, len(whole.stream) - 120, 37):
        fact = read_fact(PROBE, evidence_of(whole.cut(length)))
        assert not hasattr(fact, "value")
