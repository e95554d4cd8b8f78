"""Count personal information in text and tables: distinct values in memory, only counts leave."""

import re
from collections.abc import Iterable, Sequence

from collectors.sources.mail import Personal

CAP = 1_000
"""counting stops here: a thousand persons fail like ten thousand"""
HEADER_WITHIN_ROWS = 15
_NEAR_BEFORE, _NEAR_AFTER = 100, 40
"""characters around a number in which the word must stand"""
_MANY, _MANY_SHARE = 10, 90
"""so many 12-digit numbers, this share of them with a right check digit, are My Numbers without a word"""

_MAIL = re.compile(
    r"(?<![\w.+-])([A-Za-z0-9][\w.+%-]{0,63})@([A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.){1,8}[A-Za-z]{2,24})\b",
    re.ASCII,
)
_PHONE = re.compile(
    r"(?<![0-9A-Za-z.-])(?:\+81[- ]?\(?0?\)?|\(?0)([1-9][0-9]{0,4})(?:\)|[-\u2010-\u2015\u2212 ]|\)[- ])"
    r"([0-9]{1,4})[-\u2010-\u2015\u2212 ]([0-9]{3,4})(?![0-9A-Za-z-])"
)
_MOBILE = re.compile(r"(?<![0-9A-Za-z.-])0([5789]0)([0-9]{4})([0-9]{4})(?![0-9A-Za-z.-])")
_ROLES = frozenset(
    [
        "info",
        "support",
        "sales",
        "noreply",
        "no-reply",
        "donotreply",
        "postmaster",
        "webmaster",
        "contact",
        "admin",
        "help",
        "office",
        "press",
        "recruit",
        "privacy",
        "abuse",
        "security",
        "mailer-daemon",
        "root",
    ]
)
"""addresses of an office, not of a person"""
_TOLL_FREE = ("120", "800", "570", "990")
_PREFECTURE = (
    "北海道|青森県|岩手県|宮城県|秋田県|山形県|福島県|茨城県|栃木県|群馬県|埼玉県|千葉県|東京都|神奈川県|新潟県|富山県|"
    "石川県|福井県|山梨県|長野県|岐阜県|静岡県|愛知県|三重県|滋賀県|京都府|大阪府|兵庫県|奈良県|和歌山県|鳥取県|島根県|"
    "岡山県|広島県|山口県|徳島県|香川県|愛媛県|高知県|福岡県|佐賀県|長崎県|熊本県|大分県|宮崎県|鹿児島県|沖縄県"
)
_POSTAL = re.compile(
    rf"(?:{_PREFECTURE})[^\s0-9,、。]{{1,12}}[市区町村][^\s,、。]{{0,20}}?[0-9一二三四五六七八九十]{{1,4}}[^\s,、。]{{0,12}}"
)
_TWELVE = re.compile(r"(?<![0-9A-Za-z.-])([0-9]{4})([- ]?)([0-9]{4})\2([0-9]{4})(?![0-9A-Za-z]|[.-][0-9])")
_MY_NUMBER_WORD = re.compile(r"個人番号|マイナンバー|my\s?number", re.IGNORECASE)

_HEADERS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(words, re.IGNORECASE))
    for kind, words in (
        (
            "name",
            (
                r"氏\s*名|お?名前|姓名|(?:会員|顧客|患者|担当者)名|フリガナ|ふりがな|"
                r"(?:full|first|last|family|given|customer|employee)?[ _-]?name"
            ),
        ),
        (
            "phone",
            r".{0,6}電話(?:番号)?|携帯(?:番号|電話)?|(?:tel|phone|mobile)(?:ephone)?[ ._-]?(?:no\.?|number)?",
        ),
        ("address", r".{0,6}住所[0-9]?|(?:home|postal|street|mailing)?[ _-]?address[ _-]?[0-9]?"),
        ("email", r".{0,6}メール(?:アドレス)?|e-?mail(?:[ _-]?address)?|mail(?:[ _-]?address)?"),
        ("birth", r"生年月日|誕生日|(?:date[ _-]of[ _-])?birth(?:day|[ _-]?date)?|dob"),
        ("number", r"個人番号|マイナンバー|my[ _-]?number"),
        ("id", r"(?:社員|従業員|職員|会員|顧客|患者|学籍)(?:番号|コード|ID|No\.?)"),
    )
)
_MACHINE_VALUE = re.compile(r"[0-9a-fA-F.:/x]+|https?://.*")
"""an IP or memory address under `address` is nobody's home"""


