"""Each host is reached as declared, and where that is silent, as OpenSSH's configuration says."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.reach import Reach
from agent.sites import Site, open_site
from collectors.evidence import Reason
from collectors.known_hosts import PinState
from collectors.transport import Answer, HostError
from config.errors import ConfigError
from tests.collectors.ssh_oracle import said_by_ssh
from tests.collectors.sshd import HOST, USER, Sshd, make_key, public

HEAD = """
[site]
id = "lab"
name = "Lab K.K."
[[promise]]
id = "patches"
text = "operating systems are kept up-to-date"
source = { document = "privacy-policy.txt" }
proves = ["patch-currency"]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    running = Sshd(tmp_path_factory.mktemp("sshd") / "s", settings=("LogLevel INFO",))
    yield running
    running.stop()


SiteMaker = Callable[..., Site]


@pytest.fixture
def site(tmp_path: Path, server: Sshd) -> SiteMaker:
    """Make a site with one host; `ssh` is what stands under [ssh], `host` under [[host]]."""

    def make(ssh: str, host: str = "", *, config: str = "", pins: str | None = None) -> Site:
        folder = tmp_path / "site"
        folder.mkdir(exist_ok=True)
        (folder / "ssh_config").write_text(config)
        (folder / "known_hosts").write_text(server.pins() if pins is None else pins)
        (folder / "known_hosts").chmod(0o600)
        (folder / "tenken.toml").write_text(
            f'{HEAD}\n[ssh]\nconnect_timeout = "5s"\nconfig = "{"ssh_config" if config else ""}"\n{ssh}\n'
            f'[[host]]\nname = "one"\nuser = "{USER}"\n{host}\n'
        )
        return open_site(folder / "tenken.toml")

    return make


def ask(site: Site) -> Answer:
    host = site.config.host[0]
    with Reach(site, site.config.host) as reach:
        return reach.transport(host).ask(
            b"echo hello\n",
            command="sh -s",
            cap_bytes=1_000,
            deadline=time.monotonic() + 30,
            now=lambda: datetime.now(UTC),
        )


def here(server: Sshd) -> str:
    return f'address = "{HOST}"\nport = {server.port}'


def test_a_declared_host_needs_no_configuration_of_ssh(site: SiteMaker, server: Sshd) -> None:
    assert ask(site(f'identity = "{server.user_key}"', here(server))).stdout == b"hello\n"


def test_address_port_and_key_come_from_ssh_where_the_inventory_is_silent(
    site: SiteMaker, server: Sshd
) -> None:
    config = f"Host one\n HostName {HOST}\n Port {server.port}\n IdentityFile {server.user_key}\n"
    assert ask(site("", config=config)).stdout == b"hello\n"


def test_a_host_key_alias_is_the_name_of_the_pin(site: SiteMaker, server: Sshd) -> None:
    config = f"Host one\n HostName {HOST}\n Port {server.port}\n HostKeyAlias fleet\n"
    key = public(server.host_keys["ssh-ed25519"])
    ssh = f'identity = "{server.user_key}"'
    assert ask(site(ssh, config=config, pins=f"fleet {key}\n")).stdout == b"hello\n"
    with pytest.raises(HostError) as caught:
        ask(site(ssh, config=config))
    assert caught.value.reason is Reason.HOST_KEY_UNKNOWN


def test_a_jump_host_of_the_inventory_and_one_of_ssh_lead_there(
    site: SiteMaker, server: Sshd, tmp_path: Path
) -> None:
    bastion = Sshd(tmp_path / "bastion", settings=("LogLevel INFO",))
    authorized = bastion.folder / "authorized_keys"
    authorized.write_text(authorized.read_text() + public(server.user_key) + "\n")
    ssh = f'identity = "{server.user_key}"'
    pins = server.pins() + bastion.pins()
    try:
        declared = f'{here(server)}\njump = ["{USER}@{HOST}:{bastion.port}"]'
        assert ask(site(ssh, declared, pins=pins)).stdout == b"hello\n"
        config = (
            f"Host one\n ProxyJump gate\nHost gate\n HostName {HOST}\n Port {bastion.port}\n User {USER}\n"
        )
        config += f"Host one\n HostName {HOST}\n Port {server.port}\n"
        assert ask(site(ssh, config=config, pins=pins)).stdout == b"hello\n"
        assert (bastion.folder / "log").read_text().count("Accepted publickey") == 2
    finally:
        bastion.stop()


