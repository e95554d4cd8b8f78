"""What was read, as it was read: the content of one `evidence/TARGET.json`."""

import base64
import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Literal, Self

from msgspec import Struct


class Evident(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything that is sealed into the evidence."""


class Status(StrEnum):
    """How the visit to one target ended."""

    COLLECTED = "collected"
    PARTIAL = "partial"
    """an answer came, but not the whole of it"""
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    """we or the target said no: host key, log-in, privilege"""
    EXCLUDED = "excluded"
    """declared as left out; it stays in the population"""


class Reason(StrEnum):
    """Why something is not known: the closed list."""

    # the visit
    NAME = "name"
    """the name does not resolve"""
    ROUTE = "route"
    """no route, or the network is unreachable"""
    REFUSED = "refused"
    """nothing listens on the port"""
    CONNECT_TIMEOUT = "connect_timeout"
    NO_BANNER = "no_banner"
    """connected, but no SSH server greeted"""
    PROTOCOL = "protocol"
    """the SSH handshake failed"""
    HOST_KEY_UNKNOWN = "host_key_unknown"
    HOST_KEY_CHANGED = "host_key_changed"
    HOST_KEY_REVOKED = "host_key_revoked"
    AUTH = "auth"
    """the server accepted none of our keys"""
    NO_PRIVILEGE = "no_privilege"
    """the declared way to root was refused"""
    PROBE_OUTDATED = "probe_outdated"
    """the installed copy of the probe is another release's"""
    DEADLINE = "deadline"
    """the host's own time was up"""
    TOO_MUCH_OUTPUT = "too_much_output"
    NO_ANSWER = "no_answer"
    """the remote command ended without a single frame of ours"""
    EXCLUDED = "excluded"
    INTERRUPTED = "interrupted"
    # one section of the answer
    NOT_COLLECTED = "not_collected"
    PROBE_CUT = "probe_cut"
    TRUNCATED = "truncated"
    TIMEOUT = "timeout"
    FAILED = "failed"
    """a tool answered with an exit status that is no answer"""
    NOPRIV = "nopriv"
    """only root can see it, and the audit account is not root"""
    DENIED = "denied"
    NO_TOOL = "no_tool"
    UNPARSABLE = "unparsable"
    # what the facts cannot tell
    UNSUPPORTED = "unsupported"
    """this platform is not known to the probe"""
    STALE_SOURCE = "stale_source"
    NO_SOURCE = "no_source"
    OUTSIDE_HOST = "outside_host"
    UNDETERMINED = "undetermined"
    UNMATCHED = "unmatched"
    """the roster's person has no account name"""
    LIMIT = "limit"
    CORRUPT = "corrupt"
    NO_OBSERVATION = "no_observation"
    INTERNAL = "internal"
    """a fault of ours, reported as such"""


class TargetKind(StrEnum):
    """What a target is."""

    HOST = "host"
    MAIL = "mail"
    ROSTER = "roster"


def printable(raw: bytes, *, limit: int = 4_096) -> str:
    r"""Return at most `limit` bytes as ASCII in which every other byte is spelled `\xNN`."""
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02x}"  # noqa: PLR2004 (printable ASCII)
        for byte in raw[:limit]
    )


class Part(Evident, frozen=True, kw_only=True):
    """A piece of a section: usually one file or one tool's output."""

    name: str
    state: str
    """`read`, `denied`, `absent`, or what else the probe says of it"""
    encoding: Literal["utf-8", "base64"]
    data: str
    size: int
    """in bytes"""
    sha256: str
    """of the bytes as they arrived"""

    @classmethod
    def of(cls, name: str, state: str, raw: bytes) -> Self:
        """Keep `raw` exactly; bytes that are no UTF-8 (or hold NUL) as base64, never repaired."""
        try:
            data = raw.decode("utf-8")
            encoding: Literal["utf-8", "base64"] = "base64" if "\0" in data else "utf-8"
        except UnicodeDecodeError:
            encoding = "base64"
        if encoding == "base64":
            data = base64.b64encode(raw).decode("ascii")
        return cls(
            name=name,
            state=state,
            encoding=encoding,
            data=data,
            size=len(raw),
            sha256=hashlib.sha256(raw).hexdigest(),
        )

    @property
    def raw(self) -> bytes:
        """The bytes as they arrived."""
        if self.encoding == "base64":
            return base64.b64decode(self.data, validate=True)
        return self.data.encode("utf-8")

    @property
    def text(self) -> str:
        r"""The content for parsers: undecodable bytes as `\xNN`, so no byte can vanish."""
        return self.raw.decode("utf-8", errors="backslashreplace")

    @property
    def lines(self) -> tuple[str, ...]:
        """The content's lines; only a newline ends one."""
        body = self.text
        return tuple(body.removesuffix("\n").split("\n")) if body else ()


class SectionState(StrEnum):
    """How one section of the probe ended."""

    ENDED = "ended"
    CUT = "cut"
    """no end line came, or its byte count differs: what is there is not the whole"""


class Section(Evident, frozen=True, kw_only=True):
    """What one section of the probe, or one reader of a source, answered."""

    name: str
    state: SectionState
    exit: int | None = None
    """exit status; None when cut"""
    ms: int = 0
    truncated: bool = False
    """more than the section's cap arrived; the rest was dropped"""
    stderr: str = ""
    parts: tuple[Part, ...] = ()

    def part(self, name: str) -> Part | None:
        """The part of that name, or None when the probe did not send it."""
        return next((part for part in self.parts if part.name == name), None)

    def named(self, prefix: str) -> tuple[Part, ...]:
        """All parts whose name starts with `prefix`, in the order sent."""
        return tuple(part for part in self.parts if part.name.startswith(prefix))


class HostKey(Evident, frozen=True, kw_only=True):
    """The server's key as it was checked."""

    type: str
    fingerprint: str
    """`SHA256:…`, as ssh-keygen -l prints it"""
    trusted_by: str
    """where the pin stands, without the path of this machine"""


class Clocks(Evident, frozen=True, kw_only=True):
    """Times of one visit: ours around it and the host's own inside."""

    sent: datetime
    received: datetime
    host: datetime | None = None
    """the host's clock when the probe began"""


class Visit(Evident, frozen=True, kw_only=True):
    """How a host was asked."""

    transport: str
    privilege: str
    uid: int | None = None
    """user id the probe ran under; None when it never said hello"""
    script_sha256: str = ""
    """of the probe without its boundary and parameters: the same for every host of a run"""
    host_key: HostKey | None = None
    clocks: Clocks | None = None
    noise_bytes: int = 0
    """output before the first frame, such as a log-in shell's greeting"""
    remote_exit: int | None = None
    stderr: str = ""


class TargetEvidence(Evident, frozen=True, kw_only=True):
    """Everything that was read of one target in one run."""

    v: int = 1
    run: int
    plan: str
    """SHA-256 of plan.json"""
    target: str
    kind: TargetKind
    salt: str
    """16 random bytes in base64, so that hashes of guessable content say nothing"""
    status: Status
    reason: Reason | None = None
    detail: str = ""
    """one line for the operator"""
    visit: Visit | None = None
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = ()
    """oddities of the answer: unknown sections, frames out of order"""

    def section(self, name: str) -> Section | None:
        """The section of that name, or None."""
        return next((section for section in self.sections if section.name == name), None)
