"""Why something is not known, in words for people who are no programmers."""

from collections.abc import Mapping

from collectors.evidence import Reason
from collectors.transport import HINTS as VISIT_HINTS

WORDS: dict[Reason, str] = {
    Reason.NAME: "the host's name was not found",
    Reason.ROUTE: "there was no way through the network to the host",
    Reason.REFUSED: "the host did not accept the connection",
    Reason.CONNECT_TIMEOUT: "the host did not answer",
    Reason.NO_BANNER: "something answered, but it was no SSH server",
    Reason.PROTOCOL: "the SSH connection broke off while it was set up",
    Reason.HOST_KEY_UNKNOWN: "the host's key was never confirmed, so nobody logged in",
    Reason.HOST_KEY_CHANGED: "the host showed another key than the confirmed one, so nobody logged in",
    Reason.HOST_KEY_REVOKED: "the host showed a key that was declared stolen, so nobody logged in",
    Reason.AUTH: "the host did not let the audit account in",
    Reason.NO_PRIVILEGE: "the host did not grant the audit account its declared rights",
    Reason.PROBE_OUTDATED: "the probe installed on the host is another release's",
    Reason.DEADLINE: "the host took longer than it was given",
    Reason.TOO_MUCH_OUTPUT: "the host sent far more than was asked for",
    Reason.NO_ANSWER: "the host let us in but gave no answer",
    Reason.EXCLUDED: "it was left out on purpose",
    Reason.INTERRUPTED: "the inspection was stopped before it got there",
    Reason.NOT_COLLECTED: "it was not asked",
    Reason.PROBE_CUT: "the answer ended too early",
    Reason.TRUNCATED: "the answer was longer than is read",
    Reason.TIMEOUT: "a tool on the host took too long",
    Reason.FAILED: "a tool on the host failed",
    Reason.NOPRIV: "only the host's administrator can see it, and the audit account is not one",
    Reason.DENIED: "the audit account may not read it",
    Reason.NO_TOOL: "the host lacks the tool that could tell",
    Reason.UNPARSABLE: "the answer could not be understood",
    Reason.UNSUPPORTED: "this kind of system or file is not supported yet",
    Reason.STALE_SOURCE: "what the host knows about it is too old",
    Reason.NO_SOURCE: "there is nothing that could tell",
    Reason.OUTSIDE_HOST: "it is decided elsewhere, and that place was not inspected",
    Reason.UNDETERMINED: "the evidence leaves it open",
    Reason.UNMATCHED: "the HR list names no account for this person",
    Reason.LIMIT: "it is larger or more deeply nested than is examined",
    Reason.CORRUPT: "it is damaged",
    Reason.NO_OBSERVATION: "nothing was found that could be judged",
    Reason.INTERNAL: "a fault of Tenken itself; please report it",
}
"""what the officer reads; the code stands beside it for whoever mends it"""

HINTS: Mapping[Reason, str] = VISIT_HINTS | {
    Reason.EXCLUDED: "Nothing, as long as the reason still holds; remove excluded to include it again.",
    Reason.NOT_COLLECTED: "Run again; if it stays so, report it.",
    Reason.PROBE_CUT: "Run again; if it stays so, see what ends the audit account's session on the host: "
    "a limit (ulimit, systemd), a full disk, a broken connection.",
    Reason.TRUNCATED: "Find out why the host has so much of it; the evidence names the section.",
    Reason.TIMEOUT: "Run the named tool on the host and see what it waits for.",
    Reason.FAILED: "Run the named tool on the host; its error stands in the evidence.",
    Reason.NOPRIV: "Declare a privilege for the host; tenken hosts sudoers prints what to install there.",
    Reason.DENIED: "Give the audit account the right to read it, or declare a privilege for the host.",
    Reason.NO_TOOL: "Install the named tool on the host, or have this checked by hand.",
    Reason.UNPARSABLE: "Look at the named line; if it is sound, report it.",
    Reason.UNSUPPORTED: "Have this checked by hand and keep the record.",
    Reason.STALE_SOURCE: "Refresh it, such as the package lists, then run again.",
    Reason.NO_SOURCE: "Declare or set up what could tell, such as the HR list or a log.",
    Reason.OUTSIDE_HOST: "Inspect the place that decides it as well, such as the directory server.",
    Reason.UNDETERMINED: "Read the detail and decide by hand; later runs may be able to tell.",
    Reason.UNMATCHED: "Write the person's account into the HR list.",
    Reason.LIMIT: "Open it by hand and look.",
    Reason.CORRUPT: "Mend or replace what the detail names, then run again.",
    Reason.NO_OBSERVATION: "Check that a target is declared for it, and that it holds what was promised.",
    Reason.INTERNAL: "Report it with the version and the kind of fault named in the detail.",
}
"""what somebody does next, for every reason"""


def in_words(value: str) -> str:
    """Spell a reason's code; any other text as it is."""
    try:
        return WORDS.get(Reason(value), value)
    except ValueError:
        return value
