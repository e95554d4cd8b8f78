"""All sections together, on an awkward host: the same in every shell, writing and leaking nothing."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from collectors.evidence import SectionState, TargetKind
from collectors.framing import Parsed, parse_stream
from collectors.registry import all_probes
from collectors.script import ENVIRONMENT, Parameters, compose
from tests.collectors.probes.fixed_paths import _COVER

B = "0123456789abcdef" * 2
PROBES = tuple(probe for probe in all_probes().values() if probe.kind is TargetKind.HOST)
CAPS = {probe.name: probe.cap_bytes for probe in PROBES}
SHELLS = ("dash", "bash", "bash --posix", "busybox ash")
VOLATILE = {
    # section: parts that differ between two looks at one machine, and why
    "platform": {"uptime"},  # it is a clock
    "logs": {"clock"},
    "residue": {"processes"},  # of the machine that runs the tests
    "mapped": {"processes"},
    "pwchanges": {"journal"},  # says that the journal was searched up to now
}
STORES = ("/home/sato", "/etc/logrotate.d/fifo", "/dev-null", "/srv/not-there", "/etc/shadow")
NAMES = ("sato", "mori", "gone", "ito")
SECRETS = (b"CANARY", b"AAAAC3NzaC1lZDI1NTE5AAAAICANARY")
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICANARYbmo1dGhpcyBrZXkgaXMgb2Ygbm9ib2R5IGF0IGFs"
_SCENARIO = rf"""
mount -t tmpfs tmpfs /home
hash='$y$j9T$CANARYsalt0$CANARYhash4fGhKQ'
printf 'sato:x:15001:15001:CANARY-GECOS,Room 1:/home/sato:/bin/bash\n' >> /etc/passwd
printf 'mori:$1$CANARYsa$CANARYabcdefghijklmnop:15002:15002:CANARY:/home/mori:/bin/sh\n' >> /etc/passwd
printf 'ito:x:15004:15004::/home/ito:/bin/sh\n' >> /etc/passwd
printf 'ito:!:20000:0:90:7::1:\n' >> /etc/shadow
setpriv --reuid=15004 --regid=15004 --clear-groups sleep 300 >/dev/null 2>&1 &
trap "kill $!" EXIT
printf 'torn:x:15003:CANARY-GECOS:/home:/bin/sh\n' >> /etc/passwd
printf 'sato:%s:20000:0:90:7:::\nmori:CANARYhash\n' "$hash" >> /etc/shadow
for who in sato mori gone; do mkdir -p "/home/$who/.ssh"; done
printf 'command="CANARY x",from="CANARY" {_KEY} CANARY-comment\n' > /home/sato/.ssh/authorized_keys
printf '{_KEY}\n' > /home/gone/.ssh/authorized_keys
chown -R 15001:15001 /home/sato; chown -R 15009 /home/gone
mkfifo /home/mori/.ssh/authorized_keys auth.log.1 wtmp.1 /etc/logrotate.d/fifo
ln -s /dev/zero auth.log.2
ln -s /etc/shadow auth.log.3
echo 'Nov 22 10:00:00 h sshd[1]: Accepted publickey for sato from 192.0.2.1 port 1 ssh2: CANARY' > auth.log
printf 'x' > 'auth.log.
@{B} end s=logs t=1.00 rc=0 n=0
'
head -c 5000000 /dev/zero | tr '\000' x > secure
printf '\033[2J\377 rotate' > /etc/logrotate.d/odd
mkdir -p /etc/systemd/journald.conf.d
printf '\000\033[2J\377\r[Journal]' > /etc/systemd/journald.conf.d/odd.conf
mkdir -p /var/lib/systemd/linger
touch /var/lib/systemd/linger/sato
mkdir -p /var/spool/cron/crontabs
mount -t tmpfs tmpfs /var/spool/cron/crontabs
printf '* * * * * true CANARY\n' > /var/spool/cron/crontabs/sato
"""


def streams_of(folder: Path, shells: Sequence[str], *, wrapped_by: str = "") -> dict[str, bytes]:
    """Run the whole script in each shell, all in one mount namespace in which the scenario stands."""
    script = compose(PROBES, Parameters(names=NAMES, logs=("/etc/shadow*",), stores=STORES), B)
    (folder / "script").write_bytes(script)
    env = " ".join(f"{key}={value}" for key, value in ENVIRONMENT.items())
    runs = "".join(
        f"{wrapped_by} env -i {env} {shell} -s < {folder}/script > {folder}/{number} || exit\n"
        for number, shell in enumerate(shells)
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{_COVER}\n{_SCENARIO}\ncd /\n{runs}"],
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=240,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    return {shell: (folder / str(number)).read_bytes() for number, shell in enumerate(shells)}


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return streams_of(tmp_path_factory.mktemp("streams"), SHELLS)


def whole(stream: bytes) -> Parsed:
    parsed = parse_stream(stream, B, CAPS)
    assert parsed.done
    assert parsed.notes == ()
    assert {section.name for section in parsed.sections} == set(CAPS)
    assert {section.state for section in parsed.sections} == {SectionState.ENDED}
    return parsed


def still(parsed: Parsed) -> dict[str, object]:
    """What stands still between two looks; complaints aside, which tools word in their own way."""
    return {
        section.name: (
            section.exit,
            section.truncated,
            [
                (part.name, part.state, part.raw)
                for part in section.parts
                if part.name not in VOLATILE.get(section.name, ())
            ],
        )
        for section in parsed.sections
    }


@pytest.mark.parametrize("shell", SHELLS[1:])
def test_every_shell_gives_equal_payloads_of_every_section(shell: str, streams: dict[str, bytes]):
    expected = still(whole(streams["dash"]))
    for name, section in still(whole(streams[shell])).items():
        assert section == expected[name], name


def test_fifos_devices_and_look_alikes_of_frames_do_no_harm(streams: dict[str, bytes]):
    """Opening the FIFOs would wait for ever; the file's name is the frame an older run might have sent."""
    sections = whole(streams["dash"]).sections
    assert not any(section.truncated for section in sections)
    assert {section.exit for section in sections} == {0}


