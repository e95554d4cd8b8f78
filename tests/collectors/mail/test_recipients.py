"""Who is outside: of two readings of a header, the one with more recipients outside."""

import pytest

from collectors.mail.headers import split_headers
from collectors.mail.recipients import MAX_KEYS, Recipients, read_recipients

OWN = frozenset({"example.jp"})


def read(*fields: str) -> Recipients:
    headers, _, _ = split_headers("\r\n".join([*fields, "", ""]).encode())
    return read_recipients(headers, OWN, b"key")


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("To: a@example.jp", (0, 1, 0)),
        ("To: a@EXAMPLE.JP.", (0, 1, 0)),
        ("To: a@example.com, b@example.jp", (1, 1, 0)),
        ('To: A <a@example.com>, "b@example.jp" <b@example.com>', (2, 0, 0)),
        ('To: "a@example.com" <b@example.jp>', (0, 1, 0)),
        ("To: a@example.com (b@example.net) ", (1, 0, 0)),
        ("To: a@example.jp.example.com", (1, 0, 0)),
        ("To: a@sub.example.jp", (1, 0, 0)),
        ("To: b@example.jp c@example.com <d@example.jp>", (1, 2, 0)),
        ("To: Team: a@example.jp, b@example.com;", (1, 1, 0)),
        ("To: undisclosed-recipients:;", (0, 0, 0)),
        ("To: nobody", (0, 0, 1)),
        ("To: =?utf-8?B?YUBleGFtcGxlLmNvbQ==?=", (0, 0, 1)),
        ('To: "odd name"@example.com', (1, 0, 0)),
        ("To: a@[192.0.2.1]", (1, 0, 0)),
        ("Cc: a@example.com\r\nBcc: b@example.com\r\nTo: c@example.jp", (2, 1, 0)),
        ("To: c@example.jp\r\nTo: a@example.com", (1, 1, 0)),
        ("To: c@example.jp,\r\n\ta@example.com", (1, 1, 0)),
        ("To: c@example.jp\r\nReceived: from x by y for <a@example.com>; date", (1, 1, 0)),
        ("To: c@example.jp\r\nReceived: from x by y for <journal@example.jp>; date", (0, 1, 0)),
        ("To: A@example.com, a@Example.com", (1, 0, 0)),
    ],
)  # fmt: skip
def test_recipients_are_counted_once_by_side(field: str, expected: tuple[int, int, int]) -> None:
    found = read(field)
    assert (found.external, found.internal, found.unreadable) == expected


def test_keys_join_messages_without_telling_addresses() -> None:
    one, other = (
        read("From: a@example.jp", "To: B@example.com"),
        read("From: b@example.com", "To: x@example.jp"),
    )
    assert one.keys == (other.sender_key,)
    assert "example" not in repr(one)
    assert (
        len(read("To: " + ", ".join(f"a{number}@example.com" for number in range(MAX_KEYS + 5))).keys)
        == MAX_KEYS
    )


def test_a_field_longer_than_is_read_counts_as_unreadable() -> None:
    found = read(
        "To: " + ", ".join(f"{number:020d}@example.jp" for number in range(9_000)) + ", x@example.com"
    )
    assert found.unreadable > 0
