"""Signatures of people: every kind that ssh-keygen makes, with ssh-keygen itself as the second opinion."""

import base64
import hashlib
import struct
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import FormatError
from reports.sshsig import PersonKey, parse, verify

DATA = b'{"type":"tenken-review/v1"}'
NAMESPACE = "tenken-review"
KINDS = (
    ("ed25519", ()),
    ("ecdsa", ("-b", "256")),
    ("ecdsa", ("-b", "384")),
    ("ecdsa", ("-b", "521")),
    ("rsa", ("-b", "2048")),
)


def make_key(path: Path, kind: str = "ed25519", *more: str) -> PersonKey:
    command = ["ssh-keygen", "-q", "-t", kind, *more, "-N", "", "-C", "officer", "-f", path]
    subprocess.run(command, check=True)
    return PersonKey.parse(path.with_suffix(".pub").read_text())


def sign(path: Path, data: bytes = DATA, namespace: str = NAMESPACE, *more: str) -> bytes:
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", path, "-n", namespace, *more]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def ssh_keygen_agrees(folder: Path, key: PersonKey, signature: bytes, data: bytes = DATA) -> bool:
    """The oracle."""
    allowed = folder / "allowed"
    allowed.write_text(f"officer {key.kind} {base64.b64encode(key.blob).decode()}\n")
    (folder / "sig").write_bytes(signature)
    command = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        allowed,
        "-I",
        "officer",
        "-n",
        NAMESPACE,
        "-s",
        folder / "sig",
    ]
    return subprocess.run(command, input=data, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(("kind", "more"), KINDS, ids="".join)
def test_what_ssh_keygen_signs_verifies_and_for_this_key_purpose_and_data_alone(
    tmp_path: Path, kind: str, more: tuple[str, ...]
) -> None:
    key, other = make_key(tmp_path / "a", kind, *more), make_key(tmp_path / "b", kind, *more)
    signature = sign(tmp_path / "a")
    verify(signature, DATA, namespace=NAMESPACE, key=key)
    for wrong in (
        {"data": DATA + b" ", "namespace": NAMESPACE, "key": key},
        {"data": DATA, "namespace": "tenken-trust", "key": key},
        {"data": DATA, "namespace": NAMESPACE, "key": other},
    ):
        with pytest.raises(FormatError):
            verify(signature, **wrong)  # type: ignore[arg-type]


def test_a_key_in_an_agent_signs_like_one_in_a_file(tmp_path: Path) -> None:
    key = make_key(tmp_path / "a")
    script = (
        f"eval $(ssh-agent -s) >/dev/null; ssh-add -q {tmp_path}/a; rm {tmp_path}/a;"
        f" ssh-keygen -q -Y sign -f {tmp_path}/a.pub -n {NAMESPACE}; kill $SSH_AGENT_PID"
    )
    done = subprocess.run(["sh", "-c", script], input=DATA, capture_output=True, check=True)
    verify(done.stdout, DATA, namespace=NAMESPACE, key=key)


def test_a_longer_hash_is_ssh_keygens_choice(tmp_path: Path) -> None:
    key = make_key(tmp_path / "a")
    verify(sign(tmp_path / "a", DATA, NAMESPACE, "-O", "hashalg=sha256"), DATA, namespace=NAMESPACE, key=key)


def _string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def _mpint(number: int) -> bytes:
    return _string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


def device_signature(kind: str, *, flags: int = 1) -> tuple[PersonKey, bytes]:
    """Sign as a FIDO device does (PROTOCOL.u2f), with a key in memory."""
    application, counter = b"ssh:", struct.pack(">I", 7)
    name = f"sk-{'ssh-ed25519' if kind == 'ed25519' else 'ecdsa-sha2-nistp256'}@openssh.com".encode()
    wrapped = b"SSHSIG" + b"".join(
        _string(each) for each in (NAMESPACE.encode(), b"", b"sha512", hashlib.sha512(DATA).digest())
    )
    signed = (
        hashlib.sha256(application).digest() + bytes([flags]) + counter + hashlib.sha256(wrapped).digest()
    )
    if kind == "ed25519":
        private = ed25519.Ed25519PrivateKey.generate()
        public = _string(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        value = private.sign(signed)
    else:
        curve = ec.generate_private_key(ec.SECP256R1())
        point = curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        public = _string(b"nistp256") + _string(point)
        r, s = decode_dss_signature(curve.sign(signed, ec.ECDSA(hashes.SHA256())))
        value = _mpint(r) + _mpint(s)
    blob = _string(name) + public + _string(application)
    inner = _string(name) + _string(value) + bytes([flags]) + counter
    outer = b"SSHSIG" + struct.pack(">I", 1)
    outer += b"".join(_string(each) for each in (blob, NAMESPACE.encode(), b"", b"sha512", inner))
    text = base64.b64encode(outer).decode()
    lines = "\n".join(text[at : at + 70] for at in range(0, len(text), 70))
    armoured = f"-----BEGIN SSH SIGNATURE-----\n{lines}\n-----END SSH SIGNATURE-----\n".encode()
    return PersonKey.parse(f"{name.decode()} {base64.b64encode(blob).decode()}"), armoured


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_a_key_on_a_fido_device_counts_when_it_was_touched(tmp_path: Path, kind: str) -> None:
    """The oracle takes the same signatures, so they are of OpenSSH's form; it does not ask for a touch."""
    key, signature = device_signature(kind)
    assert ssh_keygen_agrees(tmp_path, key, signature)
    verify(signature, DATA, namespace=NAMESPACE, key=key)
    with pytest.raises(FormatError):
        verify(signature, DATA + b" ", namespace=NAMESPACE, key=key)
    untouched, signature = device_signature(kind, flags=0)
    assert ssh_keygen_agrees(tmp_path, untouched, signature)
    with pytest.raises(FormatError, match="nobody touched"):
        verify(signature, DATA, namespace=NAMESPACE, key=untouched)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[PersonKey, bytes]:
    folder = tmp_path_factory.mktemp("sshsig")
    return make_key(folder / "a"), sign(folder / "a")


def test_no_changed_bit_of_a_signature_passes(signed: tuple[PersonKey, bytes]) -> None:
    key, signature = signed
    for bit in range(len(signature) * 8):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError):
            verify(bytes(changed), DATA, namespace=NAMESPACE, key=key)


@settings(max_examples=300, deadline=None)
@given(cut=st.integers(0, 330), put=st.binary(max_size=30))
def test_any_bytes_end_in_a_refusal(signed: tuple[PersonKey, bytes], cut: int, put: bytes) -> None:
    key, signature = signed
    changed = signature[:cut] + put
    if changed != signature:
        with pytest.raises(FormatError):
            verify(changed, DATA, namespace=NAMESPACE, key=key)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 !!!!",
        "ssh-ed25519 AAAA",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA==",
        "ssh-dss AAAA",
    ],
)
def test_a_line_that_is_no_key_is_refused(line: str) -> None:
    with pytest.raises(FormatError):
        PersonKey.parse(line)


def test_a_short_rsa_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="1024 bits"):
        make_key(tmp_path / "a", "rsa", "-b", "1024")


def test_another_spelling_of_a_good_signature_is_refused(signed: tuple[PersonKey, bytes]) -> None:
    _, signature = signed
    for other in (
        b" " + signature,
        signature + b"\n",
        signature.replace(b"SIGNATURE-----\n", b"SIGNATURE-----\n\n", 1) + b"x",
    ):
        with pytest.raises(FormatError):
            parse(other)
