"""Who lives in the lab: one entry per kind of host, plus the people and canaries tests ask about.

Every host starts from the prepared state (scripts/prepared.sh): all promises are kept. A persona's script
then breaks what the persona is named after and nothing else. It runs as root inside the host before any
daemon starts. Its variables: NOW (seconds), TODAY (days since 1970), KEY_<login> (a public key line); its
helpers are in scripts/prepared.sh.
"""

from dataclasses import dataclass
from pathlib import Path

# Texts that must never leave a host, to grep all outputs for. Key blobs are per session: Lab.person_keys.
CANARY_GECOS = "CANARY-GECOS"
CANARY_KEY_COMMENT = "CANARY-KEY-COMMENT"
CANARY_PROCESS = "CANARY-PROCESS-ARGUMENT"
CANARY_CRONTAB = "CANARY-CRONTAB-COMMAND"
CANARY_LOG_TEXT = "CANARY-LOG-TEXT"
# One hash each: two accounts with the same salt and hash would be a finding. All yescrypt, but mori: MD5.
HASHES = {
    "sato": "$y$j9T$CANARYsatoxx0labsalt01$bPqqb05eyigQgII56JHg6AnHBPZaa1SmvQ0ZV6eQt73",
    "suzuki": "$y$j9T$CANARYlab0suzuki$9tJ5edOaxO8VrQKCgnCBgiTimiVXyn3JHtfmSr91/m3",
    "tanaka": "$y$j9T$CANARYlab0tanaka$i78KLhKqQWLr5U1tkH7BLG4h9psVHOkMhLkI9G4n2p5",
    "yamada": "$y$j9T$CANARYlab0yamada$2/GoCoOf3vOHufrfRHmpiP7LEjX1VQcYQ93Pu0h.bfA",
    "mori": "$1$CANARYlb$/mfUIXf9mjR.4Um5cqPmF.",
}
CANARIES = (
    CANARY_GECOS,
    CANARY_KEY_COMMENT,
    CANARY_PROCESS,
    CANARY_CRONTAB,
    CANARY_LOG_TEXT,
    *HASHES.values(),
)

# Login name -> days since the person left, None for those who work here. A roster is made of this.
# sato and suzuki have accounts on every host, the others only where a persona adds them.
PEOPLE: dict[str, int | None] = {"sato": 60, "suzuki": None, "tanaka": 30, "yamada": None, "mori": None}

# Accounts that are nobody's: root, Debian's system accounts (uid < 1000) and the audit login.
AUDIT_LOGIN = "tenken"


@dataclass(frozen=True, kw_only=True)
class Persona:
    """One kind of host.

    `image` names a recipe of images.py; `prepared` the good state it starts from, a key of PREPARED; `login`
    is the account the auditor is given; `init` replaces sshd as PID 1; `ready` is the sign of life start()
    waits for: an SSH "banner", an open "port", or PID 1's program name. `systemd` boots the image's own
    systemd; `session` names a person who is logged in by SSH, with a terminal, for as long as the host runs.
    `exists` false means an address only; with `black_hole` packets to it vanish, else nobody has it.
    """

    script: str = ""
    image: str = "bookworm-archive"
    prepared: str = "debian"
    login: str = "root"
    init: str = ""
    ready: str = "banner"
    daemons: str = "rsyslogd cron"
    systemd: bool = False
    session: str = ""
    changed_host_key: bool = False
    exists: bool = True
    black_hole: bool = False


KEY_COMMENTS = {who: f"{CANARY_KEY_COMMENT}-{who}" for who in PEOPLE}


def _prepared(*scripts: str) -> str:
    texts = (f"GECOS={CANARY_GECOS} LOG_TEXT={CANARY_LOG_TEXT}",
             f"HASH_sato='{HASHES['sato']}' HASH_suzuki='{HASHES['suzuki']}'",
             *((Path(__file__).parent / "scripts" / name).read_text() for name in scripts))  # fmt: skip
    return "\n".join(texts)


# The states that hosts of a session start from: each is made once per session and image that needs it.
PREPARED = {
    "debian": _prepared("prepared.sh", "prepared-debian.sh"),
    "systemd": _prepared("prepared.sh", "prepared-debian.sh", "prepared-systemd.sh"),
    "rpm": _prepared("prepared.sh", "prepared-rpm.sh"),
    "busybox": _prepared("prepared-busybox.sh"),
}

_LEAVER = f"""
lab-person tanaka 12003 "{CANARY_GECOS}-tanaka,Room 3,555-0103" '{HASHES["tanaka"]}' 40
echo "$KEY_tanaka" | lab-key tanaka
usermod -L tanaka
echo '*/5 * * * * true {CANARY_CRONTAB}' | crontab -u tanaka -
setpriv --reuid=12003 --regid=12003 --clear-groups \\
    sh -c 'while sleep 3600; do :; done' {CANARY_PROCESS} >/dev/null 2>&1 &
"""


