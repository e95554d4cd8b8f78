"""One question over SSH to real servers: what they do wrong is named, bounded and ended."""

import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from collectors.evidence import Reason
from collectors.identities import load_identity
from collectors.known_hosts import parse
from collectors.road import Direct
from collectors.ssh import SshTransport, scan_host_key
from collectors.transport import STDERR_KEPT, Answer, HostError
from config.errors import ConfigError
from tests.collectors.sshd import ASKED, HOST, USER, Sshd, make_key, playing, public, reset, to_host

COMMAND = "exec /bin/sh -s"
CAP = 1 << 20
VERSION = b"SSH-2.0-OpenSSH_9.2\r\n"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    running = Sshd(tmp_path_factory.mktemp("sshd") / "s", ("ed25519", "ecdsa", "rsa"))
    yield running
    running.stop()


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    return make_key(tmp_path / "stranger")


class Asker:
    """Asks one server, with its own pins and key unless told otherwise."""

    def __init__(self, server: Sshd) -> None:
        self.server = server

    def transport(
        self, *, key: Path | None = None, pins: str | None = None, port: int = 0, connect_timeout_s: float = 5
    ) -> SshTransport:
        text = self.server.pins() if pins is None else pins
        return to_host(
            address=HOST,
            port=port or self.server.port,
            user=USER,
            identity=load_identity(key or self.server.user_key),
            known_hosts=parse(text.encode(), "known_hosts"),
            connect_timeout_s=connect_timeout_s,
        )

    def __call__(
        self,
        script: bytes = b"echo hello; exit 3\n",
        *,
        command: str = COMMAND,
        cap_bytes: int = CAP,
        within_s: float = 20,
        **how: object,
    ) -> Answer:
        transport = self.transport(**how)  # type: ignore[arg-type]
        return transport.ask(
            script, command=command, cap_bytes=cap_bytes, deadline=time.monotonic() + within_s, now=now
        )

    def fails(self, **how: object) -> HostError:
        with pytest.raises(HostError) as caught:
            self(**how)  # type: ignore[arg-type]
        assert caught.value.hint
        return caught.value


@pytest.fixture
def ask(server: Sshd) -> Asker:
    return Asker(server)


