//! Carries out a plan, and brings an operation to its end: rights away, outcome kept, lock free.
//!
//! A driver belongs to the module, not to a component: leaving the page leaves it running. It knows nothing but its
//! Job's name, so any page may end what another began; each write has a precondition, so two that do it at the same
//! moment do it once.

use std::time::Duration;

use futures::{StreamExt, channel::mpsc, future::LocalBoxFuture};
use serde_json::Value;

use super::{
    Target,
    derive::trouble_of,
    lock::{self, Outcome, OutcomeResult},
    manifests::{
        self, CHART_ANNOTATION, HELM_CONTAINER, INDEX_CONTAINER, JOB_ANNOTATION, OPERATION_LABEL, USER_ANNOTATION,
        kinds, releases,
    },
    objects::{Binding, Deployment, Job, JobEnd, Lease, Metadata, Pod},
    plan::{Plan, StepName},
    status::Whose,
};
use crate::{
    cluster::{ApiError, Change, Client, Kind, Narrow, Request, Selector, Timestamp, Watch, follow, narrow},
    helm::{
        chart::ChartRef,
        command::Operation,
        diagnosis::{Cause, diagnose},
        release::{History, ReleaseStatus},
        repository::{MOST_OFFERS, Versions, fill_days, read_offers},
    },
};

/// Pause between two looks at something that only time changes.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a write is tried again when the cluster says that it will pass; a minute and a half with [`PAUSE`].
const TRIES: u32 = 90;
/// How much of Helm's last words an outcome keeps; the kubelet keeps twice that.
/// <https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/>
const MAX_MESSAGE: usize = 1000;

/// How much of a repository's index, or of Helm's list, is read: far more than any has.
const MOST_INDEX: &str = "&limitBytes=8000000";

/// Why an operation did not begin. What had been made is taken away again, but for [`StartError::Unanswered`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StartError {
    /// Somebody else was faster.
    #[error("another operation is under way: {job}")]
    Busy {
        /// Its Job; empty where it couldn't be read.
        job: String,
        /// Who asked for it; empty where it couldn't be read.
        user: String,
    },
    /// A step was refused.
    #[error("{error}")]
    Step {
        /// Which.
        step: StepName,
        /// The cluster's answer.
        error: ApiError,
    },
    /// Nobody can tell whether the Job was let go. It was told to end, and its end is to be seen to as that of any other.
    #[error("{error}")]
    Unanswered {
        /// What came in place of an answer.
        error: ApiError,
        /// The Job, as far as it could be read.
        job: Option<Box<Job>>,
    },
}

narrow! {
    /// An answer of which only the uid matters.
    struct Made {
        metadata: Metadata = "metadata",
    }

    /// Deployments.
    struct Deployments {
        items: Vec<Deployment> = "items",
    }

    /// Pods.
    struct Pods {
        items: Vec<Pod> = "items",
    }
}

/// Sends a plan's requests in order, up to the Job's start.
///
/// # Errors
/// When the lock is taken, or a step is refused.
pub async fn begin(client: &Client, plan: &Plan) -> Result<(), StartError> {
    let mut namespace_uid = plan.namespace_uid.clone();
    let mut job_uid = None;
    for step in &plan.steps {
        let mut request = step.request.clone();
        if let (Some(owner), Some(body)) = (&step.owner, request.body_mut()) {
            let uid = if owner.kind == kinds::JOB { &job_uid } else { &namespace_uid };
            // Without leave to read the Namespace its uid stays unknown; the binding then only lacks an owner.
            if let Some(uid) = uid {
                manifests::set_owner(body, owner.kind, &owner.name, uid);
            }
        }
        let answer = client.read::<Made>(request).await;
        match (step.name, answer) {
            (StepName::Namespace, answer) => namespace_uid = namespace(client, plan, answer).await?,
            (StepName::Job, Ok(made)) => job_uid = Some(made.metadata.uid),
            (_, Ok(_)) => {}
            (StepName::Lease, Err(ApiError::Conflict { .. })) => {
                let held = client.read::<Lease>(read_lease(&plan.target)).await.unwrap_or_default();
                let user = held.metadata.annotation(USER_ANNOTATION).to_owned();
                return Err(StartError::Busy { job: held.spec.holder_identity.unwrap_or_default(), user });
            }
            (name, Err(error)) => {
                if name == StepName::Start && is_doubtful(&error) {
                    match doubt(client, plan).await {
                        Start::Going => continue,
                        Start::Ending(job) => return Err(StartError::Unanswered { error, job }),
                        Start::Held => {}
                    }
                }
                if !matches!(name, StepName::ServiceAccount | StepName::Lease) {
                    undo(client, plan, name, &error).await;
                }
                return Err(StartError::Step { step: name, error });
            }
        }
    }
    Ok(())
}

