//! The few fields of Kubernetes' objects that the page reads.
//!
//! Narrow on purpose: reading k8s-openapi's types costs the page 30 to 60 kB. A field that a server leaves out reads
//! as its default, so an object of an older or newer server never fails to read.
//! Shapes: <https://kubernetes.io/docs/reference/kubernetes-api/>.

use serde_json::Value;

use crate::cluster::{Narrow, Texts, Timestamp, narrow};

narrow! {
    /// `ObjectMeta`.
    pub struct Metadata {
        /// Unique within kind and namespace.
        pub name: String = "name",
        /// Empty for objects of the whole cluster.
        pub namespace: String = "namespace",
        /// Unique for ever.
        pub uid: String = "uid",
        /// For preconditions; to be compared for equality only.
        pub resource_version: String = "resourceVersion",
        /// Rises with each change of the spec.
        pub generation: i64 = "generation",
        /// When it was made, by the server's clock.
        pub creation_timestamp: Option<Timestamp> = "creationTimestamp",
        /// When its deletion was asked for; it is still there until its finalizers are done.
        pub deletion_timestamp: Option<Timestamp> = "deletionTimestamp",
        /// Labels.
        pub labels: Texts = "labels",
        /// Annotations.
        pub annotations: Texts = "annotations",
    }
}

impl Metadata {
    /// A label's value; empty when it isn't set.
    #[must_use]
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).unwrap_or_default()
    }

    /// An annotation's value; empty when it isn't set.
    #[must_use]
    pub fn annotation(&self, key: &str) -> &str {
        self.annotations.get(key).unwrap_or_default()
    }
}

narrow! {
    /// A condition of any kind's status.
    pub struct Condition {
        /// Its name.
        pub r#type: String = "type",
        /// `True`, `False` or `Unknown`.
        pub status: String = "status",
        /// One word.
        pub reason: String = "reason",
        /// A sentence.
        pub message: String = "message",
        /// Since when.
        pub last_transition_time: Option<Timestamp> = "lastTransitionTime",
    }
}

/// Finds the condition `name` and whether it is `True`.
fn condition<'a>(all: &'a [Condition], name: &str) -> Option<&'a Condition> {
    all.iter().find(|condition| condition.r#type == name)
}

narrow! {
    /// An object of which only the metadata matters: ServiceAccounts, ConfigMaps, Helm's Secrets.
    pub struct Plain {
        /// Metadata.
        pub metadata: Metadata = "metadata",
    }
}

/// An object of which another room reads what it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    /// Metadata.
    pub metadata: Metadata,
    /// All of it.
    pub object: Value,
}

impl Narrow for Raw {
    fn read(value: &Value) -> Self {
        Self { metadata: Metadata::read(&value["metadata"]), object: value.clone() }
    }
}

narrow! {
    /// A Namespace.
    pub struct Namespace {
        /// Metadata.
        pub metadata: Metadata = "metadata",
        /// Phase.
        pub status: NamespaceStatus = "status",
    }
}

narrow! {
    /// `NamespaceStatus`.
    pub struct NamespaceStatus {
        /// `Active` or `Terminating`.
        pub phase: String = "phase",
    }
}

narrow! {
    /// A ConfigMap.
    pub struct ConfigMap {
        /// Metadata.
        pub metadata: Metadata = "metadata",
        /// Texts by key.
        pub data: Texts = "data",
    }
}

narrow! {
    /// A ClusterRoleBinding.
    pub struct Binding {
        /// Metadata; the annotation [`super::manifests::JOB_ANNOTATION`] names the Job that it is for.
        pub metadata: Metadata = "metadata",
        /// Who gets the rights.
        pub subjects: Vec<Subject> = "subjects",
    }
}

narrow! {
    /// `Subject`.
    pub struct Subject {
        /// Its namespace; empty for users and groups.
        pub namespace: String = "namespace",
    }
}

impl Binding {
    /// Whether it gives rights to something in `namespace`, or tells nothing of whom it gives them to.
    #[must_use]
    pub fn is_for(&self, namespace: &crate::helm::release::Namespace) -> bool {
        self.subjects.is_empty() || self.subjects.iter().any(|subject| subject.namespace == namespace.as_str())
    }
}

narrow! {
    /// A Lease of `coordination.k8s.io/v1`.
    pub struct Lease {
        /// Metadata; an annotation keeps the last outcome.
        pub metadata: Metadata = "metadata",
        /// Who holds it.
        pub spec: LeaseSpec = "spec",
    }
}

