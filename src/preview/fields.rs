//! Who owns which field: server-side apply, as far as objects here need it.
//!
//! Every field of a map has its owners, kept in `metadata.managedFields` as the API server keeps them
//! (`FieldsV1`). A list is one field here, where the API server knows the items of some lists: so it sees a
//! conflict in a list sooner than a real one.
//! Rules: <https://kubernetes.io/docs/reference/using-api/server-side-apply/>.

use serde_json::{Map, Value, json};

use super::store::{array, at, set, text};

/// Fields that nobody owns: the API server sets them.
const OWNERLESS: [&str; 11] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
    "generateName",
];

/// The fields of `object` as `FieldsV1`: `{"f:metadata": {"f:labels": {"f:a": {}}}}`.
fn fields(object: &Value) -> Value {
    let mut own = tree(object);
    if let Some(map) = own.as_object_mut() {
        ["f:kind", "f:apiVersion", "f:status"].iter().for_each(|name| drop(map.remove(*name)));
        if let Some(metadata) = map.get_mut("f:metadata").and_then(Value::as_object_mut) {
            OWNERLESS.iter().for_each(|name| drop(metadata.remove(&format!("f:{name}"))));
            if metadata.is_empty() {
                map.remove("f:metadata");
            }
        }
    }
    own
}

fn tree(value: &Value) -> Value {
    let members = value.as_object().into_iter().flatten();
    Value::Object(members.map(|(name, value)| (format!("f:{name}"), tree(value))).collect())
}

/// Calls `visit` with the path of every leaf.
fn leaves(tree: &Value, path: &mut Vec<String>, visit: &mut dyn FnMut(&[String])) {
    let Some(map) = tree.as_object() else { return };
    if map.is_empty() && !path.is_empty() {
        visit(path);
    }
    for (name, below) in map {
        path.push(name.trim_start_matches("f:").to_owned());
        leaves(below, path, visit);
        path.pop();
    }
}

fn all_leaves(tree: &Value) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    leaves(tree, &mut Vec::new(), &mut |path| found.push(path.to_vec()));
    found
}

fn value_at<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, name| value.get(name))
}

fn owns(tree: &Value, path: &[String]) -> bool {
    path.iter().try_fold(tree, |tree, name| tree.get(format!("f:{name}"))).is_some()
}

/// Whether `path` itself is owned, not only something below it.
fn owns_leaf(tree: &Value, path: &[String]) -> bool {
    let found = path.iter().try_fold(tree, |tree, name| tree.get(format!("f:{name}")));
    found.and_then(Value::as_object).is_some_and(Map::is_empty)
}

fn remove_at(value: &mut Value, path: &[String], prefix: &str) {
    let Some(((first, rest), map)) = path.split_first().zip(value.as_object_mut()) else { return };
    let name = format!("{prefix}{first}");
    if rest.is_empty() {
        map.remove(&name);
    } else if let Some(below) = map.get_mut(&name) {
        remove_at(below, rest, prefix);
        if below.as_object().is_some_and(Map::is_empty) {
            map.remove(&name);
        }
    }
}

fn merge(into: &mut Value, from: &Value) {
    match from.as_object() {
        Some(from) => {
            if !into.is_object() {
                *into = json!({});
            }
            for (name, value) in from {
                merge(&mut into[name], value);
            }
        }
        None => *into = from.clone(),
    }
}

/// Two managers want different things; each with its field.
pub(super) struct Conflicts(pub Vec<(String, String)>);

