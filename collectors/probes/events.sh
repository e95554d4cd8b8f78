# shellcheck shell=sh
# What the log of log-ins says of the asked names: who got in, and who was locked, expired or deleted.
#
# Of a line only time, kind, name and method leave the host, and for log-ins only the last of each file.
# shellcheck disable=SC2154  # TK_B, TK_NAMES and the tk_ functions come from the prelude

ev_nl='
'
ev_cap=16777216

sec_events() {
  tk_part read zone
  # Stamps without a zone are in the host's own.
  (unset TZ; date +%z)
  tk_part read asked
  printf '%s\n' "$TK_NAMES" | tr ' ' '\n'
  if [ -z "$TK_NAMES" ]; then return 0; fi
  ev_until=$(tk_now)
  ev_until=$((${ev_until%%.*} + 6))
  IFS=$ev_nl
  set --
  if [ -d /var/log ] && { [ ! -r /var/log ] || [ ! -x /var/log ]; }; then tk_part denied 'log /var/log'; fi
  ev_own=
  for ev_f in /var/log/auth.log /var/log/auth.log[.-]* /var/log/secure /var/log/secure[.-]* \
    /var/log/messages /var/log/messages[.-]*; do
    case ${ev_f#/var/log/} in
      *'[.-]*') continue ;;
      # Where log-ins have no log of their own they are in this one, as with busybox and on SUSE.
      messages*) if [ -n "$ev_own" ]; then continue; fi ;;
    esac
    case ${ev_f#/var/log/} in *[!A-Za-z0-9._-]*) tk_part odd 'log ?'; continue ;; esac
    tk_look "$ev_f"; ev_is=$tk_is
    if [ "$ev_is" = absent ]; then continue; fi
    case $ev_f in /var/log/messages*) ;; *) ev_own=yes ;; esac
    if [ "$ev_is" != read ]; then tk_part "$ev_is" "log $ev_f"
    elif [ -f "$ev_f" ]; then set -- "$@" "$ev_f"; fi
  done
  if [ $# -gt 0 ]; then
    # The newest first: what is left when the time is up is the oldest.
    stat -L -c '%Y %s %n' "$@" | sort -rn | {
      ev_n=0
      while IFS=' ' read -r ev_mtime ev_size ev_f; do
        ev_n=$((ev_n + 1))
        ev_now=$(tk_now)
        if [ "$ev_n" -gt 120 ] || [ "${ev_now%%.*}" -ge "$ev_until" ]; then tk_part limit "log $ev_f"; continue; fi
        tk_part read "log $ev_f"
        printf 'M %s\n' "$ev_mtime"
        ev_read "$ev_f" "$ev_size"
      done
    }
  fi
  ev_journal
  ev_audit
  return 0
}

# ev_read FILE SIZE: its events, and how its reading ended.
ev_read() {
  case $1 in
    *.gz | *.Z) ev_tool=gzip ;;
    *.xz) ev_tool=xz ;;
    *.zst) ev_tool=zstd ;;
    *.bz2) ev_tool=bzip2 ;;
    *) ev_tool= ;;
  esac
  if [ -n "$ev_tool" ] && ! tk_have "$ev_tool"; then echo 'S no_tool'; return; fi
  if [ -z "$ev_tool" ] && [ "$2" -gt "$ev_cap" ]; then
    # The end of a long file is the part that matters; its first line is a torn one.
    tail -c "$ev_cap" <"$1" | sed 1d | ev_reduce
    echo 'S tail'
    return
  fi
  exec 5>&1
  ev_rc=$({ { ev_open "$1"; echo $? >&3; } | head -c "$ev_cap" 3>&- | ev_reduce 3>&- >&5; } 3>&1)
  echo "S $ev_rc"
}
ev_open() {
  if [ -n "$ev_tool" ]; then tk_within 3 "$ev_tool" -dc <"$1" 3>&- 5>&-; else cat <"$1" 3>&- 5>&-; fi
}

