"""What rules of sudo and doas add up to for one account."""

from datetime import UTC, datetime

import pytest

from checks.sudo_reach import Holder, fits, names_it, perhaps, reach
from collectors.probes.sudo import SudoFacts
from tests.collectors.probes.sudo_answers import rules_of

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
SATO = Holder(name="sato", uid=1001, groups=frozenset({"sato", "Wheel"}), gids=frozenset({1001, 27}))


def _text(rules: str | SudoFacts, holder: Holder = SATO, *, own: bool = False) -> str | None:
    facts = rules_of(rules) if isinstance(rules, str) else rules
    found = reach(facts, holder, NOW, own=own)
    return found.text() if found else None


@pytest.mark.parametrize(
    ("rules", "what"),
    [
        ("sato ALL=ALL", "ALL commands as root"),
        ("SATO ALL=ALL", "ALL commands as root"),
        ("#1001 ALL=ALL", "ALL commands as root"),
        ("#01001 ALL=ALL", "ALL commands as root"),
        ("%wheel ALL=/bin/a, /bin/b", "2 commands as root"),
        ("%#27 ALL=(mori) NOPASSWD: /bin/a", "1 command as another account without a password"),
        ("ALL ALL=ALL", "ALL commands as root"),
        ("ALL, !sato ALL=ALL", None),
        ("User_Alias OUT = mori, sato\nALL, !OUT ALL=ALL", None),
        ("User_Alias OUT = ALL, !sato\nALL, !OUT ALL=ALL", "ALL commands as root"),
        ("mori, %staff, #1, %#1 ALL=ALL", None),
        ("sato ALL=!ALL", None),
        ("sato ALL=ALL, !/bin/su", "ALL commands as root"),
        ("sato ALL=(ALL) ALL\nsato ALL=(ALL) !ALL", None),
        ("sato ALL=(ALL) !ALL\nsato ALL=(ALL) ALL", "ALL commands as root"),
        ("sato ALL=ALL\nsato ALL=(mori) !ALL", "ALL commands as root"),
        ("sato ALL=(ALL:ALL) ALL\nsato ALL=(ALL) !ALL", "ALL commands as root"),
        ("sato ALL=NOPASSWD: ALL\nsato ALL=PASSWD: ALL", "ALL commands as root"),
        ("sato ALL=NOPASSWD: /bin/a\nsato ALL=/bin/b", "2 commands as root without a password"),
        ("sato ALL=NOTAFTER=20260331115959Z ALL", None),
        ("sato ALL=NOTBEFORE=20260331120001Z ALL", None),
        ("sato ALL=NOTAFTER=20260331210001+0900 ALL", "ALL commands as root"),
        # The host's own zone is not known: the widest reading.
        ("sato ALL=NOTAFTER=20260331000000 ALL", "ALL commands as root"),
        ("Defaults !authenticate\nsato ALL=ALL", "ALL commands as root without a password"),
        ("Defaults !authenticate\nDefaults:sato authenticate\nsato ALL=ALL", "ALL commands as root"),
        ("Defaults:%wheel !authenticate\nsato ALL=ALL", "ALL commands as root without a password"),
        ("Defaults:mori !authenticate\nsato ALL=ALL", "ALL commands as root"),
        ("Defaults@other !authenticate\nsato ALL=ALL", "ALL commands as root"),
        # openSUSE's default: no more than su(1) gives.
        ("Defaults targetpw\nALL ALL=(ALL) ALL", None),
        ("Defaults rootpw\nsato ALL=NOPASSWD: /bin/a", "1 command as root without a password"),
    ],
)
def test_rules_add_up_as_sudo_adds_them(rules: str, what: str | None) -> None:
    assert _text(rules) == what


def test_what_everybody_may_do_is_nobodys_own() -> None:
    assert _text("ALL ALL=/bin/a", own=True) is None
    assert _text("ALL ALL=/bin/a\n%wheel ALL=/bin/b", own=True) == "1 command as root"


def test_a_doas_rule_that_denies_ends_what_was_permitted_before() -> None:
    assert _text(rules_of(doas="permit sato\n")) == "ALL commands as root"
    assert _text(rules_of(doas="permit nopass sato as mori cmd /bin/a\n")) == (
        "1 command as another account without a password"
    )
    assert _text(rules_of(doas="permit :wheel\ndeny sato\n")) is None
    assert _text(rules_of("sato ALL=ALL", doas="deny sato\n")) == "ALL commands as root"


def test_a_rule_in_a_file_that_sudo_refuses_gives_nothing() -> None:
    facts = rules_of("sato ALL=ALL", mode="0 0 666")
    assert _text(facts) is None
    assert names_it(facts.rules[0], SATO)


def test_a_rule_by_netgroup_or_for_some_host_is_neither_given_nor_denied() -> None:
    facts = rules_of("+admins ALL=ALL\nsato +hosts=ALL\nmori ALL=ALL\n!sato, +admins ALL=ALL")
    assert _text(facts) is None
    assert perhaps(facts, SATO) == ("/etc/sudoers:1", "/etc/sudoers:2", "/etc/sudoers:4")
    assert [fits(it, SATO) for it in facts.rules] == [None, True, False, None]


@pytest.mark.parametrize(
    ("users", "named"),
    [
        ("sato", True),
        ("Sato", True),
        ("#1001", True),
        ("%wheel", False),
        ("ALL", False),
        ("!sato", False),
        ("mori, #1002", False),
    ],
)
def test_only_a_name_or_uid_names_an_account(users: str, named: bool) -> None:  # noqa: FBT001
    assert names_it(rules_of(f"{users} ALL=ALL").rules[0], SATO) is named


def test_a_uid_names_nobody_whose_uid_is_not_known() -> None:
    assert not names_it(rules_of("#1001 ALL=ALL").rules[0], Holder(name="sato"))
