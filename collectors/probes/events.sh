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
  for ev_f in /var/log/auth.log /var/log/auth.log[.-]* /var/log/secure /var/log/secure[.-]*; do
    case ${ev_f#/var/log/} in
      *'[.-]*') continue ;;
      *[!A-Za-z0-9._-]*) tk_part odd 'log ?'; continue ;;
    esac
    ev_is=$(tk_state "$ev_f")
    case $ev_is in
      read) if [ -f "$ev_f" ]; then set -- "$@" "$ev_f"; fi ;;
      absent) ;;
      *) tk_part "$ev_is" "log $ev_f" ;;
    esac
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

ev_journal() {
  ev_is=$(tk_state /var/log/journal)
  ev_all=0
  if [ "$ev_is" = read ]; then
    for ev_f in /var/log/journal/*/; do
      if [ -d "$ev_f" ] && { [ ! -r "$ev_f" ] || [ ! -x "$ev_f" ]; }; then ev_is=denied; fi
    done
    for ev_f in /var/log/journal/*/system.journal /var/log/journal/*/system@*.journal; do
      [ -f "$ev_f" ] || continue
      ev_all=$((ev_all + 1))
      if [ ! -r "$ev_f" ]; then ev_is=denied; fi
    done
    if [ "$ev_is" = read ] && [ "$ev_all" = 0 ]; then ev_is=absent; fi
    if [ "$ev_is" = read ] && ! tk_have journalctl; then ev_is=no_tool; fi
  fi
  tk_part "$ev_is" journal
  [ "$ev_is" = read ] || return 0
  exec 5>&1
  # The newest first, so that a cut takes the oldest away.
  ev_rc=$({
    {
      tk_within 5 journalctl -q --no-pager -r -D /var/log/journal -o short-unix -t sshd -t sshd-session -t login \
        -t usermod -t userdel 3>&- 5>&-
      echo $? >&3
    } | head -c "$ev_cap" 3>&- | ev_reduce 3>&- >&5
  } 3>&1)
  echo "S $ev_rc"
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
    i = index(rest, ": "); if (!i) next
    by = substr(rest, 1, i - 1); sub(/\[[0-9]+\]$/, "", by)
    if (by != "sshd" && by != "sshd-session" && by != "login" && by != "usermod" && by != "userdel") next
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
