# shellcheck shell=sh
# What works or stays without a log-in: crontabs, at jobs, lingering services, homes, processes.
sec_residue() {
  # hidepid hides other people's processes, process 1 among them.
  if [ -r /proc/1/status ]; then tk_part read processes; else tk_part denied processes; fi
  # A process that ends meanwhile is no error; cat, since mawk stops at a file that has gone.
  cat /proc/[0-9]*/status 2>/dev/null | awk '
    $1 == "Name:" { comm = substr($0, 7, 40); next }
    $1 == "Uid:" { total++ }
    $1 == "Uid:" && $2 != 0 { count[$2 ":" comm]++ }
    $1 == "Uid:" && $3 != 0 && $3 != $2 { count[$3 ":" comm]++ }
    END { for (i in count) print count[i] ":" i; print "N:" total + 0 }
  '
  for tk_d in /var/spool/cron/crontabs /var/spool/cron /var/spool/cron/tabs /etc/crontabs; do
    if [ -d "$tk_d" ]; then
      tk_look "$tk_d"; tk_part "$tk_is" "crontabs $tk_d"
      if [ -r "$tk_d" ] && [ -x "$tk_d" ]; then
        for tk_f in "$tk_d"/*; do
          if [ ! -f "$tk_f" ] || [ ! -r "$tk_f" ]; then
            if [ -e "$tk_f" ] && [ ! -d "$tk_f" ]; then printf '%s:%s\n' '?' "${tk_f##*/}"; fi
            continue
          fi
          # Lines that run something; their text stays here.
          tk_n=$(head -c 262144 <"$tk_f" | awk '
            /^[ \t]*$/ || /^[ \t]*#/ || /^[ \t]*[A-Za-z_][A-Za-z0-9_]*[ \t]*=/ { next } { n++ } END { print n + 0 }')
          printf '%s:%s\n' "$tk_n" "${tk_f##*/}"
        done
      fi
    fi
  done
  tk_look /etc/crontab; tk_part "$tk_is" cron.d
  for tk_f in /etc/crontab /etc/cron.d/*; do
    if [ -f "$tk_f" ] && [ -r "$tk_f" ]; then head -c 262144 <"$tk_f"; echo; elif [ -e "$tk_f" ] && [ ! -d "$tk_f" ]; then echo '* * * * * ? ?'; fi
  done | awk '
    /^[ \t]*$/ || /^[ \t]*#/ || /^[ \t]*[A-Za-z_][A-Za-z0-9_]*[ \t]*=/ { next }
    { who = $1 ~ /^@/ ? $2 : $6; if (who !~ /^[A-Za-z0-9_][A-Za-z0-9_.@$-]*$/) who = "?"; count[who]++ }
    END { for (who in count) print count[who] ":" who }
  '
  for tk_d in /var/spool/cron/atjobs /var/spool/at /var/spool/atjobs; do
    if [ -d "$tk_d" ]; then
      tk_look "$tk_d"; tk_part "$tk_is" "at $tk_d"
      if [ -r "$tk_d" ] && [ -x "$tk_d" ]; then
        # Owner only; the names of at's own files begin with a dot.
        tk_within 4 find "$tk_d/." ! -name . -prune -type f ! -name '.*' -exec stat -c '%u' {} +
      fi
    fi
  done
  if [ -d /var/lib/systemd/linger ]; then
    tk_look /var/lib/systemd/linger; tk_part "$tk_is" linger
    for tk_f in /var/lib/systemd/linger/*; do
      if [ -e "$tk_f" ]; then printf '%s\n' "${tk_f##*/}"; fi
    done
  else
    tk_look /var/lib/systemd/linger; tk_part "$tk_is" linger
  fi
  # Services of the system that run as somebody: unlike cron, systemd asks nobody whether the account has expired.
  tk_part read services
  set --
  for tk_f in /etc/systemd/system/*.service /etc/systemd/system/*.service.d/*.conf; do
    if [ -f "$tk_f" ] && [ -r "$tk_f" ]; then set -- "$@" "$tk_f"; elif [ -f "$tk_f" ]; then echo '?:?'; fi
  done
  if [ $# -gt 0 ] && [ -n "$TK_NAMES" ]; then
    head -c 65536 "$@" | tr '\000' '?' | TK_NAMES=$TK_NAMES awk -F= '
      BEGIN { n = split(ENVIRON["TK_NAMES"], names, " "); for (i = 1; i <= n; i++) asked[names[i]] }
      { gsub(/[ \t\r]/, "") }
      $1 == "User" && ($2 in asked || $2 ~ /^[1-9][0-9]*$/) && NF == 2 { count[$2]++ }
      END { for (who in count) print count[who] ":" who }'
  fi
  # What is in the homes of the names we were asked about: how many services start by themselves, no names.
  tk_part read units
  if [ -n "$TK_NAMES" ]; then
    printf '%s\n' "$TK_NAMES" | tr ' ' '\n' | awk -F: '
      passwd != 1 { if ($1 != "") { order[++n] = $1; home[$1] = "/home/" $1 } next }
      $1 in home && $6 ~ /^\// { home[$1] = $6 }
      END { for (i = 1; i <= n; i++) print order[i] ":" home[order[i]] }
    ' - passwd=1 /etc/passwd | while IFS=: read -r tk_n tk_h; do
      tk_c=0
      for tk_f in "$tk_h/.config/systemd/user"/*.wants/* "$tk_h/.config/systemd/user"/*.requires/*; do
        if [ -h "$tk_f" ] || [ -e "$tk_f" ]; then tk_c=$((tk_c + 1)); fi
      done
      if [ -d "$tk_h" ] && [ ! -x "$tk_h" ]; then tk_c='?'; fi
      if [ "$tk_c" != 0 ]; then printf '%s:%s\n' "$tk_c" "$tk_n"; fi
    done
  fi
  tk_part read mail
  for tk_n in $TK_NAMES; do
    if [ -s "/var/mail/$tk_n" ] || [ -s "/var/spool/mail/$tk_n" ]; then printf '%s\n' "$tk_n"; fi
  done
  # Passwords that programs keep for themselves: only that they do.
  tk_part read stores
  for tk_f in /var/lib/samba/private/passdb.tdb /var/lib/samba/private/sam.ldb /etc/samba/smbpasswd; do
    if [ -e "$tk_f" ]; then printf 'read:%s\n' "$tk_f"
    elif [ -d "${tk_f%/*}" ] && [ ! -x "${tk_f%/*}" ]; then printf 'denied:%s\n' "$tk_f"; fi
  done
  if [ -d /home ]; then
    # %U asks the name services, and /home may be a network's: neither may hold us up.
    tk_out=$(tk_within 4 find /home/. ! -name . -prune -type d -exec stat -c '%u:%U:%n' {} +)
    case $? in
      0) tk_look /home; tk_part "$tk_is" homes ;;
      124) tk_part timeout homes ;;
      *) tk_part failed homes ;;
    esac
    printf '%s\n' "$tk_out" | sed 's,:/home/\./,:,'
  else
    tk_look /home; tk_part "$tk_is" homes
  fi
  return 0
}
