//! The chart of Crossview: what it makes of its values. Names, labels, ports and defaults are those of the tests'
//! chart (`tests/fixtures/crossview`), which are those of the real one.

use serde_json::{Value, json};

use super::{
    store::{at, set, sorted, text},
    values,
};

/// What the registry and the repository have, newest first.
pub(super) const VERSIONS: [&str; 3] = ["4.7.0-rc.3", "4.6.0", "4.5.0"];
/// When the repository got them.
pub(super) const CREATED: [&str; 3] = ["2026-11-09T15:20:11Z", "2026-10-14T08:41:52Z", "2026-08-03T10:05:37Z"];
/// What is taken where no version is asked for: the newest that is no pre-release.
pub(super) const NEWEST: &str = "4.6.0";

fn defaults() -> Value {
    json!({
        "replicaCount": 1,
        "image": {"repository": "ghcr.io/crossplane-contrib/crossview", "tag": "", "pullPolicy": "IfNotPresent"},
        "config": {"server": {"port": 3001, "auth": {"mode": "session"}}, "database": {"enabled": true}},
        "secrets": {"adminUsername": "admin", "adminPassword": "password", "databasePassword": "password"},
        "service": {"type": "ClusterIP", "port": 80, "annotations": {}},
        "ingress": {"enabled": false, "className": "", "annotations": {}, "tls": [],
            "hosts": [{"host": "crossview.local", "paths": [{"path": "/", "pathType": "Prefix"}]}]},
        "httproute": {"enabled": false, "parentRefs": [], "hostnames": []},
        "rbac": {"create": true},
        "database": {"enabled": true, "persistence": {"size": "1Gi"}},
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "podAnnotations": {},
        "test": {"crash": "", "neverReady": false, "readyAfterSeconds": 0, "failTemplate": "", "selectorLabel": "", "insecure": false},
    })
}

/// What the templates make.
pub(super) struct Rendered {
    /// Manifests with kind and apiVersion, in the order in which Helm installs them.
    pub objects: Vec<Value>,
    /// The port of the Service, for the notes.
    pub port: u64,
}

