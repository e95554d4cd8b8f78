"""Judge whether what is installed also runs: kernel, programs, libraries; and who asks for a restart."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from checks.kernels import Kernels, of_dpkg, of_modules, of_rpm
from checks.model import Clock, History, Outcome, Result, Subject, not_known
from checks.patches import ID, Limits, some
from checks.text import Value, say
from collectors.evidence import Reason
from collectors.facts import Fact, Known, Unknown
from collectors.probes.kernel import KernelFacts
from collectors.probes.mapped import MappedFacts, Replaced
from collectors.probes.platform import PlatformFacts
from collectors.probes.rpm import RpmFacts

_RUNNING = Subject(kind="kernel", name="running")
_RESTART = Subject(kind="restart", name="asked by packages")
_REPLACED = Subject(kind="restart", name="replaced files")
MAPPED = "mapped"
"""the watcher's name: processes' maps may be hidden while everything else can be seen"""
_NAMED = 12


def judge_restart(
    kernel: Fact[KernelFacts],
    options: Limits,
    clock: Clock,
    *,
    platform: PlatformFacts,
    rpm: Fact[RpmFacts] | None = None,
    apk: bool = False,
) -> Iterator[Outcome]:
    """Judge whether the newest installed kernel runs, and whether packages have asked for a restart.

    With `rpm` its packages count, with `apk` the modules on disk, else the packages of dpkg.
    """
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
            up = platform.booted_s
            booted = None if up is None else clock.as_of - timedelta(seconds=up)
            if apk:
                found = of_modules(running)
            else:
                found = of_dpkg(running) if rpm is None else of_rpm(running, rpm, booted)
            yield from _kernel(running, found, options, clock)


def _kernel(kernel: KernelFacts, found: Kernels, options: Limits, clock: Clock) -> Iterator[Outcome]:
    expected = say(
        "the newest installed kernel runs, at most {limit} after it came", limit=str(options.restart_within)
    )
    if kernel.restart_asked is not None:
        yield _restart(kernel, kernel.restart_asked, options, clock)
    foreign = not found.count and kernel.images == () and not kernel.has_modules
    if not found.own and (kernel.guest or foreign):
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
    if not found.count:
        reason, detail = found.trouble or (Reason.UNDETERMINED, "the kernel is from no package")
        yield not_known(_RUNNING, reason, expected, detail=detail)
        return
    if kernel.packages and not any(not package.release for package in kernel.packages):
        yield Outcome(
            subject=Subject(kind="kernel", name="metapackage"),
            result=Result.WARN,
            summary=say("no package pulls in new kernels"),
            expected=say("a kernel metapackage such as linux-image-amd64 is installed"),
            actual=say("{count} kernels, none of them replaced by upgrades", count=found.count),
        )
    if found.trouble:
        reason, detail = found.trouble
        yield not_known(_RUNNING, reason, expected, detail=detail)
        return
    running: dict[str, Value] = {"release": kernel.release, "version": found.running}
    if not found.newer:
        yield Outcome(
            subject=_RUNNING,
            result=Result.PASS if found.own else Result.WARN,
            summary=say("the newest installed kernel runs")
            if found.own
            else say("the running kernel is not installed any more"),
            expected=expected,
            actual=say("{release} ({version}) runs", **running),
        )
        return
    times = [package.installed_at for package in found.newer if package.installed_at is not None]
    latest = found.newer[-1]
    # A fact for whoever accepts a longer wait: which holes it closes is not known here.
    words: dict[str, Value] = {
        **running,
        "newest": latest.name,
        "to": latest.version,
        "live": some(kernel.live_patches) or "none",
    }
    actual = say(
        "{release} ({version}) runs, {newest} {to} is installed; live patches in force: {live}"
        if kernel.live_patches
        else "{release} ({version}) runs, {newest} {to} is installed",
        **words,
    )
    if not times:
        yield Outcome(
            subject=_RUNNING,
            result=Result.WARN,
            summary=say("a newer kernel is installed and does not run; since when is not known"),
            expected=expected,
            actual=actual,
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
        actual=actual,
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


# --- replaced files ---


def watch_mapped(mapped: MappedFacts) -> Iterable[str]:
    """Remember who runs which replaced file: a map does not tell when the file was replaced."""
    for program in mapped.replaced:
        yield from _keys(program)


def judge_mapped(
    mapped: Fact[MappedFacts], options: Limits, clock: Clock, history: History
) -> Iterator[Outcome]:
    """Warn of programs that run replaced code, and fail once own history shows it for too long."""
    expected = say(
        "no program runs code for more than {limit} after its file was replaced",
        limit=str(options.restart_within),
    )
    match mapped:
        case Unknown():
            yield not_known(
                _REPLACED, mapped.reason, expected, detail=mapped.detail, evidence=(mapped.evidence,)
            )
            return
        case Known(value=facts):
            pass
    known = {
        program: max(_waits(program, clock, history), default=timedelta(0)) for program in facts.replaced
    }
    late = [program for program, waited in known.items() if waited > options.restart_within.timedelta]
    programs = some((_named(program) for program in late or facts.replaced), most=_NAMED)
    if not late and (facts.unread or not facts.seen):
        detail = f"{facts.unread} processes may not be looked at"
        yield not_known(
            _REPLACED,
            Reason.DENIED if facts.unread else Reason.NO_OBSERVATION,
            expected,
            detail=f"{detail}; of the others, replaced code runs in {programs}" if programs else detail,
        )
        return
    yield Outcome(
        subject=_REPLACED,
        result=Result.FAIL if late else Result.WARN if facts.replaced else Result.PASS,
        summary=say(
            "programs have run replaced code for {days} days",
            days=max(known[program] for program in late).days,
        )
        if late
        else say("programs run code whose files have been replaced")
        if facts.replaced
        else say("no program runs code whose file has been replaced"),
        expected=expected,
        actual=say("to be restarted: {programs}", programs=programs)
        if programs
        else say("{count} processes were looked at", count=facts.seen),
    )


def _keys(program: Replaced) -> tuple[str, ...]:
    """Name the states to be remembered; the next upgrade of a library changes the end of its name."""
    stems = {name.partition(".so")[0] for name in program.files}
    return tuple(f"{program.name}:{stem}" for stem in sorted(stems))


def _waits(program: Replaced, clock: Clock, history: History) -> Iterator[timedelta]:
    """Say for each file how long the program has surely run it: one that was restarted since is younger."""
    for key in _keys(program):
        first = history.since(f"{ID}/{MAPPED}", key)
        if first is not None:
            yield clock.as_of - max(first, program.started)


def _named(program: Replaced) -> str:
    number = f"{program.processes} processes: " if program.processes > 1 else ""
    return f"{program.name} ({number}{some(program.files, most=3) or 'file not named'})"
