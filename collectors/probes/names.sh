# shellcheck shell=sh
# Accounts that other name services know: the asked names are looked up one by one, since many do not enumerate.
sec_names() {
  tk_f=/etc/nsswitch.conf
  if [ ! -e "$tk_f" ] && [ -e /usr/etc/nsswitch.conf ]; then tk_f=/usr/etc/nsswitch.conf; fi
  tk_look "$tk_f"; tk_part "$tk_is" nsswitch
  if [ -f "$tk_f" ] && [ -r "$tk_f" ]; then
    awk '/^[ \t]*(passwd|shadow|group|initgroups)[ \t]*:/ { print substr($0, 1, 400) }' <"$tk_f"
  fi
  tk_part read asked
  printf '%s\n' "$TK_NAMES" | tr ' ' '\n'
  if ! tk_have getent; then tk_part no_tool found; tk_part no_tool initgroups; return 0; fi
  if [ -z "$TK_NAMES" ]; then tk_part read found; tk_part read initgroups; return 0; fi
  # shellcheck disable=SC2086 # a list of checked names
  tk_out=$(tk_within 4 getent passwd $TK_NAMES)
  tk_rc=$?
  case $tk_rc in
    # 2: one or more of the names were not found
    0 | 2) tk_part read found ;;
    124) tk_part timeout found ;;
    *) tk_part failed found; echo "$tk_rc"; tk_part failed initgroups; return 0 ;;
  esac
  printf '%s\n' "$tk_out" | awk -F: '
    asked != 1 { sub(/^[ \t]+/, ""); if (!($1 in here)) here[$1] = $2 ":" $3 + 0; next }
    $0 == "" { next }
    # Of another password field or uid, it is not the line of passwd that counts here.
    $1 in here { if (here[$1] != $2 ":" $3 + 0) print "D:" $1; next }
    NF != 7 || $3 !~ /^[0-9]+$/ || $4 !~ /^[0-9]+$/ { print "B:" ($1 ~ /^[A-Za-z0-9_][A-Za-z0-9_.@$-]*$/ ? $1 : "?"); next }
    { print "A:" $1 ":" $3 ":" $4 ":" ($6 ~ /^\// ? $6 : "?") ":" ($7 == "" || $7 ~ /^\// ? $7 : "?") }
  ' /etc/passwd asked=1 -
  # Groups beside those of /etc/group: only where another source may know any.
  tk_more=
  if [ -f "$tk_f" ] && [ -r "$tk_f" ]; then
    tk_more=$(awk '
      /^[ \t]*(group|initgroups)[ \t]*:/ {
        sub(/^[^:]*:/, ""); sub(/#.*/, ""); gsub(/\[[^]]*\]/, "")
        n = split($0, source)
        for (i = 1; i <= n; i++) if (source[i] !~ /^(files|systemd|altfiles|extrausers|db)$/) { print "more"; exit }
      }' <"$tk_f")
  fi
  if [ -z "$tk_more" ]; then tk_part read initgroups; return 0; fi
  tk_in=$(printf '%s\n' "$tk_out" | awk -F: 'NF == 7 { print $1, $4 }')
  # shellcheck disable=SC2086 # a list of checked names
  tk_out=$(tk_within 4 getent initgroups $TK_NAMES)
  case $? in
    0 | 2) tk_part read initgroups ;;
    124) tk_part timeout initgroups; return 0 ;;
    *) tk_part failed initgroups; return 0 ;;
  esac
  tk_in=$(printf '%s\n%s\n' "$tk_in" "$tk_out" | awk '
    asked != 1 { split($0, field, ":"); here[field[3]]; next }
    { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+$/ && !($i in here) && !seen[$1, $i]++) print $1, $i }
  ' /etc/group asked=1 -)
  tk_gids=$(printf '%s\n' "$tk_in" | cut -d' ' -f2 | sort -u | head -n 500)
  if [ -z "$tk_gids" ]; then return 0; fi
  # shellcheck disable=SC2086 # numbers
  tk_within 4 getent group $tk_gids | TK_IN=$tk_in awk -F: '
    $3 ~ /^[0-9]+$/ { name[$3] = $1 }
    END {
      n = split(ENVIRON["TK_IN"], line, "\n")
      for (i = 1; i <= n; i++) { split(line[i], word, " "); print word[1] ":" word[2] ":" name[word[2]] }
    }'
  return 0
}
