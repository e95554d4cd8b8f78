# shellcheck shell=sh disable=SC2154
# The good state most personas start from: a host, installed two years ago, on which each promise is kept; what is
# Debian's, systemd's or rpm's own of it is in the other prepared-*.sh. Runs once per lab session and image.
# Variables from outside: NOW TODAY KEY_* HASH_* GECOS LOG_TEXT.

# --- helpers, also for the personas -------------------------------------------------------------------------------
cat > /usr/local/sbin/lab-person <<'END'
#!/bin/sh
# lab-person LOGIN UID GECOS HASH DAYS: an account whose password was changed DAYS days ago, to be changed every 90.
set -eu
useradd --uid "$2" --user-group --create-home --shell /bin/bash --comment "$3" --password "$4" "$1"
chage -d $(($(date +%s) / 86400 - $5)) -m 0 -M 90 -W 7 "$1"
END
cat > /usr/local/sbin/lab-key <<'END'
#!/bin/sh
# lab-key LOGIN < public key: let it log in.
set -eu
home=$(getent passwd "$1" | cut -d: -f6)
install -d -m 700 -o "$1" -g "$1" "$home/.ssh"
cat >> "$home/.ssh/authorized_keys"
chown "$1:$1" "$home/.ssh/authorized_keys"
chmod 600 "$home/.ssh/authorized_keys"
END
cat > /usr/local/sbin/lab-auth-log <<'END'
#!/bin/sh
# lab-auth-log DAYS EVERY [TEXT]: auth.log and its rotated files, from DAYS days ago until a minute ago, rotated each
# EVERY days. On an rpm host it is called secure, and rotated files are named by their date (dateext). STAMP is the time stamp's strftime format; the default is rsyslog's traditional one, without a year.
set -eu
cd /var/log
log=auth.log
if [ -d /etc/yum.repos.d ]; then log=secure; fi
perl -MPOSIX=strftime -e '
    my ($days, $every, $text, $log) = @ARGV;
    my $now = time;
    my $files = int(($days + $every - 1) / $every);
    for my $n (0 .. $files - 1) {
        my $end = $now - 60 - $n * $every * 86400;
        my $start = $now - ($n + 1) * $every * 86400;
        $start = $now - $days * 86400 if $start < $now - $days * 86400;
        my $suffix = $log eq "secure" ? strftime("-%Y%m%d", gmtime $end) : ".$n";
        my $name = $log . ($n ? $suffix : "");
        open my $out, ">", $name or die;
        for (my $t = $start; $t < $end; $t += 43200) {
            my $stamp = strftime($ENV{STAMP} // "%b %e %H:%M:%S", gmtime $t);
            print $out "$stamp lab sshd[812]: Accepted publickey for suzuki from 10.77.0.9 port 50000 ssh2: $text\n";
            print $out "$stamp lab CRON[813]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)\n";
        }
        close $out;
        utime $end, $end, $name;
    }
' "$1" "$2" "${3:-ED25519}" "$log"
find . -maxdepth 1 \( -name 'auth.log.*' ! -name auth.log.1 -o -name 'secure-*' \) -exec gzip -n {} +
chown root:adm "$log"*
chmod 640 "$log"*
END
chmod 755 /usr/local/sbin/lab-*

# --- age: the host was installed two years ago ----------------------------------------------------------------------
head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' > /etc/machine-id
touch -d "@$((NOW - 730 * 86400))" /etc/machine-id /etc/hostname

# --- accounts ---------------------------------------------------------------------------------------------------------
sed -i -E 's/^(PASS_MAX_DAYS[[:space:]]+).*/\190/' /etc/login.defs
lab-person sato 12001 "$GECOS-sato,Room 1,555-0101" "$HASH_sato" 70
usermod -e "$(date -u -d "@$((NOW - 60 * 86400))" +%F)" sato # closed on the leaving day, every way in
lab-person suzuki 12002 "$GECOS-suzuki,Room 2,555-0102" "$HASH_suzuki" 20
echo "$KEY_suzuki" | lab-key suzuki

# --- access logs: 420 days, kept for 60 weeks -------------------------------------------------------------------------
if command -v rsyslogd > /dev/null; then
    lab-auth-log 420 7 "ED25519 $LOG_TEXT"
    sed -i 's/rotate 4/rotate 60/' /etc/logrotate.d/rsyslog
    if [ -d /etc/yum.repos.d ]; then messages=messages; else messages=syslog; fi
    install -m 640 -o root -g adm /dev/null "/var/log/$messages"
fi
sed -i 's/rotate 1/rotate 15/' /etc/logrotate.d/wtmp /etc/logrotate.d/btmp
{
    echo 'logrotate state -- version 2'
    for log in syslog auth.log messages secure wtmp btmp; do echo "\"/var/log/$log\" $(date -u -d "@$NOW" +%Y-%-m-%-d-3:0:0)"; done
} > /var/lib/logrotate/status
# One log-in a month at a terminal; struct utmp of 64-bit Linux, 384 bytes (utmp(5)). Debian 13 has no utmpdump.
perl -e '
    for (my $day = 420; $day >= 0; $day -= 30) {
        my $t = $ARGV[0] - $day * 86400;
        print pack "s x2 l a32 a4 a32 a256 s s l l l a16 x20",
            7, 900, "pts/0", "ts/0", "suzuki", "10.77.0.9", 0, 0, 0, $t, 0, "\x0a\x4d\x00\x09";
        print pack "s x2 l a32 a4 a32 a256 s s l l l a16 x20",
            8, 900, "pts/0", "", "", "", 0, 0, 0, $t + 3600, 0, "" if $day;
    }
' "$NOW" > /var/log/wtmp
: > /var/log/btmp
chown root:utmp /var/log/wtmp /var/log/btmp
chmod 664 /var/log/wtmp
chmod 660 /var/log/btmp
