"""Choose among the declared hosts: patterns of `--limit` and of service accounts."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

from config.errors import ConfigError
from config.model import AccessLog, DataStore, Host, ServiceAccount
from config.problems import did_you_mean, quote

GROUP = "@"
EXCEPT = "!"
FAILED = "@failed"
SEE = "tenken hosts list shows the inventory"


def select(
    hosts: Iterable[Host], limit: str | None, *, failed: Callable[[], frozenset[str]] = frozenset
) -> tuple[Host, ...]:
    """Return the hosts that `limit` names, in the order of the inventory; all of them for None.

    `limit` is a list with commas: shell-style patterns of names (`web-*`), groups (`@dmz`), `@failed`
    for the hosts that `failed` gives (those of the last run that were not inspected as a whole), and
    each with `!` before it to leave them out, whatever the order. With exclusions alone the rest
    of the inventory is meant. Raises ConfigError for a pattern that names no host, and when
    nothing is left: a limit that is misspelt must not be an inspection of nothing.
    """
    every = tuple(hosts)
    if limit is None:
        return every
    words = [word.strip() for word in limit.split(",")]
    wanted: set[str] = set()
    unwanted: set[str] = set()
    for word in words:
        pattern = word.removeprefix(EXCEPT).strip()
        if pattern == FAILED:
            matched = {host.name for host in every} & failed()
        else:
            matched = {host.name for host in every if _matches(host, pattern)}
        if not matched:
            known = {f"{GROUP}{group}" for host in every for group in host.groups}
            known |= {host.name for host in every}
            if pattern == FAILED:
                message = "--limit: no host failed in the last run"
                raise ConfigError(message, hint=SEE)
            message = f"--limit: {quote(pattern)} names no host"
            raise ConfigError(message, hint=did_you_mean(pattern, sorted(known)) or SEE)
        (unwanted if word.startswith(EXCEPT) else wanted).update(matched)
    if all(word.startswith(EXCEPT) for word in words):
        wanted = {host.name for host in every}
    chosen = tuple(host for host in every if host.name in wanted - unwanted)
    if not chosen:
        message = f"--limit: {quote(limit)} leaves no host"
        raise ConfigError(message, hint=SEE)
    return chosen


def accounts_of(host: str, accounts: Iterable[ServiceAccount]) -> tuple[ServiceAccount, ...]:
    """Return the service accounts that are declared for a host."""
    return tuple(account for account in accounts if _means(account.hosts, host))


def logs_of(host: str, logs: Iterable[AccessLog]) -> tuple[AccessLog, ...]:
    """Return the application logs that are declared for a host."""
    return tuple(log for log in logs if _means(log.hosts, host))


def stores_of(host: str, stores: Iterable[DataStore]) -> tuple[DataStore, ...]:
    """Return the stores of personal data that are declared for a host."""
    return tuple(store for store in stores if _means(store.hosts, host))


def _means(patterns: Iterable[str], host: str) -> bool:
    return any(fnmatchcase(host, pattern) for pattern in patterns)


def _matches(host: Host, pattern: str) -> bool:
    if pattern.startswith(GROUP):
        return pattern.removeprefix(GROUP) in host.groups
    return fnmatchcase(host.name, pattern)
