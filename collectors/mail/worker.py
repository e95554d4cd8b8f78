"""The process in which attachments are parsed: limited in memory and CPU, with nothing to write to.

`python -m collectors.mail.worker` reads framed orders from standard input until it ends, and answers each
with a frame of JSON. It is killed and replaced from outside when an answer takes too long.
"""

import resource
import signal
import sys
from typing import BinaryIO

import msgspec

from collectors.mail.frames import ANSWER, FRAME
from collectors.mail.leaf import judge
from collectors.mail.leaves import Order

MEMORY_BYTES = 1024 * 1024 * 1024
LEAF_CPU_S = 10
"""qpdf's repair of a small hostile file was seen to take 2.6 s"""


def main() -> None:
    """Serve orders until standard input ends."""
    # The parent decides about ending; its terminal's interrupt must not leave half an answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit()
    sys.stdout.buffer.write(ANSWER.pack(0))
    sys.stdout.buffer.flush()
    while serve(sys.stdin.buffer, sys.stdout.buffer):
        pass


def limit() -> None:
    """Give up memory beyond the cap, files to write, and core dumps, which would hold mail."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_cpu() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + LEAF_CPU_S, hard))


def serve(source: BinaryIO, sink: BinaryIO) -> bool:
    """Answer one order; False when there is none any more."""
    head = source.read(FRAME.size)
    if len(head) < FRAME.size:
        return False
    order_size, content_size = FRAME.unpack(head)
    order = msgspec.json.decode(source.read(order_size), type=Order)
    content = source.read(content_size)
    _limit_cpu()
    answer = msgspec.json.encode(judge(order, content))
    sink.write(ANSWER.pack(len(answer)) + answer)
    sink.flush()
    return True


if __name__ == "__main__":
    main()
