# shellcheck shell=bash
# Machines as processes of this host. A machine is known by process id, start
# time and boot: a recycled process id is never signalled.

# identity PID: what stays the same as long as this very process lives.
identity() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return
  # shellcheck disable=SC2086
  set -- "$1" ${stat##*) }
  # 1: pid, 2: state, 21: start time
  [ "$2" != Z ] && echo "$1 ${21} $(cat /proc/sys/kernel/random/boot_id)"
}

# alive MACHINE: prints its process id.
alive() {
  local known pid
  known=$(cat "$RUN/$1.pid" 2>/dev/null) || return
  pid=${known%% *}
  [ -n "$pid" ] && [ "$(identity "$pid")" = "$known" ] && echo "$pid"
}

# end MACHINE: as if its power were cut. Its process is the parent of the first
# process of a process namespace; when that one is gone, all in it are.
end() {
  local pid first
  pid=$(alive "$1") || return 0
  first=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null) || true
  first=${first%% *}
  kill -KILL "${first:-$pid}" 2>/dev/null || true
  for _ in {1..100}; do
    alive "$1" >/dev/null || return 0
    sleep 0.05
  done
  kill -KILL "$pid" 2>/dev/null || true
  while alive "$1" >/dev/null; do sleep 0.05; done
}

# jail MACHINE LAYERS CMD...: starts CMD as process 1 of mount, process, name
# and ipc namespaces of its own, in the lab's network, on the layers ("above:below")
# with changes kept in $RUN/MACHINE. Mounts and children end with that process.
# The process records itself before it becomes anything: killed at any moment,
# we leave nothing that "down" would not find.
jail() {
  local name=$1 layers=$2
  shift 2
  mkdir -p "$RUN/$name"/{changes,work,root}
  (
    identity "$BASHPID" >"$RUN/$name.pid"
    exec setsid ip netns exec "$NS" unshare --mount --uts --ipc --pid --fork --kill-child \
      "$LAB/lib/jail" "$name" "$layers" "$RUN" "$CACHE" "$@"
  ) </dev/null >"$RUN/$name.log" 2>&1 8>&- 9>&- &
  until [ -s "$RUN/$name.pid" ]; do sleep 0.01; done
}

# cell CMD...: runs CMD so that it and all its children and mounts end when we do.
cell() {
  setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc "$@" 8>&- 9>&-
}
