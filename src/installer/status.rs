//! What the page shows, as values: everything that is drawn or offered follows from one [`Status`].

use std::time::Duration;

use super::{
    Target,
    facts::{EventLine, Leftovers, PodLine},
    lock::{Outcome, OutcomeResult},
    manager::Manager,
    snapshot::{Permission, Seen},
};
use crate::{
    cluster::{ApiError, Timestamp},
    helm::{
        command::Operation,
        diagnosis::{Cause, Diagnosis, diagnose},
        release::{History, ReleaseStatus, Revision},
        repository::Versions,
    },
};

/// All that is to be said of one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// What it is about.
    pub target: Target,
    /// Why nothing new comes from the cluster; what is shown is then what was last known.
    pub lost: Option<ApiError>,
    /// Where Crossview is in its life.
    pub phase: Phase,
    /// Crossview's Deployment.
    pub app: Seen<App>,
    /// The newest revision of the release: its number and Helm's word for its state.
    pub revision: Seen<Revision>,
    /// What looks after Crossview in the page's stead: changes are its business then.
    pub manager: Option<Manager>,
    /// Crossview's pods, by name.
    pub pods: Vec<PodLine>,
    /// The newest warnings about the release and our Jobs, ten at most.
    pub events: Vec<EventLine>,
    /// What operations have left standing.
    pub leftovers: Leftovers,
    /// All revisions that Helm keeps.
    pub history: Seen<History>,
    /// The charts of revisions, by their numbers, as far as they are known: `crossview-4.6.0`.
    pub charts: Vec<(u32, String)>,
    /// What the last Update Helm Repo found.
    pub versions: Option<Versions>,
    /// The operation that is under way, of this browser or of another.
    pub operating: Option<Operating>,
    /// How the last operation ended.
    pub last: Option<Outcome>,
    /// What has to be said first.
    pub notices: Vec<Notice>,
    /// Whether Install can be clicked.
    pub install: Offer,
    /// Whether Update can be clicked.
    pub update: Offer,
    /// Whether Uninstall can be clicked.
    pub uninstall: Offer,
    /// Whether the namespace may be removed, as far as the page sees by itself: nothing is installed in it and nothing
    /// runs. Whether it holds anything else is told by `Session::foreign`.
    pub remove_namespace: Offer,
    /// Whether Roll back can be clicked; where to is in [`Status::history`].
    pub rollback: Offer,
    /// Whether Update Helm Repo can be clicked, for a chart of a repository.
    pub update_repo: Offer,
    /// The pending revision that can be forgotten, by its number; see [`History::forgettable`].
    pub forget: Option<u32>,
    /// Who the cluster says the user is; empty while unknown.
    pub user: String,
    /// The API server's clock at this status.
    pub now: Timestamp,
}

impl Status {
    /// All that is wrong now, the gravest first: each with its cause, the next step, lines to copy, and the cluster's
    /// or Helm's own words.
    #[must_use]
    pub fn diagnoses(&self) -> Vec<Diagnosis> {
        let mut found: Vec<Diagnosis> = Vec::new();
        let mut add = |cause, line: &str| {
            if !found.iter().any(|known| known.cause == cause) {
                found.push(Diagnosis { cause, line: line.to_owned() });
            }
        };
        if let Some(trouble) = self.operating.as_ref().and_then(|operating| operating.trouble.as_ref()) {
            add(trouble.cause(Whose::Helm), &trouble.message);
        }
        if self.phase == Phase::Terminating {
            add(Cause::NamespaceTerminating, "");
        }
        let ended = self.last.as_ref().filter(|_| self.operating.is_none());
        if let Some(failed) = ended.filter(|last| last.result == OutcomeResult::Failed) {
            let failed = failed.diagnosis();
            add(failed.cause, &failed.line);
        }
        if let Seen::Present(App { trouble: Some(trouble), .. }) = &self.app {
            add(trouble.cause(Whose::App), &trouble.message);
        }
        match &self.phase {
            Phase::ScaledToZero => add(Cause::ScaledToZero, ""),
            Phase::Elsewhere { .. } => add(Cause::OtherRelease, ""),
            Phase::Stuck(state) if state.is_under_way() => add(Cause::InProgress, state.as_str()),
            _ => {}
        }
        if let Some(other) =
            ended.filter(|last| matches!(last.result, OutcomeResult::Cancelled | OutcomeResult::Unseen))
        {
            let other = other.diagnosis();
            add(other.cause, &other.line);
        }
        if self.notices.iter().any(|notice| matches!(notice, Notice::LeftoverBinding { .. })) {
            add(Cause::LeftoverBinding, "");
        }
        if self.manager.is_some() {
            add(Cause::Managed, "");
        }
        found
    }