narrow! {
    /// `LeaseSpec`.
    pub struct LeaseSpec {
        /// The name of the Job that holds it; absent or empty when it is free.
        pub holder_identity: Option<String> = "holderIdentity",
        /// Since when.
        pub acquire_time: Option<Timestamp> = "acquireTime",
    }
}

narrow! {
    /// A Job.
    pub struct Job {
        /// Metadata; labels and annotations tell the operation, see [`super::manifests`].
        pub metadata: Metadata = "metadata",
        /// Whether it is held back.
        pub spec: JobSpec = "spec",
        /// How far it is.
        pub status: JobStatus = "status",
    }
}

narrow! {
    /// `JobSpec`.
    pub struct JobSpec {
        /// Held back: no pod is made.
        pub suspend: bool = "suspend",
    }
}

narrow! {
    /// `JobStatus`.
    pub struct JobStatus {
        /// Pods that run or wait.
        pub active: i32 = "active",
        /// Pods that have failed.
        pub failed: i32 = "failed",
        /// `Complete`, `Failed`, `Suspended` and more.
        pub conditions: Vec<Condition> = "conditions",
        /// When it was let go.
        pub start_time: Option<Timestamp> = "startTime",
        /// When it completed; not set when it failed.
        pub completion_time: Option<Timestamp> = "completionTime",
    }
}

/// How a Job ended. <https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions>
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEnd {
    /// Its pod went through.
    Complete,
    /// It failed.
    Failed {
        /// `BackoffLimitExceeded`, `DeadlineExceeded` and more.
        reason: String,
        /// The Job controller's sentence.
        message: String,
    },
}

impl Job {
    /// How it ended; `None` while it may still do something.
    #[must_use]
    pub fn end(&self) -> Option<JobEnd> {
        let holds = |name| condition(&self.status.conditions, name).filter(|found| found.status == "True");
        if holds("Complete").is_some() {
            return Some(JobEnd::Complete);
        }
        holds("Failed").map(|failed| JobEnd::Failed { reason: failed.reason.clone(), message: failed.message.clone() })
    }

    /// Whether its end has begun: it is being deleted, or its pods are because it has failed.
    /// <https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions>
    #[must_use]
    pub fn is_ending(&self) -> bool {
        let failing = condition(&self.status.conditions, "FailureTarget").is_some_and(|found| found.status == "True");
        failing || self.metadata.deletion_timestamp.is_some()
    }

    /// When it ended.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        let last = |name| condition(&self.status.conditions, name).and_then(|found| found.last_transition_time);
        self.status.completion_time.or_else(|| last("Complete")).or_else(|| last("Failed"))
    }
}

narrow! {
    /// A Pod.
    pub struct Pod {
        /// Metadata.
        pub metadata: Metadata = "metadata",
        /// How it is.
        pub status: PodStatus = "status",
    }
}

narrow! {
    /// `PodStatus`.
    pub struct PodStatus {
        /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
        pub phase: String = "phase",
        /// One word, such as `Evicted`.
        pub reason: String = "reason",
        /// A sentence.
        pub message: String = "message",
        /// `PodScheduled`, `Ready` and more.
        pub conditions: Vec<Condition> = "conditions",
        /// In the order of the spec.
        pub init_container_statuses: Vec<ContainerStatus> = "initContainerStatuses",
        /// In any order.
        pub container_statuses: Vec<ContainerStatus> = "containerStatuses",
    }
}

narrow! {
    /// `ContainerStatus`.
    pub struct ContainerStatus {
        /// The container's name.
        pub name: String = "name",
        /// The image as asked for.
        pub image: String = "image",
        /// Passes its readiness probe.
        pub ready: bool = "ready",
        /// How often it was started anew.
        pub restart_count: i32 = "restartCount",
        /// What it does now.
        pub state: ContainerState = "state",
        /// How it ended the time before.
        pub last_state: ContainerState = "lastState",
    }
}

narrow! {
    /// `ContainerState`: one of three; none of them means waiting.
    pub struct ContainerState {
        /// Why it doesn't run yet.
        pub waiting: Option<Waiting> = "waiting",
        /// Since when it runs.
        pub running: Option<Running> = "running",
        /// How it ended.
        pub terminated: Option<Terminated> = "terminated",
    }
}

narrow! {
    /// `ContainerStateWaiting`.
    pub struct Waiting {
        /// Such as `ContainerCreating`, `ErrImagePull`, `CrashLoopBackOff`.
        pub reason: String = "reason",
        /// The kubelet's sentence.
        pub message: String = "message",
    }
}

