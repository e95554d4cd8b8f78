"""Hosts that can only be reached through a bastion: one connection to it serves all of them."""

import re
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.agent.sshsite import SshSite, block, open_here, start_sshd, wait_for
from tests.lab.host import Host
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab

COUNT = 25
NAMES = [f"inner-{number:02}" for number in range(1, COUNT + 1)]
PORT = 2222
_JOURNAL = "/var/log/auth.log"


@dataclass(kw_only=True)
class Closed:
    """A network behind a bastion: 25 sshds with addresses and keys of their own."""

    bastion: Host
    inner: Host
    pins: list[str]

    def blocks(self, *, through_bastion: bool = True) -> dict[str, str]:
        jump = f'jump = ["{self.bastion.address}"]' if through_bastion else ""
        return {
            name: block(self.inner, address=f"10.78.0.{100 + number}", port=PORT, more=jump)
            for number, name in enumerate(NAMES, 1)
        }

    def log_ins(self, host: Host) -> list[str]:
        """From where, as the host's sshd itself wrote it down."""
        return re.findall(r"Accepted publickey for root from (\S+)", host.sh(f"cat {_JOURNAL}").stdout)


@pytest.fixture
def closed(own_host: OwnHostFactory) -> Closed:
    """A cable from the bastion to the inner host, whose own one is cut: no packet of ours gets there."""
    bastion, inner = own_host("clean"), own_host("clean")
    cable = f"link add in0 netns {inner.pid} type veth peer name in0 netns {bastion.pid}"
    cut = f"link delete v{inner.folder.name}"
    subprocess.run(["ip", "-batch", "-"], input=f"{cable}\n{cut}\n", text=True, check=True)
    assert bastion.sh("ip address add 10.78.0.1/24 dev in0 && ip link set in0 up").returncode == 0
    assert bastion.sh("cat /proc/sys/net/ipv4/ip_forward").stdout == "0\n"
    assert inner.sh("ip link set in0 up").returncode == 0
    pins = [bastion.known_hosts_line()]
    for number in range(1, COUNT + 1):
        address, key = f"10.78.0.{100 + number}", f"/root/host-{number}"
        made = inner.sh(
            f"ip address add {address}/24 dev in0 && ssh-keygen -q -t ed25519 -N '' -f {key} && cat {key}.pub"
        )
        start_sshd(inner, f"ListenAddress {address}", f"Port {PORT}", f"HostKey {key}")
        pins.append(f"[{address}]:{PORT} {' '.join(made.stdout.split()[:2])}")
    return Closed(bastion=bastion, inner=inner, pins=pins)


def test_25_hosts_behind_a_bastion_are_inspected_over_one_connection_to_it(
    closed: Closed, tmp_path: Path
) -> None:
    site = SshSite(tmp_path / "site", closed.blocks(through_bastion=False), pins=closed.pins)
    assert site.tenken("run", "-q").returncode == 3
    assert {site.outcome(name) for name in NAMES} == {("unreachable", "route")}
    assert closed.log_ins(closed.bastion) == closed.log_ins(closed.inner) == []
    site.declare(closed.blocks())
    done = site.tenken("run", "-q")
    assert {name: site.outcome(name) for name in NAMES} == dict.fromkeys(NAMES, ("collected", None))
    assert done.returncode == 0, done.stdout
    assert closed.log_ins(closed.bastion) == ["10.77.0.1"]
    assert closed.log_ins(closed.inner) == ["10.78.0.1"] * COUNT
    # Each has proved its own key, not the bastion's or a neighbour's.
    keys = {site.evidence(name)["visit"]["host_key"]["fingerprint"] for name in NAMES}  # type: ignore[index]
    assert len(keys) == COUNT
    assert site.verify().returncode == 0


@pytest.mark.parametrize(
    ("how", "reasons"),
    [
        ("stops", {"route", "refused", "connect_timeout"}),
        ("loses power", {"deadline", "connect_timeout", "no_banner"}),
    ],
)
def test_a_bastion_that_goes_away_leaves_each_host_behind_it_a_reason_and_nothing_of_ours(
    closed: Closed, tmp_path: Path, how: str, reasons: set[str]
) -> None:
    """`stops` closes the connection; without power it ends without a word."""
    timings = 'config = ""\nconnect_timeout = "1s"\nhost_timeout = "4s"\njobs = 3\njump_channels = 8\n'
    site = SshSite(tmp_path / "site", closed.blocks(), pins=closed.pins, ssh=timings)
    end: Callable[[], None] = closed.bastion.stop if how == "stops" else closed.bastion.kill
    drafts = site.folder / "state/runs"

    def watch() -> None:
        wait_for(lambda: len(list(drafts.glob(".tmp-*/evidence/*.json"))) >= 3)
        end()

    before = open_here()
    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    site.run_here()
    assert time.monotonic() - began < 25
    watcher.join()
    wait_for(lambda: open_here() <= before)
    whole = [name for name in NAMES if site.outcome(name) == ("collected", None)]
    assert 3 <= len(whole) < COUNT
    for name in set(NAMES) - set(whole):
        assert site.is_unknown(name)
        assert site.evidence(name)["reason"] in reasons
        assert how == "loses power" or "jump host" in str(site.evidence(name)["detail"])
    assert site.verify().returncode == 0
