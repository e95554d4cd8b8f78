"""Password ages and hashes by hand-made facts: value and result, with the edges."""

from datetime import timedelta
from typing import Any

import pytest

from checks.model import History, Outcome, Result, Sighting
from checks.password_rotation import Limits, password_rotation
from collectors.evidence import Reason
from collectors.facts import Known, Unknown
from collectors.probes.accounts import PasswordField
from config.duration import Duration
from tests.checks.account_facts import (
    CLOCK,
    TODAY,
    account,
    accounts,
    by_subject,
    names,
    pam,
    pwchanges,
    shadow,
    shadows,
    sshd,
    unknown,
)

AGE = ("account", "sato")
HASH = ("password-hash", "sato")


def _judge(**given: Any) -> dict[tuple[str, str], Outcome]:
    facts = given.get("names", names())
    return by_subject(
        password_rotation(
            accounts=given.get("accounts", accounts(account("sato"), account("mori", 1002))),
            shadow=given.get("shadow", shadows(shadow("sato"), shadow("mori"))),
            names=facts if isinstance(facts, Unknown) else Known(value=facts, evidence=""),
            pam=Known(value=pam(), evidence=""),
            sshd=Known(value=sshd(), evidence=""),
            changes=Known(value=pwchanges(), evidence=""),
            options=given.get("options", Limits()),
            clock=CLOCK,
            history=given.get("history", History()),
        )
    )


def _entry(state: str = "set", **more: Any) -> dict[tuple[str, str], Outcome]:
    return _judge(shadow=shadows(shadow("sato", state, **more), shadow("mori")))


def test_a_limit_in_login_defs_does_not_hide_an_account_without_one() -> None:
    """Criterion 41, P1 and P2: 90 in login.defs, 99999 for one account: that one fails, and no other."""
    found = _entry(max_days=99_999)
    assert {name: it.result for name, it in found.items() if it.result is Result.FAIL} == {AGE: Result.FAIL}
    assert found["login.defs", "PASS_MAX_DAYS"].result is Result.PASS
    assert found["account", "mori"].result is Result.PASS


@pytest.mark.parametrize("state", ["bang", "bangother", "star", "starlike", "locked", "x"])
def test_an_account_without_a_usable_password_is_not_applicable(state: str) -> None:
    """Criterion 42, P3."""
    found = _entry(state, max_days=None, changed_day=1)
    assert found[AGE].result is Result.NOT_APPLICABLE
    assert HASH not in found


@pytest.mark.parametrize(
    ("ages", "result"),
    [
        ({"changed_day": TODAY - 200}, Result.FAIL),
        ({"changed_day": TODAY - 90}, Result.PASS),
        ({"changed_day": TODAY - 91}, Result.FAIL),
        ({"changed_day": TODAY}, Result.PASS),
        ({"changed_day": TODAY + 1}, Result.FAIL),
        ({"changed_day": None}, Result.FAIL),
        ({"changed_day": 0}, Result.WARN),
        ({"changed_day": 0, "max_days": None}, Result.FAIL),
        ({"max_days": 91}, Result.FAIL),
        ({"max_days": 30}, Result.PASS),
        ({"max_days": None}, Result.FAIL),
        ({"expire_day": TODAY - 1}, Result.NOT_APPLICABLE),
        ({"expire_day": TODAY, "changed_day": TODAY - 200}, Result.FAIL),
        ({"damaged": True}, Result.UNKNOWN),
    ],
)
def test_age_and_limit_are_judged_for_each_account(ages: dict[str, Any], result: Result) -> None:
    """Criteria 43 and 44, P2, P4, P6 and P7, with the edges."""
    assert _entry(**ages)[AGE].result is result


def _waiting(days_ago: int, *, seen_last: bool = True) -> History:
    """A history in which sato's order to change was first seen so many days ago."""
    first, last = CLOCK.as_of - timedelta(days=days_ago), CLOCK.as_of - timedelta(days=1)
    sighting = Sighting(first=first, last=last if seen_last else first)
    return History(
        run=1,
        as_of=last,
        seen={History.key("password-rotation", "must-change:sato"): sighting},
        looked={"password-rotation": last},
    )


@pytest.mark.parametrize(
    ("history", "result"),
    [
        (History(), Result.WARN),
        (_waiting(90), Result.WARN),
        (_waiting(91), Result.FAIL),
        (_waiting(91, seen_last=False), Result.WARN),
    ],
)
def test_an_order_to_change_that_is_older_than_a_period_is_no_change(
    history: History, result: Result
) -> None:
    """P5: only the auditor's own history knows since when lastchg is 0; a break in it starts anew."""
    facts = shadows(shadow("sato", changed_day=0), shadow("mori"))
    assert _judge(shadow=facts, history=history)[AGE].result is result
    assert _judge(history=history)[AGE].result is Result.PASS


def test_only_usable_passwords_that_wait_for_a_change_are_watched() -> None:
    facts = shadows(shadow("sato", changed_day=0), shadow("mori"), shadow("kato", "star", changed_day=0))
    watch = password_rotation.__tenken_check__.watch  # type: ignore[attr-defined]
    assert list(watch(facts)) == ["must-change:sato"]