narrow! {
    /// `ContainerStateRunning`.
    pub struct Running {
        /// Since when.
        pub started_at: Option<Timestamp> = "startedAt",
    }
}

narrow! {
    /// `ContainerStateTerminated`.
    pub struct Terminated {
        /// The program's exit code; 128 and more for a signal.
        pub exit_code: i32 = "exitCode",
        /// `Completed`, `Error`, `OOMKilled` and more.
        pub reason: String = "reason",
        /// The termination message: the log's end where `FallbackToLogsOnError` is set.
        pub message: String = "message",
        /// When it ended.
        pub finished_at: Option<Timestamp> = "finishedAt",
    }
}

impl Pod {
    /// Ended, one way or the other; its containers do nothing more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// Takes traffic.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        condition(&self.status.conditions, "Ready").is_some_and(|ready| ready.status == "True")
            && self.metadata.deletion_timestamp.is_none()
    }

    /// Why no node takes it: the scheduler's condition, where it says so.
    #[must_use]
    pub fn scheduling(&self) -> Option<&Condition> {
        condition(&self.status.conditions, "PodScheduled").filter(|scheduled| scheduled.status == "False")
    }

    /// All its containers, init containers first.
    pub fn containers(&self) -> std::vec::IntoIter<&ContainerStatus> {
        let mut all = Vec::new();
        all.extend(&self.status.init_container_statuses);
        all.extend(&self.status.container_statuses);
        all.into_iter()
    }
}

narrow! {
    /// A Deployment.
    pub struct Deployment {
        /// Metadata; Helm's labels tell chart and version.
        pub metadata: Metadata = "metadata",
        /// What is wanted.
        pub spec: DeploymentSpec = "spec",
        /// What is there.
        pub status: DeploymentStatus = "status",
    }
}

narrow! {
    /// `DeploymentSpec`.
    pub struct DeploymentSpec {
        /// How many pods are wanted; the server always fills it in.
        pub replicas: i32 = "replicas",
        /// Its pods' labels.
        pub selector: LabelSelector = "selector",
    }
}

narrow! {
    /// `LabelSelector`.
    pub struct LabelSelector {
        /// Labels that all have to be there.
        pub match_labels: Texts = "matchLabels",
    }
}

narrow! {
    /// `DeploymentStatus`.
    pub struct DeploymentStatus {
        /// The generation that the rest of this status is about.
        pub observed_generation: i64 = "observedGeneration",
        /// All pods.
        pub replicas: i32 = "replicas",
        /// Pods of the newest template.
        pub updated_replicas: i32 = "updatedReplicas",
        /// Pods that are ready.
        pub ready_replicas: i32 = "readyReplicas",
        /// Pods that are ready and have been for long enough.
        pub available_replicas: i32 = "availableReplicas",
        /// `Available`, `Progressing`, `ReplicaFailure`.
        pub conditions: Vec<Condition> = "conditions",
    }
}

impl Deployment {
    /// Whether it is Crossview itself. Its chart names the component in the selector alone: the Deployment's own labels
    /// are the same as its database's.
    #[must_use]
    pub fn is_app(&self) -> bool {
        super::derive::is_app(&self.spec.selector.match_labels)
    }

    /// The Helm release that it belongs to; empty where the selector doesn't tell.
    #[must_use]
    pub fn release(&self) -> &str {
        self.spec.selector.match_labels.get("app.kubernetes.io/instance").unwrap_or_default()
    }

    /// Rolled out: the rule of `kubectl rollout status`.
    /// <https://github.com/kubernetes/kubectl/blob/master/pkg/polymorphichelpers/rollout_status.go>
    #[must_use]
    pub fn is_rolled_out(&self) -> bool {
        let (spec, status) = (&self.spec, &self.status);
        status.observed_generation >= self.metadata.generation
            && status.updated_replicas >= spec.replicas
            && status.replicas <= status.updated_replicas
            && status.available_replicas >= status.updated_replicas
    }

    /// The condition of this name.
    #[must_use]
    pub fn condition(&self, name: &str) -> Option<&Condition> {
        condition(&self.status.conditions, name)
    }
}

narrow! {
    /// A Service.
    pub struct Service {
        /// Metadata.
        pub metadata: Metadata = "metadata",
        /// Type, ports and selector.
        pub spec: ServiceSpec = "spec",
        /// Addresses of a load balancer.
        pub status: LoadBalanced = "status",
    }
}

