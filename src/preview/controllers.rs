//! What the controller manager does: Jobs, Deployments, namespaces, and collecting what nobody owns any more.
//!
//! A pure step over the store: what is true now decides what is done, and how long until there is more to do.
//! Statuses, conditions, events and their words are those of Kubernetes 1.34, read off a real cluster by
//! `kubectl get jobs,pods,deployments,replicasets -w -o json --output-watch-events` while Helm ran there.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
};

use serde_json::{Value, json};

use super::{
    World,
    events::Happening,
    faults::Fault,
    store::{
        CONFIG_MAPS, DEPLOYMENTS, FOREGROUND, JOBS, Key, NAMESPACES, ORPHAN, PODS, Propagation, QUOTAS, REPLICA_SETS,
        SERVICE_ACCOUNTS, Store, array, at, earlier, is_deleting, later, number, seconds, set, sorted, suffix, text,
        time,
    },
};
use crate::cluster::Timestamp;

const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// How long the namespace controller waits, so that no server still takes the namespace for alive:
/// <https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/controller/namespace/namespace_controller.go>.
const NAMESPACE_GRACE: u64 = 5;

/// What the publisher of the certificates writes beside them.
const CERTIFICATE_NOTE: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/// Does all that can be done at [`Store::now`]; answers when there is more to do.
pub(super) fn step(world: &mut World) -> Option<Timestamp> {
    let mut due = namespaces(&mut world.store);
    due = earlier(due, jobs(world));
    due = earlier(due, deployments(&mut world.store));
    replica_sets(world);
    quotas(&mut world.store);
    collect(&mut world.store);
    due
}

/// The condition of this type, if it is there.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    array(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind)
}

fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| text(condition, "/status") == "True")
}

fn finished_at(job: &Value) -> Option<Timestamp> {
    ["Complete", "Failed"]
        .iter()
        .filter(|kind| is_true(job, kind))
        .find_map(|kind| time(condition(job, kind)?, "/lastTransitionTime"))
}

fn namespaces(store: &mut Store) -> Option<Timestamp> {
    let mut due = None;
    for (key, namespace) in store.list(&NAMESPACES, None) {
        let name = key.name.as_str();
        if !is_deleting(&namespace) {
            let account = SERVICE_ACCOUNTS.key(name, "default");
            let certificate = CONFIG_MAPS.key(name, "kube-root-ca.crt");
            if store.get(&account).is_none() {
                store.create(&account, json!({}));
            }
            if store.get(&certificate).is_none() {
                let annotations = json!({"kubernetes.io/description": CERTIFICATE_NOTE});
                let data = json!({"ca.crt": "-----BEGIN CERTIFICATE-----\n"});
                store.create(&certificate, json!({"metadata": {"annotations": annotations}, "data": data}));
            }
            continue;
        }
        let begin = time(&namespace, "/metadata/deletionTimestamp").map(|at| later(at, NAMESPACE_GRACE));
        if begin.is_some_and(|begin| begin > store.now) {
            due = earlier(due, begin);
            continue;
        }
        for (inside, _) in
            store.all().into_iter().filter(|(inside, object)| inside.namespace == name && !is_deleting(object))
        {
            store.delete(&inside, Propagation::Background, None);
        }
        if store.all().iter().all(|(key, _)| key.namespace != name) {
            store.update(&key, |namespace| set(at(namespace, "spec"), "finalizers", Value::Null));
        }
    }
    due
}

fn owned(
    store: &Store,
    resource: &'static super::store::Resource,
    owner: &Value,
    namespace: &str,
) -> Vec<(Key, Rc<Value>)> {
    let uid = &owner["metadata"]["uid"];
    let mut found = store.list(resource, Some(namespace));
    found.retain(|(_, object)| {
        array(object, "/metadata/ownerReferences").iter().any(|reference| reference["uid"] == *uid)
    });
    found
}

