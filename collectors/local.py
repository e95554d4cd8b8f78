"""Ask the auditing machine itself: the same script through a subprocess instead of a connection."""

from collections.abc import Callable
from datetime import datetime

from collectors.process import Process
from collectors.transport import Answer

_SHELL = "/bin/sh"


class LocalTransport:
    """This machine; see `collectors.transport.Transport`."""

    kind = "local"

    def __init__(self) -> None:
        self._process = Process()

    def prepare(self, done: Callable[[], None]) -> None:
        """See `Transport.prepare`: there is nothing to wait for."""
        done()

    def ask(
        self, script: bytes, *, command: str, cap_bytes: int, deadline: float, now: Callable[[], datetime]
    ) -> Answer:
        """See `Transport.ask`. Everything the script started is killed when time is up."""
        sent = now()
        # The same command line as over SSH; `env -i` in it gives the same bare environment.
        ended = self._process.run(
            (_SHELL, "-c", command), script, cap_bytes=cap_bytes, deadline=deadline, env={}
        )
        return Answer(
            stdout=ended.stdout,
            stderr=ended.stderr,
            exit=ended.exit,
            ended=ended.why,
            host_key=None,
            sent=sent,
            received=now(),
        )

    def close(self) -> None:
        """See `Transport.close`."""
        self._process.stop()
