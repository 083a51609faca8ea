//! The simulated API server: a request and the store in, an answer out.
//!
//! Pure and synchronous; it knows no transport, no faults and no waiting. Statuses, bodies and words are those of a
//! real API server 1.34, read off it with `curl` for each case that a test here names. What it doesn't know it
//! refuses as a server would that has never heard of it.

use std::{collections::VecDeque, rc::Rc};

use serde_json::{Map, Value, json};

use super::{
    admission,
    defaults::{self, BadField},
    fields,
    rbac::{self, Access, Subject},
    store::{
        CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, EVENTS, JOBS, Key, LEASES, NAMESPACES, PODS, Propagation, RBAC,
        RESOURCES, ROLE_BINDINGS, ROLES, Resource, SERVICE_ACCOUNTS, SERVICES, Store, array, at, is_deleting,
        qualified, seconds, set, text,
    },
};
use crate::cluster::{Request, Verb};

/// What is answered.
pub(super) enum Answer {
    /// A status and a JSON body.
    Json(u16, Value),
    /// A status and plain text.
    Text(u16, &'static str),
    /// Events until the watch's time is over.
    Watch(Watching),
    /// A container's log, which the kubelet has.
    Log(LogRequest),
}

/// Which log is asked for.
#[derive(Debug)]
pub(super) struct LogRequest {
    pub pod: Key,
    /// Empty: the only one.
    pub container: String,
    pub follow: bool,
    /// Of the container that ended before.
    pub previous: bool,
    pub timestamps: bool,
    pub tail: Option<usize>,
}

/// Handles one request of `who`; `manager` is whose the fields are that it writes.
pub(super) fn handle(store: &mut Store, who: &Subject, manager: &str, request: &Request) -> Answer {
    let call = Call { who, manager, request, target: Target::parse(&request.path) };
    call.answer(store).unwrap_or_else(|refused| *refused)
}

type Outcome = Result<Answer, Box<Answer>>;

/// A `Status` of failure.
pub(super) fn failure(code: u16, reason: &str, message: &str, details: Value) -> Answer {
    let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code});
    set(&mut status, "reason", if reason.is_empty() { Value::Null } else { json!(reason) });
    set(&mut status, "details", details);
    Answer::Json(code, status)
}

fn refuse<T>(code: u16, reason: &str, message: &str, details: Value) -> Result<T, Box<Answer>> {
    Err(Box::new(failure(code, reason, message, details)))
}

fn details(group: &str, kind: &str, name: &str) -> Value {
    let members = [("name", name), ("group", group), ("kind", kind)];
    Value::Object(
        members
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect(),
    )
}

fn not_found<T>(key: &Key) -> Result<T, Box<Answer>> {
    let message = format!("{} {:?} not found", key.resource.qualified(), key.name);
    refuse(404, "NotFound", &message, details(key.resource.group, key.resource.plural, &key.name))
}

fn bad_request<T>(message: &str) -> Result<T, Box<Answer>> {
    refuse(400, "BadRequest", message, Value::Null)
}

/// The fields that can't be as they are, if there are any.
fn check_fields(key: &Key, kind: &str, bad: &[BadField]) -> Result<(), Box<Answer>> {
    let shown: Vec<String> = bad.iter().map(|bad| format!("{}: {}", bad.field, bad.message)).collect();
    let shown = match shown.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    let group = key.resource.group;
    let cause = |bad: &BadField| json!({"reason": bad.reason, "message": bad.message, "field": bad.field});
    let causes: Vec<Value> = bad.iter().map(cause).collect();
    let mut details = details(group, kind, &key.name);
    set(&mut details, "causes", Value::Array(causes));
    refuse(422, "Invalid", &format!("{} {:?} is invalid: {shown}", qualified(kind, group), key.name), details)
}

fn conflict<T>(resource: &str, key: &Key, why: &str) -> Result<T, Box<Answer>> {
    let message =
        format!("Operation cannot be fulfilled on {} {:?}: {why}", qualified(resource, key.resource.group), key.name);
    refuse(409, "Conflict", &message, details(key.resource.group, resource, &key.name))
}

/// A path taken apart: `/apis/GROUP/VERSION/namespaces/NAMESPACE/RESOURCE/NAME/SUBRESOURCE?QUERY`.
struct Target {
    group: String,
    version: String,
    namespace: String,
    resource: String,
    name: String,
    subresource: String,
    query: Vec<(String, String)>,
}