# The journal of this machine; what other machines sent here stands under their own ids.
ev_journal() {
  ev_id=
  if [ -f /etc/machine-id ] && [ -r /etc/machine-id ]; then read -r ev_id </etc/machine-id; fi
  case $ev_id in '' | *[!0-9a-f]*) ev_id=none ;; esac
  ev_dir=/var/log/journal/$ev_id
  ev_name=journal
  tk_look "$ev_dir"; ev_is=$tk_is
  if [ "$ev_is" = absent ]; then
    # Gone with the next boot, so it proves a log-in and never that there was none.
    if [ -d "/run/log/journal/$ev_id" ]; then ev_dir=/run/log/journal/$ev_id; ev_name=volatile; tk_look "$ev_dir"; ev_is=$tk_is; fi
  fi
  ev_all=0
  if [ "$ev_is" = read ]; then
    for ev_f in "$ev_dir"/system.journal "$ev_dir"/system@*.journal "$ev_dir"/system@*.journal~; do
      [ -f "$ev_f" ] || continue
      ev_all=$((ev_all + 1))
      if [ ! -r "$ev_f" ]; then ev_is=denied; fi
    done
    if [ "$ev_is" = read ] && [ "$ev_all" = 0 ]; then ev_is=absent; fi
    if [ "$ev_is" = read ] && ! tk_have journalctl; then ev_is=no_tool; fi
  fi
  tk_part "$ev_is" "$ev_name"
  [ "$ev_is" = read ] || return 0
  # J SEQNUM-ID FIRST LAST FIRST-STAMP LAST-STAMP of each file: whether one between them is missing or torn.
  tk_within 5 journalctl --header -D "$ev_dir" 2>&1 | awk -v all="$ev_all" '
    function file() { if (of && first) { n++; print "J\t" id "\t" first "\t" last "\t" from "\t" to }; first = 0 }
    { said = tolower($0) }
    said ~ /^journal file .* ignoring/ { torn = 1 }
    said ~ /^file path: / { file(); of = said ~ /\/system(@[^\/]*)?\.journal~?$/; if (of) seen++ }
    said ~ /^sequential number id: / { id = $4 }
    said ~ /^head sequential number: / { first = $4 }
    said ~ /^tail sequential number: / { last = $4 }
    said ~ /^head realtime timestamp: / { from = $5 "T" $6 }
    said ~ /^tail realtime timestamp: / { to = $5 "T" $6 }
    END { file(); if (torn || seen < all) print "S torn" }'
  exec 5>&1
  # The newest first, so that a cut takes the oldest away. Anybody may call himself sshd, but only root is root.
  ev_rc=$({
    {
      tk_within 5 journalctl -q --no-pager -r -D "$ev_dir" -o short-unix _UID=0 -t sshd -t sshd-session -t dropbear -t login \
        -t usermod -t userdel 3>&- 5>&-
      echo $? >&3
    } | head -c "$ev_cap" 3>&- | ev_reduce 3>&- >&5
  } 3>&1)
  echo "S $ev_rc"
}

