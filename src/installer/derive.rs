//! What follows from what is known: one pure function, total, without memory.
//!
//! A reload, a lost event and a second browser all come to the same [`Status`]. An unknown limits only what rests on
//! it: without Secrets the release's state is unknown, but the Deployment, its pods and Open work.

use std::time::Duration;

use super::{
    Target,
    lock::{self, Lock, Outcome, OutcomeResult},
    manifests::{CHART_ANNOTATION, HELM_CONTAINER, JOB_ANNOTATION, OPERATION_LABEL, USER_ANNOTATION, operation_of},
    objects::{ContainerStatus, Deployment, Job, JobEnd, Metadata, Object, Pod},
    snapshot::{Fed, Permission, Seen, Snapshot, Why},
    status::{App, Exposure, Notice, Offer, Operating, Phase, PodTrouble, Stage, Status, TroubleKind, Withheld},
};
use crate::{
    cluster::{ApiError, Narrow, Texts, Timestamp},
    helm::{
        command::Operation,
        release::{History, ReleaseStatus, Revision},
    },
};

/// A Job that is held back for longer has lost the page that should let it go.
pub const HELD_AFTER: Duration = Duration::from_secs(30);

/// The name and component that Crossview's own objects carry; its database shares the name.
const APP_LABELS: [(&str, &str); 2] = [("app.kubernetes.io/name", "crossview"), ("app.kubernetes.io/component", "app")];

/// Whether these are the labels, or the selector, of Crossview itself and not of its database.
#[must_use]
pub fn is_app(labels: &Texts) -> bool {
    APP_LABELS.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// What is to be said of `target`.
#[must_use]
pub fn derive(target: &Target, snapshot: &Snapshot) -> Status {
    let app = app(target, snapshot);
    let history = history(target, snapshot);
    let revision = match &history {
        Seen::Present(history) => history.current().cloned().map_or(Seen::Absent, Seen::Present),
        Seen::Absent => Seen::Absent,
        Seen::Unknown(why) => Seen::Unknown(why.clone()),
    };
    let operating = operating(snapshot, &app);
    let phase = phase(snapshot, &app, &revision, operating.as_ref());
    let notices = notices(snapshot, operating.as_ref());
    let busy = operating.as_ref().is_some_and(|op| op.stage != Stage::Starting);
    let offer = |applicable: bool| offer(snapshot, &phase, busy, applicable);
    let installed = matches!(revision, Seen::Present(_)) || matches!(app, Seen::Present(_));
    Status {
        lost: lost(snapshot),
        install: offer(!installed),
        update: offer(installed),
        uninstall: offer(installed),
        last: snapshot.lease.one().present().and_then(Outcome::of),
        user: snapshot.rights.user.clone(),
        now: snapshot.now,
        phase,
        app,
        revision,
        operating,
        notices,
    }
}

/// Why nothing new comes: the answer of the first collection that says so.
fn lost(snapshot: &Snapshot) -> Option<ApiError> {
    let troubles = [
        snapshot.namespace.trouble(),
        snapshot.deployments.trouble(),
        snapshot.jobs.trouble(),
        snapshot.pods.trouble(),
        snapshot.lease.trouble(),
    ];
    let gone = |error: &&ApiError| matches!(error, ApiError::Unreachable { .. } | ApiError::Unauthorized { .. });
    troubles.into_iter().flatten().find(gone).cloned()
}

fn history(target: &Target, snapshot: &Snapshot) -> Seen<History> {
    snapshot.releases.all().map(|secrets| History::read(&target.release, secrets.map(|secret| &secret.object)))
}

fn deployment<'a>(target: &Target, snapshot: &'a Snapshot) -> Seen<&'a Deployment> {
    let ours = |found: &&Deployment| found.is_app() && found.release() == target.release.as_str();
    match snapshot.deployments.all() {
        Seen::Present(mut all) => all.find(ours).map_or(Seen::Absent, Seen::Present),
        Seen::Absent => Seen::Absent,
        Seen::Unknown(why) => Seen::Unknown(why),
    }
}

