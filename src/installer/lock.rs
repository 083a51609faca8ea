//! The lock: one operation at a time on a release, decided by the API server.
//!
//! A Lease is taken by POST (409: taken) or by PUT with the resource version that was read (409: lost), never by
//! apply, so of two clicks in two browsers one makes a Job. Its holder is the Job's name: the lock is held while that
//! Job exists and isn't finished. The Lease also keeps the last outcome when the Job is gone.
//! <https://kubernetes.io/docs/concepts/architecture/leases/>

use std::time::Duration;

use serde_json::Value;

use super::{
    Target,
    manifests::{JobSpec, OUTCOME_ANNOTATION, USER_ANNOTATION, kinds, lease_name, manifest},
    objects::{Job, Lease},
    snapshot::{Seen, Snapshot},
};
use crate::{
    cluster::{Narrow, Request, Timestamp, json},
    helm::{
        diagnosis::{Cause, Diagnosis, diagnose},
        release::Revision,
    },
};

/// A holder whose Job isn't there may be replaced after this long: its page has died between Lease and Job.
pub const GRACE: Duration = Duration::from_secs(60);

/// How far two times of one server may differ for being rounded.
const CLOCK: Duration = Duration::from_secs(2);

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
    /// The revision that came of it; 0 where none did, or where Helm's Secrets can't be seen.
    pub revision: u32,
    /// Helm's word for that revision's state; empty where there is none.
    pub status: String,
    /// Why it did not go through; `None` where it did, or where nobody saw.
    pub cause: Option<Cause>,
    /// Helm's last words where it failed: the line that matters first.
    pub message: String,
    /// When, RFC 3339.
    pub at: String,
    /// The charts of the release's revisions, as far as they were seen: the uid of Helm's record and, as in
    /// `helm.sh/chart`, the chart. By uid, since an uninstall makes the numbers start anew.
    pub charts: Vec<(String, String)>,
}

/// How many revisions' charts are kept: Helm keeps ten revisions.
const MOST_CHARTS: usize = 10;

/// The ways an operation can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeResult {
    /// Helm went through.
    Succeeded,
    /// Helm, its pod or its Job failed.
    Failed,
    /// Somebody ended it: the Job was deleted while it ran.
    Cancelled,
    /// The Job is gone, and no page saw how it ended; what Helm's Secrets show stands in [`Outcome::status`].
    Unseen,
}

impl OutcomeResult {
    const ALL: [Self; 4] = [Self::Succeeded, Self::Failed, Self::Cancelled, Self::Unseen];

    /// Its word in a Lease.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Unseen => "unseen",
        }
    }
}

impl Outcome {
    /// Reads the outcome that a Lease keeps.
    #[must_use]
    pub fn of(lease: &Lease) -> Option<Self> {
        let kept: Value = json::read(lease.metadata.annotation(OUTCOME_ANNOTATION))?;
        let text = |key| String::read(&kept[key]);
        Some(Self {
            operation: text("operation"),
            job: text("job"),
            chart: text("chart"),
            user: text("user"),
            result: OutcomeResult::ALL.into_iter().find(|result| kept["result"] == result.as_str())?,
            revision: i64::read(&kept["revision"]).try_into().unwrap_or_default(),
            status: text("status"),
            cause: Cause::titled(&text("cause")),
            message: text("message"),
            at: text("at"),
            charts: kept["charts"]
                .as_object()
                .into_iter()
                .flatten()
                .filter_map(|(uid, chart)| Some((uid.clone(), chart.as_str()?.to_owned())))
                .collect(),
        })
    }

    /// What a Lease keeps of it; [`Outcome::of`] reads it back.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let charts = self.charts.iter().map(|(uid, chart)| (uid.clone(), Value::from(chart.as_str())));
        json::object([
            ("operation", self.operation.as_str().into()),
            ("job", self.job.as_str().into()),
            ("chart", self.chart.as_str().into()),
            ("user", self.user.as_str().into()),
            ("result", self.result.as_str().into()),
            ("revision", self.revision.into()),
            ("status", self.status.as_str().into()),
            ("cause", self.cause.map_or(Value::Null, |cause| cause.words().title.into())),
            ("message", self.message.as_str().into()),
            ("at", self.at.as_str().into()),
            ("charts", Value::Object(charts.collect())),
        ])
    }

    /// The same with what an earlier outcome knew of charts; the newest are kept.
    #[must_use]
    pub fn after(mut self, earlier: Option<Self>) -> Self {
        let known = earlier.map(|earlier| earlier.charts).unwrap_or_default();
        let older = known.into_iter().filter(|(uid, _)| self.charts.iter().all(|(newer, _)| newer != uid));
        let mut charts: Vec<_> = older.chain(self.charts.iter().cloned()).collect();
        let surplus = charts.len().saturating_sub(MOST_CHARTS);
        charts.drain(..surplus);
        self.charts = charts;
        self
    }

    /// What went wrong, with the line that says it.
    #[must_use]
    pub fn diagnosis(&self) -> Diagnosis {
        let found = diagnose(&self.message);
        Diagnosis { cause: self.cause.unwrap_or(found.cause), ..found }
    }

    /// Notes the state that Helm's newest record shows; the revision counts where it was made since `begun`.
    pub fn set_revision(&mut self, current: &Revision, begun: Option<Timestamp>) {
        // A creation time has whole seconds, and so has the header that `begun` was read from.
        if begun.is_none_or(|begun| current.created_at.after(CLOCK) >= begun) {
            self.revision = current.number;
        }
        current.status.as_str().clone_into(&mut self.status);
    }

    /// When it ended.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(&self.at)
    }
}

