"""Files with personal information that leave by e-mail need a secret to be read.

## What it looks at

Every message of the journal's period with a recipient outside the company's own domains, and each file in
it, files inside archives included: by its content, whether a secret is needed (ZIP, PDF, Office, S/MIME), how
good the cipher is, and, for files that anyone can read, how many persons they tell of. Recipients are those
that the headers show; a journal copy has no Bcc. What cannot be read here (pictures, PDF text, 7z, RAR and
others) is reported as not measured, never as protected and never as harmless.

## Why it matters

A mail passes servers of strangers and is easily sent to the wrong person; then the secret is all that is
left.

## What to do

Send the file through a channel that knows its reader (S/MIME, OpenPGP, a file service with log-in), or
set a password with AES-256 and give it by another way than mail. Replace ZipCrypto and RC4, which are broken.
"""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta, Struct

from checks.model import Advice, Options, Outcome, Result, Severity, Subject, check
from checks.text import Text, say
from collectors.evidence import Reason, TargetKind
from collectors.sources.mail import (
    LIMITS,
    UNRESOLVED,
    Inspected,
    Kind,
    Leaf,
    MailFacts,
    Message,
    Protection,
    Role,
)


class Limits(Options, frozen=True, kw_only=True):
    """Settings under `[promise.set]`."""

    persons: Annotated[
        int, Meta(ge=2, le=1_000, description="persons in one readable file from which the check fails")
    ] = 10
    review_persons: Annotated[
        int, Meta(ge=2, le=1_000, description="persons in one readable file from which it asks for a review")
    ] = 2


WHOLE = Subject(kind="target", name="")
EXPECTED = say("files with personal information need a secret to be read")
PPAP = Advice(
    text=say(
        "Password-protected files by e-mail are an obsolete measure: the password tends to follow by the "
        "same way, and mail gateways cannot look for malware inside."
    ),
    source="JIPDEC (PrivacyMark), 18 November 2020; Cabinet Office of Japan, ended on 26 November 2020",
)
BROKEN = Advice(
    text=say("The cipher used is broken; use AES-256."),
    source="Biham and Kocher, A Known Plaintext Attack on the PKZIP Stream Cipher, 1994; RFC 7465 (RC4)",
)
_PASSWORD_KINDS = frozenset({Kind.ZIP, Kind.PDF, Kind.OOXML_ENCRYPTED, Kind.OFFICE97})
_SECRET = frozenset({Protection.STRONG, Protection.WEAK})
_READABLE = frozenset({Protection.NONE, Protection.TRIVIAL, Protection.PARTIAL, Protection.SIGNED_ONLY})
_WRAPPERS = frozenset({Kind.ZIP, Kind.MESSAGE, Kind.SMIME})
"""kinds that have nothing to read but the files inside, which follow as leaves"""


class _Judged(Struct, frozen=True, kw_only=True):
    """One leaf's result and its words."""

    result: Result
    reason: Reason | None = None
    text: Text


@check(
    "mail-attachment-encryption",
    kind=TargetKind.MAIL,
    severity=Severity.HIGH,
    controls=(
        "PPC:10-6(4)",
        "ISO27001:A.5.14",
        "ISO27001:A.8.12",
        "ISO27001:A.8.24",
        "NIST800-53:SC-8",
        "NIST800-53:SC-13",
        "CISv8:3.10",
        "CISv8:9.6",
    ),
)
def mail_attachment_encryption(mail: MailFacts, options: Limits) -> Iterator[Outcome]:
    """Judge each message with files to the outside; the worst file decides."""
    if mail.unread:
        yield _unread(mail)
    judged = 0
    seen: set[str] = set()
    for message in mail.messages:
        if message.digest in seen:
            # The journal may hold one copy for each recipient.
            continue
        seen.add(message.digest)
        outcome = _message(message, options) if message.examined else None
        if outcome is not None:
            judged += 1
            yield outcome
    if not judged and mail.messages:
        yield Outcome(
            subject=WHOLE,
            result=Result.PASS,
            summary=say("{messages} messages, none with a file to the outside", messages=len(mail.messages)),
            expected=EXPECTED,
            actual=say(
                "{messages} messages in the period, {inside} of them between own addresses only; recipients "
                "as the headers show them",
                messages=len(mail.messages),
                inside=sum(not message.examined for message in mail.messages),
            ),
        )
    elif not mail.messages:
        yield Outcome(
            subject=WHOLE,
            result=Result.UNKNOWN,
            reason=Reason.NO_OBSERVATION,
            summary=say("the journal holds no message of the period"),
            expected=EXPECTED,
            actual=say("{total} entries, {older} of them older", total=mail.total, older=mail.older),
        )


def _unread(mail: MailFacts) -> Outcome:
    count = sum(unread.count for unread in mail.unread)
    worst = max(mail.unread, key=lambda unread: unread.count)
    return Outcome(
        subject=WHOLE,
        result=Result.UNKNOWN,
        reason=worst.reason,
        summary=say("{count} of {total} entries could not be read", count=count, total=mail.total),
        expected=say("every message of the journal can be read"),
        actual=say(
            "not read: {reasons}",
            reasons=", ".join(f"{unread.reason.value} {unread.count}" for unread in mail.unread),
        ),
    )


