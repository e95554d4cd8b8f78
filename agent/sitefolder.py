"""Write a new site folder: configuration from a profile, signing key, trust file, and the example."""

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from agent.clock import now
from agent.sites import origin_of
from config.errors import ConfigError
from config.profiles import text
from reports.sealkey import SealKey
from reports.trust import first as first_trust

_EXAMPLE_HOST = """
[[host]]
name = "this-machine"
transport = "local"
"""

_HOSTS_TO_COME = """
# A host a block. Pin its key with `tenken hosts trust NAME`, try it with `tenken hosts test NAME`.
#
# [[host]]
# name = "web-01"
# address = "web-01.example.jp"
# user = "tenken"            # the audit account
# privilege = "sudo"         # "none": what root alone can see stays unknown
#
# Accounts that belong to no single person, each with somebody who answers for it.
#
# [[account]]
# name = "backup"
# owner = "operations group"
# reason = "nightly backup"
"""


def write_site(
    folder: Path, *, profile: str, site_id: str, name: str, timezone: str, example: bool
) -> Iterator[str]:
    """Write the folder and tell what was written; raises ConfigError when one is there already."""
    configuration = folder / "tenken.toml"
    if configuration.exists():
        message = f"{configuration} is there already"
        raise ConfigError(message, hint="Choose another folder, or edit that file.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    yield from _keys(folder, site_id)
    if example:
        yield from _example(folder)
    pieces = [
        _site(site_id, name, timezone or _machine_zone()),
        _sources(example=example),
        _EXAMPLE_HOST if example else _HOSTS_TO_COME,
        "\n",
        text(profile),
    ]
    # Written last: a folder without it is not a site, so a half-made one is simply made again.
    configuration.write_text("".join(pieces), "utf-8")
    configuration.chmod(0o600)
    yield f"configuration  {configuration}"
    if not example:
        yield ""
        yield f"Next: ssh-keygen -t ed25519 -N '' -f {folder / 'keys' / 'audit'}"
        yield "      edit the configuration: hosts, roster, mail journal, your own sentences; then"
        for step in ("config check", "hosts trust NAME", "hosts test", "run"):
            yield f"      tenken --config {configuration} {step}"


def _keys(folder: Path, site_id: str) -> Iterator[str]:
    """Make the signing key and the trust file that an auditor is handed, unless they are there."""
    path, trust = folder / "keys" / "seal", folder / "trust" / "trust-1.json"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    origin = origin_of(site_id)
    key = SealKey.load(path, origin=origin) if path.exists() else SealKey.create(path, origin=origin)
    yield f"signing key    {path} ({key.fingerprint})"
    if not trust.exists():
        trust.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        trust.write_bytes(first_trust(site=site_id, key=key.verifier, issued=now().date()).encode())
    digest = hashlib.sha256(trust.read_bytes()).hexdigest()
    yield f"trust file     {trust}"
    yield f"               SHA-256 {digest}: give it to your auditor on another way than the file"


def _site(site_id: str, name: str, timezone: str) -> str:
    return f"""# What this site declares. `tenken config check` reads it and says what is wrong.
# The schema is docs/tenken.schema.json, or `tenken config schema`.

[site]
id = {_quoted(site_id)}
name = {_quoted(name)}
timezone = {_quoted(timezone)}

[schedule]
every = "24h"
at = "02:00"

[ssh]
identity = "keys/audit"   # the audit account's key, made by: ssh-keygen -t ed25519 -N '' -f keys/audit
"""


def _sources(*, example: bool) -> str:
    if example:
        return """
# An invented roster and an invented mail journal: put your own here.
[roster]
path = "roster.csv"

[[mail]]
name = "journal"
kind = "maildir"
path = "journal"
own_domains = ["example.jp"]
"""
    return """
# The HR list: who left or moved when, and their account names.
[roster]
path = "roster.csv"

# A journal of sent mail (always_bcc).
[[mail]]
name = "journal"
kind = "maildir"
path = "journal"
own_domains = ["example.jp"]
"""


def _example(folder: Path) -> Iterator[str]:
    from agent.demo_mail import write_example_maildir  # noqa: PLC0415 (pulls PDF and CMS writers in)

    today = now().date()
    roster = folder / "roster.csv"
    roster.write_text(
        "社員番号,アカウント,退職日,異動日\n"
        f"E1001,sato,{today - timedelta(days=40)},\n"
        f"E1002,tanaka,{today - timedelta(days=3)},\n"
        f"E1003,suzuki,,{today - timedelta(days=90)}\n"
        "E1004,takahashi,,\n",
        "utf-8",
    )
    yield f"roster         {roster} (invented)"
    write_example_maildir(folder / "journal", now())
    yield f"mail journal   {folder / 'journal'} (invented)"


def _quoted(value: str) -> str:
    """A TOML basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(value, ensure_ascii=False)


def _machine_zone() -> str:
    """The machine's zone by its IANA name, or UTC where it has none."""
    named = os.environ.get("TZ", "")
    if "/" in named and not named.startswith((":", "/")):
        return named
    link = Path("/etc/localtime").resolve().as_posix()
    _, found, name = link.partition("/zoneinfo/")
    return name if found else "UTC"
