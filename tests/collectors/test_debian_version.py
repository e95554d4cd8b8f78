"""The order of versions is dpkg's own: every claim here is put to dpkg too."""

import itertools
import random
import subprocess

import pytest

from collectors.debian_version import MAX_LENGTH, is_newer, version_key

LOWER_TO_HIGHER = (
    ("1.0~rc1-1", "1.0-1"),
    ("1.0-1", "1.0-1+deb12u1"),
    ("1.0-1+deb12u1", "1.0-1+deb12u10"),
    ("1.0-1+deb12u1", "1.0-1+deb12u1+b1"),
    ("9.9-1", "1:0.1-1"),
    ("1.0-1~bpo12+1", "1.0-1"),
    ("2.36-9", "2.36.1-1"),
    ("1.2.3-1", "1.10.0-1"),
    ("1.0a-1", "1.0+-1"),
    ("5.15.0-84.93~20.04.1", "5.15.0-84.93"),
    ("1.0-1ubuntu1", "1.0-1ubuntu1.1"),
    ("0~~", "0~"),
    ("0~", "0"),
    ("1", "1a"),
    ("1.0-1-1", "1.0-2-1"),
)
SAME = (("1.0", "1.0-0"), ("01.002-1", "1.2-01"), ("0:1-1", "1-1"), ("1.", "1.0"))


def dpkg_says(left: str, operator: str, right: str) -> bool:
    return (
        subprocess.run(
            ["dpkg", "--compare-versions", left, operator, right], check=False, capture_output=True
        ).returncode
        == 0
    )


@pytest.mark.parametrize(("lower", "higher"), LOWER_TO_HIGHER)
def test_known_pairs_are_ordered_as_dpkg_orders_them(lower: str, higher: str) -> None:
    assert is_newer(higher, lower)
    assert not is_newer(lower, higher)
    assert dpkg_says(lower, "lt", higher)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_different_spellings_of_one_version_are_equal(one: str, other: str) -> None:
    assert version_key(one) == version_key(other)
    assert dpkg_says(one, "eq", other)


@pytest.mark.parametrize(
    "text", ["", "1-", "1 2", "1_2", ":1", "a:1", "1\n", "é1", "1" * (MAX_LENGTH + 1), "9999999999:1"]
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no Debian version"):
        version_key(text)


def test_thousands_of_random_pairs_agree_with_dpkg() -> None:
    """One shell asks dpkg about all pairs, since a process per pair from Python takes minutes."""
    chance = random.Random(20250520)  # noqa: S311 (a repeatable sample, no secret)
    alphabet = "0019~+.abz-"
    versions: list[str] = []
    while len(versions) < 2_400:
        text = chance.choice("0123456789") + "".join(
            chance.choice(alphabet) for _ in range(chance.randrange(7))
        )
        if chance.random() < 0.15:
            text = f"{chance.randrange(3)}:{text}"
        if not text.endswith("-"):
            versions.append(text)
    pairs = list(itertools.pairwise(versions))
    ask = "if dpkg --compare-versions"
    question = "\n".join(
        f"{ask} {left} gt {right}; then echo gt; el{ask} {left} eq {right}; then echo eq; else echo lt; fi"
        for left, right in pairs
    )
    answers = subprocess.run(
        ["sh"], input=question, capture_output=True, text=True, check=True
    ).stdout.split()
    ours = [
        "gt"
        if version_key(left) > version_key(right)
        else "eq"
        if version_key(left) == version_key(right)
        else "lt"
        for left, right in pairs
    ]
    assert len(answers) == len(pairs)
    assert [pair for pair, our, their in zip(pairs, ours, answers, strict=True) if our != their] == []
    assert {"gt", "eq", "lt"} <= set(answers)