/// Renders version `version` of the chart.
///
/// # Errors
/// The template's own words.
pub(super) fn render(release: &str, namespace: &str, version: &str, given: &Value) -> Result<Rendered, String> {
    let mut all = defaults();
    values::merge(&mut all, given);
    let value = |pointer: &str| all.pointer(pointer).cloned().unwrap_or_default();
    let is_on = |pointer: &str| value(pointer) == json!(true);
    let string = |pointer: &str| match value(pointer) {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let fail = string("/test/failTemplate");
    if !fail.is_empty() {
        return Err(format!("execution error at (crossview/templates/deployment.yaml:2:4): {fail}"));
    }
    let name = if release.contains("crossview") { release.to_owned() } else { format!("{release}-crossview") };
    let selector = json!({"app.kubernetes.io/name": "crossview", "app.kubernetes.io/instance": release});
    let with = |base: &Value, more: &[(&str, String)]| {
        let mut labels = base.clone();
        more.iter().for_each(|(name, value)| set(&mut labels, name, json!(value)));
        labels
    };
    let labels = with(
        &selector,
        &[
            ("helm.sh/chart", format!("crossview-{version}")),
            ("app.kubernetes.io/version", format!("v{version}")),
            ("app.kubernetes.io/managed-by", "Helm".to_owned()),
        ],
    );
    let component =
        |base: &Value, component: &str| with(base, &[("app.kubernetes.io/component", component.to_owned())]);
    let object = |api_version: &str, kind: &str, name: &str, labels: &Value, body: Value| {
        let annotations = json!({"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace});
        let mut metadata = json!({"name": name, "labels": labels, "annotations": annotations});
        if !kind.starts_with("ClusterRole") {
            set(&mut metadata, "namespace", json!(namespace));
        }
        let mut object = body;
        set(&mut object, "apiVersion", json!(api_version));
        set(&mut object, "kind", json!(kind));
        set(&mut object, "metadata", metadata);
        object
    };
    let port = value("/config/server/port");
    let mut data = json!({"PORT": string("/config/server/port"), "AUTH_MODE": string("/config/server/auth/mode"), "DB_ENABLED": string("/config/database/enabled")});
    for (name, pointer) in [
        ("TEST_CRASH", "/test/crash"),
        ("TEST_NEVER_READY", "/test/neverReady"),
        ("TEST_READY_AFTER_SECONDS", "/test/readyAfterSeconds"),
    ] {
        let setting = string(pointer);
        if !matches!(setting.as_str(), "" | "false" | "0") {
            set(&mut data, name, json!(setting));
        }
    }
    let mut app = component(&selector, "app");
    let mut pod_labels = component(&labels, "app");
    let one_more = string("/test/selectorLabel");
    if !one_more.is_empty() {
        [&mut app, &mut pod_labels]
            .into_iter()
            .for_each(|labels| set(labels, "crossview.test/selector", json!(one_more)));
    }
    let mut pod_annotations = value("/podAnnotations");
    set(&mut pod_annotations, "checksum/config", json!(sorted(&data)));
    let tag = match string("/image/tag") {
        tag if tag.is_empty() => format!("v{version}"),
        tag => tag,
    };
    let (account, secrets, config, service) =
        (format!("{name}-sa"), format!("{name}-secrets"), format!("{name}-config"), format!("{name}-service"));
    let restricted =
        json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
    let pod_security = json!({"runAsNonRoot": true, "runAsUser": 1001, "runAsGroup": 1001, "fsGroup": 1001, "seccompProfile": {"type": "RuntimeDefault"}});
    let deployment = |replicas: Value, selector: &Value, template_metadata: Value, spec: Value| json!({"spec": {"replicas": replicas, "selector": {"matchLabels": selector}, "template": {"metadata": template_metadata, "spec": spec}}});
    let login = json!({
        "ADMIN_USERNAME": string("/secrets/adminUsername"), "ADMIN_PASSWORD": string("/secrets/adminPassword"), "DB_PASSWORD": string("/secrets/databasePassword"),
    });
    let mut objects = vec![
        object("v1", "ServiceAccount", &account, &labels, json!({})),
        object("v1", "Secret", &secrets, &labels, json!({"type": "Opaque", "stringData": login})),
        object("v1", "ConfigMap", &config, &labels, json!({"data": data})),
    ];
    let with_database = is_on("/database/enabled");
    let postgres = format!("{name}-postgres");
    let database_labels = component(&labels, "postgres");
    if with_database {
        let size = value("/database/persistence/size");
        let claim = json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}});
        objects.push(object("v1", "PersistentVolumeClaim", &postgres, &database_labels, claim));
    }
    if is_on("/rbac/create") {
        let rbac = "rbac.authorization.k8s.io";
        let rules = json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]});
        let binding = json!({
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "crossview-role"},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        });
        objects.push(object(&format!("{rbac}/v1"), "ClusterRole", "crossview-role", &labels, rules));
        objects.push(object(&format!("{rbac}/v1"), "ClusterRoleBinding", "crossview-binding", &labels, binding));
    }
    if with_database {
        let spec = json!({"spec": {"selector": component(&selector, "postgres"), "ports": [{"name": "postgres", "port": 5432, "targetPort": "postgres"}]}});
        objects.push(object("v1", "Service", &postgres, &database_labels, spec));
    }
    let ports = json!([{"name": "http", "port": value("/service/port"), "targetPort": "http", "protocol": "TCP"}]);
    let spec =
        json!({"spec": {"type": value("/service/type"), "selector": component(&selector, "app"), "ports": ports}});
    objects.push(object("v1", "Service", &service, &component(&labels, "app"), spec));
    let mut container = json!({
        "name": "crossview", "image": format!("{}:{tag}", string("/image/repository")), "imagePullPolicy": value("/image/pullPolicy"),
        "securityContext": restricted, "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
        "envFrom": [{"configMapRef": {"name": config}}, {"secretRef": {"name": secrets}}],
        "readinessProbe": {"httpGet": {"path": "/api/health", "port": "http"}, "periodSeconds": 1},
        "resources": value("/resources"), "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    });
    let is_insecure = is_on("/test/insecure");
    if is_insecure {
        set(&mut container, "securityContext", Value::Null);
    }
    let mut pod = json!({
        "serviceAccountName": account, "securityContext": pod_security, "containers": [container], "volumes": [{"name": "tmp", "emptyDir": {}}],
    });
    if is_insecure {
        set(&mut pod, "securityContext", Value::Null);
    }
    objects.push(object(
        "apps/v1",
        "Deployment",
        &name,
        &labels,
        deployment(value("/replicaCount"), &app, json!({"labels": pod_labels, "annotations": pod_annotations}), pod),
    ));
    if with_database {
        let container = json!({
            "name": "postgres", "image": "docker.io/library/postgres:17-alpine", "securityContext": restricted,
            "ports": [{"name": "postgres", "containerPort": 5432}],
        });
        let pod =
            json!({"automountServiceAccountToken": false, "securityContext": pod_security, "containers": [container]});
        let mut body = deployment(json!(1), &component(&selector, "postgres"), json!({"labels": database_labels}), pod);
        set(at(&mut body, "spec"), "strategy", json!({"type": "Recreate"}));
        objects.push(object("apps/v1", "Deployment", &postgres, &database_labels, body));
    }
    if is_on("/ingress/enabled") {
        let backend = json!({"service": {"name": service, "port": {"name": "http"}}});
        let rules: Vec<Value> = value("/ingress/hosts")
            .as_array()
            .into_iter()
            .flatten()
            .map(|host| {
                let paths = host["paths"].as_array().into_iter().flatten();
                let paths: Vec<Value> = paths
                    .map(|path| json!({"path": path["path"], "pathType": path["pathType"], "backend": backend}))
                    .collect();
                json!({"host": host["host"], "http": {"paths": paths}})
            })
            .collect();
        let mut spec = json!({"rules": rules});
        let class = value("/ingress/className");
        set(&mut spec, "ingressClassName", if class == "" { Value::Null } else { class });
        let tls = value("/ingress/tls");
        set(&mut spec, "tls", if tls.as_array().is_none_or(Vec::is_empty) { Value::Null } else { tls });
        let mut ingress =
            object("networking.k8s.io/v1", "Ingress", &format!("{name}-ingress"), &labels, json!({"spec": spec}));
        values::merge(at(at(&mut ingress, "metadata"), "annotations"), &value("/ingress/annotations"));
        objects.push(ingress);
    }
    if is_on("/httproute/enabled") && !version.starts_with("4.5.") {
        return Err(format!(
            "unable to build kubernetes objects from release manifest: resource mapping not found for name: {name:?} namespace: \"\" from \"\": no matches for kind \"HTTPRoute\" in version \"gateway.networking.k8s.io/v1\"\nensure CRDs are installed first"
        ));
    }
    let port = value("/service/port").as_u64().unwrap_or(80);
    Ok(Rendered { objects, port })
}

/// The place of a manifest in Helm's words: namespace and name, then version and kind.
pub(super) fn place(manifest: &Value) -> String {
    let api_version = text(manifest, "/apiVersion");
    let version = if api_version.contains('/') { api_version.to_owned() } else { format!("/{api_version}") };
    format!(
        "{}/{} {version}, Kind={}",
        text(manifest, "/metadata/namespace"),
        text(manifest, "/metadata/name"),
        text(manifest, "/kind")
    )
}
