//! What follows from what is known: one pure function, total, without memory.
//!
//! A reload, a lost event and a second browser all come to the same [`Status`]. An unknown limits only what rests on
//! it: without Secrets the release's state is unknown, but the Deployment, its pods and Open work.

use std::time::Duration;

use super::{
    Target, facts,
    lock::{self, Lock, Outcome, OutcomeResult},
    manager::manager,
    manifests::{CHART_ANNOTATION, HELM_CONTAINER, JOB_ANNOTATION, OPERATION_LABEL, USER_ANNOTATION, operation_of},
    objects::{ContainerStatus, Deployment, Job, JobEnd, Metadata, Pod},
    snapshot::{Fed, Permission, Seen, Snapshot, Why},
    status::{App, Exposure, Notice, Offer, Operating, Phase, PodTrouble, Stage, Status, TroubleKind, Withheld},
};
use crate::{
    cluster::{ApiError, Texts, Timestamp},
    helm::{
        command::Operation,
        diagnosis::Cause,
        release::{History, ReleaseStatus, Revision},
        repository::Versions,
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
    let phase = phase(target, snapshot, &app, &revision, operating.as_ref());
    let manager = deployment(target, snapshot).present().and_then(|found| manager(&found.metadata));
    let notices = notices(target, snapshot, operating.as_ref());
    let busy = operating.as_ref().is_some_and(|op| op.stage != Stage::Starting);
    let offer = |applicable: bool| match &manager {
        Some(_) => Offer::Withheld(Withheld::Managed),
        None => offer(snapshot, &phase, busy, applicable, true),
    };
    // Where Helm's records can't be seen, a Crossview that is there is taken for its.
    let is_there = matches!(app, Seen::Present(_));
    let can = |can: fn(&History) -> bool| history.as_ref().present().map_or(is_there, can);
    let known = history.as_ref().present();
    let install = match known {
        // Without a record of Helm's, what is there is somebody else's.
        Some(history) => history.can_install() && (history.current().is_some() || !is_there),
        None => !is_there,
    };
    let installed = matches!(revision, Seen::Present(_)) || is_there;
    Status {
        target: target.clone(),
        lost: lost(snapshot),
        install: offer(install),
        update: offer(can(History::can_update)),
        uninstall: offer(can(History::can_uninstall)),
        rollback: offer(known.is_some_and(History::can_roll_back)),
        update_repo: self::offer(snapshot, &phase, busy, true, false),
        forget: known.filter(|_| !busy).and_then(History::forgettable).map(|revision| revision.number),
        charts: known.map(|history| charts(snapshot, history, &app)).unwrap_or_default(),
        versions: snapshot.versions.one().present().and_then(|map| Versions::read(&map.data)),
        remove_namespace: remove_namespace(snapshot, &phase, busy, installed),
        last: last(snapshot, &revision),
        pods: facts::pods(target, snapshot),
        events: facts::events(target, snapshot),
        leftovers: facts::leftovers(target, snapshot),
        user: snapshot.rights.user.clone(),
        now: snapshot.now,
        phase,
        app,
        revision,
        manager,
        history,
        operating,
        notices,
    }
}

/// How the last operation ended: as its Lease keeps it, or, where its Job has gone with nobody looking on, as far as
/// Helm's Secrets tell.
fn last(snapshot: &Snapshot, revision: &Seen<Revision>) -> Option<Outcome> {
    let lease = snapshot.lease.one().present()?;
    let holder = lease.spec.holder_identity.as_deref().filter(|holder| !holder.is_empty());
    let Some(job) = holder
        .filter(|job| matches!(snapshot.jobs.named(job), Seen::Absent) && matches!(Lock::of(snapshot), Lock::Free))
    else {
        return Outcome::of(lease);
    };
    let begun = lease.spec.acquire_time;
    let mut outcome = Outcome {
        operation: operation_of(job).map_or("", Operation::name).to_owned(),
        job: job.to_owned(),
        chart: lease.metadata.annotation(CHART_ANNOTATION).to_owned(),
        user: lease.metadata.annotation(USER_ANNOTATION).to_owned(),
        result: OutcomeResult::Unseen,
        revision: 0,
        status: String::new(),
        cause: Some(Cause::Unseen),
        message: String::new(),
        at: begun.unwrap_or_default().to_string(),
        charts: Vec::new(),
    };
    if let Seen::Present(current) = revision {
        outcome.set_revision(current, begun);
        if outcome.revision != 0 {
            outcome.at = current.modified_at.unwrap_or(current.created_at).to_string();
        }
    }
    Some(outcome)
}

/// The charts of revisions: of the current one by the Deployment's label, of earlier ones by what was noted when an
/// operation ended.
fn charts(snapshot: &Snapshot, history: &History, app: &Seen<App>) -> Vec<(u32, String)> {
    let noted = snapshot.lease.one().present().and_then(Outcome::of).map(|outcome| outcome.charts).unwrap_or_default();
    let current = history.current().filter(|current| current.status == ReleaseStatus::Deployed);
    let chart = |revision: &Revision| match app {
        Seen::Present(app) if !app.chart.is_empty() && current == Some(revision) => Some(app.chart.clone()),
        _ => noted.iter().find(|(uid, _)| *uid == revision.secret.uid).map(|(_, chart)| chart.clone()),
    };
    history.revisions().iter().filter_map(|revision| Some((revision.number, chart(revision)?))).collect()
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

/// The target's Deployment.
pub(super) fn deployment<'a>(target: &Target, snapshot: &'a Snapshot) -> Seen<&'a Deployment> {
    let ours = |found: &&Deployment| found.is_app() && found.release() == target.release.as_str();
    match snapshot.deployments.all() {
        Seen::Present(mut all) => all.find(ours).map_or(Seen::Absent, Seen::Present),
        Seen::Absent => Seen::Absent,
        Seen::Unknown(why) => Seen::Unknown(why),
    }
}