/// The Namespace's uid, made by us or by somebody else a moment ago.
async fn namespace(client: &Client, plan: &Plan, answer: Result<Made, ApiError>) -> Result<Option<String>, StartError> {
    let error = match answer {
        Ok(made) => return Ok(Some(made.metadata.uid)),
        Err(error @ (ApiError::Conflict { .. } | ApiError::Forbidden { .. })) => error,
        Err(error) => return Err(StartError::Step { step: StepName::Namespace, error }),
    };
    let path = kinds::NAMESPACE.object(None, plan.target.namespace.as_str());
    match client.read::<Made>(Request::get(path)).await {
        Ok(seen) => Ok(Some(seen.metadata.uid)),
        Err(ApiError::NotFound { .. }) => Err(StartError::Step { step: StepName::Namespace, error }),
        // Neither made nor readable: the next step tells whether it is there.
        Err(_) => Ok(None),
    }
}

/// Whether what was asked for may have been done all the same: the cluster has not said no.
const fn is_doubtful(error: &ApiError) -> bool {
    use ApiError::{Conflict, Forbidden, Invalid, NotFound, Unauthorized};
    !matches!(error, Conflict { .. } | Forbidden { .. } | Invalid { .. } | NotFound { .. } | Unauthorized { .. })
}

/// What became of a Job that was to be let go.
enum Start {
    /// It was.
    Going,
    /// It was told to end; the Job, as far as it could be read.
    Ending(Option<Box<Job>>),
    /// It is still held back, and can't be told to end.
    Held,
}

/// Finds out whether the plan's Job was let go, and has it end if it wasn't or nobody can tell.
async fn doubt(client: &Client, plan: &Plan) -> Start {
    let path = kinds::JOB.object(Some(plan.target.namespace.as_str()), &plan.job);
    let seen = retry(client, &|| Box::pin(client.object(Request::get(&*path)))).await.ok();
    let job = seen.filter(|seen| !seen.is_null()).map(|seen| Box::new(Job::read(&seen)));
    let is_held = job.as_ref().is_some_and(|job| job.spec.suspend);
    if job.is_some() && !is_held {
        Start::Going
    } else if delete_job(client, plan).await || !is_held {
        Start::Ending(job)
    } else {
        Start::Held
    }
}

/// Asks for the end of the plan's Job; whether that was heard.
async fn delete_job(client: &Client, plan: &Plan) -> bool {
    let path = kinds::JOB.object(Some(plan.target.namespace.as_str()), &plan.job);
    let attempt = || -> LocalBoxFuture<'_, _> {
        Box::pin(client.object(Request::delete(&*path, manifests::delete_foreground())))
    };
    retry(client, &attempt).await.is_ok()
}

/// Takes away what a broken start has made, in the order of an ending.
async fn undo(client: &Client, plan: &Plan, step: StepName, error: &ApiError) {
    // Where the name was taken, it is somebody else's.
    let is_taken = matches!(error, ApiError::Conflict { .. });
    if step != StepName::Job || !is_taken {
        delete_job(client, plan).await;
    }
    if step == StepName::Start || step == StepName::Binding && !is_taken {
        remove_binding(client, &plan.target, &plan.job).await;
    }
    // A Job that is gone before it was let go has been cancelled.
    let cancelled = step == StepName::Start && matches!(error, ApiError::NotFound { .. });
    let outcome = Outcome {
        operation: plan.operation.name().to_owned(),
        job: plan.job.clone(),
        chart: plan.chart.clone(),
        user: plan.user.clone(),
        result: if cancelled { OutcomeResult::Cancelled } else { OutcomeResult::Failed },
        revision: 0,
        status: String::new(),
        cause: Some(if cancelled { Cause::JobDeleted } else { diagnose(&error.to_string()).cause }),
        message: if cancelled { String::new() } else { error.to_string().chars().take(MAX_MESSAGE).collect() },
        at: client.now().unwrap_or_default().to_string(),
        charts: Vec::new(),
    };
    release_lock(client, &plan.target, &plan.job, Some(outcome)).await;
}

