# shellcheck shell=sh
# What every section may use. Sent first; nothing in it writes to the host, reads
# standard input or keeps a here-document (some shells spool those to files).
#
# TK_B (boundary), TK_NAMES (checked log-in names), TK_LOGS (checked log globs) and
# TK_STORES (checked paths) are set above this text by the auditor.

export TK_B
TK_UID=$(id -u)
tk_count=0
tk_asked=
tk_sshd=
tk_effective=
tk_dpkg=
tk_dpkg_ended=
tk_nl='
'
# The stream keeps descriptor 4, so a section cannot mix its errors into it.
exec 4>&1

tk_now() { read -r tk_up tk_rest </proc/uptime 2>/dev/null || tk_up=0; printf '%s' "$tk_up"; }

# tk_part STATE NAME: what follows is a part of this section.
tk_part() { printf '\n@%s part s=%s f=%s\n' "$TK_B" "$1" "$2"; }

# tk_have TOOL
tk_have() { command -v "$1" >/dev/null 2>&1; }

# tk_within SECONDS COMMAND...: for whatever may block; 124 when time was up.
# busybox's timeout has no 124 of its own: it passes on that the command died of TERM.
if tk_have timeout; then
  tk_within() { timeout "$@"; tk_ended=$?; [ "$tk_ended" != 143 ] || tk_ended=124; return "$tk_ended"; }
else
  tk_within() { shift; "$@"; }
fi

# tk_look PATH: sets tk_is to read, denied, absent or special, without a process. An unreadable folder above
# means denied: what cannot be looked at is not absent.
tk_look() {
  if [ -e "$1" ]; then
    # A FIFO or a device would hang or flood whoever opens it.
    tk_is=special
    if [ -d "$1" ]; then
      if [ -r "$1" ] && [ -x "$1" ]; then tk_is='read'; else tk_is=denied; fi
    elif [ -f "$1" ]; then
      if [ -r "$1" ]; then tk_is='read'; else tk_is=denied; fi
    fi
    return
  fi
  tk_is=absent
  if [ -h "$1" ]; then return; fi
  tk_above=${1%/*}
  while [ -n "$tk_above" ] && [ ! -e "$tk_above" ]; do tk_above=${tk_above%/*}; done
  [ -x "${tk_above:-/}" ] || tk_is=denied
}

# tk_file PATH [BYTES]: a whole small file as a part; denied and absent are said.
tk_file() {
  tk_look "$1"
  tk_part "$tk_is" "$1"
  if [ "$tk_is" = read ] && [ -f "$1" ]; then head -c "${2:-65536}" <"$1"; fi
}

# tk_ask_sshd: sets tk_sshd to the daemon's path and tk_effective to what it says of itself; two sections ask,
# and it answers once.
tk_ask_sshd() {
  if [ "$tk_asked" ]; then return; fi
  tk_asked=yes
  tk_sshd=$(command -v sshd) || return 0
  # -T loads the host keys, so it needs root; -G (since 9.3) does not.
  # The stream is closed to them: busybox's timeout leaves a watcher behind that would hold it open.
  tk_effective=$(tk_within 4 "$tk_sshd" -T 2>/dev/null 4>&-) ||
    tk_effective=$(tk_within 4 "$tk_sshd" -G 2>/dev/null 4>&-) || tk_effective=
}

# tk_ask_dpkg: sets tk_dpkg to the packages that dpkg knows, and tk_dpkg_ended to its exit status; asked once too.
tk_ask_dpkg() {
  if [ "$tk_dpkg_ended" ] || ! tk_have dpkg-query; then return; fi
  # shellcheck disable=SC2016
  tk_dpkg=$(tk_within 8 dpkg-query -W -f '${Package}\t${Architecture}\t${Version}\t${db:Status-Abbrev}\t${source:Package}\n' 2>/dev/null 4>&-)
  tk_dpkg_ended=$?
}

# tk_run NAME CAP: one section, framed, with its status, size and first error lines. What the shell can do
# itself costs no process: with some twenty sections, the frames would cost more than the questions.
tk_run() {
  tk_count=$((tk_count + 1))
  read -r tk_up tk_rest </proc/uptime 2>/dev/null || tk_up=0
  printf '\n@%s begin s=%s t=%s\n' "$TK_B" "$1" "$tk_up"
  # pre_NAME runs in this shell, so what it asks can be shared. It fails where there is nothing to ask, such as
  # of another package manager: then tk_none names the part that says so, and the frame is all.
  if tk_have "pre_$1" && ! "pre_$1"; then
    tk_none=$tk_nl@$TK_B' part s=absent f='$tk_none$tk_nl
    printf '%s\n@%s end s=%s t=%s rc=0 n=%s\n' "$tk_none" "$TK_B" "$1" "$tk_up" "${#tk_none}"
    return
  fi
  # 6 collects the tail, 7 the section's errors, 5 feeds the byte count. Errors beyond those kept are
  # read as well: a section must not die of SIGPIPE over a thousand warnings, only over a flood.
  tk_tail=$(
    {
      {
        {
          { ( "sec_$1" ) 4>&- 5>&- 6>&-; echo "rc=$?" >&6; } 2>&7 7>&- |
            head -c "$(($2 + 1))" | tee /dev/fd/5 >&4
        } 5>&1 | wc -c >&6
      } 7>&1 | head -c 1048576 | tr -d '\000' | sed -n '1,8{s/^\(.\{160\}\).*/\1/;s/^/!/p;}' >&6
    } 6>&1
  )
  tk_end=
  tk_errors=
  while [ "$tk_tail" ]; do
    tk_line=${tk_tail%%"$tk_nl"*}
    case $tk_line in
      !*) tk_errors=$tk_errors$tk_line$tk_nl ;;
      rc=*) tk_end="$tk_end $tk_line" ;;
      # Some put blanks before a count.
      *[0-9]) tk_end="$tk_end n=${tk_line##* }" ;;
    esac
    case $tk_tail in *"$tk_nl"*) tk_tail=${tk_tail#*"$tk_nl"} ;; *) tk_tail= ;; esac
  done
  read -r tk_up tk_rest </proc/uptime 2>/dev/null || tk_up=0
  printf '\n@%s end s=%s t=%s%s\n%s' "$TK_B" "$1" "$tk_up" "$tk_end" "$tk_errors"
}
