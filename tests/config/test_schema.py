"""The published schema says what the loader reads."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from config.codec import dec_hook
from config.duration import PATTERN, Duration
from config.load import ConfigErrors, load
from config.model import Config
from config.schema import schema, table_of


class One(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    most: Annotated[int, Meta(ge=1, lt=10, description="most of them")] = 3
    max_age: Annotated[Duration, Meta(description="oldest")] = Duration("90d")


class Two(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    max_age: Duration = Duration("7d")
    result: Literal["fail", "warn"] = "fail"
    judged_from: date | None = None
    """the first day that counts"""


OPTIONS: dict[str, type[Struct]] = {"safeguard-two": Two, "safeguard-one": One}


def settings() -> dict[str, Any]:
    properties: dict[str, Any] = schema(OPTIONS)["properties"]["promise"]["items"]["properties"]["set"]
    return properties


def test_settings_carry_their_safeguard_meaning_range_and_default() -> None:
    assert settings()["properties"] == {
        "most": {
            "type": "integer",
            "minimum": 1,
            "exclusiveMaximum": 10,
            "default": 3,
            "description": "safeguard-one: most of them",
        },
        "max_age": {
            "anyOf": [
                {
                    "type": "string",
                    "pattern": PATTERN,
                    "examples": ["24h", "90d"],
                    "default": default,
                    "description": description,
                }
                for default, description in (
                    ("90d", "safeguard-one: oldest"),
                    ("7d", "safeguard-two: max_age"),
                )
            ]
        },
        "result": {"enum": ["fail", "warn"], "default": "fail", "description": "safeguard-two: result"},
        "judged_from": {
            "type": "string",
            "format": "date",
            "description": "safeguard-two: the first day that counts",
        },
        "decided_by": {
            "type": "string",
            "default": "",
            "description": "who turned the words into numbers; written under `[promise.set]`",
        },
        "decided_on": {"type": "string", "format": "date"},
    }
    assert settings()["additionalProperties"] is False


def test_a_promise_can_only_name_safeguards_that_are_installed() -> None:
    promise = schema(OPTIONS)["properties"]["promise"]["items"]
    assert promise["properties"]["proves"]["items"] == {"enum": ["safeguard-one", "safeguard-two"]}
    assert promise["required"] == ["id", "text", "source", "proves"]
    assert "decided_by" not in promise["properties"]


def tables(found: dict[str, Any], struct: Any) -> list[tuple[dict[str, Any], Any]]:
    """Pair each table of the schema with the struct that reads it, `[promise.set]` aside."""
    pairs = [(found, struct)]
    for field in msgspec.structs.fields(struct):
        below = found["properties"].get(field.encode_name, {})
        below = below.get("items", below)
        for kind in (field.type, *getattr(field.type, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, Struct):
                pairs += tables(below, kind)
    return pairs


def test_every_table_has_the_keys_that_the_loader_reads_and_no_others() -> None:
    pairs = tables(table_of(Config), Config)
    assert len(pairs) > 10
    for found, struct in pairs:
        fields = msgspec.structs.fields(struct)
        assert list(found["properties"]) == [field.encode_name for field in fields]
        assert found.get("required", []) == [field.encode_name for field in fields if field.required]
        assert found["additionalProperties"] is False


def test_every_default_is_one_that_the_loader_would_take() -> None:
    """A default in the schema that the loader refuses would mislead whoever copies it."""
    found = table_of(Config)
    defaults = {name: below["default"] for name, below in found["properties"].items() if "default" in below}
    site = {"id": "a", "name": "A"}
    assert defaults["ssh"]["host_timeout"] == "2m"
    assert msgspec.convert({"site": site, **defaults}, Config, dec_hook=dec_hook) == msgspec.convert(
        {"site": site}, Config, dec_hook=dec_hook
    )


def test_a_key_outside_of_the_schema_is_refused_by_the_loader_too(tmp_path: Path) -> None:
    (tmp_path / "tenken.toml").write_text("[site]\nid = 'a'\nname = 'A'\nx = 1\n", encoding="utf-8")
    assert "x" not in schema(OPTIONS)["properties"]["site"]["properties"]
    with pytest.raises(ConfigErrors, match="x: unknown key"):
        load(tmp_path / "tenken.toml", options=OPTIONS)


def test_the_schema_is_json_and_always_the_same() -> None:
    first = msgspec.json.encode(schema(OPTIONS))
    assert first == msgspec.json.encode(schema(dict(reversed(OPTIONS.items()))))
