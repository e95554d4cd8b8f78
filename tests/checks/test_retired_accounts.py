"""Each trap about people who left, by hand-made facts: value and result, with the edges."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from checks.catalogue import catalogue
from checks.model import Clock, History, Outcome, Result, Sighting, Target
from checks.retired_accounts import ID, Limits, watch
from collectors.evidence import Reason, TargetKind
from collectors.facts import Known
from collectors.probes.accounts import PasswordField
from collectors.probes.keys import PublicKey
from collectors.probes.residue import Home, Jobs, Running
from collectors.sources.roster import Person
from config.model import ServiceAccount
from tests.checks.account_facts import (
    CLOCK,
    LONG_AGO,
    NOW,
    TODAY,
    account,
    accounts,
    by_subject,
    days,
    judge,
    key_file,
    keys,
    names,
    pam,
    person,
    residue,
    roster,
    service_entry,
    shadow,
    shadows,
    sshd,
    unknown,
)

SATO = ("account", "sato")
PAST = TODAY - 1
HERE: dict[str, Any] = {"accounts": accounts(account("sato"))}
CLOSED: dict[str, Any] = {**HERE, "shadow": shadows(shadow("sato", expire_day=PAST))}
OPEN: dict[str, Any] = {**HERE, "shadow": shadows(shadow("sato"))}
LOCKED: dict[str, Any] = {**HERE, "shadow": shadows(shadow("sato", "locked"))}


def _sato(**given: Any) -> Outcome:
    return by_subject(judge(**given))[SATO]


def _residue(**given: Any) -> Outcome:
    return by_subject(judge(**given))["residue", "sato"]


def _text(outcome: Outcome) -> str:
    return f"{outcome.summary.english()} / {outcome.actual.english()}"


def test_a_leaver_expired_yesterday_is_closed_and_the_key_is_residue() -> None:
    """Criterion 17."""
    given = {**CLOSED, "keys": keys(key_file("sato"))}
    assert _sato(**given).result is Result.PASS
    assert _residue(**given).result is Result.WARN
    assert "1 public key" in _text(_residue(**given))


def test_a_locked_password_with_a_key_fails_and_names_the_key() -> None:
    """Criterion 18."""
    outcome = _sato(**LOCKED, keys=keys(key_file("sato")))
    assert outcome.result is Result.FAIL
    assert "public key" in _text(outcome)


@pytest.mark.parametrize(("setting", "result"), [("fail", Result.FAIL), ("warn", Result.WARN)])
def test_a_locked_password_alone_is_judged_by_the_setting(setting: str, result: Result) -> None:
    """Criterion 19: locked is not expired."""
    outcome = _sato(**LOCKED, options=Limits(locked_only=setting))  # type: ignore[arg-type]
    assert outcome.result is result
    assert "password locked, account not expired" in _text(outcome)


def test_nologin_with_internal_sftp_fails_naming_sftp_and_forwarding() -> None:
    """Criterion 20."""
    given = {
        "accounts": accounts(account("sato", runs="/usr/sbin/nologin")),
        "shadow": shadows(shadow("sato", "locked")),
        "keys": keys(key_file("sato")),
        "sshd": sshd(internal_sftp=True),
    }
    outcome = _sato(**given)
    assert outcome.result is Result.FAIL
    assert "sftp and forwarding" in _text(outcome)


def test_a_star_and_a_key_without_pam_fails() -> None:
    """Criterion 21."""
    given = {**HERE, "shadow": shadows(shadow("sato", "star")), "sshd": sshd(use_pam=False)}
    outcome = _sato(**given, keys=keys(key_file("sato")))
    assert outcome.result is Result.FAIL
    assert "public key" in _text(outcome)


def test_services_that_start_by_themselves_and_mail_are_left_behind() -> None:
    """An expired account may keep its mail; services in its home come back with the account."""
    left = residue(units=(Jobs(account="sato", number=2),), mail=("sato",))
    assert _residue(**CLOSED, residue=left).actual.english() == "2 user services"
    runs = residue(services=(Jobs(account="1001", number=1),))
    assert _residue(**CLOSED, residue=runs).actual.english() == "system services"
    assert _residue(residue=left).actual.english() == "2 user services, mail"
    hidden = residue(units=(Jobs(account="sato", number=None),))
    assert ("residue", "sato") not in by_subject(judge(residue=hidden))


def test_a_deleted_account_passes_and_its_home_is_residue_with_the_uid() -> None:
    """Criterion 22."""
    given = {"residue": residue(homes=(Home(name="sato", uid=1777, owner=None),))}
    assert _sato(**given).result is Result.PASS
    assert _residue(**given).result is Result.WARN
    assert "1777" in _text(_residue(**given))


def test_a_leaver_known_only_to_a_second_name_service_is_judged() -> None:
    """Criterion 23: extrausers has a shadow of its own on this host; a directory is out of sight."""
    found = service_entry("sato", 1009)
    local = names(sources=("files", "extrausers"), found=(found,))
    remote = names(sources=("files", "sss"), found=(found,))
    here = {"shadow": shadows(shadow("sato", from_service=True))}
    assert _sato(names=local, **here).result is Result.FAIL
    outcome = _sato(names=remote, **here)
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.OUTSIDE_HOST)


def test_two_names_with_one_uid_fail_on_both() -> None:
    """Criterion 24: closing one leaves the other."""
    given = {
        "accounts": accounts(account("sato"), account("other")),
        "shadow": shadows(shadow("sato", expire_day=PAST), shadow("other")),
        "roster": roster(person(), person("other", None)),
    }
    found = by_subject(judge(**given))
    assert found[SATO].result is Result.FAIL
    assert found["account", "other"].result is Result.FAIL
    assert "other" in _text(found[SATO])


def test_two_closed_names_with_one_uid_pass() -> None:
    given = {
        "accounts": accounts(account("sato"), account("other")),
        "shadow": shadows(shadow("sato", expire_day=PAST), shadow("other", expire_day=PAST)),
    }
    assert _sato(**given).result is Result.PASS


@pytest.mark.parametrize("left_behind", [False, True])
def test_a_leavers_key_under_root_fails(left_behind: bool) -> None:  # noqa: FBT001
    """Criterion 25: also when the account is closed, and when only its home is left."""
    files = keys(key_file("sato", left_behind=left_behind), key_file("root"))
    given = {} if left_behind else CLOSED
    outcome = _sato(**given, keys=files)
    assert outcome.result is Result.FAIL
    assert "public key under root" in _text(outcome)


def test_a_key_of_ones_own_second_account_or_a_closed_holder_opens_nothing() -> None:
    given = {
        "accounts": accounts(account("sato"), account("old", 1002)),
        "shadow": shadows(shadow("sato", expire_day=PAST), shadow("old", expire_day=PAST)),
        "keys": keys(key_file("sato"), key_file("old")),
    }
    assert _sato(**given).result is Result.PASS
    own = roster(Person(person="1", accounts=("sato", "admin"), left_on=LONG_AGO))
    two = {
        "accounts": accounts(account("sato"), account("admin", 1002)),
        "shadow": shadows(shadow("sato", expire_day=PAST), shadow("admin")),
        "keys": keys(key_file("sato"), key_file("admin")),
    }
    found = by_subject(judge(**two, roster=own))
    assert (found[SATO].result, found["account", "admin"].result) == (Result.PASS, Result.FAIL)


def test_a_live_process_of_an_expired_leaver_fails() -> None:
    """Criterion 26."""
    outcome = _sato(**CLOSED, residue=residue(processes=(Running(uid=1001, command="tmux", number=2),)))
    assert outcome.result is Result.FAIL
    assert "tmux" in _text(outcome)


def test_a_live_process_of_a_deleted_leaver_fails() -> None:
    left = residue(
        processes=(Running(uid=1777, command="tmux", number=1),),
        homes=(Home(name="sato", uid=1777, owner=None),),
    )
    assert _sato(residue=left).result is Result.FAIL


@pytest.mark.parametrize("last_day", [date(2026, 4, 1), date(2026, 3, 31)])
def test_a_last_day_that_is_not_over_is_no_finding(last_day: date) -> None:
    """Criterion 27: tomorrow, and today, which is a working day."""
    found = by_subject(judge(**OPEN, roster=roster(person(left_on=last_day))))
    assert found[SATO].result is Result.NOT_APPLICABLE
    assert len(found) == 1


def test_an_account_on_neither_list_is_unowned() -> None:
    """Criterion 31."""
    outcome = by_subject(judge(**OPEN, roster=roster(person("yamada"))))[SATO]
    assert outcome.result is Result.FAIL
    assert "nobody answers" in _text(outcome)


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({"options": Limits(unowned="warn")}, Result.WARN),
        ({"shadow": shadows(shadow("sato", expire_day=PAST))}, Result.PASS),
        ({"shadow": shadows(shadow("sato", "star"))}, Result.PASS),
        ({"shadow": shadows(shadow("sato", "star")), "keys": unknown(Reason.PROBE_CUT)}, Result.UNKNOWN),
        ({"shadow": shadows(shadow("sato", "star")), "keys": keys(key_file("sato"))}, Result.FAIL),
        ({"shadow": unknown(Reason.NOPRIV)}, Result.UNKNOWN),
        ({"accounts": accounts(account("sato", 999))}, None),
        ({"accounts": accounts(account("sato", 0)), "shadow": shadows(shadow("sato", "star"))}, Result.FAIL),
        ({"accounts": accounts(account("sato", 65534))}, None),
        ({"accounts": accounts(account("sato", 70000))}, Result.FAIL),
    ],
)
def test_unowned_depends_on_the_uid_and_on_a_way_in(given: dict[str, Any], result: Result | None) -> None:
    found = by_subject(judge(**{**OPEN, "roster": roster(person("yamada")), **given}))
    assert (found[SATO].result if SATO in found else None) is result


def test_declared_accounts_and_our_own_pass_until_their_review_is_due() -> None:
    service = ServiceAccount(name="sato", owner="IT office", reason="backup")
    overdue = ServiceAccount(name="sato", owner="IT office", reason="backup", review_by=date(2026, 3, 30))
    results = [
        by_subject(judge(**OPEN, roster=roster(person("yamada")), target=target))[SATO].result
        for target in (
            Target(target="host", kind=TargetKind.HOST, accounts=(service,)),
            Target(target="host", kind=TargetKind.HOST, accounts=(overdue,)),
            Target(target="host", kind=TargetKind.HOST, audit_user="sato"),
        )
    ]
    assert results == [Result.PASS, Result.WARN, Result.PASS]


# --- the expiry date


@pytest.mark.parametrize(
    ("day", "use_pam", "result"),
    [
        (0, True, Result.PASS),
        (TODAY - 1, True, Result.PASS),
        (TODAY, True, Result.PASS),
        (TODAY, False, Result.FAIL),
        (TODAY - 1, False, Result.PASS),
        (TODAY + 1, True, Result.FAIL),
        (None, True, Result.FAIL),
    ],
)
def test_expiry_day_closes_from_its_utc_midnight_with_pam_and_a_day_later_without(
    day: int | None, *, use_pam: bool, result: Result
) -> None:
    given = {**HERE, "shadow": shadows(shadow("sato", expire_day=day)), "sshd": sshd(use_pam=use_pam)}
    assert _sato(**given).result is result


@pytest.mark.parametrize(
    ("reason", "day", "result"),
    [
        (Reason.FAILED, TODAY, Result.FAIL),
        (Reason.FAILED, TODAY - 1, Result.PASS),
        (Reason.PROBE_CUT, TODAY - 1, Result.UNKNOWN),
    ],
)
def test_where_sshd_does_not_tell_the_later_day_counts(reason: Reason, day: int, result: Result) -> None:
    """A section that never came may have told of another SSH server, so it is no such answer."""
    given = {**HERE, "shadow": shadows(shadow("sato", expire_day=day)), "sshd": unknown(reason)}
    assert _sato(**given).result is result


def test_another_ssh_server_makes_the_expiry_date_unproven() -> None:
    outcome = _sato(**CLOSED, sshd=sshd(other_daemon=True))
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.UNSUPPORTED)


@pytest.mark.parametrize(
    ("ages", "result"),
    [
        ({"changed_day": TODAY - 105, "inactive_days": 14}, Result.PASS),
        ({"changed_day": TODAY - 104, "inactive_days": 14}, Result.FAIL),
        ({"changed_day": TODAY - 400}, Result.FAIL),
        ({"changed_day": 0, "inactive_days": 0}, Result.FAIL),
        ({"changed_day": TODAY + 1, "inactive_days": 0, "max_days": 0}, Result.FAIL),
    ],
)
def test_a_password_beyond_max_and_inactive_closes_and_nothing_less(
    ages: dict[str, Any], result: Result
) -> None:
    assert _sato(**HERE, shadow=shadows(shadow("sato", **ages))).result is result


@pytest.mark.parametrize(
    "lines",
    [
        {"shadow": shadows()},
        {"shadow": shadows(shadow("sato", expire_day=PAST, damaged=True))},
        {"accounts": accounts(account("sato", field=PasswordField.SET))},
        {"accounts": accounts(account("sato", field=PasswordField.LOCKED))},
        {"accounts": accounts(account("sato", field=PasswordField.EMPTY))},
    ],
)
def test_an_expiry_that_nobody_reads_closes_nothing(lines: dict[str, Any]) -> None:
    """No line, a line the C library skips, or no `x` in passwd: each seen to let in on a lab host."""
    assert _sato(**{**CLOSED, **lines}).result is Result.FAIL


@pytest.mark.parametrize("state", ["set", "empty"])
def test_without_pam_an_expired_password_still_opens(state: str) -> None:
    given = {"accounts": accounts(account("sato"), pam=False), "sshd": sshd(use_pam=False)}
    assert _sato(**given, shadow=shadows(shadow("sato", state, expire_day=PAST))).result is Result.FAIL
    assert _sato(**given, shadow=shadows(shadow("sato", "star", expire_day=PAST))).result is Result.PASS
    jobs = residue(crontabs=(Jobs(account="sato", number=1),))
    assert (
        _sato(**given, shadow=shadows(shadow("sato", "star", expire_day=PAST)), residue=jobs).result
        is Result.FAIL
    )


@pytest.mark.parametrize(
    "lines",
    [
        {"accounts": accounts(account("sato"), account("sato"))},
        {"shadow": shadows(shadow("sato", expire_day=PAST), shadow("sato"))},
        {"shadow": shadows(shadow("sato", expire_day=PAST), malformed=("sato",))},
        {"shadow": shadows(shadow("sato", expire_day=PAST), malformed=("?",))},
    ],
)
def test_lines_that_contradict_or_cannot_be_read_are_unknown(lines: dict[str, Any]) -> None:
    outcome = _sato(**{**CLOSED, **lines})
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.CORRUPT)


# --- ways in


@pytest.mark.parametrize(
    ("given", "way"),
    [
        ({"shadow": shadows(shadow("sato"))}, "password"),
        ({"shadow": shadows(shadow("sato", "empty"))}, "empty password"),
        ({"residue": residue(crontabs=(Jobs(account="sato", number=1),))}, "cron jobs"),
        ({"residue": residue(crontabs=(Jobs(account="sato", number=None),))}, "cron jobs"),
        ({"residue": residue(system_jobs=(Jobs(account="sato", number=1),))}, "system cron jobs"),
        ({"residue": residue(at_jobs=(1001,))}, "at jobs"),
        ({"residue": residue(linger=("sato",))}, "lingering services"),
        ({"residue": residue(processes=(Running(uid=1001, command="vim", number=1),))}, "vim"),
        ({"keys": keys(key_file("sato", options=("expiry-time=20260401",)))}, "public key"),
        ({"keys": keys(key_file("sato", options=("from",)))}, "public key"),
    ],
)
def test_each_way_in_of_a_leaver_is_named(given: dict[str, Any], way: str) -> None:
    outcome = _sato(**{**LOCKED, **given})
    assert outcome.result is Result.FAIL
    assert way in outcome.actual.english()
    assert "not expired" not in outcome.actual.english()


@pytest.mark.parametrize(
    "given",
    [
        {"residue": residue(crontabs=(Jobs(account="sato", number=0),))},
        {"keys": keys(key_file("sato", options=("expiry-time=20260329",)))},
        {"keys": keys(key_file("sato")), "sshd": sshd(pubkey_authentication=False)},
        {"keys": keys(key_file("sato", keys=()))},
        {"keys": keys(key_file("sato", state="special", keys=()))},
    ],
)
def test_what_opens_nothing_is_no_way_in(given: dict[str, Any]) -> None:
    assert _sato(**{**LOCKED, **given}, options=Limits(locked_only="warn")).result is Result.WARN


@pytest.mark.parametrize(
    "given",
    [
        {"keys": unknown(Reason.TRUNCATED)},
        {"keys": keys(key_file("sato", state="denied", keys=()))},
        {"keys": keys(key_file("sato", state="cut", keys=()))},
        {"sshd": sshd(keys_command=True)},
        {"sshd": sshd(user_ca=True)},
        {"sshd": sshd(vouched=True)},
        {"sshd": sshd(vouched=True, pubkey_authentication=False)},
        {"sshd": sshd(own_file=True)},
        {"sshd": sshd(match_blocks=None)},
        {"residue": residue(crontabs=None)},
        {"residue": residue(services=None)},
        {"residue": residue(processes=None)},
        {"residue": unknown(Reason.TIMEOUT)},
    ],
)
def test_a_way_in_that_cannot_be_seen_is_not_called_closed(given: dict[str, Any]) -> None:
    assert _sato(**{**LOCKED, **given}, options=Limits(locked_only="warn")).result is Result.UNKNOWN


def test_a_key_that_ends_in_the_hosts_own_zone_ends_twelve_hours_later_at_most() -> None:
    def ended(value: str) -> bool:
        return PublicKey(type="ssh-ed25519", fingerprint="", options=(f"expiry-time={value}",)).ended(NOW)

    assert [
        ended(it) for it in ("202603311159Z", "202603311201Z", "20260331", "202603302359", "202603310001")
    ] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert not ended("99999999")
    assert not ended("?")


# --- absence


def test_an_account_that_never_was_here_is_a_plain_pass() -> None:
    found = by_subject(judge())
    assert list(found) == [SATO]
    assert found[SATO].result is Result.PASS


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"names": unknown(Reason.TIMEOUT)}, Reason.TIMEOUT),
        ({"names": names(sources=("files", "sss"), asked=frozenset({"sato"}))}, Reason.OUTSIDE_HOST),
        ({"names": names(sources=("files", "ldap"), asked=frozenset())}, Reason.NOT_COLLECTED),
        ({"accounts": accounts(nis_lines=1), "names": names(sources=("compat",))}, Reason.OUTSIDE_HOST),
        ({"accounts": accounts(malformed=("?",))}, Reason.CORRUPT),
        ({"accounts": accounts(malformed=("sato",))}, Reason.CORRUPT),
        ({"names": names(malformed=("sato",))}, Reason.CORRUPT),
    ],
)
def test_absence_that_is_not_certain_is_unknown(given: dict[str, Any], reason: Reason) -> None:
    outcome = _sato(**given)
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, reason)


def test_a_directory_that_answered_about_others_is_believed() -> None:
    other = service_entry("yamada", 9000)
    assert _sato(names=names(sources=("files", "sss"), found=(other,))).result is Result.PASS


def test_a_home_that_another_person_was_given_with_the_uid_fails() -> None:
    given = {
        "accounts": accounts(account("yamada", 1777)),
        "shadow": shadows(shadow("yamada")),
        "roster": roster(person(), person("yamada", None)),
    }
    outcome = _residue(**given, residue=residue(homes=(Home(name="sato", uid=1777, owner="yamada"),)))
    assert outcome.result is Result.FAIL
    assert "yamada" in _text(outcome)
    put_away = _residue(**given, residue=residue(homes=(Home(name="sato", uid=0, owner="root"),)))
    assert put_away.result is Result.WARN


def test_a_home_of_a_bare_uid_that_is_nobodys_is_named() -> None:
    found = by_subject(judge(residue=residue(homes=(Home(name="old", uid=1500, owner=None),))))
    assert found["home", "old"].result is Result.WARN


def test_a_damaged_line_of_passwd_is_told() -> None:
    found = by_subject(judge(accounts=accounts(malformed=("yamada",))))
    assert found["passwd-line", "yamada"].reason is Reason.CORRUPT


# --- without privilege, and with less


def test_without_shadow_a_leaver_is_unknown_but_a_live_process_still_fails() -> None:
    hidden = {**HERE, "shadow": unknown(Reason.NOPRIV), "sshd": unknown(Reason.NOPRIV)}
    outcome = _sato(**hidden)
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.NOPRIV)
    running = residue(processes=(Running(uid=1001, command="vim", number=1),))
    assert _sato(**hidden, residue=running).result is Result.FAIL
    assert _sato(shadow=unknown(Reason.NOPRIV), sshd=unknown(Reason.NOPRIV)).result is Result.PASS


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"residue": residue(processes=None)}, Reason.DENIED),
        ({"residue": residue(homes=None)}, Reason.DENIED),
        ({"keys": keys(key_file("sato", state="denied", keys=()))}, Reason.DENIED),
        ({"keys": keys(key_file("sato"), key_file("root", state="denied", keys=()))}, Reason.DENIED),
        ({"keys": keys(key_file("sato"), key_file("root", "SHA256:other", state="cut"))}, Reason.TRUNCATED),
        ({"keys": keys(key_file("sato", ""))}, Reason.NO_TOOL),
        ({"keys": keys(key_file("root", state="denied", keys=()))}, None),
    ],
)
def test_a_closed_account_passes_only_where_its_other_footholds_could_be_seen(
    given: dict[str, Any], reason: Reason | None
) -> None:
    """Without a key of the person there is nothing to look for under others."""
    outcome = _sato(**{**CLOSED, **given})
    assert outcome.reason is reason
    assert outcome.result is (Result.UNKNOWN if reason else Result.PASS)


_SCENES: dict[str, dict[str, Any]] = {
    "closed": CLOSED,
    "open": OPEN,
    "locked": LOCKED,
    "absent": {},
    "key under root": {**CLOSED, "keys": keys(key_file("sato"), key_file("root"))},
    "key left, under root": {"keys": keys(key_file("sato", left_behind=True), key_file("root"))},
    "process": {**CLOSED, "residue": residue(processes=(Running(uid=1001, command="vim", number=1),))},
    "bare uid": {
        "residue": residue(
            processes=(Running(uid=1777, command="vim", number=1),),
            homes=(Home(name="sato", uid=1777, owner=None),),
        )
    },
    "other server": {**CLOSED, "sshd": sshd(other_daemon=True)},
    "on its day without PAM": {
        **HERE,
        "shadow": shadows(shadow("sato", expire_day=TODAY)),
        "sshd": sshd(use_pam=False),
    },
    "directory": {"names": names(sources=("files", "sss"))},
    "unowned": {**OPEN, "roster": roster(person("yamada"))},
}


@pytest.mark.parametrize("missing", ["names", "shadow", "sshd", "keys", "residue"])
@pytest.mark.parametrize("scene", _SCENES, ids=str)
def test_a_missing_section_never_makes_a_result_better(scene: str, missing: str) -> None:
    """Criterion 9, by subject."""
    whole = by_subject(judge(**_SCENES[scene]))
    less = by_subject(judge(**{**_SCENES[scene], missing: unknown(Reason.PROBE_CUT)}))
    assert SATO in less
    worse = [Result.FAIL, Result.UNKNOWN]
    for subject, outcome in less.items():
        before = whole.get(subject)
        if outcome.result not in worse and subject[0] in ("account", "disable-time"):
            assert before is not None
            assert before.result is outcome.result


# --- when


@pytest.mark.parametrize(
    ("hours_after_midnight", "result"),
    [(0, Result.PASS), (23.9, Result.PASS), (24, Result.FAIL), (30, Result.FAIL)],
)
def test_the_deadline_is_the_end_of_the_last_day_in_the_companys_zone_and_the_hours_given(
    hours_after_midnight: float, result: Result
) -> None:
    """The day ends in Tokyo at 15:00 UTC; the deadline's own instant is late."""
    midnight = datetime(2026, 3, 30, 15, 0, tzinfo=UTC)
    clock = Clock(as_of=midnight + timedelta(hours=hours_after_midnight), zone="Asia/Tokyo")
    assert _sato(**OPEN, roster=roster(person(left_on=date(2026, 3, 30))), clock=clock).result is result


