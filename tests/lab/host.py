"""Starting, entering and ending lab hosts. Runs inside the lab only (see namespace.py)."""

import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.lab import cgroups, images, namespace
from tests.lab.personas import KEY_COMMENTS, PERSONAS, PREPARED, Persona

_HOSTINIT = Path(__file__).parent / "hostinit.sh"
_START_TIMEOUT_S = 60.0
_SSHD = "/usr/sbin/sshd -D"


class HostFailedError(Exception):
    """A lab host did not come up; the text holds what it printed."""


@dataclass(kw_only=True)
class Host:
    """One running host, or an address nobody answers at.

    `login` is the account the auditor is given there, `key_path` its private key. The same key opens `tenken`
    and, but for the persona `unprivileged`, `root`.
    """

    name: str
    persona: str
    address: str
    login: str
    key_path: Path
    host_key: str
    folder: Path
    port: int = 22
    pid: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    session: "subprocess.Popen[bytes] | None" = None
    cgroup: Path | None = None

    def known_hosts_line(self) -> str:
        """Return the line that pins this host; for `changed-key` it pins a key the host does not have."""
        return f"{self.address} {self.host_key}"

    def as_login(self, login: str) -> "Host":
        """Return this same running host with another account for the auditor; the audit key must open it."""
        return replace(self, login=login)

    def sh(self, script: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run `script` as root inside the host, not over SSH: the ground truth. The status is not checked."""
        return subprocess.run(
            [*self.entry(), "/bin/sh", "-c", script],
            capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
            timeout=timeout_s, check=False,
        )  # fmt: skip

    def entry(self) -> list[str]:
        """Return the command prefix that enters this host's namespaces with a clean environment."""
        if not self.pid:
            message = (
                f"no process behind {self.name}: {self.persona} is an address only, or the host was stopped"
            )
            raise HostFailedError(message)
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        enter = ["nsenter", "-t", str(self.pid), "-m", "-p", "-u", "-i", "-n", "--root", "--wdns=/"]
        return [*enter, "env", "-i", path, "HOME=/root", "LC_ALL=C"]

    def stop(self) -> None:
        """End the host; its open connections are closed by its dying processes."""
        if self.process is None:
            return
        if self.pid and self.process.poll() is None:
            # PID 1 itself, not unshare: with it the kernel ends the whole host.
            subprocess.run(["kill", "-9", str(self.pid)], check=False, stderr=subprocess.DEVNULL)
        self.process.wait(timeout=10)
        self.process, self.pid = None, 0
        if self.session is not None:
            self.session.kill()
            self.session.wait()
        if self.cgroup is not None:
            cgroups.remove(self.cgroup)
        shutil.rmtree(self.folder)

    def kill(self) -> None:
        """Cut the power: the network goes first, so open connections end without a word."""
        subprocess.run(["ip", "link", "delete", self._veth()], check=True)
        self.stop()

    def _veth(self) -> str:
        return f"v{self.folder.name}"


@dataclass(kw_only=True)
class Lab:
    """All hosts of one lab session and the keys made for it."""

    folder: Path = namespace.FOLDER / "lab"
    hosts: list[Host] = field(default_factory=list)
    _prepared: dict[tuple[str, str], Path] = field(default_factory=dict)
    _count: int = 0

    def __post_init__(self) -> None:
        """Make the keys of this session: the auditor's, the people's, and a host key nobody has."""
        self.folder.mkdir()
        self.audit_key = self.make_key("audit", "tenken audit")
        self.stranger_key = self.make_key("stranger", "host key of nobody")
        self.person_keys = {name: self.make_key(name, comment) for name, comment in KEY_COMMENTS.items()}

    def make_key(self, name: str, comment: str) -> Path:
        """Make an Ed25519 key pair and return the private key's path; the public one is beside it (.pub)."""
        path = self.folder / f"key-{name}"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)], check=True
        )
        return path

    def start(self, persona_name: str, setup: str = "") -> Host:
        """Bring up a host of that persona and return once it answers as the persona says it does.

        `setup` is shell text run inside as root after the persona's own script, before any daemon starts.
        Raises KeyError for an unknown persona, HostFailedError when the host does not come up.
        """
        persona = PERSONAS[persona_name]
        self._count += 1
        number = self._count
        folder = self.folder / str(number)
        folder.mkdir()
        host = Host(
            name=f"{persona_name}-{number}",
            persona=persona_name,
            address=f"10.77.{1 + number // 250}.{1 + number % 250}",
            login=persona.login,
            key_path=self.audit_key,
            host_key="",
            folder=folder,
        )
        private = self.make_key(f"host-{number}", "")
        shown = private if not persona.changed_host_key else self.stranger_key
        host.host_key = " ".join(shown.with_suffix(".pub").read_text().split()[:2])
        if not persona.exists:
            return self._address_only(host, persona)
        try:
            self._spawn(host, self._host_script(private, persona) + persona.script + "\n" + setup, persona)
            self._await(host, persona)
            if persona.session:
                self._open_session(host, persona.session)
        except BaseException:
            host.stop()
            raise
        self.hosts.append(host)
        return host

    def close(self) -> None:
        """End every host of this session."""
        for host in self.hosts:
            host.stop()
        self.hosts.clear()

    def _address_only(self, host: Host, persona: Persona) -> Host:
        if persona.black_hole:
            # The address resolves to a card that does not exist: packets leave the bridge and nobody answers.
            neighbour = f"{host.address} lladdr 02:00:00:00:00:01 nud permanent dev {namespace.BRIDGE}"
            subprocess.run(["ip", "neighbour", "replace", *neighbour.split()], check=True)
        return host

    def _host_script(self, host_key: Path, persona: Persona) -> str:
        """Return the shell text that puts the host's key and the auditor's key in place."""
        public = shlex.quote(self.audit_key.with_suffix(".pub").read_text().strip())
        lines = [
            "umask 077",
            "mkdir -p /etc/ssh",
            f"printf %s {shlex.quote(host_key.read_text())} > /etc/ssh/ssh_host_ed25519_key",
            "mkdir -p /home/tenken/.ssh",
            f"echo {public} > /home/tenken/.ssh/authorized_keys",
            "chown -R tenken:tenken /home/tenken/.ssh",
        ]
        if persona.login == "root":
            lines += ["mkdir -p /root/.ssh", f"echo {public} > /root/.ssh/authorized_keys"]
        return "\n".join([*lines, "umask 022", self._variables()]) + "\n"

    def _variables(self) -> str:
        """Return shell variables for personas: NOW, TODAY (days since 1970), KEY_<person> (public keys)."""
        now = int(time.time())
        keys = {
            f"KEY_{who}": path.with_suffix(".pub").read_text().strip()
            for who, path in self.person_keys.items()
        }
        values: Mapping[str, str] = {"NOW": str(now), "TODAY": str(now // 86_400), **keys}
        return "\n".join(f"{name}={shlex.quote(value)}; export {name}" for name, value in values.items())

    def _lower(self, persona: Persona) -> str:
        """Return the persona's lowerdir: the common state prepared once a session, over its images."""
        lower = images.mount_images(persona.image, self.folder / "images")
        if not persona.prepared:
            return lower
        wanted = (persona.image, persona.prepared)
        if wanted not in self._prepared:
            folder = self.folder / "prepared-{}-{}".format(*wanted)
            folder.mkdir()
            host = Host(
                name="prepared", persona="prepared", address="", login="",
                key_path=self.audit_key, host_key="", folder=folder,
            )  # fmt: skip
            recipe = Persona(script="", image=persona.image, prepared="", init="true", daemons="")
            self._spawn(host, self._variables() + "\n" + PREPARED[persona.prepared], recipe)
            if host.process is None or host.process.wait(timeout=_START_TIMEOUT_S):
                raise HostFailedError((folder / "output").read_text(errors="replace"))
            self._prepared[wanted] = folder / "upper"
        return f"{self._prepared[wanted]}:{lower}"

    def _spawn(self, host: Host, script: str, persona: Persona) -> None:
        (host.folder / "setup.sh").write_text(script)
        environ = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LAB_DIR": str(host.folder),
            "LAB_LOWER": self._lower(persona),
            "LAB_NAME": host.name,
            "LAB_ADDRESS": host.address,
            "LAB_INIT": persona.init or _SSHD,
            "LAB_DAEMONS": persona.daemons,
            "LAB_SYSTEMD": "",
        }
        flags = ["--mount", "--pid", "--uts", "--ipc", "--net", "--propagation", "private", "--fork"]
        command = ["unshare", *flags, "/bin/sh", str(_HOSTINIT)]
        if persona.systemd:
            host.cgroup = cgroups.create()
            environ["LAB_SYSTEMD"] = "yes"
            command = cgroups.inside(host.cgroup, ["unshare", "--cgroup", *command[1:]])
        with (host.folder / "output").open("wb") as output:
            host.process = subprocess.Popen(
                command,
                env=environ, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        host.pid = self._child_of(host.process)
        if host.address:
            veth = f"v{host.folder.name}"
            commands = (
                f"link add {veth} type veth peer name eth0 netns {host.pid}",
                f"link set {veth} master {namespace.BRIDGE} up",
            )
            subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)
        assert host.process.stdin is not None
        host.process.stdin.write(b"go\n")
        host.process.stdin.close()

    def _open_session(self, host: Host, person: str) -> None:
        """Log `person` in with a terminal and stay; a real session, known to sshd, logind and utmp."""
        known = host.folder / "known_hosts"
        known.write_text(host.known_hosts_line() + "\n")
        host.session = subprocess.Popen(
            ["ssh", "-F", "none", "-tt", "-i", str(self.person_keys[person]), "-o", "IdentitiesOnly=yes",
             "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={known}", "-p", str(host.port),
             f"{person}@{host.address}", "echo in; exec sleep infinity"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert host.session.stdout is not None
        if not host.session.stdout.readline():
            assert host.session.stderr is not None
            raise HostFailedError(host.session.stderr.read().decode(errors="replace"))

    def _child_of(self, process: "subprocess.Popen[bytes]") -> int:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and process.poll() is None:
            if pids := children.read_text().split():
                return int(pids[0])
            time.sleep(0.002)
        message = "unshare made no host process"
        raise HostFailedError(message)

    def _await(self, host: Host, persona: Persona) -> None:
        """Wait for the persona's sign of life, which for most is sshd's banner."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and host.process is not None and host.process.poll() is None:
            if _is_up(host, persona.ready):
                return _booted(host) if persona.systemd else None
            time.sleep(0.01)
        output = (host.folder / "output").read_text(errors="replace")
        message = f"{host.name} did not come up:\n{output}"
        raise HostFailedError(message)


def _booted(host: Host) -> None:
    """Wait for the end of the boot: before it, log-ins are refused by pam_nologin and units come and go."""
    state = host.sh("systemctl is-system-running --wait")
    if state.stdout.strip() not in {"running", "degraded"}:
        message = f"{host.name} did not finish its boot: {state.stdout}{state.stderr}"
        raise HostFailedError(message)


def _is_up(host: Host, ready: str) -> bool:
    if ready not in {"banner", "port"}:  # the name of the program that replaced the set-up script as PID 1
        return Path(f"/proc/{host.pid}/comm").read_text().strip() == ready
    try:
        with socket.create_connection((host.address, host.port), timeout=0.2) as connection:
            connection.settimeout(2)
            return ready == "port" or connection.recv(4) == b"SSH-"
    except OSError:
        return False
