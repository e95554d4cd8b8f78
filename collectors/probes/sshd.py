"""What sshd really does: its effective settings that decide who gets in."""

from collectors.evidence import Reason, Section
from collectors.facts import Facts, Probe, WithheldError
from collectors.probes.rows import broken, required, rows


class SshdFacts(Facts, frozen=True, kw_only=True):
    """The settings as `sshd -T` (or -G) prints them, without Match blocks."""

    installed: bool
    """whether there is an sshd; without one all other fields are sshd's defaults and mean nothing"""
    use_pam: bool
    """with PAM the expiry date closes from its first UTC hour, without it a day later"""
    password_authentication: bool
    kbd_interactive: bool
    pubkey_authentication: bool
    permit_empty_passwords: bool
    permit_root_login: str
    forwarding: bool
    """TCP forwarding is allowed, which needs no shell; without it sshd forwards no local socket either"""
    internal_sftp: bool
    """sftp is served by sshd itself, which needs no shell"""
    keys_command: bool
    """AuthorizedKeysCommand names keys that stand in no file"""
    user_ca: bool
    """TrustedUserCAKeys lets in whoever a certificate authority vouches for"""
    vouched: bool
    """another host (HostbasedAuthentication) or a Kerberos server may vouch for who logs in"""
    match_blocks: bool | None
    """whether a Match block changes anything for some; None when the files cannot be read"""
    own_file: bool
    """a running daemon was started with its own file or options: these settings may not be its"""
    other_daemon: bool
    """another SSH server runs, about which nothing is known here"""


_STANDARD_INCLUDES = frozenset(
    {"/etc/ssh/sshd_config.d/*.conf", "sshd_config.d/*.conf", "/usr/etc/ssh/sshd_config.d/*.conf"}
)


def parse(section: Section) -> SshdFacts:
    """Read sshd's own print of its settings; raises WithheldError when it would not print them."""
    effective = required(section, "effective")
    daemons = {line for _, line in rows(required(section, "daemons"))}
    if not daemons <= {"plain", "own", "other"}:
        raise broken(required(section, "daemons"), 1, "unknown kind of daemon")
    installed = effective.state == "read"
    match effective.state:
        case "denied":
            raise WithheldError(Reason.NOPRIV, "only root can ask this sshd for its settings")
        case "failed":
            raise WithheldError(Reason.FAILED, "sshd did not print its settings")
        case "absent" if daemons & {"plain", "own"}:
            raise WithheldError(Reason.UNSUPPORTED, "sshd runs from an unusual place")
        case "read" | "absent":
            pass
        case _:
            raise broken(effective, 1, "unknown state")
    settings: dict[str, str] = {}
    internal_sftp = False
    for _, line in rows(effective):
        key, _, value = line.partition(" ")
        if key == "subsystem":
            internal_sftp |= "internal-sftp" in value.split()
        else:
            settings.setdefault(key, value.strip())
    if installed and not {"permitrootlogin", "authorizedkeysfile"} <= settings.keys():
        raise broken(effective, 1, "not the settings of sshd")
    files = _files(section)
    keytab = section.part("keytab")

    def yes(key: str, default: str) -> bool:
        return settings.get(key, default) not in ("no", "none")

    return SshdFacts(
        installed=installed,
        # Built without PAM, sshd prints no such line.
        use_pam=yes("usepam", "no"),
        password_authentication=yes("passwordauthentication", "yes"),
        kbd_interactive=yes("kbdinteractiveauthentication", "yes"),
        pubkey_authentication=yes("pubkeyauthentication", "yes"),
        permit_empty_passwords=yes("permitemptypasswords", "no"),
        permit_root_login=settings.get("permitrootlogin", ""),
        forwarding=yes("allowtcpforwarding", "yes") and settings.get("disableforwarding", "no") == "no",
        internal_sftp=internal_sftp,
        keys_command=yes("authorizedkeyscommand", "none") or _set(files, "authorizedkeyscommand"),
        user_ca=yes("trustedusercakeys", "none") or _set(files, "trustedusercakeys"),
        vouched=yes("hostbasedauthentication", "no")
        or _is_on(files, "hostbasedauthentication")
        or (
            (yes("gssapiauthentication", "no") or _is_on(files, "gssapiauthentication"))
            and (keytab is None or keytab.state != "absent")
        ),
        match_blocks=None if files is None else any(line.startswith("match ") for line in files),
        own_file="own" in daemons,
        other_daemon="other" in daemons,
    )


def _files(section: Section) -> tuple[str, ...] | None:
    """Return the interesting lines of all configuration files, or None when some cannot be seen."""
    lines: list[str] = []
    for part in section.parts:
        if not part.name.startswith(("/etc/ssh/", "/usr/etc/ssh/")) or part.state == "absent":
            continue
        if part.state != "read":
            return None
        for _, line in rows(part):
            words = line.split()
            if words and words[0] == "include" and not set(words[1:]) <= _STANDARD_INCLUDES:
                return None
            lines.append(" ".join(words))
    return tuple(lines)


def _set(files: tuple[str, ...] | None, key: str) -> bool:
    """Whether a line, even of a Match block, sets it to anything but none."""
    return any(line.startswith(f"{key} ") and line.split()[1] != "none" for line in files or ())


def _is_on(files: tuple[str, ...] | None, key: str) -> bool:
    """Whether a line, even of a Match block, says yes."""
    return any(line.lower().startswith(f"{key} yes") for line in files or ())


PROBE = Probe(name="sshd", facts=SshdFacts, parse=parse, cap_bytes=65_536, order=30)