def _message(message: Message, options: Limits) -> Outcome | None:
    """Judge one message; None when it has no file and nothing is in doubt."""
    files = [
        leaf for leaf in message.leaves if leaf.role is Role.ATTACHMENT and leaf.kind is not Kind.SIGNATURE
    ]
    judged = [_leaf(leaf, options) for leaf in files]
    doubts = UNRESOLVED & set(message.defects)
    if doubts:
        judged.append(_structure(message))
    if not judged:
        return None
    worst = min(judged, key=lambda one: one.result.rank)
    if not message.external and worst.result in (Result.FAIL, Result.WARN):
        worst = _Judged(
            result=Result.UNKNOWN,
            reason=Reason.UNDETERMINED,
            text=say("no recipient can be read in the headers: whether its readable files left is not known"),
        )
    return Outcome(
        subject=Subject(kind="message", name=message.digest[:12]),
        result=worst.result,
        reason=worst.reason,
        summary=worst.text,
        expected=EXPECTED,
        actual=say(
            "{files} files to {external} recipients outside as the headers show them: {secret} need a "
            "secret, {readable} can be read by anyone, {unsure} could not be told",
            files=len(files),
            external=message.external,
            secret=sum(leaf.protection in _SECRET for leaf in files),
            readable=sum(leaf.protection in _READABLE for leaf in files),
            unsure=sum(leaf.protection not in _SECRET | _READABLE for leaf in files),
        ),
        advice=_advice(files),
    )


def _advice(files: list[Leaf]) -> tuple[Advice, ...]:
    by_password = any(
        leaf.kind in _PASSWORD_KINDS and leaf.protection in _SECRET | {Protection.PARTIAL, Protection.TRIVIAL}
        for leaf in files
    )
    is_broken = any(leaf.protection is Protection.WEAK for leaf in files)
    return ((PPAP,) if by_password else ()) + ((BROKEN,) if is_broken else ())


def _structure(message: Message) -> _Judged:
    found = sorted(UNRESOLVED & set(message.defects))
    is_limit = bool(LIMITS & set(found))
    return _Judged(
        result=Result.UNKNOWN,
        reason=Reason.LIMIT if is_limit else Reason.CORRUPT,
        text=say("the message's structure may hide files: {defects}", defects=", ".join(found)),
    )


def _leaf(leaf: Leaf, options: Limits) -> _Judged:
    what = f"{leaf.kind.value} {leaf.path}"
    match leaf.protection:
        case Protection.STRONG:
            words = say("{what} needs a secret ({algorithm})", what=what, algorithm=leaf.algorithm)
            return _Judged(result=Result.PASS, text=words)
        case Protection.WEAK:
            words = say(
                "{what} needs a secret, but the cipher is broken ({algorithm})",
                what=what,
                algorithm=leaf.algorithm,
            )
            return _Judged(result=Result.WARN, text=words)
        case Protection.PARTIAL | Protection.SIGNED_ONLY:
            return _Judged(result=Result.PASS, text=say("{what}: the files inside decide", what=what))
        case Protection.NONE | Protection.TRIVIAL:
            return _readable(leaf, what, options)
        case Protection.UNKNOWN:
            return _not_measured(leaf, what, Reason.UNDETERMINED)
        case Protection.CORRUPT:
            return _not_measured(leaf, what, Reason.CORRUPT)
        case Protection.LIMIT:
            return _not_measured(leaf, what, Reason.LIMIT)


def _not_measured(leaf: Leaf, what: str, reason: Reason) -> _Judged:
    words = say(
        "whether {what} needs a secret could not be told ({why})",
        what=what,
        why=leaf.why.value if leaf.why else leaf.protection.value,
    )
    return _Judged(result=Result.UNKNOWN, reason=reason, text=words)


def _readable(leaf: Leaf, what: str, options: Limits) -> _Judged:
    """A file that anyone can read: what it tells of persons decides."""
    found = leaf.personal
    if found is not None and (found.special or found.persons >= options.persons):
        words = say(
            "{what} can be read by anyone and tells of {persons} persons, {special} of them with a My Number",
            what=what,
            persons=max(found.persons, found.special),
            special=found.special,
        )
        return _Judged(result=Result.FAIL, text=words)
    if leaf.kind in _WRAPPERS or leaf.kind is Kind.EMPTY:
        return _Judged(result=Result.PASS, text=say("{what} holds nothing but the files inside", what=what))
    if leaf.protection is Protection.TRIVIAL and leaf.kind is not Kind.PDF:
        words = say("{what} opens without a secret: the file inside decides", what=what)
        return _Judged(result=Result.PASS, text=words)
    if found is None or leaf.inspected is not Inspected.FULL:
        words = say(
            "{what} can be read by anyone; whether it holds personal information was not measured",
            what=what,
        )
        return _Judged(result=Result.UNKNOWN, reason=Reason.UNDETERMINED, text=words)
    # One kind of address in a text (authors of a manual, a footer) is no list of persons until it is long.
    if found.persons >= options.review_persons or found.contacts >= options.persons:
        words = say(
            "{what} can be read by anyone and tells of {persons} persons, {contacts} contacts",
            what=what,
            persons=found.persons,
            contacts=found.contacts,
        )
        return _Judged(result=Result.WARN, text=words)
    words = say(
        "{what} can be read by anyone and tells of {persons} persons, fewer than {least}",
        what=what,
        persons=found.persons,
        least=options.review_persons,
    )
    return _Judged(result=Result.PASS, text=words)
