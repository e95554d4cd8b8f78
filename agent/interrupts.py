"""Ctrl-C and SIGTERM during a run: end the visits, seal what is there, say it is incomplete."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from types import FrameType

from msgspec import Struct


class Interruption(Struct, kw_only=True):
    """Whether somebody asked to stop, and how."""

    flag: Event
    number: int = 0
    """the signal; 0 when nobody asked"""

    @property
    def status(self) -> int:
        """Exit status of a command that a signal ended (POSIX shells: 128 + number)."""
        return 128 + self.number


@contextmanager
def gently(ending: str = "ending; what was read is sealed as incomplete") -> Iterator[Interruption]:
    """Turn the first Ctrl-C or SIGTERM into a flag, saying `ending`; the second ends the process as usual."""
    interruption = Interruption(flag=Event())
    if current_thread() is not main_thread():
        yield interruption
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (signal's signature)
        interruption.number = number
        interruption.flag.set()
        print(f"tenken: {ending}", file=sys.stderr)
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, ask)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
