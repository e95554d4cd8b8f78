"""Hosts of an imported inventory stand beside the declared ones, or nothing is contacted at all."""

import json
import time
from pathlib import Path

import psutil
import pytest

from agent.lastrun import chosen
from agent.sites import Site, open_site
from config.errors import ConfigError, TenkenError
from config.model import Privilege

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
HOSTS = {
    "_meta": {"hostvars": {"web-01": {"ansible_host": "192.0.2.1"}, "db-01": {}}},
    "db": {"hosts": ["db-01"]},
    "web": {"hosts": ["web-01"]},
}


def site(folder: Path, inventory: str, more: str = "") -> Site:
    folder.mkdir(exist_ok=True)
    (folder / "tenken.toml").write_text(f"{HEAD}\n[[inventory]]\n{inventory}\n{more}")
    return open_site(folder / "tenken.toml")


@pytest.fixture
def printer(tmp_path: Path) -> str:
    """A program that prints the inventory, as dynamic inventories do."""
    program = tmp_path / "inventory"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(HOSTS)}\nEND\n")
    program.chmod(0o755)
    return f'command = ["{program}", "--list"]'


def test_hosts_of_a_program_and_of_a_file_are_the_same(tmp_path: Path, printer: str) -> None:
    from_program = site(tmp_path / "a", f'{printer}\nprivilege = "sudo"')
    (tmp_path / "b").mkdir()
    (tmp_path / "b/hosts.json").write_text(json.dumps(HOSTS))
    from_file = site(tmp_path / "b", 'file = "hosts.json"\nprivilege = "sudo"')
    assert from_program.config.host == from_file.config.host
    assert [host.name for host in chosen(from_program, "@db")] == ["db-01"]
    assert {host.privilege for host in from_program.config.host} == {Privilege.SUDO}


def test_a_declared_host_wins_as_a_whole(tmp_path: Path, printer: str) -> None:
    found = site(tmp_path / "a", printer, '[[host]]\nname = "web-01"\nexcluded = "replaced in May"\n')
    (one,) = (host for host in found.config.host if host.name == "web-01")
    assert (one.excluded, one.address) == ("replaced in May", "")
    assert len(found.config.host) == 2


def test_accounts_may_be_declared_for_hosts_that_only_the_inventory_has(tmp_path: Path, printer: str) -> None:
    more = '[[account]]\nname = "backup"\nowner = "IT"\nreason = "backups"\nhosts = ["db-*"]\n'
    assert site(tmp_path / "a", printer, more).config.account


@pytest.mark.parametrize(
    ("inventory", "said"),
    [
        ("", "either command or file"),
        ('file = "a"\ncommand = ["b"]', "either command or file"),
        ('file = "missing.json"', "cannot be read"),
        ('command = ["/nonexistent/program"]', "No such file"),
        ('command = ["sh", "-c", "echo oops >&2; exit 4"]', "status 4: oops"),
        ('command = ["sh", "-c", "kill -9 $$"]', "was killed"),
        ('command = ["yes"]', "more than 64 MiB"),
        ('command = ["sh", "-c", "exec 1>&2; yes"]', "more than 64 MiB"),
        ('command = ["echo", "hello"]', "no JSON"),
        ('command = ["true"]\nprivilege = "forced"', "forced command"),
    ],
)
def test_an_inventory_that_cannot_be_taken_stops_everything(
    tmp_path: Path, inventory: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        site(tmp_path / "a", inventory)
    assert caught.value.hint


def test_every_host_that_stands_against_it_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    bad = {f"h{number}": {"ansible_ssh_common_args": "-J x"} for number in range(30)}
    (folder / "i.json").write_text(json.dumps({"_meta": {"hostvars": bad}}))
    with pytest.raises(ConfigError) as caught:
        site(folder, 'file = "i.json"')
    assert str(caught.value).count("ansible_ssh_common_args") == 20
    assert "and 10 more" in str(caught.value)


def test_nobody_failed_before_the_first_run(tmp_path: Path, printer: str) -> None:
    with pytest.raises(TenkenError, match="no host failed"):
        chosen(site(tmp_path / "a", printer), "@failed")


def test_no_escape_sequence_of_an_inventory_reaches_the_terminal(tmp_path: Path) -> None:
    hosts = {
        "_meta": {"hostvars": {"a\x1b[2J": {}, "b": {"ansible_\u202ex": 1}, "c": {"ansible_host": "x;id"}}}
    }
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "i.json").write_text(json.dumps(hosts))
    said = ['file = "i.json"', 'command = ["sh", "-c", "printf \'\\\\033[2J\' >&2; exit 1"]']
    for inventory in said:
        with pytest.raises(ConfigError) as caught:
            site(folder, inventory)
        assert all(char.isprintable() or char == "\n" for char in str(caught.value))
    with pytest.raises(
        ConfigError, match="c: address: expected a DNS name or an IP address, without user, port or brackets"
    ):
        site(folder, said[0])


def test_a_program_that_hangs_is_ended_with_all_that_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.inventories._COMMAND_S", 1)
    with pytest.raises(ConfigError, match="no answer within 1 s"):
        site(tmp_path / "a", f'command = ["sh", "-c", "sleep 300 & echo $! > {tmp_path}/pid; wait"]')
    pid = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < until
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_program_runs_in_the_folder_of_the_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "i.json").write_text(json.dumps(HOSTS))
    assert len(site(folder, 'command = ["cat", "i.json"]').config.host) == 2


def test_a_limit_works_on_imported_groups_and_names(tmp_path: Path, printer: str) -> None:
    found = site(tmp_path / "a", printer, '[[host]]\nname = "web-02"\ngroups = ["web"]\n')
    for limit, names in (
        ("@web", {"web-01", "web-02"}),
        ("@web,!web-02", {"web-01"}),
        ("web-*,@db", {"web-01", "web-02", "db-01"}),
        ("!@db", {"web-01", "web-02"}),
    ):
        assert {host.name for host in chosen(found, limit)} == names
    # Ansible's own spelling is refused by name, not guessed at.
    for limit in ("web:db", "web:!web-02", "web:&db", "all", "~web"):
        with pytest.raises(ConfigError, match="names no host"):
            chosen(found, limit)
