//! Who may do what in the simulated cluster: RBAC as the API server evaluates it, and its words.
//!
//! Rights are the rules of the roles in the store and nothing else, so an operation that binds too late or unbinds
//! too early fails here as it does on a real cluster. Words: Kubernetes 1.34, taken from a real API server.

use serde_json::{Value, json};

use super::store::{
    CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, Key, RBAC, ROLE_BINDINGS, ROLES, Resource, Store, array, qualified, text,
};

/// Somebody who sends requests: a person of [`User`], or a ServiceAccount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub name: String,
    pub groups: Vec<String>,
}

/// The people of the simulated cluster; names and rights are those of the tests' real cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// In `system:masters`: may do everything.
    Admin,
    /// Does everything but give away more than it has: may not bind `cluster-admin`.
    Operator,
    /// Reads everything but Secrets, writes nothing.
    Viewer,
    /// No rights but those of everybody who is signed in.
    Nobody,
}

impl User {
    pub(super) fn subject(self) -> Subject {
        let name = match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
            Self::Nobody => "nobody",
        };
        let masters = (self == Self::Admin).then_some(MASTERS);
        let groups = masters.into_iter().chain([AUTHENTICATED]).map(str::to_owned).collect();
        Subject { name: name.to_owned(), groups }
    }
}

/// Members may do everything, whatever the roles say.
const MASTERS: &str = "system:masters";
const AUTHENTICATED: &str = "system:authenticated";

impl Subject {
    /// The user that a pod of `account` is.
    pub fn service_account(namespace: &str, account: &str) -> Self {
        let groups = [
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            AUTHENTICATED.to_owned(),
        ];
        Self { name: format!("system:serviceaccount:{namespace}:{account}"), groups: groups.into() }
    }

    pub fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }

    fn is(&self, subject: &Value, binding_namespace: &str) -> bool {
        let name = text(subject, "/name");
        match text(subject, "/kind") {
            "User" => name == self.name,
            "Group" => self.groups.iter().any(|group| group == name),
            "ServiceAccount" => {
                let namespace = match text(subject, "/namespace") {
                    "" => binding_namespace,
                    namespace => namespace,
                };
                self.name == format!("system:serviceaccount:{namespace}:{name}")
            }
            _ => false,
        }
    }
}

/// What somebody wants to do, in the terms of access rules.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub verb: String,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    /// Empty at the cluster's scope.
    pub namespace: String,
    /// Empty where no single object is meant.
    pub name: String,
}

