# shellcheck shell=sh disable=SC1091,SC2016
# What every lab image is after its bootstrap: no trace of the mirror, no host key, no build date in the logs.
rm -f /etc/ssh/ssh_host_* /etc/apt/sources.list /etc/apt/apt.conf.d/99mmdebstrap
rm -f /etc/apt/sources.list.d/*
rm -rf /var/log/apt /var/log/dpkg.log /var/log/bootstrap.log /var/log/alternatives.log
install -d /run/sshd /var/log/apt
# Nothing starts by itself: there is no init, and a layer's apt-get must not start daemons of the build machine.
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
# /proc/kmsg is the machine's own kernel log: a lab host must not drain it.
sed -i '/imklog/d' /etc/rsyslog.conf
# Time stamps without a year, as on every host that was once upgraded from Debian 11; see the persona iso-logs.
echo '$ActionFileDefaultTemplate RSYSLOG_TraditionalFileFormat' > /etc/rsyslog.d/00-traditional.conf
: > /etc/machine-id
useradd --uid 11000 --user-group --create-home --shell /bin/bash --comment 'audit login' tenken
