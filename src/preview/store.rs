//! What the simulated cluster remembers: objects, and every change to them since the last compaction.
//!
//! What always holds: every write has its own resource version, higher than all before; an object carries the
//! version of its last write; a write that changes nothing is none. Objects are kept without `kind` and
//! `apiVersion`, as lists show them.

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use serde_json::{Value, json};

use crate::cluster::Timestamp;

/// A kind of object that the simulated API server serves.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Resource {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// `v1` throughout.
    pub version: &'static str,
    pub plural: &'static str,
    pub kind: &'static str,
    pub namespaced: bool,
    /// `metadata.generation` counts changes of the spec.
    pub generation: bool,
}

const fn kind(group: &'static str, plural: &'static str, kind: &'static str) -> Resource {
    Resource { group, version: "v1", plural, kind, namespaced: true, generation: false }
}

const fn specified(group: &'static str, plural: &'static str, name: &'static str) -> Resource {
    Resource { generation: true, ..kind(group, plural, name) }
}

const fn cluster_wide(group: &'static str, plural: &'static str, name: &'static str) -> Resource {
    Resource { namespaced: false, ..kind(group, plural, name) }
}

pub(super) const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) static NAMESPACES: Resource = cluster_wide("", "namespaces", "Namespace");
pub(super) static PODS: Resource = specified("", "pods", "Pod");
pub(super) static EVENTS: Resource = kind("", "events", "Event");
pub(super) static SECRETS: Resource = kind("", "secrets", "Secret");
pub(super) static CONFIG_MAPS: Resource = kind("", "configmaps", "ConfigMap");
pub(super) static SERVICES: Resource = kind("", "services", "Service");
pub(super) static SERVICE_ACCOUNTS: Resource = kind("", "serviceaccounts", "ServiceAccount");
pub(super) static CLAIMS: Resource = kind("", "persistentvolumeclaims", "PersistentVolumeClaim");
pub(super) static DEPLOYMENTS: Resource = specified("apps", "deployments", "Deployment");
pub(super) static REPLICA_SETS: Resource = specified("apps", "replicasets", "ReplicaSet");
pub(super) static JOBS: Resource = specified("batch", "jobs", "Job");
pub(super) static LEASES: Resource = kind("coordination.k8s.io", "leases", "Lease");
pub(super) static INGRESSES: Resource = specified("networking.k8s.io", "ingresses", "Ingress");
pub(super) static CLUSTER_ROLES: Resource = cluster_wide(RBAC, "clusterroles", "ClusterRole");
pub(super) static CLUSTER_ROLE_BINDINGS: Resource = cluster_wide(RBAC, "clusterrolebindings", "ClusterRoleBinding");
pub(super) static ROLES: Resource = kind(RBAC, "roles", "Role");
pub(super) static ROLE_BINDINGS: Resource = kind(RBAC, "rolebindings", "RoleBinding");
pub(super) static NODES: Resource = cluster_wide("", "nodes", "Node");
static ENDPOINTS: Resource = kind("", "endpoints", "Endpoints");
pub(super) static QUOTAS: Resource = kind("", "resourcequotas", "ResourceQuota");
static STATEFUL_SETS: Resource = specified("apps", "statefulsets", "StatefulSet");
static CRON_JOBS: Resource = specified("batch", "cronjobs", "CronJob");
pub(super) static WEBHOOKS: Resource =
    cluster_wide("admissionregistration.k8s.io", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration");
static NETWORK_POLICIES: Resource = specified("networking.k8s.io", "networkpolicies", "NetworkPolicy");

/// All kinds that are served; the Gateway API is not, as on a cluster without its CRDs.
pub(super) static RESOURCES: [&Resource; 24] = [
    &NAMESPACES,
    &PODS,
    &EVENTS,
    &SECRETS,
    &CONFIG_MAPS,
    &SERVICES,
    &SERVICE_ACCOUNTS,
    &CLAIMS,
    &NODES,
    &ENDPOINTS,
    &QUOTAS,
    &DEPLOYMENTS,
    &REPLICA_SETS,
    &STATEFUL_SETS,
    &JOBS,
    &CRON_JOBS,
    &LEASES,
    &INGRESSES,
    &NETWORK_POLICIES,
    &CLUSTER_ROLES,
    &CLUSTER_ROLE_BINDINGS,
    &ROLES,
    &ROLE_BINDINGS,
    &WEBHOOKS,
];

impl Resource {
    /// The kind called `plural` in `group`.
    pub fn find(group: &str, plural: &str) -> Option<&'static Self> {
        RESOURCES.iter().copied().find(|r| r.group == group && r.plural == plural)
    }

    /// The kind of a manifest.
    pub fn of(manifest: &Value) -> Option<&'static Self> {
        let (api_version, kind) = (text(manifest, "/apiVersion"), text(manifest, "/kind"));
        RESOURCES.iter().copied().find(|r| r.kind == kind && r.api_version() == api_version)
    }

    /// `v1`, or `group/version`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The name in refusals: `jobs.batch`, `secrets`.
    pub fn qualified(&self) -> String {
        qualified(self.plural, self.group)
    }

    /// The object of this kind called `name`.
    pub fn key(&'static self, namespace: &str, name: &str) -> Key {
        let namespace = if self.namespaced { namespace.to_owned() } else { String::new() };
        Key { resource: self, namespace, name: name.to_owned() }
    }
}