/// Crossview's pods: of the target's release, and not its database's.
pub(super) fn app_pods<'a>(target: &Target, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a Pod> {
    let release = target.release.as_str();
    snapshot
        .pods
        .known()
        .filter(move |pod| is_app(&pod.metadata.labels) && pod.metadata.label("app.kubernetes.io/instance") == release)
}

fn app(target: &Target, snapshot: &Snapshot) -> Seen<App> {
    deployment(target, snapshot).map(|found| {
        let pods = || app_pods(target, snapshot);
        let trouble_of = |pod: &Pod| pod_trouble(pod).or_else(|| mount_trouble(snapshot, pod));
        // A pod that was thrown out stays listed beside the one in its place, which has the say.
        let alive = || pods().filter(|pod| !pod.is_over()).find_map(trouble_of);
        let found_trouble = || alive().or_else(|| pods().find_map(trouble_of)).or_else(|| rollout_trouble(found));
        let mut trouble = if found.is_rolled_out() { None } else { found_trouble() };
        if let Some(trouble) = &mut trouble
            && trouble.has_log()
            && (&trouble.pod, &trouble.container) == (&snapshot.crash.pod, &snapshot.crash.container)
        {
            trouble.log.clone_from(&snapshot.crash.lines);
        }
        let progressing = found.condition("Progressing").map(|progressing| progressing.message.clone());
        App {
            observed: found.status.observed_generation >= found.metadata.generation,
            updated: found.status.updated_replicas,
            available: found.status.available_replicas,
            progressing: progressing.unwrap_or_default(),
            chart: found.metadata.label("helm.sh/chart").to_owned(),
            version: found.metadata.label("app.kubernetes.io/version").to_owned(),
            ready: found.status.ready_replicas,
            desired: found.spec.replicas,
            pod: pods().find(|pod| pod.is_ready()).map(|pod| pod.metadata.name.clone()),
            trouble,
        }
    })
}

/// What the kubelet and the scheduler say is wrong with a pod that is to stay.
#[must_use]
pub fn pod_trouble(pod: &Pod) -> Option<PodTrouble> {
    trouble_of(pod).filter(|_| pod.metadata.deletion_timestamp.is_none())
}