@pytest.mark.parametrize(
    ("line", "pinned", "reason"),
    [
        ("HostKeyAlgorithms rsa-sha2-512", ("ssh-ed25519",), Reason.HOST_KEY_CHANGED),
        ("HostKeyAlgorithms rsa-sha2-512", ("ssh-rsa",), None),
        ("HostKeyAlgorithms ssh-ed25519", ("ssh-rsa",), Reason.HOST_KEY_CHANGED),
        ("RequiredRSASize 3072", ("ssh-rsa",), Reason.PROTOCOL),
        ("RequiredRSASize 2048", ("ssh-rsa",), None),
        ("RequiredRSASize 3072", ("ssh-ed25519", "ssh-rsa"), None),
    ],
)
def test_a_limit_to_what_a_host_may_show_holds_for_us_as_for_ssh(  # noqa: PLR0917 (fixtures)
    site: SiteMaker, several: Sshd, tmp_path: Path, line: str, pinned: tuple[str, ...], reason: Reason | None
) -> None:
    text = f"Host one {HOST}\n HostName {HOST}\n Port {several.port}\n {line}\n"
    pins = several.pins(*pinned)
    (tmp_path / "config").write_text(text)
    (tmp_path / "known").write_text(pins)
    try:
        theirs = said_by_ssh(several, (tmp_path / "known",), "one", config=str(tmp_path / "config")).state
    except AssertionError as err:
        assert "Invalid key length" in str(err)  # noqa: PT017 (the other way in which ssh refuses)
        theirs = PinState.UNKNOWN
    assert (theirs is PinState.KNOWN) == (reason is None)
    declared = site(f'identity = "{several.user_key}"', config=text, pins=pins)
    if reason is None:
        assert ask(declared).stdout == b"hello\n"
        return
    with pytest.raises(HostError) as caught:
        ask(declared)
    assert caught.value.reason is reason


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    running = Sshd(tmp_path_factory.mktemp("several") / "s", ("ed25519", "rsa"))
    yield running
    running.stop()


@pytest.mark.parametrize(
    "address",
    [
        "x;touch ran",
        "$(touch ran)",
        "-oProxyCommand=x",
        "a b",
        "root@x",
        "ssh://x",
        "x\\n",
        "[::1]",
        "a,b",
        "x%",
        "'",
    ],
)
def test_an_address_that_a_shell_or_ssh_could_take_for_more_is_refused(
    site: SiteMaker, server: Sshd, address: str
) -> None:
    """It would become a word of a ProxyCommand; addresses come from inventories that others may write."""
    config = "Host *\n ProxyCommand nc %h %p\n"
    with pytest.raises(ConfigError, match="a DNS name or an IP address"):
        site(f'identity = "{server.user_key}"', f'address = "{address}"', config=config)


@pytest.mark.parametrize(
    "hop", ["a;b", "-oX", "a@-b", "$(x)", "u v@a", "a b", "a,b", "", "a:b:c", "[::1", "a@"]
)
def test_a_jump_host_that_is_no_address_is_refused(site: SiteMaker, server: Sshd, hop: str) -> None:
    for transport in ("ssh", "openssh"):
        host = f'{here(server)}\ntransport = "{transport}"\njump = ["{hop}"]'
        with pytest.raises(ConfigError, match="jump host"):
            ask(site(f'identity = "{server.user_key}"', host))


