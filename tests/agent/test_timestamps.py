"""Time-stamp authorities over HTTP: a real one, and every way in which one can fail."""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from agent.timestamps import Stamper
from config.model import TimeAuthority
from reports import canonical
from reports.timestamp import MOST_BYTES, check
from reports.trust import Log, LogKey, Trust, Tsa
from tests.agent.test_cli import call, tenken
from tests.tsa import Answer, Authority, serving

DATA = b"plan"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("tsa") / "good")


def _trust(*tsas: Tsa) -> Trust:
    log = Log(origin="o", keys=(LogKey(vkey="o+00000000+AAAA"),))
    return Trust(version=1, site="kk", issued="2026-01-01", log=log, tsas=tsas)


def _refused(url: str, tsa: Tsa, *, wait_s: float = 5.0) -> str:
    """Ask one authority that gives nothing that counts, and return why."""
    with capture_logs() as lines:
        stamper = Stamper((TimeAuthority(name="tsa1", url=url),), _trust(tsa), wait_s=wait_s)
        assert stamper(DATA) == {}
    (line,) = lines
    assert (line["event"], line["tsa"], line["log_level"]) == ("no time stamp", "tsa1", "warning")
    return str(line["reason"])


def test_every_authority_is_asked_and_each_token_counts_for_a_verifier(
    lab: Authority, tmp_path: Path
) -> None:
    other = Authority.make(tmp_path / "other", key="rsa")
    with serving(lab.answer) as one, serving(other.answer) as two:
        asked = (TimeAuthority(name="tsa1", url=one), TimeAuthority(name="tsa2", url=two))
        tokens = Stamper(asked, _trust(lab.trusted(), other.trusted("tsa2")))(DATA)
    assert check(tokens["tsa1"], DATA, lab.trusted())
    assert check(tokens["tsa2"], DATA, other.trusted("tsa2"))


def _forger(folder: Path) -> Answer:
    return Authority.make(folder / "forger", embeds_root=True).answer


def test_a_token_that_a_verifier_would_refuse_is_not_taken(lab: Authority, tmp_path: Path) -> None:
    """Found out when it can still be asked for again, and not years later."""
    trusted = lab.trusted()
    with serving(_forger(tmp_path)) as url:
        assert "not signed by the certificate" in _refused(url, trusted)
    with serving(lab.answer) as url:
        assert "policy 1.2.3.4.1" in _refused(url, lab.trusted(policies=("1.2.3.4.9",)))
        assert "distrusted" in _refused(url, lab.trusted(distrusted_from="2026-01-02"))
        assert _refused(url, lab.trusted("other")) == "the trust file does not name it"
    replayed = lab.stamp(DATA)
    with serving(lambda _: replayed) as url:
        assert "another question" in _refused(url, trusted)


@pytest.mark.parametrize(
    ("answer", "status", "kind", "words"),
    [
        (b"<html>", 200, "text/html", "no time-stamp reply"),
        (b"garbage", 200, "application/timestamp-reply", "not a time-stamp token"),
        (b"", 200, "application/timestamp-reply", "not a time-stamp token"),
        (b"\0" * (MOST_BYTES + 10), 200, "application/timestamp-reply", "too large"),
        (b"x", 500, "text/plain", "HTTP status 500"),
        (b"x", 302, "text/plain", "HTTP status 302"),
    ],
)
def test_an_answer_that_is_none_says_so(
    lab: Authority, answer: bytes, status: int, kind: str, words: str
) -> None:
    with serving(lambda _: answer, status=status, kind=kind) as url:
        assert words in _refused(url, lab.trusted())


def test_a_port_nobody_listens_at_and_a_name_nobody_has(lab: Authority) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert "refused" in _refused(f"http://127.0.0.1:{taken.getsockname()[1]}/", lab.trusted())
    assert _refused("http://tsa.invalid/", lab.trusted())


@pytest.fixture
def dripping() -> Iterator[str]:
    """A server that sends a header's bytes one by one, for ever."""
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not ended.wait(0.05):
            try:
                connection.sendall(b"x")
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    ended.set()
    listener.close()


def test_who_never_answers_or_only_drips_holds_up_nobody(lab: Authority, dripping: str) -> None:
    begun = time.monotonic()
    with serving(lambda _: None) as silent, serving(lab.answer) as good, capture_logs() as lines:
        asked = tuple(
            TimeAuthority(name=name, url=url)
            for name, url in (("tsa1", silent), ("tsa2", dripping), ("tsa3", good))
        )
        trusted = _trust(lab.trusted("tsa1"), lab.trusted("tsa2"), lab.trusted("tsa3"))
        assert list(Stamper(asked, trusted, wait_s=2.0)(DATA)) == ["tsa3"]
    assert time.monotonic() - begun < 10
    assert {line["tsa"] for line in lines} == {"tsa1", "tsa2"}


def test_a_whole_run_is_stamped_before_it_asks_and_after_it_seals(tmp_path: Path, lab: Authority) -> None:
    """The oracle is openssl itself, over the bundle's own files."""
    site = tmp_path / "site"
    assert tenken("init", "--example", site).returncode == 0
    trust = site / "trust" / "trust-1.json"
    held = json.loads(trust.read_bytes())
    tsas = [msgspec.to_builtins(lab.trusted())]
    trust.write_bytes(canonical.encode({**held, "tsas": tsas, "tsa_threshold": 1}))
    toml = site / "tenken.toml"
    with serving(lab.answer) as url:
        toml.write_text(toml.read_text("utf-8") + f'\n[[tsa]]\nname = "tsa1"\nurl = "{url}"\n', "utf-8")
        done = call(site, "run", "-q")
    assert done.returncode in (0, 1, 3), done.stderr
    folder, root = site / "state/runs/000001", lab.folder / "root.pem"
    for file, token in (("plan.json", "plan.tsa1.tsr"), ("checkpoint", "checkpoint.tsa1.tsr")):
        subprocess.run(
            ["openssl", "ts", "-verify", "-data", folder / file, "-in", folder / token, "-CAfile", root],
            check=True, capture_output=True,
        )  # fmt: skip
    (bundle,) = (site / "state/bundles").glob("*.zip")
    found = tenken("verify", "--trust", trust, bundle)
    assert found.returncode == 0, found.stdout
    # Nobody answers any more: the next run is sealed all the same, says so, and is not trusted.
    done = call(site, "run", "-q")
    assert done.returncode in (0, 1, 3)
    assert done.stderr.count("no time stamp") == 2
    found = tenken("verify", "--trust", trust, sorted((site / "state/bundles").glob("*.zip"))[1])
    assert (found.returncode, "UNTIMED: 1 token(s) required, 0 there" in found.stdout) == (6, True)
