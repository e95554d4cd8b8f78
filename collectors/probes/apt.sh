# shellcheck shell=sh
# Installed packages joined with the security pockets' package lists, and how fresh those are.
# Nothing is solved, fetched or locked: apt's own files are read as they are.
pre_apt() {
  tk_none=dpkg
  tk_have dpkg-query && tk_ask_dpkg
}

sec_apt() {
  tk_lists=/var/lib/apt/lists
  # Where apt looks, if not at the usual places, which release it prefers, for which architectures it asks, and
  # what it does by itself. Keys are spelt as whoever wrote them did.
  tk_conf=
  if tk_have apt-config && tk_conf=$(tk_within 4 apt-config dump); then
    tk_part read settings
    tk_conf=$(printf '%s\n' "$tk_conf" | awk '
      { key = tolower($1) }
      key ~ /^apt::(architecture|architectures::|default-release|periodic::(enable|update-package-lists|unattended-upgrade))$/ ||
      key ~ /^dir(::state|::state::(lists|status)|::etc|::etc::(sourcelist|sourceparts))?$/ ||
      key ~ /^unattended-upgrade::(allowed-origins|origins-pattern|package-blacklist|package-whitelist)::/ { print substr($0, 1, 300) }')
    printf '%s\n' "$tk_conf"
  else
    tk_part denied settings
  fi
  tk_native=
  tk_archs=
  IFS=$tk_nl
  set -f
  for tk_l in $tk_conf; do
    tk_v=${tk_l#*\"} tk_v=${tk_v%%\"*}
    case $tk_v in *[!a-z0-9-]*) continue ;; esac
    case $tk_l in
      'APT::Architecture "'*) tk_native=$tk_v ;;
      'APT::Architectures:: "'*) tk_archs=$tk_archs${tk_archs:+$tk_nl}$tk_v ;;
    esac
  done
  set +f
  unset IFS
  [ "$tk_native" ] || tk_native=$(dpkg --print-architecture) || return 1
  [ "$tk_archs" ] || tk_archs=$(dpkg --print-foreign-architectures) || return 1
  tk_part read architectures
  printf '%s\n' "$tk_native" "$tk_archs"

  # Comments, signing keys and passwords in addresses stay here.
  tk_apt_files source /etc/apt/sources.list /etc/apt/sources.list.d
  # shellcheck disable=SC2086
  set -- $tk_found
  if [ $# -gt 0 ]; then
    awk '
      FNR == 1 { printf "\n@%s part s=read f=source:%s\n", ENVIRON["TK_B"], FILENAME; keep = 0 }
      /^[ \t]*#/ { next }
      { sub(/\r$/, ""); gsub(/:\/\/[^\/ \t]*@/, "://") }
      FILENAME ~ /\.sources$/ {
        if ($0 ~ /^[ \t]/) { if (keep) print substr($0, 1, 1000); next }
        field = tolower($0); sub(/[ \t]*:.*/, "", field)
        keep = field ~ /^(types|uris|suites|components|architectures|enabled)$/
        if (keep || $0 == "") print substr($0, 1, 1000)
        next
      }
      /^[ \t]*deb[ \t]/ {
        sub(/[ \t]#.*/, "")
        options = ""
        if ($0 ~ /^[ \t]*deb[ \t]+\[/) {
          options = $0; sub(/\].*/, "", options); sub(/^[^\[]*\[/, "", options)
          n = split(options, word, " "); options = ""
          for (i = 1; i <= n; i++) if (word[i] ~ /^arch[-+]?=/) options = options " " word[i]
          sub(/^[^\[]*\[[^]]*\][ \t]*/, "deb ")
        }
        print substr((options == "" ? "" : "[" substr(options, 2) "] ") $0, 1, 1000)
      }' "$@" || return 1
  fi

  tk_apt_files pin /etc/apt/preferences /etc/apt/preferences.d
  # shellcheck disable=SC2086
  set -- $tk_found
  if [ $# -gt 0 ]; then
    awk '
      FNR == 1 { printf "\n@%s part s=read f=pin:%s\n", ENVIRON["TK_B"], FILENAME; keep = 0 }
      { sub(/\r$/, "") }
      /^#/ { next }
      /^[ \t]*$/ { print ""; keep = 0; next }
      /^[ \t]/ { if (keep) print substr($0, 1, 1000); next }
      { keep = tolower($0) ~ /^(package|pin|pin-priority)[ \t]*:/; if (keep) print substr($0, 1, 1000) }' "$@" || return 1
  fi

  tk_look "$tk_lists"
  tk_part "$tk_is" lists
  [ "$tk_is" = read ] || return 0

  # Head and index sizes of each Release file; "S" marks what looks like a security pocket, "T" other vendors' sources.
  set --
  for tk_f in "$tk_lists"/*Release; do
    case ${tk_f##*/} in *[!A-Za-z0-9._%:+~,@=-]* | *.gpg) continue ;; esac
    if [ -f "$tk_f" ] && [ -r "$tk_f" ]; then set -- "$@" "$tk_f"
    elif [ -f "$tk_f" ]; then tk_part denied "release:${tk_f##*/}"; fi
  done
  tk_releases=
  if [ $# -gt 0 ]; then
    tk_releases=$(TK_ARCHS="$tk_native $tk_archs" awk '
      # Index sizes tell a whole list from a torn one.
      function finish(    i) {
        if (name == "") return
        for (i = 1; i <= indexes; i++) print "P " size[path[i]] " " path[i]
        sub(/(In)?Release$/, "", name)
        if (secure) { print "S " name; own[origin] = ++owned } else if (taken) { other[++others] = name; from[name] = origin }
        name = ""
      }
      BEGIN { n = split(ENVIRON["TK_ARCHS"], arch, " "); for (i = 1; i <= n; i++) wanted["binary-" arch[i]] = 1 }
      FNR == 1 {
        finish(); name = FILENAME; sub(/.*\//, "", name); print "R " name
        secure = name ~ /security/; origin = ""; taken = 1; done = 0; sums = ""; first = ""; indexes = 0; split("", seen); split("", size)
      }
      done { next }
      /^-----BEGIN PGP SIGNATURE/ { done = 1; next }
      /^ / {
        n = split($0, word, " ")
        if (n == 3 && first == "") first = sums
        if (n != 3 || sums != first) next
        depth = split(word[3], step, "/")
        packed = sub(/\.[a-z0-9]+$/, "", step[depth])
        if (step[depth] != "Packages" || depth > 1 && !(step[depth - 1] in wanted)) next
        if (depth > 2 && step[depth - 2] == "debian-installer") next
        if (packed) sub(/\.[a-z0-9]+$/, "", word[3])
        word[3] = substr(word[3], 1, 300)
        if (!(word[3] in size)) { path[++indexes] = word[3]; size[word[3]] = "?" }
        if (!packed && word[2] ~ /^[0-9]+$/) size[word[3]] = substr(word[2], 1, 15)
        next
      }
      {
        sub(/\r$/, "")
        colon = index($0, ":"); field = substr($0, 1, colon - 1); sums = field
        if (field !~ /^(Origin|Label|Suite|Version|Codename|Date|Valid-Until|NotAutomatic)$/ || field in seen) next
        seen[field] = 1
        value = substr($0, colon + 1, 200); sub(/^[ \t]+/, "", value)
        print "F " field ": " value
        if (field ~ /^(Label|Suite|Codename)$/ && tolower(value) ~ /security/) secure = 1
        if (field == "Origin") origin = value
        # Of backports and the like apt takes nothing that was not asked for.
        if (field == "NotAutomatic" && tolower(value) == "yes") taken = 0
      }
      END {
        finish()
        for (i = 1; i <= others && owned; i++) if (!(from[other[i]] in own)) print "T " other[i]
      }' "$@") || return 1
  fi
  tk_part read releases
  printf '%s\n' "$tk_releases"

  tk_marked=$(printf '%s\n' "$tk_releases" | sed -n '/^[ST] /p')
  tk_apt_lists S
  # shellcheck disable=SC2086
  set -- $tk_found
  # Other vendors' lists only while they are small; packed ones are some five times larger when read.
  tk_apt_lists T
  tk_sized=
  if [ "$tk_found" ]; then
    # shellcheck disable=SC2086
    tk_sized=$(stat -c '%s %n' $tk_found | awk '
      { size = $1 * ($2 ~ /Packages$/ ? 1 : 5); if (size > 3145728 || (sum + size) > 6291456) { sub(/.*\//, "", $2); print "B " $2 }
        else { sum += size; print "K " $2 } }') || return 1
    for tk_f in $(printf '%s\n' "$tk_sized" | sed -n 's/^K //p'); do set -- "$@" "$tk_f"; done
  fi
  tk_part read join
  if [ "$tk_sized" ]; then printf '%s\n' "$tk_sized" | sed -n '/^B /p'; fi
  {
    printf '%s\n' "$tk_dpkg"
    printf '\n\001dpkg %s\n' "$tk_dpkg_ended"
    for tk_f in "$@"; do
      printf '\001list %s\n' "${tk_f##*/}"
      tk_apt_list "$tk_f"
      printf '\n\001end %s\n' $?
    done
  } | TK_NATIVE=$tk_native awk '
    function flush(    e, v) {
      if (p != "") {
        count++
        e = (a == "all" || a == "") ? native : a
        if ((p, e) in have) {
          v = ver; if (v !~ /^[A-Za-z0-9.+~:-]+$/ || length(v) > 256) v = "?"
          print "C " number " " p " " have[p, e] " " v
        }
      }
      p = ""; a = ""; ver = ""
    }
    BEGIN { FS = "\t"; native = ENVIRON["TK_NATIVE"]; split("", have); number = 0; installing = 1 }
    /^\001/ {
      split($0, word, " ")
      if (word[1] == "\001dpkg") { print "D " word[2] " " installed + 0 " " backported + 0; installing = 0 }
      if (word[1] == "\001list") { list = word[2]; bytes = 0; count = 0; number++ }
      # The line break before each end mark is ours.
      if (word[1] == "\001end") { flush(); print "L " number " " word[2] " " bytes - 1 " " count " " list }
      next
    }
    installing {
      state = substr($4, 2, 1)
      if (NF < 5 || $3 == "" || state == "c" || state == "n") next
      installed++
      if ($3 ~ /~bpo[0-9]/) backported++
      e = $2 == "all" ? native : $2
      abbrev = $4; gsub(/ /, "-", abbrev)
      have[$1, e] = $2 " " $3 " " abbrev " " $5
      if (state != "i" || substr($4, 3, 1) == "R") print "U " $1 " " have[$1, e]
      next
    }
    { bytes += length($0) + 1 }
    $0 == "" { flush(); next }
    /^Package:/ { p = $0; sub(/^Package:[ \t]*/, "", p); sub(/[ \t\r]+$/, "", p); next }
    /^Version:/ { ver = $0; sub(/^Version:[ \t]*/, "", ver); sub(/[ \t\r]+$/, "", ver); next }
    /^Architecture:/ { a = $0; sub(/^Architecture:[ \t]*/, "", a); sub(/[ \t\r]+$/, "", a) }
  '
}

# tk_apt_lists MARK: sets tk_found to the package lists of the Release files with that mark.
tk_apt_lists() {
  tk_found=
  tk_mark=
  for tk_p in $tk_marked; do
    case $tk_p in S | T) tk_mark=$tk_p; continue ;; esac
    [ "$tk_mark" = "$1" ] || continue
    for tk_f in "$tk_lists/$tk_p"Packages "$tk_lists/$tk_p"Packages.* "$tk_lists/$tk_p"*_Packages "$tk_lists/$tk_p"*_Packages.*; do
      case ${tk_f##*/} in *[!A-Za-z0-9._%:+~,@=-]*) continue ;; esac
      [ -f "$tk_f" ] && tk_found="$tk_found $tk_f"
    done
  done
}

# tk_apt_files KIND FILE FOLDER: sets tk_found to what apt reads there, and says what exists and may not be read.
tk_apt_files() {
  tk_found=
  for tk_f in "$2" "$3"; do
    tk_look "$tk_f"
    if [ "$tk_is" = denied ]; then tk_part denied "$1:$tk_f"; fi
  done
  for tk_f in "$2" "$3"/*; do
    # apt passes over names with other characters and other endings.
    case $1:${tk_f##*/} in *[!A-Za-z0-9_.:-]* | *:.*) continue ;; esac
    case $1:${tk_f##*/} in
      source:*.list | source:*.sources | pin:*.pref) ;;
      source:* | pin:*.*) continue ;;
    esac
    [ -f "$tk_f" ] || continue
    if [ -r "$tk_f" ]; then tk_found="$tk_found $tk_f"; elif [ "$tk_f" != "$2" ]; then tk_part denied "$1:$tk_f"; fi
  done
}

# tk_apt_list FILE: a package list as text, whatever it is packed with.
tk_apt_list() {
  case $1 in
    *Packages) tk_within 4 cat "$1"; return ;;
    # apt-helper ends with 0 on a gzip file that was cut short.
    *.gz) tk_within 4 gzip -dc <"$1"; return ;;
  esac
  if [ -x /usr/lib/apt/apt-helper ]; then tk_within 4 /usr/lib/apt/apt-helper cat-file "$1"; return; fi
  case $1 in
    *.xz) tk_within 4 xz -dc <"$1" ;;
    *.bz2) tk_within 4 bzip2 -dc <"$1" ;;
    *.lz4) tk_within 4 lz4 -dc <"$1" ;;
    *.zst) tk_within 4 zstd -dc <"$1" ;;
    *) return 1 ;;
  esac
}