fn app(target: &Target, snapshot: &Snapshot) -> Seen<App> {
    deployment(target, snapshot).map(|found| {
        let pods = || {
            snapshot.pods.known().filter(|pod| {
                is_app(&pod.metadata.labels)
                    && pod.metadata.label("app.kubernetes.io/instance") == target.release.as_str()
            })
        };
        let trouble =
            if found.is_rolled_out() { None } else { pods().find_map(pod_trouble).or_else(|| rollout_trouble(found)) };
        App {
            chart: found.metadata.label("helm.sh/chart").to_owned(),
            version: found.metadata.label("app.kubernetes.io/version").to_owned(),
            ready: found.status.ready_replicas,
            desired: found.spec.replicas,
            pod: pods().find(|pod| pod.is_ready()).map(|pod| pod.metadata.name.clone()),
            trouble,
        }
    })
}

/// What the kubelet and the scheduler say is wrong with a pod.
#[must_use]
pub fn pod_trouble(pod: &Pod) -> Option<PodTrouble> {
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let trouble =
        |kind, message: &str| Some(PodTrouble { pod: pod.metadata.name.clone(), kind, message: message.to_owned() });
    if pod.status.reason == "Evicted" {
        return trouble(TroubleKind::Evicted, &pod.status.message);
    }
    if let Some(message) = pod.unschedulable() {
        return trouble(TroubleKind::Unschedulable, message);
    }
    pod.containers().find_map(|container| {
        let (kind, message) = container_trouble(container)?;
        trouble(kind, message)
    })
}

/// Reasons as in the kubelet's `pkg/kubelet/images/types.go` and `pkg/kubelet/container/sync_result.go`.
fn container_trouble(container: &ContainerStatus) -> Option<(TroubleKind, &str)> {
    let ended = container.last_state.terminated.as_ref().or(container.state.terminated.as_ref());
    if ended.is_some_and(|end| end.reason == "OOMKilled") && !container.ready {
        return Some((TroubleKind::OutOfMemory, ended.map_or("", |end| &end.message)));
    }
    let waiting = container.state.waiting.as_ref()?;
    let kind = match waiting.reason.as_str() {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable" => TroubleKind::ImagePull,
        "CrashLoopBackOff" => TroubleKind::CrashLoop,
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => TroubleKind::CantCreate,
        _ => return None,
    };
    let last =
        ended.map(|end| end.message.as_str()).filter(|message| !message.is_empty() && kind == TroubleKind::CrashLoop);
    Some((kind, last.unwrap_or(&waiting.message)))
}

fn rollout_trouble(found: &Deployment) -> Option<PodTrouble> {
    let trouble = |kind, message: &str| Some(PodTrouble { pod: String::new(), kind, message: message.to_owned() });
    let failed = found.condition("ReplicaFailure").filter(|failed| failed.status == "True");
    if let Some(failed) = failed {
        return trouble(TroubleKind::NoPod, &failed.message);
    }
    found
        .condition("Progressing")
        .filter(|progressing| progressing.status == "False" && progressing.reason == "ProgressDeadlineExceeded")
        .and_then(|progressing| trouble(TroubleKind::Deadline, &progressing.message))
}

/// Whether the Namespace is on its way out.
fn is_terminating(snapshot: &Snapshot) -> bool {
    snapshot.namespace.one().present().is_some_and(|namespace| namespace.status.phase == "Terminating")
}

fn phase(snapshot: &Snapshot, app: &Seen<App>, revision: &Seen<Revision>, operating: Option<&Operating>) -> Phase {
    if is_terminating(snapshot) {
        return Phase::Terminating;
    }
    if let Seen::Present(newest) = revision
        && operating.is_none()
        && newest.status != ReleaseStatus::Deployed
    {
        return Phase::Stuck(newest.status.clone());
    }
    match (app, revision) {
        (Seen::Present(app), _) if app.desired == 0 => Phase::ScaledToZero,
        (Seen::Present(app), _) if app.trouble.is_some() => Phase::Unwell,
        (Seen::Present(app), _) if app.ready >= app.desired => Phase::Ready,
        (Seen::Present(_), _) | (Seen::Absent | Seen::Unknown(_), Seen::Present(_)) => Phase::Starting,
        (Seen::Absent, Seen::Absent | Seen::Unknown(Why::Error(_))) => match &snapshot.elsewhere {
            Some((namespace, release)) => Phase::Elsewhere { namespace: namespace.clone(), release: release.clone() },
            None => Phase::NotInstalled,
        },
        (Seen::Unknown(Why::Error(error)), _) => Phase::Unknown(error.clone()),
        (Seen::Unknown(Why::NotAsked), _) | (_, Seen::Unknown(Why::NotAsked)) => Phase::Reading,
    }
}

