"""Read the HR list from a CSV file: who left or moved when, and under which account names.

Only the key of a person, the account names, two dates and the post of those who moved are kept; no other
column is looked at, and no cell is repeated in an error unless it is made of the signs of a date.
"""

import csv
import hashlib
import io
import os
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from collectors.evidence import Part, Section, SectionState
from collectors.sources.roster import PROBE, Person, RosterFacts
from collectors.sources.roster_dates import DateError, read_date
from config.errors import RosterError
from config.model import Roster, RosterColumns
from config.problems import did_you_mean, quote

MOST_BYTES = 64 * 1024 * 1024
MOST_ROWS = 500_000
MOST_ROW_CHARACTERS = 64 * 1024
MOST_CELL_CHARACTERS = 256
"""of a person's key or one account name: longer than any directory allows"""
MOST_ACCOUNTS = 256
"""of one person: more is a delimiter or a key gone wrong"""
MOST_ERRORS = 50
"""row errors that are named; the rest is counted"""

_PREFERRED = ("異動先", "配属先", "新所属", "newpost", "newdepartment")
"""headers that say themselves that the post after the move is meant"""

REQUIRED = ("person", "account", "left_on")
"""without one of these columns a leaver could not be told from anybody else"""

# fmt: off
_HEADERS: dict[str, frozenset[str]] = {
    "person": frozenset((
        "社員番号", "従業員番号", "職員番号", "社員コード", "従業員コード",
        "社員id", "従業員id", "社員no", "従業員no",
        "employeeid", "employeenumber", "employeeno", "empid", "empno", "staffid", "staffnumber", "staffno",
        "personnelnumber", "personid", "person",
    )),
    "account": frozenset((
        "アカウント", "アカウント名", "アカウントid", "ログイン", "ログインid", "ログイン名",
        "ログインアカウント", "ユーザーid", "ユーザid", "ユーザー名", "ユーザ名",
        "account", "accounts", "accountname", "accountid", "login", "logins", "loginid", "loginname",
        "userid", "username", "uid", "samaccountname",
    )),
    "left_on": frozenset((
        "退職日", "退職年月日", "退社日", "退社年月日", "離職日", "離職年月日",
        "lefton", "dateleft", "leavingdate", "terminationdate", "terminatedon", "employmentenddate",
        "lastday", "lastdayofemployment", "resignationdate", "retirementdate", "retiredon",
    )),
    "transferred_on": frozenset((
        "異動日", "異動年月日", "転属日", "転出日", "配置転換日",
        "transferredon", "transferdate", "dateoftransfer",
    )),
    "post": frozenset((
        "異動先", "配属先", "新所属", "部署", "部署名", "所属", "所属部署", "所属部門", "部門", "役職",
        "newpost", "newdepartment", "post", "department", "dept", "division", "position",
    )),
}
# fmt: on
"""known headers without blanks, in lower case and NFKC"""
_NOTHING = frozenset({"", "-", "--", "ー", "—", "なし", "無し", "無", "n/a", "none"})
"""what people write into a cell that is meant to be empty"""
_BETWEEN_WORDS = re.compile(r"[\s_\-.:]+")
_BETWEEN_ACCOUNTS = re.compile(r"[\s,;/、]+")
_KEPT_AS_TEXT = re.compile(r'="(.*)"', re.DOTALL)
"""`="00123"`, which keeps leading zeros in a spreadsheet"""
_NO_CP932 = re.compile("[\x80\uf8f0-\uf8f3]")
"""what Python reads from the bytes 80, A0, FD, FE and FF, which CP932 leaves undefined"""
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_TOO_MANY = f"more than {MOST_ACCOUNTS} accounts of one person"
_SAVE_AS = "save it as CSV UTF-8 in the spreadsheet program and name that file"


class _Row(Struct, frozen=True, kw_only=True):
    number: int
    person: Person


class _CellError(Exception):
    """One cell that cannot be read."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


def read_roster(path: Path, roster: Roster) -> RosterFacts:
    """Read the list at `path` as `roster` describes it.

    UTF-8 with or without a byte order mark, else CP932, both strictly; other encodings have to be
    declared. Commas, tabs or semicolons. A list with headers alone is read as one that names nobody.
    Raises RosterError that names file, row (the header is row 1) and column of everything that is
    wrong, as far as the first 50.
    """
    file = os.fsencode(path.name).decode("utf-8", "backslashreplace")
    raw, written = _bytes_of(path, file)
    text = _decoded(raw, roster.encoding, file)
    # A file without a single sign names nobody, as a header alone does; that is for the check to say.
    persons = _Table(text, file, roster.columns).persons() if text.strip() else ()
    return RosterFacts(
        file=file,
        sha256=hashlib.sha256(raw).hexdigest(),
        written=written,
        max_age_s=roster.max_age.seconds,
        persons=persons,
    )


def roster_section(facts: RosterFacts) -> Section:
    """Return the roster's join facts as the section that is sealed."""
    raw = msgspec.json.encode(facts, order="sorted")
    if len(raw) > PROBE.cap_bytes:
        message = f"{facts.file}: its join facts are larger than {PROBE.cap_bytes} bytes"
        raise RosterError(message, hint="export current staff and the leavers of the last years only")
    return Section(name=PROBE.name, state=SectionState.ENDED, exit=0, parts=(Part.of("roster", "read", raw),))


