"""How our own scalar types travel through msgspec."""

from typing import Any

from config.duration import PATTERN, Duration


def dec_hook(wanted: type, value: Any) -> Any:
    """Build one of our scalars from its text; raises ValueError with words for the operator."""
    if wanted is Duration:
        if not isinstance(value, str):
            message = f"expected a duration like 24h or 90d, got {value!r}"
            raise ValueError(message)
        return Duration(value)
    message = f"no reader for {wanted.__name__}"
    raise NotImplementedError(message)


def enc_hook(value: Any) -> Any:
    """Write one of our scalars as its text."""
    if isinstance(value, Duration):
        return value.text
    message = f"no writer for {type(value).__name__}"
    raise NotImplementedError(message)


def schema_hook(wanted: type) -> dict[str, Any]:
    """Return the JSON Schema of one of our scalars."""
    if wanted is Duration:
        return {"type": "string", "pattern": PATTERN, "examples": ["24h", "90d"]}
    message = f"no schema for {wanted.__name__}"
    raise NotImplementedError(message)
