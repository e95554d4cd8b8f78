"""A leaver's key is known by its fingerprint on every host of the run, by hand-made facts."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any

import msgspec
import pytest

from checks.catalogue import catalogue
from checks.engine import Case, Rule, judge_target, needs_fleet, remember
from checks.fleet import GAP, SEEN, Fleet, Fold, watch_keys
from checks.model import History, Outcome, Result, Sighting, Target
from collectors.evidence import Part, Reason, Section, SectionState, Status, TargetEvidence, TargetKind
from collectors.probes.keys import KeysFacts, PublicKey
from collectors.sources.roster import RosterFacts
from config.model import ServiceAccount
from tests.checks.account_facts import (
    CLOCK,
    NOW,
    account,
    accounts,
    by_subject,
    fleet,
    judge,
    key_file,
    keys,
    person,
    roster,
    shadow,
    shadows,
)

KEY = "SHA256:" + "satoslaptop" * 4
SATO = ("account", "sato")
BOOK = roster(person(), person("tanaka", None))
RULE = Rule(promise="p", safeguard="retired-accounts", options={})


def _sato(**given: Any) -> Outcome:
    return by_subject(judge(roster=BOOK, **given))[SATO]


def _elsewhere(name: str = "sato", **more: Any) -> Fleet:
    """The key stands in the person's own file on another host."""
    return fleet(BOOK, web1=keys(key_file(name, KEY)), **more)


@pytest.mark.parametrize(("holder", "uid"), [("root", 0), ("deploy", 1500), ("tanaka", 1002)])
def test_a_leavers_key_from_another_host_fails_under_any_account(holder: str, uid: int) -> None:
    """Criterion 25, trap A7: also under a declared account; the finding names holder and both evidences."""
    people = () if uid == 0 else (account(holder, uid),)
    given: dict[str, Any] = {
        "accounts": accounts(*people),
        "shadow": shadows(*(shadow(it.name) for it in people)),
        "keys": keys(key_file(holder, KEY)),
        "target": Target(
            target="host",
            kind=TargetKind.HOST,
            accounts=(ServiceAccount(name="deploy", owner="IT", reason="releases"),),
        ),
    }
    assert _sato(**given).result is Result.PASS
    outcome = _sato(**given, fleet=_elsewhere())
    assert outcome.result is Result.FAIL
    assert outcome.actual.english() == f"open: public key under {holder} (the key of sato on web1)"
    assert outcome.also == ("web1#keys",)


def test_a_key_of_the_same_host_is_named_as_ever() -> None:
    """A run over one host says what it said before there was a fleet."""
    outcome = _sato(keys=keys(key_file("sato", KEY, left_behind=True), key_file("root", KEY)))
    assert outcome.actual.english() == "open: public key under root"
    assert outcome.also == ()


def test_a_leavers_key_as_an_authority_lets_in_whom_the_leaver_signs_for() -> None:
    """The key itself lets in nobody there, but a certificate made with it does; see test_fleet_lab."""
    trusted = key_file("root", KEY, options=("cert-authority", "principals"))
    outcome = _sato(keys=keys(key_file("sato", KEY, left_behind=True), trusted))
    assert outcome.actual.english() == "open: public key under root"
    # In the leaver's own file it is the authority's, who need not be the leaver.
    own = key_file("sato", KEY, left_behind=True, options=("cert-authority",))
    assert _sato(keys=keys(own, key_file("root", KEY))).result is Result.PASS


def test_a_key_that_only_an_earlier_run_saw_is_still_the_leavers() -> None:
    """The account, its home and its host may be gone; root lets the key in all the same."""
    then = Sighting(first=NOW - timedelta(days=90), last=NOW - timedelta(days=60))
    history = History(target="web1", run=1, as_of=NOW, seen={f"{SEEN}:{KEY} sato": then})
    known = fleet(BOOK, history=history, web1=keys())
    outcome = _sato(keys=keys(key_file("root", KEY)), fleet=known)
    assert outcome.actual.english() == "open: public key under root (known from an earlier run)"
    assert _sato(fleet=known).result is Result.PASS


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ((key_file("root", KEY),), "public key under root (the key of sato on web1; also of tanaka)"),
        ((key_file("tanaka", KEY),), "public key under tanaka (the key of sato on web1)"),
        (
            (key_file("root", KEY), key_file("root", "SHA256:other")),
            "public key under root (the key of sato on web1; also of tanaka)",
        ),
    ],
    ids=["root", "the other's own account", "beside another key"],
)
def test_a_key_shared_with_somebody_who_works_here_is_said_to_be_shared(
    files: Sequence[Any], words: str
) -> None:
    """It may be tanaka's, put into sato's files; that sato cannot use it, nobody has shown."""
    known = _elsewhere(web2=keys(key_file("tanaka", KEY)))
    given: dict[str, Any] = {
        "accounts": accounts(account("tanaka", 1002)),
        "shadow": shadows(shadow("tanaka")),
        "keys": keys(*files),
    }
    outcome = _sato(**given, fleet=known)
    assert (outcome.result, outcome.actual.english()) == (Result.FAIL, f"open: {words}")


