"""A declaration is read whole, or every problem of it is named with its line."""

import hashlib
from datetime import date
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from config.check_settings import settings_of
from config.duration import Duration
from config.load import ConfigErrors, load
from config.model import Privilege


class Leavers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    disable_within: Duration = Duration("24h")


class Passwords(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    max_age: Duration = Duration("90d")
    most: Annotated[int, Meta(ge=1, le=10)] = 3
    least: int = 0

    def __post_init__(self) -> None:
        if self.least > self.most:
            message = "least is more than most"
            raise ValueError(message)


class Mail(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


OPTIONS: dict[str, type[Struct]] = {
    "retired-accounts": Leavers,
    "password-rotation": Passwords,
    "mail-attachment-encryption": Mail,
}
NEEDS = {
    "retired-accounts": frozenset({"host", "roster"}),
    "password-rotation": frozenset({"host"}),
    "mail-attachment-encryption": frozenset({"mail"}),
}
SITE = '[site]\nid = "acme"\nname = "Acme"\n'
HOST = '[[host]]\nname = "web-01"\n'
PROMISE = '[[promise]]\nid = "{id}"\ntext = "x"\nsource = {{ document = "p.txt" }}\nproves = ["{proves}"]\n'
ROTATION = PROMISE.format(id="rotation", proves="password-rotation")
SOUND = SITE + HOST + ROTATION
_STORE = """[[post]]
name = "HR"
[[store]]
path = "/srv/hr"
hosts = ["web-01"]
posts = ["HR"]
"""
BAD_LOG_PATHS = (
    "", "var/log/x", "/", "//x", "/a/", "/var/log/../../etc/shadow", "/..", "/./x", "/a b", "/é", "/[a]",
    "/*/shadow", "/?tc/shadow", "/proc/kmsg", "/sys", "/dev/zero", "/a;id", "/$(id)",
)  # fmt: skip


def write(folder: Path, text: str, **more: str) -> Path:
    path = folder / "tenken.toml"
    path.write_text(text, encoding="utf-8")
    for name, extra in more.items():
        (folder / "conf.d").mkdir(exist_ok=True)
        (folder / "conf.d" / f"{name}.toml").write_text(extra, encoding="utf-8")
    return path


def problems(folder: Path, text: str, **more: str) -> list[str]:
    """Return the problems as lines, without the folder."""
    with pytest.raises(ConfigErrors) as caught:
        load(write(folder, text, **more), options=OPTIONS, needs=NEEDS)
    assert caught.value.exit_code == 2
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_a_sound_declaration_is_read_with_its_numbers_and_who_decided_them(tmp_path: Path) -> None:
    text = SOUND + (
        '[promise.set]\nmax_age = "60d"\ndecided_by = "officer"\ndecided_on = 2026-11-22\n'
        '[[host]]\nname = "db-01"\nprivilege = "sudo"\nexcluded = "gone on 2026-10-01"\n'
    )
    path = write(tmp_path, text)
    loaded = load(path, options=OPTIONS)
    promise = loaded.config.promise[0]
    assert (promise.decided_by, promise.decided_on) == ("officer", date(2026, 11, 22))
    assert promise.set == {"max_age": "60d"}
    assert [host.name for host in loaded.config.host] == ["web-01", "db-01"]
    assert loaded.config.host[1].privilege is Privilege.SUDO
    assert (loaded.folder, loaded.files) == (tmp_path, (path,))


def test_conf_d_adds_to_the_arrays_in_the_order_of_its_names(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        SOUND,
        b=f'[[host]]\nname = "b-01"\n{PROMISE.format(id="leavers", proves="retired-accounts")}',
        a='[[host]]\nname = "a-01"\n[roster]\npath = "r.csv"\n',
    )
    (tmp_path / "conf.d" / ".hidden.toml").write_text("not toml", encoding="utf-8")
    (tmp_path / "conf.d" / "notes.txt").write_text("not toml", encoding="utf-8")
    loaded = load(path, options=OPTIONS)
    assert [host.name for host in loaded.config.host] == ["web-01", "a-01", "b-01"]
    assert [promise.id for promise in loaded.config.promise] == ["rotation", "leavers"]
    names = ["tenken.toml", "conf.d/a.toml", "conf.d/b.toml"]
    assert loaded.files == tuple(tmp_path / name for name in names)
    listing = "".join(f"{hashlib.sha256((tmp_path / n).read_bytes()).hexdigest()}  {n}\n" for n in names)
    assert loaded.sha256 == hashlib.sha256(listing.encode()).hexdigest()


def test_problems_of_all_files_come_at_once_each_at_its_own_line(tmp_path: Path) -> None:
    text = (
        SITE.replace("name =", "nmae =")
        + '[[host]]\nname = "Web 01"\ntransport = "shh"\nport = 99999\n'
        + '[[promise]]\nid = "p"\ntext = ""\nproves = ["retired-acounts"]\n'
        + '[promise.set]\ndisable_withn = "24h"\n[ssh]\nconnect_timeout = 10\n'
    )
    assert problems(tmp_path, text, more='[[host]]\nport = "22"\n') == [
        "tenken.toml:1: site.name: is missing; add name here",
        'tenken.toml:3: site.nmae: unknown key; did you mean "name"?',
        (
            "tenken.toml:5: host[0].name: expected a name such as web-01: "
            'lower-case letters, digits, dot, dash, underscore, got "Web 01"'
        ),
        'tenken.toml:6: host[0].transport: "shh" is none of ssh, openssh, local; did you mean "ssh"?',
        "tenken.toml:7: host[0].port: expected a whole number <= 65535",
        "tenken.toml:8: promise[0].source: is missing; add source here",
        "tenken.toml:10: promise[0].text: expected text of length >= 1",
        (
            'tenken.toml:11: promise[0].proves[0]: no safeguard is called "retired-acounts"; '
            'did you mean "retired-accounts"?'
        ),
        'tenken.toml:13: promise[0].set.disable_withn: unknown setting; did you mean "disable_within"?',
        "tenken.toml:15: ssh.connect_timeout: expected a duration like 24h or 90d, got 10",
        "conf.d/more.toml:1: host[1].name: is missing; add name here",
        "conf.d/more.toml:2: host[1].port: expected a whole number, got text",
    ]


SET_LINE = SOUND.count("\n") + 2


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('max_age = "1y"', "max_age: expected a duration like 24h, 90d or 15m, got '1y'"),
        ("max_age = 90", "max_age: expected a duration like 24h or 90d, got 90"),
        ("most = 11", "most: expected a whole number <= 10"),
        ("most = 2.5", "most: expected a whole number, got a number with a fraction"),
        ("moost = 1", 'moost: unknown setting; did you mean "most"?'),
        ("xyz = 1", "xyz: unknown setting; password-rotation has max_age, most, least"),
        (
            'disable_within = "24h"',
            (
                "disable_within: unknown setting; it is a setting of retired-accounts, "
                "which this promise does not name in proves"
            ),
        ),
        ("decided_by = 3", "decided_by: expected text, got a whole number"),
        (
            "decided_on = 2026-11-22T00:00:00Z",
            "decided_on: expected a date such as 2026-11-22, got a date with a time",
        ),
    ],
)
def test_a_setting_that_its_safeguard_does_not_take_is_a_problem(
    tmp_path: Path, line: str, problem: str
) -> None:
    found = problems(tmp_path, f"{SOUND}[promise.set]\n{line}\n")
    assert found == [f"tenken.toml:{SET_LINE}: promise[0].set.{problem}"]


