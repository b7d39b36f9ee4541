#!/bin/sh
# Runs in the node early at every boot, before any service: what a machine's
# kernel and systemd do by themselves, but a container's do not.
set -u
# A kubelet needs mounts that propagate; systemd leaves this alone in containers.
mount --make-rshared /
# nspawn mounts the v1 controllers read-only; a kubelet makes groups in them.
for c in /sys/fs/cgroup/*/; do
	mountpoint -q "$c" && mount -o remount,bind,rw "$c"
done
exit 0
