"""What doas itself says of its rules is what the probe and its reader say."""

from datetime import UTC, datetime

import pytest

from checks.sudo_reach import Holder, reach
from collectors.probes.sudo import SudoFacts
from tests.collectors.probes.asked import ask_host
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab

# %U %G: suzuki's uid, and that of a group suzuki is in.
VARIANTS = (
    "permit suzuki",
    "permit nopass suzuki",
    "permit nopass keepenv persist suzuki as root",
    "permit setenv { A B=c -D } suzuki",
    "permit :wheelers",
    "permit %U",
    "permit :%G",
    "permit SUZUKI",
    "permit sato",
    "permit suzuki as sato",
    "permit suzuki cmd /usr/bin/id",
    "permit suzuki cmd /usr/bin/id args",
    "permit suzuki as root cmd /usr/bin/id # Suzuki Taro",
    "permit suzuki\ndeny suzuki",
    "deny suzuki\npermit nopass :wheelers",
    "permit nopass suzuki\npermit suzuki",
    "deny suzuki as sato\npermit suzuki\ndeny suzuki as sato",
    'permit "suzuki"',
    "permit \\\n  nopass \\\n  suzuki",
    "# permit suzuki",
    "permit suzuki extra",
    "permit",
    "allow suzuki",
    "permit suzuki\npermit as",
)


def test_doas_and_we_agree_on_who_may_be_root(own_host: OwnHostFactory) -> None:
    """`doas -C` answers for its caller; one damaged line and it refuses all, so that we cannot tell."""
    host = own_host("doas", setup="groupadd -g 13500 wheelers; usermod -aG wheelers suzuki")
    uid = host.sh("id -u suzuki").stdout.strip()
    suzuki = Holder(
        name="suzuki",
        uid=int(uid),
        groups=frozenset({"suzuki", "wheelers"}),
        gids=frozenset({int(uid), 13500}),
    )
    differ = {}
    for variant in VARIANTS:
        text = variant.replace("%U", uid).replace("%G", "13500")
        asked = host.sh(
            f"cat > /etc/doas.conf <<'RULES'\n{text}\nRULES\nchmod 644 /etc/doas.conf\n"
            "setpriv --reuid suzuki --regid suzuki --init-groups"
            " doas -C /etc/doas.conf -u root /usr/bin/id 2>&1"
        ).stdout.strip()
        facts = ask_host(host, (), ("sudo",)).facts("sudo")
        assert isinstance(facts, SudoFacts)
        found = reach(facts, suzuki, datetime.now(UTC))
        ours = "deny"
        if facts.damaged:
            ours = "damaged"
        elif found and found.as_root:
            ours = "permit nopass" if found.nopasswd else "permit"
        said = "damaged" if " at line " in asked else asked
        if said != ours:
            differ[text] = (asked, ours)
    assert not differ, "\n".join(f"{text!r}: {both}" for text, both in differ.items())
