"""OLE compound files: encrypted OOXML (MS-OFFCRYPTO), and xls, doc, ppt (MS-XLS, MS-DOC, MS-PPT)."""

import io
import re
import struct

import msoffcrypto
import olefile

from collectors.mail.leaves import MAX_MEMBER_BYTES, DamagedError, Inner, Verdict
from collectors.sources.mail import Kind, Protection, Why

DEFAULT_PASSWORD = "VelvetSweatshop"
MAX_SPIN = 200_000
"""hash rounds spent on trying it; Office writes 100,000"""
MAX_STREAM_BYTES = 4 * 1024 * 1024
"""of a legacy document's first stream: the flags stand at its beginning"""
_FILEPASS, _BOF = 0x002F, 0x0809
_BOFS = {0x0009, 0x0209, 0x0409, _BOF}
_WORD_IDENTS = {0xA5EC, 0xA5DC}
_ALGORITHMS = {
    0x6801: ("rc4", Protection.WEAK),
    0x660E: ("aes-128", Protection.STRONG),
    0x660F: ("aes-192", Protection.STRONG),
    0x6610: ("aes-256", Protection.STRONG),
}
"""AlgID of the standard encryption header (MS-OFFCRYPTO 2.3.2)"""
_AGILE_STRONG = {b"AES": "aes"}
_AGILE_WEAK = {
    b"RC2": "rc2",
    b"RC4": "rc4",
    b"DES": "des",
    b"DESX": "desx",
    b"3DES": "3des",
    b"3DES_112": "3des",
}


def read_ole(data: bytes) -> Verdict:
    """Judge a compound file; raises DamagedError when it is none."""
    try:
        with olefile.OleFileIO(io.BytesIO(data), raise_defects=olefile.DEFECT_FATAL) as ole:
            top = {path[0].lower() for path in ole.listdir() if len(path) == 1}
            if "encryptioninfo" in top or "encryptedpackage" in top:
                return _encrypted_package(ole, data, top)
            return _legacy(ole, data, top)
    except (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error) as err:
        raise DamagedError from err


def _stream(ole: olefile.OleFileIO, name: str) -> bytes:
    content: bytes = ole.openstream(name).read(MAX_STREAM_BYTES)
    return content


def _encrypted_package(ole: olefile.OleFileIO, data: bytes, top: set[str]) -> Verdict:
    if not {"encryptioninfo", "encryptedpackage"} <= top:
        raise DamagedError
    others = {name for name in top if not name.startswith(("\x05", "\x06"))}
    if others != {"encryptioninfo", "encryptedpackage"}:
        return Verdict(kind=Kind.OOXML_ENCRYPTED, protection=Protection.UNKNOWN, why=Why.HIDDEN)
    info = _stream(ole, "EncryptionInfo")
    if _stream(ole, "EncryptedPackage")[8:12] == b"PK\3\4":
        return Verdict(kind=Kind.OOXML_ENCRYPTED, protection=Protection.UNKNOWN, why=Why.FALSE_FLAG)
    algorithm, protection, spin = _package_cipher(info)
    if protection is Protection.UNKNOWN:
        return Verdict(kind=Kind.OOXML_ENCRYPTED, protection=protection, why=Why.METHOD)
    if spin > MAX_SPIN:
        return Verdict(
            kind=Kind.OOXML_ENCRYPTED, protection=protection, algorithm=algorithm, why=Why.SPIN_COUNT
        )
    opened = _by_default_password(data)
    if opened is None:
        return Verdict(kind=Kind.OOXML_ENCRYPTED, protection=protection, algorithm=algorithm)
    return _trivial(Kind.OOXML_ENCRYPTED, algorithm, opened)


def _package_cipher(info: bytes) -> tuple[str, Protection, int]:
    """Return cipher, its worth and the hash rounds (MS-OFFCRYPTO 2.3.4.5 and 2.3.4.10)."""
    major, minor = struct.unpack_from("<HH", info, 0)
    if (major, minor) == (4, 4):
        return _agile(info[8:])
    if minor == 2 and major in (2, 3, 4):  # noqa: PLR2004 (standard encryption)
        algorithm, protection = _ALGORITHMS.get(
            struct.unpack_from("<I", info, 12 + 8)[0], ("", Protection.UNKNOWN)
        )
        return algorithm, protection, 50_000
    return "", Protection.UNKNOWN, 0


