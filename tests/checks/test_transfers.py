"""People who moved: their groups and rules against what the new post needs (A20)."""

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from checks.model import Outcome, Result, Target
from collectors.evidence import Reason, TargetKind
from collectors.probes.accounts import Group
from collectors.probes.names import Membership
from collectors.probes.stores import Unasked
from config.model import DataStore, Post
from tests.checks.account_facts import (
    TODAY,
    account,
    accounts,
    by_subject,
    judge,
    names,
    person,
    roster,
    service_entry,
    shadow,
    shadows,
    stores,
    sudo,
    unknown,
)
from tests.collectors.probes.sudo_answers import rules_of

SALES = Post(name="営業部", groups=("sales", "print*"))
OWN = Group(name="sato", gid=1001, members=())
HR = Group(name="hr", gid=500, members=("sato",))


def _judge(
    *groups: Group,
    posts: tuple[str, ...] = ("営業部",),
    declared: tuple[Post, ...] = (SALES,),
    moved: date = date(2026, 3, 1),
    gid: int = 1001,
    **given: Any,
) -> Outcome:
    facts: dict[str, Any] = {
        "accounts": accounts(account("sato", gid=gid), groups=(OWN, *groups)),
        "shadow": shadows(shadow("sato")),
        "roster": roster(person(left_on=None, transferred_on=moved, posts=posts)),
        "target": Target(target="host", kind=TargetKind.HOST, audit_user="tenken", posts=declared),
    }
    return by_subject(judge(**{**facts, **given}))["account", "sato"]


@pytest.mark.parametrize(
    ("groups", "kept"),
    [
        ((), None),
        ((Group(name="sales", gid=501, members=("mori", "sato")),), None),
        ((Group(name="printers", gid=502, members=("sato",)),), None),
        ((HR,), "groups hr"),
        ((HR, Group(name="sales", gid=501, members=("sato",))), "groups hr"),
        ((Group(name="docker", gid=999, members=("sato",)), HR), "groups docker (root), hr"),
        ((Group(name="adm", gid=4, members=("mori",)),), None),
    ],
)
def test_groups_that_the_new_post_does_not_need_fail(groups: tuple[Group, ...], kept: str | None) -> None:
    found = _judge(*groups)
    assert found.result is (Result.FAIL if kept else Result.PASS)
    assert kept is None or found.actual.english() == kept


def test_a_primary_group_counts_unless_it_is_the_accounts_own() -> None:
    """S4: a primary group has no members in group(5)."""
    assert _judge(Group(name="hr", gid=500, members=()), gid=500).actual.english() == "groups hr"
    assert _judge().result is Result.PASS


def test_a_group_of_the_same_name_that_is_not_the_primary_one_is_no_own_group() -> None:
    found = _judge(
        accounts=accounts(
            account("sato", gid=501),
            groups=(
                Group(name="sato", gid=1001, members=("sato",)),
                Group(name="sales", gid=501, members=()),
            ),
        )
    )
    assert found.actual.english() == "groups sato"


def test_groups_of_other_name_services_count() -> None:
    kept = names(
        remote_groups=("sss",),
        memberships=(
            Membership(account="sato", gid=70_000, group="domain admins"),
            Membership(account="mori", gid=70_002, group="hr"),
        ),
    )
    assert _judge(names=kept).actual.english() == "groups domain admins"


@pytest.mark.parametrize(
    ("rules", "groups", "kept"),
    [
        ("sato ALL=(ALL) ALL", (), "ALL commands as root by /etc/sudoers:1"),
        ("#1001 ALL=NOPASSWD: /bin/a", (), "1 command as root without a password by /etc/sudoers:1"),
        ("%hr ALL=ALL", (HR,), "groups hr; ALL commands as root by /etc/sudoers:1"),
        ("%sales ALL=ALL", (Group(name="sales", gid=501, members=("sato",)),), None),
        ("ALL ALL=/bin/a", (), None),
        ("mori ALL=ALL", (), None),
    ],
)
def test_rules_by_name_or_by_a_group_of_the_former_post_fail(
    rules: str, groups: tuple[Group, ...], kept: str | None
) -> None:
    found = _judge(*groups, sudo=rules_of(rules))
    assert found.result is (Result.FAIL if kept else Result.PASS)
    assert kept is None or found.actual.english() == kept


