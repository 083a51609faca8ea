#!/usr/bin/env bash
# Starts the cluster ID (default 0): a real one-node Kubernetes in network, mount and process namespaces
# of its own, and on the host end of its only link the places that charts come from. Nothing in it has a
# route off this machine.
#
# Prints the path of cluster.json, which says how to reach everything, as its last line on stdout. A
# cluster that runs already, by the same recipe, is left as it is. setup.sh must have run before.

# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

# All that is talked to here is on this machine.
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy

main() {
  require_machine
  name_parts
  local part
  for part in "${PARTS[@]}"; do
    [[ -d $part ]] || die "missing $part: run $HERE/setup.sh first"
  done
  if [[ -s $RUN/cluster.json && $(cat "$RUN/recipe" 2>/dev/null) == "$(recipe)" ]] && is_alive "$(<"$RUN/node.process")" &&
    is_alive "$(<"$RUN/sources.process")"; then
    say "cluster $ID runs already"
    echo "$RUN/cluster.json"
    return
  fi
  "$HERE/down.sh"
  mkdir -p "$RUN"/{pki,log,cni,users,state/{etcd,kubelet,containerd,cni,log}}
  set -o errtrace
  trap show_logs ERR
  make_certificates
  make_users
  configure_network
  configure_containerd
  configure_kubelet
  configure_proxy
  start_node
  say "namespaces are there"
  start_sources
  say "chart sources listen"
  wait_for_cluster
  push_charts
  recipe >"$RUN/recipe"
  write_summary
  say "cluster $ID is up"
  echo "$RUN/cluster.json"
}

