"""Roles of people who left in PostgreSQL (A24), and stores of passwords that are not ours to read (A25)."""

from datetime import date, datetime
from typing import Any

import pytest

from checks.model import Outcome, Result, Target
from collectors.evidence import Reason, TargetKind
from collectors.probes.pgroles import MOST_REACHED, PgRole, PgRolesFacts, PgServer, RolePassword
from config.model import Post
from tests.checks.account_facts import NOW, by_subject, days, judge, person, residue, roster, unknown

_WHERE = "/run/postgresql/.s.PGSQL.5432"


def _role(name: str = "sato", **more: Any) -> PgRole:
    values: dict[str, Any] = {
        "can_log_in": True,
        "superuser": False,
        "password": RolePassword.SCRAM,
        "valid_until": None,
        "reaches": (),
    }
    return PgRole(name=name, **{**values, **more})


def _servers(*roles: PgRole, reason: Reason | None = None, asked: str = "sato") -> PgRolesFacts:
    return PgRolesFacts(
        servers=(PgServer(where=_WHERE, roles=roles, unknown=reason),), asked=frozenset({asked})
    )


def _judged(facts: Any, **more: Any) -> Outcome | None:
    return by_subject(judge(pgroles=facts, **more)).get(("database-role", "sato"))


@pytest.mark.parametrize(
    ("role", "says"),
    [
        (_role(), "LOGIN"),
        (_role(superuser=True), "LOGIN, SUPERUSER"),
        (
            _role(password=RolePassword.NONE),
            "LOGIN, no password, so by peer, certificate, GSS or trust",
        ),
        (
            _role(valid_until=NOW - days(1)),
            "LOGIN, its password has ended, which stops no other way to log in",
        ),
        (_role(valid_until=NOW + days(1)), "LOGIN"),
        (_role(reaches=("readers",)), "LOGIN, may become readers"),
        (_role(reaches=("!boss", "readers")), "LOGIN, may become boss, readers, a superuser among them"),
    ],
)
def test_a_role_that_may_log_in_fails_whatever_became_of_its_password(role: PgRole, says: str) -> None:
    found = _judged(_servers(role))
    assert found is not None
    assert (found.result, found.actual.english()) == (Result.FAIL, f"{_WHERE}: {says}")


def test_a_role_without_login_is_closed_and_others_roles_are_no_concern() -> None:
    closed = _judged(_servers(_role(can_log_in=False, superuser=True)))
    assert closed is not None
    assert closed.result is Result.PASS
    assert _judged(_servers(_role("mori"))) is None


def test_of_several_servers_the_open_one_counts() -> None:
    both = PgRolesFacts(
        servers=(
            PgServer(where="/a", roles=(_role(can_log_in=False),), unknown=None),
            PgServer(where="/b", roles=(_role(),), unknown=None),
        ),
        asked=frozenset({"sato"}),
    )
    found = _judged(both)
    assert found is not None
    assert found.actual.english() == "/b: LOGIN"


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (_servers(reason=Reason.NOPRIV), Reason.NOPRIV),
        (_servers(reason=Reason.FAILED), Reason.FAILED),
        (_servers(asked="mori"), Reason.NOT_COLLECTED),
        (unknown(Reason.PROBE_CUT), Reason.PROBE_CUT),
    ],
)
def test_a_server_that_was_not_asked_is_said_once_a_host(facts: Any, reason: Reason) -> None:
    people = roster(person(), person("mori"), person("yamada"))
    found = by_subject(judge(pgroles=facts, roster=people))
    assert found["postgresql", ""].reason is reason
    assert not [kind for kind, _ in found if kind == "database-role"]


