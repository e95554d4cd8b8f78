"""A small journal of real messages to try Tenken with: every person, address and number in it is invented."""

import io
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

import pikepdf
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

INSIDE, OUTSIDE = "example.jp", "example.com"


def write_example_maildir(folder: Path, now: datetime) -> None:
    """Write a Maildir of five messages sent in the days before `now`; a folder that exists is left as it is.

    In it: a PDF with AES-256 and an S/MIME mail to the outside (protected), a CSV with twelve persons to the
    outside (not protected), the same inside the company, and a mail without a file.
    """
    if folder.exists():
        return
    messages = (
        _with_pdf(now - timedelta(days=5)),
        _with_list(now - timedelta(days=4), f"soumu@{INSIDE}"),
        _with_list(now - timedelta(days=3), f"partner@{OUTSIDE}"),
        _without_file(now - timedelta(days=2)),
        _with_smime(now - timedelta(days=1)),
    )
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True)
    for number, message in enumerate(messages, 1):
        # maildir(5): unique by time and number; what is complete is moved from tmp to new.
        name = f"{int(now.timestamp())}.M{number}.journal"
        (folder / "tmp" / name).write_bytes(message.as_bytes(policy=SMTP))
        (folder / "tmp" / name).rename(folder / "new" / name)


def _message(sent: datetime, to: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    stamp = format_datetime(sent.astimezone(UTC))
    message["Received"] = (
        f"from client.{INSIDE} by mail.{INSIDE} with ESMTPSA id journal{sent:%d%H%M}; {stamp}"
    )
    message["From"] = f"eigyo@{INSIDE}"
    message["To"] = to
    message["Date"] = stamp
    message["Message-ID"] = f"<{sent:%Y%m%d%H%M%S}@{INSIDE}>"
    message["Subject"] = subject
    message.set_content(text)
    return message


def _with_pdf(sent: datetime) -> EmailMessage:
    message = _message(sent, f"partner@{OUTSIDE}", "御見積書", "見積書をお送りします。\n")
    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        out = io.BytesIO()
        pdf.save(out, encryption=pikepdf.Encryption(user="an invented secret", owner="another one", R=6))
    message.add_attachment(out.getvalue(), maintype="application", subtype="pdf", filename="見積書.pdf")
    return message


def _with_list(sent: datetime, to: str) -> EmailMessage:
    message = _message(sent, to, "名簿", "名簿を添付します。\n")
    rows = ["氏名,電話番号,メールアドレス,住所"]
    rows += [
        f"見本 {number:02d}郎,03-0000-{number:04d},mihon{number:02d}@{OUTSIDE},東京都見本区見本町{number}-1"
        for number in range(1, 13)
    ]
    message.add_attachment(
        "\r\n".join(rows).encode("cp932"), maintype="text", subtype="csv", filename="名簿.csv"
    )
    return message


def _without_file(sent: datetime) -> EmailMessage:
    return _message(sent, f"partner@{OUTSIDE}", "お礼", "本日はありがとうございました。\n")


def _with_smime(sent: datetime) -> EmailMessage:
    inner = EmailMessage()
    inner.set_content("契約書をお送りします。\n")
    inner.add_attachment(b"%PDF-1.7 invented", maintype="application", subtype="pdf", filename="contract.pdf")
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"partner@{OUTSIDE}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(sent - timedelta(days=1))
        .not_valid_after(sent + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    sealed = (
        pkcs7.PKCS7EnvelopeBuilder()
        .set_data(inner.as_bytes(policy=SMTP))
        .add_recipient(certificate)
        .set_content_encryption_algorithm(algorithms.AES256)
        .encrypt(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])
    )
    message = _message(sent, f"partner@{OUTSIDE}", "契約書", "")
    message.clear_content()
    message.set_content(
        sealed, maintype="application", subtype="pkcs7-mime", filename="smime.p7m", cte="base64"
    )
    message.set_param("smime-type", "enveloped-data")
    return message
