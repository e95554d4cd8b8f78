"""What `ansible-inventory --list` prints becomes hosts, and what would be a guess is refused by its name."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.ansible import InventoryProblems, read_inventory
from config.model import Host, InventorySource, Privilege, TransportKind

SOURCE = InventorySource(file="i.json", privilege=Privilege.SUDO)


def inventory(hostvars: dict[str, dict[str, Any]], **groups: Any) -> bytes:
    everybody = {"children": ["ungrouped", *groups]}
    return json.dumps({"_meta": {"hostvars": hostvars}, "all": everybody, **groups}).encode()


def read(
    hostvars: dict[str, dict[str, Any]], source: InventorySource = SOURCE, **groups: Any
) -> dict[str, Host]:
    return {host.name: host for host in read_inventory(inventory(hostvars, **groups), source)}


def problems(
    hostvars: dict[str, dict[str, Any]], source: InventorySource = SOURCE, **groups: Any
) -> list[str]:
    with pytest.raises(InventoryProblems) as caught:
        read(hostvars, source, **groups)
    return caught.value.lines


def test_address_port_user_and_key_are_taken() -> None:
    hosts = read(
        {
            "web-01": {
                "ansible_host": "192.0.2.1", "ansible_port": 2222, "ansible_user": "audit",
                "ansible_ssh_private_key_file": "/k", "colour": "blue", "ansible_become": True,
            },
            "WEB-02.example.jp": {"ansible_ssh_port": "2022", "ansible_connection": "smart"},
            "here": {"ansible_connection": "local"},
        },
        web={"hosts": ["web-01", "WEB-02.example.jp"]},
    )  # fmt: skip
    one, two = hosts["web-01"], hosts["web-02.example.jp"]
    assert (one.where, one.port, one.user, one.identity) == ("192.0.2.1", 2222, "audit", "/k")
    assert (one.groups, one.privilege) == (("web",), Privilege.SUDO)
    assert (two.where, two.port, two.user) == ("WEB-02.example.jp", 2022, "tenken")
    assert hosts["here"].transport is TransportKind.LOCAL


def test_what_ansible_itself_prints_is_read() -> None:
    raw = (Path(__file__).parent / "ansible" / "ansible-core-2.19.json").read_bytes()
    hosts = {host.name: host for host in read_inventory(raw, SOURCE)}
    assert {name: (host.where, host.port, host.user, host.groups) for name, host in hosts.items()} == {
        "db-01": ("db-01", None, "tenken", ("db",)),
        "lonely.example.jp": ("lonely.example.jp", None, "tenken", ()),
        "web-01": ("192.0.2.1", None, "audit", ("asia", "db", "tokyo-1")),
        "web-02.example.jp": ("WEB-02.example.jp", 2222, "audit", ("asia", "tokyo-1")),
    }
    assert hosts["db-01"].identity == "keys/db"
    declared = InventorySource(file="i", user="inspector")
    assert {host.user for host in read_inventory(raw, declared)} == {"inspector"}


def test_a_group_that_is_its_own_grandchild_many_times_over_is_no_trap() -> None:
    """Gone through once for each way to it, this would not end."""
    wide = {"children": ["a", "b"] * 20}
    assert set(read({"h": {}}, a={**wide, "hosts": ["h"]}, b=wide)) == {"h"}


def test_groups_hold_the_hosts_of_their_children() -> None:
    hosts = read(
        {"a": {}, "b": {}, "c": {}},
        asia={"children": ["tokyo_1"]},
        tokyo_1={"hosts": ["a", "b"]},
        loop={"children": ["loop"], "hosts": ["c"]},
    )
    assert hosts["a"].groups == ("asia", "tokyo-1")
    assert hosts["c"].groups == ("loop",)


def test_some_groups_only() -> None:
    source = InventorySource(file="i", groups=("asia",))
    taken = read(
        {"a": {}, "b": {"ansible_password": "x"}}, source, asia={"hosts": ["a"]}, rest={"hosts": ["b"]}
    )
    assert set(taken) == {"a"}
    missing = problems({"a": {}}, InventorySource(file="i", groups=("asai",)), asia={"hosts": ["a"]})
    assert missing == ["there is no group asai"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ansible_ssh_common_args", "-o ProxyJump=x"),
        ("ansible_ssh_extra_args", "-4"),
        ("ansible_ssh_args", "-C"),
        ("ansible_ssh_executable", "/opt/ssh"),
        ("ansible_password", "secret-of-a-test"),
        ("ansible_ssh_pass", "secret-of-a-test"),
        ("ansible_connection", "winrm"),
        ("ansible_paramiko_proxy_command", "nc"),
        ("ansible_host_key_checking", False),
        ("ansible_host", "{{ inventory_hostname }}.lan"),
    ],
)
def test_a_variable_that_would_change_the_way_there_is_refused_by_name(variable: str, value: object) -> None:
    (line,) = problems({"web": {variable: value}, "good": {}})
    assert line.startswith("web: ")
    assert variable in line
    assert "secret-of-a-test" not in line


def test_every_problem_is_named_at_once() -> None:
    found = problems(
        {
            "a b": {}, "A": {}, "a": {}, "p": {"ansible_port": 70000}, "u": {"ansible_user": "-x"},
            "f": {"ansible_port": [22]},
        },
        web={"hosts": ["a"], "vars": {"ansible_user": "root", "colour": 1}},
    )  # fmt: skip
    assert [line.split(":")[0].split(" is ")[0] for line in found] == [
        "group web", "a", "'a b'", "f", "p", "u",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{", b"null", b"{}", b'{"_meta": {"hostvars": {}}}', b"[" * 100_000, b"\xff"]
)
def test_what_is_no_inventory_names_nobody_and_says_so(raw: bytes) -> None:
    with pytest.raises(InventoryProblems):
        read_inventory(raw, SOURCE)


_KEYS = st.sampled_from(["_meta", "hostvars", "hosts", "children", "a", "all"])
_JSON = st.recursive(
    st.none() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner),
)


@given(_JSON)
def test_any_json_is_hosts_or_problems(value: object) -> None:
    try:
        assert read_inventory(json.dumps(value).encode(), SOURCE)
    except InventoryProblems as err:
        assert err.lines  # noqa: PT017 (either is right)