/// The operation that is under way, told by the lock; where that can't be read, by the newest Job.
fn operating(snapshot: &Snapshot, app: &Seen<App>) -> Option<Operating> {
    let lock = Lock::of(snapshot);
    let lease = snapshot.lease.one().present();
    let holder = lease.and_then(|lease| lease.spec.holder_identity.as_deref());
    match &lock {
        Lock::Held { .. } => lock::holder(snapshot, &lock).map(|job| of_job(snapshot, job, None)),
        Lock::Taken { job, .. } => Some(Operating {
            job: job.clone(),
            operation: operation_of(job),
            chart: String::new(),
            user: String::new(),
            stage: Stage::Preparing,
            begun: lease.and_then(|lease| lease.spec.acquire_time),
            trouble: None,
            pod: None,
        }),
        // Ended, but its driver has not given the lock back: rights and outcome are still being seen to.
        Lock::Free if holder.is_some_and(|holder| snapshot.jobs.named(holder).present().is_some()) => {
            let job = snapshot.jobs.named(holder?).present()?;
            Some(of_job(snapshot, job, Some(Stage::CleaningUp)))
        }
        Lock::Free | Lock::Unknown => {
            let newest = snapshot.jobs.known().max_by_key(|job| job.metadata.creation_timestamp)?;
            match newest.end() {
                None if lock == Lock::Unknown => Some(of_job(snapshot, newest, None)),
                Some(JobEnd::Complete) if starts_app(newest) && is_on_its_way(app) => {
                    Some(of_job(snapshot, newest, Some(Stage::Starting)))
                }
                _ => None,
            }
        }
    }
}

/// Whether Crossview's pods are to come after this Job.
fn starts_app(job: &Job) -> bool {
    let operation = job.metadata.label(OPERATION_LABEL).parse();
    matches!(operation, Ok(Operation::Install | Operation::Update | Operation::Rollback))
}

fn is_on_its_way(app: &Seen<App>) -> bool {
    matches!(app, Seen::Present(app) if app.ready < app.desired && app.trouble.is_none())
}

fn of_job(snapshot: &Snapshot, job: &Job, stage: Option<Stage>) -> Operating {
    let pod = snapshot
        .pods
        .known()
        .filter(|pod| is_of_job(&pod.metadata, &job.metadata.name))
        .max_by_key(|pod| pod.metadata.creation_timestamp);
    let has_log = |pod: &&Pod| {
        pod.status.container_statuses.iter().any(|container| {
            container.name == HELM_CONTAINER
                && (container.state.running.is_some() || container.state.terminated.is_some())
        })
    };
    let by_objects = match pod {
        _ if job.end().is_some() => Stage::CleaningUp,
        _ if job.spec.suspend => Stage::Preparing,
        Some(pod) if pod.status.phase == "Running" || pod.is_over() => Stage::Helm,
        _ => Stage::Pod,
    };
    Operating {
        job: job.metadata.name.clone(),
        operation: job.metadata.label(OPERATION_LABEL).parse().ok(),
        chart: job.metadata.annotation(CHART_ANNOTATION).to_owned(),
        user: job.metadata.annotation(USER_ANNOTATION).to_owned(),
        stage: stage.unwrap_or(by_objects),
        begun: begun(snapshot, job),
        trouble: pod.and_then(pod_trouble).or_else(|| job_trouble(snapshot, job, pod)),
        pod: pod.filter(has_log).map(|pod| pod.metadata.name.clone()),
    }
}

/// When the operation was begun: its lock was taken a moment before its Job was made.
fn begun(snapshot: &Snapshot, job: &Job) -> Option<Timestamp> {
    let lease = snapshot.lease.one().present();
    let ours = lease.filter(|lease| lease.spec.holder_identity.as_deref() == Some(&*job.metadata.name));
    ours.and_then(|lease| lease.spec.acquire_time).or(job.metadata.creation_timestamp)
}

