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


def test_an_include_from_elsewhere_is_said() -> None:
    config = Config({"/etc/logrotate.conf": ["include /opt/rotate", "include /etc/logrotate.d"]})
    assert config.foreign_include


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
