"""The HR list is read as it was meant, or refused with file, row and column."""
# ruff: noqa: RUF001 (full-width signs are what is tested)

import contextlib
import hashlib
import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collectors.facts import WithheldError
from collectors.sources import roster_csv
from collectors.sources.roster import Person, RosterFacts, parse
from collectors.sources.roster_csv import read_roster, roster_section
from config.duration import Duration
from config.errors import RosterError
from config.model import Roster, RosterColumns

ROSTER = Roster(path="roster.csv")
JAPANESE = "社員番号,氏名,アカウント,退職日,異動日\n"
ENGLISH = "Employee ID,Name,Account,Left on,Transferred on\n"


def put(folder: Path, content: str | bytes, name: str = "roster.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def read(folder: Path, content: str | bytes, roster: Roster = ROSTER) -> tuple[Person, ...]:
    return read_roster(put(folder, content), roster).persons


def refused(folder: Path, content: str | bytes, roster: Roster = ROSTER) -> list[str]:
    with pytest.raises(RosterError) as caught:
        read_roster(put(folder, content), roster)
    assert caught.value.hint
    return str(caught.value).splitlines()


def test_the_join_facts_are_kept_and_names_of_persons_are_not(tmp_path: Path) -> None:
    text = (
        f"{JAPANESE}0012,点検 太郎,taro; t.tenken/svc-taro,2026/3/31,\n0013,点検 花子,hanako,,令和8年4月1日\n"
    )
    path = put(tmp_path, text)
    os.utime(path, (1_790_000_000, 1_790_000_000.75))
    facts = read_roster(path, Roster(path="roster.csv", max_age=Duration("7d")))
    assert facts == RosterFacts(
        file="roster.csv",
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        written=datetime.fromtimestamp(1_790_000_000, UTC),
        max_age_s=7 * 86_400,
        persons=(
            Person(person="0012", accounts=("taro", "t.tenken", "svc-taro"), left_on=date(2026, 3, 31)),
            Person(person="0013", accounts=("hanako",), transferred_on=date(2026, 4, 1)),
        ),
    )
    section = roster_section(facts)
    assert "点検" not in section.parts[0].text
    assert parse(section) == facts


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_delimiters_of_spreadsheets_are_told_apart(
    tmp_path: Path, encoding: str, delimiter: str, end: str
) -> None:
    rows = ("社員番号", "氏名", "アカウント", "退職日"), ("1", "髙橋 ①", "taro", "2026年3月31日")
    text = end.join(delimiter.join(row) for row in rows) + end
    assert read(tmp_path, text.encode(encoding)) == (
        Person(person="1", accounts=("taro",), left_on=date(2026, 3, 31)),
    )


@pytest.mark.parametrize("encoding", ["euc-jp", "utf-16", "iso2022_jp"])
def test_another_encoding_is_read_only_when_it_is_declared(tmp_path: Path, encoding: str) -> None:
    raw = f"{JAPANESE}1,点検太郎,taro,,\n".encode(encoding)
    assert refused(tmp_path, raw)
    declared = Roster(path="roster.csv", encoding=encoding)
    assert read(tmp_path, raw, declared) == (Person(person="1", accounts=("taro",)),)


@pytest.mark.parametrize(
    ("raw", "encoding", "message"),
    [
        (b"a,b\n\xfd\xff\n", "", "roster.csv: is not UTF-8 or CP932 throughout"),
        (JAPANESE.encode("cp932"), "utf-8", 'roster.csv: is not "utf-8" throughout'),
        (b"a", "no-such", 'roster.csv: no encoding is called "no-such"'),
        (b"a", "hex", 'roster.csv: no encoding is called "hex"'),
        (b"a", "\0", 'roster.csv: no encoding is called "\\u0000"'),
        (JAPANESE.encode("utf-16"), "", "roster.csv: is UTF-16"),
        (JAPANESE.encode("utf-16-le"), "", "roster.csv: is not UTF-8 or CP932 throughout"),
        (
            "a,b\n".encode("utf-16-le"),
            "",
            "roster.csv: holds NUL characters, so it is no CSV text in that encoding",
        ),
        (b"PK\x03\x04rest", "", "roster.csv: is a spreadsheet file, not CSV"),
        (b"\xd0\xcf\x11\xe0rest", "", "roster.csv: is a spreadsheet file, not CSV"),
    ],
)
def test_a_file_that_is_no_text_says_what_to_do(
    tmp_path: Path, raw: bytes, encoding: str, message: str
) -> None:
    assert refused(tmp_path, raw, Roster(path="roster.csv", encoding=encoding)) == [message]


@pytest.mark.parametrize(
    "header",
    [
        "社員番号,アカウント,退職日,異動日",
        "従業員番号,ログインID,退社日,異動年月日",
        " 社員Ｎｏ. ,ﾛｸﾞｲﾝ名,退職年月日,転出日",
        "Employee ID,Account,Left on,Transferred on",
        "EMPLOYEE_NUMBER,login,Termination Date,transfer-date",
        '"emp no","User\nName",date left,Date of Transfer',
    ],
)
def test_common_headers_are_known_in_any_case_and_width(tmp_path: Path, header: str) -> None:
    assert read(tmp_path, f"{header}\n1,taro,2026-03-31,2026-04-01\n") == (
        Person(person="1", accounts=("taro",), left_on=date(2026, 3, 31), transferred_on=date(2026, 4, 1)),
    )


@pytest.mark.parametrize(
    ("header", "posts"),
    [
        ("部署,", ("営業部",)),
        ("役職,", ("営業部",)),
        ("Department,", ("営業部",)),
        # Most lists have several such columns: which one is meant is not guessed, and nothing is refused.
        ("部署,役職", ()),
        ("異動先,部署", ("営業部",)),
        ("備考,所属", ("課長",)),
        ("備考,特記", ()),
    ],
)
def test_the_post_of_people_who_moved_is_kept_where_one_column_says_it(
    tmp_path: Path, header: str, posts: tuple[str, ...]
) -> None:
    text = (
        f"社員番号,アカウント,退職日,異動日,{header}\n1,taro,,2026-04-01,営業部,課長\n2,jiro,,,人事部,部長\n"
    )
    moved, stays = read(tmp_path, text)
    assert (moved.posts, stays.posts) == (posts, ())


def test_a_declared_column_of_posts_is_the_one_and_several_rows_add_up(tmp_path: Path) -> None:
    columns = RosterColumns(post="役職")
    text = (
        "社員番号,アカウント,退職日,異動日,部署,役職\n1,taro,,2026-04-01,a,課長\n1,taro,,2026-04-01,b,主任\n"
    )
    (person,) = read(tmp_path, text, Roster(path="r", columns=columns))
    assert person.posts == ("課長", "主任")
    with pytest.raises(RosterError, match="no column is called"):
        read(tmp_path, text, Roster(path="r", columns=RosterColumns(post="職位")))


def test_declared_columns_win_over_the_known_ones(tmp_path: Path) -> None:
    columns = RosterColumns(person="Key", account="Mail", left_on="Gone", transferred_on="移った日")
    text = "key,employee id,mail,account,gone,left on,移った日\n1,2,a,b,2026-01-01,2026-02-02,2026-03-03\n"
    assert read(tmp_path, text, Roster(path="r", columns=columns)) == (
        Person(person="1", accounts=("a",), left_on=date(2026, 1, 1), transferred_on=date(2026, 3, 3)),
    )


@pytest.mark.parametrize(
    ("header", "columns", "messages"),
    [
        (
            "社員番号,アカウント,退職日,退社日",
            RosterColumns(),
            ['"退職日" and "退社日" could both be left_on; say which under [roster.columns]'],
        ),
        (
            "number,account",
            RosterColumns(),
            [
                "no column is known as person; name it under [roster.columns]: person = ...",
                "no column is known as left_on; name it under [roster.columns]: left_on = ...",
            ],
        ),
        (
            "person,account,left on,Mail adress",
            RosterColumns(account="mail address"),
            ['no column is called "mail address" did you mean "Mail adress"?'],
        ),
        (
            "person,account,account,left on",
            RosterColumns(account="account"),
            ['"account" and "account" could both be account; say which under [roster.columns]'],
        ),
    ],
)
def test_a_header_that_is_not_understood_is_refused(
    tmp_path: Path, header: str, columns: RosterColumns, messages: list[str]
) -> None:
    found = refused(tmp_path, f"\n{header}\n1,taro,,\n", Roster(path="r", columns=columns))
    assert found == [f"roster.csv: row 2: {message}" for message in messages]


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2026-03-31", date(2026, 3, 31)),
        ("2026/3/31", date(2026, 3, 31)),
        ("2026.03.31", date(2026, 3, 31)),
        ("20260331", date(2026, 3, 31)),
        ("2026年3月31日", date(2026, 3, 31)),
        ("２０２６年　３月３１日", date(2026, 3, 31)),
        ("２０２６／３／３１", date(2026, 3, 31)),
        ("2026-03-31 00:00:00", date(2026, 3, 31)),
        ("2026-03-31T00:00:00.000", date(2026, 3, 31)),
        ("令和8年3月31日", date(2026, 3, 31)),
        ("㋿8年3月31日", date(2026, 3, 31)),
        ("令和８年３月３１日", date(2026, 3, 31)),
        ("令和元年5月1日", date(2019, 5, 1)),
        ("平成31年4月30日", date(2019, 4, 30)),
        ("平成元年1月8日", date(1989, 1, 8)),
        ("昭和64年1月7日", date(1989, 1, 7)),
        ("R8.3.31", date(2026, 3, 31)),
        ("R.8.3.31", date(2026, 3, 31)),
        ("r08/03/31", date(2026, 3, 31)),
        ("H31.4.30", date(2019, 4, 30)),
        ("S64.1.7", date(1989, 1, 7)),
        ("2024-02-29", date(2024, 2, 29)),
        ('"=""2026-03-31"""', date(2026, 3, 31)),
        ("9999/12/31", None),
        ("", None),
        ("　", None),
        ("-", None),
        ("なし", None),
    ],
)
def test_dates_are_read_as_japan_writes_them(tmp_path: Path, cell: str, day: date | None) -> None:
    assert read(tmp_path, f"{JAPANESE}1,x,taro,{cell},\n")[0].left_on == day


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("2026年2月30日", '"2026年2月30日" is no day of the calendar'),
        ("2025-02-29", '"2025-02-29" is no day of the calendar'),
        ("2026/13/1", '"2026/13/1" is no day of the calendar'),
        ("0000-00-00", '"0000-00-00" is no day of the calendar'),
        ("令和元年4月30日", '"令和元年4月30日" is no day of the era, which began on 2019-05-01'),
        ("令和0年5月1日", '"令和0年5月1日" is no day of the era, which began on 2019-05-01'),
        (
            "平成31年5月1日",
            '"平成31年5月1日" is no day of the era, which lasted from 1989-01-08 to 2019-04-30',
        ),
        (
            "平成32年3月31日",
            '"平成32年3月31日" is no day of the era, which lasted from 1989-01-08 to 2019-04-30',
        ),
        ("S64.1.8", '"S64.1.8" is no day of the era, which lasted from 1926-12-25 to 1989-01-07'),
        ("令和8年2月30日", '"令和8年2月30日" is no day of the calendar'),
        ("1900/1/0", '"1900/1/0" is no day of the calendar'),
        ("0026-03-31", '"0026-03-31" is not between the years 1926 and 2199'),
        ("3/31/2026", '"3/31/2026" is no date'),
        ("31.3.2026", '"31.3.2026" is no date'),
        ("46112", '"46112" is no date'),
        ("2026-03", '"2026-03" is no date'),
        ("2026-03/31", '"2026-03/31" is no date'),
        ("2026-03-31 17:00", '"2026-03-31 17:00" is no date'),
        ("٢٠٢٦-03-31", "the cell is no date"),
        ("点検太郎", "the cell is no date"),
        ("=HYPERLINK(1)", "the cell is no date"),
        ("\x1b[31m", "the cell is no date"),
    ],
)
def test_a_day_that_does_not_exist_names_file_row_and_column(tmp_path: Path, cell: str, words: str) -> None:
    """What is repeated of a cell cannot be a person's name."""
    (found,) = refused(tmp_path, f"{JAPANESE}\n1,x,taro,,{cell}\n")
    assert found.startswith(f'roster.csv: row 3, column "異動日": {words}')


