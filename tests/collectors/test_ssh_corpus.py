"""Whole connections, ours and the ssh binary's, against one server and the same files: equal verdicts.

The server is real, so what the two negotiate counts too: which key it shows, and which line then decides.
"""

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from tests.collectors.ssh_oracle import asked_of_us, hashed, said_by_ssh
from tests.collectors.sshd import HOST, KINDS, Sshd, make_key, public

ED, EC, RSA = "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"
V6 = "::1"


class Case(Struct, frozen=True, kw_only=True):
    """What both are told."""

    own: str | bytes = ""
    """known_hosts; {ed} {ec} {rsa} are the server's keys, {xed} {xec} {xrsa} another's, {port} its port"""
    common: str | bytes = ""
    """the system-wide file"""
    host: str = HOST
    alias: str = ""
    verdict: str
    """what ssh must say: `known`, `unknown`, `changed` or `revoked`"""
    stricter: str = ""
    """what we say instead, for a reason that collectors/known_hosts.py gives"""


NAMED, NAMED6 = "[127.0.0.1]:{port}", "[::1]:{port}"
CASES = {
    "IPv6 literal with its port": Case(own=f"{NAMED6} {{ed}}", host=V6, verdict="known"),
    "IPv6 literal without port": Case(own="::1 {ed}", host=V6, verdict="known"),
    "IPv6 literal in brackets without port": Case(own="[::1] {ed}", host=V6, verdict="unknown"),
    "IPv6 literal with a bare port": Case(own="::1:{port} {ed}", host=V6, verdict="unknown"),
    "IPv6 literal on another port": Case(own="[::1]:1 {ed}", host=V6, verdict="unknown"),
    "IPv6 literal, long in the file": Case(own="[0:0:0:0:0:0:0:1]:{port} {ed}", host=V6, verdict="unknown"),
    "IPv6 literal, long in the inventory": Case(
        own="[0:0:0:0:0:0:0:1]:{port} {ed}", host="0:0:0:0:0:0:0:1", verdict="unknown"
    ),
    "IPv6 literal, long in the inventory, short in the file": Case(
        own=f"{NAMED6} {{ed}}", host="0:0:0:0:0:0:0:1", verdict="known"
    ),
    "IPv6 literal in upper case": Case(
        own="[::FFFF:127.0.0.1]:{port} {ed}", host="::ffff:127.0.0.1", verdict="known"
    ),
    "IPv4 literal, short in the inventory": Case(own=f"{NAMED} {{ed}}", host="127.1", verdict="known"),
    "name in upper case in the inventory": Case(
        own="[localhost]:{port} {ed}", host="LocalHost", verdict="known"
    ),
    "IPv6 hashed with its port": Case(own="{h:[::1]:{port}}{ed}", host=V6, verdict="known"),
    "IPv6 hashed without port": Case(own="{h:::1}{ed}", host=V6, verdict="known"),
    "IPv6 wildcard": Case(own="[::*]:{port} {ed}", host=V6, verdict="known"),
    "IPv6 wildcard without port": Case(own="::* {ed}", host=V6, verdict="known"),
    "IPv6 revoked with its port": Case(
        own=f"@revoked {NAMED6} {{ed}}\n{NAMED6} {{ed}}", host=V6, verdict="revoked"
    ),
    "hashed without port": Case(own="{h:127.0.0.1}{ed}", verdict="known"),
    "hashed with its port, changed": Case(own="{h:[127.0.0.1]:{port}}{xed}", verdict="changed"),
    "hashed with another port": Case(own="{h:[127.0.0.1]:1}{ed}", verdict="unknown"),
    "revoked under a hashed name": Case(
        own=f"{NAMED} {{ed}}\n@revoked {{h:[127.0.0.1]:{{port}}}}{{ed}}", verdict="revoked"
    ),
    "two hashed names in one line": Case(own="{h:[127.0.0.1]:{port}},{h:mail}{ed}", verdict="unknown"),
    "port as a wildcard": Case(own="[127.0.0.1]:* {ed}", verdict="known"),
    "one pattern for name and port": Case(own="*127* {ed}", verdict="known"),
    "port negated": Case(own="[127.0.0.*]:*,![127.0.0.1]:{port} {ed}", verdict="unknown"),
    "bare name negated, port named": Case(own=f"!127.0.0.1,{NAMED} {{ed}}", verdict="known"),
    "several negated names": Case(own="*,!mail,!127*,![127.0.0.1]:{port} {ed}", verdict="unknown"),
    "negated with its port, but not without": Case(own="*,!mail,![127.0.0.1]:{port} {ed}", verdict="known"),
    "several negated names of others": Case(own="*,!mail,!db-?,!web {ed}", verdict="known"),
    "negated twice": Case(own="*,!![127.0.0.1]:{port} {ed}", verdict="known"),
    "empty names in the list": Case(own=f",,{NAMED}, {{ed}}", verdict="known"),
    "blank after the comma": Case(own=f"mail, {NAMED} {{ed}}", verdict="unknown"),
    # several files
    "only in the system-wide file": Case(common=f"{NAMED} {{ed}}", verdict="known"),
    "revoked in the own file, pinned system-wide": Case(
        own="@revoked * {ed}", common=f"{NAMED} {{ed}}", verdict="revoked"
    ),
    "pinned in the own file, revoked system-wide": Case(
        own=f"{NAMED} {{ed}}", common="@revoked * {ed}", verdict="revoked"
    ),
    "wrong in the own file, right system-wide": Case(
        own=f"{NAMED} {{xed}}", common=f"{NAMED} {{ed}}", verdict="known"
    ),
    "wrong in both files": Case(own=f"{NAMED} {{xed}}", common=f"{NAMED} {{xed}}", verdict="changed"),
    "bare name system-wide, port in the own file": Case(
        own=f"{NAMED} {{rsa}}", common="127.0.0.1 {ed}", verdict="known"
    ),
    "key type only system-wide": Case(common=f"{NAMED} {{ec}}", own="mail {ed}", verdict="known"),
    # which key the server is asked for
    "all types": Case(own=f"{NAMED} {{rsa}}\n{NAMED} {{ec}}\n{NAMED} {{ed}}", verdict="known"),
    "ECDSA and RSA": Case(own=f"{NAMED} {{rsa}}\n{NAMED} {{ec}}", verdict="known"),
    "RSA alone": Case(own=f"{NAMED} {{rsa}}", verdict="known"),
    "RSA alone, without port": Case(own="127.0.0.1 {rsa}", verdict="unknown"),
    "ECDSA system-wide, RSA own": Case(own=f"{NAMED} {{rsa}}", common=f"{NAMED} {{ec}}", verdict="known"),
    "right ECDSA, wrong Ed25519": Case(own=f"{NAMED} {{ec}}\n{NAMED} {{xed}}", verdict="changed"),
    "wrong RSA beside a right ECDSA": Case(own=f"{NAMED} {{ec}}\n{NAMED} {{xrsa}}", verdict="known"),
    "RSA pinned, Ed25519 revoked": Case(own=f"{NAMED} {{rsa}}\n@revoked * {{ed}}", verdict="known"),
    "only a revocation of another type": Case(own="@revoked * {rsa}", verdict="unknown"),
    "RSA for the name, Ed25519 of an authority": Case(
        own=f"{NAMED} {{rsa}}\n@cert-authority * {{ed}}", verdict="known"
    ),
    # aliases
    "alias, whatever the port": Case(own="fleet {ed}", alias="fleet", verdict="known"),
    "alias with the port": Case(own="[fleet]:{port} {ed}", alias="fleet", verdict="unknown"),
    "alias, and the address pinned": Case(own=f"{NAMED} {{ed}}", alias="fleet", verdict="unknown"),
    "alias that looks like a port": Case(own="[web]:2222 {ed}", alias="[web]:2222", verdict="known"),
    "alias in upper case": Case(own="fleet {ed}", alias="FLEET", verdict="known"),
    "alias in upper case in both": Case(own="FLEET {ed}", alias="FLEET", verdict="known"),
    "alias in upper case, hashed": Case(own="{h:FLEET}{ed}", alias="FLEET", verdict="known"),
    # lines
    "no newline at the end": Case(own=f"{NAMED} {{ed}}", verdict="known"),
    "DOS lines": Case(own=f"mail {{xed}}\r\n{NAMED} {{ed}}\r\n", verdict="known"),
    "DOS lines with a comment": Case(own=f"{NAMED} {{ed}} moved\r\n", verdict="known"),
    "old Mac lines": Case(own=f"mail {{xed}}\r{NAMED} {{ed}}\r", verdict="unknown"),
    "form feed before the name": Case(own=f"\f{NAMED} {{ed}}", verdict="unknown"),
    "form feed in the key": Case(own=f"{NAMED} {{edtype}} \f{{edkey}}\v", verdict="known"),
    "NUL after the key": Case(own=f"{NAMED} {{ed}}\0rest\n", verdict="known"),
    "NUL after a revoked key": Case(own=f"{NAMED} {{ed}}\n@revoked * {{ed}}\0rest\n", verdict="revoked"),
    "NUL in the name": Case(own="[127.0\0.0.1]:{port} {ed}", verdict="unknown"),
    "NUL at the start": Case(own=f"\0{NAMED} {{ed}}", verdict="unknown"),
    "byte order mark": Case(own=f"\ufeff{NAMED} {{ed}}", verdict="unknown"),
    "byte order mark before a comment": Case(own=f"\ufeff# pins\n{NAMED} {{ed}}", verdict="known"),
    "name in Latin-1 beside": Case(own=f"b\xfcro,{NAMED} {{ed}}".encode("latin-1"), verdict="known"),
    "very long line": Case(own=f"{'mail,' * 40_000}{NAMED} {{ed}}", verdict="known"),
    "very long comment": Case(own=f"{NAMED} {{ed}} {'x' * 200_000}", verdict="known"),
    "pattern of 1022 letters beside": Case(own=f"{'m' * 1022},{NAMED} {{ed}}", verdict="known"),
    "pattern of 1023 letters beside": Case(own=f"{'m' * 1023},{NAMED} {{ed}}", verdict="unknown"),
    "pattern of 1023 letters after": Case(own=f"{NAMED},{'m' * 1023} {{ed}}", verdict="unknown"),
    "hash sign after the type": Case(own=f"{NAMED} {{edtype}} # {{edkey}}", verdict="unknown"),
    "hash sign in the name": Case(own=f"#,{NAMED} {{ed}}", verdict="unknown"),
    "comment in place of the type": Case(own=f"{NAMED} # {{ed}}", verdict="unknown"),
    "marker without a blank": Case(own=f"@revoked{NAMED} {{ed}}\n{NAMED} {{ed}}", verdict="known"),
    "marker in upper case": Case(own=f"@REVOKED * {{ed}}\n{NAMED} {{ed}}", verdict="known"),
    "marker behind a tab": Case(
        own=f"\t@revoked\t*\t{{ed}}\n{NAMED} {{ed}}", verdict="known", stricter="revoked"
    ),
    "marker behind the name": Case(own=f"{NAMED} @revoked {{ed}}\n{NAMED} {{ed}}", verdict="known"),
    "name of a signature as the type": Case(own=f"{NAMED} rsa-sha2-512 {{rsakey}}", verdict="known"),
    "revoked by the name of a signature": Case(
        own=f"{NAMED} {{rsa}}\n@revoked * rsa-sha2-256 {{rsakey}}", verdict="changed", stricter="revoked"
    ),
    "the only pin is revoked": Case(
        own=f"{NAMED} {{rsa}}\n@revoked * {{rsa}}", verdict="changed", stricter="revoked"
    ),
    "the preferred pin is revoked, another is not": Case(
        own=f"{NAMED} {{ed}}\n{NAMED} {{rsa}}\n@revoked * {{ed}}", verdict="known", stricter="revoked"
    ),
    "revoked without port": Case(
        own=f"{NAMED} {{ed}}\n@revoked 127.0.0.1 {{ed}}", verdict="known", stricter="revoked"
    ),
    "revoked by a certificate of the key": Case(
        own=f"{NAMED} {{ed}}\n@revoked * {{cert}}", verdict="revoked"
    ),
    "pinned by a certificate of the key": Case(own=f"{NAMED} {{cert}}", verdict="changed"),
    "type in upper case": Case(own=f"{NAMED} SSH-ED25519 {{edkey}}", verdict="unknown"),
    "padding cut off": Case(own=f"{NAMED} {{ectype}} {{ecunpadded}}", verdict="unknown"),
    "padding too much": Case(own=f"{NAMED} {{ec}}====", verdict="unknown"),
    "letters behind the padding": Case(own=f"{NAMED} {{ec}}AAAA", verdict="unknown"),
    "bits in the padding": Case(own=f"{NAMED} {{ectype}} {{ecbits}}", verdict="unknown"),
    "bytes behind the key": Case(own=f"{NAMED} {{edtype}} {{edlonger}}", verdict="unknown"),
    "hash with bits in its padding": Case(own="{hbits}{ed}", verdict="unknown"),
    "hash of another kind": Case(own="|2|{hrest}{ed}", verdict="unknown"),
    "protocol 1 key": Case(own=f"{NAMED} 1024 35 1234567\n{NAMED} {{ed}}", verdict="known"),
    "DSA key beside": Case(own=f"{NAMED} ssh-dss AAAAB3NzaC1kc3M=\n{NAMED} {{ed}}", verdict="known"),
    "only blanks": Case(own=" \t \n\n\r\n", verdict="unknown"),
}  # fmt: skip