/// What a pod's end means for its owner.
struct Count {
    active: Vec<Key>,
    ready: usize,
    succeeded: usize,
    failed: usize,
    terminating: usize,
    last_failure: Option<Timestamp>,
}

fn count(pods: &[(Key, Rc<Value>)]) -> Count {
    let mut count = Count { active: Vec::new(), ready: 0, succeeded: 0, failed: 0, terminating: 0, last_failure: None };
    for (key, pod) in pods {
        let phase = text(pod, "/status/phase");
        count.ready += usize::from(is_true(pod, "Ready"));
        if phase == "Succeeded" {
            count.succeeded += 1;
        } else if phase == "Failed" || is_deleting(pod) {
            // podReplacementPolicy TerminatingOrFailed: a pod on its way out has failed already.
            count.failed += 1;
            count.terminating += usize::from(phase != "Failed");
            let ended = ["/status/containerStatuses/0/state/terminated/finishedAt", "/metadata/creationTimestamp"];
            count.last_failure = count.last_failure.max(ended.iter().find_map(|pointer| time(pod, pointer)));
        } else {
            count.active.push(key.clone());
        }
    }
    count
}

fn jobs(world: &mut World) -> Option<Timestamp> {
    world.store.list(&JOBS, None).into_iter().filter_map(|(key, job)| reconcile_job(world, &key, &job)).min()
}

fn job_event(store: &mut Store, job: &Key, is_warning: bool, reason: &'static str, message: impl Into<String>) {
    Happening { to: job, field: None, from: "job-controller", is_warning, reason, message: message.into() }.note(store);
}

