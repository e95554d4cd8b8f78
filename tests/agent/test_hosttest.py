"""`tenken hosts test` against real servers that fail: each way to fail is named, with what to do."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.hosttest import advice
from collectors.evidence import Reason, Status
from collectors.transport import HINTS as VISIT_HINTS
from collectors.visit import not_visited
from config.model import Host
from reports.reasons import HINTS
from tests.collectors.sshd import HOST, USER, Sshd, make_key, playing, public

HEAD = """
[site]
id = "lab"
name = "Lab K.K."
[[promise]]
id = "patches"
text = "operating systems are kept up-to-date"
source = { document = "privacy-policy.txt" }
proves = ["patch-currency"]
[ssh]
config = ""
connect_timeout = "5s"
host_timeout = "20s"
"""
TENKEN = Path(sys.executable).parent / "tenken"
DOCS = Path(__file__).parents[2] / "docs" / "operating.md"


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_hint_and_stands_in_the_manual(reason: Reason) -> None:
    evidence = not_visited(Host(name="web-01"), run=1, plan="0" * 64, salt="0" * 32, reason=reason)
    text = advice(evidence)
    assert text.endswith(".")
    assert "NAME" not in text
    assert f"`{reason.value}`" in DOCS.read_text("utf-8")


def test_hints_of_a_visit_name_a_command_or_a_setting() -> None:
    """What to type or to write, not only what to think about."""
    words = ("tenken ", "[ssh]", "[[host]]", "getent", "declare", "sshd", "ssh-", "ssh -", "log-in", "sh -s")
    plain = {Reason.INTERRUPTED, Reason.DEADLINE}
    assert [
        r for r, hint in VISIT_HINTS.items() if r not in plain and not any(w in hint for w in words)
    ] == []
    assert "host_timeout" in HINTS[Reason.DEADLINE]


def test_a_jump_host_that_fails_is_what_is_to_be_mended() -> None:
    evidence = not_visited(
        Host(name="web-01"), run=1, plan="0" * 64, salt="0" * 32,
        reason=Reason.HOST_KEY_UNKNOWN, detail="jump host gate: the host shows ssh-ed25519",
    )  # fmt: skip
    assert "declare it as a [[host]]" in advice(evidence)
    assert "web-01" not in advice(evidence)


def hush(connection: object) -> None:
    time.sleep(30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A site whose hosts fail in every way that a server on this machine can fail in."""
    top = tmp_path_factory.mktemp("hosts")
    good, strange = Sshd(top / "good"), Sshd(top / "strange")
    gate = Sshd(top / "gate", settings=("AllowTcpForwarding no",))
    (gate.folder / "authorized_keys").write_text(public(good.user_key) + "\n")
    key, other = public(strange.host_keys["ssh-ed25519"]), public(make_key(top / "other"))
    blocks: list[str] = []

    def host(name: str, port: int = good.port, identity: Path = good.user_key, more: str = "") -> None:
        blocks.append(
            f'[[host]]\nname = "{name}"\naddress = "{HOST}"\nport = {port}\nuser = "{USER}"\n'
            f'identity = "{identity}"\n{more}\n'
        )

    with (
        playing(hush) as silent,
        playing(lambda connection: connection.sendall(b"HTTP/1.1 400 \x1b[31mBad\r\n\r\n")) as web,
    ):
        for way in ("ssh", "openssh"):
            more = f'transport = "{way}"'
            host(f"{way}-good", more=more)
            host(f"{way}-refused", 1, more=more)
            host(f"{way}-silent", silent, more=more)
            host(f"{way}-web", web, more=more)
            host(f"{way}-unknown", strange.port, more=more)
            host(f"{way}-auth", identity=make_key(top / f"stranger-{way}"), more=more)
            host(f"{way}-flood", identity=good.key_for(f"flood-{way}", "yes"), more=more)
            host(f"{way}-mute", identity=good.key_for(f"mute-{way}", "echo go away; exit 3"), more=more)
            host(f"{way}-jump", more=f'{more}\njump = ["{HOST}:{gate.port}"]')
            host(f"{way}-changed", strange.port, more=f"{more}\n")
        host("gone", 1, more='excluded = "replaced in May"')
        pins = good.pins() + gate.pins()
        site = top / "site"
        site.mkdir()
        (site / "tenken.toml").write_text(
            HEAD + "".join(block for block in blocks if "-changed" not in block)
        )
        (site / "known_hosts").write_text(pins)
        changed = top / "changed"
        changed.mkdir()
        (changed / "tenken.toml").write_text(HEAD + "".join(block for block in blocks if "-changed" in block))
        (changed / "known_hosts").write_text(f"[{HOST}]:{strange.port} {other}\n")
        revoked = top / "revoked"
        revoked.mkdir()
        (revoked / "tenken.toml").write_text(HEAD + "".join(block for block in blocks if "-changed" in block))
        (revoked / "known_hosts").write_text(f"{strange.pins()}@revoked * {key}\n")
        yield top
    for each in (good, strange, gate):
        each.stop()


