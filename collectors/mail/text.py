"""Text of unknown encoding, and the text and table rows of HTML and Office XML."""

import csv
import html
import re
import unicodedata
from collections.abc import Iterator

MAX_TEXT_BYTES = 16 * 1024 * 1024
"""searched of one leaf; of a longer one the head"""
MAX_ROWS = 100_000
_CONTROLS = bytes(set(range(32)) - {9, 10, 11, 12, 13, 27}) + b"\x7f"
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffe\uffff]")
_ESCAPE_JP = re.compile(rb"\x1b\$[@B]|\x1b\([BJI]|\x1b&@\x1b\$B|\x1b\$\(D")
_FULL_WIDTH = re.compile(r"[\uff01-\uff5e\u3000]")  # full-width ASCII and the wide space
_KATAKANA_ONLY = re.compile(r"[\uff61-\uff9f]")
_ENCODED_LINE = re.compile(rb"(?:^[A-Za-z0-9+/=]{60,1000}\r?$\n?){8,}", re.MULTILINE)
_UUENCODED = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} \S", re.MULTILINE)
_DATA_LINK = re.compile(rb"data:[a-zA-Z0-9.+/-]{0,100}[^,\s\"'<>]{0,100};base64,", re.IGNORECASE)
_ROW = re.compile(
    r"<(?:\w{1,8}:)?tr[\s>].*?(?=<(?:\w{1,8}:)?tr[\s>]|</(?:\w{1,8}:)?t(?:able|bl)>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_CELL = re.compile(r"<(?:\w{1,8}:)?t[dhc][\s>]", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,20000}>")
_BREAK = re.compile(
    r"<(?:br|/p|/div|/tr|/li|/h[1-6]|/w:p|/a:p|/w:tr|/a:tr|/si|/row)\b[^<>]{0,2000}>", re.IGNORECASE
)
_GAP = re.compile(r"</(?:td|th|w:tc|a:tc|v|t|is|c)>", re.IGNORECASE)
_SHEET_ROW = re.compile(r"<(?:\w{1,8}:)?row[\s>](.*?)</(?:\w{1,8}:)?row>", re.DOTALL)
_SHEET_CELL = re.compile(r"<(?:\w{1,8}:)?c\b([^<>]{0,2000}?)(?:/>|>(.*?)</(?:\w{1,8}:)?c>)", re.DOTALL)
_SHARED = re.compile(r"<(?:\w{1,8}:)?si\b[^<>]{0,2000}?(?:/>|>(.*?)</(?:\w{1,8}:)?si>)", re.DOTALL)
_COLUMN = re.compile(r'\br="([A-Z]{1,3})[0-9]+"')


def decode_text(raw: bytes) -> str | None:
    """Return the text, or None when the bytes are no text in any encoding we know.

    Strict, in the order of how much each encoding proves: BOM, ISO-2022-JP escapes, UTF-8,
    CP932, EUC-JP (which is CP932 full of half-width katakana when misread).
    """
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = _strict(raw, "utf-16")
        return None if text is None or _CONTROL_CHARACTER.search(text) else _normal(text)
    if raw[:3] == b"\xef\xbb\xbf":
        raw = raw[3:]
    if raw.translate(None, _CONTROLS) != raw:
        return None
    if _ESCAPE_JP.search(raw):
        text = _strict(raw, "iso2022_jp_ext")
        if text is not None:
            return _normal(text)
    if b"\x1b" in raw:
        return None
    for encoding in ("utf-8", "cp932", "euc_jp"):
        text = _strict(raw, encoding)
        if text is not None and not (encoding == "cp932" and _is_euc(text, raw)):
            return _normal(text)
    # Western text is mostly ASCII; bytes that are mostly not are no text of ours.
    high = len(raw.translate(None, bytes(range(128))))
    return _strict(raw, "cp1252") if high * 4 < len(raw) else None


