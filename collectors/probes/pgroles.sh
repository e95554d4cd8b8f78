# shellcheck shell=sh
# PostgreSQL roles of the names asked about, from each running server, in a read-only session of the server's own user.
sec_pgroles() {
  tk_part read asked
  for tk_n in $TK_NAMES; do printf '%s\n' "$tk_n"; done
  # A server locks its socket by a file beside it, which a pooler does not; one without a socket has its pid file.
  tk_part read servers
  tk_servers=$(awk '
    $4 == "00010000" && $NF ~ /\/\.s\.PGSQL\.[0-9]+$/ && !seen[$NF]++ && ++n <= 32 { print $NF }' </proc/net/unix)
  tk_found=
  for tk_s in $tk_servers; do
    if [ -e "$tk_s.lock" ] || [ ! -x "${tk_s%/*}" ]; then printf '%s\n' "$tk_s"; tk_found="$tk_found $tk_s"; fi
  done
  if [ -z "$tk_found" ]; then
    for tk_f in /var/lib/postgresql/*/*/postmaster.pid /var/lib/pgsql/data/postmaster.pid /var/lib/pgsql/*/data/postmaster.pid; do
      if [ -f "$tk_f" ] && [ -r "$tk_f" ] && read -r tk_pid <"$tk_f" && [ -d "/proc/${tk_pid:-0}" ]; then
        printf '%s\n' "${tk_f%/postmaster.pid}"
        tk_part unreachable "${tk_f%/postmaster.pid}"
      fi
    done
    return 0
  fi
  tk_psql=
  for tk_f in /usr/bin/psql /usr/pgsql-*/bin/psql /usr/lib/postgresql/*/bin/psql; do
    if [ -x "$tk_f" ]; then tk_psql=$tk_f; fi
  done
  # Names that were checked: they hold neither quotes nor backslashes.
  tk_list=$(printf '%s' "$TK_NAMES" | sed "s/[^ ][^ ]*/'&'/g; s/ /,/g")
  for tk_s in $tk_found; do
    if [ "$TK_UID" != 0 ]; then tk_part nopriv "$tk_s"; continue; fi
    if [ -z "$tk_psql" ] || ! tk_have setpriv; then tk_part no_tool "$tk_s"; continue; fi
    tk_out=$(
      cd / || exit 1
      printf '%s\n' "
        SELECT 'R:' || r.rolname || ':' || r.rolcanlogin::int || ':' || r.rolsuper::int || ':' || CASE
            WHEN r.rolpassword IS NULL THEN 'none' WHEN r.rolpassword LIKE 'SCRAM-SHA-256\$%' THEN 'scram'
            WHEN r.rolpassword LIKE 'md5%' THEN 'md5' ELSE 'other' END || ':' || CASE
            WHEN r.rolvaliduntil IS NULL OR r.rolvaliduntil = 'infinity' THEN '' WHEN r.rolvaliduntil = '-infinity' THEN '0'
            ELSE least(greatest(floor(extract(epoch FROM r.rolvaliduntil)), 0), 9999999999)::bigint::text END || ':' || CASE
            WHEN r.rolsuper THEN '' ELSE coalesce((SELECT string_agg(CASE WHEN g.rolsuper THEN '!' ELSE '' END
                || regexp_replace(g.rolname, '[^A-Za-z0-9_.-]', '?', 'g'), ',' ORDER BY g.rolsuper DESC, g.rolname)
              FROM (SELECT * FROM pg_roles g WHERE g.oid <> r.oid AND pg_has_role(r.oid, g.oid, CASE
                WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
                ORDER BY g.rolsuper DESC, g.rolname LIMIT 50) g), '') END
          FROM pg_authid r WHERE r.rolname IN (${tk_list:-''}) ORDER BY r.rolname;
        SELECT 'N:' || count(*) FROM pg_authid;" |
        tk_within 6 setpriv --reuid="+$(stat -c %u "$tk_s")" --regid="+$(stat -c %g "$tk_s")" --clear-groups \
          env -i PATH=/usr/bin:/bin LC_ALL=C PGCONNECT_TIMEOUT=3 PGGSSENCMODE=disable PGAPPNAME=tenken \
          PGOPTIONS='-c statement_timeout=3000 -c default_transaction_read_only=on' \
          "$tk_psql" -X -A -t -q -w -v ON_ERROR_STOP=1 -h "${tk_s%/*}" -p "${tk_s##*.}" -d postgres -f -
    )
    case $? in
      0) tk_part read "$tk_s" ;;
      124) tk_part timeout "$tk_s" ;;
      *) tk_part failed "$tk_s" ;;
    esac
    printf '%s\n' "$tk_out" | head -c 131072
  done
  return 0
}
