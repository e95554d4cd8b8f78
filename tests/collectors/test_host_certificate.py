"""A host certificate is believed exactly when the OpenSSH client believes it."""

import base64
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.host_certificate import read_certificate
from collectors.known_hosts import DEFAULT_PORT, PinState, parse
from tests.collectors.ssh_oracle import asked_of_ssh, hashed
from tests.collectors.sshd import HOST, Sshd, make_key, public

NAME = "web-01.example.com"
GOOD = ("-h", "-n", NAME)

# The arguments of ssh-keygen -s, and known_hosts: {ca} {ca2} authorities, {key} the host's plain key.
CASES: dict[str, tuple[tuple[str, ...], str]] = {
    "good": (GOOD, "@cert-authority * {ca}"),
    "authority for this domain": (GOOD, "@cert-authority *.example.com {ca}"),
    "authority for another domain": (GOOD, "@cert-authority *.example.org {ca}"),
    "authority that excludes the host": (GOOD, "@cert-authority *.example.com,!web-01* {ca}"),
    "authority under a hashed name": (GOOD, "@cert-authority {h:web-01.example.com}{ca}"),
    "another authority": (GOOD, "@cert-authority * {ca2}"),
    "two authorities": (GOOD, "@cert-authority * {ca2}\n@cert-authority * {ca}"),
    "authority pinned as a plain key": (GOOD, "* {ca}"),
    "another authority, but the plain key": (GOOD, "@cert-authority * {ca2}\n* {key}"),
    "only the plain key": (GOOD, "* {key}"),
    "only another plain key": (GOOD, "* {ca2}"),
    "no line": (GOOD, ""),
    "revoked authority": (GOOD, "@cert-authority * {ca}\n@revoked * {ca}"),
    "revoked authority for another host": (GOOD, "@cert-authority * {ca}\n@revoked mail {ca}"),
    "revoked host key": (GOOD, "@cert-authority * {ca}\n@revoked * {key}"),
    "revoked authority, plain key pinned": (GOOD, "@cert-authority * {ca}\n@revoked * {ca}\n* {key}"),
    "principal of another host": (("-h", "-n", "mail.example.com"), "@cert-authority * {ca}"),
    "one of several principals": (("-h", "-n", f"mail,{NAME}"), "@cert-authority * {ca}"),
    "principal with a wildcard": (("-h", "-n", "*.example.com"), "@cert-authority * {ca}"),
    "principal in upper case": (("-h", "-n", "WEB-01.example.com"), "@cert-authority * {ca}"),
    "no principal": (("-h",), "@cert-authority * {ca}"),
    "ended": ((*GOOD, "-V", "-2d:-1d"), "@cert-authority * {ca}"),
    "ended, but the plain key is pinned": ((*GOOD, "-V", "-2d:-1d"), "@cert-authority * {ca}\n* {key}"),
    "not yet valid": ((*GOOD, "-V", "+1d:+2d"), "@cert-authority * {ca}"),
    "valid now": ((*GOOD, "-V", "-1d:+1d"), "@cert-authority * {ca}"),
    "critical option": ((*GOOD, "-O", "critical:x@example.com=1"), "@cert-authority * {ca}"),
    "extension": ((*GOOD, "-O", "extension:x@example.com=1"), "@cert-authority * {ca}"),
    "ECDSA authority": ((*GOOD, "ca:ecdsa"), "@cert-authority * {ca_ecdsa}"),
    "RSA authority": ((*GOOD, "ca:rsa"), "@cert-authority * {ca_rsa}"),
    "RSA authority, SHA-1": ((*GOOD, "-t", "ssh-rsa", "ca:rsa"), "@cert-authority * {ca_rsa}"),
    "ECDSA host key": ((*GOOD, "host:ecdsa"), "@cert-authority * {ca}"),
    "RSA host key": ((*GOOD, "host:rsa"), "@cert-authority * {ca}"),
}


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("authorities")
    kinds = {"ca": "ed25519", "ca2": "ed25519", "ca_ecdsa": "ecdsa", "ca_rsa": "rsa"}
    return {name: make_key(folder / name, kind) for name, kind in kinds.items()}


