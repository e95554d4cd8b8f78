"""The section `rpm` on a real host: packages by rpmbuild, a cache by dnf, and dnf's own word beside it."""

import random
import re
import subprocess
from pathlib import Path

import pytest

from checks.patches_rpm import hindrance
from collectors.evidence import Reason, Section
from collectors.facts import WithheldError
from collectors.framing import parse_stream
from collectors.probes.rpm import PROBE, Advisories, RpmFacts
from collectors.script import ENVIRONMENT, Parameters, compose
from tests.collectors.probes.asked import ask_host
from tests.lab.host import Host
from tests.lab.personas import AUDIT_LOGIN
from tests.lab.plugin import HostFactory, OwnHostFactory

pytestmark = pytest.mark.lab

BOUNDARY = "0123456789abcdef" * 2
CACHE = "/var/cache/dnf/baseos-*/repodata"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def ask(
    host: Host, shell: str = "sh", *, before: tuple[str, ...] = (), outside: tuple[str, ...] = ()
) -> Section:
    """Run the section as root inside the host, or as whoever `before` makes of it."""
    env = [f"{key}={value}" for key, value in ENVIRONMENT.items()]
    done = subprocess.run(
        [*outside, *host.entry(), *before, "env", "-i", *env, *shell.split(), "-s"],
        input=compose((PROBE,), Parameters(), BOUNDARY),
        capture_output=True,
        check=True,
        timeout=60,
    )
    (section,) = parse_stream(done.stdout, BOUNDARY, {PROBE.name: PROBE.cap_bytes}).sections
    return section


def facts(host: Host, **more: tuple[str, ...]) -> RpmFacts:
    section = ask(host, **more)  # type: ignore[arg-type]
    assert section.exit == 0, section.stderr
    return PROBE.parse(section)


def missing(found: RpmFacts) -> set[tuple[str, str]]:
    return {(advisory, fix.name) for fix in found.fixes for advisory in fix.advisories}


def of_dnf(host: Host) -> set[tuple[str, str]]:
    """What dnf itself lists: advisory and name."""
    done = host.sh("dnf -q updateinfo list --security")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    return {(row[0], row[-1].rsplit(".", 1)[0].rsplit("-", 2)[0]) for row in rows}


def advisory(
    name: str, packages: list[tuple[str, str, str, str, str]], *, kind: str = "security", module: str = ""
) -> str:
    rows = "".join(
        f'<package name="{package}" epoch="{epoch}" version="{version}" release="{release}" arch="{arch}"'
        f' src="x.src.rpm"><filename>x.rpm</filename></package>'
        for package, epoch, version, release, arch in packages
    )
    return (
        f'<update from="a@b.test" status="final" type="{kind}" version="1"><id>{name}</id><title>t</title>'
        f'<severity>Low</severity><issued date="2026-01-02 03:04:05"/><description>d</description><pkglist>'
        f"<collection><name>c</name>{module}{rows}</collection></pkglist></update>\n"
    )


def publish(updates: str) -> str:
    """Return shell text that puts advisories and what is in /srv/repo into a repository, and fetches it."""
    return f"""
    cat > /run/updateinfo.xml <<'UPDATES'
<?xml version="1.0" encoding="UTF-8"?><updates>{updates}</updates>
UPDATES
    rm -rf /srv/repo/repodata /var/cache/dnf/*
    createrepo_c --quiet /srv/repo
    modifyrepo_c /run/updateinfo.xml /srv/repo/repodata >/dev/null
    dnf -q makecache
    """


def build(packages: list[tuple[str, str, str, str]]) -> str:
    """Return shell text that builds packages as parts of one and installs them beside each other."""
    spec = "Name: made\nVersion: 1\nRelease: 1\nSummary: s\nLicense: none\nBuildArch: noarch\n%description\n"
    for name, epoch, version, release in packages:
        spec += (
            f"%package -n {name}\nEpoch: {epoch}\nVersion: {version}\nRelease: {release}\nSummary: s\n"
            f"%description -n {name}\n%files -n {name}\n"
        )
    return f"""
    mkdir -p /run/made
    cat > /run/made/made.spec <<'SPEC'
{spec}
SPEC
    rpmbuild --quiet -bb --define '_topdir /run/made' --define '_rpmdir /run/made/rpms' /run/made/made.spec
    rpm -i --oldpackage /run/made/rpms/*/*.rpm
    """


VERSIONS = ("1.0", "1.0~rc1", "1.0^git1", "1.9", "1.10", "2.0a", "01.9", "1.0.1")
RELEASES = ("1.el9", "1.el9_4", "2.el9", "10.el9", "1.el9_4.1", "1.el10")


