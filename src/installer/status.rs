//! What the page shows, as values: everything that is drawn or offered follows from one [`Status`].

use std::time::Duration;

use super::{
    lock::Outcome,
    snapshot::{Permission, Seen},
};
use crate::{
    cluster::{ApiError, Timestamp},
    helm::{
        command::Operation,
        release::{ReleaseStatus, Revision},
    },
};

/// All that is to be said of one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Why nothing new comes from the cluster; what is shown is then what was last known.
    pub lost: Option<ApiError>,
    /// Where Crossview is in its life.
    pub phase: Phase,
    /// Crossview's Deployment.
    pub app: Seen<App>,
    /// The newest revision of the release: its number and Helm's word for its state.
    pub revision: Seen<Revision>,
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
    /// Who the cluster says the user is; empty while unknown.
    pub user: String,
    /// The API server's clock at this status.
    pub now: Timestamp,
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
    /// Not here, but in another namespace.
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
    /// An operation is under way.
    Busy,
    /// The cluster has said that the user may not.
    Refused(Permission),
    /// There is nothing to act on, or it is there already.
    NotApplicable,
}
