"""How the connection to a host's SSH server comes about: directly, by a command, or through other hosts."""

import contextlib
import math
import os
import signal
import socket
import subprocess
import time
from typing import Protocol

from collectors.dialer import Dialer, Done, connect
from collectors.evidence import Reason
from collectors.transport import HostError
from collectors.wire import Wire


class Road(Protocol):
    """A way to one host's SSH port, good for one connection at a time."""

    def begin(self, done: Done) -> None:
        """Set out without blocking; `done` gets the connection once it is there, or why there is none."""
        ...

    def open(self, deadline: float) -> Wire:
        """Connect and wait for it, until `deadline` (time.monotonic()) at most.

        Raises HostError when there is no connection.
        """
        ...


class Direct:
    """A TCP connection from this machine."""

    def __init__(
        self, address: str, port: int, *, connect_timeout_s: float, dialer: Dialer | None = None
    ) -> None:
        self._address = address
        self._port = port
        self._timeout_s = connect_timeout_s
        self._dialer = dialer
        """shared by all hosts of a run"""

    def begin(self, done: Done) -> None:
        """See `Road.begin`: the greeting is waited for too."""
        if self._dialer is None:
            message = "no dialer was given"
            raise ValueError(message)
        self._dialer.dial(
            self._address, self._port, connect_timeout_s=self._timeout_s, deadline=math.inf, done=done
        )

    def open(self, deadline: float) -> Wire:
        """See `Road.open`."""
        return connect(
            self._address,
            self._port,
            connect_timeout_s=self._timeout_s,
            deadline=deadline,
            dialer=self._dialer,
        )


class Command:
    """ProxyCommand of ssh_config(5): a command of the user's own whose streams are the connection."""

    def __init__(self, command: str, *, connect_timeout_s: float) -> None:
        self._command = command
        self._timeout_s = connect_timeout_s

    def begin(self, done: Done) -> None:
        """See `Road.begin`: the command is started; its greeting is waited for later."""
        try:
            done(self.open(math.inf))
        except HostError as failure:
            done(failure)

    def open(self, deadline: float) -> Wire:
        """See `Road.open`. The command ends with the connection."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                # As ssh does: the user's shell, replaced by the command.
                child = subprocess.Popen(  # noqa: S603 (the user's own configuration)
                    [os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {self._command}"],
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as err:
                ours.close()
                raise HostError(Reason.ROUTE, f"the proxy command cannot be run: {err.strerror}") from err
        greet_by = time.monotonic() + self._timeout_s
        return Wire(ours, greet_by=greet_by, deadline=deadline, on_close=lambda: _reap(child))


def _reap(child: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(0.5)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
