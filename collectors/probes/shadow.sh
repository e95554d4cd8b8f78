# shellcheck shell=sh
# Password states and ages. The hash is reduced to its kind here and never leaves the host.
sec_shadow() {
  tk_look /etc/shadow
  tk_part "$tk_is" shadow
  if [ "$tk_is" != read ] || [ ! -f /etc/shadow ]; then return 0; fi
  # Only names that passwd or we ourselves know leave the host: a misplaced field might be a hash.
  # The mark that parts the sources cannot stand in any of them: it is random.
  {
    cat /etc/passwd
    printf '\n%s\n' "$TK_B"
    cat /etc/shadow
    printf '\n%s\n' "$TK_B"
    if tk_have getent && [ -n "$TK_NAMES" ]; then
      # shellcheck disable=SC2086 # a list of checked names
      tk_within 4 getent shadow $TK_NAMES
      printf '\n%s %s\n' "$TK_B" "$?"
    fi
  } | awk -F: -v asked="$TK_NAMES" '
    # The kind of a hash, crypt(5); empty when it is none.
    function kind(p,  id) {
      if (p ~ /^\$[A-Za-z0-9-]+[$,]/) {
        id = substr(p, 2); sub(/[$,].*/, "", id)
        if (index(" 1 2 2a 2b 2x 2y 3 5 6 7 y gy sm3 sm3y md5 sha1 ", " " id " ")) return id
        return "other"
      }
      if (p ~ /^_[.\/A-Za-z0-9]+$/ && length(p) == 20) return "bsdi"
      if (p ~ /^[.\/A-Za-z0-9]+$/ && length(p) >= 13 && (length(p) - 13) % 11 == 0) return "des"
      return ""
    }
    function state(p,  rest, k) {
      if (p == "") return "empty"
      if (p == "x") return "x"
      if (p == "*") return "star"
      if (p ~ /^!+$/) return "bang"
      if (p ~ /^!/) {
        rest = p; sub(/^!+/, "", rest); k = kind(rest)
        return k == "" ? "bangother" : "locked " k
      }
      if (p ~ /^\*/) return "starlike"
      k = kind(p)
      return k == "" ? "invalid" : "set " k
    }
    # What of a line decides, as the C library spells it.
    function same(  i, all) { all = $2; for (i = 3; i <= 8; i++) all = all ":" ($i == "" ? "" : $i + 0); return all }
    function number(v) { return v == "" || (v ~ /^[0-9]+$/ && length(v) <= 9) ? v : "?" }
    BEGIN { mark = ENVIRON["TK_B"]; source = "P"; n = split(asked, names, " "); for (i in names) known[names[i]]; n = 0 }
    $0 == mark { source = source == "P" ? "F" : "S"; next }
    { sub(/^[ \t]+/, "") }
    source == "P" { known[$1]; next }
    index($0, mark " ") == 1 { print "R:" substr($0, length(mark) + 2); next }
    /^[+#-]/ || /^$/ { next }
    source == "F" && !($1 in local_name) { local_name[$1] = same() }
    # Where another source answers first, the line here is not the one that counts.
    source == "S" && $1 in local_name { if (local_name[$1] != same()) print "D:" $1; next }
    {
      if ($1 == "" || NF != 9) {
        print "B:" ($1 in known ? $1 : "?"); next
      }
      if (!($1 in known)) { orphans++; next }
      n++
      bare = $2; sub(/^!+/, "", bare)
      how = state($2)
      rounds = ""
      if (bare ~ /^\$[56]\$rounds=[0-9]+\$/) { rounds = bare; sub(/^\$[56]\$rounds=/, "", rounds); sub(/\$.*/, "", rounds) }
      row[n] = source ":" $1 ":" how
      rest_of[n] = substr(rounds, 1, 12) ":" number($3) ":" number($4) ":" number($5) ":" number($6) ":" number($7) ":" number($8)
      if (kind(bare) != "") { hash[n] = bare; count[bare]++ }
    }
    END {
      for (i = 1; i <= n; i++) {
        class = 0
        if (i in hash && count[hash[i]] > 1) {
          if (!(hash[i] in class_of)) class_of[hash[i]] = ++classes
          class = class_of[hash[i]]
        }
        print row[i] ":" rest_of[i] ":" class
      }
      print "O:" orphans + 0
    }
  '
}
