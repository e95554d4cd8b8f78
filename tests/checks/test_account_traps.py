"""The traps A1 to A12 and A21 to A23 of accounts, one test each, by hand-made facts.

Real hosts: test_ways_in (A1, A2, A10), test_keys_on_a_host (A6, A8), test_fleet_lab (A7). Log-ins and
sessions, A14 to A19: test_use_after; transfers, A20: test_transfers.
"""

from datetime import date, timedelta
from typing import Any

import pytest

from checks.model import Clock, Outcome, Result, Target
from checks.retired_accounts import Limits
from checks.roster_currency import roster_currency
from collectors.evidence import Reason, TargetKind
from collectors.probes.keys import PublicKey
from collectors.probes.residue import Home, Jobs, Running
from config.model import ServiceAccount
from tests.checks.account_facts import (
    CLOCK,
    NOW,
    TODAY,
    account,
    accounts,
    by_subject,
    fleet,
    judge,
    key_file,
    keys,
    names,
    person,
    residue,
    roster,
    service_entry,
    shadow,
    shadows,
    sshd,
)

SATO = ("account", "sato")
HERE: dict[str, Any] = {"accounts": accounts(account("sato"))}
LOCKED: dict[str, Any] = {**HERE, "shadow": shadows(shadow("sato", "locked"))}
CLOSED: dict[str, Any] = {**HERE, "shadow": shadows(shadow("sato", expire_day=TODAY - 1))}
MILD = Limits(locked_only="warn")


def _sato(**given: Any) -> Outcome:
    return by_subject(judge(**given))[SATO]


@pytest.mark.parametrize("state", ["star", "bang", "bangother", "starlike", "locked", "x", "invalid"])
def test_a1_a_lock_mark_in_the_password_field_is_no_closing(state: str) -> None:
    """Lynis, osquery and passwd -S all call it locked; the key logs in, and the account does not expire."""
    given = {**HERE, "shadow": shadows(shadow("sato", state))}
    assert _sato(**given, keys=keys(key_file("sato"))).actual.english() == "open: public key"
    assert _sato(**given).result is Result.FAIL


def test_a2_an_account_without_a_shadow_line_is_not_closed() -> None:
    """Passwd -S calls it usable and prints no expiry date; sshd without PAM lets it in."""
    outcome = _sato(**HERE, keys=keys(key_file("sato")))
    assert (outcome.result, outcome.actual.english()) == (Result.FAIL, "open: public key")


def test_a3_a_deleted_account_is_closed_and_what_it_leaves_is_named_until_something_of_it_runs() -> None:
    left = {
        "homes": (Home(name="sato", uid=1777, owner=None),),
        "crontabs": (Jobs(account="sato", number=1),),
        "linger": ("sato",),
    }
    found = by_subject(judge(residue=residue(**left), keys=keys(key_file("sato", left_behind=True))))
    assert found[SATO].result is Result.PASS
    assert found["residue", "sato"].result is Result.WARN
    said = found["residue", "sato"].actual.english()
    assert said == "1 public key, crontab, linger flag, home /home/sato of uid 1777"
    lives = (Running(uid=1777, command="tmux", number=1),)
    assert _sato(residue=residue(**left, processes=lives)).result is Result.FAIL


def test_a4_a_home_that_the_next_person_got_with_the_uid_fails() -> None:
    """The next useradd takes the freed uid, and with it what the leaver left."""
    given: dict[str, Any] = {
        "accounts": accounts(account("tanaka", 1777)),
        "shadow": shadows(shadow("tanaka")),
        "roster": roster(person(), person("tanaka", None)),
        "residue": residue(homes=(Home(name="sato", uid=1777, owner="tanaka"),)),
    }
    outcome = by_subject(judge(**given))["residue", "sato"]
    assert outcome.result is Result.FAIL
    assert "now of tanaka" in outcome.actual.english()


def test_a5_a_second_name_with_the_same_uid_keeps_both_open() -> None:
    given: dict[str, Any] = {
        "accounts": accounts(account("sato"), account("sato-adm")),
        "shadow": shadows(shadow("sato", expire_day=1), shadow("sato-adm")),
    }
    found = by_subject(judge(**given))
    assert [found["account", name].result for name in ("sato", "sato-adm")] == [Result.FAIL, Result.FAIL]