narrow! {
    /// `ServiceSpec`.
    pub struct ServiceSpec {
        /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
        pub r#type: String = "type",
        /// Labels of the pods that it leads to.
        pub selector: Texts = "selector",
        /// Its ports.
        pub ports: Vec<ServicePort> = "ports",
    }
}

narrow! {
    /// `ServicePort`.
    pub struct ServicePort {
        /// Its name; may be empty where it is the only one.
        pub name: String = "name",
        /// The port that the Service listens on.
        pub port: u16 = "port",
    }
}

narrow! {
    /// A status that tells a load balancer's addresses: of a Service and of an Ingress.
    pub struct LoadBalanced {
        /// The addresses.
        pub load_balancer: LoadBalancer = "loadBalancer",
    }
}

narrow! {
    /// `LoadBalancerStatus`.
    pub struct LoadBalancer {
        /// None until it has been set up.
        pub ingress: Vec<Address> = "ingress",
    }
}

narrow! {
    /// `LoadBalancerIngress`.
    pub struct Address {
        /// An IP address, or
        pub ip: String = "ip",
        /// a host name.
        pub hostname: String = "hostname",
    }
}

narrow! {
    /// An Ingress.
    pub struct Ingress {
        /// Metadata.
        pub metadata: Metadata = "metadata",
        /// Rules and TLS.
        pub spec: IngressSpec = "spec",
        /// Addresses.
        pub status: LoadBalanced = "status",
    }
}

narrow! {
    /// `IngressSpec`.
    pub struct IngressSpec {
        /// Hosts that are served over TLS.
        pub tls: Vec<IngressTls> = "tls",
        /// Hosts and where they lead.
        pub rules: Vec<IngressRule> = "rules",
    }
}

narrow! {
    /// `IngressTLS`.
    pub struct IngressTls {
        /// The hosts; none means every host of the rules.
        pub hosts: Vec<String> = "hosts",
    }
}

narrow! {
    /// `IngressRule`.
    pub struct IngressRule {
        /// The host; empty means any.
        pub host: String = "host",
        /// Its paths.
        pub http: Option<HttpRule> = "http",
    }
}

narrow! {
    /// `HTTPIngressRuleValue`.
    pub struct HttpRule {
        /// Paths and where they lead.
        pub paths: Vec<HttpPath> = "paths",
    }
}

narrow! {
    /// `HTTPIngressPath`.
    pub struct HttpPath {
        /// The path; `/` for the whole host.
        pub path: String = "path",
        /// Where it leads.
        pub backend: Backend = "backend",
    }
}

narrow! {
    /// `IngressBackend`.
    pub struct Backend {
        /// The Service.
        pub service: BackendService = "service",
    }
}

narrow! {
    /// `IngressServiceBackend`.
    pub struct BackendService {
        /// The Service's name.
        pub name: String = "name",
    }
}

narrow! {
    /// An Event of `core/v1`.
    pub struct Event {
        /// Metadata.
        pub metadata: Metadata = "metadata",
        /// What it is about.
        pub involved_object: Reference = "involvedObject",
        /// One word.
        pub reason: String = "reason",
        /// A sentence.
        pub message: String = "message",
        /// `Normal` or `Warning`.
        pub r#type: String = "type",
        /// When it was last seen; reporters of the newer kind leave it out.
        pub last_timestamp: Option<Timestamp> = "lastTimestamp",
        /// How often it was seen; reporters of the newer kind leave it out.
        pub count: i32 = "count",
        /// When it was first seen, from reporters of the newer kind.
        pub event_time: Option<Timestamp> = "eventTime",
        /// How it went on, from reporters of the newer kind.
        pub series: Series = "series",
    }
}

narrow! {
    /// `EventSeries`.
    pub struct Series {
        /// How often it was seen.
        pub count: i32 = "count",
        /// When it was last seen.
        pub last_observed_time: Option<Timestamp> = "lastObservedTime",
    }
}

impl Event {
    /// When it was last seen.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        let newer = self.series.last_observed_time.or(self.event_time);
        self.last_timestamp.or(newer).or(self.metadata.creation_timestamp)
    }

    /// How often it was seen.
    #[must_use]
    pub fn times(&self) -> i32 {
        self.count.max(self.series.count).max(1)
    }
}

narrow! {
    /// `ObjectReference`.
    pub struct Reference {
        /// The kind.
        pub kind: String = "kind",
        /// The name.
        pub name: String = "name",
    }
}
