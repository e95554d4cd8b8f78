"""Try hosts one by one, and pin their keys: the set-up before the first run."""

from collections.abc import Callable, Iterator
from threading import Event

from agent.clock import now
from agent.fanout import Job, fan_out
from agent.fresh import fresh_boundary, fresh_salt
from agent.lastrun import chosen
from agent.progress import Progress
from agent.reach import Reach
from agent.sites import Site
from collectors.evidence import Reason, TargetEvidence
from collectors.pinning import pin
from collectors.registry import all_probes
from collectors.script import Parameters
from collectors.ssh import scan_host_key
from collectors.visit import visit
from config.errors import TenkenError
from config.model import Host, Privilege, TransportKind
from reports.reasons import HINTS

NO_PLAN = "0" * 64
"""a trial belongs to no run: nothing of it is kept"""


_RIGHTS = {
    Privilege.SUDO.value: 'Install the sudo rule for /bin/sh (operating.md), or declare privilege = "none".',
    Privilege.INSTALLED.value: "Install this release's copy and digest rule anew: tenken hosts sudoers NAME.",
    Privilege.FORCED.value: "Log in as root, with a key forced to the copy: tenken hosts sudoers NAME.",
}
"""what to do about a refused way to root, by the way that was declared"""


def try_hosts(
    site: Site, names: tuple[str, ...], *, progress: Progress, interrupted: Event
) -> tuple[TargetEvidence, ...]:
    """Visit hosts with the smallest question, as a run does; keep nothing, contact no excluded one."""
    hosts = _chosen(site, names)
    tried: dict[str, TargetEvidence] = {}
    with Reach(site, [host for host in hosts if not host.excluded]) as reach:
        jobs: list[Job] = []
        for host in hosts:
            job = _job(site, host, reach)
            if host.excluded:
                tried[host.name] = job.without(Reason.EXCLUDED, host.excluded)
            else:
                jobs.append(job)
        progress.start(len(jobs), "trying")

        def take(evidence: TargetEvidence) -> None:
            tried[evidence.target] = evidence
            progress.advance(evidence.target, evidence.status, None)

        fan_out(jobs, workers=site.config.ssh.jobs, on_done=take, interrupted=interrupted)
    return tuple(tried[host.name] for host in hosts)


def _job(site: Site, host: Host, reach: Reach) -> Job:
    salt = fresh_salt()
    transport = None if host.excluded else reach.transport(host)
    return Job(
        host=host,
        run=0,
        plan=NO_PLAN,
        salt=salt,
        ask=lambda: visit(
            host,
            transport or reach.transport(host),
            (all_probes()["platform"],),
            Parameters(),
            run=0,
            plan=NO_PLAN,
            salt=salt,
            boundary=fresh_boundary(),
            now=now,
            deadline_s=float(site.config.ssh.host_timeout.seconds),
        ),
        prepare=transport.prepare if transport else None,
        stop=transport.close if transport else lambda: None,
    )


def advice(evidence: TargetEvidence) -> str:
    """Say what to fix on a host so that it can be inspected as declared; nothing when all is well."""
    if evidence.reason is None:
        return ""
    if evidence.reason is Reason.NO_PRIVILEGE and evidence.visit is not None:
        text = _RIGHTS.get(evidence.visit.privilege, HINTS[Reason.NO_PRIVILEGE])
    else:
        text = HINTS[evidence.reason]
    if evidence.detail.startswith("jump host "):
        text += " The jump host is meant: to try it and to pin it, declare it as a [[host]] of its own."
        return text.replace("NAME", "JUMPHOST")
    return text.replace("NAME", evidence.target)


def pin_hosts(
    site: Site, names: tuple[str, ...], *, confirm: Callable[[str], bool] | None
) -> Iterator[tuple[str, bool]]:
    """Pin the keys that hosts offer, after `confirm` said yes to their fingerprints.

    Yields a line to show and whether it is good news; a host that fails hides no other.
    """
    for host in _chosen(site, names):
        if host.transport is TransportKind.LOCAL:
            yield f"{host.name}: this machine needs no host key", True
            continue
        try:
            yield from _pin_one(site, host, confirm)
        except TenkenError as err:
            yield f"{host.name}: {err}{' ' + err.hint if err.hint else ''}", False


def _pin_one(site: Site, host: Host, confirm: Callable[[str], bool] | None) -> Iterator[tuple[str, bool]]:
    reach = Reach(site, (host,), keys=bool(host.jump) and host.transport is TransportKind.SSH)
    keys = scan_host_key(reach.road(host), float(site.config.ssh.connect_timeout.seconds))
    for key in keys:
        yield f"{host.name}: {key.key_type} {key.fingerprint}", True
    if confirm is not None and not confirm(f"Pin {len(keys)} keys of {host.name}?"):
        yield f"{host.name}: not pinned", False
        return
    conflicts = pin(site.known_hosts, *reach.login(host).pinned_as, keys)
    for each in conflicts:
        pinned = f"line {each.line} of {site.known_hosts.name} pins {each.key_type} {each.pinned}"
        offered = f"the host offers {each.offered or 'no such key'}"
        yield f"{host.name}: {pinned}, {offered}: nothing was pinned", False
        yield f"{host.name}: find out why before you remove that line", False
    if not conflicts:
        yield f"{host.name}: pinned in {site.known_hosts.name}", True


def _chosen(site: Site, names: tuple[str, ...]) -> tuple[Host, ...]:
    return chosen(site, ",".join(names))
