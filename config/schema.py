"""The JSON Schema of `tenken.toml`, made from the structs that read it.

msgspec's own generator cannot write defaults of types it does not know, such as `Duration`, so
this one goes over `msgspec.inspect` itself; the meaning under a field becomes its description.
"""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec import inspect as shapes

from config.check_settings import DECIDED
from config.codec import enc_hook, schema_hook
from config.model import Config

_NUMBER = {
    "gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum",
    "multiple_of": "multipleOf",
}  # fmt: skip
_TEXT = {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"}
_LIST = {"min_length": "minItems", "max_length": "maxItems"}


def schema(safeguard_options: Mapping[str, type[Struct]]) -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12) for the safeguards that are given with their settings.

    It says what an editor can check: keys, types, ranges, the safeguards that exist and all of
    their settings. What depends on other values, such as a setting of a safeguard that the promise
    does not name, only `config.load` checks.
    """
    root = table_of(Config)
    promise = root["properties"]["promise"]["items"]["properties"]
    promise["proves"]["items"] = {"enum": sorted(safeguard_options)}
    decided = {name: promise.pop(name) for name in DECIDED}
    promise["set"] = {
        "type": "object",
        "description": "the numbers the words were turned into, and who decided them",
        "properties": _settings(safeguard_options) | decided,
        "additionalProperties": False,
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "title": "tenken.toml"}


def table_of(struct: type[Struct]) -> dict[str, Any]:
    """Return the schema of one struct, nothing referred to elsewhere."""
    info = shapes.type_info(struct)
    if not isinstance(info, shapes.StructType):
        message = f"{struct.__name__} is no struct"
        raise TypeError(message)
    return _table(info)


def _settings(safeguard_options: Mapping[str, type[Struct]]) -> dict[str, Any]:
    """Return the settings of every safeguard; each description says whose it is."""
    known: dict[str, list[dict[str, Any]]] = {}
    for safeguard, options in sorted(safeguard_options.items()):
        for key, about in table_of(options)["properties"].items():
            meaning = f"{safeguard}: {about.get('description', key)}"
            known.setdefault(key, []).append({**about, "description": meaning})
    return {key: each[0] if len(each) == 1 else {"anyOf": each} for key, each in sorted(known.items())}


def _table(info: shapes.StructType) -> dict[str, Any]:
    meanings = _meanings(info.cls)
    properties: dict[str, Any] = {}
    for field in info.fields:
        about = _value(field.type)
        meaning = meanings.get(field.name)
        if meaning:
            about["description"] = meaning
        if field.default is not NODEFAULT and field.default is not None:
            about["default"] = msgspec.to_builtins(field.default, enc_hook=enc_hook)
        properties[field.encode_name] = about
    found: dict[str, Any] = {"type": "object", "properties": properties}
    purpose = (info.cls.__doc__ or "").strip().partition("\n")[0]
    if purpose:
        found["description"] = purpose
    required = [field.encode_name for field in info.fields if field.required]
    if required:
        found["required"] = required
    found["additionalProperties"] = not info.forbid_unknown_fields
    return found


def _value(info: shapes.Type) -> dict[str, Any]:  # noqa: C901, PLR0912 (one case a type)
    match info:
        case shapes.Metadata():
            return _value(info.type) | dict(info.extra_json_schema or {})
        case shapes.StructType():
            return _table(info)
        case shapes.UnionType():
            # TOML has no null: what may be None is left away.
            members = [member for member in info.types if not isinstance(member, shapes.NoneType)]
            each = [_value(member) for member in members]
            return each[0] if len(each) == 1 else {"anyOf": each}
        case shapes.BoolType():
            return {"type": "boolean"}
        case shapes.IntType():
            return {"type": "integer", **_limits(info, _NUMBER)}
        case shapes.StrType():
            return {"type": "string", **_limits(info, _TEXT)}
        case shapes.DateType():
            return {"type": "string", "format": "date"}
        case shapes.EnumType():
            return {"enum": [member.value for member in info.cls]}
        case shapes.LiteralType():
            return {"enum": list(info.values)}
        case shapes.VarTupleType() | shapes.FrozenSetType():
            return {"type": "array", "items": _value(info.item_type), **_limits(info, _LIST)}
        case shapes.DictType():
            return {"type": "object", "additionalProperties": _value(info.value_type)}
        case shapes.CustomType():
            return schema_hook(info.cls)
        case shapes.AnyType():
            return {}
    message = f"no schema for {type(info).__name__}"
    raise NotImplementedError(message)


def _limits(info: shapes.Type, names: Mapping[str, str]) -> dict[str, Any]:
    limits = {ours: getattr(info, name) for name, ours in names.items()}
    return {name: limit for name, limit in limits.items() if limit is not None}


@cache
def _meanings(struct: type) -> dict[str, str]:
    """Return the sentence that stands under each field."""
    body = ast.parse(textwrap.dedent(inspect.getsource(struct))).body[0]
    found: dict[str, str] = {}
    if isinstance(body, ast.ClassDef):
        for field, below in zip(body.body, body.body[1:], strict=False):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(words))),
                ):
                    found[name] = " ".join(words.split())
    return found
