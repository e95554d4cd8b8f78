"""The system's own ssh keeps the same contract as our transport."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from collectors.evidence import Reason
from collectors.openssh import Hop, OpenSsh, OpenSshTransport, spare_options
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
        *,
        pins: str | None = None,
        port: int = 0,
        key: Path | None = None,
        address: str = HOST,
        config: str = "",
        hops: tuple[Hop, ...] = (),
    ) -> OpenSsh:
        # Its tokens are those of a file name, not of ssh.
        known = tmp_path / "known %h hosts"
        known.write_text(server.pins() if pins is None else pins)
        (tmp_path / "config").write_text(config)
        return OpenSsh(
            address=address,
            user=USER,
            port=port or server.port,
            known_hosts=(known,),
            connect_timeout_s=4,
            config=str(tmp_path / "config") if config else "none",
            identity=key or server.user_key,
            hops=hops,
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
    assert (found.type, found.trusted_by) == ("ssh-ed25519", "known %h hosts:2")
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


def weakening(folder: Path, server: Sshd) -> str:
    """A user's own configuration that asks for everything that our rules forbid."""
    key = public(server.host_keys["ssh-ed25519"])
    keys = folder / "keys"
    keys.write_text(f"#!/bin/sh\ntouch {folder}/ran-keys\necho '* {key}'\n")
    keys.chmod(0o755)
    lines = [
        "StrictHostKeyChecking no",
        f"UserKnownHostsFile {folder}/theirs",
        "NoHostAuthenticationForLocalhost yes",
        "VerifyHostKeyDNS yes",
        "CheckHostIP yes",
        "UpdateHostKeys yes",
        f"KnownHostsCommand {keys}",
        "BatchMode no",
        "ForwardAgent yes",
        "AddKeysToAgent yes",
        "ForwardX11 yes",
        "GSSAPIKeyExchange yes",
        "GSSAPIDelegateCredentials yes",
        "ControlMaster auto",
        f"ControlPath {folder}/control",
        "ControlPersist 60",
        "PermitLocalCommand yes",
        f"LocalCommand touch {folder}/ran-local",
        "RemoteCommand echo theirs",
        "RequestTTY force",
        "VisualHostKey yes",
        "Tunnel point-to-point",
        "LogLevel QUIET",
        "LogVerbose *",
        "ForkAfterAuthentication yes",
        "StdinNull yes",
        "SessionType none",
        "EscapeChar ~",
        "LocalForward 127.0.0.1:1 127.0.0.1:2",
    ]
    return "Match all\n" + "\n".join(f" {line}" for line in lines) + "\n"


SAFE = {
    "batchmode": "yes", "stricthostkeychecking": "true", "nohostauthenticationforlocalhost": "no",
    "verifyhostkeydns": "false", "checkhostip": "no", "updatehostkeys": "false", "forwardagent": "no",
    "addkeystoagent": "false", "forwardx11": "no", "gssapikeyexchange": "no",
    "gssapidelegatecredentials": "no", "controlmaster": "false", "permitlocalcommand": "no",
    "requesttty": "false", "visualhostkey": "no", "tunnel": "false", "loglevel": "DEBUG",
    "forkafterauthentication": "no", "stdinnull": "no", "sessiontype": "default",
    "clearallforwardings": "yes",
}  # fmt: skip


