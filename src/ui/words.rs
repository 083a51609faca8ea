//! The page's words, all in one place: a state, a refusal or an error becomes what people read here and nowhere else.

use std::time::Duration;

use crate::{
    cluster::ApiError,
    helm::{command::Operation, release::ReleaseStatus},
    installer::{
        Exposure, Notice, Operating, Permission, Phase, PodTrouble, Refusal, Stage, Status, StepName, TroubleKind,
        driver::StartError,
    },
};

/// How something is to be taken; the style sheet has a colour for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// On its way.
    Busy,
    /// Neither good nor bad.
    Plain,
    /// Something to think of.
    Warn,
    /// Something is broken.
    Bad,
}

impl Tone {
    /// The value of `data-tone`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Plain => "plain",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// A title and what is to be said below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// How it is to be taken.
    pub tone: Tone,
    /// A few words.
    pub title: String,
    /// A sentence or two: cause and next step.
    pub text: String,
}

impl Words {
    /// Nothing to be said.
    #[must_use]
    pub const fn none() -> Self {
        Self { tone: Tone::Plain, title: String::new(), text: String::new() }
    }
}

fn words(tone: Tone, title: &str, text: &str) -> Words {
    Words { tone, title: title.to_owned(), text: text.to_owned() }
}

/// The state of Crossview.
#[must_use]
pub fn of_phase(status: &Status) -> Words {
    match &status.phase {
        Phase::Reading => words(Tone::Busy, "Reading the cluster", ""),
        Phase::Unknown(error @ ApiError::Unreachable { .. }) => {
            Words { tone: Tone::Bad, title: "The cluster can't be reached".to_owned(), text: of_error(error) }
        }
        Phase::Unknown(error) => Words {
            tone: Tone::Bad,
            title: "It can't be told whether Crossview is installed".to_owned(),
            text: of_error(error),
        },
        Phase::NotInstalled => words(Tone::Plain, "Not installed", ""),
        Phase::Elsewhere { namespace, release } => Words {
            tone: Tone::Warn,
            title: format!("Crossview is installed in the namespace {namespace}"),
            text: format!(
                "Its Helm release is {release}. A second Crossview would clash with its cluster-wide objects."
            ),
        },
        Phase::Starting => words(Tone::Busy, "Crossview is starting", "Its pods are not ready yet."),
        Phase::Ready => words(Tone::Good, "Crossview is ready", ""),
        Phase::Unwell => words(Tone::Bad, "Crossview can't start", ""),
        Phase::ScaledToZero => words(
            Tone::Warn,
            "Crossview is scaled to zero",
            "No pod is wanted. To start it, scale its Deployment up again.",
        ),
        Phase::Stuck(state) => of_stuck(state),
        Phase::Terminating => {
            words(Tone::Warn, "The namespace is being deleted", "Crossview can be installed again when it is gone.")
        }
    }
}

fn of_stuck(state: &ReleaseStatus) -> Words {
    let (title, text) = match state {
        ReleaseStatus::Failed => {
            ("Helm's last operation failed", "Install or update it again, or uninstall what is left of it.")
        }
        ReleaseStatus::PendingInstall => {
            ("An installation was interrupted", "Helm holds the release until it is uninstalled.")
        }
        ReleaseStatus::PendingUpgrade => (
            "An update was interrupted",
            "Helm refuses further updates until the release is rolled back or uninstalled.",
        ),
        ReleaseStatus::PendingRollback => (
            "A rollback was interrupted",
            "Helm refuses further updates until the release is rolled back or uninstalled.",
        ),
        ReleaseStatus::Uninstalling => ("An uninstall was interrupted", "Uninstall it again to take away the rest."),
        _ => ("The release is in an unusual state", "Look at Helm's history of the release before you change it."),
    };
    words(Tone::Warn, title, text)
}

/// What happened on the way to the cluster, with the next step.
#[must_use]
pub fn of_error(error: &ApiError) -> String {
    match error {
        ApiError::Unreachable { reason } => format!("The cluster can't be reached: {reason}. The page goes on trying."),
        ApiError::Unauthorized { .. } => "Your session has ended. Sign in to the cluster again.".to_owned(),
        ApiError::Forbidden { message } => {
            format!("The cluster refuses: {message}. Ask an administrator of the cluster for this permission.")
        }
        ApiError::NotFound { message } => format!("It isn't there: {message}."),
        ApiError::Conflict { message } => format!("It has changed meanwhile: {message}. Look at it and try again."),
        ApiError::Gone => "The cluster has forgotten what was asked for; the page reads it again.".to_owned(),
        ApiError::Invalid { message } => format!("The cluster can't accept this: {message}."),
        ApiError::Busy { message, .. } => format!("The cluster is busy: {message}. The page tries again."),
        ApiError::Unreadable { reason } => format!("The cluster's answer can't be read: {reason}."),
        ApiError::Other { status, message } => format!("The cluster answered HTTP {status}: {message}."),
    }
}