impl Target {
    fn parse(path: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query = query.split('&').filter(|part| !part.is_empty());
        let query = query
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .map(|(name, value)| (unescape(name), unescape(value)))
            .collect();
        let mut segments = path.trim_matches('/').split('/').map(unescape);
        let mut next = || segments.next().unwrap_or_default();
        let (group, version) = if next() == "apis" { (next(), next()) } else { (String::new(), next()) };
        let (mut resource, mut name, mut subresource) = (next(), next(), next());
        let mut namespace = String::new();
        if resource == "namespaces" && !name.is_empty() {
            if !matches!(subresource.as_str(), "" | "status" | "finalize") {
                namespace = name;
                (resource, name, subresource) = (subresource, next(), next());
            } else {
                // A Namespace is in itself, as far as access rules go.
                namespace.clone_from(&name);
            }
        }
        Self { group, version, namespace, resource, name, subresource, query }
    }

    fn parameter(&self, name: &str) -> &str {
        self.query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn has(&self, name: &str) -> bool {
        matches!(self.parameter(name), "1" | "true" | "True" | "t" | "T")
    }
}

/// Percent-decoding; what is no valid escape stays as it is.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = (byte == b'%').then(|| after.get(..2)).flatten().and_then(|two| std::str::from_utf8(two).ok());
        if let Some(escaped) = hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            bytes.push(escaped);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(if byte == b'+' { b' ' } else { byte });
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

struct Call<'a> {
    who: &'a Subject,
    manager: &'a str,
    request: &'a Request,
    target: Target,
}

