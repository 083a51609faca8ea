//! Events as components write them: the same again is counted, not written twice.
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>

use serde_json::{Value, json};

use super::store::{EVENTS, Key, Store, seconds, set, text};

/// What happened to an object, and who says so.
pub(super) struct Happening<'a> {
    /// The object it happened to.
    pub to: &'a Key,
    /// A part of it: `spec.containers{helm}`.
    pub field: Option<String>,
    /// `job-controller`, `kubelet`, ...
    pub from: &'static str,
    pub is_warning: bool,
    pub reason: &'static str,
    pub message: String,
}

impl Happening<'_> {
    /// Writes it down. Nothing is written where the object is gone.
    pub fn note(self, store: &mut Store) {
        let Some(object) = store.get(self.to).cloned() else { return };
        let uid = text(&object, "/metadata/uid");
        let now = seconds(store.now);
        let same = store.list(&EVENTS, Some(&self.to.namespace)).into_iter().find(|(_, event)| {
            text(event, "/involvedObject/uid") == uid
                && text(event, "/reason") == self.reason
                && text(event, "/message") == self.message
        });
        // The scheduler writes the newer kind of event, which has a time of its own and no count.
        let is_new_kind = self.from == "default-scheduler";
        if let Some((key, _)) = same.filter(|_| !is_new_kind) {
            store.update(&key, |event| {
                let count = event["count"].as_u64().unwrap_or(1) + 1;
                set(event, "count", json!(count));
                set(event, "lastTimestamp", json!(now));
            });
            return;
        }
        let mut involved = json!({
            "kind": self.to.resource.kind, "namespace": self.to.namespace, "name": self.to.name, "uid": uid,
            "apiVersion": self.to.resource.api_version(), "resourceVersion": object["metadata"]["resourceVersion"],
        });
        if let Some(field) = &self.field {
            set(&mut involved, "fieldPath", json!(field));
        }
        let mut event = json!({
            "involvedObject": involved, "reason": self.reason, "message": self.message,
            "type": if self.is_warning { "Warning" } else { "Normal" },
            "reportingComponent": self.from,
        });
        if is_new_kind {
            let action = if self.is_warning { "Scheduling" } else { "Binding" };
            for (name, value) in [
                ("source", json!({})),
                ("eventTime", json!(store.now.to_string())),
                ("action", json!(action)),
                ("reportingInstance", json!("default-scheduler-node-1")),
            ] {
                set(&mut event, name, value);
            }
        } else {
            let source = if self.from == "kubelet" {
                json!({"component": self.from, "host": super::kubelet::NODE})
            } else {
                json!({"component": self.from})
            };
            let instance = if self.from == "kubelet" { super::kubelet::NODE } else { "" };
            for (name, value) in [
                ("source", source),
                ("firstTimestamp", json!(now)),
                ("lastTimestamp", json!(now)),
                ("count", json!(1)),
                ("reportingInstance", json!(instance)),
            ] {
                set(&mut event, name, value);
            }
            if let Value::Object(members) = &mut event {
                members.insert("eventTime".to_owned(), Value::Null);
            }
        }
        let name = format!("{}.{:x}", self.to.name, store.random());
        store.create(&EVENTS.key(&self.to.namespace, &name), event);
    }
}
