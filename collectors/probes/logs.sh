# shellcheck shell=sh
# How far back the access logs reach, what is configured to keep them, and who may touch them.
#
# Of a log's content only time stamps leave the host, and only what looks like one.
# shellcheck disable=SC2154  # TK_B, TK_LOGS and the tk_ functions come from the prelude

lg_tab=$(printf '\t')
lg_nl='
'

sec_logs() {
  tk_part read clock
  # Stamps without a zone are in the host's own.
  (unset TZ; date '+%z %s')
  lg_rotation
  tk_part read files
  lg_files | tr '\000' '?' | lg_stamps
  lg_folders
  lg_journal
  lg_forwards
  lg_audit
  tk_part read wtmpdb
  tk_look /var/lib/wtmpdb/wtmp.db; echo "$tk_is"
  return 0
}

# --- files ---------------------------------------------------------------------------------------------------------

lg_files() {
  case $(uname -m) in
    # struct utmp of glibc: 400 bytes where its time has 64 bits, else 384 (sysdeps/.../bits/struct_utmp.h).
    aarch64 | riscv64 | loongarch64) lg_words=100 lg_at=86 ;;
    *) lg_words=96 lg_at=85 ;;
  esac
  # Blanks in names are harmless: only a newline would split, and such names are set apart below.
  IFS=
  set -f
  for lg_log in auth:auth.log auth:secure messages:messages wtmp:wtmp btmp:btmp; do
    lg_is=${lg_log%%:*} lg_base=${lg_log#*:}
    set --
    IFS=$lg_nl
    # shellcheck disable=SC2086  # one folder a line; without globbing
    for lg_dir in /var/log $lg_old; do
      set -- "$@" "$lg_dir/$lg_base" "$lg_dir/${lg_base}[.-]*"
    done
    IFS=
    set +f
    # shellcheck disable=SC2068  # the globs are to be expanded, and IFS is empty
    lg_family "$lg_is" $@
    set -f
  done
  set +f
  lg_family audit /var/log/audit/audit.log /var/log/audit/audit.log[.-]*
  set -f
  IFS=' '
  # shellcheck disable=SC2086  # a list of checked globs
  set -- $TK_LOGS
  IFS=
  set +f
  for lg_glob; do
    lg_name=$lg_glob
    # So that a glob without a match is heard of.
    lg_line '-' absent '' '' '' '' '' "$lg_glob"
    # Who names a log means its rotated files too.
    case $lg_glob in *[*?]*) set -- ;; *) set -- "$lg_glob"[.-]* ;; esac
    # shellcheck disable=SC2086
    lg_family "$lg_glob" $lg_glob "$@"
  done
}