def _bytes_of(path: Path, file: str) -> tuple[bytes, datetime]:
    if path.exists() and not path.is_file():
        message = f"{file}: is not a regular file"
        raise RosterError(message)
    try:
        with path.open("rb") as stream:
            changed_s = os.fstat(stream.fileno()).st_mtime_ns // 1_000_000_000
            raw = stream.read(MOST_BYTES + 1)
    except OSError as err:
        message = f"{file}: cannot be read: {err.strerror or type(err).__name__}"
        raise RosterError(message, hint="path of [roster] is relative to the configuration's folder") from err
    if len(raw) > MOST_BYTES:
        message = f"{file}: is larger than {MOST_BYTES} bytes"
        raise RosterError(message)
    return raw, datetime.fromtimestamp(changed_s, UTC)


def _decoded(raw: bytes, encoding: str, file: str) -> str:
    if raw.startswith(_SPREADSHEETS):
        message = f"{file}: is a spreadsheet file, not CSV"
        raise RosterError(message, hint=_SAVE_AS)
    if not encoding and raw.startswith(_UTF16):
        message = f"{file}: is UTF-16"
        raise RosterError(message, hint=f'{_SAVE_AS}, or declare encoding = "utf-16" under [roster]')
    text: str | None = None
    for name in (encoding,) if encoding else ("utf-8", "cp932"):
        try:
            decoded = raw.decode(name)
        except UnicodeError:
            continue
        except (LookupError, ValueError) as err:
            message = f"{file}: no encoding is called {quote(encoding)}"
            raise RosterError(message, hint="write a name such as utf-8, cp932, euc-jp or utf-16") from err
        if encoding or name == "utf-8" or not _NO_CP932.search(decoded):
            text = decoded
            break
    if text is None:
        wanted = quote(encoding) if encoding else "UTF-8 or CP932"
        message = f"{file}: is not {wanted} throughout"
        raise RosterError(message, hint=f"{_SAVE_AS}, or declare its encoding under [roster]")
    if "\0" in text:
        message = f"{file}: holds NUL characters, so it is no CSV text in that encoding"
        raise RosterError(message, hint=_SAVE_AS)
    return text.removeprefix("\ufeff")