def test_a_jump_host_of_ssh_is_called_with_our_rules_by_the_system_s_ssh_too(
    site: SiteMaker, server: Sshd, tmp_path: Path
) -> None:
    """`ssh -J` would ask it as the user's own configuration says, which may accept any key."""
    bastion = Sshd(tmp_path / "bastion")
    (bastion.folder / "authorized_keys").write_text(public(server.user_key) + "\n")
    config = (
        f"Host one\n HostName {HOST}\n Port {server.port}\n ProxyJump gate\n"
        f"Host gate\n HostName {HOST}\n Port {bastion.port}\n User {USER}\n"
        f"Host *\n StrictHostKeyChecking no\n UserKnownHostsFile {tmp_path}/theirs\n"
    )
    ssh, host = f'identity = "{server.user_key}"', 'transport = "openssh"'
    try:
        assert ask(site(ssh, host, config=config, pins=server.pins() + bastion.pins())).stdout == b"hello\n"
        with pytest.raises(HostError) as caught:
            ask(site(ssh, host, config=config))
    finally:
        bastion.stop()
    assert (caught.value.reason, "jump host gate" in caught.value.detail) == (Reason.HOST_KEY_UNKNOWN, True)
    assert not (tmp_path / "theirs").exists()


def test_hosts_behind_one_jump_host_share_its_connection(site: SiteMaker, server: Sshd) -> None:
    one = site(f'identity = "{server.user_key}"', f'{here(server)}\njump = ["gate"]')
    two = open_site(one.folder / "tenken.toml")
    text = (one.folder / "tenken.toml").read_text()
    (one.folder / "tenken.toml").write_text(
        f'{text}\n[[host]]\nname = "two"\naddress = "192.0.2.1"\njump = ["gate"]\n'
    )
    two = open_site(one.folder / "tenken.toml")
    reach = Reach(two, two.config.host)
    roads = [reach.road(host) for host in two.config.host]
    # The user of a jump host is that of the host behind it, so these two differ in theirs.
    assert roads[0]._jump is not roads[1]._jump  # type: ignore[attr-defined]
    assert roads[0]._jump is reach.road(two.config.host[0])._jump  # type: ignore[attr-defined]


def test_a_proxy_command_is_the_connection_and_ends_with_it(
    site: SiteMaker, server: Sshd, tmp_path: Path
) -> None:
    mark = tmp_path / "pid"
    relay = tmp_path / "relay"
    known = tmp_path / "known"
    known.write_text(server.pins())
    relay.write_text(
        f"#!/bin/sh\necho $$ > {mark}\nexec ssh -F none -i {server.user_key} -o UserKnownHostsFile={known}"
        f' -p {server.port} -W "$1:$2" {USER}@{HOST}\n'
    )
    relay.chmod(0o755)
    config = f"Host one\n HostName {HOST}\n Port {server.port}\n ProxyCommand {relay} %h %p\n"
    assert ask(site(f'identity = "{server.user_key}"', config=config)).stdout == b"hello\n"
    pid = int(mark.read_text())
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_a_proxy_command_that_ends_is_no_banner(site: SiteMaker, server: Sshd) -> None:
    config = "Host one\n ProxyCommand false\n"
    with pytest.raises(HostError) as caught:
        ask(site(f'identity = "{server.user_key}"', config=config))
    assert caught.value.reason is Reason.NO_BANNER


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """A real ssh-agent; the function gives it a key."""
    running = subprocess.run(
        ["ssh-agent", "-s", "-a", str(tmp_path / "agent")], capture_output=True, text=True, check=True
    )
    pid = running.stdout.split("SSH_AGENT_PID=")[1].split(";")[0]
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    yield lambda key: subprocess.run(["ssh-add", "-q", str(key)], check=True)  # type: ignore[func-returns-value]
    os.kill(int(pid), 15)


