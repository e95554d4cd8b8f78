"""Promise registers to start from, one for each kind of published policy.

A register is the `[[promise]]` part of a `tenken.toml`; the sentences are our own words and are
meant to be replaced by the company's.
"""

from importlib.resources import files

from config.errors import ConfigError
from config.problems import did_you_mean, quote

_SUFFIX = ".toml"


def names() -> tuple[str, ...]:
    """Return the names of the profiles that are shipped, sorted."""
    found = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX)))


def text(name: str) -> str:
    """Return the register of that name as TOML; raises ConfigError for a name that is not shipped."""
    if name not in names():
        message = f"no profile is called {quote(name)}"
        raise ConfigError(message, hint=did_you_mean(name, names()) or f"there are {', '.join(names())}")
    return files(__name__).joinpath(name + _SUFFIX).read_text("utf-8")
