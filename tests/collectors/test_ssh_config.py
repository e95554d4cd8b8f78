"""OpenSSH's configuration is asked from ssh itself, and what is not honoured is refused by name."""

from pathlib import Path

import pytest

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


def test_what_the_inventory_says_wins(tmp_path: Path) -> None:
    found = settings(tmp_path, "User a\nPort 5\n", user="tenken", port=6)
    assert (found.user, found.port) == ("tenken", 6)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("RevokedHostKeys /etc/ssh/revoked", "revokedhostkeys"),
        ("KnownHostsCommand /bin/true", "knownhostscommand"),
        ("PKCS11Provider /lib/x.so", "pkcs11provider"),
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
