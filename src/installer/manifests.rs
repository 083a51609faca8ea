//! The objects that carry an operation, as they are sent.
//!
//! They lie as JSON in `manifests/`, with their variable fields set here; built as k8s-openapi's types they cost the
//! page 10 kB more. A test reads every manifest into those types and finds nothing lost, so a misspelt field fails there.

use k8s_openapi::api::{
    batch::v1::Job,
    coordination::v1::Lease,
    core::v1::{ConfigMap, Event, Namespace, Pod, Secret, Service, ServiceAccount},
    networking::v1::Ingress,
    rbac::v1::{ClusterRole, ClusterRoleBinding},
};
use serde_json::Value;

use super::{JobSettings, Target};
use crate::{
    cluster::{Kind, Timestamp, json},
    helm::command::{Invocation, Operation, Source, TIMEOUT},
};

/// Kinds that the installer writes or watches.
pub mod kinds {
    use super::*;

    /// `v1 Namespace`.
    pub const NAMESPACE: Kind = Kind::of::<Namespace>();
    /// `v1 ServiceAccount`.
    pub const SERVICE_ACCOUNT: Kind = Kind::of::<ServiceAccount>();
    /// `v1 Secret`.
    pub const SECRET: Kind = Kind::of::<Secret>();
    /// `v1 ConfigMap`.
    pub const CONFIG_MAP: Kind = Kind::of::<ConfigMap>();
    /// `v1 Pod`.
    pub const POD: Kind = Kind::of::<Pod>();
    /// `v1 Service`.
    pub const SERVICE: Kind = Kind::of::<Service>();
    /// `v1 Event`.
    pub const EVENT: Kind = Kind::of::<Event>();
    /// `apps/v1 Deployment`.
    pub const DEPLOYMENT: Kind = Kind::of::<k8s_openapi::api::apps::v1::Deployment>();
    /// `batch/v1 Job`.
    pub const JOB: Kind = Kind::of::<Job>();
    /// `coordination.k8s.io/v1 Lease`.
    pub const LEASE: Kind = Kind::of::<Lease>();
    /// `networking.k8s.io/v1 Ingress`.
    pub const INGRESS: Kind = Kind::of::<Ingress>();
    /// `rbac.authorization.k8s.io/v1 ClusterRole`.
    pub const CLUSTER_ROLE: Kind = Kind::of::<ClusterRole>();
    /// `rbac.authorization.k8s.io/v1 ClusterRoleBinding`.
    pub const BINDING: Kind = Kind::of::<ClusterRoleBinding>();
}

/// The ServiceAccount that Helm runs as.
pub const SERVICE_ACCOUNT_NAME: &str = "crossview-helm-installer";
/// The ClusterRoleBinding that gives it cluster-admin while an operation needs it.
pub const BINDING_NAME: &str = "crossview-helm-installer-admin";
/// The ConfigMap with the versions that the last Update Helm Repo found.
pub const VERSIONS_NAME: &str = "crossview-helm-versions";
/// Its key: [`crate::helm::repository::Versions`] as JSON.
pub const VERSIONS_KEY: &str = "versions.json";
/// The Helm image where the settings name no other.
pub const HELM_IMAGE: &str = "docker.io/alpine/helm:4.3.1";
/// The container of a Job whose log is Helm's.
pub const HELM_CONTAINER: &str = "helm";
/// The container that prints a repository's index as Helm has fetched it, see `INDEX_FILE`.
pub const INDEX_CONTAINER: &str = "helm-index";
/// Where Helm keeps the index of the repository [`crate::helm::repository::ALIAS`].
/// <https://github.com/helm/helm/blob/main/pkg/helmpath/lazypath.go>, `home.go`
const INDEX_FILE: &str = "/home/helm/cache/repository/crossview-index.yaml";

