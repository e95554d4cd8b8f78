"""The account sections, run for real: in several shells, on hostile files, against the system's own tools."""

import re
import stat
from pathlib import Path

import pytest

from collectors.evidence import Reason
from collectors.facts import WithheldError
from collectors.probes.accounts import AccountsFacts
from collectors.probes.keys import KeysFacts
from collectors.probes.names import NamesFacts
from collectors.probes.residue import ResidueFacts
from collectors.probes.shadow import PasswordState, ShadowFacts
from collectors.probes.sshd import SshdFacts
from collectors.registry import all_probes
from tests.collectors.probes import fixed_paths
from tests.collectors.probes.asked import ACCOUNT_PROBES, SHELLS, ask_here, ask_host
from tests.lab.personas import CANARIES
from tests.lab.plugin import HostFactory, OwnHostFactory

_APPLETS = ("awk", "cat", "cut", "find", "grep", "head", "readlink", "sed", "stat", "tail", "tee", "tr", "wc")
# The processes of a moment; everything else of an unchanged machine is the same twice.
_STEADY = ("accounts", "names", "shadow", "keys")


def _executable(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def applets(tmp_path: Path) -> Path:
    """A folder in which busybox stands for the usual tools."""
    for name in _APPLETS:
        (tmp_path / name).symlink_to("/usr/bin/busybox")
    return tmp_path


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_shell_gives_the_same_payloads(shell: tuple[str, ...]) -> None:
    expected = ask_here(_STEADY, ("root", "daemon", "nobody-of-that-name"))
    answer = ask_here(_STEADY, ("root", "daemon", "nobody-of-that-name"), in_shell=shell)
    assert answer.done
    assert [it.parts for it in answer.sections.values()] == [it.parts for it in expected.sections.values()]


def test_busybox_applets_give_the_same_payloads(applets: Path) -> None:
    expected = ask_here(_STEADY, ("root", "nobody-of-that-name"))
    answer = ask_here(
        _STEADY,
        ("root", "nobody-of-that-name"),
        in_shell=("busybox", "ash"),
        first_in_path=applets,
    )
    assert [it.parts for it in answer.sections.values()] == [it.parts for it in expected.sections.values()]
    assert [it.exit for it in answer.sections.values()] == [0] * len(_STEADY)


@pytest.mark.parametrize("shell", [("dash",), ("bash",), ("busybox", "ash")], ids=" ".join)
def test_no_section_opens_a_file_for_writing(shell: tuple[str, ...], tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    calls = "open,openat,openat2,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,chmod,fchmodat"
    calls += ",utimensat,truncate,symlink,symlinkat,link,linkat,mknod,mknodat,chown,fchownat"
    answer = ask_here(
        ACCOUNT_PROBES,
        ("root", "nobody-of-that-name"),
        in_shell=shell,
        wrapped_by=("strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={calls}"),
    )
    assert answer.done
    lines = trace.read_text(errors="replace").splitlines()
    assert len(lines) > 100
    writes = [
        line
        for line in lines
        if re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND", line)
        or not re.search(r"\bopen(at2?)?\(", line)
    ]
    harmless = re.compile(r'"/dev/(null|tty|fd/[0-9]+)"|"/proc/self/fd/|resumed>|\+\+\+|---|= -1 E')
    assert [line for line in writes if not harmless.search(line)] == []


def test_a_name_of_a_second_name_service_is_found_by_look_up(tmp_path: Path) -> None:
    """Criterion 23: such names stand in no file of the host, and its comment field stays there."""
    _executable(
        tmp_path / "getent",
        '#!/bin/sh\n[ "$*" = "passwd root yamada sato" ] || exit 1\n'
        "echo root:x:0:0:root:/root:/bin/bash\n"
        "echo 'yamada:*:70001:70001:CANARY-GECOS Taro:/home/yamada:/bin/bash'\nexit 2\n",
    )
    answer = ask_here(("names",), ("root", "yamada", "sato"), first_in_path=tmp_path)
    facts = answer.facts("names")
    assert isinstance(facts, NamesFacts)
    assert [(it.name, it.uid, it.home) for it in facts.found] == [("yamada", 70001, "/home/yamada")]
    assert facts.asked == {"root", "yamada", "sato"}
    assert b"CANARY" not in answer.stream


_DIRECTORY = r"""
printf 'passwd: files sss\ngroup: files [NOTFOUND=continue] sss # ldap\n' > /etc/nsswitch.conf
printf 'root:x:0:\nsudo:x:27:sato\n' > /etc/group
cat > /run/getent <<'END'
#!/bin/sh
case "$*" in
  "passwd yamada sato") echo 'yamada:*:70001:70010:CANARY-GECOS:/home/yamada:/bin/bash'; exit 2 ;;
  "initgroups yamada sato") echo 'yamada     70011 70012'; echo 'sato       27 70011' ;;
  "group 70010 70011 70012") echo 'domain users:*:70010:'; echo 'hr:*:70011:CANARY-MEMBER'; exit 2 ;;
  *) exit 1 ;;
esac
END
chmod 755 /run/getent
mount --bind /run/getent /usr/bin/getent
"""


@pytest.mark.parametrize("shell", fixed_paths.SHELLS)
def test_groups_of_a_directory_are_looked_up_for_the_asked_names(shell: str) -> None:
    """S4: also the primary one; a group without a name stays a number, and no member leaves the host."""
    answer = fixed_paths.ask(all_probes()["names"], _DIRECTORY, shell=shell, names=("yamada", "sato"))
    facts = all_probes()["names"].parse(answer.section)
    assert isinstance(facts, NamesFacts)
    assert facts.memberships is not None
    assert [(it.account, it.gid, it.group) for it in facts.memberships] == [
        ("yamada", 70_010, "domain users"),
        ("yamada", 70_011, "hr"),
        ("yamada", 70_012, ""),
        ("sato", 70_011, "hr"),
    ]
    assert facts.remote_groups == ("sss",)
    assert b"CANARY" not in answer.stream


def test_a_look_up_that_ran_out_of_time_is_a_timeout(tmp_path: Path) -> None:
    _executable(tmp_path / "timeout", "#!/bin/sh\nexit 124\n")
    with pytest.raises(WithheldError) as withheld:
        ask_here(("names",), ("root",), first_in_path=tmp_path).facts("names")
    assert withheld.value.reason is Reason.TIMEOUT


_HOSTILE_KEYS = """
for who in fifo zero trap long binary gone; do
  useradd --create-home --shell /bin/bash --comment 'CANARY-GECOS Room 9' $who
  install -d -m 700 -o $who /home/$who/.ssh
done
mkfifo /home/fifo/.ssh/authorized_keys
ln -s /dev/zero /home/zero/.ssh/authorized_keys
ln -s /etc/shadow /home/trap/.ssh/authorized_keys
head -c 5000000 /dev/zero | tr '\\000' a > /home/long/.ssh/authorized_keys
printf '\\000\\033[2J\\377%s\\n' "$KEY_tanaka" > /home/binary/.ssh/authorized_keys
printf 'from="10.0.0.1,a b",command="echo \\\\"x y\\\\"",expiry-time="20200101" %s\\n' "$KEY_yamada" \
  >> /home/binary/.ssh/authorized_keys
printf 'x\\000%s\n' "$KEY_suzuki" >> /home/binary/.ssh/authorized_keys
printf 'no-such-key AAAA\\nssh-ed25519 AAAAnonsense who\\n' >> /home/binary/.ssh/authorized_keys
echo "$KEY_mori" > /home/gone/.ssh/authorized_keys2
userdel gone
"""


@pytest.mark.lab
def test_hostile_key_files_are_harmless(own_host: OwnHostFactory) -> None:
    answer = ask_host(own_host("clean", setup=_HOSTILE_KEYS), ("gone",))
    facts = answer.facts("keys")
    assert isinstance(facts, KeysFacts)
    files = {it.account: it for it in facts.files}
    assert {name: files[name].state for name in ("fifo", "zero", "trap", "long", "binary", "gone")} == {
        "fifo": "special",
        "zero": "special",
        "trap": "read",
        "long": "cut",
        "binary": "read",
        "gone": "read",
    }
    assert files["trap"].keys == ()
    assert files["gone"].left_behind
    # A NUL byte ends no line for us: what follows it counts as a line, so no key can hide behind one.
    options = [key.options for key in files["binary"].keys if key.fingerprint]
    assert options == [("from", "command", "expiry-time=20200101"), ()]
    assert files["binary"].other_lines >= 1
    assert [key.fingerprint for key in files["binary"].keys].count("") == 1
    assert answer.done


@pytest.mark.lab
def test_fingerprints_are_those_of_ssh_keygen(own_host: OwnHostFactory) -> None:
    host = own_host("leaver")
    facts = ask_host(host, ("tanaka",)).facts("keys")
    assert isinstance(facts, KeysFacts)
    oracle = host.sh("ssh-keygen -lf /home/tanaka/.ssh/authorized_keys").stdout.split()[1]
    assert [key.fingerprint for it in facts.files if it.account == "tanaka" for key in it.keys] == [oracle]


_SHADOW = r"""
hash='$y$j9T$CANARYshared00000000000$bPqqb05eyigQgII56JHg6AnHBPZaa1SmvQ0ZV6eQt73'
n=13000
person() {
  n=$((n + 1))
  echo "$1:x:$n:$n:CANARY-GECOS $1:/home/$1:/bin/bash" >> /etc/passwd
  echo "$1:$2" >> /etc/shadow
}
person twin1 "$hash:20000:0:90:7:::"
person twin2 "!$hash:20000:0:90:7:::"
person des 'CANARYdesabcd:20000:0:90:7:14:20100:'
person bsdi '_CANARYbsdiabcdefghi:20000:0:90:7:::'
person md5 '$1$CANARYmd$abcdefghijklmnopqrstuv:20000:0:90:7:::'
person sha '$6$rounds=1000$CANARYsha$abcdef:20000:0:90:7:::'
person odd '$zz$CANARYodd$abcdef:20000:0:90:7:::'
person bang '!:20000::::::'
person bangbang '!!:20000::::::'
person bangother '!CANARYword:20000::::::'
person star '*:20000::::::'
person lk '*LK*:20000::::::'
person letter 'x:20000::::::'
person empty ':20000::::::'
person word 'CANARYword:20000::::::'
person zero '*:0:0:90:7::0:'
person soon '*:20000:0:90:7::99999:'
person never '*:20000:0:90:7:::'
person minus '*:20000:0:90:7::-1:'
person damaged '*:today:0:90:7:::'
person short 'CANARYshort:20000'
echo 'CANARYdesabcd' >> /etc/shadow
echo '$6$CANARYstray$abc:x:1:2:3:4:5::' >> /etc/shadow
echo '+::::::::' >> /etc/shadow
echo >> /etc/shadow
"""


@pytest.mark.lab
def test_no_hash_leaves_and_each_state_is_told_apart(own_host: OwnHostFactory) -> None:
    answer = ask_host(own_host("clean", setup=_SHADOW), ("twin1",))
    facts = answer.facts("shadow")
    assert isinstance(facts, ShadowFacts)
    assert b"CANARY" not in answer.stream
    found = {it.name: it for it in facts.entries}
    states = {name: (it.state.value, it.algorithm) for name, it in found.items() if it.name in _STATES}
    assert states == _STATES
    assert found["twin1"].shared == found["twin2"].shared != 0
    assert found["des"].shared == 0
    assert found["sha"].rounds == 1000
    assert (found["des"].inactive_days, found["des"].expire_day) == (14, 20100)
    assert (found["zero"].expire_day, found["never"].expire_day) == (0, None)
    assert found["damaged"].damaged
    assert found["minus"].damaged
    assert "short" in facts.malformed
    assert "?" in facts.malformed
    assert facts.orphans == 1


_STATES = {
    "twin1": ("set", "y"),
    "twin2": ("locked", "y"),
    "des": ("set", "des"),
    "bsdi": ("set", "bsdi"),
    "md5": ("set", "1"),
    "sha": ("set", "6"),
    "odd": ("set", "other"),
    "bang": ("bang", ""),
    "bangbang": ("bang", ""),
    "bangother": ("bangother", ""),
    "star": ("star", ""),
    "lk": ("starlike", ""),
    "letter": ("x", ""),
    "empty": ("empty", ""),
    "word": ("invalid", ""),
    "zero": ("star", ""),
    "soon": ("star", ""),
    "never": ("star", ""),
    "minus": ("star", ""),
    "damaged": ("star", ""),
}


@pytest.mark.lab
def test_dates_and_locks_agree_with_chage_and_passwd(own_host: OwnHostFactory) -> None:
    """`chage -i -l` and `passwd -S` are not ours: what they say of the same file must be what we say."""
    host = own_host("clean", setup=_SHADOW)
    facts = ask_host(host).facts("shadow")
    assert isinstance(facts, ShadowFacts)
    found = {it.name: it for it in facts.entries}
    for name in ("des", "twin1", "soon", "never", "bang"):
        said = host.sh(f"chage -i -l {name}").stdout
        ends = re.search(r"Account expires\s*: (\S+)", said)
        most = re.search(r"Maximum number of days between password change\s*: (-?\d+)", said)
        assert ends is not None
        assert most is not None
        day = found[name].expire_day
        expected = "never" if day is None else host.sh(f"date -u -d @$(({day} * 86400)) +%F").stdout.strip()
        assert ends[1] == expected, name
        assert int(most[1]) == (-1 if found[name].max_days is None else found[name].max_days), name
    # The C library skips a line with a number that is none, -1 included: as if it were not there.
    for name, entry in found.items():
        assert entry.damaged == (not host.sh(f"getent shadow {name} || true").stdout.strip()), name
    letters = {
        name: host.sh(f"passwd -S {name}").stdout.split()[1]
        for name in ("twin1", "twin2", "bang", "empty", "star")
    }
    assert letters == {"twin1": "P", "twin2": "L", "bang": "L", "empty": "NP", "star": "L"}
    assert found["twin2"].state is PasswordState.LOCKED
    assert found["empty"].state is PasswordState.EMPTY


@pytest.mark.lab
def test_no_secret_and_no_comment_field_leaves_a_host(own_host: OwnHostFactory) -> None:
    host = own_host("leaver", setup="echo 'broken:x:CANARY-GECOS Room 9' >> /etc/passwd")
    answer = ask_host(host, ("tanaka", "sato"))
    planted = host.sh(
        "cat /etc/shadow /etc/passwd /home/tanaka/.ssh/authorized_keys; crontab -l -u tanaka"
    ).stdout
    blob = planted.split("ssh-ed25519 ")[1].split()[0]
    assert all(canary.encode() not in answer.stream for canary in (*CANARIES, "CANARY", blob))
    assert "CANARY-GECOS" in planted


@pytest.mark.lab
def test_odd_lines_of_passwd_are_kept_in_sight(own_host: OwnHostFactory) -> None:
    """A damaged line may be an account; none is dropped without a trace."""
    lines = (
        "  led:x:14001:14001::/home/led:/bin/sh",
        "few:x:14002:14002",
        "shifted:14003:14003:CANARY-GECOS:/home/s:/bin/sh",
        "word:x:abc:1::/:/bin/sh",
        "with blank:x:14004:14004::/:/bin/sh",
        "+nis::::::",
        "# note:x:0:0::/:",
        "double:x:14005:14005::/home/a:/bin/sh",
        "double:x:14006:14006::/home/b:/bin/sh",
        "",
    )
    setup = "\n".join(f"printf '%s\\n' '{line}' >> /etc/passwd" for line in lines)
    answer = ask_host(own_host("clean", setup=setup))
    facts = answer.facts("accounts")
    assert isinstance(facts, AccountsFacts)
    assert sorted(facts.malformed) == ["?", "?", "shifted", "word"]
    assert facts.nis_lines == 1
    names = [it.name for it in facts.accounts]
    assert "led" in names
    assert names.count("double") == 2
    assert b"CANARY" not in answer.stream
    assert facts.pam
    assert facts.pass_max_days == 90


@pytest.mark.lab
def test_the_effective_settings_of_sshd_are_asked_of_sshd(own_host: OwnHostFactory) -> None:
    setup = (
        "sed -i 's/^Subsystem.*/Subsystem sftp internal-sftp/; s/^UsePAM.*/UsePAM no/' /etc/ssh/sshd_config\n"
        "printf 'AllowTcpForwarding no\\n' > /etc/ssh/sshd_config.d/a.conf\n"
        "printf 'Match User sato\\n  AuthorizedKeysFile=/etc/ssh/keys/%%u\\n' >> /etc/ssh/sshd_config\n"
        'install -d /etc/ssh/keys; echo "$KEY_sato" > /etc/ssh/keys/sato\n'
    )
    answer = ask_host(own_host("clean", setup=setup))
    sshd = answer.facts("sshd")
    assert isinstance(sshd, SshdFacts)
    assert (sshd.use_pam, sshd.internal_sftp, sshd.forwarding, sshd.match_blocks) == (
        False,
        True,
        False,
        True,
    )
    keys = answer.facts("keys")
    assert isinstance(keys, KeysFacts)
    assert [len(it.keys) for it in keys.files if it.account == "sato"] == [1]


@pytest.mark.lab
def test_a_keys_command_in_a_match_block_is_seen(own_host: OwnHostFactory) -> None:
    setup = (
        "printf 'Match User sato\\n  AuthorizedKeysCommand /bin/true\\n  AuthorizedKeysCommandUser nobody\\n'"
        " >> /etc/ssh/sshd_config\n"
    )
    sshd = ask_host(own_host("clean", setup=setup)).facts("sshd")
    assert isinstance(sshd, SshdFacts)
    assert sshd.keys_command


@pytest.mark.lab
def test_a_file_included_from_elsewhere_leaves_match_blocks_unknown(own_host: OwnHostFactory) -> None:
    setup = "touch /etc/ssh/other.conf; echo 'Include /etc/ssh/other.conf' >> /etc/ssh/sshd_config\n"
    sshd = ask_host(own_host("clean", setup=setup)).facts("sshd")
    assert isinstance(sshd, SshdFacts)
    assert sshd.match_blocks is None


@pytest.mark.lab
@pytest.mark.parametrize(
    ("options", "own"),
    [
        ("-oCiphers=aes256-ctr -o MACs=hmac-sha2-256 -oPubkeyAcceptedKeyTypes=ssh-ed25519", False),
        ("-oCASignatureAlgorithms=ssh-ed25519 -oGSSAPIKexAlgorithms=gss-group14-sha256-", False),
        ("-oCiphers=aes256-ctr -oAuthorizedKeysFile=/keys", True),
        ("-o UsePAM=no -oCiphers=aes256-ctr", True),
        ("-Df /etc/ssh/sshd_config", True),
    ],
)
def test_a_daemon_told_which_algorithms_to_take_lets_in_nobody_else(
    own_host: OwnHostFactory, options: str, *, own: bool
) -> None:
    """RHEL 8 starts every sshd with the ciphers of its policy as options."""
    host = own_host("clean")
    host.sh(f"setsid /usr/sbin/sshd -p 2222 {options} >/dev/null 2>&1 </dev/null & sleep 1; pgrep -af 2222")
    found = ask_host(host).facts("sshd")
    assert isinstance(found, SshdFacts)
    assert found.own_file is own


@pytest.mark.lab
def test_without_privilege_hidden_things_are_denied_and_never_absent(own_host: OwnHostFactory) -> None:
    answer = ask_host(own_host("unprivileged", setup="chmod 700 /home/tanaka"), ("tanaka",))
    for name, reason in (("shadow", Reason.NOPRIV), ("sshd", Reason.NOPRIV)):
        with pytest.raises(WithheldError) as withheld:
            answer.facts(name)
        assert withheld.value.reason is reason
    keys = answer.facts("keys")
    assert isinstance(keys, KeysFacts)
    assert {it.state for it in keys.files if it.account == "tanaka"} == {"denied"}
    residue = answer.facts("residue")
    assert isinstance(residue, ResidueFacts)
    assert residue.crontabs is None
    assert any(it.uid == 12003 and it.command == "sleep" for it in residue.processes or ())
    assert [(it.account, it.number) for it in residue.units] == [("tanaka", None)]


@pytest.mark.lab
def test_enabled_user_services_are_as_many_as_systemd_says(host: HostFactory) -> None:
    machine = host("systemd-leaver")
    facts = ask_host(machine, ("tanaka", "sato")).facts("residue")
    assert isinstance(facts, ResidueFacts)
    oracle = machine.sh(
        "setpriv --reuid=12003 --regid=12003 --clear-groups env XDG_RUNTIME_DIR=/run/user/12003"
        " systemctl --user list-unit-files --state=enabled --no-legend | grep -c courier"
    ).stdout
    assert [(it.account, it.number) for it in facts.units] == [("tanaka", int(oracle))]


@pytest.mark.lab
def test_services_of_the_system_run_as_an_account_that_has_expired(own_host: OwnHostFactory) -> None:
    """Ground truth: systemd starts one, by name, by number and by a drop-in."""
    host = own_host("systemd-leaver")
    folder = "/etc/systemd/system"
    host.sh(
        "usermod --expiredate 1 tanaka\n"
        "unit() { printf '[Service]\\nType=oneshot\\nExecStart=touch /tmp/ran-%s\\n%s\\n' $1 \"$2\""
        f" > {folder}/lab-$1.service; }}\n"
        "unit name 'User = tanaka'; unit uid User=12003; unit root User=root; unit dropin '#User=tanaka'\n"
        f"mkdir {folder}/lab-dropin.service.d\n"
        f"printf '[Service]\\nUser=tanaka' > {folder}/lab-dropin.service.d/a.conf\n"
        f"ln -s /dev/null {folder}/lab-masked.service\n"
        "systemctl daemon-reload; systemctl start lab-name lab-uid lab-dropin lab-root"
    )
    ran = host.sh("stat -c '%U %n' /tmp/ran-* | sort").stdout.split("\n")
    assert [it for it in ran if it.startswith("tanaka ")] == [
        f"tanaka /tmp/ran-{name}" for name in ("dropin", "name", "uid")
    ]
    facts = ask_host(host, ("tanaka", "sato")).facts("residue")
    assert isinstance(facts, ResidueFacts)
    assert [(it.account, it.number) for it in facts.services or ()] == [("12003", 1), ("tanaka", 2)]


@pytest.mark.lab
def test_what_a_deleted_account_leaves_is_found(own_host: OwnHostFactory) -> None:
    setup = (
        "userdel -f tanaka || true\nprintf '# none\\nPATH=/bin\\n\\n' > /var/spool/cron/crontabs/sato\n"
        "install -d /var/lib/systemd/linger; touch /var/lib/systemd/linger/sato\n"
        "printf '@daily suzuki true CANARY\\n* * * * * tanaka true\\n' > /etc/cron.d/jobs\n"
        "mkfifo /var/spool/cron/crontabs/suzuki\n"
        "units=/home/tanaka/.config/systemd/user\n"
        "mkdir -p $units/default.target.wants $units/x.socket.requires\n"
        "touch $units/CANARY.service; ln -s ../CANARY.service $units/default.target.wants/\n"
        "ln -s /nowhere $units/x.socket.requires/y.service\n"
        "echo CANARY > /var/mail/tanaka; : > /var/mail/sato"
    )
    answer = ask_host(own_host("leaver", setup=setup), ("tanaka",))
    facts = answer.facts("residue")
    assert isinstance(facts, ResidueFacts)
    homes = {it.name: (it.uid, it.owner) for it in facts.homes or ()}
    assert homes["tanaka"] == (12003, None)
    assert homes["sato"] == (12001, "sato")
    tabs = {it.account: it.number for it in facts.crontabs or ()}
    assert tabs == {"tanaka": 1, "sato": 0, "suzuki": None}
    assert facts.linger == ("sato",)
    jobs = {it.account: it.number for it in facts.system_jobs or ()}
    assert (jobs["suzuki"], jobs["tanaka"]) == (1, 1)
    assert [(it.account, it.number) for it in facts.units] == [("tanaka", 2)]
    assert facts.mail == ("tanaka",)
    assert b"CANARY" not in answer.stream
