"""Settings, version locks and zypp's locks, as their manuals write them."""

import pytest

from collectors.rpm_settings import Exclusion, is_on, read_ini, toml_locks, version_locks, words, zypp_locks


def test_sections_and_values_that_go_on_in_the_next_line_are_read() -> None:
    text = "# comment\n[main]\nexclude = kernel* php-*,\n   mysql\n;o\nenabled: 0\n[a b]\nx=y=z\n[main]\nz=1"
    found = read_ini(text.split("\n"))
    assert found == {
        "main": {"exclude": "kernel* php-*, mysql", "enabled": "0", "z": "1"},
        "a b": {"x": "y=z"},
    }
    assert words(found["main"], "exclude", "excludepkgs") == ("kernel*", "php-*", "mysql")


def test_a_line_before_any_section_or_setting_is_nothing() -> None:
    assert read_ini(["  lost", "x=1", "[a]", "\tlost"]) == {"a": {}}


@pytest.mark.parametrize(
    ("text", "on"), [("1", True), ("Yes", True), ("true", True), ("0", False), ("", False)]
)
def test_switches_are_read_as_dnf_reads_them(text: str, *, on: bool) -> None:
    assert is_on(text) is on


def test_a_version_lock_keeps_and_one_with_a_mark_leaves_out() -> None:
    lines = ("# Added lock on Mon", "curl-0:7.76.1-29.el9_4.*", "", "!wget-0:1-1.*  # bad")
    assert list(version_locks("f", lines)) == [
        Exclusion(source="f", pattern="curl-0:7.76.1-29.el9_4.*", keeps=True),
        Exclusion(source="f", pattern="wget-0:1-1.*", keeps=False),
    ]


def test_dnf_5_writes_conditions() -> None:
    text = (
        'version = "1.0"\n[[packages]]\nname = "acpi"\ncomment = "x"\n[[packages.conditions]]\nkey = "evr"\n'
        'comparator = "<"\nvalue = "4"\n[[packages.conditions]]\nkey = "arch"\ncomparator = "="\n'
    )
    assert list(toml_locks("f", text)) == [
        Exclusion(source="f", pattern="acpi", keeps=True, comparator="<", value="4")
    ]
    assert list(toml_locks("f", 'packages = [1, "a"]')) == []
    with pytest.raises(ValueError, match=r"."):
        list(toml_locks("f", "packages = ["))


def test_only_locks_of_zypp_whose_reach_is_certain_are_read() -> None:
    text = (
        "\ntype: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: kernel-default\n\n"
        "type: package\nsolvable_name: curl\nversion: > 8\n\nsolvable_name: wget\nrepo: x\n\n"
        "type: patch\nsolvable_name: y\n\nmatch_type: regex\nsolvable_name: z\n\nsolvable_name: vim"
    )
    assert [lock.pattern for lock in zypp_locks("f", text.split("\n"))] == ["kernel-default", "vim"]
