# shellcheck shell=sh
# The kernel that runs against those that are installed, and whether the system asks for a restart.
pre_kernel() { tk_ask_dpkg; }

sec_kernel() {
  tk_part read running
  uname -r || return 1
  tk_file /proc/version 1024
  # Signs that the kernel belongs to another system.
  tk_part read guest
  for tk_f in /run/systemd/container /run/.containerenv /.dockerenv /run/host/container-manager; do
    [ -e "$tk_f" ] && printf '%s\n' "$tk_f"
  done
  if [ -d /proc/vz ] && [ ! -d /proc/bc ]; then echo /proc/vz; fi
  tk_look /boot
  tk_part "$tk_is" boot
  for tk_f in /boot/vmlinu[xz]-* /boot/kernel*.img /boot/Image-*; do
    [ -f "$tk_f" ] && stat -c '%Y %n' "$tk_f"
  done
  tk_look /lib/modules
  tk_part "$tk_is" modules
  for tk_f in /lib/modules/*/; do
    [ -d "$tk_f" ] && printf '%s\n' "$tk_f"
  done
  if tk_have dpkg-query; then
    [ "$tk_dpkg_ended" = 0 ] || return "$tk_dpkg_ended"
    tk_part read packages
    printf '%s\n' "$tk_dpkg" | awk -F '\t' '$1 ~ /^linux-image/ { print $4 "\t" $1 "\t" $3 }'
    # dpkg writes the file list anew at each installation, also of a newer build under the same name.
    tk_look /var/lib/dpkg/info
    tk_part "$tk_is" installed
    for tk_f in /var/lib/dpkg/info/linux-image*.list; do
      [ -f "$tk_f" ] && stat -c '%Y %n' "$tk_f"
    done
  else
    tk_part absent packages
    tk_part absent installed
  fi
  # The last one is SUSE's.
  for tk_f in /run/reboot-required /var/run/reboot-required /run/reboot-needed; do
    tk_look "$tk_f"
    [ "$tk_is" = absent ] || break
  done
  tk_part "$tk_is" restart
  if [ "$tk_is" = read ]; then stat -c '%Y' "$tk_f"; fi
  tk_file /run/reboot-required.pkgs 8192
  tk_part read livepatch
  for tk_f in /sys/kernel/livepatch/*/enabled; do
    if [ -r "$tk_f" ] && read -r tk_on <"$tk_f" && [ "$tk_on" = 1 ]; then tk_f=${tk_f%/*}; printf '%s\n' "${tk_f##*/}"; fi
  done
  return 0
}
