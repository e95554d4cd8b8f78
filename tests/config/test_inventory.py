"""A limit chooses hosts, and one that is misspelt never chooses none in silence."""

import pytest

from config.errors import ConfigError
from config.inventory import accounts_of, select
from config.model import Host, ServiceAccount

HOSTS = (
    Host(name="web-01", groups=("dmz",)),
    Host(name="web-02", groups=("dmz", "old")),
    Host(name="db-01", groups=("inner",)),
    Host(name="dmz"),
)


@pytest.mark.parametrize(
    ("limit", "names"),
    [
        (None, ["web-01", "web-02", "db-01", "dmz"]),
        ("web-01", ["web-01"]),
        ("db-*, web-0?", ["web-01", "web-02", "db-01"]),
        ("web-0[2-9]", ["web-02"]),
        ("@dmz", ["web-01", "web-02"]),
        ("dmz", ["dmz"]),
        ("@dmz,!web-02", ["web-01"]),
        ("!@old,@dmz", ["web-01"]),
        ("!web-*", ["db-01", "dmz"]),
        ("! @dmz , !db-*", ["dmz"]),
    ],
)
def test_a_limit_names_hosts_groups_and_exceptions(limit: str | None, names: list[str]) -> None:
    assert [host.name for host in select(HOSTS, limit)] == names


@pytest.mark.parametrize(
    ("limit", "message", "hint"),
    [
        ("wbe-01", '"wbe-01" names no host', 'did you mean "web-01"?'),
        ("WEB-01", '"WEB-01" names no host', 'did you mean "web-01"?'),
        ("web-01,@dnz", '"@dnz" names no host', 'did you mean "@dmz"?'),
        ("web-01,!db-02", '"db-02" names no host', 'did you mean "db-01"?'),
        ("@*", '"@*" names no host', "tenken hosts list shows the inventory"),
        ("", '"" names no host', "tenken hosts list shows the inventory"),
        ("web-01,", '"" names no host', "tenken hosts list shows the inventory"),
        ("!*", '"!*" leaves no host', "tenken hosts list shows the inventory"),
        ("web-01,!@dmz", '"web-01,!@dmz" leaves no host', "tenken hosts list shows the inventory"),
    ],
)
def test_a_limit_that_names_nothing_is_an_error(limit: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        select(HOSTS, limit)
    assert (str(caught.value), caught.value.hint) == (f"--limit: {message}", hint)


def test_a_service_account_is_declared_for_the_hosts_its_patterns_name() -> None:
    everywhere = ServiceAccount(name="backup", owner="IT", reason="backup")
    web = ServiceAccount(name="deploy", owner="IT", reason="releases", hosts=("web-*", "db-02"))
    assert accounts_of("web-01", (everywhere, web)) == (everywhere, web)
    assert accounts_of("db-01", (everywhere, web)) == (everywhere,)
