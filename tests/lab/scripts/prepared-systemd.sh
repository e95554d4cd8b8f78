# shellcheck shell=sh disable=SC2154
# On top of prepared.sh for hosts with systemd: a persistent journal with 420 days of log-ins.
# Its entries are made by systemd's own writer from the export format (systemd.io/JOURNAL_EXPORT_FORMATS), which is
# the only way to entries that are older than their file.
cat > /usr/local/sbin/lab-journal <<'END_OF_SCRIPT'
#!/bin/sh
# lab-journal DAYS: a journal file with an sshd and a cron entry every twelve hours, from DAYS days ago until yesterday.
set -eu
. /etc/os-release
case $VERSION_ID in 11 | 12) sshd=sshd ;; *) sshd=sshd-session ;; esac
machine=$(cat /etc/machine-id)
folder=/var/log/journal/$machine
install -d -g systemd-journal -m 2755 "$folder"
rm -f "$folder"/system@*.journal
perl -e '
    my ($days, $machine, $sshd, $text) = @ARGV;
    my $boot = substr "b" x 32, 0, 32;
    my $now = time;
    my $start = $now - $days * 86400;
    for (my $t = $start; $t < $now - 86400; $t += 43200) {
        my $n = 0;
        for (["ssh.service", $sshd, 4, "Accepted publickey for suzuki from 10.77.0.9 port 50000 ssh2: $text"],
             ["cron.service", "CRON", 10,
              "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)"]) {
            my ($unit, $name, $facility, $message) = @$_;
            printf "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n_MACHINE_ID=%s\n",
                $t * 1000000 + $n, ($t - $start + 60) * 1000000 + $n, $boot, $machine;
            print "_HOSTNAME=lab\n_TRANSPORT=syslog\n_UID=0\n_GID=0\n_PID=812\nPRIORITY=6\n",
                "SYSLOG_FACILITY=$facility\nSYSLOG_IDENTIFIER=$name\nSYSLOG_PID=812\n_COMM=$name\n",
                "_SYSTEMD_UNIT=$unit\nMESSAGE=$message\n\n";
            $n++;
        }
    }
' "$1" "$machine" "$sshd" "${2:-ED25519}" > /run/lab-journal.export
# The name says that it is rotated: system@SEQNUM_ID-SEQNUM-FIRST.journal, so vacuuming knows its age.
first=$(printf %016x $((($(date +%s) - $1 * 86400) * 1000000)))
file=$folder/system@$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')-0000000000000001-$first.journal
/lib/systemd/systemd-journal-remote -o "$file" /run/lab-journal.export 2> /run/lab-journal.said ||
    { cat /run/lab-journal.said >&2; exit 1; }
rm -f /run/lab-journal.*
chown root:systemd-journal "$file"
chmod 640 "$file"
END_OF_SCRIPT
chmod 755 /usr/local/sbin/lab-journal
lab-journal 420 "ED25519 $LOG_TEXT"
if ! command -v rsyslogd > /dev/null; then rm -f /var/log/auth.log* /var/log/syslog; fi