# What auditd kept of sessions and deletions, in the last 8 MB of its two newest files. It proves these, and never that
# there were none: which events it keeps is a matter of rules. A name in quotes is plain; others stand in
# hexadecimal digits (auditd's audit_encode_nv_string(3)), and none of those can be asked for.
ev_audit() {
  tk_look /var/log/audit/audit.log; ev_is=$tk_is
  if [ "$ev_is" = absent ]; then return 0; fi
  tk_part "$ev_is" audit
  [ "$ev_is" = read ] || return 0
  for ev_f in /var/log/audit/audit.log.1 /var/log/audit/audit.log; do
    if [ -f "$ev_f" ] && [ -r "$ev_f" ]; then tail -c 8388608 <"$ev_f"; fi
  done | TK_NAMES=$TK_NAMES awk '
    function field(key,  i, rest) {
      i = index($0, key "=\""); if (!i) return ""
      rest = substr($0, i + length(key) + 2, 300)
      return substr(rest, 1, index(rest, "\"") - 1)
    }
    BEGIN { n = split(ENVIRON["TK_NAMES"], all, " "); for (i = 1; i <= n; i++) watched[all[i]] }
    !/^type=(USER_START|USER_LOGIN|DEL_USER) msg=audit\([0-9]+\./ || !/ res=success/ { next }
    {
      stamp = substr($0, index($0, "(") + 1, 10); by = field("exe"); sub(/.*\//, "", by)
      if (stamp !~ /^[0-9]+$/) next
      name = field(" acct")
      if ($1 == "type=DEL_USER") { if (by != "userdel") next; row = "delete-user\t" name "\tuserdel\t\t" }
      else {
        if (by != "login" && by != "sshd" && by != "sshd-session") next
        # sshd names who logged in by number; auditd adds the name behind a group separator (ENRICHED).
        if ($1 == "type=USER_LOGIN") { if (name == "") name = field(" ID") }
        else if (index($0, "op=PAM:session_open") == 0) next
        row = "opened\t" name "\t" (by == "login" ? by : "sshd") "\t\t"
      }
      if (!(name in watched)) next
      if (first == "") first = stamp
      last = stamp
      if (row ~ /^d/) print "E\t0\t" stamp "\t" row
      else latest[row] = stamp
    }
    END {
      for (row in latest) print "E\t0\t" latest[row] "\t" row | "sort"
      close("sort")
      if (first != "") { print "F\t0\t" first; print "L\t0\t" last }
    }'
  echo 'S 0'
}

# Lines of a log to: A STAMP (sshd let somebody in), F FIRST-STAMP, L LAST-STAMP, E STAMP KIND NAME METHOD FROM TO, separated by tabs.
# In front of a stamp stands how often the year had turned before it, since many stamps name no year.
ev_reduce() {
  tr '\000' '?' | TK_NAMES=$TK_NAMES awk '
  function quoted(s,  i) {
    i = index(s, "\047"); if (!i) return ""
    s = substr(s, i + 1); i = index(s, "\047")
    return i ? substr(s, 1, i - 1) : ""
  }
  function date(s) { return s == "never" || s ~ /^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]$/ ? s : "?" }
  function tell(kind, name, how, from, to,  row) {
    if (!(name in watched)) return
    row = "E\t" turn "\t" stamp "\t" kind "\t" name "\t" how "\t" from "\t" to
    # Of log-ins the latest alone: that somebody got in, not how often.
    if (kind == "accepted" || kind == "opened" || kind == "expired-refused") {
      if (stamp ~ /^[0-9]+$/ && (kind, name, how) in latest) return
      latest[kind, name, how] = row
    } else print row
  }
  BEGIN { n = split(ENVIRON["TK_NAMES"], all, " "); for (i = 1; i <= n; i++) watched[all[i]] }
  {
    if (match($0, /^[JFMASOND][a-z][a-z] [ 0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9] /)) {
      stamp = substr($0, 1, RLENGTH - 1); rest = substr($0, RLENGTH + 1)
      month = (index("JanFebMarAprMayJunJulAugSepOctNovDec", substr(stamp, 1, 3)) + 2) / 3
      if (before && month < before - 6) turn++
      # A line that came late from the old year is no second turn.
      if (before == 1 && month == 12) turn--
      before = month
    } else if (match($0, /^[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9][^ ]* /)) {
      stamp = substr($0, 1, RLENGTH - 1); rest = substr($0, RLENGTH + 1)
      sub(/[.,][0-9]+/, "", stamp)
      if (stamp !~ /^[-0-9T:]+(Z|[-+][0-2][0-9]:?[0-5][0-9])?$/) next
    } else if (match($0, /^[0-9]+\.[0-9]+ /)) {
      stamp = substr($0, 1, RLENGTH - 1); rest = substr($0, RLENGTH + 1)
      sub(/\..*/, "", stamp)
    } else next
    if (first == "") { first = turn + 0 "\t" stamp }
    last = turn + 0 "\t" stamp
    turn += 0
    # The host, then the program: a program of that name writes what stands behind it.
    i = index(rest, " "); if (!i) next
    rest = substr(rest, i + 1)
    # busybox syslogd puts facility and level in between.
    sub(/^[a-z0-9]+\.[a-z]+ /, "", rest)
    i = index(rest, ": "); if (!i) next
    by = substr(rest, 1, i - 1); sub(/\[[0-9]+\]$/, "", by)
    if (by !~ /^(sshd|sshd-session|dropbear|login|usermod|userdel)$/) next
    said = substr(rest, i + 2, 400)
    sub(/^message repeated [0-9]+ times: \[ */, "", said)
    k = split(said, w, " ")
    if (by == "usermod" || by == "userdel") {
      name = quoted(said)
      if (said ~ /^lock user \047/) tell("lock", name, by, "", "")
      else if (said ~ /^delete user \047/) tell("delete-user", name, by, "", "")
      else if (said ~ /^change user \047[^\047]*\047 shell from /) tell("shell-change", name, by, "", "")
      else if (said ~ /^change user \047[^\047]*\047 expiration from \047[^\047]*\047 to \047[^\047]*\047/) {
        i = index(said, "\047 expiration from "); from = substr(said, i + 1)
        to = from; sub(/^.*\047 to /, "", to)
        tell("expire-change", name, by, date(quoted(from)), date(quoted(to)))
      }
    } else if (by == "dropbear") {
      if (said ~ /^(PAM p|P)assword auth succeeded for \047/) how = "password"
      else if (said ~ /^Pubkey auth succeeded for \047/) how = "publickey"
      else if (said ~ /^Auth succeeded with blank password for \047/) how = "none"
      else next
      someone = turn "\t" stamp
      tell("accepted", quoted(said), how, "", "")
    } else if (by != "login" && said ~ /^Accepted [a-z\/-]+ for [^ ]+ from /) {
      someone = turn "\t" stamp
      tell("accepted", w[4], substr(w[2], 1, 40), "", "")
    } else if (said ~ /^pam_unix\((sshd|login):session\): session opened for user [^ ]+ by /) {
      name = w[6]; sub(/\(uid=[0-9]+\)$/, "", name)
      tell("opened", name, by == "login" ? "login" : "sshd", "", "")
    } else if (said ~ /^pam_unix\((sshd|login):account\): account [^ ]+ has expired/) {
      tell("expired-refused", w[3], by == "login" ? "login" : "sshd", "", "")
    } else if (said ~ /^Account [^ ]+ has expired$/) tell("expired-refused", w[2], "sshd", "", "")
  }
  END {
    for (i in latest) print latest[i] | "sort"
    close("sort")
    if (someone != "") print "A\t" someone
    if (first != "") { print "F\t" first; print "L\t" last }
  }'
}
