"""Real sshd processes on the loopback, and small servers for what sshd will not do."""

import contextlib
import getpass
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from collectors.dialer import Dialer
from collectors.identities import Identity
from collectors.known_hosts import KnownHosts
from collectors.road import Direct
from collectors.ssh import SshTransport
from collectors.ssh_session import Login

SSHD = "/usr/sbin/sshd"
HOST = "127.0.0.1"
USER = getpass.getuser()
KINDS = {"ed25519": "ssh-ed25519", "ecdsa": "ecdsa-sha2-nistp256", "rsa": "ssh-rsa"}
ASKED = 'sh -c \\"$SSH_ORIGINAL_COMMAND\\"'
"""for a forced command: run what was asked for"""


def to_host(
    *,
    address: str = HOST,
    port: int,
    user: str = USER,
    identity: Identity,
    known_hosts: KnownHosts,
    connect_timeout_s: float,
    dialer: Dialer | None = None,
) -> SshTransport:
    """Return a transport to one host without a site."""
    login = Login(address=address, port=port, user=user, identities=(identity,), known_hosts=known_hosts)
    return SshTransport(login, Direct(address, port, connect_timeout_s=connect_timeout_s, dialer=dialer))


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    bits = ["-b", "2048"] if kind == "rsa" else []
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, *bits, "-N", passphrase, "-C", "test", "-f", str(path)], check=True
    )
    return path


def public(path: Path) -> str:
    """Return `type base64` of a key."""
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


class Sshd:
    """One server with some host keys; each further user key may carry a forced command."""

    def __init__(
        self,
        folder: Path,
        kinds: tuple[str, ...] = ("ed25519",),
        settings: tuple[str, ...] = (),
        *,
        listen: str = HOST,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.host_keys = {KINDS[kind]: make_key(folder / f"host_{kind}", kind) for kind in kinds}
        self.user_key = make_key(folder / "user")
        self._authorized = folder / "authorized_keys"
        self._authorized.write_text(public(self.user_key) + "\n")
        with socket.create_server((HOST, 0)) as free:
            self.port: int = free.getsockname()[1]
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        config = folder / "sshd_config"
        # The first value of a keyword counts.
        lines = [
            *settings,
            f"Port {self.port}",
            f"ListenAddress {listen}",
            *(f"HostKey {key}" for key in self.host_keys.values()),
            f"AuthorizedKeysFile {self._authorized}",
            "StrictModes no",
            "UsePAM no",
            "PidFile none",
            "UseDNS no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "MaxStartups 200",
            "LogLevel ERROR",
        ]
        config.write_text("\n".join(lines) + "\n")
        log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        self._await_greeting()

    def key_for(self, name: str, command: str) -> Path:
        """Make a user key that always runs `command`."""
        key = make_key(self.folder / f"user_{name}")
        with self._authorized.open("a") as authorized:
            authorized.write(f'command="{command}" {public(key)}\n')
        return key

    def pins(self, *kinds: str) -> str:
        """Return known_hosts lines for some of the host's keys (all when none is named)."""
        return "".join(
            f"[{HOST}]:{self.port} {public(path)}\n"
            for kind, path in self.host_keys.items()
            if not kinds or kind in kinds
        )

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)

    def _await_greeting(self) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with (
                contextlib.suppress(OSError),
                socket.create_connection((HOST, self.port), timeout=1) as connection,
            ):
                if connection.recv(4) == b"SSH-":
                    return
            time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())


@contextlib.contextmanager
def playing(role: Callable[[socket.socket], None]) -> Iterator[int]:
    """Play a server: `role` gets each connection, and the port is yielded."""
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(30)

        def one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                role(connection)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=one, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def reset(connection: socket.socket) -> None:
    """End a connection with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
