"""All probes and sources that are installed: a module with a `PROBE` is one."""

import importlib
import pkgutil
from functools import cache
from typing import Any

import collectors.probes
import collectors.sources
from collectors.facts import Facts, Probe


@cache
def all_probes() -> dict[str, Probe[Any]]:
    """Find every probe by name; adding one means adding its module, nothing else."""
    found: dict[str, Probe[Any]] = {}
    for package in (collectors.probes, collectors.sources):
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            probe = getattr(importlib.import_module(info.name), "PROBE", None)
            if isinstance(probe, Probe):
                found[probe.name] = probe
    return found


@cache
def probe_of(facts: type[Facts]) -> Probe[Any]:
    """Return the probe that yields this fact type; LookupError when there is none."""
    for probe in all_probes().values():
        if probe.facts is facts:
            return probe
    message = f"no probe yields {facts.__name__}"
    raise LookupError(message)
