# shellcheck shell=bash disable=SC2034
# What setup.sh, up.sh, node.sh and down.sh share: names, addresses, where things are kept, waiting.
#
# ID (0 to 254) makes several clusters possible side by side on one machine: everything that a cluster
# takes on the host (addresses, interface, cgroup, folder) carries it.

set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
FIXTURES=$(readlink -f "$HERE/../fixtures")

# --- versions that are seen from outside
HELM4_VERSION=4.3.1
HELM3_VERSION=3.22.0
HELM_IMAGE=docker.io/alpine/helm # the name of the image that people use; ours has the real Helm and a test CA
APP_IMAGE=ghcr.io/crossplane-contrib/crossview
TORTURE_IMAGE=localhost/torture:1 # an app in the place of Crossview that uses one feature of a browser after another
CHART_REPOSITORY=https://crossplane-contrib.github.io/crossview

# --- addresses
ID=${ID:-0}
if [[ ! $ID =~ ^[0-9]{1,3}$ ]] || ((ID > 254)); then
  echo "ID: expected a number from 0 to 254, got $ID" >&2
  exit 2
fi
NODE=node-$ID
HOST_LINK=crossview$ID       # host end of the veth
HOST_ADDRESS=10.245.$ID.1    # chart sources listen here
NODE_ADDRESS=10.245.$ID.2
REFUSED_ADDRESS=10.245.$ID.3 # belongs to the host end, nothing listens: a genuine "connection refused"
SILENT_ADDRESS=10.245.$ID.4  # accepts connections and never says a word
POD_CIDR=10.244.$ID.0/24
SERVICE_CIDR=10.96.$ID.0/24
API_ADDRESS=10.96.$ID.1      # the API server, for the host and for pods alike
DNS_ADDRESS=10.96.$ID.10
CGROUP=crossview-test-$ID

# --- folders
CACHE=${CROSSVIEW_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/crossview-headlamp}/cluster
RUN=$CACHE/run-$ID # everything that one run makes; down.sh removes it
CA=$CACHE/ca       # the test CA, made once: it is part of the Helm images, so a new one would rebuild them

say() { printf '%5.1fs %s\n' "$(elapsed)" "$*" >&2; }

# elapsed: seconds since the script began, in bash alone as bc is not everywhere.
elapsed() {
  local now=${EPOCHREALTIME/[.,]/}
  printf '%d.%d' $(((now - BEGAN) / 1000000)) $(((now - BEGAN) / 100000 % 10))
}
BEGAN=${EPOCHREALTIME/[.,]/}

die() { printf '%s\n' "$*" >&2; exit 1; }

# Exit status 3 means: this machine can't run the cluster, and why. The callers count it as skipped.
cannot() { printf 'the test cluster cannot run here: %s\n' "$*" >&2; exit 3; }

# require_machine: fails with 3 where the recipe is known not to work.
require_machine() {
  [[ $(uname -s) == Linux ]] || cannot "it needs Linux; set CROSSVIEW_TEST_KUBECONFIG to use a cluster of your own (kind, k3d)"
  ((EUID == 0)) || cannot "it needs root (namespaces, mounts, cgroups); set CROSSVIEW_TEST_KUBECONFIG to use a cluster of your own"
  [[ -d /sys/fs/cgroup/memory ]] || cannot "it needs cgroup v1, with which it was proved; set CROSSVIEW_TEST_KUBECONFIG to use a cluster of your own"
}

# hash_of FILE_OR_FOLDER...: twelve digits that change when a name or a byte of them does. Build output
# that a developer's own `npm install` may leave is not a source.
hash_of() {
  local path
  for path in "$@"; do
    (cd "$(dirname "$path")" && find "$(basename "$path")" -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -print0 |
      LC_ALL=C sort -z | xargs -0 sha256sum)
  done | sha256sum | cut -c1-12
}

# name_parts: where each part is kept. A part's name holds the hash of all that it is made of, so what
# changed is built again and nothing else; a change of the chart leaves Kubernetes alone.
name_parts() {
  local kube helm small app torture chart images
  kube=$(hash_of "$HERE/tools/kube")
  helm=$(hash_of "$HERE/tools/helm")-$HELM4_VERSION-$HELM3_VERSION
  small=$(hash_of "$HERE/tools/small")
  app=$(hash_of "$FIXTURES/app")
  torture=$(hash_of "$FIXTURES/torture" "$FIXTURES/build.sh")
  chart=$(hash_of "$FIXTURES/crossview")
  images=$(hash_of "$HERE/setup.sh")
  KUBE=$CACHE/kube-$kube
  HELM=$CACHE/helm-$helm
  SMALL=$CACHE/small-$small
  APP=$CACHE/app-$app
  TORTURE=$CACHE/torture-$torture
  CHARTS=$CACHE/charts-$chart
  BASE_IMAGES=$CACHE/images-base-$helm-$small-$images # and the CA: setup.sh removes them when it makes a new one
  APP_IMAGES=$CACHE/images-app-$app-$(hash_of "$FIXTURES/crossview/versions")-$images
  TORTURE_IMAGES=$CACHE/images-torture-$torture-$images
  KUBECTL=$KUBE/kubectl
  PARTS=("$KUBE" "$HELM" "$SMALL" "$APP" "$TORTURE" "$CHARTS" "$BASE_IMAGES" "$APP_IMAGES" "$TORTURE_IMAGES")
}

# recipe: changes when anything does that a running cluster was made of.
recipe() { echo "${PARTS[*]} $(hash_of "$HERE"/{lib,up,node}.sh "$HERE/users.yaml")"; }

# chart_versions: newest first.
chart_versions() { cut -d' ' -f1 "$FIXTURES/crossview/versions"; }

# wait_for SECONDS WHAT COMMAND...: until the command succeeds; fails after that many seconds, or at once
# when ALIVE names a process (as started_at writes it) that has ended.
wait_for() {
  local seconds=$1 what=$2 end=$((SECONDS + $1))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)); then
      echo "waited $seconds s in vain: $what" >&2
      return 1
    fi
    if [[ -n ${ALIVE:-} ]] && ! is_alive "$ALIVE"; then
      echo "ended while it was waited for: $what" >&2
      return 1
    fi
    sleep 0.1
  done
}

# A process is remembered as "PID START": a PID alone may belong to another process by the time it is killed.
started_at() {
  local stat
  stat=$(<"/proc/$1/stat") || return 1
  stat=${stat##*) } # the name before may hold spaces
  read -ra stat <<<"$stat"
  echo "$1 ${stat[19]}"
}

is_alive() { [[ $(started_at "${1%% *}" 2>/dev/null) == "$1" ]]; }

# end_process FILE: kills the process that the file remembers and waits until it is gone.
end_process() {
  local process pid
  [[ -s $1 ]] || return 0
  process=$(<"$1")
  pid=${process%% *}
  is_alive "$process" && kill -KILL "$pid" 2>/dev/null
  for _ in {1..200}; do
    is_alive "$process" || return 0
    sleep 0.05
  done
  die "process $pid does not end"
}