class TestKeys:
    def test_a_key_that_only_the_agent_holds_logs_in(
        self, site: SiteMaker, server: Sshd, agent: Callable[[Path], None], tmp_path: Path
    ) -> None:
        for number in range(2):
            agent(make_key(tmp_path / f"other-{number}"))
        agent(server.user_key)
        assert ask(site("agent = true", here(server))).stdout == b"hello\n"
        only = f"IdentitiesOnly yes\nIdentityFile {server.user_key}.pub\nHost one\n HostName {HOST}\n"
        limited = site("agent = true", f"port = {server.port}", config=only)
        assert ask(limited).stdout == b"hello\n"
        assert len(Reach(limited, limited.config.host).login(limited.config.host[0]).identities) == 1
        # Named by its public half, it is the only one shown.
        alone = tmp_path / "alone.pub"
        alone.write_text(server.user_key.with_suffix(".pub").read_text())
        declared = site(f'agent = true\nidentity = "{alone}"', here(server))
        assert ask(declared).stdout == b"hello\n"
        assert len(Reach(declared, declared.config.host).login(declared.config.host[0]).identities) == 1

    def test_the_agent_is_not_asked_unless_declared(
        self, site: SiteMaker, server: Sshd, agent: Callable[[Path], None]
    ) -> None:
        agent(server.user_key)
        with pytest.raises(ConfigError, match="no private key"):
            ask(site("", here(server)))

    def test_no_agent_is_a_configuration_error(
        self, site: SiteMaker, server: Sshd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        with pytest.raises(ConfigError, match="no ssh-agent"):
            ask(site("agent = true", here(server)))

    @pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
    def test_an_encrypted_key_opens_with_the_declared_passphrase(
        self, site: SiteMaker, server: Sshd, tmp_path: Path, kind: str
    ) -> None:
        key = make_key(tmp_path / "locked", kind, passphrase="a phrase")  # noqa: S106 (of this test)
        authorized = server.folder / "authorized_keys"
        authorized.write_text(authorized.read_text() + public(key) + "\n")
        secret = tmp_path / "secret"
        secret.write_text("a phrase\nanother line\n")
        secret.chmod(0o600)
        identity = f'identity = "{key}"\npassphrase = '
        for place in (f'{{ file = "{secret}" }}', f'{{ command = ["cat", "{secret}"] }}'):
            assert ask(site(identity + place, here(server))).stdout == b"hello\n"
        secret.write_text("another phrase\n")
        with pytest.raises(ConfigError, match="does not open") as caught:
            ask(site(f'{identity}{{ file = "{secret}" }}', here(server)))
        assert "another phrase" not in str(caught.value)

    def test_a_secret_that_others_can_read_is_refused(
        self, site: SiteMaker, server: Sshd, tmp_path: Path
    ) -> None:
        secret = tmp_path / "secret"
        secret.write_text("x\n")
        secret.chmod(0o640)
        with pytest.raises(ConfigError, match="accessible to others"):
            ask(site(f'identity = "k"\npassphrase = {{ file = "{secret}" }}', here(server)))

    def test_a_certificate_beside_the_key_logs_in(self, site: SiteMaker, tmp_path: Path) -> None:
        authority = make_key(tmp_path / "ca")
        key = make_key(tmp_path / "user")
        subprocess.run(
            ["ssh-keygen", "-q", "-s", str(authority), "-I", "lab", "-n", USER, f"{key}.pub"], check=True
        )
        (tmp_path / "ca.line").write_text(public(authority) + "\n")
        only = Sshd(tmp_path / "only", settings=(f"TrustedUserCAKeys {tmp_path}/ca.line",))
        try:
            declared = site(f'identity = "{key}"', here(only), pins=only.pins())
            assert ask(declared).stdout == b"hello\n"
            (tmp_path / "user-cert.pub").unlink()
            with pytest.raises(HostError) as caught:
                ask(site(f'identity = "{key}"', here(only), pins=only.pins()))
        finally:
            only.stop()
        assert caught.value.reason is Reason.AUTH
