"""Files as real tools make them, for the readers to be judged by."""

import io
import struct
import subprocess
import zipfile
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pikepdf
import pyzipper

from collectors.mail.leaf import judge
from collectors.mail.leaves import Order
from collectors.sources.mail import Leaf, Role

PERSONS = "氏名,電話番号,メールアドレス\r\n" + "".join(
    f"見本{number:02d},03-0000-{number:04d},mihon{number:02d}@example.com\r\n" for number in range(1, 13)
)
"""twelve invented persons"""


def leaves(
    content: bytes, *, ext: str = "", role: Role = Role.ATTACHMENT, damaged: bool = False
) -> tuple[Leaf, ...]:
    """Judge one file in this process: the leaf itself comes first."""
    order = Order(
        path="1", declared="other", ext=ext, role=role, damaged=damaged, own_domains=("example.jp",), key=b"k"
    )
    return judge(order, content)


def tool(*command: str, cwd: Path, stdin: bytes | None = None) -> bytes:
    """Run a real tool and return what it printed."""
    done = subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, check=True, timeout=60)
    return done.stdout


def plain_zip(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A clear archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def aes_zip(*members: tuple[str, bytes], bits: int = 256) -> bytes:
    """An archive with WinZip AES."""
    out = io.BytesIO()
    with pyzipper.AESZipFile(out, "w", compression=pyzipper.ZIP_DEFLATED) as archive:
        archive.setpassword(b"an invented secret")
        archive.setencryption(pyzipper.WZ_AES, nbits=bits)
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def zipcrypto(folder: Path, *members: tuple[str, bytes]) -> bytes:
    """An archive as Info-ZIP's `zip -P` makes it."""
    for name, content in members:
        (folder / name).write_bytes(content)
    tool("zip", "-q", "-P", "invented", "weak.zip", *(name for name, _ in members), cwd=folder)
    raw = (folder / "weak.zip").read_bytes()
    (folder / "weak.zip").unlink()
    return raw


def pdf(**encryption: object) -> bytes:
    """A PDF with one page, encrypted as pikepdf is told."""
    out = io.BytesIO()
    with pikepdf.new() as made:
        made.add_blank_page()
        made.save(out, encryption=pikepdf.Encryption(**encryption) if encryption else False)
    return out.getvalue()


_TYPES = b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'


def workbook(rows: list[list[str]]) -> bytes:
    """An XLSX with shared strings, as Excel writes them."""
    strings = sorted({cell for row in rows for cell in row})
    shared = "".join(f"<si><t>{text}</t></si>" for text in strings)
    sheet = "".join(
        f'<row r="{number}">'
        + "".join(
            f'<c r="{chr(65 + column)}{number}" t="s"><v>{strings.index(cell)}</v></c>'
            for column, cell in enumerate(row)
        )
        + "</row>"
        for number, row in enumerate(rows, 1)
    )
    return plain_zip(
        ("[Content_Types].xml", _TYPES),
        ("xl/workbook.xml", b"<workbook/>"),
        ("xl/worksheets/sheet1.xml", f"<worksheet><sheetData>{sheet}</sheetData></worksheet>".encode()),
        ("xl/sharedStrings.xml", f"<sst>{shared}</sst>".encode()),
    )


def persons_rows() -> list[list[str]]:
    """The table of PERSONS as rows."""
    return [line.split(",") for line in PERSONS.split("\r\n") if line]


def compound(**streams: bytes) -> bytes:
    """A compound file (MS-CFB, version 3) with the streams at its top; each is padded to 4,096 bytes."""
    names = [(name.replace("_", " "), content.ljust(4_096, b"\0")) for name, content in streams.items()]
    sectors: list[bytes] = []
    fat: list[int] = []

    def chain(raw: bytes) -> int:
        first = len(sectors)
        pieces = [raw[at : at + 512].ljust(512, b"\0") for at in range(0, len(raw), 512)]
        for index, piece in enumerate(pieces):
            sectors.append(piece)
            fat.append(first + index + 1 if index + 1 < len(pieces) else 0xFFFFFFFE)
        return first

    starts = [(name, chain(content), len(content)) for name, content in names]
    entries = [_entry("Root Entry", 5, 0xFFFFFFFE, 0, child=1 if starts else 0xFFFFFFFF)]
    # A tree that is a chain to the right, in the order of the format: shorter names first.
    ordered = sorted(starts, key=lambda one: (len(one[0]), one[0].upper()))
    for index, (name, start, size) in enumerate(ordered, 1):
        right = index + 1 if index < len(ordered) else 0xFFFFFFFF
        entries.append(_entry(name, 2, start, size, right=right))
    while len(entries) % 4:
        entries.append(_entry("", 0, 0, 0))
    directory = chain(b"".join(entries))
    fat_at = len(sectors)
    fat.append(0xFFFFFFFD)
    table = b"".join(struct.pack("<I", value) for value in fat).ljust(512, b"\xff")
    numbers = (0x3E, 3, 0xFFFE, 9, 6, 0, 1, directory, 0, 4_096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0, fat_at)
    header = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
        + struct.pack("<HHHHH6xIIIIIIIIII", *numbers)
    )  # fmt: skip
    return header.ljust(512, b"\xff") + b"".join(sectors) + table


def _entry(
    name: str, kind: int, start: int, size: int, *, right: int = 0xFFFFFFFF, child: int = 0xFFFFFFFF
) -> bytes:
    raw = (name.encode("utf-16-le") + b"\0\0").ljust(64, b"\0")
    return raw + struct.pack(
        "<HBBIII16xI8x8xIQ",
        len(name) * 2 + 2 if name else 0,
        kind,
        1,
        0xFFFFFFFF,
        right,
        child,
        0,
        start,
        size,
    )


def mail(
    *attachments: tuple[str, str, bytes],
    to: str = "partner@example.com",
    stamp: str = "Mon, 05 Jan 2026 10:00:00 +0900",
    text: str = "invented\n",
) -> bytes:
    """A mail as the standard library writes it; attachments are (media type, name, content)."""
    message = EmailMessage()
    message["Received"] = f"from a.example.jp by b.example.jp; {stamp}"
    message["From"] = "eigyo@example.jp"
    message["To"] = to
    message["Date"] = stamp
    message["Subject"] = "invented"
    message.set_content(text)
    for media, name, content in attachments:
        kind, _, sub = media.partition("/")
        message.add_attachment(content, maintype=kind, subtype=sub, filename=name)
    return message.as_bytes(policy=SMTP)