/// `name.group`, without the dot in the core group.
pub(super) fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub resource: &'static Resource,
    /// Empty for what is cluster-wide.
    pub namespace: String,
    pub name: String,
}

/// One write.
pub(super) struct Change {
    pub version: u64,
    pub key: Key,
    /// The object before; `None` where it was made by this write.
    pub before: Option<Rc<Value>>,
    /// The object after, or as it last was, with this write's version.
    pub object: Rc<Value>,
    pub deleted: bool,
}

/// How many changes are kept for those who watch. etcd keeps five minutes of them.
const KEPT_CHANGES: usize = 1000;

/// Every object, and what happened to them.
pub(super) struct Store {
    /// The cluster's clock; whoever works on the store sets it first.
    pub now: Timestamp,
    objects: BTreeMap<Key, Rc<Value>>,
    changes: VecDeque<Change>,
    version: u64,
    compacted: u64,
    random: u64,
}

impl Store {
    /// An empty store; `now` also seeds its uids.
    pub fn new(now: Timestamp) -> Self {
        let random = now.millis().unsigned_abs() ^ 0x9e37_79b9_7f4a_7c15;
        Self { now, objects: BTreeMap::new(), changes: VecDeque::new(), version: 0, compacted: 0, random }
    }

    /// The newest resource version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Versions up to this one can't be watched from any more.
    pub fn compacted(&self) -> u64 {
        self.compacted
    }

    /// Forgets all changes so far, as etcd's compaction does.
    pub fn compact(&mut self) {
        self.changes.clear();
        self.compacted = self.version;
    }

    pub fn get(&self, key: &Key) -> Option<&Rc<Value>> {
        self.objects.get(key)
    }

    /// The objects of a kind, by name; in one namespace or in all.
    pub fn list(&self, resource: &'static Resource, namespace: Option<&str>) -> Vec<(Key, Rc<Value>)> {
        self.objects
            .iter()
            .filter(|(key, _)| key.resource == resource && namespace.is_none_or(|wanted| key.namespace == wanted))
            .map(|(key, value)| (key.clone(), Rc::clone(value)))
            .collect()
    }

    /// Every object.
    pub fn all(&self) -> Vec<(Key, Rc<Value>)> {
        self.objects.iter().map(|(key, value)| (key.clone(), Rc::clone(value))).collect()
    }

    /// The changes after `version`, oldest first.
    pub fn changes_after(&self, version: u64) -> impl Iterator<Item = &Change> {
        let from = self.changes.partition_point(|change| change.version <= version);
        self.changes.range(from..)
    }

    /// Makes an object: names, uid, times and counters are filled in.
    pub fn create(&mut self, key: &Key, object: Value) -> Rc<Value> {
        let object = self.born(key, object);
        self.write(key, object)
    }

    /// The object as [`Store::create`] would make it, all but its version.
    pub fn born(&mut self, key: &Key, mut object: Value) -> Value {
        let uid = self.uid();
        let now = seconds(self.now);
        if let Some(object) = object.as_object_mut() {
            object.remove("kind");
            object.remove("apiVersion");
        }
        let metadata = at(&mut object, "metadata");
        set(metadata, "name", json!(key.name));
        if key.resource.namespaced {
            set(metadata, "namespace", json!(key.namespace));
        }
        set(metadata, "uid", json!(uid));
        set(metadata, "creationTimestamp", json!(now));
        if key.resource.generation {
            set(metadata, "generation", json!(1));
        }
        object
    }

