"""A shipped register is read without a problem beside any site, and promises only what is measured."""

import tomllib
from pathlib import Path

import pytest

from checks.catalogue import catalogue
from config.errors import ConfigError
from config.load import load
from config.profiles import names, text

OPTIONS = {name: entry.options for name, entry in catalogue().items()}
SITE = """
[site]
id = "acme"
name = "Acme"
[roster]
path = "roster.csv"
[[host]]
name = "web-01"
[[mail]]
name = "journal"
kind = "maildir"
path = "journal"
own_domains = ["example.jp"]
"""


def test_the_profiles_are_those_of_the_documentation() -> None:
    assert names() == ("anonymised-data", "named-measures", "organised-measures", "ppc-guideline")


@pytest.mark.parametrize("name", names())
def test_a_profile_is_a_sound_register_of_safeguards_that_exist(tmp_path: Path, name: str) -> None:
    (tmp_path / "tenken.toml").write_text(SITE + text(name), encoding="utf-8")
    config = load(tmp_path / "tenken.toml", options=OPTIONS).config
    proved = [safeguard for promise in config.promise for safeguard in promise.proves]
    assert len(proved) == len(set(proved))
    assert set(tomllib.loads(text(name))) == {"promise"}, "the rest belongs to the site"


@pytest.mark.parametrize("name", names())
def test_a_profile_says_what_is_promised_and_not_measured(name: str) -> None:
    _, found, rest = text(name).partition("\n# Not measured by this version")
    assert found
    assert rest.count("\n# - ") >= 5
    assert all(line.startswith("#") for line in rest.splitlines()[1:])


def test_the_default_profile_tries_everything_that_a_newcomer_was_told_of() -> None:
    register = tomllib.loads(text("named-measures"))["promise"]
    assert {safeguard for promise in register for safeguard in promise["proves"]} == {
        "access-log-retention",
        "mail-attachment-encryption",
        "password-rotation",
        "patch-currency",
        "retired-accounts",
        "roster-currency",
    }


@pytest.mark.parametrize("name", ["anonymised-data", "ppc-guideline"])
def test_a_register_for_a_weak_policy_names_the_guideline_as_its_source(name: str) -> None:
    """Nothing may look like a sentence that the company published."""
    register = tomllib.loads(text(name))["promise"]
    assert {promise["source"]["document"] for promise in register} == {
        "PPC guideline on the APPI, general rules"
    }
    assert "NOT sentences of your policy" in text(name).replace("\n# ", " ")


@pytest.mark.parametrize("name", ["named-mesures", "../errors", "__init__"])
def test_a_profile_that_is_not_shipped_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="no profile is called") as caught:
        text(name)
    assert "named-measures" in caught.value.hint
