"""Randomness for a run: salts and frame boundaries."""

import base64
import secrets


def fresh_salt() -> str:
    """16 random bytes in base64: without them a hash of guessable content says nothing."""
    return base64.b64encode(secrets.token_bytes(16)).decode("ascii")


def fresh_boundary() -> str:
    """128 random bits as 32 hexadecimal digits; one per host and run, so no file can hold it."""
    return secrets.token_hex(16)
