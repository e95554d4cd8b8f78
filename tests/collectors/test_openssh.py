"""The system's own ssh keeps the same contract as our transport."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from collectors.evidence import Reason
from collectors.openssh import OpenSsh, OpenSshTransport
from collectors.transport import STDERR_KEPT, Answer, HostError
from tests.collectors.sshd import HOST, USER, Sshd, make_key, playing, public, reset

CAP = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    running = Sshd(tmp_path_factory.mktemp("sshd") / "s")
    yield running
    running.stop()


Asker = Callable[..., Answer]


@pytest.fixture
def call(server: Sshd, tmp_path: Path) -> Callable[..., OpenSsh]:
    def make(
        *, pins: str | None = None, port: int = 0, key: Path | None = None, address: str = HOST
    ) -> OpenSsh:
        known = tmp_path / "known hosts"
        known.write_text(server.pins() if pins is None else pins)
        return OpenSsh(
            address=address,
            user=USER,
            port=port or server.port,
            known_hosts=(known,),
            connect_timeout_s=2,
            config="none",
            identity=key or server.user_key,
        )

    return make


@pytest.fixture
def ask(call: Callable[..., OpenSsh]) -> Asker:
    def go(
        script: bytes = b"echo hello; exit 3\n", *, cap_bytes: int = CAP, within_s: float = 30, **how: object
    ):
        return OpenSshTransport(call(**how)).ask(
            script,
            command="sh -s",
            cap_bytes=cap_bytes,
            deadline=time.monotonic() + within_s,
            now=lambda: datetime.now(UTC),
        )

    return go


def test_output_errors_and_exit_status_come_back_apart(ask: Asker) -> None:
    answer = ask(b"printf 'a\\000b'; echo oops >&2; exit 7\n")
    assert (answer.stdout, answer.stderr, answer.exit, answer.ended) == (b"a\0b", b"oops\n", 7, None)


def test_the_key_that_ssh_believed_is_in_the_answer(ask: Asker, server: Sshd) -> None:
    found = ask(pins=f"# a comment\n{server.pins()}").host_key
    assert found is not None
    assert (found.type, found.trusted_by) == ("ssh-ed25519", "known hosts:2")
    assert found.fingerprint.startswith("SHA256:")


def test_both_streams_are_read_at_once_and_bounded(ask: Asker) -> None:
    answer = ask(b"head -c 5242880 /dev/zero >&2; echo hello\n")
    assert (answer.stdout, len(answer.stderr), answer.exit) == (b"hello\n", STDERR_KEPT, 0)
    assert ask(b"yes\n").ended is Reason.TOO_MUCH_OUTPUT


def test_the_deadline_ends_it_and_what_came_is_kept(ask: Asker) -> None:
    answer = ask(b"echo first; sleep 600\n", within_s=3)
    assert (answer.stdout, answer.ended, answer.exit) == (b"first\n", Reason.DEADLINE, None)


def test_a_connection_that_broke_has_no_exit_status(ask: Asker) -> None:
    assert ask(b"echo first; kill -9 $PPID; sleep 5\n").exit is None
    assert ask(b"exit 255\n").exit == 255


def hush(connection: object) -> None:
    time.sleep(30)


class TestFailures:
    def fails(self, ask: Asker, **how: object) -> HostError:
        with pytest.raises(HostError) as caught:
            ask(**how)
        return caught.value

    def test_an_unknown_a_changed_and_a_revoked_key_are_told_apart(
        self, ask: Asker, server: Sshd, tmp_path: Path
    ) -> None:
        other = public(make_key(tmp_path / "other"))
        name = f"[{HOST}]:{server.port}"
        assert self.fails(ask, pins="").reason is Reason.HOST_KEY_UNKNOWN
        assert self.fails(ask, pins=f"{name} {other}\n").reason is Reason.HOST_KEY_CHANGED
        revoked = f"{server.pins()}@revoked * {server.pins().split(' ', 1)[1]}"
        assert self.fails(ask, pins=revoked).reason is Reason.HOST_KEY_REVOKED

    def test_a_key_that_the_server_does_not_know_is_auth(self, ask: Asker, tmp_path: Path) -> None:
        failure = self.fails(ask, key=make_key(tmp_path / "stranger"))
        assert failure.reason is Reason.AUTH
        assert failure.host_key is not None

    @pytest.mark.parametrize(
        ("role", "reason"), [(hush, Reason.NO_BANNER), (reset, Reason.NO_BANNER)], ids=["silent", "reset"]
    )
    def test_what_does_not_greet_is_named(
        self, ask: Asker, role: Callable[..., None], reason: Reason
    ) -> None:
        with playing(role) as port:
            assert self.fails(ask, port=port).reason is reason

    def test_names_ports_and_routes(self, ask: Asker) -> None:
        assert self.fails(ask, port=1).reason is Reason.REFUSED
        assert self.fails(ask, address="no-such-host.invalid").reason is Reason.NAME
        assert self.fails(ask, address="255.255.255.255").reason is Reason.ROUTE

    def test_an_address_is_never_an_option(self, ask: Asker, tmp_path: Path) -> None:
        self.fails(ask, address=f"-oProxyCommand=touch {tmp_path}/ran")
        assert not (tmp_path / "ran").exists()


def test_closing_ends_ssh_and_leaves_no_process(call: Callable[..., OpenSsh]) -> None:
    transport = OpenSshTransport(call())
    threading.Timer(1.5, transport.close).start()
    with pytest.raises(HostError) as caught:
        transport.ask(
            b"sleep 600\n", command="sh -s", cap_bytes=CAP, deadline=time.monotonic() + 60,
            now=lambda: datetime.now(UTC),
        )  # fmt: skip
    assert caught.value.reason is Reason.INTERRUPTED
    assert not [one for one in psutil.Process().children(recursive=True) if one.name() == "ssh"]