/// The same of any pod, even of one on its way out.
#[must_use]
pub fn trouble_of(pod: &Pod) -> Option<PodTrouble> {
    let trouble = |kind, message: &str| Some(PodTrouble::new(&pod.metadata.name, kind, message));
    if pod.status.reason == "Evicted" {
        return trouble(TroubleKind::Evicted, &pod.status.message);
    }
    if let Some(refused) = pod.scheduling() {
        return trouble(TroubleKind::Unschedulable, &refused.message);
    }
    pod.containers().find_map(|container| {
        let (kind, message) = container_trouble(container)?;
        // Until it is started anew, the container that ended is the one that is there. The kubelet keeps no other.
        let ends = container.restart_count + i32::from(container.state.running.is_none());
        let previous = container.state.terminated.is_none();
        Some(PodTrouble { container: container.name.clone(), ends, previous, ..trouble(kind, message)? })
    })
}

/// What a pod waits for that the kubelet tells in an event alone: a volume, or its network. The first failure may
/// pass: what is made together with a pod comes in any order.
fn mount_trouble(snapshot: &Snapshot, pod: &Pod) -> Option<PodTrouble> {
    let waits = |container: &ContainerStatus| {
        let waiting = container.state.waiting.as_ref();
        waiting.is_some_and(|waiting| matches!(waiting.reason.as_str(), "ContainerCreating" | "PodInitializing"))
    };
    if pod.metadata.deletion_timestamp.is_some() || !pod.containers().any(waits) {
        return None;
    }
    let name = &pod.metadata.name;
    let told = snapshot.events.known().filter(|event| {
        matches!(event.reason.as_str(), "FailedMount" | "FailedAttachVolume" | "FailedCreatePodSandBox")
            && (event.involved_object.kind.as_str(), &event.involved_object.name) == ("Pod", name)
            && event.times() > 1
    });
    let newest = told.max_by_key(|event| event.at())?;
    Some(PodTrouble::new(name, TroubleKind::CantCreate, &newest.message))
}

/// Reasons as in the kubelet's `pkg/kubelet/images/types.go` and `pkg/kubelet/container/sync_result.go`.
fn container_trouble(container: &ContainerStatus) -> Option<(TroubleKind, &str)> {
    let ended = container.last_state.terminated.as_ref().or(container.state.terminated.as_ref());
    if ended.is_some_and(|end| end.reason == "OOMKilled") && !container.ready {
        return Some((TroubleKind::OutOfMemory, ended.map_or("", |end| &end.message)));
    }
    let crashed = ended.filter(|end| end.exit_code != 0 && !container.ready);
    let Some(waiting) = &container.state.waiting else {
        // Between two ends it runs, or is about to, and is none the better for it.
        let again = container.restart_count > 1 || (container.restart_count > 0 && container.state.running.is_none());
        return crashed.filter(|_| again).map(|end| (TroubleKind::CrashLoop, end.message.as_str()));
    };
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
    let trouble = |kind, message: &str| Some(PodTrouble::new("", kind, message));
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

fn phase(
    target: &Target,
    snapshot: &Snapshot,
    app: &Seen<App>,
    revision: &Seen<Revision>,
    operating: Option<&Operating>,
) -> Phase {
    if is_terminating(snapshot) {
        return Phase::Terminating;
    }
    // A history that was kept is no release.
    let gone = Seen::Absent;
    let is_gone = matches!(revision, Seen::Present(newest) if newest.status == ReleaseStatus::Uninstalled);
    let revision = if is_gone { &gone } else { revision };
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
        (Seen::Absent, Seen::Absent | Seen::Unknown(Why::Error(_))) => elsewhere(target, snapshot),
        (Seen::Unknown(Why::Error(error)), _) => Phase::Unknown(error.clone()),
        (Seen::Unknown(Why::NotAsked), _) | (_, Seen::Unknown(Why::NotAsked)) => Phase::Reading,
    }
}

