#!/usr/bin/env bash
# Holds the cluster to what README.md says of it: rights of the users, failures that are genuine, and a
# machine that is afterwards as it was. Starts a cluster of its own beside the one that ID names, and ends it.
# Prints one line a check; the status is the number of checks that failed.

export ID=$(((${ID:-0} + 100) % 255))
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
FAILED=0

main() {
  local before
  "$HERE/down.sh"
  before=$(machine)
  SUMMARY=$("$HERE/up.sh")
  trap '"$HERE/down.sh"' EXIT
  KUBECTL=$(of kubectl)
  HELM=$(of helm)
  CONTROL=$(of control)
  KUBECONFIG=$(of kubeconfig)
  export KUBECONFIG

  check "viewer lists Deployments everywhere" may viewer list deployments.apps
  check "viewer watches Jobs" may viewer watch jobs.batch
  check "viewer reads logs" may viewer get pods/log
  check "viewer may not read Secrets" may_not viewer get secrets
  check "viewer may not create Jobs" may_not viewer create jobs.batch
  check "viewer may not patch Services" may_not viewer patch services
  check "nobody may not list Pods" may_not nobody list pods
  check "operator creates Jobs" may operator create jobs.batch
  check "operator reads Secrets" may operator get secrets
  check "operator may not bind cluster-admin" refuses_cluster_admin operator
  check "tenant has no rights before its manifest" may_not tenant list pods
  "$KUBECTL" apply -f "$(of tenantManifest)" >/dev/null
  check "tenant manages Jobs of the namespace crossview" within 10 may tenant create jobs.batch
  check "tenant may not list Nodes" may_not tenant list nodes
  check "tenant may not bind cluster-admin" refuses_cluster_admin tenant

  check "a pod that Pod Security forbids is refused" refuses_privileged_pod
  check "a missing image ends in ErrImagePull and not found" missing_image_is_genuine
  check "an app that crashes says its last words" crash_has_last_words
  check "an app that is never ready stays unready" never_ready
  check "the app's values arrive" values_arrive
  check "what is deployed is served by the chart's Service" within 20 answers_by_service
  check "an admission webhook on a test name denies" webhook_is_found
  check "the slow registry holds Helm until it is released" slow_registry_holds

  "$HERE/down.sh"
  trap - EXIT
  check "the machine is as it was" test "$before" = "$(machine)"
  check "a second down is harmless" "$HERE/down.sh"
  return "$FAILED"
}

of() { jq -er ".$1" "$SUMMARY"; }

# check WHAT COMMAND...
check() {
  local what=$1
  shift
  if "$@" >/dev/null 2>&1; then
    echo "ok      $what"
  else
    echo "FAILED  $what"
    FAILED=$((FAILED + 1))
  fi
}

# within SECONDS COMMAND...
within() { wait_for "$1" "$2" "${@:2}"; }