impl Call<'_> {
    fn answer(self, store: &mut Store) -> Outcome {
        if let Some(document) = self.discovery() {
            return Ok(document);
        }
        let watch = self.target.has("watch") && matches!(self.request.verb, Verb::Get);
        let by_name = text_of_selector(self.target.parameter("fieldSelector"), "metadata.name");
        let named = !self.target.name.is_empty();
        let verb = match (&self.request.verb, named) {
            (Verb::Get, true) => "get",
            (Verb::Get, false) if watch => "watch",
            (Verb::Get, false) => "list",
            (Verb::Create(_) | Verb::CreateYaml(_), _) => "create",
            (Verb::Replace(_), _) => "update",
            (Verb::Apply(_) | Verb::Merge(_), _) => "patch",
            (Verb::Delete(_), true) => "delete",
            (Verb::Delete(_), false) => "deletecollection",
        };
        let access = Access {
            verb: verb.to_owned(),
            group: self.target.group.clone(),
            resource: self.target.resource.clone(),
            subresource: self.target.subresource.clone(),
            namespace: self.target.namespace.clone(),
            name: if named { self.target.name.clone() } else { by_name.unwrap_or_default().to_owned() },
        };
        self.authorize(store, &access)?;
        if self.target.version == "v1" && matches!(self.request.verb, Verb::Create(_)) {
            match (self.target.group.as_str(), self.target.resource.as_str()) {
                ("authorization.k8s.io", "selfsubjectaccessreviews") => return Ok(self.access_review(store)),
                ("authentication.k8s.io", "selfsubjectreviews") => return Ok(self.self_review(store)),
                _ => {}
            }
        }
        let Some(resource) = Resource::find(&self.target.group, &self.target.resource)
            .filter(|resource| resource.version == self.target.version)
        else {
            let served =
                self.target.version == "v1" && RESOURCES.iter().any(|resource| resource.group == self.target.group);
            if served {
                return refuse(404, "NotFound", "the server could not find the requested resource", json!({}));
            }
            return Ok(Answer::Text(404, "404 page not found\n"));
        };
        let key = resource.key(&self.target.namespace, &self.target.name);
        match (&self.request.verb, named, self.target.subresource.as_str()) {
            (Verb::Get, true, "log") if resource == &PODS => self.log(store, key),
            (_, _, sub) if !sub.is_empty() => {
                refuse(404, "NotFound", "the server could not find the requested resource", json!({}))
            }
            (Verb::Get, true, _) => self.get(store, &key),
            (Verb::Get, false, _) if watch => self.watch(store, resource),
            (Verb::Get, false, _) => self.list(store, resource),
            (Verb::Create(object), false, _) => self.create(store, resource, object),
            (Verb::CreateYaml(text), false, _) => {
                let object = Self::read_yaml(resource, text)?;
                self.create(store, resource, &object)
            }
            (Verb::Replace(object), true, _) => self.replace(store, &key, object),
            (Verb::Apply(object), true, _) => self.apply(store, &key, object),
            (Verb::Merge(patch), true, _) => self.merge(store, &key, patch),
            (Verb::Delete(options), true, _) => self.delete(store, &key, options),
            (Verb::Delete(_), false, _) => self.delete_collection(store, resource),
            _ => refuse(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
                json!({}),
            ),
        }
    }

    fn authorize(&self, store: &Store, access: &Access) -> Result<(), Box<Answer>> {
        if rbac::allowed(store, self.who, access).is_some() {
            return Ok(());
        }
        refuse(403, "Forbidden", &access.refusal(self.who), details(&access.group, &access.resource, &access.name))
    }

    /// What is served: <https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api>.
    fn discovery(&self) -> Option<Answer> {
        let target = &self.target;
        if !matches!(self.request.verb, Verb::Get) || !target.resource.is_empty() {
            return None;
        }
        let groups = || {
            let mut groups: Vec<&str> =
                RESOURCES.iter().map(|resource| resource.group).filter(|group| !group.is_empty()).collect();
            groups.dedup();
            groups
        };
        let path = self.request.path.split('?').next().unwrap_or_default().trim_end_matches('/');
        match path {
            "/version" => {
                return Some(Answer::Json(
                    200,
                    json!({"major": "1", "minor": "34", "gitVersion": "v1.34.4", "platform": "linux/amd64"}),
                ));
            }
            "/api" => return Some(Answer::Json(200, json!({"kind": "APIVersions", "versions": ["v1"]}))),
            "/apis" => {
                let groups: Vec<Value> = groups()
                    .into_iter()
                    .map(|group| {
                        let version = json!({"groupVersion": format!("{group}/v1"), "version": "v1"});
                        json!({"name": group, "versions": [version], "preferredVersion": version})
                    })
                    .collect();
                return Some(Answer::Json(200, json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})));
            }
            _ => {}
        }
        let served: Vec<Value> = RESOURCES
            .iter()
            .filter(|resource| resource.group == target.group && resource.version == target.version)
            .map(|resource| {
                json!({
                    "name": resource.plural, "singularName": resource.kind.to_lowercase(), "namespaced": resource.namespaced, "kind": resource.kind,
                    "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
                })
            })
            .collect();
        let version = if target.group.is_empty() {
            target.version.clone()
        } else {
            format!("{}/{}", target.group, target.version)
        };
        Some(if served.is_empty() {
            Answer::Text(404, "404 page not found\n")
        } else {
            Answer::Json(
                200,
                json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": served}),
            )
        })
    }

    fn access_review(&self, store: &Store) -> Answer {
        let body = self.request.body().cloned().unwrap_or_default();
        let wanted = &body["spec"]["resourceAttributes"];
        let part = |name: &str| wanted[name].as_str().unwrap_or_default().to_owned();
        let access = Access {
            verb: part("verb"),
            group: part("group"),
            resource: part("resource"),
            subresource: part("subresource"),
            namespace: part("namespace"),
            name: part("name"),
        };
        let mut spec = body["spec"].clone();
        if let Some(attributes) = spec["resourceAttributes"].as_object_mut() {
            attributes.retain(|_, value| value != "");
        }
        let reason = rbac::allowed(store, self.who, &access);
        let mut status = json!({"allowed": reason.is_some()});
        if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
            set(&mut status, "reason", json!(reason));
        }
        Answer::Json(
            201,
            json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": spec, "status": status}),
        )
    }

    fn self_review(&self, store: &Store) -> Answer {
        Answer::Json(
            201,
            json!({
                "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1",
                "metadata": {"creationTimestamp": seconds(store.now)},
                "status": {"userInfo": {"username": self.who.name, "uid": self.who.name, "groups": self.who.groups}},
            }),
        )
    }

    /// `object` as the answer to a request for one object.
    fn one(&self, status: u16, key: &Key, object: &Value) -> Outcome {
        if self.request.metadata_only {
            // Our `Accept` of a read names the list's kind, which a single object is not.
            let message = format!(
                "you requested PartialObjectMetadataList, but the requested object is not a list (*core.{})",
                key.resource.kind
            );
            return refuse(406, "NotAcceptable", &message, Value::Null);
        }
        Ok(Answer::Json(status, shown(key.resource, object, false)))
    }

    fn get(&self, store: &Store, key: &Key) -> Outcome {
        match store.get(key) {
            Some(object) => self.one(200, key, object),
            None => not_found(key),
        }
    }

    fn selector(&self, resource: &'static Resource) -> Result<Selector, Box<Answer>> {
        let selector = Selector::parse(self.target.parameter("labelSelector"), self.target.parameter("fieldSelector"));
        let known = |field: &str| match field {
            "metadata.name" | "metadata.namespace" => true,
            "status.phase" | "spec.nodeName" => resource == &PODS,
            "reason" | "type" => resource == &EVENTS,
            field => resource == &EVENTS && field.starts_with("involvedObject."),
        };
        match selector.fields.iter().find(|condition| !known(&condition.name)) {
            Some(unknown) => {
                bad_request(&format!("field label {:?} not supported for {}", unknown.name, resource.kind))
            }
            None => Ok(selector),
        }
    }

    fn namespace(&self) -> Option<&str> {
        Some(self.target.namespace.as_str()).filter(|namespace| !namespace.is_empty())
    }

    fn list(&self, store: &Store, resource: &'static Resource) -> Outcome {
        let selector = self.selector(resource)?;
        let after = self.target.parameter("continue");
        let found = store.list(resource, self.namespace()).into_iter();
        let mut found: Vec<_> = found
            .filter(|(key, object)| {
                selector.matches(object) && format!("{}/{}", key.namespace, key.name).as_str() > after
            })
            .collect();
        let limit = self.target.parameter("limit").parse().ok().filter(|&limit| limit > 0).unwrap_or(usize::MAX);
        let more = found.len().saturating_sub(limit);
        found.truncate(limit);
        let mut metadata = json!({"resourceVersion": store.version().to_string()});
        if let Some((last, _)) = found.last().filter(|_| more > 0) {
            set(&mut metadata, "continue", json!(format!("{}/{}", last.namespace, last.name)));
            set(&mut metadata, "remainingItemCount", json!(more));
        }
        Ok(Answer::Json(
            200,
            if self.request.metadata_only {
                let items: Vec<Value> = found.iter().map(|(_, object)| shown(resource, object, true)).collect();
                // An empty one of these has no list at all, which is how Go writes a list that was never made.
                let items = if items.is_empty() { Value::Null } else { Value::Array(items) };
                json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items})
            } else {
                let items: Vec<&Value> = found.iter().map(|(_, object)| &**object).collect();
                json!({"kind": format!("{}List", resource.kind), "apiVersion": resource.api_version(), "metadata": metadata, "items": items})
            },
        ))
    }

    fn watch(&self, store: &Store, resource: &'static Resource) -> Outcome {
        let selector = self.selector(resource)?;
        let from = self.target.parameter("resourceVersion");
        let Ok(version) = (if from.is_empty() { "0" } else { from }).parse::<u64>() else {
            let message = format!(
                "resourceVersion: Invalid value: {from:?}: strconv.ParseUint: parsing {from:?}: invalid syntax"
            );
            return refuse(500, "", &message, Value::Null);
        };
        let mut watching = Watching {
            resource,
            namespace: self.namespace().map(str::to_owned),
            selector,
            metadata_only: self.request.metadata_only,
            cursor: version,
            pending: VecDeque::new(),
            bookmarks: self.target.has("allowWatchBookmarks"),
            // The server's own limit lies between 30 and 60 minutes.
            seconds: self.target.parameter("timeoutSeconds").parse().unwrap_or(1800),
            expired: false,
        };
        if version == 0 {
            let now = store.list(resource, watching.namespace.as_deref());
            let now = now.into_iter().filter(|(_, object)| watching.selector.matches(object));
            watching.pending =
                now.map(|(_, object)| event("ADDED", shown(resource, &object, watching.metadata_only))).collect();
            watching.cursor = store.version();
            if watching.bookmarks {
                let mut bookmark = watching.bookmark();
                set(
                    at(at(at(&mut bookmark, "object"), "metadata"), "annotations"),
                    "k8s.io/initial-events-end",
                    json!("true"),
                );
                watching.pending.push_back(bookmark);
            }
        }
        Ok(Answer::Watch(watching))
    }

    fn log(&self, store: &Store, pod: Key) -> Outcome {
        if store.get(&pod).is_none() {
            return not_found(&pod);
        }
        let target = &self.target;
        Ok(Answer::Log(LogRequest {
            pod,
            container: target.parameter("container").to_owned(),
            follow: target.has("follow"),
            previous: target.has("previous"),
            timestamps: target.has("timestamps"),
            tail: target.parameter("tailLines").parse().ok(),
        }))
    }

    fn is_dry_run(&self) -> bool {
        self.target.parameter("dryRun") == "All"
            || matches!(&self.request.verb, Verb::Delete(options) if array(options, "/dryRun").iter().any(|all| all == "All"))
    }

    /// Whether new things may come into `namespace`.
    fn admit_into(store: &Store, key: &Key) -> Result<(), Box<Answer>> {
        if !key.resource.namespaced {
            return Ok(());
        }
        let namespace = NAMESPACES.key("", &key.namespace);
        match store.get(&namespace) {
            None => not_found(&namespace),
            Some(found) if is_deleting(found) => {
                let (name, space) = (&key.name, &key.namespace);
                let message = format!(
                    "{} {name:?} is forbidden: unable to create new content in namespace {space} because it is being terminated",
                    key.resource.qualified()
                );
                let mut details = details(key.resource.group, key.resource.plural, name);
                let cause = json!({"reason": "NamespaceTerminating", "message": format!("namespace {space} is being terminated"), "field": "metadata.namespace"});
                set(&mut details, "causes", json!([cause]));
                refuse(403, "Forbidden", &message, details)
            }
            Some(_) => Ok(()),
        }
    }

    /// Body, path and kind must agree.
    fn agree(&self, key: &Key, object: &Value) -> Result<(), Box<Answer>> {
        let resource = key.resource;
        let (api_version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        if !object.is_object() {
            return bad_request(&format!(
                "{} in version \"v1\" cannot be handled as a {0}: expected an object",
                resource.kind
            ));
        }
        if (!kind.is_empty() && kind != resource.kind)
            || (!api_version.is_empty() && api_version != resource.api_version())
        {
            let version = api_version.rsplit('/').next().unwrap_or_default();
            return bad_request(&format!(
                "{kind} in version {version:?} cannot be handled as a {}: converting ({version}.{kind}) to ({1}.{0}): unknown conversion",
                resource.kind,
                if resource.group.is_empty() { "core" } else { resource.group.split('.').next().unwrap_or_default() }
            ));
        }
        let namespace = text(object, "/metadata/namespace");
        if !namespace.is_empty() && namespace != key.namespace {
            return bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            );
        }
        let name = text(object, "/metadata/name");
        if !self.target.name.is_empty() && !name.is_empty() && name != key.name {
            return bad_request(&format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                key.name
            ));
        }
        Ok(())
    }

    /// Reads an object from YAML as the API server does: the words are those of `transformDecodeError`.
    fn read_yaml(resource: &Resource, text: &str) -> Result<Value, Box<Answer>> {
        let refused = |why: &str| {
            // The start of the text follows: as it is where it may be JSON, else as hexadecimal digits.
            let start: String = if text.starts_with('{') {
                text.chars().take(30).collect()
            } else {
                text.bytes().take(30).map(|byte| format!("{byte:02x}")).collect()
            };
            let (kind, more) = (resource.kind, if text.len() > 30 { " ..." } else { "" });
            bad_request(&format!("the object provided is unrecognized (must be of type {kind}): {why} ({start}{more})"))
        };
        match super::values::parse(text) {
            Ok(object) => Ok(object),
            Err(words) => {
                let words = words.strip_prefix("cannot unmarshal yaml document: ").unwrap_or(&words);
                match words.strip_prefix("error unmarshaling JSON: while decoding JSON: ") {
                    Some(json) => refused(&format!(
                        "couldn't get version/kind; json parse error: {}",
                        json.replace("map[string]interface {}", "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }")
                    )),
                    None => refused(words.strip_prefix("error converting YAML to JSON: ").unwrap_or(words)),
                }
            }
        }
    }

    fn create(&self, store: &mut Store, resource: &'static Resource, object: &Value) -> Outcome {
        let prefix = text(object, "/metadata/generateName");
        let name = match text(object, "/metadata/name") {
            "" if !prefix.is_empty() => format!("{prefix}{}", store.suffix(5)),
            name => name.to_owned(),
        };
        let key = resource.key(&self.target.namespace, &name);
        self.agree(&key, object)?;
        self.make(store, &key, object.clone(), |call, _, new, now| {
            fields::updated(None, new, call.manager, &resource.api_version(), now);
            Ok(())
        })
    }

    /// Makes `object`, by whichever verb.
    fn make(
        &self,
        store: &mut Store,
        key: &Key,
        mut object: Value,
        own: impl FnOnce(&Self, &Store, &mut Value, &str) -> Result<(), Box<Answer>>,
    ) -> Outcome {
        let resource = key.resource;
        Self::admit_into(store, key)?;
        self.check_escalation(store, key, &object)?;
        admit(store, key, "CREATE")?;
        check_fields(key, resource.kind, &defaults::check(key, None, &object))?;
        let replaces = matches!(self.request.verb, Verb::Replace(_));
        if !replaces && !text(&object, "/metadata/resourceVersion").is_empty() {
            return refuse(500, "", "resourceVersion should not be set on objects to be created", Value::Null);
        }
        if store.get(key).is_some() {
            let message = format!("{} {:?} already exists", resource.qualified(), key.name);
            return refuse(409, "AlreadyExists", &message, details(resource.group, resource.plural, &key.name));
        }
        let uid = text(&object, "/metadata/uid");
        if replaces && !uid.is_empty() {
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{}/{}/{}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: ",
                resource.plural, key.namespace, key.name
            );
            return conflict(resource.plural, key, &why);
        }
        let metadata = at(&mut object, "metadata");
        ["deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "selfLink"]
            .iter()
            .for_each(|name| set(metadata, name, Value::Null));
        set(&mut object, "status", Value::Null);
        let mut object = store.born(key, object);
        defaults::fill(store, key, &mut object);
        let now = seconds(store.now);
        own(self, store, &mut object, &now)?;
        let made = if self.is_dry_run() { Rc::new(object) } else { store.replace(key, object) };
        self.one(201, key, &made)
    }

    fn check_escalation(&self, store: &Store, key: &Key, object: &Value) -> Result<(), Box<Answer>> {
        match rbac::escalation(store, self.who, key, object) {
            Ok(()) => Ok(()),
            Err(Some(words)) => refuse(403, "Forbidden", &words, details(RBAC, key.resource.plural, &key.name)),
            Err(None) => not_found(&key.resource.key("", text(object, "/roleRef/name"))),
        }
    }

    /// Puts `new` in the place of `old`, checked.
    fn put(&self, store: &mut Store, key: &Key, old: &Value, mut new: Value, manager: Option<&str>) -> Outcome {
        let resource = key.resource;
        for name in ["kind", "apiVersion"] {
            set(&mut new, name, Value::Null);
        }
        let metadata = at(&mut new, "metadata");
        for kept in [
            "name",
            "namespace",
            "uid",
            "creationTimestamp",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            set(metadata, kept, old["metadata"][kept].clone());
        }
        // What people send of the status is not for them to write.
        if old.get("status").is_some() {
            set(&mut new, "status", old["status"].clone());
        }
        if resource == &SERVICES {
            let spec = at(&mut new, "spec");
            for kept in ["clusterIP", "clusterIPs"] {
                set(spec, kept, old["spec"][kept].clone());
            }
        }
        if resource == &JOBS {
            set(at(&mut new, "spec"), "selector", old["spec"]["selector"].clone());
        }
        defaults::fill(store, key, &mut new);
        check_fields(key, resource.kind, &defaults::check(key, Some(old), &new))?;
        admit(store, key, "UPDATE")?;
        if old.get("roleRef") != new.get("roleRef")
            || old.get("subjects") != new.get("subjects")
            || old.get("rules") != new.get("rules")
        {
            self.check_escalation(store, key, &new)?;
        }
        if let Some(manager) = manager {
            fields::updated(Some(old), &mut new, manager, &resource.api_version(), &seconds(store.now));
        }
        let put = if self.is_dry_run() { Rc::new(new) } else { store.replace(key, new) };
        self.one(200, key, &put)
    }

    fn replace(&self, store: &mut Store, key: &Key, object: &Value) -> Outcome {
        self.agree(key, object)?;
        let version = text(object, "/metadata/resourceVersion");
        let creates = [&LEASES, &CLUSTER_ROLES, &CLUSTER_ROLE_BINDINGS, &ROLES, &ROLE_BINDINGS].contains(&key.resource);
        let Some(old) = store.get(key).cloned() else {
            if !creates {
                return not_found(key);
            }
            self.authorize(store, &Access { name: key.name.clone(), ..Access::to("create", key) })?;
            return self.make(store, key, object.clone(), |call, _, new, now| {
                fields::updated(None, new, call.manager, &key.resource.api_version(), now);
                Ok(())
            });
        };
        if version.is_empty() && key.resource == &LEASES {
            let message = "Invalid value: 0: must be specified for an update".to_owned();
            let bad = BadField { field: "metadata.resourceVersion", message, reason: "FieldValueInvalid" };
            check_fields(key, key.resource.plural, &[bad])?;
        }
        if !version.is_empty() && version != text(&old, "/metadata/resourceVersion") {
            return conflict(key.resource.plural, key, STALE);
        }
        let uid = text(object, "/metadata/uid");
        let own = text(&old, "/metadata/uid");
        if !uid.is_empty() && uid != own {
            return conflict(
                key.resource.plural,
                key,
                &format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {own}"),
            );
        }
        let mut new = object.clone();
        set(at(&mut new, "metadata"), "managedFields", old["metadata"]["managedFields"].clone());
        self.put(store, key, &old, new, Some(self.manager))
    }

    fn merge(&self, store: &mut Store, key: &Key, patch: &Value) -> Outcome {
        let Some(old) = store.get(key).cloned() else { return not_found(key) };
        let version = text(patch, "/metadata/resourceVersion");
        if !version.is_empty() && version != text(&old, "/metadata/resourceVersion") {
            return conflict(key.resource.plural, key, STALE);
        }
        let mut new = Value::clone(&old);
        fields::merge_patch(&mut new, patch);
        let manager =
            Some(self.target.parameter("fieldManager")).filter(|name| !name.is_empty()).unwrap_or(self.manager);
        self.put(store, key, &old, new, Some(manager))
    }

    fn apply(&self, store: &mut Store, key: &Key, object: &Value) -> Outcome {
        let manager = self.target.parameter("fieldManager");
        if manager.is_empty() {
            let message =
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
            let cause = json!({"reason": "FieldValueRequired", "message": "Required value: is required for apply patch", "field": "fieldManager"});
            return refuse(
                422,
                "Invalid",
                message,
                json!({"group": "meta.k8s.io", "kind": "PatchOptions", "causes": [cause]}),
            );
        }
        self.agree(key, object)?;
        let now = seconds(store.now);
        let api_version = key.resource.api_version();
        let own = |old: Option<&Value>| {
            fields::apply(old, object, manager, &api_version, &now).or_else(|fields::Conflicts(found)| {
                let shown: Vec<String> = found.iter().map(|(with, field)| format!("conflict with {with}: {field}")).collect();
                let causes: Vec<Value> = found
                    .iter()
                    .map(|(with, field)| json!({"reason": "FieldManagerConflict", "message": format!("conflict with {with}"), "field": field}))
                    .collect();
                let message = match shown.as_slice() {
                    [one] => format!("Apply failed with 1 conflict: {one}"),
                    many => format!("Apply failed with {} conflicts: {}", many.len(), many.join("\n- ")),
                };
                refuse(409, "Conflict", &message, json!({"causes": causes}))
            })
        };
        match store.get(key).cloned() {
            Some(old) => {
                let new = own(Some(&old))?;
                self.put(store, key, &old, new, None)
            }
            None => {
                self.authorize(store, &Access { name: key.name.clone(), ..Access::to("create", key) })?;
                let new = own(None)?;
                self.make(store, key, new, |_, _, _, _| Ok(()))
            }
        }
    }

    fn delete(&self, store: &mut Store, key: &Key, options: &Value) -> Outcome {
        let Some(old) = store.get(key).cloned() else { return not_found(key) };
        let kind = key.resource.kind;
        let uid = text(options, "/preconditions/uid");
        let own = text(&old, "/metadata/uid");
        if !uid.is_empty() && uid != own {
            let why = format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({own}). The object might have been deleted and then recreated"
            );
            return conflict(kind, key, &why);
        }
        let version = text(options, "/preconditions/resourceVersion");
        let own = text(&old, "/metadata/resourceVersion");
        if !version.is_empty() && version != own {
            let why = format!(
                "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({own}). The object might have been modified"
            );
            return conflict(kind, key, &why);
        }
        let policy = match text(options, "/propagationPolicy") {
            "" => self.target.parameter("propagationPolicy"),
            policy => policy,
        };
        let policy = match policy {
            "Foreground" => Propagation::Foreground,
            "Background" => Propagation::Background,
            "Orphan" => Propagation::Orphan,
            // batch/v1 alone orphans what it made where nothing is said.
            "" if key.resource == &JOBS => Propagation::Orphan,
            "" => Propagation::Background,
            other => {
                let message = format!(
                    "Unsupported value: {other:?}: supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
                );
                let cause =
                    json!({"reason": "FieldValueNotSupported", "message": message, "field": "propagationPolicy"});
                let message = format!("DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: {message}");
                return refuse(
                    422,
                    "Invalid",
                    &message,
                    json!({"group": "meta.k8s.io", "kind": "DeleteOptions", "causes": [cause]}),
                );
            }
        };
        if self.is_dry_run() {
            return self.one(200, key, &old);
        }
        let grace = options.get("gracePeriodSeconds").and_then(Value::as_u64);
        let last = store.delete(key, policy, grace).unwrap_or(old);
        if store.get(key).is_some() || key.resource == &SERVICE_ACCOUNTS || key.resource == &PODS {
            return Ok(Answer::Json(200, shown(key.resource, &last, false)));
        }
        let mut details = details(key.resource.group, key.resource.plural, &key.name);
        set(&mut details, "uid", last["metadata"]["uid"].clone());
        Ok(Answer::Json(
            200,
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}),
        ))
    }

    fn delete_collection(&self, store: &mut Store, resource: &'static Resource) -> Outcome {
        let selector = self.selector(resource)?;
        let list = self.list(store, resource)?;
        for (key, object) in store.list(resource, self.namespace()) {
            if selector.matches(&object) && !self.is_dry_run() {
                store.delete(&key, Propagation::Background, None);
            }
        }
        Ok(list)
    }
}

