"""What shapes alone cannot say: names used twice, settings of no safeguard, promises without a proof."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Struct

from config.documents import Document
from config.model import MOST_LOGS, MOST_STORES, Promise, folded
from config.problems import Path, did_you_mean, nearest, quote
from config.shape import Report, compare, convert_problems, keys_of, type_of

DECIDED = ("decided_by", "decided_on")
"""written under `[promise.set]` beside the numbers, kept as fields of the promise"""
TABLES = {
    "host": "a [[host]] for each machine in scope",
    "mail": "a [[mail]] for a journal of sent mail",
    "roster": "a [roster] with the path of the HR list",
}
"""what a safeguard may look at, and how it is declared"""
RESERVED_TARGET = "roster"
HISTORY_SUFFIX = ".history"
"""`NAME.history.json` stands beside `NAME.json` in the bundle"""

_SECRET = re.compile(r"(?:.*[_-])?(?:password|passwd|passphrase|secret|token)", re.IGNORECASE)
_KEY_BLOB = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")

Options = Mapping[str, type[Struct]]
Needs = Mapping[str, frozenset[str]]
"""by safeguard, the keys of `TABLES` without which it has nothing to look at"""


def settings_of(promise: Promise, options: type[Struct]) -> dict[str, Any]:
    """Return those of a promise's settings that belong to one safeguard, as written."""
    return {key: value for key, value in promise.set.items() if key in keys_of(options)}


def secrets(tables: dict[str, Any]) -> Iterator[Path]:
    """Yield the place of every secret that is written out; its value is never quoted back."""
    level: list[tuple[Path, Any]] = [((), tables)]
    while level:
        path, value = level.pop()
        if isinstance(value, dict):
            level.extend(((*path, key), child) for key, child in value.items())
        elif isinstance(value, list):
            level.extend(((*path, place), child) for place, child in enumerate(value))
        elif isinstance(value, str):
            names = [step for step in path if isinstance(step, str)]
            if _KEY_BLOB.search(value) or (names and _SECRET.fullmatch(names[-1])):
                yield path


def check(document: Document, options: Options, needs: Needs) -> None:
    """Add every problem of meaning to the document; shapes may be wrong and are passed over."""
    _check_site(document)
    _check_targets(document)
    _check_accounts(document)
    _check_posts(document)
    _check_stores(document)
    _check_paths(document, "log", MOST_LOGS, "name them by a wildcard")
    _check_authorities(document)
    _check_promises(document, options, needs)


def check_set(path: Path, values: dict[str, Any], proves: Any, options: Options, report: Report) -> None:
    """Check `[promise.set]` against the settings of the safeguards that the promise names."""
    # A misspelt safeguard is reported once, and its settings are judged by what it was meant to be.
    meant = [name if name in options else nearest(name, options) for name in _texts(proves)]
    chosen = {name: options[name] for name in meant if name}
    known = [key for wanted in chosen.values() for key in keys_of(wanted)]
    sound = True

    def note(at: Path, message: str, hint: str) -> None:
        nonlocal sound
        sound = False
        report(at, message, hint)

    for key, value in values.items():
        if key in known:
            for wanted in chosen.values():
                if key in keys_of(wanted):
                    compare(value, type_of(wanted, key), (*path, key), note)
        elif chosen:
            note((*path, key), "unknown setting", _whose(key, known, chosen, options))
    for wanted in chosen.values() if sound else ():
        # Settings that are sound alone may contradict each other.
        mine = {key: value for key, value in values.items() if key in keys_of(wanted)}
        for at, message, hint in convert_problems(mine, wanted):
            report((*path, *at), message, hint)


def _whose(key: str, known: list[str], chosen: Options, options: Options) -> str:
    owners = [name for name, wanted in options.items() if key in keys_of(wanted)]
    if owners:
        return f"it is a setting of {owners[0]}, which this promise does not name in proves"
    near = did_you_mean(key, [*known, *DECIDED])
    if near or known:
        return near or f"{', '.join(chosen)} has {', '.join(dict.fromkeys(known))}"
    return f"{', '.join(chosen)} has no settings"