/// Applies `wanted` to `old` (`None`: there is nothing yet) as `manager`: what it wanted before and no longer
/// wants goes, unless another wants it; what another wants differently is a conflict.
pub(super) fn apply(
    old: Option<&Value>,
    wanted: &Value,
    manager: &str,
    api_version: &str,
    now: &str,
) -> Result<Value, Conflicts> {
    let mine = fields(wanted);
    let mut new = old.cloned().unwrap_or_else(|| json!({}));
    let managed = array(&new, "/metadata/managedFields").to_vec();
    let is_mine = |entry: &Value| text(entry, "/manager") == manager && text(entry, "/operation") == "Apply";
    let mut conflicts = Vec::new();
    for path in all_leaves(&mine) {
        if old.is_some_and(|old| value_at(old, &path) == value_at(wanted, &path)) {
            continue;
        }
        let others = managed.iter().filter(|entry| !is_mine(entry) && owns_leaf(&entry["fieldsV1"], &path));
        conflicts.extend(others.map(|entry| {
            (format!("{:?} using {api_version}", text(entry, "/manager")), format!(".{}", path.join(".")))
        }));
    }
    if !conflicts.is_empty() {
        return Err(Conflicts(conflicts));
    }
    let before = managed.iter().find(|entry| is_mine(entry)).map(|entry| entry["fieldsV1"].clone()).unwrap_or_default();
    for path in all_leaves(&before) {
        let wanted_by_others = managed.iter().any(|entry| !is_mine(entry) && owns(&entry["fieldsV1"], &path));
        if !owns(&mine, &path) && !wanted_by_others {
            remove_at(&mut new, &path, "");
        }
    }
    let mut values = wanted.clone();
    for name in ["kind", "apiVersion", "status"] {
        set(&mut values, name, Value::Null);
    }
    merge(&mut new, &values);
    let mut managed: Vec<Value> = managed.into_iter().filter(|entry| !is_mine(entry)).collect();
    managed.insert(0, entry(manager, "Apply", api_version, now, mine.clone()));
    // Applying the same again leaves even the time alone.
    if before == mine
        && let Some(old) = old
    {
        managed = array(old, "/metadata/managedFields").to_vec();
    }
    set(at(&mut new, "metadata"), "managedFields", Value::Array(managed));
    Ok(new)
}

fn entry(manager: &str, operation: &str, api_version: &str, now: &str, fields: Value) -> Value {
    json!({
        "manager": manager, "operation": operation, "apiVersion": api_version,
        "time": now, "fieldsType": "FieldsV1", "fieldsV1": fields,
    })
}

/// Notes that `manager` has written `new` over `old` by create, update or patch: what it changed is now its own.
pub(super) fn updated(old: Option<&Value>, new: &mut Value, manager: &str, api_version: &str, now: &str) {
    let after = fields(new);
    let changed: Vec<Vec<String>> = all_leaves(&after)
        .into_iter()
        .filter(|path| old.is_none_or(|old| value_at(old, path) != value_at(new, path)))
        .collect();
    let mut managed = old.map(|old| array(old, "/metadata/managedFields").to_vec()).unwrap_or_default();
    let is_mine = |entry: &Value| text(entry, "/manager") == manager && text(entry, "/operation") == "Update";
    let mut mine =
        managed.iter().find(|entry| is_mine(entry)).map_or_else(|| json!({}), |entry| entry["fieldsV1"].clone());
    for path in &changed {
        managed.iter_mut().for_each(|entry| remove_at(at(entry, "fieldsV1"), path, "f:"));
        path.iter().fold(&mut mine, |tree, name| at(tree, &format!("f:{name}")));
    }
    // What is gone is nobody's.
    for path in old.map(|old| all_leaves(&fields(old))).unwrap_or_default() {
        if value_at(new, &path).is_none() {
            managed.iter_mut().for_each(|entry| remove_at(at(entry, "fieldsV1"), &path, "f:"));
            remove_at(&mut mine, &path, "f:");
        }
    }
    if !changed.is_empty() {
        managed.retain(|entry| !is_mine(entry));
        managed.push(entry(manager, "Update", api_version, now, mine));
    }
    managed.retain(|entry| entry["fieldsV1"].as_object().is_some_and(|fields| !fields.is_empty()));
    let managed = if managed.is_empty() { Value::Null } else { Value::Array(managed) };
    set(at(new, "metadata"), "managedFields", managed);
}

/// JSON merge patch: RFC 7386, section 2.
pub(super) fn merge_patch(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            set(target, name, Value::Null);
        } else {
            merge_patch(&mut target[name], value);
        }
    }
}