def _time(**given: Any) -> Outcome:
    return by_subject(judge(**given))["disable-time", "sato"]


DEADLINE = datetime(2026, 2, 1, 15, 0, tzinfo=UTC)
_LEFT = (DEADLINE - datetime(1970, 1, 1, tzinfo=UTC)).days


def _dated(expire_day: int, changed: datetime) -> dict[str, Any]:
    return {
        "accounts": accounts(account("sato"), shadow_changed=changed),
        "shadow": shadows(shadow("sato", expire_day=expire_day)),
    }


@pytest.mark.parametrize(
    ("expire_day", "changed", "result"),
    [
        (_LEFT, DEADLINE - days(9), Result.PASS),
        (0, DEADLINE, Result.PASS),
        (0, DEADLINE + timedelta(seconds=1), Result.UNKNOWN),
        (_LEFT, DEADLINE - timedelta(hours=1), Result.PASS),
        (_LEFT + 5, DEADLINE - days(9), Result.FAIL),
        (_LEFT + 5, DEADLINE + days(9), Result.UNKNOWN),
        (_LEFT, NOW, Result.UNKNOWN),
    ],
)
def test_time_to_disable_counts_only_what_is_proven(
    expire_day: int, changed: datetime, result: Result
) -> None:
    """A date set in advance and the file's last change prove; a date in the past alone says nothing."""
    outcome = _time(**_dated(expire_day, changed))
    assert outcome.result is result
    if result is Result.UNKNOWN:
        assert outcome.reason is Reason.UNDETERMINED


