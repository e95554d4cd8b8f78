"""What the probe costs a host: `python benchmarks/probe.py [ROUNDS]`, as root for all sections.

Runs the whole script on this machine and prints milliseconds and bytes of each section, CPU of the whole,
and the ratio to something run beside it in alternating rounds: lynis where it is installed, else 220
processes of a shell. Goals: 0.5 s of CPU, 100 KB, 1/50 of lynis.
"""

import resource
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from collectors.evidence import TargetKind
from collectors.framing import parse_stream
from collectors.registry import all_probes
from collectors.script import ENVIRONMENT, Parameters, compose, in_order

BOUNDARY = "0123456789abcdef" * 2
FORKS = "i=0; while [ $i -lt 220 ]; do /bin/true; i=$((i + 1)); done"
NAMES = ("root", "daemon", "nobody-of-that-name")


def cpu_ms(command: Sequence[str], given: bytes) -> tuple[float, bytes]:
    """Run a command and return its CPU time with that of all it started, and its output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, input=given, capture_output=True, check=False, env=ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent * 1_000, done.stdout


def main(rounds: int) -> int:
    """Print the table and the ratio; the status says nothing about goals."""
    probes = in_order([probe for probe in all_probes().values() if probe.kind is TargetKind.HOST])
    script = compose(probes, Parameters(names=NAMES), BOUNDARY)
    lynis = shutil.which("lynis")
    other = [lynis, "audit", "system", "--quick", "--quiet"] if lynis else ["/bin/sh", "-c", FORKS]
    beside = "lynis" if lynis else "220 processes of a shell"
    ours, theirs, stream = [], [], b""
    for _ in range(rounds):
        spent, stream = cpu_ms(["/bin/sh", "-s"], script)
        ours.append(spent)
        theirs.append(cpu_ms(other, b"")[0])
    parsed = parse_stream(stream, BOUNDARY, {probe.name: probe.cap_bytes for probe in probes})
    print(f"{'section':16} {'ms':>6} {'bytes':>8}")
    for section in parsed.sections:
        print(f"{section.name:16} {section.ms:6} {sum(part.size for part in section.parts):8}")
    probe, reference = statistics.median(ours), statistics.median(theirs)
    print(f"{'whole':16} {probe:6.0f} {len(stream):8}   CPU, median of {rounds}; script {len(script)} bytes")
    print(f"{beside}: {reference:.0f} ms CPU; the probe is {probe / reference:.3f} of it")
    return 0 if parsed.done else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