# lg_family NAME PATH...: the eighty oldest files are looked into, the two newest, and those that come after a
# pause of two days; the rest is only listed.
lg_family() {
  lg_name=$1
  shift
  lg_n=0
  for lg_f; do
    shift
    case $lg_f in
      *"$lg_nl"* | *"$lg_tab"*) lg_line '-' odd '' '' '' '' '' '?'; continue ;;
    esac
    # Debian 13 keeps a data base of that name beside the old file.
    case $lg_name:$lg_f in wtmp:*.db | wtmp:*.db-* | btmp:*.db | btmp:*.db-*) continue ;; esac
    if [ ! -f "$lg_f" ]; then
      tk_look "$lg_f"; lg_state=$tk_is
      # An unmatched glob is no file; the plain name says that the log is absent. But in a
      # folder that cannot be listed nothing matches.
      case $lg_state:$lg_f in
        absent:*'*'* | absent:*'['* | absent:*'?'*)
          if [ -d "${lg_f%/*}" ] && [ ! -r "${lg_f%/*}" ]; then lg_line '-' denied '' '' '' '' '' "$lg_f"; fi
          continue
          ;;
      esac
      lg_line '-' "$lg_state" '' '' '' '' '' "$lg_f"
      continue
    fi
    lg_n=$((lg_n + 1))
    if [ "$lg_n" -gt 1000 ]; then lg_line '-' limit '' '' '' '' '' '?'; break; fi
    set -- "$@" "$lg_f"
  done
  # After a break the rest of the list still stands in front.
  if [ "$lg_n" -gt 1000 ]; then shift $(($# - 1000)); fi
  [ $# -gt 0 ] || return 0
  stat -L -c "%Y$lg_tab%s$lg_tab%U$lg_tab%G$lg_tab%a$lg_tab%n" "$@" | sort -n | {
    lg_n=0 lg_before=0 lg_more=0
    while IFS=$lg_tab read -r lg_mtime lg_size lg_owner lg_group lg_mode lg_f; do
      lg_n=$((lg_n + 1))
      lg_pause=$((lg_mtime - lg_before)) lg_before=$lg_mtime
      if [ "$lg_n" -gt 80 ] && [ "$lg_pause" -gt 172800 ]; then lg_more=$((lg_more + 1)); fi
      if [ ! -f "$lg_f" ] || [ ! -r "$lg_f" ]; then
        tk_look "$lg_f"
        lg_line '-' "$tk_is" "$lg_mtime" "$lg_size" "$lg_owner" "$lg_group" "$lg_mode" "$lg_f"
      elif [ "$lg_size" = 0 ]; then
        lg_line 0 read "$lg_mtime" "$lg_size" "$lg_owner" "$lg_group" "$lg_mode" "$lg_f"
      elif [ "$lg_n" -gt 80 ] && [ "$lg_n" -le $(($# - 2)) ] &&
        { [ "$lg_pause" -le 172800 ] || [ "$lg_more" -gt 40 ]; }; then
        lg_line '-' listed "$lg_mtime" "$lg_size" "$lg_owner" "$lg_group" "$lg_mode" "$lg_f"
      else
        lg_begin read "$lg_mtime" "$lg_size" "$lg_owner" "$lg_group" "$lg_mode" "$lg_f"
        lg_rc=0
        lg_look "$lg_f" "$lg_size"
        printf '\n@%s\tend\t%s\n' "$TK_B" "$lg_rc"
      fi
    done
  }
}

# lg_begin STATE MTIME SIZE OWNER GROUP MODE PATH; lg_line adds the end at once, with RC in front.
lg_begin() {
  printf '\n@%s\tfile\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$TK_B" "$lg_name" "$@"
}
lg_line() {
  lg_rc=$1
  shift
  lg_begin "$@"
  printf '\n@%s\tend\t%s\n' "$TK_B" "$lg_rc"
}

# lg_look FILE BYTES: the first 16 KB of its content; of the files that log-ins are written to now, the end too.
lg_look() {
  case $1 in
    *.gz | *.Z) lg_tool=gzip ;;
    *.xz) lg_tool=xz ;;
    *.zst) lg_tool=zstd ;;
    *.bz2) lg_tool=bzip2 ;;
    *) lg_tool= ;;
  esac
  if [ -n "$lg_tool" ] && ! tk_have "$lg_tool"; then lg_rc=no_tool; return; fi
  case $lg_name:$lg_tool in
    # Names and addresses stay on the host: only the words that are a record's kind and time are looked at.
    wtmp: | btmp:) head -c 131072 <"$1" | lg_records ;;
    wtmp:* | btmp:*) tk_within 2 "$lg_tool" -dc <"$1" | head -c 131072 | lg_records ;;
    *:) head -c 16384 <"$1" ;;
    # Where there is much to read, nothing may come out for long; one more process for each file would be dear.
    *) if [ "$2" -gt 8388608 ]; then tk_within 2 "$lg_tool" -dc <"$1"; else "$lg_tool" -dc <"$1"; fi | head -c 16384 ;;
  esac
  case $1 in
    */auth.log | */auth.log.1 | */secure | */messages)
      if [ "$2" -gt 16384 ]; then
        printf '\n@%s\ttail\n' "$TK_B"
        tail -c 65536 <"$1"
      fi
      ;;
  esac
}
# Lines "utmp SECONDS": its first record; of wtmp also "boot SECONDS" and "down SECONDS" (utmp(5)).
lg_records() {
  od -An -v -tu4 | awk -v words="$lg_words" -v at="$lg_at" -v boots="$lg_name" '
    {
      for (i = 1; i <= NF; i++) {
        k = n++ % words
        if (k == 0) kind = $i % 65536
        else if (k == 11) user = $i
        else if (k == at && $i + 0 >= 946684800) {
          if (!seen++) print "utmp " $i
          if (boots != "wtmp") exit
          if (kind == 2) print "boot " $i
          # The first letters of "shutdown", as one word of a little-endian machine.
          else if (kind == 1 && user == 1953851507) print "down " $i
        }
      }
    }'
}