def test_all_rows_that_are_wrong_are_named_at_once(tmp_path: Path) -> None:
    found = refused(
        tmp_path,
        f'{ENGLISH},a,b,,\n2,"x\ny",c,2026-02-30,\n3,x,d,,,,surplus\n4,x,"e\x07",,\n5,x,f,soon,later\n',
    )
    assert [line.split(": ", 2)[1] for line in found] == [
        'row 2, column "Employee ID"',
        'row 3, column "Left on"',
        'row 4, column "Transferred on"',
        'row 5, column "Account"',
        'row 6, column "Left on"',
    ]


def test_of_very_many_errors_the_first_fifty_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    found = refused(tmp_path, ENGLISH + "1,x,y,soon,\n" * 73)
    assert len(found) == 51
    assert found[49].startswith("roster.csv: row 51,")
    assert found[50] == "roster.csv: and 23 more like these"


def test_rows_of_one_person_are_one_person_with_all_accounts(tmp_path: Path) -> None:
    text = f"{ENGLISH}1,x,taro,2026-03-31,\n2,x,hana,,\n１,x,t-admin taro,2026/3/31,\n"
    assert read(tmp_path, text) == (
        Person(person="1", accounts=("taro", "t-admin"), left_on=date(2026, 3, 31)),
        Person(person="2", accounts=("hana",)),
    )


