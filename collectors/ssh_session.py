"""A log-in over SSH: keys exchanged, the host's key believed, then our own shown.

Public interfaces of paramiko only. It keeps no time itself here: the Wire under it ends every wait.
"""

import base64
import logging
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from collectors.dialer import no_banner, spelt
from collectors.evidence import HostKey, Reason, printable
from collectors.host_certificate import SUFFIX, read_certificate
from collectors.identities import Identity
from collectors.known_hosts import (
    DEFAULT_PORT,
    KEY_TYPES,
    Accepts,
    Judgement,
    KnownHosts,
    Marker,
    OfferedKey,
    PinState,
    fingerprint,
    rsa_bits,
)
from collectors.ssh_library import paramiko
from collectors.transport import HostError
from collectors.wire import Wire, WireEnd

# The library logs tracebacks of what hosts do to it; the reasons are in the evidence.
_log = logging.getLogger("paramiko")
_log.addHandler(logging.NullHandler())
_log.setLevel(logging.CRITICAL + 1)
_log.propagate = False

_RSA = ("rsa-sha2-512", "rsa-sha2-256")
"""the signatures of an `ssh-rsa` key (RFC 8332); with SHA-1 it proves nothing"""
_WEAK = {
    # As with CBC ciphers: what the OpenSSH client has not offered since 7.6.
    "macs": ("hmac-md5", "hmac-md5-96", "hmac-sha1-96"),
}
_CIPHERS = (
    # One call a packet instead of a cipher and an HMAC in Python.
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
_IGNORE, _DEBUG = 2, 4
"""messages that mean nothing, and that to ignore is allowed: RFC 4253 section 11"""
_OPEN_CONFIRMATION, _CLOSE = 91, 97
_OF_CHANNELS = range(93, 101)
"""from SSH_MSG_CHANNEL_WINDOW_ADJUST to SSH_MSG_CHANNEL_FAILURE: RFC 4254 section 9"""
FAILURES = (paramiko.SSHException, EOFError, OSError)
"""what the library raises for whatever a host does to it"""
EXIT_WAIT_S = 2.0
"""how long the exit status may come after both streams have ended"""


class Login(Struct, frozen=True, kw_only=True, eq=False):
    """Whom to be on which host, and how that host is known."""

    address: str
    port: int
    user: str
    identities: tuple[Identity, ...]
    """private keys, shown one after the other until one is accepted"""
    known_hosts: KnownHosts
    alias: str = ""
    """HostKeyAlias of ssh_config(5)"""
    accepts: Accepts = Accepts()

    @property
    def pinned_as(self) -> tuple[str, int]:
        """The name and port under which known_hosts has the host's key."""
        return (self.alias, DEFAULT_PORT) if self.alias else (spelt(self.address), self.port)


class _Packets(paramiko.packet.Packetizer):  # type: ignore[misc]  # paramiko has no types
    """The library's packets, of which none is sent to a channel that we have closed.

    The library checks that a channel is open and sends later, when another thread, its own perhaps, may have
    closed it. For that one packet sshd ends the whole connection, at a jump host that of everybody behind it.
    And there is no timer thread for the handshake: the Wire has a deadline.
    """

    def __init__(self, connection: Wire) -> None:
        super().__init__(connection)
        self._order = threading.Lock()
        self._closed: set[bytes] = set()
        """the server's numbers of channels, RFC 4254 section 5.1"""

    def send_message(self, data: Any) -> None:
        """Send a packet, unless it comes too late."""
        packet = data.asbytes()
        kind, channel = packet[0], packet[1:5]
        with self._order:
            if kind in _OF_CHANNELS:
                if channel in self._closed:
                    return
                if kind == _CLOSE:
                    self._closed.add(channel)
            super().send_message(data)

    def read_message(self) -> tuple[int, Any]:
        """Read a packet; a server gives the number of a closed channel to a new one."""
        kind, packet = super().read_message()
        if kind == _DEBUG:
            # The library would spell it out letter by letter for its log; both are refused before the keys.
            return _IGNORE, packet
        if kind == _OPEN_CONFIRMATION and self._closed:
            with self._order:
                self._closed.discard(packet.asbytes()[4:8])
        return kind, packet

    def start_handshake(self, timeout: float) -> None:
        """Start no timer."""

    def handshake_timed_out(self) -> bool:
        """Say no: the Wire ends it."""
        return False

    def complete_handshake(self) -> None:
        """Stop no timer."""


def open_session(wire: Wire, login: Login, now: datetime) -> tuple[Any, HostKey]:
    """Log in; nothing of ours is shown before the host has proved a pinned key.

    Raises HostError with any reason of a visit up to AUTH; the connection is closed then.
    """
    known, where = login.known_hosts, login.pinned_as
    # As ssh does: ask for the pinned types first, so that a host with several keys shows the pinned one.
    session = handshake(
        wire,
        known.pinned_types(*where),
        certificates=known.has_authority(*where),
        only=login.accepts.host_keys,
    )
    try:
        host_key = _checked(session, login, now)
        _log_in(session, wire, login, host_key)
    except BaseException:
        end(session)
        raise
    return session, host_key


def handshake(
    wire: Wire,
    preferred: Sequence[str],
    *,
    others: bool = True,
    certificates: bool = False,
    only: frozenset[str] = frozenset(),
) -> Any:
    """Exchange keys; the server has then proved to hold its host key, whosever that is.

    Raises HostError with NO_BANNER, PROTOCOL, DEADLINE or INTERRUPTED.
    """
    kinds = (*preferred, *(kind for kind in KEY_TYPES if others and kind not in preferred))
    session = paramiko.Transport(wire, packetizer_class=_Packets, disabled_algorithms=_WEAK)
    options = session.get_security_options()
    options.ciphers = _CIPHERS
    names = tuple(name for kind in kinds for name in (_RSA if kind == "ssh-rsa" else (kind,)))
    offers = (*(name + SUFFIX for name in names if certificates), *names)
    options.key_types = tuple(name for name in offers if not only or name in only)
    done = threading.Event()
    session.start_client(event=done)
    if not done.wait(wire.left_s()):
        wire.end(WireEnd.DEADLINE)
    elif session.is_active():
        return session
    said = session.get_exception()
    end(session)
    wire.close()
    raise failure(wire, said, "handshake") from said


def offered(session: Any) -> OfferedKey:
    """Return the key that the server proved to hold."""
    try:
        key = session.get_remote_server_key()
        blob = key.asbytes()
    except FAILURES as err:
        raise HostError(Reason.PROTOCOL, "the connection ended after the key exchange") from err
    size = int.from_bytes(blob[:4], "big")
    return OfferedKey(
        key_type=printable(blob[4 : 4 + size], limit=64),
        base64=base64.b64encode(blob).decode("ascii"),
        fingerprint=fingerprint(blob),
        certificate=key.public_blob.key_blob if key.public_blob else b"",
    )


def _checked(session: Any, login: Login, now: datetime) -> HostKey:
    shows = offered(session)
    verdict = _judged(shows, login, now)
    shown = f"{shows.key_type} {shows.fingerprint}"
    why = f" ({verdict.why})" if verdict.why else ""
    match verdict.state:
        case PinState.KNOWN if verdict.pin:
            return HostKey(type=shows.key_type, fingerprint=shows.fingerprint, trusted_by=verdict.pin.where)
        case PinState.CHANGED if verdict.pin:
            detail = (
                f"the host shows {shown}{why}, but {verdict.pin.where} pins "
                f"{verdict.pin.key_type} {verdict.pin.fingerprint}"
            )
            raise HostError(Reason.HOST_KEY_CHANGED, detail)
        case PinState.REVOKED if verdict.pin:
            detail = f"the host shows {shown}, revoked by {verdict.pin.where}"
            raise HostError(Reason.HOST_KEY_REVOKED, detail)
        case _:
            detail = f"the host shows {shown}{why}, and no key of it is pinned"
            raise HostError(Reason.HOST_KEY_UNKNOWN, detail)


def _judged(shows: OfferedKey, login: Login, now: datetime) -> Judgement:
    blob = base64.b64decode(shows.base64)
    if shows.key_type == "ssh-rsa" and rsa_bits(blob) < login.accepts.rsa_bits:
        detail = f"the host's RSA key has {rsa_bits(blob)} bits, and {login.accepts.rsa_bits} are required"
        raise HostError(Reason.PROTOCOL, detail)
    if not shows.certificate:
        return login.known_hosts.judge(*login.pinned_as, shows.key_type, blob)
    try:
        certificate = read_certificate(shows.certificate)
    except ValueError as err:
        raise HostError(Reason.PROTOCOL, str(err)) from err
    judged = login.known_hosts.judge_certificate(*login.pinned_as, certificate, now)
    allowed = not login.accepts.authorities or certificate.signed_with in login.accepts.authorities
    if allowed or judged.pin is None or judged.pin.marker is not Marker.AUTHORITY:
        return judged
    plain = login.known_hosts.judge(*login.pinned_as, certificate.key_type, certificate.blob)
    why = f"the certificate is signed with {certificate.signed_with}, which CASignatureAlgorithms leaves out"
    return Judgement(state=plain.state, pin=plain.pin, why=why)


def _log_in(session: Any, wire: Wire, login: Login, host_key: HostKey) -> None:
    """Show our keys in their order, until one is accepted or no further one can be."""
    detail = "no private key of ours can be shown"
    for identity in login.identities:
        done = threading.Event()
        try:
            session.auth_publickey(login.user, identity, event=done)
        except FAILURES as err:
            raise failure(wire, err, "log-in", host_key) from err
        if not done.wait(wire.left_s()):
            wire.end(WireEnd.DEADLINE)
            # The session's thread has not noticed yet, and so looks as if the key had been refused.
            raise failure(wire, None, "log-in", host_key)
        if session.is_authenticated():
            return
        said = session.get_exception()
        match said:
            case paramiko.ssh_exception.PartialAuthentication():
                detail = f"the key is accepted, but the server wants more: {_names(said.allowed_types)}"
                break
            case paramiko.BadAuthenticationType():
                detail = f"the server takes no keys for this account: {_names(said.allowed_types)}"
                break
            case None if session.is_active():
                which = (
                    "our key" if len(login.identities) == 1 else f"any of our {len(login.identities)} keys"
                )
                detail = f"the server does not accept {which} for {login.user}"
            case paramiko.AuthenticationException():
                detail = _text(said)
                if not session.is_active():
                    break
            case _:
                raise failure(wire, said, "log-in", host_key) from said
    raise HostError(Reason.AUTH, detail, host_key=host_key)


def end(session: Any) -> None:
    """Close a session and wait for its thread."""
    session.close()
    session.join(EXIT_WAIT_S)


def failure(wire: Wire, said: BaseException | None, stage: str, host_key: HostKey | None = None) -> HostError:
    """Tell why there is no answer: the Wire knows better than the exception."""
    match wire.ended:
        case WireEnd.STOPPED:
            return HostError(Reason.INTERRUPTED, "the run was interrupted", host_key=host_key)
        case WireEnd.DEADLINE:
            return HostError(Reason.DEADLINE, f"time was up during the {stage}", host_key=host_key)
        case WireEnd.BROKEN:
            detail = f"the connection to the jump host broke during the {stage}"
            return HostError(Reason.ROUTE, detail, host_key=host_key)
        case _ if not wire.greeted:
            return no_banner(wire.head)
        case WireEnd.FLOOD:
            detail = f"more bytes came during the {stage} than it takes"
            return HostError(Reason.PROTOCOL, detail, host_key=host_key)
        case _:
            what = _text(said) if isinstance(said, paramiko.SSHException) else "the server ended it"
            return HostError(Reason.PROTOCOL, f"{stage}: {what}", host_key=host_key)


def _names(methods: Sequence[str]) -> str:
    return printable(", ".join(methods).encode(), limit=120)


def _text(said: BaseException) -> str:
    """Words of the library that may quote the server."""
    return printable(str(said).encode(), limit=200)
