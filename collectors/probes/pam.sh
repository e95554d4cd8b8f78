# shellcheck shell=sh
# The PAM stacks behind log-ins and password changes as rules, and what three modules were told.
#
# Comments and other modules' arguments, which may hold the password of a data base, stay here.
# shellcheck disable=SC2154  # TK_B and the tk_ functions come from the prelude
sec_pam() {
  tk_look /etc/pam.d; tk_part "$tk_is" /etc/pam.d
  if [ ! -d /etc/pam.d ] && [ ! -d /usr/lib/pam.d ]; then tk_look /etc/pam.conf; tk_part "$tk_is" /etc/pam.conf; return 0; fi
  pam_next='passwd sshd login su other'
  pam_seen=' '
  pam_count=0
  # Each round reads what the one before included; names are checked where they are found.
  while [ -n "$pam_next" ]; do
    pam_todo=$pam_next
    pam_next=
    pam_files=
    for pam_n in $pam_todo; do
      case $pam_seen in *" $pam_n "*) continue ;; esac
      pam_seen="$pam_seen$pam_n "
      pam_count=$((pam_count + 1))
      # libpam takes the first folder that has the file.
      pam_f=/etc/pam.d/$pam_n
      case $pam_n in
        /*) pam_f=$pam_n ;;
        *)
          for pam_d in /etc/pam.d /usr/lib/pam.d /usr/etc/pam.d; do
            if [ -e "$pam_d/$pam_n" ]; then pam_f=$pam_d/$pam_n; break; fi
          done
          ;;
      esac
      if [ "$pam_count" -gt 60 ]; then tk_part limit "$pam_f"; continue; fi
      if [ -f "$pam_f" ] && [ -r "$pam_f" ]; then pam_files="$pam_files $pam_f"; else tk_look "$pam_f"; tk_part "$tk_is" "$pam_f"; fi
    done
    if [ -n "$pam_files" ]; then
      # shellcheck disable=SC2086 # checked names; /dev/null, so that head names the files even if it is one
      pam_out=$(head -c 65536 /dev/null $pam_files | tr '\000' '?' | pam_rules)
      printf '%s\n' "${pam_out%"$TK_B"*}"
      pam_next=${pam_out##*"$TK_B"}
    fi
  done
  pam_files=
  for pam_f in /etc/security/pwquality.conf.d/*.conf; do
    case ${pam_f##*/} in '*.conf') ;; *[!A-Za-z0-9._-]*) tk_part special "/etc/security/pwquality.conf.d/?.conf" ;; *) pam_setting "$pam_f" ;; esac
  done
  for pam_n in pwquality faillock pwhistory; do
    pam_f=/etc/security/$pam_n.conf
    if [ ! -e "$pam_f" ] && [ -e "/usr$pam_f" ]; then pam_f=/usr$pam_f; fi
    pam_setting "$pam_f"
  done
  if [ -n "$pam_files" ]; then
    # shellcheck disable=SC2086
    head -c 65536 /dev/null $pam_files | tr '\000' '?' | PAM_FILES="$pam_files " awk '
      /^==> .* <==$/ && index(ENVIRON["PAM_FILES"], " " $2 " ") { print "\n@" ENVIRON["TK_B"] " part s=read f=" $2; next }
      { sub(/#.*/, ""); gsub(/[ \t\r]/, "") }
      /^[a-z_]+(=-?[0-9]+)?$/ { print substr($0, 1, 60); next }
      /^[a-z_]+=/ { sub(/=.*/, "=?"); print substr($0, 1, 60) }'
  fi
  tk_part read modules
  for pam_d in /lib/security /lib64/security /usr/lib/security /usr/lib64/security /lib/*-linux-*/security /usr/lib/*-linux-*/security; do
    if [ ! -f "$pam_d/pam_unix.so" ]; then continue; fi
    for pam_n in unix pwhistory faillock pwquality; do
      if [ -f "$pam_d/pam_$pam_n.so" ]; then echo "pam_$pam_n"; fi
    done
    # Before Linux-PAM 1.5.3 the module has no file of settings; some distributions gave it one earlier.
    case $pam_files in
      *pwhistory.conf*)
        # busybox's grep takes a line to end at its first NUL.
        if [ -f "$pam_d/pam_pwhistory.so" ] && tr '\000' '\n' <"$pam_d/pam_pwhistory.so" | grep -q -F pwhistory.conf; then echo pwhistory.conf; fi
        ;;
    esac
  done
  return 0
}

