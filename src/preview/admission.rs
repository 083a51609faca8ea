//! What may keep an object out although its writer has the right: webhooks, quotas, Pod Security.
//!
//! Words are those of a real API server 1.34 (`tests/fixtures/helm-output` and the events of a namespace that enforces
//! `restricted`).

use serde_json::Value;

use super::store::{Key, NAMESPACES, PODS, QUOTAS, Resource, Store, WEBHOOKS, array, qualified, text};

/// The webhook of the tests' real cluster, which denies whatever it is asked, and what it says.
const DENIES: &str = "https://admission.test/";
const DENIAL: &str = "every object needs the label cost-center";

/// Why `key` may not be written; `None` where it may.
pub(super) fn refusal(store: &Store, key: &Key, operation: &str) -> Option<String> {
    webhook(store, key, operation).or_else(|| if operation == "CREATE" { quota(store, key) } else { None })
}

fn webhook(store: &Store, key: &Key, operation: &str) -> Option<String> {
    let is_one =
        |rule: &Value, list: &str, wanted: &str| array(rule, list).iter().any(|one| one == wanted || one == "*");
    let hooks = store.list(&WEBHOOKS, None);
    let mut hooks = hooks.iter().flat_map(|(_, configuration)| array(configuration, "/webhooks"));
    let denying = hooks.find(|hook| {
        text(hook, "/clientConfig/url").starts_with(DENIES)
            && array(hook, "/rules").iter().any(|rule| {
                is_one(rule, "/apiGroups", key.resource.group)
                    && is_one(rule, "/resources", key.resource.plural)
                    && is_one(rule, "/operations", operation)
            })
    })?;
    Some(format!("admission webhook {:?} denied the request: {DENIAL}", text(denying, "/name")))
}

/// The name under which a quota counts objects of a kind: <https://kubernetes.io/docs/concepts/policy/resource-quotas/>.
fn names(resource: &Resource) -> [String; 2] {
    let short = if resource.group.is_empty() { resource.plural.to_owned() } else { String::new() };
    [format!("count/{}", qualified(resource.plural, resource.group)), short]
}

/// Whether it counts: a pod that has ended doesn't.
fn counts(resource: &Resource, object: &Value) -> bool {
    resource != &PODS || !matches!(text(object, "/status/phase"), "Succeeded" | "Failed")
}

/// How much of `name` a namespace has.
pub(super) fn used(store: &Store, namespace: &str, name: &str) -> usize {
    let resource = super::store::RESOURCES.iter().find(|resource| names(resource).iter().any(|known| known == name));
    resource.map_or(0, |resource| {
        store.list(resource, Some(namespace)).iter().filter(|(_, object)| counts(resource, object)).count()
    })
}

fn quota(store: &Store, key: &Key) -> Option<String> {
    store.list(&QUOTAS, Some(&key.namespace)).into_iter().find_map(|(quota, object)| {
        let hard = object["spec"]["hard"].as_object()?;
        let (name, limit) = hard.iter().find(|(name, _)| names(key.resource).contains(name))?;
        let limit = limit.as_str().map_or_else(|| limit.to_string(), str::to_owned);
        let used = used(store, &key.namespace, name);
        let is_full = limit.parse().is_ok_and(|limit: usize| used >= limit);
        is_full.then(|| {
            format!(
                "{} {:?} is forbidden: exceeded quota: {}, requested: {name}=1, used: {name}={used}, limited: {name}={limit}",
                key.resource.qualified(),
                key.name,
                quota.name
            )
        })
    })
}

/// Why a pod that a controller wants to make is refused: by Pod Security, or by a quota.
pub(super) fn pod_refusal(store: &Store, key: &Key, spec: &Value) -> Option<String> {
    let namespace = store.get(&NAMESPACES.key("", &key.namespace));
    let restricted = namespace
        .is_some_and(|namespace| namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted");
    // Either all of it or nothing: the chart's pods have it, or are told to have none of it.
    let naked = array(spec, "/containers").iter().find(|container| container["securityContext"].is_null());
    if let Some(naked) = naked.filter(|_| restricted) {
        let name = text(naked, "/name");
        return Some(format!(
            "pods {:?} is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container {name:?} must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container {name:?} must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container {name:?} must set securityContext.runAsNonRoot=true), seccompProfile (pod or container {name:?} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")",
            key.name
        ));
    }
    refusal(store, key, "CREATE")
}
