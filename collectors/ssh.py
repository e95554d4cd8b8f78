"""Ask a host over SSH: one connection, its key checked before the log-in, one command.

Public interfaces of paramiko only. It keeps no time itself here: the Wire under it ends every wait.
"""

import base64
import logging
import math
import stat
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import paramiko
from paramiko.packet import Packetizer
from paramiko.ssh_exception import PartialAuthentication

from collectors.dialer import Dialer, connect, no_banner
from collectors.evidence import HostKey, Reason, printable
from collectors.host_certificate import SUFFIX, read_certificate
from collectors.known_hosts import KEY_TYPES, Judgement, KnownHosts, OfferedKey, PinState, fingerprint
from collectors.transport import STDERR_DRAINED, STDERR_KEPT, Answer, HostError
from collectors.wire import Wire, WireEnd
from config.errors import ConfigError
from config.model import Host

# The library logs tracebacks of what hosts do to it; the reasons are in the evidence.
_log = logging.getLogger("paramiko")
_log.addHandler(logging.NullHandler())
_log.setLevel(logging.CRITICAL + 1)
_log.propagate = False

Identity: TypeAlias = Any
"""a private key; paramiko has no types"""

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
_FAILURES = (paramiko.SSHException, EOFError, OSError)
_CHUNK = 1 << 20
_EXIT_WAIT_S = 2.0
"""how long the exit status may come after both streams have ended"""
_OVERHEAD = 1 << 20
"""bytes of packets around the answer that are expected at most, beside an eighth of the answer"""
_HIGHEST_EXIT = 255
_ENDS = {WireEnd.DEADLINE: Reason.DEADLINE, WireEnd.FLOOD: Reason.TOO_MUCH_OUTPUT}


class _Packets(Packetizer):  # type: ignore[misc]  # paramiko has no types
    """The library's packets, without its timer thread for the handshake: the Wire has a deadline."""

    def start_handshake(self, timeout: float) -> None:
        """Start no timer."""

    def handshake_timed_out(self) -> bool:
        """Say no: the Wire ends it."""
        return False

    def complete_handshake(self) -> None:
        """Stop no timer."""


