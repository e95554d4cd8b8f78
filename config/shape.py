"""Compare a table with the struct it is meant to be: every deviation, not only the first."""

import ast
import re
import types
import typing
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Annotated, Any, Union

import msgspec
from msgspec import Struct, structs

from config.codec import dec_hook
from config.model import SPELLINGS
from config.problems import Path, did_you_mean, quote

Report = Callable[[Path, str, str], None]
"""path, message, hint"""

_WORDS = {
    "`object`": "a table",
    "`array`": "a list",
    "`str`": "text",
    "`int`": "a whole number",
    "`float`": "a number with a fraction",
    "`bool`": "true or false",
    "`date`": "a date such as 2026-11-22",
    "`datetime`": "a date with a time",
    "`time`": "a time of day",
    "`null`": "nothing",
}
_PATH = re.compile(r" - at `\$([^`]*)`$")
_STEP = re.compile(r"\[(\d+)\]|\.([^.\[]+)")
_PATTERN = re.compile(r"Expected `str` matching regex (.+)")
_KIND = re.compile("|".join(_WORDS))


def compare(value: Any, wanted: Any, path: Path, report: Report) -> None:
    """Report every deviation of `value` from the type `wanted`."""
    wanted = _plain(wanted)
    if isinstance(wanted, type) and issubclass(wanted, Struct):
        if isinstance(value, dict):
            _compare_table(value, wanted, path, report)
        else:
            report(path, f"expected a table, got {_kind(value)}", "")
        return
    item = _item_of(wanted)
    if item is not None and isinstance(value, list):
        for place, element in enumerate(value):
            compare(element, item, (*path, place), report)
        if value:
            return
    _compare_value(value, wanted, path, report)


def keys_of(wanted: type[Struct]) -> tuple[str, ...]:
    """Return the keys that a table of this struct may have."""
    return tuple(field.encode_name for field in structs.fields(wanted))


def type_of(wanted: type[Struct], key: str) -> Any:
    """Return the declared type of one key of a struct."""
    return next(field.type for field in structs.fields(wanted) if field.encode_name == key)


def _compare_table(table: dict[str, Any], wanted: type[Struct], path: Path, report: Report) -> None:
    fields = {field.encode_name: field for field in structs.fields(wanted)}
    for key, value in table.items():
        if key in fields:
            compare(value, fields[key].type, (*path, key), report)
        else:
            report((*path, key), "unknown key", did_you_mean(key, fields))
    for name, field in fields.items():
        if field.required and name not in table:
            report((*path, name), "is missing", f"add {name} here")


def _compare_value(value: Any, wanted: Any, path: Path, report: Report) -> None:
    for at, message, hint in convert_problems(value, wanted):
        report((*path, *at), message, hint)


def convert_problems(value: Any, wanted: Any) -> Iterator[tuple[Path, str, str]]:
    """Yield what msgspec has against `value` as path inside it, message and hint; at most one."""
    try:
        msgspec.convert(value, wanted, dec_hook=dec_hook)
    except msgspec.ValidationError as err:
        message = str(err)
        found = _PATH.search(message)
        at: Path = ()
        if found:
            message = message[: found.start()]
            at = tuple(int(n) if n else name for n, name in _STEP.findall(found[1]))
        choices = _choices_of(_plain(wanted))
        if choices and isinstance(value, str):
            yield at, f"{quote(value)} is none of {', '.join(choices)}", did_you_mean(value, choices)
            return
        yield at, in_words(message, value), _list_hint(value, wanted)


def in_words(message: str, value: Any) -> str:
    """Say what msgspec says of a value, without regular expressions and names of types."""
    spelled = _PATTERN.fullmatch(message)
    if spelled:
        got = f", got {quote(value)}" if isinstance(value, str) else ""
        pattern = ast.literal_eval(spelled[1])
        wanted = SPELLINGS.get(pattern, f"text matching {pattern}")
        return f"expected {wanted}{got}"
    words = _KIND.sub(lambda found: _WORDS[found[0]], message)
    return words[:1].lower() + words[1:]


def _list_hint(value: Any, wanted: Any) -> str:
    if isinstance(value, str) and _item_of(_plain(wanted)) is not None:
        return f"write it as a list: [{quote(value)}]"
    return ""


def _plain(wanted: Any) -> Any:
    """Take off what stands around a type: `Annotated` around structs and lists, and `| None`."""
    origin = typing.get_origin(wanted)
    if origin in (Union, types.UnionType):
        members = [member for member in typing.get_args(wanted) if member is not type(None)]
        return _plain(members[0]) if len(members) == 1 else wanted
    if origin is Annotated:
        inner = typing.get_args(wanted)[0]
        if isinstance(inner, type) and issubclass(inner, Struct):
            return inner
    return wanted


def _item_of(wanted: Any) -> Any:
    """Return the type of a tuple's elements, or None for what is no list."""
    if typing.get_origin(wanted) is Annotated:
        wanted = typing.get_args(wanted)[0]
    arguments = typing.get_args(wanted)
    if typing.get_origin(wanted) in (tuple, frozenset, list) and arguments:
        return arguments[0]
    return None


def _choices_of(wanted: Any) -> tuple[str, ...]:
    if typing.get_origin(wanted) is Annotated:
        wanted = typing.get_args(wanted)[0]
    if typing.get_origin(wanted) is typing.Literal:
        return tuple(str(choice) for choice in typing.get_args(wanted))
    if isinstance(wanted, type) and issubclass(wanted, StrEnum):
        return tuple(member.value for member in wanted)
    return ()


def _kind(value: Any) -> str:
    return _WORDS.get(
        {dict: "`object`", list: "`array`", str: "`str`", int: "`int`", float: "`float`", bool: "`bool`"}.get(
            type(value), ""
        ),
        f"a {type(value).__name__}",
    )
