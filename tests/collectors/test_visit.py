"""Whatever a host does ends as evidence; only the whole answer is `collected`."""

import base64
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from collectors import script
from collectors.evidence import HostKey, Reason, Status, TargetEvidence, printable
from collectors.facts import Probe
from collectors.identities import load_identity
from collectors.known_hosts import parse
from collectors.local import LocalTransport
from collectors.probes.platform import PROBE
from collectors.script import Parameters
from collectors.ssh import SshTransport
from collectors.transport import Answer, HostError, Transport
from collectors.visit import not_visited, visit
from config.errors import ConfigError
from config.model import Host, Privilege
from tests.collectors.sshd import ASKED, HOST, USER, Sshd, make_key, to_host

BOUNDARY = "0123456789abcdef" * 2
PROBES: tuple[Probe[Any], ...] = (PROBE,)
KEY = HostKey(type="ssh-ed25519", fingerprint="SHA256:x", trusted_by="known_hosts:1")
AT = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


class Played(Struct, frozen=True, kw_only=True):
    """A transport whose answer is given: what no real host says on demand."""

    says: Answer | HostError
    kind: str = "ssh"

    def ask(self, script: bytes, **how: Any) -> Answer:  # noqa: ARG002 (the shape of a transport)
        if isinstance(self.says, HostError):
            raise self.says
        return self.says

    def close(self) -> None:
        """There is nothing to close."""


def answer(stdout: bytes, stderr: bytes = b"", status: int | None = 0, ended: Reason | None = None) -> Answer:
    return Answer(stdout=stdout, stderr=stderr, exit=status, ended=ended, host_key=KEY, sent=AT, received=AT)


def asked(
    transport: Transport, *, privilege: Privilege = Privilege.NONE, deadline_s: float = 20, names: Any = ()
) -> TargetEvidence:
    evidence = visit(
        Host(name="web-01", privilege=privilege),
        transport,
        PROBES,
        Parameters(names=names),
        run=7,
        plan="ab" * 32,
        salt="c2FsdA==",
        boundary=BOUNDARY,
        now=now,
        deadline_s=deadline_s,
    )
    # Evidence is sealed as JSON: each one must survive the way there and back.
    assert msgspec.json.decode(msgspec.json.encode(evidence), type=TargetEvidence) == evidence
    return evidence


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    running = Sshd(tmp_path_factory.mktemp("sshd") / "s")
    yield running
    running.stop()


def over_ssh(server: Sshd, key: Path | None = None, pins: str | None = None) -> SshTransport:
    return to_host(
        address=HOST,
        port=server.port,
        user=USER,
        identity=load_identity(key or server.user_key),
        known_hosts=parse((server.pins() if pins is None else pins).encode(), "known_hosts"),
        connect_timeout_s=5,
    )


@pytest.fixture(scope="module")
def good() -> bytes:
    """Take a real whole answer of this machine."""
    return (
        LocalTransport()
        .ask(
            script.compose(PROBES, Parameters(), BOUNDARY),
            command=script.command(),
            cap_bytes=1 << 20,
            deadline=time.monotonic() + 20,
            now=now,
        )
        .stdout
    )


