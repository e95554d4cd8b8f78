"""Words of a finding as a template and its values, so that a report can show them in any language."""

from msgspec import Struct

Value = str | int


class Text(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An English template with `{name}` places; the template is also the key of translations."""

    id: str
    args: dict[str, Value] = {}

    def english(self) -> str:
        """The sentence in English."""
        return fill(self.id, self.args)


def say(template: str, **args: Value) -> Text:
    """Build a text; raises KeyError at once when a place has no value."""
    text = Text(id=template, args=args)
    text.english()
    return text


def fill(template: str, args: dict[str, Value]) -> str:
    """Put values into `{name}` places.

    Values come from hosts: they are inserted as they are and never read as a template again.
    """
    pieces: list[str] = []
    rest = template
    while rest:
        before, brace, after = rest.partition("{")
        pieces.append(before)
        if not brace:
            break
        name, closing, rest = after.partition("}")
        if not closing:
            message = f"unclosed place in {template!r}"
            raise KeyError(message)
        pieces.append(str(args[name]))
    return "".join(pieces)
