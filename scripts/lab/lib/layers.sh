# shellcheck shell=bash
# What "build" makes, below $CACHE, each from the one before:
#   packages-KEY   a Debian with all packages                      (mmdebstrap)
#   config-KEY     our settings, as changed files over it          (image/setup)
#   disk-KEY       both as the read-only disk image of the guests  (mke2fs)
#   cloud-KEY      databases and Ceph of a new cloud, over config  (machines/bootstrap)
# KEY is a hash of what went in, so a layer is right or absent: a checkout has new
# modification times, and a build that was killed leaves only names ending in .part.

digest() { sha256sum | cut -c1-12; }
contents() { # PATH...: names, bytes, and whether it is a program
  (cd "$LAB" && find "$@" -type f \( -perm -100 -printf '%p x\n' -o -printf '%p\n' \) -exec sha256sum {} +) | LC_ALL=C sort
}
recipe() { declare -f "make_$1"; }

keys() {
  PACKAGES=packages-$( (echo "$SUITE"; package_list; recipe packages) | digest)
  CONFIG=config-$( (echo "$PACKAGES"; contents image/{setup,files}; recipe config) | digest)
  DISK=disk-$( (echo "$CONFIG"; recipe disk) | digest)
  AGENT=agent-$( (contents agent ../../go.mod; recipe agent_program) | digest)
  CLOUD=cloud-$( (echo "$CONFIG"; contents machines/{bootstrap,ctl}; recipe cloud) | digest)
}
package_list() { sed 's/#.*//' "$LAB/image/packages" | tr -s ' \n' '\n' | LC_ALL=C sort -u | sed '/^$/d'; }

build() {
  hold 9 build
  preflight
  keys
  sweep
  layer "$AGENT" make_agent_program
  layer "$PACKAGES" make_packages
  layer "$CONFIG" make_config
  layer "$DISK" make_disk
  layer "$CLOUD" make_cloud
  tidy
  exec 9>&-
}
# layer NAME MAKER: MAKER makes NAME.part, which gets its name when it is whole
# and on the disk.
layer() {
  [ -e "$CACHE/$1" ] && return
  say "making $1 …"
  timed "$1" "$2" "$CACHE/$1.part"
  sync -f "$CACHE/$1.part"
  mv "$CACHE/$1.part" "$CACHE/$1"
}

make_packages() {
  cell mmdebstrap --variant=apt --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include="$(package_list | paste -sd,)" --quiet --logfile="$CACHE/packages.log" \
    "$SUITE" "$1" ${FUXI_LAB_MIRROR:+"$FUXI_LAB_MIRROR"} >&2 || die "mmdebstrap failed; see $CACHE/packages.log"
}
make_config() {
  mkdir "$1" "$1".{work,root}.part
  # shellcheck disable=SC2016
  cell bash -euc '
    mount -t overlay lab -o "lowerdir=$1,upperdir=$2,workdir=$2.work.part" "$2.root.part"
    mkdir "$2.root.part/lab"
    mount --bind "$3" "$2.root.part/lab"
    chroot "$2.root.part" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin /lab/setup
  ' config "$CACHE/$PACKAGES" "$1" "$LAB/image" >&2
  rm -rf "$1".{work,root}.part
}
make_disk() {
  mkdir "$1.root.part"
  # shellcheck disable=SC2016
  cell bash -euc '
    mount -t overlay lab -o "lowerdir=$1" "$2.root.part"
    mke2fs -q -F -t ext4 -E root_owner=0:0 -d "$2.root.part" "$2" 16G >/dev/null
  ' disk "$CACHE/$CONFIG:$CACHE/$PACKAGES" "$1" >&2
  rmdir "$1.root.part"
}
make_cloud() { as_builder make_cloud_in "$1"; }
# as_builder CMD...: with a lab of its own, whose only machine is a controller.
as_builder() {
  local ns=$NS-build
  # One that was killed may have used another name.
  [ ! -s "$CACHE/building/net" ] || ns=$(cat "$CACHE/building/net")
  RUN=$CACHE/building NS=$ns "$@"
}
# sweep: removes what a killed build left. The caller holds the lock of builds.
sweep() {
  [ ! -e "$CACHE/building" ] || as_builder down_all
  rm -rf "$CACHE"/*.part
}
make_cloud_in() {
  mkdir -p "$RUN"
  net_up
  scripts_up
  jail ctl "$CACHE/$CONFIG:$CACHE/$PACKAGES" /lab/ctl bootstrap
  while alive ctl >/dev/null; do sleep 0.3; done
  cp "$RUN/ctl.log" "$CACHE/cloud.log"
  grep -q '^bootstrapped$' "$CACHE/cloud.log" || die "making the cloud failed: $CACHE/cloud.log, $RUN/ctl/changes/var/log"
  mv "$RUN/ctl/changes" "$1"
  down_all
}
make_agent_program() { (cd "$LAB" && CGO_ENABLED=0 go build -trimpath -o "$1" ./agent) 8>&- 9>&-; }

# tidy removes layers that neither this checkout nor a lab that is up needs.
tidy() {
  local l
  for l in "$CACHE"/{packages,config,disk,cloud,agent}-*; do
    l=${l##*/}
    [[ " $PACKAGES $CONFIG $DISK $CLOUD $AGENT " == *" $l "* ]] && continue
    grep -qsF "$l" "$CACHE"/run-*/layers && continue
    rm -rf "${CACHE:?}/$l"
  done
}

preflight() {
  "$LAB/../setup" lab
  case $(stat -f -c %T "$CACHE") in
    overlayfs | tmpfs | nfs) die "$CACHE is on $(stat -f -c %T "$CACHE"): set FUXI_LAB_DIR to a directory of ext4, xfs or btrfs with 12 GB to spare" ;;
  esac
  [ -c /dev/net/tun ] || modprobe tun 2>/dev/null || die "there is no /dev/net/tun: load the kernel module tun, or pass the device into this container"
}