def run(folder: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    (folder / "known_hosts").chmod(0o600)
    return subprocess.run(
        [str(TENKEN), "--config", str(folder / "tenken.toml"), "hosts", "test", *more],
        capture_output=True, text=True, check=False, env={**os.environ, "HOME": str(folder)},
    )  # fmt: skip


def test_each_way_to_fail_is_told_apart_over_both_transports(folder: Path) -> None:
    done = run(folder / "site", "--format", "json")
    assert (done.returncode, done.stderr) == (3, "")
    found = {row["host"]: row for row in json.loads(done.stdout)}
    for way in ("ssh", "openssh"):
        assert {name: found[f"{way}-{name}"]["reason"] for name in (
            "good", "refused", "silent", "web", "unknown", "auth", "flood", "mute", "jump",
        )} == {
            "good": "", "refused": "refused", "silent": "no_banner", "web": "no_banner",
            "unknown": "host_key_unknown", "auth": "auth", "flood": "too_much_output",
            "mute": "no_answer", "jump": "route",
        }  # fmt: skip
        assert "SHA256:" in found[f"{way}-unknown"]["detail"]
        assert f"tenken hosts trust {way}-unknown" in found[f"{way}-unknown"]["what to do"]
        assert "jump host" in found[f"{way}-jump"]["detail"]
    assert all(row["what to do"] for row in found.values() if row["reason"])
    assert (found["gone"]["status"], found["gone"]["detail"]) == ("excluded", "replaced in May")


@pytest.mark.parametrize(
    ("site", "reason"), [("changed", "host_key_changed"), ("revoked", "host_key_revoked")]
)
def test_a_changed_and_a_revoked_key_are_named_with_the_line(folder: Path, site: str, reason: str) -> None:
    done = run(folder / site, "--format", "json")
    for row in json.loads(done.stdout):
        assert row["reason"] == reason
        assert "SHA256:" in row["detail"]
        # ssh itself does not say where a key is revoked.
        assert "known_hosts:" in row["detail"] or (reason, row["host"][:7]) == ("host_key_revoked", "openssh")


def test_the_words_are_for_a_terminal_and_harmless(folder: Path) -> None:
    done = run(folder / "site", "ssh-web", "ssh-good", "gone")
    assert done.returncode == 3
    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines()[0].split() == ["host", "status", "reason", "uid"]
    assert "\nssh-web: no SSH server answered: it sent 'HTTP/1.1 400" in done.stdout
    assert "\nssh-good:" not in done.stdout


def test_an_excluded_host_alone_is_no_failure_and_is_not_contacted(folder: Path) -> None:
    assert run(folder / "site", "gone", "ssh-good").returncode == 0
    assert Status.EXCLUDED.value in run(folder / "site", "gone").stdout
