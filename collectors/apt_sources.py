"""What sources.list(5) asks apt to fetch, and under which names apt keeps it."""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from collectors.evidence import printable

_QUOTED = frozenset('\\|{}[]<>"^~_=!@#$%^&*')
_PLAIN = range(0x21, 0x7F)
_NO = frozenset(("no", "false", "without", "off", "disable", "0"))


class AptSource(Struct, frozen=True, kw_only=True):
    """One suite at one address that packages are fetched from."""

    prefix: str
    """what the names of its files in apt's list folder begin with"""
    suite: str
    """as it is configured; ends with / for an archive without suites"""
    components: tuple[str, ...]
    architectures: tuple[str, ...]
    """empty: those of the system"""


def read_sources(file: str, lines: Iterable[str]) -> tuple[AptSource, ...]:
    """Read one file's enabled `deb` entries in either of the two formats of sources.list(5).

    An entry that apt itself would refuse says nothing about what is fetched, so it is left out.
    """
    return tuple(_stanzas(lines) if file.endswith(".sources") else _one_a_line(lines))


def kept_name(address: str) -> str:
    """Return how apt names a fetched file: without scheme and credentials, `/` as `_`, odd bytes as %NN.

    As apt's URItoFileName does.
    """
    _, colon, rest = address.partition(":")
    place = rest if colon else address
    if place.startswith("//"):
        host, slash, path = place[2:].partition("/")
        host = host.rpartition("@")[2]
        if host.startswith("["):
            # An address of IPv6 loses its brackets.
            host = "".join(host[1:].split("]", 1))
        place = host + slash + path
    quoted = "".join(
        f"%{byte:02x}" if chr(byte) in _QUOTED or byte not in _PLAIN else chr(byte)
        for byte in place.encode("utf-8")
    )
    return quoted.replace("/", "_")


def _source(
    address: str, suite: str, components: tuple[str, ...], architectures: tuple[str, ...]
) -> AptSource:
    suite = printable(suite.encode(), limit=200)
    components = tuple(printable(component.encode(), limit=200) for component in components)
    base = address if address.endswith("/") else f"{address}/"
    if suite.endswith("/"):
        folder = base + ("" if suite == "/" else suite)
        return AptSource(prefix=kept_name(folder), suite=suite, components=(), architectures=architectures)
    return AptSource(
        prefix=kept_name(f"{base}dists/{suite}/"),
        suite=suite,
        components=components,
        architectures=architectures,
    )


def _one_a_line(lines: Iterable[str]) -> Iterator[AptSource]:
    for line in lines:
        options = ""
        rest = line.strip()
        if rest.startswith("["):
            options, _, rest = rest[1:].partition("]")
        words = rest.split()
        # A cdrom's name holds blanks in brackets; no fix ever comes from a disc.
        if len(words) < 3 or words[0] != "deb" or words[1].startswith("cdrom:"):  # noqa: PLR2004 (deb, address, suite)
            continue
        found = re.search(r"(?:^|\s)arch=(\S+)", options)
        asked = tuple(found[1].split(",")) if found else ()
        yield _source(words[1], words[2], tuple(words[3:]), asked)


def _stanzas(lines: Iterable[str]) -> Iterator[AptSource]:
    fields: dict[str, str] = {}
    field = ""
    for line in (*lines, ""):
        if not line.strip():
            yield from _stanza(fields)
            fields, field = {}, ""
        elif line[0] in " \t":
            if field:
                fields[field] += " " + line.strip()
        else:
            name, _, value = line.partition(":")
            field = name.strip().lower()
            fields[field] = value.strip()


def _stanza(fields: dict[str, str]) -> Iterator[AptSource]:
    if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in _NO:
        return
    for address in fields.get("uris", "").split():
        for suite in fields.get("suites", "").split():
            yield _source(
                address,
                suite,
                tuple(fields.get("components", "").split()),
                tuple(fields.get("architectures", "").split()),
            )