/// What webhooks and quotas say to a write.
fn admit(store: &Store, key: &Key, operation: &str) -> Result<(), Box<Answer>> {
    match admission::refusal(store, key, operation) {
        None => Ok(()),
        Some(message) => {
            let details = details(key.resource.group, key.resource.plural, &key.name);
            refuse(403, "Forbidden", &message, details)
        }
    }
}

const STALE: &str = "the object has been modified; please apply your changes to the latest version and try again";

/// An object as it goes out alone or in a watch: with its kind, or its metadata only.
fn shown(resource: &Resource, object: &Value, metadata_only: bool) -> Value {
    if metadata_only {
        return json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]});
    }
    let mut shown = object.as_object().cloned().unwrap_or_else(Map::new);
    shown.insert("kind".to_owned(), json!(resource.kind));
    shown.insert("apiVersion".to_owned(), json!(resource.api_version()));
    Value::Object(shown)
}

fn event(kind: &str, object: Value) -> Value {
    json!({"type": kind, "object": object})
}

/// A watch that is open.
pub(super) struct Watching {
    resource: &'static Resource,
    namespace: Option<String>,
    selector: Selector,
    metadata_only: bool,
    /// Everything up to this version has been told.
    cursor: u64,
    /// What is told first.
    pending: VecDeque<Value>,
    /// Whether versions alone are told too.
    pub bookmarks: bool,
    /// How long it stays open.
    pub seconds: u64,
    expired: bool,
}

