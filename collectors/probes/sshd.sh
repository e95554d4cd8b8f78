# shellcheck shell=sh
# What sshd really does, asked of sshd itself; its files only for what it does not print.
pre_sshd() { tk_ask_sshd; }

sec_sshd() {
  if [ -z "$tk_sshd" ]; then
    tk_part absent effective
  else
    if [ "$tk_effective" ]; then
      tk_part read effective
      printf '%s\n' "$tk_effective" | awk '
        BEGIN {
          split("usepam passwordauthentication kbdinteractiveauthentication pubkeyauthentication " \
            "permitemptypasswords permitrootlogin allowtcpforwarding disableforwarding subsystem " \
            "gssapiauthentication hostbasedauthentication " \
            "authorizedkeysfile authorizedkeyscommand trustedusercakeys", names, " ")
          for (i in names) wanted[names[i]]
        }
        tolower($1) in wanted { print substr($0, 1, 1000) }
      '
    elif [ "$TK_UID" = 0 ]; then tk_part failed effective
    else tk_part denied effective
    fi
  fi
  # Match blocks are not in what sshd prints.
  for tk_f in /usr/etc/ssh/sshd_config /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf; do
    if [ ! -e "$tk_f" ] && [ "$tk_f" != /etc/ssh/sshd_config ]; then continue; fi
    tk_look "$tk_f"; tk_part "$tk_is" "$tk_f"
    if [ -f "$tk_f" ] && [ -r "$tk_f" ]; then
      awk '
        { line = $0; gsub(/[="]/, " ", line); $0 = line; word = tolower($1) }
        word == "match" || word == "authorizedkeysfile" || word == "authorizedkeyscommand" || \
          word == "trustedusercakeys" || word == "gssapiauthentication" || word == "hostbasedauthentication" || \
          word == "include" { $1 = word; print substr($0, 1, 1000) }
      ' <"$tk_f"
    fi
  done
  # Without its own key from Kerberos a host takes nobody's ticket.
  tk_look /etc/krb5.keytab; tk_part "$tk_is" keytab
  # A daemon started with its own file or options does not do what the usual file says.
  # One in another process namespace is a container's, not this host's.
  tk_part read daemons
  tk_own=$(readlink /proc/self/ns/pid)
  # shellcheck disable=SC2013 # paths of numbers only
  for tk_f in $(grep -lsxE 'sshd|dropbear|tinysshd' /proc/[0-9]*/comm); do
    tk_f=${tk_f%/comm}
    if tk_ns=$(readlink "$tk_f/ns/pid") && [ "$tk_ns" != "$tk_own" ]; then continue; fi
    if [ -r "$tk_f/cmdline" ]; then
      # A connection may end meanwhile; that is no error.
      { tr '\000' ' ' <"$tk_f/cmdline"; } 2>/dev/null | awk -v comm="$(cat "$tk_f/comm" 2>/dev/null)" '
        # A connection, not the daemon.
        /^sshd: / && !/\[listener\]/ { next }
        comm != "sshd" { print "other"; next }
        {
          own = "plain"
          for (i = 2; i <= NF; i++) {
            option = ""
            if ($i == "-o") option = tolower($(++i))
            else if ($i ~ /^-o/) option = tolower(substr($i, 3))
            else if ($i !~ /^-[A-Za-z0-9]*[fo]/) continue
            # Which algorithms are taken, as RHEL 8 says there, has no part in who gets in.
            if (option !~ /^(ciphers|macs|[a-z]*(kex|key|accepted|signature)(algorithms|keytypes))=/) own = "own"
          }
          print own
        }
      '
    fi
  done
  return 0
}
