package dockerd

// holder is the shell script that makes a private mount namespace for dockerd
// and keeps it until its standard input ends: with Close, or with the test
// process, even if that is killed. Then it removes every trace. Its arguments
// are a directory and the name of a control group; what it says after "ready"
// is what it could not remove.
const holder = `set -eu
DIR=$1 CG=$2
cd /
trap '' INT TERM HUP PIPE

# A new namespace has a copy of every mount, those of tests that run at the
# same time too, whose volumes would be busy for as long as it lives.
while read -r dev point rest; do
	case $point in */fuxi-host-*/state/* | */fuxi-test-*/*) umount "$point" || true ;; esac
done </proc/self/mounts

# /run without Docker's part of it: dockerd looks for plugins in the fixed path
# /run/docker/plugins. No directory is made in the host's /run for that, since
# removing it again would take away the mount of another namespace.
mkdir "$DIR/docker" "$DIR/run"
mount --rbind /run "$DIR/run"
mount -t tmpfs -o mode=0755 fuxi-e2e /run
for old in "$DIR"/run/*; do
	name=${old##*/}
	case $name in docker* | containerd* | fuxi*) continue ;; esac
	if [ -L "$old" ]; then
		cp -P "$old" "/run/$name"
	elif [ -d "$old" ]; then
		mkdir "/run/$name" && mount --rbind "$old" "/run/$name"
	elif [ -e "$old" ]; then
		: >"/run/$name" && mount --bind "$old" "/run/$name"
	fi
done
umount -l "$DIR/run"
rmdir "$DIR/run"
mkdir -m 0700 -p /run/docker/plugins
mount -t tmpfs -o mode=0711 fuxi-e2e "$DIR/docker"

echo ready
cat >/dev/null
set +e

# Kills all of this namespace, and of the containers, which have their own.
sweep() {
	left=
	for p in /proc/[0-9]*; do
		pid=${p#/proc/}
		[ "$pid" = $$ ] && continue
		[ "$p/ns/mnt" -ef /proc/$$/ns/mnt ] && kill -9 "$pid" && left="$left $pid"
	done
	for f in /sys/fs/cgroup/*/"$CG"/*/cgroup.procs /sys/fs/cgroup/"$CG"/*/cgroup.procs; do
		[ -e "$f" ] || continue
		while read -r pid; do
			kill -9 "$pid" && left="$left $pid"
		done <"$f"
	done
	[ -z "$left" ]
}
tries=0
until sweep 2>/dev/null; do
	tries=$((tries + 1))
	if [ $tries -gt 200 ]; then
		echo "processes do not die:$left"
		break
	fi
	sleep 0.05
done

# Newest mounts first. What is mounted elsewhere goes with the namespace.
mounts=
while read -r _ _ _ _ at _; do
	case $at in "$DIR"/*) mounts="$at $mounts" ;; esac
done </proc/self/mountinfo
for at in $mounts; do umount "$at" 2>/dev/null || umount -l "$at"; done

for f in /sys/block/loop*/loop/backing_file; do
	[ -e "$f" ] || continue
	read -r backing <"$f"
	loop=${f#/sys/block/}
	case $backing in "$DIR"/*) losetup -d "/dev/${loop%%/*}" ;; esac
done

for g in /sys/fs/cgroup/*/"$CG" /sys/fs/cgroup/"$CG"; do
	[ -d "$g" ] || continue
	tries=0
	until find "$g" -depth -type d -exec rmdir {} + 2>/dev/null; do
		tries=$((tries + 1))
		if [ $tries -gt 40 ]; then
			echo "control group stays: $g"
			break
		fi
		sleep 0.05
	done
done
rm -rf --one-file-system "$DIR"
`