/// A Job as it was seen, and when, by the transport's clock.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// The Job.
    pub job: Job,
    /// [`Client::elapsed`] when the cluster last told of it.
    pub at: Duration,
}

/// How following a Job has ended.
struct Ended {
    /// The Job as it last was.
    job: Option<Job>,
    /// Whether it is gone.
    gone: bool,
    /// Whether it has gone while nobody looked, for so long that it may have ended by itself.
    unseen: bool,
    /// Its pods as its end began: they may be gone before it is.
    pods: Vec<Pod>,
}

/// A Job may be gone this long after its end: `ttlSecondsAfterFinished` of its manifest.
const EXPIRY: Duration = Duration::from_secs(90);

/// Follows the Job until it has ended or is gone, then takes away Helm's rights, keeps the outcome and frees the lock.
/// `seen` is what the caller knows of it already.
pub async fn finish(client: &Client, target: &Target, job: &str, seen: Option<Sighting>) {
    let ended = await_end(client, target, job, seen).await;
    // Helm needs its rights to write `failed` when it is told to stop, so they go only after its pods.
    let pods = await_pods(client, target, job, &ended).await;
    remove_binding(client, target, job).await;
    let mut outcome = outcome(job, &ended, pods.as_deref(), client.now().unwrap_or_default());
    match outcome.operation.parse() {
        Ok(Operation::UpdateRepo) if outcome.result == OutcomeResult::Succeeded => {
            if let Err(words) = keep_versions(client, target, &outcome.chart, pods.as_deref().unwrap_or_default()).await
            {
                outcome.result = OutcomeResult::Failed;
                outcome.cause = Some(diagnose(&words).cause);
                outcome.message = words;
            }
        }
        Ok(Operation::Install | Operation::Update | Operation::Rollback) => {
            outcome.charts.extend(current_chart(client, target).await);
        }
        Ok(Operation::Uninstall | Operation::UpdateRepo) | Err(_) => {}
    }
    if let Ok(lease) = client.read::<Lease>(read_lease(target)).await {
        record(client, target, &lease, &mut outcome).await;
    }
    release_lock(client, target, job, Some(outcome)).await;
}

