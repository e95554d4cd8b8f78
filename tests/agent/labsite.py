"""A site folder over lab hosts, and the command line run on it as an operator would."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.sitefolder import write_site
from checks.model import Finding, Result
from reports.documents import decode_verdicts
from tests.lab.host import Host
from tests.lab.personas import PEOPLE

TENKEN = Path(sys.executable).with_name("tenken")
HEAD = """
[site]
id = "lab"
name = "Lab K.K."
timezone = "Asia/Tokyo"

[roster]
path = "roster.csv"

[[mail]]
name = "journal"
kind = "maildir"
path = "journal"
own_domains = ["example.jp"]

[[account]]
name = "tenken"
owner = "IT operations"
reason = "the audit account"

[ssh]
connect_timeout = "3s"
host_timeout = "15s"
"""
PROMISES = """
[[promise]]
id = "leavers"
text = "退職者・異動者のアカウントは直ちに停止します。"
source = { document = "privacy-policy.txt", section = "6(1)" }
proves = ["retired-accounts", "roster-currency"]
[promise.set]
disable_within = "24h"
decided_by = "information security officer"
decided_on = 2026-11-22

[[promise]]
id = "logs"
text = "long-term storage of access logs"
source = { document = "privacy-policy.txt", section = "6(1)" }
proves = ["access-log-retention"]
[promise.set]
keep = "365d"

[[promise]]
id = "passwords"
text = "periodic password changes"
source = { document = "privacy-policy.txt", section = "6(1)" }
proves = ["password-rotation"]

[[promise]]
id = "patches"
text = "operating systems are kept up-to-date"
source = { document = "privacy-policy.txt", section = "6(2)" }
proves = ["patch-currency"]

[[promise]]
id = "mail"
text = "When files containing personal information are sent via e-mail, passwords are set for the files."
source = { document = "privacy-policy.txt", section = "6(3)" }
proves = ["mail-attachment-encryption"]
"""


class LabSite:
    """A site folder whose inventory is lab hosts."""

    def __init__(self, folder: Path, hosts: Iterable[Host], *, promises: str = PROMISES) -> None:
        self.folder = folder
        written = write_site(
            folder,
            profile="named-measures",
            site_id="lab",
            name="Lab K.K.",
            timezone="Asia/Tokyo",
            example=False,
        )
        assert list(written)
        hosts = tuple(hosts)
        self.answer: dict[str, object] = {}
        """what `tenken run --format json` printed, where a test keeps it"""
        self.said = ""
        self.write_hosts(hosts, promises=promises)
        known = folder / "known_hosts"
        known.write_text("".join(host.known_hosts_line() + "\n" for host in hosts if host.known_hosts_line()))
        known.chmod(0o600)
        self.write_roster()
        self.write_mail()

    def write_hosts(self, hosts: Sequence[Host], *, promises: str = PROMISES, more: str = "") -> None:
        """Write the configuration anew."""
        blocks = "".join(
            f'\n[[host]]\nname = "{host.persona}"\naddress = "{host.address}"\nport = {host.port}\n'
            f'user = "{host.login}"\nidentity = "{host.key_path}"\n'
            for host in hosts
        )
        (self.folder / "tenken.toml").write_text(HEAD + more + blocks + promises, "utf-8")

    def write_roster(self) -> None:
        """The people of the lab, leavers with the day they left.

        sato's account was closed just before: on a host that is made now, nothing older can be proven.
        """
        today = datetime.now(ZoneInfo("Asia/Tokyo")).date()
        left_on = {login: today - timedelta(days=left) for login, left in PEOPLE.items() if left is not None}
        left_on["sato"] = today - timedelta(days=1)
        rows = [f"E{number:04d},{login},{left_on.get(login, '')}" for number, login in enumerate(PEOPLE, 1)]
        (self.folder / "roster.csv").write_text(
            "社員番号,アカウント,退職日\n" + "\n".join(rows) + "\n", "utf-8"
        )

    def write_mail(self) -> None:
        """A journal of one mail to the outside without an attachment."""
        message = EmailMessage()
        message["From"] = "suzuki@example.jp"
        message["To"] = "partner@example.com"
        message["Date"] = datetime.now(UTC) - timedelta(hours=3)
        message["Subject"] = "CANARY-MAIL-SUBJECT"
        message.set_content("CANARY-MAIL-TEXT")
        for name in ("cur", "new", "tmp"):
            (self.folder / "journal" / name).mkdir(parents=True)
        (self.folder / "journal" / "new" / "1.lab").write_bytes(message.as_bytes())

    def tenken(self, *arguments: str, timeout_s: int = 120) -> "subprocess.CompletedProcess[str]":
        """Run the console script on this site."""
        return subprocess.run(
            [str(TENKEN), "--config", str(self.folder / "tenken.toml"), *arguments],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, "NO_COLOR": "1"},
            check=False,
        )

    def verify(self, bundle: Path | None = None, *options: str) -> "subprocess.CompletedProcess[str]":
        """Verify a bundle, the newest without a name, offline."""
        return subprocess.run(
            [str(TENKEN), "verify", "--trust", str(self.folder / "trust" / "trust-1.json"), *options,
             str(bundle or self.bundles[-1])],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    @property
    def bundles(self) -> list[Path]:
        """Sealed bundles, oldest first."""
        return sorted((self.folder / "state" / "bundles").glob("*.zip"))

    @property
    def run_folder(self) -> Path:
        """The newest run's files."""
        return max((self.folder / "state" / "runs").glob("[0-9]*"))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The newest run's verdicts."""
        return decode_verdicts((self.run_folder / "verdicts.jsonl").read_bytes())

    def evidence(self, target: str) -> dict[str, object]:
        """The newest run's evidence of one target."""
        found: dict[str, object] = json.loads((self.run_folder / f"evidence/{target}.json").read_bytes())
        return found

    def loud(self, target: str) -> set[tuple[str, str, str]]:
        """(safeguard, subject, result) of everything that is not a pass."""
        return {
            (each.safeguard, f"{each.subject.kind} {each.subject.name}".strip(), each.result.value)
            for each in self.findings
            if each.target == target and each.result not in (Result.PASS, Result.NOT_APPLICABLE)
        }
