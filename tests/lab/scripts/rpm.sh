# shellcheck shell=sh
# An EL9-like host: rpm and dnf with a local repository of small packages that carry an EL9's names and versions.
# /srv/repo holds two of some; what is installed is the older one. Debian's own tools and lists are taken away.
if [ ! -e /run/apt.conf ]; then
    echo "rpm.sh takes Debian away: it runs while an image is built and nowhere else" >&2
    exit 1
fi

mkdir -p /etc/rpm /srv/repo/Packages /run/build
echo '%_dbpath /var/lib/rpm' > /etc/rpm/macros       # Debian's default is the home of whoever asks
echo "127.0.0.1 localhost $(hostname)" > /etc/hosts # rpmbuild looks its own name up, for seconds
packages() { # stdin: lines of NAME EPOCH VERSION RELEASE; builds them all as parts of one
    {
        printf 'Name: lab-set\nVersion: 1\nRelease: 1\nSummary: none\nLicense: none\nVendor: AlmaLinux\n'
        printf 'BuildArch: noarch\n%%description\nNone.\n'
        while read -r name epoch version release; do
            printf '%%package -n %s\nEpoch: %s\nVersion: %s\nRelease: %s\nSummary: %s of the lab\n' \
                "$name" "$epoch" "$version" "$release" "$name"
            if [ "$name" = almalinux-release ]; then echo 'Provides: system-release(releasever) = 9'; fi
            printf '%%description -n %s\nA name and a version.\n%%files -n %s\n' "$name" "$name"
        done
    } > /run/build/set.spec
    rpmbuild --quiet -bb --define '_topdir /run/build' --define '_rpmdir /srv/repo/Packages' \
        --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' /run/build/set.spec
}
packages <<'OLD'
almalinux-release 0 9.6 1.el9
bash 0 5.1.8 9.el9
basesystem 0 11 13.el9
coreutils 0 8.32 36.el9
curl 0 7.76.1 29.el9_4
dnf 0 4.14.0 9.el9
glibc 0 2.34 100.el9
openssh-server 0 8.7p1 38.el9
openssl-libs 1 3.0.7 27.el9
rpm 0 4.16.1.3 29.el9
rsyslog 0 8.2310.0 4.el9
sudo 0 1.9.5p2 10.el9_3
OLD
faketime '2 years ago' rpm -i /srv/repo/Packages/*.rpm
packages <<'NEW'
bash 0 5.1.8 10.el9
curl 0 7.76.1 29.el9_4.1
nginx 2 1.20.1 16.el9_4.1
openssl-libs 1 3.0.7 28.el9_4
NEW

mkdir -p /etc/yum.repos.d
cat > /etc/yum.repos.d/almalinux-baseos.repo <<'REPO'
[baseos]
name=AlmaLinux 9 - BaseOS
baseurl=file:///srv/repo
enabled=1
gpgcheck=0
REPO
cat > /srv/repo/publish <<'PUBLISH'
#!/bin/sh
# publish [DAYS-CURL [DAYS-OPENSSL]]: offer all packages, with the advisory for curl issued 3 days ago and the one for
# openssl-libs 90 days ago unless said otherwise, and fetch the lists as dnf does. Besides: bash's is no security fix,
# nginx is not installed here, and the fix of sudo is.
set -eu
advisory() { # ID TYPE SEVERITY DAYS NAME EPOCH VERSION RELEASE
    issued=$(date -u -d "$4 days ago" '+%F %T')
    cat <<ADVISORY
<update from="packager@almalinux.org" status="final" type="$2" version="1">
  <id>$1</id><title>$1 $2 of $5</title><severity>$3</severity><release>AlmaLinux 9</release>
  <issued date="$issued"/><updated date="$issued"/>
  <references><reference href="https://errata.lab.test/$1" id="$1" title="$1" type="self"/></references>
  <description>An update of $5.</description>
  <pkglist><collection short="almalinux-9"><name>AlmaLinux 9</name>
    <package name="$5" version="$7" release="$8" epoch="$6" arch="noarch" src="$5-$7-$8.src.rpm">
      <filename>$5-$7-$8.noarch.rpm</filename>
    </package>
  </collection></pkglist>
</update>
ADVISORY
}
rm -rf /srv/repo/repodata /var/cache/dnf
createrepo_c --quiet /srv/repo
{
    echo '<?xml version="1.0" encoding="UTF-8"?><updates>'
    advisory ALSA-2026:1001 security Important "${1:-3}" curl 0 7.76.1 29.el9_4.1
    advisory ALSA-2026:1002 security Moderate "${2:-90}" openssl-libs 1 3.0.7 28.el9_4
    advisory ALBA-2026:1003 bugfix None 90 bash 0 5.1.8 10.el9
    advisory ALSA-2026:1004 security Critical 90 nginx 2 1.20.1 16.el9_4.1
    advisory ALSA-2024:1005 security Important 700 sudo 0 1.9.5p2 10.el9_3
    echo '</updates>'
} > /run/updateinfo.xml
modifyrepo_c --mdtype=updateinfo /run/updateinfo.xml /srv/repo/repodata > /dev/null
rm /run/updateinfo.xml
dnf -q makecache
PUBLISH
chmod 755 /srv/repo/publish

# Of dnf's plug-ins only the version lock: others work at every command.
for plugin in /usr/lib/python3/dist-packages/dnf-plugins/*.py; do
    case $plugin in */versionlock.py) ;; *) rm "$plugin" ;; esac
done

# --- no trace of Debian ---------------------------------------------------------------------------------------------
cat > /usr/lib/os-release <<'RELEASE'
NAME="AlmaLinux"
VERSION="9.6 (Sage Margay)"
ID="almalinux"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.6"
PLATFORM_ID="platform:el9"
PRETTY_NAME="AlmaLinux 9.6 (Sage Margay)"
CPE_NAME="cpe:/o:almalinux:almalinux:9::baseos"
SUPPORT_END=2032-06-01
RELEASE
echo 'AlmaLinux release 9.6 (Sage Margay)' > /etc/redhat-release
sed -i 's#/var/log/auth.log#/var/log/secure#; s#/var/log/syslog#/var/log/messages#' \
    /etc/rsyslog.conf /etc/logrotate.d/rsyslog
sed -i '1i dateext' /etc/logrotate.conf
printf '#!/bin/sh\nexec logrotate /etc/logrotate.conf\n' > /etc/cron.daily/logrotate
rm -f /usr/bin/apt /usr/bin/apt-* /usr/bin/dpkg /usr/bin/dpkg-* /usr/sbin/dpkg-* /usr/sbin/policy-rc.d \
    /etc/debian_version /etc/cron.daily/apt-compat /etc/cron.daily/dpkg /etc/logrotate.d/apt /etc/logrotate.d/dpkg
rm -rf /etc/apt /etc/dpkg /var/lib/apt /var/lib/dpkg /var/cache/apt /usr/lib/apt /usr/lib/dpkg /usr/share/dpkg \
    /usr/share/keyrings /var/log/apt /var/log/dnf* /var/cache/dnf
