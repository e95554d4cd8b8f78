"""A site for tests of the ways to hosts: one cheap promise, and any number of sshds in one host."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from agent.clock import now
from agent.inspection import Request, inspect
from agent.progress import Silent
from agent.sites import open_site
from checks.model import Result
from tests.agent.labsite import LabSite
from tests.lab.host import Host

_HEAD = """
[site]
id = "lab"
name = "Lab K.K."
timezone = "Asia/Tokyo"

[[promise]]
id = "patches"
text = "operating systems are kept up-to-date"
source = { document = "privacy-policy.txt" }
proves = ["patch-currency"]
"""
_USUAL = 'config = ""\nconnect_timeout = "3s"\nhost_timeout = "30s"\n'


class SshSite(LabSite):
    """A site whose hosts are given by name and by what stands in their `[[host]]` blocks."""

    def __init__(
        self, folder: Path, hosts: Mapping[str, str], *, pins: Iterable[str], ssh: str = _USUAL
    ) -> None:
        super().__init__(folder, ())
        self.declare(hosts, ssh=ssh)
        (folder / "known_hosts").write_text("".join(f"{pin}\n" for pin in pins))

    def declare(self, hosts: Mapping[str, str], *, ssh: str = _USUAL) -> None:
        """Write the configuration anew."""
        blocks = "".join(f'\n[[host]]\nname = "{name}"\n{block}\n' for name, block in hosts.items())
        (self.folder / "tenken.toml").write_text(f"{_HEAD}\n[ssh]\n{ssh}\n{blocks}", "utf-8")

    def outcome(self, target: str) -> tuple[object, object]:
        """Status and reason of the newest run's visit to a host."""
        evidence = self.evidence(target)
        return evidence["status"], evidence["reason"]

    def results(self, target: str) -> set[Result]:
        """Every result that a host got in the newest run."""
        return {each.result for each in self.findings if each.target == target}

    def is_unknown(self, target: str) -> bool:
        """Whether a host that did not answer to the end has the right results.

        What rests on whole sections may be judged; nothing is judged where none came, and the last
        section (programs to restart) is never known.
        """
        if self.evidence(target)["status"] != "partial":
            return self.results(target) == {Result.UNKNOWN}
        last = [each for each in self.findings if (each.target, each.subject.kind) == (target, "restart")]
        return Result.UNKNOWN in self.results(target) and all(each.result is Result.UNKNOWN for each in last)

    def run_here(self) -> None:
        """Make a run in this process, as the daemon does one after another."""
        inspect(open_site(self.folder / "tenken.toml"), Request(), now=now, progress=Silent())


def block(
    host: Host, *, address: str = "", port: int = 0, key: Path | None = None, user: str = "", more: str = ""
) -> str:
    """What `[[host]]` says of a way to a lab host."""
    return (
        f'address = "{address or host.address}"\nport = {port or host.port}\nuser = "{user or host.login}"\n'
        f'identity = "{key or host.key_path}"\n{more}'
    )


def start_sshd(host: Host, *options: str, log: str = "") -> None:
    """Start one more sshd in a host; the first value of an option counts, so these win over its file.

    With `log` it writes all it does into that file instead of the host's log.
    """
    words = " ".join(f"-o '{option}'" for option in ("PidFile none", *options))
    done = host.sh(f"/usr/sbin/sshd {words} {f'-o LogLevel=DEBUG1 -E {log}' if log else ''}")
    assert done.returncode == 0, done.stderr


def open_here() -> tuple[int, int]:
    """Descriptors and threads of this process."""
    return len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208 (no files)


def wait_for(condition: Callable[[], object], timeout_s: float = 20) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)
