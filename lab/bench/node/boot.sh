# Started as: unshare --mount sh boot.sh GROUP DIR ROOT NETNS MACHINE IMAGE CGROUP-DIR...
# Becomes the node's container. First into the groups: from then on `down`
# finds this process, whoever dies.
set -eu
group=$1 dir=$2 lower=$3 netns=$4 machine=$5 image=$6
shift 6
for c in "$@"; do
	echo $$ >"$c/cgroup.procs"
done
# Whatever is mounted from here on is seen by this node only and goes with it.
mount -t overlay "$group" -o "lowerdir=$lower,upperdir=$dir/disk/upper,workdir=$dir/work" "$dir/root"
if [ -n "$image" ]; then
	mount -o loop "$image" "$dir/disk/data"
fi
kmsg=
[ -c /dev/kmsg ] && kmsg=--bind=/dev/kmsg
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=1
# shellcheck disable=SC2086 # kmsg is empty or one word
exec systemd-nspawn --quiet --directory="$dir/root" --machine="$group" --hostname="$machine" \
	--network-namespace-path="/run/netns/$netns" --register=no --keep-unit --boot \
	--capability=all --system-call-filter=@known --link-journal=no --resolv-conf=off \
	--timezone=off --console=pipe $kmsg \
	--bind="$dir/disk/data/lib:/var/lib" --bind="$dir/disk/data/local:/usr/local"