def test_a_post_may_allow_rules_by_name() -> None:
    post = Post(name="営業部", groups=("sales",), sudo=True)
    assert _judge(declared=(post,), sudo=rules_of("sato ALL=ALL")).result is Result.PASS
    assert _judge(HR, declared=(post,), sudo=rules_of("%hr ALL=ALL")).result is Result.FAIL


@pytest.mark.parametrize(
    ("moved", "result"),
    [
        # Asia/Tokyo: the 29th ends at 15:00 UTC, a day before the deadline.
        (date(2026, 3, 29), Result.FAIL),
        (date(2026, 3, 30), Result.PASS),
        (date(2026, 5, 1), Result.PASS),
    ],
)
def test_nothing_is_asked_before_the_deadline(moved: date, result: Result) -> None:
    assert _judge(HR, moved=moved).result is result


def test_posts_are_compared_without_width_case_and_blanks() -> None:
    post = Post(name="Sales Dept 1", groups=("hr",))
    assert _judge(HR, declared=(post,), posts=("\uff33ALES dept\u3000\uff11",)).result is Result.PASS


def test_two_posts_allow_what_either_needs() -> None:
    both = (SALES, Post(name="人事部", groups=("hr",)))
    assert _judge(HR, declared=both, posts=("営業部", "人事部")).result is Result.PASS
    assert _judge(HR, declared=both, posts=("営業部",)).result is Result.FAIL


@pytest.mark.parametrize(
    ("posts", "declared", "says"),
    [
        ((), (SALES,), "the roster does not name the new post, see [roster.columns]"),
        (("総務部",), (SALES,), "to 総務部: declare under [[post]]"),
        (("総務部",), (), "to 総務部: declare under [[post]]"),
        (("営業部", "総務部"), (SALES,), "to 総務部: declare under [[post]]"),
    ],
)
def test_without_a_declared_post_what_is_kept_is_a_warning_that_says_what_to_declare(
    posts: tuple[str, ...], declared: tuple[Post, ...], says: str
) -> None:
    found = _judge(HR, posts=posts, declared=declared)
    assert found.result is Result.WARN
    assert says in found.summary.english()
    assert found.actual.english() == "groups hr"
    assert _judge(posts=posts, declared=declared).result is Result.PASS


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"accounts": accounts(account("sato"), groups=None)}, Reason.CORRUPT),
        ({"names": unknown(Reason.TIMEOUT)}, Reason.TIMEOUT),
        ({"names": names(remote_groups=("sss",), memberships=None)}, Reason.TIMEOUT),
        ({"names": names(remote_groups=("sss",), asked=frozenset())}, Reason.NOT_COLLECTED),
        ({"names": names(remote_groups=("sss",))}, Reason.OUTSIDE_HOST),
        ({"sudo": rules_of("+admins ALL=ALL")}, Reason.OUTSIDE_HOST),
        ({"gid": 777}, Reason.UNDETERMINED),
        ({"names": names(memberships=(Membership(account="sato", gid=7, group=""),))}, Reason.UNDETERMINED),
    ],
)
@pytest.mark.parametrize("declared", [(), (SALES,)])
def test_groups_or_rules_that_are_hidden_are_never_a_pass(
    given: dict[str, Any], reason: Reason, declared: tuple[Post, ...]
) -> None:
    found = _judge(declared=declared, **given)
    assert (found.result, found.reason) == (Result.UNKNOWN, reason)
    if "accounts" not in given:
        assert _judge(HR, **given).result is Result.FAIL


def test_a_directory_that_named_anybody_is_believed() -> None:
    up = names(remote_groups=("sss",), found=(service_entry("mori", 70_000),))
    assert _judge(names=up).result is Result.PASS


