# shellcheck shell=sh
# The stacks of PAM that decide on passwords, reduced to their rules, and the settings of three modules.
# shellcheck disable=SC2154  # TK_B comes from the prelude
sec_pam() {
  for tk_n in common-password common-auth common-account system-auth password-auth passwd sshd login su other \
    postlogin system-login base-password base-auth base-account; do
    # The first folder that has the file wins, as in libpam.
    for tk_f in "/etc/pam.d/$tk_n" "/usr/lib/pam.d/$tk_n" "/usr/etc/pam.d/$tk_n"; do
      tk_is=$(tk_state "$tk_f")
      [ "$tk_is" = absent ] || break
    done
    [ "$tk_is" = absent ] && tk_f=/etc/pam.d/$tk_n
    tk_part "$tk_is" "$tk_f"
    # Arguments of modules that are not ours to judge stay: some hold a password of a data base.
    if [ "$tk_is" = read ] && [ -f "$tk_f" ]; then
      head -c 65536 <"$tk_f" | awk '
        function rule(line,  rest, head, word) {
          rest = line; head = ""
          gsub(/\t/, " ", rest); sub(/^ +/, "", rest)
          if (rest ~ /^@include /) { print substr(rest, 1, 300); return }
          if (match(rest, /^[^ ]+ +/)) { head = substr(rest, 1, RLENGTH); rest = substr(rest, RLENGTH + 1) }
          if (match(rest, /^\[[^]]*\] */) || match(rest, /^[^ ]+ */)) {
            head = head substr(rest, 1, RLENGTH); rest = substr(rest, RLENGTH + 1)
          }
          word = rest; sub(/ .*/, "", word)
          if (word !~ /(^|\/)pam_(unix|pwquality|cracklib|passwdqc|pwhistory|faillock)\.so$/) rest = word
          print substr(head rest, 1, 1000)
        }
        {
          hash = index($0, "#"); line = hash ? substr($0, 1, hash - 1) : $0
          if (line ~ /^[ \t\r]*$/) next
          if (!hash && line ~ /\\[ \t]*$/) { sub(/\\[ \t]*$/, " ", line); joined = joined line; next }
          rule(joined line); joined = ""
        }
        END { if (joined != "") rule(joined) }'
    fi
  done
  for tk_n in pwquality faillock pwhistory; do
    tk_f=/etc/security/$tk_n.conf
    if [ ! -e "$tk_f" ] && [ -e "/usr$tk_f" ]; then tk_f=/usr$tk_f; fi
    tk_pam_settings "$tk_f"
  done
  for tk_f in /etc/security/pwquality.conf.d/*.conf; do
    if [ -e "$tk_f" ]; then tk_pam_settings "$tk_f"; fi
  done
  return 0
}

# tk_pam_settings FILE: its lines of `name` or `name = number`.
tk_pam_settings() {
  tk_is=$(tk_state "$1")
  tk_part "$tk_is" "$1"
  if [ "$tk_is" = read ] && [ -f "$1" ]; then
    head -c 65536 <"$1" | awk '
      { sub(/#.*/, ""); gsub(/[ \t\r]/, "") }
      /^[a-z_]+(=-?[0-9]+)?$/ { print substr($0, 1, 80) }'
  fi
}