def test_a_key_of_people_who_work_here_is_nobodys_finding() -> None:
    outcome = _sato(keys=keys(key_file("root", KEY)), fleet=_elsewhere("tanaka"))
    assert outcome.result is Result.PASS


def test_a_closed_holder_and_an_ended_key_let_nobody_in() -> None:
    given: dict[str, Any] = {
        "accounts": accounts(account("mori", 1003)),
        "shadow": shadows(shadow("mori", expire_day=1)),
        "keys": keys(key_file("mori", KEY)),
    }
    assert _sato(**given, fleet=_elsewhere()).result is Result.PASS
    ended = keys(key_file("root", KEY, options=("expiry-time=20200101Z",)))
    assert _sato(keys=ended, fleet=_elsewhere()).result is Result.PASS


def test_the_second_log_in_name_of_a_leaver_counts_as_the_first() -> None:
    book = roster(msgspec.structs.replace(person(), accounts=("sato", "sato2")))
    known = fleet(book, web1=keys(key_file("sato2", KEY)))
    found = by_subject(judge(roster=book, keys=keys(key_file("root", KEY)), fleet=known))
    assert found[SATO].actual.english() == "open: public key under root (the key of sato on web1)"


# --- what cannot be compared ----------------------------------------------------


_HIDDEN = key_file("root", keys=(), state="denied")
_CUT = key_file("root", "SHA256:other", state="cut")
_NO_PRINT = key_file("root", "")


@pytest.mark.parametrize(
    ("file", "reason"),
    [(_HIDDEN, Reason.DENIED), (_CUT, Reason.TRUNCATED), (_NO_PRINT, Reason.NO_TOOL)],
    ids=["denied", "cut", "no fingerprints"],
)
def test_a_known_key_that_cannot_be_looked_for_is_unknown(file: Any, reason: Reason) -> None:
    """Without a known key there is nothing to look for, as on a host by itself."""
    assert _sato(keys=keys(file)).result is Result.PASS
    outcome = _sato(keys=keys(file), fleet=_elsewhere())
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, reason)


def test_one_line_without_a_fingerprint_is_no_key_where_others_have_one() -> None:
    """What ssh-keygen cannot read, sshd of the same release cannot either."""
    files = keys(key_file("root", ""), key_file("root", "SHA256:other"))
    assert _sato(keys=files, fleet=_elsewhere()).result is Result.PASS


# --- the fold -------------------------------------------------------------------


def _evidence(target: str, *rows: str, kind: TargetKind = TargetKind.HOST) -> TargetEvidence:
    text = "\n".join((*rows, "N:9")).encode()
    parts = (Part.of("patterns", "sshd", b".ssh/authorized_keys"), Part.of("files", "read", text))
    return TargetEvidence(
        run=1,
        plan="",
        target=target,
        kind=kind,
        salt="",
        status=Status.COLLECTED,
        sections=(Section(name="keys", state=SectionState.ENDED, exit=0, parts=parts),),
    )


def _key(*names: str) -> tuple[str, ...]:
    heads = [(f"F:read:A:{name}:/x", f"K:{n}:1:ssh-ed25519:") for n, name in enumerate(names, 1)]
    return (*(row for head in heads for row in head), f"256 {KEY} 1 (ED25519)")


def _down(target: str) -> TargetEvidence:
    return TargetEvidence(
        run=1,
        plan="",
        target=target,
        kind=TargetKind.HOST,
        salt="",
        status=Status.UNREACHABLE,
        reason=Reason.ROUTE,
    )


