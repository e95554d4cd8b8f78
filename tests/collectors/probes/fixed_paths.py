"""Run a probe's section on this machine with /var/log, /etc and /var/lib of a scenario's own.

A private mount namespace covers the fixed paths with throw-away copies, so that real tools and shells see
them.
"""

import subprocess
from dataclasses import dataclass
from typing import Any

from collectors.evidence import Section
from collectors.facts import Probe
from collectors.framing import parse_stream
from collectors.script import ENVIRONMENT, Parameters, compose

BOUNDARY = "0123456789abcdef" * 2
SHELLS = ("dash", "bash", "bash --posix", "busybox ash")
_COVER = """
set -eu
dir=$(mktemp -d)
mount -t tmpfs tmpfs "$dir"
cp -a /etc "$dir/etc"
rm -rf "$dir"/etc/logrotate.d/* "$dir"/etc/rsyslog* "$dir"/etc/systemd/journald.conf.d
printf 'weekly\\nrotate 4\\ncreate\\ninclude /etc/logrotate.d\\n' > "$dir/etc/logrotate.conf"
mkdir -p "$dir/etc/logrotate.d" "$dir/log" "$dir/lib/logrotate" "$dir/run"
mount --bind "$dir/etc" /etc
mount --bind "$dir/log" /var/log
mount --bind "$dir/lib" /var/lib
mount --bind "$dir/run" /run
umount -l "$dir"
rmdir "$dir"
umask 022
cd /var/log
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A section as it was parsed from the stream, and the stream."""

    section: Section
    stream: bytes

    @property
    def payload(self) -> list[tuple[str, str, bytes]]:
        return [(part.name, part.state, part.raw) for part in self.section.parts]


def ask(
    probe: Probe[Any],
    setup: str,
    *,
    shell: str = "dash",
    user: str = "",
    logs: tuple[str, ...] = (),
    names: tuple[str, ...] = (),
) -> Answer:
    """Run `setup` as root in the namespace, then the section in `shell`, as `user` when one is given."""
    script = compose([probe], Parameters(logs=logs, names=names), BOUNDARY)
    env = " ".join(f"{key}={value}" for key, value in ENVIRONMENT.items())
    drop = f"setpriv --reuid={user} --regid={user} --clear-groups " if user else ""
    outer = f"{_COVER}\n{setup}\ncd /\nexec {drop}env -i {env} {shell} -s"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", outer], input=script, capture_output=True, check=True, timeout=60
    )
    parsed = parse_stream(done.stdout, BOUNDARY, {probe.name: probe.cap_bytes})
    assert parsed.done, done.stderr
    return Answer(section=parsed.sections[0], stream=done.stdout)
