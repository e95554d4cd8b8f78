"""A probe's answer is taken apart without ever gaining from what is missing."""

from hypothesis import given
from hypothesis import strategies as st

from collectors.evidence import SectionState
from collectors.framing import parse_stream

B = "0123456789abcdef" * 2
CAPS = {"one": 100, "two": 100}


def section(name: str, body: bytes, *, rc: int = 0, said: int | None = None) -> bytes:
    count = len(body) if said is None else said
    mark = b"\n@" + B.encode()
    return (
        mark + f" begin s={name} t=10.00\n".encode() + body + mark
        + f" end s={name} t=10.05 rc={rc} n={count}\n".encode()
    )  # fmt: skip


def stream(*sections: bytes) -> bytes:
    mark = b"\n@" + B.encode()
    return (
        mark + b" hello v=1 uid=1000 epoch=1764000000\n" + b"".join(sections)
        + mark + f" done n={len(sections)} t=11.00\n".encode()
    )  # fmt: skip


def part(name: bytes, body: bytes, state: bytes = b"read") -> bytes:
    return b"\n@" + B.encode() + b" part s=" + state + b" f=" + name + b"\n" + body


WHOLE = stream(
    section("one", b"plain\n"),
    section("two", part(b"/etc/a", b"x\n") + part(b"/etc/b", b"", b"denied")),
)


def test_a_whole_answer_is_whole():
    parsed = parse_stream(WHOLE, B, CAPS)
    assert parsed.hello
    assert parsed.done
    assert parsed.uid == 1000
    one, two = parsed.sections
    assert (one.state, one.exit, one.ms) == (SectionState.ENDED, 0, 50)
    assert one.parts[0].raw == b"plain\n"
    assert [(each.name, each.state, each.raw) for each in two.parts] == [
        ("/etc/a", "read", b"x\n"),
        ("/etc/b", "denied", b""),
    ]


def test_bytes_survive_exactly():
    """NUL, ESC, 0xFF and a missing final newline are kept as they came."""
    body = b"\x00\x1b[31m\xff no newline"
    parsed = parse_stream(stream(section("one", body)), B, CAPS)
    assert parsed.sections[0].parts[0].raw == body
    assert parsed.sections[0].parts[0].encoding == "base64"


def test_noise_before_the_first_frame_is_counted_and_ignored():
    parsed = parse_stream(b"Welcome!\nlast login: never" + WHOLE, B, CAPS)
    assert parsed.done
    assert parsed.noise_bytes == 26


def test_an_old_boundary_in_a_file_name_is_no_frame():
    old = b"\n@" + b"f" * 32 + b" end s=one t=1.00 rc=0 n=0\n"
    parsed = parse_stream(stream(section("one", old)), B, CAPS)
    assert parsed.sections[0].parts[0].raw == old


def test_a_count_that_differs_is_a_cut():
    parsed = parse_stream(stream(section("one", b"abc", said=4)), B, CAPS)
    assert parsed.sections[0].state is SectionState.CUT
    assert parsed.sections[0].exit is None


def test_more_than_the_cap_is_truncated():
    parsed = parse_stream(stream(section("one", b"x" * 101)), B, CAPS)
    assert parsed.sections[0].truncated
    assert parsed.sections[0].parts[0].size == 100


def test_a_section_sent_twice_is_believed_in_neither_form():
    parsed = parse_stream(stream(section("one", b"a"), section("one", b"b")), B, CAPS)
    assert [each.state for each in parsed.sections] == [SectionState.CUT]
    assert not parsed.done


def test_a_section_nobody_asked_for_is_noted():
    parsed = parse_stream(stream(section("other", b"a")), B, CAPS)
    assert parsed.sections == ()
    assert "other" in parsed.notes[0]


def test_frames_before_hello_are_noise():
    parsed = parse_stream(section("one", b"a"), B, CAPS)
    assert not parsed.hello
    assert parsed.sections == ()


@given(st.binary(max_size=400))
def test_any_bytes_are_taken_apart_without_an_exception(raw: bytes):
    parsed = parse_stream(raw, B, CAPS)
    assert not parsed.done


@given(st.data())
def test_a_stream_that_lost_bytes_never_shows_other_whole_sections(data: st.DataObject):
    """Cut or delete any run of bytes: each section that still counts as whole is unchanged."""
    begin = data.draw(st.integers(0, len(WHOLE) - 1))
    end = data.draw(st.integers(begin + 1, len(WHOLE)))
    whole = {each.name: each for each in parse_stream(WHOLE, B, CAPS).sections}
    for each in parse_stream(WHOLE[:begin] + WHOLE[end:], B, CAPS).sections:
        if each.state is SectionState.ENDED:
            kept = whole[each.name]
            assert [p.raw for p in each.parts] == [p.raw for p in kept.parts]
            assert [p.state for p in each.parts] == [p.state for p in kept.parts]


def test_a_part_whose_name_is_longer_than_is_read_cuts_its_section():
    """A frame that is passed over must not leave a section that looks whole without it."""
    long = section("two", part(b"/" + b"x" * 5_000, b"bad\n") + part(b"/etc/b", b"good\n"))
    parsed = parse_stream(stream(section("one", b"a"), long), B, {"one": 100, "two": 20_000})
    one, two = parsed.sections
    assert one.state is SectionState.ENDED
    assert two.state is SectionState.CUT