def load_identity(path: Path) -> Identity:
    """Read a private key file (Ed25519, ECDSA or RSA, not encrypted).

    Raises ConfigError when it is missing, readable to others (as ssh refuses it), encrypted or no such key.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_IMODE(mode) & 0o077:
            message = f"{path}: the private key is accessible to others ({stat.S_IMODE(mode):04o})"
            raise ConfigError(message, hint=f"chmod 600 {path}")
        return paramiko.PKey.from_path(path)
    except OSError as err:
        message = f"{path}: the private key cannot be read: {err.strerror}"
        hint = f"Make it with ssh-keygen -t ed25519 -N '' -f {path}, or declare another as identity."
        raise ConfigError(message, hint=hint) from err
    except (paramiko.PasswordRequiredException, TypeError) as err:
        message = f"{path}: the private key is encrypted"
        raise ConfigError(
            message, hint="Give the audit account a key of its own, without passphrase."
        ) from err
    except (paramiko.SSHException, paramiko.UnknownKeyType, ValueError) as err:
        message = f"{path.name}: no Ed25519, ECDSA or RSA private key"
        raise ConfigError(message, hint="Make one with ssh-keygen -t ed25519 -N ''.") from err


class SshTransport:
    """One host behind sshd; see `collectors.transport.Transport`."""

    kind = "ssh"

    def __init__(
        self,
        *,
        address: str,
        port: int,
        user: str,
        identity: Identity,
        known_hosts: KnownHosts,
        connect_timeout_s: float,
        dialer: Dialer | None = None,
    ) -> None:
        self._address = address
        self._port = port
        self._user = user
        self._identity = identity
        self._known_hosts = known_hosts
        self._connect_timeout_s = connect_timeout_s
        self._dialer = dialer
        self._stopped = threading.Event()
        self._wire: Wire | None = None
        self._dialed: Wire | HostError | None = None
        self._dialed_s = 0.0

    def ask(
        self, script: bytes, *, command: str, cap_bytes: int, deadline: float, now: Callable[[], datetime]
    ) -> Answer:
        """See `Transport.ask`. One log-in is tried, with the one key, after the host has proved its own."""
        wire = self._connected(deadline)
        # As ssh does: ask for the pinned types first, so that a host with several keys shows the pinned one.
        session = _handshake(
            wire,
            self._known_hosts.pinned_types(self._address, self._port),
            certificates=self._known_hosts.has_authority(self._address, self._port),
        )
        try:
            host_key = self._checked(session, now())
            self._log_in(session, wire, host_key)
            wire.allow((cap_bytes + STDERR_DRAINED) * 9 // 8 + len(script) + _OVERHEAD)
            talk = _Talk(session, wire, cap_bytes, host_key)
            return talk.run(script, command, now)
        finally:
            _end(session)

    def prepare(self, done: Callable[[], None]) -> None:
        """See `Transport.prepare`: connect and await the greeting."""
        if self._dialer is None:
            done()
            return
        began = time.monotonic()

        def settle(result: Wire | HostError) -> None:
            self._dialed = result
            self._dialed_s = time.monotonic() - began
            if isinstance(result, Wire):
                self._take(result)
            done()

        self._dialer.dial(
            self._address,
            self._port,
            connect_timeout_s=self._connect_timeout_s,
            deadline=math.inf,
            done=settle,
        )

    def close(self) -> None:
        """See `Transport.close`."""
        self._stopped.set()
        if self._wire is not None:
            self._wire.end(WireEnd.STOPPED)

    def _take(self, wire: Wire) -> None:
        self._wire = wire
        if self._stopped.is_set():
            wire.end(WireEnd.STOPPED)

    def _connected(self, deadline: float) -> Wire:
        if self._dialed is None:
            wire = connect(
                self._address, self._port, connect_timeout_s=self._connect_timeout_s, deadline=deadline
            )
            self._take(wire)
            return wire
        if isinstance(self._dialed, HostError):
            raise self._dialed
        # What connecting took is part of the host's time; waiting for one of our workers is not.
        self._dialed.deadline = deadline - self._dialed_s
        return self._dialed

    def _checked(self, session: Any, now: datetime) -> HostKey:
        offered = _offered(session)
        verdict = self._judged(offered, now)
        shown = f"{offered.key_type} {offered.fingerprint}"
        why = f" ({verdict.why})" if verdict.why else ""
        match verdict.state:
            case PinState.KNOWN if verdict.pin:
                return HostKey(
                    type=offered.key_type, fingerprint=offered.fingerprint, trusted_by=verdict.pin.where
                )
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

    def _judged(self, offered: OfferedKey, now: datetime) -> Judgement:
        if not offered.certificate:
            blob = base64.b64decode(offered.base64)
            return self._known_hosts.judge(self._address, self._port, offered.key_type, blob)
        try:
            certificate = read_certificate(offered.certificate)
        except ValueError as err:
            raise HostError(Reason.PROTOCOL, str(err)) from err
        return self._known_hosts.judge_certificate(self._address, self._port, certificate, now)

    def _log_in(self, session: Any, wire: Wire, host_key: HostKey) -> None:
        done = threading.Event()
        try:
            session.auth_publickey(self._user, self._identity, event=done)
        except _FAILURES as err:
            raise _failure(wire, err, "log-in", host_key) from err
        if not done.wait(wire.left_s()):
            wire.end(WireEnd.DEADLINE)
        if session.is_authenticated():
            return
        said = session.get_exception()
        match said:
            case PartialAuthentication():
                detail = f"the key is accepted, but the server wants more: {_names(said.allowed_types)}"
            case paramiko.BadAuthenticationType():
                detail = f"the server takes no keys for this account: {_names(said.allowed_types)}"
            case None if session.is_active():
                detail = f"the server does not accept our key for {self._user}"
            case paramiko.AuthenticationException():
                detail = _text(said)
            case _:
                raise _failure(wire, said, "log-in", host_key) from said
        raise HostError(Reason.AUTH, detail, host_key=host_key)


def scan_host_key(host: Host, timeout_s: float) -> tuple[OfferedKey, ...]:
    """Return each key the host proves to hold (Ed25519, ECDSA, RSA), without logging in.

    A connection a kind, as ssh-keyscan does. Raises HostError when the host cannot be asked.
    """
    found: list[OfferedKey] = []
    deadline = time.monotonic() + timeout_s
    last: HostError | None = None
    for kind in (KEY_TYPES[:1], KEY_TYPES[1:4], KEY_TYPES[4:]):
        wire = connect(host.where, host.port, connect_timeout_s=timeout_s, deadline=deadline)
        try:
            session = _handshake(wire, kind, others=False)
        except HostError as err:
            if not isinstance(err.__cause__, paramiko.IncompatiblePeer):
                raise
            last = err  # no key of that kind
            continue
        try:
            found.append(_offered(session))
        finally:
            _end(session)
    if not found and last is not None:
        raise last
    return tuple(found)


def _handshake(
    wire: Wire, preferred: Sequence[str], *, others: bool = True, certificates: bool = False
) -> Any:
    """Exchange keys; the server has then proved to hold its host key, whosever that is.

    Raises HostError with NO_BANNER, PROTOCOL, DEADLINE or INTERRUPTED.
    """
    kinds = (*preferred, *(kind for kind in KEY_TYPES if others and kind not in preferred))
    session = paramiko.Transport(wire, packetizer_class=_Packets, disabled_algorithms=_WEAK)
    options = session.get_security_options()
    options.ciphers = _CIPHERS
    names = tuple(name for kind in kinds for name in (_RSA if kind == "ssh-rsa" else (kind,)))
    options.key_types = (*(name + SUFFIX for name in names if certificates), *names)
    done = threading.Event()
    session.start_client(event=done)
    if not done.wait(wire.left_s()):
        wire.end(WireEnd.DEADLINE)
    elif session.is_active():
        return session
    said = session.get_exception()
    _end(session)
    wire.close()
    raise _failure(wire, said, "handshake") from said


def _offered(session: Any) -> OfferedKey:
    try:
        key = session.get_remote_server_key()
        blob = key.asbytes()
    except _FAILURES as err:
        raise HostError(Reason.PROTOCOL, "the connection ended after the key exchange") from err
    size = int.from_bytes(blob[:4], "big")
    return OfferedKey(
        key_type=printable(blob[4 : 4 + size], limit=64),
        base64=base64.b64encode(blob).decode("ascii"),
        fingerprint=fingerprint(blob),
        certificate=key.public_blob.key_blob if key.public_blob else b"",
    )


class _Talk:
    """One command on one channel: its input written, both of its streams read at once."""

    def __init__(self, session: Any, wire: Wire, cap_bytes: int, host_key: HostKey) -> None:
        self._session = session
        self._wire = wire
        self._host_key = host_key
        self._output = _Stream(wire, keep=cap_bytes, most=cap_bytes)
        self._errors = _Stream(wire, keep=STDERR_KEPT, most=STDERR_DRAINED)
        self._started = threading.Event()
        self._failed: BaseException | None = None

    def run(self, script: bytes, command: str, now: Callable[[], datetime]) -> Answer:
        """Start the command, feed it and read its answer. Raises HostError when it did not start."""
        wire = self._wire
        try:
            channel = self._session.open_session(timeout=wire.left_s())
        except _FAILURES as err:
            raise _failure(wire, err, "opening of a session", self._host_key) from err
        channel.settimeout(wire.left_s())
        sent = now()
        # Reading one stream to its end first would stop for good once the other has filled the window.
        # The command is started there too: exec_command() waits without limit
        # for a server that closes the channel at the wrong moment.
        second = threading.Thread(
            target=self._start_and_drain_errors, args=(channel, command), daemon=True, name="stderr"
        )
        second.start()
        if not self._started.wait(wire.left_s()):
            wire.end(WireEnd.DEADLINE)
        if self._failed is not None or not self._started.is_set():
            raise _failure(wire, self._failed, "start of the command", self._host_key) from self._failed
        _send(channel, script)
        self._output.drain(channel.recv)
        second.join(wire.left_s() + _EXIT_WAIT_S)
        channel.status_event.wait(_EXIT_WAIT_S)
        if wire.ended is WireEnd.STOPPED:
            raise HostError(Reason.INTERRUPTED, "the run was interrupted", host_key=self._host_key)
        ended = _ENDS.get(wire.ended) if wire.ended else None
        known = ended is None and 0 <= channel.exit_status <= _HIGHEST_EXIT
        return Answer(
            stdout=self._output.kept,
            stderr=self._errors.kept,
            exit=channel.exit_status if known else None,
            ended=ended,
            host_key=self._host_key,
            sent=sent,
            received=now(),
        )

    def _start_and_drain_errors(self, channel: Any, command: str) -> None:
        try:
            channel.exec_command(command)
        except _FAILURES as err:
            self._failed = err
            return
        finally:
            self._started.set()
        self._errors.drain(channel.recv_stderr)


class _Stream:
    """One of the two streams: its first bytes are kept, and too many end the connection."""

    def __init__(self, wire: Wire, *, keep: int, most: int) -> None:
        self._wire = wire
        self._keep = keep
        self._most = most
        self._pieces: list[bytes] = []

    def drain(self, read: Callable[[int], bytes]) -> None:
        """Read to the end; ends with the connection."""
        count = 0
        try:
            while piece := read(_CHUNK):
                if count < self._keep:
                    self._pieces.append(piece[: self._keep - count])
                count += len(piece)
                if count > self._most:
                    self._wire.end(WireEnd.FLOOD)
                    return
        except _FAILURES:
            return

    @property
    def kept(self) -> bytes:
        """The first bytes of the stream."""
        return b"".join(self._pieces)


def _send(channel: Any, script: bytes) -> None:
    """Write the script and end the input; what does not fit the window now is written by a thread."""
    rest = script
    try:
        while rest and channel.send_ready():
            count = channel.send(rest)
            if not count:
                return  # the command ended without reading all of it
            rest = rest[count:]
        if not rest:
            channel.shutdown_write()
            return
    except _FAILURES:
        return
    # Small servers open their window only as they read, and may print meanwhile.
    threading.Thread(target=_send_rest, args=(channel, rest), daemon=True, name="stdin").start()


def _send_rest(channel: Any, rest: bytes) -> None:
    try:
        while rest:
            count = channel.send(rest)
            if not count:
                return
            rest = rest[count:]
        channel.shutdown_write()
    except _FAILURES:
        return


def _end(session: Any) -> None:
    session.close()
    session.join(_EXIT_WAIT_S)


def _failure(
    wire: Wire, said: BaseException | None, stage: str, host_key: HostKey | None = None
) -> HostError:
    """Tell why there is no answer: the Wire knows better than the exception."""
    match wire.ended:
        case WireEnd.STOPPED:
            return HostError(Reason.INTERRUPTED, "the run was interrupted", host_key=host_key)
        case WireEnd.DEADLINE:
            return HostError(Reason.DEADLINE, f"time was up during the {stage}", host_key=host_key)
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
