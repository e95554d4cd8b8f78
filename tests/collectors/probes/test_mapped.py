"""Replaced code in running processes: real processes in several shells, and hand-made answers."""

import os
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.evidence import Part, Reason, Section, SectionState
from collectors.facts import WithheldError
from collectors.probes.mapped import PROBE, MappedFacts
from config.errors import ParseError
from tests.collectors.probes.asked import SHELLS, ask_here
from tests.collectors.probes.debian_root import POWERLESS

# Copies of sleep(1) in an empty /opt, which are then removed, replaced, or left as they are.
_SETUP = """
mount -t tmpfs none /opt && mount -t tmpfs none /srv || exit 1
for name in removed 'odd:na,me' sound '/srv/private'; do
  case $name in /*) at=$name ;; *) at=/opt/$name ;; esac
  cp /usr/bin/sleep "$at"
  "$at" 30 </dev/null >/dev/null 2>&1 &
  pids="$pids $!"
done
(exec unshare --pid --fork --kill-child /opt/removed 30) </dev/null >/dev/null 2>&1 &
pids="$pids $!"
sleep 0.3
rm /opt/removed /srv/private
cp /usr/bin/true /opt/new && mv /opt/new '/opt/odd:na,me'
"$@"
kill $pids
"""


def ask(shell: tuple[str, ...] = ("dash",), *before: str) -> MappedFacts:
    own = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--mount")
    answer = ask_here(["mapped"], in_shell=shell, wrapped_by=(*own, "sh", "-c", _SETUP, "sh", *before))
    assert b"private" not in answer.stream
    facts = answer.facts("mapped")
    assert isinstance(facts, MappedFacts)
    return facts


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_u8_processes_whose_files_were_replaced_or_removed_are_named_with_them(
    shell: tuple[str, ...],
) -> None:
    """Trap U8; what runs from elsewhere than where software is installed is not named at all."""
    began = datetime.now(tz=UTC)
    facts = ask(shell)
    found = {
        program.name: program for program in facts.replaced if program.files in (("removed",), ("odd?na?me",))
    }
    assert set(found) == {"removed", "odd:na,me"}
    assert {program.processes for program in found.values()} == {1}
    assert all(abs((program.started - began).total_seconds()) < 10 for program in found.values())
    assert facts.contained >= 1
    assert facts.seen > 3


def test_maps_that_may_not_be_read_are_counted_and_not_passed_over() -> None:
    powerless, whole = ask(("dash",), *POWERLESS), ask()
    assert powerless.unread > whole.unread


def section(text: str | None, state: str = "read") -> Section:
    parts = () if text is None else (Part.of("processes", state, text.encode()),)
    return Section(name="mapped", state=SectionState.ENDED, exit=0, parts=parts)


WHOLE = "2:1790000000:libssl.so.3,libcrypto.so.3:sshd\n1:1790000001::a:b\nN:90:1:2\n"


def test_rows_are_programs_with_their_files_and_a_name_may_hold_colons() -> None:
    facts = PROBE.parse(section(WHOLE))
    assert [(it.name, it.processes, it.files) for it in facts.replaced] == [
        ("a:b", 1, ()),
        ("sshd", 2, ("libcrypto.so.3", "libssl.so.3")),
    ]
    assert (facts.seen, facts.unread, facts.contained) == (90, 1, 2)


@pytest.mark.parametrize("cut", range(1, len(WHOLE)))
def test_an_answer_cut_anywhere_is_an_error_and_not_a_shorter_list(cut: int) -> None:
    """Only the digits of the last sum can be lost unseen, and the section's byte count tells of those."""
    try:
        facts = PROBE.parse(section(WHOLE[:-cut]))
    except ParseError:
        return
    assert cut <= 1
    assert facts == PROBE.parse(section(WHOLE))


def test_hidden_processes_are_denied_and_not_none() -> None:
    with pytest.raises(WithheldError) as withheld:
        PROBE.parse(section("N:3:0:0\n", "denied"))
    assert withheld.value.reason is Reason.DENIED
    with pytest.raises(ParseError):
        PROBE.parse(section(None))


@given(
    text=st.one_of(
        st.text(max_size=80), st.from_regex(r"([0-9]{1,12}:[0-9]{1,13}:[a,b?]{0,3}:.\n|N:1:1:1\n){0,3}")
    )
)
def test_arbitrary_answers_give_facts_or_a_parse_error(text: str) -> None:
    try:
        facts = PROBE.parse(section(text))
    except ParseError:
        return
    assert facts.seen >= 0
