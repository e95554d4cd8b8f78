# shellcheck shell=sh
# Which accounts whose lastchg is recent have a line of that time in the log of log-ins: name and stamp, no more.
# shellcheck disable=SC2154  # TK_B and the tk_ functions come from the prelude

pc_days=45
pc_cap=16777216

sec_pwchanges() {
  tk_look /etc/shadow; pc_is=$tk_is
  tk_part "$pc_is" recent
  if [ "$pc_is" != read ]; then return 0; fi
  pc_now=$(date +%s)
  # With a password in use and a day of change of the last weeks; without such an account no log is opened.
  pc_names=$(awk -F: -v from="$((pc_now / 86400 - pc_days))" '
    NF == 9 && length($2) > 12 && $2 !~ /^[!*]/ && $3 ~ /^[0-9]+$/ && $3 + 0 >= from && $1 ~ /^[A-Za-z0-9_][A-Za-z0-9_.@-]*$/ {
      if (!first || $3 < first) first = $3
      if (++n <= 500) names = names " " substr($1, 1, 64)
    }
    END { if (n) print first names }' </etc/shadow)
  if [ -z "$pc_names" ]; then return 0; fi
  pc_since=$(((${pc_names%% *} - 1) * 86400))
  pc_names=${pc_names#* }
  printf '%s\n' "$pc_names" | tr ' ' '\n'
  tk_part read zone
  (unset TZ; date +%z)
  pc_until=$(tk_now)
  pc_until=$((${pc_until%%.*} + 4))
  set --
  for pc_f in /var/log/auth.log /var/log/auth.log[.-]* /var/log/secure /var/log/secure[.-]*; do
    case ${pc_f#/var/log/} in *[!A-Za-z0-9._-]*) continue ;; esac
    if [ -f "$pc_f" ]; then set -- "$@" "$pc_f"; fi
  done
  pc_newest=0
  if [ $# -gt 0 ]; then
    pc_list=$(stat -L -c '%Y %s %n' "$@" | sort -rn)
    pc_newest=${pc_list%% *}
    # The newest first, up to the first that ended before the time that is asked for.
    printf '%s\n' "$pc_list" | while read -r pc_m pc_size pc_f; do
      if [ "$pc_m" -lt "$pc_since" ]; then break; fi
      pc_up=$(tk_now)
      case $pc_f in *.gz) pc_tool=gzip ;; *.xz) pc_tool=xz ;; *.zst) pc_tool=zstd ;; *.bz2) pc_tool=bzip2 ;; *) pc_tool= ;; esac
      tk_look "$pc_f"; pc_is=$tk_is
      if [ "$pc_is" = read ] && [ -n "$pc_tool" ] && ! tk_have "$pc_tool"; then pc_is=no_tool; fi
      if [ "$pc_is" = read ] && [ "$pc_size" -gt "$pc_cap" ]; then pc_is=limit; fi
      if [ "${pc_up%%.*}" -ge "$pc_until" ]; then pc_is=limit; fi
      tk_part "$pc_is" "log $pc_f"
      if [ "$pc_is" != read ]; then continue; fi
      printf 'M %s\n' "$pc_m"
      if [ -n "$pc_tool" ]; then tk_within 3 "$pc_tool" -dc <"$pc_f" | head -c "$pc_cap" | pc_reduce; else pc_reduce <"$pc_f"; fi
    done
  fi
  # A log in files that is still written says it already, and a journal is dearer to search.
  tk_look /var/log/journal; pc_is=$tk_is
  if [ "$pc_newest" -gt "$((pc_now - 172800))" ] || [ "$pc_is" = absent ]; then return 0; fi
  if [ "$pc_is" = read ] && ! tk_have journalctl; then pc_is=no_tool; fi
  tk_part "$pc_is" journal
  if [ "$pc_is" != read ]; then return 0; fi
  printf 'M %s\n' "$pc_now"
  # Its first record, what was asked for, and, if that came to its end, a last line of now.
  {
    tk_within 3 journalctl -q --no-pager -D /var/log/journal -o short-unix | head -n 1
    tk_within 4 journalctl -q --no-pager -D /var/log/journal -o short-unix --since "@$pc_since" -t passwd -t chpasswd \
      -t usermod -t login -t su -t sshd -t sshd-session && echo "$pc_now.0 "
  } | head -c "$pc_cap" | pc_reduce
  return 0
}

# Lines of a log to: E STAMP NAME, F FIRST-STAMP, L LAST-STAMP, P (pam_unix writes here), separated by tabs.
pc_reduce() {
  tr '\000' '?' | PC_NAMES=$pc_names awk '
  BEGIN { n = split(ENVIRON["PC_NAMES"], all, " "); for (i = 1; i <= n; i++) wanted[all[i]] }
  function stamp(line) {
    if (match(line, /^[JFMASOND][a-z][a-z] [ 0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9] /)) return substr(line, 1, RLENGTH - 1)
    if (match(line, /^[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9][^ ]* /)) {
      line = substr(line, 1, RLENGTH - 1); sub(/[.,][0-9]+/, "", line)
      return line ~ /^[-0-9T:]+(Z|[-+][0-2][0-9]:?[0-5][0-9])?$/ ? line : ""
    }
    if (match(line, /^[0-9]+\.[0-9]+ /)) { sub(/\..*/, "", line); return line }
    return ""
  }
  first == "" { first = stamp($0) }
  { last = $0 }
  index($0, "pam_unix(") { pam = 1 }
  index($0, " password") {
    name = ""
    if (match($0, /: pam_unix\([a-z-]+:chauthtok\): password changed for [^ ]+$/)) { name = $0; sub(/^.* /, "", name) }
    else if (match($0, / usermod(\[[0-9]+\])?: change user \047[^\047 ]+\047 password$/)) { name = $0; sub(/\047 password$/, "", name); sub(/^.*\047/, "", name) }
    if (name in wanted) print "E\t" stamp($0) "\t" name
  }
  END { if (pam) print "P"; if (first != "") { print "F\t" first; print "L\t" stamp(last) } }'
}
