"""MIME structure, numbered as in the design's table: of two readings, the one that finds more leaves."""

import base64
import binascii
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

import pytest

from collectors.mail.headers import content_type, extension, words
from collectors.mail.message import MAX_PARTS, decode_base64, scan
from collectors.sources.mail import Defect, Kind, Protection, Role
from tests.collectors.mail.makers import PERSONS, aes_zip, leaves, mail

LIST = PERSONS.encode()


def parts(*lines: str, kind: str = 'multipart/mixed; boundary="b"') -> bytes:
    return ("\r\n".join([f"Content-Type: {kind}", "", *lines])).encode("latin-1")


def attachments(raw: bytes) -> list[bytes]:
    return [leaf.content for leaf in scan(raw).leaves if leaf.role is Role.ATTACHMENT]


def test_leaves_are_those_of_the_standard_library() -> None:
    """A mail that is written by the book is read alike by both."""
    inner = BytesParser(policy=policy.default).parsebytes(mail(("text/csv", "b.csv", LIST)))
    outer = EmailMessage()
    outer["To"] = "partner@example.com"
    outer.set_content("text\n")
    outer.add_alternative("<p>text</p>\n", subtype="html")
    outer.add_attachment(aes_zip(("a.csv", LIST)), maintype="application", subtype="zip", filename="a.zip")
    outer.add_attachment(inner)
    raw = outer.as_bytes(policy=policy.SMTP)
    parsed = BytesParser(policy=policy.default).parsebytes(raw)
    expected = [part.get_payload(decode=True) for part in parsed.walk() if not part.is_multipart()]
    found = scan(raw)
    assert found.defects == ()
    assert [leaf.content.strip() for leaf in found.leaves] == [content.strip() for content in expected]
    assert [leaf.role for leaf in found.leaves] == [
        Role.BODY,
        Role.BODY,
        Role.ATTACHMENT,
        Role.ATTACHMENT,
        Role.ATTACHMENT,
    ]


@pytest.mark.parametrize("encoding", ["7bit", "base64"])
def test_m2_an_attached_message_is_taken_apart(encoding: str) -> None:
    inner = mail(("text/csv", "list.csv", LIST)).decode()
    body = inner if encoding == "7bit" else base64.encodebytes(inner.encode()).decode()
    raw = parts(
        "--b", "Content-Type: message/rfc822", f"Content-Transfer-Encoding: {encoding}", "", body, "--b--", ""
    )
    assert LIST in attachments(raw)


def test_m2_a_message_under_another_type_is_taken_apart() -> None:
    found = leaves(mail(("text/csv", "list.csv", LIST)), ext="eml")
    assert [leaf.personal.persons for leaf in found if leaf.personal] == [0, 12]


def test_m3_a_uuencoded_block_in_a_body_is_a_file() -> None:
    block = (
        "begin 644 list.csv\n"
        + "".join(base64_uu(LIST[at : at + 45]) for at in range(0, len(LIST), 45))
        + "`\nend\n"
    )
    body, inner = leaves(f"see below\n\n{block}".encode(), role=Role.BODY)
    assert body.role is Role.BODY
    assert (inner.role, inner.ext) == (Role.ATTACHMENT, "csv")
    assert inner.personal is not None
    assert inner.personal.persons == 12


def base64_uu(chunk: bytes) -> str:
    return binascii.b2a_uu(chunk, backtick=True).decode()


def test_m3_a_data_link_in_a_body_is_a_file() -> None:
    link = base64.b64encode(aes_zip(("a.csv", LIST))).decode()
    body, inner = leaves(
        f'<p><a href="data:application/zip;base64,{link}">x</a></p>'.encode(), role=Role.BODY
    )
    assert (body.kind, inner.protection) == (Kind.HTML, Protection.STRONG)


@pytest.mark.parametrize("declared", ["text/plain", "image/png"])
def test_m4_content_decides_not_the_label(declared: str) -> None:
    raw = parts(
        "--b", f"Content-Type: {declared}", "Content-Transfer-Encoding: base64", "",
        base64.encodebytes(aes_zip(("a.csv", LIST))).decode(), "--b--", "",
    )  # fmt: skip
    (leaf,) = scan(raw).leaves
    (found,) = leaves(leaf.content, role=leaf.role)
    assert (found.kind, found.protection, found.role) == (Kind.ZIP, Protection.STRONG, Role.ATTACHMENT)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            "attachment; filename*0*=iso-2022-jp''%1B%24B%4C%3E%4A%6D; filename*1*=%1B%28B.xls; filename*2=x",
            "xlsx",
        ),
        ("attachment; filename*=UTF-8''%E5%90%8D%E7%B0%BF.csv", "csv"),
        ('attachment; filename="=?utf-8?B?5ZCN5w==?= =?utf-8?B?sL8ucGRm?="', "pdf"),
        ('attachment; filename="a\\"b.zip"', "zip"),
        ("attachment; filename=list.taro-yamada", "other"),
        ("attachment; filename=list", ""),
    ],
)  # fmt: skip
def test_m5_only_the_extension_of_a_name_is_kept(header: str, expected: str) -> None:
    raw = f"Content-Type: application/octet-stream\r\nContent-Disposition: {header}\r\n\r\nx".encode(
        "latin-1"
    )
    (leaf,) = scan(raw).leaves
    assert leaf.ext == expected