    /// Changes an object, and its generation where the spec changed. Nothing happens where there is none.
    pub fn update(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        let Some(old) = self.objects.get(key) else { return };
        let mut new = Value::clone(old);
        change(&mut new);
        self.replace(key, new);
    }

    /// Puts `new` in the place of what is there; counts the generation.
    pub fn replace(&mut self, key: &Key, mut new: Value) -> Rc<Value> {
        if let Some(old) = self.objects.get(key)
            && key.resource.generation
            // Binding a pod to its node is no change that counts.
            && key.resource != &PODS
            && old.get("spec") != new.get("spec")
        {
            let generation = old["metadata"]["generation"].as_u64().unwrap_or(0) + 1;
            set(at(&mut new, "metadata"), "generation", json!(generation));
        }
        if is_done(&new) { self.remove(key, new) } else { self.write(key, new) }
    }

    fn write(&mut self, key: &Key, mut object: Value) -> Rc<Value> {
        let before = self.objects.get(key).cloned();
        if let Some(before) = &before {
            set(at(&mut object, "metadata"), "resourceVersion", before["metadata"]["resourceVersion"].clone());
            if **before == object {
                return Rc::clone(before);
            }
        }
        self.version += 1;
        set(at(&mut object, "metadata"), "resourceVersion", json!(self.version.to_string()));
        let object = Rc::new(object);
        self.objects.insert(key.clone(), Rc::clone(&object));
        self.note(Change {
            version: self.version,
            key: key.clone(),
            before,
            object: Rc::clone(&object),
            deleted: false,
        });
        object
    }

    /// Takes an object away, whatever holds it; answers what was there.
    pub fn remove(&mut self, key: &Key, mut last: Value) -> Rc<Value> {
        let Some(before) = self.objects.remove(key) else { return Rc::new(last) };
        self.version += 1;
        set(at(&mut last, "metadata"), "resourceVersion", json!(self.version.to_string()));
        let object = Rc::new(last);
        self.note(Change {
            version: self.version,
            key: key.clone(),
            before: Some(before),
            object: Rc::clone(&object),
            deleted: true,
        });
        object
    }

    fn note(&mut self, change: Change) {
        self.changes.push_back(change);
        if self.changes.len() > KEPT_CHANGES
            && let Some(oldest) = self.changes.pop_front()
        {
            self.compacted = oldest.version;
        }
    }

    /// Between 0 and the largest number; the same row for the same seed (xorshift).
    pub fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// A random UUID.
    pub fn uid(&mut self) -> String {
        let (a, b) = (self.random(), self.random());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            b >> 48 & 0x3fff | 0x8000,
            b & 0xffff_ffff_ffff
        )
    }

    /// Letters as Kubernetes ends generated names with: no vowels, so no words.
    /// <https://github.com/kubernetes/apimachinery/blob/master/pkg/util/rand/rand.go>
    pub fn suffix(&mut self, length: usize) -> String {
        let random = self.random();
        suffix(random, length)
    }
}

/// `length` letters of `number`, as [`Store::suffix`].
pub(super) fn suffix(mut number: u64, length: usize) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..length)
        .map(|_| {
            let letter = LETTERS[usize::try_from(number % 27).unwrap_or(0)];
            number /= 27;
            char::from(letter)
        })
        .collect()
}

/// Marked for deletion, and nothing holds it any more.
fn is_done(object: &Value) -> bool {
    let metadata = &object["metadata"];
    let held = metadata["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
        || object["spec"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty());
    !metadata["deletionTimestamp"].is_null()
        && metadata["deletionGracePeriodSeconds"].as_u64().unwrap_or(0) == 0
        && !held
}

/// The text at a JSON pointer; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at a JSON pointer.
pub(super) fn number(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer).and_then(Value::as_u64)
}

/// The time at a JSON pointer.
pub(super) fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text(value, pointer))
}

/// The array at a JSON pointer; empty where there is none.
pub(super) fn array<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The member `name`, made where it is missing or null.
pub(super) fn at<'a>(value: &'a mut Value, name: &str) -> &'a mut Value {
    if !value.is_object() {
        *value = json!({});
    }
    let member = &mut value[name];
    if member.is_null() {
        *member = json!({});
    }
    member
}

