# shellcheck shell=bash
# The controller, the storage machine and the Docker hosts: starting, ending,
# and running commands in them.

# scripts_up: what machines see at /lab, a copy, so that an edit does not reach
# into a running lab.
scripts_up() {
  mkdir -p "$RUN/machines.new"
  cp "$LAB"/machines/* "$CACHE/${AGENT:?}" "$RUN/machines.new/"
  mv "$RUN/machines.new/$AGENT" "$RUN/machines.new/agent"
  mv -T "$RUN/machines.new" "$RUN/machines"
}

start_machine() { # ctl|storage|nodeN
  alive "$1" >/dev/null && return
  if [ "$1" = ctl ]; then
    jail ctl "$CACHE/$CLOUD:$CACHE/$CONFIG:$CACHE/$PACKAGES" /lab/ctl run
  else
    start_guest "$1"
  fi
}
start_guest() {
  local name=$1 o l i=0 mem=$NODE_MEM disks=() nics=()
  o=$(octet "$name")
  taps "$name"
  for l in "${LINKS[@]}"; do
    nics+=("vec$i:transport=tap,ifname=$name-$l,mac=52:54:00:77:0$i:$o,depth=64,gro=1")
    i=$((i + 1))
  done
  if [ "$name" = storage ]; then
    mem=$STORAGE_MEM
    for i in 1 2; do
      [ -e "$RUN/storage.$i" ] || truncate -s 24G "$RUN/storage.$i"
      disks+=("ubd$i=/run/lab/storage.$i")
    done
  fi
  # Its management console, at $RUN/uml/$name/mconsole: disks can be plugged in. A
  # console of before would be taken for one in use.
  mkdir -p "$RUN/uml"
  rm -rf "$RUN/uml/$name"
  # shellcheck disable=SC2016
  jail "$name" "$CACHE/$CONFIG:$CACHE/$PACKAGES" bash -c 'TMPDIR=/dev/shm HOME=/run "$@"; echo "the kernel ended: $?"' uml \
    linux.uml "mem=$mem" "ubd0=/run/lab/$name.cow,/run/cache/$DISK" "${disks[@]}" root=/dev/ubda rw "${nics[@]}" \
    "umid=$name" uml_dir=/run/lab/uml con=null con0=null,fd:1 quiet init=/sbin/lab-boot "LAB_NAME=$name" "LAB_OCTET=$o"
}

# in_machine MACHINE [-i] CMD...
in_machine() {
  local o=1
  [ "$1" = ctl ] || o=$(octet "$1")
  ip netns exec "$NS" "$RUN/machines/agent" run "10.77.2.$o:9" "${@:2}"
}
await_machine() {
  local since=$SECONDS
  until in_machine "$1" test -e /run/ready >/dev/null 2>&1; do
    alive "$1" >/dev/null || die "$1 ended while starting; see $RUN/$1.log"
    [ $((SECONDS - since)) -lt 600 ] || die "$1 is not ready after 600 s; see $RUN/$1.log and: $0 logs $1"
    sleep 0.3
  done
}
power_off() { # orderly
  local since=$SECONDS
  alive "$1" >/dev/null || return 0
  if [ "$1" = ctl ]; then
    in_machine ctl /lab/ctl stop || true
  else
    in_machine "$1" /lab/guest stop >/dev/null 2>&1 || true
    while alive "$1" >/dev/null && [ $((SECONDS - since)) -lt 120 ]; do sleep 0.1; done
  fi
  end "$1"
}

lab_up() {
  local since=$SECONDS m
  if someone_lives; then go_on; else begin; fi
  net_up
  start_machine ctl
  for m in $(guests); do start_machine "$m"; done
  for m in ctl $(guests); do
    await_machine "$m"
    say "$m ready after $((SECONDS - since)) s"
  done
}
# begin: all that is there before the first machine. What was left of a killed
# lab goes.
begin() {
  build
  down_all
  mkdir -p "$RUN"
  scripts_up
  echo "${FUXI_LAB_TOKEN_SECONDS:-86400}" >"$RUN/token-seconds"
  layers_now >"$RUN/layers"
}
go_on() { # with a lab that is up, or was while it was started
  keys
  [ "$(layers_now)" = "$(cat "$RUN/layers")" ] || say "this lab is of another checkout; for this one: lab down, lab up"
  load_layers
}
layers_now() { declare -p PACKAGES CONFIG DISK CLOUD AGENT; }
# load_layers: those this lab was started with, whatever the checkout has become.
load_layers() {
  [ -e "$RUN/layers" ] || die "the lab is down: lab up"
  # shellcheck disable=SC1090
  . <(sed 's/^declare/declare -g/' "$RUN/layers")
}
someone_lives() {
  local p
  for p in "$RUN"/*.pid; do
    p=${p##*/}
    if alive "${p%.pid}" >/dev/null; then return 0; fi
  done
  return 1
}
# down_all: ends and removes what this lab is made of, also after a kill -9 of anything.
down_all() {
  local p
  for p in "$RUN"/*.pid; do
    p=${p##*/}
    end "${p%.pid}"
  done
  net_down
  rm -rf "$RUN"
}

lab_status() {
  local m p
  [ -e "$RUN/layers" ] || die "down"
  for p in "$RUN"/*.pid; do
    m=${p##*/} m=${m%.pid}
    if p=$(alive "$m"); then
      printf '%-8s up %-9s process %-8s' "$m" "$(ps -o etime= -p "$p" | tr -d ' ')" "$p"
      [ "$m" = ctl ] && echo "10.77.0.1" || echo "10.77.0.$(octet "$m") $(path "$m" a), $(path "$m" b), own disk $(du -sh "$RUN/$m.cow" | cut -f1)"
    else
      printf '%-8s off\n' "$m"
    fi
  done
}