@pytest.mark.parametrize(
    "given",
    [
        {"sshd": sshd(keys_command=True)},
        {"sshd": sshd(user_ca=True)},
        {"keys": keys(key_file("sato", options=("cert-authority", "principals")))},
    ],
    ids=["AuthorizedKeysCommand", "TrustedUserCAKeys", "cert-authority"],
)
def test_a6_keys_that_somebody_else_vouches_for_are_not_known_and_never_none(given: dict[str, Any]) -> None:
    """A principals file narrows what such an authority may vouch for, and opens nothing by itself."""
    outcome = _sato(**LOCKED, **given, options=MILD)
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.OUTSIDE_HOST)
    assert "vouches" in outcome.actual.english()
    strict = _sato(**LOCKED, **given)
    assert (strict.result, "public key" in strict.actual.english()) == (Result.FAIL, False)
    nobodys = by_subject(judge(roster=roster(person("x")), **LOCKED, **given))[SATO]
    assert (nobodys.result, nobodys.reason) == (Result.UNKNOWN, Reason.OUTSIDE_HOST)


def test_a6_an_authoritys_line_is_nobodys_own_key() -> None:
    """Root and the leaver may trust the same authority; that alone gives the leaver nothing of root's."""
    trust = {"fingerprint": "SHA256:ca", "options": ("cert-authority",)}
    both = keys(key_file("sato", **trust), key_file("root", **trust))
    assert _sato(**CLOSED, keys=both).result is Result.PASS
    # Who holds the authority's key is not said by those who trust it.
    direct = keys(key_file("sato", **trust), key_file("root", "SHA256:ca"))
    assert _sato(**CLOSED, keys=direct).result is Result.PASS
    ended = keys(key_file("sato", options=("cert-authority", "expiry-time=20200101Z")))
    assert _sato(**LOCKED, keys=ended, options=MILD).result is Result.WARN


def test_a7_a_leavers_key_counts_by_fingerprint_across_all_hosts() -> None:
    book = roster(person())
    known = fleet(book, web1=keys(key_file("sato", "SHA256:laptop")))
    outcome = _sato(roster=book, keys=keys(key_file("root", "SHA256:laptop")), fleet=known)
    assert outcome.result is Result.FAIL
    assert "public key under root" in outcome.actual.english()


@pytest.mark.parametrize(
    ("options", "kind", "opens"),
    [
        (("from=none",), "ssh-ed25519", False),
        (("restrict", "from=none", "command"), "ssh-ed25519", False),
        (("expiry-time=20200101Z",), "ssh-ed25519", False),
        (("from",), "ssh-ed25519", True),
        (("command",), "ssh-ed25519", True),
        (("restrict",), "ssh-ed25519", True),
        ((), "sk-ssh-ed25519@openssh.com", True),
        ((), "sk-ecdsa-sha2-nistp256@openssh.com", True),
        ((), "ecdsa-sha2-nistp521", True),
        ((), "ssh-ed25519-cert-v01@openssh.com", False),
    ],
)
def test_a8_a_key_that_no_time_or_place_lets_in_is_no_way_in(
    options: tuple[str, ...],
    kind: str,
    opens: bool,  # noqa: FBT001 (a column of the table)
) -> None:
    key = PublicKey(type=kind, fingerprint="SHA256:of-sato", options=options)
    outcome = _sato(**LOCKED, keys=keys(key_file("sato", keys=(key,))), options=MILD)
    assert outcome.result is (Result.FAIL if opens else Result.WARN)
    under_root = keys(key_file("sato"), key_file("root", keys=(key,)))
    assert _sato(**CLOSED, keys=under_root).result is (Result.FAIL if opens else Result.PASS)


def test_a9_an_account_of_a_directory_is_found_by_name_and_its_state_is_out_of_sight() -> None:
    given = {"names": names(sources=("files", "sss"), found=(service_entry("sato", 70001),))}
    outcome = _sato(**given)
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.OUTSIDE_HOST)


@pytest.mark.parametrize(("expires", "result"), [(None, Result.FAIL), (TODAY - 1, Result.PASS)])
def test_a10_a_shadow_of_a_second_name_service_is_judged_like_the_first(
    expires: int | None, result: Result
) -> None:
    given: dict[str, Any] = {
        "names": names(sources=("files", "extrausers"), found=(service_entry("sato", 1009),)),
        "shadow": shadows(shadow("sato", from_service=True, expire_day=expires)),
    }
    assert _sato(**given).result is result