/// Sets the member `name`; takes it away where `to` is null.
pub(super) fn set(value: &mut Value, name: &str, to: Value) {
    if !value.is_object() {
        *value = json!({});
    }
    if let Some(object) = value.as_object_mut() {
        if to.is_null() {
            object.remove(name);
        } else {
            object.insert(name.to_owned(), to);
        }
    }
}

/// `2026-11-23T01:02:03Z`: the form of Kubernetes' `Time`.
pub(super) fn seconds(time: Timestamp) -> String {
    let text = time.to_string();
    format!("{}Z", text.get(..19).unwrap_or_default())
}

/// `value` as text with the members of every object in the order of their names, as Go writes maps.
pub(super) fn sorted(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<&String, &Value> = members.iter().collect();
            let shown: Vec<String> =
                members.into_iter().map(|(name, value)| format!("{}:{}", json!(name), sorted(value))).collect();
            format!("{{{}}}", shown.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// Whether an object is on its way out.
pub(super) fn is_deleting(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// The earlier of two times, where there are any.
pub(super) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// `time`, `seconds` later.
pub(super) fn later(time: Timestamp, seconds: u64) -> Timestamp {
    time.after(Duration::from_secs(seconds))
}

/// What happens to the dependents of a deleted object.
/// <https://kubernetes.io/docs/concepts/architecture/garbage-collection/>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Propagation {
    Foreground,
    Background,
    Orphan,
}

pub(super) const FOREGROUND: &str = "foregroundDeletion";
pub(super) const ORPHAN: &str = "orphan";

impl Store {
    /// Deletes an object by Kubernetes' rules: what holds it is marked, what nothing holds is gone. Answers what is
    /// left, or what was there; `None` where there is nothing.
    pub fn delete(&mut self, key: &Key, propagation: Propagation, grace: Option<u64>) -> Option<Rc<Value>> {
        let old = self.objects.get(key)?;
        let mut new = Value::clone(old);
        let now = self.now;
        let was_deleting = is_deleting(&new);
        let in_namespace_object = key.resource == &NAMESPACES;
        // The kubelet gives a pod that has been placed and still runs its time to end.
        let placed = key.resource == &PODS && !text(&new, "/spec/nodeName").is_empty();
        let over = matches!(text(&new, "/status/phase"), "Succeeded" | "Failed");
        let grace = if placed && !over {
            grace.or_else(|| number(&new, "/spec/terminationGracePeriodSeconds")).unwrap_or(30)
        } else {
            0
        };
        let metadata = at(&mut new, "metadata");
        let finalizer = match propagation {
            Propagation::Foreground => Some(FOREGROUND),
            Propagation::Orphan => Some(ORPHAN),
            Propagation::Background => None,
        };
        let mut finalizers: Vec<Value> = array(metadata, "/finalizers").to_vec();
        finalizers.retain(|f| f != FOREGROUND && f != ORPHAN);
        finalizers.extend(finalizer.map(|f| json!(f)));
        let is_held = !finalizers.is_empty() || in_namespace_object || grace > 0;
        set(metadata, "finalizers", if finalizers.is_empty() { Value::Null } else { Value::Array(finalizers) });
        if !is_held && !was_deleting {
            return Some(self.remove(key, new));
        }
        if !was_deleting {
            set(metadata, "deletionTimestamp", json!(seconds(later(now, grace))));
            if !in_namespace_object {
                set(metadata, "deletionGracePeriodSeconds", json!(grace));
            }
            if key.resource.generation {
                let generation = metadata["generation"].as_u64().unwrap_or(0) + 1;
                set(metadata, "generation", json!(generation));
            }
        } else if grace == 0 && placed {
            set(metadata, "deletionGracePeriodSeconds", json!(0));
        }
        if in_namespace_object {
            set(at(&mut new, "status"), "phase", json!("Terminating"));
        }
        Some(self.replace(key, new))
    }

    /// Takes `finalizer` off an object; it goes if that was the last that held it.
    pub fn finish(&mut self, key: &Key, finalizer: &str) {
        self.update(key, |object| {
            let metadata = at(object, "metadata");
            let left: Vec<Value> = array(metadata, "/finalizers").iter().filter(|f| *f != finalizer).cloned().collect();
            set(metadata, "finalizers", if left.is_empty() { Value::Null } else { Value::Array(left) });
        });
    }
}
