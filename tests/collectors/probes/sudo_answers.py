"""Answers of the sudo section, made by hand."""

from collectors.evidence import Part, Section, SectionState
from collectors.probes.sudo import PROBE, SudoFacts


def answer_of(text: str = "", **more: tuple[str, str]) -> Section:
    """The whole section: one sudoers file with this text, and other parts as given."""
    parts = {
        "host": ("read", "web1\n"),
        "tools": ("read", "sudo\n"),
        "sources": ("read", ""),
        "roots": ("read", "f /etc/sudoers\n"),
        "f /etc/sudoers": ("read", f"0 0 440 {len(text)}\n{text}"),
        **more,
    }
    return Section(
        name="sudo",
        state=SectionState.ENDED,
        exit=0,
        parts=tuple(Part.of(name, state, body.encode()) for name, (state, body) in parts.items()),
    )


def rules_of(text: str = "", *, doas: str = "", mode: str = "0 0 440", **more: tuple[str, str]) -> SudoFacts:
    """Read a sudoers file, and a doas.conf."""
    parts = {"f /etc/sudoers": ("read", f"{mode} {len(text)}\n{text}")}
    if doas:
        parts["tools"] = ("read", "sudo\ndoas\n")
        parts["roots"] = ("read", "f /etc/sudoers\nf /etc/doas.conf\n")
        parts["f /etc/doas.conf"] = ("read", f"0 0 440 {len(doas)}\n{doas}")
    return PROBE.parse(answer_of(text, **{**parts, **more}))
