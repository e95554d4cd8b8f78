"""What of the SSH library is used: less than it would load, and no less than its order of messages."""

import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collectors.evidence import Reason
from collectors.identities import load_identity
from collectors.known_hosts import parse
from collectors.transport import Answer, HostError
from tests.collectors.sshd import HOST, Sshd, playing, to_host

IGNORE, DEBUG = 2, 4
PIECE = 1 << 16


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    running = Sshd(tmp_path_factory.mktemp("sshd") / "s")
    yield running
    running.stop()


def test_the_library_is_loaded_without_its_program_runner() -> None:
    told = "import sys, collectors.ssh; print('paramiko' in sys.modules, 'invoke' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


def in_plain(kind: int) -> bytes:
    """A packet as it is before the first keys, RFC 4253 section 6: length, padding, payload."""
    payload = bytes([kind, 0]) + struct.pack(">I", 2) + b"hi" + struct.pack(">I", 0)
    padding = 8 - (5 + len(payload)) % 8 + 8
    return struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)


def exactly(stream: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += stream.recv(size - len(data)) or pytest.fail("it ended")
    return data


def between(server: Sshd, packet: bytes) -> Callable[[socket.socket], None]:
    """Somebody on the way, who puts a packet of his own behind the server's first one."""

    def role(client: socket.socket) -> None:
        with socket.create_connection((HOST, server.port)) as real:

            def upwards() -> None:
                while data := client.recv(PIECE):
                    real.sendall(data)

            threading.Thread(target=upwards, daemon=True).start()
            while True:
                sign = exactly(real, 1)
                client.sendall(sign)
                if sign == b"\n":
                    break
            head = exactly(real, 4)
            client.sendall(head + exactly(real, int.from_bytes(head, "big")) + packet)
            while data := real.recv(PIECE):
                client.sendall(data)

    return role


def ask(server: Sshd, port: int) -> Answer:
    transport = to_host(
        port=port,
        identity=load_identity(server.user_key),
        known_hosts=parse(server.pins().replace(f":{server.port}", f":{port}").encode(), "known_hosts"),
        connect_timeout_s=5,
    )
    return transport.ask(
        b"echo hello\n", command="exec /bin/sh -s", cap_bytes=1 << 20,
        deadline=time.monotonic() + 20, now=lambda: datetime.now(UTC),
    )  # fmt: skip


@pytest.mark.parametrize("kind", [IGNORE, DEBUG])
def test_a_packet_slipped_in_before_the_keys_ends_the_connection(server: Sshd, kind: int) -> None:
    """CVE-2023-48795: one that means nothing lets a later one that means something be cut off."""
    with playing(between(server, in_plain(kind))) as port, pytest.raises(HostError) as caught:
        ask(server, port)
    assert caught.value.reason is Reason.PROTOCOL
    assert "strict-kex" in caught.value.detail


def test_nothing_slipped_in_gets_its_answer(server: Sshd) -> None:
    with playing(between(server, b"")) as port:
        assert ask(server, port).stdout == b"hello\n"


def test_debug_messages_of_a_server_do_no_harm(server: Sshd, tmp_path: Path) -> None:
    """A server says such a thing of each option of a key."""
    folder = tmp_path / "s"
    told = Sshd(folder)
    try:
        keys = folder / "authorized_keys"
        keys.write_text(f'no-pty,environment="A=b",no-X11-forwarding {keys.read_text()}')
        assert ask(told, told.port).stdout == b"hello\n"
    finally:
        told.stop()
