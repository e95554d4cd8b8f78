"""PDF encryption as qpdf and pikepdf write it, with `qpdf --show-encryption` as the independent word."""

import io
import subprocess
from pathlib import Path

import pikepdf
import pytest

from collectors.sources.mail import Inspected, Kind, Protection, Why
from tests.collectors.mail.makers import PERSONS, leaves, pdf, tool

CASES = {
    "rc4-40": (["--allow-weak-crypto", "--encrypt", "{user}", "owner", "40", "--"], Protection.WEAK),
    "rc4-128": (
        ["--allow-weak-crypto", "--encrypt", "{user}", "owner", "128", "--use-aes=n", "--"],
        Protection.WEAK,
    ),
    "v4-rc4-128": (
        ["--allow-weak-crypto", "--encrypt", "{user}", "owner", "128", "--use-aes=n", "--force-V4", "--"],
        Protection.WEAK,
    ),
    "aes-128": (
        ["--allow-weak-crypto", "--encrypt", "{user}", "owner", "128", "--use-aes=y", "--"],
        Protection.STRONG,
    ),
    "aes-256-r5": (
        ["--allow-weak-crypto", "--encrypt", "{user}", "owner", "256", "--force-R5", "--"],
        Protection.STRONG,
    ),
    "aes-256-r6": (["--encrypt", "{user}", "owner", "256", "--"], Protection.STRONG),
    "aes-256-streams": (
        ["--linearize", "--object-streams=generate", "--encrypt", "{user}", "owner", "256", "--"],
        Protection.STRONG,
    ),
}


def encrypted(case: str, user: str, folder: Path) -> bytes:
    (folder / "plain.pdf").write_bytes(pdf())
    options = [option.format(user=user) for option in CASES[case][0]]
    tool("qpdf", "plain.pdf", *options, "out.pdf", cwd=folder)
    return (folder / "out.pdf").read_bytes()


def opens_without_password(folder: Path) -> bool:
    """Exit status 2 of qpdf means an error as well as "not encrypted", so its own words are read."""
    done = subprocess.run(
        ["qpdf", "--show-encryption", "out.pdf"], cwd=folder, capture_output=True, check=False, timeout=30
    )
    assert b"R = " in done.stdout
    return b"Incorrect password" not in done.stdout


@pytest.mark.parametrize("case", CASES)
def test_p1_p2_a_user_password_is_weak_or_strong_by_its_cipher(case: str, tmp_path: Path) -> None:
    (found,) = leaves(encrypted(case, "invented", tmp_path))
    assert not opens_without_password(tmp_path)
    assert (found.kind, found.protection) == (Kind.PDF, CASES[case][1])
    bits = case.split("-")[1] if not case.startswith("v4") else "128"
    assert found.algorithm == f"{'aes' if 'aes' in case else 'rc4'}-{bits}"


@pytest.mark.parametrize("case", CASES)
def test_p3_an_owner_password_alone_protects_nothing(case: str, tmp_path: Path) -> None:
    (found,) = leaves(encrypted(case, "", tmp_path))
    assert opens_without_password(tmp_path)
    assert (found.protection, found.why) == (Protection.TRIVIAL, Why.EMPTY_PASSWORD)


PUBLIC_KEY = b"""<< /Filter /Adobe.PubSec /SubFilter /adbe.pkcs7.s5 /V 5 /R 5 /Length 256
/StmF /DefaultCryptFilter /StrF /DefaultCryptFilter
/CF << /DefaultCryptFilter << /CFM /AESV3 /Length 256 /Recipients [<30820100>] >> >> >>"""


def with_dictionary(dictionary: bytes) -> bytes:
    """A PDF whose trailer names an encryption dictionary of ours."""
    raw = pdf()
    at = raw.rfind(b"trailer")
    if at < 0:
        out = io.BytesIO()
        with pikepdf.open(io.BytesIO(raw)) as made:
            made.save(out, object_stream_mode=pikepdf.ObjectStreamMode.disable)
        raw = out.getvalue()
        at = raw.rfind(b"trailer")
    return raw[:at] + raw[at:].replace(b"<<", b"<< /Encrypt " + dictionary + b" ", 1)


