# shellcheck shell=sh
# The public keys that log in: each account's files, each key's type, fingerprint and option names. No key leaves.
pre_keys() { tk_ask_sshd; }

sec_keys() {
  tk_out=$tk_effective
  tk_from=sshd
  if [ -z "$tk_effective" ]; then
    tk_out='authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2'
    tk_from=default
    if [ -z "$tk_sshd" ]; then tk_from=no_sshd
    elif [ -f /etc/ssh/sshd_config ] && [ -r /etc/ssh/sshd_config ]; then tk_from=files
    fi
  fi
  # The files too: a Match block may name others, which sshd does not print without knowing who asks.
  tk_globs=$(
    {
      printf '%s\n' "$tk_out"
      for tk_f in /usr/etc/ssh/sshd_config /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf; do
        if [ -f "$tk_f" ] && [ -r "$tk_f" ]; then cat "$tk_f"; echo; fi
      done
    } | awk '
      { gsub(/[="]/, " ") }
      tolower($1) == "authorizedkeysfile" {
        for (i = 2; i <= NF; i++) if ($i ~ /^#/) break; else if ($i != "none" && !($i in seen)) { seen[$i]; print $i }
      }
    '
  )
  tk_part "$tk_from" patterns
  printf '%s\n' "$tk_globs"
  tk_part read files
  tk_nl='
'
  # Where there is no ssh-keygen, such as beside dropbear: the hash of the key's blob is its fingerprint. A
  # certificate's is that of the key in it. Three processes a key, so not for very many.
  tk_sum=
  if tk_have base64 && tk_have sha256sum; then
    # shellcheck disable=SC2016 # expanded by the shell that awk starts
    tk_sum='while read -r t b n; do
      case $t in *-cert-*) continue ;; esac
      h=$(printf %s "$b" | base64 -d | sha256sum) && echo "H:$n:${h%% *}"
    done'
  fi
  # Who, where: the accounts here, those a name service knows, and the homes that deleted ones may have left.
  {
    cat /etc/passwd
    if tk_have getent && [ -n "$TK_NAMES" ]; then
      # shellcheck disable=SC2086 # a list of checked names
      tk_within 4 getent passwd $TK_NAMES
    fi
    for tk_n in $TK_NAMES; do printf '%s::left:::/home/%s:\n' "$tk_n" "$tk_n"; done
  } | TK_GLOBS=$tk_globs awk -F: '
    BEGIN { n = split(ENVIRON["TK_GLOBS"], globs, "\n") }
    { sub(/^[ \t]+/, "") }
    /^[+#-]/ || NF < 6 || $1 == "" { next }
    $3 == "left" { if ($1 in named) next }
    $3 != "left" { named[$1] }
    seen[$1 ":" $6]++ { next }
    {
      for (i = 1; i <= n; i++) {
        path = ""
        for (at = 1; at <= length(globs[i]); at++) {
          c = substr(globs[i], at, 1)
          if (c != "%") { path = path c; continue }
          c = substr(globs[i], ++at, 1)
          path = path (c == "h" ? $6 : c == "u" ? $1 : c == "U" ? $3 : c == "%" ? "%" : "%" c)
        }
        if (path !~ /^\//) path = $6 "/" path
        if (path ~ /^\//) print ($3 == "left" ? "L" : "A") ":" $1 ":" path
      }
    }
  ' | {
    tk_total=0
    while IFS= read -r tk_line; do
      tk_total=$((tk_total + 1))
      tk_who=${tk_line#*:}
      tk_path=${tk_who#*:}
      # As tk_look, but without a fork for each of many accounts.
      if [ -e "$tk_path" ]; then
        if [ ! -f "$tk_path" ]; then tk_is=special
        elif [ ! -r "$tk_path" ]; then tk_is=denied
        else tk_is="read"
        fi
      else
        tk_dir=${tk_path%/*}
        while [ -n "$tk_dir" ] && [ ! -e "$tk_dir" ]; do tk_dir=${tk_dir%/*}; done
        tk_dir=${tk_dir:-/}
        if [ -h "$tk_path" ] || [ ! -d "$tk_dir" ] || [ -x "$tk_dir" ]; then continue; fi
        tk_is=denied
      fi
      printf '%s%s F:%s:%s%s' "$tk_nl" "$TK_B" "$tk_is" "$tk_line" "$tk_nl"
      if [ "$tk_is" = read ]; then head -c 131073 <"$tk_path"; fi
    done
    printf '%s%s N:%s%s' "$tk_nl" "$TK_B" "$tk_total" "$tk_nl"
  } | tr '\000' '\n' | TK_SUM=$tk_sum awk -v have="$(command -v ssh-keygen)" '
    # Bytes of one file are counted, so that a longer one is known to be cut.
    function done_file() { if (open && size > 131072) print "T:" file; open = 0 }
    # The end of the options: the first blank outside of quotes.
    function options_end(s,  i, c, quoted) {
      for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        if (c == "\\" && substr(s, i + 1, 1) == "\"") { i++; continue }
        if (c == "\"") quoted = !quoted
        else if (!quoted && (c == " " || c == "\t")) return i
      }
      return 0
    }
    # Whether a pattern list of from= lets nobody in, ssh_config(5): nothing but negations, or one of everything.
    # Decided here: the addresses are those of offices and homes, and all that matters is whether any is let in.
    function lets_nobody(list,  i, n, pattern, positive) {
      if (length(list) >= 4096) return 0
      n = split(list, pattern, ",")
      for (i = 1; i <= n; i++) {
        if (pattern[i] ~ /^!\*+$/) return 1
        if (pattern[i] != "" && pattern[i] !~ /^!/) positive = 1
      }
      return !positive
    }
    # Option names only; of values only the expiry time, which is digits.
    function option_names(s,  i, c, quoted, name, value, invalue, out) {
      s = s ","
      for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        if (c == "\\" && substr(s, i + 1, 1) == "\"") { i++; if (invalue) value = value "?"; continue }
        if (c == "\"") { quoted = !quoted; continue }
        if (!quoted && c == ",") {
          name = tolower(name)
          if (name !~ /^[a-z0-9-]+$/ || length(name) > 40) name = "?"
          if (name == "from" && invalue && lets_nobody(value)) name = "from=none"
          if (name == "expiry-time") name = name "=" (value ~ /^[0-9]+Z?$/ && length(value) <= 15 ? value : "?")
          out = out (out == "" ? "" : ",") name
          name = ""; value = ""; invalue = 0
        } else if (!invalue && c == "=") invalue = 1
        else if (invalue) { if (length(value) < 4096) value = value c }
        else if (length(name) <= 40) name = name c
      }
      return out
    }
    function is_type(t) { return t ~ /^(ssh|ecdsa|sk|webauthn)-[a-z0-9@.-]+$/ && length(t) <= 64 }
    BEGIN { mark = ENVIRON["TK_B"] " " }
    index($0, mark) == 1 {
      done_file()
      rest = substr($0, length(mark) + 1)
      if (rest ~ /^F:/) { files++; file = files; open = 1; size = 0; print rest }
      else print rest
      next
    }
    !open { next }
    {
      size += length($0) + 1
      line = $0
      sub(/^[ \t]+/, "", line); sub(/\r$/, "", line)
      if (line == "" || line ~ /^#/) next
      options = ""
      split(line, word, /[ \t]+/)
      if (!is_type(word[1])) {
        i = options_end(line)
        if (i) {
          options = option_names(substr(line, 1, i - 1))
          line = substr(line, i + 1); sub(/^[ \t]+/, "", line)
          split(line, word, /[ \t]+/)
        }
      }
      if (is_type(word[1]) && word[2] ~ /^[A-Za-z0-9+\/]+=*$/) {
        keys++
        print "K:" file ":" keys ":" word[1] ":" options
        key[keys] = word[1] " " word[2] " " keys
      } else print "O:" file
    }
    END {
      done_file()
      # The keys go into ssh-keygen or the hash and nowhere else; each fingerprint is named by our number.
      fflush()
      if (have != "") for (i = 1; i <= keys; i++) print key[i] | "ssh-keygen -lf -"
      else if (ENVIRON["TK_SUM"] != "" && keys <= 500) for (i = 1; i <= keys; i++) print key[i] | ENVIRON["TK_SUM"]
    }
  '
}
