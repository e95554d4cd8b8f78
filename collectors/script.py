"""Compose the one POSIX shell script that a host is sent."""

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from msgspec import Struct

from collectors.facts import Probe
from config.errors import ConfigError
from config.model import LOG_PATH, MOST_LOG_LETTERS, MOST_STORE_LETTERS, STORE_PATH

ARGV = ("/bin/sh", "-s")
"""how the script is run: on standard input, so that it shows in no process list"""
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC0"}
PROTOCOL = 1
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@-]{0,63}")
_SAFE_GLOB = re.compile(LOG_PATH)
_SAFE_PATH = re.compile(STORE_PATH)
MAX_NAMES = 5_000


class Parameters(Struct, frozen=True, kw_only=True):
    """What the auditor tells the probe: data, checked here before it becomes shell text."""

    names: tuple[str, ...] = ()
    """log-in names to look up one by one, since many name services do not enumerate"""
    logs: tuple[str, ...] = ()
    """globs of log files beside the usual ones"""
    stores: tuple[str, ...] = ()
    """folders or files of personal data, where the rights of those names are asked for"""


def is_plain_name(name: str) -> bool:
    """Whether a log-in name can be put to a host; others cannot stand in passwd(5) either."""
    return _SAFE_NAME.fullmatch(name) is not None


def command(privilege_prefix: Sequence[str] = ()) -> str:
    """Return the remote command line; the script itself goes to its standard input."""
    env = " ".join(f"{key}={value}" for key, value in ENVIRONMENT.items())
    return " ".join(("exec", *privilege_prefix, "/usr/bin/env", "-i", env, *ARGV))


def compose(probes: Sequence[Probe[Any]], parameters: Parameters, boundary: str) -> bytes:
    """Join parameters, prelude and sections.

    The whole is one function called on the last line: an upload cut short runs nothing.
    Raises ConfigError for a name, glob or path that is not plain.
    """
    if re.fullmatch(r"[0-9a-f]{32}", boundary) is None:
        message = "a boundary is 32 hexadecimal digits"
        raise ValueError(message)
    check(parameters)
    head = (
        f"TK_B='{boundary}'\n"
        f"TK_NAMES='{' '.join(parameters.names[:MAX_NAMES])}'\n"
        f"TK_LOGS='{' '.join(parameters.logs)}'\n"
        f"TK_STORES='{' '.join(parameters.stores)}'\n"
    )
    return (head + body(probes)).encode("ascii")


def check(parameters: Parameters) -> None:
    """Raise ConfigError for a name, glob or path that is not plain."""
    for name in parameters.names:
        if not is_plain_name(name):
            message = f"log-in name {name!r} cannot be asked for"
            raise ConfigError(message, hint="Use letters, digits, dot, underscore, @ and dash.")
    for glob in parameters.logs:
        if _SAFE_GLOB.fullmatch(glob) is None or len(glob) > MOST_LOG_LETTERS:
            message = f"log path {glob!r} cannot be asked for"
            raise ConfigError(
                message, hint="Use an absolute path without blanks and '..', no wildcard in its first folder."
            )
    for path in parameters.stores:
        if _SAFE_PATH.fullmatch(path) is None or len(path) > MOST_STORE_LETTERS:
            message = f"store {path!r} cannot be asked for"
            raise ConfigError(message, hint="Use an absolute path without blanks, wildcards and '..'.")


def digest(probes: Sequence[Probe[Any]]) -> str:
    """SHA-256 of the script without boundary and parameters: the same for all hosts of a run."""
    return hashlib.sha256(body(probes).encode("ascii")).hexdigest()


def in_order(probes: Sequence[Probe[Any]]) -> tuple[Probe[Any], ...]:
    """Cheap and safe questions first, those that may hang last."""
    return tuple(sorted(probes, key=lambda probe: (probe.order, probe.name)))


def body(probes: Sequence[Probe[Any]], *, copy: bool = False) -> str:
    """Return prelude, sections and the call of all of them.

    In a `copy` only the sections in TK_SECTIONS are run, and the hello names TK_COPY.
    """
    ordered = in_order(probes)
    lines = [_source("prelude"), *(_source(f"probes/{probe.name}") for probe in ordered)]
    run = 'case " $TK_SECTIONS " in *" {0} "*) tk_run {0} {1} ;; esac' if copy else "tk_run {0} {1}"
    calls = "\n".join(run.format(probe.name, probe.cap_bytes) for probe in ordered)
    words = (
        ' copy=%s\\n\' "$TK_B" "$TK_UID" "$(date +%s)" "$TK_COPY"'
        if copy
        else '\\n\' "$TK_B" "$TK_UID" "$(date +%s)"'
    )
    return (
        "tk_main() {\n"
        + "\n".join(lines)
        + f"""
renice -n 10 $$ >/dev/null 2>&1
printf '\\n@%s hello v={PROTOCOL} uid=%s epoch=%s{words}
{calls}
printf '\\n@%s done n=%s t=%s\\n' "$TK_B" "$tk_count" "$(tk_now)"
}}
{{ tk_main </dev/null; }}
"""
    )


@cache
def _source(name: str) -> str:
    """Read a shell file of this package, without its comment lines."""
    text = resources.files("collectors").joinpath(f"{name}.sh").read_text("ascii")
    return "\n".join(line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
