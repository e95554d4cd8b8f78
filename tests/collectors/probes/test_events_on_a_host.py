"""The lines that real usermod, userdel and sshd write are the ones the probe knows."""

import subprocess
import time

import pytest

from collectors.probes.events import EventsFacts
from tests.collectors.probes.asked import ask_host, ssh
from tests.lab.host import Lab
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("persona", ["clean", "debian-13"])
def test_real_tools_write_the_lines_that_are_told(own_host: OwnHostFactory, lab: Lab, persona: str) -> None:
    """Criteria 28 and 29 at their source: Debian 13 logs as sshd-session."""
    host = own_host(persona)
    login = [*ssh(host, "suzuki", lab.person_keys["suzuki"]), "true"]
    public = lab.person_keys["suzuki"].with_suffix(".pub").read_text().strip()
    host.sh(
        f"install -d -o suzuki -m 700 /home/suzuki/.ssh\n"
        f"echo '{public}' > /home/suzuki/.ssh/authorized_keys\n"
        "chown suzuki /home/suzuki/.ssh/authorized_keys"
    )
    assert subprocess.run(login, capture_output=True, timeout=30, check=False).returncode == 0
    host.sh("usermod -L suzuki; usermod -e 2020-01-02 suzuki; usermod -s /bin/false suzuki; userdel -f sato")
    assert subprocess.run(login, capture_output=True, timeout=30, check=False).returncode != 0
    wanted = {
        ("accepted", "suzuki", "publickey"),
        ("lock", "suzuki", "usermod"),
        ("expire-change", "suzuki", "usermod"),
        ("shell-change", "suzuki", "usermod"),
        ("expired-refused", "suzuki", "sshd"),
        ("delete-user", "sato", "userdel"),
    }
    for _ in range(20):
        facts = ask_host(host, ("suzuki", "sato"), ("events",)).facts("events")
        assert isinstance(facts, EventsFacts)
        told = {(it.kind.value, it.name, it.method) for it in facts.events}
        if wanted <= told:
            break
        time.sleep(0.2)
    assert wanted <= told
    (change,) = (it for it in facts.events if it.kind.value == "expire-change")
    assert (change.before, change.plain) == (None, True)
    assert change.after is not None
    assert change.after.isoformat() == "2020-01-02"
    assert facts.log_ins
