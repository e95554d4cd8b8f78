"""What sudo itself says of its rules is what the probe and its reader say."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from checks.sudo_reach import Holder, fits, reach
from collectors.framing import parse_stream
from collectors.probes.sudo import SudoFacts
from collectors.probes.sudo_rules import Named
from collectors.registry import all_probes
from collectors.script import Parameters, compose
from tests.lab.host import Host
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab

# %U %G: suzuki's uid and gid, %H: the host's name.
VARIANTS = (
    "suzuki ALL=(ALL:ALL) ALL",
    "suzuki ALL=(ALL) NOPASSWD: ALL",
    "%wheelers ALL=(ALL) ALL",
    "%WHEELERS ALL=NOPASSWD:ALL",
    "%suzuki ALL=/usr/bin/id",
    "#%U ALL=(root) ALL",
    "%#%G ALL=ALL",
    "User_Alias ADMINS = sato, suzuki\nADMINS ALL=(ALL) NOPASSWD: /usr/bin/id, PASSWD: /usr/bin/who",
    "User_Alias ADMINS = sato, !suzuki\nALL, !ADMINS ALL=ALL",
    "User_Alias A = B\nUser_Alias B = A, suzuki\nA ALL=ALL",
    "User_Alias A = sato : B = suzuki : = x\nB ALL=ALL",
    "User_Alias A = sato\nUser_Alias A = suzuki\nA ALL=ALL",
    "ALL ALL=/usr/bin/id",
    "suzuki, !suzuki ALL=ALL",
    "!suzuki, suzuki ALL=ALL",
    "SUZUKI ALL=(ALL) ALL",
    '"suzuki" ALL=ALL',
    "su\\zuki, \\x73ato ALL=ALL",
    "suzuki %H=ALL",
    "suzuki other=ALL",
    "suzuki ALL, !%H=ALL",
    "suzuki %H.example.test=ALL",
    "Host_Alias WEB = web1, web2 : HERE = other, %H\nsuzuki WEB=ALL : HERE=/usr/bin/id",
    "suzuki clean*, debian*=/usr/bin/id",
    "suzuki 10.77.0.0/16=ALL",
    "suzuki 192.0.2.1=ALL",
    "suzuki 10.77.0.0/255.255.0.0=/usr/bin/id",
    "suzuki ALL=(sato) ALL",
    "suzuki ALL=(ALL, !root) ALL",
    "suzuki ALL=() ALL",
    "suzuki ALL=(:sato) ALL",
    "Runas_Alias OP = root, sato\nsuzuki ALL=(OP) ALL",
    "suzuki ALL=(ALL) ALL\nsuzuki ALL=(ALL) !ALL",
    "suzuki ALL=(root) ALL\nsuzuki ALL=(sato) !ALL",
    "suzuki ALL=(ALL) NOPASSWD: ALL\nsuzuki ALL=(ALL) ALL",
    "Cmnd_Alias SHELLS = /bin/sh, /bin/bash\nsuzuki ALL=ALL, !SHELLS",
    "Cmnd_Alias C = /usr/bin/id\nsuzuki ALL=!C",
    "suzuki ALL=NOTAFTER=20200101000000Z ALL",
    "suzuki ALL=NOTBEFORE=20200101000000Z NOTAFTER=21200101+0900 ALL",
    "suzuki ALL=NOTAFTER=2120010100+0900 ALL",
    "suzuki ALL=/bin/ps a\\,b\\:c, \\\n  /usr/bin/id # Suzuki Taro, room 5",
    "# suzuki ALL=ALL \\\nsato ALL=ALL",
    "suzuki ALL=/usr/bin/id #12",
    "suzuki ALL=(ALL) ALL, bad cmd",
    "suzuki ALL=(ALL) /usr/bin/id : bad",
    "suzuki ALL",
    "suzuki ALL=ALL\n%%garbage((",
    "suzuki ALL=/usr/bin/id,",
    "suzuki ALL=sha256:%D /usr/bin/id",
    "suzuki ALL=sudoedit /etc/motd, /usr/bin/",
    "suzuki ALL=NOEXEC:SETENV : NOPASSWD : /usr/bin/id",
    "suzuki ALL=CWD=/tmp NOPASSWD: /usr/bin/id",
    "Defaults !authenticate\nsuzuki ALL=ALL",
    "Defaults:suzuki !authenticate\nDefaults:sato authenticate\nsuzuki ALL=ALL",
    "Defaults:sato !authenticate\nsuzuki ALL=ALL",
    'Defaults insults, badpass_message="no # way", \\\n  !authenticate\nsuzuki ALL=ALL',
    "+netgroup ALL=ALL",
    "%:windows\\ people ALL=ALL",
    "%nobodyhere ALL=ALL",
    "@include /srv/rules/more\n",
    "#include ../../srv/rules/more\n",
    "@includedir /srv/rules\n",
    "#includedir /srv/rules\n",
    '@include "/srv/rules/two words"\n',
    "@include /srv/rules/two\\ words\n",
    "@include /srv/rules/of-%h\n",
    "@include /srv/absent\nsuzuki ALL=ALL",
)  # fmt: skip

_FILES = """
groupadd -g 13500 wheelers && usermod -aG wheelers suzuki
mkdir -p /srv/rules
echo 'suzuki ALL=/usr/bin/id' > /srv/rules/more
echo 'suzuki ALL=(ALL) ALL' > /srv/rules/dot.ted
echo 'suzuki ALL=(ALL) ALL' > /srv/rules/old~
echo 'suzuki ALL=NOPASSWD: /usr/bin/id' > '/srv/rules/two words'
echo 'suzuki ALL=NOPASSWD: ALL' > "/srv/rules/of-$(uname -n)"
chmod 440 /srv/rules/*
"""

_KINDS = {
    "username": Named.USER,
    "userid": Named.UID,
    "usergroup": Named.GROUP,
    "usergid": Named.GID,
    "netgroup": Named.NETGROUP,
}


def _users(converted: str) -> list[list[tuple[Named, str, bool]]] | None:
    """What cvtsudoers makes of the lists of users, aliases resolved.

    None where it says nothing (a damaged file), or where its JSON is none: it forgets commas. A rule for
    another host is no rule of ours, and an alias that it breaks a circle at is not in its list.
    """
    try:
        specs = json.loads(converted)["User_Specs"]
    except (json.JSONDecodeError, KeyError):
        return None
    if any(it != {"hostname": "ALL"} for spec in specs for it in spec["Host_List"]):
        return None
    return [
        [
            (_KINDS[key], str(value), bool(entry.get("negated")))
            for entry in spec["User_List"]
            for key, value in entry.items()
            if key in _KINDS and value != "A"
        ]
        for spec in specs
    ]


_EACH = """
cat > /etc/sudoers.d/zz <<'RULES'
{text}
RULES
chmod 440 /etc/sudoers.d/zz
sudo -l -U suzuki 2>/tmp/damage
echo @@@
cat /tmp/damage
echo @@@
cvtsudoers -e -f json /etc/sudoers.d/zz 2>/dev/null
echo @@@
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C sh -s < /tmp/probe
echo @@@
echo 'Defaults !authenticate' > /etc/sudoers.d/zzz
setpriv --reuid suzuki --regid suzuki --init-groups sudo -n -u root /usr/bin/id 2>/dev/null </dev/null
rm /etc/sudoers.d/zzz
echo @@@
"""
_BOUNDARY = "0123456789abcdef" * 2


def _ask(host: Host, texts: list[str]) -> Iterator[tuple[dict[str, object], SudoFacts]]:
    """Put each text into a file of rules, and ask sudo, a real attempt and us what suzuki may do by it."""
    probe = all_probes()["sudo"]
    script = compose([probe], Parameters(), _BOUNDARY).decode()
    said = host.sh(
        f"cat > /tmp/probe <<'PROBE'\n{script}\nPROBE\n"
        + "".join(_EACH.format(text=text) for text in texts)
        + "true"
    ).stdout.split("@@@\n")
    for listing, damage, converted, stream, ran in zip(*(said[at::5] for at in range(5)), strict=False):
        rules = listing.partition("may run the following commands")[2]
        (section,) = parse_stream(stream.encode(), _BOUNDARY, {"sudo": probe.cap_bytes}).sections
        facts = probe.parse(section)
        assert isinstance(facts, SudoFacts)
        yield (
            {
                "rules": bool(rules),
                "all": bool(re.search(r"(?<!!)\bALL(?:,|$)", re.sub(r"\([^)]*\)", "", rules), re.MULTILINE)),
                "nopasswd": bool(rules) and ("NOPASSWD:" in rules or "!authenticate" in listing),
                "may be root": "uid=0(root)" in ran,
                "damaged": bool(re.search(r"^/\S+:\d+:\d+: ", damage, re.MULTILINE)),
                "users": _users(converted),
            },
            facts,
        )


def _said_by_us(facts: SudoFacts, holder: Holder) -> dict[str, object]:
    fitting = [rule for rule in facts.rules if fits(rule, holder) and rule.certain and not rule.idle]
    grants = [grant for rule in fitting for grant in rule.grants]
    summed = reach(facts, holder, datetime.now(UTC))
    off = reach(facts, holder, datetime(2019, 6, 1, tzinfo=UTC))
    return {
        "rules": bool(fitting),
        "all": any(not it.number and not it.denied for it in grants),
        "nopasswd": any(it.nopasswd for it in grants) or any(it.nopasswd for it in (summed, off) if it),
        "may be root": bool(summed and summed.as_root),
        "damaged": bool(facts.damaged),
        "users": [
            [
                (Named.USER, "ALL", who.negated)
                if who.by is Named.EVERYBODY
                else (who.by, who.value, who.negated)
                for who in rule.users
                if who.value != "A"
            ]
            for rule in facts.rules
            if not rule.place.startswith("/etc/sudoers:")
        ],
    }


@pytest.mark.parametrize("persona", ["clean", "debian-13"])
def test_sudo_and_we_agree_on_who_may_do_what(own_host: OwnHostFactory, persona: str) -> None:
    """With `sudo -l -U` and `cvtsudoers -f json` of 1.9.13 and 1.9.16, and whether id(1) ran as root."""
    host = own_host(persona, setup=_FILES)
    uid, gid, name, digest, _ = host.sh(
        "id -u suzuki; id -g suzuki; uname -n; sha256sum /usr/bin/id"
    ).stdout.split()
    suzuki = Holder(
        name="suzuki",
        uid=int(uid),
        groups=frozenset({"suzuki", "wheelers"}),
        gids=frozenset({int(gid), 13500}),
    )
    texts = [
        it.replace("%U", uid).replace("%G", gid).replace("%H", name).replace("%D", digest) for it in VARIANTS
    ]
    differ, unread = {}, 0
    for text, (said, facts) in zip(texts, _ask(host, texts), strict=True):
        ours = _said_by_us(facts, suzuki)
        if said["users"] is None:
            unread += 1
            ours["users"] = None
        if said != ours:
            differ[text] = (said, ours)
    assert unread < len(texts) / 2
    assert not differ, "\n".join(f"{text!r}: {both}" for text, both in differ.items())