CERTIFIED = {
    "authority for everybody": Case(own="@cert-authority * {ca}", verdict="known"),
    "authority without port": Case(own="@cert-authority 127.0.0.1 {ca}", verdict="known"),
    "authority with its port": Case(own=f"@cert-authority {NAMED} {{ca}}", verdict="known"),
    "authority with a wildcard without port": Case(own="@cert-authority 127.0.*.1 {ca}", verdict="known"),
    "authority with a wildcard and port": Case(own="@cert-authority [127.*]:* {ca}", verdict="known"),
    "authority on another port": Case(own="@cert-authority [127.0.0.1]:1 {ca}", verdict="unknown"),
    "authority that excludes the host with its port": Case(
        own=f"@cert-authority *,!{NAMED} {{ca}}", verdict="known"
    ),
    "authority that excludes the host": Case(own="@cert-authority *,!*127.0.0.1* {ca}", verdict="unknown"),
    "authority, IPv6": Case(own="@cert-authority ::* {ca}", host=V6, verdict="known"),
    "authority, IPv6 with its port": Case(own=f"@cert-authority {NAMED6} {{ca}}", host=V6, verdict="known"),
    "authority, IPv6 written long": Case(
        own=f"@cert-authority {NAMED6} {{ca}}", host="0::0:1", verdict="known"
    ),
    "authority, alias": Case(own="@cert-authority fl* {ca}", alias="fleet", verdict="known"),
    "authority, alias that is no principal": Case(
        own="@cert-authority * {ca}", alias="navy", verdict="unknown"
    ),
    "authority only system-wide": Case(common="@cert-authority * {ca}", verdict="known"),
    "authority system-wide, revoked in the own file": Case(
        own="@revoked * {ca}", common="@cert-authority * {ca}", verdict="revoked"
    ),
    "authority in the own file, revoked system-wide": Case(
        own="@cert-authority * {ca}", common="@revoked * {ca}", verdict="revoked"
    ),
    "authority revoked with the port": Case(
        own=f"@cert-authority * {{ca}}\n@revoked {NAMED} {{ca}}", verdict="revoked"
    ),
    "authority revoked without port": Case(
        own="@cert-authority * {ca}\n@revoked 127.0.0.1 {ca}", verdict="known", stricter="revoked"
    ),
    "authority revoked on another port": Case(
        own="@cert-authority * {ca}\n@revoked [127.0.0.1]:1 {ca}", verdict="known"
    ),
    "certified key revoked": Case(own="@cert-authority * {ca}\n@revoked * {sure}", verdict="revoked"),
    "authority behind a tab": Case(own="@cert-authority\t*\t{ca}", verdict="unknown"),
    "authority behind tabs alone": Case(own="@cert-authority\t*\t{catype}\t{cakey}", verdict="known"),
    "authority, and a wrong pin": Case(own=f"@cert-authority * {{ca}}\n{NAMED} {{xed}}", verdict="known"),
    "another authority, and the right pin": Case(
        own=f"@cert-authority * {{xed}}\n{NAMED} {{sure}}", verdict="known"
    ),
    "another authority, and a wrong pin": Case(
        own=f"@cert-authority * {{xed}}\n{NAMED} {{xed}}", verdict="changed"
    ),
    "no authority, wrong with its port, right without": Case(
        own=f"@cert-authority * {{xec}}\n{NAMED} {{xed}}\n127.0.0.1 {{sure}}",
        verdict="known",
        stricter="changed",
    ),
    "two authorities in two files": Case(
        own="@cert-authority * {xed}", common="@cert-authority * {ca}", verdict="known"
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("sshd")
    running = Sshd(folder / "s", ("ed25519", "ecdsa", "rsa"), ("ListenAddress ::1",))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def words(server: Sshd, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the cases' names in braces stand for."""
    folder = tmp_path_factory.mktemp("others")
    found = {"port": str(server.port)}
    for name, kind in (("ed", "ed25519"), ("ec", "ecdsa"), ("rsa", "rsa")):
        found[name] = public(server.host_keys[KINDS[kind]])
        found[name + "type"], found[name + "key"] = found[name].split()
        found["x" + name] = public(make_key(folder / kind, kind))
    key = found["eckey"]
    assert key.endswith("=")
    found["ecunpadded"] = key.rstrip("=")
    found["ecbits"] = with_bits(key)
    found["edlonger"] = base64.b64encode(base64.b64decode(found["edkey"]) + b"\0\0\0").decode()
    line = hashed(f"[{HOST}]:{server.port} ssh-ed25519 {found['edkey']}", folder).split()[0]
    found["hbits"] = with_bits(line) + " "
    found["hrest"] = line.removeprefix("|1|") + " "
    subject = folder / "subject.pub"
    subject.write_text(found["ed"] + "\n")
    subprocess.run(
        ["ssh-keygen", "-q", "-h", "-s", str(folder / "ed25519"), "-I", "lab", str(subject)], check=True
    )
    found["cert"] = " ".join((folder / "subject-cert.pub").read_text().split()[:2])
    return found


@pytest.fixture(scope="module")
def certified(
    words: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Sshd, dict[str, str]]]:
    """A server whose only host key has a certificate, and what the names in braces stand for."""
    folder = tmp_path_factory.mktemp("certified")
    key, authority = make_key(folder / "sure"), make_key(folder / "ca")
    subprocess.run(
        ["ssh-keygen", "-q", "-h", "-s", str(authority), "-I", "lab", "-n", f"{HOST},{V6},fleet",
         f"{key}.pub"], check=True,
    )  # fmt: skip
    running = Sshd(
        folder / "s",
        (),
        ("ListenAddress ::1", f"HostKey {key}", f"HostCertificate {key}-cert.pub"),
    )
    ca = public(authority)
    catype, cakey = ca.split()
    more = {"port": str(running.port), "ca": ca, "catype": catype, "cakey": cakey, "sure": public(key)}
    yield running, words | more
    running.stop()


def with_bits(text: str) -> str:
    """Set a bit of base64 text that stands for no byte."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = text.rstrip("=")
    return body[:-1] + letters[letters.index(body[-1]) | 1] + text[len(body) :]


def filled(template: str | bytes, words: dict[str, str], folder: Path) -> bytes:
    raw = template.encode() if isinstance(template, str) else template
    for name, word in words.items():
        raw = raw.replace(b"{" + name.encode() + b"}", word.encode())
    while b"{h:" in raw:
        start, _, rest = raw.partition(b"{h:")
        name, _, rest = rest.partition(b"}")
        line = hashed(f"{name.decode()} {words['ed']}", folder)
        raw = start + line.split()[0].encode() + (b"" if rest.startswith(b",") else b" ") + rest
    return raw if raw.endswith((b"\n", b"\r")) or b"\n" not in raw else raw + b"\n"


def compare(case: Case, server: Sshd, words: dict[str, str], folder: Path) -> None:
    files = (folder / "known_hosts", folder / "ssh_known_hosts")
    for path, text in zip(files, (case.own, case.common), strict=True):
        path.write_bytes(filled(text, words, folder))
        path.chmod(0o600)
    theirs = said_by_ssh(server, files, case.host, case.alias)
    ours = asked_of_us(server, files, case.host, case.alias)
    assert (theirs.state.value, ours.state.value) == (case.verdict, case.stricter or case.verdict)
    assert ours == theirs or case.stricter


@pytest.mark.parametrize("name", CASES)
def test_both_come_to_the_same_verdict(
    name: str, server: Sshd, words: dict[str, str], tmp_path: Path
) -> None:
    compare(CASES[name], server, words, tmp_path)


@pytest.mark.parametrize("name", CERTIFIED)
def test_both_come_to_the_same_verdict_of_a_certificate(
    name: str, certified: tuple[Sshd, dict[str, str]], tmp_path: Path
) -> None:
    compare(CERTIFIED[name], *certified, tmp_path)


def test_what_is_stricter_refuses() -> None:
    """No case is let in that ssh refuses."""
    assert "known" not in {case.stricter for case in (*CASES.values(), *CERTIFIED.values())}
