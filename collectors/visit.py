"""Visit one host: ask it once, and write down what came, or why nothing did."""

import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from collectors import installed, script
from collectors.evidence import (
    Clocks,
    Reason,
    SectionState,
    Status,
    TargetEvidence,
    TargetKind,
    Visit,
    printable,
)
from collectors.facts import Probe
from collectors.framing import Parsed, parse_stream
from collectors.script import Parameters
from collectors.transport import Answer, HostError, Transport
from config.model import Host, Privilege

SUDO = ("/usr/bin/sudo", "-n")
"""never a prompt: what needs a password is refused"""
SECTION_SLACK = 4_096
"""frames and error lines of one section, beside its cap"""
STREAM_SLACK = 256 << 10
"""what log-in scripts may print"""
STDERR_SEALED = 1_024
"""bytes of the error stream that stay in the evidence"""

_REFUSALS = frozenset(
    {
        Reason.HOST_KEY_UNKNOWN,
        Reason.HOST_KEY_CHANGED,
        Reason.HOST_KEY_REVOKED,
        Reason.AUTH,
        Reason.NO_PRIVILEGE,
    }
)


def visit(
    host: Host,
    transport: Transport,
    probes: Sequence[Probe[Any]],
    parameters: Parameters,
    *,
    run: int,
    plan: str,
    salt: str,
    boundary: str,
    now: Callable[[], datetime],
    deadline_s: float,
) -> TargetEvidence:
    """Ask a host all of `probes` within `deadline_s` seconds.

    Whatever the host does ends as evidence: COLLECTED only when the whole answer came.
    Raises ConfigError for parameters that cannot be asked, before the host is contacted.
    """
    deadline = time.monotonic() + deadline_s
    copied = host.privilege in installed.COMMANDS
    if copied:
        text, command = installed.lines(probes, parameters, boundary), installed.COMMANDS[host.privilege]
    else:
        text = script.compose(probes, parameters, boundary)
        command = script.command(SUDO if host.privilege is Privilege.SUDO else ())
    caps = {probe.name: probe.cap_bytes for probe in probes}
    asked = Visit(
        transport=transport.kind,
        privilege=host.privilege.value,
        script_sha256=installed.digest() if copied else script.digest(probes),
    )
    blank = TargetEvidence(
        run=run,
        plan=plan,
        target=host.name,
        kind=TargetKind.HOST,
        salt=salt,
        status=Status.UNREACHABLE,
        visit=asked,
    )
    try:
        answer = transport.ask(
            text,
            command=command,
            cap_bytes=sum(cap + SECTION_SLACK for cap in caps.values()) + STREAM_SLACK,
            deadline=deadline,
            now=now,
        )
    except HostError as failure:
        return replace(
            blank,
            status=Status.REFUSED if failure.reason in _REFUSALS else Status.UNREACHABLE,
            reason=failure.reason,
            detail=failure.detail,
            visit=replace(asked, host_key=failure.host_key),
        )
    parsed = parse_stream(answer.stdout, boundary, caps)
    status, reason, detail = _outcome(parsed, answer, host.privilege, tuple(caps))
    notes = parsed.notes
    if status is Status.COLLECTED and answer.ended is not None:
        notes = (*notes, f"the whole answer came, but its stream did not end: {answer.ended.value}")
    return replace(
        blank,
        status=status,
        reason=reason,
        detail=detail,
        visit=replace(
            asked,
            uid=parsed.uid,
            host_key=answer.host_key,
            clocks=Clocks(sent=answer.sent, received=answer.received, host=parsed.epoch),
            noise_bytes=parsed.noise_bytes,
            remote_exit=answer.exit,
            stderr=printable(answer.stderr, limit=STDERR_SEALED),
        ),
        # What another release's copy says may mean something else.
        sections=() if reason is Reason.PROBE_OUTDATED else parsed.sections,
        notes=notes,
    )


def not_visited(
    host: Host, *, run: int, plan: str, salt: str, reason: Reason, detail: str = ""
) -> TargetEvidence:
    """Write down a host that was not asked: excluded, interrupted, or a fault of ours."""
    return TargetEvidence(
        run=run,
        plan=plan,
        target=host.name,
        kind=TargetKind.HOST,
        salt=salt,
        status=Status.EXCLUDED if reason is Reason.EXCLUDED else Status.UNREACHABLE,
        reason=reason,
        detail=detail,
    )


def _outcome(
    parsed: Parsed, answer: Answer, privilege: Privilege, asked: Sequence[str]
) -> tuple[Status, Reason | None, str]:
    if not parsed.hello:
        return _no_hello(answer, privilege)
    if privilege in installed.COMMANDS and parsed.copy != installed.mark():
        return Status.REFUSED, Reason.PROBE_OUTDATED, "the installed copy of the probe is not this release's"
    if privilege in installed.COMMANDS and parsed.uid != 0:
        return Status.REFUSED, Reason.NO_PRIVILEGE, "the installed copy of the probe does not run as root"
    whole = {section.name for section in parsed.sections if section.state is SectionState.ENDED}
    missing = [name for name in asked if name not in whole]
    if parsed.done and not missing:
        return Status.COLLECTED, None, ""
    reason = answer.ended or Reason.PROBE_CUT
    names = f": {', '.join(missing)}" if missing else ""
    return Status.PARTIAL, reason, f"{_why(answer)}the answer is not whole{names}"


def _why(answer: Answer) -> str:
    return "the connection to the jump host broke: " if answer.ended is Reason.ROUTE else ""


def _no_hello(answer: Answer, privilege: Privilege) -> tuple[Status, Reason | None, str]:
    said = printable((answer.stderr.strip() or answer.stdout.strip()).rpartition(b"\n")[2], limit=160)
    ending = "no exit status came" if answer.exit is None else f"exit status {answer.exit}"
    words = f", it said {said!r}" if said else ", it said nothing"
    if answer.ended is not None:
        return Status.UNREACHABLE, answer.ended, f"{_why(answer)}the probe did not begin{words}"
    if privilege in installed.COMMANDS:
        return _no_copy(answer, f"({ending}){words}")
    if privilege is Privilege.SUDO and b"sudo" in answer.stderr:
        return Status.REFUSED, Reason.NO_PRIVILEGE, f"sudo was refused ({ending}){words}"
    return Status.UNREACHABLE, Reason.NO_ANSWER, f"the command ended before the probe began ({ending}){words}"


def _no_copy(answer: Answer, said: str) -> tuple[Status, Reason | None, str]:
    """Why an installed copy said no hello: it refused our words, or was never reached."""
    complaint = re.search(rb"^tenken-probe copy=([0-9a-f]{16}): ", answer.stderr, re.MULTILINE)
    if complaint is None:
        return Status.REFUSED, Reason.NO_PRIVILEGE, f"privileged probe refused {said}"
    if complaint[1].decode() != installed.mark():
        return Status.REFUSED, Reason.PROBE_OUTDATED, f"the installed copy is not this release's {said}"
    return Status.UNREACHABLE, Reason.NO_ANSWER, f"the installed copy took no parameters {said}"