@pytest.mark.parametrize(
    ("earlier", "later", "words"),
    [
        ("2026-03-31,", "2026-04-30,", "with different leaving dates"),
        (
            "2020-03-31,",
            ",",
            "with and without a leaving date; somebody who came back keeps the row without one",
        ),
        (
            ",",
            "2020-03-31,",
            "with and without a leaving date; somebody who came back keeps the row without one",
        ),
        (",2026-01-01", ",2026-02-01", "with different transfer dates; keep the latest"),
    ],
)
def test_rows_of_one_person_that_disagree_are_refused(
    tmp_path: Path, earlier: str, later: str, words: str
) -> None:
    found = refused(tmp_path, f"{ENGLISH}1,x,taro,{earlier}\n2,x,hana,,\n1,x,taro,{later}\n")
    assert found == [f"roster.csv: rows 2 and 4 are the same person {words}"]


@pytest.mark.parametrize(
    ("cell", "accounts"),
    [
        ("taro", ("taro",)),
        ("taro hana/x;y", ("taro", "hana", "x", "y")),
        ('"taro, hana、ｊｉｒｏ，Taro\ntaro"', ("taro", "hana", "jiro", "Taro")),
        ("CORP\\taro", ("CORP\\taro",)),
        ("taro@example.com", ("taro@example.com",)),
        ("=cmd|'x'!A1", ("=cmd|'x'!A1",)),
        ("-", ()),
        ("なし", ()),
        (" ; ", ()),
        ("", ()),
    ],
)
def test_a_cell_may_hold_several_accounts_or_none(
    tmp_path: Path, cell: str, accounts: tuple[str, ...]
) -> None:
    assert read(tmp_path, f"{ENGLISH}1,x,{cell},,\n")[0].accounts == accounts


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", JAPANESE, JAPANESE + ",,,,\n\n"])
def test_a_list_that_names_nobody_is_read_and_then_is_no_knowledge(tmp_path: Path, content: str) -> None:
    facts = read_roster(put(tmp_path, content), ROSTER)
    assert facts.persons == ()
    with pytest.raises(WithheldError, match="names nobody"):
        parse(roster_section(facts))


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ('1,x,"taro,,\n2,x,hana,,\n', "row 2: unexpected end of data"),
        ('1,x,"taro"s,,\n', "row 2: ',' expected after '\"'"),
        ("1,x,taro,,\n2,x,ha", "row 3: the file ends in the middle of a row"),
        (f"1,{'x' * 70_000},taro,,\n", "row 2: is longer than 65536 characters"),
        (f"1,{'x' * 140_000},taro,,\n", "row 2: field larger than field limit (131072)"),
        (f"{'1' * 257},x,taro,,\n", 'row 2, column "Employee ID": is longer than 256 characters'),
        ("1\u202e,x,taro,,\n", 'row 2, column "Employee ID": holds characters that cannot be printed'),
    ],
)
def test_a_file_that_is_broken_or_too_large_is_refused(tmp_path: Path, rest: str, words: str) -> None:
    assert refused(tmp_path, ENGLISH + rest) == [f"roster.csv: {words}"]