/// Why a Job that was let go has no pod: quota and admission refuse it in an event.
fn job_trouble(snapshot: &Snapshot, job: &Job, pod: Option<&Pod>) -> Option<PodTrouble> {
    if pod.is_some() || job.spec.suspend || job.end().is_some() {
        return None;
    }
    let refused = snapshot.events.known().find(|event| {
        event.involved_object.kind == "Job"
            && event.involved_object.name == job.metadata.name
            && event.reason == "FailedCreate"
    })?;
    Some(PodTrouble { pod: String::new(), kind: TroubleKind::NoPod, message: refused.message.clone() })
}

/// Whether a pod belongs to the Job of this name.
/// <https://kubernetes.io/docs/reference/labels-annotations-taints/#batch-kubernetes-io-job-name>
#[must_use]
pub fn is_of_job(pod: &Metadata, job: &str) -> bool {
    pod.label("batch.kubernetes.io/job-name") == job
}

fn notices(snapshot: &Snapshot, operating: Option<&Operating>) -> Vec<Notice> {
    let mut notices = Vec::new();
    if let Seen::Present(binding) = snapshot.binding.one()
        && operating.is_none_or(|op| op.stage == Stage::Starting)
        && !matches!(
            snapshot.jobs.named(binding.metadata.annotation(JOB_ANNOTATION)),
            Seen::Present(_) | Seen::Unknown(Why::NotAsked)
        )
        && !matches!(Lock::of(snapshot), Lock::Unknown)
    {
        let age = binding.metadata.creation_timestamp.unwrap_or(snapshot.now).age(snapshot.now);
        notices.push(Notice::LeftoverBinding { job: binding.metadata.annotation(JOB_ANNOTATION).to_owned(), age });
    }
    for job in snapshot.jobs.known().filter(|job| job.spec.suspend && job.end().is_none()) {
        let age = job.metadata.creation_timestamp.unwrap_or(snapshot.now).age(snapshot.now);
        if age >= HELD_AFTER {
            notices.push(Notice::Held { job: job.metadata.name.clone(), age });
        }
    }
    if snapshot.auth_mode.as_deref() == Some("none") {
        notices.extend(exposures(snapshot).map(Notice::Exposed));
    }
    for (what, error) in unseen(snapshot) {
        notices.push(Notice::Unseen { what, error });
    }
    for (permission, message) in &snapshot.rights.refused {
        notices.push(Notice::Refused { permission: *permission, message: message.clone() });
    }
    notices
}

