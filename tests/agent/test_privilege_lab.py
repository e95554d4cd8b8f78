"""Each declared way to root gives root's facts over a real sshd and sudo, and a changed copy gives none."""

import base64
import json
import secrets
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.sudoers import forced_line, rule
from collectors import installed
from collectors.evidence import Reason, Status, TargetEvidence
from collectors.facts import Probe
from collectors.identities import load_identity
from collectors.known_hosts import parse
from collectors.registry import all_probes
from collectors.script import Parameters
from collectors.visit import visit
from config.model import Host as Declared
from config.model import Privilege
from tests.agent.labsite import LabSite
from tests.collectors.probes.asked import ssh
from tests.collectors.sshd import to_host
from tests.lab.host import Host
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab

PROBES: tuple[Probe[Any], ...] = tuple(
    all_probes()[name] for name in ("platform", "accounts", "shadow", "keys", "sshd", "names")
)
NAMES = ("suzuki", "sato")


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def installing() -> str:
    """The commands that `tenken hosts sudoers` prints."""
    return f"""
cd /root
echo {b64(installed.text())} | base64 -d > tenken-probe
echo {b64(rule(("tenken",)).encode())} | base64 -d > tenken-sudoers
echo '{installed.digest()}  tenken-probe' | sha256sum -c
install -d -o root -g root -m 0755 /usr/local/libexec
install -o root -g root -m 0755 tenken-probe {installed.PATH}
visudo -cf tenken-sudoers && install -o root -g root -m 0440 tenken-sudoers /etc/sudoers.d/tenken
cd /
"""


def ask(host: Host, privilege: Privilege, user: str) -> TargetEvidence:
    return visit(
        Declared(name="lab", user=user, privilege=privilege),
        to_host(
            address=host.address,
            port=host.port,
            user=user,
            identity=load_identity(host.key_path),
            known_hosts=parse(host.known_hosts_line().encode(), "known_hosts"),
            connect_timeout_s=5,
        ),
        PROBES,
        Parameters(names=NAMES),
        run=1,
        plan="0" * 64,
        salt="",
        boundary=secrets.token_hex(16),
        now=lambda: datetime.now(UTC),
        deadline_s=30,
    )


def parts(evidence: TargetEvidence) -> dict[str, Any]:
    """What each section says; of the platform only what stands still between two looks."""
    assert evidence.status is Status.COLLECTED, evidence.detail
    assert evidence.visit is not None
    assert evidence.visit.uid == 0
    return {
        section.name: [(part.name, part.state, part.sha256) for part in section.parts]
        for section in evidence.sections
        if section.name != "platform"
    }


