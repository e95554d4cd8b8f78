"""The digest of a rule: of its own file and of every file of ours that it rests on."""

import hashlib
import inspect
import re
import sys
from types import ModuleType

_IMPORT = re.compile(
    r"^from ((?:checks|collectors|config)(?:\.\w+)*) import|^import ((?:checks|collectors|config)\.[\w.]+)",
    re.MULTILINE,
)


def rule_digest(module: ModuleType) -> str:
    """SHA-256 over the names and sources of a module and all modules of ours that it imports, at any depth.

    A rule is not its file alone: what parses its facts and what it shares with other rules can change a
    verdict as well.
    """
    sources: dict[str, str] = {}
    waiting = [module.__name__]
    while waiting:
        name = waiting.pop()
        if name in sources or name not in sys.modules:
            continue
        sources[name] = source = inspect.getsource(sys.modules[name])
        waiting.extend(found[0] or found[1] for found in _IMPORT.findall(source))
    digest = hashlib.sha256()
    for name, source in sorted(sources.items()):
        digest.update(f"{name} {len(source)}\n{source}\n".encode())
    return digest.hexdigest()
