# shellcheck shell=sh disable=SC1091,SC2016
# An apt archive of the host's own: /srv/archive, published by /srv/archive/publish.
# "quiet" has nothing newer than what is installed; "pending" has newer sudo and logrotate and an older cron.
offered() { # NAME [VERSION]: the installed package's own stanza, as an archive offers it (apt compares the fields)
    dpkg-query -s "$1" | awk -v name="$1" -v version="${2-}" '
        /^[^ ]/ { drop = /^(Status|Conffiles|Config-Version):/ }
        /^Version:/ && version { $0 = "Version: " version }
        !drop
        END { printf "Filename: pool/%s.deb\nSize: 1000\nSHA256: %064d\n\n", name, 0 }'
}
installed() { dpkg-query -W -f='${Version}' "$1"; }

mkdir -p /srv/archive/main /srv/archive/security
dpkg-query -W -f='${binary:Package}\n' | while read -r name; do offered "${name%:*}"; done > /srv/archive/main/quiet
{
    offered openssh-server
    offered cron "$(installed cron | sed 's/-/~lab-/')"               # lower than installed
    offered cron 99:1-1 | sed 's/^Package: cron/Package: not-installed-here/'
} > /srv/archive/security/quiet
{
    cat /srv/archive/security/quiet
    offered sudo "$(installed sudo)+lab1"
    offered logrotate "$(installed logrotate)+lab1"
} > /srv/archive/security/pending

export GNUPGHOME=/srv/archive/.gnupg
install -d -m 700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-generate-key 'Lab Archive <lab@lab.test>' ed25519 sign never
gpg --batch --quiet --export > /usr/share/keyrings/lab-archive.gpg
gpgconf --kill all
. /etc/os-release
{
    echo "deb [signed-by=/usr/share/keyrings/lab-archive.gpg] copy:/srv/archive/main $VERSION_CODENAME main"
    echo "deb [signed-by=/usr/share/keyrings/lab-archive.gpg] copy:/srv/archive/security $VERSION_CODENAME-security main"
} > /etc/apt/sources.list

cat > /srv/archive/publish <<'END'
#!/bin/sh
# publish quiet|pending [DATE]: offer that security pocket, dated DATE (as date -d reads it), and fetch it.
set -eu
which=$1
. /etc/os-release
case $VERSION_ID in 11) status=oldoldstable ;; 12) status=oldstable ;; *) status=stable ;; esac
dated=$(date -u -R -d "${2:-now}")
export GNUPGHOME=/srv/archive/.gnupg
offer() { # archive suite label packages
    dist=/srv/archive/$1/dists/$2
    index=main/binary-$(dpkg --print-architecture)/Packages
    mkdir -p "$dist/${index%/*}"
    cp "$4" "$dist/$index"
    {
        printf 'Origin: Debian\nLabel: %s\nSuite: %s\nVersion: %s\nCodename: %s\nDate: %s\n' \
            "$3" "$status${2#"$VERSION_CODENAME"}" "$VERSION_ID" "$2" "$dated"
        printf 'Architectures: %s\nComponents: main\nSHA256:\n %s %s %s\n' "$(dpkg --print-architecture)" \
            "$(sha256sum < "$dist/$index" | cut -d' ' -f1)" "$(stat -c %s "$dist/$index")" "$index"
    } > "$dist/Release"
    gpg --batch --quiet --yes --clearsign --digest-algo SHA256 -o "$dist/InRelease" "$dist/Release"
}
offer main "$VERSION_CODENAME" Debian /srv/archive/main/quiet
offer security "$VERSION_CODENAME-security" Debian-Security "/srv/archive/security/$which"
gpgconf --kill all
rm -rf /var/lib/apt/lists/*
apt-get -qq -o Acquire::Check-Date=false update
END
chmod 755 /srv/archive/publish