def _seen(**sightings: tuple[datetime, datetime]) -> History:
    last = NOW - days(1)
    return History(
        target="host",
        run=7,
        as_of=last,
        seen={
            f"{ID}:{key}:sato": Sighting(first=first, last=seen) for key, (first, seen) in sightings.items()
        },
    )


def _had_uid(uid: int, **sightings: tuple[datetime, datetime]) -> History:
    """The same, and sato's account had that uid then."""
    seen = _seen(**sightings)
    then = Sighting(first=NOW - days(1), last=NOW - days(1))
    key = History.key(ID, History.reading("uid/sato", str(uid)))
    return structs.replace(seen, seen={**seen.seen, key: then})


@pytest.mark.parametrize(
    ("history", "given", "result"),
    [
        (_had_uid(1001), {}, Result.FAIL),
        (_had_uid(1002), {}, Result.PASS),
        (_had_uid(0), {}, Result.PASS),
        (History(), {}, Result.PASS),
        # the number is somebody else's now, and so are the processes
        (_had_uid(1001), {"accounts": accounts(account("yamada", 1001))}, Result.PASS),
        (_had_uid(1001), {"names": names(found=(service_entry("yamada", 1001),))}, Result.PASS),
    ],
)
def test_a3_processes_of_a_deleted_account_are_known_by_the_uid_that_it_had(
    history: History, given: dict[str, Any], result: Result
) -> None:
    """Nothing on the host names whose they are once home and account are gone (userdel --remove)."""
    left = residue(processes=(Running(uid=1001, command="tmux: server", number=1),))
    assert _sato(residue=left, history=history, **given).result is result


