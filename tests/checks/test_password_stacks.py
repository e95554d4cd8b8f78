"""What PAM's stacks come to, against what is promised: value and result, with the edges."""

from typing import Any

import pytest
from msgspec import structs

from checks.model import Outcome, Result
from checks.password_stacks import StackLimits, judge_stacks
from collectors.evidence import Reason
from collectors.facts import Fact, Known, Unknown
from collectors.pam_scenarios import Flaw
from collectors.probes.pam import PamFacts
from tests.checks.account_facts import pam, shadow, shadows, sshd, unknown

NOTHING = StackLimits()
WITH_PASSWORD = shadows(shadow("sato"))


def _judge(facts: PamFacts | Unknown, options: StackLimits = NOTHING, **given: Any) -> list[Outcome]:
    fact: Fact[PamFacts] = facts if isinstance(facts, Unknown) else Known(value=facts, evidence="")
    ssh = given.get("sshd", sshd())
    seen = ssh if isinstance(ssh, Unknown) else Known(value=ssh, evidence="")
    return list(judge_stacks(fact, seen, given.get("shadow", WITH_PASSWORD), options))


def _results(facts: PamFacts | Unknown, options: StackLimits = NOTHING, **given: Any) -> dict[str, Result]:
    return {it.subject.kind: it.result for it in _judge(facts, options, **given)}


def test_where_nothing_is_set_and_nothing_promised_nothing_is_said() -> None:
    assert _judge(pam()) == []


@pytest.mark.parametrize(
    ("stack", "promised", "result"),
    [
        ({}, 1, Result.FAIL),
        ({"remembered": 5, "remember_asked": 5}, 0, Result.PASS),
        ({"remembered": 5, "remember_asked": 5}, 5, Result.PASS),
        ({"remembered": 5, "remember_asked": 5}, 6, Result.FAIL),
        ({"remember_asked": 5, "remember_flaw": Flaw.ASKS_AGAIN}, 0, Result.WARN),
        ({"remember_asked": 5, "remember_flaw": Flaw.SKIPPED}, 1, Result.FAIL),
        ({"remembered": 3, "remember_asked": 5, "remember_flaw": Flaw.SKIPPED}, 3, Result.WARN),
    ],
)
def test_a_history_counts_for_what_holds_and_one_without_effect_warns(
    stack: dict[str, Any], promised: int, result: Result
) -> None:
    """P12: `remember=` in a file is nothing by itself."""
    assert _results(pam(**stack), StackLimits(remember=promised)) == {"password-history": result}


@pytest.mark.parametrize(
    ("stack", "promised", "results"),
    [
        ({}, 12, {"password-length": Result.FAIL}),
        ({"min_length": 12, "length_asked": 12}, 12, {"password-length": Result.PASS}),
        ({"min_length": 11, "length_asked": 11}, 12, {"password-length": Result.FAIL}),
        ({"length_asked": 12, "length_flaw": Flaw.MISSING}, 0, {"password-length": Result.WARN}),
        ({"min_length": None}, 12, {"password-length": Result.UNKNOWN}),
        ({"min_length": None}, 0, {}),
    ],
)
def test_a_length_counts_when_every_new_password_has_it(
    stack: dict[str, Any], promised: int, results: dict[str, Result]
) -> None:
    assert _results(pam(**stack), StackLimits(min_length=promised)) == results


_LOCKS = {"locks_after": 5, "root_locks_after": 5, "forgets": True}


@pytest.mark.parametrize(
    ("stack", "promised", "results"),
    [
        ({}, 5, {"lock-out": Result.FAIL}),
        (_LOCKS, 0, {"lock-out": Result.PASS}),
        (_LOCKS, 5, {"lock-out": Result.PASS}),
        (_LOCKS, 4, {"lock-out": Result.FAIL}),
        ({"flaw": Flaw.NOT_REFUSED}, 0, {"lock-out": Result.WARN}),
        ({"flaw": Flaw.NOT_COUNTED}, 5, {"lock-out": Result.FAIL}),
        ({**_LOCKS, "forgets": False}, 5, {"lock-out": Result.WARN}),
        ({**_LOCKS, "root_locks_after": 0}, 5, {"lock-out": Result.WARN}),
        ({"locks_after": None}, 5, {"lock-out": Result.UNKNOWN}),
        ({"locks_after": None}, 0, {}),
        ({"asks_password": False}, 5, {}),
    ],
)
def test_a_lock_out_counts_when_it_refuses_and_one_that_forgets_nothing_or_spares_root_warns(
    stack: dict[str, Any], promised: int, results: dict[str, Result]
) -> None:
    """P13. Root's line counts where root has a password."""
    with_root = shadows(shadow("sato"))
    root = structs.replace(with_root, entries=(shadow("root"), *with_root.entries[1:]))
    assert _results(pam(**stack), StackLimits(lockout_after=promised), shadow=root) == results


def test_a_root_without_a_password_cannot_be_guessed() -> None:
    assert _results(pam(**{**_LOCKS, "root_locks_after": 0})) == {"lock-out": Result.PASS}


@pytest.mark.parametrize(
    ("settings", "judged"),
    [
        ({}, True),
        ({"password_authentication": False}, False),
        ({"password_authentication": False, "kbd_interactive": True}, True),
        ({"password_authentication": False, "match_blocks": True}, True),
        ({"password_authentication": False, "match_blocks": None}, True),
        ({"password_authentication": False, "own_file": True}, True),
    ],
)
def test_an_sshd_that_takes_no_password_needs_no_lock_out(settings: dict[str, Any], *, judged: bool) -> None:
    facts = pam()
    facts = structs.replace(
        facts,
        services=tuple(structs.replace(it, name=it.name.replace("login", "sshd")) for it in facts.services),
    )
    found = _judge(facts, StackLimits(lockout_after=5), sshd=sshd(**settings))
    assert bool(found) is judged
    assert _judge(facts, StackLimits(lockout_after=5), sshd=unknown(Reason.NOPRIV))


def test_services_that_do_the_same_are_one_finding() -> None:
    (found,) = _judge(pam(remembered=5, remember_asked=5))
    assert found.subject.name == "passwd, login"


def test_a_host_without_pam_keeps_no_such_promise_and_owes_none() -> None:
    none = PamFacts(installed=False, services=(), refuses_expired={})
    assert _judge(none) == []
    assert _results(none, StackLimits(remember=1)) == {"pam": Result.FAIL}


def test_stacks_that_cannot_be_seen_are_unknown_promised_or_not() -> None:
    """A cut answer may not be better than the whole one, in which a rule without effect would warn."""
    (found,) = _judge(unknown(Reason.PROBE_CUT))
    assert found.reason is Reason.PROBE_CUT
    facts = pam()
    hidden = structs.replace(facts.services[0], password=None, hidden=Reason.DENIED, detail="rules of passwd")
    (found,) = _judge(structs.replace(facts, services=(hidden,)))
    assert (found.result, found.reason, found.subject.name) == (Result.UNKNOWN, Reason.DENIED, "passwd")


def test_a_stack_in_which_nobody_can_change_a_password_warns_where_there_are_passwords() -> None:
    assert _results(pam(changes=False)) == {"password-stack": Result.WARN}
    assert _results(pam(changes=False), shadow=shadows(shadow("sato", "star"))) == {}


def test_new_passwords_that_would_be_kept_weakly_warn() -> None:
    """P11: PAM's own word wins over ENCRYPT_METHOD; the hashes that are there are judged by themselves."""
    assert _results(pam(algorithm="md5")) == {"password-hash-to-come": Result.WARN}
    assert _results(pam(algorithm="")) == {}
