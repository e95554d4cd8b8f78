"""Command line of the lab: build, run, shell. The two other steps are the inner halves of run and build."""

import argparse
import subprocess
import sys

from tests.lab import images, namespace
from tests.lab.host import Lab
from tests.lab.personas import PERSONAS


def main(arguments: list[str]) -> int:
    """Do what the arguments say and return the exit status."""
    if arguments[:1] == ["reap"]:
        return namespace.reap(arguments[1:])
    if arguments[:1] == ["build-inside"]:
        namespace.furnish_files()
        images.build(arguments[1:])
        return 0
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    build = steps.add_parser(
        "build", help="build the images that are not cached (default: all personas need)"
    )
    build.add_argument("names", nargs="*", metavar="NAME", choices=[*images.RECIPES, []])
    run = steps.add_parser("run", help="run a command inside the lab: run -- CMD...")
    run.add_argument("command", nargs="+")
    shell = steps.add_parser("shell", help="bring up one host and open a root shell in it")
    shell.add_argument("persona", choices=PERSONAS)
    shell.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    namespace.require_root()
    if asked.step == "build":
        return _build(asked.names)
    if asked.step == "shell" and asked.inside:
        return _shell(asked.persona)
    if status := _build([]):
        return status
    if asked.step == "run":
        namespace.enter(asked.command)
    namespace.enter([sys.executable, "-m", "tests.lab", "shell", "--inside", asked.persona])
    return 1


def _build(names: list[str]) -> int:
    missing = images.missing(names or sorted({persona.image for persona in PERSONAS.values()}))
    return namespace.build(missing) if missing else 0


def _shell(persona: str) -> int:
    lab = Lab()
    host = lab.start(persona)
    print(f"{host.name} at {host.address}; the key {host.key_path} opens {host.login}")  # noqa: T201
    shell = "if command -v bash > /dev/null; then exec bash -i; else exec sh -i; fi"
    return subprocess.run([*host.entry(), "TERM=xterm", "/bin/sh", "-c", shell], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
