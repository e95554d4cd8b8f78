"""Read the JSON of `ansible-inventory --list`: hosts, their groups, and how to connect to them.

Only what is known to be right is taken. A variable that would change how a host is reached, and that is not
honoured here, is refused by its name: a guess would inspect another machine than Ansible manages.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from config.model import TARGET_ID, Host, InventorySource, TransportKind
from config.shape import in_words

_TAKEN = {
    "ansible_host": "address",
    "ansible_ssh_host": "address",
    "ansible_port": "port",
    "ansible_ssh_port": "port",
    "ansible_user": "user",
    "ansible_ssh_user": "user",
    "ansible_private_key_file": "identity",
    "ansible_ssh_private_key_file": "identity",
}
_HARMLESS = re.compile(
    r"ansible_(become.*|python_interpreter|.*_interpreter|shell_.*|remote_tmp|facts|.*_module.*|check_mode|"
    r"distribution.*|os_family|date_time|version|inventory_sources|playbook_.*|forks|limit|verbosity|"
    r"run_tags|skip_tags|diff_mode|config_file|group_.*|pipelining|ssh_pipelining|ssh_transfer_method|"
    r"ssh_retries|ssh_timeout|timeout|scp_.*|sftp_.*|async_dir)"
)
"""variables that change what Ansible does there, not which machine it is or how it is reached"""
_CONNECTIONS = {
    "ssh": None,
    "smart": None,
    "paramiko": None,
    "paramiko_ssh": None,
    "local": TransportKind.LOCAL,
}
_EVERYBODY = frozenset({"all", "ungrouped"})


class InventoryProblems(Exception):  # noqa: N818 (it is more than one)
    """An inventory that cannot be taken as it is; `lines` say why, host by host."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def read_inventory(raw: bytes, source: InventorySource) -> tuple[Host, ...]:
    """Return the hosts of an inventory, by name; raises InventoryProblems with everything that is wrong."""
    try:
        tables = json.loads(raw)
    except (ValueError, RecursionError) as err:
        raise InventoryProblems(["it is no JSON"]) from err
    if not isinstance(tables, dict):
        raise InventoryProblems(["it is no JSON object of groups"])
    problems: list[str] = []
    variables = _variables(tables, problems)
    groups = _groups(tables, problems)
    members = {host for group in groups.values() for host in group} | set(variables)
    unknown = sorted(set(source.groups) - set(groups))
    problems += [f"there is no group {name}" for name in unknown]
    if source.groups:
        members = {host for name in source.groups for host in groups.get(name, ())}
    hosts: dict[str, Host] = {}
    for name in sorted(members):
        own = {_slug(group) for group, those in groups.items() if name in those and group not in _EVERYBODY}
        host = _host(name, variables.get(name, {}), frozenset(own - {""}), source, problems)
        if host is None:
            continue
        if host.name in hosts:
            problems.append(f"{name}: there is another host of that name in other letters")
        hosts[host.name] = host
    if not hosts and not problems:
        problems.append("it names no host")
    if problems:
        raise InventoryProblems(problems)
    return tuple(hosts.values())


def _variables(tables: dict[str, Any], problems: list[str]) -> dict[str, dict[str, Any]]:
    meta = tables.get("_meta")
    found = meta.get("hostvars") if isinstance(meta, dict) else None
    if not isinstance(found, dict):
        # Without it Ansible would ask the program once more for each host.
        problems.append("it has no _meta.hostvars: print it with ansible-inventory --list")
        return {}
    return {name: values for name, values in found.items() if isinstance(values, dict)}


def _groups(tables: dict[str, Any], problems: list[str]) -> dict[str, frozenset[str]]:
    """Each group with its hosts, those of its children included."""
    plain = {name: group for name, group in tables.items() if name != "_meta"}
    for name, group in plain.items():
        if isinstance(group, dict):
            problems += [
                f"group {name}: {key} is set for a whole group: let ansible-inventory --list merge it"
                for key in _names_of(group.get("vars"))
                if key.startswith("ansible_") and not _HARMLESS.fullmatch(key)
            ]
    return {name: frozenset(_members(plain, name)) for name in plain}


def _members(tables: dict[str, Any], top: str) -> Iterator[str]:
    """Hosts of a group and of all below it; a group that is its own child is gone through once."""
    seen, left = {top}, [top]
    while left:
        group = tables.get(left.pop())
        if isinstance(group, list):  # the old form: hosts alone
            yield from _names_of(group)
        if isinstance(group, dict):
            yield from _names_of(group.get("hosts"))
            new = set(_names_of(group.get("children"))) - seen
            seen |= new
            left += sorted(new)


def _names_of(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list | dict) else []


def _host(
    name: str, values: dict[str, Any], groups: frozenset[str], source: InventorySource, problems: list[str]
) -> Host | None:
    before = len(problems)
    fields: dict[str, Any] = {
        "name": name.lower(),
        "address": name,
        "user": source.user or "tenken",
        "privilege": source.privilege,
        "transport": source.transport,
        "identity": source.identity,
        "groups": sorted(groups),
    }
    for key, value in sorted(values.items()):
        ours = source.user is not None and _TAKEN.get(key) == "user"
        if key.startswith("ansible_") and not _HARMLESS.fullmatch(key) and not ours:
            wrong = _take(fields, key, value)
            problems += [f"{name}: {key} {wrong}"] if wrong else []
    if re.fullmatch(TARGET_ID, fields["name"]) is None or len(name) > 63:  # noqa: PLR2004 (TARGET_ID's own bound)
        problems.append(f"{name!r} is no name of a target; declare the host as [[host]] instead")
    if len(problems) > before:
        return None
    try:
        return msgspec.convert(fields, Host)
    except msgspec.ValidationError as err:
        message, _, at = str(err).partition(" - at `$.")
        field = at.rstrip("`")
        problems.append(f"{name}: {field}: {in_words(message, fields.get(field))}")
        return None


def _take(fields: dict[str, Any], key: str, value: Any) -> str:
    """Take one variable; says why it cannot be taken."""
    if isinstance(value, str) and "{{" in value:
        return "is a template that was not filled in"
    if key == "ansible_connection":
        if not isinstance(value, str) or value not in _CONNECTIONS:
            return f"= {repr(value)[:40]} is not supported; exclude the host"
        fields["transport"] = _CONNECTIONS[value] or fields["transport"]
    elif key in _TAKEN:
        fields[_TAKEN[key]] = int(value) if _TAKEN[key] == "port" and _is_number(value) else value
    else:
        return "is not honoured here; declare the host as [[host]] instead"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value) is not None


def _slug(group: str) -> str:
    """Spell a group's name as ours are; nothing when it cannot be."""
    spelt = re.sub(r"[^a-z0-9]+", "-", group.lower()).strip("-")
    return spelt if re.fullmatch(r"[a-z][a-z0-9-]{0,63}", spelt) else ""