# pam_setting FILE: to be read, or why it is not.
pam_setting() {
  if [ -f "$1" ] && [ -r "$1" ]; then pam_files="$pam_files $1"; else tk_look "$1"; tk_part "$tk_is" "$1"; fi
}

# pam_rules: files as head(1) names them to parts of one rule a line, as libpam joins them; then the names included.
pam_rules() {
  PAM_FILES="$pam_files " awk '
  function word(  w) {
    sub(/^ +/, "", rest)
    if (rest ~ /^\[/) { i = index(rest, "]"); if (!i) i = length(rest) } else { i = index(rest, " "); if (!i) i = length(rest) + 1; i-- }
    w = substr(rest, 1, i); rest = substr(rest, i + 1)
    return w
  }
  function included(name) {
    if (name !~ /^[A-Za-z0-9._\/-]+$/ || name ~ /\.\./ || length(name) > 200) return "?"
    wanted = wanted " " name
    return name
  }
  function rule(line,  type, control, module, args, a) {
    rest = line; gsub(/[\t\r]/, " ", rest)
    type = tolower(word())
    if (type == "") return
    if (++lines > 500) { if (lines == 501) print "?"; return }
    if (type == "@include") { print type, included(word()); return }
    sub(/^-/, "", type)
    if (type == "session") return
    if (type != "auth" && type != "account" && type != "password") { print "?"; return }
    control = word(); module = word()
    if (control !~ /^\[[a-z0-9_= ]*\]$/) {
      control = tolower(control)
      if (control !~ /^[a-z]+$/) { print type, "?"; return }
    }
    if (control == "include" || control == "substack") { print type, control, included(module); return }
    if (module !~ /^[A-Za-z0-9._\/$-]+$/) { print type, control, "?"; return }
    sub(/^.*\//, "", module); sub(/\.so$/, "", module)
    args = ""
    while ((a = word()) != "") {
      if (module ~ /^pam_(unix|unix2|tcb|pwhistory|faillock|pwquality|usertype)$/) {
        if (a !~ /^[A-Za-z0-9_]+(=-?[0-9]+)?$/) { if (a !~ /^[A-Za-z0-9_]+=/) continue; sub(/=.*/, "=?", a) }
      } else if (module == "pam_succeed_if") {
        if (a !~ /^(uid|[<>]=?|eq|ne|[0-9]+|quiet|quiet_success|quiet_fail|use_uid|debug)$/) a = "?"
      } else if (a != "use_authtok" && a != "use_first_pass") continue
      args = args " " a
    }
    print type, control, substr(module, 1, 60) substr(args, 1, 400)
  }
  /^==> .* <==$/ && index(ENVIRON["PAM_FILES"], " " $2 " ") {
    if (joined != "") rule(joined)
    joined = ""; lines = 0; named = 1
    print "\n@" ENVIRON["TK_B"] " part s=read f=" $2
    next
  }
  !named || /^[ \t]*(#|$)/ { next }
  {
    # What follows a # is no part of the line, and then nothing continues it.
    i = index($0, "#")
    if (i) { rule(joined substr($0, 1, i - 1)); joined = ""; next }
    line = $0; sub(/[ \t]+$/, "", line)
    if (line ~ /\\$/) { joined = joined substr(line, 1, length(line) - 1) " "; next }
    rule(joined line); joined = ""
  }
  END { if (joined != "") rule(joined); print ENVIRON["TK_B"] wanted }'
}