class TestAnswer:
    def test_output_errors_and_exit_status_come_back_apart(self, ask: Asker) -> None:
        answer = ask(b"printf 'a\\000b'; echo oops >&2; exit 7\n")
        assert (answer.stdout, answer.stderr, answer.exit, answer.ended) == (b"a\0b", b"oops\n", 7, None)
        assert answer.sent <= answer.received
        assert answer.host_key is not None
        assert answer.host_key.type == "ssh-ed25519"
        assert answer.host_key.trusted_by == "known_hosts:1"

    def test_a_certificate_of_a_pinned_authority_lets_us_in_and_names_it(self, tmp_path: Path) -> None:
        authority = make_key(tmp_path / "ca")
        key = make_key(tmp_path / "host")
        sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "lab", "-h", "-n", HOST, f"{key}.pub"]
        subprocess.run(sign, check=True)
        server = Sshd(tmp_path / "s", (), (f"HostKey {key}", f"HostCertificate {key}-cert.pub"))
        try:
            ask = Asker(server)
            answer = ask(pins=f"@cert-authority * {public(authority)}\n")
            other = ask.fails(pins=f"@cert-authority * {public(server.user_key)}\n")
        finally:
            server.stop()
        said = subprocess.run(
            ["ssh-keygen", "-lf", str(authority)], capture_output=True, text=True, check=True
        )
        assert answer.host_key is not None
        assert answer.host_key.trusted_by == f"known_hosts:1 (@cert-authority {said.stdout.split()[1]})"
        assert other.reason is Reason.HOST_KEY_UNKNOWN
        assert said.stdout.split()[1] in other.detail

    def test_a_script_larger_than_any_window_arrives_whole(self, ask: Asker) -> None:
        """It does not fit OpenSSH's window of 2 MiB, and the host prints while it reads."""
        padding = b"# " + b"x" * 1_000 + b"\n"
        script = b"head -c 3000000 /dev/zero\n" + padding * 4_000 + b"echo; echo end\n"
        answer = ask(script, cap_bytes=4_000_000)
        assert answer.stdout.endswith(b"end\n")
        assert (len(answer.stdout), answer.exit) == (3_000_005, 0)

    def test_a_signal_is_no_exit_status(self, ask: Asker) -> None:
        answer = ask(b"kill -9 $$\n")
        assert (answer.exit, answer.ended) == (None, None)

    def test_megabytes_of_errors_before_the_answer_do_not_block_it(self, ask: Asker) -> None:
        key = ask.server.key_for("stderr", f"head -c 5242880 /dev/zero >&2; {ASKED}")
        answer = ask(b"echo hello\n", key=key)
        assert (answer.stdout, answer.exit, len(answer.stderr)) == (b"hello\n", 0, STDERR_KEPT)

    def test_floods_on_both_streams_at_once_are_read_at_once(self, ask: Asker) -> None:
        script = b"head -c 3000000 /dev/zero >&2 & head -c 3000000 /dev/zero; wait; exit 5\n"
        answer = ask(script, cap_bytes=3_000_000)
        assert (len(answer.stdout), answer.exit, answer.ended) == (3_000_000, 5, None)

    def test_one_byte_above_the_cap_is_too_much(self, ask: Asker) -> None:
        whole = ask(b"head -c 1000 /dev/zero\n", cap_bytes=1_000)
        more = ask(b"head -c 1001 /dev/zero\n", cap_bytes=1_000)
        assert (len(whole.stdout), whole.ended) == (1_000, None)
        assert (len(more.stdout), more.ended, more.exit) == (1_000, Reason.TOO_MUCH_OUTPUT, None)

    @pytest.mark.parametrize("stream", ["", " >&2"])
    def test_endless_output_ends(self, ask: Asker, stream: str) -> None:
        key = ask.server.key_for(f"endless{len(stream)}", f"yes{stream}")
        answer = ask(key=key)
        assert answer.ended is Reason.TOO_MUCH_OUTPUT
        assert len(answer.stdout) <= CAP
        assert len(answer.stderr) <= STDERR_KEPT

    def test_a_hanging_command_ends_at_the_deadline_and_what_came_is_kept(self, ask: Asker) -> None:
        answer = ask(b"echo first; echo second >&2; exec sleep 600\n", within_s=1.5)
        assert (answer.stdout, answer.stderr) == (b"first\n", b"second\n")
        assert (answer.ended, answer.exit) == (Reason.DEADLINE, None)

    def test_the_remote_side_notices_the_deadline(self, ask: Asker, tmp_path: Path) -> None:
        """The connection is really closed: a command that writes gets SIGPIPE or an end of input."""
        mark = tmp_path / "gone"
        key = ask.server.key_for("notice", f"trap '' PIPE; cat >/dev/null; sleep 2; echo x || touch {mark}")
        assert ask(key=key, within_s=1.0).ended is Reason.DEADLINE
        until = time.monotonic() + 20
        while not mark.exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert mark.exists()

    def test_a_trickle_does_not_move_the_deadline(self, ask: Asker) -> None:
        answer = ask(b"while :; do echo x; sleep 0.05; done\n", within_s=1.5)
        assert answer.ended is Reason.DEADLINE
        assert answer.stdout.startswith(b"x\n")

    def test_a_command_that_reads_nothing_is_no_trouble(self, ask: Asker) -> None:
        key = ask.server.key_for("deaf", "echo garbage; exit 4")
        answer = ask(b"# " + b"x" * 3_000_000 + b"\n", key=key)
        assert (answer.stdout, answer.exit) == (b"garbage\n", 4)

    def test_streams_closed_by_a_command_that_goes_on_are_the_end(self, ask: Asker) -> None:
        answer = ask(b"echo done; exec sleep 600 <&- >&- 2>&-\n", within_s=60)
        assert (answer.stdout, answer.ended, answer.exit) == (b"done\n", None, None)


class TestHostKey:
    def test_an_unknown_key_is_named_by_its_fingerprint(self, ask: Asker) -> None:
        error = ask.fails(pins="")
        assert error.reason is Reason.HOST_KEY_UNKNOWN
        assert "SHA256:" in error.detail

    def test_a_changed_key_is_refused(self, ask: Asker, stranger: Path) -> None:
        error = ask.fails(pins=f"[{HOST}]:{ask.server.port} {public(stranger)}\n")
        assert error.reason is Reason.HOST_KEY_CHANGED
        assert error.detail.count("SHA256:") == 2
        assert "known_hosts:1" in error.detail

    def test_a_revoked_key_is_refused_even_when_pinned(self, ask: Asker) -> None:
        error = ask.fails(
            pins=f"{ask.server.pins()}@revoked * {ask.server.pins('ssh-ed25519').split(' ', 1)[1]}"
        )
        assert error.reason is Reason.HOST_KEY_REVOKED

    @pytest.mark.parametrize("kind", ["ssh-rsa", "ecdsa-sha2-nistp256"])
    def test_a_server_with_several_keys_is_asked_for_the_pinned_one(self, ask: Asker, kind: str) -> None:
        answer = ask(pins=ask.server.pins(kind))
        assert answer.host_key is not None
        assert answer.host_key.type == kind

    def test_a_host_that_lost_its_pinned_kind_of_key_has_changed(self, tmp_path: Path) -> None:
        only_rsa = Sshd(tmp_path / "s", ("rsa",))
        try:
            pins = f"[{HOST}]:{only_rsa.port} {public(only_rsa.user_key)}\n"
            assert Asker(only_rsa).fails(pins=pins).reason is Reason.HOST_KEY_CHANGED
        finally:
            only_rsa.stop()

    def test_no_login_is_tried_before_the_key_is_believed(self, tmp_path: Path) -> None:
        watched = Sshd(tmp_path / "s", settings=("LogLevel DEBUG1",))
        try:
            Asker(watched).fails(pins="")
            Asker(watched)(b"exit 0\n")
            log = (tmp_path / "s" / "log").read_text(errors="replace")
        finally:
            watched.stop()
        assert log.count("userauth-request for user") == 1

    def test_every_kind_of_key_is_scanned_without_login(self, server: Sshd) -> None:
        found = scan_host_key(Direct(HOST, server.port, connect_timeout_s=10), 10)
        assert {f"{key.key_type} {key.base64}" for key in found} == {
            public(path) for path in server.host_keys.values()
        }

    def test_scanning_nobody_is_an_error(self) -> None:
        with socket.create_server((HOST, 0)) as closed:
            port = closed.getsockname()[1]
        with pytest.raises(HostError) as caught:
            scan_host_key(Direct(HOST, port, connect_timeout_s=5), 5)
        assert caught.value.reason is Reason.REFUSED


