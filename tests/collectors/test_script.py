"""The one script: whole or nothing, the same in every shell, writing nothing, bounded in all it does."""

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from collectors.evidence import Reason, Section, SectionState, Status, TargetEvidence, TargetKind
from collectors.facts import Facts, Probe, Unknown, read_fact
from collectors.framing import Parsed, parse_stream
from collectors.registry import all_probes
from collectors.script import ENVIRONMENT, Parameters, command, compose, digest, in_order, is_plain_name
from config.errors import ConfigError

B = "0123456789abcdef" * 2
SHELLS = {
    "dash": ("dash", "-s"),
    "bash": ("bash", "-s"),
    "bash-posix": ("bash", "--posix", "-s"),
    "busybox-ash": ("busybox", "ash", "-s"),
    "zsh": ("zsh", "--emulate", "sh", "-s"),
}
PLATFORM = all_probes()["platform"]
HOST_PROBES = tuple(probe for probe in all_probes().values() if probe.kind is TargetKind.HOST)
CALL = f"tk_run platform {PLATFORM.cap_bytes}"

every_shell = pytest.mark.parametrize("shell", SHELLS)


def run(script: bytes, shell: str = "dash", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        SHELLS[shell],
        input=script,
        capture_output=True,
        check=False,
        timeout=120,
        env=ENVIRONMENT | environment,
    )


def script_of(body: str, cap: int = 65_536) -> bytes:
    """The real script with one section of our own in the place of `platform`."""
    text = compose([PLATFORM], Parameters(), B).decode("ascii")
    assert text.count(CALL) == 1
    return text.replace(CALL, f"sec_own() {{\n{body}\n}}\ntk_run own {cap}").encode()


def ask(body: str, shell: str = "dash", cap: int = 65_536) -> Parsed:
    done = run(script_of(body, cap), shell)
    assert done.stderr == b""
    return parse_stream(done.stdout, B, {"own": cap})


def own(body: str, shell: str = "dash", cap: int = 65_536) -> Section:
    parsed = ask(body, shell, cap)
    assert parsed.done
    return parsed.sections[0]


def read(section: Section) -> Reason | None:
    """Why the facts of a section of ours are not known."""
    probe = Probe(name="own", facts=Facts, parse=lambda _: Facts())
    evidence = TargetEvidence(
        run=1,
        plan="",
        target="h",
        kind=TargetKind.HOST,
        salt="",
        status=Status.COLLECTED,
        sections=(section,),
    )
    fact = read_fact(probe, evidence)
    return fact.reason if isinstance(fact, Unknown) else None


# --- every shell ------------------------------------------------------------------


def still(section: Section) -> tuple[object, ...]:
    """What of a section does not move from one second to the next."""
    moving = {"uptime", "loadavg"}
    parts = [(part.name, part.state, part.raw) for part in section.parts if part.name not in moving]
    return section.name, section.state, section.exit, section.truncated, section.stderr, parts


def test_every_shell_gives_the_same_platform():
    answers = {}
    for shell in SHELLS:
        done = run(compose([PLATFORM], Parameters(), B), shell)
        parsed = parse_stream(done.stdout, B, {"platform": PLATFORM.cap_bytes})
        assert (parsed.done, parsed.uid, done.returncode, done.stderr) == (True, os.getuid(), 0, b"")
        answers[shell] = still(parsed.sections[0])
    assert all(answer == answers["dash"] for answer in answers.values())


@every_shell
def test_every_section_of_ours_is_whole_in_every_shell(shell: str):
    done = run(compose(HOST_PROBES, Parameters(names=("root", "nobody")), B), shell)
    parsed = parse_stream(done.stdout, B, {probe.name: probe.cap_bytes for probe in HOST_PROBES})
    assert done.stderr == b""
    assert parsed.done
    assert parsed.notes == ()
    assert [section.name for section in parsed.sections] == [probe.name for probe in in_order(HOST_PROBES)]
    assert {section.state for section in parsed.sections} == {SectionState.ENDED}
    if os.getuid() == 0:  # others are told what they may not, and that is kept
        assert {section.stderr for section in parsed.sections} == {""}


