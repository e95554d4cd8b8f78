"""Host keys are believed as the OpenSSH client believes them, on the same files."""

import base64
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.known_hosts import (
    DEFAULT_PORT,
    KEY_TYPES,
    OfferedKey,
    PinState,
    fingerprint,
    parse,
    read,
)
from collectors.pinning import pin
from collectors.wildcard import matches
from config.errors import ConfigError
from tests.collectors.ssh_oracle import asked_of_ssh, hashed
from tests.collectors.sshd import HOST, Sshd, make_key, public

ALIAS = "web-01.example.com"
ED, EC, RSA = "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    running = Sshd(tmp_path_factory.mktemp("sshd") / "s", ("ed25519", "ecdsa", "rsa"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("others")
    kinds = {ED: "ed25519", EC: "ecdsa", RSA: "rsa"}
    return {name: make_key(folder / kind, kind) for name, kind in kinds.items()}


def blob_of(path: Path) -> bytes:
    return base64.b64decode(public(path).split()[1])


def ours(server: Sshd, text: str, host: str, port: int) -> PinState:
    known = parse(text.encode(), "known_hosts")
    kind = (*known.pinned_types(host, port), ED)[0]
    return known.judge(host, port, kind, blob_of(server.host_keys[kind])).state


# {ed} {ec} {rsa}: the server's keys; {xed} {xec} {xrsa}: another server's; {h:...} a hashed name.
CASES = {
    "plain": "web-01.example.com {ed}",
    "no line": "",
    "another host": "web-02.example.com {ed}",
    "several names": "mail,web-01.example.com,192.0.2.1 {ed}",
    "a name that begins alike": "web-01.example.com.evil.test {ed}",
    "upper case in the file": "WEB-01.Example.COM {ed}",
    "comment after the key": "web-01.example.com {ed} root@web # moved in May",
    "comment line": "# web-01.example.com {ed}",
    "blanks before and tabs between": "  web-01.example.com\t\t{ed}",
    "carriage return": "web-01.example.com {ed}\r",
    "star": "*.example.com {ed}",
    "star does not stop at dots": "web*com {ed}",
    "question mark": "web-0?.example.com {ed}",
    "question mark needs one": "web-01?.example.com {ed}",
    "brackets are no class": "web-0[1].example.com {ed}",
    "negated name wins": "*.example.com,!web-01.example.com {ed}",
    "negated name wins from the front": "!web-01.example.com,*.example.com {ed}",
    "negated pattern": "*.example.com,!web-* {ed}",
    "negation of another": "*.example.com,!mail* {ed}",
    "negation alone matches nobody": "!mail.example.com {ed}",
    "negated line, then a plain one": "*.example.com,!web-01* {xed}\nweb-01.example.com {ed}",
    "changed": "web-01.example.com {xed}",
    "changed, and the right one below": "web-01.example.com {xed}\nweb-01.example.com {ed}",
    "only rsa": "web-01.example.com {rsa}",
    "only ecdsa": "web-01.example.com {ec}",
    "rsa changed": "web-01.example.com {xrsa}",
    "right rsa, wrong ed25519": "web-01.example.com {rsa}\nweb-01.example.com {xed}",
    "hashed": "{h:web-01.example.com}{ed}",
    "hashed, another name": "{h:web-02.example.com}{ed}",
    "hashed, changed": "{h:web-01.example.com}{xed}",
    "damaged hash": "|1|AAAA|BBBB {ed}",
    "damaged hash, then a good line": "|1|AAAA|BBBB {ed}\nweb-01.example.com {ed}",
    "revoked": "@revoked web-01.example.com {ed}",
    "revoked wins over an earlier pin": "web-01.example.com {ed}\n@revoked web-01.example.com {ed}",
    "revoked wins over a later pin": "@revoked * {ed}\nweb-01.example.com {ed}",
    "another key revoked": "@revoked * {xed}\nweb-01.example.com {ed}",
    "revoked for another host": "@revoked mail {ed}\nweb-01.example.com {ed}",
    "unknown marker": "@trusted web-01.example.com {ed}",
    "two markers": "@revoked @revoked web-01.example.com {ed}\nweb-01.example.com {ed}",
    "authority does not pin a plain key": "@cert-authority web-01.example.com {ed}",
    "authority beside a pin": "@cert-authority *.example.com {xed}\nweb-01.example.com {ed}",
    "line cut in the key": "web-01.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ",
    "line cut before the key": "web-01.example.com ssh-ed25519\nweb-01.example.com {ed}",
    "type without key material": "web-01.example.com\nweb-01.example.com {ed}",
    "type that does not fit": "web-01.example.com ssh-rsa {edkey}\nweb-01.example.com {ed}",
    "not base64": "web-01.example.com ssh-ed25519 %%%%\nweb-01.example.com {ed}",
}


