"""Make the next trust file: with an officer, or with a time-stamp authority whose certificate was seen."""

import secrets
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import structs

from agent.sites import Site
from agent.timestamps import WAIT_S, ask
from config.errors import ConfigError, FormatError, SealError
from reports import trust
from reports.durable import create
from reports.sshsig import PersonKey
from reports.timestamp import UntrustedTokenError, check, query, signer
from reports.trust import HeldTrust, Officer, Trust, Tsa


def with_officer(site: Site, name: str, key: Path, roles: tuple[str, ...], now: datetime) -> Path:
    """Write a trust file that knows one more officer, or a new key of one; raises ConfigError, SealError.

    A former key ends today: what it signed before stays good.
    """
    held = trust.load(site.trust)
    try:
        line = key.read_text("utf-8").strip()
        PersonKey.parse(line)
    except (OSError, UnicodeDecodeError, FormatError) as err:
        message = f"{key}: {err}"
        raise ConfigError(message, hint="Give the public half, such as ~/.ssh/id_ed25519.pub.") from err
    today = now.date().isoformat()
    others = tuple(
        structs.replace(it, to=today) if it.principal == name and it.to is None else it
        for it in held.trust.officers
    )
    officer = Officer(principal=name, ssh=line, roles=roles, from_=today)  # type: ignore[arg-type]
    return _write(site, held, structs.replace(held.trust, officers=(*others, officer)), now)


def with_authority(site: Site, name: str, root: Path, now: datetime) -> Path:
    """Ask a declared authority for a stamp, and write a trust file that knows its certificate under `root`.

    Raises ConfigError for an authority that is not declared, or does not answer as one under that root.
    """
    authority = next((it for it in site.config.tsa if it.name == name), None)
    if authority is None:
        message = f"no [[tsa]] is called {name}"
        raise ConfigError(message, hint="Declare it with its url first.")
    held = trust.load(site.trust)
    data = secrets.token_bytes(32)
    asked = query(data)
    try:
        answer = ask(authority.url, asked.raw, WAIT_S)
        certificate, policy = signer(answer)
        tsa = Tsa(
            name=name,
            root=x509.load_pem_x509_certificate(root.read_bytes()).public_bytes(Encoding.PEM).decode(),
            certs=(certificate,),
            policies=(policy,),
            from_=now.date().isoformat(),
        )
        check(answer, data, tsa, nonce=asked.nonce)
    except (OSError, ValueError, FormatError, UntrustedTokenError) as err:
        message = f"{name}: {err}"
        raise ConfigError(message, hint=f"Is {root} the root certificate of that authority?") from err
    former = next((it for it in held.trust.tsas if it.name == name), None)
    if former is not None and former.root == tsa.root:
        # An authority renews its certificate: what the former one stamped stays good.
        tsa = structs.replace(
            former,
            certs=tuple(dict.fromkeys((*former.certs, *tsa.certs))),
            policies=tuple(dict.fromkeys((*former.policies, *tsa.policies))),
        )
    others = tuple(it for it in held.trust.tsas if it.name != name)
    threshold = max(1, held.trust.tsa_threshold)
    return _write(site, held, structs.replace(held.trust, tsas=(*others, tsa), tsa_threshold=threshold), now)


def _write(site: Site, held: HeldTrust, changed: Trust, now: datetime) -> Path:
    """Write the next version beside the one in force; raises SealError."""
    following = structs.replace(
        changed, version=held.trust.version + 1, prev=held.sha256, issued=now.date().isoformat()
    )
    raw = following.encode()
    try:
        trust.parse(raw)
    except FormatError as err:
        message = f"that trust file would be refused: {err}"
        raise ConfigError(message) from err
    path = site.trust.with_name(f"trust-{following.version}.json")
    try:
        create(path, raw)
    except OSError as err:
        message = f"cannot write {path}: {err.strerror}"
        raise SealError(
            message, hint="A trust file is never overwritten; is a newer one there already?"
        ) from err
    return path