fn reconcile_job(world: &mut World, key: &Key, job: &Value) -> Option<Timestamp> {
    let store = &mut world.store;
    let now = store.now;
    let pods = owned(store, &PODS, job, &key.namespace);
    let finished = finished_at(job);
    for (pod, object) in &pods {
        let is_over = matches!(text(object, "/status/phase"), "Succeeded" | "Failed") || is_deleting(object);
        if is_deleting(job) || finished.is_some() || is_over {
            store.finish(pod, TRACKING);
        }
    }
    if let Some(finished) = finished {
        let expiry = later(finished, number(job, "/spec/ttlSecondsAfterFinished")?);
        if is_deleting(job) || expiry > now {
            return Some(expiry).filter(|_| !is_deleting(job));
        }
        store.delete(key, Propagation::Foreground, None);
        return None;
    }
    let count = count(&pods);
    let mut conditions = array(job, "/status/conditions").to_vec();
    let mut status = json!({"terminating": count.terminating, "uncountedTerminatedPods": {}, "ready": count.ready});
    set(&mut status, "startTime", job["status"]["startTime"].clone());
    let mut due = None;
    let say = |conditions: &mut Vec<Value>, kind: &str, value: &str, reason: &str, message: &str| {
        conditions.retain(|condition| text(condition, "/type") != kind);
        let now = seconds(now);
        conditions.push(json!({"type": kind, "status": value, "reason": reason, "message": message, "lastProbeTime": now, "lastTransitionTime": now}));
    };
    if is_deleting(job) {
        // Its pods are the garbage collector's.
    } else if job["spec"]["suspend"] == true {
        count.active.iter().for_each(|pod| drop(store.delete(pod, Propagation::Background, None)));
        set(&mut status, "startTime", Value::Null);
        if !is_true(job, "Suspended") {
            say(&mut conditions, "Suspended", "True", "JobSuspended", "Job suspended");
            job_event(store, key, false, "Suspended", "Job suspended");
        }
    } else {
        if is_true(job, "Suspended") {
            say(&mut conditions, "Suspended", "False", "JobResumed", "Job resumed");
            job_event(store, key, false, "Resumed", "Job resumed");
            set(&mut status, "startTime", json!(seconds(now)));
        } else if job["status"]["startTime"].is_null() {
            set(&mut status, "startTime", json!(seconds(now)));
        }
        let deadline = time(&status, "/startTime")
            .zip(number(job, "/spec/activeDeadlineSeconds"))
            .map(|(start, limit)| later(start, limit));
        let mut active = count.active.len();
        let target = condition(job, "FailureTarget")
            .map(|target| (text(target, "/reason").to_owned(), text(target, "/message").to_owned()));
        let failure = target.or_else(|| {
            let of = |reason: &str, message: &str| Some((reason.to_owned(), message.to_owned()));
            if deadline.is_some_and(|deadline| now >= deadline) {
                of("DeadlineExceeded", "Job was active longer than specified deadline")
            } else if count.failed as u64 > number(job, "/spec/backoffLimit").unwrap_or(6) {
                of("BackoffLimitExceeded", "Job has reached the specified backoff limit")
            } else {
                None
            }
        });
        if let Some((reason, message)) = failure {
            if !is_true(job, "FailureTarget") {
                say(&mut conditions, "FailureTarget", "True", &reason, &message);
            }
            for pod in &count.active {
                store.delete(pod, Propagation::Background, None);
                job_event(store, key, false, "SuccessfulDelete", format!("Deleted pod: {}", pod.name));
            }
            if active == 0 && count.terminating == 0 {
                say(&mut conditions, "Failed", "True", &reason, &message);
                let event = if reason == "DeadlineExceeded" { "DeadlineExceeded" } else { "BackoffLimitExceeded" };
                job_event(store, key, true, event, message);
            }
            let failed = count.failed + std::mem::take(&mut active);
            set(&mut status, "failed", if failed == 0 { Value::Null } else { json!(failed) });
        } else if count.succeeded as u64 >= number(job, "/spec/completions").unwrap_or(1) {
            for kind in ["SuccessCriteriaMet", "Complete"] {
                say(&mut conditions, kind, "True", "CompletionsReached", "Reached expected number of succeeded pods");
            }
            set(&mut status, "completionTime", json!(seconds(now)));
            job_event(store, key, false, "Completed", "Job completed");
        } else {
            due = deadline;
            if active == 0 {
                let backoff = count.last_failure.map(|last| later(last, 10 << count.failed.saturating_sub(1).min(5)));
                if backoff.is_some_and(|backoff| backoff > now) {
                    due = earlier(due, backoff);
                } else {
                    match make_pod(world, key, job) {
                        Ok(()) => active = 1,
                        Err(retry) => due = earlier(due, Some(retry)),
                    }
                }
            }
        }
        set(&mut status, "active", if active == 0 { Value::Null } else { json!(active) });
    }
    let some = |counted: usize| if counted == 0 { Value::Null } else { json!(counted) };
    set(&mut status, "succeeded", some(count.succeeded));
    if status["failed"].is_null() && !is_deleting(job) {
        set(&mut status, "failed", some(count.failed));
    }
    if !conditions.is_empty() {
        set(&mut status, "conditions", Value::Array(conditions));
    }
    world.store.update(key, |job| set(job, "status", status));
    due
}

