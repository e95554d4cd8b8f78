"""Servers that end, hang or flood at any stage: each has a closed reason, and no neighbour is touched."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Literal

import pytest

from checks.model import Result
from tests.agent.cutting import Cut, Relay
from tests.agent.sshsite import SshSite, block, start_sshd
from tests.collectors.sshd import HOST, playing
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab

_CIPHER = "Host *\n Ciphers aes128-gcm@openssh.com\n"
_LOGGED_IN = 7
"""units of a server that lets us in: version line, three of the key exchange, extensions, service, success"""


def names(cuts: list[Cut]) -> Iterator[str]:
    for cut in cuts:
        yield f"cut-{cut.after:03}-{'half' if cut.half else 'whole'}"


@pytest.mark.parametrize(
    ("transport", "how"), [("ssh", "reset"), ("ssh", "end"), ("ssh", "stall"), ("openssh", "reset")]
)
def test_a_connection_that_ends_or_stalls_at_any_stage_is_unknown_with_its_reason(
    own_host: OwnHostFactory, tmp_path: Path, transport: str, how: Literal["reset", "end", "stall"]
) -> None:
    good = own_host("clean")
    start_sshd(good, "Port 2201", "MaxStartups 200")
    more = f'transport = "{transport}"'
    ssh = 'config = "ssh_config"\nconnect_timeout = "3s"\nhost_timeout = "8s"\n'
    cuts = [Cut(after=n, half=half, how=how) for n in range(14) for half in (False, True)]
    with ExitStack() as stack:
        relays = [stack.enter_context(closing(Relay(good.address, 2201, cut))) for cut in cuts]
        ports = dict(zip(names(cuts), (relay.port for relay in relays), strict=True))
        blocks = {name: block(good, address=HOST, port=port, more=more) for name, port in ports.items()}
        pins = [f"[{HOST}]:{port} {good.host_key}" for port in ports.values()]
        hosts = {**blocks, "good": block(good, more=more)}
        site = SshSite(tmp_path / "site", hosts, pins=[*pins, good.known_hosts_line()], ssh=ssh)
        (site.folder / "ssh_config").write_text(_CIPHER)
        done = site.tenken("run", "-q")
    assert done.returncode == 3
    assert site.outcome("good") == ("collected", None)
    assert site.results("good") <= {Result.PASS, Result.NOT_APPLICABLE}
    reasons, details = set(), set()
    for name, cut in zip(ports, cuts, strict=True):
        assert site.is_unknown(name)
        status, reason = site.outcome(name)
        assert status in ("unreachable", "partial")
        early = {"protocol", "no_banner"} if how != "stall" else {"deadline", "no_banner"}
        if cut.after < _LOGGED_IN:
            assert (status, reason) in {("unreachable", each) for each in early}
        reasons.add(reason)
        details.add(str(site.evidence(name)["detail"]).partition(":")[0].rpartition("during the ")[2])
    assert site.outcome("cut-000-whole") == ("unreachable", "no_banner")
    late = {"no_answer", "probe_cut"} if how != "stall" else {"deadline"}
    assert early <= reasons <= early | late
    if transport == "ssh":
        assert {"handshake", "log-in", "opening of a session", "start of the command"} <= details
        assert late <= reasons
    assert site.verify().returncode == 0


def hush(connection: socket.socket) -> None:
    connection.recv(100)
    time.sleep(30)


def drip(letters: bytes) -> Callable[[socket.socket], None]:
    """A server that says this again and again, a few times a second."""

    def forever(connection: socket.socket) -> None:
        while True:
            connection.sendall(letters)
            time.sleep(0.1)

    return forever


def half_a_greeting(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-")
    drip(b"x")(connection)


def endless_greeting(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-")
    drip(b"x" * 100_000)(connection)


PLAYED: dict[str, Callable[[socket.socket], None]] = {
    "silent": hush,
    "drips-lines": drip(b"please wait\r\n"),
    "drips-bytes": drip(b"x"),
    "one-line": drip(b"x" * 100_000),
    "half-a-greeting": half_a_greeting,
    "endless-greeting": endless_greeting,
}
_ASKED = 'eval "$SSH_ORIGINAL_COMMAND"'
_BOTH = "yes & exec yes >&2"
REAL = {
    "errors-first": (f"ForceCommand head -c 5242880 /dev/zero >&2; {_ASKED}", "collected", None),
    "floods-both": (f"ForceCommand {_BOTH}", "unreachable", "too_much_output"),
    "floods-errors": ("ForceCommand exec yes >&2", "unreachable", "too_much_output"),
    "exits": ("ForceCommand exit 1", "unreachable", "no_answer"),
    "no-session": ("MaxSessions 0", "unreachable", "protocol"),
    "hangs": ("ForceCommand exec sleep 600", "unreachable", "deadline"),
    "takes-no-keys": ("PubkeyAuthentication no", "refused", "auth"),
}
"""a setting of sshd, and how the visit ends"""
# ssh counts itself logged in before it asks for a session.
_OPENSSH = {"no-session": ("unreachable", "no_answer")}


@pytest.mark.parametrize("transport", ["ssh", "openssh"])
def test_servers_that_hang_drip_flood_or_refuse_have_their_reasons_and_hold_up_nobody(
    own_host: OwnHostFactory, tmp_path: Path, transport: str
) -> None:
    good = own_host("clean")
    more = f'transport = "{transport}"'
    wanted: dict[str, tuple[object, object]] = {"good": ("collected", None)}
    with ExitStack() as stack:
        blocks, pins = {}, [good.known_hosts_line()]
        for name, role in PLAYED.items():
            port = stack.enter_context(playing(role))
            blocks[name] = block(good, address=HOST, port=port, more=more)
            wanted[name] = ("unreachable", "no_banner")
        for port, (name, (setting, *outcome)) in enumerate(REAL.items(), 2201):
            start_sshd(good, f"Port {port}", setting)
            blocks[name] = block(good, port=port, more=more)
            pins.append(f"[{good.address}]:{port} {good.host_key}")
            wanted[name] = (outcome[0], outcome[1])
        if transport == "openssh":
            wanted |= _OPENSSH
        ssh = 'config = ""\nconnect_timeout = "2s"\nhost_timeout = "8s"\n'
        site = SshSite(tmp_path / "site", {**blocks, "good": block(good, more=more)}, pins=pins, ssh=ssh)
        began = time.monotonic()
        assert site.tenken("run", "-q").returncode == 3
        assert time.monotonic() - began < 25
    assert {name: site.outcome(name) for name in wanted} == wanted
    for name, (status, _) in wanted.items():
        kept = {Result.PASS, Result.NOT_APPLICABLE} if status == "collected" else {Result.UNKNOWN}
        assert site.results(name) <= kept, name
    assert site.verify().returncode == 0
