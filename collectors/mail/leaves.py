"""The words in which a file reader answers: verdict on the outer file, and the files inside."""

from msgspec import Struct

from collectors.sources.mail import Inspected, Kind, Members, Personal, Protection, Role, Why

MAX_DEPTH = 6
"""archives in archives"""
MAX_MEMBERS = 20_000
"""of one message"""
MAX_LEAVES = 2_000
"""files of one attachment that are opened and listed; members that need a secret are only counted"""
MAX_MEMBER_BYTES = 64 * 1024 * 1024
MAX_UNPACKED_BYTES = 256 * 1024 * 1024
"""of one attachment, all levels together"""
MAX_RATIO = 250
RATIO_FROM_BYTES = 8 * 1024 * 1024
"""below, a high ratio is only a well compressed table"""


class Order(Struct, frozen=True, kw_only=True):
    """What the worker is asked about one leaf; its bytes follow."""

    path: str
    declared: str
    ext: str
    role: Role
    damaged: bool
    own_domains: tuple[str, ...]
    key: bytes
    """of the run: leaf digests are keyed"""


class LimitError(Exception):
    """A file asks for more than is spent on one; the leaf reads `limit`."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


class DamagedError(Exception):
    """A file is not what its kind demands; the leaf reads `corrupt`."""

    def __init__(self, why: Why = Why.DAMAGED) -> None:
        super().__init__(why.value)
        self.why = why


class Inner(Struct, frozen=True, kw_only=True):
    """A file found inside another: its bytes, or why it could not be had."""

    name: str = ""
    """only its extension is ever kept"""
    content: bytes = b""
    protection: Protection | None = None
    """set when the content could not be had"""
    why: Why | None = None
    bytes: int = 0


class Verdict(Struct, frozen=True, kw_only=True):
    """What a reader says of one file."""

    kind: Kind
    protection: Protection
    algorithm: str = ""
    why: Why | None = None
    inspected: Inspected = Inspected.NOT
    members: Members | None = None
    personal: Personal | None = None
    inner: tuple[Inner, ...] = ()


class Budget:
    """What is left to spend on one attachment, all levels together."""

    def __init__(self) -> None:
        self._bytes = MAX_UNPACKED_BYTES
        self._members = MAX_MEMBERS
        self._leaves = MAX_LEAVES

    def unpack(self, size: int, packed: int) -> None:
        """Spend unpacked bytes; raises LimitError."""
        if size > MAX_MEMBER_BYTES:
            raise LimitError(Why.SIZE)
        if size > RATIO_FROM_BYTES and size > packed * MAX_RATIO:
            raise LimitError(Why.RATIO)
        self._bytes -= size
        if self._bytes < 0:
            raise LimitError(Why.SIZE)

    def list(self, members: int) -> None:
        """Spend directory entries; raises LimitError."""
        self._members -= members
        if self._members < 0:
            raise LimitError(Why.MEMBERS)

    def open_leaf(self) -> None:
        """Spend one opened file; raises LimitError."""
        self._leaves -= 1
        if self._leaves < 0:
            raise LimitError(Why.MEMBERS)
