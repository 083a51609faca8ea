//! The lock: one operation at a time on a release, decided by the API server.
//!
//! A Lease is taken by POST (409: taken) or by PUT with the resource version that was read (409: lost), never by
//! apply, so of two clicks in two browsers one makes a Job. Its holder is the Job's name: the lock is held while that
//! Job exists and isn't finished. The Lease also keeps the last outcome when the Job is gone.
//! <https://kubernetes.io/docs/concepts/architecture/leases/>

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Target,
    manifests::{OUTCOME_ANNOTATION, kinds, lease_name, manifest},
    objects::{Job, Lease},
    snapshot::{Seen, Snapshot},
};
use crate::{
    cluster::{Narrow, Request, Timestamp},
    helm::diagnosis::{Cause, Diagnosis, diagnose},
};

/// A holder whose Job isn't there may be replaced after this long: its page has died between Lease and Job.
pub const GRACE: Duration = Duration::from_secs(60);

/// Whether the lock can be taken.
#[derive(Debug, Clone, PartialEq)]
pub enum Lock {
    /// Nobody has it; the Lease may exist.
    Free,
    /// A Job that exists and isn't finished has it.
    Held {
        /// The Job.
        job: String,
    },
    /// A page has taken it a moment ago, and its Job is still to come.
    Taken {
        /// The Job to come.
        job: String,
        /// When it may be replaced.
        until: Timestamp,
    },
    /// It can't be told.
    Unknown,
}

impl Lock {
    /// Reads the lock out of what is known.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let lease = match snapshot.lease.one() {
            Seen::Present(lease) => lease,
            Seen::Absent => return Self::Free,
            Seen::Unknown(_) => return Self::Unknown,
        };
        let Some(holder) = lease.spec.holder_identity.as_deref().filter(|holder| !holder.is_empty()) else {
            return Self::Free;
        };
        match snapshot.jobs.named(holder) {
            Seen::Present(job) if job.end().is_none() => Self::Held { job: holder.to_owned() },
            Seen::Present(_) => Self::Free,
            Seen::Absent => {
                let until = lease.spec.acquire_time.unwrap_or_default().after(GRACE);
                if snapshot.now < until { Self::Taken { job: holder.to_owned(), until } } else { Self::Free }
            }
            Seen::Unknown(_) => Self::Unknown,
        }
    }
}

/// How an operation ended, kept on the Lease for every browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The operation, as in a Job's name.
    pub operation: String,
    /// The Job.
    pub job: String,
    /// Chart and version, as asked for.
    pub chart: String,
    /// Who asked.
    pub user: String,
    /// How it ended.
    pub result: OutcomeResult,
    /// Helm's last words where it failed: the line that matters first.
    pub message: String,
    /// When, RFC 3339.
    pub at: String,
}

/// The ways an operation can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeResult {
    /// Helm went through.
    Succeeded,
    /// Helm, its pod or its Job failed.
    Failed,
    /// Somebody ended it: the Job was deleted while it ran.
    Cancelled,
}

impl OutcomeResult {
    const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Its word in a Lease.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Outcome {
    /// Reads the outcome that a Lease keeps.
    #[must_use]
    pub fn of(lease: &Lease) -> Option<Self> {
        let kept: Value = serde_json::from_str(lease.metadata.annotation(OUTCOME_ANNOTATION)).ok()?;
        let text = |key| String::read(&kept[key]);
        Some(Self {
            operation: text("operation"),
            job: text("job"),
            chart: text("chart"),
            user: text("user"),
            result: OutcomeResult::ALL.into_iter().find(|result| kept["result"] == result.as_str())?,
            message: text("message"),
            at: text("at"),
        })
    }

    /// What a Lease keeps of it; [`Outcome::of`] reads it back.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "operation": self.operation, "job": self.job, "chart": self.chart, "user": self.user,
            "result": self.result.as_str(), "message": self.message, "at": self.at,
        })
    }

    /// What went wrong: from Helm's words, or from the kubelet's and the Job controller's where Helm had no say.
    #[must_use]
    pub fn diagnosis(&self) -> Diagnosis {
        let found = diagnose(&self.message);
        let cause = match self.message.as_str() {
            // Reasons of a container and of a pod: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
            "OOMKilled" | "Evicted" | "ContainerStatusUnknown" => Cause::PodKilled,
            // The Job controller's sentence for DeadlineExceeded.
            "Job was active longer than specified deadline" => Cause::Deadline,
            _ => found.cause,
        };
        Diagnosis { cause, ..found }
    }

    /// When it ended.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(&self.at)
    }
}

/// A Lease as it is sent; `seen` is the one that it takes the place of. What the last operation left stays readable
/// until the next one has an outcome of its own.
fn lease(target: &Target, holder: Option<&str>, acquired: Timestamp, seen: Option<&Lease>) -> Value {
    let kept = seen.map_or("", |seen| seen.metadata.annotation(OUTCOME_ANNOTATION));
    let version = seen.map_or("", |seen| seen.metadata.resource_version.as_str());
    let (name, acquired) = (lease_name(target), acquired.to_string());
    let fields = [
        ("/metadata/name", name.as_str()),
        ("/metadata/namespace", target.namespace.as_str()),
        ("/metadata/labels/crossview-headlamp~1release", target.release.as_str()),
        ("/metadata/annotations/crossview-headlamp~1outcome", kept),
        ("/metadata/resourceVersion", version),
        ("/spec/holderIdentity", holder.unwrap_or_default()),
        ("/spec/acquireTime", &acquired),
    ];
    let mut lease = manifest(include_str!("manifests/lease.json"), &fields);
    // A free Lease has no holder at all: an empty one is refused by the API server.
    if holder.is_none() {
        lease["spec"].as_object_mut().and_then(|spec| spec.remove("holderIdentity"));
    }
    lease
}

/// Takes the lock for the Job `job`: whoever asks second gets 409.
#[must_use]
pub fn acquire(target: &Target, snapshot: &Snapshot, job: &str) -> Request {
    let namespace = Some(target.namespace.as_str());
    let seen = snapshot.lease.one().present();
    let body = lease(target, Some(job), snapshot.now, seen);
    match seen {
        Some(_) => Request::replace(kinds::LEASE.object(namespace, &lease_name(target)), body),
        None => Request::create(kinds::LEASE.collection(namespace), body),
    }
}

/// Gives the lock back and keeps `outcome`; `held` is the Lease as it was last read.
#[must_use]
pub fn release(target: &Target, held: &Lease, outcome: Option<&Outcome>) -> Request {
    let mut body = lease(target, None, held.spec.acquire_time.unwrap_or_default(), Some(held));
    if let Some(outcome) = outcome {
        body["metadata"]["annotations"][OUTCOME_ANNOTATION] = Value::from(outcome.to_json().to_string());
    }
    Request::replace(kinds::LEASE.object(Some(target.namespace.as_str()), &lease_name(target)), body)
}

/// The Job that an operation runs in, if the snapshot has it.
#[must_use]
pub fn holder<'a>(snapshot: &'a Snapshot, lock: &Lock) -> Option<&'a Job> {
    match lock {
        Lock::Held { job } => snapshot.jobs.named(job).present(),
        Lock::Free | Lock::Taken { .. } | Lock::Unknown => None,
    }
}
