# shellcheck shell=sh
# What system this is, and since when it exists.
sec_platform() {
  tk_file /etc/os-release 8192
  tk_part read kernel
  uname -srvm
  tk_file /proc/version 1024
  tk_part read birth
  # The oldest of these is as old as the installation: none is touched by daily work.
  set --
  for tk_f in /etc/machine-id /var/log/installer /etc/hostname /lost+found /etc/ssh/ssh_host_ed25519_key.pub \
    /etc/ssh/ssh_host_rsa_key.pub /var/lib/dpkg/info/base-files.list /var/lib/dpkg/info/base-passwd.list; do
    if [ -e "$tk_f" ]; then set -- "$@" "$tk_f"; fi
  done
  [ $# = 0 ] || stat -c '%Y %n' "$@"
  # Systems that are replaced as a whole, and applications that bring their own libraries and updates along.
  tk_part read image
  if [ -e /run/ostree-booted ]; then echo ostree; fi
  tk_part read bundles
  for tk_f in /var/lib/snapd/snaps /var/lib/flatpak/app; do
    if [ -d "$tk_f" ] && [ ! -r "$tk_f" ]; then printf '%s/?\n' "$tk_f"; fi
  done
  for tk_f in /var/lib/snapd/snaps/*.snap /var/lib/flatpak/app/*; do
    if [ -e "$tk_f" ]; then printf '%s\n' "$tk_f"; fi
  done
  tk_part read uptime
  cat /proc/uptime
  return 0
}
