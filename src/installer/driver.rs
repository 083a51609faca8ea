//! Carries out a plan, and brings an operation to its end: rights away, outcome kept, lock free.
//!
//! A driver belongs to the module, not to a component: leaving the page leaves it running. It knows nothing but its
//! Job's name, so any page may end what another began; each write has a precondition, so two that do it at the same
//! moment do it once.

use std::time::Duration;

use futures::{StreamExt, channel::mpsc};
use serde_json::Value;

use super::{
    Target,
    lock::{self, Outcome, OutcomeResult},
    manifests::{self, CHART_ANNOTATION, HELM_CONTAINER, JOB_ANNOTATION, OPERATION_LABEL, USER_ANNOTATION, kinds},
    objects::{Binding, Job, JobEnd, Lease, Metadata, Pod},
    plan::{Plan, StepName},
};
use crate::cluster::{ApiError, Change, Client, Narrow, Request, Selector, Timestamp, Watch, follow, narrow};

/// Pause between two looks at something that only time changes.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a write is tried again when the cluster says that it will pass; a minute and a half with [`PAUSE`].
const TRIES: u32 = 90;
/// How much of Helm's last words an outcome keeps; the kubelet keeps twice that.
/// <https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/>
const MAX_MESSAGE: usize = 1000;

/// Why an operation did not begin. What had been made is taken away again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Somebody else was faster.
    #[error("another operation is under way: {job}")]
    Busy {
        /// Its Job; empty where it couldn't be read.
        job: String,
    },
    /// A step was refused.
    #[error("{error}")]
    Step {
        /// Which.
        step: StepName,
        /// The cluster's answer.
        error: ApiError,
    },
}