def test_settings_that_contradict_each_other_are_a_problem_of_the_set(tmp_path: Path) -> None:
    found = problems(tmp_path, f"{SOUND}[promise.set]\nleast = 9\n")
    assert found == [f"tenken.toml:{SET_LINE - 1}: promise[0].set: least is more than most"]


def test_a_decision_stands_beside_its_numbers_and_nowhere_else(tmp_path: Path) -> None:
    found = problems(tmp_path, SOUND + 'decided_by = "a"\n[promise.set]\ndecided_by = "b"\n')
    where = f"tenken.toml:{SET_LINE - 1}: promise[0].decided_by"
    assert found == [f"{where}: belongs to the numbers it decides; move it under [promise.set]"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            SOUND + ROTATION,
            '12: promise[1].id: "rotation" is taken: the first is at tenken.toml:7; rename one',
        ),
        (SOUND + HOST, '12: host[1].name: "web-01" is taken: the first is at tenken.toml:5; rename one'),
        (
            SOUND + '[[mail]]\nname = "web-01"\nkind = "mbox"\npath = "m"\nown_domains = ["a.example"]\n',
            '12: mail[0].name: "web-01" is taken: the first is at tenken.toml:5; rename one',
        ),
        (
            SOUND + '[[host]]\nname = "roster"\n',
            '12: host[1].name: "roster" is the name of the HR list in the bundle; choose another',
        ),
        (
            SOUND + '[[host]]\nname = "a.history"\n',
            "12: host[1].name: a name may not end in .history; choose another",
        ),
        (
            SOUND.replace('"Acme"\n', '"Acme"\ntimezone = "Asia/Tokio"\n'),
            '4: site.timezone: "Asia/Tokio" is no time zone; did you mean "Asia/Tokyo"?',
        ),
        (
            SOUND.replace('"Acme"\n', '"Acme"\ntimezone = "Asia"\n'),
            '4: site.timezone: "Asia" is no time zone',
        ),
        (
            SOUND.replace('"Acme"\n', '"Acme"\ntimezone = "../../etc/passwd"\n'),
            '4: site.timezone: "../../etc/passwd" is no time zone',
        ),
        (
            SOUND.replace('"web-01"\n', '"web-01"\nprivilege = "forced"\n'),
            "6: host[0].privilege: a forced command is reached by a log-in as root over SSH; set user",
        ),
        (
            SOUND + PROMISE.format(id="p", proves="retired-accounts"),
            (
                "15: promise[1].proves[0]: retired-accounts has nothing to look at; "
                "add a [roster] with the path of the HR list"
            ),
        ),
        (
            SOUND + PROMISE.format(id="p", proves="mail-attachment-encryption"),
            (
                "15: promise[1].proves[0]: mail-attachment-encryption has nothing to look at; "
                "add a [[mail]] for a journal of sent mail"
            ),
        ),
        (SITE + HOST, "1: nothing is promised: no [[promise]]; tenken init writes a register to edit"),
        (SITE + HOST + "promise = []\n", "6: host[0].promise: unknown key"),
        (SITE + ROTATION, "1: nothing to inspect: no [[host]] and no [[mail]]; add at least one [[host]]"),
        (
            SOUND.replace('"web-01"\n', '"web-01"\nexcluded = "broken"\n'),
            "4: host: every host is excluded: nothing is left to inspect",
        ),
        (
            SOUND + '[[host]]\nname = "b"\nexcluded = " "\n',
            (
                "13: host[1].excluded: a host is left out with a reason; "
                'write why: excluded = "decommissioned on 2026-10-01"; or remove the line'
            ),
        ),
        (
            SOUND
            + '[[account]]\nname = "backup"\nowner = "IT"\nreason = "backup"\nhosts = ["wbe-01", "web-*"]\n',
            '15: account[0].hosts[0]: "wbe-01" matches no [[host]]; did you mean "web-01"?',
        ),
        (
            SOUND + '[[account]]\nname = "backup"\nowner = ""\nreason = "backup"\n',
            "13: account[0].owner: may not be empty; name the office and the purpose",
        ),
        *(
            (
                SOUND + f'[[log]]\npath = "{path}"\n',
                "12: log[0].path: expected an absolute path such as /srv/app/access.log*",
            )
            for path in BAD_LOG_PATHS
        ),
        (
            SOUND + '[[log]]\npath = "/srv/x.log\\n"\n',
            "12: log[0].path: expected an absolute path",
        ),
        (SOUND + f'[[log]]\npath = "/{"x" * 256}"\n', "12: log[0].path: expected text of length <= 256"),
        (
            SOUND + '[[log]]\npath = "/x.log"\nhosts = ["wbe-01"]\n',
            '13: log[0].hosts[0]: "wbe-01" matches no [[host]]; did you mean "web-01"?',
        ),
        (
            SOUND + '[[log]]\npath = "/x.log"\n[[log]]\npath = "/x.log"\nhosts = ["web-*"]\n',
            '14: log[1].path: "/x.log" is declared twice for web-01: the first is at tenken.toml:12',
        ),
        (SOUND + '[[log]]\npath = "/x.log"\nkeep = "long"\n', "13: log[0].keep: "),
        (SOUND + '[[post]]\nname = "　"\n', "12: post[0].name: may not be empty"),
        (
            SOUND + '[[post]]\nname = "Sales"\n[[post]]\nname = "s ales"\n',
            '14: post[1].name: "s ales" is declared twice: the first is at',
        ),
        (SOUND + '[[post]]\nname = "a"\ngroups = ["a b"]\n', "13: post[0].groups[0]: "),
        (
            SOUND + '[[tsa]]\nname = "TSA"\nurl = "http://x/"\n',
            "12: tsa[0].name: expected a name such as tsa1",
        ),
        (SOUND + '[[tsa]]\nname = "a"\nurl = "ftp://x/"\n', "13: tsa[0].url: "),
        (
            SOUND + '[[tsa]]\nname = "a"\nurl = "http://x/"\n' * 2,
            '15: tsa[1].name: "a" is taken: the first is at tenken.toml:12',
        ),
        (
            SOUND + _STORE.replace("/srv/hr", "/srv/*"),
            "14: store[0].path: expected an absolute path such as /srv/hr",
        ),
        (SOUND + _STORE.replace('["web-01"]', '["wbe"]'), '15: store[0].hosts[0]: "wbe" matches no [[host]]'),
        (SOUND + _STORE.replace('["HR"]', "[]"), "16: store[0].posts: "),
        (
            SOUND + _STORE.replace('["HR"]', '["HO"]'),
            '16: store[0].posts[0]: no [[post]] is called "HO"; declare it',
        ),
        (
            SOUND + _STORE + _STORE.partition('"HR"\n')[2],
            '18: store[1].path: "/srv/hr" is declared twice for web-01: the first is at tenken.toml:14',
        ),
        (
            SOUND + "".join(f'[[log]]\npath = "/{n}.log"\n' for n in range(65)),
            "140: log[64].path: more than 64 logs are declared for web-01; name them by a wildcard",
        ),
        (
            SOUND.replace('["password-rotation"]', '"password-rotation"'),
            '10: promise[0].proves: expected a list, got text; write it as a list: ["password-rotation"]',
        ),
        (SOUND.replace("[[host]]", "[host]"), "4: host: expected a list, got a table"),
        (SOUND.replace("[site]", "[sit]"), "1: site: is missing; add site here"),
        (SOUND + "set = 3\n", "11: promise[0].set: expected a table, got a whole number"),
        (SOUND + '"\\u001b[31m" = 3\n', '11: promise[0]."\\u001b[31m": unknown key'),
    ],
)
def test_each_mistake_is_named_at_its_line(tmp_path: Path, text: str, problem: str) -> None:
    assert [found for found in problems(tmp_path, text) if found.startswith(f"tenken.toml:{problem}")]