class _Table:
    """The rows of one file."""

    def __init__(self, text: str, file: str, columns: RosterColumns) -> None:
        self._file = file
        self._is_ended = not text or text.endswith(("\n", "\r"))
        self._errors: list[str] = []
        self._error_count = 0
        delimiter = max(",\t;", key=lambda sign: _known_in(_first_row(text, sign)))
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        self._rows = self._numbered()
        self._header_row, self._header = next(self._rows, (1, []))
        self._stop_at_errors()
        self._places = self._columns(columns)
        self._names = {field: self._header[place].strip() for field, place in self._places.items()}

    def persons(self) -> tuple[Person, ...]:
        """Read every row; rows of one person are one entry with all the accounts."""
        known: dict[str, _Row] = {}
        last: tuple[int, int] = (0, len(self._header))
        for number, cells in self._rows:
            last = (number, len(cells))
            try:
                person = self._person(cells)
            except _CellError as err:
                self._error(f"row {number}, column {quote(err.column)}: {err}")
                continue
            earlier = known.get(person.person)
            if earlier is None:
                known[person.person] = _Row(number=number, person=person)
            elif conflict := _conflict(earlier.person, person):
                self._error(f"rows {earlier.number} and {number} are the same person {conflict}")
            else:
                accounts = tuple(dict.fromkeys((*earlier.person.accounts, *person.accounts)))
                posts = tuple(dict.fromkeys((*earlier.person.posts, *person.posts)))
                if len(accounts) > MOST_ACCOUNTS:
                    self._error(f"rows {earlier.number} to {number}: {_TOO_MANY}")
                    continue
                merged = structs.replace(earlier.person, accounts=accounts, posts=posts)
                known[person.person] = _Row(number=earlier.number, person=merged)
        if not self._is_ended and last[1] < len(self._header):
            self._error(f"row {last[0]}: the file ends in the middle of a row")
        self._stop_at_errors()
        return tuple(row.person for row in known.values())

    def _numbered(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows that are not blank, numbered as a spreadsheet numbers them."""
        number = 0
        try:
            for cells in self._reader:
                number += 1
                if number > MOST_ROWS:
                    self._error(f"has more than {MOST_ROWS} rows")
                    return
                joined = "".join(cells)
                if len(joined) + len(cells) > MOST_ROW_CHARACTERS:
                    self._error(f"row {number}: is longer than {MOST_ROW_CHARACTERS} characters")
                elif joined.strip():
                    yield number, cells
        except csv.Error as err:
            # csv.Error speaks of the grammar only, never of the content.
            self._error(f"row {number + 1}: {err}")

    def _columns(self, declared: RosterColumns) -> dict[str, int]:
        folded = [_folded(header) for header in self._header]
        places: dict[str, int] = {}
        for field, known in _HEADERS.items():
            name: str = getattr(declared, field)
            wanted = {_folded(name)} if name else known
            found = [place for place, header in enumerate(folded) if header in wanted]
            if field == "post" and len(found) > 1:
                # Lists have departments and titles beside each other, and most are not read for posts.
                found = [place for place in found if folded[place] in _PREFERRED]
            if len(found) == 1:
                places[field] = found[0]
            elif field == "post" and not name:
                continue
            elif found:
                headers = " and ".join(quote(self._header[place].strip()) for place in found)
                self._error(
                    f"row {self._header_row}: {headers} could both be {field}; "
                    f"say which under [roster.columns]"
                )
            elif name:
                near = did_you_mean(name, [header.strip() for header in self._header if header.strip()])
                self._error(f"row {self._header_row}: no column is called {quote(name)} {near}".rstrip())
            elif field in REQUIRED:
                self._error(
                    f"row {self._header_row}: no column is known as {field}; "
                    f"name it under [roster.columns]: {field} = ..."
                )
        self._stop_at_errors()
        return places

    def _person(self, cells: list[str]) -> Person:
        surplus = [cell for cell in cells[len(self._header) :] if cell.strip()]
        if surplus:
            last = self._header[-1].strip()
            message = f"{len(surplus)} more cells than the header has columns; is a delimiter unquoted?"
            raise _CellError(last, message)
        cell = {
            field: _cell(cells[place]) if place < len(cells) else "" for field, place in self._places.items()
        }
        names = self._names
        if not cell["person"]:
            raise _CellError(names["person"], "is empty")
        accounts = tuple(dict.fromkeys(filter(None, _BETWEEN_ACCOUNTS.split(cell["account"]))))
        if len(accounts) > MOST_ACCOUNTS:
            raise _CellError(names["account"], _TOO_MANY)
        for field, words in (("person", (cell["person"],)), ("account", accounts)):
            for word in words:
                _printable(word, names[field])
        dates = {}
        for field in ("left_on", "transferred_on"):
            try:
                dates[field] = read_date(cell.get(field, ""))
            except DateError as err:
                raise _CellError(names[field], str(err)) from err
        post = cell.get("post", "") if dates["transferred_on"] else ""
        posts = (_printable(post, names["post"]),) if post else ()
        return Person(person=cell["person"], accounts=accounts, posts=posts, **dates)

    def _error(self, message: str) -> None:
        self._error_count += 1
        if len(self._errors) < MOST_ERRORS:
            self._errors.append(f"{self._file}: {message}")

    def _stop_at_errors(self) -> None:
        if not self._error_count:
            return
        more = self._error_count - len(self._errors)
        lines = (*self._errors, f"{self._file}: and {more} more like these") if more else self._errors
        raise RosterError("\n".join(lines), hint="correct the list where it is kept and export it again")


def _printable(word: str, column: str) -> str:
    if len(word) > MOST_CELL_CHARACTERS:
        raise _CellError(column, f"is longer than {MOST_CELL_CHARACTERS} characters")
    if not word.isprintable():
        raise _CellError(column, "holds characters that cannot be printed")
    return word


def _conflict(earlier: Person, later: Person) -> str:
    if earlier.left_on != later.left_on:
        if earlier.left_on and later.left_on:
            return "with different leaving dates"
        return "with and without a leaving date; somebody who came back keeps the row without one"
    if earlier.transferred_on != later.transferred_on:
        return "with different transfer dates; keep the latest"
    return ""


def _first_row(text: str, delimiter: str) -> list[str]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return next((row for row in reader if any(cell.strip() for cell in row)), [])
    except csv.Error:
        return []


def _known_in(header: list[str]) -> tuple[int, int]:
    known = frozenset[str]().union(*_HEADERS.values())
    return sum(_folded(cell) in known for cell in header), len(header)


def _folded(header: str) -> str:
    return _BETWEEN_WORDS.sub("", unicodedata.normalize("NFKC", header).casefold())


def _cell(cell: str) -> str:
    text = cell.strip() if cell.isascii() else unicodedata.normalize("NFKC", cell).strip()
    if text.startswith("="):
        kept = _KEPT_AS_TEXT.fullmatch(text)
        text = kept[1].strip() if kept else text
    return "" if text.casefold() in _NOTHING else text
