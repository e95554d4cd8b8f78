"""Canonical JSON: one value, one spelling (RFC 8785 without floats, with ASCII keys).

Allowed are objects with ASCII keys, lists, strings, integers within 2^53-1, booleans and null, at most
32 levels deep. Within those limits `json.dumps` with sorted keys and no white space is RFC 8785.
"""

import json
from collections.abc import Iterator
from typing import Any

from config.errors import FormatError

MOST_DEPTH = 32
"""objects and lists inside each other"""
MOST_INTEGER = 2**53 - 1
"""the largest integer every JSON reader keeps exact (RFC 7493 section 2.2)"""


def encode(value: object) -> bytes:
    """Write `value` in its one spelling; raises FormatError for anything outside the subset."""
    for item, depth in _walk(value):
        _check(item, depth)
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as err:
        message = "a string holds half of a surrogate pair"
        raise FormatError(message) from err


def decode(raw: bytes) -> Any:
    """Read bytes that `encode` could have written; raises FormatError for every other spelling."""
    value = decode_readable(raw)
    if encode(value) != raw:
        message = "JSON is not in canonical form"
        raise FormatError(message)
    return value


def decode_readable(raw: bytes) -> Any:
    """Read JSON in any layout, for files that people write; a key twice or a float is an error still."""
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_refuse,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError) as err:
        message = f"not JSON of the allowed kind: {_why(err)}"
        raise FormatError(message) from err
    for item, depth in _walk(value):
        _check(item, depth)
    return value


def _why(err: Exception) -> str:
    # The words of json's own errors hold no content, only position; UnicodeDecodeError would print bytes.
    if isinstance(err, json.JSONDecodeError):
        return f"{err.msg} at byte {err.pos}"
    return "nested too deep" if isinstance(err, RecursionError) else type(err).__name__


def _walk(value: object) -> Iterator[tuple[object, int]]:
    """Yield every value with its depth, without recursion: the input may be hostile."""
    pending = [(value, 0)]
    while pending:
        item, depth = pending.pop()
        yield item, depth
        if isinstance(item, dict):
            pending.extend((inner, depth + 1) for inner in item.values())
        elif isinstance(item, (list, tuple)):
            pending.extend((inner, depth + 1) for inner in item)


def _check(item: object, depth: int) -> None:
    message = ""
    if depth >= MOST_DEPTH and isinstance(item, (dict, list, tuple)):
        message = f"nested deeper than {MOST_DEPTH}"
    elif isinstance(item, dict):
        if not all(isinstance(key, str) and key.isascii() for key in item):
            message = "a key is not ASCII text"
    elif item is None or isinstance(item, (bool, str, list, tuple)):
        pass
    elif isinstance(item, int):
        if not -MOST_INTEGER <= item <= MOST_INTEGER:
            message = "an integer is beyond 2^53-1"
    else:
        message = f"{type(item).__name__} has no place in signed JSON"
    if message:
        raise FormatError(message)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        message = "a key stands twice"
        raise ValueError(message)
    return found


def _integer(digits: str) -> int:
    if len(digits) > len(str(-MOST_INTEGER)):
        message = "an integer is beyond 2^53-1"
        raise ValueError(message)
    return int(digits)


def _refuse(spelling: str) -> Any:
    message = f"a number that is no integer, {len(spelling)} characters long"
    raise ValueError(message)