@pytest.mark.parametrize("left_on", [None, date(2026, 3, 31), date(2027, 1, 1)])
def test_nothing_is_asked_of_databases_before_the_deadline(left_on: date | None) -> None:
    people = roster(person(left_on=left_on))
    stores = residue(stores=("/var/lib/samba/private/passdb.tdb",))
    for facts in (_servers(_role()), unknown(Reason.PROBE_CUT)):
        found = by_subject(judge(pgroles=facts, roster=people, residue=stores))
        assert not {"database-role", "postgresql", "other-accounts"} & {kind for kind, _ in found}


def test_samba_keeps_passwords_that_are_not_looked_at() -> None:
    found = by_subject(judge(residue=residue(stores=("/var/lib/samba/private/passdb.tdb",))))
    note = found["other-accounts", "samba"]
    assert note.reason is Reason.OUTSIDE_HOST
    assert "passdb.tdb" in note.actual.english()
    assert ("other-accounts", "samba") not in by_subject(judge())


def test_the_time_of_the_run_decides_and_not_the_machines() -> None:
    assert isinstance(NOW, datetime)
    found = _judged(_servers(_role(valid_until=NOW)))
    assert found is not None
    assert "has ended" in found.actual.english()


_SALES = Post(name="営業部", database_roles=("sales_*",))


def _moved(
    role: PgRole, *, declared: tuple[Post, ...] = (_SALES,), moved: date = date(2026, 3, 1)
) -> Outcome | None:
    found = by_subject(
        judge(
            pgroles=_servers(role),
            roster=roster(person(left_on=None, transferred_on=moved, posts=("営業部",))),
            target=Target(target="host", kind=TargetKind.HOST, posts=declared),
        )
    )
    return found.get(("database-role", "sato"))


@pytest.mark.parametrize(
    ("role", "result", "says"),
    [
        (_role(), Result.PASS, "in 1 servers"),
        (_role(reaches=("sales_read",)), Result.PASS, "in 1 servers"),
        (_role(reaches=("hr_read", "sales_read")), Result.FAIL, f"{_WHERE}: may become hr_read"),
        (_role(reaches=("!sales_boss",)), Result.FAIL, f"{_WHERE}: may become sales_boss"),
        (_role(superuser=True), Result.FAIL, f"{_WHERE}: SUPERUSER"),
        (_role(can_log_in=False, superuser=True, reaches=("hr_read",)), Result.PASS, "in 1 servers"),
        (_role(reaches=("sales_read",) * MOST_REACHED), Result.UNKNOWN, "more roles than are named"),
        (_role(reaches=("sales_read",) * (MOST_REACHED - 1)), Result.PASS, "in 1 servers"),
    ],
)
def test_of_people_who_moved_roles_beyond_the_new_post_fail(role: PgRole, result: Result, says: str) -> None:
    found = _moved(role)
    assert found is not None
    assert found.result is result
    assert says in found.actual.english()


def test_of_people_who_moved_roles_are_a_warning_where_no_post_is_declared() -> None:
    found = _moved(_role(reaches=("hr_read",)), declared=())
    assert found is not None
    assert found.result is Result.WARN
    assert "declare under [[post]]" in found.summary.english()


def test_to_become_a_superuser_is_what_no_post_needs() -> None:
    found = _moved(
        _role(reaches=("!boss", "readers")), declared=(Post(name="営業部", database_roles=("*",)),)
    )
    assert found is not None
    assert found.actual.english() == f"{_WHERE}: may become boss"


def test_roles_of_people_who_moved_are_not_judged_before_the_deadline() -> None:
    """Asia/Tokyo: the 30th ends at 15:00 UTC, and a day is given."""
    assert _moved(_role(superuser=True), moved=date(2026, 3, 30)) is None
    assert _moved(_role(superuser=True), moved=date(2026, 3, 29)) is not None


def test_roles_that_were_not_asked_are_said_where_somebody_moved() -> None:
    people = roster(person(left_on=None, transferred_on=date(2026, 3, 1)))
    found = by_subject(judge(pgroles=_servers(reason=Reason.NOPRIV), roster=people))
    assert found["postgresql", ""].reason is Reason.NOPRIV