def test_own_history_proves_in_time_and_late() -> None:
    last = NOW - days(1)
    in_time = _seen(closed=(DEADLINE - timedelta(hours=1), last))
    late = _seen(open=(DEADLINE - days(9), DEADLINE + days(2)), closed=(DEADLINE + days(3), last))
    between = _seen(open=(DEADLINE - days(9), DEADLINE - days(1)), closed=(DEADLINE + days(3), last))
    results = [_time(**_dated(0, NOW), history=history).result for history in (in_time, late, between)]
    assert results == [Result.PASS, Result.FAIL, Result.UNKNOWN]
    assert "2026-02-03 15:00 UTC" in _text(_time(**_dated(0, NOW), history=late))


def test_a_deleted_account_is_timed_only_where_it_is_known_to_have_been() -> None:
    assert ("disable-time", "sato") not in by_subject(judge())
    gone = {"accounts": accounts(passwd_changed=DEADLINE - days(1))}
    seen = _seen(open=(DEADLINE - days(9), DEADLINE - days(2)))
    assert _time(**gone, history=seen).result is Result.PASS
    home = residue(homes=(Home(name="sato", uid=1777, owner=None),))
    assert _time(**gone, residue=home).result is Result.PASS
    assert _time(accounts=accounts(), residue=home).result is Result.UNKNOWN


