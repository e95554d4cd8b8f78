# shellcheck shell=sh
# What Alpine's own tool would upgrade, from the indexes that lie here, and how old those are.
pre_apk() { tk_none=apk; [ -f /lib/apk/db/installed ] || [ -f /usr/lib/apk/db/installed ]; }

sec_apk() {
  tk_db=
  for tk_f in /lib/apk/db/installed /usr/lib/apk/db/installed; do
    if [ -f "$tk_f" ]; then tk_db=$tk_f; fi
  done
  tk_part read installed
  awk '/^P:/ { n++ } END { print n + 0 }' "$tk_db" || return 1
  # Which branch and part each repository is of; addresses stay here.
  tk_look /etc/apk/repositories
  tk_part "$tk_is" repositories
  for tk_f in /etc/apk/repositories /etc/apk/repositories.d/*.list; do
    if [ -f "$tk_f" ] && [ -r "$tk_f" ]; then head -c 65536 <"$tk_f"; echo; fi
  done | awk '
    /^[ \t]*(#|$)/ { next }
    { sub(/\r$/, ""); sub(/[\/ \t]+$/, ""); tag = ""; if ($1 ~ /^@/) tag = " " substr($1, 1, 40)
      n = split($NF, step, "/"); print substr(step[n - 1] "/" step[n], 1, 100) tag }'
  # Written at each fetch that succeeded, also when nothing was new: apk compares this time with the age it allows.
  tk_part read indexes
  for tk_f in /var/cache/apk /etc/apk/cache; do
    if [ -d "$tk_f" ] && [ ! -r "$tk_f" ]; then tk_part denied indexes; return 0; fi
  done
  for tk_f in /var/cache/apk/APKINDEX.*.tar.gz /etc/apk/cache/APKINDEX.*.tar.gz; do
    [ -f "$tk_f" ] && stat -c '%Y' "$tk_f"
  done
  # What the administrator tied to a version.
  tk_look /etc/apk/world
  tk_part "$tk_is" world
  if [ "$tk_is" = read ] && [ -f /etc/apk/world ]; then
    head -c 262144 </etc/apk/world | tr ' ' '\n' | grep '[=<~]' | cut -c1-200
  fi
  tk_have apk || { tk_part no_tool upgrades; return 0; }
  tk_out=$(tk_within 8 apk --no-network version -l '<' 2>&1)
  case $? in
    0) tk_part read upgrades; printf '%s\n' "$tk_out" ;;
    124) return 124 ;;
    *) tk_part failed upgrades ;;
  esac
  return 0
}