def _agile(xml: bytes) -> tuple[str, Protection, int]:
    ciphers = re.findall(rb'cipherAlgorithm\s*=\s*"([A-Za-z0-9_]{1,20})"', xml)
    bits = [int(found) for found in re.findall(rb'keyBits\s*=\s*"([0-9]{1,4})"', xml)]
    spins = [int(found) for found in re.findall(rb'spinCount\s*=\s*"([0-9]{1,10})"', xml)]
    if not ciphers or not bits:
        return "", Protection.UNKNOWN, 0
    spin = max(spins, default=0)
    weak = [_AGILE_WEAK[name] for name in ciphers if name in _AGILE_WEAK]
    if weak:
        return weak[0], Protection.WEAK, spin
    if all(name in _AGILE_STRONG for name in ciphers) and min(bits) >= 128:  # noqa: PLR2004 (smallest AES key)
        return f"aes-{min(bits)}", Protection.STRONG, spin
    return "", Protection.UNKNOWN, spin


def _legacy(ole: olefile.OleFileIO, data: bytes, top: set[str]) -> Verdict:
    states = [_xls(_stream(ole, name)) for name in ("workbook", "book") if name in top]
    if "worddocument" in top:
        states.append(_doc(_stream(ole, "worddocument")))
    if "powerpoint document" in top:
        states.append(_ppt(_stream(ole, "current user") if "current user" in top else b""))
    if not states:
        return Verdict(kind=Kind.OLE, protection=Protection.UNKNOWN, why=Why.NO_READER)
    if not all(is_encrypted for is_encrypted, _ in states):
        return Verdict(kind=Kind.OFFICE97, protection=Protection.NONE, why=Why.NO_READER)
    algorithm = states[0][1]
    # The library takes any password for Word's XOR: its acceptance says nothing there.
    is_unverified = algorithm == "xor" and "worddocument" in top
    opened = None if is_unverified else _by_default_password(data)
    if opened is not None:
        return _trivial(Kind.OFFICE97, algorithm, opened)
    return Verdict(kind=Kind.OFFICE97, protection=Protection.WEAK, algorithm=algorithm)


def _xls(stream: bytes) -> tuple[bool, str]:
    """Look for the FilePass record behind the first BOF (MS-XLS 2.4.117)."""
    at = 0
    kind, size = struct.unpack_from("<HH", stream, at)
    if kind not in _BOFS:
        raise DamagedError
    # FilePass precedes all content; the few records before it are fixed by the grammar (2.1.7.20.3).
    for _ in range(8):
        at += 4 + size
        kind, size = struct.unpack_from("<HH", stream, at)
        if kind == _FILEPASS:
            return True, _filepass(stream[at + 4 : at + 4 + size])
    return False, ""


def _filepass(body: bytes) -> str:
    if len(body) <= 4 or body[:2] == b"\0\0":  # noqa: PLR2004 (Excel 5: key and hash only)
        return "xor"
    major = int.from_bytes(body[2:4], "little")
    return "rc4-40" if major == 1 else "rc4"


def _doc(stream: bytes) -> tuple[bool, str]:
    """Read fEncrypted and fObfuscated of the FibBase (MS-DOC 2.5.2)."""
    ident, flags = struct.unpack_from("<H8xH", stream, 0)
    if ident not in _WORD_IDENTS:
        raise DamagedError
    return bool(flags & 0x0100), "xor" if flags & 0x8000 else "rc4"


def _ppt(current_user: bytes) -> tuple[bool, str]:
    """Read headerToken of the CurrentUserAtom (MS-PPT 2.3.2)."""
    token = struct.unpack_from("<I", current_user, 12)[0]
    if token == 0xF3D1C4DF:  # noqa: PLR2004 (the token of an encrypted document)
        return True, "rc4"
    if token != 0xE391C05F:  # noqa: PLR2004 (the token of a plain one)
        raise DamagedError
    return False, ""


def _by_default_password(data: bytes) -> Inner | None:
    """Open with the vendor's published password; None when the file's own verifier says it is not the one."""
    try:
        file = msoffcrypto.OfficeFile(io.BytesIO(data))
        if isinstance(file, msoffcrypto.format.ooxml.OOXMLFile):
            file.load_key(password=DEFAULT_PASSWORD, verify_password=True)
        else:
            file.load_key(password=DEFAULT_PASSWORD)
    except Exception:  # noqa: BLE001 (the library raises anything on files it does not understand)
        return None
    opened = io.BytesIO()
    try:
        file.decrypt(opened)
    except Exception:  # noqa: BLE001 (as above: the password was right all the same)
        return Inner(protection=Protection.CORRUPT, why=Why.DAMAGED)
    content = opened.getvalue()
    if len(content) > MAX_MEMBER_BYTES:
        return Inner(protection=Protection.LIMIT, why=Why.SIZE, bytes=len(content))
    return Inner(content=content, bytes=len(content))


def _trivial(kind: Kind, algorithm: str, opened: Inner) -> Verdict:
    return Verdict(
        kind=kind,
        protection=Protection.TRIVIAL,
        algorithm=algorithm,
        why=Why.DEFAULT_PASSWORD,
        inner=(opened,),
    )