def count_personal(
    text: str, tables: Iterable[Sequence[tuple[str, ...]]], own_domains: frozenset[str]
) -> Personal:
    """Count persons in the text and in the tables of one leaf."""
    mails = _distinct(
        (found[1].lower(), found[2].lower())
        for found in _MAIL.finditer(text)
        if found[2].lower() not in own_domains and found[1].lower() not in _ROLES
    )
    phones = _distinct(
        "".join(found.groups())
        for pattern in (_PHONE, _MOBILE)
        for found in pattern.finditer(text)
        if _is_phone(found)
    )
    postal = _distinct(found[0] for found in _POSTAL.finditer(text))
    _, second, first = sorted((len(mails), len(phones), len(postal)))
    rows = contacts = 0
    numbers = _my_numbers(text)
    for table in tables:
        here, loose, special = _table(table)
        rows += here
        contacts += loose
        numbers |= special
    return Personal(
        persons=min(max(rows, second), CAP),
        contacts=min(max(first, contacts), CAP),
        special=min(len(numbers), CAP),
    )


def _distinct(values: Iterable[object]) -> set[object]:
    found: set[object] = set()
    for value in values:
        found.add(value)
        if len(found) >= CAP:
            break
    return found


def _is_phone(found: re.Match[str]) -> bool:
    digits = "".join(found.groups())
    return len(digits) in (9, 10) and not digits.startswith(_TOLL_FREE)


def is_my_number(digits: str) -> bool:
    """Whether 12 digits end in the right check digit (ordinance 85 of 2014, article 5)."""
    if len(digits) != 12 or not digits.isascii() or not digits.isdigit() or len(set(digits)) == 1:  # noqa: PLR2004 (its length)
        return False
    weighted = sum(
        int(digit) * (place + 1 if place <= 6 else place - 5)  # noqa: PLR2004 (the ordinance's own constants)
        for place, digit in enumerate(reversed(digits[:11]), 1)
    )
    rest = weighted % 11
    return int(digits[11]) == (0 if rest <= 1 else 11 - rest)


def _my_numbers(text: str) -> set[str]:
    near: set[str] = set()
    right: set[str] = set()
    wrong: set[str] = set()
    word_at = [found.start() for found in _MY_NUMBER_WORD.finditer(text)][:CAP]
    for found in _TWELVE.finditer(text):
        digits = found[1] + found[3] + found[4]
        if not is_my_number(digits):
            wrong.add(digits)
            continue
        right.add(digits)
        if any(found.start() - _NEAR_BEFORE <= at <= found.end() + _NEAR_AFTER for at in word_at):
            near.add(digits)
        if len(right) + len(wrong) >= 10 * CAP:
            break
    total = len(right) + len(wrong)
    return right if total >= _MANY and len(right) * 100 >= total * _MANY_SHARE else near


def _table(rows: Sequence[tuple[str, ...]]) -> tuple[int, int, set[str]]:
    """Return rows that tell of a person, rows with at least something of one, and My Numbers."""
    for index, row in enumerate(rows[:HEADER_WITHIN_ROWS]):
        kinds = _kinds(row)
        named = set(kinds.values())
        if named == {"number"} or (len(named) >= 2 and named & {"name", "email", "phone", "address", "id"}):  # noqa: PLR2004 (two kinds make a person)
            return _filled(rows[index + 1 :], kinds)
    return 0, 0, set()


def _filled(rows: Sequence[tuple[str, ...]], kinds: dict[int, str]) -> tuple[int, int, set[str]]:
    persons = contacts = 0
    numbers: set[str] = set()
    for row in rows:
        filled = 0
        for column, kind in kinds.items():
            value = row[column].strip() if column < len(row) else ""
            if not value or (kind == "address" and _MACHINE_VALUE.fullmatch(value)):
                continue
            filled += 1
            if kind == "number":
                digits = re.sub(r"[^0-9]", "", value)
                numbers |= {digits} if is_my_number(digits) else set()
        persons += filled >= 2  # noqa: PLR2004 (two kinds make a person)
        contacts += filled >= 1
        if persons >= CAP:
            break
    return persons, contacts, numbers


def _kinds(row: tuple[str, ...]) -> dict[int, str]:
    found: dict[int, str] = {}
    for column, cell in enumerate(row[:500]):
        words = cell.strip().strip("\"'\ufeff*:\uff1a").strip()
        if 0 < len(words) <= 40:  # noqa: PLR2004 (a heading, not a sentence)
            for kind, pattern in _HEADERS:
                if pattern.fullmatch(words):
                    found[column] = kind
                    break
    return found
