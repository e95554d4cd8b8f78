# shellcheck shell=sh
# The rules by which sudo(8) and doas(1) let people be root: every file they would read, without what comments say.
sec_sudo() {
  tk_nl='
'
  tk_part read host
  read -r tk_host </proc/sys/kernel/hostname
  printf '%s\n' "$tk_host"
  tk_part read tools
  for tk_f in sudo sudo-rs doas; do
    if tk_have "$tk_f" || [ -e "/usr/local/bin/$tk_f" ]; then printf '%s\n' "$tk_f"; fi
  done
  tk_part read sources
  set --
  for tk_f in /etc/nsswitch.conf /usr/etc/nsswitch.conf; do
    if [ -f "$tk_f" ] && [ -r "$tk_f" ]; then set -- "$tk_f"; break; fi
  done
  if [ -f /etc/sudo.conf ] && [ -r /etc/sudo.conf ]; then set -- "$@" /etc/sudo.conf; fi
  if [ $# -gt 0 ]; then
    awk '
      FILENAME ~ /nsswitch/ && /^[ \t]*sudoers[ \t]*:/ { print "nsswitch " substr($0, 1, 400) }
      FILENAME ~ /sudo\.conf$/ && /^[ \t]*Plugin[ \t]/ { print "plugin " substr($0, 1, 400) }
    ' "$@"
  fi
  # A line for each thing to read: f a file, d a folder that sudo includes, c a folder of *.conf files.
  tk_f=/etc/sudoers
  if [ ! -e $tk_f ] && [ -e /usr/etc/sudoers ]; then tk_f=/usr/etc/sudoers; fi
  tk_todo="f $tk_f$tk_nl"
  for tk_f in /etc/sudoers-rs /usr/local/etc/sudoers /etc/doas.conf /usr/local/etc/doas.conf; do
    if [ -e "$tk_f" ]; then tk_todo="${tk_todo}f $tk_f$tk_nl"; fi
  done
  if [ -e /etc/doas.d ]; then tk_todo="${tk_todo}c /etc/doas.d$tk_nl"; fi
  tk_part read roots
  printf '%s' "$tk_todo"
  tk_done=$tk_nl
  tk_left=256
  tk_by_address=
  while [ -n "$tk_todo" ]; do
    tk_it=${tk_todo%%"$tk_nl"*}
    tk_todo=${tk_todo#*"$tk_nl"}
    case $tk_done in *"$tk_nl$tk_it$tk_nl"*) continue ;; esac
    tk_done=$tk_done$tk_it$tk_nl
    tk_left=$((tk_left - 1))
    if [ "$tk_left" -le 0 ]; then tk_part limit files; break; fi
    tk_f=${tk_it#? }
    tk_look "$tk_f"
    case $tk_it in
      f*) if [ -d "$tk_f" ]; then tk_is=special; fi ;;
      *) if [ -f "$tk_f" ]; then tk_is=special; fi ;;
    esac
    tk_part "$tk_is" "$tk_it"
    if [ "$tk_is" != read ]; then continue; fi
    stat -L -c '%u %g %a %s' "$tk_f"
    if [ -d "$tk_f" ]; then
      for tk_g in "$tk_f"/*; do
        case $tk_it in
          d*) case ${tk_g##*/} in *.* | *~) continue ;; esac ;;
          c*) case $tk_g in *.conf) ;; *) continue ;; esac ;;
        esac
        if [ ! -f "$tk_g" ]; then continue; fi
        tk_left=$((tk_left - 1))
        case $tk_left:$tk_g in
          -* | *[![:print:]]*) printf '%s\n' '?'; break ;;
          *) printf '%s\n' "${tk_g##*/}"; tk_todo="${tk_todo}f $tk_g$tk_nl" ;;
        esac
      done
      continue
    fi
    # A NUL would be lost in a variable; sudo takes neither it nor what stands for it.
    tk_text=$(head -c 131072 <"$tk_f" | tr '\000' '\001' | awk '
      /^[ \t]*#/ && !/^#include(dir)?[ \t]/ && !/^[ \t]*#-?[0-9]/ { print "#"; next }
      # Settings that do not decide who gets what; of those that go on in the next line nothing is left out.
      /^[ \t]*Defaults/ && !/\\[ \t\r]*$/ && !/authenticate|rootpw|targetpw|runaspw|group_plugin|fqdn/ { print "#"; next }
      {
        line = $0
        if (line !~ /"/ && match(line, /[^\\]#([^-0-9]|$)/)) line = substr(line, 1, RSTART) "#"
        print line
      }')
    printf '%s\n' "$tk_text"
    case $tk_text in *[0-9].[0-9]*.* | *:*:*) tk_by_address=1 ;; esac
    case $tk_text in
      *@include* | *"#include"*)
        tk_more=$(printf '%s\n' "$tk_text" | TK_DIR=${tk_f%/*} TK_HOST=${tk_host%%.*} awk '
          /^[ \t]*@include(dir)?[ \t]/ || /^#include(dir)?[ \t]/ {
            kind = $1 ~ /dir$/ ? "d" : "f"
            sub(/^[ \t]*[@#]include(dir)?[ \t]+/, "")
            if (/^"/) { sub(/^"/, ""); sub(/".*$/, "") }
            else { gsub(/\\ /, "\001"); sub(/[ \t\r].*$/, ""); gsub("\001", " ") }
            n = split($0, piece, "%h")
            path = piece[1]
            for (i = 2; i <= n; i++) path = path ENVIRON["TK_HOST"] piece[i]
            if (path !~ /^\//) path = ENVIRON["TK_DIR"] "/" path
            print kind " " substr(path, 1, 1024)
          }')
        if [ -n "$tk_more" ]; then tk_todo=$tk_todo$tk_more$tk_nl; fi
        ;;
    esac
  done
  if [ -n "$tk_by_address" ] && tk_have ip; then
    tk_out=$(tk_within 2 ip -o addr show up)
    case $? in
      0) tk_part read addresses ;;
      *) tk_part failed addresses ;;
    esac
    printf '%s\n' "$tk_out" | awk '$3 ~ /^inet/ && $2 != "lo" { print $4 }'
  fi
  return 0
}
