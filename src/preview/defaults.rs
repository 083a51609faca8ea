//! What the API server fills in and checks when an object is written, for the kinds that are met here.
//!
//! Shapes are those of a real API server 1.34 (`kubectl create -o yaml` of each kind).

use serde_json::{Value, json};

use super::store::{
    CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, DEPLOYMENTS, JOBS, Key, LEASES, NAMESPACES, ROLE_BINDINGS, SECRETS, SERVICES,
    Store, array, at, set, sorted, text,
};

/// Fills in what `object`, about to be written as `key`, leaves open. It has its uid already.
pub(super) fn fill(store: &mut Store, key: &Key, object: &mut Value) {
    let uid = text(object, "/metadata/uid").to_owned();
    if key.resource == &NAMESPACES {
        set(at(at(object, "metadata"), "labels"), "kubernetes.io/metadata.name", json!(key.name));
        if object["metadata"]["deletionTimestamp"].is_null() {
            or(at(object, "spec"), "finalizers", json!(["kubernetes"]));
            or(at(object, "status"), "phase", json!("Active"));
        }
    } else if key.resource == &SECRETS {
        if let Some(plain) = object.get("stringData").and_then(Value::as_object).cloned() {
            set(object, "stringData", Value::Null);
            let data = at(object, "data");
            plain.iter().for_each(|(name, value)| {
                set(data, name, json!(encode(value.as_str().unwrap_or_default().as_bytes())))
            });
        }
        or(object, "type", json!("Opaque"));
    } else if key.resource == &LEASES {
        or(object, "spec", json!({}));
    } else if key.resource == &JOBS {
        fill_job(object, &key.name, &uid);
    } else if key.resource == &DEPLOYMENTS {
        let spec = at(object, "spec");
        for (name, value) in [
            ("replicas", json!(1)),
            ("progressDeadlineSeconds", json!(600)),
            ("revisionHistoryLimit", json!(10)),
            (
                "strategy",
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}),
            ),
        ] {
            or(spec, name, value);
        }
        let pod = at(at(spec, "template"), "spec");
        or(pod, "restartPolicy", json!("Always"));
        fill_pod(pod);
        or(object, "status", json!({}));
    } else if key.resource == &SERVICES {
        let address = format!("10.96.{}.{}", store.random() % 256, store.random() % 254 + 1);
        let spec = at(object, "spec");
        or(spec, "type", json!("ClusterIP"));
        or(spec, "clusterIP", json!(address));
        let address = spec["clusterIP"].clone();
        or(spec, "clusterIPs", json!([address]));
        or(spec, "sessionAffinity", json!("None"));
        or(at(object, "status"), "loadBalancer", json!({}));
    } else if key.resource == &CLUSTER_ROLE_BINDINGS || key.resource == &ROLE_BINDINGS {
        or(at(object, "roleRef"), "apiGroup", json!(CLUSTER_ROLES.group));
    }
}

fn fill_job(object: &mut Value, name: &str, uid: &str) {
    let spec = at(object, "spec");
    for (field, value) in [
        ("parallelism", json!(1)),
        ("completions", json!(1)),
        ("backoffLimit", json!(6)),
        ("suspend", json!(false)),
        ("manualSelector", json!(false)),
        ("completionMode", json!("NonIndexed")),
        ("podReplacementPolicy", json!("TerminatingOrFailed")),
        ("selector", json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}})),
    ] {
        or(spec, field, value);
    }
    let template = at(spec, "template");
    let labels = at(at(template, "metadata"), "labels");
    for (label, value) in [
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
        ("controller-uid", uid),
        ("job-name", name),
    ] {
        set(labels, label, json!(value));
    }
    fill_pod(at(template, "spec"));
    or(object, "status", json!({}));
}

fn fill_pod(spec: &mut Value) {
    if array(spec, "/initContainers").is_empty() {
        set(spec, "initContainers", Value::Null);
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        for source in ["secret", "configMap"] {
            if let Some(source) = volume.get_mut(source) {
                or(source, "defaultMode", json!(0o644));
            }
        }
    }
    for (field, value) in [
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
    ] {
        or(spec, field, value);
    }
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        or(spec, "serviceAccount", account);
    }
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let latest = text(container, "/image")
                .rsplit('/')
                .next()
                .is_some_and(|image| !image.contains(':') || image.ends_with(":latest"));
            or(container, "imagePullPolicy", json!(if latest { "Always" } else { "IfNotPresent" }));
            or(container, "resources", json!({}));
            or(container, "terminationMessagePath", json!("/dev/termination-log"));
            or(container, "terminationMessagePolicy", json!("File"));
        }
    }
}

