"""The order of RPM versions, as rpm-version(7) and rpm's own `rpmvercmp` define it."""

import re

_PIECES = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
_PART = re.compile(r"[!-,.-~]{1,128}")
_EPOCH = re.compile(r"[0-9]{1,10}")

_Piece = tuple[int, int, str]
_TILDE, _END, _CARET = (0, 0, ""), (1, 0, ""), (2, 0, "")
_LETTERS, _DIGITS = 3, 4
EvrKey = tuple[int, tuple[_Piece, ...], tuple[_Piece, ...]]
"""compares as rpm compares: epoch, version, release"""


def version_key(text: str) -> tuple[_Piece, ...]:
    """Return what to sort a version or a release by; characters that only separate say nothing."""
    return (*(_piece(found) for found in _PIECES.findall(text)), _END)


def evr_key(epoch: str, version: str, release: str) -> EvrKey:
    """Return what to sort packages of one name by; raises ValueError for what rpm would not build."""
    if not (_EPOCH.fullmatch(epoch) and _PART.fullmatch(version) and _PART.fullmatch(release)):
        message = "no RPM version"
        raise ValueError(message)
    return (int(epoch), version_key(version), version_key(release))


def spell(epoch: str, version: str, release: str) -> str:
    """Write an EVR as rpm and dnf do: the epoch only where it is not 0."""
    return f"{version}-{release}" if epoch == "0" else f"{epoch}:{version}-{release}"


def split_evr(text: str) -> tuple[str, str, str]:
    """Take apart what `spell` wrote; the release may be missing."""
    epoch, colon, rest = text.partition(":")
    version, _, release = (rest if colon else text).partition("-")
    return (epoch if colon else "0", version, release)


def _piece(text: str) -> _Piece:
    if text in "~^":
        return _TILDE if text == "~" else _CARET
    if text[0].isdigit():
        digits = text.lstrip("0")
        return (_DIGITS, len(digits), digits)
    return (_LETTERS, 0, text)
