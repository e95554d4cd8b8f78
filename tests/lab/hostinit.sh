#!/bin/sh
# PID 1 of a lab host, in fresh namespaces: build the root from LAB_LOWER, pivot into it, set it up, become LAB_INIT.
# Reads one line from stdin once the supervisor has moved eth0 in.
set -eu

exec 9< "$LAB_DIR/setup.sh"
root=$LAB_DIR/root
mkdir -p "$LAB_DIR/upper" "$LAB_DIR/work" "$root"
mount -t overlay lab -o "lowerdir=$LAB_LOWER,upperdir=$LAB_DIR/upper,workdir=$LAB_DIR/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sys "$root/sys"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount -t tmpfs -o mode=755 dev "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm" "$root/run/sshd" "$root/run/lock"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 pts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
if [ -n "$LAB_SYSTEMD" ]; then
    mount -t cgroup2 lab "$root/sys/fs/cgroup"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys" # systemd-sysctl would set the machine's kernel
fi
umask 0
while read -r name minor; do mknod -m 666 "$root/dev/$name" c 1 "$minor"; done <<END
null 3
zero 5
full 7
random 8
urandom 9
END
mknod -m 666 "$root/dev/tty" c 5 0
umask 022

hostname "$LAB_NAME"
echo "$LAB_NAME" > "$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$LAB_NAME" > "$root/etc/hosts"
: > "$root/etc/resolv.conf" # no name server on purpose: an accidental look-up shows

read -r _
ip link set lo up
if [ -n "$LAB_ADDRESS" ]; then
    ip address add "$LAB_ADDRESS/16" dev eth0
    ip link set eth0 up
fi

cd "$root"
pivot_root . mnt
cd /
umount -l /mnt
# shellcheck disable=SC2016
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root container=lab \
    LAB_INIT="$LAB_INIT" LAB_DAEMONS="$LAB_DAEMONS" sh -eu -c '
    sh -eu /proc/self/fd/9 < /dev/null
    exec 9<&-
    for daemon in $LAB_DAEMONS; do "$daemon" < /dev/null; done
    init=$LAB_INIT
    unset LAB_INIT LAB_DAEMONS
    exec sh -c "exec $init" < /dev/null
'