def test_the_missing_fixes_are_those_of_dnf_itself(own_host: OwnHostFactory) -> None:
    chance = random.Random(5)  # noqa: S311 (a repeatable sample, no secret)

    def evr() -> tuple[str, str, str]:
        return chance.choice("0012"), chance.choice(VERSIONS), chance.choice(RELEASES)

    names = [f"lab-p{number}" for number in range(60)]
    installed = [(name, *evr()) for name in names]
    updates = "<!-- <update type='security'> -->"
    for number in range(80):
        chosen = [(name, *evr(), "noarch") for name in chance.sample([*names, "not-here"], 3)]
        chosen[0] = (*chosen[0][:4], chance.choice(("noarch", "x86_64")))
        kind = chance.choice(("security", "security", "bugfix"))
        updates += advisory(f"X-{number}", chosen, kind=kind)
    trap = (
        advisory("X-999", [(names[0], "9", "9", "9", "noarch")]).split("<pkglist>")[1].split("</pkglist>")[0]
    )
    updates = updates.replace('arch="noarch"', "arch='noarch'", 20).replace('name="lab', 'name\n=\n"lab', 20)
    updates += advisory("X-100", []).replace("<description>d", f"<description><![CDATA[{trap}]]>")
    host = own_host("rpm-clean", setup=build(installed) + publish(updates))
    found = facts(host)
    ours = missing(found)
    assert ours == of_dnf(host)
    assert len(ours) > 40
    assert 20 < len(found.fixes) < 60
    assert any(len(fix.advisories) > 1 for fix in found.fixes)
    (repository,) = found.repositories
    assert repository.advisories is Advisories.READ


def test_the_payload_is_the_same_in_every_shell_and_without_any_privilege(own_host: OwnHostFactory) -> None:
    host = own_host("rpm-pending")
    # The host has no busybox; this machine's is one static file.
    subprocess.run(
        [*host.entry(), "sh", "-c", "cat >/usr/bin/busybox && chmod 755 /usr/bin/busybox"],
        input=Path("/usr/bin/busybox").read_bytes(),
        check=True,
    )
    payloads = [ask(host, shell).parts for shell in ("dash", "bash", "bash --posix", "busybox ash")]
    assert payloads[0] == payloads[1] == payloads[2] == payloads[3]
    assert ask(host, before=NOBODY).parts == payloads[0]
    # With busybox's own awk, gzip and stat, which stand in front.
    setup = "mkdir /opt/b; for t in awk gzip stat head; do ln -s /usr/bin/busybox /opt/b/$t; done"
    assert host.sh(setup).returncode == 0
    script = compose((PROBE,), Parameters(), BOUNDARY)
    done = subprocess.run(
        [
            *host.entry(),
            "env",
            "PATH=/opt/b:/usr/sbin:/usr/bin:/sbin:/bin",
            "TZ=UTC0",
            "busybox",
            "ash",
            "-s",
        ],
        input=script,
        capture_output=True,
        check=True,
    )
    (section,) = parse_stream(done.stdout, BOUNDARY, {PROBE.name: PROBE.cap_bytes}).sections
    assert section.parts == payloads[0]


