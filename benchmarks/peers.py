"""Other tools that ask hosts over SSH, each in an environment of its own, with the same questions."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clients import QUESTIONS, SCRIPT, WORKERS, ssh_options

Order = dict[str, Any]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tenken-bench"
"""environments and compiled code; may be removed"""
_LENGTH = 404
_RIGHT = "int(answer) == number and len(answer) == 404"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One tool in one manner."""

    label: str
    package: str
    order: Callable[[Order, Path], list[str]]
    """writes what the tool reads into a folder, and returns its command"""
    settings: Callable[[Path], dict[str, str]] = lambda _: {}
    """environment variables"""
    requires: tuple[str, ...] = ()
    most: int = 200
    """hosts that it asks at most: a slow one need not ask all to show what one of them costs"""

    @property
    def bin(self) -> Path:
        """Where its commands are."""
        return CACHE / self.package / "bin"

    def install(self) -> str:
        """Make the environment unless it is there; returns the version."""
        python = self.bin / "python"
        done = self.bin.parent / ".installed"
        if not done.exists():
            venv.create(self.bin.parent, with_pip=True, clear=True)
            install = [python, "-m", "pip", "install", "--quiet", self.package, *self.requires]
            subprocess.run(install, check=True)
            done.touch()
        ask = f"import importlib.metadata as m; print(m.version({self.package!r}))"
        return subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()


def _pyinfra(facts: int) -> Callable[[Order, Path], list[str]]:
    def order(given: Order, folder: Path) -> list[str]:
        data = {
            "ssh_user": given["user"], "ssh_key": given["key"],
            "ssh_known_hosts_file": given["known_hosts"], "ssh_strict_host_key_checking": "yes",
        }  # fmt: skip
        hosts = [(host, {**data, "ssh_port": port}) for host, port in given["hosts"]]
        (folder / "inventory.py").write_text(f"hosts = {hosts!r}\n")
        questions = QUESTIONS if facts > 1 else ("; ".join(QUESTIONS),)
        (folder / "deploy.py").write_text(
            "from pyinfra import host\nfrom pyinfra.facts.server import Command\n"
            f"answers = [host.get_fact(Command, command=each) for each in {questions!r}]\n"
            "for number, answer in enumerate('\\n'.join(answers).split()):\n"
            f"    assert {_RIGHT}, answer\n"
            "assert number == 9, answers\n"
        )
        return ["pyinfra", "inventory.py", "deploy.py", "-y"]

    return order


def _testinfra(backend: str) -> Callable[[Order, Path], list[str]]:
    def order(given: Order, folder: Path) -> list[str]:
        (folder / "test_facts.py").write_text(
            "import pytest\n\n"
            f"@pytest.mark.parametrize(('number', 'question'), list(enumerate({QUESTIONS!r})))\n"
            "def test_fact(host, number, question):\n"
            "    answer = host.check_output(question)\n"
            f"    assert {_RIGHT}\n"
        )
        hosts = ",".join(f"{backend}://{host}" for host, _ in given["hosts"])
        config = f"--ssh-config={_ssh_config(given, folder)}"
        return ["pytest", "-q", "-p", "no:cacheprovider", config, f"--hosts={hosts}", "test_facts.py"]

    return order


def _ssh_config(given: Order, folder: Path) -> Path:
    config = folder / "ssh_config"
    lines = [f"Host {host}\n  Port {port}\n" for host, port in given["hosts"]]
    lines += ["Host *\n", *(f"  {name} {value}\n" for name, value in ssh_options(given).items())]
    config.write_text("".join(lines))
    return config


def _ansible(module: str) -> Callable[[Order, Path], list[str]]:
    def order(given: Order, folder: Path) -> list[str]:
        common = {
            "ansible_user": given["user"],
            "ansible_ssh_common_args": f"-F {_ssh_config(given, folder)}",
            # Named, so that it need not be searched for.
            "ansible_python_interpreter": sys.executable,
        }
        hosts = {host: {**common, "ansible_port": port} for host, port in given["hosts"]}
        (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
        questions = QUESTIONS if module == "command" else (SCRIPT.decode(),)
        tasks = [
            {
                f"ansible.builtin.{module}": question,
                "register": "answer",
                "failed_when": f"answer.stdout | replace('\\r', '') | trim | length != {length}",
            }
            for question in questions
            for length in [_LENGTH if module == "command" else 10 * (_LENGTH + 1) - 1]
        ]
        play = {"hosts": "all", "gather_facts": False, "tasks": tasks}
        (folder / "facts.yml").write_text(json.dumps([play]))
        return ["ansible-playbook", "-i", "hosts.yml", "facts.yml"]

    return order


def _at_home(folder: Path) -> dict[str, str]:
    """Keep what Ansible writes, here and on the hosts, out of the user's home."""
    return {"ANSIBLE_HOME": str(folder / "a"), "ANSIBLE_REMOTE_TMP": str(folder / "r")}


def _tuned(folder: Path) -> dict[str, str]:
    return {**_at_home(folder), "ANSIBLE_PIPELINING": "1", "ANSIBLE_FORKS": str(WORKERS)}


PEERS = {
    "pyinfra-1": Peer(label="pyinfra, one command", package="pyinfra", order=_pyinfra(1)),
    "pyinfra-10": Peer(label="pyinfra, ten facts", package="pyinfra", order=_pyinfra(10)),
    "testinfra-paramiko": Peer(
        label="pytest-testinfra, ten assertions, paramiko", package="pytest-testinfra",
        requires=("paramiko",), order=_testinfra("paramiko"), most=50,
    ),
    "testinfra-ssh": Peer(
        label="pytest-testinfra, ten assertions, ssh", package="pytest-testinfra",
        requires=("paramiko",), order=_testinfra("ssh"), most=50,
    ),
    "ansible-raw": Peer(
        label="Ansible, one raw script, pipelining, 32 forks", package="ansible-core",
        order=_ansible("raw"), settings=_tuned,
    ),
    "ansible-tuned": Peer(
        label="Ansible, ten commands, pipelining, 32 forks", package="ansible-core",
        order=_ansible("command"), settings=_tuned, most=50,
    ),
    "ansible": Peer(
        label="Ansible, ten commands, as it comes", package="ansible-core",
        order=_ansible("command"), settings=_at_home, most=20,
    ),
}  # fmt: skip
"""by the name that an order gives the client"""
