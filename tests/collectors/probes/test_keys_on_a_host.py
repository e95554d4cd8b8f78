"""Which lines of which key files let somebody in, against real log-ins."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collectors.probes.keys import KeysFacts, PublicKey
from tests.collectors.probes.asked import ask_host, ssh
from tests.lab.host import Host, Lab
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab

_LINES = {
    # options of the line: whether the key logs in
    "plain": ("", True),
    "restrict": ("restrict ", True),
    "command": ('command="true" ', True),
    "anywhere": ('from="*" ', True),
    "network": ('from="!192.0.2.1,10.77.0.0/16" ', True),
    "quoted": ('from="\\\\",10.77.0.0/16" ', True),
    "nowhere": ('from="" ', False),
    "commas": ('from=",," ', False),
    "negated": ('from="!*" ', False),
    "onlynot": ('from="!192.0.2.0/24" ', False),
    "notall": ('from="10.77.0.0/16,!*" ', False),
    "past": ('expiry-time="20200101" ', False),
    "future": ('expiry-time="20990101Z" ', True),
    "authority": ("cert-authority ", False),
}
_SETUP = r"""
umask 022
n=16000
person() { # name
  n=$((n + 1))
  echo "$1:x:$n:$n::/home/$1:/bin/bash" >> /etc/passwd
  echo "$1:*:20000::::::" >> /etc/shadow
  install -d -o $n -g $n -m 755 /home/$1
  install -d -o $n -g $n -m 700 /home/$1/.ssh
}
if sshd -T 2>/dev/null | grep -q persourcepenalties; then
  echo 'PerSourcePenalties no' >> /etc/ssh/sshd_config
fi
"""


def _gets_in(host: Host, name: str, key: Path, *more: str) -> bool:
    *command, where = ssh(host, name, key)
    login = subprocess.run([*command, *more, where, "true"], capture_output=True, timeout=30, check=False)
    return login.returncode == 0


def _keys(host: Host) -> dict[str, tuple[PublicKey, ...]]:
    facts = ask_host(host, ("sato",)).facts("keys")
    assert isinstance(facts, KeysFacts)
    return {it.account: it.keys for it in facts.files}


@pytest.mark.parametrize("persona", ["clean", "debian-13"])
def test_a_key_opens_exactly_when_it_logs_in(own_host: OwnHostFactory, lab: Lab, persona: str) -> None:
    """Trap A8: a date in the past and a `from` that excludes everything close; a forced command does not."""
    lines = "".join(
        f"person {name}\nprintf '{options}%s\\n' \"$KEY_tanaka\" > /home/{name}/.ssh/authorized_keys\n"
        for name, (options, _) in _LINES.items()
    )
    host = own_host(persona, setup=_SETUP + lines)
    found = _keys(host)
    key = lab.person_keys["tanaka"]
    now = datetime.now(UTC)
    assert {name: _gets_in(host, name, key) for name in _LINES} == {
        name: logs_in for name, (_, logs_in) in _LINES.items()
    }
    assert {name: [it.opens(now) and not it.vouches for it in found[name]] for name in _LINES} == {
        name: [logs_in] for name, (_, logs_in) in _LINES.items()
    }


def test_a_certificate_logs_in_by_its_authority_only(
    own_host: OwnHostFactory, lab: Lab, tmp_path: Path
) -> None:
    """Trap A6: the authority's line is no key; a certificate in a key's place opens nothing."""
    key = tmp_path / "yamada"
    shutil.copy(lab.person_keys["yamada"], key)
    public = subprocess.run(["ssh-keygen", "-yf", key], capture_output=True, text=True, check=True).stdout
    key.with_suffix(".pub").write_text(public)
    sign = ["ssh-keygen", "-q", "-s", lab.person_keys["tanaka"], "-I", "lab", "-n", "authority,certificate"]
    subprocess.run([*sign, key.with_suffix(".pub")], check=True)
    certificate = tmp_path / "yamada-cert.pub"
    setup = (
        f"{_SETUP}\nperson authority\nperson certificate\n"
        "printf 'cert-authority %s\\n' \"$KEY_tanaka\" > /home/authority/.ssh/authorized_keys\n"
        f"echo '{certificate.read_text().strip()}' > /home/certificate/.ssh/authorized_keys\n"
    )
    host = own_host("clean", setup=setup)
    found = _keys(host)
    proof = ("-o", f"CertificateFile={certificate}")
    assert _gets_in(host, "authority", key, *proof)
    assert not _gets_in(host, "certificate", key, *proof)
    certificate.rename(tmp_path / "away")  # ssh would offer it unasked
    assert not _gets_in(host, "authority", key)
    assert not _gets_in(host, "certificate", key)
    now = datetime.now(UTC)
    assert [(it.vouches, it.opens(now)) for it in found["authority"]] == [(True, True)]
    assert [(it.vouches, it.opens(now)) for it in found["certificate"]] == [(False, False)]
    # It is told by the key that it certifies.
    assert found["certificate"][0].fingerprint.startswith("SHA256:")


def test_a_host_without_ssh_keygen_tells_the_same_fingerprints(own_host: OwnHostFactory, lab: Lab) -> None:
    """Else no leaver's key could be looked for on it."""
    host = own_host("busybox")
    assert host.sh("command -v ssh-keygen").returncode != 0
    public = lab.person_keys["suzuki"]
    oracle = subprocess.run(["ssh-keygen", "-lf", public], capture_output=True, text=True, check=True).stdout
    assert [key.fingerprint for key in _keys(host)["suzuki"]] == [oracle.split()[1]]


def test_every_place_that_sshd_looks_into_is_looked_into(own_host: OwnHostFactory, lab: Lab) -> None:
    """Trap A6: a second pattern, a folder of the system, and one that only a Match block names."""
    host = own_host(
        "clean",
        setup=f"""{_SETUP}
person second; person system; person matched
echo "$KEY_tanaka" > /home/second/.ssh/more_keys
mkdir -p /etc/ssh/keys /etc/ssh/matched
echo "$KEY_tanaka" > /etc/ssh/keys/system
echo "$KEY_tanaka" > /etc/ssh/matched/matched.pub
chmod 755 /etc/ssh/keys /etc/ssh/matched
cat >> /etc/ssh/sshd_config <<'END'
AuthorizedKeysFile .ssh/authorized_keys .ssh/more_keys /etc/ssh/keys/%u
Match User matched
    AuthorizedKeysFile "/etc/ssh/matched/%u.pub"
END
""",
    )
    names = ("second", "system", "matched")
    found = _keys(host)
    assert {name: _gets_in(host, name, lab.person_keys["tanaka"]) for name in names} == dict.fromkeys(
        names, True
    )
    assert {name: len(found.get(name, ())) for name in names} == dict.fromkeys(names, 1)