@pytest.mark.parametrize(
    "line",
    [
        'password = "hunter2"',
        'bind_password = "hunter2"',
        'Passphrase = "hunter2"',
        'api-token = ["hunter2"]',
        'identity = "-----BEGIN OPENSSH PRIVATE KEY-----hunter2"',
        'user = "-----BEGIN RSA PRIVATE KEY-----hunter2"',
        'port = { a = { token = "hunter2" } }',
    ],
)
def test_a_secret_written_out_is_refused_and_never_repeated(tmp_path: Path, line: str) -> None:
    found = problems(tmp_path, f"{SITE}{HOST}{line}\n{ROTATION}")
    assert len(found) == 1
    assert found[0].startswith("tenken.toml:6: host[0].")
    assert "{ file =" in found[0]
    assert "hunter2" not in found[0]


def test_a_table_of_two_files_names_both_places(tmp_path: Path) -> None:
    found = problems(tmp_path, SOUND + "[ssh]\njobs = 1\n", a="\n[ssh]\njobs = 2\n")
    first = f"tenken.toml:{SOUND.count(chr(10)) + 1}"
    assert found == [
        f"conf.d/a.toml:2: ssh: defined a second time; the first is at {first}; keep it in one file"
    ]


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"[site]\nid = \n", "2: Invalid value; this is not valid TOML"),
        (b"a =\n\n\nb = 1\n", "1: Invalid value; this is not valid TOML"),
        (b"a = 1\na = 2\n", "2: Cannot overwrite a value; this is not valid TOML"),
        (b"a = [1,\n2\n", "2: Unclosed array; this is not valid TOML"),
        (b"a = 1\nb = '\xff'\n", "2: is not UTF-8; save the file as UTF-8"),
        (b"a = " + b"[" * 5_000, "1: is nested too deeply"),
        (b"a." * 50 + b"a = 1", "1: is nested deeper than 32 levels"),
        (b"a = " + b"9" * 5_000, "1: Exceeds the limit"),
    ],
)
def test_a_file_that_is_no_toml_is_a_problem_with_its_line(tmp_path: Path, raw: bytes, problem: str) -> None:
    write(tmp_path, "", broken="[[host]\n")
    path = tmp_path / "tenken.toml"
    path.write_bytes(raw)
    with pytest.raises(ConfigErrors) as caught:
        load(path, options=OPTIONS)
    first, second = map(str, caught.value.problems)
    assert first.startswith(f"{path}:{problem}")
    assert second.startswith(f"{tmp_path}/conf.d/broken.toml:1: Expected ']]'")


