"""A relay in front of a real sshd that ends a connection at a chosen place of what the server says.

From the key exchange on packets are encrypted, but AES-GCM leaves their lengths readable (RFC 5647 section
7.3), so the place is a number of packets. That cipher has to be the one both sides agree on.
"""

import contextlib
import select
import socket
import threading
from typing import Literal

from msgspec import Struct

from tests.collectors.sshd import HOST, reset

_NEWKEYS = 21
_TAG = 16


class Cut(Struct, frozen=True, kw_only=True):
    """Where a connection ends."""

    after: int
    """so many units of the server have passed: its version line, then its packets"""
    half: bool = False
    """and half of the next one"""
    how: Literal["reset", "end", "stall"]
    """a stalled connection stays open until the client leaves"""


class Relay:
    """Listens at `port` for as many clients as come."""

    def __init__(self, address: str, port: int, cut: Cut) -> None:
        self._there = (address, port)
        self._cut = cut
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        # close() alone does not wake a thread that waits in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        ended = threading.Event()
        with client, socket.create_connection(self._there) as server:
            listener = threading.Thread(target=_copy, args=(client, server, ended), daemon=True)
            listener.start()
            with contextlib.suppress(OSError):
                self._speak(server, client)
            if self._cut.how != "stall":
                ended.set()
            # A socket that another thread waits for is not closed.
            listener.join()
            if self._cut.how == "reset":
                reset(client)

    def _speak(self, server: socket.socket, client: socket.socket) -> None:
        """Pass on what the server says, until the cut."""
        stream = server.makefile("rb")
        tag = 0
        for number in range(self._cut.after + self._cut.half):
            if number == 0:
                unit = stream.readline()
            else:
                head = stream.read(4)
                unit = head + stream.read(int.from_bytes(head, "big") + tag)
                if not tag and len(unit) > 5 and unit[5] == _NEWKEYS:
                    tag = _TAG
            if not unit:
                return
            client.sendall(unit[: len(unit) // 2] if number == self._cut.after else unit)


def _copy(source: socket.socket, sink: socket.socket, ended: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while not ended.is_set():
            if not select.select([source], [], [], 0.02)[0]:
                continue
            data = source.recv(65_536)
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(data)