class TestRealHosts:
    def test_a_good_host_is_collected_with_everything_about_the_visit(self, server: Sshd) -> None:
        evidence = asked(over_ssh(server))
        assert (evidence.status, evidence.reason, evidence.detail) == (Status.COLLECTED, None, "")
        assert [section.name for section in evidence.sections] == ["platform"]
        assert (evidence.run, evidence.target, evidence.salt) == (7, "web-01", "c2FsdA==")
        seen = evidence.visit
        assert seen is not None
        assert (seen.transport, seen.privilege, seen.uid, seen.remote_exit) == ("ssh", "none", os.getuid(), 0)
        assert seen.host_key is not None
        assert seen.clocks is not None
        assert seen.clocks.host is not None
        assert abs((seen.clocks.host - seen.clocks.sent).total_seconds()) < 60
        assert len(seen.script_sha256) == 64
        assert (seen.noise_bytes, seen.stderr, evidence.notes) == (0, "", ())

    def test_the_same_host_asked_locally_answers_the_same(self, server: Sshd) -> None:
        local, remote = asked(LocalTransport()), asked(over_ssh(server))
        assert local.status is Status.COLLECTED
        assert local.visit is not None
        assert remote.visit is not None
        assert local.visit.script_sha256 == remote.visit.script_sha256
        ours, theirs = local.sections[0], remote.sections[0]
        assert ours.part("/etc/os-release") == theirs.part("/etc/os-release")

    @pytest.mark.parametrize(
        ("name", "command", "status", "reason"),
        [
            ("noise", f"echo Welcome; echo to you >&2; {ASKED}", Status.COLLECTED, None),
            ("stderr5m", f"head -c 5242880 /dev/zero >&2; {ASKED}", Status.COLLECTED, None),
            ("garbage", "head -c 100000 /dev/urandom", Status.UNREACHABLE, Reason.NO_ANSWER),
            ("silent", "exit 0", Status.UNREACHABLE, Reason.NO_ANSWER),
            ("refused", "echo This account is currently not available.; exit 1",
             Status.UNREACHABLE, Reason.NO_ANSWER),
            ("endless", "yes", Status.UNREACHABLE, Reason.TOO_MUCH_OUTPUT),
            ("then_endless", f"{ASKED} | head -c 400; yes", Status.PARTIAL, Reason.TOO_MUCH_OUTPUT),
            ("cut", f"{ASKED} | head -c 400", Status.PARTIAL, Reason.PROBE_CUT),
            ("cut_at_hello", f"{ASKED} | head -c 50", Status.UNREACHABLE, Reason.NO_ANSWER),
            ("hangs", "sleep 600", Status.UNREACHABLE, Reason.DEADLINE),
            ("hangs_late", f"{ASKED} | head -c 400; sleep 600", Status.PARTIAL, Reason.DEADLINE),
            ("never_ends", f"{ASKED}; sleep 600", Status.COLLECTED, None),
        ],
    )  # fmt: skip
    def test_what_a_host_does_decides_the_status(
        self, server: Sshd, name: str, command: str, status: Status, reason: Reason | None
    ) -> None:
        evidence = asked(over_ssh(server, server.key_for(f"v_{name}", command)), deadline_s=3)
        assert (evidence.status, evidence.reason) == (status, reason)
        assert bool(evidence.detail) == (status is not Status.COLLECTED)
        assert evidence.visit is not None
        assert evidence.visit.host_key is not None

    def test_a_login_shell_that_prints_is_noise_and_counted(self, tmp_path: Path) -> None:
        """Debian's bash reads .bashrc under sshd even for a command."""
        home = tmp_path / "home"
        home.mkdir()
        (home / ".bashrc").write_text(
            "echo Hello from bashrc\nalias ls='echo gone'\nprintf() { echo no; }\nexport -f printf\n"
        )
        noisy = Sshd(tmp_path / "s", settings=(f"SetEnv HOME={home}",))
        try:
            evidence = asked(over_ssh(noisy))
        finally:
            noisy.stop()
        assert evidence.status is Status.COLLECTED
        assert evidence.visit is not None
        assert evidence.visit.noise_bytes >= len("Hello from bashrc\n")

    @pytest.mark.parametrize(
        ("pins", "reason"), [("", Reason.HOST_KEY_UNKNOWN), ("changed", Reason.HOST_KEY_CHANGED)]
    )
    def test_a_host_key_we_do_not_believe_is_refused(
        self, server: Sshd, tmp_path: Path, pins: str, reason: Reason
    ) -> None:
        other = make_key(tmp_path / "other").with_suffix(".pub").read_text()
        text = f"[{HOST}]:{server.port} {other}" if pins else ""
        evidence = asked(over_ssh(server, pins=text))
        assert (evidence.status, evidence.reason) == (Status.REFUSED, reason)
        assert evidence.sections == ()

    def test_a_refused_login_is_refused(self, server: Sshd, tmp_path: Path) -> None:
        evidence = asked(over_ssh(server, make_key(tmp_path / "stranger")))
        assert (evidence.status, evidence.reason) == (Status.REFUSED, Reason.AUTH)


SUDO_WORDS = [
    (1, b"sudo: a password is required\n"),
    (1, b"sudo: sorry, you must have a tty to run sudo\n"),
    (1, b"Sorry, user tenken is not allowed to execute '/usr/bin/env' as root.\nsudo: x\n"),
    (127, b"sh: 1: exec: /usr/bin/sudo: not found\n"),
]


