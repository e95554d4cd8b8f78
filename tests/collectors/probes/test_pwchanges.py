"""Lines about changed passwords: run over real files in several shells, then dated and bounded by the reader."""

# ruff: noqa: E501 (log lines are as long as their programs write them)

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.evidence import Part, Reason, Section, SectionState
from collectors.facts import WithheldError
from collectors.probes.pwchanges import PROBE, PasswordChangesFacts, parse
from config.errors import ParseError
from tests.collectors.probes.fixed_paths import SHELLS, ask

_NOW = datetime.now(UTC)
_TODAY = (_NOW - datetime(1970, 1, 1, tzinfo=UTC)).days


def _ago(days: int, form: str = "%b %e %H:%M:%S") -> str:
    return (_NOW - timedelta(days=days)).strftime(form)


_HASH = "$6$CANARY$CANARYCANARYCANARY"
_SETUP = rf"""
cat > /etc/shadow <<'X'
root:*:{_TODAY}:0:99999:7:::
sato:{_HASH}:{_TODAY - 3}:0:90:7:::
mori:{_HASH}:{_TODAY - 5}:0:90:7:::
ito:{_HASH}:{_TODAY - 80}:0:90:7:::
kato:!{_HASH}:{_TODAY}:0:90:7:::
{_HASH}:x:{_TODAY}:0:90:7:::
X
cat > auth.log <<'X'
{_ago(4)} h CRON[1]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)
{_ago(3)} h passwd[7]: pam_unix(passwd:chauthtok): password changed for sato
{_ago(3)} h passwd[7]: password for 'mori' changed by 'root'
{_ago(3)} h logger: CANARY password changed for mori
{_ago(3)} h sshd[9]: Invalid user x: pam_unix(passwd:chauthtok): password changed for mori from 1.2.3.4 port 1
{_ago(3)} h sshd[9]: pam_unix(sshd:chauthtok): password changed for yamada
{_ago(2)} h chage[8]: changed password expiry for mori
{_ago(1)} h CRON[1]: pam_unix(cron:session): session closed for user root
X
cat > auth.log.1 <<'X'
{_ago(9)} h CRON[1]: pam_unix(cron:session): CANARY
{_ago(5, "%Y-%m-%dT%H:%M:%S.123456+00:00")} h usermod[9]: change user 'mori' password
X
gzip auth.log.1
touch -d '{_ago(1, "%F %T")}' auth.log
touch -d '{_ago(5, "%F %T")}' auth.log.1.gz
"""


def _facts(setup: str, user: str = "") -> PasswordChangesFacts:
    return parse(ask(PROBE, setup, user=user).section)


def _days(facts: PasswordChangesFacts) -> set[tuple[str, int]]:
    return {(it.name, _TODAY - it.day) for it in facts.changes}


def test_changes_of_recent_passwords_are_told_and_nothing_else_leaves_the_host() -> None:
    """`passwd -l` writes "password for 'x' changed" too: only the line of the change itself counts."""
    answers = [ask(PROBE, _SETUP, shell=shell) for shell in SHELLS]
    assert all(answer.payload == answers[0].payload for answer in answers)
    for planted in (b"CANARY", b"1.2.3.4", b"yamada", b"ito", b"kato"):
        assert planted not in answers[0].stream
    facts = parse(answers[0].section)
    assert facts.recent == {"sato", "mori"}
    assert _days(facts) == {("sato", 3), ("mori", 5)}
    assert facts.covered_from is not None
    assert (_NOW - facts.covered_from).days == 9
    assert facts.covered_to is not None
    assert (_NOW - facts.covered_to).days == 1


def test_where_no_password_is_recent_no_log_is_opened() -> None:
    setup = _SETUP + "sed -i '/^sato/d;/^mori/d' /etc/shadow\n"
    answer = ask(PROBE, setup)
    assert [part.name for part in answer.section.parts] == ["recent"]
    assert parse(answer.section).covered_from is None


@pytest.mark.parametrize(
    ("break_it", "covers_from", "covers_to"),
    [
        ("rm auth.log.1.gz", 4, 1),
        ("head -c 300 auth.log.1.gz > x; mv x auth.log.1.gz; touch -d '3 days ago' auth.log.1.gz", 4, 1),
        ("echo torn | gzip > auth.log.1.gz; touch -d '3 days ago' auth.log.1.gz", 4, 1),
        ("truncate -s 20M auth.log; touch -d yesterday auth.log", None, None),
        ("rm auth.log; mkfifo auth.log", 9, 5),
        ("sed -i s/pam_unix/other/ auth.log; rm auth.log.1.gz", None, None),
        ("rm auth.log*", None, None),
    ],
)  # fmt: skip
def test_silence_counts_only_for_what_was_read_as_a_whole(
    break_it: str, covers_from: int | None, covers_to: int | None
) -> None:
    facts = _facts(f"{_SETUP}{break_it}\n")
    found = [None if at is None else (_NOW - at).days for at in (facts.covered_from, facts.covered_to)]
    assert found == [covers_from, covers_to]


def test_without_the_shadow_file_nothing_is_told() -> None:
    with pytest.raises(WithheldError) as withheld:
        _facts(_SETUP + "chmod 600 /etc/shadow\n", user="65534")
    assert withheld.value.reason is Reason.NOPRIV


_LINES = st.sampled_from(
    ("M 1700000000", "P", "F\tNov  1 10:00:00", "L\tFeb 29 10:00:00", "E\t1700000000\tsato", "E\tx", "", "F\t-1")
)  # fmt: skip


@given(st.one_of(st.binary(max_size=80), st.lists(_LINES, max_size=8).map(lambda it: "\n".join(it).encode())))
@settings(max_examples=80, deadline=None)
def test_any_bytes_are_facts_or_a_parse_error(raw: bytes) -> None:
    for name in ("recent", "zone", "log /var/log/auth.log", "journal"):
        parts = {"recent": b"sato\n", "zone": b"+0900\n", name: raw}
        section = Section(
            name="pwchanges",
            state=SectionState.ENDED,
            exit=0,
            parts=tuple(Part.of(each, "read", text) for each, text in parts.items()),
        )
        with suppress(ParseError):
            assert isinstance(parse(section), PasswordChangesFacts)
