"""Every safeguard that is installed: a module of this package with a marked function is one."""

import importlib
import inspect
import pkgutil
import re
import typing
from functools import cache
from types import ModuleType
from typing import Any

from msgspec import Struct

import checks
from checks.fleet import Fleet
from checks.model import Check, Clock, History, Options, Target
from checks.source_digest import rule_digest
from collectors.facts import Facts, Known, Probe, Unknown
from collectors.registry import probe_of

GIVEN = (Clock, Target, History, Fleet)
"""what a check may ask for beside facts and its settings"""
HEADINGS = ("What it looks at", "Why it matters", "What to do")


class Page(Struct, frozen=True, kw_only=True):
    """A check's own description, from its module's docstring."""

    title: str
    """the safe state as a statement"""
    looks_at: str
    matters: str
    to_do: str


class Entry(Struct, frozen=True, kw_only=True):
    """One safeguard with all that derives from its file."""

    check: Check
    page: Page
    options: type[Options]
    probes: tuple[Probe[Any], ...]
    """of the target itself and of sources such as the roster"""
    sha256: str
    """of its source file and of all of ours that it rests on"""
    needs_fleet: bool = False
    """whether it looks at what other targets say, so that no target is judged before all are read"""


@cache
def catalogue() -> dict[str, Entry]:
    """Find every safeguard by id, sorted; raises LookupError for a file that breaks the house rules."""
    found: dict[str, Entry] = {}
    for info in pkgutil.iter_modules(checks.__path__, "checks."):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            check = getattr(value, "__tenken_check__", None)
            if isinstance(check, Check) and value.__module__ == module.__name__:
                found[check.id] = _entry(check, module)
    return dict(sorted(found.items()))


def parameters(judge: Any) -> dict[str, Any]:
    """The annotations of a judge's parameters, resolved."""
    hints = typing.get_type_hints(judge)
    return {name: hints[name] for name in inspect.signature(judge).parameters}


def fact_of(annotation: Any) -> tuple[type[Facts], bool] | None:
    """Return the fact type an annotation asks for and whether it must be known; None for others."""
    if isinstance(annotation, type) and issubclass(annotation, Facts):
        return annotation, True
    members = typing.get_args(annotation)
    if Unknown in members:
        for member in members:
            if typing.get_origin(member) is Known:
                return typing.get_args(member)[0], False
    return None


def _entry(check: Check, module: ModuleType) -> Entry:
    stem = module.__name__.removeprefix("checks.")
    if check.id != stem.replace("_", "-"):
        message = f"checks/{stem}.py holds {check.id}: file and id must agree"
        raise LookupError(message)
    options: type[Options] = Options
    probes: list[Probe[Any]] = []
    needs_fleet = False
    judges = [check.judge, *check.watches.values()]
    for judge in judges:
        for annotation in parameters(judge).values():
            needs_fleet |= annotation is Fleet
            wanted = fact_of(annotation)
            if wanted:
                probes.append(probe_of(wanted[0]))
            elif isinstance(annotation, type) and issubclass(annotation, Options):
                options = annotation
            elif annotation not in GIVEN:
                message = f"checks/{stem}.py: nothing is known that fills a parameter of {annotation!r}"
                raise LookupError(message)
    unique = {probe.name: probe for probe in probes}
    return Entry(
        check=check,
        page=_page(module),
        options=options,
        probes=tuple(unique.values()),
        sha256=rule_digest(module),
        needs_fleet=needs_fleet,
    )


def _page(module: ModuleType) -> Page:
    text = inspect.cleandoc(module.__doc__ or "")
    title, _, body = text.partition("\n")
    pieces = re.split(r"^## (.+)$", body, flags=re.MULTILINE)
    sections = {name.strip(): words.strip() for name, words in zip(pieces[1::2], pieces[2::2], strict=True)}
    if tuple(sections) != HEADINGS or not title.endswith("."):
        message = f"{module.__name__}: the docstring needs a title sentence and the sections {HEADINGS}"
        raise LookupError(message)
    return Page(
        title=title.removesuffix("."),
        looks_at=sections[HEADINGS[0]],
        matters=sections[HEADINGS[1]],
        to_do=sections[HEADINGS[2]],
    )