/// Who asked for the operation that has the lock, by the cluster's own word; empty where nobody has it.
#[must_use]
pub fn asker(snapshot: &Snapshot) -> String {
    snapshot.lease.one().present().map_or("", |lease| lease.metadata.annotation(USER_ANNOTATION)).to_owned()
}

/// A Lease as it is sent, held by `holder` or free; `seen` is the one that it takes the place of. What the last
/// operation left stays readable until the next one has an outcome of its own.
fn lease(target: &Target, holder: Option<&JobSpec>, acquired: Timestamp, seen: Option<&Lease>) -> Value {
    let kept = seen.map_or("", |seen| seen.metadata.annotation(OUTCOME_ANNOTATION));
    let version = seen.map_or("", |seen| seen.metadata.resource_version.as_str());
    let (name, acquired) = (lease_name(target), acquired.to_string());
    let fields = [
        ("/metadata/name", name.as_str()),
        ("/metadata/namespace", target.namespace.as_str()),
        ("/metadata/labels/crossview-headlamp~1release", target.release.as_str()),
        ("/metadata/annotations/crossview-headlamp~1outcome", kept),
        ("/metadata/resourceVersion", version),
        ("/metadata/annotations/crossview-headlamp~1chart", holder.map_or("", |job| &job.chart)),
        ("/metadata/annotations/crossview-headlamp~1user", holder.map_or("", |job| &job.user)),
        ("/spec/holderIdentity", holder.map_or("", |job| &job.name)),
        ("/spec/acquireTime", &acquired),
    ];
    let mut lease = manifest(include_str!("manifests/lease.json"), &fields);
    // A free Lease has no holder at all: an empty one is refused by the API server.
    if holder.is_none() {
        lease["spec"].as_object_mut().and_then(|spec| spec.remove("holderIdentity"));
    }
    lease
}

/// Takes the lock for `job`, and says on it whose it is: whoever asks second gets 409.
#[must_use]
pub fn acquire(target: &Target, snapshot: &Snapshot, job: &JobSpec) -> Request {
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
        body["metadata"]["annotations"][OUTCOME_ANNOTATION] = Value::from(json::write(&outcome.to_json()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn outcome(charts: &[(&str, &str)]) -> Outcome {
        Outcome {
            operation: "update".to_owned(),
            job: "crossview-helm-update-1".to_owned(),
            chart: "oci://a/b:1.0.0".to_owned(),
            user: "jane".to_owned(),
            result: OutcomeResult::Succeeded,
            revision: 2,
            status: "deployed".to_owned(),
            cause: None,
            message: String::new(),
            at: "2026-11-23T01:02:03.000000Z".to_owned(),
            charts: charts.iter().map(|(uid, chart)| ((*uid).to_owned(), (*chart).to_owned())).collect(),
        }
    }

    #[test]
    fn a_kept_outcome_reads_as_itself() {
        let kept = outcome(&[("u1", "crossview-4.6.0"), ("u2", "crossview-4.7.0-rc.3")]);
        let lease =
            Lease::read(&json!({"metadata": {"annotations": {OUTCOME_ANNOTATION: kept.to_json().to_string()}}}));

        assert_eq!(Outcome::of(&lease), Some(kept));
    }

    #[test]
    fn charts_of_earlier_revisions_are_kept_the_newest_ten_and_each_once() {
        let numbers: Vec<String> = (0..12).map(|number| format!("u{number}")).collect();
        let mut last = None;
        for uid in &numbers {
            last = Some(outcome(&[(uid, "crossview-4.6.0")]).after(last));
        }

        let charts = outcome(&[("u5", "crossview-4.7.0-rc.3")]).after(last).charts;

        assert_eq!(charts.len(), MOST_CHARTS);
        assert_eq!(charts.last().unwrap(), &("u5".to_owned(), "crossview-4.7.0-rc.3".to_owned()));
        assert_eq!(charts.iter().filter(|(uid, _)| uid == "u5").count(), 1);
    }

    #[test]
    fn a_held_lock_names_who_has_it_and_a_free_one_nobody() {
        let snapshot = Snapshot { now: Timestamp::from_millis(1_795_395_723_000), ..Snapshot::default() };
        let user = |request: &Request| {
            request.body().unwrap()["metadata"]["annotations"]["crossview-headlamp/user"].as_str().map(str::to_owned)
        };

        let command = crate::helm::command::Command::Uninstall;
        let target = Target::default();
        let job = JobSpec {
            name: "job".to_owned(),
            operation: command.operation(),
            invocation: command.invocation(&target.namespace, &target.release),
            has_values: false,
            chart: String::new(),
            user: "jane".to_owned(),
            source: command.source(),
            settings: super::super::JobSettings::default(),
        };

        let taken = acquire(&target, &snapshot, &job);
        let freed = release(&Target::default(), &Lease::default(), None);

        assert_eq!(user(&taken).as_deref(), Some("jane"));
        assert_eq!(user(&freed).as_deref(), Some(""));
        assert_eq!(freed.body().unwrap()["spec"].get("holderIdentity"), None);
    }
}
