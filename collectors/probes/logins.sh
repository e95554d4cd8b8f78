# shellcheck shell=sh
# The last log-in and the open sessions of each asked name, from the records that are kept beside the log.
#
# Nobody else's record leaves the host, and of a record neither the far host nor its address.
# shellcheck disable=SC2154  # TK_NAMES and the tk_ functions come from the prelude

li_nl='
'
li_cap=4194304
li_watched='BEGIN { n = split(ENVIRON["TK_NAMES"], all, " "); for (i = 1; i <= n; i++) watched[substr(all[i], 1, most)] }'

sec_logins() {
  tk_part read asked
  printf '%s\n' "$TK_NAMES" | tr ' ' '\n'
  if [ -z "$TK_NAMES" ]; then return 0; fi
  export TK_NAMES
  IFS=$li_nl
  li_logind
  tk_look /run/utmp; li_is=$tk_is
  if [ "$li_is" = absent ]; then tk_look /var/run/utmp; li_is=$tk_is; set -- /var/run/utmp; else set -- /run/utmp; fi
  tk_part "$li_is" utmp
  if [ "$li_is" = read ] && [ -f "$1" ]; then li_records "$1" 1; fi
  li_wtmp
  li_lastlog
  li_base wtmp.db /var/lib/wtmpdb/wtmp.db
  li_base lastlog2.db /var/lib/lastlog/lastlog2.db
  return 0
}