/// Makes a pod of the Job; where admission refuses, when to try again.
fn make_pod(world: &mut World, key: &Key, job: &Value) -> Result<(), Timestamp> {
    let account = match text(job, "/spec/template/spec/serviceAccountName") {
        "" => "default",
        account => account,
    };
    let pod = PODS.key(&key.namespace, &format!("{}-", key.name));
    let admission = super::admission::pod_refusal(&world.store, &pod, &job["spec"]["template"]["spec"]);
    let refusal = if world.store.get(&SERVICE_ACCOUNTS.key(&key.namespace, account)).is_none() {
        let why = format!(
            "error looking up service account {}/{account}: serviceaccount {account:?} not found",
            key.namespace
        );
        Some(format!("pods {:?} is forbidden: {why}", pod.name))
    } else if world.fault == Fault::Quota {
        let why = "exceeded quota: compute, requested: pods=1, used: pods=4, limited: pods=4";
        Some(format!("pods {:?} is forbidden: {why}", pod.name))
    } else {
        admission
    };
    let store = &mut world.store;
    if let Some(why) = refusal {
        let message = format!("Error creating: {why}");
        // One event a try: their count is how often it was tried.
        let tries = store.list(&super::store::EVENTS, Some(&key.namespace)).into_iter();
        let told = tries
            .filter(|(_, event)| {
                event["involvedObject"]["uid"] == job["metadata"]["uid"] && text(event, "/reason") == "FailedCreate"
            })
            .map(|(_, event)| event)
            .next_back();
        let next =
            told.and_then(|event| Some(later(time(&event, "/lastTimestamp")?, 1 << number(&event, "/count")?.min(9))));
        if let Some(next) = next.filter(|next| *next > store.now) {
            return Err(next);
        }
        job_event(store, key, true, "FailedCreate", message);
        return Err(later(store.now, 1));
    }
    let pod = pod_of(store, key, job, &job["spec"]["template"], Some(TRACKING));
    job_event(store, key, false, "SuccessfulCreate", format!("Created pod: {pod}"));
    Ok(())
}

/// Makes a pod from a template; answers its name.
fn pod_of(store: &mut Store, owner: &Key, object: &Value, template: &Value, finalizer: Option<&str>) -> String {
    let prefix = format!("{}-", owner.name);
    let name = format!("{prefix}{}", store.suffix(5));
    let mut metadata = template["metadata"].clone();
    set(&mut metadata, "generateName", json!(prefix));
    set(&mut metadata, "ownerReferences", json!([reference(owner, object)]));
    if let Some(finalizer) = finalizer {
        set(&mut metadata, "finalizers", json!([finalizer]));
    }
    let mut spec = template["spec"].clone();
    if text(&spec, "/serviceAccountName").is_empty() {
        set(&mut spec, "serviceAccountName", json!("default"));
    }
    let bounded = array(&spec, "/containers")
        .iter()
        .any(|container| container["resources"].as_object().is_some_and(|resources| !resources.is_empty()));
    let class = if bounded { "Burstable" } else { "BestEffort" };
    let pod = json!({"metadata": metadata, "spec": spec, "status": {"phase": "Pending", "qosClass": class}});
    store.create(&PODS.key(&owner.namespace, &name), pod);
    name
}

