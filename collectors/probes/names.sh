# shellcheck shell=sh
# Accounts that other name services know: the asked names are looked up one by one, since many do not enumerate.
sec_names() {
  tk_f=/etc/nsswitch.conf
  if [ ! -e "$tk_f" ] && [ -e /usr/etc/nsswitch.conf ]; then tk_f=/usr/etc/nsswitch.conf; fi
  tk_part "$(tk_state "$tk_f")" nsswitch
  if [ -f "$tk_f" ] && [ -r "$tk_f" ]; then
    awk '/^[ \t]*(passwd|shadow)[ \t]*:/ { print substr($0, 1, 400) }' <"$tk_f"
  fi
  tk_part read asked
  printf '%s\n' "$TK_NAMES" | tr ' ' '\n'
  if ! tk_have getent; then tk_part no_tool found; return 0; fi
  if [ -z "$TK_NAMES" ]; then tk_part read found; return 0; fi
  # shellcheck disable=SC2086 # a list of checked names
  tk_out=$(tk_within 4 getent passwd $TK_NAMES)
  tk_rc=$?
  case $tk_rc in
    # 2: one or more of the names were not found
    0 | 2) tk_part read found ;;
    124) tk_part timeout found ;;
    *) tk_part failed found; echo "$tk_rc"; return 0 ;;
  esac
  printf '%s\n' "$tk_out" | awk -F: '
    asked != 1 { here[$1]; next }
    $0 == "" || $1 in here { next }
    NF != 7 || $3 !~ /^[0-9]+$/ || $4 !~ /^[0-9]+$/ { print "B:" ($1 ~ /^[A-Za-z0-9_][A-Za-z0-9_.@$-]*$/ ? $1 : "?"); next }
    { print "A:" $1 ":" $3 ":" $4 ":" ($6 ~ /^\// ? $6 : "?") ":" ($7 == "" || $7 ~ /^\// ? $7 : "?") }
  ' /etc/passwd asked=1 -
}