/// Brings what Helm has found in the repository `reference` into the ConfigMap that every browser reads.
///
/// # Errors
/// What went wrong, in words.
async fn keep_versions(client: &Client, target: &Target, reference: &str, pods: &[Pod]) -> Result<(), String> {
    let Ok(ChartRef::Repository { url, name }) = reference.parse() else {
        return Err(["expected a repository and a chart's name, got ", reference].concat());
    };
    let pod = pods.iter().find(|pod| pod.status.phase == "Succeeded").map_or("", |pod| &pod.metadata.name);
    let path = kinds::POD.object(Some(target.namespace.as_str()), pod);
    let log = async |container: &str| {
        let request = Request::get([&path, "/log?container=", container, MOST_INDEX].concat());
        client.open(request).await?.text().await
    };
    let found = log(HELM_CONTAINER).await.map_err(|error| error.to_string())?;
    let mut offers = read_offers(&name, &found).map_err(|error| error.to_string())?;
    offers.truncate(MOST_OFFERS);
    // Not there with another image than ours: the days stay empty.
    if let Ok(index) = log(INDEX_CONTAINER).await {
        fill_days(&mut offers, &name, &index);
    }
    let versions = Versions { repository: url, chart: name, at: client.now().unwrap_or_default(), offers };
    let path = kinds::CONFIG_MAP.object(Some(target.namespace.as_str()), manifests::VERSIONS_NAME);
    let map = manifests::versions(target, &versions.to_json());
    retry(client, &|| Box::pin(client.object(Request::apply(&path, map.clone()))))
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

/// The current revision's record and chart, once it is deployed: what Helm's records don't tell without their payload.
async fn current_chart(client: &Client, target: &Target) -> Option<(String, String)> {
    let list = |kind: Kind, labels: String| {
        let selector = Selector::Labels(labels).to_string();
        let path = kind.collection(Some(target.namespace.as_str()));
        Request::get([path.as_str(), "?", selector.trim_start_matches('&')].concat())
    };
    let records = list(kinds::SECRET, ["owner=helm,name=", target.release.as_str()].concat());
    let records = client.object(Request { metadata_only: true, ..records }).await.ok()?;
    let history = History::read(&target.release, records["items"].as_array().into_iter().flatten());
    let current = history.current().filter(|current| current.status == ReleaseStatus::Deployed)?;
    let apps = list(kinds::DEPLOYMENT, "app.kubernetes.io/name=crossview".to_owned());
    let apps = client.read::<Deployments>(apps).await.ok()?.items;
    let app = apps.iter().find(|found| found.is_app() && found.release() == target.release.as_str())?;
    let chart = app.metadata.label("helm.sh/chart");
    (!chart.is_empty()).then(|| (current.secret.uid.clone(), chart.to_owned()))
}

/// Follows the Job until it has ended or is gone.
async fn await_end(client: &Client, target: &Target, name: &str, mut last: Option<Sighting>) -> Ended {
    let watch = Watch {
        path: kinds::JOB.collection(Some(target.namespace.as_str())),
        selector: Selector::Name(name.to_owned()),
        metadata_only: false,
    };
    let (tell, mut told) = mpsc::unbounded();
    let _task = client.spawn(follow(
        client.clone(),
        watch,
        Box::new(move |change| {
            let _ = tell.unbounded_send(change);
        }),
    ));
    let mut pods = Vec::new();
    while let Some(change) = told.next().await {
        let (seen, deleted) = match change {
            Change::Listed(mut items) => (items.pop(), None),
            Change::Applied(item) => (Some(item), None),
            Change::Deleted(item) => (None, Some(item)),
            Change::Failed(_) => continue,
        };
        let at = client.elapsed();
        let sighting = |item: &Value| Sighting { job: Job::read(item), at };
        match seen.as_ref().map(sighting) {
            Some(seen) if seen.job.end().is_some() => {
                return Ended { job: Some(seen.job), gone: false, unseen: false, pods };
            }
            Some(seen) => {
                if pods.is_empty() && seen.job.is_ending() {
                    pods = list_pods(client, target, name).await.unwrap_or_default();
                }
                last = Some(seen);
            }
            None => {
                last = deleted.as_ref().map(sighting).or(last);
                // What was still at work a moment ago can't have expired: somebody deleted it.
                let unseen =
                    last.as_ref().is_none_or(|last| last.job.end().is_none() && at.saturating_sub(last.at) >= EXPIRY);
                return Ended { job: last.map(|last| last.job), gone: true, unseen, pods };
            }
        }
    }
    Ended { job: last.map(|last| last.job), gone: true, unseen: true, pods }
}

/// Adds what the Lease says of the operation where its Job is unknown, and what Helm's Secrets show of its end.
async fn record(client: &Client, target: &Target, lease: &Lease, outcome: &mut Outcome) {
    for (field, key) in [(&mut outcome.chart, CHART_ANNOTATION), (&mut outcome.user, USER_ANNOTATION)] {
        if field.is_empty() {
            lease.metadata.annotation(key).clone_into(field);
        }
    }
    let path = kinds::SECRET.collection(Some(target.namespace.as_str()));
    let selector = Selector::Labels(releases(target)).to_string();
    let list = Request::get(format!("{path}?{}", selector.trim_start_matches('&')));
    let Ok(list) = client.object(Request { metadata_only: true, ..list }).await else { return };
    let history = History::read(&target.release, list["items"].as_array().into_iter().flatten());
    if let Some(current) = history.current() {
        outcome.set_revision(current, lease.spec.acquire_time);
    }
}

/// The pods of a Job.
async fn list_pods(client: &Client, target: &Target, job: &str) -> Result<Vec<Pod>, ApiError> {
    let path = kinds::POD.collection(Some(target.namespace.as_str()));
    let selector = Selector::Labels(["batch.kubernetes.io/job-name=", job].concat()).to_string();
    let list = Request::get([&*path, "?", selector.trim_start_matches('&')].concat());
    Ok(client.read::<Pods>(list).await?.items)
}

/// Waits until no pod of the Job runs any more; of a deleted Job, until they are gone. Returns them as last seen;
/// `None` to who may not see pods and so can't wait for them.
async fn await_pods(client: &Client, target: &Target, job: &str, ended: &Ended) -> Option<Vec<Pod>> {
    let mut seen = ended.pods.clone();
    for _ in 0..TRIES {
        let pods = match list_pods(client, target, job).await {
            Ok(pods) => pods,
            Err(error) if error.is_passing() => {
                client.sleep(PAUSE).await;
                continue;
            }
            Err(_) => return None,
        };
        let waiting = pods.iter().any(|pod| ended.gone || !pod.is_over());
        if !pods.is_empty() {
            seen = pods;
        }
        if !waiting {
            break;
        }
        client.sleep(PAUSE).await;
    }
    Some(seen)
}

/// Deletes the binding if it is for `job`, and exactly as it was seen.
async fn remove_binding(client: &Client, target: &Target, job: &str) {
    let path = kinds::BINDING.object(None, manifests::BINDING_NAME);
    let attempt = || -> LocalBoxFuture<'_, _> {
        Box::pin(async {
            let seen = match client.read::<Binding>(Request::get(&*path)).await {
                Ok(seen) if seen.metadata.annotation(JOB_ANNOTATION) == job && seen.is_for(&target.namespace) => {
                    seen.metadata
                }
                Ok(_) | Err(ApiError::NotFound { .. }) => return Ok(Value::Null),
                Err(error) => return Err(error),
            };
            let options = manifests::delete_exactly(&seen.uid, &seen.resource_version);
            client.object(Request::delete(&*path, options)).await
        })
    };
    let _ = retry(client, &attempt).await;
}

