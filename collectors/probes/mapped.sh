# shellcheck shell=sh
# Processes that still run code from files which have been replaced or removed since they started.
sec_mapped() {
  # hidepid hides other people's processes, process 1 among them.
  if [ -r /proc/1/status ]; then tk_part read processes; else tk_part denied processes; fi
  # A process whose memory is locked, as by a dead network file system, holds up who reads its map.
  set -- /proc/[0-9]*/maps
  {
    tk_within 6 grep -HF ' (deleted)' "$@"
    printf '\001%s %s\n' $? $#
  } 2>&1 | awk '
    BEGIN { while ((getline line <"/proc/stat") > 0) if (line ~ /^btime /) boot = substr(line, 7) + 0 }
    # What grep says of maps that may not be read; a process that ended meanwhile has none.
    /^grep: / { if ($0 ~ /: No such (file or directory|process)$/) gone++; else unread++; next }
    /^\001/ { status = substr($1, 2) + 0; asked = $2; next }
    # Code only, proc(5): caches and translations are deleted and mapped all day.
    $2 !~ /x/ || !/ \(deleted\)$/ { next }
    {
      path = $0; sub(/^[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +/, "", path); sub(/ \(deleted\)$/, "", path)
      # No more than where software is installed: nothing of homes, data and memory-only files.
      if (path !~ /^\/(usr|opt|lib[a-z0-9]*|bin|sbin)\//) next
      split($1, step, "/"); pid = step[3]
      if (!(pid in name)) {
        look(pid)
        if (name[pid] != "") {
          count[name[pid]]++
          if (count[name[pid]] == 1 || began < oldest[name[pid]]) oldest[name[pid]] = began
        }
      }
      if (name[pid] == "") next
      sub(/.*\//, "", path); gsub(/[^A-Za-z0-9._+@-]/, "?", path); path = substr(path, 1, 64)
      if ((name[pid], path) in seen || total >= 2000) next
      seen[name[pid], path] = 1; total++
      files[name[pid]] = files[name[pid]] (files[name[pid]] == "" ? "" : ",") path
    }
    # Sets name, empty for a process that has ended or is of a container, and began.
    function look(pid,    file, line, word, called) {
      name[pid] = ""
      file = "/proc/" pid "/status"
      while ((getline line <file) > 0) {
        if (line ~ /^Name:/) called = substr(line, 7, 40)
        # A second number is that in a PID namespace within ours: a container has files of its own.
        if (line ~ /^NSpid:/ && split(line, word, "\t") > 2) { contained++; called = "" }
      }
      close(file)
      file = "/proc/" pid "/stat"
      if ((getline line <file) > 0 && sub(/.*\) /, "", line) && split(line, word, " ") > 20) name[pid] = called
      close(file)
      # Field 22, in hundredths of a second on all that Linux runs on today.
      began = boot + int(word[20] / 100)
    }
    END {
      for (i in count) printf "%d:%d:%s:%s\n", count[i], oldest[i], files[i], i
      printf "N:%d:%d:%d\n", asked - gone - unread, unread, contained
      if (status == 124) exit 124
      # 2 only says that some map could not be read.
      if (status > 2) exit 1
    }'
}