    /// The chart of a revision, such as `crossview-4.6.0`, where it is known.
    #[must_use]
    pub fn chart_of(&self, revision: u32) -> Option<&str> {
        self.charts.iter().find(|(number, _)| *number == revision).map(|(_, chart)| chart.as_str())
    }
}

/// Where Crossview is in its life.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// The first answers are still to come.
    Reading,
    /// It can't be told whether Crossview is here; the answer says why.
    Unknown(ApiError),
    /// Neither a Deployment nor a release.
    NotInstalled,
    /// Not here, but in another namespace, or in this one under another release name.
    Elsewhere {
        /// The namespace.
        namespace: String,
        /// The Helm release, where the labels tell.
        release: String,
    },
    /// Installed; its pods are on their way.
    Starting,
    /// Installed and ready.
    Ready,
    /// Installed, but it can't become ready as things are; [`App::trouble`] tells why.
    Unwell,
    /// Installed, with no pods wanted.
    ScaledToZero,
    /// Helm was interrupted or failed, and nothing runs that would mend it.
    Stuck(ReleaseStatus),
    /// The namespace is being deleted.
    Terminating,
}

/// Crossview's Deployment in a few words.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct App {
    /// `helm.sh/chart`, such as `crossview-4.6.0`; empty where the label isn't set.
    pub chart: String,
    /// `app.kubernetes.io/version`; empty where the label isn't set.
    pub version: String,
    /// Pods that take traffic.
    pub ready: i32,
    /// Pods that are wanted.
    pub desired: i32,
    /// Whether the Deployment's controller has seen what is wanted now; the other numbers may be older if not.
    pub observed: bool,
    /// Pods of the newest template.
    pub updated: i32,
    /// Pods that are ready and have been for long enough.
    pub available: i32,
    /// What its controller says of the rollout; empty before it has begun.
    pub progressing: String,
    /// A ready pod, to forward a port to.
    pub pod: Option<String>,
    /// What keeps its pods from becoming ready.
    pub trouble: Option<PodTrouble>,
}

/// Why a pod doesn't get on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodTrouble {
    /// The pod.
    pub pod: String,
    /// What it is.
    pub kind: TroubleKind,
    /// The cluster's own words.
    pub message: String,
    /// The container that has it; empty where it is the pod's.
    pub container: String,
    /// How often that container has ended: each end has a log of its own.
    pub ends: i32,
    /// The last of its ends is that of the container before the one that is there now.
    pub previous: bool,
    /// The last lines that it printed before it ended, where it ended and they could be read.
    pub log: Vec<String>,
}

/// The kinds of trouble that the kubelet and the scheduler report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleKind {
    /// The image can't be had.
    ImagePull,
    /// The program ends again and again.
    CrashLoop,
    /// It took more memory than it may.
    OutOfMemory,
    /// No node takes it.
    Unschedulable,
    /// The kubelet can't make its container: a Secret or ConfigMap is missing, or a security rule forbids it.
    CantCreate,
    /// The node has thrown it out.
    Evicted,
    /// No pod could be made: quota or admission.
    NoPod,
    /// The rollout took longer than its deadline.
    Deadline,
}

/// Whose pod it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Helm's, of a Job.
    Helm,
    /// Crossview's.
    App,
}

impl PodTrouble {
    /// A trouble of `pod`; of no pod in particular where that is empty.
    #[must_use]
    pub fn new(pod: &str, kind: TroubleKind, message: &str) -> Self {
        let (pod, message) = (pod.to_owned(), message.to_owned());
        Self { pod, kind, message, container: String::new(), ends: 0, previous: false, log: Vec::new() }
    }

    /// Whether its container has printed something that says more.
    #[must_use]
    pub fn has_log(&self) -> bool {
        matches!(self.kind, TroubleKind::CrashLoop | TroubleKind::OutOfMemory) && !self.container.is_empty()
    }