impl Watching {
    /// The next event, if there is one by now; after an event of type ERROR there is none.
    pub fn next(&mut self, store: &Store) -> Option<Value> {
        if let Some(event) = self.pending.pop_front() {
            return Some(event);
        }
        if self.expired {
            return None;
        }
        if self.cursor < store.compacted() {
            self.expired = true;
            let message = format!("too old resource version: {} ({})", self.cursor, store.compacted());
            let Answer::Json(_, status) = failure(410, "Expired", &message, Value::Null) else { return None };
            return Some(event("ERROR", status));
        }
        for change in store.changes_after(self.cursor) {
            self.cursor = change.version;
            if change.key.resource != self.resource
                || self.namespace.as_ref().is_some_and(|wanted| *wanted != change.key.namespace)
            {
                continue;
            }
            let was = change.before.as_ref().is_some_and(|before| self.selector.matches(before));
            let is = !change.deleted && self.selector.matches(&change.object);
            let kind = match (was, is) {
                (false, true) => "ADDED",
                (true, true) => "MODIFIED",
                (true, false) => "DELETED",
                (false, false) => continue,
            };
            let mut object = shown(self.resource, &change.object, self.metadata_only);
            if let (false, "DELETED", Some(before)) = (change.deleted, kind, &change.before) {
                // Who no longer matches goes as it last matched.
                object = shown(self.resource, before, self.metadata_only);
                set(at(&mut object, "metadata"), "resourceVersion", json!(change.version.to_string()));
            }
            return Some(event(kind, object));
        }
        None
    }

