import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from config.errors import FormatError, VerifyError
from reports import trust
from reports.sealkey import SealKey
from reports.trust import LogKey
from tests.tsa import certificate

CERTIFICATE = certificate()


def person() -> str:
    """A person's public key."""
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


_SAME = person()
_OFFICER = {"principal": "officer", "ssh": _SAME, "roles": ["review"], "from": "2026-01-01"}
_TSA = {"name": "tsa1", "root": CERTIFICATE, "certs": [CERTIFICATE], "from": "2026-01-01"}


def whole(key: SealKey, **changes: Any) -> dict[str, Any]:
    day = {"from": "2026-01-01", "to": None}
    return {
        "type": "tenken-trust/v1",
        "version": 2,
        "site": "kk",
        "prev": "ab" * 32,
        "issued": "2026-10-01",
        "expires": "2028-10-01",
        "root": {
            "threshold": 2,
            "keys": [{"principal": name, "ssh": person()} for name in ("a", "b")],
        },
        "log": {
            "origin": key.verifier.name,
            "keys": [
                {
                    "vkey": key.verifier.text,
                    "alg": "ed25519",
                    "from_size": 0,
                    "to_size": 412,
                    "compromised_from": None,
                }
            ],
            "require": ["ed25519"],
        },
        "tsas": [
            {
                "name": "tsa1",
                "root": CERTIFICATE,
                "certs": [CERTIFICATE],
                "policies": ["1.2.3"],
                **day,
                "distrusted_from": None,
            }
        ],
        "tsa_threshold": 1,
        "max_seal_delay_s": 3600,
        "officers": [
            {"principal": "officer", "ssh": person(), "roles": ["review"], **day, "revoked_from": None},
        ],
        "witnesses": [],
        "witness_quorum": 0,
        "schedule": {"period_s": 86400, "grace_s": 21600, "from_slot": "2026-10-01T02:00:00+09:00"},
        **changes,
    }


def test_the_whole_shape_is_read_in_any_layout(key: SealKey) -> None:
    read = trust.parse(json.dumps(whole(key), indent=2).encode())
    assert read.log.keys[0].verifier == key.verifier
    assert trust.parse(read.encode()) == read


def test_the_first_trust_file_needs_no_people(key: SealKey, tmp_path: Path) -> None:
    made = trust.first(site="kk", key=key.verifier, issued=date(2026, 11, 1))
    path = tmp_path / "trust-1.json"
    path.write_bytes(made.encode())
    held = trust.load(path)
    assert held.trust == made
    assert held.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"extra": 1}, "unknown field"),
        ({"type": "tenken-trust/v2"}, "type"),
        ({"version": 0}, "version"),
        ({"version": 1}, "prev"),
        ({"prev": None}, "prev"),
        ({"issued": "2026-02-30"}, "does not exist"),
        ({"tsa_threshold": 2}, "tsa_threshold"),
        ({"tsas": [{**_TSA, "root": "PEM"}]}, "in PEM"),
        ({"tsas": [{**_TSA, "certs": ["é"]}]}, "in PEM"),
        ({"tsas": [{**_TSA, "from": "2026-02-30"}]}, "does not exist"),
        ({"tsas": [_TSA, {**_TSA, "name": "tsa2"}]}, "count twice"),
        ({"witness_quorum": 1}, "witness_quorum"),
        ({"officers": [{**_OFFICER, "ssh": "ssh-ed25519 AAAA"}]}, "a key that is none"),
        ({"officers": [_OFFICER, {**_OFFICER, "ssh": f"{_SAME} again"}]}, "one key twice"),
        ({"officers": [{**_OFFICER, "from": "2026-02-30"}]}, "does not exist"),
        ({"root": {"threshold": 0, "keys": []}}, "threshold"),
        (
            {"root": {"threshold": 2, "keys": [{"principal": n, "ssh": f"{_SAME} {n}"} for n in "ab"]}},
            "root.threshold",
        ),
        ({"log": {"origin": "o", "keys": [], "require": ["ed25519"]}}, "keys"),
        ({"log": {"origin": "o", "keys": [{"vkey": "o+00000000+AAAA"}]}}, "vkey"),
    ],
)
def test_a_rule_that_is_unknown_or_cannot_be_met_is_refused(
    key: SealKey, changes: dict[str, Any], words: str
) -> None:
    """One key listed twice would let one person be two."""
    with pytest.raises(FormatError, match=words):
        trust.parse(json.dumps(whole(key, **changes)).encode())


def test_a_key_under_another_name_or_twice_or_without_algorithm_is_refused(key: SealKey) -> None:
    entry = {"vkey": key.verifier.text}
    origin = key.verifier.name
    for log, words in (
        ({"origin": "other", "keys": [entry]}, "origin"),
        ({"origin": origin, "keys": [entry, entry]}, "twice"),
        ({"origin": origin, "keys": [entry], "require": []}, "require"),
    ):
        with pytest.raises(FormatError, match=words):
            trust.parse(json.dumps(whole(key, log=log)).encode())


def test_a_file_that_is_missing_or_no_trust_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match="cannot read"):
        trust.load(tmp_path / "absent")
    (tmp_path / "t").write_bytes(b"{}")
    with pytest.raises(VerifyError, match="no trust file"):
        trust.load(tmp_path / "t")


@pytest.mark.parametrize(
    ("first", "last", "size", "covered"),
    [(5, 9, 4, False), (5, 9, 5, True), (5, 9, 9, True), (5, 9, 10, False), (5, None, 10**9, True)],
)
def test_a_key_counts_from_one_log_size_to_another(
    first: int, last: int | None, size: int, *, covered: bool
) -> None:
    assert LogKey(vkey="", from_size=first, to_size=last).covers(size) is covered
