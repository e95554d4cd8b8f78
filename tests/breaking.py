"""Break each acceptance criterion once and see its test fail: `python -m tests.breaking [NUMBER...]`.

tests/criteria.toml says for each criterion which tests prove it and how to break it. Each break is applied to
a copy of this checkout, and only the named test is run there: it must pass before, and fail afterwards by its
claim, not because the program no longer runs. Lab tests need root, as always.
"""

import os
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct, convert

ROOT = Path(__file__).resolve().parent.parent
REGISTER = ROOT / "tests" / "criteria.toml"
THIS_CHECKOUT = "tests/test_packages.py::test_what_is_imported_is_this_checkout"
NO_CLAIM = (
    "NameError",
    "ImportError",
    "ModuleNotFoundError",
    "SyntaxError",
    "AttributeError",
    "UnboundLocalError",
)
"""a test that ends so says that the broken program does not run, not that its claim is false"""


class Break(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change of the program that makes one claim false."""

    file: str
    find: str
    """stands in the file once"""
    replace: str
    test: str
    """must fail then; with `[parameters]` only that case"""


class Criterion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of section 6 of the acceptance list."""

    number: int
    claim: str
    tests: tuple[str, ...]
    """`path::name`, without parameters"""
    breaks: tuple[Break, ...]


def criteria() -> tuple[Criterion, ...]:
    """The register, in the order written."""
    return convert(tomllib.loads(REGISTER.read_text("utf-8"))["criterion"], tuple[Criterion, ...])


def place_of(test: str) -> tuple[str, str]:
    """Return the file of a test id and its name in it, without parameters."""
    path, _, name = test.partition("[")[0].partition("::")
    return path, name


def is_lab(test: str) -> bool:
    """Whether a test needs the lab."""
    path, name = place_of(test)
    text = (ROOT / path).read_text("utf-8")
    if "\npytestmark = pytest.mark.lab" in text:
        return True
    before = text.partition(f"def {name.rpartition('::')[2]}(")[0]
    decorators = before[before.rfind("\n\n\n") :] if "\n\n\n" in before else before
    return "@pytest.mark.lab" in decorators


def main(arguments: Sequence[str]) -> int:
    """Break what is asked for, everything by default; return 1 unless each break was seen to fail."""
    wanted = {int(argument) for argument in arguments}
    chosen = [
        (each, one) for each in criteria() for one in each.breaks if not wanted or each.number in wanted
    ]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="tenken-breaking-") as folder:
        copy = Path(folder)
        _copy(copy)
        sound = _outcomes(copy, [THIS_CHECKOUT, *dict.fromkeys(one.test for _, one in chosen)])
        if sound.get(THIS_CHECKOUT) != "passed":
            print("the copy does not import its own packages", file=sys.stderr)
            return 1
        for criterion, one in chosen:
            before = sound.get(one.test, "not run")
            after = _broken(copy, one) if before == "passed" else "not tried"
            seen = before == "passed" and after.startswith("failed")
            failed += seen
            mark = "ok " if seen else "NOT"
            print(f"{criterion.number:3} {mark} {before} -> {after}\n        {one.test}", flush=True)
    print(f"{len(chosen)} broken, {failed} seen to fail")
    return 0 if chosen and failed == len(chosen) else 1


def _copy(copy: Path) -> None:
    """Take what git knows or would take, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    names = [name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]
    subprocess.run(["cp", "--parents", "-p", "--", *names, str(copy)], cwd=ROOT, check=True)


def _broken(copy: Path, one: Break) -> str:
    """Apply a break, run its test, take the break back."""
    path = copy / one.file
    sound = path.read_text("utf-8")
    path.write_text(sound.replace(one.find, one.replace, 1), "utf-8")
    try:
        return _outcomes(copy, [one.test])[one.test]
    finally:
        path.write_text(sound, "utf-8")


def _outcomes(copy: Path, tests: Sequence[str]) -> dict[str, str]:
    """Run tests of the copy, lab tests in one lab, and say of each what became of it."""
    lab = [test for test in tests if is_lab(test)]
    plain = [test for test in tests if test not in lab]
    found: dict[str, str] = {}
    for group, inside in ((plain, False), (lab, True)):
        if group:
            report = copy / "report.xml"
            report.unlink(missing_ok=True)
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
            if inside:
                lab_run = [sys.executable, "-m", "tests.lab", "run", "--"]
                command = [*lab_run, *command, "-p", "tests.lab.plugin", "-m", "lab"]
            subprocess.run([*command, *group], cwd=copy, env=_environ(copy), capture_output=True, check=False)
            found |= {test: _read(report, test) for test in group}
    return found


def _environ(copy: Path) -> dict[str, str]:
    """The copy's packages come first, also for the console script; no byte code outlives a break."""
    return {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}


def _read(report: Path, test: str) -> str:
    """Read one test's outcome out of a JUnit file: `passed`, `failed: …`, or anything else."""
    if not report.exists():
        return "no report"
    path, name = place_of(test)
    asked = name.rpartition("::")[2] + test[len(f"{path}::{name}") :]
    module = path.removesuffix(".py").replace("/", ".")
    ran = 0
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 (pytest wrote it)
        title = case.get("name", "")
        here = case.get("classname", "").startswith(module)
        if not here or asked not in (title, title.partition("[")[0]):
            continue
        ran += 1
        for child in case:
            said = child.get("message", "").partition("\n")[0][:90]
            if child.tag == "failure":
                return f"failed: {said}" if not said.startswith(NO_CLAIM) else f"does not run: {said}"
            if child.tag in ("error", "skipped"):
                return f"{child.tag}: {said}"
    return "passed" if ran else "not run"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
