"""Standard output: columns under each other, JSON for programs, and nothing that moves the cursor."""

import json

import pytest

from agent.output import print_json, print_table


def test_columns_stand_under_each_other_also_in_japanese(capsys: pytest.CaptureFixture[str]):
    """Wide characters take two columns of a terminal."""
    print_table(("name", "x"), [("退職\uff01", "1"), ("abc", "2"), ("ﾊﾝｶｸ", "3")])
    assert capsys.readouterr().out == "name    x\n退職\uff01  1\nabc     2\nﾊﾝｶｸ    3\n"


def test_a_table_without_rows_is_its_header(capsys: pytest.CaptureFixture[str]):
    print_table(("name", "x"), [])
    assert capsys.readouterr().out == "name  x\n"


def test_no_cell_can_move_the_cursor_or_add_a_line(capsys: pytest.CaptureFixture[str]):
    print_table(("name",), [("\x1b[2Ja\nb\u202ec",), ("x" * 5_000,)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "⟨U+001B⟩[2Ja⟨U+000A⟩b⟨U+202E⟩c"
    assert len(lines) == 3
    assert len(lines[2]) < 300


def test_what_is_no_terminal_gets_no_colour(capsys: pytest.CaptureFixture[str]):
    print_table(("name",), [])
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_a_terminal_gets_colour_unless_somebody_said_no(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environment: dict[str, str],
    coloured: bool,  # noqa: FBT001 (a column of the table)
):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table(("name",), [])
    assert ("\x1b[1mname" in capsys.readouterr().out) is coloured


def test_json_keeps_japanese_and_spells_what_hides(capsys: pytest.CaptureFixture[str]):
    value = {"b": "退職者", "a": ["\x1b[2J", "\u202e\u009b", "\u2028", "\U000e0041", "\ud800", "a\nb"]}
    print_json(value)
    out = capsys.readouterr().out
    assert json.loads(out) == value
    assert "退職者" in out
    assert out.index('"a"') < out.index('"b"')
    assert out.isprintable() is False  # the line ends of the indentation
    assert all(char == "\n" or char.isprintable() for char in out)
