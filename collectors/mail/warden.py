"""The worker from outside: hands leaves over, waits within a limit, replaces what does not answer."""

import contextlib
import os
import selectors
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

import msgspec

from collectors.evidence import Reason
from collectors.mail.entries import JournalError
from collectors.mail.frames import ANSWER, FRAME, MAX_ANSWER_BYTES, MAX_CONTENT_BYTES
from collectors.mail.leaves import Order
from collectors.sources.mail import Kind, Leaf, Protection, Why

START_S = 60.0
"""to import Python and its libraries on a busy machine"""
LEAF_S = 20.0
"""wall time of one leaf; its CPU time is limited to half of it by the worker itself"""
_CHUNK = 65_536


class Warden:
    """Owns at most one worker process; a context manager that leaves none behind."""

    def __init__(self, *, leaf_s: float = LEAF_S) -> None:
        self._leaf_s = leaf_s
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def judge(self, order: Order, content: bytes, *, within_s: float = LEAF_S) -> tuple[Leaf, ...]:
        """Return the facts of one leaf; a single `limit` leaf when the worker had to be replaced.

        Raises JournalError when no worker can be started: that is no property of the mail.
        """
        if len(content) > MAX_CONTENT_BYTES:
            return (_limited(order, content, Why.SIZE),)
        deadline = time.monotonic() + min(self._leaf_s, within_s)
        process = self._process or self._start()
        request = msgspec.json.encode(order)
        try:
            answer = _exchange(
                process, FRAME.pack(len(request), len(content)) + request, content, deadline=deadline
            )
            return msgspec.json.decode(answer, type=tuple[Leaf, ...])
        except (OSError, TimeoutError, EOFError, msgspec.MsgspecError):
            self._end()
            return (_limited(order, content, Why.TIME),)

    def _start(self) -> subprocess.Popen[bytes]:
        # -P: a file in the working folder must never be imported in place of a module.
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", "-s", "-m", "collectors.mail.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries print parts of files there
            env={"PYTHONPATH": os.pathsep.join(place for place in sys.path if place), "LC_ALL": "C.UTF-8"},
            cwd="/",
        )
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
        try:
            _read_answer(process, time.monotonic() + START_S)
        except (OSError, TimeoutError, EOFError) as err:
            self._end()
            raise JournalError(
                Reason.INTERNAL,
                "the process that parses attachments did not start",
                hint="Run python -m collectors.mail.worker by hand; it should wait for input.",
            ) from err
        return process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()


def _exchange(process: subprocess.Popen[bytes], *pieces: bytes, deadline: float) -> bytes:
    _write(process, pieces, deadline)
    return _read_answer(process, deadline)


def _write(process: subprocess.Popen[bytes], pieces: tuple[bytes, ...], deadline: float) -> None:
    if process.stdin is None:
        raise EOFError
    out = process.stdin.fileno()
    with selectors.DefaultSelector() as waiting:
        waiting.register(out, selectors.EVENT_WRITE)
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                _wait(waiting, deadline)
                rest = rest[os.write(out, rest[:_CHUNK]) :]


def _read_answer(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    if process.stdout is None:
        raise EOFError
    source = process.stdout.fileno()
    with selectors.DefaultSelector() as waiting:
        waiting.register(source, selectors.EVENT_READ)
        (size,) = ANSWER.unpack(_read(source, ANSWER.size, waiting, deadline))
        if size > MAX_ANSWER_BYTES:
            raise EOFError
        return _read(source, size, waiting, deadline)


def _read(source: int, size: int, waiting: selectors.BaseSelector, deadline: float) -> bytes:
    got = bytearray()
    while len(got) < size:
        _wait(waiting, deadline)
        piece = os.read(source, min(size - len(got), _CHUNK))
        if not piece:
            raise EOFError
        got += piece
    return bytes(got)


def _wait(waiting: selectors.BaseSelector, deadline: float) -> None:
    if not waiting.select(max(deadline - time.monotonic(), 0)):
        raise TimeoutError


def _limited(order: Order, content: bytes, why: Why) -> Leaf:
    return Leaf(
        path=order.path,
        digest="",
        bytes=len(content),
        declared=order.declared,
        ext=order.ext,
        role=order.role,
        kind=Kind.BINARY,
        protection=Protection.LIMIT,
        why=why,
    )
