"""People who moved, over a real host and a real run."""

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from checks.model import Finding
from tests.agent.labsite import LabSite
from tests.lab.plugin import OwnHostFactory

pytestmark = pytest.mark.lab

_POSTS = """
[[post]]
name = "営業部"
groups = ["sales"]

[[post]]
name = "人事部"

[[store]]
path = "/srv/hr"
hosts = ["*"]
posts = ["人事部"]

[[store]]
path = "/srv/sales"
hosts = ["*"]
posts = ["営業部"]
"""
# mori's primary group is hr, which nobody is a member of; suzuki is in the group of the new post too.
_MOVED = """
groupadd -g 13600 sales; groupadd -g 13601 hr; groupadd -g 13602 docker
usermod -aG sales,docker suzuki
useradd -u 12005 -g hr -m -s /bin/bash mori
mkdir -m 2770 /srv/hr /srv/sales; chgrp hr /srv/hr; chgrp sales /srv/sales; chmod o+rx /srv/hr
echo '%docker ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/docker; chmod 440 /etc/sudoers.d/docker
"""


def _judged(site: LabSite, name: str) -> Finding:
    return next(
        it
        for it in site.findings
        if it.safeguard == "retired-accounts" and (it.subject.kind, it.subject.name) == ("account", name)
    )


def test_what_is_kept_of_the_former_post_fails_and_is_judged_again_from_the_bundle(
    own_host: OwnHostFactory, tmp_path: Path
) -> None:
    """A20: the oracles are id(1) and sudo(8) themselves."""
    host = own_host("clean", setup=_MOVED)
    site = LabSite(tmp_path / "site", [host])
    site.write_hosts([host], more=_POSTS)
    day = (datetime.now(ZoneInfo("Asia/Tokyo")) - timedelta(days=30)).date()
    rows = (
        "E1,sato,2026-01-31,,",
        f"E2,suzuki,,{day},営業部",
        f"E3,mori,,{day},営業部",
        "E4,tanaka,,,人事部",
    )
    (site.folder / "roster.csv").write_text(
        "社員番号,アカウント,退職日,異動日,部署\n" + "\n".join(rows) + "\n", "utf-8"
    )
    assert site.tenken("run", "-q").returncode in (1, 3)
    suzuki, mori = _judged(site, "suzuki"), _judged(site, "mori")
    assert (suzuki.result, mori.result) == ("fail", "fail")
    assert host.sh("id -Gn suzuki; id -Gn mori").stdout.split("\n")[:2] == ["suzuki sales docker", "hr"]
    assert suzuki.actual.english() == (
        "groups docker (root); ALL commands as root without a password by /etc/sudoers.d/docker:1;"
        " stores /srv/hr (read, enter)"
    )
    really = "setpriv --reuid suzuki --regid suzuki --init-groups sudo -n id -u"
    assert host.sh(really).stdout.strip() == "0"
    assert mori.actual.english() == "groups hr; stores /srv/hr (read, write, enter)"
    stored = (site.run_folder / "evidence/roster.json").read_text()
    assert "営業部" in stored
    assert "人事部" not in stored
    assert "byte for byte" in site.verify().stdout
    # Put right: the new post's group alone. The store is open to everybody still, which is enough.
    host.sh("gpasswd -d suzuki docker; usermod -g sales mori")
    assert site.tenken("run", "-q").returncode in (1, 3)
    assert [_judged(site, it).actual.english() for it in ("suzuki", "mori")] == [
        "stores /srv/hr (read, enter)",
        "stores /srv/hr (read, enter)",
    ]
    host.sh("chmod o= /srv/hr")
    assert site.tenken("run", "-q").returncode in (0, 1, 3)
    assert [_judged(site, it).result for it in ("suzuki", "mori")] == ["pass", "pass"]
