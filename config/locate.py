"""Find the configuration: the places in which it may stand, and which of them may be trusted."""

import stat
from collections.abc import Mapping
from pathlib import Path

from config.errors import ConfigError
from config.load import extra_files

FILE = "tenken.toml"
VARIABLE = "TENKEN_CONFIG"
SYSTEM_FOLDER = Path("/etc/tenken")
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def locate(explicit: Path | None, environ: Mapping[str, str], cwd: Path, uid: int) -> Path:
    """Return the configuration file: the first that is there, in a fixed order.

    `--config`, then `$TENKEN_CONFIG`: what they name is the answer or an error, never a reason to
    look further. Then the user's folder (`$XDG_CONFIG_HOME/tenken`, `~/.config/tenken`),
    `/etc/tenken`, and the working folder, whose file counts only when it belongs to `uid` and
    nobody else can write it: one must not be able to plant a configuration where an
    administrator works. A folder stands for the `tenken.toml` in it.
    Raises ConfigError with the places that were looked at.
    """
    named = [("--config", explicit), (f"${VARIABLE}", environ.get(VARIABLE) or None)]
    for origin, name in named:
        if name is not None:
            path = cwd / name
            path = path / FILE if path.is_dir() else path
            if path.is_file():
                return path
            message = f"{origin} names {path}, and there is no such file"
            raise ConfigError(message, hint="correct the name, or leave it away to look in the usual places")
    looked: list[str] = []
    for path in (*_user_files(environ), SYSTEM_FOLDER / FILE):
        if path.is_file():
            return path
        looked.append(f"{path}: not there")
    here = cwd / FILE
    refused = _why_not(here, uid)
    if refused is None:
        return here
    looked.append(f"{here}: {refused}")
    raise ConfigError(
        "\n".join(("there is no configuration; looked at", *(f"  {line}" for line in looked))),
        hint="name one with --config, or write one with tenken init",
    )


def _user_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    # XDG Base Directory Specification: a relative path is invalid and is ignored.
    base = environ.get("XDG_CONFIG_HOME", "")
    if Path(base).is_absolute():
        return (Path(base) / "tenken" / FILE,)
    home = environ.get("HOME", "")
    return (Path(home) / ".config" / "tenken" / FILE,) if Path(home).is_absolute() else ()


def _why_not(here: Path, uid: int) -> str | None:
    """Say why a file of the working folder does not count; None when it does."""
    if not here.is_file():
        return "not there"
    more = extra_files(here.parent)
    folders = {file.parent for file in more}
    for path in (here, *sorted(folders), *more):
        # The link itself counts too: whoever owns it chooses what is read.
        if path.lstat().st_uid != uid or path.stat().st_uid != uid:
            return f"not used, because {path.name} belongs to somebody else"
        if path.stat().st_mode & _OTHERS_WRITE:
            return f"not used, because others can write {path.name} (chmod go-w {path.name})"
    return None
