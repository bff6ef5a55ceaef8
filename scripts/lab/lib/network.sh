# shellcheck shell=bash
# One network namespace holds it all; addresses are the same in every lab.

# net_up: makes the namespace, or clears what a killed lab left of it.
net_up() {
  local n=0 l owner=''
  if [ -e "/run/netns/$NS" ]; then
    net_ours || die "the network namespace $NS is in use by ${owner:-something else}: choose another with FUXI_LAB_NETNS"
    [ "$owner" != "$RUN" ] || [ ! -e "$RUN/net" ] || return 0
    n=$(ip netns pids "$NS" | paste -sd' ')
    [ -z "$n" ] || die "$RUN was removed while its lab was up; its processes must be ended first: kill -9 $n"
    net_down
  fi
  n=0
  ip netns add "$NS"
  ip netns exec "$NS" sysctl -qw net.ipv4.ip_forward=0
  ip -n "$NS" link set lo up
  ip -n "$NS" link add br-a type bridge
  # First of all the mark: what is not marked, and not empty, is not ours.
  ip -n "$NS" link set br-a alias "fuxi-lab $RUN"
  for l in "${LINKS[@]}"; do
    [ "$l" = a ] || ip -n "$NS" link add "br-$l" type bridge
    ip -n "$NS" addr add "10.77.$n.1/24" dev "br-$l"
    ip -n "$NS" link set "br-$l" up
    n=$((n + 1))
  done
  echo "$NS" >"$RUN/net"
}
marked() { ip -n "$NS" link show br-a 2>/dev/null | sed -n 's/^ *alias fuxi-lab //p'; }

# net_ours: made by this lab, or by one of which no process is left. Sets owner.
net_ours() {
  owner=$(marked)
  [ "$owner" != "$RUN" ] || return 0
  [ -z "$(ip netns pids "$NS" 2>/dev/null)" ] || return 1
  [ -n "$owner" ] || [ "$(ip -n "$NS" -o link 2>/dev/null | grep -vc ' \(lo\|br-a\|.*@NONE\):')" = 0 ]
}
net_down() {
  local owner=''
  [ -e "/run/netns/$NS" ] || return 0
  net_ours || { say "the network namespace $NS is in use by ${owner:-something else}; left alone"; return 0; }
  ip netns del "$NS"
}

# taps GUEST: its network cards, plugged into the bridges.
taps() {
  local l
  for l in "${LINKS[@]}"; do
    [ -e "$RUN/$1.$l" ] && continue
    ip netns exec "$NS" ip link show "$1-$l" >/dev/null 2>&1 || ip netns exec "$NS" ip tuntap add "$1-$l" mode tap
    ip -n "$NS" link set "$1-$l" master "br-$l" up
    touch "$RUN/$1.$l"
  done
}

# A path is cut by unplugging it from its bridge: a user-mode network card never
# recovers from a link that went down, and a blocked port is opened by the next
# restart of the guest.
cut_path() { for_paths "$@" nomaster; }
mend_path() { for_paths "$@" master; }
for_paths() { # GUEST [a|b] HOW
  local guest=$1 how=${*: -1} paths=(a b) l
  [ $# -lt 3 ] || paths=("$2")
  alive "$guest" >/dev/null || die "$guest is not up"
  for l in "${paths[@]}"; do
    [[ $l = [ab] ]] || die "no such path: $l (a: cloud and storage, b: second storage path)"
    if [ "$how" = master ]; then ip -n "$NS" link set "$guest-$l" master "br-$l"; else ip -n "$NS" link set "$guest-$l" nomaster; fi
  done
}
path() { # GUEST LINK
  ip -n "$NS" link show "$1-$2" 2>/dev/null | grep -q 'master br-' && echo "path $2" || echo "path $2 CUT"
}
