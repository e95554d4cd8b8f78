"""PDF: does it open without a password (qpdf answers), and with which cipher is it closed otherwise.

pikepdf cannot show the encryption dictionary of a file that it cannot open, so that one is read here;
it stands in clear text in every PDF (ISO 32000-2, 7.6.2) and never inside an object stream.
"""

import io
import re

import pikepdf

from collectors.mail.leaves import Budget, DamagedError, Inner, LimitError, Verdict
from collectors.sources.mail import Kind, Protection, Why

MAX_TRAILING = 16
"""visible bytes after the last end mark that may be transport junk; a person takes more"""
_REFERENCE = re.compile(rb"/Encrypt\s+([0-9]{1,10})\s+([0-9]{1,5})\s+R")
_DIRECT = re.compile(rb"/Encrypt\s*<<")
_NUMBER = re.compile(rb"/(V|R|Length)\s+([0-9]{1,4})(?=[\s/>])")
_METHOD = re.compile(rb"/CFM\s*/([A-Za-z0-9]{1,16})")
_FILTER = re.compile(rb"/Filter\s*/([A-Za-z0-9.]{1,40})")
_STREAMS = re.compile(rb"/StmF\s*/([A-Za-z0-9]{1,40})")
_EMBEDDED = re.compile(rb"/EFF\s*/([A-Za-z0-9]{1,40})")
_WINDOW = 16_384
"""an encryption dictionary with certificates of some recipients"""


def read_pdf(data: bytes, budget: Budget) -> Verdict:
    """Judge a PDF; raises DamagedError when even qpdf's repair cannot open it."""
    try:
        with pikepdf.open(io.BytesIO(data), suppress_warnings=True) as pdf:
            is_encrypted = bool(pdf.is_encrypted)
            if is_encrypted and not (pdf.user_password_matched or pdf.owner_password_matched):
                # Seen: a file that qpdf had to repair opens although the password was never right.
                raise DamagedError
            inner = tuple(_attachments(pdf, budget))
    except pikepdf.PasswordError:
        verdict = _closed(data)
        if verdict.protection in (Protection.STRONG, Protection.WEAK) and not _is_sound(data):
            # Damage can spoil the empty password too: what only looks closed is not called protected.
            raise DamagedError from None
        return verdict
    except (
        pikepdf.PdfError,
        pikepdf.DataDecodingError,
        ValueError,
        TypeError,
        KeyError,
        RuntimeError,
    ) as err:
        # A certificate handler is an error to qpdf ("unsupported encryption filter"), no password request.
        dictionaries = _dictionaries(data)
        if dictionaries and all(_filter(found) == b"Adobe.PubSec" for found in dictionaries):
            return _closed(data)
        raise DamagedError from err
    if not is_encrypted:
        return Verdict(kind=Kind.PDF, protection=Protection.NONE, why=Why.NO_READER, inner=inner)
    algorithm, _ = _strength(_dictionaries(data))
    return Verdict(
        kind=Kind.PDF,
        protection=Protection.TRIVIAL,
        algorithm=algorithm,
        why=Why.EMPTY_PASSWORD,
        inner=inner,
    )


def _is_sound(data: bytes) -> bool:
    """Whether the password is asked for without any repair of the file."""
    try:
        pikepdf.open(io.BytesIO(data), suppress_warnings=True, attempt_recovery=False).close()
    except pikepdf.PasswordError:
        return True
    except (pikepdf.PdfError, pikepdf.DataDecodingError, ValueError, TypeError, KeyError, RuntimeError):
        return False
    return False