/// Why an operation did not begin.
#[must_use]
pub fn of_start_error(error: &StartError) -> Words {
    match error {
        StartError::Busy { job } => Words {
            tone: Tone::Warn,
            title: "Somebody else was faster".to_owned(),
            text: format!("The operation {job} is under way; it is shown here as soon as the cluster tells of it."),
        },
        StartError::Step { step, error } => Words {
            tone: Tone::Bad,
            title: format!("{} could not be made", of_step(*step)),
            text: format!("{} What had been made for the operation was taken away again.", of_error(error)),
        },
    }
}

/// Why there is no plan.
#[must_use]
pub fn of_refusal(refusal: &Refusal) -> Words {
    match refusal {
        Refusal::Busy { job } => Words {
            tone: Tone::Warn,
            title: "Another operation is under way".to_owned(),
            text: format!("It runs as the Job {job}."),
        },
        Refusal::NamespaceTerminating { namespace } => Words {
            tone: Tone::Warn,
            title: "The namespace is being deleted".to_owned(),
            text: format!("Nothing can be made in {namespace} until it is gone."),
        },
        Refusal::NotReady => words(Tone::Warn, "The cluster has not answered yet", "Try again in a moment."),
    }
}

fn of_step(step: StepName) -> &'static str {
    match step {
        StepName::Namespace => "The namespace",
        StepName::ServiceAccount => "Helm's ServiceAccount",
        StepName::Lease => "The lock",
        StepName::Job => "Helm's Job",
        StepName::Values => "The values file",
        StepName::Binding => "The binding of Helm's rights",
        StepName::Start => "The start of Helm's Job",
    }
}

/// An operation's name as a title.
#[must_use]
pub const fn of_operation(operation: Option<Operation>) -> &'static str {
    match operation {
        Some(Operation::Install) => "Installing Crossview",
        Some(Operation::Update) => "Updating Crossview",
        Some(Operation::Rollback) => "Rolling Crossview back",
        Some(Operation::Uninstall) => "Uninstalling Crossview",
        Some(Operation::UpdateRepo) => "Reading the chart repository",
        None => "An operation is under way",
    }
}

/// The stages of an operation in the order in which they come.
#[must_use]
pub fn stages(operation: Option<Operation>) -> &'static [(Stage, &'static str)] {
    const ALL: [(Stage, &str); 5] = [
        (Stage::Preparing, "Preparing rights"),
        (Stage::Pod, "Waiting for the Job's pod"),
        (Stage::Helm, "Helm runs"),
        (Stage::CleaningUp, "Cleaning up: Helm's rights are taken away"),
        (Stage::Starting, "Crossview becomes ready"),
    ];
    match operation {
        Some(Operation::Uninstall | Operation::UpdateRepo) => ALL.split_last().map_or(&[], |(_, rest)| rest),
        _ => &ALL,
    }
}

/// Who asked for an operation, where it was somebody else.
#[must_use]
pub fn of_asker(operating: &Operating, me: &str) -> Option<String> {
    let other = !operating.user.is_empty() && operating.user != me;
    other.then(|| format!("Asked for by {}.", operating.user))
}

/// Why a pod doesn't get on: of Crossview, or of Helm's Job.
#[must_use]
pub fn of_trouble(trouble: &PodTrouble) -> Words {
    let (title, text) = match trouble.kind {
        TroubleKind::ImagePull => {
            ("An image can't be pulled", "Check the image's name and tag, and whether the node reaches its registry.")
        }
        TroubleKind::CrashLoop => (
            "The program ends right after its start",
            "Its last words below say why; the kubelet tries again with growing pauses.",
        ),
        TroubleKind::OutOfMemory => ("It ran out of memory", "Raise its memory limit."),
        TroubleKind::Unschedulable => ("No node takes its pod", "The scheduler says below what is missing."),
        TroubleKind::CantCreate => {
            ("Its container can't be made", "The kubelet says below what is missing or forbidden.")
        }
        TroubleKind::Evicted => ("Its node has thrown it out", "The node was short of memory or disk."),
        TroubleKind::NoPod => ("Its pod is refused", "A quota or an admission rule of the namespace forbids it."),
        TroubleKind::Deadline => ("The rollout takes too long", "Look at the pods and their events."),
    };
    words(Tone::Bad, title, text)
}