/// What is installed although the target isn't: under another release name here, or in another namespace.
fn elsewhere(target: &Target, snapshot: &Snapshot) -> Phase {
    let here = snapshot.deployments.known().find(|found| found.is_app());
    let here = here.map(|found| (target.namespace.to_string(), found.release().to_owned()));
    match here.or_else(|| snapshot.elsewhere.clone()) {
        Some((namespace, release)) => Phase::Elsewhere { namespace, release },
        None => Phase::NotInstalled,
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
            chart: lease.map_or("", |lease| lease.metadata.annotation(CHART_ANNOTATION)).to_owned(),
            user: lock::asker(snapshot),
            stage: Stage::Preparing,
            begun: lease.and_then(|lease| lease.spec.acquire_time),
            trouble: None,
            pod: None,
            cancelled: false,
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
        trouble: pod
            .and_then(|pod| pod_trouble(pod).or_else(|| mount_trouble(snapshot, pod)))
            .or_else(|| job_trouble(snapshot, job, pod)),
        pod: pod.filter(has_log).map(|pod| pod.metadata.name.clone()),
        cancelled: job.end().is_none() && job.metadata.deletion_timestamp.is_some(),
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
    Some(PodTrouble::new("", TroubleKind::NoPod, &refused.message))
}

/// Whether a pod belongs to the Job of this name.
/// <https://kubernetes.io/docs/reference/labels-annotations-taints/#batch-kubernetes-io-job-name>
#[must_use]
pub fn is_of_job(pod: &Metadata, job: &str) -> bool {
    pod.label("batch.kubernetes.io/job-name") == job
}

fn notices(target: &Target, snapshot: &Snapshot, operating: Option<&Operating>) -> Vec<Notice> {
    let mut notices = Vec::new();
    if let Seen::Present(binding) = snapshot.binding.one()
        && operating.is_none_or(|op| op.stage == Stage::Starting)
        && !matches!(
            snapshot.jobs.named(binding.metadata.annotation(JOB_ANNOTATION)),
            Seen::Present(_) | Seen::Unknown(Why::NotAsked)
        )
        && !matches!(Lock::of(snapshot), Lock::Unknown)
        && binding.is_for(&target.namespace)
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
    for (permission, message) in snapshot.rights.refused.iter().filter(|(permission, _)| permission.is_for_operations())
    {
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
    fn refused<T>(fed: &Fed<T>) -> Option<ApiError> {
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

/// `with_rights` is for operations for which Helm is given rights.
fn offer(snapshot: &Snapshot, phase: &Phase, busy: bool, applicable: bool, with_rights: bool) -> Offer {
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
        Permission::ManageServiceAccount => with_rights && matches!(snapshot.service_account.one(), Seen::Absent),
        Permission::BindClusterAdmin | Permission::DeleteBinding | Permission::CreateSecret => with_rights,
        other => other.is_for_operations(),
    };
    match snapshot.rights.refused.iter().map(|(permission, _)| permission).find(needed) {
        Some(permission) => Offer::Withheld(Withheld::Refused(*permission)),
        None => Offer::Offered,
    }
}

/// A namespace may go where nothing is installed, and where that is known for sure.
fn remove_namespace(snapshot: &Snapshot, phase: &Phase, busy: bool, installed: bool) -> Offer {
    let idle = |job: &Job| job.end().is_some();
    let known = matches!(snapshot.releases.all(), Seen::Present(_)) && matches!(snapshot.jobs.all(), Seen::Present(_));
    if matches!(phase, Phase::Reading) {
        Offer::Withheld(Withheld::Reading)
    } else if busy || !snapshot.jobs.known().all(idle) {
        Offer::Withheld(Withheld::Busy)
    } else if installed
        || !known
        || snapshot.namespace.one().present().is_none()
        || snapshot.deployments.known().any(Deployment::is_app)
        || !matches!(phase, Phase::NotInstalled | Phase::Elsewhere { .. })
    {
        Offer::Withheld(Withheld::NotApplicable)
    } else {
        Offer::Offered
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
        cluster::{Change, Narrow},
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

    const FEEDS: [(&str, Feed); 12] = [
        ("deployments", |snapshot, change| snapshot.deployments.take(change)),
        ("releases", |snapshot, change| snapshot.releases.take(change)),
        ("jobs", |snapshot, change| snapshot.jobs.take(change)),
        ("lease", |snapshot, change| snapshot.lease.take(change)),
        ("pods", |snapshot, change| snapshot.pods.take(change)),
        ("binding", |snapshot, change| snapshot.binding.take(change)),
        ("namespace", |snapshot, change| snapshot.namespace.take(change)),
        ("service accounts", |snapshot, change| snapshot.service_account.take(change)),
        ("services", |snapshot, change| snapshot.services.take(change)),
        ("ingresses", |snapshot, change| snapshot.ingresses.take(change)),
        ("events", |snapshot, change| snapshot.events.take(change)),
        ("versions", |snapshot, change| snapshot.versions.take(change)),
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

    // The kubelet keeps one container that has ended: until it is started anew, that is the one that is there.
    #[test]
    fn the_last_words_of_each_end_are_asked_of_the_container_that_said_them() {
        let asked = |restarts: i32, state: Value| {
            let end = json!({"terminated": {"exitCode": 1, "reason": "Error"}});
            let container = json!({"name": "crossview", "restartCount": restarts, "state": state, "lastState": end});
            let pod =
                json!({"metadata": {"name": "p"}, "status": {"phase": "Running", "containerStatuses": [container]}});
            let trouble = trouble_of(&Pod::read(&pod)).unwrap();
            assert!(trouble.has_log(), "{trouble:?}");
            (trouble.ends, trouble.previous)
        };

        assert_eq!(asked(2, json!({"running": {}})), (2, true));
        assert_eq!(asked(2, json!({"terminated": {"exitCode": 1, "reason": "Error"}})), (3, false));
        assert_eq!(asked(2, json!({"waiting": {"reason": "CrashLoopBackOff"}})), (3, true));
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
    fn who_may_not_forward_ports_may_install_all_the_same() {
        let mut snapshot = empty();
        let permissions = [Permission::GetPortForward, Permission::CreatePortForward];
        snapshot.rights.refused = permissions.map(|permission| (permission, "no".to_owned())).to_vec();

        let status = status(&snapshot);

        assert!(status.install.is_offered());
        assert_eq!(status.notices, []);
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

    // A click on Update would have been undone by the controller within minutes, without a word.
    #[test]
    fn what_a_gitops_controller_manages_is_left_to_it_and_can_still_be_opened() {
        let mut managed = deployment(1);
        managed["metadata"]["labels"]["helm.toolkit.fluxcd.io/name"] = json!("crossview");
        managed["metadata"]["labels"]["helm.toolkit.fluxcd.io/namespace"] = json!("flux-system");
        let mut snapshot = empty();
        snapshot.deployments.take(Change::Listed(vec![managed]));
        snapshot.releases.take(Change::Listed(vec![release("deployed")]));

        let status = status(&snapshot);

        assert_eq!(status.phase, Phase::Ready);
        assert_eq!(status.manager.map(|manager| manager.name).as_deref(), Some("crossview"));
        for offer in [status.install, status.update, status.uninstall] {
            assert_eq!(offer, Offer::Withheld(Withheld::Managed));
        }
    }

    #[test]
    fn an_install_under_another_release_name_is_named_and_not_taken_for_none() {
        let mut other = deployment(1);
        other["metadata"]["name"] = json!("views-crossview");
        other["spec"]["selector"]["matchLabels"]["app.kubernetes.io/instance"] = json!("views");
        let mut snapshot = empty();
        snapshot.deployments.take(Change::Listed(vec![other.clone()]));

        let expected = Phase::Elsewhere { namespace: "crossview".to_owned(), release: "views".to_owned() };
        assert_eq!(status(&snapshot).phase, expected);

        snapshot.deployments.take(Change::Listed(vec![deployment(1), other]));
        assert_eq!(status(&snapshot).phase, Phase::Ready);
    }

    // Nobody had a page open when the Job ended, and 90 seconds later it was gone.
    #[test]
    fn of_an_end_that_nobody_saw_helms_record_is_told() {
        let mut lease = held();
        lease["metadata"]["annotations"] = json!({USER_ANNOTATION: "jane", CHART_ANNOTATION: "oci://a/b 4.6.0"});
        let mut failed = release("failed");
        failed["metadata"]["creationTimestamp"] = json!("2026-11-23T01:01:04Z");
        failed["metadata"]["labels"]["modifiedAt"] = json!("1795395670");
        let mut snapshot = empty();
        snapshot.lease.take(Change::Listed(vec![lease]));
        snapshot.releases.take(Change::Listed(vec![failed]));

        snapshot.now = Timestamp::parse_rfc3339("2026-11-23T01:01:30Z").unwrap();
        assert_eq!(status(&snapshot).last, None, "its Job may still come");

        snapshot.now = NOW;
        let status = status(&snapshot);
        let last = status.last.unwrap();
        assert_eq!(
            (last.result, last.operation.as_str(), last.user.as_str()),
            (OutcomeResult::Unseen, "install", "jane")
        );
        assert_eq!((last.revision, last.status.as_str(), last.chart.as_str()), (1, "failed", "oci://a/b 4.6.0"));
        assert_eq!(last.at().map(Timestamp::seconds), Some(1_795_395_670));
        assert_eq!(status.operating, None);
        assert_eq!(status.install, Offer::Offered, "what failed at first is installed by the same command");
    }

    // The revision that was there before the operation was shown as what had come of it.
    #[test]
    fn an_older_revision_is_not_what_came_of_an_operation() {
        let mut snapshot = empty();
        snapshot.lease.take(Change::Listed(vec![held()]));
        snapshot.releases.take(Change::Listed(vec![release("deployed")]));

        let last = status(&snapshot).last.unwrap();

        assert_eq!((last.revision, last.status.as_str()), (0, "deployed"));
    }

    #[test]
    fn a_lock_that_was_just_taken_says_whose_it_is() {
        let mut lease = held();
        lease["metadata"]["annotations"] = json!({USER_ANNOTATION: "jane", CHART_ANNOTATION: "c"});
        let mut snapshot = empty();
        snapshot.lease.take(Change::Listed(vec![lease]));
        snapshot.now = Timestamp::parse_rfc3339("2026-11-23T01:01:30Z").unwrap();

        let operating = status(&snapshot).operating.unwrap();

        assert_eq!((operating.user.as_str(), operating.chart.as_str()), ("jane", "c"));
    }

    #[test]
    fn a_namespace_may_go_only_where_it_is_known_that_nothing_is_installed_in_it() {
        let mut snapshot = empty();
        assert_eq!(status(&snapshot).remove_namespace, Offer::Withheld(Withheld::NotApplicable), "there is none");

        snapshot.namespace.take(Change::Listed(vec![json!({"metadata": {"name": "crossview", "uid": "u"}})]));
        assert_eq!(status(&snapshot).remove_namespace, Offer::Offered);

        let mut running = snapshot.clone();
        running.jobs.take(Change::Listed(vec![job(false, &json!([]))]));
        assert_eq!(status(&running).remove_namespace, Offer::Withheld(Withheld::Busy));

        let mut unseen = snapshot.clone();
        unseen.releases.take(Change::Failed(forbidden()));
        assert_eq!(status(&unseen).remove_namespace, Offer::Withheld(Withheld::NotApplicable));

        let mut other = deployment(1);
        other["spec"]["selector"]["matchLabels"]["app.kubernetes.io/instance"] = json!("views");
        snapshot.deployments.take(Change::Listed(vec![other]));
        assert_eq!(status(&snapshot).remove_namespace, Offer::Withheld(Withheld::NotApplicable));
    }

    // A page on another namespace called the rights of an operation that ran left over.
    #[test]
    fn rights_of_another_namespace_are_its_own_business() {
        let binding = json!({"metadata": {"name": BINDING_NAME}, "subjects": [{"kind": "ServiceAccount", "name": "x", "namespace": "other"}]});
        let mut snapshot = empty();
        snapshot.binding.take(Change::Listed(vec![binding]));

        assert_eq!(status(&snapshot).notices, []);
        assert!(!status(&snapshot).leftovers.binding);
    }

    /// What happens in one collection: `None` ends an object.
    #[derive(Debug, Clone)]
    struct Deed {
        /// Which of [`FEEDS`].
        feed: usize,
        /// Which object of it.
        object: usize,
        /// How it becomes; by this number a variant is chosen.
        variant: Option<usize>,
    }

    /// The objects that may be in the collection `feed`, in variants that mean something to `derive`.
    fn variants(feed: usize, object: usize) -> Vec<Value> {
        let named = |name: &str, rest: Value| {
            let mut value = rest;
            value["metadata"]["name"] = json!(name);
            value
        };
        let ended = |kind: &str| json!([{"type": kind, "status": "True", "message": "m", "lastTransitionTime": "2026-11-23T01:01:09Z"}]);
        match (FEEDS[feed].0, object) {
            ("deployments", 0) => vec![deployment(0), deployment(1)],
            ("deployments", _) => {
                let mut other = deployment(1);
                other["metadata"]["name"] = json!("other");
                other["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] = json!("postgres");
                vec![other]
            }
            ("releases", number) => ["deployed", "failed", "pending-upgrade", "superseded"]
                .map(|status| {
                    let mut record = release(status);
                    record["metadata"]["name"] = json!(format!("sh.helm.release.v1.crossview.v{}", number + 1));
                    record["metadata"]["uid"] = json!(format!("u{number}"));
                    record["metadata"]["labels"]["version"] = json!((number + 1).to_string());
                    record
                })
                .into(),
            ("jobs", number) => {
                [job(true, &json!([])), job(false, &json!([])), job(false, &ended("Complete")), job(false, &ended("Failed"))]
                    .map(|made| named(&format!("crossview-helm-install-{}", number + 1), made))
                    .into()
            }
            ("lease", _) => {
                let mut free = held();
                free["spec"] = json!({});
                free["metadata"]["annotations"] = json!({manifests::OUTCOME_ANNOTATION:
                    r#"{"operation":"install","result":"failed","message":"m","charts":{"u0":"crossview-4.5.0"}}"#});
                vec![held(), free]
            }
            ("pods", number) => ["Pending", "Running", "Failed"]
                .map(|phase| {
                    json!({
                        "metadata": {"name": format!("pod-{number}"), "labels": if number == 0 {
                            json!({"batch.kubernetes.io/job-name": "crossview-helm-install-1"})
                        } else {
                            deployment(0)["spec"]["selector"]["matchLabels"].clone()
                        }},
                        "status": {"phase": phase, "containerStatuses": [{"name": "helm", "state": if phase == "Pending" {
                            json!({"waiting": {"reason": "ErrImagePull", "message": "m"}})
                        } else {
                            json!({"running": {}})
                        }}]},
                    })
                })
                .into(),
            ("binding", _) => ["crossview-helm-install-1", "another"]
                .map(|job| named(BINDING_NAME, json!({"metadata": {"creationTimestamp": "2026-11-23T00:02:03Z", "annotations": {JOB_ANNOTATION: job}}})))
                .into(),
            ("namespace", _) => ["Active", "Terminating"]
                .map(|phase| json!({"metadata": {"name": "crossview", "uid": "u"}, "status": {"phase": phase}}))
                .into(),
            ("services", number) => ["ClusterIP", "LoadBalancer"]
                .map(|kind| named(&format!("service-{number}"), json!({"spec": {"type": kind, "selector": deployment(0)["spec"]["selector"]["matchLabels"]}})))
                .into(),
            ("ingresses", number) => vec![named(
                &format!("ingress-{number}"),
                json!({"spec": {"rules": [{"http": {"paths": [{"backend": {"service": {"name": "service-0"}}}]}}]}}),
            )],
            ("events", number) => ["FailedCreate", "Created"]
                .map(|reason| named(&format!("event-{number}"), json!({"reason": reason, "message": "m", "involvedObject": {"kind": "Job", "name": "crossview-helm-install-1"}})))
                .into(),
            ("versions", _) => vec![named(
                manifests::VERSIONS_NAME,
                json!({"data": {manifests::VERSIONS_KEY:
                    r#"{"repository":"https://a.b","chart":"crossview","at":"2026-11-23T01:02:03Z","versions":[{"version":"4.6.0"}]}"#}}),
            )],
            (name, number) => vec![named(&format!("{name}-{number}"), json!({}))],
        }
    }

    /// The server: what is there, and every event of each collection in order.
    #[derive(Default)]
    struct Server {
        version: u64,
        there: Vec<(usize, Value)>,
        events: Vec<(usize, Change)>,
    }

    impl Server {
        fn act(&mut self, deed: &Deed) {
            let all = variants(deed.feed, deed.object);
            self.version += 1;
            let mut object = all[deed.variant.unwrap_or(0) % all.len()].clone();
            let at = self.there.iter().position(|(feed, known)| {
                *feed == deed.feed && known["metadata"]["name"] == object["metadata"]["name"]
            });
            let version = json!(self.version.to_string());
            match (at, deed.variant) {
                (None, None) => {}
                (Some(at), None) => {
                    let (feed, mut gone) = self.there.remove(at);
                    gone["metadata"]["resourceVersion"] = version;
                    self.events.push((feed, Change::Deleted(gone)));
                }
                (at, Some(_)) => {
                    object["metadata"]["resourceVersion"] = version;
                    self.events.push((deed.feed, Change::Applied(object.clone())));
                    match at {
                        Some(at) => self.there[at].1 = object,
                        None => self.there.push((deed.feed, object)),
                    }
                }
            }
        }

        fn list(&self, feed: usize) -> Change {
            let mut items: Vec<Value> =
                self.there.iter().filter(|(of, _)| *of == feed).map(|(_, object)| object.clone()).collect();
            items.sort_by(|left, right| left["metadata"]["name"].as_str().cmp(&right["metadata"]["name"].as_str()));
            Change::Listed(items)
        }
    }

    /// What a page is told of one collection: whether each event comes, is lost (then a list follows in the end) or comes
    /// twice, and whether the way breaks in between.
    fn told(server: &Server, feed: usize, fates: &[u8]) -> Vec<Change> {
        let mut told = vec![Change::Listed(vec![])];
        let mut lost = false;
        let events = server.events.iter().filter(|(of, _)| *of == feed);
        for (at, (_, event)) in events.enumerate() {
            match fates.get(at % fates.len().max(1)).copied().unwrap_or_default() {
                0 => lost = true,
                1 => told.extend([event.clone(), event.clone()]),
                2 => told.extend([Change::Failed(ApiError::Unreachable { reason: "gone".to_owned() }), event.clone()]),
                3 => {
                    // The newest events, then an older one again.
                    let earlier =
                        told.get(told.len() / 2).filter(|change| !matches!(change, Change::Listed(_))).cloned();
                    told.push(event.clone());
                    told.extend(earlier);
                }
                _ => told.push(event.clone()),
            }
        }
        // Whoever has missed something, or heard last that nothing comes, lists again.
        if lost || matches!(told.last(), Some(Change::Failed(_))) {
            told.push(server.list(feed));
        }
        told
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let deed = (0..FEEDS.len(), 0..3_usize, proptest::option::weighted(0.8, 0..4_usize))
            .prop_map(|(feed, object, variant)| Deed { feed, object, variant });
        proptest::collection::vec(deed, 0..30)
    }

    proptest! {
        /// Collections are told independently of each other, each in the server's order; events may come twice, come again
        /// after newer ones, or be lost, and then a list tells what is true. `PROPTEST_CASES` says how many.
        #[test]
        fn any_interleaving_of_events_that_repeat_and_get_lost_ends_in_the_same_status(
            deeds in deeds(),
            fates in proptest::collection::vec(0..8_u8, FEEDS.len() * 5),
            order in proptest::collection::vec(any::<proptest::sample::Index>(), 0..120),
        ) {
            let mut server = Server::default();
            deeds.iter().for_each(|deed| server.act(deed));
            let mut straight = Snapshot { now: NOW, ..Snapshot::default() };
            for (feed, (_, take)) in FEEDS.iter().enumerate() {
                take(&mut straight, server.list(feed));
            }

            let mut mixed = Snapshot { now: NOW, ..Snapshot::default() };
            let mut left: Vec<_> =
                (0..FEEDS.len()).map(|feed| (feed, told(&server, feed, &fates[feed * 5..][..5]).into_iter())).collect();
            let mut order = order.iter();
            while !left.is_empty() {
                let at = order.next().map_or(0, |index| index.index(left.len()));
                let (feed, changes) = &mut left[at];
                match changes.next() {
                    Some(change) => FEEDS[*feed].1(&mut mixed, change),
                    None => drop(left.remove(at)),
                }
            }

            prop_assert_eq!(status(&mixed), status(&straight));
        }
    }
}