@pytest.mark.parametrize(
    ("algorithm", "rounds", "result"),
    [
        ("1", None, Result.FAIL),
        ("des", None, Result.FAIL),
        ("bsdi", None, Result.FAIL),
        ("3", None, Result.FAIL),
        ("sha1", None, Result.FAIL),
        ("md5", None, Result.FAIL),
        ("6", 1_000, Result.WARN),
        ("6", 4_999, Result.WARN),
        ("6", 5_000, Result.PASS),
        ("6", None, Result.PASS),
        ("5", 1_000, Result.WARN),
        ("y", None, Result.PASS),
        ("gy", None, Result.PASS),
        ("2a", None, Result.PASS),
        ("2y", None, Result.PASS),
        ("7", None, Result.PASS),
        ("2b", None, Result.PASS),
        ("2x", None, Result.WARN),
        ("other", None, Result.WARN),
    ],
)
def test_weak_hashes_fail_and_few_rounds_warn(algorithm: str, rounds: int | None, result: Result) -> None:
    """Criterion 45, P10 and P11: the hash that is there counts, whatever login.defs says of new ones."""
    assert _entry(algorithm=algorithm, rounds=rounds)[HASH].result is result


def test_two_accounts_with_one_hash_fail_by_name() -> None:
    """Criterion 46, P16: a locked twin counts too, two locked ones do not."""
    both = {"accounts": accounts(account("sato"), account("mori", 1002))}
    shared = ("shared-password", "mori, sato")
    for state, expected in (("set", Result.FAIL), ("locked", Result.FAIL)):
        found = _judge(**both, shadow=shadows(shadow("sato", shared=1), shadow("mori", state, shared=1)))
        assert found[shared].result is expected
    locked = _judge(
        **both, shadow=shadows(shadow("sato", "locked", shared=1), shadow("mori", "locked", shared=1))
    )
    assert shared not in locked
    apart = _judge(**both, shadow=shadows(shadow("sato", shared=1), shadow("mori", shared=2)))
    assert all(kind != "shared-password" for kind, _ in apart)


@pytest.mark.parametrize(
    ("lines", "result"),
    [
        ({"shadow": shadows(shadow("mori"))}, Result.FAIL),
        ({"accounts": accounts(account("sato", field=PasswordField.SET))}, Result.FAIL),
        ({"accounts": accounts(account("sato", field=PasswordField.EMPTY))}, Result.FAIL),
        ({"accounts": accounts(account("sato", field=PasswordField.LOCKED))}, Result.NOT_APPLICABLE),
        ({"shadow": shadows(shadow("sato", "empty"))}, Result.FAIL),
        ({"shadow": shadows(shadow("sato", "invalid"))}, Result.WARN),
        ({"shadow": shadows(shadow("sato"), shadow("sato"))}, Result.UNKNOWN),
        ({"shadow": shadows(shadow("sato"), malformed=("sato",))}, Result.UNKNOWN),
        ({"shadow": shadows(shadow("sato"), malformed=("?",))}, Result.UNKNOWN),
        ({"accounts": accounts(account("sato"), account("sato"))}, Result.UNKNOWN),
    ],
)
def test_missing_open_and_contradicting_lines_are_no_pass(lines: dict[str, Any], result: Result) -> None:
    """P9: no line in shadow, or a hash that stands in passwd."""
    assert _judge(**lines)[AGE].result is result


def test_a_password_of_a_service_account_is_judged_like_any_other() -> None:
    """P15: an owner and a reason for the account are no reason for an old password."""
    facts = accounts(account("backup", 34, runs="/usr/sbin/nologin"), account("sato"))
    found = _judge(accounts=facts, shadow=shadows(shadow("backup", changed_day=TODAY - 200), shadow("sato")))
    assert found["account", "backup"].result is Result.FAIL


def test_damaged_lines_of_nobody_are_told() -> None:
    found = _judge(accounts=accounts(account("sato"), malformed=("ito",)))
    assert found["passwd-line", "ito"].reason is Reason.CORRUPT


def test_a_host_of_keys_only_passes_because_shadow_was_read() -> None:
    found = _judge(shadow=shadows(shadow("sato", "star"), shadow("mori", "bang")))
    assert found["host", ""].result is Result.PASS
    assert found["host", ""].actual.english() == "3 accounts, none with a usable password"
    assert ("host", "") not in _judge()


@pytest.mark.parametrize(
    ("days", "said", "result"),
    [
        (90, True, Result.PASS),
        (91, True, Result.WARN),
        (99_999, True, Result.WARN),
        (-1, True, Result.WARN),
        (None, True, Result.WARN),
        (None, False, Result.NOT_APPLICABLE),
    ],
)
def test_login_defs_is_judged_apart(days: int | None, said: bool, result: Result) -> None:  # noqa: FBT001
    found = _judge(
        accounts=accounts(account("sato"), account("mori", 1002), pass_max_days=days, login_defs=said)
    )
    assert found["login.defs", "PASS_MAX_DAYS"].result is result


def test_passwords_of_a_directory_are_out_of_sight() -> None:
    """P14: a host that asks SSSD cannot say how old those passwords are."""
    found = _judge(names=names(sources=("files", "sss")))
    assert found["name-service", "sss"].reason is Reason.OUTSIDE_HOST
    assert _judge(names=unknown(Reason.TIMEOUT))["name-service", ""].reason is Reason.TIMEOUT
    assert all(kind != "name-service" for kind, _ in _judge())


def test_the_promised_age_is_the_setting() -> None:
    options = Limits(max_age=Duration("180d"))
    found = _judge(
        shadow=shadows(shadow("sato", changed_day=TODAY - 180, max_days=180), shadow("mori")), options=options
    )
    assert found[AGE].result is Result.PASS


def test_forced_change_carries_the_advice_that_it_is_obsolete_with_its_sources() -> None:
    """Kept or not: the measure itself is out of date, and each source says so."""
    found = _judge(shadow=shadows(shadow("sato"), shadow("mori", max_days=None)))
    for subject in (AGE, ("account", "mori")):
        sources = " ".join(advice.source for advice in found[subject].advice)
        assert all(word in sources for word in ("800-63B", "PPC", "PrivacyMark"))
    assert found[HASH].advice == ()