impl Access {
    /// `verb` on an object, or on its kind where `key` has no name.
    pub fn to(verb: &str, key: &Key) -> Self {
        Self {
            verb: verb.to_owned(),
            group: key.resource.group.to_owned(),
            resource: key.resource.plural.to_owned(),
            subresource: String::new(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        }
    }

    fn full_resource(&self) -> String {
        match self.subresource.as_str() {
            "" => self.resource.clone(),
            subresource => format!("{}/{subresource}", self.resource),
        }
    }

    /// The API server's words for no.
    pub fn refusal(&self, who: &Subject) -> String {
        let object = qualified(&self.resource, &self.group);
        let object = if self.name.is_empty() { object } else { format!("{object} {:?}", self.name) };
        let place = match self.namespace.as_str() {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        let (user, verb, resource, group) = (&who.name, &self.verb, self.full_resource(), &self.group);
        format!(
            "{object} is forbidden: User {user:?} cannot {verb} resource {resource:?} in API group {group:?} {place}"
        )
    }
}

/// One rule, and where it comes from.
struct Grant {
    rule: Value,
    reason: String,
}

/// The rules that `who` has in `namespace`.
fn grants(store: &Store, who: &Subject, namespace: &str) -> Vec<Grant> {
    let mut bindings = store.list(&CLUSTER_ROLE_BINDINGS, None);
    if !namespace.is_empty() {
        bindings.extend(store.list(&ROLE_BINDINGS, Some(namespace)));
    }
    let mut found = Vec::new();
    for (key, binding) in bindings {
        let Some(subject) = array(&binding, "/subjects").iter().find(|subject| who.is(subject, &key.namespace)) else {
            continue;
        };
        let role = text(&binding, "/roleRef/name");
        let (role_kind, rules) = rules_of(store, &binding, &key.namespace);
        let subject = match text(subject, "/kind") {
            "ServiceAccount" => {
                format!("ServiceAccount \"{}/{}\"", text(subject, "/name"), text(subject, "/namespace"))
            }
            kind => format!("{kind} {:?}", text(subject, "/name")),
        };
        let binding = match key.namespace.as_str() {
            "" => format!("{:?}", key.name),
            namespace => format!("\"{}/{namespace}\"", key.name),
        };
        let reason = format!("RBAC: allowed by {} {binding} of {role_kind} {role:?} to {subject}", key.resource.kind);
        found.extend(rules.into_iter().map(|rule| Grant { rule, reason: reason.clone() }));
    }
    found
}

fn rules_of(store: &Store, binding: &Value, namespace: &str) -> (&'static str, Vec<Value>) {
    let role: &'static Resource = if text(binding, "/roleRef/kind") == "Role" { &ROLES } else { &CLUSTER_ROLES };
    let rules =
        store.get(&role.key(namespace, text(binding, "/roleRef/name"))).map(|role| array(role, "/rules").to_vec());
    (role.kind, rules.unwrap_or_default())
}

/// Whether one of `values` is `wanted` or says all.
fn has(rule: &Value, values: &str, wanted: &str) -> bool {
    array(rule, values).iter().any(|value| value == "*" || value == wanted)
}

fn covers(rule: &Value, access: &Access) -> bool {
    let names = array(rule, "/resourceNames");
    has(rule, "/verbs", &access.verb)
        && has(rule, "/apiGroups", &access.group)
        && has(rule, "/resources", &access.full_resource())
        && (names.is_empty() || names.iter().any(|name| *name == access.name))
}

/// Whether `who` may; with the API server's reason where a rule says so.
pub(super) fn allowed(store: &Store, who: &Subject, access: &Access) -> Option<String> {
    if who.is_master() {
        return Some(String::new());
    }
    grants(store, who, &access.namespace)
        .into_iter()
        .find(|grant| covers(&grant.rule, access))
        .map(|grant| grant.reason)
}

/// Nobody gives away what they don't have: why `who` may not write the role or binding `object` as `key`.
/// `Err(None)` where the role that it binds is not there.
/// <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping>
pub(super) fn escalation(store: &Store, who: &Subject, key: &Key, object: &Value) -> Result<(), Option<String>> {
    if key.resource.group != RBAC || who.is_master() {
        return Ok(());
    }
    let is_binding = key.resource == &CLUSTER_ROLE_BINDINGS || key.resource == &ROLE_BINDINGS;
    let (exempt, wanted) = if is_binding {
        let name = text(object, "/roleRef/name");
        let role: &'static Resource = if text(object, "/roleRef/kind") == "Role" { &ROLES } else { &CLUSTER_ROLES };
        let role = role.key(&key.namespace, name);
        if store.get(&role).is_none() && allowed(store, who, &Access::to("bind", &role)).is_none() {
            return Err(None);
        }
        (
            Access { namespace: key.namespace.clone(), ..Access::to("bind", &role) },
            rules_of(store, object, &key.namespace).1,
        )
    } else {
        (Access::to("escalate", key), array(object, "/rules").to_vec())
    };
    if allowed(store, who, &exempt).is_some() {
        return Ok(());
    }
    let held = grants(store, who, &key.namespace);
    let missing: Vec<String> = wanted.iter().filter(|rule| !held_by(&held, rule)).map(show_rule).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let groups: Vec<String> = who.groups.iter().map(|group| format!("{group:?}")).collect();
    Err(Some(format!(
        "{} {:?} is forbidden: user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        key.resource.qualified(),
        key.name,
        who.name,
        groups.join(" "),
        missing.join("\n")
    )))
}

/// Whether every single thing that `rule` allows is allowed by one of `held`.
fn held_by(held: &[Grant], rule: &Value) -> bool {
    let urls = array(rule, "/nonResourceURLs");
    let verbs = array(rule, "/verbs");
    let by_any = |check: &dyn Fn(&Value) -> bool| held.iter().any(|grant| check(&grant.rule));
    let in_list =
        |rule: &Value, list: &str, value: &Value| array(rule, list).iter().any(|own| own == "*" || own == value);
    let urls_held = urls.iter().all(|url| {
        verbs.iter().all(|verb| by_any(&|own| in_list(own, "/nonResourceURLs", url) && in_list(own, "/verbs", verb)))
    });
    let resources_held = array(rule, "/apiGroups").iter().all(|group| {
        array(rule, "/resources").iter().all(|resource| {
            verbs.iter().all(|verb| {
                by_any(&|own| {
                    in_list(own, "/apiGroups", group)
                        && in_list(own, "/resources", resource)
                        && in_list(own, "/verbs", verb)
                        && (array(own, "/resourceNames").is_empty()
                            || own.get("resourceNames") == rule.get("resourceNames"))
                })
            })
        })
    });
    urls_held && resources_held
}

fn show_rule(rule: &Value) -> String {
    let parts = [
        ("APIGroups", "apiGroups"),
        ("Resources", "resources"),
        ("ResourceNames", "resourceNames"),
        ("NonResourceURLs", "nonResourceURLs"),
        ("Verbs", "verbs"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter_map(|(shown, name)| Some(format!("{shown}:{}", rule.get(*name)?.to_string().replace(',', ", "))))
        .collect();
    format!("{{{}}}", parts.join(", "))
}

/// The roles that every cluster has, and those of the people here.
pub(super) fn seed(store: &mut Store) {
    let everything = json!(["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]);
    let groups = [
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apps",
        "autoscaling",
        "batch",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "gateway.networking.k8s.io",
        "networking.k8s.io",
        "policy",
        RBAC,
        "scheduling.k8s.io",
        "storage.k8s.io",
    ];
    let core_without_secrets = [
        "bindings",
        "configmaps",
        "endpoints",
        "events",
        "limitranges",
        "namespaces",
        "nodes",
        "persistentvolumeclaims",
        "persistentvolumes",
        "pods",
        "pods/log",
        "pods/status",
        "resourcequotas",
        "serviceaccounts",
        "services",
    ];
    let mut operated = vec![""];
    operated.extend(groups);
    let basic = json!([
        {"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], "verbs": ["create"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
    ]);
    let roles = [
        (
            "cluster-admin",
            "cluster-admin",
            ("Group", MASTERS),
            json!([
                {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
                {"nonResourceURLs": ["*"], "verbs": ["*"]},
            ]),
        ),
        ("system:basic-user", "system:basic-user", ("Group", AUTHENTICATED), basic),
        (
            "test-viewer",
            "test-viewer",
            ("User", "viewer"),
            json!([
                {"apiGroups": [""], "resources": core_without_secrets, "verbs": ["get", "list", "watch"]},
                {"apiGroups": groups, "resources": ["*"], "verbs": ["get", "list", "watch"]},
            ]),
        ),
        (
            "test-operator",
            "test-operator",
            ("User", "operator"),
            json!([
                {"apiGroups": operated, "resources": ["*"], "verbs": everything},
            ]),
        ),
    ];
    for (binding, role, (kind, name), rules) in roles {
        store.create(&CLUSTER_ROLES.key("", role), json!({"rules": rules}));
        store.create(
            &CLUSTER_ROLE_BINDINGS.key("", binding),
            json!({
                "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
                "subjects": [{"apiGroup": RBAC, "kind": kind, "name": name}],
            }),
        );
    }
}
