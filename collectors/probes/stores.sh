# shellcheck shell=sh
# What the people asked about may do in declared stores. The kernel answers under each one's user id and groups, so
# modes, ACLs and the folders above all count; nothing is opened, and no name inside of a store leaves the host.
# shellcheck disable=SC2154  # TK_NAMES, TK_STORES and the tk_ functions come from the prelude
pre_stores() { tk_none=stores; [ "$TK_STORES" ]; }

sec_stores() {
  tk_part read stores
  for tk_s in $TK_STORES; do
    tk_look "$tk_s"
    printf '%s:%s\n' "$tk_is" "$tk_s"
  done
  if [ "$TK_UID" != 0 ]; then tk_part nopriv rights; return 0; fi
  # By its path: busybox has a setpriv of its own that cannot change users.
  tk_setpriv=
  for tk_f in /usr/bin/setpriv /bin/setpriv; do if [ -x "$tk_f" ]; then tk_setpriv=$tk_f; fi; done
  if [ -z "$tk_setpriv" ] || ! tk_have getent; then tk_part no_tool rights; return 0; fi
  # busybox's test compares modes itself, and so knows of no ACL.
  case $(readlink -f /bin/sh) in *busybox*) tk_part no_tool rights; return 0 ;; esac
  if [ -z "$TK_NAMES" ]; then tk_part read rights; return 0; fi
  # shellcheck disable=SC2086 # a list of checked names
  tk_out=$(tk_within 4 getent passwd $TK_NAMES)
  case $? in
    # 2: one or more of the names were not found
    0 | 2) tk_part read rights ;;
    124) tk_part timeout rights; return 0 ;;
    *) tk_part failed rights; return 0 ;;
  esac
  printf '%s\n' "$tk_out" | TK_NAMES=$TK_NAMES awk -F: '
    BEGIN { n = split(ENVIRON["TK_NAMES"], all, " "); for (i = 1; i <= n; i++) asked[all[i]] }
    # A name of digits only is looked up as a uid, and somebody else is found.
    $1 in asked && $3 ~ /^[0-9]+$/ && $4 ~ /^[0-9]+$/ && !seen[$1]++ && ++found <= 500 { print $1, $3, $4 }' |
    while read -r tk_n tk_u tk_g; do
      # A plus, since setpriv looks for an account called by digits first.
      # shellcheck disable=SC2016,SC2086 # run by another shell; a list of checked paths
      tk_out=$(cd / && tk_within 4 "$tk_setpriv" --reuid="+$tk_u" --regid="+$tk_g" --init-groups /bin/sh -c '
        who=$0
        for s; do
          r=-; w=-; x=-
          if [ -r "$s" ]; then r=r; fi
          if [ -w "$s" ]; then w=w; fi
          if [ -d "$s" ] && [ -x "$s" ]; then x=x; fi
          printf "%s:%s%s%s:%s\n" "$who" "$r" "$w" "$x" "$s"
        done' "$tk_n" $TK_STORES)
      case $? in
        0) printf '%s\n' "$tk_out" ;;
        # The name service does not answer: the next would wait as long.
        124) printf '%s:timeout:\n' "$tk_n"; break ;;
        *) printf '%s:failed:\n' "$tk_n" ;;
      esac
    done
  return 0
}