def test_an_endless_list_of_accounts_of_one_person_is_refused(tmp_path: Path) -> None:
    """In one cell or over many rows: a delimiter or a key has gone wrong."""
    cell = ";".join(f"u{place}" for place in range(257))
    rows = "".join(f"1,x,u{place},,\n" for place in range(257))
    assert refused(tmp_path, f"{ENGLISH}1,x,{cell},,\n") == [
        'roster.csv: row 2, column "Account": more than 256 accounts of one person'
    ]
    assert refused(tmp_path, ENGLISH + rows) == [
        "roster.csv: rows 2 to 258: more than 256 accounts of one person"
    ]
    fewer = cell.rpartition(";")[0]
    assert len(read(tmp_path, f"{ENGLISH}1,x,{fewer},,\n1,x,u0,,\n")[0].accounts) == 256


def test_trailing_empty_cells_may_be_left_away(tmp_path: Path) -> None:
    """Spreadsheet programs do so when they save CSV."""
    assert read(tmp_path, f"{ENGLISH}1,x,taro\n") == (Person(person="1", accounts=("taro",)),)


def test_rows_and_bytes_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{ENGLISH}1,x,a,,\n2,x,b,,\n"
    monkeypatch.setattr(roster_csv, "MOST_ROWS", 3)
    assert len(read(tmp_path, text)) == 2
    monkeypatch.setattr(roster_csv, "MOST_ROWS", 2)
    assert refused(tmp_path, text) == ["roster.csv: has more than 2 rows"]
    monkeypatch.setattr(roster_csv, "MOST_BYTES", len(text) - 1)
    with pytest.raises(RosterError, match=f"is larger than {len(text) - 1} bytes"):
        read(tmp_path, text)