# What logind keeps of each session: CLASS STATE SERVICE MICROSECONDS NAME.
li_logind() {
  tk_look /run/systemd/sessions; li_is=$tk_is
  tk_part "$li_is" logind
  [ "$li_is" = read ] || return 0
  set --
  for li_f in /run/systemd/sessions/*; do
    if [ $# -lt 2000 ] && [ -f "$li_f" ]; then set -- "$@" "$li_f"; fi
  done
  [ $# -gt 0 ] || return 0
  # cat, since a session that ends meanwhile is no error and mawk stops at a file that has gone.
  cat "$@" 2>/dev/null | awk -F= -v most=256 "$li_watched"'
    function tell() { if (s["USER"] in watched) print s["CLASS"] "\t" s["STATE"] "\t" s["SERVICE"] "\t" s["REALTIME"] "\t" s["USER"] }
    $1 == "UID" { tell(); split("", s) }
    NF == 2 && length($2) < 257 { s[$1] = $2 }
    END { tell() }'
}

# wtmp and what was rotated away of it, the newest first.
li_wtmp() {
  set --
  for li_f in /var/log/wtmp /var/log/wtmp.[0-9]* /var/log/wtmp-*; do
    case ${li_f#/var/log/} in
      *'*') continue ;;
      *[!A-Za-z0-9._-]*) tk_part odd 'wtmp ?'; continue ;;
    esac
    tk_look "$li_f"; li_is=$tk_is
    if [ "$li_is" = read ] && [ -f "$li_f" ]; then set -- "$@" "$li_f"
    elif [ "$li_is" != absent ]; then tk_part "$li_is" "wtmp $li_f"; fi
  done
  [ $# -gt 0 ] || return 0
  stat -L -c '%Y %n' "$@" | sort -rn | {
    li_n=0
    while IFS=' ' read -r li_t li_f; do
      li_n=$((li_n + 1))
      # By default one file is kept; each costs some processes.
      if [ "$li_n" -gt 8 ]; then tk_part limit "wtmp $li_f"; continue; fi
      tk_part read "wtmp $li_f"
      li_records "$li_f" 0
    done
  }
}

# li_records FILE ALL: of each asked name the last record of a log-in, or all of them.
li_records() {
  case $1 in
    *.gz) li_tool=gzip ;;
    *.xz) li_tool=xz ;;
    *.zst) li_tool=zstd ;;
    *.bz2) li_tool=bzip2 ;;
    *) li_tool= ;;
  esac
  if [ -n "$li_tool" ] && ! tk_have "$li_tool"; then echo 'S no_tool'; return; fi
  if ! tk_have od || ! tk_have fold; then echo 'S no_tool'; return; fi
  li_size=$(if [ -n "$li_tool" ]; then li_open "$1" | wc -c; else stat -L -c %s "$1"; fi)
  li_size=$((li_size))
  # Of the two widths of struct utmp the one that fits, and both where that does not tell: the reader knows a
  # record by what is in it. A torn file is read from its beginning.
  for li_w in 384 400; do
    if [ $((li_size % li_w)) != 0 ] && [ $((li_size % (784 - li_w))) = 0 ]; then continue; fi
    li_from=$((li_size > li_cap ? (li_size - li_cap) / li_w : 0))
    # Byte 0 or 1 is 7 in a record of a log-in, USER_PROCESS; the name stands at 44 in both widths.
    li_picked=$(li_tail "$1" $((li_from * li_w)) | tr -c '\007\041-\176' ' ' | fold -b -w "$li_w" |
      awk -v most=32 -v every="$2" "$li_watched"'
        index(substr($0, 1, 2), "\007") {
          who = substr($0, 45, 32); sub(/ +$/, "", who)
          if (who in watched) { if (!every) delete keep[last[who]]; last[who] = NR; keep[NR] = 1 }
        }
        END { for (i = 1; i <= NR; i++) if (i in keep && n++ < 64) print i }')
    [ -n "$li_picked" ] || continue
    for li_i in $li_picked; do
      li_at=$(((li_from + li_i - 1) * li_w))
      if [ -z "$li_tool" ]; then od -An -v -tx1 -j "$li_at" -N "$li_w" <"$1"
      else li_tail "$1" "$li_at" | head -c "$li_w" | od -An -v -tx1; fi
    done | awk -v w="$li_w" '
      function byte(i) { return 16 * (index(hex, substr(row, 2 * i + 1, 1)) - 1) + index(hex, substr(row, 2 * i + 2, 1)) - 1 }
      BEGIN { hex = "0123456789abcdef" }
      { gsub(/ /, ""); row = row $0 }
      length(row) >= 2 * w {
        pid = byte(0) ? ((byte(7) * 256 + byte(6)) * 256 + byte(5)) * 256 + byte(4) : ((byte(4) * 256 + byte(5)) * 256 + byte(6)) * 256 + byte(7)
        # Without the far host (bytes 76 to 331) and all behind the time.
        print pid " R " w " " substr(row, 1, 152) substr(row, 673, w == 384 ? 24 : 48)
        row = ""
      }' | while read -r li_row; do
        # As who(1) does: a session whose process is gone was left open by a crash.
        if [ -d "/proc/${li_row%% *}" ]; then li_alive=yes; elif [ -d /proc/1 ]; then li_alive=no; else li_alive='?'; fi
        printf '%s %s\n' "${li_row#* }" "$li_alive"
      done
    for li_i in $li_picked; do echo "N $li_w"; done
  done
  echo 'S 0'
}
li_open() { tk_within 3 "$li_tool" -dc <"$1" | head -c 67108864; }
# li_tail FILE BYTES: all behind so many bytes.
li_tail() {
  if [ -n "$li_tool" ]; then li_open "$1" | tail -c +$(($2 + 1)); else tail -c +$(($2 + 1)) <"$1"; fi
}

# /var/log/lastlog has a record per uid: struct lastlog, of which time and line are read.
li_lastlog() {
  tk_look /var/log/lastlog; li_is=$tk_is
  tk_part "$li_is" lastlog
  if [ "$li_is" != read ] || [ ! -f /var/log/lastlog ]; then return 0; fi
  if ! tk_have od; then echo 'S no_tool'; return 0; fi
  li_size=$(stat -L -c %s /var/log/lastlog)
  case $((li_size % 292)):$((li_size % 296)) in
    0:0) case $(uname -m) in x86_64 | i?86) li_w=292 ;; aarch64 | riscv64) li_w=296 ;; *) li_w= ;; esac ;;
    0:*) li_w=292 ;;
    *:0) li_w=296 ;;
    *) li_w= ;;
  esac
  if [ -z "$li_w" ]; then echo 'S odd'; return 0; fi
  awk -F: -v most=256 "$li_watched"'
    $1 in watched && $3 ~ /^[0-9]+$/ && length($3) < 11 && !done[$1]++ && k++ < 64 { print $3 ":" $1 }
  ' /etc/passwd | while IFS=: read -r li_uid li_name; do
    li_at=$((li_uid * li_w))
    if [ "$li_at" -ge "$li_size" ]; then continue; fi
    printf 'L %s %s\n' "$li_w" "$li_name"
    od -An -v -tx1 -j "$li_at" -N $((li_w - 256)) </var/log/lastlog
  done
  echo 'S 0'
}

# li_base NAME FILE: what the data base says, by its own tool or by sqlite3; without them it is not known.
li_base() {
  tk_look "$2"; li_is=$tk_is
  if [ "$li_is" = read ] && [ ! -f "$2" ]; then li_is=special; fi
  tk_part "$li_is" "$1"
  [ "$li_is" = read ] || return 0
  case $1 in wtmp.db) li_tool=wtmpdb ;; *) li_tool=lastlog2 ;; esac
  if ! tk_have "$li_tool"; then li_tool=sqlite3; fi
  if ! tk_have "$li_tool"; then echo 'S no_tool'; return 0; fi
  { li_ask "$li_tool" "$1" "$2"; echo "=$?"; } | head -c "$li_cap" | awk -v most=256 -v tool="$li_tool" "$li_watched"'
    /^=[0-9]+$/ { print "S " substr($0, 2); next }
    !($1 in watched) || $1 in told { next }
    {
      at = ""; line = "-"
      if (tool == "lastlog2") {
        # NAME [PORT] [FROM] Wed Nov 25 08:47:54 +0000 2026
        month = index("JanFebMarAprMayJunJulAugSepOctNovDec", $(NF - 4))
        if (NF > 6 && month % 3 == 1) at = sprintf("%s-%02d-%02dT%s%s", $NF, (month + 2) / 3, $(NF - 3), $(NF - 2), $(NF - 1))
        if (NF > 8) line = $2
      } else for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+$|^[12][0-9][0-9][0-9]-[-0-9]+T/) {
        at = $i
        if (i > 2) line = $2
        break
      }
      if (at == "" || length(at $1) > 300) next
      told[$1] = 1
      print "D\t" at "\t" substr(line, 1, 32) "\t" $1
    }'
}
li_ask() {
  # The options of sqlite3: no start file, nothing written, no lock and no journal beside the file.
  case $1 in
    wtmpdb)
      # shellcheck disable=SC2086
      (IFS=' '; tk_within 3 wtmpdb last -f "$3" -R -w --time-format iso $TK_NAMES)
      ;;
    lastlog2) tk_within 3 lastlog2 -a -d "$3" ;;
    *)
      case $2 in
        wtmp.db) li_sql="select User||' '||coalesce(replace(TTY,' ','_'),'-')||' '||(max(Login)/1000000) from wtmp where Type=3 group by User" ;;
        *) li_sql="select Name||' '||coalesce(replace(TTY,' ','_'),'-')||' '||Time from Lastlog2" ;;
      esac
      tk_within 3 sqlite3 -batch -init /dev/null -readonly "file:$3?immutable=1" "$li_sql"
      ;;
  esac
}
