# shellcheck shell=sh
# Local accounts and groups without the comment field, the limits of login.defs(5), and when the files changed.
sec_accounts() {
  tk_look /etc/passwd; tk_part "$tk_is" passwd
  if [ -f /etc/passwd ] && [ -r /etc/passwd ]; then
    # A row: name, class of the password field, uid, gid, home, shell. Rows that are not plainly
    # seven fields (B) give only a plain name, since a shifted field may be the comment.
    awk -F: '
      { sub(/^[ \t]+/, "") }
      /^[+-]/ { print "N:" NR; next }
      /^#/ || /^$/ { next }
      NF != 7 || $1 == "" || $3 !~ /^[0-9]+$/ || $4 !~ /^[0-9]+$/ {
        print "B:" NR ":" (NF > 4 && $1 ~ /^[A-Za-z0-9_][A-Za-z0-9_.@$-]*$/ && length($1) <= 64 ? $1 : "?"); next
      }
      {
        field = $2 == "" ? "empty" : $2 == "x" ? "x" : $2 ~ /^[!*]/ ? "locked" : "set"
        home = $6 == "" || $6 ~ /^\// ? $6 : "?"
        shell = $7 == "" || $7 ~ /^\// ? $7 : "?"
        print "A:" $1 ":" field ":" $3 ":" $4 ":" home ":" shell
      }
    ' </etc/passwd
  fi
  tk_look /etc/group; tk_part "$tk_is" group
  if [ -f /etc/group ] && [ -r /etc/group ]; then
    awk -F: '
      { sub(/^[ \t]+/, "") }
      /^[+-]/ || /^#/ || /^$/ { next }
      NF != 4 || $1 == "" || $3 !~ /^[0-9]+$/ { print "B:" NR; next }
      { print "G:" $1 ":" $3 ":" $4 }
    ' </etc/group
  fi
  # The vendor's file first: what stands in /etc comes later and wins.
  for tk_f in /usr/etc/login.defs /etc/login.defs; do
    tk_look "$tk_f"; tk_part "$tk_is" "$tk_f"
    if [ -f "$tk_f" ] && [ -r "$tk_f" ]; then
      awk '$1 == "UID_MIN" || $1 == "UID_MAX" || $1 == "PASS_MAX_DAYS" { print $1, substr($2, 1, 20) }' <"$tk_f"
    fi
  done
  tk_part read times
  for tk_f in /etc/passwd /etc/shadow; do
    if [ -e "$tk_f" ]; then stat -c '%Z %Y %n' "$tk_f"; fi
  done
  # Without PAM nobody but sshd reads the expiry date: busybox's su, login and crond do not.
  tk_part read pam
  tk_su=$(readlink -f "$(command -v su)")
  case $tk_su in
    *busybox*) echo no ;;
    *) if [ -d /etc/pam.d ]; then echo yes; else echo no; fi ;;
  esac
  return 0
}