def _attachments(pdf: pikepdf.Pdf, budget: Budget) -> "list[Inner]":
    found: list[Inner] = []
    for name, specification in pdf.attachments.items():
        budget.list(1)
        try:
            stream = specification.get_file()
            content = stream.read_bytes()
            budget.unpack(len(content), max(stream.size or 0, len(content) // 2))
        except LimitError as limit:
            found.append(Inner(name=name, protection=Protection.LIMIT, why=limit.why))
        except (pikepdf.PdfError, pikepdf.DataDecodingError, ValueError, TypeError, KeyError, RuntimeError):
            found.append(Inner(name=name, protection=Protection.CORRUPT, why=Why.DAMAGED))
        else:
            found.append(Inner(name=name, content=content, bytes=len(content)))
    return found


def _closed(data: bytes) -> Verdict:
    """A PDF that does not open without a secret: the cipher decides."""
    dictionaries = _dictionaries(data)
    is_certificate = any(_filter(found) == b"Adobe.PubSec" for found in dictionaries)
    algorithm, protection = _strength(dictionaries)
    why = Why.CERTIFICATE if is_certificate else None
    if protection is Protection.UNKNOWN:
        why = Why.METHOD
    if any(_is_identity(found) for found in dictionaries):
        # The pages are in clear, only embedded files are encrypted (ISO 32000-2, 7.6.6).
        return Verdict(
            kind=Kind.PDF, protection=Protection.NONE, algorithm=algorithm, why=Why.ATTACHMENTS_ONLY
        )
    if _has_more(data):
        return Verdict(kind=Kind.PDF, protection=Protection.UNKNOWN, algorithm=algorithm, why=Why.HIDDEN)
    return Verdict(kind=Kind.PDF, protection=protection, algorithm=algorithm, why=why)


def _has_more(data: bytes) -> bool:
    """Whether something readable stands before or after the encrypted file."""
    last = data.rfind(b"%%EOF")
    after = data[last + 5 :] if last >= 0 else b""
    before = data[: max(data.find(b"%PDF-"), 0)]
    return len(after.strip()) > MAX_TRAILING or bool(before.strip(b"\xef\xbb\xbf\r\n\t \0"))


def _dictionaries(data: bytes) -> list[bytes]:
    """Return every encryption dictionary that a trailer names: after updates there may be several."""
    found: list[bytes] = []
    for number, generation in sorted(set(_REFERENCE.findall(data)))[:16]:
        for at in re.finditer(
            rb"(?<![0-9])0*" + number.lstrip(b"0") + rb"\s+" + generation + rb"\s+obj\b", data
        ):
            found.append(_balanced(data, at.end()))  # noqa: PERF401 (two loops in one comprehension read worse)
    found.extend(_balanced(data, at.end() - 2) for at in _DIRECT.finditer(data))
    return [text for text in found[:32] if text]


def _balanced(data: bytes, at: int) -> bytes:
    """The `<< >>` that begins at or after `at`, without its strings (their bytes are arbitrary)."""
    window = data[at : at + _WINDOW]
    out = bytearray()
    depth = cursor = 0
    while cursor < len(window):
        two = window[cursor : cursor + 2]
        if two == b"<<":
            depth += 1
            out += two
            cursor += 2
        elif two == b">>":
            depth -= 1
            out += two
            cursor += 2
            if depth <= 0:
                return bytes(out)
        elif window[cursor : cursor + 1] == b"(":
            cursor = _after_string(window, cursor)
        elif window[cursor : cursor + 1] == b"<":
            end = window.find(b">", cursor)
            cursor = end + 1 if end >= 0 else len(window)
        else:
            if depth:
                out += window[cursor : cursor + 1]
            elif not window[cursor : cursor + 1].isspace():
                return b""
            cursor += 1
    return b""


def _after_string(window: bytes, at: int) -> int:
    depth = 0
    while at < len(window):
        byte = window[at : at + 1]
        if byte == b"\\":
            at += 1
        elif byte == b"(":
            depth += 1
        elif byte == b")":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return at


def _filter(dictionary: bytes) -> bytes:
    found = _FILTER.search(dictionary)
    return found[1] if found else b""


def _is_identity(dictionary: bytes) -> bool:
    numbers = _numbers(dictionary)
    streams = _STREAMS.search(dictionary)
    # With crypt filters (V 4 and 5) the default for streams is Identity: not encrypted.
    return numbers.get(b"V", 0) >= 4 and (streams is None or streams[1] == b"Identity")  # noqa: PLR2004 (first V with filters)


def _numbers(dictionary: bytes) -> dict[bytes, int]:
    return {name: int(value) for name, value in reversed(_NUMBER.findall(dictionary))}


def _strength(dictionaries: list[bytes]) -> tuple[str, Protection]:
    """The weakest of the ciphers named."""
    found = [_cipher(dictionary) for dictionary in dictionaries]
    order = (Protection.UNKNOWN, Protection.WEAK, Protection.STRONG)
    return min(found, key=lambda pair: order.index(pair[1]), default=("", Protection.UNKNOWN))


def _cipher(dictionary: bytes) -> tuple[str, Protection]:
    """ISO 32000-2 table 20 (V) and table 25 (CFM)."""
    numbers = _numbers(dictionary)
    methods = set(_METHOD.findall(dictionary))
    match numbers.get(b"V"):
        case 1:
            return "rc4-40", Protection.WEAK
        case 2 | 3:
            return f"rc4-{numbers.get(b'Length', 40)}", Protection.WEAK
        case 4 if methods == {b"AESV2"}:
            return "aes-128", Protection.STRONG
        case 4 if b"V2" in methods:
            return "rc4-128", Protection.WEAK
        case 5 if methods == {b"AESV3"}:
            return "aes-256", Protection.STRONG
    return "", Protection.UNKNOWN
