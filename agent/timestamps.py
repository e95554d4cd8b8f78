"""Ask time-stamp authorities over HTTP (RFC 3161 section 3.4), and check each answer as a verifier will."""

import http.client
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from config.errors import FormatError
from config.model import TimeAuthority
from reports.timestamp import MOST_BYTES, UntrustedTokenError, check, query
from reports.trust import Trust, Tsa

log = structlog.get_logger()

WAIT_S = 10.0
"""for all authorities together, which are asked at once"""
_KIND = "application/timestamp-reply"


class Stamper:
    """Asks every declared authority; what fails is logged, and costs a token, never the run."""

    def __init__(
        self, authorities: Sequence[TimeAuthority], trust: Trust | None, *, wait_s: float = WAIT_S
    ) -> None:
        self._authorities = authorities
        self._trusted: Mapping[str, Tsa] = {it.name: it for it in trust.tsas} if trust else {}
        self._wait_s = wait_s

    def __call__(self, data: bytes) -> dict[str, bytes]:
        """Return the tokens over `data` that the trust file accepts, by the authority's name."""
        deadline = time.monotonic() + self._wait_s
        answers: dict[str, bytes | str] = {}
        threads = [
            # Not waited for beyond the deadline: who drips one byte after the other holds up nothing.
            threading.Thread(
                target=lambda each=each: answers.update({each.name: self._one(each, data)}), daemon=True
            )
            for each in self._authorities
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        tokens: dict[str, bytes] = {}
        for each in self._authorities:
            answer = answers.get(each.name, f"no answer within {self._wait_s:.0f} s")
            if isinstance(answer, bytes):
                tokens[each.name] = answer
            else:
                log.warning("no time stamp", tsa=each.name, reason=answer)
        return tokens

    def _one(self, authority: TimeAuthority, data: bytes) -> bytes | str:
        """Return a token, or why there is none."""
        tsa = self._trusted.get(authority.name)
        if tsa is None:
            return "the trust file does not name it"
        asked = query(data)
        try:
            token = ask(authority.url, asked.raw, self._wait_s)
            check(token, data, tsa, nonce=asked.nonce)
        except urllib.error.HTTPError as err:
            return f"HTTP status {err.code}"
        except urllib.error.URLError as err:
            return str(err.reason)
        except (OSError, http.client.HTTPException, FormatError, UntrustedTokenError) as err:
            return str(err) or type(err).__name__
        return token


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The address is declared; nobody sends us elsewhere."""

    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        return None


def ask(url: str, body: bytes, wait_s: float) -> bytes:
    """Post one question; raises OSError, HTTPException, FormatError. A proxy of the environment is used."""
    opener = urllib.request.build_opener(_NoRedirect())
    request = urllib.request.Request(  # noqa: S310 (the scheme was checked with the configuration)
        url, data=body, headers={"Content-Type": "application/timestamp-query"}
    )
    with opener.open(request, timeout=wait_s) as answer:
        if answer.headers.get_content_type() != _KIND:
            message = "the answer is no time-stamp reply"
            raise FormatError(message)
        raw: bytes = answer.read(MOST_BYTES + 1)
    return raw
