# shellcheck shell=sh
# Installed packages joined with the security advisories in the package manager's cache, and how fresh those are.
# Neither dnf nor zypper is called: they lock, log and fetch. Versions are put in order by the reader.
rp_nl='
'
rp_tab=$(printf '\t')

pre_rpm() { tk_none=rpm; [ -x /usr/bin/rpm ] || [ -x /bin/rpm ]; }

sec_rpm() {
  # By its path, since busybox has an rpm of its own that knows no data base.
  for rp_rpm in /usr/bin/rpm /bin/rpm; do [ ! -x "$rp_rpm" ] || break; done
  # The tool may be there without any package.
  tk_base=
  for tk_f in /usr/lib/sysimage/rpm /var/lib/rpm; do
    for tk_p in rpmdb.sqlite Packages.db Packages; do
      if [ -e "$tk_f/$tk_p" ]; then tk_base=$tk_f; fi
    done
    tk_look "$tk_f"
    [ "$tk_base" ] || [ "$tk_is" != denied ] || { tk_part denied database; return 0; }
  done
  [ "$tk_base" ] || { tk_part absent database; return 0; }
  rp_settings || return 1
  rp_caches || return 1
  tk_part read join
  rp_stream | rp_join
}

# Sections, switches and exclusions of repositories and plug-ins; addresses and passwords stay here.
rp_settings() {
  set --
  for tk_f in /etc/yum.repos.d /etc/yum/repos.d /etc/distro.repos.d /etc/zypp/repos.d; do
    tk_look "$tk_f"
    if [ "$tk_is" = denied ]; then tk_part denied "repo:$tk_f"; fi
  done
  for tk_f in /etc/dnf/dnf.conf /etc/yum.conf /etc/dnf/plugins/versionlock.conf /etc/yum/pluginconf.d/versionlock.conf \
    /etc/yum.repos.d/*.repo /etc/yum/repos.d/*.repo /etc/distro.repos.d/*.repo /usr/share/dnf5/repos.d/*.repo \
    /etc/zypp/repos.d/*.repo /usr/share/dnf5/repos.override.d/*.repo /etc/dnf/repos.override.d/*.repo; do
    case $tk_f in *"$rp_nl"* | *'<'*) continue ;; esac
    [ -f "$tk_f" ] || continue
    if [ -r "$tk_f" ]; then set -- "$@" "$tk_f"; else tk_part denied "repo:$tk_f"; fi
  done
  [ $# -eq 0 ] || awk '
    FNR == 1 { printf "\n@%s part s=read f=repo:%s\n", ENVIRON["TK_B"], FILENAME; keep = 0 }
    { sub(/\r$/, "") }
    /^[ \t]*[#;]/ { next }
    /^\[/ { print substr($0, 1, 300); keep = 0; next }
    /^[ \t]/ { if (keep) print substr($0, 1, 1000); next }
    {
      field = $0; sub(/[ \t]*[=:].*/, "", field)
      keep = field ~ /^(enabled|exclude|excludepkgs|cachedir|reposdir)$/
      if (keep) print substr($0, 1, 4000)
    }' "$@" || return 1
  for tk_f in /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list /etc/dnf/versionlock.toml \
    /etc/zypp/locks /etc/dnf/modules.d/*.module; do
    case $tk_f in *"$rp_nl"* | *'<'* | *'*'*) continue ;; esac
    [ -e "$tk_f" ] || continue
    tk_file "$tk_f" 65536
  done
  tk_look /etc/dnf/modules.d
  tk_part "$tk_is" modules
}

# What each cached repository says of itself, and when its files were last written.
rp_caches() {
  for tk_f in /var/cache/dnf /var/cache/libdnf5 /var/cache/yum /var/cache/zypp/raw; do
    tk_look "$tk_f"
    tk_part "$tk_is" "cache:$tk_f"
  done
  set --
  for tk_f in /var/cache/dnf/*/repodata/repomd.xml /var/cache/libdnf5/*/repodata/repomd.xml \
    /var/cache/yum/*/repomd.xml /var/cache/yum/*/*/*/repomd.xml /var/cache/zypp/raw/*/repodata/repomd.xml; do
    case $tk_f in *"$rp_nl"* | *'<'*) continue ;; esac
    [ -f "$tk_f" ] || { [ ! -e "${tk_f%/*}" ] || [ -x "${tk_f%/*}" ] || tk_part denied "cache:${tk_f%/*}"; continue; }
    if [ -r "$tk_f" ]; then set -- "$@" "$tk_f"; else tk_part denied "cache:$tk_f"; fi
    [ $# -lt 100 ] || break
  done
  tk_part read metadata
  rp_metadata=
  if [ $# -gt 0 ]; then
    rp_metadata=$(awk '
      function attr(name) {
        if (!match($0, "[ \t\r\n]" name "=(\"[^\"]*\"|\047[^\047]*\047)")) return ""
        return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4)
      }
      function text() { sub(/^[^>]*>/, ""); gsub(/[^A-Za-z0-9.]/, "?"); return substr($0, 1, 30) }
      BEGIN { RS = "<" }
      FNR == 1 { print "R\t" FILENAME; newest = "0" }
      /^revision>/ { print "V\t" text() }
      /^data[ \t\r\n]/ { type = attr("type"); split("", item) }
      /^location[ \t\r\n]/ { item["href"] = attr("href"); gsub(/.*\/|[<\n\t]/, "", item["href"]) }
      /^timestamp>/ { item["time"] = text() }
      /^open-size>/ { item["size"] = text() }
      /^\/data>/ {
        if (length(item["time"]) > length(newest) || length(item["time"]) == length(newest) && item["time"] > newest)
          newest = item["time"]
        if (type ~ /^updateinfo(_zck)?$/) print "U\t" item["size"] "\t" substr(item["href"], 1, 300)
        type = ""
      }
      /^\/repomd>/ { print "V\t" newest; print "E" }' "$@") || return 1
  fi
  printf '%s\n' "$rp_metadata"
  tk_part read times
  for tk_f; do
    for tk_p in "${tk_f%/*}"/repomd.xml "${tk_f%/*}"/*primary.xml*; do
      [ -f "$tk_p" ] && set -- "$@" "$tk_p"
    done
    shift
  done
  [ $# -eq 0 ] || stat -c '%Y %n' "$@"
}

# The installed packages and the advisories as records that begin with "<", with marks of our own between them.
rp_stream() {
  tk_out=
  # Root's rpm opens the write-ahead log of its data base for writing; nobody can read the same, and cannot write.
  if [ "$TK_UID" = 0 ] && [ -x /usr/bin/setpriv ]; then
    tk_out=$(rp_query /usr/bin/setpriv --reuid=+65534 --regid=+65534 --clear-groups "$rp_rpm")
  fi
  rp_status=$?
  if [ -z "$tk_out" ] || [ "$rp_status" != 0 ]; then tk_out=$(rp_query "$rp_rpm"); rp_status=$?; fi
  printf '%s<+%s rpm %s\n' "$tk_out" "$TK_B" "$rp_status"
  rp_count=0
  IFS=$rp_nl
  set -f
  for rp_line in $rp_metadata; do
    case $rp_line in
      "R$rp_tab"*) rp_folder=${rp_line#?"$rp_tab"} rp_folder=${rp_folder%/*} ;;
      "U$rp_tab"*)
        tk_f=$rp_folder/${rp_line##*"$rp_tab"}
        if [ ! -f "$tk_f" ] || [ ! -r "$tk_f" ]; then continue; fi
        rp_count=$((rp_count + 1))
        [ "$rp_count" -le 100 ] || break
        printf '<+%s list %s\n' "$TK_B" "$tk_f"
        rp_unpack "$tk_f"
        printf '<+%s end %s\n' "$TK_B" $?
        ;;
    esac
  done
}

rp_query() {
  tk_within 8 "$@" -qa --qf '<+i\t%{NAME}\t%{ARCH}\t%|EPOCH?{%{EPOCH}}:{0}|\t%{VERSION}\t%{RELEASE}\t%{INSTALLTIME}'
}

# rp_unpack FILE: 127 says that no tool here can.
rp_unpack() {
  case $1 in
    *.gz) tk_within 4 gzip -dc <"$1" ;;
    *.xz) tk_within 4 xz -dc <"$1" ;;
    *.zst) tk_within 4 zstd -dc <"$1" ;;
    *.bz2) tk_within 4 bzip2 -dc <"$1" ;;
    *.zck) tk_within 4 unzck -c "$1" ;;
    *.xml) tk_within 4 cat "$1" ;;
    *) return 127 ;;
  esac
}

# Of the advisories only security ones, and of their packages only those whose name and architecture are installed.
# What is surely not newer is left out here for its volume: numbers are compared, and all else is the reader's.
rp_join() {
  awk '
    # The usual spelling is looked for first, since a regular expression costs much more.
    function attr(name,    at, rest) {
      at = index($0, " " name "=\"")
      if (at) {
        rest = substr($0, at + length(name) + 3)
        return substr(rest, 1, index(rest, "\"") - 1)
      }
      if (!match($0, "[ \t\r\n]" name "[ \t\r\n]*=[ \t\r\n]*(\"[^\"]*\"|\047[^\047]*\047)")) return ""
      rest = substr($0, RSTART, RLENGTH)
      sub(/^[^\047"]*["\047]/, "", rest)
      return substr(rest, 1, length(rest) - 1)
    }
    function plain(value) {
      if (value == "") return "-"
      return value ~ /^[A-Za-z0-9.+~^_:@\/ -]+$/ && length(value) <= 128 ? value : "?"
    }
    # -1, 0 or 1 where digits alone decide, else 2.
    function order(a, b,    x, y) {
      while (a != "" && b != "") {
        if (a == b) return 0
        x = y = ""
        if (match(a, /^[0-9]+/)) x = substr(a, 1, RLENGTH)
        if (match(b, /^[0-9]+/)) y = substr(b, 1, RLENGTH)
        if (x == "" || y == "") {
          if (x != y || substr(a, 1, 1) != substr(b, 1, 1)) return 2
          a = substr(a, 2); b = substr(b, 2)
          continue
        }
        a = substr(a, length(x) + 1); b = substr(b, length(y) + 1)
        sub(/^0+/, "", x); sub(/^0+/, "", y)
        if (length(x) != length(y)) return length(x) < length(y) ? -1 : 1
        if (x != y) return "n" x < "n" y ? -1 : 1
      }
      return a == b ? 0 : 2
    }
    function not_newer(key, epoch, version, release,    i, n, part, found) {
      n = split(have[key], installed, "\n")
      for (i = 1; i <= n; i++) {
        split(installed[i], part, "\t")
        if (epoch !~ /^[0-9]+$/ || epoch != part[1]) continue
        found = order(version, part[2])
        if (found == 0) found = order(release, part[3])
        if (found == 0 || found == -1) return 1
      }
      return 0
    }
    BEGIN { RS = "<"; FS = "\t"; mark = "+" ENVIRON["TK_B"] " "; installing = 1; split("", have); split("", known) }
    /^\+i\t/ && installing {
      count++
      key = $2 "\t" $3
      known[$2] = 1
      # Some awks make the element before they look whether it is there.
      before = key in have ? have[key] "\n" : ""
      have[key] = before $4 "\t" $5 "\t" $6 "\t" $7
      if ($2 ~ /^kernel/ && $2 !~ /-(headers|devel|doc|docs|modules|tools|firmware|macros|source|syms|srpm|livepatch|debuginfo)/)
        print "K\t" key "\t" $4 "\t" $5 "\t" $6 "\t" $7
      next
    }
    /^\+/ && substr($0, 1, length(mark)) == mark {
      line = substr($0, length(mark) + 1); sub(/\n.*/, "", line)
      verb = line; sub(/ .*/, "", verb); line = substr(line, length(verb) + 2)
      if (verb == "rpm") { print "D\t" plain(line) "\t" count + 0; installing = 0 }
      if (verb == "list") {
        path = line; security = 0; whole = 0; kept = 0; advisories = 0; hidden = 0
        bytes = length($0) - length(mark) - length("list " path) - 1
      }
      if (verb == "end") print "L\t" plain(line) "\t" bytes "\t" whole + 0 "\t" kept + 0 "\t" advisories + 0 "\t" path
      next
    }
    { bytes += length($0) + 1 }
    hidden { if (index($0, hidden)) hidden = 0; next }
    # Most of all records; the ends of elements say nothing.
    /^(\/?filename|\/package|\/?reference)/ { next }
    security && /^package[ \t\r\n]/ {
      name = attr("name")
      if (!(name in known)) next
      key = name "\t" attr("arch")
      if (!(key in have)) next
      epoch = attr("epoch"); version = attr("version"); release = attr("release")
      if (epoch == "") epoch = "0"
      if (not_newer(key, epoch, version, release)) next
      found[++n] = "P\t" key "\t" plain(epoch) "\t" plain(version) "\t" plain(release) "\t" plain(module)
      if (!(key in named)) { named[key] = 1; names[++named_count] = key }
      next
    }
    /^!/ {
      if (/^!--/ && !/-->/) hidden = "-->"
      if (/^!\[CDATA\[/ && !/]]>/) hidden = "]]>"
      next
    }
    /^update[ \t\r\n>]/ {
      security = attr("type") == "security"
      if (security) { advisories++; id = ""; issued = ""; severity = ""; status = attr("status"); module = ""; n = 0 }
      next
    }
    /^\/updates>/ { whole = 1 }
    !security { next }
    /^id>/ { if (id == "") id = substr($0, 4) }
    /^severity>/ { severity = substr($0, 10) }
    /^issued[ \t\r\n]/ { issued = attr("date") }
    /^(\/)?collection/ { module = "" }
    /^module[ \t\r\n]/ { module = (module == "" ? "" : module " ") attr("name") ":" attr("stream") }
    /^\/update>/ {
      if (n) kept += n + 1
      if (n) print "A\t" plain(id) "\t" plain(issued) "\t" plain(severity) "\t" plain(status)
      for (i = 1; i <= n; i++) print found[i]
      security = 0
    }
    END {
      for (k = 1; k <= named_count; k++) {
        n = split(have[names[k]], installed, "\n")
        for (i = 1; i <= n; i++) print "I\t" names[k] "\t" installed[i]
      }
    }
  '
}
