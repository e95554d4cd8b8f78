"""All sections together on booted hosts and under real log-in shells: equal, small, and nothing written."""

import secrets
import shutil
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from collectors.evidence import Status, TargetEvidence
from collectors.framing import parse_stream
from collectors.identities import load_identity
from collectors.known_hosts import parse
from collectors.script import ENVIRONMENT, Parameters, compose
from collectors.visit import visit
from config.model import Host as Declared
from tests.collectors.sshd import to_host
from tests.collectors.test_whole_script import CAPS, CHANGING, PROBES, VOLATILE, B, changes, still, whole
from tests.lab.host import Host
from tests.lab.personas import PEOPLE, SHELL_LOGINS
from tests.lab.plugin import HostFactory, OwnHostFactory

pytestmark = pytest.mark.lab

BOOTED = ("systemd-12", "systemd-13")
SHELLS = ("dash", "bash", "bash --posix", "/usr/local/bin/busybox ash")
_BUSYBOX = Path(shutil.which("busybox") or "/bin/busybox")


def inside(host: Host, shell: str, *, wrapped_by: tuple[str, ...] = ()) -> bytes:
    """Run the whole script as root inside a host, without a log-in."""
    env = [f"{key}={value}" for key, value in ENVIRONMENT.items()]
    told = Parameters(names=tuple(PEOPLE), stores=("/home/sato", "/etc/shadow", "/srv/x"))
    done = subprocess.run(
        [*wrapped_by, *host.entry(), "env", "-i", *env, *shell.split(), "-s"],
        input=compose(PROBES, told, B),
        capture_output=True, check=True, timeout=180,
    )  # fmt: skip
    return done.stdout


@cache
def _put_busybox(host_pid: int, command: tuple[str, ...]) -> None:
    put = "cat > /usr/local/bin/busybox; chmod 755 /usr/local/bin/busybox"
    subprocess.run([*command, "sh", "-c", put], input=_BUSYBOX.read_bytes(), check=True)


@pytest.mark.parametrize("persona", BOOTED)
def test_every_shell_gives_equal_payloads_on_a_booted_host(own_host: OwnHostFactory, persona: str) -> None:
    """The images have no busybox: the runner's is put in."""
    host = own_host(persona)
    _put_busybox(host.pid, tuple(host.entry()))
    # The journal of a host that has just booted grows by the second: it is held still.
    assert host.sh("kill -STOP $(systemctl show -P MainPID systemd-journald)").returncode == 0
    answers = {shell: still(whole(inside(host, shell))) for shell in SHELLS}
    for shell, answer in answers.items():
        for name, section in answer.items():
            assert section == answers["dash"][name], f"{shell}: {name}"


@pytest.mark.parametrize("persona", BOOTED)
@pytest.mark.parametrize("shell", ["dash", "bash", "/usr/local/bin/busybox ash"])
def test_nothing_is_written_on_a_booted_host(
    own_host: OwnHostFactory, tmp_path: Path, persona: str, shell: str
) -> None:
    """As root with every section, journalctl, sshd -T and systemctl included; traced from outside."""
    host = own_host(persona)
    _put_busybox(host.pid, tuple(host.entry()))
    trace = tmp_path / "trace"
    strace = ("strace", "-f", "-qq", "-s200", "-e", f"trace={CHANGING},execve", "-o", str(trace))
    whole(inside(host, shell, wrapped_by=strace))
    lines = trace.read_text("utf-8", errors="replace").splitlines()
    ran = "\n".join(line for line in lines if "execve(" in line)
    for tool in ("journalctl", "sshd", "apt-config", "dpkg-query", "systemctl", "ssh-keygen"):
        assert f'/{tool}"' in ran, tool
    assert (
        changes("\n".join(line for line in lines if "execve(" not in line and "execve resumed" not in line))
        == []
    )


@pytest.mark.parametrize("persona", [*BOOTED, "clean", "rpm-clean", "busybox"])
def test_a_typical_host_sends_less_than_100_kilobytes_and_the_time_of_each_section(
    host: HostFactory, persona: str
) -> None:
    asked = host(persona)
    shell = "ash" if persona == "busybox" else "dash"
    stream = inside(asked, "busybox ash" if shell == "ash" else shell)
    assert len(stream) < 100_000
    parsed = parse_stream(stream, B, CAPS)
    assert parsed.done
    # Single sections may be quicker than the hundredth of a second that /proc/uptime tells; all are not.
    assert sum(section.ms for section in parsed.sections) > 0


# --- log-in shells


def ask(host: Host, login: str) -> TargetEvidence:
    return visit(
        Declared(name="lab", user=login),
        to_host(
            address=host.address,
            port=host.port,
            user=login,
            identity=load_identity(host.key_path),
            known_hosts=parse(host.known_hosts_line().encode(), "known_hosts"),
            connect_timeout_s=5,
        ),
        PROBES,
        Parameters(names=tuple(PEOPLE)),
        run=1,
        plan="0" * 64,
        salt="",
        boundary=secrets.token_hex(16),
        now=lambda: datetime.now(UTC),
        deadline_s=60,
    )


@pytest.mark.parametrize("login", [name for name in SHELL_LOGINS if name != "audit-dash"])
def test_a_log_in_shell_changes_no_fact_and_its_noise_is_counted(
    own_host: OwnHostFactory, login: str
) -> None:
    """Criteria 1 and 2: bash prints and exports functions named awk and ls; tcsh and fish speak otherwise."""
    # What each account alone may read of its own would differ.
    shells = own_host("shells", setup="chmod -R a+rX /home")
    # Each log-in is itself a line of the log: nobody writes it for a while.
    assert shells.sh("kill $(cat /run/rsyslogd.pid)").returncode == 0
    quiet, loud = ask(shells, "audit-dash"), ask(shells, login)
    assert (quiet.status, loud.status) == (Status.COLLECTED, Status.COLLECTED)
    assert quiet.visit is not None
    assert loud.visit is not None
    assert quiet.visit.noise_bytes == 0
    assert (loud.visit.noise_bytes > 0) == (login == "audit-bash")
    for was, now in zip(quiet.sections, loud.sections, strict=True):
        gone = VOLATILE.get(was.name, set())
        assert [(it.name, it.state, it.raw) for it in now.parts if it.name not in gone] == [
            (it.name, it.state, it.raw) for it in was.parts if it.name not in gone
        ], was.name
