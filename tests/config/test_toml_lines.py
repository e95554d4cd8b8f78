"""Each key of a TOML file is found on the line on which it stands."""

import contextlib
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.toml_lines import DEEPEST, TomlLines

Path = tuple[str | int, ...]

KEYS = st.one_of(
    st.sampled_from(["a", "b", "host", "set", "id", "1", "2026-01-01", "true"]),
    st.text(
        st.characters(min_codepoint=32, max_codepoint=0x3042, exclude_categories=["Cc", "Cs"]), max_size=5
    ),
)
SCALARS = st.one_of(
    st.integers(-9, 9).map(str),
    st.sampled_from(
        [
            "true",
            "1979-05-27 07:32:00Z",
            "1979-05-27",
            "07:32:00",
            "+1_0.5e-3",
            "0xBEEF",
            "-inf",
            '"x # y ] } , = [z]"',
            '"\\" \\\\"',
            "'\\'",
            "''",
            '"""\nb = 1\n[host]\n"""',
            '"""two "" and the end""""',
            '"""\\""""""',
            "'''\n[[host]] '' \\\n'''",
            "'''end'''''",
        ]
    ),
)
GAPS = st.sampled_from(["", " ", "\t", "\n", ' # ] } " \' """ comment\n', "\r\n"])
BLANKS = st.sampled_from(["", " ", "\t"])


def spelled(key: str) -> str:
    """Return a key as the generator writes it: bare only when TOML allows it."""
    bare = key and all(sign.isascii() and (sign.isalnum() or sign in "_-") for sign in key)
    return key if bare else '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def dotted(draw: st.DrawFn) -> str:
    return (draw(BLANKS) + "." + draw(BLANKS)).join(
        spelled(key) for key in draw(st.lists(KEYS, min_size=1, max_size=3))
    )


def inline_tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.builds(lambda key, value, gap: f"{gap}{key} ={gap}{value}{gap}", dotted(), values, BLANKS)
    return st.lists(pairs, max_size=3).map(lambda found: "{" + ",".join(found) + "}")


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    elements = st.builds(lambda gap, value, after: gap + value + after, GAPS, values, GAPS)
    joined = st.lists(elements, max_size=3).map(",".join)
    return st.builds(lambda body, end: f"[{body}{end}]", joined, GAPS)


VALUES = st.recursive(SCALARS, lambda inner: inline_tables(inner) | arrays(inner), max_leaves=6)
STATEMENTS = st.one_of(
    st.builds(lambda key, value: f"{key} = {value}", dotted(), VALUES),
    dotted().map(lambda key: f"[{key}]"),
    dotted().map(lambda key: f"[[ {key} ]]"),
    st.sampled_from(["", "# a = 1", "[[host]]", "[host.set]", "[[host.set]]"]),
)
FILES = st.lists(
    st.builds(lambda line, end: line + end, STATEMENTS, st.sampled_from(["\n", " # b\n", "\r\n"]))
)


def paths_of(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            yield from paths_of(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from paths_of(inner, (*path, place))


@settings(max_examples=400, deadline=None)
@given(FILES)
def test_every_key_that_tomllib_finds_stands_on_its_line(statements: list[str]) -> None:
    """What is in the file, tomllib says; only the line is ours."""
    text = ""
    for statement in statements:
        # A statement that contradicts those before it is left out, so that the file grows.
        with contextlib.suppress(tomllib.TOMLDecodeError):
            tomllib.loads(text + statement)
            text += statement
    index = TomlLines(text)
    lines = text.split("\n")
    for path in paths_of(tomllib.loads(text)):
        assert path in index.lines, path
        assert spelled(str(path[-1])) in lines[index.lines[path] - 1], path


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("promise",), 3),
        (("promise", 0), 3),
        (("promise", 1), 9),
        (("promise", 1, "set"), 12),
        (("promise", 1, "set", "disable_within"), 13),
        (("promise", 0, "text"), 4),
        (("promise", 0, "proves", 1), 7),
        (("promise", 1, "source", "section"), 10),
        (("promise", 1, "missing", "deeper"), 9),
        (("site", "odd key"), 1),
        (("nowhere",), 1),
    ],
)
def test_a_place_in_a_register_has_the_line_an_editor_shows(path: Path, line: int) -> None:
    text = (
        'site."odd key" = 1\n'
        "\n"
        "[[promise]]\n"
        'text = """a\n[x]"""\n'
        "proves = ['a',\n"
        "  'b']\n"
        "\n"
        "[[promise]]\n"
        "source = { document = '#', section = '6' }\n"
        "\n"
        "[promise.set]\n"
        "disable_within = '24h'\n"
    )
    assert TomlLines(text).of(path) == line


def test_a_key_of_very_many_dots_stays_cheap_and_keeps_its_nearest_line() -> None:
    key = ".".join(["a"] * 2_000)
    index = TomlLines(f"\n{key} = 1\n")
    assert index.of(("a",) * 2_000) == 2
    assert max(map(len, index.lines)) == DEEPEST
