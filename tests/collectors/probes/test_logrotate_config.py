"""The reading of logrotate's configuration; what logrotate itself says is in test_logs_on_a_host.py."""

import pytest

from collectors.probes.logrotate_config import Config, Rotation, matches


def rotation(text: str, log: str = "/var/log/a.log", **files: str) -> Rotation | None:
    read = {"/etc/logrotate.conf": text.splitlines()}
    read |= {f"/etc/logrotate.d/{name}": body.splitlines() for name, body in files.items()}
    return Config(read).rotation(log)


def test_a_block_overrides_what_stood_before_it() -> None:
    found = rotation("weekly\nrotate 4\n/var/log/a.log {\n  daily\n}\nrotate 99\n")
    assert found is not None
    assert (found.rotate, found.every_days, found.most_days) == (4, 1, 5)


def test_without_a_period_size_decides() -> None:
    """Logrotate's default criterion is a size of 1 MB."""
    found = rotation("rotate 4\n/var/log/a.log {\n}\n")
    assert found is not None
    assert found.by_size


@pytest.mark.parametrize(
    ("settings", "by_size", "most_days"),
    [
        ("weekly\nrotate 52", False, 371),
        ("weekly\nrotate 52\nmaxsize 10M", True, None),
        ("weekly\nrotate 52\nminsize 10M", False, 371),
        ("weekly\nsize 1M\nrotate 52", True, None),
        ("size 1M\nweekly\nrotate 52", False, 371),
        ("weekly\nrotate 52\nmaxage 30", False, 30),
        ("weekly\nsize 1M\nrotate 52\nmaxage 30", True, 30),
        ("daily\nrotate -1", False, None),
        ("hourly\nrotate 24", False, 25),
        ("monthly\nrotate 12", False, 390),
    ],
)
def test_what_is_kept_at_most(settings: str, by_size: bool, most_days: int | None) -> None:  # noqa: FBT001 (a column)
    found = rotation(f"/var/log/a.log {{\n{settings}\n}}\n")
    assert found is not None
    assert (found.by_size, found.most_days) == (by_size, most_days)


def test_leftovers_of_packages_are_no_configuration() -> None:
    body = "/var/log/a.log {\nrotate 400\n}\n"
    assert rotation("include /etc/logrotate.d\n", **{"a.dpkg-old": body, "b~": body}) is None


@pytest.mark.parametrize(
    ("conf", "body"),
    [
        ("include /opt/rotate\ninclude /etc/logrotate.d", ""),
        ("include /etc/logrotate.d", "include /opt/rotate"),
        ("include /etc/logrotate.d", "/var/log/[a-s]*.log {\nrotate 4\n}"),
        ("include /etc/logrotate.d", "".join(f"/x/*{i} {{\n}}\n" for i in range(300))),
    ],
    ids=["by the main file", "by an included one", "a set of letters", "hundreds of patterns"],
)
def test_what_is_not_followed_is_said(conf: str, body: str) -> None:
    """Else a log that it rotates away would count as one that is never rotated."""
    files = {"/etc/logrotate.conf": conf.splitlines(), "/etc/logrotate.d/a": body.splitlines()}
    assert Config(files).foreign_include
    assert not Config({**files, "/etc/logrotate.conf": ()}).foreign_include


def test_of_a_name_and_a_pattern_for_one_log_the_first_counts() -> None:
    name, pattern = "/var/log/a.log {\nrotate 1\n}\n", "/var/log/*.log {\nrotate 2\n}\n"
    found = [rotation(text) for text in (name + pattern, pattern + name)]
    assert [it and it.rotate for it in found] == [1, 2]


def test_a_hostile_configuration_is_read_in_a_time_that_its_length_bounds() -> None:
    """Each include once: a folder of blocks that was read at every line of it took minutes."""
    folder = {f"/etc/logrotate.d/{number}": ["/x/*a*a {", "}"] for number in range(2_000)}
    config = Config({"/etc/logrotate.conf": ["include /etc/logrotate.d"] * 10_000, **folder})
    assert config.rotation("/x/aa") is not None


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/var/log/*.log", "/var/log/auth.log", True),
        ("/var/log/*.log", "/var/log/app/auth.log", False),
        ("/var/log/*", "/var/log/", True),
        ("/var/log/????.log", "/var/log/auth.log", True),
        ("/var/log/?uth", "/var/log/auth.log", False),
        ("*" * 200 + "b", "a" * 200, False),
        ("", "", True),
        ("/var/log/auth.log", "/var/log/auth.log.1", False),
    ],
)
def test_globs_are_matched_within_a_folder(pattern: str, path: str, *, expected: bool) -> None:
    assert matches(pattern, path) is expected
