#!/usr/bin/env bash
# Pid 1 of the cluster's namespaces: prepares them, starts every component and reaps what is left over.
# Started by up.sh with KUBE (folder of the binaries), IMAGE_FOLDERS (folders of images) and ID.

# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

PKI=$RUN/pki
USERS=$RUN/users
ETCD=http://127.0.0.1:2379
CONTAINERD=/run/containerd/containerd.sock

main() {
  until [[ -e $RUN/linked ]]; do sleep 0.05; done
  prepare_network
  prepare_mounts
  prepare_cgroups
  start_etcd
  start_apiserver
  start containerd containerd --config "$RUN/containerd.toml"
  import_images >"$RUN/log/images.log" 2>&1 &
  wait_for 90 "the API server" "$KUBE/kubectl" --kubeconfig "$USERS/admin.kubeconfig" get --raw /readyz
  start_controllers
  start kubelet "$KUBE/kubelet" --config "$RUN/kubelet.yaml" --kubeconfig "$USERS/kubelet.kubeconfig" \
    --hostname-override "$NODE" --node-ip "$NODE_ADDRESS"
  start kube-proxy "$KUBE/kube-proxy" --config "$RUN/proxy.yaml" --hostname-override "$NODE"
  start kube-dns "$KUBE/kube-dns" --kubeconfig "$USERS/admin.kubeconfig" --address "$NODE_ADDRESS:53" --hosts "$RUN/hosts"
  # Bash reaps the children of others as they are handed to pid 1; it must never end.
  while :; do
    wait || true
    sleep 1
  done
}

# start NAME COMMAND...: in the background, with a log of its own.
start() {
  local name=$1
  shift
  "$@" >"$RUN/log/$name.log" 2>&1 </dev/null &
}

# prepare_network: no default route. So every component must be told its address (--advertise-address,
# --node-ip); it would look for the interface of the default route.
prepare_network() {
  ip link set lo up
  ip address add "$NODE_ADDRESS/29" dev node
  ip link set node up
  # The API server listens on its Service's address directly: reachable before kube-proxy is, and from
  # the host too.
  ip address add "$API_ADDRESS/32" dev lo
  echo 1 >/proc/sys/net/ipv4/ip_forward
}

prepare_mounts() {
  mount -t tmpfs tmpfs /run
  bind_folder kubelet /var/lib/kubelet
  bind_folder containerd /var/lib/containerd
  bind_folder cni /var/lib/cni
  bind_folder log /var/log
  mount --bind "$RUN/resolv.conf" /etc/resolv.conf
  hide_sysctls
  mount --make-rshared / # the kubelet wants its volumes' mounts seen by containerd
}

# bind_folder NAME PLACE
bind_folder() {
  mkdir -p "$2"
  mount --bind "$RUN/state/$1" "$2"
}

# hide_sysctls: the kubelet sets these for the whole machine at its start. It finds them as it wants them
# in files that are bound over the real ones, and leaves the machine alone.
hide_sysctls() {
  local setting file
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    file=/run/sysctl-${setting%%=*}
    mkdir -p "$(dirname "$file")"
    echo "${setting##*=}" >"$file"
    mount --bind "$file" "/proc/sys/${setting%%=*}"
  done
}

# prepare_cgroups: one root in every hierarchy; the kubelet refuses a cgroupRoot that is not there. A new
# cpuset has no CPU and no memory node, so nothing could run in it.
prepare_cgroups() {
  local hierarchy file
  for hierarchy in /sys/fs/cgroup/*/; do
    mkdir -p "$hierarchy$CGROUP"
  done
  for file in cpus mems; do
    file=/sys/fs/cgroup/cpuset/$CGROUP/cpuset.$file
    [[ ! -e $file || -n $(<"$file") ]] || cat "/sys/fs/cgroup/cpuset/${file##*/}" >"$file"
  done
}

start_etcd() {
  start etcd "$KUBE/etcd" --data-dir "$RUN/state/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls "$ETCD" --advertise-client-urls "$ETCD" \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster default=http://127.0.0.1:2380
}

start_apiserver() {
  start kube-apiserver "$KUBE/kube-apiserver" --etcd-servers "$ETCD" \
    --bind-address 0.0.0.0 --secure-port 443 --advertise-address "$NODE_ADDRESS" --service-cluster-ip-range "$SERVICE_CIDR" \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged \
    --token-auth-file "$PKI/tokens.csv" --client-ca-file "$PKI/ca.crt" \
    --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" \
    --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file "$PKI/service-account.pub" --service-account-signing-key-file "$PKI/service-account.key" \
    --kubelet-client-certificate "$PKI/kubelet-client.crt" --kubelet-client-key "$PKI/kubelet-client.key" \
    --kubelet-preferred-address-types InternalIP
}

start_controllers() {
  start kube-controller-manager "$KUBE/kube-controller-manager" --kubeconfig "$USERS/kcm.kubeconfig" \
    --authentication-kubeconfig "$USERS/kcm.kubeconfig" --authorization-kubeconfig "$USERS/kcm.kubeconfig" \
    --bind-address 127.0.0.1 --leader-elect=false --use-service-account-credentials \
    --service-account-private-key-file "$PKI/service-account.key" --root-ca-file "$PKI/ca.crt" \
    --cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key"
  start kube-scheduler "$KUBE/kube-scheduler" --kubeconfig "$USERS/scheduler.kubeconfig" \
    --authentication-kubeconfig "$USERS/scheduler.kubeconfig" --authorization-kubeconfig "$USERS/scheduler.kubeconfig" \
    --bind-address 127.0.0.1 --leader-elect=false
}

import_images() {
  local folder image
  wait_for 30 "containerd" ctr --address "$CONTAINERD" version
  for folder in $IMAGE_FOLDERS; do
    for image in "$folder"/*.tar; do
      ctr --address "$CONTAINERD" --namespace k8s.io images import "$image"
    done
  done
  : >"$RUN/images.imported"
}

main