def test_leavers_of_the_time_before_the_promise_are_not_timed() -> None:
    options = Limits(time_judged_from=LONG_AGO + days(1))
    assert ("disable-time", "sato") not in by_subject(judge(**CLOSED, options=options))
    assert ("disable-time", "sato") in by_subject(judge(**CLOSED, options=Limits(time_judged_from=LONG_AGO)))


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({}, Result.PASS),
        ({"pam": pam(refuses_expired={"sshd": False, "login": True})}, Result.UNKNOWN),
        ({"pam": pam(refuses_expired={"sshd": True, "login": False})}, Result.UNKNOWN),
        ({"pam": pam(refuses_expired={"login": True})}, Result.UNKNOWN),
        ({"pam": unknown(Reason.UNSUPPORTED)}, Result.UNKNOWN),
        # without PAM sshd reads the date itself
        (
            {
                "pam": pam(refuses_expired={"sshd": False, "login": True}),
                "sshd": sshd(use_pam=False),
            },
            Result.PASS,
        ),
        ({"pam": unknown(Reason.UNSUPPORTED), "accounts": accounts(account("sato"), pam=False)}, Result.FAIL),
    ],
)
def test_an_expiry_date_closes_only_where_pams_stacks_heed_it(given: dict[str, Any], result: Result) -> None:
    assert _sato(**{**CLOSED, **given}).result is result