def test_p4_a_certificate_handler_is_strong() -> None:
    """Qpdf calls it an error ("unsupported encryption filter"), which must not read as damaged."""
    (found,) = leaves(with_dictionary(PUBLIC_KEY))
    assert (found.protection, found.algorithm, found.why) == (
        Protection.STRONG,
        "aes-256",
        Why.CERTIFICATE,
    )


def test_an_unknown_handler_is_not_taken_for_protection() -> None:
    (found,) = leaves(with_dictionary(PUBLIC_KEY.replace(b"Adobe.PubSec", b"Vendor.Own")))
    assert found.protection is Protection.CORRUPT


def test_p5_embedded_files_are_leaves() -> None:
    out = io.BytesIO()
    with pikepdf.new() as made:
        made.add_blank_page()
        made.attachments["list.csv"] = pikepdf.AttachedFileSpec(made, PERSONS.encode(), filename="list.csv")
        made.save(out)
    outer, inner = leaves(out.getvalue())
    assert (outer.protection, outer.inspected) == (Protection.NONE, Inspected.NOT)
    assert inner.ext == "csv"
    assert inner.personal is not None
    assert inner.personal.persons == 12


def test_p5_a_filter_that_leaves_the_pages_clear_is_no_protection() -> None:
    """Only embedded files are encrypted (/EFF): the pages are there to read."""
    raw = encrypted_with_filters(b"/StmF /StdCF", b"/StmF /Identity")
    (found,) = leaves(raw)
    assert (found.protection, found.why) == (Protection.NONE, Why.ATTACHMENTS_ONLY)


def encrypted_with_filters(old: bytes, new: bytes) -> bytes:
    raw = pdf(user="invented", owner="owner", R=4, aes=True)
    assert raw.count(old) == 1
    return raw.replace(old, new)


@pytest.mark.parametrize("cut", [200, 40])
def test_p6_a_damaged_pdf_is_corrupt(cut: int) -> None:
    (found,) = leaves(pdf(user="invented", owner="owner")[:cut])
    assert found.protection is Protection.CORRUPT


def test_p6_a_page_tree_that_loops_ends() -> None:
    catalog = b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    pages = b"2 0 obj<</Type/Pages/Kids[2 0 R]/Count 1>>endobj\n"
    (found,) = leaves(b"%PDF-1.4\n" + catalog + pages + b"trailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n")
    assert found.protection in (Protection.NONE, Protection.CORRUPT)
    assert found.inspected is Inspected.NOT


def test_p7_a_readable_pdf_is_not_called_inspected() -> None:
    (found,) = leaves(pdf())
    assert (found.protection, found.inspected, found.personal) == (Protection.NONE, Inspected.NOT, None)


def test_a_list_behind_an_encrypted_pdf_is_not_hidden_by_it() -> None:
    raw = pdf(user="invented", owner="owner")
    (short,) = leaves(raw + PERSONS.encode()[:300])
    assert (short.protection, short.why) == (Protection.UNKNOWN, Why.HIDDEN)
    (long,) = leaves(raw + PERSONS.encode() * 2)
    assert long.protection is Protection.CORRUPT


def test_damage_does_not_turn_an_empty_password_into_protection() -> None:
    """Its verifier is among the damaged bytes, so the password no longer fits; that is no secret."""
    raw = bytearray(pdf(user="", owner="owner", R=4, aes=True))
    raw[raw.find(b"/U <") + 4] ^= 1
    damaged = bytes(raw).replace(b"1 0 obj", b"%junk\n1 0 obj", 1)
    with pytest.raises(pikepdf.PasswordError):
        pikepdf.open(io.BytesIO(damaged))
    (found,) = leaves(damaged)
    assert found.protection is Protection.CORRUPT