def filled(template: str, server: Sshd, others: dict[str, Path], folder: Path) -> str:
    words = {}
    for name, kind in (("ed", ED), ("ec", EC), ("rsa", RSA)):
        words["{" + name + "}"] = public(server.host_keys[kind])
        words["{x" + name + "}"] = public(others[kind])
    words["{edkey}"] = words["{ed}"].split()[1]
    words["{port}"] = str(server.port)
    lines = []
    for raw in template.split("\n"):
        line = raw
        for mark, word in words.items():
            line = line.replace(mark, word)
        if line.startswith("{h:"):
            name, _, key = line[3:].partition("}")
            line = hashed(f"{name} {key}", folder)
        lines.append(line)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_a_line_is_believed_exactly_when_ssh_believes_it(
    case: str, server: Sshd, others: dict[str, Path], tmp_path: Path
) -> None:
    text = filled(CASES[case], server, others, tmp_path)
    assert ours(server, text, ALIAS, DEFAULT_PORT) is asked_of_ssh(server, text, tmp_path, ALIAS)


PORT_CASES = {
    "with its port": "[127.0.0.1]:{port} {ed}",
    "without its port": "127.0.0.1 {ed}",
    "another port": "[127.0.0.1]:1 {ed}",
    "wrong with its port, right without": "[127.0.0.1]:{port} {xed}\n127.0.0.1 {ed}",
    "wrong without its port": "127.0.0.1 {xed}",
    "right with its port, wrong without": "127.0.0.1 {xed}\n[127.0.0.1]:{port} {ed}",
    "wildcard and port": "[127.0.0.*]:{port} {ed}",
    "wildcard without port": "127.0.0.* {ed}",
    "hashed with its port": "{h:[127.0.0.1]:{port}}{ed}",
    "revoked for everyone": "@revoked * {ed}\n[127.0.0.1]:{port} {ed}",
    "another type with its port, right without": "[127.0.0.1]:{port} {rsa}\n127.0.0.1 {ed}",
}


@pytest.mark.parametrize("case", PORT_CASES)
def test_a_host_on_another_port_is_believed_exactly_when_ssh_believes_it(
    case: str, server: Sshd, others: dict[str, Path], tmp_path: Path
) -> None:
    text = filled(PORT_CASES[case].replace("{port}", str(server.port)), server, others, tmp_path)
    assert ours(server, text, HOST, server.port) is asked_of_ssh(server, text, tmp_path, "")


def test_a_host_that_shows_a_key_of_another_type_than_its_pin_has_changed(
    server: Sshd, others: dict[str, Path]
) -> None:
    only_rsa = parse(f"{ALIAS} {public(others[RSA])}\n".encode(), "k")
    assert only_rsa.judge(ALIAS, 22, ED, blob_of(server.host_keys[ED])).state is PinState.CHANGED


def test_each_skipped_line_is_named_once(others: dict[str, Path]) -> None:
    ed = public(others[ED])
    text = (
        f"# fine\n{ALIAS} {ed}\n@cert-authority * {ed}\n"
        f"|1|x|y {ed}\n{ALIAS} ssh-dss AAAA\n\n@odd a {ed}\nshort\n"
    )
    known = parse(text.encode() + b"\xff\xfe\n", "known_hosts")
    assert [warning.split(": ")[0] for warning in known.warnings] == [
        f"known_hosts:{line}" for line in (4, 5, 7, 8, 9)
    ]


def test_the_pin_that_decided_is_named(others: dict[str, Path]) -> None:
    text = f"\n# x\n{ALIAS} {public(others[ED])}\n"
    judged = parse(text.encode(), "known_hosts").judge(ALIAS, 22, ED, blob_of(others[ED]))
    assert judged.state is PinState.KNOWN
    assert judged.pin is not None
    assert judged.pin.line == 3


def test_fingerprints_are_those_of_ssh_keygen(others: dict[str, Path]) -> None:
    for path in others.values():
        said = subprocess.run(
            ["ssh-keygen", "-l", "-f", str(path)], capture_output=True, text=True, check=True
        ).stdout
        assert fingerprint(blob_of(path)) == said.split()[1]


def test_pinned_types_come_in_our_order(server: Sshd) -> None:
    lines = "".join(f"{ALIAS} {public(server.host_keys[kind])}\n" for kind in (RSA, EC, ED))
    assert parse(lines.encode(), "k").pinned_types(ALIAS, 22) == (ED, EC, RSA)


@given(st.binary(max_size=300), st.sampled_from([b"", b"web ", b"@revoked * ", b"|1|", b"web ssh-ed25519 "]))
def test_arbitrary_bytes_pin_nobody_and_never_raise(raw: bytes, start: bytes) -> None:
    known = parse(start + raw, "k")
    assert known.judge("web", 22, ED, b"\0").state in (PinState.UNKNOWN, PinState.CHANGED)


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_wildcards_match_as_a_regular_expression_of_the_same_meaning_does(pattern: str, text: str) -> None:
    meaning = "".join(".*" if sign == "*" else "." if sign == "?" else sign for sign in pattern)
    assert matches(pattern, text) == (re.fullmatch(meaning, text) is not None)


def test_a_pattern_of_many_stars_is_no_trap() -> None:
    """Matched by trying every division of the text, this would not end."""
    assert not matches("*a" * 500 + "b", "a" * 2_000)