_SYSTEMD_LEAVER = f"""
lab-person tanaka 12003 "{CANARY_GECOS}-tanaka,Room 3,555-0103" '{HASHES["tanaka"]}' 40
echo "$KEY_tanaka" | lab-key tanaka
usermod -L tanaka
echo '*/5 * * * * true {CANARY_CRONTAB}' | crontab -u tanaka -
mkdir -p /var/lib/systemd/linger
touch /var/lib/systemd/linger/tanaka
units=/home/tanaka/.config/systemd/user
mkdir -p $units/default.target.wants
{{
    printf '[Service]\nExecStart=/bin/sh -c "while sleep 3600; do :; done" {CANARY_PROCESS}\n'
    printf '[Install]\nWantedBy=default.target\n'
}} > $units/courier.service
ln -s ../courier.service $units/default.target.wants/
chown -R tanaka:tanaka /home/tanaka/.config
setpriv --reuid=12003 --regid=12003 --clear-groups env HOME=/home/tanaka USER=tanaka LOGNAME=tanaka \\
    sh -c 'cd; echo true {CANARY_CRONTAB} | at -M "now + 300 days"' 2>/dev/null
"""


# What would reach beyond the host: the machine has one clock and one kernel.
_DROPPED = "-sys_time,-sys_module,-sys_rawio"


def _systemd(image: str, script: str = "", session: str = "") -> Persona:
    return Persona(
        script=script, image=image, prepared="systemd", systemd=True, session=session,
        init=f"setpriv --bounding-set={_DROPPED} /lib/systemd/systemd", daemons="",
    )  # fmt: skip


_AUTOMATIC = "cp /usr/share/unattended-upgrades/20auto-upgrades /etc/apt/apt.conf.d/20auto-upgrades\n"

# Accounts of the persona "shells" that the audit key opens, and the shell each has.
SHELL_LOGINS = {
    f"audit-{Path(shell).name}": shell
    for shell in ("/bin/bash", "/bin/dash", "/bin/zsh", "/usr/bin/fish", "/bin/tcsh")
}
NOISE = "Welcome to the noisy shell"
_SHELLS = (
    "".join(
        f"useradd --uid {uid} --user-group --create-home --shell {shell} --comment 'audit login' {login}\n"
        f"lab-key {login} < /home/tenken/.ssh/authorized_keys\n"
        for uid, (login, shell) in enumerate(SHELL_LOGINS.items(), 11001)
    )
    + f"""
cat > /home/audit-bash/.bashrc <<'RC'
echo '{NOISE}'
echo '{NOISE}' >&2
ls() {{ echo fake ls; }}
awk() {{ echo fake awk; }}
export -f ls awk
RC
"""
)

_POSTGRES = """
chmod 1777 /dev/shm
install -d -o postgres -g postgres -m 2775 /run/postgresql
pg_ctlcluster "$(ls /etc/postgresql)" main start
"""

# dropbear has a key format of its own, and knows no drop-ins.
_DROPBEAR_KEY = """
dropbearconvert openssh dropbear /etc/ssh/ssh_host_ed25519_key \\
    /etc/dropbear/dropbear_ed25519_host_key 2>/dev/null
rm -r /etc/ssh
"""


def _forced(command: str) -> str:
    """Return script text that answers every log-in with `command` whatever was asked."""
    return (
        f"cat > /usr/local/sbin/forced <<'END'\n#!/bin/sh\n{command}\nEND\nchmod 755 /usr/local/sbin/forced\n"
        "echo 'ForceCommand /usr/local/sbin/forced' > /etc/ssh/sshd_config.d/forced.conf\n"
    )


