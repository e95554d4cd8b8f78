# shellcheck shell=sh disable=SC1091
# systemd as PID 1 over a base image. What cannot work in a namespace is masked, so that "running" means running.
. /etc/os-release
case $VERSION_ID in
    12) masked=auditd.service ;; # the kernel's audit is for the first pid namespace only
    *)
        masked='audit-rules.service systemd-modules-load.service'
        dpkg --purge rsyslog > /dev/null # Debian installs none since 12: here the journal is the only log
        ;;
esac
# An output that is no terminal, a clock and modules that are the machine's, and a receiver of foreign journals.
for unit in $masked console-getty.service getty.target systemd-timesyncd.service systemd-journal-remote.socket; do
    ln -sf /dev/null "/etc/systemd/system/$unit"
done
install -d -g systemd-journal -m 2755 /var/log/journal
install -d /etc/systemd/journald.conf.d
printf '[Journal]\nStorage=persistent\nMaxRetentionSec=450day\n' > /etc/systemd/journald.conf.d/keep.conf
: > /etc/machine-id
rm -f /usr/sbin/policy-rc.d /var/log/dpkg.log