def test_no_hash_key_comment_or_text_of_a_file_is_in_the_stream(streams: dict[str, bytes]):
    stream = streams["dash"]
    assert b"sato" in stream
    assert b"ssh-ed25519" in stream
    assert [line for line in stream.splitlines() if any(secret in line for secret in SECRETS)] == []


CHANGING = (
    "open,openat,openat2,creat,mkdir,mkdirat,rmdir,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,"
    "symlinkat,truncate,ftruncate,chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,utime,utimes,utimensat,"
    "futimesat,mknod,mknodat,setxattr,lsetxattr,fsetxattr"
)
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")
_OPENS = re.compile(r"\bopen(?:at2?)?\(")
HARMLESS = re.compile(r'"/dev/(?:null|tty|fd/[0-9]+)"|"/proc/self/fd/[0-9]+"|= -1 E|resumed>|\+\+\+ |--- ')
"""pipes of the script's own, the void, and what did not happen"""


def changes(trace: str) -> list[str]:
    """The lines of a trace that changed something, or opened it so that it could be."""
    lines = [line for line in trace.splitlines() if not HARMLESS.search(line)]
    return [line for line in lines if _WRITES.search(line) or not _OPENS.search(line)]


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox ash"])
def test_nothing_is_written_renamed_removed_or_touched_in_any_shell(shell: str, tmp_path: Path):
    trace = tmp_path / "trace"
    strace = f"strace -f -qq -s200 -e trace={CHANGING} -o {trace}"
    whole(streams_of(tmp_path, (shell,), wrapped_by=strace)[shell])
    text = trace.read_text("utf-8", errors="replace")
    assert '"/etc/shadow", O_RDONLY' in text
    assert changes(text) == []


@pytest.mark.parametrize(
    "call", ['open("/x", O_WRONLY|O_CREAT, 0600) = 3', 'unlink("/x") = 0', "chmod() = 0"]
)
def test_a_trace_that_changes_something_is_seen(call: str):
    """Else the claim above could not fail."""
    assert changes(f'12 {call}\n12 open("/etc/passwd", O_RDONLY) = 3\n') == [f"12 {call}"]


def test_the_tests_of_the_whole_script_run_as_root():
    """Unprivileged, half of the sections would be denied and prove nothing."""
    assert os.geteuid() == 0