PERSONAS: dict[str, Persona] = {
    # Every promise kept.
    "clean": Persona(),
    # Somebody left 30 days ago; only the password was locked. Key, crontab and a process live on.
    "leaver": Persona(script=_LEAVER),
    # The same host, seen by an auditor without privilege.
    "unprivileged": Persona(script=_LEAVER, login=AUDIT_LOGIN),
    # Security updates for sudo and logrotate wait, logrotate on hold; cron is offered older than installed.
    "pending": Persona(script="/srv/archive/publish pending\napt-mark -qq hold logrotate\n"),
    # Two years old, but the access log reaches back 21 days only.
    "short-logs": Persona(
        script="""
        rm -f /var/log/auth.log*
        lab-auth-log 21 7
        sed -i 's/rotate 60/rotate 4/' /etc/logrotate.d/rsyslog
        """
    ),
    # Every promise kept, on a host installed as Debian 12: its log lines carry RFC 3339 time stamps.
    "iso-logs": Persona(
        script="""
        rm -f /var/log/auth.log* /etc/rsyslog.d/00-traditional.conf
        STAMP=%Y-%m-%dT%H:%M:%S.000000+00:00 lab-auth-log 420 7
        """
    ),
    # Every promise kept, on Debian 13.
    "debian-13": Persona(image="trixie-archive"),
    # Debian 11: nothing to install, and nobody at Debian who makes it since August 2024; LTS ended two
    # years later.
    "end-of-life": Persona(image="bullseye-archive"),
    # An EL9-like host with rpm and dnf; every fix is installed. Then: curl's has been out for 3 days and
    # openssl-libs's for 90, both wait, and so does a bash that is no security fix.
    "rpm-clean": Persona(image="rpm", prepared="rpm"),
    "rpm-pending": Persona(
        image="rpm",
        prepared="rpm",
        script="""
        cd /srv/repo/Packages
        faketime '700 days ago' rpm -U --oldpackage \\
            bash-5.1.8-9.*.rpm curl-*-29.el9_4.noarch.rpm openssl-libs-*-27.*.rpm
        """,
    ),
    # An Alpine-like host: busybox's ash, syslogd and crond, dropbear. No sudo, no PAM, no package manager.
    "busybox": Persona(
        image="busybox",
        prepared="busybox",
        script=_DROPBEAR_KEY,
        init="dropbear -F -s",
        daemons="syslogd crond",
    ),
    # Somebody left 30 days ago and nothing was closed. The account stands in a second name service with a
    # shadow file of its own: no line of /etc/passwd or /etc/shadow tells of it.
    "extrausers": Persona(
        image="extrausers",
        script=f"""
        sed -i 's/^\\(passwd\\|group\\|shadow\\):.*/& extrausers/' /etc/nsswitch.conf
        cd /var/lib/extrausers
        echo 'tanaka:x:12003:12003:{CANARY_GECOS}-tanaka:/home/tanaka:/bin/bash' > passwd
        echo 'tanaka:x:12003:' > group
        echo 'tanaka:{HASHES["tanaka"]}:'$((TODAY - 40))':0:90:7:::' > shadow
        chmod 644 passwd group
        chmod 640 shadow
        install -d -m 755 -o tanaka -g tanaka /home/tanaka
        echo "$KEY_tanaka" | lab-key tanaka
        """,
    ),
    # Every promise kept, with a PostgreSQL server: Debian's own cluster, as its package makes it.
    "postgres-15": Persona(image="bookworm-postgres", script=_POSTGRES),
    "postgres-17": Persona(image="trixie-postgres", script=_POSTGRES),
    # Every promise kept, with doas beside sudo; it permits nobody anything.
    "doas": Persona(image="doas"),
    # Every promise kept once SHELL_LOGINS are declared as accounts of the audit; Host.as_login chooses one of
    # them. audit-bash's .bashrc prints, and exports functions called ls and awk.
    "shells": Persona(image="shells", script=_SHELLS),
    # Every promise kept; pamtester asks PAM, and pwquality judges new passwords.
    "pam-12": Persona(image="bookworm-pam"),
    "pam-13": Persona(image="trixie-pam"),
    # Every promise kept, with systemd as PID 1: units, timers, logind, a persistent journal. 13 has no
    # other log.
    "systemd-12": _systemd("bookworm-systemd"),
    "systemd-13": _systemd("trixie-systemd"),
    # unattended-upgrades as its package configures it, and switched on. It has not run yet.
    "automatic-12": _systemd("bookworm-automatic", _AUTOMATIC),
    "automatic-13": _systemd("trixie-automatic", _AUTOMATIC),
    # Somebody left 30 days ago; only the password was locked. A key, a crontab, a queued at job, a user
    # manager that lingers with a service in it, and a session that is still open.
    "systemd-leaver": _systemd("bookworm-systemd", _SYSTEMD_LEAVER, session="tanaka"),
    # yamada: password never expires, changed 200 days ago. mori: changed 10 days ago, but an MD5 hash.
    "old-password": Persona(
        script=f"""
        lab-person yamada 12004 "{CANARY_GECOS}-yamada,Room 4,555-0104" '{HASHES["yamada"]}' 200
        chage -M 99999 yamada
        lab-person mori 12005 "{CANARY_GECOS}-mori,Room 5,555-0105" '{HASHES["mori"]}' 10
        """
    ),
    # Nobody has this address / packets to it vanish / no sshd there / another host key than is pinned.
    "unreachable": Persona(exists=False),
    "black-hole": Persona(exists=False, black_hole=True),
    "refused": Persona(init="sleep infinity", ready="sleep"),
    "changed-key": Persona(changed_host_key=True),
    # The port accepts and never says a word.
    "silent": Persona(
        init="perl -MIO::Socket::INET -e '"
        "$s = IO::Socket::INET->new(LocalPort => 22, Listen => 64) or die; push @c, $s->accept while 1"
        "'",
        ready="port",
    ),
    # The log-in works, then: no answer ever / no end of it / an end without a middle / nonsense.
    "hangs": Persona(script=_forced("exec sleep infinity")),
    "floods": Persona(script=_forced("exec yes 'this line never ends coming'")),
    # stderr fills first (8 MB, more than an SSH window), then the true answer comes to who drains both.
    "floods-stderr": Persona(script=_forced('yes noise | head -c 8000000 >&2\neval "$SSH_ORIGINAL_COMMAND"')),
    "lying": Persona(
        script=_forced("cat > /dev/null & head -c 20000 /dev/urandom\necho\necho '@done n=99 t=0'")
    ),
    "lying-truncated": Persona(script=_forced('eval "$SSH_ORIGINAL_COMMAND" | head -c 3000')),
}
