#!/usr/bin/env bash
# Ends the cluster ID (default 0) and removes what it left on the host. Safe to call twice.
#
# Killing pid 1 of the cluster's namespaces kills every process in them, and the kernel then frees the
# mounts, the network and the bridge.

# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

main() {
  [[ $(uname -s) == Linux && $EUID == 0 ]] || exit 0 # nothing can be up
  end_process "$RUN/node.process"
  end_process "$RUN/unshare.process"
  end_process "$RUN/sources.process"
  ip link delete "$HOST_LINK" 2>/dev/null || true # and with it its addresses and routes
  local route
  for route in "$POD_CIDR" "$SERVICE_CIDR"; do
    ip route delete unreachable "$route" metric 4096 2>/dev/null || true
  done
  wait_for 10 "the cluster's cgroups to empty" remove_cgroups
  rm -rf --one-file-system "$RUN"
}

# remove_cgroups: a killed process stays in its cgroup for a moment, hence tried again.
remove_cgroups() {
  local cgroup left=0
  for cgroup in /sys/fs/cgroup/*/"$CGROUP"; do
    [[ -d $cgroup ]] || continue
    find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || left=1
  done
  return $left
}

main
