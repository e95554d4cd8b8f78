# shellcheck shell=sh disable=SC2154
# On top of prepared.sh for Debian: what its installer and its archive leave.

# --- age: the host was installed two years ago ----------------------------------------------------------------------
mkdir -p /var/log/installer
echo 'Debian installer' > /var/log/installer/syslog
touch -d "@$((NOW - 730 * 86400))" /var/lib/dpkg/info/*.list /var/log/installer/syslog /var/log/installer

# --- patches: a fresh security pocket with nothing to install -------------------------------------------------------
/srv/archive/publish quiet