# show_logs: the last words of every part, for a log that is all one has (CI).
show_logs() {
  trap - ERR
  echo "the cluster did not come up; the ends of its logs:" >&2
  tail -n 5 "$RUN"/log/*.log >&2 || true
}

# --- keys, certificates, users --------------------------------------------------------------------

# make_certificates: anew at every start, so that no kubeconfig outlives its cluster.
make_certificates() {
  cd "$RUN/pki"
  new_key ca.key
  openssl req -x509 -new -key ca.key -subj /CN=kubernetes-test-ca -days 30 -out ca.crt \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,digitalSignature
  sign apiserver /CN=kube-apiserver serverAuth \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:$API_ADDRESS,IP:$NODE_ADDRESS,IP:127.0.0.1"
  sign kubelet-client /O=system:masters/CN=apiserver-kubelet-client clientAuth
  openssl genrsa -out service-account.key 2048 2>/dev/null
  openssl rsa -in service-account.key -pubout -out service-account.pub 2>/dev/null
  cd "$HERE"
}

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

# sign NAME SUBJECT USAGE [NAMES]
sign() {
  local extensions="extendedKeyUsage=$3"
  [[ -z ${4:-} ]] || extensions+=$'\n'"subjectAltName=$4"
  new_key "$1.key"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 \
    -extfile <(echo "$extensions") -out "$1.crt" 2>/dev/null
}

# make_users: components come by the node's address, which is there before any Service is; people by the
# address of the Service `kubernetes`, which the host reaches as pods do. What the people of the tests
# may do is in users.yaml.
make_users() {
  add_user kcm system:kube-controller-manager "" "$NODE_ADDRESS"
  add_user scheduler system:kube-scheduler "" "$NODE_ADDRESS"
  add_user kubelet "system:node:$NODE" system:nodes "$NODE_ADDRESS"
  add_user proxy system:kube-proxy "" "$NODE_ADDRESS"
  add_user admin admin system:masters "$API_ADDRESS"
  local user
  for user in viewer nobody tenant operator; do
    add_user "$user" "$user" "" "$API_ADDRESS"
  done
}

# add_user FILE NAME GROUP ADDRESS
add_user() {
  local token
  token=$(openssl rand -hex 16)
  printf '%s,%s,%s%s\n' "$token" "$2" "$1" "${3:+,\"$3\"}" >>"$RUN/pki/tokens.csv"
  cat >"$RUN/users/$1.kubeconfig" <<END
apiVersion: v1
kind: Config
current-context: $(context)
clusters:
  - name: $(context)
    cluster: {server: "https://$4", certificate-authority-data: $(base64 -w0 "$RUN/pki/ca.crt")}
users:
  - name: $2
    user: {token: $token}
contexts:
  - name: $(context)
    context: {cluster: $(context), user: $2}
END
}

context() { echo "crossview-test-$ID"; }

# --- configuration --------------------------------------------------------------------------------

configure_network() {
  cat >"$RUN/cni/10-pods.conflist" <<END
{
  "cniVersion": "0.4.0",
  "name": "pods",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
      "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_CIDR"}]], "routes": [{"dst": "0.0.0.0/0"}]}
    },
    {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}
  ]
}
END
  # Bound over the machine's own in the namespaces: no name outside the cluster resolves. Without it pods
  # with the host's DNS policy would ask the machine's servers.
  echo "nameserver $NODE_ADDRESS" >"$RUN/resolv.conf"
  cat >"$RUN/hosts" <<END
$HOST_ADDRESS ghcr.io crossplane-contrib.github.io
$HOST_ADDRESS private.registry.test limited.registry.test slow.registry.test
$HOST_ADDRESS untrusted.registry.test expired.registry.test misnamed.registry.test admission.test
$REFUSED_ADDRESS refused.registry.test
$SILENT_ADDRESS silent.registry.test
END
}

# configure_containerd: restrict_oom_score_adj because a container that runs this (CI) may lack
# CAP_SYS_RESOURCE; without it pod sandboxes fail with "can't get final child's PID from pipe".
configure_containerd() {
  cat >"$RUN/containerd.toml" <<END
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$RUN/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$RUN/registries"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
END
  # Images that were not imported are asked for at the test registry, so that a missing one is a real 404
  # within seconds. containerd 1.6 wants the [host] table: `server` alone means https.
  local registry
  for registry in docker.io ghcr.io; do
    mkdir -p "$RUN/registries/$registry"
    cat >"$RUN/registries/$registry/hosts.toml" <<END
server = "http://$HOST_ADDRESS:5000"
[host."http://$HOST_ADDRESS:5000"]
  capabilities = ["pull", "resolve"]
END
  done
}

# configure_kubelet: oomScoreAdj and maxOpenFiles for the same want of CAP_SYS_RESOURCE. cgroup v1 is why
# Kubernetes is 1.34: from 1.35 the kubelet refuses it unless told otherwise.
configure_kubelet() {
  cat >"$RUN/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failCgroupV1: false
failSwapOn: false
resolvConf: /etc/resolv.conf
clusterDNS: [$DNS_ADDRESS]
clusterDomain: cluster.local
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $RUN/pki/ca.crt}
authorization: {mode: Webhook}
makeIPTablesUtilChains: false
oomScoreAdj: 0
maxOpenFiles: 20000
serializeImagePulls: false
nodeStatusUpdateFrequency: 4s
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 200Mi, nodefs.available: 1Gi, imagefs.available: 1Gi, nodefs.inodesFree: 1%}
END
}

configure_proxy() {
  cat >"$RUN/proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: $RUN/users/proxy.kubeconfig}
clusterCIDR: $POD_CIDR
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
conntrack: {maxPerCore: 0}
nodePortAddresses: [primary]
END
}

# --- start ----------------------------------------------------------------------------------------

# start_node: runs node.sh as pid 1 of the namespaces and links them to the host. unshare rather than
# `ip netns exec`, which mounts /sys anew and so hides the cgroups.
start_node() {
  local route unshare pid="" log=$RUN/log/node.log
  # Until the node is there its addresses lead nowhere, and never out by the default route.
  for route in "$POD_CIDR" "$SERVICE_CIDR"; do
    ip route replace unreachable "$route" metric 4096
  done
  KUBE=$KUBE IMAGE_FOLDERS="$BASE_IMAGES $APP_IMAGES $TORTURE_IMAGES" ID=$ID \
    setsid unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private \
    "$HERE/node.sh" >"$log" 2>&1 </dev/null &
  unshare=$!
  started_at "$unshare" >"$RUN/unshare.process"
  ALIVE=$(<"$RUN/unshare.process")
  wait_for 10 "pid 1 of the cluster" has_child "$unshare"
  pid=$(child_of "$unshare")
  started_at "$pid" >"$RUN/node.process"
  ip link add "$HOST_LINK" type veth peer name node netns "$pid"
  ip address add "$HOST_ADDRESS/29" dev "$HOST_LINK"
  ip address add "$REFUSED_ADDRESS/29" dev "$HOST_LINK"
  ip address add "$SILENT_ADDRESS/29" dev "$HOST_LINK"
  ip link set "$HOST_LINK" up
  for route in "$POD_CIDR" "$SERVICE_CIDR"; do
    ip route add "$route" via "$NODE_ADDRESS" dev "$HOST_LINK"
  done
  : >"$RUN/linked" # node.sh waits for it
}

child_of() { tr -d ' ' <"/proc/$1/task/$1/children"; }
has_child() { [[ -n $(child_of "$1") ]]; }

start_sources() {
  setsid "$SMALL/sources" -address "$HOST_ADDRESS" -silent-address "$SILENT_ADDRESS" -charts "$CHARTS" \
    -ca-cert "$CA/ca.crt" -ca-key "$CA/ca.key" -unknown-ca-file "$RUN/unknown-ca.crt" -ready-file "$RUN/sources.ready" \
    >"$RUN/log/sources.log" 2>&1 </dev/null &
  started_at $! >"$RUN/sources.process"
  ALIVE=$(<"$RUN/sources.process") wait_for 10 "the chart sources to listen" test -e "$RUN/sources.ready"
}

# wait_for_cluster: until a pod can be made by anyone who may, and gets its ServiceAccount.
wait_for_cluster() {
  local kubectl=("$KUBECTL" --kubeconfig "$RUN/users/admin.kubeconfig")
  wait_for 90 "the API server" "${kubectl[@]}" get --raw /readyz
  say "API server is ready"
  # The API server opens logs, exec and port-forwards at the kubelet as this user.
  "${kubectl[@]}" create clusterrolebinding kubelet-api --clusterrole=system:kubelet-api-admin --user=apiserver-kubelet-client >/dev/null
  "${kubectl[@]}" apply -f "$HERE/users.yaml" >/dev/null
  dns_service | "${kubectl[@]}" apply -f - >/dev/null
  wait_for 90 "the images" test -e "$RUN/images.imported"
  say "images are imported"
  wait_for 60 "the node" "${kubectl[@]}" wait --for=condition=Ready "node/$NODE" --timeout=1s
  wait_for 30 "the default ServiceAccount" "${kubectl[@]}" -n default get serviceaccount default
  wait_for 30 "the cluster's DNS" dns_listens
  say "node is ready"
}

# dns_service: the DNS is no pod, so its Service has no selector. It needs one: kube-proxy drops what the
# node sends to an address of the service range that no Service has.
dns_service() {
  cat <<END
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: $DNS_ADDRESS
  ports: [{name: dns, port: 53, protocol: UDP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
ports: [{name: dns, port: 53, protocol: UDP}]
endpoints: [{addresses: ["$NODE_ADDRESS"], conditions: {ready: true}}]
END
}

dns_listens() { grep -q listens "$RUN/log/kube-dns.log"; }

# push_charts: by Helm itself, as the project's release workflow does it.
push_charts() {
  local home version
  home=$(mktemp -d)
  for version in $(chart_versions); do
    HOME=$home HELM_CACHE_HOME=$home HELM_CONFIG_HOME=$home HELM_DATA_HOME=$home "$HELM/helm4" push \
      "$CHARTS/crossview-$version.tgz" "oci://$HOST_ADDRESS:5000/crossplane-contrib/crossview-chart" --plain-http >>"$RUN/log/push.log" 2>&1
  done
  rm -rf "$home"
  say "charts are pushed"
}

# write_summary: what tests need to know, and the only file that they should read.
write_summary() {
  local chart=crossplane-contrib/crossview-chart/crossview
  jq -n --argjson id "$ID" --arg context "$(context)" --arg server "https://$API_ADDRESS" --arg users "$RUN/users" \
    --arg kubectl "$KUBECTL" --arg helm "$HELM/helm4" --arg helm3 "$HELM/helm3" --arg node "$NODE" \
    --arg chart "$chart" --arg repository "$CHART_REPOSITORY" --arg versions "$(chart_versions)" --arg stable "$(chart_versions | grep --max-count=1 --invert-match -e -)" \
    --arg image "$HELM_IMAGE" --arg torture "$TORTURE_IMAGE" --arg helm4Version "$HELM4_VERSION" --arg helm3Version "$HELM3_VERSION" \
    --arg control "http://$HOST_ADDRESS:5001" --arg tenant "$HERE/tenant.yaml" --arg ca "$CA/ca.crt" --arg logs "$RUN/log" --arg unknown "$RUN/unknown-ca.crt" \
    '($versions | split("\n")) as $versions | {
      id: $id, context: $context, server: $server, node: $node,
      kubeconfig: "\($users)/admin.kubeconfig",
      users: (["viewer", "nobody", "tenant", "operator"] | map({(.): "\($users)/\(.).kubeconfig"}) | add),
      tenantManifest: $tenant,
      kubectl: $kubectl, helm: $helm, helm3: $helm3,
      helmImages: {"4": "\($image):\($helm4Version)", "3": "\($image):\($helm3Version)"},
      torture: $torture,
      registry: "oci://ghcr.io/\($chart)",
      repository: $repository,
      archive: "\($repository)/crossview-\($stable).tgz",
      stable: $stable,
      versions: $versions,
      faulty: {
        private: "oci://private.registry.test/\($chart)",
        limited: "oci://limited.registry.test/\($chart)",
        slow: "oci://slow.registry.test/\($chart)",
        untrusted: "oci://untrusted.registry.test/\($chart)",
        misnamed: "oci://misnamed.registry.test/\($chart)",
        expired: "oci://expired.registry.test/\($chart)",
        refused: "oci://refused.registry.test/\($chart)",
        silent: "oci://silent.registry.test/\($chart)",
        unresolvable: "oci://nowhere.registry.test/\($chart)"
      },
      login: {username: "reader", password: "correct horse battery staple"},
      control: $control, admission: "https://admission.test/deny", certificateAuthority: $ca, unknownAuthority: $unknown, privateRepository: "https://private.registry.test/charts", logs: $logs
    }' >"$RUN/cluster.json.partial"
  mv "$RUN/cluster.json.partial" "$RUN/cluster.json"
}

main
