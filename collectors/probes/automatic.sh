# shellcheck shell=sh
# What installs updates by itself, whether it is switched on, and when it last did. apt's own settings come
# with apt's lists: asking for them once is enough.
sec_automatic() {
  tk_units='apt-daily.timer apt-daily-upgrade.timer dnf-automatic.timer dnf-automatic-install.timer
    dnf-automatic-download.timer dnf-automatic-notifyonly.timer dnf5-automatic.timer dnf5-automatic-install.timer
    yum-cron.service os-update.timer transactional-update.timer rpm-ostreed-automatic.timer'
  set --
  for tk_u in $tk_units; do
    for tk_d in /etc/systemd/system /run/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
      if [ -e "$tk_d/$tk_u" ] || [ -h "$tk_d/$tk_u" ]; then
        set -- "$@" "$tk_u"
        # What the timer runs: its last result.
        case $tk_u in *.timer) set -- "$@" "${tk_u%.timer}.service" ;; esac
        break
      fi
    done
  done
  if [ ! -d /run/systemd/system ]; then
    tk_part absent units
  elif [ $# = 0 ]; then
    tk_part read units
  elif ! tk_have systemctl; then
    tk_part no_tool units
  else
    tk_out=$(tk_within 4 systemctl show -p Id -p LoadState -p UnitFileState -p ActiveState -p LastTriggerUSec -p Result -- "$@")
    case $? in
      0) tk_part read units; printf '%s\n' "$tk_out" ;;
      124) return 124 ;;
      *) tk_part failed units ;;
    esac
  fi

  tk_part read tools
  for tk_f in /usr/bin/unattended-upgrade /usr/lib/apt/apt.systemd.daily /etc/cron.daily/apt-compat /etc/cron.daily/apt; do
    if [ -f "$tk_f" ] && [ -x "$tk_f" ]; then printf '%s\n' "$tk_f"; fi
  done

  # apt.systemd.daily touches them after a success only.
  tk_look /var/lib/apt/periodic; tk_part "$tk_is" stamps
  set --
  for tk_f in /var/lib/apt/periodic/update-stamp /var/lib/apt/periodic/upgrade-stamp; do
    if [ -f "$tk_f" ]; then set -- "$@" "$tk_f"; fi
  done
  if [ $# -gt 0 ]; then stat -c '%Y %n' "$@"; fi

  # How many errors the last run had; what they say stays here.
  tk_f=/var/log/unattended-upgrades/unattended-upgrades.log
  tk_look "$tk_f"
  tk_part "$tk_is" log
  if [ "$tk_is" = read ] && [ -f "$tk_f" ]; then
    tail -c 65536 <"$tk_f" | awk '
      $3 == "INFO" && /Starting unattended upgrades script/ { bad = 0 }
      $3 == "ERROR" { bad++ }
      END { print bad + 0 }'
  fi

  for tk_f in /usr/share/dnf5/dnf5-plugins/automatic.conf /etc/dnf/automatic.conf /etc/yum/yum-cron.conf /etc/rpm-ostreed.conf; do
    tk_look "$tk_f"
    [ "$tk_is" != absent ] || continue
    tk_part "$tk_is" "config:$tk_f"
    if [ "$tk_is" = read ] && [ -f "$tk_f" ]; then
      head -c 65536 <"$tk_f" | awk '
        /^[ \t]*\[/ { wanted = tolower($0) ~ /^[ \t]*\[(commands|daemon)\]/; next }
        wanted && tolower($0) ~ /^[ \t]*(apply_updates|upgrade_type|update_cmd|automaticupdatepolicy)[ \t]*[=:]/ { print substr($0, 1, 200) }'
    fi
  done

  # Jobs of the host's own that install updates: where they stand, not what they say.
  set --
  tk_hidden=
  for tk_d in /etc/cron.d /etc/cron.hourly /etc/cron.daily /etc/cron.weekly /etc/cron.monthly /etc/periodic/15min \
    /etc/periodic/hourly /etc/periodic/daily /etc/periodic/weekly /etc/periodic/monthly \
    /var/spool/cron/crontabs /var/spool/cron/tabs /var/spool/cron /etc/crontabs /etc/crontab; do
    case $tk_d in
      /etc/crontab) tk_at=$tk_d ;;
      */spool/* | /etc/crontabs) tk_at=$tk_d/root ;;
      *) tk_at=$tk_d/'*' ;;
    esac
    tk_look "$tk_d"
    case $tk_is in denied) tk_hidden=1; continue ;; absent) continue ;; esac
    for tk_f in $tk_at; do
      [ -f "$tk_f" ] || continue
      if [ -r "$tk_f" ]; then set -- "$@" "$tk_f"; else tk_hidden=1; fi
    done
  done
  if [ "$tk_hidden" ]; then tk_part denied jobs; else tk_part read jobs; fi
  if [ $# -gt 0 ]; then
    awk '
      FNR == 1 { found = 0 }
      found || FNR > 2000 || /^[ \t]*#/ { next }
      /(^|[^A-Za-z0-9_-])(apt-get|apt|aptitude|apk)[ \t].*upgrade([ \t;&|]|$)/ ||
      /(^|[^A-Za-z0-9_-])(dnf|dnf5|yum|microdnf|tdnf)[ \t].*(upgrade|update)([ \t;&|]|$)/ ||
      /(^|[^A-Za-z0-9_-])zypper[ \t].*(up|update|patch|dup|dist-upgrade)([ \t;&|]|$)/ ||
      /(^|[^A-Za-z0-9_-])(unattended-upgrade|dnf-automatic|cron-apt)([ \t;&|]|$)/ {
        found = 1; name = FILENAME; gsub(/[^A-Za-z0-9._\/@+-]/, "?", name); print name
      }' "$@"
  fi
  return 0
}