def _book(facts: RosterFacts = BOOK) -> TargetEvidence:
    part = Part.of("roster", "read", msgspec.json.encode(facts))
    section = Section(name="roster", state=SectionState.ENDED, exit=0, parts=(part,))
    return TargetEvidence(
        run=1,
        plan="",
        target="roster",
        kind=TargetKind.ROSTER,
        salt="",
        status=Status.COLLECTED,
        sections=(section,),
    )


def test_the_order_of_the_targets_does_not_matter() -> None:
    then = Sighting(first=NOW, last=NOW)
    past = History(target="c", run=1, as_of=NOW, seen={f"{SEEN}:{KEY} sato": then, "other:x": then})
    targets = [
        (_evidence("b", *_key("sato", "root")), History()),
        (_evidence("a", *_key("sato", "tanaka")), History()),
        (_down("c"), past),
        (_book(), History()),
    ]
    for order in permutations(targets):
        fold = Fold.over(_book())
        for evidence, history in order:
            fold.add(evidence, history)
        assert fold.fleet() == Fleet(
            keys={KEY: {"sato": "a", "tanaka": "a"}}, people=frozenset({"sato", "tanaka"}), hosts=3
        )


def test_without_a_roster_nobodys_key_is_known() -> None:
    fold = Fold.over(None)
    fold.add(_evidence("a", *_key("sato")), History())
    assert fold.fleet().keys == {}


def test_a_host_remembers_whose_the_keys_are_that_stand_on_it() -> None:
    """Wherever they stand: so a leaver who is deleted everywhere is known by the key under root."""
    here = keys(key_file("root", KEY), key_file("mori", "SHA256:of-nobody"), key_file("root", ""))
    assert list(watch_keys(keys=here, roster=BOOK, fleet=_elsewhere())) == [f"{KEY} sato"]
    assert list(watch_keys(keys=here, roster=roster(person("tanaka")), fleet=_elsewhere())) == []


@pytest.mark.parametrize("name", ["sato", "佐藤"])
def test_a_remembered_key_is_the_leavers_in_the_next_run(name: str) -> None:
    """From one run to the next, also by names that are no ASCII."""
    book = _book(roster(person(name)))
    first = Fold.over(book)
    evidence = _evidence("web1", *_key(name))
    first.add(evidence, History())
    case = Case(
        target=Target(target="web1", kind=TargetKind.HOST),
        evidence=evidence,
        sources={"roster": book},
        history=History(target="web1"),
        clock=CLOCK,
        fleet=first.fleet(),
    )
    history = remember(case, 1, [catalogue()["retired-accounts"]])
    second = Fold.over(book)
    second.add(_down("web1"), history)
    assert second.fleet().keys == {KEY: {name: ""}}


# --- the engine -----------------------------------------------------------------


def _findings(evidence: TargetEvidence, fleet: Fleet | None) -> list[str]:
    case = Case(
        target=Target(target=evidence.target, kind=TargetKind.HOST),
        evidence=evidence,
        sources={"roster": _book()},
        history=History(target=evidence.target),
        clock=CLOCK,
        fleet=fleet,
    )
    return [it.actual.english() for it in judge_target(case, [RULE], catalogue())]


def test_what_a_host_that_is_down_keeps_from_others_is_said_there() -> None:
    """Once, at the cause: else every leaver on every host would be unknown because of one."""
    several = fleet(BOOK, web1=keys(), web2=keys())
    assert _findings(_down("web1"), several) == [f"not known: route; {GAP}"]
    assert _findings(_down("web1"), fleet(BOOK, web1=keys())) == ["not known: route"]
    assert _findings(_down("web1"), None) == ["not known: route"]
    assert _findings(_evidence("web1", *_key("sato")), several) == ["not known: not_collected"]


def test_only_a_safeguard_that_asks_for_it_makes_a_run_wait_for_all_hosts() -> None:
    entries = catalogue()
    asking = {
        name for name in entries if needs_fleet([Rule(promise="p", safeguard=name, options={})], entries)
    }
    assert asking == {"retired-accounts"}


def test_a_target_judged_alone_is_a_fleet_of_its_own() -> None:
    facts = KeysFacts(
        source="sshd",
        looked_at=9,
        files=tuple(
            key_file(name, keys=(PublicKey(type="ssh-ed25519", fingerprint=KEY, options=()),))
            for name in ("sato", "root")
        ),
    )
    alone = Fold.over(_book())
    alone.add(_evidence("host", *_key("sato", "root")), History())
    assert alone.fleet() == fleet(BOOK, host=facts)