class TestLogin:
    def test_a_key_the_server_does_not_know_is_refused_after_the_host_key_was_checked(
        self, ask: Asker, stranger: Path
    ) -> None:
        error = ask.fails(key=stranger)
        assert error.reason is Reason.AUTH
        assert error.host_key is not None

    def test_a_server_that_takes_no_keys_says_so(self, tmp_path: Path) -> None:
        other = Sshd(tmp_path / "s", settings=("PubkeyAuthentication no", "PasswordAuthentication yes"))
        try:
            error = Asker(other).fails()
        finally:
            other.stop()
        assert error.reason is Reason.AUTH
        assert "password" in error.detail

    def test_a_server_that_wants_more_than_a_key_says_so(self, tmp_path: Path) -> None:
        settings = ("PasswordAuthentication yes", "AuthenticationMethods publickey,password")
        other = Sshd(tmp_path / "s", settings=settings)
        try:
            error = Asker(other).fails()
        finally:
            other.stop()
        assert error.reason is Reason.AUTH
        assert "wants more" in error.detail

    @pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
    def test_every_usual_kind_of_key_logs_in(self, tmp_path: Path, kind: str) -> None:
        other = Sshd(tmp_path / "s")
        try:
            key = make_key(tmp_path / kind, kind)
            with (tmp_path / "s" / "authorized_keys").open("a") as authorized:
                authorized.write(public(key) + "\n")
            assert Asker(other)(key=key).exit == 3
        finally:
            other.stop()

    def test_a_server_that_opens_no_session_is_named(self, tmp_path: Path) -> None:
        other = Sshd(tmp_path / "s", settings=("MaxSessions 0",))
        try:
            assert Asker(other).fails().reason is Reason.PROTOCOL
        finally:
            other.stop()

    def test_an_encrypted_key_is_a_configuration_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="encrypted"):
            load_identity(make_key(tmp_path / "key", passphrase="of no use"))  # noqa: S106 (opens nothing)

    def test_a_key_that_others_can_read_is_refused_as_ssh_refuses_it(self, tmp_path: Path) -> None:
        key = make_key(tmp_path / "key")
        key.chmod(0o640)
        with pytest.raises(ConfigError, match="accessible to others"):
            load_identity(key)

    @pytest.mark.parametrize("content", [b"", b"not a key\n", b"\xff\x00"])
    def test_what_is_no_key_is_a_configuration_error(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "key"
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(ConfigError):
            load_identity(path)

    def test_a_missing_key_is_a_configuration_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read"):
            load_identity(tmp_path / "none")


def hush(connection: socket.socket) -> None:
    connection.recv(100)
    time.sleep(30)


def tarpit(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"abc\r\n")
        time.sleep(0.05)


def one_long_line(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x" * 10_000)


def http(connection: socket.socket) -> None:
    connection.recv(100)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nServer: \x1b[31mred\r\n\r\n")


def greet_and_reset(connection: socket.socket) -> None:
    connection.sendall(VERSION)
    connection.recv(100)
    reset(connection)


def greet_and_hang(connection: socket.socket) -> None:
    connection.sendall(VERSION)
    time.sleep(30)


def old_protocol(connection: socket.socket) -> None:
    connection.sendall(b"SSH-1.5-old\r\n")
    connection.recv(100)


def huge_packet(connection: socket.socket) -> None:
    connection.sendall(VERSION + b"\x7f\xff\xff\xff")
    while True:
        connection.sendall(b"\0" * 65_536)


def garbage(connection: socket.socket) -> None:
    connection.sendall(VERSION + bytes(range(256)) * 40)
    connection.recv(100)


def hang_up(connection: socket.socket) -> None:
    connection.close()


SERVERS: dict[Callable[[socket.socket], None], Reason] = {
    hush: Reason.NO_BANNER,
    tarpit: Reason.NO_BANNER,
    one_long_line: Reason.NO_BANNER,
    http: Reason.NO_BANNER,
    hang_up: Reason.NO_BANNER,
    greet_and_reset: Reason.PROTOCOL,
    old_protocol: Reason.PROTOCOL,
    huge_packet: Reason.PROTOCOL,
    garbage: Reason.PROTOCOL,
    greet_and_hang: Reason.DEADLINE,
}


class TestUnreachable:
    @pytest.mark.parametrize("role", SERVERS, ids=lambda role: role.__name__)
    def test_what_answers_instead_of_sshd_is_named(
        self, ask: Asker, role: Callable[[socket.socket], None]
    ) -> None:
        with playing(role) as port:
            error = ask.fails(port=port, connect_timeout_s=1.0, within_s=2.0)
        assert error.reason is SERVERS[role]
        assert error.detail.isprintable()

    def test_a_server_silent_until_the_deadline_is_a_deadline(self, ask: Asker) -> None:
        with playing(hush) as port:
            assert ask.fails(port=port, connect_timeout_s=30, within_s=0.5).reason is Reason.DEADLINE

    def test_a_closed_port_is_refused(self, ask: Asker) -> None:
        with socket.create_server((HOST, 0)) as closed:
            port = closed.getsockname()[1]
        assert ask.fails(port=port).reason is Reason.REFUSED

    def test_a_full_backlog_is_a_connect_timeout(self, ask: Asker) -> None:
        """The kernel then drops the connection's first packet, as a firewall does."""
        with socket.socket() as server:
            server.bind((HOST, 0))
            server.listen(0)
            port = server.getsockname()[1]
            held = [socket.socket() for _ in range(4)]
            for connection in held:
                connection.settimeout(0)
                connection.connect_ex((HOST, port))
            time.sleep(0.1)
            assert ask.fails(port=port, connect_timeout_s=0.5).reason is Reason.CONNECT_TIMEOUT
            for connection in held:
                connection.close()

    @pytest.mark.parametrize("address", ["no-such-host.invalid", "a" * 300, "bad..name", "\u3042.invalid"])
    def test_a_name_that_does_not_resolve_is_named(self, address: str) -> None:
        with pytest.raises(HostError) as caught:
            scan_host_key(Direct(address, 22, connect_timeout_s=5), 5)
        assert caught.value.reason is Reason.NAME

    def test_an_unroutable_address_is_named(self) -> None:
        with pytest.raises(HostError) as caught:
            scan_host_key(Direct("255.255.255.255", 22, connect_timeout_s=5), 5)
        assert caught.value.reason is Reason.ROUTE

    def test_a_connection_cut_in_mid_answer_keeps_what_came(self, ask: Asker) -> None:
        """The session's sshd is killed, as when a host goes down."""
        mine = ask.server
        listener = mine._process.pid
        answer = ask(b"echo first; sleep 0.5; kill -9 $PPID; sleep 1; echo second\n")
        assert answer.stdout == b"first\n"
        assert (answer.ended, answer.exit) == (None, None)
        assert psutil.pid_exists(listener)


class TestLeavingNothingBehind:
    def test_closing_from_another_thread_ends_the_question(self, ask: Asker) -> None:
        transport = ask.transport()
        threading.Timer(1.0, transport.close).start()
        with pytest.raises(HostError) as caught:
            transport.ask(
                b"sleep 600\n", command=COMMAND, cap_bytes=CAP, deadline=time.monotonic() + 60, now=now
            )
        assert caught.value.reason is Reason.INTERRUPTED

    def test_no_descriptor_and_no_thread_stays(self, ask: Asker, stranger: Path) -> None:
        ask()
        descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (paths of open files are no files)
        threads = threading.active_count()
        for _ in range(5):
            ask()
            ask.fails(key=stranger)
            ask.fails(pins="")
            ask(b"sleep 600\n", within_s=0.4)
        assert len(os.listdir("/proc/self/fd")) <= descriptors  # noqa: PTH208 (see above)
        assert threading.active_count() <= threads

    def test_the_library_logs_nothing(
        self, ask: Asker, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with caplog.at_level(logging.DEBUG), playing(http) as port:
            ask.fails(port=port)
        assert caplog.records == []
        assert capfd.readouterr() == ("", "")
