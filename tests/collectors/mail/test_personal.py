"""Counting persons: what is one, what only looks like one. All persons and numbers are invented."""

import random

import pytest

from collectors.mail.leaves import MAX_LEAVES
from collectors.mail.personal import count_personal, is_my_number
from collectors.mail.text import carries_encoded, decode_text
from collectors.sources.mail import Inspected, Kind, Personal, Protection, Why
from tests.collectors.mail.makers import PERSONS, leaves, plain_zip

FULL_WIDTH = "氏名 a@example.com 03-0000-0001".translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
OWN = frozenset({"example.jp"})


def found(text: str) -> Personal:
    counted = leaves(text.encode())[0].personal
    assert counted is not None
    return counted


def my_number(start: int) -> str:
    return next(
        digits for last in range(10) if is_my_number(digits := f"{start:011d}{last}")
    )  # exactly one of ten check digits is right


def test_the_check_digit_is_the_one_of_the_ordinance() -> None:
    """Worked by hand after ordinance 85 of 2014, article 5: 11 - (sum of P*Q modulo 11)."""
    digits = "12345678901"
    weights = [6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]
    rest = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 11
    right = 0 if rest <= 1 else 11 - rest
    assert [last for last in range(10) if is_my_number(f"{digits}{last}")] == [right]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "euc_jp", "iso2022_jp", "utf-16"])
def test_a_table_is_counted_in_every_encoding(encoding: str) -> None:
    (leaf,) = leaves(PERSONS.encode(encoding))
    assert leaf.kind is Kind.TEXT
    assert leaf.inspected is Inspected.FULL
    assert leaf.personal == Personal(persons=12, contacts=12, special=0)


@pytest.mark.parametrize(
    ("text", "persons"),
    [
        ("氏名\t住所\n見本一\t東京都見本区1\n見本二\t大阪府見本市2\n", 2),
        ("Name;Phone\nSample One;03-0000-0001\nSample Two;03-0000-0002\n", 2),
        ("一覧表\n\n作成日,2026\n氏名,生年月日\n見本,1990-01-01\n見本,1991-01-01\n", 2),
        ("<html><table><tr><th>氏名<th>電話<tr><td>見本<td>03-0000-0001</table>", 1),
        ('氏名,"住所\n(建物)"\n"見本","東京都\n見本区1"\n"見本","x"\n', 0),
        ("Name,Address,Port\nweb-01,192.0.2.1,80\nweb-02,192.0.2.2,80\n", 0),
        ("名前,値\na,1\nb,2\n", 0),
        ("a@example.com 03-0000-0001\nb@example.com 03-0000-0002\n", 2),
        ("a@example.com b@example.com", 0),
        (FULL_WIDTH, 1),
    ],
)
def test_persons_are_rows_or_two_kinds_together(text: str, persons: int) -> None:
    assert found(text).persons == persons


def test_one_kind_alone_makes_contacts() -> None:
    assert found("a@example.com b@example.com c@example.com") == Personal(persons=0, contacts=3, special=0)


@pytest.mark.parametrize(
    "text",
    [
        "info@example.com support@example.com",
        "a@example.jp b@example.jp",
        "0120-000-001 0120-000-002",
        "2026-01-02 12-34-56 1.2.3.4 100-0001-22222",
        "no persons here",
    ],
)
def test_offices_own_addresses_and_other_numbers_are_no_contacts(text: str) -> None:
    assert found(text) == Personal(persons=0, contacts=0, special=0)


def test_telephone_numbers_beside_japanese_words_are_found() -> None:
    assert (
        found("電話03-0000-0001、携帯090-0000-0001番、(06)0000-0001、+81-3-0000-0002、09000000002").contacts
        == 5
    )


def test_my_numbers_need_a_word_or_a_run() -> None:
    numbers = [my_number(start) for start in range(10_000_000_000, 10_000_000_012)]
    assert found(f"個人番号 {numbers[0]}").special == 1
    assert found(f"{numbers[0][:4]}-{numbers[0][4:8]}-{numbers[0][8:]} (マイナンバー)").special == 1
    assert found(f"注文番号 {numbers[0]}").special == 0
    assert found("\n".join(numbers)).special == 12
    assert (
        found(
            "社員番号,個人番号\n" + "\n".join(f"{at},{number}" for at, number in enumerate(numbers))
        ).special
        == 12
    )


def test_random_twelve_digit_numbers_are_no_my_numbers() -> None:
    draw = random.Random(1)  # noqa: S311 (the same numbers in every run)
    numbers = [f"{draw.randrange(10**12):012d}" for _ in range(500)]
    assert found("\n".join(numbers)).special == 0


def test_counting_stops_at_a_thousand() -> None:
    text = "\n".join(f"m{number}@example.com 03-{number:04d}-0000" for number in range(5_000))
    assert found(text) == Personal(persons=1_000, contacts=1_000, special=0)


@pytest.mark.parametrize("raw", [b"a\0b" * 50, bytes(range(256)) * 4, b"\xff\xfe\x00\xd8\x00\xd8"])
def test_bytes_that_are_no_text_are_not_read_as_one(raw: bytes) -> None:
    assert decode_text(raw) is None
    (leaf,) = leaves(raw)
    assert (leaf.protection, leaf.personal) == (Protection.UNKNOWN, None)


@pytest.mark.parametrize(
    "raw",
    [
        b"\n".join([b"QUJD" * 18] * 10),
        b"text\nbegin 644 a.bin\n#0V%T\n`\nend\n",
        b"<html><img src='data:image/png;base64,QUJD'>",
    ],
)
def test_text_that_carries_encoded_data_was_not_read_in_full(raw: bytes) -> None:
    assert carries_encoded(raw)
    assert leaves(raw)[0].inspected is Inspected.PART


def test_a_leaf_that_lost_bytes_was_not_read_in_full() -> None:
    (leaf,) = leaves(b"short\n", damaged=True)
    assert (leaf.inspected, leaf.why) == (Inspected.PART, Why.DAMAGED)


def test_more_files_than_are_opened_read_limit_once() -> None:
    found_leaves = leaves(plain_zip(*((f"{number}.txt", b"x") for number in range(MAX_LEAVES + 50))))
    assert len(found_leaves) == MAX_LEAVES + 1
    assert [leaf.protection for leaf in found_leaves].count(Protection.LIMIT) == 1


def test_own_addresses_are_not_counted() -> None:
    assert count_personal("a@example.jp b@example.com", [], OWN).contacts == 1