class Certified:
    """A server whose host key carries a certificate."""

    def __init__(self, folder: Path, authorities: dict[str, Path], arguments: tuple[str, ...]) -> None:
        asked = dict(word.split(":") for word in arguments if word.startswith(("ca:", "host:")))
        plain = [word for word in arguments if not word.startswith(("ca:", "host:"))]
        kind = asked.get("host", "ed25519")
        key = make_key(folder / "certified", kind)
        signer = authorities["ca_" + asked["ca"] if "ca" in asked else "ca"]
        subprocess.run(
            ["ssh-keygen", "-q", "-s", str(signer), "-I", "lab", *plain, str(key.with_suffix(".pub"))],
            check=True,
        )
        certificate = folder / "certified-cert.pub"
        self.blob = base64.b64decode(certificate.read_text().split()[1])
        self.key = key
        self.server = Sshd(folder / "s", (), (f"HostKey {key}", f"HostCertificate {certificate}"))


@pytest.fixture
def certified(case: str, tmp_path: Path, authorities: dict[str, Path]) -> Iterator[Certified]:
    running = Certified(tmp_path, authorities, CASES[case][0])
    yield running
    running.server.stop()


def known_hosts(case: str, certified: Certified, authorities: dict[str, Path], folder: Path) -> str:
    lines = []
    for template in CASES[case][1].split("\n"):
        line = template.replace("{key}", public(certified.key))
        for name, path in authorities.items():
            line = line.replace("{" + name + "}", public(path))
        marker, start, rest = line.partition("{h:")
        if start:
            name, _, key = rest.partition("}")
            line = marker + hashed(f"{name} {key}", folder)
        lines.append(line)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_a_certificate_is_believed_exactly_when_ssh_believes_it(
    case: str, certified: Certified, authorities: dict[str, Path], tmp_path: Path
) -> None:
    text = known_hosts(case, certified, authorities, tmp_path)
    said = asked_of_ssh(certified.server, text, tmp_path, NAME)
    judged = parse(text.encode(), "k").judge_certificate(
        NAME, DEFAULT_PORT, read_certificate(certified.blob), datetime.now(UTC)
    )
    # Of a plain key that differs ssh says "unknown" where no line is of its type; ours says "changed".
    assert judged.state is said or (judged.state, said) == (PinState.CHANGED, PinState.UNKNOWN)
    assert (judged.state is PinState.KNOWN) == (said is PinState.KNOWN)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, authorities: dict[str, Path]) -> Iterator[Certified]:
    running = Certified(tmp_path_factory.mktemp("good"), authorities, ("-h", "-n", HOST, "-V", "-1d:+1d"))
    yield running
    running.server.stop()


def test_the_reason_says_what_is_wrong_with_the_certificate(
    good: Certified, authorities: dict[str, Path]
) -> None:
    now = datetime.now(UTC)
    certificate = read_certificate(good.blob)
    known = parse(f"@cert-authority * {public(authorities['ca'])}\n".encode(), "k")
    for host, when, why in (
        (HOST, now, ""),
        (HOST, now + timedelta(days=2), "the certificate ended on"),
        (HOST, now - timedelta(days=2), "the certificate is valid only from"),
        (NAME, now, f"the certificate is for {HOST}"),
    ):
        judged = known.judge_certificate(host, DEFAULT_PORT, certificate, when)
        assert (judged.state is PinState.KNOWN) == (why == "")
        assert judged.why.startswith(why)
    stranger = parse(b"", "k").judge_certificate(HOST, DEFAULT_PORT, certificate, now)
    assert "authority SHA256:" in stranger.why


def test_no_altered_certificate_is_read(good: Certified) -> None:
    """Each byte once; the signature covers all but itself."""
    for at in range(len(good.blob)):
        altered = bytearray(good.blob)
        altered[at] ^= 1
        with pytest.raises(ValueError, match="certificate"):
            read_certificate(bytes(altered))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_certificate(raw: bytes) -> None:
    with pytest.raises(ValueError, match="certificate"):
        read_certificate(raw)