def test_each_way_to_root_gives_what_root_sees(own_host: OwnHostFactory) -> None:
    """A shell through sudo, the copy behind its digest rule, and the forced command: byte for byte."""
    host = own_host("clean", setup=installing())
    bare = r"PATH\=/usr/sbin\:/usr/bin\:/sbin\:/bin LC_ALL\=C TZ\=UTC0"
    shell = f"tenken ALL=(root) NOPASSWD: /usr/bin/env -i {bare} /bin/sh -s"
    public = host.key_path.with_name(host.key_path.name + ".pub").read_text().strip()
    # Keys and sudo rules are facts, too: everything is set up before the first look.
    assert (
        host.sh(
            f"echo '{shell}' > /etc/sudoers.d/shell; chmod 440 /etc/sudoers.d/shell; visudo -c"
        ).returncode
        == 0
    )
    expected = parts(ask(host, Privilege.NONE, "root"))
    assert {"shadow", "keys"} <= set(expected)
    for privilege in (Privilege.SUDO, Privilege.INSTALLED):
        seen = ask(host, privilege, "tenken")
        assert parts(seen) == expected, privilege
        assert seen.visit is not None
        assert seen.visit.privilege == privilege.value
        assert (seen.visit.script_sha256 == installed.digest()) == (privilege is Privilege.INSTALLED)
    # Without a forced command, nothing runs.
    refused = ask(host, Privilege.FORCED, "root")
    assert (refused.status, refused.reason) == (Status.REFUSED, Reason.NO_PRIVILEGE)
    line = forced_line(public, "10.77.0.0/16") + "\n"
    host.sh(f"echo {b64(line.encode())} | base64 -d > /root/.ssh/authorized_keys")
    forced = parts(ask(host, Privilege.FORCED, "root"))
    del forced["keys"], expected["keys"]
    assert forced == expected
    # And the key opens nothing else: a command of the caller's own is not run.
    done = subprocess.run(
        [*ssh(host, "root", host.key_path), "id"], input=b"", capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_copy_changed_by_one_byte_is_refused_as_privilege_and_not_as_a_dead_host(
    own_host: OwnHostFactory,
) -> None:
    host = own_host("clean", setup=installing() + f"echo >> {installed.PATH}\n")
    evidence = ask(host, Privilege.INSTALLED, "tenken")
    assert (evidence.status, evidence.reason) == (Status.REFUSED, Reason.NO_PRIVILEGE)
    assert "privileged probe refused" in evidence.detail
    assert evidence.sections == ()


def test_a_copy_of_another_release_with_its_own_rule_is_outdated(own_host: OwnHostFactory) -> None:
    older = installed.text().replace(f"TK_COPY={installed.mark()}".encode(), b"TK_COPY=" + b"0" * 16, 1)
    setup = (
        installing()
        + f"echo {b64(older)} | base64 -d > {installed.PATH}\n"
        + f"new=$(sha256sum < {installed.PATH} | cut -d' ' -f1)\n"
        + f"sed -i s/{installed.digest()}/$new/ /etc/sudoers.d/tenken\n"
    )
    evidence = ask(own_host("clean", setup=setup), Privilege.INSTALLED, "tenken")
    assert (evidence.status, evidence.reason) == (Status.REFUSED, Reason.PROBE_OUTDATED)


@pytest.mark.parametrize("privilege", [Privilege.SUDO, Privilege.INSTALLED])
def test_sudo_without_a_rule_is_a_refused_privilege(own_host: OwnHostFactory, privilege: Privilege) -> None:
    evidence = ask(own_host("clean"), privilege, "tenken")
    assert (evidence.status, evidence.reason) == (Status.REFUSED, Reason.NO_PRIVILEGE)


def test_an_unprivileged_caller_gets_neither_a_shell_nor_a_secret(own_host: OwnHostFactory) -> None:
    """Criterion 12, over a real sshd and sudo."""
    host = own_host("clean", setup=installing())
    head = "boundary " + "ab" * 16

    def call(said: str, command: str = f"sudo -n {installed.PATH}") -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [*ssh(host, "tenken", host.key_path), command],
            input=said.encode(), capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    for bad in ("names -s", "names a;id", "names ..", "names host=x", "-s", "id", "logs /proc/kmsg"):
        done = call(f"{head}\n{bad}\nsections platform\nend\n")
        assert (done.returncode, done.stdout) == (2, b""), bad
        assert done.stderr.count(b"\n") == 1
    for command in (
        f"sudo -n {installed.PATH} -s",
        f"sudo -n TK_COPY=x {installed.PATH}",
        "sudo -n /bin/sh -s",
    ):
        assert b"@" not in call(f"{head}\nsections platform\nend\n", command).stdout, command
    done = call(f"{head}\nlogs /etc/shadow\nsections logs\nend\n")
    rows = [line for line in done.stdout.splitlines() if line.endswith(b"\t/etc/shadow")]
    assert rows
    # Of what is in it only whether it is a stamp; `-` where nothing was opened.
    assert {stamp for row in rows for stamp in row.split(b"\t")[:3]} <= {b"?", b"-"}
    assert any(row.startswith(b"?\t") for row in rows)
    assert b"$y$" not in done.stdout


def test_hosts_sudoers_prints_what_was_installed_and_hosts_test_says_what_to_fix(
    own_host: OwnHostFactory, tmp_path: Path
) -> None:
    host = own_host("clean", setup=installing())
    site = LabSite(tmp_path / "site", [host])
    config = site.folder / "tenken.toml"
    config.write_text(
        config.read_text().replace('user = "root"', 'user = "tenken"\nprivilege = "installed"'), "utf-8"
    )
    assert site.tenken("hosts", "sudoers", "--probe").stdout.encode() == installed.text()
    assert site.tenken("hosts", "sudoers", "--rule").stdout == rule(("tenken",))
    everything = site.tenken("hosts", "sudoers", "clean", "--from", "192.0.2.10").stdout
    command = next(line for line in installing().splitlines() if line.startswith("install -o root"))
    assert command in everything
    assert f'restrict,command="{installed.PATH}",from="192.0.2.10" ssh-' in everything
    assert site.tenken("hosts", "test").returncode == 0
    host.sh(f"echo >> {installed.PATH}")
    done = site.tenken("hosts", "test", "--format", "json")
    assert done.returncode == 3
    (row,) = json.loads(done.stdout)
    assert (row["status"], row["reason"]) == ("refused", "no_privilege")
    assert "tenken hosts sudoers" in row["what to do"]
