"""Rules of sudo and doas for people who left: part of the way in, or residue."""

from datetime import date

import pytest

from checks.model import Result
from collectors.evidence import Reason
from collectors.probes.accounts import Group
from collectors.probes.residue import Home
from tests.checks.account_facts import (
    TODAY,
    account,
    accounts,
    by_subject,
    judge,
    key_file,
    keys,
    person,
    residue,
    roster,
    shadow,
    shadows,
    sudo,
    unknown,
)
from tests.collectors.probes.sudo_answers import rules_of

SATO = account("sato", 1001)
WHEEL = (Group(name="wheel", gid=27, members=("sato",)), Group(name="sato", gid=1001, members=()))
CLOSED = {"accounts": accounts(SATO, groups=WHEEL), "shadow": shadows(shadow("sato", expire_day=TODAY - 60))}
OPEN = {
    "accounts": accounts(SATO, groups=WHEEL),
    "shadow": shadows(shadow("sato", "locked")),
    "keys": keys(key_file("sato")),
}
HOME = {"residue": residue(homes=(Home(name="sato", uid=1001, owner=None),))}


@pytest.mark.parametrize(
    ("rules", "then"),
    [
        ("sato ALL=(ALL) NOPASSWD: ALL", "ALL commands as root without a password by /etc/sudoers:1"),
        ("%wheel ALL=/bin/a, /bin/b", "2 commands as root by /etc/sudoers:1"),
        ("%#1001 ALL=(www) /bin/a", "1 command as another account by /etc/sudoers:1"),
        ("mori ALL=ALL", None),
    ],
)
def test_what_an_open_account_may_do_is_part_of_its_way_in(rules: str, then: str | None) -> None:
    found = by_subject(judge(**OPEN, sudo=rules_of(rules)))["account", "sato"]
    assert found.result is Result.FAIL
    assert found.actual.english() == "open: public key" + (f", then {then}" if then else "")


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ("sato ALL=ALL", "sudo rule /etc/sudoers:1"),
        ("#1001 ALL=/bin/a", "sudo rule /etc/sudoers:1"),
        ("User_Alias ADMINS = mori, sato\nADMINS ALL=ALL", "sudo rule /etc/sudoers:2"),
        # A group's rule is for those who are in it; being listed in a group is no residue while expired.
        ("%wheel ALL=ALL", None),
        ("ALL, !sato ALL=ALL", None),
    ],
)
def test_a_rule_that_names_a_closed_account_is_residue(rules: str, left: str | None) -> None:
    found = by_subject(judge(**CLOSED, sudo=rules_of(rules)))
    assert found["account", "sato"].result is Result.PASS
    residue_found = found.get(("residue", "sato"))
    assert (residue_found.actual.english() if residue_found else None) == left
    assert residue_found is None or residue_found.result is Result.WARN


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ("sato ALL=(ALL) ALL", "sudo rule /etc/sudoers:1: whoever gets this name next is root"),
        ("sato ALL=/bin/a", "sudo rule /etc/sudoers:1: for whoever gets this name next"),
        ("#1001 ALL=ALL", "sudo rule /etc/sudoers:1: whoever gets uid 1001 next is root"),
    ],
)
def test_a_rule_for_a_name_or_uid_that_is_free_is_for_whoever_gets_it(rules: str, left: str) -> None:
    found = by_subject(judge(**HOME, sudo=rules_of(rules)))["residue", "sato"]
    assert found.result is Result.WARN
    assert left in found.actual.english()


def test_a_uid_that_was_given_out_again_takes_the_rule_along() -> None:
    homes = residue(homes=(Home(name="sato", uid=1001, owner="mori"),))
    found = by_subject(judge(residue=homes, sudo=rules_of("#1001 ALL=ALL")))["residue", "sato"]
    assert found.result is Result.FAIL
    assert "sudo rule /etc/sudoers:1: mori, who has uid 1001 now is root" in found.actual.english()


def test_a_deleted_account_that_a_group_still_lists_is_residue() -> None:
    found = by_subject(judge(accounts=accounts(groups=WHEEL)))["residue", "sato"]
    assert found.actual.english() == "a place in the group wheel: for whoever gets this name next"


def test_rules_that_cannot_be_read_are_said_once_a_host_and_never_none() -> None:
    found = by_subject(judge(**CLOSED, sudo=unknown(Reason.NOPRIV)))
    assert found["sudo-rules", ""].reason is Reason.NOPRIV
    assert found["account", "sato"].result is Result.PASS
    assert [kind for kind, _ in found].count("sudo-rules") == 1


def test_damaged_lines_and_rules_kept_elsewhere_are_not_known() -> None:
    """S8; sudo leaves a damaged line out, but it may be we who cannot read it."""
    found = by_subject(judge(sudo=sudo(damaged=("/etc/sudoers:3",), outside=("sss",))))
    assert found["sudo-rules", "damaged"].reason is Reason.CORRUPT
    assert "/etc/sudoers:3" in found["sudo-rules", "damaged"].actual.english()
    assert found["sudo-rules", "outside"].reason is Reason.OUTSIDE_HOST


@pytest.mark.parametrize("left_on", [None, date(2026, 3, 31), date(2027, 1, 1)])
def test_rules_are_of_no_concern_where_nobody_left(left_on: date | None) -> None:
    people = roster(person(left_on=left_on))
    found = by_subject(judge(**{**CLOSED, "roster": people}, sudo=unknown(Reason.NOPRIV)))
    assert not [kind for kind, _ in found if kind == "sudo-rules"]