/// Frees the lock if `job` holds it.
async fn release_lock(client: &Client, target: &Target, job: &str, outcome: Option<Outcome>) {
    let attempt = || -> LocalBoxFuture<'_, _> {
        Box::pin(async {
            let held = client.read::<Lease>(read_lease(target)).await?;
            if held.spec.holder_identity.as_deref() != Some(job) {
                return Ok(Value::Null);
            }
            let outcome = outcome.clone().map(|outcome| outcome.after(Outcome::of(&held)));
            client.object(lock::release(target, &held, outcome.as_ref())).await
        })
    };
    let _ = retry(client, &attempt).await;
}

fn read_lease(target: &Target) -> Request {
    Request::get(kinds::LEASE.object(Some(target.namespace.as_str()), &manifests::lease_name(target)))
}

/// Tries again while the cluster says that it will pass, or that the object has changed since it was read.
async fn retry<'a>(
    client: &Client,
    attempt: &(dyn Fn() -> LocalBoxFuture<'a, Result<Value, ApiError>> + 'a),
) -> Result<Value, ApiError> {
    let mut left = TRIES;
    loop {
        match attempt().await {
            Err(error) if left > 0 && (error.is_passing() || matches!(error, ApiError::Conflict { .. })) => {
                left -= 1;
                client.sleep(PAUSE).await;
            }
            Err(ApiError::NotFound { .. }) => return Ok(Value::Null),
            done => return done,
        }
    }
}

