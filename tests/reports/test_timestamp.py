"""Time-stamp tokens of real authorities, and what does not count as one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import FormatError
from reports.timestamp import MOST_BYTES, UntrustedTokenError, check, query
from tests.tsa import Authority

DATA = b"a checkpoint\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("tsa") / "good")


@pytest.fixture(scope="module")
def token(lab: Authority) -> bytes:
    return lab.stamp(DATA)


@pytest.mark.parametrize("key", ["ec", "rsa"])
def test_a_token_says_when_the_data_existed(tmp_path: Path, key: str) -> None:
    authority = Authority.make(tmp_path / key, key=key)
    time = check(authority.stamp(DATA), DATA, authority.trusted())
    assert time.tzinfo is UTC
    assert abs(datetime.now(UTC) - time) < timedelta(minutes=5)


def test_our_own_question_is_answered_with_its_nonce(lab: Authority) -> None:
    asked = query(DATA)
    answer = lab.answer(asked.raw)
    assert check(answer, DATA, lab.trusted(), nonce=asked.nonce)
    with pytest.raises(FormatError, match="another question"):
        check(answer, DATA, lab.trusted(), nonce=query(DATA).nonce)


def test_a_token_over_something_else_is_refused(lab: Authority, token: bytes) -> None:
    with pytest.raises(FormatError, match="over something else"):
        check(token, DATA + b"x", lab.trusted())


@pytest.mark.parametrize("embeds_root", [False, True])
def test_an_authority_of_ones_own_with_the_same_names_is_not_trusted(
    lab: Authority, tmp_path: Path, *, embeds_root: bool
) -> None:
    """Trap D1: rfc3161-client before 1.0.9 took certificates inside the token for roots."""
    forger = Authority.make(tmp_path / "forger", embeds_root=embeds_root)
    with pytest.raises(UntrustedTokenError, match="not signed by the certificate"):
        check(forger.stamp(DATA), DATA, lab.trusted())


def test_a_second_certificate_of_the_same_root_is_not_pinned(lab: Authority, tmp_path: Path) -> None:
    other = Authority.make(tmp_path / "other")
    mixed = lab.trusted(certs=(other.trusted().certs[0],))
    with pytest.raises(UntrustedTokenError):
        check(lab.stamp(DATA), DATA, mixed)
    both = lab.trusted(certs=(other.trusted().certs[0], lab.trusted().certs[0]))
    assert check(lab.stamp(DATA), DATA, both)


def test_a_certificate_that_is_not_for_time_stamps_is_refused_by_openssl_already(tmp_path: Path) -> None:
    plain = Authority.make(tmp_path / "plain", extension="plain")
    with pytest.raises(Exception, match=r"openssl.*returned non-zero"):
        plain.stamp(DATA)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"policies": ("1.2.3.4.2",)}, "policy 1.2.3.4.1"),
        ({"from_": "2999-01-01"}, "does not count"),
        ({"to": "2020-02-01"}, "does not count"),
        ({"distrusted_from": "2020-01-01"}, "distrusted since"),
    ],
)
def test_a_token_outside_of_what_the_trust_file_says_has_no_weight(
    lab: Authority, token: bytes, said: dict[str, object], words: str
) -> None:
    with pytest.raises(UntrustedTokenError, match=words):
        check(token, DATA, lab.trusted(**said))


def test_the_days_of_the_trust_file_are_days_of_the_token(lab: Authority, token: bytes) -> None:
    today = check(token, DATA, lab.trusted()).date()
    assert check(token, DATA, lab.trusted(from_=today.isoformat(), to=today.isoformat()))
    assert check(token, DATA, lab.trusted(distrusted_from=(today + timedelta(days=1)).isoformat()))
    assert check(token, DATA, lab.trusted(policies=("1.2.3.4.1",)))
    with pytest.raises(UntrustedTokenError):
        check(token, DATA, lab.trusted(distrusted_from=today.isoformat()))


def test_a_refusal_of_the_authority_is_no_token(lab: Authority) -> None:
    sha1 = bytes.fromhex("302a0201013021300906052b0e03021a05000414") + b"\0" * 20 + bytes.fromhex("0101ff")
    with pytest.raises(FormatError, match="the authority refused"):
        check(lab.answer(sha1), DATA, lab.trusted())


def test_no_changed_bit_of_a_token_passes(lab: Authority, token: bytes) -> None:
    """What no signature covers has one value too: versions, tags, the name of the signature algorithm."""
    trusted = lab.trusted()
    passed = []
    # Where the signer's fields begin: all bits of it; of the rest, which is signed or compared, every fifth.
    signer = token.rindex(b"\x2a\x86\x48\xce\x3d\x04\x03\x02") - 260
    for bit in range(len(token) * 8):
        if bit // 8 < signer and bit % 5:
            continue
        changed = bytearray(token)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            check(bytes(changed), DATA, trusted)
            passed.append(bit)
        except (FormatError, UntrustedTokenError):
            pass
    assert passed == []


@pytest.mark.parametrize("wrong", [b"", b"\x30\x00", b"\x00" * 100, b"\x30\x80" * 50, b"\xff" * 1000])
def test_garbage_is_no_token(lab: Authority, wrong: bytes) -> None:
    with pytest.raises(FormatError):
        check(wrong, DATA, lab.trusted())


def test_what_follows_a_token_or_is_cut_from_it_is_refused(lab: Authority, token: bytes) -> None:
    for wrong in (token + b"\0", token[:-1], token + token, token + b"\0" * MOST_BYTES):
        with pytest.raises(FormatError):
            check(wrong, DATA, lab.trusted())


@settings(max_examples=200, deadline=None)
@given(cut=st.integers(0, 900), put=st.binary(max_size=40))
def test_any_bytes_end_in_a_refusal_and_never_in_a_crash(
    lab: Authority, token: bytes, cut: int, put: bytes
) -> None:
    changed = token[:cut] + put + token[cut + len(put) :]
    if changed != token:
        with pytest.raises((FormatError, UntrustedTokenError)):
            check(changed, DATA, lab.trusted())
