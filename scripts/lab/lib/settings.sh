# shellcheck shell=bash
# Settings, words to the user, and what the other pieces share.
# shellcheck disable=SC2034

# Under sudo the cache is still the user's, whatever sudo makes of HOME.
home=$HOME
[ -z "${SUDO_USER-}" ] || home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
CACHE=${FUXI_LAB_DIR:-${XDG_CACHE_HOME:-$home/.cache}/fuxi-lab}
NS=${FUXI_LAB_NETNS:-fuxi-lab}
NODES=${FUXI_LAB_NODES:-2}
NODE_MEM=${FUXI_LAB_NODE_MEM:-1536M}
STORAGE_MEM=${FUXI_LAB_STORAGE_MEM:-2560M}
SUITE=trixie
RUN=$CACHE/run-$NS
# Networks 10.77.0.0/24 (a: cloud and first storage path), 10.77.1.0/24 (b: second
# storage path), 10.77.2.0/24 (m: the lab's own commands, never cut).
LINKS=(a b m)

say() { printf 'lab: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# timed WHAT CMD...: says how long it took.
timed() {
  local what=$1 from=${EPOCHREALTIME/[.,]/} t
  shift
  "$@"
  t=$(((${EPOCHREALTIME/[.,]/} - from) / 100000))
  say "$what: $((t / 10)).$((t % 10)) s"
}

check_settings() {
  [[ $NODES =~ ^[1-6]$ ]] || die "FUXI_LAB_NODES is '$NODES': 1 to 6 Docker hosts"
  [[ $NS =~ ^[A-Za-z0-9_.-]+$ ]] || die "FUXI_LAB_NETNS is '$NS': letters, digits and _.- only"
  [[ $CACHE = /* && $CACHE != *[:,\ ]* ]] || die "FUXI_LAB_DIR is '$CACHE': an absolute path without spaces, colons and commas"
  [ "$(id -u)" = 0 ] || die "needs root, for network namespaces and mounts: sudo -E $0"
}

# octet GUEST: the last part of its addresses.
octet() {
  case $1 in
    storage) echo 11 ;;
    node[1-6]) echo $((11 + ${1#node})) ;;
  esac
}
# a_machine NAME, a_guest NAME: or an end with a message, before anything is done.
a_machine() { [ "$1" = ctl ] || a_guest "$1"; }
a_guest() { [[ $1 =~ ^(storage|node[1-6])$ ]] || die "no such machine: $1 (storage, node1 … node6; where it fits also ctl)"; }
guests() { echo storage; seq -f 'node%g' "$NODES"; }

# hold FD NAME: one lab command at a time, until this process ends or closes FD,
# 8 or 9. What outlives the command must not inherit these.
hold() {
  mkdir -p "$CACHE/locks"
  eval "exec $1>\"\$CACHE/locks/$2\""
  flock -n "$1" && return
  say "another lab command is at work on $2; waiting for it"
  flock "$1"
}