/// How the Job ended, with Helm's last words where it failed.
fn outcome(name: &str, ended: &Ended, pods: Option<&[Pod]>, now: Timestamp) -> Outcome {
    let job = ended.job.as_ref();
    let annotation = |key| job.map_or("", |job| job.metadata.annotation(key)).to_owned();
    let operation = job.map_or("", |job| job.metadata.label(OPERATION_LABEL));
    // A Job that is deleted while it runs may still come to a failed end of its own, since its pod is stopped.
    let is_cancelled = job.is_some_and(|job| match (job.metadata.deletion_timestamp, job.ended_at()) {
        (Some(deleted), Some(ended)) => deleted <= ended,
        _ => false,
    });
    let (result, cause, message) = match job.and_then(Job::end) {
        Some(JobEnd::Complete) => (OutcomeResult::Succeeded, None, String::new()),
        Some(JobEnd::Failed { reason, message }) if !is_cancelled => {
            let (cause, message) = why_failed(&reason, message, pods);
            (OutcomeResult::Failed, Some(cause), message)
        }
        None if ended.unseen => (OutcomeResult::Unseen, Some(Cause::Unseen), String::new()),
        _ => {
            // What held it up says more than that it was ended for that.
            let (cause, message) = trouble(pods.unwrap_or_default()).unwrap_or((Cause::JobDeleted, String::new()));
            (OutcomeResult::Cancelled, Some(cause), message)
        }
    };
    Outcome {
        operation: match operation {
            "" => manifests::operation_of(name).map_or("", Operation::name).to_owned(),
            operation => operation.to_owned(),
        },
        job: name.to_owned(),
        chart: annotation(CHART_ANNOTATION),
        user: annotation(USER_ANNOTATION),
        result,
        revision: 0,
        status: String::new(),
        cause,
        message: tail(&message).to_owned(),
        at: now.to_string(),
        charts: Vec::new(),
    }
}

/// Why a Job failed, and the words for it: Helm's, or the kubelet's and the Job controller's where Helm had no say.
fn why_failed(reason: &str, message: String, pods: Option<&[Pod]>) -> (Cause, String) {
    let is_late = reason == "DeadlineExceeded";
    // A pod that has failed stays; one that is gone, or going, was deleted by somebody.
    if pods.is_some_and(<[Pod]>::is_empty) && !is_late {
        return (Cause::PodKilled, message);
    }
    let pods = pods.unwrap_or_default();
    let words = last_words(pods);
    let deleted = |pod: &Pod| pod.metadata.deletion_timestamp.filter(|_| !is_late).map(|_| POD_DELETED.to_owned());
    if let Some(why) = pods.iter().find_map(|pod| killed(pod).or_else(|| deleted(pod))) {
        return (Cause::PodKilled, below(words, &why));
    }
    // At the deadline Helm is told to stop and says so; what it waited for is the reason.
    if is_late {
        return trouble(pods).unwrap_or_else(|| (Cause::Deadline, below(words, &message)));
    }
    match words {
        Some(words) => (diagnose(&words).cause, words),
        None => trouble(pods).unwrap_or((diagnose(&message).cause, message)),
    }
}

/// `last` below what Helm said before, where it said anything: the line that matters is the last.
fn below(words: Option<String>, last: &str) -> String {
    match words {
        Some(words) => [words.trim_end(), "\n", last].concat(),
        None => last.to_owned(),
    }
}

/// What is said of a pod that somebody took away from Helm; nothing in the cluster says it.
const POD_DELETED: &str = "The pod was deleted while Helm ran.";

/// What held the Job's pod up.
fn trouble(pods: &[Pod]) -> Option<(Cause, String)> {
    pods.iter().find_map(trouble_of).map(|trouble| (trouble.cause(Whose::Helm), trouble.message))
}

/// Why somebody other than Helm ended a pod, in a word of the kubelet:
/// <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/>.
fn killed(pod: &Pod) -> Option<String> {
    if !pod.status.reason.is_empty() {
        return Some([&*pod.status.reason, ": ", &pod.status.message].concat());
    }
    let ends = pod.containers().filter_map(|container| container.state.terminated.as_ref());
    let mut reasons = ends.map(|end| &end.reason);
    reasons.find(|reason| matches!(reason.as_str(), "OOMKilled" | "ContainerStatusUnknown")).cloned()
}

