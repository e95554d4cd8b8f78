"""Shell text that makes log files of known stamps, for the sections of `fixed_paths`."""

import base64
import struct
from datetime import UTC, datetime, timedelta

from collectors.evidence import SectionState
from collectors.probes import logs
from collectors.probes.log_files import LogFile
from collectors.probes.logs import LogsFacts
from tests.collectors.probes.fixed_paths import Answer

NOW = datetime.now(tz=UTC).replace(microsecond=0)


def line(moment: datetime, *, style: str = "%b %e %H:%M:%S") -> str:
    return f"{moment.strftime(style)} web sshd[812]: Accepted publickey for suzuki: SECRET-TEXT"


def write(name: str, content: bytes, *, modified: datetime | None = None, mode: str = "640") -> str:
    """Return shell text that makes a file of exactly these bytes."""
    text = base64.b64encode(content).decode()
    quoted = "'" + name + "'"
    when = int((modified or NOW).timestamp())
    return f"echo {text} | base64 -d > {quoted}; chmod {mode} {quoted}; touch -d @{when} {quoted}\n"


def log(name: str, first: datetime, last: datetime, *, style: str = "%b %e %H:%M:%S") -> str:
    body = f"{line(first, style=style)}\n{line(last, style=style)}\n".encode()
    return write(name, body, modified=last)


def files(answer: Answer) -> dict[str, LogFile]:
    return {file.path: file for file in facts(answer).files}


def facts(answer: Answer) -> LogsFacts:
    assert answer.section.state is SectionState.ENDED
    assert answer.section.exit == 0
    return logs.parse(answer.section)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def wtmp(*moments: datetime) -> bytes:
    """Records of struct utmp as glibc writes them on x86-64 (384 bytes)."""
    return b"".join(
        struct.pack(
            "<hxxi32s4s32s256shhiii16s20x",
            7, 900, b"pts/0", b"ts/0", b"suzuki-SECRET", b"10.77.0.9",
            0, 0, 0, int(at.timestamp()), 0, b"SECRETADDR",
        )
        for at in moments
    )  # fmt: skip