def test_nothing_is_opened_for_writing(own_host: OwnHostFactory, tmp_path: Path) -> None:
    """As root rpm would write to its data base's log, so it is asked as nobody."""
    trace = tmp_path / "trace"
    host = own_host("rpm-pending")
    strace = (
        "strace",
        "-f",
        "-qq",
        "-o",
        str(trace),
        "-e",
        "trace=open,openat,rename,unlink,unlinkat,mkdir,utimensat",
    )
    assert ask(host, outside=strace).exit == 0
    lines = trace.read_text(errors="replace").splitlines()
    writes = [line for line in lines if re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND", line)]
    harmless = re.compile(r'"/dev/(null|tty|fd/[0-9]+)"|"/proc/self/fd/|resumed>|= -1 E')
    assert any("rpmdb.sqlite" in line for line in lines)
    assert [line for line in writes if not harmless.search(line)] == []


# --- what keeps fixes away ---


@pytest.mark.parametrize(
    ("setup", "held"),
    [
        ("echo 'exclude=cur*' >> /etc/dnf/dnf.conf", {"curl"}),
        (
            "printf 'excludepkgs=openssl-libs,\\n  nothing\\n' >> /etc/yum.repos.d/almalinux-baseos.repo",
            {"openssl-libs"},
        ),
        ("dnf -q versionlock add curl >/dev/null", {"curl"}),
        ("dnf -q versionlock exclude openssl-libs-1:3.0.7-28.el9_4 >/dev/null", {"openssl-libs"}),
        ("echo 'curl-0:7.61*' >> /etc/dnf/plugins/versionlock.list", {"curl"}),
        ("echo 'curl-0:7.76*' >> /etc/dnf/plugins/versionlock.list", set()),
        (
            "dnf -q versionlock add curl; sed -i s/enabled.*/enabled=0/ /etc/dnf/plugins/versionlock.conf",
            set(),
        ),
    ],
)
def test_what_is_named_as_kept_away_is_what_dnf_would_not_install(
    own_host: OwnHostFactory, setup: str, held: set[str]
) -> None:
    host = own_host("rpm-pending", setup=setup)
    found = facts(host)
    assert {fix.name for fix in found.fixes} == {"curl", "openssl-libs"}
    assert {fix.name for fix in found.fixes if hindrance(fix, found)} == held
    said = host.sh("dnf upgrade --security --assumeno 2>&1").stdout
    installs = {name for name in ("curl", "openssl-libs") if re.search(rf"^ {name} ", said, re.MULTILINE)}
    assert installs == {"curl", "openssl-libs"} - held


# --- modules ---

MODULES = """
cat > /run/modules.yaml <<'YAML'
---
document: modulemd
version: 2
data: {name: nodejs, stream: "16", version: 1, context: c0ffee00, arch: x86_64, summary: s, description: d,
  license: {module: [MIT]}, artifacts: {rpms: ["lab-node-0:16.1-1.module_el9.noarch"]}}
---
document: modulemd
version: 2
data: {name: nodejs, stream: "18", version: 1, context: c0ffee00, arch: x86_64, summary: s, description: d,
  license: {module: [MIT]}, artifacts: {rpms: ["lab-node-0:18.1-1.module_el9.noarch"]}}
YAML
modifyrepo_c --mdtype=modules /run/modules.yaml /srv/repo/repodata >/dev/null
rm -rf /var/cache/dnf/*
dnf -q makecache
"""


@pytest.mark.parametrize(
    ("stream", "expected"), [("16", {("M-16", "lab-node")}), ("18", {("M-18", "lab-node")})]
)
def test_an_advisory_of_another_module_stream_is_not_for_this_host(
    own_host: OwnHostFactory, stream: str, expected: set[tuple[str, str]]
) -> None:
    updates = "".join(
        advisory(
            f"M-{number}",
            [("lab-node", "0", f"{number}.1", "1.module_el9", "noarch")],
            module=f'<module name="nodejs" stream="{number}" version="1" context="c0ffee00" arch="x86_64"/>',
        )
        for number in ("16", "18")
    )
    enabled = f"[nodejs]\\nname=nodejs\\nstream={stream}\\nprofiles=\\nstate=enabled\\n"
    enable = f"printf '{enabled}' > /etc/dnf/modules.d/nodejs.module"
    built = build([("lab-node", "0", "15.0", "1.module_el9")])
    host = own_host("rpm-clean", setup=f"{built}\n{publish(updates)}\n{MODULES}\n{enable}")
    assert missing(facts(host)) == of_dnf(host) == expected


# --- the cache ---


@pytest.mark.parametrize(
    ("tool", "ending"), [("xz", "xz"), ("bzip2", "bz2"), ("zstd -q", "zst"), ("cat", "")]
)
def test_every_compression_that_a_tool_of_the_host_reads_is_read(
    own_host: OwnHostFactory, tool: str, ending: str
) -> None:
    # Its name is what repomd.xml says, and no more than that.
    name = f"errata.xml.{ending}".rstrip(".")
    setup = f"""
    cd {CACHE}
    zcat *updateinfo.xml.gz | {tool} > {name}
    rm *-updateinfo.xml.gz
    sed -i 's#repodata/[0-9a-f]*-updateinfo.xml.gz#repodata/{name}#' repomd.xml
    """
    assert len(missing(facts(own_host("rpm-pending", setup=setup)))) == 2


@pytest.mark.parametrize(
    ("setup", "advisories"),
    [
        ("rm -rf /var/cache/dnf/*", Advisories.UNCACHED),
        ("rm -rf /var/cache/dnf", Advisories.UNCACHED),
        (f"rm {CACHE}/*updateinfo*", Advisories.MISSING),
        (f"truncate -s -20 {CACHE}/*updateinfo*", Advisories.TORN),
        (f"truncate -s 300 {CACHE}/repomd.xml", Advisories.TORN),
        (f"cd {CACHE}; for f in *info.xml*; do echo '<updates></updates>' | gzip >$f; done", Advisories.TORN),
        (
            f"cd {CACHE}; for f in *fo*gz; do mv $f ${{f%gz}}zck; done; sed -i s/fo.xml.gz/fo.xml.zck/ rep*",
            Advisories.PACKED,
        ),
        (f"cd {CACHE}; for f in *updateinfo*; do rm $f; mkfifo $f; done", Advisories.MISSING),
        ("sed -i s/enabled=1/enabled=0/ /etc/yum.repos.d/*.repo", None),
        (
            "rm -rf /srv/repo/repodata; createrepo_c -q /srv/repo; dnf -q --refresh makecache",
            Advisories.NONE,
        ),
    ],
)  # fmt: skip
def test_a_cache_that_says_nothing_is_told_from_one_that_says_none(
    own_host: OwnHostFactory, setup: str, advisories: Advisories | None
) -> None:
    """Trap U14: dnf itself answers with nothing and status 0."""
    found = facts(own_host("rpm-pending", setup=setup))
    assert [each.advisories for each in found.repositories] == ([] if advisories is None else [advisories])
    assert found.fixes == ()


def test_a_cache_that_only_root_may_enter_is_denied_to_others(own_host: OwnHostFactory) -> None:
    host = own_host("rpm-pending", setup="chmod 700 /var/cache/dnf; chmod 600 /etc/yum.repos.d/*.repo")
    assert len(facts(host).fixes) == 2
    hidden = facts(host, before=NOBODY)
    assert hidden.repositories == ()
    assert hidden.unread == ("/etc/yum.repos.d/almalinux-baseos.repo",)
    host.sh("chmod 644 /etc/yum.repos.d/*.repo")
    (repository,) = facts(host, before=NOBODY).repositories
    assert repository.advisories is Advisories.DENIED


def test_dnf_dates_its_files_anew_when_it_finds_the_repository_unchanged(own_host: OwnHostFactory) -> None:
    """The times of the files prove that somebody asked, where the content has not changed for long."""
    host = own_host("rpm-pending", setup=f"touch -d '40 days ago' {CACHE}/*")
    (before,) = facts(host).repositories
    host.sh("dnf -q --refresh makecache")
    (after,) = facts(host).repositories
    assert before.fetched is not None
    assert after.fetched is not None
    assert (after.fetched - before.fetched).days >= 39
    assert after.made == before.made


def test_a_cache_as_zypp_lays_it_out_is_read_with_its_locks(own_host: OwnHostFactory) -> None:
    """Documented, not run: there is no zypper among Debian's packages."""
    setup = f"""
    mkdir -p '/var/cache/zypp/raw/Update repository' /etc/zypp/repos.d
    cp -r {CACHE} '/var/cache/zypp/raw/Update repository/repodata'
    rm -rf /var/cache/dnf /etc/yum.repos.d/*
    printf '[Update repository]\\nenabled=1\\nautorefresh=1\\nbaseurl=https://u:SECRET@x.test/\\n' \\
        > /etc/zypp/repos.d/update.repo
    printf '\\ntype: package\\nmatch_type: glob\\nsolvable_name: curl\\n\\n' > /etc/zypp/locks
    """
    host = own_host("rpm-pending", setup=setup)
    found = facts(host)
    assert {fix.name for fix in found.fixes} == {"curl", "openssl-libs"}
    (repository,) = found.repositories
    assert (repository.manager, repository.id) == ("zypp", "Update repository")
    assert [lock.pattern for lock in found.exclusions] == ["curl"]
    assert "SECRET" not in repr(ask(host).parts)


@pytest.mark.parametrize(
    ("setup", "reason"),
    [
        ("rm -rf /var/lib/rpm", Reason.UNSUPPORTED),
        ("rm /usr/bin/rpm", Reason.UNSUPPORTED),
        ("echo x >/var/lib/rpm/rpmdb.sqlite", Reason.FAILED),
        ("echo cachedir=/srv/cache >>/etc/dnf/dnf.conf", Reason.UNSUPPORTED),
    ],
)
def test_without_a_data_base_that_can_be_read_nothing_is_known(
    own_host: OwnHostFactory, setup: str, reason: Reason
) -> None:
    section = ask(own_host("rpm-clean", setup=setup))
    with pytest.raises(WithheldError) as withheld:
        PROBE.parse(section)
    assert withheld.value.reason is reason


def test_the_account_of_the_audit_sees_the_same_over_ssh(host: HostFactory) -> None:
    root = ask_host(host("rpm-pending"), probes=("rpm",)).sections["rpm"]
    other = ask_host(host("rpm-pending").as_login(AUDIT_LOGIN), probes=("rpm",)).sections["rpm"]
    assert root.parts == other.parts