# --- whole or nothing ---------------------------------------------------------------


@every_shell
def test_a_script_cut_anywhere_runs_nothing(shell: str):
    """An upload that breaks off must not run half of a section as a program."""
    whole = compose(HOST_PROBES, Parameters(), B)
    last = len(whole) - 2
    places = [last * number // 40 for number in range(1, 35)] + [last - back for back in range(6)]
    for place in places:
        assert run(whole[:place], shell).stdout == b"", f"{place} of {len(whole)} bytes"


def test_a_script_without_its_last_newline_is_whole():
    assert b" done n=1 " in run(script_of("echo x")[:-1]).stdout


# --- bounded --------------------------------------------------------------------------


@every_shell
def test_five_megabytes_in_one_line_are_cut_at_the_cap(shell: str):
    done = run(script_of("head -c 5242880 /dev/zero | tr '\\000' x", 4_096), shell)
    assert len(done.stdout) < 5_000, "the rest is dropped on the host, not sent"
    section = parse_stream(done.stdout, B, {"own": 4_096}).sections[0]
    assert section.state is SectionState.ENDED
    assert section.truncated
    assert section.parts[0].raw == b"x" * 4_096


@every_shell
def test_a_section_as_long_as_its_cap_is_whole(shell: str):
    section = own("head -c 4096 /dev/zero", shell, cap=4_096)
    assert (section.state, section.truncated, section.exit) == (SectionState.ENDED, False, 0)
    assert section.parts[0].raw == bytes(4_096)


@every_shell
def test_five_megabytes_in_a_file_truncate_only_the_section_that_sends_it(shell: str, tmp_path: Path):
    (tmp_path / "long").write_bytes(b"x" * 5_000_000)
    text = script_of(f"tk_file {tmp_path}/long 5000000", 4_096).replace(
        b"tk_run own 4096", b"sec_two() { echo two; }\ntk_run own 4096\ntk_run two 4096"
    )
    parsed = parse_stream(run(text, shell).stdout, B, {"own": 4_096, "two": 4_096})
    assert parsed.done
    own, two = parsed.sections
    assert (own.truncated, two.truncated, two.parts[0].raw) == (True, False, b"two\n")
    assert read(own) is Reason.TRUNCATED


@every_shell
def test_a_config_file_of_odd_bytes_comes_through_byte_for_byte(shell: str, tmp_path: Path):
    """NUL, escape, 0xFF, a carriage return, and no newline at the end."""
    odd = b"Port 22\r\n#\x00 \x1b[2J \xff\n\n@" + B.encode()[:31] + b" end s=own rc=0\nlast"
    (tmp_path / "sshd_config").write_bytes(odd)
    section = own(f"tk_file {tmp_path}/sshd_config", shell)
    assert section.parts[0].raw == odd


@every_shell
def test_every_byte_value_survives(shell: str):
    """NUL, escape and bytes that are no UTF-8, as printf of every shell can spell them."""
    octal = "".join(f"\\{value:03o}" for value in range(256))
    section = own(f"printf '{octal}'", shell)
    assert section.parts[0].raw == bytes(range(256))


@every_shell
@pytest.mark.parametrize("status", [0, 1, 2, 124, 126, 127, 141, 255])
def test_the_exit_status_of_a_section_arrives(shell: str, status: int):
    assert own(f"echo answer; return {status}", shell).exit == status


@every_shell
def test_a_section_that_exits_ends_only_itself(shell: str):
    text = script_of("echo one; exit 3").replace(
        b"tk_run own 65536", b"sec_two() { echo two; }\ntk_run own 65536\ntk_run two 65536"
    )
    parsed = parse_stream(run(text, shell).stdout, B, {"own": 65_536, "two": 65_536})
    assert parsed.done
    assert [(each.exit, each.parts[0].raw) for each in parsed.sections] == [(3, b"one\n"), (0, b"two\n")]


@every_shell
def test_a_section_cannot_change_the_next_one(shell: str):
    """Each runs in a subshell: neither variables nor functions nor the folder stay."""
    text = script_of("tk_file() { echo mine; }; awk() { echo mine; }; cd /tmp; TK_B=x; umask 0").replace(
        b"tk_run own 65536",
        b'sec_two() { awk "BEGIN { print 1 }"; pwd; }\ntk_run own 65536\ntk_run two 65536',
    )
    parsed = parse_stream(run(text, shell).stdout, B, {"own": 65_536, "two": 65_536})
    assert parsed.sections[1].parts[0].raw == f"1\n{Path.cwd()}\n".encode()


@every_shell
def test_errors_are_kept_as_eight_lines_of_160(shell: str):
    section = own("i=0; while [ $i -lt 50 ]; do printf '%0300d\\n' $i >&2; i=$((i+1)); done; echo out", shell)
    lines = section.stderr.split("\\x0a")
    assert section.state is SectionState.ENDED
    assert section.parts[0].raw == b"out\n"
    assert len(lines) == 8
    assert all(line == "!" + "0" * 160 for line in lines)


@every_shell
def test_megabytes_of_errors_do_not_block_a_section(shell: str):
    """What writes a flood gets EPIPE, not a full pipe; the section itself goes on."""
    section = own("head -c 3000000 /dev/zero | tr '\\000' '\\n' >&2; echo out", shell)
    assert section.state is SectionState.ENDED
    assert section.parts[0].raw == b"out\n"


@every_shell
def test_control_bytes_in_the_errors_are_spelt_and_nul_is_dropped(shell: str):
    """A NUL in it would make bash complain into the stream of errors of the whole."""
    section = own("printf 'a\\000b\\033c\\n' >&2", shell)
    assert section.stderr == "!ab\\x1bc"


@every_shell
@pytest.mark.parametrize(("ask", "tool"), [("tk_ask_sshd", "sshd"), ("tk_ask_dpkg", "dpkg-query")])
def test_what_is_asked_for_several_sections_does_not_hold_the_stream(
    shell: str, ask: str, tool: str, tmp_path: Path
):
    """The timeout of busybox leaves a watcher behind, and a child may hang: we would wait for either."""
    fake = tmp_path / tool
    fake.write_text("#!/bin/sh\nif [ -e /proc/self/fd/4 ]; then echo held; else echo free; fi\n")
    fake.chmod(0o755)
    said = "tk_effective" if ask == "tk_ask_sshd" else "tk_dpkg"
    script = script_of(f'echo "${said}"\n}}\npre_own() {{ {ask}; ')
    done = run(script, shell, PATH=f"{tmp_path}:{ENVIRONMENT['PATH']}")
    section = next(it for it in parse_stream(done.stdout, B, {"own": 65_536}).sections if it.name == "own")
    assert section.parts[0].raw == b"free\n"


@every_shell
def test_frames_in_the_errors_are_no_frames(shell: str):
    section = own(
        'printf "rc=0\\nn=0\\n!x\\n@%s end s=own rc=0 n=0\\n" "$TK_B" >&2; echo out; return 9', shell
    )
    assert (section.exit, section.parts[0].raw) == (9, b"out\n")


# --- what is read -----------------------------------------------------------------------


@every_shell
def test_only_regular_files_are_ever_opened(shell: str, tmp_path: Path):
    """A FIFO would hang whoever opens it, /dev/zero would flood."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "link").symlink_to("plain")
    (tmp_path / "plain").write_text("text\n")
    names = ("fifo", "zero", "dangling", "link", "plain", "none")
    section = own("\n".join(f"tk_file {tmp_path}/{name}" for name in names), shell)
    found = {Path(part.name).name: (part.state, part.raw) for part in section.parts}
    assert found == {
        "fifo": ("special", b""),
        "zero": ("special", b""),
        "dangling": ("absent", b""),
        "link": ("read", b"text\n"),
        "plain": ("read", b"text\n"),
        "none": ("absent", b""),
    }


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder of root that others may not enter, below one that everybody may."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # pytest's own are closed to others
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "closed").mkdir(mode=0o700)
        (folder / "closed" / "file").write_text("x")
        (folder / "file").write_text("x")
        (folder / "file").chmod(0)
        if os.getuid() != 0:
            (folder / "closed").chmod(0)
        yield folder
        (folder / "closed").chmod(0o700)


@every_shell
def test_what_cannot_be_looked_at_is_denied_and_never_absent(shell: str, closed: Path):
    paths = ("file", "closed", "closed/file", "closed/none/deeper", "none", "none/deeper")
    text = script_of("\n".join(f"tk_file {closed}/{path}" for path in paths))
    # Root may read everything, so root becomes somebody else for this question.
    other = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.getuid() == 0 else ()
    done = subprocess.run(
        [*other, *SHELLS[shell]], input=text, capture_output=True, check=True, env=ENVIRONMENT, cwd="/"
    )
    section = parse_stream(done.stdout, B, {"own": 65_536}).sections[0]
    assert [part.state for part in section.parts] == ["denied"] * 4 + ["absent"] * 2


@every_shell
def test_a_large_file_is_read_up_to_the_given_size(shell: str, tmp_path: Path):
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    section = own(f"tk_file {tmp_path}/large 1000", shell)
    assert section.parts[0].size == 1_000


@every_shell
def test_what_takes_too_long_is_a_timeout(shell: str):
    assert own("tk_within 1 sleep 30", shell).exit == 124


@every_shell
def test_a_section_that_takes_too_long_is_unknown_and_the_next_ones_run(shell: str):
    text = script_of("echo first; tk_within 1 sleep 30").replace(
        b"tk_run own 65536", b"sec_two() { echo two; }\ntk_run own 65536\ntk_run two 65536"
    )
    parsed = parse_stream(run(text, shell).stdout, B, {"own": 65_536, "two": 65_536})
    assert parsed.done
    assert [each.exit for each in parsed.sections] == [124, 0]
    assert read(parsed.sections[0]) is Reason.TIMEOUT
    assert parsed.sections[1].parts[0].raw == b"two\n"


@every_shell
def test_standard_input_is_empty_for_every_section(shell: str):
    """A section that read it would eat the rest of what was sent."""
    done = run(script_of("cat; echo end") + b"echo leftover\n", shell)
    assert parse_stream(done.stdout, B, {"own": 65_536}).sections[0].parts[0].raw == b"end\n"


# --- nothing is written -----------------------------------------------------------------


CHANGING = (
    "open,openat,openat2,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,"
    "symlinkat,truncate,chmod,fchmodat,chown,fchownat,utimensat,mknod,mknodat"
)


def test_no_file_is_opened_for_writing(tmp_path: Path):
    """Only pipes and /dev/null, in the script and in every program it starts."""
    done = subprocess.run(
        ["strace", "-ff", "-qq", "-s200", "-e", f"trace={CHANGING}", "-o", tmp_path / "trace", "dash", "-s"],
        input=compose(HOST_PROBES, Parameters(names=("root",)), B),
        capture_output=True,
        check=True,
        env=ENVIRONMENT,
    )
    assert b" done n=" in done.stdout
    lines = [
        line
        for path in tmp_path.glob("trace.*")
        for line in path.read_text("utf-8", errors="replace").splitlines()
        if "(" in line.partition(" ")[0] and " = -1 " not in line
    ]
    changing = [line for line in lines if "O_RDONLY" not in line]
    harmless = re.compile(r'open(?:at)?\([^"]*"(?:/dev/null|/dev/tty|/dev/fd/[0-9]+|/proc/self/fd/[0-9]+)"')
    assert any('"/etc/passwd", O_RDONLY' in line for line in lines)
    assert any('"/dev/fd/5", O_WRONLY' in line for line in changing)
    assert [line for line in changing if not harmless.search(line)] == []


def test_no_two_sections_define_the_same_name():
    """All sections are one shell text: the later definition would answer for both."""
    folder = resources.files("collectors")
    texts = [folder.joinpath(f"probes/{probe.name}.sh").read_text() for probe in HOST_PROBES]
    texts.append(folder.joinpath("prelude.sh").read_text())
    defined = [name for text in texts for name in set(re.findall(r"(?m)^([a-z_]+)(?:\(\)|=)", text))]
    assert "tk_run" in defined
    assert sorted(defined) == sorted(set(defined))


def test_no_process_list_shows_what_is_asked():
    assert command() == "exec /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TZ=UTC0 /bin/sh -s"
    assert command(("/usr/bin/sudo", "-n")).startswith("exec /usr/bin/sudo -n /usr/bin/env -i ")


# --- log-in shells ----------------------------------------------------------------------

NOISE = {
    "bash": (
        ".bashrc",
        """echo welcome; ls() { echo trap; }; awk() { echo trap; }; id() { echo trap; }; export -f ls awk id
alias date='echo trap'; PATH=/nowhere; export LC_ALL=de_DE.UTF-8 TZ=Asia/Tokyo
""",
    ),
    "zsh": (
        ".zshenv",
        "echo welcome; ls() { echo trap; }; awk() { echo trap; }; alias -g env='echo trap'; PATH=/nowhere\n",
    ),
    "tcsh": (".tcshrc", "echo welcome\nalias awk 'echo trap'\nalias env 'echo trap'\nsetenv PATH /nowhere\n"),
    "fish": (
        ".config/fish/config.fish",
        "echo welcome\nfunction awk; echo trap; end\nfunction env; echo trap; end\nset -gx PATH /nowhere\n",
    ),
    "dash": (".profile", "echo welcome\n"),
}


@pytest.mark.parametrize("shell", NOISE)
def test_what_a_login_shell_sets_up_does_not_get_in(shell: str, tmp_path: Path):
    """As sshd(8) does it: `$SHELL -c COMMAND`, the script on standard input."""
    name, text = NOISE[shell]
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
    environment = {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22",
    }
    if shell == "bash":
        # bash -c reads no file unless it was started by sshd; BASH_ENV makes it read this one for certain.
        environment["BASH_ENV"] = str(tmp_path / name)
    done = subprocess.run(
        [f"/usr/bin/{shell}", "-c", command()],
        input=compose([PLATFORM], Parameters(), B),
        capture_output=True,
        check=False,
        env=environment,
    )
    parsed = parse_stream(done.stdout, B, {"platform": PLATFORM.cap_bytes})
    assert parsed.done
    assert (parsed.noise_bytes > 0) is (shell != "dash")
    assert b"trap" not in done.stdout
    here = run(compose([PLATFORM], Parameters(), B))
    assert still(parsed.sections[0]) == still(
        parse_stream(here.stdout, B, {"platform": PLATFORM.cap_bytes}).sections[0]
    )


def test_nothing_of_the_environment_gets_in():
    done = subprocess.run(
        ["/bin/sh", "-c", command()],
        input=script_of("env"),
        capture_output=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "LD_PRELOAD": "", "POSIXLY_CORRECT": "1", "TAR_OPTIONS": "-v"},
    )
    lines = parse_stream(done.stdout, B, {"own": 65_536}).sections[0].parts[0].lines
    names = {line.partition("=")[0] for line in lines}
    assert names - {"_", "SHLVL", "OLDPWD"} == {"PATH", "LC_ALL", "TZ", "PWD", "TK_B"}


# --- parameters ---------------------------------------------------------------------------

BAD_NAMES = (
    "",
    "-rf",
    "a b",
    "a'b",
    "a\nb",
    "$(id)",
    "`id`",
    "a;b",
    "a/b",
    "é",
    "x" * 65,
    "a\0",
    "..\\",
    "a*",
)
BAD_STORES = (
    "", "srv", "/", "/srv/", "/srv//a", "/srv/../a", "/srv/./a", "/srv/.", "/a b",
    "/a*", "/a?", "/a'b", "/$x",
    "/proc/1", "/sys", "/dev/null", "/a\n", "/人", "/" + "a" * 256,
)  # fmt: skip
BAD_LOGS = (
    "",
    "var/log",
    "/var/log/../x",
    "/a b",
    "/a'b",
    "/a\nb",
    "/$(id)",
    "/a;b",
    "/[a]",
    "//x",
    "/./x",
    "/*/x",
    "/proc/kmsg",
    "/dev",
    "/é",
    "/" + "x" * 256,
)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_not_plain_is_refused(name: str):
    assert not is_plain_name(name)
    with pytest.raises(ConfigError, match="cannot be asked for"):
        compose([PLATFORM], Parameters(names=(name,)), B)


@pytest.mark.parametrize("glob", BAD_LOGS)
def test_a_log_path_that_is_not_plain_is_refused(glob: str):
    with pytest.raises(ConfigError, match="cannot be asked for"):
        compose([PLATFORM], Parameters(logs=(glob,)), B)


@pytest.mark.parametrize("path", BAD_STORES)
def test_a_store_that_is_not_plain_is_refused(path: str):
    with pytest.raises(ConfigError, match="cannot be asked for"):
        compose([PLATFORM], Parameters(stores=(path,)), B)


@pytest.mark.parametrize("boundary", ["", "x" * 32, "0" * 31, "0" * 33, "A" * 32, "0" * 32 + "\n"])
def test_a_boundary_is_32_hexadecimal_digits(boundary: str):
    with pytest.raises(ValueError, match="32 hexadecimal"):
        compose([PLATFORM], Parameters(), boundary)


@every_shell
def test_parameters_arrive_as_they_are(shell: str):
    """Globs are data: the shell that reads the assignment does not expand them."""
    text = script_of('printf \'%s|%s|%s\' "$TK_NAMES" "$TK_LOGS" "$TK_STORES"')
    told = Parameters(names=("root", "a.b@c-d"), logs=("/etc/*", "/var/log/x?"), stores=("/srv/hr", "/a@b"))
    asked = compose([PLATFORM], told, B)
    head = asked.split(b"tk_main() {")[0]
    done = run(head + text[text.index(b"tk_main() {") :], shell)
    parsed = parse_stream(done.stdout, B, {"own": 65_536})
    assert parsed.sections[0].parts[0].raw == b"root a.b@c-d|/etc/* /var/log/x?|/srv/hr /a@b"


# --- one script for all hosts ---------------------------------------------------------------


def test_the_digest_is_that_of_the_sent_script_without_parameters_and_boundary():
    sent = compose(HOST_PROBES, Parameters(names=("root",), logs=("/x",)), B)
    body = sent.split(b"\n", 4)[4]
    assert hashlib.sha256(body).hexdigest() == digest(HOST_PROBES)
    assert digest(HOST_PROBES) == digest(tuple(reversed(HOST_PROBES)))
    assert digest(HOST_PROBES) != digest((PLATFORM,))


def test_the_script_is_plain_ascii_without_comments_and_here_documents():
    text = compose(HOST_PROBES, Parameters(), B).decode("ascii")
    assert not re.search(r"^\s*#", text, re.MULTILINE)
    assert "<<" not in text.replace("<<=", "")


def test_cheap_questions_come_first():
    assert in_order(HOST_PROBES)[0].name == "platform"
    assert [probe.order for probe in in_order(HOST_PROBES)] == sorted(probe.order for probe in HOST_PROBES)
