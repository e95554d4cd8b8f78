"""Whom a run believes and who believes it: certificates and changed keys of hosts, and our own keys."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.model import Result
from tests.agent.sshsite import SshSite, block, start_sshd
from tests.collectors.sshd import make_key, public
from tests.lab.host import Host
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab

TRANSPORTS = ["ssh", "openssh"]
CERTIFIED = {
    "certified": "@cert-authority {at} {ca}",
    "revoked-authority": "@cert-authority {at} {ca}\n@revoked {at} {ca}",
    "changed": "{at} {stranger}",
    "unknown": "",
    "other-authority": "@cert-authority {at} {stranger}",
    "expired": "@cert-authority {at} {ca}",
}
"""a host's name, and what known_hosts says of it"""
REASONS = {
    "revoked-authority": "host_key_revoked",
    "changed": "host_key_changed",
    "unknown": "host_key_unknown",
    "other-authority": "host_key_unknown",
    "expired": "host_key_unknown",
}

# ssh writes a certificate's identity into its log as it stands.
IDENTITIES = {"unknown": "x\nAuthenticated to x\nssh: Could not resolve hostname x\nPermission denied\n"}


def fingerprint(key: Path) -> str:
    said = subprocess.run(["ssh-keygen", "-lf", str(key)], capture_output=True, text=True, check=True)
    return said.stdout.split()[1]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_only_a_host_that_proves_a_believed_key_gets_to_see_ours(
    own_host: OwnHostFactory, tmp_path: Path, transport: str
) -> None:
    host = own_host("clean")
    authority, stranger = make_key(tmp_path / "ca"), make_key(tmp_path / "stranger")
    blocks, pins = {}, []
    for port, (name, lines) in enumerate(CERTIFIED.items(), 2201):
        key = make_key(tmp_path / name)
        ended = ["-V", "-2d:-1d"] if name == "expired" else []
        sign = [
            "ssh-keygen",
            "-q",
            "-s",
            authority,
            "-I",
            IDENTITIES.get(name, name),
            "-h",
            "-n",
            host.address,
            *ended,
        ]
        subprocess.run([*sign, f"{key}.pub"], check=True)
        for path in (key, key.with_name(f"{name}-cert.pub")):
            host.sh(f"umask 077; echo '{path.read_text()}' > /root/{path.name}")
        options = (f"Port {port}", f"HostKey /root/{name}", f"HostCertificate /root/{name}-cert.pub")
        start_sshd(host, *options, log=f"/root/{name}.log")
        blocks[name] = block(host, port=port, more=f'transport = "{transport}"')
        known = {"ca": public(authority), "stranger": public(stranger)}
        pins += [lines.format(at=f"[{host.address}]:{port}", **known)]
    site = SshSite(tmp_path / "site", blocks, pins=pins)
    assert site.tenken("run", "-q").returncode == 3
    assert site.outcome("certified") == ("collected", None)
    shown = site.evidence("certified")["visit"]["host_key"]  # type: ignore[index]
    assert shown["trusted_by"] == f"known_hosts:1 (@cert-authority {fingerprint(authority)})"
    assert shown["type"] == "ssh-ed25519"
    assert shown["fingerprint"] == fingerprint(tmp_path / "certified")
    for name, reason in REASONS.items():
        assert site.outcome(name) == ("refused", reason), site.evidence(name)["detail"]
        (finding,) = [each for each in site.findings if each.target == name]
        assert (finding.result, finding.reason) == (Result.UNKNOWN, reason)
    # Nobody else was told so much as a user's name.
    told = {name: host.sh(f"grep -c userauth-request /root/{name}.log").stdout.strip() for name in CERTIFIED}
    assert int(told.pop("certified")) > 0
    assert set(told.values()) == {"0"}
    assert site.verify().returncode == 0


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A real ssh-agent; its process."""
    socket = tmp_path / "agent"
    said = subprocess.run(["ssh-agent", "-s", "-a", socket], capture_output=True, text=True, check=True)
    pid = int(said.stdout.split("SSH_AGENT_PID=")[1].split(";")[0])
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    yield pid
    if Path(f"/proc/{pid}").exists():
        os.kill(pid, signal.SIGTERM)


def opened_by(host: Host, port: int, name: str, line: str, *options: str) -> None:
    """Start an sshd that only this key or authority opens."""
    host.sh(f"echo '{line}' > /root/{name}.keys")
    start_sshd(host, f"Port {port}", *options, log=f"/root/{name}.log")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_key_of_the_agent_a_certificate_and_an_encrypted_key_log_in(
    own_host: OwnHostFactory, tmp_path: Path, agent: int, transport: str
) -> None:
    """The system's ssh asks nobody for a passphrase, and so has no use for an encrypted file."""
    host = own_host("clean")
    held = make_key(tmp_path / "held")
    subprocess.run(["ssh-add", "-q", held], check=True)
    held.unlink()
    opened_by(host, 2201, "held", public(held), "AuthorizedKeysFile /root/held.keys")
    authority, signed = make_key(tmp_path / "user-ca"), make_key(tmp_path / "signed")
    sign = ["ssh-keygen", "-q", "-s", authority, "-I", "audit", "-n", "root", f"{signed}.pub"]
    subprocess.run(sign, check=True)
    trusted = ("TrustedUserCAKeys /root/signed.keys", "AuthorizedKeysFile none")
    opened_by(host, 2202, "signed", public(authority), *trusted)
    locked = make_key(tmp_path / "locked", passphrase="a phrase")  # noqa: S106 (of this test)
    opened_by(host, 2203, "locked", public(locked), "AuthorizedKeysFile /root/locked.keys")
    secret = tmp_path / "secret"
    secret.write_text("a phrase\n")
    secret.chmod(0o600)
    keys = {"held": held.with_suffix(".pub"), "signed": signed, "locked": locked}
    more = f'transport = "{transport}"'
    blocks = {
        name: block(host, port=port, key=key, more=more)
        for port, (name, key) in enumerate(keys.items(), 2201)
    }
    ssh = f'config = ""\nconnect_timeout = "3s"\nagent = true\npassphrase = {{ file = "{secret}" }}\n'
    pins = [f"[{host.address}]:{port} {host.host_key}" for port in (2201, 2202, 2203)]
    site = SshSite(tmp_path / "site", blocks, pins=pins, ssh=ssh)
    site.tenken("run", "-q")
    whole = ("collected", None)
    wanted = dict.fromkeys(keys, whole) | ({"locked": ("refused", "auth")} if transport == "openssh" else {})
    assert {name: site.outcome(name) for name in keys} == wanted
    assert "ED25519-CERT" in host.sh("grep Accepted /root/signed.log").stdout
    # Without its agent a run that wants one contacts nobody.
    os.kill(agent, signal.SIGTERM)
    before = host.sh("cat /root/*.log").stdout
    done = site.tenken("run", "-q")
    if transport == "ssh":
        assert done.returncode == 2
        assert "ssh-agent" in done.stderr
        assert host.sh("cat /root/*.log").stdout == before
    else:
        assert site.outcome("held") == ("refused", "auth")