# The first time stamp of each file, the first on a line about a log-in, and the last on a line that says that
# one by SSH succeeded: a line of "FIRST AUTH LOGIN RC FAMILY STATE MTIME SIZE OWNER GROUP MODE PATH", separated
# by tabs. "-" as the first says that nothing was in it. Of wtmp also lines "boot SECONDS" and "down SECONDS".
lg_stamps() {
  awk '
  function stamp(s,  t, iso) {
    s = substr(s, 1, 400)
    if (match(s, /^(<[0-9]+>)?[JFMASOND][a-z][a-z] [ 0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9]/)) {
      t = substr(s, RSTART, RLENGTH); sub(/^<[0-9]+>/, "", t); return t
    }
    if (match(s, /^type=[A-Z0-9_]+ msg=audit\([0-9]+\./) || match(s, /^node=[^ ]+ type=[A-Z0-9_]+ msg=audit\([0-9]+\./)) {
      t = substr(s, RSTART, RLENGTH - 1); sub(/^.*\(/, "", t); return t
    }
    if (match(s, /\[[0-3][0-9]\/[A-Z][a-z][a-z]\/[12][0-9][0-9][0-9]:[0-2][0-9]:[0-5][0-9]:[0-6][0-9] [-+][0-9][0-9][0-9][0-9]\]/))
      return substr(s, RSTART + 1, RLENGTH - 2)
    if (match(s, /"(@timestamp|timestamp|time|ts)" *: *"/)) s = substr(s, RSTART + RLENGTH)
    else { sub(/^<[0-9]+>1 /, "", s); sub(/^\[/, "", s) }
    if (match(s, /^[12][0-9][0-9][0-9](-|\/)[01][0-9](-|\/)[0-3][0-9](T| )[0-2][0-9]:[0-5][0-9]:[0-6][0-9]/)) {
      t = substr(s, 1, RLENGTH); s = substr(s, RLENGTH + 1)
      if (match(s, /^[.,][0-9]+/)) s = substr(s, RLENGTH + 1)
      if (match(s, /^(Z| ?[-+][0-2][0-9]:?[0-5][0-9])/)) t = t substr(s, 1, RLENGTH)
      return t
    }
    return ""
  }
  # A clock that shows the last century was not set yet.
  function set(t) {
    if (t ~ /^[0-9]+$/) return t + 0 >= 946684800
    return t !~ /^19/ && t !~ /\/19[0-9][0-9]:/
  }
  BEGIN { mark = "@" ENVIRON["TK_B"] "\t"; m = length(mark)
    doors = " (sshd|sshd-session|dropbear|login)(\\[|:)"; rooms = " (sshd|sshd-session|dropbear|login|sudo|su|systemd-logind)(\\[|:| )"
  }
  substr($0, 1, m) == mark {
    word = substr($0, m + 1)
    if (substr(word, 1, 5) == "file\t") { meta = substr(word, 6); first = auth = login = ""; lines = end = 0; next }
    if (word == "tail") { end = 1; next }
    if (first == "") first = lines ? "?" : "-"
    print first "\t" (auth == "" ? "?" : auth) "\t" (login == "" ? "?" : login) "\t" substr(word, 5) "\t" meta
    next
  }
  $0 == "" { next }
  { lines++ }
  meta ~ /^[wb]tmp\t/ {
    if (lines == 1 && /^utmp [0-9]+$/) first = substr($0, 6)
    else if (/^(boot|down) [0-9]+$/ && events++ < 500) print $1 "\t" $2
    next
  }
  # A file may begin with what a crash or a cut left behind, or before the clock was set.
  first == "" && lines <= 50 && !end { t = stamp($0); if (set(t)) first = t }
  {
    head = substr($0, 1, 300)
    # In messages of an RPM family only logind is left of them, and the log-ins are in secure.
    if (auth == "" && !end && head ~ (meta ~ /^messages\t/ ? doors : rooms)) auth = stamp($0)
    if (head ~ / (sshd|sshd-session)\[[0-9]+\]: Accepted / ||
      head ~ / dropbear\[[0-9]+\]: (Pubkey|Password|PAM password) auth succeeded /) { t = stamp($0); if (t != "") login = t }
  }
  '
}

# Lines "MODE OWNER GROUP PATH" of the folders that hold logs: who may write there replaces any of them.
lg_folders() {
  tk_part read folders
  set -- /var/log /var/log/audit
  set -f
  IFS=' '
  for lg_glob in $TK_LOGS; do
    lg_dir=${lg_glob%/*}
    case $lg_dir in '' | *[*?]*) ;; *) set -- "$@" "$lg_dir" ;; esac
  done
  IFS=$lg_nl
  for lg_dir in $lg_old; do set -- "$@" "$lg_dir"; done
  set +f
  IFS=
  for lg_dir; do
    shift
    if [ -d "$lg_dir" ]; then set -- "$@" "$lg_dir"; fi
  done
  [ $# -eq 0 ] || stat -L -c '%a %U %G %n' "$@"
}

# --- rotation ------------------------------------------------------------------------------------------------------

lg_rotation() {
  set --
  lg_old=
  for lg_f in /etc/logrotate.conf /etc/logrotate.d /etc/logrotate.d/*; do
    case $lg_f in *"$lg_nl"*) tk_part odd '?'; continue ;; esac
    if [ -f "$lg_f" ] && [ -r "$lg_f" ]; then
      set -- "$@" "$lg_f"
    elif [ "$lg_f" != '/etc/logrotate.d/*' ]; then
      tk_look "$lg_f"; tk_part "$tk_is" "$lg_f"
    fi
  done
  if [ $# -gt 0 ]; then
    # Comments, scripts and mail addresses stay on the host. A NUL ends a line for some awks; head names the files.
    IFS=$lg_nl
    lg_conf=$(head -c 1048576 /dev/null "$@" | tr '\000' '?' | LG_FILES=$lg_nl$*$lg_nl awk '
      /^==> .* <==$/ && index(ENVIRON["LG_FILES"], "\n" substr($0, 5, length($0) - 8) "\n") {
        printf "\n@%s part s=read f=%s\n", ENVIRON["TK_B"], substr($0, 5, length($0) - 8); script = 0; next
      }
      script { if ($1 == "endscript") script = 0; next }
      $1 ~ /^#/ || $1 ~ /^mail/ || NF == 0 { next }
      $1 ~ /^(prerotate|postrotate|firstaction|lastaction|preremove)$/ { script = 1; next }
      { print substr($0, 1, 300) }')
    unset IFS
    printf '%s\n' "$lg_conf"
    case $lg_conf in
      *olddir*)
        lg_old=$(printf '%s\n' "$lg_conf" | awk '
          $1 == "olddir" && NF == 2 { gsub(/"/, "", $2); print (substr($2, 1, 1) == "/" ? "" : "/var/log/") $2 }' | sort -u)
        ;;
    esac
  fi
  tk_part read rotation
  if tk_have logrotate; then echo 'tool yes'; else echo 'tool no'; fi
  if [ -d /run/systemd/system ]; then echo 'systemd yes'; else echo 'systemd no'; fi
  if [ -x /etc/cron.daily/logrotate ]; then echo 'cron yes'; else echo 'cron no'; fi
  # SUSE's own settings, which are merged in a way of its own.
  if [ -e /usr/etc/logrotate.conf ] || [ -d /usr/etc/logrotate.d ]; then echo 'vendor yes'; fi
  lg_unit=/etc/systemd/system/logrotate.timer
  if [ -h "$lg_unit" ] && [ "$(readlink "$lg_unit")" = /dev/null ]; then
    echo 'timer masked'
  elif [ -e /etc/systemd/system/timers.target.wants/logrotate.timer ] ||
    [ -h /etc/systemd/system/timers.target.wants/logrotate.timer ] ||
    [ -e /usr/lib/systemd/system/timers.target.wants/logrotate.timer ]; then
    echo 'timer enabled'
  elif [ -e /usr/lib/systemd/system/logrotate.timer ] || [ -e /lib/systemd/system/logrotate.timer ]; then
    echo 'timer disabled'
  else
    echo 'timer absent'
  fi
  for lg_f in /var/lib/logrotate/status /var/lib/logrotate/logrotate.status /var/lib/logrotate.status \
    /var/lib/misc/logrotate.status; do
    if [ -f "$lg_f" ]; then
      stat -c 'state %Y' "$lg_f"
    elif tk_look "$lg_f"; [ "$tk_is" = denied ]; then
      echo 'state denied'
    fi
  done
}

# --- journal -------------------------------------------------------------------------------------------------------

lg_journal() {
  for lg_f in /etc/systemd/journald.conf /run/systemd/journald.conf /usr/lib/systemd/journald.conf \
    /etc/systemd/journald.conf.d/*.conf /run/systemd/journald.conf.d/*.conf /usr/lib/systemd/journald.conf.d/*.conf; do
    case $lg_f in *"$lg_nl"*) continue ;; esac
    if [ -e "$lg_f" ] || [ -h "$lg_f" ]; then tk_file "$lg_f" 8192; fi
  done
  tk_part read journal
  # What another machine's id names is not this host's: an image brings its maker's journal along.
  lg_id=
  if [ -f /etc/machine-id ] && [ -r /etc/machine-id ]; then read -r lg_id </etc/machine-id; fi
  case $lg_id in '' | *[!0-9a-f]*) lg_id=none ;; esac
  lg_count "/var/log/journal/$lg_id" persistent
  lg_whole=$lg_ok
  lg_count "/run/log/journal/$lg_id" volatile
  [ "$lg_whole" = yes ] || return 0
  if ! tk_have journalctl; then echo 'tool no'; return 0; fi
  # sshd logs as sshd-session since OpenSSH 9.8.
  lg_ask auth . SYSLOG_IDENTIFIER=sshd SYSLOG_IDENTIFIER=sshd-session SYSLOG_IDENTIFIER=sudo SYSLOG_IDENTIFIER=su \
    SYSLOG_IDENTIFIER=login SYSLOG_IDENTIFIER=systemd-logind + _COMM=sshd _COMM=sshd-session _COMM=sudo
  lg_ask login ': Accepted ' -r -n 200 SYSLOG_IDENTIFIER=sshd SYSLOG_IDENTIFIER=sshd-session
  lg_ask last . -n 1
}

# lg_count FOLDER NAME: its state, how many system journals it holds and how many of them we may read.
lg_count() {
  tk_look "$1"; lg_is=$tk_is lg_all=0 lg_may=0 lg_ok=no
  if [ "$lg_is" = read ]; then
    for lg_f in "$1"/system.journal "$1"/system@*.journal; do
      [ -f "$lg_f" ] || continue
      lg_all=$((lg_all + 1))
      [ -r "$lg_f" ] && lg_may=$((lg_may + 1))
    done
    [ "$lg_is" = read ] && [ "$lg_all" -gt 0 ] && [ "$lg_all" = "$lg_may" ] && lg_ok=yes
  fi
  echo "$2 $lg_is $lg_all $lg_may"
}

# lg_ask NAME TEXT MATCH...: the time of the first entry that comes and holds TEXT.
lg_ask() {
  lg_what=$1 lg_text=$2
  shift 2
  exec 5>&1
  lg_rc=$({
    { tk_within 5 journalctl -q --no-pager -D "/var/log/journal/$lg_id" -o short-unix "$@" 3>&- 5>&-; echo $? >&3; } |
      sed -n "/$lg_text/{s/^\([0-9][0-9]*\)\.[0-9]* .*/$lg_what \1/p;q;}" >&5 3>&-
  } 3>&1)
  if [ "$lg_rc" = 141 ]; then lg_rc=0; fi
  echo "$lg_what-status $lg_rc"
}

# --- elsewhere -----------------------------------------------------------------------------------------------------

# Lines "DAEMON KIND SELECTOR": that something is sent away, not where to.
lg_forwards() {
  tk_part read forwards
  set --
  for lg_f in /etc/rsyslog.conf /etc/rsyslog.d/*.conf; do
    if [ -f "$lg_f" ] && [ -r "$lg_f" ]; then
      set -- "$@" "$lg_f"
    elif tk_look "$lg_f"; [ "$tk_is" = denied ]; then
      echo 'rsyslog denied ?'
    fi
  done
  if [ $# -gt 0 ]; then
    awk '
      FILENAME == "/etc/rsyslog.conf" { whole = 1 }
      { sub(/^[ \t]+/, ""); sub(/[ \t]+#.*$/, "") }
      /^#/ || NF == 0 { next }
      /^(\$IncludeConfig[ \t]|include *\()/ && /\/etc\/rsyslog\.d\// { included = 1 }
      {
        s = substr($0, 1, 400); kind = ""
        if (match(s, /type *= *"om(fwd|relp)"/)) {
          kind = "fwd"
          if (s ~ /omrelp/) kind = "relp"
          else if (tolower(s) ~ /protocol *= *"tcp"/) kind = "tcp"
          # What is not closed on this line may name its protocol on the next; the default is UDP.
          else if (s ~ /\)[ \t]*$/) kind = "udp"
        }
        else if (s ~ /:omrelp:/) kind = "relp"
        else if ($1 !~ /^(\$?template|action)/ && NF > 1) {
          if ($NF ~ /^@@[[(A-Za-z0-9]/) kind = "tcp"
          else if ($NF ~ /^@[[(A-Za-z0-9]/) kind = "udp"
        }
        # Where rsyslog.conf was read and does not name the folder, its files are dead letters.
        if (kind != "" && whole && !included && FILENAME != "/etc/rsyslog.conf") kind = "unused"
        if (kind != "") print "rsyslog " kind " " ($1 ~ /^[a-z0-9*][a-z0-9*,.;!=]*$/ ? $1 : "?")
      }' "$@" | {
      lg_sent=
      while IFS= read -r lg_line; do
        echo "$lg_line"
        case $lg_line in 'rsyslog unused '*) ;; *) lg_sent=1 ;; esac
      done
      [ -z "$lg_sent" ] || lg_suspended
    }
  fi
  set --
  for lg_f in /etc/syslog-ng/syslog-ng.conf /etc/syslog-ng/conf.d/*.conf; do
    if [ -f "$lg_f" ] && [ -r "$lg_f" ]; then
      set -- "$@" "$lg_f"
    elif tk_look "$lg_f"; [ "$tk_is" = denied ]; then
      echo 'syslog-ng denied ?'
    fi
  done
  if [ $# -gt 0 ]; then
    awk '
      $1 ~ /^#/ { next }
      /destination/ { inside = 1 }
      inside && /(network|syslog|tcp6?|udp6?) *\(/ { print "syslog-ng network ?" }
      /};/ { inside = 0 }' "$@"
  fi
  lg_f=/etc/systemd/system/multi-user.target.wants/systemd-journal-upload.service
  if [ -e "$lg_f" ] || [ -h "$lg_f" ]; then echo 'journald upload ?'; fi
  for lg_f in /etc/audit/plugins.d/au-remote.conf /etc/audisp/plugins.d/au-remote.conf; do
    if [ -f "$lg_f" ] && [ -r "$lg_f" ]; then
      awk '$1 == "active" && $3 == "yes" { print "audisp remote ?" }' "$lg_f"
    fi
  done
}

# rsyslogd says in its own log when the other side is gone, and when it is back.
lg_suspended() {
  for lg_f in /var/log/syslog /var/log/messages; do
    if [ -f "$lg_f" ] && [ -r "$lg_f" ]; then
      tail -c 262144 <"$lg_f" | awk '
        / rsyslogd(\[[0-9]+\])?: action .*(omfwd|omrelp).* suspended / { is = 1 }
        / rsyslogd(\[[0-9]+\])?: action .*(omfwd|omrelp).* resumed / { is = 0 }
        END { if (is) print "rsyslog suspended ?" }'
    fi
  done
}

lg_audit() {
  tk_part read audit
  if [ -x /sbin/auditd ] || [ -x /usr/sbin/auditd ]; then echo 'tool yes'; else echo 'tool no'; fi
  tk_look /etc/audit/auditd.conf; echo "conf $tk_is"
  if [ -f /etc/audit/auditd.conf ] && [ -r /etc/audit/auditd.conf ]; then
    awk '$1 ~ /^(max_log_file|num_logs|max_log_file_action)$/ && $2 == "=" { print $1, $3 }' /etc/audit/auditd.conf
  fi
}
