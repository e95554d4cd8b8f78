# shellcheck shell=sh disable=SC2154
# The good state of the busybox host, made with busybox alone: the people of prepared.sh and a log of 420 days.
# Debian's busybox has no adduser and no chage: accounts are written by hand, as passwd(5) and shadow(5) say.
cat > /usr/local/sbin/lab-person <<'SCRIPT'
#!/bin/sh
# lab-person LOGIN UID GECOS HASH DAYS: an account whose password was changed DAYS days ago, to be changed every 90.
set -eu
echo "$1:x:$2:$2:$3:/home/$1:/bin/ash" >> /etc/passwd
echo "$1:x:$2:" >> /etc/group
echo "$1:$4:$(($(date +%s) / 86400 - $5)):0:90:7:::" >> /etc/shadow
mkdir "/home/$1"
chown "$1:$1" "/home/$1"
chmod 700 "/home/$1"
SCRIPT
cat > /usr/local/sbin/lab-key <<'SCRIPT'
#!/bin/sh
# lab-key LOGIN < public key: let it log in.
set -eu
mkdir -p "/home/$1/.ssh"
chmod 700 "/home/$1/.ssh"
cat >> "/home/$1/.ssh/authorized_keys"
chown -R "$1:$1" "/home/$1/.ssh"
chmod 600 "/home/$1/.ssh/authorized_keys"
SCRIPT
chmod 755 /usr/local/sbin/lab-*

lab-person sato 12001 "$GECOS-sato,Room 1,555-0101" "$HASH_sato" 70
left=$((TODAY - 60))
sed -i "s/^\(sato:.*\)::\$/\1:$left:/" /etc/shadow
lab-person suzuki 12002 "$GECOS-suzuki,Room 2,555-0102" "$HASH_suzuki" 20
echo "$KEY_suzuki" | lab-key suzuki

# syslogd's own names: messages, messages.0 and so on; six files of ten weeks each.
cd /var/log
for n in 0 1 2 3 4 5; do
    end=$((NOW - 60 - n * 70 * 86400))
    if [ $n -gt 0 ]; then name=messages.$((n - 1)); else name=messages; fi
    awk -v start=$((NOW - (n + 1) * 70 * 86400)) -v end=$end -v text="$LOG_TEXT" 'BEGIN {
        for (t = start; t < end; t += 43200) {
            stamp = strftime("%b %e %H:%M:%S", t) " lab"
            print stamp " authpriv.notice dropbear[812]: Pubkey auth succeeded for '\''suzuki'\'' with key " text
            print stamp " cron.info crond[813]: USER root pid 814 cmd run-parts /etc/periodic/daily"
        }
    }' > $name
    touch -d "@$end" $name
    chmod 640 $name
done
touch -d "@$((NOW - 730 * 86400))" /etc/alpine-release /lib/apk/db/installed /etc/hostname