def _strict(raw: bytes, encoding: str) -> str | None:
    # A head may end inside a character.
    for cut in range(4):
        try:
            return raw[: len(raw) - cut].decode(encoding)
        except UnicodeDecodeError as err:
            if err.start < len(raw) - 8:
                return None
    return None


def _is_euc(text: str, raw: bytes) -> bool:
    half = len(_KATAKANA_ONLY.findall(text))
    return half * 4 > len(text) and _strict(raw, "euc_jp") is not None


def _normal(text: str) -> str:
    # NFKC costs 70 % of the time on plain text, so only where it changes digits, signs or letters.
    return unicodedata.normalize("NFKC", text) if _FULL_WIDTH.search(text) else text


def carries_encoded(raw: bytes) -> bool:
    """Whether a text holds a block of encoded data: then reading it as text is not reading all of it."""
    return bool(_ENCODED_LINE.search(raw) or _UUENCODED.search(raw) or _DATA_LINK.search(raw))


def plain_tables(text: str) -> list[list[tuple[str, ...]]]:
    """Rows of CSV, TSV or lists with semicolons or bars: one table for each separator that occurs."""
    head = text[:65_536]
    return [_plain_rows(text, separator) for separator in ",\t;|" if separator in head]


def _plain_rows(text: str, separator: str) -> list[tuple[str, ...]]:
    """Of two readings, with and without quotation marks, the one with more rows."""
    naive = [tuple(line.split(separator)) for line in text.splitlines()[:MAX_ROWS]]
    quoted: list[tuple[str, ...]] = []
    try:
        for row in csv.reader(text.splitlines(keepends=True), delimiter=separator):
            quoted.append(tuple(row))
            if len(quoted) >= MAX_ROWS:
                break
    except csv.Error:
        return naive
    # An unclosed quotation mark swallows the rest; a few rows less are line ends inside cells.
    return quoted if len(quoted) * 2 > len(naive) else naive


def markup_text(source: str) -> str:
    """The words of HTML or Office XML, rows on lines of their own, cells apart."""
    shown = _GAP.sub("\t", _BREAK.sub("\n", source))
    return _normal(html.unescape(_TAG.sub("", shown)))


def markup_rows(source: str) -> list[tuple[str, ...]]:
    """Table rows of HTML, Word and PowerPoint (`tr`, `w:tr`, `a:tr`)."""
    rows: list[tuple[str, ...]] = []
    for found in _ROW.finditer(source):
        rows.append(tuple(_words(cell) for cell in _CELL.split(found[0])[1:]))
        if len(rows) >= MAX_ROWS:
            break
    return rows


def shared_strings(source: str) -> tuple[str, ...]:
    """The string table of a workbook (ECMA-376 part 1, 18.4)."""
    return tuple(_words(found[1] or "") for found in _SHARED.finditer(source))


def sheet_rows(source: str, strings: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Rows of one worksheet, each cell in its own column."""
    for index, row in enumerate(_SHEET_ROW.finditer(source)):
        if index >= MAX_ROWS:
            return
        cells: dict[int, str] = {}
        for position, cell in enumerate(_SHEET_CELL.finditer(row[1])):
            place = _COLUMN.search(cell[1])
            value = _words(cell[2] or "")
            if re.search(r'\bt="s"', cell[1]) and value.isdigit() and int(value[:9]) < len(strings):
                value = strings[int(value[:9])]
            cells[_number(place[1]) if place else position] = value
        if cells:
            yield tuple(cells.get(column, "") for column in range(min(max(cells) + 1, 1_000)))


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _words(cell: str) -> str:
    # Reading aids (furigana) of Excel are no part of the value.
    plain = (
        re.sub(r"<(\w{1,8}:)?rPh\b.*?</(?:\w{1,8}:)?rPh>", "", cell, flags=re.DOTALL)
        if "rPh" in cell
        else cell
    )
    return _normal(html.unescape(_TAG.sub("", plain))).strip()