class TestPrivilege:
    @pytest.mark.parametrize(("status", "stderr"), SUDO_WORDS)
    def test_a_refused_sudo_is_refused_for_want_of_privilege(self, status: int, stderr: bytes) -> None:
        played = Played(says=answer(b"", stderr, status))
        evidence = asked(played, privilege=Privilege.SUDO)
        assert (evidence.status, evidence.reason) == (Status.REFUSED, Reason.NO_PRIVILEGE)

    def test_words_of_sudo_mean_nothing_where_sudo_was_not_asked(self) -> None:
        evidence = asked(Played(says=answer(b"", b"sudo: a password is required\n", 1)))
        assert (evidence.status, evidence.reason) == (Status.UNREACHABLE, Reason.NO_ANSWER)

    @pytest.mark.parametrize("privilege", Privilege)
    def test_sudo_is_in_the_command_only_where_declared(self, privilege: Privilege) -> None:
        seen: list[str] = []

        class Listening(Played, frozen=True, kw_only=True):
            def ask(self, script: bytes, **how: Any) -> Answer:
                seen.append(how["command"])
                return super().ask(script, **how)

        asked(Listening(says=answer(b"")), privilege=privilege)
        assert seen[0].startswith("exec /usr/bin/sudo -n /usr/bin/env -i ") == (privilege is Privilege.SUDO)
        assert ("sudo" in seen[0]) == (privilege in (Privilege.SUDO, Privilege.INSTALLED))


class TestHonesty:
    def test_no_prefix_of_an_answer_counts_as_collected(self, good: bytes) -> None:
        assert asked(Played(says=answer(good))).status is Status.COLLECTED
        # The last line's own words are not judged before its newline has come.
        for size in range(0, len(good) - 1, 7):
            assert asked(Played(says=answer(good[:size]))).status is not Status.COLLECTED

    def test_no_single_lost_byte_of_a_payload_counts_as_collected(self, good: bytes) -> None:
        first = good.index(b" begin ")
        last = good.rindex(b" end s=")
        for at in range(first + 40, last - 40, 97):
            evidence = asked(Played(says=answer(good[:at] + good[at + 1 :])))
            assert evidence.status is Status.PARTIAL, at

    def test_a_done_line_without_the_asked_sections_is_partial(self) -> None:
        stream = f"\n@{BOUNDARY} hello v=1 uid=0 epoch=1800000000\n\n@{BOUNDARY} done n=0 t=1.00\n".encode()
        evidence = asked(Played(says=answer(stream)))
        assert (evidence.status, evidence.reason) == (Status.PARTIAL, Reason.PROBE_CUT)
        assert "platform" in evidence.detail

    def test_a_done_line_with_another_count_is_partial(self, good: bytes) -> None:
        evidence = asked(Played(says=answer(good.replace(b" done n=1 ", b" done n=2 "))))
        assert (evidence.status, evidence.reason) == (Status.PARTIAL, Reason.PROBE_CUT)

    @given(st.binary(max_size=400), st.booleans())
    def test_arbitrary_bytes_never_raise_and_are_never_collected(self, raw: bytes, framed: bool) -> None:  # noqa: FBT001 (drawn)
        stream = f"\n@{BOUNDARY} hello v=1 uid=0\n".encode() + raw if framed else raw
        evidence = asked(Played(says=answer(stream, raw, 1)))
        assert evidence.status is (Status.PARTIAL if framed else Status.UNREACHABLE)
        assert evidence.visit is not None
        assert (evidence.visit.stderr + evidence.detail).isascii()
        assert (evidence.visit.stderr + evidence.detail).isprintable()

    @pytest.mark.parametrize(
        "reason",
        [Reason.NAME, Reason.ROUTE, Reason.REFUSED, Reason.CONNECT_TIMEOUT, Reason.NO_BANNER, Reason.PROTOCOL,
         Reason.DEADLINE, Reason.INTERRUPTED],
    )  # fmt: skip
    def test_a_host_that_cannot_be_asked_is_unreachable(self, reason: Reason) -> None:
        evidence = asked(Played(says=HostError(reason, "why")))
        assert (evidence.status, evidence.reason, evidence.detail) == (Status.UNREACHABLE, reason, "why")

    def test_an_impossible_parameter_is_our_error_before_the_host_is_asked(self) -> None:
        with pytest.raises(ConfigError):
            asked(Played(says=HostError(Reason.NAME, "asked")), names=("a b",))

    def test_an_excluded_host_stays_in_the_population_with_its_reason(self) -> None:
        evidence = not_visited(
            Host(name="old", excluded="scrapped"),
            run=1,
            plan="",
            salt=base64.b64encode(b"s").decode(),
            reason=Reason.EXCLUDED,
            detail="scrapped",
        )
        assert (evidence.status, evidence.reason) == (Status.EXCLUDED, Reason.EXCLUDED)
        assert printable(b"scrapped") == evidence.detail