fn or(object: &mut Value, name: &str, value: Value) {
    if object.get(name).is_none_or(Value::is_null) {
        set(object, name, value);
    }
}

/// A field that can't be as it is: its path, and the rest of the API server's sentence.
pub(super) struct BadField {
    pub field: &'static str,
    pub message: String,
    pub reason: &'static str,
}

fn bad(field: &'static str, reason: &'static str, message: impl Into<String>) -> BadField {
    BadField { field, message: message.into(), reason }
}

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// What is wrong with `new` (over `old`, where there is one), in the API server's words.
pub(super) fn check(key: &Key, old: Option<&Value>, new: &Value) -> Vec<BadField> {
    let mut found = Vec::new();
    found.extend(check_name(key));
    for owner in array(new, "/metadata/ownerReferences") {
        if text(owner, "/apiVersion").is_empty() {
            let message = "Invalid value: \"\": version must not be empty";
            found.push(bad("metadata.ownerReferences.apiVersion", "FieldValueInvalid", message));
        }
        if text(owner, "/uid").is_empty() {
            found.push(bad("metadata.ownerReferences.uid", "FieldValueRequired", "Required value: must not be empty"));
        }
    }
    if key.resource == &JOBS {
        let pod = &new["spec"]["template"]["spec"];
        if array(pod, "/containers").is_empty() {
            found.push(bad("spec.template.spec.containers", "FieldValueRequired", "Required value"));
        }
        if !matches!(text(pod, "/restartPolicy"), "OnFailure" | "Never") {
            let message = "Required value: valid values: \"OnFailure\", \"Never\"";
            found.push(bad("spec.template.spec.restartPolicy", "FieldValueRequired", message));
        }
    }
    found.extend(old.and_then(|old| check_fixed(key, old, new)));
    found
}

fn check_name(key: &Key) -> Option<BadField> {
    let name = &key.name;
    let is_label = |part: &str| {
        part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let rule = if key.resource == &NAMESPACES { LABEL } else { SUBDOMAIN };
    let is_good = match key.resource.group {
        // Names of roles and their bindings may be any path segment.
        group if group == CLUSTER_ROLES.group => true,
        _ if key.resource == &NAMESPACES => is_label(name),
        _ => name.split('.').all(is_label),
    };
    if name.is_empty() {
        return Some(bad("metadata.name", "FieldValueRequired", "Required value: name or generateName is required"));
    }
    (!is_good).then(|| bad("metadata.name", "FieldValueInvalid", format!("Invalid value: {name:?}: {rule}")))
}

/// Fields that can't be changed.
fn check_fixed(key: &Key, old: &Value, new: &Value) -> Option<BadField> {
    let (path, field, name) = match key.resource {
        resource if resource == &CLUSTER_ROLE_BINDINGS || resource == &ROLE_BINDINGS => {
            ("/roleRef", "roleRef", "roleRef")
        }
        resource if resource == &DEPLOYMENTS => ("/spec/selector", "spec.selector", "selector"),
        resource if resource == &JOBS => ("/spec/template", "spec.template", "template"),
        _ => return None,
    };
    let (before, after) = (old.pointer(path), new.pointer(path));
    if before == after {
        return None;
    }
    let after = after.cloned().unwrap_or_default();
    let why = if name == "roleRef" {
        let role = json!({"APIGroup": after["apiGroup"], "Kind": after["kind"], "Name": after["name"]});
        format!("Invalid value: {role}: cannot change roleRef")
    } else {
        format!("Invalid value: {}: field is immutable", sorted(&after))
    };
    Some(bad(field, "FieldValueInvalid", why))
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding (RFC 4648, section 4), as Secrets hold their data.
pub(super) fn encode(bytes: &[u8]) -> String {
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let number =
                (0..3).fold(0_usize, |number, i| number << 8 | usize::from(chunk.get(i).copied().unwrap_or(0)));
            (0..4).map(move |i| if i <= chunk.len() { char::from(DIGITS[number >> (18 - 6 * i) & 63]) } else { '=' })
        })
        .collect()
}

/// Undoes [`encode`]; `None` where `text` is no base64.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut number, mut bits) = (0_usize, 0_u32);
    for digit in text.trim_end_matches('=').bytes() {
        number = number << 6 | DIGITS.iter().position(|&known| known == digit)?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(number >> bits & 255).ok()?);
            number &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}
