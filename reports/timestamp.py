"""RFC 3161 time-stamp tokens: what one proves, judged by the trust file, never by what the token brings.

Source: RFC 3161 (the token), RFC 5652 section 5 (SignedData). Chain and signature are the library's work;
here stands what it leaves open: the certificate is pinned, the bytes have one spelling, and the fields that
no signature covers have the one value that fits.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime

import rfc3161_client
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Struct

from config.errors import FormatError
from reports.trust import Tsa

MOST_BYTES = 65_536
"""bytes of a token file; real ones have 1 to 8 KB"""
_GRANTED = 0
_SHA256 = "2.16.840.1.101.3.4.2.1"
_RSA = "1.2.840.113549.1.1.1"
_SIGNED_WITH = {
    # digest: signature algorithms that go with it, RFC 5754 section 3, RFC 8419
    _SHA256: frozenset({"1.2.840.10045.4.3.2", "1.2.840.113549.1.1.11", _RSA}),
    "2.16.840.1.101.3.4.2.2": frozenset({"1.2.840.10045.4.3.3", "1.2.840.113549.1.1.12", _RSA}),
    "2.16.840.1.101.3.4.2.3": frozenset(
        {"1.2.840.10045.4.3.4", "1.2.840.113549.1.1.13", "1.3.101.112", _RSA}
    ),
}
_SEQUENCE, _SET, _CONTEXT_0, _OID = 0x30, 0x31, 0xA0, 0x06
_LONG = 0x80


class UntrustedTokenError(Exception):
    """A token that is whole, but not of an authority as the trust file has it."""


class Query(Struct, frozen=True, kw_only=True):
    """What an authority is asked."""

    raw: bytes
    """DER of a TimeStampReq"""
    nonce: int


def query(data: bytes) -> Query:
    """Ask for a token over `data`, with the authority's certificate inside."""
    asked = rfc3161_client.TimestampRequestBuilder(data, rfc3161_client.HashAlgorithm.SHA256).build()
    if asked.nonce is None:
        message = "a time-stamp request without a nonce"
        raise ValueError(message)
    return Query(raw=asked.as_bytes(), nonce=asked.nonce)


def check(raw: bytes, data: bytes, tsa: Tsa, *, nonce: int | None = None) -> datetime:
    """Return the time at which `data` existed, as the authority says (UTC).

    `nonce` is what was asked with, when the answer has just come. Raises FormatError for bytes that are no
    token over `data`, UntrustedTokenError for one that the trust file gives no weight.
    """
    answer = read(raw, data)
    info = answer.tst_info
    if nonce is not None and info.nonce != nonce:
        message = "a time-stamp token for another question"
        raise FormatError(message)
    time = info.gen_time.astimezone(UTC)
    _trusted(answer, data, tsa)
    if tsa.policies and info.policy.dotted_string not in tsa.policies:
        message = (
            f"{tsa.name} stamped under policy {info.policy.dotted_string}, which the trust file does not name"
        )
        raise UntrustedTokenError(message)
    _in_force(time, tsa)
    return time


def read(raw: bytes, data: bytes) -> rfc3161_client.TimeStampResponse:
    """Return a token over `data`, whoever made it; raises FormatError for anything else."""
    if len(raw) > MOST_BYTES:
        message = "too large for a time-stamp token"
        raise FormatError(message)
    answer = _decode(raw)
    info, signed = answer.tst_info, answer.signed_data
    signers = list(signed.signer_infos)
    if info.message_imprint.hash_algorithm.dotted_string != _SHA256:
        message = "a time-stamp token that does not hash with SHA-256"
        raise FormatError(message)
    if info.message_imprint.message != hashlib.sha256(data).digest():
        message = "a time-stamp token over something else"
        raise FormatError(message)
    if (signed.version, len(signers), [it.version for it in signers]) != (3, 1, [1]) or not _fits(raw):
        message = "a time-stamp token in another form than RFC 3161's"
        raise FormatError(message)
    return answer