def test_watch_names_what_is_open_and_closed_now() -> None:
    def watched(history: History = History(), **given: Any) -> list[str]:  # noqa: B008 (frozen)
        return list(
            watch(
                accounts=given.get("accounts", accounts()),
                shadow=given.get("shadow", shadows()),
                roster=roster(person(), person("yamada", None)),
                names=Known(value=names(), evidence=""),
                sshd=Known(value=sshd(), evidence=""),
                residue=Known(value=residue(), evidence=""),
                keys=Known(value=keys(), evidence=""),
                pam=Known(value=pam(), evidence=""),
                clock=CLOCK,
                history=history,
            )
        )

    number = History.reading("uid/sato", "1001")
    assert watched(**OPEN) == [number, "open:sato"]
    assert watched(**CLOSED) == [number, "closed:sato"]
    assert watched() == []
    assert watched(_seen(open=(DEADLINE, DEADLINE))) == ["closed:sato"]
    assert watched(_had_uid(1001, open=(DEADLINE, DEADLINE))) == [number, "closed:sato"]
    assert watched(**{**CLOSED, "shadow": shadows(shadow("sato"), shadow("sato"))}) == [number]


# --- people


def test_a_rehired_person_works_here_and_a_name_of_two_persons_is_a_warning() -> None:
    back = roster(person(person="1"), person(person="1", left_on=None))
    two = roster(person(person="1"), person(person="2", left_on=None))
    assert _sato(**OPEN, roster=back).result is Result.PASS
    assert _sato(**OPEN, roster=two).result is Result.WARN


def test_of_two_last_days_the_later_counts() -> None:
    twice = roster(person(left_on=date(2026, 3, 30)), person(left_on=LONG_AGO))
    assert _sato(**OPEN, roster=twice).result is Result.PASS


def test_a_host_without_people_passes_on_what_was_seen() -> None:
    found = by_subject(judge(roster=roster(person("", None))))
    assert found["host", ""].result is Result.PASS
    blind = by_subject(judge(roster=roster(person("", None)), names=unknown(Reason.TIMEOUT)))
    assert blind["host", ""].result is Result.UNKNOWN


def test_the_catalogue_knows_what_it_needs() -> None:
    entry = catalogue()[ID]
    assert {probe.name for probe in entry.probes} == {
        "accounts",
        "roster",
        "names",
        "shadow",
        "sshd",
        "keys",
        "residue",
        "logins",
        "events",
        "sudo",
        "pam",
        "pgroles",
        "stores",
    }
    assert entry.options is Limits
