"""Words of a finding: a template and its values, which are never read as a template again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.text import Text, fill, say


def test_values_stand_in_their_places():
    assert say("{count} of {name}", count=3, name="x").english() == "3 of x"


def test_a_text_keeps_template_and_values_apart():
    """The template is the key of its translation."""
    assert say("{name} is open", name="tanaka") == Text(id="{name} is open", args={"name": "tanaka"})


@pytest.mark.parametrize("template", ["{missing}", "{}", "{open", "{name} {missing}"])
def test_a_place_without_a_value_is_refused_at_once(template: str):
    with pytest.raises(KeyError):
        say(template, name="x")


@given(st.text())
def test_a_value_is_inserted_as_it_is(value: str):
    assert fill("<{v}|{v}>", {"v": value, "other": "leaked"}) == f"<{value}|{value}>"


@pytest.mark.parametrize("value", ["{other}", "{v}", "{", "}", "{v.__class__}", "%s", "{0}"])
def test_a_value_is_never_a_template(value: str):
    assert say("{v}", v=value, other="leaked").english() == value