/// Marks what is ours. <https://kubernetes.io/docs/reference/labels-annotations-taints/#app-kubernetes-io-managed-by>
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`].
pub const US: &str = "crossview-headlamp";
/// On Jobs: the operation.
pub const OPERATION_LABEL: &str = "crossview-headlamp/operation";
/// On Jobs and Leases: the release.
pub const RELEASE_LABEL: &str = "crossview-headlamp/release";
/// On the binding: the Job that it is for.
pub const JOB_ANNOTATION: &str = "crossview-headlamp/job";
/// On Jobs, and on the Lease while they hold it: who asked for it, by the cluster's own word (SelfSubjectReview).
pub const USER_ANNOTATION: &str = "crossview-headlamp/user";
/// On Jobs, and on the Lease while they hold it: the chart and, after a blank, the version if one was chosen.
pub const CHART_ANNOTATION: &str = "crossview-headlamp/chart";
/// On the Lease: how the last operation ended, see [`super::Outcome`].
pub const OUTCOME_ANNOTATION: &str = "crossview-headlamp/outcome";

/// Selects our Jobs.
#[must_use]
pub fn our_jobs() -> String {
    format!("{MANAGED_BY}={US}")
}

/// Selects Helm's records of the release.
/// <https://github.com/helm/helm/blob/main/pkg/storage/driver/secrets.go>
#[must_use]
pub fn releases(target: &Target) -> String {
    format!("owner=helm,name={}", target.release)
}

/// The Lease's name.
#[must_use]
pub fn lease_name(target: &Target) -> String {
    format!("crossview-helm-{}", target.release)
}

/// A Job's name, `crossview-helm-<operation>-<seconds since 1970>`.
#[must_use]
pub fn job_name(operation: Operation, now: Timestamp) -> String {
    format!("crossview-helm-{}-{}", operation.name(), now.seconds())
}

/// The operation that a Job's name tells.
#[must_use]
pub fn operation_of(job_name: &str) -> Option<Operation> {
    job_name.strip_prefix("crossview-helm-")?.rsplit_once('-')?.0.parse().ok()
}

/// A Job may run for this many seconds beyond Helm's own time-out.
const DEADLINE_BEYOND_HELM: u64 = 600;

/// A manifest with its fields filled in: `fields` are JSON pointers (RFC 6901) and what stands there.
///
/// The manifests are files beside this one, so that they can be read as what they are; built in code they cost the
/// page 4 kB more.
pub(super) fn manifest(template: &str, fields: &[(&str, &str)]) -> Value {
    // A test reads every template; were one broken, the API server would refuse the empty object.
    let mut object: Value = json::read(template).unwrap_or_default();
    for (pointer, text) in fields {
        if let Some(field) = object.pointer_mut(pointer) {
            *field = Value::from(*text);
        }
    }
    object
}

/// The target's Namespace. It is only ever made, never written: its labels (Pod Security) are its owner's.
#[must_use]
pub fn namespace(target: &Target) -> Value {
    manifest(include_str!("manifests/namespace.json"), &[("/metadata/name", target.namespace.as_str())])
}

/// Helm's ServiceAccount; no token is mounted but where a pod asks for it.
#[must_use]
pub fn service_account(target: &Target) -> Value {
    manifest(include_str!("manifests/service-account.json"), &[("/metadata/namespace", target.namespace.as_str())])
}

/// The binding of cluster-admin for the Job `job`. The driver adds the Namespace as owner, so that it never outlives that.
#[must_use]
pub fn binding(target: &Target, job: &str) -> Value {
    let fields =
        [("/metadata/annotations/crossview-headlamp~1job", job), ("/subjects/0/namespace", target.namespace.as_str())];
    manifest(include_str!("manifests/binding.json"), &fields)
}

/// The Secret with the values file; the driver adds the Job as owner, so that it goes with it.
#[must_use]
pub fn values_secret(target: &Target, job: &str, values: &str) -> Value {
    let fields = [
        ("/metadata/name", job),
        ("/metadata/namespace", target.namespace.as_str()),
        ("/stringData/values.yaml", values),
    ];
    manifest(include_str!("manifests/values.json"), &fields)
}

/// The ConfigMap with the versions that a repository offers.
#[must_use]
pub fn versions(target: &Target, versions: &Value) -> Value {
    let text = json::write(versions);
    let fields = [("/metadata/namespace", target.namespace.as_str()), ("/data/versions.json", &*text)];
    manifest(include_str!("manifests/versions.json"), &fields)
}

/// What a Job is for.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSpec {
    /// Its name.
    pub name: String,
    /// What it does.
    pub operation: Operation,
    /// Helm's command line.
    pub invocation: Invocation,
    /// Whether a values file is mounted.
    pub has_values: bool,
    /// Chart and version, for people.
    pub chart: String,
    /// Who asked.
    pub user: String,
    /// Where the chart comes from.
    pub source: Source,
    /// What people have set.
    pub settings: JobSettings,
}

/// Where Helm's login for registry or repository is mounted.
pub const CREDENTIALS_FOLDER: &str = "/credentials";
/// The key, in the Secret with a login, of Helm's registry configuration.
/// <https://kubernetes.io/docs/concepts/configuration/secret/#docker-config-secrets>
pub const REGISTRY_LOGIN: &str = ".dockerconfigjson";
/// The key, in the Secret with a login, of Helm's list of repositories.
pub const REPOSITORY_LOGIN: &str = "repositories.yaml";
/// Where further certificate authorities are mounted.
const AUTHORITIES_FOLDER: &str = "/authorities";

/// The Job, held back until everything that it needs is there.
///
/// No shell: `args` is an array, each value one element. It passes Pod Security `restricted`:
/// <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>.
#[must_use]
pub fn job(target: &Target, spec: &JobSpec) -> Value {
    let fields = [
        ("/metadata/name", spec.name.as_str()),
        ("/metadata/namespace", target.namespace.as_str()),
        ("/metadata/annotations/crossview-headlamp~1chart", &spec.chart),
        ("/metadata/annotations/crossview-headlamp~1user", &spec.user),
        ("/metadata/labels/crossview-headlamp~1operation", spec.operation.name()),
        ("/metadata/labels/crossview-headlamp~1release", target.release.as_str()),
        ("/spec/template/metadata/labels/crossview-headlamp~1operation", spec.operation.name()),
        ("/spec/template/metadata/labels/crossview-headlamp~1release", target.release.as_str()),
        ("/spec/template/spec/containers/0/image", spec.settings.image.as_str()),
        ("/spec/template/spec/volumes/2/secret/secretName", &spec.name),
    ];
    let mut job = manifest(include_str!("manifests/job.json"), &fields);
    job["spec"]["activeDeadlineSeconds"] = Value::from(TIMEOUT.as_secs() + DEADLINE_BEYOND_HELM);
    let pod = &mut job["spec"]["template"]["spec"];
    if !spec.operation.needs_rights() {
        pod["automountServiceAccountToken"] = Value::from(false);
        // Helm's own may not be there yet: an operation that needs it makes it.
        pod["serviceAccountName"] = Value::from("default");
    }
    let container = &mut pod["containers"][0];
    if !spec.has_values {
        // The values are last in both lists.
        container["volumeMounts"].as_array_mut().and_then(Vec::pop);
        pod["volumes"].as_array_mut().and_then(Vec::pop);
    }
    give_settings(pod, spec);
    let container = &mut pod["containers"][0];
    let init = spec.invocation.init.iter().enumerate().map(|(number, args)| {
        let mut init = container.clone();
        init["name"] = Value::from(format!("{HELM_CONTAINER}-{number}"));
        init["args"] = Value::from(args.as_slice());
        init
    });
    let mut init: Vec<Value> = init.collect();
    // Helm's own list has no dates. Of this image it is known that it can print a file; of others it is not, and an init
    // container that fails is the end of its pod.
    if spec.operation == Operation::UpdateRepo && spec.settings.image.is_default() {
        let mut index = container.clone();
        index["name"] = Value::from(INDEX_CONTAINER);
        index["command"] = Value::from(["cat", INDEX_FILE].as_slice());
        init.push(index);
    }
    container["args"] = Value::from(spec.invocation.args.as_slice());
    pod["initContainers"] = Value::from(init);
    job
}

/// Gives a pod what people have set, as far as its Helm needs it: an uninstall must not wait for a Secret with a login
/// that is gone.
fn give_settings(pod: &mut Value, spec: &JobSpec) {
    let JobSettings { image: _, pull_secret, credentials, https_proxy, no_proxy, ca } = &spec.settings;
    if let Some(name) = pull_secret {
        pod["imagePullSecrets"] = manifest(r#"[{"name": ""}]"#, &[("/0/name", name.as_str())]);
    }
    let login = match spec.source {
        Source::Nowhere => return,
        Source::Registry => Some(("HELM_REGISTRY_CONFIG", REGISTRY_LOGIN)),
        Source::Repository => Some(("HELM_REPOSITORY_CONFIG", REPOSITORY_LOGIN)),
        // Helm has no file for the login of a single address.
        Source::Archive => None,
    };
    if let (Some((variable, key)), Some(secret)) = (login, credentials) {
        let volume = manifest(
            r#"{"name": "credentials", "secret": {"secretName": ""}}"#,
            &[("/secret/secretName", secret.as_str())],
        );
        mount(pod, volume, CREDENTIALS_FOLDER);
        set_variable(pod, variable, &[CREDENTIALS_FOLDER, "/", key]);
    }
    if let Some(map) = ca {
        let volume =
            manifest(r#"{"name": "authorities", "configMap": {"name": ""}}"#, &[("/configMap/name", map.as_str())]);
        mount(pod, volume, AUTHORITIES_FOLDER);
        // Go reads the image's bundle and every certificate in these folders: https://pkg.go.dev/crypto/x509#SystemCertPool
        set_variable(pod, "SSL_CERT_DIR", &["/etc/ssl/certs:", AUTHORITIES_FOLDER]);
    }
    if let Some(proxy) = https_proxy {
        set_variable(pod, "HTTPS_PROXY", &[proxy.as_str()]);
        // The kubelet puts the API server's address in; without it Helm would ask the proxy for its own cluster.
        // https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
        let rest = if no_proxy.is_empty() { "" } else { "," };
        set_variable(pod, "NO_PROXY", &["$(KUBERNETES_SERVICE_HOST)", rest, no_proxy]);
    }
}

/// Mounts `volume` read-only into the pod's container.
fn mount(pod: &mut Value, volume: Value, folder: &str) {
    let name = volume["name"].as_str().unwrap_or_default();
    let fields = [("/name", name), ("/mountPath", folder)];
    push(
        &mut pod["containers"][0]["volumeMounts"],
        manifest(r#"{"name": "", "mountPath": "", "readOnly": true}"#, &fields),
    );
    push(&mut pod["volumes"], volume);
}

/// Sets an environment variable of the pod's container to the parts of `value`.
fn set_variable(pod: &mut Value, name: &str, value: &[&str]) {
    let fields = [("/name", name), ("/value", &*value.concat())];
    push(&mut pod["containers"][0]["env"], manifest(r#"{"name": "", "value": ""}"#, &fields));
}

fn push(list: &mut Value, item: Value) {
    if let Some(list) = list.as_array_mut() {
        list.push(item);
    }
}

/// `DeleteOptions` that wait for what the object owns: without them a Job leaves its pods and Secret behind.
/// <https://kubernetes.io/docs/concepts/workloads/controllers/job/#deleting-old-jobs>
#[must_use]
pub fn delete_foreground() -> Value {
    manifest(r#"{"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"}"#, &[])
}

/// `DeleteOptions` for exactly the object that was seen.
#[must_use]
pub fn delete_exactly(uid: &str, resource_version: &str) -> Value {
    let fields = [("/preconditions/uid", uid), ("/preconditions/resourceVersion", resource_version)];
    manifest(include_str!("manifests/delete-exactly.json"), &fields)
}

/// `DeleteOptions` for the object of this uid, whatever its version.
#[must_use]
pub fn delete_this(uid: &str) -> Value {
    manifest(
        r#"{"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": ""}}"#,
        &[("/preconditions/uid", uid)],
    )
}

/// Makes `owner` an owner of `object`, so that the garbage collector takes `object` with it.
/// <https://kubernetes.io/docs/concepts/architecture/garbage-collection/#owners-dependents>
pub fn set_owner(object: &mut Value, kind: Kind, name: &str, uid: &str) {
    let fields = [("/0/apiVersion", kind.api_version), ("/0/kind", kind.name), ("/0/name", name), ("/0/uid", uid)];
    object["metadata"]["ownerReferences"] =
        manifest(r#"[{"apiVersion": "", "kind": "", "name": "", "uid": ""}]"#, &fields);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::{
        chart::Chart,
        command::{Command, VALUES_FILE, VALUES_FOLDER},
    };
    use k8s_openapi::api::{
        batch::v1::Job,
        core::v1::{ConfigMap, Namespace, Secret, ServiceAccount},
        rbac::v1::ClusterRoleBinding,
    };
    use serde::{Serialize, de::DeserializeOwned};
    use serde_json::json;

    fn spec(command: &Command) -> JobSpec {
        let target = Target::default();
        JobSpec {
            name: job_name(command.operation(), Timestamp::from_millis(1_795_395_723_000)),
            operation: command.operation(),
            invocation: command.invocation(&target.namespace, &target.release),
            has_values: matches!(command, Command::Install { values: true, .. }),
            chart: String::new(),
            user: "jane".to_owned(),
            source: command.source(),
            settings: JobSettings::default(),
        }
    }

    fn install() -> Command {
        Command::Install { chart: Chart::default(), values: true }
    }

    /// Reads `manifest` as Kubernetes' own type and writes it again: a misspelt or misplaced field would be lost.
    fn assert_nothing_is_lost<T: DeserializeOwned + Serialize>(manifest: Value) {
        let typed: T = serde_json::from_value(manifest.clone()).unwrap();

        assert_eq!(without_empty(serde_json::to_value(typed).unwrap()), without_empty(manifest));
    }

    /// Empty lists are left out by some types and written by others; they mean the same.
    fn without_empty(value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let kept = fields.into_iter().filter(|(_, field)| *field != json!([]));
                Value::Object(kept.map(|(key, field)| (key, without_empty(field))).collect())
            }
            Value::Array(items) => items.into_iter().map(without_empty).collect(),
            other => other,
        }
    }

    #[test]
    fn every_manifest_is_what_kubernetes_types_say() {
        let target = Target::default();

        assert_nothing_is_lost::<Namespace>(namespace(&target));
        assert_nothing_is_lost::<ServiceAccount>(service_account(&target));
        assert_nothing_is_lost::<ClusterRoleBinding>(binding(&target, "job"));
        assert_nothing_is_lost::<Secret>(values_secret(&target, "job", "a: b"));
        assert_nothing_is_lost::<Job>(job(&target, &spec(&install())));
        assert_nothing_is_lost::<ConfigMap>(versions(&target, &json!([])));
    }

    #[test]
    fn the_values_lie_where_helm_is_told_to_read_them() {
        let target = Target::default();
        let manifest = job(&target, &spec(&install()));
        let pod = &manifest["spec"]["template"]["spec"];

        assert_eq!(pod["containers"][0]["volumeMounts"][2]["mountPath"], VALUES_FOLDER);
        assert_eq!(pod["volumes"][2]["secret"]["secretName"], manifest["metadata"]["name"]);
        assert_eq!(values_secret(&target, "job", "a: b")["stringData"][VALUES_FILE], "a: b");
    }

    #[test]
    fn a_job_without_values_mounts_none() {
        let manifest = job(&Target::default(), &spec(&Command::Uninstall));

        assert!(!manifest.to_string().contains("\"values\""), "{manifest}");
    }

    #[test]
    fn the_names_in_the_templates_are_those_in_the_code() {
        let target = Target::default();
        let names = [
            (service_account(&target)["metadata"]["name"].clone(), SERVICE_ACCOUNT_NAME),
            (versions(&target, &json!({}))["metadata"]["name"].clone(), VERSIONS_NAME),
            (versions(&target, &json!("v"))["data"][VERSIONS_KEY].clone(), "\"v\""),
            (binding(&target, "job")["metadata"]["name"].clone(), BINDING_NAME),
            (binding(&target, "job")["metadata"]["annotations"][JOB_ANNOTATION].clone(), "job"),
            (binding(&target, "job")["subjects"][0]["name"].clone(), SERVICE_ACCOUNT_NAME),
            (
                job(&target, &spec(&install()))["spec"]["template"]["spec"]["serviceAccountName"].clone(),
                SERVICE_ACCOUNT_NAME,
            ),
            (
                job(&target, &spec(&install()))["spec"]["template"]["spec"]["containers"][0]["name"].clone(),
                HELM_CONTAINER,
            ),
            (job(&target, &spec(&install()))["metadata"]["labels"][MANAGED_BY].clone(), US),
            (job(&target, &spec(&install()))["metadata"]["labels"][OPERATION_LABEL].clone(), "install"),
            (job(&target, &spec(&install()))["metadata"]["labels"][RELEASE_LABEL].clone(), "crossview"),
            (job(&target, &spec(&install()))["metadata"]["annotations"][USER_ANNOTATION].clone(), "jane"),
            (
                job(&target, &JobSpec { chart: "c".to_owned(), ..spec(&install()) })["metadata"]["annotations"]
                    [CHART_ANNOTATION]
                    .clone(),
                "c",
            ),
        ];

        for (in_template, in_code) in names {
            assert_eq!(in_template, in_code);
        }
    }

    #[test]
    fn a_job_starts_held_back_and_runs_no_shell() {
        let manifest = job(&Target::default(), &spec(&install()));

        assert_eq!(manifest["spec"]["suspend"], true);
        let container = &manifest["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container.get("command"), None, "{container}");
        assert_eq!(container["args"][0], "upgrade");
    }

    /// <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
    #[test]
    fn every_container_meets_pod_security_restricted() {
        let url = "https://example.org/charts".parse().unwrap();
        let command = Command::UpdateRepo { url, name: "crossview".parse().unwrap() };
        let manifest = job(&Target::default(), &spec(&command));
        let pod = &manifest["spec"]["template"]["spec"];

        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let containers =
            [&pod["initContainers"], &pod["containers"]].into_iter().flat_map(|list| list.as_array().unwrap());
        let mut count = 0;
        for container in containers {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false);
            assert_eq!(context["readOnlyRootFilesystem"], true);
            assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
            count += 1;
        }
        assert_eq!(count, 4, "repo add, repo update, the index and search");
    }

    #[test]
    fn an_operation_that_needs_no_rights_gets_no_token_and_not_helms_service_account() {
        let url = "https://example.org/charts".parse().unwrap();
        let refresh = Command::UpdateRepo { url, name: "crossview".parse().unwrap() };
        let rights = |command: &Command| {
            let pod = job(&Target::default(), &spec(command))["spec"]["template"]["spec"].clone();
            (pod["automountServiceAccountToken"].clone(), pod["serviceAccountName"].clone())
        };

        assert_eq!(rights(&refresh), (json!(false), json!("default")));
        assert_eq!(rights(&install()), (json!(true), json!(SERVICE_ACCOUNT_NAME)));
    }

    fn everything_set() -> JobSettings {
        JobSettings {
            image: "registry.local/helm:4".parse().unwrap(),
            pull_secret: Some("pull".parse().unwrap()),
            credentials: Some("login".parse().unwrap()),
            https_proxy: Some("http://proxy.local:3128".parse().unwrap()),
            no_proxy: ".local".to_owned(),
            ca: Some("our-ca".parse().unwrap()),
        }
    }

    fn variables(container: &Value) -> Vec<(&str, &str)> {
        container["env"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|entry| Some((entry["name"].as_str()?, entry["value"].as_str()?)))
            .filter(|(name, _)| !name.ends_with("HOME"))
            .collect()
    }

    #[test]
    fn what_is_set_reaches_every_run_of_helm() {
        let chart: Chart = "https://example.org/charts crossview".parse().unwrap();
        let command = Command::Install { chart, values: true };
        let manifest = job(&Target::default(), &JobSpec { settings: everything_set(), ..spec(&command) });
        let pod = &manifest["spec"]["template"]["spec"];

        assert_nothing_is_lost::<Job>(manifest.clone());
        assert_eq!(pod["imagePullSecrets"], json!([{"name": "pull"}]));
        let containers =
            [&pod["initContainers"], &pod["containers"]].into_iter().flat_map(|list| list.as_array().unwrap());
        let mut count = 0;
        for container in containers {
            assert_eq!(container["image"], "registry.local/helm:4");
            assert_eq!(
                variables(container),
                [
                    ("HELM_REPOSITORY_CONFIG", "/credentials/repositories.yaml"),
                    ("SSL_CERT_DIR", "/etc/ssl/certs:/authorities"),
                    ("HTTPS_PROXY", "http://proxy.local:3128"),
                    ("NO_PROXY", "$(KUBERNETES_SERVICE_HOST),.local"),
                ]
            );
            let mounts = container["volumeMounts"].as_array().unwrap();
            let folders: Vec<_> = mounts.iter().map(|mount| mount["mountPath"].as_str().unwrap()).collect();
            assert_eq!(folders, ["/home/helm", "/tmp", "/values", "/credentials", "/authorities"]);
            count += 1;
        }
        assert_eq!(count, 3);
        let volumes = pod["volumes"].as_array().unwrap();
        assert!(volumes.contains(&json!({"name": "credentials", "secret": {"secretName": "login"}})), "{volumes:?}");
        assert!(volumes.contains(&json!({"name": "authorities", "configMap": {"name": "our-ca"}})), "{volumes:?}");
    }

    #[test]
    fn a_registrys_login_is_helms_registry_configuration() {
        let manifest = job(&Target::default(), &JobSpec { settings: everything_set(), ..spec(&install()) });

        let container = &manifest["spec"]["template"]["spec"]["containers"][0];
        assert!(variables(container).contains(&("HELM_REGISTRY_CONFIG", "/credentials/.dockerconfigjson")));
    }

    // A login that has been deleted since would keep the pod from ever starting.
    #[test]
    fn an_uninstall_waits_for_nothing_that_only_a_chart_needs() {
        let manifest = job(&Target::default(), &JobSpec { settings: everything_set(), ..spec(&Command::Uninstall) });

        let pod = &manifest["spec"]["template"]["spec"];
        assert_eq!(variables(&pod["containers"][0]), []);
        assert_eq!(pod["volumes"].as_array().unwrap().len(), 2, "{pod}");
        assert_eq!(pod["containers"][0]["image"], "registry.local/helm:4");
    }

    #[test]
    fn a_jobs_name_tells_its_operation() {
        for operation in Operation::ALL {
            assert_eq!(operation_of(&job_name(operation, Timestamp::from_millis(1000))), Some(operation));
        }
        assert_eq!(operation_of("backup-1"), None);
    }
}