@pytest.mark.parametrize(
    ("raw", "defect"),
    [
        (parts("--b", "", "x", "--b--", kind="multipart/mixed"), Defect.NO_BOUNDARY),
        (parts("--c", "", "x", "--c--"), Defect.BOUNDARY_NOT_FOUND),
        (parts("--b", "Content-Transfer-Encoding: x-own", "", "x", "--b--"), Defect.CTE_UNKNOWN),
        (parts("--b", "Content-Type: message/partial; id=1", "", "x", "--b--"), Defect.PARTIAL),
        (parts("--b", "Content-Type: message/external-body", "", "x", "--b--"), Defect.EXTERNAL_BODY),
        (
            parts("--b", "Content-Type: text/plain", "Content-Type: text/csv", "", "x", "--b--"),
            Defect.DUPLICATE_HEADER,
        ),
        (parts("--b", "", "x", "--b--", "--b", "", "hidden", "--b--"), Defect.AFTER_CLOSE),
        (parts(*["--b", "", "x"] * (MAX_PARTS + 5), "--b--"), Defect.PARTS_LIMIT),
        (b"Content-Type: message/rfc822\r\n\r\n" * 40, Defect.DEPTH_LIMIT),
        (b"X: " + b"x" * 1_100_000, Defect.HEADER_LIMIT),
    ],
)
def test_m6_what_cannot_be_resolved_is_a_defect(raw: bytes, defect: Defect) -> None:
    assert defect in scan(raw).defects


def test_parts_after_the_end_are_found_too() -> None:
    raw = parts(
        "--b",
        "Content-Disposition: attachment",
        "",
        "seen",
        "--b--",
        "",
        "--b",
        "Content-Disposition: attachment",
        "",
        "late",
        "--b--",
    )
    assert [content.strip() for content in attachments(raw)] == [b"seen", b"late"]


def test_m7_without_the_last_delimiter_the_leaves_are_found() -> None:
    raw = mail(("text/csv", "list.csv", LIST))
    cut = raw[: raw.rstrip().rfind(b"\r\n--")]
    found = scan(cut)
    assert found.defects == (Defect.CLOSE_DELIMITER_MISSING,)
    assert LIST in attachments(cut)


def test_m8_junk_inside_base64_leaves_what_decodes() -> None:
    lines = base64.encodebytes(LIST).decode().split("\n")
    lines.insert(1, "!!! junk !!!")
    raw = parts(
        "--b", "Content-Type: text/csv; name=a.csv", "Content-Transfer-Encoding: base64", "", *lines, "--b--"
    )
    (leaf,) = scan(raw).leaves
    assert leaf.damaged
    assert Defect.BASE64_DAMAGED in scan(raw).defects
    assert leaf.content.startswith(LIST[:30])


def test_base64_behind_padding_is_not_lost() -> None:
    """Some readers stop at the first padding; the file behind it arrives at the others."""
    first, second = base64.b64encode(b"harmless").decode(), base64.b64encode(LIST).decode()
    content, is_damaged = decode_base64(f"{first}\r\n{second}".encode())
    assert content == b"harmless" + LIST
    assert is_damaged


def test_text_right_behind_the_fields_is_not_taken_for_a_header() -> None:
    raw = parts(
        "--b",
        "Content-Type: text/csv; name=a.csv",
        *PERSONS.encode().decode("latin-1").split("\r\n"),
        "--b--",
    )
    (leaf,) = scan(raw).leaves
    assert leaf.content.count(b"example.com") == 12


def test_a_boundary_without_semicolon_is_found() -> None:
    assert content_type("multipart/mixed boundary=b").parameters["boundary"] == "b"


def test_a_body_is_not_an_attachment_and_is_not_searched() -> None:
    (body,) = leaves(LIST, role=Role.BODY)
    assert (body.role, body.personal) == (Role.BODY, None)


def test_an_extension_is_one_of_a_closed_list() -> None:
    assert extension("x.\uff43\uff53\uff56") == "csv"
    assert extension("report.secret-token") == "other"


def test_m5_a_word_cut_inside_a_character_is_joined_before_it_is_decoded() -> None:
    assert words("=?utf-8?B?5ZCN5w==?= =?utf-8?B?sL8ucGRm?=") == "名簿.pdf"
    assert words("=?utf-8?Q?=E5=90=8D?= =?iso-2022-jp?B?GyRCSm0bKEI=?= x") == "名簿 x"