/// The termination message of the container that failed: Helm's, or an init container's.
#[must_use]
pub fn last_words(pods: &[Pod]) -> Option<String> {
    pods.iter()
        .flat_map(Pod::containers)
        .filter(|container| container.name.starts_with(HELM_CONTAINER))
        .filter_map(|container| container.state.terminated.as_ref())
        .find(|end| end.exit_code != 0)
        .map(|end| match end.message.as_str() {
            "" => [end.reason.as_str(), ", exit code ", &end.exit_code.to_string()].concat(),
            message => message.to_owned(),
        })
}

/// The last [`MAX_MESSAGE`] bytes or a little less, at a character's boundary: an error stands at the end.
fn tail(text: &str) -> &str {
    let mut from = text.len().saturating_sub(MAX_MESSAGE);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(conditions: &Value) -> Job {
        Job::read(&json!({
            "metadata": {"name": "crossview-helm-update-1", "labels": {OPERATION_LABEL: "update"}, "annotations": {USER_ANNOTATION: "jane", CHART_ANNOTATION: "c 1.0.0"}},
            "status": {"conditions": conditions},
        }))
    }

    fn failed(reason: &str, message: &str) -> Ended {
        let job = job(&json!([{"type": "Failed", "status": "True", "reason": reason, "message": message}]));
        Ended { job: Some(job), gone: false, unseen: false, pods: vec![] }
    }

    fn backoff() -> Ended {
        failed("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    }

    fn deadline() -> Ended {
        failed("DeadlineExceeded", "Job was active longer than specified deadline")
    }

    fn pod(state: &Value) -> Pod {
        Pod::read(
            &json!({"metadata": {"name": "p"}, "status": {"phase": "Failed", "containerStatuses": [{"name": "helm", "state": state}]}}),
        )
    }

    fn told(ended: &Ended, pods: &[Pod]) -> (OutcomeResult, Option<Cause>, String) {
        let outcome = outcome("crossview-helm-update-1", ended, Some(pods), Timestamp::default());
        assert_eq!(Outcome::of(&kept(&outcome)), Some(outcome.clone()), "a Lease loses something");
        (outcome.result, outcome.cause, outcome.message)
    }

    /// A Lease that keeps `outcome`.
    fn kept(outcome: &Outcome) -> Lease {
        let annotation = outcome.to_json().to_string();
        Lease::read(&json!({"metadata": {"name": "l", "annotations": {manifests::OUTCOME_ANNOTATION: annotation}}}))
    }

    #[test]
    fn helms_words_are_kept_with_their_cause() {
        let words = "Error: failed to perform \"FetchReference\" on source: ghcr.io/a/b:9.9.9: not found\n";
        let pod = pod(&json!({"terminated": {"exitCode": 1, "reason": "Error", "message": words}}));

        let expected = (OutcomeResult::Failed, Some(Cause::ChartNotFound), words.to_owned());
        assert_eq!(told(&backoff(), &[pod]), expected);
    }

    // With FallbackToLogsOnError the message is the log, which says nothing of the end.
    #[test]
    fn a_helm_that_ran_out_of_memory_was_killed_whatever_it_said_before() {
        let words = "Release \"crossview\" does not exist. Installing it now.\n";
        let pod = pod(&json!({"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": words}}));

        let (_, cause, message) = told(&backoff(), &[pod]);
        assert_eq!(cause, Some(Cause::PodKilled));
        assert_eq!(diagnose(&message).line, "OOMKilled");
    }

    #[test]
    fn an_evicted_pod_was_killed_and_the_kubelets_sentence_says_why() {
        let evicted = json!({"metadata": {"name": "p"}, "status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}});

        let (_, cause, message) = told(&backoff(), &[Pod::read(&evicted)]);
        assert_eq!(
            (cause, message.as_str()),
            (Some(Cause::PodKilled), "Evicted: The node was low on resource: memory.")
        );
    }

    // Helm says "context canceled" at the deadline, as if somebody had cancelled it.
    #[test]
    fn at_the_deadline_the_reason_is_what_was_waited_for() {
        let cancelled =
            pod(&json!({"terminated": {"exitCode": 1, "reason": "Error", "message": "Error: context canceled\n"}}));
        assert_eq!(told(&deadline(), &[cancelled]).1, Some(Cause::Deadline));
        assert_eq!(told(&deadline(), &[]).1, Some(Cause::Deadline));

        let waiting = pod(&json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}));
        let expected = (OutcomeResult::Failed, Some(Cause::HelmImage), "Back-off pulling image".to_owned());
        assert_eq!(told(&deadline(), &[waiting]), expected);
    }

    #[test]
    fn a_job_that_went_while_nobody_looked_is_unseen_and_one_that_was_deleted_is_cancelled() {
        let running = || Some(job(&json!([])));

        assert_eq!(
            told(&Ended { job: running(), gone: true, unseen: true, pods: vec![] }, &[]).0,
            OutcomeResult::Unseen
        );
        assert_eq!(
            told(&Ended { job: running(), gone: true, unseen: false, pods: vec![] }, &[]),
            (OutcomeResult::Cancelled, Some(Cause::JobDeleted), String::new())
        );
        let mut stopped = backoff();
        if let Some(job) = &mut stopped.job {
            job.metadata.deletion_timestamp = Some(Timestamp::default());
            job.status.conditions[0].last_transition_time = Some(Timestamp::from_millis(1000));
        }
        assert_eq!(told(&stopped, &[]).0, OutcomeResult::Cancelled);
        let done = Ended {
            job: Some(job(&json!([{"type": "Complete", "status": "True"}]))),
            gone: true,
            unseen: false,
            pods: vec![],
        };
        assert_eq!(told(&done, &[]).0, OutcomeResult::Succeeded);
    }

    #[test]
    fn a_pod_that_is_gone_was_taken_away_from_helm() {
        assert_eq!(told(&backoff(), &[]).1, Some(Cause::PodKilled));

        let mut going = pod(&json!({"terminated": {"exitCode": 2, "reason": "Error"}}));
        let expected = (OutcomeResult::Failed, Some(Cause::Unknown), "Error, exit code 2".to_owned());
        assert_eq!(told(&backoff(), &[going.clone()]), expected);
        going.metadata.deletion_timestamp = Some(Timestamp::default());
        let (_, cause, message) = told(&backoff(), &[going]);
        assert_eq!((cause, diagnose(&message).line.as_str()), (Some(Cause::PodKilled), POD_DELETED));
    }

    #[test]
    fn an_outcome_says_what_was_asked_for_and_by_whom() {
        let outcome = outcome("crossview-helm-update-1", &deadline(), None, Timestamp::default());

        assert_eq!((&*outcome.operation, &*outcome.chart, &*outcome.user), ("update", "c 1.0.0", "jane"));
    }

    /// A Job that has failed at `ended`, and was asked to go at `deleted`.
    fn ended_at(ended: &str, deleted: &Value) -> Job {
        Job::read(&json!({
            "metadata": {"name": "j", "deletionTimestamp": deleted},
            "status": {"conditions": [{"type": "Failed", "status": "True", "message": "m", "lastTransitionTime": ended}]},
        }))
    }

    fn result(job: Job) -> OutcomeResult {
        let ended = Ended { job: Some(job), gone: false, unseen: false, pods: vec![] };
        outcome("j", &ended, Some(&[]), Timestamp::default()).result
    }

    // A Job that is cancelled stops its pod, and its controller then calls that a failure.
    #[test]
    fn a_job_that_failed_because_it_was_deleted_was_cancelled() {
        assert_eq!(result(ended_at("2026-11-23T01:02:05Z", &json!("2026-11-23T01:02:03Z"))), OutcomeResult::Cancelled);
    }

    // Who opens the page late meets a Job that has failed and is being taken away for its age.
    #[test]
    fn a_job_that_had_failed_before_it_was_deleted_has_failed() {
        assert_eq!(result(ended_at("2026-11-23T01:02:03Z", &json!("2026-11-23T01:03:33Z"))), OutcomeResult::Failed);
        assert_eq!(result(ended_at("2026-11-23T01:02:03Z", &Value::Null)), OutcomeResult::Failed);
    }
}