def offered(path: Path) -> OfferedKey:
    kind, key = public(path).split()
    return OfferedKey(key_type=kind, base64=key, fingerprint=fingerprint(base64.b64decode(key)))


class TestPinning:
    def test_pinned_keys_are_known_and_the_file_is_ours_alone(
        self, tmp_path: Path, others: dict[str, Path]
    ) -> None:
        path = tmp_path / "site" / "known_hosts"
        assert pin(path, ALIAS, 22, [offered(key) for key in others.values()]) == ()
        assert pin(path, "192.0.2.7", 2222, [offered(others[ED])]) == ()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        known = read(path)
        assert known.judge(ALIAS, 22, RSA, blob_of(others[RSA])).state is PinState.KNOWN
        assert path.read_text().splitlines()[-1] == f"[192.0.2.7]:2222 {public(others[ED])}"
        assert [entry.name for entry in path.parent.iterdir()] == ["known_hosts"]

    def test_pinning_twice_writes_once_and_keeps_what_stood_there(
        self, tmp_path: Path, others: dict[str, Path]
    ) -> None:
        path = tmp_path / "known_hosts"
        path.write_text("# ours\ndamaged line without end")
        for _ in range(2):
            assert pin(path, ALIAS, 22, [offered(others[ED])]) == ()
        assert path.read_text() == f"# ours\ndamaged line without end\n{ALIAS} {public(others[ED])}\n"

    def test_a_changed_key_is_a_conflict_and_nothing_is_written(
        self, tmp_path: Path, others: dict[str, Path], server: Sshd
    ) -> None:
        path = tmp_path / "known_hosts"
        path.write_text(f"{ALIAS} {public(others[ED])}\n")
        new = [offered(server.host_keys[kind]) for kind in (ED, RSA)]
        conflicts = pin(path, ALIAS, 22, new)
        assert [(found.line, found.key_type) for found in conflicts] == [(1, ED)]
        assert conflicts[0].pinned == offered(others[ED]).fingerprint
        assert conflicts[0].offered == new[0].fingerprint
        assert path.read_text() == f"{ALIAS} {public(others[ED])}\n"

    def test_a_further_key_of_a_host_that_holds_its_pinned_one_is_added(
        self, tmp_path: Path, server: Sshd
    ) -> None:
        path = tmp_path / "known_hosts"
        path.write_text(f"{ALIAS} {public(server.host_keys[ED])}\n")
        assert pin(path, ALIAS, 22, [offered(server.host_keys[kind]) for kind in (ED, RSA)]) == ()
        assert path.read_text().count(ALIAS) == 2

    def test_a_host_that_no_longer_holds_its_pinned_key_is_a_conflict(
        self, tmp_path: Path, server: Sshd, others: dict[str, Path]
    ) -> None:
        path = tmp_path / "known_hosts"
        path.write_text(f"{ALIAS} {public(others[RSA])}\n")
        (conflict,) = pin(path, ALIAS, 22, [offered(server.host_keys[ED])])
        assert (conflict.key_type, conflict.offered) == (RSA, "")

    def test_a_revoked_key_is_not_pinned(self, tmp_path: Path, others: dict[str, Path]) -> None:
        path = tmp_path / "known_hosts"
        path.write_text(f"@revoked * {public(others[ED])}\n")
        assert len(pin(path, ALIAS, 22, [offered(others[ED])])) == 1
        assert ALIAS not in path.read_text()

    @pytest.mark.parametrize(
        "host", ["*", "a,b", "!web", "|1|x", "@revoked", "a b", "a\nb", "#x", "[a]:1", ""]
    )
    def test_a_name_that_is_a_pattern_is_refused(
        self, host: str, tmp_path: Path, others: dict[str, Path]
    ) -> None:
        with pytest.raises(ConfigError):
            pin(tmp_path / "known_hosts", host, 22, [offered(others[ED])])

    def test_a_file_that_others_may_write_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "known_hosts"
        path.write_text("")
        path.chmod(0o622)
        with pytest.raises(ConfigError, match="others may write"):
            read(path)

    def test_several_files_count_as_one_and_a_revocation_in_any_of_them_wins(
        self, tmp_path: Path, others: dict[str, Path]
    ) -> None:
        own, system = tmp_path / "own", tmp_path / "system"
        own.write_text(f"{ALIAS} {public(others[ED])}\n")
        system.write_text(f"# x\n{ALIAS} {public(others[EC])}\n@revoked * {public(others[ED])}\n")
        known = read(own, tmp_path / "none", system)
        found = known.judge(ALIAS, 22, EC, blob_of(others[EC]))
        assert (found.state, found.pin and found.pin.where) == (PinState.KNOWN, "system:2")
        assert known.judge(ALIAS, 22, ED, blob_of(others[ED])).state is PinState.REVOKED

    def test_a_missing_file_pins_nobody(self, tmp_path: Path) -> None:
        known = read(tmp_path / "none")
        assert known.pinned_types(ALIAS, 22) == ()
        assert known.judge(ALIAS, 22, KEY_TYPES[0], b"x").state is PinState.UNKNOWN