def test_a_file_that_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RosterError, match=r"^r\.csv: cannot be read: No such file or directory$"):
        read_roster(tmp_path / "r.csv", ROSTER)
    os.mkfifo(tmp_path / "r.csv")
    with pytest.raises(RosterError, match=r"^r\.csv: is not a regular file$"):
        read_roster(tmp_path / "r.csv", ROSTER)


CELLS = st.one_of(
    st.sampled_from(
        ["社員番号", "account", "退職日", "異動日", "1", "2", "taro hana", "2026/2/29", "R8.3.31"]
    ),
    st.sampled_from(['"', '""', '"x', "\ufeff", "9999-12-31", "令和99年12月31日", "=1+1", "\n", "\r"]),
    st.text(max_size=12),
)
TABLES = st.builds(
    lambda delimiter, rows: "\n".join(delimiter.join(row) for row in rows),
    st.sampled_from(",\t;"),
    st.lists(st.lists(CELLS, max_size=5), max_size=5),
)
SOUND_START = st.sampled_from(["", JAPANESE, ENGLISH])


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda start, table, encoding: (start + table).encode(encoding, "replace"),
            SOUND_START,
            TABLES,
            st.sampled_from(["utf-8", "cp932", "utf-16"]),
        ),
    ),
    st.sampled_from(["", "", "utf-16", "euc-jp", "punycode", "idna"]),
)
@example(f"{JAPANESE}1,x,taro,2199-12-31,\n".encode(), "")
def test_any_bytes_are_a_roster_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes, encoding: str
) -> None:
    path = put(tmp_path_factory.mktemp("any"), raw)
    with contextlib.suppress(RosterError):
        facts = read_roster(path, Roster(path="roster.csv", encoding=encoding))
        with contextlib.suppress(WithheldError):
            assert parse(roster_section(facts)) == facts
