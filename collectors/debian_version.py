"""The order of Debian package versions, as deb-version(7) defines it."""

import re

_EPOCH = re.compile(r"[0-9]{1,9}")
_UPSTREAM = re.compile(r"[A-Za-z0-9.+~:-]+")
_REVISION = re.compile(r"[A-Za-z0-9.+~]+")
_PIECES = re.compile(r"([^0-9]*)([0-9]*)")
MAX_LENGTH = 256
"""longer versions are not read; the longest in use have about 60 characters"""

_Pair = tuple[tuple[int, ...], int]
_END: _Pair = ((0,), 0)
VersionKey = tuple[int, tuple[_Pair, ...], tuple[_Pair, ...]]
"""compares as dpkg compares: epoch, upstream version, revision"""


def version_key(version: str) -> VersionKey:
    """Return what to sort versions by; raises ValueError for what is no version."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, "0"
    right = _EPOCH.fullmatch(epoch) and _UPSTREAM.fullmatch(upstream) and _REVISION.fullmatch(revision)
    if not right or len(version) > MAX_LENGTH:
        message = f"no Debian version: {version[:60]!r}"
        raise ValueError(message)
    return (int(epoch), _order(upstream), _order(revision))


def is_newer(candidate: str, installed: str) -> bool:
    """Say whether `candidate` is the higher version; raises ValueError when one is no version."""
    return version_key(candidate) > version_key(installed)


def _order(text: str) -> tuple[_Pair, ...]:
    """Split into pairs of non-digits and a number.

    An absent number counts as 0, and the end of the text sorts after `~` and before all else.
    """
    pairs = [
        ((*(_weight(char) for char in letters), 0), int(digits or 0))
        for letters, digits in _PIECES.findall(text)
        if letters or digits
    ]
    # "0" and "" are the same: a first pair that says nothing is dropped when it is the only one,
    # and two ends stand behind, so that "0" is still compared where "0~" goes on.
    if pairs == [_END]:
        pairs = []
    return (*pairs, _END, _END)


def _weight(char: str) -> int:
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256