def _check_site(document: Document) -> None:
    site = document.tables.get("site")
    zone = site.get("timezone") if isinstance(site, dict) else None
    if not isinstance(zone, str):
        return
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        # ZoneInfo raises OSError for names such as "Asia", which is a folder of zones.
        near = did_you_mean(zone, available_timezones())
        document.problem(("site", "timezone"), f"{quote(zone)} is no time zone", near)


def _check_targets(document: Document) -> None:
    hosts, journals = _rows(document, "host"), _rows(document, "mail")
    if not any(document.tables.get(name) for name in ("host", "inventory", "mail")):
        document.problem((), "nothing to inspect: no [[host]] and no [[mail]]", "add at least one [[host]]")
    seen: dict[str, Path] = {}
    for path, row in (*hosts, *journals):
        name = row.get("name")
        if not isinstance(name, str):
            continue
        at = (*path, "name")
        folded = name.casefold()
        if folded == RESERVED_TARGET:
            document.problem(at, f"{quote(name)} is the name of the HR list in the bundle", "choose another")
        elif folded.endswith(HISTORY_SUFFIX):
            document.problem(at, f"a name may not end in {HISTORY_SUFFIX}", "choose another")
        if folded in seen:
            file, line = document.place(seen[folded])
            document.problem(at, f"{quote(name)} is taken: the first is at {file}:{line}", "rename one")
        seen.setdefault(folded, at)
    left_out = 0
    for path, row in hosts:
        reason = row.get("excluded")
        if isinstance(reason, bool) or (isinstance(reason, str) and not reason.strip()):
            document.problem(
                (*path, "excluded"),
                "a host is left out with a reason",
                'write why: excluded = "decommissioned on 2026-10-01"; or remove the line',
            )
        left_out += bool(reason)
        _check_forced(document, path, row)
    if hosts and left_out == len(hosts) and not journals and not document.tables.get("inventory"):
        document.problem(("host",), "every host is excluded: nothing is left to inspect")


def _check_forced(document: Document, path: Path, row: dict[str, Any]) -> None:
    if row.get("privilege") != "forced":
        return
    if row.get("user") != "root" or row.get("transport", "ssh") == "local":
        document.problem(
            (*path, "privilege"),
            "a forced command is reached by a log-in as root over SSH",
            'set user = "root", or privilege = "installed" for another account',
        )


def _check_accounts(document: Document) -> None:
    for path, row in _rows(document, "account"):
        for key in ("owner", "reason"):
            value = row.get(key)
            if isinstance(value, str) and not value.strip():
                document.problem((*path, key), "may not be empty", "name the office and the purpose")
        _matching(document, path, row)


def _check_posts(document: Document) -> None:
    seen: dict[str, Path] = {}
    for path, row in _rows(document, "post"):
        name = row.get("name")
        if not isinstance(name, str):
            continue
        if not folded(name):
            document.problem((*path, "name"), "may not be empty", "name the post as the roster does")
        elif folded(name) in seen:
            file, line = document.place(seen[folded(name)])
            document.problem(
                (*path, "name"),
                f"{quote(name)} is declared twice: the first is at {file}:{line}",
                "keep one",
            )
        seen.setdefault(folded(name), (*path, "name"))


def _check_authorities(document: Document) -> None:
    seen: dict[str, Path] = {}
    for path, row in _rows(document, "tsa"):
        name = row.get("name")
        if isinstance(name, str) and name in seen:
            file, line = document.place(seen[name])
            document.problem(
                (*path, "name"), f"{quote(name)} is taken: the first is at {file}:{line}", "rename one"
            )
        elif isinstance(name, str):
            seen[name] = (*path, "name")