def signer(raw: bytes) -> tuple[str, str]:
    """Return the certificate (PEM) that a token's one signer names, and its policy; neither is trusted yet.

    Raises FormatError when the token holds no such certificate.
    """
    answer = _decode(raw)
    with _faults("a token without its signer's certificate"):
        (one,) = answer.signed_data.signer_infos
        found = (x509.load_der_x509_certificate(each) for each in answer.signed_data.certificates)
        mine = next(it for it in found if (it.issuer, it.serial_number) == (one.issuer, one.serial_number))
    return mine.public_bytes(Encoding.PEM).decode(), answer.tst_info.policy.dotted_string


def _decode(raw: bytes) -> rfc3161_client.TimeStampResponse:
    with _faults("not a time-stamp token"):
        answer = rfc3161_client.decode_timestamp_response(raw)
        granted = answer.status == _GRANTED
        # One value has one spelling: what is read again must be the same bytes.
        same = answer.as_bytes() == raw
        if granted:
            _ = answer.tst_info, answer.signed_data
    if not granted:
        message = f"no time stamp: the authority refused (status {answer.status})"
        raise FormatError(message)
    if not same:
        message = "a time-stamp token that is not DER"
        raise FormatError(message)
    return answer


@contextmanager
def _faults(message: str) -> Iterator[None]:
    """Turn whatever the library stumbles over into FormatError; a panic of its Rust part is no Exception."""
    try:
        yield
    except Exception as err:
        raise FormatError(message) from err
    except BaseException as err:
        if type(err).__name__ != "PanicException":
            raise
        raise FormatError(message) from err


def _trusted(answer: rfc3161_client.TimeStampResponse, data: bytes, tsa: Tsa) -> None:
    """Verify against each certificate that the trust file pins; one in the token is only compared."""
    root = x509.load_pem_x509_certificate(tsa.root.encode())
    for text in tsa.certs:
        verifier = rfc3161_client.VerifierBuilder(
            roots=[root], tsa_certificate=x509.load_pem_x509_certificate(text.encode())
        ).build()
        with suppress(FormatError), _faults("not verified"):
            if verifier.verify_message(answer, data):
                return
    message = f"not signed by the certificate that the trust file has for {tsa.name}"
    raise UntrustedTokenError(message)


def _in_force(time: datetime, tsa: Tsa) -> None:
    day = time.date()
    if day < date.fromisoformat(tsa.from_) or (tsa.to is not None and day > date.fromisoformat(tsa.to)):
        message = f"{tsa.name} does not count on {day.isoformat()}"
        raise UntrustedTokenError(message)
    if tsa.distrusted_from is not None and day >= date.fromisoformat(tsa.distrusted_from):
        message = f"{tsa.name} is distrusted since {tsa.distrusted_from}"
        raise UntrustedTokenError(message)


def _fits(raw: bytes) -> bool:
    """Whether the signer's signature algorithm goes with its digest: no signature covers that field."""
    try:
        _, answer = _only(raw)
        _, token = list(_values(answer))[1]
        _, content = list(_values(token))[1]
        _, signed = _only(content)
        tag, signers = list(_values(signed))[-1]
        _, signer = _only(signers)
        if tag != _SET:
            return False
        # version, sid, digestAlgorithm, [0] signedAttrs, signatureAlgorithm, signature, RFC 5652 section 5.3
        digest, attributes, algorithm = list(_values(signer))[2:5]
        return attributes[0] == _CONTEXT_0 and _oid(algorithm[1]) in _SIGNED_WITH.get(_oid(digest[1]), ())
    except (IndexError, ValueError):
        return False


def _oid(algorithm: bytes) -> str:
    tag, value = next(_values(algorithm), (0, b""))
    if tag != _OID or not value:
        message = "no object identifier"
        raise ValueError(message)
    return _dotted(value)


def _dotted(value: bytes) -> str:
    numbers: list[int] = []
    number = 0
    for byte in value:
        number = number << 7 | byte & 0x7F
        if byte < _LONG:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _only(raw: bytes) -> tuple[int, bytes]:
    (value,) = _values(raw)
    return value


def _values(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each DER value, X.690 section 8.1; raises IndexError, ValueError."""
    at = 0
    while at < len(raw):
        tag, size = raw[at], raw[at + 1]
        at += 2
        if size >= _LONG:
            count = size - _LONG
            size = int.from_bytes(raw[at : at + count], "big")
            at += count
        if at + size > len(raw):
            message = "a value beyond its end"
            raise ValueError(message)
        yield tag, raw[at : at + size]
        at += size
