"""Build the wheel, install it alone, and run the main job from it: `python -m tests.wheel`."""

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = {"agent", "checks", "collectors", "config", "reports"}
STATUSES = (0, 1, 3)
"""a run that inspected: what it found on this machine is not the question here"""


def main() -> int:
    """Say what is wrong with the wheel; 0 when nothing is."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder))
        strange = top_level(wheel) - OURS
        if strange:
            print(f"the wheel holds more than our packages: {sorted(strange)}", file=sys.stderr)
            return 1
        return run_from(wheel, Path(folder))


def build(folder: Path) -> Path:
    """Build the wheel with the locked tools, without the network."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            folder,
            ROOT,
        ],
        check=True,
    )
    (wheel,) = folder.glob("tenken-*.whl")
    return wheel


def top_level(wheel: Path) -> set[str]:
    """Names of the folders in the wheel, its own metadata aside."""
    with zipfile.ZipFile(wheel) as archive:
        return {name.split("/")[0] for name in archive.namelist() if ".dist-info/" not in name}


def run_from(wheel: Path, folder: Path) -> int:
    """Install the wheel beside this environment's libraries and inspect, seal and verify with it."""
    home = folder / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True)
    # The libraries are those of this environment; our own packages come from the wheel, which stands first.
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    (Path(site) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    tenken = home / "bin" / "tenken"
    where = folder / "site"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def call(*arguments: object) -> int:
        done = subprocess.run([tenken, *map(str, arguments)], cwd=folder, env=environment, check=False)
        return done.returncode

    if call("init", "--example", where):
        return 1
    if call("--config", where / "tenken.toml", "run", "--format", "json") not in STATUSES:
        return 1
    (bundle,) = (where / "state" / "bundles").glob("*.zip")
    return call("verify", "-q", "--trust", where / "trust" / "trust-1.json", bundle)


if __name__ == "__main__":
    sys.exit(main())