    /// What it means for whoever looks at it.
    #[must_use]
    pub fn cause(&self, whose: Whose) -> Cause {
        let is_app = whose == Whose::App;
        match self.kind {
            TroubleKind::ImagePull if is_app => Cause::AppImage,
            TroubleKind::ImagePull => Cause::HelmImage,
            TroubleKind::CrashLoop => Cause::AppCrash,
            TroubleKind::OutOfMemory if is_app => Cause::AppOutOfMemory,
            TroubleKind::Evicted if is_app => Cause::AppEvicted,
            TroubleKind::OutOfMemory | TroubleKind::Evicted => Cause::PodKilled,
            TroubleKind::Unschedulable => Cause::Unschedulable,
            TroubleKind::CantCreate => Cause::CantCreate,
            TroubleKind::NoPod => match diagnose(&self.message).cause {
                found @ (Cause::Quota | Cause::PodSecurity | Cause::Admission | Cause::NamespaceTerminating) => found,
                _ => Cause::NoPod,
            },
            TroubleKind::Deadline => Cause::AppNotReady,
        }
    }
}

/// An operation that is under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Operating {
    /// The Job.
    pub job: String,
    /// What it does; `None` where the Job can't be read.
    pub operation: Option<Operation>,
    /// Chart and version, as asked for.
    pub chart: String,
    /// Who asked; empty while unknown.
    pub user: String,
    /// How far it is.
    pub stage: Stage,
    /// When it was begun, by the API server's clock.
    pub begun: Option<Timestamp>,
    /// What holds it up.
    pub trouble: Option<PodTrouble>,
    /// The pod whose log is Helm's, once it has one to read.
    pub pod: Option<String>,
    /// Whether somebody has cancelled it: its Job is being deleted.
    pub cancelled: bool,
}

/// What a release is like when an operation on it has been cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCancel {
    /// As it was: Helm has not begun, or changes nothing.
    Unchanged,
    /// `failed`: Helm is told to stop and writes that down; what it has made by then stays. As it was where it had not
    /// come to changing anything.
    Failed,
    /// `pending-rollback`: Helm ends on the spot and writes nothing down. It can be rolled back again.
    PendingRollback,
    /// `uninstalling`: Helm ends on the spot and writes nothing down. It can be uninstalled again.
    Uninstalling,
}

impl Operating {
    /// What the release will be like if this is cancelled now. Helm listens to SIGTERM in `install` and `upgrade`
    /// alone: <https://github.com/helm/helm/blob/main/pkg/cmd/upgrade.go>.
    #[must_use]
    pub fn after_cancel(&self) -> AfterCancel {
        match self.operation {
            _ if self.stage < Stage::Helm => AfterCancel::Unchanged,
            Some(Operation::Install | Operation::Update) | None => AfterCancel::Failed,
            Some(Operation::Rollback) => AfterCancel::PendingRollback,
            Some(Operation::Uninstall) => AfterCancel::Uninstalling,
            Some(Operation::UpdateRepo) => AfterCancel::Unchanged,
        }
    }
}

/// How far an operation is, in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its objects and rights are being made.
    Preparing,
    /// Its pod waits for a node, or for Helm's image.
    Pod,
    /// Helm runs.
    Helm,
    /// Helm has ended; its rights are being taken away.
    CleaningUp,
    /// Crossview's pods are on their way.
    Starting,
}

/// Something that has to be said first.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// Helm's rights stand although nothing needs them.
    LeftoverBinding {
        /// The Job that they were for.
        job: String,
        /// For how long.
        age: Duration,
    },
    /// An operation was prepared, and the page that should have let it go is gone.
    Held {
        /// The Job.
        job: String,
        /// For how long.
        age: Duration,
    },
    /// Anyone who reaches Crossview reads the whole cluster.
    Exposed(Exposure),
    /// Something can't be seen; the words are the cluster's.
    Unseen {
        /// What.
        what: &'static str,
        /// Why.
        error: ApiError,
    },
    /// An operation would be refused.
    Refused {
        /// What is missing.
        permission: Permission,
        /// The cluster's words.
        message: String,
    },
}

/// What exposes Crossview beyond the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exposure {
    /// An Ingress of this name.
    Ingress(String),
    /// A Service of type LoadBalancer of this name.
    LoadBalancer(String),
}

/// Whether an action can be clicked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// It can.
    Offered,
    /// It can't, for this reason.
    Withheld(Withheld),
}

impl Offer {
    /// Whether it can be clicked.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        *self == Self::Offered
    }
}

/// Why an action can't be clicked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withheld {
    /// Not known enough yet.
    Reading,
    /// [`Status::manager`] looks after it, and would undo it.
    Managed,
    /// An operation is under way.
    Busy,
    /// The cluster has said that the user may not.
    Refused(Permission),
    /// There is nothing to act on, or it is there already.
    NotApplicable,
}