def test_a_configuration_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="cannot be read: No such file or directory"):
        load(tmp_path / "tenken.toml", options=OPTIONS)


def test_a_folder_in_the_place_of_a_file_is_a_problem(tmp_path: Path) -> None:
    path = write(tmp_path, SOUND)
    (tmp_path / "conf.d" / "x.toml").mkdir(parents=True)
    with pytest.raises(ConfigErrors, match=r"x\.toml:1: is not a regular file"):
        load(path, options=OPTIONS)


def test_each_safeguard_gets_its_own_settings(tmp_path: Path) -> None:
    text = SOUND.replace('"]', '", "retired-accounts"]') + (
        'set = { most = 4, disable_within = "12h" }\n[roster]\npath = "r.csv"\n'
    )
    promise = load(write(tmp_path, text), options=OPTIONS).config.promise[0]
    assert settings_of(promise, Passwords) == {"most": 4}
    assert settings_of(promise, Leavers) == {"disable_within": "12h"}


LINES = st.one_of(
    st.sampled_from((SOUND + '[promise.set]\nmost = 3\n[roster]\npath = "r"\n').splitlines()),
    st.sampled_from(
        ["[[mail]]", "[[account]]", 'hosts = ["*"]', "[ssh]", "[roster.columns]", "excluded = 1"]
    ),
    st.builds(
        "{} = {}".format,
        st.sampled_from(
            ["name", "id", "proves", "set", "host", "text", "source", "timezone", "token", "a.b"]
        ),
        st.sampled_from(["1", "''", "[]", "{}", "[[1]]", "[{}]", "1979-05-27", "{a.b = 1}", "nan", "'\\'"]),
    ),
    st.text(max_size=20),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES).map("\n".join), st.lists(LINES, max_size=4).map("\n".join))
def test_any_text_is_read_or_refused_with_lines(
    tmp_path_factory: pytest.TempPathFactory, main: str, extra: str
) -> None:
    folder = tmp_path_factory.mktemp("site")
    (folder / "conf.d").mkdir()
    (folder / "tenken.toml").write_bytes(main.encode("utf-8", "surrogatepass"))
    (folder / "conf.d" / "a.toml").write_bytes(extra.encode("utf-8", "surrogatepass"))
    try:
        found = load(folder / "tenken.toml", options=OPTIONS)
    except ConfigErrors as errors:
        found = errors.problems
    assert found
    for problem in found if isinstance(found, tuple) else ():
        assert problem.line >= 1
        assert problem.message
        assert "\x1b" not in str(problem)
