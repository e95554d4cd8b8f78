"""The installed copy of the probe: root-owned, the same on every host, told what to do by checked lines.

It runs as root for a caller who is not, so it believes nothing: neither its arguments, nor its
environment, nor a line on its standard input.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from collectors import script
from collectors.evidence import TargetKind
from collectors.facts import Probe
from collectors.registry import all_probes
from collectors.script import Parameters
from config.errors import ConfigError
from config.model import Privilege

PATH = "/usr/local/libexec/tenken-probe"
COMMANDS = {
    Privilege.INSTALLED: f"exec /usr/bin/sudo -n {PATH}",
    # No command of any host: with a key that is not forced to the copy nothing at all runs.
    Privilege.FORCED: "tenken-probe-is-not-forced",
}
MAX_INPUT = 524_288
"""bytes of parameters that the copy takes"""
_PER_LINE = 100

_HEAD = r"""#!/bin/sh
case $0 in
tenken-probe) ;;
*) exec /usr/bin/env -i @ENV@ /bin/sh -c '. "$1"' tenken-probe "$0" ;;
esac
TK_COPY=@COPY@
"""
# $0 is the kernel's to say for a script, not the caller's; `exec` of a path meets no function or alias.

_READER = r"""umask 077
cd / || exit 2
TK_B= TK_NAMES= TK_LOGS= TK_STORES= TK_SECTIONS= tk_total=0 tk_globs=0 tk_paths=0
tk_refuse() { printf 'tenken-probe copy=%s: %s\n' "$TK_COPY" "$1" >&2; exit 2; }
tk_name() {
  case $1 in '' | *[!A-Za-z0-9._@-]* | [!A-Za-z0-9_]*) tk_refuse 'a name is not plain' ;; esac
  tk_total=$((tk_total + 1))
  if [ "${#1}" -gt 64 ] || [ "$tk_total" -gt @NAMES@ ]; then tk_refuse 'names are too long or too many'; fi
}
tk_glob() {
  case $1 in
    /*/*..* | *..* | *//* | */./* | *[!A-Za-z0-9._@/*?-]*) tk_refuse 'a log path is not plain' ;;
    /proc/* | /sys/* | /dev/* | /proc | /sys | /dev) tk_refuse 'a log path is not of a file system' ;;
    /*) ;;
    *) tk_refuse 'a log path is not absolute' ;;
  esac
  tk_top=${1#/}
  case ${tk_top%%/*} in '' | *[*?]*) tk_refuse 'a log path begins with a wildcard' ;; esac
  tk_globs=$((tk_globs + 1))
  if [ "${#1}" -gt 256 ] || [ "$tk_globs" -gt 64 ]; then tk_refuse 'log paths are too long or too many'; fi
}
tk_store() {
  case $1 in
    *..* | *//* | */./* | */. | */ | *[!A-Za-z0-9._@/-]*) tk_refuse 'a store is not plain' ;;
    /proc/* | /sys/* | /dev/* | /proc | /sys | /dev) tk_refuse 'a store is not of a file system' ;;
    /*) ;;
    *) tk_refuse 'a store is not absolute' ;;
  esac
  tk_paths=$((tk_paths + 1))
  if [ "${#1}" -gt 256 ] || [ "$tk_paths" -gt 64 ]; then tk_refuse 'stores are too long or too many'; fi
}
tk_section() {
  case $1 in '' | *[!a-z0-9_]*) tk_refuse 'a section is not plain' ;; esac
  case ' @SECTIONS@ ' in *" $1 "*) ;; *) tk_refuse 'a section is unknown' ;; esac
}
tk_take() {
  set -f
  IFS=' '
  tk_end=
  while IFS= read -r tk_line; do
    if [ -n "$tk_end" ]; then tk_refuse 'something follows the end'; fi
    tk_words=${tk_line#* }
    case $tk_line in
      end) tk_end=1 ;;
      'boundary '*)
        case $TK_B$tk_words in *[!0-9a-f]*) tk_refuse 'the boundary is not hexadecimal' ;; esac
        if [ -n "$TK_B" ] || [ "${#tk_words}" != 32 ]; then tk_refuse 'the boundary is not 32 digits'; fi
        TK_B=$tk_words
        ;;
      'names '* | 'logs '* | 'stores '* | 'sections '*)
        case $tk_words in *[!A-Za-z0-9._@/*?\ -]*) tk_refuse 'a word is not plain' ;; esac
        for tk_word in $tk_words; do
          case $tk_line in
            names*) tk_name "$tk_word" ;;
            logs*) tk_glob "$tk_word" ;;
            stores*) tk_store "$tk_word" ;;
            *) tk_section "$tk_word" ;;
          esac
        done
        case $tk_line in
          names*) TK_NAMES="${TK_NAMES:+$TK_NAMES }$tk_words" ;;
          logs*) TK_LOGS="${TK_LOGS:+$TK_LOGS }$tk_words" ;;
          stores*) TK_STORES="${TK_STORES:+$TK_STORES }$tk_words" ;;
          *) TK_SECTIONS="${TK_SECTIONS:+$TK_SECTIONS }$tk_words" ;;
        esac
        ;;
      *) tk_refuse 'a line is not a parameter' ;;
    esac
  done
  if [ -n "$tk_line" ]; then tk_refuse 'the last line is not whole'; fi
  if [ -z "$tk_end" ] || [ -z "$TK_B" ] || [ -z "$TK_SECTIONS" ]; then
    tk_refuse 'the parameters are not whole'
  fi
  set +f
  unset IFS
}
tk_read() {
  # A bound on bytes and on time: whoever never stops writing, or never begins, holds no root process.
  if command -v timeout >/dev/null 2>&1; then timeout 30 head -c @MORE@; else head -c @MORE@; fi
}
tk_in=$(tk_read | tr '\000' '!'; echo x)
tk_in=${tk_in%x}
if [ "${#tk_in}" -gt @INPUT@ ]; then tk_refuse 'the parameters are too long'; fi
"""
# A here-document would be spooled to a file, and a pipe into `read` loses the variables; so what
# follows the loop is run inside the pipe.
_TAIL = """{{ printf '%s' "$tk_in" | {{ tk_take && tk_main </dev/null; }}; }}
"""


@cache
def text() -> bytes:
    """Return the copy of this release: all probes, no boundary, no parameters."""
    probes = script.in_order([each for each in all_probes().values() if each.kind is TargetKind.HOST])
    body = script.body(probes, copy=True)
    last = "{ tk_main </dev/null; }\n"
    if not body.endswith(last):
        message = "the script's last line is not its call"
        raise ValueError(message)
    reader = (
        _READER.replace("@NAMES@", str(script.MAX_NAMES))
        .replace("@SECTIONS@", " ".join(probe.name for probe in probes))
        .replace("@MORE@", str(MAX_INPUT + 1))
        .replace("@INPUT@", str(MAX_INPUT))
    )
    env = " ".join(f"{key}={value}" for key, value in script.ENVIRONMENT.items())
    whole = (
        _HEAD.replace("@ENV@", env)
        + body.removesuffix(last)
        + reader
        + _TAIL.replace("{{", "{").replace("}}", "}")
    )
    copy = hashlib.sha256(whole.encode("ascii")).hexdigest()[:16]
    return whole.replace("TK_COPY=@COPY@", f"TK_COPY={copy}", 1).encode("ascii")


def digest() -> str:
    """SHA-256 of the copy's bytes, as in its sudo rule."""
    return hashlib.sha256(text()).hexdigest()


def mark() -> str:
    """Return what the copy of this release calls itself: 16 hexadecimal digits."""
    found = re.search(rb"^TK_COPY=([0-9a-f]{16})$", text(), re.MULTILINE)
    return found[1].decode() if found else ""


def lines(probes: Sequence[Probe[Any]], parameters: Parameters, boundary: str) -> bytes:
    """Return what the copy is told on its standard input. Raises ConfigError for what it would refuse."""
    script.check(parameters)
    names = parameters.names[: script.MAX_NAMES]
    rows = [f"boundary {boundary}"]
    rows += [" ".join(("names", *names[at : at + _PER_LINE])) for at in range(0, len(names), _PER_LINE)]
    rows += [f"logs {glob}" for glob in parameters.logs]
    rows += [f"stores {path}" for path in parameters.stores]
    rows += ["sections " + " ".join(probe.name for probe in probes), "end"]
    said = ("\n".join(rows) + "\n").encode("ascii")
    if len(said) > MAX_INPUT:
        message = f"the parameters of the installed copy are {len(said)} bytes"
        raise ConfigError(message, hint=f"It takes {MAX_INPUT}; shorten the roster's account names.")
    return said
