"""Real OpenSSH servers on loopback addresses, and ports that are dead or silent."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.peers import CACHE
from tests.collectors.sshd import USER, Sshd, public

SERVERS = 4
CLIENT = Path(__file__).with_name("clients.py")
Where = tuple[str, int]


class Lab:
    """A few real servers that answer on all loopback addresses."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        # The shell of a command must not read the start-up files of whoever measures.
        settings = ("MaxStartups 2000", "Subsystem sftp internal-sftp", f"SetEnv HOME={folder}")
        self._folder = folder
        self._servers = [
            Sshd(folder / f"s{number}", settings=settings, listen="0.0.0.0")  # noqa: S104 (loopback addresses of this machine)
            for number in range(SERVERS)
        ]
        for server in self._servers:
            stack.callback(server.stop)
        self._key = self._servers[0].user_key
        for server in self._servers[1:]:
            (server.folder / "authorized_keys").write_text(public(self._key) + "\n")

    def addresses(self, count: int) -> list[Where]:
        """As many hosts as wanted."""
        return [
            (f"127.1.{number // 250}.{number % 250 + 1}", self._servers[number % SERVERS].port)
            for number in range(count)
        ]

    def run(self, client: str, hosts: list[Where], good: int) -> dict[str, Any]:
        """Let a client in a process of its own ask; returns what clients.py prints.

        Raises RuntimeError when one of the `good` hosts was lost: the figures are worthless then.
        """
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            known_hosts, order = Path(name) / "known_hosts", Path(name) / "order.json"
            # A line a host, as users have them.
            known_hosts.write_text("".join(f"[{host}]:{port} {self._pin(port)}\n" for host, port in hosts))
            given = {"client": client, "key": str(self._key), "user": USER, "hosts": hosts}
            order.write_text(json.dumps({**given, "known_hosts": str(known_hosts), "folder": name}))
            done = subprocess.run(
                [sys.executable, CLIENT, order], capture_output=True, check=False, env=compiled()
            )
        if done.returncode != 0:
            message = f"{client}: {(done.stdout + done.stderr).decode(errors='replace')[-4_000:]}"
            raise RuntimeError(message)
        found: dict[str, Any] = json.loads(done.stdout)
        if found["good"] != good:
            message = f"{client}: {good - found['good']} good hosts were lost: {found}"
            raise RuntimeError(message)
        return found

    def _pin(self, port: int) -> str:
        """Return the host key behind a port; a dead one has none, which nobody will see."""
        server = next((each for each in self._servers if each.port == port), self._servers[0])
        return public(next(iter(server.host_keys.values())))


def compiled() -> dict[str, str]:
    """Return an environment in which Python keeps what it compiled, as it does for users."""
    wanted = {**os.environ, "PYTHONPYCACHEPREFIX": str(CACHE / "compiled")}
    wanted.pop("PYTHONDONTWRITEBYTECODE", None)
    return wanted


def silent(stack: ExitStack) -> int:
    """Return a port that accepts and never says a word."""
    server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1_000))
    port: int = server.getsockname()[1]
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                held.append(server.accept()[0])
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    return port


def full(stack: ExitStack) -> int:
    """Return a port whose backlog is full: the kernel drops what comes, as a firewall does."""
    server = stack.enter_context(socket.socket())
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    port: int = server.getsockname()[1]
    for _ in range(4):
        filler = stack.enter_context(socket.socket())
        filler.setblocking(False)  # noqa: FBT003 (the socket module's signature)
        filler.connect_ex(("127.0.0.1", port))
    return port


def closed() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
