"""Judge a stored bundle again from its own evidence."""

from collections.abc import Iterator, Mapping

from checks.catalogue import catalogue
from checks.engine import Case, needs_fleet
from checks.fleet import Fleet, Fold
from checks.model import Clock, Finding, History
from checks.verdicts import judge_all
from collectors.evidence import TargetEvidence, TargetKind
from config.errors import VerifyError
from reports.documents import Catalogue, Plan, decode, encode_verdicts


def replay(members: Mapping[str, bytes]) -> bytes:
    """Return the bytes that verdicts.jsonl must have, given the bundle's other members.

    Raises VerifyError when the bundle was judged by safeguards that are not installed here, or by other
    versions of them that come to other verdicts: then nothing can be said.
    """
    again = encode_verdicts(_findings(members))
    if again != members["verdicts.jsonl"]:
        other = _other_rules(members)
        if other:
            message = f"other versions of {', '.join(other)} are installed here, and they judge otherwise"
            raise VerifyError(message, hint="Verify with the version that made the bundle.")
    return again


def _other_rules(members: Mapping[str, bytes]) -> list[str]:
    """Name the safeguards whose installed file is not, byte for byte, the one that judged the bundle."""
    rules = decode(members["rules/catalogue.json"], Catalogue)
    installed = catalogue()
    return [rule.id for rule in rules.safeguards if installed[rule.id].sha256 != rule.sha256]


def _findings(members: Mapping[str, bytes]) -> tuple[Finding, ...]:
    plan = decode(members["plan.json"], Plan)
    rules = decode(members["rules/catalogue.json"], Catalogue)
    entries = catalogue()
    absent = sorted({rule.safeguard for rule in rules.rules} - set(entries))
    if absent:
        message = f"safeguards of the bundle that are not installed here: {', '.join(absent)}"
        raise VerifyError(message, hint="Verify with the version that made the bundle.")
    fleet = _fleet(plan, members) if needs_fleet(rules.rules, entries) else None
    return judge_all(cases(plan, members, fleet), rules.rules, entries)


def _fleet(plan: Plan, members: Mapping[str, bytes]) -> Fleet:
    """Fold what all targets say of each other, as the run did; one is in memory at a time."""
    fold: Fold | None = None
    for case in cases(plan, members, None):
        fold = fold or Fold.over(case.sources.get(TargetKind.ROSTER.value))
        fold.add(case.evidence, case.history)
    return fold.fleet() if fold else Fleet()


def cases(plan: Plan, members: Mapping[str, bytes], fleet: Fleet | None) -> Iterator[Case]:
    """Give each planned target with its evidence and history, as the run had them."""
    sources: dict[str, TargetEvidence] = {}
    for target in plan.targets:
        if target.kind is TargetKind.ROSTER:
            sources[target.kind.value] = decode(members[f"evidence/{target.target}.json"], TargetEvidence)
    clock = Clock(as_of=plan.as_of, zone=plan.timezone)
    for target in plan.targets:
        name = f"evidence/{target.target}.history.json"
        yield Case(
            target=target,
            evidence=decode(members[f"evidence/{target.target}.json"], TargetEvidence),
            sources=sources,
            history=decode(members[name], History) if name in members else History(target=target.target),
            clock=clock,
            fleet=fleet,
        )
