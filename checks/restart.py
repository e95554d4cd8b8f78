"""Judge whether what is installed also runs: the newest kernel, and what packages ask a restart for."""

from collections.abc import Iterator
from datetime import datetime

from checks.model import Clock, Outcome, Result, Subject, not_known
from checks.patches import Limits, some
from checks.text import Value, say
from collectors.debian_version import is_newer, version_key
from collectors.evidence import Reason
from collectors.facts import Fact, Known, Unknown
from collectors.probes.kernel import KernelFacts

_RUNNING = Subject(kind="kernel", name="running")
_RESTART = Subject(kind="restart", name="asked by packages")


def judge_restart(kernel: Fact[KernelFacts], options: Limits, clock: Clock) -> Iterator[Outcome]:
    """Judge whether the newest installed kernel runs, and whether packages have asked for a restart."""
    match kernel:
        case Unknown():
            yield not_known(
                _RUNNING,
                kernel.reason,
                say("the newest installed kernel runs"),
                detail=kernel.detail,
                evidence=(kernel.evidence,),
            )
        case Known(value=running):
            yield from _kernel(running, options, clock)


def _kernel(kernel: KernelFacts, options: Limits, clock: Clock) -> Iterator[Outcome]:
    expected = say(
        "the newest installed kernel runs, at most {limit} after it came", limit=str(options.restart_within)
    )
    images = tuple(package for package in kernel.packages if package.release)
    own = any(package.release == kernel.release for package in images)
    if kernel.restart_asked is not None:
        yield _restart(kernel, kernel.restart_asked, options, clock)
    if not own and (kernel.guest or (not images and kernel.images == () and not kernel.has_modules)):
        yield Outcome(
            subject=_RUNNING,
            result=Result.NOT_APPLICABLE,
            summary=say("the kernel is not this system's own"),
            expected=expected,
            actual=say(
                "{release} runs; {signs}",
                release=kernel.release,
                signs=some(kernel.guest) or "no kernel is installed here",
            ),
        )
        return
    if not images:
        yield not_known(_RUNNING, Reason.UNDETERMINED, expected, detail="the kernel is from no package")
        return
    if not any(not package.release for package in kernel.packages):
        yield Outcome(
            subject=Subject(kind="kernel", name="metapackage"),
            result=Result.WARN,
            summary=say("no package pulls in new kernels"),
            expected=say("a kernel metapackage such as linux-image-amd64 is installed"),
            actual=say("{count} kernels, none of them replaced by upgrades", count=len(images)),
        )
    if not kernel.running_version:
        yield not_known(
            _RUNNING, Reason.UNDETERMINED, expected, detail="/proc/version names no package version"
        )
        return
    try:
        newer = [package for package in images if is_newer(package.version, kernel.running_version)]
    except ValueError:
        yield not_known(_RUNNING, Reason.UNPARSABLE, expected, detail="a kernel's version cannot be read")
        return
    running: dict[str, Value] = {"release": kernel.release, "version": kernel.running_version}
    if not newer:
        yield Outcome(
            subject=_RUNNING,
            result=Result.PASS if own else Result.WARN,
            summary=say("the newest installed kernel runs")
            if own
            else say("the running kernel is not installed any more"),
            expected=expected,
            actual=say("{release} ({version}) runs", **running),
        )
        return
    times = [package.installed_at for package in newer if package.installed_at is not None]
    latest = max(newer, key=lambda package: version_key(package.version))
    words: dict[str, Value] = {**running, "newest": latest.name, "to": latest.version}
    if not times:
        yield Outcome(
            subject=_RUNNING,
            result=Result.WARN,
            summary=say("a newer kernel is installed and does not run; since when is not known"),
            expected=expected,
            actual=say("{release} ({version}) runs, {newest} {to} is installed", **words),
        )
        return
    waited = clock.as_of - min(times)
    late = waited > options.restart_within.timedelta
    yield Outcome(
        subject=_RUNNING,
        result=Result.FAIL if late else Result.PASS,
        summary=say(
            "a newer kernel has been installed for {days} days and does not run", days=max(waited.days, 0)
        ),
        expected=expected,
        actual=say("{release} ({version}) runs, {newest} {to} is installed", **words),
    )


def _restart(kernel: KernelFacts, asked: datetime, options: Limits, clock: Clock) -> Outcome:
    waited = clock.as_of - asked
    return Outcome(
        subject=_RESTART,
        result=Result.FAIL if waited > options.restart_within.timedelta else Result.PASS,
        summary=say("packages have asked for a restart for {days} days", days=max(waited.days, 0)),
        expected=say(
            "a restart at most {limit} after packages ask for it", limit=str(options.restart_within)
        ),
        actual=say("asked by: {packages}", packages=some(kernel.restart_packages) or "not said"),
    )