/// What has to be said first, in a card of its own.
#[must_use]
pub fn of_notice(notice: &Notice) -> Option<Words> {
    let words = match notice {
        Notice::LeftoverBinding { age, job } => Words {
            tone: Tone::Bad,
            title: "Helm's ServiceAccount still has cluster-admin".to_owned(),
            text: format!(
                "The binding that was made {} stands although no operation needs it{}. Whoever can start a pod in the namespace can use it.",
                of_age(*age),
                if job.is_empty() { String::new() } else { format!(" (it was for {job})") },
            ),
        },
        Notice::Held { job, age } => Words {
            tone: Tone::Warn,
            title: "An operation is held back".to_owned(),
            text: format!("{job} was prepared {}, and the page that should have started it is gone.", of_age(*age)),
        },
        Notice::Exposed(exposure) => Words {
            tone: Tone::Warn,
            title: "Crossview is reachable from outside and asks nobody to sign in".to_owned(),
            text: format!(
                "{} leads to it, and its authentication is off: whoever reaches it reads everything in this cluster, Secrets too.",
                match exposure {
                    Exposure::Ingress(name) => format!("The Ingress {name}"),
                    Exposure::LoadBalancer(name) => format!("The LoadBalancer Service {name}"),
                }
            ),
        },
        Notice::Unseen { .. } | Notice::Refused { .. } => return None,
    };
    Some(words)
}

/// What stands above the kinds that may not be seen.
#[must_use]
pub fn unseen_title() -> Words {
    words(
        Tone::Warn,
        "You may not see everything here",
        "What rests on the rest is right; ask an administrator of the cluster to let you list and watch what is missing.",
    )
}

/// A kind that may not be seen, and what can't be told for that.
#[must_use]
pub fn of_unseen(notice: &Notice) -> Option<String> {
    let Notice::Unseen { what, error } = notice else { return None };
    let missing = of_missing(what);
    Some(format!("{what}: {missing} {error}"))
}

/// What stands above the permissions that are missing.
#[must_use]
pub fn refused_title() -> Words {
    words(
        Tone::Warn,
        "You may not install, update or uninstall Crossview",
        "Ask an administrator of the cluster for the permissions below, or to do it for you.",
    )
}

/// A permission that is missing.
#[must_use]
pub fn of_refused(notice: &Notice) -> Option<String> {
    let Notice::Refused { permission, message } = notice else { return None };
    Some(format!("{}: {message}", capitalised(of_permission(*permission))))
}

/// `text` with its first letter in capitals, and a full stop at its end: an error as a sentence of its own.
#[must_use]
pub fn sentence(text: &str) -> String {
    let stop = if text.ends_with(['.', '!', '?', '"']) { "" } else { "." };
    [&capitalised(text), stop].concat()
}

/// ASCII alone, since the words are ours: the tables for all of Unicode weigh 4 kB.
fn capitalised(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// What can't be told for want of a kind.
fn of_missing(what: &str) -> &'static str {
    match what {
        "secrets" => "The state of the Helm release is unknown; Crossview itself can still be opened.",
        "namespaces" => "Whether the namespace is there is unknown.",
        "services" => "The ways to Crossview are unknown.",
        "events" => "What the cluster reports of its pods is unknown.",
        "deployments" => "Whether Crossview is installed is unknown.",
        "jobs" | "leases" => "Whether an operation is under way is unknown.",
        "pods" => "How Crossview's pods are is unknown.",
        "clusterrolebindings" => "Whether Helm still has rights is unknown.",
        _ => "What rests on it is unknown.",
    }
}

/// A permission, to stand after "You may not".
#[must_use]
pub const fn of_permission(permission: Permission) -> &'static str {
    match permission {
        Permission::CreateNamespace => "create the namespace",
        Permission::ManageServiceAccount => "set up Helm's ServiceAccount",
        Permission::ManageLease => "take the lock of the release",
        Permission::CreateJob => "create Jobs",
        Permission::PatchJob => "start Jobs",
        Permission::CreateSecret => "create the Secret of the values",
        Permission::BindClusterAdmin => "give Helm its rights",
        Permission::DeleteBinding => "take Helm's rights away again",
    }
}

/// How long ago: `just now`, `12 s ago`, `3 min ago`, `2 h 05 min ago`.
#[must_use]
pub fn of_age(age: Duration) -> String {
    match age.as_secs() {
        0..5 => "just now".to_owned(),
        seconds @ 5..60 => format!("{seconds} s ago"),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        _ => format!("{} ago", of_duration(age)),
    }
}

/// A length of time: `0:07`, `12:03`, `2 h 05 min`, `3 days`.
#[must_use]
pub fn of_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        3600..172_800 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}
