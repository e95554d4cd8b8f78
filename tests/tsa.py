"""Time-stamp authorities of the tests: keys and tokens made by openssl(1), answers given over HTTP."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from reports.trust import Tsa

_CONFIG = """
[tsa]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = {policy}
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
{chain}
[leaf]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
[plain]
keyUsage = critical,digitalSignature
"""
_KEYS = {
    "ec": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
}


def certificate() -> str:
    """Make a certificate that nobody has the key of, in PEM."""
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lab")])
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(begin).not_valid_after(begin + timedelta(days=3650))
    return builder.sign(key, None).public_bytes(Encoding.PEM).decode()


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=30)


@dataclass(frozen=True)
class Authority:
    """An authority with its own root, in a folder of its own."""

    folder: Path

    @classmethod
    def make(
        cls,
        folder: Path,
        *,
        name: str = "Lab",
        key: str = "ec",
        policy: str = "1.2.3.4.1",
        extension: str = "leaf",
        days: int = 3650,
        embeds_root: bool = False,
    ) -> "Authority":
        """Make a root and a time-stamping certificate under it."""
        folder.mkdir(parents=True)
        config = folder / "tsa.cnf"
        chain = f"certs = {folder}/root.pem" if embeds_root else ""
        config.write_text(_CONFIG.format(folder=folder, policy=policy, chain=chain))
        (folder / "serial").write_text("01\n")
        for who in ("root", "tsa"):
            _openssl("genpkey", *_KEYS[key], "-out", f"{folder}/{who}.key")
        # Longer than the certificate below it, so that a token that holds both has them in DER's order.
        subject = f"{'/OU=time, and nothing else besides time, ever' * 5}/CN={name} root"
        root = ("-key", f"{folder}/root.key", "-subj", subject, "-out", f"{folder}/root.pem")
        extensions = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "subjectKeyIdentifier=hash")
        _openssl("req", "-x509", "-new", "-config", "/dev/null", "-days", "3650", *extensions, *root)
        request = ("-key", f"{folder}/tsa.key", "-subj", f"/CN={name} TSA", "-out", f"{folder}/tsa.csr")
        _openssl("req", "-new", "-config", "/dev/null", *request)
        signed = ("-CA", f"{folder}/root.pem", "-CAkey", f"{folder}/root.key", "-CAcreateserial")
        out = ("-extfile", str(config), "-extensions", extension, "-out", f"{folder}/tsa.pem")
        _openssl("x509", "-req", "-in", f"{folder}/tsa.csr", "-days", str(days), *signed, *out)
        return cls(folder)

    def answer(self, request: bytes) -> bytes:
        """Answer a TimeStampReq as `openssl ts` does."""
        name = f"{threading.get_ident()}-{time.monotonic_ns()}"
        asked, given = self.folder / f"{name}.tsq", self.folder / f"{name}.tsr"
        asked.write_bytes(request)
        config = ("-config", str(self.folder / "tsa.cnf"), "-section", "tsa")
        _openssl("ts", "-reply", "-queryfile", str(asked), *config, "-out", str(given))
        return given.read_bytes()

    def stamp(self, data: bytes) -> bytes:
        """Stamp data, asked for by openssl itself."""
        file = self.folder / f"data-{time.monotonic_ns()}"
        file.write_bytes(data)
        asked = file.with_suffix(".tsq")
        _openssl("ts", "-query", "-data", str(file), "-sha256", "-cert", "-out", str(asked))
        return self.answer(asked.read_bytes())

    def trusted(self, name: str = "tsa1", **more: object) -> Tsa:
        """What a trust file says of it."""
        values: dict[str, object] = {
            "root": (self.folder / "root.pem").read_text(),
            "certs": ((self.folder / "tsa.pem").read_text(),),
            "from_": "2020-01-01",
        }
        return Tsa(name=name, **{**values, **more})  # type: ignore[arg-type]


Answer = Callable[[bytes], bytes | None]
"""from a request's body to an answer's; None hangs"""


@contextmanager
def serving(answer: Answer, *, status: int = 200, kind: str = "application/timestamp-reply") -> Iterator[str]:
    """Serve answers over HTTP on loopback and yield the address."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/timestamp-query"
            given = answer(self.rfile.read(int(self.headers["Content-Length"])))
            if given is None:
                ended.wait(60)
                return
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(given)))
            self.end_headers()
            self.wfile.write(given)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