@pytest.mark.parametrize(
    "given",
    [
        {"names": names(sources=("sss", "files"), overridden=frozenset({"sato"}))},
        {"shadow": shadows(shadow("sato", expire_day=1), overridden=frozenset({"sato"}))},
    ],
)
def test_a10_a_line_that_another_source_answers_before_closes_nothing(given: dict[str, Any]) -> None:
    closed = {"shadow": shadows(shadow("sato", expire_day=1))}
    assert _sato(**{**HERE, **closed}).result is Result.PASS
    outcome = _sato(**{**HERE, **closed, **given})
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.OUTSIDE_HOST)


def test_a11_a_file_that_cannot_be_read_is_not_an_absent_one() -> None:
    """Homes are closed to others, so without root no key file is seen at all."""
    denied = keys(key_file("sato", state="denied", keys=()))
    assert _sato(**LOCKED, keys=keys(), options=MILD).result is Result.WARN
    outcome = _sato(**LOCKED, keys=denied, options=MILD)
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.DENIED)


def test_a12_service_accounts_are_declared_with_an_owner_and_everything_else_is_unowned() -> None:
    given: dict[str, Any] = {
        "accounts": accounts(account("backup2", 1200), account("who", 1201), account("cron2", 300)),
        "shadow": shadows(shadow("backup2"), shadow("who"), shadow("cron2")),
        "target": Target(
            target="host",
            kind=TargetKind.HOST,
            accounts=(ServiceAccount(name="backup2", owner="IT", reason="backups"),),
        ),
    }
    found = by_subject(judge(**given))
    assert found["account", "backup2"].result is Result.PASS
    assert found["account", "who"].result is Result.FAIL
    assert ("account", "cron2") not in found  # a system account by its uid
    assert ("account", "root") not in found


@pytest.mark.parametrize(
    ("people", "result"),
    [
        ((person(person="1"), person(person="1", left_on=None)), Result.PASS),
        ((person(left_on=CLOCK.today + timedelta(days=1)),), Result.NOT_APPLICABLE),
        ((person(left_on=CLOCK.today),), Result.NOT_APPLICABLE),
    ],
    ids=["rehired", "leaves tomorrow", "last day"],
)
def test_a21_who_works_here_still_or_again_is_no_finding(people: tuple[Any, ...], result: Result) -> None:
    open_ = {**HERE, "shadow": shadows(shadow("sato"))}
    assert _sato(**open_, roster=roster(*people)).result is result


def test_a21_people_without_a_log_in_name_are_counted_and_not_known() -> None:
    """Criterion 32: nobody can be looked for on a host by no name."""
    book = roster(person("", person="no-7"), person("", person="no-8"), person())
    found = by_subject(roster_currency(book, Clock(as_of=NOW, zone="Asia/Tokyo")))
    outcome = found["roster", "log-in names"]
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.UNMATCHED)
    assert "2" in outcome.summary.english()


@pytest.mark.parametrize("name", ["Sato", "CORP\\sato", "sato@example.jp", "SATO@example.jp"])
def test_a22_a_similar_name_is_a_hint_and_never_a_verdict(name: str) -> None:
    """It may be somebody else's: the leaver has no account, and the account has no owner."""
    given: dict[str, Any] = {"accounts": accounts(account(name)), "shadow": shadows(shadow(name))}
    found = by_subject(judge(**given))
    assert found[SATO].result is Result.PASS
    assert found["account", name].result is Result.FAIL
    assert found["account", name].actual.english() == "unowned; written otherwise on the roster: sato"
    other = {"accounts": accounts(account("satoh")), "shadow": shadows(shadow("satoh"))}
    assert by_subject(judge(**other))["account", "satoh"].actual.english() == "unowned"


def test_a23_a_date_far_in_the_past_closes_now_and_tells_nothing_of_when() -> None:
    """Usermod -e 1, set today: open until an hour ago or closed for years, the date is the same."""
    given: dict[str, Any] = {
        "accounts": accounts(account("sato"), shadow_changed=NOW),
        "shadow": shadows(shadow("sato", expire_day=1)),
        "roster": roster(person(left_on=date(2026, 3, 1))),
    }
    found = by_subject(judge(**given))
    assert found[SATO].result is Result.PASS
    time = found["disable-time", "sato"]
    assert (time.result, time.reason) == (Result.UNKNOWN, Reason.UNDETERMINED)