# machine: what a cluster could leave on it.
machine() {
  ip -brief address
  ip route
  cut -d' ' -f2 /proc/mounts | grep -F "$RUN" || true
  ls -d "$RUN" /sys/fs/cgroup/*/"$CGROUP" 2>/dev/null || true
  pgrep --full "$RUN/" || true
  cat /proc/sys/vm/{overcommit_memory,panic_on_oom} /proc/sys/kernel/{panic,panic_on_oops} /proc/sys/kernel/keys/root_max{keys,bytes}
}

# A 403 is an answer; a cluster that doesn't answer at all is none.
may() { [[ $(rights "$1" "${@:2}") == yes ]]; }
may_not() { [[ $(rights "$1" "${@:2}") == no ]]; }
rights() {
  local flag=--all-namespaces
  [[ $1 == tenant ]] && flag=--namespace=crossview
  "$KUBECTL" --kubeconfig "$(of "users.$1")" auth can-i "${@:2}" "$flag" 2>/dev/null || true
}

refuses_cluster_admin() {
  local answer
  answer=$("$KUBECTL" --kubeconfig "$(of "users.$1")" create clusterrolebinding probe --clusterrole=cluster-admin \
    --user=probe --dry-run=server 2>&1) && return 1
  [[ $answer == *Forbidden* || $answer == *forbidden* ]]
}

refuses_privileged_pod() {
  local answer
  "$KUBECTL" label namespace crossview pod-security.kubernetes.io/enforce=restricted --overwrite
  answer=$("$KUBECTL" -n crossview run probe --image=localhost/pause:1 --privileged --dry-run=server 2>&1) && return 1
  [[ $answer == *PodSecurity* ]]
}

# install RELEASE ARGUMENTS...: from this machine, so from the registry's plain side. Without RBAC objects,
# whose names are fixed, so several fit into one cluster.
install() {
  "$HELM" install "$1" "oci://$HOST_ADDRESS:5000/crossplane-contrib/crossview-chart/crossview" --plain-http --namespace crossview \
    --set rbac.create=false,database.enabled=false,config.database.enabled=false "${@:2}"
}

# waiting RELEASE PART: that part of the waiting state of the app's container.
waiting() {
  "$KUBECTL" -n crossview get pods -l "app.kubernetes.io/instance=$1" -o "jsonpath={.items[*].status.containerStatuses[*].state.waiting.$2}"
}

missing_image_is_genuine() {
  install missing --set image.tag=v0.0.0
  within 20 waits_for missing reason "ErrImagePull\|ImagePullBackOff" && waits_for missing message "not found"
}
waits_for() { waiting "$1" "$2" | grep "$3"; }

crash_has_last_words() {
  install crash --set-string test.crash="no such table: sessions"
  within 20 last_words crash-crossview "fatal: no such table: sessions"
}
# last_words DEPLOYMENT WORDS
last_words() { "$KUBECTL" -n crossview logs "deployment/$1" --tail=1 | grep -F "$2"; }

never_ready() {
  install unready --set test.neverReady=true
  within 20 last_words unready-crossview "listens on" && [[ $(ready_replicas unready-crossview) == "" ]]
}
ready_replicas() { "$KUBECTL" -n crossview get deployment "$1" -o 'jsonpath={.status.readyReplicas}'; }

values_arrive() {
  install crossview --set config.server.auth.mode=none
  within 20 last_words crossview "auth: none"
}
answers_by_service() {
  "$KUBECTL" get --raw /api/v1/namespaces/crossview/services/http:crossview-service:80/proxy/api/health | grep -F '"ok"' &&
    "$KUBECTL" get --raw /api/v1/namespaces/crossview/services/http:crossview-service:80/proxy/claims | grep -F '<title>Crossview</title>'
}

# The API server finds the webhook by name; the webhook then denies.
webhook_is_found() {
  "$KUBECTL" apply -f - <<END
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: probe}
webhooks:
  - name: probe.admission.test
    clientConfig: {url: "$(of admission)", caBundle: $(base64 -w0 "$(of certificateAuthority)")}
    rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: crossview}}
    admissionReviewVersions: [v1]
    sideEffects: None
END
  within 20 webhook_denies
  "$KUBECTL" delete validatingwebhookconfiguration probe
}
webhook_denies() { "$KUBECTL" -n crossview create configmap probe --dry-run=server 2>&1 | grep 'admission webhook "probe.admission.test" denied'; }

slow_registry_holds() {
  local pod
  pod='{"spec": {"containers": [{"name": "slow", "image": "'$(of 'helmImages["4"]')'",
    "args": ["show", "chart", "'$(of faulty.slow)'"],
    "env": [{"name": "HOME", "value": "/tmp"}],
    "securityContext": {"allowPrivilegeEscalation": false, "runAsNonRoot": true, "runAsUser": 1000,
      "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}}]}}'
  "$KUBECTL" -n crossview run slow --image=unused --restart=Never --overrides="$pod"
  within 20 slow_is_waiting || return 1
  control POST /slow/release
  within 20 grep_log slow "name: crossview"
}
slow_is_waiting() { control GET /slow | grep -F '"waiting":1'; }
grep_log() { "$KUBECTL" -n crossview logs "$1" | grep -F "$2"; }

# control METHOD PATH: one HTTP request by bash alone.
control() {
  local address=${CONTROL#http://}
  exec 3<>"/dev/tcp/${address%:*}/${address#*:}"
  printf '%s %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$1" "$2" "$address" >&3
  cat <&3
  exec 3>&-
}

main
