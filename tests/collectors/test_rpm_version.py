"""The order of RPM versions, against rpm itself."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.rpm_version import evr_key, spell, version_key
from tests.lab.plugin import HostFactory

PIECES = ("0", "1", "2", "9", "10", "010", "00", "a", "b", "el9", "rc", "A", ".", "-", "_", "~", "^", "+", "")


def order(one: str, other: str) -> int:
    a, b = version_key(one), version_key(other)
    return (a > b) - (a < b)


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.0~rc1", "1.0"),
        ("1.0", "1.0^git1"),
        ("1.0^git1", "1.0.1"),
        ("1.0~rc1", "1.0~rc1^git"),
        ("1.9", "1.10"),
        ("1.a", "1.1"),
        ("29.el9_4", "29.el9_4.1"),
        ("el9", "el10"),
        ("1.0", "1.0a"),
    ],
)
def test_the_order_of_the_manual(lower: str, higher: str) -> None:
    assert order(lower, higher) == -1
    assert order(higher, lower) == 1


@pytest.mark.parametrize(
    ("one", "other"), [("1.0", "1_0"), ("1.0", "1.00"), ("1.", "1"), ("", "."), ("a-b", "a.b")]
)
def test_separators_and_leading_zeros_say_nothing(one: str, other: str) -> None:
    assert order(one, other) == 0


def test_the_epoch_comes_first() -> None:
    assert evr_key("1", "1", "1") > evr_key("0", "9", "9")
    assert (spell("0", "1", "2"), spell("3", "1", "2")) == ("1-2", "3:1-2")


@pytest.mark.parametrize(
    "bad", [("x", "1", "1"), ("0", "", "1"), ("0", "1 ", "1"), ("0", "1-2", "1"), ("0", "1", "é")]
)
def test_what_rpm_would_not_build_is_no_version(bad: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match="no RPM version"):
        evr_key(*bad)


@given(st.lists(st.sampled_from(PIECES), max_size=8), st.lists(st.sampled_from(PIECES), max_size=8))
@settings(max_examples=200)
def test_the_order_is_one(one: list[str], other: list[str]) -> None:
    assert order("".join(one), "".join(other)) == -order("".join(other), "".join(one))


@pytest.mark.lab
def test_rpm_itself_orders_2500_random_pairs_alike(host: HostFactory) -> None:
    chance = random.Random(11)  # noqa: S311 (a repeatable sample, no secret)
    pairs: list[tuple[str, str]] = []
    while len(pairs) < 2_500:
        one = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 7)))
        # Half of them are close to each other, which is where orders differ.
        other = one if chance.random() < 0.5 else ""
        other += "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 4)))
        # rpm takes a minus for the border between version and release.
        if "-" not in one + other and one and other:
            pairs.append((one, other))
    chunks = [pairs[at : at + 250] for at in range(0, len(pairs), 250)]
    said: list[int] = []
    for chunk in chunks:
        calls = " ".join(f"print(rpm.vercmp('{one}','{other}')..' ')" for one, other in chunk)
        done = host("rpm-clean").sh(f'rpm --eval "%{{lua: {calls}}}"')
        said += [int(word) for word in done.stdout.split()]
    assert len(said) == len(pairs)
    ours = [order(one, other) for one, other in pairs]
    assert ours == said
    assert min(ours.count(value) for value in (-1, 0, 1)) > 50
