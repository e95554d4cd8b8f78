"""Rights in declared stores: a real host against real attempts, and what the reader makes of answers."""

import os
import struct
from pathlib import Path

import pytest

from collectors.evidence import Part, Reason, Section, SectionState
from collectors.facts import WithheldError
from collectors.probes.stores import PROBE, StoresFacts
from config.errors import ParseError
from tests.collectors.probes.asked import ask_host
from tests.lab.host import Host
from tests.lab.plugin import OwnHostFactory


def _read(
    rights: str, *, state: str = "read", stores: str = "read:/srv/hr\nabsent:/srv/old\n"
) -> StoresFacts:
    parts = (Part.of("stores", "read", stores.encode()), Part.of("rights", state, rights.encode()))
    return PROBE.parse(Section(name="stores", state=SectionState.ENDED, exit=0, parts=parts))


def test_without_declared_stores_there_is_nothing_to_ask() -> None:
    part = Part.of("stores", "absent", b"")
    facts = PROBE.parse(Section(name="stores", state=SectionState.ENDED, exit=0, parts=(part,)))
    assert (facts.declared, facts.rights) == (frozenset(), ())


def test_rights_and_accounts_that_could_not_be_asked_are_told_apart() -> None:
    facts = _read("sato:r-x:/srv/hr\nmori:timeout:\n")
    (sato,) = facts.rights
    assert (sato.account, sato.path, sato.read, sato.write, sato.enter) == (
        "sato",
        "/srv/hr",
        True,
        False,
        True,
    )
    assert [(it.account, it.reason) for it in facts.unasked] == [("mori", Reason.TIMEOUT)]
    assert (facts.declared, facts.absent) == ({"/srv/hr", "/srv/old"}, {"/srv/old"})


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("nopriv", Reason.NOPRIV),
        ("no_tool", Reason.NO_TOOL),
        ("timeout", Reason.TIMEOUT),
        ("failed", Reason.FAILED),
    ],
)
def test_a_host_that_could_not_be_asked_withholds_it(state: str, reason: Reason) -> None:
    with pytest.raises(WithheldError) as withheld:
        _read("", state=state)
    assert withheld.value.reason is reason


@pytest.mark.parametrize(
    ("rights", "stores"),
    [
        ("sato:rwx\n", "read:/srv/hr\n"),
        ("sato:xwr:/srv/hr\n", "read:/srv/hr\n"),
        ("sato:r-x-:/srv/hr\n", "read:/srv/hr\n"),
        ("sa to:r-x:/srv/hr\n", "read:/srv/hr\n"),
        ("", "odd:/srv/hr\n"),
        ("", "/srv/hr\n"),
    ],
)
def test_a_row_that_is_odd_is_an_error(rights: str, stores: str) -> None:
    with pytest.raises(ParseError):
        _read(rights, stores=stores)


_PEOPLE = ("sato", "suzuki", "tanaka")
_STORES = {
    "/srv/open": "mkdir -m 755 /srv/open",
    "/srv/group": "mkdir -m 2770 /srv/group; chgrp hr /srv/group",
    "/srv/own": "mkdir -m 700 /srv/own; chown tanaka /srv/own",
    "/srv/drop": "mkdir -m 733 /srv/drop",
    "/srv/pass": "mkdir -m 711 /srv/pass",
    "/srv/others": "mkdir -m 705 /srv/others; chgrp hr /srv/others",
    "/srv/shut/below": "mkdir -m 750 /srv/shut; mkdir -m 777 /srv/shut/below",
    "/srv/link": "ln -s group /srv/link",
    "/srv/list.csv": "echo x > /srv/list.csv; chgrp hr /srv/list.csv; chmod 640 /srv/list.csv",
    "/srv/acl": "mkdir -m 700 /srv/acl",
    "/srv/barred": "mkdir -m 755 /srv/barred",
    "/srv/fifo": "mkfifo -m 666 /srv/fifo",
    "/srv/not-there": ":",
}
_SETUP = """
groupadd -g 13601 hr
useradd -u 12005 -g hr -m -s /bin/bash tanaka
usermod -aG hr suzuki
echo '12005:x:12006:12006::/home/x:/bin/sh' >> /etc/passwd
"""
_EVERYBODY, _UNDEFINED = 0x20, 0xFFFFFFFF


def _acl(host: Host, path: str, uid: int, rights: int) -> None:
    """Give a named user rights, as setfacl does: posix_acl_xattr.h, version 2, entries by tag."""
    entries = ((1, 7, _UNDEFINED), (2, rights, uid), (4, 0, _UNDEFINED), (0x10, 7, _UNDEFINED))
    rest = ((_EVERYBODY, 5 if path == "/srv/barred" else 0, _UNDEFINED),)
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *it) for it in (*entries, *rest))
    os.setxattr(Path(f"/proc/{host.pid}/root{path}"), "system.posix_acl_access", value)


def _really(host: Host, who: str, path: str) -> str:
    """What one can do who tries, after a log-in by PAM."""
    if path == "/srv/fifo":
        return "rw-"
    tries = f"""
        if [ -d {path} ]; then ls {path} >/dev/null && printf r || printf -
          touch {path}/new.$$ && rm {path}/new.$$ && printf w || printf -
          cd {path} && printf x || printf -
        else cat {path} >/dev/null && printf r || printf -
          : >> {path} && printf w || printf -
          printf -
        fi"""
    return host.sh(f"runuser -l {who} -c '{tries}' 2>/dev/null").stdout


@pytest.mark.lab
@pytest.mark.parametrize("persona", ["clean", "debian-13", "end-of-life"])
def test_rights_are_those_of_real_attempts(own_host: OwnHostFactory, persona: str) -> None:
    """Modes, groups beside the primary one, ACLs that give and bar, folders above, links, files."""
    host = own_host(persona, setup=_SETUP + "\n".join(_STORES.values()))
    _acl(host, "/srv/acl", 12005, 7)
    _acl(host, "/srv/barred", 12005, 0)
    answer = ask_host(host, (*_PEOPLE, "nobody-known", "12005"), ("stores",), stores=tuple(_STORES))
    facts = answer.facts("stores")
    assert isinstance(facts, StoresFacts)
    assert facts.absent == {"/srv/not-there"}
    # The name of digits is an account's too, and not that of the uid.
    assert {it.account for it in facts.rights} == {*_PEOPLE}
    assert facts.unasked == ()
    found = {
        (it.account, it.path): "".join(
            letter if given else "-"
            for letter, given in zip("rwx", (it.read, it.write, it.enter), strict=True)
        )
        for it in facts.rights
    }
    # Whoever may write but not enter can make nothing there, and `touch` cannot tell.
    expected = {(who, path): _really(host, who, path) for who in _PEOPLE for path in _STORES}
    assert found == expected
    assert {found["tanaka", "/srv/acl"], found["tanaka", "/srv/barred"]} == {"rwx", "---"}
    assert found["suzuki", "/srv/link"] == "rwx"


@pytest.mark.lab
def test_a_shell_that_compares_modes_itself_is_not_believed(own_host: OwnHostFactory) -> None:
    host = own_host("busybox")
    with pytest.raises(WithheldError) as withheld:
        ask_host(host, ("sato",), ("stores",), stores=("/srv/hr",)).facts("stores")
    assert withheld.value.reason is Reason.NO_TOOL
