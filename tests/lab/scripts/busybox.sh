# shellcheck shell=sh
# An Alpine-like host of nothing but busybox and dropbear; run by busybox in a root of unpacked packages.
if [ -e /etc/passwd ]; then
    echo "busybox.sh writes /etc anew: it runs in a fresh root without accounts and nowhere else" >&2
    exit 1
fi
/bin/busybox mkdir -p /sbin /usr/bin /usr/sbin
/bin/busybox --install -s
mkdir -p /etc/apk /etc/dropbear /lib/apk/db /var/log /var/run /var/spool/cron/crontabs /home /root /srv /mnt \
    /proc /sys /dev /run /tmp /usr/local/sbin
cat > /etc/passwd <<'PASSWD'
root:x:0:0:root:/root:/bin/ash
daemon:x:2:2:daemon:/sbin:/sbin/nologin
nobody:x:65534:65534:nobody:/:/sbin/nologin
tenken:x:11000:11000:audit login:/home/tenken:/bin/ash
PASSWD
cat > /etc/group <<'GROUP'
root:x:0:root
daemon:x:2:
tty:x:5:
adm:x:4:
utmp:x:406:
nobody:x:65534:
tenken:x:11000:
GROUP
cat > /etc/shadow <<'SHADOW'
root:*::0:::::
daemon:!::0:::::
nobody:!::0:::::
tenken:*:19000:0:99999:7:::
SHADOW
chmod 640 /etc/shadow
mkdir /home/tenken
chown tenken:tenken /home/tenken
printf '/bin/sh\n/bin/ash\n' > /etc/shells
cat > /etc/os-release <<'RELEASE'
NAME="Alpine Linux"
ID=alpine
VERSION_ID=3.22.1
PRETTY_NAME="Alpine Linux v3.22"
RELEASE
echo 3.22.1 > /etc/alpine-release
echo 'https://apk.lab.test/alpine/v3.22/main' > /etc/apk/repositories
printf 'alpine-baselayout\nbusybox\ndropbear\n' > /etc/apk/world
{
    while read -r name version; do
        printf 'P:%s\nV:%s\nA:x86_64\nS:1000\nI:4000\nT:%s\nU:https://alpinelinux.org/\nL:MIT\no:%s\nt:1750000000\n\n' \
            "$name" "$version" "$name of the lab" "$name"
    done
} > /lib/apk/db/installed <<'PACKAGES'
alpine-baselayout 3.7.0-r0
alpine-release 3.22.1-r0
busybox 1.37.0-r18
dropbear 2025.88-r0
musl 1.2.5-r10
PACKAGES
rm -rf /var/lib/dpkg /etc/dpkg /usr/share/doc /usr/share/man