def test_rules_that_cannot_be_read_are_said_once_and_not_for_everybody_who_moved() -> None:
    found = by_subject(
        judge(
            accounts=accounts(account("sato"), groups=(OWN,)),
            shadow=shadows(shadow("sato")),
            roster=roster(person(left_on=None, transferred_on=date(2026, 3, 1))),
            sudo=unknown(Reason.NOPRIV),
        )
    )
    assert found["sudo-rules", ""].reason is Reason.NOPRIV
    assert found["account", "sato"].result is Result.PASS


HR_STORE = DataStore(path="/srv/hr", hosts=("*",), posts=("人事部",))


def _with_store(*more: DataStore, **given: Any) -> Outcome:
    declared = Target(
        target="host",
        kind=TargetKind.HOST,
        audit_user="tenken",
        posts=given.pop("declared", (SALES,)),
        stores=(HR_STORE, *more),
    )
    return _judge(**{"target": declared, **given})


@pytest.mark.parametrize(
    ("rights", "kept"),
    [
        ("---", None),
        ("r-x", "stores /srv/hr (read, enter)"),
        ("rwx", "stores /srv/hr (read, write, enter)"),
        ("-w-", "stores /srv/hr (write)"),
        ("--x", "stores /srv/hr (enter)"),
    ],
)
def test_a_store_of_another_post_that_can_still_be_reached_fails(rights: str, kept: str | None) -> None:
    """A20: with no group or rule kept, an open mode or an ACL is enough."""
    found = _with_store(stores=stores(sato=rights))
    assert found.result is (Result.FAIL if kept else Result.PASS)
    assert kept is None or found.actual.english() == kept


def test_a_store_is_open_to_its_own_posts_and_what_others_may_is_no_concern() -> None:
    assert _with_store(stores=stores(sato="---", mori="rwx")).result is Result.PASS
    moved_to_hr = Post(name="人事部")
    mine = {"declared": (moved_to_hr,), "posts": ("人事部",)}
    assert _with_store(stores=stores(sato="rwx"), **mine).result is Result.PASS


@pytest.mark.parametrize(("rights", "result"), [("--x", Result.PASS), ("r-x", Result.FAIL)])
def test_the_way_to_a_needed_store_may_be_entered_and_no_more(rights: str, result: Result) -> None:
    below = DataStore(path="/srv/hr/sales", hosts=("*",), posts=("営業部",))
    assert _with_store(below, stores=stores(sato=rights)).result is result
    beside = DataStore(path="/srv/hr-sales", hosts=("*",), posts=("営業部",))
    assert _with_store(beside, stores=stores(sato=rights)).result is Result.FAIL


def test_a_kept_store_is_a_warning_until_the_new_post_is_declared() -> None:
    found = _with_store(posts=("総務部",), stores=stores(sato="r-x"))
    assert (found.result, found.actual.english()) == (Result.WARN, "stores /srv/hr (read, enter)")
    assert "declare under [[post]]" in found.summary.english()


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (unknown(Reason.NOPRIV), Reason.NOPRIV),
        (unknown(Reason.NO_TOOL), Reason.NO_TOOL),
        (stores(), Reason.NOT_COLLECTED),
        (stores(mori="rwx"), Reason.NOT_COLLECTED),
        (replace(stores(), unasked=(Unasked(account="sato", reason=Reason.TIMEOUT),)), Reason.TIMEOUT),
        (replace(stores(sato="---"), absent=frozenset({"/srv/hr"})), Reason.UNDETERMINED),
        (replace(stores(sato="---"), declared=frozenset()), Reason.NOT_COLLECTED),
    ],
)
def test_rights_in_stores_that_are_hidden_are_never_a_pass(facts: Any, reason: Reason) -> None:
    found = _with_store(stores=facts)
    assert (found.result, found.reason) == (Result.UNKNOWN, reason)
    assert _with_store(stores=facts, sudo=rules_of("sato ALL=ALL")).result is Result.FAIL
    mine = {"declared": (Post(name="人事部"),), "posts": ("人事部",)}
    assert _with_store(stores=facts, **mine).result is Result.PASS


def test_who_moved_and_has_a_closed_account_keeps_nothing() -> None:
    closed = shadows(shadow("sato", expire_day=TODAY - 60))
    assert _judge(HR, shadow=closed, sudo=sudo()).result is Result.PASS