fn reference(owner: &Key, object: &Value) -> Value {
    json!({
        "apiVersion": owner.resource.api_version(), "kind": owner.resource.kind, "name": owner.name,
        "uid": object["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    })
}

fn deployments(store: &mut Store) -> Option<Timestamp> {
    let all = store.list(&DEPLOYMENTS, None);
    all.into_iter()
        .filter(|(_, deployment)| !is_deleting(deployment))
        .filter_map(|(key, deployment)| reconcile_deployment(store, &key, &deployment))
        .min()
}

fn replicas(set: &Value) -> u64 {
    number(set, "/spec/replicas").unwrap_or(0)
}

fn scale(store: &mut Store, deployment: &Key, set_key: &Key, from: u64, to: u64) {
    if from == to {
        return;
    }
    store.update(set_key, |object| set(at(object, "spec"), "replicas", json!(to)));
    let direction = if to > from { "up" } else { "down" };
    let message = format!("Scaled {direction} replica set {} from {from} to {to}", set_key.name);
    Happening {
        to: deployment,
        field: None,
        from: "deployment-controller",
        is_warning: false,
        reason: "ScalingReplicaSet",
        message,
    }
    .note(store);
}

fn reconcile_deployment(store: &mut Store, key: &Key, deployment: &Value) -> Option<Timestamp> {
    let now = store.now;
    let template = &deployment["spec"]["template"];
    let mut hasher = DefaultHasher::new();
    sorted(template).hash(&mut hasher);
    let hash = suffix(hasher.finish(), 10);
    let name = format!("{}-{hash}", key.name);
    let newest = REPLICA_SETS.key(&key.namespace, &name);
    let wanted = replicas(deployment);
    let is_first_look = store.get(&newest).is_none();
    if is_first_look {
        let mut template = template.clone();
        set(at(at(&mut template, "metadata"), "labels"), "pod-template-hash", json!(hash));
        let mut selector = deployment["spec"]["selector"].clone();
        set(at(&mut selector, "matchLabels"), "pod-template-hash", json!(hash));
        let labels = template["metadata"]["labels"].clone();
        store.create(
            &newest,
            json!({
                "metadata": {"labels": labels, "ownerReferences": [reference(key, deployment)]},
                "spec": {"replicas": 0, "selector": selector, "template": template},
                "status": {"replicas": 0},
            }),
        );
    }
    let sets = owned(store, &REPLICA_SETS, deployment, &key.namespace);
    let status_sum =
        |name: &str| sets.iter().map(|(_, set)| number(set, &format!("/status/{name}")).unwrap_or(0)).sum::<u64>();
    let recreate = text(deployment, "/spec/strategy/type") == "Recreate";
    let surge = if recreate { 0 } else { wanted.div_ceil(4) };
    let spared = if recreate { wanted } else { wanted / 4 };
    let (old, new): (Vec<_>, Vec<_>) = sets.iter().partition(|(key, _)| *key != newest);
    let current = new.first().map_or(0, |(_, set)| replicas(set));
    // Old pods that don't serve go first, then as many as the new ones replace.
    let mut available = status_sum("availableReplicas");
    let mut left: u64 = 0;
    for (old_key, set) in &old {
        let (has, serve) = (replicas(set), number(set, "/status/availableReplicas").unwrap_or(0).min(replicas(set)));
        let excess = available.saturating_sub(wanted.saturating_sub(spared)).min(serve);
        let keep = if recreate { 0 } else { serve - excess };
        available -= serve - keep;
        scale(store, key, old_key, has, keep);
        left += keep.max(if recreate { number(set, "/status/replicas").unwrap_or(0) } else { 0 });
    }
    let room = (wanted + surge).saturating_sub(left);
    let target = if recreate && left > 0 { current } else { wanted.min(room.max(current.min(wanted))) };
    scale(store, key, &newest, current, target);

    let (total, ready, available) =
        (status_sum("replicas"), status_sum("readyReplicas"), status_sum("availableReplicas"));
    let (updated, serving) = new.first().map_or((0, 0), |(_, set)| {
        (number(set, "/status/replicas").unwrap_or(0), number(set, "/status/availableReplicas").unwrap_or(0))
    });
    let is_complete = updated == wanted && total == wanted && serving >= wanted;
    let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
    let missing = total.max(wanted).saturating_sub(available);
    for (name, counted) in [
        ("replicas", total),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", available),
        ("unavailableReplicas", missing),
    ] {
        set(&mut status, name, if counted == 0 { Value::Null } else { json!(counted) });
    }
    let enough = available >= wanted.saturating_sub(if recreate { 0 } else { spared });
    let availability = if enough {
        ("Available", true, "MinimumReplicasAvailable", "Deployment has minimum availability.".to_owned())
    } else {
        ("Available", false, "MinimumReplicasUnavailable", "Deployment does not have minimum availability.".to_owned())
    };
    let progress = condition(deployment, "Progressing");
    let reason = progress.map_or("", |progress| text(progress, "/reason"));
    let counts_changed = ["updatedReplicas", "readyReplicas", "availableReplicas", "replicas"]
        .iter()
        .any(|name| deployment["status"].get(*name) != status.get(*name));
    let limit = number(deployment, "/spec/progressDeadlineSeconds").unwrap_or(600);
    let deadline = progress.and_then(|progress| time(progress, "/lastUpdateTime")).map(|last| later(last, limit));
    let mut due = None;
    let progressing = if is_first_look {
        ("NewReplicaSetCreated", true, format!("Created new replica set {name:?}"))
    } else if is_complete {
        ("NewReplicaSetAvailable", true, format!("ReplicaSet {name:?} has successfully progressed."))
    } else if counts_changed && updated > 0 {
        ("ReplicaSetUpdated", true, format!("ReplicaSet {name:?} is progressing."))
    } else if reason == "ProgressDeadlineExceeded"
        || deadline.is_some_and(|deadline| now >= deadline) && reason != "NewReplicaSetAvailable"
    {
        ("ProgressDeadlineExceeded", false, format!("ReplicaSet {name:?} has timed out progressing."))
    } else {
        due = deadline.filter(|_| reason != "NewReplicaSetAvailable");
        let message = progress.map_or("", |progress| text(progress, "/message")).to_owned();
        let reason = match reason {
            "ReplicaSetUpdated" => "ReplicaSetUpdated",
            "NewReplicaSetAvailable" => "NewReplicaSetAvailable",
            _ => "NewReplicaSetCreated",
        };
        (reason, true, message)
    };
    let wanted_conditions = [availability, ("Progressing", progressing.1, progressing.0, progressing.2)];
    let mut conditions: Vec<Value> = wanted_conditions
        .iter()
        .map(|(kind, holds, reason, message)| {
            let old = condition(deployment, kind);
            let value = if *holds { "True" } else { "False" };
            let same = |name: &str, new: &str| old.is_some_and(|old| text(old, name) == new);
            let now = json!(seconds(now));
            let kept = |name: &str, keep: bool| old.filter(|_| keep).map_or_else(|| now.clone(), |old| old[name].clone());
            let unchanged = same("/reason", reason) && same("/message", message) && !(*kind == "Progressing" && counts_changed);
            json!({
                "type": kind, "status": value, "reason": reason, "message": message,
                "lastTransitionTime": kept("lastTransitionTime", same("/status", value)), "lastUpdateTime": kept("lastUpdateTime", unchanged),
            })
        })
        .collect();
    // What keeps its ReplicaSet from making pods is its trouble as well.
    conditions.extend(new.first().and_then(|(_, set)| condition(set, "ReplicaFailure")).cloned());
    set(&mut status, "conditions", Value::Array(conditions));
    store.update(key, |deployment| set(deployment, "status", status));
    due
}

fn replica_sets(world: &mut World) {
    let store = &mut world.store;
    for (key, object) in store.list(&REPLICA_SETS, None) {
        if is_deleting(&object) {
            continue;
        }
        let say = |store: &mut Store, reason: &'static str, message: String| {
            Happening { to: &key, field: None, from: "replicaset-controller", is_warning: false, reason, message }
                .note(store);
        };
        let mut pods = owned(store, &PODS, &object, &key.namespace);
        // A pod that has ended, or is on its way out, is replaced.
        pods.retain(|(_, pod)| !is_deleting(pod) && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed"));
        let wanted = usize::try_from(replicas(&object)).unwrap_or(0);
        let mut failure = Value::Null;
        for _ in pods.len()..wanted {
            let new = PODS.key(&key.namespace, &format!("{}-", key.name));
            if let Some(why) = super::admission::pod_refusal(store, &new, &object["spec"]["template"]["spec"]) {
                let old = condition(&object, "ReplicaFailure");
                let since = old.map_or_else(|| json!(seconds(store.now)), |old| old["lastTransitionTime"].clone());
                if old.is_none() {
                    let message = format!("Error creating: {why}");
                    let from = "replicaset-controller";
                    Happening { to: &key, field: None, from, is_warning: true, reason: "FailedCreate", message }
                        .note(store);
                }
                failure = json!([{
                    "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": why, "lastTransitionTime": since,
                }]);
                break;
            }
            let name = pod_of(store, &key, &object, &object["spec"]["template"], None);
            say(store, "SuccessfulCreate", format!("Created pod: {name}"));
        }
        pods.sort_by_key(|(_, pod)| is_true(pod, "Ready"));
        for (pod, _) in pods.iter().take(pods.len().saturating_sub(wanted)) {
            store.delete(pod, Propagation::Background, None);
            say(store, "SuccessfulDelete", format!("Deleted pod: {}", pod.name));
        }
        let mut pods = owned(store, &PODS, &object, &key.namespace);
        pods.retain(|(_, pod)| !is_deleting(pod) && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed"));
        let ready = pods.iter().filter(|(_, pod)| is_true(pod, "Ready")).count();
        let mut status = json!({"observedGeneration": object["metadata"]["generation"], "replicas": pods.len()});
        for (name, counted) in
            [("fullyLabeledReplicas", pods.len()), ("readyReplicas", ready), ("availableReplicas", ready)]
        {
            set(&mut status, name, if counted == 0 { Value::Null } else { json!(counted) });
        }
        set(&mut status, "conditions", failure);
        store.update(&key, |object| set(object, "status", status));
    }
}

/// What quotas count.
fn quotas(store: &mut Store) {
    for (key, quota) in store.list(&QUOTAS, None) {
        let hard = quota["spec"]["hard"].clone();
        let used =
            hard.as_object().into_iter().flatten().map(|(name, _)| {
                (name.clone(), json!(super::admission::used(store, &key.namespace, name).to_string()))
            });
        let status = json!({"hard": hard, "used": Value::Object(used.collect())});
        store.update(&key, |quota| set(quota, "status", status));
    }
}

/// Deletes what has lost its owners, and lets go what waited for its dependents.
/// <https://kubernetes.io/docs/concepts/architecture/garbage-collection/#owners-dependents>
fn collect(store: &mut Store) {
    let all = store.all();
    let by_uid: BTreeMap<&str, &(Key, Rc<Value>)> =
        all.iter().map(|object| (text(&object.1, "/metadata/uid"), object)).collect();
    let holds =
        |object: &Value, finalizer: &str| array(object, "/metadata/finalizers").iter().any(|held| held == finalizer);
    for (key, object) in &all {
        let references = array(object, "/metadata/ownerReferences");
        if references.is_empty() {
            continue;
        }
        let owners: Vec<_> =
            references.iter().map(|reference| (reference, by_uid.get(text(reference, "/uid")))).collect();
        let is_waited_for = owners.iter().any(|(reference, owner)| {
            reference["blockOwnerDeletion"] == true && owner.is_some_and(|(_, owner)| holds(owner, FOREGROUND))
        });
        let is_orphaned = owners.iter().all(|(_, owner)| owner.is_none());
        if owners.iter().any(|(_, owner)| owner.is_some_and(|(_, owner)| holds(owner, ORPHAN))) {
            let left: Vec<Value> = owners
                .iter()
                .filter(|(_, owner)| !owner.is_some_and(|(_, owner)| holds(owner, ORPHAN)))
                .map(|(reference, _)| (*reference).clone())
                .collect();
            store.update(key, |object| {
                set(
                    at(object, "metadata"),
                    "ownerReferences",
                    if left.is_empty() { Value::Null } else { Value::Array(left) },
                )
            });
        } else if (is_waited_for || is_orphaned) && !is_deleting(object) {
            store.delete(key, Propagation::Background, None);
        }
    }
    for (key, object) in all.iter().filter(|(_, object)| is_deleting(object)) {
        if holds(object, ORPHAN) {
            store.finish(key, ORPHAN);
        }
        let uid = &object["metadata"]["uid"];
        let is_blocked = || {
            store.all().iter().any(|(_, dependent)| {
                array(dependent, "/metadata/ownerReferences")
                    .iter()
                    .any(|reference| reference["uid"] == *uid && reference["blockOwnerDeletion"] == true)
            })
        };
        if holds(object, FOREGROUND) && !is_blocked() {
            store.finish(key, FOREGROUND);
        }
    }
}
