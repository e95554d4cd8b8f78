r"""Take a probe's answer apart: `\n@BOUNDARY verb k=v` lines with raw bytes between.

The boundary is 128 random bits, made for one host in one run, so no file of the host can hold it.
A section is whole only when its end line came and names the number of bytes that arrived.
"""

import re
from datetime import UTC, datetime

from msgspec import Struct

from collectors.evidence import Part, Section, SectionState, printable

HEADER_LIMIT = 4_096
"""longest header line that is read; a path may take all of PATH_MAX"""
MAX_FRAMES = 20_000
"""frames beyond this are not read: the answer counts as cut"""


class Parsed(Struct, frozen=True, kw_only=True):
    """A probe's answer, taken apart."""

    hello: bool
    uid: int | None
    epoch: datetime | None
    """the host's clock at its hello"""
    done: bool
    noise_bytes: int
    sections: tuple[Section, ...]
    notes: tuple[str, ...]
    copy: str = ""
    """which installed copy said hello; nothing for a script that was sent"""


class _Frame(Struct, frozen=True, kw_only=True):
    verb: str
    words: dict[str, str]
    header: str
    payload: bytes
    start: int
    """offset of the newline before the frame"""
    body: int
    """offset of the first byte after the header line"""


def parse_stream(stream: bytes, boundary: str, caps: dict[str, int]) -> Parsed:
    """Split `stream` into sections; `caps` gives the most bytes of each expected section.

    Never raises, whatever the bytes: what is missing or odd ends as a cut section or a note.
    """
    frames, overflow = _frames(stream, boundary)
    notes: list[str] = ["more frames than are read"] if overflow else []
    sections: dict[str, Section] = {}
    hello = next((frame for frame in frames if frame.verb == "hello"), None)
    done = False
    index = frames.index(hello) + 1 if hello else len(frames)
    while index < len(frames):
        frame = frames[index]
        index += 1
        match frame.verb:
            case "begin":
                first = index
                while index < len(frames) and frames[index].verb == "part":
                    index += 1
                end = frames[index] if index < len(frames) and frames[index].verb == "end" else None
                index += end is not None
                section = _section(frame, frames[first : index - (end is not None)], end, caps)
                _keep(section, caps, sections, notes)
            case "done":
                done = frame.words.get("n", "") == str(len(sections))
                if not done:
                    notes.append("the number of sections differs from what the host counted")
            case verb:
                notes.append(f"frame out of place: {_word(verb)}")
    return Parsed(
        hello=hello is not None,
        uid=_number(hello.words.get("uid", "")) if hello else None,
        epoch=_epoch(hello.words.get("epoch", "")) if hello else None,
        done=done and not overflow,
        noise_bytes=hello.start if hello else len(stream),
        sections=tuple(sections.values()),
        notes=tuple(notes[:50]),
        copy=hello.words.get("copy", "") if hello else "",
    )


def _frames(stream: bytes, boundary: str) -> tuple[list[_Frame], bool]:
    mark = b"\n@" + boundary.encode("ascii") + b" "
    starts: list[int] = []
    at = stream.find(mark)
    # The first frame may open the stream, without a newline before it.
    if stream.startswith(mark[1:]):
        starts.append(-1)
    while at >= 0 and len(starts) <= MAX_FRAMES:
        starts.append(at)
        at = stream.find(mark, at + 1)
    overflow = len(starts) > MAX_FRAMES
    frames: list[_Frame] = []
    for number, start in enumerate(starts[:MAX_FRAMES]):
        stop = starts[number + 1] if number + 1 < len(starts) else len(stream)
        head = start + len(mark)
        line_end = stream.find(b"\n", head, min(stop + 1, head + HEADER_LIMIT))
        if line_end < 0:
            # Cut short or longer than is read: it must not vanish, or its section would look whole.
            frames.append(_Frame(verb="", words={}, header="", payload=b"", start=max(start, 0), body=stop))
            continue
        header = stream[head:line_end]
        verb, _, rest = header.partition(b" ")
        frames.append(
            _Frame(
                verb=printable(verb, limit=16),
                words=_words(rest),
                header=printable(rest, limit=HEADER_LIMIT),
                payload=stream[line_end + 1 : stop],
                start=max(start, 0),
                body=line_end + 1,
            )
        )
    return frames, overflow


def _words(rest: bytes) -> dict[str, str]:
    """Read `k=v` words; `f=` takes the rest of the line, since a name may hold blanks."""
    words: dict[str, str] = {}
    before, found, name = (b" " + rest).partition(b" f=")
    for word in before.split(b" "):
        key, equals, value = word.partition(b"=")
        if equals:
            words[printable(key, limit=16)] = printable(value, limit=64)
    if found:
        words["f"] = printable(name, limit=HEADER_LIMIT)
    return words


def _section(begin: _Frame, parts: list[_Frame], end: _Frame | None, caps: dict[str, int]) -> Section:
    name = begin.words.get("s", "")
    cap = caps.get(name, 0)
    size = (end.start if end else (parts[-1] if parts else begin).body) - begin.body
    if end is None:
        size += len((parts[-1] if parts else begin).payload)
    said = end.words if end else {}
    count = _number(said.get("n", ""))
    status = _number(said.get("rc", ""))
    same = end is not None and said.get("s") == name
    whole = same and count == size and status is not None
    truncated = same and count is not None and count > cap
    kept: list[Part] = []
    left = cap
    for frame in ([begin] if begin.payload else []) + parts:
        payload = frame.payload[: max(left, 0)]
        left -= len(frame.payload)
        label = "" if frame is begin else frame.words.get("f", "")
        state = "read" if frame is begin else frame.words.get("s", "")
        kept.append(Part.of(label, state, payload))
    return Section(
        name=name,
        state=SectionState.ENDED if whole else SectionState.CUT,
        exit=status if whole else None,
        ms=_elapsed(begin.words.get("t", ""), said.get("t", "")),
        truncated=truncated,
        stderr=printable(end.payload.strip(b"\n"), limit=1_400) if end else "",
        parts=tuple(kept),
    )


def _keep(section: Section, caps: dict[str, int], sections: dict[str, Section], notes: list[str]) -> None:
    if section.name not in caps:
        notes.append(f"section nobody asked for: {_word(section.name)}")
    elif section.name in sections:
        # Two answers to one question: neither can be believed.
        sections[section.name] = Section(name=section.name, state=SectionState.CUT)
        notes.append(f"section sent twice: {section.name}")
    else:
        sections[section.name] = section


def _word(text: str) -> str:
    return text[:40]


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None


def _epoch(text: str) -> datetime | None:
    seconds = _number(text)
    if seconds is None or seconds > 4_102_444_800:  # noqa: PLR2004 (the year 2100)
        return None
    return datetime.fromtimestamp(seconds, tz=UTC)


def _elapsed(begin: str, end: str) -> int:
    """Milliseconds between two readings of /proc/uptime (seconds with two decimals)."""
    shape = r"[0-9]{1,12}\.[0-9]{2}"
    if not (re.fullmatch(shape, begin) and re.fullmatch(shape, end)):
        return 0
    return max(int(end.replace(".", "")) - int(begin.replace(".", "")), 0) * 10