def _check_stores(document: Document) -> None:
    posts = [row["name"] for _, row in _rows(document, "post") if isinstance(row.get("name"), str)]
    known = {folded(name) for name in posts}
    for path, row in _rows(document, "store"):
        named = row.get("posts")
        for place, name in enumerate(named if isinstance(named, list) else ()):
            if isinstance(name, str) and folded(name) not in known:
                document.problem(
                    (*path, "posts", place),
                    f"no [[post]] is called {quote(name)}",
                    did_you_mean(name, posts) or "declare it",
                )
    _check_paths(document, "store", MOST_STORES, "name the folder above them")


def _check_paths(document: Document, table: str, most: int, instead: str) -> None:
    """Name paths that a host has twice, and hosts that have too many."""
    seen: dict[tuple[str, str], Path] = {}
    asked: dict[str, int] = {}
    for path, row in _rows(document, table):
        for name in _matching(document, path, row):
            what = str(row.get("path"))
            if (name, what) in seen:
                file, line = document.place(seen[name, what])
                document.problem(
                    (*path, "path"),
                    f"{quote(what)} is declared twice for {name}: the first is at {file}:{line}",
                    "keep one",
                )
                break
            seen[name, what] = (*path, "path")
            asked[name] = asked.get(name, 0) + 1
            if asked[name] == most + 1:
                document.problem(
                    (*path, "path"), f"more than {most} {table}s are declared for {name}", instead
                )


def _matching(document: Document, path: Path, row: dict[str, Any]) -> list[str]:
    """Return the hosts that a block's patterns name, and say which pattern names none."""
    names = [row["name"] for _, row in _rows(document, "host") if isinstance(row.get("name"), str)]
    if "hosts" not in row:
        return names
    found: set[str] = set()
    patterns = row["hosts"]
    for place, pattern in enumerate(patterns if isinstance(patterns, list) else ()):
        if isinstance(pattern, str):
            matched = {name for name in names if fnmatchcase(name, pattern)}
            found |= matched
            # An inventory may have hosts of that name.
            if not matched and not document.tables.get("inventory"):
                document.problem(
                    (*path, "hosts", place),
                    f"{quote(pattern)} matches no [[host]]",
                    did_you_mean(pattern, names),
                )
    return [name for name in names if name in found]


def _check_promises(document: Document, options: Options, needs: Needs) -> None:
    if not document.tables.get("promise"):
        document.problem((), "nothing is promised: no [[promise]]", "tenken init writes a register to edit")
    seen: dict[str, Path] = {}
    for path, row in _rows(document, "promise"):
        name = row.get("id")
        if isinstance(name, str):
            if name in seen:
                file, line = document.place(seen[name])
                document.problem(
                    (*path, "id"), f"{quote(name)} is taken: the first is at {file}:{line}", "rename one"
                )
            seen.setdefault(name, (*path, "id"))
        proves = row.get("proves")
        for place, safeguard in enumerate(proves if isinstance(proves, list) else ()):
            if isinstance(safeguard, str):
                _check_proof(document, (*path, "proves", place), safeguard, options, needs)
        texts = _texts(proves)
        if len(set(texts)) < len(texts):
            document.problem((*path, "proves"), "names a safeguard twice")


def _check_proof(document: Document, path: Path, safeguard: str, options: Options, needs: Needs) -> None:
    if safeguard not in options:
        hint = did_you_mean(safeguard, options) or "tenken checks list shows what there is"
        document.problem(path, f"no safeguard is called {quote(safeguard)}", hint)
    declared = [key for key in TABLES if document.tables.get(key)]
    declared += ["host"] if document.tables.get("inventory") else []
    for key in sorted(needs.get(safeguard, frozenset()).difference(declared)):
        # Nothing declared at all is said once, not for every promise.
        if declared:
            document.problem(path, f"{safeguard} has nothing to look at", f"add {TABLES[key]}")


def _rows(document: Document, key: str) -> list[tuple[Path, dict[str, Any]]]:
    rows = document.tables.get(key)
    return [
        ((key, place), row)
        for place, row in enumerate(rows if isinstance(rows, list) else ())
        if isinstance(row, dict)
    ]


def _texts(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