    /// Whether it has told of its own end.
    pub fn is_over(&self) -> bool {
        self.expired && self.pending.is_empty()
    }

    /// The version up to which everything has been told.
    pub fn bookmark(&self) -> Value {
        let (kind, api_version) = if self.metadata_only {
            ("PartialObjectMetadata", "meta.k8s.io/v1".to_owned())
        } else {
            (self.resource.kind, self.resource.api_version())
        };
        event(
            "BOOKMARK",
            json!({"kind": kind, "apiVersion": api_version, "metadata": {"resourceVersion": self.cursor.to_string()}}),
        )
    }
}

/// Which objects are meant: <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>.
#[derive(Debug, Default)]
struct Selector {
    labels: Vec<Condition>,
    fields: Vec<Condition>,
}

#[derive(Debug)]
struct Condition {
    name: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Selector {
    fn parse(labels: &str, fields: &str) -> Self {
        Self { labels: conditions(labels), fields: conditions(fields) }
    }

    fn matches(&self, object: &Value) -> bool {
        let label = |name: &str| object["metadata"]["labels"].get(name).and_then(Value::as_str);
        let field =
            |path: &str| path.split('.').try_fold(object, |value, name| value.get(name)).and_then(Value::as_str);
        self.labels.iter().all(|condition| condition.holds(label(&condition.name)))
            && self.fields.iter().all(|condition| condition.holds(field(&condition.name).or(Some(""))))
    }
}

impl Condition {
    fn holds(&self, value: Option<&str>) -> bool {
        let is_one = |of: &[String]| value.is_some_and(|value| of.iter().any(|one| one == value));
        match &self.test {
            Test::In(values) => is_one(values),
            Test::NotIn(values) => !is_one(values),
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
        }
    }
}

fn conditions(text: &str) -> Vec<Condition> {
    let mut depth = 0_i32;
    let parts = text.split(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).map(condition).collect()
}

fn condition(part: &str) -> Condition {
    let set =
        |values: &str| values.trim().trim_matches(['(', ')']).split(',').map(|value| value.trim().to_owned()).collect();
    let (name, test) = if let Some((name, values)) = part.split_once(" notin ") {
        (name, Test::NotIn(set(values)))
    } else if let Some((name, values)) = part.split_once(" in ") {
        (name, Test::In(set(values)))
    } else if let Some((name, value)) = part.split_once("!=") {
        (name, Test::NotIn(vec![value.trim().to_owned()]))
    } else if let Some((name, value)) = part.split_once('=') {
        (name, Test::In(vec![value.trim_start_matches('=').trim().to_owned()]))
    } else if let Some(name) = part.strip_prefix('!') {
        (name, Test::Absent)
    } else {
        (part, Test::Exists)
    };
    Condition { name: name.trim().to_owned(), test }
}

/// The value that a field selector wants `field` to have.
fn text_of_selector<'a>(selector: &'a str, field: &str) -> Option<&'a str> {
    selector.split(',').find_map(|part| part.strip_prefix(field)?.trim_start_matches('=').into())
}