narrow! {
    /// An answer of which only the uid matters.
    struct Made {
        metadata: Metadata = "metadata",
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
                let held = client.read::<Lease>(read_lease(&plan.target)).await.ok();
                let job = held.and_then(|lease| lease.spec.holder_identity).unwrap_or_default();
                return Err(StartError::Busy { job });
            }
            (name, Err(error)) => {
                if !matches!(name, StepName::ServiceAccount | StepName::Lease) {
                    undo(client, plan, &error).await;
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

/// Takes away what a broken start has made, in the order of an ending.
async fn undo(client: &Client, plan: &Plan, error: &ApiError) {
    let path = kinds::JOB.object(Some(plan.target.namespace.as_str()), &plan.job);
    let _ = retry(client, || client.object(Request::delete(&*path, manifests::delete_foreground()))).await;
    remove_binding(client, &plan.job).await;
    let outcome = Outcome {
        operation: plan.operation.name().to_owned(),
        job: plan.job.clone(),
        chart: plan.chart.clone(),
        user: plan.user.clone(),
        result: OutcomeResult::Failed,
        message: error.to_string().chars().take(MAX_MESSAGE).collect(),
        at: client.now().unwrap_or_default().to_string(),
    };
    release_lock(client, &plan.target, &plan.job, Some(outcome)).await;
}

/// Follows the Job until it has ended or is gone, then takes away Helm's rights, keeps the outcome and frees the lock.
pub async fn finish(client: &Client, target: &Target, job: &str) {
    let (last, gone) = await_end(client, target, job).await;
    // Helm needs its rights to write `failed` when it is told to stop, so they go only after its pods.
    let pods = await_pods(client, target, job, gone).await;
    remove_binding(client, job).await;
    let outcome = outcome(job, last.as_ref(), &pods, client.now().unwrap_or_default());
    release_lock(client, target, job, Some(outcome)).await;
}

/// The Job as it last was, and whether it is gone.
async fn await_end(client: &Client, target: &Target, name: &str) -> (Option<Job>, bool) {
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
    let mut last: Option<Job> = None;
    while let Some(change) = told.next().await {
        let seen = match change {
            Change::Listed(mut items) => items.pop(),
            Change::Applied(item) => Some(item),
            Change::Deleted(item) => {
                last = Some(Job::read(&item));
                None
            }
            Change::Failed(_) => continue,
        };
        match seen.map(|item| Job::read(&item)) {
            Some(job) if job.end().is_some() => return (Some(job), false),
            Some(job) => last = Some(job),
            None => return (last, true),
        }
    }
    (last, true)
}

/// Waits until no pod of the Job runs any more; of a deleted Job, until they are gone. Returns them as last seen.
async fn await_pods(client: &Client, target: &Target, job: &str, gone: bool) -> Vec<Pod> {
    let path = kinds::POD.collection(Some(target.namespace.as_str()));
    let selector = Selector::Labels(format!("batch.kubernetes.io/job-name={job}")).to_string();
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let pods = match client.read::<Pods>(Request::get(format!("{path}?{}", selector.trim_start_matches('&')))).await
        {
            Ok(list) => list.items,
            Err(error) if error.is_passing() => {
                client.sleep(PAUSE).await;
                continue;
            }
            // Who may not see pods can't wait for them.
            Err(_) => break,
        };
        let waiting = pods.iter().any(|pod| gone || !pod.is_over());
        if !pods.is_empty() {
            seen = pods;
        }
        if !waiting {
            break;
        }
        client.sleep(PAUSE).await;
    }
    seen
}

/// Deletes the binding if it is for `job`, and exactly as it was seen.
pub async fn remove_binding(client: &Client, job: &str) {
    let path = kinds::BINDING.object(None, manifests::BINDING_NAME);
    let _ = retry(client, || async {
        let seen = match client.read::<Binding>(Request::get(&*path)).await {
            Ok(seen) if seen.metadata.annotation(JOB_ANNOTATION) == job => seen.metadata,
            Ok(_) | Err(ApiError::NotFound { .. }) => return Ok(Value::Null),
            Err(error) => return Err(error),
        };
        let options = manifests::delete_exactly(&seen.uid, &seen.resource_version);
        client.object(Request::delete(&*path, options)).await
    })
    .await;
}

/// Frees the lock if `job` holds it.
async fn release_lock(client: &Client, target: &Target, job: &str, outcome: Option<Outcome>) {
    let _ = retry(client, || async {
        let held = client.read::<Lease>(read_lease(target)).await?;
        if held.spec.holder_identity.as_deref() != Some(job) {
            return Ok(Value::Null);
        }
        client.object(lock::release(target, &held, outcome.as_ref())).await
    })
    .await;
}

fn read_lease(target: &Target) -> Request {
    Request::get(kinds::LEASE.object(Some(target.namespace.as_str()), &manifests::lease_name(target)))
}

/// Tries again while the cluster says that it will pass, or that the object has changed since it was read.
async fn retry<F: Future<Output = Result<Value, ApiError>>>(
    client: &Client,
    attempt: impl Fn() -> F,
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
fn outcome(name: &str, job: Option<&Job>, pods: &[Pod], now: Timestamp) -> Outcome {
    let label = |key| job.map_or("", |job| job.metadata.label(key)).to_owned();
    let annotation = |key| job.map_or("", |job| job.metadata.annotation(key)).to_owned();
    let (result, message) = match job.and_then(Job::end) {
        Some(JobEnd::Complete) => (OutcomeResult::Succeeded, String::new()),
        Some(JobEnd::Failed { message, .. }) => (OutcomeResult::Failed, last_words(pods).unwrap_or(message)),
        None => (OutcomeResult::Cancelled, String::new()),
    };
    Outcome {
        operation: label(OPERATION_LABEL),
        job: name.to_owned(),
        chart: annotation(CHART_ANNOTATION),
        user: annotation(USER_ANNOTATION),
        result,
        message: tail(&message).to_owned(),
        at: now.to_string(),
    }
}

/// The termination message of the container that failed: Helm's, or an init container's.
#[must_use]
pub fn last_words(pods: &[Pod]) -> Option<String> {
    pods.iter()
        .flat_map(Pod::containers)
        .filter(|container| container.name.starts_with(HELM_CONTAINER))
        .filter_map(|container| container.state.terminated.as_ref())
        .find(|end| end.exit_code != 0)
        .map(|end| if end.message.is_empty() { end.reason.clone() } else { end.message.clone() })
}

/// The last [`MAX_MESSAGE`] bytes or a little less, at a character's boundary: an error stands at the end.
fn tail(text: &str) -> &str {
    let mut from = text.len().saturating_sub(MAX_MESSAGE);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..).unwrap_or(text)
}