fn exposures(snapshot: &Snapshot) -> impl Iterator<Item = Exposure> {
    let services: Vec<_> = snapshot.services.known().filter(|service| is_app(&service.spec.selector)).collect();
    let leads_here = |name: &str| services.iter().any(|service| service.metadata.name == name);
    let ingresses = snapshot.ingresses.known().filter(|ingress| {
        let paths = ingress.spec.rules.iter().filter_map(|rule| rule.http.as_ref()).flat_map(|http| &http.paths);
        paths.into_iter().any(|path| leads_here(&path.backend.service.name))
    });
    let ingresses: Vec<_> = ingresses.map(|ingress| Exposure::Ingress(ingress.metadata.name.clone())).collect();
    let balanced = services.iter().filter(|service| service.spec.r#type == "LoadBalancer");
    let balanced: Vec<_> = balanced.map(|service| Exposure::LoadBalancer(service.metadata.name.clone())).collect();
    ingresses.into_iter().chain(balanced)
}

/// What the user may not see, by the kinds' plural names.
fn unseen(snapshot: &Snapshot) -> Vec<(&'static str, ApiError)> {
    fn refused<T: Object + Narrow>(fed: &Fed<T>) -> Option<ApiError> {
        fed.trouble().filter(|error| matches!(error, ApiError::Forbidden { .. })).cloned()
    }
    let all = [
        ("namespaces", refused(&snapshot.namespace)),
        ("deployments", refused(&snapshot.deployments)),
        ("secrets", refused(&snapshot.releases)),
        ("jobs", refused(&snapshot.jobs)),
        ("leases", refused(&snapshot.lease)),
        ("pods", refused(&snapshot.pods)),
        ("services", refused(&snapshot.services)),
        ("events", refused(&snapshot.events)),
        ("clusterrolebindings", refused(&snapshot.binding)),
    ];
    all.into_iter().filter_map(|(what, error)| Some((what, error?))).collect()
}

fn offer(snapshot: &Snapshot, phase: &Phase, busy: bool, applicable: bool) -> Offer {
    if matches!(phase, Phase::Reading) {
        return Offer::Withheld(Withheld::Reading);
    }
    if busy {
        return Offer::Withheld(Withheld::Busy);
    }
    if !applicable || matches!(phase, Phase::Terminating) {
        return Offer::Withheld(Withheld::NotApplicable);
    }
    let needed = |permission: &&Permission| match permission {
        Permission::CreateNamespace => matches!(snapshot.namespace.one(), Seen::Absent),
        Permission::ManageServiceAccount => matches!(snapshot.service_account.one(), Seen::Absent),
        _ => true,
    };
    match snapshot.rights.refused.iter().map(|(permission, _)| permission).find(needed) {
        Some(permission) => Offer::Withheld(Withheld::Refused(*permission)),
        None => Offer::Offered,
    }
}

/// Whether the last operation failed and nothing newer has mended it.
#[must_use]
pub fn has_failed(status: &Status) -> bool {
    status.operating.is_none() && status.last.as_ref().is_some_and(|last| last.result == OutcomeResult::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cluster::Change,
        installer::manifests::{self, BINDING_NAME},
    };
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const NOW: Timestamp = Timestamp::from_millis(1_795_395_723_000);

    fn forbidden() -> ApiError {
        ApiError::Forbidden { message: "no".to_owned() }
    }

    /// A cluster in which everything was read and nothing is there.
    fn empty() -> Snapshot {
        let mut snapshot = Snapshot { now: NOW, ..Snapshot::default() };
        for (_, feed) in FEEDS {
            feed(&mut snapshot, Change::Listed(vec![]));
        }
        snapshot
    }

    type Feed = fn(&mut Snapshot, Change);

    const FEEDS: [(&str, Feed); 7] = [
        ("deployments", |snapshot, change| snapshot.deployments.take(change)),
        ("releases", |snapshot, change| snapshot.releases.take(change)),
        ("jobs", |snapshot, change| snapshot.jobs.take(change)),
        ("lease", |snapshot, change| snapshot.lease.take(change)),
        ("pods", |snapshot, change| snapshot.pods.take(change)),
        ("binding", |snapshot, change| snapshot.binding.take(change)),
        ("namespace", |snapshot, change| snapshot.namespace.take(change)),
    ];

    fn deployment(ready: i32) -> Value {
        json!({
            "metadata": {"name": "crossview", "generation": 1, "resourceVersion": "5", "labels": {
                "app.kubernetes.io/name": "crossview", "app.kubernetes.io/instance": "crossview", "helm.sh/chart": "crossview-4.6.0",
            }},
            "spec": {"replicas": 1, "selector": {"matchLabels": {
                "app.kubernetes.io/name": "crossview", "app.kubernetes.io/instance": "crossview", "app.kubernetes.io/component": "app",
            }}},
            "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready, "availableReplicas": ready},
        })
    }

    fn release(status: &str) -> Value {
        json!({"metadata": {
            "name": "sh.helm.release.v1.crossview.v1", "creationTimestamp": "2026-11-23T01:00:00Z", "resourceVersion": "6",
            "labels": {"owner": "helm", "name": "crossview", "version": "1", "status": status},
        }})
    }

    fn job(suspend: bool, conditions: &Value) -> Value {
        json!({
            "metadata": {
                "name": "crossview-helm-install-1", "creationTimestamp": "2026-11-23T01:01:03Z", "resourceVersion": "7",
                "labels": {manifests::OPERATION_LABEL: "install"}, "annotations": {manifests::USER_ANNOTATION: "jane"},
            },
            "spec": {"suspend": suspend},
            "status": {"conditions": conditions},
        })
    }

    fn held() -> Value {
        json!({
            "metadata": {"name": "crossview-helm-crossview", "resourceVersion": "8"},
            "spec": {"holderIdentity": "crossview-helm-install-1", "acquireTime": "2026-11-23T01:01:02.000000Z"},
        })
    }

    fn status(snapshot: &Snapshot) -> Status {
        derive(&Target::default(), snapshot)
    }

    #[test]
    fn an_empty_cluster_offers_to_install() {
        let status = status(&empty());

        assert_eq!(status.phase, Phase::NotInstalled);
        assert_eq!(status.install, Offer::Offered);
        assert_eq!(status.uninstall, Offer::Withheld(Withheld::NotApplicable));
    }

    // Users who may not list Deployments were told "not installed" and offered an install over a running release.
    #[test]
    fn a_refused_read_is_unknown_and_not_absent() {
        let mut snapshot = empty();
        snapshot.deployments.take(Change::Failed(forbidden()));
        snapshot.releases.take(Change::Failed(forbidden()));

        assert_eq!(status(&snapshot).phase, Phase::Unknown(forbidden()));
    }

    #[test]
    fn without_secrets_the_release_is_unknown_and_the_app_is_not() {
        let mut snapshot = empty();
        snapshot.deployments.take(Change::Listed(vec![deployment(1)]));
        snapshot.releases.take(Change::Failed(forbidden()));

        let status = status(&snapshot);

        assert_eq!(status.phase, Phase::Ready);
        assert!(matches!(status.revision, Seen::Unknown(_)));
        assert!(status.notices.contains(&Notice::Unseen { what: "secrets", error: forbidden() }));
    }

    #[test]
    fn an_unreachable_cluster_keeps_what_was_known_and_says_so() {
        let mut snapshot = empty();
        snapshot.deployments.take(Change::Listed(vec![deployment(1)]));
        snapshot.releases.take(Change::Listed(vec![release("deployed")]));
        let gone = ApiError::Unreachable { reason: "HTTP 502".to_owned() };
        for (_, feed) in FEEDS {
            feed(&mut snapshot, Change::Failed(gone.clone()));
        }

        let status = status(&snapshot);

        assert_eq!(status.lost, Some(gone));
        assert_eq!(status.phase, Phase::Ready);
    }

    #[test]
    fn the_database_is_not_taken_for_crossview() {
        let mut postgres = deployment(1);
        postgres["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] = json!("postgres");
        let mut snapshot = empty();
        snapshot.deployments.take(Change::Listed(vec![postgres]));

        assert_eq!(status(&snapshot).phase, Phase::NotInstalled);
    }

    #[test]
    fn a_job_that_runs_is_shown_with_its_stage_and_its_asker() {
        let mut snapshot = empty();
        snapshot.lease.take(Change::Listed(vec![held()]));
        let stage = |snapshot: &Snapshot| status(snapshot).operating.map(|op| (op.stage, op.user));

        snapshot.jobs.take(Change::Listed(vec![job(true, &json!([]))]));
        assert_eq!(stage(&snapshot), Some((Stage::Preparing, "jane".to_owned())));

        snapshot.jobs.take(Change::Listed(vec![job(false, &json!([]))]));
        assert_eq!(stage(&snapshot), Some((Stage::Pod, "jane".to_owned())));

        let pod = |phase| json!({"metadata": {"name": "p", "labels": {"batch.kubernetes.io/job-name": "crossview-helm-install-1"}}, "status": {"phase": phase}});
        snapshot.pods.take(Change::Listed(vec![pod("Running")]));
        assert_eq!(stage(&snapshot), Some((Stage::Helm, "jane".to_owned())));

        snapshot.jobs.take(Change::Listed(vec![job(false, &json!([{"type": "Complete", "status": "True"}]))]));
        assert_eq!(stage(&snapshot), Some((Stage::CleaningUp, "jane".to_owned())));
    }

    #[test]
    fn while_an_operation_runs_nothing_else_is_offered() {
        let mut snapshot = empty();
        snapshot.lease.take(Change::Listed(vec![held()]));
        snapshot.jobs.take(Change::Listed(vec![job(false, &json!([]))]));

        let status = status(&snapshot);

        assert_eq!(status.install, Offer::Withheld(Withheld::Busy));
    }

    #[test]
    fn rights_that_nothing_needs_are_a_notice_and_those_of_a_running_job_are_not() {
        let binding = json!({"metadata": {"name": BINDING_NAME, "creationTimestamp": "2026-11-23T00:02:03Z",
            "annotations": {JOB_ANNOTATION: "crossview-helm-install-1"}}});
        let mut snapshot = empty();
        snapshot.binding.take(Change::Listed(vec![binding]));
        let leftover = |snapshot: &Snapshot| {
            status(snapshot).notices.iter().any(|notice| matches!(notice, Notice::LeftoverBinding { .. }))
        };

        assert!(leftover(&snapshot));

        snapshot.lease.take(Change::Listed(vec![held()]));
        snapshot.jobs.take(Change::Listed(vec![job(false, &json!([]))]));
        assert!(!leftover(&snapshot));
    }

    #[test]
    fn a_job_that_nobody_lets_go_is_a_notice_after_half_a_minute() {
        let mut snapshot = empty();
        snapshot.lease.take(Change::Listed(vec![held()]));
        snapshot.jobs.take(Change::Listed(vec![job(true, &json!([]))]));
        let begun = Timestamp::parse_rfc3339("2026-11-23T01:01:03Z").unwrap();
        let held_back =
            |snapshot: &Snapshot| status(snapshot).notices.iter().any(|notice| matches!(notice, Notice::Held { .. }));

        snapshot.now = begun.after(HELD_AFTER - Duration::from_secs(1));
        assert!(!held_back(&snapshot));

        snapshot.now = begun.after(HELD_AFTER);
        assert!(held_back(&snapshot));
    }

    #[test]
    fn a_refused_permission_withholds_what_needs_it_before_the_click() {
        let mut snapshot = empty();
        snapshot.rights.refused = vec![(Permission::BindClusterAdmin, "no".to_owned())];

        assert_eq!(status(&snapshot).install, Offer::Withheld(Withheld::Refused(Permission::BindClusterAdmin)));
    }

    #[test]
    fn an_interrupted_release_is_named() {
        let mut snapshot = empty();
        snapshot.releases.take(Change::Listed(vec![release("pending-upgrade")]));

        assert_eq!(status(&snapshot).phase, Phase::Stuck(ReleaseStatus::PendingUpgrade));
    }

    #[test]
    fn a_pod_that_cannot_pull_its_image_makes_crossview_unwell() {
        let pod = json!({
            "metadata": {"name": "crossview-1", "labels": deployment(0)["spec"]["selector"]["matchLabels"]},
            "status": {"phase": "Pending", "containerStatuses": [{"name": "crossview", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}}]},
        });
        let mut snapshot = empty();
        snapshot.deployments.take(Change::Listed(vec![deployment(0)]));
        snapshot.pods.take(Change::Listed(vec![pod]));

        let status = status(&snapshot);

        assert_eq!(status.phase, Phase::Unwell);
        let Seen::Present(app) = status.app else { panic!("{:?}", status.app) };
        assert_eq!(app.trouble.map(|trouble| trouble.kind), Some(TroubleKind::ImagePull));
    }

    /// Everything that can be told, one change for each collection in a fixed world.
    fn told() -> Vec<(usize, Change)> {
        vec![
            (0, Change::Listed(vec![])),
            (0, Change::Applied(deployment(1))),
            (1, Change::Listed(vec![])),
            (1, Change::Applied(release("deployed"))),
            (2, Change::Listed(vec![])),
            (2, Change::Applied(job(false, &json!([{"type": "Complete", "status": "True"}])))),
            (3, Change::Listed(vec![held()])),
            (4, Change::Listed(vec![])),
            (5, Change::Failed(forbidden())),
            (6, Change::Listed(vec![json!({"metadata": {"name": "crossview", "uid": "u"}})])),
        ]
    }

    proptest! {
        /// Collections are told independently of each other; within one the order is the server's, and events may repeat.
        #[test]
        fn any_interleaving_of_the_same_events_ends_in_the_same_status(order in Just((0..FEEDS.len()).collect::<Vec<_>>()).prop_shuffle(), twice in any::<bool>()) {
            let mut straight = Snapshot { now: NOW, ..Snapshot::default() };
            for (feed, change) in told() {
                FEEDS[feed].1(&mut straight, change);
            }
            let mut mixed = Snapshot { now: NOW, ..Snapshot::default() };
            for feed in order {
                for (_, change) in told().into_iter().filter(|(of, _)| *of == feed) {
                    if twice {
                        FEEDS[feed].1(&mut mixed, change.clone());
                    }
                    FEEDS[feed].1(&mut mixed, change);
                }
            }

            prop_assert_eq!(status(&mixed), status(&straight));
        }
    }
}
