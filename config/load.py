"""Read what a site declares: `tenken.toml` and `conf.d/*.toml`, every error at once."""

import copy
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct

from config.check_settings import DECIDED, check, check_set, secrets
from config.codec import dec_hook
from config.documents import Document
from config.model import Config, Promise
from config.problems import ConfigErrors, Problem
from config.problems import Path as KeyPath
from config.shape import Report, compare, type_of

__all__ = ["ConfigErrors", "Loaded", "Problem", "load"]

EXTRA_FOLDER = "conf.d"


class Loaded(Struct, frozen=True, kw_only=True):
    """A configuration without problems, and what it was read from."""

    config: Config
    folder: Path
    """paths in the configuration are relative to it"""
    files: tuple[Path, ...]
    """`tenken.toml` first, then `conf.d/*.toml` in the order of their names"""
    sha256: str
    """of what `sha256sum tenken.toml conf.d/*.toml` prints in the folder, two spaces a line"""


def load(
    path: Path,
    *,
    options: Mapping[str, type[Struct]],
    needs: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> Loaded:
    """Read the configuration at `path` and the files of `conf.d` beside it.

    `options` maps the id of each safeguard that is installed to the struct of its settings, `needs` to
    the tables (`host`, `mail`, `roster`) that it cannot do without.
    Raises ConfigErrors with every problem of every file; relative paths are left as written.
    """
    folder = path.parent
    files = (path, *extra_files(folder))
    document = Document(str(path))
    for file in files:
        document.add(file, folder)
    if not document.is_whole:
        # What is in an unreadable file is not known, so nothing can be said to be missing.
        raise ConfigErrors(document.sorted_problems())
    config = _convert(document, options, needs)
    return Loaded(config=config, folder=folder, files=files, sha256=document.sha256)


def extra_files(folder: Path) -> tuple[Path, ...]:
    """Return the files of `conf.d` that count: `*.toml`, none hidden, in the order of their names."""
    try:
        found = [file for file in (folder / EXTRA_FOLDER).iterdir() if file.suffix == ".toml"]
    except FileNotFoundError:
        return ()
    except OSError as err:
        name = str(folder / EXTRA_FOLDER)
        message = f"cannot be read: {err.strerror or err}"
        raise ConfigErrors([Problem(file=name, line=1, path="", message=message)]) from err
    return tuple(
        sorted((file for file in found if not file.name.startswith(".")), key=lambda file: file.name)
    )


def _convert(
    document: Document, options: Mapping[str, type[Struct]], needs: Mapping[str, frozenset[str]]
) -> Config:
    hidden: set[KeyPath] = set()
    for path in secrets(document.tables):
        hidden.update(path[: length + 1] for length in range(len(path)))
        document.problem(
            path,
            "a secret is never written into the configuration",
            'take it out, change it, and name where it is kept: { file = "..." } or { env = "..." }',
        )

    def report(path: KeyPath, message: str, hint: str) -> None:
        # Another problem of the same place, or of what it stands in, could quote the secret.
        if path not in hidden:
            document.problem(path, message, hint)

    tables = copy.deepcopy(document.tables)
    rows = tables.get("promise")
    for place, row in enumerate(rows if isinstance(rows, list) else ()):
        if isinstance(row, dict):
            _refuse_decision_outside(row, ("promise", place), report)
            settings = row.get("set")
            if isinstance(settings, dict):
                path = ("promise", place, "set")
                _lift_decision(row, settings, path, report)
                check_set(path, settings, row.get("proves"), options, report)
    config: Config | None = None
    try:
        config = msgspec.convert(tables, Config, dec_hook=dec_hook)
    except msgspec.ValidationError as err:
        # It stops at the first deviation; the slower comparison names all of them.
        before = len(document.problems)
        compare(tables, Config, (), report)
        if len(document.problems) == before and not hidden:
            document.problem((), str(err))
    check(document, options, needs)
    if document.problems or config is None:
        raise ConfigErrors(document.sorted_problems())
    return config


def _refuse_decision_outside(row: dict[str, Any], path: KeyPath, report: Report) -> None:
    """Keep one place for who decided: beside the numbers."""
    for key in DECIDED:
        if key in row:
            report((*path, key), "belongs to the numbers it decides", "move it under [promise.set]")
            del row[key]


def _lift_decision(row: dict[str, Any], settings: dict[str, Any], path: KeyPath, report: Report) -> None:
    """Move who decided, and when, from `[promise.set]` to the promise, checked where it was written."""
    for key in DECIDED:
        if key not in settings:
            continue
        value = settings.pop(key)
        is_sound = True

        def note(at: KeyPath, message: str, hint: str) -> None:
            nonlocal is_sound
            is_sound = False
            report(at, message, hint)

        compare(value, type_of(Promise, key), (*path, key), note)
        if is_sound:
            row[key] = value
