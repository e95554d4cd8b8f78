"""Public keys that log in: type, fingerprint and option names of each, never the key."""

import base64
import re
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from collectors.evidence import Part, Reason, Section
from collectors.facts import Facts, Probe, WithheldError
from collectors.probes.rows import broken, count, fields, is_login, required, rows

_FINGERPRINT = re.compile(r"[0-9]{1,6} ((?:SHA256|MD5):[A-Za-z0-9+/:=]{20,64}) ([0-9]{1,9})(?: .*)?")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_EXPIRY = re.compile(r"([0-9]{8})([0-9]{4}(?:[0-9]{2})?)?(Z?)")
_FAR_WEST = timedelta(hours=12)
"""a day without zone ends last at UTC-12"""


class PublicKey(Facts, frozen=True, kw_only=True):
    """One usable line of an authorized_keys file, sshd(8)."""

    type: str
    fingerprint: str
    """`SHA256:…`; empty when it could not be computed"""
    options: tuple[str, ...]
    """names of its options; `expiry-time` with its value, `from=none` when its patterns let in no address"""

    @property
    def vouches(self) -> bool:
        """Whether it is an authority's: not a key that logs in itself, but certificates that it signed do."""
        return "cert-authority" in self.options

    def opens(self, now: datetime) -> bool:
        """Whether sshd heeds the line at all; `command` and `restrict` limit only what it is good for.

        A certificate in place of a key matches nothing, neither itself nor its key (OpenSSH,
        auth_check_authkey_line).
        """
        is_certificate = self.type.endswith("-cert-v01@openssh.com")
        return "from=none" not in self.options and not is_certificate and not self.ended(now)

    def ended(self, now: datetime) -> bool:
        """Whether its `expiry-time` is past in every time zone the host may live in."""
        for option in self.options:
            name, _, value = option.partition("=")
            found = _EXPIRY.fullmatch(value) if name == "expiry-time" else None
            if found is None:
                continue
            clock = (found[2] or "0000").ljust(6, "0")
            try:
                end = datetime.strptime(found[1] + clock, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
                if end + (timedelta() if found[3] else _FAR_WEST) < now:
                    return True
            except (ValueError, OverflowError):
                continue
        return False


class KeyFile(Facts, frozen=True, kw_only=True):
    """One authorized_keys file that exists, or that cannot be looked at."""

    account: str
    left_behind: bool
    """the account is gone; the file stands in the home it would have had"""
    state: str
    """`read`, `denied`, `special` (no regular file) or `cut` (longer than is read)"""
    keys: tuple[PublicKey, ...]
    other_lines: int
    """lines that hold neither a key nor a comment; sshd skips them"""


class KeysFacts(Facts, frozen=True, kw_only=True):
    """All files that sshd looks into for all accounts."""

    source: str
    """where the file patterns come from: `sshd` (asked), `files`, `default` (none was readable), `no_sshd`"""
    looked_at: int
    """paths that were looked at; those not listed do not exist"""
    files: tuple[KeyFile, ...]


class _Head(Struct):
    """A file while its rows are read."""

    account: str
    state: str
    left_behind: bool
    keys: list[tuple[int, str, tuple[str, ...]]]
    other_lines: int = 0


def parse(section: Section) -> KeysFacts:
    """Read files, keys and fingerprints; raises WithheldError when passwd could not be read."""
    patterns = next((part for part in section.parts if part.name == "patterns"), None)
    if patterns is None or patterns.state not in ("sshd", "files", "default", "no_sshd"):
        raise broken(required(section, "patterns"), 1, "unknown source")
    part = required(section, "files")
    heads: list[_Head] = []
    prints: dict[int, str] = {}
    looked_at: int | None = None
    for number, line in rows(part):
        found = _FINGERPRINT.fullmatch(line)
        if found:
            prints[int(found[2])] = found[1]
        elif line.startswith("H:"):
            _, key, digest = fields(part, number, line, 3)
            prints[count(part, number, key)] = _from_digest(part, number, digest)
        elif line.startswith("N:"):
            looked_at = count(part, number, line[2:])
        elif line.startswith("F:"):
            heads.append(_head(part, number, line))
        else:
            _row(part, number, line, heads)
    if looked_at is None:
        raise WithheldError(Reason.DENIED, "passwd could not be read")
    return KeysFacts(
        source=patterns.state, looked_at=looked_at, files=tuple(_file(head, prints) for head in heads)
    )


def _from_digest(part: Part, number: int, digest: str) -> str:
    """Spell the SHA-256 of a key as ssh-keygen does."""
    if _DIGEST.fullmatch(digest) is None:
        raise broken(part, number, "no SHA-256")
    return "SHA256:" + base64.b64encode(bytes.fromhex(digest)).decode("ascii").rstrip("=")


def _head(part: Part, number: int, line: str) -> _Head:
    _, state, kind, rest = fields(part, number, line, 4)
    if state not in ("read", "denied", "special") or kind not in ("A", "L"):
        raise broken(part, number, "unknown state")
    account = rest.split(":", 1)[0]
    return _Head(account=account if is_login(account) else "?", state=state, left_behind=kind == "L", keys=[])


def _row(part: Part, number: int, line: str, heads: list[_Head]) -> None:
    verb, _, tail = line.partition(":")
    file, *rest = tail.split(":", 3)
    if not heads or count(part, number, file) != len(heads):
        raise broken(part, number, "a row of no file")
    head = heads[-1]
    match verb, rest:
        case "K", [key, kind, options]:
            head.keys.append((count(part, number, key), kind, tuple(options.split(",")) if options else ()))
        case "O", []:
            head.other_lines += 1
        case "T", []:
            head.state = "cut"
        case _:
            raise broken(part, number, "unknown row")


def _file(head: _Head, prints: dict[int, str]) -> KeyFile:
    return KeyFile(
        account=head.account,
        left_behind=head.left_behind,
        state=head.state,
        keys=tuple(
            PublicKey(type=kind, fingerprint=prints.get(key, ""), options=options)
            for key, kind, options in head.keys
        ),
        other_lines=head.other_lines,
    )


PROBE = Probe(name="keys", facts=KeysFacts, parse=parse, cap_bytes=2_097_152, order=82)
