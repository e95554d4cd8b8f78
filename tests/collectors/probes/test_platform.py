"""What beside packages makes up a system: images and applications that bring their own libraries along."""

from collectors.probes.platform import PROBE, PlatformFacts
from tests.collectors.probes.fixed_paths import SHELLS, ask

_SETUP = """
mkdir -p /var/lib/snapd/snaps /var/lib/flatpak/app/org.example.Editor
cd /var/lib/snapd/snaps
touch snapd_1.snap bare_5.snap core22_1122.snap lxd_24061.snap lxd_24322.snap
: > /run/ostree-booted
"""


def facts(setup: str, **more: str) -> PlatformFacts:
    return PROBE.parse(ask(PROBE, setup, **more).section)  # type: ignore[arg-type]


def test_u19_applications_are_named_once_and_what_only_serves_them_is_not() -> None:
    assert facts(_SETUP).bundles == ("lxd", "org.example.Editor")
    assert facts("").bundles == ()
    assert facts(_SETUP + "rm lxd_*; rm -r /var/lib/flatpak").bundles == ()


def test_u19_a_folder_of_applications_that_may_not_be_listed_is_not_empty() -> None:
    assert facts(_SETUP + "chmod 711 /var/lib/snapd/snaps", user="65534").bundles == (
        "?",
        "org.example.Editor",
    )


def test_u18_a_system_that_is_replaced_as_a_whole_says_so() -> None:
    assert facts(_SETUP).image == "ostree"
    assert facts("").image == ""


def test_all_shells_give_the_same_bytes() -> None:
    payloads = [
        [part for part in ask(PROBE, _SETUP, shell=shell).payload if part[0] != "uptime"] for shell in SHELLS
    ]
    assert payloads[0] == payloads[1] == payloads[2] == payloads[3]
