//! The page's words, all in one place: a state, a refusal or an error becomes what people read here and nowhere else.

use std::time::Duration;

use super::ask::Question;
use crate::{
    cluster::ApiError,
    helm::{chart::ChartRef, command::Operation, release::ReleaseStatus, version::VersionChange},
    host::TunnelState,
    installer::{
        AfterCancel, Exposure, Foreign, ForeignError, ForgetError, Manager, Notice, Operating, Outcome, OutcomeResult,
        Permission, Phase, Refusal, RemoveError, SettingsField, Stage, Status, StepName,
        driver::StartError,
        manifests::{HELM_IMAGE, operation_of},
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
            title: format!("Crossview is installed in the namespace {namespace} as the release {release}"),
            text: "Look after that one: a second Crossview would clash with its cluster-wide objects.".to_owned(),
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
    let (step, error) = match error {
        StartError::Busy { job, user } => return of_busy("Somebody else was faster", job, user),
        StartError::Step { step, error } => (*step, error),
        StartError::Unanswered { error, .. } => (StepName::Start, error),
    };
    Words {
        tone: Tone::Bad,
        title: format!("{} could not be made", of_step(step)),
        text: format!("{} What had been made for the operation is taken away again.", of_error(error)),
    }
}

/// Whose operation is in the way.
fn of_busy(title: &str, job: &str, user: &str) -> Words {
    let user = if user.is_empty() { "Somebody" } else { user };
    let operation = of_operation(operation_of(job));
    let text = format!("{user} asked for it: {operation}, by the Job {job}. It is shown here.");
    words(Tone::Warn, title, &text)
}

/// How an operation ended that neither went through nor failed; `None` for one that did.
#[must_use]
pub fn of_ending(operation: &str, outcome: &Outcome) -> Option<Words> {
    match outcome.result {
        OutcomeResult::Unseen => Some(of_unseen_end(outcome)),
        OutcomeResult::Cancelled => {
            let title = format!("{operation} was ended before Helm was through");
            let state = match outcome.status.as_str() {
                "" => String::new(),
                status => format!(" Helm's record of the release says {status}."),
            };
            Some(Words { tone: Tone::Warn, title, text: format!("Its Job was deleted while it ran.{state}") })
        }
        OutcomeResult::Succeeded | OutcomeResult::Failed => None,
    }
}

/// How an operation ended that nobody saw the end of: what Helm's own record shows.
fn of_unseen_end(outcome: &Outcome) -> Words {
    let operation = of_operation(outcome.operation.parse().ok());
    let number = outcome.revision.to_string();
    let record = match (outcome.status.as_str(), outcome.revision) {
        ("", _) => "Helm keeps no record of the release, or it can't be seen.".to_owned(),
        (status, 0) => format!("Helm's record of the release is older than that; it says {status}."),
        (status, _) => format!("Helm's record has the revision {number} of it: {status}."),
    };
    let text = format!("No page was open when it ended, and its Job is gone, so the reason was not seen. {record}");
    words(Tone::Warn, &format!("{operation}: nobody saw how it ended"), &text)
}

/// Why a revision was not forgotten.
#[must_use]
pub fn of_forget_error(error: &ForgetError) -> String {
    match error {
        ForgetError::Api(error) => of_error(error),
        ForgetError::Busy | ForgetError::NotPending { .. } => sentence(&error.to_string()),
    }
}

/// Why the namespace stays.
#[must_use]
pub fn of_remove_error(error: &RemoveError) -> Words {
    let text = match error {
        RemoveError::Withheld(_) => "Crossview is installed in it, or an operation runs.".to_owned(),
        RemoveError::Foreign(found) => of_foreign(found),
        RemoveError::Unseen(error) => of_foreign_error(error),
        RemoveError::Api(error) => of_error(error),
    };
    words(Tone::Warn, "The namespace stays", &text)
}

/// What would be lost with the namespace: the first of it, and how much more there is.
#[must_use]
pub fn of_foreign(found: &[Foreign]) -> String {
    const SHOWN: usize = 5;
    let mut text = "It holds more than Crossview: ".to_owned();
    for (place, object) in found.iter().take(SHOWN).enumerate() {
        text.push_str(if place == 0 { "" } else { ", " });
        text.push_str(&object.kind);
        text.push(' ');
        text.push_str(&object.name);
    }
    text.push_str(if found.len() > SHOWN { " and more." } else { "." });
    text
}

/// Why it can't be told what the namespace holds.
#[must_use]
pub fn of_foreign_error(error: &ForeignError) -> String {
    let why = of_error(&error.error);
    format!("What it holds can't be told, since {} can't be listed. {why}", error.kind)
}

/// Why there is no plan.
#[must_use]
pub fn of_refusal(refusal: &Refusal) -> Words {
    match refusal {
        Refusal::Busy { job, user } => of_busy("Another operation is under way", job, user),
        Refusal::NamespaceTerminating { namespace } => Words {
            tone: Tone::Warn,
            title: "The namespace is being deleted".to_owned(),
            text: format!("Nothing can be made in {namespace} until it is gone."),
        },
        Refusal::RightsElsewhere { namespace } => Words {
            tone: Tone::Warn,
            title: "Helm's rights are in use".to_owned(),
            text: format!(
                "An operation runs in the namespace {namespace}, or has left them behind there. Wait for its end, or name \
                 that namespace in the settings to see to it."
            ),
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

/// Where Crossview is changed, when something else looks after it.
#[must_use]
pub fn of_manager(manager: &Manager) -> Words {
    let (tool, kind) = (manager.tool.name(), manager.kind.as_str());
    let place =
        if manager.namespace.is_empty() { String::new() } else { format!(" in the namespace {}", manager.namespace) };
    let text = [
        "It belongs to the ",
        kind,
        " ",
        &manager.name,
        &place,
        ". Change it there, or in the Git repository behind it: ",
        tool,
        " would undo what is changed here.",
    ];
    Words { tone: Tone::Plain, title: format!("{tool} looks after this Crossview"), text: text.concat() }
}

/// Who asked for an operation, where it was somebody else.
#[must_use]
pub fn of_asker(operating: &Operating, me: &str) -> Option<String> {
    let other = !operating.user.is_empty() && operating.user != me;
    other.then(|| format!("Asked for by {}.", operating.user))
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
    format!("{}{stop}", capitalised(text))
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
        Permission::GetPortForward | Permission::CreatePortForward => "forward ports to pods",
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

/// What there is to say of the repository that `chart` comes from, if it comes from one.
#[must_use]
pub fn of_repository(chart: Option<&ChartRef>, status: &Status) -> String {
    let Some(reference @ ChartRef::Repository { .. }) = chart else {
        return "Update Helm Repo is not needed for this chart: only a repository has an index, and each operation asks a \
                registry anew."
            .to_owned();
    };
    match status.versions.as_ref().filter(|found| found.are_of(reference)) {
        Some(found) => {
            let count = found.offers.len().to_string();
            format!("{count} versions found {}; the version's field offers them.", of_age(found.at.age(status.now)))
        }
        None => {
            "Finds the versions there are to choose from. Each operation fetches the index anew by itself.".to_owned()
        }
    }
}

/// Above what an operation will send.
pub const PLAN_HINT: &str = "A Job runs Helm with this command. By hand it does the same with your own rights:";

/// What a version would be, measured against the chart that is installed; nothing where it can't be told.
#[must_use]
pub fn of_change(change: VersionChange, installed: &str, wanted: &str) -> Words {
    let (tone, title) = match change {
        VersionChange::Upgrade => (Tone::Plain, format!("An upgrade from {installed} to {wanted}.")),
        VersionChange::Same => (Tone::Warn, format!("{wanted} is installed already: only the values can change.")),
        VersionChange::Downgrade => (
            Tone::Warn,
            format!(
                "A downgrade from {installed} to {wanted}: what a newer version has changed in its database stays."
            ),
        ),
        VersionChange::Unknown => (Tone::Plain, String::new()),
    };
    Words { tone, title, text: String::new() }
}

/// A question with its two answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The question.
    pub title: String,
    /// What the answer means.
    pub text: String,
    /// The answer that does nothing.
    pub no: &'static str,
    /// The answer that does it.
    pub yes: &'static str,
}

/// A question about something that can't be undone by a click.
#[must_use]
pub fn of_question(question: &Question, status: &Status) -> Asked {
    match question {
        Question::RollBack(revision) => Asked {
            title: format!("Roll back to revision {revision}?"),
            text: format!(
                "Helm makes a new revision that is like it: {} with the values that it had, its authentication too.",
                status.chart_of(*revision).unwrap_or("its chart")
            ),
            no: "Keep what is there",
            yes: "Roll back",
        },
        Question::Forget(revision) => Asked {
            title: format!("Forget the pending revision {revision}?"),
            text: "Helm's record of it is deleted, and the release is again what it was before. Objects that the \
                   interrupted operation has changed stay as they are until the next one. Do this only when you know \
                   that no Helm is at work on it anywhere."
                .to_owned(),
            no: "Keep it",
            yes: "Forget it",
        },
        Question::RemoveNamespace => Asked {
            title: format!("Remove the namespace {}?", status.target.namespace),
            text:
                "It holds nothing but what this plugin has made. Everything in it goes, and it can't be brought back."
                    .to_owned(),
            no: "Keep it",
            yes: "Remove it",
        },
        Question::Cancel(_) => {
            let after = status.operating.as_ref().map_or(AfterCancel::Unchanged, Operating::after_cancel);
            Asked {
                title: "Cancel the operation?".to_owned(),
                text: of_after_cancel(after).to_owned(),
                no: "Let it run",
                yes: "Cancel it",
            }
        }
    }
}

/// What the release will be like after a Cancel.
#[must_use]
pub const fn of_after_cancel(after: AfterCancel) -> &'static str {
    match after {
        AfterCancel::Unchanged => {
            "Helm has changed nothing yet: everything stays as it was. Its Job and its rights go."
        }
        AfterCancel::Failed => {
            "Helm is told to stop. What it has made by then stays, and it writes down that the release has failed: update \
             again, roll back or uninstall. If it has made nothing yet, everything stays as it was. Its rights go when \
             its pod has ended."
        }
        AfterCancel::PendingRollback => {
            "Helm stops on the spot, and the release stays in the middle of its rollback. It can be rolled back again. \
             Helm's rights go when its pod has ended."
        }
        AfterCancel::Uninstalling => {
            "Helm stops on the spot, and a part of the release is gone. It can be uninstalled again. Helm's rights go \
             when its pod has ended."
        }
    }
}

/// A setting's name, what its default is, and what it is for.
#[must_use]
pub const fn of_setting(field: SettingsField) -> (&'static str, &'static str, &'static str) {
    match field {
        SettingsField::Image => {
            ("Helm's image", HELM_IMAGE, "For clusters that pull from a registry of their own. Helm 3.14 or newer.")
        }
        SettingsField::PullSecret => {
            ("Secret to pull it with", "none", "Of type kubernetes.io/dockerconfigjson, in Crossview's namespace.")
        }
        SettingsField::Credentials => (
            "Secret of the chart's source",
            "none",
            "In Crossview's namespace. For a registry its key .dockerconfigjson, for a repository its key \
             repositories.yaml: Helm's own list, with an entry named crossview.",
        ),
        SettingsField::HttpsProxy => ("HTTPS proxy", "none", "By which Helm reaches registries and repositories."),
        SettingsField::NoProxy => ("Hosts without the proxy", "none", "Parted by commas: .example.org,10.0.0.0/8"),
        SettingsField::Ca => (
            "ConfigMap of certificate authorities",
            "none",
            "In Crossview's namespace; its key ca.crt has the certificates that Helm trusts beside the known ones.",
        ),
        SettingsField::Namespace => ("Crossview's namespace", "crossview", "Where Crossview is, or is to be."),
        SettingsField::Release => ("Helm release", "crossview", "Its name in that namespace."),
    }
}

/// Which way is in use, and to which pod.
#[must_use]
pub fn of_tunnel(pod: &str) -> String {
    if pod.is_empty() {
        return "Tunnel through the API server".to_owned();
    }
    format!("Tunnel through the API server to {pod}")
}

/// How a tunnel is; nothing while all is well.
#[must_use]
pub fn of_tunnel_state(state: &TunnelState) -> Words {
    let (tone, title, text) = match state {
        TunnelState::Starting => (Tone::Busy, "Crossview is being loaded.", ""),
        TunnelState::Ready | TunnelState::Pod(_) | TunnelState::Unsupported(_) => (Tone::Plain, "", ""),
        TunnelState::Trouble(text) => (Tone::Warn, "The connection is lost; the page goes on trying:", text.as_str()),
        TunnelState::Slow(text) => (Tone::Warn, "This takes long. It waits for:", text.as_str()),
        TunnelState::Failed(text) => {
            (Tone::Bad, "Crossview could not be shown. Reload it, or choose another way.", text.as_str())
        }
        TunnelState::Leaving => (
            Tone::Bad,
            "Crossview leads elsewhere again and again, so it was stopped. Reload it, or choose another way.",
            "",
        ),
    };
    words(tone, title, text)
}