class TestTheUsersOwnConfiguration:
    """Whatever it says, our rules hold: asked of ssh itself, and tried."""

    def test_ssh_says_that_none_of_it_counts(
        self, call: Callable[..., OpenSsh], server: Sshd, tmp_path: Path
    ) -> None:
        argv = call(config=weakening(tmp_path, server)).argv("true", f"{tmp_path}/log")
        done = subprocess.run([*argv[:1], "-G", *argv[1:]], capture_output=True, text=True, check=True)
        said = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
        for gone in ("knownhostscommand", "controlpath", "remotecommand", "localforward", "logverbose"):
            assert said.get(gone, "none") == "none"
        assert {key: said[key] for key in SAFE if key in said} == {
            key: value for key, value in SAFE.items() if key in said
        }
        assert set(SAFE) - set(said) <= {"gssapikeyexchange", "gssapidelegatecredentials"}
        assert "theirs" not in said["userknownhostsfile"]

    def test_a_host_is_asked_as_ever_and_nothing_else_happens(
        self, ask: Asker, server: Sshd, tmp_path: Path
    ) -> None:
        answer = ask(
            config=weakening(tmp_path, server),
            address="localhost",
            pins=server.pins().replace(HOST, "localhost"),
        )
        assert (answer.stdout, answer.exit) == (b"hello\n", 3)
        assert (tmp_path / "known %h hosts").read_text() == server.pins().replace(HOST, "localhost")
        assert not {path.name for path in tmp_path.iterdir()} & {"ran-local", "ran-keys", "control", "theirs"}

    def test_an_unknown_host_stays_unknown(self, ask: Asker, server: Sshd, tmp_path: Path) -> None:
        for address in (HOST, "localhost"):
            with pytest.raises(HostError) as caught:
                ask(config=weakening(tmp_path, server), pins="", address=address)
            assert caught.value.reason is Reason.HOST_KEY_UNKNOWN

    def test_a_revoked_key_stays_revoked(self, ask: Asker, server: Sshd, tmp_path: Path) -> None:
        revoked = f"{server.pins()}@revoked * {server.pins().split(' ', 1)[1]}"
        with pytest.raises(HostError) as caught:
            ask(config=weakening(tmp_path, server), pins=revoked)
        assert caught.value.reason is Reason.HOST_KEY_REVOKED


def test_an_older_ssh_is_told_only_what_it_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as 8.4, which ends at an option of 8.5."""
    old = tmp_path / "ssh"
    old.write_text("#!/bin/sh\ncase $* in *StdinNull*|*SessionType*) exit 255;; esac\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    spare_options.cache_clear()
    try:
        assert not {"StdinNull", "SessionType"} & set(spare_options())
        assert "KnownHostsCommand" in spare_options()
    finally:
        spare_options.cache_clear()


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory, server: Sshd) -> Iterator[list[Sshd]]:
    running = [Sshd(tmp_path_factory.mktemp("gate") / "s", settings=("LogLevel INFO",)) for _ in range(2)]
    for each in running:
        (each.folder / "authorized_keys").write_text(public(server.user_key) + "\n")
    yield running
    for each in running:
        each.stop()


class TestJumpHosts:
    def hops(self, gates: list[Sshd]) -> tuple[Hop, ...]:
        return tuple(Hop(address=HOST, user=USER, port=each.port) for each in gates)

    def test_two_in_a_row_lead_there(self, ask: Asker, server: Sshd, gates: list[Sshd]) -> None:
        pins = server.pins() + gates[0].pins() + gates[1].pins()
        answer = ask(pins=pins, hops=self.hops(gates))
        assert (answer.stdout, answer.exit) == (b"hello\n", 3)
        assert answer.host_key is not None
        assert answer.host_key.trusted_by == "known %h hosts:1"

    @pytest.mark.parametrize("missing", [0, 1])
    def test_each_must_be_pinned_whatever_the_user_accepts(
        self, ask: Asker, server: Sshd, gates: list[Sshd], missing: int, tmp_path: Path
    ) -> None:
        pins = server.pins() + gates[1 - missing].pins()
        config = f"StrictHostKeyChecking no\nUserKnownHostsFile {tmp_path}/theirs\n"
        with pytest.raises(HostError) as caught:
            ask(pins=pins, hops=self.hops(gates), config=config)
        assert caught.value.reason is Reason.HOST_KEY_UNKNOWN
        assert caught.value.detail.startswith(f"jump host {HOST}")
        assert not (tmp_path / "theirs").exists()

    def test_what_fails_behind_it_is_told_apart(
        self, ask: Asker, server: Sshd, gates: list[Sshd], tmp_path: Path
    ) -> None:
        pins, one = server.pins() + gates[0].pins(), self.hops(gates[:1])
        for how, reason in (
            ({"port": 1}, Reason.ROUTE),
            ({"key": make_key(tmp_path / "stranger")}, Reason.AUTH),
            ({"pins": gates[0].pins()}, Reason.HOST_KEY_UNKNOWN),
        ):
            with pytest.raises(HostError) as caught:
                ask(**{"pins": pins, "hops": one} | how)
            assert caught.value.reason is reason
            assert caught.value.detail.startswith("jump host") == ("pins" not in how)
