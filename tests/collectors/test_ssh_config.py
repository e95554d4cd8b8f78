"""OpenSSH's configuration is asked from ssh itself, and what is not honoured is refused by name."""

from pathlib import Path

import pytest

from collectors.known_hosts import Accepts
from collectors.ssh_config import SshSettings, ssh_settings
from config.errors import ConfigError


def settings(tmp_path: Path, text: str, host: str = "web-01", **how: object) -> SshSettings:
    path = tmp_path / "config"
    path.write_text(text)
    return ssh_settings(path, host, **how)  # type: ignore[arg-type]


CASES: dict[str, tuple[str, dict[str, object]]] = {
    "nothing": ("", {"address": "web-01", "port": 22, "jump": (), "proxy_command": "", "alias": ""}),
    "address and port": (
        "Host web-*\n HostName %h.example.jp\n Port 2222\n",
        {"address": "web-01.example.jp", "port": 2222},
    ),
    "the first value counts": ("Host web-01\n Port 1\nHost *\n Port 2\n", {"port": 1}),
    "negated pattern": ("Host * !web-01\n Port 1\n", {"port": 22}),
    "jump hosts": ("Host *\n ProxyJump a@b:23,c\n", {"jump": ("a@b:23", "c")}),
    "jump host none": ("Host web-01\n ProxyJump none\nHost *\n ProxyJump b\n", {"jump": ()}),
    "proxy command": (
        "Host *\n ProxyCommand nc %h %p # %r %n %%\n User root\n",
        {"proxy_command": "nc web-01 22 # root web-01 %", "user": "root"},
    ),
    "alias": ("Host *\n HostKeyAlias fleet\n", {"alias": "fleet"}),
    "match exec": ("Match host web-01 exec true\n Port 7\nMatch exec false\n Port 8\n", {"port": 7}),
    "match final": ("Match final host web-01\n Port 9\n", {"port": 9}),
    "match host and original host": (
        "Match host web-01\n HostName a.x\nMatch host a.x\n User b\nMatch originalhost a.x\n Port 2\n",
        {"port": 22, "user": "b", "address": "a.x"},
    ),
    "match user": ("User b\nMatch user a\n Port 1\nMatch user b\n Port 2\n", {"port": 2}),
    "match final sees what came before": (
        "Host web-01\n HostName a.x\nMatch final host a.x\n Port 5\n",
        {"port": 5},
    ),
    "negated host alone matches nobody": ("Host !web-01\n Port 1\nHost !db\n Port 2\n", {"port": 22}),
    "several patterns, one negated": ("Host web-* !web-02\n Port 1\n", {"port": 1}),
    "jump hosts with users, ports and IPv6": (
        "Host *\n ProxyJump a@b:23,ssh://c:24,d@[2001:db8::1]:25\n",
        {"jump": ("a@b:23", "ssh://c:24", "d@[2001:db8::1]:25")},
    ),
    "tokens of jump hosts": (
        "Host *\n HostName %h.x\n ProxyJump gate-%n,%h-gate\n",
        {"jump": ("gate-web-01", "web-01.x-gate")},
    ),
    "none in the middle of jump hosts is a name": (
        "Host *\n ProxyJump a,none\n",
        {"jump": ("a", "none")},
    ),
    "a jump host before a proxy command": (
        "Host *\n ProxyJump a\n ProxyCommand nc %h %p\n",
        {"jump": ("a",), "proxy_command": ""},
    ),
    "a proxy command before a jump host": (
        "Host *\n ProxyCommand nc %h %p\n ProxyJump a\n",
        {"jump": (), "proxy_command": "nc web-01 22"},
    ),
    "address in another spelling": ("Host *\n HostName 0:0::1\n", {"address": "::1"}),
    "name in upper case": ("Host *\n HostName WEB.X\n", {"address": "web.x"}),
    "only the named identities": ("IdentitiesOnly yes\n", {"identities_only": True}),
    "all identities": ("", {"identities_only": False}),
    "least size of RSA": (
        "RequiredRSASize 3072\nHostKeyAlgorithms rsa-sha2-512\nCASignatureAlgorithms ssh-ed25519\n",
        {
            "accepts": Accepts(
                host_keys=frozenset({"rsa-sha2-512"}),
                authorities=frozenset({"ssh-ed25519"}),
                rsa_bits=3072,
            )
        },
    ),
    "keys in order": ("IdentityFile /k/a\nIdentityFile /k/b\n", {"identities": ("/k/a", "/k/b")}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_holds_for_a_host_is_what_ssh_says(case: str, tmp_path: Path) -> None:
    text, wanted = CASES[case]
    found = settings(tmp_path, text)
    assert {key: getattr(found, key) for key in wanted} == wanted


def test_included_files_count(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("Port 4\n")
    assert settings(tmp_path, f"Include {tmp_path}/more\nPort 5\n").port == 4


def test_included_patterns_of_files_count_in_their_order(tmp_path: Path) -> None:
    for name, line in (("b.conf", "Port 6\n"), ("a.conf", "Host web-*\n Port 4\n"), ("c.txt", "Port 7\n")):
        (tmp_path / name).write_text(line)
    text = f"Include {tmp_path}/*.conf {tmp_path}/none*\nPort 5\n"
    assert settings(tmp_path, text).port == 4
    assert settings(tmp_path, text, "db-01").port == 6
    assert settings(tmp_path, f"Host db\n Include {tmp_path}/b.conf\nHost *\n Port 9\n").port == 9


def test_what_the_inventory_says_wins(tmp_path: Path) -> None:
    found = settings(tmp_path, "User a\nPort 5\n", user="tenken", port=6)
    assert (found.user, found.port) == ("tenken", 6)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("RevokedHostKeys /etc/ssh/revoked", "revokedhostkeys"),
        ("KnownHostsCommand /bin/true", "knownhostscommand"),
        ("PKCS11Provider /lib/x.so", "pkcs11provider"),
        ("BindAddress 192.0.2.1", "bindaddress"),
        ("BindInterface lo", "bindinterface"),
        ("ProxyJump gate-%C", "ProxyJump of web-01 has the token %C"),
        ("ProxyUseFdpass yes\nProxyCommand true", "proxyusefdpass"),
        ("ProxyCommand nc %h %C", "token %C"),
    ],
)
def test_what_is_not_honoured_is_refused_by_name(line: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        settings(tmp_path, line + "\n")
    assert caught.value.hint


def test_a_damaged_configuration_is_an_error_with_the_words_of_ssh(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 2: Bad configuration option: prot"):
        settings(tmp_path, "Host *\n Prot 5\n")


def test_a_host_name_is_never_an_option_of_ssh(tmp_path: Path) -> None:
    """Nor is it run: an address comes from an inventory that others may write."""
    with pytest.raises(ConfigError):
        settings(tmp_path, "", host=f"-oProxyCommand=touch {tmp_path}/ran")
    assert not (tmp_path / "ran").exists()


def test_without_ssh_a_configuration_is_refused_and_not_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="ssh itself is not") as caught:
        settings(tmp_path, "Port 5\n")
    assert 'config = ""' in (caught.value.hint or "")
